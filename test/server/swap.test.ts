// A data set with every type and encoding, written by one server and loaded by the other: Sabre and redis-server, both ways,
// by RDB file and by append only log, with RDB preamble and without, with commands behind the base.
//
// The data is made by commands, so that the log has what commands tell. Compared are the digest of everything, and of each
// key type, encoding, expiry, digest, and the groups of streams. Redis's own tools look at the files.

import { spawnSync } from 'node:child_process';
import { cpSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeData, differences, digestOf, type Encodings } from '../support/describe-data.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { isError } from '../support/resp-parser.ts';
import { sabreCommand, TOPOLOGIES } from '../support/sabre-server.ts';
import { seeded } from '../support/seeded.ts';
import { ServerProcess } from '../support/server-process.ts';

const LATER = 4_000_000_000_000;
const MANIFEST = 'appendonlydir/appendonly.aof.manifest';

const random = seeded(7);
/** Bytes that do not compress. */
const noise = Buffer.from(Array.from({ length: 1_500_000 }, () => Math.floor(random() * 256)));
const many = (count: number, make: (i: number) => Argument[]): Argument[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();
const each = (count: number, make: (i: number) => Argument[]): Argument[][] =>
  Array.from({ length: count }, (_, i) => make(i));

/** Before the base of a log. */
const FIRST: readonly (readonly Argument[])[] = [
  ['SET', 'integer', '12345'],
  ['SET', 'negative', '-7'],
  ['SET', 'smallest', '-9223372036854775808'],
  ['SET', 'not quite', '007'],
  ['SET', '', 'of the empty key'],
  ['SET', 'empty', ''],
  ['SET', '42', 'a key that is a number'],
  ['SET', 'text', 'text '.repeat(1000)],
  ['SET', Buffer.from([0, 255, 13, 10, 0]), noise.subarray(0, 700)],
  ['SET', `a long key ${'x'.repeat(70_000)}`, 'v'],
  ['SET', 'huge', noise],
  ['APPEND', 'appended', 'short'],
  ['APPEND', 'appended', ' and raw, for it is too long to be part of an object'],
  ['SETRANGE', 'holes', 100_000, 'end'],
  ['SET', 'expires', 'v', 'PXAT', LATER],
  ['SET', 'expires in ms', 'v', 'PX', 1_000_000_000],
  ['SET', 'over', 'v', 'PX', 1],
  ['SET', 'expires very late', 'v', 'PXAT', '9007199254740991'],
  ['RPUSH', 'list', 'a', 1, '', -70_000, 'x'.repeat(100)],
  ['RPUSH', 'quicklist', ...many(3000, (i) => [`${i}`.repeat(9)])],
  ['RPUSH', 'plain nodes', 'before', noise.subarray(0, 20_000), 'after', noise.subarray(5, 300_000)],
  ['SADD', 'intset 16', 1, -5],
  ['SADD', 'intset 32', 70_000, 1],
  ['SADD', 'intset 64', '9223372036854775807', 1],
  ['SADD', 'packed set', 'a', 1, 'b'],
  ['SADD', 'large set', ...many(3000, (i) => [`m${i}`])],
  ['SADD', 'set of large', noise.subarray(0, 100_000), 'x'],
  ['ZADD', 'packed zset', 1, 'a', 2.5, 'b', '-inf', 'c', 'inf', 'd', 0.1, 'e'],
  ['ZADD', 'skiplist', ...many(3000, (i) => [i / 3, `m${i}`])],
  ['HSET', 'packed hash', 'f', 'v', 1, 2, '', ''],
  ['HSET', 'large hash', ...many(3000, (i) => [`f${i}`, i])],
  ['HSET', 'long hash', 'f', noise.subarray(0, 70_000)],
  ['PEXPIREAT', 'large hash', LATER],
  ...each(250, (i) => ['XADD', 'stream', `${i + 1}-1`, 'field', i, `own ${i}`, 'v']),
  ['XDEL', 'stream', '7-1', '9-1'],
  ['XGROUP', 'CREATE', 'stream', 'g', 0],
  ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 5, 'STREAMS', 'stream', '>'],
  ['XREADGROUP', 'GROUP', 'g', 'd', 'COUNT', 150, 'STREAMS', 'stream', '>'],
  ['XACK', 'stream', 'g', '2-1', '3-1', '60-1'],
  ['XGROUP', 'CREATECONSUMER', 'stream', 'g', 'idle'],
  ['XGROUP', 'CREATE', 'empty stream', 'g', '$', 'MKSTREAM'],
  ['XADD', 'trimmed', 'MAXLEN', 1, '5-5', 'a', 'b'],
  ['XADD', 'trimmed', 'MAXLEN', 1, '5-*', 'c', noise.subarray(0, 9000)],
  ['PFADD', 'sparse', ...many(100, (i) => [i])],
  ['PFADD', 'dense', ...many(20_000, (i) => [i])],
  ['PFCOUNT', 'dense'],
  ['SETBIT', 'bits', 100_000, 1],
  ['GEOADD', 'geo', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'],
  ['SELECT', 3],
  ['MSET', ...many(3000, (i) => [`key:${i}`, `value ${i}`])],
  ...each(100, (i) => ['PEXPIREAT', `key:${i}`, LATER + i]),
  ['SELECT', 15],
  ['SET', 'last', 'database'],
  ['SELECT', 0],
];

/** Behind it: changes of what is in the base, and more. */
const SECOND: readonly (readonly Argument[])[] = [
  ['INCRBY', 'integer', 5],
  ['INCRBYFLOAT', 'float', '3.25'],
  ['SET', 'later', noise.subarray(100, 200_000)],
  ['GETEX', 'appended', 'PX', 500_000_000],
  ['PERSIST', 'expires'],
  ['LPUSH', 'list', 'first'],
  ['LMOVE', 'quicklist', 'list', 'LEFT', 'RIGHT'],
  ['LTRIM', 'quicklist', 10, -10],
  ['LINSERT', 'plain nodes', 'BEFORE', 'after', noise.subarray(9, 90_000)],
  ['SPOP', 'large set', 7],
  ['SMOVE', 'packed set', 'other set', 'a'],
  ['SUNIONSTORE', 'union', 'packed set', 'intset 16'],
  ['SADD', 'intset 16', 'no more'],
  ['ZINCRBY', 'packed zset', '0.3', 'e'],
  ['ZPOPMIN', 'skiplist', 3],
  ['ZRANGESTORE', 'stored', 'skiplist', 0, 200],
  ['HINCRBY', 'packed hash', 1, 40],
  ['HDEL', 'large hash', 'f1', 'f2'],
  ['XADD', 'stream', '999-1', 'new', 'entry'],
  ['XREADGROUP', 'GROUP', 'g', 'e', 'COUNT', 30, 'STREAMS', 'stream', '>'],
  ['XCLAIM', 'stream', 'g', 'c', 0, '100-1', '101-1'],
  ['XAUTOCLAIM', 'stream', 'g', 'f', 0, '0', 'COUNT', 3],
  ['XACK', 'stream', 'g', '4-1'],
  ['XTRIM', 'stream', 'MAXLEN', '=', 200],
  ['XGROUP', 'SETID', 'empty stream', 'g', '0-0'],
  ['XSETID', 'trimmed', '9-9'],
  ['PFADD', 'sparse', 'one more'],
  ['PFMERGE', 'merged', 'sparse', 'dense'],
  ['BITOP', 'NOT', 'inverse', 'bits'],
  ['BITFIELD', 'bits', 'SET', 'u16', 7, 333],
  ['GEOSEARCHSTORE', 'near', 'geo', 'FROMMEMBER', 'Palermo', 'BYRADIUS', 100, 'km', 'STOREDIST'],
  ['SORT', 'other set', 'ALPHA', 'STORE', 'sorted'],
  ['RENAME', 'text', 'renamed'],
  ['COPY', 'stream', 'copied stream'],
  ['COPY', 'huge', 'huge', 'DB', 7],
  ['MOVE', 'negative', 3],
  ['EXPIRE', 'geo', 500_000],
  ['PEXPIRE', 'long hash', -1],
  ['DEL', 'not quite', 'bits of nothing'],
  ['UNLINK', 'holes'],
  ['SELECT', 3],
  ['FLUSHDB'],
  ['MSET', ...many(500, (i) => [`again:${i}`, noise.subarray(i, i + 300)])],
  ['SELECT', 0],
  ['SWAPDB', 3, 4],
];

type Medium = {
  name: string;
  args: readonly string[];
  /** Brings the data into the files. */
  write: (client: RawClient) => Promise<void>;
};

const LOG = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
const MEDIA: readonly Medium[] = [
  {
    name: 'an RDB file',
    args: [],
    write: async (client) => {
      await run(client, FIRST);
      await run(client, SECOND);
      await client.call('SAVE');
    },
  },
  {
    name: 'an RDB file, neither compressed nor summed',
    args: ['--rdbcompression', 'no', '--rdbchecksum', 'no'],
    write: async (client) => {
      await run(client, FIRST);
      await run(client, SECOND);
      await client.call('BGSAVE');
      await untilIdle(client);
    },
  },
  {
    name: 'a log without a rewrite',
    args: LOG,
    write: async (client) => {
      await run(client, FIRST);
      await run(client, SECOND);
    },
  },
  { name: 'a log with RDB base', args: [...LOG, '--aof-use-rdb-preamble', 'yes'], write: withBase },
  {
    name: 'a log with a base of commands',
    args: [...LOG, '--aof-use-rdb-preamble', 'no', '--aof-timestamp-enabled', 'yes'],
    write: withBase,
  },
];

async function withBase(client: RawClient): Promise<void> {
  await run(client, FIRST);
  await client.call('BGREWRITEAOF');
  await untilIdle(client);
  await run(client, SECOND);
}

async function run(client: RawClient, commands: readonly (readonly Argument[])[]): Promise<void> {
  for (const [i, reply] of (await client.pipeline(commands)).entries())
    if (isError(reply)) throw new Error(`${String(commands[i]).slice(0, 200)}: ${reply.bytes}`);
}

/** The digest without the key that has expired, which goes when it is met. */
async function digest(client: RawClient): Promise<string> {
  expect(await client.call('GET', 'over')).toBeNull();
  return await digestOf(client);
}

async function untilIdle(client: RawClient): Promise<void> {
  for (;;) {
    const info = String(await client.call('INFO', 'persistence'));
    if (!/(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1/.test(info)) {
      expect(info).toContain('rdb_last_bgsave_status:ok');
      expect(info).toContain('aof_last_bgrewrite_status:ok');
      return;
    }
    await sleep(5);
  }
}

/** The words that start a server of a kind. */
const SERVERS: Readonly<Record<string, readonly string[]>> = {
  'Sabre 1/1': [...sabreCommand(), ...TOPOLOGIES[0]!.args],
  'Sabre 2/3': [...sabreCommand(), ...TOPOLOGIES[1]!.args],
  'redis-server': [redisExecutable()],
};

const WAYS: readonly (readonly [string, string])[] = [
  ['Sabre 2/3', 'redis-server'],
  ['redis-server', 'Sabre 2/3'],
  ['Sabre 1/1', 'Sabre 2/3'],
];

/** Starts a server of a kind, on a copy of another's files if there is one; it is stopped after the test. */
async function start(name: string, args: readonly string[], files?: string): Promise<ServerProcess> {
  const [executable, ...words] = SERVERS[name]!;
  const server = new ServerProcess(name === 'redis-server' ? 'redis' : 'sabre', executable!, words, { args });
  if (files !== undefined) cpSync(files, server.folder, { recursive: true });
  onTestFinished(() => server.stop());
  await server.start();
  return server;
}

function expectAccepted(folder: string, isLog: boolean): void {
  const [tool, file] = isLog ? ['redis-check-aof', MANIFEST] : ['redis-check-rdb', 'dump.rdb'];
  const { status, stdout } = spawnSync(tool!, [file!], { cwd: folder, encoding: 'utf8' });
  expect(stdout, tool!).toMatch(isLog ? /All AOF files and manifest are valid/ : /RDB looks OK/);
  expect(status).toBe(0);
}

describe.each(WAYS)('written by %s, loaded by %s', (writer, reader) => {
  it.each(MEDIA)('as $name', { timeout: 120_000 }, async ({ args, write }) => {
    const left = await start(writer, args);
    const client = await left.connect();
    await write(client);
    const encodings: Encodings =
      writer.startsWith('Sabre') && reader.startsWith('Sabre') ? 'exact' : 'of 7.0';
    const data = await describeData(client, encodings);
    const sum = await digest(client);
    await left.kill9();
    const isLog = args.includes('--appendonly');
    expectAccepted(left.folder, isLog);
    const right = await start(reader, args, left.folder);
    const other = await right.connect();
    expect(differences(data, await describeData(other, encodings))).toBeNull();
    expect(await digest(other)).toBe(sum);
    if (reader.startsWith('Sabre')) expect(await other.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });
});

/** redis-server counts seconds of idle time with 24 bits. */
const IDLE_TIMES = 2 ** 24;

describe.each(WAYS)('how keys were used, written by %s, loaded by %s', (writer, reader) => {
  it.each([
    ['allkeys-lfu', 'FREQ', 77],
    ['allkeys-lru', 'IDLETIME', 4000],
  ] as const)('%s', { timeout: 60_000 }, async (policy, what, value) => {
    const args = ['--maxmemory-policy', policy];
    const left = await start(writer, args);
    const client = await left.connect();
    await client.call('SET', 'a', 'value');
    const dump = await client.callBuffer('DUMP', 'a');
    await client.call('RESTORE', 'b', 0, dump as Buffer, what, value);
    await client.call('RPUSH', 'fresh', 1);
    await client.call('SAVE');
    await left.kill9();
    const right = await start(reader, args, left.folder);
    const other = await right.connect();
    const found = Number(await other.call('OBJECT', what, 'b'));
    expect(Math.abs(found - value)).toBeLessThan(what === 'FREQ' ? 2 : 60);
    // redis-server's clock of idle times lags behind a little after the start: what was just loaded is then from the future.
    const fresh = Number(await other.call('OBJECT', what, 'fresh'));
    expect(Math.min(fresh, IDLE_TIMES - fresh)).toBeLessThan(30);
  });
});

describe('fields that expire, from Sabre to Sabre', () => {
  it.each(MEDIA)('as $name', { timeout: 60_000 }, async ({ name, args }) => {
    const left = await start('Sabre 2/3', args);
    const client = await left.connect();
    await run(client, [
      ['HSET', 'packed', 'a', 1, 'b', 2, 'c', 3],
      ['HPEXPIREAT', 'packed', LATER, 'FIELDS', 1, 'b'],
      ['HSET', 'large', ...many(2000, (i) => [`f${i}`, i])],
      ...each(500, (i) => ['HPEXPIREAT', 'large', LATER + i, 'FIELDS', 1, `f${i}`]),
    ]);
    await client.call(...((args.includes('--appendonly') ? ['BGREWRITEAOF'] : ['SAVE']) as [string]));
    await untilIdle(client);
    if (name.includes('log')) {
      await run(client, [
        ['HPERSIST', 'packed', 'FIELDS', 1, 'b'],
        ['HPEXPIRE', 'packed', 1_000_000_000, 'FIELDS', 1, 'c'],
        ['HPEXPIRE', 'packed', 0, 'FIELDS', 1, 'a'],
        ['HDEL', 'large', 'f3'],
      ]);
    }
    const expiries = async (one: RawClient): Promise<unknown> => [
      await one.call('HPEXPIRETIME', 'packed', 'FIELDS', 3, 'a', 'b', 'c'),
      await one.call('HPEXPIRETIME', 'large', 'FIELDS', 2000, ...many(2000, (i) => [`f${i}`])),
    ];
    const before = await expiries(client);
    const sum = await digest(client);
    await left.kill9();
    const right = await start('Sabre 1/1', args, left.folder);
    const other = await right.connect();
    expect(await expiries(other)).toEqual(before);
    expect(await digest(other)).toBe(sum);
    expect(await other.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });
});

describe('libraries of functions, which nothing here runs yet', () => {
  const code = (name: string): string =>
    `#!lua name=${name}\nredis.register_function('of_${name}', function() return '${name.repeat(300)}' end)`;

  it.each([
    ['an RDB file', []],
    ['a log with RDB base', ['--appendonly', 'yes']],
  ])('go through %s to redis-server again', async (_name, args) => {
    const left = await start('redis-server', args);
    const client = await left.connect();
    for (const name of ['one', 'two']) await client.call('FUNCTION', 'LOAD', code(name));
    const before = await functionsOf(client);
    await client.call('SET', 'key', 'value');
    await client.call(...((args.length > 0 ? ['BGREWRITEAOF'] : ['SAVE']) as [string]));
    await untilIdle(client);
    await left.kill9();
    const between = await start('Sabre 2/3', [...args, '--enable-debug-command', 'yes'], left.folder);
    const middle = await between.connect();
    await middle.call('FLUSHALL');
    await middle.call('SET', 'other', 'value');
    if (args.length === 0) await middle.call('DEBUG', 'RELOAD');
    await middle.call(...((args.length > 0 ? ['BGREWRITEAOF'] : ['SAVE']) as [string]));
    await untilIdle(middle);
    await between.kill9();
    const right = await start('redis-server', args, between.folder);
    const other = await right.connect();
    expect(await functionsOf(other)).toEqual(before);
    expect(await other.call('FCALL', 'of_two', 0)).toBe('two'.repeat(300));
    expect(await other.call('KEYS', '*')).toEqual(['other']);
  });

  /** All libraries with their code; redis-server lists them in the order of a hash table. */
  async function functionsOf(client: RawClient): Promise<string[]> {
    const libraries = (await client.call('FUNCTION', 'LIST', 'WITHCODE')) as unknown[];
    return libraries.map((library) => JSON.stringify(library)).sort();
  }
});
