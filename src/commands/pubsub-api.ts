// What commands need of publish and subscribe: declared here, implemented in the room `pubsub`, so that lower rooms import
// no higher ones.

import type { Session } from './session.ts';

/** Three name spaces that know nothing of each other. */
export const ChannelKind = {
  Channel: 0,
  Pattern: 1,
  /** SSUBSCRIBE, SPUBLISH. */
  ShardChannel: 2,
} as const;
export type ChannelKind = (typeof ChannelKind)[keyof typeof ChannelKind];

/** How many kinds there are. */
export const CHANNEL_KINDS = 3;

/** What one client has subscribed to, by kind; names are latin1, in the order in which they were subscribed to. */
export interface Subscriptions {
  readonly names: readonly [ReadonlySet<string>, ReadonlySet<string>, ReadonlySet<string>];
}

export interface PubSub {
  /**
   * Sends a message to everybody who has subscribed to the channel `source` [channelOff, channelOff + channelLen), or to a
   * pattern that it matches. Any thread may; the messages that a thread sends arrive in its order.
   * @param kind Channel or ShardChannel
   * @param message its bytes are [messageOff, messageOff + messageLen)
   * @returns how often it was sent: a client counts once for the channel and once for each pattern
   */
  publish(
    kind: ChannelKind,
    source: Buffer,
    channelOff: number,
    channelLen: number,
    message: Buffer,
    messageOff: number,
    messageLen: number,
  ): number;
  /** Whether anybody could get what is published: false makes publish() needless. */
  readonly heard: boolean;
  /** How many clients have subscribed to just this name. */
  receivers(kind: ChannelKind, name: Buffer, off: number, len: number): number;
  /** How many different names somebody has subscribed to. */
  distinct(kind: ChannelKind): number;
  /** How many clients have subscribed to anything. */
  readonly clients: number;
  /** Wakes those who were sent something since the last call. */
  wake(): void;

  // On acceptors only.

  /**
   * @param name latin1
   * @returns false if there is no room for one more name
   */
  subscribe(session: Session, kind: ChannelKind, name: string): boolean;
  unsubscribe(session: Session, kind: ChannelKind, name: string): void;
  /** Ends all subscriptions of a client, without telling it. */
  forget(session: Session): void;
  /** Names of this acceptor's clients. @param pattern glob, latin1; null: all */
  names(kind: ChannelKind, pattern: string | null): string[];
}

/** Where nobody can subscribe: commands run without a server. */
export class NoPubSub implements PubSub {
  readonly heard = false;
  readonly clients = 0;
  publish(): number {
    return 0;
  }
  receivers(): number {
    return 0;
  }
  distinct(): number {
    return 0;
  }
  wake(): void {}
  subscribe(): boolean {
    return false;
  }
  unsubscribe(): void {}
  forget(): void {}
  names(): string[] {
    return [];
  }
}
