// Adds to plain words under a lock; see lock.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { holderOf, lock, tryLock, unlock } from '../../src/memory/lock.ts';

export interface LockJob {
  readonly shared: SharedArrayBuffer;
  readonly thread: number;
  readonly rounds: number;
  /** Locks in turn; each guards the words behind it. */
  readonly locks: number;
  /** Never sleep: tries again instead, as an acceptor would. */
  readonly tryOnly: boolean;
  /** Pauses to hold a lock for, so that others must sleep. */
  readonly hold: number;
}

const job = workerData as LockJob;
const words = new Int32Array(job.shared);
const STRIDE = 32;
let failed = 0;
let contended = 0;

// All begin together.
Atomics.add(words, 0, 1);
Atomics.notify(words, 0);
while (Atomics.load(words, 0) < words[1]!) Atomics.wait(words, 0, Atomics.load(words, 0), 100);

for (let round = 0; round < job.rounds; round++) {
  const at = STRIDE * (1 + (round % job.locks));
  if (job.tryOnly) {
    while (!tryLock(words, at, job.thread)) {
      contended++;
      Atomics.pause();
    }
  } else lock(words, at, job.thread);
  if (holderOf(words, at) !== job.thread) failed++;
  // Plain loads and stores: any two threads at once would lose one.
  const value = words[at + 1]!;
  for (let i = 0; i < job.hold; i++) Atomics.pause();
  words[at + 1] = value + 1;
  words[at + 2] = words[at + 2]! ^ Math.imul(value, 2654435761);
  unlock(words, at, job.thread);
}
parentPort!.postMessage({ failed, contended });
