// The arena against a model: blocks do not overlap, have the room asked for, keep their content, and come back.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena, BLOCK_BYTES_MAX, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { CHUNK_BYTES, GlobalWord, REF_MASK, REF_REGION_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import {
  blockBytes,
  CLASS_BYTES,
  CLASS_BYTES_MAX,
  CLASS_COUNT,
  classOf,
} from '../../src/memory/size-classes.ts';
import { pick, seeded } from '../support/seeded.ts';

interface Block {
  readonly ref: number;
  readonly bytes: number;
  readonly stamp: number;
}

/** Arenas of several shards over one pool, each block's content a stamp. */
class Bench {
  readonly memory: SharedMemory;
  readonly meter: UsageMeter;
  readonly arenas: Arena[];
  readonly blocks: Block[][];
  #stamp = 0;

  constructor(shards: number, regions: number) {
    this.memory = new SharedMemory(allocateSharedBuffers(1, regions), 1);
    this.meter = new UsageMeter(this.memory);
    this.arenas = Array.from({ length: shards }, (_, id) => new Arena(this.memory, id, this.meter));
    this.blocks = this.arenas.map(() => []);
  }

  alloc(shard: number, bytes: number): Block {
    const arena = this.arenas[shard]!;
    const ref = arena.alloc(bytes);
    const block = { ref, bytes, stamp: ++this.#stamp };
    expect(ref).not.toBe(0);
    expect(arena.capacity(ref)).toBe(blockBytes(bytes));
    this.#stampAt(block, arena.capacity(ref), (words, at) => {
      words[at] = block.stamp;
    });
    this.blocks[shard]!.push(block);
    return block;
  }

  free(shard: number, i: number): void {
    const [block] = this.blocks[shard]!.splice(i, 1);
    this.verify(shard, block!);
    this.arenas[shard]!.free(block!.ref);
  }

  verify(shard: number, block: Block): void {
    let wrong = 0;
    this.#stampAt(block, this.arenas[shard]!.capacity(block.ref), (words, at) => {
      if (words[at] !== block.stamp) wrong++;
    });
    if (wrong > 0) throw new Error(`block ${block.ref >>> 0} of ${block.bytes} bytes lost its content`);
  }

  check(): void {
    for (let shard = 0; shard < this.arenas.length; shard++) {
      const found = this.arenas[shard]!.check();
      const blocks = this.blocks[shard]!;
      expect(found.blocks).toBe(blocks.length);
      expect(found.bytes).toBe(blocks.reduce((sum, block) => sum + blockBytes(block.bytes), 0));
      for (const block of blocks) this.verify(shard, block);
    }
  }

  /** Every word of small blocks; of large ones the first and last of each 4 KiB. */
  #stampAt(block: Block, capacity: number, visit: (words: Int32Array, at: number) => void): void {
    const words = this.memory.words[block.ref >>> REF_REGION_SHIFT]!;
    const at = (block.ref & REF_MASK) << 2;
    const step = capacity <= 8192 ? 1 : 1024;
    for (let i = 0; i < capacity / 4; i += step) visit(words, at + i);
    visit(words, at + capacity / 4 - 1);
  }
}

const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 600 }) },
  { weight: 3, arbitrary: fc.integer({ min: 600, max: CLASS_BYTES_MAX }) },
  { weight: 2, arbitrary: fc.constantFrom(...CLASS_BYTES, ...Array.from(CLASS_BYTES, (bytes) => bytes + 1)) },
  { weight: 1, arbitrary: fc.integer({ min: CLASS_BYTES_MAX + 1, max: 900_000 }) },
);
const step = fc.record({ shard: fc.nat(2), size, free: fc.boolean(), which: fc.nat() });

