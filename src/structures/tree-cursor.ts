// A counted B+ tree in a shard's arena, its layout and a cursor over it. The tree is made of three classes, one upon the
// other: TreeCursor here (find and go), TreeChanges (insert and remove), CountedTree (free, check, defragment).
//
//   root (4 words, in the record)  ref of the top node, 0 = empty | entries | levels of inner nodes | 16-byte granules
//                                  of all nodes
//   node   word 0: items (8 bits) | places before the first item << 8 (8 bits) | places for items << 16; then the places
//   leaf   item: an entry of E words; its first K words are the key
//   inner  item: child ref | entries below it | key of the first entry below it (K words)
//
//   Only leaves have places before their first entry: what removals at their beginning leave.
//
//   [ c0 n - | c1 n k | c2 n k ]               The key of an inner node's first child is not kept up to date and never
//     |        |        |                      read: it is the key that an ancestor has for the node itself.
//   [e e e]  [e e e]  [e e e e e]
//
// E, K and the order are the subclass's: it keeps the key sought in fields of its own and implements countLess(), one
// call per node, so that the search within a node is a loop of its own without calls. Keys are unique. Keys may hold
// refs that comparing follows: a separator is always the words of a living entry.
//
// Nodes have no links to their neighbours: the cursor remembers the path to its leaf and climbs at the leaf's end,
// which touches no other leaf, tells the rank, and lets nodes move alone.

import type { Arena } from '../memory/arena.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

/** Words of a tree's root. */
export const TREE_ROOT_WORDS = 4;
/** Words of the root. */
export const RootWord = { Top: 0, Size: 1, Levels: 2, Granules: 3 } as const;

const NODE_BYTES_MAX = 1024;
const NODE_WORDS_MAX = NODE_BYTES_MAX / 4;
export const COUNT_MASK = 0xff;
export const START_SHIFT = 8;
export const ROOM_SHIFT = 16;
/** Words of an inner item in front of the key: ref and count. */
export const CHILD_WORDS = 2;
/** More than 2^31 entries can need, with nodes at least a quarter full. */
export const LEVELS_MAX = 16;

export abstract class TreeCursor {
  readonly entryWords: number;
  readonly keyWords: number;
  /** Words of the region the cursor's leaf is in; the cursor's entry is words[at] to words[at + entryWords - 1]. */
  words: Int32Array;
  /** See `words`; -1: the cursor is nowhere. */
  at = -1;
  protected arena!: Arena;
  protected readonly regions: Int32Array[];
  protected readonly childStride: number;
  protected readonly leafMax: number;
  protected readonly innerMax: number;
  /** Words of the root's region, and where in it the root is. */
  protected rootMemory: Int32Array;
  protected rootAt = 0;
  /** Entries of the cursor's leaf, and the word index of the first. */
  protected count = 0;
  protected first = 0;
  /** The path to the cursor: by level (0 = leaf) the node, and the index of the item in it. */
  protected readonly pathRef = new Int32Array(LEVELS_MAX);
  protected readonly pathIndex = new Int32Array(LEVELS_MAX);

  /** The cursor as keepPlace() has found it. */
  readonly #keptRef = new Int32Array(LEVELS_MAX);
  readonly #keptIndex = new Int32Array(LEVELS_MAX);
  #keptFirst = 0;
  #keptCount = 0;

  /**
   * @param entryWords words of an entry, 1 to 16
   * @param keyWords how many of them, from the first, are the key
   */
  constructor(memory: SharedMemory, entryWords: number, keyWords: number) {
    this.entryWords = entryWords;
    this.keyWords = keyWords;
    this.words = memory.words[0]!;
    this.regions = memory.words;
    this.childStride = CHILD_WORDS + keyWords;
    this.leafMax = Math.floor((NODE_WORDS_MAX - 1) / entryWords);
    this.innerMax = Math.floor((NODE_WORDS_MAX - 1) / this.childStride);
    this.rootMemory = memory.words[0]!;
  }

  /**
   * Searches one node for the key sought.
   * @param at index of the first key in `words` @param count keys @param stride words from one key to the next
   * @returns how many of the keys, which ascend, are less than the one sought
   */
  protected abstract countLess(words: Int32Array, at: number, count: number, stride: number): number;

  // ---- root ----

  /** Points the flyweight at a root. @param words of the root's region @param root index of its first word */
  open(arena: Arena, words: Int32Array, root: number): void {
    this.arena = arena;
    this.rootMemory = words;
    this.rootAt = root;
    this.at = -1;
  }

