// Client-side caching as one thread sees it: implements Tracking for commands and KeyTracker for the data.
//
//   a client's command reads a key ─▶ directory, under the shard's lock ─▶ its acceptor: ReadKeys, at once or by the post
//   any thread changes the key ─▶ directory, under the shard's lock: which acceptors ─▶ post ─▶ their hubs ─▶ clients
//   any thread changes any key ─▶ prefixes of BCAST: which acceptors ─▶ post ─▶ their hubs, told at the end of their turn
//
// Why nothing is lost: who reads and who writes a key hold the lock of its shard, one after the other. The reader puts the key
// into the directory, so that whoever writes it later finds it there. Remember and Changed go the same way, the post, whose
// tickets are taken under the lock: the acceptor gets them in the order in which the data saw them. An acceptor that
// runs the command itself needs no message: Changed of later writers comes afterwards; one of an earlier writer that comes
// afterwards, too, tells a client to forget what is still true, which harms nothing.
//
// A key has one entry in the directory for each client that has read it, on whichever acceptor; and what is there
// stands in ReadKeys of that acceptor, or is on its way to it. So the two agree once the post is empty.
//
// Owner rule: ReadKeys and the hub belong to their acceptor's thread. The directory has locks of its own, taken last.
//
// GlobalWord.Noticing is not 0 as long as there is a client that tracks or a name in some ReadKeys: writers look at nothing else
// while it is 0.

import type { CommandContext } from '../commands/context.ts';
import type { Session } from '../commands/session.ts';
import { CommandFlag } from '../commands/table.ts';
import { Track, type Tracking } from '../commands/tracking-api.ts';
import type { ConfigStore } from '../config/store.ts';
import type { KeyTracker } from '../keyspace/tracked.ts';
import { GlobalWord } from '../memory/layout.ts';
import { allocateDirectory, Directory } from '../pubsub/directory.ts';
import type { Exchange, ExchangePlace } from '../pubsub/exchange.ts';
import { allocatePatternLog, PatternLog, PatternSet } from '../pubsub/pattern-log.ts';
import { TrackingHub, type TrackingTarget } from './hub.ts';
import { Concerns, encodeChanged, encodeFlushed, encodeRemember } from './messages.ts';
import { KEY_KIND } from './read-keys.ts';

/** What all threads share. */
export interface TrackingBuffers {
  readonly directory: SharedArrayBuffer;
  /** Prefixes of BCAST, by acceptor. */
  readonly prefixes: readonly SharedArrayBuffer[];
}

export function allocateTracking(acceptors: number): TrackingBuffers {
  return {
    directory: allocateDirectory(),
    prefixes: Array.from({ length: acceptors }, allocatePatternLog),
  };
}

/** Put into CommandContext.pushed, see there. */
const NOTHING = Buffer.alloc(0);
const NO_CLIENT = 0;

export class Tracker implements KeyTracker, Tracking {
  /** Whose commands are being run; null while it is nobody's. */
  session: Session | null = null;
  readonly #control: Int32Array;
  readonly #exchange: Exchange;
  readonly #directory: Directory;
  readonly #prefixes: PatternSet;
  /** Number of this thread among the acceptors, -1 if it is none. */
  readonly #self: number;
  readonly #thread: number;
  readonly #buffers: TrackingBuffers;
  /** By acceptor, of the key in hand: clients that have read it; clients with a prefix of it. */
  readonly #readers: Int32Array;
  readonly #prefixed: Int32Array;
  #hub: TrackingHub | null = null;
  #log: PatternLog | null = null;
  /** What the running command has changed may concern its own client: its acceptor has been told. */
  #toldOwn = false;

  constructor(buffers: TrackingBuffers, exchange: Exchange, place: ExchangePlace) {
    const { control, thread, acceptorThreads } = place;
    this.#control = control;
    this.#exchange = exchange;
    this.#buffers = buffers;
    this.#thread = thread;
    this.#directory = new Directory(buffers.directory, thread);
    this.#prefixes = new PatternSet(buffers.prefixes, thread);
    this.#self = acceptorThreads.indexOf(thread);
    this.#readers = new Int32Array(acceptorThreads.length);
    this.#prefixed = new Int32Array(acceptorThreads.length);
  }

