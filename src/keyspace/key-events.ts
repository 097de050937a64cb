// Keyspace notifications as the data see them: what happens to a key is told here at the moment it happens, with the key's
// shard locked, and published by whoever has put himself down as the target (pubsub/key-publisher.ts).
//
// Off, a place where something happens costs one test of `flags`.

/** Publishes events. */
export interface KeyEventTarget {
  /**
   * @param event its name: `set`, `expired`
   * @param key its bytes are [off, off + len)
   */
  keyEvent(event: string, db: number, key: Buffer, off: number, len: number): void;
}

export class KeyEvents {
  /** Classes of events that are wanted, bits of NotifyFlag; 0 while nothing is published. */
  flags = 0;
  target: KeyEventTarget | null = null;

  /**
   * Whether misses are kept until it is clear that the command runs to its end here, and is not handed over to run again:
   * anywhere but on the worker that keeps waiting clients.
   */
  holdsMisses = false;
  /** Keys missed that nobody was told of yet: in `key` [off, off + len), one after the other. */
  #held: { readonly db: number; readonly key: Buffer; readonly off: number; readonly len: number }[] = [];

  /** To be called only for a class that is in `flags`. */
  tell(event: string, db: number, key: Buffer, off: number, len: number): void {
    if (this.#held.length > 0) this.tellMisses();
    this.target!.keyEvent(event, db, key, off, len);
  }

  /** Tells of a key that was looked for and is not there; if NotifyFlag.KeyMiss is in `flags`. */
  miss(db: number, key: Buffer, off: number, len: number): void {
    if (this.holdsMisses) this.#held.push({ db, key, off, len });
    else this.tell('keymiss', db, key, off, len);
  }

  get hasMisses(): boolean {
    return this.#held.length > 0;
  }

  /** Tells of the misses that were kept. */
  tellMisses(): void {
    const held = this.#held;
    this.#held = [];
    for (const { db, key, off, len } of held) this.target!.keyEvent('keymiss', db, key, off, len);
  }

  /** The command is handed over: it will miss them again. */
  dropMisses(): void {
    this.#held = [];
  }
}
