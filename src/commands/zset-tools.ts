// What the commands on sorted sets share: the thread's views and limits, ranges as arguments, replies of members with
// scores, results built in detached records.
//
// How much work a command is, is known once the sorted set is found: handlers hand over themselves (string-values.ts,
// handOverLong) before anything is changed.

import { NotifyFlag } from '../config/multi-values.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { LexBound, ScoreBound } from '../keyspace/zset-bounds.ts';
import { emptyZSetBytes, ZSetLimits, ZSetView } from '../keyspace/zset-view.ts';
import { Member } from '../structures/member.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';

/** Work for a member met on a walk or looked up, in bytes touched: a few misses of the caches. */
export const MEMBER_WORK = 192;
/** Work for adding or removing one: a table and a tree. */
export const CHANGE_WORK = 384;
/** Members between two calls of cx.breathe(). */
export const BREATH_MEMBERS = 1024;
/** Views kept for the next command; one with more keys makes its own. */
const VIEWS_KEPT = 16;
/** Room for the first members of a new listpack, at most. */
export const ROOM_BYTES_MAX = 1024;
/** What a member takes in a listpack beside its bytes, about: lengths, score. */
export const ENTRY_OVERHEAD = 8;

export class ZSetTools {
  readonly keyspace: Keyspace;
  readonly limits = new ZSetLimits();
  readonly member = new Member();
  readonly minScore = new ScoreBound();
  readonly maxScore = new ScoreBound();
  readonly minLex = new LexBound();
  readonly maxLex = new LexBound();
  /** Scores of one command's members. */
  scores = new Float64Array(64);
  readonly #views: ZSetView[] = [];

  constructor(cx: CommandContext) {
    this.keyspace = cx.keyspace;
    this.limits.follow(cx.server.config);
  }

  /** View number `i`, for the time of one command. */
  view(i: number): ZSetView {
    const { memory } = this.keyspace;
    if (i >= VIEWS_KEPT) return new ZSetView(memory, this.limits);
    while (this.#views.length <= i) this.#views.push(new ZSetView(memory, this.limits));
    return this.#views[i]!;
  }
}

const toolsOf = new WeakMap<Keyspace, ZSetTools>();
let last: ZSetTools | null = null;

/** The tools of the thread that the context belongs to. */
export function zsetTools(cx: CommandContext): ZSetTools {
  if (last !== null && last.keyspace === cx.keyspace) return last;
  let tools = toolsOf.get(cx.keyspace);
  if (tools === undefined) {
    tools = new ZSetTools(cx);
    toolsOf.set(cx.keyspace, tools);
  }
  last = tools;
  return tools;
}

/**
 * Looks up a sorted set for reading and opens `view` on it.
 * @returns 1 found, 0 not there, -1 replied with an error
 */
export function readZSet(cx: CommandContext, arg: number, view: ZSetView): number {
  const found = cx.readTyped(arg, Type.ZSet, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/** As readZSet, for a writing command. */
export function writeZSet(cx: CommandContext, arg: number, view: ZSetView): number {
  const found = cx.writeTyped(arg, Type.ZSet, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/** Makes an empty detached sorted set under key `arg`: the result of a command. @param spare bytes of room behind it */
export function createDetachedZSet(
  cx: CommandContext,
  arg: number,
  view: ZSetView,
  encoding: number,
  spare = 0,
): void {
  cx.createDetached(arg, view.rec, Type.ZSet, encoding, emptyZSetBytes(encoding), -1, spare);
  view.openNew(cx.shard(arg));
}

/** What a *STORE command does when its result has no members: the key goes, the reply is 0. */
export function storeNothing(cx: CommandContext, arg: number): void {
  if (cx.lookupWrite(arg, cx.rec)) {
    cx.deleteRecord(cx.rec);
    cx.keyChanged(arg);
    cx.notify(NotifyFlag.Generic, 'del', arg);
  }
  cx.reply.integer(0);
}

/** What it takes to look up `count` members, in bytes touched. */
export function lookupWork(view: ZSetView, count: number): number {
  return count * (view.encoding === Encoding.Skiplist ? MEMBER_WORK : view.rec.valueLength * 2);
}

/** What it takes to add or remove `count` members one by one. */
export function changeWork(view: ZSetView, count: number): number {
  return count * (view.encoding === Encoding.Skiplist ? CHANGE_WORK : view.rec.valueLength * 4);
}

/** What it takes to go through `count` members in order. */
export function walkWork(view: ZSetView, count: number): number {
  return view.encoding === Encoding.Skiplist ? count * MEMBER_WORK : view.rec.valueLength * 4;
}

/** An argument as an integer of 64 bits, rounded beyond 2^53; NaN if it is none. */
export function longArgument(cx: CommandContext, arg: number): number {
  const value = cx.argInteger(arg);
  if (!Number.isNaN(value)) return value;
  return argLong(cx, arg) ?? Number.NaN;
}

/** Reads a range of scores into the tools' bounds. @returns false after an error */
export function scoreBounds(cx: CommandContext, tools: ZSetTools, minArg: number, maxArg: number): boolean {
  const { minScore, maxScore } = tools;
  const { input, argOff, argLen } = cx;
  if (
    minScore.parse(input, argOff[minArg]!, argLen[minArg]!) &&
    maxScore.parse(input, argOff[maxArg]!, argLen[maxArg]!)
  )
    return true;
  cx.error('ERR min or max is not a float');
  return false;
}

/** Reads a range of members into the tools' bounds. @returns false after an error */
export function lexBounds(cx: CommandContext, tools: ZSetTools, minArg: number, maxArg: number): boolean {
  const { minLex, maxLex } = tools;
  const { input, argOff, argLen } = cx;
  if (
    minLex.parse(input, argOff[minArg]!, argLen[minArg]!) &&
    maxLex.parse(input, argOff[maxArg]!, argLen[maxArg]!)
  )
    return true;
  cx.error('ERR min or max not valid string range item');
  return false;
}

/** Writes the header of an array of `count` members: with scores flat in RESP2, of pairs in RESP3. */
export function membersHeader(cx: CommandContext, count: number, withScores: boolean): void {
  cx.reply.arrayHeader(withScores && cx.reply.resp === 2 ? count * 2 : count);
}

/** Writes a member, with its score if asked for, as an element of such an array. */
export function replyMember(cx: CommandContext, member: Member, score: number, withScores: boolean): void {
  const { reply } = cx;
  if (withScores && reply.resp === 3) reply.arrayHeader(2);
  member.text();
  reply.bulkBytes(member.buf, member.off, member.len);
  if (withScores) reply.double(score);
}

/** Writes `count` members from a rank on, or down from it. */
export function replyRange(
  cx: CommandContext,
  view: ZSetView,
  rank: number,
  count: number,
  reverse: boolean,
  withScores: boolean,
): void {
  const { member } = zsetTools(cx);
  if (count === 0) return;
  view.seekRank(rank);
  for (let left = count; left > 0; left--) {
    view.load(member);
    replyMember(cx, member, view.score, withScores);
    if (reverse) view.previous();
    else view.next();
    if (left % BREATH_MEMBERS === 0) cx.breathe();
  }
}
