// What the keyspace does with large values of every type: copying, renaming within a shard and over to another one,
// moving, expiring, measuring, freeing.

import { describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';

const ELEMENTS = 3_000;

/** Commands that make a large value at a key. */
const TYPES: Record<string, (key: string, i: number) => string[]> = {
  set: (key, i) => ['SADD', key, `member:${i}`],
  hash: (key, i) => ['HSET', key, `field:${i}`, `value of ${i}`],
  zset: (key, i) => ['ZADD', key, String((i * 7) % 1000), `member:${i}`],
  list: (key, i) => ['RPUSH', key, `element ${i}`.padEnd(60, '.')],
  stream: (key, i) => ['XADD', key, `${i + 1}-0`, 'field', `value ${i}`],
};

function fill(server: InProcess, type: string, key: string): void {
  for (let i = 0; i < ELEMENTS; i++) server.run(...TYPES[type]!(key, i));
  if (type === 'hash') server.run('HPEXPIRE', key, '1000000', 'FIELDS', '2', 'field:1', 'field:2');
  if (type !== 'stream') return;
  for (const group of ['a', 'b']) {
    server.run('XGROUP', 'CREATE', key, group, '0');
    for (const consumer of ['one', 'two'])
      server.run('XREADGROUP', 'GROUP', group, consumer, 'COUNT', '700', 'STREAMS', key, '>');
  }
}

function makeServer(): InProcess {
  const server = new InProcess();
  server.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
  return server;
}

function digest(server: InProcess, key: string): string {
  const reply = server.text('DEBUG', 'DIGEST-VALUE', key);
  expect(reply).toMatch(/^\*1\r\n\+[0-9a-f]{40}\r\n$/);
  return reply;
}

describe.each(Object.keys(TYPES))('a large %s', (type) => {
  it('is copied, renamed and moved whole', () => {
    const server = makeServer();
    fill(server, type, '{one}a');
    const before = digest(server, '{one}a');
    for (const target of ['{one}b', '{two}b']) {
      expect(server.text('COPY', '{one}a', target)).toBe(':1\r\n');
      expect(digest(server, target)).toBe(before);
      server.checkInvariants();
      // A copy is a value of its own.
      server.run(...TYPES[type]!(target, ELEMENTS));
      expect(digest(server, target)).not.toBe(before);
      expect(digest(server, '{one}a')).toBe(before);
      expect(server.text('COPY', '{one}a', target, 'REPLACE')).toBe(':1\r\n');
      expect(digest(server, target)).toBe(before);
      server.checkInvariants();
    }
    for (const [from, to] of [
      ['{one}a', '{one}c'],
      ['{one}c', '{three}c'],
      ['{three}c', '{two}b'],
    ] as const) {
      expect(server.text('RENAME', from, to)).toBe('+OK\r\n');
      expect(server.text('EXISTS', from)).toBe(':0\r\n');
      expect(digest(server, to)).toBe(before);
      server.checkInvariants();
    }
    expect(server.text('MOVE', '{two}b', '3')).toBe(':1\r\n');
    server.run('SELECT', '3');
    expect(digest(server, '{two}b')).toBe(before);
    server.run('PEXPIRE', '{two}b', '10000000');
    server.run('PERSIST', '{two}b');
    expect(digest(server, '{two}b')).toBe(before);
    server.checkInvariants();
  });

  it('is measured: all of its elements, or an estimate', () => {
    const server = makeServer();
    fill(server, type, 'key');
    const bytes = (...args: string[]): number =>
      Number(server.text('MEMORY', 'USAGE', 'key', ...args).slice(1));
    const all = bytes('SAMPLES', '0');
    expect(all).toBeGreaterThan(ELEMENTS * 4);
    expect(bytes()).toBeGreaterThan(all * 0.7);
    expect(bytes()).toBeLessThan(all * 1.4);
    const used = server.keyspace.sum(0);
    // The index of one key is a table of slots and a segment.
    expect(Math.abs(used - all)).toBeLessThan(2500);
  });

  it.each([
    ['DEL', ['DEL', 'key']],
    ['UNLINK', ['UNLINK', 'key']],
    ['SET', ['SET', 'key', 'value']],
    ['GETDEL of another type', ['GETDEL', 'key']],
    ['FLUSHDB SYNC beside another database', ['FLUSHDB', 'SYNC']],
    ['FLUSHDB ASYNC beside another database', ['FLUSHDB', 'ASYNC']],
    ['FLUSHALL', ['FLUSHALL']],
  ])('leaves nothing behind after %s', (_name, command) => {
    const server = makeServer();
    fill(server, type, 'key');
    server.run('SELECT', '1');
    server.run('SET', 'key', 'other');
    server.run('SELECT', '0');
    const refused = server.text(...command).startsWith('-WRONGTYPE');
    expect(refused).toBe(command[0] === 'GETDEL');
    server.checkInvariants();
    if (refused) return;
    for (const shard of server.keyspace.shards) {
      const locked = shard.acquire();
      // In steps, with a look at what is half freed after each.
      while (locked.freeBuried(50) <= 0) {
        locked.release();
        server.checkInvariants();
        shard.acquire();
      }
      locked.release();
      expect(shard.buried).toBe(0);
    }
    server.checkInvariants();
  });
});
