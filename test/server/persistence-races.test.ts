// What may be lost or doubled where persistence meets commands: logs that are loaded while clients wait or look, bytes of
// clients in the log, directories that change under a save, a data set with a value larger than what gathers it.

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fileOf, infoFields, startUntilTestEnds } from '../support/persistent-server.ts';
import { encodeCommand } from '../support/raw-client.ts';
import type { ServerProcess } from '../support/server-process.ts';

const LOG = ['--appendonly', 'yes', '--save', ''];
const INCREMENT = ['appendonlydir', 'appendonly.aof.1.incr.aof'] as const;

/** Puts a log of an old Redis into the folder of a server that is down. */
function putLog(server: ServerProcess, commands: readonly (readonly string[])[]): void {
  const bytes = commands.map((words) => encodeCommand(words));
  writeFileSync(join(server.folder, 'appendonly.aof'), Buffer.concat(bytes));
}

describe('loading a log', () => {
  it('DEBUG LOADAOF does not write what it loads into the log again', async () => {
    const server = await startUntilTestEnds([...LOG, '--enable-debug-command', 'yes']);
    const client = await server.connect();
    for (let i = 0; i < 5; i++) await client.call('INCR', 'n');
    expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await client.call('GET', 'n')).toBe('5');
    await client.close();
    await server.restart();
    const again = await server.connect();
    expect(await again.call('GET', 'n')).toBe('5');
  });

  it('gives nothing of the log to clients that wait', async () => {
    const server = await startUntilTestEnds([...LOG, '--enable-debug-command', 'yes']);
    const client = await server.connect();
    await client.call('RPUSH', 'k', 'gone');
    await client.call('LPOP', 'k');
    const waiting = await server.connect();
    const answer = waiting.call('BLPOP', 'k', '0');
    await expect.poll(async () => (await infoFields(client, 'clients')).get('blocked_clients')).toBe('1');
    expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
    await client.call('RPUSH', 'k', 'new');
    expect(await answer).toEqual(['k', 'new']);
  });

  it('evicts nothing meanwhile', async () => {
    const server = await startUntilTestEnds(['--save', '']);
    await server.stop();
    mkdirSync(server.folder, { recursive: true });
    const value = 'x'.repeat(1000);
    const commands: string[][] = [];
    for (let i = 0; i < 3000; i++) commands.push(['SET', `k${i}`, value]);
    for (let i = 0; i < 3000; i++) commands.push(['APPEND', `k${i}`, 'y']);
    putLog(server, commands);
    const limits = ['--maxmemory', '1mb', '--maxmemory-policy', 'allkeys-random', '--key-load-delay', '300'];
    const starting = server.restart({ args: [...LOG, ...limits] });
    void starting.catch(() => {});
    let evicted = 0;
    let looks = 0;
    for (let loading = true; loading; ) {
      try {
        const client = await server.connect();
        while (loading) {
          const info = await infoFields(client, 'everything');
          loading = info.get('loading') === '1';
          if (loading) {
            evicted = Number(info.get('evicted_keys'));
            looks++;
          }
        }
        await client.close();
      } catch {
        await new Promise((done) => setTimeout(done, 20));
      }
    }
    await starting;
    expect(looks).toBeGreaterThan(5);
    expect(evicted).toBe(0);
  });

  it('takes expiries that count from now', async () => {
    const server = await startUntilTestEnds(['--save', '']);
    await server.stop();
    mkdirSync(server.folder, { recursive: true });
    putLog(server, [
      ['SET', 'a', '1', 'EX', '1000'],
      ['SET', 'b', '1'],
      ['EXPIRE', 'b', '1000'],
      ['SETEX', 'c', '1000', '1'],
      ['HSET', 'h', 'f', '1'],
      ['HEXPIRE', 'h', '1000', 'FIELDS', '1', 'f'],
    ]);
    await server.restart({ args: LOG });
    const client = await server.connect();
    for (const key of ['a', 'b', 'c']) {
      expect(Number(await client.call('TTL', key)), key).toBeGreaterThan(900);
    }
    expect(await client.call('HTTL', 'h', 'FIELDS', '1', 'f')).not.toEqual([-2]);
  });

  it('loads arguments that are longer than clients may send by now', async () => {
    const server = await startUntilTestEnds([...LOG, '--proto-max-bulk-len', '60mb']);
    const client = await server.connect();
    await client.call('SET', 'large', Buffer.alloc(50 * 1024 * 1024, 120));
    await client.call('SET', 'after', '1');
    await client.close();
    await server.restart({ args: [...LOG, '--proto-max-bulk-len', '1mb'] });
    const again = await server.connect();
    expect(await again.call('GET', 'after')).toBe('1');
    expect(await again.call('STRLEN', 'large')).toBe(50 * 1024 * 1024);
  });
});

describe('what clients send', () => {
  it('gets into the log as arrays, however it was written', async () => {
    const server = await startUntilTestEnds(LOG);
    const client = await server.connect();
    client.sendRaw(Buffer.from('ECHO *23456\r\nSET      a      b\r\nPING\r\n'));
    expect(await client.reply()).toBeDefined();
    expect(await client.reply()).toBeDefined();
    expect(await client.reply()).toBeDefined();
    await expect.poll(() => fileOf(server, ...INCREMENT)?.toString() ?? '').toContain('SET');
    expect(fileOf(server, ...INCREMENT)!.toString()).toBe(
      '*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n',
    );
  });
});

