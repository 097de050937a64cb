/*
 * Counts RESP2 and RESP3 replies in a stream of bytes, without keeping or copying them.
 *
 * The load generator must know how many replies have come, not what they say. The scanner is a state machine over the
 * bytes that can stop and go on at any byte: state, the number read so far, the bytes of a bulk still to skip, and a
 * stack of open aggregates are its fields. Bulk bodies are skipped, not looked at. It notices errors (and keeps the
 * text of the first one) and nulls, so that a benchmark of errors or of misses does not pass for one of hits.
 *
 *   *2\r\n $3\r\n foo\r\n :1\r\n
 *   |      |      |       `-- LINE: skip to \r\n            element done -> aggregate done -> one reply
 *   |      |      `-- BODY: skip 3 + 2 bytes
 *   |      `-- LENGTH: number up to \r\n
 *   `-- LENGTH, then a frame of 2 elements on the stack
 *
 * Push messages (`>`) and attributes (`|`) are no replies; they are walked over and not counted. Left out: streamed
 * strings and aggregates of RESP3 (`$?`, `*?`), which no Redis sends.
 */

const TYPE = 0;
const LINE = 1;
const LINE_LF = 2;
const LENGTH = 3;
const LENGTH_LF = 4;
const BODY = 5;

const CR = 13;
const LF = 10;
const DASH = 45;

/** Nesting that no reply of a benchmark reaches; deeper input is refused. */
const DEPTH_MAX = 64;
/** Bytes of an error's text that are kept. */
const ERROR_TEXT_MAX = 200;
/** `proto-max-bulk-len` can't be set above this; a longer length is not RESP but noise. */
const LENGTH_MAX = 2 ** 48;

/** Thrown when the bytes are not RESP: the stream can't be followed any more. */
export class ReplyFormatError extends Error {
  override name = 'ReplyFormatError';
}

export class ReplyScanner {
  /** Replies that were errors. */
  errors = 0;
  /** Replies that were null (a GET of a key that isn't there). */
  nulls = 0;
  /** Push messages (RESP3), which are not replies. */
  pushes = 0;
  /** Text of the first error reply, without its `-`; empty when there was none. */
  firstError = '';

  private state = TYPE;
  private type = 0;
  private length = 0;
  private negative = false;
  private digits = 0;
  private skip = 0;
  private depth = 0;
  private readonly pending = new Float64Array(DEPTH_MAX);
  private readonly kinds = new Uint8Array(DEPTH_MAX);
  private capturing = false;

  /** True between two replies: nothing half-read is left. */
  get atBoundary(): boolean {
    return this.state === TYPE && this.depth === 0;
  }

  /**
   * Reads on through the stream.
   * @param bytes the buffer
   * @param length bytes of it to read
   * @returns replies that were completed by these bytes
   * @throws ReplyFormatError when they are not RESP
   */
  scan(bytes: Uint8Array, length: number): number {
    let at = 0;
    let completed = 0;
    while (at < length) {
      switch (this.state) {
        case TYPE:
          this.open(bytes[at++]!);
          break;
        case LINE: {
          const start = at;
          while (at < length && bytes[at] !== CR) at++;
          if (this.capturing) this.capture(bytes, start, at);
          if (at < length) {
            at++;
            this.state = LINE_LF;
          }
          break;
        }
        case LINE_LF:
          if (bytes[at++] !== LF) throw new ReplyFormatError('carriage return without line feed in a reply');
          this.state = TYPE;
          completed += this.close();
          break;
        case LENGTH: {
          const byte = bytes[at++]!;
          if (byte === CR) this.state = LENGTH_LF;
          else this.lengthByte(byte);
          break;
        }
        case LENGTH_LF:
          if (bytes[at++] !== LF) throw new ReplyFormatError('carriage return without line feed in a length');
          completed += this.lengthRead();
          break;
        default: {
          // BODY: the bytes of a bulk and its \r\n
          const step = Math.min(this.skip, length - at);
          at += step;
          this.skip -= step;
          if (this.skip === 0) {
            this.state = TYPE;
            completed += this.close();
          }
        }
      }
    }
    return completed;
  }

