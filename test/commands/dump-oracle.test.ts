// DUMP and RESTORE against a real redis-server, both ways and for every encoding that it has: a value made there is
// dumped, restored here, dumped here, and restored there. Where an encoding leaves no choice, payloads are equal to the byte.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { encodingOf } from './against-redis.ts';

let server: ServerProcess;
let redis: RawClient;
let local: InProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  redis = await server.connect();
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});
beforeEach(async () => {
  await redis.call('FLUSHALL');
  local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
});

const dumpLocal = (key: string): Buffer | null => bulk(local.run('DUMP', key));

/** The bytes of a bulk reply; null for a null. */
function bulk(reply: Buffer): Buffer | null {
  if (reply.toString('latin1') === '$-1\r\n') return null;
  const start = reply.indexOf('\r\n') + 2;
  if (reply[0] !== 0x24) throw new Error(reply.toString('latin1'));
  return reply.subarray(start, reply.length - 2);
}

const many = (count: number, make: (i: number) => Argument[]): Argument[] =>
  Array.from({ length: count }, (_, i) => make(i)).flat();

interface Case {
  readonly name: string;
  readonly commands: readonly (readonly Argument[])[];
  /** Whether elements may come in another order: tables. */
  readonly anyOrder?: boolean;
  /** Whether there are times of now in it. */
  readonly timed?: boolean;
  /** Whether it is kept as releases after 7.0 do. */
  readonly newer?: boolean;
  /** What OBJECT ENCODING says here, where it is not what it says there. */
  readonly encoding?: string;
}

const VALUES: readonly Argument[] = [
  '', '0', '-1', '127', '128', '-32768', '65536', '-2147483649', '9223372036854775807', '12345678901234567890',
  'abc', 'x'.repeat(63), 'y'.repeat(64), Buffer.from([0, 255, 13, 10]), 'ab'.repeat(40), 'z'.repeat(5000),
]; // biome-ignore format: a table

