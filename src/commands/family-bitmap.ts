// The bitmap commands: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. (BITFIELD: family-bitmap-field.ts.)
//
// A bitmap is a string; bit 0 is the highest bit of its first byte. Semantics are those of Redis 7.4's bitops.c: since
// 7.2, BITCOUNT and BITPOS look at their arguments before the key, so that a bad one is an error for a missing key,
// too. BITOP's DIFF, DIFF1, ANDOR and ONE are those of Redis 8.2.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { isCanonicalInt64, parseInteger } from '../protocol/numbers.ts';
import { BitOperation, BitSources, combineBits, countBitRange, countBits, findBit } from './bitmap-words.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { tellDeleted, tellValue } from './string-effects.ts';
import { growString, growthCost, handOverLong, Range, stringBytesMax } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

const HASH = 0x23;
/** Bits of the smallest proto-max-bulk-len: offsets below need no look at the configuration. */
const BIT_LIMIT_MIN = 8 * 1024 * 1024;
const KEY_COST = 128;

const BAD_OFFSET = 'ERR bit offset is not an integer or out of range';
const BAD_BIT = 'ERR bit is not an integer or out of range';

const range = new Range();
const sources = new BitSources();

/**
 * The offset of a bit. With `fieldBits`, `#n` counts fields of so many bits.
 * @param fieldBits 0 where `#n` is not allowed
 * @returns -1 after replying with an error
 */
export function bitOffset(cx: CommandContext, arg: number, fieldBits: number): number {
  const off = cx.argOff[arg]!;
  const len = cx.argLen[arg]!;
  const counted = fieldBits > 0 && len > 0 && cx.input[off] === HASH;
  const number = counted ? parseInteger(cx.input, off + 1, len - 1) : parseInteger(cx.input, off, len);
  const at = counted ? number * fieldBits : number;
  // NaN is neither.
  if (at >= 0 && (at < BIT_LIMIT_MIN || Math.floor(at / 8) < stringBytesMax(cx))) return at;
  cx.error(BAD_OFFSET);
  return -1;
}

/**
 * Finds or makes the string of key 1 with at least the byte that bit `last` is in; cx.rec points at it.
 * @returns 1 if it was made or grew, 0 if it was long enough, -1 if the handler must return
 */
export function writableBits(cx: CommandContext, last: number): number {
  const found = cx.writeString(1);
  if (found < 0) return -1;
  const { rec } = cx;
  const length = Math.floor(last / 8) + 1;
  if (found === 0) {
    if (handOverLong(cx, length, 0, 0)) return -1;
    cx.createRecord(1, Type.String, Encoding.Raw, length, -1, 0);
    rec.bytes.fill(0, rec.valueOffset, rec.valueOffset + length);
    return 1;
  }
  if (length <= rec.valueLength) {
    if (rec.encoding !== Encoding.Raw) rec.setEncoding(Encoding.Raw);
    return 0;
  }
  if (handOverLong(cx, growthCost(cx, rec, length), 0, 0)) return -1;
  growString(cx, rec, length);
  return 1;
}

function setbit(cx: CommandContext): void {
  const at = bitOffset(cx, 2, 0);
  if (at < 0) return;
  const bit = cx.argInteger(3);
  if (bit !== 0 && bit !== 1) {
    cx.error(BAD_BIT);
    return;
  }
  const grown = writableBits(cx, at);
  if (grown < 0) return;
  const { rec } = cx;
  const byteAt = rec.valueOffset + Math.floor(at / 8);
  const mask = 0x80 >> (at % 8);
  const byte = rec.bytes[byteAt]!;
  const old = (byte & mask) === 0 ? 0 : 1;
  if (old !== bit) rec.bytes[byteAt] = byte ^ mask;
  if (old !== bit || grown === 1) {
    cx.keyChanged(1);
    cx.notify(NotifyFlag.String, 'setbit', 1);
  }
  cx.reply.integer(old);
}

