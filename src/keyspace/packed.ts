// Edits of listpacks and intsets that are the value of a record: room first, then the change.
//
// Whatever grows makes the record larger before it touches a byte, so an OutOfMemoryError leaves everything as it was.
// Whatever shrinks gives memory back when the record is far too large for its value, and is content with the old
// block if there is no memory to move to.
// The record's value length is always exactly the listpack's or intset's size. A call may move the record: the views
// (`rec`, and the cursor passed in) are re-pointed, positions stay good.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import type { Intset } from '../structures/intset.ts';
import type { EntryEncoder, Listpack } from '../structures/listpack.ts';
import type { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';

/** Points a cursor at the listpack of a record. */
export function openListpack(lp: Listpack, rec: RecordView): void {
  lp.open(rec.bytes, rec.valueOffset);
}

/**
 * Inserts an entry at a position (Listpack.end: appends), which becomes the cursor's.
 * @param lp on the record's listpack
 * @throws OutOfMemoryError; nothing was changed
 */
export function insertEntry(
  shard: LockedShard,
  rec: RecordView,
  lp: Listpack,
  pos: number,
  entry: EntryEncoder,
): void {
  makeRoom(shard, rec, lp, entry.size);
  lp.insert(pos, entry);
}

/** As insertEntry, for two entries in a row: field and value, member and score. `pos` becomes the first one's. */
export function insertPair(
  shard: LockedShard,
  rec: RecordView,
  lp: Listpack,
  pos: number,
  first: EntryEncoder,
  second: EntryEncoder,
): void {
  makeRoom(shard, rec, lp, first.size + second.size);
  lp.insert(pos, second);
  lp.insert(pos, first);
}

/**
 * Puts another entry in the place of the one at a position.
 * @throws OutOfMemoryError; nothing was changed
 */
export function replaceEntry(
  shard: LockedShard,
  rec: RecordView,
  lp: Listpack,
  pos: number,
  entry: EntryEncoder,
): void {
  const oldSize = lp.forward(pos, 1) - pos;
  if (entry.size > oldSize) makeRoom(shard, rec, lp, entry.size - oldSize);
  lp.replace(pos, oldSize, entry);
  if (entry.size < oldSize) giveRoom(shard, rec, lp);
}

/** Deletes `count` entries from a position on, which must be there; `pos` becomes it. */
export function removeEntries(
  shard: LockedShard,
  rec: RecordView,
  lp: Listpack,
  pos: number,
  count: number,
): void {
  lp.remove(pos, count);
  giveRoom(shard, rec, lp);
}

function makeRoom(shard: LockedShard, rec: RecordView, lp: Listpack, bytes: number): void {
  shard.resize(rec, lp.size + bytes, 0);
  lp.rebase(rec.bytes, rec.valueOffset);
}

function giveRoom(shard: LockedShard, rec: RecordView, lp: Listpack): void {
  shrinkValue(shard, rec, lp.size);
  lp.rebase(rec.bytes, rec.valueOffset);
}

/** Points a flyweight at the intset of a record. */
export function openIntset(set: Intset, rec: RecordView): void {
  set.open(rec.bytes, rec.valueOffset);
}

/**
 * Adds a member that set.find(low, high) has just not found.
 * @throws OutOfMemoryError; nothing was changed
 */
export function addToIntset(
  shard: LockedShard,
  rec: RecordView,
  set: Intset,
  low: number,
  high: number,
): void {
  shard.resize(rec, set.bytesWith(low, high), 0);
  set.rebase(rec.bytes, rec.valueOffset);
  set.add(low, high);
}

/** Deletes member `index`. */
export function removeFromIntset(shard: LockedShard, rec: RecordView, set: Intset, index: number): void {
  set.remove(index);
  shrinkValue(shard, rec, set.size);
  set.rebase(rec.bytes, rec.valueOffset);
}

/** Makes the value shorter; never fails. The record may move. */
export function shrinkValue(shard: LockedShard, rec: RecordView, valueLen: number): void {
  try {
    shard.resize(rec, valueLen, 0);
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    rec.setValueLength(valueLen);
  }
}
