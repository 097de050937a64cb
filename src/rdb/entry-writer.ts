// Writes keys with their values as RDB files have them:
//
//   [252, 8 bytes: expiry]  [248, length: idle seconds | 249, byte: frequency]  type  key (string)  value
//
// The idle time is written if maxmemory-policy is one of the LRU ones, the frequency if it is one of the LFU ones, as
// Redis's rdbSaveKeyValuePair does. What stands around entries in a file is file-writer.ts's.
//
// One per thread. Entries gather in `out` until reset(); they do not say of which database they are, so the caller takes
// them before it goes on to another. What could not be written to its end (no memory) leaves no trace in `out`, unless
// the caller has taken a part of it in a pause.

import type { ConfigStore } from '../config/store.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import type { EncodingLimits } from './limits.ts';
import type { Pause } from './pause.ts';
import { RdbOpcode, RdbVersion } from './rdb-format.ts';
import { RdbWriter } from './rdb-writer.ts';
import { ValueWriter } from './value-writer.ts';

export class EntryWriter {
  /** What was written since reset(): out.bytes[0, out.length). */
  readonly out = new RdbWriter();
  /** Entries written since reset(). */
  entries = 0;
  /** The RdbVersion that what was written since reset() needs. */
  version: number = RdbVersion.Redis70;
  readonly #keyspace: Keyspace;
  readonly #values: ValueWriter;
  #idle = false;
  #frequency = false;

  /** @param config whose rdbcompression and maxmemory-policy are followed */
  constructor(keyspace: Keyspace, limits: EncodingLimits, config: ConfigStore) {
    this.#keyspace = keyspace;
    this.#values = new ValueWriter(keyspace.memory, limits);
    const follow = (): void => {
      const policy = config.getEnum('maxmemory-policy');
      this.out.compression = config.getBool('rdbcompression');
      this.#idle = policy.endsWith('-lru');
      this.#frequency = policy.endsWith('-lfu');
    };
    follow();
    config.watch('maxmemory-policy', follow);
    config.watch('rdbcompression', follow);
  }

  /** Begins anew. */
  reset(): void {
    this.out.reset();
    this.entries = 0;
    this.version = RdbVersion.Redis70;
  }

  /**
   * Appends a record's entry. The keyspace's clock should be near the present: idle times and frequencies go by it.
   * @param shard the record's, locked
   * @param pause lets others go on in the middle of a long value: the key is pinned then, so that it cannot change
   * @throws OutOfMemoryError
   */
  write(shard: LockedShard, rec: RecordView, pause: Pause | null = null): void {
    const { out } = this;
    const values = this.#values;
    const mark = out.length;
    try {
      if (rec.expires) {
        out.byte(RdbOpcode.ExpireTimeMs);
        out.words(rec.words[rec.w + 3]!, rec.words[rec.w + 4]!);
      }
      if (this.#idle || this.#frequency) this.#writeAccess(rec.access);
      const type = values.typeOf(shard, rec);
      // Before the value: the caller may take its first part in a pause.
      const version = values.versionOf(type);
      if (version > this.version) this.version = version;
      out.byte(type);
      out.string(rec.bytes, rec.keyOffset, rec.keyLength);
      values.pause = pause;
      values.write(out, shard, rec, type);
      this.entries++;
    } catch (error) {
      out.length = Math.min(mark, out.length);
      throw error;
    }
  }

  #writeAccess(access: number): void {
    const { out } = this;
    const { clock } = this.#keyspace;
    if (this.#idle) {
      out.byte(RdbOpcode.Idle);
      out.len(clock.idleSeconds(access));
    } else {
      out.byte(RdbOpcode.Freq);
      out.byte(clock.frequency(access));
    }
  }
}