describe('CONFIG SET dir', () => {
  it('leaves a save that runs where it began', async () => {
    const server = await startUntilTestEnds([
      '--save',
      '',
      '--rdb-key-save-delay',
      '2000',
      '--enable-protected-configs',
      'yes',
    ]);
    const client = await server.connect();
    for (let i = 0; i < 300; i++) await client.call('SET', `k${i}`, 'v');
    const other = join(server.folder, 'other');
    mkdirSync(other);
    await client.call('BGSAVE');
    await client.call('CONFIG', 'SET', 'dir', other);
    await expect
      .poll(async () => (await infoFields(client, 'persistence')).get('rdb_bgsave_in_progress'), {
        timeout: 10_000,
      })
      .toBe('0');
    expect((await infoFields(client, 'persistence')).get('rdb_last_bgsave_status')).toBe('ok');
    expect(readFileSync(join(server.folder, 'dump.rdb')).length).toBeGreaterThan(300);
    expect(existsSync(join(other, 'dump.rdb'))).toBe(false);
  });
});

describe('a snapshot', () => {
  it('ends with a list whose last element fills the piece in which it is sent', async () => {
    const server = await startUntilTestEnds(['--save', '', '--appendonly', 'no']);
    const client = await server.connect();
    await client.call('RPUSH', 'list', randomBytes(100_000));
    expect(await client.call('SAVE')).toBe('OK');
    await client.call('CONFIG', 'SET', 'aof-use-rdb-preamble', 'no');
    await client.call('SELECT', '1');
    await client.call('RPUSH', 'list', randomBytes(100_000));
    await client.call('SET', 'a', '1');
    await client.call('CONFIG', 'SET', 'appendonly', 'yes');
    await expect
      .poll(async () => (await infoFields(client, 'persistence')).get('aof_rewrite_in_progress'))
      .toBe('0');
    const digest = await client.call('DEBUG', 'DIGEST');
    await client.close();
    await server.restart({ args: [...LOG] });
    const again = await server.connect();
    expect(await again.call('DEBUG', 'DIGEST')).toBe(digest);
  });

  it('begins although long commands follow each other without a gap', async () => {
    const server = await startUntilTestEnds(['--save', '', '--acceptors', '1', '--shard-workers', '4']);
    const client = await server.connect();
    for (const set of ['a', 'b', 'c']) {
      for (let part = 0; part < 50; part++) {
        const members = Array.from({ length: 1000 }, (_, i) => `member ${part}:${i}`);
        await client.call('SADD', set, ...members);
      }
    }
    let over = false;
    const sorting = ['a', 'b', 'c', 'a', 'b'].map(async (set) => {
      const other = await server.connect();
      while (!over) await other.call('SORT', set, 'ALPHA', 'LIMIT', '0', '1');
    });
    for (let i = 0; i < 3; i++) {
      expect(await client.call('BGSAVE')).toBe('Background saving started');
      await expect
        .poll(async () => (await infoFields(client, 'persistence')).get('rdb_bgsave_in_progress'), {
          timeout: 20_000,
        })
        .toBe('0');
    }
    over = true;
    await Promise.all(sorting);
  }, 60_000);
});

/** What an administrator does again and again while clients write; what is refused meanwhile is. */
const DEEDS: readonly (readonly string[])[] = [
  ['CONFIG', 'SET', 'appendfsync', 'everysec'],
  ['BGREWRITEAOF'],
  ['BGSAVE', 'SCHEDULE'],
  ['SWAPDB', '0', '1'],
  ['CONFIG', 'SET', 'appendonly', 'no'],
  ['BGREWRITEAOF'],
  ['CONFIG', 'SET', 'appendonly', 'yes'],
  ['CONFIG', 'SET', 'appendfsync', 'always'],
  ['DEBUG', 'RELOAD'],
  ['BGREWRITEAOF'],
  ['SWAPDB', '0', '1'],
  ['DEBUG', 'LOADAOF'],
  ['CONFIG', 'SET', 'appendfsync', 'no'],
  ['FLUSHALL'],
];
const REFUSED = /already in progress|Another child|Unable to turn on|Error trying to load the AOF/;

describe('data and files', () => {
  it('agree, whatever is switched, saved and loaded while clients write', async () => {
    const threads = ['--acceptors', '2', '--shard-workers', '2'];
    const server = await startUntilTestEnds([...LOG, ...threads, '--appendfsync', 'always']);
    const admin = await server.connect();
    let over = false;
    const writers = Array.from({ length: 6 }, async (_, id) => {
      const client = await server.connect();
      while (!over) {
        const commands = [
          ['INCR', `n${id}`],
          ['RPUSH', `l${id}`, 'x'.repeat(Math.random() * 3000)],
          ['LTRIM', `l${id}`, '-50', '-1'],
        ];
        for (const reply of await client.pipeline(commands)) {
          const text = reply.raw.toString('latin1', 0, 100);
          if (text.startsWith('-') && !text.startsWith('-LOADING')) throw new Error(text);
        }
      }
    });
    for (let i = 0; i < 210; i++) {
      const reply = await admin.command(...DEEDS[i % DEEDS.length]!);
      const text = reply.raw.toString('latin1');
      if (text.startsWith('-')) expect(text).toMatch(REFUSED);
      await sleep(10);
    }
    over = true;
    await Promise.all(writers);
    await admin.call('CONFIG', 'SET', 'appendonly', 'yes');
    const runs = ['aof_rewrite_in_progress', 'aof_rewrite_scheduled', 'rdb_bgsave_in_progress'];
    await expect
      .poll(
        async () => {
          const info = await infoFields(admin, 'persistence');
          return runs.map((field) => info.get(field));
        },
        { timeout: 20_000 },
      )
      .toEqual(['0', '0', '0']);
    expect(await admin.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
    const digest = await admin.call('DEBUG', 'DIGEST');
    await admin.close();
    await server.restart();
    const again = await server.connect();
    expect(await again.call('DEBUG', 'DIGEST')).toBe(digest);
  }, 90_000);
});
