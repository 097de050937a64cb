// Consumer groups of a stream, and their consumers: named blocks in tables (stream-names.ts).
//
//   group     word 0  length of the name
//                  1  last delivered ID, 4 words
//                  5  entries read: how many entries were added up to the last delivered, low, high; -1: unknown
//                  7  root of the tree of pending entries (PendingTree)
//                 11  table of consumers: ref, count
//                 13  name
//   consumer  word 0  length of the name
//                  1  unix time in ms of its last attempt at reading or claiming, low, high
//                  3  the same of its last success; -1: none yet
//                  5  root of the tree of its pending entries (IdTree)
//                  9  name
//
// A pending entry is in the group's tree, with its consumer's block, and in the consumer's own tree; the words in the
// group's tree are the only ones, so the two cannot differ but in whether they are there.
// Blocks of consumers do not move while they have many pending entries, each of which refers to them.

import type { Arena } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { wordsToNumber } from './int64.ts';
import { copyId } from './stream-id.ts';
import { NameTable } from './stream-names.ts';
import { IdTree, PendingTree, PendingWord } from './stream-tree.ts';

const TWO_32 = 4294967296;
const GroupWord = { LastId: 1, EntriesRead: 5, Pending: 7, Consumers: 11 } as const;
export const GROUP_HEADER_WORDS = 13;
const ConsumerWord = { Seen: 1, Active: 3, Pending: 5 } as const;
export const CONSUMER_HEADER_WORDS = 9;
/** A consumer with more pending entries than this is not moved by defragmentation. */
const MOVE_PENDING_MAX = 256;

/** Value of two words, low one first. */
export function readNumber(words: Int32Array, at: number): number {
  return wordsToNumber(words[at]!, words[at + 1]!);
}

/** @param value a safe integer */
export function writeNumber(words: Int32Array, at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / TWO_32);
}

/** Adds a small number. @returns the sum, rounded beyond 2^53 */
export function addTo(words: Int32Array, at: number, by: number): number {
  const low = (words[at]! >>> 0) + by;
  words[at] = low | 0;
  if (low < 0) words[at + 1]! -= 1;
  else if (low >= TWO_32) words[at + 1]! += 1;
  return readNumber(words, at);
}

