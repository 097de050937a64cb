/**
 * The requests of one connection, out of the chunks that its socket gives.
 *
 *     reader.feed(chunk);
 *     for (;;) {
 *       const status = reader.next(parser);
 *       if (status === ParseStatus.Complete) execute(parser);        // arguments are valid until the next call
 *       else if (status !== ParseStatus.Empty) break;                 // Incomplete, Error
 *     }
 *
 * Commands are parsed where they lie in the chunk, without copying. Only a command cut by the chunk's end is copied,
 * into `pending`; of the next chunk only the part that completes it follows there, in pieces that double, and then
 * parsing goes on in the chunk:
 *
 *     chunk 1  │ cmd │ cmd │ cm        chunk 2  d │ cmd │ cmd │
 *                            └──▶ pending  cmd ◀──┘
 *
 * The owner may stop taking commands at any time (a blocking command, work given away) and feed on: what is read
 * meanwhile waits in `backlog`.
 */

import { QUERY_BYTES_MAX, QueryBuffer } from './query-buffer.ts';
import { ParseState, ParseStatus, type RequestParser } from './request-parser.ts';

/** First guess at what is missing of a cut command, in bytes. */
const PIECE_BYTES = 256;

const NO_BYTES = Buffer.alloc(0);

export class RequestReader {
  readonly state: ParseState;
  /** The chunk being parsed, and what is left of it. */
  private chunk: Buffer;
  /** What was fed last and not copied: parsed where the caller has it. */
  private fed: Buffer;
  private pos: number;
  private end: number;
  private piece: number;
  /** The command that was cut. */
  private readonly pending: QueryBuffer;
  /** What was fed while the chunk was not used up; most connections never have one. */
  private backlog: QueryBuffer | null;
  /** Where the command taken last lies: for `rewind`. */
  private last: Buffer;
  private lastStart: number;
  private lastEnd: number;
  /** client-query-buffer-limit, bytes. */
  limit: number;

  constructor() {
    this.state = new ParseState();
    this.chunk = NO_BYTES;
    this.fed = NO_BYTES;
    this.pos = 0;
    this.end = 0;
    this.piece = PIECE_BYTES;
    this.pending = new QueryBuffer();
    this.backlog = null;
    this.last = NO_BYTES;
    this.lastStart = 0;
    this.lastEnd = 0;
    this.limit = 1024 * 1024 * 1024;
  }

  /** Bytes read that no command was made of yet ("qbuf" of CLIENT LIST). */
  get size(): number {
    return this.end - this.pos + this.pending.size + (this.backlog === null ? 0 : this.backlog.size);
  }

  /** Bytes of memory taken by waiting input. */
  get memory(): number {
    const backlog = this.backlog === null ? 0 : this.backlog.memory;
    // What was fed may be a small part of a buffer that is nobody's in particular.
    const chunk = this.chunk === this.fed ? this.end : this.chunk.length;
    return chunk + this.pending.memory + backlog + this.state.memory;
  }

  /**
   * Adds what was read: [0, length) of `chunk`. Nobody may write to the chunk any more, unless `releaseChunk` was called.
   * @returns false when more would wait than may (`limit`): nothing was added, and the connection must be closed
   */
  feed(chunk: Buffer, length = chunk.length): boolean {
    const limit = this.state.fromMaster ? QUERY_BYTES_MAX : Math.min(this.limit, QUERY_BYTES_MAX);
    if (this.size + length > limit) return false;
    if (this.pos === this.end && this.backlog === null) {
      this.setChunk(chunk, length);
      this.fed = chunk;
      return true;
    }
    if (this.backlog === null) this.backlog = new QueryBuffer();
    this.backlog.append(chunk, 0, length, 0);
    return true;
  }

  /**
   * Takes the next command into the parser.
   * @returns Complete or Empty: call again; Incomplete: feed first; Error: the connection must be closed
   */
  next(parser: RequestParser): number {
    if (this.pos === this.end && !this.takeBacklog()) {
      this.setChunk(NO_BYTES, 0);
      return ParseStatus.Incomplete;
    }
    if (this.pending.size > 0) return this.complete(parser);
    const status: number = parser.parse(this.chunk, this.pos, this.end, this.state);
    if (status > ParseStatus.Incomplete) {
      this.last = this.chunk;
      this.lastStart = this.pos;
      this.pos = parser.pos;
      return status;
    }
    if (status !== ParseStatus.Incomplete) return status;
    this.pending.append(this.chunk, this.pos, this.end, this.state.need);
    this.setChunk(NO_BYTES, 0);
    // What waits behind may complete it.
    return this.backlog === null ? status : this.next(parser);
  }

