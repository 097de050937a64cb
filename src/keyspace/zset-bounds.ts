// The ends of ranges of sorted sets: scores, and members where all scores are alike ("[a", "(a", "-", "+").
//
// A bound says of a score or a member whether it is on its right side. Texts are Redis's (zslParseRange,
// zslParseLexRangeItem).

import { parseDouble } from '../protocol/doubles.ts';
import { compareBytes } from '../structures/bytes.ts';

const PAREN = 0x28;
const BRACKET = 0x5b;
const PLUS = 0x2b;
const MINUS = 0x2d;

export class ScoreBound {
  value = 0;
  /** Whether the value itself is outside. */
  exclusive = false;

  /** @returns false if the text is no score: a double, or "(" and a double */
  parse(bytes: Buffer, off: number, len: number): boolean {
    this.exclusive = len > 0 && bytes[off] === PAREN;
    this.value = this.exclusive ? parseDouble(bytes, off + 1, len - 1) : parseDouble(bytes, off, len);
    return !Number.isNaN(this.value);
  }
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
