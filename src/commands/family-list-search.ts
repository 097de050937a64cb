// The commands that look for elements of a list by their value: LINSERT, LREM, LPOS. They may have to look at all of it.

import { NotifyFlag } from '../config/multi-values.ts';
import type { ListView } from '../keyspace/list-view.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { insertArrayHeader } from './generic-arguments.ts';
import { listView, readList, writeList } from './list-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** Elements between two calls of cx.breathe(). */
const BREATH_ELEMENTS = 1024;
const INT64_MAX_TEXT = '9223372036854775807';
const INT64_MIN_TEXT = '-9223372036854775808';

/**
 * Reads an integer that has an opposite; on failure replies with the error.
 * @returns NaN after an error
 */
function signedArgument(cx: CommandContext, arg: number): number {
  const value = argLong(cx, arg);
  if (value === null) cx.error(ErrorText.NotInteger);
  else if (cx.argLatin1(arg) !== INT64_MIN_TEXT) return value;
  else cx.error(`ERR value is out of range, value must between -${INT64_MAX_TEXT} and ${INT64_MAX_TEXT}`);
  return NaN;
}

function linsert(cx: CommandContext): void {
  const after = cx.argIs(2, 'AFTER');
  if (!after && !cx.argIs(2, 'BEFORE')) {
    cx.syntaxError();
    return;
  }
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.integer(0);
    return;
  }
  const off = cx.argOff[4]!;
  const len = cx.argLen[4]!;
  if (handOverLong(cx, list.bytes + len, 0, 0)) return;
  list.convertToGrow(len, 1);
  if (!findPivot(cx, list)) {
    cx.reply.integer(-1);
    return;
  }
  list.insert(cx.input, off, len, after);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.List, 'linsert', 1);
  cx.reply.integer(list.size);
}

/** Goes to the first element that is argument 3. */
function findPivot(cx: CommandContext, list: ListView): boolean {
  list.want(cx.input, cx.argOff[3]!, cx.argLen[3]!);
  for (let more = list.first(); more; more = list.next()) if (list.matches()) return true;
  return false;
}

function lrem(cx: CommandContext): void {
  const limit = signedArgument(cx, 2);
  if (Number.isNaN(limit)) return;
  const list = listView(cx);
  const found = writeList(cx, 1, list);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.integer(0);
    return;
  }
  if (handOverLong(cx, list.bytes, 0, 0)) return;
  const removed = list.removeMatches(cx.input, cx.argOff[3]!, cx.argLen[3]!, Math.abs(limit), limit >= 0);
  if (removed > 0) {
    if (list.size === 0) cx.deleteRecord(list.rec);
    else list.convertShrunk();
    cx.keyChanged(1, removed);
    cx.notifyRemoval(NotifyFlag.List, 'lrem', 1, list.rec);
    if (cx.effects.wanted && list.stoppedShort) tellRemoved(cx, limit >= 0 ? removed : -removed);
  }
  cx.reply.integer(removed);
}

/** LREM of which memory has brought about a part only: of as many as it was. */
function tellRemoved(cx: CommandContext, count: number): void {
  const { effects } = cx;
  effects.begin(4);
  effects.arg(0);
  effects.arg(1);
  effects.integer(count);
  effects.arg(3);
}

/** Options of LPOS. */
const options = { rank: 1, count: -1, most: 0 };

function lpos(cx: CommandContext): void {
  if (!parseOptions(cx)) return;
  const list = listView(cx);
  const found = readList(cx, 1, list);
  if (found < 0) return;
  const { count } = options;
  if (found === 0) {
    if (count >= 0) cx.reply.emptyArray();
    else cx.reply.nullBulk();
    return;
  }
  const share = options.most === 0 ? 1 : Math.min(1, options.most / list.size);
  if (handOverLong(cx, list.bytes * share, 1, 1)) return;
  const mark = cx.reply.length;
  const matches = replyPositions(cx, list);
  if (count >= 0) insertArrayHeader(cx, mark, matches);
  else if (matches === 0) cx.reply.nullBulk();
}

/** @returns false after an error */
function parseOptions(cx: CommandContext): boolean {
  options.rank = 1;
  options.count = -1;
  options.most = 0;
  for (let arg = 3; arg < cx.argc; arg += 2) {
    const hasValue = arg + 1 < cx.argc;
    if (hasValue && cx.argIs(arg, 'RANK')) {
      if (!parseRank(cx, arg + 1)) return false;
    } else if (hasValue && cx.argIs(arg, 'COUNT')) {
      options.count = notNegative(cx, arg + 1, "ERR COUNT can't be negative");
      if (options.count < 0) return false;
    } else if (hasValue && cx.argIs(arg, 'MAXLEN')) {
      options.most = notNegative(cx, arg + 1, "ERR MAXLEN can't be negative");
      if (options.most < 0) return false;
    } else {
      cx.syntaxError();
      return false;
    }
  }
  return true;
}

function parseRank(cx: CommandContext, arg: number): boolean {
  options.rank = signedArgument(cx, arg);
  if (Number.isNaN(options.rank)) return false;
  if (options.rank !== 0) return true;
  cx.error(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... " +
      'or use negative to start from the end of the list',
  );
  return false;
}

/** @returns -1 after an error with this text */
function notNegative(cx: CommandContext, arg: number, text: string): number {
  const value = argLong(cx, arg);
  if (value !== null && value >= 0) return value;
  cx.error(text);
  return -1;
}

/** Writes the positions of matches. @returns how many */
function replyPositions(cx: CommandContext, list: ListView): number {
  const forward = options.rank > 0;
  const { size } = list;
  const last = options.most === 0 ? size : Math.min(options.most, size);
  const wanted = options.count < 0 ? 1 : options.count === 0 ? size : options.count;
  let skip = Math.abs(options.rank) - 1;
  let replied = 0;
  list.want(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  let more = forward ? list.first() : list.last();
  for (let i = 0; i < last && more; i++) {
    if (list.matches() && skip-- <= 0) {
      cx.reply.integer(forward ? i : size - i - 1);
      if (++replied >= wanted) break;
    }
    if ((i & (BREATH_ELEMENTS - 1)) === BREATH_ELEMENTS - 1) cx.breathe();
    more = forward ? list.next() : list.prev();
  }
  return replied;
}

export const listSearchCommands: FamilyHandlers = {
  LINSERT: { run: linsert, place: Place.InPlace },
  LREM: { run: lrem, place: Place.InPlace },
  LPOS: { run: lpos, place: Place.InPlace },
};
