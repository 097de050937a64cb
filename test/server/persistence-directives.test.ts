// Directives of persistence, by what they do to files; redis-server reads these.

import { describe, expect, it, onTestFinished } from 'vitest';
import { fileOf, infoFields, logLines, startUntilTestEnds } from '../support/persistent-server.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';

const COMMANDS: readonly (readonly Argument[])[] = [
  ['SET', 'text', 'value'],
  ['SET', 'expiring', 'value', 'PX', 1e9],
  ['SET', 'long', 'x'.repeat(1_000_000)],
  ['SET', Buffer.from('binary\xff\x00\r\n', 'latin1'), Buffer.from('\x00\xff\r\n', 'latin1')],
  ['RPUSH', 'list', ...Array.from({ length: 5000 }, (_, i) => `element ${i}`)],
  ['SADD', 'set', ...Array.from({ length: 3000 }, (_, i) => `member ${i}`)],
  ['SADD', 'integers', 1, 2, 300000],
  ['ZADD', 'sorted', ...Array.from({ length: 6000 }, (_, i) => (i % 2 === 0 ? i / 3 : `m${i}`))],
  ['HSET', 'hash', ...Array.from({ length: 4000 }, (_, i) => `h${i}`)],
  ['HSET', 'small', 'f', 'v'],
  ['XADD', 'stream', '1-1', 'f', 'v'],
  ['XGROUP', 'CREATE', 'stream', 'group', '0'],
  ['XREADGROUP', 'GROUP', 'group', 'consumer', 'STREAMS', 'stream', '>'],
  ['SELECT', 5],
  ['SET', 'elsewhere', '1'],
  ['SELECT', 0],
];

async function fill(client: RawClient): Promise<string> {
  for (const command of COMMANDS) await client.call(...command);
  return String(await client.call('DEBUG', 'DIGEST'));
}

async function rewritten(client: RawClient): Promise<void> {
  await client.call('BGREWRITEAOF');
  await expect
    .poll(async () => (await infoFields(client, 'persistence')).get('aof_rewrite_in_progress'), {
      timeout: 20_000,
    })
    .toBe('0');
}

/** A redis-server with the files of another server. */
async function redisWith(folder: string, args: readonly string[]): Promise<RawClient> {
  const redis = await startRedis({ args: ['--dir', folder, ...args] });
  onTestFinished(() => redis.stop());
  return await redis.connect();
}

describe('aof-use-rdb-preamble no', () => {
  it.each([[[]], [['--maxmemory-policy', 'allkeys-lru']], [['--maxmemory-policy', 'allkeys-lfu']]])(
    'makes a base of commands, which redis-server reads (%j)',
    async (policy) => {
      const args = ['--appendonly', 'yes', '--aof-use-rdb-preamble', 'no', ...policy];
      const server = await startUntilTestEnds(args);
      const client = await server.connect();
      const digest = await fill(client);
      await rewritten(client);
      const base = fileOf(server, 'appendonlydir', 'appendonly.aof.2.base.aof')!;
      expect(base.toString('latin1', 0, 14)).toBe('*2\r\n$6\r\nSELECT');
      expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
      expect(await client.call('DEBUG', 'DIGEST')).toBe(digest);
      await server.restart();
      expect(await (await server.connect()).call('DEBUG', 'DIGEST')).toBe(digest);
      await server.kill9();
      const redis = await redisWith(server.folder, args);
      expect(await redis.call('DEBUG', 'DIGEST')).toBe(digest);
      expect(Number(await redis.call('PTTL', 'expiring'))).toBeGreaterThan(9e8);
      await server.start();
    },
  );
});

