// Streams against a plain model: entries, ranges, deletions, trims of every kind, groups with their pending entries,
// memory that fails at every step, copies, freeing step by step, moving of blocks.

import { beforeEach, describe, expect, it } from 'vitest';
import { Arena, UsageMeter } from '../../src/memory/arena.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { CLASS_COUNT } from '../../src/memory/size-classes.ts';
import { STREAM_ROOT_WORDS } from '../../src/structures/stream.ts';
import { References, TrimBy, TrimSpec, trimStream } from '../../src/structures/stream-trim.ts';
import { pick, seeded } from '../support/seeded.ts';
import { idOf, type Model, makeId, StreamBench, wordsOf } from './stream-bench.ts';

let memory: SharedMemory;
let arena: Arena;

beforeEach(() => {
  memory = new SharedMemory(allocateSharedBuffers(1, 1), 1);
  arena = new Arena(memory, 0, new UsageMeter(memory));
});

const FIELDS = ['f', 'name', '12', '-7', 'x'.repeat(70), '9223372036854775807'];
const VALUES = [
  '',
  '0',
  '127',
  '128',
  '-1',
  '4095',
  '40000',
  '123456789',
  '-9223372036854775808',
  '007',
  'v',
  'word',
];

function randomPairs(random: () => number): string[] {
  const value = (): string =>
    random() < 0.1 ? 'long'.repeat(pick(random, 300)) : VALUES[pick(random, VALUES.length)]!;
  if (random() < 0.6) return ['f', value()];
  if (random() < 0.5) return ['name', value(), '12', value()];
  return Array.from({ length: 1 + pick(random, 4) }, () => [
    FIELDS[pick(random, FIELDS.length)]!,
    value(),
  ]).flat();
}

/** An ID behind the last one, sometimes far behind. */
function nextId(random: () => number, last: bigint): bigint {
  const ms = last >> 64n;
  if (random() < 0.5) return last + 1n + BigInt(pick(random, 3));
  if (random() < 0.9) return makeId(ms + 1n + BigInt(pick(random, 200)), pick(random, 3));
  return makeId(ms + BigInt(pick(random, 2 ** 31)) * 5n + 1n, 2n ** 63n + BigInt(pick(random, 1000)));
}

function fill(bench: StreamBench, random: () => number, count: number): void {
  for (let i = 0; i < count; i++) bench.add(nextId(random, bench.model.lastId), randomPairs(random));
}

function someId(random: () => number, model: Model): bigint {
  if (model.entries.length === 0 || random() < 0.2) {
    const last = model.lastId === 0n ? 5n : model.lastId;
    return (last * BigInt(pick(random, 1000))) / 990n;
  }
  return model.entries[pick(random, model.entries.length)]![0];
}

