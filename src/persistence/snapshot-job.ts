// A snapshot on its way into a file: takes what the threads that execute commands send of it, in whatever order.
//
//   started ─▶ mark (its place in the stream of changes) ─▶ entries, shard by shard ─▶ all shards saved
//           ─▶ all rings read up to where they were then ─▶ the file is finished
//
// An entry may come in parts; entries of other threads that come in between wait until it is whole.

import { SHARD_COUNT } from '../memory/layout.ts';

/** The file that a snapshot becomes. Each call may throw the system's error. */
export interface SnapshotFile {
  /** Whole entries of one database, or a part of one. */
  entries(db: number, bytes: Buffer, off: number, len: number): void;
  /** Writes what is left, syncs and closes. */
  finish(): void;
  /** Closes and removes it. */
  abandon(): void;
}

interface Waiting {
  readonly ring: number;
  readonly db: number;
  readonly part: boolean;
  readonly bytes: Buffer;
}

export class SnapshotJob {
  /** Its number; 0 until it is known. */
  number = 0;
  /** Changes counted in all, and keys there were, when it began. */
  dirty = 0;
  keys = 0;
  /** Bytes taken. */
  bytes = 0;
  readonly startedAt = Date.now();
  readonly file: SnapshotFile;
  /** Ring of the entry that is not whole yet, -1: none. */
  #open = -1;
  #waiting: Waiting[] = [];
  #shardsLeft = SHARD_COUNT;

  constructor(file: SnapshotFile) {
    this.file = file;
  }

  /** Whether all shards have been saved, and what is in the rings now is the rest. */
  get walked(): boolean {
    return this.#shardsLeft === 0;
  }

  entries(ring: number, db: number, part: boolean, bytes: Buffer, off: number, len: number): void {
    this.bytes += len;
    if (this.#open >= 0 && this.#open !== ring) {
      this.#waiting.push({ ring, db, part, bytes: Buffer.from(bytes.subarray(off, off + len)) });
      return;
    }
    this.file.entries(db, bytes, off, len);
    this.#open = part ? ring : -1;
    if (!part && this.#waiting.length > 0) this.#goOn();
  }

  shardSaved(): void {
    this.#shardsLeft--;
  }

  /** Gives up: the file goes away. */
  abandon(): void {
    this.#waiting = [];
    this.file.abandon();
  }

  finish(): void {
    if (this.#open >= 0 || this.#waiting.length > 0)
      throw new Error('a snapshot ends in the middle of an entry');
    this.file.finish();
  }

  /** Writes what has waited: of one ring up to the end of its entry, if that is here. */
  #goOn(): void {
    while (this.#open < 0 && this.#waiting.length > 0) {
      const { ring } = this.#waiting[0]!;
      const rest: Waiting[] = [];
      this.#open = ring;
      for (const next of this.#waiting) {
        if (next.ring !== this.#open) rest.push(next);
        else {
          this.file.entries(next.db, next.bytes, 0, next.bytes.length);
          if (!next.part) this.#open = -1;
        }
      }
      this.#waiting = rest;
    }
  }
}
