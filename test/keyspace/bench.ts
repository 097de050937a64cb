// A keyspace without a server, keys by name, and a plain model of what it must hold.

import { hashKey } from '../../src/keyspace/key-hash.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { Encoding, RecordView, Type } from '../../src/keyspace/record.ts';
import { copyBytes, type LockedShard } from '../../src/keyspace/shard.ts';
import { SLOT_TO_SHARD_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, type SharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';

export const SEED = [0x2468ace0, 0x13579bdf] as const;

export interface KeyspaceOptions {
  readonly databases?: number;
  readonly regions?: number;
  readonly thread?: number;
  readonly buffers?: SharedBuffers;
}

export function makeKeyspace(options: KeyspaceOptions = {}): Keyspace {
  const buffers = options.buffers ?? allocateSharedBuffers(options.databases ?? 1, options.regions ?? 1);
  return new Keyspace(new SharedMemory(buffers, options.thread ?? 1), SEED);
}

/** Operations on keys by name, one lock at a time, as commands do them. */
export class Keys {
  readonly keyspace: Keyspace;
  readonly view: RecordView;
  readonly #slots = new Int32Array(1);
  readonly #hashes = new Int32Array(1);
  key: Buffer = Buffer.alloc(0);
  slot = 0;
  hash = 0;

  constructor(keyspace: Keyspace) {
    this.keyspace = keyspace;
    this.view = new RecordView(keyspace.memory);
  }

  /** Takes the lock of a key's shard. */
  enter(key: Buffer | string): LockedShard {
    this.key = typeof key === 'string' ? Buffer.from(key) : key;
    hashKey(this.key, 0, this.key.length, this.#slots, this.#hashes, 0);
    this.slot = this.#slots[0]!;
    this.hash = this.#hashes[0]!;
    return this.keyspace.shards[this.slot >>> SLOT_TO_SHARD_SHIFT]!.acquire();
  }

  find(shard: LockedShard, db = 0): boolean {
    return shard.find(this.view, db, this.slot, this.hash, this.key, 0, this.key.length);
  }

  set(key: Buffer | string, value: Buffer | string, expireAt: number | bigint = -1, db = 0): void {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value;
    this.#locked(key, (shard) => {
      if (this.find(shard, db)) shard.overwrite(this.view, Type.String, Encoding.Raw, bytes.length, expireAt);
      else
        shard.create(
          this.view, db, this.slot, this.hash, this.key, 0, this.key.length,
          Type.String, Encoding.Raw, bytes.length, expireAt, this.keyspace.clock.initial(),
        ); // biome-ignore format: many short arguments
      copyBytes(bytes, 0, this.view.bytes, this.view.valueOffset, bytes.length);
    });
  }

  get(key: Buffer | string, db = 0): Buffer | null {
    return this.#locked(key, (shard) => (this.find(shard, db) ? this.value() : null));
  }

  /** As GET of a command: notes that the key was used. */
  touch(key: Buffer | string, db = 0): boolean {
    return this.#locked(key, (shard) => {
      if (!this.find(shard, db)) return false;
      this.view.setAccess(this.keyspace.clock.touched(this.view.access));
      return true;
    });
  }

  del(key: Buffer | string, db = 0): boolean {
    return this.#locked(key, (shard) => {
      if (!this.find(shard, db)) return false;
      shard.remove(this.view);
      return true;
    });
  }

  /** Value of the record that `view` points at. */
  value(): Buffer {
    const { bytes, valueOffset, valueLength } = this.view;
    return Buffer.from(bytes.subarray(valueOffset, valueOffset + valueLength));
  }

  #locked<Result>(key: Buffer | string, work: (shard: LockedShard) => Result): Result {
    const shard = this.enter(key);
    try {
      return work(shard);
    } finally {
      shard.release();
    }
  }
}
