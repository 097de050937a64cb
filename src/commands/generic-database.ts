// Databases as a whole: DBSIZE, SWAPDB, FLUSHDB, FLUSHALL.
//
// SWAPDB and the FLUSH commands take the locks of all shards, ascending, so that no command sees one shard before and
// another one after. A shard that nothing is left in is given back to the pool as a whole; from any other, FLUSHDB
// SYNC frees key by key, and ASYNC detaches the database, which shard workers free later.

import { flushDatabase } from '../keyspace/flush.ts';
import { anyPins, withoutPins } from '../keyspace/pins.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { leaveDatabase, VoidReason, voidSnapshot } from '../keyspace/snapshot.ts';
import { eachWatched, touchAnyWatched, touchWatched } from '../keyspace/watched.ts';
import { GlobalWord, SHARD_COUNT, ShardCounter, SLOTS_PER_SHARD } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { intArgument, refusedInCluster } from './generic-arguments.ts';
import { type FamilyHandlers, Place } from './table.ts';

const ALL_DATABASES = -1;

export const databaseCommands: FamilyHandlers = {
  DBSIZE: { run: databaseSize, place: Place.InPlace },
  SWAPDB: { run: swapDatabases, place: Place.Worker },
  FLUSHDB: { run: (cx) => flush(cx, cx.db), place: Place.Worker },
  FLUSHALL: { run: (cx) => flush(cx, ALL_DATABASES), place: Place.Worker },
};

function databaseSize(cx: CommandContext): void {
  cx.reply.integer(cx.keyspace.size(cx.db));
}

function swapDatabases(cx: CommandContext): void {
  if (refusedInCluster(cx, 'SWAPDB is not allowed in cluster mode')) return;
  const a = intArgument(cx, 1, 'ERR invalid first DB index');
  if (Number.isNaN(a)) return;
  const b = intArgument(cx, 2, 'ERR invalid second DB index');
  if (Number.isNaN(b)) return;
  const count = cx.keyspace.memory.databaseCount;
  if (a < 0 || a >= count || b < 0 || b >= count) {
    cx.error(ErrorText.DbIndex);
    return;
  }
  withAllShards(cx, true, (shards) => {
    if (a !== b) {
      touchSwapped(cx, shards, a, b);
      for (const db of [a, b]) leaveDatabase(cx.keyspace, shards, db, VoidReason.Swapped);
      for (const shard of shards) shard.index.swap(a, b);
      cx.keyspace.tracker?.flushed(cx.session.id);
    }
    shards[0]!.count(ShardCounter.Dirty, 1);
    tellVerbatim(cx);
    cx.reply.ok();
  });
}

/**
 * Tells who watches keys of two databases that change places: of keys that are there before or will be there then. What has
 * expired is neither.
 */
function touchSwapped(cx: CommandContext, shards: readonly LockedShard[], a: number, b: number): void {
  const { memory } = cx.keyspace;
  if (memory.control[GlobalWord.Watching] === 0) return;
  for (const shard of shards) {
    eachWatched(memory, shard.id, (db, slot, hash) => {
      if (db !== a && db !== b) return;
      const inA = isAlive(cx, shard, a, slot, hash);
      if (isAlive(cx, shard, b, slot, hash) || inA) touchWatched(memory, db, slot, hash);
    });
    touchAnyWatched(memory, shard.id);
  }
}

/** Whether there is a key with this hash that has not expired; one that has is deleted. */
function isAlive(cx: CommandContext, shard: LockedShard, db: number, slot: number, hash: number): boolean {
  const ref = shard.index.findHash(db, slot & (SLOTS_PER_SHARD - 1), hash);
  if (ref === 0) return false;
  shard.meet(cx.rec, db, slot, hash, ref);
  return !cx.isExpired(cx.rec) || !cx.removeExpired(shard, cx.rec);
}

function flush(cx: CommandContext, db: number): void {
  if (cx.argc > 2 || (cx.argc === 2 && !cx.argIs(1, 'SYNC') && !cx.argIs(1, 'ASYNC'))) {
    cx.syntaxError();
    return;
  }
  const lazy = cx.argc === 2 ? cx.argIs(1, 'ASYNC') : cx.server.config.getBool('lazyfree-lazy-user-flush');
  withAllShards(cx, true, (shards) => {
    // As Redis: FLUSHALL ends a running save whatever there is to flush.
    if (db === ALL_DATABASES) voidSnapshot(cx.keyspace, VoidReason.FlushedAll);
    else leaveDatabase(cx.keyspace, shards, db, VoidReason.Flushed);
    for (const shard of shards) shard.count(ShardCounter.Dirty, flushDatabase(shard, db, lazy));
    cx.keyspace.tracker?.flushed(cx.session.id);
    tellVerbatim(cx);
    if (db !== ALL_DATABASES || !savesItself(cx)) cx.reply.ok();
    else cx.request('call-persistence', { method: 'save-flushed' });
  });
}

/** FLUSHALL saves, where there are save points: else what is gone would come back after a crash. */
function savesItself(cx: CommandContext): boolean {
  const loading = Atomics.load(cx.keyspace.memory.control, GlobalWord.Loading) !== 0;
  return !loading && cx.server.config.getMulti('save').length > 0;
}

/** Tells the command while all shards are locked, also if it has changed nothing, as Redis does. */
function tellVerbatim(cx: CommandContext): void {
  if (!cx.effects.wanted) return;
  cx.effects.verbatim();
  cx.tellNow();
}

/**
 * Runs `work` with every shard locked; hands the command over if this thread may not wait for one.
 * @param alone whether it must wait for long commands that have keys pinned: it changes what they may be reading
 */
export function withAllShards(
  cx: CommandContext,
  alone: boolean,
  work: (shards: readonly LockedShard[]) => void,
): void {
  const { memory } = cx.keyspace;
  const attempt = (): boolean =>
    lockAll(cx, (shards) => {
      // Pins are set under locks: with all of them held there can be no new ones.
      const pinned = alone && anyPins(memory);
      if (pinned && !cx.mayBlock) cx.handOver();
      else if (!pinned) work(shards);
      return !pinned || !cx.mayBlock;
    });
  if (alone && cx.mayBlock) withoutPins(memory, attempt);
  else attempt();
}

/** Runs `work` with every shard locked. @returns what it returns; true if the command is handed over instead */
function lockAll(cx: CommandContext, work: (shards: readonly LockedShard[]) => boolean): boolean {
  const taken: LockedShard[] = [];
  try {
    for (let id = 0; id < SHARD_COUNT; id++) {
      const shard = cx.enterShard(id);
      if (shard === null) {
        cx.handOver();
        return true;
      }
      taken.push(shard);
    }
    return work(taken);
  } finally {
    for (const shard of taken) cx.leaveShard(shard);
  }
}
