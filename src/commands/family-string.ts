// The string commands that set, get and delete whole values: GET, SET and their kin, MGET, MSET, MSETNX, MSETEX,
// GETDEL, GETEX, DELEX, DIGEST, STRLEN.
//
// SET and GET without options are the hottest commands there are: one look-up, no allocation, nothing but the copy.
// Semantics are those of Redis 7.4's t_string.c; IFEQ and its like, DELEX, DIGEST and MSETEX those of 8.4.
// Other string commands: family-string-edit.ts (parts of values, numbers), family-string-lcs.ts.

import { NotifyFlag } from '../config/multi-values.ts';
import { type RecordView, Type } from '../keyspace/record.ts';
import { parseInteger } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { exactExpiry, IF_FLAGS, OptionSet, SetFlag, SetOptions } from './set-options.ts';
import { digestEquals, digestText, isDigest } from './string-digest.ts';
import { tellDeleted, tellMsetex, tellSet, tellSetAt, tellSetWithOptions } from './string-effects.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, IN_PLACE_WORK_MAX, Place } from './table.ts';

/** Options of the command that is running. */
const options = new SetOptions();
/** Rough cost of one more key of a command, in bytes touched: the look-up and its cache misses. */
const KEY_COST = 128;
const NUMKEYS_MAX = 2 ** 31 - 1;

const DIGEST_FORMAT = 'ERR must be exactly 16 hexadecimal characters';

// ---- GET and its kin ----

function get(cx: CommandContext): void {
  replyOldValue(cx);
}

/**
 * Replies with the value of key 1, or null.
 * @returns 1 found, 0 not there, -1 the handler must return (an error was replied, or it was handed over)
 */
function replyOldValue(cx: CommandContext): number {
  const found = cx.readString(1);
  if (found === 1) {
    const rec = cx.rec;
    const len = rec.valueLength;
    if (len > IN_PLACE_WORK_MAX && handOverLong(cx, len, 1, 1)) return -1;
    cx.reply.bulkBytes(rec.bytes, rec.valueOffset, len);
  } else if (found === 0) cx.reply.nullBulk();
  return found;
}

function getset(cx: CommandContext): void {
  const found = replyOldValue(cx);
  if (found < 0) return;
  setPlain(cx, 1, 2, found === 1, -1);
  if (cx.effects.wanted) tellSet(cx, 1, 2);
}

function getdel(cx: CommandContext): void {
  if (replyOldValue(cx) !== 1) return;
  cx.deleteRecord(cx.rec);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, 'del', 1);
  if (cx.effects.wanted) tellDeleted(cx, 1, cx.server.config.getBool('lazyfree-lazy-user-del'));
}

function getex(cx: CommandContext): void {
  if (!options.parse(cx, 2, OptionSet.Getex)) return;
  const found = cx.readString(1);
  if (found === 0) cx.reply.nullBulk();
  if (found !== 1) return;
  if (!options.readExpiry(cx)) return;
  const rec = cx.rec;
  if (handOverLong(cx, rec.valueLength, 1, 1)) return;
  cx.reply.bulkBytes(rec.bytes, rec.valueOffset, rec.valueLength);
  const expired = options.absolute && options.expireAt <= cx.now;
  if (expired) cx.deleteRecord(rec);
  else if (options.expireArg !== 0) cx.shardOf(rec).setExpiry(rec, options.expireAt);
  else if (options.has(SetFlag.Persist) && rec.expires) cx.shardOf(rec).clearExpiry(rec);
  else return;
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, expired ? 'del' : options.expireArg !== 0 ? 'expire' : 'persist', 1);
  if (cx.effects.wanted) tellGetex(cx, expired);
}

/** What GETEX has done besides reading. @param expired whether the key is deleted */
function tellGetex(cx: CommandContext, expired: boolean): void {
  const { effects } = cx;
  if (expired) tellDeleted(cx, 1, cx.server.config.getBool('lazyfree-lazy-expire'));
  else if (options.expireArg === 0) {
    effects.begin(2);
    effects.text('PERSIST');
    effects.arg(1);
  } else {
    effects.begin(3);
    effects.text('PEXPIREAT');
    effects.arg(1);
    effects.integer(options.expireAt);
  }
}

