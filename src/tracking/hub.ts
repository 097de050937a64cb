// Client-side caching on one acceptor: who of its clients tracks what, and the messages to them.
//
// A message must not overtake the reply with the value that it is about: a connection that waits for an answer of another
// thread keeps it until then (TrackingTarget.pushInvalidation).

import type { Session } from '../commands/session.ts';
import { Track } from '../commands/tracking-api.ts';
import { GlobalWord } from '../memory/layout.ts';
import type { Directory } from '../pubsub/directory.ts';
import { MESSAGE_AT } from '../pubsub/post.ts';
import { Broadcast } from './broadcast.ts';
import { Invalidation, render } from './invalidation.ts';
import {
  broken,
  Concerns,
  changed,
  encodeBroken,
  encodePush,
  MailKind,
  pushed,
  remembered,
} from './messages.ts';
import { KEY_KIND, READ_KEYS_MAX, ReadKeys } from './read-keys.ts';

/** How many names are let go at once when there are too many. */
const EVICT_STEP = 1000;

/** The connection of a client. */
export interface TrackingTarget {
  readonly session: Session;
  /** Whether nothing can be sent to it any more. */
  readonly gone: boolean;
  /** Writes bytes that are no reply, behind the replies that are under way. They are shared and must not be changed. */
  pushInvalidation(bytes: Buffer): void;
  /** The client has waited, and its reply is on the way here: later invalidations come behind it. */
  replyIsDue(): void;
}

/** What the hub needs of its acceptor. */
export interface HubPlace {
  readonly control: Int32Array;
  /** Number of the acceptor. */
  readonly acceptor: number;
  readonly directory: Directory;
  /** Sends to an acceptor, this one too. */
  mail(acceptor: number, message: Buffer): void;
  /** Tells that a key is not remembered any more, wherever it was. @param key latin1 */
  evict(key: string): void;
  /** Id of the client whose command runs here, 0 for none. */
  running(): number;
  /** The connection of a client of this acceptor, undefined if it is not there. */
  targetOf(id: number): TrackingTarget | undefined;
}

export class TrackingHub {
  readonly #place: HubPlace;
  readonly #read: ReadKeys;
  readonly #broadcast: Broadcast;
  /** Clients that track, by id. */
  readonly #clients = new Map<number, TrackingTarget>();
  /** tracking-table-max-keys; 0: no limit. */
  #limit = 0;
  #noticing = false;
  /** For the client whose command runs. */
  #own: Invalidation[] = [];
  #evicting = false;
  /** Names added since names were last let go. */
  #added = 0;
  readonly #evictLater = (): void => this.#evict();

