// Hashes: HSET, HSETNX, HMSET, HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS, HDEL, HSCAN.
//
// How fields are kept, and when that changes: keyspace/hash-view.ts. Counting in fields: hash-count.ts; random fields:
// hash-random.ts; fields that expire: family-hash-expire.ts. Semantics are those of Redis 7.4.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding } from '../keyspace/record.ts';
import { globMatch } from '../protocol/glob.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { insertArrayHeader } from './generic-arguments.ts';
import { hincrby, hincrbyfloat } from './hash-count.ts';
import { hrandfield } from './hash-random.ts';
import {
  BREATH_FIELDS,
  createHash,
  FIELD_WORK,
  fieldWork,
  finish,
  growthWork,
  hashView,
  isGone,
  makeFit,
  meetField,
  readHash,
  replyName,
  replyValue,
  walkWork,
  writeHash,
} from './hash-tools.ts';
import { insertScanHead, scanCount, scanCursor } from './scan-arguments.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, IN_PLACE_WORK_MAX, Place } from './table.ts';

const STAR = 0x2a;
const COUNT_DEFAULT = 10;
const CURSOR_MASK = 0xffffffffn;

/** What HGETALL and its like reply with. */
const Part = { Names: 1, Values: 2, Both: 3 } as const;

export const hashCommands: FamilyHandlers = {
  HSET: { run: (cx) => hset(cx, false), place: Place.Estimated, estimate: argumentBytes },
  HMSET: { run: (cx) => hset(cx, true), place: Place.Estimated, estimate: argumentBytes },
  HSETNX: { run: hsetnx, place: Place.Estimated, estimate: argumentBytes },
  HGET: { run: hget, place: Place.InPlace },
  HMGET: { run: hmget, place: Place.InPlace },
  HGETALL: { run: (cx) => hgetall(cx, Part.Both), place: Place.InPlace },
  HKEYS: { run: (cx) => hgetall(cx, Part.Names), place: Place.InPlace },
  HVALS: { run: (cx) => hgetall(cx, Part.Values), place: Place.InPlace },
  HLEN: { run: hlen, place: Place.InPlace },
  HSTRLEN: { run: hstrlen, place: Place.InPlace },
  HEXISTS: { run: hexists, place: Place.InPlace },
  HDEL: { run: hdel, place: Place.InPlace },
  HINCRBY: { run: hincrby, place: Place.InPlace },
  HINCRBYFLOAT: { run: hincrbyfloat, place: Place.InPlace },
  HRANDFIELD: { run: hrandfield, place: Place.InPlace },
  HSCAN: { run: hscan, place: Place.InPlace },
};

/** Values to be copied. */
function argumentBytes(cx: CommandContext): number {
  let bytes = 0;
  for (let arg = 2; arg < cx.argc; arg++) bytes += cx.argLen[arg]!;
  return bytes;
}

// ---- setting ----

function hset(cx: CommandContext, withStatus: boolean): void {
  if ((cx.argc & 1) !== 0) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  const fields = (cx.argc - 2) / 2;
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const work = found === 1 ? growthWork(cx, fields) : fields * FIELD_WORK;
  if (handOverLong(cx, work, 0, 0)) return;
  if (found === 1) makeFit(cx, 2);
  else createHash(cx, 1, 2);
  const view = hashView(cx);
  let created = 0;
  let arg = 2;
  try {
    for (; arg < cx.argc; arg += 2) if (setArgument(cx, arg)) created++;
  } finally {
    // Out of memory half-way: what is in, is in, and counts.
    if (!finish(cx, view)) {
      cx.keyChanged(1, (arg - 2) / 2);
      cx.notify(NotifyFlag.Hash, 'hset', 1);
    }
  }
  if (withStatus) cx.reply.ok();
  else cx.reply.integer(created);
}

/** Gives the field that argument `arg` names the value behind it. @returns whether it is new */
function setArgument(cx: CommandContext, arg: number): boolean {
  return hashView(cx).set(
    cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.input, cx.argOff[arg + 1]!, cx.argLen[arg + 1]!, false,
  ); // biome-ignore format: many short arguments
}

function hsetnx(cx: CommandContext): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  if (found === 1) {
    if (handOverLong(cx, growthWork(cx, 1), 0, 0)) return;
    if (meetField(cx, 1, 2)) {
      cx.reply.integer(0);
      return;
    }
  }
  if (found === 0 || isGone(view)) createHash(cx, 1, 2);
  try {
    setArgument(cx, 2);
  } finally {
    finish(cx, view);
  }
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Hash, 'hset', 1);
  cx.reply.integer(1);
}

// ---- getting ----

function hget(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, fieldWork(view, 1), 1, 1)) return;
  if (found === 0 || !meetField(cx, 1, 2)) {
    cx.reply.nullBulk();
    return;
  }
  if (view.len > IN_PLACE_WORK_MAX && handOverLong(cx, view.len, 1, 1)) return;
  replyValue(cx, view);
}

function hmget(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  let work = found === 1 ? fieldWork(view, cx.argc - 2) : 0;
  if (handOverLong(cx, work, 1, 1)) return;
  const mark = cx.reply.length;
  cx.reply.arrayHeader(cx.argc - 2);
  for (let arg = 2; arg < cx.argc; arg++) {
    if (found === 0 || isGone(view) || !meetField(cx, 1, arg)) {
      cx.reply.nullBulk();
      continue;
    }
    work += view.len;
    if (work > IN_PLACE_WORK_MAX && handOverLong(cx, work, 1, 1)) {
      cx.reply.truncate(mark);
      return;
    }
    replyValue(cx, view);
  }
}

