/**
 * Integers as text, read from and written to byte ranges, without allocation.
 *
 * The rules are those of Redis's string2ll: an optional '-', no '+', no leading zero, no space, "-0" refused, within
 * int64. So a text that is accepted is the only text of its value, which is why a stored value may be kept as a
 * number instead ("canonical").
 *
 * JavaScript's numbers are exact up to 2^53 - 1 and BigInt is slow, so each question has two answers: `parseInteger`
 * for what a number can hold, and `parseInteger64` for the rest of int64, to be asked when the first says NaN.
 *
 * Digits are summed up in groups of at most nine, which stay 31-bit integers in compiled code; only two groups are
 * put together as a double.
 */

const MINUS = 45;
const DIGIT_0 = 48;

/** Longest text of an int64: "-9223372036854775808". */
export const INTEGER_TEXT_BYTES_MAX = 20;
/** Digits of 2^63 - 1, and of 2^53 - 1. */
const INT64_DIGITS = 19;
const SAFE_DIGITS = 16;
const GROUP_DIGITS = 9;
const GROUP = 1_000_000_000;

/** 2^63 - 1 as text. */
const INT64_MAX_TEXT = '9223372036854775807';

/** "000102...99" */
const DIGIT_PAIRS = ((): Uint8Array => {
  const pairs = new Uint8Array(200);
  for (let i = 0; i < 100; i++) {
    pairs[i * 2] = DIGIT_0 + Math.floor(i / 10);
    pairs[i * 2 + 1] = DIGIT_0 + (i % 10);
  }
  return pairs;
})();

/**
 * Sums up at most nine digits.
 * @returns -1 when a byte is no digit
 */
function digitGroup(buf: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let p = from; p < to; p++) {
    const c = buf[p] - DIGIT_0;
    if (c < 0 || c > 9) return -1;
    value = value * 10 + c;
  }
  return value;
}

/**
 * Reads an integer that a number holds exactly.
 * @returns NaN when the text is no canonical integer, or beyond 2^53 - 1 either way (see `parseInteger64`)
 */
export function parseInteger(buf: Uint8Array, off: number, len: number): number {
  if (len === 1) {
    const digit = buf[off] - DIGIT_0;
    return digit >= 0 && digit <= 9 ? digit : NaN;
  }
  if (len === 0) return NaN;
  const to = off + len;
  if (buf[off] === MINUS) {
    const value = parsePositive(buf, off + 1, to);
    // NaN stays NaN.
    return -value;
  }
  return parsePositive(buf, off, to);
}

/** Reads a canonical integer from 0 to 2^53 - 1; NaN when it is none. */
export function parseUnsigned(buf: Uint8Array, off: number, len: number): number {
  if (len === 1 && buf[off] === DIGIT_0) return 0;
  return parsePositive(buf, off, off + len);
}

function parsePositive(buf: Uint8Array, from: number, to: number): number {
  const digits = to - from;
  if (digits < 1 || digits > SAFE_DIGITS || buf[from] === DIGIT_0) return NaN;
  if (digits <= GROUP_DIGITS) {
    const value = digitGroup(buf, from, to);
    return value < 0 ? NaN : value;
  }
  const high = digitGroup(buf, from, to - GROUP_DIGITS);
  const low = digitGroup(buf, to - GROUP_DIGITS, to);
  if (high < 0 || low < 0) return NaN;
  const value = high * GROUP + low;
  return value <= Number.MAX_SAFE_INTEGER ? value : NaN;
}

/** Whether the text is what string2ll accepts: the canonical text of an int64. */
export function isCanonicalInt64(buf: Uint8Array, off: number, len: number): boolean {
  const negative = len > 0 && buf[off] === MINUS;
  const from = negative ? off + 1 : off;
  const to = off + len;
  const digits = to - from;
  if (digits < 1 || digits > INT64_DIGITS) return false;
  if (buf[from] === DIGIT_0) return len === 1;
  for (let p = from; p < to; p++) {
    const c = buf[p] - DIGIT_0;
    if (c < 0 || c > 9) return false;
  }
  return digits < INT64_DIGITS || fitsInt64(buf, from, negative);
}

