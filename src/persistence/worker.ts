// The persistence worker: the thread that owns the files. It merges the change rings of all threads into one stream, which
// goes to the log, and takes the entries of a snapshot from the same rings.
//
// It never takes a shard's lock and always reads the rings: threads that hold locks may wait for it.

import type { ThreadStart } from '../execution/thread-context.ts';
import { ChangeMerger, type ChangeSink } from '../memory/change-ring.ts';
import { listen } from '../memory/doorbell.ts';
import { PersistenceContext } from './context.ts';

/** Bytes of changes taken between two looks at what else there is to do. */
const DRAIN_BYTES = 1024 * 1024;

export class PersistenceWorker implements ChangeSink {
  readonly context: PersistenceContext;
  readonly #merger: ChangeMerger;
  #draining = false;

  constructor(start: ThreadStart) {
    this.context = new PersistenceContext(start, {});
    this.#merger = new ChangeMerger(start.changeRings, this.context.words, this);
    listen(this.context.words, start.thread, () => this.#wake());
    this.context.control.listen();
  }

  // ---- the merged stream ----

  effect(_db: number, _bytes: Buffer, _off: number, _len: number): void {}

  unit(_bytes: Buffer, _off: number, _len: number): void {}

  marker(_bytes: Buffer, _off: number, _len: number): void {}

  snapshot(
    _ring: number,
    _snapshot: number,
    _db: number,
    _part: boolean,
    _bytes: Buffer,
    _off: number,
    _len: number,
  ): void {}

  shardSaved(_snapshot: number, _shard: number): void {}

  snapshotVoided(_snapshot: number, _reason: number): void {}

  // ---- private ----

  #wake(): void {
    if (!this.#draining) this.#drain();
  }

  #drain(): void {
    this.#draining = this.#merger.drain(DRAIN_BYTES) >= DRAIN_BYTES;
    if (this.#draining) setImmediate(() => this.#drain());
  }
}
