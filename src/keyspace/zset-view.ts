// Sorted sets: one view for the two ways in which they are kept, and Redis's rules for changing from one to the other.
//
//   listpack   at most zset-max-listpack-entries members, none of   bytes in the record (zset-listpack.ts)
//              more than zset-max-listpack-value bytes
//   skiplist   everything else                                      a root with blocks (structures/sorted-set.ts: a
//                                                                   hash table and a counted tree; the name is Redis's)
//
// Sorted sets never change back while they live; results of commands are made small at the end if they fit.
//
// A view has a record of its own: look the key up into `rec`, then open(). It stays good while the shard is locked, or
// the key pinned; changes through it keep it good, changes through others do not. Changes need memory first and touch the
// sorted set only then: after an OutOfMemoryError it is as it was (but it may have another encoding).
//
// The order is that of scores, and of bytes where these are equal; ranks count from 0. All ranges are ranges of ranks.

import type { ConfigStore } from '../config/store.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { ElementView } from '../structures/element.ts';
import { LISTPACK_EMPTY_BYTES, writeEmptyListpack } from '../structures/listpack.ts';
import { Member } from '../structures/member.ts';
import { SORTED_SET_ROOT_WORDS, SortedSet } from '../structures/sorted-set.ts';
import { Encoding, RecordView, rootBytes } from './record.ts';
import type { LockedShard } from './shard.ts';
import { type LexBound, LexEnd, type ScoreBound } from './zset-bounds.ts';
import { ZSetListpack } from './zset-listpack.ts';

/** When sorted sets change their encoding: the configuration's numbers, kept up to date. One per thread. */
export class ZSetLimits {
  listpackEntries = 128;
  listpackValue = 64;

  /** Takes the configured numbers, now and whenever they change. */
  follow(config: ConfigStore): void {
    const follow = (): void => {
      this.listpackEntries = config.getInt('zset-max-listpack-entries');
      this.listpackValue = config.getMemory('zset-max-listpack-value');
    };
    follow();
    config.watch('zset-max-listpack-entries', follow);
    config.watch('zset-max-listpack-value', follow);
  }

  /** The encoding of a new sorted set. @param count of members @param longest bytes of the longest member */
  encodingOf(count: number, longest: number): number {
    return count <= this.listpackEntries && longest <= this.listpackValue
      ? Encoding.Listpack
      : Encoding.Skiplist;
  }
}

/** Bytes of a sorted set without members. */
export function emptyZSetBytes(encoding: number): number {
  return encoding === Encoding.Listpack ? LISTPACK_EMPTY_BYTES : rootBytes(SORTED_SET_ROOT_WORDS);
}

export class ZSetView {
  readonly rec: RecordView;
  shard!: LockedShard;
  encoding: number = Encoding.Listpack;
  /** Score of the member that find() found, or that load() loaded. */
  score = 0;
  /** First and number of the ranks that scoreRange() or lexRange() found. */
  first = 0;
  count = 0;
  readonly set: SortedSet;
  readonly #limits: ZSetLimits;
  readonly #packed: ZSetListpack;
  readonly #element: ElementView;
  /** For members of a sorted set that is being converted. */
  readonly #member = new Member();
  /** The element that find() found. */
  #ref = 0;

  constructor(memory: SharedMemory, limits: ZSetLimits) {
    this.rec = new RecordView(memory);
    this.set = new SortedSet(memory);
    this.#limits = limits;
    this.#packed = new ZSetListpack(memory.bytes[0]!);
    this.#element = new ElementView(memory);
  }

  /** Begins to show the sorted set that `rec` points at. @param shard the record's */
  open(shard: LockedShard): void {
    const { rec } = this;
    this.shard = shard;
    this.encoding = rec.encoding;
    if (this.encoding === Encoding.Skiplist) this.set.open(shard.arena, rec.words, rec.rootWord);
    else this.#packed.open(rec);
  }

