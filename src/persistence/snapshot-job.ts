// A snapshot on its way into a file: takes what the threads that execute commands send of it, in whatever order.
//
//   started ─▶ mark (its place in the stream of changes) ─▶ entries, shard by shard ─▶ all shards saved
//           ─▶ all rings read up to where they were then ─▶ the file is finished
//
// An entry may come in parts; entries of other threads that come in between wait until it is whole.

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

interface Waiting {
  readonly ring: number;
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
  #waiting: Waiting[] = [];
  #shardsLeft = SHARD_COUNT;

  constructor(file: SnapshotFile) {
    this.file = file;
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
      this.#waiting.push({ ring, db, version, part, bytes: copy });
      return;
    }
    this.file.entries(db, version, part, bytes, off, len);
    this.#open = part ? ring : -1;
    if (!part && this.#waiting.length > 0) this.#goOn();
  }

  shardSaved(): void {
    this.#shardsLeft--;
  }

  /** @param done called when the file is on the disk @throws the system's error */
  finish(done: (error: Error | null) => void): void {
    if (this.#open >= 0 || this.#waiting.length > 0)
      throw new Error('a snapshot ends in the middle of an entry');
    this.file.end();
    this.file.output.finish(done);
  }

  /** Writes what has waited: of one ring up to the end of its entry, if that is here. */
  #goOn(): void {
    while (this.#open < 0 && this.#waiting.length > 0) {
      const rest: Waiting[] = [];
      this.#open = this.#waiting[0]!.ring;
      for (const next of this.#waiting) {
        if (next.ring !== this.#open) rest.push(next);
        else {
          this.file.entries(next.db, next.version, next.part, next.bytes, 0, next.bytes.length);
          if (!next.part) this.#open = -1;
        }
      }
      this.#waiting = rest;
    }
  }
}
