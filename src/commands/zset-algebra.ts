// Unions, intersections and differences of sorted sets, sets among them (whose members have the score 1): ZUNION, ZINTER,
// ZDIFF, ZINTERCARD, ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE.
//
//   union          each source's members into a hash table, scores added up there
//   intersection   the members of the smallest source that all the others have
//   difference     algorithm 1: the members of the first source that none of the others has
//                  algorithm 2: a copy of the first source, less the members of each of the others
//                  Redis's estimate says which: 1 unless there are many small sources to take away
//
// The result is built as a detached record, first as a hash table without order, which comes at the end. What is stored
// takes its key's place then; what is replied is discarded again. Till then nothing has changed, so the loops may
// breathe. Scores are combined in Redis's order, that of the sources' sizes: sums of doubles depend on it.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import type { SetView } from '../keyspace/set-view.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import { parseDouble } from '../protocol/doubles.ts';
import { TablePosition } from '../structures/hash-table.ts';
import type { Member } from '../structures/member.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { setTools } from './set-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  BREATH_MEMBERS,
  CHANGE_WORK,
  createDetachedZSet,
  ENTRY_OVERHEAD,
  longArgument,
  MEMBER_WORK,
  membersHeader,
  ROOM_BYTES_MAX,
  replyRange,
  storeNothing,
  type ZSetTools,
  zsetTools,
} from './zset-tools.ts';

const Op = { Union: 0, Intersection: 1, Difference: 2 } as const;
const Aggregate = { Sum: 0, Min: 1, Max: 2 } as const;
/** What becomes of the result. */
const Result = { Reply: 0, Store: 1, Count: 2 } as const;

export const zsetAlgebraCommands: FamilyHandlers = {
  ZUNION: { run: (cx) => combine(cx, 'zunion', Op.Union, Result.Reply), place: Place.InPlace },
  ZINTER: { run: (cx) => combine(cx, 'zinter', Op.Intersection, Result.Reply), place: Place.InPlace },
  ZDIFF: { run: (cx) => combine(cx, 'zdiff', Op.Difference, Result.Reply), place: Place.InPlace },
  ZINTERCARD: { run: (cx) => combine(cx, 'zintercard', Op.Intersection, Result.Count), place: Place.InPlace },
  ZUNIONSTORE: { run: (cx) => combine(cx, 'zunionstore', Op.Union, Result.Store), place: Place.InPlace },
  ZINTERSTORE: {
    run: (cx) => combine(cx, 'zinterstore', Op.Intersection, Result.Store),
    place: Place.InPlace,
  },
  ZDIFFSTORE: { run: (cx) => combine(cx, 'zdiffstore', Op.Difference, Result.Store), place: Place.InPlace },
};

/** Number of the views on the result; those of the sources follow. */
const BUILT = 0;
const PACKED = 1;
const SOURCES = 2;

/** One key: a sorted set, a set, or nothing. */
class Source {
  zset: ZSetView | null = null;
  set: SetView | null = null;
  size = 0;
  weight = 1;
  /** Of the last member that find() found or next() went to. */
  score = 1;
  /** The record: the same key may be there twice. */
  ref = 0;
  #more = false;

  /** Looks for a member. */
  find(member: Member): boolean {
    if (this.zset === null) return this.set?.has(member) ?? false;
    if (!this.zset.find(member)) return false;
    this.score = this.zset.score;
    return true;
  }

  begin(): void {
    if (this.zset !== null) this.#more = this.zset.seekRank(0);
    else this.set?.begin();
  }

