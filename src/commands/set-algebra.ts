// Intersections, unions and differences of sets: SINTER, SINTERCARD, SINTERSTORE, SUNION, SUNIONSTORE, SDIFF, SDIFFSTORE.
//
//   intersection   the members of the smallest set that all the others have, asked from the next smallest up
//   union          each set's members into a new set, in the order of the keys
//   difference     algorithm 1: the members of the first set that none of the others has, asked from the largest down
//                  algorithm 2: a copy of the first set, less the members of each of the others
//                  Redis's estimate says which: 1 unless there are many small sets to take away
//
// A result that is stored, or that must not have a member twice, is built as a detached record and takes the key's
// place at the end: till then nothing has changed, so the loops may breathe. No member ever becomes a JavaScript string.
// The encoding of a stored result is the one that Redis's way of building it leads to.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding } from '../keyspace/record.ts';
import type { SetView } from '../keyspace/set-view.ts';
import type { Member } from '../structures/member.ts';
import { argLong } from './arguments.ts';
import type { CommandContext } from './context.ts';
import {
  BREATH_MEMBERS,
  createDetachedSet,
  MEMBER_WORK,
  readSet,
  replyMember,
  type SetTools,
  setTools,
  walkWork,
} from './set-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

export const setAlgebraCommands: FamilyHandlers = {
  SINTER: { run: (cx) => intersect(cx, 1, cx.argc - 1, Result.Reply, 0), place: Place.InPlace },
  SINTERCARD: { run: sintercard, place: Place.InPlace },
  SINTERSTORE: { run: (cx) => intersect(cx, 2, cx.argc - 2, Result.Store, 0), place: Place.InPlace },
  SUNION: { run: (cx) => unite(cx, 1, Result.Reply), place: Place.InPlace },
  SUNIONSTORE: { run: (cx) => unite(cx, 2, Result.Store), place: Place.InPlace },
  SDIFF: { run: (cx) => subtract(cx, 1, Result.Reply), place: Place.InPlace },
  SDIFFSTORE: { run: (cx) => subtract(cx, 2, Result.Store), place: Place.InPlace },
};

/** What becomes of the members found. */
const Result = { Reply: 0, Store: 1, Count: 2 } as const;

/** Number of the view on the result; those of the sources follow. */
const TARGET = 0;
const SOURCES = 1;

/** The sets of one command. */
class Sources {
  /** Views on those that are there, in the order of the keys. */
  readonly sets: SetView[] = [];
  /** Keys that are not there. */
  missing = 0;
  /** Whether the first key is there. */
  hasFirst = false;
  /** Whether a later key is the first one again. */
  repeatsFirst = false;
  /** Members in all. */
  members = 0;
  /** Work for a walk through all of them. */
  work = 0;
}

/** @returns null after an error */
function openSources(cx: CommandContext, tools: SetTools, firstArg: number, count: number): Sources | null {
  const sources = new Sources();
  for (let i = 0; i < count; i++) {
    const view = tools.view(SOURCES + i);
    const found = readSet(cx, firstArg + i, view);
    if (found < 0) return null;
    if (found === 0) {
      sources.missing++;
      continue;
    }
    if (i === 0) sources.hasFirst = true;
    else if (sources.hasFirst && view.rec.ref === sources.sets[0]!.rec.ref) sources.repeatsFirst = true;
    sources.sets.push(view);
    sources.members += view.size;
    sources.work += walkWork(view);
  }
  return sources;
}

// ---- intersections ----

function sintercard(cx: CommandContext): void {
  const count = argLong(cx, 1);
  if (count === null || count < 1) {
    cx.error('ERR numkeys should be greater than 0');
    return;
  }
  if (count > cx.argc - 2) {
    cx.error("ERR Number of keys can't be greater than number of args");
    return;
  }
  let limit = 0;
  for (let arg = 2 + count; arg < cx.argc; arg += 2) {
    if (!cx.argIs(arg, 'LIMIT') || arg + 1 === cx.argc) {
      cx.syntaxError();
      return;
    }
    const value = argLong(cx, arg + 1);
    if (value === null || value < 0) {
      cx.error("ERR LIMIT can't be negative");
      return;
    }
    limit = value;
  }
  intersect(cx, 2, count, Result.Count, limit);
}

