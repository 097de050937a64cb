// Random set commands. Members are integers, texts and what looks like integers but is none, so that sets change their
// encoding often.
//
// What is random by nature (SPOP, SRANDMEMBER of some) is compared by its shape, and the key is deleted after it, since
// the two servers hold different members then.

import fc from 'fast-check';
import { type Comparison, deeplyUnordered, exact, ignored, sameType, unordered } from './comparisons.ts';
import {
  anyCase,
  anyKey,
  command,
  type Generator,
  integerText,
  type Operation,
  single,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

/** The same number of elements. */
const sameLength: Comparison = (left, right) =>
  sameType(left, right) && left.items?.length === right.items?.length;

const smallInteger = fc.integer({ min: -20, max: 40 }).map(String);

export const setMember: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: smallInteger, weight: 8 },
  { arbitrary: fc.integer({ min: 0, max: 60 }).map((n) => `m${n}`), weight: 4 },
  { arbitrary: fc.integer({ min: -100_000, max: 100_000 }).map(String), weight: 2 },
  { arbitrary: integerText, weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes)), weight: 1 },
  { arbitrary: fc.constantFrom(63, 64, 65, 300).map((n) => 'x'.repeat(n)), weight: 1 },
);

/** Mostly integers only, so that intsets live for a while. */
const members: fc.Arbitrary<Argument[]> = fc.oneof(
  { arbitrary: fc.array(smallInteger, { minLength: 1, maxLength: 8 }), weight: 3 },
  { arbitrary: fc.array(setMember, { minLength: 1, maxLength: 8 }), weight: 2 },
);

const keys: fc.Arbitrary<Argument[]> = fc.array(anyKey, { minLength: 1, maxLength: 4 });

const keyCount: fc.Arbitrary<Argument[]> = fc
  .tuple(keys, fc.integer({ min: 0, max: 19 }))
  .map(([list, odd]) => [
    odd === 0 ? String(list.length + 1) : odd === 1 ? '0' : String(list.length),
    ...list,
  ]);

const limit: fc.Arbitrary<Argument[]> = fc.oneof(
  { arbitrary: fc.constant<Argument[]>([]), weight: 3 },
  {
    arbitrary: fc
      .tuple(anyCase('LIMIT'), fc.oneof(fc.integer({ min: -1, max: 20 }).map(String), integerText))
      .map((pair): Argument[] => pair),
    weight: 2,
  },
);

/** A command with all its arguments: without one of them it would do something random. */
function whole(args: fc.Arbitrary<Argument[]>, compare: Comparison): Generator {
  return args.map((list) => [{ args: list, compare }]);
}

/** A command after whose random effect the key goes. */
function thenDeleted(args: fc.Arbitrary<Argument[]>, compare: Comparison): Generator {
  return args.map((list): Operation[] => [
    { args: list, compare },
    { args: ['DEL', list[1] ?? ''], compare: ignored },
  ]);
}

/** All members and more, and what is no count. */
const largeCount = fc.constantFrom('1000', '100000', '0', '-0', 'x', '');
/** Below the size of most sets, and refused. */
const someCount = fc.oneof(
  fc.integer({ min: -3, max: 12 }).map(String),
  integerText.filter((n) => n.length < 3),
);
const fewRandom = fc.constantFrom('1', '2', '-1', '-7', '-200', '0', '9223372036854775808', 'x');

export const setCommands: Generator = weighted(
  [30, single(command('SADD', anyKey, members))],
  [12, single(command('SREM', anyKey, members))],
  [10, single(command('SMEMBERS', anyKey), unordered)],
  [6, single(command('SISMEMBER', anyKey, setMember))],
  [6, single(command('SMISMEMBER', anyKey, members))],
  [4, single(command('SCARD', anyKey))],
  [10, single(command('SMOVE', anyKey, anyKey, setMember))],
  [3, thenDeleted(command('SPOP', anyKey), sameType)],
  [3, thenDeleted(command('SPOP', anyKey, someCount), sameLength)],
  [3, whole(command('SPOP', anyKey, largeCount), unordered)],
  [1, whole(command('SPOP', anyKey, largeCount, anyKey), exact)],
  [2, whole(command('SRANDMEMBER', anyKey), sameType)],
  [1, whole(command('SRANDMEMBER', anyKey, fewRandom, anyKey), exact)],
  [4, whole(command('SRANDMEMBER', anyKey, fewRandom), sameLength)],
  [2, whole(command('SRANDMEMBER', anyKey, fc.constant('1000')), unordered)],
  [8, single(command('SINTER', keys), unordered)],
  [8, single(command('SINTERSTORE', anyKey, keys))],
  [6, single(command('SINTERCARD', keyCount, limit))],
  [8, single(command('SUNION', keys), unordered)],
  [8, single(command('SUNIONSTORE', anyKey, keys))],
  [8, single(command('SDIFF', keys), unordered)],
  [8, single(command('SDIFFSTORE', anyKey, keys))],
  // Versions of Redis differ in what they take for a cursor, so that it is never broken here.
  [
    4,
    whole(
      command('SSCAN', anyKey, fc.constant('0'), fc.constant('COUNT'), fc.constant('10000')),
      deeplyUnordered,
    ),
  ],
  [
    4,
    whole(
      command(
        'SSCAN',
        anyKey,
        fc.constantFrom('0', '00', 'x'),
        fc.constantFrom<Argument[]>(
          ['MATCH', '*', 'COUNT', '10000'],
          ['COUNT', '10000', 'match', 'm*'],
          ['MATCH', '[0-9]', 'COUNT', '5000'],
          ['COUNT', '0'],
          ['COUNT', 'x'],
          ['COUNT'],
          ['MATCH', 'x', 'MATCH'],
          ['TYPE', 'set'],
        ),
      ),
      deeplyUnordered,
    ),
  ],
);