  /** Sets `member` to the next one. */
  next(member: Member): boolean {
    if (this.zset === null) return this.set?.next(member) ?? false;
    if (!this.#more) return false;
    this.zset.load(member);
    this.score = this.zset.score;
    this.#more = this.zset.next();
    return true;
  }
}

/** One command: its arguments and what it builds. */
class Combination {
  readonly sources: Source[] = [];
  aggregate: number = Aggregate.Sum;
  withScores = false;
  /** Members to count, 0 for no limit. */
  limit = 0;
  /** Bytes of all members that came into the result. */
  totalBytes = 0;
  /** Members seen since the command began. */
  seen = 0;
}

/** @param name of the command, for an error */
function combine(cx: CommandContext, name: string, op: number, result: number): void {
  const numkeysArg = result === Result.Store ? 2 : 1;
  const count = longArgument(cx, numkeysArg);
  if (Number.isNaN(count)) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  if (count < 1) {
    cx.error(`ERR at least 1 input key is needed for '${name}' command`);
    return;
  }
  const first = numkeysArg + 1;
  if (count > cx.argc - first) {
    cx.syntaxError();
    return;
  }
  const combination = new Combination();
  if (!openSources(cx, combination, first, count)) return;
  if (!readOptions(cx, combination, first + count, op, result)) return;
  const { sources } = combination;
  // The first of several equal ones stays first, so that sums come out alike.
  if (op !== Op.Difference) sources.sort(bySize);
  if (handOverLong(cx, workOf(sources, op, result), first, first + count - 1)) return;
  if (result === Result.Count) cx.reply.integer(countCommon(cx, combination));
  else build(cx, combination, op, result === Result.Store, first);
}

function bySize(a: Source, b: Source): number {
  return a.size - b.size;
}

/** @returns false after an error */
function openSources(cx: CommandContext, combination: Combination, first: number, count: number): boolean {
  const tools = zsetTools(cx);
  const sets = setTools(cx);
  for (let i = 0; i < count; i++) {
    const source = new Source();
    combination.sources.push(source);
    const arg = first + i;
    const zset = tools.view(SOURCES + i);
    if (!cx.lookupRead(arg, zset.rec)) continue;
    source.ref = zset.rec.ref;
    if (zset.rec.type === Type.ZSet) {
      zset.open(cx.shard(arg));
      source.zset = zset;
      source.size = zset.size;
    } else if (zset.rec.type === Type.Set) {
      const set = sets.view(i);
      set.rec.point(source.ref);
      set.rec.shard = zset.rec.shard;
      set.open(cx.shard(arg));
      source.set = set;
      source.size = set.size;
    } else {
      cx.error(ErrorText.WrongType);
      return false;
    }
  }
  return true;
}

/** @returns false after an error */
function readOptions(
  cx: CommandContext,
  combination: Combination,
  from: number,
  op: number,
  result: number,
): boolean {
  const { sources } = combination;
  const weighs = op !== Op.Difference && result !== Result.Count;
  for (let arg = from; arg < cx.argc; arg++) {
    const left = cx.argc - arg - 1;
    if (weighs && left >= sources.length && cx.argIs(arg, 'WEIGHTS')) {
      if (!readWeights(cx, sources, arg + 1)) return false;
      arg += sources.length;
    } else if (weighs && left >= 1 && cx.argIs(arg, 'AGGREGATE')) {
      arg++;
      if (cx.argIs(arg, 'SUM')) combination.aggregate = Aggregate.Sum;
      else if (cx.argIs(arg, 'MIN')) combination.aggregate = Aggregate.Min;
      else if (cx.argIs(arg, 'MAX')) combination.aggregate = Aggregate.Max;
      else {
        cx.syntaxError();
        return false;
      }
    } else if (result === Result.Reply && cx.argIs(arg, 'WITHSCORES')) combination.withScores = true;
    else if (result === Result.Count && left >= 1 && cx.argIs(arg, 'LIMIT')) {
      combination.limit = longArgument(cx, ++arg);
      if (!(combination.limit >= 0)) {
        cx.error("ERR LIMIT can't be negative");
        return false;
      }
    } else {
      cx.syntaxError();
      return false;
    }
  }
  return true;
}

function readWeights(cx: CommandContext, sources: readonly Source[], from: number): boolean {
  for (let i = 0; i < sources.length; i++) {
    const weight = parseDouble(cx.input, cx.argOff[from + i]!, cx.argLen[from + i]!);
    if (Number.isNaN(weight)) {
      cx.error('ERR weight value is not a float');
      return false;
    }
    sources[i]!.weight = weight;
  }
  return true;
}

/** Bytes touched, about. */
function workOf(sources: readonly Source[], op: number, result: number): number {
  const perMember = result === Result.Count ? 0 : CHANGE_WORK;
  if (op !== Op.Union) return sources[0]!.size * (sources.length * MEMBER_WORK + perMember);
  let members = 0;
  for (const source of sources) members += source.size;
  return members * (MEMBER_WORK + perMember);
}

/** @param firstArg argument index of the first source */
function build(
  cx: CommandContext,
  combination: Combination,
  op: number,
  stores: boolean,
  firstArg: number,
): void {
  const tools = zsetTools(cx);
  const target = tools.view(BUILT);
  const { sources } = combination;
  const keyArg = stores ? 1 : firstArg;
  createDetachedZSet(cx, keyArg, target, Encoding.Skiplist);
  try {
    if (op === Op.Union) unite(cx, combination, target);
    else if (op === Op.Intersection) intersect(cx, combination, target);
    else if (subtractsOneByOne(sources)) subtract(cx, combination, target);
    else subtractAll(cx, combination, target);
    order(cx, target);
    if (stores) storeResult(cx, combination, target);
    else {
      const { size } = target;
      membersHeader(cx, size, combination.withScores);
      replyRange(cx, target, 0, size, false, combination.withScores);
    }
  } finally {
    // What was stored is no longer detached.
    if (target.rec.detached) cx.discard(target.rec);
  }
}

function breathe(cx: CommandContext, combination: Combination): void {
  if (++combination.seen % BREATH_MEMBERS === 0) cx.breathe();
}

/** Adds a member, which is not there, to the result. */
function put(combination: Combination, target: ZSetView, member: Member, score: number): void {
  const hash = member.hash();
  target.set.addUnordered(hash, score, member.buf, member.off, member.len);
  combination.totalBytes += member.len;
}

/** A score by its weight; zero by infinity is 0. */
function weighed(source: Source): number {
  const score = source.weight * source.score;
  return Number.isNaN(score) ? 0 : score;
}

/** @param score NaN too: as little as in Redis it becomes the least or the greatest */
function aggregated(aggregate: number, before: number, score: number): number {
  if (aggregate === Aggregate.Min) return score < before ? score : before;
  if (aggregate === Aggregate.Max) return score > before ? score : before;
  const sum = before + score;
  return Number.isNaN(sum) ? 0 : sum;
}

function unite(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const { member } = zsetTools(cx);
  const { set } = target;
  for (const source of combination.sources) {
    source.begin();
    while (source.next(member)) {
      const score = weighed(source);
      const hash = member.hash();
      const ref = set.find(hash, member.buf, member.off, member.len);
      if (ref === 0) put(combination, target, member, score);
      else set.setUnorderedScore(ref, aggregated(combination.aggregate, set.scoreOf(ref), score));
      breathe(cx, combination);
    }
  }
}

function intersect(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const { member } = zsetTools(cx);
  const { sources, aggregate } = combination;
  const smallest = sources[0]!;
  smallest.begin();
  while (smallest.next(member)) {
    const { score: own } = smallest;
    let score = weighed(smallest);
    let i = 1;
    for (; i < sources.length; i++) {
      const other = sources[i]!;
      if (other.ref === smallest.ref) score = aggregated(aggregate, score, own * other.weight);
      else if (other.find(member)) score = aggregated(aggregate, score, other.score * other.weight);
      else break;
    }
    if (i === sources.length) put(combination, target, member, score);
    breathe(cx, combination);
  }
}

/** Whether the member of the first source is in all others, too. */
function isInAll(sources: readonly Source[], member: Member): boolean {
  const { ref } = sources[0]!;
  for (let i = 1; i < sources.length; i++) {
    if (sources[i]!.ref !== ref && !sources[i]!.find(member)) return false;
  }
  return true;
}

/** Whether a member is in one of the sources. */
function isInOne(sources: readonly Source[], member: Member): boolean {
  for (let i = 0; i < sources.length; i++) if (sources[i]!.find(member)) return true;
  return false;
}

/** Number of members that all sources have, up to the limit. */
function countCommon(cx: CommandContext, combination: Combination): number {
  const { member } = zsetTools(cx);
  const { sources, limit } = combination;
  const smallest = sources[0]!;
  let count = 0;
  smallest.begin();
  while (smallest.next(member)) {
    if (isInAll(sources, member) && ++count === limit) break;
    breathe(cx, combination);
  }
  return count;
}

/** Whether the first source's members are looked up in the others, as Redis estimates. */
function subtractsOneByOne(sources: readonly Source[]): boolean {
  let members = 0;
  for (const source of sources) members += source.size;
  return (sources[0]!.size * sources.length) / 2 <= members;
}

function subtract(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const { member } = zsetTools(cx);
  const [from, ...others] = combination.sources as [Source, ...Source[]];
  if (others.some((other) => other.ref === from.ref)) return;
  others.sort((a, b) => b.size - a.size);
  from.begin();
  while (from.next(member)) {
    if (!isInOne(others, member)) put(combination, target, member, from.score);
    breathe(cx, combination);
  }
}

function subtractAll(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const { member } = zsetTools(cx);
  const [from, ...others] = combination.sources as [Source, ...Source[]];
  if (others.some((other) => other.ref === from.ref)) return;
  from.begin();
  while (from.next(member)) {
    put(combination, target, member, from.score);
    breathe(cx, combination);
  }
  for (const other of others) {
    other.begin();
    while (target.size > 0 && other.next(member)) {
      const hash = member.hash();
      target.set.removeUnordered(hash, member.buf, member.off, member.len);
      breathe(cx, combination);
    }
  }
}

/** Puts the members of the result in order. */
function order(cx: CommandContext, target: ZSetView): void {
  const position = new TablePosition();
  target.set.table.begin(position);
  while (target.set.orderSome(position, BREATH_MEMBERS)) cx.breathe();
}

/** Puts the result in the place of the first key, as a listpack if it is small. */
function storeResult(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const tools = zsetTools(cx);
  const { size } = target;
  if (size === 0) {
    storeNothing(cx, 1);
    return;
  }
  if (isSmall(tools, target)) storePacked(cx, combination, target);
  else cx.attach(1, target.rec);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Zset, cx.command.name, 1);
  cx.reply.integer(size);
}

/** Whether the result is small enough for a listpack. */
function isSmall(tools: ZSetTools, target: ZSetView): boolean {
  const { limits, member } = tools;
  if (target.size > limits.listpackEntries) return false;
  for (let more = target.seekRank(0); more; more = target.next()) {
    target.load(member);
    if (member.len > limits.listpackValue) return false;
  }
  return true;
}

function storePacked(cx: CommandContext, combination: Combination, target: ZSetView): void {
  const tools = zsetTools(cx);
  const packed = tools.view(PACKED);
  const { member } = tools;
  const room = combination.totalBytes + target.size * ENTRY_OVERHEAD;
  createDetachedZSet(cx, 1, packed, Encoding.Listpack, Math.min(room, ROOM_BYTES_MAX));
  try {
    for (let more = target.seekRank(0); more; more = target.next()) {
      target.load(member);
      packed.append(member, target.score);
    }
    cx.attach(1, packed.rec);
  } catch (error) {
    cx.discard(packed.rec);
    throw error;
  }
}
