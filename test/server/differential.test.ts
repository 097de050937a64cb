// Random commands against Sabre and a real redis-server: every reply and the data sets must be the same.
//
// SABRE_DIFF_COMMANDS sets the number of operations of all runs together (200,000), SABRE_DIFF_SEED repeats them,
// SABRE_DIFF_RATIOS prints how often each command was answered well. Each run begins with empty servers and has a seed of its own.

import { expect, it } from 'vitest';
import { Coverage, commandNames, commandsOfGroups } from '../support/command-coverage.ts';
import {
  COVERED_GROUPS,
  commandMix,
  generateOperations,
  NOT_GENERATED,
} from '../support/command-generators.ts';
import { describeDifferential } from '../support/differential.ts';
import { explainFailure } from '../support/random-minimise.ts';
import { runOperations } from '../support/random-run.ts';
import { TOPOLOGIES } from '../support/sabre-server.ts';

const COMMANDS = Number(process.env['SABRE_DIFF_COMMANDS'] ?? 200_000);
const SEED = Number(process.env['SABRE_DIFF_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
/** Topologies, and protocol versions. */
const BLOCKS = TOPOLOGIES.length * 2;
const COMMANDS_PER_BLOCK = Math.ceil(COMMANDS / BLOCKS);
const COMMANDS_PER_RUN = 12_500;
/** One that the oracle does not know: with redis-server in Sabre's place, there are none of these. */
const NEWER_COMMAND = 'hexpire';
/** With fewer operations, not every command comes up. */
const ENOUGH_FOR_COVERAGE = 25_000;
const LIMIT_MS = 300_000 + COMMANDS_PER_BLOCK * 20;

describeDifferential('random commands', (diff) => {
  it(`get the same replies (SABRE_DIFF_SEED=${SEED}, ${COMMANDS_PER_BLOCK} operations)`, {
    timeout: LIMIT_MS,
  }, async () => {
    const known = await commandNames(diff.sabre);
    const generator = commandMix(known.has(NEWER_COMMAND));
    const coverage = new Coverage();
    for (let from = 0, seed = SEED; from < COMMANDS_PER_BLOCK; from += COMMANDS_PER_RUN, seed++) {
      const count = Math.min(COMMANDS_PER_RUN, COMMANDS_PER_BLOCK - from);
      const operations = generateOperations(generator, count, seed).flat();
      // What is not built is missed in the list below.
      const built = operations.filter(({ args }) => known.has(String(args[0]).toLowerCase()));
      const failure = await runOperations(diff, built, coverage);
      if (failure !== null) throw new Error(await explainFailure(diff, built, failure, seed));
    }
    if (process.env['SABRE_DIFF_RATIOS']) console.log(String(coverage));
    const all = new Set([
      ...(await commandsOfGroups(diff.redis, COVERED_GROUPS)),
      ...(await commandsOfGroups(diff.sabre, COVERED_GROUPS)),
    ]);
    const missed = coverage.missing([...all].filter((name) => !NOT_GENERATED.has(name)));
    console.log(`commands not reached: ${missed.join(', ') || 'none'}`);
    if (COMMANDS_PER_BLOCK >= ENOUGH_FOR_COVERAGE) expect(missed).toEqual([]);
  });
});

/** Each goes with a mark behind it, so that its events are told from others'. */
const EVENT_COMMANDS = Math.ceil(COMMANDS / 10);

describeDifferential(
  'random commands with all notifications on',
  (diff) => {
    it(`bring about the same events (SABRE_DIFF_SEED=${SEED}, ${EVENT_COMMANDS} operations)`, {
      timeout: LIMIT_MS,
    }, async () => {
      const known = await commandNames(diff.sabre);
      const generator = commandMix(known.has(NEWER_COMMAND));
      for (let from = 0, seed = SEED; from < EVENT_COMMANDS; from += COMMANDS_PER_RUN, seed++) {
        const count = Math.min(COMMANDS_PER_RUN, EVENT_COMMANDS - from);
        const operations = generateOperations(generator, count, seed).flat();
        const built = operations.filter(({ args }) => known.has(String(args[0]).toLowerCase()));
        const failure = await runOperations(diff, built, undefined, true);
        if (failure !== null)
          throw new Error(`${failure.message}\n  after ${failure.ran} operations, seed ${seed}`);
      }
    });
  },
  { protocols: [2], topologies: TOPOLOGIES.slice(1) },
);

describeDifferential(
  'the HyperLogLog self-test',
  (diff) => {
    it('passes', async () => {
      await diff.same('PFSELFTEST');
    });
  },
  { protocols: [2] },
);
