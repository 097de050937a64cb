// A stream with a plain model beside it: every change is made to both, and check() compares them whole.

import { expect } from 'vitest';
import type { Arena } from '../../src/memory/arena.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../../src/memory/layout.ts';
import type { SharedMemory } from '../../src/memory/shared-memory.ts';
import { STREAM_ROOT_WORDS, Stream } from '../../src/structures/stream.ts';
import type { EntrySource } from '../../src/structures/stream-block-writer.ts';
import { StreamCursor } from '../../src/structures/stream-cursor.ts';
import { readNumber, StreamConsumer } from '../../src/structures/stream-group.ts';
import { compareIds, setLeastId } from '../../src/structures/stream-id.ts';
import { PendingWord } from '../../src/structures/stream-tree.ts';

export interface ModelPending {
  consumer: string;
  time: number;
  count: number;
}

export interface ModelGroup {
  lastId: bigint;
  consumers: Set<string>;
  pending: Map<bigint, ModelPending>;
}

/** Entries by ID, in order; groups by name. */
export class Model {
  entries: [bigint, string[]][] = [];
  lastId = 0n;
  added = 0;
  groups = new Map<string, ModelGroup>();
}

/** Words of an ID; its number is ms * 2^64 + sequence. */
export function wordsOf(id: bigint): Int32Array {
  const words = new Int32Array(4);
  for (let i = 0; i < 4; i++) words[i] = Number(BigInt.asIntN(32, id >> BigInt(96 - i * 32)));
  return words;
}

export function idOf(words: Int32Array, at: number): bigint {
  let id = 0n;
  for (let i = 0; i < 4; i++) id = (id << 32n) | BigInt(words[at + i]! >>> 0);
  return id;
}

export function makeId(ms: number | bigint, seq: number | bigint): bigint {
  return (BigInt(ms) << 64n) | BigInt(seq);
}

const GREATEST = (1n << 128n) - 1n;

export function sourceOf(words: readonly string[]): EntrySource {
  const parts = words.map((word) => Buffer.from(word, 'latin1'));
  const argOff = new Int32Array(parts.length);
  const argLen = new Int32Array(parts.length);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    argOff[i] = at;
    argLen[i] = part.length;
    at += part.length;
  }
  return { input: Buffer.concat(parts), argOff, argLen };
}

export class StreamBench {
  readonly stream: Stream;
  readonly cursor: StreamCursor;
  readonly consumer: StreamConsumer;
  readonly arena: Arena;
  model = new Model();
  bytesMax = 400;
  entriesMax = 20;

  constructor(memory: SharedMemory, arena: Arena) {
    this.arena = arena;
    this.stream = new Stream(memory);
    this.cursor = new StreamCursor(memory);
    this.consumer = new StreamConsumer(memory);
    const root = arena.alloc(STREAM_ROOT_WORDS * 4);
    this.stream.open(arena, memory.words[root >>> REF_REGION_SHIFT]!, (root & REF_MASK) << 2);
    this.stream.clear();
  }

  add(id: bigint, pairs: string[]): void {
    expect(
      this.stream.append(
        wordsOf(id), 0, sourceOf(pairs), 0, pairs.length / 2, this.bytesMax, this.entriesMax,
      ), // biome-ignore format: many short arguments
    ).toBe(true);
    this.model.entries.push([id, pairs]);
    this.model.lastId = id;
    this.model.added++;
  }

  delete(id: bigint): void {
    const index = this.model.entries.findIndex(([other]) => other === id);
    const { stream } = this;
    const words = wordsOf(id);
    expect(stream.delete(words, 0)).toBe(index >= 0);
    if (index < 0) return;
    this.model.entries.splice(index, 1);
    if (stream.length === 0) setLeastId(stream.words, stream.firstIdAt);
    else if (compareIds(words, 0, stream.words, stream.firstIdAt) === 0) stream.renewFirstId();
  }

  /** Entries of a range, as [ID, pairs]. */
  range(from: bigint, to: bigint, reverse: boolean): [bigint, string[]][] {
    const found: [bigint, string[]][] = [];
    this.cursor.start(this.stream, wordsOf(from), 0, wordsOf(to), 0, reverse);
    while (this.cursor.next()) {
      const { block } = this.cursor;
      const pairs: string[] = [];
      if (block.fields > 0) block.beginPairs();
      for (let left = block.fields; left > 0; left--) {
        const field = block.field();
        pairs.push(field.buf.toString('latin1', field.off, field.off + field.len));
        const value = block.value();
        pairs.push(value.buf.toString('latin1', value.off, value.off + value.len));
        if (left > 1) block.nextPair();
      }
      found.push([idOf(block.id, 0), pairs]);
    }
    return found;
  }

  // ---- groups ----