  /** Makes this an acceptor's. @param targetOf the connection of one of its clients, undefined if there is no such client */
  serve(config: ConfigStore, targetOf: (id: number) => TrackingTarget | undefined): void {
    const hub = new TrackingHub({
      control: this.#control,
      acceptor: this.#self,
      directory: this.#directory,
      mail: (acceptor, message) => this.#exchange.mail(acceptor, message),
      evict: (key) => this.#evict(key),
      running: () => this.session?.id ?? NO_CLIENT,
      targetOf,
    });
    this.#hub = hub;
    this.#log = new PatternLog(this.#buffers.prefixes[this.#self]!, this.#thread);
    this.#exchange.otherwise = (message) => hub.receive(message);
    this.#exchange.afterMail = () => hub.settle();
    const follow = (): void => {
      hub.limit = config.getInt('tracking-table-max-keys');
    };
    follow();
    config.watch('tracking-table-max-keys', follow);
  }

  get keys(): number {
    return this.#directory.distinct(KEY_KIND);
  }
  get items(): number {
    return this.#directory.total(KEY_KIND);
  }
  get prefixes(): number {
    this.#prefixes.catchUp();
    return this.#prefixes.size;
  }

  /** Says whose commands run from here on, null for nobody's. */
  runsFor(session: Session | null): void {
    // A command that was handed over may have met keys whose time had come.
    if (session === null && this.session !== null) this.#hub?.tellOwn(this.session);
    this.session = session;
  }

  // ---- the data change ----

