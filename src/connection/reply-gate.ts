// With `appendfsync always` no client may see a reply before the changes behind it are on disk: neither the writer's, nor
// that of a reader who has seen the change. So replies wait at this gate, in order, until the persistence worker has
// written everything that had been changed when they came.
//
// The worker rings this thread's bell when it has written; release() lets those through that waited for it.

import { GlobalWord } from '../memory/layout.ts';
import type { Connection } from './connection.ts';

interface HeldReply {
  readonly connection: Connection;
  readonly bytes: Buffer;
  /** Number of the last change when the reply came. */
  readonly seq: number;
}

export class ReplyGate {
  readonly #control: Int32Array;
  #held: HeldReply[] = [];
  /** Replies of `#held` that were let through. */
  #first = 0;

  constructor(control: Int32Array) {
    this.#control = control;
  }

  /** Whether there is a gate at all. */
  get shut(): boolean {
    return this.#control[GlobalWord.HoldReplies] !== 0 || this.#held.length > 0;
  }

  /** Whether all changes up to now are on disk. */
  get open(): boolean {
    return this.#isWritten(Atomics.load(this.#control, GlobalWord.ChangeSeq));
  }

  /** Lets a reply wait. */
  hold(connection: Connection, bytes: Buffer): void {
    this.#held.push({ connection, bytes, seq: Atomics.load(this.#control, GlobalWord.ChangeSeq) });
  }

  /** Lets through what has waited long enough. */
  release(): void {
    const held = this.#held;
    while (this.#first < held.length && this.#isWritten(held[this.#first]!.seq)) {
      const { connection, bytes } = held[this.#first++]!;
      connection.release(bytes);
    }
    if (this.#first === held.length) {
      this.#held = [];
      this.#first = 0;
    } else if (this.#first > 1024) {
      held.splice(0, this.#first);
      this.#first = 0;
    }
  }

  #isWritten(seq: number): boolean {
    if (Atomics.load(this.#control, GlobalWord.HoldReplies) === 0) return true;
    return ((Atomics.load(this.#control, GlobalWord.PersistedSeq) - seq) | 0) >= 0;
  }
}
