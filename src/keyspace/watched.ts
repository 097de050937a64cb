// Which keys clients have WATCHed, and how often each has changed since: what every thread must see of it.
//
//   control       GlobalWord.Watching: how many keys are watched, in all; nearly always 0. Counted in GlobalWord.Noticing, too,
//                 which is what writers look at
//   shard header  ShardWord.Watched: how many of them lie in this shard
//   watches       for each shard, in words:
//                   0  entries that were ever in use   1  first free entry (0: none)   2, 3  -
//                   WATCH_BUCKETS words: the first entry of each chain, by the lower bits of the hash
//                   WATCHES_PER_SHARD entries of WATCH_ENTRY_WORDS:
//                     hash | database << 8 | slot in the shard | version | watchers | next of the chain or of the free ones
//
// Who changes a key, in whatever way, calls touched(): the version of the key's entry goes up. A transaction is void when a
// version is not what it was at WATCH. Keys go by database, slot and hash: one in 2^30 keys of the same slot is taken for another,
// whose transaction is then void for nothing; the reverse cannot happen.
//
// Entry 0 stands for every key of its shard: who finds the table full watches that.
//
// Owner rule: the holder of the shard's lock finds, adds and sweeps entries. The number of watchers is counted down by
// anyone at any time (a connection that closes holds no lock); an entry without watchers stays where it is until it is
// found in the way.

import {
  GlobalWord,
  ShardWord,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
  shardWord,
  WATCH_BUCKETS,
  WATCH_ENTRY_WORDS,
  WATCH_HEADER_WORDS,
  WATCH_SHARD_WORDS,
  WATCHES_PER_SHARD,
} from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

const ENTRIES_AT = WATCH_HEADER_WORDS + WATCH_BUCKETS;
const Header = { Used: 0, Free: 1 } as const;
const Entry = { Hash: 0, Where: 1, Version: 2, Watchers: 3, Next: 4 } as const;
const LOCAL_MASK = SLOTS_PER_SHARD - 1;
const DB_SHIFT = 8;
/** Below so many entries nothing is swept. */
const SWEEP_MIN = 256;
/** Stands for all keys of the shard. */
const ANY_KEY = 0;

/**
 * Watches a key. The caller holds the lock of its shard.
 * @returns its entry, to be given back with unwatchKey()
 */
export function watchKey(memory: SharedMemory, db: number, slot: number, hash: number): number {
  const words = memory.watches;
  const shard = slot >>> SLOT_TO_SHARD_SHIFT;
  let entry = find(words, shard, db, slot, hash);
  if (entry === 0) entry = add(memory, shard, db, slot, hash);
  if (Atomics.add(words, entryWord(shard, entry) + Entry.Watchers, 1) === 0) {
    Atomics.add(memory.control, shardWord(shard, ShardWord.Watched), 1);
    Atomics.add(memory.control, GlobalWord.Watching, 1);
    Atomics.add(memory.control, GlobalWord.Noticing, 1);
  }
  return entry;
}

/** Ends a watch; no lock is needed. @param entry from watchKey() */
export function unwatchKey(memory: SharedMemory, slot: number, entry: number): void {
  const shard = slot >>> SLOT_TO_SHARD_SHIFT;
  if (Atomics.sub(memory.watches, entryWord(shard, entry) + Entry.Watchers, 1) !== 1) return;
  Atomics.sub(memory.control, shardWord(shard, ShardWord.Watched), 1);
  Atomics.sub(memory.control, GlobalWord.Watching, 1);
  Atomics.sub(memory.control, GlobalWord.Noticing, 1);
}

/** How often the key of an entry has changed, modulo 2^32. Exact with the lock of its shard held. */
export function watchVersion(memory: SharedMemory, slot: number, entry: number): number {
  return Atomics.load(memory.watches, entryWord(slot >>> SLOT_TO_SHARD_SHIFT, entry) + Entry.Version);
}

/**
 * A key has changed or is gone. The caller holds the lock of its shard. To be asked first: whether GlobalWord.Watching or
 * ShardWord.Watched is 0.
 */
export function touchWatched(memory: SharedMemory, db: number, slot: number, hash: number): void {
  const shard = slot >>> SLOT_TO_SHARD_SHIFT;
  if (memory.control[shardWord(shard, ShardWord.Watched)] === 0) return;
  const entry = find(memory.watches, shard, db, slot, hash);
  if (entry !== 0) bump(memory.watches, shard, entry);
  if (memory.watches[entryWord(shard, ANY_KEY) + Entry.Watchers] !== 0) bump(memory.watches, shard, ANY_KEY);
}

