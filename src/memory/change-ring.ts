// A ring of changes in shared memory, from one thread that executes commands to the persistence worker, and the merge of
// all of them into one stream.
//
//   +0    head: bytes ever written, modulo 2^32 (producer)
//   +128  tail: bytes ever read, modulo 2^32 (consumer)
//   +256  1 while the producer sleeps for want of room
//   +384  data, capacity bytes (a power of two)
//
//   frame  payload bytes | MORE if the entry goes on in the next frame
//          kind | database << 8 | version of RDB << 24 (entries of a snapshot)
//          number of the change (sequenced kinds), or of the snapshot
//          0
//          payload, padded to 16 bytes: a frame's head never wraps
//
// Owner rule: the producer writes head, the consumer tail; each reads the other's word atomically after or before the bytes
// it stands for. An entry of any size passes: one larger than the room left goes in frames while the consumer reads.
// Both keep what they have read of the other's word and look again only when that does not do, and the consumer writes
// its word once for many entries: a line that two cores write in turn costs more than an entry's bytes.
//
// Order: a change gets its number from one global counter while the locks of what it changes are held, so the numbers are
// dense and in the order of the changes of each key. Within a ring they ascend. The merge takes the head whose number is the
// next one; there is always one, or a thread is about to put it. Kinds without a number are taken as soon as they are at a head.
//
// A producer that finds no room sleeps until there is some, whatever locks it holds: the consumer takes no locks and
// always reads, so that ends.

import { GlobalWord } from './layout.ts';

const HEAD = 0;
const TAIL = 32;
const WAITS = 64;
const DATA_BYTES = 384;
const MORE = 0x40000000;
const LENGTH_MASK = 0x3fffffff;
const FRAME_HEADER = 16;
/** The consumer frees what it has read when it is this part of the ring (a power of two), or there is no more. */
const PUBLISH_SHIFT = 4;
/** Entries up to this are copied in a loop. */
const LOOP_BYTES_MAX = 256;
/** Buffers above this are not held on to. */
const VIEWED_BYTES_MAX = 1024 * 1024;
/** How long a producer sleeps before it looks again (ms): it is woken before. */
const WAIT_MS = 100;

export const ChangeKind = {
  /** A command in RESP, of a database. */
  Effect: 1,
  /** Several commands that are one: entries as in commands/effects.ts. */
  Unit: 2,
  /** Something happens at this point of the stream. */
  Marker: 3,
  /** Entries of a snapshot, without a number. */
  Snapshot: 4,
  /** As Snapshot; the entry is not complete: it goes on in this ring's next entry of these kinds. */
  SnapshotPart: 5,
  /** A shard is saved: its number is in the place of the database. */
  SnapshotShard: 6,
  /** A snapshot is given up: the reason is in the place of the database. */
  SnapshotVoid: 7,
} as const;

/** With the entries of a snapshot, the version of RDB that they need is above the database. */
export const SNAPSHOT_VERSION_SHIFT = 16;
const DB_MASK = (1 << SNAPSHOT_VERSION_SHIFT) - 1;

/** Kinds up to this one have a number. */
const LAST_SEQUENCED = ChangeKind.Marker;

/** @param capacity bytes of data, a power of two */
export function allocateChangeRing(capacity: number): SharedArrayBuffer {
  if ((capacity & (capacity - 1)) !== 0 || capacity < 1024)
    throw new RangeError('ring capacity must be a power of two');
  return new SharedArrayBuffer(DATA_BYTES + capacity);
}

function padded(bytes: number): number {
  return (bytes + 15) & ~15;
}

export class ChangeProducer {
  readonly #words: Int32Array;
  readonly #data: Buffer;
  readonly #frames: Int32Array;
  readonly #capacity: number;
  readonly #wake: () => void;
  #head = 0;
  /** The consumer's word when it was last looked at. */
  #tail = 0;
  /** The buffer that entries come from, nearly always the same one. */
  #viewed: Buffer | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));

  /** @param wake wakes the consumer */
  constructor(ring: SharedArrayBuffer, wake: () => void) {
    this.#words = new Int32Array(ring, 0, DATA_BYTES / 4);
    this.#data = Buffer.from(ring, DATA_BYTES);
    this.#frames = new Int32Array(ring, DATA_BYTES);
    this.#capacity = this.#data.length;
    this.#wake = wake;
    this.#head = this.#words[HEAD]!;
    this.#tail = Atomics.load(this.#words, TAIL);
  }

