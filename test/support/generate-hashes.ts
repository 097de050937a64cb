// Random hash commands of Redis 7.0. Names are few, so that fields are met again; values are texts and numbers, some of
// them too long for a listpack.
//
// What is random by nature (HRANDFIELD of some) is compared by its shape.

import fc from 'fast-check';
import {
  type Comparison,
  deeplyUnordered,
  exact,
  sameType,
  unordered,
  unorderedPairs,
} from './comparisons.ts';
import {
  anyCase,
  anyKey,
  command,
  floatText,
  type Generator,
  integerText,
  single,
  value,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

/** The same number of elements. */
const sameLength: Comparison = (left, right) =>
  sameType(left, right) && left.items?.length === right.items?.length;

export const hashField: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 24 }).map((n) => `f${n}`), weight: 8 },
  { arbitrary: fc.integer({ min: -3, max: 9 }).map(String), weight: 3 },
  { arbitrary: integerText, weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
  { arbitrary: fc.constantFrom(63, 64, 65, 300).map((n) => 'n'.repeat(n)), weight: 1 },
);

/** Mostly short: a long value makes a hash table for good. */
const hashValue: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: fc.integer({ min: -1000, max: 1000 }).map(String), weight: 6 },
  { arbitrary: fc.string({ maxLength: 20 }), weight: 4 },
  { arbitrary: fc.constantFrom('', '0', '1', '0.5', '10', '127', '128', '-4096', '4095'), weight: 3 },
  { arbitrary: value, weight: 2 },
);

const pairs: fc.Arbitrary<Argument[]> = fc
  .array(fc.tuple(hashField, hashValue), { minLength: 1, maxLength: 6 })
  .map((list) => list.flat());
const fields: fc.Arbitrary<Argument[]> = fc.array(hashField, { minLength: 1, maxLength: 6 });
const increment = fc.oneof(
  { arbitrary: fc.integer({ min: -100, max: 100 }).map(String), weight: 3 },
  { arbitrary: integerText, weight: 1 },
);

/** A command with all its arguments: without one of them it would do something random. */
function whole(args: fc.Arbitrary<Argument[]>, compare: Comparison): Generator {
  return args.map((list) => [{ args: list, compare }]);
}

const withValues: fc.Arbitrary<Argument[]> = fc.oneof(
  fc.constant<Argument[]>([]),
  anyCase('WITHVALUES').map((word): Argument[] => [word]),
);

export const hashCommands: Generator = weighted(
  [30, single(command('HSET', anyKey, pairs))],
  [4, single(command('HMSET', anyKey, pairs))],
  [6, single(command('HSETNX', anyKey, hashField, hashValue))],
  [10, single(command('HGET', anyKey, hashField))],
  [8, single(command('HMGET', anyKey, fields))],
  [10, single(command('HGETALL', anyKey), unorderedPairs)],
  [3, single(command('HKEYS', anyKey), unordered)],
  [3, single(command('HVALS', anyKey), unordered)],
  [4, single(command('HLEN', anyKey))],
  [4, single(command('HSTRLEN', anyKey, hashField))],
  [4, single(command('HEXISTS', anyKey, hashField))],
  [14, single(command('HDEL', anyKey, fields))],
  [10, single(command('HINCRBY', anyKey, hashField, increment))],
  [8, single(command('HINCRBYFLOAT', anyKey, hashField, floatText))],
  [2, whole(command('HRANDFIELD', anyKey), sameType)],
  [
    4,
    whole(
      command('HRANDFIELD', anyKey, fc.constantFrom('1', '-1', '-7', '3', '-40'), withValues),
      sameLength,
    ),
  ],
  [2, whole(command('HRANDFIELD', anyKey, fc.constant('1000'), withValues), deeplyUnordered)],
  [
    2,
    whole(
      command(
        'HRANDFIELD',
        anyKey,
        fc.constantFrom('0', 'x', '9223372036854775808', '-9223372036854775808', ''),
        withValues,
      ),
      exact,
    ),
  ],
  [1, whole(command('HRANDFIELD', anyKey, fc.constantFrom('1', '-1', 'x'), anyKey), exact)],
  // Versions of Redis differ in what they take for a cursor, so that it is never broken here.
  [
    4,
    whole(
      command('HSCAN', anyKey, fc.constant('0'), fc.constant('COUNT'), fc.constant('10000')),
      deeplyUnordered,
    ),
  ],
  [
    4,
    whole(
      command(
        'HSCAN',
        anyKey,
        fc.constantFrom('0', '00', 'x'),
        fc.constantFrom<Argument[]>(
          ['MATCH', '*', 'COUNT', '10000'],
          ['COUNT', '10000', 'match', 'f*'],
          ['MATCH', '[0-9]', 'COUNT', '5000'],
          ['COUNT', '0'],
          ['COUNT', 'x'],
          ['COUNT'],
          ['MATCH', 'x', 'MATCH'],
          ['TYPE', 'hash'],
        ),
      ),
      deeplyUnordered,
    ),
  ],
);
