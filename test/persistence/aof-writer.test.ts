// Writing the log: what stands in the file, when it is synced, and what a disk that fails leaves.

import { openSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AofRead } from '../../src/persistence/aof-reader.ts';
import { AofWriter } from '../../src/persistence/aof-writer.ts';
import { FaultyFiles, faultRule } from '../../src/persistence/faulty-files.ts';
import { type Done, OpenMode, systemFiles } from '../../src/persistence/files.ts';
import { Bench, command, Folder, readCommands } from './aof-workbench.ts';

/** A file system whose syncs in the background end when the test says so. */
class HeldSyncs extends FaultyFiles {
  readonly held: Done[] = [];
  override fdatasyncLater(_fd: number, done: Done): void {
    this.held.push(done);
  }
}

class Desk {
  readonly folder = new Folder();
  readonly path = this.folder.join('a.aof');
  readonly files = new HeldSyncs(systemFiles);
  readonly bench = new Bench(this.folder.path, this.files);
  readonly writer = new AofWriter(this.bench.options);

  constructor() {
    this.writer.open(this.files.open(this.path, OpenMode.WriteEmpty), 0);
  }

  put(db: number, ...words: string[]): void {
    const bytes = command(...words);
    this.writer.effect(db, bytes, 0, bytes.length);
  }

  get text(): string {
    return readFileSync(this.path, 'latin1');
  }

  get commands(): string[][] {
    return this.read().commands;
  }

  /** The commands of the file, and whether it ends with a whole one. */
  read(): { commands: string[][]; end: AofRead } {
    const reader = new Bench(this.folder.path).reader(this.path, 'a.aof');
    reader.open();
    const result = readCommands(reader);
    reader.close();
    return result;
  }

  get syncs(): number {
    return this.files.trace.filter((line) => line.startsWith('fdatasync')).length;
  }

  [Symbol.dispose](): void {
    this.files.setRules([]);
    this.writer.close();
    this.folder[Symbol.dispose]();
  }
}

const text = (...commands: string[][]): string =>
  commands.map((words) => command(...words).toString('latin1')).join('');

describe('what is written', () => {
  it('selects a database when it changes, and in every new file', () => {
    using desk = new Desk();
    desk.put(0, 'SET', 'a', '1');
    desk.put(0, 'SET', 'b', '2');
    desk.put(11, 'SET', 'c', '3');
    desk.put(-1, 'FUNCTION', 'FLUSH');
    desk.put(11, 'SET', 'd', '4');
    desk.writer.flush(false);
    const first = [
      ['SELECT', '0'],
      ['SET', 'a', '1'],
      ['SET', 'b', '2'],
      ['SELECT', '11'],
      ['SET', 'c', '3'],
    ];
    expect(desk.text).toBe(text(...first, ['FUNCTION', 'FLUSH'], ['SET', 'd', '4']));
    const other = desk.folder.join('b.aof');
    desk.writer.open(openSync(other, 'w'), 0);
    desk.put(11, 'SET', 'e', '5');
    desk.writer.flush(false);
    expect(readFileSync(other, 'latin1')).toBe(text(['SELECT', '11'], ['SET', 'e', '5']));
  });

  it('has the database of a unit inside of it', () => {
    using desk = new Desk();
    desk.writer.beginUnit();
    desk.put(0, 'SET', 'a', '1');
    desk.put(3, 'SET', 'b', '2');
    desk.writer.endUnit();
    desk.put(3, 'SET', 'c', '3');
    desk.writer.flush(false);
    expect(desk.text).toBe(
      text(
        ['MULTI'],
        ['SELECT', '0'],
        ['SET', 'a', '1'],
        ['SELECT', '3'],
        ['SET', 'b', '2'],
        ['EXEC'],
        ['SET', 'c', '3'],
      ),
    );
  });

  it('is annotated when the second has changed', () => {
    using desk = new Desk();
    desk.writer.timestamps = true;
    desk.put(0, 'SET', 'a', '1');
    desk.bench.time += 999;
    desk.put(0, 'SET', 'b', '1');
    desk.bench.time += 1;
    desk.writer.beginUnit();
    desk.put(1, 'SET', 'c', '1');
    desk.writer.endUnit();
    desk.writer.flush(false);
    const [a, b] = [
      text(['SELECT', '0'], ['SET', 'a', '1'], ['SET', 'b', '1']),
      text(['MULTI'], ['SELECT', '1'], ['SET', 'c', '1'], ['EXEC']),
    ];
    expect(desk.text).toBe(`#TS:1700000000\r\n${a}#TS:1700000001\r\n${b}`);
  });

  it('counts, and forgets what has no file', () => {
    using desk = new Desk();
    desk.put(0, 'SET', 'a', '1');
    const bytes = desk.writer.bufferLength;
    expect(bytes).toBe(command('SELECT', '0').length + command('SET', 'a', '1').length);
    desk.writer.flush(false);
    expect([desk.writer.bufferLength, desk.writer.fileSize, desk.writer.appendedTotal]).toEqual([
      0,
      bytes,
      bytes,
    ]);
    desk.writer.close();
    desk.put(0, 'SET', 'b', '1');
    expect([desk.writer.bufferLength, desk.writer.fileSize, desk.writer.isOpen]).toEqual([0, 0, false]);
    expect(desk.writer.flush(true)).toBe(true);
  });
});

