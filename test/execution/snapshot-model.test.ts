// Snapshots under random commands of every type, on the executors of an acceptor, a shard worker and the worker that keeps waiting
// clients: what is saved is what was there at the start, every key once.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Defragmenter } from '../../src/keyspace/defrag.ts';
import { Evictor } from '../../src/keyspace/eviction.ts';
import { contentsOf } from '../keyspace/snapshot-sink.ts';
import { commandMix, generateOperations } from '../support/command-generators.ts';
import { pick, seeded } from '../support/seeded.ts';
import { SnapshotBench, THREADS } from './snapshot-bench.ts';

/** Not for executors without a server. */
const OF_CONNECTIONS = new Set(['CONFIG', 'CLIENT', 'RESET', 'QUIT', 'HELLO']);

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
function fillLarge(bench: SnapshotBench, round: number): void {
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
    const bench = new SnapshotBench();
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
