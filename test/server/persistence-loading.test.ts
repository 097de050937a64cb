// Loading: what clients are answered meanwhile, what INFO tells, and how a server ends that cannot load.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fileOf, infoFields, startUntilTestEnds } from '../support/persistent-server.ts';
import { makeTemporaryFolder, reservePort } from '../support/process-guard.ts';
import { RawClient } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, runSabreToExit, TOPOLOGIES } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const LOADING = 'LOADING Redis is loading the dataset in memory';
/** Longer than any of these tests: they end it. */
const SLOW = ['--key-load-delay', '100000000'];

/** Starts a server that loads, and connects as soon as that is possible. */
async function startLoading(server: ServerProcess, args: readonly string[]): Promise<RawClient> {
  const starting = server.restart({ args }).catch((error: unknown) => error);
  onTestFinished(async () => void (await starting));
  for (;;) {
    try {
      const client = await RawClient.connect({ port: server.port });
      const reply = await client.command('GET', 'a');
      if (reply.raw.toString() === `-${LOADING}\r\n`) return client;
      await client.close();
    } catch (error) {
      if (!/ECONN|closed/.test(String(error))) throw error;
    }
    await sleep(10);
  }
}

describe.skipIf(LEFT_IS_REDIS).each(TOPOLOGIES.slice(1))('while data are loaded ($name)', ({ args }) => {
  it.each([
    { what: 'an RDB file', how: ['--save', '3600 1'] },
    { what: 'a log', how: ['--appendonly', 'yes'] },
  ])('from $what', async ({ how }) => {
    const server = await startUntilTestEnds([...args, ...how]);
    const first = await server.connect();
    await first.pipeline(Array.from({ length: 300 }, (_, i) => ['SET', `key:${i}`, 'x'.repeat(100)]));
    await first.call('EXPIRE', 'key:1', '1000');
    const client = await startLoading(server, [...args, ...how, ...SLOW]);
    for (const words of [
      ['GET', 'a'],
      ['SET', 'a', '1'],
      ['DBSIZE'],
      ['SAVE'],
      ['FLUSHALL'],
      ['PING'],
      ['KEYS', '*'],
    ])
      expect(await client.callError(...words), words.join(' ')).toBe(LOADING);
    expect(await client.callError('CONFIG', 'SET', 'appendonly', 'no')).toBe(LOADING);
    await expect
      .poll(async () => Number((await infoFields(client, 'persistence')).get('loading_total_bytes')))
      .toBeGreaterThan(3000);
    const info = await infoFields(client, 'persistence');
    expect(info.get('loading')).toBe('1');
    expect(info.get('async_loading')).toBe('0');
    expect(Number(info.get('loading_start_time'))).toBeGreaterThan(1e9);
    const total = Number(info.get('loading_total_bytes'));
    expect(Number(info.get('loading_loaded_bytes'))).toBeLessThanOrEqual(total);
    expect([...info.keys()].slice(-6)).toEqual([
      'loading_start_time',
      'loading_total_bytes',
      'loading_rdb_used_mem',
      'loading_loaded_bytes',
      'loading_loaded_perc',
      'loading_eta_seconds',
    ]);
    await client.call('CONFIG', 'SET', 'key-load-delay', '0');
    await expect
      .poll(async () => (await client.command('DBSIZE')).raw.toString(), { timeout: 10_000 })
      .toBe(':300\r\n');
    const after = await infoFields(client, 'persistence');
    expect(after.has('loading_start_time')).toBe(false);
    if (how[0] === '--save') expect(after.get('rdb_last_load_keys_loaded')).toBe('300');
    expect(after.get('rdb_changes_since_last_save')).toBe('0');
    await client.close();
  });

  it('SHUTDOWN and signals end it, and save nothing', async () => {
    const server = await startUntilTestEnds([...args, '--save', '3600 1']);
    const first = await server.connect();
    await first.call('SET', 'a', '1');
    await first.call('SAVE');
    await first.close();
    const client = await startLoading(server, [...args, '--save', '3600 1', ...SLOW]);
    const file = fileOf(server, 'dump.rdb');
    client.send('SHUTDOWN', 'SAVE');
    await client.readUntilClosed();
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(fileOf(server, 'dump.rdb')).toEqual(file);
  });

  it('a signal ends it at once', async () => {
    const server = await startUntilTestEnds([...args, '--save', '3600 1']);
    await (await server.connect()).call('SET', 'a', '1');
    const client = await startLoading(server, [...args, '--save', '3600 1', ...SLOW]);
    server.signal('SIGTERM');
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(server.log()).toMatch(/# Received shutdown signal during loading, exiting now\.\n/);
    await client.close();
  });
});

describe('what cannot be loaded ends the process with code 1', () => {
  const hex = (text: string): Buffer => Buffer.from(text, 'latin1');

  it.each([
    {
      what: 'no RDB file',
      dump: hex('garbage file'),
      lines: [
        /# Wrong signature trying to load DB from file/,
        /# Fatal error loading the DB: Invalid argument\. Exiting\.\n$/,
      ],
    },
    {
      what: 'an RDB file of a later version',
      dump: hex('REDIS0099'),
      lines: [
        /# Can't handle RDB format version (00)?99/,
        /# Fatal error loading the DB: Invalid argument\. Exiting\.\n$/,
      ],
    },
    {
      what: 'an RDB file that ends early',
      dump: hex('REDIS0010\xfe\x00\x00\x01a'),
      lines: [/# Short read or OOM loading DB\. Unrecoverable error, aborting now\./],
    },
    {
      what: 'an RDB file with a type that does not exist',
      dump: hex('REDIS0010\xfe\x00\x55\x01a\x01b\xff\0\0\0\0\0\0\0\0'),
      lines: [/Unknown RDB encoding type 85/],
    },
  ])('$what', async ({ dump, lines }) => {
    const folder = makeTemporaryFolder('sabre-test-load-');
    writeFileSync(join(folder, 'dump.rdb'), dump);
    const args = ['--port', String(await reservePort()), '--dir', folder];
    const ended = await runSabreToExit(args);
    expect(ended.code).toBe(1);
    for (const line of lines) expect(ended.output).toMatch(line);
    if (!LEFT_IS_REDIS && lines.length === 1)
      expect(ended.output).toMatch(/# Terminating server after rdb file reading failure\.\n$/);
  });

  it.each([
    { what: 'a manifest that is none', text: 'file a seq 1 type q\n', line: /# Unknown AOF file type\n/ },
    {
      what: 'a file that is missing',
      text: 'file appendonly.aof.1.base.rdb seq 1 type b\n',
      line: /# Unable to obtain the AOF file appendonly\.aof\.1\.base\.rdb length\. stat: No such file or directory\n$/,
    },
  ])('$what', async ({ text, line }) => {
    const folder = makeTemporaryFolder('sabre-test-load-');
    mkdirSync(join(folder, 'appendonlydir'));
    writeFileSync(join(folder, 'appendonlydir', 'appendonly.aof.manifest'), text);
    const args = ['--port', String(await reservePort()), '--dir', folder, '--appendonly', 'yes'];
    const ended = await runSabreToExit(args);
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(line);
  });

  it('a command that does not exist, in the middle of a log', async () => {
    const folder = makeTemporaryFolder('sabre-test-load-');
    writeFileSync(join(folder, 'appendonly.aof'), '*1\r\n$5\r\nPLING\r\n');
    const args = ['--port', String(await reservePort()), '--dir', folder, '--appendonly', 'yes'];
    const ended = await runSabreToExit(args);
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(/# Unknown command 'PLING' reading the append only file appendonly\.aof\n$/);
  });
});
