// DUMP and RESTORE as commands: options, errors and expiry, beside a real redis-server.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { listpack, payload, rdbLength, rdbString } from '../rdb/old-formats.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

let server: ServerProcess;
let redis: RawClient;
let local: InProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  redis = await server.connect();
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});
beforeEach(async () => {
  await redis.call('FLUSHALL');
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
});

/** Runs it on both and compares the bytes of the replies. @returns the reply */
async function same(...args: Argument[]): Promise<string> {
  const right = (await redis.command(...args)).raw.toString('latin1');
  expect(local.text(...args), args.map(String).join(' ')).toBe(right);
  return right;
}

const value = payload(0, rdbString('value'));
const other = payload(0, rdbString('other'));

describe('RESTORE', () => {
  it('makes a key, and refuses to replace one unless it is told to', async () => {
    expect(await same('DUMP', 'missing')).toBe('$-1\r\n');
    expect(await same('RESTORE', 'k', 0, value)).toBe('+OK\r\n');
    expect(await same('RESTORE', 'k', 0, other)).toBe('-BUSYKEY Target key name already exists.\r\n');
    expect(await same('GET', 'k')).toBe('$5\r\nvalue\r\n');
    expect(await same('TTL', 'k')).toBe(':-1\r\n');
    expect(await same('RESTORE', 'k', 0, other, 'replace')).toBe('+OK\r\n');
    expect(await same('GET', 'k')).toBe('$5\r\nother\r\n');
    expect(await same('DUMP', 'k')).toMatch(/^\$/);
    expect(await same('RESTORE-ASKING', 'k', 0, value, 'REPLACE')).toBe('+OK\r\n');
  });

  it('refuses what Redis refuses, in the same order', async () => {
    await same('SET', 'k', 'v');
    for (const args of [
      ['k'],
      ['k', 0],
      ['k', 0, value, 'NONSENSE'],
      ['k', 0, value, 'IDLETIME'],
      ['k', 0, value, 'REPLACE', 'FREQ'],
      ['k', 0, value, 'IDLETIME', 'x'],
      ['k', 0, value, 'IDLETIME', -1],
      ['k', 0, value, 'FREQ', 256],
      ['k', 0, value, 'FREQ', -1],
      ['k', 0, value, 'FREQ', '1.5'],
      ['k', 0, value, 'IDLETIME', 1, 'FREQ', 1],
      ['k', 0, value, 'FREQ', 1, 'IDLETIME', 1],
      ['k', 'x', 'garbage'],
      ['n', 'x', 'garbage'],
      ['n', -1, 'garbage'],
      ['n', '9223372036854775808', 'garbage'],
      ['n', 0, 'garbage'],
      ['n', 0, ''],
      ['n', 0, value.subarray(0, -1)],
      ['n', 0, Buffer.concat([value.subarray(0, -1), Buffer.from([value[value.length - 1]! ^ 1])])],
      ['n', 0, payload(0, rdbString('x'), 13)],
      ['n', 0, payload(0, rdbString('x'), 0xff00)],
      ['n', 0, payload(0, Buffer.alloc(0))],
      ['n', 0, payload(200, rdbString('x'))],
    ] as Argument[][])
      expect(await same('RESTORE', ...args)).toMatch(/^-/);
    expect(await same('DBSIZE')).toBe(':1\r\n');
    expect(await same('RESTORE', 'n', 0, payload(0, rdbString('x'), 1))).toBe('+OK\r\n');
    // What is behind the value does not matter.
    expect(
      await same('RESTORE', 'm', 0, payload(0, Buffer.concat([rdbString('x'), Buffer.from('more')]))),
    ).toBe('+OK\r\n');
    expect(await same('GET', 'm')).toBe('$1\r\nx\r\n');
  });

  it('sets times to live, relative and absolute, and deletes what has expired', async () => {
    const future = Date.now() + 1_000_000;
    for (const [ttl, ...options] of [
      [0],
      [0, 'ABSTTL'],
      [1],
      [1_000_000],
      [future, 'ABSTTL'],
      [1, 'ABSTTL'],
      ['9223372036854775807'],
      ['9223372036854775807', 'ABSTTL'],
      ['9007199254740993', 'ABSTTL'],
      ['9223372036854770000'],
    ] as Argument[][]) {
      await same('SET', 'k', 'old');
      // It may have expired by now, on one of them only.
      local.run('DEL', 'n');
      await redis.call('DEL', 'n');
      expect(await same('RESTORE', 'k', ttl!, value, 'REPLACE', ...options)).toBe('+OK\r\n');
      expect(await same('RESTORE', 'n', ttl!, value, ...options)).toBe('+OK\r\n');
      if (options.length > 0) await same('PEXPIRETIME', 'n');
      if (ttl === 1 && options.length === 0) continue;
      expect(await same('EXISTS', 'k', 'n')).toMatch(/^:[02]/);
      const left = [Number(local.value('PTTL', 'n')), Number(await redis.call('PTTL', 'n'))];
      expect(Math.abs(left[0]! - left[1]!)).toBeLessThan(5000 + left[1]! * 1e-12);
    }
    local.checkInvariants();
  });

  it('takes the place of a key that has expired without being told to', async () => {
    const start = Date.now();
    local.setTime(start);
    local.run('SET', 'k', 'old', 'PX', 10);
    local.setTime(start + 20);
    expect(local.text('RESTORE', 'k', 0, value)).toBe('+OK\r\n');
    expect(local.value('GET', 'k')).toBe('value');
    local.checkInvariants();
  });

  it('sets idle time and frequency', async () => {
    expect(await same('RESTORE', 'k', 0, value, 'IDLETIME', 1000)).toBe('+OK\r\n');
    expect([1000, 1001]).toContain(local.value('OBJECT', 'IDLETIME', 'k'));
    expect(await same('RESTORE', 'f', 0, value, 'FREQ', 7)).toBe('+OK\r\n');
    expect(local.value('OBJECT', 'IDLETIME', 'f')).toBeLessThan(2);
    await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu');
    local.config.assign('maxmemory-policy', 'allkeys-lfu');
    local.keyspace.clock.lfu = true;
    expect(await same('RESTORE', 'g', 0, value, 'FREQ', 200)).toBe('+OK\r\n');
    expect(await same('OBJECT', 'FREQ', 'g')).toBe(':200\r\n');
    expect(await same('RESTORE', 'h', 0, value, 'IDLETIME', 1000)).toBe('+OK\r\n');
    expect(await same('OBJECT', 'FREQ', 'h')).toBe(':5\r\n');
  });

  it('does not look at checksums when DEBUG says so', async () => {
    const wrong = Buffer.from(value);
    wrong[wrong.length - 1]! ^= 0xff;
    expect(await same('RESTORE', 'k', 0, wrong)).toMatch(/^-ERR DUMP payload/);
    await same('DEBUG', 'SET-SKIP-CHECKSUM-VALIDATION', 1);
    expect(await same('RESTORE', 'k', 0, wrong)).toBe('+OK\r\n');
    await same('DEBUG', 'SET-SKIP-CHECKSUM-VALIDATION', 0);
    expect(await same('RESTORE', 'k', 0, wrong, 'REPLACE')).toMatch(/^-ERR DUMP payload/);
  });

  it('counts changes, and the listpacks that it checked', () => {
    const sanitized = (): string =>
      /dump_payload_sanitizations:(\d+)/.exec(String(local.value('INFO', 'stats')))![1]!;
    const before = Number(sanitized());
    local.run('RESTORE', 'k', 0, value);
    expect(local.lastDirty).toBe(1);
    local.run('RESTORE', 'h', 0, payload(16, rdbString(listpack(['f', 'v']))));
    expect(Number(sanitized())).toBe(before + 1);
    local.run('RESTORE', 'k', 1, value, 'ABSTTL', 'REPLACE');
    expect(local.lastDirty).toBe(1);
    local.run('RESTORE', 'k', 1, value, 'ABSTTL');
    expect(local.lastDirty).toBe(0);
    expect(local.value('EXISTS', 'k')).toBe(0);
  });

  it('leaves everything as it was when memory ends, whenever that is', () => {
    const members = Array.from({ length: 700 }, (_, i) => rdbString(`member:${i}`));
    const set = payload(2, Buffer.concat([rdbLength(members.length), ...members]));
    local.run('SET', 'k', 'old');
    local.checkInvariants();
    const { alloc } = local.keyspace.shards[0]!.arena;
    let refused = 0;
    for (let allowed = 0; ; allowed += allowed < 20 ? 1 : 97) {
      let left = allowed;
      for (const each of local.keyspace.shards)
        each.arena.alloc = function refusing(this: typeof each.arena, bytes: number): number {
          if (left-- <= 0) throw new OutOfMemoryError('no more for this test');
          return alloc.call(this, bytes);
        };
      const reply = local.text('RESTORE', 'k', 0, set, 'REPLACE');
      for (const each of local.keyspace.shards) each.arena.alloc = alloc;
      local.checkInvariants();
      if (reply === '+OK\r\n') break;
      expect(reply).toMatch(/^-OOM/);
      expect(local.value('GET', 'k')).toBe('old');
      refused++;
    }
    expect(refused).toBeGreaterThan(20);
    expect(local.value('SCARD', 'k')).toBe(700);
  });
});

describe('DUMP', () => {
  it('touches the key and counts a hit, as every reading command', () => {
    local.run('SET', 'k', 'v');
    const hits = (): string => /keyspace_hits:(\d+)/.exec(String(local.value('INFO', 'stats')))![1]!;
    const before = Number(hits());
    local.run('DUMP', 'k');
    expect(Number(hits())).toBe(before + 1);
  });

  it('compresses unless rdbcompression is off', async () => {
    await same('SET', 'k', 'abc'.repeat(100));
    const short = (await same('DUMP', 'k')).length;
    await redis.call('CONFIG', 'SET', 'rdbcompression', 'no');
    local.config.assign('rdbcompression', 'no');
    expect((await same('DUMP', 'k')).length).toBeGreaterThan(short);
    await redis.call('CONFIG', 'SET', 'rdbcompression', 'yes');
  });
});
