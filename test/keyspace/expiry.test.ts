// Active expiry: what is due goes, all of it and nothing else, whatever the size; its pace is bounded.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { DbWord } from '../../src/keyspace/slot-segments.ts';
import { GlobalWord, ShardCounter } from '../../src/memory/layout.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { pick, seeded } from '../support/seeded.ts';
import { Keys, makeKeyspace } from './bench.ts';

const T0 = 1_700_000_000_000;

class Bench {
  readonly keyspace: Keyspace;
  readonly keys: Keys;
  readonly config = new ConfigStore(null, '/');
  readonly expirer: Expirer;

  constructor(databases = 1) {
    this.keyspace = makeKeyspace({ databases });
    this.keys = new Keys(this.keyspace);
    this.expirer = new Expirer(
      this.keyspace,
      this.config,
      new Stats(allocateStats(1), 1),
      this.keyspace.shards,
    );
    this.keyspace.setTime(T0);
  }

  /** Steps until a sweep has come to its end. @returns what the last step asked for, ms */
  sweep(now: number): number {
    this.keyspace.setTime(now);
    for (let steps = 1; steps < 10_000; steps++) {
      const wait = this.expirer.step(performance.now());
      if (!this.expirer.sweeping) return wait;
    }
    throw new Error('the sweep does not end');
  }

  /** Sweeps until nothing due is left. */
  settle(now: number): void {
    for (let sweeps = 0; sweeps < 3; sweeps++) this.sweep(now);
  }
}

describe('active expiry', () => {
  it('removes what has expired, keeps the rest, and counts', () => {
    const bench = new Bench(3);
    const random = seeded(1);
    const at = new Map<string, number>();
    for (let i = 0; i < 9000; i++) {
      const expireAt = random() < 0.3 ? -1 : T0 + pick(random, 100_000);
      at.set(`key:${i}`, expireAt);
      bench.keys.set(`key:${i}`, 'value', expireAt, i % 3);
    }
    for (const now of [T0 + 1, T0 + 10_000, T0 + 10_500, T0 + 60_000, T0 + 200_000]) {
      bench.settle(now);
      let gone = 0;
      for (const [key, expireAt] of at) {
        const expired = expireAt >= 0 && expireAt <= now;
        if (expired) gone++;
        const there = bench.keys.get(key, Number(key.slice(4)) % 3) !== null;
        if (there === expired) throw new Error(`${key} at ${expireAt - T0}, now ${now - T0}: ${there}`);
      }
      expect(bench.keyspace.sum(ShardCounter.Expired)).toBe(gone);
      checkKeyspace(bench.keyspace);
    }
    expect(bench.keyspace.expires(0)).toBe(0);
  });

  it('removes thousands of keys of one slot, which collapses under it', () => {
    const bench = new Bench();
    for (let i = 0; i < 15_000; i++)
      bench.keys.set(`{slot}${i}`, 'value', i % 100 === 0 ? T0 + 1e6 : T0 + 1000 + i);
    bench.settle(T0 + 50_000);
    expect(bench.keyspace.size(0)).toBe(150);
    checkKeyspace(bench.keyspace);
  });

  it('visits only what is due: bounds tell', () => {
    const bench = new Bench();
    for (let i = 0; i < 5000; i++) bench.keys.set(`key:${i}`, 'value', T0 + 3_600_000 + i);
    bench.keys.set('soon', 'value', T0 + 500);
    const shard = bench.keys.enter('soon');
    shard.release();
    expect(shard.index.dbWord(0, DbWord.NextExpiry)).toBe(Math.floor(T0 / 1000));
    bench.settle(T0 + 600);
    expect(bench.keys.get('soon')).toBeNull();
    expect(shard.index.dbWord(0, DbWord.NextExpiry)).toBeGreaterThan(Math.floor(T0 / 1000) + 3000);
    // Nothing is due now: it asks for a whole period at once.
    expect(bench.sweep(T0 + 700)).toBe(100);
  });

  it('sees a key that comes with an early expiry during a sweep or after it', () => {
    const bench = new Bench();
    for (let i = 0; i < 4000; i++) bench.keys.set(`key:${i}`, 'value', T0 + 1000);
    bench.keyspace.setTime(T0 + 5000);
    bench.expirer.step(performance.now());
    for (let i = 0; i < 200; i++) bench.keys.set(`late:${i}`, 'value', T0 + 3000);
    bench.settle(T0 + 5000);
    expect(bench.keyspace.size(0)).toBe(0);
    bench.keys.set('later', 'value', T0 + 5500);
    bench.settle(T0 + 6000);
    expect(bench.keyspace.size(0)).toBe(0);
  });

  it('goes on with keys beyond the number up to which it is precise, a second later', () => {
    const bench = new Bench();
    for (let i = 0; i < 30_000; i++) bench.keys.set(`key:${i}`, 'v', T0 + (i % 2 === 0 ? 500 : 10_000_000));
    bench.settle(T0 + 2000);
    expect(bench.keyspace.size(0)).toBe(15_000);
    checkKeyspace(bench.keyspace);
  });

  it('takes expiries far in the future and of long ago', () => {
    const bench = new Bench();
    bench.keys.set('far', 'value', 2n ** 63n - 1n);
    bench.keys.set('2100', 'value', 4_102_444_800_000);
    bench.keys.set('past', 'value', 0);
    bench.settle(T0);
    expect(bench.keys.get('past')).toBeNull();
    expect(bench.keyspace.size(0)).toBe(2);
    checkKeyspace(bench.keyspace);
  });

  it('does nothing while it is off', () => {
    const bench = new Bench();
    bench.keys.set('key', 'value', T0 - 5);
    Atomics.store(bench.keyspace.memory.control, GlobalWord.ActiveExpireOff, 1);
    expect(bench.expirer.step(performance.now())).toBe(1000);
    expect(bench.keyspace.size(0)).toBe(1);
    Atomics.store(bench.keyspace.memory.control, GlobalWord.ActiveExpireOff, 0);
    bench.settle(T0);
    expect(bench.keyspace.size(0)).toBe(0);
  });

  it('begins sweeps as often as hz says, and asks for pauses in a long one', () => {
    const bench = new Bench();
    expect(bench.expirer.step(performance.now())).toBe(100);
    bench.config.applyChange({ name: 'hz', text: '50' });
    expect(bench.expirer.step(performance.now())).toBe(20);
    for (let i = 0; i < 40_000; i++) bench.keys.set(`key:${i}`, 'v', T0 + 1000);
    bench.keyspace.setTime(T0 + 60_000);
    const wait = bench.expirer.step(performance.now());
    expect(bench.keyspace.size(0)).toBeGreaterThan(0);
    expect(bench.keyspace.size(0)).toBeLessThan(40_000);
    // All that was visited had expired: a quarter of the core, so three times the step's own time.
    expect(wait).toBeGreaterThan(2);
  });
});
