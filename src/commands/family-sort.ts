// SORT and SORT_RO: the elements of a list, a set or a sorted set, in the order of numbers or texts, their own or those that
// a pattern leads to; replied, or stored as a list.
//
// Elements are copied into a SortVector (structures/sort-vector.ts), which sorts them outside of shared memory. Orders
// and ties are Redis's: numbers first, then bytes; texts as strcoll has them in the C locale, so up to a NUL (with STORE
// as bytes); with BY ... ALPHA ties stay in the order in which a list has them.
//
// Keys that patterns name are read while all shards are locked, all at one moment: such a sort lets nobody in between,
// as it could not say beforehand which keys to pin. One without patterns does.

import { NotifyFlag } from '../config/multi-values.ts';
import { emptyListBytes } from '../keyspace/list-view.ts';
import { isPinned } from '../keyspace/pins.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import { parseDouble } from '../protocol/doubles.ts';
import { type Breather, SortVector, Tie } from '../structures/sort-vector.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { listView, otherListView, rangeWork } from './list-tools.ts';
import { setTools, walkWork } from './set-tools.ts';
import { SortOptions } from './sort-options.ts';
import { SortLookup, type SortPattern } from './sort-pattern.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { zsetTools } from './zset-tools.ts';

/** Work of copying, comparing and replying an element, in bytes touched. */
const ELEMENT_WORK = 192;
const BREATH_ELEMENTS = 1024;
/** The smallest double that is not denormal: strtod reports smaller ones as out of range. */
const NORMAL_MIN = 2.2250738585072014e-308;
const NOT_A_NUMBER = "ERR One or more scores can't be converted into double";

export const sortCommands: FamilyHandlers = {
  SORT: { run: (cx) => sort(cx, false), place: Place.InPlace },
  SORT_RO: { run: (cx) => sort(cx, true), place: Place.InPlace },
};

const still: Breather = { breathe: () => undefined };
const empty: Buffer = Buffer.alloc(0);
const options = new SortOptions();
const vector = new SortVector();

/** The places of the sorted elements that are wanted, and how many elements there are. */
const wanted = { first: 0, last: -1, size: 0 };

function sort(cx: CommandContext, readOnly: boolean): void {
  if (!options.parse(cx, readOnly)) return;
  const found = cx.lookupRead(1, cx.rec);
  const type = found ? cx.rec.type : Type.List;
  if (type !== Type.List && type !== Type.Set && type !== Type.ZSet) {
    cx.error(ErrorText.WrongType);
    return;
  }
  if (options.keepsOrder && type === Type.Set && options.store !== 0) sortAnyway();
  openSource(cx, type, found);
  limitPlaces();
  if (found && handOverLong(cx, sourceWork(cx, type), 1, 1)) return;
  try {
    sortAndReply(cx, type, found);
  } finally {
    vector.clear();
  }
}

/** A set has no order that could be kept in a list. */
function sortAnyway(): void {
  options.keepsOrder = false;
  options.alpha = true;
  options.hasBy = false;
}

/** Opens the thread's view of the type on cx.rec, and counts its elements. */
function openSource(cx: CommandContext, type: number, found: boolean): void {
  wanted.size = 0;
  if (!found) return;
  const { rec } = cx;
  const shard = cx.shard(1);
  const view =
    type === Type.List ? listView(cx) : type === Type.Set ? setTools(cx).view(0) : zsetTools(cx).view(0);
  shard.meet(view.rec, rec.db, rec.slot, rec.hash, rec.ref);
  view.open(shard);
  wanted.size = view.size;
}

/** LIMIT as Redis understands it: a negative count is all, what begins behind the end is nothing. */
function limitPlaces(): void {
  const { size } = wanted;
  const first = Math.min(Math.max(options.offset, 0), size);
  const count = Math.min(Math.max(options.count, -1), size);
  wanted.first = first;
  wanted.last = Math.min(count < 0 ? size - 1 : first + count - 1, size - 1);
  if (first >= size) {
    wanted.first = size - 1;
    wanted.last = size - 2;
  }
}

/** Work of going through the source and sorting it, in bytes touched. */
function sourceWork(cx: CommandContext, type: number): number {
  const { size } = wanted;
  if (options.keepsOrder && type !== Type.Set) return (wanted.last - wanted.first + 1) * ELEMENT_WORK;
  const bytes =
    type === Type.List
      ? rangeWork(listView(cx), 0, size)
      : type === Type.Set
        ? walkWork(setTools(cx).view(0))
        : cx.rec.valueLength;
  return bytes * 2 + size * ELEMENT_WORK;
}

