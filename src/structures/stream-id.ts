// IDs of stream entries: two unsigned numbers of 64 bits, <ms>-<sequence>, compared as one of 128.
//
//   word +0 high half of ms   +1 low half of ms   +2 high half of the sequence   +3 low half of the sequence
//
// So IDs compare word by word, unsigned, from the first on: as keys of the counted tree do. An ID is named by the array
// of words it lies in and the index of its first word there: a root, a block, or a scratch array of one's own. No
// objects, no BigInt, but for IDs beyond 2^63, which nobody has.

import { formatInteger, formatInteger64 } from '../protocol/numbers.ts';
import { formatWords } from './int64.ts';

export const ID_WORDS = 4;
/** Longest text: 20 digits, '-', 20 digits. */
export const ID_TEXT_BYTES_MAX = 41;

const TWO_32 = 4294967296;
const MAX_WORD = -1;
const DIGIT_0 = 48;
const DASH = 45;
/** Digits that a number holds whatever they are. */
const SAFE_DIGITS = 15;
/** A longer text is no ID, as in Redis. */
const TEXT_BYTES_MAX = 127;
const UINT64_MAX = (1n << 64n) - 1n;

/** What a text may be an ID of. */
export const IdForm = {
  /** Only `ms` or `ms-seq`. */
  Strict: 0,
  /** Also `-` and `+`, the least and the greatest ID. */
  Range: 1,
  /** As Strict, and `ms-*`, for which parseId answers `Parsed.OpenSequence`. */
  Open: 2,
} as const;

export const Parsed = { Invalid: 0, Whole: 1, OpenSequence: 2 } as const;

/** @returns below 0, 0 or above 0 as the first ID is less than, equal to or greater than the second */
export function compareIds(a: Int32Array, i: number, b: Int32Array, j: number): number {
  for (let k = 0; k < ID_WORDS; k++) {
    const x = a[i + k]!;
    const y = b[j + k]!;
    if (x !== y) return x >>> 0 < y >>> 0 ? -1 : 1;
  }
  return 0;
}

export function copyId(from: Int32Array, i: number, to: Int32Array, j: number): void {
  to[j] = from[i]!;
  to[j + 1] = from[i + 1]!;
  to[j + 2] = from[i + 2]!;
  to[j + 3] = from[i + 3]!;
}

export function setLeastId(id: Int32Array, i: number): void {
  id.fill(0, i, i + ID_WORDS);
}

export function setGreatestId(id: Int32Array, i: number): void {
  id.fill(MAX_WORD, i, i + ID_WORDS);
}

/** Makes it `ms`-0. @param ms a safe integer, not negative */
export function setMs(id: Int32Array, i: number, ms: number): void {
  id[i] = Math.floor(ms / TWO_32);
  id[i + 1] = ms | 0;
  id[i + 2] = 0;
  id[i + 3] = 0;
}

/** Milliseconds of an ID, rounded beyond 2^53. */
export function msOf(id: Int32Array, i: number): number {
  return (id[i]! >>> 0) * TWO_32 + (id[i + 1]! >>> 0);
}

export function isLeastId(id: Int32Array, i: number): boolean {
  return (id[i]! | id[i + 1]! | id[i + 2]! | id[i + 3]!) === 0;
}

export function isGreatestId(id: Int32Array, i: number): boolean {
  return (id[i]! & id[i + 1]! & id[i + 2]! & id[i + 3]!) === MAX_WORD;
}

/** Whether the sequence is 2^64 - 1. */
export function isSequenceFull(id: Int32Array, i: number): boolean {
  return (id[i + 2]! & id[i + 3]!) === MAX_WORD;
}

/** The next ID. @returns false if there is none: it is the least one then */
export function incrementId(id: Int32Array, i: number): boolean {
  for (let k = i + ID_WORDS - 1; k >= i; k--) {
    const next = (id[k]! + 1) | 0;
    id[k] = next;
    if (next !== 0) return true;
  }
  return false;
}

/** The ID before. @returns false if there is none: it is the greatest one then */
export function decrementId(id: Int32Array, i: number): boolean {
  for (let k = i + ID_WORDS - 1; k >= i; k--) {
    const word = id[k]!;
    id[k] = (word - 1) | 0;
    if (word !== 0) return true;
  }
  return false;
}

/** Writes an unsigned number of 64 bits. @returns the number of bytes written, at most 20 */
export function formatUnsigned(low: number, high: number, out: Buffer, off: number): number {
  if (high === 0 && low >= 0) return formatInteger(low, out, off);
  if (high >= 0) return formatWords(low, high, out, off);
  return formatInteger64((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0), out, off);
}

