// When values change their encoding, as the configuration says: for a thread's readers of values, kept up to date.

import type { ConfigStore } from '../config/store.ts';
import { HashLimits } from '../keyspace/hash-view.ts';
import { ListLimits } from '../keyspace/list-view.ts';
import { SetLimits } from '../keyspace/set-view.ts';
import { ZSetLimits } from '../keyspace/zset-view.ts';

export class EncodingLimits {
  readonly list = new ListLimits();
  readonly set = new SetLimits();
  readonly zset = new ZSetLimits();
  readonly hash = new HashLimits();

  /** @param config whose changes are followed */
  constructor(config: ConfigStore) {
    this.list.follow(config);
    this.set.follow(config);
    this.zset.follow(config);
    this.hash.follow(config);
  }
}
