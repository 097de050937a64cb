// Writes what RDB files and DUMP payloads consist of into a buffer that grows: lengths, strings, numbers. The format
// is in rdb-format.ts.
//
// One per thread, reused: reset(), write, take bytes[0, length). A buffer that one huge value has made large is let go
// by the next reset(). Every method that writes throws OutOfMemoryError when the buffer cannot grow.

import { parseInteger } from '../protocol/numbers.ts';
import { copyBytes } from '../structures/bytes.ts';
import { lzfCompress } from '../structures/lzf.ts';
import { ENCODED, LENGTH_14_BITS, LENGTH_32_BITS, LENGTH_64_BITS, StringCode } from './rdb-format.ts';
import { mayRepeat, REPEAT_BYTES_MAX } from './repeats.ts';
import { allocateBytes } from './scratch.ts';

const FIRST_BYTES = 4096;
/** A buffer larger than this is not kept for the next value. */
const KEEP_BYTES = 4 * 1024 * 1024;
/** Longest text that is tried as an integer, and shortest string that is tried to compress: as Redis. */
const INTEGER_TRY_MAX = 11;
const COMPRESS_MIN = 21;
/** Code and two lengths in front of compressed bytes, at most. */
const LZF_HEADER_BYTES_MAX = 11;
const TWO_32 = 4294967296;

const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);

export class RdbWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Bytes written. */
  length = 0;
  /** Whether strings are compressed where that makes them shorter: `rdbcompression`. */
  compression = true;

  /** Begins anew. */
  reset(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  /** Makes room for `more` bytes. */
  ensure(more: number): void {
    const wanted = this.length + more;
    if (wanted > this.bytes.length) this.#grow(wanted);
  }

  /** Writes a byte. */
  byte(value: number): void {
    this.ensure(1);
    this.bytes[this.length++] = value;
  }

  /** Writes bytes as they are. */
  raw(source: Buffer, off: number, len: number): void {
    this.ensure(len);
    copyBytes(source, off, this.bytes, this.length, len);
    this.length += len;
  }

  /** Writes two words, little endian: times in ms, words of checksums. */
  words(low: number, high: number): void {
    this.ensure(8);
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = low;
    bytes[at++] = low >> 8;
    bytes[at++] = low >> 16;
    bytes[at++] = low >> 24;
    bytes[at++] = high;
    bytes[at++] = high >> 8;
    bytes[at++] = high >> 16;
    bytes[at++] = high >> 24;
    this.length = at;
  }

  /** Writes an integer of 64 bits, little endian. @param value a safe integer */
  integer64(value: number): void {
    this.words(value % TWO_32, Math.floor(value / TWO_32));
  }

  /** Writes two words, big endian: halves of stream IDs as keys. */
  wordsBigEndian(high: number, low: number): void {
    this.ensure(8);
    const { bytes } = this;
    let at = this.length;
    bytes[at++] = high >> 24;
    bytes[at++] = high >> 16;
    bytes[at++] = high >> 8;
    bytes[at++] = high;
    bytes[at++] = low >> 24;
    bytes[at++] = low >> 16;
    bytes[at++] = low >> 8;
    bytes[at++] = low;
    this.length = at;
  }

  /** Writes a float64, little endian. */
  float64(value: number): void {
    this.ensure(8);
    double[0] = value;
    for (let i = 0; i < 8; i++) this.bytes[this.length + i] = doubleBytes[i]!;
    this.length += 8;
  }

  /** Writes a length. @param value a safe integer, 0 or more */
  len(value: number): void {
    this.ensure(9);
    this.length = writeLength(this.bytes, this.length, value);
  }

  /** Writes a length of 64 bits, unsigned, given as two words. */
  lenWords(low: number, high: number): void {
    if (high === 0) {
      this.len(low >>> 0);
      return;
    }
    this.byte(LENGTH_64_BITS);
    this.wordsBigEndian(high, low);
  }

  /** Writes a string: as an integer, compressed or as it is, as Redis's rdbSaveRawString. */
  string(source: Buffer, off: number, len: number): void {
    if (len <= INTEGER_TRY_MAX && this.#tryInteger(source, off, len)) return;
    if (len >= COMPRESS_MIN && this.compression && this.#tryCompress(source, off, len)) return;
    this.len(len);
    this.raw(source, off, len);
  }

  /** Writes a string of which the caller has the compressed bytes. @param plainLen length of what they stand for */
  compressed(source: Buffer, off: number, len: number, plainLen: number): void {
    this.ensure(LZF_HEADER_BYTES_MAX + len);
    this.bytes[this.length++] = ENCODED | StringCode.Lzf;
    this.len(len);
    this.len(plainLen);
    this.raw(source, off, len);
  }

  /** @returns false, with nothing written, if it is no integer of 32 bits */
  #tryInteger(source: Buffer, off: number, len: number): boolean {
    // Most strings end here: no digit in the end.
    const last = len === 0 ? 0 : source[off + len - 1]!;
    if (last < 0x30 || last > 0x39) return false;
    const value = parseInteger(source, off, len);
    if ((value | 0) !== value) return false;
    this.ensure(5);
    const { bytes } = this;
    let at = this.length;
    if (value >= -128 && value <= 127) {
      bytes[at++] = ENCODED | StringCode.Int8;
      bytes[at++] = value;
    } else {
      const wide = value < -32768 || value > 32767;
      bytes[at++] = ENCODED | (wide ? StringCode.Int32 : StringCode.Int16);
      bytes[at++] = value;
      bytes[at++] = value >> 8;
      if (wide) {
        bytes[at++] = value >> 16;
        bytes[at++] = value >> 24;
      }
    }
    this.length = at;
    return true;
  }

  /** @returns false, with nothing written, if it does not save four bytes */
  #tryCompress(source: Buffer, off: number, len: number): boolean {
    if (len <= REPEAT_BYTES_MAX && !mayRepeat(source, off, len)) return false;
    this.ensure(LZF_HEADER_BYTES_MAX + len);
    const { bytes, length } = this;
    const from = length + LZF_HEADER_BYTES_MAX;
    const packed = lzfCompress(source, off, len, bytes, from, len - 4);
    if (packed === 0) return false;
    bytes[length] = ENCODED | StringCode.Lzf;
    const at = writeLength(bytes, writeLength(bytes, length + 1, packed), len);
    bytes.copyWithin(at, from, from + packed);
    this.length = at + packed;
    return true;
  }

  #grow(wanted: number): void {
    const grown = allocateBytes(Math.max(wanted, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

/** Writes a length: at most 9 bytes. @param value a safe integer, 0 or more @returns where the next byte goes */
function writeLength(bytes: Buffer, at: number, value: number): number {
  if (value < 64) {
    bytes[at] = value;
    return at + 1;
  }
  if (value < 16384) {
    bytes[at] = LENGTH_14_BITS | (value >> 8);
    bytes[at + 1] = value;
    return at + 2;
  }
  if (value < TWO_32) {
    bytes[at] = LENGTH_32_BITS;
    return writeWord(bytes, at + 1, value);
  }
  bytes[at] = LENGTH_64_BITS;
  return writeWord(bytes, writeWord(bytes, at + 1, Math.floor(value / TWO_32)), value % TWO_32);
}

/** Big endian. */
function writeWord(bytes: Buffer, at: number, word: number): number {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
  return at + 4;
}
