// The log under a disk that fails at each of its calls in turn: what is on the disk afterwards always loads, has every
// change that was reported safe, and no change twice or out of order.
//
// Changes are commands that count up; a snapshot is the commands from 0. So a directory must load as 0, 1, 2 ... n.

import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AofState, type AppendOnlyLog } from '../../src/persistence/aof.ts';
import { AofFound } from '../../src/persistence/aof-files.ts';
import { AofRead } from '../../src/persistence/aof-reader.ts';
import { type FaultRule, FaultyFiles, faultRule } from '../../src/persistence/faulty-files.ts';
import {
  type Done,
  type FilePath,
  type Files,
  OpenMode,
  systemFiles,
  writeAll,
} from '../../src/persistence/files.ts';
import { Bench, command, DIR_NAME, FILE_NAME, Folder, loadAll, readCommands } from './aof-workbench.ts';

const change = (n: number): Buffer => command('RPUSH', 'log', String(n));

/** A file system that takes no time for syncs: a server that is killed needs none. */
const unsynced: Files = Object.assign(Object.create(systemFiles) as Files, {
  fsync: () => {},
  fdatasync: () => {},
  fsyncDirectory: () => {},
  fdatasyncLater: (_fd: number, done: Done) => void setImmediate(done, null),
});

/** A disk that renames, and then says it could not; once. */
class RenamesAnyway extends FaultyFiles {
  #left = 1;
  override rename(from: FilePath, to: FilePath): void {
    try {
      super.rename(from, to);
    } catch (error) {
      if (this.#left-- > 0) unsynced.rename(from, to);
      throw error;
    }
  }
}

/** A server's life, as far as its log goes. */
class Life {
  readonly files: FaultyFiles;
  readonly bench: Bench;
  readonly aof: AppendOnlyLog;
  /** Changes made; those reported safe. */
  count = 0;
  safe = 0;

  constructor(directory: string, files: FaultyFiles, rules: readonly FaultRule[]) {
    this.files = files;
    this.files.setRules(rules);
    this.bench = new Bench(directory, this.files);
    this.aof = this.bench.appendOnly({ fsync: 'always' });
  }

  /** @returns whether the server would start */
  start(): boolean {
    const { aof } = this;
    if (!aof.files.load()) return false;
    const plan = aof.files.plan();
    if (plan.found === AofFound.Failed) return false;
    for (const file of plan.files) {
      const reader = this.bench.reader(file.path, file.name);
      if (!reader.open()) return false;
      const { commands, end } = readCommands(reader);
      const settled =
        end === AofRead.End || (end === AofRead.Truncated && reader.settleTail(file.isLast, true));
      reader.close();
      if (!settled) return false;
      this.count += commands.filter(([name]) => name === 'RPUSH').length;
    }
    if (!aof.loaded(plan) || !aof.start(Buffer.alloc(0), false)) return false;
    this.safe = this.count;
    return true;
  }

  put(times: number): void {
    const { writer, state } = this.aof;
    for (let i = 0; i < times; i++) {
      const isUnit = this.count % 3 === 0;
      if (isUnit) writer.beginUnit();
      for (let part = 0; part < (isUnit ? 2 : 1); part++) {
        const bytes = change(this.count++);
        writer.effect(0, bytes, 0, bytes.length);
      }
      if (isUnit) writer.endUnit();
      if (writer.flush(false) && state === AofState.On) this.safe = this.count;
    }
  }

  rewrite(): void {
    const { aof } = this;
    const snapshot = Buffer.concat(Array.from({ length: this.count }, (_, n) => change(n)));
    const isOff = aof.state === AofState.Off;
    if (!aof.beginRewrite()) return;
    const saved = this.count;
    this.put(2);
    try {
      const fd = this.files.open(aof.temporaryBase, OpenMode.WriteEmpty);
      try {
        writeAll(this.files, fd, snapshot, 0);
        this.files.fsync(fd);
      } finally {
        this.files.close(fd);
      }
    } catch {
      aof.failRewrite(false);
      return;
    }
    if (!aof.endRewrite(false)) return;
    if (isOff) this.safe = saved;
    else if (aof.writer.flush(false)) this.safe = this.count;
  }

  giveUpRewrite(): void {
    if (!this.aof.beginRewrite()) return;
    this.put(1);
    this.aof.failRewrite(true);
  }

