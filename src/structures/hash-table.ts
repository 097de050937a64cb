// The hash table of large values: members of a set, fields of a hash, the members of a sorted set. It holds references
// to elements (element.ts), one block each, in segments (table-segments.ts).
//
// All of a segment's hashes lie in one range, and ranges are what SCAN's cursor counts: a hash never changes, so whatever
// splits or merges between two calls, no range is visited twice or missed.
//
// What the keyspace needs of a value, freeing, copying, checking, moving: element-table.ts.

import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { elementHasKey } from './element.ts';
import { limitOf, NO_EXPIRY, SEGMENT_HEADER_WORDS, SEGMENT_MAX } from './segment.ts';
import { DEPTH_MASK, EMPTY, HASH_SPAN, homeOf, place, TableRoot, TableSegments } from './table-segments.ts';

/** Tries at hitting an element at random before they are counted through. */
const RANDOM_TRIES = 100;

/**
 * A place in a table between two calls of next(). Good as long as nothing is inserted or removed; there may be several
 * at once. Holds no references to what may move but segments.
 */
export class TablePosition {
  words: Int32Array = EMPTY;
  /** Word index of the next entry and of the end of the segment. */
  entry = 0;
  end = 0;
  /** First hash behind the segment, unsigned. */
  next = HASH_SPAN;
  /** Hash of the element that next() returned. */
  hash = 0;
}

export class HashTable extends TableSegments {
  readonly #bytes: Buffer[];
  /** Hash of the element that randomRef() returned. */
  foundHash = 0;

  constructor(memory: SharedMemory) {
    super(memory);
    this.#bytes = memory.bytes;
  }

  /** Elements. */
  get size(): number {
    return this.words[this.root + TableRoot.Count]!;
  }

  /** Elements that expire. */
  get expiring(): number {
    return this.words[this.root + TableRoot.Expiring]!;
  }

  /** Lower bound of the expiries in s, NO_EXPIRY if there are none. */
  get nextExpiry(): number {
    return this.words[this.root + TableRoot.NextExpiry]!;
  }

  // ---- one element ----

  /**
   * Finds an element.
   * @param hash keyedHash() of the key
   * @returns its ref, 0 if there is none
   */
  find(hash: number, key: Buffer, off: number, len: number): number {
    const segment = this.segmentOf(hash);
    if (segment === 0) return 0;
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = this.#probe(segment, hash, key, off, len);
    return words[at + 1]!;
  }

  /**
   * Adds an element. Its key must not be there.
   * @param expireAt unix time in ms if it is one that expires, else -1
   * @throws OutOfMemoryError; nothing was changed
   */
  insert(hash: number, ref: number, expireAt = -1): void {
    let segment = this.segmentOf(hash);
    if (segment === 0) segment = this.firstSegment();
    let words = this.regions[segment >>> REF_REGION_SHIFT]!;
    let at = (segment & REF_MASK) << 2;
    while ((words[at]! & 0xffff) >= limitOf(words[at]! >>> 16)) {
      this.grow(hash, segment);
      segment = this.segmentOf(hash);
      words = this.regions[segment >>> REF_REGION_SHIFT]!;
      at = (segment & REF_MASK) << 2;
    }
    place(words, at, hash, ref);
    words[at]!++;
    this.words[this.root + TableRoot.Count]!++;
    if (expireAt >= 0) this.noteExpiry(hash, ref, expireAt);
  }

  /**
   * Takes an element out of the table; its block stays and is the caller's to free.
   * @returns its ref, 0 if there is none
   */
  remove(hash: number, key: Buffer, off: number, len: number): number {
    const segment = this.segmentOf(hash);
    if (segment === 0) return 0;
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const entry = this.#probe(segment, hash, key, off, len);
    const ref = words[entry + 1]!;
    if (ref !== 0) this.#removeEntry(hash, segment, entry);
    return ref;
  }

  /** As remove, for an element that is known to be there. */
  unlink(hash: number, ref: number): void {
    const segment = this.segmentOf(hash);
    this.#removeEntry(hash, segment, this.#entryOf(segment, hash, ref));
  }

