// Runs random operations on two servers, finds where they part, and cuts the run down to the operations that matter.
//
// Operations go out in pipelines of varying length. Every few hundred operations, and at the end, the whole data sets
// are compared (DEBUG DIGEST), so that a difference shows near where it arose even when no reply showed it. A failing
// run is shortened by delta debugging: parts are left out and the rest is run again on emptied servers, as long as it
// still fails.

import { formatCommand } from './command-history.ts';
import { canonical, near, unordered } from './comparisons.ts';
import type { Differential, Endpoint, Mismatch } from './differential.ts';
import { DATABASES, type Operation } from './generator-parts.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type Reply } from './resp-parser.ts';

export type Failure = {
  /** How many operations were run when it showed; the last of them need not be the cause. */
  ran: number;
  /** Both replies, or why there were none. */
  message: string;
};

const DIGEST_EVERY = 250;
const MAX_BATCH = 40;
const SHOWN_REPLY_BYTES = 1500;
const MINIMISE_LIMIT_MS = 60_000;
const SHOWN_OPERATIONS = 100;

/** Settings that random operations change. */
const DEFAULT_SETTINGS: readonly Argument[][] = [
  ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'],
  ['CONFIG', 'SET', 'hll-sparse-max-bytes', '3000'],
];

/** Counts, per command in lower case, how often it was answered without an error. */
export class Coverage {
  readonly successes = new Map<string, number>();
  readonly errors = new Map<string, number>();

  note(args: readonly Argument[], reply: Reply): void {
    const name = String(args[0]).toLowerCase();
    const counts = isError(reply) ? this.errors : this.successes;
    counts.set(name, (counts.get(name) ?? 0) + 1);
    if (name !== 'object') return;
    const full = `${name}|${String(args[1]).toLowerCase()}`;
    counts.set(full, (counts.get(full) ?? 0) + 1);
  }
}

/** Runs the operations on emptied servers; null when both agreed all along and at the end. */
export async function runOperations(
  diff: Differential<Endpoint>,
  operations: readonly Operation[],
  coverage = new Coverage(),
): Promise<Failure | null> {
  await diff.reset();
  for (const args of DEFAULT_SETTINGS)
    await Promise.all([diff.sabre.call(...args), diff.redis.call(...args)]);
  let ran = 0;
  try {
    let batch: Operation[] = [];
    for (const operation of operations) {
      const isDue = ran % DIGEST_EVERY === DIGEST_EVERY - 1;
      if (operation.scanAll || isDue || batch.length >= 1 + ((ran * 7) % MAX_BATCH)) {
        const failure = await runBatch(diff, batch, coverage, ran - batch.length);
        if (failure !== null) return failure;
        batch = [];
      }
      ran++;
      const failure = operation.scanAll ? await compareScan(diff, operation.args, ran) : null;
      if (failure !== null) return failure;
      if (operation.scanAll) coverage.note(['SCAN'], { type: 'array' } as Reply);
      else batch.push(operation);
      if (isDue) batch.push({ args: ['DEBUG', 'DIGEST'] }, { args: ['DBSIZE'] });
    }
    return (await runBatch(diff, batch, coverage, ran - batch.length)) ?? (await compareAll(diff, ran));
  } catch (error) {
    return { ran, message: (error as Error).message };
  }
}

async function runBatch(
  diff: Differential<Endpoint>,
  batch: readonly Operation[],
  coverage: Coverage,
  before: number,
): Promise<Failure | null> {
  if (batch.length === 0) return null;
  const { replies, mismatch } = await diff.compareBatch(batch);
  for (let i = 0; i < batch.length; i++) coverage.note(batch[i]!.args, replies[i]!);
  return mismatch === null
    ? null
    : describeMismatch(batch[mismatch.index]!.args, mismatch, before + mismatch.index + 1);
}

function describeMismatch(
  args: readonly Argument[],
  mismatch: Omit<Mismatch, 'index'>,
  ran: number,
): Failure {
  const show = (reply: Reply) => quoteBytes(reply.raw.subarray(0, SHOWN_REPLY_BYTES));
  const message = `${formatCommand(args)}\n  sabre: ${show(mismatch.left)}\n  redis: ${show(mismatch.right)}`;
  return { ran, message };
}

/** Compares whole iterations as sets of keys. */
async function compareScan(
  diff: Differential<Endpoint>,
  args: readonly Argument[],
  ran: number,
): Promise<Failure | null> {
  const [left, right] = await Promise.all([scanKeys(diff.sabre, args), scanKeys(diff.redis, args)]);
  if (left === right) return null;
  return { ran, message: `SCAN (whole) ${formatCommand(args)}\n  sabre: ${left}\n  redis: ${right}` };
}

const MAX_SCAN_STEPS = 100_000;

/** All keys of an iteration, sorted, each once; or the error. */
async function scanKeys(client: RawClient, args: readonly Argument[]): Promise<string> {
  const keys = new Set<string>();
  let cursor = '0';
  for (let step = 0; step < MAX_SCAN_STEPS; step++) {
    const reply = await client.command('SCAN', cursor, ...args);
    if (isError(reply)) return canonical(reply);
    cursor = reply.items![0]!.bytes!.toString();
    for (const key of reply.items![1]!.items!) keys.add(quoteBytes(key.bytes!));
    if (cursor === '0') return [...keys].sort().join(' ');
  }
  return `no end after ${MAX_SCAN_STEPS} steps`;
}