function sortAndReply(cx: CommandContext, type: number, found: boolean): void {
  const lookup = new SortLookup(cx);
  const breather = options.namesKeys ? still : cx;
  vector.descending = options.descending;
  if (found) loadElements(cx, type);
  if (!options.keepsOrder && !sortElements(cx, lookup, breather)) {
    cx.error(NOT_A_NUMBER);
    return;
  }
  if (options.keepsOrder) vector.resetOrder(breather);
  if (options.store === 0) replyElements(cx, lookup, breather);
  else storeElements(cx, lookup, breather);
}

// ---- elements ----

/** Copies the elements; only the wanted ones, in their order, where a list or a sorted set keeps its order. */
function loadElements(cx: CommandContext, type: number): void {
  const ordered = options.keepsOrder && type !== Type.Set;
  const count = ordered ? wanted.last - wanted.first + 1 : wanted.size;
  if (type === Type.ZSet) convertSmall(cx, zsetTools(cx).view(0));
  vector.reserve(count);
  if (count > 0) {
    const start = !ordered ? 0 : options.descending ? wanted.size - 1 - wanted.first : wanted.first;
    const backward = ordered && options.descending;
    if (type === Type.List) loadList(cx, start, count, backward);
    else if (type === Type.Set) loadSet(cx);
    else loadZSet(cx, start, count, backward);
  }
  if (!ordered) return;
  wanted.last -= wanted.first;
  wanted.first = 0;
}

function loadList(cx: CommandContext, start: number, count: number, backward: boolean): void {
  const view = listView(cx);
  view.seek(start);
  for (let left = count; left > 0; left--) {
    view.text();
    vector.add(view.buf, view.off, view.len);
    if (left % BREATH_ELEMENTS === 0) cx.breathe();
    if (backward) view.prev();
    else view.next();
  }
}

function loadSet(cx: CommandContext): void {
  const { member } = setTools(cx);
  const view = setTools(cx).view(0);
  view.begin();
  while (view.next(member)) {
    member.text();
    vector.add(member.buf, member.off, member.len);
    if (vector.count % BREATH_ELEMENTS === 0) cx.breathe();
  }
}

function loadZSet(cx: CommandContext, start: number, count: number, backward: boolean): void {
  const { member } = zsetTools(cx);
  const view = zsetTools(cx).view(0);
  view.seekRank(start);
  for (let left = count; left > 0; left--) {
    view.load(member);
    member.text();
    vector.add(member.buf, member.off, member.len);
    if (left % BREATH_ELEMENTS === 0) cx.breathe();
    if (backward) view.previous();
    else view.next();
  }
}

/** Redis makes a sorted set large to sort it, and leaves it so. */
function convertSmall(cx: CommandContext, view: ZSetView): void {
  if (view.encoding === Encoding.Skiplist) return;
  if (!isPinned(cx.keyspace.memory, view.rec.shard, view.rec.hash)) view.toSkiplist();
}

// ---- order ----

/** @returns false if something to sort by is no number */
function sortElements(cx: CommandContext, lookup: SortLookup, breather: Breather): boolean {
  const { count } = vector;
  const { first, last } = wanted;
  vector.tie = options.alpha && options.store === 0 ? Tie.Text : Tie.Bytes;
  if (options.alpha && options.hasBy) setForeignTexts(cx, lookup, breather);
  else if (options.alpha) vector.setTextKeys(breather);
  else if (!setScores(cx, lookup, breather)) return false;
  if (options.hasBy && (first !== 0 || last !== count - 1)) vector.sortPart(first, last, breather);
  else vector.sort(breather);
  return true;
}

/** Sets what a pattern leads to as what elements are compared by. */
function setForeignTexts(cx: CommandContext, lookup: SortLookup, breather: Breather): void {
  const { store, refs, count } = vector;
  vector.useOthers();
  for (let i = 0; i < count; i++) {
    const ref = refs[i]!;
    const found = lookup.find(cx, options.by, store.bytesOf(ref), store.offsetOf(ref), store.lengthOf(ref));
    if (found) vector.setOther(i, lookup.buf, lookup.off, lookup.len);
    else vector.setNone(i);
    if (i % BREATH_ELEMENTS === 0) breather.breathe();
  }
}