  /** Points an element's entry at another block. Whether it expires is not changed: see noteExpiry, forgetExpiry. */
  replace(hash: number, oldRef: number, newRef: number): void {
    const segment = this.segmentOf(hash);
    this.regions[segment >>> REF_REGION_SHIFT]![this.#entryOf(segment, hash, oldRef) + 1] = newRef;
  }

  /** Notes that an element (one with an expiry by now) expires, or earlier than before. @param expireAt ms */
  noteExpiry(hash: number, ref: number, expireAt: number): void {
    const { words: rootWords, root } = this;
    const segment = this.segmentOf(hash);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const entry = this.#entryOf(segment, hash, ref);
    if ((words[entry]! & 1) === 0) {
      words[entry]! |= 1;
      words[at + 1]! += 0x10000;
      rootWords[root + TableRoot.Expiring]!++;
    }
    const second = Math.min(NO_EXPIRY - 1, Math.floor(expireAt / 1000));
    if (second < words[at + 2]!) words[at + 2] = second;
    if (second < rootWords[root + TableRoot.NextExpiry]!) rootWords[root + TableRoot.NextExpiry] = second;
  }

  /** Notes that an element no longer expires. Allowed when it did not before. */
  forgetExpiry(hash: number, ref: number): void {
    const segment = this.segmentOf(hash);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const entry = this.#entryOf(segment, hash, ref);
    if ((words[entry]! & 1) === 0) return;
    words[entry]! &= ~1;
    this.#countExpiring(words, (segment & REF_MASK) << 2, -1);
  }

  // ---- all elements ----

  /** Begins a walk over all elements, in no particular order. */
  begin(position: TablePosition): void {
    position.entry = 0;
    position.end = 0;
    position.next = this.size === 0 ? HASH_SPAN : 0;
  }

  /** @returns the ref of the next element (its hash: position.hash), 0 at the end */
  next(position: TablePosition): number {
    for (;;) {
      const { words, end } = position;
      for (let entry = position.entry; entry < end; entry += 2) {
        const ref = words[entry + 1]!;
        if (ref === 0) continue;
        position.hash = words[entry]! & ~1;
        position.entry = entry + 2;
        return ref;
      }
      if (position.next >= HASH_SPAN) {
        position.entry = end;
        return 0;
      }
      this.#enterSegment(position);
    }
  }

  #enterSegment(position: TablePosition): void {
    const segment = this.segmentOf(position.next | 0);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    position.words = words;
    position.entry = at + SEGMENT_HEADER_WORDS;
    position.end = position.entry + (words[at]! >>> 16) * 2;
    position.next += HASH_SPAN / 2 ** (words[at + 1]! & DEPTH_MASK);
  }

