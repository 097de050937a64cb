// The commands on sorted sets against a real redis-server: random sequences, in process. Listpacks are small, so that
// sorted sets change their encoding often.

import fc from 'fast-check';
import { it } from 'vitest';
import { setCommands } from '../support/generate-sets.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { command, type Operation, single, weighted } from '../support/generator-parts.ts';
import { sortedSetCommands } from '../support/random/sorted-sets.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';
import { compareAtRandom } from './random-against-redis.ts';

/** Some strings and sets among them, for WRONGTYPE and as sources. */
const mixed = weighted([30, sortedSetCommands], [1, stringCommands], [1, setCommands]);

/** What needs a whole server, or more than one reply: waiting clients, iterations, replies at random. */
function isPlain(operation: Operation): boolean {
  const { args, waiting, scanAll, follow } = operation;
  // ZRANK has an option that Redis 7.0 does not know.
  if (/^z(rev)?rank$/i.test(String(args[0])) && args.length > 3) return false;
  return !waiting && !scanAll && !follow && !/^(b|geo)/i.test(String(args[0]));
}

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', '1', '23', '-4', '');
const bound = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('[', '('), name).map(([sign, text]) => sign + text) },
  { weight: 1, arbitrary: fc.constantFrom('-', '+', '+\0x', '-x', 'x', '') },
);
const small = fc.constant('small');
const limit = fc.constantFrom<string[]>(
  [],
  ['LIMIT', '0', '2'],
  ['LIMIT', '1', '-1'],
  ['LIMIT', '2', '3'],
  ['LIMIT', '-1', '9'],
  ['LIMIT', '9', '1'],
);
const mixedLex = weighted(
  [4, single(command('ZADD', small, fc.integer({ min: 0, max: 3 }).map(String), name))],
  [2, single(command('ZREM', small, name))],
  [2, single(command('ZLEXCOUNT', small, bound, bound))],
  [4, single(command('ZRANGEBYLEX', small, bound, bound, limit))],
  [4, single(command('ZREVRANGEBYLEX', small, bound, bound, limit))],
  [1, single(command('ZRANGESTORE', fc.constant('other'), small, bound, bound, fc.constant('BYLEX'), limit))],
  [1, single(command('ZREMRANGEBYLEX', small, bound, bound))],
);

compareAtRandom(
  {
    what: 'commands on sorted sets',
    commands: mixed,
    count: 2500,
    keep: isPlain,
    least: 1500,
    seed: 20_240_901,
    runs: 4,
    both: { 'zset-max-listpack-entries': '12' },
    here: () => ({ 'set-max-listpack-entries': '0' }),
  },
  (redis, local, protocol) => {
    // Redis defines ranges of members only where all scores are alike. In a listpack its answer is always the same.
    it('ranges of members in small sorted sets of different scores', async () => {
      await compareOperations(local(), redis(), sampleOperations(mixedLex, 3000, 20_240_901 + protocol));
    });
  },
);
