// What the commands on strings and bitmaps share: ranges, growth with spare room, size limits, and handing long work
// over.
//
// How long a command on a string takes is known once its record is found. So these commands have no estimate that
// would look the key up twice: the handler itself hands over, before it has changed anything, when it is about to
// touch more than IN_PLACE_WORK_MAX and runs on a thread that must not (see handOverLong).

import { Encoding, KEY_BYTES_MAX, type RecordView } from '../keyspace/record.ts';
import { BLOCK_BYTES_MAX } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { ShardCounter } from '../memory/layout.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { IN_PLACE_WORK_MAX } from './table.ts';

/** proto-max-bulk-len is never below this, so shorter values need no look at the configuration. */
const BULK_LIMIT_MIN = 1024 * 1024;
/** Room of the longest header behind the value's limit. */
const HEADER_ROOM = 64;
/** Values grow to twice their length up to this, as Redis's sds; beyond it by an eighth, at least by this. */
const DOUBLING_MAX = 1024 * 1024;

/**
 * To be asked once the work is known and nothing is changed yet.
 * @param bytes that the command is going to touch
 * @param first argument index of the first key that was looked up for reading; 0 if none was
 * @param last argument index of the last such key
 * @returns true if the handler must return now
 */
export function handOverLong(cx: CommandContext, bytes: number, first: number, last: number): boolean {
  if (bytes <= IN_PLACE_WORK_MAX) return false;
  if (cx.mayBlock) {
    cx.expectLong();
    return false;
  }
  handOverReads(cx, first, last);
  return true;
}

/** Hands over after look-ups for reading, and takes back the hits and misses they counted. */
function handOverReads(cx: CommandContext, first: number, last: number): void {
  if (first > 0) {
    for (let arg = first; arg <= last; arg++) {
      const shard = cx.shard(arg);
      const found = shard.find(
        cx.rec3, cx.db, cx.slots[arg]!, cx.hashes[arg]!, cx.input, cx.argOff[arg]!, cx.argLen[arg]!,
      ); // biome-ignore format: many short arguments
      shard.count(found ? ShardCounter.Hits : ShardCounter.Misses, -1);
    }
  }
  cx.handOver();
}

/** Longest value that the configuration and the arena allow, in bytes. */
export function stringBytesMax(cx: CommandContext): number {
  return Math.min(cx.server.config.getMemory('proto-max-bulk-len'), BLOCK_BYTES_MAX - HEADER_ROOM);
}

/**
 * Replies with an error if a value of this length would be too long.
 * @param length in bytes; may be anything up to 2^64
 * @returns false after the error
 */
export function checkStringLength(cx: CommandContext, arg: number, length: number): boolean {
  if (length <= BULK_LIMIT_MIN) return true;
  // Keys of many MiB take room in the same block.
  const keyLen = Math.min(cx.argLen[arg]!, KEY_BYTES_MAX);
  if (length <= stringBytesMax(cx) && length + keyLen <= BLOCK_BYTES_MAX - HEADER_ROOM) return true;
  cx.error(ErrorText.StringTooLong);
  return false;
}

/**
 * What it costs to make the value of `rec` this long, in bytes touched: the new bytes, and all if it has to move.
 */
export function growthCost(cx: CommandContext, rec: RecordView, length: number): number {
  const grown = length - rec.valueLength;
  if (grown <= 0) return 0;
  const fits = rec.totalBytes + grown <= cx.shardOf(rec).arena.capacity(rec.ref);
  return fits ? grown : length;
}

/**
 * Makes the value of `rec` at least `length` bytes, with zeros at its end and room for more behind it if it has to
 * move, so that many small steps cost linear time. The encoding becomes raw, as of any string that Redis changes.
 */
export function growString(cx: CommandContext, rec: RecordView, length: number): void {
  const shard = cx.shardOf(rec);
  if (length > rec.valueLength) {
    const room = length < DOUBLING_MAX ? length : Math.max(DOUBLING_MAX, length >>> 3);
    const spare = Math.max(0, Math.min(room, BLOCK_BYTES_MAX - rec.totalBytes - length));
    try {
      shard.resize(rec, length, spare);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      shard.resize(rec, length, 0);
    }
  }
  rec.setEncoding(Encoding.Raw);
}

/** A range of positions in a value, inclusive at both ends; none if start > end. Filled by the functions below. */
export class Range {
  start = 0;
  end = 0;
  #reversed = false;

  /**
   * Takes start and end as the client gave them, negative ones counted from the end.
   * @returns false after replying that one is no integer
   */
  parse(cx: CommandContext, startArg: number, endArg: number): boolean {
    this.start = cx.argInteger(startArg);
    this.end = cx.argInteger(endArg);
    this.#reversed = this.start < 0 && this.end < 0 && this.start > this.end;
    // NaN: no integer, or one beyond 2^53.
    return (!Number.isNaN(this.start) && !Number.isNaN(this.end)) || this.#parse64(cx, startArg, endArg);
  }

  /** Takes all of the value. */
  takeAll(): void {
    this.start = 0;
    this.end = -1;
    this.#reversed = false;
  }

  #parse64(cx: CommandContext, startArg: number, endArg: number): boolean {
    const start = parseInteger64(cx.input, cx.argOff[startArg]!, cx.argLen[startArg]!);
    const end = parseInteger64(cx.input, cx.argOff[endArg]!, cx.argLen[endArg]!);
    if (start === null || end === null) {
      cx.error(ErrorText.NotInteger);
      return false;
    }
    // Clamping loses which of two huge numbers is larger.
    this.#reversed = start < 0n && end < 0n && start > end;
    this.start = clamp(start);
    this.end = clamp(end);
    return true;
  }

  /** Counted from the end, with the end before the start: empty for GETRANGE and BITCOUNT, but not for BITPOS. */
  isReversed(): boolean {
    return this.#reversed;
  }

  /**
   * Turns it into positions of a value of `length` units.
   * @returns false if the range is empty
   */
  resolve(length: number): boolean {
    if (this.start < 0) this.start = Math.max(0, length + this.start);
    if (this.end < 0) this.end = Math.max(0, length + this.end);
    if (this.end >= length) this.end = length - 1;
    return this.start <= this.end;
  }
}

function clamp(n: bigint): number {
  if (n > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (n < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(n);
}
