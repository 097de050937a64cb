// Several real threads on the same shards: the final state is exact and every invariant holds.

import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { GlobalWord, ShardCounter } from '../../src/memory/layout.ts';
import { allocateSharedBuffers } from '../../src/memory/shared-memory.ts';
import { runWorkers } from '../memory/workers.ts';
import { Keys, makeKeyspace } from './bench.ts';
import type { StressJob, StressResult } from './stress-worker.ts';

const COUNTERS = 5;

async function storm(
  jobs: readonly Pick<StressJob, 'tryOnly' | 'background'>[],
  rounds: number,
): Promise<void> {
  const buffers = allocateSharedBuffers(1, 1);
  const results = await runWorkers<StressJob, StressResult>(
    './stress-worker.ts',
    import.meta.url,
    jobs.map((job, i) => ({ ...job, buffers, thread: i + 2, rounds, counters: COUNTERS })),
  );
  expect(results.map((result) => result.wrong)).toEqual(jobs.map(() => 0));
  const keys = new Keys(makeKeyspace({ buffers }));
  const found = checkKeyspace(keys.keyspace);
  for (let i = 0; i < COUNTERS; i++) {
    const sum = (of: (result: StressResult) => number[]): number =>
      results.reduce((all, result) => all + of(result)[i]!, 0);
    expect(Number(keys.get(`counter:${i}`))).toBe(sum((result) => result.increments));
    expect(keys.get(`log:${i}`)!.toString()).toBe('abc'.repeat(sum((result) => result.appended)));
  }
  const own = results.reduce((all, result) => all + result.ownKeys, 0);
  let gone = 0;
  for (let thread = 2; thread < jobs.length + 2; thread++)
    for (let i = 0; i < 500; i++) if (keys.get(`gone:${thread}:${i}`) !== null) gone++;
  expect(found.keys).toBe(own + 2 * COUNTERS + gone);
  // Each thread's rest of less than a KiB is not in the shared total.
  const used = keys.keyspace.sum(ShardCounter.Used);
  expect(Math.abs(keys.keyspace.memory.control[GlobalWord.UsedKiB]! * 1024 - used)).toBeLessThan(
    1024 * jobs.length,
  );
}

describe('several threads on the same shards', () => {
  it('keep every key exact, sleeping on locks', async () => {
    await storm(
      [
        { tryOnly: false, background: false },
        { tryOnly: false, background: false },
        { tryOnly: false, background: false },
      ],
      40_000,
    );
  });

  it('keep every key exact as acceptors and workers that expire and defragment', async () => {
    await storm(
      [
        { tryOnly: true, background: false },
        { tryOnly: true, background: false },
        { tryOnly: false, background: true },
      ],
      40_000,
    );
  });
});
