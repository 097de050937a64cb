// Reads values that are sorted sets: member by member, ziplists, listpacks.
//
// Packed sorted sets must be in order, by score and where that is equal by member, and their scores must be numbers: all
// that Redis writes is so. Redis does not look at it when it loads one.

import { Encoding, Type } from '../keyspace/record.ts';
import { emptyZSetBytes } from '../keyspace/zset-view.ts';
import { parseDouble } from '../protocol/doubles.ts';
import { compareBytes } from '../structures/bytes.ts';
import { keyedHash } from '../structures/keyed-hash.ts';
import { LISTPACK_HEADER_BYTES, type Listpack } from '../structures/listpack.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { RdbType, ScoreByte } from './rdb-format.ts';

/** Entries of a listpack for a member. */
const PAIR = 2;

/** @param type an RdbType of sorted sets @returns a ReadResult */
export function readSortedSet(cx: LoadContext, type: number): number {
  if (type === RdbType.ZSet || type === RdbType.ZSet2) return readMembers(cx, type === RdbType.ZSet2);
  if (!cx.input.string(cx.string)) return ReadResult.Bad;
  if (type === RdbType.ZSetZiplist && !cx.ziplistToString()) return cx.bad();
  return readPairs(cx);
}

/** Makes a sorted set without members, to be filled by way of `cx.zset.set`. */
function makeSortedSet(cx: LoadContext): void {
  cx.make(cx.zset.rec, Type.ZSet, Encoding.Skiplist, emptyZSetBytes(Encoding.Skiplist));
  cx.zset.openNew(cx.shard);
}

/** @param binary whether scores are so, else text */
function readMembers(cx: LoadContext, binary: boolean): number {
  const { input, string } = cx;
  const { set } = cx.zset;
  const count = input.count(binary ? 9 : 2);
  if (input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  makeSortedSet(cx);
  let longest = 0;
  for (let i = 0; i < count; i++) {
    if (!input.string(string)) return ReadResult.Bad;
    const { buf, off, len } = string;
    const score = binary ? input.float64() : readTextScore(cx);
    if (input.failed) return ReadResult.Bad;
    const hash = keyedHash(buf, off, len);
    if (Number.isNaN(score) || set.find(hash, buf, off, len) !== 0) return cx.bad();
    set.add(hash, score, buf, off, len);
    if (len > longest) longest = len;
    cx.breathe(i);
  }
  if (cx.limits.zset.encodingOf(count, longest) === Encoding.Listpack) packMembers(cx);
  return ReadResult.Loaded;
}

/** @returns NaN for what is no score */
function readTextScore(cx: LoadContext): number {
  const { input } = cx;
  const len = input.byte();
  if (len === ScoreByte.NaN) return Number.NaN;
  if (len === ScoreByte.Infinity) return Number.POSITIVE_INFINITY;
  if (len === ScoreByte.MinusInfinity) return Number.NEGATIVE_INFINITY;
  if (!input.has(len)) return Number.NaN;
  input.at += len;
  return parseDouble(input.bytes, input.at - len, len);
}

/** Puts a listpack in the place of the sorted set, which is small. */
function packMembers(cx: LoadContext): void {
  const { builder, zset, member } = cx;
  builder.reset();
  for (let more = zset.seekRank(0); more; more = zset.next()) {
    zset.load(member);
    builder.append(member.buf, member.off, member.len);
    builder.appendScore(zset.score);
  }
  builder.finish();
  cx.builderToString();
  cx.makePacked(cx.zset.rec, Type.ZSet, Encoding.Listpack);
}

// ---- packed ----

function readPairs(cx: LoadContext): number {
  const count = cx.openListpack(PAIR);
  if (count < 0) return cx.bad();
  if (count === 0) return ReadResult.Empty;
  if (!isInOrder(cx)) return cx.bad();
  cx.makePacked(cx.zset.rec, Type.ZSet, Encoding.Listpack);
  if (count / PAIR > cx.limits.zset.listpackEntries) {
    cx.zset.open(cx.shard);
    cx.zset.toSkiplist();
  }
  return ReadResult.Loaded;
}

function isInOrder(cx: LoadContext): boolean {
  const lp = cx.listpack;
  const before = cx.otherListpack;
  before.open(lp.bytes, lp.base);
  let beforePos = 0;
  let beforeScore = Number.NEGATIVE_INFINITY;
  for (let pos = LISTPACK_HEADER_BYTES; pos < lp.end; ) {
    const scoreAt = lp.forward(pos, 1);
    const score = scoreOf(lp, scoreAt);
    if (Number.isNaN(score) || score < beforeScore) return false;
    if (beforePos !== 0 && score === beforeScore) {
      lp.at(pos);
      lp.text();
      before.at(beforePos);
      before.text();
      if (compareBytes(before.buf, before.off, before.len, lp.buf, lp.off, lp.len) >= 0) return false;
    }
    beforePos = pos;
    beforeScore = score;
    pos = lp.forward(scoreAt, 1);
  }
  return true;
}

/** The score at a position of a listpack, NaN if there is none. */
function scoreOf(lp: Listpack, pos: number): number {
  lp.at(pos);
  return lp.isInteger ? lp.integer() : parseDouble(lp.buf, lp.off, lp.len);
}
