// The ends of ranges of sorted sets: scores, and members where all scores are alike ("[a", "(a", "-", "+").
//
// A bound says of a score or a member whether it is on its right side. Texts are Redis's (zslParseRange,
// zslParseLexRangeItem).

import { bitLength, hexadecimalParts, parseDouble } from '../protocol/doubles.ts';
import { compareBytes } from '../structures/bytes.ts';

const PAREN = 0x28;
const BRACKET = 0x5b;
const PLUS = 0x2b;
const MINUS = 0x2d;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

export class ScoreBound {
  value = 0;
  /** Whether the value itself is outside. */
  exclusive = false;

  /** @returns false if the text is no score: a double, or "(" and a double */
  parse(bytes: Buffer, off: number, len: number): boolean {
    this.exclusive = len > 0 && bytes[off] === PAREN;
    const skip = this.exclusive ? 1 : 0;
    this.value = parseDouble(bytes, off + skip, len - skip);
    if (Number.isNaN(this.value)) this.value = parseLoosely(bytes, off + skip, len - skip);
    return !Number.isNaN(this.value);
  }
}

/**
 * What C's strtod() makes of a text, which Redis asks here without looking twice: white space in front is skipped, what
 * is behind a NUL does not count, no text at all is 0, and what is out of range is infinite or 0.
 * @returns NaN for what is no number
 */
function parseLoosely(bytes: Buffer, off: number, len: number): number {
  const all = bytes.toString('latin1', off, off + len);
  const nul = all.indexOf('\0');
  const text = nul < 0 ? all : all.slice(0, nul);
  if (text === '') return 0;
  const number = text.replace(/^[ \t\n\v\f\r]+/, '');
  const exact = parseDouble(Buffer.from(number, 'latin1'), 0, number.length);
  if (!Number.isNaN(exact)) return exact;
  if (DECIMAL.test(number)) return Number(number);
  const parts = hexadecimalParts(number);
  if (parts === null) return Number.NaN;
  const size = bitLength(parts.mantissa) + parts.exponent > 0 ? Number.POSITIVE_INFINITY : 0;
  return parts.negative ? -size : size;
}

/** Where a LexBound is. */
export const LexEnd = { BeforeAll: -1, Member: 0, BehindAll: 1 } as const;

export class LexBound {
  /** Before all members ("-"), behind all of them ("+"), or at the member below. See LexEnd. */
  end: number = LexEnd.Member;
  exclusive = false;
  buf: Buffer = EMPTY;
  off = 0;
  len = 0;

  /** @returns false if the text is no bound. The bytes must stay where they are */
  parse(bytes: Buffer, off: number, len: number): boolean {
    const first = len === 0 ? 0 : bytes[off]!;
    this.exclusive = first !== BRACKET;
    this.buf = bytes;
    this.off = off + 1;
    this.len = len - 1;
    if (first === BRACKET || first === PAREN) {
      this.end = LexEnd.Member;
      return true;
    }
    this.end = first === PLUS ? LexEnd.BehindAll : LexEnd.BeforeAll;
    // Redis looks at a C string here: what is behind a NUL does not count.
    return (first === PLUS || first === MINUS) && (len === 1 || bytes[off + 1] === 0);
  }

  /** @returns below 0, 0 or above 0 as a member is before, at or behind the bound; whether it is exclusive does not matter */
  compare(buf: Buffer, off: number, len: number): number {
    if (this.end !== LexEnd.Member) return -this.end;
    return compareBytes(buf, off, len, this.buf, this.off, this.len);
  }

  /** As the lower end of a range: whether a member is in it. */
  isMinOf(buf: Buffer, off: number, len: number): boolean {
    const order = this.compare(buf, off, len);
    return this.exclusive ? order > 0 : order >= 0;
  }

  /** As the upper end of a range: whether a member is in it. */
  isMaxOf(buf: Buffer, off: number, len: number): boolean {
    const order = this.compare(buf, off, len);
    return this.exclusive ? order < 0 : order <= 0;
  }

  /** Whether no member can be between this bound and an upper one. */
  isEmptyWith(max: LexBound): boolean {
    if (this.end !== max.end) return this.end > max.end;
    if (this.end !== LexEnd.Member) return true;
    const order = compareBytes(this.buf, this.off, this.len, max.buf, max.off, max.len);
    return order > 0 || (order === 0 && (this.exclusive || max.exclusive));
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
