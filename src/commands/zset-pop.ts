// The ends of sorted sets: ZPOPMIN, ZPOPMAX, ZMPOP, and BZPOPMIN, BZPOPMAX, BZMPOP, which wait for members.

import { NotifyFlag } from '../config/multi-values.ts';
import { Type } from '../keyspace/record.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import { parseTimeout } from './blocking.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { CHANGE_WORK, longArgument, MEMBER_WORK, replyMember, writeZSet, zsetTools } from './zset-tools.ts';

export const zsetPopCommands: FamilyHandlers = {
  ZPOPMIN: { run: (cx) => pop(cx, false), place: Place.InPlace },
  ZPOPMAX: { run: (cx) => pop(cx, true), place: Place.InPlace },
  ZMPOP: { run: (cx) => popFromSome(cx, 1), place: Place.InPlace },
  BZPOPMIN: { run: (cx) => popOrWait(cx, false), place: Place.InPlace },
  BZPOPMAX: { run: (cx) => popOrWait(cx, true), place: Place.InPlace },
  BZMPOP: { run: (cx) => popFromSome(cx, 2), place: Place.InPlace },
};

/** How members are written: flat; as pairs; behind the key, flat; behind the key, as pairs in an array of their own. */
const Form = { Flat: 0, Pairs: 1, KeyFlat: 2, KeyPairs: 3 } as const;

/** ZPOPMIN, ZPOPMAX key [count] */
function pop(cx: CommandContext, max: boolean): void {
  if (cx.argc > 3) {
    cx.syntaxError();
    return;
  }
  let count = 1;
  if (cx.argc === 3) {
    count = longArgument(cx, 2);
    if (Number.isNaN(count) || count < 0) {
      cx.error(ErrorText.NotPositive);
      return;
    }
  }
  const view = zsetTools(cx).view(0);
  const found = writeZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0 || count === 0) cx.reply.arrayHeader(0);
  else popMembers(cx, 1, view, count, max, cx.argc === 3 && cx.reply.resp === 3 ? Form.Pairs : Form.Flat);
}

/** BZPOPMIN, BZPOPMAX key [key ...] timeout */
function popOrWait(cx: CommandContext, max: boolean): void {
  const last = cx.argc - 1;
  const until = parseTimeout(cx, last);
  if (Number.isNaN(until)) return;
  const view = zsetTools(cx).view(0);
  for (let arg = 1; arg < last; arg++) {
    const found = writeZSet(cx, arg, view);
    if (found === 0) continue;
    if (found === 1) popMembers(cx, arg, view, 1, max, Form.KeyFlat);
    return;
  }
  if (!cx.block(Type.ZSet, until, 1, last - 1)) cx.reply.nullArray();
}

/**
 * ZMPOP numkeys key [key ...] MIN|MAX [COUNT count], and BZMPOP with a time-out in front.
 * @param numkeysArg argument index of numkeys
 */
function popFromSome(cx: CommandContext, numkeysArg: number): void {
  const keys = longArgument(cx, numkeysArg);
  if (Number.isNaN(keys) || keys < 1) {
    cx.error('ERR numkeys should be greater than 0');
    return;
  }
  const first = numkeysArg + 1;
  const where = first + keys;
  const max = where < cx.argc && cx.argIs(where, 'MAX');
  if (where >= cx.argc || (!max && !cx.argIs(where, 'MIN'))) {
    cx.syntaxError();
    return;
  }
  const count = readCount(cx, where + 1);
  if (Number.isNaN(count)) return;
  const blocks = numkeysArg === 2;
  const until = blocks ? parseTimeout(cx, 1) : 0;
  if (Number.isNaN(until)) return;
  const view = zsetTools(cx).view(0);
  for (let arg = first; arg < where; arg++) {
    const found = writeZSet(cx, arg, view);
    if (found === 0) continue;
    if (found === 1) popMembers(cx, arg, view, count, max, Form.KeyPairs);
    return;
  }
  if (!blocks || !cx.block(Type.ZSet, until, first, keys)) cx.reply.nullArray();
}

/** Reads [COUNT count]. @returns 1 without it, NaN after an error */
function readCount(cx: CommandContext, arg: number): number {
  let count = 0;
  for (; arg < cx.argc; arg += 2) {
    if (count !== 0 || !cx.argIs(arg, 'COUNT') || arg + 1 === cx.argc) {
      cx.syntaxError();
      return Number.NaN;
    }
    count = longArgument(cx, arg + 1);
    if (Number.isNaN(count) || count < 1) {
      cx.error('ERR count should be greater than 0');
      return Number.NaN;
    }
  }
  return count === 0 ? 1 : count;
}

/** Replies with the first or last members of the sorted set that `view` shows, and removes them. @param count 1 or more */
function popMembers(
  cx: CommandContext,
  keyArg: number,
  view: ZSetView,
  count: number,
  max: boolean,
  form: number,
): void {
  const { size } = view;
  const taken = Math.min(count, size);
  if (handOverLong(cx, taken * (taken === size ? MEMBER_WORK : CHANGE_WORK), 0, 0)) return;
  writeHead(cx, keyArg, taken, form);
  const { member } = zsetTools(cx);
  const pairs = form === Form.Pairs || form === Form.KeyPairs;
  view.seekRank(max ? size - 1 : 0);
  for (let i = 0; i < taken; i++) {
    view.load(member);
    // replyMember() makes pairs of what has scores in RESP3; here it is the form that says so.
    if (pairs) cx.reply.arrayHeader(2);
    replyMember(cx, member, 0, false);
    cx.reply.double(view.score);
    if (max) view.previous();
    else view.next();
  }
  if (taken === size) cx.deleteRecord(view.rec);
  else {
    view.touch();
    view.removeRange(max ? size - taken : 0, taken);
  }
  cx.keyChanged(keyArg, taken);
  cx.notifyRemoval(NotifyFlag.Zset, max ? 'zpopmax' : 'zpopmin', keyArg, view.rec);
  if (cx.effects.wanted && form >= Form.KeyFlat) tellPop(cx, keyArg, max, form === Form.KeyPairs ? taken : 0);
}

/** Tells the pop of a command with several keys, or one that may wait. @param count 0: none, that is one */
function tellPop(cx: CommandContext, keyArg: number, max: boolean, count: number): void {
  const { effects } = cx;
  effects.begin(count > 0 ? 3 : 2);
  effects.text(max ? 'ZPOPMAX' : 'ZPOPMIN');
  effects.arg(keyArg);
  if (count > 0) effects.integer(count);
}

function writeHead(cx: CommandContext, keyArg: number, taken: number, form: number): void {
  const { reply } = cx;
  if (form === Form.Flat) reply.arrayHeader(taken * 2);
  else if (form === Form.Pairs) reply.arrayHeader(taken);
  else {
    reply.arrayHeader(form === Form.KeyFlat ? taken * 2 + 1 : 2);
    reply.bulkBytes(cx.input, cx.argOff[keyArg]!, cx.argLen[keyArg]!);
    if (form === Form.KeyPairs) reply.arrayHeader(taken);
  }
}
