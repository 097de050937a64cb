// Registers the tests of a family of commands: random sequences in process and on a redis-server, in both protocols.
// SABRE_SEED and SABRE_RUNS repeat one, or run many.

import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { DirectiveName } from '../../src/config/directives.ts';
import type { Generator, Operation } from '../support/generator-parts.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { compareOperations, sampleOperations } from './against-redis.ts';

type Directives = Readonly<Partial<Record<DirectiveName, string>>>;

export interface RandomComparison {
  /** What is compared, for the tests' names. */
  readonly what: string;
  readonly commands: Generator;
  /** Operations of a run, as they are drawn. */
  readonly count: number;
  /** Drawn operations that are run. Default: all. */
  readonly keep?: (operation: Operation) => boolean;
  /** What is left of a run at the least. Default: `count`. */
  readonly least?: number;
  readonly seed: number;
  readonly runs: number;
  /** Directives with the same value here and there. */
  readonly both?: Directives;
  /** Directives with a value for here alone, which may be another for each seed. */
  readonly here?: (seed: number) => Directives;
}

/** @returns the redis-server, which starts before the first test of the file and stops after the last */
export function useRedis(args: readonly string[] = []): { connect: ServerProcess['connect'] } {
  let server: ServerProcess | undefined;
  beforeAll(async () => {
    server = await startRedis({ args: ['--enable-debug-command', 'yes', ...args] });
  });
  afterAll(async () => {
    await server?.stop();
  });
  return { connect: (options) => server!.connect(options) };
}

/**
 * Compares random sequences of commands.
 * @param more registers further tests for each protocol; `redis` is an empty server's client, `local` makes its counterpart
 */
export function compareAtRandom(
  comparison: RandomComparison,
  more?: (redis: () => RawClient, local: () => InProcess, protocol: 2 | 3) => void,
): void {
  const { what, commands, count, keep, least = count, both = {}, here = () => ({}) } = comparison;
  const first = Number(process.env['SABRE_SEED'] ?? comparison.seed);
  const runs = Number(process.env['SABRE_RUNS'] ?? comparison.runs);
  const server = useRedis(Object.entries(both).flatMap(([name, value]) => [`--${name}`, value]));

  describe.each([2, 3] as const)(`${what} as redis-server answers them (RESP%i)`, (protocol) => {
    let redis: RawClient;
    beforeEach(async () => {
      redis = await server.connect({ protocol });
      await redis.call('FLUSHALL');
      return () => redis.close();
    });

    const makeLocal = (seed: number): InProcess => {
      const local = new InProcess({ resp: protocol });
      for (const [name, value] of Object.entries({ ...both, ...here(seed) }))
        local.config.assign(name as DirectiveName, value);
      return local;
    };

    it.each(Array.from({ length: runs }, (_, run) => first + run * 10 + protocol))(
      'seed %i',
      async (seed) => {
        const drawn = sampleOperations(commands, count, seed);
        const operations = keep === undefined ? drawn : drawn.filter(keep);
        await compareOperations(makeLocal(seed), redis, operations);
        expect(operations.length).toBeGreaterThanOrEqual(least);
      },
    );

    more?.(
      () => redis,
      () => makeLocal(first),
      protocol,
    );
  });
}
