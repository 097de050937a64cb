// Cuts a failing random run down to the operations that matter, by delta debugging: parts are left out and the rest is run
// again on emptied servers, as long as it still fails.

import { formatCommand } from './command-history.ts';
import type { Differential, Endpoint } from './differential.ts';
import type { Operation } from './generator-parts.ts';
import { type Failure, runOperations } from './random-run.ts';

const MINIMISE_LIMIT_MS = 60_000;
const SHOWN_OPERATIONS = 100;

/**
 * The fewest operations found that still fail, by delta debugging: leave out ever smaller parts as long as the rest fails.
 * @param fails runs operations; null when they do not fail.
 */
export async function minimise<Part>(
  operations: readonly Part[],
  fails: (operations: readonly Part[]) => Promise<Failure | null>,
  limitMs = MINIMISE_LIMIT_MS,
): Promise<{ operations: readonly Part[]; failure: Failure | null }> {
  const deadline = Date.now() + limitMs;
  let kept = operations;
  let failure: Failure | null = null;
  let parts = 2;
  while (kept.length > 1 && parts <= kept.length && Date.now() < deadline) {
    const size = Math.ceil(kept.length / parts);
    let shorter: readonly Part[] | null = null;
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
  const { args, redis, scan, waiting } = operation;
  if (operation.scanAll)
    return `${formatCommand([...(scan ?? ['SCAN']), '0', ...args])}   (repeated until the cursor is 0)`;
  const before = waiting === undefined ? '' : `(another connection) ${formatCommand(waiting)}\n`;
  const instead = redis === undefined ? '' : `   (the oracle: ${formatCommand(redis)})`;
  const after = operation.follow === undefined ? '' : '   (and what follows its reply)';
  return before + formatCommand(args) + instead + after;
}

/** A server that died of the operations is started again, to run them once more. */
async function revive(diff: Differential<Endpoint>): Promise<void> {
  for (const server of [diff.servers.sabre, diff.servers.redis]) {
    if (!server.running) await server.start();
  }
}
