// The index of one shard: for each database and each hash slot, a hash table from key to record.
//
// Slots are tables of their own, so that the keys of one slot can be counted, scanned and moved by themselves.
// Each is an extendible hash table of small segments that are open-addressed and ordered by hash:
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
// is nearly sorted, deletion shifts back (no tombstones), and SCAN can walk hash ranges: a key's hash never changes,
// so whatever splits or merges between two calls, a range is never visited twice or missed.
//
// Cost: 8 bytes an entry at a load of 70 to 88%, 16 bytes a segment.
// Owner rule: all of it belongs to the holder of the shard's lock.

import type { Arena } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { REF_MASK, REF_REGION_SHIFT, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { DB_ENTRY_WORDS, hiddenDatabase, type SharedMemory } from '../memory/shared-memory.ts';
import { blockBytes } from '../memory/size-classes.ts';
import {
  closeGap,
  copyEntries,
  EntryFlag,
  FLAGS,
  HASH_MASK,
  place,
  SEGMENT_HEADER_WORDS,
} from './segment-entries.ts';

export { EntryFlag, HASH_MASK, SEGMENT_HEADER_WORDS } from './segment-entries.ts';

/** Words in front of the refs of a directory. */
export const DIRECTORY_HEADER_WORDS = 2;
/** Entries that a segment's block of 4 KiB holds. */
export const SEGMENT_MAX = 510;
const DEPTH_MAX = 22;
/** How far peekEntry looks: nearly all entries are within this many places of their own. */
const PEEK_ENTRIES = 16;
/** Most entries of a segment that cannot split any more: its capacity and counts have 16 bits. */
const CAPACITY_MAX = 0x7fff;
/** Segments up to this capacity are not made smaller. */
const SHRINK_ABOVE = 16;
/** A bound of expiries where none are. */
export const NO_EXPIRY = 0x7fffffff;
const COUNT_MASK = 0x7fffffff;

/** Words of a database entry. */
export const DbWord = { Table: 0, Keys: 1, Expires: 2, NextExpiry: 3, FieldExpires: 4 } as const;

const GROWN = new Uint16Array(SEGMENT_MAX + 1);
for (let cap = 0; cap <= SEGMENT_MAX; cap++)
  GROWN[cap] = Math.min(SEGMENT_MAX, roomFor(cap + (cap >> 2) + 2));

/** Capacity whose block is filled, at least `entries`. */
function roomFor(entries: number): number {
  return (blockBytes((SEGMENT_HEADER_WORDS + entries * 2) * 4) / 4 - SEGMENT_HEADER_WORDS) >> 1;
}

/** Entries at which a segment of this capacity is full: an eighth, at least one entry, stays empty. */
function limitOf(capacity: number): number {
  return capacity - Math.max(1, capacity >> 3);
}

export class SlotIndex {
  readonly #words: Int32Array[];
  readonly #databases: Int32Array;
  readonly #bytes: Buffer[];
  readonly #arena: Arena;
  readonly #first: number;

  constructor(memory: SharedMemory, shard: number, arena: Arena) {
    this.#words = memory.words;
    this.#bytes = memory.bytes;
    this.#databases = memory.databases;
    this.#arena = arena;
    this.#first = shard * (hiddenDatabase(memory) + 1) * DB_ENTRY_WORDS;
  }

  /** A word of a database's entry, see DbWord. */
  dbWord(db: number, word: number): number {
    return this.#databases[this.#first + db * DB_ENTRY_WORDS + word]!;
  }

  setDbWord(db: number, word: number, value: number): void {
    this.#databases[this.#first + db * DB_ENTRY_WORDS + word] = value;
  }

  /** Exchanges two databases. */
  swap(a: number, b: number): void {
    for (let word = 0; word < DB_ENTRY_WORDS; word++) {
      const value = this.dbWord(a, word);
      this.setDbWord(a, word, this.dbWord(b, word));
      this.setDbWord(b, word, value);
    }
  }

  /** Keys of a slot. @param local slot modulo SLOTS_PER_SHARD */
  slotKeys(db: number, local: number): number {
    const table = this.dbWord(db, DbWord.Table);
    if (table === 0) return 0;
    return this.#words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2 + 1]! & COUNT_MASK;
  }

  /**
   * The slot that holds the n-th key of a database, counting slot by slot.
   * @param n 0 or more, less than the keys of the database
   * @returns the slot modulo SLOTS_PER_SHARD
   */
  slotOfNth(db: number, n: number): number {
    const table = this.dbWord(db, DbWord.Table);
    const words = this.#words[table >>> REF_REGION_SHIFT]!;
    const counts = ((table & REF_MASK) << 2) + 1;
    for (let local = 0; local < SLOTS_PER_SHARD; local++) {
      n -= words[counts + local * 2]! & COUNT_MASK;
      if (n < 0) return local;
    }
    throw new RangeError('index: fewer keys than that');
  }

  /**
   * Finds a key's record.
   * @returns its ref, 0 if there is none; expiry is not looked at
   */
  find(db: number, local: number, hash: number, key: Buffer, off: number, len: number): number {
    const table = this.#databases[this.#first + db * DB_ENTRY_WORDS]!;
    if (table === 0) return 0;
    const slots = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const segment = slots[slot]!;
    if (segment === 0) return 0;
    // A slot's only segment fills its block and has depth 0: its header, a miss of the caches, need not be read.
    if (slots[slot + 1]! >= 0) return this.#findIn(segment, this.#roomOf(segment), 0, hash, key, off, len);
    return this.#findDeep(this.#segmentOf(db, local, hash), hash, key, off, len);
  }

  /**
   * Finds a record by its hash alone.
   * @returns the ref of the first with this hash, 0 if there is none
   */
  findHash(db: number, local: number, hash: number): number {
    if (this.slotKeys(db, local) === 0) return 0;
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const entries = at + SEGMENT_HEADER_WORDS;
    let index = (((hash << (words[at + 1]! & 0xff)) >>> 16) * capacity) >>> 16;
    for (;;) {
      const ref = words[entries + index * 2 + 1]!;
      if (ref === 0 || (words[entries + index * 2]! | FLAGS) === (hash | FLAGS)) return ref;
      if (++index === capacity) index = 0;
    }
  }

  /** As find, in a segment that a directory points at. */
  #findDeep(segment: number, hash: number, key: Buffer, off: number, len: number): number {
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    return this.#findIn(segment, words[at]! >>> 16, words[at + 1]! & 0xff, hash, key, off, len);
  }

  #findIn(
    segment: number,
    capacity: number,
    depth: number,
    hash: number,
    key: Buffer,
    off: number,
    len: number,
  ): number {
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const entries = ((segment & REF_MASK) << 2) + SEGMENT_HEADER_WORDS;
    let index = (((hash << depth) >>> 16) * capacity) >>> 16;
    const sought = hash | FLAGS;
    for (;;) {
      const ref = words[entries + index * 2 + 1]!;
      if (ref === 0) return 0;
      if ((words[entries + index * 2]! | FLAGS) === sought && this.#sameKey(ref, key, off, len)) return ref;
      if (++index === capacity) index = 0;
    }
  }

  /** Capacity of a segment of at most SEGMENT_MAX entries, from the size of its block. */
  #roomOf(segment: number): number {
    return (this.#arena.smallCapacity(segment) - SEGMENT_HEADER_WORDS * 4) >> 3;
  }

  /**
   * The steps of a look-up that miss the caches, each for many keys before the next step, so that the loads of a step
   * overlap (look-ahead.ts). They take no lock: what they see may be stale or torn between words, so refs are
   * checked before they are followed, and nothing is decided by it.
   * @returns the segment's ref, 0 for none
   */
  peekSegment(db: number, local: number, hash: number): number {
    const segment = this.#segmentOf(db, local, hash);
    return segment >>> REF_REGION_SHIFT < this.#words.length ? segment : 0;
  }

  /** Second step: where the key's entry should be. @returns its word offset in the segment's region */
  peekHome(db: number, local: number, segment: number, hash: number): number {
    const table = this.#databases[this.#first + db * DB_ENTRY_WORDS]!;
    const at = (segment & REF_MASK) << 2;
    let capacity = 0;
    let depth = 0;
    if (this.#words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2 + 1]! >= 0) {
      capacity = this.#roomOf(segment);
    } else {
      const words = this.#words[segment >>> REF_REGION_SHIFT]!;
      capacity = words[at]! >>> 16;
      depth = words[at + 1]! & 0xff;
    }
    return at + SEGMENT_HEADER_WORDS + ((((hash << depth) >>> 16) * capacity) >>> 16) * 2;
  }

  /** Third step: the line that the entry is in. @param entry from peekHome @returns a word of it */
  peekLine(segment: number, entry: number): number {
    return this.#words[segment >>> REF_REGION_SHIFT]![entry]!;
  }

  /**
   * Fourth step: the entry, which is often a few places behind where it should be.
   * @param entry from peekHome
   * @returns the ref of the record with this hash, 0 if none is near
   */
  peekEntry(segment: number, entry: number, hash: number): number {
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const sought = hash | FLAGS;
    for (let at = entry; at < entry + PEEK_ENTRIES * 2; at += 2) {
      if ((words[at]! | FLAGS) !== sought) continue;
      const ref = words[at + 1]!;
      return ref >>> REF_REGION_SHIFT < this.#words.length ? ref : 0;
    }
    return 0;
  }

  /** All steps for one key, however far its entry is from its place. @returns the ref of the record with this hash, or 0 */
  peekHash(db: number, local: number, hash: number): number {
    const segment = this.peekSegment(db, local, hash);
    if (segment === 0) return 0;
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const first = ((segment & REF_MASK) << 2) + SEGMENT_HEADER_WORDS;
    const end = first + (words[first - SEGMENT_HEADER_WORDS]! >>> 16) * 2;
    const sought = hash | FLAGS;
    let at = this.peekHome(db, local, segment, hash);
    for (let left = end - first; left > 0; left -= 2) {
      const ref = words[at + 1]!;
      if (ref === 0) return 0;
      if ((words[at]! | FLAGS) === sought) return ref >>> REF_REGION_SHIFT < this.#words.length ? ref : 0;
      at += 2;
      if (at >= end) at = first;
    }
    return 0;
  }

  /** Last step: the record. @returns its first word */
  peekRecord(ref: number): number {
    return this.#words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
  }

  /** Adds a record. The key must not be there. @param expires whether the record has an expiry, at `expireAt` ms */
  insert(db: number, local: number, hash: number, ref: number, expireAt: number): void {
    let segment = this.#segmentOf(db, local, hash);
    if (segment === 0) segment = this.#firstSegment(db, local, hash);
    let words = this.#words[segment >>> REF_REGION_SHIFT]!;
    let at = (segment & REF_MASK) << 2;
    while ((words[at]! & 0xffff) >= limitOf(words[at]! >>> 16)) {
      this.#grow(db, local, hash, segment);
      segment = this.#segmentOf(db, local, hash);
      words = this.#words[segment >>> REF_REGION_SHIFT]!;
      at = (segment & REF_MASK) << 2;
    }
    place(words, at, hash, ref);
    words[at]!++;
    this.#countSlot(db, local, 1);
    if (expireAt >= 0) this.noteExpiry(db, local, hash, ref, expireAt);
  }

  /** Points a key's entry at another record (the record moved). */
  replace(db: number, local: number, hash: number, oldRef: number, newRef: number): void {
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    words[this.#entryOf(words, (segment & REF_MASK) << 2, hash, oldRef) + 1] = newRef;
  }

  /** Whether an entry of this hash and record is there: for references that outlived the lock. */
  holds(db: number, local: number, hash: number, ref: number): boolean {
    const segment = this.#segmentOf(db, local, hash);
    if (segment === 0) return false;
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    const entries = at + SEGMENT_HEADER_WORDS;
    let index = (((hash << (words[at + 1]! & 0xff)) >>> 16) * capacity) >>> 16;
    for (;;) {
      const found = words[entries + index * 2 + 1]!;
      if (found === 0) return false;
      if (found === ref) return (words[entries + index * 2]! & HASH_MASK) === hash;
      if (++index === capacity) index = 0;
    }
  }

  /** Takes a record out of the index; the record itself stays. */
  remove(db: number, local: number, hash: number, ref: number): void {
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const entry = this.#entryOf(words, at, hash, ref);
    if ((words[entry]! & FLAGS) !== 0) {
      this.#unflag(db, words, at, entry, EntryFlag.Expires);
      this.#unflag(db, words, at, entry, EntryFlag.Fields);
    }
    closeGap(words, at, (entry - at - SEGMENT_HEADER_WORDS) >> 1);
    words[at]!--;
    const left = words[at]! & 0xffff;
    const slotLeft = this.#countSlot(db, local, -1);
    if (slotLeft === 0) this.#dropSlot(db, local);
    else if (left < words[at]! >>> 18) this.#shrink(db, local, hash, segment, slotLeft);
  }

  /** Notes that the record of an entry now expires. Allowed when it was noted before. @param expireAt ms */
  noteExpiry(db: number, local: number, hash: number, ref: number, expireAt: number): void {
    this.#note(db, local, hash, ref, Math.min(NO_EXPIRY - 1, Math.floor(expireAt / 1000)), EntryFlag.Expires);
  }

  /** Notes that the record of an entry no longer expires. */
  forgetExpiry(db: number, local: number, hash: number, ref: number): void {
    this.#forget(db, local, hash, ref, EntryFlag.Expires);
  }

  /**
   * Notes that the record of an entry is a hash with fields that expire. Allowed when it was noted before.
   * @param second lower bound of their expiries in s
   */
  noteFields(db: number, local: number, hash: number, ref: number, second: number): void {
    this.#note(db, local, hash, ref, Math.min(NO_EXPIRY - 1, second), EntryFlag.Fields);
  }

  /** Notes that the record of an entry has no fields that expire. */
  forgetFields(db: number, local: number, hash: number, ref: number): void {
    this.#forget(db, local, hash, ref, EntryFlag.Fields);
  }

  #note(db: number, local: number, hash: number, ref: number, second: number, flag: number): void {
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const entry = this.#entryOf(words, at, hash, ref);
    if ((words[entry]! & flag) === 0) {
      if ((words[entry]! & FLAGS) === 0) words[at + 1]! += 1 << 16;
      words[entry]! |= flag;
      this.#countFlag(db, flag, 1);
    }
    if (second < words[at + 2]!) words[at + 2] = second;
    if (second < this.dbWord(db, DbWord.NextExpiry)) this.setDbWord(db, DbWord.NextExpiry, second);
  }

  #forget(db: number, local: number, hash: number, ref: number, flag: number): void {
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    this.#unflag(db, words, at, this.#entryOf(words, at, hash, ref), flag);
  }

  /**
   * Copies the refs of a slot's keys in a range of hashes, from `cursor` up. Visits whole ranges until at least
   * `count` refs or the slot's end.
   * @param cursor hash to begin at, unsigned; 0 for the whole slot
   * @param refs receives refs
   * @param hashes receives their index hashes
   * @returns the hash to go on at, 2^32 at the slot's end
   */
  scanSlot(
    db: number,
    local: number,
    cursor: number,
    count: number,
    refs: number[],
    hashes: number[],
  ): number {
    const end = 2 ** 32;
    while (cursor < end && refs.length < count) {
      const segment = this.#segmentOf(db, local, cursor | 0);
      if (segment === 0) return end;
      const words = this.#words[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const depth = words[at + 1]! & 0xff;
      const width = 2 ** (32 - depth);
      const start = Math.floor(cursor / width) * width;
      const entries = words[at]! & 0xffff;
      // A part of the segment's range in which about `count` entries are expected.
      const part =
        entries <= count * 2
          ? width
          : Math.max(FLAGS + 1, width / 2 ** Math.floor(Math.log2(entries / count)));
      const to = Math.min(start + (Math.floor((cursor - start) / part) + 1) * part, start + width);
      for (let i = 0; i < words[at]! >>> 16; i++) {
        const ref = words[at + SEGMENT_HEADER_WORDS + i * 2 + 1]!;
        const hash = words[at + SEGMENT_HEADER_WORDS + i * 2]! & HASH_MASK;
        if (ref === 0 || hash >>> 0 < cursor || hash >>> 0 >= to) continue;
        refs.push(ref);
        hashes.push(hash);
      }
      cursor = to;
    }
    return cursor;
  }

  /**
   * Visits the segments of a slot: for sampling, active expiry and the checker.
   * @param visit gets the segment's words and where it begins in them
   */
  eachSegment(db: number, local: number, visit: (words: Int32Array, at: number) => void): void {
    let cursor = 0;
    while (cursor < 2 ** 32) {
      const segment = this.#segmentOf(db, local, cursor | 0);
      if (segment === 0) return;
      const words = this.#words[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const width = 2 ** (32 - (words[at + 1]! & 0xff));
      cursor = Math.floor(cursor / width) * width + width;
      visit(words, at);
    }
  }

  /** Ref of the segment of a slot that holds `hash`, 0 if the slot is empty. */
  segmentAt(db: number, local: number, hash: number): number {
    return this.#segmentOf(db, local, hash);
  }

  /** Moves the segment that holds `hash` to a new block: defragmentation. @throws OutOfMemoryError */
  moveSegment(db: number, local: number, hash: number): void {
    const segment = this.#segmentOf(db, local, hash);
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    this.#rebuild(db, local, hash, segment, words[(segment & REF_MASK) << 2]! >>> 16);
  }

  /**
   * Deletes all keys of a slot, records included: FLUSHDB. Much faster than one by one.
   * @returns how many there were
   */
  clearSlot(db: number, local: number, drop: (ref: number) => void): number {
    const keys = this.slotKeys(db, local);
    if (keys === 0) return 0;
    let expires = 0;
    let fields = 0;
    this.eachSegment(db, local, (words, at) => {
      const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
      for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
        expires += words[entry]! & EntryFlag.Expires;
        fields += (words[entry]! & EntryFlag.Fields) >> 1;
        if (words[entry + 1] !== 0) drop(words[entry + 1]!);
      }
    });
    this.setDbWord(db, DbWord.Expires, this.dbWord(db, DbWord.Expires) - expires);
    this.setDbWord(db, DbWord.FieldExpires, this.dbWord(db, DbWord.FieldExpires) - fields);
    this.#countSlot(db, local, -keys);
    this.#dropSlot(db, local);
    return keys;
  }

  /** Forgets a database without visiting its blocks (the arena was reset). */
  forget(db: number): void {
    this.setDbWord(db, DbWord.Table, 0);
    this.setDbWord(db, DbWord.Keys, 0);
    this.setDbWord(db, DbWord.Expires, 0);
    this.setDbWord(db, DbWord.FieldExpires, 0);
    this.setDbWord(db, DbWord.NextExpiry, NO_EXPIRY);
  }

  #segmentOf(db: number, local: number, hash: number): number {
    const table = this.#databases[this.#first + db * DB_ENTRY_WORDS]!;
    if (table === 0) return 0;
    const words = this.#words[table >>> REF_REGION_SHIFT]!;
    const at = ((table & REF_MASK) << 2) + local * 2;
    const ref = words[at]!;
    if (words[at + 1]! >= 0) return ref;
    const directory = this.#words[ref >>> REF_REGION_SHIFT]!;
    const base = (ref & REF_MASK) << 2;
    return directory[base + DIRECTORY_HEADER_WORDS + (hash >>> (32 - directory[base]!))]!;
  }

  #sameKey(ref: number, key: Buffer, off: number, len: number): boolean {
    const region = ref >>> REF_REGION_SHIFT;
    const word = this.#words[region]![(ref & REF_MASK) << 2]!;
    // 0xffff stands for any length from there on.
    if (len >= 0xffff) return word >>> 16 === 0xffff && this.#sameLongKey(ref, word, key, off, len);
    if (word >>> 16 !== len) return false;
    const bytes = this.#bytes[region]!;
    const at = ((ref & REF_MASK) << 4) + ((word & 0x100) !== 0 ? 20 : 12);
    for (let i = 0; i < len; i++) if (bytes[at + i] !== key[off + i]) return false;
    return true;
  }

  #sameLongKey(ref: number, word: number, key: Buffer, off: number, len: number): boolean {
    const region = ref >>> REF_REGION_SHIFT;
    const header = (word & 0x100) !== 0 ? 20 : 12;
    const at = ((ref & REF_MASK) << 4) + header;
    if (this.#words[region]![at >> 2] !== len) return false;
    return this.#bytes[region]!.compare(key, off, off + len, at + 4, at + 4 + len) === 0;
  }

  #entryOf(words: Int32Array, at: number, hash: number, ref: number): number {
    const capacity = words[at]! >>> 16;
    const entries = at + SEGMENT_HEADER_WORDS;
    let index = (((hash << (words[at + 1]! & 0xff)) >>> 16) * capacity) >>> 16;
    for (let probes = 0; probes < capacity; probes++) {
      const found = words[entries + index * 2 + 1]!;
      if (found === ref) return entries + index * 2;
      if (found === 0) break;
      if (++index === capacity) index = 0;
    }
    throw new Error(`index: record ${ref >>> 0} is not where its hash ${hash >>> 0} says`);
  }

  #countSlot(db: number, local: number, by: number): number {
    const table = this.dbWord(db, DbWord.Table);
    const words = this.#words[table >>> REF_REGION_SHIFT]!;
    const at = ((table & REF_MASK) << 2) + local * 2 + 1;
    words[at]! += by;
    this.setDbWord(db, DbWord.Keys, this.dbWord(db, DbWord.Keys) + by);
    return words[at]! & COUNT_MASK;
  }

  /** Takes a flag from an entry, if it has it. */
  #unflag(db: number, words: Int32Array, at: number, entry: number, flag: number): void {
    if ((words[entry]! & flag) === 0) return;
    words[entry]! &= ~flag;
    if ((words[entry]! & FLAGS) === 0) {
      words[at + 1]! -= 1 << 16;
      if (words[at + 1]! >>> 16 === 0) words[at + 2] = NO_EXPIRY;
    }
    this.#countFlag(db, flag, -1);
  }

  #countFlag(db: number, flag: number, by: number): void {
    const word = flag === EntryFlag.Expires ? DbWord.Expires : DbWord.FieldExpires;
    this.setDbWord(db, word, this.dbWord(db, word) + by);
    const left = this.dbWord(db, DbWord.Expires) + this.dbWord(db, DbWord.FieldExpires);
    if (left === 0 || (by === 1 && left === 1)) this.setDbWord(db, DbWord.NextExpiry, NO_EXPIRY);
  }

  #firstSegment(db: number, local: number, hash: number): number {
    if (this.#segmentOf(db, local, hash) !== 0) throw new Error('index: segment exists');
    const segment = this.#newSegment(roomFor(3), 0);
    if (this.dbWord(db, DbWord.Table) === 0) this.#makeTable(db, segment);
    const table = this.dbWord(db, DbWord.Table);
    this.#words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2] = segment;
    return segment;
  }

  /** @param spare block to free if there is no memory for the table */
  #makeTable(db: number, spare: number): void {
    const table = this.#allocOrFree(SLOTS_PER_SHARD * 8, spare);
    const at = (table & REF_MASK) << 2;
    this.#words[table >>> REF_REGION_SHIFT]!.fill(0, at, at + SLOTS_PER_SHARD * 2);
    this.setDbWord(db, DbWord.Table, table);
    this.setDbWord(db, DbWord.NextExpiry, NO_EXPIRY);
  }

  /** As arena.alloc; frees `spare` if that fails, so that nothing is left behind. */
  #allocOrFree(bytes: number, spare: number): number {
    try {
      return this.#arena.alloc(bytes);
    } catch (error) {
      this.#arena.free(spare);
      throw error;
    }
  }

  #newSegment(capacity: number, depth: number): number {
    return this.#emptySegment(this.#arena.alloc((SEGMENT_HEADER_WORDS + capacity * 2) * 4), capacity, depth);
  }

  #newSegmentOrFree(capacity: number, depth: number, spare: number): number {
    const segment = this.#allocOrFree((SEGMENT_HEADER_WORDS + capacity * 2) * 4, spare);
    return this.#emptySegment(segment, capacity, depth);
  }

  #emptySegment(segment: number, capacity: number, depth: number): number {
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    words.fill(0, at, at + SEGMENT_HEADER_WORDS + capacity * 2);
    words[at] = capacity << 16;
    words[at + 1] = depth;
    words[at + 2] = NO_EXPIRY;
    return segment;
  }

  /** Makes room in a full segment: more capacity, or two segments. */
  #grow(db: number, local: number, hash: number, segment: number): void {
    const words = this.#words[segment >>> REF_REGION_SHIFT]!;
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
    const from = this.#words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const fresh = this.#newSegment(capacity, from[at + 1]! & 0xff);
    const to = this.#words[fresh >>> REF_REGION_SHIFT]!;
    const toAt = (fresh & REF_MASK) << 2;
    to[toAt]! |= from[at]! & 0xffff;
    to[toAt + 1] = from[at + 1]!;
    to[toAt + 2] = from[at + 2]!;
    copyEntries(from, at, to, toAt);
    this.#setSegment(db, local, hash, segment, fresh);
    this.#arena.free(segment);
  }

  #split(db: number, local: number, hash: number, segment: number): void {
    const from = this.#words[segment >>> REF_REGION_SHIFT]!;
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
      const words = this.#words[half >>> REF_REGION_SHIFT]!;
      const halfAt = (half & REF_MASK) << 2;
      place(words, halfAt, entryHash, ref);
      words[halfAt]!++;
      if ((entryHash & FLAGS) !== 0) words[halfAt + 1]! += 1 << 16;
    }
    for (const half of [low, high]) {
      const words = this.#words[half >>> REF_REGION_SHIFT]!;
      const halfAt = (half & REF_MASK) << 2;
      if (words[halfAt + 1]! >>> 16 !== 0) words[halfAt + 2] = from[at + 2]!;
    }
    this.#pointHalves(db, local, hash, depth, low, high);
    this.#arena.free(segment);
    for (const half of [low, high]) this.#trim(db, local, half, hash, depth, half === low ? 0 : bit);
  }

  /** After a split: gives back the room that a half does not need now. */
  #trim(db: number, local: number, half: number, hash: number, depth: number, bit: number): void {
    const words = this.#words[half >>> REF_REGION_SHIFT]!;
    const entries = words[(half & REF_MASK) << 2]! & 0xffff;
    const capacity = roomFor(entries + (entries >> 2) + 2);
    if (capacity >= SEGMENT_MAX) return;
    const prefix = depth === 1 ? 0 : hash & (-1 << (33 - depth));
    this.#rebuild(db, local, prefix | bit, half, capacity);
  }

  /** Makes sure that the slot has a directory of at least `depth`. */
  #deepen(db: number, local: number, segment: number, depth: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    if (tableWords[slot + 1]! >= 0) {
      const directory = this.#arena.alloc((DIRECTORY_HEADER_WORDS + 2) * 4);
      const words = this.#words[directory >>> REF_REGION_SHIFT]!;
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
    const oldWords = this.#words[old >>> REF_REGION_SHIFT]!;
    const oldAt = (old & REF_MASK) << 2;
    const oldDepth = oldWords[oldAt]!;
    if (oldDepth >= depth) return;
    const size = 2 ** oldDepth;
    const directory = this.#arena.alloc((DIRECTORY_HEADER_WORDS + size * 2) * 4);
    const words = this.#words[directory >>> REF_REGION_SHIFT]!;
    const at = (directory & REF_MASK) << 2;
    words[at] = oldDepth + 1;
    words[at + 1] = 0;
    for (let i = 0; i < size; i++) {
      const ref = oldWords[oldAt + DIRECTORY_HEADER_WORDS + i]!;
      words[at + DIRECTORY_HEADER_WORDS + i * 2] = ref;
      words[at + DIRECTORY_HEADER_WORDS + i * 2 + 1] = ref;
    }
    tableWords[slot] = directory;
    this.#arena.free(old);
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
    const ref = this.#words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2]!;
    const words = this.#words[ref >>> REF_REGION_SHIFT]!;
    const at = (ref & REF_MASK) << 2;
    return [words, at + DIRECTORY_HEADER_WORDS, words[at]!];
  }

  /** Replaces a segment by another of the same range. */
  #setSegment(db: number, local: number, hash: number, old: number, fresh: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    if (tableWords[slot + 1]! >= 0) {
      tableWords[slot] = fresh;
      return;
    }
    const depth = this.#words[fresh >>> REF_REGION_SHIFT]![((fresh & REF_MASK) << 2) + 1]! & 0xff;
    const [words, base, dirDepth] = this.#directory(db, local);
    const range = 2 ** (dirDepth - depth);
    const first = Math.floor((hash >>> (32 - dirDepth)) / range) * range;
    for (let i = first; i < first + range; i++) {
      if (words[base + i] !== old) throw new Error('index: directory does not point at the segment');
      words[base + i] = fresh;
    }
  }

  /** After a removal: gives room back. Without memory to move to, all stays as it is. */
  #shrink(db: number, local: number, hash: number, segment: number, slotLeft: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const word = this.#words[segment >>> REF_REGION_SHIFT]![(segment & REF_MASK) << 2]!;
    const entries = word & 0xffff;
    try {
      if (tableWords[slot + 1]! < 0 && slotLeft < SEGMENT_MAX / 4) this.#collapse(db, local, slotLeft);
      else if (word >>> 16 > SHRINK_ABOVE)
        this.#rebuild(db, local, hash, segment, roomFor(entries + (entries >> 2) + 2));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** Brings the few keys left in a slot's segments together in one and drops the directory. */
  #collapse(db: number, local: number, slotLeft: number): void {
    const fresh = this.#newSegment(roomFor(slotLeft + (slotLeft >> 2) + 2), 0);
    const to = this.#words[fresh >>> REF_REGION_SHIFT]!;
    const toAt = (fresh & REF_MASK) << 2;
    this.eachSegment(db, local, (words, at) => {
      copyEntries(words, at, to, toAt);
      to[toAt]! += words[at]! & 0xffff;
      to[toAt + 1]! += words[at + 1]! & 0xffff0000;
      if (words[at + 2]! < to[toAt + 2]!) to[toAt + 2] = words[at + 2]!;
    });
    this.#freeSegments(db, local);
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    tableWords[slot] = fresh;
    tableWords[slot + 1]! &= COUNT_MASK;
  }

  /** Frees the segments and the directory of a slot; its entry is left as it is. */
  #freeSegments(db: number, local: number): void {
    const table = this.dbWord(db, DbWord.Table);
    const tableWords = this.#words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const ref = tableWords[slot]!;
    if (tableWords[slot + 1]! < 0) {
      const [words, base, depth] = this.#directory(db, local);
      for (let i = 0, last = 0; i < 2 ** depth; i++) {
        const segment = words[base + i]!;
        if (segment !== last) this.#arena.free(segment);
        last = segment;
      }
    }
    this.#arena.free(ref);
  }

  #dropSlot(db: number, local: number): void {
    this.#freeSegments(db, local);
    const table = this.dbWord(db, DbWord.Table);
    const at = ((table & REF_MASK) << 2) + local * 2;
    this.#words[table >>> REF_REGION_SHIFT]!.fill(0, at, at + 2);
    if (this.dbWord(db, DbWord.Keys) !== 0) return;
    this.#arena.free(table);
    this.forget(db);
  }
}