const CASES: readonly Case[] = [
  ...VALUES.map((value, i): Case => ({ name: `string ${i}`, commands: [['SET', 'k', value]] })),
  { name: 'long string', commands: [['SETRANGE', 'k', 70_000, 'end']] },
  {
    name: 'random string',
    commands: [
      ['SETBIT', 'k', 4000, 1],
      ['PFADD', 'h', ...many(200, (i) => [i])],
      ['BITOP', 'OR', 'k', 'k', 'h'],
    ],
  },
  { name: 'set of integers', commands: [['SADD', 'k', 1, 2, -3, 300]] },
  { name: 'set of wide integers', commands: [['SADD', 'k', 1, 70_000]] },
  {
    name: 'set of very wide integers',
    commands: [['SADD', 'k', '9223372036854775807', '-9223372036854775808', 0]],
  },
  { name: 'set of 512 integers', commands: [['SADD', 'k', ...many(512, (i) => [i * 3])]] },
  { name: 'set of 513 integers', commands: [['SADD', 'k', ...many(513, (i) => [i * 3])]], anyOrder: true },
  {
    name: 'small set',
    commands: [['SADD', 'k', ...VALUES.slice(0, 13)]],
    anyOrder: true,
    encoding: 'listpack',
  },
  { name: 'large set', commands: [['SADD', 'k', ...many(3000, (i) => [`member:${i}`])]], anyOrder: true },
  { name: 'short list', commands: [['RPUSH', 'k', ...VALUES]], encoding: 'listpack' },
  { name: 'list of one', commands: [['RPUSH', 'k', 'a']], encoding: 'listpack' },
  { name: 'long list', commands: [['RPUSH', 'k', ...many(5000, (i) => [`element ${i * 7919}`, i])]] },
  {
    name: 'list of large elements',
    newer: true,
    commands: [['RPUSH', 'k', 'a', 'b'.repeat(9000), 'c', 'd'.repeat(20_000)]],
  },
  {
    name: 'compressed list',
    commands: [
      ['CONFIG', 'SET', 'list-compress-depth', 1],
      ['RPUSH', 'k', ...many(5000, (i) => [`element ${i % 10}`, i])],
      ['CONFIG', 'SET', 'list-compress-depth', 0],
    ],
  },
  { name: 'small hash', commands: [['HSET', 'k', ...VALUES.slice(0, 13), 'odd']] },
  {
    name: 'hash with a long value',
    commands: [['HSET', 'k', 'f', 'v'.repeat(65), 'g', 'w']],
    anyOrder: true,
  },
  {
    name: 'large hash',
    commands: [['HSET', 'k', ...many(2000, (i) => [`field:${i}`, `value ${i}`])]],
    anyOrder: true,
  },
  {
    name: 'small sorted set',
    commands: [
      [
        'ZADD',
        'k',
        1,
        'a',
        2.5,
        'b',
        '-inf',
        'c',
        'inf',
        'd',
        1e100,
        'e',
        0.1,
        'f',
        1,
        '7',
        '-0',
        'g',
        '1e17',
        'h',
        '-4e18',
        'i',
        '5e18',
        'j',
      ],
    ],
  },
  { name: 'sorted set of 128', commands: [['ZADD', 'k', ...many(128, (i) => [i % 5, `m${i}`])]] },
  { name: 'large sorted set', commands: [['ZADD', 'k', ...many(129, (i) => [(i % 50) / 7, `member:${i}`])]] },
  {
    name: 'very large sorted set',
    commands: [['ZADD', 'k', ...many(3000, (i) => [Math.sin(i), `member:${i}`]), '-inf', 'x', '-0', 'y']],
  },
  { name: 'sorted set with a long member', commands: [['ZADD', 'k', 1, 'm'.repeat(65), 2, 'n']] },
  { name: 'stream of one', commands: [['XADD', 'k', '1-1', 'f', 'v']] },
  { name: 'empty stream', commands: [['XGROUP', 'CREATE', 'k', 'g', '$', 'MKSTREAM']] },
  {
    name: 'stream',
    commands: [
      ...Array.from({ length: 250 }, (_, i): Argument[] => [
        'XADD',
        'k',
        `${1000 + i * i}-${i}`,
        'field',
        i,
        i % 3 === 0 ? 'other' : 'same',
        'x'.repeat(i),
      ]),
      ['XDEL', 'k', '1000-0', '1004-2', '63504-248'],
      ['XTRIM', 'k', 'MAXLEN', 200],
    ],
  },
  {
    name: 'stream with groups',
    timed: true,
    commands: [
      ...Array.from({ length: 50 }, (_, i): Argument[] => ['XADD', 'k', `${i + 1}-0`, 'a', i]),
      ['XGROUP', 'CREATE', 'k', 'g1', 0],
      ['XGROUP', 'CREATE', 'k', 'g2', '5-0', 'ENTRIESREAD', 3],
      ['XGROUP', 'CREATE', 'k', 'empty', '$'],
      ['XREADGROUP', 'GROUP', 'g1', 'alice', 'COUNT', 10, 'STREAMS', 'k', '>'],
      ['XREADGROUP', 'GROUP', 'g1', 'bob', 'COUNT', 5, 'STREAMS', 'k', '>'],
      ['XREADGROUP', 'GROUP', 'g2', 'carol', 'STREAMS', 'k', '>'],
      ['XGROUP', 'CREATECONSUMER', 'k', 'g2', 'idle'],
      ['XACK', 'k', 'g1', '2-0', '12-0'],
      ['XCLAIM', 'k', 'g1', 'bob', 0, '3-0', 'RETRYCOUNT', 7],
      ['XDEL', 'k', '4-0'],
      ['XSETID', 'k', '500-3', 'ENTRIESADDED', 1000, 'MAXDELETEDID', '4-0'],
    ],
  },
  {
    name: 'emptied stream',
    commands: [
      ['XADD', 'k', '5-5', 'f', 'v'],
      ['XDEL', 'k', '5-5'],
    ],
  },
];

