// Quicklists against arrays: random changes, every invariant after each of them, with memory that runs out too.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Arena, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { GlobalWord } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { CLASS_COUNT } from '../../src/memory/size-classes.ts';
import { Quicklist } from '../../src/structures/quicklist.ts';
import { LIST_ROOT_WORDS, ListNode } from '../../src/structures/quicklist-nodes.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_701);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 60);
const ROOT = 3;

interface Step {
  readonly kind: string;
  readonly text: string;
  /** 0..1, where in the list. */
  readonly where: number;
  readonly count: number;
  readonly flag: boolean;
}

const elements = fc.oneof(
  { weight: 5, arbitrary: fc.string({ maxLength: 12, unit: 'binary-ascii' }) },
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', '1', '-1') },
  { weight: 3, arbitrary: fc.bigInt({ min: -(2n ** 63n) - 1n, max: 2n ** 63n }).map(String) },
  { weight: 2, arbitrary: fc.integer({ min: 60, max: 1500 }).map((n) => 'x'.repeat(n)) },
  { weight: 1, arbitrary: fc.integer({ min: 3000, max: 9000 }).map((n) => `${n}`.repeat(n / 4)) },
);

const steps: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom(
    'pushHead', 'pushHead', 'pushTail', 'pushTail', 'pushTail', 'dropHead', 'dropTail', 'insert', 'insert', 'replace',
    'removeRange', 'keepRange', 'removeMatches', 'copy', 'move',
  ), // biome-ignore format: a table
  text: elements,
  where: fc.double({ min: 0, max: 0.999, noNaN: true }),
  count: fc.integer({ min: 1, max: 40 }),
  flag: fc.boolean(),
});

class Fixture {
  readonly memory = new SharedMemory(allocateSharedBuffers(1, 1), 1);
  readonly arena = new Arena(this.memory, 0, new UsageMeter(this.memory));
  readonly list = new Quicklist(this.memory);
  readonly words = new Int32Array(ROOT + LIST_ROOT_WORDS);
  model: string[] = [];
  /** 0: no fault; n: one allocation in n fails. */
  faults = 0;
  failed = 0;
  #allocations = 0;

  constructor(fill: number, depth: number) {
    const alloc = this.arena.alloc.bind(this.arena);
    this.arena.alloc = (bytes) => {
      if (this.faults > 0 && ++this.#allocations % this.faults === 0) {
        this.failed++;
        throw new OutOfMemoryError();
      }
      return alloc(bytes);
    };
    this.open();
    this.list.create(fill, depth);
  }

  open(): void {
    this.list.open(this.arena, this.words, ROOT);
  }

  apply(step: Step): void {
    const { list, model } = this;
    const bytes = Buffer.from(`##${step.text}`, 'latin1');
    const len = bytes.length - 2;
    const index = Math.floor(step.where * model.length);
    this.open();
    switch (step.kind) {
      case 'pushHead':
        list.pushHead(bytes, 2, len);
        model.unshift(step.text);
        break;
      case 'pushTail':
        list.pushTail(bytes, 2, len);
        model.push(step.text);
        break;
      case 'dropHead':
        if (model.length < 2) return;
        list.dropHead();
        model.shift();
        break;
      case 'dropTail':
        if (model.length < 2) return;
        list.dropTail();
        model.pop();
        break;
      case 'insert':
        if (!list.seek(index)) return;
        list.insert(bytes, 2, len, step.flag);
        model.splice(step.flag ? index + 1 : index, 0, step.text);
        break;
      case 'replace':
        if (!list.seek(index)) return;
        list.replace(bytes, 2, len);
        model[index] = step.text;
        break;
      case 'removeRange': {
        const count = Math.min(step.count, model.length - index, model.length - 1);
        list.removeRange(index, count);
        model.splice(index, Math.max(count, 0));
        break;
      }
      case 'keepRange': {
        const count = Math.min(step.count * 3, model.length - index);
        if (count === 0) return;
        list.keepRange(index, count);
        this.model = model.slice(index, index + count);
        break;
      }
      case 'removeMatches':
        this.#removeMatches(step, bytes, len);
        break;
      case 'copy':
        this.#copy();
        break;
      default:
        this.#move(step.count);
    }
  }

