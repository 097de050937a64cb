// Reads what RDB files and DUMP payloads consist of, from bytes that nobody vouches for. The format is in
// rdb-format.ts.
//
// The reader never leaves [at, end). What goes wrong sets `failed` and stays: readings after it give zeros and empty
// strings, so callers look at `failed` where they must know, not after every byte. Room is taken only for what the
// bytes at hand can really hold: a length that promises more fails at once.
//
// A string is a byte range: in the input itself where it lies there as it is, else (integers, LZF) in a buffer of the
// RdbString, good until the next string is read into it.

import { BLOCK_BYTES_MAX } from '../memory/arena.ts';
import { formatInteger } from '../protocol/numbers.ts';
import { lzfDecompress } from '../structures/lzf.ts';
import { ENCODED, LENGTH_32_BITS, LENGTH_64_BITS, StringCode } from './rdb-format.ts';
import { allocateBytes } from './scratch.ts';

const TWO_32 = 4294967296;
const TEXT_BYTES_MAX = 20;
/** A buffer larger than this is not kept for the next string. */
const KEEP_BYTES = 1024 * 1024;
/** LZF gets at most 264 bytes out of three. */
const LZF_RATIO_MAX = 88;
/** No string is larger: none could be stored. */
const STRING_BYTES_MAX = BLOCK_BYTES_MAX;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

/** A string that was read: buf[off, off + len). */
export class RdbString {
  buf: Buffer;
  off = 0;
  len = 0;
  /** Where text that is not in the input goes. */
  scratch: Buffer;

  constructor() {
    this.scratch = Buffer.allocUnsafeSlow(TEXT_BYTES_MAX);
    this.buf = this.scratch;
  }

  /** Room for text of `bytes` bytes. @throws OutOfMemoryError */
  room(bytes: number): Buffer {
    if (this.scratch.length < bytes || (this.scratch.length > KEEP_BYTES && bytes <= KEEP_BYTES))
      this.scratch = allocateBytes(Math.max(bytes, Math.min(bytes * 2, KEEP_BYTES), TEXT_BYTES_MAX));
    return this.scratch;
  }
}

export class RdbReader {
  bytes: Buffer = Buffer.alloc(0);
  /** The next byte to be read. */
  at = 0;
  end = 0;
  /** Set by what could not be read, and by fail(). */
  failed = false;
  /** Words of the last length, which may have 64 bits. */
  low = 0;
  high = 0;

  /** Begins to read bytes[off, off + len). */
  open(bytes: Buffer, off: number, len: number): void {
    this.bytes = bytes;
    this.at = off;
    this.end = off + len;
    this.failed = false;
  }

  /** Bytes left. */
  get left(): number {
    return this.end - this.at;
  }

  /** Notes that the input is bad. @returns false, so that checks can return it */
  fail(): false {
    this.failed = true;
    this.at = this.end;
    return false;
  }

  /** Whether `count` bytes are left; fails otherwise. */
  has(count: number): boolean {
    if (count <= this.end - this.at) return true;
    return this.fail();
  }

  byte(): number {
    return this.has(1) ? this.bytes[this.at++]! : 0;
  }

  /** Reads 64 bits, little endian, into `low` and `high`. */
  words(): void {
    this.low = 0;
    this.high = 0;
    if (!this.has(8)) return;
    const { bytes, at } = this;
    this.low = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    this.high = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    this.at = at + 8;
  }

  /** Reads a signed integer of 64 bits, little endian; rounded beyond 2^53 (`low` and `high` are exact). */
  integer64(): number {
    this.words();
    return this.high * TWO_32 + (this.low >>> 0);
  }

  /** Reads 64 bits, big endian, into `low` and `high`. */
  wordsBigEndian(): void {
    this.low = 0;
    this.high = 0;
    if (!this.has(8)) return;
    this.high = this.#wordBigEndian();
    this.low = this.#wordBigEndian();
  }

  float64(): number {
    if (!this.has(8)) return 0;
    for (let i = 0; i < 8; i++) doubleBytes[i] = this.bytes[this.at + i]!;
    this.at += 8;
    return double[0]!;
  }

  /** Reads a length; rounded beyond 2^53 (`low` and `high` are exact). */
  len(): number {
    this.low = 0;
    this.high = 0;
    if (!this.has(1)) return 0;
    const first = this.bytes[this.at++]!;
    // Redis takes the code of a string where a length must be for a length, too.
    if (first < 0x40 || first >= ENCODED) return (this.low = first & 0x3f);
    if (first < 0x80) return (this.low = ((first & 0x3f) << 8) | this.byte());
    if (first === LENGTH_32_BITS) {
      if (this.has(4)) this.low = this.#wordBigEndian();
      return this.low >>> 0;
    }
    if (first !== LENGTH_64_BITS) {
      this.fail();
      return 0;
    }
    this.wordsBigEndian();
    return (this.high >>> 0) * TWO_32 + (this.low >>> 0);
  }

  /**
   * Reads the number of things that follow.
   * @param bytesEach what each takes at least; a number that cannot be fails
   */
  count(bytesEach: number): number {
    const count = this.len();
    if (count * bytesEach <= this.left) return count;
    this.fail();
    return 0;
  }

  /** Reads a string into `into`; an empty one on failure. @returns whether it was there */
  string(into: RdbString): boolean {
    into.off = 0;
    into.len = 0;
    if (!this.has(1)) return false;
    const first = this.bytes[this.at]!;
    if (first >= ENCODED) {
      this.at++;
      return this.#encodedString(first & 0x3f, into);
    }
    const len = this.len();
    if (this.failed || !this.has(len)) return false;
    into.buf = this.bytes;
    into.off = this.at;
    into.len = len;
    this.at += len;
    return true;
  }

  /** Passes over a string. */
  skipString(): void {
    if (!this.has(1)) return;
    const first = this.bytes[this.at]!;
    if (first < ENCODED) {
      this.skip(this.len());
      return;
    }
    this.at++;
    const code = first & 0x3f;
    if (code <= StringCode.Int32) this.skip(1 << code);
    else if (code === StringCode.Lzf) {
      const packed = this.len();
      this.len();
      this.skip(packed);
    } else this.fail();
  }

  /** Passes over bytes. */
  skip(count: number): void {
    if (this.has(count)) this.at += count;
  }

  #encodedString(code: number, into: RdbString): boolean {
    if (code === StringCode.Lzf) return this.#compressedString(into);
    if (code > StringCode.Int32) return this.fail();
    if (!this.has(1 << code)) return false;
    const { bytes, at } = this;
    let value: number;
    if (code === StringCode.Int8) value = (bytes[at]! << 24) >> 24;
    else if (code === StringCode.Int16) value = bytes[at]! | ((bytes[at + 1]! << 24) >> 16);
    else value = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    this.at += 1 << code;
    into.buf = into.room(TEXT_BYTES_MAX);
    into.len = formatInteger(value, into.buf, 0);
    return true;
  }

  #compressedString(into: RdbString): boolean {
    const packed = this.len();
    const len = this.len();
    if (this.failed || !this.has(packed)) return false;
    if (packed === 0 || len === 0 || len > Math.min(packed * LZF_RATIO_MAX, STRING_BYTES_MAX))
      return this.fail();
    const room = into.room(len);
    if (lzfDecompress(this.bytes, this.at, packed, room, 0, len) !== len) return this.fail();
    this.at += packed;
    into.buf = room;
    into.len = len;
    return true;
  }

  #wordBigEndian(): number {
    const { bytes, at } = this;
    this.at = at + 4;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }
}
