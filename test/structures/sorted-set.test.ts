// Sorted sets against a plain model: members and scores at random, equal scores, zeros of both signs, infinities, long
// members; memory that fails; copies, moves, freeing step by step.

import { beforeEach, describe, expect, it } from 'vitest';
import { Arena, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { CLASS_COUNT } from '../../src/memory/size-classes.ts';
import { ElementView } from '../../src/structures/element.ts';
import { keyedHash, seedKeyedHash } from '../../src/structures/keyed-hash.ts';
import { SORTED_SET_ROOT_WORDS, SortedSet } from '../../src/structures/sorted-set.ts';
import { pick, seeded } from '../support/seeded.ts';

let memory: SharedMemory;
let arena: Arena;

beforeEach(() => {
  memory = new SharedMemory(allocateSharedBuffers(1, 1), 1);
  arena = new Arena(memory, 0, new UsageMeter(memory));
  seedKeyedHash([1234, 5678]);
});

interface Root {
  readonly words: Int32Array;
  readonly at: number;
}

function newRoot(): Root {
  const ref = arena.alloc(SORTED_SET_ROOT_WORDS * 4);
  return { words: memory.words[ref >>> REF_REGION_SHIFT]!, at: (ref & REF_MASK) << 2 };
}

class Bench {
  readonly set: SortedSet;
  readonly root = newRoot();
  readonly model = new Map<string, number>();
  readonly #view = new ElementView(memory);

  constructor() {
    this.set = new SortedSet(memory);
    this.set.open(arena, this.root.words, this.root.at);
    this.set.create();
  }

  put(member: string, score: number): void {
    const bytes = Buffer.from(member, 'latin1');
    const hash = keyedHash(bytes, 0, bytes.length);
    const ref = this.set.find(hash, bytes, 0, bytes.length);
    expect(ref !== 0).toBe(this.model.has(member));
    if (ref === 0) this.set.add(hash, score, bytes, 0, bytes.length);
    else this.set.setScore(ref, score);
    this.model.set(member, score);
  }

  remove(member: string): void {
    const bytes = Buffer.from(member, 'latin1');
    const removed = this.set.remove(keyedHash(bytes, 0, bytes.length), bytes, 0, bytes.length);
    expect(removed).toBe(this.model.delete(member));
  }

  sorted(): [string, number][] {
    return [...this.model].sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1));
  }

  read(set = this.set): [string, number][] {
    const all: [string, number][] = [];
    const view = this.#view;
    for (let more = set.tree.seekFirst(); more; more = set.tree.next()) {
      view.point(set.tree.ref);
      all.push([view.bytes.toString('latin1', view.keyOffset, view.keyOffset + view.keyLength), view.score]);
    }
    return all;
  }

  check(): void {
    this.set.check();
    arena.check();
    expect(this.set.size).toBe(this.model.size);
    expect(this.read()).toEqual(this.sorted());
  }
}

const SCORES = [0, -0, 1, -1, 0.1, 1e300, -1e300, 5e-324, -5e-324, Infinity, -Infinity, 2 ** 53, -(2 ** 31)];

function anyScore(random: () => number): number {
  const kind = pick(random, 4);
  if (kind === 0) return SCORES[pick(random, SCORES.length)]!;
  if (kind === 1) return pick(random, 20) - 10;
  if (kind === 2) return (random() - 0.5) * 1e6;
  return (random() - 0.5) * 2 ** (pick(random, 2000) - 1000);
}

function anyMember(random: () => number, range: number): string {
  const n = pick(random, range);
  return n % 50 === 0 ? `${'x'.repeat(80)}${n}` : `m${n}`;
}

