// RDB files between Sabre and redis-server: what the one writes the other loads, as the same data set.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RdbOpcode, RdbType, RdbVersion } from '../../src/rdb/rdb-format.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { digest, instance, load, save } from './file-support.ts';
import { rdbString } from './old-formats.ts';
import { VALUES } from './values-by-type.ts';

const many = (count: number, make: (i: number) => Argument[]): Argument[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();
const LATER = 4_000_000_000_000;
const noise = randomBytes(700_000);

/** Every type and encoding that Redis 7.0 knows, tiny and large. */
const COMMANDS: readonly (readonly Argument[])[] = [
  ['SET', 'integer', '12345'],
  ['SET', 'byte', '-7'],
  ['SET', 'long', '-9223372036854775808'],
  ['SET', 'not quite', '007'],
  ['SET', '', ''],
  ['SET', '42', 'a key that is a number'],
  ['SET', 'text', 'text '.repeat(1000)],
  ['SET', Buffer.from([0, 255, 13, 10]), noise],
  ['SET', `a long key ${'x'.repeat(300)}`, 'v'],
  ['APPEND', 'raw', 'short'], ['APPEND', 'raw', ' and raw'],
  ['SET', 'expires', 'v', 'PXAT', LATER],
  ['SET', 'expires very late', 'v', 'PXAT', '9007199254740993'],
  ['RPUSH', 'list', 'a', 1, '', -70000, 'x'.repeat(100)],
  ['RPUSH', 'quicklist', ...many(3000, (i) => [`${i}`.repeat(9)]), noise.subarray(0, 10_000)],
  ['SADD', 'intset 16', 1, -5], ['SADD', 'intset 32', 70_000, 1], ['SADD', 'intset 64', '9223372036854775807', 1],
  ['SADD', 'packed set', 'a', 1, 'b'],
  ['SADD', 'large set', ...many(3000, (i) => [`m${i}`])],
  ['ZADD', 'packed zset', 1, 'a', 2.5, 'b', '-inf', 'c', 'inf', 'd'],
  ['ZADD', 'large zset', ...many(3000, (i) => [i / 3, `m${i}`])],
  ['HSET', 'packed hash', 'f', 'v', 1, 2, '', ''],
  ['HSET', 'large hash', ...many(3000, (i) => [`f${i}`, i])],
  ['HSET', 'long hash', 'f', noise.subarray(0, 70_000)],
  ['PEXPIREAT', 'large hash', LATER],
  ...many(250, (i) => [i]).map((i): Argument[] => ['XADD', 'stream', `${i}-1`, 'field', i, `own ${i}`, 'v']),
  ['XDEL', 'stream', '7-1'],
  ['XGROUP', 'CREATE', 'stream', 'g', 0],
  ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 5, 'STREAMS', 'stream', '>'],
  ['XREADGROUP', 'GROUP', 'g', 'd', 'COUNT', 50, 'STREAMS', 'stream', '>'],
  ['XGROUP', 'CREATE', 'empty stream', 'g', '$', 'MKSTREAM'],
  ['PFADD', 'hll', ...many(100, (i) => [i])],
  ['SETBIT', 'bits', 100_000, 1],
  ['GEOADD', 'geo', 13.36, 38.11, 'Palermo'],
  ['SELECT', 3],
  ['MSET', ...many(2000, (i) => [`key:${i}`, `value ${i}`])],
  ['SELECT', 15],
  ['SET', 'last', 'database'],
  ['SELECT', 0],
]; // biome-ignore format: a table

/** What Redis 7.0 has where 7.2 has listpacks. */
const OLDER_ENCODINGS: Readonly<Record<string, string>> = { 'packed set': 'hashtable', list: 'quicklist' };

let server: ServerProcess;
let redis: RawClient;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes', '--save', ''] });
  redis = await server.connect();
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});

function fill(local: InProcess): void {
  for (const command of COMMANDS) expect(local.text(...command)).not.toMatch(/^-/);
}

async function fillRedis(): Promise<void> {
  await redis.call('FLUSHALL');
  for (const command of COMMANDS) await redis.call(...command);
}

