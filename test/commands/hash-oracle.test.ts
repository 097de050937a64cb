// The hash commands against a real redis-server: random sequences, in process. Listpacks are small, so that hashes
// change their encoding often.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hashCommands } from '../support/generate-hashes.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_801);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 6);
const LISTPACK_ENTRIES = '16';

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis({
    args: ['--hash-max-listpack-entries', LISTPACK_ENTRIES, '--enable-debug-command', 'yes'],
  });
});
afterAll(async () => {
  await server.stop();
});

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([20, hashCommands], [1, stringCommands]);

for (const protocol of [2, 3] as const) {
  describe(`hash commands as redis-server answers them (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    it.each(Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol))('seed %i', async (seed) => {
      const local = new InProcess({ resp: protocol });
      local.config.assign('hash-max-listpack-entries', LISTPACK_ENTRIES);
      const operations = sampleOperations(mixed, 1500, seed);
      await compareOperations(local, redis, operations);
      expect(operations.length).toBeGreaterThanOrEqual(1500);
    });
  });
}