function getbit(cx: CommandContext): void {
  const at = bitOffset(cx, 2, 0);
  if (at < 0) return;
  const found = cx.readString(1);
  if (found < 0) return;
  const { rec } = cx;
  const byteAt = Math.floor(at / 8);
  if (found === 0 || byteAt >= rec.valueLength) {
    cx.reply.integer(0);
    return;
  }
  const byte = rec.bytes[rec.valueOffset + byteAt]!;
  cx.reply.integer((byte >> (7 - (at % 8))) & 1);
}

/** @returns 1 for BIT, 0 for BYTE, -1 after replying with an error */
function unitIsBit(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'BIT')) return 1;
  if (cx.argIs(arg, 'BYTE')) return 0;
  cx.syntaxError();
  return -1;
}

/** `BITCOUNT key [start end [BYTE | BIT]]` */
function bitcount(cx: CommandContext): void {
  let inBits = 0;
  if (cx.argc === 4 || cx.argc === 5) {
    if (!range.parse(cx, 2, 3)) return;
    if (cx.argc === 5 && (inBits = unitIsBit(cx, 4)) < 0) return;
  } else if (cx.argc === 2) {
    range.takeAll();
  } else {
    cx.syntaxError();
    return;
  }
  const found = cx.readString(1);
  if (found < 0) return;
  const { rec } = cx;
  const length = found === 0 ? 0 : rec.valueLength * (inBits === 1 ? 8 : 1);
  if (length === 0 || range.isReversed() || !range.resolve(length)) {
    cx.reply.integer(0);
    return;
  }
  const units = range.end - range.start + 1;
  if (handOverLong(cx, inBits === 1 ? units / 8 : units, 1, 1)) return;
  const off = rec.valueOffset;
  cx.reply.integer(
    inBits === 1
      ? countBitRange(rec.bytes, rec.words, off, range.start, range.end)
      : countBits(rec.bytes, rec.words, off + range.start, units),
  );
}

/** `BITPOS key bit [start [end [BYTE | BIT]]]` */
function bitpos(cx: CommandContext): void {
  const bit = cx.argInteger(2);
  if (bit !== 0 && bit !== 1) {
    cx.error(isInteger(cx, 2) ? 'ERR The bit argument must be 1 or 0.' : ErrorText.NotInteger);
    return;
  }
  const inBits = parseBitposRange(cx);
  if (inBits < 0) return;
  const found = cx.readString(1);
  if (found < 0) return;
  if (found === 0) {
    // A missing key is an endless row of zeros.
    cx.reply.integer(bit === 1 ? -1 : 0);
    return;
  }
  const { rec } = cx;
  const length = rec.valueLength;
  if (!range.resolve(inBits === 1 ? length * 8 : length)) {
    cx.reply.integer(-1);
    return;
  }
  const first = inBits === 1 ? range.start : range.start * 8;
  const last = inBits === 1 ? range.end : range.end * 8 + 7;
  if (handOverLong(cx, (last - first) / 8, 1, 1)) return;
  const at = findBit(rec.bytes, rec.words, rec.valueOffset, first, last, bit);
  // Without an end, the value goes on with zeros.
  cx.reply.integer(at < 0 && bit === 0 && cx.argc < 5 ? length * 8 : at);
}

/** Fills `range`. @returns 1 if it is in bits, 0 if in bytes, -1 after replying with an error */
function parseBitposRange(cx: CommandContext): number {
  if (cx.argc > 6) {
    cx.syntaxError();
    return -1;
  }
  let inBits = 0;
  if (cx.argc === 3) {
    range.takeAll();
    return inBits;
  }
  if (!isInteger(cx, 3)) {
    cx.error(ErrorText.NotInteger);
    return -1;
  }
  if (cx.argc === 6 && (inBits = unitIsBit(cx, 5)) < 0) return -1;
  if (!range.parse(cx, 3, cx.argc === 4 ? 3 : 4)) return -1;
  if (cx.argc === 4) range.end = -1;
  return inBits;
}

function isInteger(cx: CommandContext, arg: number): boolean {
  return isCanonicalInt64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
}

/** `BITOP operation destination key [key ...]` */
function bitop(cx: CommandContext): void {
  const operation = operationOf(cx);
  if (operation < 0) return;
  try {
    const longest = gatherSources(cx);
    if (longest >= 0) storeCombined(cx, operation, longest);
  } finally {
    sources.clear();
  }
}

