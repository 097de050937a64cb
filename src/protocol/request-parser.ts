/**
 * The parser of requests: RESP arrays of bulk strings, and inline commands.
 *
 *     *3\r\n  $3\r\n SET\r\n  $3\r\n key\r\n  $5\r\n value\r\n
 *     │       │      │                                      └ pos, behind the command
 *     │       │      └ argOff[0], argLen[0] = 3
 *     │       └ bulk header: length of the next argument
 *     └ count of arguments
 *
 * One `RequestParser` serves all connections of a thread and holds the arguments of the command parsed last, as
 * byte ranges of `input`: no string, array or view is made per command. What a connection needs to remember between
 * two reads is in its `ParseState`.
 *
 * Two paths. `parse` itself handles a command that is whole and well formed, in one loop. Everything else (a cut
 * command, a malformed one, an inline one) goes to the resumable path, which keeps its position in the
 * `ParseState`, relative to the first byte of the command, so that the owner may move the bytes elsewhere. It looks
 * at each byte of a line once and at the bytes of an argument never, however small the pieces are in which a
 * command arrives.
 *
 * Semantics are those of `processMultibulkBuffer` and `processInlineBuffer` of Redis 7.0 to 7.4, with their quirks:
 * the byte behind `\r` of a header and the two bytes behind an argument are not looked at; a line is searched for as
 * a C string is, so a NUL in it hides its end for ever (until it is too long); an error shows as soon as Redis can
 * know it. Declared counts and lengths never make the parser allocate.
 *
 * Left out: holding the bytes (query-buffer.ts, request-reader.ts), and the rules for what may run before authentication.
 */

import { splitInline } from './inline.ts';
import { isCanonicalInt64, parseInteger } from './numbers.ts';

/** What `RequestParser.parse` found. */
export const ParseStatus = {
  /** A command: see `argc`, `argOff`, `argLen`, `input`; `pos` is behind it. */
  Complete: 1,
  /** The command goes on behind `end`; the state remembers how far it was read. */
  Incomplete: 0,
  /** `*0`, `*-1` or a blank inline line: nothing to run; `pos` is behind it. */
  Empty: 2,
  /** Not the protocol: `error` says why; the connection must be closed after the reply. */
  Error: -1,
} as const;

/** Redis's texts, without the leading `-ERR `. */
export const ProtocolErrorText = {
  tooBigMultibulkCount: 'Protocol error: too big mbulk count string',
  tooBigBulkCount: 'Protocol error: too big bulk count string',
  tooBigInline: 'Protocol error: too big inline request',
  invalidMultibulkLength: 'Protocol error: invalid multibulk length',
  invalidBulkLength: 'Protocol error: invalid bulk length',
  unauthenticatedMultibulk: 'Protocol error: unauthenticated multibulk length',
  unauthenticatedBulk: 'Protocol error: unauthenticated bulk length',
  unbalancedQuotes: 'Protocol error: unbalanced quotes in request',
} as const;

/** What a client that has not authenticated, but must, may send (networking.c). */
export const UNAUTHENTICATED_ARGS_MAX = 10;
export const UNAUTHENTICATED_BULK_BYTES_MAX = 16384;

/** Offsets are 32-bit: no command, whatever the limits say, is longer than this many bytes. */
export const COMMAND_BYTES_MAX = 0x7fffffff;

const LF = 10;
const CR = 13;
const DOLLAR = 36;
const STAR = 42;
const MINUS = 45;
const DIGIT_0 = 48;

/** "$0\r\n\r\n": the shortest argument. */
const ARG_BYTES_MIN = 6;
/** Interleaved (offset, length) pairs a state keeps allocated between commands: small ones only. */
const STATE_ARGS_KEPT = 128;
const ARGS_INITIAL = 64;
/** Capacity of the shared argument arrays above which `trim` lets them go. */
const ARGS_KEPT = 4096;

const NO_ARGS = new Int32Array(0);

const Kind = { Fresh: 0, Multibulk: 1, Inline: 2 } as const;

/**
 * What is known of a connection's command that is not complete. Offsets count from the command's first byte.
 * The owner sets `authRequired` and `fromMaster`, reads `need` and `pending`, and leaves the rest to the parser.
 */
