// Searches for the members within a circle or a box: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER with
// their read-only forms.
//
// The shape is covered with a few ranges of scores (structures/geohash.ts). Their members are decoded and measured one by
// one; those within the shape are copied into a SortVector, with their distances as keys. Without ASC, DESC or COUNT they
// are replied in the order of the ranges, as in Redis; equal distances keep that order, too, but for a COUNT below the number
// found, which sorts a part with Redis's quicksort.
//
// What is stored is built as a detached sorted set. Until then nothing is changed, so the loops may breathe.

import { NotifyFlag } from '../config/multi-values.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import { decodeScore, Position, SearchRanges } from '../structures/geohash.ts';
import { SortVector } from '../structures/sort-vector.ts';
import type { CommandContext } from './context.ts';
import { formatFixed } from './geo-arguments.ts';
import { DISTANCE_DIGITS, findPlace, replyPlace } from './geo-members.ts';
import { Form, GeoSearchOptions, Order } from './geo-search-options.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import {
  BREATH_MEMBERS,
  createDetachedZSet,
  lookupWork,
  readZSet,
  storeNothing,
  type ZSetTools,
  zsetTools,
} from './zset-tools.ts';

/** Work of measuring a member, in bytes touched: five sines or so. */
const MEASURE_WORK = 1024;

export const geoSearchCommands: FamilyHandlers = {
  GEOSEARCH: { run: (cx) => search(cx, 1, Form.Search, true), place: Place.InPlace },
  GEOSEARCHSTORE: { run: (cx) => search(cx, 2, Form.SearchStore, false), place: Place.InPlace },
  GEORADIUS: { run: (cx) => search(cx, 1, Form.Radius, false), place: Place.InPlace },
  GEORADIUS_RO: { run: (cx) => search(cx, 1, Form.Radius, true), place: Place.InPlace },
  GEORADIUSBYMEMBER: { run: (cx) => search(cx, 1, Form.ByMember, false), place: Place.InPlace },
  GEORADIUSBYMEMBER_RO: { run: (cx) => search(cx, 1, Form.ByMember, true), place: Place.InPlace },
};

const options = new GeoSearchOptions();
const ranges = new SearchRanges();
const place = new Position();

/** Members found, in the order of their keys: their distances in metres, negated if it is descending. */
const found = new SortVector();
/** Scores of the members found, by their index in `found`. */
let scores = new Float64Array(256);
const SCORES_KEPT = 65536;

/** @param key argument index of the source */
function search(cx: CommandContext, key: number, form: Form, readOnly: boolean): void {
  const tools = zsetTools(cx);
  const view = tools.view(0);
  const source = readZSet(cx, key, view);
  if (source < 0) return;
  if (source === 1 && handOverLong(cx, lookupWork(view, 1), key, key)) return;
  if (!options.parse(cx, form, readOnly, source === 1, findPlace)) return;
  if (source === 0) {
    if (options.store > 0) storeNothing(cx, options.store);
    else cx.reply.emptyArray();
    return;
  }
  if (options.count > 0 && options.order === Order.None && !options.any) options.order = Order.Ascending;
  ranges.cover(options.shape);
  const candidates = countCandidates(tools, view);
  if (handOverLong(cx, candidates * MEASURE_WORK, key, key)) return;
  try {
    collect(cx, tools, view, candidates);
    const count = sortFound(cx);
    if (options.store > 0) store(cx, tools, count);
    else reply(cx, count);
  } finally {
    found.clear();
    if (scores.length > SCORES_KEPT) scores = new Float64Array(256);
  }
}

/** Members within the ranges. */
function countCandidates(tools: ZSetTools, view: ZSetView): number {
  let candidates = 0;
  for (let i = 0; i < ranges.count; i++) {
    findRange(tools, view, i);
    candidates += view.count;
  }
  return candidates;
}

/** Sets the view's `first` and `count` to the members in range `i`. */
function findRange(tools: ZSetTools, view: ZSetView, i: number): void {
  const { minScore, maxScore } = tools;
  minScore.value = ranges.min[i]!;
  minScore.exclusive = false;
  maxScore.value = ranges.max[i]!;
  maxScore.exclusive = true;
  view.scoreRange(minScore, maxScore);
}

