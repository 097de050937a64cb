// Random commands on lists, those that wait included.
//
// A command that waits mostly finds something; where it does not, its time-out is a few milliseconds. Some wait on
// another connection until the next command has, maybe, given them what they wait for.

import fc from 'fast-check';
import {
  anyCase,
  command,
  type Generator,
  index,
  integerText,
  type Operation,
  single,
  value,
  weighted,
} from '../generator-parts.ts';
import type { Argument } from '../raw-client.ts';
import { count, counted, lists, manyMembers, maybe, options, side, timeout } from './parts.ts';

/** Few different ones, so that LREM, LPOS and LINSERT find them, more than once. */
const element: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('a', 'b', 'c', '1', '2', '-3', '10', 'item') },
  { weight: 3, arbitrary: value },
  { weight: 1, arbitrary: fc.constantFrom(60, 120, 300).map((n) => 'e'.repeat(n)) },
);
const elements = fc.array(element, { minLength: 1, maxLength: 6 });

const key = lists.key;
const pop = maybe(count);
const where: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 9, arbitrary: anyCase('BEFORE') },
  { weight: 9, arbitrary: anyCase('AFTER') },
  { weight: 1, arbitrary: fc.constant('AROUND') },
);
/** Redis 7.0 takes the least int64 for a number that has an opposite; 7.2 refuses it. */
const small = fc
  .oneof(
    { weight: 8, arbitrary: fc.integer({ min: -4, max: 4 }).map(String) },
    { weight: 1, arbitrary: integerText },
  )
  .filter((text) => text !== '-9223372036854775808');
const positionOptions = options(
  3,
  command('RANK', small),
  command('COUNT', fc.oneof(fc.constantFrom('0', '1', '2', '5'), small)),
  command('MAXLEN', fc.oneof(fc.constantFrom('0', '1', '10', '1000'), small)),
);
const popOptions = maybe(command('COUNT', count));

/** Keeps most of a list. */
const wideRange = fc.tuple(
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 0, max: 3 }).map(String) },
    { weight: 1, arbitrary: index },
  ),
  fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: -4, max: -1 }).map(String) },
    { weight: 1, arbitrary: index },
  ),
);

const LONG = '0';
const blockingPop = fc.oneof(
  command('BLPOP', lists.some, timeout),
  command('BRPOP', lists.some, timeout),
  command('BRPOPLPUSH', key, key, timeout),
  command('BLMOVE', key, key, side, side, timeout),
  command('BLMPOP', timeout, counted(lists.some), side, popOptions),
);

/** Something is there for the first key. */
const popWhatIsPushed: Generator = fc.tuple(lists.own, element, blockingPop).map(([first, pushed, args]) => {
  const at = String(args[0]).toUpperCase() === 'BLMPOP' ? 3 : 1;
  const push: Operation = { args: ['RPUSH', first, pushed] };
  return [push, { args: args.length > at ? args.with(at, first) : args }];
});

/** A client waits, another pushes (or does something else). */
const pushForOther: Generator = fc
  .tuple(
    fc.oneof(
      command('BLPOP', lists.some, fc.constant(LONG)),
      command('BRPOP', lists.some, fc.constant(LONG)),
      command('BRPOPLPUSH', key, key, fc.constant(LONG)),
      command('BLMOVE', key, key, side, side, fc.constant(LONG)),
      command('BLMPOP', fc.constant(LONG), counted(lists.some), side, popOptions),
    ),
    fc.oneof(
      command('RPUSH', lists.own, elements),
      command('LPUSH', lists.own, elements),
      command('LMOVE', lists.own, lists.own, side, side),
      command('RENAME', lists.own, lists.own),
      command('LINSERT', lists.own, where, element, element),
      command('SORT', lists.own, fc.constant<Argument[]>(['ALPHA', 'STORE']), lists.own),
      command('SET', lists.own, value),
      command('COPY', lists.own, lists.own, fc.constant('REPLACE')),
    ),
    lists.own,
  )
  .map(([waiting, args, target]) => {
    // Lists are rarely empty: these are, mostly.
    const keys = waiting.filter((word) => lists.keys.includes(String(word)));
    const isSet = String(args[0]).toUpperCase() === 'SET';
    return [
      { args: ['DEL', ...keys, target] },
      { args, waiting },
      ...(isSet ? [{ args: ['DEL', args[1]!] }] : []),
    ];
  });

export const listCommands: Generator = weighted(
  [14, single(command('RPUSH', key, elements))],
  [12, single(command('LPUSH', key, elements))],
  [2, single(command('RPUSH', lists.own, manyMembers))],
  [1, single(command('LPUSH', lists.own, manyMembers))],
  [3, single(command('RPUSHX', key, elements))],
  [3, single(command('LPUSHX', key, elements))],
  [6, single(command('LPOP', key, pop))],
  [6, single(command('RPOP', key, pop))],
  [5, single(command('LLEN', key))],
  [6, single(command('LINDEX', key, index))],
  [6, single(command('LSET', key, index, element))],
  [7, single(command('LINSERT', key, where, element, element))],
  [10, single(command('LRANGE', key, index, index))],
  [2, single(command('LRANGE', key, fc.constant('0'), fc.constant('-1')))],
  [4, single(command('LTRIM', key, wideRange))],
  [6, single(command('LREM', key, small, element))],
  [8, single(command('LPOS', key, element, positionOptions))],
  [6, single(command('LMOVE', key, key, side, side))],
  [4, single(command('RPOPLPUSH', key, key))],
  [6, single(command('LMPOP', counted(lists.some), side, popOptions))],
  [3, single(blockingPop)],
  [4, popWhatIsPushed],
  [1, pushForOther],
);
