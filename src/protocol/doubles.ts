/**
 * Doubles as text: read as `strtod` of the C library does, written as Redis does.
 *
 * Reading (`getDoubleFromObject`, `string2d` of Redis): the whole text must be a number; no white space; "inf" and
 * "infinity" in any case with a sign or none; hexadecimal floats ("0x1.8p3"); no NaN; what overflows, or underflows
 * to zero, is refused. Short decimals are read without allocation: up to 15 digits and 22 decimals, mantissa and
 * power of ten are exact doubles, so that one division rounds correctly (Clinger's fast path).
 *
 * Writing comes in three forms:
 *
 *     formatDouble          %.17g                   0.10000000000000001   Redis up to 7.0: scores, RESP3 doubles
 *     formatShortestDouble  shortest                0.1                   Redis from 7.2: the same places
 *     formatHumanDouble     %.17Lf, zeros trimmed   0.10000000000000001   coordinates; all versions
 *
 * C rounds ties to even where JavaScript's toPrecision and toFixed round them up; ties are found and put right.
 *
 * Left out: long doubles (long-double.ts), which INCRBYFLOAT needs.
 */

const PLUS = 43;
const MINUS = 45;
const DOT = 46;
const DIGIT_0 = 48;

/** Longer texts are refused as no number. Redis has no such limit; a number needs no megabyte. */
const TEXT_BYTES_MAX = 1024 * 1024;
const EXACT_DIGITS_MAX = 15;

const POWERS_OF_TEN = new Float64Array(EXACT_DIGITS_MAX + 1);
for (let i = 0; i <= EXACT_DIGITS_MAX; i++) POWERS_OF_TEN[i] = 10 ** i;

const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const HEXADECIMAL = /^([+-]?)0x(?:([\da-f]+)\.?([\da-f]*)|\.([\da-f]+))(?:p([+-]?\d+))?$/i;
const NOT_ZERO = /^[^e]*[1-9]/i;

/**
 * Reads a double.
 * @returns NaN when the text is no double, or out of range; may be infinite
 */
export function parseDouble(buf: Uint8Array, off: number, len: number): number {
  const to = off + len;
  let p = off;
  let negative = false;
  if (len > 0 && (buf[p] === MINUS || buf[p] === PLUS)) negative = buf[p++] === MINUS;
  let mantissa = 0;
  let digits = 0;
  let decimals = -1;
  if (to - p > EXACT_DIGITS_MAX + 1) return parseAnyDouble(buf, off, len);
  for (; p < to; p++) {
    const c = buf[p] - DIGIT_0;
    if (c >= 0 && c <= 9) {
      mantissa = mantissa * 10 + c;
      digits++;
      if (decimals >= 0) decimals++;
    } else if (buf[p] === DOT && decimals < 0) {
      decimals = 0;
    } else {
      return parseAnyDouble(buf, off, len);
    }
  }
  if (digits === 0) return NaN;
  if (digits > EXACT_DIGITS_MAX) return parseAnyDouble(buf, off, len);
  const value = decimals > 0 ? mantissa / POWERS_OF_TEN[decimals] : mantissa;
  return negative ? -value : value;
}

/** The general case: any length, exponents, hexadecimal, infinity. */
function parseAnyDouble(buf: Uint8Array, off: number, len: number): number {
  if (len > TEXT_BYTES_MAX) return NaN;
  const text = latin1(buf, off, len);
  if (DECIMAL.test(text)) {
    const value = Number(text);
    if (!Number.isFinite(value)) return NaN;
    return value === 0 && NOT_ZERO.test(text) ? NaN : value;
  }
  if (INFINITE.test(text)) return text[0] === '-' ? -Infinity : Infinity;
  return parseHexadecimal(text);
}

/** A byte range as text, whatever kind of array it is in. */
export function latin1(buf: Uint8Array, off: number, len: number): string {
  return Buffer.from(buf.buffer, buf.byteOffset + off, len).toString('latin1');
}

/** A hexadecimal float taken apart: (-1)^negative * mantissa * 2^exponent. */
export interface HexadecimalParts {
  negative: boolean;
  mantissa: bigint;
  exponent: number;
}

/** Takes a hexadecimal float apart; null when the text is none. */
export function hexadecimalParts(text: string): HexadecimalParts | null {
  const match = HEXADECIMAL.exec(text);
  if (match === null) return null;
  const fraction = match[3] ?? match[4] ?? '';
  return {
    negative: match[1] === '-',
    mantissa: BigInt('0x' + (match[2] ?? '') + fraction),
    exponent: Number(match[5] ?? 0) - fraction.length * 4,
  };
}

function parseHexadecimal(text: string): number {
  const parts = hexadecimalParts(text);
  if (parts === null) return NaN;
  let value = 0;
  if (parts.mantissa !== 0n) {
    const top = bitLength(parts.mantissa) + parts.exponent;
    if (top > 1024 || top < -1075) return NaN;
    // Bits that a double of this size has no place for: below 2^-1074, or behind 53.
    const drop = Math.max(top - 53, -1074) - parts.exponent;
    const mantissa = drop > 0 ? shiftRightToEven(parts.mantissa, drop) : parts.mantissa;
    value = scale(mantissa, drop > 0 ? parts.exponent + drop : parts.exponent);
    if (value === 0 || value === Infinity) return NaN;
  }
  return parts.negative ? -value : value;
}

/** mantissa * 2^exponent, where that is exact or overflows. */
function scale(mantissa: bigint, exponent: number): number {
  // Small mantissas with a very low exponent would need a power that is no double: shift those that can be.
  if (exponent < -1074) return Number(mantissa >> BigInt(-1074 - exponent)) * 2 ** -1074;
  const half = Math.trunc(exponent / 2);
  if (exponent > 0) return Number(mantissa << BigInt(exponent));
  // In two steps both factors are normal doubles; the first product is, too.
  return Number(mantissa) * 2 ** half * 2 ** (exponent - half);
}