/** Whether 19 digits are at most 2^63 - 1, or 2^63 when negative. */
function fitsInt64(buf: Uint8Array, from: number, negative: boolean): boolean {
  for (let i = 0; i < INT64_DIGITS; i++) {
    const difference = buf[from + i] - INT64_MAX_TEXT.charCodeAt(i);
    if (difference !== 0) return difference < 0 || (negative && i === INT64_DIGITS - 1 && difference === 1);
  }
  return true;
}

/** Reads any canonical int64; null when the text is none. Allocates: for what `parseInteger` cannot hold. */
export function parseInteger64(buf: Uint8Array, off: number, len: number): bigint | null {
  if (!isCanonicalInt64(buf, off, len)) return null;
  const negative = buf[off] === MINUS;
  const to = off + len;
  let from = negative ? off + 1 : off;
  let value = 0n;
  while (from < to) {
    const end = Math.min(from + GROUP_DIGITS, to);
    value = value * BigInt(10 ** (end - from)) + BigInt(digitGroup(buf, from, end));
    from = end;
  }
  return negative ? -value : value;
}

/** How many bytes `formatInteger` writes for a safe integer. */
export function integerTextBytes(n: number): number {
  if (n < 0) return 1 + positiveDigits(-n);
  return positiveDigits(n);
}

function positiveDigits(n: number): number {
  if (n < 100_000_000) return smallDigits(n);
  return 8 + smallDigits(Math.floor(n / 100_000_000));
}

/** Digits of a number below 10^8. */
function smallDigits(n: number): number {
  if (n < 10_000) {
    if (n < 100) return n < 10 ? 1 : 2;
    return n < 1000 ? 3 : 4;
  }
  if (n < 1_000_000) return n < 100_000 ? 5 : 6;
  return n < 10_000_000 ? 7 : 8;
}

/**
 * Writes a safe integer (|n| <= 2^53 - 1; -0 is "0").
 * @param out with room for `integerTextBytes(n)`, at most 17 bytes
 * @returns the number of bytes written
 */
export function formatInteger(n: number, out: Uint8Array, off: number): number {
  let p = off;
  if (n < 0) {
    out[p++] = MINUS;
    n = -n;
  }
  if (n < 100_000_000) {
    const digits = smallDigits(n);
    writeDigits(n | 0, out, p, digits);
    return p + digits - off;
  }
  // 2^53 / 10^8 is below 10^8: two halves are enough.
  const high = Math.floor(n / 100_000_000);
  const digits = smallDigits(high);
  writeDigits(high | 0, out, p, digits);
  p += digits;
  writeDigits((n - high * 100_000_000) | 0, out, p, 8);
  return p + 8 - off;
}

/** Writes exactly `digits` digits of a number below 10^8, with leading zeros. */
function writeDigits(n: number, out: Uint8Array, off: number, digits: number): void {
  let p = off + digits;
  while (p - off >= 2) {
    const rest = (n / 100) | 0;
    const pair = (n - rest * 100) << 1;
    out[--p] = DIGIT_PAIRS[pair + 1];
    out[--p] = DIGIT_PAIRS[pair];
    n = rest;
  }
  if (p > off) out[off] = DIGIT_0 + n;
}

const TEN_TO_8 = 100_000_000n;

/** Writes an int64 (or uint64). Returns the number of bytes written, at most 20. */
export function formatInteger64(n: bigint, out: Uint8Array, off: number): number {
  if (n >= -9007199254740991n && n <= 9007199254740991n) return formatInteger(Number(n), out, off);
  let p = off;
  if (n < 0n) {
    out[p++] = MINUS;
    n = -n;
  }
  p += formatInteger(Number(n / TEN_TO_8), out, p);
  writeDigits(Number(n % TEN_TO_8), out, p, 8);
  return p + 8 - off;
}
