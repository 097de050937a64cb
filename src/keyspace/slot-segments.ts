// The segments of one shard's index: where a slot's are, and how they grow and shrink.
//
//   databases[(shard, db)]  5 words: ref of the slot table | keys | keys with an expiry | lower bound of expiries (s) |
//                           hashes with fields that expire
//   slot table  256 x 2 words: ref of a segment, or (sign bit of the second word) of a directory | keys in the slot
//   directory   word 0: depth d | word 1: - | 2^d refs of segments, by the top d bits of the hash
//   segment     word 0: capacity << 16 | entries
//               word 1: entries with a flag << 16 | depth (how many top bits all its hashes share)
//               word 2: lower bound of the expiries in s (0x7fffffff: none) | word 3: -
//               capacity x 2 words: hash with flags in its lowest bits (EntryFlag) | ref (0 = empty)
//
// A segment grows by a quarter until SEGMENT_MAX entries and then splits in two: no step of growth touches more than
// one segment's words, and none reads a record. Entries are placed by their hash scaled to the capacity, so a segment
// is nearly sorted, and deletion shifts back (no tombstones).
//
// Cost: 8 bytes an entry at a load of 70 to 88%, 16 bytes a segment.
// Owner rule: all of it belongs to the holder of the shard's lock.

import type { Arena } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { DB_ENTRY_WORDS, hiddenDatabase, type SharedMemory } from '../memory/shared-memory.ts';
import {
  GROWN,
  NO_EXPIRY,
  roomAbove,
  roomFor,
  SEGMENT_HEADER_WORDS,
  SEGMENT_MAX,
  SHRINK_ABOVE,
  segmentBytes,
  writeEmptySegment,
} from '../structures/segment.ts';
import { copyEntries, FLAGS, place } from './segment-entries.ts';

/** Words in front of the refs of a directory. */
export const DIRECTORY_HEADER_WORDS = 2;
const DEPTH_MAX = 22;
/** Most entries of a segment that cannot split any more: its capacity and counts have 16 bits. */
const CAPACITY_MAX = 0x7fff;
export const COUNT_MASK = 0x7fffffff;

/** Words of a database entry. */
export const DbWord = { Table: 0, Keys: 1, Expires: 2, NextExpiry: 3, FieldExpires: 4 } as const;

export class SlotSegments {
  /** Counts (it may wrap) what makes a ref found before stale: entries that this thread has taken out or pointed elsewhere. */
  changes = 0;
  protected readonly words: Int32Array[];
  protected readonly databases: Int32Array;
  protected readonly arena: Arena;
  /** The shard's first database entry. */
  protected readonly first: number;

  constructor(memory: SharedMemory, shard: number, arena: Arena) {
    this.words = memory.words;
    this.databases = memory.databases;
    this.arena = arena;
    this.first = shard * (hiddenDatabase(memory) + 1) * DB_ENTRY_WORDS;
  }

  protected countChange(): void {
    this.changes = (this.changes + 1) | 0;
  }

  /** A word of a database's entry, see DbWord. */
  dbWord(db: number, word: number): number {
    return this.databases[this.first + db * DB_ENTRY_WORDS + word]!;
  }

  setDbWord(db: number, word: number, value: number): void {
    this.databases[this.first + db * DB_ENTRY_WORDS + word] = value;
  }

  /** Exchanges two databases. */
  swap(a: number, b: number): void {
    this.countChange();
    for (let word = 0; word < DB_ENTRY_WORDS; word++) {
      const value = this.dbWord(a, word);
      this.setDbWord(a, word, this.dbWord(b, word));
      this.setDbWord(b, word, value);
    }
  }

  /** Forgets a database without visiting its blocks (the arena was reset). */
  forget(db: number): void {
    this.countChange();
    this.setDbWord(db, DbWord.Table, 0);
    this.setDbWord(db, DbWord.Keys, 0);
    this.setDbWord(db, DbWord.Expires, 0);
    this.setDbWord(db, DbWord.FieldExpires, 0);
    this.setDbWord(db, DbWord.NextExpiry, NO_EXPIRY);
  }

