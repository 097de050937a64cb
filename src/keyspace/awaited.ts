// Which keys clients wait for (BLPOP and its kind): what every thread must know of it. The waiting clients themselves
// are kept by one thread, the first shard worker (execution/waiting-room.ts).
//
//   control       GlobalWord.Awaited: how many keys are waited for, in all; nearly always 0
//                 GlobalWord.AwaitedGone: 1: some shard has its GoneMark set
//                 GlobalWord.WaitingThread: thread id of the keeper
//   shard header  ShardWord.Awaited: how many of them lie in this shard
//                 ShardWord.AwaitedGone: of these, keys whose deletion somebody waits for (XREADGROUP)
//                 ShardWord.GoneMark: 1: some key was deleted while there were such keys
//                 ShardWord.AwaitedBits: 2048 bits by the upper bits of the index hash
//
// Who is about to write a key that isAwaited() leaves it to the keeper, so that whoever waits is served before anybody
// else comes near the key. Bits go by hash alone: a key may be taken for one that is waited for, never the reverse.
//
// Owner rule: the keeper alone writes these words, apart from the marks. It sets them under the shard's lock, so that the
// holder of the lock sees all that concern it; it takes them back at any time, since a stale bit does no harm.

import { ring } from '../memory/doorbell.ts';
import { GlobalWord, ShardWord, SLOT_TO_SHARD_SHIFT, shardWord } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

const BUCKETS = 2048;
const BUCKET_SHIFT = 21;

/** Whether somebody may wait for a key. The caller holds the lock of its shard. */
export function isAwaited(control: Int32Array, shard: number, hash: number): boolean {
  if (control[shardWord(shard, ShardWord.Awaited)] === 0) return false;
  const bucket = hash >>> BUCKET_SHIFT;
  return ((control[shardWord(shard, ShardWord.AwaitedBits) + (bucket >>> 5)]! >>> (bucket & 31)) & 1) !== 0;
}

/** Lets the keeper know that a key of a shard with ShardWord.AwaitedGone was deleted. The caller holds the lock. */
export function markGone(control: Int32Array, shard: number): void {
  Atomics.store(control, shardWord(shard, ShardWord.GoneMark), 1);
  Atomics.store(control, GlobalWord.AwaitedGone, 1);
  ring(control, control[GlobalWord.WaitingThread]!);
}

/** The keeper's side: counts, of which the bits are what others see. */
export class AwaitedKeys {
  readonly #control: Int32Array;
  /** Keys by bucket, per shard; made when a shard gets its first one. */
  readonly #counts = new Map<number, Int32Array>();

  constructor(memory: SharedMemory) {
    this.#control = memory.control;
    Atomics.store(this.#control, GlobalWord.WaitingThread, memory.thread);
  }

  /** Counts a key in. The caller holds the lock of its shard. */
  add(slot: number, hash: number): void {
    const shard = slot >>> SLOT_TO_SHARD_SHIFT;
    const bucket = hash >>> BUCKET_SHIFT;
    const control = this.#control;
    let counts = this.#counts.get(shard);
    if (counts === undefined) {
      counts = new Int32Array(BUCKETS);
      this.#counts.set(shard, counts);
    }
    if (counts[bucket]!++ === 0) {
      control[shardWord(shard, ShardWord.AwaitedBits) + (bucket >>> 5)]! |= 1 << (bucket & 31);
    }
    control[shardWord(shard, ShardWord.Awaited)]! += 1;
    Atomics.add(control, GlobalWord.Awaited, 1);
  }

  remove(slot: number, hash: number): void {
    const shard = slot >>> SLOT_TO_SHARD_SHIFT;
    const bucket = hash >>> BUCKET_SHIFT;
    const control = this.#control;
    if (--this.#counts.get(shard)![bucket]! === 0) {
      control[shardWord(shard, ShardWord.AwaitedBits) + (bucket >>> 5)]! &= ~(1 << (bucket & 31));
    }
    control[shardWord(shard, ShardWord.Awaited)]! -= 1;
    Atomics.sub(control, GlobalWord.Awaited, 1);
  }

  /** Counts a key whose deletion matters in (1) or out (-1). */
  countGone(slot: number, by: number): void {
    this.#control[shardWord(slot >>> SLOT_TO_SHARD_SHIFT, ShardWord.AwaitedGone)]! += by;
  }

  /** Whether any shard is marked; a cheap look. */
  get marked(): boolean {
    return this.#control[GlobalWord.AwaitedGone] !== 0;
  }

  /** Takes the marks away. @returns the marked shards */
  takeMarks(shardCount: number): number[] {
    const control = this.#control;
    // First the one for all: a mark set from here on sets it again.
    Atomics.store(control, GlobalWord.AwaitedGone, 0);
    const shards: number[] = [];
    for (let shard = 0; shard < shardCount; shard++) {
      if (Atomics.exchange(control, shardWord(shard, ShardWord.GoneMark), 0) !== 0) shards.push(shard);
    }
    return shards;
  }
}