  /** Bytes that the consumer has not read. */
  get used(): number {
    this.#tail = Atomics.load(this.#words, TAIL);
    return (this.#head - this.#tail) | 0;
  }

  /** Whether more than half of the ring is in use: the consumer should hear of it now. */
  get crowded(): boolean {
    const half = this.#capacity >> 1;
    return ((this.#head - this.#tail) | 0) > half && this.used > half;
  }

  /** Puts an entry; sleeps while there is no room. @param seq number of the change, or of the snapshot */
  put(kind: number, db: number, seq: number, source: Buffer, off: number, len: number): void {
    let at = off;
    let rest = len;
    for (;;) {
      let room = this.#capacity - ((this.#head - this.#tail) | 0) - FRAME_HEADER;
      if (room < rest) room = this.#capacity - this.used - FRAME_HEADER;
      const size = Math.min(rest, room);
      if (size < rest && size < Math.min(rest, this.#capacity >> 2)) {
        this.#waitForRoom();
        continue;
      }
      const start = this.#head & (this.#capacity - 1);
      const word = start >> 2;
      // All but the last frame of an entry are multiples of 16.
      const now = size < rest ? size & ~15 : size;
      this.#frames[word] = now < rest ? now | MORE : now;
      this.#frames[word + 1] = kind | (db << 8);
      this.#frames[word + 2] = seq;
      this.#copyIn(source, at, (start + FRAME_HEADER) & (this.#capacity - 1), now);
      this.#head = (this.#head + FRAME_HEADER + padded(now)) | 0;
      Atomics.store(this.#words, HEAD, this.#head);
      at += now;
      rest -= now;
      if (rest === 0) return;
    }
  }

  #waitForRoom(): void {
    Atomics.store(this.#words, WAITS, 1);
    const tail = Atomics.load(this.#words, TAIL);
    this.#wake();
    if (this.used < this.#capacity >> 1) return;
    Atomics.wait(this.#words, TAIL, tail, WAIT_MS);
  }

  /** @param at a multiple of 16 */
  #copyIn(bytes: Buffer, off: number, at: number, len: number): void {
    if (len <= LOOP_BYTES_MAX && off + len + 3 <= bytes.length && bytes.length <= VIEWED_BYTES_MAX) {
      if (at + len + 3 <= this.#capacity) {
        this.#copyWords(bytes, off, at >> 2, len);
        return;
      }
    }
    const first = Math.min(len, this.#capacity - at);
    bytes.copy(this.#data, at, off, off + first);
    if (first < len) bytes.copy(this.#data, 0, off + first, off + len);
  }

  /** Copies up to three bytes more than `len`. A call into the engine takes longer than such a loop over short entries. */
  #copyWords(bytes: Buffer, off: number, word: number, len: number): void {
    if (bytes !== this.#viewed) {
      this.#viewed = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
    const view = this.#view;
    const frames = this.#frames;
    for (let i = 0; i < len; i += 4) frames[word + (i >> 2)] = view.getInt32(off + i, true);
  }
}

/** Who takes the merged stream. The bytes are good until the call returns. */
export interface ChangeSink {
  effect(db: number, bytes: Buffer, off: number, len: number): void;
  unit(bytes: Buffer, off: number, len: number): void;
  marker(bytes: Buffer, off: number, len: number): void;
  /** @param ring number of the thread's ring @param part whether the last entry goes on in the next call for this ring */
  snapshot(
    ring: number,
    snapshot: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void;
  shardSaved(snapshot: number, shard: number): void;
  snapshotVoided(snapshot: number, reason: number): void;
}

class ChangeConsumer {
  readonly words: Int32Array;
  readonly data: Buffer;
  readonly frames: Int32Array;
  readonly capacity: number;
  /** What has been read; the producer knows of it after publish(). */
  tail = 0;
  /** The producer's word when it was last looked at. */
  #head = 0;
  #published = 0;
  readonly #publishAfter: number;
  /** Frames of an entry that is not complete. */
  parts: Buffer[] = [];

  constructor(ring: SharedArrayBuffer) {
    this.words = new Int32Array(ring, 0, DATA_BYTES / 4);
    this.data = Buffer.from(ring, DATA_BYTES);
    this.frames = new Int32Array(ring, DATA_BYTES);
    this.capacity = this.data.length;
    this.tail = this.words[TAIL]!;
    this.#head = this.tail;
    this.#published = this.tail;
    this.#publishAfter = this.capacity >> PUBLISH_SHIFT;
  }

  get empty(): boolean {
    if (this.#head !== this.tail) return false;
    this.#head = Atomics.load(this.words, HEAD);
    return this.#head === this.tail;
  }

  /** Goes on behind a frame. */
  advance(payload: number): void {
    this.tail = (this.tail + FRAME_HEADER + padded(payload)) | 0;
    if (((this.tail - this.#published) | 0) >= this.#publishAfter || this.words[WAITS] !== 0) this.publish();
  }

  /** Frees what has been read, and wakes the producer if it sleeps and half of the ring is free. */
  publish(): void {
    if (this.#published !== this.tail) {
      this.#published = this.tail;
      Atomics.store(this.words, TAIL, this.tail);
    }
    if (Atomics.load(this.words, WAITS) === 0) return;
    if (((Atomics.load(this.words, HEAD) - this.tail) | 0) > this.capacity >> 1) return;
    if (Atomics.exchange(this.words, WAITS, 0) === 1) Atomics.notify(this.words, TAIL);
  }

  copyOut(off: number, len: number): Buffer {
    const part = Buffer.allocUnsafe(len);
    const first = Math.min(len, this.capacity - off);
    this.data.copy(part, 0, off, off + first);
    if (first < len) this.data.copy(part, first, 0, len - first);
    return part;
  }
}

export class ChangeMerger {
  readonly #rings: ChangeConsumer[];
  readonly #control: Int32Array;
  readonly #sink: ChangeSink;
  /** Number of the change that comes next. */
  #next: number;

  constructor(rings: readonly SharedArrayBuffer[], control: Int32Array, sink: ChangeSink) {
    this.#rings = rings.map((ring) => new ChangeConsumer(ring));
    this.#control = control;
    this.#sink = sink;
    this.#next = (Atomics.load(control, GlobalWord.PersistedSeq) + 1) | 0;
  }

  /** Number of the last change that was given out. */
  get last(): number {
    return (this.#next - 1) | 0;
  }

  /**
   * Gives out what is there.
   * @param budget bytes after which it returns, about
   * @returns bytes given out
   */
  drain(budget: number): number {
    let taken = 0;
    for (;;) {
      const before = taken;
      for (let ring = 0; ring < this.#rings.length && taken < budget; ring++)
        taken += this.#drainRing(ring, budget - taken);
      if (taken === before || taken >= budget) return taken;
    }
  }

  #drainRing(number: number, budget: number): number {
    const ring = this.#rings[number]!;
    const taken = this.#take(ring, number, budget);
    ring.publish();
    return taken;
  }

  #take(ring: ChangeConsumer, number: number, budget: number): number {
    let taken = 0;
    while (taken < budget && !ring.empty) {
      const start = ring.tail & (ring.capacity - 1);
      const word = start >> 2;
      const frame = ring.frames[word]!;
      const kind = ring.frames[word + 1]! & 0xff;
      const seq = ring.frames[word + 2]!;
      if (kind <= LAST_SEQUENCED && seq !== this.#next) return taken;
      const db = ring.frames[word + 1]! >>> 8;
      const len = frame & LENGTH_MASK;
      const at = (start + FRAME_HEADER) & (ring.capacity - 1);
      taken += FRAME_HEADER + len;
      if ((frame & MORE) !== 0) {
        ring.parts.push(ring.copyOut(at, len));
        ring.advance(len);
        continue;
      }
      if (kind <= LAST_SEQUENCED) this.#next = (this.#next + 1) | 0;
      if (ring.parts.length === 0 && at + len <= ring.capacity) {
        this.#give(number, kind, db, seq, ring.data, at, len);
      } else {
        ring.parts.push(ring.copyOut(at, len));
        const whole = Buffer.concat(ring.parts);
        ring.parts = [];
        this.#give(number, kind, db, seq, whole, 0, whole.length);
      }
      ring.advance(len);
    }
    return taken;
  }

  #give(ring: number, kind: number, db: number, seq: number, bytes: Buffer, off: number, len: number): void {
    const sink = this.#sink;
    switch (kind) {
      case ChangeKind.Effect:
        sink.effect(db, bytes, off, len);
        break;
      case ChangeKind.Unit:
        sink.unit(bytes, off, len);
        break;
      case ChangeKind.Marker:
        sink.marker(bytes, off, len);
        break;
      case ChangeKind.Snapshot:
      case ChangeKind.SnapshotPart:
        sink.snapshot(
          ring,
          seq,
          db & DB_MASK,
          db >> SNAPSHOT_VERSION_SHIFT,
          kind === ChangeKind.SnapshotPart,
          bytes,
          off,
          len,
        );
        break;
      case ChangeKind.SnapshotShard:
        sink.shardSaved(seq, db);
        break;
      case ChangeKind.SnapshotVoid:
        sink.snapshotVoided(seq, db);
        break;
      default:
        throw new Error(`change ring ${ring} holds an entry of kind ${kind}`);
    }
  }

  /** How far the rings are filled now: see passed(). */
  heads(): Int32Array {
    return Int32Array.from(this.#rings, (ring) => Atomics.load(ring.words, HEAD));
  }

  /** Whether all that was there when heads() was asked has been given out. */
  passed(heads: Int32Array): boolean {
    return this.#rings.every((ring, i) => ((ring.tail - heads[i]!) | 0) >= 0);
  }

  /** Whether every ring is empty. */
  get idle(): boolean {
    return this.#rings.every((ring) => ring.empty);
  }

  /** Number of changes taken by threads that were not given out yet. */
  get behind(): number {
    return (Atomics.load(this.#control, GlobalWord.ChangeSeq) - this.last) | 0;
  }
}
