// Eviction: makes room by removing keys when the data set is larger than maxmemory. After Redis's evict.c.
//
// LRU, LFU and TTL policies are approximated as Redis does: each round samples `maxmemory-samples` keys, puts the best
// candidates of all rounds into a pool of 16 ordered by score, and removes the best one that is still there.
//
//   score   LRU: seconds idle | LFU: 255 - counter | volatile-ttl: minus the expiry (sooner is better)
//
// One pool serves all shards and databases. A candidate is (shard, database, slot, hash, ref): no copy of its key is
// kept. It still stands if the index holds an entry of that hash and ref, and is dropped if it was used since.
//
// Sampling: a shard by its number of keys (or of keys with an expiry), a database in it likewise, a slot by its
// keys, a place in it at random, and from there entry after entry. volatile-* policies tell by bit 0 of an entry's
// hash, so records without expiry are not touched, and by a segment's header that none of its entries have it.
//
// A round holds one shard's lock at a time, for a few microseconds. Acceptors only try for locks and stop after
// `maxmemory-eviction-tenacity`'s time limit, at most ACCEPTOR_LIMIT_MS; the next command or a shard worker goes on.
//
// The change stream is told of evicted keys (deletions.ts).

import { NotifyFlag } from '../config/multi-values.ts';
import type { ConfigStore } from '../config/store.ts';
import {
  GlobalWord,
  REF_MASK,
  REF_REGION_SHIFT,
  SHARD_COUNT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
} from '../memory/layout.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import type { Keyspace } from './keyspace.ts';
import { isPinned } from './pins.ts';
import { RecordView } from './record.ts';
import { EntryFlag, HASH_MASK } from './segment-entries.ts';
import type { LockedShard } from './shard.ts';
import { LARGE_BYTES, needsSaving } from './snapshot.ts';

const POOL_SIZE = 16;
const SAMPLES_MAX = 64;
const LOCAL_MASK = SLOTS_PER_SHARD - 1;
const HASH_SPAN = 2 ** 32;
/** Rounds for which the shards' numbers of keys are taken as unchanged. */
const WEIGHTS_ROUNDS = 32;
/** Slots and segments that one round looks at in search of keys with an expiry. */
const ACCEPTOR_STEPS = 512;
const WORKER_STEPS = 1 << 20;
/** Busy shards after which an acceptor leaves the work to others. */
const ACCEPTOR_BUSY_MAX = 8;
const ACCEPTOR_LIMIT_MS = 10;
/** Rounds without an eviction (all candidates were used meanwhile) after which a call ends. */
const FRUITLESS_MAX = 256;

const Rank = { None: 0, Lru: 1, Lfu: 2, Ttl: 3, Random: 4 } as const;

/** What a round came to. */
const Round = { Evicted: 0, Again: 1, Busy: 2, Nothing: 3 } as const;
type Round = (typeof Round)[keyof typeof Round];

/**
 * Removes keys until the data set is within maxmemory. The caller holds no locks.
 * @param mayBlock whether the thread may sleep on locks (shard workers)
 * @returns true: there is room, or there will be soon (the time limit was reached, shards were busy, memory is being
 *   freed in the background); false: the policy leaves nothing to remove. Redis denies writes in the last case only.
 */
export function evictUntilRoom(evictor: Evictor, mayBlock: boolean): boolean {
  return evictor.run(mayBlock, Number.POSITIVE_INFINITY);
}

/** Milliseconds that one call may take, by maxmemory-eviction-tenacity 0..100, as evictionTimeLimitUs. */
export function evictionLimitMs(tenacity: number): number {
  if (tenacity <= 10) return (50 * tenacity) / 1000;
  if (tenacity < 100) return (500 * 1.15 ** (tenacity - 10)) / 1000;
  return Number.POSITIVE_INFINITY;
}

/** A thread's state of eviction. */
export class Evictor {
  readonly #keyspace: Keyspace;
  readonly #stats: Stats | null;
  readonly #view: RecordView;
  #maxMemory = 0;
  #mayBlock = false;
  #rank: number = Rank.None;
  #volatileOnly = false;
  #samples = 5;
  #limitMs = 0.5;
  /** Keys that may be evicted, by shard; as of WEIGHTS_ROUNDS rounds ago at most. */
  readonly #weights = new Float64Array(SHARD_COUNT);
  #weightSum = 0;
  #weightRounds = 0;
  /** The pool, ascending by score. */
  #poolCount = 0;
  readonly #poolScore = new Float64Array(POOL_SIZE);
  readonly #poolDb = new Int32Array(POOL_SIZE);
  readonly #poolSlot = new Int32Array(POOL_SIZE);
  readonly #poolHash = new Int32Array(POOL_SIZE);
  readonly #poolRef = new Int32Array(POOL_SIZE);
  /** What the last sampling found. */
  #sampled = 0;
  readonly #sampleSlot = new Int32Array(SAMPLES_MAX);
  readonly #sampleHash = new Int32Array(SAMPLES_MAX);
  readonly #sampleRef = new Int32Array(SAMPLES_MAX);
  readonly #sampleScore = new Float64Array(SAMPLES_MAX);

