// The string commands that read or change a part of a value, or count: APPEND, SETRANGE, GETRANGE, SUBSTR, INCR,
// DECR, INCRBY, DECRBY, INCRBYFLOAT.
//
// Numbers are stored as their text. Counting up to 2^53 uses numbers and allocates nothing; BigInt does the rest of
// int64. A value that grows leaves room behind it (growString), one that was edited is raw, one that was counted int.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { copyBytes } from '../keyspace/shard.ts';
import { addLongDouble, type LongDouble, parseLongDouble } from '../protocol/long-double.ts';
import {
  formatInteger,
  formatInteger64,
  INTEGER_TEXT_BYTES_MAX,
  integerTextBytes,
  parseInteger,
  parseInteger64,
} from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { tellValue } from './string-effects.ts';
import { checkStringLength, growString, growthCost, handOverLong, Range } from './string-values.ts';
import { type FamilyHandlers, IN_PLACE_WORK_MAX, Place } from './table.ts';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
/** Longest value of Redis's embstr encoding, in bytes. */
const EMBSTR_MAX = 44;
const ZERO: LongDouble = { negative: false, mantissa: 0n, exponent: 0, infinite: false };

const range = new Range();
const scratch = Buffer.alloc(INTEGER_TEXT_BYTES_MAX);

// ---- parts of values ----

function append(cx: CommandContext): void {
  const found = cx.writeString(1);
  if (found < 0) return;
  const { rec } = cx;
  const off = cx.argOff[2]!;
  const len = cx.argLen[2]!;
  if (found === 0) {
    cx.setString(1, false, cx.input, off, len, cx.stringEncoding(cx.input, off, len), -1);
  } else {
    const oldLen = rec.valueLength;
    if (!checkStringLength(cx, 1, oldLen + len)) return;
    if (oldLen > IN_PLACE_WORK_MAX && handOverLong(cx, growthCost(cx, rec, oldLen + len), 0, 0)) return;
    growString(cx, rec, oldLen + len);
    copyBytes(cx.input, off, rec.bytes, rec.valueOffset + oldLen, len);
  }
  cx.keyChanged(1);
  cx.notify(NotifyFlag.String, 'append', 1);
  cx.reply.integer(rec.valueLength);
}

function setrange(cx: CommandContext): void {
  const at = positionOf(cx, 2);
  if (at < 0) return;
  const found = cx.writeString(1);
  if (found < 0) return;
  const { rec } = cx;
  const off = cx.argOff[3]!;
  const len = cx.argLen[3]!;
  const oldLen = found === 1 ? rec.valueLength : 0;
  if (len === 0) {
    cx.reply.integer(oldLen);
    return;
  }
  const end = at + len;
  if (!checkStringLength(cx, 1, end)) return;
  if (found === 1) {
    if (handOverLong(cx, growthCost(cx, rec, end), 0, 0)) return;
    growString(cx, rec, end);
  } else {
    if (handOverLong(cx, end, 0, 0)) return;
    cx.createRecord(1, Type.String, Encoding.Raw, end, -1, 0);
    rec.bytes.fill(0, rec.valueOffset, rec.valueOffset + at);
  }
  copyBytes(cx.input, off, rec.bytes, rec.valueOffset + at, len);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.String, 'setrange', 1);
  cx.reply.integer(rec.valueLength);
}

/** A position in a value; beyond 2^53 rounded. @returns -1 after replying with an error */
function positionOf(cx: CommandContext, arg: number): number {
  let at = cx.argInteger(arg);
  if (Number.isNaN(at)) {
    const exact = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (exact === null) {
      cx.error(ErrorText.NotInteger);
      return -1;
    }
    at = Number(exact);
  }
  if (at >= 0) return at;
  cx.error('ERR offset is out of range');
  return -1;
}

function getrange(cx: CommandContext): void {
  if (!range.parse(cx, 2, 3)) return;
  const found = cx.readString(1);
  if (found < 0) return;
  const { rec } = cx;
  if (found === 0 || range.isReversed() || !range.resolve(rec.valueLength)) {
    cx.reply.emptyBulk();
    return;
  }
  const len = range.end - range.start + 1;
  if (handOverLong(cx, len, 1, 1)) return;
  cx.reply.bulkBytes(rec.bytes, rec.valueOffset + range.start, len);
}

// ---- numbers ----

function incr(cx: CommandContext): void {
  count(cx, 1);
}

function decr(cx: CommandContext): void {
  count(cx, -1);
}

function incrby(cx: CommandContext): void {
  const by = cx.argInteger(2);
  if (Number.isNaN(by)) countBy64(cx, false);
  else count(cx, by);
}

