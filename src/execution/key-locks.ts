// The locks of the command that a thread runs: hashes its keys, takes the locks of their shards in ascending order, keeps
// away from keys that others have pinned, lets others in while a long command takes a breath, frees the locks.
//
// A worker sleeps on locks. An acceptor waits for a moment at most; where it gets no lock it holds none afterwards, and
// busy() tells whether to try again or to hand the command over.
//
// A command that works for long may let others have its shards for a moment (breathe); its keys stay pinned meanwhile
// (keyspace/pins.ts), and commands that would write them wait: on an acceptor by being handed over, on a worker asleep.
//
// Deadlock: every thread takes shard locks in ascending order, and a command holds none when it begins. The pool's
// lock (memory/chunk-pool.ts) is taken last and never held while taking another.

import type { CommandContext, Pause } from '../commands/context.ts';
import { keyPositions, touchesUnknownKeys } from '../commands/key-positions.ts';
import { type Command, CommandFlag } from '../commands/table.ts';
import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { KnownRecord } from '../keyspace/known-record.ts';
import { isPinned, isPinnedForWriting, PINS_MAX, pinKeys, unpinKeys, waitForPins } from '../keyspace/pins.ts';
import type { LockedShard, Shard } from '../keyspace/shard.ts';
import type { FreeLocks } from '../keyspace/snapshot.ts';
import {
  GlobalWord,
  SHARD_COUNT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  ThreadWord,
  threadWord,
} from '../memory/layout.ts';
import { sameBytes } from '../structures/bytes.ts';
import type { LookAhead } from './look-ahead.ts';
import { Preserved, type Preserver } from './preserve.ts';
import type { Waiter } from './waiter.ts';
import type { WaiterLocks } from './waiter-service.ts';
import type { WaitingRoom } from './waiting-room.ts';

/** What is locked. */
const Locked = { None: 0, One: 1, Several: 2 } as const;

/** Commands in a row for which a lock is kept: some microseconds. */
const KEPT_COMMANDS = 16;
/** A command that has not said that it is long pins its keys when it has run for so long (ms) and breathes. */
const PIN_AFTER_MS = 1;
/** How often it looks whether others have had the locks that it has let go (ms), and how many times at most. */
const BREATH_MS = 0.02;
const BREATHS_MAX = 10;
/** How long it leaves them to others from then on (ms): where one waited, there are more. */
const OTHERS_MS = 0.15;
/**
 * A long command rests after so long (ms), and for how long: where all cores are busy, the system would let it run for several
 * ms while an acceptor waits for a core. Costs it a tenth.
 */
const RUN_MS = 1;
const REST_MS = 0.06;
/** How long an acceptor waits for a lock (ms): no longer than handing over would take. */
const WAIT_MS = 0.1;
/** After waiting in vain: how long others fail at once (ms). */
const WAIT_AGAIN_MS = 1;
/** How long it waits while a long command is running somewhere, which lets the lock go soon. */
const WAIT_FOR_BREATH_MS = 1;

export class KeyLocks implements Pause, WaiterLocks, FreeLocks {
  /** Key arguments of the command being run: the first `keyCount`. */
  keyArgs: Int32Array = new Int32Array(64);
  keyCount = 0;
  /** The shard locked last, -1: none. */
  lastShard = -1;
  /** Begin of the command being run, by performance.now(). */
  startedAt = 0;
  /** Who waits for keys, on the thread that keeps them. */
  room: WaitingRoom | null = null;
  /** What saves keys for snapshots before they are changed. */
  preserver: Preserver | null = null;
  readonly #keyspace: Keyspace;
  readonly #cx: CommandContext;
  readonly #ahead: LookAhead;
  readonly #known: KnownRecord;
  readonly #worker: boolean;
  readonly #control: Int32Array;
  #locked: number = Locked.None;
  /** Shards of a command with several keys, a bit each: 0..31 and 32..63. */
  #low = 0;
  #high = 0;
  /** Keys that the command being run has pinned. */
  #pinned = 0;
  /** When it last left the processor to others, by performance.now(). */
  #restedAt = 0;
  /** A shard that stays locked from one command to the next, -1: none. Acceptors only, within a batch, see keep(). */
  #kept = -1;
  #keptFor = 0;
  /** Whether the lock that was not to be had belongs to a worker: one in a long command, or about to begin one. */
  #wasBusy = false;
  /** Changes since a shard was locked. */
  #dirty = 0;
  #waitAgainAt = 0;
  /** The key hashed last in a run of commands on one key, within the input of this batch; null: none. */
  #hashed: Buffer | null = null;
  #hashedOff = 0;
  #hashedLen = 0;
  #hashedSlot = 0;
  #hashedHash = 0;

