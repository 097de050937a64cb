// Sorted sets: members one by one, and their number. ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZREM, ZCOUNT, ZLEXCOUNT,
// ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.
//
// How members are kept, and when that changes: keyspace/zset-view.ts. The other commands on sorted sets are in the files
// zset-*.ts. Semantics are those of Redis 7.4; scores are written as Redis 7.0 does (protocol/doubles.ts).

import { NotifyFlag } from '../config/multi-values.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  CHANGE_WORK,
  changeWork,
  lexBounds,
  longArgument,
  lookupWork,
  readZSet,
  scoreBounds,
  writeZSet,
  zsetTools,
} from './zset-tools.ts';

export const zsetCommands: FamilyHandlers = {
  ZCARD: { run: zcard, place: Place.InPlace },
  ZSCORE: { run: zscore, place: Place.InPlace },
  ZMSCORE: { run: zmscore, place: Place.InPlace },
  ZRANK: { run: (cx) => rank(cx, 'zrank', false), place: Place.InPlace },
  ZREVRANK: { run: (cx) => rank(cx, 'zrevrank', true), place: Place.InPlace },
  ZREM: { run: zrem, place: Place.InPlace },
  ZCOUNT: { run: zcount, place: Place.InPlace },
  ZLEXCOUNT: { run: zlexcount, place: Place.InPlace },
  ZREMRANGEBYRANK: { run: zremrangebyrank, place: Place.InPlace },
  ZREMRANGEBYSCORE: { run: zremrangebyscore, place: Place.InPlace },
  ZREMRANGEBYLEX: { run: zremrangebylex, place: Place.InPlace },
};

function zcard(cx: CommandContext): void {
  const view = zsetTools(cx).view(0);
  const found = readZSet(cx, 1, view);
  if (found >= 0) cx.reply.integer(found === 1 ? view.size : 0);
}

function zscore(cx: CommandContext): void {
  const tools = zsetTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1) {
    if (handOverLong(cx, lookupWork(view, 1), 1, 1)) return;
    member.setBytes(cx.input, cx.argOff[2]!, cx.argLen[2]!);
    if (view.find(member)) {
      cx.reply.double(view.score);
      return;
    }
  }
  cx.reply.nullBulk();
}

function zmscore(cx: CommandContext): void {
  const tools = zsetTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  const count = cx.argc - 2;
  if (found === 1 && handOverLong(cx, lookupWork(view, count), 1, 1)) return;
  cx.reply.arrayHeader(count);
  for (let arg = 2; arg < cx.argc; arg++) {
    member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (found === 1 && view.find(member)) cx.reply.double(view.score);
    else cx.reply.nullBulk();
  }
}

/** @param name of the command */
function rank(cx: CommandContext, name: string, reverse: boolean): void {
  if (cx.argc > 4) {
    cx.error(wrongArity(name));
    return;
  }
  const withScore = cx.argc === 4;
  if (withScore && !cx.argIs(3, 'WITHSCORE')) {
    cx.syntaxError();
    return;
  }
  const tools = zsetTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1 && handOverLong(cx, lookupWork(view, 2), 1, 1)) return;
  member.setBytes(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (found === 0 || !view.find(member)) {
    if (withScore) cx.reply.nullArray();
    else cx.reply.nullBulk();
    return;
  }
  const { score } = view;
  const before = view.rankOfFound();
  if (withScore) cx.reply.arrayHeader(2);
  cx.reply.integer(reverse ? view.size - 1 - before : before);
  if (withScore) cx.reply.double(score);
}

function zrem(cx: CommandContext): void {
  const tools = zsetTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = writeZSet(cx, 1, view);
  if (found < 0) return;
  let removed = 0;
  if (found === 1) {
    if (handOverLong(cx, changeWork(view, cx.argc - 2), 0, 0)) return;
    for (let arg = 2; arg < cx.argc; arg++) {
      member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      if (!view.find(member)) continue;
      view.removeFound(member);
      removed++;
      if (view.size > 0) continue;
      cx.deleteRecord(view.rec);
      break;
    }
    if (removed > 0) {
      cx.keyChanged(1, removed);
      cx.notifyRemoval(NotifyFlag.Zset, 'zrem', 1, view.rec);
    }
  }
  cx.reply.integer(removed);
}

function zcount(cx: CommandContext): void {
  const tools = zsetTools(cx);
  if (!scoreBounds(cx, tools, 2, 3)) return;
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1) {
    if (handOverLong(cx, lookupWork(view, 2), 1, 1)) return;
    view.scoreRange(tools.minScore, tools.maxScore);
  }
  cx.reply.integer(found === 1 ? view.count : 0);
}

function zlexcount(cx: CommandContext): void {
  const tools = zsetTools(cx);
  if (!lexBounds(cx, tools, 2, 3)) return;
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1) {
    if (handOverLong(cx, lookupWork(view, 2), 1, 1)) return;
    view.lexRange(tools.minLex, tools.maxLex, false, 0, Number.POSITIVE_INFINITY);
  }
  cx.reply.integer(found === 1 ? view.count : 0);
}

// ---- removing ranges ----

function zremrangebyrank(cx: CommandContext): void {
  const start = longArgument(cx, 2);
  const stop = longArgument(cx, 3);
  if (Number.isNaN(start) || Number.isNaN(stop)) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const view = zsetTools(cx).view(0);
  const found = writeZSet(cx, 1, view);
  if (found === 1) {
    view.rankRange(start, stop, false);
    removeRange(cx, view);
  } else if (found === 0) cx.reply.integer(0);
}

function zremrangebyscore(cx: CommandContext): void {
  const tools = zsetTools(cx);
  if (!scoreBounds(cx, tools, 2, 3)) return;
  const view = tools.view(0);
  const found = writeZSet(cx, 1, view);
  if (found === 1) {
    view.scoreRange(tools.minScore, tools.maxScore);
    removeRange(cx, view);
  } else if (found === 0) cx.reply.integer(0);
}

function zremrangebylex(cx: CommandContext): void {
  const tools = zsetTools(cx);
  if (!lexBounds(cx, tools, 2, 3)) return;
  const view = tools.view(0);
  const found = writeZSet(cx, 1, view);
  if (found === 1) {
    view.lexRange(tools.minLex, tools.maxLex, false, 0, Number.POSITIVE_INFINITY);
    removeRange(cx, view);
  } else if (found === 0) cx.reply.integer(0);
}

/** Removes the range that the view has found, and replies with its length. */
function removeRange(cx: CommandContext, view: ZSetView): void {
  const { first, count } = view;
  const all = count === view.size;
  if (!all && handOverLong(cx, count * CHANGE_WORK, 0, 0)) return;
  if (all) cx.deleteRecord(view.rec);
  else if (count > 0) view.removeRange(first, count);
  if (count > 0) {
    cx.keyChanged(1, count);
    // ZREMRANGEBYRANK and its kin are called as the commands are.
    cx.notifyRemoval(NotifyFlag.Zset, cx.command.name, 1, view.rec);
  }
  cx.reply.integer(count);
}
