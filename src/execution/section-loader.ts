// Loads sections of an RDB file on a shard worker, for the persistence worker, which has found them.

import type { ConfigStore } from '../config/store.ts';
import { strerror } from '../config/system-error.ts';
import { closeSync, openSync, readSync, statSync } from '../file-system.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { RdbFileError } from '../rdb/file-error.ts';
import { RdbLoader } from '../rdb/file-loader.ts';
import { readSection } from '../rdb/file-source.ts';
import { EncodingLimits } from '../rdb/limits.ts';

export interface SectionRequest {
  readonly path: string | Uint8Array;
  readonly position: number;
  readonly length: number;
  /** Database of its first entry. */
  readonly db: number;
  readonly databases: number;
  readonly keepExpired: boolean;
  readonly replace: boolean;
}

export interface SectionResult {
  readonly loaded: number;
  readonly expired: number;
  readonly empty: number;
  /** Why it was not loaded to its end. */
  readonly error?: string;
}

/** A buffer that is larger is not kept. */
const KEPT_BYTES = 4 * 1024 * 1024;

export class SectionLoader {
  readonly #keyspace: Keyspace;
  readonly #limits: EncodingLimits;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(keyspace: Keyspace, config: ConfigStore) {
    this.#keyspace = keyspace;
    this.#limits = new EncodingLimits(config);
  }

  load(request: SectionRequest): SectionResult {
    const { position, length, db } = request;
    const path = typeof request.path === 'string' ? request.path : Buffer.from(request.path);
    const loader = new RdbLoader(this.#keyspace, this.#limits, {
      databases: request.databases,
      keepExpired: request.keepExpired,
      replace: request.replace,
    });
    let error: string | undefined;
    this.#keyspace.setTime(Date.now());
    try {
      const fd = openSync(path, 'r');
      try {
        const source = {
          size: statSync(path).size,
          read: (into: Buffer, off: number, len: number, at: number) => readSync(fd, into, off, len, at),
        };
        const bytes = readSection(source, position, length, this.#buffer);
        if (bytes.length <= KEPT_BYTES) this.#buffer = bytes;
        loader.load(bytes, 0, length, db, position);
      } finally {
        closeSync(fd);
      }
    } catch (thrown) {
      if (thrown instanceof RdbFileError) error = thrown.message;
      else if (thrown instanceof OutOfMemoryError) error = 'Out of memory while loading the data set';
      else if ((thrown as NodeJS.ErrnoException).code !== undefined) error = strerror(thrown);
      else throw thrown;
    }
    this.#keyspace.meter.flush();
    return { loaded: loader.loaded, expired: loader.expired, empty: loader.empty, error };
  }
}
