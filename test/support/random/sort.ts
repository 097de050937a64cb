// Random SORT and SORT_RO, with keys to sort by and to get.
//
// Where keys to sort by are equal, Redis compares the elements, but for texts: there their order before decides, which is defined
// for lists only (a sorted set is read in the order of its hash table, too, unless BY nosort says otherwise).

import fc from 'fast-check';
import { unordered } from '../comparisons.ts';
import {
  anyCase,
  command,
  type Generator,
  integerText,
  single,
  value,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { isError } from '../resp-parser.ts';
import { lists, maybe, options, sets, sortedSets, whole } from './parts.ts';

/** Elements of the sets and lists above, for which there are keys to sort by. */
const ELEMENTS = ['a', 'b', 'c', '1', '2', '-3', '10', 'm1', 'm2', 'm3', '5', '7'];
const element = fc.constantFrom(...ELEMENTS);
const word = (text: string): fc.Arbitrary<Argument> => anyCase(text);

const number = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -20, max: 20 }).map((n) => String(n / 4)) },
  { weight: 1, arbitrary: fc.constantFrom('inf', '1e3', 'x', '') },
);
const setUp: Generator = weighted(
  [
    4,
    single(
      command(
        'SET',
        element.map((name) => `w_${name}`),
        number,
      ),
    ),
  ],
  [
    2,
    single(
      command(
        'SET',
        element.map((name) => `t_${name}`),
        value,
      ),
    ),
  ],
  [
    3,
    single(
      command(
        'HSET',
        element.map((name) => `o_${name}`),
        fc.constant('rank'),
        number,
        fc.constant('text'),
        value,
      ),
    ),
  ],
  [
    1,
    single(
      command(
        'DEL',
        element.map((name) => `w_${name}`),
      ),
    ),
  ],
  [
    1,
    whole(
      command(
        'RPUSH',
        lists.own,
        fc.array(fc.integer({ min: -20, max: 20 }).map(String), { minLength: 3, maxLength: 9 }),
      ),
    ),
  ],
);

const numeric = command('BY', fc.constantFrom('w_*', 'o_*->rank', 'missing_*'));
const textual = command('BY', fc.constantFrom('t_*', 'o_*->text', 'o_*->missing', 'o_*->'));
const none = command('BY', fc.constantFrom('nosort', 'none', '', 'w_1'));
const get = command(
  'GET',
  fc.constantFrom('#', 'w_*', 't_*', 'o_*->text', 'o_*->rank', 'missing_*', 'fixed', '*->', 'o_*->'),
);
const limit = command(
  'LIMIT',
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('0', '1', '3', '-1') },
    { weight: 1, arbitrary: integerText },
  ),
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('1', '4', '-1', '0', '100') },
    { weight: 1, arbitrary: integerText },
  ),
);
const order = fc.oneof(word('ASC'), word('DESC'));
const alpha = word('ALPHA').map((text): Argument[] => [text]);
const gets = fc.array(get, { maxLength: 2 }).map((list) => list.flat());

/** Sorting as it is defined for any type. */
const defined = fc
  .tuple(maybe(numeric), maybe(limit), gets, maybe(order))
  .map((parts) => parts.flat() as Argument[]);
const byElement = fc
  .tuple(alpha, maybe(limit), gets, maybe(order))
  .map((parts) => parts.flat() as Argument[]);
/** Sorting of what has an order already. */
const ordered = (by: fc.Arbitrary<Argument[]>) =>
  fc.tuple(by, maybe(alpha), maybe(limit), gets, maybe(order)).map((parts) => parts.flat() as Argument[]);

const anySource = fc.oneof(lists.own, sets.own, sortedSets.own);
const inOrder = fc.oneof(lists.own, sortedSets.own);
const sortName = fc.constantFrom('SORT', 'SORT_RO');
const sort = (...parts: fc.Arbitrary<Argument | readonly Argument[]>[]): fc.Arbitrary<Argument[]> =>
  fc.tuple(sortName, command('', ...parts)).map(([name, list]) => list.with(0, name));
const store = fc.tuple(word('STORE'), lists.own).map((list): Argument[] => list);

const sorts: Generator = weighted(
  [3, whole(sort(anySource, defined))],
  [2, single(sort(lists.own, defined))],
  [3, whole(sort(anySource, byElement))],
  [2, single(sort(lists.own, byElement))],
  [3, whole(sort(lists.own, ordered(fc.oneof(textual, none, numeric))))],
  [2, whole(sort(inOrder, ordered(none)))],
  [2, whole(command('SORT', anySource, fc.oneof(defined, byElement), store))],
  [2, whole(command('SORT', lists.own, ordered(fc.oneof(textual, none, numeric)), store))],
  [1, whole(command('SORT', inOrder, ordered(none), store))],
  [
    1,
    whole(sort(sets.own, none), {
      compare: (left, right) => (isError(right) ? left.raw.equals(right.raw) : unordered(left, right)),
    }),
  ],
  [
    1,
    whole(
      command(
        'SORT',
        sets.own,
        none,
        fc.oneof(defined, byElement).filter((list) => !list.some((part) => part === 'BY')),
        store,
      ),
    ),
  ],
  [1, whole(command('SORT', lists.own, options(5, numeric, limit, get, order, alpha)))],
);

/**
 * SORT of Redis 7.0 refuses good numbers after another command has read one that was out of range, until a command sets
 * errno back: this one does, and nothing else.
 */
const afterReset = (sorting: Generator): Generator =>
  sorting.map((operations) => [{ args: ['ZADD', 'sort:none', 'XX', '1', 'm'] }, ...operations]);

export const sortCommands: Generator = weighted([5, setUp], [20, afterReset(sorts)]);
