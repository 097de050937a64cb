// The keys that one client has WATCHed, with what it takes to see at EXEC whether they are as they were: see keyspace/watched.ts.
//
// A key that had expired when it was watched is deleted then, so that its going later is no change. One that expires while it is
// watched makes the transaction void whether or not anybody has deleted it yet.

import type { Keyspace } from '../keyspace/keyspace.ts';
import type { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { unwatchKey, watchKey, watchVersion } from '../keyspace/watched.ts';
import { GlobalWord, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import type { CommandContext } from './context.ts';
import type { Session } from './session.ts';

/** Words of an encoded watch, in front of its key. */
const ENCODED_WORDS = 6;

interface Watch {
  readonly db: number;
  readonly slot: number;
  readonly hash: number;
  readonly key: Buffer;
  readonly entry: number;
  readonly version: number;
}

export class Watches {
  readonly #keys: Watch[] = [];
  /** On a shard worker: a copy, the watches are those of the client's acceptor. */
  borrowed = false;
  #memory: SharedMemory | null = null;
  /** By database and key, once there are many. */
  #known: Set<string> | null = null;

  /** How many there are. */
  get size(): number {
    return this.#keys.length;
  }

  /** Watches key argument `arg`, unless it is watched already. Its shard is locked. */
  add(cx: CommandContext, arg: number): void {
    const off = cx.argOff[arg]!;
    const key = Buffer.from(cx.input.subarray(off, off + cx.argLen[arg]!));
    if (this.#has(cx.db, key)) return;
    const { memory } = cx.keyspace;
    this.#memory = memory;
    const slot = cx.slots[arg]!;
    const hash = cx.hashes[arg]!;
    const entry = watchKey(memory, cx.db, slot, hash);
    this.#keys.push({ db: cx.db, slot, hash, key, entry, version: watchVersion(memory, slot, entry) });
  }

  #has(db: number, key: Buffer): boolean {
    const keys = this.#keys;
    if (keys.length < 8) return keys.some((watch) => watch.db === db && watch.key.equals(key));
    if (this.#known === null) this.#known = new Set(keys.map((watch) => nameOf(watch.db, watch.key)));
    const name = nameOf(db, key);
    if (this.#known.has(name)) return true;
    this.#known.add(name);
    return false;
  }

  /** Ends all watches. */
  release(memory: SharedMemory): void {
    for (const { slot, entry } of this.#keys) unwatchKey(memory, slot, entry);
    this.#keys.length = 0;
    this.#known = null;
  }

  /** Whether a key has changed, as far as is known without locks: CLIENT LIST. */
  get dirty(): boolean {
    return this.#memory !== null && this.anyChanged(this.#memory);
  }

  /** Whether a key has changed. Without locks: one that has not may have by now. */
  anyChanged(memory: SharedMemory): boolean {
    for (const { slot, entry, version } of this.#keys)
      if (watchVersion(memory, slot, entry) !== version) return true;
    return false;
  }

  /** Whether a key has changed, or its time has come. Their shards are locked. */
  anyGone(keyspace: Keyspace, view: RecordView): boolean {
    if (this.anyChanged(keyspace.memory)) return true;
    for (const { db, slot, hash, key } of this.#keys) {
      const shard = keyspace.shards[slot >>> SLOT_TO_SHARD_SHIFT] as LockedShard;
      if (!shard.find(view, db, slot, hash, key, 0, key.length)) continue;
      if (view.expires && view.expireAt <= keyspace.now) return true;
    }
    return false;
  }

  /** Calls `visit` with the shard of each key. */
  eachShard(visit: (shard: number) => void): void {
    for (const { slot } of this.#keys) visit(slot >>> SLOT_TO_SHARD_SHIFT);
  }

  /** Bytes of encode(). */
  get encodedLength(): number {
    return this.#keys.reduce((bytes, { key }) => bytes + ENCODED_WORDS * 4 + key.length, 4);
  }

  /** Writes them at `at`, for a shard worker to look at. @returns where they end */
  encode(to: Buffer, at: number): number {
    at = to.writeInt32LE(this.#keys.length, at);
    for (const { db, slot, hash, key, entry, version } of this.#keys) {
      for (const word of [db, slot, hash, entry, version, key.length]) at = to.writeInt32LE(word, at);
      at += key.copy(to, at);
    }
    return at;
  }

  /** Takes what encode() has written at `at`, borrowed. @returns where they end */
  decode(from: Buffer, at: number): number {
    const count = from.readInt32LE(at);
    at += 4;
    this.borrowed = true;
    for (let i = 0; i < count; i++) {
      const word = (index: number): number => from.readInt32LE(at + index * 4);
      const start = at + ENCODED_WORDS * 4;
      const end = start + word(5);
      this.#keys.push({
        db: word(0),
        slot: word(1),
        hash: word(2),
        entry: word(3),
        version: word(4),
        key: from.subarray(start, end),
      });
      at = end;
    }
    return at;
  }
}

/** Watches key argument `arg` for the client; its shard is locked. */
export function watchArgument(cx: CommandContext, arg: number): void {
  const { session, rec } = cx;
  const shard = cx.shard(arg);
  const off = cx.argOff[arg]!;
  const { slots, hashes, input } = cx;
  if (shard.find(rec, cx.db, slots[arg]!, hashes[arg]!, input, off, cx.argLen[arg]!) && cx.isExpired(rec))
    cx.removeExpired(shard, rec);
  if (session.watches === null) {
    session.watches = new Watches();
    Atomics.add(cx.keyspace.memory.control, GlobalWord.WatchingClients, 1);
  }
  session.watches.add(cx, arg);
}

/** Ends all watches of a client. */
export function unwatchAll(memory: SharedMemory, session: Session): void {
  if (session.watches === null) return;
  const { watches } = session;
  session.watches = null;
  if (watches.borrowed) return;
  watches.release(memory);
  Atomics.sub(memory.control, GlobalWord.WatchingClients, 1);
}

function nameOf(db: number, key: Buffer): string {
  return `${db} ${key.toString('latin1')}`;
}
