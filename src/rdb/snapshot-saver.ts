// Saves records for a snapshot: writes their entries and puts these into the thread's sink. See keyspace/snapshot.ts.
//
// A small record is written with its shard locked. A large one is written with its key pinned and no lock held: nobody
// changes a pinned value and nothing of it moves, so it can be read where it lies while other keys go on. It goes out in
// pieces of PIECE_BYTES, so that a value of any size but a long string takes no more memory than that.
//
// One per thread, with an EntryWriter of its own.

import type { ConfigStore } from '../config/store.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { pinKeys, unpinKeys } from '../keyspace/pins.ts';
import type { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import {
  abortSnapshot,
  type FreeLocks,
  type RecordSaver,
  type SnapshotSink,
  VoidReason,
} from '../keyspace/snapshot.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GlobalWord, ShardWord, shardWord } from '../memory/layout.ts';
import { EntryWriter } from './entry-writer.ts';
import { EncodingLimits } from './limits.ts';
import type { Pause } from './pause.ts';

/** What a large value is sent in. */
const PIECE_BYTES = 64 * 1024;
/**
 * While it writes a large value a thread rests after so long (ms), and for how long: where all cores are busy, the system
 * would let it run for several ms while an acceptor waits for a core.
 */
const RUN_MS = 1;
const REST_MS = 0.06;
/** Elements of a value that are looked at to tell its size. */
const ESTIMATE_SAMPLES = 8;
const KEY_ARGS = new Int32Array([0]);

const nap = new Int32Array(new SharedArrayBuffer(4));

export class SnapshotSaver implements RecordSaver, Pause {
  readonly sink: SnapshotSink;
  readonly #keyspace: Keyspace;
  readonly #control: Int32Array;
  readonly #writer: EntryWriter;
  readonly #slots = new Int32Array(1);
  readonly #hashes = new Int32Array(1);
  /** Of what was gathered, or is being written. */
  #snapshot = 0;
  #db = 0;
  #restedAt = 0;
  /** Whether the entry that is being written has gone out in part: what is sent next ends it. */
  #isBegun = false;

  constructor(keyspace: Keyspace, config: ConfigStore, sink: SnapshotSink) {
    this.sink = sink;
    this.#keyspace = keyspace;
    this.#control = keyspace.memory.control;
    this.#writer = new EntryWriter(keyspace, new EncodingLimits(config), config);
  }

  get gathered(): number {
    return this.#writer.out.length;
  }

  estimate(shard: LockedShard, rec: RecordView): number {
    const value = this.#keyspace.structures.rootedOf(rec.type, rec.encoding);
    if (value === null) return rec.totalBytes;
    value.open(shard.arena, rec.words, rec.rootWord);
    return rec.keyLength + value.bytes(ESTIMATE_SAMPLES);
  }

  save(shard: LockedShard, rec: RecordView): void {
    const snapshot = this.#control[GlobalWord.SnapshotActive]!;
    if (this.gathered > 0 && (rec.db !== this.#db || snapshot !== this.#snapshot)) this.send();
    this.#snapshot = snapshot;
    this.#db = rec.db;
    rec.setEpoch(this.#control[GlobalWord.SnapshotEpoch]!);
    this.#write(shard, rec, null);
  }

  send(): void {
    const { out } = this.#writer;
    // Nothing may be left of an entry when its last part was sent in a pause: its end is to be told all the same.
    if (out.length > 0 || this.#isBegun) this.#put(false, out.length);
    this.#isBegun = false;
    this.#writer.reset();
  }

  saveFree(shard: LockedShard, rec: RecordView, locks: FreeLocks): void {
    const control = this.#control;
    const { memory } = this.#keyspace;
    const saving = shardWord(shard.id, ShardWord.Saving);
    this.#snapshot = control[GlobalWord.SnapshotActive]!;
    this.#db = rec.db;
    this.#slots[0] = rec.slot;
    this.#hashes[0] = rec.hash;
    // Marked first: who meets the record from here on leaves it to this thread, and the shard is not done before.
    rec.setEpoch(control[GlobalWord.SnapshotEpoch]!);
    control[saving]! += 1;
    pinKeys(memory, this.#slots, this.#hashes, KEY_ARGS, 1);
    locks.release();
    this.#restedAt = performance.now();
    try {
      this.#write(shard, rec, this);
      this.send();
    } finally {
      locks.relock();
      unpinKeys(memory, this.#slots, KEY_ARGS, 1);
      control[saving]! -= 1;
    }
  }

  /** Called by the writer within a long value: rests now and then, sends what there is of it. */
  breathe(): void {
    const { out } = this.#writer;
    if (performance.now() - this.#restedAt >= RUN_MS) {
      Atomics.wait(nap, 0, 0, REST_MS);
      this.#restedAt = performance.now();
    }
    if (out.length < PIECE_BYTES) return;
    // Given up meanwhile: nobody wants the rest.
    if (Atomics.load(this.#control, GlobalWord.SnapshotActive) === this.#snapshot) {
      this.#put(true, out.length);
      this.#isBegun = true;
    }
    out.length = 0;
  }

  #write(shard: LockedShard, rec: RecordView, pause: Pause | null): void {
    try {
      this.#writer.write(shard, rec, pause);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      if (abortSnapshot(this.#control, this.#snapshot))
        this.sink.voided(this.#snapshot, VoidReason.OutOfMemory);
    }
  }

  /** @param part whether the last entry goes on with the next call */
  #put(part: boolean, length: number): void {
    const { version } = this.#writer;
    const { bytes } = this.#writer.out;
    let at = 0;
    for (; length - at > PIECE_BYTES; at += PIECE_BYTES)
      this.sink.entries(this.#snapshot, this.#db, version, true, bytes, at, PIECE_BYTES);
    this.sink.entries(this.#snapshot, this.#db, version, part, bytes, at, length - at);
  }
}
