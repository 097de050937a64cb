// MULTI, EXEC, DISCARD, WATCH, UNWATCH. What runs queued commands is execution/transactions.ts: these handlers see EXEC only
// where there is nothing to run.

import type { CommandContext } from './context.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { dropTransaction, takeTransaction } from './transaction.ts';
import { unwatchAll, watchArgument } from './watches.ts';

function multi(cx: CommandContext): void {
  if (cx.session.transaction !== null) {
    cx.error('ERR MULTI calls can not be nested');
    return;
  }
  cx.session.transaction = takeTransaction();
  cx.reply.ok();
}

/** Without MULTI: with one, the executor runs it. */
function exec(cx: CommandContext): void {
  cx.error('ERR EXEC without MULTI');
}

function discard(cx: CommandContext): void {
  if (cx.session.transaction === null) {
    cx.error('ERR DISCARD without MULTI');
    return;
  }
  endTransaction(cx);
  cx.reply.ok();
}

/** WATCH key [key ...] */
function watch(cx: CommandContext): void {
  if (cx.session.transaction !== null) {
    cx.error('ERR WATCH inside MULTI is not allowed');
    return;
  }
  for (let arg = 1; arg < cx.argc; arg++) watchArgument(cx, arg);
  cx.reply.ok();
}

function unwatch(cx: CommandContext): void {
  unwatchAll(cx.keyspace.memory, cx.session);
  cx.reply.ok();
}

/** Forgets what a client has queued and what it watches. */
export function endTransaction(cx: CommandContext): void {
  const { session } = cx;
  if (session.transaction !== null) dropTransaction(session.transaction);
  session.transaction = null;
  unwatchAll(cx.keyspace.memory, session);
}

export const transactionCommands: FamilyHandlers = {
  MULTI: { run: multi, place: Place.Connection },
  EXEC: { run: exec, place: Place.InPlace },
  DISCARD: { run: discard, place: Place.Connection },
  WATCH: { run: watch, place: Place.Connection },
  UNWATCH: { run: unwatch, place: Place.Connection },
};
