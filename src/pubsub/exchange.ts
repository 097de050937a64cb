// Publish and subscribe as one thread sees it: implements PubSub for handlers.
//
//   PUBLISH on any thread ─▶ directory, patterns: which acceptors, how many ─┬─▶ post ─▶ other acceptors' hubs
//                                                                            └─▶ own hub, if it is an acceptor
//
// Subscriptions are made on the client's acceptor: in its hub, and in the directory that all threads see, before the client
// hears of it.
//
//   message of the post, from MESSAGE_AT   kind (8 bits) | length of the channel (32 bits, little endian) | channel | text

import { CHANNEL_KINDS, ChannelKind, type PubSub } from '../commands/pubsub-api.ts';
import type { Session } from '../commands/session.ts';
import { allocateDirectory, Directory } from './directory.ts';
import { Hub, type PushTarget } from './hub.ts';
import { allocatePatternLog, PatternLog, PatternSet, patternMatches } from './pattern-log.ts';
import {
  allocatePost,
  MESSAGE_AT,
  messageBuffer,
  type PostBuffers,
  PostReceiver,
  PostSender,
} from './post.ts';

/** What all threads share. */
export interface ExchangeBuffers {
  readonly directory: SharedArrayBuffer;
  /** By acceptor. */
  readonly patterns: readonly SharedArrayBuffer[];
  readonly post: PostBuffers;
}

export function allocateExchange(acceptors: number, shardWorkers: number): ExchangeBuffers {
  return {
    directory: allocateDirectory(),
    patterns: Array.from({ length: acceptors }, allocatePatternLog),
    post: allocatePost(acceptors, shardWorkers),
  };
}

/** Which thread this is. */
export interface ExchangePlace {
  /** Of the shared memory, where the doorbells are. */
  readonly control: Int32Array;
  /** Id of this thread. */
  readonly thread: number;
  /** Thread ids by number. */
  readonly acceptorThreads: readonly number[];
  readonly workerThreads: readonly number[];
}

const CHANNEL_AT = MESSAGE_AT + 5;

export class Exchange implements PubSub {
  readonly post: PostSender;
  readonly #directory: Directory;
  readonly #patterns: PatternSet;
  /** Subscribers by acceptor, of the message in hand. */
  readonly #counts: Int32Array;
  /** Number of this thread among the acceptors, -1 if it is none. */
  readonly #self: number;
  readonly #place: ExchangePlace;
  readonly #buffers: ExchangeBuffers;
  #hub: Hub | null = null;
  #log: PatternLog | null = null;
  #receiver: PostReceiver | null = null;
  /** Called when some mail was received. */
  afterMail: (() => void) | null = null;
  /** Takes messages that are no published ones: their first byte is not a ChannelKind. */
  otherwise: ((message: Buffer) => void) | null = null;

  constructor(buffers: ExchangeBuffers, place: ExchangePlace) {
    const { control, thread, acceptorThreads, workerThreads } = place;
    this.#buffers = buffers;
    this.#place = place;
    this.#directory = new Directory(buffers.directory, thread);
    this.#patterns = new PatternSet(buffers.patterns, thread);
    this.#counts = new Int32Array(acceptorThreads.length);
    this.#self = acceptorThreads.indexOf(thread);
    const sender = [...acceptorThreads, ...workerThreads].indexOf(thread);
    this.post = new PostSender(buffers.post, control, sender, acceptorThreads);
  }