  /** @param stats where the time spent is counted */
  constructor(keyspace: Keyspace, config: ConfigStore, stats: Stats | null = null) {
    this.#keyspace = keyspace;
    this.#stats = stats;
    this.#view = new RecordView(keyspace.memory);
    const follow = (): void => this.#follow(config);
    follow();
    config.watch('maxmemory', follow);
    config.watch('maxmemory-policy', follow);
    config.watch('maxmemory-samples', follow);
    config.watch('maxmemory-eviction-tenacity', follow);
  }

  /** Whether the data set is larger than maxmemory. */
  get over(): boolean {
    return this.#maxMemory !== 0 && this.#keyspace.usedBytes() > this.#maxMemory;
  }

  /** As evictUntilRoom. @param limitMs time limit, if lower than the configured one */
  run(mayBlock: boolean, limitMs: number): boolean {
    this.#mayBlock = mayBlock;
    const meter = this.#keyspace.meter;
    // What this thread has allocated since its last step of 32 KiB counts too, or small limits would not hold.
    meter.flush();
    if (!this.over) return true;
    if (this.#rank === Rank.None) return this.#freeing();
    const start = performance.now();
    const limit = Math.min(limitMs, this.#limitMs, mayBlock ? Number.POSITIVE_INFINITY : ACCEPTOR_LIMIT_MS);
    let room = true;
    let busy = 0;
    for (let fruitless = 0; fruitless < FRUITLESS_MAX; ) {
      const round = this.#round(mayBlock);
      if (round === Round.Nothing) {
        room = this.#freeing();
        break;
      }
      if (round === Round.Evicted) {
        fruitless = 0;
        meter.flush();
        if (!this.over) break;
      } else fruitless++;
      if (round === Round.Busy && ++busy >= ACCEPTOR_BUSY_MAX) break;
      if (performance.now() - start >= limit) break;
    }
    if (this.#stats !== null) this.#stats.add(Stat.EvictionMs, performance.now() - start);
    return room;
  }

  #follow(config: ConfigStore): void {
    const policy = config.getEnum('maxmemory-policy');
    this.#maxMemory = config.getMemory('maxmemory');
    this.#volatileOnly = policy.startsWith('volatile-');
    this.#rank = Rank.None;
    if (policy.endsWith('-lru')) this.#rank = Rank.Lru;
    else if (policy.endsWith('-lfu')) this.#rank = Rank.Lfu;
    else if (policy.endsWith('-ttl')) this.#rank = Rank.Ttl;
    else if (policy.endsWith('-random')) this.#rank = Rank.Random;
    this.#samples = Math.min(SAMPLES_MAX, config.getInt('maxmemory-samples'));
    this.#limitMs = evictionLimitMs(config.getInt('maxmemory-eviction-tenacity'));
    // Scores of one policy mean nothing to another.
    this.#poolCount = 0;
    this.#weightRounds = 0;
  }

  /** Whether memory is being given back anyway: FLUSHDB ASYNC. */
  #freeing(): boolean {
    return Atomics.load(this.#keyspace.memory.control, GlobalWord.LazyFree) > 0;
  }

  /** Samples keys of one shard and evicts the best candidate there is. */
  #round(mayBlock: boolean): Round {
    const id = this.#pickShard();
    if (id < 0) return Round.Nothing;
    const locked = mayBlock ? this.#keyspace.shards[id]!.acquire() : this.#keyspace.shards[id]!.tryAcquire();
    if (locked === null) return Round.Busy;
    let evicted = false;
    try {
      const db = this.#pickDatabase(locked);
      if (db < 0) {
        this.#weightRounds = 0;
        return Round.Again;
      }
      this.#sample(
        locked,
        db,
        this.#rank === Rank.Random ? 1 : this.#samples,
        mayBlock ? WORKER_STEPS : ACCEPTOR_STEPS,
      );
      if (this.#rank === Rank.Random) evicted = this.#evictSample(locked, db);
      else this.#judge(locked, db);
    } finally {
      locked.release();
    }
    if (this.#rank === Rank.Random) return evicted ? Round.Evicted : Round.Again;
    return this.#evictBest(mayBlock);
  }

  /** Keys of a database in a shard that the policy may remove. */
  #candidates(shard: number, db: number): number {
    const { shards } = this.#keyspace;
    return this.#volatileOnly ? shards[shard]!.expires(db) : shards[shard]!.keys(db);
  }

  /** A shard at random by its candidates. @returns -1 if no shard has any */
  #pickShard(): number {
    if (this.#weightRounds === 0 || this.#weightSum === 0) this.#weigh();
    this.#weightRounds--;
    if (this.#weightSum === 0) return -1;
    let rest = Math.random() * this.#weightSum;
    let last = -1;
    for (let id = 0; id < SHARD_COUNT; id++) {
      if (this.#weights[id] === 0) continue;
      last = id;
      rest -= this.#weights[id]!;
      if (rest < 0) break;
    }
    return last;
  }

  #weigh(): void {
    const databases = this.#keyspace.memory.databaseCount;
    this.#weightSum = 0;
    for (let id = 0; id < SHARD_COUNT; id++) {
      let candidates = 0;
      for (let db = 0; db < databases; db++) candidates += this.#candidates(id, db);
      this.#weights[id] = candidates;
      this.#weightSum += candidates;
    }
    this.#weightRounds = WEIGHTS_ROUNDS;
  }

  /** A database of the shard at random by its candidates. @returns -1 if there are none (any more) */
  #pickDatabase(shard: LockedShard): number {
    const databases = this.#keyspace.memory.databaseCount;
    let sum = 0;
    let last = -1;
    for (let db = 0; db < databases; db++) {
      const candidates = this.#candidates(shard.id, db);
      if (candidates === 0) continue;
      sum += candidates;
      // Each database takes the place of those before it with the probability of its share: one pass is enough.
      if (candidates === sum || Math.random() * sum < candidates) last = db;
    }
    return last;
  }

  /** Finds `want` keys that the policy may remove, fewer if there are not as many within `steps`. */
  #sample(shard: LockedShard, db: number, want: number, steps: number): void {
    const { index } = shard;
    this.#sampled = 0;
    // By the number of keys, so that a slot with most of the keys is not spared.
    const first = index.slotOfNth(db, Math.floor(Math.random() * shard.keys(db)));
    const firstHash = Math.floor(Math.random() * HASH_SPAN);
    let local = first;
    let cursor = firstHash;
    let round = false;
    for (; steps > 0 && this.#sampled < want; steps--) {
      if (cursor >= HASH_SPAN || index.slotKeys(db, local) === 0) {
        local = (local + 1) & LOCAL_MASK;
        cursor = 0;
        if (local !== first) continue;
        if (round) return;
        round = true;
        continue;
      }
      if (round && local === first && cursor > firstHash) return;
      cursor = this.#sampleSegment(shard, db, local, cursor, want);
    }
  }

