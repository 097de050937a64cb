// The invariant checker must pass what is right, and notice each kind of damage.

import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { DbWord } from '../../src/keyspace/slot-segments.ts';
import { giveChunks, takeChunks } from '../../src/memory/chunk-pool.ts';
import {
  CHUNK_ENTRY_WORDS,
  GlobalWord,
  REF_CHUNK_SHIFT,
  REF_MASK,
  REF_REGION_SHIFT,
  ShardCounter,
} from '../../src/memory/layout.ts';
import { Keys, makeKeyspace } from './bench.ts';

const KEY = 'key:7';

function filled(): { keyspace: Keyspace; keys: Keys } {
  const keyspace = makeKeyspace({ databases: 2 });
  const keys = new Keys(keyspace);
  for (let i = 0; i < 3000; i++)
    keys.set(`key:${i}`, 'v'.repeat(i % 200), i % 3 === 0 ? 2e12 + i : -1, i % 2);
  for (let i = 0; i < 900; i++) keys.set(`{one}${i}`, `${i}`, i % 2 === 0 ? 1e12 : -1);
  for (let i = 0; i < 3000; i += 5) keys.del(`key:${i}`, i % 2);
  keys.set(KEY, 'value');
  return { keyspace, keys };
}

/** Where the record, segment, slot-table entry and database words of a key are. */
function placesOf(keys: Keys, key: string) {
  const { memory } = keys.keyspace;
  const shard = keys.enter(key);
  keys.find(shard);
  const local = keys.slot & 255;
  const words = (ref: number): { words: Int32Array; at: number } => ({
    words: memory.words[ref >>> REF_REGION_SHIFT]!,
    at: (ref & REF_MASK) << 2,
  });
  const segmentRef = shard.index.segmentAt(0, local, keys.hash);
  const segment = words(segmentRef);
  const table = words(shard.index.dbWord(0, DbWord.Table));
  const capacity = segment.words[segment.at]! >>> 16;
  let entry = -1;
  let empty = -1;
  for (let i = 0; i < capacity; i++) {
    const at = segment.at + 4 + i * 2;
    if (segment.words[at + 1] === keys.view.ref) entry = at;
    if (segment.words[at + 1] === 0) empty = at;
  }
  shard.release();
  return {
    shard,
    record: words(keys.view.ref),
    ref: keys.view.ref,
    segment,
    segmentRef,
    entry,
    empty,
    table,
    slotAt: table.at + local * 2,
  };
}