  /** As open(), for a record that was just made: writes a sorted set without members. */
  openNew(shard: LockedShard): void {
    const { rec } = this;
    if (rec.encoding === Encoding.Skiplist) {
      this.set.open(shard.arena, rec.words, rec.rootWord);
      this.set.create();
    } else writeEmptyListpack(rec.bytes, rec.valueOffset);
    this.open(shard);
  }

  /** Members. */
  get size(): number {
    return this.encoding === Encoding.Skiplist ? this.set.size : this.#packed.size;
  }

  // ---- one member ----

  /** Looks for a member. @returns whether it is there; its score is in `score` then */
  find(member: Member): boolean {
    if (this.encoding !== Encoding.Skiplist) {
      const found = this.#packed.find(member);
      this.score = this.#packed.score;
      return found;
    }
    const hash = member.hash();
    const ref = this.set.find(hash, member.buf, member.off, member.len);
    this.#ref = ref;
    if (ref === 0) return false;
    this.score = this.set.scoreOf(ref);
    return true;
  }

  /** Adds a member that is not there. @throws OutOfMemoryError; it is not there */
  add(member: Member, score: number): void {
    if (this.encoding !== Encoding.Skiplist) {
      member.text();
      if (this.#fits(member.len)) {
        this.#packed.insert(this.shard, this.rec, member, score);
        return;
      }
      this.toSkiplist();
    }
    const hash = member.hash();
    this.set.add(hash, score, member.buf, member.off, member.len);
  }

  /** As add(), of a member that comes behind all others. */
  append(member: Member, score: number): void {
    member.text();
    if (this.encoding !== Encoding.Skiplist) {
      if (this.#fits(member.len)) {
        this.#packed.append(this.shard, this.rec, member, score);
        return;
      }
      this.toSkiplist();
    }
    const hash = member.hash();
    this.set.append(hash, score, member.buf, member.off, member.len);
  }

