// Random string commands. Left out: what redis-server 7.0 does not have (SET IFEQ, DELEX, DIGEST, MSETEX).

import fc from 'fast-check';
import {
  absoluteMilliseconds,
  absoluteSeconds,
  anyCase,
  anyKey,
  breakable,
  command,
  floatText,
  type Generator,
  index,
  integerText,
  junk,
  keyValuePairs,
  readableKey,
  relativeMilliseconds,
  relativeSeconds,
  single,
  someKeys,
  value,
  weighted,
} from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

/** An expiry option with its number. */
const expiryOption: fc.Arbitrary<Argument[]> = fc.oneof(
  command('EX', relativeSeconds),
  command('PX', relativeMilliseconds),
  command('EXAT', absoluteSeconds),
  command('PXAT', absoluteMilliseconds),
);

const word = (name: string): fc.Arbitrary<Argument[]> => anyCase(name).map((text) => [text]);

const setOption = fc.oneof(
  { arbitrary: word('NX'), weight: 2 },
  { arbitrary: word('XX'), weight: 2 },
  { arbitrary: word('GET'), weight: 2 },
  { arbitrary: word('KEEPTTL'), weight: 2 },
  { arbitrary: expiryOption, weight: 4 },
  { arbitrary: junk.map((text): Argument[] => [text]), weight: 1 },
);

// A SET with a time in the past leaves a key that is gone on the next access, but counted by DBSIZE until then: the
// EXISTS makes the access.
const set: Generator = breakable(
  command(
    'SET',
    anyKey,
    value,
    fc.array(setOption, { maxLength: 3 }).map((options) => options.flat()),
  ),
).map((args) => [{ args }, { args: ['EXISTS', args[1] ?? ''] }]);

const getex = single(
  command(
    'GETEX',
    readableKey,
    fc
      .array(fc.oneof(expiryOption, expiryOption, word('PERSIST'), word('junk')), { maxLength: 2 })
      .map((options) => options.flat()),
  ),
);

const lcs = single(
  command(
    'LCS',
    anyKey,
    anyKey,
    fc
      .array(
        fc.oneof(
          word('LEN'),
          word('IDX'),
          word('WITHMATCHLEN'),
          command('MINMATCHLEN', integerText),
          word('LENGTH'),
        ),
        { maxLength: 3 },
      )
      .map((options) => options.flat()),
  ),
);

/** Offsets that make no huge values: small, negative, and past the limit of 512 MB. */
const rangeOffset = fc.oneof(
  { arbitrary: fc.integer({ min: 0, max: 60 }).map(String), weight: 8 },
  { arbitrary: fc.constantFrom('300', '1200'), weight: 1 },
  { arbitrary: fc.constantFrom('-1', '536870912', '9223372036854775807', 'x', '1.5'), weight: 1 },
);

/** Counting on a key that does hold a number, which after many random commands is rare. */
const counter: Generator = fc
  .tuple(
    anyKey,
    fc.oneof(integerText, floatText),
    fc.array(
      fc.oneof(
        command('INCR'),
        command('DECR'),
        command('INCRBY', integerText),
        command('DECRBY', integerText),
        command('INCRBYFLOAT', floatText),
        command('INCRBYFLOAT', floatText),
        command('APPEND', fc.constantFrom('0', '5', '.5', ' ')),
        command('GETRANGE', index, index),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  )
  .map(([key, start, calls]) => [
    { args: ['SET', key, start] },
    ...calls.map(([name, ...rest]) => ({ args: [name!, key, ...rest] })),
    { args: ['OBJECT', 'ENCODING', key] },
    { args: ['GET', key] },
  ]);

/** Random commands of the group `string`. */
export const stringCommands: Generator = weighted(
  [12, set],
  [6, single(command('GET', readableKey))],
  [3, single(command('SETNX', anyKey, value))],
  [2, single(command('SETEX', anyKey, relativeSeconds, value))],
  [2, single(command('PSETEX', anyKey, relativeMilliseconds, value))],
  [4, getex],
  [3, single(command('GETDEL', anyKey))],
  [3, single(command('GETSET', anyKey, value))],
  [5, single(command('SETRANGE', anyKey, rangeOffset, value))],
  [4, single(command('GETRANGE', readableKey, index, index))],
  [2, single(command('SUBSTR', readableKey, index, index))],
  [5, single(command('APPEND', anyKey, value))],
  [3, single(command('STRLEN', readableKey))],
  [4, single(command('INCR', anyKey))],
  [3, single(command('DECR', anyKey))],
  [4, single(command('INCRBY', anyKey, integerText))],
  [3, single(command('DECRBY', anyKey, integerText))],
  [5, single(command('INCRBYFLOAT', anyKey, floatText))],
  [4, single(command('MSET', keyValuePairs))],
  [3, single(command('MSETNX', keyValuePairs))],
  [4, single(command('MGET', someKeys))],
  [3, lcs],
  [8, counter],
);