describe('the arena', () => {
  it('hands out blocks that do not overlap, of any size and in any order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const bench = new Bench(3, 1);
        for (const { shard, size, free, which } of steps) {
          const blocks = bench.blocks[shard]!;
          if (free && blocks.length > 0) bench.free(shard, which % blocks.length);
          else bench.alloc(shard, size);
        }
        bench.check();
        for (const [shard, blocks] of bench.blocks.entries()) while (blocks.length > 0) bench.free(shard, 0);
        bench.check();
        bench.meter.flush();
        expect(bench.memory.control[GlobalWord.UsedKiB]).toBe(0);
        expect(bench.memory.control[GlobalWord.ChunksUsed]).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('grows and shrinks by tens of thousands of blocks', () => {
    const random = seeded(20);
    const bench = new Bench(2, 1);
    for (let wave = 0; wave < 6; wave++) {
      for (let i = 0; i < 6000; i++) bench.alloc(i & 1, 1 + pick(random, wave < 3 ? 400 : 5000));
      bench.check();
      for (let i = 0; i < 5000; i++) bench.free(i & 1, pick(random, bench.blocks[i & 1]!.length));
      bench.check();
    }
  });

  it('gives chunks of freed blocks back, so that another shard and size can have them', () => {
    const bench = new Bench(2, 1);
    for (let i = 0; i < 20000; i++) bench.alloc(0, 100);
    const used = bench.memory.control[GlobalWord.ChunksUsed]!;
    expect(used).toBeGreaterThan(30);
    const high = bench.memory.control[GlobalWord.ChunksHigh]!;
    while (bench.blocks[0]!.length > 0) bench.free(0, bench.blocks[0]!.length - 1);
    expect(bench.memory.control[GlobalWord.ChunksUsed]!).toBe(0);
    for (let i = 0; i < 15; i++) bench.alloc(1, 2 * CHUNK_BYTES);
    expect(bench.memory.control[GlobalWord.ChunksHigh]).toBe(high);
    bench.check();
  });

  it('joins neighbours that were freed into one large run', () => {
    const bench = new Bench(1, 1);
    const first = Array.from({ length: 40 }, () => bench.alloc(0, 3 * CHUNK_BYTES));
    bench.alloc(0, 3 * CHUNK_BYTES);
    for (const i of first.map((_, i) => i).sort((a, b) => (a % 7) - (b % 7))) {
      bench.free(0, bench.blocks[0]!.indexOf(first[i]!));
    }
    const high = bench.memory.control[GlobalWord.ChunksHigh]!;
    expect(bench.alloc(0, 120 * CHUNK_BYTES).ref).toBe(first[0]!.ref);
    expect(bench.memory.control[GlobalWord.ChunksHigh]).toBe(high);
    bench.check();
  });

  it('says when memory is used up and then has changed nothing', () => {
    const bench = new Bench(2, 1);
    const arena = bench.arenas[0]!;
    const refs: number[] = [];
    for (let bytes = 64 * 1024 * 1024; bytes >= CHUNK_BYTES; bytes /= 2) {
      for (;;) {
        const before = [arena.used, bench.memory.control[GlobalWord.ChunksUsed]!];
        try {
          refs.push(arena.alloc(bytes > CLASS_BYTES_MAX ? bytes : CLASS_BYTES_MAX + 1));
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          expect([arena.used, bench.memory.control[GlobalWord.ChunksUsed]!]).toEqual(before);
          break;
        }
      }
    }
    // Less than three chunks in a row are left: small blocks may still find one.
    let small = 0;
    for (; small < 100_000; small++) {
      try {
        refs.push(arena.alloc(4096));
      } catch (error) {
        expect(error).toBeInstanceOf(OutOfMemoryError);
        break;
      }
    }
    expect(bench.memory.control[GlobalWord.ChunksUsed]).toBe(16383);
    expect(() => bench.arenas[1]!.alloc(16)).toThrow(OutOfMemoryError);
    expect(() => arena.alloc(BLOCK_BYTES_MAX + 1)).toThrow(OutOfMemoryError);
    arena.check();
    bench.arenas[1]!.check();
    for (const ref of refs) arena.free(ref);
    expect(arena.check()).toEqual({ blocks: 0, bytes: 0 });
    expect(bench.arenas[1]!.alloc(300_000)).not.toBe(0);
  });

  it('has room for the largest block in a region, and never lets a run cross regions', () => {
    const bench = new Bench(1, 3);
    const a = bench.arenas[0]!.alloc(BLOCK_BYTES_MAX);
    const b = bench.arenas[0]!.alloc(BLOCK_BYTES_MAX);
    expect([a >>> REF_REGION_SHIFT, b >>> REF_REGION_SHIFT]).toEqual([0, 1]);
    const third = () => bench.arenas[0]!.alloc(400 * 1024 * 1024);
    expect([third(), third()].map((ref) => ref >>> REF_REGION_SHIFT)).toEqual([2, 2]);
    expect(third).toThrow(OutOfMemoryError);
  });

  it('gives everything back at once', () => {
    const random = seeded(4);
    const bench = new Bench(2, 1);
    for (let i = 0; i < 3000; i++) bench.alloc(i & 1, 1 + pick(random, i % 50 === 0 ? 400_000 : 3000));
    bench.arenas[0]!.reset();
    bench.blocks[0]!.length = 0;
    bench.check();
    for (let i = 0; i < 3000; i++) bench.alloc(0, 1 + pick(random, 3000));
    bench.check();
  });

  it('refuses to free what it does not own', () => {
    const bench = new Bench(2, 1);
    const small = bench.alloc(0, 50);
    const large = bench.alloc(0, 500_000);
    expect(() => bench.arenas[1]!.free(small.ref)).toThrow(/does not own/);
    expect(() => bench.arenas[1]!.free(large.ref)).toThrow(/does not own/);
    expect(() => bench.arenas[0]!.free((500 << 12) | 0)).toThrow(/does not own/);
    bench.free(0, 0);
    expect(() => bench.arenas[0]!.free(small.ref)).toThrow(/does not own/);
  });

  it('counts what is in use, to the KiB once a thread is idle', () => {
    const bench = new Bench(1, 1);
    for (let i = 0; i < 1000; i++) bench.alloc(0, 777);
    bench.meter.flush();
    expect(bench.memory.control[GlobalWord.UsedKiB]).toBe(Math.floor((1000 * blockBytes(777)) / 1024));
  });

  it('knows which spans are worth emptying', () => {
    const bench = new Bench(1, 1);
    const arena = bench.arenas[0]!;
    const limits = new Int32Array(CLASS_COUNT);
    const perSpan = CHUNK_BYTES / 64;
    const blocks = Array.from({ length: perSpan * 4 }, () => bench.alloc(0, 64));
    arena.sparseLimits(limits);
    expect(limits[classOf(64)]).toBe(-1);
    // Spans with half, a quarter and all but one of their blocks: the last one listed gives out the next blocks.
    const drop = (from: number, count: number): void => {
      for (const block of blocks.slice(from, from + count)) bench.free(0, bench.blocks[0]!.indexOf(block));
    };
    drop(0, perSpan / 2);
    drop(perSpan, (perSpan * 3) / 4);
    drop(2 * perSpan, 1);
    arena.sparseLimits(limits);
    expect(limits[classOf(64)]).toBe(Math.ceil((perSpan / 2 + perSpan / 4 + perSpan - 1) / 3));
    const sparse = [1, 2, 3, 4].map((n) => arena.isSparse(blocks[n * perSpan - 1]!.ref, limits));
    expect(sparse).toEqual([true, true, false, false]);
    expect(arena.isSparse(bench.alloc(0, 1_000_000).ref, limits)).toBe(false);
  });
});
