// What holds commands back: CLIENT PAUSE, and a shutdown, during which nobody may write. Kept as words that every thread
// looks at (GlobalWord.PauseMode, PauseUntil); only the supervisor changes them.

import { GlobalWord, PauseMode } from '../memory/layout.ts';

export interface PauseRequest {
  /** Unix time in ms. */
  readonly until: number;
  /** All commands, not only those that write. */
  readonly all: boolean;
}

/** A pause is kept as its end modulo 2^32 ms, so it can lie this far ahead: 24 days. */
const PAUSE_MS_MAX = 2 ** 31 - 1;

export class ClientPause {
  readonly #control: Int32Array;
  /** Of CLIENT PAUSE. */
  #mode: number = PauseMode.None;
  #until = 0;
  #shutdown = false;

  /** @param control see memory/layout.ts */
  constructor(control: Int32Array) {
    this.#control = control;
  }

  /** CLIENT PAUSE. A second one neither shortens nor loosens one that lasts, as in Redis. */
  begin({ until, all }: PauseRequest, now: number): void {
    if (this.#until <= now) this.#mode = PauseMode.None;
    this.#until = Math.max(this.#until, Math.min(until, now + PAUSE_MS_MAX));
    this.#mode = Math.max(this.#mode, all ? PauseMode.All : PauseMode.Writes);
    this.#apply(now);
  }

  /** CLIENT UNPAUSE. */
  end(now: number): void {
    this.#mode = PauseMode.None;
    this.#until = 0;
    this.#apply(now);
  }

  /** Takes back a pause whose time is over, so that commands need not look at the clock for it. */
  endWhenOver(now: number): void {
    if (this.#mode !== PauseMode.None && this.#until <= now) this.end(now);
    else if (this.#shutdown) this.#apply(now);
  }

  /** Whether writes are held back for the end of the server. */
  setShutdown(on: boolean, now: number): void {
    this.#shutdown = on;
    this.#apply(now);
  }

  #apply(now: number): void {
    const mode = Math.max(this.#mode, this.#shutdown ? PauseMode.Writes : PauseMode.None);
    const until = this.#shutdown ? now + PAUSE_MS_MAX : this.#until;
    Atomics.store(this.#control, GlobalWord.PauseUntil, until | 0);
    Atomics.store(this.#control, GlobalWord.PauseMode, mode);
  }
}
