// Counters of the server in shared memory: each thread writes only its own block, readers sum over the blocks.
//
//   stats    Float64Array: a block per thread, of STAT_COUNT counters (single writer each, so plain stores)
//   commands Float64Array: a block per thread, of commandCount x COMMAND_STAT_COUNT
//   latency  Float64Array: a block per thread, of commandCount x LATENCY_BUCKETS calls by power of two of microseconds
//   errors   Float64Array: a block per thread, of ERROR_PREFIXES.length
//   server   Float64Array: ServerGauge, of the server as a whole; written by the supervisor only (sampler.ts)
//
// A reader may miss an increment that is under way, never see a torn one. CONFIG RESETSTAT asks every thread to clear
// its own block, so that no counter has two writers.

import { THREADS_MAX } from '../memory/layout.ts';

export const Stat = {
  Commands: 0,
  Connections: 1,
  Rejected: 2,
  NetInput: 3,
  NetOutput: 4,
  ErrorReplies: 5,
  Reads: 6,
  Writes: 7,
  HandedOver: 9,
  RingFull: 10,
  Clients: 11,
  ClientMemory: 12,
  RateLimited: 13,
  RateLimitedNow: 14,
  MaxInputBuffer: 15,
  MaxOutputBuffer: 16,
  OutputLimitDisconnects: 17,
  QueryLimitDisconnects: 18,
  EvictionMs: 19,
  ExpireMs: 20,
  ExpireCapReached: 21,
  CpuUserMs: 22,
  CpuSystemMs: 23,
  HeapBytes: 24,
  Blocked: 26,
  EvictionExceededMs: 27,
  ClientsQueryMemory: 28,
  ClientsOutputMemory: 29,
  Keys: 30,
  LazyFreed: 31,
  /** Kept by the first shard worker: ms since the data set outgrew maxmemory, 0 while it has not. */
  EvictionExceededNowMs: 32,
  /** The same of active defragmentation: ms it has been going on, in all and now. */
  DefragMs: 33,
  DefragNowMs: 34,
  /** Percent of a core that active defragmentation takes now. */
  DefragPercent: 35,
  /** Listpacks and intsets of RESTORE that were checked to the last entry. */
  DumpSanitizations: 36,
  /** Kept by the worker that keeps waiting clients: keys waited for, those waited for in case of their deletion, clients with a time-out. */
  BlockingKeys: 40,
  BlockingKeysOnGone: 41,
  BlockedWithTimeout: 42,
  /** Bytes that clients take, and the most that one takes of those that may be evicted: see connection/client-memory.ts. */
  ClientsMemory: 43,
  LargestClient: 44,
  EvictedClients: 45,
  /** What access control has refused: authentications, commands, keys, channels. */
  AclDeniedAuth: 48,
  AclDeniedCommand: 49,
  AclDeniedKey: 50,
  AclDeniedChannel: 51,
} as const;
export const STAT_COUNT = 64;

/** What the supervisor publishes about the whole server. */
export const ServerGauge = {
  /** instantaneous_* of INFO: per second, and in KiB per second. */
  OpsPerSecond: 0,
  InputKibPerSecond: 1,
  OutputKibPerSecond: 2,
  /** Bytes. */
  RssBytes: 3,
  PeakBytes: 4,
  StartupBytes: 5,
  /** Unix time in ms of the largest use of memory. */
  PeakAt: 6,
  /** RSS of the program itself: what was resident beside the data a second after the start. */
  RuntimeBytes: 7,
} as const;
const SERVER_GAUGE_COUNT = 16;

/** What the persistence worker publishes: INFO's section of that name. Times are unix time in ms, 0 for never. */
export const PersistenceGauge = {
  LoadStartedAt: 0,
  LoadTotalBytes: 1,
  LoadedBytes: 2,
  KeysExpiredAtLoad: 3,
  KeysLoaded: 4,
  /** Changes counted in all when the snapshot began that was saved last. */
  DirtyAtSave: 5,
  /** 1 while a background save runs. */
  SaveRuns: 6,
  LastSaveAt: 8,
  /** 1: the last one failed. */
  LastSaveFailed: 9,
  /** Seconds that it took, plus one; 0: there was none. */
  LastSaveSeconds: 10,
  Saves: 11,
  AofOn: 12,
  RewriteRuns: 13,
  RewriteScheduled: 15,
  LastRewriteFailed: 16,
  LastRewriteSeconds: 17,
  Rewrites: 18,
  RewriteFailures: 19,
  AofWriteFailed: 20,
  AofBytes: 21,
  AofBaseBytes: 22,
  AofPendingBytes: 23,
  FsyncRuns: 24,
  DelayedFsyncs: 25,
  /** Of the running snapshot. */
  KeysSaved: 26,
  KeysToSave: 27,
  /** Bytes that acceptors saved before they changed them, for the running snapshot and the last ones: as copy-on-write in Redis. */
  PreservedBytes: 28,
  LastSavePreserved: 29,
  LastRewritePreserved: 30,
  SaveScheduled: 31,
  /** Of the running snapshot, whatever it is for. */
  SnapshotStartedAt: 32,
  /** Memory of what waits to be written to the log. */
  AofBufferBytes: 33,
  /** Memory in use when the file was written that is loaded. */
  LoadUsedMemory: 34,
} as const;
const PERSISTENCE_GAUGE_COUNT = 48;