  /** All of it. */
  live(): void {
    if (!this.start()) return;
    const { aof } = this;
    this.put(3);
    this.rewrite();
    this.put(1);
    this.giveUpRewrite();
    this.put(1);
    this.rewrite();
    aof.disable();
    this.count += 2;
    this.rewrite();
    this.count += 2;
    aof.enable();
    this.rewrite();
    this.put(1);
    if (aof.isRewriteDue) this.rewrite();
    this.rewrite();
    this.put(1);
    aof.stop();
  }
}

function check(directory: string, { count, safe }: { count: number; safe: number }): number {
  const { commands, log } = loadAll(directory);
  if (commands === null) throw new Error(`does not load:\n${log.lines.join('\n')}`);
  const changes = commands.filter(([name]) => name === 'RPUSH').map((words) => Number(words[2]));
  expect(changes).toEqual(changes.map((_, i) => i));
  expect(changes.length).toBeGreaterThanOrEqual(safe);
  expect(changes.length).toBeLessThanOrEqual(count);
  return changes.length;
}

const OLD_CHANGES = 4;

const BEFORE: Readonly<Record<string, (folder: Folder) => void>> = {
  nothing: () => {},
  'a log from before Redis 7': (folder) => {
    writeFileSync(
      folder.join(FILE_NAME),
      Buffer.concat(Array.from({ length: OLD_CHANGES }, (_, n) => change(n))),
    );
  },
  'what a crash has left': (folder) => {
    mkdirSync(folder.join(DIR_NAME));
    for (const name of [
      'appendonly.aof.1.incr.aof',
      'appendonly.aof.1.base.aof',
      'temp-appendonly.aof.incr',
    ]) {
      writeFileSync(folder.join(DIR_NAME, name), change(99));
    }
  },
};

const MODES: Readonly<Record<string, (call: number) => readonly FaultRule[]>> = {
  'one call fails': (skip) => [faultRule({ error: 'EIO', skip, times: 1 })],
  'three calls fail': (skip) => [faultRule({ error: 'ENOSPC', skip, times: 3 })],
  'the server is killed': (skip) => [faultRule({ error: 'EIO', skip })],
  'the disk is full from here on': (skip) => [
    faultRule({ call: 'write', short: 7 }),
    faultRule({ call: 'write', error: 'ENOSPC', skip }),
  ],
};

/** One call that fails is tried at every position, in a new log; otherwise so many, spread over all that there are. */
const POSITIONS_MAX = 70;
/** Calls between two positions at which a server is killed; a rewrite ends with more. */
const KILL_STEP = 5;
/** So many calls after a fault the next rewrite is through. */
const SOON_CALLS = 70;

/** The calls that a life makes in which the rules do no harm. */
function traceOf(before: string, rules: readonly FaultRule[]): readonly string[] {
  using folder = new Folder();
  BEFORE[before]!(folder);
  const life = new Life(folder.path, new FaultyFiles(unsynced), rules);
  life.live();
  return life.files.trace;
}

function callsOf(before: string, rules: readonly FaultRule[], matches: RegExp): number {
  return traceOf(before, rules).filter((line) => matches.test(line)).length;
}

describe.each(Object.keys(BEFORE))('beginning with %s', (before) => {
  const old = before.startsWith('a log') ? OLD_CHANGES : 0;

  it.each(Object.keys(MODES))('loads whenever %s', (mode) => {
    const isWrite = mode.startsWith('the disk is full');
    const harmless = MODES[mode]!(Number.POSITIVE_INFINITY);
    const calls = callsOf(before, harmless, isWrite ? /^write/ : /./);
    expect(calls).toBeGreaterThan(150);
    const isThorough = mode === 'one call fails' && before === 'nothing';
    const step = isThorough ? 1 : Math.ceil(calls / POSITIONS_MAX);
    for (let n = 0; n < calls; n += step) {
      using folder = new Folder();
      BEFORE[before]!(folder);
      const life = new Life(folder.path, new FaultyFiles(unsynced), MODES[mode]!(n));
      life.live();
      const loaded = check(folder.path, { count: Math.max(old, life.count), safe: life.safe });
      // The next life goes on from there, and loses nothing.
      const next = new Life(folder.path, new FaultyFiles(unsynced), []);
      expect(next.start()).toBe(true);
      expect(next.count).toBe(loaded);
      next.put(2);
      next.rewrite();
      next.put(2);
      next.aof.stop();
      expect(check(folder.path, next)).toBe(next.count);
    }
  });

  it('loads whenever a rename is done and not reported', () => {
    const calls = callsOf(before, [], /^rename/);
    expect(calls).toBeGreaterThan(10);
    for (let n = 0; n < calls; n++) {
      using folder = new Folder();
      BEFORE[before]!(folder);
      const rules = [faultRule({ call: 'rename', error: 'EIO', skip: n, times: 1 })];
      const life = new Life(folder.path, new RenamesAnyway(unsynced), rules);
      life.live();
      check(folder.path, { count: Math.max(old, life.count), safe: life.safe });
    }
  });
});

it('loads when a rename is done and not reported, and the server is killed soon', () => {
  const trace = traceOf('nothing', []);
  const renames = trace.flatMap((line, at) => (line.startsWith('rename') ? [at] : []));
  for (const [n, at] of renames.entries()) {
    for (let killed = at + 1; killed < at + SOON_CALLS; killed += KILL_STEP) {
      using folder = new Folder();
      const rules = [
        faultRule({ call: 'rename', error: 'EIO', skip: n, times: 1 }),
        faultRule({ error: 'EIO', skip: killed }),
      ];
      const life = new Life(folder.path, new RenamesAnyway(unsynced), rules);
      life.live();
      check(folder.path, life);
    }
  }
});

it('has every change in the end when nothing fails, and no file that does not count', () => {
  using folder = new Folder();
  const life = new Life(folder.path, new FaultyFiles(unsynced), []);
  life.live();
  expect(check(folder.path, life)).toBe(life.count);
  expect(systemFiles.readdir(folder.join(DIR_NAME)).toSorted()).toEqual([
    'appendonly.aof.6.base.aof',
    'appendonly.aof.6.incr.aof',
    'appendonly.aof.manifest',
  ]);
  expect(systemFiles.readdir(folder.path)).toEqual([DIR_NAME]);
});
