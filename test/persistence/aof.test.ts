// The log as a whole: on, off, rewriting, and what INFO tells of it.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { AofState, type AppendOnlyLog, aofSettings } from '../../src/persistence/aof.ts';
import { AofRewriteLimit, growthToRewrite } from '../../src/persistence/aof-rewrite-limit.ts';
import { FaultyFiles, faultRule } from '../../src/persistence/faulty-files.ts';
import { OpenMode, systemFiles, writeAll } from '../../src/persistence/files.ts';
import { Bench, command, DIR_NAME, Folder, KeptLog, loadAll } from './aof-workbench.ts';

function put(aof: AppendOnlyLog, ...words: string[]): void {
  const bytes = command(...words);
  aof.writer.effect(0, bytes, 0, bytes.length);
}

function writeBase(aof: AppendOnlyLog, ...commands: Buffer[]): void {
  const fd = systemFiles.open(aof.temporaryBase, OpenMode.WriteEmpty);
  writeAll(systemFiles, fd, Buffer.concat(commands), 0);
  systemFiles.close(fd);
}

function started(bench: Bench): AppendOnlyLog {
  const aof = bench.appendOnly();
  expect(aof.files.load()).toBe(true);
  expect(aof.loaded(aof.files.plan())).toBe(true);
  expect(aof.start(Buffer.alloc(0), false)).toBe(true);
  return aof;
}

describe('a rewrite', () => {
  it('has the log lines, the sizes and the files that Redis has', () => {
    using folder = new Folder();
    const bench = new Bench(folder.path);
    const aof = started(bench);
    expect(aof.info()).toMatchObject({
      enabled: true,
      lastRewriteTimeSec: -1,
      currentRewriteTimeSec: -1,
      rewrites: 0,
    });
    put(aof, 'SET', 'a', '1');
    bench.log.lines.length = 0;
    expect(aof.beginRewrite()).toBe(true);
    expect(() => aof.beginRewrite()).toThrow();
    bench.time += 3000;
    expect(aof.info()).toMatchObject({ rewriteInProgress: true, currentRewriteTimeSec: 3, rewrites: 1 });
    put(aof, 'SET', 'b', '1');
    aof.writer.flush(true);
    const base = command('SET', 'a', '1');
    writeBase(aof, base);
    expect(aof.endRewrite(false)).toBe(true);
    const size = base.length + command('SELECT', '0').length + command('SET', 'b', '1').length;
    expect(aof.info()).toMatchObject({
      rewriteInProgress: false,
      lastRewriteTimeSec: 3,
      currentRewriteTimeSec: -1,
      lastBgrewriteOk: true,
      currentSize: size,
      baseSize: size,
    });
    const temporary = `temp-rewriteaof-bg-${process.pid}.aof`;
    expect(bench.log.told).toEqual([
      '* Creating AOF incr file appendonly.aof.2.incr.aof on background rewrite',
      `* Background append only file rewriting started by pid ${process.pid}`,
      '* Background AOF rewrite terminated with success',
      `* Successfully renamed the temporary AOF base file ${temporary} into appendonly.aof.2.base.aof`,
      '* Background AOF rewrite finished successfully',
      '* Removing the history file appendonly.aof.1.incr.aof in the background',
      '* Removing the history file appendonly.aof.1.base.aof in the background',
    ]);
    // The database is told again behind it.
    put(aof, 'SET', 'c', '1');
    aof.stop();
    expect(loadAll(folder.path).commands?.slice(-2)).toEqual([
      ['SELECT', '0'],
      ['SET', 'c', '1'],
    ]);
  });

  it('keeps history files if told so', () => {
    using folder = new Folder();
    const bench = new Bench(folder.path);
    const aof = started(bench);
    aof.configure({ ...aofSettings(new ConfigStore(null, '/')), disableAutoGc: true });
    aof.beginRewrite();
    writeBase(aof);
    aof.endRewrite(true);
    aof.stop();
    const names = readdirSync(folder.join(DIR_NAME));
    expect(names).toContain('appendonly.aof.1.incr.aof');
    const manifest = readFileSync(folder.join(DIR_NAME, 'appendonly.aof.manifest'), 'utf8');
    expect(manifest).toContain('file appendonly.aof.1.incr.aof seq 1 type h\n');
    // The next server removes them.
    started(new Bench(folder.path)).stop();
    expect(existsSync(folder.join(DIR_NAME, 'appendonly.aof.1.incr.aof'))).toBe(false);
  });

  it('counts its failures, but not when it is given up', () => {
    using folder = new Folder();
    const aof = started(new Bench(folder.path));
    aof.beginRewrite();
    aof.failRewrite(true);
    expect(aof.info()).toMatchObject({ rewritesConsecutiveFailures: 0, lastBgrewriteOk: true });
    for (let i = 0; i < 2; i++) {
      aof.beginRewrite();
      writeBase(aof, command('PING'));
      aof.failRewrite(false);
      expect(existsSync(aof.temporaryBase)).toBe(false);
    }
    expect(aof.info()).toMatchObject({ rewritesConsecutiveFailures: 2, lastBgrewriteOk: false });
    aof.beginRewrite();
    writeBase(aof);
    aof.endRewrite(false);
    expect(aof.info()).toMatchObject({ rewritesConsecutiveFailures: 0, lastBgrewriteOk: true });
    aof.stop();
  });

  it('does not begin while what comes before cannot be written', () => {
    using folder = new Folder();
    const files = new FaultyFiles(systemFiles);
    const aof = started(new Bench(folder.path, files));
    put(aof, 'INCR', 'n');
    files.setRules([faultRule({ call: 'write', error: 'ENOSPC', part: '.incr.aof' })]);
    expect(aof.beginRewrite()).toBe(false);
    expect(aof.info()).toMatchObject({
      lastBgrewriteOk: false,
      rewriteInProgress: false,
      lastWriteOk: false,
    });
    files.setRules([]);
    expect(aof.beginRewrite()).toBe(true);
    writeBase(aof, command('SET', 'n', '1'));
    aof.endRewrite(false);
    aof.stop();
    expect(loadAll(folder.path).commands).toEqual([['SET', 'n', '1']]);
  });
});

