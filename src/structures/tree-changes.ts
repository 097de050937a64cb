// Changes of a counted B+ tree: insertion with splits, removal with merges, and its nodes. The layout is drawn in
// tree-cursor.ts.
//
// Nodes have at most 1 KiB. Their blocks grow by a quarter and are cut after a split, so that nodes are nearly full
// whatever order entries come in; at the end of the tree a full node stays full and the new one begins empty.
// A node with less than a quarter of the most items is merged with a neighbour; none is ever empty.
//
// All memory that an insertion needs is taken before it changes anything. What a removal would like to have for merging
// or cutting nodes it does without when there is none.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { blockBytes } from '../memory/size-classes.ts';
import {
  CHILD_WORDS,
  COUNT_MASK,
  firstItem,
  LEVELS_MAX,
  ROOM_SHIFT,
  RootWord,
  START_SHIFT,
  TreeCursor,
} from './tree-cursor.ts';

/** Moves of at most this many words are faster as a loop. */
const LOOP_MOVE_MAX = 32;
/** Nodes with less than a quarter of their most items are merged with a neighbour, if the result is not too full. */
const MERGE_BELOW_SHIFT = 2;

export abstract class TreeChanges extends TreeCursor {
  /** The entry that insertHere() puts in. */
  readonly entry: Int32Array;
  /** Nodes taken before an insertion that needs them, by level. */
  readonly #spare = new Int32Array(LEVELS_MAX + 1);
  /** The item that goes into the parent after a split. */
  readonly #item: Int32Array;

  /**
   * @param entryWords words of an entry, 1 to 16
   * @param keyWords how many of them, from the first, are the key
   */
  constructor(memory: SharedMemory, entryWords: number, keyWords: number) {
    super(memory, entryWords, keyWords);
    this.entry = new Int32Array(entryWords);
    this.#item = new Int32Array(this.childStride);
  }

  /**
   * Inserts `entry` in front of the cursor, which stands where it belongs (seekGap() or seekEnd()).
   * @returns whether nothing has changed but the cursor's leaf, and counts and the separator above it
   * @throws OutOfMemoryError; nothing was changed
   */
  insertHere(): boolean {
    const ref = this.rootMemory[this.rootAt]!;
    if (ref === 0) {
      this.#insertFirst();
      return false;
    }
    const index = this.pathIndex[0]!;
    const full = this.count === this.header(0) >>> ROOM_SHIFT;
    if (full) this.#reserve();
    if (index === 0) this.setSeparator(this.entry, 0);
    if (full) this.#insertWithSpares();
    else {
      this.#insertIntoLeaf(index);
      this.#addAbove(1, 1);
    }
    this.rootMemory[this.rootAt + RootWord.Size]! += 1;
    this.at = -1;
    return !full;
  }

  /** Inserts `entry`, whose key is greater than all others. @throws OutOfMemoryError; nothing was changed */
  append(): void {
    this.seekEnd();
    this.insertHere();
  }

  /**
   * Removes entries from the cursor on, but none of the next leaf's.
   * @param most how many, 1 or more
   * @returns how many it removed; to go on, seek again (seekRank() with the same rank)
   */
  removeHere(most = 1): number {
    const index = this.pathIndex[0]!;
    const removed = Math.min(most, this.count - index);
    const size = this.entryWords;
    const rest = this.count - removed;
    const words = this.words;
    const base = (this.pathRef[0]! & REF_MASK) << 2;
    // The shorter part moves.
    if (index < rest - index) {
      moveWords(words, this.first + removed * size, this.first, index * size);
      words[base]! += (removed << START_SHIFT) - removed;
      this.first += removed * size;
    } else {
      moveWords(words, this.at, this.at + removed * size, (rest - index) * size);
      words[base]! -= removed;
    }
    this.#addAbove(1, -removed);
    this.rootMemory[this.rootAt + RootWord.Size]! -= removed;
    if (rest === 0) this.#removeNode(0);
    else {
      if (index === 0) this.setSeparator(words, this.first);
      if (rest < words[base]! >>> (ROOM_SHIFT + 1)) this.#mend(0);
    }
    this.at = -1;
    return removed;
  }

