// SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF, DEBUG RELOAD and LOADAOF, FLUSHALL, CONFIG SET appendonly: replies, log and INFO.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fileOf, infoFields, logLines, startUntilTestEnds } from '../support/persistent-server.ts';
import type { RawClient } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, TOPOLOGIES } from '../support/sabre-server.ts';

const POINTS = ['--save', '3600 1'];

async function fill(client: RawClient): Promise<string> {
  await client.call('SELECT', '3');
  await client.call('RPUSH', 'list', 'a', '1', 'x'.repeat(3000));
  await client.call('SELECT', '0');
  await client.call('SET', 'text', 'value', 'EX', '1000');
  await client.call('HSET', 'hash', 'f', 'v');
  await client.call('ZADD', 'sorted', '1.5', 'm');
  await client.call('SADD', 'set', '1', '2', '3');
  await client.call('XADD', 'stream', '1-1', 'f', 'v');
  return String(await client.call('DEBUG', 'DIGEST'));
}

/** Waits until a field of INFO persistence has a value. */
async function waitForField(client: RawClient, field: string, value: string): Promise<void> {
  await expect
    .poll(async () => (await infoFields(client, 'persistence')).get(field), { timeout: 10_000 })
    .toBe(value);
}

describe('saving', () => {
  it('SAVE and BGSAVE, as INFO, LASTSAVE and the log tell', async () => {
    const server = await startUntilTestEnds(POINTS);
    const client = await server.connect();
    const started = Number(await client.call('LASTSAVE'));
    await client.call('SET', 'a', '1');
    await waitForField(client, 'rdb_changes_since_last_save', '1');
    const start = server.log().length;
    expect(await client.call('SAVE')).toBe('OK');
    await expect.poll(() => logLines(server, start)).toEqual(['* DB saved on disk']);
    let info = await infoFields(client, 'persistence');
    expect(info.get('rdb_changes_since_last_save')).toBe('0');
    expect(info.get('rdb_saves')).toBe('1');
    expect(info.get('rdb_last_bgsave_time_sec')).toBe('-1');
    expect(Number(await client.call('LASTSAVE'))).toBeGreaterThanOrEqual(started);
    await client.call('SET', 'b', '1');
    expect(await client.call('BGSAVE')).toBe('Background saving started');
    await server.waitForLog('* Background saving terminated with success\n');
    await waitForField(client, 'rdb_bgsave_in_progress', '0');
    info = await infoFields(client, 'persistence');
    expect(info.get('rdb_saves')).toBe('2');
    expect(info.get('rdb_last_bgsave_time_sec')).toMatch(/^\d+$/);
    expect(info.get('rdb_changes_since_last_save')).toBe('0');
    await client.call('CONFIG', 'RESETSTAT');
    expect((await infoFields(client, 'persistence')).get('rdb_saves')).toBe('0');
    expect(await client.callError('BGSAVE', 'NOW')).toBe('ERR syntax error');
  });

  it('BGSAVE and BGREWRITEAOF while the other or itself runs', async () => {
    const server = await startUntilTestEnds(['--rdb-key-save-delay', '10000000']);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    expect(await client.call('BGSAVE')).toBe('Background saving started');
    expect(await client.callError('BGSAVE')).toBe('ERR Background save already in progress');
    expect(await client.callError('BGSAVE', 'SCHEDULE')).toBe('ERR Background save already in progress');
    expect(await client.callError('SAVE')).toBe('ERR Background save already in progress');
    expect(await client.call('BGREWRITEAOF')).toBe('Background append only file rewriting scheduled');
    const info = await infoFields(client, 'persistence');
    expect(info.get('aof_rewrite_scheduled')).toBe('1');
    expect(info.get('current_save_keys_total')).toBe('1');
    expect(info.get('rdb_current_bgsave_time_sec')).toMatch(/^\d+$/);
    if (LEFT_IS_REDIS) return;
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await waitForField(client, 'aof_rewrites', '1');
    await waitForField(client, 'aof_rewrite_in_progress', '0');
    expect(fileOf(server, 'appendonlydir', 'appendonly.aof.1.base.rdb')).not.toBe(null);
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '10000000');
    expect(await client.call('BGREWRITEAOF')).toBe('Background append only file rewriting started');
    expect(await client.callError('BGREWRITEAOF')).toBe(
      'ERR Background append only file rewriting already in progress',
    );
    expect(await client.callError('BGSAVE')).toBe(
      "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
    );
    expect(await client.call('BGSAVE', 'SCHEDULE')).toBe('Background saving scheduled');
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await waitForField(client, 'rdb_saves', '2');
  });

  it('save points, set while it runs', async () => {
    const server = await startUntilTestEnds([]);
    const client = await server.connect();
    await client.pipeline(Array.from({ length: 20 }, (_, i) => ['SET', `key:${i}`, i]));
    await client.call('CONFIG', 'SET', 'save', '1 10');
    await server.waitForLog('10 changes in 1 seconds. Saving...');
    await server.waitForLog('Background saving terminated with success');
    expect(fileOf(server, 'dump.rdb')).not.toBe(null);
    await client.call('CONFIG', 'SET', 'save', '');
  });

  it('dir and dbfilename, set while it runs', async () => {
    const server = await startUntilTestEnds(['--enable-protected-configs', 'yes']);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    mkdirSync(join(server.folder, 'sub'));
    await client.call('CONFIG', 'SET', 'dir', join(server.folder, 'sub'), 'dbfilename', 'other.rdb');
    expect(await client.call('SAVE')).toBe('OK');
    expect(fileOf(server, 'sub', 'other.rdb')).not.toBe(null);
    expect(fileOf(server, 'dump.rdb')).toBe(null);
  });
});

