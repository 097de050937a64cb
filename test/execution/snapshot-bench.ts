// Executors of an acceptor, a shard worker and the keeper with what snapshots need, called in turn.

import { expect } from 'vitest';
import { startSnapshot } from '../../src/keyspace/snapshot.ts';
import { SnapshotWalker } from '../../src/keyspace/snapshot-walk.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { SnapshotSaver } from '../../src/rdb/snapshot-saver.ts';
import { makeKeyspace } from '../keyspace/bench.ts';
import { GatheringSink, loadSnapshot } from '../keyspace/snapshot-sink.ts';
import type { Argument } from '../support/raw-client.ts';
import { Executors } from './executors.ts';

export const THREADS = ['acceptor', 'worker', 'keeper'] as const;

/** Threads with savers, and the walks of two workers. */
export class SnapshotBench {
  readonly threads = new Executors();
  readonly sinks = new Map<string, GatheringSink>();
  readonly walkers: SnapshotWalker[];
  readonly keyspace = this.threads.executor('keeper').cx.keyspace;
  readonly control = this.keyspace.memory.control;
  readonly #other = makeKeyspace({ databases: 16 });

  constructor() {
    for (const name of THREADS) {
      const { keyspace } = this.threads.executor(name).cx;
      const sink = new GatheringSink();
      this.sinks.set(name, sink);
      keyspace.saver = new SnapshotSaver(keyspace, this.threads.config, sink);
    }
    this.walkers = (['keeper', 'worker'] as const).map((name, number) => {
      const { keyspace } = this.threads.executor(name).cx;
      return new SnapshotWalker(
        keyspace,
        keyspace.shards.filter((shard) => shard.id % 2 === number),
        0,
      );
    });
  }

  start(): number {
    return startSnapshot(this.keyspace, () => {});
  }

  get running(): boolean {
    return this.control[GlobalWord.SnapshotActive] !== 0;
  }

  /** One hold of each walk. */
  step(): void {
    for (const walker of this.walkers) walker.step(performance.now() - 1);
  }

  finish(): void {
    for (let i = 0; i < 100_000 && this.running; i++) this.step();
    expect(this.running).toBe(false);
  }

  saved(snapshot: number): Map<string, string> {
    return loadSnapshot([...this.sinks.values()], snapshot, this.#other);
  }

  forget(): void {
    for (const sink of this.sinks.values()) sink.clear();
  }

  get voided(): boolean {
    return [...this.sinks.values()].some((sink) => sink.voids.length > 0);
  }

  call(...args: Argument[]): string {
    return this.threads.call(1, ...args);
  }
}
