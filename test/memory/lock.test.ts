// Locks under real threads: no increment is lost, no thread sleeps for ever, the holder is checked.

import { describe, expect, it } from 'vitest';
import { holderOf, lock, tryLock, trySpin, unlock, WAITED } from '../../src/memory/lock.ts';
import type { LockJob } from './lock-worker.ts';
import { runWorkers } from './workers.ts';

async function contend(jobs: readonly Omit<LockJob, 'shared' | 'thread'>[]): Promise<void> {
  const shared = new SharedArrayBuffer(32 * 4 * 16);
  const words = new Int32Array(shared);
  words[1] = jobs.length;
  const results = await runWorkers<LockJob, { failed: number }>(
    './lock-worker.ts',
    import.meta.url,
    jobs.map((job, i) => ({ ...job, shared, thread: i + 1 })),
  );
  expect(results.map((result) => result.failed)).toEqual(jobs.map(() => 0));
  const { locks } = jobs[0]!;
  const rounds = jobs.reduce((sum, job) => sum + job.rounds, 0);
  let sum = 0;
  for (let i = 0; i < locks; i++) {
    const at = 32 * (1 + i);
    const count = words[at + 1]!;
    let mix = 0;
    for (let value = 0; value < count; value++) mix ^= Math.imul(value, 2654435761);
    expect(words[at + 2]).toBe(mix);
    expect(words[at]).toBe(0);
    sum += count;
  }
  expect(sum).toBe(rounds);
}

describe('locks', () => {
  it('let no two threads in at once', async () => {
    await contend(Array.from({ length: 4 }, () => ({ rounds: 30_000, locks: 1, tryOnly: false, hold: 0 })));
  });

  it('wake every thread that sleeps, however long they are held', async () => {
    await contend(Array.from({ length: 5 }, () => ({ rounds: 300, locks: 2, tryOnly: false, hold: 3000 })));
  });

  it('serve threads that sleep and threads that only try', async () => {
    await contend([
      { rounds: 20_000, locks: 3, tryOnly: true, hold: 0 },
      { rounds: 20_000, locks: 3, tryOnly: false, hold: 0 },
      { rounds: 2000, locks: 3, tryOnly: false, hold: 200 },
    ]);
  });

  it('are taken once, by a try or by waiting', () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    expect(tryLock(words, 3, 7)).toBe(true);
    expect(tryLock(words, 3, 8)).toBe(false);
    expect(trySpin(words, 3, 8, 10)).toBe(false);
    expect(holderOf(words, 3)).toBe(7);
    unlock(words, 3, 7);
    lock(words, 3, 8);
    expect(holderOf(words, 3)).toBe(8);
    words[3] = 8 | WAITED;
    expect(holderOf(words, 3)).toBe(8);
    unlock(words, 3, 8);
    expect(words[3]).toBe(0);
  });

  it('are freed by their holder only', () => {
    const words = new Int32Array(new SharedArrayBuffer(64));
    lock(words, 0, 5);
    expect(() => unlock(words, 0, 6)).toThrow('lock 0 freed by 6, held by 5');
    expect(() => unlock(words, 1, 6)).toThrow('lock 1 freed by 6, held by 0');
  });
});