describe.each(TOPOLOGIES.slice(1))('FLUSHALL ($name)', ({ args }) => {
  it('saves at once where there are save points, in a pipeline too', async () => {
    const server = await startUntilTestEnds([...args, ...POINTS]);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    expect(await client.call('SAVE')).toBe('OK');
    const size = fileOf(server, 'dump.rdb')!.length;
    const replies = await client.pipeline([['SET', 'b', '1'], ['FLUSHALL'], ['DBSIZE'], ['PING']]);
    expect(replies.map(({ raw }) => raw.toString().trim())).toEqual(['+OK', '+OK', ':0', '+PONG']);
    expect(fileOf(server, 'dump.rdb')!.length).toBeLessThan(size);
    const info = await infoFields(client, 'persistence');
    expect(info.get('rdb_changes_since_last_save')).toBe('0');
    expect(info.get('rdb_saves')).toBe('1');
    // What FLUSHALL removes is gone for good, whatever happens next.
    await server.kill9();
    await server.start();
    expect(await (await server.connect()).call('DBSIZE')).toBe(0);
  });

  it('without save points leaves the file alone, and ends a BGSAVE', async () => {
    const server = await startUntilTestEnds([...args, '--rdb-key-save-delay', '1000000']);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    expect(await client.call('BGSAVE')).toBe('Background saving started');
    expect(await client.call('FLUSHALL')).toBe('OK');
    await server.waitForLog('Background saving terminated by signal 10');
    expect(fileOf(server, 'dump.rdb')).toBe(null);
    expect((await infoFields(client, 'persistence')).get('rdb_last_bgsave_status')).toBe('ok');
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
  });
});

