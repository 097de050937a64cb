// The set commands against a real redis-server: random sequences, in process. Redis 7.0 has no listpacks for sets, so
// that they are switched off here; intsets are small, so that sets change their encoding often.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setCommands } from '../support/generate-sets.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_701);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 6);
const INTSET_ENTRIES = 16;

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis({
    args: ['--set-max-intset-entries', String(INTSET_ENTRIES), '--enable-debug-command', 'yes'],
  });
});
afterAll(async () => {
  await server.stop();
});

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([20, setCommands], [1, stringCommands]);

for (const protocol of [2, 3] as const) {
  describe(`set commands as redis-server answers them (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    it.each(Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol))('seed %i', async (seed) => {
      const local = new InProcess({ resp: protocol });
      local.config.assign('set-max-intset-entries', String(INTSET_ENTRIES));
      local.config.assign('set-max-listpack-entries', '0');
      const operations = sampleOperations(mixed, 1500, seed);
      await compareOperations(local, redis, operations);
      expect(operations.length).toBeGreaterThan(1500);
    });
  });
}
