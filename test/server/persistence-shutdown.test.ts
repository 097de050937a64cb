// SHUTDOWN, SIGTERM and SIGINT where there is something to save: what is saved, what is not, and what keeps a server alive.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fileOf, infoFields, logLines, startUntilTestEnds } from '../support/persistent-server.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import { LEFT_IS_REDIS } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const POINTS = ['--save', '3600 1'];
const CANNOT = 'ERR Errors trying to SHUTDOWN. Check logs.';

/** Starts it again, and tells how many keys it has then. */
async function keysAfterRestart(server: ServerProcess): Promise<number> {
  await server.start();
  return Number(await (await server.connect()).call('DBSIZE'));
}

/** Makes an RDB file impossible: there is a folder of its name. */
function blockDump(server: ServerProcess): void {
  rmSync(join(server.folder, 'dump.rdb'), { force: true });
  mkdirSync(join(server.folder, 'dump.rdb'));
}

describe('SHUTDOWN saves', () => {
  it.each([
    { args: POINTS, words: [], saved: true },
    { args: POINTS, words: ['NOSAVE'], saved: false },
    { args: POINTS, words: ['NOW', 'FORCE'], saved: true },
    { args: [], words: [], saved: false },
    { args: [], words: ['SAVE'], saved: true },
  ])('$args $words: $saved', async ({ args, words, saved }) => {
    const server = await startUntilTestEnds(args);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    client.send('SHUTDOWN', ...words);
    expect((await client.readUntilClosed()).toString()).toBe('');
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(fileOf(server, 'dump.rdb') !== null).toBe(saved);
    expect(logLines(server).includes('* Saving the final RDB snapshot before exiting.')).toBe(saved);
    expect(logLines(server).includes('* DB saved on disk')).toBe(saved);
    expect(await keysAfterRestart(server)).toBe(saved ? 1 : 0);
  });

  it.each([
    { signal: 'SIGTERM', args: POINTS, saved: true },
    { signal: 'SIGTERM', args: [...POINTS, '--shutdown-on-sigterm', 'nosave'], saved: false },
    { signal: 'SIGINT', args: ['--shutdown-on-sigint', 'save now'], saved: true },
  ] as const)('$signal $args: $saved', async ({ signal, args, saved }) => {
    const server = await startUntilTestEnds(args);
    await (await server.connect()).call('SET', 'a', '1');
    server.signal(signal);
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(fileOf(server, 'dump.rdb') !== null).toBe(saved);
    const lines = logLines(server);
    expect(lines.indexOf('# User requested shutdown...')).toBeGreaterThan(
      lines.indexOf(`# Received ${signal} scheduling shutdown...`),
    );
  });

  it('syncs the log, which then has everything', async () => {
    const server = await startUntilTestEnds(['--appendonly', 'yes', '--appendfsync', 'no']);
    const client = await server.connect();
    await client.pipeline(Array.from({ length: 1000 }, (_, i) => ['SET', `key:${i}`, i]));
    client.send('SHUTDOWN');
    await client.readUntilClosed();
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(logLines(server)).toContain('* Calling fsync() on the AOF file.');
    expect(await keysAfterRestart(server)).toBe(1000);
  });
});

describe('SHUTDOWN that fails', () => {
  it('leaves the server as it was, by command and by signal, until FORCE', async () => {
    const server = await startUntilTestEnds(POINTS);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    blockDump(server);
    expect(await client.callError('SHUTDOWN')).toBe(CANNOT);
    expect(await client.call('SET', 'b', '2')).toBe('OK');
    server.signal('SIGTERM');
    await server.waitForLog(/(Errors trying to shut down the server[\s\S]*){2}/);
    expect(await client.call('SET', 'c', '3')).toBe('OK');
    const lines = logLines(server);
    const at = lines.indexOf('* Saving the final RDB snapshot before exiting.');
    expect(lines[at + 1]).toMatch(
      /^# Error moving temp DB file temp-\d+\.rdb on the final destination dump\.rdb \(in server root dir .*\): /,
    );
    expect(lines.slice(at + 2, at + 4)).toEqual([
      "# Error trying to save the DB, can't exit.",
      '# Errors trying to shut down the server. Check the logs for more information.',
    ]);
    client.send('SHUTDOWN', 'FORCE');
    expect((await client.readUntilClosed()).toString()).toBe('');
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(logLines(server)).toContain('# Error trying to save the DB. Exit anyway.');
  });
});

