// The string commands against a real redis-server: random sequences, in process, byte by byte.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stringCommands } from '../support/generate-strings.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_601);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 6);

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await server.stop();
});

for (const protocol of [2, 3] as const) {
  describe(`string commands as redis-server answers them (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    it.each(Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol))('seed %i', async (seed) => {
      const local = new InProcess({ resp: protocol });
      const operations = sampleOperations(stringCommands, 800, seed);
      await compareOperations(local, redis, operations);
      expect(operations.length).toBeGreaterThan(800);
    });
  });
}
