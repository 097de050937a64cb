// What a command tells that ran out of memory when it had changed something: its keys as they are now, since its words would
// bring about more than it has done. RESTORE of what is there, DEL of what is not.

import type { CommandContext } from './context.ts';
import { dumpRecord } from './family-dump.ts';
import { exactExpiry } from './set-options.ts';

/**
 * To be called after an OutOfMemoryError, with the locks held, while effects are wanted.
 * @param args the arguments that are keys, the first `count` of them
 */
export function tellAfterFailure(cx: CommandContext, args: Int32Array, count: number): void {
  cx.effects.withdraw();
  if (cx.dirty === 0) {
    cx.effects.none();
    return;
  }
  for (let i = 0; i < count; i++) tellKey(cx, args[i]!);
}

function tellKey(cx: CommandContext, arg: number): void {
  const { effects, rec } = cx;
  const shard = cx.shard(arg);
  const off = cx.argOff[arg]!;
  if (!shard.find(rec, cx.db, cx.slots[arg]!, cx.hashes[arg]!, cx.input, off, cx.argLen[arg]!)) {
    effects.begin(2);
    effects.text('DEL');
    effects.arg(arg);
    return;
  }
  const payload = dumpRecord(cx);
  effects.begin(6);
  effects.text('RESTORE');
  effects.arg(arg);
  effects.integer(rec.expires ? exactExpiry(rec) : 0);
  effects.bytes(payload.bytes, 0, payload.length);
  effects.text('REPLACE');
  effects.text('ABSTTL');
}
