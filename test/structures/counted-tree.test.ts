// The counted tree against a sorted array: random changes, searches by key and rank, ascending and descending input,
// removal of ranges, memory that fails at every step of an insertion, freeing step by step, moving of nodes.

import { beforeEach, describe, expect, it } from 'vitest';
import { Arena, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { CLASS_COUNT } from '../../src/memory/size-classes.ts';
import { CountedTree } from '../../src/structures/counted-tree.ts';
import { TREE_ROOT_WORDS } from '../../src/structures/tree-cursor.ts';
import { pick, seeded } from '../support/seeded.ts';

/** Entries whose first word is the key. */
class NumberTree extends CountedTree {
  key = 0;

  protected override countLess(words: Int32Array, at: number, count: number, stride: number): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (words[at + middle * stride]! < this.key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  protected override compareEntries(a: Int32Array, atA: number, b: Int32Array, atB: number): number {
    return a[atA]! - b[atB]!;
  }
}

let memory: SharedMemory;
let arena: Arena;

beforeEach(() => {
  memory = new SharedMemory(allocateSharedBuffers(1, 1), 1);
  arena = new Arena(memory, 0, new UsageMeter(memory));
});

class Bench {
  readonly tree: NumberTree;
  readonly entryWords: number;
  readonly model: number[] = [];

  constructor(entryWords: number, keyWords: number) {
    const root = arena.alloc(TREE_ROOT_WORDS * 4);
    this.entryWords = entryWords;
    this.tree = new NumberTree(memory, entryWords, keyWords);
    this.tree.open(arena, memory.words[root >>> REF_REGION_SHIFT]!, (root & REF_MASK) << 2);
    this.tree.clear();
  }

  insert(key: number): void {
    const at = lowerBound(this.model, key);
    if (this.model[at] === key) return;
    this.tree.key = key;
    this.tree.seekGap();
    for (let i = 0; i < this.entryWords; i++) this.tree.entry[i] = key + i;
    this.tree.insertHere();
    this.model.splice(at, 0, key);
  }

  remove(key: number): void {
    const at = lowerBound(this.model, key);
    this.tree.key = key;
    const found = this.tree.seek() && this.tree.words[this.tree.at] === key;
    expect(found).toBe(this.model[at] === key);
    if (!found) return;
    expect(this.tree.removeHere()).toBe(1);
    this.model.splice(at, 1);
  }

  removeRange(from: number, count: number): void {
    this.model.splice(from, count);
    while (count > 0) {
      this.tree.seekRank(from);
      count -= this.tree.removeHere(count);
    }
  }

  read(): number {
    const { tree } = this;
    for (let i = 1; i < this.entryWords; i++) expect(tree.words[tree.at + i]).toBe(tree.words[tree.at]! + i);
    return tree.words[tree.at]!;
  }

  check(): void {
    this.tree.check();
    arena.check();
    expect(this.tree.size).toBe(this.model.length);
    const forward: number[] = [];
    for (let more = this.tree.seekFirst(); more; more = this.tree.next()) forward.push(this.read());
    expect(forward).toEqual(this.model);
    const backward: number[] = [];
    for (let more = this.tree.seekLast(); more; more = this.tree.previous()) backward.push(this.read());
    expect(backward.reverse()).toEqual(this.model);
  }

  /** Searches for a key that may not be there. */
  probe(key: number): void {
    const { tree, model } = this;
    const at = lowerBound(model, key);
    tree.key = key;
    expect(tree.seek()).toBe(at < model.length);
    expect(tree.rank()).toBe(at);
    if (at < model.length) expect(this.read()).toBe(model[at]);
    expect(tree.previous()).toBe(at > 0);
    if (at > 0) expect(this.read()).toBe(model[at - 1]);
    const rank = at === 0 ? 0 : at - 1;
    expect(tree.rank()).toBe(rank);
    expect(tree.seekRank(at)).toBe(at < model.length);
    if (at < model.length) expect(this.read()).toBe(model[at]);
    expect(tree.rank()).toBe(at);
  }
}

function lowerBound(sorted: number[], key: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

const SHAPES = [
  [1, 1],
  [3, 3],
  [5, 4],
  [16, 3],
] as const;

describe('counted tree', () => {
  it.each(SHAPES)('is as a sorted array: entries of %i words', (entryWords, keyWords) => {
    const random = seeded(entryWords);
    const bench = new Bench(entryWords, keyWords);
    for (let round = 0; round < 12; round++) {
      const growing = round % 4 < 2;
      const range = round < 6 ? 20_000 : 300;
      for (let i = 0; i < 1500; i++) {
        const key = pick(random, range) * 100;
        if (random() < (growing ? 0.8 : 0.3)) bench.insert(key);
        else if (bench.model.length > 0 && random() < 0.9)
          bench.remove(bench.model[pick(random, bench.model.length)]!);
        else bench.remove(key);
      }
      for (let i = 0; i < 200; i++) bench.probe(pick(random, range + 10) * 100 + pick(random, 3) - 1);
      bench.check();
    }
    while (bench.model.length > 0) bench.remove(bench.model[pick(random, bench.model.length)]!);
    bench.check();
    expect(bench.tree.nodeBytes).toBe(0);
    expect(arena.check().blocks).toBe(1);
  });

  it('keeps nodes nearly full, whatever order entries come in', () => {
    const random = seeded(7);
    const shuffled = Array.from({ length: 30_000 }, (_, i) => i);
    for (let i = shuffled.length - 1; i > 0; i--) {
      const other = pick(random, i + 1);
      [shuffled[i], shuffled[other]] = [shuffled[other]!, shuffled[i]!];
    }
    const orders = {
      ascending: (i: number) => i,
      descending: (i: number) => 30_000 - i,
      random: (i: number) => shuffled[i]!,
    };
    const bytes: Record<string, number> = {};
    for (const [name, order] of Object.entries(orders)) {
      const bench = new Bench(3, 3);
      for (let i = 0; i < shuffled.length; i++) bench.insert(order(i));
      bench.check();
      bytes[name] = bench.tree.nodeBytes / shuffled.length;
    }
    expect(bytes['ascending']).toBeLessThan(12.6);
    expect(bytes['descending']).toBeLessThan(15);
    expect(bytes['random']).toBeLessThan(15);
  });

  it('appends behind the last entry', () => {
    const bench = new Bench(5, 4);
    for (let key = 0; key < 5000; key++) {
      for (let i = 0; i < 5; i++) bench.tree.entry[i] = key + i;
      bench.tree.append();
      bench.model.push(key);
    }
    bench.check();
  });

  it('pops from either end until nothing is left', () => {
    for (const last of [false, true]) {
      const bench = new Bench(3, 3);
      for (let i = 0; i < 8000; i++) bench.insert(i);
      while (bench.model.length > 0) {
        expect(last ? bench.tree.seekLast() : bench.tree.seekFirst()).toBe(true);
        expect(bench.read()).toBe(last ? bench.model.pop() : bench.model.shift());
        bench.tree.removeHere();
        if (bench.model.length % 500 === 0) bench.check();
      }
      expect(bench.tree.nodeBytes).toBe(0);
      expect(bench.tree.seekFirst()).toBe(false);
      expect(bench.tree.seekLast()).toBe(false);
    }
  });

  it('removes ranges', () => {
    const random = seeded(21);
    for (let round = 0; round < 30; round++) {
      const bench = new Bench(3, 3);
      const size = 1 + pick(random, 6000);
      for (let i = 0; i < size; i++) bench.insert(pick(random, 1_000_000));
      while (bench.model.length > 0) {
        const from = pick(random, bench.model.length);
        bench.removeRange(from, 1 + pick(random, bench.model.length - from));
        bench.tree.check();
        for (let i = 0; i < 20; i++) bench.insert(pick(random, 1_000_000));
        if (random() < 0.3) bench.removeRange(0, bench.model.length);
      }
      bench.check();
    }
  });

  it('skips within a leaf', () => {
    const bench = new Bench(3, 3);
    for (let i = 0; i < 3000; i++) bench.insert(i);
    let seen = 0;
    let more = bench.tree.seekFirst();
    while (more) {
      for (let i = 0; i < bench.tree.run; i++) expect(bench.tree.words[bench.tree.at + i * 3]).toBe(seen++);
      more = bench.tree.skip(bench.tree.run);
    }
    expect(seen).toBe(3000);
    expect(bench.tree.rank()).toBe(3000);
    expect(bench.tree.previous()).toBe(true);
    expect(bench.read()).toBe(2999);
  });

  it('is whole after each allocation that failed', () => {
    const random = seeded(3);
    const bench = new Bench(3, 3);
    const alloc = arena.alloc.bind(arena);
    let failures = 0;
    for (let i = 0; i < 15_000; i++) {
      const key = i < 8000 ? i * 1000 : pick(random, 8_000_000);
      const before = bench.tree.nodeBytes;
      for (let allowed = 0; ; allowed++) {
        let left = allowed;
        arena.alloc = (bytes) => {
          if (left-- === 0) throw new OutOfMemoryError('test');
          return alloc(bytes);
        };
        try {
          bench.insert(key);
          break;
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          expect(bench.tree.nodeBytes).toBe(before);
          failures++;
        }
      }
      if (i % 1000 === 0) bench.check();
    }
    arena.alloc = () => {
      throw new OutOfMemoryError('test');
    };
    while (bench.model.length > 100) bench.remove(bench.model[pick(random, bench.model.length)]!);
    arena.alloc = alloc;
    expect(failures).toBeGreaterThan(500);
    bench.check();
  });

  it('frees step by step', () => {
    const bench = new Bench(3, 3);
    const blocks = arena.check().blocks;
    for (let i = 0; i < 10_000; i++) bench.insert(i);
    let calls = 0;
    while (bench.tree.freeSome(10) <= 0) {
      let visited = 0;
      bench.tree.eachBlock(() => visited++);
      expect(visited).toBe(arena.check().blocks - blocks);
      calls++;
    }
    expect(calls).toBeGreaterThan(10);
    expect(arena.check().blocks).toBe(blocks);
    expect(bench.tree.size).toBe(0);
  });

  it('moves every node, with changes in between', () => {
    const random = seeded(5);
    const bench = new Bench(3, 3);
    for (let i = 0; i < 20_000; i++) bench.insert(pick(random, 10_000_000));
    const old = new Set<number>();
    bench.tree.eachBlock((ref) => old.add(ref));
    const limits = new Int32Array(CLASS_COUNT);
    arena.isSparse = () => true;
    let from = 0;
    let moved = 0;
    do {
      from = bench.tree.moveSparse(limits, from, 500);
      moved += bench.tree.moved;
      for (let i = 0; i < 20; i++) bench.insert(pick(random, 10_000_000));
      for (let i = 0; i < 20; i++) bench.remove(bench.model[pick(random, bench.model.length)]!);
      bench.tree.check();
    } while (from !== 0);
    expect(moved).toBeGreaterThanOrEqual(old.size);
    bench.check();
  });

  it('reports what is broken', () => {
    const bench = new Bench(3, 3);
    for (let i = 0; i < 1000; i++) bench.insert(i);
    bench.tree.seekRank(500);
    bench.tree.words[bench.tree.at] = 5;
    expect(() => bench.tree.check()).toThrow('order');
    bench.tree.words[bench.tree.at] = 500;
    bench.tree.check();
    bench.tree.seekFirst();
    bench.tree.words[bench.tree.at - 1]! -= 1;
    expect(() => bench.tree.check()).toThrow('entries below');
  });
});
