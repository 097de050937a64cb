// What SCAN, SSCAN, HSCAN and ZSCAN have in common: reading a cursor and a count, and a reply whose beginning is known
// only at its end.

import { globMatch } from '../protocol/glob.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';

const UINT64_MAX = 2n ** 64n - 1n;

/**
 * A cursor as Redis 7.4 reads it: any number of 64 bits; what strtoull accepts, is accepted.
 * @returns 64 bits; -1 for what is no number
 */
export function scanCursor(cx: CommandContext, arg: number): bigint {
  const exact = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
  if (exact !== null) return exact < 0n ? -1n : exact;
  const match = /^[ \t\n\v\f\r]*([+-]?)(\d+)$/.exec(shownArgument(cx, arg));
  // 20 digits and leading zeros: anything longer is out of range, or absurd.
  if (match === null || match[2]!.length > 64) return -1n;
  const value = BigInt(match[2]!);
  const canonical = parseInteger64(Buffer.from(match[0], 'latin1'), 0, match[0].length);
  if (value > UINT64_MAX || (canonical !== null && canonical < 0n)) return -1n;
  return match[1] === '-' ? BigInt.asUintN(64, -value) : value;
}

/** The value of COUNT, at least 1. @returns NaN after an error */
export function scanCount(cx: CommandContext, arg: number): number {
  let count = cx.argInteger(arg);
  if (Number.isNaN(count)) {
    const large = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    if (large === null) {
      cx.error(ErrorText.NotInteger);
      return NaN;
    }
    count = large < 0n ? 0 : Number.MAX_SAFE_INTEGER;
  }
  if (count >= 1) return count;
  cx.syntaxError();
  return NaN;
}

/** Writes the two-element array's header and the cursor in front of what was written since `mark`. */
export function insertScanHead(cx: CommandContext, mark: number, cursor: string): void {
  const { reply } = cx;
  const head = `*2\r\n$${cursor.length}\r\n${cursor}\r\n`;
  reply.reserve(head.length);
  reply.bytes.copyWithin(mark + head.length, mark, reply.length);
  reply.bytes.write(head, mark, 'latin1');
  reply.length += head.length;
}

/** What a scan of one key asks for. Filled by readMemberScan(); one per thread. */
export const memberScan = {
  /** Argument of the pattern, -1 for none. */
  pattern: -1,
  /** Members to look at. */
  count: 10,
};
const MEMBER_COUNT_DEFAULT = 10;
const STAR = 0x2a;

/** Reads MATCH and COUNT of a scan of one key, which has them from argument 3 on. @returns false after an error */
export function readMemberScan(cx: CommandContext): boolean {
  memberScan.pattern = -1;
  memberScan.count = MEMBER_COUNT_DEFAULT;
  for (let arg = 3; arg < cx.argc; arg += 2) {
    const hasValue = arg + 1 < cx.argc;
    if (hasValue && cx.argIs(arg, 'COUNT')) {
      memberScan.count = scanCount(cx, arg + 1);
      if (Number.isNaN(memberScan.count)) return false;
    } else if (hasValue && cx.argIs(arg, 'MATCH')) {
      // A lone '*' is no pattern: it stands for the empty member, too.
      const all = cx.argLen[arg + 1] === 1 && cx.input[cx.argOff[arg + 1]!] === STAR;
      memberScan.pattern = all ? -1 : arg + 1;
    } else if (cx.argIs(arg, 'NOVALUES')) {
      cx.error('ERR NOVALUES option can only be used in HSCAN');
      return false;
    } else {
      cx.syntaxError();
      return false;
    }
  }
  return true;
}

/** Whether bytes match the pattern of the scan. */
export function matchesScan(cx: CommandContext, buf: Buffer, off: number, len: number): boolean {
  const { pattern } = memberScan;
  if (pattern < 0) return true;
  return globMatch(cx.input, cx.argOff[pattern]!, cx.argLen[pattern]!, buf, off, len, false);
}
