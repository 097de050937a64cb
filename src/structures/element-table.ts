// A hash table of elements as a value of its own, or as a part of one: what the keyspace asks of every structure
// (rooted.ts) on top of hash-table.ts. Sets, hashes and the members of sorted sets are instances of this class.
//
// While it is being freed, word 3 of the root counts the directory's entries that are gone; segments are freed with all
// their elements.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { EXTRA_SHIFT, Extra, elementHasKey, elementSize, KEY_LENGTH_MASK, readExpiry } from './element.ts';
import { HashTable, TablePosition } from './hash-table.ts';
import { keyedHash } from './keyed-hash.ts';
import type { RootedStructure } from './rooted.ts';
import { NO_EXPIRY, SEGMENT_HEADER_WORDS, SEGMENT_MAX } from './segment.ts';
import { DEEPEST_SHIFT, DEPTH_MASK, HASH_SPAN, TABLE_ROOT_WORDS, TableRoot } from './table-segments.ts';

/** Told of each element that moveSparse() moves: who else refers to elements follows them. */
export interface MoveListener {
  elementMoved(oldRef: number, newRef: number): void;
}

/** Elements in a segment, about: to guess how many segments there are. */
const SEGMENT_ELEMENTS = 320;

export class ElementTable extends HashTable implements RootedStructure {
  readonly rootWords = TABLE_ROOT_WORDS;
  moved = 0;
  /** Who is told of moves; a structure that the table is part of. */
  listener: MoveListener | null = null;
  readonly #position = new TablePosition();

  get blockCount(): number {
    return this.size + 1 + Math.ceil(this.size / SEGMENT_ELEMENTS);
  }

  /** Number of segments: the directory is gone through. */
  get segmentCount(): number {
    let segments = 0;
    for (let from = 0; from < HASH_SPAN && this.size > 0; segments++) from += this.#widthAt(from);
    return segments;
  }

