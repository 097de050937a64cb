// String commands that the oracle is too old for, in terms of those that it has.

import fc from 'fast-check';
import { isNull, sameOutcome } from '../comparisons.ts';
import { anyKey, type Generator, keyValuePairs, value, weighted } from '../generator-parts.ts';
import { isError } from '../resp-parser.ts';

const setMany: Generator = keyValuePairs.map((pairs) => [
  { args: ['MSETEX', String(pairs.length / 2), ...pairs], redis: ['MSET', ...pairs], compare: sameOutcome },
]);

const remove: Generator = anyKey.map((key) => [{ args: ['DELEX', key], redis: ['DEL', key] }]);

/** SET with a condition on the value, which is given as it was just set. */
const setIfEqual: Generator = fc
  .tuple(anyKey, value, value)
  .map(([key, before, after]) => [
    { args: ['SET', key, before] },
    { args: ['SET', key, after, 'IFEQ', before], redis: ['SET', key, after] },
  ]);

const digest: Generator = anyKey.map((key) => [
  {
    args: ['DIGEST', key],
    redis: ['GETRANGE', key, '0', '-1'],
    compare: (left, right) =>
      isError(right) ? left.raw.equals(right.raw) : isNull(left) ? right.bytes!.length === 0 : true,
  },
]);

export const newerStringCommands: Generator = weighted(
  [1, setMany],
  [1, remove],
  [1, setIfEqual],
  [1, digest],
);
