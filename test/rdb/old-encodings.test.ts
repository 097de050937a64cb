// RESTORE of what old and newer versions of Redis wrote: every encoding from version 3 on, made by hand. Those that
// redis-server 7.0 knows are restored there too, and must become the same value.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodingOf } from '../commands/against-redis.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import {
  intset, listpack, payload, rawId, rdbLength, rdbString, rdbTime, ziplist, zipmap,
} from './old-formats.ts'; // biome-ignore format: one list

let server: ServerProcess;
let redis: RawClient;
let local: InProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes', '--sanitize-dump-payload', 'yes'] });
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

const strings = (...values: (string | Buffer)[]): Buffer =>
  Buffer.concat([rdbLength(values.length), ...values.map(rdbString)]);
const textScore = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
const float = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
};
const range = <T>(count: number, make: (i: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

/** The block of a stream: two entries with the master's field, one of its own, one deleted. */
const block = listpack([
  3, 1, 1, 'field', 0,
  2, 0, 0, 'v1', 4,
  2, 0, 1, 'v2', 4,
  0, 5, 3, 2, 'a', 'b', 'c', 'd', 8,
  3, 9, 9, 'gone', 4,
]); // biome-ignore format: an entry a line
const blocks = Buffer.concat([rdbLength(1), rdbString(rawId(100, 7)), rdbString(block)]);
const UNKNOWN = 2n ** 64n - 1n;

function group(name: string, counted: boolean, active: boolean): Buffer {
  return Buffer.concat([
    rdbString(name),
    rdbLength(100),
    rdbLength(8),
    counted ? rdbLength(UNKNOWN) : Buffer.alloc(0),
    rdbLength(2),
    rawId(100, 7), rdbTime(1_700_000_000_000), rdbLength(3),
    rawId(100, 8), rdbTime(1_700_000_000_001), rdbLength(1),
    rdbLength(2),
    rdbString('alice'), rdbTime(1_700_000_000_005), active ? rdbTime(-1) : Buffer.alloc(0), rdbLength(0),
    rdbString('bob'), rdbTime(1_700_000_000_006), active ? rdbTime(1_700_000_000_006) : Buffer.alloc(0), rdbLength(2),
    rawId(100, 7), rawId(100, 8),
  ]); // biome-ignore format: an item a line
}

interface Fixture {
  readonly name: string;
  readonly type: number;
  readonly value: Buffer;
  readonly version?: number;
  readonly encoding: string;
  /** What a command answers here, where redis-server 7.0 cannot be asked. */
  readonly answers?: readonly (readonly [readonly string[], unknown])[];
}

const FAR = 4_000_000_000_000;

const FIXTURES: readonly Fixture[] = [
  { name: 'string', type: 0, value: rdbString('plain'), version: 3, encoding: 'embstr' },
  { name: 'list', type: 1, value: strings('a', '1', '', 'x'.repeat(100)), version: 3, encoding: 'listpack' },
  { name: 'list beyond a node', type: 1, value: strings(...range(100, (i) => `${i}`.repeat(100))), encoding: 'quicklist' },
  { name: 'set', type: 2, value: strings('a', 'b', '17'), version: 3, encoding: 'listpack' },
  { name: 'set of integers', type: 2, value: strings('5', '-1', '70000'), version: 3, encoding: 'intset' },
  { name: 'large set', type: 2, value: strings(...range(200, (i) => `m${i}`)), encoding: 'hashtable' },
  {
    name: 'sorted set with scores as text', type: 3, version: 3, encoding: 'listpack',
    value: Buffer.concat([rdbLength(5), rdbString('b'), textScore('1.5'), rdbString('a'), textScore('-3'), rdbString('i'), Buffer.from([254]), rdbString('j'), Buffer.from([255]), rdbString('t'), textScore('1e+20')]),
  },
  { name: 'hash', type: 4, value: Buffer.concat([rdbLength(2), ...['f', '1', 'g', 'long '.repeat(3)].map(rdbString)]), version: 3, encoding: 'listpack' },
  { name: 'hash with a long value', type: 4, value: Buffer.concat([rdbLength(2), ...['f', '1', 'g', 'long '.repeat(30)].map(rdbString)]), encoding: 'hashtable' },
  { name: 'large hash', type: 4, value: Buffer.concat([rdbLength(600), ...range(1200, (i) => rdbString(`x${i}`))]), encoding: 'hashtable' },
  { name: 'sorted set', type: 5, value: Buffer.concat([rdbLength(3), rdbString('z'), float(-0.1), rdbString('y'), float(Infinity), rdbString('x'), float(-0)]), encoding: 'listpack' },
  { name: 'zipmap', type: 9, value: rdbString(zipmap([['f', 'v'], ['n', '12'], ['e', '']], 2)), version: 3, encoding: 'listpack' },
  { name: 'zipmap with a long value', type: 9, value: rdbString(zipmap([['f', 'v'.repeat(300)]])), encoding: 'hashtable' },
  { name: 'list of a ziplist', type: 10, value: rdbString(ziplist(['a', 5, -1000, 'x'.repeat(70), '17'])), version: 3, encoding: 'listpack' },
  { name: 'list of a large ziplist', type: 10, value: rdbString(ziplist(range(3000, (i) => `e${i}`))), encoding: 'quicklist' },
  { name: 'intset', type: 11, value: rdbString(intset([1, -5, 3_000_000_000n])), version: 3, encoding: 'intset' },
  { name: 'large intset', type: 11, value: rdbString(intset(range(600, (i) => i * 7))), encoding: 'hashtable' },
  { name: 'sorted set of a ziplist', type: 12, value: rdbString(ziplist(['a', 1, 'b', 1, 'c', '1.5', 'd', 'inf'])), version: 3, encoding: 'listpack' },
  { name: 'sorted set of a large ziplist', type: 12, value: rdbString(ziplist(range(400, (i) => (i % 2 === 0 ? `m${i}` : i)))), encoding: 'skiplist' },
  { name: 'hash of a ziplist', type: 13, value: rdbString(ziplist(['a', 1, 'b', 'x', 7, 8], true)), version: 4, encoding: 'listpack' },
  { name: 'hash of a large ziplist', type: 13, value: rdbString(ziplist(range(1400, (i) => i))), encoding: 'hashtable' },
  { name: 'quicklist of ziplists', type: 14, value: strings(ziplist(['a', 'b', 3]), ziplist([]), ziplist([4, 'e'])), version: 7, encoding: 'quicklist' },
  { name: 'quicklist of one ziplist', type: 14, value: strings(ziplist(['a', 'b', 3])), version: 7, encoding: 'listpack' },
  { name: 'stream of version 1', type: 15, version: 9, encoding: 'stream', value: Buffer.concat([blocks, rdbLength(3), rdbLength(200), rdbLength(1), rdbLength(1), group('g', false, false)]) },
  { name: 'hash of a listpack', type: 16, value: rdbString(listpack(['a', 1, 'b', 'x', '7', 8])), encoding: 'listpack' },
  { name: 'hash of a large listpack', type: 16, value: rdbString(listpack(range(1400, (i) => i))), encoding: 'hashtable' },
  { name: 'sorted set of a listpack', type: 17, value: rdbString(listpack(['a', 1, 'b', 1, 'c', '1.5'])), encoding: 'listpack' },
  { name: 'sorted set of a large listpack', type: 17, value: rdbString(listpack(range(400, (i) => (i % 2 === 0 ? `m${i}` : i)))), encoding: 'skiplist' },
  {
    name: 'quicklist with large elements', type: 18, encoding: 'quicklist',
    value: Buffer.concat([rdbLength(3), rdbLength(2), rdbString(listpack(['a', 1])), rdbLength(1), rdbString('p'.repeat(100)), rdbLength(2), rdbString(listpack([5]))]),
  },
  {
    name: 'stream of version 2', type: 19, encoding: 'stream',
    value: Buffer.concat([blocks, rdbLength(3), rdbLength(200), rdbLength(1), rdbLength(100), rdbLength(7), rdbLength(109), rdbLength(16), rdbLength(10), rdbLength(1), group('g', true, false)]),
  },
  {
    name: 'set of a listpack', type: 20, version: 11, value: rdbString(listpack(['a', 5, 'b'])), encoding: 'listpack',
    answers: [[['SMEMBERS', 'k'], ['a', '5', 'b']]],
  },
  {
    name: 'set of a large listpack', type: 20, version: 11, value: rdbString(listpack(range(200, (i) => i))), encoding: 'hashtable',
    answers: [[['SCARD', 'k'], 200], [['SISMEMBER', 'k', '199'], 1]],
  },
  {
    name: 'stream of version 3', type: 21, version: 11, encoding: 'stream',
    value: Buffer.concat([blocks, rdbLength(3), rdbLength(200), rdbLength(1), rdbLength(100), rdbLength(7), rdbLength(109), rdbLength(16), rdbLength(10), rdbLength(1), group('g', true, true)]),
    answers: [[['XLEN', 'k'], 3], [['XPENDING', 'k', 'g'], [2, '100-7', '100-8', [['bob', '2']]]]],
  },
  {
    name: 'hash of 7.4 before its release', type: 22, version: 12, encoding: 'listpackex',
    value: Buffer.concat([rdbLength(2), rdbLength(FAR), rdbString('f'), rdbString('v'), rdbLength(0), rdbString('g'), rdbString('w')]),
    answers: [[['HPEXPIRETIME', 'k', 'FIELDS', '2', 'f', 'g'], [FAR, -1]], [['HGET', 'k', 'g'], 'w']],
  },
  {
    name: 'listpack of 7.4 before its release', type: 23, version: 12, encoding: 'listpackex',
    value: rdbString(listpack(['f', 'v', FAR, 'h', 'x', FAR + 5, 'g', 'w', 0])),
    answers: [[['HPEXPIRETIME', 'k', 'FIELDS', '3', 'f', 'g', 'h'], [FAR, -1, FAR + 5]]],
  },
  {
    name: 'hash with expiries', type: 24, version: 12, encoding: 'hashtable',
    value: Buffer.concat([rdbTime(FAR), rdbLength(3), rdbLength(1), rdbString('f'), rdbString('v'.repeat(80)), rdbLength(0), rdbString('g'), rdbString('w'), rdbLength(1001), rdbString('h'), rdbString('x')]),
    answers: [[['HPEXPIRETIME', 'k', 'FIELDS', '3', 'f', 'g', 'h'], [FAR, -1, FAR + 1000]]],
  },
  {
    name: 'listpack with expiries', type: 25, version: 12, encoding: 'listpackex',
    value: Buffer.concat([rdbTime(FAR), rdbString(listpack(['f', 'v', FAR, 'g', 'w', 0]))]),
    answers: [[['HPEXPIRETIME', 'k', 'FIELDS', '2', 'f', 'g'], [FAR, -1]]],
  },
  {
    name: 'large listpack with expiries', type: 25, version: 12, encoding: 'hashtable',
    value: Buffer.concat([rdbTime(FAR), rdbString(listpack(range(600, (i) => [`f${i}`, i, FAR + i]).flat()))]),
    answers: [[['HPEXPIRETIME', 'k', 'FIELDS', '2', 'f0', 'f599'], [FAR, FAR + 599]], [['HLEN', 'k'], 600]],
  },
]; // biome-ignore format: a table

describe('values as other versions of Redis write them', () => {
  it.each(FIXTURES)('$type $name', async ({ type, value, version, encoding, answers }) => {
    const bytes = payload(type, value, version);
    expect(local.text('RESTORE', 'k', 0, bytes)).toBe('+OK\r\n');
    local.checkInvariants();
    expect(encodingOf(local, 'k')).toBe(encoding);
    for (const [command, answer] of answers ?? []) expect(local.value(...command)).toEqual(answer);
    if (type <= 19) {
      expect(await redis.call('RESTORE', 'k', 0, bytes)).toBe('OK');
      expect(local.value('DEBUG', 'DIGEST-VALUE', 'k')).toEqual(
        await redis.call('DEBUG', 'DIGEST-VALUE', 'k'),
      );
      expect(local.value('TYPE', 'k')).toBe(await redis.call('TYPE', 'k'));
    }
    // What is dumped of it is the same value.
    const dump = local.run('DUMP', 'k');
    const again = dump.subarray(dump.indexOf('\r\n') + 2, dump.length - 2);
    expect(local.text('RESTORE', 'again', 0, again)).toBe('+OK\r\n');
    const [first, second] = local.value('DEBUG', 'DIGEST-VALUE', 'k', 'again') as string[];
    expect(second).toBe(first);
    expect(again.readUInt16LE(again.length - 10)).toBe(type >= 22 ? 12 : 10);
    local.checkInvariants();
  });

  it.each([
    ['an empty list', 1, rdbLength(0)],
    ['an empty set', 2, rdbLength(0)],
    ['an empty sorted set', 5, rdbLength(0)],
    ['an empty hash', 4, rdbLength(0)],
    ['an empty zipmap', 9, rdbString(Buffer.from([0, 255]))],
    ['an empty ziplist', 10, rdbString(ziplist([]))],
    ['an empty intset', 11, rdbString(Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]))],
    ['an empty listpack', 16, rdbString(listpack([]))],
    ['empty nodes', 14, strings(ziplist([]), ziplist([]))],
    ['a set with a member twice', 2, strings('a', 'b', 'a')],
    ['a set of integers with one twice', 2, strings('1', '2', '1')],
    [
      'a sorted set with a member twice',
      5,
      Buffer.concat([rdbLength(2), rdbString('a'), float(1), rdbString('a'), float(2)]),
    ],
    [
      'a sorted set with a score that is no number',
      5,
      Buffer.concat([rdbLength(1), rdbString('a'), float(Number.NaN)]),
    ],
    ['a score of text that is no number', 3, Buffer.concat([rdbLength(1), rdbString('a'), textScore('abc')])],
    ['a hash with a field twice', 4, Buffer.concat([rdbLength(2), ...['f', 'a', 'f', 'b'].map(rdbString)])],
    ['a ziplist with a field twice', 13, rdbString(ziplist(['f', 1, 'f', 2]))],
    ['a ziplist with a field twice, in two forms', 13, rdbString(ziplist([12, 1, '12', 2]))],
    ['a field without a value', 13, rdbString(ziplist(['f', 1, 'g']))],
    ['a listpack with a member twice', 17, rdbString(listpack(['a', 1, 'a', 2]))],
    [
      'an intset out of order',
      11,
      rdbString(Buffer.from('0200000002000000050004 00'.replace(' ', ''), 'hex')),
    ],
    ['a value of a module', 7, rdbLength(1)],
    ['a type that nobody has', 8, rdbLength(1)],
    ['a plain node without bytes', 18, Buffer.concat([rdbLength(1), rdbLength(1), rdbString('')])],
    ['a node of another kind', 18, Buffer.concat([rdbLength(1), rdbLength(3), rdbString('x')])],
    [
      'a stream whose groups are cut off',
      19,
      Buffer.concat([blocks, rdbLength(3), rdbLength(200), rdbLength(1)]),
    ],
  ])('%s is refused, as there', async (_name, type, value) => {
    const bytes = payload(type, value);
    expect(await redis.callError('RESTORE', 'k', 0, bytes)).toBe('ERR Bad data format');
    expect(local.text('RESTORE', 'k', 0, bytes)).toBe('-ERR Bad data format\r\n');
    local.checkInvariants();
    expect(local.value('DBSIZE')).toBe(0);
  });

  it.each([
    ['a sorted set out of order', 17, rdbString(listpack(['a', 2, 'b', 1]))],
    ['members of the same score out of order', 17, rdbString(listpack(['b', 1, 'a', 1]))],
    ['a score that is no number', 17, rdbString(listpack(['a', 'x']))],
    ['an empty set', 20, rdbString(listpack([]))],
    ['a set with a member twice', 20, rdbString(listpack([5, '5']))],
    [
      'expiries out of order',
      25,
      Buffer.concat([rdbTime(1), rdbString(listpack(['f', 'v', 0, 'g', 'w', FAR]))]),
    ],
    ['an expiry too large', 23, rdbString(listpack(['f', 'v', 2n ** 48n]))],
    [
      'an expiry too large, in a table',
      22,
      Buffer.concat([rdbLength(1), rdbLength(2n ** 48n), rdbString('f'), rdbString('v')]),
    ],
    [
      'a stream with a wrong number of entries',
      19,
      Buffer.concat([blocks, rdbLength(2), ...[200, 1, 100, 7, 109, 16, 10, 0].map(rdbLength)]),
    ],
    [
      'a stream with an entry behind its last ID',
      19,
      Buffer.concat([blocks, rdbLength(3), ...[100, 1, 100, 7, 109, 16, 10, 0].map(rdbLength)]),
    ],
  ])('%s is refused', (_name, type, value) => {
    expect(local.text('RESTORE', 'k', 0, payload(type, value, 12))).toBe('-ERR Bad data format\r\n');
    local.checkInvariants();
    expect(local.value('DBSIZE')).toBe(0);
  });
});
