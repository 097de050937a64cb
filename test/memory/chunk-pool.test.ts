// The pool of chunks against a model of used and free chunks: first fit, no overlap, no run over a region's end.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { giveChunks, isChunkUsed, OutOfMemoryError, takeChunks } from '../../src/memory/chunk-pool.ts';
import { CHUNKS_PER_REGION, GlobalWord } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';

class Model {
  readonly used: Uint8Array;
  constructor(chunks: number) {
    this.used = new Uint8Array(chunks);
    this.used[0] = 1;
  }
  /** First run of `count` free chunks inside one region, -1 if there is none. */
  find(count: number): number {
    for (let first = 1; first + count <= this.used.length; first++) {
      let run = 0;
      while (
        run < count &&
        this.used[first + run] === 0 &&
        (run === 0 || (first + run) % CHUNKS_PER_REGION !== 0)
      )
        run++;
      if (run === count) return first;
      if (this.used[first + run] === 1) first += run;
    }
    return -1;
  }
}

const memoryOf = (regions: number): SharedMemory => new SharedMemory(allocateSharedBuffers(1, regions), 1);

function expectSame(memory: SharedMemory, model: Model, upTo: number): void {
  for (let chunk = 1; chunk < upTo; chunk++) {
    if (isChunkUsed(memory, chunk) !== (model.used[chunk] === 1)) throw new Error(`chunk ${chunk} differs`);
  }
}

describe('the pool of chunks', () => {
  it('takes the first run that fits, as a model does', () => {
    const step = fc.record({
      give: fc.boolean(),
      which: fc.nat(),
      count: fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 40 }), fc.integer({ min: 60, max: 300 })),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const memory = memoryOf(1);
        const model = new Model(CHUNKS_PER_REGION);
        const runs: { first: number; count: number }[] = [];
        for (const { give, which, count } of steps) {
          if (give && runs.length > 0) {
            const [run] = runs.splice(which % runs.length, 1);
            giveChunks(memory, run!.first, run!.count);
            model.used.fill(0, run!.first, run!.first + run!.count);
            continue;
          }
          const first = takeChunks(memory, count);
          expect(first).toBe(model.find(count));
          model.used.fill(1, first, first + count);
          runs.push({ first, count });
        }
        expectSame(memory, model, 6000);
        expect(memory.control[GlobalWord.ChunksUsed]).toBe(runs.reduce((sum, run) => sum + run.count, 0));
      }),
      { numRuns: 60 },
    );
  });

  it('takes whole regions and stops at their ends', () => {
    const memory = memoryOf(3);
    expect(takeChunks(memory, 10)).toBe(1);
    // A whole region fits in the second one only if it begins there.
    expect(takeChunks(memory, CHUNKS_PER_REGION)).toBe(CHUNKS_PER_REGION);
    expect(takeChunks(memory, CHUNKS_PER_REGION - 5)).toBe(2 * CHUNKS_PER_REGION);
    expect(takeChunks(memory, CHUNKS_PER_REGION - 11)).toBe(11);
    expect(() => takeChunks(memory, 6)).toThrow(OutOfMemoryError);
    expect(takeChunks(memory, 5)).toBe(3 * CHUNKS_PER_REGION - 5);
    expect(() => takeChunks(memory, 1)).toThrow(OutOfMemoryError);
    giveChunks(memory, CHUNKS_PER_REGION + 31, 3);
    expect(() => takeChunks(memory, 4)).toThrow(OutOfMemoryError);
    expect(takeChunks(memory, 3)).toBe(CHUNKS_PER_REGION + 31);
    expect(memory.control[GlobalWord.ChunksUsed]).toBe(3 * CHUNKS_PER_REGION - 1);
  });

  it('refuses more than a region in one run', () => {
    expect(() => takeChunks(memoryOf(3), CHUNKS_PER_REGION + 1)).toThrow(OutOfMemoryError);
  });
});
