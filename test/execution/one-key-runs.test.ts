// Runs of commands on one key: the lock is kept from one to the next, and so is what was found under the key
// (keyspace/known-record.ts). What ends that, changes no reply: the record moves, goes or changes its type, another key of
// the same shard comes in between, another database, a transaction. Random pipelines beside redis-server, with known records
// looked up again (SABRE_DEBUG). SABRE_SEED repeats a run.

import { afterEach, beforeEach, describe, it } from 'vitest';
import { Differential, useServerPair } from '../support/differential.ts';
import type { Argument } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, TOPOLOGIES } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const ROUNDS = Number(process.env['SABRE_RUNS'] ?? 300);
/** So many commands on one key say that a run begins (execution/look-ahead.ts). */
const BEGINNING = 40;
const COMMANDS = 300;

/** Of one slot, so of one shard. */
const KEYS = ['{k}a', '{k}b', '{k}c'];

type Random = () => number;

/** Commands on one key, by what they do to its record. */
const KEEPING: ((key: string, text: string) => Argument[])[] = [
  (key, text) => ['RPUSH', key, text],
  (key, text) => ['LPUSH', key, text],
  (key) => ['LPOP', key],
  (key) => ['RPOP', key],
  (key) => ['LLEN', key],
  (key) => ['LRANGE', key, '-3', '-1'],
  (key, text) => ['HSET', key, text, text],
  (key, text) => ['HGET', key, text],
  (key, text) => ['SADD', key, text],
  (key, text) => ['SREM', key, text],
  (key, text) => ['ZADD', key, text.length, text],
  (key) => ['ZCARD', key],
  (key, text) => ['APPEND', key, text],
  (key) => ['INCR', key],
  (key) => ['GET', key],
  (key) => ['STRLEN', key],
  (key) => ['TYPE', key],
  (key) => ['EXISTS', key],
];
const CHANGING: ((key: string, other: string, text: string) => Argument[])[] = [
  (key) => ['DEL', key],
  (key) => ['UNLINK', key],
  (key, _, text) => ['SET', key, text],
  (key) => ['SET', key, '7'],
  (key, _, text) => ['SET', key, text, 'EX', '1000'],
  (key) => ['GETDEL', key],
  (key) => ['EXPIRE', key, '1000'],
  (key) => ['EXPIREAT', key, '1'],
  (key) => ['PERSIST', key],
  (key) => ['MOVE', key, '1'],
  (key, other) => ['RENAME', key, other],
  (key, other) => ['RENAMENX', key, other],
  (key, other) => ['COPY', key, other, 'REPLACE'],
  (key, other) => ['LMOVE', key, other, 'LEFT', 'RIGHT'],
  (key, other) => ['SORT', key, 'BY', 'nothing', 'STORE', other],
  (key, _, text) => ['SETRANGE', key, '500', text],
  (key) => ['LTRIM', key, '1', '3'],
  (key, _, text) => ['RPUSH', key, text.repeat(300)],
];
const AROUND: Argument[][] = [
  ['SELECT', '1'],
  ['SELECT', '0'],
  ['SWAPDB', '0', '1'],
  ['FLUSHDB'],
  ['FLUSHALL', 'ASYNC'],
  ['MULTI'],
  ['EXEC'],
  ['DISCARD'],
  ['PING'],
  ['DBSIZE'],
  ['MGET', ...KEYS],
  ['SET', 'elsewhere', '1'],
];

/** Many alike on one key, with all that ends a run thrown in. */
function* commands(random: Random): Generator<Argument[]> {
  let key = KEYS[pick(random, KEYS.length)]!;
  let keeping = KEEPING[pick(random, KEEPING.length)]!;
  const otherKeys = [0.01, 0.1, 0.6][pick(random, 3)]!;
  for (let i = 0; i < BEGINNING; i++) yield ['RPUSH', key, 'x'];
  for (let i = 0; i < COMMANDS; i++) {
    const text = `t${pick(random, 20)}`;
    const kind = random();
    if (random() < otherKeys) key = KEYS[pick(random, KEYS.length)]!;
    if (kind < 0.2) keeping = KEEPING[pick(random, KEEPING.length)]!;
    if (kind > 0.97) yield AROUND[pick(random, AROUND.length)]!;
    else if (kind > 0.87)
      yield CHANGING[pick(random, CHANGING.length)]!(key, KEYS[pick(random, KEYS.length)]!, text);
    else yield keeping(key, text);
  }
  yield ['EXEC'];
  yield ['SELECT', '0'];
}

describe.skipIf(LEFT_IS_REDIS).each(TOPOLOGIES)('runs of commands on one key ($name)', ({ args }) => {
  const servers = useServerPair(args, [], { env: { SABRE_DEBUG: '1' } });
  describe.each([2, 3] as const)('RESP%i', (protocol) => {
    const diff = new Differential(servers, protocol);
    beforeEach(() => diff.reset());
    afterEach(() => diff.close());

    it(`answer as redis-server does (SABRE_SEED=${SEED})`, async () => {
      const random = seeded(SEED);
      for (let round = 0; round < ROUNDS; round++) {
        await diff.sameSequence([...commands(random)]);
        await diff.sameDataSet([0, 1]);
      }
      await diff.sabre.call('DEBUG', 'INVARIANTS');
    });
  });
});
