// The index against a Map, with hashes as bad as they can be: all in one slot, all with the same top bits, all equal.

import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Encoding, RecordView, Type, writeExpiry, writeHeader } from '../../src/keyspace/record.ts';
import type { LockedShard } from '../../src/keyspace/shard.ts';
import { DbWord } from '../../src/keyspace/slot-segments.ts';
import { NO_EXPIRY } from '../../src/structures/segment.ts';
import { pick, seeded } from '../support/seeded.ts';
import { makeKeyspace } from './bench.ts';

interface Entry {
  readonly key: Buffer;
  readonly hash: number;
  readonly local: number;
  readonly db: number;
  ref: number;
  expireAt: number;
}

const HASHES: Record<string, (random: () => number, n: number) => number> = {
  even: (random) => (random() * 2 ** 32) | 0,
  'with equal top 12 bits': (random) => 0xabc00000 | (random() * 2 ** 20) | 0,
  'with equal top 22 bits': (random) => 0xfffffc00 | (random() * 2 ** 10) | 0,
  'all equal': () => 0x5a5a5a5a,
  'in order, dense': (_, n) => n * 2,
  'alternating between the ends': (_, n) => (n % 2 === 0 ? n : -n),
};

/** Index operations on records that the test makes, mirrored in a Map. */
class Mirror {
  readonly keyspace = makeKeyspace({ databases: 2 });
  readonly shard: LockedShard = this.keyspace.shards[3]!.acquire();
  readonly entries: Entry[] = [];
  readonly view = new RecordView(this.keyspace.memory);
  readonly random: () => number;
  readonly hashOf: (random: () => number, n: number) => number;
  readonly locals: readonly number[];
  /** Hashes that are made from a count begin again after as many. */
  hashes = 1e9;
  #made = 0;

  constructor(seed: number, hashOf: (random: () => number, n: number) => number, locals: readonly number[]) {
    this.random = seeded(seed);
    this.hashOf = hashOf;
    this.locals = locals;
  }

  insert(db = pick(this.random, 2)): Entry {
    const n = this.#made++;
    const key = Buffer.from(`key:${n}`);
    const expireAt = this.random() < 0.3 ? 1e12 + pick(this.random, 1e9) : -1;
    const hash = (this.hashOf(this.random, n % this.hashes) & ~3) | 0;
    const local = this.locals[pick(this.random, this.locals.length)]!;
    const entry = { key, hash, local, db, ref: this.#record(key, expireAt), expireAt };
    this.shard.index.insert(db, local, hash, entry.ref, expireAt);
    this.entries.push(entry);
    return entry;
  }

  remove(i: number): void {
    const [entry] = this.entries.splice(i, 1);
    this.shard.index.remove(entry!.db, entry!.local, entry!.hash, entry!.ref);
    this.shard.arena.free(entry!.ref);
  }

  /** Another block for a record, as when it grows. */
  move(entry: Entry): void {
    const ref = this.#record(entry.key, entry.expireAt);
    this.shard.index.replace(entry.db, entry.local, entry.hash, entry.ref, ref);
    this.shard.arena.free(entry.ref);
    entry.ref = ref;
  }

  expire(entry: Entry): void {
    const { index } = this.shard;
    const had = entry.expireAt >= 0;
    entry.expireAt = !had || this.random() < 0.5 ? 1e12 + pick(this.random, 1e9) : -1;
    this.view.point(entry.ref);
    if (entry.expireAt < 0) {
      index.forgetExpiry(entry.db, entry.local, entry.hash, entry.ref);
      this.move(entry);
    } else if (had) {
      writeExpiry(this.view, entry.expireAt);
      index.noteExpiry(entry.db, entry.local, entry.hash, entry.ref, entry.expireAt);
    } else {
      this.move(entry);
      index.noteExpiry(entry.db, entry.local, entry.hash, entry.ref, entry.expireAt);
    }
  }

  check(): void {
    const { index } = this.shard;
    for (const { key, hash, local, db, ref } of this.entries) {
      if (index.find(db, local, hash, key, 0, key.length) !== ref) throw new Error(`${key} is lost`);
      if (!index.holds(db, local, hash, ref)) throw new Error(`${key} is not held`);
    }
    const absent = Buffer.from('absent');
    for (const { hash, local, db } of this.entries.slice(0, 50)) {
      if (index.find(db, local, hash, absent, 0, 6) !== 0) throw new Error('found what was never there');
    }
    for (let db = 0; db < 2; db++) {
      const own = this.entries.filter((entry) => entry.db === db);
      expect(this.shard.keys(db)).toBe(own.length);
      expect(this.shard.expires(db)).toBe(own.filter((entry) => entry.expireAt >= 0).length);
      for (const local of this.locals) {
        const refs: number[] = [];
        expect(index.scanSlot(db, local, 0, Number.MAX_SAFE_INTEGER, refs, [])).toBe(2 ** 32);
        const expected = own.filter((entry) => entry.local === local).map((entry) => entry.ref);
        expect(refs.sort((a, b) => a - b)).toEqual(expected.sort((a, b) => a - b));
        expect(index.slotKeys(db, local)).toBe(expected.length);
      }
    }
    this.shard.release();
    const found = checkKeyspace(this.keyspace, this.shard.id, false);
    this.shard.acquire();
    expect(found.keys).toBe(this.entries.length);
  }

  #record(key: Buffer, expireAt: number): number {
    const ref = this.shard.arena.alloc(20 + key.length);
    this.view.point(ref);
    writeHeader(this.view, Type.String, Encoding.Raw, key.length, 0, expireAt, 0);
    key.copy(this.view.bytes, this.view.keyOffset);
    return ref;
  }
}