  constructor(place: HubPlace) {
    this.#place = place;
    this.#read = new ReadKeys(place.directory, place.acceptor, () => this.#notice());
    this.#broadcast = new Broadcast(
      (target, what) => this.#tell(target, what),
      (target) => (target.session.tracking & Track.NoLoop) !== 0,
    );
  }

  set limit(keys: number) {
    this.#limit = keys;
    this.#checkSize();
  }

  has(id: number): boolean {
    return this.#place.targetOf(id)?.gone === false;
  }

  begin(session: Session): void {
    if (this.#clients.has(session.id)) return;
    this.#clients.set(session.id, this.#place.targetOf(session.id)!);
    Atomics.add(this.#place.control, GlobalWord.TrackingClients, 1);
    this.#notice();
  }

  end(session: Session): void {
    if (!this.#clients.delete(session.id)) return;
    Atomics.sub(this.#place.control, GlobalWord.TrackingClients, 1);
    this.#notice();
  }

  /** The client must track. @param prefix latin1 */
  addPrefix(session: Session, prefix: string): void {
    this.#broadcast.add(prefix, this.#clients.get(session.id)!);
  }

  removePrefix(session: Session, prefix: string): void {
    this.#broadcast.remove(prefix, this.#clients.get(session.id)!);
  }

  /** A client is gone. */
  forget(session: Session): void {
    this.#read.forget(session.id);
  }

  /** A client has read a key. @param key latin1 @param added whether it is in the directory already */
  remember(client: number, key: string, added: boolean): void {
    if (this.#read.add(key, client, added)) {
      this.#added++;
      this.#checkSize();
      return;
    }
    // There is no room at all: it is told at once.
    const target = this.#place.targetOf(client);
    if (target !== undefined) this.#tell(target, invalidationOf(key));
    this.#checkSize();
  }

  /** A command of a client has run to its end here: tells the client what it has changed itself, as Redis does then. */
  tellOwn(session: Session): void {
    const own = this.#own;
    if (own.length === 0) return;
    this.#own = [];
    const target = this.#clients.get(session.id);
    if (target !== undefined) for (const what of own) this.#tell(target, what);
  }

  /** Takes a message of the post. */
  receive(message: Buffer): void {
    switch (message[MESSAGE_AT]) {
      case MailKind.Changed:
        this.#changed(message);
        break;
      case MailKind.Remember:
        this.#remembered(message);
        break;
      case MailKind.Flushed:
        this.#flushed();
        break;
      case MailKind.Push:
        this.#redirected(message);
        break;
      case MailKind.Broken:
        this.#brokenFor(broken.client(message));
        break;
      default:
        throw new Error(`a message of unknown kind ${message[MESSAGE_AT]}`);
    }
  }

  /** Tells at once what was to be told at the end of the turn: what other threads did in turns of theirs. */
  settle(): void {
    this.#broadcast.settle();
  }

  /** Tells a client to forget everything. */
  tellAll(session: Session): void {
    const target = this.#clients.get(session.id);
    if (target !== undefined) this.#tell(target, new Invalidation(null));
  }

  #changed(message: Buffer): void {
    const key = changed.key(message);
    const concerns = changed.concerns(message);
    if ((concerns & Concerns.Prefixes) !== 0) this.#broadcast.changed(key, changed.writer(message));
    if ((concerns & Concerns.Readers) === 0) return;
    const readers = this.#read.take(key);
    if (readers === undefined) return;
    const what = invalidationOf(key);
    const current = changed.current(message);
    if (typeof readers === 'number') this.#tellReader(readers, what, current);
    else for (const id of readers) this.#tellReader(id, what, current);
  }

  #tellReader(id: number, what: Invalidation, current: number): void {
    const target = this.#clients.get(id);
    if (target === undefined) return;
    const { tracking } = target.session;
    if ((tracking & Track.Broadcast) !== 0 || ((tracking & Track.NoLoop) !== 0 && id === current)) return;
    if (id === current && id === this.#place.running()) this.#own.push(what);
    else this.#tell(target, what);
  }

  #remembered(message: Buffer): void {
    const client = remembered.client(message);
    const target = this.#place.targetOf(client);
    remembered.each(message, (key, added) => {
      if (target !== undefined) this.remember(client, key, added);
      else if (added) this.#read.drop(key);
    });
    if (target !== undefined && remembered.waited(message)) target.replyIsDue();
  }

  #flushed(): void {
    const what = new Invalidation(null);
    for (const target of this.#clients.values()) this.#tell(target, what);
    this.#read.clear();
  }

  #tell(target: TrackingTarget, what: Invalidation): void {
    const { session } = target;
    const { redirect, redirectHome } = session;
    const { acceptor } = this.#place;
    if (redirect === 0) {
      if (session.resp === 3) target.pushInvalidation(what.for(3, 3));
    } else if (redirectHome !== acceptor) {
      this.#place.mail(redirectHome, encodePush(redirect, session.id, acceptor, session.resp, what.keys));
    } else if (!this.#pushTo(redirect, what, session.resp)) this.#brokenFor(session.id);
  }

  /** @param trackerResp protocol of the client on whose behalf it is @returns false if there is no such client */
  #pushTo(id: number, what: Invalidation, trackerResp: number): boolean {
    const target = this.#place.targetOf(id);
    if (target === undefined || target.gone) return false;
    const { session } = target;
    if (session.resp === 3 || session.subscribed)
      target.pushInvalidation(what.for(session.resp, trackerResp));
    return true;
  }

  #redirected(message: Buffer): void {
    const what = new Invalidation(pushed.keys(message));
    if (this.#pushTo(pushed.to(message), what, pushed.resp(message))) return;
    this.#place.mail(pushed.home(message), encodeBroken(pushed.from(message)));
  }

  /** The client that a client of this acceptor redirects to is gone. */
  #brokenFor(id: number): void {
    const target = this.#clients.get(id);
    if (target === undefined || target.session.redirect === 0) return;
    const { session } = target;
    session.tracking |= Track.Broken;
    if (session.resp !== 3) return;
    const bytes = render(3, (to) => {
      to.pushHeader(2);
      to.bulkString('tracking-redir-broken');
      to.integer(session.redirect);
    });
    target.pushInvalidation(bytes);
  }

  /** Lets every thread know whether there is anybody here to be told of changes. */
  #notice(): void {
    const noticing = this.#clients.size > 0 || this.#read.size > 0;
    if (noticing === this.#noticing) return;
    this.#noticing = noticing;
    Atomics.add(this.#place.control, GlobalWord.Noticing, noticing ? 1 : -1);
  }

  #isTooMany(): boolean {
    if (this.#read.size > READ_KEYS_MAX) return true;
    return this.#limit > 0 && this.#place.directory.distinct(KEY_KIND) > this.#limit;
  }

  #checkSize(): void {
    if (this.#evicting || this.#read.size === 0 || !this.#isTooMany()) return;
    this.#evicting = true;
    setImmediate(this.#evictLater);
  }

  /** Lets names go until there are few enough, the oldest first; about as many as were added here. */
  #evict(): void {
    let left = Math.min(EVICT_STEP, Math.max(100, this.#added));
    while (left-- > 0 && this.#isTooMany()) {
      const key = this.#read.oldest;
      if (key === undefined) break;
      this.#place.evict(key);
    }
    this.#added = 0;
    this.#evicting = false;
    this.#checkSize();
  }
}

function invalidationOf(key: string): Invalidation {
  return new Invalidation([Buffer.from(key, 'latin1')]);
}