describe('appendfsync', () => {
  it('always syncs each flush that has something, and only then', () => {
    using desk = new Desk();
    desk.writer.fsync = 'always';
    expect(desk.writer.flush(false)).toBe(true);
    expect(desk.syncs).toBe(0);
    desk.put(0, 'SET', 'a', '1');
    desk.put(0, 'SET', 'b', '1');
    expect(desk.writer.flush(false)).toBe(true);
    expect(desk.writer.flush(false)).toBe(true);
    expect(desk.syncs).toBe(1);
    expect(desk.writer.syncedTotal).toBe(desk.writer.appendedTotal);
    expect(desk.bench.events).toEqual(['aof-write-alone', 'aof-write', 'aof-fsync-always']);
  });

  it('no never syncs', () => {
    using desk = new Desk();
    desk.writer.fsync = 'no';
    desk.put(0, 'SET', 'a', '1');
    desk.bench.time += 10_000;
    expect(desk.writer.flush(false)).toBe(true);
    expect([desk.syncs, desk.files.held.length]).toEqual([0, 0]);
  });

  it('everysec syncs in the background after a second, also what came before nothing', () => {
    using desk = new Desk();
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    desk.bench.time += 999;
    desk.writer.flush(false);
    expect(desk.files.held.length).toBe(0);
    desk.bench.time += 1;
    desk.writer.flush(false);
    expect([desk.files.held.length, desk.writer.pendingFsyncs, desk.writer.syncedTotal]).toEqual([1, 1, 0]);
    desk.files.held.shift()!(null);
    expect([desk.writer.pendingFsyncs, desk.writer.syncedTotal]).toEqual([0, desk.writer.fileSize]);
    desk.bench.time += 5000;
    desk.writer.flush(false);
    expect(desk.files.held.length).toBe(0);
  });

  it('everysec lets writes wait two seconds for a sync, and no longer', () => {
    using desk = new Desk();
    desk.bench.time += 1000;
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    expect(desk.files.held.length).toBe(1);
    desk.put(0, 'SET', 'b', '1');
    expect(desk.writer.flush(false)).toBe(false);
    desk.bench.time += 1999;
    expect(desk.writer.flush(false)).toBe(false);
    expect(desk.commands.length).toBe(2);
    desk.bench.time += 1;
    expect(desk.writer.flush(false)).toBe(true);
    expect(desk.commands.length).toBe(3);
    expect(desk.writer.delayedFsyncs).toBe(1);
    expect(desk.bench.events.slice(2)).toEqual(['aof-write-pending-fsync', 'aof-write']);
    expect(desk.bench.log.told).toEqual([
      '* Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to complete, this may slow down Redis.',
    ]);
    desk.put(0, 'SET', 'c', '1');
    expect(desk.writer.flush(false)).toBe(false);
    desk.files.held.shift()!(null);
    expect(desk.commands.length).toBe(4);
  });

  it('cuts units that would be too long to load', () => {
    using folder = new Folder();
    const writer = new AofWriter(new Bench(folder.path).options, 100);
    const path = folder.join('a.aof');
    writer.open(systemFiles.open(path, OpenMode.WriteEmpty), 0);
    writer.beginUnit();
    for (const length of [200, 10, 10, 40]) {
      const bytes = command('SET', 'key', 'x'.repeat(length));
      writer.effect(0, bytes, 0, bytes.length);
    }
    writer.endUnit();
    writer.flush(true);
    writer.close();
    const names = readFileSync(path, 'latin1').match(/MULTI|EXEC|SET/g);
    expect(names?.join(' ')).toBe('MULTI SET EXEC MULTI SET SET EXEC MULTI SET EXEC');
  });

  it('syncs ahead in the background what is not on the disk, and tells when that has ended, well or not', () => {
    using desk = new Desk();
    const ended: number[] = [];
    desk.writer.syncAhead(() => ended.push(0));
    expect([ended, desk.files.held.length]).toEqual([[0], 0]);
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    desk.writer.syncAhead(() => ended.push(1));
    desk.writer.syncAhead(() => ended.push(2));
    expect([ended, desk.files.held.length]).toEqual([[0], 2]);
    desk.files.held.shift()!(null);
    desk.files.held.shift()!(new Error('EIO'));
    expect([ended, desk.writer.isWell]).toEqual([[0, 1, 2], false]);
  });

  it('waits for no sync where it is forced', () => {
    using desk = new Desk();
    desk.bench.time += 1000;
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    desk.put(0, 'SET', 'b', '1');
    expect(desk.writer.flush(true)).toBe(true);
    expect(desk.commands.length).toBe(3);
  });

  it.each(['always', 'everysec'] as const)(
    '%s leaves syncs to later during a rewrite, if told so',
    (fsync) => {
      using desk = new Desk();
      desk.writer.fsync = fsync;
      desk.writer.noFsyncOnRewrite = true;
      desk.writer.snapshotRuns = true;
      desk.bench.time += 3000;
      desk.put(0, 'SET', 'a', '1');
      expect(desk.writer.flush(false)).toBe(true);
      expect([desk.syncs, desk.files.held.length, desk.writer.bufferLength]).toEqual([0, 0, 0]);
      expect(desk.bench.events).toEqual(['aof-write-active-child', 'aof-write']);
      desk.writer.snapshotRuns = false;
      desk.writer.flush(false);
      expect(desk.syncs + desk.files.held.length).toBe(1);
    },
  );

  it('closes a file only when no sync runs on it any more', () => {
    using desk = new Desk();
    desk.bench.time += 1000;
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    desk.writer.open(desk.files.open(desk.folder.join('b'), OpenMode.WriteEmpty), 0);
    const closed = (): string[] => desk.files.trace.filter((line) => line.startsWith('close'));
    expect(closed()).toEqual([]);
    desk.files.held.shift()!(null);
    expect(closed()).toEqual([`close ${desk.path}`]);
  });
});

