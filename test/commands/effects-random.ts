// Random commands on a redis-server that writes its log, and here: what both tell of each.

import type { AofOracle } from '../support/aof-oracle.ts';
import { formatCommand } from '../support/command-history.ts';
import type { FollowUp, Operation } from '../support/generator-parts.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import { parseReplies, type Reply } from '../support/resp-parser.ts';
import { compareWords } from './effects-cases.ts';

const SHOWN = 25;

/**
 * Runs operations on both, which must be empty, and throws at the first command of which they tell something else.
 * Left out: what another connection does meanwhile, iterations (which tell nothing), and what the oracle does not know.
 * @param isSkipped commands that are known to differ
 * @returns how many commands told something
 */
export async function compareRandom(
  local: InProcess,
  oracle: AofOracle,
  operations: readonly Operation[],
  isSkipped: (args: readonly Argument[]) => boolean = () => false,
): Promise<number> {
  const history: string[] = [];
  let telling = 0;
  const one = async (args: readonly Argument[]): Promise<void> => {
    const difference = await compareWords(local, oracle, args);
    history.push(formatCommand(args));
    if (difference !== null) throw new Error(`${difference}after\n${history.slice(-SHOWN).join('\n')}`);
    if (local.told.length > 0) telling++;
  };
  for (const operation of operations) {
    const { args, follow } = operation;
    if (operation.scanAll || operation.waiting !== undefined || operation.redis !== undefined) continue;
    if (isSkipped(args)) continue;
    if (follow === undefined) await one(args);
    else for (const { args: next } of await followed(local, oracle, args, follow, history)) await one(next);
  }
  return telling;
}

/** Runs a command on both. @returns what it asks to run then */
async function followed(
  local: InProcess,
  oracle: AofOracle,
  args: readonly Argument[],
  follow: NonNullable<Operation['follow']>,
  history: string[],
): Promise<readonly FollowUp[]> {
  const right = await oracle.client.command(...args);
  const left = parseReplies(local.run(...args))[0] as Reply;
  oracle.take();
  history.push(formatCommand(args));
  const next = follow(left, right);
  return typeof next === 'string' ? [] : next.filter(({ redis }) => redis === undefined);
}
