// Runs random operations on two servers and finds where they part.
//
// Operations go out in pipelines of varying length; what needs a reply before it can go on ends a pipeline. Every few
// hundred operations the data sets are compared by their digest, now and then and at the end key by key, so that a
// difference shows near where it arose even when no reply showed it.

import { Coverage } from './command-coverage.ts';
import { formatCommand } from './command-history.ts';
import { exact } from './comparisons.ts';
import type { Differential, Endpoint, Step } from './differential.ts';
import { EventWatch } from './event-watch.ts';
import { DATABASES, type Operation } from './generator-parts.ts';
import { STORAGE_SETTINGS } from './random/keys.ts';
import { isNewerReply } from './random/newer-replies.ts';
import { compareScans, databaseSteps, keySteps } from './random-compare.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type Reply } from './resp-parser.ts';

export type Failure = {
  /** How many operations were run when it showed; the last of them need not be the cause. */
  ran: number;
  /** Both replies, or why there were none. */
  message: string;
};

const DIGEST_EVERY = 250;
const COMPARE_EVERY = 10_000;
const MAX_BATCH = 60;
const SHOWN_REPLY_BYTES = 1500;
const BLOCKED_LIMIT_MS = 10_000;
/** How long a client may still wait that should have been served. */
const SERVED_LIMIT_MS = 5_000;

/** Settings that random operations change. */
const DEFAULT_SETTINGS: readonly Argument[][] = [
  ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction'],
  ['CONFIG', 'SET', 'hll-sparse-max-bytes', '3000'],
  ...STORAGE_SETTINGS.map(([name, value]) => ['CONFIG', 'SET', name, value]),
  ['DEBUG', 'QUICKLIST-PACKED-THRESHOLD', '0'],
];
/** The oracle's small sets are no listpacks: Sabre's must not be either. A redis-server in Sabre's place may refuse it. */
const SABRE_SETTING: readonly Argument[] = ['CONFIG', 'SET', 'set-max-listpack-entries', '0'];

/**
 * Runs the operations on emptied servers; null when both agreed all along and at the end.
 * @param events whether keyspace notifications are compared, too
 */
export async function runOperations(
  diff: Differential<Endpoint>,
  operations: readonly Operation[],
  coverage = new Coverage(),
  events = false,
): Promise<Failure | null> {
  await diff.reset();
  for (const args of DEFAULT_SETTINGS)
    await Promise.all([diff.sabre.call(...args), diff.redis.call(...args)]);
  await diff.sabre.command(...SABRE_SETTING);
  const watch = events ? new EventWatch(diff) : null;
  await watch?.start();
  const run = new Run(diff, coverage, watch);
  try {
    const message = await run.all(operations);
    return message === null ? null : { ran: run.ran, message };
  } catch (error) {
    return { ran: run.ran, message: (error as Error).message };
  } finally {
    await watch?.stop();
  }
}

class Run {
  /** Operations sent. */
  ran = 0;
  readonly #diff: Differential<Endpoint>;
  readonly #coverage: Coverage;
  readonly #events: EventWatch | null;
  /** The connection that waits. */
  #other: Differential<Endpoint> | null = null;
  #database = '0';

  constructor(diff: Differential<Endpoint>, coverage: Coverage, events: EventWatch | null) {
    this.#diff = diff;
    this.#coverage = coverage;
    this.#events = events;
  }

  /** @returns what differs, or null */
  async all(operations: readonly Operation[]): Promise<string | null> {
    let batch: Operation[] = [];
    let size = 1;
    for (const operation of operations) {
      const isLone = operation.scanAll || operation.waiting !== undefined;
      if (isLone || batch.length >= size) {
        const message = await this.#batch(batch);
        if (message !== null) return message;
        batch = [];
        size = 1 + ((this.ran * 7) % MAX_BATCH);
      }
      this.ran++;
      if (!isLone) batch.push(operation);
      // What follows a reply must come before the next operation.
      if (operation.follow !== undefined) size = 0;
      const message = isLone ? await this.#lone(operation) : await this.#lookNow(batch);
      if (message !== null) return message;
      if (this.ran % COMPARE_EVERY === 0) batch = [];
    }
    return (await this.#batch(batch)) ?? (await this.#compareAll()) ?? (await this.#invariants());
  }

  /** Every so often: the digest with the next batch, or everything. */
  async #lookNow(batch: Operation[]): Promise<string | null> {
    if (this.ran % COMPARE_EVERY === 0) return (await this.#batch(batch)) ?? (await this.#compareAll());
    if (this.ran % DIGEST_EVERY === 0 && batch.at(-1)?.follow === undefined)
      batch.push({ args: ['DEBUG', 'DIGEST'] }, { args: ['DBSIZE'] });
    return null;
  }

  #lone(operation: Operation): Promise<string | null> {
    return operation.scanAll ? this.#scan(operation) : this.#whileWaiting(operation);
  }

  async #scan(operation: Operation): Promise<string | null> {
    const name = operation.scan?.[0] ?? 'SCAN';
    this.#coverage.note([name], { type: 'array' } as Reply);
    return await compareScans(this.#diff.sabre, this.#diff.redis, operation);
  }

