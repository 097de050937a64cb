// What a key costs, and whether the bytes counted as used are those that the process takes.

import { describe, expect, it } from 'vitest';
import { ShardCounter } from '../../src/memory/layout.ts';
import { Keys, makeKeyspace } from './bench.ts';

describe('memory', () => {
  it('takes at most 85 bytes for a key of 16 bytes with a value of 32, index included', () => {
    const keys = new Keys(makeKeyspace({ databases: 16 }));
    const value = Buffer.alloc(32, 'x');
    const count = 300_000;
    for (let i = 0; i < count; i++) keys.set(`key:${String(i).padStart(12, '0')}`, value);
    const used = keys.keyspace.sum(ShardCounter.Used) / count;
    expect(used).toBeLessThanOrEqual(85);
    // 64 of it for the record: less would mean that something is not counted.
    expect(used).toBeGreaterThan(64 + 8);
  });

  it('takes as much with an expiry, 16 more, and in one slot', () => {
    const keys = new Keys(makeKeyspace());
    const value = Buffer.alloc(32, 'x');
    const count = 100_000;
    for (let i = 0; i < count; i++) keys.set(`{s}:${String(i).padStart(12, '0')}`, value, 2e12);
    expect(keys.keyspace.sum(ShardCounter.Used) / count).toBeLessThanOrEqual(80 + 12);
  });

  it('takes from the system what it counts as used, within 5%', () => {
    const keys = new Keys(makeKeyspace());
    const value = Buffer.alloc(1000, 'x');
    const name = (i: number): string => `key:${i}`;
    // Warms up what is compiled on the way, so that only data is measured.
    for (let i = 0; i < 20_000; i++) keys.set(name(i), value);
    const usedBefore = keys.keyspace.sum(ShardCounter.Used);
    const before = process.memoryUsage.rss();
    for (let i = 20_000; i < 500_000; i++) keys.set(name(i), value);
    const used = keys.keyspace.sum(ShardCounter.Used) - usedBefore;
    const growth = process.memoryUsage.rss() - before;
    expect(used).toBeGreaterThan(480_000 * 1000);
    expect(Math.abs(growth - used) / used).toBeLessThan(0.05);
    expect(keys.keyspace.sum(ShardCounter.Reserved) / keys.keyspace.sum(ShardCounter.Used)).toBeLessThan(
      1.05,
    );
  });

  it('uses chunks again that were freed: deleting and loading anew takes nothing more', () => {
    const keys = new Keys(makeKeyspace());
    const load = (bytes: number): void => {
      for (let i = 0; i < 100_000; i++) keys.set(`key:${i}`, Buffer.alloc(bytes));
    };
    load(500);
    const reserved = keys.keyspace.sum(ShardCounter.Reserved);
    for (let i = 0; i < 100_000; i++) keys.del(`key:${i}`);
    expect(keys.keyspace.sum(ShardCounter.Used)).toBe(0);
    expect(keys.keyspace.sum(ShardCounter.Reserved)).toBe(0);
    load(300);
    expect(keys.keyspace.sum(ShardCounter.Reserved)).toBeLessThan(reserved);
  });
});
