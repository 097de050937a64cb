// Answers the clients of the waiting room: runs their commands again when their keys have changed, ends waits by
// time-out, by CLIENT UNBLOCK and when a client is gone. Exactly one of these ends a wait, since all run on one thread.
//
// serve() goes through the changed keys in the order in which they were changed, and for each through its waiters in the order
// in which they blocked. A run may change keys itself (BLMOVE): these come after those noted before, until nothing is ready.
// That is the order of Redis's handleClientsBlockedOnKeys.
//
// A run has all keys of its command locked. Where the locks held are not enough (a command of another shard), they are
// given back and those of the waiter taken; nobody comes in between, since all commands that write keys that are
// waited for come to this thread.
//
// Replies are gathered and sent when no locks are held: takeReplies().

import { DenialContext } from '../acl/acl-log.ts';
import { CommandContext } from '../commands/context.ts';
import { ErrorText } from '../commands/errors.ts';
import { Denial } from '../commands/identity.ts';
import { ReplyMode } from '../commands/session.ts';
import { CommandFlag } from '../commands/table.ts';
import { tellAfterFailure } from '../commands/whole-effects.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { CommandStat, Stat } from '../metrics/stats.ts';
import { endCaching } from '../tracking/tracker.ts';
import { applyReplyMode } from './batch.ts';
import type { ChangeLog } from './change-log.ts';
import type { ExecutingServer } from './executing-server.ts';
import { encodeHandBack, HandOverStatus, servedFlags } from './hand-over.ts';
import { Waiter } from './waiter.ts';
import { type AwaitedKey, WaitingRoom } from './waiting-room.ts';

const UNBLOCKED = 'UNBLOCKED client unblocked via CLIENT UNBLOCK';
/** Type of a key that is not there. */
const NO_TYPE = -1;

/** The locks of the thread; implemented by KeyLocks. */
export interface WaiterLocks {
  /** Whether a shard is locked by this thread. */
  holds(shard: number): boolean;
  /** Locks the shards of a waiter if they are not, and waits until no other thread has its keys pinned. */
  holdFor(waiter: Waiter): void;
  /** Saves for a snapshot what a waiter's command is going to change; holdFor(waiter) holds, and goes on holding. */
  preserveFor(waiter: Waiter, cx: CommandContext): void;
  /** Adds to the changes counted in the shard that was locked last, if any is. */
  countDirty(changes: number): void;
}

/** Slow log and latency monitor; implemented by the executor. */
export interface WaiterTimes {
  /** A command was run for a waiter. */
  timed(cx: CommandContext, usec: number): void;
}

/** An answer to a client that has waited. */
export interface WaiterReply {
  readonly acceptor: number;
  /** For the acceptor, see hand-over.ts. */
  readonly message: Buffer;
}

export class WaiterService {
  readonly room: WaitingRoom;
  readonly #keyspace: Keyspace;
  readonly #server: ExecutingServer;
  /** Runs commands for waiters, apart from the one that was at work. */
  readonly #cx: CommandContext;
  readonly #view: RecordView;
  readonly #changes: ChangeLog | null;
  #replies: WaiterReply[] = [];
  /** Whose commands the executor runs: acceptor and connection. */
  #acceptor = 0;
  #connection = 0;

  /** @param changes where effects of commands go; null: nowhere */
  constructor(keyspace: Keyspace, server: ExecutingServer, changes: ChangeLog | null = null) {
    this.room = new WaitingRoom(keyspace.memory, server.stats);
    this.#keyspace = keyspace;
    this.#server = server;
    this.#cx = new CommandContext(keyspace, server, true);
    this.#cx.keyWatch = this.room;
    this.#cx.resumed = true;
    this.#cx.changes = changes;
    this.#changes = changes;
    this.#view = new RecordView(keyspace.memory);
  }

  /** Says whose commands run from here on. */
  runsFor(acceptor: number, connection: number): void {
    this.#acceptor = acceptor;
    this.#connection = connection;
  }

