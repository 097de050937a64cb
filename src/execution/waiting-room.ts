// Who waits for which keys, over all acceptors: kept by one thread, the first shard worker.
//
//   (database, key) ─▶ AwaitedKey ─▶ its waiters, in the order in which they blocked
//
// All threads see from shared memory which keys may be waited for (keyspace/awaited.ts) and leave commands that write
// those to this thread. What such a command changes is noted here (`changed`) and served before its locks are freed
// (waiter-service.ts).
//
// A waiter keeps its place in all its queues until its wait is over, also when it was looked at and there was
// nothing for it.

import type { KeyWatch } from '../commands/context.ts';
import { AwaitedKeys, isAwaited } from '../keyspace/awaited.ts';
import { SHARD_COUNT, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import type { Waiter } from './waiter.ts';

/** Connections are numbered per acceptor with 31 bits. */
const CONNECTIONS = 2 ** 31;

/** A key that somebody waits for. */
export class AwaitedKey {
  readonly db: number;
  readonly slot: number;
  readonly hash: number;
  /** Its bytes, and the same as latin1. */
  readonly bytes: Buffer;
  readonly name: string;
  /** In order: a Set keeps that of insertion. */
  readonly waiters = new Set<Waiter>();
  /** Waiters to whom its deletion matters. */
  orGone = 0;
  /** Noted as changed. */
  ready = false;

  constructor(db: number, slot: number, hash: number, name: string) {
    this.db = db;
    this.slot = slot;
    this.hash = hash;
    this.bytes = Buffer.from(name, 'latin1');
    this.name = name;
  }
}

export class WaitingRoom implements KeyWatch {
  /** How many clients wait. */
  size = 0;
  readonly deadlines = new DeadlineHeap();
  readonly #control: Int32Array;
  readonly #awaited: AwaitedKeys;
  readonly #stats: Stats;
  readonly #databases = new Map<number, Map<string, AwaitedKey>>();
  readonly #byClient = new Map<number, Waiter>();
  readonly #byConnection = new Map<number, Waiter>();
  #keys = 0;
  #goneKeys = 0;
  #ready: AwaitedKey[] = [];

  constructor(memory: SharedMemory, stats: Stats) {
    this.#control = memory.control;
    this.#awaited = new AwaitedKeys(memory);
    this.#stats = stats;
  }

  /** Whether a key is noted as changed. */
  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** The keys noted as changed, in the order in which they were first; they count as not changed from here on. */
  takeReady(): readonly AwaitedKey[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** Puts a waiter at the end of the queues of its keys. The caller holds the locks of their shards. */
  add(waiter: Waiter): void {
    const { db } = waiter.session;
    const keys = this.#database(db);
    for (let arg = waiter.firstKey; arg < waiter.firstKey + waiter.keyCount; arg++) {
      const off = waiter.argOff[arg]!;
      const name = waiter.input.toString('latin1', off, off + waiter.argLen[arg]!);
      let key = keys.get(name);
      if (key === undefined) {
        key = new AwaitedKey(db, waiter.slots[arg]!, waiter.hashes[arg]!, name);
        keys.set(name, key);
        this.#awaited.add(key.slot, key.hash);
        this.#keys++;
      }
      // The same key may be named twice.
      if (key.waiters.has(waiter)) continue;
      key.waiters.add(waiter);
      waiter.keys.push(key);
      if (waiter.orGone && key.orGone++ === 0) this.#countGone(key, 1);
    }
    this.#byClient.set(waiter.session.id, waiter);
    this.#byConnection.set(waiter.acceptor * CONNECTIONS + waiter.connection, waiter);
    if (waiter.until > 0) this.deadlines.add(waiter);
    this.size++;
    this.#publish();
  }

  /** Ends a wait. */
  remove(waiter: Waiter): void {
    for (const key of waiter.keys) {
      key.waiters.delete(waiter);
      if (waiter.orGone && --key.orGone === 0) this.#countGone(key, -1);
      if (key.waiters.size > 0) continue;
      this.#awaited.remove(key.slot, key.hash);
      this.#keys--;
      const keys = this.#databases.get(key.db)!;
      keys.delete(key.name);
      if (keys.size === 0) this.#databases.delete(key.db);
    }
    this.#byClient.delete(waiter.session.id);
    this.#byConnection.delete(waiter.acceptor * CONNECTIONS + waiter.connection);
    this.deadlines.remove(waiter);
    this.size--;
    this.#publish();
  }

  /** @param id of the client @returns null if it does not wait */
  ofClient(id: number): Waiter | null {
    return this.#byClient.get(id) ?? null;
  }

  /** @param connection its number at the acceptor @returns null if it does not wait */
  ofConnection(acceptor: number, connection: number): Waiter | null {
    return this.#byConnection.get(acceptor * CONNECTIONS + connection) ?? null;
  }

  /** The first of those who wait for a key, null if nobody does. */
  firstFor(db: number, slot: number, hash: number, input: Buffer, off: number, len: number): Waiter | null {
    if (!isAwaited(this.#control, slot >>> SLOT_TO_SHARD_SHIFT, hash)) return null;
    const key = this.#databases.get(db)?.get(input.toString('latin1', off, off + len));
    return key === undefined ? null : (key.waiters.values().next().value ?? null);
  }

  /** Notes that a key has changed. */
  changed(db: number, slot: number, hash: number, input: Buffer, off: number, len: number): void {
    if (!isAwaited(this.#control, slot >>> SLOT_TO_SHARD_SHIFT, hash)) return;
    const key = this.#databases.get(db)?.get(input.toString('latin1', off, off + len));
    if (key !== undefined) this.#note(key);
  }

  /** Notes that any key may have changed: after FLUSHALL, SWAPDB. */
  allChanged(): void {
    for (const keys of this.#databases.values()) for (const key of keys.values()) this.#note(key);
  }

  /** Notes the keys that may have been deleted behind this thread's back: expired, evicted. */
  noteGone(): void {
    if (!this.#awaited.marked) return;
    const shards = this.#awaited.takeMarks(SHARD_COUNT);
    for (const keys of this.#databases.values()) {
      for (const key of keys.values()) {
        if (key.orGone > 0 && shards.includes(key.slot >>> SLOT_TO_SHARD_SHIFT)) this.#note(key);
      }
    }
  }

  #note(key: AwaitedKey): void {
    if (key.ready) return;
    key.ready = true;
    this.#ready.push(key);
  }

  #countGone(key: AwaitedKey, by: number): void {
    this.#awaited.countGone(key.slot, by);
    this.#goneKeys += by;
  }

  #database(db: number): Map<string, AwaitedKey> {
    let keys = this.#databases.get(db);
    if (keys === undefined) {
      keys = new Map();
      this.#databases.set(db, keys);
    }
    return keys;
  }

  /** What INFO tells. */
  #publish(): void {
    const stats = this.#stats;
    stats.set(Stat.Blocked, this.size);
    stats.set(Stat.BlockingKeys, this.#keys);
    stats.set(Stat.BlockingKeysOnGone, this.#goneKeys);
    stats.set(Stat.BlockedWithTimeout, this.deadlines.size);
  }
}
