// The tables of watched keys: versions, keys that share a chain, entries that are used again, a table that is full.

import { beforeEach, expect, it } from 'vitest';
import {
  eachWatched,
  touchAnyWatched,
  touchWatched,
  unwatchKey,
  watchKey,
  watchVersion,
} from '../../src/keyspace/watched.ts';
import { GlobalWord, ShardWord, shardWord, WATCHES_PER_SHARD } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { pick, seeded } from '../support/seeded.ts';

let memory: SharedMemory;
beforeEach(() => {
  memory = new SharedMemory(allocateSharedBuffers(16, 1), 1);
});

const SLOT = 5 * 256 + 17;
const counts = () => [memory.control[GlobalWord.Watching], memory.control[shardWord(5, ShardWord.Watched)]];

it('a key has one version for all who watch it, and another one in another database or slot', () => {
  const entry = watchKey(memory, 0, SLOT, 64);
  expect(watchKey(memory, 0, SLOT, 64)).toBe(entry);
  const others = [
    watchKey(memory, 1, SLOT, 64),
    watchKey(memory, 0, SLOT + 1, 64),
    watchKey(memory, 0, SLOT, 68),
  ];
  expect(new Set([entry, ...others]).size).toBe(4);
  expect(counts()).toEqual([4, 4]);
  const before = watchVersion(memory, SLOT, entry);
  const versions = others.map((other) => watchVersion(memory, SLOT, other));
  touchWatched(memory, 0, SLOT, 64);
  expect(watchVersion(memory, SLOT, entry)).toBe(before + 1);
  expect(others.map((other) => watchVersion(memory, SLOT, other))).toEqual(versions);
  touchWatched(memory, 2, SLOT, 64);
  expect(watchVersion(memory, SLOT, entry)).toBe(before + 1);
  unwatchKey(memory, SLOT, entry);
  expect(counts()).toEqual([4, 4]);
  unwatchKey(memory, SLOT, entry);
  expect(counts()).toEqual([3, 3]);
});

it('a model: keys that come and go, touched now and then', () => {
  const random = seeded(3);
  type Watch = { key: number; entry: number; version: number; touched: number };
  let watches: Watch[] = [];
  const touched = new Map<number, number>();
  const key = () => pick(random, 3000);
  const at = (number: number) => [number % 3, SLOT + (number % 7), (number * 0x9e3779b1) & ~3] as const;
  for (let step = 0; step < 60_000; step++) {
    const number = key();
    const [db, slot, hash] = at(number);
    if (pick(random, 3) === 0) {
      touchWatched(memory, db, slot, hash);
      touched.set(number, (touched.get(number) ?? 0) + 1);
    } else if (watches.length < 1000) {
      const entry = watchKey(memory, db, slot, hash);
      const version = watchVersion(memory, slot, entry);
      watches.push({ key: number, entry, version, touched: touched.get(number) ?? 0 });
    } else {
      // Half of them end, as to whether their keys have changed.
      const isKept = watches.map(() => pick(random, 2) === 0);
      for (const [i, watch] of watches.entries()) {
        const [, itsSlot] = at(watch.key);
        const changes = (touched.get(watch.key) ?? 0) - watch.touched;
        expect(watchVersion(memory, itsSlot, watch.entry) - watch.version).toBe(changes);
        if (!isKept[i]) unwatchKey(memory, itsSlot, watch.entry);
      }
      watches = watches.filter((_, i) => isKept[i]);
      const live = new Set(watches.map((watch) => watch.key));
      const seen: number[] = [];
      eachWatched(memory, 5, (itsDb, itsSlot, itsHash) => {
        seen.push([...live].find((one) => at(one).join() === [itsDb, itsSlot, itsHash].join())!);
      });
      expect(seen.sort()).toEqual([...live].sort());
      expect(counts()).toEqual([live.size, live.size]);
    }
  }
});

it('whoever finds the table full watches all keys of the shard', () => {
  const entries = Array.from({ length: WATCHES_PER_SHARD + 5 }, (_, i) => watchKey(memory, 0, SLOT, i * 4));
  expect(entries.filter((entry) => entry === 0).length).toBe(6);
  const before = watchVersion(memory, SLOT, 0);
  touchWatched(memory, 3, SLOT, 12);
  touchAnyWatched(memory, 5);
  expect(watchVersion(memory, SLOT, 0)).toBe(before + 2);
  expect(watchVersion(memory, SLOT, entries[3]!)).toBe(0);
  for (const entry of entries) unwatchKey(memory, SLOT, entry);
  expect(counts()).toEqual([0, 0]);
  expect(watchKey(memory, 0, SLOT, 123 * 4)).not.toBe(0);
});
