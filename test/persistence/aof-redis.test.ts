// The append only log and Redis: its directories are read here, ours there, and its checker finds nothing wrong.

import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AofFiles, AofFound } from '../../src/persistence/aof-files.ts';
import { AofRead } from '../../src/persistence/aof-reader.ts';
import { OpenMode, systemFiles, writeAll } from '../../src/persistence/files.ts';
import { startUntilTestEnds } from '../support/persistent-server.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { Bench, command, DIR_NAME, FILE_NAME, Folder, loadAll, readCommands } from './aof-workbench.ts';

/** An RDB file without keys, and without a checksum. */
const EMPTY_RDB = Buffer.from('REDIS0010\xff\0\0\0\0\0\0\0\0', 'latin1');
const MANIFEST = `${FILE_NAME}.manifest`;

const started: ServerProcess[] = [];

async function redis(...args: string[]): Promise<ServerProcess> {
  const server = await startRedis({ args });
  started.push(server);
  return server;
}

afterEach(async () => {
  for (const server of started.splice(0)) await server.stop();
});

/** What redis-check-aof says of a directory's manifest. @returns null if nothing is wrong */
function checkAof(directory: string): string | null {
  // A name need not be one that can be said in UTF-8: the shell finds it.
  const result = spawnSync('sh', ['-c', 'redis-check-aof *.manifest'], { cwd: directory, encoding: 'utf8' });
  if (result.error) throw result.error;
  return result.status === 0 ? null : result.stdout + result.stderr;
}

/** Puts a directory of ours in place of a server's own, and starts it anew. */
async function loadInto(server: ServerProcess, directory: string): Promise<void> {
  await server.kill9();
  rmSync(join(server.folder, DIR_NAME), { recursive: true, force: true });
  for (const name of readdirSync(directory)) {
    cpSync(join(directory, name), join(server.folder, name), { recursive: true });
  }
  await server.start();
}

function put(bench: ReturnType<Bench['appendOnly']>, db: number, ...words: string[]): void {
  const bytes = command(...words);
  bench.writer.effect(db, bytes, 0, bytes.length);
}

/** A log of ours with everything that can be in one. */
function writeOurs(directory: string, rdb: boolean): void {
  const bench = new Bench(directory);
  const aof = bench.appendOnly({ timestamps: true });
  expect(aof.files.load()).toBe(true);
  expect(aof.files.plan().found).toBe(AofFound.Nothing);
  expect(aof.start(rdb ? EMPTY_RDB : Buffer.alloc(0), rdb)).toBe(true);
  put(aof, 0, 'SET', 'gone', 'x');
  expect(aof.beginRewrite()).toBe(true);
  put(aof, 2, 'SET', 'in 2', '\r\n\0\xff');
  aof.writer.flush(true);
  const fd = systemFiles.open(aof.temporaryBase, OpenMode.WriteEmpty);
  writeAll(systemFiles, fd, rdb ? EMPTY_RDB : command('SET', 'based', '1'), 0);
  systemFiles.fsync(fd);
  systemFiles.close(fd);
  expect(aof.endRewrite(rdb)).toBe(true);
  bench.time += 5000;
  aof.writer.beginUnit();
  put(aof, 2, 'RPUSH', 'list', 'a', '', 'c');
  put(aof, 0, 'HSET', 'hash', 'f', 'v');
  aof.writer.endUnit();
  expect(aof.beginRewrite()).toBe(true);
  put(aof, 0, 'SET', 'late', '1');
  aof.failRewrite(false);
  expect(aof.stop()).toBe(true);
}

