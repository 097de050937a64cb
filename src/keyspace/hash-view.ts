// Hashes: one view for the three ways in which the fields of a hash are kept, and Redis 7.4's rules for changing from
// one to another.
//
//   listpack    field, value, field, value ...                      bytes in the record (structures/listpack.ts)
//   listpackex  field, value, expiry ...                            the same: once a field was to expire
//   hashtable   more than hash-max-listpack-entries fields, or      a root with blocks (structures/element-table.ts)
//               one of more than hash-max-listpack-value bytes
//
// A listpackex is ordered by expiry: the first field to expire is in front, those that do not (expiry 0) are at the end.
// Hashes never change back while they live.
//
// A field whose time has come is still there until somebody removes it: who reads it (the commands), or active expiry
// (expireSome). find() and next() show it with its expiry; HLEN counts it, as in Redis.
//
// A view has a record of its own: look the key up into `rec`, then open(). It stays good while the shard is locked, or the
// key pinned; changes through it keep it good, changes through others do not. Changes need memory first and touch the
// hash only then: after an OutOfMemoryError it is as it was (but it may have another encoding).
// After changes that can concern expiries, settle() tells the index; a record that is deleted needs no settling.

import type { ConfigStore } from '../config/store.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { copyBytes } from '../structures/bytes.ts';
import { ElementView, Extra, elementBytes, newField, writeExpiry } from '../structures/element.ts';
import { ElementTable } from '../structures/element-table.ts';
import { TablePosition } from '../structures/hash-table.ts';
import { INT64_TEXT_BYTES_MAX } from '../structures/int64.ts';
import { keyedHash } from '../structures/keyed-hash.ts';
import {
  EntryEncoder,
  LISTPACK_BYTES_MAX,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_HEADER_BYTES,
  Listpack,
  writeEmptyListpack,
} from '../structures/listpack.ts';
import { HASH_SPAN, TABLE_ROOT_WORDS } from '../structures/table-segments.ts';
import type { DeletionTarget } from './deletions.ts';
import { insertPair, openListpack, removeEntries, replaceEntry, shrinkValue } from './packed.ts';
import { Encoding, RecordView, rootBytes } from './record.ts';
import type { LockedShard } from './shard.ts';

/** Last expiry that a field can have, unix time in ms: Redis's HFE_MAX_ABS_TIME_MSEC. */
export const FIELD_EXPIRY_MAX = 2 ** 46 - 1;
/** What an expiry of 0 takes in a listpack. */
const NO_EXPIRY_ENTRY_BYTES = 2;
/** Room for the headers of two entries. */
const ENTRIES_OVERHEAD = 32;
/** A scratch buffer larger than this is let go after use. */
const KEEP_BYTES = 64 * 1024;

let scratch = Buffer.alloc(4096);

/** A buffer of at least `bytes`, good until the next call. */
function scratchBytes(bytes: number): Buffer {
  if (bytes > KEEP_BYTES) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > scratch.length) scratch = Buffer.alloc(KEEP_BYTES);
  return scratch;
}

/** When hashes change their encoding: the configuration's numbers, kept up to date. One per thread. */
export class HashLimits {
  entries = 512;
  value = 64;

  /** Takes the configured numbers, now and whenever they change. */
  follow(config: ConfigStore): void {
    const follow = (): void => {
      this.entries = config.getInt('hash-max-listpack-entries');
      this.value = config.getMemory('hash-max-listpack-value');
    };
    follow();
    config.watch('hash-max-listpack-entries', follow);
    config.watch('hash-max-listpack-value', follow);
  }
}

/** Bytes of a hash without fields. */
export function emptyHashBytes(encoding: number): number {
  return encoding === Encoding.Hashtable ? rootBytes(TABLE_ROOT_WORDS) : LISTPACK_EMPTY_BYTES;
}

