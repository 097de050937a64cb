// How a handler waits: what BLPOP, BZPOPMIN, XREAD BLOCK and their kind do when there is nothing for them.
//
//   const until = parseTimeout(cx, cx.argc - 1);          // before the keys are looked at, as Redis
//   if (Number.isNaN(until)) return;                      // an error was replied
//   ... look at the keys in the client's order; reply and return if one of them has something ...
//   if (!cx.block(Type.List, until, 1, cx.argc - 2)) cx.reply.nullArray();
//
// After block() has returned true the handler returns without a reply. The client is then put into the queues of its
// keys, and the handler is run again, from its beginning and with the same arguments, whenever one of them has changed
// and holds a value of the type it waits for. `cx.resumed` tells such a run from the first one. A run that replies ends
// the wait, whatever the reply is (an error, too); one that calls block() again leaves the client in its place in the queues,
// its time-out as it was.
//
// The executor writes the reply of a time-out (a null array, whatever the command, as Redis) and that of CLIENT UNBLOCK.
// Before it waits a command may be run twice, on the acceptor and on the worker that keeps the queues
// (execution/waiting-room.ts): what it changes before it calls block() must be done once only (XREADGROUP creates its consumer)
// or be nothing.

import { bitLength, shiftRightToEven } from '../protocol/doubles.ts';
import { type LongDouble, parseLongDouble } from '../protocol/long-double.ts';
import { isCanonicalInt64, parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';

const INT64_MAX = 2 ** 63;
/** A number this short needs no arithmetic of long doubles. */
const PLAIN_DIGITS_MAX = 9;

/** What a handler has asked for with CommandContext.block(). One per context, reused. */
export class BlockRequest {
  /** Type of value to wait for. */
  type = 0;
  /** Unix time in ms, 0: for ever. */
  until = 0;
  /** The keys are the arguments [firstKey, firstKey + keyCount). */
  firstKey = 0;
  keyCount = 0;
  /** Wake the client also when a key is deleted or becomes one of another type (XREADGROUP). */
  orGone = false;
  /** Arguments that later runs see in place of those sent, by index. */
  readonly replaced = new Map<number, string>();

  set(type: number, until: number, firstKey: number, keyCount: number, orGone: boolean): void {
    this.type = type;
    this.until = until;
    this.firstKey = firstKey;
    this.keyCount = keyCount;
    this.orGone = orGone;
    this.replaced.clear();
  }
}

/**
 * Reads a time-out in seconds, which may have a fraction.
 * @returns the unix time in ms at which it is over, 0 for never; NaN if an error was replied
 */
export function parseTimeout(cx: CommandContext, arg: number): number {
  const len = cx.argLen[arg]!;
  if (len <= PLAIN_DIGITS_MAX && isCanonicalInt64(cx.input, cx.argOff[arg]!, len)) {
    return endOf(cx, cx.argInteger(arg) * 1000);
  }
  const value = parseLongDouble(cx.input, cx.argOff[arg]!, len);
  if (value !== null) return endOf(cx, milliseconds(value));
  cx.error('ERR timeout is not a float or out of range');
  return Number.NaN;
}

/** Seconds as whole milliseconds, rounded up: Redis multiplies a long double and takes ceill() of it. */
function milliseconds({ negative, mantissa, exponent, infinite }: LongDouble): number {
  if (infinite || exponent > 64) return negative ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  let product = mantissa * 1000n;
  const surplus = bitLength(product) - 64;
  if (surplus > 0) product = shiftRightToEven(product, surplus) << BigInt(surplus);
  // Below this it is a part of a millisecond, however long the mantissa.
  if (exponent < -128) return product === 0n || negative ? 0 : 1;
  const scale = BigInt(Math.abs(exponent));
  if (exponent >= 0) product <<= scale;
  else if (negative) product >>= scale;
  else product = (product + (1n << scale) - 1n) >> scale;
  return negative ? -Number(product) : Number(product);
}

/** As parseTimeout, of whole milliseconds (XREAD BLOCK). */
export function parseTimeoutMs(cx: CommandContext, arg: number): number {
  if (!isCanonicalInt64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!)) {
    cx.error('ERR timeout is not an integer or out of range');
    return Number.NaN;
  }
  return endOf(cx, Number(parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!)));
}

/** @param ms rounded up: what is above -1 is 0 */
function endOf(cx: CommandContext, ms: number): number {
  if (ms >= INT64_MAX) {
    cx.error('ERR timeout is out of range');
    return Number.NaN;
  }
  if (ms < 0) {
    cx.error('ERR timeout is negative');
    return Number.NaN;
  }
  if (ms > INT64_MAX - cx.now) {
    cx.error('ERR timeout is out of range');
    return Number.NaN;
  }
  return ms > 0 ? ms + cx.now : 0;
}