/** Fills `found`. @param candidates members within the ranges */
function collect(cx: CommandContext, tools: ZSetTools, view: ZSetView, candidates: number): void {
  const most = options.any ? Math.min(options.count, candidates) : candidates;
  found.reserve(most);
  found.descending = options.order === Order.Descending;
  if (scores.length < most) scores = new Float64Array(most);
  let seen = 0;
  for (let i = 0; i < ranges.count && found.count < most; i++) {
    findRange(tools, view, i);
    if (view.count > 0) view.seekRank(view.first);
    for (let left = view.count; left > 0 && found.count < most; left--) {
      measure(tools, view);
      view.next();
      if (++seen % BREATH_MEMBERS === 0) cx.breathe();
    }
  }
}

/** Takes the member at the view's cursor if it is within the shape. */
function measure(tools: ZSetTools, view: ZSetView): void {
  const { member } = tools;
  view.load(member);
  const { score } = view;
  decodeScore(score, place);
  const meters = options.shape.distanceTo(place);
  if (meters < 0) return;
  const index = found.count;
  member.text();
  found.add(member.buf, member.off, member.len);
  found.setKey(index, meters);
  scores[index] = score;
}

/** Sorts as asked for. @returns how many of those found are wanted */
function sortFound(cx: CommandContext): number {
  const wanted = options.count === 0 ? found.count : Math.min(options.count, found.count);
  if (options.order === Order.None) found.resetOrder(cx);
  else if (wanted === found.count) found.sort(cx);
  else found.sortPart(0, wanted - 1, cx);
  return wanted;
}

/** Distance of what stands at a place of `found`, in the unit that was asked for. */
function distanceAt(at: number): number {
  const key = found.keys[at]!;
  return (found.descending ? -key : key) / options.shape.unit;
}

function reply(cx: CommandContext, count: number): void {
  const { store: bytes } = found;
  const { extras } = options;
  cx.reply.arrayHeader(count);
  for (let at = 0; at < count; at++) {
    const ref = found.refs[found.order[at]!]!;
    if (extras > 0) cx.reply.arrayHeader(extras + 1);
    cx.reply.bulkBytes(bytes.bytesOf(ref), bytes.offsetOf(ref), bytes.lengthOf(ref));
    if (extras > 0) replyExtras(cx, at);
    if ((at + 1) % BREATH_MEMBERS === 0) cx.breathe();
  }
}

function replyExtras(cx: CommandContext, at: number): void {
  const score = scores[found.order[at]!]!;
  if (options.withDistance) cx.reply.bulkString(formatFixed(distanceAt(at), DISTANCE_DIGITS));
  if (options.withHash) replyHash(cx, score);
  if (!options.withPlace) return;
  decodeScore(score, place);
  replyPlace(cx, place);
}

/** The score as an integer. It has 53 bits and more at the eastern edge of the world. */
function replyHash(cx: CommandContext, score: number): void {
  const whole = Math.trunc(score);
  if (Number.isSafeInteger(whole)) cx.reply.integer(whole);
  else cx.reply.bigInteger(BigInt(whole));
}

/** Makes a sorted set of the first `count` found. */
function store(cx: CommandContext, tools: ZSetTools, count: number): void {
  if (count === 0) {
    storeNothing(cx, options.store);
    return;
  }
  const { store: bytes, refs, order } = found;
  const { member } = tools;
  let longest = 0;
  for (let at = 0; at < count; at++) longest = Math.max(longest, bytes.lengthOf(refs[order[at]!]!));
  const target = tools.view(1);
  createDetachedZSet(cx, options.store, target, tools.limits.encodingOf(count, longest));
  try {
    for (let at = 0; at < count; at++) {
      const ref = refs[order[at]!]!;
      member.setBytes(bytes.bytesOf(ref), bytes.offsetOf(ref), bytes.lengthOf(ref));
      target.add(member, options.storesDistance ? distanceAt(at) : scores[order[at]!]!);
      if ((at + 1) % BREATH_MEMBERS === 0) cx.breathe();
    }
    cx.attach(options.store, target.rec);
  } catch (error) {
    cx.discard(target.rec);
    throw error;
  }
  cx.keyChanged(options.store, count);
  const event = cx.command.name === 'geosearchstore' ? 'geosearchstore' : 'georadiusstore';
  cx.notify(NotifyFlag.Zset, event, options.store);
  cx.reply.integer(count);
}