export class HashView {
  readonly rec: RecordView;
  shard!: LockedShard;
  encoding: number = Encoding.Listpack;
  /** The value of the field that find(), next() or random() met: buf[off, off + len). */
  buf: Buffer;
  off = 0;
  len = 0;
  /** Its name, not after find(). */
  keyBuf: Buffer;
  keyOff = 0;
  keyLen = 0;
  /** Its expiry, unix time in ms; -1 if it has none. */
  expireAt = -1;
  readonly table: ElementTable;
  readonly #limits: HashLimits;
  readonly #lp: Listpack;
  readonly #element: ElementView;
  readonly #position = new TablePosition();
  readonly #field: EntryEncoder;
  readonly #value: EntryEncoder;
  readonly #expiry: EntryEncoder;
  readonly #digits = Buffer.alloc(INT64_TEXT_BYTES_MAX);
  /** Entries of a listpack for each field. */
  #tuple = 2;
  /** Where the field met is: its position in a listpack, its element and hash in a table. */
  #pos = 0;
  #ref = 0;
  #hash = 0;
  /** Whether the index may have to be told of expiries. */
  #unsettled = false;
  readonly #refs: number[] = [];
  readonly #hashes: number[] = [];

  constructor(memory: SharedMemory, limits: HashLimits) {
    const some = memory.bytes[0]!;
    this.rec = new RecordView(memory);
    this.buf = some;
    this.keyBuf = some;
    this.table = new ElementTable(memory);
    this.#limits = limits;
    this.#lp = new Listpack(some);
    this.#element = new ElementView(memory);
    this.#field = new EntryEncoder(some);
    this.#value = new EntryEncoder(some);
    this.#expiry = new EntryEncoder(some);
  }

