// Commands on keys whatever their type. Here: DEL, UNLINK, EXISTS, TOUCH, TYPE; the rest by concern:
//
//   generic-expire    EXPIRE, TTL, PERSIST and their kin       generic-scan     SCAN, KEYS, RANDOMKEY
//   generic-copy      RENAME, COPY, MOVE                       generic-object   OBJECT
//   generic-database  DBSIZE, SWAPDB, FLUSHDB, FLUSHALL
//
// Not built yet, so unknown to clients: SORT, MIGRATE, WAIT, WAITAOF.

import { NotifyFlag } from '../config/multi-values.ts';
import { TYPE_NAMES } from '../keyspace/record.ts';
import type { CommandContext } from './context.ts';
import { copyCommands } from './generic-copy.ts';
import { databaseCommands } from './generic-database.ts';
import { expireCommands, lookupQuietly } from './generic-expire.ts';
import { objectCommands } from './generic-object.ts';
import { scanCommands } from './generic-scan.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** What a key costs, in bytes of IN_PLACE_WORK_MAX. */
const KEY_WORK = 64;

export const genericCommands: FamilyHandlers = {
  DEL: { run: del, place: Place.Estimated, estimate: keyWork },
  UNLINK: { run: del, place: Place.Estimated, estimate: keyWork },
  EXISTS: { run: exists, place: Place.Estimated, estimate: keyWork },
  TOUCH: { run: touch, place: Place.Estimated, estimate: keyWork },
  TYPE: { run: type, place: Place.InPlace },
  ...expireCommands,
  ...copyCommands,
  ...databaseCommands,
  ...scanCommands,
  ...objectCommands,
};

function keyWork(cx: CommandContext): number {
  return cx.argc * KEY_WORK;
}

/** DEL and UNLINK: freeing a string is one step whatever its size, so there is nothing to leave for later. */
function del(cx: CommandContext): void {
  let deleted = 0;
  for (let arg = 1; arg < cx.argc; arg++) {
    if (!cx.lookupWrite(arg)) continue;
    cx.deleteRecord(cx.rec);
    cx.keyChanged(arg);
    cx.notify(NotifyFlag.Generic, 'del', arg);
    deleted++;
  }
  cx.reply.integer(deleted);
}

function exists(cx: CommandContext): void {
  let found = 0;
  for (let arg = 1; arg < cx.argc; arg++) if (lookupQuietly(cx, arg)) found++;
  cx.reply.integer(found);
}

function touch(cx: CommandContext): void {
  let found = 0;
  // Redis touches here even for a client that asked for CLIENT NO-TOUCH.
  const noTouch = cx.noTouch;
  cx.noTouch = false;
  for (let arg = 1; arg < cx.argc; arg++) if (cx.lookupRead(arg)) found++;
  cx.noTouch = noTouch;
  cx.reply.integer(found);
}

function type(cx: CommandContext): void {
  if (lookupQuietly(cx, 1)) cx.reply.simpleString(TYPE_NAMES[cx.rec.type]!);
  else cx.reply.simpleString('none');
}