  /** Gives the member that find() found another score. @param member it @throws OutOfMemoryError; nothing was changed */
  setScore(member: Member, score: number): void {
    if (this.encoding === Encoding.Skiplist) this.set.setScore(this.#ref, score);
    else this.#packed.setScore(this.shard, this.rec, member, score);
  }

  /** Removes the member that find() found. The last one leaves a sorted set whose record the caller deletes. */
  removeFound(member: Member): void {
    if (this.encoding === Encoding.Skiplist) this.set.removeElement(member.hash(), this.#ref);
    else this.#packed.removeFound(this.shard, this.rec);
  }

  /** Members before the one that find() found. */
  rankOfFound(): number {
    return this.encoding === Encoding.Skiplist ? this.set.rankOf(this.#ref) : this.#packed.rankOfFound();
  }

  // ---- ranges ----

  /**
   * Finds a range of ranks: `first` and `count`.
   * @param start first and @param stop last rank; negative ones count from the end
   * @param reverse whether ranks count from the last member
   */
  rankRange(start: number, stop: number, reverse: boolean): void {
    const { size } = this;
    const from = Math.max(0, start < 0 ? size + start : start);
    const to = Math.min(size - 1, stop < 0 ? size + stop : stop);
    this.count = Math.max(0, to - from + 1);
    this.first = reverse ? size - 1 - to : from;
  }

  /** Finds the ranks of the members with scores in a range: `first` and `count`. */
  scoreRange(min: ScoreBound, max: ScoreBound): void {
    const order = this.encoding === Encoding.Skiplist ? this.set.tree : this.#packed;
    this.first = order.rankOfScore(min.value, min.exclusive);
    const end = order.rankOfScore(max.value, !max.exclusive);
    this.count = Math.max(0, end - this.first);
  }

  /**
   * Finds the ranks of members in a range of members, all scores being alike: `first` and `count`. Where they are not,
   * the result is Redis's for small sets, and any for large ones.
   * @param reverse whether the range is gone through from its upper end
   * @param offset how many members to pass over first
   * @param most how many to find
   */
  lexRange(min: LexBound, max: LexBound, reverse: boolean, offset: number, most: number): void {
    if (this.encoding === Encoding.Skiplist) {
      const from = this.#rankOfBound(min, min.exclusive);
      const to = this.#rankOfBound(max, !max.exclusive);
      this.first = from;
      this.count = Math.max(0, to - from);
      this.limit(reverse, offset, most);
      return;
    }
    const packed = this.#packed;
    const start = packed.firstInLexRange(min, max, reverse);
    this.first = reverse ? start - offset : start + offset;
    this.count = start < 0 ? 0 : packed.lexRun(this.first, min, max, reverse, most);
    if (reverse) this.first -= this.count - 1;
  }

  /** Cuts the range that was found: passes over `offset` members from its beginning or end, and keeps at most `most`. */
  limit(reverse: boolean, offset: number, most: number): void {
    const left = Math.max(0, this.count - offset);
    const count = Math.min(left, most);
    this.first += reverse ? left - count : offset;
    this.count = count;
  }

  #rankOfBound(bound: LexBound, orEqual: boolean): number {
    if (bound.end !== LexEnd.Member) return bound.end === LexEnd.BeforeAll ? 0 : this.size;
    return this.set.tree.rankOfMember(bound.buf, bound.off, bound.len, orEqual);
  }

  /** Removes `count` members in order, from the one with `rank` others before it. */
  removeRange(rank: number, count: number): void {
    if (this.encoding === Encoding.Skiplist) this.set.removeRange(rank, count);
    else this.#packed.removeRange(this.shard, this.rec, rank, count);
  }

  // ---- cursor: good until the sorted set changes ----

  /** Goes to the member with `rank` others before it. @returns whether there is one */
  seekRank(rank: number): boolean {
    return this.encoding === Encoding.Skiplist ? this.set.tree.seekRank(rank) : this.#packed.seekRank(rank);
  }

  /** @returns false if there is no next member */
  next(): boolean {
    return this.encoding === Encoding.Skiplist ? this.set.tree.next() : this.#packed.next();
  }

  /** @returns false if there is none before */
  previous(): boolean {
    return this.encoding === Encoding.Skiplist ? this.set.tree.previous() : this.#packed.previous();
  }

  /** Brings the element at the cursor into the caches, for who comes for it soon. */
  touch(): void {
    if (this.encoding === Encoding.Skiplist) this.set.touchHere();
  }

  /** Sets `member` and `score` to those at the cursor. The member's bytes are the sorted set's. */
  load(member: Member): void {
    if (this.encoding === Encoding.Skiplist) {
      this.showElement(this.set.tree.ref, member);
      return;
    }
    this.#packed.load(member);
    this.score = this.#packed.score;
  }

  /** Sets `member` and `score` to an element of the hash table, such as its scan() finds them. */
  showElement(ref: number, member: Member): void {
    const element = this.#element;
    element.point(ref);
    this.score = element.score;
    member.setBytes(element.bytes, element.keyOffset, element.keyLength);
  }

  // ---- other encodings ----

  /** Makes it a skiplist. @throws OutOfMemoryError; nothing was changed */
  toSkiplist(): void {
    const { shard, rec, set } = this;
    const root = new Int32Array(SORTED_SET_ROOT_WORDS);
    const member = this.#member;
    set.open(shard.arena, root, 0);
    set.create();
    try {
      for (let more = this.seekRank(0); more; more = this.next()) {
        this.load(member);
        const hash = member.hash();
        set.append(hash, this.score, member.buf, member.off, member.len);
      }
      shard.overwriteValue(rec, Encoding.Skiplist, rootBytes(SORTED_SET_ROOT_WORDS));
    } catch (error) {
      set.freeSome(Number.POSITIVE_INFINITY);
      throw error;
    }
    for (let i = 0; i < SORTED_SET_ROOT_WORDS; i++) rec.words[rec.rootWord + i] = root[i]!;
    this.open(shard);
  }

  #fits(len: number): boolean {
    const { listpackEntries, listpackValue } = this.#limits;
    const packed = this.#packed;
    return packed.size < listpackEntries && len <= listpackValue && packed.mayGrow(len);
  }
}