  #removeMatches(step: Step, bytes: Buffer, len: number): void {
    const { list, model } = this;
    if (model.every((text) => text === step.text)) return;
    const limit = step.count % 3;
    const order = step.flag ? model : [...model].reverse();
    const { failed } = this;
    const removed = list.removeMatches(bytes, 2, len, limit, step.flag);
    const matches = order.filter((text) => text === step.text).length;
    if (failed === this.failed) expect(removed).toBe(limit === 0 ? matches : Math.min(limit, matches));
    let left = removed;
    const kept = order.filter((text) => text !== step.text || left-- <= 0);
    this.model = step.flag ? kept : kept.reverse();
  }

  #copy(): void {
    if (this.model.length === 0) return;
    const copy = new Int32Array(ROOT + LIST_ROOT_WORDS);
    this.list.copyTo(this.arena, copy, ROOT);
    while (this.list.freeSome(3) <= 0);
    this.words.set(copy);
  }

  #move(budget: number): void {
    if (this.model.length === 0) return;
    const limits = new Int32Array(CLASS_COUNT).fill(1 << 30);
    // All blocks count as sparse, even those just moved: each node moves once a round all the same.
    const from = this.list.moveSparse(limits, 0, budget);
    this.open();
    if (from !== 0) this.list.moveSparse(limits, from, budget);
  }

  verify(): void {
    const { list, model } = this;
    this.open();
    expect(list.size).toBe(model.length);
    if (model.length === 0) return;
    list.check();
    const seen: string[] = [];
    for (let more = list.first(); more; more = list.next()) seen.push(this.#text());
    expect(seen).toEqual(model);
    const back: string[] = [];
    for (let more = list.last(); more; more = list.prev()) back.unshift(this.#text());
    expect(back).toEqual(model);
    for (const index of [0, model.length - 1, model.length >> 1, (model.length / 3) | 0]) {
      expect(list.seek(index)).toBe(true);
      expect(this.#text()).toBe(model[index]);
    }
    expect(list.seek(model.length)).toBe(false);
    expect(list.seek(-1)).toBe(false);
    let blocks = 0;
    list.eachBlock(() => blocks++);
    expect(blocks).toBe(list.blockCount);
    expect(this.arena.check().blocks).toBe(blocks);
  }

  #text(): string {
    const { list } = this;
    list.text();
    return list.buf.toString('latin1', list.off, list.off + list.len);
  }

  /** Nodes within `depth` of an end must not be compressed, as long as there is memory. */
  verifyDepth(): void {
    const { list } = this;
    let forward = list.head;
    let backward = list.tail;
    for (let i = 0; i < list.depth && forward !== 0; i++) {
      expect(list.isCompressed(forward)).toBe(false);
      expect(list.isCompressed(backward)).toBe(false);
      forward = list.node(forward, ListNode.Next);
      backward = list.node(backward, ListNode.Prev);
    }
  }

  close(): void {
    this.open();
    while (this.list.freeSome(5) <= 0);
    expect(this.arena.used).toBe(0);
  }
}

const shapes = fc.record({
  fill: fc.constantFrom(-2, -1, -3, -4, -5, 0, 1, 2, 5, 128),
  depth: fc.constantFrom(0, 0, 1, 2, 3),
  threshold: fc.constantFrom(0, 0, 0, 100),
  steps: fc.array(steps, { minLength: 10, maxLength: 120 }),
});

describe('a quicklist', () => {
  it('does what an array does', () => {
    fc.assert(
      fc.property(shapes, ({ fill, depth, threshold, steps: todo }) => {
        const fixture = new Fixture(fill, depth);
        fixture.memory.control[GlobalWord.QuicklistPackedThreshold] = threshold;
        for (const step of todo) {
          fixture.apply(step);
          fixture.verify();
          fixture.verifyDepth();
        }
        fixture.close();
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('is as before when there is no memory', () => {
    let failed = 0;
    fc.assert(
      fc.property(shapes, fc.integer({ min: 2, max: 9 }), ({ fill, depth, steps: todo }, faults) => {
        const fixture = new Fixture(fill, depth);
        for (const step of todo) {
          fixture.faults = faults;
          try {
            fixture.apply(step);
          } catch (error) {
            if (!(error instanceof OutOfMemoryError)) throw error;
          }
          fixture.faults = 0;
          fixture.verify();
        }
        failed += fixture.failed;
        fixture.close();
      }),
      { seed: SEED + 1, numRuns: RUNS },
    );
    expect(failed).toBeGreaterThan(RUNS);
  });

  it('counts bytes beyond 2^32', () => {
    const { list } = new Fixture(-2, 0);
    for (let i = 0; i < 5; i++) list.addBytes(1e9);
    expect(list.dataBytes).toBe(5e9);
    list.addBytes(-1e9);
    expect(list.dataBytes).toBe(4e9);
    list.addBytes(294_967_296);
    expect(list.dataBytes).toBe(2 ** 32);
    list.addBytes(-1);
    expect(list.dataBytes).toBe(2 ** 32 - 1);
  });
});