  /** To be called after the words of the cursor's entry were changed in place, the order being as it was. */
  entryChanged(): void {
    if (this.pathIndex[0] === 0) this.setSeparator(this.words, this.at);
  }

  /** Puts `entry` into the cursor's leaf, which has room at its end or at its beginning. */
  #insertIntoLeaf(index: number): void {
    const { words, entryWords: size, count } = this;
    const base = (this.pathRef[0]! & REF_MASK) << 2;
    const start = (words[base]! >>> START_SHIFT) & COUNT_MASK;
    let at = this.at;
    if (start > 0 && (index < count - index || start + count === words[base]! >>> ROOM_SHIFT)) {
      moveWords(words, this.first - size, this.first, index * size);
      words[base]! -= 1 << START_SHIFT;
      at -= size;
    } else moveWords(words, at + size, at, (count - index) * size);
    for (let i = 0; i < size; i++) words[at + i] = this.entry[i]!;
    words[base]! += 1;
  }

  #insertFirst(): void {
    const leaf = this.newNode(1, this.entryWords, this.leafMax);
    const words = this.regions[leaf >>> REF_REGION_SHIFT]!;
    insertItem(words, (leaf & REF_MASK) << 2, 0, 0, this.entry, this.entryWords);
    this.rootMemory[this.rootAt + RootWord.Top] = leaf;
    this.rootMemory[this.rootAt + RootWord.Size] = 1;
    this.rootMemory[this.rootAt + RootWord.Levels] = 0;
    this.at = -1;
  }

  /** Takes the nodes that an insertion into the full leaf of the path needs, so that nothing can fail half-way. */
  #reserve(): void {
    const levels = this.levels;
    let level = 0;
    try {
      for (; level <= levels; level++) {
        const stride = level === 0 ? this.entryWords : this.childStride;
        const max = level === 0 ? this.leafMax : this.innerMax;
        const header = this.header(level);
        const count = header & COUNT_MASK;
        this.#spare[level] = 0;
        if (count < header >>> ROOM_SHIFT) return;
        if (count < max) {
          this.#spare[level] = this.newNode(count + (count >> 2) + 1, stride, max);
          return;
        }
        this.#spare[level] = this.newNode(
          this.#splitsAtEnd(level, count) ? 1 : (count >> 1) + 1 + (count >> 5),
          stride,
          max,
        );
      }
      this.#spare[level] = this.newNode(2, this.childStride, this.innerMax);
    } catch (error) {
      while (--level >= 0) this.freeNode(this.#spare[level]!);
      throw error;
    }
  }

  /** Whether the insertion into the full node of a level goes behind everything else: the node stays full then. */
  #splitsAtEnd(level: number, count: number): boolean {
    // Items of inner nodes are inserted behind the one on the path.
    if (this.pathIndex[level]! !== (level === 0 ? count : count - 1)) return false;
    for (let above = level + 1; above <= this.levels; above++) {
      if (this.pathIndex[above]! !== (this.header(above) & COUNT_MASK) - 1) return false;
    }
    return true;
  }

  #insertWithSpares(): void {
    const levels = this.levels;
    let item = this.entry;
    for (let level = 0; level <= levels; level++) {
      const index = this.pathIndex[level]! + (level === 0 ? 0 : 1);
      const stride = level === 0 ? this.entryWords : this.childStride;
      const ref = this.pathRef[level]!;
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const base = (ref & REF_MASK) << 2;
      const header = words[base]!;
      const count = header & COUNT_MASK;
      if (this.#spare[level] === 0) {
        insertItem(words, base, count, index, item, stride);
        this.#addAbove(level + 1, 1);
        return;
      }
      if (count < (level === 0 ? this.leafMax : this.innerMax)) {
        this.#growTo(level, this.#spare[level]!, item, index, stride);
        this.#addAbove(level + 1, 1);
        return;
      }
      this.#split(level, index, item, stride);
      item = this.#item;
    }
    this.#addTop(levels + 1);
  }

  /** Copies the node of a level to a larger one, with an item more. */
  #growTo(level: number, fresh: number, item: Int32Array, index: number, stride: number): void {
    this.copyNode(this.pathRef[level]!, fresh, stride);
    const words = this.regions[fresh >>> REF_REGION_SHIFT]!;
    const base = (fresh & REF_MASK) << 2;
    insertItem(words, base, words[base]! & COUNT_MASK, index, item, stride);
    this.replaceNode(level, fresh);
  }

  /**
   * Splits the full node of a level: its spare becomes the node behind it. `#item` is what the parent then gets, and
   * the parent's count of the node is set.
   */
  #split(level: number, index: number, item: Int32Array, stride: number): void {
    const left = this.pathRef[level]!;
    const right = this.#spare[level]!;
    const from = this.regions[left >>> REF_REGION_SHIFT]!;
    const base = (left & REF_MASK) << 2;
    const to = this.regions[right >>> REF_REGION_SHIFT]!;
    const rightBase = (right & REF_MASK) << 2;
    const count = from[base]! & COUNT_MASK;
    let kept = count;
    if (!this.#splitsAtEnd(level, count)) {
      kept = (count + 1) >> 1;
      copyWords(from, base + 1 + kept * stride, to, rightBase + 1, (count - kept) * stride);
      to[rightBase]! += count - kept;
      from[base]! -= count - kept;
    }
    if (index < kept) insertItem(from, base, kept, index, item, stride);
    else insertItem(to, rightBase, count - kept, index - kept, item, stride);
    const key = rightBase + 1 + (level === 0 ? 0 : CHILD_WORDS);
    const next = this.#item;
    // `item` may be `#item`: it is in its node by now.
    next[0] = right;
    next[1] = this.#entriesBelow(level, right);
    for (let i = 0; i < this.keyWords; i++) next[CHILD_WORDS + i] = to[key + i]!;
    if (level < this.levels) {
      const parent = this.pathRef[level + 1]!;
      const at = ((parent & REF_MASK) << 2) + 1 + this.pathIndex[level + 1]! * this.childStride;
      this.regions[parent >>> REF_REGION_SHIFT]![at + 1] = this.#entriesBelow(level, left);
    }
    if (kept < count) this.#refit(level);
  }

  /** Puts a node on top of two: the old top and `#item`. */
  #addTop(level: number): void {
    const top = this.#spare[level]!;
    const words = this.regions[top >>> REF_REGION_SHIFT]!;
    const base = (top & REF_MASK) << 2;
    const first = this.rootMemory[this.rootAt]!;
    words[base]! += 1;
    words.fill(0, base + 1, base + 1 + this.childStride);
    words[base + 1] = first;
    words[base + 2] = this.#entriesBelow(level - 1, first);
    insertItem(words, base, 1, 1, this.#item, this.childStride);
    this.rootMemory[this.rootAt] = top;
    this.rootMemory[this.rootAt + RootWord.Levels] = level;
  }

  /** Adds to the counts of the path's nodes from a level upwards. */
  #addAbove(level: number, by: number): void {
    const stride = this.childStride;
    const levels = this.levels;
    for (; level <= levels; level++) {
      const ref = this.pathRef[level]!;
      const at = ((ref & REF_MASK) << 2) + 2 + this.pathIndex[level]! * stride;
      this.regions[ref >>> REF_REGION_SHIFT]![at]! += by;
    }
  }

  /** The first key of the path's leaf, or of a node below which the path only takes first items, is another one. */
  protected setSeparator(key: Int32Array, at: number, below = 0): void {
    const levels = this.levels;
    for (let level = below + 1; level <= levels; level++) {
      const index = this.pathIndex[level]!;
      if (index === 0) continue;
      const ref = this.pathRef[level]!;
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const to = ((ref & REF_MASK) << 2) + 1 + index * this.childStride + CHILD_WORDS;
      for (let i = 0; i < this.keyWords; i++) words[to + i] = key[at + i]!;
      return;
    }
  }

  /** Frees the path's node of a level, which has become empty, and takes it out of its parent. */
  #removeNode(level: number): void {
    this.freeNode(this.pathRef[level]!);
    if (level < this.levels) {
      this.#removeChild(level + 1, this.pathIndex[level + 1]!);
      return;
    }
    this.rootMemory[this.rootAt + RootWord.Top] = 0;
    this.rootMemory[this.rootAt + RootWord.Levels] = 0;
  }

  /** Takes an item out of the path's inner node of a level. Counts above are right already. */
  #removeChild(level: number, index: number): void {
    const stride = this.childStride;
    const ref = this.pathRef[level]!;
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const rest = (words[base]! & COUNT_MASK) - 1;
    if (rest === 0) {
      this.#removeNode(level);
      return;
    }
    const at = base + 1 + index * stride;
    moveWords(words, at, at + stride, (rest - index) * stride);
    words[base]! -= 1;
    if (index === 0) this.setSeparator(words, base + 1 + CHILD_WORDS, level);
    if (level === this.levels) this.#dropTop();
    else if (rest < words[base]! >>> (ROOM_SHIFT + 1)) this.#mend(level);
  }

  /** While the top is an inner node of one child, the child becomes the top. */
  #dropTop(): void {
    let level = this.levels;
    for (; level > 0; level--) {
      const top = this.rootMemory[this.rootAt]!;
      const words = this.regions[top >>> REF_REGION_SHIFT]!;
      const base = (top & REF_MASK) << 2;
      if ((words[base]! & COUNT_MASK) > 1) break;
      this.rootMemory[this.rootAt] = words[base + 1]!;
      this.freeNode(top);
    }
    this.rootMemory[this.rootAt + RootWord.Levels] = level;
  }

  /** The path's node of a level is less than half of its room: merges it with a neighbour or cuts its block. */
  #mend(level: number): void {
    const max = level === 0 ? this.leafMax : this.innerMax;
    const count = this.header(level) & COUNT_MASK;
    if (level < this.levels && count < max >> MERGE_BELOW_SHIFT) {
      const parent = this.pathRef[level + 1]!;
      const siblings = this.regions[parent >>> REF_REGION_SHIFT]![(parent & REF_MASK) << 2]! & COUNT_MASK;
      const index = this.pathIndex[level + 1]!;
      if (index + 1 < siblings && this.#merge(level, index, max)) return;
      if (index > 0 && this.#merge(level, index - 1, max)) return;
    }
    this.#refit(level);
  }

  /** Merges the children `index` and `index + 1` of the path's node above `level`, unless they are too full together. */
  #merge(level: number, index: number, max: number): boolean {
    const stride = level === 0 ? this.entryWords : this.childStride;
    const parent = this.pathRef[level + 1]!;
    const parentWords = this.regions[parent >>> REF_REGION_SHIFT]!;
    const leftAt = ((parent & REF_MASK) << 2) + 1 + index * this.childStride;
    const rightAt = leftAt + this.childStride;
    let left = parentWords[leftAt]!;
    const right = parentWords[rightAt]!;
    const from = this.regions[right >>> REF_REGION_SHIFT]!;
    const rightBase = (right & REF_MASK) << 2;
    const rightCount = from[rightBase]! & COUNT_MASK;
    const leftHeader = this.regions[left >>> REF_REGION_SHIFT]![(left & REF_MASK) << 2]!;
    const count = (leftHeader & COUNT_MASK) + rightCount;
    if (count > max - (max >> MERGE_BELOW_SHIFT)) return false;
    if (((leftHeader >>> START_SHIFT) & COUNT_MASK) + count > leftHeader >>> ROOM_SHIFT) {
      const fresh = this.#tryNode(count, stride, max);
      if (fresh === 0) return false;
      this.copyNode(left, fresh, stride);
      this.freeNode(left);
      left = fresh;
      parentWords[leftAt] = fresh;
    }
    const to = this.regions[left >>> REF_REGION_SHIFT]!;
    const leftBase = (left & REF_MASK) << 2;
    const end = firstItem(leftBase, to[leftBase]!, stride) + (leftHeader & COUNT_MASK) * stride;
    copyWords(from, firstItem(rightBase, from[rightBase]!, stride), to, end, rightCount * stride);
    to[leftBase]! += rightCount;
    if (level > 0) copyWords(parentWords, rightAt + CHILD_WORDS, to, end + CHILD_WORDS, this.keyWords);
    parentWords[leftAt + 1]! += parentWords[rightAt + 1]!;
    this.freeNode(right);
    this.#removeChild(level + 1, index + 1);
    return true;
  }

  /** Cuts the block of the path's node of a level if that saves much, and there is memory for it. */
  #refit(level: number): void {
    const stride = level === 0 ? this.entryWords : this.childStride;
    const ref = this.pathRef[level]!;
    const header = this.header(level);
    const count = header & COUNT_MASK;
    const wanted = Math.max(4, count + (count >> 3));
    if (blockBytes((1 + wanted * stride) * 4) >= this.arena.capacity(ref)) return;
    const fresh = this.#tryNode(wanted, stride, level === 0 ? this.leafMax : this.innerMax);
    if (fresh === 0) return;
    this.copyNode(ref, fresh, stride);
    this.replaceNode(level, fresh);
  }

  // ---- nodes ----

  /** Header of the path's node of a level. */
  protected header(level: number): number {
    const ref = this.pathRef[level]!;
    return this.regions[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
  }

  #entriesBelow(level: number, ref: number): number {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const count = words[base]! & COUNT_MASK;
    if (level === 0) return count;
    let entries = 0;
    for (let i = 0; i < count; i++) entries += words[base + 2 + i * this.childStride]!;
    return entries;
  }

  /** An empty node. @param items at least so many, but no more than `max` @throws OutOfMemoryError */
  protected newNode(items: number, stride: number, max: number): number {
    const bytes = blockBytes((1 + Math.min(items, max) * stride) * 4);
    const ref = this.arena.alloc(bytes);
    const room = Math.min(max, Math.floor((bytes / 4 - 1) / stride));
    this.regions[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2] = room << ROOM_SHIFT;
    this.rootMemory[this.rootAt + RootWord.Granules]! += bytes >> 4;
    return ref;
  }

  /** As newNode, 0 if there is no memory. */
  #tryNode(items: number, stride: number, max: number): number {
    try {
      return this.newNode(items, stride, max);
    } catch (error) {
      if (error instanceof OutOfMemoryError) return 0;
      throw error;
    }
  }

  protected freeNode(ref: number): void {
    this.rootMemory[this.rootAt + RootWord.Granules]! -= this.arena.capacity(ref) >> 4;
    this.arena.free(ref);
  }

  /** Copies the items of a node to an empty one, where they begin at the first place. */
  protected copyNode(from: number, to: number, stride: number): void {
    const source = this.regions[from >>> REF_REGION_SHIFT]!;
    const base = (from & REF_MASK) << 2;
    const target = this.regions[to >>> REF_REGION_SHIFT]!;
    const targetBase = (to & REF_MASK) << 2;
    const count = source[base]! & COUNT_MASK;
    copyWords(source, firstItem(base, source[base]!, stride), target, targetBase + 1, count * stride);
    target[targetBase]! += count;
  }

  /** Puts a copy in the place of the path's node of a level, which is freed. */
  protected replaceNode(level: number, fresh: number): void {
    const old = this.pathRef[level]!;
    this.pathRef[level] = fresh;
    if (level === this.levels) this.rootMemory[this.rootAt] = fresh;
    else {
      const parent = this.pathRef[level + 1]!;
      const at = ((parent & REF_MASK) << 2) + 1 + this.pathIndex[level + 1]! * this.childStride;
      this.regions[parent >>> REF_REGION_SHIFT]![at] = fresh;
    }
    this.freeNode(old);
  }
}

/** Puts an item into a node that has room and begins at its first place, in front of the index-th. @param base index of the node's first word */
function insertItem(
  words: Int32Array,
  base: number,
  count: number,
  index: number,
  item: Int32Array,
  stride: number,
): void {
  const at = base + 1 + index * stride;
  moveWords(words, at + stride, at, (count - index) * stride);
  for (let i = 0; i < stride; i++) words[at + i] = item[i]!;
  words[base]! += 1;
}

/** Moves words within a region; the ranges may overlap. */
function moveWords(words: Int32Array, to: number, from: number, count: number): void {
  if (count > LOOP_MOVE_MAX) words.copyWithin(to, from, from + count);
  else if (to < from) for (let i = 0; i < count; i++) words[to + i] = words[from + i]!;
  else for (let i = count - 1; i >= 0; i--) words[to + i] = words[from + i]!;
}

/** Copies words between nodes. */
function copyWords(source: Int32Array, from: number, target: Int32Array, to: number, count: number): void {
  for (let i = 0; i < count; i++) target[to + i] = source[from + i]!;
}