/** A flyweight over one consumer. */
export class StreamConsumer {
  readonly #memory: SharedMemory;
  /** IDs of its pending entries. */
  readonly pending: IdTree;
  ref = 0;
  words: Int32Array;
  #at = 0;
  nameBytes: Buffer;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.pending = new IdTree(memory);
    this.words = memory.words[0]!;
    this.nameBytes = memory.bytes[0]!;
  }

  open(arena: Arena, ref: number): void {
    this.ref = ref;
    this.words = this.#memory.words[ref >>> REF_REGION_SHIFT]!;
    this.#at = (ref & REF_MASK) << 2;
    this.nameBytes = this.#memory.bytes[ref >>> REF_REGION_SHIFT]!;
    this.pending.open(arena, this.words, this.#at + ConsumerWord.Pending);
  }

  /** Fills in a new block behind its name. */
  begin(now: number): void {
    this.seenAt = now;
    this.activeAt = -1;
    this.pending.clear();
  }

  get nameOff(): number {
    return ((this.ref & REF_MASK) << GRANULE_SHIFT) + CONSUMER_HEADER_WORDS * 4;
  }
  get nameLen(): number {
    return this.words[this.#at]!;
  }
  get seenAt(): number {
    return readNumber(this.words, this.#at + ConsumerWord.Seen);
  }
  set seenAt(now: number) {
    writeNumber(this.words, this.#at + ConsumerWord.Seen, now);
  }
  get activeAt(): number {
    return readNumber(this.words, this.#at + ConsumerWord.Active);
  }
  set activeAt(now: number) {
    writeNumber(this.words, this.#at + ConsumerWord.Active, now);
  }
}

/** A flyweight over one group. */
export class StreamGroup {
  readonly #memory: SharedMemory;
  readonly #other: StreamConsumer;
  #arena!: Arena;
  /** All pending entries. */
  readonly pending: PendingTree;
  readonly consumers: NameTable;
  ref = 0;
  words: Int32Array;
  #at = 0;
  nameBytes: Buffer;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.#other = new StreamConsumer(memory);
    this.pending = new PendingTree(memory);
    this.consumers = new NameTable(memory, CONSUMER_HEADER_WORDS);
    this.words = memory.words[0]!;
    this.nameBytes = memory.bytes[0]!;
  }

  open(arena: Arena, ref: number): void {
    this.#arena = arena;
    this.ref = ref;
    this.words = this.#memory.words[ref >>> REF_REGION_SHIFT]!;
    this.#at = (ref & REF_MASK) << 2;
    this.nameBytes = this.#memory.bytes[ref >>> REF_REGION_SHIFT]!;
    this.pending.open(arena, this.words, this.#at + GroupWord.Pending);
    this.consumers.open(arena, this.words, this.#at + GroupWord.Consumers);
  }

  /** Fills in a new block behind its name. @param id words of the last delivered ID, from `i` on */
  begin(id: Int32Array, i: number, entriesRead: number): void {
    copyId(id, i, this.words, this.lastIdAt);
    this.entriesRead = entriesRead;
    this.pending.clear();
    this.words[this.#at + GroupWord.Consumers] = 0;
    this.words[this.#at + GroupWord.Consumers + 1] = 0;
  }

  get nameOff(): number {
    return ((this.ref & REF_MASK) << GRANULE_SHIFT) + GROUP_HEADER_WORDS * 4;
  }
  get nameLen(): number {
    return this.words[this.#at]!;
  }
  /** Where in `words` the last delivered ID is. */
  get lastIdAt(): number {
    return this.#at + GroupWord.LastId;
  }
  /** Where in `words` the entries read are: low word, high word. */
  get entriesReadAt(): number {
    return this.#at + GroupWord.EntriesRead;
  }
  /** -1: unknown. */
  get entriesRead(): number {
    return readNumber(this.words, this.#at + GroupWord.EntriesRead);
  }
  set entriesRead(count: number) {
    writeNumber(this.words, this.#at + GroupWord.EntriesRead, count);
  }

  // ---- consumers ----

  /** Points a flyweight at the consumer of a name. @returns whether there is one */
  findConsumer(consumer: StreamConsumer, name: Buffer, off: number, len: number): boolean {
    const index = this.consumers.find(name, off, len);
    if (index < 0) return false;
    consumer.open(this.#arena, this.consumers.refAt(index));
    return true;
  }

  /** As findConsumer(), but makes it if there is none. @returns whether it was made @throws OutOfMemoryError */
  needConsumer(consumer: StreamConsumer, name: Buffer, off: number, len: number, now: number): boolean {
    const index = this.consumers.find(name, off, len);
    if (index >= 0) {
      consumer.open(this.#arena, this.consumers.refAt(index));
      return false;
    }
    consumer.open(this.#arena, this.consumers.insert(-1 - index, name, off, len));
    consumer.begin(now);
    return true;
  }

  /** Points a flyweight at the index-th consumer. */
  openConsumer(consumer: StreamConsumer, index: number): void {
    consumer.open(this.#arena, this.consumers.refAt(index));
  }

  /** Deletes a consumer, and its pending entries with it. @returns how many these were */
  deleteConsumer(name: Buffer, off: number, len: number): number {
    const index = this.consumers.find(name, off, len);
    if (index < 0) return 0;
    const consumer = this.#other;
    this.openConsumer(consumer, index);
    const own = consumer.pending;
    const count = own.size;
    for (let more = own.seekFirst(); more; more = own.next()) this.pending.removeId(own.words, own.at);
    this.consumers.remove(index);
    own.freeSome(Number.POSITIVE_INFINITY);
    this.#arena.free(consumer.ref);
    return count;
  }

  // ---- pending entries ----

  /**
   * Makes an entry pending for a consumer, whoever had it before.
   * @param id words of its ID, from `i` on
   * @param time of the delivery, unix time in ms
   * @param count deliveries, a safe integer
   * @throws OutOfMemoryError; nothing was changed
   */
  deliver(consumer: StreamConsumer, id: Int32Array, i: number, time: number, count: number): void {
    const { pending } = this;
    // What is new is greater than all others, and is not looked for.
    if (!pending.seekBehind(id, i) && pending.findId(id, i)) {
      this.giveTo(consumer, id, i);
      pending.findId(id, i);
      const { words, at } = pending;
      writeNumber(words, at + PendingWord.TimeLow, time);
      writeNumber(words, at + PendingWord.CountLow, count);
      return;
    }
    consumer.pending.insertId(id, i);
    const { entry } = pending;
    entry[PendingWord.Consumer] = consumer.ref;
    writeNumber(entry, PendingWord.TimeLow, time);
    writeNumber(entry, PendingWord.CountLow, count);
    try {
      pending.insertId(id, i);
    } catch (error) {
      if (error instanceof OutOfMemoryError) consumer.pending.removeId(id, i);
      throw error;
    }
  }

  /** Makes a consumer the owner of a pending entry. @throws OutOfMemoryError; nothing was changed */
  giveTo(consumer: StreamConsumer, id: Int32Array, i: number): void {
    if (!this.pending.findId(id, i)) throw new Error('stream group: no such pending entry');
    const owner = this.pending.words[this.pending.at + PendingWord.Consumer]!;
    if (owner === consumer.ref) return;
    consumer.pending.insertId(id, i);
    this.#other.open(this.#arena, owner);
    this.#other.pending.removeId(id, i);
    this.pending.findId(id, i);
    this.pending.words[this.pending.at + PendingWord.Consumer] = consumer.ref;
  }

  /** Takes an entry out of the pending ones. @returns whether it was one */
  acknowledge(id: Int32Array, i: number): boolean {
    if (!this.pending.findId(id, i)) return false;
    this.#other.open(this.#arena, this.pending.words[this.pending.at + PendingWord.Consumer]!);
    this.pending.removeHere();
    this.#other.pending.removeId(id, i);
    return true;
  }

  // ---- upkeep ----

  /** Blocks that the group owns, about, its own included. */
  get blockCount(): number {
    return 2 + this.consumers.count * 2 + (this.pending.nodeBytes >> 9);
  }

  /** Bytes of its blocks; of consumers only `samples` are looked at, unless 0. */
  bytes(samples: number): number {
    const { consumers, pending } = this;
    const count = consumers.count;
    const own = this.#arena.capacity(this.ref) + pending.nodeBytes;
    if (count === 0) return own;
    const looked = samples === 0 ? count : Math.min(count, samples);
    let sum = 0;
    for (let i = 0; i < looked; i++) {
      this.openConsumer(this.#other, i);
      sum += this.#arena.capacity(this.#other.ref) + this.#other.pending.nodeBytes;
    }
    return own + this.#arena.capacity(consumers.tableRef) + Math.round((sum * count) / looked);
  }

  /** Frees what the group owns, from the end, but for its own block. @returns what is left of the budget in blocks */
  freeSome(budget: number): number {
    const { consumers } = this;
    while (consumers.count > 0) {
      this.openConsumer(this.#other, consumers.count - 1);
      budget = this.#other.pending.freeSome(budget);
      if (budget <= 0) return budget;
      consumers.remove(consumers.count - 1);
      this.#arena.free(this.#other.ref);
      budget--;
    }
    return this.pending.freeSome(budget);
  }

  /** Visits the group's own block and all that it owns. */
  eachBlock(visit: (ref: number) => void): void {
    visit(this.ref);
    this.pending.eachBlock(visit);
    const { consumers } = this;
    if (consumers.tableRef !== 0) visit(consumers.tableRef);
    for (let i = 0; i < consumers.count; i++) {
      this.openConsumer(this.#other, i);
      visit(this.#other.ref);
      this.#other.pending.eachBlock(visit);
    }
  }

  /**
   * Copies consumers and pending entries to a new group.
   * @throws OutOfMemoryError; what was taken hangs from the new group
   */
  copyTo(target: StreamGroup): void {
    const { consumers, pending } = this;
    const moved = new Map<number, number>();
    const copy = new StreamConsumer(this.#memory);
    for (let i = 0; i < consumers.count; i++) {
      const consumer = this.#other;
      this.openConsumer(consumer, i);
      const { nameBytes, nameOff, nameLen } = consumer;
      copy.open(target.#arena, target.consumers.insert(i, nameBytes, nameOff, nameLen));
      copy.begin(consumer.seenAt);
      copy.activeAt = consumer.activeAt;
      moved.set(consumer.ref, copy.ref);
      appendAll(consumer.pending, copy.pending);
    }
    for (let more = pending.seekFirst(); more; more = pending.next()) {
      const { entry } = target.pending;
      for (let k = 0; k < entry.length; k++) entry[k] = pending.words[pending.at + k]!;
      entry[PendingWord.Consumer] = moved.get(entry[PendingWord.Consumer]!)!;
      target.pending.append();
    }
  }

  /** Moves blocks in sparse spans, but for the group's own. @returns how many @throws OutOfMemoryError; all is whole */
  moveSparse(limits: Int32Array): number {
    const { consumers, pending } = this;
    pending.moveSparse(limits, 0, Number.POSITIVE_INFINITY);
    let moved = pending.moved;
    if (consumers.moveSparse(limits)) moved++;
    for (let i = 0; i < consumers.count; i++) {
      const consumer = this.#other;
      this.openConsumer(consumer, i);
      consumer.pending.moveSparse(limits, 0, Number.POSITIVE_INFINITY);
      moved += consumer.pending.moved;
      if (consumer.pending.size > MOVE_PENDING_MAX || !this.#arena.isSparse(consumer.ref, limits)) continue;
      this.#moveConsumer(i);
      moved++;
    }
    return moved;
  }

  #moveConsumer(index: number): void {
    const consumer = this.#other;
    const { ref } = consumer;
    const fresh = copyWords(this.#memory, this.#arena, ref);
    this.consumers.setRefAt(index, fresh);
    this.#arena.free(ref);
    consumer.open(this.#arena, fresh);
    const own = consumer.pending;
    for (let more = own.seekFirst(); more; more = own.next()) {
      if (!this.pending.findId(own.words, own.at)) continue;
      this.pending.words[this.pending.at + PendingWord.Consumer] = fresh;
    }
  }

  /** Throws at the first broken invariant. */
  check(): void {
    const { consumers, pending } = this;
    this.#arena.checkBlock(this.ref);
    pending.check();
    let sum = 0;
    for (let i = 0; i < consumers.count; i++) {
      const consumer = this.#other;
      this.openConsumer(consumer, i);
      this.#arena.checkBlock(consumer.ref);
      consumer.pending.check();
      const own = consumer.pending;
      for (let more = own.seekFirst(); more; more = own.next()) {
        if (!pending.findId(own.words, own.at)) fail("a consumer's pending entry is not in the group");
        if (pending.words[pending.at + PendingWord.Consumer] !== consumer.ref) fail('another owner');
        sum++;
      }
      if (i === 0) continue;
      consumers.loadName(consumers.refAt(i - 1));
      const { nameBytes, nameOff, nameLen } = consumers;
      if (consumers.find(nameBytes, nameOff, nameLen) !== i - 1) fail('consumers out of order');
    }
    if (sum !== pending.size) fail(`${pending.size} pending entries, ${sum} of consumers`);
  }
}

/** Copies the entries of a tree to an empty one. */
function appendAll(from: IdTree, to: IdTree): void {
  for (let more = from.seekFirst(); more; more = from.next()) {
    for (let k = 0; k < to.entry.length; k++) to.entry[k] = from.words[from.at + k]!;
    to.append();
  }
}

/** Copies a block word by word. @returns the new one's ref @throws OutOfMemoryError */
export function copyWords(memory: SharedMemory, arena: Arena, ref: number): number {
  const capacity = arena.capacity(ref);
  const fresh = arena.alloc(capacity);
  const from = memory.words[ref >>> REF_REGION_SHIFT]!;
  const base = (ref & REF_MASK) << 2;
  const to = memory.words[fresh >>> REF_REGION_SHIFT]!;
  const freshBase = (fresh & REF_MASK) << 2;
  for (let i = 0; i < capacity >> 2; i++) to[freshBase + i] = from[base + i]!;
  return fresh;
}

function fail(what: string): never {
  throw new Error(`stream group: ${what}`);
}
