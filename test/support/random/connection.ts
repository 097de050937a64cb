// A few commands on the connection and the server, among those on data: what they say must not depend on what others do.

import fc from 'fast-check';
import { sameType } from '../comparisons.ts';
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
import { pooledKey, whole } from './parts.ts';

/** Commands with their keys in all kinds of places. */
const withKeys: fc.Arbitrary<Argument[]> = fc.constantFrom<Argument[][]>(
  ['MSET', 'a', '1', 'b', '2'],
  ['ZUNIONSTORE', 'd', '2', 'a', 'b', 'WEIGHTS', '1', '2'],
  ['XREAD', 'COUNT', '1', 'STREAMS', 's', 't', '0', '0'],
  ['XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>'],
  ['SORT', 'a', 'BY', 'w_*', 'STORE', 'b'],
  ['GEORADIUS', 'a', '1', '2', '3', 'm', 'STORE', 'b'],
  ['BLMPOP', '0', '2', 'a', 'b', 'LEFT'],
  ['LMOVE', 'a', 'b', 'LEFT', 'RIGHT'],
  ['OBJECT', 'ENCODING', 'a'],
  ['XGROUP', 'CREATE', 's', 'g', '$'],
  ['NOSUCH', 'a'],
);

export const connectionCommands: Generator = weighted(
  [3, single(command('PING', fc.array(value, { maxLength: 1 })))],
  [3, single(command('ECHO', value))],
  [1, single(command('DBSIZE'))],
  [1, whole(command('TIME'), { compare: sameType })],
  [2, whole(command('COMMAND', anyCase('GETKEYS'), withKeys))],
  [
    1,
    whole(command('MEMORY', anyCase('USAGE'), pooledKey, fc.constant('SAMPLES'), integerText), {
      compare: sameType,
    }),
  ],
);
