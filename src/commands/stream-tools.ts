// What the commands on streams share: the thread's flyweights, IDs and numbers as arguments, replies of IDs and entries,
// and reply headers whose number is known only behind the elements.

import type { Keyspace } from '../keyspace/keyspace.ts';
import { type RecordView, rootBytes, Type } from '../keyspace/record.ts';
import { isCanonicalInt64, parseInteger64 } from '../protocol/numbers.ts';
import { Int64, wordsAreSafe, wordsToNumber } from '../structures/int64.ts';
import { STREAM_ROOT_WORDS, type Stream } from '../structures/stream.ts';
import type { BlockCursor } from '../structures/stream-block.ts';
import { StreamCursor } from '../structures/stream-cursor.ts';
import { StreamConsumer } from '../structures/stream-group.ts';
import {
  decrementId,
  formatUnsigned,
  ID_TEXT_BYTES_MAX,
  ID_WORDS,
  IdForm,
  incrementId,
  Parsed,
  parseId,
} from '../structures/stream-id.ts';
import { TrimSpec } from '../structures/stream-trim.ts';
import { Encoding } from '../structures/types.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

/** Work for an entry written to a reply, in bytes touched, about. */
export const ENTRY_WORK = 256;
/** Work for finding an entry: a search in the tree and a walk through a block. */
export const FIND_WORK = 4096;
/** Work for freeing a block of entries. */
export const BLOCK_WORK = 512;
/** Work for a pending entry found, added or taken away. */
export const PENDING_WORK = 512;
const DASH = 0x2d;
/** Entries between two calls of cx.breathe(). */
const BREATH_ENTRIES = 1024;

export const StreamError = {
  InvalidId: 'ERR Invalid stream ID specified as stream command argument',
  InvalidStart: 'ERR invalid start ID for the interval',
  InvalidEnd: 'ERR invalid end ID for the interval',
} as const;

class StreamTools {
  readonly keyspace: Keyspace;
  readonly stream: Stream;
  readonly cursor: StreamCursor;
  readonly consumer: StreamConsumer;
  readonly spec = new TrimSpec();
  readonly id = new Int32Array(ID_WORDS);
  readonly from = new Int32Array(ID_WORDS);
  readonly to = new Int32Array(ID_WORDS);
  readonly number = new Int64();
  readonly text = Buffer.alloc(ID_TEXT_BYTES_MAX);
  /** The ID that `text` begins with the milliseconds of, in so many bytes with the dash: IDs come in runs. */
  msHigh = -1;
  msLow = -1;
  msBytes = 0;
  /** stream-node-max-bytes and stream-node-max-entries. */
  blockBytes = 0;
  blockEntries = 0;

  /** Writes an ID into `text`. @returns the number of bytes */
  formatId(id: Int32Array, i: number): number {
    const { text } = this;
    if (id[i] !== this.msHigh || id[i + 1] !== this.msLow || this.msBytes === 0) {
      this.msHigh = id[i]!;
      this.msLow = id[i + 1]!;
      const bytes = formatUnsigned(this.msLow, this.msHigh, text, 0);
      text[bytes] = DASH;
      this.msBytes = bytes + 1;
    }
    return this.msBytes + formatUnsigned(id[i + 3]!, id[i + 2]!, text, this.msBytes);
  }

  constructor(cx: CommandContext) {
    const { keyspace } = cx;
    const { config } = cx.server;
    this.keyspace = keyspace;
    this.stream = keyspace.structures.stream;
    this.cursor = new StreamCursor(keyspace.memory);
    this.consumer = new StreamConsumer(keyspace.memory);
    const follow = (): void => {
      this.blockBytes = config.getMemory('stream-node-max-bytes');
      this.blockEntries = config.getInt('stream-node-max-entries');
    };
    follow();
    config.watch('stream-node-max-bytes', follow);
    config.watch('stream-node-max-entries', follow);
  }
}

export type { StreamTools };

const toolsOf = new WeakMap<Keyspace, StreamTools>();
let last: StreamTools | null = null;

