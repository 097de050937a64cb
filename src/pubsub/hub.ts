// The subscribers of one acceptor: who of its clients has subscribed to what, and the delivery of messages to them.
//
// A message is put into RESP once for each version of the protocol, and all clients get the same bytes.
//
//   RESP2   *3 message channel text      *4 pmessage pattern channel text      *3 smessage channel text
//   RESP3   the same as push messages ('>' in place of '*')

import { CHANNEL_KINDS, ChannelKind, type Subscriptions } from '../commands/pubsub-api.ts';
import type { Session } from '../commands/session.ts';
import { globMatch } from '../protocol/glob.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { firstByte, patternMatches } from './pattern-log.ts';

/** A connection, to which messages are written. */
export interface PushTarget {
  /** Writes bytes that are no reply. They are shared with other clients and must not be changed. */
  push(bytes: Buffer): void;
}

class Subscriber implements Subscriptions {
  readonly names = [new Set<string>(), new Set<string>(), new Set<string>()] as const;
  readonly session: Session;
  readonly target: PushTarget;

  constructor(session: Session, target: PushTarget) {
    this.session = session;
    this.target = target;
  }

  get empty(): boolean {
    return this.names.every((names) => names.size === 0);
  }
}

/** Those who have subscribed to one name. */
interface Audience {
  readonly bytes: Buffer;
  /** Of a pattern, see firstByte(). */
  readonly first: number;
  readonly subscribers: Set<Subscriber>;
}

/** A message in both versions of the protocol, each made when the first client needs it. */
class Rendered {
  readonly #make: (writer: ReplyWriter) => void;
  readonly #writer: ReplyWriter;
  #two: Buffer | null = null;
  #three: Buffer | null = null;

  constructor(writer: ReplyWriter, make: (writer: ReplyWriter) => void) {
    this.#writer = writer;
    this.#make = make;
  }

  for(resp: number): Buffer {
    if (resp === 3) this.#three ??= this.#render(3);
    else this.#two ??= this.#render(2);
    return resp === 3 ? this.#three! : this.#two!;
  }

  #render(resp: number): Buffer {
    const writer = this.#writer;
    writer.reset();
    writer.resp = resp;
    this.#make(writer);
    return Buffer.from(writer.bytes.subarray(0, writer.length));
  }
}

export class Hub {
  readonly #audiences = Array.from({ length: CHANNEL_KINDS }, () => new Map<string, Audience>());
  readonly #writer = new ReplyWriter();
  readonly #targetOf: (session: Session) => PushTarget;

  /** @param targetOf the connection of a client of this acceptor */
  constructor(targetOf: (session: Session) => PushTarget) {
    this.#targetOf = targetOf;
  }

  /** @param name latin1; the client must not have subscribed to it yet */
  add(session: Session, kind: ChannelKind, name: string): void {
    const subscriber = this.#subscriber(session);
    const audiences = this.#audiences[kind]!;
    let audience = audiences.get(name);
    if (audience === undefined) {
      const bytes = Buffer.from(name, 'latin1');
      audience = { bytes, first: firstByte(bytes), subscribers: new Set() };
      audiences.set(name, audience);
    }
    audience.subscribers.add(subscriber);
    subscriber.names[kind].add(name);
  }

  /** The client must have subscribed to it. */
  remove(session: Session, kind: ChannelKind, name: string): void {
    const subscriber = session.subscriptions as Subscriber;
    const audience = this.#audiences[kind]!.get(name)!;
    audience.subscribers.delete(subscriber);
    if (audience.subscribers.size === 0) this.#audiences[kind]!.delete(name);
    subscriber.names[kind].delete(name);
    if (subscriber.empty) session.subscriptions = null;
  }

  /** Names somebody here has subscribed to. @param pattern glob, latin1; null: all */
  names(kind: ChannelKind, pattern: string | null): string[] {
    const names = [...this.#audiences[kind]!.keys()];
    if (pattern === null) return names;
    const glob = Buffer.from(pattern, 'latin1');
    return names.filter((name) => {
      const { bytes } = this.#audiences[kind]!.get(name)!;
      return globMatch(glob, 0, glob.length, bytes, 0, bytes.length, false);
    });
  }

  /** Delivers a message to all subscribers here. @param source holds the name of the channel */
  deliver(
    kind: ChannelKind,
    source: Buffer,
    channelOff: number,
    channelLen: number,
    message: Buffer,
    messageOff: number,
    messageLen: number,
  ): void {
    const name = source.toString('latin1', channelOff, channelOff + channelLen);
    const audience = this.#audiences[kind]!.get(name);
    if (audience !== undefined) {
      const type = kind === ChannelKind.ShardChannel ? 'smessage' : 'message';
      this.#send(audience, (writer) => {
        writer.pushHeader(3);
        writer.bulkString(type);
        writer.bulkBytes(source, channelOff, channelLen);
        writer.bulkBytes(message, messageOff, messageLen);
      });
    }
    if (kind !== ChannelKind.Channel) return;
    for (const pattern of this.#audiences[ChannelKind.Pattern]!.values()) {
      if (!patternMatches(pattern, source, channelOff, channelLen)) continue;
      const { bytes } = pattern;
      this.#send(pattern, (writer) => {
        writer.pushHeader(4);
        writer.bulkString('pmessage');
        writer.bulkBytes(bytes, 0, bytes.length);
        writer.bulkBytes(source, channelOff, channelLen);
        writer.bulkBytes(message, messageOff, messageLen);
      });
    }
  }

  /** A client that is too slow may be closed by what it is sent, which takes it out of the audience: a Set allows that. */
  #send(audience: Audience, make: (writer: ReplyWriter) => void): void {
    const rendered = new Rendered(this.#writer, make);
    for (const { session, target } of audience.subscribers) target.push(rendered.for(session.resp));
  }

  #subscriber(session: Session): Subscriber {
    if (session.subscriptions === null) {
      session.subscriptions = new Subscriber(session, this.#targetOf(session));
      session.subscribed = true;
    }
    return session.subscriptions as Subscriber;
  }
}
