// The view of hashes against a plain Map: random operations in all encodings, with and without memory; active expiry of
// fields.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import { emptyHashBytes, HashLimits, HashView } from '../../src/keyspace/hash-view.ts';
import { hashKey } from '../../src/keyspace/key-hash.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { Encoding, Type } from '../../src/keyspace/record.ts';
import type { LockedShard } from '../../src/keyspace/shard.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { ShardCounter, SLOT_TO_SHARD_SHIFT } from '../../src/memory/layout.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { NO_EXPIRY } from '../../src/structures/segment.ts';
import { makeKeyspace } from './bench.ts';

const T0 = 1_700_000_000_000;
const limits = new HashLimits();
limits.entries = 8;
limits.value = 20;

interface Field {
  value: string;
  expireAt: number;
}

/** One hash, with a Map of what it should hold. */
class Tested {
  readonly keyspace: Keyspace;
  readonly view: HashView;
  readonly shard: LockedShard;
  readonly model = new Map<string, Field>();

  constructor(name = 'the hash', keyspace: Keyspace = makeKeyspace({ databases: 1 })) {
    this.keyspace = keyspace;
    this.view = new HashView(keyspace.memory, limits);
    const slots = new Int32Array(1);
    const hashes = new Int32Array(1);
    const key = Buffer.from(name);
    hashKey(key, 0, key.length, slots, hashes, 0);
    this.shard = keyspace.shards[slots[0]! >>> SLOT_TO_SHARD_SHIFT]!.acquire();
    this.shard.create(
      this.view.rec, 0, slots[0]!, hashes[0]!, key, 0, key.length,
      Type.Hash, Encoding.Listpack, emptyHashBytes(Encoding.Listpack), -1, 0,
    ); // biome-ignore format: many short arguments
    this.view.openNew(this.shard);
  }

  set(name: string, value: string, keep: boolean): void {
    const key = Buffer.from(name);
    const data = Buffer.from(value);
    const isNew = this.view.set(key, 0, key.length, data, 0, data.length, keep);
    const old = this.model.get(name);
    expect(isNew).toBe(old === undefined);
    this.model.set(name, { value, expireAt: keep && old !== undefined ? old.expireAt : -1 });
  }

  remove(name: string): void {
    const key = Buffer.from(name);
    expect(this.view.remove(key, 0, key.length)).toBe(this.model.delete(name));
  }

  setExpiry(name: string, expireAt: number): void {
    const key = Buffer.from(name);
    this.view.makeExpiring();
    const found = this.view.find(key, 0, key.length);
    expect(found).toBe(this.model.has(name));
    if (!found) return;
    this.view.setExpiry(expireAt);
    this.model.get(name)!.expireAt = expireAt;
  }

  expire(now: number): void {
    const due = [...this.model].filter(([, field]) => field.expireAt >= 0 && field.expireAt <= now);
    expect(this.view.countExpired(now)).toBe(due.length);
    let removed = 0;
    let from = 0;
    do {
      from = this.view.expireSome(now, from, 5);
      removed += this.view.removed;
    } while (from !== 0);
    expect(removed).toBe(due.length);
    for (const [name] of due) this.model.delete(name);
  }

  /** Everything that the view shows is what the model holds, and the index knows what it must. */
  check(): void {
    const { view } = this;
    const found = new Map<string, Field>();
    const order: number[] = [];
    view.begin();
    while (view.next()) {
      const name = view.keyBuf.toString('utf8', view.keyOff, view.keyOff + view.keyLen);
      expect(found.has(name)).toBe(false);
      const value = view.buf.toString('utf8', view.off, view.off + view.len);
      found.set(name, { value, expireAt: view.expireAt });
      order.push(view.expireAt < 0 ? Number.POSITIVE_INFINITY : view.expireAt);
    }
    expect(found).toEqual(this.model);
    expect(view.size).toBe(this.model.size);
    if (view.encoding === Encoding.ListpackEx) expect(order).toEqual([...order].sort((a, b) => a - b));
    for (const [name, field] of this.model) {
      const key = Buffer.from(name);
      expect(view.find(key, 0, key.length)).toBe(true);
      expect(view.expireAt).toBe(field.expireAt);
      expect(view.buf.toString('utf8', view.off, view.off + view.len)).toBe(field.value);
    }
    view.settle();
    // Without fields it is what only a command may have before it ends.
    if (this.model.size === 0) return;
    this.shard.release();
    checkKeyspace(this.keyspace);
    this.shard.acquire();
  }
}

