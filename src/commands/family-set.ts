// Sets: SADD, SREM, SMOVE, SISMEMBER, SMISMEMBER, SCARD, SMEMBERS, SSCAN.
//
// How members are kept, and when that changes: keyspace/set-view.ts. Random members: set-random.ts; intersections, unions and
// differences: set-algebra.ts. Semantics are those of Redis 7.4.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import type { SetView } from '../keyspace/set-view.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { insertArrayHeader } from './generic-arguments.ts';
import { insertScanHead, matchesScan, memberScan, readMemberScan, scanCursor } from './scan-arguments.ts';
import {
  BREATH_MEMBERS,
  createSet,
  growthWork,
  MEMBER_WORK,
  makeFit,
  memberWork,
  readSet,
  replyMember,
  setTools,
  walkWork,
  writeSet,
} from './set-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

const CURSOR_MASK = 0xffffffffn;

export const setCommands: FamilyHandlers = {
  SADD: { run: sadd, place: Place.InPlace },
  SREM: { run: srem, place: Place.InPlace },
  SMOVE: { run: smove, place: Place.InPlace },
  SISMEMBER: { run: sismember, place: Place.InPlace },
  SMISMEMBER: { run: smismember, place: Place.InPlace },
  SCARD: { run: scard, place: Place.InPlace },
  SMEMBERS: { run: smembers, place: Place.InPlace },
  SSCAN: { run: sscan, place: Place.InPlace },
};

function sadd(cx: CommandContext): void {
  const tools = setTools(cx);
  const { limits, member } = tools;
  const view = tools.view(0);
  const count = cx.argc - 2;
  const found = writeSet(cx, 1, view);
  if (found < 0) return;
  const work = found === 1 ? growthWork(view, limits, count) : count * MEMBER_WORK;
  if (handOverLong(cx, work, 0, 0)) return;
  if (found === 1) makeFit(view, limits, count);
  else createSet(cx, 1, view, 2, cx.argc - 1);
  let added = 0;
  try {
    for (let arg = 2; arg < cx.argc; arg++) {
      member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      if (view.add(member)) added++;
    }
  } finally {
    // Out of memory half-way: what is in, is in, and counts.
    if (added > 0) {
      cx.keyChanged(1, added);
      cx.notify(NotifyFlag.Set, 'sadd', 1);
    } else if (found === 0) cx.deleteRecord(view.rec);
  }
  cx.reply.integer(added);
}

function srem(cx: CommandContext): void {
  const tools = setTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = writeSet(cx, 1, view);
  if (found < 0) return;
  let removed = 0;
  if (found === 1) {
    if (handOverLong(cx, memberWork(view, cx.argc - 2), 0, 0)) return;
    for (let arg = 2; arg < cx.argc; arg++) {
      member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      if (!view.remove(member)) continue;
      removed++;
      if (view.size > 0) continue;
      cx.deleteRecord(view.rec);
      break;
    }
    if (removed > 0) {
      cx.keyChanged(1, removed);
      cx.notifyRemoval(NotifyFlag.Set, 'srem', 1, view.rec);
    }
  }
  cx.reply.integer(removed);
}

/** The member gets to its new set before it leaves the old one: out of memory, nothing has happened. */
function smove(cx: CommandContext): void {
  const tools = setTools(cx);
  const { limits, member } = tools;
  const from = tools.view(0);
  const to = tools.view(1);
  const hasFrom = cx.lookupWrite(1, from.rec);
  const hasTo = cx.lookupWrite(2, to.rec);
  if (!hasFrom) {
    cx.reply.integer(0);
    return;
  }
  if (!openSet(cx, from) || (hasTo && !openSet(cx, to))) return;
  const work = memberWork(from, 1) + (hasTo ? growthWork(to, limits, 1) : 0);
  if (handOverLong(cx, work, 0, 0)) return;
  member.setBytes(cx.input, cx.argOff[3]!, cx.argLen[3]!);
  const has = from.has(member);
  if (!has || (hasTo && from.rec.ref === to.rec.ref)) {
    cx.reply.integer(has ? 1 : 0);
    return;
  }
  let added = false;
  // That it is new is told when the member has left its old set, as in Redis.
  if (!hasTo) cx.withoutEvents(NotifyFlag.New, () => createSet(cx, 2, to, 3, 3));
  try {
    added = to.add(member);
  } finally {
    if (!hasTo && !added) cx.deleteRecord(to.rec);
  }
  from.remove(member);
  if (from.size === 0) cx.deleteRecord(from.rec);
  cx.keyChanged(1);
  cx.notifyRemoval(NotifyFlag.Set, 'srem', 1, from.rec);
  if (!hasTo) cx.notify(NotifyFlag.New, 'new', 2);
  if (added) {
    cx.keyChanged(2);
    cx.notify(NotifyFlag.Set, 'sadd', 2);
  }
  cx.reply.integer(1);
}