/** @param limit of members to count, 0 for none */
function intersect(cx: CommandContext, firstArg: number, count: number, result: number, limit: number): void {
  const tools = setTools(cx);
  const sources = openSources(cx, tools, firstArg, count);
  if (sources === null) return;
  if (sources.missing > 0) {
    replyEmpty(cx, result);
    return;
  }
  const { sets } = sources;
  sets.sort(bySize);
  const smallest = sets[0]!;
  const others = differentFrom(smallest, sets);
  const seen = limit === 0 ? smallest.size : Math.min(limit, smallest.size);
  const work = walkWork(smallest) + seen * others.length * MEMBER_WORK;
  if (handOverLong(cx, work, firstArg, firstArg + count - 1)) return;
  if (result === Result.Store) storeIntersection(cx, tools, smallest, others);
  else if (result === Result.Count) cx.reply.integer(countCommon(cx, tools, smallest, others, limit));
  else replyIntersection(cx, tools, smallest, others);
}

function bySize(a: SetView, b: SetView): number {
  return a.size - b.size;
}

/** Those of `sets` that are not `set` under the same key once more. */
function differentFrom(set: SetView, sets: readonly SetView[]): SetView[] {
  return sets.filter((other) => other.rec.ref !== set.rec.ref);
}

function allHave(sets: readonly SetView[], member: Member): boolean {
  for (let i = 0; i < sets.length; i++) if (!sets[i]!.has(member)) return false;
  return true;
}

function anyHas(sets: readonly SetView[], member: Member): boolean {
  for (let i = 0; i < sets.length; i++) if (sets[i]!.has(member)) return true;
  return false;
}