const name = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 14 }).map((n) => `f${n}`), weight: 80 },
  { arbitrary: fc.integer({ min: -2, max: 5 }).map(String), weight: 20 },
  { arbitrary: fc.integer({ min: 0, max: 400 }).map((n) => `field:${n}`), weight: 10 },
  { arbitrary: fc.constantFrom('', 'x'.repeat(20), 'x'.repeat(21)), weight: 10 },
);
const value = fc.oneof(
  { arbitrary: fc.integer({ min: -70_000, max: 70_000 }).map(String), weight: 40 },
  { arbitrary: fc.string({ maxLength: 20, unit: 'grapheme-ascii' }), weight: 40 },
  { arbitrary: fc.constantFrom('', '9223372036854775807', 'y'.repeat(20)), weight: 20 },
  { arbitrary: fc.constantFrom('y'.repeat(21), 'y'.repeat(500)), weight: 4 },
);
const expireAt = fc.oneof(
  { arbitrary: fc.integer({ min: T0, max: T0 + 5000 }), weight: 50 },
  { arbitrary: fc.constantFrom(1, 2, 2 ** 46 - 1), weight: 10 },
  { arbitrary: fc.constant(-1), weight: 20 },
);

type Step =
  | { op: 'set'; name: string; value: string; keep: boolean }
  | { op: 'remove'; name: string }
  | { op: 'expiry'; name: string; expireAt: number }
  | { op: 'expire'; now: number }
  | { op: 'convert' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: fc.record({ op: fc.constant('set' as const), name, value, keep: fc.boolean() }), weight: 100 },
  { arbitrary: fc.record({ op: fc.constant('remove' as const), name }), weight: 50 },
  { arbitrary: fc.record({ op: fc.constant('expiry' as const), name, expireAt }), weight: 50 },
  {
    arbitrary: fc.record({
      op: fc.constant('expire' as const),
      now: fc.integer({ min: T0, max: T0 + 5000 }),
    }),
    weight: 5,
  },
  { arbitrary: fc.constant({ op: 'convert' as const }), weight: 1 },
);

function apply(tested: Tested, each: Step): void {
  if (each.op === 'set') tested.set(each.name, each.value, each.keep);
  else if (each.op === 'remove') tested.remove(each.name);
  else if (each.op === 'expiry') tested.setExpiry(each.name, each.expireAt);
  else if (each.op === 'expire') tested.expire(each.now);
  else if (tested.view.encoding !== Encoding.Hashtable) tested.view.toHashtable();
}

describe('the view of a hash', () => {
  it('does what a Map does', () => {
    const met = new Set<number>();
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 120 }), (steps) => {
        const tested = new Tested();
        for (const [i, each] of steps.entries()) {
          apply(tested, each);
          met.add(tested.view.encoding);
          if (i % 40 === 0) tested.check();
        }
        tested.check();
        tested.shard.remove(tested.view.rec);
        tested.shard.release();
        checkKeyspace(tested.keyspace);
        expect(tested.shard.arena.used).toBe(0);
      }),
      { numRuns: 80 },
    );
    expect([...met].sort()).toEqual([Encoding.Hashtable, Encoding.Listpack, Encoding.ListpackEx].sort());
  });

  it('stays as it was when there is no memory', () => {
    let failures = 0;
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 20, maxLength: 120 }),
        fc.integer({ min: 1, max: 4 }),
        (steps, each) => {
          const tested = new Tested();
          const { arena } = tested.shard;
          const alloc = arena.alloc.bind(arena);
          let calls = 0;
          arena.alloc = (bytes: number): number => {
            if (++calls % each !== 0) return alloc(bytes);
            failures++;
            throw new OutOfMemoryError('test');
          };
          for (const one of steps) {
            try {
              apply(tested, one);
            } catch (error) {
              if (!(error instanceof OutOfMemoryError)) throw error;
            }
          }
          arena.alloc = alloc;
          tested.check();
          tested.shard.remove(tested.view.rec);
          expect(arena.used).toBe(0);
          tested.shard.release();
        },
      ),
      { numRuns: 60 },
    );
    expect(failures).toBeGreaterThan(200);
  });
});

