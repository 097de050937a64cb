// The order of a sorted set: a counted tree (counted-tree.ts) of (score, member).
//
//   entry   score, high word | score, low word | ref of the element (element.ts, Extra.Score)
//
// The words of the score are the bits of the double turned so that they compare as signed integers, high word first:
// a negative number has all bits but the sign flipped, and of the low word the top bit is flipped. -0 is stored as 0,
// which it equals; the exact score is the element's. Where scores are equal, members are compared as bytes.

import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { compareBytes } from './bytes.ts';
import { CountedTree } from './counted-tree.ts';
import { KEY_LENGTH_MASK } from './element.ts';

/** Words of an entry, all of them the key. */
export const SCORE_ENTRY_WORDS = 3;
/** Word of an entry that has the ref of the element. */
export const SCORE_REF_WORD = 2;
/** Words of an element in front of its member: length and score. */
const MEMBER_WORD = 3;
const TOP_BIT = -2147483648;
const OTHER_BITS = 0x7fffffff;

/** What is sought among entries of the same score, or whatever their score. */
const Seek = { Member: 0, BeforeTies: 1, BehindTies: 2, LexBefore: 3, LexBehind: 4 } as const;

const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

export class ScoreTree extends CountedTree {
  readonly #bytes: Buffer[];
  readonly #elements: Int32Array[];
  /** What is sought: see Seek; the words of the score; the member. */
  #seek: number = Seek.Member;
  #high = 0;
  #low = 0;
  #buf: Buffer;
  #off = 0;
  #len = 0;

  constructor(memory: SharedMemory) {
    super(memory, SCORE_ENTRY_WORDS, SCORE_ENTRY_WORDS);
    this.#bytes = memory.bytes;
    this.#elements = memory.words;
    this.#buf = memory.bytes[0]!;
  }

  /** Ref of the cursor's element. */
  get ref(): number {
    return this.words[this.at + SCORE_REF_WORD]!;
  }

  /** Score of the cursor's entry; of -0 it is 0. */
  get score(): number {
    return wordsToScore(this.words[this.at]!, this.words[this.at + 1]!);
  }

  /** Puts the cursor at the entry of a member and its score, which is there. */
  seekMember(score: number, buf: Buffer, off: number, len: number): void {
    this.#want(Seek.Member, score, buf, off, len);
    this.seek();
  }

  /** Inserts a member, which is not there. @throws OutOfMemoryError; nothing was changed */
  insertMember(score: number, ref: number, buf: Buffer, off: number, len: number): void {
    this.#seekPlace(score, ref, buf, off, len);
    this.insertHere();
  }

