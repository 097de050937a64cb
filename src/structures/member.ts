// One member of a set on its way from one place to another: an argument, an entry of a listpack or an intset, an
// element of a hash table. Each of these holds it in its own form and wants it in that form: as bytes, as an integer of
// 64 bits, with its hash. A Member takes it in the form it comes in and finds out the others when they are asked for,
// once.
//
// Flyweight: a thread has a few and sets them anew for each member. Bytes are not copied: a member is good as long as
// what it was set to lies where it did.

import { formatWords, INT64_TEXT_BYTES_MAX, Int64 } from './int64.ts';
import { keyedHash } from './keyed-hash.ts';

/** What is known of a member, as bits. */
const Known = { Text: 1, Integer: 2, NoInteger: 4, Hash: 8 } as const;

export class Member {
  /** The bytes: buf[off, off + len). Only after setBytes() or text(). */
  buf: Buffer;
  off = 0;
  len = 0;
  /** The words of an integer. Only after setWords() or when isInteger() said yes. */
  low = 0;
  high = 0;
  #known = 0;
  #hash = 0;
  readonly #digits: Buffer = Buffer.alloc(INT64_TEXT_BYTES_MAX);
  readonly #parsed = new Int64();

  constructor() {
    this.buf = this.#digits;
  }

  /** The member is these bytes. */
  setBytes(buf: Buffer, off: number, len: number): void {
    this.buf = buf;
    this.off = off;
    this.len = len;
    this.#known = Known.Text;
  }

  /** The member is these bytes, and this is their keyedHash(). */
  setHashed(buf: Buffer, off: number, len: number, hash: number): void {
    this.buf = buf;
    this.off = off;
    this.len = len;
    this.#hash = hash;
    this.#known = Known.Text | Known.Hash;
  }

  /** The member is a string that is known to be no integer: a listpack's. */
  setString(buf: Buffer, off: number, len: number): void {
    this.buf = buf;
    this.off = off;
    this.len = len;
    this.#known = Known.Text | Known.NoInteger;
  }

  /** The member is an integer. */
  setWords(low: number, high: number): void {
    this.low = low;
    this.high = high;
    this.#known = Known.Integer;
  }

  /** Makes sure that the bytes are there. */
  text(): void {
    if ((this.#known & Known.Text) !== 0) return;
    this.buf = this.#digits;
    this.off = 0;
    this.len = formatWords(this.low, this.high, this.#digits, 0);
    this.#known |= Known.Text;
  }

  /** Whether it is the canonical text of an integer of 64 bits; `low` and `high` are its words then. */
  isInteger(): boolean {
    if ((this.#known & (Known.Integer | Known.NoInteger)) === 0) {
      const parsed = this.#parsed;
      if (parsed.parse(this.buf, this.off, this.len)) {
        this.low = parsed.low;
        this.high = parsed.high;
        this.#known |= Known.Integer;
      } else this.#known |= Known.NoInteger;
    }
    return (this.#known & Known.Integer) !== 0;
  }

  /** keyedHash() of the bytes, which are there then. */
  hash(): number {
    if ((this.#known & Known.Hash) === 0) {
      this.text();
      this.#hash = keyedHash(this.buf, this.off, this.len);
      this.#known |= Known.Hash;
    }
    return this.#hash;
  }
}
