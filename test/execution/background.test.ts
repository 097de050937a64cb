// The background work of a shard worker: its shards and no others, nothing while paused, and when it wants to go on.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { Background } from '../../src/execution/background.ts';
import type { ThreadContext } from '../../src/execution/thread-context.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { flushDatabase, lazyFreePending } from '../../src/keyspace/flush.ts';
import { GlobalWord, ShardCounter } from '../../src/memory/layout.ts';
import { allocateStats, Stat, Stats } from '../../src/metrics/stats.ts';
import { Keys, makeKeyspace } from '../keyspace/bench.ts';

class Bench {
  readonly keyspace = makeKeyspace({ databases: 2 });
  readonly keys = new Keys(this.keyspace);
  readonly config = new ConfigStore(null, '/');
  readonly stats = new Stats(allocateStats(1), 1);

  /** The work of one of `workers` shard workers. */
  background(number = 0, workers = 1): Background {
    const workerThreads = Array.from({ length: workers }, (_, i) => i + 1);
    const { keyspace, config, stats } = this;
    return new Background({
      keyspace,
      config,
      stats,
      reporter: { late() {} },
      start: { number, workerThreads },
    } as unknown as ThreadContext);
  }

  /** Steps as a worker does, without sleeping: the time it asks for is skipped. */
  run(background: Background, until: () => boolean): void {
    let skipped = 0;
    for (let steps = 0; steps < 20_000 && !until(); steps++)
      skipped += background.step(performance.now() + skipped);
    expect(until()).toBe(true);
  }
}

const PAST = 1_600_000_000_000;

describe('background work', () => {
  it('expires the keys of its own shards', () => {
    const bench = new Bench();
    for (let i = 0; i < 3000; i++) bench.keys.set(`key:${i}`, 'value', i % 2 === 0 ? PAST : -1);
    const first = bench.background(0, 3);
    const ownOf = (number: number): number =>
      bench.keyspace.shards
        .filter((shard) => shard.id % 3 === number)
        .reduce((sum, shard) => sum + shard.expires(0), 0);
    const others = [ownOf(1), ownOf(2)];
    bench.run(first, () => ownOf(0) === 0);
    expect([ownOf(1), ownOf(2)]).toEqual(others);
    bench.run(bench.background(1, 3), () => ownOf(1) === 0);
    bench.run(bench.background(2, 3), () => ownOf(2) === 0);
    expect(bench.keyspace.size(0)).toBe(1500);
    expect(bench.stats.sum(Stat.ExpireMs)).toBeGreaterThan(0);
    checkKeyspace(bench.keyspace);
  });

  it('frees what FLUSHDB ASYNC has detached, and counts it', () => {
    const bench = new Bench();
    for (let i = 0; i < 5000; i++) bench.keys.set(`key:${i}`, 'value', -1, i % 2);
    for (const shard of bench.keyspace.shards) {
      const locked = shard.acquire();
      flushDatabase(locked, 0, true);
      locked.release();
    }
    expect(bench.keyspace.size(0)).toBe(0);
    expect(lazyFreePending(bench.keyspace)).toBe(2500);
    bench.run(bench.background(), () => lazyFreePending(bench.keyspace) === 0);
    expect(bench.stats.sum(Stat.LazyFreed)).toBe(2500);
    expect(bench.keyspace.memory.control[GlobalWord.LazyFree]).toBe(0);
    expect(checkKeyspace(bench.keyspace).keys).toBe(2500);
  });

  it('evicts when the data set has outgrown maxmemory, and tells for how long it had', () => {
    const bench = new Bench();
    for (let i = 0; i < 5000; i++) bench.keys.set(`key:${i}`, 'v'.repeat(200));
    bench.keyspace.meter.flush();
    const limit = Math.floor(bench.keyspace.usedBytes() / 2);
    const background = bench.background();
    bench.config.applyChange({ name: 'maxmemory', text: String(limit) });
    background.step(performance.now());
    expect(background.makeRoom()).toBe(false);
    background.step(performance.now());
    expect(bench.stats.sum(Stat.EvictionExceededNowMs)).toBeGreaterThan(0);
    bench.config.applyChange({ name: 'maxmemory-policy', text: 'allkeys-lru' });
    bench.run(background, () => bench.keyspace.usedBytes() <= limit);
    expect(bench.keyspace.sum(ShardCounter.Evicted)).toBe(5000 - bench.keyspace.size(0));
    background.step(performance.now());
    background.step(performance.now());
    expect(bench.stats.sum(Stat.EvictionExceededNowMs)).toBe(0);
    expect(bench.stats.sum(Stat.EvictionExceededMs)).toBeGreaterThan(0);
    expect(background.makeRoom()).toBe(true);
  });

  it('does nothing while it is paused', () => {
    const bench = new Bench();
    for (let i = 0; i < 100; i++) bench.keys.set(`key:${i}`, 'value', PAST);
    const background = bench.background();
    Atomics.store(bench.keyspace.memory.control, GlobalWord.CronPaused, 1);
    for (let i = 0; i < 20; i++)
      expect(background.step(performance.now() + i * 1000)).toBeGreaterThanOrEqual(100);
    expect(bench.keyspace.size(0)).toBe(100);
    Atomics.store(bench.keyspace.memory.control, GlobalWord.CronPaused, 0);
    bench.run(background, () => bench.keyspace.size(0) === 0);
  });

  it('asks for a long sleep when there is nothing to do', () => {
    const bench = new Bench();
    bench.keys.set('key', 'value');
    const background = bench.background();
    background.step(performance.now());
    expect(background.step(performance.now())).toBeGreaterThan(50);
    bench.config.applyChange({ name: 'hz', text: '1' });
    background.step(performance.now() + 500);
    expect(background.step(performance.now())).toBeGreaterThan(50);
  });
});