/** The tools of the thread that the context belongs to. */
export function streamTools(cx: CommandContext): StreamTools {
  if (last !== null && last.keyspace === cx.keyspace) return last;
  let tools = toolsOf.get(cx.keyspace);
  if (tools === undefined) {
    tools = new StreamTools(cx);
    toolsOf.set(cx.keyspace, tools);
  }
  last = tools;
  return tools;
}

/** Unix time in ms that deliveries are noted with, also while a log is replayed. */
export function noteTime(cx: CommandContext): number {
  return cx.present;
}

// ---- keys ----

/** Opens the thread's stream at a record. */
export function openStream(cx: CommandContext, rec: RecordView): Stream {
  const { stream } = streamTools(cx);
  stream.open(cx.shardOf(rec).arena, rec.words, rec.rootWord);
  return stream;
}

/**
 * Looks up a stream for reading and opens it.
 * @returns 1 found, 0 not there, -1 replied with an error
 */
export function readStream(cx: CommandContext, arg: number): number {
  const found = cx.readTyped(arg, Type.Stream);
  if (found === 1) openStream(cx, cx.rec);
  return found;
}

/** As readStream, for a writing command. */
export function writeStream(cx: CommandContext, arg: number): number {
  const found = cx.writeTyped(arg, Type.Stream);
  if (found === 1) openStream(cx, cx.rec);
  return found;
}

/** Makes an empty stream for a key that is not there, and opens it. */
export function createStream(cx: CommandContext, arg: number): Stream {
  cx.createRecord(arg, Type.Stream, Encoding.Stream, rootBytes(STREAM_ROOT_WORDS), -1, 0);
  const stream = openStream(cx, cx.rec);
  stream.clear();
  return stream;
}