function decrby(cx: CommandContext): void {
  const by = cx.argInteger(2);
  if (Number.isNaN(by)) countBy64(cx, true);
  else count(cx, -by);
}

/** An amount beyond 2^53, or none at all. */
function countBy64(cx: CommandContext, down: boolean): void {
  const by = parseInteger64(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (by === null) cx.error(ErrorText.NotInteger);
  else if (down && by === INT64_MIN) cx.error('ERR decrement would overflow');
  else count64(cx, down ? -by : by);
}

function count(cx: CommandContext, by: number): void {
  const { rec } = cx;
  const found = cx.writeString(1);
  if (found < 0) return;
  const value = found === 0 ? 0 : parseInteger(rec.bytes, rec.valueOffset, rec.valueLength);
  const sum = value + by;
  // NaN too: no integer, or one beyond 2^53.
  if (!Number.isSafeInteger(sum)) {
    count64Found(cx, found, BigInt(by));
    return;
  }
  store(cx, found, integerTextBytes(sum));
  formatInteger(sum, rec.bytes, rec.valueOffset);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.String, 'incrby', 1);
  cx.reply.integer(sum);
}

function count64(cx: CommandContext, by: bigint): void {
  const found = cx.writeString(1);
  if (found >= 0) count64Found(cx, found, by);
}

function count64Found(cx: CommandContext, found: number, by: bigint): void {
  const { rec } = cx;
  const value = found === 0 ? 0n : parseInteger64(rec.bytes, rec.valueOffset, rec.valueLength);
  if (value === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const sum = value + by;
  if (sum > INT64_MAX || sum < INT64_MIN) {
    cx.error(ErrorText.Overflow);
    return;
  }
  const len = formatInteger64(sum, scratch, 0);
  store(cx, found, len);
  copyBytes(scratch, 0, rec.bytes, rec.valueOffset, len);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.String, 'incrby', 1);
  cx.reply.bigInteger(sum);
}

/** Makes the value of key 1 a number of `len` digits; the caller writes them. An expiry stays. */
function store(cx: CommandContext, found: number, len: number): void {
  const { rec } = cx;
  if (found === 0) {
    cx.createRecord(1, Type.String, Encoding.Int, len, -1, 0);
    return;
  }
  if (rec.valueLength !== len) cx.shardOf(rec).resize(rec, len, 0);
  if (rec.encoding !== Encoding.Int) rec.setEncoding(Encoding.Int);
}

function incrbyfloat(cx: CommandContext): void {
  const { rec } = cx;
  const found = cx.writeString(1);
  if (found < 0) return;
  const value = found === 0 ? ZERO : parseLongDouble(rec.bytes, rec.valueOffset, rec.valueLength);
  const by = value === null ? null : parseLongDouble(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (value === null || by === null) {
    cx.error(ErrorText.NotFloat);
    return;
  }
  const sum = addLongDouble(value, by);
  if (sum === null) {
    cx.error(ErrorText.NanOrInfinity);
    return;
  }
  storeText(cx, found, sum);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.String, 'incrbyfloat', 1);
  // Sums of fractions may differ between hosts.
  if (cx.effects.wanted) tellValue(cx, 1, rec, true);
  cx.reply.bulkBytes(rec.bytes, rec.valueOffset, rec.valueLength);
}

/** Never int, even if it is one: as Redis creates it from the text. */
function storeText(cx: CommandContext, found: number, text: string): void {
  const { rec } = cx;
  const encoding = text.length <= EMBSTR_MAX ? Encoding.Embstr : Encoding.Raw;
  if (found === 0) cx.createRecord(1, Type.String, encoding, text.length, -1, 0);
  else {
    cx.shardOf(rec).resize(rec, text.length, 0);
    rec.setEncoding(encoding);
  }
  rec.bytes.write(text, rec.valueOffset, 'latin1');
}

function estimateAppend(cx: CommandContext): number {
  return cx.argLen[2]!;
}

function estimateSetrange(cx: CommandContext): number {
  return cx.argLen[3]!;
}

export const stringEditCommands: FamilyHandlers = {
  APPEND: { run: append, place: Place.Estimated, estimate: estimateAppend },
  SETRANGE: { run: setrange, place: Place.Estimated, estimate: estimateSetrange },
  GETRANGE: { run: getrange, place: Place.InPlace },
  SUBSTR: { run: getrange, place: Place.InPlace },
  INCR: { run: incr, place: Place.InPlace },
  DECR: { run: decr, place: Place.InPlace },
  INCRBY: { run: incrby, place: Place.InPlace },
  DECRBY: { run: decrby, place: Place.InPlace },
  INCRBYFLOAT: { run: incrbyfloat, place: Place.InPlace },
};
