// With `appendfsync always` no client may see a reply before the changes behind it are on disk: neither the writer's, nor
// that of a reader who has seen the change. So replies wait at this gate, in order, until the persistence worker has
// written everything that had been changed when they came.
//
// The worker rings this thread's bell when it has written; release() lets those through that waited for it.
//
// While the log cannot be written, commands that write are refused. What was run within such a time has written nothing,
// and its replies pass: else nobody could read, or be told of the failure. The replies from before it go on waiting.

import type { ChangeLog } from '../execution/change-log.ts';
import { logFailure } from '../execution/write-error.ts';
import { GlobalWord } from '../memory/layout.ts';
import type { ConnectionOutput } from './connection-output.ts';

interface HeldReply {
  readonly output: ConnectionOutput;
  readonly bytes: Buffer;
  /** Number of the last change when the reply came. */
  readonly seq: number;
}

export class ReplyGate {
  readonly #control: Int32Array;
  readonly #changes: ChangeLog | null;
  #held: HeldReply[] = [];
  /** Replies of `#held` that were let through. */
  #first = 0;

  /** @param changes told of what is let through */
  constructor(control: Int32Array, changes: ChangeLog | null) {
    this.#control = control;
    this.#changes = changes;
  }

  /** Whether there is a gate at all. */
  get shut(): boolean {
    return this.#control[GlobalWord.HoldReplies] !== 0 || this.#held.length > 0;
  }

  /** The failure of the log that lasts, 0 without one. */
  get failure(): number {
    return logFailure(this.#control[GlobalWord.WriteError]!);
  }

  /**
   * Whether a reply may pass: all changes up to now are on disk, or its commands have changed nothing.
   * @param failure what `failure` was before they were run
   */
  lets(failure: number): boolean {
    if (failure !== 0 && failure === this.failure) return true;
    return this.#isWritten(Atomics.load(this.#control, GlobalWord.ChangeSeq));
  }

  /** Lets a reply wait. */
  hold(output: ConnectionOutput, bytes: Buffer): void {
    this.#held.push({ output, bytes, seq: Atomics.load(this.#control, GlobalWord.ChangeSeq) });
  }

  /** Lets through what has waited long enough. */
  release(): void {
    const held = this.#held;
    const before = this.#first;
    while (this.#first < held.length && this.#isWritten(held[this.#first]!.seq)) {
      const { output, bytes } = held[this.#first++]!;
      output.release(bytes);
    }
    this.#changes?.released(this.#first - before);
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
