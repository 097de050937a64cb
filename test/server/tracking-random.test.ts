// Random commands of clients that cache keys: every client gets what it gets from a real redis-server, byte for byte and in the same
// order; and INFO counts the same.
//
// SABRE_DIFF_MOVES sets the number of moves per block, SABRE_DIFF_SEED repeats them.

import { expect, it } from 'vitest';
import { describeDifferential } from '../support/differential.ts';
import { generateTrackingMoves, playTracking } from '../support/random-tracking.ts';

const MOVES = Number(process.env['SABRE_DIFF_MOVES'] ?? 600);
const SEED = Number(process.env['SABRE_DIFF_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describeDifferential('random tracking', (diff) => {
  it(`tells the same (SABRE_DIFF_SEED=${SEED})`, { timeout: 60_000 + MOVES * 20 }, async () => {
    const { sabre, redis } = diff.servers;
    const moves = generateTrackingMoves(MOVES, SEED);
    expect(await playTracking(sabre, redis, diff.protocol, moves)).toBeNull();
  });
});
