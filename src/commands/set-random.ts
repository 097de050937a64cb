// Members at random: SPOP and SRANDMEMBER. Every member is as likely as any other, every choice of several as likely as
// any other choice.
//
//   one member, or several with repetition    the set's own random choice, again and again
//   several of a packed set, or most of       one walk that takes a member with the probability (still wanted) /
//   a large one                               (still to come): Knuth's algorithm S
//   few of a large set                        random choice, what came before is passed over
//
// SPOP of most members builds a new set of what stays, and puts it in the old one's place; Redis chooses the new set's
// encoding anew there, and so does this.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding } from '../keyspace/record.ts';
import type { SetView } from '../keyspace/set-view.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { Member } from '../structures/member.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { exactExpiry } from './set-options.ts';
import {
  BREATH_MEMBERS,
  createDetachedSet,
  MEMBER_WORK,
  memberWork,
  readSet,
  replyMember,
  setTools,
  walkWork,
  writeSet,
} from './set-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** SPOP takes members one by one while more than this part of their number stays. */
const STAY_FACTOR = 5;
/** SRANDMEMBER walks through the set when it is to return more than a third of it. */
const WALK_FACTOR = 3;
/** SPOP tells so many members in one SREM, as Redis 7.4 does. */
const TOLD_AT_ONCE = 1024;
const COUNT_MAX = 2n ** 63n - 1n;
/** A client can ask for more random members than fit into memory; Redis would end here, too. */
const REPLY_BYTES_MAX = 2 * 1024 ** 3;

export const setRandomCommands: FamilyHandlers = {
  SPOP: { run: spop, place: Place.InPlace },
  SRANDMEMBER: { run: srandmember, place: Place.InPlace },
};

// ---- SPOP ----

function spop(cx: CommandContext): void {
  if (cx.argc > 2) {
    if (cx.argc === 3) popSeveral(cx);
    else cx.syntaxError();
    return;
  }
  const tools = setTools(cx);
  const view = tools.view(0);
  const found = writeSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullBulk();
    return;
  }
  if (handOverLong(cx, memberWork(view, 1), 0, 0)) return;
  view.random(tools.member);
  replyMember(cx, tools.member);
  if (cx.effects.wanted) {
    beginRemoval(cx, 1);
    tellMember(cx, tools.member);
  }
  view.removeFound();
  if (view.size === 0) cx.deleteRecord(view.rec);
  cx.keyChanged(1);
  cx.notifyRemoval(NotifyFlag.Set, 'spop', 1, view.rec);
}

// ---- what SPOP tells: the members that are gone, some at a time, or that the whole set is ----

/** Begins to tell that `count` members were removed; tellMember() follows for each. */
function beginRemoval(cx: CommandContext, count: number): void {
  cx.effects.begin(2 + count);
  cx.effects.text('SREM');
  cx.effects.arg(1);
}

function tellMember(cx: CommandContext, member: Member): void {
  member.text();
  cx.effects.bytes(member.buf, member.off, member.len);
}

/** Tells one of many members. @param left how many are to be told, this one included @param count at first */
function tellOneOf(cx: CommandContext, member: Member, left: number, count: number): void {
  if ((count - left) % TOLD_AT_ONCE === 0) beginRemoval(cx, Math.min(left, TOLD_AT_ONCE));
  tellMember(cx, member);
}

function popSeveral(cx: CommandContext): void {
  const count = argLong(cx, 2);
  if (count === null || count < 0) {
    cx.error(ErrorText.NotPositive);
    return;
  }
  const view = setTools(cx).view(0);
  const found = writeSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0 || count === 0) {
    cx.reply.setHeader(0);
    return;
  }
  const { size } = view;
  const stay = size - count;
  const walks = view.encoding !== Encoding.Hashtable || stay * STAY_FACTOR <= count;
  if (handOverLong(cx, walks ? walkWork(view) : count * MEMBER_WORK, 0, 0)) return;
  cx.reply.setHeader(Math.min(count, size));
  if (stay <= 0) popAll(cx, view);
  else if (walks) popMost(cx, view, count);
  else popFew(cx, view, count);
  cx.keyChanged(1, Math.min(count, size));
  cx.notify(NotifyFlag.Set, 'spop', 1);
  if (stay <= 0) cx.notify(NotifyFlag.Generic, 'del', 1);
}

function popAll(cx: CommandContext, view: SetView): void {
  replyAll(cx, view);
  cx.deleteRecord(view.rec);
  const { effects } = cx;
  if (!effects.wanted) return;
  effects.begin(2);
  effects.text(cx.server.config.getBool('lazyfree-lazy-server-del') ? 'UNLINK' : 'DEL');
  effects.arg(1);
}

function popFew(cx: CommandContext, view: SetView, count: number): void {
  const { member } = setTools(cx);
  for (let left = count; left > 0; left--) {
    view.random(member);
    replyMember(cx, member);
    if (cx.effects.wanted) tellOneOf(cx, member, left, count);
    view.removeFound();
  }
}

