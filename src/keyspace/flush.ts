// Emptying databases: at once, or by detaching them and freeing them later in steps.
//
// Behind the databases of clients each shard has one more entry, the hidden database (`hiddenDatabase`). FLUSHDB ASYNC
// moves a database's entry there: to clients it is empty at once. Shard workers free what is hidden in bounded steps
// (`lazyFree`); GlobalWord.LazyFree counts the shards that have something hidden. Nothing else ever looks there.
//
// Owner rule: a shard's entries belong to the holder of its lock, the hidden one too.

import { GlobalWord, SLOTS_PER_SHARD } from '../memory/layout.ts';
import { hiddenDatabase } from '../memory/shared-memory.ts';
import type { Keyspace } from './keyspace.ts';
import { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';
import { DbWord } from './slot-segments.ts';
import { eachWatched, touchAnyWatched, touchWatched } from './watched.ts';

/** Slots up to this many keys are freed in one step, segment by segment. */
const SLOT_KEYS_AT_ONCE = 2048;

/**
 * Empties one database of a shard, or all of them.
 * @param db -1 for all
 * @param lazy whether the work may be left to lazyFree
 * @returns how many keys there were
 */
export function flushDatabase(shard: LockedShard, db: number, lazy: boolean): number {
  const hidden = hiddenDatabase(shard.memory);
  let keys = 0;
  let others = 0;
  for (let other = 0; other < hidden; other++) {
    if (db < 0 || other === db) keys += shard.keys(other);
    else others += shard.keys(other);
  }
  if (keys === 0 && (others > 0 || shard.arena.used === 0)) return 0;
  if (shard.memory.control[GlobalWord.Watching] !== 0) touchFlushed(shard, db);
  if (others === 0) resetShard(shard);
  else if (!lazy || !hideDatabase(shard, db)) clearDatabase(shard, db);
  return keys;
}

/** Tells who watches keys that are there and about to go. @param db -1 for all */
function touchFlushed(shard: LockedShard, db: number): void {
  eachWatched(shard.memory, shard.id, (watchedDb, slot, hash) => {
    if (db >= 0 && watchedDb !== db) return;
    if (shard.index.findHash(watchedDb, slot & (SLOTS_PER_SHARD - 1), hash) !== 0)
      touchWatched(shard.memory, watchedDb, slot, hash);
  });
  touchAnyWatched(shard.memory, shard.id);
}

/** Gives all memory of a shard back without visiting it. */
function resetShard(shard: LockedShard): void {
  const hidden = hiddenDatabase(shard.memory);
  if (shard.keys(hidden) > 0) Atomics.sub(shard.memory.control, GlobalWord.LazyFree, 1);
  shard.forgetBuried();
  for (let db = 0; db <= hidden; db++) shard.index.forget(db);
  shard.arena.reset();
}

/** @returns false if the shard has something hidden already */
function hideDatabase(shard: LockedShard, db: number): boolean {
  const hidden = hiddenDatabase(shard.memory);
  if (shard.index.dbWord(hidden, DbWord.Table) !== 0) return false;
  shard.index.swap(db, hidden);
  Atomics.add(shard.memory.control, GlobalWord.LazyFree, 1);
  return true;
}

function clearDatabase(shard: LockedShard, db: number): void {
  for (let local = 0; local < SLOTS_PER_SHARD; local++) shard.clearSlot(db, local);
}

/**
 * Frees hidden keys.
 * @param limit about how many at most: up to SLOT_KEYS_AT_ONCE more
 * @returns how many; less than `limit` means that nothing is left in this shard
 */
export function lazyFree(shard: LockedShard, limit: number): number {
  const hidden = hiddenDatabase(shard.memory);
  if (shard.keys(hidden) === 0) return 0;
  let freed = 0;
  for (let local = 0; local < SLOTS_PER_SHARD && freed < limit; local++) {
    const keys = shard.index.slotKeys(hidden, local);
    if (keys <= SLOT_KEYS_AT_ONCE) freed += shard.clearSlot(hidden, local);
    else freed += removeSome(shard, hidden, local, limit - freed);
  }
  if (shard.keys(hidden) === 0) Atomics.sub(shard.memory.control, GlobalWord.LazyFree, 1);
  return freed;
}

function removeSome(shard: LockedShard, db: number, local: number, limit: number): number {
  const refs: number[] = [];
  const hashes: number[] = [];
  shard.index.scanSlot(db, local, 0, limit, refs, hashes);
  const rec = new RecordView(shard.memory);
  for (let i = 0; i < refs.length; i++) {
    shard.meet(rec, db, local, hashes[i]!, refs[i]!);
    shard.remove(rec);
  }
  return refs.length;
}

/** Keys and dead values that wait to be freed: INFO's lazyfree_pending_objects. */
export function lazyFreePending(keyspace: Keyspace): number {
  let pending = keyspace.size(hiddenDatabase(keyspace.memory));
  for (const shard of keyspace.shards) pending += shard.buried;
  return pending;
}
