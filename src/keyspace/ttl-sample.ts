// An estimate of how long keys have left to live, and how many of them are overdue: INFO's avg_ttl and
// expired_stale_perc. Found by sampling when asked, so that writers need not keep count.
//
// A sample takes a few shards that have keys with an expiry, one segment of each of their slots at a random hash, and
// the expiries in it. Locks are tried, never waited for: a busy shard is passed over.

import { REF_MASK, REF_REGION_SHIFT, SHARD_COUNT, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import type { Keyspace } from './keyspace.ts';
import { RecordView } from './record.ts';
import { EntryFlag } from './segment-entries.ts';
import type { LockedShard } from './shard.ts';

const SHARDS_MAX = 4;
const KEYS_PER_SHARD_MAX = 20;

export interface TtlSample {
  /** Keys looked at whose time has not come, and the sum of their times to live in ms. */
  alive: number;
  ttlSum: number;
  /** Keys looked at whose time has come. */
  overdue: number;
}

export function sampleTtl(keyspace: Keyspace, db: number): TtlSample {
  const sample: TtlSample = { alive: 0, ttlSum: 0, overdue: 0 };
  const view = new RecordView(keyspace.memory);
  const first = Math.floor(Math.random() * SHARD_COUNT);
  let shards = 0;
  for (let i = 0; i < SHARD_COUNT && shards < SHARDS_MAX; i++) {
    const shard = keyspace.shards[(first + i) % SHARD_COUNT]!;
    if (shard.expires(db) === 0) continue;
    const locked = shard.tryAcquire();
    if (locked === null) continue;
    sampleShard(locked, db, view, keyspace.now, sample);
    locked.release();
    shards++;
  }
  return sample;
}

function sampleShard(shard: LockedShard, db: number, view: RecordView, now: number, sample: TtlSample): void {
  const firstSlot = Math.floor(Math.random() * SLOTS_PER_SHARD);
  const enough = sample.alive + sample.overdue + KEYS_PER_SHARD_MAX;
  for (let i = 0; i < SLOTS_PER_SHARD && sample.alive + sample.overdue < enough; i++) {
    const local = (firstSlot + i) % SLOTS_PER_SHARD;
    const segment = shard.index.segmentAt(db, local, (Math.random() * 2 ** 32) | 0);
    if (segment !== 0) sampleSegment(shard, segment, view, now, sample, enough);
  }
}

/** The segment's layout is drawn in slot-segments.ts. */
function sampleSegment(
  shard: LockedShard,
  segment: number,
  view: RecordView,
  now: number,
  sample: TtlSample,
  enough: number,
): void {
  const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
  const at = (segment & REF_MASK) << 2;
  if (words[at + 1]! >>> 16 === 0) return;
  const capacity = words[at]! >>> 16;
  for (let i = 0; i < capacity && sample.alive + sample.overdue < enough; i++) {
    const entry = at + SEGMENT_HEADER_WORDS + i * 2;
    const ref = words[entry + 1]!;
    if (ref === 0 || (words[entry]! & EntryFlag.Expires) === 0) continue;
    view.point(ref);
    const left = view.expireAt - now;
    if (left > 0) {
      sample.alive++;
      sample.ttlSum += left;
    } else sample.overdue++;
  }
}
