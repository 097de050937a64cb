// Random transactions of two clients against Sabre and a real redis-server, one command after the other: what WATCH sees of the
// commands of both, what is queued and refused, what EXEC answers.

import fc from 'fast-check';
import { commandMix, generateOperations } from './command-generators.ts';
import { formatCommand } from './command-history.ts';
import { exact } from './comparisons.ts';
import type { Differential, Endpoint } from './differential.ts';
import { anyKey, hllKey, type Operation } from './generator-parts.ts';
import { isNewerReply } from './random/newer-replies.ts';
import { pooledKey } from './random/parts.ts';
import { minimise } from './random-minimise.ts';
import type { Failure } from './random-run.ts';
import type { Argument } from './raw-client.ts';
import { quoteBytes, type Reply, type ReplyNode, type ReplyType } from './resp-parser.ts';

export type Move = { client: 0 | 1; operation: Operation };

const SHOWN_MOVES = 60;
const SHOWN_BYTES = 800;

const watched = fc.oneof({ arbitrary: anyKey, weight: 6 }, { arbitrary: hllKey, weight: 1 });
/** A key of the commands around, so that there is something to see. */
const aroundKey = fc.oneof({ arbitrary: watched, weight: 1 }, { arbitrary: pooledKey, weight: 2 });
const watch = fc
  .array(aroundKey, { minLength: 1, maxLength: 3 })
  .map((keys): Argument[] => ['WATCH', ...keys]);
const others = fc.constantFrom<Argument[]>(
  ['UNWATCH'],
  ['DISCARD'],
  ['SELECT', '0'],
  ['SELECT', '1'],
  ['SWAPDB', '0', '1'],
  ['FLUSHDB'],
  ['GET'],
  ['NOSUCH', 'x'],
  ['EXEC'],
  ['EXEC', 'x'],
  ['MULTI'],
  ['OBJECT'],
  ['SHUTDOWN', 'NOSAVE', 'SAVE', 'x'],
);
/** What comes in front of some commands: what opens and closes transactions, mostly where it belongs. */
const frame = fc.record({
  client: fc.constantFrom<0 | 1>(0, 1),
  watch,
  other: others,
  dice: fc.integer({ min: 0, max: 99 }),
});

/** @param known the commands that Sabre has */
export function generateMoves(count: number, seed: number, known: ReadonlySet<string>): Move[] {
  const groups = generateOperations(commandMix(known.has('hexpire')), count, seed).filter((group) =>
    group.every((operation) => isPlain(operation) && known.has(String(operation.args[0]).toLowerCase())),
  );
  const isOpen = [false, false];
  return fc.sample(frame, { numRuns: groups.length, seed }).flatMap(({ client, watch, other, dice }, i) => {
    let between: Argument[] | null = null;
    if (dice < 4) between = other;
    else if (isOpen[client]) between = dice < 40 ? ['EXEC'] : null;
    else if (dice < 40) between = dice < 20 ? watch : ['MULTI'];
    const name = between?.[0];
    if (name === 'MULTI') isOpen[client] = true;
    else if (name === 'EXEC' || name === 'DISCARD') isOpen[client] = false;
    const moves = groups[i]!.map((operation) => ({ client, operation }));
    return between === null ? moves : [{ client, operation: { args: between } }, ...moves];
  });
}

/**
 * What can be queued and compared by itself. Settings are left out: in a transaction they come into force behind its commands on
 * data, which no lock keeps waiting for the supervisor.
 */
function isPlain({ scanAll, waiting, follow, args }: Operation): boolean {
  const name = String(args[0]).toLowerCase();
  if (name === 'config') return false;
  // With a word more than the oracle takes, which would refuse to queue it.
  if ((name === 'zrank' || name === 'zrevrank') && args.length === 4) return false;
  return !scanAll && waiting === undefined && follow === undefined && args.length > 0;
}

/** What happened, for whoever wants to know whether it was anything. */
export type Tally = { run: number; aborted: number; refused: number };

/**
 * Makes the moves on emptied servers.
 * @returns null when all replies were the same, and the data sets
 */
