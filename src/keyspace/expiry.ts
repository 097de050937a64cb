// Active expiry: removes keys, and fields of hashes, whose time has come although nobody asks for them. One Expirer per
// shard worker, for its shards. (Lazy expiry, on access, is in commands/context.ts and commands/hash-tools.ts.)
//
// The index keeps lower bounds of expiries, in seconds: one per (shard, database) and one per segment. A sweep visits
// only databases and segments whose bound is due, reads the expiry of each entry that has one, removes what has
// expired, and sets the bounds anew. Bounds are exact after a visit and only ever too low afterwards.
// Entries of hashes with fields that expire have a flag of their own, and the same bounds. Such a hash is visited if its
// own bound is due: the same again within it (structures/element-table.ts), FIELDS_AT_ONCE fields at a time. A hash with
// more holds the sweep at its segment until it is done.
//
// Pace. Sweeps begin `hz` times a second while anything is due. They run in steps of STEP_MS, holding a lock for
// HOLD_MS at most or one segment's visit, and take a share of one core as Redis's active cycle does: while more than
// (10 - effort)% of the keys visited have expired, 25% + 2% x effort; else (1 + effort)%, effort = active-expire-effort - 1.
// Thus a data set of any size costs little while few keys expire, and expired keys stay few.
// With at most PRECISE_KEYS_MAX keys that expire, a segment counts as due from the second on in which its bound lies;
// with more, when that second is over, so that the same segment is not visited again and again within it.

import { NotifyFlag } from '../config/multi-values.ts';
import type { ConfigStore } from '../config/store.ts';
import {
  GlobalWord,
  REF_MASK,
  REF_REGION_SHIFT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
} from '../memory/layout.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import { NO_EXPIRY, SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import { fieldsBound } from './field-bound.ts';
import { HashLimits, HashView } from './hash-view.ts';
import type { Keyspace } from './keyspace.ts';
import { isPinned } from './pins.ts';
import { RecordView } from './record.ts';
import { EntryFlag, HASH_MASK } from './segment-entries.ts';
import type { LockedShard, Shard } from './shard.ts';
import { DbWord } from './slot-segments.ts';

const HASH_SPAN = 2 ** 32;
const STEP_MS = 1;
const HOLD_MS = 0.1;
const PRECISE_KEYS_MAX = 20000;
/** Segments whose headers are looked at between two looks at the clock. */
const CLOCK_SEGMENTS = 16;
/** Fields of a hash removed between two looks at the clock, about. */
const FIELDS_AT_ONCE = 512;
const IDLE_MS = 1000;
const HZ_MAX = 500;

export class Expirer {
  readonly #keyspace: Keyspace;
  readonly #stats: Stats;
  readonly #shards: readonly Shard[];
  readonly #view: RecordView;
  readonly #hash: HashView;
  #period = 100;
  #effort = 0;
  /** Where the sweep is: place in #shards, database, slot in the shard, hash. */
  #place = 0;
  #db = 0;
  #local = 0;
  #cursor = 0;
  /** Shards and databases that the sweep has yet to pass; 0: no sweep under way. */
  #left = 0;
  #sweepStart = 0;
  /** Last second whose bounds are due in this sweep. */
  #dueSecond = 0;
  #visited = 0;
  #expired = 0;
  /** Expired entries of the segment being visited, and hashes in it whose fields are due. */
  readonly #refs: number[] = [];
  readonly #hashes: number[] = [];
  readonly #hashRefs: number[] = [];
  readonly #hashHashes: number[] = [];
  /** A hash that was not done at the end of a step, and where to go on in it. */
  #unfinished = 0;
  #fieldsFrom = 0;

  /** @param shards the shards this thread looks after */
  constructor(keyspace: Keyspace, config: ConfigStore, stats: Stats, shards: readonly Shard[]) {
    this.#keyspace = keyspace;
    this.#stats = stats;
    this.#shards = shards;
    this.#view = new RecordView(keyspace.memory);
    this.#hash = new HashView(keyspace.memory, new HashLimits());
    const follow = (): void => {
      this.#period = 1000 / Math.min(HZ_MAX, Math.max(1, config.getInt('hz')));
      this.#effort = config.getInt('active-expire-effort') - 1;
    };
    follow();
    config.watch('hz', follow);
    config.watch('active-expire-effort', follow);
  }

  /** Whether a sweep is under way, between two of its steps. */
  get sweeping(): boolean {
    return this.#left > 0;
  }

