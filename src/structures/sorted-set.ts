// A sorted set (encoding "skiplist"): a hash table from member to element, and a counted tree that keeps the elements
// in order. Both refer to the same element, which holds member and score.
//
//   root   5 words of the table (hash-table.ts) | 4 words of the tree (tree-cursor.ts)
//
//   table   member's hash -> ref ----+
//                                    +--> element: length | score | member
//   tree    (score, member) -> ref --+
//
// A member of 14 bytes takes 32 bytes as an element, 10 in the table and 13 to 14 in the tree.
//
// The score in the tree is one for comparing (-0 is 0 there); what is replied is the element's.

import type { Arena } from '../memory/arena.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { ElementView, newScored, readScore, writeScore } from './element.ts';
import { ElementTable, type MoveListener } from './element-table.ts';
import type { TablePosition } from './hash-table.ts';
import { keyedHash } from './keyed-hash.ts';
import type { RootedStructure } from './rooted.ts';
import { SCORE_REF_WORD, ScoreTree } from './score-tree.ts';
import { HASH_SPAN, TABLE_ROOT_WORDS } from './table-segments.ts';
import { TREE_ROOT_WORDS } from './tree-cursor.ts';

/** Words of a sorted set's root. */
export const SORTED_SET_ROOT_WORDS = TABLE_ROOT_WORDS + TREE_ROOT_WORDS;
/** Bytes of a node, about: to guess how many there are. */
const NODE_BYTES = 768;

