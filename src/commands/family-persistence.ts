// SAVE BGSAVE LASTSAVE BGREWRITEAOF: requests to the persistence worker, which says what becomes of them.

import { PersistenceGauge } from '../metrics/stats.ts';
import type { CommandContext } from './context.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** Lets the connection wait for the persistence worker's answer: a simple string, or a refusal. */
function askPersistence(cx: CommandContext, method: string, payload?: unknown): void {
  cx.defer(
    cx.server.ask('call-persistence', { method, payload }).then((text) => (reply) => {
      reply.simpleString(text as string);
    }),
  );
}

/** Waits for the snapshot; others go on. */
function save(cx: CommandContext): void {
  askPersistence(cx, 'save');
}

/** BGSAVE [SCHEDULE] */
function backgroundSave(cx: CommandContext): void {
  const schedule = cx.argc === 2 && cx.argIs(1, 'SCHEDULE');
  if (cx.argc > 2 || (cx.argc === 2 && !schedule)) {
    cx.syntaxError();
    return;
  }
  askPersistence(cx, 'bgsave', { schedule });
}

function rewrite(cx: CommandContext): void {
  askPersistence(cx, 'bgrewriteaof');
}

function lastSave(cx: CommandContext): void {
  const at = cx.server.stats.persistence[PersistenceGauge.LastSaveAt]! || cx.server.facts.startedAt;
  cx.reply.integer(Math.floor(at / 1000));
}

export const persistenceCommands: FamilyHandlers = {
  SAVE: { run: save, place: Place.Supervisor },
  BGSAVE: { run: backgroundSave, place: Place.Supervisor },
  BGREWRITEAOF: { run: rewrite, place: Place.Supervisor },
  LASTSAVE: { run: lastSave, place: Place.InPlace },
};
