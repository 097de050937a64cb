// The list commands against a real redis-server: random sequences, in process, with small nodes and with compression.
// Redis 7.0 makes every list a quicklist, so encodings are tested elsewhere (list.test.ts).

import fc from 'fast-check';
import { stringCommands } from '../support/generate-strings.ts';
import {
  anyCase,
  command,
  type Generator,
  index,
  integerText,
  single,
  value,
  weighted,
} from '../support/generator-parts.ts';
import type { Argument } from '../support/raw-client.ts';
import { compareAtRandom } from './random-against-redis.ts';

const key = fc.constantFrom<Argument>('a', 'b', '{tag}1', '{tag}2', '');
/** Few different ones, so that LREM, LPOS and LINSERT find them; and some that fill nodes. */
const element: fc.Arbitrary<Argument> = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom<Argument>('a', 'b', 'c', '1', '2', '-3', '10', '', '01') },
  { weight: 4, arbitrary: value },
  { weight: 2, arbitrary: fc.constantFrom(100, 130, 300, 1000).map((n) => 'e'.repeat(n)) },
  { weight: 1, arbitrary: fc.constantFrom(4090, 5000, 8185, 8192, 8193, 20_000).map((n) => 'L'.repeat(n)) },
);
const elements = fc.array(element, { minLength: 1, maxLength: 6 });
const manyElements = fc.array(element, { minLength: 10, maxLength: 100 });
const side = fc.oneof(
  { weight: 12, arbitrary: anyCase('LEFT') },
  { weight: 12, arbitrary: anyCase('RIGHT') },
  { weight: 1, arbitrary: fc.constant('MIDDLE') },
);
const small = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -4, max: 4 }).map(String) },
  { weight: 1, arbitrary: integerText },
);
/** Redis 7.0 takes the least int64 for a number that has an opposite, 7.2 refuses it. */
const signed = small.filter((n) => n !== '-9223372036854775808');
const count = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 12 }).map(String) },
  { weight: 1, arbitrary: integerText },
);
const farIndex = fc.oneof(index, fc.integer({ min: -150, max: 150 }).map(String));
const optional = (args: fc.Arbitrary<Argument[]>): fc.Arbitrary<Argument[]> =>
  fc.oneof(fc.constant<Argument[]>([]), args);
const where = fc.oneof(
  { weight: 9, arbitrary: anyCase('BEFORE') },
  { weight: 9, arbitrary: anyCase('AFTER') },
  { weight: 1, arbitrary: fc.constant('AROUND') },
);
const positionOptions = fc
  .array(fc.oneof(command('RANK', signed), command('COUNT', small), command('MAXLEN', count)), {
    maxLength: 3,
  })
  .map((list) => list.flat());
const keys = fc
  .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 19 }))
  .map(([list, odd]): Argument[] => [String(list.length + (odd === 0 ? 1 : odd === 1 ? -1 : 0)), ...list]);
const timeout = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('0', '1.5', '1e3') },
  { weight: 1, arbitrary: fc.constantFrom('-1', 'x', 'nan') },
);

/** A command that would wait, after what makes it unnecessary. */
function filled(args: fc.Arbitrary<Argument[]>, at: number): Generator {
  return fc
    .tuple(args, element)
    .map(([list, text]) => [{ args: ['RPUSH', list[at] ?? 'a', text] }, { args: list }]);
}

const listCommands: Generator = weighted(
  [14, single(command('RPUSH', key, elements))],
  [12, single(command('LPUSH', key, elements))],
  [3, single(command('RPUSH', key, manyElements))],
  [2, single(command('LPUSH', key, manyElements))],
  [3, single(command('RPUSHX', key, elements))],
  [3, single(command('LPUSHX', key, elements))],
  [8, single(command('LPOP', key, optional(count.map((n) => [n]))))],
  [8, single(command('RPOP', key, optional(count.map((n) => [n]))))],
  [5, single(command('LLEN', key))],
  [6, single(command('LINDEX', key, farIndex))],
  [9, single(command('LSET', key, farIndex, element))],
  [9, single(command('LINSERT', key, where, element, element))],
  [10, single(command('LRANGE', key, farIndex, farIndex))],
  [4, single(command('LRANGE', key, fc.constant('0'), fc.constant('-1')))],
  [4, single(command('LTRIM', key, small, farIndex))],
  [6, single(command('LREM', key, signed, element))],
  [8, single(command('LPOS', key, element, positionOptions))],
  [8, single(command('LMOVE', key, key, side, side))],
  [5, single(command('RPOPLPUSH', key, key))],
  [8, single(command('LMPOP', keys, side, optional(command('COUNT', count))))],
  [2, filled(command('BLPOP', key, timeout), 1)],
  [2, filled(command('BRPOP', key, key, timeout), 2)],
  [2, filled(command('BLMOVE', key, key, side, side, timeout), 1)],
  [2, filled(command('BRPOPLPUSH', key, key, timeout), 1)],
  [2, filled(command('BLMPOP', timeout, fc.constant('1'), key, side, optional(command('COUNT', count))), 3)],
  [3, single(command('COPY', key, key, fc.constant('REPLACE')))],
  [2, single(command('RENAME', key, key))],
  [2, single(command('DEL', key))],
  [1, single(command('UNLINK', key))],
);
/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([40, listCommands], [1, stringCommands]);

const shapes = [
  ['-2', '0'],
  ['-1', '1'],
  ['3', '0'],
  ['5', '2'],
  ['128', '1'],
] as const;

compareAtRandom({
  what: 'list commands',
  commands: mixed,
  count: 1200,
  seed: 20_240_801,
  runs: 6,
  here: (seed) => {
    const [size, depth] = shapes[seed % shapes.length]!;
    return { 'list-max-listpack-size': size, 'list-compress-depth': depth };
  },
});
