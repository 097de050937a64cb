// The segments of a hash table and the directory that finds them: how it grows and shrinks. It is an extendible hash table of
// small segments, as the keyspace's index (keyspace/slot-segments.ts):
//
//   root        word 0: ref of the only segment, or of the directory (0: empty)
//               word 1: elements
//               word 2: depth of the directory (8 bits; 0: there is none) | segments of that depth << 8
//               word 3: elements that expire | word 4: lower bound of their expiries in s (NO_EXPIRY: none)
//   directory   2^depth refs of segments, by the top bits of the hash
//   segment     word 0: capacity << 16 | elements
//               word 1: elements that expire << 16 | depth (how many top bits all its hashes share)
//               word 2: lower bound of their expiries in s | word 3: -
//               capacity x 2 words: hash with bit 0 = "expires" | ref (0 = empty)
//
// A segment grows by a quarter until SEGMENT_MAX and then splits in two; small neighbours are merged, and the directory
// halves when no segment is as deep as it is. No step touches more than two segments, and none reads an element.
// Segments are open-addressed, with linear probing and without tombstones.
//
// Cost: 8 bytes an element at a load of 70 to 88%, and 16 bytes a segment.

import type { Arena } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import {
  GROWN,
  NO_EXPIRY,
  roomAbove,
  SEGMENT_HEADER_WORDS,
  SEGMENT_MAX,
  SHRINK_ABOVE,
  segmentBytes,
  writeEmptySegment,
} from './segment.ts';

/** Words of a table's root. */
export const TABLE_ROOT_WORDS = 5;
/** Words of a table's root, by index. */
export const TableRoot = { Table: 0, Count: 1, Shape: 2, Expiring: 3, NextExpiry: 4 } as const;
export const HASH_SPAN = 2 ** 32;
export const DEPTH_MASK = 0xff;
export const DEEPEST_SHIFT = 8;
const DEPTH_MAX = 22;
/** Neighbours with this many elements together become one segment: half of what makes it split. */
const MERGE_MAX = 224;
/** Merging is thought of each time a segment's elements are a multiple of this. */
const MERGE_STEP_MASK = 15;
/** Where an element is sought first. The top bits of a segment's hashes are all alike, so they are mixed. */
export function homeOf(hash: number, capacity: number): number {
  return ((Math.imul(hash, 0x9e3779b1) >>> 16) * capacity) >>> 16;
}

export const EMPTY = new Int32Array(0);

/** A flyweight: open() points it at a root. */
export class TableSegments {
  readonly memory: SharedMemory;
  readonly regions: Int32Array[];
  arena!: Arena;
  /** The root's region and where it begins in it. */
  words: Int32Array = EMPTY;
  root = 0;

  constructor(memory: SharedMemory) {
    this.memory = memory;
    this.regions = memory.words;
  }

  /** Points the flyweight at a root. */
  open(arena: Arena, words: Int32Array, root: number): void {
    this.arena = arena;
    this.words = words;
    this.root = root;
  }

  /** Makes the root that is open an empty table's. Takes no memory. */
  create(): void {
    const { words, root } = this;
    words[root] = 0;
    words[root + 1] = 0;
    words[root + 2] = 0;
    words[root + 3] = 0;
    words[root + 4] = NO_EXPIRY;
  }

  /** Ref of the segment that holds `hash`, 0 if the table is empty. */
  segmentOf(hash: number): number {
    const table = this.words[this.root]!;
    const depth = this.words[this.root + TableRoot.Shape]! & DEPTH_MASK;
    if (depth === 0) return table;
    return this.regions[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + (hash >>> (32 - depth))]!;
  }

  /** Moves the segment that holds `hash` to a new block. @throws OutOfMemoryError; nothing was changed */
  moveSegment(hash: number): void {
    const segment = this.segmentOf(hash);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    this.#rebuild(hash, segment, words[(segment & REF_MASK) << 2]! >>> 16);
  }

  // ---- growth ----

  protected firstSegment(): number {
    const segment = this.#newSegment(roomAbove(6), 0);
    this.words[this.root] = segment;
    this.words[this.root + TableRoot.Shape] = 0;
    return segment;
  }

