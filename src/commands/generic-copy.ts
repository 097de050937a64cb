// Keys that change their name, database or number: RENAME, RENAMENX, COPY, MOVE.
//
// A record holds its key and lies in the arena of its slot's shard, so RENAME and COPY write a new record with a copy of
// the value; where RENAME stays in one shard, blocks of the value pass over to the new record as they are. MOVE changes
// only the indexes, since slot and shard stay the same.
// The target is whole before it takes its place: running out of memory leaves everything as it was.

import { NotifyFlag } from '../config/multi-values.ts';
import { type RecordView, Type } from '../keyspace/record.ts';
import { copyBytes } from '../keyspace/shard.ts';
import { GlobalWord, SLOTS_PER_SHARD } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { databaseArgument, refusedInCluster } from './generic-arguments.ts';
import { exactExpiry } from './generic-expire.ts';
import { type FamilyHandlers, Place } from './table.ts';

export const copyCommands: FamilyHandlers = {
  RENAME: { run: (cx) => rename(cx, false), place: Place.Estimated, estimate: sourceBytes },
  RENAMENX: { run: (cx) => rename(cx, true), place: Place.Estimated, estimate: sourceBytes },
  COPY: { run: copy, place: Place.Estimated, estimate: sourceBytes },
  MOVE: { run: move, place: Place.InPlace },
};

/** Work for each block of a value that is copied, in bytes. */
const BLOCK_WORK = 128;

/** Bytes of the value at argument 1. */
function sourceBytes(cx: CommandContext): number {
  const rec = cx.rec;
  const found = cx
    .shard(1)
    .find(rec, cx.db, cx.slots[1]!, cx.hashes[1]!, cx.input, cx.argOff[1]!, cx.argLen[1]!);
  if (!found) return 0;
  const value = cx.keyspace.structures.rootedOf(rec.type, rec.encoding);
  if (value === null) return rec.valueLength;
  value.open(cx.shard(1).arena, rec.words, rec.rootWord);
  return value.blockCount * BLOCK_WORK;
}

function rename(cx: CommandContext, onlyNew: boolean): void {
  const same = sameArguments(cx, 1, 2);
  if (!cx.lookupWrite(1, cx.rec)) {
    cx.error(ErrorText.NoSuchKey);
    return;
  }
  if (same) {
    if (onlyNew) cx.reply.integer(0);
    else cx.reply.ok();
    return;
  }
  const found = cx.lookupWrite(2, cx.rec2);
  if (found && onlyNew) {
    cx.reply.integer(0);
    return;
  }
  const access = cx.rec.access;
  const moved = copyRecord(cx, cx.rec, cx.db, true);
  cx.rec2.setAccess(access);
  if (moved) cx.shard(1).removeShell(cx.rec);
  else cx.deleteRecord(cx.rec);
  cx.keyChanged(1, 0);
  cx.keyChanged(2, 1);
  cx.notify(NotifyFlag.Generic, 'rename_from', 1);
  cx.notify(NotifyFlag.Generic, 'rename_to', 2);
  if (onlyNew) cx.reply.integer(1);
  else cx.reply.ok();
}

function copy(cx: CommandContext): void {
  let replace = false;
  let db = cx.db;
  for (let arg = 3; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'REPLACE')) replace = true;
    else if (cx.argIs(arg, 'DB') && arg + 1 < cx.argc) {
      db = databaseArgument(cx, ++arg);
      if (Number.isNaN(db)) return;
    } else {
      cx.syntaxError();
      return;
    }
  }
  if (
    (db !== 0 || cx.db !== 0) &&
    refusedInCluster(cx, 'Copying to another database is not allowed in cluster mode')
  )
    return;
  if (db === cx.db && sameArguments(cx, 1, 2)) {
    cx.error(ErrorText.SameObject);
    return;
  }
  if (!cx.lookupRead(1, cx.rec)) {
    cx.reply.integer(0);
    return;
  }
  const found = cx.lookupIn(db, 2, cx.rec2);
  if (found && !replace) {
    cx.reply.integer(0);
    return;
  }
  copyRecord(cx, cx.rec, db, false);
  cx.rec2.setAccess(cx.keyspace.clock.initial());
  cx.keyChanged(2, 1, db);
  cx.notify(NotifyFlag.Generic, 'copy_to', 2, db);
  cx.reply.integer(1);
}