describe.each([true, false])('our log, base as RDB: %s', (rdb) => {
  it('is loaded by redis-server, and redis-check-aof finds nothing wrong', async () => {
    using folder = new Folder();
    writeOurs(folder.path, rdb);
    expect(checkAof(folder.join(DIR_NAME))).toBeNull();
    const server = await redis('--appendonly', 'yes');
    await loadInto(server, folder.path);
    const client = await server.connect();
    expect(await client.call('GET', 'late')).toBe('1');
    expect(await client.call('EXISTS', 'gone')).toBe(0);
    expect(await client.call('EXISTS', 'based')).toBe(rdb ? 0 : 1);
    expect(await client.call('HGET', 'hash', 'f')).toBe('v');
    await client.call('SELECT', '2');
    expect(await client.call('LRANGE', 'list', '0', '-1')).toEqual(['a', '', 'c']);
    expect(await client.call('STRLEN', 'in 2')).toBe(4);
    // It goes on in our files, and rewrites them; ours again.
    await client.call('SET', 'by redis', '1');
    await client.call('CONFIG', 'SET', 'aof-use-rdb-preamble', 'no');
    await rewrite(server);
    const { commands } = loadAll(server.folder);
    expect(commands).toContainEqual(['SET', 'by redis', '1']);
    expect(commands).toContainEqual(['SET', 'late', '1']);
    const names = readdirSync(join(server.folder, DIR_NAME)).toSorted();
    expect(names).toEqual(['appendonly.aof.3.base.aof', 'appendonly.aof.4.incr.aof', MANIFEST]);
  });
});

async function rewrite(server: ServerProcess): Promise<void> {
  const client = await server.connect();
  await client.call('BGREWRITEAOF');
  for (;;) {
    const info = String(await client.call('INFO', 'persistence'));
    if (/aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info)) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await client.call('CONFIG', 'SET', 'appendfsync', 'always');
  await client.call('SET', 'after', 'rewrite');
}

