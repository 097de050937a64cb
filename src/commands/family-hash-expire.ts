// Fields of hashes that expire: HEXPIRE, HPEXPIRE, HEXPIREAT, HPEXPIREAT, HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, HPERSIST
// (Redis 7.4) and HGETEX, HSETEX, HGETDEL (Redis 8.0). Semantics and texts are those of Redis 8.0's t_hash.c.
//
// A field that has expired but is still there is none to these commands; Redis lets HEXPIRE and HSETEX KEEPTTL see it.
// Expiries are unix times in ms up to FIELD_EXPIRY_MAX (the year 4199), so numbers hold them exactly.

import { NotifyFlag } from '../config/multi-values.ts';
import { FIELD_EXPIRY_MAX } from '../keyspace/hash-view.ts';
import { ShardCounter } from '../memory/layout.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, invalidExpire, wrongArity } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';
import {
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
  replyValue,
  tellExpired,
  writeHash,
} from './hash-tools.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

const INT_MAX = 2 ** 31 - 1;

/** Conditions of HEXPIRE and its like. */
const When = { Always: 0, NX: 1, XX: 2, GT: 3, LT: 4 } as const;
/** What setting an expiry came to: the replies of HEXPIRE. */
const Outcome = { NoField: -2, NotMet: 0, Set: 1, Deleted: 2 } as const;
/** The replies of HTTL and HPERSIST. */
const NO_FIELD = -2;
const NO_EXPIRY = -1;

const Text = {
  NoFields: 'ERR Mandatory argument FIELDS is missing or not at the right position',
  NotPositive: 'ERR Number of fields must be a positive integer',
  NumFields: 'ERR Parameter `numFields` should be greater than 0',
  Mismatch: 'ERR The `numfields` parameter must match the number of arguments',
  Negative: 'ERR invalid expire time, must be >= 0',
} as const;

/** Argument indices of the fields that the running command has changed; gathered only if effects are wanted. */
const changedFields: number[] = [];

export const hashExpireCommands: FamilyHandlers = {
  HEXPIRE: { run: (cx) => hexpire(cx, true, true), place: Place.InPlace },
  HPEXPIRE: { run: (cx) => hexpire(cx, false, true), place: Place.InPlace },
  HEXPIREAT: { run: (cx) => hexpire(cx, true, false), place: Place.InPlace },
  HPEXPIREAT: { run: (cx) => hexpire(cx, false, false), place: Place.InPlace },
  HTTL: { run: (cx) => httl(cx, true, true), place: Place.InPlace },
  HPTTL: { run: (cx) => httl(cx, false, true), place: Place.InPlace },
  HEXPIRETIME: { run: (cx) => httl(cx, true, false), place: Place.InPlace },
  HPEXPIRETIME: { run: (cx) => httl(cx, false, false), place: Place.InPlace },
  HPERSIST: { run: hpersist, place: Place.InPlace },
  HGETEX: { run: hgetex, place: Place.InPlace },
  HSETEX: { run: hsetex, place: Place.Estimated, estimate: argumentBytes },
  HGETDEL: { run: hgetdel, place: Place.InPlace },
};

/** Values to be copied. */
function argumentBytes(cx: CommandContext): number {
  let bytes = 0;
  for (let arg = 2; arg < cx.argc; arg++) bytes += cx.argLen[arg]!;
  return bytes;
}

// ---- arguments ----

/**
 * Reads an expiry.
 * @param relative whether the argument counts from now
 * @returns unix time in ms; NaN after an error
 */
function expiryArgument(cx: CommandContext, arg: number, seconds: boolean, relative: boolean): number {
  let value = cx.argInteger(arg);
  if (Number.isNaN(value)) {
    const large = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (large === null) {
      cx.error(ErrorText.NotInteger);
      return NaN;
    }
    value = Number(large);
  }
  if (value < 0) {
    cx.error(Text.Negative);
    return NaN;
  }
  const ms = seconds ? value * 1000 : value;
  const base = relative ? cx.present : 0;
  if (ms > FIELD_EXPIRY_MAX - base) {
    cx.error(invalidExpire(cx.command.name));
    return NaN;
  }
  return ms + base;
}

/**
 * Reads `FIELDS numfields field ...`, the end of a command.
 * @param at argument index of FIELDS
 * @param notPositive the error for numfields that is no number above 0
 * @returns argument index of the first field; -1 after an error
 */