  /** A type byte: what follows it? */
  private open(byte: number): void {
    this.type = byte;
    switch (byte) {
      case 0x2d: // - error
        if (this.depth === 0) {
          this.errors++;
          this.capturing = this.errors === 1;
        }
        this.state = LINE;
        return;
      case 0x5f: // _ null
        if (this.depth === 0) this.nulls++;
        this.state = LINE;
        return;
      case 0x2b: // + simple string
      case 0x3a: // : integer
      case 0x2c: // , double
      case 0x23: // # boolean
      case 0x28: // ( big number
        this.state = LINE;
        return;
      case 0x21: // ! bulk error
        if (this.depth === 0) {
          this.errors++;
          if (this.firstError === '') this.firstError = '(bulk error)';
        }
        break;
      case 0x24: // $ bulk string
      case 0x3d: // = verbatim string
      case 0x2a: // * array
      case 0x7e: // ~ set
      case 0x25: // % map
      case 0x7c: // | attribute
      case 0x3e: // > push
        break;
      default:
        throw new ReplyFormatError(`byte 0x${byte.toString(16)} does not start a reply`);
    }
    this.state = LENGTH;
    this.length = 0;
    this.digits = 0;
    this.negative = false;
  }

  private lengthByte(byte: number): void {
    if (byte === DASH && this.digits === 0 && !this.negative) {
      this.negative = true;
      return;
    }
    if (byte < 48 || byte > 57) {
      throw new ReplyFormatError(`byte 0x${byte.toString(16)} in the length of a reply`);
    }
    this.length = this.length * 10 + (byte - 48);
    this.digits++;
    if (this.length > LENGTH_MAX) throw new ReplyFormatError('length of a reply is too large');
  }

  /** The length line is complete: a null, a bulk or an aggregate. Returns replies completed by it. */
  private lengthRead(): number {
    if (this.digits === 0) throw new ReplyFormatError('a reply without its length');
    this.state = TYPE;
    if (this.negative) {
      if (this.length !== 1) throw new ReplyFormatError('negative length of a reply');
      if (this.depth === 0) this.nulls++;
      return this.close();
    }
    if (this.type === 0x24 || this.type === 0x3d || this.type === 0x21) {
      this.skip = this.length + 2;
      this.state = BODY;
      return 0;
    }
    const elements = this.type === 0x25 || this.type === 0x7c ? this.length * 2 : this.length;
    if (this.depth === DEPTH_MAX) throw new ReplyFormatError(`replies nested deeper than ${DEPTH_MAX}`);
    this.pending[this.depth] = elements;
    this.kinds[this.depth] = this.type;
    this.depth++;
    return elements === 0 ? this.closeFrames() : 0;
  }

  /** An element is complete. Returns 1 when that completes a reply, else 0. */
  private close(): number {
    this.capturing = false;
    if (this.depth === 0) return 1;
    this.pending[this.depth - 1]!--;
    return this.pending[this.depth - 1] === 0 ? this.closeFrames() : 0;
  }

  /** Takes complete aggregates off the stack, each of which completes an element of the one around it. */
  private closeFrames(): number {
    while (this.depth > 0 && this.pending[this.depth - 1] === 0) {
      const kind = this.kinds[--this.depth]!;
      if (kind === 0x7c) return 0; // an attribute: what it describes is still to come
      if (this.depth === 0) {
        if (kind !== 0x3e) return 1;
        this.pushes++;
        return 0;
      }
      this.pending[this.depth - 1]!--;
    }
    return 0;
  }

  private capture(bytes: Uint8Array, from: number, to: number): void {
    const room = ERROR_TEXT_MAX - this.firstError.length;
    this.firstError += Buffer.from(bytes.slice(from, Math.min(to, from + room))).toString('latin1');
  }
}
