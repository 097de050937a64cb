// 64-bit integers as two 32-bit words, exact and without BigInt: what listpacks and intsets hold.
//
// The text accepted is that of Redis's string2ll (protocol/numbers.ts): the one canonical text of a value, so an
// integer kept instead of its text gives the same bytes back.

import { formatInteger, isCanonicalInt64, parseInteger } from '../protocol/numbers.ts';

const TWO_32 = 4294967296;
const TEN_TO_8 = 100_000_000;
const TEN_TO_9 = 1_000_000_000;
const MINUS = 45;
const DIGIT_0 = 48;
const LOW_DIGITS = 9;
/** Longest text: "-9223372036854775808". */
export const INT64_TEXT_BYTES_MAX = 20;

/** One integer: a flyweight to parse into. Words are signed. */
export class Int64 {
  low = 0;
  high = 0;

  setWords(low: number, high: number): void {
    this.low = low;
    this.high = high;
  }

  /** @param value a whole number of at most 64 bits: both conversions are exact, beyond 2^53 as well */
  setNumber(value: number): void {
    this.low = value | 0;
    this.high = Math.floor(value / TWO_32) | 0;
    // `value | 0` is value modulo 2^32 for every whole number.
  }

  /** Takes the value of a canonical text. @returns false, with the words undefined, if it is none */
  parse(bytes: Buffer, off: number, len: number): boolean {
    if (len === 0 || len > INT64_TEXT_BYTES_MAX) return false;
    // Most texts that are no number end here: the first byte is neither a digit nor a minus.
    const first = bytes[off]!;
    if (first > 0x39 || (first < DIGIT_0 && first !== MINUS)) return false;
    const value = parseInteger(bytes, off, len);
    if (Number.isNaN(value)) return this.#parseLong(bytes, off, len);
    this.setNumber(value);
    return true;
  }

  /** The value as a number, rounded beyond 2^53. */
  toNumber(): number {
    return wordsToNumber(this.low, this.high);
  }

  /** Beyond 2^53: the last nine digits and those in front, multiplied in parts that a number holds exactly. */
  #parseLong(bytes: Buffer, off: number, len: number): boolean {
    if (!isCanonicalInt64(bytes, off, len)) return false;
    const negative = bytes[off] === MINUS;
    const split = off + len - LOW_DIGITS;
    let front = 0;
    for (let i = negative ? off + 1 : off; i < split; i++) front = front * 10 + bytes[i]! - DIGIT_0;
    let back = 0;
    for (let i = split; i < off + len; i++) back = back * 10 + bytes[i]! - DIGIT_0;
    const frontHigh = Math.floor(front / 65536) * TEN_TO_9;
    const frontLow = (front % 65536) * TEN_TO_9 + back;
    const low = (frontHigh % 65536) * 65536 + frontLow;
    this.low = (low % TWO_32) | 0;
    this.high = (Math.floor(frontHigh / 65536) + Math.floor(low / TWO_32)) | 0;
    if (negative) {
      this.low = -this.low | 0;
      this.high = this.low === 0 ? -this.high | 0 : ~this.high;
    }
    return true;
  }
}

/** The value of two words as a number, rounded beyond 2^53. */
export function wordsToNumber(low: number, high: number): number {
  return high * TWO_32 + (low >>> 0);
}

/** Whether a number holds the value of two words exactly. */
export function wordsAreSafe(low: number, high: number): boolean {
  return high < 2097152 && (high > -2097152 || (high === -2097152 && low !== 0));
}

/** @returns below 0, 0 or above 0 as the first integer is less than, equal to or more than the second */
export function compareWords(low: number, high: number, low2: number, high2: number): number {
  if (high !== high2) return high < high2 ? -1 : 1;
  if (low === low2) return 0;
  return low >>> 0 < low2 >>> 0 ? -1 : 1;
}

/**
 * Writes the decimal text.
 * @param out with room for INT64_TEXT_BYTES_MAX bytes
 * @returns the number of bytes written
 */
export function formatWords(low: number, high: number, out: Buffer, off: number): number {
  if (high === low >> 31) return formatInteger(low, out, off);
  if (wordsAreSafe(low, high)) return formatInteger(wordsToNumber(low, high), out, off);
  let at = off;
  let top = high >>> 0;
  let bottom = low >>> 0;
  if (high < 0) {
    out[at++] = MINUS;
    bottom = -low >>> 0;
    top = (bottom === 0 ? -high : ~high) >>> 0;
  }
  // Long division by 10^8 in digits of 32, 16 and 16 bits.
  const first = Math.floor(top / TEN_TO_8);
  let rest = (top % TEN_TO_8) * 65536 + (bottom >>> 16);
  const second = Math.floor(rest / TEN_TO_8);
  rest = (rest % TEN_TO_8) * 65536 + (bottom & 0xffff);
  const third = Math.floor(rest / TEN_TO_8);
  rest %= TEN_TO_8;
  at += formatInteger(first * TWO_32 + second * 65536 + third, out, at);
  for (let i = at + 7; i >= at; i--) {
    out[i] = DIGIT_0 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + 8 - off;
}