describe('switching on and off', () => {
  it('needs a rewrite, and another if that fails', () => {
    using folder = new Folder();
    const bench = new Bench(folder.path);
    const aof = bench.appendOnly();
    aof.files.load();
    put(aof, 'SET', 'lost', '1');
    aof.enable();
    expect([aof.state, aof.isRewriteDue, aof.info().enabled]).toEqual([AofState.Waiting, true, true]);
    put(aof, 'SET', 'lost', '2');
    aof.beginRewrite();
    put(aof, 'SET', 'lost', '3');
    aof.writer.flush(true);
    expect(readdirSync(folder.join(DIR_NAME))).toEqual(['temp-appendonly.aof.incr']);
    aof.failRewrite(false);
    expect([aof.isRewriteDue, readdirSync(folder.join(DIR_NAME)).length]).toEqual([true, 0]);
    aof.beginRewrite();
    put(aof, 'SET', 'kept', '1');
    writeBase(aof, command('SET', 'lost', '3'));
    expect(aof.endRewrite(false)).toBe(true);
    expect([aof.state, aof.isRewriteDue]).toEqual([AofState.On, false]);
    put(aof, 'SET', 'kept', '2');
    aof.disable();
    put(aof, 'SET', 'lost', '4');
    expect(loadAll(folder.path).commands).toEqual([
      ['SET', 'lost', '3'],
      ['SELECT', '0'],
      ['SET', 'kept', '1'],
      ['SELECT', '0'],
      ['SET', 'kept', '2'],
    ]);
  });

  it('forgets what could not be written while there was no base', () => {
    using folder = new Folder();
    const files = new FaultyFiles(systemFiles);
    const bench = new Bench(folder.path, files);
    const aof = bench.appendOnly();
    aof.files.load();
    aof.enable();
    aof.beginRewrite();
    files.setRules([faultRule({ call: 'write', error: 'ENOSPC' })]);
    put(aof, 'SET', 'lost', '1');
    expect([aof.writer.flush(false), aof.writer.isWell]).toEqual([false, false]);
    aof.failRewrite(false);
    files.setRules([]);
    aof.beginRewrite();
    // Nobody can write while it is not well: nothing would ever make it well again.
    expect(aof.writer.isWell).toBe(true);
  });

  it('knows the files of an earlier time, though the server has not read them', () => {
    using folder = new Folder();
    const before = started(new Bench(folder.path));
    put(before, 'SET', 'a', '1');
    before.disable();
    for (const on of [true, false]) {
      const aof = new Bench(folder.path).appendOnly();
      if (on) aof.enable();
      expect(aof.beginRewrite()).toBe(true);
      writeBase(aof, command('SET', 'b', '1'));
      expect(loadAll(folder.path).commands?.length).toBe(on ? 2 : 1);
      expect(aof.endRewrite(false)).toBe(true);
      if (on) aof.disable();
      expect(loadAll(folder.path).commands).toEqual([['SET', 'b', '1']]);
    }
    expect(readdirSync(folder.join(DIR_NAME)).toSorted()).toEqual([
      'appendonly.aof.3.base.aof',
      'appendonly.aof.manifest',
    ]);
  });

  it('forgets errors of the time before', () => {
    using folder = new Folder();
    const files = new FaultyFiles(systemFiles);
    const bench = new Bench(folder.path, files);
    const aof = started(bench);
    put(aof, 'SET', 'a', '1');
    files.setRules([faultRule({ call: 'write', error: 'EIO' })]);
    aof.writer.flush(true);
    aof.disable();
    expect(aof.info().lastWriteOk).toBe(false);
    files.setRules([]);
    aof.enable();
    expect(aof.info()).toMatchObject({ lastWriteOk: true, lastWriteError: '' });
    expect(bench.log.told.at(-1)).toBe('# AOF reopen, just ignore the last error.');
  });
});