  /** Whether the next command begins in `rest`, with no part of it elsewhere. */
  get atCommand(): boolean {
    return this.pending.size === 0 && this.pos < this.end;
  }

  /** Counts the next command as taken: somebody has parsed it in `rest`, up to `end`. Only where atCommand. */
  take(end: number): void {
    this.last = this.chunk;
    this.lastStart = this.pos;
    this.pos = end;
  }

  /** Takes the command that `next` gave last back: it is the next one again. */
  rewind(): void {
    if (this.last === this.chunk) {
      this.pos = this.lastStart;
      return;
    }
    const command = this.last.subarray(this.lastStart, this.lastEnd);
    const whole = Buffer.concat([command, this.chunk.subarray(this.pos, this.end)]);
    this.setChunk(whole, whole.length);
  }

  /** Whether a whole command may be waiting: something was fed that `next` has not looked at. */
  get hasInput(): boolean {
    return this.pos < this.end || this.backlog !== null;
  }

  /** The bytes that come next, without copying: [restStart, restEnd) of `rest`. Not those of a command that was cut. */
  get rest(): Buffer {
    return this.chunk;
  }
  get restStart(): number {
    return this.pos;
  }
  get restEnd(): number {
    return this.end;
  }

  /** Drops bytes of `rest` that somebody else has run. */
  skip(count: number): void {
    this.pos += count;
  }

  /** The memory of the chunk that was fed last is about to be used again: what is still needed of it is copied. */
  releaseChunk(): void {
    const chunk = this.chunk;
    if (chunk === NO_BYTES || chunk !== this.fed) return;
    // `rewind` may want the last command again.
    const from = this.last === chunk ? this.lastStart : this.pos;
    const kept = from === this.end ? NO_BYTES : Buffer.from(chunk.subarray(from, this.end));
    if (this.last === chunk) {
      this.last = kept;
      this.lastEnd -= from;
      this.lastStart = 0;
    }
    this.chunk = kept;
    this.fed = NO_BYTES;
    this.pos -= from;
    this.end -= from;
  }

  /** Forgets all input. */
  clear(): void {
    this.setChunk(NO_BYTES, 0);
    this.pending.release();
    this.backlog = null;
    this.state.reset();
  }

  /** Completes the command in `pending` from the chunk. */
  private complete(parser: RequestParser): number {
    const { pending, state } = this;
    do {
      const missing = Math.max(state.need - pending.size, this.piece);
      const to = Math.min(this.end, this.pos + missing);
      pending.append(this.chunk, this.pos, to, state.need);
      this.pos = to;
      this.piece *= 2;
      if (pending.size < state.need) continue;
      pending.gather();
      const status: number = parser.parse(pending.bytes, 0, pending.end, state);
      if (status === ParseStatus.Incomplete) continue;
      if (status > ParseStatus.Incomplete) {
        // The command ends in the last piece: what was taken too much is still in the chunk.
        this.pos -= pending.end - parser.pos;
        this.last = pending.bytes;
        this.lastStart = 0;
        this.lastEnd = parser.pos;
        pending.release();
      }
      return status;
    } while (this.pos < this.end || this.takeBacklog());
    this.setChunk(NO_BYTES, 0);
    return ParseStatus.Incomplete;
  }

  /** @returns whether there was any */
  private takeBacklog(): boolean {
    const backlog = this.backlog;
    if (backlog === null) return false;
    backlog.gather();
    this.setChunk(backlog.bytes, backlog.end);
    this.backlog = null;
    return true;
  }

  private setChunk(chunk: Buffer, end: number): void {
    this.chunk = chunk;
    this.pos = 0;
    this.end = end;
    if (end === 0) this.last = NO_BYTES;
    this.piece = PIECE_BYTES;
  }
}
