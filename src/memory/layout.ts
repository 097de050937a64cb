// The map of shared memory: which SharedArrayBuffers exist and where each word lives.
//
//   control   Int32Array/Float64Array: global words, thread blocks, shard headers (below)
//   databases Int32Array: one entry of DB_ENTRY_WORDS per (shard, database), see keyspace/
//   chunkMap  Int32Array: CHUNK_ENTRY_WORDS per 64 KiB chunk of every region, see arena.ts
//   watches   Int32Array: a table of WATCHed keys for each shard, see keyspace/watched.ts
//   regions   1 GiB each: the data set itself, cut into 64 KiB chunks, cut into blocks
//
//   control, in bytes:
//   0        global words, one per 128 bytes (GlobalWord): they are written by many threads
//   4096     thread blocks: THREADS_MAX x 256 bytes (doorbells, states)
//   20480    shard headers: SHARD_COUNT x SHARD_HEADER_BYTES
//              +0    lock word, alone on its 128 bytes
//              +128  used bytes (f64), evicted, expired ... (f64), see ShardCounter
//              +256  heads of the arena's lists of spans with room, one per size class
//              +640  words of the keyspace, see ShardWord
//
// A reference is a signed 32-bit number of 16-byte granules over all regions: region = ref >>> 26,
// byte in it = (ref & REF_MASK) << 4. 0 is "none" (chunk 0 is never given out). 2^32 granules are 64 GiB.
//
// Nothing here is written to disk; numbers may change freely.

export const SHARD_COUNT = 64;
export const SLOT_COUNT = 16384;
export const SLOTS_PER_SHARD = SLOT_COUNT / SHARD_COUNT;
/** slot >>> SLOT_TO_SHARD_SHIFT is the shard. */
export const SLOT_TO_SHARD_SHIFT = 8;

export const GRANULE_SHIFT = 4;
export const REGION_SHIFT = 30;
export const REGION_BYTES = 2 ** REGION_SHIFT;
/** ref >>> REF_REGION_SHIFT is the region. */
export const REF_REGION_SHIFT = REGION_SHIFT - GRANULE_SHIFT;
export const REF_MASK = 2 ** REF_REGION_SHIFT - 1;
export const REGIONS_MAX = 2 ** (32 - REF_REGION_SHIFT);

export const CHUNK_SHIFT = 16;
export const CHUNK_BYTES = 2 ** CHUNK_SHIFT;
/** ref >>> REF_CHUNK_SHIFT is the chunk, counted over all regions. */
export const REF_CHUNK_SHIFT = CHUNK_SHIFT - GRANULE_SHIFT;
export const CHUNKS_PER_REGION = REGION_BYTES / CHUNK_BYTES;

export const THREADS_MAX = 64 + 64 + 2;

