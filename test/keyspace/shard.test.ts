// Records that grow, shrink, gain and lose expiries and move, against a model; also when memory runs out.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { OutOfMemoryError, takeChunks } from '../../src/memory/chunk-pool.ts';
import { CHUNKS_PER_REGION, GlobalWord, REF_REGION_SHIFT, ShardCounter } from '../../src/memory/layout.ts';
import { pick, seeded } from '../support/seeded.ts';
import { Keys, type KeyspaceOptions, makeKeyspace } from './bench.ts';

interface Expected {
  value: Buffer;
  expireAt: number | bigint;
}

const KEYS = [
  'a', '', 'key:0', 'key:1', '{tag}1', '{tag}2', 'k'.repeat(100), 'l'.repeat(65534), 'm'.repeat(65535), 'n'.repeat(70000),
]; // biome-ignore format: short ones in a row

class Run {
  readonly keys: Keys;
  readonly model = new Map<string, Expected>();
  #fill = 0;

  constructor(options: KeyspaceOptions = {}) {
    this.keys = new Keys(makeKeyspace(options));
  }

  bytes(length: number): Buffer {
    return Buffer.alloc(length, `<${this.#fill++}>`);
  }

  set(key: string, length: number, expireAt: number | bigint): void {
    const value = this.bytes(length);
    this.keys.set(key, value, expireAt);
    this.model.set(key, { value, expireAt });
  }

  /** APPEND, SETRANGE's growing, or cutting: resize keeps what there was and adds zeros. */
  resize(key: string, length: number, spare: number): void {
    const expected = this.model.get(key);
    const shard = this.keys.enter(key);
    if (this.keys.find(shard) && expected !== undefined) {
      shard.resize(this.keys.view, length, spare);
      const value = Buffer.alloc(length);
      expected.value.copy(value);
      expected.value = value;
    }
    shard.release();
  }

  expire(key: string, expireAt: number | bigint): void {
    const expected = this.model.get(key);
    const shard = this.keys.enter(key);
    if (this.keys.find(shard) && expected !== undefined) {
      if (expireAt < 0) shard.clearExpiry(this.keys.view);
      else shard.setExpiry(this.keys.view, expireAt);
      expected.expireAt = expireAt;
    }
    shard.release();
  }

  relocate(key: string): void {
    const shard = this.keys.enter(key);
    if (this.keys.find(shard)) shard.relocate(this.keys.view);
    shard.release();
  }

  del(key: string): void {
    expect(this.keys.del(key)).toBe(this.model.delete(key));
  }

  check(): void {
    for (const key of KEYS) this.expectKey(key);
    const found = checkKeyspace(this.keys.keyspace);
    expect(found.keys).toBe(this.model.size);
  }

  expectKey(key: string): void {
    const expected = this.model.get(key);
    const shard = this.keys.enter(key);
    try {
      expect(this.keys.find(shard)).toBe(expected !== undefined);
      if (expected === undefined) return;
      if (!this.keys.value().equals(expected.value)) throw new Error(`${key.slice(0, 20)} has another value`);
      expect(this.keys.view.expireAtExact).toBe(BigInt(expected.expireAt));
    } finally {
      shard.release();
    }
  }
}

// By number: the long names would fill a failure's message.
const key = fc.nat(KEYS.length - 1);
const length = fc.oneof(fc.nat(80), fc.nat(5000), fc.integer({ min: 0, max: 400_000 }));
const expireAt = fc.oneof<fc.Arbitrary<number | bigint>[]>(
  fc.constant(-1),
  fc.integer({ min: 0, max: 2 ** 45 }),
  fc.constantFrom(2n ** 60n + 3n, 2n ** 63n - 1n),
);
const step = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key, length, expireAt }),
  fc.record({ op: fc.constant('resize' as const), key, length, spare: fc.nat(1000) }),
  fc.record({ op: fc.constant('expire' as const), key, expireAt }),
  fc.record({ op: fc.constantFrom('relocate' as const, 'del' as const), key }),
);