const DAMAGE: readonly {
  what: string;
  message: RegExp;
  key?: string;
  damage: (keys: Keys, at: ReturnType<typeof placesOf>) => void;
}[] = [
  {
    what: 'a key overwritten',
    message: /belongs to slot|has hash/,
    damage: (_, { record }) => void record.words[record.at + 3]!++,
  },
  {
    what: 'a value too long for its block',
    message: /in a block of/,
    damage: (_, { record }) => void (record.words[record.at + 2] = 1e6),
  },
  {
    what: 'a flag that the index does not have',
    message: /wrong about an expiry|belongs to|has hash/,
    damage: (_, { record }) => void (record.words[record.at]! |= 0x100),
  },
  {
    what: 'an integer that is none',
    message: /the integer it is not/,
    damage: (_, { record }) => void (record.words[record.at]! |= 0x10),
  },
  {
    what: 'a type that does not exist',
    message: /has type 9/,
    damage: (_, { record }) => void (record.words[record.at]! |= 9),
  },
  {
    what: 'an entry that is missing',
    message: /entries, \d+ counted/,
    damage: (_, { segment, entry }) => void segment.words.fill(0, entry, entry + 2),
  },
  {
    what: 'a record referenced twice',
    message: /referenced twice/,
    damage: (_, { segment, entry, empty }) => void segment.words.copyWithin(empty, entry, entry + 2),
  },
  {
    what: 'a reference into a block',
    message: /is inside a block|in a block of|no block/,
    damage: (_, { segment, entry }) => void (segment.words[entry + 1]! += 1),
  },
  {
    what: 'a count of a segment',
    message: /entries, \d+ counted/,
    damage: (_, { segment }) => void segment.words[segment.at]!++,
  },
  {
    what: 'expiries of a segment',
    message: /entries expire, \d+ counted/,
    damage: (_, { segment }) => void (segment.words[segment.at + 1]! += 1 << 16),
  },
  { what: 'a depth', message: /depth/, damage: (_, { segment }) => void segment.words[segment.at + 1]!++ },
  {
    what: 'a bound of a segment',
    message: /bound/,
    key: '{one}0',
    damage: (_, { segment }) => void (segment.words[segment.at + 2] = 1000000001),
  },
  {
    what: 'a bound of a database',
    message: /bound/,
    key: '{one}0',
    damage: (_, { shard }) => shard.index.setDbWord(0, DbWord.NextExpiry, 1000000001),
  },
  {
    what: 'a count of a slot',
    message: /keys, \d+ counted/,
    damage: (_, { table, slotAt }) => void table.words[slotAt + 1]!++,
  },
  {
    what: 'a count of a database',
    message: /keys, \d+ counted/,
    damage: (_, { shard }) => shard.index.setDbWord(0, DbWord.Keys, shard.keys(0) + 1),
  },
  {
    what: 'expiries of a database',
    message: /that expire, \d+ counted/,
    damage: (_, { shard }) => shard.index.setDbWord(0, DbWord.Expires, 99999),
  },
  {
    what: 'a slot left out',
    message: /count is|missing|counted|referenced/,
    damage: (_, { table, slotAt }) => void (table.words[slotAt] = 0),
  },
  {
    what: 'a block that leaked',
    message: /referenced/,
    damage: (_, { shard }) => void shard.arena.alloc(40),
  },
  {
    what: 'a block freed and still referenced',
    message: /freed, or referenced twice/,
    damage: (_, { shard, ref }) => shard.arena.free(ref),
  },
  {
    what: 'bytes counted wrong',
    message: /counted/,
    damage: (_, { shard }) => (shard as ReturnType<typeof shard.acquire>).count(ShardCounter.Used, 16),
  },
  {
    what: 'chunks reserved counted wrong',
    message: /reserved/,
    damage: (_, { shard }) => (shard as ReturnType<typeof shard.acquire>).count(ShardCounter.Reserved, 65536),
  },
  {
    what: 'a span given back while in use',
    message: /free in the pool/,
    damage: ({ keyspace }, { ref }) => giveChunks(keyspace.memory, ref >>> REF_CHUNK_SHIFT, 1),
  },
  {
    what: 'a span of another owner',
    message: /of another shard|counted|no span of it/,
    damage: ({ keyspace }, { ref, shard }) =>
      void (keyspace.memory.chunkMap[(ref >>> REF_CHUNK_SHIFT) * CHUNK_ENTRY_WORDS + 6] = shard.id + 2),
  },
  {
    what: 'chunks that nobody owns',
    message: /owned by shards/,
    damage: ({ keyspace }) => void takeChunks(keyspace.memory, 2),
  },
  {
    what: 'chunks counted wrong',
    message: /chunks in use, \d+ counted/,
    damage: ({ keyspace }) => void keyspace.memory.control[GlobalWord.ChunksUsed]!++,
  },
  {
    what: 'a hint above a free chunk',
    message: /the hint is/,
    damage: ({ keyspace }) => void (keyspace.memory.control[GlobalWord.PoolHint] = 16000),
  },
  {
    what: 'a high-water mark that is too low',
    message: /high-water|counted|referenced|no block/,
    damage: ({ keyspace }) => void (keyspace.memory.control[GlobalWord.ChunksHigh] = 3),
  },
  {
    what: 'a directory that leads astray',
    message: /leads to another|does not begin|foreign|referenced twice|depth/,
    key: '{one}0',
    damage: (_, { table, slotAt, segmentRef, segment }) => {
      // Both halves of the directory lead to the same segment.
      const directory = table.words[slotAt]!;
      const at = (directory & REF_MASK) << 2;
      const size = 2 ** segment.words[at]!;
      segment.words.fill(segmentRef, at + 2, at + 2 + size);
    },
  },
];

describe('the invariant checker', () => {
  it('passes what is right and counts it', () => {
    const { keyspace } = filled();
    const found = checkKeyspace(keyspace);
    expect(found.keys).toBe(keyspace.size(0) + keyspace.size(1));
    expect(found.expires).toBe(keyspace.expires(0) + keyspace.expires(1));
    expect(found.bytes).toBe(keyspace.sum(ShardCounter.Used));
    let keys = 0;
    for (let id = 0; id < 64; id++) keys += checkKeyspace(keyspace, id).keys;
    expect(keys).toBe(found.keys);
  });

  it('passes an empty keyspace', () => {
    expect(checkKeyspace(makeKeyspace())).toEqual({ keys: 0, expires: 0, blocks: 0, bytes: 0 });
  });

  it.each(DAMAGE)('notices $what', ({ message, key, damage }) => {
    const { keyspace, keys } = filled();
    const at = placesOf(keys, key ?? KEY);
    expect(at.entry).toBeGreaterThan(0);
    damage(keys, at);
    expect(() => checkKeyspace(keyspace)).toThrow(message);
    // The locks are free again.
    for (const shard of keyspace.shards) {
      const locked = shard.tryAcquire();
      expect(locked).not.toBeNull();
      locked!.release();
    }
  });
});
