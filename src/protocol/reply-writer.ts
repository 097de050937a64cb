// Writes RESP2 and RESP3 replies as bytes into one growing buffer. One instance per thread: replies of all the
// commands of one read are gathered here and leave in one write. The owner takes [0, length) and calls reset().
//
// Protocol: https://redis.io/docs/latest/develop/reference/protocol-spec/
// Nothing here allocates but growth. Strings are for texts of ours (latin1); data goes by byte ranges.

import { formatDouble, formatHumanDouble } from './doubles.ts';
import { formatInteger, integerTextBytes } from './numbers.ts';

const CR = 13;
const LF = 10;
const INITIAL_BYTES = 128 * 1024;
/** A buffer grown beyond this is let go after use. */
const KEEP_BYTES = 1024 * 1024;
/** Copies below this are faster as a loop over bytes (docs/benchmarks.md). */
const LOOP_COPY_MAX = 48;

export class ReplyWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Bytes written so far. */
  length = 0;
  /** Protocol of the client being answered: 2 or 3. */
  resp = 2;

  reset(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** Takes the bytes written so far away from the writer, without copying them. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length);
    this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.length = 0;
    return taken;
  }

  /** Drops what was written since `length` was `mark` (CLIENT REPLY OFF, an error after a header). */
  truncate(mark: number): void {
    this.length = mark;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.bytes.length) return;
    let size = this.bytes.length * 2;
    while (size < need) size *= 2;
    // Above 64 MiB doubling would waste more than it saves.
    if (need > 64 * 1024 * 1024) size = need + (need >> 2);
    const grown = Buffer.allocUnsafeSlow(size);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  ok(): void {
    this.#literal5(0x2b, 0x4f, 0x4b); // +OK
  }

  /** A status of ours, ASCII without CR and LF. */
  simpleString(text: string): void {
    this.reserve(text.length + 3);
    this.bytes[this.length++] = 0x2b;
    this.#ascii(text);
    this.#crlf();
  }

  /** An error: '-' is added in front, CR and LF in the text become spaces, as Redis does. @param text 'ERR ...' */
  error(text: string): void {
    const clean = /[\r\n]/.test(text) ? text.replace(/[\r\n]/g, ' ') : text;
    this.reserve(clean.length + 3);
    this.bytes[this.length++] = 0x2d;
    this.#ascii(clean);
    this.#crlf();
  }

  /** An integer of at most 2^53 - 1 in size. */
  integer(value: number): void {
    this.#header(0x3a, value);
  }

  /** An integer of 64 bits. */
  bigInteger(value: bigint): void {
    this.simple(0x3a, value.toString());
  }

  /** Raw line of type `type` with `text` (latin1). */
  simple(type: number, text: string): void {
    this.reserve(text.length + 3);
    this.bytes[this.length++] = type;
    this.#ascii(text);
    this.#crlf();
  }

  arrayHeader(count: number): void {
    this.#header(0x2a, count);
  }

  /** A map of `pairs` pairs; in RESP2 an array of twice as many. */
  mapHeader(pairs: number): void {
    if (this.resp === 3) this.#header(0x25, pairs);
    else this.#header(0x2a, pairs * 2);
  }

  setHeader(count: number): void {
    this.#header(this.resp === 3 ? 0x7e : 0x2a, count);
  }

  /** An out-of-band message; in RESP2 an array. */
  pushHeader(count: number): void {
    this.#header(this.resp === 3 ? 0x3e : 0x2a, count);
  }

  /** Attributes (pairs); only for RESP3. */
  attributeHeader(pairs: number): void {
    this.#header(0x7c, pairs);
  }

  /** No such value: $-1, in RESP3 _. */
  nullBulk(): void {
    if (this.resp === 3) this.#literal3(0x5f);
    else this.#literal5(0x24, 0x2d, 0x31);
  }

  /** No such array: *-1, in RESP3 _. */
  nullArray(): void {
    if (this.resp === 3) this.#literal3(0x5f);
    else this.#literal5(0x2a, 0x2d, 0x31);
  }

  emptyArray(): void {
    this.#header(0x2a, 0);
  }

  emptyBulk(): void {
    this.#header(0x24, 0);
    this.#crlf();
  }

  bool(value: boolean): void {
    if (this.resp === 3) {
      this.reserve(4);
      this.bytes[this.length++] = 0x23;
      this.bytes[this.length++] = value ? 0x74 : 0x66;
      this.#crlf();
    } else this.#header(0x3a, value ? 1 : 0);
  }

  /** A double; in RESP2 a bulk string of it. */
  double(value: number): void {
    if (Number.isSafeInteger(value) && (value !== 0 || 1 / value > 0)) {
      this.#wholeDouble(value);
      return;
    }
    const text = formatDouble(value);
    if (this.resp === 3) this.simple(0x2c, text);
    else this.bulkString(text);
  }

  /** A double printed for people (%.17Lf, zeros trimmed); in RESP2 a bulk string of it. */
  humanDouble(value: number): void {
    const text = formatHumanDouble(value);
    if (this.resp === 3) this.simple(0x2c, text);
    else this.bulkString(text);
  }

  /** A bulk string of latin1 text of ours. */
  bulkString(text: string): void {
    this.#header(0x24, text.length);
    this.reserve(text.length + 2);
    this.#ascii(text);
    this.#crlf();
  }

  /** A bulk string of text in UTF-8. */
  bulkUtf8(text: string): void {
    const data = Buffer.from(text, 'utf8');
    this.bulkBytes(data, 0, data.length);
  }

  /** Text for people: in RESP3 a verbatim string. @param format three letters, 'txt' or 'mkd' */
  verbatim(text: string, format = 'txt'): void {
    if (this.resp !== 3) {
      this.bulkUtf8(text);
      return;
    }
    const data = Buffer.from(`${format}:${text}`, 'utf8');
    this.#header(0x3d, data.length);
    this.raw(data, 0, data.length);
    this.#crlf();
  }

  /** A bulk string of the bytes [off, off + len) of `source`. */
  bulkBytes(source: Buffer, off: number, len: number): void {
    this.reserve(len + 34);
    const bytes = this.bytes;
    let at = this.length;
    bytes[at++] = 0x24;
    if (len < 10) bytes[at++] = 0x30 + len;
    else if (len < 100) {
      const tens = (len / 10) | 0;
      bytes[at++] = 0x30 + tens;
      bytes[at++] = 0x30 + len - tens * 10;
    } else at += formatInteger(len, bytes, at);
    bytes[at++] = CR;
    bytes[at++] = LF;
    if (len <= LOOP_COPY_MAX) {
      for (let i = 0; i < len; i++) bytes[at + i] = source[off + i]!;
    } else source.copy(bytes, at, off, off + len);
    at += len;
    bytes[at++] = CR;
    bytes[at++] = LF;
    this.length = at;
  }

  /** Starts a bulk string of `len` bytes; the caller adds them with raw() or in place and then calls bulkEnd(). */
  bulkHeader(len: number): void {
    this.#header(0x24, len);
    this.reserve(len + 2);
  }

  bulkEnd(): void {
    this.#crlf();
  }

  /** Bytes as they are: for replies that are already RESP. */
  raw(source: Buffer, off: number, len: number): void {
    this.reserve(len);
    source.copy(this.bytes, this.length, off, off + len);
    this.length += len;
  }

  #header(type: number, value: number): void {
    this.reserve(24);
    const bytes = this.bytes;
    let at = this.length;
    bytes[at++] = type;
    if (value >= 0 && value < 10) bytes[at++] = 0x30 + value;
    else at += formatInteger(value, bytes, at);
    bytes[at++] = CR;
    bytes[at++] = LF;
    this.length = at;
  }

  /** A double that is an integer, most scores, without a string. */
  #wholeDouble(value: number): void {
    if (this.resp === 3) {
      this.#header(0x2c, value);
      return;
    }
    const len = integerTextBytes(value);
    this.#header(0x24, len);
    this.reserve(len + 2);
    this.length += formatInteger(value, this.bytes, this.length);
    this.#crlf();
  }

  #literal3(type: number): void {
    this.reserve(3);
    this.bytes[this.length++] = type;
    this.#crlf();
  }

  #literal5(a: number, b: number, c: number): void {
    this.reserve(5);
    const bytes = this.bytes;
    const at = this.length;
    bytes[at] = a;
    bytes[at + 1] = b;
    bytes[at + 2] = c;
    bytes[at + 3] = CR;
    bytes[at + 4] = LF;
    this.length = at + 5;
  }

  /** Room must be reserved. */
  #ascii(text: string): void {
    if (text.length > LOOP_COPY_MAX) {
      this.bytes.write(text, this.length, 'latin1');
      this.length += text.length;
      return;
    }
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i);
  }

  #crlf(): void {
    this.reserve(2);
    this.bytes[this.length++] = CR;
    this.bytes[this.length++] = LF;
  }
}