/** Replies with `count` members, and gives the key a new set of the others. */
function popMost(cx: CommandContext, view: SetView, count: number): void {
  const tools = setTools(cx);
  const { member } = tools;
  const { rec, size, encoding } = view;
  const rest = tools.view(1);
  const stay = size - count;
  const isTable = encoding === Encoding.Hashtable;
  const spare = isTable ? 0 : Math.ceil((rec.valueLength * stay) / size);
  const newEncoding = isTable ? Encoding.Listpack : encoding;
  createDetachedSet(cx, 1, rest, newEncoding, exactExpiry(rec), spare);
  try {
    let wanted = count;
    view.begin();
    for (let left = size; view.next(member); left--) {
      if (Math.random() * left < wanted) {
        replyMember(cx, member);
        if (cx.effects.wanted) tellOneOf(cx, member, wanted, count);
        wanted--;
      } else rest.addNew(member);
      if (left % BREATH_MEMBERS === 0) cx.breathe();
    }
    rest.rec.setAccess(rec.access);
    cx.attach(1, rest.rec);
  } catch (error) {
    cx.discard(rest.rec);
    cx.effects.withdraw();
    throw error;
  }
}

// ---- SRANDMEMBER ----

function srandmember(cx: CommandContext): void {
  if (cx.argc > 2) {
    if (cx.argc === 3) randomSeveral(cx);
    else cx.syntaxError();
    return;
  }
  const tools = setTools(cx);
  const view = tools.view(0);
  const found = readSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullBulk();
    return;
  }
  if (handOverLong(cx, memberWork(view, 1), 1, 1)) return;
  view.random(tools.member);
  replyMember(cx, tools.member);
}

function randomSeveral(cx: CommandContext): void {
  const count = argLong(cx, 2);
  if (count === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  if (isLeastInteger(cx, 2)) {
    cx.error(`ERR value is out of range, value must between -${COUNT_MAX} and ${COUNT_MAX}`);
    return;
  }
  const view = setTools(cx).view(0);
  const found = readSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0 || count === 0) {
    cx.reply.arrayHeader(0);
    return;
  }
  const { size } = view;
  const isTable = view.encoding === Encoding.Hashtable;
  if (count < 0 || count === 1) {
    if (!handOverLong(cx, memberWork(view, Math.abs(count)), 1, 1))
      replyRepeatedly(cx, view, Math.abs(count));
    return;
  }
  const walks = view.encoding === Encoding.Listpack || count * WALK_FACTOR > size;
  if (handOverLong(cx, walks || !isTable ? walkWork(view) : count * MEMBER_WORK, 1, 1)) return;
  cx.reply.arrayHeader(Math.min(count, size));
  if (count >= size) replyAll(cx, view);
  else if (walks) replyChosen(cx, view, count);
  else replyDistinct(cx, view, count);
}

/** Whether an argument is the one integer whose opposite is none. */
function isLeastInteger(cx: CommandContext, arg: number): boolean {
  return parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!) === -COUNT_MAX - 1n;
}

/** Replies with `count` random members, the same ones again and again, in random order. */
function replyRepeatedly(cx: CommandContext, view: SetView, count: number): void {
  const { member } = setTools(cx);
  const mark = cx.reply.length;
  cx.reply.arrayHeader(count);
  for (let i = 1; i <= count; i++) {
    view.random(member);
    replyMember(cx, member);
    if (i % BREATH_MEMBERS !== 0) continue;
    cx.breathe();
    if (cx.reply.length - mark <= REPLY_BYTES_MAX) continue;
    cx.reply.truncate(mark);
    cx.error('ERR the reply would be larger than 2 GiB');
    return;
  }
}

function replyAll(cx: CommandContext, view: SetView): void {
  const { member } = setTools(cx);
  view.begin();
  for (let seen = 1; view.next(member); seen++) {
    replyMember(cx, member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

/** Replies with `count` different members, chosen in one walk. */
function replyChosen(cx: CommandContext, view: SetView, count: number): void {
  const { member } = setTools(cx);
  let wanted = count;
  view.begin();
  for (let left = view.size; wanted > 0 && view.next(member); left--) {
    if (Math.random() * left < wanted) {
      wanted--;
      replyMember(cx, member);
    }
    if (left % BREATH_MEMBERS === 0) cx.breathe();
  }
}

/** Replies with `count` different members, at most a third of the set. */
function replyDistinct(cx: CommandContext, view: SetView, count: number): void {
  const { member } = setTools(cx);
  const seen = new IdSet(count);
  for (let left = count; left > 0; ) {
    view.random(member);
    if (!seen.add(view.foundId)) continue;
    replyMember(cx, member);
    left--;
    if (left % BREATH_MEMBERS === 0) cx.breathe();
  }
}

/** A set of up to `count` numbers of 32 bits, none of them 0. */
class IdSet {
  readonly #places: Int32Array;
  readonly #shift: number;

  constructor(count: number) {
    const bits = 33 - Math.clz32(count);
    this.#places = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  /** @returns whether it was not there yet */
  add(id: number): boolean {
    const places = this.#places;
    let index = Math.imul(id, 0x9e3779b1) >>> this.#shift;
    while (places[index] !== 0) {
      if (places[index] === id) return false;
      if (++index === places.length) index = 0;
    }
    places[index] = id;
    return true;
  }
}
