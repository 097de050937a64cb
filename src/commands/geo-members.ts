// What the geo commands share: places of members, and how they are written.

import { decodeScore, type Position } from '../structures/geohash.ts';
import type { CommandContext } from './context.ts';
import { zsetTools } from './zset-tools.ts';

/** Decimals of distances in replies. */
export const DISTANCE_DIGITS = 4;

/** Looks a member up in the tools' first view, which is open. @returns whether it is there; `out` is its place then */
export function findPlace(cx: CommandContext, arg: number, out: Position): boolean {
  const tools = zsetTools(cx);
  const view = tools.view(0);
  tools.member.setBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
  if (!view.find(tools.member)) return false;
  decodeScore(view.score, out);
  return true;
}

/** Writes longitude and latitude. */
export function replyPlace(cx: CommandContext, at: Position): void {
  cx.reply.arrayHeader(2);
  cx.reply.humanDouble(at.longitude);
  cx.reply.humanDouble(at.latitude);
}