  /**
   * Lets the client of a command that has called block() wait. All its keys are locked.
   * @param keyArgs the first `keyCount` are the arguments that are keys
   */
  admit(cx: CommandContext, keyArgs: Int32Array, keyCount: number): void {
    this.room.add(new Waiter(this.#acceptor, this.#connection, cx, keyArgs, keyCount));
  }

  /** Serves whoever waits for keys that have changed. The caller frees what `locks` holds afterwards. */
  serve(locks: WaiterLocks, times: WaiterTimes): void {
    const { room } = this;
    while (room.hasReady) {
      for (const key of room.takeReady()) {
        key.ready = false;
        this.#serveKey(key, locks, times);
      }
    }
  }

  /** Ends the waits whose time is over. @param now unix time in ms */
  endOverdue(now: number): void {
    const { deadlines } = this.room;
    for (let first = deadlines.first; first !== null && first.until < now; first = deadlines.first) {
      this.#cx.reply.resp = first.session.resp;
      this.#cx.reply.nullArray();
      this.#end(first, false);
    }
  }

  /** Ms until endOverdue() has something to do, Infinity for never. */
  dueIn(now: number): number {
    const { first } = this.room.deadlines;
    return first === null ? Number.POSITIVE_INFINITY : Math.max(0, first.until + 1 - now);
  }

  /** CLIENT UNBLOCK. @returns whether the client waited */
  unblock(id: number, withError: boolean): boolean {
    const waiter = this.room.ofClient(id);
    if (waiter === null) return false;
    const { reply } = this.#cx;
    reply.resp = waiter.session.resp;
    if (withError) this.#cx.error(UNBLOCKED);
    else reply.nullArray();
    this.#end(waiter, withError);
    return true;
  }

  /** The client's connection is closed. */
  leave(acceptor: number, connection: number): void {
    const waiter = this.room.ofConnection(acceptor, connection);
    if (waiter !== null) this.room.remove(waiter);
  }

  /** Answers to be sent; the caller does. */
  takeReplies(): readonly WaiterReply[] {
    const replies = this.#replies;
    if (replies.length > 0) this.#replies = [];
    return replies;
  }

  #serveKey(key: AwaitedKey, locks: WaiterLocks, times: WaiterTimes): void {
    const shard = key.slot >>> SLOT_TO_SHARD_SHIFT;
    for (const waiter of key.waiters) {
      if (!locks.holds(shard)) locks.holdFor(waiter);
      const type = this.#typeOf(key, shard);
      if (type === NO_TYPE && key.orGone === 0) return;
      if (type !== waiter.type && !waiter.orGone) continue;
      locks.holdFor(waiter);
      this.#resume(waiter, locks, times);
    }
  }

  /** The type of a key's value now, NO_TYPE if there is none. Its shard is locked. */
  #typeOf(key: AwaitedKey, shard: number): number {
    const locked = this.#keyspace.shards[shard] as LockedShard;
    const view = this.#view;
    if (!locked.find(view, key.db, key.slot, key.hash, key.bytes, 0, key.bytes.length)) return NO_TYPE;
    return view.expires && view.expireAt <= this.#keyspace.now ? NO_TYPE : view.type;
  }

  /** Runs a waiter's command again, which ends its wait unless there is nothing for it. All its keys are locked. */
  #resume(waiter: Waiter, locks: WaiterLocks, times: WaiterTimes): void {
    const cx = this.#cx;
    const started = performance.now();
    waiter.prepare(cx);
    if (this.#isDenied(waiter)) return;
    if ((waiter.command.flags & CommandFlag.Write) !== 0) locks.preserveFor(waiter, cx);
    cx.dirty = 0;
    cx.effects.wanted = this.#changes?.wanted ?? false;
    if (cx.effects.wanted) cx.effects.reset();
    cx.failed = false;
    cx.blocks = false;
    const { tracking } = this.#server;
    const runsFor = tracking?.session ?? null;
    if (tracking !== undefined) tracking.session = waiter.session;
    try {
      waiter.command.handler!(cx);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      cx.blocks = false;
      cx.reply.reset();
      cx.error(ErrorText.OutOfMemory);
      if (cx.effects.wanted) tellAfterFailure(cx, waiter.keyArgs, waiter.keyArgs.length);
    }
    if (tracking !== undefined) tracking.session = runsFor;
    if (cx.dirty !== 0) locks.countDirty(cx.dirty);
    if (cx.effects.wanted) this.#changes!.append(cx);
    const tracks = waiter.session.tracking !== 0 && !cx.blocks;
    const replyIsDue = tracks && tracking!.ranWaiting(cx, waiter.keyArgs);
    if (tracks) endCaching(cx);
    if (cx.blocks) {
      cx.reply.reset();
      return;
    }
    this.#end(waiter, cx.failed, replyIsDue);
    const usec = (performance.now() - started) * 1000;
    this.#server.stats.timed(waiter.command.id, usec, 1);
    times.timed(cx, usec);
  }

  /** Ends the wait of a client that may not run its command any more. @returns whether it is so */
  #isDenied(waiter: Waiter): boolean {
    if (waiter.session.identity.unlimited) return false;
    const { acl } = this.#server;
    const denial = acl.check(this.#cx);
    if (denial === Denial.None) return false;
    acl.note(this.#cx, denial, DenialContext.TopLevel);
    this.#cx.error(acl.refusal(this.#cx, denial));
    this.#end(waiter, true);
    return true;
  }

  /** Ends a wait with the reply that is written. @param replyIsDue whether the acceptor is told of it on another way, too */
  #end(waiter: Waiter, failed: boolean, replyIsDue = false): void {
    const { stats } = this.#server;
    const { session, command } = waiter;
    const { reply } = this.#cx;
    this.room.remove(waiter);
    stats.add(Stat.Commands, 1);
    stats.countCommand(command.id, CommandStat.Calls);
    if (failed) stats.countCommand(command.id, CommandStat.Failed);
    if (session.replyMode !== ReplyMode.On) applyReplyMode(this.#cx, session, 0);
    const back = {
      connection: waiter.connection,
      db: session.db,
      flags: servedFlags(session, replyIsDue),
      consumed: 0,
      status: HandOverStatus.Served,
      commands: 1,
      lastCommand: command.id,
    };
    this.#replies.push({
      acceptor: waiter.acceptor,
      message: encodeHandBack(back, reply.bytes, reply.length),
    });
    reply.reset();
  }
}