  /**
   * Gathers the elements of a range of hashes from `cursor` up, until at least `count` or the end: SCAN. Elements that
   * are there throughout a scan are met exactly once, whatever is inserted or removed between two calls.
   * @param cursor 0 to begin, else what the last call returned
   * @param refs receives the elements, behind what is in it
   * @returns where to go on, below 2^32; 0 at the end
   */
  scan(cursor: number, count: number, refs: number[]): number {
    const enough = refs.length + count;
    let from = cursor;
    while (from < HASH_SPAN && refs.length < enough) {
      const segment = this.segmentOf(from | 0);
      if (segment === 0) return 0;
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const width = HASH_SPAN / 2 ** (words[at + 1]! & DEPTH_MASK);
      const start = Math.floor(from / width) * width;
      const elements = words[at]! & 0xffff;
      // A part of the segment's range in which about `count` elements are expected.
      const part =
        elements <= count * 2 ? width : Math.max(2, width / 2 ** Math.floor(Math.log2(elements / count)));
      const to = Math.min(start + (Math.floor((from - start) / part) + 1) * part, start + width);
      const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
      for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
        const ref = words[entry + 1]!;
        const hash = (words[entry]! & ~1) >>> 0;
        if (ref !== 0 && hash >= from && hash < to) refs.push(ref);
      }
      from = to;
    }
    return from >= HASH_SPAN ? 0 : from;
  }

  /**
   * A random element, each as likely as any other. Its hash is in `foundHash`.
   * @param random gives numbers in [0, 1)
   * @returns 0 if the table is empty
   */
  randomRef(random: () => number = Math.random): number {
    if (this.size === 0) return 0;
    const depth = this.words[this.root + TableRoot.Shape]! & DEPTH_MASK;
    const table = this.words[this.root]!;
    const directory = this.regions[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    const places = depth === 0 ? directory[base]! >>> 16 : SEGMENT_MAX;
    const directorySize = 2 ** depth;
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      const index = Math.floor(random() * directorySize);
      const segment = depth === 0 ? table : directory[base + index]!;
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      // A segment of less depth is hit by several indices: only the first of them counts.
      const above = depth - (words[at + 1]! & DEPTH_MASK);
      if (above !== 0 && (index & (2 ** above - 1)) !== 0) continue;
      const chosen = Math.floor(random() * places);
      if (chosen >= words[at]! >>> 16) continue;
      const entry = at + SEGMENT_HEADER_WORDS + chosen * 2;
      if (words[entry + 1] === 0) continue;
      this.foundHash = words[entry]! & ~1;
      return words[entry + 1]!;
    }
    return this.#nth(Math.floor(random() * this.size));
  }

  /** The n-th element in the order of next(). */
  #nth(n: number): number {
    for (let from = 0; from < HASH_SPAN; ) {
      const segment = this.segmentOf(from | 0);
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      from += HASH_SPAN / 2 ** (words[at + 1]! & DEPTH_MASK);
      if (n >= (words[at]! & 0xffff)) {
        n -= words[at]! & 0xffff;
        continue;
      }
      for (let entry = at + SEGMENT_HEADER_WORDS; ; entry += 2) {
        if (words[entry + 1] === 0 || n-- > 0) continue;
        this.foundHash = words[entry]! & ~1;
        return words[entry + 1]!;
      }
    }
    throw new Error('hash table: fewer elements than counted');
  }

  // ---- entries ----

  /**
   * Where a key's entry is in its segment, or the empty place where the search for it ends.
   * @returns a word index
   */
  #probe(segment: number, hash: number, key: Buffer, off: number, len: number): number {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    // The capacity from the size of the block: the segment's header, a miss of the caches, need not be read.
    const capacity = (this.arena.smallCapacity(segment) - SEGMENT_HEADER_WORDS * 4) >> 3;
    const entries = ((segment & REF_MASK) << 2) + SEGMENT_HEADER_WORDS;
    const sought = hash | 1;
    let index = homeOf(hash, capacity);
    for (;;) {
      const entry = entries + index * 2;
      const ref = words[entry + 1]!;
      if (ref === 0) return entry;
      if ((words[entry]! | 1) === sought) {
        const region = ref >>> REF_REGION_SHIFT;
        const w = (ref & REF_MASK) << 2;
        if (elementHasKey(this.regions[region]!, this.#bytes[region]!, w, key, off, len)) return entry;
      }
      if (++index === capacity) index = 0;
    }
  }

  /** Where the entry of an element is that must be there. */
  #entryOf(segment: number, hash: number, ref: number): number {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    // As in #probe().
    const capacity = (this.arena.smallCapacity(segment) - SEGMENT_HEADER_WORDS * 4) >> 3;
    let index = homeOf(hash, capacity);
    for (let probes = 0; probes < capacity; probes++) {
      const entry = at + SEGMENT_HEADER_WORDS + index * 2;
      if (words[entry + 1] === ref) return entry;
      if (words[entry + 1] === 0) break;
      if (++index === capacity) index = 0;
    }
    throw new Error(`hash table: element ${ref >>> 0} is not where its hash ${hash >>> 0} says`);
  }

  #removeEntry(hash: number, segment: number, entry: number): void {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    if ((words[entry]! & 1) !== 0) this.#countExpiring(words, at, -1);
    closeGap(words, at, (entry - at - SEGMENT_HEADER_WORDS) >> 1);
    words[at]!--;
    if (--this.words[this.root + TableRoot.Count]! === 0) this.drop();
    else this.shrink(hash, segment);
  }

  #countExpiring(words: Int32Array, at: number, by: number): void {
    const { words: rootWords, root } = this;
    words[at + 1]! += by << 16;
    if (words[at + 1]! >>> 16 === 0) words[at + 2] = NO_EXPIRY;
    rootWords[root + TableRoot.Expiring]! += by;
    if (rootWords[root + TableRoot.Expiring] === 0) rootWords[root + TableRoot.NextExpiry] = NO_EXPIRY;
  }
}

/** Empties an entry and shifts those behind it that probed over it. */
function closeGap(words: Int32Array, at: number, gap: number): void {
  const capacity = words[at]! >>> 16;
  const entries = at + SEGMENT_HEADER_WORDS;
  let index = gap;
  for (;;) {
    if (++index === capacity) index = 0;
    if (words[entries + index * 2 + 1] === 0) break;
    const home = homeOf(words[entries + index * 2]! & ~1, capacity);
    // The entry may move to the gap unless its home lies between the gap and itself (cyclically).
    const stays = gap < index ? home > gap && home <= index : home > gap || home <= index;
    if (stays) continue;
    words[entries + gap * 2] = words[entries + index * 2]!;
    words[entries + gap * 2 + 1] = words[entries + index * 2 + 1]!;
    gap = index;
  }
  words[entries + gap * 2] = 0;
  words[entries + gap * 2 + 1] = 0;
}
