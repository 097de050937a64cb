// Byte strings of one thread, outside the data set: what a long command copies for itself (SORT, SUNION, ...) without an
// object per string.
//
//   page     up to 64 MiB of a Buffer, grown by doubling; a string longer than that has pages of its own
//   string   4 bytes of length (little endian) | bytes | padding to 8
//   ref      unsigned 32 bits: page << 23 | offset / 8; never 0, which callers may use for "none"
//
// 2^32 units are 32 GiB. Strings are added and read, never removed: clear() forgets all of them.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';

const UNIT_SHIFT = 3;
const PAGE_SHIFT = 26;
const PAGE_BYTES = 2 ** PAGE_SHIFT;
const UNITS_SHIFT = PAGE_SHIFT - UNIT_SHIFT;
const UNITS_MASK = 2 ** UNITS_SHIFT - 1;
const PAGES_MAX = 2 ** (32 - UNITS_SHIFT);
const LENGTH_BYTES = 4;
const FIRST_BYTES = 4096;
/** A first page larger than this is let go by clear(). */
const KEEP_BYTES = 1024 * 1024;
/** Copies below this are faster as a loop over bytes. */
const LOOP_COPY_MAX = 48;

export class ByteStore {
  #pages: Buffer[] = [Buffer.allocUnsafeSlow(FIRST_BYTES)];
  /** The last page, and where the next string goes in it. */
  #page = 0;
  #end = 8;

  /** Forgets all strings. */
  clear(): void {
    const first = this.#pages[0]!;
    if (this.#pages.length > 1 || first.length > KEEP_BYTES) {
      this.#pages = [first.length > KEEP_BYTES ? Buffer.allocUnsafeSlow(FIRST_BYTES) : first];
    }
    this.#page = 0;
    this.#end = 8;
  }

  /**
   * Copies a string.
   * @returns its ref
   * @throws OutOfMemoryError, also beyond 32 GiB
   */
  add(source: Buffer, off: number, len: number): number {
    const need = (LENGTH_BYTES + len + 7) & ~7;
    if (this.#end + need > this.#pages[this.#page]!.length) this.#grow(need);
    const page = this.#pages[this.#page]!;
    const at = this.#end;
    page[at] = len;
    page[at + 1] = len >>> 8;
    page[at + 2] = len >>> 16;
    page[at + 3] = len >>> 24;
    const to = at + LENGTH_BYTES;
    if (len > LOOP_COPY_MAX) source.copy(page, to, off, off + len);
    else for (let i = 0; i < len; i++) page[to + i] = source[off + i]!;
    this.#end = at + need;
    return ((this.#page << UNITS_SHIFT) | (at >>> UNIT_SHIFT)) >>> 0;
  }

  /** The buffer that a string lies in. */
  bytesOf(ref: number): Buffer {
    return this.#pages[ref >>> UNITS_SHIFT]!;
  }

  /** Where a string begins in bytesOf(ref). */
  offsetOf(ref: number): number {
    return ((ref & UNITS_MASK) << UNIT_SHIFT) + LENGTH_BYTES;
  }

  lengthOf(ref: number): number {
    const page = this.#pages[ref >>> UNITS_SHIFT]!;
    const at = (ref & UNITS_MASK) << UNIT_SHIFT;
    return (page[at]! | (page[at + 1]! << 8) | (page[at + 2]! << 16) | (page[at + 3]! << 24)) >>> 0;
  }

  /**
   * Compares two strings as memcmp does, a shorter one before a longer one that it begins.
   * @returns below 0, 0 or above 0
   */
  compare(a: number, b: number): number {
    const x = this.#pages[a >>> UNITS_SHIFT]!;
    const y = this.#pages[b >>> UNITS_SHIFT]!;
    const p = this.offsetOf(a);
    const q = this.offsetOf(b);
    const xLen = this.lengthOf(a);
    const yLen = this.lengthOf(b);
    const len = xLen < yLen ? xLen : yLen;
    for (let i = 0; i < len; i++) {
      const difference = x[p + i]! - y[q + i]!;
      if (difference !== 0) return difference;
    }
    return xLen - yLen;
  }

  /** Compares two strings as strcmp does: up to the first NUL. */
  compareText(a: number, b: number): number {
    const x = this.#pages[a >>> UNITS_SHIFT]!;
    const y = this.#pages[b >>> UNITS_SHIFT]!;
    const p = this.offsetOf(a);
    const q = this.offsetOf(b);
    const xLen = this.lengthOf(a);
    const yLen = this.lengthOf(b);
    for (let i = 0; ; i++) {
      const left = i < xLen ? x[p + i]! : 0;
      const right = i < yLen ? y[q + i]! : 0;
      if (left !== right || left === 0) return left - right;
    }
  }

  /** Makes room for a string of `need` bytes, its length included. */
  #grow(need: number): void {
    const last = this.#pages[this.#page]!;
    const wanted = this.#end + need;
    if (wanted <= PAGE_BYTES) {
      let size = last.length * 2;
      while (size < wanted) size *= 2;
      const grown = newPage(Math.min(size, PAGE_BYTES));
      last.copy(grown, 0, 0, this.#end);
      this.#pages[this.#page] = grown;
      return;
    }
    // A string that needs more than a page takes the numbers of as many pages, and all of them are its buffer.
    const pages = Math.ceil(need / PAGE_BYTES);
    const next = this.#pages.length;
    if (next + pages > PAGES_MAX) throw new OutOfMemoryError('byte store: more than 32 GiB');
    const bytes = newPage(Math.max(need, PAGE_BYTES));
    for (let i = 0; i < pages; i++) this.#pages.push(bytes);
    this.#page = next;
    this.#end = 0;
  }
}

function newPage(bytes: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(bytes);
  } catch {
    throw new OutOfMemoryError(`byte store: no page of ${bytes} bytes`);
  }
}
