// When an acceptor wakes the persistence worker. With `appendfsync always`, clients are answered when a sync has ended, and
// then all send their next commands: these should go to the disk together. Without care they split: the first two to come
// get a sync of their own, for which the other 48 wait, and so on for ever. So:
//
//   - one group is under way at a time; what comes meanwhile goes with the next;
//   - the next goes when as many clients have come again as were answered and had come before, or when nobody has come for
//     QUIET_MS, GATHER_MS at most;
//   - a group of LARGE_GROUP changes waits for LARGE_TURNS turns only: it pays to run commands while the disk works.
//
// While it gathers, the event loop goes round without sleeping, some microseconds per turn.

import { ring } from '../memory/doorbell.ts';
import { GlobalWord } from '../memory/layout.ts';

const QUIET_MS = 0.03;
const GATHER_MS = 1;
const LARGE_GROUP = 128;
const LARGE_TURNS = 4;

export class GroupBell {
  readonly #control: Int32Array;
  readonly #thread: number;
  /** Whether #turn will be called. */
  #turning = false;
  /** Changes that it was not rung for, and the batches that they came in; the last of them. */
  #changes = 0;
  #batches = 0;
  #last = 0;
  /** The last change that it was rung for. */
  #rung = 0;
  /** Batches that are likely to come before it is to be rung. */
  #expected = 0;
  /** Batches seen by the last turn, and since when there are no more (ms). */
  #seen = 0;
  #quietSince = 0;
  #gatherUntil = 0;
  #turns = 0;

  /** @param thread id of the persistence worker's thread */
  constructor(control: Int32Array, thread: number) {
    this.#control = control;
    this.#thread = thread;
  }

  /** A change was put into the thread's ring. */
  put(seq: number): void {
    this.#last = seq;
    this.#changes++;
  }

  /** The commands of a batch have run, and have changed something. */
  batchEnded(): void {
    this.#batches++;
    if (this.#control[GlobalWord.HoldReplies] === 0) {
      // Nobody waits: once per turn will do.
      this.#expected = 0;
      this.#gatherUntil = 0;
    } else if (this.#waits) return;
    else if (this.#batches === this.#expected) {
      this.ring();
      return;
    }
    this.#gather();
  }

  /** @param replies how many clients were answered whose replies have waited for the disk */
  released(replies: number): void {
    this.#expected = replies + this.#batches;
    if (this.#batches > 0) this.#gather();
  }

  /** Rings for all that was put. */
  ring(): void {
    this.#rung = this.#last;
    this.#changes = 0;
    this.#batches = 0;
    this.#expected = 0;
    ring(this.#control, this.#thread);
  }

  /** Whether to wait for the end of the group that is under way. */
  get #waits(): boolean {
    const { HoldReplies, PersistedSeq } = GlobalWord;
    if (this.#changes >= LARGE_GROUP || this.#control[HoldReplies] === 0) return false;
    return ((this.#rung - Atomics.load(this.#control, PersistedSeq)) | 0) > 0;
  }

  #gather(): void {
    if (this.#turning) return;
    this.#turning = true;
    this.#seen = 0;
    this.#turns = 0;
    if (this.#control[GlobalWord.HoldReplies] !== 0) this.#gatherUntil = performance.now() + GATHER_MS;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    // Rung for already, or after the end of what is under way: then released() is called.
    if (this.#batches === 0 || this.#waits) {
      this.#turning = false;
      return;
    }
    const now = performance.now();
    if (this.#batches !== this.#seen) {
      this.#seen = this.#batches;
      this.#quietSince = now;
    }
    const late = this.#changes >= LARGE_GROUP && ++this.#turns >= LARGE_TURNS;
    if (!late && now < this.#gatherUntil && now - this.#quietSince < QUIET_MS) setImmediate(this.#turn);
    else {
      this.#turning = false;
      this.ring();
    }
  };
}
