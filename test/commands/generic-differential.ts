// Random operations of a generator, in process and on a real redis-server, compared reply by reply. Beside plain
// commands it runs what operations may ask for: CONFIG SET (applied to the process's own configuration) and a whole
// SCAN iteration, of which the keys are compared as a set.

import { DIRECTIVES } from '../../src/config/directives.ts';
import { formatCommand } from '../support/command-history.ts';
import { exact } from '../support/comparisons.ts';
import type { Operation } from '../support/generator-parts.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { parseReplies, quoteBytes, type Reply, type Value } from '../support/resp-parser.ts';

/** Operations between two looks at the digest of all data. */
const DIGEST_EVERY = 40;
const SHOWN = 30;

/** Runs operations on both and throws at the first difference. Both must be empty; redis-server must allow DEBUG. */
export async function runBoth(
  local: InProcess,
  redis: RawClient,
  operations: readonly Operation[],
): Promise<void> {
  for (const [i, operation] of operations.entries()) {
    const difference = await runOne(local, redis, operation);
    if (difference !== null) {
      const before = operations.slice(Math.max(0, i - SHOWN), i + 1).map(({ args }) => formatCommand(args));
      throw new Error(`${difference}\nafter\n${before.join('\n')}`);
    }
    if (i % DIGEST_EVERY === 0)
      await compareDigests(local, redis, operations.slice(Math.max(0, i - SHOWN), i + 1));
  }
  await compareDigests(local, redis, operations.slice(-SHOWN));
  local.checkInvariants();
}

/** @returns null, or what differs */
async function runOne(local: InProcess, redis: RawClient, operation: Operation): Promise<string | null> {
  const { args } = operation;
  if (operation.scanAll) return compareScans(local, redis, args);
  if (args[0] === 'CONFIG') {
    const directive = DIRECTIVES.find(({ name }) => name === args[2])!;
    local.config.assign(directive.name, String(args[3]));
    await redis.command(...args);
    return null;
  }
  // Redis drops what has expired lazily: without its active cycle (see the tests) both do so at the same moments.
  const right = await redis.command(...args);
  const left = parseReplies(local.run(...args))[0] as Reply;
  if ((operation.compare ?? exact)(left, right)) return null;
  return `${formatCommand(args)}\n  here:  ${quoteBytes(left.raw)}\n  redis: ${quoteBytes(right.raw)}`;
}

async function compareScans(
  local: InProcess,
  redis: RawClient,
  options: readonly Argument[],
): Promise<string | null> {
  const left = scanLocal(local, options);
  const right = await scanRedis(redis, options);
  if (left === right) return null;
  return `SCAN ${formatCommand(options)}\n  here:  ${left}\n  redis: ${right}`;
}

function scanLocal(local: InProcess, options: readonly Argument[]): string {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const reply = local.value('SCAN', cursor, ...options) as Value[] | Error;
    if (!Array.isArray(reply)) return String(reply);
    cursor = String(reply[0]);
    keys.push(...(reply[1] as string[]));
  } while (cursor !== '0');
  if (new Set(keys).size !== keys.length) return 'a key was returned twice';
  return keys.sort().join(' ');
}

async function scanRedis(redis: RawClient, options: readonly Argument[]): Promise<string> {
  const keys = new Set<string>();
  let cursor = '0';
  do {
    let reply: Value;
    try {
      reply = await redis.call('SCAN', cursor, ...options);
    } catch (error) {
      return String(error);
    }
    if (!Array.isArray(reply)) return String(reply);
    cursor = String(reply[0]);
    for (const key of reply[1] as string[]) keys.add(key);
  } while (cursor !== '0');
  return [...keys].sort().join(' ');
}

async function compareDigests(local: InProcess, redis: RawClient, last: readonly Operation[]): Promise<void> {
  const left = local.text('DEBUG', 'DIGEST');
  const right = (await redis.command('DEBUG', 'DIGEST')).raw.toString('latin1');
  if (left === right) return;
  const shown = last.map(({ args }) => formatCommand(args)).join('\n');
  throw new Error(`the data differs (${left} here, ${right} on redis) after\n${shown}`);
}