describe('active expiry of fields', () => {
  function expirerOf(keyspace: Keyspace): Expirer {
    const config = new ConfigStore(null, '/');
    return new Expirer(keyspace, config, new Stats(allocateStats(1), 1), keyspace.shards);
  }

  /** Steps until nothing due is left. @returns the number of steps */
  function settle(keyspace: Keyspace, expirer: Expirer, now: number): number {
    keyspace.setTime(now);
    let steps = 0;
    for (let sweeps = 0; sweeps < 3; sweeps++) {
      do {
        expirer.step(performance.now());
        steps++;
      } while (expirer.sweeping);
    }
    return steps;
  }

  it('removes fields of all encodings, and hashes with their last field', () => {
    const keyspace = makeKeyspace({ databases: 1 });
    const hashes: Tested[] = [];
    let fields = 0;
    for (let i = 0; i < 60; i++) {
      const tested = new Tested(`hash:${i}`, keyspace);
      const size = [1, 3, 7, 20, 300, 1500][i % 6]!;
      for (let f = 0; f < size; f++) {
        tested.set(`f${f}`, `v${f}`, false);
        // One hash in two has a field that stays.
        if (f > 0 || i % 2 === 0) {
          tested.setExpiry(`f${f}`, T0 + ((f * 7919 + i) % 10_000));
          fields++;
        }
      }
      tested.view.settle();
      tested.shard.release();
      hashes.push(tested);
    }
    checkKeyspace(keyspace);
    const withExpiries = keyspace.fieldExpires(0);
    expect(withExpiries).toBe(
      hashes.filter(({ model }) => [...model.values()].some((f) => f.expireAt >= 0)).length,
    );
    const expirer = expirerOf(keyspace);
    settle(keyspace, expirer, T0 - 1);
    expect(keyspace.sum(ShardCounter.ExpiredFields)).toBe(0);
    for (const now of [T0 + 1000, T0 + 1500, T0 + 7000, T0 + 20_000]) {
      settle(keyspace, expirer, now);
      checkKeyspace(keyspace);
      let left = 0;
      let hashesLeft = 0;
      for (const { model } of hashes) {
        for (const [key, field] of model) if (field.expireAt >= 0 && field.expireAt <= now) model.delete(key);
        left += [...model.values()].filter((field) => field.expireAt >= 0).length;
        if (model.size > 0) hashesLeft++;
      }
      expect(keyspace.sum(ShardCounter.ExpiredFields)).toBe(fields - left);
      expect(keyspace.size(0)).toBe(hashesLeft);
    }
    expect(keyspace.fieldExpires(0)).toBe(0);
    expect(keyspace.sum(ShardCounter.Expired)).toBe(0);
  });

  it('takes a huge hash in steps, and comes back for what is due later', () => {
    const keyspace = makeKeyspace({ databases: 1 });
    const tested = new Tested('huge', keyspace);
    for (let f = 0; f < 60_000; f++) {
      tested.set(`field:${f}`, 'v', false);
      tested.setExpiry(`field:${f}`, f % 3 === 0 ? T0 + 1_000_000 : T0 + (f % 1000));
    }
    tested.view.settle();
    tested.shard.release();
    const expirer = expirerOf(keyspace);
    expect(settle(keyspace, expirer, T0 + 2000)).toBeGreaterThan(5);
    expect(keyspace.sum(ShardCounter.ExpiredFields)).toBe(40_000);
    checkKeyspace(keyspace);
    tested.shard.acquire();
    expect(tested.view.size).toBe(20_000);
    expect(tested.view.table.nextExpiry).toBe((T0 + 1_000_000) / 1000);
    tested.shard.release();
    // Nothing is due: nothing is visited.
    keyspace.setTime(T0 + 5000);
    expirer.step(performance.now());
    expect(expirer.sweeping).toBe(false);
    settle(keyspace, expirer, T0 + 1_000_001);
    expect(keyspace.size(0)).toBe(0);
    checkKeyspace(keyspace);
  });

  it('keeps the bounds when expiries are taken back', () => {
    const keyspace = makeKeyspace({ databases: 1 });
    const tested = new Tested('h', keyspace);
    for (let f = 0; f < 50; f++) {
      tested.set(`f${f}`, 'v', false);
      tested.setExpiry(`f${f}`, T0 + 1000);
    }
    for (let f = 0; f < 50; f++) tested.setExpiry(`f${f}`, f < 49 ? -1 : T0 + 9000);
    tested.check();
    tested.shard.release();
    const expirer = expirerOf(keyspace);
    settle(keyspace, expirer, T0 + 2000);
    expect(keyspace.sum(ShardCounter.ExpiredFields)).toBe(0);
    tested.shard.acquire();
    expect(tested.view.table.nextExpiry).toBe((T0 + 9000) / 1000);
    tested.setExpiry('f49', -1);
    expect(tested.view.table.nextExpiry).toBe(NO_EXPIRY);
    tested.check();
    expect(keyspace.fieldExpires(0)).toBe(0);
    tested.shard.release();
  });
});
