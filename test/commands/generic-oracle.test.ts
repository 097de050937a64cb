import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flushCommands, genericCommands } from '../support/generate-generic.ts';
import { hyperloglogCommands } from '../support/generate-hyperloglogs.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { type Generator, weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { runBoth } from './generic-differential.ts';

const SEEDS = process.env['SABRE_TEST_SEED'] ? [Number(process.env['SABRE_TEST_SEED'])] : [1, 2, 3];

const RUNS = Number(process.env['SABRE_TEST_RUNS'] ?? 2000);

describe('generic and HyperLogLog commands beside redis-server', () => {
  let redis: ServerProcess;

  beforeAll(async () => {
    redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  });
  afterAll(() => redis.stop());

  async function compare(generator: Generator, seed: number, runs: number, resp: 2 | 3) {
    const client = await redis.connect({ protocol: resp });
    await client.command('FLUSHALL');
    await client.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await client.command('CONFIG', 'SET', 'hll-sparse-max-bytes', '3000');
    await client.command('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
    const local = new InProcess({ resp });
    local.config.assign('enable-debug-command', 'yes');
    const operations = fc.sample(generator, { numRuns: runs, seed }).flat();
    expect(operations.length).toBeGreaterThan(runs / 2);
    await runBoth(local, client, operations);
    await client.close();
  }

  for (const seed of SEEDS) {
    it(`generic, seed ${seed}`, () =>
      compare(
        weighted([20, genericCommands], [10, stringCommands], [1, flushCommands]),
        seed,
        RUNS,
        seed % 2 === 0 ? 3 : 2,
      ));
    it(`HyperLogLog, seed ${seed}`, () =>
      compare(weighted([10, hyperloglogCommands], [1, stringCommands]), seed, RUNS / 2, 2));
  }
});
