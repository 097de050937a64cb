// A snapshot on its way into a file: takes what the threads that execute commands send of it, in whatever order.
//
//   started ─▶ mark (its place in the stream of changes) ─▶ entries, shard by shard ─▶ all shards saved
//           ─▶ all rings read up to where they were then ─▶ the file is finished
//
// An entry may come in parts; entries of other threads that come in between wait until it is whole. As that may take
// seconds, walks are held meanwhile once WAITING_MAX bytes wait: else there may be as much here as the data set has.

import { SHARD_COUNT } from '../memory/layout.ts';
import type { SnapshotFile } from './snapshot-file.ts';

/** Written at the place of the stream where a snapshot begins, as JSON: what was counted with all shards locked. */
export interface SnapshotMark {
  readonly snapshot: number;
  /** Which request it answers. */
  readonly request: number;
  /** Changes since the server's start. */
  readonly dirty: number;
  readonly usedMemory: number;
  /** By database. */
  readonly sizes: readonly { readonly keys: number; readonly expires: number }[];
}

/** Bytes that wait for the end of an entry, with which walks are held, and below which they go on. */
const WAITING_MAX = 8 * 1024 * 1024;
const WAITING_LOW = 1024 * 1024;
/** Memory that an entry takes beside its bytes while it waits, about. */
const WAITING_COST = 128;

interface Waiting {
  readonly db: number;
  readonly version: number;
  readonly part: boolean;
  readonly bytes: Buffer;
}

export class SnapshotJob {
  mark: SnapshotMark | null = null;
  /** Bytes taken. */
  bytes = 0;
  /** Of these, from acceptors: what commands saved before they changed it. */
  preserved = 0;
  readonly file: SnapshotFile;
  /** Ring of the entry that is not whole yet, -1: none. */
  #open = -1;
  /** By ring, in order. While no entry is open, nothing waits. */
  #waiting: Waiting[][] = [];
  #waitingBytes = 0;
  #isHeld = false;
  #shardsLeft = SHARD_COUNT;
  readonly #hold: (on: boolean) => void;

  /** @param hold lets walks wait, or go on */
  constructor(file: SnapshotFile, hold: (on: boolean) => void) {
    this.file = file;
    this.#hold = hold;
  }

  /** Whether all shards have been saved: what is in the rings now is the rest. */
  get walked(): boolean {
    return this.#shardsLeft === 0;
  }

  /** Of the shards, how many are saved. */
  get progress(): number {
    return (SHARD_COUNT - this.#shardsLeft) / SHARD_COUNT;
  }

  /** @throws the system's error */
  entries(
    ring: number,
    db: number,
    version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    this.bytes += len;
    if (this.#open >= 0 && this.#open !== ring) {
      const copy = Buffer.from(bytes.subarray(off, off + len));
      this.#waiting[ring] ??= [];
      this.#waiting[ring].push({ db, version, part, bytes: copy });
      this.#waitingBytes += len + WAITING_COST;
      if (!this.#isHeld && this.#waitingBytes > WAITING_MAX) this.#setHold(true);
      return;
    }
    this.file.entries(db, version, part, bytes, off, len);
    this.#open = part ? ring : -1;
    if (!part && this.#waitingBytes > 0) this.#goOn();
  }

  #setHold(on: boolean): void {
    this.#isHeld = on;
    this.#hold(on);
  }

  shardSaved(): void {
    this.#shardsLeft--;
  }

  /** @param done called when the file is on the disk @throws the system's error */
  finish(done: (error: Error | null) => void): void {
    if (this.#open >= 0 || this.#waitingBytes > 0)
      throw new Error('a snapshot ends in the middle of an entry');
    this.file.end();
    this.file.output.finish(done);
  }

  /** Writes what has waited, ring by ring, up to an entry whose end is not here. */
  #goOn(): void {
    for (let ring = 0; ring < this.#waiting.length && this.#open < 0; ring++) {
      const queue = this.#waiting[ring];
      if (queue === undefined || queue.length === 0) continue;
      this.#waiting[ring] = [];
      for (const { db, version, part, bytes } of queue) {
        this.file.entries(db, version, part, bytes, 0, bytes.length);
        this.#waitingBytes -= bytes.length + WAITING_COST;
        this.#open = part ? ring : -1;
      }
    }
    if (this.#isHeld && this.#waitingBytes < WAITING_LOW) this.#setHold(false);
  }
}
