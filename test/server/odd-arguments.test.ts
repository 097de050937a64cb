// Every command with arguments after its own grammar, filled with words that are no good: names that JavaScript's objects
// have, numbers at the edges. Each gets a reply and the server lives. SABRE_SEED repeats a run.

import { expect, it } from 'vitest';
import type { ArgumentFacts } from '../../src/commands/facts/command-documentation.ts';
import facts from '../../src/commands/facts/documentation.json' with { type: 'json' };
import { RawClient } from '../support/raw-client.ts';
import { describeServer, LEFT_IS_REDIS } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const TIMES = Number(process.env['SABRE_RUNS'] ?? 12);
const MULTIPLE_MAX = 3;

/** These end the connection or the server, stop replies, hold up everybody or take seconds: that is what they are for. */
const OMITTED = /^(SHUTDOWN|DEBUG|PFSELFTEST|QUIT|MONITOR|SYNC|PSYNC|CLIENT\|(KILL|PAUSE|REPLY))$/;

const WORDS = [
  'constructor',
  '__proto__',
  'toString',
  'hasOwnProperty',
  'valueOf',
  '',
  '*',
  '\0',
  'ÿ',
  'key',
];
const NUMBERS = [
  '0',
  '1',
  '-1',
  '2',
  '9223372036854775807',
  '-9223372036854775808',
  '4294967296',
  '1e400',
  '0x10',
  ' 1',
];
const KEYS = [
  'a',
  'b',
  '{a}c',
  'constructor',
  '__proto__',
  'string',
  'list',
  'set',
  'zset',
  'hash',
  'stream',
];
const VALUES = [
  ['SET', 'string', '17'],
  ['RPUSH', 'list', '1', 'constructor', '2'],
  ['SADD', 'set', '1', '2', '__proto__'],
  ['ZADD', 'zset', '1', 'a', '2', 'constructor'],
  ['HSET', 'hash', 'constructor', '1', '__proto__', '2'],
  ['XADD', 'stream', '1-1', 'constructor', '1'],
  ['XGROUP', 'CREATE', 'stream', 'constructor', '0'],
];

type Random = () => number;

function one<T>(random: Random, of: readonly T[]): T {
  return of[pick(random, of.length)]!;
}

/** A value for a leaf of the grammar. No command may wait long: times to wait are short or refused. */
function valueFor({ name, type }: ArgumentFacts, random: Random): string {
  if (/timeout|milliseconds/.test(name))
    return one(random, [type === 'integer' ? '1' : '0.001', '-1', 'constructor']);
  if (pick(random, 4) === 0) return one(random, WORDS);
  if (type === 'key') return one(random, KEYS);
  if (type === 'integer' || type === 'double' || type === 'unix-time') return one(random, NUMBERS);
  return one(random, pick(random, 3) === 0 ? NUMBERS : WORDS);
}

function fill(all: readonly ArgumentFacts[], random: Random): string[] {
  const words: string[] = [];
  for (const argument of all) {
    if (argument.optional === true && pick(random, 2) === 0) continue;
    const times = argument.multiple === true ? 1 + pick(random, MULTIPLE_MAX) : 1;
    for (let i = 0; i < times; i++) {
      const { token, type, arguments: inner = [] } = argument;
      if (token !== undefined && (i === 0 || argument.multiple_token === true)) words.push(token);
      if (type === 'oneof') words.push(...fill([{ ...one(random, inner), optional: false }], random));
      else if (type === 'block') words.push(...fill(inner, random));
      else if (type !== 'pure-token') words.push(valueFor(argument, random));
    }
  }
  return words;
}

/** The words as they are, or with one too many, one missing, or one in another's place. */
function spoil(words: string[], random: Random): string[] {
  const at = pick(random, words.length + 1);
  const how = pick(random, 6);
  if (how === 0) words.splice(at, 0, one(random, WORDS));
  else if (how === 1) words.splice(at, 1);
  else if (how === 2) words.splice(at, 1, one(random, WORDS));
  return words;
}

describeServer(
  'odd arguments',
  (server) => {
    const names = Object.keys(facts).filter((name) => !OMITTED.test(name));

    it.skipIf(LEFT_IS_REDIS)(
      `get a reply from every command (SABRE_SEED=${SEED})`,
      { timeout: 120_000 },
      async () => {
        const random = seeded(SEED);
        const admin = await server.connect();
        for (const name of names) {
          const client = await RawClient.connect({ port: server.port });
          const { arguments: grammar = [] } = facts[name as keyof typeof facts] as {
            arguments?: ArgumentFacts[];
          };
          await admin.pipeline(VALUES);
          const sent: string[][] = [];
          for (let i = 0; i < TIMES; i++)
            sent.push([...name.split('|'), ...spoil(fill(grammar, random), random)]);
          for (const words of sent) client.send(...words);
          for (const words of sent) {
            const reply = await client.reply().catch((error: unknown) => error as Error);
            expect(reply, words.map((word) => JSON.stringify(word)).join(' ')).not.toBeInstanceOf(Error);
          }
          // What one command leaves behind is not the next one's concern: transactions, subscriptions, users.
          client.close();
        }
        expect(await admin.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
      },
    );
  },
  {
    args: ['--enable-debug-command', 'yes', '--maxmemory', '1gb'],
    // Ends when something is used without its lock.
    env: { SABRE_DEBUG: '1' },
  },
);
