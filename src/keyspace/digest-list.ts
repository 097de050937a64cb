// The digest of a list: the order of its elements matters, so each is mixed (see digest.ts).

import type { Digest } from './digest.ts';
import type { Keyspace } from './keyspace.ts';
import { ListLimits, ListView } from './list-view.ts';
import type { RecordView } from './record.ts';
import type { LockedShard } from './shard.ts';

let view: ListView | null = null;
/** Whose records the view shows. */
let viewed: Keyspace | null = null;

/** Adds the elements of a list. The record's shard is locked. */
export function digestList(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  if (view === null || viewed !== keyspace) {
    view = new ListView(keyspace.memory, new ListLimits());
    viewed = keyspace;
  }
  view.rec.point(rec.ref);
  view.open(keyspace.shards[rec.shard] as LockedShard);
  for (let more = view.first(); more; more = view.next()) {
    view.text();
    digest.mix(view.buf, view.off, view.len);
  }
}
