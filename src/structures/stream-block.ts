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
// BlockCursor walks; BlockWriter writes (stream-block-writer.ts). Neither knows where blocks live: they work on bytes.

import { wordsToNumber } from './int64.ts';
import { backwardBytes, encodedBytes, LISTPACK_HEADER_BYTES, Listpack } from './listpack.ts';
import { ID_WORDS } from './stream-id.ts';

export const EntryFlag = { Deleted: 1, SameFields: 2 } as const;

const SMALL_MAX = 127;

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
    let at = this.#integer(base + LISTPACK_HEADER_BYTES);
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