export class ParseState {
  /** The client must authenticate before it may send much. */
  authRequired: boolean;
  /** The replication link from a master: no limit on the length of an argument. */
  fromMaster: boolean;
  /**
   * After Incomplete: the bytes from the command's start without which nothing more can be decided (the end of the
   * argument that is being read); 0 when unknown (within a line).
   */
  need: number;
  kind: number;
  /** Arguments still to come; 0 with kind Multibulk: the count itself is still to come. */
  remaining: number;
  /** Length of the argument being read; -1: its header is still to come. */
  bulkLength: number;
  /** Where to go on: a header's or an argument's first byte. */
  offset: number;
  /** Up to here no line end was found. */
  scanned: number;
  argc: number;
  /** (offset, length) of the arguments that are done. */
  args: Int32Array;

  constructor() {
    this.authRequired = false;
    this.fromMaster = false;
    this.need = 0;
    this.kind = Kind.Fresh;
    this.remaining = 0;
    this.bulkLength = -1;
    this.offset = 0;
    this.scanned = 0;
    this.argc = 0;
    this.args = NO_ARGS;
  }

  /** Whether a command has begun and is not complete. */
  get pending(): boolean {
    return this.kind !== Kind.Fresh;
  }

  /** Bytes allocated, for the accounting of a client's memory. */
  get memory(): number {
    return this.args.byteLength;
  }

  /** Forgets the command in progress. */
  reset(): void {
    this.need = 0;
    this.kind = Kind.Fresh;
    this.remaining = 0;
    this.bulkLength = -1;
    this.offset = 0;
    this.scanned = 0;
    this.argc = 0;
    if (this.args.length > STATE_ARGS_KEPT) this.args = NO_ARGS;
  }
}

export class RequestParser {
  /** The bytes the arguments point into: what was passed to `parse`, or a side buffer for quoted inline arguments. */
  input: Buffer;
  argc: number;
  argOff: Int32Array;
  argLen: Int32Array;
  /** The first byte of the array in `input`, which has all of it up to `pos`; -1 for inline commands. */
  start: number;
  /** Behind the command, after Complete and Empty. */
  pos: number;
  /** After Error: the text without `-ERR `. Code units are bytes: write it as latin1. */
  error: string;
  /** proto-max-bulk-len, bytes. */
  maxBulkLength: number;
  /** Longest inline request, and longest line of a header, when its end is not in sight. */
  maxInlineSize: number;
  /** Most arguments of a command (Redis up to 6.2: 1024 * 1024; 7.0: INT_MAX). */
  maxMultibulk: number;
  /** Where quoted inline arguments are unescaped to. */
  private side: Buffer;
  /** Where `findLineEnd` stopped without a line end. */
  private stop: number;

  constructor() {
    this.input = Buffer.alloc(0);
    this.argc = 0;
    this.argOff = new Int32Array(ARGS_INITIAL);
    this.argLen = new Int32Array(ARGS_INITIAL);
    this.start = -1;
    this.pos = 0;
    this.error = '';
    this.maxBulkLength = 512 * 1024 * 1024;
    this.maxInlineSize = 65536;
    this.maxMultibulk = 0x7fffffff;
    this.side = this.input;
    this.stop = 0;
  }

  /**
   * Parses one command.
   * @param input the bytes read
   * @param pos the first byte of a command: the same one (wherever it is now) after Incomplete
   * @param end behind the last byte read
   * @param state the connection's
   * @returns a ParseStatus; after Complete and Empty the next command begins at `pos`
   */
  parse(input: Buffer, pos: number, end: number, state: ParseState): number {
    if (state.kind !== Kind.Fresh) return this.resume(input, pos, end, state);
    if (pos + 4 > end || input[pos] !== STAR) return this.begin(input, pos, end, state);

    // "*<count>\r\n"
    let p = pos + 2;
    let count = input[pos + 1] - DIGIT_0;
    if (count < 1 || count > 9) return this.begin(input, pos, end, state);
    let c = input[p++];
    while (c !== CR) {
      c -= DIGIT_0;
      if (c < 0 || c > 9 || p >= end || count > 99_999_999) return this.begin(input, pos, end, state);
      count = count * 10 + c;
      c = input[p++];
    }
    p++;
    if (count > UNAUTHENTICATED_ARGS_MAX) {
      // So many arguments cannot be here yet: what is allocated is bounded by what has arrived.
      if (state.authRequired || count > this.maxMultibulk || (end - p) / ARG_BYTES_MIN < count) {
        return this.begin(input, pos, end, state);
      }
      if (count > this.argOff.length) this.growArgs(count);
    }

    const argOff = this.argOff;
    const argLen = this.argLen;
    for (let i = 0; i < count; i++) {
      // "$<length>\r\n"; reads of up to 3 bytes behind `p` stay within `end`.
      if (p + ARG_BYTES_MIN > end || input[p] !== DOLLAR) return this.begin(input, pos, end, state);
      let length = input[p + 1] - DIGIT_0;
      c = input[p + 2];
      if (c === CR) {
        if (length < 0 || length > 9) return this.begin(input, pos, end, state);
        p += 4;
      } else {
        if (length < 1 || length > 9) return this.begin(input, pos, end, state);
        p += 3;
        do {
          c -= DIGIT_0;
          if (c < 0 || c > 9 || p >= end || length > 99_999_999) return this.begin(input, pos, end, state);
          length = length * 10 + c;
          c = input[p++];
        } while (c !== CR);
        p++;
        if (length > UNAUTHENTICATED_BULK_BYTES_MAX) {
          if (state.authRequired || (length > this.maxBulkLength && !state.fromMaster)) {
            return this.begin(input, pos, end, state);
          }
        }
      }
      argOff[i] = p;
      argLen[i] = length;
      p += length + 2;
      if (p > end) return this.begin(input, pos, end, state);
    }
    this.input = input;
    this.argc = count;
    this.start = pos;
    this.pos = p;
    return ParseStatus.Complete;
  }

