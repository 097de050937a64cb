// Ranges of sorted sets: ZRANGE with all its options, ZRANGESTORE, and the older commands that each do a part of it:
// ZREVRANGE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZRANGEBYLEX, ZREVRANGEBYLEX.
//
// Every range, whatever it is given by, becomes a range of ranks (ZSetView: first, count), which is then walked through.

import { NotifyFlag } from '../config/multi-values.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  BREATH_MEMBERS,
  CHANGE_WORK,
  createDetachedZSet,
  lexBounds,
  longArgument,
  lookupWork,
  membersHeader,
  readZSet,
  replyRange,
  scoreBounds,
  storeNothing,
  walkWork,
  type ZSetTools,
  zsetTools,
} from './zset-tools.ts';

/** What a range is given by; Any until an option says it. */
const By = { Any: 0, Rank: 1, Score: 2, Lex: 3 } as const;

export const zsetRangeCommands: FamilyHandlers = {
  ZRANGE: { run: (cx) => range(cx, By.Any, false), place: Place.InPlace },
  ZREVRANGE: { run: (cx) => range(cx, By.Rank, true), place: Place.InPlace },
  ZRANGEBYSCORE: { run: (cx) => range(cx, By.Score, false), place: Place.InPlace },
  ZREVRANGEBYSCORE: { run: (cx) => range(cx, By.Score, true), place: Place.InPlace },
  ZRANGEBYLEX: { run: (cx) => range(cx, By.Lex, false), place: Place.InPlace },
  ZREVRANGEBYLEX: { run: (cx) => range(cx, By.Lex, true), place: Place.InPlace },
  ZRANGESTORE: { run: store, place: Place.InPlace },
};

/** What one command asks for. One per thread, filled by each command. */
const asked = {
  by: By.Any as number,
  reverse: false,
  withScores: false,
  start: 0,
  stop: 0,
  /** LIMIT: members to pass over, and most of them to find; negative ones as in Redis: none at all, no limit. */
  offset: 0,
  limit: -1,
};

/**
 * Reads range and options.
 * @param key argument index of the source; its range follows
 * @param by and `reverse`: what the command's name says
 * @returns false after an error
 */
function readRange(cx: CommandContext, key: number, by: number, reverse: boolean, stores: boolean): boolean {
  asked.by = by;
  asked.reverse = reverse;
  asked.withScores = false;
  asked.offset = 0;
  asked.limit = -1;
  for (let arg = key + 3; arg < cx.argc; arg++) {
    if (!stores && cx.argIs(arg, 'WITHSCORES')) asked.withScores = true;
    else if (cx.argIs(arg, 'LIMIT') && arg + 2 < cx.argc) {
      if (!readLimit(cx, arg + 1)) return false;
      arg += 2;
    } else if (by === By.Any && !asked.reverse && cx.argIs(arg, 'REV')) asked.reverse = true;
    else if (asked.by === By.Any && cx.argIs(arg, 'BYLEX')) asked.by = By.Lex;
    else if (asked.by === By.Any && cx.argIs(arg, 'BYSCORE')) asked.by = By.Score;
    else {
      cx.syntaxError();
      return false;
    }
  }
  if (asked.by === By.Any) asked.by = By.Rank;
  return checkRange(cx) && readEnds(cx, key + 1, key + 2);
}

function readLimit(cx: CommandContext, arg: number): boolean {
  asked.offset = longArgument(cx, arg);
  asked.limit = longArgument(cx, arg + 1);
  if (!Number.isNaN(asked.offset) && !Number.isNaN(asked.limit)) return true;
  cx.error(ErrorText.NotInteger);
  return false;
}

function checkRange(cx: CommandContext): boolean {
  if (asked.limit !== -1 && asked.by === By.Rank) {
    cx.error('ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX');
    return false;
  }
  if (asked.withScores && asked.by === By.Lex) {
    cx.error('ERR syntax error, WITHSCORES not supported in combination with BYLEX');
    return false;
  }
  return true;
}

/** Ranges by score and by member are given from their upper end down when they are reversed; those by rank are not. */
function readEnds(cx: CommandContext, first: number, last: number): boolean {
  const tools = zsetTools(cx);
  const minArg = asked.reverse ? last : first;
  const maxArg = asked.reverse ? first : last;
  if (asked.by === By.Score) return scoreBounds(cx, tools, minArg, maxArg);
  if (asked.by === By.Lex) return lexBounds(cx, tools, minArg, maxArg);
  asked.start = longArgument(cx, first);
  asked.stop = longArgument(cx, last);
  if (!Number.isNaN(asked.start) && !Number.isNaN(asked.stop)) return true;
  cx.error(ErrorText.NotInteger);
  return false;
}

/** Finds what was asked for: `first` and `count` of the view. */
function findRange(view: ZSetView, tools: ZSetTools): void {
  const { reverse, offset } = asked;
  const most = asked.limit < 0 ? Number.POSITIVE_INFINITY : asked.limit;
  if (asked.by === By.Rank) view.rankRange(asked.start, asked.stop, reverse);
  else if (offset < 0) view.count = 0;
  else if (asked.by === By.Lex) view.lexRange(tools.minLex, tools.maxLex, reverse, offset, most);
  else {
    view.scoreRange(tools.minScore, tools.maxScore);
    view.limit(reverse, offset, most);
  }
}

/** @param by and `reverse`: what the command's name says */
function range(cx: CommandContext, by: number, reverse: boolean): void {
  if (!readRange(cx, 1, by, reverse, false)) return;
  const tools = zsetTools(cx);
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.arrayHeader(0);
    return;
  }
  if (handOverLong(cx, lookupWork(view, 2), 1, 1)) return;
  findRange(view, tools);
  const { first, count } = view;
  if (handOverLong(cx, walkWork(view, count), 1, 1)) return;
  membersHeader(cx, count, asked.withScores);
  replyRange(cx, view, asked.reverse ? first + count - 1 : first, count, asked.reverse, asked.withScores);
}

/** ZRANGESTORE destination source ... */
function store(cx: CommandContext): void {
  if (!readRange(cx, 2, By.Any, false, true)) return;
  const tools = zsetTools(cx);
  const source = tools.view(0);
  const found = readZSet(cx, 2, source);
  if (found < 0) return;
  if (found === 1) {
    findRange(source, tools);
    if (handOverLong(cx, source.count * CHANGE_WORK, 2, 2)) return;
  }
  if (found === 0 || source.count === 0) {
    storeNothing(cx, 1);
    return;
  }
  const target = tools.view(1);
  // Redis knows the number of members beforehand only of ranges by rank; others begin as listpacks.
  const expected = asked.by === By.Rank ? source.count : 1;
  createDetachedZSet(cx, 1, target, tools.limits.encodingOf(expected, 0));
  try {
    copyRange(cx, tools, source, target);
    cx.attach(1, target.rec);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Zset, 'zrangestore', 1);
  cx.reply.integer(source.count);
}

/**
 * Adds the range that `source` has found to `target`, in the direction that was asked for: what comes first goes through
 * a listpack, and -0 becomes 0 there.
 */
function copyRange(cx: CommandContext, tools: ZSetTools, source: ZSetView, target: ZSetView): void {
  const { member } = tools;
  const { first, count } = source;
  source.seekRank(asked.reverse ? first + count - 1 : first);
  for (let left = count; left > 0; left--) {
    source.load(member);
    if (asked.reverse) {
      target.add(member, source.score);
      source.previous();
    } else {
      target.append(member, source.score);
      source.next();
    }
    if (left % BREATH_MEMBERS === 0) cx.breathe();
  }
}
