// Expiry of keys: EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, TTL, PTTL, EXPIRETIME, PEXPIRETIME, PERSIST.
//
// Times are int64 milliseconds in Redis. Here they are numbers while they are exact (until the year 287396), BigInts
// beyond; comparisons between the two are exact.

import { NotifyFlag } from '../config/multi-values.ts';
import type { RecordView } from '../keyspace/record.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, invalidExpire } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';
import { tellDeleted } from './string-effects.ts';
import { type FamilyHandlers, Place } from './table.ts';

const Condition = { NX: 1, XX: 2, GT: 4, LT: 8 } as const;

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;
/** Below this, milliseconds of a number of seconds, or a time plus another, stay exact as numbers. */
const SAFE_MS = 8_000_000_000_000_000;

/** NaN: an error was replied. */
const INVALID = NaN;

export const expireCommands: FamilyHandlers = {
  EXPIRE: { run: (cx) => expire(cx, true, true), place: Place.InPlace },
  PEXPIRE: { run: (cx) => expire(cx, false, true), place: Place.InPlace },
  EXPIREAT: { run: (cx) => expire(cx, true, false), place: Place.InPlace },
  PEXPIREAT: { run: (cx) => expire(cx, false, false), place: Place.InPlace },
  TTL: { run: (cx) => timeToLive(cx, true, true), place: Place.InPlace },
  PTTL: { run: (cx) => timeToLive(cx, false, true), place: Place.InPlace },
  EXPIRETIME: { run: (cx) => timeToLive(cx, true, false), place: Place.InPlace },
  PEXPIRETIME: { run: (cx) => timeToLive(cx, false, false), place: Place.InPlace },
  PERSIST: { run: persist, place: Place.InPlace },
};

/** @param relative whether the argument counts from now */
function expire(cx: CommandContext, seconds: boolean, relative: boolean): void {
  const conditions = cx.argc > 3 ? expireConditions(cx) : 0;
  if (conditions < 0) return;
  const at = expireTime(cx, seconds, relative);
  if (typeof at === 'number' && Number.isNaN(at)) return;
  const rec = cx.rec;
  if (!cx.lookupWrite(1)) {
    cx.reply.integer(0);
    return;
  }
  if (conditions !== 0 && !conditionsHold(rec, conditions, at)) {
    cx.reply.integer(0);
    return;
  }
  // A time in the past deletes; as in Redis, that is not counted among the expired keys.
  const expired = at <= cx.now;
  if (expired) cx.deleteRecord(rec);
  else cx.shard(1).setExpiry(rec, at);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, expired ? 'del' : 'expire', 1);
  if (cx.effects.wanted) tellExpiry(cx, expired, at);
  cx.reply.integer(1);
}

/** What EXPIRE and its kin have done: a moment instead of a time to live; conditions stay. */
function tellExpiry(cx: CommandContext, expired: boolean, at: number | bigint): void {
  const { effects } = cx;
  if (expired) {
    tellDeleted(cx, 1, cx.server.config.getBool('lazyfree-lazy-expire'));
    return;
  }
  if (cx.command.name === 'pexpireat') return;
  effects.begin(cx.argc);
  effects.text('PEXPIREAT');
  effects.arg(1);
  effects.integer(at);
  for (let arg = 3; arg < cx.argc; arg++) effects.arg(arg);
}

/** @returns bits of Condition, -1 after an error */
function expireConditions(cx: CommandContext): number {
  let bits = 0;
  for (let arg = 3; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'NX')) bits |= Condition.NX;
    else if (cx.argIs(arg, 'XX')) bits |= Condition.XX;
    else if (cx.argIs(arg, 'GT')) bits |= Condition.GT;
    else if (cx.argIs(arg, 'LT')) bits |= Condition.LT;
    else {
      cx.error(`ERR Unsupported option ${shownArgument(cx, arg).replace(/[\r\n]+$/, '')}`);
      return -1;
    }
  }
  if ((bits & Condition.NX) !== 0 && bits !== Condition.NX) {
    cx.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return -1;
  }
  if ((bits & Condition.GT) !== 0 && (bits & Condition.LT) !== 0) {
    cx.error('ERR GT and LT options at the same time are not compatible');
    return -1;
  }
  return bits;
}

/** The time that argument 2 says, in ms, negative ones included; NaN after an error. */
function expireTime(cx: CommandContext, seconds: boolean, relative: boolean): number | bigint {
  const value = cx.argInteger(2);
  const ms = seconds ? value * 1000 : value;
  if (ms > -SAFE_MS && ms < SAFE_MS) return relative ? ms + cx.present : ms;
  return largeExpireTime(cx, seconds, relative);
}

function largeExpireTime(cx: CommandContext, seconds: boolean, relative: boolean): number | bigint {
  const value = parseInteger64(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (value === null) {
    cx.error(ErrorText.NotInteger);
    return INVALID;
  }
  const base = relative ? BigInt(cx.present) : 0n;
  // As in Redis, only overflow upwards is looked for when the base is added; downwards it can't happen.
  const fits = !seconds || (value <= INT64_MAX / 1000n && value >= INT64_MIN / 1000n);
  const ms = seconds ? value * 1000n : value;
  if (!fits || ms > INT64_MAX - base) {
    cx.error(invalidExpire(cx.command.name));
    return INVALID;
  }
  return ms + base;
}

function conditionsHold(rec: RecordView, conditions: number, at: number | bigint): boolean {
  if (!rec.expires) return (conditions & (Condition.XX | Condition.GT)) === 0;
  if ((conditions & Condition.NX) !== 0) return false;
  const current = exactExpiry(rec);
  if ((conditions & Condition.GT) !== 0 && at <= current) return false;
  return (conditions & Condition.LT) === 0 || at < current;
}

/** The expiry of a record, exact; -1 for none. */
export function exactExpiry(rec: RecordView): number | bigint {
  const at = rec.expireAt;
  return at > Number.MAX_SAFE_INTEGER ? rec.expireAtExact : at;
}

function timeToLive(cx: CommandContext, seconds: boolean, relative: boolean): void {
  const rec = cx.rec;
  if (!lookupQuietly(cx, 1)) {
    cx.reply.integer(-2);
    return;
  }
  if (!rec.expires) {
    cx.reply.integer(-1);
    return;
  }
  const at = rec.expireAt;
  if (at > SAFE_MS) {
    replyLargeTime(cx, rec.expireAtExact - (relative ? BigInt(cx.now) : 0n), seconds);
    return;
  }
  const ms = relative ? Math.max(0, at - cx.now) : at;
  cx.reply.integer(seconds ? Math.floor((ms + 500) / 1000) : ms);
}

/** Rounding does not overflow: compiled Redis divides as unsigned. */
function replyLargeTime(cx: CommandContext, ms: bigint, seconds: boolean): void {
  cx.reply.bigInteger(seconds ? (ms + 500n) / 1000n : ms);
}

/** Looks a key up for reading without touching it. */
export function lookupQuietly(cx: CommandContext, arg: number): boolean {
  const noTouch = cx.noTouch;
  cx.noTouch = true;
  const found = cx.lookupRead(arg);
  cx.noTouch = noTouch;
  return found;
}

function persist(cx: CommandContext): void {
  if (!cx.lookupWrite(1) || !cx.rec.expires) {
    cx.reply.integer(0);
    return;
  }
  cx.shard(1).clearExpiry(cx.rec);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, 'persist', 1);
  cx.reply.integer(1);
}
