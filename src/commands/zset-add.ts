// ZADD and ZINCRBY: one command with options, as in Redis.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { emptyZSetBytes, type ZSetView } from '../keyspace/zset-view.ts';
import { parseDouble } from '../protocol/doubles.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  CHANGE_WORK,
  changeWork,
  ENTRY_OVERHEAD,
  ROOM_BYTES_MAX,
  writeZSet,
  type ZSetTools,
  zsetTools,
} from './zset-tools.ts';

export const zsetAddCommands: FamilyHandlers = {
  ZADD: { run: (cx) => addCommand(cx, 0), place: Place.InPlace },
  ZINCRBY: { run: (cx) => addCommand(cx, Option.Incr), place: Place.InPlace },
};

export const Option = { Nx: 1, Xx: 2, Gt: 4, Lt: 8, Ch: 16, Incr: 32 } as const;
/** Options begin with a letter; scores do not, but for infinities. */
const LETTERS_FROM = 0x41;

/** What became of a member. */
const Outcome = { Nothing: 0, Same: 1, Updated: 2, Added: 3, NotANumber: 4 } as const;

/** The score that the last member with Outcome.Same, Updated or Added has. */
let newScore = 0;

function addCommand(cx: CommandContext, given: number): void {
  let options = given;
  let arg = 2;
  for (; arg < cx.argc; arg++) {
    const option = optionAt(cx, arg);
    if (option === 0) break;
    options |= option;
  }
  const count = (cx.argc - arg) / 2;
  if (!checkOptions(cx, options, count)) return;
  if (readScores(cx, zsetTools(cx), arg, count)) addScored(cx, arg + 1, 2, count, options);
}

/**
 * Adds members to the sorted set of argument 1, with the scores that are in the tools' `scores`, and replies.
 * @param memberArg argument index of the first member @param step arguments from one member to the next
 */
export function addScored(
  cx: CommandContext,
  memberArg: number,
  step: number,
  count: number,
  options: number,
): void {
  const tools = zsetTools(cx);
  const view = tools.view(0);
  const found = writeZSet(cx, 1, view);
  if (found < 0) return;
  const incr = has(options, Option.Incr);
  if (found === 0 && has(options, Option.Xx)) {
    if (incr) cx.reply.nullBulk();
    else cx.reply.integer(0);
    return;
  }
  if (handOverLong(cx, found === 1 ? growthWork(view, tools, count) : count * CHANGE_WORK, 0, 0)) return;
  if (found === 0) create(cx, tools, view, memberArg, step, count);
  addMembers(cx, tools, view, memberArg, step, count, options, found === 0);
}

function has(options: number, option: number): boolean {
  return (options & option) !== 0;
}

/** @returns the option that an argument is, 0 if it is none */
function optionAt(cx: CommandContext, arg: number): number {
  if (cx.argLen[arg]! < 2 || cx.input[cx.argOff[arg]!]! < LETTERS_FROM) return 0;
  if (cx.argIs(arg, 'NX')) return Option.Nx;
  if (cx.argIs(arg, 'XX')) return Option.Xx;
  if (cx.argIs(arg, 'CH')) return Option.Ch;
  if (cx.argIs(arg, 'GT')) return Option.Gt;
  if (cx.argIs(arg, 'LT')) return Option.Lt;
  return cx.argIs(arg, 'INCR') ? Option.Incr : 0;
}

/** @param count pairs of score and member; not whole if an argument is missing @returns false after an error */
function checkOptions(cx: CommandContext, options: number, count: number): boolean {
  if (count < 1 || !Number.isInteger(count)) {
    cx.syntaxError();
    return false;
  }
  if (options === 0) return true;
  if (has(options, Option.Nx) && has(options, Option.Xx)) {
    cx.error('ERR XX and NX options at the same time are not compatible');
    return false;
  }
  if (
    (has(options, Option.Nx) && has(options, Option.Gt | Option.Lt)) ||
    (has(options, Option.Gt) && has(options, Option.Lt))
  ) {
    cx.error('ERR GT, LT, and/or NX options at the same time are not compatible');
    return false;
  }
  if (has(options, Option.Incr) && count > 1) {
    cx.error('ERR INCR option supports a single increment-element pair');
    return false;
  }
  return true;
}

