// The commands that take elements from one of several lists, move them between lists, or wait for them: LMOVE, RPOPLPUSH,
// LMPOP, BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP. Waiting is explained in blocking.ts.

import { NotifyFlag } from '../config/multi-values.ts';
import type { ListView } from '../keyspace/list-view.ts';
import { Type } from '../keyspace/record.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { copyBytes, sameBytes } from '../structures/bytes.ts';
import { argLong } from './arguments.ts';
import { parseTimeout } from './blocking.ts';
import type { CommandContext } from './context.ts';
import {
  createList,
  dropElement,
  dropRange,
  listView,
  otherListView,
  rangeWork,
  replyElements,
  unpush,
  writeList,
} from './list-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** A scratch buffer larger than this is let go after use. */
const KEEP_BYTES = 64 * 1024;

let scratch = Buffer.alloc(256);

/** A copy of the view's current element; it begins at 0 and is good until the next call. */
function copyElement(list: ListView): Buffer {
  const { len } = list;
  if (len > KEEP_BYTES) return Buffer.from(list.buf.subarray(list.off, list.off + len));
  if (len > scratch.length) scratch = Buffer.alloc(KEEP_BYTES);
  copyBytes(list.buf, list.off, scratch, 0, len);
  return scratch;
}

/** LEFT or RIGHT. @returns 1 for the head, 0 for the tail, -1 after an error */
function sideArgument(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'LEFT')) return 1;
  if (cx.argIs(arg, 'RIGHT')) return 0;
  cx.syntaxError();
  return -1;
}

// ---- from list to list ----

/**
 * Moves an element from the list of key 1 to that of key 2, and replies with it.
 * @returns false if there is nothing to move (nothing was replied)
 */
function move(cx: CommandContext, fromHead: boolean, toHead: boolean): boolean {
  const source = listView(cx);
  const found = writeList(cx, 1, source);
  if (found <= 0) return found < 0;
  if (isSameKey(cx)) {
    rotate(cx, source, fromHead, toHead);
    return true;
  }
  const target = otherListView(cx);
  const targetFound = writeList(cx, 2, target);
  if (targetFound < 0) return true;
  showEnd(source, fromHead);
  const { len } = source;
  if (handOverLong(cx, len * 2, 0, 0)) return true;
  const element = copyElement(source);
  source.makeDroppable(fromHead);
  // An element that Redis has at hand as a number is not counted when it decides on the encoding.
  const counted = !source.packed && source.isInteger() ? 0 : len;
  pushElement(cx, 2, target, targetFound === 1, toHead, element, len, counted);
  dropElement(cx, source, fromHead);
  cx.keyChanged(2);
  cx.keyChanged(1, 0);
  cx.notify(NotifyFlag.List, toHead ? 'lpush' : 'rpush', 2);
  cx.notifyRemoval(NotifyFlag.List, fromHead ? 'lpop' : 'rpop', 1, source.rec);
  cx.reply.bulkBytes(element, 0, len);
  return true;
}

function isSameKey(cx: CommandContext): boolean {
  const { argLen, argOff, input } = cx;
  return argLen[1] === argLen[2] && sameBytes(input, argOff[1]!, input, argOff[2]!, argLen[1]!);
}

/** Points the cursor at the element that goes. */
function showEnd(list: ListView, atHead: boolean): void {
  if (atHead) list.first();
  else list.last();
  list.text();
}

/** move() within one list. */
function rotate(cx: CommandContext, list: ListView, fromHead: boolean, toHead: boolean): void {
  showEnd(list, fromHead);
  const { len } = list;
  if (handOverLong(cx, len * 2, 0, 0)) return;
  const element = copyElement(list);
  if (list.size > 1 && fromHead !== toHead) {
    list.makeDroppable(fromHead);
    list.push(toHead, element, 0, len);
    list.drop(fromHead);
  }
  list.convertShrunk();
  cx.keyChanged(1);
  cx.notify(NotifyFlag.List, toHead ? 'lpush' : 'rpush', 2);
  cx.notify(NotifyFlag.List, fromHead ? 'lpop' : 'rpop', 1);
  cx.reply.bulkBytes(element, 0, len);
}

/** @param counted bytes that the element counts when the list's encoding is decided on */
function pushElement(
  cx: CommandContext,
  arg: number,
  list: ListView,
  found: boolean,
  atHead: boolean,
  element: Buffer,
  len: number,
  counted: number,
): void {
  if (found) list.convertToGrow(counted, 1);
  else createList(cx, arg, list, counted, 1);
  try {
    list.push(atHead, element, 0, len);
  } catch (error) {
    if (error instanceof OutOfMemoryError) unpush(cx, arg, list, found, 0, atHead);
    throw error;
  }
}

function lmove(cx: CommandContext): void {
  const fromHead = sideArgument(cx, 3);
  const toHead = fromHead < 0 ? -1 : sideArgument(cx, 4);
  if (toHead < 0) return;
  if (!move(cx, fromHead === 1, toHead === 1)) cx.reply.nullBulk();
}

function rpoplpush(cx: CommandContext): void {
  if (!move(cx, false, true)) cx.reply.nullBulk();
}

function blmove(cx: CommandContext): void {
  const fromHead = sideArgument(cx, 3);
  const toHead = fromHead < 0 ? -1 : sideArgument(cx, 4);
  if (toHead >= 0) moveOrWait(cx, fromHead === 1, toHead === 1, 5, 'LMOVE');
}

function brpoplpush(cx: CommandContext): void {
  moveOrWait(cx, false, true, 3, 'RPOPLPUSH');
}