/**
 * Writes an ID as `ms-seq`.
 * @param separator byte between the two
 * @param out with room for ID_TEXT_BYTES_MAX bytes
 * @returns the number of bytes written
 */
export function formatId(id: Int32Array, i: number, out: Buffer, off: number, separator = DASH): number {
  let at = off + formatUnsigned(id[i + 1]!, id[i]!, out, off);
  out[at++] = separator;
  at += formatUnsigned(id[i + 3]!, id[i + 2]!, out, at);
  return at - off;
}

/**
 * Reads an ID as Redis does: `ms` or `ms-seq` and what IdForm says. Numbers are what C's strtoull takes where they are
 * not plain digits: blanks and a sign in front.
 * @param missing the sequence of a text without one: 0, or -1 for the greatest
 * @param form an IdForm
 * @returns a Parsed
 */
export function parseId(
  bytes: Buffer,
  off: number,
  len: number,
  missing: 0 | -1,
  form: number,
  id: Int32Array,
  i: number,
): number {
  if (len > TEXT_BYTES_MAX) return Parsed.Invalid;
  let dash = off;
  const end = off + len;
  while (dash < end && bytes[dash] !== DASH) dash++;
  if (!parsePlain(bytes, off, dash, id, i)) return parseOddly(bytes, off, end, missing, form, id, i);
  if (dash === end) {
    id[i + 2] = missing;
    id[i + 3] = missing;
    return Parsed.Whole;
  }
  if (parsePlain(bytes, dash + 1, end, id, i + 2)) return Parsed.Whole;
  return parseOddly(bytes, off, end, missing, form, id, i);
}

/** Reads up to SAFE_DIGITS digits and nothing else. */
function parsePlain(bytes: Buffer, from: number, to: number, words: Int32Array, at: number): boolean {
  const digits = to - from;
  if (digits < 1 || digits > SAFE_DIGITS) return false;
  let value = 0;
  for (let p = from; p < to; p++) {
    const digit = bytes[p]! - DIGIT_0;
    if (digit < 0 || digit > 9) return false;
    value = value * 10 + digit;
  }
  words[at] = Math.floor(value / TWO_32);
  words[at + 1] = value | 0;
  return true;
}

function parseOddly(
  bytes: Buffer,
  off: number,
  end: number,
  missing: 0 | -1,
  form: number,
  id: Int32Array,
  i: number,
): number {
  const whole = bytes.toString('latin1', off, end);
  // A string of C ends at a NUL.
  const nul = whole.indexOf('\0');
  const text = nul < 0 ? whole : whole.slice(0, nul);
  if (text === '-' || text === '+') {
    if (form !== IdForm.Range) return Parsed.Invalid;
    if (text === '-') setLeastId(id, i);
    else setGreatestId(id, i);
    return Parsed.Whole;
  }
  const dash = text.indexOf('-');
  const ms = unsignedOf(dash < 0 ? text : text.slice(0, dash));
  if (ms === null) return Parsed.Invalid;
  if (dash < 0) {
    putUnsigned(ms, id, i);
    id[i + 2] = missing;
    id[i + 3] = missing;
    return Parsed.Whole;
  }
  const sequence = text.slice(dash + 1);
  const open = form === IdForm.Open && sequence === '*';
  const seq = open ? 0n : unsignedOf(sequence);
  if (seq === null) return Parsed.Invalid;
  putUnsigned(ms, id, i);
  putUnsigned(seq, id, i + 2);
  return open ? Parsed.OpenSequence : Parsed.Whole;
}

/** Redis's string2ull: string2ll first, where a negative number is refused, then C's strtoull. */
function unsignedOf(text: string): bigint | null {
  const match = /^([ \t\n\v\f\r]*)([+-]?)([0-9]+)$/.exec(text);
  if (match === null) return null;
  const [, blanks, sign, digits] = match as unknown as [string, string, string, string];
  const value = BigInt(digits);
  if (value > UINT64_MAX) return null;
  if (sign !== '-') return value;
  // A canonical negative number is refused; of any other, strtoull takes the complement.
  if (blanks === '' && digits[0] !== '0' && value <= 1n << 63n) return null;
  return BigInt.asUintN(64, -value);
}

function putUnsigned(value: bigint, words: Int32Array, at: number): void {
  words[at] = Number(BigInt.asIntN(32, value >> 32n));
  words[at + 1] = Number(BigInt.asIntN(32, value));
}
