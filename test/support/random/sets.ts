// Random commands on sets.
//
// What SPOP and SRANDMEMBER draw differs between the servers. Draws are checked by what must hold of them; after SPOP
// the oracle is given back what it popped, and loses what Sabre popped, so that both hold the same set again.

import fc from 'fast-check';
import { ignored, isNull, unordered } from '../comparisons.ts';
import {
  anyCase,
  command,
  type FollowUp,
  type Generator,
  integerText,
  single,
  value,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError, type Reply } from '../resp-parser.ts';
import { count, counted, manyMembers, maybe, member, scanOf, sets, someMembers, whole } from './parts.ts';
import { distinct, sameSize } from './properties.ts';

const key = sets.key;
/** Integers only, so that intsets live for a while. */
const integers: fc.Arbitrary<Argument[]> = fc.array(
  fc.oneof(
    { weight: 12, arbitrary: fc.integer({ min: -9, max: 40 }).map(String) },
    { weight: 2, arbitrary: fc.integer({ min: -70_000, max: 70_000 }).map(String) },
    { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) },
  ),
  { minLength: 1, maxLength: 6 },
);
const manyIntegers: fc.Arbitrary<Argument[]> = fc
  .tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: 100, max: 600 }))
  .map(([from, size]) => Array.from({ length: size }, (_, i) => String(from + i)));
const members = fc.oneof(integers, someMembers);

/** What a draw gave, as bytes. */
function drawn(reply: Reply): Buffer[] {
  if (isError(reply) || isNull(reply)) return [];
  return (reply.items ?? [reply]).map((item) => item.bytes!);
}

/** The set on the oracle becomes Sabre's. */
function putInStep(args: readonly Argument[], left: Reply, right: Reply): readonly FollowUp[] | string {
  const [mine, theirs] = [drawn(left), drawn(right)];
  if (!distinct(mine)) return 'a member was popped twice';
  if (theirs.length === 0 || unordered(left, right)) return [];
  const key = args[1]!;
  return [
    // Those popped here were members, or the oracle would not have them.
    { args: ['PING'], redis: ['SADD', key, ...theirs], compare: ignored },
    {
      args: ['SMISMEMBER', key, ...mine],
      redis: ['SMISMEMBER', key, ...mine],
      compare: (gone, present) =>
        gone.items!.every((item) => item.bytes!.toString() === '0') &&
        present.items!.every((item) => item.bytes!.toString() === '1'),
    },
    { args: ['PING'], redis: ['SREM', key, ...mine], compare: ignored },
    // What left, and what came back, may have changed the encoding: the union makes it that of the members.
    { args: ['SUNIONSTORE', key, key] },
  ];
}

/** All that were drawn are members. */
function areMembers(args: readonly Argument[], left: Reply, right: Reply): readonly FollowUp[] | string {
  const [mine, theirs] = [drawn(left), drawn(right)];
  if (theirs.length === 0) return [];
  if (!String(args[2] ?? '1').startsWith('-') && !distinct(mine)) return 'a member was returned twice';
  return [
    {
      args: ['SMISMEMBER', args[1]!, ...mine],
      redis: ['SMISMEMBER', args[1]!, ...theirs],
      compare: (one) => one.items!.every((item) => item.bytes!.toString() === '1'),
    },
  ];
}

const popped = (args: fc.Arbitrary<Argument[]>): Generator =>
  whole(args, (list) => ({ compare: sameSize, follow: (left, right) => putInStep(list, left, right) }));
const draw = (args: fc.Arbitrary<Argument[]>): Generator =>
  whole(args, (list) => ({ compare: sameSize, follow: (left, right) => areMembers(list, left, right) }));
const drawCount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: -12, max: 12 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('1000', '-300', '0', '-0', 'x', '9223372036854775807') },
);
const popCount = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 9 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom('150', '1000', '-1', 'x', '', '9223372036854775807') },
);

const limit = maybe(
  command('LIMIT', fc.oneof({ weight: 5, arbitrary: count }, { weight: 1, arbitrary: integerText })),
);

export const setCommands: Generator = weighted(
  [16, single(command('SADD', key, members))],
  [2, single(command('SADD', sets.own, manyIntegers))],
  [1, single(command('SADD', sets.own, manyMembers))],
  [7, single(command('SREM', key, members))],
  [2, single(command('SREM', sets.own, fc.oneof(manyIntegers, manyMembers)))],
  [6, single(command('SMEMBERS', key), unordered)],
  [4, single(command('SISMEMBER', key, member))],
  [4, single(command('SMISMEMBER', key, members))],
  [4, single(command('SCARD', key))],
  [6, single(command('SMOVE', key, key, member))],
  [3, popped(command('SPOP', key))],
  [3, popped(command('SPOP', key, popCount))],
  [1, whole(command('SPOP', key, count, value))],
  [2, draw(command('SRANDMEMBER', key))],
  [3, draw(command('SRANDMEMBER', key, drawCount))],
  [1, whole(command('SRANDMEMBER', key, count, value))],
  [5, single(command('SINTER', sets.some), unordered)],
  [4, single(command('SINTERSTORE', key, sets.some))],
  [4, single(command('SINTERCARD', counted(sets.some), limit))],
  [4, single(command('SUNION', sets.some), unordered)],
  [4, single(command('SUNIONSTORE', key, sets.some))],
  [4, single(command('SDIFF', sets.some), unordered)],
  [4, single(command('SDIFFSTORE', key, sets.some))],
  [1, single(command('SINTERCARD', counted(sets.some), anyCase('LIMITS')))],
  [3, scanOf('SSCAN', sets)],
);
