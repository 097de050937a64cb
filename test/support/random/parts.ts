// What the random commands on collections are made of: keys of one type each, members, counts, sides.
//
// Most commands name keys of their own type, now and then a key that may hold anything. Commands whose reply is defined
// for one type only (SORT BY nosort, lexicographical ranges) take `own` keys, which never hold anything else.

import fc from 'fast-check';
import { anyCase, anyKey, type Generator, integerText, type Operation, value } from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';

/** The keys of one type. */
export type Pool = {
  keys: readonly string[];
  own: fc.Arbitrary<Argument>;
  /** Mostly own keys. */
  key: fc.Arbitrary<Argument>;
  /** One to four. */
  some: fc.Arbitrary<Argument[]>;
};

function pool(name: string, count: number): Pool {
  const keys = Array.from({ length: count }, (_, i) => (i === count - 1 ? `{tag}${name}` : `${name}:${i}`));
  const own = fc.constantFrom<Argument[]>(...keys);
  const key = fc.oneof({ weight: 15, arbitrary: own }, { weight: 1, arbitrary: anyKey });
  return { keys, own, key, some: fc.array(key, { minLength: 1, maxLength: 4 }) };
}

export const lists = pool('list', 5);
export const hashes = pool('hash', 5);
export const sets = pool('set', 6);
export const sortedSets = pool('zset', 6);
/** Sorted sets in which all scores are the same. */
export const lexSets = pool('lex', 3);
export const streams = pool('stream', 4);
export const geoSets = pool('geo', 3);

export const POOLS: readonly Pool[] = [lists, hashes, sets, sortedSets, lexSets, streams, geoSets];

/** A key of any pool. */
export const pooledKey: fc.Arbitrary<Argument> = fc.constantFrom(...POOLS.flatMap((one) => one.keys));

/** Members and fields: a few that come again and again, integers, and anything. */
export const member: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 24 }).map((n) => `m${n}`) },
  { weight: 4, arbitrary: fc.integer({ min: -9, max: 30 }).map(String) },
  { weight: 1, arbitrary: fc.constantFrom(63, 64, 65, 200).map((n) => 'x'.repeat(n)) },
  { weight: 2, arbitrary: value },
);

export const someMembers: fc.Arbitrary<Argument[]> = fc.array(member, { minLength: 1, maxLength: 6 });

/** So many members that values leave their small encodings; now and then so many that work on them goes to a worker. */
export const manyMembers: fc.Arbitrary<Argument[]> = fc
  .tuple(
    fc.constantFrom('m', 'e', ''),
    fc.integer({ min: 0, max: 400 }),
    fc.oneof(
      { weight: 20, arbitrary: fc.integer({ min: 60, max: 300 }) },
      { weight: 1, arbitrary: fc.integer({ min: 1500, max: 4000 }) },
    ),
  )
  .map(([prefix, from, count]) => Array.from({ length: count }, (_, i) => `${prefix}${from + i}`));

/** How many: usual, none, negative, and what is no number. */
export const count: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 8 }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom('30', '1000') },
  { weight: 1, arbitrary: integerText },
);

export const side: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 10, arbitrary: anyCase('LEFT') },
  { weight: 10, arbitrary: anyCase('RIGHT') },
  { weight: 1, arbitrary: fc.constantFrom('MIDDLE', '', 'LEF') },
);

/** Time-outs in seconds that are soon over. Never 0: that is for ever. */
export const timeout: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('0.001', '0.004', '0.01') },
  { weight: 1, arbitrary: fc.constantFrom('-1', 'x', '', '-0.002') },
);

/** numkeys and the keys; now and then a number that does not fit. */
export function counted(keys: fc.Arbitrary<Argument[]>): fc.Arbitrary<Argument[]> {
  return fc
    .tuple(keys, fc.integer({ min: 0, max: 49 }))
    .map(([list, odd]) => [
      odd === 0
        ? String(list.length + 1)
        : odd === 1
          ? '0'
          : odd === 2
            ? '-1'
            : odd === 3
              ? 'x'
              : String(list.length),
      ...list,
    ]);
}

/** Options in any order, each from one of the generators; few of them. */
export function options(
  max: number,
  ...choices: readonly fc.Arbitrary<Argument | readonly Argument[]>[]
): fc.Arbitrary<Argument[]> {
  return fc.array(fc.oneof(...choices), { maxLength: max }).map((list) => list.flat() as Argument[]);
}

/** The arguments, or none. */
export function maybe(
  args: fc.Arbitrary<Argument | readonly Argument[]>,
  weight = 1,
): fc.Arbitrary<Argument[]> {
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant<Argument[]>([]) },
    { weight, arbitrary: args.map((list) => (Array.isArray(list) ? [...list] : [list]) as Argument[]) },
  );
}

/** A command that is never broken: what it does would have no defined result then. */
export function whole(
  args: fc.Arbitrary<Argument[]>,
  more: Omit<Operation, 'args'> | ((args: Argument[]) => Omit<Operation, 'args'>) = {},
): Generator {
  return args.map((list) => [{ args: list, ...(typeof more === 'function' ? more(list) : more) }]);
}

/** Patterns for members. */
export const memberPattern = fc.constantFrom('*', 'm*', '?', '*1*', '[^m]*', 'm1[0-4]', 'nothing', '');

/** A whole iteration over a value: HSCAN and its like. */
export function scanOf(name: string, keys: Pool): Generator {
  const option = fc.oneof(
    fc.tuple(anyCase('MATCH'), memberPattern),
    fc.tuple(anyCase('COUNT'), fc.constantFrom('1', '3', '10', '1000', '0', '-1', 'x')),
    fc.constant(['TYPE', 'list'] as [string, string]),
  );
  return fc
    .tuple(keys.key, fc.array(option, { maxLength: 2 }))
    .map(([key, list]) => [{ args: list.flat(), scanAll: true, scan: [name, key] }]);
}