/** Sets scores: the elements', or those that a pattern leads to, 0 where there is nothing. */
function setScores(cx: CommandContext, lookup: SortLookup, breather: Breather): boolean {
  const { store, refs, count } = vector;
  let numbers = true;
  for (let i = 0; i < count; i++) {
    const ref = refs[i]!;
    const bytes = store.bytesOf(ref);
    const off = store.offsetOf(ref);
    const len = store.lengthOf(ref);
    let score = 0;
    if (!options.hasBy) score = parseScore(bytes, off, len);
    else if (lookup.find(cx, options.by, bytes, off, len))
      score = parseScore(lookup.buf, lookup.off, lookup.len);
    // The others are looked up all the same, as in Redis.
    if (Number.isNaN(score)) numbers = false;
    else vector.setKey(i, score);
    if (i % BREATH_ELEMENTS === 0) breather.breathe();
  }
  return numbers;
}

/**
 * A number as strtod reads a C string: blanks in front are passed over, nothing at all is 0, and what is too large or
 * too small for a normal double is none.
 * @returns NaN if it is none
 */
function parseScore(bytes: Buffer, off: number, len: number): number {
  const value = parseDouble(bytes, off, len);
  if (!Number.isNaN(value) && (value === 0 || Math.abs(value) >= NORMAL_MIN)) return value;
  let from = off;
  let end = from;
  while (end < off + len && bytes[end] !== 0) end++;
  while (from < end && isBlank(bytes[from]!)) from++;
  // Blanks without a number are not read at all, and so stay behind it.
  if (from === end) return end === off ? 0 : Number.NaN;
  const inner = parseDouble(bytes, from, end - from);
  return inner === 0 || Math.abs(inner) >= NORMAL_MIN ? inner : Number.NaN;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13);
}

// ---- results ----

/** What the pattern number `get` yields for the element at a place; without patterns, the element itself. */
function findResult(
  cx: CommandContext,
  lookup: SortLookup,
  place: number,
  pattern: SortPattern | null,
): boolean {
  const { store, refs, order } = vector;
  const ref = refs[order[place]!]!;
  const bytes = store.bytesOf(ref);
  const off = store.offsetOf(ref);
  const len = store.lengthOf(ref);
  if (pattern !== null) return lookup.find(cx, pattern, bytes, off, len);
  lookup.take(bytes, off, len);
  return true;
}

function replyElements(cx: CommandContext, lookup: SortLookup, breather: Breather): void {
  const { reply } = cx;
  const { first, last } = wanted;
  const { gets } = options;
  const each = Math.max(1, gets);
  reply.arrayHeader((last - first + 1) * each);
  for (let place = first; place <= last; place++) {
    for (let i = 0; i < each; i++) {
      if (findResult(cx, lookup, place, gets === 0 ? null : options.get[i]!))
        reply.bulkBytes(lookup.buf, lookup.off, lookup.len);
      else reply.nullBulk();
    }
    if (place % BREATH_ELEMENTS === 0) breather.breathe();
  }
}

function storeElements(cx: CommandContext, lookup: SortLookup, breather: Breather): void {
  const arg = options.store;
  const { first, last } = wanted;
  const { gets } = options;
  const each = Math.max(1, gets);
  const count = (last - first + 1) * each;
  if (count === 0) {
    if (cx.lookupWrite(arg, cx.rec)) {
      cx.deleteRecord(cx.rec);
      cx.keyChanged(arg);
      cx.notify(NotifyFlag.Generic, 'del', arg);
    }
    cx.reply.integer(0);
    return;
  }
  const target = otherListView(cx);
  cx.createDetached(arg, target.rec, Type.List, Encoding.Quicklist, emptyListBytes(Encoding.Quicklist));
  target.openNew(cx.shard(arg));
  try {
    for (let place = first; place <= last; place++) {
      for (let i = 0; i < each; i++) {
        if (!findResult(cx, lookup, place, gets === 0 ? null : options.get[i]!)) lookup.take(empty, 0, 0);
        target.push(false, lookup.buf, lookup.off, lookup.len);
      }
      if (place % BREATH_ELEMENTS === 0) breather.breathe();
    }
    target.convertNew();
    cx.attach(arg, target.rec);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
  cx.keyChanged(arg, count);
  cx.notify(NotifyFlag.List, 'sortstore', arg);
  cx.reply.integer(count);
}
