// Words of configuration lines, numbers, patterns of include: by hand and at random.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { DIRECTIVES } from '../../src/config/directives.ts';
import { expandGlob } from '../../src/config/include-glob.ts';
import { loadConfig } from '../../src/config/load.ts';
import {
  formatMemory,
  parseDouble,
  parseInteger,
  parseMemory,
  readInteger,
} from '../../src/config/numbers.ts';
import { fromUtf8, quote, splitArguments, toUtf8, trimLine } from '../../src/config/tokenize.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';

const byteText = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((byte) => String.fromCharCode(byte)),
});

describe('words', () => {
  test('what is quoted splits back into the same words', () => {
    fc.assert(
      fc.property(fc.array(byteText, { minLength: 1 }), (words) => {
        expect(splitArguments(words.map(quote).join(' '))).toEqual(words);
      }),
    );
  });

  test('any text splits, or is unbalanced', () => {
    const odd = fc.string({ unit: fc.constantFrom(...'"\'\\ x30an\t\r\n\v\0'), maxLength: 30 });
    fc.assert(
      fc.property(fc.oneof(odd, byteText), (text) => {
        const words = splitArguments(text);
        expect(words === null || words.every((word) => typeof word === 'string')).toBe(true);
        if (!/["']/.test(text)) expect(words).not.toBeNull();
      }),
    );
  });

  test('UTF-8 and bytes cross over', () => {
    expect(fromUtf8('caf\u00e9')).toBe('caf\xc3\xa9');
    expect(toUtf8('caf\xc3\xa9')).toBe('caf\u00e9');
    expect(trimLine(' \t\r\n a b \v\r\n')).toBe('a b \v');
  });
});

describe('numbers', () => {
  test('every number of bytes reads back from its shortest form', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.integer({ min: 0, max: 40 }),
        (number, shift) => {
          const bytes = BigInt.asUintN(64, (number >> BigInt(shift)) << BigInt(shift));
          expect(parseMemory(formatMemory(bytes))).toBe(bytes);
        },
      ),
    );
  });

  test('only the canonical form of an integer is one', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 65n), max: 1n << 65n }), (number) => {
        const fits = number >= -(1n << 63n) && number < 1n << 63n;
        expect(parseInteger(String(number))).toBe(fits ? number : null);
        expect(readInteger(` +0${number}`, 10).all).toBe(number >= 0n);
      }),
    );
    for (const text of ['', '-', '+1', '01', '-0', ' 1', '1 ', '1n', '0x1'])
      expect(parseInteger(text)).toBeNull();
  });

  test('doubles', () => {
    expect(parseDouble('.5')).toBe(0.5);
    expect(parseDouble('5.')).toBe(5);
    expect(parseDouble('-1e-2')).toBe(-0.01);
    expect(parseDouble('+0x1F')).toBe(31);
    expect(parseDouble('-inf')).toBe(-Infinity);
    for (const text of ['', '.', 'e1', '1e', ' 1', 'nan', '1e999', 'constructor'])
      expect(parseDouble(text)).toBeNull();
  });
});

