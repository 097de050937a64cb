// The geo commands against a real redis-server: random sequences, in process, byte by byte.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { generateOperations } from '../support/command-generators.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import { geoCommands } from '../support/random/geo.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_901);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 4);

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});
afterAll(async () => {
  await server?.stop();
});

/** Some strings among them, for WRONGTYPE. */
const mixed = weighted([30, geoCommands], [1, stringCommands]);

for (const protocol of [2, 3] as const) {
  describe(`geo commands as redis-server answers them (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    it.each(Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol))('seed %i', async (seed) => {
      const local = new InProcess({ resp: protocol });
      // What STOREDIST stores is looked at with whole servers (differential.test.ts).
      const operations = generateOperations(mixed, 1500, seed)
        .flat()
        .filter(({ follow }) => follow === undefined);
      await compareOperations(local, redis, operations);
      expect(operations.length).toBeGreaterThan(1200);
    });
  });
}