function replyIntersection(
  cx: CommandContext,
  tools: SetTools,
  smallest: SetView,
  others: readonly SetView[],
): void {
  const { member } = tools;
  const mark = cx.reply.length;
  let found = 0;
  smallest.begin();
  for (let seen = 1; smallest.next(member); seen++) {
    if (allHave(others, member)) {
      replyMember(cx, member);
      found++;
    }
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
  insertSetHeader(cx, mark, found);
}

function countCommon(
  cx: CommandContext,
  tools: SetTools,
  smallest: SetView,
  others: readonly SetView[],
  limit: number,
): number {
  const { member } = tools;
  let found = 0;
  smallest.begin();
  for (let seen = 1; smallest.next(member); seen++) {
    if (allHave(others, member)) found++;
    if (found === limit && limit > 0) break;
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
  return found;
}

/** A result of integers only becomes an intset at the end, if it is not too large for one. */
function storeIntersection(
  cx: CommandContext,
  tools: SetTools,
  smallest: SetView,
  others: readonly SetView[],
): void {
  const { member } = tools;
  const target = tools.view(TARGET);
  const encoding = smallest.encoding === Encoding.Intset ? Encoding.Intset : Encoding.Listpack;
  let integers = true;
  createDetachedSet(cx, 1, target, encoding);
  try {
    smallest.begin();
    for (let seen = 1; smallest.next(member); seen++) {
      if (allHave(others, member)) {
        if (integers) integers = member.isInteger();
        target.addNew(member);
      }
      if (seen % BREATH_MEMBERS === 0) cx.breathe();
    }
    if (integers && target.size > 0) target.toIntset();
    storeResult(cx, target);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
}

// ---- unions ----

function unite(cx: CommandContext, firstArg: number, result: number): void {
  const tools = setTools(cx);
  const sources = openSources(cx, tools, firstArg, cx.argc - firstArg);
  if (sources === null) return;
  const { sets } = sources;
  if (sets.length === 0) {
    replyEmpty(cx, result);
    return;
  }
  const work = sources.work + (sets.length > 1 ? sources.members * MEMBER_WORK : 0);
  if (handOverLong(cx, work, firstArg, cx.argc - 1)) return;
  if (sets.length === 1 && result === Result.Reply) {
    cx.reply.setHeader(sets[0]!.size);
    replyMembers(cx, tools, sets[0]!);
    return;
  }
  const target = tools.view(TARGET);
  createDetachedSet(cx, 1, target, Encoding.Intset);
  try {
    for (let i = 0; i < sets.length; i++) addAll(cx, tools, target, sets[i]!);
    if (result === Result.Store) storeResult(cx, target);
    else replyResult(cx, tools, target);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
}

function addAll(cx: CommandContext, tools: SetTools, target: SetView, set: SetView): void {
  const { member } = tools;
  const isFirst = target.size === 0;
  set.begin();
  for (let seen = 1; set.next(member); seen++) {
    if (isFirst) target.addNew(member);
    else target.add(member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

// ---- differences ----

function subtract(cx: CommandContext, firstArg: number, result: number): void {
  const tools = setTools(cx);
  const count = cx.argc - firstArg;
  const sources = openSources(cx, tools, firstArg, count);
  if (sources === null) return;
  if (!sources.hasFirst || sources.repeatsFirst) {
    replyEmpty(cx, result);
    return;
  }
  const { sets, members } = sources;
  const first = sets[0]!;
  const asks = Math.floor((first.size * sets.length) / 2) <= members;
  const work = asks
    ? walkWork(first) + first.size * (sets.length - 1) * MEMBER_WORK
    : sources.work + members * MEMBER_WORK;
  if (handOverLong(cx, work, firstArg, cx.argc - 1)) return;
  const others = sets.slice(1);
  if (asks) others.sort((a, b) => bySize(b, a));
  if (asks && result === Result.Reply) {
    replyDifference(cx, tools, first, others);
    return;
  }
  const target = tools.view(TARGET);
  createDetachedSet(cx, 1, target, Encoding.Intset);
  try {
    if (asks) addDifference(cx, tools, target, first, others);
    else {
      addAll(cx, tools, target, first);
      for (let i = 0; i < others.length && target.size > 0; i++) removeAll(cx, tools, target, others[i]!);
    }
    if (result === Result.Store) storeResult(cx, target);
    else replyResult(cx, tools, target);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
}

function replyDifference(
  cx: CommandContext,
  tools: SetTools,
  first: SetView,
  others: readonly SetView[],
): void {
  const { member } = tools;
  const mark = cx.reply.length;
  let found = 0;
  first.begin();
  for (let seen = 1; first.next(member); seen++) {
    if (!anyHas(others, member)) {
      replyMember(cx, member);
      found++;
    }
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
  insertSetHeader(cx, mark, found);
}

function addDifference(
  cx: CommandContext,
  tools: SetTools,
  target: SetView,
  first: SetView,
  others: readonly SetView[],
): void {
  const { member } = tools;
  first.begin();
  for (let seen = 1; first.next(member); seen++) {
    if (!anyHas(others, member)) target.addNew(member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

function removeAll(cx: CommandContext, tools: SetTools, target: SetView, set: SetView): void {
  const { member } = tools;
  set.begin();
  for (let seen = 1; target.size > 0 && set.next(member); seen++) {
    target.remove(member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

// ---- results ----

/** Puts a detached set in the place of key 1, which is deleted if the set is empty. */
function storeResult(cx: CommandContext, target: SetView): void {
  const { size } = target;
  if (size === 0) {
    cx.discard(target.rec);
    replyEmpty(cx, Result.Store);
    return;
  }
  cx.attach(1, target.rec);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Set, cx.command.name, 1);
  cx.reply.integer(size);
}

/** Replies with a detached set and frees it. */
function replyResult(cx: CommandContext, tools: SetTools, target: SetView): void {
  cx.reply.setHeader(target.size);
  if (target.size > 0) replyMembers(cx, tools, target);
  cx.discard(target.rec);
}

function replyMembers(cx: CommandContext, tools: SetTools, set: SetView): void {
  const { member } = tools;
  set.begin();
  for (let seen = 1; set.next(member); seen++) {
    replyMember(cx, member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

/** The reply for no members; a key that would have had them is deleted. */
function replyEmpty(cx: CommandContext, result: number): void {
  if (result === Result.Reply) {
    cx.reply.setHeader(0);
    return;
  }
  if (result === Result.Store && cx.lookupWrite(1, cx.rec)) {
    cx.deleteRecord(cx.rec);
    cx.keyChanged(1);
    cx.notify(NotifyFlag.Generic, 'del', 1);
  }
  cx.reply.integer(0);
}

/** Writes the header of a set behind which its members have been written already, by moving them. */
function insertSetHeader(cx: CommandContext, mark: number, count: number): void {
  const { reply } = cx;
  const header = `${reply.resp === 3 ? '~' : '*'}${count}\r\n`;
  reply.reserve(header.length);
  reply.bytes.copyWithin(mark + header.length, mark, reply.length);
  reply.bytes.write(header, mark, 'latin1');
  reply.length += header.length;
}
