// What the subcommands of DEBUG share: permission to use them, C's lenient numbers, keys that no key specification names.

import { hashKey } from '../keyspace/key-hash.ts';
import type { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';
import { protectedRefusal } from './protection.ts';

/** Whether the client may use DEBUG, by enable-debug-command; replies with the error if not. */
export function checkDebugAllowed(cx: CommandContext): boolean {
  const refused = protectedRefusal(cx);
  if (refused === null) return true;
  cx.error(refused);
  return false;
}

/** An argument as C's atoi reads it: what is no number counts as 0. */
export function lenientInteger(cx: CommandContext, arg: number): number {
  const match = /^[ \t\n\v\f\r]*[+-]?\d+/.exec(cx.argLatin1(arg));
  return match === null ? 0 : Number(match[0]);
}

/** An argument as C's strtod reads it; what is no number, not finite or negative counts as 0. */
export function lenientSeconds(cx: CommandContext, arg: number): number {
  const seconds = Number.parseFloat(cx.argLatin1(arg));
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0;
}

const slots = new Int32Array(1);
const hashes = new Int32Array(1);

/**
 * Locks the shard of a key given by its bytes and looks for its record, expired or not, untouched.
 * @param use gets the shard, the key's slot and hash, and whether `rec` points at the record
 * @returns false if the command has to be handed over
 */
export function withKey(
  cx: CommandContext,
  key: Buffer,
  off: number,
  len: number,
  rec: RecordView,
  use: (shard: LockedShard, found: boolean, slot: number, hash: number) => void,
): boolean {
  hashKey(key, off, len, slots, hashes, 0);
  const slot = slots[0]!;
  const hash = hashes[0]!;
  const shard = cx.enterShard(slot >>> SLOT_TO_SHARD_SHIFT);
  if (shard === null) {
    cx.handOver();
    return false;
  }
  try {
    use(shard, shard.find(rec, cx.db, slot, hash, key, off, len), slot, hash);
  } finally {
    cx.leaveShard(shard);
  }
  return true;
}