function fieldsArgument(cx: CommandContext, at: number, notPositive: string): number {
  if (at >= cx.argc || !cx.argIs(at, 'FIELDS')) {
    cx.error(Text.NoFields);
    return -1;
  }
  if (at + 1 >= cx.argc) {
    cx.error(wrongArity(cx.command.name));
    return -1;
  }
  const count = fieldCount(cx, at + 1, notPositive);
  if (count === cx.argc - at - 2) return at + 2;
  if (!Number.isNaN(count)) cx.error(Text.Mismatch);
  return -1;
}

/** @returns NaN after an error */
function fieldCount(cx: CommandContext, arg: number, notPositive: string): number {
  const count = cx.argInteger(arg);
  if (count >= 1) return count;
  const large = Number.isNaN(count) ? parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!) : null;
  if (large !== null && large > 0n) return Number(large);
  cx.error(notPositive);
  return NaN;
}

// ---- HEXPIRE and its like ----

function hexpire(cx: CommandContext, seconds: boolean, relative: boolean): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const expireAt = expiryArgument(cx, 2, seconds, relative);
  if (Number.isNaN(expireAt)) return;
  const when = conditionArgument(cx, 3);
  const first = fieldsArgument(cx, when === When.Always ? 3 : 4, Text.NumFields);
  if (first < 0) return;
  const view = hashView(cx);
  if (found === 1) {
    if (handOverLong(cx, changeWork(cx, cx.argc - first), 0, 0)) return;
    view.makeExpiring();
  }
  cx.reply.arrayHeader(cx.argc - first);
  changedFields.length = 0;
  let changes = 0;
  try {
    for (let arg = first; arg < cx.argc; arg++) {
      const outcome = found === 1 ? setExpiry(cx, arg, expireAt, when) : Outcome.NoField;
      if (outcome > 0) {
        changes++;
        noteChanged(cx, arg);
      }
      cx.reply.integer(outcome);
    }
  } finally {
    // Out of memory half-way: what is changed, is changed, and counts. So below.
    if (found === 1) finishChanges(cx, changes, expireAt <= cx.now ? 'hdel' : 'hexpire');
    tellExpiry(cx, expireAt);
  }
}

// What is told: the fields that were changed and no others, as Redis 8 does.

function noteChanged(cx: CommandContext, arg: number): void {
  if (cx.effects.wanted) changedFields.push(arg);
}

/** Tells the new expiry of the fields changed. */
function tellExpiry(cx: CommandContext, expireAt: number): void {
  const { effects } = cx;
  if (changedFields.length === 0) return;
  if (expireAt <= cx.now) {
    tellDeletion(cx);
    return;
  }
  effects.begin(changedFields.length + 5);
  effects.text('HPEXPIREAT');
  effects.arg(1);
  effects.integer(expireAt);
  effects.text('FIELDS');
  effects.integer(changedFields.length);
  for (let i = 0; i < changedFields.length; i++) effects.arg(changedFields[i]!);
}

/** Tells that the fields changed are deleted. */
function tellDeletion(cx: CommandContext): void {
  const { effects } = cx;
  if (changedFields.length === 0) return;
  effects.begin(changedFields.length + 2);
  effects.text('HDEL');
  effects.arg(1);
  for (let i = 0; i < changedFields.length; i++) effects.arg(changedFields[i]!);
}

/** Tells that the fields changed expire no more. */
function tellPersistence(cx: CommandContext): void {
  const { effects } = cx;
  if (changedFields.length === 0) return;
  effects.begin(changedFields.length + 4);
  effects.text('HPERSIST');
  effects.arg(1);
  effects.text('FIELDS');
  effects.integer(changedFields.length);
  for (let i = 0; i < changedFields.length; i++) effects.arg(changedFields[i]!);
}

function conditionArgument(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'NX')) return When.NX;
  if (cx.argIs(arg, 'XX')) return When.XX;
  if (cx.argIs(arg, 'GT')) return When.GT;
  return cx.argIs(arg, 'LT') ? When.LT : When.Always;
}

/** What it takes to change the expiries of `count` fields, in bytes touched. */
function changeWork(cx: CommandContext, count: number): number {
  const view = hashView(cx);
  // A listpack becomes a listpackex first, and its triplets are moved.
  return fieldWork(view, count * 2) + fieldWork(view, 1);
}

