// Snapshots: the data set as it was at one moment, written out while commands go on.
//
// Every record has an epoch: the snapshot in which it was saved, or the last one begun before the record was made. At the
// start of a snapshot the epoch goes up by one, with all shards locked; from then on every record of another epoch is to
// be saved before it is changed, moved to another database or deleted. Whoever saves it sets its epoch:
//   - the walk (snapshot-walk.ts), which visits every shard on its worker, step by step;
//   - who is about to change or remove a record that the walk has not come to (execution/preserve.ts, eviction).
// So each record is saved exactly once, as it was at the start. Records that expire are left to do so.
//
//   SnapshotActive   > 0: number of the snapshot that runs | < 0: a sweep | 0: neither
//   SnapshotEpoch    1..255, then 1 again: records have 8 bits for it; 0 before the first one
//   SnapshotVoided   snapshots in a row that were not brought to their end
//
// FLUSHALL, FLUSHDB and SWAPDB void a snapshot, which then begins anew: nobody is to wait until whole databases are saved.
// Small ones are saved, though, and large ones too once VOIDS_IN_A_ROW snapshots have been voided: each comes to its end,
// whatever clients do. FLUSHALL leaves nothing to be saved. Whoever takes the bytes and cannot go on gives a snapshot up, too
// (abortSnapshot, which needs no lock).
//
// A snapshot that comes to its end leaves all records with its epoch. One that is voided leaves older epochs behind, which
// must not come round again before they are gone: after SWEEP_AFTER of them the shard workers sweep, a walk that gives
// all records the current epoch and saves nothing. With VOIDED_MAX in a row no snapshot begins before that is done.
//
// Owner rule: SnapshotActive becomes positive with all shards locked, and any other value by compare-and-exchange: a thread
// that holds a shard's lock may see it end, but not begin.

import { ring } from '../memory/doorbell.ts';
import {
  GlobalWord,
  SHARD_COUNT,
  ShardWord,
  SLOT_TO_SHARD_SHIFT,
  shardWord,
  THREADS_MAX,
  ThreadWord,
  threadWord,
} from '../memory/layout.ts';
import type { Keyspace } from './keyspace.ts';
import { anyPins, withoutPins } from './pins.ts';
import { RecordView } from './record.ts';
import { KeyWalk } from './scan.ts';
import type { LockedShard } from './shard.ts';

const EPOCH_MAX = 255;
const NUMBER_MASK = 0x7fffffff;
/** Voided snapshots in a row after which records are swept, and with which none begins before they are. */
const SWEEP_AFTER = 64;
export const VOIDED_MAX = 250;
/** As many are voided in a row, at most, by FLUSHDB and SWAPDB of databases that are not small. */
const VOIDS_IN_A_ROW = 3;
/** Of a small database; the bytes are those of its entries, about. */
const SMALL_KEYS = 10_000;
const SMALL_BYTES = 8 * 1024 * 1024;
/** Records whose entries have about so many bytes or more are saved in pieces, with the lock free where that can be. */
export const LARGE_BYTES = 16 * 1024;
/** Bytes gathered under one lock at most, about. */
export const GATHER_BYTES = 64 * 1024;
/** Keys looked up at once. */
export const GATHER_KEYS = 64;

