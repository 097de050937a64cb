// The digest of a set: the order of its members does not matter, so each is xored (see digest.ts).

import { Member } from '../structures/member.ts';
import type { Digest } from './digest.ts';
import type { Keyspace } from './keyspace.ts';
import type { RecordView } from './record.ts';
import { SetLimits, SetView } from './set-view.ts';
import type { LockedShard } from './shard.ts';

const member = new Member();
let view: SetView | null = null;
/** Whose records the view shows. */
let viewed: Keyspace | null = null;

/** Adds the members of a set. The record's shard is locked. */
export function digestSet(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  if (view === null || viewed !== keyspace) {
    view = new SetView(keyspace.memory, new SetLimits());
    viewed = keyspace;
  }
  view.rec.point(rec.ref);
  view.open(keyspace.shards[rec.shard] as LockedShard);
  view.begin();
  while (view.next(member)) {
    member.text();
    digest.xor(member.buf, member.off, member.len);
  }
}