/** Reads all scores, before anything is looked up. @returns false after an error */
function readScores(cx: CommandContext, tools: ZSetTools, firstArg: number, count: number): boolean {
  if (tools.scores.length < count) tools.scores = new Float64Array(count * 2);
  const { scores } = tools;
  for (let i = 0, arg = firstArg; i < count; i++, arg += 2) {
    const score = parseDouble(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (Number.isNaN(score)) {
      cx.error(ErrorText.NotFloat);
      return false;
    }
    scores[i] = score;
  }
  return true;
}

/** Bytes touched by adding members; a listpack may have to become a skiplist. */
function growthWork(view: ZSetView, tools: ZSetTools, count: number): number {
  const work = changeWork(view, count);
  if (count === 1 || view.encoding === Encoding.Skiplist) return work;
  return view.size + count > tools.limits.listpackEntries ? work + count * CHANGE_WORK : work;
}

/** Makes an empty sorted set for the members to come. */
function create(
  cx: CommandContext,
  tools: ZSetTools,
  view: ZSetView,
  memberArg: number,
  step: number,
  count: number,
): void {
  // Redis decides by the first member, and thinks again with each of the others.
  const encoding = tools.limits.encodingOf(1, cx.argLen[memberArg]!);
  let room = 0;
  for (let i = 0; i < count && room < ROOM_BYTES_MAX; i++)
    room += cx.argLen[memberArg + i * step]! + ENTRY_OVERHEAD;
  cx.createRecord(
    1,
    Type.ZSet,
    encoding,
    emptyZSetBytes(encoding),
    -1,
    Math.min(room, ROOM_BYTES_MAX),
    view.rec,
  );
  view.openNew(cx.shard(1));
}

function addMembers(
  cx: CommandContext,
  tools: ZSetTools,
  view: ZSetView,
  memberArg: number,
  step: number,
  count: number,
  options: number,
  isNew: boolean,
): void {
  const { member, scores } = tools;
  let added = 0;
  let updated = 0;
  let outcome: number = Outcome.Nothing;
  try {
    for (let i = 0, arg = memberArg; i < count; i++, arg += step) {
      member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      outcome = addMember(view, tools, scores[i]!, options);
      if (outcome === Outcome.Added) added++;
      else if (outcome === Outcome.Updated) updated++;
    }
  } finally {
    // Out of memory half-way: what is in, is in, and counts.
    if (added + updated > 0) {
      cx.keyChanged(1, added + updated);
      cx.notify(NotifyFlag.Zset, has(options, Option.Incr) ? 'zincr' : 'zadd', 1);
    } else if (isNew) cx.deleteRecord(view.rec);
  }
  if (outcome === Outcome.NotANumber) cx.error('ERR resulting score is not a number (NaN)');
  else if ((options & Option.Incr) === 0) cx.reply.integer(has(options, Option.Ch) ? added + updated : added);
  else if (outcome === Outcome.Nothing) cx.reply.nullBulk();
  else cx.reply.double(newScore);
}

/** Adds or changes the tools' member. @returns an Outcome */
function addMember(view: ZSetView, tools: ZSetTools, given: number, options: number): number {
  const { member } = tools;
  let score = given;
  if (!view.find(member)) {
    if (has(options, Option.Xx)) return Outcome.Nothing;
    view.add(member, score);
    newScore = score;
    return Outcome.Added;
  }
  if (has(options, Option.Nx)) return Outcome.Nothing;
  const old = view.score;
  if (has(options, Option.Incr)) {
    score += old;
    if (Number.isNaN(score)) return Outcome.NotANumber;
  }
  if (has(options, Option.Lt) && score >= old) return Outcome.Nothing;
  if (has(options, Option.Gt) && score <= old) return Outcome.Nothing;
  newScore = score;
  if (score === old) return Outcome.Same;
  view.setScore(member, score);
  return Outcome.Updated;
}