const redisFile = (): string => join(server.folder, 'dump.rdb');

/** Compares the encodings and expiries of keys. */
async function expectSameKeys(local: InProcess): Promise<void> {
  for (const db of [0, 3, 15]) {
    await redis.call('SELECT', db);
    local.text('SELECT', String(db));
    const keys = (local.value('KEYS', '*') as string[]).filter((key) => !key.startsWith('key:'));
    for (const key of keys) {
      const encoding = OLDER_ENCODINGS[key] ?? local.value('OBJECT', 'ENCODING', key);
      expect([key, encoding]).toEqual([key, await redis.call('OBJECT', 'ENCODING', key)]);
      const expiry = [key, local.value('PEXPIRETIME', key)];
      expect(expiry).toEqual([key, await redis.call('PEXPIRETIME', key)]);
    }
  }
  await redis.call('SELECT', 0);
  local.text('SELECT', '0');
}

describe('files of redis-server', () => {
  it.each([
    ['SAVE', 'yes', 'yes'],
    ['BGSAVE', 'no', 'yes'],
    ['SAVE', 'yes', 'no'],
  ])('are loaded (%s, compressed: %s, checksum: %s)', async (command, compressed, summed) => {
    await server.restart({ args: ['--enable-debug-command', 'yes', '--save', '', '--rdbchecksum', summed] });
    redis = await server.connect();
    await fillRedis();
    await redis.call('CONFIG', 'SET', 'rdbcompression', compressed);
    await redis.call(command);
    while (/rdb_bgsave_in_progress:1/.test(String(await redis.call('INFO', 'persistence'))));
    const local = instance();
    const { scanner, loader, sections } = load(local, readFileSync(redisFile()), { sectionBytes: 10_000 });
    expect(digest(local)).toBe(await redis.call('DEBUG', 'DIGEST'));
    // Loaded strings may have another encoding than those that grew.
    await redis.call('DEBUG', 'RELOAD');
    await expectSameKeys(local);
    local.checkInvariants();
    expect(scanner.checksum).toBe(summed === 'yes' ? 'right' : 'absent');
    expect(scanner.version).toBe(RdbVersion.Redis70);
    expect(Object.fromEntries(scanner.facts)).toMatchObject({ 'redis-bits': '64', 'aof-base': '0' });
    expect(loader.loaded).toBe(local.keyspace.size(0) + local.keyspace.size(3) + local.keyspace.size(15));
    expect([scanner.entries, scanner.announcedKeys]).toEqual([loader.loaded, loader.loaded]);
    expect(sections).toBeGreaterThan(5);
  });

  it('give keys their idle times and frequencies back', async () => {
    await redis.call('FLUSHALL');
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.call('SET', 'k', 'v');
    const payload = await redis.callBuffer('DUMP', 'k');
    await redis.call('RESTORE', 'idle', 0, payload as Buffer, 'IDLETIME', 5000);
    await redis.call('SAVE');
    const local = instance();
    load(local, readFileSync(redisFile()));
    expect(local.value('OBJECT', 'IDLETIME', 'idle')).toBeGreaterThanOrEqual(5000);
    expect(local.value('OBJECT', 'IDLETIME', 'idle')).toBeLessThan(5060);
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
    await redis.call('RESTORE', 'often', 0, payload as Buffer, 'FREQ', 77);
    await redis.call('SAVE');
    const other = instance();
    other.config.assign('maxmemory-policy', 'allkeys-lfu');
    other.keyspace.clock.lfu = true;
    load(other, readFileSync(redisFile()));
    expect(other.value('OBJECT', 'FREQ', 'often')).toBe(77);
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  });

  it('of old versions become the same data set', async () => {
    const parts: Buffer[] = [];
    VALUES.forEach(([type, value], i) => {
      if (type <= RdbType.StreamListpacks2) parts.push(Buffer.from([type]), rdbString(`key ${i}`), value);
    });
    const old = Buffer.concat([Buffer.from('REDIS0004'), ...parts, Buffer.from([RdbOpcode.Eof])]);
    writeFileSync(redisFile(), old);
    await redis.call('DEBUG', 'RELOAD', 'NOSAVE');
    const local = instance();
    expect(load(local, old).loader.loaded).toBe(await redis.call('DBSIZE'));
    expect(digest(local)).toBe(await redis.call('DEBUG', 'DIGEST'));
    local.checkInvariants();
  });

  it('hold functions, which are told', async () => {
    const code = '#!lua name=mylib\nredis.register_function("f", function() return 1 end)';
    await redis.call('FUNCTION', 'LOAD', code);
    await redis.call('SAVE');
    const { scanner } = load(instance(), readFileSync(redisFile()));
    expect(scanner.functions.map((f) => f.code.toString())).toEqual([code]);
    await redis.call('FUNCTION', 'FLUSH');
  });
});

