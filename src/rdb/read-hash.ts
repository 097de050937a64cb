// Reads values that are hashes: field by field, with expiries or without; zipmaps, ziplists, listpacks.

import { emptyHashBytes } from '../keyspace/hash-view.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { LISTPACK_HEADER_BYTES } from '../structures/listpack.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { FIELD_EXPIRY_MAX, RdbType } from './rdb-format.ts';

/** Entries of a listpack for a field, without and with an expiry. */
const PAIR = 2;
const TRIPLET = 3;
const NO_EXPIRY = -1;
const INVALID = -2;

/** @param type an RdbType of hashes @returns a ReadResult */
export function readHash(cx: LoadContext, type: number): number {
  switch (type) {
    case RdbType.Hash:
      return readFields(cx);
    case RdbType.HashMetadataPreGa:
      return readExpiringFields(cx, 0);
    case RdbType.HashMetadata:
      return readWithFirstExpiry(cx);
    case RdbType.HashListpackEx:
      cx.input.skip(8);
      break;
    default:
  }
  if (!cx.input.string(cx.string)) return ReadResult.Bad;
  if (type === RdbType.HashZipmap) return readZipmap(cx);
  if (type === RdbType.HashZiplist && !cx.ziplistToString()) return cx.bad();
  const expires = type === RdbType.HashListpackEx || type === RdbType.HashListpackExPreGa;
  return expires ? readTriplets(cx) : readPairs(cx);
}

// ---- field by field ----

function readFields(cx: LoadContext): number {
  const count = cx.input.count(2);
  if (cx.input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  makeHash(cx, count > cx.limits.hash.entries ? Encoding.Hashtable : Encoding.Listpack);
  for (let i = 0; i < count; i++) {
    if (!readField(cx, NO_EXPIRY)) return ReadResult.Bad;
    cx.breathe(i);
  }
  return ReadResult.Loaded;
}

function readWithFirstExpiry(cx: LoadContext): number {
  const first = cx.input.integer64();
  if (cx.input.failed) return ReadResult.Bad;
  if (first < 0 || first > FIELD_EXPIRY_MAX) return cx.bad();
  return readExpiringFields(cx, first - 1);
}

/** @param base what expiries count from */
function readExpiringFields(cx: LoadContext, base: number): number {
  const { input } = cx;
  const count = input.count(3);
  if (input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  makeHash(cx, count > cx.limits.hash.entries ? Encoding.Hashtable : Encoding.ListpackEx);
  for (let i = 0; i < count; i++) {
    const expireAt = expiryOf(input.len(), base);
    if (expireAt === INVALID) return cx.bad();
    if (!readField(cx, expireAt)) return ReadResult.Bad;
    cx.breathe(i);
  }
  return ReadResult.Loaded;
}

/** @param distance 0: none @returns ms, NO_EXPIRY or INVALID */
function expiryOf(distance: number, base: number): number {
  if (distance === 0) return NO_EXPIRY;
  const expireAt = base + distance;
  return expireAt >= 0 && expireAt <= FIELD_EXPIRY_MAX ? expireAt : INVALID;
}

/** Makes a hash without fields, to be filled by way of `cx.hash`. */
function makeHash(cx: LoadContext, encoding: number): void {
  cx.make(cx.hash.rec, Type.Hash, encoding, emptyHashBytes(encoding));
  cx.hash.openNew(cx.shard);
}

/** Reads a field and its value, and adds it to the hash. @returns false if they are not there, or the field was already */
function readField(cx: LoadContext, expireAt: number): boolean {
  const { input, string, value, hash } = cx;
  if (!input.string(string) || !input.string(value)) return false;
  if (hash.find(string.buf, string.off, string.len)) return input.fail();
  hash.addNew(string.buf, string.off, string.len, value.buf, value.off, value.len, expireAt);
  return true;
}

// ---- packed ----

function readPairs(cx: LoadContext): number {
  const count = cx.openListpack(PAIR);
  if (count < 0) return cx.bad();
  if (count === 0) return ReadResult.Empty;
  return makePackedHash(cx, Encoding.Listpack, count / PAIR > cx.limits.hash.entries);
}

function readTriplets(cx: LoadContext): number {
  const count = cx.openListpack(TRIPLET);
  if (count < 0) return cx.bad();
  if (count === 0) return ReadResult.Empty;
  if (!expiriesAscend(cx)) return cx.bad();
  return makePackedHash(cx, Encoding.ListpackEx, count / TRIPLET > cx.limits.hash.entries);
}

/** Makes the hash of the listpack in `cx.string`. */
function makePackedHash(cx: LoadContext, encoding: number, large: boolean): number {
  cx.makePacked(cx.hash.rec, Type.Hash, encoding);
  if (!large) return ReadResult.Loaded;
  cx.hash.open(cx.shard);
  cx.hash.toHashtable();
  return ReadResult.Loaded;
}

/** Whether the third of each three entries is an expiry, in ascending order, and those without one (0) are behind. */
function expiriesAscend(cx: LoadContext): boolean {
  const lp = cx.listpack;
  let before = 0;
  for (let pos = LISTPACK_HEADER_BYTES; pos < lp.end; pos = lp.forward(pos, 1)) {
    pos = lp.forward(pos, 2);
    lp.at(pos);
    const expireAt = lp.isInteger ? lp.integer() : INVALID;
    if (expireAt < 0 || expireAt > FIELD_EXPIRY_MAX) return false;
    // Behind the first 0 there is nothing but.
    const rank = expireAt === 0 ? Number.POSITIVE_INFINITY : expireAt;
    if (rank < before) return false;
    before = rank;
  }
  return true;
}

/** A zipmap becomes a listpack, as it is small, and a table if that is not what a hash of its fields would be. */
function readZipmap(cx: LoadContext): number {
  const { builder, zipmap, string } = cx;
  builder.reset();
  if (!zipmap.open(string.buf, string.off, string.len)) return cx.bad();
  let longest = 0;
  while (zipmap.next()) {
    builder.append(zipmap.bytes, zipmap.fieldOff, zipmap.fieldLen);
    builder.append(zipmap.bytes, zipmap.valueOff, zipmap.valueLen);
    longest = Math.max(longest, zipmap.fieldLen, zipmap.valueLen);
    if (builder.isTooLong) return cx.bad();
  }
  if (zipmap.bad) return cx.bad();
  builder.finish();
  cx.builderToString();
  const count = cx.openListpack(PAIR);
  if (count < 0) return cx.bad();
  const { entries, value } = cx.limits.hash;
  return makePackedHash(cx, Encoding.Listpack, count / PAIR > entries || longest > value);
}