export async function playMoves(
  diff: Differential<Endpoint>,
  moves: readonly Move[],
  tally: Tally = { run: 0, aborted: 0, refused: 0 },
): Promise<Failure | null> {
  await diff.reset();
  await diff.sabre.command('CONFIG', 'SET', 'set-max-listpack-entries', '0');
  const clients = [diff, await diff.another()] as const;
  const queues: (Operation[] | null)[] = [null, null];
  for (let i = 0; i < moves.length; i++) {
    const { client, operation } = moves[i]!;
    const name = String(operation.args[0]).toUpperCase();
    const queue = queues[client]!;
    const step = { ...operation, compare: comparisonOf(name, operation, queue) };
    const { replies, others, mismatch } = await clients[client].compareBatch([step]);
    const left = replies[0]!;
    if (mismatch !== null) return { ran: i + 1, message: describeReplies(left, others[0]!) };
    if (name === 'MULTI' && queue === null) queues[client] = [];
    else if (name === 'EXEC' || name === 'DISCARD' || name === 'RESET') queues[client] = null;
    else if (queue !== null && String(left.bytes) === 'QUEUED') queue.push(operation);
    if (name === 'EXEC') count(tally, left);
  }
  for (const client of clients) await client.compareBatch([{ args: ['DISCARD'] }]);
  const { mismatch } = await diff.compareBatch([{ args: ['DEBUG', 'DIGEST'] }]);
  return mismatch === null ? null : { ran: moves.length, message: 'the data sets differ at the end' };
}

function count(tally: Tally, reply: Reply): void {
  if (reply.type === 'error') tally.refused++;
  else if (reply.items === undefined || reply.items === null) tally.aborted++;
  else tally.run++;
}

type Compare = (left: Reply, right: Reply) => boolean;

/** Replies of EXEC are compared command by command. */
function comparisonOf(name: string, operation: Operation, queue: readonly Operation[] | null): Compare {
  if (name !== 'EXEC' || queue === null) {
    if (queue !== null) return exact;
    return tolerant(operation);
  }
  return (left, right) => {
    const [ours, theirs] = [left.items, right.items];
    if (!ours || !theirs || ours.length !== queue.length || theirs.length !== queue.length)
      return exact(left, right);
    return queue.every((queued, i) => tolerant(queued)(replyOf(ours[i]!), replyOf(theirs[i]!)));
  };
}

const SIGNS: Readonly<Partial<Record<ReplyType, string>>> = {
  simple: '+',
  error: '-',
  integer: ':',
  bulk: '$',
  array: '*',
  null: '_',
  boolean: '#',
  double: ',',
  bignumber: '(',
  bloberror: '!',
  verbatim: '=',
  map: '%',
  set: '~',
};

/** An element as the reply that it would be by itself. */
function replyOf(node: ReplyNode): Reply {
  return { ...node, raw: rawOf(node) };
}

function rawOf(node: ReplyNode): Buffer {
  const { type, bytes, items } = node;
  const sign = SIGNS[type];
  if (sign === undefined) throw new Error(`${type} in a reply of EXEC`);
  if (items !== null) {
    const count = type === 'map' ? items.length / 2 : items.length;
    return Buffer.concat([Buffer.from(`${sign}${count}\r\n`), ...items.map(rawOf)]);
  }
  if (bytes === null) return Buffer.from(type === 'null' ? '_\r\n' : `${sign}-1\r\n`);
  const hasLength = type === 'bulk' || type === 'bloberror' || type === 'verbatim';
  const length = hasLength ? `${bytes.length}\r\n` : '';
  return Buffer.concat([Buffer.from(sign + length), bytes, Buffer.from('\r\n')]);
}

function tolerant({ args, compare = exact }: Operation): Compare {
  return (left, right) => compare(left, right) || isNewerReply(args, left, right);
}

function describeReplies(left: Reply, right: Reply): string {
  const show = (reply: Reply) => quoteBytes(reply.raw.subarray(0, SHOWN_BYTES));
  return `  sabre: ${show(left)}\n  redis: ${show(right)}`;
}

/** Shortens failing moves, and says what is left of them. */
export async function explainMoves(
  diff: Differential<Endpoint>,
  moves: readonly Move[],
  failure: Failure,
): Promise<string> {
  const shortest = await minimise(moves.slice(0, failure.ran), (candidate) => playMoves(diff, candidate));
  const lines = shortest.operations
    .slice(-SHOWN_MOVES)
    .map(({ client, operation }) => `  ${'AB'[client]} ${formatCommand(operation.args)}`);
  return `${lines.join('\n')}\n${(shortest.failure ?? failure).message}`;
}
