// Reading append only files: whole ones, each way of being cut off, each way of being damaged.

import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AofRead } from '../../src/persistence/aof-reader.ts';
import { FaultyFiles, faultRule } from '../../src/persistence/faulty-files.ts';
import { systemFiles } from '../../src/persistence/files.ts';
import { Bench, command, Folder, readCommands } from './aof-workbench.ts';

const word = fc.oneof(
  fc.constantFrom('', 'SET', '*1\r\n', '$5\r\n', '\r\n', '#TS:1\r\n', 'a'.repeat(3000)),
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)), maxLength: 30 }),
);
const simple = fc
  .array(word, { minLength: 1, maxLength: 5 })
  .filter(([name]) => !/^(multi|exec)$/i.test(name!));

/** A part of a file: its bytes, and the commands that count once all of it is there. */
interface Part {
  readonly bytes: Buffer;
  readonly commands: string[][];
}

const part: fc.Arbitrary<Part> = fc.oneof(
  { weight: 5, arbitrary: simple.map((words) => ({ bytes: command(...words), commands: [words] })) },
  {
    weight: 2,
    arbitrary: fc.array(simple, { maxLength: 4 }).map((list) => ({
      bytes: Buffer.concat([command('MULTI'), ...list.map((words) => command(...words)), command('exec')]),
      commands: list,
    })),
  },
  { weight: 1, arbitrary: fc.constant<Part>({ bytes: Buffer.from('#TS:1700000000\r\n'), commands: [] }) },
);

const bytesOf = (parts: readonly Part[]): Buffer => Buffer.concat(parts.map(({ bytes }) => bytes));

function read(bytes: Buffer | string, cut = false) {
  using folder = new Folder();
  const path = folder.join('a.aof');
  writeFileSync(path, bytes);
  const bench = new Bench(folder.path);
  const reader = bench.reader(path, 'a.aof');
  expect(reader.open()).toBe(true);
  const { commands, end } = readCommands(reader);
  const settled = end === AofRead.Truncated && cut ? reader.settleTail(true, true) : null;
  reader.close();
  return { commands, end, log: bench.log.lines, reader, settled, left: readFileSync(path) };
}

