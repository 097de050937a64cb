// What the server knows of one client, apart from its socket: the part that commands read and change.
// The acceptor owns it. A few of its fields travel with input handed to a shard worker and come back changed
// (`SessionField`); everything else is only touched by commands with Place.Connection, on the acceptor.

import { type Identity, NOBODY_IN_PARTICULAR } from './identity.ts';
import type { Subscriptions } from './pubsub-api.ts';
import type { Command } from './table.ts';
import type { Transaction } from './transaction.ts';
import type { Watches } from './watches.ts';

export const ReplyMode = { On: 0, Off: 1, SkipNext: 2, Skip: 3 } as const;

export class Session {
  readonly id: number;
  db = 0;
  /** Protocol: 2 or 3. */
  resp = 2;
  /** CLIENT REPLY: SkipNext is set by CLIENT REPLY SKIP and becomes Skip for the next command. */
  replyMode: number = ReplyMode.On;
  /** CLIENT NO-TOUCH: look-ups leave the access words alone. */
  noTouch = false;
  noEvict = false;
  /** Has said who it is, or may do without. */
  authenticated = true;
  /** Whose permissions it has. */
  identity: Identity = NOBODY_IN_PARTICULAR;
  name = '';
  libName = '';
  libVersion = '';
  /** Commands that wait answer at once that nothing is there: the client runs a transaction or a script. */
  denyBlocking = false;
  /** Waits in a blocking command. */
  blocked = false;
  /** What it has queued since MULTI; null: no MULTI. On a shard worker only while an EXEC is to run there. */
  transaction: Transaction | null = null;
  /** What it watches; null: nothing. On a shard worker only with an EXEC. */
  watches: Watches | null = null;
  /** On a shard worker: an EXEC has run, so that transaction and watches are over. */
  executed = false;
  /** What is to be written behind the reply of the EXEC that is under way, whatever CLIENT REPLY says. */
  readonly behind: Buffer[] = [];
  /** In MONITOR. */
  monitor = false;
  /** Number of the last report before that: see execution/reports.ts. */
  monitorSince = 0;
  /** Has subscribed to something: with RESP2 it may do little else. */
  subscribed = false;
  /** To what; null for nothing, and on shard workers. */
  subscriptions: Subscriptions | null = null;
  /** CLIENT TRACKING: bits of Track. On a shard worker a copy. */
  tracking = 0;
  /** Id of the client that is told of changes in its place, 0: none; and the number of that one's acceptor. */
  redirect = 0;
  redirectHome = -1;
  /** Prefixes of BCAST, sorted; latin1. */
  prefixes: readonly string[] | null = null;
  /** It has been in CLIENT TRACKING at some time. */
  hasTracked = false;
  /** Number of its acceptor. */
  home = 0;
  /** Remote and local address as CLIENT LIST prints them. */
  address: string;
  localAddress: string;
  /** Came over the unix socket. */
  unix: boolean;
  /** Unix time in ms. */
  readonly createdAt: number;
  lastCommandAt: number;
  lastCommand: Command | null = null;
  commands = 0;

  constructor(id: number, address: string, localAddress: string, unix: boolean, now: number) {
    this.id = id;
    this.address = address;
    this.localAddress = localAddress;
    this.unix = unix;
    this.createdAt = now;
    this.lastCommandAt = now;
  }

  /** Name of its user. */
  get user(): string {
    return this.identity.name;
  }
}
