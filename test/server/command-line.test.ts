// The arguments that are not configuration, and what --check-config says. The rest is test/config/load-oracle.test.ts.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER_VERSION } from '../../src/config/version.ts';
import { checkConfig, parseCommandLine } from '../../src/server/command-line.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';

test('version and help', () => {
  for (const flag of ['-v', '--version']) {
    const line = parseCommandLine([flag, 'whatever'], '/');
    expect(line.kind).toBe('version');
    expect((line as { text: string }).text).toMatch(
      /^Sabre server v=\d+\.\d+\.\d+ sha=[0-9a-f]{8}:\d malloc=[a-z0-9.-]+ bits=64 build=[0-9a-f]{16}\n$/,
    );
    expect((line as { text: string }).text).toContain(`v=${SERVER_VERSION} `);
  }
  for (const flag of ['-h', '--help']) {
    const line = parseCommandLine([flag], '/');
    expect(line.kind).toBe('help');
    expect((line as { text: string }).text).toMatch(/^Usage: .*\n(.*\n)*Examples:\n/);
  }
});

test('modes that Sabre does not have are refused by name', () => {
  for (const argv of [
    ['--sentinel'],
    ['a.conf', '--port', '1', '--sentinel'],
    ['--test-memory', '100'],
    ['--check-system'],
  ]) {
    expect(parseCommandLine(argv, '/').kind).toBe('refused');
  }
});

test('where the configuration comes from', () => {
  expect(parseCommandLine([], '/w')).toEqual({
    kind: 'serve',
    source: { configFile: null, fromStdin: false, options: null, cwd: '/w' },
  });
  expect(parseCommandLine(['x.conf', '--port', '1', '-'], '/w')).toEqual({
    kind: 'serve',
    source: { configFile: '/w/x.conf', fromStdin: true, options: 'port "1" ', cwd: '/w' },
  });
  expect(parseCommandLine(['/a/b', '--a b', '--c', '--d', '-', 'e'], '/w')).toEqual({
    kind: 'serve',
    source: { configFile: '/a/b', fromStdin: false, options: 'a b \nc "--d" "-" "e" ', cwd: '/w' },
  });
  expect(parseCommandLine(['--masterauth', '\u00e9'], '/')).toMatchObject({
    source: { options: 'masterauth "\\xc3\\xa9" ' },
  });
});

test('--check-config is no directive, wherever a name may stand', () => {
  for (const argv of [
    ['--check-config', 'x.conf', '--hz', '5'],
    ['x.conf', '--check-config', '--hz', '5'],
    ['x.conf', '--hz', '5', '--check-config'],
  ]) {
    expect(parseCommandLine(argv, '/w')).toEqual({
      kind: 'check-config',
      source: { configFile: '/w/x.conf', fromStdin: false, options: 'hz "5" ', cwd: '/w' },
    });
  }
  expect(parseCommandLine(['--requirepass', '--check-config'], '/')).toMatchObject({ kind: 'serve' });
});

test('--check-config reports', () => {
  const folder = makeTemporaryFolder('sabre-test-check-');
  const configFile = join(folder, 'x.conf');
  const source = { configFile, fromStdin: false, options: null, cwd: folder };
  writeFileSync(configFile, 'hz 20\n');
  expect(checkConfig(source)).toEqual({ good: true, text: 'Configuration OK\n', exitCode: 0 });
  writeFileSync(configFile, 'hz 20\nhz caf\u00e9\n');
  expect(checkConfig(source)).toEqual({
    good: false,
    text:
      `\n*** FATAL CONFIG FILE ERROR (Sabre ${SERVER_VERSION}) ***\nReading the configuration file, at line 2\n` +
      ">>> 'hz caf\xc3\xa9'\nargument couldn't be parsed into an integer\n",
    exitCode: 1,
  });
  rmSync(configFile);
  expect(checkConfig(source)).toMatchObject({
    text: `Fatal error, can't open config file '${configFile}': No such file or directory\n`,
    exitCode: 1,
  });
  rmSync(folder, { recursive: true });
});

test('any arguments are read as something', () => {
  const argument = fc.oneof(
    fc.string(),
    fc.constantFrom('-', '--', '--save', '--port', '--x "', 'f', '--check-config'),
  );
  fc.assert(
    fc.property(fc.array(argument, { maxLength: 8 }), (argv) => {
      expect(['serve', 'check-config', 'version', 'help', 'refused']).toContain(
        parseCommandLine(argv, '/w').kind,
      );
    }),
  );
});