describe.each(TOPOLOGIES.slice(1))('DEBUG RELOAD and LOADAOF ($name)', ({ args }) => {
  it('give the same data', async () => {
    const server = await startUntilTestEnds([...args, '--appendonly', 'yes']);
    const client = await server.connect();
    const digest = await fill(client);
    for (const words of [
      ['RELOAD'],
      ['RELOAD', 'MERGE'],
      ['RELOAD', 'NOSAVE', 'NOFLUSH', 'MERGE'],
      ['LOADAOF'],
    ]) {
      expect(await client.call('DEBUG', ...words), words.join(' ')).toBe('OK');
      expect(await client.call('DEBUG', 'DIGEST')).toBe(digest);
    }
    await server.waitForLog('# DB reloaded by DEBUG RELOAD\n');
    await server.waitForLog('# Append Only File loaded by DEBUG LOADAOF\n');
    await client.call('SET', 'late', '1');
    await client.call('DEBUG', 'RELOAD', 'NOSAVE');
    expect(await client.call('EXISTS', 'late')).toBe(0);
    expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await client.call('EXISTS', 'late')).toBe(1);
    // It goes on to be logged.
    await client.call('SET', 'later', '1');
    expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await client.call('EXISTS', 'later')).toBe(1);
    if (!LEFT_IS_REDIS) await client.call('DEBUG', 'INVARIANTS');
  });

  it('say what is wrong', async () => {
    const server = await startUntilTestEnds([...args]);
    const client = await server.connect();
    expect(await client.callError('DEBUG', 'RELOAD', 'NOW')).toBe(
      'ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.',
    );
    await client.call('SET', 'a', '1');
    if (LEFT_IS_REDIS) return;
    expect(await client.callError('DEBUG', 'RELOAD', 'NOFLUSH')).toBe(
      'ERR Error trying to load the RDB dump, check server logs.',
    );
    await server.waitForLog("# RDB has duplicated key 'a' in DB 0");
    expect(await client.call('GET', 'a')).toBe('1');
    rmSync(join(server.folder, 'dump.rdb'));
    mkdirSync(join(server.folder, 'dump.rdb'));
    expect(await client.callError('DEBUG', 'RELOAD')).toBe('ERR');
    expect(await client.callError('SAVE')).toBe('ERR');
    expect(await client.call('GET', 'a')).toBe('1');
  });
});

describe('CONFIG SET appendonly', () => {
  it('yes keeps what is there and what comes; no stops that', async () => {
    const server = await startUntilTestEnds([]);
    const client = await server.connect();
    const digest = await fill(client);
    expect(await client.call('CONFIG', 'SET', 'appendonly', 'yes')).toBe('OK');
    await waitForField(client, 'aof_rewrite_in_progress', '0');
    await client.call('DEBUG', 'LOADAOF');
    expect(await client.call('DEBUG', 'DIGEST')).toBe(digest);
    const info = await infoFields(client, 'persistence');
    expect(info.get('aof_enabled')).toBe('1');
    expect(Number(info.get('aof_base_size'))).toBeGreaterThan(100);
    expect(await client.call('CONFIG', 'SET', 'appendonly', 'no')).toBe('OK');
    expect((await infoFields(client, 'persistence')).has('aof_base_size')).toBe(false);
    await client.call('SET', 'late', '1');
    await client.call('CONFIG', 'SET', 'appendonly', 'yes');
    await waitForField(client, 'aof_rewrite_in_progress', '0');
    await client.call('DEBUG', 'LOADAOF');
    expect(await client.call('EXISTS', 'late')).toBe(1);
  });

  it.skipIf(LEFT_IS_REDIS)('yes while a BGSAVE or a rewrite runs', async () => {
    const server = await startUntilTestEnds(['--rdb-key-save-delay', '10000000']);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    await client.call('BGREWRITEAOF');
    await client.call('CONFIG', 'SET', 'appendonly', 'yes');
    await server.waitForLog('Stopping background AOF and starting a rewrite now.');
    await client.call('SET', 'b', '1');
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await waitForField(client, 'aof_rewrite_in_progress', '0');
    await client.call('CONFIG', 'SET', 'appendonly', 'no', 'rdb-key-save-delay', '10000000');
    await client.call('BGSAVE');
    await client.call('CONFIG', 'SET', 'appendonly', 'yes');
    await server.waitForLog('An AOF background was scheduled to start when possible.');
    await client.call('SET', 'c', '1');
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await waitForField(client, 'aof_rewrites', '3');
    await waitForField(client, 'aof_rewrite_in_progress', '0');
    await client.call('SET', 'd', '1');
    await server.restart({ args: ['--appendonly', 'yes'] });
    expect(await (await server.connect()).call('DBSIZE')).toBe(4);
  });
});
