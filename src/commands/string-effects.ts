// What commands on strings leave in the change stream instead of their words. As Redis 7.4 rewrites them: expiries become
// moments (PXAT, PEXPIREAT), sums become values. What came after 7.4 (conditions on values, MSETEX, DELEX, newer BITOPs) is
// told in words of 7.4, so that it can read the log.
//
// To be called only while cx.effects.wanted, and after the change is made.

import type { RecordView } from '../keyspace/record.ts';
import type { CommandContext } from './context.ts';
import { IF_FLAGS, SetFlag, type SetOptions } from './set-options.ts';

/** `SET key value`. */
export function tellSet(cx: CommandContext, key: number, value: number): void {
  const { effects } = cx;
  effects.begin(3);
  effects.text('SET');
  effects.arg(key);
  effects.arg(value);
}

/** `SET key value PXAT at`. @param at unix time in ms */
export function tellSetAt(cx: CommandContext, key: number, value: number, at: number | bigint): void {
  const { effects } = cx;
  effects.begin(5);
  effects.text('SET');
  effects.arg(key);
  effects.arg(value);
  effects.text('PXAT');
  effects.integer(at);
}

/** `SET key value KEEPTTL`. */
function tellSetKeeping(cx: CommandContext, key: number, value: number): void {
  const { effects } = cx;
  effects.begin(4);
  effects.text('SET');
  effects.arg(key);
  effects.arg(value);
  effects.text('KEEPTTL');
}

/** SET with options: without GET; a moment instead of a time to live. */
export function tellSetWithOptions(cx: CommandContext, options: SetOptions): void {
  if (options.expireArg !== 0) tellSetAt(cx, 1, 2, options.expireAt);
  else if (options.has(IF_FLAGS)) {
    if (options.has(SetFlag.KeepTtl)) tellSetKeeping(cx, 1, 2);
    else tellSet(cx, 1, 2);
  } else if (options.has(SetFlag.Get)) tellWithoutGet(cx);
}

function tellWithoutGet(cx: CommandContext): void {
  const { effects } = cx;
  let kept = 3;
  for (let arg = 3; arg < cx.argc; arg++) if (!cx.argIs(arg, 'GET')) kept++;
  effects.begin(kept);
  for (let arg = 0; arg < cx.argc; arg++) if (arg < 3 || !cx.argIs(arg, 'GET')) effects.arg(arg);
}

/** MSETEX, of the pairs from argument 2 up to `end`. */
export function tellMsetex(cx: CommandContext, options: SetOptions, end: number): void {
  if (options.expireArg !== 0 || options.has(SetFlag.KeepTtl)) {
    for (let arg = 2; arg < end; arg += 2) {
      if (options.expireArg !== 0) tellSetAt(cx, arg, arg + 1, options.expireAt);
      else tellSetKeeping(cx, arg, arg + 1);
    }
    return;
  }
  cx.effects.begin(end - 1);
  cx.effects.text('MSET');
  for (let arg = 2; arg < end; arg++) cx.effects.arg(arg);
}

/** `DEL key` or `UNLINK key`. */
export function tellDeleted(cx: CommandContext, key: number, lazy: boolean): void {
  const { effects } = cx;
  effects.begin(2);
  effects.text(lazy ? 'UNLINK' : 'DEL');
  effects.arg(key);
}

/** `SET key value`, with the value that a record has now. @param keepTtl whether an expiry stays */
export function tellValue(cx: CommandContext, key: number, rec: RecordView, keepTtl: boolean): void {
  const { effects } = cx;
  effects.begin(keepTtl ? 4 : 3);
  effects.text('SET');
  effects.arg(key);
  effects.bytes(rec.bytes, rec.valueOffset, rec.valueLength);
  if (keepTtl) effects.text('KEEPTTL');
}
