// Defaults, CONFIG GET, CONFIG SET and CONFIG REWRITE, compared with redis-server.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DIRECTIVES, findDirective } from '../../src/config/directives.ts';
import { configGet } from '../../src/config/get.ts';
import { loadConfig } from '../../src/config/load.ts';
import { configRewrite } from '../../src/config/rewrite.ts';
import { configSet, type SetContext } from '../../src/config/set.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import type { RawClient } from '../support/raw-client.ts';
import { redisExecutable, startRedis } from '../support/redis-server.ts';
import { ServerProcess } from '../support/server-process.ts';
import { CHANGED_SINCE_7_0, NOT_TRIED, TRIED_VALUES } from './oracle-values.ts';

const CONTEXT: SetContext = { loading: false, localClient: true, warn: () => undefined };

/** One character per byte, to bytes. */
function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

let redis: ServerProcess;
let client: RawClient;

beforeAll(async () => {
  redis = await startRedis();
  client = await redis.connect();
});
afterAll(() => redis.stop());

async function redisGet(...patterns: string[]): Promise<Map<string, string>> {
  const flat = (await client.callBuffer('CONFIG', 'GET', ...patterns.map(bytes))) as unknown as Buffer[];
  const found = new Map<string, string>();
  for (let i = 0; i < flat.length; i += 2)
    found.set(flat[i]!.toString('latin1'), flat[i + 1]!.toString('latin1'));
  return found;
}

/** What a directive reads back as, or the error of setting it. */
async function redisSet(name: string, value: string): Promise<string> {
  const reply = await client.command('CONFIG', 'SET', name, bytes(value));
  if (reply.raw[0] === 45) return reply.bytes!.toString('latin1');
  return `= ${(await redisGet(name)).get(name)}`;
}

async function sabreSet(store: ConfigStore, name: string, value: string): Promise<string> {
  const error = await configSet(store, [name, value], CONTEXT);
  return error ?? `= ${configGet(store, [name])[0]![1]}`;
}

/** What an error reply shows of a text: CR and LF cannot be in it. */
function asReply(text: string): string {
  return text.startsWith('= ') ? text : text.replace(/[\r\n]/g, ' ');
}

describe('defaults', () => {
  test('are the same for every directive that the oracle has', async () => {
    const plain = await startRedis();
    try {
      const other = await plain.connect();
      const flat = (await other.call('CONFIG', 'GET', '*')) as string[];
      const changedByTheTest = new Set([
        'port',
        'dir',
        'save',
        'logfile',
        'bind',
        'appendonly',
        'enable-debug-command',
      ]);
      const store = new ConfigStore(null, '/');
      const differences: string[] = [];
      for (let i = 0; i < flat.length; i += 2) {
        const [name, value] = [flat[i]!, flat[i + 1]!];
        if (changedByTheTest.has(name)) continue;
        const mine = configGet(store, [name])[0]?.[1];
        if (mine !== value) differences.push(`${name}: ${value}, mine ${mine}`);
      }
      expect(flat.length).toBeGreaterThan(300);
      expect(differences).toEqual([]);
    } finally {
      await plain.stop();
    }
  });
});

describe('CONFIG GET', () => {
  test.each([
    [['PORT']],
    [['port', 'Port', 'p*rt']],
    [['hash-max-*ist*ent*', 'HASH-MAX-listpack-entries']],
    [['slave-*', '*-slave-*']],
    [['watchdog*']],
    [['watchdog-period', 'rdb-key-save-delay']],
    [['[a-c]*-m?x-*']],
    [['APPEND*[^c]']],
    [['nothing', '']],
    [['*aof\\*', 'ap\\p*']],
  ])('%j finds what redis-server finds', async (patterns) => {
    const theirs = [...(await redisGet(...patterns)).keys()].sort();
    const store = new ConfigStore(null, '/');
    const mine = configGet(store, patterns).map(([name]) => name);
    const newer = mine.filter((name) => !theirs.includes(name));
    const inOracle = await Promise.all(newer.map(async (name) => (await redisGet(name)).size));
    expect(inOracle.filter((size) => size > 0)).toEqual([]);
    expect(mine.filter((name) => !newer.includes(name)).sort()).toEqual(theirs);
  });
});

