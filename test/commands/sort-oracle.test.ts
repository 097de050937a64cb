// SORT against a real redis-server: random lists, sets and sorted sets, patterns, limits, in process, byte by byte; equal
// elements of lists come in Redis's order.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sortCommands } from '../support/generate-sorts.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_801);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 6);

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});
afterAll(async () => {
  await server.stop();
});

for (const protocol of [2, 3] as const) {
  describe(`SORT as redis-server does it (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    it.each(Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol))('seed %i', async (seed) => {
      const local = new InProcess({ resp: protocol });
      local.config.assign('set-max-listpack-entries', '0');
      await compareOperations(local, redis, [{ args: ['SET', 'string', 'x'] }]);
      const operations = sampleOperations(sortCommands, 1200, seed);
      await compareOperations(local, redis, operations);
      expect(operations.length).toBeGreaterThan(1000);
    });
  });
}
