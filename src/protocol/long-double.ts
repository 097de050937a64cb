/**
 * The long double of x86: INCRBYFLOAT and HINCRBYFLOAT compute with it, and its digits show in their results.
 *
 *     value = (-1)^negative * mantissa * 2^exponent      mantissa < 2^64, exponent >= -16445
 *
 * Emulated exactly with BigInt, for reading (`string2ld` of Redis: `strtold`, at most 5119 bytes, no white space, no
 * NaN, overflow and underflow to zero refused), adding (round to nearest, ties to even) and writing (`%.17Lf`
 * without zeros at the end, as `ld2string` does in its human-friendly mode). A double would give other digits:
 * 0.1 + 0.2 is "0.3" here.
 *
 * Redis on machines whose long double is a plain double or a quadruple gives other digits; Sabre gives these anywhere.
 */

import { bitLength, hexadecimalParts, latin1, shiftRightToEven } from './doubles.ts';

export interface LongDouble {
  negative: boolean;
  /** With `infinite`, 0. */
  mantissa: bigint;
  exponent: number;
  infinite: boolean;
}

const PRECISION = 64;
/** Exponent of the lowest bit of the smallest subnormal, and of the highest bit of the largest number. */
const EXPONENT_MIN = -16445;
const TOP_EXPONENT_MAX = 16383;
/** Powers of ten beyond these are out of range whatever the digits are. */
const DECIMAL_EXPONENT_MAX = 4940;
const DECIMAL_EXPONENT_MIN = -4970;
/** MAX_LONG_DOUBLE_CHARS of Redis is 5 KiB with the terminator. */
const TEXT_BYTES_MAX = 5 * 1024 - 1;
const DECIMALS = 17;
const DECIMALS_SCALE = 10n ** 17n;

const DECIMAL = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:e([+-]?\d+))?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;

/**
 * Reads a long double.
 * @returns null when the text is none, or out of range; may be infinite
 */
export function parseLongDouble(buf: Uint8Array, off: number, len: number): LongDouble | null {
  if (len === 0 || len > TEXT_BYTES_MAX) return null;
  const text = latin1(buf, off, len);
  const match = DECIMAL.exec(text);
  if (match !== null) return fromDecimal(match);
  if (INFINITE.test(text)) return { negative: text[0] === '-', mantissa: 0n, exponent: 0, infinite: true };
  const parts = hexadecimalParts(text);
  if (parts === null) return null;
  if (parts.mantissa === 0n) return finite(parts.negative, 0n, 0);
  const top = bitLength(parts.mantissa) + parts.exponent;
  if (top < EXPONENT_MIN - 1 || top > TOP_EXPONENT_MAX + 1) return null;
  return inRange(round(parts.negative, parts.mantissa, parts.exponent));
}

function fromDecimal(match: RegExpExecArray): LongDouble | null {
  const negative = match[1] === '-';
  const fraction = match[3] ?? match[4] ?? '';
  const digits = ((match[2] ?? '') + fraction).replace(/^0+/, '');
  if (digits === '') return finite(negative, 0n, 0);
  const exponent = Number(match[5] ?? 0) - fraction.length;
  const top = digits.length + exponent;
  if (top > DECIMAL_EXPONENT_MAX || top < DECIMAL_EXPONENT_MIN) return null;
  const integer = BigInt(digits);
  if (exponent >= 0) return inRange(round(negative, integer * 10n ** BigInt(exponent), 0));
  return inRange(divide(negative, integer, 10n ** BigInt(-exponent)));
}

/** numerator / denominator, rounded once. */
function divide(negative: boolean, numerator: bigint, denominator: bigint): LongDouble {
  // At least two bits more than are kept, and one more for whatever remains: rounding sees all it must.
  const shift = Math.max(0, PRECISION + 2 - (bitLength(numerator) - bitLength(denominator)));
  const shifted = numerator << BigInt(shift);
  const quotient = shifted / denominator;
  const rest = shifted - quotient * denominator === 0n ? 0n : 1n;
  return round(negative, (quotient << 1n) | rest, -shift - 1);
}

function finite(negative: boolean, mantissa: bigint, exponent: number): LongDouble {
  return { negative, mantissa, exponent, infinite: false };
}

/** Rounds mantissa * 2^exponent to what a long double can hold. */
function round(negative: boolean, mantissa: bigint, exponent: number): LongDouble {
  const drop = Math.max(bitLength(mantissa) - PRECISION, EXPONENT_MIN - exponent);
  if (drop > 0) {
    mantissa = shiftRightToEven(mantissa, drop);
    exponent += drop;
  }
  if (mantissa === 0n) return finite(negative, 0n, 0);
  const infinite = bitLength(mantissa) + exponent - 1 > TOP_EXPONENT_MAX;
  if (infinite) return { negative, mantissa: 0n, exponent: 0, infinite };
  return finite(negative, mantissa, exponent);
}

/** null for what a text that is not zero must not become. */
function inRange(value: LongDouble): LongDouble | null {
  return value.infinite || value.mantissa === 0n ? null : value;
}

/**
 * Adds, and writes the sum as Redis stores it.
 * @returns null when the sum is NaN or infinite
 */
export function addLongDouble(a: LongDouble, b: LongDouble): string | null {
  if (a.infinite || b.infinite) return null;
  const exponent = Math.min(a.exponent, b.exponent);
  const left = a.mantissa << BigInt(a.exponent - exponent);
  const right = b.mantissa << BigInt(b.exponent - exponent);
  const sum = (a.negative ? -left : left) + (b.negative ? -right : right);
  if (sum === 0n) return '0';
  const value = round(sum < 0n, sum < 0n ? -sum : sum, exponent);
  return value.infinite ? null : formatLongDouble(value);
}

/** Writes as `%.17Lf` without zeros at the end; "-0" becomes "0". */
export function formatLongDouble(value: LongDouble): string {
  if (value.infinite) return value.negative ? '-inf' : 'inf';
  const sign = value.negative ? '-' : '';
  if (value.mantissa === 0n) return '0';
  if (value.exponent >= 0) return sign + (value.mantissa << BigInt(value.exponent)).toString();
  const scaled = shiftRightToEven(value.mantissa * DECIMALS_SCALE, -value.exponent);
  const digits = scaled.toString().padStart(DECIMALS + 1, '0');
  const whole = digits.slice(0, -DECIMALS);
  const decimals = digits.slice(-DECIMALS).replace(/0+$/, '');
  const text = decimals === '' ? whole : whole + '.' + decimals;
  return text === '0' ? '0' : sign + text;
}