  /** Begins to show the hash that `rec` points at. @param shard the record's */
  open(shard: LockedShard): void {
    const { rec } = this;
    this.shard = shard;
    this.#unsettled = false;
    this.encoding = rec.encoding;
    this.#tuple = this.encoding === Encoding.ListpackEx ? 3 : 2;
    if (this.encoding === Encoding.Hashtable) this.table.open(shard.arena, rec.words, rec.rootWord);
    else openListpack(this.#lp, rec);
  }

  /** As open(), for a record that was just made: writes a hash without fields. */
  openNew(shard: LockedShard): void {
    const { rec } = this;
    if (rec.encoding === Encoding.Hashtable) {
      this.table.open(shard.arena, rec.words, rec.rootWord);
      this.table.create();
    } else writeEmptyListpack(rec.bytes, rec.valueOffset);
    this.open(shard);
  }

  /** Fields, those that have expired included. */
  get size(): number {
    return this.encoding === Encoding.Hashtable ? this.table.size : this.#lp.count() / this.#tuple;
  }

  /** Whether the field met has expired. @param now unix time in ms */
  isExpired(now: number): boolean {
    return this.expireAt >= 0 && this.expireAt <= now;
  }

  /** Tells the index of expiries that have changed. */
  settle(): void {
    if (this.#unsettled) this.shard.noteFields(this.rec);
    this.#unsettled = false;
  }

  // ---- one field ----

  /** Looks for a field, and meets it if it is there, expired or not. */
  find(key: Buffer, off: number, len: number): boolean {
    if (this.encoding === Encoding.Hashtable) {
      const hash = keyedHash(key, off, len);
      const ref = this.table.find(hash, key, off, len);
      if (ref === 0) return false;
      this.#meetElement(ref, hash);
      return true;
    }
    if (!this.#findPacked(key, off, len)) return false;
    this.#meetValue();
    return true;
  }

  /**
   * Gives a field a value.
   * @param keepExpiry whether a field that expires still does so
   * @returns whether it is new; an expired one is not
   * @throws OutOfMemoryError; it is as it was
   */
  set(
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    keepExpiry: boolean,
  ): boolean {
    if (this.encoding !== Encoding.Hashtable) {
      if (this.#isTooLong(len, valueLen)) this.toHashtable();
      else {
        const found = this.#findPacked(key, off, len);
        if (this.size + (found ? 0 : 1) <= this.#limits.entries) {
          if (found) this.#replacePacked(value, valueOff, valueLen, keepExpiry);
          else this.#append(key, off, len, value, valueOff, valueLen);
          return !found;
        }
        this.toHashtable();
      }
    }
    return this.#setInTable(key, off, len, value, valueOff, valueLen, keepExpiry);
  }

  /**
   * Gives a field a value and an expiry at once. makeExpiring() must have been called.
   * @param expireAt unix time in ms
   * @throws OutOfMemoryError; it is as it was
   */
  setExpiring(
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    if (this.encoding !== Encoding.Hashtable) {
      const tooLong = this.#isTooLong(len, valueLen);
      const found = !tooLong && this.#findPacked(key, off, len);
      if (tooLong || this.size + (found ? 0 : 1) > this.#limits.entries) this.toHashtable();
      else {
        this.#putTriplet(found, key, off, len, value, valueOff, valueLen, expireAt);
        this.#unsettled = true;
        return;
      }
    }
    const { table } = this;
    const hash = keyedHash(key, off, len);
    const old = table.find(hash, key, off, len);
    if (old === 0) this.#insertInTable(hash, key, off, len, value, valueOff, valueLen, expireAt);
    else {
      const { arena } = this.shard;
      const ref = newField(arena, key, off, len, value, valueOff, valueLen, expireAt);
      table.replace(hash, old, ref);
      table.noteExpiry(hash, ref, expireAt);
      arena.free(old);
    }
    this.#unsettled = true;
  }

  /**
   * Adds a field that is not there, with its expiry: for those who build a hash. Call makeExpiring() before.
   * @param expireAt unix time in ms, -1 for none
   * @throws OutOfMemoryError; it is not there
   */
  addNew(
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    if (this.encoding !== Encoding.Hashtable) {
      const fits = this.size < this.#limits.entries && !this.#isTooLong(len, valueLen);
      if (!fits) this.toHashtable();
    }
    if (expireAt >= 0) this.#unsettled = true;
    if (this.encoding === Encoding.Hashtable) {
      this.#insertInTable(keyedHash(key, off, len), key, off, len, value, valueOff, valueLen, expireAt);
    } else if (this.encoding === Encoding.Listpack || expireAt < 0) {
      this.#append(key, off, len, value, valueOff, valueLen);
    } else {
      this.#field.set(key, off, len);
      this.#value.set(value, valueOff, valueLen);
      this.#expiry.setInteger(expireAt);
      this.#insertTriplet(this.#placeOf(expireAt));
    }
  }

  /** Removes a field. @returns whether it was there. Of the last one's hash the caller deletes the record */
  remove(key: Buffer, off: number, len: number): boolean {
    if (this.encoding !== Encoding.Hashtable) {
      if (!this.#findPacked(key, off, len)) return false;
      this.removeFound();
      return true;
    }
    const { expiring } = this.table;
    const ref = this.table.remove(keyedHash(key, off, len), key, off, len);
    if (ref === 0) return false;
    this.shard.arena.free(ref);
    if (this.table.expiring !== expiring) this.#unsettled = true;
    return true;
  }

  /** Removes the field met. */
  removeFound(): void {
    if (this.encoding === Encoding.Hashtable) {
      this.table.unlink(this.#hash, this.#ref);
      this.shard.arena.free(this.#ref);
    } else removeEntries(this.shard, this.rec, this.#lp, this.#pos, this.#tuple);
    this.#unsettled = true;
  }

  /**
   * Sets the expiry of the field met by find(), which is not met any more then.
   * makeExpiring() must have been called.
   * @param expireAt unix time in ms, -1 for none
   * @throws OutOfMemoryError; it is as it was
   */
  setExpiry(expireAt: number): void {
    if (this.encoding === Encoding.Hashtable) this.#setExpiryInTable(expireAt);
    else this.#moveTriplet(expireAt);
    this.#unsettled = true;
  }

  // ---- at random, and all of them ----

  /** Meets one of the fields, each as likely as any other. The hash has some. */
  random(): void {
    if (this.encoding === Encoding.Hashtable) {
      const ref = this.table.randomRef();
      this.showElement(ref);
      this.#hash = this.table.foundHash;
      return;
    }
    const lp = this.#lp;
    lp.seek(Math.floor(Math.random() * this.size) * this.#tuple);
    this.#meetEntry();
  }

  /** Which field random() met: a number of its own for each, not 0, good until the hash changes. */
  get foundId(): number {
    return this.encoding === Encoding.Hashtable ? this.#ref : this.#pos;
  }

  /** Begins a walk over all fields. */
  begin(): void {
    if (this.encoding === Encoding.Hashtable) this.table.begin(this.#position);
    this.#pos = 0;
  }

  /** Meets the next field. @returns false at the end */
  next(): boolean {
    if (this.encoding === Encoding.Hashtable) {
      const ref = this.table.next(this.#position);
      if (ref !== 0) this.showElement(ref);
      return ref !== 0;
    }
    const lp = this.#lp;
    const there = this.#pos === 0 ? lp.first() : lp.at(lp.forward(this.#pos, this.#tuple));
    if (there) this.#meetEntry();
    return there;
  }

  /** Meets the field of an element of the table, such as table.scan() finds them. */
  showElement(ref: number): void {
    this.#meetElement(ref, 0);
    this.keyBuf = this.#element.bytes;
    this.keyOff = this.#element.keyOffset;
    this.keyLen = this.#element.keyLength;
  }

  // ---- fields that have expired ----

  /** How many of the fields have expired. @param now unix time in ms */
  countExpired(now: number): number {
    if (this.encoding === Encoding.Hashtable) return this.table.countExpired(now);
    return this.encoding === Encoding.ListpackEx ? this.#countTriplets(now) : 0;
  }

  /**
   * Removes fields that have expired. Of a hash of which none is left the caller deletes the record, else it settles.
   * @param from 0 to begin, else what the last call returned
   * @param limit fields after which it is time to return, about
   * @returns where to go on; 0 when no expired field is left
   */
  expireSome(now: number, from: number, limit: number): number {
    this.removed = 0;
    if (this.encoding === Encoding.Hashtable) return this.#expireInTable(now, from, limit);
    if (this.encoding !== Encoding.ListpackEx) return 0;
    this.removed = this.#countTriplets(now);
    if (this.removed === 0) return 0;
    if (this.deletions !== null) this.#tellFirst(this.removed, this.deletions);
    removeEntries(this.shard, this.rec, this.#lp, LISTPACK_HEADER_BYTES, this.removed * this.#tuple);
    this.#unsettled = true;
    return 0;
  }

  /** Fields that the last expireSome() removed. */
  removed = 0;
  /** Whom expireSome() tells of them; null if nobody wants to know, or the caller tells. */
  deletions: DeletionTarget | null = null;

  /** Tells of the first fields of a listpack, those that expire first. */
  #tellFirst(count: number, deletions: DeletionTarget): void {
    this.begin();
    for (let i = 0; i < count && this.next(); i++) {
      deletions.fieldExpired(this.rec, this.keyBuf, this.keyOff, this.keyLen);
    }
  }

  #countTriplets(now: number): number {
    const lp = this.#lp;
    let expired = 0;
    for (let pos = LISTPACK_HEADER_BYTES; pos < lp.end; ) {
      const expiryAt = lp.forward(pos, 2);
      lp.at(expiryAt);
      const expireAt = lp.integer();
      if (expireAt === 0 || expireAt > now) break;
      expired++;
      pos = lp.forward(expiryAt, 1);
    }
    return expired;
  }

  #expireInTable(now: number, from: number, limit: number): number {
    const { table } = this;
    const refs = this.#refs;
    const hashes = this.#hashes;
    if (table.nextExpiry * 1000 > now) return 0;
    refs.length = 0;
    hashes.length = 0;
    const next = table.collectExpired(from, now, limit, refs, hashes);
    for (let i = 0; i < refs.length; i++) {
      if (this.deletions !== null) {
        this.showElement(refs[i]!);
        this.deletions.fieldExpired(this.rec, this.keyBuf, this.keyOff, this.keyLen);
      }
      table.unlink(hashes[i]!, refs[i]!);
      this.shard.arena.free(refs[i]!);
    }
    this.removed = refs.length;
    this.#unsettled = true;
    if (next < HASH_SPAN && table.expiring > 0) return next;
    table.renewBound();
    return 0;
  }

  // ---- other encodings ----

  /** Makes sure that fields can expire. @throws OutOfMemoryError; nothing was changed */
  makeExpiring(): void {
    if (this.encoding !== Encoding.Listpack) return;
    const lp = this.#lp;
    const fields = this.size;
    const bytes = scratchBytes(lp.size + fields * NO_EXPIRY_ENTRY_BYTES);
    const made = new Listpack(bytes);
    writeEmptyListpack(bytes, 0);
    made.open(bytes, 0);
    this.#expiry.setInteger(0);
    for (let pos = LISTPACK_HEADER_BYTES; pos < lp.end; ) {
      const next = lp.forward(pos, 2);
      made.insertRaw(made.end, lp.bytes, lp.base + pos, next - pos, 2);
      made.insert(made.end, this.#expiry);
      pos = next;
    }
    const { size } = made;
    this.shard.overwriteValue(this.rec, Encoding.ListpackEx, size);
    copyBytes(bytes, 0, this.rec.bytes, this.rec.valueOffset, size);
    this.#reopen();
  }

  /** Makes it a hash table. @throws OutOfMemoryError; nothing was changed */
  toHashtable(): void {
    const { shard, table, rec } = this;
    const root = new Int32Array(TABLE_ROOT_WORDS);
    table.open(shard.arena, root, 0);
    table.create();
    try {
      this.begin();
      while (this.next()) {
        const hash = keyedHash(this.keyBuf, this.keyOff, this.keyLen);
        this.#insertInTable(
          hash, this.keyBuf, this.keyOff, this.keyLen, this.buf, this.off, this.len, this.expireAt,
        ); // biome-ignore format: many short arguments
      }
      shard.overwriteValue(rec, Encoding.Hashtable, rootBytes(TABLE_ROOT_WORDS));
    } catch (error) {
      table.freeSome(Number.POSITIVE_INFINITY);
      throw error;
    }
    for (let i = 0; i < TABLE_ROOT_WORDS; i++) rec.words[rec.rootWord + i] = root[i]!;
    this.#reopen();
  }

  /** open() after a change of encoding, which settles nothing. */
  #reopen(): void {
    const unsettled = this.#unsettled;
    this.open(this.shard);
    this.#unsettled = unsettled;
  }

  // ---- listpacks ----

  #isTooLong(len: number, valueLen: number): boolean {
    const { value } = this.#limits;
    return (
      len > value ||
      valueLen > value ||
      this.#lp.size + len + valueLen + ENTRIES_OVERHEAD > LISTPACK_BYTES_MAX
    );
  }

  #findPacked(key: Buffer, off: number, len: number): boolean {
    const lp = this.#lp;
    const found = lp.first() && lp.find(key, off, len, this.#tuple - 1);
    this.#pos = lp.pos;
    return found;
  }

  /** The cursor is at the field met: loads its name, value and expiry. */
  #meetEntry(): void {
    const lp = this.#lp;
    this.#pos = lp.pos;
    lp.text();
    this.keyLen = lp.len;
    if (lp.isInteger) {
      copyBytes(lp.buf, lp.off, this.#digits, 0, lp.len);
      this.keyBuf = this.#digits;
      this.keyOff = 0;
    } else {
      this.keyBuf = lp.buf;
      this.keyOff = lp.off;
    }
    this.#meetValue();
  }

  /** The cursor is at the field met: loads its value and expiry. */
  #meetValue(): void {
    const lp = this.#lp;
    lp.next();
    lp.text();
    this.buf = lp.buf;
    this.off = lp.off;
    this.len = lp.len;
    this.expireAt = -1;
    if (this.#tuple === 2) return;
    lp.next();
    const expireAt = lp.integer();
    if (expireAt !== 0) this.expireAt = expireAt;
  }

  #append(key: Buffer, off: number, len: number, value: Buffer, valueOff: number, valueLen: number): void {
    const lp = this.#lp;
    this.#field.set(key, off, len);
    this.#value.set(value, valueOff, valueLen);
    if (this.#tuple === 2) {
      insertPair(this.shard, this.rec, lp, lp.end, this.#field, this.#value);
      return;
    }
    this.#expiry.setInteger(0);
    this.#insertTriplet(lp.end);
  }

  /** Inserts the entries that the encoders hold. */
  #insertTriplet(pos: number): void {
    const lp = this.#lp;
    const bytes = this.#field.size + this.#value.size + this.#expiry.size;
    this.shard.resize(this.rec, lp.size + bytes, 0);
    lp.rebase(this.rec.bytes, this.rec.valueOffset);
    lp.insert(pos, this.#expiry);
    lp.insert(pos, this.#value);
    lp.insert(pos, this.#field);
  }

  /** Puts a field with its value and expiry where it belongs; if it was found, the triplet at #pos goes. */
  #putTriplet(
    found: boolean,
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    const { shard, rec } = this;
    const lp = this.#lp;
    this.#field.set(key, off, len);
    this.#value.set(value, valueOff, valueLen);
    this.#expiry.setInteger(expireAt);
    const old = found ? lp.forward(this.#pos, 3) - this.#pos : 0;
    const grown = this.#field.size + this.#value.size + this.#expiry.size - old;
    if (grown > 0) {
      shard.resize(rec, lp.size + grown, 0);
      lp.rebase(rec.bytes, rec.valueOffset);
    }
    if (found) lp.remove(this.#pos, 3);
    const pos = this.#placeOf(expireAt);
    lp.insert(pos, this.#expiry);
    lp.insert(pos, this.#value);
    lp.insert(pos, this.#field);
    if (grown < 0) {
      shrinkValue(shard, rec, lp.size);
      lp.rebase(rec.bytes, rec.valueOffset);
    }
  }

  /** Gives the field at #pos another value. */
  #replacePacked(value: Buffer, off: number, len: number, keepExpiry: boolean): void {
    const lp = this.#lp;
    this.#value.set(value, off, len);
    const at = lp.forward(this.#pos, 1);
    replaceEntry(this.shard, this.rec, lp, at, this.#value);
    if (this.#tuple === 2 || keepExpiry) return;
    lp.at(lp.forward(this.#pos, 2));
    if (lp.low === 0 && lp.high === 0) return;
    this.#moveTriplet(-1);
    this.#unsettled = true;
  }

  /** Where a triplet of an expiry belongs: in front of the first one that expires no earlier, or never. */
  #placeOf(expireAt: number): number {
    const lp = this.#lp;
    if (expireAt < 0) return lp.end;
    let pos = LISTPACK_HEADER_BYTES;
    while (pos < lp.end) {
      const expiryAt = lp.forward(pos, 2);
      lp.at(expiryAt);
      const other = lp.integer();
      if (other === 0 || other >= expireAt) return pos;
      pos = lp.forward(expiryAt, 1);
    }
    return pos;
  }

  /** Gives the triplet at #pos another expiry, and the place that goes with it. */
  #moveTriplet(expireAt: number): void {
    const { shard, rec } = this;
    const lp = this.#lp;
    const pair = lp.forward(this.#pos, 2) - this.#pos;
    const old = lp.forward(this.#pos, 3) - this.#pos;
    this.#expiry.setInteger(Math.max(0, expireAt));
    const grown = pair + this.#expiry.size - old;
    if (grown > 0) {
      shard.resize(rec, lp.size + grown, 0);
      lp.rebase(rec.bytes, rec.valueOffset);
    }
    const bytes = scratchBytes(pair);
    copyBytes(lp.bytes, lp.base + this.#pos, bytes, 0, pair);
    lp.remove(this.#pos, 3);
    const pos = this.#placeOf(expireAt);
    lp.insert(pos, this.#expiry);
    lp.insertRaw(pos, bytes, 0, pair, 2);
    if (grown < 0) {
      shrinkValue(shard, rec, lp.size);
      lp.rebase(rec.bytes, rec.valueOffset);
    }
  }

  // ---- the table ----

  #meetElement(ref: number, hash: number): void {
    const element = this.#element;
    element.point(ref);
    this.#ref = ref;
    this.#hash = hash;
    this.buf = element.bytes;
    this.off = element.valueOffset;
    this.len = element.valueLength;
    this.expireAt = element.expireAt;
  }

  #insertInTable(
    hash: number,
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    expireAt: number,
  ): void {
    const { arena } = this.shard;
    const ref = newField(arena, key, off, len, value, valueOff, valueLen, expireAt);
    try {
      this.table.insert(hash, ref, expireAt);
    } catch (error) {
      arena.free(ref);
      throw error;
    }
  }

  #setInTable(
    key: Buffer,
    off: number,
    len: number,
    value: Buffer,
    valueOff: number,
    valueLen: number,
    keepExpiry: boolean,
  ): boolean {
    const { table } = this;
    const { arena } = this.shard;
    const element = this.#element;
    const hash = keyedHash(key, off, len);
    const old = table.find(hash, key, off, len);
    if (old === 0) {
      this.#insertInTable(hash, key, off, len, value, valueOff, valueLen, -1);
      return true;
    }
    element.point(old);
    const expireAt = keepExpiry ? element.expireAt : -1;
    const extra = expireAt < 0 ? Extra.Value : Extra.ExpiringValue;
    const hadExpiry = element.extra === Extra.ExpiringValue;
    if (extra === element.extra && blockBytes(elementBytes(extra, len, valueLen)) === arena.capacity(old)) {
      element.words[element.w + 1] = valueLen;
      copyBytes(value, valueOff, element.bytes, element.valueOffset, valueLen);
      return false;
    }
    const ref = newField(arena, key, off, len, value, valueOff, valueLen, expireAt);
    table.replace(hash, old, ref);
    arena.free(old);
    if (hadExpiry && expireAt < 0) {
      table.forgetExpiry(hash, ref);
      this.#unsettled = true;
    }
    return false;
  }

  #setExpiryInTable(expireAt: number): void {
    const element = this.#element;
    const { table } = this;
    const { arena } = this.shard;
    let ref = this.#ref;
    element.point(ref);
    if (element.extra === Extra.ExpiringValue && expireAt >= 0)
      writeExpiry(element.words, element.w, expireAt);
    else if (element.extra === Extra.Value && expireAt < 0) return;
    else {
      const { bytes, keyOffset, keyLength, valueOffset, valueLength } = element;
      const fresh = newField(arena, bytes, keyOffset, keyLength, bytes, valueOffset, valueLength, expireAt);
      table.replace(this.#hash, ref, fresh);
      arena.free(ref);
      ref = fresh;
    }
    if (expireAt >= 0) table.noteExpiry(this.#hash, ref, expireAt);
    else table.forgetExpiry(this.#hash, ref);
  }
}