/** Every key of every database: type, encoding, time to live, value; and the digest over everything. */
async function compareAll(diff: Differential<Endpoint>, ran: number): Promise<Failure | null> {
  const digest = await runBatch(diff, [{ args: ['DEBUG', 'DIGEST'] }], new Coverage(), ran);
  for (const database of DATABASES) {
    const size = { args: ['DBSIZE'] };
    const listing = { args: ['KEYS', '*'], compare: unordered };
    const failure = await runBatch(
      diff,
      [{ args: ['SELECT', database] }, size, listing],
      new Coverage(),
      ran,
    );
    if (failure !== null) return failure;
    const keys = (await diff.redis.command('KEYS', '*')).items!.map((item) => item.bytes!);
    for (const key of keys) {
      const looks: Operation[] = [
        { args: ['TYPE', key] },
        { args: ['GET', key] },
        { args: ['OBJECT', 'ENCODING', key] },
        { args: ['PTTL', key], compare: near(20_000) },
        { args: ['DEBUG', 'DIGEST-VALUE', key] },
      ];
      const different = await runBatch(diff, looks, new Coverage(), ran);
      if (different !== null) return different;
    }
  }
  return digest;
}

/**
 * The fewest operations found that still fail, by delta debugging: leave out ever smaller parts as long as the rest fails.
 * @param fails runs operations; null when they do not fail.
 */
export async function minimise(
  operations: readonly Operation[],
  fails: (operations: readonly Operation[]) => Promise<Failure | null>,
  limitMs = MINIMISE_LIMIT_MS,
): Promise<{ operations: readonly Operation[]; failure: Failure | null }> {
  const deadline = Date.now() + limitMs;
  let kept = operations;
  let failure: Failure | null = null;
  let parts = 2;
  while (kept.length > 1 && parts <= kept.length && Date.now() < deadline) {
    const size = Math.ceil(kept.length / parts);
    let shorter: readonly Operation[] | null = null;
    for (let start = 0; start < kept.length && Date.now() < deadline; start += size) {
      const rest = [...kept.slice(0, start), ...kept.slice(start + size)];
      const found = await fails(rest);
      if (found === null) continue;
      failure = found;
      shorter = rest.slice(0, found.ran);
      break;
    }
    if (shorter !== null) {
      kept = shorter;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return { operations: kept, failure };
}

/** Shortens a failing run and says all that is needed to repeat it. */
export async function explainFailure(
  diff: Differential<Endpoint>,
  operations: readonly Operation[],
  failure: Failure,
  seed: number,
): Promise<string> {
  const fails = async (candidate: readonly Operation[]) => {
    await revive(diff);
    return await runOperations(diff, candidate);
  };
  const shortest = await minimise(operations.slice(0, failure.ran), fails);
  const shown = shortest.operations.slice(-SHOWN_OPERATIONS).map(formatOperation);
  return [
    `seed ${seed}: after ${failure.ran} operations: ${failure.message}`,
    `shortened to ${shortest.operations.length} operations (RESP${diff.protocol}):`,
    ...shown,
    `which end with: ${(shortest.failure ?? failure).message}`,
  ].join('\n');
}

function formatOperation(operation: Operation): string {
  const line = formatCommand(operation.args);
  return operation.scanAll ? `SCAN 0 ${line}   (repeated until the cursor is 0)` : line;
}

/** A server that died of the operations is started again, to run them once more. */
async function revive(diff: Differential<Endpoint>): Promise<void> {
  for (const server of [diff.servers.sabre, diff.servers.redis]) {
    if (!server.running) await server.start();
  }
}

/** The commands of these groups that the oracle knows, as `get` and `object|freq`. */
export async function commandsOfGroups(oracle: RawClient, groups: readonly string[]): Promise<string[]> {
  const docs = await oracle.command('COMMAND', 'DOCS');
  const names: string[] = [];
  for (const [name, doc] of pairs(docs)) {
    if (!groups.includes(fieldText(doc!, 'group'))) continue;
    const subcommands = field(doc!, 'subcommands');
    if (subcommands === undefined) names.push(name!.bytes!.toString());
    else for (const [subcommand] of pairs(subcommands)) names.push(subcommand!.bytes!.toString());
  }
  return names;
}

function pairs(node: { items: Reply['items'] }): NonNullable<Reply['items']>[] {
  const items = node.items ?? [];
  return Array.from({ length: items.length / 2 }, (_, i) => items.slice(2 * i, 2 * i + 2));
}

function field(node: { items: Reply['items'] }, name: string) {
  for (const [key, value] of pairs(node) as [Reply, Reply][]) {
    if (key.bytes!.toString() === name) return value;
  }
  return undefined;
}

function fieldText(node: { items: Reply['items'] }, name: string): string {
  return field(node, name)?.bytes?.toString() ?? '';
}