function hgetall(cx: CommandContext, part: number): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const { reply } = cx;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, walkWork(view), 1, 1)) return;
  const { now } = cx;
  const alive = found === 1 ? view.size - view.countExpired(now) : 0;
  if (part === Part.Both) reply.mapHeader(alive);
  else reply.arrayHeader(alive);
  if (alive === 0) return;
  view.begin();
  for (let met = 1; view.next(); met++) {
    if (view.isExpired(now)) continue;
    if ((part & Part.Names) !== 0) replyName(cx, view);
    if ((part & Part.Values) !== 0) replyValue(cx, view);
    if (met % BREATH_FIELDS === 0) cx.breathe();
  }
}

function hlen(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found >= 0) cx.reply.integer(found === 1 ? hashView(cx).size : 0);
}

function hstrlen(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, fieldWork(view, 1), 1, 1)) return;
  cx.reply.integer(found === 1 && meetField(cx, 1, 2) ? view.len : 0);
}

function hexists(cx: CommandContext): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  if (found === 1 && handOverLong(cx, fieldWork(hashView(cx), 1), 1, 1)) return;
  cx.reply.integer(found === 1 && meetField(cx, 1, 2) ? 1 : 0);
}

// ---- deleting ----

/** A field that has expired and is still there counts, as in Redis. */
function hdel(cx: CommandContext): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  let removed = 0;
  if (found === 1) {
    const view = hashView(cx);
    if (handOverLong(cx, fieldWork(view, cx.argc - 2), 0, 0)) return;
    for (let arg = 2; arg < cx.argc && view.size > 0; arg++) {
      if (view.remove(cx.input, cx.argOff[arg]!, cx.argLen[arg]!)) removed++;
    }
    if (removed > 0) {
      finish(cx, view);
      cx.keyChanged(1, removed);
      cx.notifyRemoval(NotifyFlag.Hash, 'hdel', 1, view.rec);
    }
  }
  cx.reply.integer(removed);
}

// ---- HSCAN ----

/** Options of the HSCAN that is running. */
const scan = { pattern: -1, count: COUNT_DEFAULT, values: true };

function hscan(cx: CommandContext): void {
  const cursor = scanCursor(cx, 2);
  if (cursor < 0n) {
    cx.error(ErrorText.InvalidCursor);
    return;
  }
  const found = readHash(cx, 1);
  if (found < 0 || (found === 1 && !readScanOptions(cx))) return;
  if (found === 0) {
    cx.reply.arrayHeader(2);
    cx.reply.bulkString('0');
    cx.reply.arrayHeader(0);
    return;
  }
  const view = hashView(cx);
  const packed = view.encoding !== Encoding.Hashtable;
  const work = packed ? walkWork(view) : Math.min(scan.count, view.size) * FIELD_WORK;
  if (handOverLong(cx, work, 1, 1)) return;
  if (packed) scanPacked(cx);
  else scanTable(cx, Number(cursor & CURSOR_MASK));
}

function readScanOptions(cx: CommandContext): boolean {
  scan.pattern = -1;
  scan.count = COUNT_DEFAULT;
  scan.values = true;
  for (let arg = 3; arg < cx.argc; arg++) {
    const hasValue = arg + 1 < cx.argc;
    if (hasValue && cx.argIs(arg, 'COUNT')) {
      scan.count = scanCount(cx, ++arg);
      if (Number.isNaN(scan.count)) return false;
    } else if (hasValue && cx.argIs(arg, 'MATCH')) {
      // A lone '*' is no pattern: it stands for the empty name, too.
      const all = cx.argLen[++arg] === 1 && cx.input[cx.argOff[arg]!] === STAR;
      scan.pattern = all ? -1 : arg;
    } else if (cx.argIs(arg, 'NOVALUES')) scan.values = false;
    else {
      cx.syntaxError();
      return false;
    }
  }
  return true;
}

function scanPacked(cx: CommandContext): void {
  const view = hashView(cx);
  cx.reply.arrayHeader(2);
  cx.reply.bulkString('0');
  const mark = cx.reply.length;
  let matches = 0;
  view.begin();
  while (view.next()) matches += replyMatch(cx);
  insertArrayHeader(cx, mark, matches);
}

function scanTable(cx: CommandContext, cursor: number): void {
  const view = hashView(cx);
  const refs: number[] = [];
  const mark = cx.reply.length;
  let seen = 0;
  let matches = 0;
  do {
    refs.length = 0;
    cursor = view.table.scan(cursor, Math.min(scan.count - seen, BREATH_FIELDS), refs);
    seen += refs.length;
    for (let i = 0; i < refs.length; i++) {
      view.showElement(refs[i]!);
      matches += replyMatch(cx);
    }
    cx.breathe();
  } while (cursor !== 0 && seen < scan.count);
  insertArrayHeader(cx, mark, matches);
  insertScanHead(cx, mark, String(cursor));
}

/** Writes the field met if it is alive and matches. @returns elements written */
function replyMatch(cx: CommandContext): number {
  const view = hashView(cx);
  const { pattern, values } = scan;
  if (view.isExpired(cx.now)) return 0;
  if (pattern >= 0) {
    const { keyBuf, keyOff, keyLen } = view;
    if (!globMatch(cx.input, cx.argOff[pattern]!, cx.argLen[pattern]!, keyBuf, keyOff, keyLen, false))
      return 0;
  }
  replyName(cx, view);
  if (!values) return 1;
  replyValue(cx, view);
  return 2;
}
