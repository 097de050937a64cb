// SCAN's guarantee, on the walk itself: keys that are there throughout are met exactly once, whatever is added and
// removed between the steps.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashKey } from '../../src/keyspace/key-hash.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { Encoding, RecordView, Type } from '../../src/keyspace/record.ts';
import { KeyWalk, randomKey } from '../../src/keyspace/scan.ts';
import type { LockedShard } from '../../src/keyspace/shard.ts';
import { SLOT_TO_SHARD_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';

class Keys {
  readonly keyspace = new Keyspace(new SharedMemory(allocateSharedBuffers(2, 2), 1), [1, 2]);
  readonly present = new Set<string>();
  readonly #rec = new RecordView(this.keyspace.memory);
  readonly #slots = new Int32Array(1);
  readonly #hashes = new Int32Array(1);

  #with(key: string, use: (shard: LockedShard, bytes: Buffer, slot: number, hash: number) => void): void {
    const bytes = Buffer.from(key);
    hashKey(bytes, 0, bytes.length, this.#slots, this.#hashes, 0);
    const shard = this.keyspace.shards[this.#slots[0]! >>> SLOT_TO_SHARD_SHIFT]!.acquire();
    use(shard, bytes, this.#slots[0]!, this.#hashes[0]!);
    shard.release();
  }

  add(key: string): void {
    if (this.present.has(key)) return;
    this.present.add(key);
    this.#with(key, (shard, bytes, slot, hash) => {
      shard.create(this.#rec, 0, slot, hash, bytes, 0, bytes.length, Type.String, Encoding.Embstr, 0, -1, 0);
    });
  }

  remove(key: string): void {
    if (!this.present.delete(key)) return;
    this.#with(key, (shard, bytes, slot, hash) => {
      if (!shard.find(this.#rec, 0, slot, hash, bytes, 0, bytes.length))
        throw new Error(`${key} is not there`);
      shard.remove(this.#rec);
    });
  }

  step(walk: KeyWalk, limit: number): string[] {
    const shard = this.keyspace.shards[walk.shard]!.acquire();
    walk.gather(shard, 0, limit);
    const met: string[] = [];
    for (let i = 0; i < walk.count; i++) {
      walk.meet(shard, 0, i, this.#rec);
      const { bytes, keyOffset, keyLength } = this.#rec;
      met.push(bytes.toString('latin1', keyOffset, keyOffset + keyLength));
    }
    shard.release();
    return met;
  }
}

/** Between two steps: how many keys to add and to remove of those that come and go. */
const change = fc.record({
  add: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(3000)),
  remove: fc.oneof(fc.constant(0), fc.nat(50), fc.nat(5000)),
  limit: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 2000 })),
});

const scenario = fc.record({
  /** All in one slot, in a few, or anywhere. */
  tag: fc.constantFrom('{t}', '', '{a}', 'few'),
  stable: fc.oneof(fc.nat(40), fc.nat(2000)),
  passing: fc.oneof(fc.nat(40), fc.nat(6000)),
  changes: fc.array(change, { minLength: 1, maxLength: 12 }),
});

function nameOf(tag: string, kind: string, i: number): string {
  return tag === 'few' ? `{${i % 3}}${kind}${i}` : `${tag}${kind}${i}`;
}

describe('KeyWalk', () => {
  it('meets each key that stays exactly once, and none twice that was there once', () => {
    fc.assert(
      fc.property(scenario, ({ tag, stable, passing, changes }) => {
        const keys = new Keys();
        for (let i = 0; i < stable; i++) keys.add(nameOf(tag, 's', i));
        for (let i = 0; i < passing; i++) keys.add(nameOf(tag, 'p', i));
        const met = new Map<string, number>();
        const walk = new KeyWalk();
        let added = passing;
        let removed = 0;
        for (let step = 0; !walk.done; step++) {
          const { add, remove, limit } = changes[step % changes.length]!;
          for (const key of keys.step(walk, limit)) {
            expect(keys.present.has(key)).toBe(true);
            met.set(key, (met.get(key) ?? 0) + 1);
          }
          // A bound on what comes and goes, so that every walk ends soon.
          if (step > 40) continue;
          for (let i = 0; i < add; i++) keys.add(nameOf(tag, 'p', added++));
          for (let i = 0; i < remove && removed < added; i++) keys.remove(nameOf(tag, 'p', removed++));
        }
        for (let i = 0; i < stable; i++) expect(met.get(nameOf(tag, 's', i))).toBe(1);
        for (const [key, times] of met) expect([key, times]).toEqual([key, 1]);
      }),
      { numRuns: 25 },
    );
  });

  it('goes from any position on, also from one that no walk has given out', () => {
    const keys = new Keys();
    for (let i = 0; i < 3000; i++) keys.add(`{t}${i}`);
    fc.assert(
      fc.property(fc.nat(20000), fc.nat(2 ** 32 - 1), (slot, hash) => {
        const walk = new KeyWalk(slot);
        walk.hash = hash;
        const met: string[] = [];
        while (!walk.done) met.push(...keys.step(walk, 100));
        expect(new Set(met).size).toBe(met.length);
      }),
      { numRuns: 50 },
    );
  });

  it('takes about as many keys as it is asked for, of a large slot too', () => {
    const keys = new Keys();
    for (let i = 0; i < 20_000; i++) keys.add(`{t}${i}`);
    const walk = new KeyWalk();
    let most = 0;
    while (!walk.done) most = Math.max(most, keys.step(walk, 10).length);
    expect(most).toBeGreaterThanOrEqual(10);
    expect(most).toBeLessThan(60);
  });

  it('stays within the slots it was given', () => {
    const keys = new Keys();
    for (let i = 0; i < 1000; i++) keys.add(`{a}${i}`);
    for (let i = 0; i < 1000; i++) keys.add(`k${i}`);
    // CRC16("a") mod 16384
    const walk = new KeyWalk(15495, 15496);
    const met: string[] = [];
    while (!walk.done) met.push(...keys.step(walk, 7));
    expect(met.filter((key) => key.startsWith('{a}')).length).toBe(1000);
    expect(met.length).toBeLessThan(1010);
  });
});

describe('randomKey', () => {
  it('finds every key of a shard, about equally often', () => {
    const keys = new Keys();
    for (let i = 0; i < 40; i++) keys.add(`{t}${i}`);
    const shard = keys.keyspace.shards.find(({ id }) => keys.keyspace.shards[id]!.keys(0) > 0)!.acquire();
    const rec = new RecordView(keys.keyspace.memory);
    const counts = new Map<number, number>();
    for (let i = 0; i < 8000; i++) {
      expect(randomKey(shard, 0, rec)).toBe(true);
      counts.set(rec.ref, (counts.get(rec.ref) ?? 0) + 1);
    }
    shard.release();
    expect(counts.size).toBe(40);
    // 200 expected; far from what chance allows.
    for (const count of counts.values()) expect(count).toBeGreaterThan(90);
  });

  it('finds none in an empty database', () => {
    const keys = new Keys();
    const shard = keys.keyspace.shards[0]!.acquire();
    expect(randomKey(shard, 1, new RecordView(keys.keyspace.memory))).toBe(false);
    shard.release();
  });
});
