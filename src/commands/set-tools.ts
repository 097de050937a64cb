// What the commands on sets share: the thread's views and limits, and creating, growing and deleting sets as Redis does.
//
// How much work a command on a set is, is known once the set is found: handlers hand over themselves (string-values.ts,
// handOverLong) before anything is changed, instead of an estimate that would look the key up twice.

import type { Keyspace } from '../keyspace/keyspace.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { emptySetBytes, SetLimits, SetView } from '../keyspace/set-view.ts';
import { intsetWidth } from '../structures/intset.ts';
import { Member } from '../structures/member.ts';
import type { CommandContext } from './context.ts';

/** Work for a member met on a walk or looked up in a hash table, in bytes touched: a few misses of the caches. */
export const MEMBER_WORK = 192;
/** Work for a search by halves. */
const SEARCH_WORK = 64;
/** Members between two calls of cx.breathe(). */
export const BREATH_MEMBERS = 1024;
/** Views kept for the next command; one with more keys makes its own. */
const VIEWS_KEPT = 16;
/** Room for the first members of a new set that is made at once, at most. */
const ROOM_BYTES_MAX = 1024;
/** What an entry of a listpack takes beside its bytes, about. */
const ENTRY_OVERHEAD = 3;

export class SetTools {
  readonly keyspace: Keyspace;
  readonly limits = new SetLimits();
  readonly member = new Member();
  readonly #views: SetView[] = [];

  constructor(cx: CommandContext) {
    this.keyspace = cx.keyspace;
    this.limits.follow(cx.server.config);
  }

  /** View number `i`, for the time of one command. */
  view(i: number): SetView {
    const { memory } = this.keyspace;
    if (i >= VIEWS_KEPT) return new SetView(memory, this.limits);
    while (this.#views.length <= i) this.#views.push(new SetView(memory, this.limits));
    return this.#views[i]!;
  }
}

const toolsOf = new WeakMap<Keyspace, SetTools>();
let last: SetTools | null = null;

/** The tools of the thread that the context belongs to. */
export function setTools(cx: CommandContext): SetTools {
  if (last !== null && last.keyspace === cx.keyspace) return last;
  let tools = toolsOf.get(cx.keyspace);
  if (tools === undefined) {
    tools = new SetTools(cx);
    toolsOf.set(cx.keyspace, tools);
  }
  last = tools;
  return tools;
}

/**
 * Looks up a set for reading and opens `view` on it.
 * @returns 1 found, 0 not there, -1 replied with an error
 */
export function readSet(cx: CommandContext, arg: number, view: SetView): number {
  const found = cx.readTyped(arg, Type.Set, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/** As readSet, for a writing command. */
export function writeSet(cx: CommandContext, arg: number, view: SetView): number {
  const found = cx.writeTyped(arg, Type.Set, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/**
 * Makes an empty set for the members that arguments `first`..`last` are, under key `arg`, which is not there. The caller adds
 * the members, and deletes the set if that fails.
 */
export function createSet(cx: CommandContext, arg: number, view: SetView, first: number, last: number): void {
  const { limits, member } = setTools(cx);
  const count = last - first + 1;
  member.setBytes(cx.input, cx.argOff[first]!, cx.argLen[first]!);
  const encoding = limits.encodingOf(member, count);
  let room = 0;
  if (encoding === Encoding.Intset) room = count * intsetWidth(member.low, member.high);
  else if (encoding === Encoding.Listpack) {
    for (let i = first; i <= last && room < ROOM_BYTES_MAX; i++) room += cx.argLen[i]! + ENTRY_OVERHEAD;
  }
  const spare = Math.min(room, ROOM_BYTES_MAX);
  cx.createRecord(arg, Type.Set, encoding, emptySetBytes(encoding), -1, spare, view.rec);
  view.openNew(cx.shard(arg));
}

/**
 * Makes a detached set under key `arg`: the result of a command (CommandContext.createDetached).
 * @param expireAt unix time in ms, -1 for none
 * @param spare bytes of room behind it
 */
export function createDetachedSet(
  cx: CommandContext,
  arg: number,
  view: SetView,
  encoding: number,
  expireAt: number | bigint = -1,
  spare = 0,
): void {
  cx.createDetached(arg, view.rec, Type.Set, encoding, emptySetBytes(encoding), expireAt, spare);
  view.openNew(cx.shard(arg));
}

/** Converts a set to which `count` members may come, as Redis does before it looks at them. */
export function makeFit(view: SetView, limits: SetLimits, count: number): void {
  const tooMany =
    (view.encoding === Encoding.Listpack && count > limits.listpackEntries) ||
    (view.encoding === Encoding.Intset && count > limits.intsetEntries);
  if (tooMany) view.toHashtable();
}

/** What it takes to look up or remove `count` members, in bytes touched. */
export function memberWork(view: SetView, count: number): number {
  if (view.encoding === Encoding.Hashtable) return count * MEMBER_WORK;
  // An intset is searched by halves, but moved; a listpack is gone through from its first entry on.
  const bytes = view.rec.valueLength;
  return count * (view.encoding === Encoding.Intset ? SEARCH_WORK + (bytes >> 2) : bytes * 2);
}

/** What it takes to add `count` members, in bytes touched: a packed set may have to become a hash table. */
export function growthWork(view: SetView, limits: SetLimits, count: number): number {
  const work = memberWork(view, count);
  if (view.encoding === Encoding.Hashtable) return work;
  const room = view.encoding === Encoding.Intset ? limits.intsetEntries : limits.listpackEntries;
  return view.size + count > room ? work + (view.size + count) * MEMBER_WORK : work;
}

/** What it takes to go through a set. */
export function walkWork(view: SetView): number {
  return view.encoding === Encoding.Hashtable ? view.size * MEMBER_WORK : view.rec.valueLength * 4;
}

/** Writes a member as a bulk string. */
export function replyMember(cx: CommandContext, member: Member): void {
  member.text();
  cx.reply.bulkBytes(member.buf, member.off, member.len);
}