  /** Sends a pipeline, and what follows the last of its replies. */
  async #batch(batch: readonly Operation[]): Promise<string | null> {
    if (batch.length === 0) return null;
    const { replies, others, mismatch } = await this.#compareBatch(batch);
    for (let i = 0; i < batch.length; i++) this.#note(batch[i]!.args, replies[i]!);
    if (mismatch !== null) return describeMismatch(batch[mismatch.index]!, mismatch.left, mismatch.right);
    const difference = (await this.#events?.compare(batch)) ?? null;
    if (difference !== null) return difference;
    const last = batch.at(-1)!;
    const steps = last.follow?.(replies.at(-1)!, others.at(-1)!) ?? [];
    if (typeof steps === 'string') return describe(last.args, steps, replies.at(-1)!, others.at(-1)!);
    const message = await this.#steps(steps);
    return message === null ? null : `${message}\n  after ${formatCommand(last.args)}`;
  }

  /** As Differential.compareBatch, with marks between the events of the commands. */
  async #compareBatch(batch: readonly Operation[]) {
    if (this.#events === null) return await this.#diff.compareBatch(batch.map(tolerant));
    const { replies, others, mismatch } = await this.#diff.compareBatch(
      this.#events.marked(batch.map(tolerant)),
    );
    const commands = (all: Reply[]): Reply[] => all.filter((_, i) => i % 2 === 1);
    return {
      replies: commands(replies),
      others: commands(others),
      mismatch: mismatch === null ? null : { ...mismatch, index: (mismatch.index - 1) >> 1 },
    };
  }

  async #steps(steps: readonly Step[]): Promise<string | null> {
    if (steps.length === 0) return null;
    const { replies, mismatch } = await this.#diff.compareBatch(steps.map(tolerant));
    for (let i = 0; i < steps.length; i++) this.#note(steps[i]!.args, replies[i]!);
    return mismatch === null ? null : describeMismatch(steps[mismatch.index]!, mismatch.left, mismatch.right);
  }

  #note(args: readonly Argument[], reply: Reply): void {
    this.#coverage.note(args, reply);
    if (String(args[0]).toUpperCase() === 'SELECT' && !isError(reply)) this.#database = String(args[1]);
  }

  /** One connection sends a command that waits; another then sends the operation. */
  async #whileWaiting(operation: Operation): Promise<string | null> {
    this.#other ??= await this.#diff.another();
    const other = this.#other;
    await other.same('SELECT', this.#database);
    const ids = await Promise.all(
      [other.sabre, other.redis].map(async (client) => String((await client.command('CLIENT', 'ID')).bytes)),
    );
    other.send(...operation.waiting!);
    await Promise.all([
      untilBlocked(this.#diff.sabre, other.sabre, ids[0]!),
      untilBlocked(this.#diff.redis, other.redis, ids[1]!),
    ]);
    const message = await this.#batch([{ ...operation, waiting: [] }]);
    if (message !== null) return `${message}\n  while another waits: ${formatCommand(operation.waiting!)}`;
    // The oracle knows whether it still waits; in Sabre the reply may be on its way.
    const still = String((await this.#diff.redis.command('CLIENT', 'UNBLOCK', ids[1]!)).bytes) === '1';
    const right = await other.redis.reply();
    const waited = still ? null : await other.sabre.reply(SERVED_LIMIT_MS).catch(() => null);
    if (waited === null) await this.#diff.sabre.call('CLIENT', 'UNBLOCK', ids[0]!);
    const left = waited ?? (await other.sabre.reply());
    this.#coverage.note(operation.waiting!, left);
    if (exact(left, right) || isNewerReply(operation.waiting!, left, right)) return null;
    const after = `${formatCommand(operation.waiting!)} (sent first, by another connection)`;
    return `${describeMismatch(operation, left, right)}\n  to ${after}`;
  }

  /** Every key of every database: type, encoding, time to live, value; and the digest over everything. */
  async #compareAll(): Promise<string | null> {
    const database = this.#database;
    for (const number of DATABASES) {
      const message =
        (await this.#steps(databaseSteps(number))) ?? (await this.#steps(await keySteps(this.#diff.redis)));
      if (message !== null) return message;
    }
    return await this.#steps([{ args: ['DEBUG', 'DIGEST'] }, { args: ['SELECT', database] }]);
  }

  /** Sabre checks its own memory. */
  async #invariants(): Promise<string | null> {
    const reply = await this.#diff.sabre.command('DEBUG', 'INVARIANTS');
    const text = String(reply.bytes);
    // A redis-server in Sabre's place has none to check.
    return isError(reply) && !text.startsWith('ERR unknown subcommand') ? `DEBUG INVARIANTS: ${text}` : null;
  }
}

/** A step that takes replies of newer versions, too. */
function tolerant(step: Step): Step {
  const compare = step.compare ?? exact;
  return {
    ...step,
    compare: (left, right) => compare(left, right) || isNewerReply(step.args, left, right),
  };
}

/** Waits until a connection is blocked, or has got its reply. */
async function untilBlocked(observer: RawClient, waiting: RawClient, id: string): Promise<void> {
  const end = Date.now() + BLOCKED_LIMIT_MS;
  for (;;) {
    const line = String((await observer.command('CLIENT', 'LIST', 'ID', id)).bytes);
    if (/ flags=\w*b/.test(line) || waiting.waitingReplies > 0) return;
    if (Date.now() > end) throw new Error(`neither blocked nor answered: ${line}`);
  }
}

function describeMismatch(step: Step, left: Reply, right: Reply): string {
  const instead = step.redis === undefined ? '' : `; the oracle: ${formatCommand(step.redis)}`;
  return describe(step.args, instead, left, right);
}

function describe(args: readonly Argument[], text: string, left: Reply, right: Reply): string {
  const show = (reply: Reply) => quoteBytes(reply.raw.subarray(0, SHOWN_REPLY_BYTES));
  return `${formatCommand(args)}${text === '' ? '' : `; ${text}`}\n  sabre: ${show(left)}\n  redis: ${show(right)}`;
}
