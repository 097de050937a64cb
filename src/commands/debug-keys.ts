// DEBUG's subcommands about keys and the data set: OBJECT, SDSLEN, LISTPACK, QUICKLIST, HTSTATS-KEY, DIGEST,
// DIGEST-VALUE, POPULATE.

import { Digest, digestDataset, digestValue } from '../keyspace/digest.ts';
import { ENCODING_NAMES, Encoding, Type } from '../keyspace/record.ts';
import type { CommandContext } from './context.ts';
import { withKey } from './debug-arguments.ts';
import { quicklistFacts } from './debug-listpack.ts';
import { ErrorText } from './errors.ts';
import { serializedLength } from './family-dump.ts';
import { shownArgument } from './generic-arguments.ts';
import { withAllShards } from './generic-database.ts';
import { references } from './generic-object.ts';

/** Room of Redis's buffer for a key that POPULATE makes. */
const POPULATE_KEY_BYTES_MAX = 127;
/** More keys than any arena holds. */
const POPULATE_KEYS_MAX = 2 ** 31;
const EMBSTR_MAX = 44;

/** Replies with what `describe` says of the key in argument 2, or with an error if it is missing. */
function describeKey(cx: CommandContext, describe: () => void): void {
  withKey(cx, cx.input, cx.argOff[2]!, cx.argLen[2]!, cx.rec, (_shard, found) => {
    if (found) describe();
    else cx.error(ErrorText.NoSuchKey);
  });
}

/** DEBUG OBJECT key. The address is the record's offset in shared memory. */
export function debugObject(cx: CommandContext): void {
  describeKey(cx, () => {
    const rec = cx.rec;
    const { clock } = cx.keyspace;
    const address = ((rec.ref >>> 0) * 16).toString(16);
    cx.reply.simpleString(
      `Value at:0x${address} refcount:${references(cx)} encoding:${ENCODING_NAMES[rec.encoding]!}` +
        ` serializedlength:${serializedLength(cx)} lru:${rec.access}` +
        ` lru_seconds_idle:${clock.lfu ? 0 : clock.idleSeconds(rec.access)}` +
        (rec.encoding === Encoding.Quicklist ? quicklistFacts(cx) : ''),
    );
  });
}

/** DEBUG SDSLEN key: lengths of key and value, and the room behind the value. */
export function debugSdsLength(cx: CommandContext): void {
  describeKey(cx, () => {
    const rec = cx.rec;
    if (rec.type !== Type.String || rec.encoding === Encoding.Int) {
      cx.error('ERR Not an sds encoded string.');
      return;
    }
    const block = cx.keyspace.shards[rec.shard]!.arena.capacity(rec.ref);
    cx.reply.simpleString(
      `key_sds_len:${rec.keyLength}, key_sds_avail:0, key_zmalloc: ${rec.keyLength}, ` +
        `val_sds_len:${rec.valueLength}, val_sds_avail:${block - rec.totalBytes}, val_zmalloc: ${block - rec.keyLength}`,
    );
  });
}

/** DEBUG LISTPACK and the like: for encodings that no value has yet. */
export function debugOtherEncoding(text: string): (cx: CommandContext) => void {
  return (cx) => describeKey(cx, () => cx.error(text));
}

/** DEBUG DIGEST: all shards are locked meanwhile, so that it is a point in time. */
export function debugDigest(cx: CommandContext): void {
  withAllShards(cx, false, (shards) => {
    cx.reply.simpleString(digestDataset(cx.keyspace, shards, cx.rec).toHex());
  });
}

/** DEBUG DIGEST-VALUE key [key ...] */
export function debugDigestValue(cx: CommandContext): void {
  const digest = new Digest();
  cx.reply.arrayHeader(cx.argc - 2);
  for (let arg = 2; arg < cx.argc; arg++) {
    digest.reset();
    const done = withKey(cx, cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.rec, (_shard, found) => {
      if (found) digestValue(digest, cx.rec, cx.keyspace);
    });
    if (!done) return;
    cx.reply.simpleString(digest.toHex());
  }
}

/** DEBUG POPULATE count [prefix] [size]: strings `prefix:0` and so on, unless they are there. */
export function debugPopulate(cx: CommandContext): void {
  const count = populateNumber(cx, 2);
  if (Number.isNaN(count)) return;
  if (count > POPULATE_KEYS_MAX) {
    cx.error('ERR OOM in dictTryExpand');
    return;
  }
  const size = cx.argc === 5 ? populateNumber(cx, 4) : 0;
  if (Number.isNaN(size)) return;
  const prefix = cx.argc > 3 ? shownArgument(cx, 3) : 'key';
  for (let i = 0; i < count; i++) {
    const key = Buffer.from(`${prefix}:${i}`.slice(0, POPULATE_KEY_BYTES_MAX), 'latin1');
    if (!populateKey(cx, key, Buffer.from(`value:${i}`, 'latin1'), size)) return;
  }
  cx.reply.ok();
}

/** @returns NaN after an error */
function populateNumber(cx: CommandContext, arg: number): number {
  const value = cx.argInteger(arg);
  if (value >= 0) return value;
  cx.error(ErrorText.NotPositive);
  return NaN;
}

/** @param size of the value in bytes, filled with zeros behind its text; 0: the text alone */
function populateKey(cx: CommandContext, key: Buffer, text: Buffer, size: number): boolean {
  const rec = cx.rec;
  return withKey(cx, key, 0, key.length, rec, (shard, found, slot, hash) => {
    if (found && !cx.isExpired(rec)) return;
    if (found && !cx.removeExpired(shard, rec)) return;
    const len = size === 0 ? text.length : size;
    const encoding = len <= EMBSTR_MAX ? Encoding.Embstr : Encoding.Raw;
    const access = cx.keyspace.clock.initial();
    shard.create(rec, cx.db, slot, hash, key, 0, key.length, Type.String, encoding, len, -1, access);
    const copied = text.copy(rec.bytes, rec.valueOffset, 0, len);
    rec.bytes.fill(0, rec.valueOffset + copied, rec.valueOffset + len);
  });
}
