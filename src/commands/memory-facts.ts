// What INFO memory, MEMORY STATS and MEMORY DOCTOR tell of the server's memory, all from the same figures.
//
// As in Redis: overhead is what is used beside the data set itself (what was in use at start, clients, the index), and
// dataset is the rest. The allocator is the arena: allocated are blocks in use, active the chunks that shards hold,
// resident the chunks that were ever touched, which the kernel may have committed.

import type { Keyspace } from '../keyspace/keyspace.ts';
import { memoryUsage } from '../keyspace/memory-usage.ts';
import { SLOTS_PER_SHARD } from '../memory/layout.ts';
import { ServerGauge } from '../metrics/stats.ts';
import type { CommandContext } from './context.ts';

/** Bytes of an entry of the index at its usual load of 70 to 88%. */
const INDEX_ENTRY_BYTES = 10;
const SEGMENT_HEADER_BYTES = 16;
const SLOT_TABLE_BYTES = SLOTS_PER_SHARD * 8;

/** All in bytes but for keys. */
export interface MemoryFacts {
  readonly used: number;
  readonly peak: number;
  /** Unix time in ms. */
  readonly peakAt: number;
  readonly startup: number;
  readonly clients: number;
  readonly overhead: number;
  readonly dataset: number;
  /** Percent of what is used above what was in use at start. */
  readonly datasetPercent: number;
  readonly peakPercent: number;
  readonly rss: number;
  /** RSS that is not the data: the program, its threads and their heaps. */
  readonly runtime: number;
  readonly allocated: number;
  readonly active: number;
  readonly resident: number;
  readonly keys: number;
  /** Index of each database that has keys. */
  readonly indexes: readonly { readonly db: number; readonly bytes: number }[];
}

export function memoryFacts(cx: CommandContext): MemoryFacts {
  const { keyspace } = cx;
  const gauges = cx.server.stats.server;
  const usage = memoryUsage(keyspace, cx.server.stats);
  const indexes = indexSizes(keyspace);
  const startup = gauges[ServerGauge.StartupBytes]!;
  const peak = Math.max(gauges[ServerGauge.PeakBytes]!, usage.used);
  const index = indexes.reduce((sum, each) => sum + each.bytes, 0);
  const overhead = Math.min(usage.used, startup + usage.clients + index);
  const dataset = usage.used - overhead;
  const net = usage.used - startup;
  return {
    used: usage.used,
    peak,
    peakAt: gauges[ServerGauge.PeakAt]!,
    startup,
    clients: usage.clients,
    overhead,
    dataset,
    datasetPercent: net > 0 ? (dataset * 100) / net : 0,
    peakPercent: (usage.used * 100) / peak,
    rss: gauges[ServerGauge.RssBytes]!,
    runtime: gauges[ServerGauge.RuntimeBytes]!,
    allocated: usage.data,
    active: usage.active,
    resident: Math.max(usage.resident, usage.active),
    keys: totalKeys(keyspace),
    indexes,
  };
}

export function totalKeys(keyspace: Keyspace): number {
  let keys = 0;
  for (let db = 0; db < keyspace.memory.databaseCount; db++) keys += keyspace.size(db);
  return keys;
}

/** Estimated from the number of keys: the index keeps no sum of its own. */
function indexSizes(keyspace: Keyspace): { db: number; bytes: number }[] {
  const sizes: { db: number; bytes: number }[] = [];
  for (let db = 0; db < keyspace.memory.databaseCount; db++) {
    let bytes = 0;
    for (const shard of keyspace.shards) bytes += indexBytes(shard.keys(db));
    if (bytes > 0) sizes.push({ db, bytes });
  }
  return sizes;
}

function indexBytes(keys: number): number {
  if (keys === 0) return 0;
  return SLOT_TABLE_BYTES + keys * INDEX_ENTRY_BYTES + Math.min(keys, SLOTS_PER_SHARD) * SEGMENT_HEADER_BYTES;
}

/** Bytes that a key's entry in the index takes, about. */
export const INDEX_BYTES_PER_KEY = INDEX_ENTRY_BYTES;