function strlen(cx: CommandContext): void {
  const found = cx.readString(1);
  if (found >= 0) cx.reply.integer(found === 1 ? cx.rec.valueLength : 0);
}

/** Null for keys that are not there and for those that are no strings. */
function mget(cx: CommandContext): void {
  const { reply, rec } = cx;
  let bytes = 0;
  reply.arrayHeader(cx.argc - 1);
  for (let arg = 1; arg < cx.argc; arg++) {
    if (!cx.lookupRead(arg) || rec.type !== Type.String) {
      reply.nullBulk();
      continue;
    }
    const len = rec.valueLength;
    bytes += len;
    if (bytes > IN_PLACE_WORK_MAX && handOverLong(cx, bytes, 1, arg)) return;
    reply.bulkBytes(rec.bytes, rec.valueOffset, len);
  }
}

// ---- SET and its kin ----

function set(cx: CommandContext): void {
  if (cx.argc !== 3) {
    setWithOptions(cx);
    return;
  }
  setPlain(cx, 1, 2, cx.lookupWrite(1), -1);
  cx.reply.ok();
}

/** Sets key argument `key` to argument `value`. @param found whether cx.rec is the key's record */
function setPlain(
  cx: CommandContext,
  key: number,
  value: number,
  found: boolean,
  expireAt: number | bigint,
): void {
  const off = cx.argOff[value]!;
  const len = cx.argLen[value]!;
  cx.setString(key, found, cx.input, off, len, cx.stringEncoding(cx.input, off, len), expireAt);
  cx.keyChanged(key);
  cx.notify(NotifyFlag.String, 'set', key);
}

function setWithOptions(cx: CommandContext): void {
  if (!options.parse(cx, 3, OptionSet.Set) || !options.readExpiry(cx)) return;
  const withGet = options.has(SetFlag.Get);
  const rec = cx.rec;
  // With GET the look-up is a reading one, which is counted and refuses other types.
  let found: boolean;
  if (withGet) {
    const state = cx.readString(1);
    if (state < 0) return;
    found = state === 1;
    if (found && handOverLong(cx, rec.valueLength, 1, 1)) return;
  } else found = cx.lookupWrite(1);
  const met = conditionMet(cx, found, withGet);
  if (met < 0) return;
  // The old value is written before it is overwritten.
  if (withGet && found) cx.reply.bulkBytes(rec.bytes, rec.valueOffset, rec.valueLength);
  else if (withGet || met === 0) cx.reply.nullBulk();
  else cx.reply.ok();
  if (met === 0) return;
  const keep = found && options.has(SetFlag.KeepTtl);
  setPlain(cx, 1, 2, found, keep ? exactExpiry(rec) : options.expireAt);
  if (options.expireArg !== 0) cx.notify(NotifyFlag.Generic, 'expire', 1);
  if (cx.effects.wanted) tellSetWithOptions(cx, options);
}

/**
 * Whether the condition of SET's options holds for key 1, whose record is cx.rec if found.
 * @returns 1 or 0; -1 after replying with an error or handing over
 */
function conditionMet(cx: CommandContext, found: boolean, counted: boolean): number {
  if (options.has(SetFlag.NX)) return found ? 0 : 1;
  if (options.has(SetFlag.XX)) return found ? 1 : 0;
  if (!options.has(IF_FLAGS)) return 1;
  if (!found) return options.has(SetFlag.IfNe | SetFlag.IfDne) ? 1 : 0;
  if (cx.rec.type !== Type.String) {
    cx.error(ErrorText.WrongType);
    return -1;
  }
  return valueMatches(cx, cx.rec, options.flags & IF_FLAGS, options.matchArg, counted);
}

/**
 * Compares a value with argument `matchArg`, or its digest, as `flag` says.
 * @param counted whether the record was looked up for reading, as key 1
 * @returns 1 or 0; -1 after replying with an error or handing over
 */
