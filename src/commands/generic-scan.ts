// Commands over the keys of a whole database: SCAN, KEYS, RANDOMKEY.
//
// SCAN's cursor is the position of a KeyWalk, slot * 2^32 + hash. It says all that is needed: a server that never gave
// it out goes on from there as well. Keys that are there throughout an iteration are returned exactly once.
// A pattern whose hash tag, or whose lack of wildcards, pins the slot of all that matches makes SCAN and KEYS visit
// that slot only.

import { crc16, keySlot } from '../keyspace/key-hash.ts';
import { TYPE_NAMES, Type } from '../keyspace/record.ts';
import { KeyWalk, randomKey as randomKeyOf } from '../keyspace/scan.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { SLOT_COUNT } from '../memory/layout.ts';
import { globMatch } from '../protocol/glob.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { insertArrayHeader, shownArgument } from './generic-arguments.ts';
import { insertScanHead, scanCount, scanCursor } from './scan-arguments.ts';
import { type FamilyHandlers, Place } from './table.ts';

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN_CLASS = 0x5b;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

const HASH_BITS = 32n;
const HASH_SPAN = 2 ** 32;
const CURSOR_MASK = BigInt(SLOT_COUNT) * 2n ** HASH_BITS - 1n;
const COUNT_DEFAULT = 10;
/** How often RANDOMKEY passes by an expired key that a long command holds. */
const RANDOM_TRIES = 100;
/** Keys visited while a shard is locked. */
const STEP_KEYS = 1024;
/** What a visited key costs, in bytes of IN_PLACE_WORK_MAX. */
const KEY_WORK = 64;
/** TYPE names a type that Redis doesn't know: nothing matches. */
const NO_TYPE = -1;
const ANY_TYPE = -2;

export const scanCommands: FamilyHandlers = {
  SCAN: { run: scan, place: Place.Estimated, estimate: scanWork },
  KEYS: { run: keys, place: Place.Worker },
  RANDOMKEY: { run: randomKey, place: Place.InPlace },
};

/** Which keys a walk is to return. One per thread, filled anew by each command. */
const filter = { patternArg: -1, type: ANY_TYPE, count: COUNT_DEFAULT, pinnedSlot: -1 };

function scanWork(cx: CommandContext): number {
  for (let arg = cx.argc - 2; arg >= 2; arg--) {
    if (cx.argIs(arg, 'COUNT')) return Math.max(0, cx.argInteger(arg + 1) || 0) * KEY_WORK;
  }
  return COUNT_DEFAULT * KEY_WORK;
}

function scan(cx: CommandContext): void {
  const given = scanCursor(cx, 1);
  if (given < 0n) {
    cx.error(ErrorText.InvalidCursor);
    return;
  }
  // Bits that mean nothing here are left out.
  const cursor = given & CURSOR_MASK;
  if (!readScanOptions(cx)) return;
  const walk = walkFrom(Number(cursor >> HASH_BITS), Number(cursor & 0xffffffffn), filter.pinnedSlot);
  const mark = cx.reply.length;
  const found = walkKeys(cx, walk, filter.count);
  if (cx.handedOver) return;
  insertArrayHeader(cx, mark, found);
  const next = walk.done ? '0' : String(walk.slot * HASH_SPAN + walk.hash);
  insertScanHead(cx, mark, next);
}

/** Reads SCAN's options into `filter`. @returns false after an error */
function readScanOptions(cx: CommandContext): boolean {
  filter.patternArg = -1;
  filter.type = ANY_TYPE;
  filter.count = COUNT_DEFAULT;
  filter.pinnedSlot = -1;
  for (let arg = 2; arg < cx.argc; arg += 2) {
    const hasValue = arg + 1 < cx.argc;
    if (hasValue && cx.argIs(arg, 'COUNT')) {
      filter.count = scanCount(cx, arg + 1);
      if (Number.isNaN(filter.count)) return false;
    } else if (hasValue && cx.argIs(arg, 'MATCH')) filter.patternArg = arg + 1;
    else if (hasValue && cx.argIs(arg, 'TYPE')) filter.type = typeNamed(shownArgument(cx, arg + 1));
    else if (cx.argIs(arg, 'NOVALUES')) {
      cx.error('ERR NOVALUES option can only be used in HSCAN');
      return false;
    } else {
      cx.syntaxError();
      return false;
    }
  }
  if (filter.patternArg >= 0) usePattern(cx, filter.patternArg);
  return true;
}

/** Makes argument `arg` the pattern. A lone '*' is none: it stands for the empty key too, which no pattern matches. */
function usePattern(cx: CommandContext, arg: number): void {
  const isAll = cx.argLen[arg] === 1 && cx.input[cx.argOff[arg]!] === STAR;
  filter.patternArg = isAll ? -1 : arg;
  filter.pinnedSlot = isAll ? -1 : pinnedSlot(cx, arg);
}

function typeNamed(name: string): number {
  const index = (TYPE_NAMES as readonly string[]).indexOf(name.toLowerCase());
  return index < 0 || index === Type.Module ? NO_TYPE : index;
}