describe('a file', () => {
  it('gives its commands', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
        const { commands, end } = read(bytesOf(parts));
        expect(end).toBe(AofRead.End);
        expect(commands).toEqual(parts.flatMap((each) => each.commands));
      }),
      { numRuns: 200 },
    );
  });

  it('that is cut anywhere gives what is whole before, and is cut back to that', () => {
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (parts, where) => {
          const bytes = bytesOf(parts);
          const cut = Math.floor(where * bytes.length);
          let whole = 0;
          let length = 0;
          while (whole < parts.length && length + parts[whole]!.bytes.length <= cut)
            length += parts[whole++]!.bytes.length;
          const result = read(bytes.subarray(0, cut), true);
          // An argument with two commands in it that is cut right behind them is taken for damage: refused, not shortened.
          fc.pre(result.end !== AofRead.Bad);
          expect(result.commands).toEqual(parts.slice(0, whole).flatMap((each) => each.commands));
          expect(result.end).toBe(length === cut ? AofRead.End : AofRead.Truncated);
          expect(result.left).toEqual(bytes.subarray(0, length));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('that is cut at every byte of a transaction is cut back to before it', () => {
    const before = command('SET', 'a', '1');
    const unit = Buffer.concat([
      command('MULTI'),
      command('SELECT', '1'),
      command('SET', 'b', '2'),
      command('EXEC'),
    ]);
    const bytes = Buffer.concat([before, unit]);
    for (let cut = before.length + 1; cut < bytes.length; cut++) {
      const result = read(bytes.subarray(0, cut), true);
      expect(result.end).toBe(AofRead.Truncated);
      expect(result.commands).toEqual([['SET', 'a', '1']]);
      expect(result.left).toEqual(before);
      const reverts = result.log.filter((line) =>
        line.startsWith('# Revert incomplete MULTI/EXEC transaction'),
      );
      expect(reverts.length).toBe(cut >= before.length + command('MULTI').length ? 1 : 0);
    }
  });

  it('tells its cut in Redis words', () => {
    const result = read('*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI', true);
    expect(result.log).toEqual([
      '# !!! Warning: short read while loading the AOF file a.aof!!!',
      '# !!! Truncating the AOF a.aof at offset 14 !!!',
      '# AOF a.aof loaded anyway because aof-load-truncated is enabled',
    ]);
    expect(result.settled).toBe(true);
  });

  it('keeps its end where aof-load-truncated is off, and where it is not the last', () => {
    using folder = new Folder();
    const path = folder.join('a.aof');
    for (const [isLast, allowed] of [
      [true, false],
      [false, true],
      [false, false],
    ] as const) {
      writeFileSync(path, '*1\r\n$4\r\nPI');
      const bench = new Bench(folder.path);
      const reader = bench.reader(path, 'a.aof');
      reader.open();
      expect(reader.next()).toBe(AofRead.Truncated);
      expect(reader.settleTail(isLast, allowed)).toBe(false);
      reader.close();
      expect(readFileSync(path).length).toBe(10);
      expect(bench.log.told.at(-1)).toMatch(
        allowed
          ? /^# Fatal error: the truncated file is not the last file$/
          : /^# Unexpected end of file reading the append only file a.aof. You can: 1\) Make/,
      );
    }
  });

  it('has commands longer than the buffer, and many small ones behind', () => {
    const long = 'x'.repeat(5 * 1024 * 1024);
    const small = Array.from({ length: 60_000 }, (_, i) => ['SET', `key:${i}`, 'value']);
    const unit = [['SET', 'l', long], ...small.slice(0, 30_000)];
    const bytes = Buffer.concat([
      command('SET', 'l', long),
      command('MULTI'),
      ...unit.map((words) => command(...words)),
      command('EXEC'),
      ...small.map((words) => command(...words)),
    ]);
    const { commands, end } = read(bytes);
    expect(end).toBe(AofRead.End);
    expect(commands.length).toBe(1 + unit.length + small.length);
    expect(commands[1]![2]!.length).toBe(long.length);
    expect(commands.at(-1)).toEqual(small.at(-1));
  });

  it('may have lines that end in LF alone, an EXEC for nothing, and nothing at all', () => {
    expect(read('*1\n$4\nPING\r\n*1\r\n$4\r\nEXEC\r\n').commands).toEqual([['PING']]);
    expect(read('').end).toBe(AofRead.End);
  });
});

describe('a damaged file', () => {
  const GOOD = '*1\r\n$4\r\nPING\r\n';

  it.each([
    ['garbage', 14],
    ['\0\0\0\0\0\0', 14],
    ['*0\r\n', 14],
    ['*-1\r\n', 15],
    ['*x\r\n', 15],
    ['*1 \r\n', 16],
    ['*1\r\n$-1\r\n', 19],
    ['*1\r\n:4\r\n', 18],
    ['*1\r\n$3\r\nPING\r\n', 25],
    ['*1\r\n$4\r\nPINGxx', 26],
    ['*9999999999999999999999\r\n', 30],
    [`#${'x'.repeat(2000)}\r\n`, 14],
  ])('with %j says where', (damage, at) => {
    const { commands, end, reader, log } = read(GOOD + damage + GOOD);
    expect(end).toBe(AofRead.Bad);
    expect(commands).toEqual([['PING']]);
    expect(reader.badAt).toBe(at);
    expect(log.filter((line) => line[0] === '#')).toEqual([
      '# Bad file format reading the append only file a.aof: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>',
      `# The append only file a.aof is damaged at offset ${at}; all is well before offset 14`,
    ]);
  });

  it('is not cut where a length goes past its end and commands follow', () => {
    const { end, reader } = read(`${GOOD}*1\r\n$9999\r\nPING\r\n${GOOD}`);
    expect(end).toBe(AofRead.Bad);
    expect(reader.badAt).toBe(14);
    expect(read(`${GOOD}*1\r\n$9999\r\nPING\r\n${GOOD}${GOOD}*1`).end).toBe(AofRead.Bad);
    expect(read(`${GOOD}*1\r\n$9999\r\nPING\r\n`).end).toBe(AofRead.Truncated);
  });

  it('in one byte of a header never loses a command unnoticed', () => {
    const words = Array.from({ length: 30 }, (_, i) => ['SET', `k${i}`, 'v'.repeat(i)]);
    const bytes = Buffer.concat(words.map((each) => command(...each)));
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= mask;
        const { commands, end } = read(damaged);
        // Either an argument reads differently, or the file is refused (cut short only in the last command).
        if (end === AofRead.End) expect(commands.length).toBe(words.length);
        else if (end === AofRead.Truncated) expect(commands.length).toBe(words.length - 1);
        else expect(end).toBe(AofRead.Bad);
      }),
      { numRuns: 400 },
    );
  });
});

describe('a disk that fails', () => {
  it('is told', () => {
    using folder = new Folder();
    const path = folder.join('a.aof');
    writeFileSync(path, command('PING'));
    const files = new FaultyFiles(systemFiles);
    const bench = new Bench(folder.path, files);
    files.setRules([faultRule({ call: 'open', error: 'EACCES' })]);
    expect(bench.reader(path, 'a.aof').open()).toBe(false);
    files.setRules([faultRule({ call: 'read', error: 'EIO' })]);
    const reader = bench.reader(path, 'a.aof');
    expect(reader.open()).toBe(true);
    expect(reader.next()).toBe(AofRead.Failed);
    reader.close();
    expect(bench.reader(folder.join('none'), 'none').open()).toBe(false);
    expect(bench.log.told).toEqual([
      "# Fatal error: can't open the append log file a.aof for reading: Permission denied",
      '# Unrecoverable error reading the append only file a.aof: Input/output error',
      "# The append log file none doesn't exist: No such file or directory",
    ]);
  });
});
