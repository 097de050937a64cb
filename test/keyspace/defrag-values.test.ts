// Active defragmentation of large values: their blocks leave sparse chunks, and every value stays what it was.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { Defragmenter, fragmentationOf } from '../../src/keyspace/defrag.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';

const ELEMENTS = 30_000;
const PART = 500;

/** How a type is filled, and how all but some elements go again. `{k}`: one slot, one arena. */
const TYPES: Record<string, { add: (i: number) => string[][]; thin: (i: number) => string[] | null }> = {
  set: {
    add: (i) => [['SADD', '{k}set', `member:${i}`]],
    thin: (i) => (i % 12 === 0 ? null : ['SREM', '{k}set', `member:${i}`]),
  },
  hash: {
    add: (i) => [['HSET', '{k}hash', `field:${i}`, `value of ${i}`]],
    thin: (i) => (i % 12 === 0 ? null : ['HDEL', '{k}hash', `field:${i}`]),
  },
  zset: {
    add: (i) => [['ZADD', '{k}zset', String((i * 7) % 1000), `member:${i}`]],
    thin: (i) => (i % 12 === 0 ? null : ['ZREM', '{k}zset', `member:${i}`]),
  },
  // Nodes of two lists in turn; one of the lists goes.
  list: {
    add: (i) => [
      ['RPUSH', '{k}list', `element ${i}`.padEnd(60, '.')],
      ['RPUSH', '{k}gone', `element ${i}`.padEnd(60, '.')],
    ],
    thin: (i) => (i === 0 ? ['DEL', '{k}gone'] : null),
  },
  stream: {
    add: (i) => [['XADD', '{k}stream', `${i + 1}-0`, 'field', `value ${i}`]],
    thin: (i) => (i % 300 < 250 ? ['XDEL', '{k}stream', `${i + 1}-0`] : null),
  },
};

describe.each(Object.keys(TYPES))('a sparse %s', (type) => {
  it('is compacted and stays what it was', { timeout: 60_000 }, () => {
    const server = new InProcess();
    server.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
    const { add, thin } = TYPES[type]!;
    for (let i = 0; i < ELEMENTS; i++) for (const command of add(i)) server.run(...command);
    if (type === 'stream') {
      server.run('XGROUP', 'CREATE', '{k}stream', 'group', '0');
      for (let i = 0; i < 20; i++)
        server.run(
          'XREADGROUP',
          'GROUP',
          'group',
          `c${i % 3}`,
          'COUNT',
          String(PART),
          'STREAMS',
          '{k}stream',
          '>',
        );
    }
    for (let i = 0; i < ELEMENTS; i++) {
      const command = thin(i);
      if (command !== null) server.run(...command);
    }
    for (const shard of server.keyspace.shards) shard.acquire().freeBuried(Number.POSITIVE_INFINITY);
    for (const shard of server.keyspace.shards) (shard as ReturnType<typeof shard.acquire>).release();
    server.checkInvariants();
    const digest = server.text('DEBUG', 'DIGEST');
    expect(digest).toMatch(/^\+[0-9a-f]{40}\r\n$/);
    const chunks = server.keyspace.memory.control[GlobalWord.ChunksUsed]!;
    const before = fragmentationOf(server.keyspace).percent;

    const config = new ConfigStore(null, '/');
    for (const [name, text] of [
      ['activedefrag', 'yes'],
      ['active-defrag-ignore-bytes', '1'],
      ['active-defrag-threshold-lower', '10'],
      ['active-defrag-max-scan-fields', '100'],
    ] as const)
      config.applyChange({ name, text });
    const defragmenter = new Defragmenter(server.keyspace, config, server.keyspace.shards);
    for (let passes = 0; passes < 5; passes++) {
      for (let steps = 0; defragmenter.step(performance.now()) < 1000; steps++)
        if (steps > 20_000) throw new Error('it does not come to an end');
    }
    server.checkInvariants();
    expect(server.text('DEBUG', 'DIGEST')).toBe(digest);
    expect(server.keyspace.memory.control[GlobalWord.ChunksUsed]!).toBeLessThan(chunks);
    expect(fragmentationOf(server.keyspace).percent).toBeLessThan(before * 0.8);
    server.run('FLUSHALL');
    server.checkInvariants();
  });
});
