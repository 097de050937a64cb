// Whole comparisons of two servers: iterations with a cursor, and everything that every key holds.

import { formatCommand } from './command-history.ts';
import { type Comparison, canonical, near, unordered, unorderedPairs } from './comparisons.ts';
import type { Step } from './differential.ts';
import type { Operation } from './generator-parts.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type Reply } from './resp-parser.ts';

const MAX_SCAN_STEPS = 100_000;
const EXPIRY_TOLERANCE_MS = 60_000;

/** Elements that belong together in an iteration: fields with values, members with scores. */
const ELEMENT_SIZE: Readonly<Record<string, number>> = { HSCAN: 2, ZSCAN: 2 };

/** Compares whole iterations as sets. @returns what differs, or null */
export async function compareScans(
  sabre: RawClient,
  redis: RawClient,
  operation: Operation,
): Promise<string | null> {
  const words = operation.scan ?? ['SCAN'];
  const [left, right] = await Promise.all([
    scanAll(sabre, words, operation.args),
    scanAll(redis, words, operation.args),
  ]);
  if (left === right) return null;
  const line = formatCommand([...words, '0', ...operation.args]);
  return `${line} (to the end)\n  sabre: ${left}\n  redis: ${right}`;
}

/** All elements of an iteration, sorted, each once; or the error. */
async function scanAll(
  client: RawClient,
  words: readonly Argument[],
  args: readonly Argument[],
): Promise<string> {
  const size = ELEMENT_SIZE[String(words[0])] ?? 1;
  const elements = new Set<string>();
  let cursor = '0';
  for (let step = 0; step < MAX_SCAN_STEPS; step++) {
    const reply = await client.command(...words, cursor, ...args);
    if (isError(reply)) return canonical(reply);
    cursor = reply.items![0]!.bytes!.toString();
    const texts = reply.items![1]!.items!.map((item) => quoteBytes(item.bytes!));
    for (let i = 0; i < texts.length; i += size) elements.add(texts.slice(i, i + size).join('='));
    if (cursor === '0') return [...elements].sort().join(' ');
  }
  return `no end after ${MAX_SCAN_STEPS} steps`;
}

/** How the value of a type is read, and compared. */
const READ: Readonly<Record<string, { words: (key: Argument) => Argument[]; compare?: Comparison }>> = {
  string: { words: (key) => ['GET', key] },
  list: { words: (key) => ['LRANGE', key, '0', '-1'] },
  hash: { words: (key) => ['HGETALL', key], compare: unorderedPairs },
  set: { words: (key) => ['SMEMBERS', key], compare: unordered },
  zset: { words: (key) => ['ZRANGE', key, '0', '-1', 'WITHSCORES'] },
  stream: { words: (key) => ['XRANGE', key, '-', '+'] },
};

/** Looks at a database as such. */
export function databaseSteps(database: number): Step[] {
  return [{ args: ['SELECT', database] }, { args: ['DBSIZE'] }, { args: ['KEYS', '*'], compare: unordered }];
}

/** Looks at every key of the database that is selected: type, encoding, time to live, digest, value. */
export async function keySteps(redis: RawClient): Promise<Step[]> {
  const keys = (await redis.command('KEYS', '*')).items!.map((item) => item.bytes!);
  const types = await redis.pipeline(keys.map((key) => ['TYPE', key]));
  return keys.flatMap((key, i) => stepsOf(key, types[i]!));
}

function stepsOf(key: Buffer, type: Reply): Step[] {
  const read = READ[String(type.bytes)] ?? READ['string']!;
  const { compare } = read;
  return [
    { args: ['TYPE', key] },
    { args: ['OBJECT', 'ENCODING', key] },
    { args: ['PTTL', key], compare: near(EXPIRY_TOLERANCE_MS) },
    { args: ['DEBUG', 'DIGEST-VALUE', key] },
    compare === undefined ? { args: read.words(key) } : { args: read.words(key), compare },
  ];
}
