// Changes of a client's session that several commands make: leaving MONITOR, starting afresh.

import { GlobalWord } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';
import { endTransaction } from './family-transaction.ts';
import { ReplyMode } from './session.ts';

/**
 * Puts the client in MONITOR or takes it out, and counts it. A connection that closes in MONITOR is uncounted by its
 * acceptor.
 */
export function setMonitor(cx: CommandContext, on: boolean): void {
  if (cx.session.monitor === on) return;
  const { control } = cx.keyspace.memory;
  cx.session.monitor = on;
  Atomics.add(control, GlobalWord.Monitors, on ? 1 : -1);
  if (on) cx.session.monitorSince = Atomics.load(control, GlobalWord.Reports);
}

/** What RESET does: all that a new connection begins with, except the library's name and version. */
export function resetSession(cx: CommandContext): void {
  const session = cx.session;
  setMonitor(cx, false);
  endTransaction(cx);
  cx.pubsub.forget(session);
  cx.tracking.disable(session);
  session.db = 0;
  cx.db = 0;
  session.resp = 2;
  cx.reply.resp = 2;
  session.authenticated = !cx.server.acl.authRequired;
  session.identity = cx.server.acl.defaultUser;
  session.name = '';
  session.replyMode = ReplyMode.On;
  session.noTouch = false;
  session.noEvict = false;
}
