// The hash table of elements against a plain Map: random operations, growth and shrinking, SCAN under changes, fair
// random elements, freeing in steps, copies, defragmentation, running out of memory.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { Arena, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { CLASS_COUNT } from '../../src/memory/size-classes.ts';
import { ElementView, newField, newMember } from '../../src/structures/element.ts';
import { ElementTable } from '../../src/structures/element-table.ts';
import { TablePosition } from '../../src/structures/hash-table.ts';
import { keyedHash, seedKeyedHash } from '../../src/structures/keyed-hash.ts';
import { NO_EXPIRY } from '../../src/structures/segment.ts';
import { TABLE_ROOT_WORDS } from '../../src/structures/table-segments.ts';

const memory = new SharedMemory(allocateSharedBuffers(1, 2), 1);
const arena = new Arena(memory, 3, new UsageMeter(memory));
const view = new ElementView(memory);
const ROOT_AT = 2;

/** A table of members with the values of a Map beside it. */
class Tested {
  readonly root = new Int32Array(ROOT_AT + TABLE_ROOT_WORDS);
  readonly table = new ElementTable(memory);
  readonly model = new Map<string, { value: string; expireAt: number }>();

  constructor() {
    this.open();
    this.table.create();
  }

  open(): void {
    this.table.open(arena, this.root, ROOT_AT);
  }

  set(name: string, value: string, expireAt: number): void {
    const key = Buffer.from(name);
    const data = Buffer.from(value);
    const hash = keyedHash(key, 0, key.length);
    const ref = newField(arena, key, 0, key.length, data, 0, data.length, expireAt);
    const old = this.table.find(hash, key, 0, key.length);
    if (old === 0) this.table.insert(hash, ref, expireAt);
    else {
      this.table.replace(hash, old, ref);
      if (expireAt >= 0) this.table.noteExpiry(hash, ref, expireAt);
      else this.table.forgetExpiry(hash, ref);
      arena.free(old);
    }
    this.model.set(name, { value, expireAt });
  }

  delete(name: string): void {
    const key = Buffer.from(name);
    const ref = this.table.remove(keyedHash(key, 0, key.length), key, 0, key.length);
    expect(ref !== 0).toBe(this.model.delete(name));
    if (ref !== 0) arena.free(ref);
  }

  get(name: string): { value: string; expireAt: number } | undefined {
    const key = Buffer.from(name);
    const ref = this.table.find(keyedHash(key, 0, key.length), key, 0, key.length);
    return ref === 0 ? undefined : read(ref);
  }

  /** All elements by walking. */
  walk(): Map<string, { value: string; expireAt: number }> {
    const found = new Map<string, { value: string; expireAt: number }>();
    const position = new TablePosition();
    this.table.begin(position);
    for (let ref = this.table.next(position); ref !== 0; ref = this.table.next(position)) {
      const name = nameOf(ref);
      expect(found.has(name)).toBe(false);
      const key = Buffer.from(name);
      expect(position.hash).toBe(keyedHash(key, 0, key.length));
      found.set(name, read(ref));
    }
    return found;
  }

  check(): void {
    this.table.check();
    const { blocks } = arena.check();
    let own = 0;
    const met = new Set<number>();
    this.table.eachBlock((ref) => {
      expect(met.has(ref)).toBe(false);
      met.add(ref);
      own++;
    });
    expect(own).toBe(blocks);
    expect(this.table.size).toBe(this.model.size);
  }

  free(): void {
    this.open();
    this.table.freeSome(Number.POSITIVE_INFINITY);
    expect(arena.used).toBe(0);
  }
}

function nameOf(ref: number): string {
  view.point(ref);
  return view.bytes.toString('latin1', view.keyOffset, view.keyOffset + view.keyLength);
}

function read(ref: number): { value: string; expireAt: number } {
  view.point(ref);
  const { valueOffset } = view;
  return {
    value: view.bytes.toString('latin1', valueOffset, valueOffset + view.valueLength),
    expireAt: view.expireAt,
  };
}

function filled(count: number, expireEach = 0): Tested {
  const tested = new Tested();
  for (let i = 0; i < count; i++) {
    tested.set(`field:${i}`, `value ${i}`, expireEach > 0 && i % expireEach === 0 ? 1e12 + i * 1000 : -1);
  }
  return tested;
}

beforeEach(() => {
  seedKeyedHash([0x1234, -77]);
  arena.reset();
});

