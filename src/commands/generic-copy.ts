// Keys that change their name, database or number: RENAME, RENAMENX, COPY, MOVE.
//
// A record holds its key and lies in the arena of its slot's shard, so RENAME and COPY write a new record and copy the
// value's bytes; MOVE changes only the indexes, since slot and shard stay the same.
// The target is written before the source goes: running out of memory leaves everything as it was.

import type { RecordView } from '../keyspace/record.ts';
import { copyBytes } from '../keyspace/shard.ts';
import { SLOTS_PER_SHARD } from '../memory/layout.ts';
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

/** Bytes of the value at argument 1. */
function sourceBytes(cx: CommandContext): number {
  const rec = cx.rec;
  const found = cx
    .shard(1)
    .find(rec, cx.db, cx.slots[1]!, cx.hashes[1]!, cx.input, cx.argOff[1]!, cx.argLen[1]!);
  return found ? rec.valueLength : 0;
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
  copyRecord(cx, cx.rec, found, cx.db);
  cx.rec2.setAccess(access);
  cx.deleteRecord(cx.rec);
  cx.keyChanged(1, 0);
  cx.keyChanged(2, 1);
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
  copyRecord(cx, cx.rec, found, db);
  cx.rec2.setAccess(cx.keyspace.clock.initial());
  cx.keyChanged(2);
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
  const index = cx.shard(1).index;
  const local = rec.slot & (SLOTS_PER_SHARD - 1);
  index.insert(db, local, rec.hash, rec.ref, rec.expireAt);
  index.remove(cx.db, local, rec.hash, rec.ref);
  cx.keyChanged(1);
  cx.reply.integer(1);
}

/**
 * Gives the key of argument 2 the value and the expiry of a record; cx.rec2 points at its record then.
 * @param found whether cx.rec2 is the record that the key has now
 * @param db where the key of argument 2 is
 */
function copyRecord(cx: CommandContext, from: RecordView, found: boolean, db: number): void {
  const to = cx.rec2;
  const shard = cx.shard(2);
  const length = from.valueLength;
  const expireAt = exactExpiry(from);
  if (found) shard.overwrite(to, from.type, from.encoding, length, expireAt);
  else {
    const key = cx.argOff[2]!;
    shard.create(
      to, db, cx.slots[2]!, cx.hashes[2]!, cx.input, key, cx.argLen[2]!,
      from.type, from.encoding, length, expireAt, from.access,
    ); // biome-ignore format: many short arguments
  }
  copyBytes(from.bytes, from.valueOffset, to.bytes, to.valueOffset, length);
}

function sameArguments(cx: CommandContext, a: number, b: number): boolean {
  const len = cx.argLen[a]!;
  if (len !== cx.argLen[b]) return false;
  const from = cx.argOff[a]!;
  const other = cx.argOff[b]!;
  return cx.input.compare(cx.input, from, from + len, other, other + len) === 0;
}
