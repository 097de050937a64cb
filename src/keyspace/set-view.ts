// Sets: one view for the three ways in which the members of a set are kept, and Redis 7.2's rules for changing from
// one to another.
//
//   intset     only integers, at most set-max-intset-entries        bytes in the record (structures/intset.ts)
//   listpack   at most set-max-listpack-entries members, none of    bytes in the record (structures/listpack.ts)
//              more than set-max-listpack-value bytes
//   hashtable  everything else                                      a root with blocks (structures/element-table.ts)
//
//   an integer too many         intset -> hashtable
//   a member that is no integer intset -> listpack if all fits there, else hashtable
//   a member too many or long   listpack -> hashtable
//
// Sets never change back while they live; commands that build a new set choose anew.
//
// A view has a record of its own: look the key up into `rec`, then open(). It stays good while the shard is locked, or the
// key pinned; changes through it keep it good, changes through others do not. Changes need memory first and touch the
// set only then: after an OutOfMemoryError it is as it was (but it may have another encoding).

import type { ConfigStore } from '../config/store.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { ElementView, newMember } from '../structures/element.ts';
import { ElementTable } from '../structures/element-table.ts';
import { TablePosition } from '../structures/hash-table.ts';
import { formatWords, INT64_TEXT_BYTES_MAX } from '../structures/int64.ts';
import { INTSET_HEADER_BYTES, Intset, intsetWidth, writeEmptyIntset } from '../structures/intset.ts';
import {
  EntryEncoder,
  LISTPACK_BYTES_MAX,
  LISTPACK_EMPTY_BYTES,
  Listpack,
  writeEmptyListpack,
} from '../structures/listpack.ts';
import { Member } from '../structures/member.ts';
import { TABLE_ROOT_WORDS } from '../structures/table-segments.ts';
import {
  addToIntset,
  insertEntry,
  openIntset,
  openListpack,
  removeEntries,
  removeFromIntset,
} from './packed.ts';
import { Encoding, RecordView, rootBytes } from './record.ts';
import type { LockedShard } from './shard.ts';

/** The largest intset that Redis allows, whatever is configured. */
const INTSET_ENTRIES_MAX = 2 ** 30;
/** Most bytes that an integer takes in a listpack. */
const INTEGER_ENTRY_BYTES = 11;
/** A scratch buffer larger than this is let go after use. */
const KEEP_BYTES = 64 * 1024;

/** When sets change their encoding: the configuration's numbers, kept up to date. One per thread. */
export class SetLimits {
  intsetEntries = 512;
  listpackEntries = 128;
  listpackValue = 64;

  /** Takes the configured numbers, now and whenever they change. */
  follow(config: ConfigStore): void {
    const follow = (): void => {
      this.intsetEntries = Math.min(INTSET_ENTRIES_MAX, config.getInt('set-max-intset-entries'));
      this.listpackEntries = config.getInt('set-max-listpack-entries');
      this.listpackValue = config.getInt('set-max-listpack-value');
    };
    follow();
    config.watch('set-max-intset-entries', follow);
    config.watch('set-max-listpack-entries', follow);
    config.watch('set-max-listpack-value', follow);
  }

  /** The encoding of a new set. @param first a member of it @param count how many there may be */
  encodingOf(first: Member, count: number): number {
    if (count <= this.intsetEntries && first.isInteger()) return Encoding.Intset;
    return count <= this.listpackEntries ? Encoding.Listpack : Encoding.Hashtable;
  }
}

/** Bytes of a set without members. */
export function emptySetBytes(encoding: number): number {
  if (encoding === Encoding.Intset) return INTSET_HEADER_BYTES;
  return encoding === Encoding.Listpack ? LISTPACK_EMPTY_BYTES : rootBytes(TABLE_ROOT_WORDS);
}

export class SetView {
  readonly rec: RecordView;
  shard!: LockedShard;
  encoding: number = Encoding.Intset;
  readonly table: ElementTable;
  readonly #limits: SetLimits;
  readonly #intset: Intset;
  readonly #listpack: Listpack;
  readonly #element: ElementView;
  readonly #position = new TablePosition();
  readonly #entry: EntryEncoder;
  /** For members of a set that is being converted. */
  readonly #member = new Member();
  /** Where next() is in an intset; in a listpack, whether it has begun. */
  #index = 0;
  #begun = false;
  /** What random() found in a hash table. */
  #foundRef = 0;
  #foundHash = 0;

