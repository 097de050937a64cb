// What commands tell to the change stream is enough to get the same data again: random commands of every family, on a clock
// that goes on, so that keys and fields expire; what they told is replayed as a log is, and the two are compared.

import { describe, it } from 'vitest';
import { commandMix } from '../support/command-generators.ts';
import { replayOperations, type Settings } from '../support/effects-replay.ts';
import { DATABASES, type Generator, weighted } from '../support/generator-parts.ts';
import { expiringFields, expiringKeys, groupedStreams } from '../support/random/expiring.ts';
import { geoCommands } from '../support/random/geo.ts';
import { hashCommands, newerHashCommands } from '../support/random/hashes.ts';
import { collectionKeyCommands } from '../support/random/keys.ts';
import { setCommands } from '../support/random/sets.ts';
import { newerSortedSetCommands, sortedSetCommands } from '../support/random/sorted-sets.ts';
import { newerStreamCommands, streamCommands } from '../support/random/streams.ts';
import { sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_811);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 3);
const COMMANDS = Number(process.env['SABRE_COMMANDS'] ?? 1500);

const streams = weighted([6, streamCommands], [2, newerStreamCommands], [1, collectionKeyCommands]);
const mixes: readonly (readonly [string, Generator, Settings])[] = [
  ['hashes', weighted([1, hashCommands], [2, newerHashCommands], [1, collectionKeyCommands]), {}],
  ['hash tables', weighted([1, hashCommands], [2, newerHashCommands]), { 'hash-max-listpack-entries': '0' }],
  ['fields that expire', expiringFields, {}],
  ['fields that expire in hash tables', expiringFields, { 'hash-max-listpack-entries': '2' }],
  ['keys that expire', weighted([1, expiringKeys], [1, expiringFields]), {}],
  ['groups of streams', groupedStreams, { 'stream-node-max-entries': '3' }],
  ['sets', weighted([6, setCommands], [1, collectionKeyCommands]), {}],
  ['sorted sets', weighted([6, sortedSetCommands], [1, newerSortedSetCommands], [2, geoCommands]), {}],
  ['streams', streams, {}],
  ['streams in small blocks', streams, { 'stream-node-max-entries': '3' }],
  ['all commands', commandMix(true), { 'stream-node-max-entries': '10' }],
];

describe('what commands told, replayed, gives the same data', () => {
  for (const [name, generator, config] of mixes) {
    for (let run = 0; run < RUNS; run++) {
      const seed = SEED + run;
      it(`${name}, seed ${seed}`, { timeout: 120_000 }, () => {
        replayOperations(sampleOperations(generator, COMMANDS, seed), {
          start: Date.now(),
          // Now and then the clock stands still, or makes a leap.
          step: (index) => [0, 1, 3, 40, 0, 700][(index * 7 + seed) % 6]!,
          databases: DATABASES,
          compareEvery: 100,
          config,
        });
      });
    }
  }
});
