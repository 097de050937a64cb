// Random commands on keys as such, over the keys of the collections; DEBUG's looks at values; settings that decide how values
// are stored.

import fc from 'fast-check';
import { type Comparison, exact, near, sameType } from '../comparisons.ts';
import {
  absoluteMilliseconds,
  anyCase,
  anyKey,
  command,
  type FollowUp,
  type Generator,
  relativeSeconds,
  single,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import type { Reply } from '../resp-parser.ts';
import { hashes, lexSets, POOLS, pooledKey, sortedSets, whole } from './parts.ts';

/** Two keys of one pool; or a key of a pool, and one that may hold anything. */
const twoKeys: fc.Arbitrary<Argument[]> = fc.oneof(
  ...POOLS.map((pool) => ({
    weight: 3,
    arbitrary: fc.tuple(pool.own, pool.own).map((pair): Argument[] => pair),
  })),
  { weight: 2, arbitrary: fc.tuple(pooledKey, anyKey).map((pair): Argument[] => pair) },
);
/** Sorted sets of one score must stay what they are. */
const database = fc.constantFrom('0', '1', '2');

const keyCommands: Generator = weighted(
  [3, single(command('DEL', pooledKey))],
  [2, single(command('UNLINK', pooledKey))],
  [3, single(command('EXISTS', pooledKey, pooledKey))],
  [3, single(command('TYPE', pooledKey))],
  [2, single(command('EXPIRE', pooledKey, relativeSeconds))],
  [2, single(command('PEXPIREAT', pooledKey, absoluteMilliseconds))],
  [2, single(command('PERSIST', pooledKey))],
  [3, single(command('TTL', pooledKey), near(20))],
  [4, whole(command('RENAME', twoKeys))],
  [2, whole(command('RENAMENX', twoKeys))],
  [5, whole(command('COPY', twoKeys, anyCase('REPLACE')))],
  [2, whole(command('COPY', twoKeys, anyCase('DB'), database, anyCase('REPLACE')))],
  [1, single(command('MOVE', pooledKey, database))],
  [1, single(command('TOUCH', pooledKey))],
  [8, single(command('OBJECT', anyCase('ENCODING'), pooledKey))],
  [1, single(command('OBJECT', anyCase('REFCOUNT'), pooledKey))],
  [1, single(command('OBJECT', anyCase('IDLETIME'), pooledKey), near(20))],
  [2, single(command('MEMORY', anyCase('USAGE'), pooledKey), sameType)],
);

/** DEBUG OBJECT without addresses and times; of lists and streams, whose formats newer versions changed, that they are there. */
const debugObject: Comparison = (left, right) =>
  exact(left, right) ||
  lastingFacts(left) === lastingFacts(right) ||
  (/encoding:(quicklist|stream) /.test(String(right.bytes)) && left.type === right.type);

function lastingFacts(reply: Reply): string {
  return String(reply.bytes).replace(
    /Value at:\S+|lru:\d+|lru_seconds_idle:\d+|encoding:listpack serializedlength:\d+/g,
    '',
  );
}

/** A look that two servers only agree on where the value is stored in one way on both. */
function whenEncoded(
  key: Argument,
  encoding: string,
  then: FollowUp,
): (left: Reply, right: Reply) => FollowUp[] {
  return (left, right) =>
    String(left.bytes) === encoding && String(right.bytes) === encoding && key !== '' ? [then] : [];
}

const debugListpack: Generator = fc.oneof(hashes.own, sortedSets.own, lexSets.own).map((key) => [
  {
    args: ['OBJECT', 'ENCODING', key],
    follow: whenEncoded(key, 'listpack', { args: ['DEBUG', 'LISTPACK', key] }),
  },
]);
const notListpack: Generator = fc.oneof(hashes.own, sortedSets.own).map((key) => [
  {
    args: ['OBJECT', 'ENCODING', key],
    follow: (left, right) =>
      ['hashtable', 'skiplist'].includes(String(left.bytes)) && exact(left, right)
        ? [{ args: ['DEBUG', 'LISTPACK', key] }]
        : [],
  },
]);

const debugCommands: Generator = weighted(
  [6, single(command('DEBUG', anyCase('DIGEST-VALUE'), fc.array(pooledKey, { minLength: 1, maxLength: 4 })))],
  [3, whole(command('DEBUG', anyCase('OBJECT'), pooledKey), { compare: debugObject })],
  [2, debugListpack],
  [1, notListpack],
  [1, whole(command('DEBUG', fc.constant('LISTPACK'), fc.constant('missing')))],
  [
    1,
    whole(
      command(
        'DEBUG',
        fc.constant('QUICKLIST-PACKED-THRESHOLD'),
        fc.constantFrom('0', '200b', '50b', '1k', '0', '9gb', 'x'),
      ),
    ),
  ],
);

/** Settings by which values are stored; both servers get the same. The first value is Redis's default. */
export const STORAGE_SETTINGS: readonly (readonly [string, ...string[]])[] = [
  ['list-max-listpack-size', '-2', '-1', '4', '1', '128'],
  ['list-compress-depth', '0', '1', '2'],
  ['hash-max-listpack-entries', '128', '4', '16'],
  ['hash-max-listpack-value', '64', '10'],
  ['set-max-intset-entries', '512', '8'],
  ['zset-max-listpack-entries', '128', '4', '16'],
  ['zset-max-listpack-value', '64', '10'],
  ['stream-node-max-entries', '100', '3', '10', '0'],
  ['stream-node-max-bytes', '4096', '100', '0'],
];

const settings: Generator = fc
  .constantFrom(...STORAGE_SETTINGS)
  .chain(([name, ...values]) =>
    fc.constantFrom(...values).map((setting) => [{ args: ['CONFIG', 'SET', name, setting] }]),
  );

export const collectionKeyCommands: Generator = weighted(
  [30, keyCommands],
  [8, debugCommands],
  [2, settings],
);

/** Errors of commands that look at values of any type: all commands of a family on one of another. */
export const wrongType: Generator = fc
  .tuple(
    fc.constantFrom<Argument[][]>(
      ['LLEN'],
      ['HLEN'],
      ['SCARD'],
      ['ZCARD'],
      ['XLEN'],
      ['GET'],
      ['PFCOUNT'],
      ['STRLEN'],
      ['GEOPOS', 'm'],
      ['HGETALL'],
      ['SMEMBERS'],
      ['LRANGE', '0', '-1'],
      ['XRANGE', '-', '+'],
    ),
    pooledKey,
  )
  .map(([words, key]) => [{ args: [words[0]!, key, ...words.slice(1)] as Argument[] }])
  .filter(([operation]) => !isSetOrHash(operation!.args));

/** Replies in no defined order are compared elsewhere. */
function isSetOrHash(args: readonly Argument[]): boolean {
  const name = String(args[0]);
  const key = String(args[1]);
  return (name === 'HGETALL' && key.includes('hash')) || (name === 'SMEMBERS' && key.includes('set'));
}