describe('DUMP of redis-server, RESTORE here, and back', () => {
  it.each(CASES)('$name', async ({ commands, anyOrder, encoding }) => {
    for (const command of commands) {
      const reply = await redis.command(...command);
      expect(reply.type, `${command.slice(0, 3)}: ${reply.raw.toString('latin1')}`).not.toBe('error');
    }
    const theirs = (await redis.callBuffer('DUMP', 'k')) as Buffer;
    expect(local.text('RESTORE', 'k', 0, theirs)).toBe('+OK\r\n');
    local.checkInvariants();
    expect(local.value('TYPE', 'k')).toBe(await redis.call('TYPE', 'k'));
    expect(encodingOf(local, 'k')).toBe(encoding ?? (await redis.call('OBJECT', 'ENCODING', 'k')));

    const ours = dumpLocal('k')!;
    if (anyOrder !== true) expect(ours.toString('hex')).toBe(theirs.toString('hex'));
    expect(ours.length).toBe(theirs.length);
    expect(await redis.call('RESTORE', 'back', 0, ours)).toBe('OK');
    const digests = (await redis.call('DEBUG', 'DIGEST-VALUE', 'k', 'back')) as string[];
    expect(digests[1]).toBe(digests[0]);
    expect(await redis.call('OBJECT', 'ENCODING', 'back')).toBe(await redis.call('OBJECT', 'ENCODING', 'k'));
    if (String(await redis.call('TYPE', 'k')) === 'stream')
      expect(await redis.call('XINFO', 'STREAM', 'back', 'FULL')).toEqual(
        await redis.call('XINFO', 'STREAM', 'k', 'FULL'),
      );

    const length = /serializedlength:(\d+)/;
    const shown = length.exec(String(local.value('DEBUG', 'OBJECT', 'k')))![1];
    expect(shown).toBe(length.exec(String(await redis.call('DEBUG', 'OBJECT', 'k')))![1]);
    // A second time, over the first.
    expect(local.value('DEBUG', 'DIGEST-VALUE', 'k')).toEqual([digests[0]]);
    expect(local.text('RESTORE', 'k', 0, ours, 'REPLACE')).toBe('+OK\r\n');
    expect(local.value('DEBUG', 'DIGEST-VALUE', 'k')).toEqual([digests[0]]);
    local.run('DEL', 'k');
    local.checkInvariants();
  });
});

describe('DUMP of what commands made here', () => {
  it.each(CASES)('$name', async ({ commands, anyOrder, timed, newer }) => {
    for (const [name, ...args] of commands) {
      await redis.call(name!, ...args);
      if (name === 'CONFIG') local.config.assign(String(args[1]) as 'list-compress-depth', String(args[2]));
      else local.run(name!, ...args);
    }
    const ours = dumpLocal('k')!;
    const theirs = (await redis.callBuffer('DUMP', 'k')) as Buffer;
    if (anyOrder !== true && timed !== true && newer !== true)
      expect(ours.toString('hex')).toBe(theirs.toString('hex'));
    if (newer !== true) expect(ours.length).toBe(theirs.length);
    expect(await redis.call('RESTORE', 'back', 0, ours)).toBe('OK');
    const digests = (await redis.call('DEBUG', 'DIGEST-VALUE', 'k', 'back')) as string[];
    expect(digests[1]).toBe(digests[0]);
  });

  it('of fields that expire is read back here, and is version 12', () => {
    const far = Date.now() + 1_000_000;
    for (const count of [3, 600]) {
      local.run('HSET', 'h', ...many(count, (i) => [`f${i}`, `v${i}`]));
      for (const i of [2, 0]) local.run('HPEXPIREAT', 'h', far + i, 'FIELDS', 1, `f${i}`);
      const dump = dumpLocal('h')!;
      expect(dump.readUInt16LE(dump.length - 10)).toBe(12);
      expect(dump[0]).toBe(count === 3 ? 25 : 24);
      expect(local.text('RESTORE', 'copy', 0, dump)).toBe('+OK\r\n');
      const digests = local.value('DEBUG', 'DIGEST-VALUE', 'h', 'copy') as string[];
      expect(digests[1]).toBe(digests[0]);
      expect(local.value('HPEXPIRETIME', 'copy', 'FIELDS', 3, 'f0', 'f1', 'f2')).toEqual([far, -1, far + 2]);
      local.checkInvariants();
      local.run('DEL', 'h', 'copy');
    }
  });

  it('of a hash whose fields no longer expire is what Redis 7.0 reads', async () => {
    local.run('HSET', 'h', 'a', '1', 'b', '2');
    local.run('HEXPIRE', 'h', 1000, 'FIELDS', 1, 'a');
    local.run('HPERSIST', 'h', 'FIELDS', 1, 'a');
    expect(encodingOf(local, 'h')).toBe('listpackex');
    const dump = dumpLocal('h')!;
    expect(await redis.call('RESTORE', 'h', 0, dump)).toBe('OK');
    expect(((await redis.call('HGETALL', 'h')) as string[]).sort()).toEqual(['1', '2', 'a', 'b']);
  });

  it('fields that have expired go with it and are not seen again', () => {
    const start = Date.now();
    local.setTime(start);
    local.run('HSET', 'h', 'a', '1', 'b', '2');
    local.run('HPEXPIRE', 'h', 10, 'FIELDS', 1, 'a');
    const dump = dumpLocal('h')!;
    local.setTime(start + 20);
    expect(local.text('RESTORE', 'copy', 0, dump)).toBe('+OK\r\n');
    expect(local.value('HGETALL', 'copy')).toEqual(['b', '2']);
    local.checkInvariants();
  });
});
