// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]: the longest common subsequence of two values.
//
// Answers, limits and the choice among subsequences of the same length are Redis's; the algorithm is in string-lcs.ts.

import { type RecordView, Type } from '../keyspace/record.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { LcsTable } from './string-lcs.ts';
import { handOverLong } from './string-values.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** Bytes of a cell of the table that Redis makes, whose size is limited. */
const CELL_BYTES = 4;
const STRING_BYTES_MAX = 2 ** 32 - 2;

interface LcsOptions {
  len: boolean;
  idx: boolean;
  withMatchLen: boolean;
  minMatchLen: number;
}

/** A run of equal bytes: inclusive positions in both strings. */
interface Match {
  aStart: number;
  aEnd: number;
  bStart: number;
  bEnd: number;
}

function lcs(cx: CommandContext): void {
  const a = cx.rec;
  const b = cx.rec2;
  const aFound = cx.lookupRead(1, a);
  const bFound = cx.lookupRead(2, b);
  if ((aFound && a.type !== Type.String) || (bFound && b.type !== Type.String)) {
    cx.error('ERR The specified keys must contain string values');
    return;
  }
  const options = parseOptions(cx);
  if (options === null) return;
  const aLen = aFound ? a.valueLength : 0;
  const bLen = bFound ? b.valueLength : 0;
  if (aLen >= STRING_BYTES_MAX || bLen >= STRING_BYTES_MAX) {
    cx.error('ERR String too long for LCS');
    return;
  }
  const cells = (aLen + 1) * (bLen + 1);
  if (cells * CELL_BYTES > cx.server.config.getMemory('proto-max-bulk-len')) {
    cx.error('ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len');
    return;
  }
  if (handOverLong(cx, cells / 8, 1, 2)) return;
  answer(cx, options, a, aLen, b, bLen);
}

function parseOptions(cx: CommandContext): LcsOptions | null {
  const options: LcsOptions = { len: false, idx: false, withMatchLen: false, minMatchLen: 0 };
  for (let arg = 3; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'IDX')) options.idx = true;
    else if (cx.argIs(arg, 'LEN')) options.len = true;
    else if (cx.argIs(arg, 'WITHMATCHLEN')) options.withMatchLen = true;
    else if (cx.argIs(arg, 'MINMATCHLEN') && arg + 1 < cx.argc) {
      arg++;
      const min = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      if (min === null) {
        cx.error(ErrorText.NotInteger);
        return null;
      }
      options.minMatchLen = Math.max(0, Number(min));
    } else {
      cx.syntaxError();
      return null;
    }
  }
  if (options.idx && options.len) {
    cx.error('ERR If you want both the length and indexes, please just use IDX.');
    return null;
  }
  return options;
}

function answer(
  cx: CommandContext,
  options: LcsOptions,
  a: RecordView,
  aLen: number,
  b: RecordView,
  bLen: number,
): void {
  const aOff = aLen === 0 ? 0 : a.valueOffset;
  const bOff = bLen === 0 ? 0 : b.valueOffset;
  const table = new LcsTable(a.bytes, aOff, aLen, b.bytes, bOff, bLen, !options.len);
  const length = table.length;
  if (options.len) {
    cx.reply.integer(length);
    return;
  }
  const text = Buffer.allocUnsafe(length);
  const matches = options.idx ? ([] as Match[]) : null;
  walkBack(table, a.bytes, aOff, aLen, b.bytes, bOff, bLen, text, matches);
  if (matches === null) cx.reply.bulkBytes(text, 0, length);
  else replyMatches(cx, matches, options, length);
}

/**
 * Follows the table from its end to its beginning.
 * @param text receives the subsequence
 * @param matches receives its runs, the last one first; null if not wanted
 */
function walkBack(
  table: LcsTable,
  a: Buffer,
  aOff: number,
  aLen: number,
  b: Buffer,
  bOff: number,
  bLen: number,
  text: Buffer,
  matches: Match[] | null,
): void {
  let i = aLen;
  let j = bLen;
  let at = text.length;
  let run: Match | null = null;
  while (i > 0 && j > 0) {
    if (a[aOff + i - 1] !== b[bOff + j - 1]) {
      if (table.rises(i, j)) i--;
      else j--;
      run = null;
      continue;
    }
    i--;
    j--;
    text[--at] = a[aOff + i]!;
    if (matches === null) continue;
    if (run === null) {
      run = { aStart: i, aEnd: i, bStart: j, bEnd: j };
      matches.push(run);
    } else {
      run.aStart = i;
      run.bStart = j;
    }
  }
}

function replyMatches(cx: CommandContext, matches: Match[], options: LcsOptions, length: number): void {
  const shown = matches.filter((match) => match.aEnd - match.aStart + 1 >= options.minMatchLen);
  const { reply } = cx;
  reply.mapHeader(2);
  reply.bulkString('matches');
  reply.arrayHeader(shown.length);
  for (const match of shown) {
    reply.arrayHeader(options.withMatchLen ? 3 : 2);
    reply.arrayHeader(2);
    reply.integer(match.aStart);
    reply.integer(match.aEnd);
    reply.arrayHeader(2);
    reply.integer(match.bStart);
    reply.integer(match.bEnd);
    if (options.withMatchLen) reply.integer(match.aEnd - match.aStart + 1);
  }
  reply.bulkString('len');
  reply.integer(length);
}

export const stringLcsCommands: FamilyHandlers = {
  LCS: { run: lcs, place: Place.InPlace },
};
