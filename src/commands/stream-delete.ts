// The commands that delete single entries: XDEL, and Redis 8.2's XDELEX, which says what becomes of the references that
// consumer groups have.

import { NotifyFlag } from '../config/multi-values.ts';
import type { Stream } from '../structures/stream.ts';
import { compareIds, copyId, IdForm, setLeastId } from '../structures/stream-id.ts';
import { References } from '../structures/stream-trim.ts';
import type { CommandContext } from './context.ts';
import { DeleteOptions } from './stream-options.ts';
import { FIND_WORK, idArgument, streamTools, writeStream } from './stream-tools.ts';
import { type FamilyHandlers, Place } from './table.ts';

const deletion = new DeleteOptions();

/** Deletes an entry and keeps account of the greatest ID deleted. @returns whether it was there */
function deleteEntry(stream: Stream, id: Int32Array): boolean {
  if (!stream.delete(id, 0)) return false;
  const { words, maxDeletedIdAt } = stream;
  if (compareIds(id, 0, words, maxDeletedIdAt) > 0) copyId(id, 0, words, maxDeletedIdAt);
  return true;
}

/** Deletes an entry of a stream whose first ID is up to date, and keeps it so. @returns whether it was there */
export function deleteStreamEntry(stream: Stream, id: Int32Array): boolean {
  if (!deleteEntry(stream, id)) return false;
  const { words, firstIdAt } = stream;
  if (stream.length === 0) setLeastId(words, firstIdAt);
  else if (compareIds(id, 0, words, firstIdAt) === 0) stream.renewFirstId();
  return true;
}

/** Checks that arguments are IDs. @returns false after the error */
export function areIds(cx: CommandContext, first: number, count: number): boolean {
  const { id } = streamTools(cx);
  for (let arg = first; arg < first + count; arg++)
    if (!idArgument(cx, arg, IdForm.Strict, 0, id, 0)) return false;
  return true;
}

/** `XDEL key id [id ...]` */
function xdel(cx: CommandContext): void {
  const { stream, id } = streamTools(cx);
  const found = writeStream(cx, 1);
  if (found === 0) cx.reply.integer(0);
  // All are looked at before anything is deleted.
  if (found !== 1 || !areIds(cx, 2, cx.argc - 2)) return;
  let deleted = 0;
  for (let arg = 2; arg < cx.argc; arg++) {
    idArgument(cx, arg, IdForm.Strict, 0, id, 0);
    if (deleteStreamEntry(stream, id)) deleted++;
  }
  if (deleted > 0) {
    cx.keyChanged(1, deleted);
    cx.notify(NotifyFlag.Stream, 'xdel', 1);
  }
  cx.reply.integer(deleted);
}

/** `XDELEX key [KEEPREF | DELREF | ACKED] IDS numids id [id ...]` */
function xdelex(cx: CommandContext): void {
  const { stream, id } = streamTools(cx);
  if (!deletion.parse(cx, 2)) return;
  const { first, count, references } = deletion;
  const found = writeStream(cx, 1);
  if (found < 0 || !areIds(cx, first, count)) return;
  cx.reply.arrayHeader(count);
  let changed = 0;
  for (let arg = first; arg < first + count; arg++) {
    idArgument(cx, arg, IdForm.Strict, 0, id, 0);
    if (found === 0) cx.reply.integer(-1);
    else if (references === References.Respect && stream.isReferenced(id, 0)) cx.reply.integer(2);
    else {
      const dropped = references === References.Drop && stream.dropReferences(id, 0);
      const deleted = deleteStreamEntry(stream, id);
      if (dropped || deleted) changed++;
      cx.reply.integer(deleted ? 1 : -1);
    }
  }
  if (changed > 0) {
    cx.keyChanged(1, changed);
    cx.notify(NotifyFlag.Stream, 'xdel', 1);
  }
}

function estimateDelete(cx: CommandContext): number {
  return cx.argc * FIND_WORK;
}

export const streamDeleteCommands: FamilyHandlers = {
  XDEL: { run: xdel, place: Place.Estimated, estimate: estimateDelete },
  XDELEX: { run: xdelex, place: Place.Estimated, estimate: estimateDelete },
};