/**
 * Sets the expiry of the field that argument `arg` names, if the condition holds.
 * @returns one of Outcome
 */
function setExpiry(cx: CommandContext, arg: number, expireAt: number, when: number): number {
  const view = hashView(cx);
  if (isGone(view) || !meetField(cx, 1, arg)) return Outcome.NoField;
  const old = view.expireAt;
  // Without an expiry a field lives for ever: later than any time.
  if (old < 0 && (when === When.XX || when === When.GT)) return Outcome.NotMet;
  if (old >= 0) {
    if (when === When.NX) return Outcome.NotMet;
    if (when === When.GT && old >= expireAt) return Outcome.NotMet;
    if (when === When.LT && old <= expireAt) return Outcome.NotMet;
  }
  return applyExpiry(cx, expireAt);
}

/** Sets the expiry of the field met; a time that has passed deletes it. @returns Set or Deleted */
function applyExpiry(cx: CommandContext, expireAt: number): number {
  const view = hashView(cx);
  if (expireAt > cx.now) {
    view.setExpiry(expireAt);
    return Outcome.Set;
  }
  view.removeFound();
  view.shard.count(ShardCounter.ExpiredFields, 1);
  return Outcome.Deleted;
}

/**
 * After changes of fields of key 1, whose hash may be empty now, or gone.
 * @param event what to notify of; empty: nothing
 */
function finishChanges(cx: CommandContext, changes: number, event: string): void {
  const view = hashView(cx);
  if (!isGone(view)) finish(cx, view);
  if (changes === 0) return;
  cx.keyChanged(1, changes);
  if (event !== '') cx.notifyRemoval(NotifyFlag.Hash, event, 1, view.rec);
}

// ---- HTTL and its like, HPERSIST ----

function httl(cx: CommandContext, seconds: boolean, relative: boolean): void {
  const found = readHash(cx, 1);
  if (found < 0) return;
  const first = fieldsArgument(cx, 2, Text.NotPositive);
  if (first < 0) return;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, fieldWork(view, cx.argc - first), 1, 1)) return;
  cx.reply.arrayHeader(cx.argc - first);
  const base = relative ? cx.now : 0;
  for (let arg = first; arg < cx.argc; arg++) {
    if (found === 0 || isGone(view) || !meetField(cx, 1, arg)) cx.reply.integer(NO_FIELD);
    else if (view.expireAt < 0) cx.reply.integer(NO_EXPIRY);
    else if (seconds) cx.reply.integer(Math.floor((view.expireAt + 999 - base) / 1000));
    else cx.reply.integer(view.expireAt - base);
  }
}

function hpersist(cx: CommandContext): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const first = fieldsArgument(cx, 2, Text.NotPositive);
  if (first < 0) return;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, changeWork(cx, cx.argc - first), 0, 0)) return;
  cx.reply.arrayHeader(cx.argc - first);
  changedFields.length = 0;
  let changed = false;
  try {
    for (let arg = first; arg < cx.argc; arg++) {
      if (found === 0 || isGone(view) || !meetField(cx, 1, arg)) cx.reply.integer(NO_FIELD);
      else if (view.expireAt < 0) cx.reply.integer(NO_EXPIRY);
      else {
        view.setExpiry(-1);
        changed = true;
        noteChanged(cx, arg);
        cx.reply.integer(1);
      }
    }
  } finally {
    // Counted as one change, however many fields there are, as in Redis.
    if (found === 1) finishChanges(cx, changed ? 1 : 0, 'hpersist');
    tellPersistence(cx);
  }
}

// ---- HGETDEL, HGETEX ----

/** `HGETDEL key FIELDS numfields field [field ...]` */
function hgetdel(cx: CommandContext): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const first = fieldsArgument(cx, 2, Text.NotPositive);
  if (first < 0) return;
  const view = hashView(cx);
  if (found === 1 && handOverLong(cx, fieldWork(view, (cx.argc - first) * 2), 0, 0)) return;
  cx.reply.arrayHeader(cx.argc - first);
  changedFields.length = 0;
  let removed = 0;
  for (let arg = first; arg < cx.argc; arg++) {
    if (found === 0 || isGone(view) || view.size === 0 || !meetField(cx, 1, arg)) {
      cx.reply.nullBulk();
      continue;
    }
    replyValue(cx, view);
    view.removeFound();
    removed++;
    noteChanged(cx, arg);
  }
  if (found === 1) finishChanges(cx, removed, 'hdel');
  tellDeletion(cx);
}