describe('a disk that fails', () => {
  it('keeps what was not written, says so every 30 seconds, and goes on', () => {
    using desk = new Desk();
    desk.files.setRules([faultRule({ call: 'write', error: 'ENOSPC' })]);
    desk.put(0, 'SET', 'a', '1');
    expect(desk.writer.flush(false)).toBe(false);
    expect([desk.writer.isWell, desk.writer.lastError]).toEqual([false, 'No space left on device']);
    desk.put(0, 'SET', 'b', '1');
    desk.writer.flush(false);
    desk.bench.time += 30_001;
    desk.writer.flush(false);
    desk.files.setRules([]);
    expect(desk.writer.flush(false)).toBe(true);
    expect([desk.writer.isWell, desk.writer.lastError]).toEqual([true, '']);
    expect(desk.commands).toEqual([
      ['SELECT', '0'],
      ['SET', 'a', '1'],
      ['SET', 'b', '1'],
    ]);
    expect(desk.bench.log.told).toEqual([
      '# Error writing to the AOF file: No space left on device',
      '# Error writing to the AOF file: No space left on device',
      '# AOF write error looks solved, Redis can write again.',
    ]);
  });

  it.each(['always', 'everysec', 'no'] as const)('%s cuts back what was written by halves', (fsync) => {
    using desk = new Desk();
    desk.writer.fsync = fsync;
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    const before = desk.text;
    const bytes = command('SET', 'b', '1').length;
    desk.files.setRules([
      faultRule({ call: 'write', short: 5, times: 1 }),
      faultRule({ call: 'write', error: 'ENOSPC', skip: 1 }),
    ]);
    desk.put(0, 'SET', 'b', '1');
    expect(desk.writer.flush(false)).toBe(false);
    expect(desk.text).toBe(before);
    desk.files.setRules([]);
    expect(desk.writer.flush(false)).toBe(true);
    expect(desk.text).toBe(before + text(['SET', 'b', '1']));
    expect(desk.bench.log.told[0]).toBe(
      `# Short write while writing to the AOF file: (nwritten=5, expected=${bytes})`,
    );
  });

  it('covers what it could not cut back', () => {
    using desk = new Desk();
    desk.files.setRules([
      faultRule({ call: 'write', short: 5, times: 1 }),
      faultRule({ call: 'write', error: 'EIO', skip: 1 }),
      faultRule({ call: 'truncate', error: 'EIO' }),
    ]);
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    expect(desk.text.length).toBe(5);
    desk.files.setRules([]);
    desk.writer.flush(false);
    expect(desk.text).toBe(text(['SELECT', '0'], ['SET', 'a', '1']));
    expect(desk.bench.log.told[1]).toBe(
      '# Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time it starts.  ftruncate: Input/output error',
    );
  });

  it('under always writes again what could not be synced', () => {
    using desk = new Desk();
    desk.writer.fsync = 'always';
    desk.files.setRules([faultRule({ call: 'fdatasync', error: 'EIO' })]);
    desk.put(0, 'SET', 'a', '1');
    expect(desk.writer.flush(false)).toBe(false);
    expect([desk.writer.isWell, desk.writer.syncedTotal]).toEqual([false, 0]);
    const writes = (): number => desk.files.trace.filter((line) => line.startsWith('write')).length;
    expect(writes()).toBe(1);
    desk.files.setRules([]);
    expect(desk.writer.flush(false)).toBe(true);
    expect([desk.writer.isWell, writes()]).toEqual([true, 2]);
    expect(desk.text).toBe(text(['SELECT', '0'], ['SET', 'a', '1']));
    expect(desk.bench.log.told).toEqual([
      "# Can't persist AOF for fsync error when the AOF fsync policy is 'always': Input/output error. No reply is sent until it can.",
      '# AOF fsync error looks solved, Redis can write again.',
    ]);
  });

  it('under everysec tells of a failed sync, and syncs again', () => {
    using desk = new Desk();
    desk.bench.time += 1000;
    desk.put(0, 'SET', 'a', '1');
    desk.writer.flush(false);
    desk.files.held.shift()!(Object.assign(new Error('x'), { code: 'EIO' }));
    expect([desk.writer.isWell, desk.writer.lastError]).toEqual([false, 'Input/output error']);
    expect(desk.bench.log.told).toEqual(['# Fail to fsync the AOF file: Input/output error']);
    desk.bench.time += 1000;
    desk.writer.flush(false);
    desk.files.held.shift()!(null);
    expect([desk.writer.isWell, desk.writer.lastError]).toEqual([true, '']);
    expect(desk.writer.syncedTotal).toBe(desk.writer.appendedTotal);
  });

  it('recovers from a sync that failed when nothing was due, though nothing is written meanwhile', () => {
    using desk = new Desk();
    desk.put(0, 'SET', 'a', '1');
    desk.bench.time += 1000;
    expect(desk.writer.flush(false)).toBe(true);
    desk.files.held.shift()!(null);
    desk.files.setRules([faultRule({ call: 'fdatasync', error: 'EIO', times: 1 })]);
    expect(desk.writer.sync()).toBe(false);
    expect(desk.writer.isWell).toBe(false);
    desk.bench.time += 1000;
    desk.writer.flush(false);
    desk.files.held.shift()!(null);
    expect(desk.writer.isWell).toBe(true);
  });

  it('recovers from a sync that failed on the file before, though nothing is written meanwhile', () => {
    using desk = new Desk();
    desk.put(0, 'SET', 'a', '1');
    desk.bench.time += 1000;
    desk.writer.flush(false);
    desk.writer.open(desk.files.open(desk.folder.join('b.aof'), OpenMode.WriteEmpty), 0);
    desk.files.held.shift()!(Object.assign(new Error('EIO'), { code: 'EIO', errno: -5 }));
    expect(desk.writer.isWell).toBe(false);
    desk.bench.time += 1000;
    desk.writer.flush(false);
    desk.files.held.shift()!(null);
    expect(desk.writer.isWell).toBe(true);
  });

  it('leaves whole units in order, whatever fails, and all of them in the end', () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant('put' as const),
          size: fc.oneof(fc.nat(50), fc.nat(400_000)),
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          do: fc.constant('unit' as const),
          size: fc.oneof(fc.nat(50), fc.nat(200_000)),
        }),
      },
      { weight: 4, arbitrary: fc.record({ do: fc.constant('flush' as const), size: fc.constant(0) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('break' as const), size: fc.nat(300_000) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('mend' as const), size: fc.constant(0) }) },
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 25 }),
        fc.constantFrom('always', 'everysec', 'no'),
        fc.boolean(),
        (steps, fsync, cuts) => {
          using desk = new Desk();
          desk.writer.fsync = fsync;
          let count = 0;
          let safe = 0;
          for (const { do: what, size } of steps) {
            const put = (): void => desk.put(count % 2, 'SET', String(count++), 'x'.repeat(size));
            if (what === 'put') put();
            if (what === 'unit') {
              desk.writer.beginUnit();
              put();
              put();
              desk.writer.endUnit();
            }
            if (what === 'break') {
              desk.files.setRules([
                faultRule({ call: 'write', short: size, times: 2 }),
                faultRule({ call: 'write', error: 'ENOSPC', skip: 2 }),
                faultRule({ call: 'fdatasync', error: 'EIO' }),
                ...(cuts ? [] : [faultRule({ call: 'truncate', error: 'EIO' })]),
              ]);
            }
            if (what === 'mend') desk.files.setRules([]);
            if (what !== 'flush') continue;
            if (desk.writer.flush(true)) safe = count;
            const { commands, end } = desk.read();
            if (cuts) expect(end).toBe(AofRead.End);
            const names = commands.filter(([name]) => name === 'SET').map(([, key]) => Number(key));
            expect(names).toEqual(names.map((_, i) => i));
            expect(names.length).toBeGreaterThanOrEqual(safe);
          }
          desk.files.setRules([]);
          desk.writer.flush(true);
          expect(desk.writer.flush(true)).toBe(true);
          expect(desk.commands.filter(([name]) => name === 'SET').length).toBe(count);
        },
      ),
      { numRuns: 60 },
    );
  });
});
