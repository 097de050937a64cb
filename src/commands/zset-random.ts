// ZRANDMEMBER: members at random, by random ranks. Every member is as likely as any other, every choice of several as
// likely as any other choice.
//
//   one member, or several with repetition    random ranks, again and again
//   several of a small set, or more than a    one walk that takes a member with the probability (still wanted) /
//   third of a large one                      (still to come): Knuth's algorithm S
//   few of a large set                        random ranks, those that came before are passed over

import { Encoding } from '../keyspace/record.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  BREATH_MEMBERS,
  longArgument,
  lookupWork,
  membersHeader,
  readZSet,
  replyMember,
  replyRange,
  walkWork,
  zsetTools,
} from './zset-tools.ts';

export const zsetRandomCommands: FamilyHandlers = {
  ZRANDMEMBER: { run: zrandmember, place: Place.InPlace },
};

/** The set is gone through when more than a third of it is to be returned. */
const WALK_FACTOR = 3;
/** LONG_MAX, and its half, as far as numbers tell them apart. */
const LONG_MAX = 2 ** 63;
/** A client can ask for more random members than fit into memory; Redis would end here, too. */
const REPLY_BYTES_MAX = 2 * 1024 ** 3;

function zrandmember(cx: CommandContext): void {
  if (cx.argc > 2) {
    randomSeveral(cx);
    return;
  }
  const { member } = zsetTools(cx);
  const view = zsetTools(cx).view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.nullBulk();
    return;
  }
  if (handOverLong(cx, lookupWork(view, 1), 1, 1)) return;
  view.seekRank(Math.floor(Math.random() * view.size));
  view.load(member);
  replyMember(cx, member, 0, false);
}

/** Reads count and WITHSCORES. @returns the count, NaN after an error */
function readCount(cx: CommandContext): number {
  const count = longArgument(cx, 2);
  if (Number.isNaN(count)) cx.error(ErrorText.NotInteger);
  else if (count === -LONG_MAX && cx.argLatin1(2) === '-9223372036854775808')
    cx.error('ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807');
  else if (cx.argc > 4 || (cx.argc === 4 && !cx.argIs(3, 'WITHSCORES'))) cx.syntaxError();
  else if (cx.argc === 4 && Math.abs(count) > LONG_MAX / 2) cx.error('ERR value is out of range');
  else return count;
  return Number.NaN;
}

function randomSeveral(cx: CommandContext): void {
  const count = readCount(cx);
  if (Number.isNaN(count)) return;
  const withScores = cx.argc === 4;
  const view = zsetTools(cx).view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0 || count === 0) {
    cx.reply.arrayHeader(0);
    return;
  }
  const { size } = view;
  if (count < 0 || count === 1) {
    const times = Math.abs(count);
    if (!handOverLong(cx, lookupWork(view, times), 1, 1)) replyRepeatedly(cx, view, times, withScores);
    return;
  }
  const walks = view.encoding !== Encoding.Skiplist || count * WALK_FACTOR > size;
  if (handOverLong(cx, walks ? walkWork(view, size) : lookupWork(view, count), 1, 1)) return;
  membersHeader(cx, Math.min(count, size), withScores);
  if (count >= size) replyRange(cx, view, 0, size, false, withScores);
  else if (walks) replyChosen(cx, view, count, withScores);
  else replyDistinct(cx, view, count, withScores);
}

/** Replies with `count` random members, the same ones again and again, in random order. */
function replyRepeatedly(cx: CommandContext, view: ZSetView, count: number, withScores: boolean): void {
  const { size } = view;
  const mark = cx.reply.length;
  membersHeader(cx, count, withScores);
  for (let i = 1; i <= count; i++) {
    replyAt(cx, view, Math.floor(Math.random() * size), withScores);
    if (i % BREATH_MEMBERS !== 0) continue;
    cx.breathe();
    if (cx.reply.length - mark <= REPLY_BYTES_MAX) continue;
    cx.reply.truncate(mark);
    cx.error('ERR the reply would be larger than 2 GiB');
    return;
  }
}

/** Replies with `count` different members, chosen in one walk. */
function replyChosen(cx: CommandContext, view: ZSetView, count: number, withScores: boolean): void {
  const { member } = zsetTools(cx);
  let wanted = count;
  view.seekRank(0);
  for (let left = view.size; wanted > 0; left--) {
    if (Math.random() * left < wanted) {
      wanted--;
      view.load(member);
      replyMember(cx, member, view.score, withScores);
    }
    view.next();
    if (left % BREATH_MEMBERS === 0) cx.breathe();
  }
}

/** Replies with `count` different members, at most a third of the set. */
function replyDistinct(cx: CommandContext, view: ZSetView, count: number, withScores: boolean): void {
  const { size } = view;
  const seen = new Set<number>();
  while (seen.size < count) {
    const rank = Math.floor(Math.random() * size);
    if (seen.has(rank)) continue;
    seen.add(rank);
    replyAt(cx, view, rank, withScores);
    if (seen.size % BREATH_MEMBERS === 0) cx.breathe();
  }
}

function replyAt(cx: CommandContext, view: ZSetView, rank: number, withScores: boolean): void {
  const { member } = zsetTools(cx);
  view.seekRank(rank);
  view.load(member);
  replyMember(cx, member, view.score, withScores);
}