describe('files of Sabre', () => {
  async function expectRedisLoads(local: InProcess, file: Buffer): Promise<void> {
    writeFileSync(redisFile(), file);
    await redis.call('DEBUG', 'RELOAD', 'NOSAVE');
    expect(await redis.call('DEBUG', 'DIGEST')).toBe(digest(local));
    const again = instance();
    load(again, file);
    await expectSameKeys(again);
    const check = spawnSync('redis-check-rdb', [redisFile()], { encoding: 'utf8' });
    expect(check.stdout).toMatch(/RDB looks OK!/);
    expect(check.status).toBe(0);
  }

  it.each([
    ['yes', true],
    ['no', true],
    ['yes', false],
  ])('are loaded by redis-server (compressed: %s, checksum: %s)', async (compressed, checksum) => {
    const local = instance();
    local.config.assign('rdbcompression', compressed);
    fill(local);
    await expectRedisLoads(local, save(local, { checksum }));
  });

  it('are as large as those of redis-server', async () => {
    const local = instance();
    fill(local);
    await fillRedis();
    await redis.call('SAVE');
    const theirs = readFileSync(redisFile());
    const ours = save(local);
    // The nodes of lists are not all cut at the same places.
    expect(Math.abs(ours.length - theirs.length)).toBeLessThan(theirs.length / 500);
  });

  it.each(['allkeys-lru', 'volatile-lfu'])(
    'carry how recently or often keys were used (%s)',
    async (policy) => {
      const local = instance();
      const lfu = policy.endsWith('lfu');
      local.config.assign('maxmemory-policy', policy);
      local.keyspace.clock.lfu = lfu;
      local.text('SET', 'k', 'v');
      const payload = local.run('DUMP', 'k');
      const bytes = payload.subarray(payload.indexOf('\n') + 1, payload.length - 2);
      local.text('RESTORE', 'used', '0', bytes, lfu ? 'FREQ' : 'IDLETIME', '99');
      await redis.call('CONFIG', 'SET', 'maxmemory-policy', policy);
      await expectRedisLoads(local, save(local));
      const said = Number(await redis.call('OBJECT', lfu ? 'FREQ' : 'IDLETIME', 'used'));
      expect(said).toBeGreaterThanOrEqual(lfu ? 98 : 99);
      expect(said).toBeLessThan(140);
      await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    },
  );

  it('are of version 12 where fields expire, and are loaded by Sabre', () => {
    const local = instance();
    fill(local);
    expect(save(local).toString('latin1', 0, 9)).toBe('REDIS0010');
    local.text('HPEXPIREAT', 'packed hash', LATER, 'FIELDS', '1', 'f');
    local.text('HPEXPIREAT', 'large hash', LATER, 'FIELDS', '2', 'f7', 'f100');
    const file = save(local);
    expect(file.toString('latin1', 0, 9)).toBe('REDIS0012');
    expect(save(local, { version: RdbVersion.Redis74 })).toEqual(file);
    const other = instance();
    expect(load(other, file).scanner.checksum).toBe('right');
    expect(digest(other)).toBe(digest(local));
    expect(other.value('HPEXPIRETIME', 'large hash', 'FIELDS', '2', 'f7', 'f8')).toEqual([LATER, -1]);
    other.checkInvariants();
  });
});
