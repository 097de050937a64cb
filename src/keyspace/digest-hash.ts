// The digest of a hash: the order of its fields does not matter (see digest.ts for xor and mix).
//
//   field   0, mix its name, mix its value; if it expires: xor "!!hexpire!!"
//   hash    xor the digest of each field
//
// Fields whose time has come count as long as they are there.

import { Digest } from './digest.ts';
import { HashLimits, HashView } from './hash-view.ts';
import type { Keyspace } from './keyspace.ts';
import type { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';

const EXPIRE_MARK = Buffer.from('!!hexpire!!');
let view: HashView | null = null;
/** Whose records the view shows. */
let viewed: Keyspace | null = null;
let field: Digest | null = null;

/** Adds the fields of a hash. The record's shard is locked. */
export function digestHash(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  if (view === null || viewed !== keyspace) {
    view = new HashView(keyspace.memory, new HashLimits());
    viewed = keyspace;
  }
  field ??= new Digest();
  view.rec.point(rec.ref);
  view.open(keyspace.shards[rec.shard] as LockedShard);
  view.begin();
  while (view.next()) {
    field.reset();
    field.mix(view.keyBuf, view.keyOff, view.keyLen);
    field.mix(view.buf, view.off, view.len);
    if (view.expireAt >= 0) field.xor(EXPIRE_MARK, 0, EXPIRE_MARK.length);
    digest.xorDigest(field);
  }
}