  /** Makes the root an empty tree. */
  clear(): void {
    this.rootMemory.fill(0, this.rootAt, this.rootAt + TREE_ROOT_WORDS);
    this.at = -1;
  }

  /** Number of entries. */
  get size(): number {
    return this.rootMemory[this.rootAt + RootWord.Size]!;
  }

  /** Bytes of all nodes' blocks. */
  get nodeBytes(): number {
    return (this.rootMemory[this.rootAt + RootWord.Granules]! >>> 0) * 16;
  }

  protected get levels(): number {
    return this.rootMemory[this.rootAt + RootWord.Levels]!;
  }

  // ---- cursor ----

  /** Puts the cursor at the first entry that is not less than the key sought. @returns false: behind the last */
  seek(): boolean {
    this.seekGap();
    return this.count !== 0 && (this.pathIndex[0]! < this.count || this.#climb());
  }

  /**
   * Puts the cursor where the key sought would be inserted. As seek(), but at the end of a leaf it stays there instead
   * of going to the next one, so that there may be no entry at the cursor.
   */
  seekGap(): void {
    const rootWords = this.rootMemory;
    let ref = rootWords[this.rootAt]!;
    if (ref === 0) {
      this.#atNothing();
      return;
    }
    const stride = this.childStride;
    for (let level = rootWords[this.rootAt + RootWord.Levels]!; level > 0; level--) {
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const base = ((ref & REF_MASK) << 2) + 1;
      const count = (words[base - 1]! & COUNT_MASK) - 1;
      const index = this.countLess(words, base + stride + CHILD_WORDS, count, stride);
      this.pathRef[level] = ref;
      this.pathIndex[level] = index;
      ref = words[base + index * stride]!;
    }
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const header = words[base]!;
    const first = firstItem(base, header, this.entryWords);
    const count = header & COUNT_MASK;
    this.#atLeaf(ref, words, first, count, this.countLess(words, first, count, this.entryWords));
  }

  /** Puts the cursor at the entry with `rank` entries before it. @returns false: there is none, the cursor is behind the last */
  seekRank(rank: number): boolean {
    if (rank >= this.size) {
      this.seekEnd();
      return false;
    }
    let ref = this.rootMemory[this.rootAt]!;
    const stride = this.childStride;
    for (let level = this.levels; level > 0; level--) {
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const base = ((ref & REF_MASK) << 2) + 1;
      let at = base;
      for (let below = words[at + 1]!; rank >= below; below = words[at + 1]!) {
        rank -= below;
        at += stride;
      }
      this.pathRef[level] = ref;
      this.pathIndex[level] = (at - base) / stride;
      ref = words[at]!;
    }
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const header = words[base]!;
    this.#atLeaf(ref, words, firstItem(base, header, this.entryWords), header & COUNT_MASK, rank);
    return true;
  }

  /** Puts the cursor at the first entry. @returns false if the tree is empty */
  seekFirst(): boolean {
    const top = this.rootMemory[this.rootAt]!;
    if (top === 0) return false;
    this.descend(this.levels, top, false);
    return true;
  }

  /** Puts the cursor at the last entry. @returns false if the tree is empty */
  seekLast(): boolean {
    const top = this.rootMemory[this.rootAt]!;
    if (top === 0) return false;
    this.descend(this.levels, top, true);
    return true;
  }

  /** Puts the cursor behind the last entry: previous() goes to it, insertHere() appends. */
  seekEnd(): void {
    if (!this.seekLast()) {
      this.#atNothing();
      return;
    }
    this.pathIndex[0] = this.count;
    this.at += this.entryWords;
  }

  /** Goes to the next entry. @returns false if there is none: the cursor is behind the last then */
  next(): boolean {
    const index = this.pathIndex[0]! + 1;
    if (index > this.count) return false;
    this.pathIndex[0] = index;
    this.at += this.entryWords;
    return index < this.count || this.#climb();
  }

  /** Goes to the entry before. @returns false if there is none: the cursor stays */
  previous(): boolean {
    const index = this.pathIndex[0]! - 1;
    if (index >= 0) {
      this.pathIndex[0] = index;
      this.at -= this.entryWords;
      return true;
    }
    return this.#climbBack();
  }

  /** Entries in front of the cursor. */
  rank(): number {
    if (this.size === 0) return 0;
    const stride = this.childStride;
    let rank = this.pathIndex[0]!;
    for (let level = this.levels; level > 0; level--) {
      const ref = this.pathRef[level]!;
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const first = ((ref & REF_MASK) << 2) + 2;
      for (let at = first + (this.pathIndex[level]! - 1) * stride; at >= first; at -= stride)
        rank += words[at]!;
    }
    return rank;
  }

  /** Entries from the cursor to the end of its leaf, itself included: they lie side by side from words[at]. */
  get run(): number {
    return this.count - this.pathIndex[0]!;
  }

  /** Entries of the cursor's leaf in front of the cursor. */
  get indexInLeaf(): number {
    return this.pathIndex[0]!;
  }

  /** Goes on by `steps` entries, at most `run`. @returns as next() */
  skip(steps: number): boolean {
    const index = this.pathIndex[0]! + steps;
    this.pathIndex[0] = index;
    this.at += this.entryWords * steps;
    return index < this.count || this.#climb();
  }

  /** Remembers where the cursor is. */
  protected keepPlace(): void {
    const levels = this.levels;
    for (let level = 0; level <= levels; level++) {
      this.#keptRef[level] = this.pathRef[level]!;
      this.#keptIndex[level] = this.pathIndex[level]!;
    }
    this.#keptFirst = this.first;
    this.#keptCount = this.count;
  }

  /** The leaf that keepPlace() was called in. */
  protected get keptLeaf(): number {
    return this.#keptRef[0]!;
  }

  /** Goes back to where keepPlace() was called. No node may have changed since that is on the way, but for its counts. */
  protected backToPlace(): void {
    for (let level = this.levels; level > 0; level--) {
      this.pathRef[level] = this.#keptRef[level]!;
      this.pathIndex[level] = this.#keptIndex[level]!;
    }
    const leaf = this.#keptRef[0]!;
    const words = this.regions[leaf >>> REF_REGION_SHIFT]!;
    this.#atLeaf(leaf, words, this.#keptFirst, this.#keptCount, this.#keptIndex[0]!);
  }

  /** The place of the cursor in an empty tree. */
  #atNothing(): void {
    this.count = 0;
    this.pathIndex[0] = 0;
    this.at = -1;
  }

