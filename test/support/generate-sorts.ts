// Random SORT commands, with the lists, sets and sorted sets that they sort, and the keys that their patterns name.
//
// Where Redis's order is not defined (equal texts in a set or a sorted set, a set that keeps its order) replies are
// compared in any order, or the command is not generated.

import fc from 'fast-check';
import { unordered } from './comparisons.ts';
import { anyCase, breakable, type Generator, type Operation, weighted } from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

const LISTS = ['list:1', 'list:2', '{tag}list'] as const;
const SETS = ['set:1', 'set:2'] as const;
const ZSETS = ['zset:1', 'zset:2'] as const;
/** Elements that keys are named after. */
const ELEMENTS = 40;

const list = fc.constantFrom<Argument>(...LISTS, 'string', 'none');
const bag = fc.constantFrom<Argument>(...SETS, ...ZSETS);
const target = fc.constantFrom<Argument>('to', 'list:3', 'string', ...LISTS);

/**
 * Numbers, what strtod takes for numbers, and what it does not. What is out of range is not among it: after that,
 * Redis 7.0 refuses good numbers, too, till something else sets errno.
 */
const number: fc.Arbitrary<Argument> = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: ELEMENTS }).map(String), weight: 40 },
  { arbitrary: fc.integer({ min: -300, max: 300 }).map((n) => String(n / 4)), weight: 5 },
  {
    arbitrary: fc.constantFrom<Argument>('', ' 7', '+7', '0x10', 'inf', '-inf', '1e3', '7\0x', '-0'),
    weight: 1,
  },
);
/** For sets, whose equal texts have no order: none with a NUL. */
const plainNumber = number.filter((each) => !String(each).includes('\0'));
const noNumber: fc.Arbitrary<Argument> = fc.constantFrom('x', '1 ', ' ', 'nan', '0x');
const text: fc.Arbitrary<Argument> = fc.oneof(
  fc.constantFrom<Argument>(
    'a',
    'A',
    'b',
    'ab',
    'a\0b',
    'a\0c',
    '',
    'abcdefg',
    'abcdefh',
    'abcdef',
    'Ä',
    '10',
    '9',
  ),
  fc.array(fc.constantFrom(0, 97, 98, 255), { maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
);

const elements = (element: fc.Arbitrary<Argument>, max: number): fc.Arbitrary<Argument[]> =>
  fc.array(element, { minLength: 1, maxLength: max });

const run = (args: fc.Arbitrary<Argument[]>): Generator => args.map((each): Operation[] => [{ args: each }]);

const fill: Generator = weighted(
  [6, run(fc.tuple(list, elements(number, 60)).map(([key, values]) => ['RPUSH', key, ...values]))],
  [1, run(fc.tuple(list, elements(noNumber, 2)).map(([key, values]) => ['RPUSH', key, ...values]))],
  [2, run(fc.tuple(list, elements(text, 20)).map(([key, values]) => ['LPUSH', key, ...values]))],
  [3, run(list.map((key) => ['DEL', key]))],
  [
    2,
    run(
      fc
        .tuple(fc.constantFrom<Argument>(...SETS), elements(plainNumber, 30))
        .map(([key, values]) => ['SADD', key, ...values]),
    ),
  ],
  [
    2,
    run(
      fc
        .tuple(
          fc.constantFrom<Argument>(...ZSETS),
          fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), plainNumber), { minLength: 1 }),
        )
        .map(([key, pairs]) => ['ZADD', key, ...pairs.flatMap(([score, member]) => [String(score), member])]),
    ),
  ],
  [1, run(bag.map((key) => ['DEL', key]))],
);