/** Index of an Int32 in `control`; each has 128 bytes for itself. */
export const GlobalWord = {
  /** Lock of the chunk pool: thread id of the holder, see lock.ts. */
  PoolLock: 0,
  /** Memory in use by all shards in KiB, updated in steps (see UsageMeter). */
  UsedKiB: 32,
  /** Chunks given out by the pool. */
  ChunksUsed: 64,
  /** Lowest chunk that may be free. */
  PoolHint: 96,
  /** Highest chunk ever given out, plus one: what the kernel may have committed. */
  ChunksHigh: 128,
  /** CLIENT PAUSE: a `PauseMode`; until PauseUntil (seconds and ms words below). */
  PauseMode: 160,
  /** Number of clients in MONITOR, over all acceptors. */
  Monitors: 192,
  /** Bumped by each change of the configuration. */
  ConfigEpoch: 224,
  /** Connected clients over all acceptors. */
  Clients: 256,
  /** Next client id minus one. */
  LastClientId: 288,
  /** 1 while active expiry is off (DEBUG SET-ACTIVE-EXPIRE 0). */
  ActiveExpireOff: 320,
  /** Number of the last report to the supervisor, modulo 2^32: see execution/reports.ts. */
  Reports: 352,
  /** Bytes held by clients' buffers in KiB, over all acceptors. */
  ClientKiB: 384,
  /** Lazy-free work waiting: shards with a hidden database plus shards with buried records. */
  LazyFree: 416,
  /** Unix time at which CLIENT PAUSE ends, in units of 1 ms modulo 2^32. */
  PauseUntil: 448,
  /** 1 while the server must refuse commands because it loads data. */
  Loading: 480,
  /** 1 while background work is stopped (DEBUG PAUSE-CRON 1). */
  CronPaused: 512,
  /** 1 while checksums of RDB files and RESTORE payloads are not checked (SET-SKIP-CHECKSUM-VALIDATION). */
  SkipChecksums: 544,
  /** 1 while scripts may call commands marked noscript (SET-DISABLE-DENY-SCRIPTS). */
  DenyScriptsOff: 576,
  /** Bytes from which list elements get a node of their own, unsigned; 0: 1 GiB (QUICKLIST-PACKED-THRESHOLD). */
  QuicklistPackedThreshold: 608,
  /** Threads that have keys pinned for a long command. */
  Pinning: 640,
  /** Threads that have waited in vain for a moment without pins: long commands do not begin meanwhile. */
  PinsClosed: 641,
  /** Keys that clients wait for, in all: see keyspace/awaited.ts. */
  Awaited: 672,
  /** Keys that clients have WATCHed, in all: see keyspace/watched.ts; and these clients. Writers read it with Awaited. */
  Watching: 673,
  WatchingClients: 674,
  /**
   * Who has to learn of every key that changes: keys that are WATCHed, clients that track keys, and acceptors with keys left that
   * such clients have read. While it is 0, nobody has, and writers look at nothing else.
   */
  Noticing: 675,
  /** Clients in CLIENT TRACKING. */
  TrackingClients: 676,
  /** 1: a shard has its GoneMark set. */
  AwaitedGone: 704,
  /** Thread id of the worker that keeps the waiting clients. */
  WaitingThread: 736,
  /** 1 while effects of commands are wanted: a log is written or a replica listens. Changed with all shards locked. */
  ChangesWanted: 768,
  /** Number of the last change, modulo 2^32: added to while the locks of the change are held. */
  ChangeSeq: 800,
  /** Number of the last change that is as safe on disk as appendfsync always promises. */
  PersistedSeq: 832,
  /** 1: appendfsync always, replies wait for PersistedSeq. */
  HoldReplies: 864,
  /** While a snapshot runs: its number; a negative one while records are swept; else 0. See keyspace/snapshot.ts. */
  SnapshotActive: 896,
  /**
   * The epoch of the last snapshot: 0, then 1..255 and 1 again. Changed with all shards locked. Beside it, as they are
   * hardly ever written: the last number given out, and snapshots in a row that were not brought to their end.
   */
  SnapshotEpoch: 928,
  SnapshotLast: 929,
  SnapshotVoided: 930,
  /** 1 while walks are to wait: what they have sent is kept until somebody's large value is whole. */
  SnapshotHeld: 931,
  /** 1 while the persistence worker looks for changes every few ms without being told. */
  Draining: 992,
  /** Why writes are refused: a `WriteError`. */
  WriteError: 960,
} as const;

/** Values of `GlobalWord.WriteError`: none; the last snapshot failed (stop-writes-on-bgsave-error); the log cannot be written. */
export const WriteError = { None: 0, Snapshot: 1, Log: 2 } as const;

/** Values of `GlobalWord.PauseMode`. */
export const PauseMode = { None: 0, Writes: 1, All: 2 } as const;

export const THREADS_BYTE_OFFSET = 4096;
export const THREAD_BYTES = 256;
/** Int32 words inside a thread's block. */
export const ThreadWord = {
  /** Added to and notified by whoever has something for the thread. */
  Doorbell: 0,
  /** 1 while the thread sleeps (or is about to) on its doorbell. */
  Asleep: 1,
  /** Connections of an acceptor that were closed while they might wait for keys. */
  Leaves: 2,
  /** 1 for a shard worker. */
  Worker: 3,
  /** How many keys its long command holds, and from there on their hashes: see keyspace/pins.ts. */
  Pins: 4,
  PinnedHashes: 5,
} as const;