it('rdbcompression and rdbchecksum', async () => {
  const server = await startUntilTestEnds(['--rdbchecksum', 'no']);
  const client = await server.connect();
  await client.call('SET', 'a', 'x'.repeat(10_000));
  await client.call('SAVE');
  const small = fileOf(server, 'dump.rdb')!;
  expect(small.subarray(-8)).toEqual(Buffer.alloc(8));
  await client.call('CONFIG', 'SET', 'rdbcompression', 'no');
  await client.call('SAVE');
  const large = fileOf(server, 'dump.rdb')!;
  expect(small.length).toBeLessThan(1000);
  expect(large.length).toBeGreaterThan(10_000);
  expect(await client.call('DEBUG', 'RELOAD', 'NOSAVE')).toBe('OK');
  expect(await client.call('STRLEN', 'a')).toBe(10_000);
});

it('aof-timestamp-enabled, set while it runs', async () => {
  const server = await startUntilTestEnds(['--appendonly', 'yes', '--appendfsync', 'always']);
  const client = await server.connect();
  await client.call('SET', 'a', '1');
  expect(fileOf(server, 'appendonlydir', 'appendonly.aof.1.incr.aof')!.toString()).not.toMatch(/#TS/);
  await client.call('CONFIG', 'SET', 'aof-timestamp-enabled', 'yes');
  await client.call('SET', 'b', '1');
  expect(fileOf(server, 'appendonlydir', 'appendonly.aof.1.incr.aof')!.toString()).toMatch(
    /#TS:\d{10}\r\n\*/,
  );
  await client.call('DEBUG', 'LOADAOF');
  expect(await client.call('DBSIZE')).toBe(2);
});

it('appenddirname, appendfilename, aof-disable-auto-gc', async () => {
  const args = [
    '--appendonly',
    'yes',
    '--appenddirname',
    'logs',
    '--appendfilename',
    'log',
    '--aof-disable-auto-gc',
    'yes',
  ];
  const server = await startUntilTestEnds(args);
  const client = await server.connect();
  await client.call('SET', 'a', '1');
  await rewritten(client);
  expect(fileOf(server, 'logs', 'log.1.base.rdb')).not.toBe(null);
  expect(fileOf(server, 'logs', 'log.2.base.rdb')).not.toBe(null);
  const manifest = fileOf(server, 'logs', 'log.manifest')!.toString();
  expect(manifest).toMatch(/file log\.1\.base\.rdb seq 1 type h/);
  expect(manifest).toMatch(/file log\.2\.incr\.aof seq 2 type i/);
  // In Redis too: history goes when the next rewrite is over.
  await client.call('CONFIG', 'SET', 'aof-disable-auto-gc', 'no');
  await rewritten(client);
  await expect.poll(() => fileOf(server, 'logs', 'log.1.base.rdb')).toBe(null);
});

it('auto-aof-rewrite-min-size and -percentage', async () => {
  const server = await startUntilTestEnds(['--appendonly', 'yes', '--auto-aof-rewrite-min-size', '100kb']);
  const client = await server.connect();
  for (let i = 0; i < 50; i++) await client.call('SET', 'a', 'x'.repeat(5000));
  const [, percent] = await server.waitForLog(/Starting automatic rewriting of AOF on (\d+)% growth/);
  expect(Number(percent)).toBeGreaterThan(100);
  await server.waitForLog('Background AOF rewrite finished successfully');
  expect(await client.call('STRLEN', 'a')).toBe(5000);
});

it('nothing is said to have no effect', async () => {
  const server = await startUntilTestEnds([
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--save',
    '100 1',
    '--rdbcompression',
    'no',
  ]);
  expect(logLines(server).filter((line) => line.includes('has no effect'))).toEqual([]);
  await (await server.connect()).call('CONFIG', 'SET', 'save', '');
});

it('INFO persistence has the fields of redis-server, in its order', async () => {
  const server = await startUntilTestEnds(['--appendonly', 'yes']);
  const redis = await startRedis({ args: ['--appendonly', 'yes'] });
  onTestFinished(() => redis.stop());
  const fields = await infoFields(await server.connect(), 'persistence');
  const theirs = await infoFields(await redis.connect(), 'persistence');
  expect([...fields.keys()]).toEqual([...theirs.keys()]);
});
