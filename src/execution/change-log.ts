// The change ring of a thread that executes commands, as those see it who change data: what to append, and in which form.
//
// append() is called while the locks of what was changed are held: the number that the change gets there is its place in
// the stream (memory/change-ring.ts). wake() comes later, once for many changes.

import type { CommandContext } from '../commands/context.ts';
import { type Effects, ENTRY_HEADER } from '../commands/effects.ts';
import type { SnapshotSink } from '../keyspace/snapshot.ts';
import { ChangeKind, ChangeProducer, SNAPSHOT_VERSION_SHIFT } from '../memory/change-ring.ts';
import { ring } from '../memory/doorbell.ts';
import { GlobalWord } from '../memory/layout.ts';
import { GroupBell } from './group-bell.ts';

const CR = 0x0d;
const LF = 0x0a;
const NOTHING = Buffer.alloc(0);

export class ChangeLog implements SnapshotSink {
  readonly #control: Int32Array;
  readonly #producer: ChangeProducer;
  readonly #thread: number;
  /** Whether the persistence worker has to be told that there is something. */
  #unsaid = false;
  /** Tells it for many commands at once; null: it is told at once. */
  readonly #bell: GroupBell | null;

  /**
   * @param thread id of the persistence worker's thread
   * @param gathers whether this thread has an event loop, and what all its connections have changed goes to the disk together
   */
  constructor(control: Int32Array, changes: SharedArrayBuffer, thread: number, gathers: boolean) {
    this.#bell = gathers ? new GroupBell(control, thread) : null;
    this.#control = control;
    this.#thread = thread;
    this.#producer = new ChangeProducer(changes, () => ring(control, thread));
  }

  /** Whether effects are wanted. To be asked with a lock held. */
  get wanted(): boolean {
    return this.#control[GlobalWord.ChangesWanted] !== 0;
  }

  /** Appends what a command leaves behind, if anything. */
  append(cx: CommandContext): void {
    const { effects } = cx;
    if (!effects.told && cx.dirty !== 0) {
      if (effects.count === 0 && isCopyable(cx)) {
        const { requestStart } = cx;
        this.#put(ChangeKind.Effect, cx.db, cx.input, requestStart, cx.requestEnd - requestStart);
        return;
      }
      effects.verbatim();
    }
    this.told(effects);
  }

  /** Appends what was told, and forgets it. */
  told(effects: Effects): void {
    const { count, buffer, length } = effects;
    if (count === 1) {
      this.#put(ChangeKind.Effect, buffer.readInt32LE(0), buffer, ENTRY_HEADER, length - ENTRY_HEADER);
    } else if (count > 1) this.#put(ChangeKind.Unit, 0, buffer, 0, length);
    effects.forget();
  }

  /** Puts a mark at this place of the stream. */
  marker(bytes: Buffer): void {
    this.#put(ChangeKind.Marker, 0, bytes, 0, bytes.length);
  }

  entries(
    snapshot: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    const kind = part ? ChangeKind.SnapshotPart : ChangeKind.Snapshot;
    this.#producer.put(kind, db | (version << SNAPSHOT_VERSION_SHIFT), snapshot, bytes, off, len);
    this.#said();
  }

  shardDone(snapshot: number, shard: number): void {
    this.#producer.put(ChangeKind.SnapshotShard, shard, snapshot, NOTHING, 0, 0);
    this.#said();
  }

  voided(snapshot: number, reason: number): void {
    this.#producer.put(ChangeKind.SnapshotVoid, reason, snapshot, NOTHING, 0, 0);
    this.#said();
  }

  /** Wakes the persistence worker if it has not heard of something yet. */
  wake(): void {
    if (!this.#unsaid) return;
    // It looks by itself soon, unless replies wait for it.
    if (this.#control[GlobalWord.Draining] !== 0 && this.#control[GlobalWord.HoldReplies] === 0) return;
    this.#unsaid = false;
    if (this.#bell === null) ring(this.#control, this.#thread);
    else this.#bell.batchEnded();
  }

  /** Clients were answered whose replies have waited for the disk. */
  released(replies: number): void {
    this.#bell?.released(replies);
  }

  #put(kind: number, db: number, bytes: Buffer, off: number, len: number): void {
    const seq = (Atomics.add(this.#control, GlobalWord.ChangeSeq, 1) + 1) | 0;
    this.#producer.put(kind, db, seq, bytes, off, len);
    this.#bell?.put(seq);
    this.#said();
  }

  #said(): void {
    this.#unsaid = true;
    if (this.#producer.crowded) ring(this.#control, this.#thread);
  }
}

/**
 * Whether the bytes of a request can be copied as they are. The parser takes no other spelling of a length than the one
 * without leading zeros and signs, but it does not look at what stands in the place of line ends.
 */
function isCopyable(cx: CommandContext): boolean {
  const { argc, argOff, argLen, input, requestStart } = cx;
  if (requestStart < 0) return false;
  let end = requestStart + headBytes(argc) - 2;
  for (let i = 0; i < argc; i++) {
    const off = argOff[i]!;
    const len = argLen[i]!;
    if (input[end] !== CR || input[end + 1] !== LF || input[off - 1] !== LF) return false;
    end = off + len;
  }
  // The last argument's end is the request's, unless a handler has changed its arguments.
  return end + 2 === cx.requestEnd && input[end] === CR && input[end + 1] === LF;
}

/** Bytes of `*<n>\r\n`. */
function headBytes(n: number): number {
  if (n < 10) return 4;
  if (n < 100) return 5;
  if (n < 1000) return 6;
  return 3 + String(n).length;
}