  /** Makes this an acceptor's: it has subscribers. @param targetOf the connection of one of its clients */
  serve(targetOf: (session: Session) => PushTarget): void {
    const { control, thread, acceptorThreads, workerThreads } = this.#place;
    const hub = new Hub(targetOf);
    this.#hub = hub;
    this.#log = new PatternLog(this.#buffers.patterns[this.#self]!, thread);
    this.#receiver = new PostReceiver(
      this.#buffers.post,
      control,
      this.#self,
      [...acceptorThreads, ...workerThreads],
      (message) => this.#deliver(hub, message),
    );
  }

  /**
   * Hands over to subscribers what other threads have published. On acceptors, whenever they are woken and before they run
   * commands: who has heard that a message is published may count on its being delivered before the next reply.
   */
  receive(): void {
    const receiver = this.#receiver!;
    if (!receiver.hasMail) return;
    receiver.receive();
    this.afterMail?.();
  }

  get heard(): boolean {
    return this.#directory.total(ChannelKind.Channel) + this.#directory.total(ChannelKind.Pattern) > 0;
  }

  get clients(): number {
    return this.#directory.clients;
  }

  publish(
    kind: ChannelKind,
    source: Buffer,
    channelOff: number,
    channelLen: number,
    message: Buffer,
    messageOff: number,
    messageLen: number,
  ): number {
    const counts = this.#counts;
    const receivers = this.#findReceivers(kind, source, channelOff, channelLen);
    if (receivers === 0) return 0;
    for (let acceptor = 0; acceptor < counts.length; acceptor++) {
      if (counts[acceptor] === 0) continue;
      if (acceptor !== this.#self) {
        this.post.send(
          acceptor,
          encode(kind, source, channelOff, channelLen, message, messageOff, messageLen),
        );
        continue;
      }
      const ticket = this.post.ticket(acceptor);
      const receiver = this.#receiver!;
      if (receiver.isNext(ticket))
        this.#hub!.deliver(kind, source, channelOff, channelLen, message, messageOff, messageLen);
      else
        receiver.hold(ticket, encode(kind, source, channelOff, channelLen, message, messageOff, messageLen));
    }
    return receivers;
  }

  /**
   * Sends a message that is no published one to an acceptor, in the same order; to this one, too.
   * @param message from messageBuffer()
   */
  mail(acceptor: number, message: Buffer): void {
    if (acceptor !== this.#self) {
      this.post.send(acceptor, message);
      return;
    }
    const ticket = this.post.ticket(acceptor);
    const receiver = this.#receiver!;
    if (receiver.isNext(ticket)) this.otherwise!(message);
    else receiver.hold(ticket, message);
  }

  #deliver(hub: Hub, message: Buffer): void {
    if (message[MESSAGE_AT]! < CHANNEL_KINDS) deliver(hub, message);
    else this.otherwise!(message);
  }

  receivers(kind: ChannelKind, name: Buffer, off: number, len: number): number {
    return this.#directory.count(kind, name, off, len, this.#counts);
  }

  distinct(kind: ChannelKind): number {
    return this.#directory.distinct(kind);
  }

  wake(): void {
    this.post.wake();
  }

  subscribe(session: Session, kind: ChannelKind, name: string): boolean {
    if (session.subscriptions?.names[kind].has(name)) return true;
    if (kind === ChannelKind.Pattern && !this.#log!.add(name)) return false;
    if (!this.#directory.add(kind, Buffer.from(name, 'latin1'), this.#self)) {
      if (kind === ChannelKind.Pattern) this.#log!.remove(name);
      return false;
    }
    if (session.subscriptions === null) this.#directory.countClients(1);
    this.#hub!.add(session, kind, name);
    return true;
  }

  unsubscribe(session: Session, kind: ChannelKind, name: string): void {
    if (!session.subscriptions?.names[kind].has(name)) return;
    this.#hub!.remove(session, kind, name);
    this.#directory.remove(kind, Buffer.from(name, 'latin1'), this.#self);
    if (kind === ChannelKind.Pattern) this.#log!.remove(name);
    if (session.subscriptions !== null) return;
    session.subscribed = false;
    this.#directory.countClients(-1);
  }

  forget(session: Session): void {
    for (let kind = 0; kind < CHANNEL_KINDS; kind++) {
      const names = session.subscriptions?.names[kind as ChannelKind] ?? [];
      for (const name of names) this.unsubscribe(session, kind as ChannelKind, name);
    }
  }

  names(kind: ChannelKind, pattern: string | null): string[] {
    return this.#hub!.names(kind, pattern);
  }

  /** Counts the receivers of a message, by acceptor, in #counts. @returns how many there are */
  #findReceivers(kind: ChannelKind, source: Buffer, off: number, len: number): number {
    const counts = this.#counts;
    const directory = this.#directory;
    counts.fill(0);
    let receivers = 0;
    if (directory.total(kind) > 0) receivers += directory.count(kind, source, off, len, counts);
    if (kind !== ChannelKind.Channel || directory.total(ChannelKind.Pattern) === 0) return receivers;
    this.#patterns.catchUp();
    for (const pattern of this.#patterns.patterns) {
      if (!patternMatches(pattern, source, off, len)) continue;
      receivers += pattern.subscribers;
      for (let acceptor = 0; acceptor < counts.length; acceptor++)
        counts[acceptor]! += pattern.counts[acceptor]!;
    }
    return receivers;
  }
}

function encode(
  kind: ChannelKind,
  source: Buffer,
  channelOff: number,
  channelLen: number,
  message: Buffer,
  messageOff: number,
  messageLen: number,
): Buffer {
  const bytes = messageBuffer(5 + channelLen + messageLen);
  bytes[MESSAGE_AT] = kind;
  bytes.writeInt32LE(channelLen, MESSAGE_AT + 1);
  source.copy(bytes, CHANNEL_AT, channelOff, channelOff + channelLen);
  message.copy(bytes, CHANNEL_AT + channelLen, messageOff, messageOff + messageLen);
  return bytes;
}

function deliver(hub: Hub, bytes: Buffer): void {
  const channelLen = bytes.readInt32LE(MESSAGE_AT + 1);
  const textAt = CHANNEL_AT + channelLen;
  const kind = bytes[MESSAGE_AT] as ChannelKind;
  hub.deliver(kind, bytes, CHANNEL_AT, channelLen, bytes, textAt, bytes.length - textAt);
}
