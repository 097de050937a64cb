// The commands on one list, apart from searches (family-list-search.ts), and those that move elements between lists or
// wait for them (family-list-move.ts): LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LLEN, LINDEX, LSET, LRANGE, LTRIM.

import { NotifyFlag } from '../config/multi-values.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import {
  dropElement,
  dropRange,
  listView,
  pushArguments,
  rangeWork,
  readList,
  removeWork,
  replyElements,
  walkWork,
  writeList,
} from './list-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** Work of an element to be pushed besides its bytes. */
const PUSH_WORK = 64;

// ---- the ends ----

function push(cx: CommandContext, atHead: boolean, create: boolean): void {
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0 && !create) {
    cx.reply.integer(0);
    return;
  }
  pushArguments(cx, 1, list, found === 1, 2, atHead);
  cx.keyChanged(1, cx.argc - 2);
  cx.notify(NotifyFlag.List, atHead ? 'lpush' : 'rpush', 1);
  cx.reply.integer(list.size);
}

function lpush(cx: CommandContext): void {
  push(cx, true, true);
}

function rpush(cx: CommandContext): void {
  push(cx, false, true);
}

function lpushx(cx: CommandContext): void {
  push(cx, true, false);
}

function rpushx(cx: CommandContext): void {
  push(cx, false, false);
}

/** The arguments lie side by side: their bytes and what each costs. */
function estimatePush(cx: CommandContext): number {
  const end = cx.argc - 1;
  return cx.argOff[end]! + cx.argLen[end]! - cx.argOff[1]! + (cx.argc - 2) * PUSH_WORK;
}

function pop(cx: CommandContext, atHead: boolean): void {
  if (cx.argc > 2) {
    popSome(cx, atHead);
    return;
  }
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullBulk();
    return;
  }
  if (atHead) list.first();
  else list.last();
  list.text();
  if (handOverLong(cx, list.len, 0, 0)) return;
  cx.reply.bulkBytes(list.buf, list.off, list.len);
  dropElement(cx, list, atHead);
  cx.keyChanged(1);
  cx.notifyRemoval(NotifyFlag.List, atHead ? 'lpop' : 'rpop', 1, list.rec);
}

/** LPOP and RPOP with a count. */
function popSome(cx: CommandContext, atHead: boolean): void {
  if (cx.argc > 3) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  const wanted = argLong(cx, 2);
  if (wanted === null || wanted < 0) {
    cx.error(ErrorText.NotPositive);
    return;
  }
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullArray();
    return;
  }
  if (wanted === 0) {
    cx.reply.emptyArray();
    return;
  }
  const { size } = list;
  const count = Math.min(wanted, size);
  if (handOverLong(cx, rangeWork(list, 0, count), 0, 0)) return;
  cx.reply.arrayHeader(count);
  replyElements(cx, list, atHead ? 0 : size - 1, count, atHead);
  dropRange(cx, list, atHead ? 0 : size - count, count);
  cx.keyChanged(1, count);
  cx.notifyRemoval(NotifyFlag.List, atHead ? 'lpop' : 'rpop', 1, list.rec);
}

function lpop(cx: CommandContext): void {
  pop(cx, true);
}

function rpop(cx: CommandContext): void {
  pop(cx, false);
}

// ---- by index ----

function llen(cx: CommandContext): void {
  const list = listView(cx);
  const found = readList(cx, 1, list);
  if (found >= 0) cx.reply.integer(found === 0 ? 0 : list.size);
}

function lindex(cx: CommandContext): void {
  const list = listView(cx);
  const found = readList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullBulk();
    return;
  }
  const asked = argLong(cx, 2);
  if (asked === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const index = asked < 0 ? asked + list.size : asked;
  if (handOverLong(cx, walkWork(list, index), 1, 1)) return;
  if (!list.seek(index)) {
    cx.reply.nullBulk();
    return;
  }
  list.text();
  if (handOverLong(cx, list.len, 1, 1)) return;
  cx.reply.bulkBytes(list.buf, list.off, list.len);
}

function lset(cx: CommandContext): void {
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.error(ErrorText.NoSuchKey);
    return;
  }
  const asked = argLong(cx, 2);
  if (asked === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const off = cx.argOff[3]!;
  const len = cx.argLen[3]!;
  const index = asked < 0 ? asked + list.size : asked;
  if (handOverLong(cx, walkWork(list, index) + len, 0, 0)) return;
  list.convertToGrow(len, 1);
  if (!list.seek(index)) {
    cx.error(ErrorText.OutOfRange);
    return;
  }
  list.replace(cx.input, off, len);
  list.convertShrunk();
  cx.keyChanged(1);
  cx.notify(NotifyFlag.List, 'lset', 1);
  cx.reply.ok();
}

// ---- ranges ----

/** First and last index of a range, resolved by resolve(). */
let from = 0;
let to = 0;

/** Reads the range in arguments 2 and 3. @returns false after an error */
function parseRange(cx: CommandContext): boolean {
  const start = argLong(cx, 2);
  const end = start === null ? null : argLong(cx, 3);
  if (start === null || end === null) {
    cx.error(ErrorText.NotInteger);
    return false;
  }
  from = start;
  to = end;
  return true;
}

/** Makes the range one of a list. @returns false if it is empty */
function resolveRange(size: number): boolean {
  if (from < 0) from = Math.max(from + size, 0);
  if (to < 0) to += size;
  if (from > to || from >= size) return false;
  to = Math.min(to, size - 1);
  return true;
}

function lrange(cx: CommandContext): void {
  if (!parseRange(cx)) return;
  const list = listView(cx);
  const found = readList(cx, 1, list);
  if (found < 0) return;
  if (found === 0 || !resolveRange(list.size)) {
    cx.reply.emptyArray();
    return;
  }
  const count = to - from + 1;
  if (handOverLong(cx, rangeWork(list, from, count), 1, 1)) return;
  cx.reply.arrayHeader(count);
  replyElements(cx, list, from, count, true);
}

function ltrim(cx: CommandContext): void {
  if (!parseRange(cx)) return;
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.ok();
    return;
  }
  const { size } = list;
  const inFront = resolveRange(size) ? from : size;
  const behind = inFront === size ? 0 : size - to - 1;
  const gone = inFront + behind;
  const work = removeWork(list, inFront, inFront) + removeWork(list, size - behind, behind);
  if (gone < size && handOverLong(cx, work, 0, 0)) return;
  if (gone === size) cx.deleteRecord(list.rec);
  else {
    list.keepRange(inFront, size - gone);
    list.convertShrunk();
  }
  cx.keyChanged(1, gone);
  cx.notifyRemoval(NotifyFlag.List, 'ltrim', 1, list.rec);
  cx.reply.ok();
}

export const listCommands: FamilyHandlers = {
  LPUSH: { run: lpush, place: Place.Estimated, estimate: estimatePush },
  RPUSH: { run: rpush, place: Place.Estimated, estimate: estimatePush },
  LPUSHX: { run: lpushx, place: Place.Estimated, estimate: estimatePush },
  RPUSHX: { run: rpushx, place: Place.Estimated, estimate: estimatePush },
  LPOP: { run: lpop, place: Place.InPlace },
  RPOP: { run: rpop, place: Place.InPlace },
  LLEN: { run: llen, place: Place.InPlace },
  LINDEX: { run: lindex, place: Place.InPlace },
  LSET: { run: lset, place: Place.InPlace },
  LRANGE: { run: lrange, place: Place.InPlace },
  LTRIM: { run: ltrim, place: Place.InPlace },
};