describe('stream', () => {
  it.each([
    [400, 20],
    [4096, 100],
    [0, 7],
    [100, 0],
    [0, 0],
  ])('is as its model: blocks of at most %i bytes and %i entries', (bytesMax, entriesMax) => {
    const random = seeded(bytesMax + entriesMax);
    const bench = new StreamBench(memory, arena);
    bench.bytesMax = bytesMax;
    bench.entriesMax = entriesMax;
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 120; i++) {
        if (random() < (round % 3 === 2 ? 0.2 : 0.8)) fill(bench, random, 1);
        else bench.delete(someId(random, bench.model));
      }
      for (let i = 0; i < 40; i++) {
        const a = someId(random, bench.model);
        const b = someId(random, bench.model);
        const inside = bench.model.entries.filter(([id]) => id >= a && id <= b);
        expect(bench.range(a, b, false)).toEqual(inside);
        expect(bench.range(a, b, true)).toEqual(inside.reverse());
      }
      bench.check();
    }
    while (bench.model.entries.length > 0) bench.delete(someId(random, bench.model));
    bench.check();
    expect(bench.stream.blocks.size).toBe(0);
    expect(arena.check().blocks).toBe(1);
  });

  it('counts more than 127 deleted entries in a block', () => {
    const bench = new StreamBench(memory, arena);
    bench.bytesMax = 0;
    bench.entriesMax = 0;
    for (let i = 1; i <= 9000; i++) bench.add(BigInt(i), ['f', String(i)]);
    const random = seeded(4);
    for (let i = 0; i < 4300; i++) bench.delete(BigInt(1 + pick(random, 9000)));
    bench.check();
    expect(bench.stream.blocks.size).toBe(1);
    const spec = new TrimSpec();
    spec.by = TrimBy.Length;
    spec.length = 50;
    trimStream(bench.stream, spec);
    bench.model.entries = bench.model.entries.slice(-50);
    bench.check();
  });

  it('trims by length and ID, exactly and by blocks', () => {
    const random = seeded(11);
    for (let round = 0; round < 60; round++) {
      const bench = new StreamBench(memory, arena);
      bench.entriesMax = 1 + pick(random, 12);
      fill(bench, random, pick(random, 150));
      for (let i = pick(random, 40); i > 0; i--) bench.delete(someId(random, bench.model));
      const spec = new TrimSpec();
      const { entries } = bench.model;
      spec.by = random() < 0.5 ? TrimBy.Length : TrimBy.Id;
      spec.length = pick(random, entries.length + 10);
      const least = someId(random, bench.model);
      spec.id.set(wordsOf(least));
      spec.approximate = random() < 0.5;
      spec.limit = spec.approximate && random() < 0.3 ? pick(random, 60) : 0;
      const keep =
        spec.by === TrimBy.Length
          ? entries.slice(-spec.length || entries.length)
          : entries.filter(([id]) => id >= least);
      const deleted = trimStream(bench.stream, spec);
      if (spec.approximate) expect(deleted).toBeLessThanOrEqual(entries.length - keep.length);
      else expect(deleted).toBe(entries.length - keep.length);
      if (spec.limit > 0) expect(deleted).toBeLessThanOrEqual(spec.limit);
      bench.model.entries = entries.slice(deleted);
      bench.check();
      bench.stream.freeSome(Number.POSITIVE_INFINITY);
    }
  });

  it('trims what groups refer to only as it is told', () => {
    const random = seeded(12);
    for (let round = 0; round < 60; round++) {
      const bench = new StreamBench(memory, arena);
      bench.entriesMax = 1 + pick(random, 6);
      fill(bench, random, 60);
      const { entries } = bench.model;
      const seen = entries[pick(random, entries.length)]![0];
      bench.createGroup('g', seen);
      bench.createGroup('h', entries[entries.length - 1]![0]);
      const referred = new Set<bigint>(entries.map(([id]) => id).filter((id) => id > seen));
      for (const [id] of entries) {
        if (random() > 0.2) continue;
        bench.deliver(random() < 0.5 ? 'g' : 'h', 'c', id, 1, 1);
        referred.add(id);
      }
      const spec = new TrimSpec();
      spec.by = TrimBy.Length;
      spec.length = pick(random, 60);
      spec.references = round % 2 === 0 ? References.Respect : References.Drop;
      const deleted = trimStream(bench.stream, spec);
      const surplus = Math.max(0, entries.length - spec.length);
      if (spec.references === References.Respect) {
        const free = entries.filter(([id]) => !referred.has(id));
        const gone = new Set(free.slice(0, surplus).map(([id]) => id));
        expect(deleted).toBe(gone.size);
        bench.model.entries = entries.filter(([id]) => !gone.has(id));
      } else {
        expect(deleted).toBe(surplus);
        for (const [id] of entries.slice(0, surplus))
          for (const { pending } of bench.model.groups.values()) pending.delete(id);
        bench.model.entries = entries.slice(surplus);
      }
      bench.check();
      bench.stream.freeSome(Number.POSITIVE_INFINITY);
    }
  });
});

const GROUPS = ['', 'a', 'b', 'group', 'g'.repeat(300)];
const CONSUMERS = Array.from({ length: 30 }, (_, i) => `consumer${i * 7}`);

/** Random changes to groups. */
function changeGroups(bench: StreamBench, random: () => number, count: number): void {
  for (let i = 0; i < count; i++) {
    const name = GROUPS[pick(random, GROUPS.length)]!;
    const who = CONSUMERS[pick(random, CONSUMERS.length)]!;
    const id = someId(random, bench.model);
    if (random() < 0.02) bench.createGroup(name, id);
    else if (random() < 0.002) bench.destroyGroup(name);
    if (!bench.model.groups.has(name)) continue;
    if (random() < 0.7) bench.deliver(name, who, id, pick(random, 2 ** 40), pick(random, 2 ** 33));
    else if (random() < 0.98) bench.acknowledge(name, id);
    else bench.deleteConsumer(name, who);
  }
}

