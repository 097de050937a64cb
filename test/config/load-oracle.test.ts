// What configurations and arguments redis-server refuses, and in which words; and what it makes of those it takes.

import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/config-error.ts';
import { configGet } from '../../src/config/get.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SERVER_VERSION } from '../../src/config/version.ts';
import { parseCommandLine } from '../../src/server/command-line.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import { redisExecutable, redisVersion } from '../support/redis-server.ts';
import { ServerProcess } from '../support/server-process.ts';

let folder: string;

beforeAll(() => {
  redisVersion();
  folder = makeTemporaryFolder('sabre-test-load-');
  mkdirSync(join(folder, 'conf.d'));
  mkdirSync(join(folder, 'sub'));
  writeFileSync(join(folder, 'good.conf'), 'hz 20\n');
  writeFileSync(join(folder, 'bad.conf'), '# c\nhz 20\n\tnope  1 \n');
  writeFileSync(join(folder, 'conf.d', 'a.conf'), 'hz 21\n');
  writeFileSync(join(folder, 'conf.d', 'b.conf'), 'hz 22\nbad-b 1\n');
  writeFileSync(join(folder, 'conf.d', '.hidden.conf'), 'hidden 1\n');
  writeFileSync(join(folder, 'sub', 'inner.conf'), 'inner 1\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A refusal, with what differs between two servers of different names taken out. */
function refusalOfRedis(argv: readonly string[], stdin = ''): string {
  const result = spawnSync(redisExecutable(), argv, {
    cwd: folder,
    input: stdin,
    encoding: 'latin1',
    timeout: 5000,
  });
  expect(result.status).toBe(1);
  const log = result.stdout.split('\n').filter((line) => line.includes('Fatal error'));
  const report = result.stderr.replace(/\(Redis [0-9.]+\)/, '(server)');
  return report + log.map((line) => line.replace(/^.* # /, '')).join('\n');
}

function refusalOfSabre(argv: readonly string[], stdin = ''): string {
  const line = parseCommandLine(argv, folder);
  if (line.kind !== 'serve') throw new Error(`read as ${line.kind}`);
  try {
    // Standard input is this process's own: what Redis reads from it is put in as a file.
    const { configFile, options, fromStdin } = line.source;
    if (fromStdin && configFile !== null) throw new Error('not in these tests');
    const piped = join(folder, 'stdin');
    if (fromStdin) writeFileSync(piped, stdin, 'latin1');
    loadConfig({ configFile: fromStdin ? piped : configFile, fromStdin: false, options, cwd: folder });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    if (error.kind === 'file') return error.message;
    return error.report().replace(`(Sabre ${SERVER_VERSION})`, '(server)');
  }
  throw new Error('not refused');
}

const BAD_ARGUMENTS: readonly string[][] = [
  ['--foo'],
  ['--port'],
  ['--port', 'abc'],
  ['--port 99999'],
  ['--port', '1', '2'],
  ['--port', '1', '--bogus', 'x', 'y'],
  ['--port', '"'],
  ['--port', '--hz', '3'],
  ['--port', '1', 'x', '--hz', '--nope'],
  ['--masterauth', '--hz', '--hz', 'a'],
  ['--save', '--hz', 'a'],
  ['--save', '3', '-', '4'],
  ['--save', '1 2 3'],
  ['--save', '1', '2', '--save', '3'],
  ['--SAVE', '--port', 'x'],
  ['--save "1 2" "3 4" 5'],
  ['--bind', 'a b', 'c', '--', 'x'],
  ['--', '--hz', 'a'],
  ['--hz', 'caf\u00e9\u0001\n"\\'],
  ['--hz "unbalanced', '--x'],
  ['--hz 10 11', '--port 1'],
  ['good.conf', '--nope'],
  ['good.conf', 'x'],
  ['bad.conf', '--hz', '3'],
  ['missing.conf'],
  ['sub/missing.conf'],
  ['-x', '1'],
  ['x.conf', '--hz'],
  ['--oom-score-adj-values', '1 2'],
  ['--client-output-buffer-limit', 'normal 1 2'],
  ['--replicaof', 'h'],
  ['--replicaof', 'h', '65536'],
  ['--replicaof', 'h 1', '--cluster-enabled', 'yes'],
  ['--logfile', 'no/such/dir/log'],
  ['--logfile', 'sub'],
  ['--dir', 'missing'],
  ['--dir', 'good.conf'],
  ['--dir', ''],
  ['--unixsocketperm', '1000'],
  ['--unixsocketperm', '9'],
  ['--syslog-facility', 'kern'],
  ['--databases', '0'],
  ['--tcp-backlog', '-1'],
  ['--shutdown-on-sigint', 'save', 'nosave'],
  ['--shutdown-on-sigint', 'what now'],
  ['--bind', ...Array.from({ length: 17 }, (_, i) => `a${i}`)],
  ['--appendfilename', ''],
  ['--appendfilename', 'a/b'],
  ['--appenddirname', ''],
  ['--appenddirname', 'a\\b'],
  ['--include', 'bad.conf'],
  ['--include', 'none.conf'],
  ['--sentinel monitor', '--hz', 'x'],
];

const BAD_FILES: readonly string[] = [
  'port 1\n  save "a  \nfoo',
  "hz 'a'b\n",
  'hz "\\x3"\n',
  'hz "\\x31\\x30\\q" \r\n',
  'PORT 1 2\r\n',
  '\n\n  \t\nhz\n',
  'foo.bar\n',
  'sentinel x\n',
  'rename-command x\n',
  'user\n',
  'loadmodule\n',
  'include\n',
  'include a b\n',
  'include missing.conf\n',
  'include conf.d/*.conf\n',
  'include conf.d/[b].conf\n',
  'include conf.d/?.conf\n',
  'include conf.d/none*\nhz x\n',
  'include "conf.d/*"\n',
  'include c*.d/b.con[f-g]\n',
  'hz 20\ninclude bad.conf\n',
  'dir sub\ninclude inner.conf\n',
  'dir sub\ninclude good.conf\n',
  'list-max-ziplist-entries 1\nlist-max-ziplist-value 1 2\n',
  'lua-replicate-commands\n',
  'slaveof a b\n',
  'maxmemory 1tb\n',
  'maxmemory-policy lru\n',
  'appendonly maybe\n',
  'cluster-enabled yes\nreplicaof a 1\n',
  'logfile /nonexistent/a\n',
  'hz 1\0 2\nport x\n3 4\n',
  `hz ${'x'.repeat(1500)}\0\n5\nport x\n`,
  'save 1 2\nsave "3"\n',
  'save 1 2 ""\n',
  'latency-tracking-info-percentiles 101\n',
  'notify-keyspace-events q\n',
  'proc-title-template {x}\n',
  'proc-title-template {config-file}\nproc-title-template {unixsocket}\n',
  'cluster-announce-hostname a_b\n',
  'hz\v10\nport x\n',
  '\v#x\n',
  'hz 10 # comment\n',
  '"hz" 10\n"h"z 10\n',
  '"" 10\n',
  'hz ""\n',
];

describe('refused arguments', () => {
  test.each(BAD_ARGUMENTS)('%j', (...argv) => {
    const words = argv as string[];
    if (words[0] === '--sentinel monitor') {
      expect(refusalOfSabre(words)).toContain('sentinel directive while not in sentinel mode');
      return;
    }
    expect(refusalOfSabre(words)).toBe(refusalOfRedis(words));
  });
});

describe('refused files', () => {
  test.each(BAD_FILES)('%j', (text) => {
    writeFileSync(join(folder, 'tried.conf'), text, 'latin1');
    expect(refusalOfSabre(['tried.conf'])).toBe(refusalOfRedis(['tried.conf']));
  });
});

describe('standard input', () => {
  test.each([[['-']], [['-', '--hz', '3']], [['--hz', '3', '-']], [['--save', '1', '-', '-']]])(
    '%j',
    (argv) => {
      const stdin = 'hz 10\nnope 1\n';
      expect(refusalOfSabre(argv, stdin)).toBe(refusalOfRedis(argv, stdin));
    },
  );
});

describe('taken', () => {
  /** Compared after a start; what the test's own arguments set is left out. */
  const SHOWN = [
    'hz',
    'save',
    'maxmemory',
    'masterauth',
    'client-output-buffer-limit',
    'shutdown-on-sigterm',
    'logfile',
  ];
  const SHOWN_MORE = [
    'latency-tracking-info-percentiles',
    'oom-score-adj-values',
    'unixsocketperm',
    'loglevel',
  ];

  test.each([
    ['', ['--save']],
    ['', ['--save', '']],
    ['', ['--save', '--hz', '20']],
    ['', ['--save', '3600 1 300 100']],
    ['', ['--save', '3600', '1', '300', '100', '--save', '1', '2']],
    ['save 1 2\nsave 3 4\n', ['--save', '5', '6']],
    ['', ['--masterauth', '--hz']],
    ['', ['--masterauth', '-', '--hz', '20']],
    ['', ['--hz 33', '--maxmemory', '1gb']],
    [
      '',
      [
        '--client-output-buffer-limit',
        'pubsub 1mb 1mb 3',
        '--client-output-buffer-limit',
        'slave',
        '1',
        '2',
        '3',
      ],
    ],
    ['hz 5000\nmaxmemory 3kb\n', ['--shutdown-on-sigterm', 'nosave', 'force']],
    ['hz 0\n', ['--shutdown-on-sigterm', 'now force']],
    ["masterauth ''\nlogfile ''\nsave ''\n", ['--hz', '10']],
    ["masterauth 'it\\'s'\n", []],
    [
      'masterauth "\\x41\\n\\t\\"x"\n',
      ['--latency-tracking-info-percentiles', '1 2', '--unixsocketperm', '0700'],
    ],
    ['masterauth a"b c"\n', ['--latency-tracking-info-percentiles', '', '--oom-score-adj-values', '1 2 3']],
    ['HZ 44\r\n\tLogLevel  VERBOSE\t\r\n', ['--LATENCY-tracking-info-percentiles', '5', '6.25']],
    ['lua-replicate-commands no\ninclude conf.d/a*\n', []],
    ['dir sub\ninclude ../good.conf\n', []],
  ])('%j %j', async (text, argv) => {
    const file = join(folder, 'taken.conf');
    writeFileSync(file, text, 'latin1');
    const server = new ServerProcess('redis', redisExecutable(), [file], {
      args: [`--dir`, folder, ...argv],
    });
    // Its working folder is another; relative includes need this one.
    writeFileSync(file, `dir "${folder}"\n${text}`, 'latin1');
    try {
      await server.start();
      const client = await server.connect();
      const ownArguments = [
        '--port',
        '0',
        '--bind',
        '127.0.0.1',
        '--dir',
        folder,
        '--save',
        '',
        '--appendonly',
        'no',
      ];
      const line = parseCommandLine([file, ...ownArguments, ...argv], folder);
      if (line.kind !== 'serve') throw new Error(line.kind);
      const { store } = loadConfig(line.source);
      for (const name of [...SHOWN, ...SHOWN_MORE]) {
        const theirs = (await client.call('CONFIG', 'GET', name)) as string[];
        expect(configGet(store, [name])[0]).toEqual(theirs);
      }
    } finally {
      await server.stop();
    }
  });
});