describe('CONFIG SET', () => {
  test('takes and refuses every value as redis-server does, for every directive', async () => {
    const store = new ConfigStore(null, redis.folder);
    const known = await redisGet('*');
    const tried = DIRECTIVES.filter(
      ({ name }) =>
        known.has(name) && !NOT_TRIED.has(name) && !CHANGED_SINCE_7_0.has(name) && !name.startsWith('tls-'),
    );
    expect(tried.length).toBeGreaterThan(110);
    const differences: string[] = [];
    for (const { name } of tried) {
      for (const value of TRIED_VALUES) {
        const theirs = await redisSet(name, value);
        const mine = asReply(await sabreSet(store, name, value));
        if (mine !== theirs) differences.push(`${name} ${JSON.stringify(value)}\n  ${theirs}\n  ${mine}`);
      }
    }
    expect(differences).toEqual([]);
  });

  test.each([
    ['maxmemory-clients', ['5%', '0', '101%', '-1', '18446744073709551615', '1.5mb', '5 %', '05%', '1gb']],
    [
      'client-output-buffer-limit',
      [
        'normal 1gb 1gb 60',
        'slave 1 2',
        'slave 1 2 3 4',
        'REPLICA 2mb 1mb 7',
        'pubsub 1mb 2 -1',
        'pubsub 1x 2 1',
        'master 0 0 0',
        'what 0 0 0',
        'pubsub 3k 2kb 1 replica 0 0 0 pubsub 1gb 1 1',
        '',
        'pubsub 1 1 4294967297',
        'pubsub 1 1 2147483648',
        'pubsub  1 1',
      ],
    ],
  ])('%s', async (name, values) => {
    const store = new ConfigStore(null, redis.folder);
    for (const value of values) {
      expect(`${value} ${await sabreSet(store, name, value)}`).toBe(
        `${value} ${await redisSet(name, value)}`,
      );
      if (name === 'maxmemory-clients') await redisSet(name, '0');
    }
  });

  test.each([
    [['hz', '20', 'hz', '30']],
    [['maxmemory', '1mb', 'no-such', 'x', 'also-not', 'y']],
    [['HZ', '20', 'Databases', '3']],
    [['dbfilename', 'x.rdb']],
    [['Dir', '/']],
    [['hz', '20', 'dbfilename', 'x', 'unknown', '1']],
    [['hash-max-ziplist-entries', '1', 'hash-max-listpack-entries', '2']],
    [['hash-max-ziplist-entries', 'x']],
    [['hz', '33', 'maxmemory', 'x']],
    [['unknown', '1', 'databases', '2']],
    [['slaveof', 'a 1']],
    [['acllog-max-len', '7', 'lfu-decay-time', '9']],
    [['proto-max-bulk-len', '1', 'lfu-decay-time', 'x']],
  ])('%j: same error, and nothing changed', async (pairs) => {
    const names = pairs.filter((_, i) => i % 2 === 0 && findDirective(pairs[i]!.toLowerCase()) !== undefined);
    const store = new ConfigStore(null, redis.folder);
    for (const name of names) {
      if (findDirective(name.toLowerCase())!.mutable)
        await configSet(store, [name, (await redisGet(name)).get(name)!], CONTEXT);
    }
    const reply = await client.command('CONFIG', 'SET', ...pairs);
    const theirs = reply.raw[0] === 45 ? reply.bytes!.toString() : null;
    expect(await configSet(store, pairs, CONTEXT)).toBe(theirs);
    for (const name of ['hz', 'maxmemory', 'hash-max-listpack-entries', 'acllog-max-len', 'lfu-decay-time']) {
      const before = names.some((each) => each.toLowerCase() === name);
      if (before) expect(configGet(store, [name])[0]![1]).toBe((await redisGet(name)).get(name));
    }
  });

  test('an odd number of arguments is a syntax error', async () => {
    const pairs = ['hz', '10', 'maxmemory'];
    expect(await configSet(new ConfigStore(null, '/'), pairs, CONTEXT)).toBe(
      (await client.command('CONFIG', 'SET', ...pairs)).bytes!.toString(),
    );
  });
});

