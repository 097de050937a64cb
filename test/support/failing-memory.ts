// Memory that runs out at will: the n-th block asked for, of all shards together, is not to be had.

import { Arena } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';

/** Which allocations fail: one of them, or that one and all that come after it. */
export type Failing = 'one' | 'rest';

/**
 * Runs something while memory runs out.
 * @param nth the first allocation that fails, from 1
 * @returns how many allocations were asked for
 */
export function withFailing(nth: number, failing: Failing, work: () => void): number {
  const { alloc } = Arena.prototype;
  let count = 0;
  Arena.prototype.alloc = function (this: Arena, bytes: number): number {
    count++;
    if (failing === 'one' ? count === nth : count >= nth) throw new OutOfMemoryError('test');
    return alloc.call(this, bytes);
  };
  try {
    work();
  } finally {
    Arena.prototype.alloc = alloc;
  }
  return count;
}
