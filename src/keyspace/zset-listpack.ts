// Small sorted sets: a listpack in the record, member and score in turn, in ascending order (score, then bytes of the
// member). Redis's own layout: integers, members and scores alike, are integer entries; other scores are their text,
// that of Redis 7.0 with 17 digits. (Later versions write the shortest; all read both.)
//
//   header | m1 | s1 | m2 | s2 | ... | end
//
// A flyweight with two positions: the pair that was found, and a cursor that walks. zset-view.ts puts it together with
// the large form.

import { formatDouble, parseDouble } from '../protocol/doubles.ts';
import { compareBytes } from '../structures/bytes.ts';
import { EntryEncoder, LISTPACK_BYTES_MAX, LISTPACK_HEADER_BYTES, Listpack } from '../structures/listpack.ts';
import type { Member } from '../structures/member.ts';
import { insertPair, openListpack, removeEntries } from './packed.ts';
import type { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';
import type { LexBound } from './zset-bounds.ts';

/** Longest text of a score. */
const SCORE_TEXT_MAX = 32;

/** Whole scores up to this size are integer entries: half of what 64 bits hold. */
const SCORE_INTEGER_MAX = 2 ** 62;

/**
 * Sets an entry to a score as Redis does: an integer if it is whole (so -0 becomes 0), else its text.
 * @param text room for the text, 32 bytes, until the entry is written
 */
export function encodeScore(entry: EntryEncoder, score: number, text: Buffer): void {
  if (Number.isInteger(score) && Math.abs(score) <= SCORE_INTEGER_MAX) entry.setInteger(score);
  else entry.set(text, 0, text.write(formatDouble(score), 'latin1'));
}

export class ZSetListpack {
  /** Score of the pair that find() found, or that load() loaded. */
  score = 0;
  /** Position of the pair that find() found. */
  found = 0;
  readonly #listpack: Listpack;
  readonly #member: EntryEncoder;
  readonly #score: EntryEncoder;
  readonly #text: Buffer = Buffer.alloc(SCORE_TEXT_MAX);
  /** Position of the cursor's pair. */
  #at = 0;

  /** @param some any buffer of the memory */
  constructor(some: Buffer) {
    this.#listpack = new Listpack(some);
    this.#member = new EntryEncoder(some);
    this.#score = new EntryEncoder(some);
  }

  open(rec: RecordView): void {
    openListpack(this.#listpack, rec);
  }

  /** Number of members. */
  get size(): number {
    return this.#listpack.count() >> 1;
  }

  /** Whether a member of `len` bytes more leaves the listpack within its limit. */
  mayGrow(len: number): boolean {
    return this.#listpack.size + len + SCORE_TEXT_MAX < LISTPACK_BYTES_MAX;
  }

  // ---- one member ----

  /** Looks for a member: its position is `found` then, and its score `score`. */
  find(member: Member): boolean {
    const lp = this.#listpack;
    member.text();
    if (!lp.first() || !lp.find(member.buf, member.off, member.len, 1)) return false;
    this.found = lp.pos;
    lp.next();
    this.score = this.#scoreHere();
    return true;
  }

  /** Members before the one that was found. */
  rankOfFound(): number {
    const lp = this.#listpack;
    let rank = 0;
    for (let at = LISTPACK_HEADER_BYTES; at < this.found; at = lp.forward(at, 2)) rank++;
    return rank;
  }

  /** Adds a member, which is not there, in its place. @throws OutOfMemoryError; nothing was changed */
  insert(shard: LockedShard, rec: RecordView, member: Member, score: number): void {
    this.#insertAt(shard, rec, this.#placeOf(member, score), member, score);
  }

  /** Adds a member that comes behind all others. @throws OutOfMemoryError; nothing was changed */
  append(shard: LockedShard, rec: RecordView, member: Member, score: number): void {
    member.text();
    this.#insertAt(shard, rec, this.#listpack.end, member, score);
  }

  /**
   * Gives the member that was found another score.
   * @param member its bytes, not those in the listpack
   * @throws OutOfMemoryError; nothing was changed
   */
  setScore(shard: LockedShard, rec: RecordView, member: Member, score: number): void {
    const lp = this.#listpack;
    const old = this.found;
    const place = this.#placeOf(member, score);
    const size = lp.size;
    // In first, out later: only the first may fail.
    this.#insertAt(shard, rec, place, member, score);
    const grown = lp.size - size;
    removeEntries(shard, rec, lp, place <= old ? old + grown : old, 2);
  }

  /** Removes the member that was found. */
  removeFound(shard: LockedShard, rec: RecordView): void {
    removeEntries(shard, rec, this.#listpack, this.found, 2);
  }

  /** Removes `count` members from the one with `rank` others before it. */
  removeRange(shard: LockedShard, rec: RecordView, rank: number, count: number): void {
    const lp = this.#listpack;
    removeEntries(shard, rec, lp, lp.forward(LISTPACK_HEADER_BYTES, rank * 2), count * 2);
  }

  #insertAt(shard: LockedShard, rec: RecordView, pos: number, member: Member, score: number): void {
    if (member.isInteger()) this.#member.setWords(member.low, member.high);
    else this.#member.setString(member.buf, member.off, member.len);
    encodeScore(this.#score, score, this.#text);
    insertPair(shard, rec, this.#listpack, pos, this.#member, this.#score);
  }

  /** Position of the first pair that comes behind a member with a score. */
  #placeOf(member: Member, score: number): number {
    const lp = this.#listpack;
    member.text();
    for (let more = lp.first(); more; ) {
      const { pos } = lp;
      lp.next();
      const other = this.#scoreHere();
      if (other > score) return pos;
      if (other === score) {
        const next = lp.pos;
        lp.at(pos);
        lp.text();
        if (compareBytes(lp.buf, lp.off, lp.len, member.buf, member.off, member.len) > 0) return pos;
        lp.at(next);
      }
      more = lp.next();
    }
    return lp.end;
  }

  /** The score that the listpack's current entry is. */
  #scoreHere(): number {
    const lp = this.#listpack;
    return lp.isInteger ? lp.integer() : parseDouble(lp.buf, lp.off, lp.len);
  }

  // ---- ranges ----

  /** Number of members with a score below `score`. @param orEqual also those that have it */
  rankOfScore(score: number, orEqual: boolean): number {
    const lp = this.#listpack;
    let rank = 0;
    for (let more = lp.first(); more; more = lp.next()) {
      lp.next();
      const other = this.#scoreHere();
      if (other > score || (other === score && !orEqual)) break;
      rank++;
    }
    return rank;
  }

  /**
   * The first member in a range of members, seen from its lower end, or from its upper one. Where scores differ,
   * members are not in order: then this is what Redis finds, going through them.
   * @returns its rank, -1 if there is none
   */
  firstInLexRange(min: LexBound, max: LexBound, reverse: boolean): number {
    const lp = this.#listpack;
    const { size } = this;
    if (min.isEmptyWith(max) || !lp.seek(-2) || !this.#isMin(min) || !lp.first() || !this.#isMax(max))
      return -1;
    let rank = reverse ? size - 1 : 0;
    for (let more = reverse ? lp.seek(-2) : lp.first(); more; ) {
      if (reverse ? this.#isMax(max) : this.#isMin(min))
        return (reverse ? this.#isMin(min) : this.#isMax(max)) ? rank : -1;
      more = reverse ? lp.prev() && lp.prev() : lp.next() && lp.next();
      rank += reverse ? -1 : 1;
    }
    return -1;
  }

  /** Members from a rank on, in one direction, up to the first that is outside the range. @param most stop at so many */
  lexRun(rank: number, min: LexBound, max: LexBound, reverse: boolean, most: number): number {
    const lp = this.#listpack;
    let run = 0;
    for (let more = rank >= 0 && lp.seek(rank * 2); more && run < most; ) {
      if (!(reverse ? this.#isMin(min) : this.#isMax(max))) break;
      run++;
      more = reverse ? lp.prev() && lp.prev() : lp.next() && lp.next();
    }
    return run;
  }

  #isMin(min: LexBound): boolean {
    const lp = this.#listpack;
    lp.text();
    return min.isMinOf(lp.buf, lp.off, lp.len);
  }

  #isMax(max: LexBound): boolean {
    const lp = this.#listpack;
    lp.text();
    return max.isMaxOf(lp.buf, lp.off, lp.len);
  }

  // ---- cursor ----

  /** Puts the cursor at the pair with `rank` others before it. @returns whether there is one */
  seekRank(rank: number): boolean {
    const there = this.#listpack.seek(rank * 2);
    this.#at = this.#listpack.pos;
    return there;
  }

  next(): boolean {
    const lp = this.#listpack;
    const pos = lp.forward(this.#at, 2);
    if (pos === lp.end) return false;
    this.#at = pos;
    return true;
  }

  previous(): boolean {
    const lp = this.#listpack;
    lp.at(this.#at);
    if (!lp.prev() || !lp.prev()) return false;
    this.#at = lp.pos;
    return true;
  }

  /** Sets `member` to the cursor's, and `score`. */
  load(member: Member): void {
    const lp = this.#listpack;
    lp.at(this.#at);
    if (lp.isInteger) member.setWords(lp.low, lp.high);
    else member.setBytes(lp.buf, lp.off, lp.len);
    lp.next();
    this.score = this.#scoreHere();
  }
}