const FILES: readonly { name: string; text: string; set: string[] }[] = [
  { name: 'an empty file', text: '', set: ['maxmemory', '100mb'] },
  {
    name: 'comments, blank lines, duplicates',
    text: '# top\n\n\n\n  maxmemory 1GB\n#hz 5\nhz 12\nhz 13\n\nMAXMEMORY-POLICY allkeys-lru\n',
    set: ['maxmemory', '3000', 'hz', '14'],
  },
  {
    name: 'default again',
    text: 'lfu-decay-time 7\nappendfsync no\nreplica-priority 5\nlogfile ""',
    set: ['lfu-decay-time', '1'],
  },
  {
    name: 'old names of replicas',
    text: 'slave-priority 7\nclient-output-buffer-limit slave 1mb 2mb 3\nmin-slaves-max-lag 3\n',
    set: ['replica-priority', '8', 'client-output-buffer-limit', 'normal 1gb 10kb 5 pubsub 0 0 0'],
  },
  {
    name: 'several save lines',
    text: 'save 900 1\nsave 300 10 60 10000\n# end\nsave 30 5\n',
    set: ['save', '100 1'],
  },
  { name: 'no save', text: 'save 900 1\n', set: ['save', ''] },
  { name: 'more save lines', text: 'save 900 1\n# here', set: ['save', '1 2 3 4 5 6'] },
  {
    name: 'strings with odd bytes',
    text: 'masterauth "a b"\ndbfilename \'my dump.rdb\'\nproc-title-template "x {port}"\n',
    set: ['masterauth', 'q"\\\x01\xe9\n', 'masteruser', 'someone'],
  },
  {
    name: 'unset strings',
    text: 'masterauth secret\nreplica-announce-ip 1.2.3.4\n',
    set: ['masterauth', '', 'replica-announce-ip', ''],
  },
  {
    name: 'lines that are no directives',
    text: 'rename-command flushall ""\nlist-max-ziplist-entries 5\nlua-replicate-commands yes\nlfu-log-factor 3\n',
    set: ['lfu-log-factor', '4'],
  },
  {
    name: 'signed before',
    text: 'hz 20\n# Generated by CONFIG REWRITE\nlfu-decay-time 3\n',
    set: ['lfu-log-factor', '4', 'lfu-decay-time', '1', 'latency-tracking-info-percentiles', '1 2.5'],
  },
  {
    name: 'flags, percent, several words',
    text: 'notify-keyspace-events KEA\nunixsocketperm 700\noom-score-adj-values 1 2 3\nmaxmemory-clients 5%\n',
    set: [
      'notify-keyspace-events',
      'Kg',
      'latency-tracking-info-percentiles',
      '',
      'shutdown-on-sigterm',
      'now nosave',
    ],
  },
  {
    name: 'sizes',
    text: 'repl-backlog-size 1mb\n',
    set: ['repl-backlog-size', '1048577', 'maxmemory', '1gb', 'hll-sparse-max-bytes', '3kb'],
  },
];

describe('CONFIG REWRITE', () => {
  test.each(FILES)('$name', async ({ text, set }) => {
    const folder = makeTemporaryFolder('sabre-test-rewrite-');
    const [path, mine] = [join(folder, 'theirs.conf'), join(folder, 'mine.conf')];
    for (const each of [path, mine]) writeFileSync(each, text, 'latin1');
    const server = new ServerProcess('redis', redisExecutable(), [path], {});
    try {
      await server.start();
      const other = await server.connect();
      const store = loadConfig({ configFile: mine, fromStdin: false, options: null, cwd: folder }).store;
      // The test's own arguments to the oracle: take over what they set.
      const flat = (await other.callBuffer('CONFIG', 'GET', '*')) as unknown as Buffer[];
      for (let i = 0; i < flat.length; i += 2) {
        const directive = findDirective(flat[i]!.toString());
        if (directive !== undefined) store.assign(directive.name, flat[i + 1]!.toString('latin1'));
      }
      await other.call('CONFIG', 'SET', ...set.map(bytes));
      expect(await configSet(store, set, CONTEXT)).toBeNull();
      await other.call('CONFIG', 'REWRITE');
      const users = ((await other.call('ACL', 'LIST')) as string[]).map((user) => user.slice('user '.length));
      expect(configRewrite(store, { users })).toBeNull();
      expect(split(readFileSync(mine, 'latin1'))).toEqual(split(readFileSync(path, 'latin1')));
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

/** The lines as they stand up to the signature; behind it sorted, since Redis's order there is that of a hash table. */
function split(text: string): { head: string[]; tail: string[] } {
  const lines = text.split('\n');
  const at = lines.indexOf('# Generated by CONFIG REWRITE');
  if (at < 0) return { head: lines, tail: [] };
  return { head: lines.slice(0, at + 1), tail: lines.slice(at + 1).sort() };
}