/** Number of bits of a positive integer. */
export function bitLength(n: bigint): number {
  const hex = n.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex[0], 16)) - 28);
}

/** n / 2^bits, to the nearest integer, ties to even. */
export function shiftRightToEven(n: bigint, bits: number): bigint {
  const shift = BigInt(bits);
  const floor = n >> shift;
  const rest = n - (floor << shift);
  const half = 1n << (shift - 1n);
  if (rest > half || (rest === half && (floor & 1n) === 1n)) return floor + 1n;
  return floor;
}

/**
 * Writes a double as `%.17g`, infinities as "inf" and "-inf": Redis up to 7.0.
 */
export function formatDouble(n: number): string {
  if (Number.isSafeInteger(n)) return Object.is(n, -0) ? '-0' : String(n);
  if (!Number.isFinite(n)) return notFinite(n);
  // Halves to sixteenths have at most 13 digits here, all of them exact: the shortest text is the only one.
  if (Math.abs(n) < 1e9 && Number.isInteger(n * 16)) return String(n);
  const digits = seventeenDigits(n);
  const exponentAt = digits.indexOf('e');
  const mantissa = trimZeros(digits.slice(0, exponentAt));
  const exponent = Number(digits.slice(exponentAt + 1));
  const sign = n < 0 ? '-' : '';
  const figures = mantissa.replace(/[-.]/g, '');
  if (exponent >= 17 || exponent < -4) {
    const power = Math.abs(exponent);
    return mantissa + (exponent < 0 ? 'e-' : 'e+') + (power < 10 ? '0' : '') + power;
  }
  return sign + plain(figures, exponent);
}

function notFinite(n: number): string {
  if (Number.isNaN(n)) return 'nan';
  return n > 0 ? 'inf' : '-inf';
}

/** d.ddd with sixteen digits behind the point and an exponent, rounded as C does. */
function seventeenDigits(n: number): string {
  const digits = n.toExponential(16);
  // A tie ends in 5 at the eighteenth digit, and has nothing behind it.
  const longer = n.toExponential(17);
  const exponentAt = longer.indexOf('e');
  if (longer[exponentAt - 1] !== '5') return digits;
  const all = n.toExponential(60);
  if (!/^0*e/.test(all.slice(exponentAt))) return digits;
  // toExponential went away from zero: right if that is even.
  const last = digits.indexOf('e') - 1;
  if ((digits.charCodeAt(last) & 1) === 0) return digits;
  return longer.slice(0, exponentAt - 1) + longer.slice(exponentAt);
}

/** Digits with the point behind the first, moved by `exponent`, without exponent notation. */
function plain(figures: string, exponent: number): string {
  if (exponent < 0) return '0.' + '0'.repeat(-exponent - 1) + figures;
  const whole = exponent + 1;
  if (figures.length <= whole) return figures.padEnd(whole, '0');
  return figures.slice(0, whole) + '.' + figures.slice(whole);
}

/** Cuts zeros at the end of decimals, and a point without any. */
export function trimZeros(text: string): string {
  if (!text.includes('.')) return text;
  let end = text.length;
  while (text.charCodeAt(end - 1) === DIGIT_0) end--;
  if (text.charCodeAt(end - 1) === DOT) end--;
  return text.slice(0, end);
}

/** Integers up to this size are written in full by Redis 7.2 and later: LLONG_MAX / 2. */
const INTEGER_MAX = 2 ** 62;

/**
 * Writes the shortest text that reads back as the same double, laid out as Redis 7.2 and later do (`d2string`, which
 * uses fpconv_dtoa). That library's digits are not the shortest for about one in a thousand doubles; here they
 * always are.
 */
export function formatShortestDouble(n: number): string {
  if (Number.isSafeInteger(n)) return Object.is(n, -0) ? '-0' : String(n);
  if (!Number.isFinite(n)) return notFinite(n);
  if (Number.isInteger(n) && Math.abs(n) <= INTEGER_MAX) return BigInt(n).toString();
  const text = Math.abs(n).toExponential();
  const exponentAt = text.indexOf('e');
  const figures = text.slice(0, exponentAt).replace('.', '');
  const exponent = Number(text.slice(exponentAt + 1));
  const power = Math.abs(exponent);
  /** As an integer, the figures are multiplied by ten to this power. */
  const shift = exponent - figures.length + 1;
  const sign = n < 0 ? '-' : '';
  if (shift >= 0 ? power < figures.length + 7 : shift > -7 || power < 4)
    return sign + plain(figures, exponent);
  const mantissa = figures.length > 1 ? figures[0] + '.' + figures.slice(1) : figures;
  return sign + mantissa + (exponent < 0 ? 'e-' : 'e+') + power;
}

const TIE_SCALE = 2 ** 18;

/**
 * Writes a double as `%.17Lf` without zeros at the end: never an exponent. "-0" becomes "0".
 */
export function formatHumanDouble(n: number): string {
  if (!Number.isFinite(n)) return notFinite(n);
  // toFixed turns to exponents at 10^21; beyond 2^53 all doubles are integers.
  if (Math.abs(n) >= 2 ** 53) return BigInt(n).toString();
  const scaled = n * TIE_SCALE;
  let text = n.toFixed(17);
  // A tie at the seventeenth decimal is an odd multiple of 2^-18, which toFixed took away from zero.
  if (Number.isInteger(scaled) && scaled % 2 !== 0 && (text.charCodeAt(text.length - 1) & 1) === 1) {
    text = n.toFixed(18).slice(0, -1);
  }
  text = trimZeros(text);
  return text === '-0' ? '0' : text;
}