  createGroup(name: string, lastId: bigint): void {
    const bytes = Buffer.from(name, 'latin1');
    const created = this.stream.createGroup(bytes, 0, bytes.length, wordsOf(lastId), 0, -1);
    expect(created).toBe(!this.model.groups.has(name));
    if (created) this.model.groups.set(name, { lastId, consumers: new Set(), pending: new Map() });
  }

  destroyGroup(name: string): void {
    const bytes = Buffer.from(name, 'latin1');
    expect(this.stream.destroyGroup(bytes, 0, bytes.length)).toBe(this.model.groups.delete(name));
  }

  #open(group: string, consumer: string): void {
    const name = Buffer.from(group, 'latin1');
    expect(this.stream.findGroup(name, 0, name.length)).toBe(true);
    const who = Buffer.from(consumer, 'latin1');
    const made = this.stream.group.needConsumer(this.consumer, who, 0, who.length, 5);
    const { consumers } = this.model.groups.get(group)!;
    expect(made).toBe(!consumers.has(consumer));
    consumers.add(consumer);
  }

  deliver(group: string, consumer: string, id: bigint, time: number, count: number): void {
    this.#open(group, consumer);
    this.stream.group.deliver(this.consumer, wordsOf(id), 0, time, count);
    this.model.groups.get(group)!.pending.set(id, { consumer, time, count });
  }

  acknowledge(group: string, id: bigint): void {
    const name = Buffer.from(group, 'latin1');
    expect(this.stream.findGroup(name, 0, name.length)).toBe(true);
    const { pending } = this.model.groups.get(group)!;
    expect(this.stream.group.acknowledge(wordsOf(id), 0)).toBe(pending.delete(id));
  }

  deleteConsumer(group: string, consumer: string): void {
    const name = Buffer.from(group, 'latin1');
    expect(this.stream.findGroup(name, 0, name.length)).toBe(true);
    const { pending, consumers } = this.model.groups.get(group)!;
    const own = [...pending].filter(([, entry]) => entry.consumer === consumer);
    const who = Buffer.from(consumer, 'latin1');
    expect(this.stream.group.deleteConsumer(who, 0, who.length)).toBe(own.length);
    for (const [id] of own) pending.delete(id);
    consumers.delete(consumer);
  }

  // ---- comparing ----

  check(): void {
    const { stream, model } = this;
    stream.check();
    this.arena.check();
    expect(stream.length).toBe(model.entries.length);
    expect(stream.entriesAdded).toBe(model.added);
    expect(idOf(stream.words, stream.lastIdAt)).toBe(model.lastId);
    expect(idOf(stream.words, stream.firstIdAt)).toBe(model.entries[0]?.[0] ?? 0n);
    expect(this.range(0n, GREATEST, false)).toEqual(model.entries);
    expect(this.range(0n, GREATEST, true)).toEqual([...model.entries].reverse());
    this.#checkGroups();
    let bytes = 0;
    stream.eachBlock((ref) => {
      bytes += this.arena.capacity(ref);
    });
    expect(stream.bytes(0)).toBe(bytes);
  }

  #checkGroups(): void {
    const { stream, model, consumer } = this;
    const names = [...model.groups.keys()].sort((a, b) => (a < b ? -1 : 1));
    expect(stream.groups.count).toBe(names.length);
    for (const [i, name] of names.entries()) {
      const expected = model.groups.get(name)!;
      stream.openGroup(i);
      const { group } = stream;
      const { nameBytes, nameOff, nameLen } = group;
      expect(nameBytes.toString('latin1', nameOff, nameOff + nameLen)).toBe(name);
      expect(idOf(group.words, group.lastIdAt)).toBe(expected.lastId);
      const pending: [bigint, ModelPending][] = [];
      for (let more = group.pending.seekFirst(); more; more = group.pending.next()) {
        const { words, at } = group.pending;
        const { consumers } = group;
        consumers.loadName(words[at + PendingWord.Consumer]!);
        pending.push([
          idOf(words, at),
          {
            consumer: consumers.nameBytes.toString(
              'latin1',
              consumers.nameOff,
              consumers.nameOff + consumers.nameLen,
            ),
            time: readNumber(words, at + PendingWord.TimeLow),
            count: readNumber(words, at + PendingWord.CountLow),
          },
        ]);
      }
      expect(pending).toEqual([...expected.pending].sort(([a], [b]) => (a < b ? -1 : 1)));
      const shown: string[] = [];
      for (let k = 0; k < group.consumers.count; k++) {
        group.openConsumer(consumer, k);
        shown.push(
          consumer.nameBytes.toString('latin1', consumer.nameOff, consumer.nameOff + consumer.nameLen),
        );
      }
      expect(shown).toEqual([...expected.consumers].sort((a, b) => (a < b ? -1 : 1)));
    }
  }
}
