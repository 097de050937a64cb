// Random transactions of two clients: the same replies as from a real redis-server, and the same data sets.
//
// SABRE_DIFF_MOVES sets the number of commands per block, SABRE_DIFF_SEED repeats them.

import { expect, it } from 'vitest';
import { commandNames } from '../support/command-coverage.ts';
import { describeDifferential } from '../support/differential.ts';
import { explainMoves, generateMoves, playMoves, type Tally } from '../support/random-transactions.ts';

const MOVES = Number(process.env['SABRE_DIFF_MOVES'] ?? 4000);
const SEED = Number(process.env['SABRE_DIFF_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const MOVES_PER_RUN = 2000;

describeDifferential('random transactions', (diff) => {
  it(`get the same replies (SABRE_DIFF_SEED=${SEED})`, { timeout: 60_000 + MOVES * 10 }, async () => {
    const known = await commandNames(diff.sabre);
    const tally: Tally = { run: 0, aborted: 0, refused: 0 };
    for (let from = 0, seed = SEED; from < MOVES; from += MOVES_PER_RUN, seed++) {
      const moves = generateMoves(MOVES_PER_RUN, seed, known);
      const failure = await playMoves(diff, moves, tally);
      if (failure !== null) throw new Error(`seed ${seed}:\n${await explainMoves(diff, moves, failure)}`);
    }
    expect(Math.min(tally.run, tally.aborted, tally.refused)).toBeGreaterThan(0);
  });
});
