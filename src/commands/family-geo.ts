// Geo commands on members: GEOADD, GEODIST, GEOHASH, GEOPOS. Searches are in geo-search.ts.
//
// A geo set is a sorted set whose scores are places (structures/geohash.ts): GEOADD is ZADD with such scores, and every other
// command of sorted sets works on it. Any score stands for some place.

import { distanceMeters, encodeScore, geohashText, Position } from '../structures/geohash.ts';
import type { CommandContext } from './context.ts';
import { formatFixed, placeArgument, unitArgument } from './geo-arguments.ts';
import { DISTANCE_DIGITS, findPlace, replyPlace } from './geo-members.ts';
import { geoSearchCommands } from './geo-search.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { addScored, Option } from './zset-add.ts';
import { lookupWork, readZSet, zsetTools } from './zset-tools.ts';

export const geoCommands: FamilyHandlers = {
  GEOADD: { run: geoadd, place: Place.InPlace },
  GEODIST: { run: geodist, place: Place.InPlace },
  GEOHASH: { run: (cx) => eachMember(cx, replyGeohash, () => cx.reply.nullBulk()), place: Place.InPlace },
  GEOPOS: { run: (cx) => eachMember(cx, replyPlace, () => cx.reply.nullArray()), place: Place.InPlace },
  ...geoSearchCommands,
};

const place = new Position();
const otherPlace = new Position();

/** GEOADD key [NX | XX] [CH] longitude latitude member ... */
function geoadd(cx: CommandContext): void {
  let options = 0;
  let arg = 2;
  for (; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'NX')) options |= Option.Nx;
    else if (cx.argIs(arg, 'XX')) options |= Option.Xx;
    else if (cx.argIs(arg, 'CH')) options |= Option.Ch;
    else break;
  }
  const both = Option.Nx | Option.Xx;
  const count = (cx.argc - arg) / 3;
  if (count < 1 || !Number.isInteger(count) || (options & both) === both) {
    cx.syntaxError();
    return;
  }
  const tools = zsetTools(cx);
  if (tools.scores.length < count) tools.scores = new Float64Array(count * 2);
  for (let i = 0; i < count; i++) {
    if (!placeArgument(cx, arg + i * 3, place)) return;
    tools.scores[i] = encodeScore(place.longitude, place.latitude);
  }
  addScored(cx, arg + 2, 3, count, options);
  if (cx.effects.wanted && cx.dirty !== 0) tellScores(cx, arg, count);
}

/** Tells the places as scores, and in lower case, as Redis does. @param first argument index of the first place */
function tellScores(cx: CommandContext, first: number, count: number): void {
  const { effects } = cx;
  const { scores } = zsetTools(cx);
  effects.begin(first + count * 2);
  effects.text('zadd');
  for (let arg = 1; arg < first; arg++) effects.arg(arg);
  for (let i = 0; i < count; i++) {
    effects.integer(BigInt(scores[i]!));
    effects.arg(first + i * 3 + 2);
  }
}

/** GEODIST key member member [unit] */
function geodist(cx: CommandContext): void {
  const unit = cx.argc === 5 ? unitArgument(cx, 4) : 1;
  if (Number.isNaN(unit)) return;
  if (cx.argc > 5) {
    cx.syntaxError();
    return;
  }
  const tools = zsetTools(cx);
  const view = tools.view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1 && handOverLong(cx, lookupWork(view, 2), 1, 1)) return;
  if (found === 0 || !findPlace(cx, 2, place) || !findPlace(cx, 3, otherPlace)) {
    cx.reply.nullBulk();
    return;
  }
  const meters = distanceMeters(place.longitude, place.latitude, otherPlace.longitude, otherPlace.latitude);
  cx.reply.bulkString(formatFixed(meters / unit, DISTANCE_DIGITS));
}

/** Replies with an array of one element for each member that is asked for. */
function eachMember(
  cx: CommandContext,
  replyFound: (cx: CommandContext, at: Position) => void,
  replyMissing: () => void,
): void {
  const view = zsetTools(cx).view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0) return;
  if (found === 1 && handOverLong(cx, lookupWork(view, cx.argc - 2), 1, 1)) return;
  cx.reply.arrayHeader(cx.argc - 2);
  for (let arg = 2; arg < cx.argc; arg++) {
    if (found === 1 && findPlace(cx, arg, place)) replyFound(cx, place);
    else replyMissing();
  }
}

function replyGeohash(cx: CommandContext, at: Position): void {
  cx.reply.bulkString(geohashText(at));
}
