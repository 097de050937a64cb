// Blocks of stream entries: listpacks in exactly Redis's format (t_stream.c), as they are in RDB files and DUMP.
// A block is known by its master ID, the ID of its first entry, which lies outside (in the tree of blocks).
//
//   master entry   count | deleted | fields n | field 1 .. field n | 0
//   entries        flags | ms delta | sequence delta | value 1 .. value n | pieces                      SameFields
//                  flags | ms delta | sequence delta | fields m | field, value .. m times | pieces      else
//
// count and deleted: entries that are valid, and that are marked as deleted. Deltas are to the master ID, modulo 2^64.
// pieces: listpack entries of the stream entry in front of this one, to walk backwards. The 0 of the master entry stands
// where an entry's pieces would.
//
// BlockCursor walks and marks; BlockWriter writes. Neither knows where blocks live: they work on bytes with room enough.

import { wordsToNumber } from './int64.ts';
import {
  backwardBytes,
  EntryEncoder,
  encodedBytes,
  headerCount,
  LISTPACK_END,
  Listpack,
  listpackBytes,
} from './listpack.ts';
import { ID_WORDS } from './stream-id.ts';

export const EntryFlag = { Deleted: 1, SameFields: 2 } as const;

const HEADER_BYTES = 6;
const COUNT_UNKNOWN = 0xffff;
/** Largest overhead of a string in a listpack: length in front and behind. */
const STRING_OVERHEAD_MAX = 10;
/** Largest bytes of an integer. */
const INTEGER_BYTES_MAX = 10;
const SMALL_MAX = 127;
/** flags, ms delta, sequence delta. */
const PREFIX_PIECES = 3;
/** Names up to this long are compared here, longer ones by the cursor. */
const SHORT_STRING_MAX = 63;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** Walks the entries of one block, deleted ones too. Offsets are absolute in `bytes`. */
export class BlockCursor {
  bytes: Buffer;
  base = 0;
  /** Valid entries and deleted ones. */
  count = 0;
  deleted = 0;
  /** Fields of the master entry, and where the first is. */
  masterFields = 0;
  masterAt = 0;
  /** The current entry: where it begins, 0 for none. */
  at = 0;
  flags = 0;
  readonly id = new Int32Array(ID_WORDS);
  /** Pairs of field and value, and where the first field or value is. */
  fields = 0;
  dataAt = 0;
  /** Reads elements of the entry, and fields of the master entry. */
  readonly element: Listpack;
  readonly masterElement: Listpack;
  readonly #master = new Int32Array(ID_WORDS);
  /** Where the first entry begins; where the block's end mark is. */
  #first = 0;
  #end = 0;
  /** The integer that #integer() read. */
  #low = 0;
  #high = 0;

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
    this.element = new Listpack(some);
    this.masterElement = new Listpack(some);
  }

  /** Points the cursor at a block, before its first entry. @param master words of the master ID, from `i` on */
  open(bytes: Buffer, base: number, master: Int32Array, i: number): void {
    this.bytes = bytes;
    this.base = base;
    for (let k = 0; k < ID_WORDS; k++) this.#master[k] = master[i + k]!;
    this.element.open(bytes, base);
    this.masterElement.open(bytes, base);
    this.#end = base + this.element.size - 1;
    let at = this.#integer(base + HEADER_BYTES);
    this.count = wordsToNumber(this.#low, this.#high);
    at = this.#integer(at);
    this.deleted = wordsToNumber(this.#low, this.#high);
    at = this.#integer(at);
    this.masterFields = wordsToNumber(this.#low, this.#high);
    this.masterAt = at;
    this.#first = 0;
    this.at = 0;
  }

  /** Goes to the first entry. @returns false if there is none */
  first(): boolean {
    if (this.#first === 0) this.#first = this.#integer(this.#skip(this.masterAt, this.masterFields));
    return this.#load(this.#first);
  }

  next(): boolean {
    const data = (this.flags & EntryFlag.SameFields) !== 0 ? this.fields : this.fields * 2;
    return this.#load(this.#skip(this.dataAt, data + 1));
  }

  last(): boolean {
    return this.#loadBefore(this.#end);
  }

  previous(): boolean {
    return this.#loadBefore(this.at);
  }

  /** Goes to an entry that is known to be there. @param pos offset from `base` */
  goTo(pos: number): void {
    this.#load(this.base + pos);
  }

  get isDeleted(): boolean {
    return (this.flags & EntryFlag.Deleted) !== 0;
  }

  /** Begins reading the current entry's pairs: pair() loads the first. */
  beginPairs(): void {
    if ((this.flags & EntryFlag.SameFields) !== 0) this.masterElement.at(this.masterAt - this.base);
    this.element.at(this.dataAt - this.base);
  }

  /**
   * The next field, to be followed by a call of value(). No more than `fields` of them may be asked for.
   * @returns a cursor at it, its text loaded
   */
  field(): Listpack {
    if ((this.flags & EntryFlag.SameFields) !== 0) {
      this.masterElement.text();
      return this.masterElement;
    }
    this.element.text();
    return this.element;
  }

  /** The value of the field. Its text must be used before nextPair(). */
  value(): Listpack {
    if ((this.flags & EntryFlag.SameFields) === 0) this.element.next();
    this.element.text();
    return this.element;
  }

  /** Steps on to the next pair. */
  nextPair(): void {
    if ((this.flags & EntryFlag.SameFields) !== 0) this.masterElement.next();
    this.element.next();
  }

  /** Reads an integer. @returns the offset behind it */
  #integer(at: number): number {
    const bytes = this.bytes;
    const first = bytes[at]!;
    if (first <= SMALL_MAX) {
      this.#low = first;
      this.#high = 0;
      return at + 2;
    }
    if ((first & 0xe0) === 0xc0) {
      this.#low = ((((first & 31) << 8) | bytes[at + 1]!) << 19) >> 19;
      this.#high = this.#low >> 31;
      return at + 3;
    }
    const { element } = this;
    element.at(at - this.base);
    if (!element.isInteger) throw new Error('stream block: no integer where one must be');
    this.#low = element.low;
    this.#high = element.high;
    return at + element.entrySize();
  }

  /** The offset behind `count` elements. */
  #skip(at: number, count: number): number {
    const bytes = this.bytes;
    for (; count > 0; count--) {
      const encoded = encodedBytes(bytes, at);
      at += encoded + backwardBytes(encoded);
    }
    if (at > this.#end) throw new Error('stream block: an entry beyond its end');
    return at;
  }

  #load(at: number): boolean {
    if (at >= this.#end) {
      this.at = 0;
      return false;
    }
    this.at = at;
    at = this.#integer(at);
    this.flags = this.#low;
    const id = this.id;
    const master = this.#master;
    at = this.#integer(at);
    let low = (master[1]! + this.#low) | 0;
    id[0] = (master[0]! + this.#high + (low >>> 0 < this.#low >>> 0 ? 1 : 0)) | 0;
    id[1] = low;
    at = this.#integer(at);
    low = (master[3]! + this.#low) | 0;
    id[2] = (master[2]! + this.#high + (low >>> 0 < this.#low >>> 0 ? 1 : 0)) | 0;
    id[3] = low;
    if ((this.flags & EntryFlag.SameFields) !== 0) this.fields = this.masterFields;
    else {
      at = this.#integer(at);
      this.fields = wordsToNumber(this.#low, this.#high);
    }
    this.dataAt = at;
    return true;
  }

  /** Goes to the entry whose pieces end at `end`. */
  #loadBefore(end: number): boolean {
    const { element, base } = this;
    // The element in front of `end`: the number of pieces, or the 0 of the master entry.
    const at = previousElement(this.bytes, end);
    this.#integer(at);
    const pieces = wordsToNumber(this.#low, this.#high);
    if (pieces === 0) {
      this.at = 0;
      return false;
    }
    element.at(at - base);
    let from = at;
    for (let i = 0; i < pieces; i++) from = previousElement(this.bytes, from);
    return this.#load(from);
  }
}

/** Where the element begins that ends at `end`. */
function previousElement(bytes: Buffer, end: number): number {
  let at = end - 1;
  let encoded = bytes[at]! & 127;
  for (let scale = 128; (bytes[at]! & 128) !== 0; scale *= 128) {
    at--;
    encoded += (bytes[at]! & 127) * scale;
  }
  return at - encoded;
}

/** What an entry to be written consists of: pairs of arguments. */
export interface EntrySource {
  readonly input: Buffer;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
}

/** Writes blocks and entries. One per thread. */
export class BlockWriter {
  bytes: Buffer;
  base = 0;
  /** Bytes of the block in all; valid entries and deleted ones; fields of the master entry, and where the first is. */
  size = 0;
  count = 0;
  deleted = 0;
  masterFields = 0;
  masterAt = 0;
  readonly #encoder: EntryEncoder;
  readonly #reader: Listpack;

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
    this.#encoder = new EntryEncoder(some);
    this.#reader = new Listpack(some);
  }

  /** Opens a block to append to. */
  open(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
    this.size = listpackBytes(bytes, base);
    const at = base + HEADER_BYTES;
    const count = bytes[at]!;
    const deleted = bytes[at + 2]!;
    const fields = bytes[at + 4]!;
    if (count <= SMALL_MAX && deleted <= SMALL_MAX && fields <= SMALL_MAX) {
      this.count = count;
      this.deleted = deleted;
      this.masterFields = fields;
      this.masterAt = at + 6;
    } else this.#openLarge();
  }

  /** As open(), where some number takes more than a byte. */
  #openLarge(): void {
    const reader = this.#reader;
    reader.open(this.bytes, this.base);
    reader.first();
    this.count = reader.integer();
    reader.next();
    this.deleted = reader.integer();
    reader.next();
    this.masterFields = reader.integer();
    this.masterAt = this.base + reader.pos + reader.entrySize();
  }

  /** Exact bytes of a new block with one entry. @param first argument index of the first field @param pairs how many */
  newBlockBytes(source: EntrySource, first: number, pairs: number): number {
    const { input, argOff, argLen } = source;
    const encoder = this.#encoder;
    encoder.setInteger(pairs);
    let size = HEADER_BYTES + 2 + 2 + encoder.size + 2 + 2 + 2 + 2 + 1;
    encoder.setInteger(pairs + PREFIX_PIECES);
    size += encoder.size;
    for (let arg = first; arg < first + pairs * 2; arg++) {
      encoder.set(input, argOff[arg]!, argLen[arg]!);
      size += encoder.size;
    }
    return size;
  }

  /** The most bytes that an entry can add to a block. @param rawBytes of all fields and values together */
  entryBytesMax(rawBytes: number, pairs: number): number {
    // Two bytes at most for a longer count in the master entry.
    return rawBytes + pairs * 2 * STRING_OVERHEAD_MAX + (PREFIX_PIECES + 2) * INTEGER_BYTES_MAX + 2;
  }

  /** Writes a new block with one entry, whose ID is the master ID. There is room for newBlockBytes(). */
  writeBlock(bytes: Buffer, base: number, source: EntrySource, first: number, pairs: number): void {
    const { input, argOff, argLen } = source;
    let at = base + HEADER_BYTES;
    at = this.#number(bytes, at, 1);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, pairs);
    for (let i = 0; i < pairs; i++)
      at = this.#string(bytes, at, input, argOff[first + i * 2]!, argLen[first + i * 2]!);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, EntryFlag.SameFields);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, 0);
    at = this.#values(bytes, at, source, first, pairs);
    at = this.#number(bytes, at, pairs + PREFIX_PIECES);
    bytes[at++] = LISTPACK_END;
    writeHeader(bytes, base, at - base, pairs * 2 + PREFIX_PIECES + 5);
  }

  /**
   * Appends an entry to the open block. There is room for entryBytesMax(). What is known of the block is not up to date
   * afterwards.
   * @param id words of the entry's ID, from `i` on
   * @param master words of the block's master ID, from `m` on
   */
  append(
    id: Int32Array,
    i: number,
    master: Int32Array,
    m: number,
    source: EntrySource,
    first: number,
    pairs: number,
  ): void {
    const { bytes, base } = this;
    const same = this.masterFields === pairs && this.#sameFields(source, first, pairs);
    this.setCounts(bytes, base, this.count + 1, this.deleted);
    let at = base + listpackBytes(bytes, base) - 1;
    at = this.#number(bytes, at, same ? EntryFlag.SameFields : 0);
    at = this.#difference(bytes, at, id, i, master, m);
    at = this.#difference(bytes, at, id, i + 2, master, m + 2);
    let pieces = pairs + PREFIX_PIECES;
    if (same) at = this.#values(bytes, at, source, first, pairs);
    else {
      pieces += pairs + 1;
      at = this.#number(bytes, at, pairs);
      const { input, argOff, argLen } = source;
      for (let arg = first; arg < first + pairs * 2; arg++)
        at = this.#string(bytes, at, input, argOff[arg]!, argLen[arg]!);
    }
    at = this.#number(bytes, at, pieces);
    bytes[at++] = LISTPACK_END;
    const elements = headerCount(bytes, base);
    const grown = elements === COUNT_UNKNOWN ? COUNT_UNKNOWN : Math.min(COUNT_UNKNOWN, elements + pieces + 1);
    writeHeader(bytes, base, at - base, grown);
  }

  /** Bytes by which setCounts() would lengthen the block; may be negative. */
  countsGrowth(bytes: Buffer, base: number, count: number, deleted: number): number {
    const reader = this.#reader;
    const encoder = this.#encoder;
    reader.open(bytes, base);
    reader.first();
    let growth = -reader.entrySize();
    reader.next();
    growth -= reader.entrySize();
    encoder.setInteger(count);
    growth += encoder.size;
    encoder.setInteger(deleted);
    return growth + encoder.size;
  }

  /** Writes the counts of the master entry. There is room for countsGrowth(). */
  setCounts(bytes: Buffer, base: number, count: number, deleted: number): void {
    const at = base + HEADER_BYTES;
    if (
      bytes[at]! <= SMALL_MAX &&
      count <= SMALL_MAX &&
      bytes[at + 2]! <= SMALL_MAX &&
      deleted <= SMALL_MAX
    ) {
      bytes[at] = count;
      bytes[at + 2] = deleted;
      return;
    }
    const reader = this.#reader;
    const encoder = this.#encoder;
    reader.open(bytes, base);
    reader.first();
    encoder.setInteger(count);
    reader.replace(reader.pos, reader.entrySize(), encoder);
    reader.at(reader.pos);
    reader.next();
    encoder.setInteger(deleted);
    reader.replace(reader.pos, reader.entrySize(), encoder);
  }

  /** Marks the cursor's entry as deleted; counts are the caller's. */
  markDeleted(cursor: BlockCursor): void {
    cursor.flags |= EntryFlag.Deleted;
    cursor.bytes[cursor.at] = cursor.flags;
  }

  /** Whether the fields of an entry to be written are those of the master entry, of which there are as many. */
  #sameFields(source: EntrySource, first: number, pairs: number): boolean {
    const { bytes } = this;
    const { input, argOff, argLen } = source;
    let at = this.masterAt;
    for (let i = 0; i < pairs; i++) {
      const off = argOff[first + i * 2]!;
      const len = argLen[first + i * 2]!;
      const head = bytes[at]!;
      if (head < 0x80 || head > 0x80 + SHORT_STRING_MAX) {
        const reader = this.#reader;
        reader.open(bytes, this.base);
        reader.at(at - this.base);
        if (!reader.equals(input, off, len)) return false;
        at += reader.entrySize();
        continue;
      }
      if (head - 0x80 !== len) return false;
      for (let k = 0; k < len; k++) if (bytes[at + 1 + k] !== input[off + k]) return false;
      at += len + 2;
    }
    return true;
  }

  #values(bytes: Buffer, at: number, source: EntrySource, first: number, pairs: number): number {
    const { input, argOff, argLen } = source;
    for (let i = 0; i < pairs; i++)
      at = this.#string(bytes, at, input, argOff[first + i * 2 + 1]!, argLen[first + i * 2 + 1]!);
    return at;
  }

  /** Writes the difference of two numbers of 64 bits, high word first. @returns the offset behind it */
  #difference(bytes: Buffer, at: number, a: Int32Array, i: number, b: Int32Array, j: number): number {
    const low = (a[i + 1]! - b[j + 1]!) | 0;
    const borrow = a[i + 1]! >>> 0 < b[j + 1]! >>> 0 ? 1 : 0;
    const high = (a[i]! - b[j]! - borrow) | 0;
    if (high === 0 && low >= 0 && low <= SMALL_MAX) {
      bytes[at] = low;
      bytes[at + 1] = 1;
      return at + 2;
    }
    const encoder = this.#encoder;
    encoder.setWords(low, high);
    encoder.write(bytes, at);
    return at + encoder.size;
  }

  #number(bytes: Buffer, at: number, value: number): number {
    if (value <= SMALL_MAX) {
      bytes[at] = value;
      bytes[at + 1] = 1;
      return at + 2;
    }
    const encoder = this.#encoder;
    encoder.setInteger(value);
    encoder.write(bytes, at);
    return at + encoder.size;
  }

  #string(bytes: Buffer, at: number, source: Buffer, off: number, len: number): number {
    const first = len === 0 ? 0 : source[off]!;
    // Most are short and no integers: neither a digit nor a minus in front.
    if (len <= SHORT_STRING_MAX && (first > DIGIT_9 || (first < DIGIT_0 && first !== MINUS))) {
      bytes[at++] = 0x80 | len;
      for (let i = 0; i < len; i++) bytes[at + i] = source[off + i]!;
      bytes[at + len] = len + 1;
      return at + len + 1;
    }
    const encoder = this.#encoder;
    encoder.set(source, off, len);
    encoder.write(bytes, at);
    return at + encoder.size;
  }
}

function writeHeader(bytes: Buffer, base: number, total: number, elements: number): void {
  bytes[base] = total;
  bytes[base + 1] = total >> 8;
  bytes[base + 2] = total >> 16;
  bytes[base + 3] = total >> 24;
  bytes[base + 4] = elements;
  bytes[base + 5] = elements >> 8;
}
