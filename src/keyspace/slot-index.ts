// The index of one shard: for each database and each hash slot, a hash table from key to record.
//
// Slots are tables of their own, so that the keys of one slot can be counted, scanned and moved by themselves. Their segments
// are in slot-segments.ts. SCAN can walk hash ranges: a key's hash never changes, so whatever splits or merges between two
// calls, a range is never visited twice or missed.
//
// Owner rule: all of it belongs to the holder of the shard's lock.

import type { Arena } from '../memory/arena.ts';
import { REF_MASK, REF_REGION_SHIFT, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { DB_ENTRY_WORDS, type SharedMemory } from '../memory/shared-memory.ts';
import { limitOf, NO_EXPIRY, SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import { closeGap, EntryFlag, FLAGS, HASH_MASK, place } from './segment-entries.ts';
import { COUNT_MASK, DbWord, SlotSegments } from './slot-segments.ts';

/** How far peekEntry looks: nearly all entries are within this many places of their own. */
const PEEK_ENTRIES = 16;

export class SlotIndex extends SlotSegments {
  readonly #bytes: Buffer[];

  constructor(memory: SharedMemory, shard: number, arena: Arena) {
    super(memory, shard, arena);
    this.#bytes = memory.bytes;
  }

  /**
   * The slot that holds the n-th key of a database, counting slot by slot.
   * @param n 0 or more, less than the keys of the database
   * @returns the slot modulo SLOTS_PER_SHARD
   */
  slotOfNth(db: number, n: number): number {
    const table = this.dbWord(db, DbWord.Table);
    const words = this.words[table >>> REF_REGION_SHIFT]!;
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
    const table = this.databases[this.first + db * DB_ENTRY_WORDS]!;
    if (table === 0) return 0;
    const slots = this.words[table >>> REF_REGION_SHIFT]!;
    const slot = ((table & REF_MASK) << 2) + local * 2;
    const segment = slots[slot]!;
    if (segment === 0) return 0;
    // A slot's only segment fills its block and has depth 0: its header, a miss of the caches, need not be read.
    if (slots[slot + 1]! >= 0) return this.#findIn(segment, this.#roomOf(segment), 0, hash, key, off, len);
    return this.#findDeep(this.segmentAt(db, local, hash), hash, key, off, len);
  }

  /**
   * Finds a record by its hash alone.
   * @returns the ref of the first with this hash, 0 if there is none
   */
  findHash(db: number, local: number, hash: number): number {
    if (this.slotKeys(db, local) === 0) return 0;
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    return (this.arena.smallCapacity(segment) - SEGMENT_HEADER_WORDS * 4) >> 3;
  }

  /**
   * The steps of a look-up that miss the caches, each for many keys before the next step, so that the loads of a step
   * overlap (look-ahead.ts). They take no lock: what they see may be stale or torn between words, so refs are
   * checked before they are followed, and nothing is decided by it.
   * @returns the segment's ref, 0 for none
   */
  peekSegment(db: number, local: number, hash: number): number {
    const segment = this.segmentAt(db, local, hash);
    return segment >>> REF_REGION_SHIFT < this.words.length ? segment : 0;
  }

  /** Second step: where the key's entry should be. @returns its word offset in the segment's region */
  peekHome(db: number, local: number, segment: number, hash: number): number {
    const table = this.databases[this.first + db * DB_ENTRY_WORDS]!;
    const at = (segment & REF_MASK) << 2;
    let capacity = 0;
    let depth = 0;
    if (this.words[table >>> REF_REGION_SHIFT]![((table & REF_MASK) << 2) + local * 2 + 1]! >= 0) {
      capacity = this.#roomOf(segment);
    } else {
      const words = this.words[segment >>> REF_REGION_SHIFT]!;
      capacity = words[at]! >>> 16;
      depth = words[at + 1]! & 0xff;
    }
    return at + SEGMENT_HEADER_WORDS + ((((hash << depth) >>> 16) * capacity) >>> 16) * 2;
  }

  /** Third step: the line that the entry is in. @param entry from peekHome @returns a word of it */
  peekLine(segment: number, entry: number): number {
    return this.words[segment >>> REF_REGION_SHIFT]![entry]!;
  }

  /**
   * Fourth step: the entry, which is often a few places behind where it should be.
   * @param entry from peekHome
   * @returns the ref of the record with this hash, 0 if none is near
   */
  peekEntry(segment: number, entry: number, hash: number): number {
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    const sought = hash | FLAGS;
    for (let at = entry; at < entry + PEEK_ENTRIES * 2; at += 2) {
      if ((words[at]! | FLAGS) !== sought) continue;
      const ref = words[at + 1]!;
      return ref >>> REF_REGION_SHIFT < this.words.length ? ref : 0;
    }
    return 0;
  }

  /** All steps for one key, however far its entry is from its place. @returns the ref of the record with this hash, or 0 */
  peekHash(db: number, local: number, hash: number): number {
    const segment = this.peekSegment(db, local, hash);
    if (segment === 0) return 0;
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    const first = ((segment & REF_MASK) << 2) + SEGMENT_HEADER_WORDS;
    const end = first + (words[first - SEGMENT_HEADER_WORDS]! >>> 16) * 2;
    const sought = hash | FLAGS;
    let at = this.peekHome(db, local, segment, hash);
    for (let left = end - first; left > 0; left -= 2) {
      const ref = words[at + 1]!;
      if (ref === 0) return 0;
      if ((words[at]! | FLAGS) === sought) return ref >>> REF_REGION_SHIFT < this.words.length ? ref : 0;
      at += 2;
      if (at >= end) at = first;
    }
    return 0;
  }

  /** Last step: the record. @returns its first word */
  peekRecord(ref: number): number {
    return this.words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
  }

  /** Adds a record. The key must not be there. @param expires whether the record has an expiry, at `expireAt` ms */
  insert(db: number, local: number, hash: number, ref: number, expireAt: number): void {
    let segment = this.segmentAt(db, local, hash);
    if (segment === 0) segment = this.firstSegment(db, local, hash);
    let words = this.words[segment >>> REF_REGION_SHIFT]!;
    let at = (segment & REF_MASK) << 2;
    while ((words[at]! & 0xffff) >= limitOf(words[at]! >>> 16)) {
      this.grow(db, local, hash, segment);
      segment = this.segmentAt(db, local, hash);
      words = this.words[segment >>> REF_REGION_SHIFT]!;
      at = (segment & REF_MASK) << 2;
    }
    place(words, at, hash, ref);
    words[at]!++;
    this.#countSlot(db, local, 1);
    if (expireAt >= 0) this.noteExpiry(db, local, hash, ref, expireAt);
  }

  /** Points a key's entry at another record (the record moved). */
  replace(db: number, local: number, hash: number, oldRef: number, newRef: number): void {
    this.countChange();
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
    words[this.#entryOf(words, (segment & REF_MASK) << 2, hash, oldRef) + 1] = newRef;
  }

  /** Whether an entry of this hash and record is there: for references that outlived the lock. */
  holds(db: number, local: number, hash: number, ref: number): boolean {
    const segment = this.segmentAt(db, local, hash);
    if (segment === 0) return false;
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    this.countChange();
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    if (slotLeft === 0) this.dropSlot(db, local);
    else if (left < words[at]! >>> 18) this.shrink(db, local, hash, segment, slotLeft);
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
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
    const segment = this.segmentAt(db, local, hash);
    const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
      const segment = this.segmentAt(db, local, cursor | 0);
      if (segment === 0) return end;
      const words = this.words[segment >>> REF_REGION_SHIFT]!;
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
   * Deletes all keys of a slot, records included: FLUSHDB. Much faster than one by one.
   * @returns how many there were
   */
  clearSlot(db: number, local: number, drop: (ref: number) => void): number {
    const keys = this.slotKeys(db, local);
    if (keys === 0) return 0;
    this.countChange();
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
    this.dropSlot(db, local);
    return keys;
  }

  #sameKey(ref: number, key: Buffer, off: number, len: number): boolean {
    const region = ref >>> REF_REGION_SHIFT;
    const word = this.words[region]![(ref & REF_MASK) << 2]!;
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
    if (this.words[region]![at >> 2] !== len) return false;
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
    const words = this.words[table >>> REF_REGION_SHIFT]!;
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
}
