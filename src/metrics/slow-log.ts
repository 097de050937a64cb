// The slow log: the newest commands that took long, kept by the supervisor (SLOWLOG GET, LEN, RESET).
//
// The thread that ran a command judges how slow it was and cuts its arguments (execution/slow-entry.ts); here entries
// get their ids and the oldest ones go. As in Redis, ids go on after a reset, and a smaller slowlog-max-len takes
// effect with the next entry.

/** A slow command as its thread reports it. Texts are latin1: one character per byte. */
export interface SlowCommand {
  /** Unix time in seconds. */
  readonly time: number;
  readonly usec: number;
  /** Cut to 32 arguments of 128 bytes. */
  readonly args: readonly string[];
  readonly address: string;
  readonly name: string;
}

export interface SlowLogEntry extends SlowCommand {
  readonly id: number;
}

export class SlowLog {
  /** Newest last. */
  readonly #entries: SlowLogEntry[] = [];
  #lengthMax: number;
  #nextId = 0;

  /** @param lengthMax slowlog-max-len */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  setMaxLength(lengthMax: number): void {
    this.#lengthMax = lengthMax;
  }

  add(command: SlowCommand): void {
    this.#entries.push({ id: this.#nextId++, ...command });
    const over = this.#entries.length - this.#lengthMax;
    if (over > 0) this.#entries.splice(0, over);
  }

  /** @param count at most so many, -1 for all @returns newest first */
  get(count: number): SlowLogEntry[] {
    const from = count < 0 ? 0 : Math.max(0, this.#entries.length - count);
    return this.#entries.slice(from).reverse();
  }

  get length(): number {
    return this.#entries.length;
  }

  reset(): void {
    this.#entries.length = 0;
  }
}
