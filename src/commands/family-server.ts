// MONITOR TIME SHUTDOWN LOLWUT ROLE.

import { setMonitor } from './client-session.ts';
import type { CommandContext } from './context.ts';
import { lolwutCommand } from './lolwut.ts';
import { unixMicroseconds } from './server-clock.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** A client that is in MONITOR already gets no reply, as from Redis. */
function monitorCommand(cx: CommandContext): void {
  if (cx.session.monitor) return;
  if (cx.session.denyBlocking) {
    cx.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
    return;
  }
  setMonitor(cx, true);
  cx.reply.ok();
}

function timeCommand(cx: CommandContext): void {
  const now = unixMicroseconds();
  cx.reply.arrayHeader(2);
  cx.reply.bulkString(String(Math.floor(now / 1_000_000)));
  cx.reply.bulkString(String(now % 1_000_000));
}

/** SHUTDOWN [NOSAVE|SAVE] [NOW] [FORCE] [ABORT] */
function shutdownCommand(cx: CommandContext): void {
  const given = { save: false, noSave: false, now: false, force: false };
  let abort = false;
  for (let i = 1; i < cx.argc; i++) {
    if (cx.argIs(i, 'SAVE')) given.save = true;
    else if (cx.argIs(i, 'NOSAVE')) given.noSave = true;
    else if (cx.argIs(i, 'NOW')) given.now = true;
    else if (cx.argIs(i, 'FORCE')) given.force = true;
    else if (cx.argIs(i, 'ABORT')) abort = true;
    else {
      cx.syntaxError();
      return;
    }
  }
  const others = given.save || given.noSave || given.now || given.force;
  if ((abort && others) || (given.save && given.noSave)) cx.syntaxError();
  else if (abort) cx.defer(cx.server.ask('abort-shutdown').then(() => (reply) => reply.ok()));
  // Never answered but by an error: the connection closes with the server.
  else cx.defer(cx.server.ask('shutdown', given).then(() => () => {}));
}

/** A server without replication is a master at offset 0 that has no replicas. */
function roleCommand(cx: CommandContext): void {
  cx.reply.arrayHeader(3);
  cx.reply.bulkString('master');
  cx.reply.integer(0);
  cx.reply.emptyArray();
}

export const serverCommands: FamilyHandlers = {
  MONITOR: { run: monitorCommand, place: Place.Connection },
  TIME: { run: timeCommand, place: Place.InPlace },
  SHUTDOWN: { run: shutdownCommand, place: Place.Supervisor },
  LOLWUT: { run: lolwutCommand, place: Place.Worker },
  ROLE: { run: roleCommand, place: Place.InPlace },
};
