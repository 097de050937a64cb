// Counting in the fields of a hash: HINCRBY, HINCRBYFLOAT. Semantics are those of Redis 7.4's t_hash.c: an expiry of the
// field stays.
//
// Up to 2^53 numbers are used and nothing is allocated; BigInt does the rest of int64.

import { NotifyFlag } from '../config/multi-values.ts';
import { addLongDouble, type LongDouble, parseLongDouble } from '../protocol/long-double.ts';
import { formatInteger, INTEGER_TEXT_BYTES_MAX, parseInteger, parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { createHash, finish, growthWork, hashView, isGone, meetField, writeHash } from './hash-tools.ts';
import { handOverLong } from './string-values.ts';

const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);
const ZERO: LongDouble = { negative: false, mantissa: 0n, exponent: 0, infinite: false };
const digits = Buffer.alloc(INTEGER_TEXT_BYTES_MAX);

/** What finding the field came to. */
const Found = { Stop: -1, NoHash: 0, NoField: 1, Field: 2 } as const;

export function hincrby(cx: CommandContext): void {
  const by = cx.argInteger(3);
  if (Number.isNaN(by) && parseInteger64(cx.input, cx.argOff[3]!, cx.argLen[3]!) === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const found = findField(cx);
  if (found === Found.Stop) return;
  const view = hashView(cx);
  const value = found === Found.Field ? parseInteger(view.buf, view.off, view.len) : 0;
  const sum = value + by;
  // NaN, too, goes the long way.
  if (!Number.isSafeInteger(sum)) {
    hincrbyLarge(cx, found);
    return;
  }
  const len = formatInteger(sum, digits, 0);
  store(cx, found, digits, len);
  cx.reply.integer(sum);
}

/** HINCRBY where a number is not enough, or the value is none. */
function hincrbyLarge(cx: CommandContext, found: number): void {
  const view = hashView(cx);
  const by = parseInteger64(cx.input, cx.argOff[3]!, cx.argLen[3]!)!;
  const value = found === Found.Field ? parseInteger64(view.buf, view.off, view.len) : 0n;
  if (value === null) {
    cx.error('ERR hash value is not an integer');
    return;
  }
  const sum = value + by;
  if (sum > INT64_MAX || sum < INT64_MIN) {
    cx.error(ErrorText.Overflow);
    return;
  }
  const len = digits.write(sum.toString(), 'latin1');
  store(cx, found, digits, len);
  cx.reply.bigInteger(sum);
}

export function hincrbyfloat(cx: CommandContext): void {
  const by = parseLongDouble(cx.input, cx.argOff[3]!, cx.argLen[3]!);
  if (by === null) {
    cx.error(ErrorText.NotFloat);
    return;
  }
  if (by.infinite) {
    cx.error('ERR value is NaN or Infinity');
    return;
  }
  const found = findField(cx);
  if (found === Found.Stop) return;
  const view = hashView(cx);
  const value = found === Found.Field ? parseLongDouble(view.buf, view.off, view.len) : ZERO;
  if (value === null) {
    cx.error('ERR hash value is not a float');
    return;
  }
  const sum = addLongDouble(value, by);
  if (sum === null) {
    cx.error(ErrorText.NanOrInfinity);
    return;
  }
  const text = Buffer.from(sum, 'latin1');
  const expireAt = found === Found.Field ? view.expireAt : -1;
  store(cx, found, text, text.length);
  if (cx.effects.wanted) tellValue(cx, text, expireAt);
  cx.reply.bulkBytes(text, 0, text.length);
}

/** Tells the result: other libraries might round otherwise. HSET takes the field's expiry away, so that is told, too. */
function tellValue(cx: CommandContext, text: Buffer, expireAt: number): void {
  const { effects } = cx;
  effects.begin(4);
  effects.text('HSET');
  effects.arg(1);
  effects.arg(2);
  effects.bytes(text, 0, text.length);
  if (expireAt < 0) return;
  effects.begin(6);
  effects.text('HPEXPIREAT');
  effects.arg(1);
  effects.integer(expireAt);
  effects.text('FIELDS');
  effects.integer(1);
  effects.arg(2);
}

/** Looks for field 2 of key 1. @returns one of Found */
function findField(cx: CommandContext): number {
  const found = writeHash(cx, 1);
  if (found < 0) return Found.Stop;
  if (found === 0) return Found.NoHash;
  const view = hashView(cx);
  if (handOverLong(cx, growthWork(cx, 1), 0, 0)) return Found.Stop;
  if (meetField(cx, 1, 2)) return Found.Field;
  return isGone(view) ? Found.NoHash : Found.NoField;
}

/** Gives field 2 of key 1 a value. */
function store(cx: CommandContext, found: number, text: Buffer, len: number): void {
  const view = found === Found.NoHash ? createHash(cx, 1, cx.argc) : hashView(cx);
  try {
    view.set(cx.input, cx.argOff[2]!, cx.argLen[2]!, text, 0, len, true);
  } finally {
    finish(cx, view);
  }
  cx.keyChanged(1);
  // HINCRBY and HINCRBYFLOAT.
  cx.notify(NotifyFlag.Hash, cx.command.name, 1);
}
