// Intsets: sorted integers of one width. Redis's own format, to the byte (intset.c).
//
//   +----------------------+---------+-- ... --+
//   | width: 2, 4, 8 bytes | members | members |     all little endian; members signed, ascending, each once
//   | 32 bits              | 32 bits |         |
//   +----------------------+---------+-- ... --+
//
// `Intset` is a flyweight over the bytes of any container. Integers are two 32-bit words (int64.ts). Adding comes in
// two steps: find() says where and bytesWith() how large the set gets; the caller makes the container that large; then
// add() puts it there, widening all members if need be. keyspace/packed.ts does this for values in records.

import { moveBytes } from './bytes.ts';
import { compareWords, Int64 } from './int64.ts';

export const INTSET_HEADER_BYTES = 8;
const COUNT_AT = 4;

/** Writes a set without members. */
export function writeEmptyIntset(bytes: Buffer, base: number): void {
  writeWord(bytes, base, 2);
  writeWord(bytes, base + COUNT_AT, 0);
}

function readWord(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function writeWord(bytes: Buffer, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >> 8;
  bytes[at + 2] = word >> 16;
  bytes[at + 3] = word >> 24;
}

/** Bytes that an integer needs: 2, 4 or 8. */
export function intsetWidth(low: number, high: number): number {
  if (high !== low >> 31) return 8;
  return low >= -32768 && low <= 32767 ? 2 : 4;
}

export class Intset {
  bytes: Buffer;
  /** Byte offset of the set in `bytes`. */
  base = 0;
  /** Bytes of a member. */
  width = 2;
  /** Members. */
  count = 0;
  /** Where find() found the member, or where it would have to be. */
  index = 0;
  /** Words of the member that get() read. */
  low = 0;
  high = 0;

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
  }

  /** Points the flyweight at a set. */
  open(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
    this.width = readWord(bytes, base);
    this.count = readWord(bytes, base + COUNT_AT);
  }

  /** The container has moved. */
  rebase(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
  }

  /** Bytes in all. */
  get size(): number {
    return INTSET_HEADER_BYTES + this.count * this.width;
  }

  /** Reads member `index` (0 .. count - 1) into `low` and `high`. */
  get(index: number): void {
    const { bytes, width } = this;
    const at = this.base + INTSET_HEADER_BYTES + index * width;
    this.low = width === 2 ? bytes[at]! | ((bytes[at + 1]! << 24) >> 16) : readWord(bytes, at);
    this.high = width === 8 ? readWord(bytes, at + 4) : this.low >> 31;
  }

  /** Looks for a member. @returns whether it is there; `index` says where, or where it belongs */
  find(low: number, high: number): boolean {
    let from = 0;
    let to = this.count;
    if (intsetWidth(low, high) > this.width) {
      this.index = high < 0 ? 0 : to;
      return false;
    }
    // Members often come in ascending order.
    if (to > 0) {
      this.get(to - 1);
      if (compareWords(low, high, this.low, this.high) > 0) from = to;
    }
    while (from < to) {
      const middle = (from + to) >>> 1;
      this.get(middle);
      const order = compareWords(low, high, this.low, this.high);
      if (order === 0) {
        this.index = middle;
        return true;
      }
      if (order < 0) to = middle;
      else from = middle + 1;
    }
    this.index = from;
    return false;
  }

  /** Bytes in all with one more member. */
  bytesWith(low: number, high: number): number {
    const width = Math.max(this.width, intsetWidth(low, high));
    return INTSET_HEADER_BYTES + (this.count + 1) * width;
  }

  /** Adds a member that find() has just not found. The container must have room for bytesWith(). */
  add(low: number, high: number): void {
    const width = intsetWidth(low, high);
    if (width > this.width) this.#widen(width);
    const { bytes, index } = this;
    const at = this.base + INTSET_HEADER_BYTES + index * this.width;
    moveBytes(bytes, at, at + this.width, (this.count - index) * this.width);
    this.#write(index, low, high);
    this.count++;
    writeWord(bytes, this.base + COUNT_AT, this.count);
  }

  /** Deletes member `index`; the set is shorter then, its container not. It never gets narrower, as in Redis. */
  remove(index: number): void {
    const { bytes, width } = this;
    const at = this.base + INTSET_HEADER_BYTES + index * width;
    moveBytes(bytes, at + width, at, (this.count - index - 1) * width);
    this.count--;
    writeWord(bytes, this.base + COUNT_AT, this.count);
  }

  #widen(width: number): void {
    const narrow = this.width;
    for (let i = this.count - 1; i >= 0; i--) {
      this.width = narrow;
      this.get(i);
      this.width = width;
      this.#write(i, this.low, this.high);
    }
    this.width = width;
    writeWord(this.bytes, this.base, width);
  }

  #write(index: number, low: number, high: number): void {
    const { bytes, width } = this;
    const at = this.base + INTSET_HEADER_BYTES + index * width;
    bytes[at] = low;
    bytes[at + 1] = low >> 8;
    if (width === 2) return;
    bytes[at + 2] = low >> 16;
    bytes[at + 3] = low >> 24;
    if (width === 8) writeWord(bytes, at + 4, high);
  }
}

/**
 * Whether `size` bytes at `base` are an intset, as Redis's intsetValidateIntegrity.
 * @param deep also whether members ascend
 */
export function isIntset(bytes: Buffer, base: number, size: number, deep: boolean): boolean {
  if (size < INTSET_HEADER_BYTES || base + size > bytes.length) return false;
  const width = readWord(bytes, base);
  if (width !== 2 && width !== 4 && width !== 8) return false;
  const count = readWord(bytes, base + COUNT_AT) >>> 0;
  // An empty set would be no key at all.
  if (count === 0 || count * width !== size - INTSET_HEADER_BYTES) return false;
  return !deep || ascends(bytes, base, count);
}

function ascends(bytes: Buffer, base: number, count: number): boolean {
  const set = new Intset(bytes);
  const before = new Int64();
  set.open(bytes, base);
  for (let i = 0; i < count; i++) {
    set.get(i);
    if (i > 0 && compareWords(before.low, before.high, set.low, set.high) >= 0) return false;
    before.setWords(set.low, set.high);
  }
  return true;
}