describe.each(Object.keys(HASHES))('an index of hashes %s', (name) => {
  const count = name === 'all equal' ? 1500 : 6000;

  it.each([
    { what: 'one slot', locals: [77] },
    { what: 'a few slots', locals: [0, 1, 128, 255] },
  ])('grows to thousands of keys in $what and shrinks to none', ({ locals }) => {
    const mirror = new Mirror(1, HASHES[name]!, locals);
    for (let i = 0; i < count; i++) {
      mirror.insert();
      if (i % 7 === 0) mirror.expire(mirror.entries[pick(mirror.random, mirror.entries.length)]!);
      if (i % 5 === 0) mirror.move(mirror.entries[pick(mirror.random, mirror.entries.length)]!);
      if (i % 3 === 0) mirror.remove(pick(mirror.random, mirror.entries.length));
      if (i === 10 || i % 1500 === 0) mirror.check();
    }
    mirror.check();
    while (mirror.entries.length > 0) {
      mirror.remove(pick(mirror.random, mirror.entries.length));
      if (mirror.entries.length % 997 === 0 || mirror.entries.length < 4) mirror.check();
    }
    expect(mirror.shard.arena.used).toBe(0);
  });

  it('gives back what it took for many keys when few are left', () => {
    const mirror = new Mirror(2, HASHES[name]!, [9]);
    for (let i = 0; i < count; i++) mirror.insert(0);
    while (mirror.entries.length > 20) mirror.remove(pick(mirror.random, mirror.entries.length));
    mirror.check();
    expect(mirror.shard.arena.used).toBeLessThan(2048 + 20 * 64 + 4096);
  });

  it('is scanned in steps without missing or repeating a key that stays', () => {
    for (const step of [1, 7, 100]) {
      const mirror = new Mirror(3 + step, HASHES[name]!, [200]);
      // Else new keys would come ahead of the scan for ever.
      mirror.hashes = 3000;
      for (let i = 0; i < 2500; i++) mirror.insert(0);
      const staying = mirror.entries.filter((_, i) => i % 2 === 0);
      const met = new Map<number, number>();
      let steps = 0;
      for (let cursor = 0; cursor < 2 ** 32; steps++) {
        const refs: number[] = [];
        const hashes: number[] = [];
        cursor = mirror.shard.index.scanSlot(0, 200, cursor, step, refs, hashes);
        expect(hashes.length).toBe(refs.length);
        for (const ref of refs) met.set(ref, (met.get(ref) ?? 0) + 1);
        // The table grows, shrinks, splits and collapses between two steps.
        const grow = steps % 40 < 20;
        for (let k = 0; k < 30; k++) {
          const i = pick(mirror.random, mirror.entries.length);
          if (grow && mirror.entries.length < 4000) mirror.insert(0);
          else if (!staying.includes(mirror.entries[i]!)) mirror.remove(i);
        }
        if (steps > 100_000) throw new Error('the scan does not end');
      }
      for (const entry of staying) expect(met.get(entry.ref), `${entry.key}`).toBe(1);
      mirror.check();
    }
  });
});

describe('an index', () => {
  it('keeps the bounds of expiries below every expiry, and none without any', () => {
    const mirror = new Mirror(9, HASHES['even']!, [4]);
    const { index } = mirror.shard;
    for (let i = 0; i < 2000; i++) mirror.insert(0);
    const first = Math.min(...mirror.entries.filter((e) => e.expireAt >= 0).map((e) => e.expireAt));
    expect(index.dbWord(0, DbWord.NextExpiry)).toBeLessThanOrEqual(Math.floor(first / 1000));
    for (const entry of mirror.entries) while (entry.expireAt >= 0) mirror.expire(entry);
    expect(index.dbWord(0, DbWord.NextExpiry)).toBe(NO_EXPIRY);
    expect(mirror.shard.expires(0)).toBe(0);
    mirror.check();
  });

  it('moves segments', () => {
    const mirror = new Mirror(10, HASHES['even']!, [4, 5]);
    for (let i = 0; i < 3000; i++) mirror.insert(0);
    for (let hash = 0; hash < 2 ** 32; hash += 2 ** 26) {
      const before = mirror.shard.index.segmentAt(0, 4, hash | 0);
      mirror.shard.index.moveSegment(0, 4, hash | 0);
      expect(mirror.shard.index.segmentAt(0, 4, hash | 0)).not.toBe(before);
    }
    mirror.check();
  });

  it('swaps databases', () => {
    const mirror = new Mirror(11, HASHES['even']!, [4, 5]);
    for (let i = 0; i < 500; i++) mirror.insert(1);
    mirror.shard.index.swap(0, 1);
    for (const entry of mirror.entries) (entry as { db: number }).db = 0;
    mirror.check();
  });
});
