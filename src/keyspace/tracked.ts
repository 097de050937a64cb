// Client-side caching as the data see it: a key that changes or goes is told here, by its name, with the lock of its shard held,
// so that clients that have read it learn of it (src/tracking). Nothing is told while GlobalWord.Noticing is 0.
//
// Names are told without their database: clients of one key in one database hear of it in another, too, as in Redis.

/** Learns which keys change: implemented by tracking/tracker.ts. */
export interface KeyTracker {
  /**
   * A key has changed or is gone; its bytes are [off, off + len).
   * @param client id of the client that did it, 0 if the key went by itself
   */
  changed(key: Buffer, off: number, len: number, client: number): void;
  /** Databases were emptied or exchanged; the locks of all shards are still held. @param client as above */
  flushed(client: number): void;
}
