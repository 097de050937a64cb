// A counted B+ tree in a shard's arena: the order of sorted sets (score, member) and of streams (ID). It finds entries
// by key and by rank and tells ranks in O(log n). This file has what the keyspace needs of it: freeing step by step,
// checking, defragmentation. The layout is drawn in tree-cursor.ts, changes are in tree-changes.ts.
//
// How to use it: open() it at its root (clear() makes a new one), set the subclass's key, seek() or seekRank(), read
// words[at ...], next(). To insert: seekGap(), fill `entry`, insertHere(); to remove: seek(), removeHere(). There is one
// cursor per flyweight; after a change it is nowhere: seek again.
//
// What entries refer to is the subclass's: the hooks freeEntry(), eachEntryBlock() and moveEntry().

import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { TreeChanges } from './tree-changes.ts';
import { CHILD_WORDS, COUNT_MASK, firstItem, ROOM_SHIFT, RootWord } from './tree-cursor.ts';
export abstract class CountedTree extends TreeChanges {
  /** Nodes and, by moveEntry(), blocks of entries that the last moveSparse() moved. */
  moved = 0;

  /** Order of two entries, for check(): negative, 0 or positive. */
  protected abstract compareEntries(a: Int32Array, atA: number, b: Int32Array, atB: number): number;

  /** Frees what an entry refers to, for freeSome(). @returns blocks freed */
  protected freeEntry(_words: Int32Array, _at: number): number {
    return 0;
  }

  /** Visits the blocks that an entry refers to, for eachBlock(). */
  protected eachEntryBlock(_words: Int32Array, _at: number, _visit: (ref: number) => void): void {}

  /**
   * Moves the block that an entry refers to if `arena.isSparse()`, and changes the ref in the entry, for moveSparse().
   * @returns whether it did
   */
  protected moveEntry(_words: Int32Array, _at: number, _limits: Int32Array): boolean {
    return false;
  }
  /**
   * Frees nodes from the end, and by freeEntry() what entries refer to; about `budget` blocks. Between calls only
   * freeSome() and eachBlock() work.
   * @returns what is left of the budget; 0 or less: there may be more to free
   */
  freeSome(budget: number): number {
    while (budget > 0) {
      const top = this.rootMemory[this.rootAt]!;
      if (top === 0) break;
      // Nodes lose their last child as it is freed: the last path is always whole.
      this.descend(this.levels, top, true);
      let at = this.at;
      for (let i = this.count; i > 0; i--, at -= this.entryWords) budget -= this.freeEntry(this.words, at);
      budget -= this.#freeLast();
    }
    this.at = -1;
    return budget;
  }

