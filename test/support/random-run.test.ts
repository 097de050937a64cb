// The random comparison must notice a server that is wrong, whatever it is wrong in: a redis-server against itself
// behind a proxy that makes one mistake.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandMix, generateOperations } from './command-generators.ts';
import { Differential, type Endpoint } from './differential.ts';
import { type Fault, FaultyServer } from './faulty-server.ts';
import { explainFailure, minimise } from './random-minimise.ts';
import { runOperations } from './random-run.ts';
import type { Argument } from './raw-client.ts';
import { startRedis } from './redis-server.ts';
import type { ServerProcess } from './server-process.ts';

const SEED = 20_071;
const OPERATIONS = 8_000;

const word = (args: readonly Argument[], at: number) => String(args.at(at) ?? '').toUpperCase();

/** A fault that changes the arguments of one command. */
const wrongRequest = (name: string, change: (args: Argument[]) => Argument[]): Fault => ({
  request: (args) => (word(args, 0) === name ? change([...args]) : args),
});

/** A fault that changes the text of replies. */
const wrongReply = (from: string, to: string): Fault => ({
  reply: (reply) => Buffer.from(reply.raw.toString('latin1').replace(from, to), 'latin1'),
});

const FAULTS: readonly [string, Fault][] = [
  [
    'an option that is not known in lower case',
    wrongRequest('SET', (args) => args.filter((arg) => String(arg) !== 'xx')),
  ],
  [
    'APPEND of other bytes',
    wrongRequest('APPEND', (args) => args.with(-1, Buffer.alloc(String(args.at(-1)).length))),
  ],
  ['BITCOUNT that knows bytes only', wrongRequest('BITCOUNT', (args) => args.slice(0, 4))],
  [
    'BITFIELD that does not saturate',
    wrongRequest('BITFIELD', (args) => args.map((a) => (/^sat$/i.test(String(a)) ? 'WRAP' : a))),
  ],
  ['EXPIRE for twice the time', wrongRequest('EXPIRE', (args) => args.with(2, `${String(args[2])}0`))],
  [
    'COPY that forgets REPLACE',
    wrongRequest('COPY', (args) => args.filter((arg) => !/^replace$/i.test(String(arg)))),
  ],
  ['MOVE that stays', wrongRequest('MOVE', (args) => ['EXISTS', ...args.slice(1, 2)])],
  [
    'PFADD of one element less',
    wrongRequest('PFADD', (args) => (args.length > 3 ? args.slice(0, -1) : args)),
  ],
  ['KEYS that misses one', wrongRequest('KEYS', (args) => (String(args[1]) === '*' ? ['KEYS', '?*'] : args))],
  ['SCAN that misses some', wrongRequest('SCAN', (args) => [...args, 'MATCH', '[a-z]*'])],
  [
    'LREM from the wrong end',
    wrongRequest('LREM', (args) => (args.length > 3 ? args.with(2, `-${String(args[2])}`) : args)),
  ],
  [
    'SPOP that does not pop',
    wrongRequest('SPOP', (args) => (args.length < 4 ? ['SRANDMEMBER', ...args.slice(1)] : args)),
  ],
  [
    'SRANDMEMBER of another set',
    wrongRequest('SRANDMEMBER', (args) => (args.length === 3 ? args.with(1, 'set:0') : args)),
  ],
  ['SINTERSTORE that unites', wrongRequest('SINTERSTORE', (args) => args.with(0, 'SUNIONSTORE'))],
  [
    'HRANDFIELD of another hash',
    wrongRequest('HRANDFIELD', (args) => (args.length > 2 ? args.with(1, 'hash:0') : args)),
  ],
  ['HSCAN that misses some', wrongRequest('HSCAN', (args) => [...args, 'MATCH', '[a-z]*'])],
  ['ZADD that ignores GT', wrongRequest('ZADD', (args) => args.filter((arg) => !/^gt$/i.test(String(arg))))],
  [
    'ZRANDMEMBER of one element less',
    wrongRequest('ZRANDMEMBER', (args) =>
      /^[1-9]$/.test(word(args, 2)) ? args.with(2, String(Number(args[2]) - 1)) : args,
    ),
  ],
  [
    'ZUNIONSTORE without weights',
    wrongRequest('ZUNIONSTORE', (args) => (word(args, -1) === 'MAX' ? args.with(-1, 'SUM') : args)),
  ],
  [
    'XREADGROUP that forgets NOACK',
    wrongRequest('XREADGROUP', (args) => args.filter((arg) => !/^noack$/i.test(String(arg)))),
  ],
  [
    'XCLAIM that counts',
    wrongRequest('XCLAIM', (args) => args.filter((arg) => !/^justid$/i.test(String(arg)))),
  ],
  [
    'GEOSEARCH in other units',
    wrongRequest('GEOSEARCH', (args) => args.map((arg) => (/^km$/i.test(String(arg)) ? 'm' : arg))),
  ],
  [
    'SORT that ignores DESC',
    wrongRequest('SORT', (args) => args.map((arg) => (/^desc$/i.test(String(arg)) ? 'ASC' : arg))),
  ],
  [
    'RESTORE without a time to live',
    wrongRequest('RESTORE', (args) => (args.length > 3 ? args.with(2, '0') : args)),
  ],
  ['BLPOP of the other end', wrongRequest('BLPOP', (args) => args.with(0, 'BRPOP'))],
  [
    'settings that do not hold',
    wrongRequest('CONFIG', (args) => (word(args, 2).startsWith('ZSET') ? ['PING'] : args)),
  ],
  ['another error text', wrongReply('syntax error', 'syntax Error')],
  ['another encoding', wrongReply('$6\r\nembstr', '$3\r\nraw')],
  ['another kind of null', wrongReply('$-1\r\n', '*-1\r\n')],
];