  changed(key: Buffer, off: number, len: number, client: number): void {
    const { session } = this;
    const readers = this.#readers;
    const prefixed = this.#prefixed;
    const read = this.#findReaders(key, off, len);
    if (!this.#findPrefixes(key, off, len) && !read) return;
    const current = session === null ? NO_CLIENT : session.id;
    for (let acceptor = 0; acceptor < readers.length; acceptor++) {
      const concerns =
        (readers[acceptor]! > 0 ? Concerns.Readers : 0) | (prefixed[acceptor]! > 0 ? Concerns.Prefixes : 0);
      if (concerns === 0) continue;
      this.#exchange.mail(acceptor, encodeChanged(concerns, client, current, key, off, len));
      if (session !== null && acceptor === session.home && readers[acceptor]! > 0) this.#toldOwn = true;
    }
  }

  flushed(): void {
    if (this.#control[GlobalWord.Noticing] === 0) return;
    if (this.#control[GlobalWord.TrackingClients] === 0 && this.items === 0) return;
    for (let acceptor = 0; acceptor < this.#readers.length; acceptor++) {
      this.#exchange.mail(acceptor, encodeFlushed());
      if (this.session?.home === acceptor) this.#toldOwn = true;
    }
  }

  #findReaders(key: Buffer, off: number, len: number): boolean {
    this.#readers.fill(0);
    if (this.items === 0) return false;
    return this.#directory.count(KEY_KIND, key, off, len, this.#readers) > 0;
  }

  #findPrefixes(key: Buffer, off: number, len: number): boolean {
    const prefixed = this.#prefixed;
    this.#prefixes.catchUp();
    if (this.#prefixes.size === 0 && !this.#anyPrefixed) return false;
    prefixed.fill(0);
    this.#anyPrefixed = false;
    for (const { bytes, counts } of this.#prefixes.patterns) {
      if (bytes.length > len || bytes.compare(key, off, off + bytes.length) !== 0) continue;
      this.#anyPrefixed = true;
      for (let acceptor = 0; acceptor < prefixed.length; acceptor++) prefixed[acceptor]! += counts[acceptor]!;
    }
    return this.#anyPrefixed;
  }
  /** Whether `#prefixed` has anything but zeros. */
  #anyPrefixed = false;

  /** @param key latin1 */
  #evict(key: string): void {
    const bytes = Buffer.from(key, 'latin1');
    if (!this.#findReaders(bytes, 0, bytes.length)) return;
    const readers = this.#readers;
    const concerned = [...readers.keys()].filter((acceptor) => readers[acceptor]! > 0);
    for (const acceptor of concerned) {
      const message = encodeChanged(Concerns.Readers, NO_CLIENT, NO_CLIENT, bytes, 0, bytes.length);
      this.#exchange.mail(acceptor, message);
    }
    this.#exchange.wake();
  }

  // ---- clients read ----

  /**
   * After a command of a client that tracks, with its locks still held: remembers what it has read.
   * @param keyArgs the first `keyCount` are the arguments that are keys
   * @returns whether it runs on another thread than the client's acceptor, which has been told of something that it has to
   *   put behind the reply
   */
  ranCommand(cx: CommandContext, keyArgs: Int32Array, keyCount: number): boolean {
    const { session } = cx;
    this.#remember(cx, keyArgs, keyCount, false);
    this.#hub?.tellOwn(session);
    endCaching(cx);
    const told = this.#toldOwn && this.#hub === null && session.transaction === null;
    this.#toldOwn = false;
    if (told) cx.pushed.push(NOTHING);
    return told;
  }

  /** As ranCommand, for one of a transaction. */
  ranQueued(cx: CommandContext, keyArgs: Int32Array, keyCount: number): void {
    this.#remember(cx, keyArgs, keyCount, false);
  }

  /** As ranCommand, for one that has waited and is about to be answered. @returns whether TrackingTarget.replyIsDue is called */
  ranWaiting(cx: CommandContext, keyArgs: Int32Array): boolean {
    return this.#remember(cx, keyArgs, keyArgs.length, true);
  }

  #remember(cx: CommandContext, keyArgs: Int32Array, keyCount: number, waited: boolean): boolean {
    const { session } = cx;
    const { tracking } = session;
    if ((tracking & Track.On) === 0 || (cx.command.flags & CommandFlag.Readonly) === 0) return false;
    const caching = (tracking & Track.Caching) !== 0;
    const skips =
      keyCount === 0 ||
      (tracking & Track.Broadcast) !== 0 ||
      ((tracking & Track.OptIn) !== 0 && !caching) ||
      ((tracking & Track.OptOut) !== 0 && caching);
    const keys: Buffer[] = [];
    if (!skips) {
      for (let i = 0; i < keyCount; i++) {
        const off = cx.argOff[keyArgs[i]!]!;
        keys.push(cx.input.subarray(off, off + cx.argLen[keyArgs[i]!]!));
      }
    }
    if (this.#hub !== null) {
      for (const key of keys) this.#hub.remember(session.id, key.toString('latin1'), false);
      return false;
    }
    if (keys.length === 0 && !waited) return false;
    const added = keys.map((key) => this.#directory.add(KEY_KIND, key, session.home));
    this.#exchange.mail(session.home, encodeRemember(session.id, waited, keys, added));
    return waited;
  }

  // ---- for commands, on acceptors ----

  enable(
    session: Session,
    options: number,
    redirect: number,
    home: number,
    prefixes: readonly string[],
  ): boolean {
    const hub = this.#hub!;
    const added: string[] = [];
    const known = session.prefixes ?? [];
    const wanted = (options & Track.Broadcast) === 0 ? [] : prefixes.length === 0 ? [''] : prefixes;
    for (const prefix of wanted) {
      if (known.includes(prefix) || added.includes(prefix)) continue;
      if (this.#log!.add(prefix)) {
        added.push(prefix);
        continue;
      }
      for (const each of added) this.#log!.remove(each);
      return false;
    }
    hub.begin(session);
    session.tracking = Track.On | options | (session.tracking & Track.Caching);
    session.hasTracked = true;
    session.redirect = redirect;
    session.redirectHome = home;
    if (wanted.length === 0) return true;
    for (const prefix of added) hub.addPrefix(session, prefix);
    session.prefixes = [...known, ...added].sort();
    return true;
  }

  disable(session: Session): void {
    if (session.tracking === 0) return;
    // What a transaction has changed before it says this.
    if (this.session === session) this.#hub!.tellOwn(session);
    for (const prefix of session.prefixes ?? []) {
      this.#hub!.removePrefix(session, prefix);
      this.#log!.remove(prefix);
    }
    session.prefixes = null;
    session.tracking = 0;
    session.redirect = 0;
    session.redirectHome = -1;
    this.#hub!.end(session);
  }

  /** A client is gone. */
  forget(session: Session): void {
    this.disable(session);
    if (session.hasTracked) this.#hub!.forget(session);
  }

  homeOf(id: number): number {
    return this.#hub!.has(id) ? this.#self : -1;
  }

  tellAll(session: Session): void {
    this.#hub!.tellAll(session);
  }
}

/** CLIENT CACHING is for one command or transaction, other CLIENT commands apart. */
export function endCaching(cx: CommandContext): void {
  const { session } = cx;
  if ((session.tracking & Track.Caching) === 0 || session.transaction !== null) return;
  if (!cx.command.name.startsWith('client|')) session.tracking &= ~Track.Caching;
}