/** Gauges: CONFIG RESETSTAT leaves them alone. */
const GAUGES: ReadonlySet<number> = new Set([
  Stat.Clients,
  Stat.ClientMemory,
  Stat.RateLimitedNow,
  Stat.CpuUserMs,
  Stat.CpuSystemMs,
  Stat.HeapBytes,
  Stat.Blocked,
  Stat.BlockingKeys,
  Stat.BlockingKeysOnGone,
  Stat.BlockedWithTimeout,
  Stat.ClientsQueryMemory,
  Stat.ClientsOutputMemory,
  Stat.ClientsMemory,
  Stat.LargestClient,
  Stat.Keys,
  Stat.EvictionExceededNowMs,
  Stat.DefragNowMs,
  Stat.DefragPercent,
]);

export const CommandStat = { Calls: 0, Usec: 1, Rejected: 2, Failed: 3 } as const;
export const COMMAND_STAT_COUNT = 4;
/** Bucket b counts calls of [2^(b-1), 2^b) microseconds; the last one all longer ones. */
export const LATENCY_BUCKETS = 32;

/** First words of error replies; INFO errorstats counts by them. The last one stands for all others. */
export const ERROR_PREFIXES = [
  'ERR', 'WRONGTYPE', 'OOM', 'NOAUTH', 'WRONGPASS', 'NOPERM', 'NOPROTO', 'NOSCRIPT', 'BUSY', 'BUSYKEY', 'BUSYGROUP',
  'EXECABORT', 'LOADING', 'MASTERDOWN', 'MISCONF', 'READONLY', 'NOREPLICAS', 'UNBLOCKED', 'NOGROUP', 'IOERR',
  'MOVED', 'ASK', 'TRYAGAIN', 'CROSSSLOT', 'CLUSTERDOWN', 'INVALIDOBJ', 'NOTBUSY', 'UNKILLABLE', 'DENIED', 'OTHER',
] as const; // biome-ignore format: a table

export interface StatBuffers {
  readonly stats: SharedArrayBuffer;
  readonly commands: SharedArrayBuffer;
  readonly latency: SharedArrayBuffer;
  readonly errors: SharedArrayBuffer;
  readonly server: SharedArrayBuffer;
  readonly persistence: SharedArrayBuffer;
  readonly commandCount: number;
}

/**
 * @param commandCount rows of the command table
 * @param threadCount highest id of a thread; sums over threads take less time with fewer
 */
export function allocateStats(commandCount: number, threadCount = THREADS_MAX): StatBuffers {
  return {
    stats: new SharedArrayBuffer(threadCount * STAT_COUNT * 8),
    commands: new SharedArrayBuffer(threadCount * commandCount * COMMAND_STAT_COUNT * 8),
    latency: new SharedArrayBuffer(threadCount * commandCount * LATENCY_BUCKETS * 8),
    errors: new SharedArrayBuffer(threadCount * ERROR_PREFIXES.length * 8),
    server: new SharedArrayBuffer(SERVER_GAUGE_COUNT * 8),
    persistence: new SharedArrayBuffer(PERSISTENCE_GAUGE_COUNT * 8),
    commandCount,
  };
}

export class Stats {
  readonly buffers: StatBuffers;
  readonly stats: Float64Array;
  readonly commands: Float64Array;
  readonly latency: Float64Array;
  readonly errors: Float64Array;
  /** By ServerGauge. */
  readonly server: Float64Array;
  /** By PersistenceGauge. */
  readonly persistence: Float64Array;
  readonly commandCount: number;
  /** latency-tracking: whether this thread keeps histograms of commands. */
  latencyTracking = true;
  /** Counts what this thread has done and not counted yet: called before the sums of commands are read. */
  settle: () => void = () => {};
  /** Where this thread's blocks begin. */
  readonly statBase: number;
  readonly commandBase: number;
  readonly latencyBase: number;
  readonly errorBase: number;