/** `HGETEX key [EX s | PX ms | EXAT s | PXAT ms | PERSIST] FIELDS numfields field [field ...]` */
function hgetex(cx: CommandContext): void {
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const persists = cx.argIs(2, 'PERSIST');
  const expires = isExpiryOption(cx, 2);
  let expireAt = -1;
  if (expires) {
    expireAt = expiryOption(cx, 2);
    if (Number.isNaN(expireAt)) return;
  }
  const first = fieldsArgument(cx, expires ? 4 : persists ? 3 : 2, Text.NotPositive);
  if (first < 0) return;
  const view = hashView(cx);
  if (found === 1) {
    if (handOverLong(cx, changeWork(cx, cx.argc - first), 0, 0)) return;
    if (expires || persists) view.makeExpiring();
  }
  cx.reply.arrayHeader(cx.argc - first);
  changedFields.length = 0;
  let changes = 0;
  try {
    for (let arg = first; arg < cx.argc; arg++) {
      if (found === 0 || isGone(view) || view.size === 0 || !meetField(cx, 1, arg)) {
        cx.reply.nullBulk();
        continue;
      }
      replyValue(cx, view);
      if (expires) applyExpiry(cx, expireAt);
      else if (persists && view.expireAt >= 0) view.setExpiry(-1);
      else continue;
      changes++;
      noteChanged(cx, arg);
    }
  } finally {
    if (found === 1)
      finishChanges(cx, changes, persists ? 'hpersist' : expireAt <= cx.now ? 'hdel' : 'hexpire');
    if (expires) tellExpiry(cx, expireAt);
    else tellPersistence(cx);
  }
}

function isExpiryOption(cx: CommandContext, arg: number): boolean {
  return cx.argIs(arg, 'EX') || cx.argIs(arg, 'PX') || cx.argIs(arg, 'EXAT') || cx.argIs(arg, 'PXAT');
}

/** The time that the option at `arg` and the argument behind it say. @returns NaN after an error */
function expiryOption(cx: CommandContext, arg: number): number {
  const seconds = cx.argIs(arg, 'EX') || cx.argIs(arg, 'EXAT');
  const relative = cx.argIs(arg, 'EX') || cx.argIs(arg, 'PX');
  return expiryArgument(cx, arg + 1, seconds, relative);
}

// ---- HSETEX ----

/** Options of the HSETEX that is running. */
const setex = { ifAll: false, ifNone: false, keep: false, expires: false, expireAt: -1, first: 0 };

/** `HSETEX key [FNX | FXX] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL] FIELDS numfields field value [field value ...]` */
function hsetex(cx: CommandContext): void {
  if (!readSetexOptions(cx)) return;
  const { first, ifAll } = setex;
  const fields = (cx.argc - first) / 2;
  const found = writeHash(cx, 1);
  if (found < 0) return;
  const view = hashView(cx);
  const work = found === 1 ? growthWork(cx, fields) + changeWork(cx, fields) : fields * FIELD_WORK;
  if (handOverLong(cx, work, 0, 0)) return;
  if (found === 0 ? ifAll : !fieldsAllow(cx)) {
    cx.reply.integer(0);
    return;
  }
  if (found === 0 || isGone(view)) createHash(cx, 1, first);
  else makeFit(cx, first);
  let arg = first;
  try {
    if (setex.expires) view.makeExpiring();
    for (; arg < cx.argc; arg += 2) setWithExpiry(cx, arg);
  } finally {
    // Out of memory half-way: what is in, is in, and counts.
    const changes = (arg - first) / 2;
    if (changes > 0) cx.notify(NotifyFlag.Hash, 'hset', 1);
    finishChanges(cx, changes, !setex.expires ? '' : setex.expireAt <= cx.now ? 'hdel' : 'hexpire');
    if (cx.effects.wanted && setex.expires && arg > first) tellSetex(cx, arg);
  }
  cx.reply.integer(1);
}