// Redis does nothing else while it saves; and only then there is anything to abort.
describe.skipIf(LEFT_IS_REDIS)('while the last snapshot is saved', () => {
  const SLOW = [...POINTS, '--rdb-key-save-delay', '10000000', '--enable-protected-configs', 'yes'];

  it('clients read and do not write; ABORT lets them, and the end comes later', async () => {
    const server = await startUntilTestEnds(SLOW);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    const stopper = await server.connect();
    const ended = stopper.callError('SHUTDOWN');
    const second = (await server.connect()).callError('SHUTDOWN', 'NOSAVE');
    await server.waitForLog('Saving the final RDB snapshot');
    const writer = await server.connect();
    let written = false;
    const write = writer.call('SET', 'b', '2').then(() => (written = true));
    expect(await client.call('GET', 'a')).toBe('1');
    await sleep(50);
    expect(written).toBe(false);
    expect(await client.call('SHUTDOWN', 'ABORT')).toBe('OK');
    expect(await Promise.all([ended, second])).toEqual([CANNOT, CANNOT]);
    await write;
    await server.waitForLog('* Shutdown manually cancelled.\n');
    expect(await client.callError('SHUTDOWN', 'ABORT')).toBe('ERR No shutdown in progress.');
    expect(fileOf(server, 'dump.rdb')).toBe(null);
    expect(logLines(server)).not.toContain("# Error trying to save the DB, can't exit.");
    await client.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    server.signal('SIGTERM');
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(await keysAfterRestart(server)).toBe(2);
    await (await server.connect()).call('CONFIG', 'SET', 'save', '');
  });

  it('a second SIGINT ends it at once', async () => {
    const server = await startUntilTestEnds(SLOW);
    await (await server.connect()).call('SET', 'a', '1');
    server.signal('SIGINT');
    await server.waitForLog('Saving the final RDB snapshot');
    server.signal('SIGINT');
    expect(await server.waitExit()).toEqual({ code: 1, signal: null });
    expect(logLines(server)).toContain('# You insist... exiting now.');
    expect(fileOf(server, 'dump.rdb')).toBe(null);
    await server.start();
    await (await server.connect()).call('CONFIG', 'SET', 'save', '');
  });

  it('ends what runs in the background', async () => {
    const server = await startUntilTestEnds(SLOW);
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    expect(await client.call('BGSAVE')).toBe('Background saving started');
    expect((await infoFields(client, 'persistence')).get('rdb_bgsave_in_progress')).toBe('1');
    await client.call('CONFIG', 'SET', 'save', '');
    client.send('SHUTDOWN');
    await client.readUntilClosed();
    expect(await server.waitExit()).toEqual({ code: 0, signal: null });
    expect(fileOf(server, 'dump.rdb')).toBe(null);
  });
});

it.skipIf(LEFT_IS_REDIS)('no reply says OK whose write is lost with the log', async () => {
  const faults = join(makeTemporaryFolder('sabre-test-faults-'), 'faults');
  const server = await startUntilTestEnds(['--appendonly', 'yes', '--appendfsync', 'always'], {
    SABRE_FAULTS: faults,
  });
  const client = await server.connect();
  expect(await client.call('SET', 'a', '1')).toBe('OK');
  writeFileSync(faults, 'fdatasync EIO\n');
  client.send('SET', 'b', '2');
  await server.waitForLog("Can't persist AOF for fsync error");
  server.signal('SIGTERM');
  expect(await server.waitExit()).toEqual({ code: 0, signal: null });
  expect((await client.readUntilClosed()).toString()).toBe('');
  rmSync(faults);
  await server.start();
});