describe('hash table', () => {
  it('does what a Map does', () => {
    const name = fc.oneof(
      fc.integer({ min: 0, max: 60 }).map((n) => `f${n}`),
      fc.integer({ min: 0, max: 5000 }).map((n) => `field:${n}`),
      fc.string({ minLength: 0, maxLength: 80, unit: 'grapheme-ascii' }),
    );
    const step = fc.oneof(
      fc.record({
        op: fc.constant('set' as const),
        name,
        value: fc.string({ maxLength: 100, unit: 'grapheme-ascii' }),
        expireAt: fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2 ** 47 })),
      }),
      fc.record({ op: fc.constant('delete' as const), name }),
      fc.record({ op: fc.constant('get' as const), name }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const tested = new Tested();
        for (const each of steps) {
          if (each.op === 'set') tested.set(each.name, each.value, each.expireAt);
          else if (each.op === 'delete') tested.delete(each.name);
          else expect(tested.get(each.name)).toEqual(tested.model.get(each.name));
        }
        expect(tested.walk()).toEqual(tested.model);
        tested.check();
        tested.free();
      }),
      { numRuns: 60 },
    );
  });

  it('grows to many segments and shrinks back, giving memory back all the while', () => {
    const tested = filled(20_000, 7);
    tested.check();
    expect(tested.table.segmentCount).toBeGreaterThan(40);
    const perElement = (arena.used - sizeOfElements(tested)) / 20_000;
    expect(perElement).toBeLessThan(12);
    expect(tested.walk()).toEqual(tested.model);
    const full = arena.used;
    let worst = 0;
    for (let i = 0; i < 19_990; i++) {
      tested.delete(`field:${(i * 7919) % 20_000}`);
      if (i % 1999 === 0) tested.check();
      worst = Math.max(worst, arena.used / full - (20_000 - i) / 20_000);
    }
    expect(worst).toBeLessThan(0.16);
    expect(tested.table.segmentCount).toBe(1);
    expect(tested.walk()).toEqual(tested.model);
    for (const name of [...tested.model.keys()]) tested.delete(name);
    tested.check();
    expect(arena.used).toBe(0);
  });

  it('keeps bounds of expiries, and forgets them with the last', () => {
    const tested = filled(3000, 3);
    expect(tested.table.expiring).toBe(1000);
    expect(tested.table.nextExpiry).toBe(1e9);
    for (let i = 0; i < 3000; i += 3) tested.set(`field:${i}`, 'kept', -1);
    tested.check();
    expect(tested.table.expiring).toBe(0);
    expect(tested.table.nextExpiry).toBe(NO_EXPIRY);
    tested.free();
  });

  it('scans every element that stays, exactly once, whatever comes and goes', () => {
    const counts = [1, 3, 10, 100, 5000];
    for (const [round, start] of [5, 300, 4000, 9000].entries()) {
      for (const count of counts) {
        const tested = filled(start);
        const staying = new Set([...tested.model.keys()].filter((_, i) => i % 3 === 0));
        const seen = new Map<string, number>();
        let cursor = 0;
        let turn = 0;
        const refs: number[] = [];
        do {
          refs.length = 0;
          cursor = tested.table.scan(cursor, count, refs);
          expect(cursor).toBeLessThan(2 ** 32);
          for (const ref of refs) seen.set(nameOf(ref), (seen.get(nameOf(ref)) ?? 0) + 1);
          // Growth in one half of the rounds, shrinking in the other.
          for (let i = 0; i < Math.min(count, 60); i++) {
            if (round % 2 === 0) tested.set(`new:${turn}:${i}`, 'x', -1);
            else
              tested.delete([`field:${(turn * 60 + i) * 3 + 1}`, `field:${(turn * 60 + i) * 3 + 2}`][i % 2]!);
          }
          turn++;
        } while (cursor !== 0 && turn < 20_000);
        expect(cursor).toBe(0);
        for (const name of staying) expect(seen.get(name)).toBe(1);
        for (const times of seen.values()) expect(times).toBe(1);
        tested.free();
      }
    }
  });

  it('returns about COUNT elements a call, not all of a segment', () => {
    const tested = filled(5000);
    const refs: number[] = [];
    let cursor = 0;
    let calls = 0;
    do {
      const before = refs.length;
      cursor = tested.table.scan(cursor, 10, refs);
      expect(refs.length - before).toBeLessThan(60);
      calls++;
    } while (cursor !== 0);
    expect(refs.length).toBe(5000);
    expect(calls).toBeGreaterThan(200);
    tested.free();
  });

  it('chooses fairly at random, over segments of different depth too', () => {
    // 5 elements of one segment, then segments of unequal depth, then a table that has shrunk.
    for (const [count, leave] of [
      [5, 5],
      [460, 460],
      [700, 700],
      [1300, 1300],
      [9000, 400],
    ] as const) {
      const tested = filled(count);
      for (let i = leave; i < count; i++) tested.delete(`field:${i}`);
      const draws = leave * 100;
      const times = new Map<string, number>();
      let state = 12345;
      const random = (): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        // The low bits of such a generator are poor: two draws make one.
        const high = state >>> 8;
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return (high * 2 ** 24 + (state >>> 8)) / 2 ** 48;
      };
      for (let i = 0; i < draws; i++) {
        const name = nameOf(tested.table.randomRef(random));
        times.set(name, (times.get(name) ?? 0) + 1);
        const key = Buffer.from(name);
        if (i < 100) expect(tested.table.foundHash).toBe(keyedHash(key, 0, key.length));
      }
      expect(times.size).toBe(leave);
      let chiSquared = 0;
      for (const n of times.values()) chiSquared += (n - 100) ** 2 / 100;
      // Mean leave - 1, deviation sqrt(2 (leave - 1)): six of them.
      expect(chiSquared).toBeLessThan(leave - 1 + 6 * Math.sqrt(2 * (leave - 1)));
      expect(chiSquared).toBeGreaterThan(leave - 1 - 6 * Math.sqrt(2 * (leave - 1)));
      tested.free();
    }
  });

  it('is freed in steps, and tells its blocks in between', () => {
    const tested = filled(6000, 5);
    let steps = 0;
    for (let left = -1; left <= 0; steps++) {
      left = tested.table.freeSome(300);
      let blocks = 0;
      tested.table.eachBlock(() => blocks++);
      expect(blocks).toBe(arena.check().blocks);
    }
    expect(steps).toBeGreaterThan(10);
    expect(arena.used).toBe(0);
    expect(tested.table.size).toBe(0);
  });

  it('copies itself, to another arena too', () => {
    const other = new Arena(memory, 4, new UsageMeter(memory));
    for (const count of [0, 3, 300, 4000]) {
      const tested = filled(count, 4);
      const copy = new Tested();
      tested.table.copyTo(other, copy.root, ROOT_AT);
      copy.table.open(other, copy.root, ROOT_AT);
      copy.table.check();
      expect(copy.walk()).toEqual(tested.model);
      copy.table.freeSome(Number.POSITIVE_INFINITY);
      expect(other.used).toBe(0);
      tested.check();
      tested.free();
    }
  });

  it('moves out of sparse spans and stays the same', () => {
    const tested = filled(12_000, 6);
    // What is left is thin on the ground: every tenth block of a span.
    for (let i = 0; i < 12_000; i++) if (i % 10 !== 0) tested.delete(`field:${i}`);
    const limits = new Int32Array(CLASS_COUNT);
    arena.sparseLimits(limits);
    let moved = 0;
    let calls = 0;
    const moves: [number, number][] = [];
    tested.table.listener = { elementMoved: (from, to) => moves.push([from, to]) };
    for (let from = 0; ; calls++) {
      from = tested.table.moveSparse(limits, from, 200);
      moved += tested.table.moved;
      tested.set(`late:${calls}`, 'x', -1);
      if (from === 0) break;
    }
    expect(calls).toBeGreaterThan(2);
    expect(moved).toBeGreaterThan(100);
    expect(moves.length).toBeGreaterThan(100);
    tested.check();
    expect(tested.walk()).toEqual(tested.model);
    tested.free();
  });

  it('is whole, and leaks nothing, when memory ends in any allocation', () => {
    const tested = filled(440, 9);
    const alloc = arena.alloc.bind(arena);
    let failures = 0;
    let calls = 0;
    arena.alloc = (bytes: number): number => {
      if (++calls % 3 !== 0) return alloc(bytes);
      failures++;
      throw new OutOfMemoryError('test');
    };
    try {
      for (let i = 0; i < 3000; i++) {
        const key = Buffer.from(`more:${i}`);
        let ref = 0;
        try {
          ref = newMember(arena, key, 0, key.length);
          tested.table.insert(keyedHash(key, 0, key.length), ref);
          tested.model.set(`more:${i}`, { value: '', expireAt: -1 });
        } catch (error) {
          if (!(error instanceof OutOfMemoryError)) throw error;
          if (ref !== 0) arena.free(ref);
        }
        if (i % 100 === 0) tested.check();
      }
      const before = arena.check().blocks;
      const copy = new Int32Array(ROOT_AT + TABLE_ROOT_WORDS);
      expect(() => tested.table.copyTo(arena, copy, ROOT_AT)).toThrow(OutOfMemoryError);
      expect(arena.check().blocks).toBe(before);
      for (const name of [...tested.model.keys()]) tested.delete(name);
    } finally {
      arena.alloc = alloc;
    }
    expect(failures).toBeGreaterThan(500);
    expect(arena.used).toBe(0);
  });

  it('estimates its memory', () => {
    const tested = filled(5000);
    expect(tested.table.bytes(0)).toBe(arena.used);
    expect(Math.abs(tested.table.bytes(50) / arena.used - 1)).toBeLessThan(0.1);
    expect(Math.abs(tested.table.blockCount / arena.check().blocks - 1)).toBeLessThan(0.01);
    tested.free();
  });
});

function sizeOfElements(tested: Tested): number {
  let bytes = 0;
  const position = new TablePosition();
  tested.table.begin(position);
  for (let ref = tested.table.next(position); ref !== 0; ref = tested.table.next(position))
    bytes += arena.capacity(ref);
  return bytes;
}