describe('sorted set', () => {
  it('is as a map ordered by score and member', () => {
    const random = seeded(11);
    const bench = new Bench();
    for (let round = 0; round < 8; round++) {
      for (let i = 0; i < 2000; i++) {
        const member = anyMember(random, 3000);
        if (random() < (round % 2 === 0 ? 0.8 : 0.4)) bench.put(member, anyScore(random));
        else bench.remove(member);
      }
      bench.check();
      for (const orEqual of [false, true]) {
        for (let i = 0; i < 100; i++) {
          const score = anyScore(random);
          const rank = bench.sorted().filter(([, s]) => s < score || (orEqual && s === score)).length;
          expect(bench.set.tree.rankOfScore(score, orEqual)).toBe(rank);
        }
      }
      for (const [rank, [member]] of bench.sorted().entries()) {
        const bytes = Buffer.from(member, 'latin1');
        expect(
          bench.set.rankOf(bench.set.find(keyedHash(bytes, 0, bytes.length), bytes, 0, bytes.length)),
        ).toBe(rank);
      }
    }
    for (const member of [...bench.model.keys()]) bench.remove(member);
    bench.check();
    expect(arena.check().blocks).toBe(1);
  });

  it('changes scores in a tree of three levels, near and far', () => {
    const random = seeded(14);
    const bench = new Bench();
    const range = 20_000;
    for (let i = 0; i < range; i++) bench.put(`m${i}`, pick(random, range));
    bench.check();
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 8000; i++) {
        const member = `m${pick(random, range)}`;
        const near = bench.model.get(member)! + pick(random, 9) - 4;
        bench.put(member, random() < 0.3 ? near : pick(random, range / (round + 1)));
      }
      bench.check();
    }
  });

  it('orders members of one score as bytes', () => {
    const random = seeded(12);
    const bench = new Bench();
    for (let i = 0; i < 3000; i++)
      bench.put(String.fromCharCode(...Array.from({ length: pick(random, 6) }, () => pick(random, 256))), 7);
    bench.check();
    const sorted = bench.sorted();
    for (const [rank, [member]] of sorted.entries()) {
      const bytes = Buffer.from(member, 'latin1');
      expect(bench.set.tree.rankOfMember(bytes, 0, bytes.length, false)).toBe(rank);
      expect(bench.set.tree.rankOfMember(bytes, 0, bytes.length, true)).toBe(rank + 1);
    }
  });

  it('keeps the sign of zero and moves scores by small steps', () => {
    const random = seeded(13);
    const bench = new Bench();
    for (let i = 0; i < 1000; i++) bench.put(`m${i}`, i === 500 ? -0 : i);
    for (let i = 0; i < 5000; i++) {
      const member = `m${pick(random, 1000)}`;
      bench.put(member, bench.model.get(member)! + (random() - 0.5));
    }
    bench.put('zero', -0);
    bench.put('other', 0);
    bench.check();
  });

  it('removes ranges and ends', () => {
    const random = seeded(14);
    const bench = new Bench();
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 1000; i++) bench.put(anyMember(random, 5000), anyScore(random));
      const sorted = bench.sorted();
      const from = pick(random, sorted.length);
      const count = 1 + pick(random, sorted.length - from);
      bench.set.removeRange(from, count);
      for (const [member] of sorted.slice(from, from + count)) bench.model.delete(member);
      for (const last of [false, true]) {
        if (!(last ? bench.set.tree.seekLast() : bench.set.tree.seekFirst())) continue;
        bench.model.delete(bench.sorted().at(last ? -1 : 0)![0]);
        bench.set.removeHere();
      }
      bench.check();
    }
    bench.set.removeRange(0, bench.set.size);
    bench.model.clear();
    bench.check();
    expect(arena.check().blocks).toBe(1);
  });

  it('is whole after each allocation that failed', () => {
    const random = seeded(15);
    const bench = new Bench();
    const alloc = arena.alloc.bind(arena);
    let failures = 0;
    for (let i = 0; i < 4000; i++) {
      const member = anyMember(random, 1500);
      const score = anyScore(random);
      for (let allowed = 0; ; allowed++) {
        const { blocks } = i % 200 === 0 ? arena.check() : { blocks: 0 };
        let left = allowed;
        arena.alloc = (bytes) => {
          if (left-- === 0) throw new OutOfMemoryError('test');
          return alloc(bytes);
        };
        try {
          bench.put(member, score);
          break;
        } catch (error) {
          expect(error).toBeInstanceOf(OutOfMemoryError);
          failures++;
          arena.alloc = alloc;
          if (i % 200 !== 0) continue;
          bench.check();
          expect(arena.check().blocks).toBeLessThanOrEqual(blocks + 1);
        }
      }
      arena.alloc = alloc;
    }
    expect(failures).toBeGreaterThan(1000);
    bench.check();
    while (bench.set.freeSome(100) <= 0);
    expect(arena.check().blocks).toBe(1);
  });

  it('copies itself, to another arena too, or not at all', () => {
    const random = seeded(16);
    const bench = new Bench();
    for (let i = 0; i < 3000; i++) bench.put(anyMember(random, 10_000), anyScore(random));
    const other = new Arena(memory, 1, arena.meter);
    const root = newRoot();
    const alloc = other.alloc.bind(other);
    for (let allowed = 0; allowed < 3000; allowed += 500) {
      let left = allowed;
      other.alloc = (bytes) => {
        if (left-- === 0) throw new OutOfMemoryError('test');
        return alloc(bytes);
      };
      expect(() => bench.set.copyTo(other, root.words, root.at)).toThrow(OutOfMemoryError);
      expect(other.check().blocks).toBe(0);
    }
    other.alloc = alloc;
    bench.set.copyTo(other, root.words, root.at);
    const copy = new SortedSet(memory);
    copy.open(other, root.words, root.at);
    copy.check();
    expect(bench.read(copy)).toEqual(bench.sorted());
    let blocks = 0;
    copy.eachBlock(() => blocks++);
    expect(blocks).toBe(other.check().blocks);
    expect(Math.abs(copy.bytes(0) - other.check().bytes)).toBeLessThan(16);
    expect(Math.abs(copy.blockCount - blocks)).toBeLessThan(blocks / 10);
    while (copy.freeSome(50) <= 0) {
      blocks = 0;
      copy.eachBlock(() => blocks++);
      expect(blocks).toBe(other.check().blocks);
    }
    expect(other.check().blocks).toBe(0);
    bench.check();
  });

  it('moves every block, with changes in between', () => {
    const random = seeded(17);
    const bench = new Bench();
    for (let i = 0; i < 5000; i++) bench.put(anyMember(random, 10_000), anyScore(random));
    arena.isSparse = () => true;
    const limits = new Int32Array(CLASS_COUNT);
    let from = 0;
    let moved = 0;
    do {
      from = bench.set.moveSparse(limits, from, 300);
      moved += bench.set.moved;
      for (let i = 0; i < 10; i++) bench.put(anyMember(random, 10_000), anyScore(random));
      for (let i = 0; i < 10; i++) bench.remove(anyMember(random, 10_000));
      bench.set.check();
    } while (from !== 0);
    expect(moved).toBeGreaterThan(bench.model.size);
    bench.check();
  });

  it('takes less than 60 bytes for a member of 14', () => {
    const bench = new Bench();
    for (let i = 0; i < 100_000; i++)
      bench.put(`element:${String(i).padStart(6, '0')}`, (i * 7919) % 100_003);
    expect(arena.used / bench.set.size).toBeLessThan(60);
  });
});
