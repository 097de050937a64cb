// Pins: seen by every other thread, passed by in the background, and gone when they are taken back.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Evictor, evictUntilRoom } from '../../src/keyspace/eviction.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import {
  anyPins,
  isPinned,
  isPinnedForWriting,
  PINS_MAX,
  pinKeys,
  unpinKeys,
} from '../../src/keyspace/pins.ts';
import { ShardWord, SLOT_TO_SHARD_SHIFT, shardWord } from '../../src/memory/layout.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { Keys, makeKeyspace } from './bench.ts';

/** Slots, hashes and arguments of keys, as an executor has them. */
function locate(
  keys: Keys,
  names: readonly string[],
): { slots: Int32Array; hashes: Int32Array; args: Int32Array } {
  const slots = new Int32Array(names.length);
  const hashes = new Int32Array(names.length);
  names.forEach((name, i) => {
    keys.enter(name).release();
    slots[i] = keys.slot;
    hashes[i] = keys.hash;
  });
  return { slots, hashes, args: Int32Array.from(names, (_, i) => i) };
}

const shardOf = (slot: number): number => slot >>> SLOT_TO_SHARD_SHIFT;

describe('pins', () => {
  const names = Array.from({ length: PINS_MAX }, (_, i) => `key:${i}`);

  it('are seen by every thread but their own', () => {
    const mine = makeKeyspace({ thread: 1 });
    const theirs = makeKeyspace({ thread: 130, buffers: mine.memory.buffers });
    const keys = new Keys(mine);
    const { slots, hashes, args } = locate(keys, names);
    expect(anyPins(theirs.memory)).toBe(false);
    pinKeys(mine.memory, slots, hashes, args, names.length);
    expect(anyPins(theirs.memory)).toBe(true);
    for (let i = 0; i < names.length; i++) {
      expect(isPinned(theirs.memory, shardOf(slots[i]!), hashes[i]!)).toBe(true);
      expect(isPinned(mine.memory, shardOf(slots[i]!), hashes[i]!)).toBe(false);
      expect(isPinned(theirs.memory, shardOf(slots[i]!), hashes[i]! ^ 2)).toBe(false);
    }
    unpinKeys(mine.memory, slots, args, names.length);
    expect(anyPins(theirs.memory)).toBe(false);
    for (let i = 0; i < names.length; i++) {
      expect(isPinned(theirs.memory, shardOf(slots[i]!), hashes[i]!)).toBe(false);
      expect(mine.memory.control[shardWord(shardOf(slots[i]!), ShardWord.Pinned)]).toBe(0);
    }
  });

  it('tell who is going to write', () => {
    const mine = makeKeyspace({ thread: 1 });
    const theirs = makeKeyspace({ thread: 2, buffers: mine.memory.buffers });
    const others = makeKeyspace({ thread: 3, buffers: mine.memory.buffers });
    const { slots, hashes, args } = locate(new Keys(mine), ['a', 'b']);
    const isWritten = (): boolean => isPinnedForWriting(others.memory, shardOf(slots[0]!), hashes[0]!);
    pinKeys(theirs.memory, slots, hashes, args, 2);
    expect(isWritten()).toBe(false);
    pinKeys(mine.memory, slots, hashes, args, 1, true);
    expect(isWritten()).toBe(true);
    expect(isPinnedForWriting(others.memory, shardOf(slots[1]!), hashes[1]!)).toBe(false);
    expect(isPinned(others.memory, shardOf(slots[1]!), hashes[1]!)).toBe(true);
    unpinKeys(mine.memory, slots, args, 1);
    expect(isWritten()).toBe(false);
    unpinKeys(theirs.memory, slots, args, 2);
    expect(isPinned(others.memory, shardOf(slots[0]!), hashes[0]!)).toBe(false);
  });

  it('keep keys from expiry and eviction', () => {
    const mine = makeKeyspace({ thread: 1 });
    const theirs = makeKeyspace({ thread: 2, buffers: mine.memory.buffers });
    const keys = new Keys(mine);
    const now = 1_700_000_000_000;
    for (const name of ['pinned', 'free']) keys.set(name, 'value', now - 1);
    const { slots, hashes, args } = locate(keys, ['pinned']);
    pinKeys(mine.memory, slots, hashes, args, 1);
    theirs.setTime(now);
    const config = new ConfigStore(null, process.cwd());
    const expirer = new Expirer(theirs, config, new Stats(allocateStats(1), 2), theirs.shards);
    const sweep = (): void => {
      for (let step = 0; step < 200; step++) expirer.step(step * 1000);
    };
    sweep();
    expect([keys.get('pinned')?.toString(), keys.get('free')]).toEqual(['value', null]);
    config.applyChange({ name: 'maxmemory', text: '1' });
    config.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
    evictUntilRoom(new Evictor(theirs, config), true);
    config.applyChange({ name: 'maxmemory', text: '0' });
    expect(keys.get('pinned')?.toString()).toBe('value');
    unpinKeys(mine.memory, slots, args, 1);
    sweep();
    expect(keys.get('pinned')).toBeNull();
    checkKeyspace(mine);
  });
});

describe('detached records', () => {
  it('take the place of the key, or go without a trace', () => {
    const keys = new Keys(makeKeyspace());
    const rec = keys.view;
    for (const before of [null, 'old', 'expiring'] as const) {
      for (const expireAt of [-1, 9_000_000_000_000]) {
        if (before !== null) keys.set('key', before, before === 'old' ? -1 : 8_000_000_000_000);
        const shard = keys.enter('key');
        shard.createDetached(
          rec,
          0,
          keys.slot,
          keys.hash,
          keys.key,
          0,
          keys.key.length,
          0,
          0,
          3,
          expireAt,
          0,
        );
        rec.bytes.write('new', rec.valueOffset);
        shard.resize(rec, 6, 0);
        rec.bytes.write('newer!', rec.valueOffset);
        shard.attach(rec);
        shard.release();
        checkKeyspace(keys.keyspace);
        expect(keys.get('key')?.toString()).toBe('newer!');
        expect(keys.view.expireAt).toBe(expireAt);
        const again = keys.enter('key');
        again.createDetached(rec, 0, keys.slot, keys.hash, keys.key, 0, keys.key.length, 0, 0, 1000, -1, 0);
        again.discard(rec);
        again.release();
        expect(keys.get('key')?.toString()).toBe('newer!');
        keys.del('key');
        checkKeyspace(keys.keyspace);
      }
    }
  });
});