  /**
   * Does a step of about STEP_MS if there is work. The keyspace's clock must be set.
   * @param now performance.now()
   * @returns ms until the next step
   */
  step(now: number): number {
    if (Atomics.load(this.#keyspace.memory.control, GlobalWord.ActiveExpireOff) !== 0) return IDLE_MS;
    // A key with an early expiry may come at any time, so nothing due now is no reason to sleep for longer.
    if (this.#left === 0 && !this.#begin(now)) return this.#period;
    const deadline = now + STEP_MS;
    let end = now;
    while (this.#left > 0 && end < deadline) {
      this.#advance(end);
      end = performance.now();
    }
    this.#stats.add(Stat.ExpireMs, end - now);
    if (this.#left === 0) return Math.max(0, this.#sweepStart + this.#period - end);
    const fruitful = this.#expired * 100 > this.#visited * (10 - this.#effort);
    if (fruitful) this.#stats.add(Stat.ExpireCapReached, 1);
    const share = fruitful ? 0.25 + 0.02 * this.#effort : 0.01 * (1 + this.#effort);
    return (end - now) * (1 / share - 1);
  }

  /** Begins a sweep if anything is due. */
  #begin(now: number): boolean {
    const databases = this.#keyspace.memory.databaseCount;
    const second = Math.floor(this.#keyspace.now / 1000);
    let expires = 0;
    let next = NO_EXPIRY;
    for (const shard of this.#shards) {
      for (let db = 0; db < databases; db++) {
        if (shard.expires(db) + shard.fieldExpires(db) === 0) continue;
        expires += shard.expires(db) + shard.fieldExpires(db);
        next = Math.min(next, shard.index.dbWord(db, DbWord.NextExpiry));
      }
    }
    this.#dueSecond = expires <= PRECISE_KEYS_MAX ? second : second - 1;
    if (expires === 0 || next > this.#dueSecond) return false;
    this.#sweepStart = now;
    this.#left = this.#shards.length * databases;
    this.#visited = 0;
    this.#expired = 0;
    return true;
  }

  /** Goes on with the sweep: holds one shard's lock for HOLD_MS at most. */
  #advance(now: number): void {
    const databases = this.#keyspace.memory.databaseCount;
    const shard = this.#shards[this.#place]!;
    while (this.#left > 0 && !this.#isDue(shard, this.#db)) {
      if (this.#nextDatabase(databases)) return;
    }
    if (this.#left === 0) return;
    const locked = shard.acquire();
    try {
      if (this.#sweepDatabase(locked, this.#db, now + HOLD_MS)) this.#nextDatabase(databases);
    } finally {
      locked.release();
    }
  }

  #isDue(shard: Shard, db: number): boolean {
    const expires = shard.expires(db) + shard.fieldExpires(db);
    return expires > 0 && shard.index.dbWord(db, DbWord.NextExpiry) <= this.#dueSecond;
  }

  /** @returns whether that is in another shard */
  #nextDatabase(databases: number): boolean {
    this.#left--;
    this.#local = 0;
    this.#cursor = 0;
    if (++this.#db < databases) return false;
    this.#db = 0;
    if (++this.#place === this.#shards.length) this.#place = 0;
    return true;
  }

  /** Visits due segments from where the sweep is. @returns whether it came to the end of the database */
  #sweepDatabase(shard: LockedShard, db: number, deadline: number): boolean {
    const { index } = shard;
    for (let looked = 1; this.#local < SLOTS_PER_SHARD; looked++) {
      if (this.#cursor >= HASH_SPAN || index.slotKeys(db, this.#local) === 0) {
        this.#local++;
        this.#cursor = 0;
        continue;
      }
      const segment = index.segmentAt(db, this.#local, this.#cursor | 0);
      const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const width = 2 ** (32 - (words[at + 1]! & 0xff));
      const start = Math.floor(this.#cursor / width) * width;
      this.#cursor = start + width;
      const due = words[at + 1]! >>> 16 !== 0 && words[at + 2]! <= this.#dueSecond;
      if (due && !this.#visit(shard, db, words, at, deadline)) {
        this.#cursor = start;
        return false;
      }
      if ((due || looked % CLOCK_SEGMENTS === 0) && performance.now() >= deadline) return false;
    }
    this.#renewBound(shard, db);
    return true;
  }

  /**
   * Removes what has expired in a segment and sets its bound to the first expiry left.
   * @returns false if the deadline came first: then the segment is still due
   */
  #visit(shard: LockedShard, db: number, words: Int32Array, at: number, deadline: number): boolean {
    const second = this.#gather(shard, words, at);
    words[at + 2] = Math.min(NO_EXPIRY - 1, second);
    // Removing may rebuild the segment, so it begins when the walk over it is over.
    const view = this.#view;
    const slot = (shard.id << SLOT_TO_SHARD_SHIFT) | this.#local;
    const { deletions, events } = this.#keyspace;
    const notified = (events.flags & NotifyFlag.Expired) !== 0;
    const told = deletions?.wanted ? deletions : null;
    for (let i = 0; i < this.#refs.length; i++) {
      shard.meet(view, db, slot, this.#hashes[i]!, this.#refs[i]!);
      told?.keyExpired(view);
      if (notified) events.tell('expired', db, view.bytes, view.keyOffset, view.keyLength);
      this.#keyspace.noticeGone(view);
      shard.remove(view);
    }
    shard.count(ShardCounter.Expired, this.#refs.length);
    this.#expired += this.#refs.length;
    let done = true;
    for (let i = 0; i < this.#hashRefs.length; i++) {
      shard.meet(this.#hash.rec, db, slot, this.#hashHashes[i]!, this.#hashRefs[i]!);
      // What is not visited any more tells the segment its bound again.
      if (!done) shard.noteFields(this.#hash.rec);
      else done = this.#expireFields(shard, deadline);
    }
    return done;
  }

  /**
   * Goes through the entries of a segment: fills #refs and #hashes with expired keys, #hashRefs and #hashHashes with
   * hashes whose fields are due.
   * @returns the second of the first expiry among the others
   */
  #gather(shard: LockedShard, words: Int32Array, at: number): number {
    const { now } = this.#keyspace;
    const view = this.#view;
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    let first = Number.POSITIVE_INFINITY;
    this.#refs.length = 0;
    this.#hashes.length = 0;
    this.#hashRefs.length = 0;
    this.#hashHashes.length = 0;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      const ref = words[entry + 1]!;
      const hash = words[entry]! & HASH_MASK;
      if (ref === 0 || hash === words[entry]) continue;
      view.point(ref);
      const pinned = isPinned(shard.memory, shard.id, hash);
      if ((words[entry]! & EntryFlag.Expires) !== 0) {
        const { expireAt } = view;
        this.#visited++;
        if (expireAt <= now && !pinned) {
          this.#refs.push(ref);
          this.#hashes.push(hash);
          continue;
        }
        first = Math.min(first, Math.floor(expireAt / 1000));
      }
      if ((words[entry]! & EntryFlag.Fields) === 0) continue;
      const bound = fieldsBound(view);
      if (bound * 1000 <= now && !pinned) {
        this.#hashRefs.push(ref);
        this.#hashHashes.push(hash);
      } else first = Math.min(first, bound);
    }
    return first;
  }

  /**
   * Removes the expired fields of the hash that #hash.rec points at, and the hash if none is left; tells the index.
   * @returns false if the deadline came first
   */
  #expireFields(shard: LockedShard, deadline: number): boolean {
    const view = this.#hash;
    const { now } = this.#keyspace;
    view.open(shard);
    view.deletions = this.#keyspace.deletions?.wanted ? this.#keyspace.deletions : null;
    let from = this.#unfinished === view.rec.ref ? this.#fieldsFrom : 0;
    let removed = 0;
    this.#unfinished = 0;
    this.#visited += Math.min(FIELDS_AT_ONCE, view.size);
    do {
      from = view.expireSome(now, from, FIELDS_AT_ONCE);
      shard.count(ShardCounter.ExpiredFields, view.removed);
      this.#expired += view.removed;
      removed += view.removed;
    } while (from !== 0 && view.size > 0 && performance.now() < deadline);
    if (removed > 0) {
      this.#keyspace.noticeGone(view.rec);
      this.#notify(NotifyFlag.Hash, 'hexpired');
    }
    if (view.size === 0) {
      this.#notify(NotifyFlag.Generic, 'del');
      shard.remove(view.rec);
      return true;
    }
    shard.noteFields(view.rec);
    if (from === 0) return true;
    this.#unfinished = view.rec.ref;
    this.#fieldsFrom = from;
    return false;
  }

  /** Tells of an event of the hash in hand. */
  #notify(type: number, event: string): void {
    const { events } = this.#keyspace;
    const { rec } = this.#hash;
    if ((events.flags & type) !== 0) events.tell(event, rec.db, rec.bytes, rec.keyOffset, rec.keyLength);
  }

  /** Sets a database's bound from those of its segments, unless one of them is still due. */
  #renewBound(shard: LockedShard, db: number): void {
    const { index } = shard;
    let bound = NO_EXPIRY;
    for (let local = 0; local < SLOTS_PER_SHARD; local++) {
      if (index.slotKeys(db, local) === 0) continue;
      for (let cursor = 0; cursor < HASH_SPAN; ) {
        const segment = index.segmentAt(db, local, cursor | 0);
        const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
        const at = (segment & REF_MASK) << 2;
        const width = 2 ** (32 - (words[at + 1]! & 0xff));
        cursor = Math.floor(cursor / width) * width + width;
        if (words[at + 2]! < bound) bound = words[at + 2]!;
        if (bound < this.#dueSecond) return;
      }
    }
    index.setDbWord(db, DbWord.NextExpiry, bound);
  }
}
