// The digest of a sorted set: member and score of each pair are mixed, pairs are xored (see digest.ts).

import { formatDouble } from '../protocol/doubles.ts';
import { Member } from '../structures/member.ts';
import { Digest } from './digest.ts';
import type { Keyspace } from './keyspace.ts';
import type { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';
import { ZSetLimits, ZSetView } from './zset-view.ts';

const member = new Member();
const text: Buffer = Buffer.alloc(32);
let view: ZSetView | null = null;
/** Whose records the view shows. */
let viewed: Keyspace | null = null;
let pair: Digest | null = null;

/** Adds the members of a sorted set. The record's shard is locked. */
export function digestZSet(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  if (view === null || viewed !== keyspace) {
    view = new ZSetView(keyspace.memory, new ZSetLimits());
    viewed = keyspace;
  }
  pair ??= new Digest();
  view.rec.point(rec.ref);
  view.open(keyspace.shards[rec.shard] as LockedShard);
  for (let more = view.seekRank(0); more; more = view.next()) {
    view.load(member);
    member.text();
    pair.reset();
    pair.mix(member.buf, member.off, member.len);
    pair.mix(text, 0, text.write(formatDouble(view.score), 'latin1'));
    digest.xorDigest(pair);
  }
}