  /** @param thread id of the calling thread, 1..the number of threads allocated for */
  constructor(buffers: StatBuffers, thread: number) {
    this.buffers = buffers;
    this.stats = new Float64Array(buffers.stats);
    this.commands = new Float64Array(buffers.commands);
    this.latency = new Float64Array(buffers.latency);
    this.errors = new Float64Array(buffers.errors);
    this.server = new Float64Array(buffers.server);
    this.persistence = new Float64Array(buffers.persistence);
    this.commandCount = buffers.commandCount;
    const block = thread - 1;
    this.statBase = block * STAT_COUNT;
    this.commandBase = block * buffers.commandCount * COMMAND_STAT_COUNT;
    this.latencyBase = block * buffers.commandCount * LATENCY_BUCKETS;
    this.errorBase = block * ERROR_PREFIXES.length;
  }

  /** Adds to one of this thread's counters. */
  add(stat: number, by: number): void {
    this.stats[this.statBase + stat]! += by;
  }

  /** Sets one of this thread's gauges. */
  set(stat: number, value: number): void {
    this.stats[this.statBase + stat] = value;
  }

  /** Raises one of this thread's high-water marks. */
  raise(stat: number, value: number): void {
    if (value > this.stats[this.statBase + stat]!) this.stats[this.statBase + stat] = value;
  }

  /** Counts the time of `weight` calls of a command. @param usec of each, microseconds */
  timed(command: number, usec: number, weight: number): void {
    this.commands[this.commandBase + command * COMMAND_STAT_COUNT + CommandStat.Usec]! += usec * weight;
    if (!this.latencyTracking) return;
    const bucket = usec < 1 ? 0 : Math.min(LATENCY_BUCKETS - 1, 32 - Math.clz32(usec));
    this.latency[this.latencyBase + command * LATENCY_BUCKETS + bucket]! += weight;
  }

  countCommand(command: number, stat: number, by = 1): void {
    this.commands[this.commandBase + command * COMMAND_STAT_COUNT + stat]! += by;
  }

  /** Counts an error reply. @param text its text without '-' */
  countError(text: string): void {
    this.add(Stat.ErrorReplies, 1);
    const space = text.indexOf(' ');
    const prefix = space < 0 ? text : text.slice(0, space);
    const index = (ERROR_PREFIXES as readonly string[]).indexOf(prefix);
    this.errors[this.errorBase + (index < 0 ? ERROR_PREFIXES.length - 1 : index)]! += 1;
  }

  /** Sum of a counter over all threads. */
  sum(stat: number): number {
    this.settle();
    return sumBlocks(this.stats, STAT_COUNT, stat);
  }

  /** Largest value of a gauge over all threads. */
  max(stat: number): number {
    let max = 0;
    for (let at = stat; at < this.stats.length; at += STAT_COUNT) max = Math.max(max, this.stats[at]!);
    return max;
  }

  /** A counter of one thread. @param thread its id, from 1 */
  of(thread: number, stat: number): number {
    this.settle();
    return this.stats[(thread - 1) * STAT_COUNT + stat]!;
  }

  sumCommand(command: number, stat: number): number {
    this.settle();
    return sumBlocks(
      this.commands,
      this.commandCount * COMMAND_STAT_COUNT,
      command * COMMAND_STAT_COUNT + stat,
    );
  }

  sumLatency(command: number, bucket: number): number {
    this.settle();
    return sumBlocks(this.latency, this.commandCount * LATENCY_BUCKETS, command * LATENCY_BUCKETS + bucket);
  }

  sumError(index: number): number {
    return sumBlocks(this.errors, ERROR_PREFIXES.length, index);
  }

  /** CONFIG RESETSTAT for this thread: clears its counters, not its gauges. */
  reset(): void {
    this.settle();
    for (let stat = 0; stat < STAT_COUNT; stat++) if (!GAUGES.has(stat)) this.set(stat, 0);
    this.commands.fill(0, this.commandBase, this.commandBase + this.commandCount * COMMAND_STAT_COUNT);
    this.errors.fill(0, this.errorBase, this.errorBase + ERROR_PREFIXES.length);
    this.resetLatency();
  }

  /** LATENCY histograms of this thread. */
  resetLatency(): void {
    this.settle();
    this.latency.fill(0, this.latencyBase, this.latencyBase + this.commandCount * LATENCY_BUCKETS);
  }
}

function sumBlocks(values: Float64Array, blockSize: number, at: number): number {
  let sum = 0;
  for (let i = at; i < values.length; i += blockSize) sum += values[i]!;
  return sum;
}
