// Listpacks: many small strings and integers in one range of bytes. Redis's own format, to the byte (listpack.c), so
// that DUMP, RESTORE and RDB files carry them as they are.
//
//   +-------------+------------+---------+-- ... --+---------+------+
//   | bytes in all| entries    | entry   |         | entry   | 0xFF |
//   | 32 bits LE  | 16 bits LE |         |         |         |      |
//   +-------------+------------+---------+-- ... --+---------+------+
//     entries: 65535 when there are that many or more: count them.
//   entry:  encoding and data | length of that, backwards, for walking from the tail: 1 to 5 bytes
//     0vvvvvvv                               integer 0..127
//     10llllll  string                       up to 63 bytes
//     110vvvvv vvvvvvvv                      integer of 13 bits, signed
//     1110llll llllllll  string              up to 4095 bytes
//     11110000  32 bits LE of length, string
//     11110001, 11110010, 11110011, 11110100 integers of 16, 24, 32, 64 bits LE, signed
//   backward length: 7 bits a byte, most significant first; all bytes but the first have the top bit set.
//
// `Listpack` is a flyweight cursor over the bytes of any container (a record's value, a block): open() it, walk with
// first/last/next/prev/seek/find, read the entry at `pos` from the fields. Positions are offsets from the listpack's
// first byte (`base`), so they survive the container's move: rebase() after it.
// Edits come in two steps: `EntryEncoder` says how many bytes the entry takes, the caller makes the container that much
// larger, then insert/replace/remove move the bytes. keyspace/packed.ts does this for values in records.
// Checking bytes from outside: listpack-check.ts.

import { copyBytes, moveBytes, sameBytes } from './bytes.ts';
import { formatWords, INT64_TEXT_BYTES_MAX, Int64, wordsToNumber } from './int64.ts';

export const LISTPACK_HEADER_BYTES = 6;
/** Bytes of a listpack without entries. */
export const LISTPACK_EMPTY_BYTES = 7;
/** What the header says when it does not know the number of entries. */
export const COUNT_UNKNOWN = 0xffff;
/** Listpacks larger than this are refused, as Redis does. */
export const LISTPACK_BYTES_MAX = 1 << 30;
const COUNT_AT = 4;
export const LISTPACK_END = 0xff;

const STRING_6_MAX = 63;
const STRING_12_MAX = 4095;

/** Writes a listpack without entries. */
export function writeEmptyListpack(bytes: Buffer, base: number): void {
  writeTotal(bytes, base, LISTPACK_EMPTY_BYTES);
  bytes[base + COUNT_AT] = 0;
  bytes[base + COUNT_AT + 1] = 0;
  bytes[base + LISTPACK_HEADER_BYTES] = LISTPACK_END;
}

/** Bytes in all, from the header. */
export function listpackBytes(bytes: Buffer, base: number): number {
  return bytes[base]! | (bytes[base + 1]! << 8) | (bytes[base + 2]! << 16) | (bytes[base + 3]! << 24);
}

/** Entries as the header has them: COUNT_UNKNOWN if it does not know. */
export function headerCount(bytes: Buffer, base: number): number {
  return bytes[base + COUNT_AT]! | (bytes[base + COUNT_AT + 1]! << 8);
}

function writeTotal(bytes: Buffer, base: number, total: number): void {
  bytes[base] = total;
  bytes[base + 1] = total >> 8;
  bytes[base + 2] = total >> 16;
  bytes[base + 3] = total >> 24;
}

function writeCount(bytes: Buffer, base: number, count: number): void {
  const shown = count > COUNT_UNKNOWN ? COUNT_UNKNOWN : count;
  bytes[base + COUNT_AT] = shown;
  bytes[base + COUNT_AT + 1] = shown >> 8;
}

/** Bytes of encoding and data of the entry at `at`, without its backward length; 0 at the end or for no encoding. */
export function encodedBytes(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc0) return 1 + (first & STRING_6_MAX);
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 2 + (((first & 15) << 8) | bytes[at + 1]!);
  if (first === 0xf0) return 5 + listpackBytes(bytes, at + 1);
  if (first > 0xf4) return 0;
  return first === 0xf4 ? 9 : first - 0xee;
}

/** Bytes of the backward length of an entry whose encoding and data take `encoded` bytes. */
export function backwardBytes(encoded: number): number {
  if (encoded <= 127) return 1;
  if (encoded < 16383) return 2;
  if (encoded < 2097151) return 3;
  return encoded < 268435455 ? 4 : 5;
}

/** Writes the header of a listpack whose entries are in place. @param total bytes in all @param count entries */
export function writeListpackHeader(bytes: Buffer, base: number, total: number, count: number): void {
  writeTotal(bytes, base, total);
  writeCount(bytes, base, count);
}