/** Tells an HSETEX that sets expiries: with the time that they came to, or as a deletion if that has passed. */
function tellSetex(cx: CommandContext, end: number): void {
  const { effects } = cx;
  const { first, expireAt } = setex;
  if (expireAt <= cx.now) {
    changedFields.length = 0;
    for (let arg = first; arg < end; arg += 2) changedFields.push(arg);
    tellDeletion(cx);
    return;
  }
  effects.begin(end - first + 6);
  effects.text('HSETEX');
  effects.arg(1);
  effects.text('PXAT');
  effects.integer(expireAt);
  effects.text('FIELDS');
  effects.integer((end - first) / 2);
  for (let arg = first; arg < end; arg++) effects.arg(arg);
}

/** Whether FNX or FXX holds for the fields of a hash that is there. */
function fieldsAllow(cx: CommandContext): boolean {
  const { ifAll, ifNone, first } = setex;
  if (!ifAll && !ifNone) return true;
  const view = hashView(cx);
  for (let arg = first; arg < cx.argc; arg += 2) {
    const there = !isGone(view) && meetField(cx, 1, arg);
    if (there !== ifAll) return false;
  }
  return true;
}

function setWithExpiry(cx: CommandContext, arg: number): void {
  const view = hashView(cx);
  const { input } = cx;
  const off = cx.argOff[arg]!;
  const len = cx.argLen[arg]!;
  const { keep, expires, expireAt } = setex;
  const valueOff = cx.argOff[arg + 1]!;
  const valueLen = cx.argLen[arg + 1]!;
  if (expires && expireAt > cx.now) {
    view.setExpiring(input, off, len, input, valueOff, valueLen, expireAt);
    return;
  }
  // An expired field is none whose expiry could be kept.
  if (keep && view.find(input, off, len) && view.isExpired(cx.now)) {
    if (cx.effects.wanted) tellExpired(cx, 1, arg);
    view.removeFound();
  }
  view.set(input, off, len, input, valueOff, valueLen, keep || expires);
  if (!expires) return;
  view.find(input, off, len);
  applyExpiry(cx, expireAt);
}

function readSetexOptions(cx: CommandContext): boolean {
  setex.ifAll = false;
  setex.ifNone = false;
  setex.keep = false;
  setex.expires = false;
  for (let arg = 2; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'FIELDS')) return readPairs(cx, arg);
    if (cx.argIs(arg, 'KEEPTTL') || isExpiryOption(cx, arg)) {
      if (!readSetexExpiry(cx, arg)) return false;
      if (setex.expires) arg++;
    } else if (cx.argIs(arg, 'FXX') || cx.argIs(arg, 'FNX')) {
      if (setex.ifAll || setex.ifNone) {
        cx.error('ERR Only one of FXX or FNX arguments can be specified');
        return false;
      }
      if (cx.argIs(arg, 'FXX')) setex.ifAll = true;
      else setex.ifNone = true;
    } else {
      cx.error(`ERR unknown argument: ${shownArgument(cx, arg)}`);
      return false;
    }
  }
  // Not reached by fewer than seven arguments, some of which are there twice.
  cx.error(wrongArity(cx.command.name));
  return false;
}

function readSetexExpiry(cx: CommandContext, arg: number): boolean {
  if (setex.keep || setex.expires) {
    cx.error('ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified');
    return false;
  }
  if (cx.argIs(arg, 'KEEPTTL')) {
    setex.keep = true;
    return true;
  }
  if (arg + 1 >= cx.argc) {
    cx.error('ERR missing expire time');
    return false;
  }
  setex.expires = true;
  setex.expireAt = expiryOption(cx, arg);
  return !Number.isNaN(setex.expireAt);
}

/** Reads `numfields field value ...` behind FIELDS at `at`. */
function readPairs(cx: CommandContext, at: number): boolean {
  if (at >= cx.argc - 3) {
    cx.error(wrongArity(cx.command.name));
    return false;
  }
  const count = fieldCount(cx, at + 1, 'ERR invalid number of fields');
  if (Number.isNaN(count)) return false;
  if (count > INT_MAX) {
    cx.error('ERR invalid number of fields');
    return false;
  }
  if (count * 2 !== cx.argc - at - 2) {
    cx.error(wrongArity(cx.command.name));
    return false;
  }
  setex.first = at + 2;
  return true;
}
