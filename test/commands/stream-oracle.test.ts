// The stream commands against a real redis-server: random sequences, in process, with blocks of few entries, so that
// there are many.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ShardCounter } from '../../src/memory/layout.ts';
import { countingStreams, streamCommands } from '../support/generate-streams.ts';
import { stringCommands } from '../support/generate-strings.ts';
import { type Generator, weighted } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_801);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 3);
const COMMANDS = Number(process.env['SABRE_COMMANDS'] ?? 1200);

let server: ServerProcess;
beforeAll(async () => {
  server = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});
afterAll(async () => {
  await server.stop();
});

const mixes: readonly (readonly [string, Generator])[] = [
  // Some strings among them, for WRONGTYPE.
  ['all commands', weighted([40, streamCommands], [1, stringCommands])],
  ['counts of groups', countingStreams],
];
const blocks: readonly (readonly [string, string])[] = [
  ['4096', '100'],
  ['300', '0'],
  ['0', '3'],
];

describe('memory', () => {
  it('a stream takes no more than in redis-server', { timeout: 60_000 }, async () => {
    const redis = await server.connect();
    await redis.call('FLUSHALL');
    for (const [directive, text] of [
      ['stream-node-max-bytes', '4096'],
      ['stream-node-max-entries', '100'],
    ]) {
      await redis.call('CONFIG', 'SET', directive!, text!);
    }
    const local = new InProcess();
    const used = async (): Promise<number> =>
      Number(String(await redis.call('INFO', 'memory')).match(/used_memory:(\d+)/)![1]);
    const before = await used();
    const empty = local.keyspace.sum(ShardCounter.Used);
    for (let from = 0; from < 100_000; from += 1000) {
      const batch = Array.from({ length: 1000 }, (_, i): string[] => {
        const n = from + i;
        return ['XADD', 's', `${1_700_000_000_000 + Math.floor(n / 5)}-${n % 5}`, 'field', `value:${n}`];
      });
      for (const args of batch) local.run(...args);
      await redis.pipeline(batch);
    }
    const theirs = (await used()) - before;
    const ours = local.keyspace.sum(ShardCounter.Used) - empty;
    expect(ours / theirs).toBeLessThanOrEqual(1);
    expect(ours).toBeGreaterThan(100_000 * 20);
    await redis.close();
  });
});

for (const protocol of [2, 3] as const) {
  describe(`stream commands as redis-server answers them (RESP${protocol})`, () => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    for (const [name, generator] of mixes) {
      for (const [bytes, entries] of blocks) {
        const seeds = Array.from({ length: RUNS }, (_, run) => SEED + run * 10 + protocol);
        it.each(seeds)(`${name}, blocks of ${bytes} bytes and ${entries} entries, seed %i`, async (seed) => {
          const local = new InProcess({ resp: protocol });
          for (const [directive, text] of [
            ['stream-node-max-bytes', bytes],
            ['stream-node-max-entries', entries],
          ] as const) {
            local.config.assign(directive, text);
            await redis.call('CONFIG', 'SET', directive, text);
          }
          const operations = sampleOperations(generator, COMMANDS, seed);
          await compareOperations(local, redis, operations);
          expect(operations.length).toBeGreaterThan(COMMANDS);
        });
      }
    }
  });
}