  /** Lets go of memory that an unusually large command took. For the owner's timer. */
  trim(): void {
    if (this.argOff.length > ARGS_KEPT) {
      this.argOff = new Int32Array(ARGS_INITIAL);
      this.argLen = new Int32Array(ARGS_INITIAL);
      this.argc = 0;
    }
    if (this.side.length > this.maxInlineSize) this.side = Buffer.alloc(0);
    this.input = this.side;
  }

  /** Makes room for `count` arguments, keeping those there are. */
  growArgs(count: number): void {
    let capacity = this.argOff.length;
    while (capacity < count) capacity *= 2;
    const off = new Int32Array(capacity);
    const len = new Int32Array(capacity);
    off.set(this.argOff);
    len.set(this.argLen);
    this.argOff = off;
    this.argLen = len;
  }

  /** The resumable path from a command's first byte. */
  private begin(input: Buffer, start: number, end: number, state: ParseState): number {
    if (start >= end) return ParseStatus.Incomplete;
    state.reset();
    state.kind = input[start] === STAR ? Kind.Multibulk : Kind.Inline;
    return this.resume(input, start, end, state);
  }

  private resume(input: Buffer, start: number, end: number, state: ParseState): number {
    return state.kind === Kind.Inline
      ? this.resumeInline(input, start, end, state)
      : this.resumeMultibulk(input, start, end, state);
  }

  private resumeInline(input: Buffer, start: number, end: number, state: ParseState): number {
    let lineEnd = this.findLineEnd(input, start + state.scanned, end, LF);
    if (lineEnd < 0) {
      if (end - start > this.maxInlineSize) return this.fail(state, ProtocolErrorText.tooBigInline);
      state.scanned = this.stop - start;
      return ParseStatus.Incomplete;
    }
    const next = lineEnd + 1;
    if (lineEnd > start && input[lineEnd - 1] === CR) lineEnd--;
    if (this.side.length < lineEnd - start)
      this.side = Buffer.allocUnsafeSlow(Math.max(1024, lineEnd - start));
    if (!splitInline(this, input, start, lineEnd, this.side)) {
      return this.fail(state, ProtocolErrorText.unbalancedQuotes);
    }
    state.reset();
    this.start = -1;
    this.pos = next;
    return this.argc === 0 ? ParseStatus.Empty : ParseStatus.Complete;
  }

  private resumeMultibulk(input: Buffer, start: number, end: number, state: ParseState): number {
    if (state.remaining === 0) {
      const status = this.readCount(input, start, end, state);
      if (status !== ParseStatus.Complete) return status;
    }
    while (state.remaining > 0) {
      if (state.bulkLength < 0) {
        const status = this.readBulkHeader(input, start, end, state);
        if (status !== ParseStatus.Complete) return status;
      }
      const next = state.offset + state.bulkLength + 2;
      if (next > end - start) {
        state.need = next;
        return ParseStatus.Incomplete;
      }
      this.keepArgument(state);
      state.offset = next;
      state.scanned = next;
      state.bulkLength = -1;
      state.need = 0;
      state.remaining--;
    }
    this.takeArguments(input, start, state);
    return ParseStatus.Complete;
  }