function valueMatches(
  cx: CommandContext,
  rec: RecordView,
  flag: number,
  matchArg: number,
  counted: boolean,
): number {
  const off = cx.argOff[matchArg]!;
  const len = cx.argLen[matchArg]!;
  if (flag === SetFlag.IfEq || flag === SetFlag.IfNe) {
    if (len === rec.valueLength && handOverLong(cx, len, counted ? 1 : 0, 1)) return -1;
    const equal =
      len === rec.valueLength &&
      rec.bytes.compare(cx.input, off, off + len, rec.valueOffset, rec.valueOffset + len) === 0;
    return equal === (flag === SetFlag.IfEq) ? 1 : 0;
  }
  if (!isDigest(len)) {
    cx.error(DIGEST_FORMAT);
    return -1;
  }
  if (handOverLong(cx, rec.valueLength, counted ? 1 : 0, 1)) return -1;
  const equal = digestEquals(digestText(rec.bytes, rec.valueOffset, rec.valueLength), cx.input, off);
  return equal === (flag === SetFlag.IfDeq) ? 1 : 0;
}

function setnx(cx: CommandContext): void {
  if (cx.lookupWrite(1)) {
    cx.reply.integer(0);
    return;
  }
  setPlain(cx, 1, 2, false, -1);
  cx.reply.integer(1);
}

function setex(cx: CommandContext): void {
  setExpiring(cx, SetFlag.EX);
}

function psetex(cx: CommandContext): void {
  setExpiring(cx, SetFlag.PX);
}

function setExpiring(cx: CommandContext, unit: number): void {
  if (!options.readExpiryOf(cx, 2, unit)) return;
  setPlain(cx, 1, 3, cx.lookupWrite(1), options.expireAt);
  cx.notify(NotifyFlag.Generic, 'expire', 1);
  if (cx.effects.wanted) tellSetAt(cx, 1, 3, options.expireAt);
  cx.reply.ok();
}

function mset(cx: CommandContext): void {
  if ((cx.argc & 1) === 0) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  for (let arg = 1; arg < cx.argc; arg += 2) setPlain(cx, arg, arg + 1, cx.lookupWrite(arg), -1);
  cx.reply.ok();
}

function msetnx(cx: CommandContext): void {
  if ((cx.argc & 1) === 0) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  for (let arg = 1; arg < cx.argc; arg += 2) {
    if (!cx.lookupWrite(arg)) continue;
    cx.reply.integer(0);
    return;
  }
  setAllNew(cx, 1, cx.argc, -1);
  cx.reply.integer(1);
}

/**
 * Sets keys, none of which is there, to the arguments behind each.
 * @param end index behind the last
 * @throws OutOfMemoryError; none of them is there
 */
function setAllNew(cx: CommandContext, first: number, end: number, expireAt: number | bigint): void {
  const { dirty } = cx;
  let arg = first;
  try {
    // Looked up again, for a key may be named twice.
    for (; arg < end; arg += 2) {
      setPlain(cx, arg, arg + 1, cx.lookupWrite(arg), expireAt);
      if (expireAt >= 0) cx.notify(NotifyFlag.Generic, 'expire', arg);
    }
  } catch (error) {
    // All or none: that is what these commands are for.
    for (arg -= 2; arg >= first; arg -= 2) if (cx.lookupWrite(arg)) cx.deleteRecord(cx.rec);
    cx.dirty = dirty;
    throw error;
  }
}

/** `MSETEX numkeys key value [key value ...] [NX | XX] [EX .. | PX .. | EXAT .. | PXAT .. | KEEPTTL]` */
function msetex(cx: CommandContext): void {
  const keys = parseInteger(cx.input, cx.argOff[1]!, cx.argLen[1]!);
  if (!(keys >= 1 && keys <= NUMKEYS_MAX)) {
    cx.error('ERR invalid numkeys value');
    return;
  }
  const end = 2 + keys * 2;
  if (end > cx.argc) {
    cx.error('ERR wrong number of key-value pairs');
    return;
  }
  if (!options.parse(cx, end, OptionSet.Msetex) || !options.readExpiry(cx)) return;
  if (!existenceMet(cx, end)) {
    cx.reply.integer(0);
    return;
  }
  if (options.has(SetFlag.NX)) setAllNew(cx, 2, end, options.expireAt);
  else setAll(cx, end, options.has(SetFlag.KeepTtl));
  if (cx.effects.wanted) tellMsetex(cx, options, end);
  cx.reply.integer(1);
}

