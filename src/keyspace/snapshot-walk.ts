// The walk of a snapshot over the shards of one worker: saves every record that nobody has saved before it got there. Or a
// sweep's, which only gives records the current epoch. See snapshot.ts.
//
// It goes by the positions of scan.ts, shard by shard and database by database, and holds a lock for HOLD_MS at most: many
// small records, or the beginning of a large one, which is saved with its key pinned and the lock free. What was gathered is
// sent when the lock is free. A hold may end amid the keys of a position; the next one then begins at it again and passes
// by those that are saved, which their epoch tells.
//
// A shard is done when the walk has come to its end and no other thread is amid saving a large record of it.

import { GlobalWord, ShardWord, SLOT_TO_SHARD_SHIFT, shardWord } from '../memory/layout.ts';
import type { Keyspace } from './keyspace.ts';
import { RecordView } from './record.ts';
import { KeyWalk } from './scan.ts';
import type { LockedShard, Shard } from './shard.ts';
import {
  type FreeLocks,
  GATHER_BYTES,
  GATHER_KEYS,
  LARGE_BYTES,
  noteWalked,
  type RecordSaver,
  sweepIfWanted,
} from './snapshot.ts';

/**
 * Work between two times of rest, and its part of the core: the rest is for commands. Where clients keep all cores busy, they
 * feel each step: measured on two cores, a share of a half makes their 99th percentile up to seven times the usual one, this
 * one less than twice; BGSAVE then takes a tenth longer than Redis's.
 */
const STEP_MS = 0.7;
const WALK_SHARE = 0.35;
/** How long a lock is held, about. */
const HOLD_MS = 0.2;
/** Records between two looks at the clock. */
const CLOCK_MASK = 7;
/** How soon rdb-key-save-delay is looked at again while it delays. */
const DELAY_MS = 20;
/** How often to look for something to do, and whether others are done with a shard. */
const IDLE_MS = 100;
const WAIT_MS = 1;

const EMPTY_WALK = new KeyWalk(0, 0);

export class SnapshotWalker implements FreeLocks {
  readonly #keyspace: Keyspace;
  readonly #control: Int32Array;
  readonly #shards: readonly Shard[];
  readonly #view: RecordView;
  /** The value of SnapshotActive that the walk is for; 0: none. */
  #walk = 0;
  /** Place in #shards, database, position. */
  #place = 0;
  #db = 0;
  #keys = EMPTY_WALK;
  /** The shard that is locked. */
  #shard: Shard;
  /** rdb-key-save-delay: µs for each key; below 0, one for so many. */
  keyDelay = 0;
  /** ms of it that are still to be waited for keys that are saved. */
  #owed = 0;

  readonly #holdMs: number;

  /**
   * @param shards the shards this thread looks after
   * @param holdMs how long a lock is held, about
   */
  constructor(keyspace: Keyspace, shards: readonly Shard[], holdMs = HOLD_MS) {
    this.#holdMs = holdMs;
    this.#keyspace = keyspace;
    this.#control = keyspace.memory.control;
    this.#shards = shards;
    this.#shard = keyspace.shards[0]!;
    this.#view = new RecordView(keyspace.memory);
  }