export const SHARDS_BYTE_OFFSET = THREADS_BYTE_OFFSET + Math.ceil((THREADS_MAX * THREAD_BYTES) / 4096) * 4096;
export const SHARD_HEADER_BYTES = 1024;
export const SHARD_COUNTERS_OFFSET = 128;
export const SHARD_HEADS_OFFSET = 256;
/** Float64 counters in a shard's header; written by the holder of the shard's lock. */
export const ShardCounter = {
  /** Bytes of blocks in use. */
  Used: 0,
  /** Blocks in use. */
  Blocks: 1,
  /** Keys removed because their time had come. */
  Expired: 2,
  /** Keys removed to make room. */
  Evicted: 3,
  /** Successful and failed look-ups of keys by reading commands. */
  Hits: 4,
  Misses: 5,
  /** Bytes of chunks owned. */
  Reserved: 6,
  /** Changes since the server started (not yet saved ones are a difference). */
  Dirty: 7,
  /** Times that an acceptor found the lock taken. */
  Contended: 8,
  /** Commands run with this shard as the first of their keys. */
  Commands: 9,
  /** Records and index blocks that active defragmentation moved; those it looked at and left. */
  DefragHits: 10,
  DefragMisses: 11,
  /** Fields of hashes removed because their time had come. */
  ExpiredFields: 12,
} as const;
/** Int32 words of a shard's header behind the heads; changed under the shard's lock. */
export const SHARD_WORDS_OFFSET = 640;
export const ShardWord = {
  /** First of the dead records whose values wait for lazy free, and how many there are. */
  Buried: 0,
  BuriedCount: 1,
  /** Keys that a long command holds while it lets the lock go: see keyspace/pins.ts. */
  Pinned: 2,
  /** Counts the times that an acceptor waited for the lock and got it: a long command lets it go until then. */
  Taken: 3,
  /** Keys that clients wait for, see keyspace/awaited.ts: how many, how many of them for their deletion, a mark. */
  Awaited: 4,
  AwaitedGone: 5,
  GoneMark: 6,
  /** Of snapshots: records being saved while the lock is free; the number of the last walk that came to the shard's end. */
  Saving: 7,
  Walked: 8,
  /** Keys of this shard that clients have WATCHed, see keyspace/watched.ts. */
  Watched: 9,
  /** First of 64 words of bits by index hash; they end the header. */
  AwaitedBits: 32,
} as const;
export const CONTROL_BYTES = SHARDS_BYTE_OFFSET + SHARD_COUNT * SHARD_HEADER_BYTES;

export const CHUNK_ENTRY_WORDS = 8;

/** Of the tables of watched keys, see keyspace/watched.ts; only what is used of them takes memory. */
export const WATCH_HEADER_WORDS = 4;
export const WATCH_BUCKETS = 4096;
export const WATCH_ENTRY_WORDS = 5;
export const WATCHES_PER_SHARD = 32768;
export const WATCH_SHARD_WORDS = WATCH_HEADER_WORDS + WATCH_BUCKETS + WATCHES_PER_SHARD * WATCH_ENTRY_WORDS;

/** Byte offset of a thread's block in `control`. */
export function threadOffset(thread: number): number {
  return THREADS_BYTE_OFFSET + thread * THREAD_BYTES;
}

/** Int32 index of a word of a thread's block in `control`. */
export function threadWord(thread: number, word: number): number {
  return (threadOffset(thread) >> 2) + word;
}

/** Int32 index in `control` of a ShardWord. */
export function shardWord(shard: number, word: number): number {
  return ((shardOffset(shard) + SHARD_WORDS_OFFSET) >> 2) + word;
}

/** Byte offset of a shard's header in `control`. */
export function shardOffset(shard: number): number {
  return SHARDS_BYTE_OFFSET + shard * SHARD_HEADER_BYTES;
}
