// A table of named blocks in order of their names: the groups of a stream, the consumers of a group.
//
//   two words of the owner   ref of the table, 0 = empty | how many blocks
//   table                    refs of the blocks, ascending by name
//   block                    word 0: length of the name; the name's bytes begin `headerWords` words into it
//
// Names compare as memcmp does, so the order is that of Redis's radix trees. Finding takes O(log n), inserting and
// removing move the rest of the table: there are few groups and consumers, and moving a thousand refs takes less than
// a microsecond.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { compareBytes, copyBytes } from './bytes.ts';

const FIRST_ENTRIES = 4;

export class NameTable {
  readonly #memory: SharedMemory;
  /** Words in front of the name in a block. */
  readonly #headerWords: number;
  #arena!: Arena;
  #words: Int32Array;
  #at = 0;
  /** The name found last: bytes, offset, length. */
  nameBytes: Buffer;
  nameOff = 0;
  nameLen = 0;

  constructor(memory: SharedMemory, headerWords: number) {
    this.#memory = memory;
    this.#headerWords = headerWords;
    this.#words = memory.words[0]!;
    this.nameBytes = memory.bytes[0]!;
  }

  /** Points the flyweight at the two words of an owner. */
  open(arena: Arena, words: Int32Array, at: number): void {
    this.#arena = arena;
    this.#words = words;
    this.#at = at;
  }

  get count(): number {
    return this.#words[this.#at + 1]!;
  }

  /** The table's own block, 0 if there is none. */
  get tableRef(): number {
    return this.#words[this.#at]!;
  }

  /** The index-th block. */
  refAt(index: number): number {
    const table = this.tableRef;
    return this.#memory.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + index]!;
  }

  /** Puts another ref in the place of the index-th: the block has moved. */
  setRefAt(index: number, ref: number): void {
    const table = this.tableRef;
    this.#memory.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + index] = ref;
  }

  /** Loads the name of a block: nameBytes[nameOff, nameOff + nameLen). */
  loadName(ref: number): void {
    const region = ref >>> REF_REGION_SHIFT;
    this.nameBytes = this.#memory.bytes[region]!;
    this.nameOff = ((ref & REF_MASK) << GRANULE_SHIFT) + this.#headerWords * 4;
    this.nameLen = this.#memory.words[region]![(ref & REF_MASK) << 2]!;
  }

  /** Looks for a name. @returns its index; if it is not there, -1 - the index where it belongs */
  find(name: Buffer, off: number, len: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.loadName(this.refAt(middle));
      const order = compareBytes(this.nameBytes, this.nameOff, this.nameLen, name, off, len);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1 - low;
  }

  /**
   * Makes a block with a name and puts it into the table.
   * @param index where find() said that it belongs
   * @returns its ref; the other words of its header are undefined
   * @throws OutOfMemoryError; nothing was changed
   */
  insert(index: number, name: Buffer, off: number, len: number): number {
    const ref = this.newBlock(this.#arena, name, off, len);
    try {
      this.#makeRoom();
    } catch (error) {
      this.#arena.free(ref);
      throw error;
    }
    const count = this.count;
    const table = this.tableRef;
    const words = this.#memory.words[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    words.copyWithin(base + index + 1, base + index, base + count);
    words[base + index] = ref;
    this.#words[this.#at + 1] = count + 1;
    return ref;
  }

  /** A block with a name, in no table. @param arena of the block @throws OutOfMemoryError */
  newBlock(arena: Arena, name: Buffer, off: number, len: number): number {
    const ref = arena.alloc(this.#headerWords * 4 + len);
    const region = ref >>> REF_REGION_SHIFT;
    this.#memory.words[region]![(ref & REF_MASK) << 2] = len;
    const at = ((ref & REF_MASK) << GRANULE_SHIFT) + this.#headerWords * 4;
    copyBytes(name, off, this.#memory.bytes[region]!, at, len);
    return ref;
  }

  /** Takes the index-th block out of the table; the block itself is the caller's to free. */
  remove(index: number): void {
    const count = this.count - 1;
    const table = this.tableRef;
    const words = this.#memory.words[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    words.copyWithin(base + index, base + index + 1, base + count + 1);
    this.#words[this.#at + 1] = count;
    if (count > 0) return;
    this.#arena.free(table);
    this.#words[this.#at] = 0;
  }

  /** Moves the table's own block if it lies in a sparse span. @returns whether it did @throws OutOfMemoryError */
  moveSparse(limits: Int32Array): boolean {
    const table = this.tableRef;
    if (table === 0 || !this.#arena.isSparse(table, limits)) return false;
    this.#moveTo(this.#arena.alloc(this.#arena.capacity(table)));
    return true;
  }

  #makeRoom(): void {
    const table = this.tableRef;
    const count = this.count;
    if (table === 0) this.#words[this.#at] = this.#arena.alloc(FIRST_ENTRIES * 4);
    else if (this.#arena.capacity(table) < (count + 1) * 4)
      this.#moveTo(this.#arena.alloc((count + (count >> 1)) * 4));
  }

  #moveTo(fresh: number): void {
    const table = this.tableRef;
    const from = this.#memory.words[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    const to = this.#memory.words[fresh >>> REF_REGION_SHIFT]!;
    const freshBase = (fresh & REF_MASK) << 2;
    for (let i = this.count - 1; i >= 0; i--) to[freshBase + i] = from[base + i]!;
    this.#words[this.#at] = fresh;
    this.#arena.free(table);
  }
}