describe('include patterns', () => {
  test('name files as glob(3) does', () => {
    const folder = makeTemporaryFolder('sabre-test-glob-');
    mkdirSync(join(folder, 'd1'));
    mkdirSync(join(folder, 'd2'));
    for (const name of ['d1/a', 'd1/b', 'd1/.h', 'd2/a', 'd2/]', 'd2/x.y', 'd2/-', 'd2/*']) {
      writeFileSync(join(folder, name), '');
    }
    const found = (pattern: string): string[] =>
      expandGlob(`${folder}/${pattern}`).map((path) => path.slice(folder.length + 1));
    expect(found('*/a')).toEqual(['d1/a', 'd2/a']);
    expect(found('d1/*')).toEqual(['d1/a', 'd1/b']);
    expect(found('d1/.*')).toEqual(expect.arrayContaining(['d1/.h']));
    expect(found('d[2-9]/?')).toEqual(['d2/*', 'd2/-', 'd2/]', 'd2/a']);
    expect(found('d2/[]x]*')).toEqual(['d2/]', 'd2/x.y']);
    expect(found('d2/[!a-z]')).toEqual(['d2/*', 'd2/-', 'd2/]']);
    expect(found('d2/[z-a]')).toEqual([]);
    expect(found('d2/\\*')).toEqual(['d2/*']);
    expect(found('d2/x[.]y')).toEqual(['d2/x.y']);
    expect(found('d2/[x')).toEqual([]);
    expect(found('none/*')).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});

describe('loading', () => {
  const names = DIRECTIVES.map(({ name }) => name).filter((name) => name !== 'logfile' && name !== 'dir');
  const word = fc.oneof(
    byteText,
    fc.constantFrom(
      'yes',
      'no',
      '1',
      '0',
      '-1',
      '1mb',
      '5%',
      '""',
      "'",
      '"',
      'normal',
      'constructor',
      '__proto__',
    ),
  );
  const line = fc
    .tuple(
      fc.oneof(
        fc.constantFrom(...names),
        fc.constantFrom(
          'user',
          'rename-command',
          'loadmodule',
          'a.b',
          'include',
          '#',
          '__proto__',
          'toString',
        ),
        byteText,
      ),
      fc.array(word, { maxLength: 5 }),
    )
    .map(([name, words]) => [name, ...words].join(' '));

  test('any text loads or is refused with a ConfigError', () => {
    const folder = makeTemporaryFolder('sabre-test-fuzz-');
    const configFile = join(folder, 'any.conf');
    let loaded = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), fc.option(byteText), (lines, options) => {
        writeFileSync(configFile, lines.join('\n'), 'latin1');
        try {
          loadConfig({ configFile, fromStdin: false, options, cwd: folder });
          loaded++;
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigError);
          expect((error as ConfigError).report()).toContain('FATAL CONFIG FILE ERROR (Sabre');
        }
      }),
      { numRuns: 1500 },
    );
    expect(loaded).toBeGreaterThan(0);
    rmSync(folder, { recursive: true });
  });

  test('an include of itself is refused', () => {
    const folder = makeTemporaryFolder('sabre-test-include-');
    const configFile = join(folder, 'self.conf');
    writeFileSync(configFile, 'include self.conf\n');
    expect(() => loadConfig({ configFile, fromStdin: false, options: null, cwd: folder })).toThrow(
      'include nested deeper than 64 files',
    );
    rmSync(folder, { recursive: true });
  });

  test('file-only lines reach whoever loads, in order, and a refusal ends the start', () => {
    const folder = makeTemporaryFolder('sabre-test-only-');
    const configFile = join(folder, 'some.conf');
    const text =
      'rename-command GET fetch\nuser a on >x\nrename-command set ""\nloadmodule m.so 1 2\nm.key a b\nm.key c\n';
    writeFileSync(configFile, text);
    const calls: string[] = [];
    const note = (call: string): null => {
      calls.push(call);
      return null;
    };
    const loaded = loadConfig(
      { configFile, fromStdin: false, options: 'cluster-enabled yes', cwd: folder },
      {
        renameCommand: (from, to) => note(`${from}=${to}`),
        defineUser: (words) => note(words.join()),
        log: (level, message) => note(`${level} ${message}`),
      },
    );
    expect(calls).toEqual([
      'GET=fetch',
      'a,on,>x',
      'set=',
      '# WARNING: Changing databases number from 16 to 1 since we are in cluster mode',
    ]);
    expect(loaded.renames).toEqual([
      { from: 'GET', to: 'fetch' },
      { from: 'set', to: '' },
    ]);
    expect(loaded.modules).toEqual([['m.so', '1', '2']]);
    expect(loaded.moduleSettings).toEqual(new Map([['m.key', 'c']]));
    expect(loaded.store.getInt('databases')).toBe(1);
    const refusing = { renameCommand: () => 'No such command in rename-command' };
    expect(() => loadConfig({ configFile, fromStdin: false, options: null, cwd: folder }, refusing)).toThrow(
      'No such command in rename-command',
    );
    rmSync(folder, { recursive: true });
  });
});
