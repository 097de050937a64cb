// A shard: 256 hash slots of every database, with their lock, arena and index. One object per thread and shard.
//
// What touches data is declared on LockedShard, which only acquire() and tryAcquire() give out: code without the lock
// does not type-check. In debug runs (SABRE_DEBUG=1) every entry point also asserts the holder.
//
// A record whose value owns many blocks is not freed at once: it is buried, in a list of its shard, and shard workers
// free it in steps (freeBuried).
//
// Records may move whenever their size class or header changes; the RecordView passed in is re-pointed.

import { Arena, type UsageMeter } from '../memory/arena.ts';
import {
  GlobalWord,
  SHARD_COUNTERS_OFFSET,
  ShardCounter,
  ShardWord,
  SLOTS_PER_SHARD,
  shardOffset,
  shardWord,
} from '../memory/layout.ts';
import { holderOf, isWaitedFor, lock, lockWithin, tryLock, trySpin, unlock } from '../memory/lock.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { NO_EXPIRY } from '../structures/segment.ts';
import type { Structures } from '../structures/structures.ts';
import { markGone } from './awaited.ts';
import { fieldsBound } from './field-bound.ts';
import { headerBytes, RecordView, Type, writeExpiry, writeHeader } from './record.ts';
import { SlotIndex } from './slot-index.ts';
import { DbWord } from './slot-segments.ts';
import { touchWatched } from './watched.ts';

declare const held: unique symbol;
/** A shard whose lock the calling thread holds. */
export type LockedShard = Shard & { readonly [held]: true };

const DEBUG = process.env['SABRE_DEBUG'] === '1';
const LOCAL_MASK = SLOTS_PER_SHARD - 1;
/** About 300 ns. */
const SPINS = 8;
/** Copies below this are faster as a loop over bytes. */
const LOOP_COPY_MAX = 48;
/** A value of more blocks is freed in the background. */
const FREE_AT_ONCE_BLOCKS = 64;

export class Shard {
  readonly id: number;
  readonly memory: SharedMemory;
  readonly arena: Arena;
  readonly index: SlotIndex;
  readonly #control: Int32Array;
  readonly #lockWord: number;
  readonly #counters: Float64Array;
  readonly #counterBase: number;
  readonly #spare: RecordView;
  readonly #dead: RecordView;
  readonly #structures: Structures;
  readonly #buriedWord: number;
  readonly #awaitedGoneWord: number;

  constructor(memory: SharedMemory, id: number, meter: UsageMeter, structures: Structures) {
    this.id = id;
    this.memory = memory;
    this.arena = new Arena(memory, id, meter);
    this.index = new SlotIndex(memory, id, this.arena);
    this.#control = memory.control;
    this.#lockWord = shardOffset(id) >> 2;
    this.#counters = memory.counters;
    this.#counterBase = (shardOffset(id) + SHARD_COUNTERS_OFFSET) >> 3;
    this.#spare = new RecordView(memory);
    this.#dead = new RecordView(memory);
    this.#structures = structures;
    this.#buriedWord = shardWord(id, ShardWord.Buried);
    this.#awaitedGoneWord = shardWord(id, ShardWord.AwaitedGone);
  }