/** @returns -1 after replying with an error */
function operationOf(cx: CommandContext): number {
  const operation = operationNamed(cx);
  if (operation < 0) cx.syntaxError();
  else if (operation === BitOperation.Not && cx.argc !== 4)
    cx.error('ERR BITOP NOT must be called with a single source key.');
  else if (operation >= BitOperation.Diff && operation <= BitOperation.AndOr && cx.argc < 5)
    cx.error(`ERR BITOP ${cx.argLatin1(1).toUpperCase()} must be called with at least two source keys.`);
  else return operation;
  return -1;
}

function operationNamed(cx: CommandContext): number {
  if (cx.argIs(1, 'AND')) return BitOperation.And;
  if (cx.argIs(1, 'OR')) return BitOperation.Or;
  if (cx.argIs(1, 'XOR')) return BitOperation.Xor;
  if (cx.argIs(1, 'NOT')) return BitOperation.Not;
  if (cx.argIs(1, 'DIFF')) return BitOperation.Diff;
  if (cx.argIs(1, 'DIFF1')) return BitOperation.Diff1;
  if (cx.argIs(1, 'ANDOR')) return BitOperation.AndOr;
  return cx.argIs(1, 'ONE') ? BitOperation.One : -1;
}

/** @returns the length of the longest source; -1 if the handler must return */
function gatherSources(cx: CommandContext): number {
  const { rec } = cx;
  let longest = 0;
  let bytes = 0;
  for (let arg = 3; arg < cx.argc; arg++) {
    const found = cx.readString(arg);
    if (found < 0) return -1;
    const len = found === 0 ? 0 : rec.valueLength;
    sources.add(rec.bytes, found === 0 ? 0 : rec.valueOffset, len, found === 0 ? 0 : rec.ref);
    if (len > longest) longest = len;
    bytes += len;
  }
  return handOverLong(cx, bytes + longest, 3, cx.argc - 1) ? -1 : longest;
}

function storeCombined(cx: CommandContext, operation: number, longest: number): void {
  const { rec } = cx;
  const found = cx.lookupWrite(2);
  if (longest === 0) {
    if (found) {
      cx.deleteRecord(rec);
      cx.keyChanged(2);
      cx.notify(NotifyFlag.Generic, 'del', 2);
      if (cx.effects.wanted && isNewer(operation)) tellDeleted(cx, 2, false);
    }
    cx.reply.integer(0);
    return;
  }
  if (found && sources.refs.includes(rec.ref)) reuseSource(cx, longest);
  else cx.setStringLength(2, found, longest, Encoding.Raw, -1);
  combineBits(operation, sources, rec.bytes, rec.valueOffset, longest);
  cx.keyChanged(2);
  cx.notify(NotifyFlag.String, 'set', 2);
  // Redis 7.4 does not know the newer operations, and should be able to read what is told.
  if (cx.effects.wanted && isNewer(operation)) tellValue(cx, 2, rec, false);
  cx.reply.integer(longest);
}

function isNewer(operation: number): boolean {
  return operation >= BitOperation.Diff;
}

/**
 * Makes room for the result in cx.rec, the destination, which is a source, too: its bytes are still needed. Other
 * records don't move.
 */
function reuseSource(cx: CommandContext, longest: number): void {
  const { rec } = cx;
  const old = rec.ref;
  const shard = cx.shardOf(rec);
  shard.resize(rec, longest, 0);
  shard.clearExpiry(rec);
  rec.setEncoding(Encoding.Raw);
  for (let i = 0; i < sources.count; i++) {
    if (sources.refs[i] !== old) continue;
    sources.bytes[i] = rec.bytes;
    sources.offs[i] = rec.valueOffset;
  }
}

function estimateKeys(cx: CommandContext): number {
  return cx.argc * KEY_COST;
}

export const bitmapCommands: FamilyHandlers = {
  SETBIT: { run: setbit, place: Place.InPlace },
  GETBIT: { run: getbit, place: Place.InPlace },
  BITCOUNT: { run: bitcount, place: Place.InPlace },
  BITPOS: { run: bitpos, place: Place.InPlace },
  BITOP: { run: bitop, place: Place.Estimated, estimate: estimateKeys },
};