  constructor(keyspace: Keyspace, cx: CommandContext, ahead: LookAhead, worker: boolean) {
    this.#keyspace = keyspace;
    this.#cx = cx;
    this.#known = cx.known;
    this.#ahead = ahead;
    this.#worker = worker;
    this.#control = keyspace.memory.control;
  }

  /** Whether the command being run has locked anything. */
  get any(): boolean {
    return this.#locked !== Locked.None;
  }

  /** Whether it has locked one shard for one key. */
  get one(): boolean {
    return this.#locked === Locked.One;
  }

  /** Why a lock was not to be had: the worker that the command would be handed to may be in a long command. */
  get busy(): boolean {
    return this.#wasBusy;
  }

  /** Locks the shard of a command with one key. @returns false on an acceptor that did not get it */
  lockOne(arg: number): boolean {
    const { oneKey } = this.#ahead;
    if (oneKey) this.#hashInRun(arg);
    else this.#hashOne(arg);
    const shard = this.#keyspace.shards[this.#cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT]!;
    if (shard.id !== this.#kept) {
      this.freeKept();
      if (!this.#acquire(shard)) return false;
    } else if (!oneKey) this.#known.end();
    if (oneKey) this.#known.arg = arg;
    this.#kept = -1;
    this.#locked = Locked.One;
    this.lastShard = shard.id;
    this.keyArgs[0] = arg;
    this.keyCount = 1;
    return true;
  }

  /** Counts changes, in a shard that is locked: when it is freed. */
  countDirty(changes: number): void {
    if (this.lastShard >= 0) this.#dirty += changes;
  }

  #tellDirty(shard: number): void {
    (this.#keyspace.shards[shard] as LockedShard).count(ShardCounter.Dirty, this.#dirty);
    this.#dirty = 0;
  }

  /** Ends a batch: nothing is kept for the next one. */
  endBatch(): void {
    this.freeKept();
    this.#hashed = null;
  }

  /** In a run of commands on one key: as #hashOne, and what is known of the key is forgotten if it is another one. */
  #hashInRun(arg: number): void {
    if (!this.#hashAgain(arg)) this.#known.forget();
  }

  /** Slot and hash of a key argument: looked ahead, or computed now. */
  #hashOne(arg: number): void {
    const cx = this.#cx;
    const ahead = this.#ahead;
    if (ahead.input === cx.input) {
      while (ahead.next < ahead.count && ahead.offsets[ahead.next]! < cx.argOff[arg]!) ahead.next++;
      const i = ahead.next;
      if (i < ahead.count && ahead.offsets[i] === cx.argOff[arg]) {
        cx.slots[arg] = ahead.slots[i]!;
        cx.hashes[arg] = ahead.hashes[i]!;
        return;
      }
    }
    if (ahead.oneKey) this.#hashAgain(arg);
    else hashKey(cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.slots, cx.hashes, arg);
  }

  /** As hashKey, where the key is most likely the one that was hashed last: comparing costs less. @returns whether it was */
  #hashAgain(arg: number): boolean {
    const cx = this.#cx;
    const { input } = cx;
    const off = cx.argOff[arg]!;
    const len = cx.argLen[arg]!;
    if (
      input !== this.#hashed ||
      len !== this.#hashedLen ||
      !sameBytes(input, off, input, this.#hashedOff, len)
    ) {
      hashKey(input, off, len, cx.slots, cx.hashes, arg);
      this.#hashed = input;
      this.#hashedOff = off;
      this.#hashedLen = len;
      this.#hashedSlot = cx.slots[arg]!;
      this.#hashedHash = cx.hashes[arg]!;
      return false;
    }
    cx.slots[arg] = this.#hashedSlot;
    cx.hashes[arg] = this.#hashedHash;
    return true;
  }