describe('the log of redis-server', () => {
  it('has the bytes that ours has for the same effects', async () => {
    const server = await redis('--appendonly', 'yes', '--appendfsync', 'always');
    const client = await server.connect();
    const lines = [
      'SET a 1',
      'MULTI',
      'SET b 2',
      'SELECT 3',
      'SET c 3',
      'EXEC',
      'SET d 4',
      'MULTI',
      'SET e 5',
      'EXEC',
    ];
    for (const line of lines) await client.call(...line.split(' '));
    const theirs = readFileSync(join(server.folder, DIR_NAME, 'appendonly.aof.1.incr.aof'), 'latin1');
    using folder = new Folder();
    const bench = new Bench(folder.path);
    const aof = bench.appendOnly();
    aof.files.load();
    aof.start(EMPTY_RDB, true);
    put(aof, 0, 'SET', 'a', '1');
    aof.writer.beginUnit();
    put(aof, 0, 'SET', 'b', '2');
    put(aof, 3, 'SET', 'c', '3');
    aof.writer.endUnit();
    put(aof, 3, 'SET', 'd', '4');
    put(aof, 3, 'SET', 'e', '5');
    aof.stop();
    expect(readFileSync(folder.join(DIR_NAME, 'appendonly.aof.1.incr.aof'), 'latin1')).toBe(theirs);
    const manifests = [folder.path, server.folder].map((path) =>
      readFileSync(join(path, DIR_NAME, MANIFEST), 'utf8'),
    );
    expect(manifests[0]).toBe(manifests[1]);
  });

  it('has the bytes that ours has, whatever spellings the protocol lets pass', async () => {
    // What stands in the place of line ends is not looked at, and an argument may be cut anywhere.
    const requests = [
      '*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n',
      '*3\rX$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n',
      '*3\r\n$3\rXSET\r\n$1\r\nc\r\n$1\r\n3\r\n',
      '*3\r\n$3\r\nSETXY$1\r\nd\r\n$1\r\n4\r\n',
      '*3\r\n$3\r\nSET\r\n$1\rXe\r\n$1\r\n5\r\n',
      '*3\r\n$3\r\nSET\r\n$1\r\nfXY$1\r\n6\r\n',
      '*3\r\n$3\r\nSET\r\n$1\r\ng\r\n$1\rX7\r\n',
      '*3\r\n$3\r\nSET\r\n$1\r\nh\r\n$1\r\n8XY',
      '*3\r\n$3\r\nSET\r\n$1\r\ni\r\n$1\r\n9\n\n',
      'SET j 10\r\n',
      'SET k\n',
      'APPEND "l\\x0a$1" \'1\'\n',
      `*12\r\n$5\r\nRPUSH\r\n${'$12\r\nabcdefghijkl\r\n'.repeat(11)}`,
      `*3\r\n$3\r\nSET\r\n$1\r\nm\r\n$2000\r\n${'x'.repeat(2000)}\r\n`,
    ];
    const log = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const servers = [await startUntilTestEnds(log), await redis(...log)];
    const logs = [];
    for (const server of servers) {
      const client = await server.connect();
      for (const request of requests) {
        client.sendRaw(request);
        await client.reply();
        // In two reads, and all in one.
        client.sendRaw(request.slice(0, request.length >> 1));
        await new Promise((resolve) => setTimeout(resolve, 5));
        client.sendRaw(request.slice(request.length >> 1));
        await client.reply();
      }
      client.sendRaw(requests.join(''));
      for (const _ of requests) await client.reply();
      logs.push(readFileSync(join(server.folder, DIR_NAME, 'appendonly.aof.1.incr.aof'), 'latin1'));
    }
    expect(logs[0]).toBe(logs[1]);
  });

  it('is read, with annotations and transactions, before and after a rewrite', async () => {
    const args = ['--appendonly', 'yes', '--appendfsync', 'always', '--aof-timestamp-enabled', 'yes'];
    const server = await redis(...args, '--aof-use-rdb-preamble', 'no');
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    await client.call('MULTI');
    await client.call('RPUSH', 'l', 'x', 'y');
    await client.call('INCR', 'n');
    await client.call('EXEC');
    const before = [
      ['SELECT', '0'],
      ['SET', 'a', '1'],
      ['RPUSH', 'l', 'x', 'y'],
      ['INCR', 'n'],
    ];
    expect(loadAll(server.folder).commands).toEqual(before);
    await rewrite(server);
    const after = loadAll(server.folder).commands;
    expect(after).toContainEqual(['RPUSH', 'l', 'x', 'y']);
    expect(after).toContainEqual(['SET', 'n', '1']);
    expect(after?.at(-1)).toEqual(['SET', 'after', 'rewrite']);
  });

  it('with a name that must be quoted is found, and found again by redis-server', async () => {
    const name = `ap'p "end\xe9.aof`;
    const server = await redis(
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--appendfilename',
      'x y.aof',
    );
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    const bench = new Bench(server.folder);
    const files = new AofFiles({ ...bench.options, fileName: 'x y.aof' });
    expect(files.load()).toBe(true);
    expect(files.plan().files.map((file) => file.name)).toEqual(['x y.aof.1.base.rdb', 'x y.aof.1.incr.aof']);
    using folder = new Folder();
    const ours = new AofFiles({ ...bench.options, directory: folder.path, fileName: name });
    const open = ours.openOnStart(EMPTY_RDB, true)!;
    writeAll(systemFiles, open.fd, command('SET', 'a', '1'), 0);
    systemFiles.close(open.fd);
    expect(ours.load()).toBe(true);
    expect(ours.plan().files.map((file) => file.size)).toEqual([18, command('SET', 'a', '1').length]);
    expect(checkAof(folder.join(DIR_NAME))).toBeNull();
  });

  it('of one file, from before Redis 7, is taken over as Redis does', async () => {
    using folder = new Folder();
    const old = Buffer.concat([command('SELECT', '0'), command('SET', 'a', '1')]);
    writeFileSync(folder.join(FILE_NAME), old);
    const server = await redis('--appendonly', 'yes');
    await server.kill9();
    rmSync(join(server.folder, DIR_NAME), { recursive: true });
    writeFileSync(join(server.folder, FILE_NAME), old);
    await server.start();
    const bench = new Bench(folder.path);
    const aof = bench.appendOnly();
    aof.files.load();
    const plan = aof.files.plan();
    expect(plan.files).toMatchObject([
      { name: FILE_NAME, isBase: true, isLast: true, isOldStyle: true, size: old.length },
    ]);
    expect(aof.loaded(plan)).toBe(true);
    expect(aof.start(EMPTY_RDB, true)).toBe(true);
    expect(aof.info()).toMatchObject({ currentSize: old.length, baseSize: old.length });
    aof.stop();
    for (const what of [MANIFEST, FILE_NAME]) {
      expect(readFileSync(folder.join(DIR_NAME, what))).toEqual(
        readFileSync(join(server.folder, DIR_NAME, what)),
      );
    }
    const lines = (text: readonly string[]): string[] =>
      text.filter((line) => /AOF/.test(line)).map((line) => line.replace(/^.*?[*#] /, ''));
    const theirs = lines(server.log().split('\n')).filter((line) => /migrated|Creating AOF incr/.test(line));
    expect(lines(bench.log.told)).toEqual([...theirs.slice(-2), 'Calling fsync() on the AOF file.']);
  });
});

describe('a log that is not whole', () => {
  /** Both servers' verdict on a directory whose last increment ends in `tail`. */
  async function verdicts(tail: string): Promise<{ ours: unknown; theirs: unknown; size: number }> {
    using folder = new Folder();
    writeOurs(folder.path, true);
    const last = folder.join(DIR_NAME, 'appendonly.aof.3.incr.aof');
    appendFileSync(last, tail);
    const server = await redis('--appendonly', 'yes');
    await loadInto(server, folder.path);
    const client = await server.connect();
    const theirs = await client.call('GET', 'k');
    const size = readFileSync(join(server.folder, DIR_NAME, 'appendonly.aof.3.incr.aof')).length;
    const { commands } = loadAll(folder.path);
    const ours = commands?.findLast((words) => words[1] === 'k')?.[2] ?? null;
    expect(readFileSync(last).length).toBe(size);
    expect(checkAof(folder.join(DIR_NAME))).toBeNull();
    return { ours, theirs, size };
  }

  it.each([
    ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n', '1'],
    ['*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n*', '1'],
    [
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n1\r\n*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\n2\r\n',
      '1',
    ],
  ])('is cut back where redis-server cuts it: %j', async (tail, value) => {
    const { ours, theirs } = await verdicts(tail);
    expect([ours, theirs]).toEqual([value, value]);
  });

  it('in the middle is refused by both', () => {
    using folder = new Folder();
    writeOurs(folder.path, true);
    const last = folder.join(DIR_NAME, 'appendonly.aof.2.incr.aof');
    writeFileSync(last, readFileSync(last).subarray(0, -3));
    expect(loadAll(folder.path).log.told.at(-1)).toBe(
      '# Fatal error: the truncated file is not the last file',
    );
    expect(checkAof(folder.join(DIR_NAME))).toMatch(/not the last file|truncated|not valid/i);
  });

  it('with a file missing is refused, and the manifest at fault is told in Redis words', async () => {
    using folder = new Folder();
    writeOurs(folder.path, true);
    rmSync(folder.join(DIR_NAME, 'appendonly.aof.2.incr.aof'));
    expect(loadAll(folder.path).log.told).toEqual([
      '# Unable to obtain the AOF file appendonly.aof.2.incr.aof length. stat: No such file or directory',
    ]);
    writeFileSync(folder.join(DIR_NAME, MANIFEST), 'file a seq 1 type x\n');
    expect(loadAll(folder.path).log.told).toEqual([
      '# \n*** FATAL AOF MANIFEST FILE ERROR ***\n',
      '# Reading the manifest file, at line 1\n',
      "# >>> 'file a seq 1 type x'\n",
      '# Unknown AOF file type\n',
    ]);
  });
});

it('tells the commands behind an RDB preamble, from where they begin', () => {
  using folder = new Folder();
  mkdirSync(folder.join('d'));
  const path = folder.join('old.aof');
  writeFileSync(path, Buffer.concat([EMPTY_RDB, command('SET', 'a', '1')]));
  const bench = new Bench(folder.path);
  const reader = bench.reader(path, 'old.aof', EMPTY_RDB.length);
  expect(reader.open()).toBe(true);
  expect(readCommands(reader)).toEqual({ commands: [['SET', 'a', '1']], end: AofRead.End });
  reader.close();
});