  #widthAt(hash: number): number {
    const segment = this.segmentOf(hash | 0);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    return HASH_SPAN / 2 ** (words[((segment & REF_MASK) << 2) + 1]! & DEPTH_MASK);
  }

  // ---- freeing ----

  freeSome(budget: number): number {
    const { words, root, arena } = this;
    const table = words[root]!;
    if (table === 0) return budget;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    let left = budget;
    if (depth === 0) left -= this.#freeSegment(table);
    else {
      // From the first call on the count of elements that expire means nothing: it is the place in the directory.
      const directory = this.regions[table >>> REF_REGION_SHIFT]!;
      const base = (table & REF_MASK) << 2;
      let index = this.#freeing();
      while (index < 2 ** depth && left > 0) {
        const segment = directory[base + index]!;
        const own =
          this.regions[segment >>> REF_REGION_SHIFT]![((segment & REF_MASK) << 2) + 1]! & DEPTH_MASK;
        left -= this.#freeSegment(segment);
        index += 2 ** (depth - own);
      }
      words[root + TableRoot.Expiring] = ~index;
      if (index < 2 ** depth) return Math.min(0, left);
      arena.free(table);
    }
    this.create();
    return left;
  }

  /** Entries of the directory whose segments are freed: the complement of word 3, which is negative from then on. */
  #freeing(): number {
    const word = this.words[this.root + TableRoot.Expiring]!;
    return word < 0 ? ~word : 0;
  }

  /** Frees a segment and its elements. @returns how many blocks that were */
  #freeSegment(segment: number): number {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    let freed = 1;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      if (words[entry + 1] === 0) continue;
      this.arena.free(words[entry + 1]!);
      freed++;
    }
    this.arena.free(segment);
    return freed;
  }

  // ---- walking over blocks ----

  eachBlock(visit: (ref: number) => void): void {
    const { words, root } = this;
    const table = words[root]!;
    if (table === 0) return;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    if (depth === 0) {
      this.#eachBlockOf(table, visit);
      return;
    }
    visit(table);
    const directory = this.regions[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    for (let index = this.#freeing(); index < 2 ** depth; ) {
      const segment = directory[base + index]!;
      const own = this.regions[segment >>> REF_REGION_SHIFT]![((segment & REF_MASK) << 2) + 1]! & DEPTH_MASK;
      this.#eachBlockOf(segment, visit);
      index += 2 ** (depth - own);
    }
  }

  #eachBlockOf(segment: number, visit: (ref: number) => void): void {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    visit(segment);
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      if (words[entry + 1] !== 0) visit(words[entry + 1]!);
    }
  }

  // ---- copying ----

  copyTo(arena: Arena, words: Int32Array, root: number): void {
    const { words: from, root: fromRoot } = this;
    const table = from[fromRoot]!;
    const depth = from[fromRoot + TableRoot.Shape]! & DEPTH_MASK;
    let copy = 0;
    if (table !== 0)
      copy = depth === 0 ? this.#copySegment(arena, table) : this.#copyAll(arena, table, depth);
    words[root] = copy;
    for (let i = 1; i < TABLE_ROOT_WORDS; i++) words[root + i] = from[fromRoot + i]!;
  }

  /** @returns the copy of the directory with all segments */
  #copyAll(arena: Arena, table: number, depth: number): number {
    const size = 2 ** depth;
    const copy = arena.alloc(size * 4);
    const from = this.regions[table >>> REF_REGION_SHIFT]!;
    const to = this.regions[copy >>> REF_REGION_SHIFT]!;
    const fromAt = (table & REF_MASK) << 2;
    const toAt = (copy & REF_MASK) << 2;
    let done = 0;
    try {
      for (let last = 0; done < size; done++) {
        const segment = from[fromAt + done]!;
        to[toAt + done] = segment === last ? to[toAt + done - 1]! : this.#copySegment(arena, segment);
        last = segment;
      }
    } catch (error) {
      for (let i = 0; i < done; i++) {
        if (i === 0 || to[toAt + i] !== to[toAt + i - 1]) this.#freeCopy(arena, to[toAt + i]!);
      }
      arena.free(copy);
      throw error;
    }
    return copy;
  }

  /** Copies a segment and its elements; what an element takes does not depend on its arena. */
  #copySegment(arena: Arena, segment: number): number {
    const from = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = from[at]! >>> 16;
    const copy = arena.alloc((SEGMENT_HEADER_WORDS + capacity * 2) * 4);
    const to = this.regions[copy >>> REF_REGION_SHIFT]!;
    const toAt = (copy & REF_MASK) << 2;
    for (let i = 0; i < SEGMENT_HEADER_WORDS; i++) to[toAt + i] = from[at + i]!;
    // Empty until it is filled, so that it can be freed at any time.
    to.fill(0, toAt + SEGMENT_HEADER_WORDS, toAt + SEGMENT_HEADER_WORDS + capacity * 2);
    try {
      for (let i = 0; i < capacity; i++) {
        const entry = SEGMENT_HEADER_WORDS + i * 2;
        const ref = from[at + entry + 1]!;
        if (ref === 0) continue;
        to[toAt + entry + 1] = this.copyElement(arena, ref);
        to[toAt + entry] = from[at + entry]!;
      }
    } catch (error) {
      this.#freeCopy(arena, copy);
      throw error;
    }
    return copy;
  }

  #freeCopy(arena: Arena, segment: number): void {
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      if (words[entry + 1] !== 0) arena.free(words[entry + 1]!);
    }
    arena.free(segment);
  }

  /** Copies an element to a new block of `arena`. @throws OutOfMemoryError */
  copyElement(arena: Arena, ref: number): number {
    const from = ref >>> REF_REGION_SHIFT;
    const w = (ref & REF_MASK) << 2;
    const size = elementSize(this.regions[from]!, w);
    const copy = arena.alloc(size);
    const to = copy >>> REF_REGION_SHIFT;
    const toW = (copy & REF_MASK) << 2;
    if (size > 256) this.memory.bytes[from]!.copy(this.memory.bytes[to]!, toW << 2, w << 2, (w << 2) + size);
    else {
      const source = this.regions[from]!;
      const target = this.regions[to]!;
      // Blocks are whole granules: the last word may be copied whole.
      for (let i = 0; i < size; i += 4) target[toW + (i >> 2)] = source[w + (i >> 2)]!;
    }
    return copy;
  }

  // ---- elements that expire ----

  /** How many elements have expired. @param now unix time in ms */
  countExpired(now: number): number {
    let expired = 0;
    for (let hash = 0; hash < HASH_SPAN && this.nextExpiry * 1000 <= now; hash += this.#widthAt(hash)) {
      const segment = this.segmentOf(hash | 0);
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      if (words[at + 2]! * 1000 > now) continue;
      const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
      for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
        if ((words[entry]! & 1) !== 0 && this.#expiryOf(words[entry + 1]!) <= now) expired++;
      }
    }
    return expired;
  }

  /**
   * Gathers elements that have expired, segment by segment; the caller removes them all. The bounds of the segments visited
   * become exact for what is left then.
   * @param from first hash: 0 to begin
   * @param limit number of elements after which no more segments are visited
   * @param refs receives elements
   * @param hashes receives their hashes
   * @returns the hash to go on at; HASH_SPAN at the end: then renewBound() is due
   */
  collectExpired(from: number, now: number, limit: number, refs: number[], hashes: number[]): number {
    let hash = from;
    while (hash < HASH_SPAN && refs.length < limit) {
      const segment = this.segmentOf(hash | 0);
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const width = HASH_SPAN / 2 ** (words[at + 1]! & DEPTH_MASK);
      hash = (Math.floor(hash / width) + 1) * width;
      if (words[at + 2]! * 1000 > now) continue;
      const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
      let first = Number.POSITIVE_INFINITY;
      for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
        if ((words[entry]! & 1) === 0) continue;
        const expireAt = this.#expiryOf(words[entry + 1]!);
        if (expireAt > now) {
          if (expireAt < first) first = expireAt;
          continue;
        }
        refs.push(words[entry + 1]!);
        hashes.push(words[entry]! & ~1);
      }
      words[at + 2] = Math.min(NO_EXPIRY - 1, Math.floor(first / 1000));
    }
    return hash;
  }

  /** Makes the bound of all expiries the lowest of the segments' bounds. */
  renewBound(): void {
    let bound = NO_EXPIRY;
    for (let hash = 0; hash < HASH_SPAN && this.expiring > 0; hash += this.#widthAt(hash)) {
      const segment = this.segmentOf(hash | 0);
      const words = this.regions[segment >>> REF_REGION_SHIFT]!;
      bound = Math.min(bound, words[((segment & REF_MASK) << 2) + 2]!);
    }
    this.words[this.root + TableRoot.NextExpiry] = bound;
  }

  #expiryOf(ref: number): number {
    return readExpiry(this.regions[ref >>> REF_REGION_SHIFT]!, (ref & REF_MASK) << 2);
  }

  // ---- defragmentation ----

  /** `from` and the result are first hashes of segments; 0 stands for both ends. */
  moveSparse(limits: Int32Array, from: number, budget: number): number {
    this.moved = 0;
    let left = budget;
    let hash = from;
    if (this.size === 0) return 0;
    if (hash === 0) this.#moveDirectory(limits);
    while (left > 0 && hash < HASH_SPAN) {
      const width = this.#widthAt(hash);
      left -= this.#moveSegment(limits, hash | 0);
      hash = (Math.floor(hash / width) + 1) * width;
    }
    return hash >= HASH_SPAN ? 0 : hash;
  }

  #moveDirectory(limits: Int32Array): void {
    const { words, root, arena } = this;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    const old = words[root]!;
    if (depth === 0 || !arena.isSparse(old, limits)) return;
    const fresh = arena.alloc(2 ** depth * 4);
    const from = this.regions[old >>> REF_REGION_SHIFT]!;
    const to = this.regions[fresh >>> REF_REGION_SHIFT]!;
    const fromAt = (old & REF_MASK) << 2;
    const toAt = (fresh & REF_MASK) << 2;
    for (let i = 0; i < 2 ** depth; i++) to[toAt + i] = from[fromAt + i]!;
    words[root] = fresh;
    arena.free(old);
    this.moved++;
  }

  /** Moves what is sparse of the segment that holds `hash`. @returns blocks looked at */
  #moveSegment(limits: Int32Array, hash: number): number {
    const { arena } = this;
    if (arena.isSparse(this.segmentOf(hash), limits)) {
      this.moveSegment(hash);
      this.moved++;
    }
    const segment = this.segmentOf(hash);
    const words = this.regions[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      const ref = words[entry + 1]!;
      if (ref === 0 || !arena.isSparse(ref, limits)) continue;
      const fresh = this.copyElement(arena, ref);
      words[entry + 1] = fresh;
      this.listener?.elementMoved(ref, fresh);
      arena.free(ref);
      this.moved++;
    }
    return 1 + (words[at]! & 0xffff);
  }

  // ---- figures and checks ----

  bytes(samples: number): number {
    const { arena, size } = this;
    if (size === 0) return 0;
    const depth = this.words[this.root + TableRoot.Shape]! & DEPTH_MASK;
    let table = depth === 0 ? 0 : blockBytes(2 ** depth * 4);
    for (let hash = 0; hash < HASH_SPAN; hash += this.#widthAt(hash))
      table += arena.capacity(this.segmentOf(hash | 0));
    const position = this.#position;
    let seen = 0;
    let elements = 0;
    this.begin(position);
    for (let ref = this.next(position); ref !== 0; ref = this.next(position)) {
      elements += arena.capacity(ref);
      if (++seen === samples) break;
    }
    return table + Math.round((elements / seen) * size);
  }

  check(): void {
    const { words, root } = this;
    const depth = words[root + TableRoot.Shape]! & DEPTH_MASK;
    if (words[root] === 0) {
      if (this.size !== 0 || depth !== 0 || this.expiring !== 0) fail('an empty table that counts elements');
      return;
    }
    let elements = 0;
    let expiring = 0;
    let deepest = 0;
    for (let hash = 0; hash < HASH_SPAN; ) {
      const segment = this.segmentOf(hash | 0);
      const own = this.regions[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const segmentDepth = own[at + 1]! & 0xffff;
      if (segmentDepth > depth) fail(`a segment of depth ${segmentDepth} in a directory of ${depth}`);
      if (segmentDepth === depth && depth > 0) deepest++;
      this.#checkSegment(own, at, segment, hash, depth);
      elements += own[at]! & 0xffff;
      expiring += own[at + 1]! >>> 16;
      hash += HASH_SPAN / 2 ** segmentDepth;
    }
    if (elements !== this.size) fail(`${elements} elements, ${this.size} counted`);
    if (expiring !== this.expiring) fail(`${expiring} elements expire, ${this.expiring} counted`);
    if (deepest !== words[root + TableRoot.Shape]! >> DEEPEST_SHIFT)
      fail('the deepest segments are miscounted');
    if (expiring === 0 && this.nextExpiry !== NO_EXPIRY) fail('a bound of expiries without any');
  }

  #checkSegment(words: Int32Array, at: number, segment: number, start: number, depth: number): void {
    const capacity = words[at]! >>> 16;
    if (capacity > SEGMENT_MAX || capacity !== (this.arena.capacity(segment) - SEGMENT_HEADER_WORDS * 4) >> 3)
      fail(`a segment of ${capacity} places does not fill its block`);
    const width = HASH_SPAN / 2 ** (words[at + 1]! & DEPTH_MASK);
    if (start % width !== 0) fail('a segment begins inside its range');
    for (let hash = start; depth > 0 && hash < start + width; hash += HASH_SPAN / 2 ** depth) {
      if (this.segmentOf(hash | 0) !== segment) fail('the directory leads to another segment');
    }
    let elements = 0;
    let expiring = 0;
    for (
      let entry = at + SEGMENT_HEADER_WORDS;
      entry < at + SEGMENT_HEADER_WORDS + capacity * 2;
      entry += 2
    ) {
      const hash = words[entry]!;
      const ref = words[entry + 1]!;
      if (ref === 0) {
        if (hash !== 0) fail('an empty place with a hash');
        continue;
      }
      if (hash >>> 0 < start || hash >>> 0 >= start + width)
        fail(`hash ${hash >>> 0} is in a foreign segment`);
      this.#checkElement(ref, hash & ~1, (hash & 1) !== 0, words[at + 2]!);
      elements++;
      if ((hash & 1) !== 0) expiring++;
    }
    if (elements !== (words[at]! & 0xffff)) fail(`${elements} elements in a segment that counts others`);
    if (elements === capacity) fail('a segment without an empty place');
    if (expiring !== words[at + 1]! >>> 16)
      fail(`${expiring} elements of a segment expire, others are counted`);
  }

  #checkElement(ref: number, hash: number, expires: boolean, bound: number): void {
    const region = ref >>> REF_REGION_SHIFT;
    const words = this.regions[region]!;
    const bytes = this.memory.bytes[region]!;
    const w = (ref & REF_MASK) << (GRANULE_SHIFT - 2);
    const len = words[w]! & KEY_LENGTH_MASK;
    const extra = words[w]! >>> EXTRA_SHIFT;
    const key = (w + 1 + extra) << 2;
    if (elementSize(words, w) > this.arena.capacity(ref)) fail('an element larger than its block');
    if (keyedHash(bytes, key, len) !== hash) fail(`an element whose hash is not ${hash >>> 0}`);
    if (this.find(hash, bytes, key, len) !== ref) fail('an element that is not found by its key');
    if (!elementHasKey(words, bytes, w, bytes, key, len)) fail('an element that has not its own key');
    if ((extra === Extra.ExpiringValue) !== expires) fail('the table is wrong about an expiry');
    if (!expires) return;
    const second = Math.floor(readExpiry(words, w) / 1000);
    if (bound > second || this.nextExpiry > second) fail(`a bound above an expiry at ${second} s`);
  }
}

function fail(what: string): never {
  throw new Error(`hash table: ${what}`);
}