  /** Takes the lock unless another thread has it. @returns null if it has */
  tryAcquire(): LockedShard | null {
    if (tryLock(this.#control, this.#lockWord, this.memory.thread)) return this as unknown as LockedShard;
    if (trySpin(this.#control, this.#lockWord, this.memory.thread, SPINS))
      return this as unknown as LockedShard;
    return null;
  }

  /** Takes the lock, sleeping until it is free. For shard workers. */
  acquire(): LockedShard {
    lock(this.#control, this.#lockWord, this.memory.thread);
    return this as unknown as LockedShard;
  }

  /** How often acquireWithin() has got the lock. Reading needs no lock. */
  get taken(): number {
    return Atomics.load(this.#control, this.#buriedWord + ShardWord.Taken);
  }

  /** As acquire(), for at most about `ms`. @returns null if the time was over first */
  acquireWithin(ms: number): LockedShard | null {
    if (!lockWithin(this.#control, this.#lockWord, this.memory.thread, ms)) return null;
    this.#control[this.#buriedWord + ShardWord.Taken]! += 1;
    return this as unknown as LockedShard;
  }

  /** Whether another thread sleeps until the lock is free. */
  isWaitedFor(this: LockedShard): boolean {
    return isWaitedFor(this.#control, this.#lockWord);
  }

  release(this: LockedShard): void {
    unlock(this.#control, this.#lockWord, this.memory.thread);
  }

  /** The thread that holds the lock, 0 if none does. */
  get holder(): number {
    return holderOf(this.#control, this.#lockWord);
  }

  /** Throws unless the calling thread holds the lock. */
  assertHeld(): void {
    if (holderOf(this.#control, this.#lockWord) !== this.memory.thread) {
      throw new Error(`shard ${this.id} used by thread ${this.memory.thread} without its lock`);
    }
  }

  /** A counter (ShardCounter). Reading needs no lock. */
  counter(which: number): number {
    return this.#counters[this.#counterBase + which]!;
  }

  count(this: LockedShard, which: number, by: number): void {
    this.#counters[this.#counterBase + which]! += by;
  }

  /** Counts a failed tryAcquire: the one counter written without the lock, so it is approximate. */
  countContention(): void {
    this.#counters[this.#counterBase + ShardCounter.Contended]! += 1;
  }

  resetCounter(which: number): void {
    this.#counters[this.#counterBase + which] = 0;
  }

  /** Keys of a database in this shard. Reading needs no lock. */
  keys(db: number): number {
    return this.index.dbWord(db, DbWord.Keys);
  }

  /** Keys with an expiry of a database in this shard. */
  expires(db: number): number {
    return this.index.dbWord(db, DbWord.Expires);
  }

  /** Hashes with fields that expire of a database in this shard. Reading needs no lock. */
  fieldExpires(db: number): number {
    return this.index.dbWord(db, DbWord.FieldExpires);
  }

  /**
   * Finds a key and points `view` at its record. Expiry is not looked at.
   * @param known the key's record if it is known (known-record.ts), 0 if not
   * @returns whether the key is there
   */
  find(
    this: LockedShard,
    view: RecordView,
    db: number,
    slot: number,
    hash: number,
    key: Buffer,
    off: number,
    len: number,
    known = 0,
  ): boolean {
    if (DEBUG) this.assertHeld();
    let ref = known;
    if (DEBUG || known === 0) ref = this.index.find(db, slot & LOCAL_MASK, hash, key, off, len);
    if (DEBUG && known !== 0 && ref !== known)
      throw new Error(`shard ${this.id}: the record known for a key is not the one in the index`);
    view.shard = this.id;
    view.db = db;
    view.slot = slot;
    view.hash = hash;
    view.detached = false;
    if (ref === 0) {
      view.ref = 0;
      return false;
    }
    view.point(ref);
    return true;
  }

  /** Points `view` at a record met while scanning. */
  meet(this: LockedShard, view: RecordView, db: number, slot: number, hash: number, ref: number): void {
    view.shard = this.id;
    view.db = db;
    view.slot = slot;
    view.hash = hash;
    view.detached = false;
    view.point(ref);
  }

  /**
   * Makes a record for a key that is not there; `view` points at it. Its value bytes are undefined.
   * @param valueLen bytes of the value
   * @param expireAt ms, or -1
   * @param access first access word
   * @param spare bytes of room behind the value
   * @throws OutOfMemoryError; nothing was changed
   */
  create(
    this: LockedShard,
    view: RecordView,
    db: number,
    slot: number,
    hash: number,
    key: Buffer,
    off: number,
    len: number,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
    access: number,
    spare = 0,
  ): void {
    this.createDetached(
      view,
      db,
      slot,
      hash,
      key,
      off,
      len,
      type,
      encoding,
      valueLen,
      expireAt,
      access,
      spare,
    );
    try {
      this.index.insert(db, slot & LOCAL_MASK, hash, view.ref, Number(expireAt));
    } catch (error) {
      this.arena.free(view.ref);
      throw error;
    }
    view.detached = false;
  }

  /** As create(), but the record comes into no index: attach() puts it there, discard() frees it. */
  createDetached(
    this: LockedShard,
    view: RecordView,
    db: number,
    slot: number,
    hash: number,
    key: Buffer,
    off: number,
    len: number,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
    access: number,
    spare = 0,
  ): void {
    if (DEBUG) this.assertHeld();
    const header = headerBytes(len, expireAt >= 0);
    const ref = this.arena.alloc(header + len + valueLen + spare);
    this.meet(view, db, slot, hash, ref);
    view.detached = true;
    const epoch = this.#control[GlobalWord.SnapshotEpoch]!;
    writeHeader(view, type, encoding, len, valueLen, expireAt, access | (epoch << 24));
    copyBytes(key, off, view.bytes, view.at + header, len);
  }

  /**
   * Puts a detached record in the place of the one that its key has now, if any.
   * @returns whether there was none
   * @throws OutOfMemoryError; nothing was changed
   */
  attach(this: LockedShard, view: RecordView): boolean {
    if (DEBUG) this.assertHeld();
    const local = view.slot & LOCAL_MASK;
    const { keyOffset, keyLength } = view;
    const old = this.index.find(view.db, local, view.hash, view.bytes, keyOffset, keyLength);
    const expireAt = view.expires ? view.expireAt : -1;
    if (old === 0) this.index.insert(view.db, local, view.hash, view.ref, expireAt);
    else {
      this.#spare.point(old);
      const expired = this.#spare.expires;
      this.index.replace(view.db, local, view.hash, old, view.ref);
      if (expireAt >= 0) this.index.noteExpiry(view.db, local, view.hash, view.ref, expireAt);
      else if (expired) this.index.forgetExpiry(view.db, local, view.hash, view.ref);
      if (this.#spare.type === Type.Hash) this.index.forgetFields(view.db, local, view.hash, view.ref);
      this.#drop(old);
    }
    view.detached = false;
    if (view.type === Type.Hash) this.noteFields(view);
    return old === 0;
  }

  /**
   * Tells the index when the first field of a hash expires: to be called after that has changed.
   * @param db where the record is in the index
   */
  noteFields(this: LockedShard, view: RecordView, db = view.db): void {
    if (view.detached) return;
    const bound = fieldsBound(view);
    const local = view.slot & LOCAL_MASK;
    if (bound === NO_EXPIRY) this.index.forgetFields(db, local, view.hash, view.ref);
    else this.index.noteFields(db, local, view.hash, view.ref, bound);
  }

  /** Frees a detached record with its value. */
  discard(this: LockedShard, view: RecordView): void {
    this.#drop(view.ref);
    view.ref = 0;
  }

  /** As discard(), but what the value owns is left alone: others own it. */
  discardShell(this: LockedShard, view: RecordView): void {
    this.arena.free(view.ref);
    view.ref = 0;
  }

  /** As remove(), but what the value owns is left alone: another record of this shard owns it now. */
  removeShell(this: LockedShard, view: RecordView): void {
    this.index.remove(view.db, view.slot & LOCAL_MASK, view.hash, view.ref);
    this.discardShell(view);
  }

  /** Deletes the record that `view` points at, with its value; who watches its key learns of it. */
  remove(this: LockedShard, view: RecordView): void {
    if (DEBUG) this.assertHeld();
    if (this.#control[GlobalWord.Watching] !== 0) touchWatched(this.memory, view.db, view.slot, view.hash);
    this.index.remove(view.db, view.slot & LOCAL_MASK, view.hash, view.ref);
    this.#drop(view.ref);
    view.ref = 0;
    if (this.#control[this.#awaitedGoneWord] !== 0) markGone(this.#control, this.id);
  }

  /** Deletes all keys of a slot. @param local the slot less the shard's first @returns how many there were */
  clearSlot(this: LockedShard, db: number, local: number): number {
    return this.index.clearSlot(db, local, this.#dropRef);
  }

  /** Dead records whose values are not freed yet. Reading needs no lock. */
  get buried(): number {
    return this.#control[this.#buriedWord + ShardWord.BuriedCount]!;
  }

  /**
   * Frees what buried records still own.
   * @param budget blocks, about
   * @returns what is left of it: more than 0 means that nothing is buried any more
   */
  freeBuried(this: LockedShard, budget: number): number {
    const control = this.#control;
    const dead = this.#dead;
    let left = budget;
    for (let ref = control[this.#buriedWord]!; ref !== 0 && left > 0; ref = control[this.#buriedWord]!) {
      dead.point(ref);
      const value = this.#structures.rootedOf(dead.type, dead.encoding)!;
      value.open(this.arena, dead.words, dead.rootWord);
      left = value.freeSome(left);
      if (left <= 0) break;
      control[this.#buriedWord] = dead.nextBuried;
      control[this.#buriedWord + ShardWord.BuriedCount]! -= 1;
      if (dead.nextBuried === 0) Atomics.sub(control, GlobalWord.LazyFree, 1);
      this.arena.free(ref);
      left--;
    }
    return left;
  }

  /** Visits buried records, for the checker. */
  eachBuried(this: LockedShard, visit: (ref: number) => void): void {
    for (let ref = this.#control[this.#buriedWord]!; ref !== 0; ) {
      visit(ref);
      this.#dead.point(ref);
      ref = this.#dead.nextBuried;
    }
  }

  /** Forgets buried records: the arena is reset. */
  forgetBuried(this: LockedShard): void {
    if (this.#control[this.#buriedWord] !== 0) Atomics.sub(this.#control, GlobalWord.LazyFree, 1);
    this.#control[this.#buriedWord] = 0;
    this.#control[this.#buriedWord + ShardWord.BuriedCount] = 0;
  }

  /** Frees a record that is in no index, and what its value owns: at once, or by and by. */
  #drop(ref: number): void {
    const dead = this.#dead;
    dead.point(ref);
    const value = this.#structures.rootedOf(dead.type, dead.encoding);
    if (value !== null) {
      value.open(this.arena, dead.words, dead.rootWord);
      if (value.blockCount > FREE_AT_ONCE_BLOCKS) {
        this.#bury(dead);
        return;
      }
      value.freeSome(Number.POSITIVE_INFINITY);
    }
    this.arena.free(ref);
  }

  readonly #dropRef = (ref: number): void => this.#drop(ref);

  #bury(dead: RecordView): void {
    const control = this.#control;
    const first = control[this.#buriedWord]!;
    if (first === 0) Atomics.add(control, GlobalWord.LazyFree, 1);
    dead.setNextBuried(first);
    control[this.#buriedWord] = dead.ref;
    control[this.#buriedWord + ShardWord.BuriedCount]! += 1;
  }

  /**
   * Makes the record fit for another value, whose bytes are then undefined: the overwriting half of SET.
   * Type and encoding are set; the access word stays. Blocks of the old value are freed.
   * @param expireAt ms, or -1 for none
   * @throws OutOfMemoryError; nothing was changed
   */
  overwrite(
    this: LockedShard,
    view: RecordView,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
  ): void {
    if (DEBUG) this.assertHeld();
    if (this.#structures.rootedOf(view.type, view.encoding) !== null) {
      this.#overwriteRooted(view, type, encoding, valueLen, expireAt);
      return;
    }
    const wasHash = view.type === Type.Hash;
    this.#overwritePacked(view, type, encoding, valueLen, expireAt);
    if (wasHash && !view.detached)
      this.index.forgetFields(view.db, view.slot & LOCAL_MASK, view.hash, view.ref);
  }

  #overwritePacked(
    view: RecordView,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
  ): void {
    const keyLen = view.keyLength;
    const total = headerBytes(keyLen, expireAt >= 0) + keyLen + valueLen;
    const capacity = this.arena.capacity(view.ref);
    const expired = view.expires;
    if (expired === expireAt >= 0 && total <= capacity && total >= capacity >> 1) {
      writeHeader(view, type, encoding, keyLen, valueLen, expireAt, view.word1);
      if (expired)
        this.index.noteExpiry(view.db, view.slot & LOCAL_MASK, view.hash, view.ref, Number(expireAt));
      return;
    }
    this.#move(view, type, encoding, valueLen, 0, expireAt, 0);
  }

  /** overwrite() where the old value owns blocks: a new record takes the old one's place. */
  #overwriteRooted(
    this: LockedShard,
    view: RecordView,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
  ): void {
    const { db, slot, hash, bytes, keyOffset, keyLength, access } = view;
    this.createDetached(
      view, db, slot, hash, bytes, keyOffset, keyLength, type, encoding, valueLen, expireAt, access,
    ); // biome-ignore format: many short arguments
    this.attach(view);
  }

  /**
   * Gives the record a value of another encoding and length, whose bytes are undefined; key, type, expiry and access
   * stay. Blocks that the old value owns are not freed: the caller has taken them over, or there are none.
   * @param spare bytes of room behind the value
   * @throws OutOfMemoryError; nothing was changed
   */
  overwriteValue(this: LockedShard, view: RecordView, encoding: number, valueLen: number, spare = 0): void {
    if (DEBUG) this.assertHeld();
    const total = view.valueOffset - view.at + valueLen;
    const capacity = this.arena.capacity(view.ref);
    if (total <= capacity && total >= capacity >> 1) {
      view.setEncoding(encoding);
      view.setValueLength(valueLen);
    } else this.#move(view, view.type, encoding, valueLen, 0, expiryOf(view), spare);
  }

  /**
   * Changes the length of the value and keeps its bytes up to the shorter length; new bytes are zero.
   * @param spare bytes of room to leave behind it if the record has to move
   * @throws OutOfMemoryError; nothing was changed
   */
  resize(this: LockedShard, view: RecordView, valueLen: number, spare: number): void {
    if (DEBUG) this.assertHeld();
    const oldLen = view.valueLength;
    const total = view.valueOffset - view.at + valueLen;
    const capacity = this.arena.capacity(view.ref);
    if (total <= capacity && (total >= capacity >> 2 || valueLen >= oldLen)) view.setValueLength(valueLen);
    else
      this.#move(view, view.type, view.encoding, valueLen, Math.min(oldLen, valueLen), expiryOf(view), spare);
    if (valueLen > oldLen) view.bytes.fill(0, view.valueOffset + oldLen, view.valueOffset + valueLen);
  }

  /** Sets the expiry. @param expireAt unix time in ms, 0 or more @throws OutOfMemoryError; nothing was changed */
  setExpiry(this: LockedShard, view: RecordView, expireAt: number | bigint): void {
    if (view.expires) {
      writeExpiry(view, expireAt);
      this.index.noteExpiry(view.db, view.slot & LOCAL_MASK, view.hash, view.ref, Number(expireAt));
    } else this.#move(view, view.type, view.encoding, view.valueLength, view.valueLength, expireAt, 0);
  }

  /** Takes the expiry away. */
  clearExpiry(this: LockedShard, view: RecordView): void {
    if (view.expires) this.#move(view, view.type, view.encoding, view.valueLength, view.valueLength, -1, 0);
  }

  /** Moves a record to a new block of the same content, to empty sparse spans. */
  relocate(this: LockedShard, view: RecordView): void {
    this.#move(view, view.type, view.encoding, view.valueLength, view.valueLength, expiryOf(view), 0);
  }

  /** Copies the record to a new block with another header or size, keeps `kept` bytes of the value, frees the old one. */
  #move(
    view: RecordView,
    type: number,
    encoding: number,
    valueLen: number,
    kept: number,
    expireAt: number | bigint,
    spare: number,
  ): void {
    const keyLen = view.keyLength;
    const header = headerBytes(keyLen, expireAt >= 0);
    const fresh = this.#spare;
    const ref = this.arena.alloc(header + keyLen + valueLen + spare);
    fresh.point(ref);
    writeHeader(fresh, type, encoding, keyLen, valueLen, expireAt, view.word1);
    copyBytes(view.bytes, view.keyOffset, fresh.bytes, fresh.at + header, keyLen + kept);
    if (view.detached) {
      this.arena.free(view.ref);
      view.point(ref);
      return;
    }
    const local = view.slot & LOCAL_MASK;
    this.index.replace(view.db, local, view.hash, view.ref, ref);
    if (expireAt >= 0) this.index.noteExpiry(view.db, local, view.hash, ref, Number(expireAt));
    else if (view.expires) this.index.forgetExpiry(view.db, local, view.hash, ref);
    this.arena.free(view.ref);
    view.point(ref);
  }
}

/** The expiry of a record, exact, -1 for none. */
function expiryOf(view: RecordView): number | bigint {
  const at = view.expireAt;
  return at > Number.MAX_SAFE_INTEGER ? view.expireAtExact : at;
}

/** Copies bytes between buffers, which must not overlap. */
export function copyBytes(from: Buffer, off: number, to: Buffer, at: number, len: number): void {
  if (len > LOOP_COPY_MAX) {
    from.copy(to, at, off, off + len);
    return;
  }
  for (let i = 0; i < len; i++) to[at + i] = from[off + i]!;
}