function walkFrom(slot: number, hash: number, pinned: number): KeyWalk {
  if (pinned < 0) {
    const walk = new KeyWalk(slot);
    walk.hash = hash;
    return walk;
  }
  // Before the pinned slot: go there. Behind it: the walk is over.
  const walk = new KeyWalk(Math.max(slot, pinned), pinned + 1);
  walk.hash = slot === pinned ? hash : 0;
  return walk;
}

/**
 * Writes the keys that pass `filter`, visiting about `limit` keys.
 * @returns how many were written
 */
function walkKeys(cx: CommandContext, walk: KeyWalk, limit: number): number {
  let visited = 0;
  let written = 0;
  while (visited < limit && !walk.done) {
    const shard = cx.enterShard(walk.shard);
    if (shard === null) {
      // What was gathered so far is an answer too: the cursor says where to go on.
      if (visited === 0) cx.handOver();
      return written;
    }
    try {
      walk.gather(shard, cx.db, Math.min(limit - visited, STEP_KEYS));
      visited += walk.count;
      written += writeMatches(cx, shard, walk);
    } finally {
      cx.leaveShard(shard);
    }
  }
  return written;
}

function writeMatches(cx: CommandContext, shard: LockedShard, walk: KeyWalk): number {
  const rec = cx.rec;
  const pattern = filter.patternArg;
  let written = 0;
  for (let i = 0; i < walk.count; i++) {
    walk.meet(shard, cx.db, i, rec);
    if (cx.isExpired(rec)) {
      cx.removeExpired(shard, rec);
      continue;
    }
    if (filter.type !== ANY_TYPE && rec.type !== filter.type) continue;
    const key = rec.keyOffset;
    const len = rec.keyLength;
    if (pattern >= 0) {
      const off = cx.argOff[pattern]!;
      if (!globMatch(cx.input, off, cx.argLen[pattern]!, rec.bytes, key, len, false)) continue;
    }
    cx.reply.bulkBytes(rec.bytes, key, len);
    written++;
  }
  return written;
}

function keys(cx: CommandContext): void {
  filter.type = ANY_TYPE;
  usePattern(cx, 1);
  const walk = walkFrom(0, 0, filter.pinnedSlot);
  const mark = cx.reply.length;
  const found = walkKeys(cx, walk, Number.POSITIVE_INFINITY);
  insertArrayHeader(cx, mark, found);
}

/**
 * The slot that every key matching a pattern is in, -1 if it can be any: it is fixed by a pattern without wildcards,
 * and by a hash tag in front of the first one.
 */
export function pinnedSlot(cx: CommandContext, arg: number): number {
  const { input } = cx;
  const off = cx.argOff[arg]!;
  const end = off + cx.argLen[arg]!;
  let open = -1;
  for (let i = off; i < end; i++) {
    const byte = input[i]!;
    if (byte === STAR || byte === QUESTION || byte === OPEN_CLASS || byte === BACKSLASH) return -1;
    if (byte === OPEN && open < 0) open = i;
    else if (byte === CLOSE && open >= 0) {
      if (i > open + 1) return crc16(input, open + 1, i - open - 1) % SLOT_COUNT;
      // An empty tag: the whole key counts, however it goes on.
      return hasWildcard(input, i, end) ? -1 : keySlot(input, off, end - off);
    }
  }
  return keySlot(input, off, end - off);
}

function hasWildcard(input: Buffer, from: number, end: number): boolean {
  for (let i = from; i < end; i++) {
    const byte = input[i]!;
    if (byte === STAR || byte === QUESTION || byte === OPEN_CLASS || byte === BACKSLASH) return true;
  }
  return false;
}

/** A random key that has not expired; those met that have, are deleted if nobody works with them. */
function randomKey(cx: CommandContext): void {
  let triesLeft = RANDOM_TRIES;
  for (;;) {
    const id = randomShard(cx);
    if (id < 0) {
      cx.reply.nullBulk();
      return;
    }
    const shard = cx.enterShard(id);
    if (shard === null) {
      cx.handOver();
      return;
    }
    try {
      const rec = cx.rec;
      // The shard may have been emptied since it was chosen.
      if (!randomKeyOf(shard, cx.db, rec)) continue;
      if (!cx.isExpired(rec)) {
        cx.reply.bulkBytes(rec.bytes, rec.keyOffset, rec.keyLength);
        return;
      }
      // What a long command holds is met again and again, and may be all there is.
      if (!cx.removeExpired(shard, rec) && --triesLeft === 0) {
        cx.reply.nullBulk();
        return;
      }
    } finally {
      cx.leaveShard(shard);
    }
  }
}

/** A shard, the more likely the more keys it has; -1 if there are none. */
function randomShard(cx: CommandContext): number {
  const { shards } = cx.keyspace;
  let rest = Math.floor(Math.random() * cx.keyspace.size(cx.db));
  let last = -1;
  for (const shard of shards) {
    const keys = shard.keys(cx.db);
    if (keys === 0) continue;
    last = shard.id;
    if (rest < keys) return last;
    rest -= keys;
  }
  // Other threads changed the counts meanwhile.
  return last;
}