describe('records of a shard', () => {
  it('hold what a model holds, whatever is done to them', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const run = new Run();
        for (const item of steps) {
          const name = KEYS[item.key]!;
          if (item.op === 'set') run.set(name, item.length, item.expireAt);
          else if (item.op === 'resize') run.resize(name, item.length, item.spare);
          else if (item.op === 'expire') run.expire(name, item.expireAt);
          else run[item.op](name);
          run.expectKey(name);
        }
        run.check();
      }),
      { numRuns: 80 },
    );
  });

  it('take a value as large as a region less a chunk', () => {
    const keys = new Keys(makeKeyspace({ regions: 2 }));
    const shard = keys.enter('big');
    const length = 512 * 1024 * 1024;
    shard.create(keys.view, 0, keys.slot, keys.hash, keys.key, 0, 3, 0, 0, length, -1, 0);
    keys.view.bytes[keys.view.valueOffset + length - 1] = 7;
    expect(keys.find(shard)).toBe(true);
    expect(keys.view.valueLength).toBe(length);
    expect(keys.view.bytes[keys.view.valueOffset + length - 1]).toBe(7);
    shard.remove(keys.view);
    expect(shard.arena.used).toBe(0);
    shard.release();
  });

  it('live anywhere in 64 GiB: references above 2^31 too', () => {
    const run = new Run({ regions: 40 });
    const { memory } = run.keys.keyspace;
    takeChunks(memory, CHUNKS_PER_REGION - 1);
    for (let region = 1; region < 38; region++) takeChunks(memory, CHUNKS_PER_REGION);
    const random = seeded(5);
    for (let i = 0; i < 6000; i++) {
      const name = `{${pick(random, 3)}}${pick(random, 2000)}`;
      const choice = random();
      if (choice < 0.6)
        run.set(name, pick(random, i % 100 === 0 ? 300_000 : 400), random() < 0.3 ? 2e12 : -1);
      else if (choice < 0.7) run.resize(name, pick(random, 1000), 10);
      else if (choice < 0.8) run.expire(name, 2e12);
      else if (choice < 0.9) run.relocate(name);
      else run.del(name);
    }
    for (const name of run.model.keys()) run.expectKey(name);
    expect(run.keys.view.ref >>> REF_REGION_SHIFT).toBe(38);
    for (let id = 0; id < 64; id++) checkKeyspace(run.keys.keyspace, id);
    for (const name of [...run.model.keys()]) run.del(name);
    expect(run.keys.keyspace.sum(ShardCounter.Used)).toBe(0);
  });

  it('are as before when memory runs out, and the index too', () => {
    const random = seeded(77);
    const { keys, model, run } = nearlyFull(random, 40);
    let failures = 0;
    for (let i = 0; i < 30_000; i++) {
      const name = `key:${pick(random, 20_000)}`;
      try {
        const choice = random();
        if (choice < 0.6) run.set(name, pick(random, 300), random() < 0.2 ? 1e12 : -1);
        else if (choice < 0.8) run.resize(name, pick(random, 3000), 100);
        else if (choice < 0.9) run.expire(name, random() < 0.5 ? 2e12 : -1);
        else if (choice < 0.95 || model.size > 12_000) {
          if (model.has(name)) run.del(name);
        } else run.relocate(name);
      } catch (error) {
        if (!(error instanceof OutOfMemoryError)) throw error;
        failures++;
        // The lock is still held where the operation threw.
        releaseAll(keys);
        run.expectKey(name);
      }
      if (i % 10_000 === 0) checkFull(keys);
    }
    expect(failures).toBeGreaterThan(100);
    checkFull(keys);
    for (const name of model.keys()) run.expectKey(name);
    // Deleting works without memory.
    for (const name of [...model.keys()]) run.del(name);
    checkFull(keys);
    expect(keys.keyspace.size(0)).toBe(0);
  });
});

/** A keyspace with `chunks` free: the rest belongs to a shard that has no keys. */
function nearlyFull(
  random: () => number,
  chunks: number,
): { keys: Keys; model: Map<string, Expected>; run: Run } {
  const run = new Run();
  const { arena } = run.keys.keyspace.shards[63]!;
  const { control } = run.keys.keyspace.memory;
  while (control[GlobalWord.ChunksUsed]! < 16383 - chunks) {
    const left = 16383 - chunks - control[GlobalWord.ChunksUsed]!;
    arena.alloc(left >= 3 ? left * 65536 : 1 + pick(random, 4096));
  }
  return { keys: run.keys, model: run.model, run };
}

function releaseAll(keys: Keys): void {
  for (const shard of keys.keyspace.shards) {
    try {
      shard.assertHeld();
    } catch {
      continue;
    }
    (shard as ReturnType<typeof shard.acquire>).release();
  }
}

/** All shards but the one that fills the memory. */
function checkFull(keys: Keys): void {
  for (let id = 0; id < 63; id++) checkKeyspace(keys.keyspace, id);
}