  #atLeaf(ref: number, words: Int32Array, first: number, count: number, index: number): void {
    this.pathRef[0] = ref;
    this.pathIndex[0] = index;
    this.count = count;
    this.words = words;
    this.first = first;
    this.at = first + index * this.entryWords;
  }

  /** From a node to the first or last entry below it. */
  protected descend(level: number, ref: number, last: boolean): void {
    for (; level > 0; level--) {
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const base = (ref & REF_MASK) << 2;
      const index = last ? (words[base]! & COUNT_MASK) - 1 : 0;
      this.pathRef[level] = ref;
      this.pathIndex[level] = index;
      ref = words[base + 1 + index * this.childStride]!;
    }
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const header = words[base]!;
    const count = header & COUNT_MASK;
    this.#atLeaf(ref, words, firstItem(base, header, this.entryWords), count, last ? count - 1 : 0);
  }

  /** From the end of a leaf to the first entry of the next. @returns false if there is none; the cursor stays */
  #climb(): boolean {
    const levels = this.levels;
    for (let level = 1; level <= levels; level++) {
      const ref = this.pathRef[level]!;
      const words = this.regions[ref >>> REF_REGION_SHIFT]!;
      const base = (ref & REF_MASK) << 2;
      const index = this.pathIndex[level]! + 1;
      if (index < (words[base]! & COUNT_MASK)) {
        this.pathIndex[level] = index;
        this.descend(level - 1, words[base + 1 + index * this.childStride]!, false);
        return true;
      }
    }
    return false;
  }

  #climbBack(): boolean {
    const levels = this.levels;
    for (let level = 1; level <= levels; level++) {
      const index = this.pathIndex[level]! - 1;
      if (index >= 0) {
        const ref = this.pathRef[level]!;
        const words = this.regions[ref >>> REF_REGION_SHIFT]!;
        this.pathIndex[level] = index;
        this.descend(level - 1, words[((ref & REF_MASK) << 2) + 1 + index * this.childStride]!, true);
        return true;
      }
    }
    return false;
  }
}

/** Word index of the first item of a node. @param base of the node @param header its first word */
export function firstItem(base: number, header: number, stride: number): number {
  return base + 1 + ((header >>> START_SHIFT) & COUNT_MASK) * stride;
}