describe('consumer groups', () => {
  it('are as their model', () => {
    const random = seeded(31);
    const bench = new StreamBench(memory, arena);
    fill(bench, random, 400);
    for (let round = 0; round < 10; round++) {
      changeGroups(bench, random, 600);
      bench.check();
    }
    for (const name of [...bench.model.groups.keys()]) bench.destroyGroup(name);
    bench.check();
  });

  it('are whole after each allocation that failed', () => {
    const random = seeded(32);
    const bench = new StreamBench(memory, arena);
    const alloc = arena.alloc.bind(arena);
    let failures = 0;
    const attempt = (change: () => void): void => {
      for (let allowed = 0; ; allowed++) {
        let left = allowed;
        arena.alloc = (bytes) => {
          if (left-- === 0) throw new OutOfMemoryError('test');
          return alloc(bytes);
        };
        try {
          change();
          arena.alloc = alloc;
          return;
        } catch (error) {
          if (!(error instanceof OutOfMemoryError)) throw error;
          arena.alloc = alloc;
          failures++;
          bench.stream.check();
        }
      }
    };
    bench.createGroup('g', 0n);
    for (let i = 0; i < 700; i++) {
      const id = nextId(random, bench.model.lastId);
      const pairs = randomPairs(random);
      attempt(() => bench.add(id, pairs));
      const other = someId(random, bench.model);
      attempt(() => {
        // A consumer that could be made stays.
        bench.model.groups.get('g')!.consumers.add('c');
        const who = Buffer.from('c');
        const name = Buffer.from('g');
        bench.stream.findGroup(name, 0, 1);
        bench.stream.group.needConsumer(bench.consumer, who, 0, 1, 5);
        bench.stream.group.deliver(bench.consumer, wordsOf(other), 0, 7, 3);
      });
      bench.model.groups.get('g')!.pending.set(other, { consumer: 'c', time: 7, count: 3 });
      if (i % 3 === 0) attempt(() => bench.delete(someId(random, bench.model)));
    }
    expect(failures).toBeGreaterThan(300);
    bench.check();
  });

  it('are copied with all that is pending, or not at all', () => {
    const random = seeded(33);
    const bench = new StreamBench(memory, arena);
    fill(bench, random, 300);
    changeGroups(bench, random, 3000);
    const { stream } = bench;
    const target = new Arena(memory, 1, new UsageMeter(memory));
    const root = target.alloc(STREAM_ROOT_WORDS * 4);
    const words = memory.words[root >>> REF_REGION_SHIFT]!;
    const at = (root & REF_MASK) << 2;
    const alloc = target.alloc.bind(target);
    for (const allowed of [0, 1, 2, 20, 50, 90]) {
      let left = allowed;
      target.alloc = (bytes) => {
        if (left-- === 0) throw new OutOfMemoryError('test');
        return alloc(bytes);
      };
      expect(() => stream.copyTo(target, words, at)).toThrow(OutOfMemoryError);
      expect(target.check().blocks).toBe(1);
    }
    target.alloc = alloc;
    stream.copyTo(target, words, at);
    const copy = new StreamBench(memory, target);
    copy.stream.open(target, words, at);
    copy.model = bench.model;
    copy.check();
    bench.check();
    expect(idOf(words, copy.stream.maxDeletedIdAt)).toBe(idOf(stream.words, stream.maxDeletedIdAt));
  });

  it('are freed with the stream, step by step', () => {
    const random = seeded(34);
    const bench = new StreamBench(memory, arena);
    fill(bench, random, 500);
    changeGroups(bench, random, 4000);
    expect(bench.stream.blockCount).toBeGreaterThan(100);
    let calls = 0;
    while (bench.stream.freeSome(10) <= 0) {
      let visited = 0;
      bench.stream.eachBlock(() => visited++);
      expect(visited).toBe(arena.check().blocks - 1);
      calls++;
    }
    expect(calls).toBeGreaterThan(10);
    expect(arena.check().blocks).toBe(1);
  });

  it('are moved with the stream, with changes in between', () => {
    const random = seeded(35);
    const bench = new StreamBench(memory, arena);
    fill(bench, random, 500);
    changeGroups(bench, random, 4000);
    const old = new Set<number>();
    bench.stream.eachBlock((ref) => old.add(ref));
    arena.isSparse = () => true;
    const limits = new Int32Array(CLASS_COUNT);
    let from = 0;
    let moved = 0;
    do {
      from = bench.stream.moveSparse(limits, from, 30);
      moved += bench.stream.moved;
      fill(bench, random, 2);
      changeGroups(bench, random, 5);
      bench.check();
    } while (from !== 0);
    expect(moved).toBeGreaterThan(old.size / 2);
  });
});

describe('the checker', () => {
  it('reports what is broken', () => {
    const bench = new StreamBench(memory, arena);
    for (let i = 1; i < 100; i++) bench.add(BigInt(i), ['f', 'v']);
    bench.createGroup('g', 0n);
    bench.deliver('g', 'c', 5n, 1, 1);
    const { stream } = bench;
    stream.check();
    const broken = (change: () => void, text: string): void => {
      const words = stream.words.slice(stream.root, stream.root + STREAM_ROOT_WORDS);
      change();
      expect(() => stream.check()).toThrow(text);
      stream.words.set(words, stream.root);
    };
    broken(() => stream.addLength(1), 'counted');
    broken(() => (stream.words[stream.root + 16]! += 1), 'the last block');
    broken(() => (stream.words[stream.lastIdAt + 3] = 5), 'last ID');
    broken(() => (stream.words[stream.firstIdAt + 3] = 5), 'first ID');
    bench.stream.findGroup(Buffer.from('g'), 0, 1);
    bench.stream.group.openConsumer(bench.consumer, 0);
    bench.consumer.pending.removeId(wordsOf(5n), 0);
    expect(() => stream.check()).toThrow('pending');
  });
});