/** Bytes of the whole entry at `at`. */
export function entryBytes(bytes: Buffer, at: number): number {
  const encoded = encodedBytes(bytes, at);
  if (encoded <= 0) throw new Error('listpack: an entry of no known encoding');
  return encoded + backwardBytes(encoded);
}

/** What an entry to be written consists of. Set it, ask for `size`, write it. */
export class EntryEncoder {
  /** Bytes that the entry takes. */
  size = 0;
  /** Bytes without the backward length. */
  encoded = 0;
  isInteger = false;
  readonly integer = new Int64();
  #source: Buffer;
  #off = 0;
  #len = 0;

  constructor(some: Buffer) {
    this.#source = some;
  }

  /**
   * Takes bytes: an integer if they are the canonical text of one, else a string.
   * They must lie still until the entry is written, so not in the container that is about to change.
   */
  set(source: Buffer, off: number, len: number): void {
    if (this.integer.parse(source, off, len)) this.#sizeInteger();
    else this.setString(source, off, len);
  }

  /** As set, for bytes that shall be a string whatever they look like. */
  setString(source: Buffer, off: number, len: number): void {
    this.isInteger = false;
    this.#source = source;
    this.#off = off;
    this.#len = len;
    this.encoded = len + (len <= STRING_6_MAX ? 1 : len <= STRING_12_MAX ? 2 : 5);
    this.size = this.encoded + backwardBytes(this.encoded);
  }

  /** @param value a whole number of at most 64 bits */
  setInteger(value: number): void {
    this.integer.setNumber(value);
    this.#sizeInteger();
  }

  /** Takes an integer of 64 bits as two words. */
  setWords(low: number, high: number): void {
    this.integer.setWords(low, high);
    this.#sizeInteger();
  }

  /** Writes the entry: `size` bytes at `at`. */
  write(bytes: Buffer, at: number): void {
    if (this.isInteger) this.#writeInteger(bytes, at);
    else this.#writeString(bytes, at);
    writeBackward(bytes, at + this.encoded, this.encoded);
  }

  #sizeInteger(): void {
    const { low, high } = this.integer;
    this.isInteger = true;
    if (high !== low >> 31) this.encoded = 9;
    else if (low >= 0 && low <= 127) this.encoded = 1;
    else if (low >= -4096 && low <= 4095) this.encoded = 2;
    else if (low >= -32768 && low <= 32767) this.encoded = 3;
    else if (low >= -8388608 && low <= 8388607) this.encoded = 4;
    else this.encoded = 5;
    this.size = this.encoded + 1;
  }

  #writeInteger(bytes: Buffer, at: number): void {
    const { low, high } = this.integer;
    const { encoded } = this;
    if (encoded === 1) {
      bytes[at] = low;
      return;
    }
    if (encoded === 2) {
      bytes[at] = 0xc0 | ((low >> 8) & 31);
      bytes[at + 1] = low;
      return;
    }
    bytes[at] = encoded === 9 ? 0xf4 : 0xee + encoded;
    bytes[at + 1] = low;
    bytes[at + 2] = low >> 8;
    if (encoded > 3) bytes[at + 3] = low >> 16;
    if (encoded > 4) bytes[at + 4] = low >> 24;
    if (encoded === 9) writeTotal(bytes, at + 5, high);
  }

  #writeString(bytes: Buffer, at: number): void {
    const len = this.#len;
    if (len <= STRING_6_MAX) bytes[at++] = 0x80 | len;
    else if (len <= STRING_12_MAX) {
      bytes[at++] = 0xe0 | (len >> 8);
      bytes[at++] = len;
    } else {
      bytes[at] = 0xf0;
      writeTotal(bytes, at + 1, len);
      at += 5;
    }
    copyBytes(this.#source, this.#off, bytes, at, len);
  }
}

function writeBackward(bytes: Buffer, at: number, encoded: number): void {
  if (encoded <= 127) {
    bytes[at] = encoded;
    return;
  }
  const count = backwardBytes(encoded);
  for (let i = count - 1; i > 0; i--) {
    bytes[at + i] = (encoded & 127) | 128;
    encoded >>>= 7;
  }
  bytes[at] = encoded;
}

