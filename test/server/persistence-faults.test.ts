// A disk that is full, read-only or fails: writes are refused with Redis's words, reads go on, the server lives, and all is
// well again when the disk is. Faults come from SABRE_FAULTS, a file of rules.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { infoFields, logLines, startUntilTestEnds } from '../support/persistent-server.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import type { RawClient } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, TOPOLOGIES } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const RDB_ERROR =
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

interface Faulty {
  readonly server: ServerProcess;
  readonly client: RawClient;
  /** Puts rules in force; none: the disk is well. */
  fail(...rules: string[]): void;
}

async function startFaulty(...args: string[]): Promise<Faulty> {
  const rules = join(makeTemporaryFolder('sabre-test-faults-'), 'faults');
  const server = await startUntilTestEnds(args, { SABRE_FAULTS: rules });
  return {
    server,
    client: await server.connect(),
    fail: (...lines) => (lines.length === 0 ? rmSync(rules) : writeFileSync(rules, `${lines.join('\n')}\n`)),
  };
}

/** The reply to a write, as soon as it is no error, or the other way round. */
async function pollWrite(client: RawClient, wanted: RegExp): Promise<void> {
  const write = async () => {
    const reply = await client.command('SET', 'probe', '1');
    return reply.raw.toString();
  };
  await expect.poll(write, { timeout: 10_000, interval: 30 }).toMatch(wanted);
}

describe.skipIf(LEFT_IS_REDIS)('a snapshot that fails', () => {
  it.each([
    { what: 'a full disk', rules: ['write ENOSPC temp-'], line: /No space left on device/ },
    { what: 'a read-only folder', rules: ['open EROFS temp-'], line: /Read-only file system/ },
    { what: 'a failing sync', rules: ['fdatasync EIO temp-'], line: /Input\/output error/ },
    { what: 'a failing rename', rules: ['rename EACCES dump.rdb'], line: /Permission denied/ },
  ])('by $what', async ({ rules, line }) => {
    const { server, client, fail } = await startFaulty('--save', '3600 1000');
    await client.call('SET', 'a', '1');
    fail(...rules);
    expect(await client.callError('SAVE')).toBe('ERR');
    // Only those in the background count.
    expect(await client.call('SET', 'b', '1')).toBe('OK');
    expect(await client.call('BGSAVE')).toBe('Background saving started');
    await server.waitForLog('Background saving error');
    await server.waitForLog(line);
    await expect
      .poll(() => client.command('SET', 'c', '1').then(({ raw }) => raw.toString()))
      .toBe(`-${RDB_ERROR}\r\n`);
    expect(await client.callError('PING')).toBe(RDB_ERROR);
    expect(await client.call('GET', 'a')).toBe('1');
    const info = await infoFields(client, 'persistence');
    expect(info.get('rdb_last_bgsave_status')).toBe('err');
    expect(info.get('rdb_last_bgsave_time_sec')).toMatch(/^\d+$/);
    // Both directives that cause it end it.
    await client.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no');
    expect(await client.call('SET', 'd', '1')).toBe('OK');
    await client.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes');
    expect(await client.callError('SET', 'd', '1')).toBe(RDB_ERROR);
    fail();
    expect(await client.call('SAVE')).toBe('OK');
    expect(await client.call('SET', 'e', '1')).toBe('OK');
    expect((await infoFields(client, 'persistence')).get('rdb_last_bgsave_status')).toBe('ok');
  });

  it('by save points is tried again, not too often', async () => {
    const { server, client, fail } = await startFaulty('--save', '1 1');
    fail('write ENOSPC temp-');
    await client.call('SET', 'a', '1');
    await server.waitForLog('Background saving error');
    await sleep(500);
    expect(logLines(server).filter((line) => line === '# Background saving error')).toHaveLength(1);
    fail();
    await server.waitForLog('Background saving terminated with success');
    await pollWrite(client, /OK/);
    await client.call('CONFIG', 'SET', 'save', '');
  });
});