  /** Fills `entry`, and puts the cursor where it belongs. */
  #seekPlace(score: number, ref: number, buf: Buffer, off: number, len: number): void {
    this.#want(Seek.Member, score, buf, off, len);
    this.entry[0] = this.#high;
    this.entry[1] = this.#low;
    this.entry[SCORE_REF_WORD] = ref;
    this.seekGap();
  }

  /** Inserts a member that comes behind all others. @throws OutOfMemoryError; nothing was changed */
  appendMember(score: number, ref: number): void {
    this.#want(Seek.Member, score, this.#buf, 0, 0);
    this.entry[0] = this.#high;
    this.entry[1] = this.#low;
    this.entry[SCORE_REF_WORD] = ref;
    this.append();
  }

  /**
   * Gives the cursor's entry another score.
   * @param old its score, and its member
   * @throws OutOfMemoryError; nothing was changed
   */
  rescoreHere(old: number, score: number, buf: Buffer, off: number, len: number): void {
    if (this.#rescoreInPlace(score, buf, off, len)) return;
    const { ref } = this;
    this.keepPlace();
    // In first, out later: only the first may fail. For a moment the member is there with both scores.
    this.#seekPlace(score, ref, buf, off, len);
    const isElsewhere = this.pathRef[0] !== this.keptLeaf;
    if (this.insertHere() && isElsewhere) this.backToPlace();
    else this.seekMember(old, buf, off, len);
    this.removeHere();
  }

  /**
   * Gives the cursor's entry another score, if its place among its neighbours in the leaf shows that the order stays.
   * @returns whether it did
   */
  #rescoreInPlace(score: number, buf: Buffer, off: number, len: number): boolean {
    if (this.indexInLeaf === 0 || this.run < 2) return false;
    this.#want(Seek.Member, score, buf, off, len);
    const { words, at } = this;
    if (!this.#isLess(words, at - SCORE_ENTRY_WORDS) || this.#isLess(words, at + SCORE_ENTRY_WORDS))
      return false;
    words[at] = this.#high;
    words[at + 1] = this.#low;
    return true;
  }

  /** Number of entries with a score below `score`. @param orEqual also those that have it */
  rankOfScore(score: number, orEqual: boolean): number {
    this.#want(orEqual ? Seek.BehindTies : Seek.BeforeTies, score, this.#buf, 0, 0);
    this.seek();
    return this.rank();
  }

  /** Number of entries with a member before these bytes, where all have the same score. @param orEqual also those bytes */
  rankOfMember(buf: Buffer, off: number, len: number, orEqual: boolean): number {
    this.#want(orEqual ? Seek.LexBehind : Seek.LexBefore, 0, buf, off, len);
    this.seek();
    return this.rank();
  }

  #want(seek: number, score: number, buf: Buffer, off: number, len: number): void {
    double[0] = score;
    let low = halves[0]!;
    let high = halves[1]!;
    if (high < 0) {
      if (high === TOP_BIT && low === 0) high = 0;
      else {
        high ^= OTHER_BITS;
        low = ~low;
      }
    }
    this.#seek = seek;
    this.#high = high;
    this.#low = low ^ TOP_BIT;
    this.#buf = buf;
    this.#off = off;
    this.#len = len;
  }

  protected override countLess(words: Int32Array, at: number, count: number, stride: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#isLess(words, at + middle * stride)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether an entry comes before what is sought. */
  #isLess(words: Int32Array, at: number): boolean {
    const seek = this.#seek;
    if (seek < Seek.LexBefore) {
      const high = words[at]!;
      if (high !== this.#high) return high < this.#high;
      const low = words[at + 1]!;
      if (low !== this.#low) return low < this.#low;
      if (seek !== Seek.Member) return seek === Seek.BehindTies;
    }
    const order = this.#compareMember(words[at + SCORE_REF_WORD]!);
    return seek === Seek.LexBehind ? order <= 0 : order < 0;
  }

  /** @returns below 0, 0 or above 0 as an element's member is before, is, or is behind the one sought */
  #compareMember(ref: number): number {
    const region = ref >>> REF_REGION_SHIFT;
    const w = (ref & REF_MASK) << 2;
    const len = this.#elements[region]![w]! & KEY_LENGTH_MASK;
    return compareBytes(this.#bytes[region]!, (w + MEMBER_WORD) << 2, len, this.#buf, this.#off, this.#len);
  }

  protected override compareEntries(a: Int32Array, atA: number, b: Int32Array, atB: number): number {
    if (a[atA] !== b[atB]) return a[atA]! < b[atB]! ? -1 : 1;
    if (a[atA + 1] !== b[atB + 1]) return a[atA + 1]! < b[atB + 1]! ? -1 : 1;
    const ref = b[atB + SCORE_REF_WORD]!;
    const region = ref >>> REF_REGION_SHIFT;
    const w = (ref & REF_MASK) << 2;
    this.#buf = this.#bytes[region]!;
    this.#off = (w + MEMBER_WORD) << 2;
    this.#len = this.#elements[region]![w]! & KEY_LENGTH_MASK;
    return this.#compareMember(a[atA + SCORE_REF_WORD]!);
  }
}

/** The score that the words of an entry stand for. */
function wordsToScore(high: number, low: number): number {
  halves[0] = high < 0 ? ~(low ^ TOP_BIT) : low ^ TOP_BIT;
  halves[1] = high < 0 ? high ^ OTHER_BITS : high;
  return double[0]!;
}
