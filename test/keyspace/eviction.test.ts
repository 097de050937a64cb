// Eviction: the eight policies remove what they say, keep what they should, stop when there is room, and admit when
// there is nothing to remove.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Evictor, evictionLimitMs, evictUntilRoom } from '../../src/keyspace/eviction.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { GlobalWord, ShardCounter } from '../../src/memory/layout.ts';
import { allocateStats, Stat, Stats } from '../../src/metrics/stats.ts';
import { Keys, makeKeyspace } from './bench.ts';

const T0 = 1_700_000_000_000;
const MINUTE = 60_000;

class Bench {
  readonly keyspace: Keyspace;
  readonly keys: Keys;
  readonly config = new ConfigStore(null, '/');
  readonly stats = new Stats(allocateStats(1), 1);
  readonly evictor: Evictor;

  constructor(policy: string, databases = 1) {
    this.keyspace = makeKeyspace({ databases });
    this.keys = new Keys(this.keyspace);
    this.evictor = new Evictor(this.keyspace, this.config, this.stats);
    this.configure('maxmemory-policy', policy);
    this.configure('maxmemory-eviction-tenacity', '100');
    this.keyspace.clock.lfu = policy.endsWith('-lfu');
    this.keyspace.setTime(T0);
  }

  configure(
    name: 'maxmemory' | 'maxmemory-policy' | 'maxmemory-eviction-tenacity' | 'maxmemory-samples',
    text: string,
  ): void {
    this.config.applyChange({ name, text });
  }

  get used(): number {
    this.keyspace.meter.flush();
    return this.keyspace.usedBytes();
  }

  /** Evicts down to a share of what is in use now. */
  evictTo(share: number): boolean {
    this.configure('maxmemory', String(Math.floor(this.used * share)));
    for (let calls = 0; calls < 1000; calls++) {
      const room = evictUntilRoom(this.evictor, true);
      if (!room || !this.evictor.over) return room;
    }
    throw new Error('eviction does not come to an end');
  }

  /** How many of `count` keys are left, by number. */
  left(name: (i: number) => string, count: number, db = 0): boolean[] {
    return Array.from({ length: count }, (_, i) => this.keys.get(name(i), db) !== null);
  }
}

const share = (flags: readonly boolean[]): number => flags.filter(Boolean).length / flags.length;