/** @param keep whether keys that expire still do so */
function setAll(cx: CommandContext, end: number, keep: boolean): void {
  for (let arg = 2; arg < end; arg += 2) {
    const found = cx.lookupWrite(arg);
    setPlain(cx, arg, arg + 1, found, found && keep ? exactExpiry(cx.rec) : options.expireAt);
    if (options.expireArg !== 0) cx.notify(NotifyFlag.Generic, 'expire', arg);
  }
}

/** MSETEX: NX wants none of the keys to be there, XX all. */
function existenceMet(cx: CommandContext, end: number): boolean {
  if (!options.has(SetFlag.NX | SetFlag.XX)) return true;
  const wanted = options.has(SetFlag.XX);
  for (let arg = 2; arg < end; arg += 2) if (cx.lookupWrite(arg) !== wanted) return false;
  return true;
}

// ---- DELEX and DIGEST ----

/** `DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]` */
function delex(cx: CommandContext): void {
  if (cx.argc !== 2 && cx.argc !== 4) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  const rec = cx.rec;
  if (!cx.lookupWrite(1)) {
    cx.reply.integer(0);
    return;
  }
  if (cx.argc === 4) {
    if (rec.type !== Type.String) {
      cx.error('ERR Key should be of string type if conditions are specified');
      return;
    }
    const flag = conditionOf(cx, 2);
    if (flag === 0) {
      cx.error('ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE');
      return;
    }
    const met = valueMatches(cx, rec, flag, 3, false);
    if (met === 0) cx.reply.integer(0);
    if (met !== 1) return;
  }
  cx.deleteRecord(rec);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, 'del', 1);
  if (cx.effects.wanted) tellDeleted(cx, 1, false);
  cx.reply.integer(1);
}

function conditionOf(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'IFEQ')) return SetFlag.IfEq;
  if (cx.argIs(arg, 'IFNE')) return SetFlag.IfNe;
  if (cx.argIs(arg, 'IFDEQ')) return SetFlag.IfDeq;
  return cx.argIs(arg, 'IFDNE') ? SetFlag.IfDne : 0;
}

/** XXH3 of the value, as sixteen hexadecimal digits. */
function digest(cx: CommandContext): void {
  const found = cx.readString(1);
  if (found === 0) cx.reply.nullBulk();
  if (found !== 1) return;
  const { rec } = cx;
  if (handOverLong(cx, rec.valueLength, 1, 1)) return;
  cx.reply.bulkString(digestText(rec.bytes, rec.valueOffset, rec.valueLength));
}

// ---- estimates ----

/** A value to be copied. */
function estimateSecond(cx: CommandContext): number {
  return cx.argLen[2]!;
}

function estimateThird(cx: CommandContext): number {
  return cx.argLen[3]!;
}

function estimateKeys(cx: CommandContext): number {
  return cx.argc * KEY_COST;
}

/** Keys to be looked up and values to be copied. */
function estimatePairs(cx: CommandContext): number {
  let bytes = cx.argc * KEY_COST;
  for (let arg = 1; arg < cx.argc; arg++) bytes += cx.argLen[arg]!;
  return bytes;
}

export const stringCommands: FamilyHandlers = {
  GET: { run: get, place: Place.InPlace },
  GETSET: { run: getset, place: Place.Estimated, estimate: estimateSecond },
  GETDEL: { run: getdel, place: Place.InPlace },
  GETEX: { run: getex, place: Place.InPlace },
  STRLEN: { run: strlen, place: Place.InPlace },
  MGET: { run: mget, place: Place.Estimated, estimate: estimateKeys },
  SET: { run: set, place: Place.Estimated, estimate: estimateSecond },
  SETNX: { run: setnx, place: Place.Estimated, estimate: estimateSecond },
  SETEX: { run: setex, place: Place.Estimated, estimate: estimateThird },
  PSETEX: { run: psetex, place: Place.Estimated, estimate: estimateThird },
  MSET: { run: mset, place: Place.Estimated, estimate: estimatePairs },
  MSETNX: { run: msetnx, place: Place.Estimated, estimate: estimatePairs },
  MSETEX: { run: msetex, place: Place.Estimated, estimate: estimatePairs },
  DELEX: { run: delex, place: Place.InPlace },
  DIGEST: { run: digest, place: Place.InPlace },
};
