// Random commands on strings, bitmaps, HyperLogLogs, keys, lists and sorts: what they tell is what redis-server logs.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AofOracle } from '../support/aof-oracle.ts';
import { generateOperations } from '../support/command-generators.ts';
import { bitmapCommands } from '../support/generate-bitmaps.ts';
import { flushCommands, genericCommands } from '../support/generate-generic.ts';
import { hyperloglogCommands } from '../support/generate-hyperloglogs.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import { dumpCommands } from '../support/random/dump.ts';
import { listCommands } from '../support/random/lists.ts';
import { sortCommands } from '../support/random/sort.ts';
import type { Argument } from '../support/raw-client.ts';
import { compareRandom } from './effects-random.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_260_301);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 2);
const COMMANDS = 600;

const FAMILIES = {
  strings: stringCommands,
  bitmaps: bitmapCommands,
  HyperLogLogs: hyperloglogCommands,
  keys: weighted([40, genericCommands], [20, stringCommands], [1, flushCommands]),
  lists: listCommands,
  sorts: weighted([2, sortCommands], [1, listCommands]),
  dumps: weighted([2, dumpCommands], [1, stringCommands], [1, listCommands]),
};

let oracle: AofOracle;
let local: InProcess;
beforeAll(async () => {
  oracle = await AofOracle.start();
  await oracle.run('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
});
afterAll(() => oracle.stop());
beforeEach(async () => {
  local = new InProcess({ effects: true });
  local.config.assign('enable-debug-command', 'yes');
  await oracle.run('SELECT', '0');
  await oracle.run('FLUSHALL');
  // Random commands change these: each seed begins with the defaults, here and there.
  await oracle.run('CONFIG', 'SET', 'hll-sparse-max-bytes', '3000');
  await oracle.run('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
});
afterEach(() => local.checkInvariants());

/** Commands after which the two differ, in what they delete when they meet it. */
function isSkipped(args: readonly Argument[]): boolean {
  const name = String(args[0]).toUpperCase();
  // Redis does not tell that the string has grown if no field was set.
  if (name === 'BITFIELD' && args.some((arg) => /^fail$/i.test(String(arg)))) return true;
  // Which key is met at random; keys that have expired and are looked at by one only.
  return name === 'RANDOMKEY' || name === 'KEYS' || name === 'SCAN' || name === 'DEBUG';
}

const SEEDS = Array.from({ length: RUNS }, (_, run) => SEED + run);

describe.each(Object.entries(FAMILIES))('%s', (_name, generator) => {
  it.each(SEEDS)('seed %i', async (seed) => {
    const operations = generateOperations(generator, COMMANDS, seed).flat();
    expect(await compareRandom(local, oracle, operations, isSkipped)).toBeGreaterThan(COMMANDS / 20);
  });
});