  holds(shard: number): boolean {
    if (this.#locked === Locked.None) return false;
    if (this.#locked === Locked.One) return shard === this.lastShard;
    return (shard < 32 ? this.#low & (1 << shard) : this.#high & (1 << (shard - 32))) !== 0;
  }

  holdFor(waiter: Waiter): void {
    if (!this.#holdsAll(waiter.low, waiter.high)) {
      this.unlock();
      this.#low = waiter.low;
      this.#high = waiter.high;
      this.#locked = Locked.Several;
      this.#relock();
    }
    const { memory } = this.#keyspace;
    while (this.#control[GlobalWord.Pinning] !== 0 && waiter.meetsPin(memory)) {
      this.#release();
      waitForPins(memory);
      this.#relock();
    }
  }

  preserveFor(waiter: Waiter, cx: CommandContext): void {
    if (this.#control[GlobalWord.SnapshotActive]! <= 0 || this.preserver === null) return;
    // The command that has brought this about is over: its keys need no pins any more.
    this.#unpin();
    const { keyArgs } = waiter;
    while (this.preserver.keys(cx, keyArgs, keyArgs.length) !== Preserved.Done) this.holdFor(waiter);
  }

  #holdsAll(low: number, high: number): boolean {
    if (this.#locked === Locked.Several) return (low & ~this.#low) === 0 && (high & ~this.#high) === 0;
    if (this.#locked === Locked.None) return false;
    const one = this.lastShard;
    return one < 32 ? low === 1 << one && high === 0 : low === 0 && high === 1 << (one - 32);
  }

  /**
   * Finds and hashes the keys of a command: keyArgs, keyCount.
   * @returns whether it may touch others, too
   */
  findKeys(command: Command): boolean {
    const cx = this.#cx;
    if (cx.argc > cx.slots.length) {
      cx.slots = new Int32Array(cx.argOff.length);
      cx.hashes = new Int32Array(cx.argOff.length);
    }
    let count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.keyArgs);
    if (count > this.keyArgs.length) {
      this.keyArgs = new Int32Array(cx.argOff.length);
      count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.keyArgs);
    }
    this.keyCount = count;
    for (let i = 0; i < count; i++) this.#hashOne(this.keyArgs[i]!);
    return command.unknownKeys && touchesUnknownKeys(command, cx.argc, cx.argOff, cx.argLen, cx.input);
  }

  /** Locks the shards of a command with several keys. @returns false on an acceptor that did not get them all */
  lockKeys(command: Command): boolean {
    const cx = this.#cx;
    const all = this.findKeys(command);
    if (all && !this.#worker) {
      this.#wasBusy = false;
      return false;
    }
    const count = this.keyCount;
    this.#low = all ? -1 : 0;
    this.#high = this.#low;
    for (let i = 0; i < count; i++) {
      this.wantShard(cx.slots[this.keyArgs[i]!]! >>> SLOT_TO_SHARD_SHIFT);
    }
    if (this.room !== null && this.room.size !== 0) this.#addShardsOfWaiters(count);
    return this.#lockSeveral();
  }

  /** Says which shards a transaction needs: lockWanted() locks them. @param low, high a bit for each: 0..31 and 32..63 */
  want(low: number, high: number): void {
    this.#low = low;
    this.#high = high;
  }

  /** One more. */
  wantShard(shard: number): void {
    if (shard < 32) this.#low |= 1 << shard;
    else this.#high |= 1 << (shard - 32);
  }

  /** Adds the shards of those who wait for keys of the command in the context. */
  wantWaiters(): void {
    this.#addShardsOfWaiters(this.keyCount);
  }

  /** @returns false on an acceptor that did not get them all */
  lockWanted(): boolean {
    return this.#low === 0 && this.#high === 0 ? true : this.#lockSeveral();
  }

  #lockSeveral(): boolean {
    this.#locked = Locked.Several;
    if (this.#lockBits(this.#low, 0) && this.#lockBits(this.#high, 32)) return true;
    this.unlock();
    return false;
  }

  /**
   * Adds the shards of whoever would be served first for each key of the command, so that the locks are enough for it and
   * nobody sees the command without what it brings about.
   */
  #addShardsOfWaiters(count: number): void {
    if ((this.#cx.command.flags & CommandFlag.Write) === 0) return;
    const cx = this.#cx;
    const room = this.room!;
    for (let i = 0; i < count; i++) {
      const arg = this.keyArgs[i]!;
      const waiter = room.firstFor(
        cx.db,
        cx.slots[arg]!,
        cx.hashes[arg]!,
        cx.input,
        cx.argOff[arg]!,
        cx.argLen[arg]!,
      );
      if (waiter === null) continue;
      this.#low |= waiter.low;
      this.#high |= waiter.high;
    }
  }

  /** Locks the shards of one half, in ascending order. @returns false if one was busy; the bits are then those held */
  #lockBits(bits: number, base: number): boolean {
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      const id = base + lowestBit(rest);
      const shard = this.#keyspace.shards[id]!;
      if (!this.#acquire(shard)) {
        if (base === 0) {
          this.#low = bits & ~rest;
          this.#high = 0;
        } else this.#high = bits & ~rest;
        return false;
      }
      this.lastShard = id;
    }
    return true;
  }

  /**
   * Lets others have the shards of the command being run, if any of them waits; for workers. The command's keys are
   * pinned meanwhile. See CommandContext.breathe.
   */
  breathe(): void {
    if (!this.#mayPin()) return;
    if (this.#pinned === 0) {
      if (performance.now() - this.startedAt < PIN_AFTER_MS) return;
      this.#pin();
    }
    const shard = this.#waitedFor();
    const now = performance.now();
    if (shard === null) {
      if (now - this.#restedAt >= RUN_MS) this.#rest();
      return;
    }
    const { taken } = shard;
    this.#release();
    // Whoever waits for it needs a moment to wake up; the command would have taken it again by then.
    for (let rest = BREATHS_MAX; rest > 0 && shard.taken === taken; rest--) sleep(BREATH_MS);
    if (shard.taken !== taken) sleep(OTHERS_MS);
    this.#relock();
    this.#restedAt = performance.now();
  }

  /** Leaves the processor to others for a moment, and the locks. */
  #rest(): void {
    this.#release();
    sleep(REST_MS);
    this.#relock();
    this.#restedAt = performance.now();
  }

  /** Pins the keys of the command being run; for workers. See CommandContext.expectLong. */
  expectLong(): void {
    if (this.#pinned === 0 && this.#mayPin()) this.#pin();
  }

  /** A command that reads what another one is about to replace keeps the locks: nobody would wait for its pins. */
  #mayPin(): boolean {
    if (this.#locked === Locked.None || this.keyCount > PINS_MAX) return false;
    if (this.#pinned !== 0) return true;
    const cx = this.#cx;
    for (let i = 0; i < this.keyCount; i++) {
      const arg = this.keyArgs[i]!;
      const shard = cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT;
      if (isPinnedForWriting(this.#keyspace.memory, shard, cx.hashes[arg]!)) return false;
    }
    return true;
  }

  #pin(): void {
    const cx = this.#cx;
    const writes = (cx.command.flags & CommandFlag.Write) !== 0;
    pinKeys(this.#keyspace.memory, cx.slots, cx.hashes, this.keyArgs, this.keyCount, writes);
    this.#pinned = this.keyCount;
  }

  /** A shard of the command being run that another thread waits for; null if there is none. */
  #waitedFor(): Shard | null {
    const { shards } = this.#keyspace;
    if (this.#locked === Locked.One) {
      const shard = shards[this.lastShard] as LockedShard;
      return shard.isWaitedFor() ? shard : null;
    }
    for (let id = 0; id < SHARD_COUNT; id++) {
      const bit = id < 32 ? this.#low & (1 << id) : this.#high & (1 << (id - 32));
      if (bit !== 0 && (shards[id] as LockedShard).isWaitedFor()) return shards[id]!;
    }
    return null;
  }

  /**
   * Waits until no other thread has a key of the command pinned.
   * @returns false on an acceptor, whose locks are freed then
   */
  waitForPins(): boolean {
    while (this.meetsPin()) {
      this.#release();
      if (!this.#worker) {
        this.#locked = Locked.None;
        return false;
      }
      waitForPins(this.#keyspace.memory);
      this.#relock();
    }
    return true;
  }

  /** Whether another thread has a key of the command pinned. */
  meetsPin(): boolean {
    const cx = this.#cx;
    const { memory } = this.#keyspace;
    for (let i = 0; i < this.keyCount; i++) {
      const arg = this.keyArgs[i]!;
      if (isPinned(memory, cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT, cx.hashes[arg]!)) return true;
    }
    return false;
  }

  /** Takes one lock: a worker waits for it, an acceptor for a moment. */
  #acquire(shard: Shard): boolean {
    if (this.#worker) {
      shard.acquire();
      return true;
    }
    if (shard.tryAcquire() !== null) return true;
    shard.countContention();
    const now = performance.now();
    const pinning = this.#control[GlobalWord.Pinning] !== 0;
    if (pinning || now >= this.#waitAgainAt) {
      if (shard.acquireWithin(pinning ? WAIT_FOR_BREATH_MS : WAIT_MS) !== null) return true;
      this.#waitAgainAt = performance.now() + WAIT_AGAIN_MS;
    }
    const { holder } = shard;
    this.#wasBusy = holder === 0 || this.#control[threadWord(holder, ThreadWord.Worker)] !== 0;
    return false;
  }

  unlock(): void {
    if (this.#locked === Locked.None) return;
    if (this.#dirty !== 0) this.#tellDirty(this.lastShard);
    this.#unpin();
    this.#release();
    this.#locked = Locked.None;
    this.lastShard = -1;
  }

  #unpin(): void {
    if (this.#pinned === 0) return;
    unpinKeys(this.#keyspace.memory, this.#cx.slots, this.keyArgs, this.#pinned);
    this.#pinned = 0;
  }

  /** Frees the locks of the command being run until relock(), which a worker alone may call. */
  release(): void {
    this.#release();
  }

  relock(): void {
    this.#relock();
  }

  /**
   * Keeps the lock of the command being run for the next one, where many in a row are on one key: unless somebody waits for
   * it, and for a few commands only. What is known of the key stays known (cx.known).
   */
  keep(): void {
    const shard = this.#keyspace.shards[this.lastShard] as LockedShard;
    if (++this.#keptFor >= KEPT_COMMANDS || shard.isWaitedFor()) {
      this.#keptFor = 0;
      this.unlock();
      return;
    }
    this.#kept = this.lastShard;
    this.#locked = Locked.None;
    this.lastShard = -1;
  }

  freeKept(): void {
    if (this.#kept < 0) return;
    this.#known.end();
    if (this.#dirty !== 0) this.#tellDirty(this.#kept);
    (this.#keyspace.shards[this.#kept] as LockedShard).release();
    this.#kept = -1;
  }

  /** Frees the locks that the command being run holds. */
  #release(): void {
    if (this.#known.arg >= 0) this.#known.end();
    if (this.#locked === Locked.One) (this.#keyspace.shards[this.lastShard] as LockedShard).release();
    else {
      this.#unlockBits(this.#low, 0);
      this.#unlockBits(this.#high, 32);
    }
  }

  /** Takes them again; for workers. */
  #relock(): void {
    if (this.#locked === Locked.One) this.#keyspace.shards[this.lastShard]!.acquire();
    else {
      this.#lockBits(this.#low, 0);
      this.#lockBits(this.#high, 32);
    }
  }

  #unlockBits(bits: number, base: number): void {
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      (this.#keyspace.shards[base + lowestBit(rest)] as LockedShard).release();
    }
  }
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps. @param ms fractions count */
function sleep(ms: number): void {
  Atomics.wait(nap, 0, 0, ms);
}

/** Index of the lowest bit that is set. @param bits not 0 */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