/** Where the bytes of a snapshot go. One per thread; what a thread puts in stays in order. */
export interface SnapshotSink {
  /**
   * Takes entries of one database, as EntryWriter writes them. The bytes are good until the call returns.
   * @param snapshot its number: what comes late of one that was voided is to be told from the next one
   * @param version the RdbVersion that the entries need
   * @param part whether the last entry goes on in this thread's next call; others' entries must not get in between
   */
  entries(
    snapshot: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void;
  /** A shard is saved: all its entries have been put into the sinks of their threads. */
  shardDone(snapshot: number, shard: number): void;
  /** The snapshot was given up by this thread: nothing more of it is to be expected. */
  voided(snapshot: number, reason: VoidReason): void;
}

/** Why a snapshot was given up: FLUSHDB, SWAPDB, FLUSHALL; no memory to write an entry in. */
export const VoidReason = { Flushed: 1, Swapped: 2, OutOfMemory: 3, FlushedAll: 4 } as const;
export type VoidReason = (typeof VoidReason)[keyof typeof VoidReason];

/** Saves records: a thread's writer of entries with its sink. Implemented by rdb/snapshot-saver.ts. */
export interface RecordSaver {
  readonly sink: SnapshotSink;
  /** Bytes of a record's entry, about. Cheap. */
  estimate(shard: LockedShard, rec: RecordView): number;
  /** Bytes that were gathered and not sent yet. */
  readonly gathered: number;
  /** Gathers a record's entry and marks the record. Its shard is locked. */
  save(shard: LockedShard, rec: RecordView): void;
  /** Sends what was gathered. */
  send(): void;
  /**
   * Saves a record with its key pinned and the locks free, marks it, sends all. Nothing may have been gathered, and this
   * thread must have nothing pinned. `rec` is good afterwards, other views are not.
   * @param locks what this thread has locked, with the record's shard
   */
  saveFree(shard: LockedShard, rec: RecordView, locks: FreeLocks): void;
}

/** Frees what a thread has locked, and locks it again. */
export interface FreeLocks {
  release(): void;
  relock(): void;
}

/** Whether a running snapshot has yet to save a record. Its shard is locked. */
export function needsSaving(control: Int32Array, rec: RecordView): boolean {
  return control[GlobalWord.SnapshotActive]! > 0 && rec.epoch !== control[GlobalWord.SnapshotEpoch];
}

/**
 * Begins a snapshot of how things are now: waits until no long command is under way, and locks all shards for a moment.
 * For a thread that may sleep, holds no lock and has nothing pinned.
 * @param mark called while all shards are locked, with the snapshot's number
 * @returns its number; 0 if none can begin: one runs, or too many have been voided and their epochs are not swept yet
 */
export function startSnapshot(keyspace: Keyspace, mark: (snapshot: number) => void): number {
  const { memory } = keyspace;
  let snapshot = 0;
  withoutPins(memory, () => {
    const locked: LockedShard[] = [];
    try {
      for (const shard of keyspace.shards) locked.push(shard.acquire());
      // Pins are set under locks: with all of them held there can be no new ones.
      if (anyPins(memory)) return false;
      snapshot = begin(memory.control, mark);
      return true;
    } finally {
      for (const shard of locked) shard.release();
    }
  });
  return snapshot;
}

function begin(control: Int32Array, mark: (snapshot: number) => void): number {
  const running = Atomics.load(control, GlobalWord.SnapshotActive);
  if (running > 0 || Atomics.load(control, GlobalWord.SnapshotVoided) >= VOIDED_MAX) return 0;
  const snapshot = nextNumber(control);
  control[GlobalWord.SnapshotEpoch] = (control[GlobalWord.SnapshotEpoch]! % EPOCH_MAX) + 1;
  // A sweep ends here; whatever it has not come to has an epoch that is not too old.
  Atomics.store(control, GlobalWord.SnapshotActive, snapshot);
  mark(snapshot);
  wakeWorkers(control);
  return snapshot;
}

/**
 * Gives a snapshot up, if it still runs. From any thread, with or without locks.
 * @returns whether it ran
 */
export function abortSnapshot(control: Int32Array, snapshot: number): boolean {
  // Counted first: for who looks in between, one too many does no harm.
  Atomics.add(control, GlobalWord.SnapshotVoided, 1);
  if (Atomics.compareExchange(control, GlobalWord.SnapshotActive, snapshot, 0) === snapshot) return true;
  Atomics.sub(control, GlobalWord.SnapshotVoided, 1);
  return false;
}

/**
 * Before a database is emptied or changes its number: saves what a running snapshot has yet to save of it, or voids the
 * snapshot if that is too much. All shards are locked, and nothing is pinned.
 */
export function leaveDatabase(
  keyspace: Keyspace,
  shards: readonly LockedShard[],
  db: number,
  reason: VoidReason,
): void {
  const { saver } = keyspace;
  const { control } = keyspace.memory;
  const keys = keyspace.size(db);
  if (keys === 0) return;
  const runs = Atomics.load(control, GlobalWord.SnapshotActive) > 0;
  const patient = Atomics.load(control, GlobalWord.SnapshotVoided) < VOIDS_IN_A_ROW;
  if (runs && saver !== null && (keys <= SMALL_KEYS || !patient)) {
    let left = patient ? SMALL_BYTES : Number.POSITIVE_INFINITY;
    for (let i = 0; i < shards.length && left >= 0; i++)
      left = saveShard(keyspace, saver, shards[i]!, db, left);
    if (saver.gathered > 0) saver.send();
    if (left >= 0) return;
  }
  voidSnapshot(keyspace, reason);
}

const KEEP_LOCKS: FreeLocks = { release() {}, relock() {} };

/**
 * Saves what is to be saved of a database in a shard.
 * @param left bytes of entries that may be saved, about
 * @returns what is left of them; below 0: it would be too much, not all is saved
 */
function saveShard(
  keyspace: Keyspace,
  saver: RecordSaver,
  shard: LockedShard,
  db: number,
  left: number,
): number {
  const { control } = keyspace.memory;
  const view = new RecordView(keyspace.memory);
  const keys = new KeyWalk(shard.id << SLOT_TO_SHARD_SHIFT, (shard.id + 1) << SLOT_TO_SHARD_SHIFT);
  let rest = left;
  while (!keys.done) {
    keys.gather(shard, db, GATHER_KEYS);
    for (let i = 0; i < keys.count; i++) {
      keys.meet(shard, db, i, view);
      if (!needsSaving(control, view)) continue;
      const bytes = saver.estimate(shard, view);
      rest -= bytes;
      if (rest < 0) return rest;
      if (bytes < LARGE_BYTES) saver.save(shard, view);
      else {
        // In pieces, for its memory.
        if (saver.gathered > 0) saver.send();
        saver.saveFree(shard, view, KEEP_LOCKS);
      }
      if (saver.gathered >= GATHER_BYTES) saver.send();
    }
  }
  return rest;
}

/** Databases are emptied or exchanged: a running snapshot is void, a sweep begins anew. All shards are locked. */
export function voidSnapshot(keyspace: Keyspace, reason: VoidReason): void {
  const { control } = keyspace.memory;
  const running = Atomics.load(control, GlobalWord.SnapshotActive);
  if (running < 0) Atomics.compareExchange(control, GlobalWord.SnapshotActive, running, 0);
  else if (running > 0 && abortSnapshot(control, running)) keyspace.saver?.sink.voided(running, reason);
}

/** Begins a sweep if there should be one and nothing runs. From shard workers. */
export function sweepIfWanted(control: Int32Array): void {
  if (Atomics.load(control, GlobalWord.SnapshotVoided) < SWEEP_AFTER) return;
  const number = -nextNumber(control);
  if (Atomics.compareExchange(control, GlobalWord.SnapshotActive, 0, number) === 0) wakeWorkers(control);
}

/**
 * Notes that a walk has come to the end of a shard, which is locked; with the last shard the walk is over.
 * @param walk a value of SnapshotActive
 */
export function noteWalked(control: Int32Array, walk: number, shard: number): void {
  Atomics.store(control, shardWord(shard, ShardWord.Walked), walk);
  for (let id = 0; id < SHARD_COUNT; id++)
    if (Atomics.load(control, shardWord(id, ShardWord.Walked)) !== walk) return;
  // All records have the current epoch, whether or not the walk is given up in this moment.
  Atomics.store(control, GlobalWord.SnapshotVoided, 0);
  Atomics.compareExchange(control, GlobalWord.SnapshotActive, walk, 0);
}

/** Whether a record may have this epoch, for the checker: one of those since the last walk that came to its end. */
export function isPossibleEpoch(control: Int32Array, epoch: number): boolean {
  const current = control[GlobalWord.SnapshotEpoch]!;
  const since = control[GlobalWord.SnapshotVoided]! + (control[GlobalWord.SnapshotActive]! > 0 ? 1 : 0);
  if (epoch === 0) return current <= since;
  return epoch <= EPOCH_MAX && current > 0 && (current - epoch + EPOCH_MAX) % EPOCH_MAX <= since;
}

function nextNumber(control: Int32Array): number {
  for (;;) {
    const number = (Atomics.add(control, GlobalWord.SnapshotLast, 1) + 1) & NUMBER_MASK;
    if (number !== 0) return number;
  }
}

function wakeWorkers(control: Int32Array): void {
  for (let thread = 1; thread < THREADS_MAX; thread++)
    if (control[threadWord(thread, ThreadWord.Worker)] === 1) ring(control, thread);
}
