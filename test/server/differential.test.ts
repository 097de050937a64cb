// Random commands against Sabre and a real redis-server: every reply and the data sets must be the same.
//
// SABRE_DIFF_COMMANDS sets the number of operations per run (20,000), SABRE_DIFF_SEED repeats a run.

import { expect, it } from 'vitest';
import {
  COVERED_GROUPS,
  commandMix,
  generateOperations,
  NOT_GENERATED,
} from '../support/command-generators.ts';
import { describeDifferential } from '../support/differential.ts';
import { OTHER_TYPE_COMMANDS } from '../support/generate-other-types.ts';
import { Coverage, commandsOfGroups, explainFailure, runOperations } from '../support/random-run.ts';
import type { RawClient } from '../support/raw-client.ts';

const COMMANDS = Number(process.env['SABRE_DIFF_COMMANDS'] ?? 20_000);
const SEED = Number(process.env['SABRE_DIFF_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** With fewer operations, not every command comes up. */
const ENOUGH_FOR_COVERAGE = 10_000;
const LIMIT_MS = 120_000 + COMMANDS * 5;

describeDifferential('random commands', (diff) => {
  it(`get the same replies (SABRE_DIFF_SEED=${SEED}, ${COMMANDS} operations)`, {
    timeout: LIMIT_MS,
  }, async () => {
    const generator = commandMix(await knowsOtherTypes(diff.sabre));
    const operations = generateOperations(generator, COMMANDS, SEED).flat();
    const coverage = new Coverage();
    const failure = await runOperations(diff, operations, coverage);
    if (failure !== null) throw new Error(await explainFailure(diff, operations, failure, SEED));
    const known = await commandsOfGroups(diff.redis, COVERED_GROUPS);
    if (process.env['SABRE_DIFF_RATIOS']) printRatios(coverage);
    const missed = known.filter((name) => !coverage.successes.has(name) && !NOT_GENERATED.has(name));
    if (missed.length > 0) console.log(`never answered without an error: ${missed.join(', ')}`);
    if (COMMANDS >= ENOUGH_FOR_COVERAGE) expect(missed).toEqual([]);
  });
});

describeDifferential(
  'the HyperLogLog self-test',
  (diff) => {
    it('passes', async () => {
      await diff.same('PFSELFTEST');
    });
  },
  { protocols: [2] },
);

async function knowsOtherTypes(client: RawClient): Promise<boolean> {
  const reply = await client.command('COMMAND', 'INFO', ...OTHER_TYPE_COMMANDS);
  return reply.items?.every((item) => item.items !== null) ?? false;
}

/** How often each command was answered well, and how often with an error: for work on the generators. */
function printRatios(coverage: Coverage): void {
  const names = [...new Set([...coverage.successes.keys(), ...coverage.errors.keys()])].sort();
  const line = (name: string) =>
    `${name}: ${coverage.successes.get(name) ?? 0} ok, ${coverage.errors.get(name) ?? 0} errors`;
  console.log(names.map(line).join('\n'));
}
