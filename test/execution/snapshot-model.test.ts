// Snapshots under random commands of every type, on the executors of an acceptor, a shard worker and the worker that keeps waiting
// clients: what is saved is what was there at the start, every key once.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Defragmenter } from '../../src/keyspace/defrag.ts';
import { Evictor } from '../../src/keyspace/eviction.ts';
import { startSnapshot } from '../../src/keyspace/snapshot.ts';
import { SnapshotWalker } from '../../src/keyspace/snapshot-walk.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { SnapshotSaver } from '../../src/rdb/snapshot-saver.ts';
import { makeKeyspace } from '../keyspace/bench.ts';
import { contentsOf, GatheringSink, loadSnapshot } from '../keyspace/snapshot-sink.ts';
import { pick, seeded } from '../memory/random.ts';
import { commandMix, generateOperations } from '../support/command-generators.ts';
import type { Argument } from '../support/raw-client.ts';
import { Executors } from './executors.ts';

/** Not for executors without a server. */
const OF_CONNECTIONS = new Set(['CONFIG', 'CLIENT', 'RESET', 'QUIT', 'HELLO']);
const THREADS = ['acceptor', 'worker', 'keeper'] as const;

/** Threads with savers, and the walks of two workers. */
class Bench {
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

/** Keys that must be saved: all but those whose time has come meanwhile. */
function without(expired: number, contents: Map<string, string>): Map<string, string> {
  return new Map(
    [...contents].filter(([, what]) => {
      const expireAt = Number(what.slice(what.lastIndexOf(' ') + 1));
      return expireAt < 0 || expireAt > expired;
    }),
  );
}

/** Values of some size of every type, so that some are saved with the locks free. */
function fillLarge(bench: Bench, round: number): void {
  const many = Array.from({ length: 400 }, (_, i) => `${round} and some more bytes ${i}`);
  bench.call('SET', 'large:string', many.join());
  bench.call('RPUSH', 'large:list', ...many);
  bench.call('SADD', 'large:set', ...many);
  bench.call('HSET', 'large:hash', ...many);
  bench.call('ZADD', 'large:zset', ...many.flatMap((member, i) => [i, member]));
  for (let i = 0; i < 300; i++)
    bench.call('XADD', 'large:stream', `${round + 1}-${i + 1}`, 'field', many[i]!);
}

describe('snapshots under random commands', () => {
  it('hold what was there at their start, every key once', () => {
    const bench = new Bench();
    const random = seeded(4711);
    const full = new ConfigStore(null, '/');
    full.applyChange({ name: 'maxmemory', text: '1' });
    full.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
    const moving = new ConfigStore(null, '/');
    moving.applyChange({ name: 'activedefrag', text: 'yes' });
    moving.applyChange({ name: 'active-defrag-threshold-lower', text: '0' });
    moving.applyChange({ name: 'active-defrag-ignore-bytes', text: '1' });
    const { keyspace } = bench.threads.executor('worker').cx;
    const evictors = THREADS.map((name) => new Evictor(bench.threads.executor(name).cx.keyspace, full));
    const defragmenter = new Defragmenter(keyspace, moving, keyspace.shards);
    const operations = generateOperations(commandMix(false), 6000, 4711).flat();
    let snapshot = 0;
    let before = new Map<string, string>();
    let completed = 0;
    let preserved = 0;
    let byWorker = 0;
    const begin = (): void => {
      fillLarge(bench, completed);
      for (let i = 0; i < 300; i++) bench.call('SETEX', `filler:${i}`, 1000, `filler ${i}`);
      bench.forget();
      before = contentsOf(bench.keyspace);
      snapshot = bench.start();
      expect(snapshot).toBeGreaterThan(0);
    };
    const end = (): void => {
      expect(without(Date.now(), bench.saved(snapshot))).toEqual(without(Date.now(), before));
      checkKeyspace(bench.keyspace);
      completed++;
      preserved += bench.sinks.get('acceptor')!.entriesOf.length;
      byWorker += bench.sinks.get('worker')!.entriesOf.length;
    };
    begin();
    for (const operation of operations) {
      if (!OF_CONNECTIONS.has(String(operation.args[0]).toUpperCase())) bench.call(...operation.args);
      if (random() < 0.1) bench.call('APPEND', `large:string`, 'x');
      if (random() < 0.01) evictors[pick(random, 3)]!.run(true, 0);
      if (random() < 0.05) defragmenter.step(performance.now());
      for (let steps = pick(random, 6); steps > 0; steps--) bench.step();
      if (bench.running) continue;
      if (!bench.voided) end();
      begin();
    }
    bench.finish();
    end();
    expect(completed).toBeGreaterThan(20);
    expect(preserved).toBeGreaterThan(100);
    expect(byWorker).toBeGreaterThan(100);
  });
});