  /** Reads "*<count>\r\n". Complete here means that arguments follow. */
  private readCount(input: Buffer, start: number, end: number, state: ParseState): number {
    const cr = this.findLineEnd(input, start + state.scanned, end, CR);
    if (cr < 0) {
      if (end - start > this.maxInlineSize) return this.fail(state, ProtocolErrorText.tooBigMultibulkCount);
      state.scanned = this.stop - start;
      return ParseStatus.Incomplete;
    }
    state.scanned = cr - start;
    if (cr + 2 > end) return ParseStatus.Incomplete;
    const count = headerInteger(input, start + 1, cr);
    // NaN fails every comparison: not a number.
    if (!(count <= this.maxMultibulk)) return this.fail(state, ProtocolErrorText.invalidMultibulkLength);
    if (count > UNAUTHENTICATED_ARGS_MAX && state.authRequired) {
      return this.fail(state, ProtocolErrorText.unauthenticatedMultibulk);
    }
    if (count <= 0) {
      state.reset();
      this.argc = 0;
      this.pos = cr + 2;
      return ParseStatus.Empty;
    }
    state.remaining = count;
    state.offset = cr + 2 - start;
    state.scanned = state.offset;
    return ParseStatus.Complete;
  }

  /** Reads "$<length>\r\n". Complete here means that the argument's bytes follow. */
  private readBulkHeader(input: Buffer, start: number, end: number, state: ParseState): number {
    const line = start + state.offset;
    const cr = this.findLineEnd(input, start + state.scanned, end, CR);
    if (cr < 0) {
      if (end - line > this.maxInlineSize) return this.fail(state, ProtocolErrorText.tooBigBulkCount);
      state.scanned = this.stop - start;
      return ParseStatus.Incomplete;
    }
    state.scanned = cr - start;
    if (cr + 2 > end) return ParseStatus.Incomplete;
    if (input[line] !== DOLLAR) return this.fail(state, expectedDollar(input[line]));
    const length = headerInteger(input, line + 1, cr);
    const max = state.fromMaster ? COMMAND_BYTES_MAX : this.maxBulkLength;
    if (!(length >= 0 && length <= max)) return this.fail(state, ProtocolErrorText.invalidBulkLength);
    if (length > UNAUTHENTICATED_BULK_BYTES_MAX && state.authRequired) {
      return this.fail(state, ProtocolErrorText.unauthenticatedBulk);
    }
    // Ours alone: offsets have 32 bits.
    if (cr + 4 - start + length > COMMAND_BYTES_MAX) {
      return this.fail(state, ProtocolErrorText.invalidBulkLength);
    }
    state.offset = cr + 2 - start;
    state.bulkLength = length;
    return ParseStatus.Complete;
  }

  private keepArgument(state: ParseState): void {
    const at = state.argc * 2;
    if (at + 2 > state.args.length) {
      const larger = new Int32Array(Math.max(16, state.args.length * 2));
      larger.set(state.args);
      state.args = larger;
    }
    state.args[at] = state.offset;
    state.args[at + 1] = state.bulkLength;
    state.argc++;
  }

  /** Makes the state's arguments the parser's, with offsets into `input`. */
  private takeArguments(input: Buffer, start: number, state: ParseState): void {
    const argc = state.argc;
    if (argc > this.argOff.length) this.growArgs(argc);
    const args = state.args;
    for (let i = 0; i < argc; i++) {
      this.argOff[i] = start + args[i * 2];
      this.argLen[i] = args[i * 2 + 1];
    }
    this.input = input;
    this.argc = argc;
    this.start = start;
    this.pos = start + state.offset;
    state.reset();
  }

  /**
   * Looks for the byte `wanted`, as strchr does: a NUL ends the search for good.
   * @returns its position, or -1 with `stop` set to where the next search goes on
   */
  private findLineEnd(input: Buffer, from: number, end: number, wanted: number): number {
    for (let p = from; p < end; p++) {
      const c = input[p];
      if (c === wanted) return p;
      if (c === 0) {
        this.stop = p;
        return -1;
      }
    }
    this.stop = end;
    return -1;
  }

  private fail(state: ParseState, text: string): number {
    state.reset();
    this.argc = 0;
    this.error = text;
    return ParseStatus.Error;
  }
}

/** Redis sends the byte as it is, but line ends as spaces, since they would end the reply. */
function expectedDollar(got: number): string {
  const shown = got === CR || got === LF ? ' ' : String.fromCharCode(got);
  return "Protocol error: expected '$', got '" + shown + "'";
}

/**
 * The integer of a header, by the rules of string2ll.
 * @returns NaN when it is none, an infinity when it is an int64 beyond 2^53 and so beyond every limit
 */
function headerInteger(input: Buffer, from: number, to: number): number {
  const value = parseInteger(input, from, to - from);
  if (!Number.isNaN(value) || !isCanonicalInt64(input, from, to - from)) return value;
  return input[from] === MINUS ? -Infinity : Infinity;
}