  /**
   * Does a step of about STEP_MS if there is work.
   * @param now performance.now()
   * @returns ms until the next step
   */
  step(now: number): number {
    const walk = Atomics.load(this.#control, GlobalWord.SnapshotActive);
    if (walk === 0) {
      sweepIfWanted(this.#control);
      return IDLE_MS;
    }
    const { saver } = this.#keyspace;
    if (walk > 0 && saver === null) return IDLE_MS;
    if (walk !== this.#walk) this.#begin(walk);
    if (walk > 0 && Atomics.load(this.#control, GlobalWord.SnapshotHeld) !== 0) return WAIT_MS;
    // A large value would be pinned while it is saved.
    if (Atomics.load(this.#control, GlobalWord.PinsClosed) !== 0) return WAIT_MS;
    if (this.#owed > 0) return this.#delay();
    const deadline = now + STEP_MS;
    let end = now;
    while (this.#place < this.#shards.length && end < deadline && this.#owed === 0) {
      if (!this.#hold(saver)) return WAIT_MS;
      end = performance.now();
    }
    return this.#place < this.#shards.length ? (end - now) * (1 / WALK_SHARE - 1) : IDLE_MS;
  }

  release(): void {
    (this.#shard as LockedShard).release();
  }

  relock(): void {
    this.#shard.acquire();
  }

  #begin(walk: number): void {
    this.#walk = walk;
    this.#owed = 0;
    this.#place = 0;
    this.#enterDatabase(0);
  }

  /** @returns ms to wait for keys that were saved, as far as the delay still holds */
  #delay(): number {
    if (this.keyDelay === 0) this.#owed = 0;
    const now = Math.min(DELAY_MS, this.#owed);
    this.#owed -= now;
    return now;
  }

  /** Notes that a key was saved. */
  #owe(): void {
    const delay = this.keyDelay;
    if (delay !== 0) this.#owed += (delay < 0 ? 1 / -delay : delay) / 1000;
  }

  #enterDatabase(db: number): void {
    const shard = this.#shards[this.#place];
    this.#db = db;
    this.#keys =
      shard === undefined
        ? EMPTY_WALK
        : new KeyWalk(shard.id << SLOT_TO_SHARD_SHIFT, (shard.id + 1) << SLOT_TO_SHARD_SHIFT);
  }

  /** Goes on with the walk under one lock. @returns whether it can go on at once */
  #hold(saver: RecordSaver | null): boolean {
    const shard = this.#shards[this.#place]!;
    const until = performance.now() + this.#holdMs;
    let done = false;
    this.#shard = shard;
    const locked = shard.acquire();
    try {
      // It may be over since, and another one have begun.
      if (this.#control[GlobalWord.SnapshotActive] !== this.#walk) return false;
      if (!this.#passShard(locked, saver, until)) return true;
      done = this.#control[shardWord(shard.id, ShardWord.Saving)] === 0;
      if (done) noteWalked(this.#control, this.#walk, shard.id);
    } finally {
      locked.release();
      if (saver !== null && saver.gathered > 0) saver.send();
    }
    if (!done) return false;
    if (this.#walk > 0) saver!.sink.shardDone(this.#walk, shard.id);
    this.#place++;
    this.#enterDatabase(0);
    return true;
  }

  /** @returns whether the shard's end is reached */
  #passShard(shard: LockedShard, saver: RecordSaver | null, until: number): boolean {
    const { databaseCount } = this.#keyspace.memory;
    for (;;) {
      while (!this.#keys.done) if (!this.#passKeys(shard, saver, until)) return false;
      if (this.#db + 1 >= databaseCount) return true;
      this.#enterDatabase(this.#db + 1);
    }
  }

  /** Saves the next keys. @returns false when the hold is to end */
  #passKeys(shard: LockedShard, saver: RecordSaver | null, until: number): boolean {
    const keys = this.#keys;
    const view = this.#view;
    const { slot, hash } = keys;
    const epoch = this.#control[GlobalWord.SnapshotEpoch]!;
    keys.gather(shard, this.#db, GATHER_KEYS);
    // Records lie scattered. The reads of so short a loop wait for memory side by side: saving takes a third less time.
    let unsaved = 0;
    for (let i = 0; i < keys.count; i++) {
      keys.meet(shard, this.#db, i, view);
      if (view.epoch !== epoch) unsaved++;
    }
    if (unsaved === 0) return performance.now() < until;
    for (let i = 0; i < keys.count; i++) {
      keys.meet(shard, this.#db, i, view);
      if (view.epoch === epoch) continue;
      if (this.#walk < 0) view.setEpoch(epoch);
      else if (saver!.estimate(shard, view) < LARGE_BYTES) {
        saver!.save(shard, view);
        this.#owe();
      } else {
        // What was met is not good any more when the lock was free; and what was gathered has to be sent before.
        keys.goTo(slot, hash);
        if (saver!.gathered === 0) {
          saver!.saveFree(shard, view, this);
          this.#owe();
        }
        return false;
      }
      const late = (i & CLOCK_MASK) === CLOCK_MASK && performance.now() >= until;
      if (late || (saver !== null && saver.gathered >= GATHER_BYTES)) {
        if (i + 1 < keys.count) keys.goTo(slot, hash);
        return false;
      }
    }
    return this.#owed === 0 && performance.now() < until;
  }
}
