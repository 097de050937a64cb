// The trees of a stream: counted trees by ID, each with its own entries (counted-tree.ts).
//
//   BlockTree     ID | ref of a block of entries           all blocks of a stream, by master ID
//   PendingTree   ID | ref of the consumer | delivery time, low, high | deliveries, low, high
//                                                          what a group has delivered and nobody acknowledged
//   IdTree        ID                                       what of that is one consumer's

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { copyBytes } from './bytes.ts';
import { CountedTree } from './counted-tree.ts';
import { listpackBytes } from './listpack.ts';
import { compareIds, ID_WORDS } from './stream-id.ts';

/** Words of a PendingTree's entry behind the ID. */
export const PendingWord = { Consumer: 4, TimeLow: 5, TimeHigh: 6, CountLow: 7, CountHigh: 8 } as const;
const PENDING_WORDS = 9;
/** Word of a BlockTree's entry. */
export const BLOCK_REF_WORD = 4;
const BLOCK_ENTRY_WORDS = 5;
const TOP_BIT = -2147483648;

export class IdTree extends CountedTree {
  /** The words of the ID sought with their top bits flipped: so unsigned numbers compare as signed ones. */
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;

  constructor(memory: SharedMemory, entryWords: number = ID_WORDS) {
    super(memory, entryWords, ID_WORDS);
  }

  /** Puts the cursor at the first entry that is not less than an ID. @returns false: behind the last */
  seekId(id: Int32Array, i: number): boolean {
    this.#want(id, i);
    return this.seek();
  }

  /** Puts the cursor at the entry of an ID. @returns false if there is none: the cursor is where seekId() puts it */
  findId(id: Int32Array, i: number): boolean {
    return this.seekId(id, i) && compareIds(this.words, this.at, id, i) === 0;
  }

  /** Puts the cursor at the last entry that is not greater than an ID. @returns false if there is none */
  seekIdBack(id: Int32Array, i: number): boolean {
    if (this.size === 0) return false;
    this.#want(id, i);
    if (this.seek() && compareIds(this.words, this.at, id, i) === 0) return true;
    return this.previous();
  }

  /**
   * Puts the cursor behind the last entry, where an ID belongs that is greater than all: insertHere() adds it then.
   * @returns false if the ID is not; the cursor is anywhere then
   */
  seekBehind(id: Int32Array, i: number): boolean {
    if (this.seekLast()) {
      if (compareIds(this.words, this.at, id, i) >= 0) return false;
      this.next();
    } else this.seekEnd();
    for (let k = 0; k < ID_WORDS; k++) this.entry[k] = id[i + k]!;
    return true;
  }

  /** Inserts `entry`, of which the ID is set here and the rest by the caller. The ID must not be there. */
  insertId(id: Int32Array, i: number): void {
    if (this.seekBehind(id, i)) {
      this.insertHere();
      return;
    }
    this.#want(id, i);
    for (let k = 0; k < ID_WORDS; k++) this.entry[k] = id[i + k]!;
    this.seekGap();
    this.insertHere();
  }

  /** Removes the entry of an ID. @returns whether it was there */
  removeId(id: Int32Array, i: number): boolean {
    if (!this.findId(id, i)) return false;
    this.removeHere();
    return true;
  }

  #want(id: Int32Array, i: number): void {
    this.#a = id[i]! ^ TOP_BIT;
    this.#b = id[i + 1]! ^ TOP_BIT;
    this.#c = id[i + 2]! ^ TOP_BIT;
    this.#d = id[i + 3]! ^ TOP_BIT;
  }

  protected override countLess(words: Int32Array, at: number, count: number, stride: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isLess(words, at + middle * stride)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a key is less than the one sought. */
  #isLess(words: Int32Array, at: number): boolean {
    const a = words[at]! ^ TOP_BIT;
    if (a !== this.#a) return a < this.#a;
    const b = words[at + 1]! ^ TOP_BIT;
    if (b !== this.#b) return b < this.#b;
    const c = words[at + 2]! ^ TOP_BIT;
    if (c !== this.#c) return c < this.#c;
    return (words[at + 3]! ^ TOP_BIT) < this.#d;
  }

  protected override compareEntries(a: Int32Array, atA: number, b: Int32Array, atB: number): number {
    return compareIds(a, atA, b, atB);
  }
}

export class PendingTree extends IdTree {
  constructor(memory: SharedMemory) {
    super(memory, PENDING_WORDS);
  }
}

export class BlockTree extends IdTree {
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory) {
    super(memory, BLOCK_ENTRY_WORDS);
    this.#memory = memory;
  }

  /** The block at the cursor. */
  get ref(): number {
    return this.words[this.at + BLOCK_REF_WORD]!;
  }

  protected override freeEntry(words: Int32Array, at: number): number {
    this.arena.free(words[at + BLOCK_REF_WORD]!);
    return 1;
  }

  protected override eachEntryBlock(words: Int32Array, at: number, visit: (ref: number) => void): void {
    visit(words[at + BLOCK_REF_WORD]!);
  }

  protected override moveEntry(words: Int32Array, at: number, limits: Int32Array): boolean {
    const ref = words[at + BLOCK_REF_WORD]!;
    if (!this.arena.isSparse(ref, limits)) return false;
    words[at + BLOCK_REF_WORD] = copyBlock(this.#memory, this.arena, ref, this.arena.capacity(ref));
    this.arena.free(ref);
    return true;
  }
}

/**
 * Copies a block of entries to a new one.
 * @param arena of the new one: another shard's, maybe @param bytes of the new one
 * @throws OutOfMemoryError; nothing was changed
 */
export function copyBlock(memory: SharedMemory, arena: Arena, ref: number, bytes: number): number {
  const from = memory.bytes[ref >>> REF_REGION_SHIFT]!;
  const off = (ref & REF_MASK) << GRANULE_SHIFT;
  const fresh = arena.alloc(bytes);
  const to = memory.bytes[fresh >>> REF_REGION_SHIFT]!;
  copyBytes(from, off, to, (fresh & REF_MASK) << GRANULE_SHIFT, listpackBytes(from, off));
  return fresh;
}