/** For estimates: opens the stream of a key without touching it. @returns false if there is none */
export function peekStream(cx: CommandContext, arg: number): boolean {
  const rec = cx.rec3;
  const found = cx
    .shard(arg)
    .find(rec, cx.db, cx.slots[arg]!, cx.hashes[arg]!, cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
  if (!found || rec.type !== Type.Stream) return false;
  openStream(cx, rec);
  return true;
}

// ---- arguments ----

/** Reads an ID. @param form an IdForm @returns false after the error */
export function idArgument(
  cx: CommandContext,
  arg: number,
  form: number,
  missing: 0 | -1,
  id: Int32Array,
  i: number,
): boolean {
  if (parseIdArgument(cx, arg, form, missing, id, i) !== Parsed.Invalid) return true;
  cx.error(StreamError.InvalidId);
  return false;
}

/** Reads an ID without replying. @returns a Parsed */
export function parseIdArgument(
  cx: CommandContext,
  arg: number,
  form: number,
  missing: 0 | -1,
  id: Int32Array,
  i: number,
): number {
  return parseId(cx.input, cx.argOff[arg]!, cx.argLen[arg]!, missing, form, id, i);
}

/** Reads one end of an interval, which may be exclusive, `(ID`. The ID is then the nearest one included. */
function boundArgument(cx: CommandContext, arg: number, end: boolean, id: Int32Array): boolean {
  const off = cx.argOff[arg]!;
  const len = cx.argLen[arg]!;
  const missing = end ? -1 : 0;
  if (len < 2 || cx.input[off] !== 0x28) return idArgument(cx, arg, IdForm.Range, missing, id, 0);
  if (parseId(cx.input, off + 1, len - 1, missing, IdForm.Strict, id, 0) === Parsed.Invalid) {
    cx.error(StreamError.InvalidId);
    return false;
  }
  if (end ? decrementId(id, 0) : incrementId(id, 0)) return true;
  cx.error(end ? StreamError.InvalidEnd : StreamError.InvalidStart);
  return false;
}

export function startArgument(cx: CommandContext, arg: number, id: Int32Array): boolean {
  return boundArgument(cx, arg, false, id);
}

export function endArgument(cx: CommandContext, arg: number, id: Int32Array): boolean {
  return boundArgument(cx, arg, true, id);
}

/** Reads an integer of 64 bits. @returns it, rounded beyond 2^53; NaN after the error */
export function longArgument(cx: CommandContext, arg: number, text: string = ErrorText.NotInteger): number {
  const value = longOf(cx, arg);
  if (Number.isNaN(value)) cx.error(text);
  return value;
}

/** As longArgument, without an error. */
export function longOf(cx: CommandContext, arg: number): number {
  const value = cx.argInteger(arg);
  if (!Number.isNaN(value)) return value;
  const off = cx.argOff[arg]!;
  const len = cx.argLen[arg]!;
  return isCanonicalInt64(cx.input, off, len) ? Number(parseInteger64(cx.input, off, len)) : Number.NaN;
}

// ---- replies ----

export function replyId(cx: CommandContext, id: Int32Array, i: number): void {
  const tools = streamTools(cx);
  cx.reply.bulkBytes(tools.text, 0, tools.formatId(id, i));
}

/** Replies with an integer of two words. */
export function replyWords(cx: CommandContext, low: number, high: number): void {
  if (wordsAreSafe(low, high)) cx.reply.integer(wordsToNumber(low, high));
  else cx.reply.bigInteger((BigInt(high) << 32n) | BigInt(low >>> 0));
}

/** Replies with the entry at a cursor: its ID, and its fields and values in turn. */
export function replyEntry(cx: CommandContext, entry: BlockCursor): void {
  const { reply } = cx;
  reply.arrayHeader(2);
  replyId(cx, entry.id, 0);
  const { fields } = entry;
  reply.arrayHeader(fields * 2);
  if (fields === 0) return;
  entry.beginPairs();
  for (let left = fields; ; ) {
    const field = entry.field();
    reply.bulkBytes(field.buf, field.off, field.len);
    const value = entry.value();
    reply.bulkBytes(value.buf, value.off, value.len);
    if (--left === 0) return;
    entry.nextPair();
  }
}

/**
 * Replies with an array of the entries that the thread's cursor has yet to go through.
 * @param count at most so many, 0 for all @param expected how many these will be, about
 */
export function replyEntries(cx: CommandContext, count: number, expected: number): void {
  const { cursor } = streamTools(cx);
  const mark = beginHeader(cx, expected);
  let entries = 0;
  while (cursor.next()) {
    replyEntry(cx, cursor.block);
    entries++;
    if (entries === count) break;
    if (entries % BREATH_ENTRIES === 0) cx.breathe();
  }
  endHeader(cx, mark, expected, `*${entries}\r\n`);
}

/** Leaves room for a header of a number that is yet unknown. @param expected the likely number @returns for endHeader() */
export function beginHeader(cx: CommandContext, expected: number): number {
  const { reply } = cx;
  const mark = reply.length;
  const room = headerBytes(expected);
  reply.reserve(room);
  reply.length += room;
  return mark;
}

/** Writes the header into the room, or more or less than that. @param expected as for beginHeader() */
export function endHeader(cx: CommandContext, mark: number, expected: number, header: string): void {
  const { reply } = cx;
  const room = headerBytes(expected);
  const difference = header.length - room;
  if (difference !== 0) {
    if (difference > 0) reply.reserve(difference);
    reply.bytes.copyWithin(mark + header.length, mark + room, reply.length);
    reply.length += difference;
  }
  reply.bytes.write(header, mark, 'latin1');
}

/** Bytes of an array's header. */
function headerBytes(count: number): number {
  let bytes = 4;
  for (let limit = 10; limit <= count; limit *= 10) bytes++;
  return bytes;
}

// ---- work ----

/** Work for reading entries of the open stream from one ID to another. @param count at most so many, 0 for all */
export function rangeWork(
  stream: Stream,
  from: Int32Array,
  i: number,
  to: Int32Array,
  j: number,
  count: number,
): number {
  const { blocks } = stream;
  if (blocks.size === 0) return 0;
  const first = blocks.seekIdBack(from, i) ? blocks.rank() : 0;
  if (!blocks.seekIdBack(to, j)) return 0;
  const between = blocks.rank() - first + 1;
  if (between <= 0) return 0;
  const perBlock = stream.length / blocks.size;
  const entries = Math.min(between * perBlock, count === 0 ? Number.POSITIVE_INFINITY : count);
  return entries * (ENTRY_WORK + (stream.entryBytes * 2) / Math.max(1, stream.length));
}