export class SortedSet implements RootedStructure, MoveListener {
  readonly rootWords = SORTED_SET_ROOT_WORDS;
  readonly table: ElementTable;
  /** The order, with a cursor. */
  readonly tree: ScoreTree;
  moved = 0;
  readonly #memory: SharedMemory;
  readonly #regions: Int32Array[];
  readonly #element: ElementView;
  #arena!: Arena;
  /** What touchHere() read: kept, so that it is not left out. */
  touched = 0;
  /** Writes copies; made when the first one is. */
  #copy: SortedSet | null = null;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.#regions = memory.words;
    this.#element = new ElementView(memory);
    this.table = new ElementTable(memory);
    this.table.listener = this;
    this.tree = new ScoreTree(memory);
  }

  open(arena: Arena, words: Int32Array, root: number): void {
    this.#arena = arena;
    this.table.open(arena, words, root);
    this.tree.open(arena, words, root + TABLE_ROOT_WORDS);
  }

  /** Makes the root that is open an empty set's. Takes no memory. */
  create(): void {
    this.table.create();
    this.tree.clear();
  }

  get size(): number {
    return this.table.size;
  }

  // ---- members ----

  /** @param hash keyedHash() of the member @returns ref of the element, 0 if there is none */
  find(hash: number, buf: Buffer, off: number, len: number): number {
    return this.table.find(hash, buf, off, len);
  }

  /** Score of an element. */
  scoreOf(ref: number): number {
    return readScore(this.#regions[ref >>> REF_REGION_SHIFT]!, (ref & REF_MASK) << 2);
  }

  /** Adds a member, which must not be there. @throws OutOfMemoryError; nothing was changed */
  add(hash: number, score: number, buf: Buffer, off: number, len: number): void {
    const ref = newScored(this.#arena, buf, off, len, score);
    let inTree = false;
    try {
      this.tree.insertMember(score, ref, buf, off, len);
      inTree = true;
      this.table.insert(hash, ref);
    } catch (error) {
      if (inTree) this.#removeFromTree(ref);
      this.#arena.free(ref);
      throw error;
    }
  }

  /** As add(), of a member that comes behind all others. */
  append(hash: number, score: number, buf: Buffer, off: number, len: number): void {
    const ref = newScored(this.#arena, buf, off, len, score);
    let inTree = false;
    try {
      this.tree.appendMember(score, ref);
      inTree = true;
      this.table.insert(hash, ref);
    } catch (error) {
      if (inTree) this.#removeFromTree(ref);
      this.#arena.free(ref);
      throw error;
    }
  }

  // ---- building without order: a member may come several times, its score changes until all are there ----

  /** As add(), but the member is in no order until orderSome() has put it there. */
  addUnordered(hash: number, score: number, buf: Buffer, off: number, len: number): void {
    const ref = newScored(this.#arena, buf, off, len, score);
    try {
      this.table.insert(hash, ref);
    } catch (error) {
      this.#arena.free(ref);
      throw error;
    }
  }

  /** Gives an element that is in no order another score. */
  setUnorderedScore(ref: number, score: number): void {
    writeScore(this.#regions[ref >>> REF_REGION_SHIFT]!, (ref & REF_MASK) << 2, score);
  }

  /** Removes a member that is in no order. @returns whether it was there */
  removeUnordered(hash: number, buf: Buffer, off: number, len: number): boolean {
    const ref = this.table.remove(hash, buf, off, len);
    if (ref !== 0) this.#arena.free(ref);
    return ref !== 0;
  }

  /**
   * Puts members in order, about `count` of them.
   * @param position begun (table.begin) before the first call
   * @returns whether there are more
   * @throws OutOfMemoryError; the set is good for nothing but to be freed
   */
  orderSome(position: TablePosition, count: number): boolean {
    const { table, tree } = this;
    const element = this.#element;
    for (let left = count; left > 0; left--) {
      const ref = table.next(position);
      if (ref === 0) return false;
      element.point(ref);
      tree.insertMember(element.score, ref, element.bytes, element.keyOffset, element.keyLength);
    }
    return true;
  }

  // ---- changes ----

  /** Gives an element another score. @throws OutOfMemoryError; nothing was changed */
  setScore(ref: number, score: number): void {
    const { tree } = this;
    const element = this.#element;
    element.point(ref);
    const { bytes, keyOffset, keyLength, score: old } = element;
    tree.seekMember(old, bytes, keyOffset, keyLength);
    tree.rescoreHere(old, score, bytes, keyOffset, keyLength);
    writeScore(element.words, element.w, score);
  }

  /** Removes a member. @returns false if it is not there */
  remove(hash: number, buf: Buffer, off: number, len: number): boolean {
    const ref = this.table.remove(hash, buf, off, len);
    if (ref === 0) return false;
    this.#removeFromTree(ref);
    this.#arena.free(ref);
    return true;
  }

  /** As remove(), for an element that is known to be there. */
  removeElement(hash: number, ref: number): void {
    this.table.unlink(hash, ref);
    this.#removeFromTree(ref);
    this.#arena.free(ref);
  }

  /** Removes the member at the tree's cursor; the cursor is nowhere then. */
  removeHere(): void {
    const { ref } = this.tree;
    this.#removeFromTable(ref);
    this.tree.removeHere();
    this.#arena.free(ref);
  }

  /**
   * Reads from the element at the tree's cursor, so that it is in the caches when it is needed: who takes members one by
   * one would wait for each (100 ns). Nothing waits for this read.
   */
  touchHere(): void {
    const { ref } = this.tree;
    this.touched = this.#regions[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]! & 1;
  }

  /** Removes `count` members in order, from the one with `rank` others before it. */
  removeRange(rank: number, count: number): void {
    const { tree } = this;
    for (let left = count; left > 0; ) {
      tree.seekRank(rank);
      const part = Math.min(left, tree.run);
      const { words, at, entryWords } = tree;
      for (let i = 0; i < part; i++) this.#removeFromTable(words[at + i * entryWords + SCORE_REF_WORD]!);
      // Removing entries by rank reads no element.
      for (let i = 0; i < part; i++) this.#arena.free(words[at + i * entryWords + SCORE_REF_WORD]!);
      tree.removeHere(part);
      left -= part;
    }
  }

  /** Members before an element. */
  rankOf(ref: number): number {
    const element = this.#element;
    element.point(ref);
    this.tree.seekMember(element.score, element.bytes, element.keyOffset, element.keyLength);
    return this.tree.rank();
  }

  #removeFromTree(ref: number): void {
    const element = this.#element;
    element.point(ref);
    this.tree.seekMember(element.score, element.bytes, element.keyOffset, element.keyLength);
    this.tree.removeHere();
  }

  #removeFromTable(ref: number): void {
    const element = this.#element;
    element.point(ref);
    this.table.unlink(keyedHash(element.bytes, element.keyOffset, element.keyLength), ref);
  }

  // ---- what the keyspace asks for ----

  get blockCount(): number {
    return this.table.blockCount + Math.ceil(this.tree.nodeBytes / NODE_BYTES);
  }

  freeSome(budget: number): number {
    // The tree does not look at elements when it is freed.
    const left = this.table.freeSome(budget);
    return left > 0 ? this.tree.freeSome(left) : left;
  }

  copyTo(arena: Arena, words: Int32Array, root: number): void {
    this.#copy ??= new SortedSet(this.#memory);
    const copy = this.#copy;
    copy.open(arena, words, root);
    copy.create();
    const { tree } = this;
    const element = this.#element;
    try {
      for (let more = tree.seekFirst(); more; more = tree.next()) {
        element.point(tree.ref);
        const { bytes, keyOffset, keyLength } = element;
        copy.append(keyedHash(bytes, keyOffset, keyLength), element.score, bytes, keyOffset, keyLength);
      }
    } catch (error) {
      copy.freeSome(Number.POSITIVE_INFINITY);
      throw error;
    }
  }

  eachBlock(visit: (ref: number) => void): void {
    this.table.eachBlock(visit);
    this.tree.eachBlock(visit);
  }

  bytes(samples: number): number {
    return this.table.bytes(samples) + this.tree.nodeBytes;
  }

  /** `from` and the result: the table's below 2^32, from there on the tree's. */
  moveSparse(limits: Int32Array, from: number, budget: number): number {
    if (from < HASH_SPAN) {
      const next = this.table.moveSparse(limits, from, budget);
      this.moved = this.table.moved;
      return next === 0 ? HASH_SPAN : next;
    }
    const next = this.tree.moveSparse(limits, from - HASH_SPAN, budget);
    this.moved = this.tree.moved;
    return next === 0 ? 0 : HASH_SPAN + next;
  }

  /** The table has moved an element; both blocks are still there. */
  elementMoved(_oldRef: number, newRef: number): void {
    const { tree } = this;
    const element = this.#element;
    element.point(newRef);
    tree.seekMember(element.score, element.bytes, element.keyOffset, element.keyLength);
    tree.words[tree.at + SCORE_REF_WORD] = newRef;
    tree.entryChanged();
  }

  check(): void {
    const { table, tree } = this;
    table.check();
    tree.check();
    if (table.size !== tree.size) throw new Error(`sorted set: ${table.size} members, ${tree.size} in order`);
    const element = this.#element;
    for (let more = tree.seekFirst(); more; more = tree.next()) {
      element.point(tree.ref);
      const { bytes, keyOffset, keyLength, score } = element;
      if (score !== tree.score) throw new Error(`sorted set: score ${score}, ${tree.score} in order`);
      if (table.find(keyedHash(bytes, keyOffset, keyLength), bytes, keyOffset, keyLength) !== tree.ref)
        throw new Error('sorted set: a member that the table does not have');
    }
  }
}
