// In a run of commands on one key (a pipeline of RPUSHs) its record is looked up once: the next command finds it here.
//
// Owner rule: one for each thread, used by no other. A record is known only as long as all of this is so:
//   - the thread has held the lock of the key's shard without a break: KeyLocks forgets whenever it frees a lock;
//   - the command being run has the same key as the one that noted it: KeyLocks compares their bytes, or forgets;
//   - no entry of the shard's index was taken out or pointed elsewhere since: SlotIndex.changes.
// Debug runs (SABRE_DEBUG=1) look each known record up and compare.

import type { SlotIndex } from './slot-index.ts';

export class KnownRecord {
  /** The argument that is the key of the command being run, if it has one key and the next may have it, too; else -1. */
  arg = -1;
  #ref = 0;
  #db = 0;
  #changes = 0;

  /** Notes what was found under the key. @param ref its record */
  note(index: SlotIndex, db: number, ref: number): void {
    this.#ref = ref;
    this.#db = db;
    this.#changes = index.changes;
  }

  /** The record of the key. @param index of the shard that is locked @returns its ref, 0 if it is not known */
  refIn(index: SlotIndex, db: number): number {
    return this.#ref !== 0 && this.#changes === index.changes && this.#db === db ? this.#ref : 0;
  }

  /** Another key comes next. */
  forget(): void {
    this.#ref = 0;
  }

  /** The lock is about to be free. */
  end(): void {
    this.#ref = 0;
    this.arg = -1;
  }
}