describe('eviction', () => {
  it('does nothing within the limit, or without one', () => {
    const bench = new Bench('allkeys-lru');
    for (let i = 0; i < 100; i++) bench.keys.set(`key:${i}`, 'value');
    expect(evictUntilRoom(bench.evictor, true)).toBe(true);
    bench.configure('maxmemory', String(bench.used + 1024));
    expect(evictUntilRoom(bench.evictor, true)).toBe(true);
    expect(bench.keyspace.size(0)).toBe(100);
  });

  it('removes nothing under noeviction, and says so', () => {
    const bench = new Bench('noeviction');
    for (let i = 0; i < 1000; i++) bench.keys.set(`key:${i}`, 'value');
    expect(bench.evictTo(0.5)).toBe(false);
    expect(bench.keyspace.size(0)).toBe(1000);
  });

  it.each([
    'allkeys-lru',
    'allkeys-lfu',
    'allkeys-random',
    'volatile-lru',
    'volatile-lfu',
    'volatile-random',
    'volatile-ttl',
  ])('brings %s within the limit and keeps every invariant', (policy) => {
    const bench = new Bench(policy, 3);
    for (let i = 0; i < 6000; i++) bench.keys.set(`key:${i}`, 'v'.repeat(i % 300), T0 + 1e6 + i, i % 3);
    const before = bench.used;
    expect(bench.evictTo(0.4)).toBe(true);
    expect(bench.used).toBeLessThanOrEqual(before * 0.4);
    // No more than needed: the limit is undercut by a key or so, and by what the index gives back with it.
    expect(bench.used).toBeGreaterThan(before * 0.4 - 8192);
    const found = checkKeyspace(bench.keyspace);
    expect(bench.keyspace.sum(ShardCounter.Evicted)).toBe(6000 - found.keys);
    for (let db = 0; db < 3; db++) expect(bench.keyspace.size(db)).toBeGreaterThan(100);
    expect(bench.stats.sum(Stat.EvictionMs)).toBeGreaterThan(0);
  });

  it.each(['volatile-lru', 'volatile-lfu', 'volatile-random', 'volatile-ttl'])(
    'removes only keys with an expiry under %s, and admits that there are none left',
    (policy) => {
      const bench = new Bench(policy);
      for (let i = 0; i < 3000; i++) bench.keys.set(`stays:${i}`, 'value');
      for (let i = 0; i < 300; i++) bench.keys.set(`goes:${i}`, 'value', T0 + 1e6);
      expect(bench.evictTo(0.2)).toBe(false);
      expect(bench.keyspace.size(0)).toBe(3000);
      expect(bench.keyspace.expires(0)).toBe(0);
      checkKeyspace(bench.keyspace);
    },
  );

  it('finds the one key with an expiry among many without', () => {
    const bench = new Bench('volatile-random');
    for (let i = 0; i < 20_000; i++) bench.keys.set(`{one slot}${i}`, 'value');
    bench.keys.set('{one slot}last', 'value', T0 + 1e6);
    expect(bench.evictTo(0.9)).toBe(false);
    expect(bench.keys.get('{one slot}last')).toBeNull();
    expect(bench.keyspace.size(0)).toBe(20_000);
  });

  it('keeps hot keys under allkeys-lru', () => {
    const bench = new Bench('allkeys-lru');
    for (let i = 0; i < 10_000; i++) {
      bench.keyspace.setTime(T0 + i * 100);
      bench.keys.set(`key:${i}`, 'value');
    }
    bench.keyspace.setTime(T0 + 2000_000);
    for (let i = 0; i < 10_000; i += 10) bench.keys.touch(`key:${i}`);
    bench.keyspace.setTime(T0 + 2100_000);
    bench.evictTo(0.5);
    const left = bench.left((i) => `key:${i}`, 10_000);
    const hot = left.filter((_, i) => i % 10 === 0);
    const old = left.slice(0, 3000).filter((_, i) => i % 10 !== 0);
    const young = left.slice(7000).filter((_, i) => i % 10 !== 0);
    expect(share(hot)).toBeGreaterThan(0.99);
    expect(share(old)).toBeLessThan(0.15);
    expect(share(young)).toBeGreaterThan(0.8);
  });

  it('approximates true LRU better with more samples', () => {
    const kept = ['1', '5', '20'].map((samples) => {
      const bench = new Bench('allkeys-lru');
      bench.configure('maxmemory-samples', samples);
      for (let i = 0; i < 8000; i++) {
        bench.keyspace.setTime(T0 + i * 1000);
        bench.keys.set(`key:${i}`, 'value');
      }
      bench.evictTo(0.6);
      const left = bench.left((i) => `key:${i}`, 8000);
      const count = left.filter(Boolean).length;
      return share(left.slice(8000 - count));
    });
    expect(kept[1]!).toBeGreaterThan(kept[0]!);
    expect(kept[2]!).toBeGreaterThan(kept[1]!);
    expect(kept[2]!).toBeGreaterThan(0.95);
  });

  it('keeps keys of one busy slot as it keeps others', () => {
    const bench = new Bench('allkeys-lru');
    for (let i = 0; i < 6000; i++) bench.keys.set(`{busy}${i}`, 'value');
    bench.keyspace.setTime(T0 + 100_000);
    for (let i = 0; i < 2000; i++) bench.keys.set(`other:${i}`, 'value');
    bench.keyspace.setTime(T0 + 200_000);
    bench.evictTo(0.7);
    expect(share(bench.left((i) => `other:${i}`, 2000))).toBeGreaterThan(0.95);
  });

  it('keeps keys that are used often under allkeys-lfu, though others were used later', () => {
    const bench = new Bench('allkeys-lfu');
    for (let i = 0; i < 6000; i++) bench.keys.set(`key:${i}`, 'value');
    for (let uses = 0; uses < 200; uses++) for (let i = 0; i < 6000; i += 20) bench.keys.touch(`key:${i}`);
    bench.keyspace.setTime(T0 + 2 * MINUTE);
    for (let i = 1; i < 6000; i += 20) bench.keys.touch(`key:${i}`);
    bench.evictTo(0.5);
    const left = bench.left((i) => `key:${i}`, 6000);
    expect(share(left.filter((_, i) => i % 20 === 0))).toBeGreaterThan(0.99);
    expect(share(left.filter((_, i) => i % 20 > 1))).toBeLessThan(0.55);
  });

  it('removes the keys that expire first under volatile-ttl', () => {
    const bench = new Bench('volatile-ttl');
    for (let i = 0; i < 6000; i++) bench.keys.set(`key:${i}`, 'value', T0 + 1e6 + ((i * 7919) % 6000) * 1000);
    bench.evictTo(0.5);
    const left = bench.left((i) => `key:${i}`, 6000);
    const rank = (i: number): number => (i * 7919) % 6000;
    expect(share(left.filter((_, i) => rank(i) < 2000))).toBeLessThan(0.1);
    expect(share(left.filter((_, i) => rank(i) > 4000))).toBeGreaterThan(0.9);
  });

  it('is even under allkeys-random', () => {
    const bench = new Bench('allkeys-random');
    for (let i = 0; i < 8000; i++) bench.keys.set(i < 4000 ? `{slot}${i}` : `key:${i}`, 'value');
    bench.evictTo(0.5);
    const left = bench.left((i) => (i < 4000 ? `{slot}${i}` : `key:${i}`), 8000);
    expect(Math.abs(share(left.slice(0, 4000)) - share(left.slice(4000)))).toBeLessThan(0.1);
  });

  it('spares a candidate that was used since it was sampled', () => {
    const bench = new Bench('allkeys-lru');
    for (let i = 0; i < 16; i++) bench.keys.set(`old:${i}`, 'v'.repeat(3000));
    bench.keyspace.setTime(T0 + 1000_000);
    for (let i = 0; i < 300; i++) bench.keys.set(`new:${i}`, 'v'.repeat(3000));
    // Fills the pool with old keys; one goes.
    bench.configure('maxmemory-samples', '64');
    bench.configure('maxmemory', String(bench.used - 1024));
    evictUntilRoom(bench.evictor, true);
    bench.keyspace.setTime(T0 + 2000_000);
    for (let i = 0; i < 16; i++) bench.keys.touch(`old:${i}`);
    bench.configure('maxmemory', String(Math.floor(bench.used * 0.7)));
    evictUntilRoom(bench.evictor, true);
    const old = bench.left((i) => `old:${i}`, 16).filter(Boolean).length;
    expect(old).toBeGreaterThanOrEqual(13);
  });

  it('lets an acceptor go on while shards are busy, and waits for none of them', () => {
    const bench = new Bench('allkeys-random');
    for (let i = 0; i < 1000; i++) bench.keys.set(`key:${i}`, 'value');
    const other = makeKeyspace({ buffers: bench.keyspace.memory.buffers, thread: 2 });
    const held = other.shards.map((shard) => shard.acquire());
    bench.configure('maxmemory', '4096');
    expect(evictUntilRoom(bench.evictor, false)).toBe(true);
    expect(bench.keyspace.size(0)).toBe(1000);
    for (const shard of held.slice(0, 40)) shard.release();
    for (let i = 0; i < 2000; i++) evictUntilRoom(bench.evictor, false);
    const sizes = bench.keyspace.shards.map((shard) => shard.keys(0));
    expect(Math.max(...sizes.slice(0, 40))).toBe(0);
    expect(Math.min(...sizes.slice(40))).toBeGreaterThan(0);
    for (const shard of held.slice(40)) shard.release();
  });

  it('waits for memory that is being given back rather than refuse', () => {
    const bench = new Bench('noeviction');
    for (let i = 0; i < 1000; i++) bench.keys.set(`key:${i}`, 'value');
    bench.configure('maxmemory', '4096');
    expect(evictUntilRoom(bench.evictor, true)).toBe(false);
    Atomics.add(bench.keyspace.memory.control, GlobalWord.LazyFree, 1);
    expect(evictUntilRoom(bench.evictor, true)).toBe(true);
  });

  it('stops after the time that the tenacity grants', () => {
    expect([0, 1, 10].map(evictionLimitMs)).toEqual([0, 0.05, 0.5]);
    expect(evictionLimitMs(50)).toBeCloseTo(0.5 * 1.15 ** 40);
    expect(evictionLimitMs(100)).toBe(Number.POSITIVE_INFINITY);
    const bench = new Bench('allkeys-random');
    bench.configure('maxmemory-eviction-tenacity', '0');
    for (let i = 0; i < 1000; i++) bench.keys.set(`key:${i}`, 'value');
    bench.configure('maxmemory', '4096');
    expect(evictUntilRoom(bench.evictor, true)).toBe(true);
    expect(bench.keyspace.size(0)).toBe(999);
  });

  it('counts what a thread has allocated since its last step', () => {
    const bench = new Bench('allkeys-random');
    bench.configure('maxmemory', '8192');
    // Far less than the 32 KiB that a thread gathers before it tells.
    for (let i = 0; i < 100; i++) bench.keys.set(`key:${i}`, 'v'.repeat(100));
    expect(bench.keyspace.usedBytes()).toBeGreaterThanOrEqual(0);
    evictUntilRoom(bench.evictor, true);
    expect(bench.used).toBeLessThanOrEqual(8192);
  });
});