const name = fc.integer({ min: 0, max: ELEMENTS }).map(String);
/** Weights, many alike; ranks, each once; hashes with both. */
const weigh: Generator = weighted(
  [4, run(fc.tuple(name, fc.integer({ min: 0, max: 5 })).map(([n, w]) => ['SET', `weight:${n}`, String(w)]))],
  [2, run(fc.tuple(name, text).map(([n, w]) => ['SET', `text:${n}`, w]))],
  [2, run(name.map((n) => ['SET', `rank:${n}`, `r${n.padStart(3, '0')}`]))],
  [
    3,
    run(
      fc
        .tuple(name, fc.integer({ min: 0, max: 5 }), text)
        .map(([n, w, t]) => ['HSET', `object:${n}`, 'weight', String(w), 'text', t]),
    ),
  ],
  [1, run(name.map((n) => ['DEL', `weight:${n}`]))],
  [1, run(name.map((n) => ['RPUSH', `weight:${n}x`, 'no string']))],
);

const option = (word: string, ...rest: Argument[]): fc.Arbitrary<Argument[]> =>
  anyCase(word).map((each) => [each, ...rest]);

const limit = fc
  .tuple(
    fc.oneof(fc.integer({ min: -3, max: 50 }).map(String), fc.constantFrom('9223372036854775807', 'x')),
    fc.oneof(fc.integer({ min: -2, max: 30 }).map(String), fc.constantFrom('-9223372036854775808', '')),
  )
  .map(([offset, count]): Argument[] => ['LIMIT', offset, count]);

const direction = fc.oneof(option('ASC'), option('DESC'));
const get = fc.constantFrom<Argument[]>(
  ['GET', '#'], ['get', 'weight:*'], ['GET', 'object:*->text'], ['GET', 'object:*->none'], ['GET', 'text:*'],
  ['GET', 'constant'], ['GET', 'object:*->'], ['GET', 'weight:*x'], ['GET', '*'],
); // biome-ignore format: a table
/** Patterns that give many elements the same value. */
const byTied = fc.constantFrom<Argument[]>(
  ['BY', 'weight:*'], ['by', 'object:*->weight'], ['BY', 'text:*'], ['BY', 'object:*->text'], ['BY', 'none:*'],
  ['BY', 'constant'], ['BY', 'nosort'], ['BY', '#'],
); // biome-ignore format: a table
const store = target.map((key): Argument[] => ['STORE', key]);

function options(...choices: readonly fc.Arbitrary<Argument[]>[]): fc.Arbitrary<Argument[]> {
  return fc.array(fc.oneof(...choices), { maxLength: 4 }).map((parts) => parts.flat());
}

const sortList = fc
  .tuple(
    fc.constantFrom('SORT', 'SORT', 'sort_ro'),
    list,
    options(option('ALPHA'), direction, limit, get, byTied, store),
  )
  .map(([word, key, rest]): Argument[] => [word, key, ...rest]);

/** Of numbers, by themselves or by what is unique; or as texts. */
const sortBag = fc
  .tuple(
    bag,
    options(direction, limit, get, store),
    fc.constantFrom<Argument[]>([], [], ['ALPHA'], ['BY', 'weight:*'], ['BY', 'object:*->weight']),
  )
  .map(([key, rest, by]): Argument[] => ['SORT', key, ...rest, ...by]);

const sortZSetAsItIs = fc
  .tuple(
    fc.constantFrom<Argument>(...ZSETS),
    options(direction, limit, get, store),
    fc.constant(['BY', 'nosort']),
  )
  .map(([key, rest, by]): Argument[] => ['SORT', key, ...rest, ...by]);

const sortSetAsItIs: Generator = fc
  .tuple(fc.constantFrom<Argument>(...SETS), options(direction), fc.constant(['BY', 'nosort']))
  .map(([key, rest, by]) => [{ args: ['SORT', key, ...rest, ...by], compare: unordered }]);

const storeSetAsItIs = fc
  .tuple(fc.constantFrom<Argument>(...SETS), options(direction, limit, get), target)
  .map(([key, rest, to]): Argument[] => ['SORT', key, ...rest, 'BY', 'nosort', 'STORE', to]);

export const sortCommands: Generator = weighted(
  [20, fill],
  [12, weigh],
  [25, run(breakable(sortList))],
  [12, run(sortBag)],
  [4, run(sortZSetAsItIs)],
  [2, sortSetAsItIs],
  [2, run(storeSetAsItIs)],
);