/** @param timeout its argument, the last one @param name of the command that does the same without waiting */
function moveOrWait(
  cx: CommandContext,
  fromHead: boolean,
  toHead: boolean,
  timeout: number,
  name: string,
): void {
  const until = parseTimeout(cx, timeout);
  if (Number.isNaN(until)) return;
  if (!move(cx, fromHead, toHead)) {
    if (!cx.block(Type.List, until, 1, 1)) cx.reply.nullBulk();
  } else if (cx.effects.wanted && cx.dirty !== 0) {
    cx.effects.begin(timeout);
    cx.effects.text(name);
    for (let arg = 1; arg < timeout; arg++) cx.effects.arg(arg);
  }
}

// ---- from one of several lists ----

/** The request of LMPOP and BLMPOP. */
const request = { firstKey: 0, keys: 0, atHead: false, count: 0 };

/** @param arg where the number of keys is @returns false after an error */
function parseRequest(cx: CommandContext, arg: number): boolean {
  const keys = argLong(cx, arg);
  if (keys === null || keys < 1) {
    cx.error('ERR numkeys should be greater than 0');
    return false;
  }
  const where = arg + keys + 1;
  if (where >= cx.argc) {
    cx.syntaxError();
    return false;
  }
  const side = sideArgument(cx, where);
  if (side < 0) return false;
  request.firstKey = arg + 1;
  request.keys = keys;
  request.atHead = side === 1;
  request.count = 1;
  if (where + 1 === cx.argc) return true;
  if (!cx.argIs(where + 1, 'COUNT') || where + 2 >= cx.argc) {
    cx.syntaxError();
    return false;
  }
  const count = argLong(cx, where + 2);
  if (count === null || count < 1) {
    cx.error('ERR count should be greater than 0');
    return false;
  }
  request.count = count;
  if (where + 3 === cx.argc) return true;
  cx.syntaxError();
  return false;
}

/** Takes elements from the first list that is there. @returns false if none is (nothing was replied) */
function popFromFirst(cx: CommandContext): boolean {
  const list = listView(cx);
  const { firstKey, keys, atHead } = request;
  for (let arg = firstKey; arg < firstKey + keys; arg++) {
    const found = writeList(cx, arg, list);
    if (found < 0) return true;
    if (found === 0) continue;
    const { size } = list;
    const count = Math.min(request.count, size);
    if (handOverLong(cx, rangeWork(list, 0, count), 0, 0)) return true;
    cx.reply.arrayHeader(2);
    cx.reply.bulkBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    cx.reply.arrayHeader(count);
    replyElements(cx, list, atHead ? 0 : size - 1, count, atHead);
    dropRange(cx, list, atHead ? 0 : size - count, count);
    cx.keyChanged(arg, count);
    cx.notifyRemoval(NotifyFlag.List, atHead ? 'lpop' : 'rpop', arg, list.rec);
    if (cx.effects.wanted) {
      tellPop(cx, arg, atHead, 3);
      cx.effects.integer(count);
    }
    return true;
  }
  return false;
}

/** `LPOP key` or `RPOP key`. @param argc of the command; 3 if the caller appends a count */
function tellPop(cx: CommandContext, arg: number, atHead: boolean, argc: number): void {
  const { effects } = cx;
  effects.begin(argc);
  effects.text(atHead ? 'LPOP' : 'RPOP');
  effects.arg(arg);
}

function lmpop(cx: CommandContext): void {
  if (parseRequest(cx, 1) && !popFromFirst(cx)) cx.reply.nullArray();
}

function blmpop(cx: CommandContext): void {
  if (!parseRequest(cx, 2)) return;
  const until = parseTimeout(cx, 1);
  if (Number.isNaN(until) || popFromFirst(cx)) return;
  if (!cx.block(Type.List, until, request.firstKey, request.keys)) cx.reply.nullArray();
}

function popOrWait(cx: CommandContext, atHead: boolean): void {
  const until = parseTimeout(cx, cx.argc - 1);
  if (Number.isNaN(until)) return;
  const list = listView(cx);
  for (let arg = 1; arg < cx.argc - 1; arg++) {
    const found = writeList(cx, arg, list);
    if (found < 0) return;
    if (found === 0) continue;
    showEnd(list, atHead);
    if (handOverLong(cx, list.len, 0, 0)) return;
    cx.reply.arrayHeader(2);
    cx.reply.bulkBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    cx.reply.bulkBytes(list.buf, list.off, list.len);
    dropElement(cx, list, atHead);
    cx.keyChanged(arg);
    cx.notifyRemoval(NotifyFlag.List, atHead ? 'lpop' : 'rpop', arg, list.rec);
    if (cx.effects.wanted) tellPop(cx, arg, atHead, 2);
    return;
  }
  if (!cx.block(Type.List, until, 1, cx.argc - 2)) cx.reply.nullArray();
}

function blpop(cx: CommandContext): void {
  popOrWait(cx, true);
}

function brpop(cx: CommandContext): void {
  popOrWait(cx, false);
}

export const listMoveCommands: FamilyHandlers = {
  LMOVE: { run: lmove, place: Place.InPlace },
  RPOPLPUSH: { run: rpoplpush, place: Place.InPlace },
  LMPOP: { run: lmpop, place: Place.InPlace },
  BLPOP: { run: blpop, place: Place.InPlace },
  BRPOP: { run: brpop, place: Place.InPlace },
  BLMOVE: { run: blmove, place: Place.InPlace },
  BRPOPLPUSH: { run: brpoplpush, place: Place.InPlace },
  BLMPOP: { run: blmpop, place: Place.InPlace },
};