describe('the random comparison', () => {
  let left: ServerProcess;
  let right: ServerProcess;
  beforeAll(async () => {
    left = await startRedis();
    right = await startRedis();
  });
  afterAll(async () => {
    await left?.stop();
    await right?.stop();
  });

  async function withFault<Result>(fault: Fault, run: (diff: Differential<Endpoint>) => Promise<Result>) {
    const faulty = await FaultyServer.start(left.port, fault);
    const diff = new Differential<Endpoint>(() => ({ sabre: faulty, redis: right }), 2);
    try {
      return await run(diff);
    } finally {
      await diff.close();
      await faulty.stop();
    }
  }

  const operations = () => generateOperations(commandMix(false), OPERATIONS, SEED).flat();

  it('passes without a fault', async () => {
    expect(await withFault({}, (diff) => runOperations(diff, operations()))).toBeNull();
  });

  it.each(FAULTS)('notices %s', async (_name, fault) => {
    expect(await withFault(fault, (diff) => runOperations(diff, operations()))).not.toBeNull();
  });

  it('shortens a failing run to the commands that matter', async () => {
    const fault = wrongRequest('BITOP', (args) => args.slice(0, 4));
    const text = await withFault(fault, async (diff) => {
      const failure = await runOperations(diff, operations());
      return await explainFailure(diff, operations(), failure!, SEED);
    });
    expect(text).toContain(`seed ${SEED}`);
    const count = Number(text.match(/shortened to (\d+) operations/)![1]);
    expect(count).toBeLessThanOrEqual(4);
    expect(text.toUpperCase()).toContain('BITOP');
  });

  it('shortens to the very cause', async () => {
    const all = operations().slice(0, 300);
    const culprits = new Set([all[17], all[203]]);
    const fails = async (candidate: readonly unknown[]) => {
      const present = candidate.filter((operation) => culprits.has(operation as never)).length;
      return present === 2 ? { ran: candidate.length, message: 'both' } : null;
    };
    const shortest = await minimise(all, fails);
    expect(shortest.operations).toEqual([...culprits]);
  });
});