  constructor(memory: SharedMemory, limits: SetLimits) {
    const some = memory.bytes[0]!;
    this.rec = new RecordView(memory);
    this.table = new ElementTable(memory);
    this.#limits = limits;
    this.#intset = new Intset(some);
    this.#listpack = new Listpack(some);
    this.#element = new ElementView(memory);
    this.#entry = new EntryEncoder(some);
  }

  /** Begins to show the set that `rec` points at. @param shard the record's */
  open(shard: LockedShard): void {
    const { rec } = this;
    this.shard = shard;
    this.encoding = rec.encoding;
    if (this.encoding === Encoding.Hashtable) this.table.open(shard.arena, rec.words, rec.rootWord);
    else if (this.encoding === Encoding.Intset) openIntset(this.#intset, rec);
    else openListpack(this.#listpack, rec);
  }

  /** As open(), for a record that was just made: writes a set without members. */
  openNew(shard: LockedShard): void {
    const { rec } = this;
    if (rec.encoding === Encoding.Hashtable) {
      this.table.open(shard.arena, rec.words, rec.rootWord);
      this.table.create();
    } else if (rec.encoding === Encoding.Intset) writeEmptyIntset(rec.bytes, rec.valueOffset);
    else writeEmptyListpack(rec.bytes, rec.valueOffset);
    this.open(shard);
  }

  /** Members. */
  get size(): number {
    if (this.encoding === Encoding.Hashtable) return this.table.size;
    return this.encoding === Encoding.Intset ? this.#intset.count : this.#listpack.count();
  }

  // ---- one member ----

  has(member: Member): boolean {
    if (this.encoding === Encoding.Hashtable) {
      const hash = member.hash();
      member.text();
      return this.table.find(hash, member.buf, member.off, member.len) !== 0;
    }
    if (this.encoding === Encoding.Intset)
      return member.isInteger() && this.#intset.find(member.low, member.high);
    return this.#findInListpack(member);
  }

  /** @returns whether it was not there yet @throws OutOfMemoryError; it is not there */
  add(member: Member): boolean {
    if (this.has(member)) return false;
    this.addNew(member);
    return true;
  }

  /** Adds a member that is not there. @throws OutOfMemoryError; it is not there */
  addNew(member: Member): void {
    if (this.encoding === Encoding.Intset) this.#addToIntset(member);
    else if (this.encoding === Encoding.Listpack) this.#addToListpack(member);
    else this.#insert(member);
  }

  /** @returns whether it was there. The last one leaves a set without members, whose record the caller deletes */
  remove(member: Member): boolean {
    const { rec, shard } = this;
    if (this.encoding === Encoding.Hashtable) {
      const hash = member.hash();
      member.text();
      const ref = this.table.remove(hash, member.buf, member.off, member.len);
      if (ref !== 0) shard.arena.free(ref);
      return ref !== 0;
    }
    if (!this.has(member)) return false;
    if (this.encoding === Encoding.Intset) removeFromIntset(shard, rec, this.#intset, this.#intset.index);
    else removeEntries(shard, rec, this.#listpack, this.#listpack.pos, 1);
    return true;
  }

  // ---- at random ----

  /** Sets `member` to one of the members, each as likely as any other. The set has some. */
  random(member: Member): void {
    if (this.encoding === Encoding.Hashtable) {
      this.#foundRef = this.table.randomRef();
      this.#foundHash = this.table.foundHash;
      this.#showElement(this.#foundRef, this.#foundHash, member);
      return;
    }
    if (this.encoding === Encoding.Intset) {
      this.#index = Math.floor(Math.random() * this.#intset.count);
      this.#intset.get(this.#index);
      member.setWords(this.#intset.low, this.#intset.high);
      return;
    }
    this.#listpack.seek(Math.floor(Math.random() * this.#listpack.count()));
    this.#showEntry(member);
  }

  /** Which member random() found: a number of its own for each member, not 0, good until the set changes. */
  get foundId(): number {
    if (this.encoding === Encoding.Hashtable) return this.#foundRef;
    return this.encoding === Encoding.Intset ? this.#index + 1 : this.#listpack.pos;
  }

  /** Removes the member that random() or, of a packed set, next() found. */
  removeFound(): void {
    const { rec, shard } = this;
    if (this.encoding === Encoding.Hashtable) {
      this.table.unlink(this.#foundHash, this.#foundRef);
      shard.arena.free(this.#foundRef);
    } else if (this.encoding === Encoding.Intset) removeFromIntset(shard, rec, this.#intset, this.#index);
    else removeEntries(shard, rec, this.#listpack, this.#listpack.pos, 1);
  }

  // ---- all of them ----

  /** Begins a walk over all members: in ascending order in an intset, as they were added in a listpack. */
  begin(): void {
    if (this.encoding === Encoding.Hashtable) this.table.begin(this.#position);
    this.#index = -1;
    this.#begun = false;
  }

  /** Sets `member` to the next one. @returns false at the end */
  next(member: Member): boolean {
    if (this.encoding === Encoding.Hashtable) {
      const ref = this.table.next(this.#position);
      if (ref === 0) return false;
      this.#showElement(ref, this.#position.hash, member);
      return true;
    }
    if (this.encoding === Encoding.Intset) {
      if (this.#index + 1 >= this.#intset.count) return false;
      this.#intset.get(++this.#index);
      member.setWords(this.#intset.low, this.#intset.high);
      return true;
    }
    const there = this.#begun ? this.#listpack.next() : this.#listpack.first();
    this.#begun = true;
    if (there) this.#showEntry(member);
    return there;
  }

  /** Sets `member` to an element of the hash table, such as scan() finds them. */
  showElement(ref: number, member: Member): void {
    this.#element.point(ref);
    member.setBytes(this.#element.bytes, this.#element.keyOffset, this.#element.keyLength);
  }

  // ---- other encodings ----

  /** Makes it a hash table. @throws OutOfMemoryError; nothing was changed */
  toHashtable(): void {
    const { shard, table, rec } = this;
    const root = new Int32Array(TABLE_ROOT_WORDS);
    const member = this.#member;
    table.open(shard.arena, root, 0);
    table.create();
    try {
      this.begin();
      while (this.next(member)) this.#insert(member);
      shard.overwriteValue(rec, Encoding.Hashtable, rootBytes(TABLE_ROOT_WORDS));
    } catch (error) {
      table.freeSome(Number.POSITIVE_INFINITY);
      throw error;
    }
    for (let i = 0; i < TABLE_ROOT_WORDS; i++) rec.words[rec.rootWord + i] = root[i]!;
    this.open(shard);
  }

  /**
   * Makes a set of integers an intset, if it is small enough. For sets that are being built: of one that runs out of
   * memory here nothing is left.
   */
  toIntset(): void {
    const { rec, size, shard } = this;
    if (this.encoding === Encoding.Intset || size > this.#limits.intsetEntries) return;
    const words = new Int32Array(size * 2);
    const member = this.#member;
    this.begin();
    for (let i = 0; this.next(member); i += 2) {
      if (!member.isInteger()) throw new Error('set: a member that is no integer');
      words[i] = member.low;
      words[i + 1] = member.high;
    }
    new BigInt64Array(words.buffer).sort();
    const width = Math.max(
      intsetWidth(words[0]!, words[1]!),
      intsetWidth(words[size * 2 - 2]!, words[size * 2 - 1]!),
    );
    if (this.encoding === Encoding.Hashtable) this.table.freeSome(Number.POSITIVE_INFINITY);
    shard.overwriteValue(rec, Encoding.Intset, INTSET_HEADER_BYTES + size * width);
    writeEmptyIntset(rec.bytes, rec.valueOffset);
    this.open(shard);
    for (let i = 0; i < size; i++) {
      this.#intset.find(words[i * 2]!, words[i * 2 + 1]!);
      this.#intset.add(words[i * 2]!, words[i * 2 + 1]!);
    }
  }

  /** Makes an intset a listpack, with room for `spare` more bytes. @throws OutOfMemoryError; nothing was changed */
  #toListpack(spare: number): void {
    const { rec, shard } = this;
    const intset = this.#intset;
    const listpack = this.#listpack;
    const entry = this.#entry;
    const bytes = scratchBytes(LISTPACK_EMPTY_BYTES + intset.count * INTEGER_ENTRY_BYTES);
    writeEmptyListpack(bytes, 0);
    listpack.open(bytes, 0);
    for (let i = 0; i < intset.count; i++) {
      intset.get(i);
      entry.setWords(intset.low, intset.high);
      listpack.insert(listpack.end, entry);
    }
    const { size } = listpack;
    shard.overwriteValue(rec, Encoding.Listpack, size, spare);
    bytes.copy(rec.bytes, rec.valueOffset, 0, size);
    this.open(shard);
  }

  // ---- private ----

  #findInListpack(member: Member): boolean {
    member.text();
    return this.#listpack.first() && this.#listpack.find(member.buf, member.off, member.len, 0);
  }

  #addToIntset(member: Member): void {
    const intset = this.#intset;
    if (!member.isInteger()) {
      this.#outgrowIntset(member);
      return;
    }
    if (intset.count >= this.#limits.intsetEntries) {
      this.toHashtable();
      this.#insert(member);
      return;
    }
    intset.find(member.low, member.high);
    addToIntset(this.shard, this.rec, intset, member.low, member.high);
  }

  /** Adds a member that is no integer to an intset. */
  #outgrowIntset(member: Member): void {
    const { listpackEntries, listpackValue } = this.#limits;
    const { count } = this.#intset;
    const fits =
      count < listpackEntries &&
      member.len <= listpackValue &&
      this.#longestInteger() <= listpackValue &&
      count * INTEGER_ENTRY_BYTES + member.len < LISTPACK_BYTES_MAX;
    if (fits) {
      this.#entry.setString(member.buf, member.off, member.len);
      this.#toListpack(this.#entry.size);
      this.#append(member);
      return;
    }
    this.toHashtable();
    this.#insert(member);
  }

  /** Bytes of the longest text of a member of the intset. */
  #longestInteger(): number {
    const intset = this.#intset;
    if (intset.count === 0) return 0;
    intset.get(0);
    const first = formatWords(intset.low, intset.high, digits, 0);
    intset.get(intset.count - 1);
    return Math.max(first, formatWords(intset.low, intset.high, digits, 0));
  }

  #addToListpack(member: Member): void {
    const { listpackEntries, listpackValue } = this.#limits;
    const listpack = this.#listpack;
    member.text();
    const fits =
      listpack.count() < listpackEntries &&
      member.len <= listpackValue &&
      listpack.size + member.len < LISTPACK_BYTES_MAX;
    if (fits) {
      this.#append(member);
      return;
    }
    this.toHashtable();
    this.#insert(member);
  }

  #append(member: Member): void {
    const entry = this.#entry;
    if (member.isInteger()) entry.setWords(member.low, member.high);
    else entry.setString(member.buf, member.off, member.len);
    insertEntry(this.shard, this.rec, this.#listpack, this.#listpack.end, entry);
  }

  /** Puts a new element into the table that is open. */
  #insert(member: Member): void {
    const { arena } = this.shard;
    const hash = member.hash();
    member.text();
    const ref = newMember(arena, member.buf, member.off, member.len);
    try {
      this.table.insert(hash, ref);
    } catch (error) {
      arena.free(ref);
      throw error;
    }
  }

  #showElement(ref: number, hash: number, member: Member): void {
    const element = this.#element;
    element.point(ref);
    member.setHashed(element.bytes, element.keyOffset, element.keyLength, hash);
  }

  #showEntry(member: Member): void {
    const listpack = this.#listpack;
    if (listpack.isInteger) member.setWords(listpack.low, listpack.high);
    else member.setString(listpack.buf, listpack.off, listpack.len);
  }
}

const digits: Buffer = Buffer.alloc(INT64_TEXT_BYTES_MAX);
let scratch: Buffer = Buffer.alloc(4096);

/** Bytes for a moment. */
function scratchBytes(size: number): Buffer {
  if (size <= scratch.length) return scratch;
  const bytes = Buffer.allocUnsafeSlow(size);
  if (size <= KEEP_BYTES) scratch = bytes;
  return bytes;
}
