// What a command is going to change is saved first, while a snapshot runs: see keyspace/snapshot.ts.
//
// The executor asks before it runs the handler of a command that may change its keys, with the locks of its keys held and no pins of others in
// the way; so do runs for clients that have waited. All keys that the command names are saved, those too that it only reads
// or finds missing: each is saved once in a snapshot anyway.
//
// An acceptor saves what takes a fraction of a millisecond; for more the command goes to a worker. A worker saves a large
// value with the locks free and its key pinned; afterwards all that was found out under the locks is to be looked at anew.
//
// COPY ... DB names a key of another database: its keys are saved in every database.

import type { CommandContext } from '../commands/context.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { type FreeLocks, LARGE_BYTES, needsSaving, type RecordSaver } from '../keyspace/snapshot.ts';
import { GlobalWord, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';

/** Bytes of entries, about, that an acceptor writes for one command. */
const ACCEPTOR_BYTES = 64 * 1024;
const COPY = 'copy';

export const Preserved = {
  /** Nothing of the command's keys is left to be saved. */
  Done: 0,
  /** The locks were free meanwhile. */
  Again: 1,
  /** Too much for an acceptor; nothing has happened. */
  HandOver: 2,
} as const;
export type Preserved = (typeof Preserved)[keyof typeof Preserved];

export class Preserver {
  readonly #keyspace: Keyspace;
  readonly #control: Int32Array;
  readonly #locks: FreeLocks;
  readonly #worker: boolean;
  readonly #view: RecordView;

  /** @param locks of the thread's commands */
  constructor(keyspace: Keyspace, locks: FreeLocks, worker: boolean) {
    this.#keyspace = keyspace;
    this.#control = keyspace.memory.control;
    this.#locks = locks;
    this.#worker = worker;
    this.#view = new RecordView(keyspace.memory);
  }

  /**
   * Saves what a running snapshot has yet to save of a command's keys. Their shards are locked; this thread has nothing
   * pinned.
   * @param keyArgs the first `keyCount` are the arguments that are keys
   * @param everywhere whether to save them in all databases
   */
  keys(
    cx: CommandContext,
    keyArgs: Int32Array,
    keyCount: number,
    everywhere = cx.command.name === COPY,
  ): Preserved {
    const { saver } = this.#keyspace;
    if (saver === null || this.#control[GlobalWord.SnapshotActive]! <= 0) return Preserved.Done;
    const first = everywhere ? 0 : cx.db;
    const last = everywhere ? this.#keyspace.memory.databaseCount - 1 : cx.db;
    if (!this.#worker && this.#bytes(cx, keyArgs, keyCount, first, last, saver) > ACCEPTOR_BYTES)
      return Preserved.HandOver;
    let freed = false;
    for (let db = first; db <= last && !freed; db++) {
      for (let i = 0; i < keyCount && !freed; i++) freed = this.#save(cx, keyArgs[i]!, db, saver);
    }
    // Under the locks: once they are free, the walk may say that the shard is done.
    if (saver.gathered > 0) saver.send();
    return freed ? Preserved.Again : Preserved.Done;
  }

  /** Bytes of what is to be saved, about. */
  #bytes(
    cx: CommandContext,
    keyArgs: Int32Array,
    keyCount: number,
    first: number,
    last: number,
    saver: RecordSaver,
  ): number {
    let bytes = 0;
    for (let db = first; db <= last; db++) {
      for (let i = 0; i < keyCount; i++) {
        const shard = this.#find(cx, keyArgs[i]!, db);
        if (shard !== null) bytes += saver.estimate(shard, this.#view);
      }
    }
    return bytes;
  }

  /** @returns whether the locks were free */
  #save(cx: CommandContext, arg: number, db: number, saver: RecordSaver): boolean {
    const shard = this.#find(cx, arg, db);
    if (shard === null) return false;
    if (!this.#worker || saver.estimate(shard, this.#view) < LARGE_BYTES) {
      saver.save(shard, this.#view);
      return false;
    }
    if (saver.gathered > 0) saver.send();
    saver.saveFree(shard, this.#view, this.#locks);
    return true;
  }

  /** Points the view at the record of a key that is to be saved. @returns its shard, null if there is none */
  #find(cx: CommandContext, arg: number, db: number): LockedShard | null {
    const slot = cx.slots[arg]!;
    const shard = this.#keyspace.shards[slot >>> SLOT_TO_SHARD_SHIFT] as LockedShard;
    if (!shard.find(this.#view, db, slot, cx.hashes[arg]!, cx.input, cx.argOff[arg]!, cx.argLen[arg]!))
      return null;
    return needsSaving(this.#control, this.#view) ? shard : null;
  }
}
