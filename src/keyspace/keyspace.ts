// A thread's view of the whole data set: its shards and the clock that expiry and eviction go by.

import { UsageMeter } from '../memory/arena.ts';
import { GlobalWord, SHARD_COUNT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { Structures } from '../structures/structures.ts';
import { AccessClock } from './access.ts';
import type { DeletionTarget } from './deletions.ts';
import { KeyEvents } from './key-events.ts';
import { seedKeyHash } from './key-hash.ts';
import type { RecordView } from './record.ts';
import { Shard } from './shard.ts';
import type { RecordSaver } from './snapshot.ts';
import type { KeyTracker } from './tracked.ts';

export class Keyspace {
  readonly memory: SharedMemory;
  readonly meter: UsageMeter;
  readonly shards: readonly Shard[];
  readonly structures: Structures;
  readonly clock = new AccessClock();
  /** Unix time in ms that commands run at; set once per read or batch, as Redis caches its clock. */
  now = 0;
  /** What saves records for snapshots on this thread; null where there are none. */
  saver: RecordSaver | null = null;
  /** What happens to keys, for those who have asked. */
  readonly events = new KeyEvents();
  /** Tells clients that cache keys; null where there are none ever. */
  tracker: KeyTracker | null = null;
  /** Who learns of what this thread deletes without a command; null if nobody ever does. */
  deletions: DeletionTarget | null = null;

  /** @param seed the server's key of the index hash, see randomSeed() */
  constructor(memory: SharedMemory, seed: readonly [number, number]) {
    this.memory = memory;
    this.meter = new UsageMeter(memory);
    this.structures = new Structures(memory);
    this.shards = Array.from(
      { length: SHARD_COUNT },
      (_, id) => new Shard(memory, id, this.meter, this.structures),
    );
    seedKeyHash(seed);
    this.setTime(Date.now());
  }

  setTime(now: number): void {
    this.now = now;
    this.clock.setTime(now);
  }

  /**
   * As setTime(), for commands of a log that is loaded: nothing expires, since the log says what has. Keys whose time came
   * while the server was down must be there until the end of the log, or its commands would make them anew.
   */
  setReplayTime(now: number): void {
    this.now = 0;
    this.clock.setTime(now);
  }

  /** A key is about to go by itself, or has changed so: because of its time, or for want of memory. Its shard is locked. */
  noticeGone(rec: RecordView): void {
    if (this.memory.control[GlobalWord.Noticing] === 0) return;
    this.tracker?.changed(rec.bytes, rec.keyOffset, rec.keyLength, 0);
  }

  /** Keys of a database; each shard's count is exact, their sum is not a point in time. */
  size(db: number): number {
    let keys = 0;
    for (const shard of this.shards) keys += shard.keys(db);
    return keys;
  }

  /** Keys with an expiry of a database. */
  expires(db: number): number {
    let keys = 0;
    for (const shard of this.shards) keys += shard.expires(db);
    return keys;
  }

  /** Hashes with fields that expire of a database. */
  fieldExpires(db: number): number {
    let keys = 0;
    for (const shard of this.shards) keys += shard.fieldExpires(db);
    return keys;
  }

  /** Bytes in use by all data, index included, within 32 KiB per thread. */
  usedBytes(): number {
    return Atomics.load(this.memory.control, GlobalWord.UsedKiB) * 1024;
  }

  /** Sum of a ShardCounter over all shards. */
  sum(counter: number): number {
    let sum = 0;
    for (const shard of this.shards) sum += shard.counter(counter);
    return sum;
  }
}