/** Opens a view whose record was looked up. @returns false after an error */
function openSet(cx: CommandContext, view: SetView): boolean {
  if (view.rec.type !== Type.Set) {
    cx.error(ErrorText.WrongType);
    return false;
  }
  view.open(cx.shardOf(view.rec));
  return true;
}

function sismember(cx: CommandContext): void {
  const tools = setTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1 && handOverLong(cx, memberWork(view, 1), 1, 1)) return;
  member.setBytes(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  cx.reply.integer(found === 1 && view.has(member) ? 1 : 0);
}

function smismember(cx: CommandContext): void {
  const tools = setTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readSet(cx, 1, view);
  if (found < 0) return;
  const count = cx.argc - 2;
  if (found === 1 && handOverLong(cx, memberWork(view, count), 1, 1)) return;
  cx.reply.arrayHeader(count);
  for (let arg = 2; arg < cx.argc; arg++) {
    member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    cx.reply.integer(found === 1 && view.has(member) ? 1 : 0);
  }
}

function scard(cx: CommandContext): void {
  const view = setTools(cx).view(0);
  const found = readSet(cx, 1, view);
  if (found >= 0) cx.reply.integer(found === 1 ? view.size : 0);
}

function smembers(cx: CommandContext): void {
  const tools = setTools(cx);
  const { member } = tools;
  const view = tools.view(0);
  const found = readSet(cx, 1, view);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.setHeader(0);
    return;
  }
  if (handOverLong(cx, walkWork(view), 1, 1)) return;
  cx.reply.setHeader(view.size);
  view.begin();
  for (let seen = 1; view.next(member); seen++) {
    replyMember(cx, member);
    if (seen % BREATH_MEMBERS === 0) cx.breathe();
  }
}

// ---- SSCAN ----

/**
 * A packed set is returned whole whatever the cursor says, as in Redis. In a hash table the cursor is a hash, below
 * which every member was visited; hashes never change, so that no growth between two calls matters.
 */
function sscan(cx: CommandContext): void {
  const cursor = scanCursor(cx, 2);
  if (cursor < 0n) {
    cx.error(ErrorText.InvalidCursor);
    return;
  }
  const view = setTools(cx).view(0);
  const found = readSet(cx, 1, view);
  if (found < 0 || (found === 1 && !readMemberScan(cx))) return;
  if (found === 0) {
    cx.reply.arrayHeader(2);
    cx.reply.bulkString('0');
    cx.reply.arrayHeader(0);
    return;
  }
  const packed = view.encoding !== Encoding.Hashtable;
  const work = packed ? walkWork(view) : Math.min(memberScan.count, view.size) * MEMBER_WORK;
  if (handOverLong(cx, work, 1, 1)) return;
  if (packed) scanPacked(cx);
  else scanTable(cx, Number(cursor & CURSOR_MASK));
}

function scanPacked(cx: CommandContext): void {
  const tools = setTools(cx);
  const view = tools.view(0);
  cx.reply.arrayHeader(2);
  cx.reply.bulkString('0');
  const mark = cx.reply.length;
  let matches = 0;
  view.begin();
  while (view.next(tools.member)) matches += replyMatch(cx);
  insertArrayHeader(cx, mark, matches);
}

function scanTable(cx: CommandContext, cursor: number): void {
  const tools = setTools(cx);
  const view = tools.view(0);
  const refs: number[] = [];
  const { count } = memberScan;
  const start = cx.reply.length;
  let seen = 0;
  let matches = 0;
  do {
    refs.length = 0;
    cursor = view.table.scan(cursor, Math.min(count - seen, BREATH_MEMBERS), refs);
    seen += refs.length;
    for (let i = 0; i < refs.length; i++) {
      view.showElement(refs[i]!, tools.member);
      matches += replyMatch(cx);
    }
    cx.breathe();
  } while (cursor !== 0 && seen < count);
  insertArrayHeader(cx, start, matches);
  insertScanHead(cx, start, String(cursor));
}

/** Writes the member if it matches. @returns 1 if it does */
function replyMatch(cx: CommandContext): number {
  const { member } = setTools(cx);
  member.text();
  if (!matchesScan(cx, member.buf, member.off, member.len)) return 0;
  cx.reply.bulkBytes(member.buf, member.off, member.len);
  return 1;
}