describe.skipIf(LEFT_IS_REDIS).each(TOPOLOGIES.slice(1))('a log that fails ($name)', ({ args }) => {
  it('everysec: a full disk', async () => {
    const { server, client, fail } = await startFaulty(...args, '--appendonly', 'yes');
    const logSize = async () => Number((await infoFields(client, 'persistence')).get('aof_current_size'));
    const empty = await logSize();
    await client.call('SET', 'a', '1');
    await expect.poll(logSize).toBeGreaterThan(empty);
    fail('write ENOSPC .incr.aof');
    // Before it is noticed, as in Redis; nothing of it is lost.
    expect(await client.call('SET', 'b', '1')).toBe('OK');
    await pollWrite(client, /^-MISCONF Errors writing to the AOF file: No space left on device\r\n$/);
    expect(await client.callError('PING')).toBe(
      'MISCONF Errors writing to the AOF file: No space left on device',
    );
    expect(await client.call('GET', 'a')).toBe('1');
    await expect
      .poll(async () => (await infoFields(client, 'persistence')).get('aof_last_write_status'))
      .toBe('err');
    expect(Number((await infoFields(client, 'persistence')).get('aof_buffer_length'))).toBeGreaterThan(20);
    expect(Number((await infoFields(client, 'memory')).get('mem_aof_buffer'))).toBeGreaterThan(20);
    const stats = (await client.call('MEMORY', 'STATS')) as unknown[];
    expect(Number(stats[stats.indexOf('aof.buffer') + 1])).toBeGreaterThan(20);
    await server.waitForLog(/Error writing to the AOF file: No space left on device/);
    fail();
    await pollWrite(client, /OK/);
    await server.waitForLog('AOF write error looks solved, Redis can write again.');
    await server.kill9();
    await server.start();
    // What came last may be lost with everysec.
    expect(await (await server.connect()).call('EXISTS', 'a', 'b')).toBe(2);
  });

  it('everysec: a failing sync', async () => {
    const { server, client, fail } = await startFaulty(...args, '--appendonly', 'yes');
    fail('fdatasync EIO .incr.aof');
    await client.call('SET', 'a', '1');
    await pollWrite(client, /^-MISCONF Errors writing to the AOF file: Input\/output error\r\n$/);
    expect(await client.call('GET', 'a')).toBe('1');
    await server.waitForLog(/Fail to fsync the AOF file: Input\/output error/);
    fail();
    await pollWrite(client, /OK/);
  });

  it.each(['write ENOSPC .incr.aof', 'fdatasync EIO .incr.aof'])(
    'always: %s; who has written waits, everybody else is answered',
    async (rule) => {
      const { server, client, fail } = await startFaulty(
        ...args,
        '--appendonly',
        'yes',
        '--appendfsync',
        'always',
      );
      expect(await client.call('SET', 'a', '1')).toBe('OK');
      fail(rule);
      let answered = false;
      const writer = await server.connect();
      const held = writer.call('SET', 'b', '2').then((reply) => {
        answered = true;
        return reply;
      });
      await server.waitForLog(/Can't persist AOF|Error writing to the AOF file/);
      const reader = await server.connect();
      await expect
        .poll(async () => (await reader.command('SET', 'c', '3')).raw.toString())
        .toMatch(/^-MISCONF Errors writing to the AOF file: /);
      for (let i = 0; i < 50; i++) {
        expect(await reader.call('GET', 'a')).toBe('1');
        expect(await reader.callError('SET', 'c', '3')).toMatch(/^MISCONF/);
        expect(await reader.call('KEYS', 'a*')).toEqual(['a']);
      }
      expect(answered).toBe(false);
      fail();
      expect(await held).toBe('OK');
      await pollWrite(client, /OK/);
      await server.kill9();
      await server.start();
      expect(await (await server.connect()).call('MGET', 'a', 'b', 'c', 'probe')).toEqual([
        '1',
        '2',
        null,
        '1',
      ]);
    },
  );

  it('a rewrite that fails leaves the log as it was', async () => {
    const { server, client, fail } = await startFaulty(...args, '--appendonly', 'yes');
    await client.call('SET', 'a', '1');
    fail('write ENOSPC temp-rewriteaof');
    expect(await client.call('BGREWRITEAOF')).toBe('Background append only file rewriting started');
    await server.waitForLog('Background AOF rewrite terminated with error');
    await expect
      .poll(async () => (await infoFields(client, 'persistence')).get('aof_last_bgrewrite_status'))
      .toBe('err');
    expect(await client.call('SET', 'b', '2')).toBe('OK');
    fail('open EROFS');
    expect(await client.callError('BGREWRITEAOF')).toBe(
      "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
    );
    expect(await client.call('SET', 'c', '3')).toBe('OK');
    fail();
    await client.call('BGREWRITEAOF');
    await server.waitForLog('Background AOF rewrite finished successfully');
    await server.kill9();
    await server.start();
    expect(await (await server.connect()).call('DBSIZE')).toBe(3);
  });
});

it.skipIf(LEFT_IS_REDIS)('CONFIG SET appendonly yes that fails changes nothing', async () => {
  const { server, client, fail } = await startFaulty();
  fail('mkdir EROFS');
  expect(await client.callError('CONFIG', 'SET', 'appendonly', 'yes')).toBe(
    "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.",
  );
  await expect
    .poll(() => logLines(server).slice(-3))
    .toEqual([
      "# Can't open or create append-only dir appendonlydir: Read-only file system",
      "# Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for more info about the error.",
      '# Failed applying new configuration. Possibly related to new appendonly setting. Restoring previous settings.',
    ]);
  expect(await client.call('CONFIG', 'GET', 'appendonly')).toEqual(['appendonly', 'no']);
  expect(await client.call('SET', 'a', '1')).toBe('OK');
  fail();
  expect(await client.call('CONFIG', 'SET', 'appendonly', 'yes')).toBe('OK');
  await server.waitForLog('Background AOF rewrite finished successfully');
});

it.skipIf(LEFT_IS_REDIS)('LATENCY knows of slow files', async () => {
  const { client, fail } = await startFaulty(
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--latency-monitor-threshold',
    '20',
  );
  fail('fdatasync delay:50 .incr.aof', 'write delay:30 .incr.aof');
  await client.call('SET', 'a', '1');
  const latest = (await client.call('LATENCY', 'LATEST')) as [string, number, number, number][];
  const events = new Map(latest.map(([event, , ms]) => [event, ms]));
  expect(events.get('aof-fsync-always')).toBeGreaterThanOrEqual(50);
  expect(events.get('aof-write')).toBeGreaterThanOrEqual(30);
  expect(events.get('aof-write-alone')).toBeGreaterThanOrEqual(30);
});