describe('rewriting by itself', () => {
  it('begins when the log has grown enough', () => {
    expect(growthToRewrite(200, 100, 100, 64)).toBe(100);
    expect(growthToRewrite(199, 100, 100, 64)).toBe(-1);
    expect(growthToRewrite(200, 100, 0, 64)).toBe(-1);
    expect(growthToRewrite(64, 1, 100, 64)).toBe(-1);
    expect(growthToRewrite(65, 0, 100, 64)).toBe(6400);
  });

  it('asks the log', () => {
    using folder = new Folder();
    const bench = new Bench(folder.path);
    const aof = started(bench);
    aof.configure({ ...aofSettings(new ConfigStore(null, '/')), rewriteMinSize: 10 });
    expect(aof.hasOutgrown()).toBe(false);
    put(aof, 'SET', 'a', '1');
    aof.writer.flush(true);
    expect(aof.hasOutgrown()).toBe(true);
    expect(bench.log.told.at(-1)).toBe(
      `* Starting automatic rewriting of AOF on ${aof.currentSize * 100 - 100}% growth`,
    );
    aof.limit.failures = 3;
    expect(aof.hasOutgrown()).toBe(false);
    aof.stop();
  });

  it('waits longer after each failure, an hour at most', () => {
    const log = new KeptLog();
    const limit = new AofRewriteLimit(log);
    let now = 1_700_000_000_000;
    limit.failures = 2;
    expect(limit.isLimited(now)).toBe(false);
    limit.failures = 3;
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      expect(limit.isLimited(now)).toBe(true);
      expect(log.lines.at(-1)).toBe(
        `# Background AOF rewrite has repeatedly failed and triggered the limit, will retry in ${minutes} minutes`,
      );
      now += minutes * 60_000 - 1;
      expect(limit.isLimited(now)).toBe(true);
      now += 1;
      expect(limit.isLimited(now)).toBe(false);
    }
    limit.failures = 0;
    expect(limit.isLimited(now)).toBe(false);
    limit.failures = 3;
    expect(limit.isLimited(now)).toBe(true);
    expect(log.lines.at(-1)).toContain('in 1 minutes');
  });
});