  /** Takes keys of one segment, from a random place on. @returns the hash behind the segment's range */
  #sampleSegment(shard: LockedShard, db: number, local: number, cursor: number, want: number): number {
    const segment = shard.index.segmentAt(db, local, cursor | 0);
    const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const volatiles = words[at + 1]! >>> 16;
    const width = 2 ** (32 - (words[at + 1]! & 0xff));
    const next = Math.floor(cursor / width) * width + width;
    if (this.#volatileOnly && volatiles === 0) return next;
    let place = Math.floor(Math.random() * capacity);
    for (let i = 0; i < capacity && this.#sampled < want; i++) {
      const entry = at + SEGMENT_HEADER_WORDS + place * 2;
      if (++place === capacity) place = 0;
      const hash = words[entry]!;
      if (words[entry + 1] === 0 || (this.#volatileOnly && (hash & EntryFlag.Expires) === 0)) continue;
      this.#sampleSlot[this.#sampled] = (shard.id << SLOT_TO_SHARD_SHIFT) | local;
      this.#sampleHash[this.#sampled] = hash & HASH_MASK;
      this.#sampleRef[this.#sampled++] = words[entry + 1]!;
    }
    return next;
  }

  /** Removes the one key sampled. */
  #evictSample(shard: LockedShard, db: number): boolean {
    if (this.#sampled === 0) return false;
    return this.#remove(shard, db, this.#sampleSlot[0]!, this.#sampleHash[0]!, this.#sampleRef[0]!);
  }

  /** Scores what was sampled and offers it to the pool. */
  #judge(shard: LockedShard, db: number): void {
    // Scores first: the records' cache misses overlap, as nothing else happens in between.
    for (let i = 0; i < this.#sampled; i++) {
      shard.meet(this.#view, db, this.#sampleSlot[i]!, this.#sampleHash[i]!, this.#sampleRef[i]!);
      this.#sampleScore[i] = this.#score();
    }
    for (let i = 0; i < this.#sampled; i++) {
      this.#offer(this.#sampleScore[i]!, db, this.#sampleSlot[i]!, this.#sampleHash[i]!, this.#sampleRef[i]!);
    }
  }

  /** Score of the record that the view points at: the higher, the sooner it goes. */
  #score(): number {
    const view = this.#view;
    if (this.#rank === Rank.Ttl) return -view.expireAt;
    if (this.#rank === Rank.Lfu) return 255 - this.#keyspace.clock.frequency(view.access);
    return this.#keyspace.clock.idleSeconds(view.access);
  }

  /** Puts a candidate into the pool if there is room or it is better than the worst one there. */
  #offer(score: number, db: number, slot: number, hash: number, ref: number): void {
    const count = this.#poolCount;
    if (count === POOL_SIZE && score <= this.#poolScore[0]!) return;
    for (let i = 0; i < count; i++) {
      if (this.#poolRef[i] === ref && this.#poolHash[i] === hash && this.#poolDb[i] === db) return;
    }
    let place = 0;
    while (place < count && this.#poolScore[place]! < score) place++;
    if (count < POOL_SIZE) {
      for (let i = count; i > place; i--) this.#copyCandidate(i - 1, i);
      this.#poolCount++;
    } else {
      place--;
      for (let i = 0; i < place; i++) this.#copyCandidate(i + 1, i);
    }
    this.#poolScore[place] = score;
    this.#poolDb[place] = db;
    this.#poolSlot[place] = slot;
    this.#poolHash[place] = hash;
    this.#poolRef[place] = ref;
  }

  #copyCandidate(from: number, to: number): void {
    this.#poolScore[to] = this.#poolScore[from]!;
    this.#poolDb[to] = this.#poolDb[from]!;
    this.#poolSlot[to] = this.#poolSlot[from]!;
    this.#poolHash[to] = this.#poolHash[from]!;
    this.#poolRef[to] = this.#poolRef[from]!;
  }

  /** Evicts the pool's best candidate that still stands; drops those that do not. */
  #evictBest(mayBlock: boolean): Round {
    while (this.#poolCount > 0) {
      const best = this.#poolCount - 1;
      const shard = this.#keyspace.shards[this.#poolSlot[best]! >>> SLOT_TO_SHARD_SHIFT]!;
      const locked = mayBlock ? shard.acquire() : shard.tryAcquire();
      if (locked === null) return Round.Busy;
      this.#poolCount = best;
      const evicted = this.#evictIfStanding(locked, best);
      locked.release();
      if (evicted) return Round.Evicted;
    }
    return Round.Again;
  }

  #evictIfStanding(shard: LockedShard, i: number): boolean {
    const db = this.#poolDb[i]!;
    const slot = this.#poolSlot[i]!;
    const hash = this.#poolHash[i]!;
    const ref = this.#poolRef[i]!;
    if (!shard.index.holds(db, slot & LOCAL_MASK, hash, ref)) return false;
    shard.meet(this.#view, db, slot, hash, ref);
    if (this.#volatileOnly && !this.#view.expires) return false;
    // Used since it was sampled: it has to be found again.
    if (this.#score() < this.#poolScore[i]!) return false;
    return this.#remove(shard, db, slot, hash, ref);
  }

  /** @returns false if a long command holds the key, or a snapshot needs it and others have to save it */
  #remove(shard: LockedShard, db: number, slot: number, hash: number, ref: number): boolean {
    shard.meet(this.#view, db, slot, hash, ref);
    if (needsSaving(shard.memory.control, this.#view) && !this.#save(shard)) return false;
    if (isPinned(shard.memory, shard.id, hash)) return false;
    const { deletions, events } = this.#keyspace;
    if (deletions?.wanted) deletions.keyEvicted(this.#view);
    if ((events.flags & NotifyFlag.Evicted) !== 0)
      events.tell('evicted', db, this.#view.bytes, this.#view.keyOffset, this.#view.keyLength);
    this.#keyspace.noticeGone(this.#view);
    shard.remove(this.#view);
    shard.count(ShardCounter.Evicted, 1);
    return true;
  }

  /** Saves the record that the view points at for a snapshot. @returns false if that takes too long here */
  #save(shard: LockedShard): boolean {
    const { saver } = this.#keyspace;
    if (saver === null) return true;
    if (saver.estimate(shard, this.#view) < LARGE_BYTES) {
      saver.save(shard, this.#view);
      saver.send();
      return true;
    }
    if (!this.#mayBlock) return false;
    saver.saveFree(shard, this.#view, { release: () => shard.release(), relock: () => void shard.acquire() });
    return true;
  }
}
