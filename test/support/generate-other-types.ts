// A few commands that make values of other types under the same keys: other commands must answer WRONGTYPE, and RENAME,
// COPY, MOVE, SCAN TYPE, OBJECT ENCODING must work on them. Used when the server under test knows these commands.

import fc from 'fast-check';
import { anyKey, type Generator, weighted } from './generator-parts.ts';
import type { Argument } from './raw-client.ts';

/** The commands used here: the server must know them all. */
export const OTHER_TYPE_COMMANDS = ['RPUSH', 'SADD', 'HSET', 'ZADD', 'XADD'] as const;

const members = fc.array(fc.constantFrom('m1', 'm2', '3', '44', 'five'), { minLength: 1, maxLength: 4 });

const make = (build: (key: Argument, list: string[]) => Argument[]): Generator =>
  fc.tuple(anyKey, members).map(([key, list]) => [{ args: build(key, list) }]);

export const otherTypeCommands: Generator = weighted(
  [1, make((key, list) => ['RPUSH', key, ...list])],
  [1, make((key, list) => ['SADD', key, ...list])],
  [1, make((key, list) => ['HSET', key, ...list.flatMap((member) => [member, 'v'])])],
  [1, make((key, list) => ['ZADD', key, ...list.flatMap((member, i) => [String(i), member])])],
  [1, make((key, list) => ['XADD', key, `${list.length}-1`, ...list.flatMap((member) => [member, 'v'])])],
);