/**
 * Goes through the watched keys of a shard, whose lock the caller holds.
 * @param visit may touch them
 */
export function eachWatched(
  memory: SharedMemory,
  shard: number,
  visit: (db: number, slot: number, hash: number) => void,
): void {
  if (memory.control[shardWord(shard, ShardWord.Watched)] === 0) return;
  const words = memory.watches;
  const used = words[headWord(shard) + Header.Used]!;
  for (let entry = 1; entry < used; entry++) {
    const at = entryWord(shard, entry);
    if (words[at + Entry.Watchers] === 0) continue;
    const where = words[at + Entry.Where]!;
    visit(where >>> DB_SHIFT, (shard << SLOT_TO_SHARD_SHIFT) | (where & LOCAL_MASK), words[at + Entry.Hash]!);
  }
}

/** All keys of a shard may have changed. The caller holds its lock. */
export function touchAnyWatched(memory: SharedMemory, shard: number): void {
  if (memory.watches[entryWord(shard, ANY_KEY) + Entry.Watchers] !== 0) bump(memory.watches, shard, ANY_KEY);
}

function headWord(shard: number): number {
  return shard * WATCH_SHARD_WORDS;
}

function entryWord(shard: number, entry: number): number {
  return shard * WATCH_SHARD_WORDS + ENTRIES_AT + entry * WATCH_ENTRY_WORDS;
}

function bucketWord(shard: number, hash: number): number {
  // The lowest bits are flags of the index, always 0.
  return shard * WATCH_SHARD_WORDS + WATCH_HEADER_WORDS + ((hash >>> 4) & (WATCH_BUCKETS - 1));
}

function bump(words: Int32Array, shard: number, entry: number): void {
  Atomics.add(words, entryWord(shard, entry) + Entry.Version, 1);
}

/** @returns 0 if there is none */
function find(words: Int32Array, shard: number, db: number, slot: number, hash: number): number {
  const where = (db << DB_SHIFT) | (slot & LOCAL_MASK);
  let entry = words[bucketWord(shard, hash)]!;
  while (entry !== 0) {
    const at = entryWord(shard, entry);
    if (words[at + Entry.Hash] === hash && words[at + Entry.Where] === where) return entry;
    entry = words[at + Entry.Next]!;
  }
  return 0;
}

/** @returns the new entry, which nobody watches yet; ANY_KEY if there is no room */
function add(memory: SharedMemory, shard: number, db: number, slot: number, hash: number): number {
  const entry = takeEntry(memory, shard);
  if (entry === ANY_KEY) return ANY_KEY;
  const words = memory.watches;
  const at = entryWord(shard, entry);
  const bucket = bucketWord(shard, hash);
  words[at + Entry.Hash] = hash;
  words[at + Entry.Where] = (db << DB_SHIFT) | (slot & LOCAL_MASK);
  words[at + Entry.Next] = words[bucket]!;
  words[bucket] = entry;
  return entry;
}

/** An entry in no chain. Its version goes on from where it was, so that nobody mistakes it for what it has been. */
function takeEntry(memory: SharedMemory, shard: number): number {
  const words = memory.watches;
  const head = headWord(shard);
  if (words[head + Header.Free] === 0) {
    const used = Math.max(1, words[head + Header.Used]!);
    const live = memory.control[shardWord(shard, ShardWord.Watched)]!;
    if (used > Math.max(SWEEP_MIN, 2 * live) || used === WATCHES_PER_SHARD) sweep(words, shard, used);
    if (words[head + Header.Free] === 0) {
      if (used === WATCHES_PER_SHARD) return ANY_KEY;
      words[head + Header.Used] = used + 1;
      return used;
    }
  }
  const entry = words[head + Header.Free]!;
  words[head + Header.Free] = words[entryWord(shard, entry) + Entry.Next]!;
  return entry;
}

/** Makes the free ones of all entries without watchers, and the chains of the others anew. */
function sweep(words: Int32Array, shard: number, used: number): void {
  const head = headWord(shard);
  words.fill(0, head + WATCH_HEADER_WORDS, head + WATCH_HEADER_WORDS + WATCH_BUCKETS);
  words[head + Header.Free] = 0;
  for (let entry = used - 1; entry > 0; entry--) {
    const at = entryWord(shard, entry);
    const list =
      words[at + Entry.Watchers] === 0 ? head + Header.Free : bucketWord(shard, words[at + Entry.Hash]!);
    words[at + Entry.Next] = words[list]!;
    words[list] = entry;
  }
}