  /** Keys of a slot. @param local slot modulo SLOTS_PER_SHARD */
  slotKeys(db: number, local: number): number {
    const table = this.dbWord(db, DbWord.Table);
    if (table === 0) return 0;
    return this.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2 + 1]! & COUNT_MASK;
  }

  /** Ref of the segment of a slot that holds `hash`, 0 if the slot is empty. */
  segmentAt(db: number, local: number, hash: number): number {
    const table = this.databases[this.first + db * DB_ENTRY_WORDS]!;
    if (table === 0) return 0;
    const words = this.words[table >>> REF_REGION_SHIFT]!;
    const at = ((table & REF_MASK) << 2) + local * 2;
    const ref = words[at]!;
    if (words[at + 1]! >= 0) return ref;
    const directory = this.words[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    return directory[base + DIRECTORY_HEADER_WORDS + (hash >>> (32 - directory[base]!))]!;
  }

  /**
   * Visits the segments of a slot: for sampling, active expiry and the checker.
   * @param visit gets the segment's words and where it begins in them
   */
  eachSegment(db: number, local: number, visit: (words: Int32Array, at: number) => void): void {
    let cursor = 0;
    while (cursor < 2 ** 32) {
      const segment = this.segmentAt(db, local, cursor | 0);
      if (segment === 0) return;
      const words = this.words[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const width = 2 ** (32 - (words[at + 1]! & 0xff));
      cursor = Math.floor(cursor / width) * width + width;
      visit(words, at);
    }
  }

  /** Moves the segment that holds `hash` to a new block: defragmentation. @throws OutOfMemoryError */
  moveSegment(db: number, local: number, hash: number): void {
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    this.#rebuild(db, local, hash, segment, words[(segment & REF_MASK) << 2]! >>> 16);
  }

  protected firstSegment(db: number, local: number, hash: number): number {
    if (this.segmentAt(db, local, hash) !== 0) throw new Error('index: segment exists');
    const segment = this.#newSegment(roomFor(3), 0);
    if (this.dbWord(db, DbWord.Table) === 0) this.#makeTable(db, segment);
    const table = this.dbWord(db, DbWord.Table);
    this.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2] = segment;
    return segment;
  }

  protected dropSlot(db: number, local: number): void {
    this.#freeSegments(db, local);
    const table = this.dbWord(db, DbWord.Table);
    const at = ((table & REF_MASK) << 2) + local * 2;
    this.words[table >>> REF_REGION_SHIFT]!.fill(0, at, at + 2);
    if (this.dbWord(db, DbWord.Keys) !== 0) return;
    this.arena.free(table);
    this.forget(db);
  }

  /** @param spare block to free if there is no memory for the table */
  #makeTable(db: number, spare: number): void {
    const table = this.#allocOrFree(SLOTS_PER_SHARD * 8, spare);
    const at = (table & REF_MASK) << 2;
    this.words[table >>> REF_REGION_SHIFT]!.fill(0, at, at + SLOTS_PER_SHARD * 2);
    this.setDbWord(db, DbWord.Table, table);
    this.setDbWord(db, DbWord.NextExpiry, NO_EXPIRY);
  }

  /** As arena.alloc; frees `spare` if that fails, so that nothing is left behind. */
  #allocOrFree(bytes: number, spare: number): number {
    try {
      return this.arena.alloc(bytes);
    } catch (error) {
      this.arena.free(spare);
      throw error;
    }
  }

  #newSegment(capacity: number, depth: number): number {
    return this.#emptySegment(this.arena.alloc(segmentBytes(capacity)), capacity, depth);
  }

  #newSegmentOrFree(capacity: number, depth: number, spare: number): number {
    const segment = this.#allocOrFree(segmentBytes(capacity), spare);
    return this.#emptySegment(segment, capacity, depth);
  }

  #emptySegment(segment: number, capacity: number, depth: number): number {
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    writeEmptySegment(words, (segment & REF_MASK) << 2, capacity, depth);
    return segment;
  }

  /** Makes room in a full segment: more capacity, or two segments. */
  protected grow(db: number, local: number, hash: number, segment: number): void {
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const depth = words[at + 1]! & 0xff;
    if (capacity < SEGMENT_MAX) this.#rebuild(db, local, hash, segment, GROWN[capacity]!);
    else if (depth < DEPTH_MAX) this.#split(db, local, hash, segment);
    else if (capacity < CAPACITY_MAX)
      this.#rebuild(db, local, hash, segment, Math.min(CAPACITY_MAX, capacity + (capacity >> 2)));
    else
      throw new OutOfMemoryError(
        `no room for more keys with the first ${DEPTH_MAX} bits of hash ${hash >>> 0}`,
      );
  }

  /** Moves a segment's entries to one of another capacity. */
  #rebuild(db: number, local: number, hash: number, segment: number, capacity: number): void {
    const from = this.words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const fresh = this.#newSegment(capacity, from[at + 1]! & 0xff);
    const to = this.words[fresh >>> REF_REGION_SHIFT]!;
    const toAt = (fresh & REF_MASK) << 2;
    to[toAt]! |= from[at]! & 0xffff;
    to[toAt + 1] = from[at + 1]!;
    to[toAt + 2] = from[at + 2]!;
    copyEntries(from, at, to, toAt);
    this.#setSegment(db, local, hash, segment, fresh);
    this.arena.free(segment);
  }

  #split(db: number, local: number, hash: number, segment: number): void {
    const from = this.words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const depth = (from[at + 1]! & 0xff) + 1;
    this.#deepen(db, local, segment, depth);
    const bit = 1 << (32 - depth);
    const low = this.#newSegment(SEGMENT_MAX, depth);
    const high = this.#newSegmentOrFree(SEGMENT_MAX, depth, low);
    const capacity = from[at]! >>> 16;
    for (let i = 0; i < capacity; i++) {
      const ref = from[at + SEGMENT_HEADER_WORDS + i * 2 + 1]!;
      if (ref === 0) continue;
      const entryHash = from[at + SEGMENT_HEADER_WORDS + i * 2]!;
      const half = (entryHash & bit) === 0 ? low : high;
      const words = this.words[half >>> REF_REGION_SHIFT]!;
      const halfAt = (half & REF_MASK) << 2;
      place(words, halfAt, entryHash, ref);
      words[halfAt]!++;
      if ((entryHash & FLAGS) !== 0) words[halfAt + 1]! += 1 << 16;
    }
    for (const half of [low, high]) {
      const words = this.words[half >>> REF_REGION_SHIFT]!;
      const halfAt = (half & REF_MASK) << 2;
      if (words[halfAt + 1]! >>> 16 !== 0) words[halfAt + 2] = from[at + 2]!;
    }
    this.#pointHalves(db, local, hash, depth, low, high);
    this.arena.free(segment);
    for (const half of [low, high]) this.#trim(db, local, half, hash, depth, half === low ? 0 : bit);
  }

  /** After a split: gives back the room that a half does not need now. */
  #trim(db: number, local: number, half: number, hash: number, depth: number, bit: number): void {
    const words = this.words[half >>> REF_REGION_SHIFT]!;
    const entries = words[(half & REF_MASK) << 2]! & 0xffff;
    const capacity = roomAbove(entries);
    if (capacity >= SEGMENT_MAX) return;
    const prefix = depth === 1 ? 0 : hash & (-1 << (33 - depth));
    this.#rebuild(db, local, prefix | bit, half, capacity);
  }

  /** Makes sure that the slot has a directory of at least `depth`. */
  #deepen(db: number, local: number, segment: number, depth: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    if (tableWords[slot + 1]! >= 0) {
      const directory = this.arena.alloc((DIRECTORY_HEADER_WORDS + 2) * 4);
      const words = this.words[directory >>> REF_REGION_SHIFT]!;
      const at = (directory & REF_MASK) << 2;
      words[at] = 1;
      words[at + 1] = 0;
      words[at + 2] = segment;
      words[at + 3] = segment;
      tableWords[slot] = directory;
      tableWords[slot + 1]! |= ~COUNT_MASK;
      return;
    }
    const old = tableWords[slot]!;
    const oldWords = this.words[old >>> REF_REGION_SHIFT]!;
    const oldAt = (old & REF_MASK) << 2;
    const oldDepth = oldWords[oldAt]!;
    if (oldDepth >= depth) return;
    const size = 2 ** oldDepth;
    const directory = this.arena.alloc((DIRECTORY_HEADER_WORDS + size * 2) * 4);
    const words = this.words[directory >>> REF_REGION_SHIFT]!;
    const at = (directory & REF_MASK) << 2;
    words[at] = oldDepth + 1;
    words[at + 1] = 0;
    for (let i = 0; i < size; i++) {
      const ref = oldWords[oldAt + DIRECTORY_HEADER_WORDS + i]!;
      words[at + DIRECTORY_HEADER_WORDS + i * 2] = ref;
      words[at + DIRECTORY_HEADER_WORDS + i * 2 + 1] = ref;
    }
    tableWords[slot] = directory;
    this.arena.free(old);
  }

  /** Points the directory's entries of the range that was split at its halves. */
  #pointHalves(db: number, local: number, hash: number, depth: number, low: number, high: number): void {
    const [words, base, dirDepth] = this.#directory(db, local);
    const range = 2 ** (dirDepth - depth + 1);
    const first = Math.floor((hash >>> (32 - dirDepth)) / range) * range;
    words.fill(low, base + first, base + first + range / 2);
    words.fill(high, base + first + range / 2, base + first + range);
  }

  /** Words, offset of the first ref, and depth of a slot's directory. Not on the hot path. */
  #directory(db: number, local: number): [Int32Array, number, number] {
    const table = this.dbWord(db, DbWord.Table);
    const ref = this.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2]!;
    const words = this.words[ref >>> REF_REGION_SHIFT]!;
    const at = (ref & REF_MASK) << 2;
    return [words, at + DIRECTORY_HEADER_WORDS, words[at]!];
  }

  /** Replaces a segment by another of the same range. */
  #setSegment(db: number, local: number, hash: number, old: number, fresh: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    if (tableWords[slot + 1]! >= 0) {
      tableWords[slot] = fresh;
      return;
    }
    const depth = this.words[fresh >>> REF_REGION_SHIFT]![((fresh & REF_MASK) << 2) + 1]! & 0xff;
    const [words, base, dirDepth] = this.#directory(db, local);
    const range = 2 ** (dirDepth - depth);
    const first = Math.floor((hash >>> (32 - dirDepth)) / range) * range;
    for (let i = first; i < first + range; i++) {
      if (words[base + i] !== old) throw new Error('index: directory does not point at the segment');
      words[base + i] = fresh;
    }
  }

  /** After a removal: gives room back. Without memory to move to, all stays as it is. */
  protected shrink(db: number, local: number, hash: number, segment: number, slotLeft: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const word = this.words[segment >>> REF_REGION_SHIFT]![(segment & REF_MASK) << 2]!;
    const entries = word & 0xffff;
    try {
      if (tableWords[slot + 1]! < 0 && slotLeft < SEGMENT_MAX / 4) this.#collapse(db, local, slotLeft);
      // A segment that cannot split any more may still need more than SEGMENT_MAX.
      else if (word >>> 16 > SHRINK_ABOVE)
        this.#rebuild(db, local, hash, segment, roomFor(entries + (entries >> 2) + 2));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** Brings the few keys left in a slot's segments together in one and drops the directory. */
  #collapse(db: number, local: number, slotLeft: number): void {
    const fresh = this.#newSegment(roomAbove(slotLeft), 0);
    const to = this.words[fresh >>> REF_REGION_SHIFT]!;
    const toAt = (fresh & REF_MASK) << 2;
    this.eachSegment(db, local, (words, at) => {
      copyEntries(words, at, to, toAt);
      to[toAt]! += words[at]! & 0xffff;
      to[toAt + 1]! += words[at + 1]! & 0xffff0000;
      if (words[at + 2]! < to[toAt + 2]!) to[toAt + 2] = words[at + 2]!;
    });
    this.#freeSegments(db, local);
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    tableWords[slot] = fresh;
    tableWords[slot + 1]! &= COUNT_MASK;
  }

  /** Frees the segments and the directory of a slot; its entry is left as it is. */
  #freeSegments(db: number, local: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const ref = tableWords[slot]!;
    if (tableWords[slot + 1]! < 0) {
      const [words, base, depth] = this.#directory(db, local);
      for (let i = 0, last = 0; i < 2 ** depth; i++) {
        const segment = words[base + i]!;
        if (segment !== last) this.arena.free(segment);
        last = segment;
      }
    }
    this.arena.free(ref);
  }
}