  #newSegment(capacity: number, depth: number): number {
    const segment = this.arena.alloc(segmentBytes(capacity));
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    writeEmptySegment(words, (segment & REF_MASK) << 2, capacity, depth);
    return segment;
  }

  /** Makes room in a full segment: more capacity, or two segments. */
  protected grow(hash: number, segment: number): void {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const depth = words[at + 1]! & DEPTH_MASK;
    if (capacity < SEGMENT_MAX) this.#rebuild(hash, segment, GROWN[capacity]!);
    else if (depth < DEPTH_MAX) this.#split(hash, segment);
    else throw new OutOfMemoryError(`no room for more elements with the first ${DEPTH_MAX} bits of a hash`);
  }

  /** Moves a segment's entries to one of another capacity. */
  #rebuild(hash: number, segment: number, capacity: number): void {
    const from = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const fresh = this.#newSegment(capacity, from[at + 1]! & DEPTH_MASK);
    this.#addEntries(from, at, fresh);
    this.#setSegment(hash, fresh);
    this.arena.free(segment);
  }

  /** Copies all entries of a segment to another, with their counts. */
  #addEntries(from: Int32Array, at: number, segment: number): void {
    const to = this.regions[segment >>> REF_REGION_SHIFT]!;
    const toAt = (segment & REF_MASK) << 2;
    const end = at + SEGMENT_HEADER_WORDS + (from[at]! >>> 16) * 2;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      if (from[entry + 1] !== 0) place(to, toAt, from[entry]!, from[entry + 1]!);
    }
    to[toAt]! += from[at]! & 0xffff;
    to[toAt + 1]! += from[at + 1]! & ~0xffff;
    if (from[at + 2]! < to[toAt + 2]!) to[toAt + 2] = from[at + 2]!;
  }

  #split(hash: number, segment: number): void {
    const from = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const depth = (from[at + 1]! & DEPTH_MASK) + 1;
    this.#deepen(depth);
    const bit = 1 << (32 - depth);
    const end = at + SEGMENT_HEADER_WORDS + (from[at]! >>> 16) * 2;
    let highCount = 0;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      if (from[entry + 1] !== 0 && (from[entry]! & bit) !== 0) highCount++;
    }
    const low = this.#newSegment(roomAbove((from[at]! & 0xffff) - highCount), depth);
    const high = this.#newSegmentOrFree(roomAbove(highCount), depth, low);
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      const ref = from[entry + 1]!;
      if (ref === 0) continue;
      const half = (from[entry]! & bit) === 0 ? low : high;
      const words = this.regions[half >>> REF_REGION_SHIFT]!;
      const halfAt = (half & REF_MASK) << 2;
      place(words, halfAt, from[entry]!, ref);
      words[halfAt]!++;
      if ((from[entry]! & 1) === 0) continue;
      words[halfAt + 1]! += 0x10000;
      words[halfAt + 2] = from[at + 2]!;
    }
    this.#setSegment(hash & ~bit, low);
    this.#setSegment(hash | bit, high);
    this.#countDeepest(depth, 2);
    this.arena.free(segment);
  }

  /** As newSegment; frees `spare` if there is no memory, so that nothing is left behind. */
  #newSegmentOrFree(capacity: number, depth: number, spare: number): number {
    try {
      return this.#newSegment(capacity, depth);
    } catch (error) {
      this.arena.free(spare);
      throw error;
    }
  }

  /** Makes sure that the directory has at least `depth`. */
  #deepen(depth: number): void {
    const { words, root } = this;
    const oldDepth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    if (oldDepth >= depth) return;
    const old = words[root]!;
    const size = 2 ** oldDepth;
    const directory = this.arena.alloc(size * 2 * 4);
    const to = this.regions[directory >>> REF_REGION_SHIFT]!;
    const toAt = (directory & REF_MASK) << 2;
    const from = this.regions[old >>> REF_REGION_SHIFT]!;
    const fromAt = (old & REF_MASK) << 2;
    for (let i = 0; i < size; i++) {
      const ref = oldDepth === 0 ? old : from[fromAt + i]!;
      to[toAt + i * 2] = ref;
      to[toAt + i * 2 + 1] = ref;
    }
    words[root] = directory;
    words[root + TableRoot.Shape] = oldDepth + 1;
    if (oldDepth > 0) this.arena.free(old);
  }

  /** Points the directory's entries of a segment's range, or the root, at it. */
  #setSegment(hash: number, segment: number): void {
    const { words, root } = this;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    if (depth === 0) {
      words[root] = segment;
      return;
    }
    const own = this.regions[segment >>> REF_REGION_SHIFT]![((segment & REF_MASK) << 2) + 1]! & DEPTH_MASK;
    const range = 2 ** (depth - own);
    const table = words[root]!;
    const first = ((table & REF_MASK) << 2) + Math.floor((hash >>> (32 - depth)) / range) * range;
    const directory = this.regions[table >>> REF_REGION_SHIFT]!;
    for (let i = first; i < first + range; i++) directory[i] = segment;
  }

  #countDeepest(depth: number, by: number): void {
    const { words, root } = this;
    if ((words[root + TableRoot.Shape]! & DEPTH_MASK) === depth)
      words[root + TableRoot.Shape]! += by << DEEPEST_SHIFT;
  }

  // ---- shrinking ----

  /** After a removal: gives room back. Without memory to move to, all stays as it is. */
  protected shrink(hash: number, segment: number): void {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const left = words[at]! & 0xffff;
    const mayMerge = left <= MERGE_MAX && (left & MERGE_STEP_MASK) === 0 && (words[at + 1]! & DEPTH_MASK) > 0;
    const mayShrink = left < capacity >> 2 && capacity > SHRINK_ABOVE;
    if (!mayMerge && !mayShrink) return;
    try {
      if (mayMerge && this.#mergeAt(hash)) while (this.#mergeAt(hash));
      else if (mayShrink) this.#rebuild(hash, segment, roomAbove(left));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** Merges the segment that holds `hash` with its neighbour if both are small. @returns whether it did */
  #mergeAt(hash: number): boolean {
    const segment = this.segmentOf(hash);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const depth = words[at + 1]! & DEPTH_MASK;
    if (depth === 0) return false;
    const buddy = this.segmentOf(hash ^ (1 << (32 - depth)));
    const others = this.regions[buddy >>> REF_REGION_SHIFT]!;
    const otherAt = (buddy & REF_MASK) << 2;
    const sum = (words[at]! & 0xffff) + (others[otherAt]! & 0xffff);
    if ((others[otherAt + 1]! & DEPTH_MASK) !== depth || sum > MERGE_MAX) return false;
    const merged = this.#newSegment(roomAbove(sum), depth - 1);
    this.#addEntries(words, at, merged);
    this.#addEntries(others, otherAt, merged);
    this.#setSegment(hash, merged);
    this.#countDeepest(depth, -2);
    this.arena.free(segment);
    this.arena.free(buddy);
    while (this.words[this.root + TableRoot.Shape]! >> DEEPEST_SHIFT === 0 && this.#halve());
    return true;
  }

  /** Halves the directory, whose deepest segments are gone. @returns whether there is still one */
  #halve(): boolean {
    const { words, root } = this;
    const depth = (words[root + TableRoot.Shape]! & DEPTH_MASK) - 1;
    const old = words[root]!;
    const from = this.regions[old >>> REF_REGION_SHIFT]!;
    const fromAt = (old & REF_MASK) << 2;
    if (depth === 0) {
      words[root] = from[fromAt]!;
      words[root + TableRoot.Shape] = 0;
      this.arena.free(old);
      return false;
    }
    const size = 2 ** depth;
    const directory = this.arena.alloc(size * 4);
    const to = this.regions[directory >>> REF_REGION_SHIFT]!;
    const toAt = (directory & REF_MASK) << 2;
    let deepest = 0;
    for (let i = 0; i < size; i++) {
      const ref = from[fromAt + i * 2]!;
      to[toAt + i] = ref;
      const own = this.regions[ref >>> REF_REGION_SHIFT]![((ref & REF_MASK) << 2) + 1]! & DEPTH_MASK;
      if (own === depth) deepest++;
    }
    words[root] = directory;
    words[root + TableRoot.Shape] = depth | (deepest << DEEPEST_SHIFT);
    this.arena.free(old);
    return true;
  }

  /** Frees the segments of a table without elements. */
  protected drop(): void {
    const { words, root } = this;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    const table = words[root]!;
    if (depth > 0) {
      const directory = this.regions[table >>> REF_REGION_SHIFT]!;
      const base = (table & REF_MASK) << 2;
      for (let i = 0, last = 0; i < 2 ** depth; i++) {
        if (directory[base + i] !== last) this.arena.free(directory[base + i]!);
        last = directory[base + i]!;
      }
    }
    this.arena.free(table);
    this.create();
  }
}

/** Puts an entry at the first free place from where its hash says. */
export function place(words: Int32Array, at: number, hash: number, ref: number): void {
  const capacity = words[at]! >>> 16;
  const entries = at + SEGMENT_HEADER_WORDS;
  let index = homeOf(hash & ~1, capacity);
  while (words[entries + index * 2 + 1] !== 0) if (++index === capacity) index = 0;
  words[entries + index * 2] = hash;
  words[entries + index * 2 + 1] = ref;
}