function move(cx: CommandContext): void {
  if (refusedInCluster(cx, 'MOVE is not allowed in cluster mode')) return;
  const db = databaseArgument(cx, 2);
  if (Number.isNaN(db)) return;
  if (db === cx.db) {
    cx.error(ErrorText.SameObject);
    return;
  }
  const rec = cx.rec;
  if (!cx.lookupWrite(1, rec) || cx.lookupIn(db, 1, cx.rec2)) {
    cx.reply.integer(0);
    return;
  }
  // Saved it is, if a snapshot runs: a walk that has been in the other database will not see it any more.
  rec.setEpoch(cx.keyspace.memory.control[GlobalWord.SnapshotEpoch]!);
  const index = cx.shard(1).index;
  const local = rec.slot & (SLOTS_PER_SHARD - 1);
  index.insert(db, local, rec.hash, rec.ref, rec.expireAt);
  if (rec.type === Type.Hash) cx.shard(1).noteFields(rec, db);
  index.remove(cx.db, local, rec.hash, rec.ref);
  cx.keyChanged(1);
  cx.keyChanged(1, 0, db);
  cx.notify(NotifyFlag.New, 'new', 1, db);
  cx.notify(NotifyFlag.Generic, 'move_from', 1);
  cx.notify(NotifyFlag.Generic, 'move_to', 1, db);
  cx.reply.integer(1);
}

/**
 * Gives the key of argument 2 the value and the expiry of a record; cx.rec2 points at its record then.
 * @param db where the key of argument 2 is
 * @param mayMove whether `from` is to go, so that its blocks may pass over to the new record
 * @returns whether they did: then only the shell of `from` is left
 */
function copyRecord(cx: CommandContext, from: RecordView, db: number, mayMove: boolean): boolean {
  const to = cx.rec2;
  const shard = cx.shard(2);
  shard.createDetached(
    to, db, cx.slots[2]!, cx.hashes[2]!, cx.input, cx.argOff[2]!, cx.argLen[2]!,
    from.type, from.encoding, from.valueLength, exactExpiry(from), from.access,
  ); // biome-ignore format: many short arguments
  const value = cx.keyspace.structures.rootedOf(from.type, from.encoding);
  const moves = value !== null && mayMove && from.shard === to.shard;
  if (value === null) copyBytes(from.bytes, from.valueOffset, to.bytes, to.valueOffset, from.valueLength);
  else if (moves) {
    for (let i = 0; i < value.rootWords; i++) to.words[to.rootWord + i] = from.words[from.rootWord + i]!;
  } else {
    try {
      value.open(cx.shardOf(from).arena, from.words, from.rootWord);
      value.copyTo(shard.arena, to.words, to.rootWord);
    } catch (error) {
      shard.discardShell(to);
      throw error;
    }
  }
  try {
    shard.attach(to);
  } catch (error) {
    if (moves) shard.discardShell(to);
    else shard.discard(to);
    throw error;
  }
  // Also of a key that was there: it is deleted first.
  cx.notify(NotifyFlag.New, 'new', 2, db);
  return moves;
}

function sameArguments(cx: CommandContext, a: number, b: number): boolean {
  const len = cx.argLen[a]!;
  if (len !== cx.argLen[b]) return false;
  const from = cx.argOff[a]!;
  const other = cx.argOff[b]!;
  return cx.input.compare(cx.input, from, from + len, other, other + len) === 0;
}
