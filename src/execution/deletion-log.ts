// Tells the change stream what goes by itself: DEL or UNLINK of keys that expired or were evicted, HDEL of fields that
// expired, each a unit of its own, as in Redis.

import { Effects } from '../commands/effects.ts';
import type { ConfigStore } from '../config/store.ts';
import type { DeletionTarget } from '../keyspace/deletions.ts';
import type { RecordView } from '../keyspace/record.ts';
import type { ChangeLog } from './change-log.ts';

const NO_WORDS = new Int32Array(0);

export class DeletionLog implements DeletionTarget {
  readonly #changes: ChangeLog;
  /** Stands for no command of a client. */
  readonly #effects = new Effects({
    input: Buffer.alloc(0),
    argc: 0,
    argOff: NO_WORDS,
    argLen: NO_WORDS,
    db: 0,
  });
  #lazyExpire = false;
  #lazyEviction = false;

  constructor(changes: ChangeLog, config: ConfigStore) {
    this.#changes = changes;
    this.#effects.wanted = true;
    const follow = (): void => {
      this.#lazyExpire = config.getBool('lazyfree-lazy-expire');
      this.#lazyEviction = config.getBool('lazyfree-lazy-eviction');
    };
    follow();
    config.watch('lazyfree-lazy-expire', follow);
    config.watch('lazyfree-lazy-eviction', follow);
  }

  get wanted(): boolean {
    return this.#changes.wanted;
  }

  keyExpired(rec: RecordView): void {
    this.#keyDeleted(rec, this.#lazyExpire);
  }

  keyEvicted(rec: RecordView): void {
    this.#keyDeleted(rec, this.#lazyEviction);
  }

  fieldExpired(rec: RecordView, field: Buffer, off: number, len: number): void {
    const effects = this.#effects;
    effects.reset();
    effects.begin(3, rec.db);
    effects.text('HDEL');
    effects.bytes(rec.bytes, rec.keyOffset, rec.keyLength);
    effects.bytes(field, off, len);
    this.#changes.told(effects);
  }

  #keyDeleted(rec: RecordView, lazy: boolean): void {
    const effects = this.#effects;
    effects.reset();
    effects.deleted(rec.db, rec.bytes, rec.keyOffset, rec.keyLength, lazy);
    this.#changes.told(effects);
  }
}
