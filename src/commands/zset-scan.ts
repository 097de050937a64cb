// ZSCAN. A listpack is returned whole whatever the cursor says, as in Redis. In a skiplist the cursor is a hash, below
// which every member was visited; hashes never change, so that no growth between two calls matters.

import { Encoding } from '../keyspace/record.ts';
import type { ZSetView } from '../keyspace/zset-view.ts';
import { formatDouble } from '../protocol/doubles.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { insertArrayHeader } from './generic-arguments.ts';
import { insertScanHead, matchesScan, memberScan, readMemberScan, scanCursor } from './scan-arguments.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';
import { BREATH_MEMBERS, readZSet, walkWork, zsetTools } from './zset-tools.ts';

export const zsetScanCommands: FamilyHandlers = {
  ZSCAN: { run: zscan, place: Place.InPlace },
};

const CURSOR_MASK = 0xffffffffn;

function zscan(cx: CommandContext): void {
  const cursor = scanCursor(cx, 2);
  if (cursor < 0n) {
    cx.error(ErrorText.InvalidCursor);
    return;
  }
  const view = zsetTools(cx).view(0);
  const found = readZSet(cx, 1, view);
  if (found < 0 || (found === 1 && !readMemberScan(cx))) return;
  if (found === 0) {
    cx.reply.arrayHeader(2);
    cx.reply.bulkString('0');
    cx.reply.arrayHeader(0);
    return;
  }
  if (handOverLong(cx, walkWork(view, Math.min(memberScan.count, view.size)), 1, 1)) return;
  if (view.encoding === Encoding.Skiplist) scanTable(cx, view, Number(cursor & CURSOR_MASK));
  else scanListpack(cx, view);
}

function scanListpack(cx: CommandContext, view: ZSetView): void {
  const { member } = zsetTools(cx);
  cx.reply.arrayHeader(2);
  cx.reply.bulkString('0');
  const mark = cx.reply.length;
  let matches = 0;
  for (let more = view.seekRank(0); more; more = view.next()) {
    view.load(member);
    matches += replyMatch(cx, view);
  }
  insertArrayHeader(cx, mark, matches * 2);
}

function scanTable(cx: CommandContext, view: ZSetView, cursor: number): void {
  const { member } = zsetTools(cx);
  const refs: number[] = [];
  const { count } = memberScan;
  const mark = cx.reply.length;
  let seen = 0;
  let matches = 0;
  do {
    refs.length = 0;
    cursor = view.set.table.scan(cursor, Math.min(count - seen, BREATH_MEMBERS), refs);
    seen += refs.length;
    for (let i = 0; i < refs.length; i++) {
      view.showElement(refs[i]!, member);
      matches += replyMatch(cx, view);
    }
    cx.breathe();
  } while (cursor !== 0 && seen < count);
  insertArrayHeader(cx, mark, matches * 2);
  insertScanHead(cx, mark, String(cursor));
}

/** Writes the tools' member with its score if it matches. @returns 1 if it does */
function replyMatch(cx: CommandContext, view: ZSetView): number {
  const { member } = zsetTools(cx);
  member.text();
  if (!matchesScan(cx, member.buf, member.off, member.len)) return 0;
  cx.reply.bulkBytes(member.buf, member.off, member.len);
  // A bulk string in RESP3, too.
  cx.reply.bulkString(formatDouble(view.score));
  return 1;
}
