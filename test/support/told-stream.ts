// The far end of change rings, as the persistence worker's: what comes out, as rows of a database and words.

import { ChangeMerger, type ChangeSink } from '../../src/memory/change-ring.ts';
import { commandsIn, parseCommands } from './told-commands.ts';

export class ToldStream implements ChangeSink {
  readonly #rows: string[] = [];
  readonly #merger: ChangeMerger;

  constructor(rings: readonly SharedArrayBuffer[], control: Int32Array) {
    this.#merger = new ChangeMerger(rings, control, this);
  }

  /** What has come since the last call, in order; a unit of several commands is one row, with ` | ` between them. */
  take(): string[] {
    while (this.#merger.drain(Number.MAX_SAFE_INTEGER) > 0);
    return this.#rows.splice(0);
  }

  effect(db: number, bytes: Buffer, off: number, len: number): void {
    const [words] = parseCommands(bytes.subarray(off, off + len));
    this.#rows.push(`${db} ${words!.join(' ')}`);
  }

  unit(bytes: Buffer, off: number, len: number): void {
    const told = commandsIn(bytes.subarray(off, off + len), len);
    this.#rows.push(told.map(({ db, args }) => `${db} ${args.join(' ')}`).join(' | '));
  }

  marker(): void {
    this.#rows.push('a marker');
  }

  snapshot(): void {
    this.#rows.push('a part of a snapshot');
  }

  shardSaved(): void {
    this.#rows.push('a shard of a snapshot');
  }

  snapshotVoided(): void {
    this.#rows.push('a snapshot given up');
  }
}
