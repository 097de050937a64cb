// What snapshots put out, gathered by thread and loaded again; and what a keyspace holds, to compare it with.

import { ConfigStore } from '../../src/config/store.ts';
import { Digest, digestValue } from '../../src/keyspace/digest.ts';
import { flushDatabase } from '../../src/keyspace/flush.ts';
import type { Keyspace } from '../../src/keyspace/keyspace.ts';
import { RecordView } from '../../src/keyspace/record.ts';
import { KeyWalk } from '../../src/keyspace/scan.ts';
import type { SnapshotSink } from '../../src/keyspace/snapshot.ts';
import { RdbLoader } from '../../src/rdb/file-loader.ts';
import { EncodingLimits } from '../../src/rdb/limits.ts';

/** Entries of one database that are whole. */
interface Entries {
  readonly snapshot: number;
  readonly db: number;
  readonly bytes: Buffer;
}

/** The sink of one thread. */
export class GatheringSink implements SnapshotSink {
  readonly entriesOf: Entries[] = [];
  readonly done: { readonly snapshot: number; readonly shard: number }[] = [];
  readonly voids: { readonly snapshot: number; readonly reason: number }[] = [];
  /** Calls that did not end an entry. */
  parts = 0;
  /** Called with every piece. */
  onEntries: (() => void) | null = null;
  #pieces: Buffer[] = [];

  entries(
    snapshot: number,
    db: number,
    _version: number,
    part: boolean,
    bytes: Buffer,
    off: number,
    len: number,
  ): void {
    this.#pieces.push(Buffer.from(bytes.subarray(off, off + len)));
    if (part) this.parts++;
    else {
      this.entriesOf.push({ snapshot, db, bytes: Buffer.concat(this.#pieces) });
      this.#pieces = [];
    }
    this.onEntries?.();
  }

  shardDone(snapshot: number, shard: number): void {
    this.done.push({ snapshot, shard });
  }

  voided(snapshot: number, reason: number): void {
    this.voids.push({ snapshot, reason });
  }

  /** Forgets all. */
  clear(): void {
    this.entriesOf.length = 0;
    this.done.length = 0;
    this.voids.length = 0;
    this.parts = 0;
    this.#pieces = [];
  }
}

/** Every key with its value, by `database key`: what it is, its digest and its expiry. */
export function contentsOf(keyspace: Keyspace): Map<string, string> {
  const found = new Map<string, string>();
  const view = new RecordView(keyspace.memory);
  const digest = new Digest();
  for (let db = 0; db < keyspace.memory.databaseCount; db++) {
    for (const walk = new KeyWalk(); !walk.done; ) {
      const shard = keyspace.shards[walk.shard]!.acquire();
      walk.gather(shard, db, 1000);
      for (let i = 0; i < walk.count; i++) {
        walk.meet(shard, db, i, view);
        const key = view.bytes.toString('latin1', view.keyOffset, view.keyOffset + view.keyLength);
        const { type, expireAt } = view;
        digest.reset();
        digestValue(digest, view, keyspace);
        found.set(`${db} ${key}`, `${type} ${digest.toHex()} ${expireAt}`);
      }
      shard.release();
    }
  }
  return found;
}

/** Loads what a snapshot has put out into an empty keyspace. @throws if a key is there twice */
export function loadInto(sinks: readonly GatheringSink[], snapshot: number, into: Keyspace): void {
  const loader = new RdbLoader(into, new EncodingLimits(new ConfigStore(null, '/')), {
    databases: into.memory.databaseCount,
    keepExpired: true,
  });
  for (const sink of sinks) {
    for (const { snapshot: number, db, bytes } of sink.entriesOf)
      if (number === snapshot) loader.load(bytes, 0, bytes.length, db, 0);
  }
}

/**
 * Loads what a snapshot has put out into an empty keyspace, and empties that again.
 * @returns as contentsOf()
 * @throws if a key is there twice
 */
export function loadSnapshot(
  sinks: readonly GatheringSink[],
  snapshot: number,
  into: Keyspace,
): Map<string, string> {
  loadInto(sinks, snapshot, into);
  const found = contentsOf(into);
  for (const shard of into.shards) {
    const locked = shard.acquire();
    flushDatabase(locked, -1, false);
    locked.release();
  }
  return found;
}
