// How far a consumer group has read: entries-read and lag, as Redis 7.4 tells and estimates them.
//
// A group counts what it delivers. That count is good as long as no entry behind its last ID was deleted from the middle
// of the stream, of which the stream remembers the greatest such ID only. Otherwise it is estimated where that is possible:
// for the last entry, for the first one, and before the first one; else it is unknown.

import type { Stream } from './stream.ts';
import { addTo, type StreamGroup } from './stream-group.ts';
import { compareIds, copyId, isLeastId } from './stream-id.ts';

/** entries-read or lag cannot be told. */
export const UNKNOWN = -1;

/** Whether an entry after an ID, or at it, was deleted from the middle of the stream. */
function hasTombstones(stream: Stream, id: Int32Array, i: number): boolean {
  const { words, maxDeletedIdAt } = stream;
  if (stream.length === 0 || isLeastId(words, maxDeletedIdAt)) return false;
  return compareIds(id, i, words, maxDeletedIdAt) <= 0;
}

/**
 * How many entries were ever added up to an ID, this one included.
 * @returns UNKNOWN if that can't be told
 */
export function estimateEntriesRead(stream: Stream, id: Int32Array, i: number): number {
  const { words, entriesAdded, length, firstIdAt, lastIdAt, maxDeletedIdAt } = stream;
  if (entriesAdded === 0) return 0;
  const toLast = compareIds(id, i, words, lastIdAt);
  if (length === 0 && toLast <= 0) return entriesAdded;
  if (!isLeastId(id, i) && compareIds(id, i, words, maxDeletedIdAt) < 0) return UNKNOWN;
  if (toLast === 0) return entriesAdded;
  if (toLast > 0) return UNKNOWN;
  const whole = isLeastId(words, maxDeletedIdAt) || compareIds(words, maxDeletedIdAt, words, firstIdAt) < 0;
  if (!whole) return UNKNOWN;
  const toFirst = compareIds(id, i, words, firstIdAt);
  if (toFirst < 0) return entriesAdded - length;
  return toFirst === 0 ? entriesAdded - length + 1 : UNKNOWN;
}

/** Notes that an entry is delivered: if it is a new one, the group's last ID and its count go on. */
export function noteDelivered(stream: Stream, group: StreamGroup, id: Int32Array, i: number): void {
  const { words, lastIdAt } = group;
  if (compareIds(id, i, words, lastIdAt) <= 0) return;
  const { entriesRead } = group;
  const counts =
    entriesRead !== UNKNOWN &&
    compareIds(words, lastIdAt, stream.words, stream.firstIdAt) >= 0 &&
    !hasTombstones(stream, words, lastIdAt);
  if (counts) addTo(words, group.entriesReadAt, 1);
  else if (stream.entriesAdded > 0) group.entriesRead = estimateEntriesRead(stream, id, i);
  copyId(id, i, words, lastIdAt);
}

/** Entries that a group has not got yet. @returns NaN if that can't be told */
export function lagOf(stream: Stream, group: StreamGroup): number {
  const { words, entriesAdded, length, firstIdAt, maxDeletedIdAt } = stream;
  if (entriesAdded === 0 || length === 0) return 0;
  const behindFirst =
    compareIds(group.words, group.lastIdAt, words, firstIdAt) < 0 &&
    compareIds(words, maxDeletedIdAt, words, firstIdAt) < 0;
  if (behindFirst) return length;
  const { entriesRead } = group;
  if (entriesRead !== UNKNOWN && !hasTombstones(stream, group.words, group.lastIdAt)) {
    return entriesAdded - entriesRead;
  }
  const estimate = estimateEntriesRead(stream, group.words, group.lastIdAt);
  return estimate === UNKNOWN ? Number.NaN : entriesAdded - estimate;
}
