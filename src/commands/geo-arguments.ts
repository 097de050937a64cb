// Arguments of the geo commands: places, units, sizes; and numbers as their replies and errors write them.
//
// All of it is Redis's: what is refused, in which order, and with which words.

import { parseDouble } from '../protocol/doubles.ts';
import { isPosition, type Position } from '../structures/geohash.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

const UNITS: readonly (readonly [string, number])[] = [
  ['M', 1],
  ['KM', 1000],
  ['FT', 0.3048],
  ['MI', 1609.34],
];
/** toFixed() writes exponents from here on. */
const FIXED_MAX = 1e21;

/** @returns NaN if the argument is no double */
export function doubleArgument(cx: CommandContext, arg: number): number {
  return parseDouble(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
}

/**
 * Reads longitude and latitude.
 * @param arg argument index of the longitude
 * @returns false after an error
 */
export function placeArgument(cx: CommandContext, arg: number, out: Position): boolean {
  out.longitude = doubleArgument(cx, arg);
  out.latitude = Number.isNaN(out.longitude) ? Number.NaN : doubleArgument(cx, arg + 1);
  if (Number.isNaN(out.latitude)) {
    cx.error(ErrorText.NotFloat);
    return false;
  }
  if (isPosition(out.longitude, out.latitude)) return true;
  const pair = `${formatFixed(out.longitude, 6)},${formatFixed(out.latitude, 6)}`;
  cx.error(`ERR invalid longitude,latitude pair ${pair}`);
  return false;
}

/** @returns metres in the unit, NaN after an error */
export function unitArgument(cx: CommandContext, arg: number): number {
  for (const [word, meters] of UNITS) if (cx.argIs(arg, word)) return meters;
  cx.error('ERR unsupported unit provided. please use M, KM, FT, MI');
  return Number.NaN;
}

/** Reads a size that may not be negative. @param name of it, for the error @returns NaN after an error */
export function sizeArgument(cx: CommandContext, arg: number, name: string): number {
  const size = doubleArgument(cx, arg);
  if (Number.isNaN(size)) cx.error(`ERR need numeric ${name}`);
  return size;
}

/** Writes a double as C's `%.*f`: toFixed(), but ties go to the even digit, and there is no exponent. @param digits 1 or more */
export function formatFixed(value: number, digits: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? '-nan' : value < 0 ? '-inf' : 'inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const size = Math.abs(value);
  if (size >= FIXED_MAX) return `${sign}${BigInt(size)}.${'0'.repeat(digits)}`;
  // 10^digits / 2 is 5^digits * 2^(digits - 1): only a number of digits + 1 binary places can lie in the middle.
  const halves = size * 2 ** (digits + 1);
  const isTie = Number.isInteger(halves) && halves % 2 === 1;
  if (!isTie) return sign + size.toFixed(digits);
  const longer = size.toFixed(digits + 1);
  const cut = longer.slice(0, -1);
  // The digit before the five: even ones stay, odd ones go up, which is where toFixed() goes.
  return sign + ((cut.charCodeAt(cut.length - 1) & 1) === 0 ? cut : size.toFixed(digits));
}