  /** Frees the path's leaf and what becomes empty with it. @returns nodes freed */
  #freeLast(): number {
    const levels = this.levels;
    for (let level = 0; level <= levels; level++) {
      this.freeNode(this.pathRef[level]!);
      if (level === levels) {
        this.clear();
        return level + 1;
      }
      const parent = this.pathRef[level + 1]!;
      const words = this.regions[parent >>> REF_REGION_SHIFT]!;
      const base = (parent & REF_MASK) << 2;
      words[base]! -= 1;
      if ((words[base]! & COUNT_MASK) > 0) return level + 1;
    }
    return 0;
  }

  /** Visits every node, and by eachEntryBlock() every block that entries refer to. */
  eachBlock(visit: (ref: number) => void): void {
    const top = this.rootMemory[this.rootAt]!;
    if (top !== 0) this.#visit(this.levels, top, visit);
  }

  #visit(level: number, ref: number, visit: (ref: number) => void): void {
    visit(ref);
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const count = words[base]! & COUNT_MASK;
    for (let i = 0; i < count; i++) {
      if (level > 0) this.#visit(level - 1, words[base + 1 + i * this.childStride]!, visit);
      else
        this.eachEntryBlock(
          words,
          firstItem(base, words[base]!, this.entryWords) + i * this.entryWords,
          visit,
        );
    }
  }

  /**
   * Moves nodes in sparse spans, and by moveEntry() what entries refer to.
   * @param limits see Arena.isSparse @param from 0 to begin, else what the last call returned
   * @param budget blocks to look at, about
   * @returns where to go on, 0 when done
   * @throws OutOfMemoryError; the tree is whole
   */
  moveSparse(limits: Int32Array, from: number, budget: number): number {
    this.moved = 0;
    let rank = from;
    while (rank < this.size) {
      if (budget <= 0) return rank;
      this.seekRank(rank);
      rank += this.run;
      // An inner node is looked at with its first leaf.
      let level = 0;
      do {
        this.#moveNode(level, limits);
        level++;
      } while (level <= this.levels && this.pathIndex[level] === 0);
      budget -= level + this.#moveEntries(limits);
    }
    this.at = -1;
    return 0;
  }

  #moveNode(level: number, limits: Int32Array): void {
    const ref = this.pathRef[level]!;
    if (!this.arena.isSparse(ref, limits)) return;
    const stride = level === 0 ? this.entryWords : this.childStride;
    const fresh = this.newNode(
      this.header(level) >>> ROOM_SHIFT,
      stride,
      level === 0 ? this.leafMax : this.innerMax,
    );
    this.copyNode(ref, fresh, stride);
    this.replaceNode(level, fresh);
    this.moved++;
  }

  /** @returns blocks looked at */
  #moveEntries(limits: Int32Array): number {
    const leaf = this.pathRef[0]!;
    const words = this.regions[leaf >>> REF_REGION_SHIFT]!;
    const base = (leaf & REF_MASK) << 2;
    const first = firstItem(base, words[base]!, this.entryWords);
    for (let i = 0; i < this.count; i++) {
      if (!this.moveEntry(words, first + i * this.entryWords, limits)) continue;
      this.moved++;
      if (i === 0) this.setSeparator(words, first);
    }
    return this.count;
  }

  /** Throws at the first broken invariant. */
  check(): void {
    const top = this.rootMemory[this.rootAt]!;
    let granules = 0;
    let entries = 0;
    if (top !== 0) {
      const state = { granules: 0, last: null, lastAt: 0 };
      entries = this.#checkNode(this.levels, top, state);
      granules = state.granules;
    } else if (this.levels !== 0) fail('levels without a node');
    if (entries !== this.size) fail(`${entries} entries, ${this.size} counted`);
    if (granules !== this.rootMemory[this.rootAt + RootWord.Granules]! >>> 0) fail('bytes of nodes differ');
  }

  /** @param state the entry before, and granules so far @returns entries below */
  #checkNode(level: number, ref: number, state: CheckState): number {
    const stride = level === 0 ? this.entryWords : this.childStride;
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const count = words[base]! & COUNT_MASK;
    const room = words[base]! >>> ROOM_SHIFT;
    const first = firstItem(base, words[base]!, stride);
    const capacity = this.arena.checkBlock(ref);
    if (count === 0 || first + count * stride > base + 1 + room * stride)
      fail(`${count} items in a node with room for ${room}`);
    if (level > 0 && first !== base + 1) fail('an inner node that does not begin at its first place');
    if ((1 + room * stride) * 4 > capacity) fail(`room for ${room} items in ${capacity} bytes`);
    if (level > 0 && level === this.levels && count === 1) fail('one child below the top');
    state.granules += capacity >> 4;
    let entries = 0;
    for (let i = 0; i < count; i++) {
      const at = first + i * stride;
      if (level === 0) {
        if (state.last !== null && this.compareEntries(state.last, state.lastAt, words, at) >= 0)
          fail('order');
        state.last = words;
        state.lastAt = at;
        entries++;
        continue;
      }
      if (i > 0) this.#checkSeparator(words, at + CHILD_WORDS, level - 1, words[at]!);
      const below = this.#checkNode(level - 1, words[at]!, state);
      if (below !== words[at + 1]) fail(`${below} entries below, ${words[at + 1]} counted`);
      entries += below;
    }
    return entries;
  }

  /** The key that a node has for a child must be that of the child's first entry. */
  #checkSeparator(words: Int32Array, at: number, level: number, ref: number): void {
    for (; level > 0; level--) ref = this.regions[ref >>> REF_REGION_SHIFT]![((ref & REF_MASK) << 2) + 1]!;
    const leaf = this.regions[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    const first = firstItem(base, leaf[base]!, this.entryWords);
    for (let i = 0; i < this.keyWords; i++) if (words[at + i] !== leaf[first + i]) fail('separator');
  }
}

interface CheckState {
  granules: number;
  last: Int32Array | null;
  lastAt: number;
}

function fail(what: string): never {
  throw new Error(`counted tree: ${what}`);
}
