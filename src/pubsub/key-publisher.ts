// Publishes what happens to keys, as `notify-keyspace-events` says:
//
//   K   __keyspace@<db>__:<key>     the event's name
//   E   __keyevent@<db>__:<event>   the key

import { ChannelKind, type PubSub } from '../commands/pubsub-api.ts';
import { NotifyFlag } from '../config/multi-values.ts';
import type { ConfigStore } from '../config/store.ts';
import type { KeyEvents, KeyEventTarget } from '../keyspace/key-events.ts';

/** A scratch buffer larger than this is let go after use. */
const KEEP_BYTES = 64 * 1024;

/** What is made once for an event in a database. */
interface EventChannel {
  readonly event: Buffer;
  /** `__keyevent@<db>__:<event>` */
  readonly channel: Buffer;
}

export class KeyPublisher implements KeyEventTarget {
  readonly #pubsub: PubSub;
  /** By database. */
  readonly #channels: Map<string, EventChannel>[] = [];
  readonly #prefixes: Buffer[] = [];
  #scratch = Buffer.alloc(256);
  #toKeyspace = false;
  #toKeyevent = false;

  /** Publishes the events of a thread's keyspace from now on. */
  constructor(pubsub: PubSub, events: KeyEvents, config: ConfigStore) {
    this.#pubsub = pubsub;
    events.target = this;
    const follow = (): void => {
      const flags = config.getMulti('notify-keyspace-events');
      this.#toKeyspace = (flags & NotifyFlag.Keyspace) !== 0;
      this.#toKeyevent = (flags & NotifyFlag.Keyevent) !== 0;
      events.flags = this.#toKeyspace || this.#toKeyevent ? flags : 0;
    };
    follow();
    config.watch('notify-keyspace-events', follow);
  }

  keyEvent(event: string, db: number, key: Buffer, off: number, len: number): void {
    const pubsub = this.#pubsub;
    if (!pubsub.heard) return;
    const names = this.#channel(event, db);
    if (this.#toKeyspace) {
      const prefix = this.#prefixes[db]!;
      const channel = this.#room(prefix.length + len);
      prefix.copy(channel, 0);
      key.copy(channel, prefix.length, off, off + len);
      pubsub.publish(
        ChannelKind.Channel,
        channel,
        0,
        prefix.length + len,
        names.event,
        0,
        names.event.length,
      );
    }
    if (this.#toKeyevent)
      pubsub.publish(ChannelKind.Channel, names.channel, 0, names.channel.length, key, off, len);
  }

  #channel(event: string, db: number): EventChannel {
    this.#prefixes[db] ??= Buffer.from(`__keyspace@${db}__:`);
    this.#channels[db] ??= new Map();
    let names = this.#channels[db].get(event);
    if (names === undefined) {
      names = { event: Buffer.from(event), channel: Buffer.from(`__keyevent@${db}__:${event}`) };
      this.#channels[db].set(event, names);
    }
    return names;
  }

  #room(bytes: number): Buffer {
    if (bytes > KEEP_BYTES) return Buffer.allocUnsafe(bytes);
    if (bytes > this.#scratch.length) this.#scratch = Buffer.alloc(KEEP_BYTES);
    return this.#scratch;
  }
}