export class Listpack {
  bytes: Buffer;
  /** Byte offset of the listpack in `bytes`. */
  base = 0;
  /** Bytes in all. */
  size = LISTPACK_EMPTY_BYTES;
  /** The current entry: offset from `base`; 0 when there is none. */
  pos = 0;
  /** The current entry is an integer; else a string. */
  isInteger = false;
  /** Words of an integer entry. */
  low = 0;
  high = 0;
  /** The bytes of a string entry: buf[off, off + len). Of an integer only after text(). */
  buf: Buffer;
  off = 0;
  len = 0;
  readonly #digits: Buffer = Buffer.alloc(INT64_TEXT_BYTES_MAX);
  readonly #wanted = new Int64();

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
    this.buf = some;
  }

  /** Points the cursor at a listpack, before its first entry. */
  open(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
    this.size = listpackBytes(bytes, base);
    this.pos = 0;
  }

  /** The container has moved: same listpack, same position, fields of the entry undefined. */
  rebase(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
  }

  /** Number of entries. Walks if the header does not know, and writes it there if it fits again. */
  count(): number {
    const known = headerCount(this.bytes, this.base);
    if (known !== COUNT_UNKNOWN) return known;
    const { bytes, base } = this;
    let count = 0;
    for (let at = base + LISTPACK_HEADER_BYTES; bytes[at] !== LISTPACK_END; at += entryBytes(bytes, at))
      count++;
    if (count < COUNT_UNKNOWN) writeCount(bytes, base, count);
    return count;
  }

  /** Position behind the last entry: where insert() appends. */
  get end(): number {
    return this.size - 1;
  }

  // ---- walking: each returns whether there is an entry, which is then loaded ----

  first(): boolean {
    return this.at(LISTPACK_HEADER_BYTES);
  }

  last(): boolean {
    return this.#before(this.size - 1);
  }

  next(): boolean {
    return this.at(this.pos + entryBytes(this.bytes, this.base + this.pos));
  }

  prev(): boolean {
    return this.#before(this.pos);
  }

  /** Goes to a position that is known to be one: of an entry, or the end. */
  at(pos: number): boolean {
    if (pos >= this.size - 1) {
      if (pos > this.size - 1) throw new Error('listpack: an entry beyond its end');
      this.pos = 0;
      return false;
    }
    this.pos = pos;
    this.#load();
    return true;
  }

  /** Goes to entry `index`, from the tail if negative (-1 is the last). */
  seek(index: number): boolean {
    const count = this.count();
    if (index < 0) index += count;
    if (index < 0 || index >= count) {
      this.pos = 0;
      return false;
    }
    return index < count >>> 1
      ? this.at(this.forward(LISTPACK_HEADER_BYTES, index))
      : this.#seekBack(count - index);
  }

  /** Position `count` entries behind `pos`, which must be there (the end is). Loads nothing. */
  forward(pos: number, count: number): number {
    const { bytes, base } = this;
    let at = base + pos;
    for (; count > 0; count--) at += entryBytes(bytes, at);
    if (at >= base + this.size) throw new Error('listpack: an entry beyond its end');
    return at - base;
  }

  /**
   * Looks for an entry with these bytes, from the current one on, and goes there.
   * @param skip entries to pass over after each one compared: 1 to look at fields or members only
   * @returns false, with no current entry, if there is none
   */
  find(source: Buffer, off: number, len: number, skip: number): boolean {
    const { bytes, base } = this;
    if (this.pos === 0) return false;
    const wanted = this.#wanted;
    const maybeInteger = wanted.parse(source, off, len);
    const end = base + this.size - 1;
    let skipped = 0;
    for (let at = base + this.pos; at < end; at += entryBytes(bytes, at)) {
      if (skipped > 0) {
        skipped--;
        continue;
      }
      skipped = skip;
      const first = bytes[at]!;
      let start = at + 1;
      let size = 0;
      if (first >= 0x80 && first < 0xc0) size = first & STRING_6_MAX;
      else if (first >= 0xe0 && first < 0xf0) {
        size = ((first & 15) << 8) | bytes[at + 1]!;
        start = at + 2;
      } else if (first === 0xf0) {
        size = listpackBytes(bytes, at + 1);
        start = at + 5;
      } else {
        if (!maybeInteger) continue;
        this.pos = at - base;
        this.#load();
        if (this.low === wanted.low && this.high === wanted.high) return true;
        continue;
      }
      if (size !== len || !sameBytes(bytes, start, source, off, len)) continue;
      this.pos = at - base;
      this.#load();
      return true;
    }
    this.pos = 0;
    return false;
  }

  // ---- the current entry ----

  /** Value of an integer entry, rounded beyond 2^53. */
  integer(): number {
    return wordsToNumber(this.low, this.high);
  }

  /** Makes buf[off, off + len) the entry's bytes, an integer's too; good until the cursor is asked for another text. */
  text(): void {
    if (!this.isInteger) return;
    this.buf = this.#digits;
    this.off = 0;
    this.len = formatWords(this.low, this.high, this.#digits, 0);
  }

  /** Whether the current entry has these bytes. */
  equals(source: Buffer, off: number, len: number): boolean {
    this.text();
    return this.len === len && sameBytes(this.buf, this.off, source, off, len);
  }

  /** Bytes of the current entry in all: what deleting it gives back. */
  entrySize(): number {
    return entryBytes(this.bytes, this.base + this.pos);
  }

  // ---- edits: the container has room for the new size; the current entry's fields are undefined afterwards ----

  /**
   * Inserts an entry at a position: in front of the entry there, or at the end.
   * The container must have room for `size + entry.size` bytes. `pos` becomes the new entry's.
   */
  insert(pos: number, entry: EntryEncoder): void {
    this.#gap(pos, 0, entry.size);
    entry.write(this.bytes, this.base + pos);
    this.#recount(1);
    this.pos = pos;
  }

  /** Puts another entry in the place of one. @param oldSize bytes of the entry there: entrySize() */
  replace(pos: number, oldSize: number, entry: EntryEncoder): void {
    this.#gap(pos, oldSize, entry.size);
    entry.write(this.bytes, this.base + pos);
    this.pos = pos;
  }

  /** Deletes `count` entries from a position on; `pos` becomes it. The listpack is shorter then, its container not. */
  remove(pos: number, count: number): void {
    const to = this.forward(pos, count);
    this.#gap(pos, to - pos, 0);
    this.#recount(-count);
    this.pos = pos;
  }

  /**
   * Inserts entries as bytes: `count` whole entries that lie in `source` (of another container).
   * The container must have room.
   */
  insertRaw(pos: number, source: Buffer, off: number, len: number, count: number): void {
    this.#gap(pos, 0, len);
    copyBytes(source, off, this.bytes, this.base + pos, len);
    this.#recount(count);
    this.pos = pos;
  }

  // ---- private ----

  #gap(pos: number, oldBytes: number, newBytes: number): void {
    const { bytes, base, size } = this;
    if (oldBytes !== newBytes) {
      moveBytes(bytes, base + pos + oldBytes, base + pos + newBytes, size - pos - oldBytes);
      this.size = size + newBytes - oldBytes;
      writeTotal(bytes, base, this.size);
    }
  }

  #recount(by: number): void {
    const known = headerCount(this.bytes, this.base);
    if (known !== COUNT_UNKNOWN) writeCount(this.bytes, this.base, known + by);
  }

  /** Goes to the entry that ends where `pos` begins. */
  #before(pos: number): boolean {
    if (pos <= LISTPACK_HEADER_BYTES) {
      this.pos = 0;
      return false;
    }
    return this.at(previous(this.bytes, this.base + pos) - this.base);
  }

  #seekBack(steps: number): boolean {
    const { bytes, base } = this;
    let at = base + this.size - 1;
    for (; steps > 0; steps--) at = previous(bytes, at);
    return this.at(at - base);
  }

  #load(): void {
    const { bytes } = this;
    const at = this.base + this.pos;
    const first = bytes[at]!;
    this.isInteger = false;
    if (first >= 0x80 && first < 0xc0) this.#loadString(at + 1, first & STRING_6_MAX);
    else if (first >= 0xe0 && first < 0xf0) this.#loadString(at + 2, ((first & 15) << 8) | bytes[at + 1]!);
    else if (first === 0xf0) this.#loadString(at + 5, listpackBytes(bytes, at + 1));
    else this.#loadInteger(at, first);
  }

  #loadString(at: number, len: number): void {
    this.buf = this.bytes;
    this.off = at;
    this.len = len;
    if (at + len >= this.base + this.size) throw new Error('listpack: an entry beyond its end');
  }

  #loadInteger(at: number, first: number): void {
    const { bytes } = this;
    let low = 0;
    if (first < 0x80) low = first;
    else if (first < 0xe0) low = (((first & 31) << 27) >> 19) | bytes[at + 1]!;
    else if (first === 0xf1) low = bytes[at + 1]! | ((bytes[at + 2]! << 24) >> 16);
    else if (first === 0xf2) low = bytes[at + 1]! | (bytes[at + 2]! << 8) | ((bytes[at + 3]! << 24) >> 8);
    else if (first === 0xf3 || first === 0xf4) low = listpackBytes(bytes, at + 1);
    else throw new Error('listpack: an entry of no known encoding');
    this.isInteger = true;
    this.low = low;
    this.high = first === 0xf4 ? listpackBytes(bytes, at + 5) : low >> 31;
  }
}

/** Where the entry begins that ends at `at`. */
function previous(bytes: Buffer, at: number): number {
  let from = at - 1;
  let encoded = bytes[from]! & 127;
  for (let shift = 7; (bytes[from]! & 128) !== 0 && shift <= 28; shift += 7) {
    from--;
    encoded |= (bytes[from]! & 127) << shift;
  }
  return from - encoded;
}
