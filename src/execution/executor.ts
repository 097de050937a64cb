// Runs one command: finds its row in the table, checks what may be checked before it runs, locks the shards of its
// keys in ascending order, estimates its work, runs the handler, unlocks, counts.
//
// The same executor runs on acceptors and on shard workers. An acceptor never sleeps on a lock and never starts long
// work: where it would have to, execute() answers HandOver and nothing has happened. A worker sleeps on locks and runs
// everything but what touches a connection, for which it answers ToAcceptor.
//
// A command that may touch keys which only the data names (SORT ... BY weight_*) runs on a worker with all shards locked.
//
// Clients wait for keys (BLPOP) in the waiting room of one worker, the keeper. Commands that block, and commands that write
// a key somebody waits for, run there and nowhere else: elsewhere execute() answers ToKeeper. The keeper serves who waits
// before it frees the locks (waiter-service.ts).
//
// Locks: key-locks.ts.

import { DenialContext } from '../acl/acl-log.ts';
import type { ThreadAcl } from '../acl/thread-acl.ts';
import { CommandContext } from '../commands/context.ts';
import { ErrorText, wrongArity } from '../commands/errors.ts';
import { endTransaction } from '../commands/family-transaction.ts';
import { replyUnknown } from '../commands/help.ts';
import { Denial } from '../commands/identity.ts';
import { protectedRefusal } from '../commands/protection.ts';
import type { ServerApi } from '../commands/server-api.ts';
import type { Session } from '../commands/session.ts';
import {
  type Command,
  CommandFlag,
  type CommandTable,
  IN_PLACE_WORK_MAX,
  KeyPlan,
  Place,
} from '../commands/table.ts';
import { Track } from '../commands/tracking-api.ts';
import type { Transaction } from '../commands/transaction.ts';
import { tellAfterFailure } from '../commands/whole-effects.ts';
import { isAwaited } from '../keyspace/awaited.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { waitForOpenPins } from '../keyspace/pins.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GlobalWord, PauseMode, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { CommandStat, Stat } from '../metrics/stats.ts';
import type { RequestParser } from '../protocol/request-parser.ts';
import { endCaching, type Tracker } from '../tracking/tracker.ts';
import type { ChangeLog } from './change-log.ts';
import { CommandTimes, type SlowCommands } from './command-times.ts';
import type { ExecutingServer } from './executing-server.ts';
import { KeyLocks } from './key-locks.ts';
import { LookAhead } from './look-ahead.ts';
import { Outcome } from './outcome.ts';
import { Preserved, Preserver } from './preserve.ts';
import { Transactions } from './transactions.ts';
import type { WaiterService } from './waiter-service.ts';
import { writeErrorText } from './write-error.ts';

/** PFCOUNT keeps what it has counted, in its key. */
const MAY_CHANGE = CommandFlag.Write | CommandFlag.MayReplicate;

/** Not shown to clients in MONITOR: administrative commands may hold passwords. */
const UNMONITORED = CommandFlag.SkipMonitor | CommandFlag.Admin;

/** One clock is read for a batch, at 45 ns a look; it is set by the system's clock again after so many ms. */
const CLOCK_MS = 50;

/** What the executor tells the thread it runs on; implemented by acceptor and worker. */
export interface ExecutorEvents extends SlowCommands {
  /** A client is in MONITOR, and the command has run; its locks are held. */
  monitored(cx: CommandContext): void;
  /** What is told by monitored() until endMonitored() is one: nothing of others is shown in between. All locks are held. */
  beginMonitored(): void;
  /** Does nothing where nothing has begun. */
  endMonitored(): void;
  /** Makes room when maxmemory is reached. @returns whether the command may go on */
  makeRoom(): boolean;
}

export class Executor {
  readonly cx: CommandContext;
  /** While a log is loaded: its commands are refused for nothing. */
  replaying = false;
  readonly table: CommandTable;
  readonly ahead: LookAhead;
  readonly #locks: KeyLocks;
  readonly #preserver: Preserver;
  readonly #changes: ChangeLog | null;
  readonly #keyspace: Keyspace;
  readonly #events: ExecutorEvents;
  readonly #server: ServerApi;
  readonly #acl: ThreadAcl;
  readonly #worker: boolean;
  readonly #tracker: Tracker | null;
  readonly #control: Int32Array;
  /** What to add to performance.now() for unix time in ms, and when it was last looked at. */
  #clockOffset = 0;
  #clockSet = Number.NEGATIVE_INFINITY;
  /** Bytes, 0: no limit. */
  maxMemory = 0;
  readonly times: CommandTimes;
  readonly transactions: Transactions;
  readonly #exec: Command;
  /** On the worker that keeps waiting clients, see keep(). */
  #waiters: WaiterService | null = null;

  /** @param changes where effects of commands go; null: nowhere, ever */
  constructor(
    keyspace: Keyspace,
    server: ExecutingServer,
    events: ExecutorEvents,
    worker: boolean,
    changes: ChangeLog | null = null,
  ) {
    this.cx = new CommandContext(keyspace, server, worker);
    this.#changes = changes;
    this.cx.changes = changes;
    this.table = server.table;
    this.ahead = new LookAhead(keyspace);
    this.#locks = new KeyLocks(keyspace, this.cx, this.ahead, worker);
    this.#preserver = new Preserver(keyspace, this.#locks, worker);
    keyspace.events.holdsMisses = true;
    this.#locks.preserver = this.#preserver;
    this.#keyspace = keyspace;
    this.#events = events;
    this.#server = server;
    this.#acl = server.acl;
    this.#worker = worker;
    this.#tracker = server.tracking ?? null;
    this.#control = keyspace.memory.control;
    this.times = new CommandTimes(server.stats, server.config, events, worker);
    if (worker) this.cx.pause = this.#locks;
    this.#exec = this.table.byName('exec')!;
    this.transactions = new Transactions(this, {
      keyspace,
      server,
      locks: this.#locks,
      preserver: this.#preserver,
      changes,
      worker,
    });
    this.#followConfig();
  }

  /** Whether this is the executor of the thread that keeps waiting clients. */
  get isKeeper(): boolean {
    return this.#waiters !== null;
  }

  /** Makes this the executor of the thread that keeps waiting clients. */
  keep(waiters: WaiterService): void {
    this.#waiters = waiters;
    this.#locks.room = waiters.room;
    this.cx.keyWatch = waiters.room;
    // Nobody runs a command again that has run here.
    this.#keyspace.events.holdsMisses = false;
  }

  /** Begins a batch: sets the clock that its commands run at. */
  begin(): void {
    const now = performance.now();
    if (now - this.#clockSet > CLOCK_MS) {
      this.#clockSet = now;
      this.#clockOffset = Date.now() - now;
    }
    this.#keyspace.setTime(Math.floor(this.#clockOffset + now));
    this.times.startedAt = now;
  }

  /** Ends a batch: counts what was timed. */
  end(): void {
    this.times.settle();
    this.#locks.endBatch();
    this.#changes?.wake();
    this.cx.pubsub.wake();
    this.ahead.clear();
    this.#keyspace.meter.flush();
    this.#tracker?.runsFor(null);
  }

  /** Whether this is a shard worker's. */
  get onWorker(): boolean {
    return this.#worker;
  }

  /** Says whose commands run until end(). */
  runsFor(session: Session): void {
    this.cx.session = session;
    this.#tracker?.runsFor(session);
  }

  /** Runs the command that `parser` has parsed, for the session in cx.session. */
  execute(parser: RequestParser): Outcome {
    const cx = this.cx;
    const argc = parser.argc;
    cx.input = parser.input;
    cx.requestStart = parser.start;
    cx.requestEnd = parser.pos;
    cx.argc = argc;
    cx.argOff = parser.argOff;
    cx.argLen = parser.argLen;
    cx.failed = false;
    const { session } = cx;
    const { transaction } = session;
    const command = this.#find();
    if (command === null) {
      if (transaction !== null) transaction.failed = true;
      else session.tracking &= ~Track.Caching;
      return this.#isAttack() ? Outcome.Attack : Outcome.Done;
    }
    cx.command = command;
    if (command.arity >= 0 ? argc !== command.arity : argc < -command.arity) {
      return this.#reject(command, wrongArity(command.name));
    }
    if (this.replaying) return this.#run(command);
    let { flags } = command;
    if (!session.authenticated && this.#acl.authRequired && (flags & CommandFlag.NoAuth) === 0)
      return this.#reject(command, ErrorText.NoAuth);
    // In a transaction a command is queued, all but a few; EXEC is what its commands are.
    let queued = false;
    if (transaction !== null) {
      if ((flags & CommandFlag.NoMulti) !== 0) return this.#reject(command, NOT_IN_MULTI);
      const refused = (flags & CommandFlag.Protected) === 0 ? null : protectedRefusal(cx);
      if (refused !== null) return this.#reject(command, refused);
      if (command === this.#exec) flags = flagsOfExec(command, transaction);
      queued = !NEVER_QUEUED.has(command.name);
    }
    if (!session.identity.unlimited) {
      const denial = this.#acl.check(cx);
      if (denial !== Denial.None) return this.#deny(command, denial);
    }
    const control = this.#control;
    if (control[GlobalWord.PauseMode] !== PauseMode.None && this.#isPaused(flags)) return Outcome.Paused;
    if (control[GlobalWord.Loading] !== 0 && (flags & CommandFlag.Loading) === 0) {
      return this.#reject(command, ErrorText.Loading);
    }
    if (this.#worker) {
      if (command.place >= Place.Connection) return Outcome.ToAcceptor;
      if (this.#waiters === null && changesAnything(command)) return Outcome.ToKeeper;
    } else if (command.place === Place.Worker && !queued) {
      return changesAnything(command) ? Outcome.ToKeeper : Outcome.HandOver;
    }
    if (
      this.maxMemory !== 0 &&
      this.#keyspace.usedBytes() > this.maxMemory &&
      // The commands of a log count on what those before them have made.
      control[GlobalWord.Loading] === 0
    ) {
      this.#locks.freeKept();
      const room = this.#events.makeRoom();
      // The queue of a transaction takes memory, too.
      const denied =
        (flags & CommandFlag.Denyoom) !== 0 || (transaction !== null && !ENDS_MULTI.has(command.name));
      if (!room && denied) return this.#reject(command, ErrorText.OutOfMemory);
    }
    if (
      control[GlobalWord.WriteError] !== 0 &&
      ((flags & CommandFlag.Write) !== 0 || command.name === 'ping')
    )
      return this.#reject(command, writeErrorText(control[GlobalWord.WriteError]!));
    if (cx.session.subscribed && cx.session.resp === 2 && !MAY_SUBSCRIBER_RUN.has(command.name))
      return this.#reject(command, subscriberMayNot(command.name));
    if (transaction === null) return this.#run(command);
    if (command === this.#exec) return this.transactions.run(command);
    if (!queued) return this.#run(command);
    this.transactions.queue(command);
    return Outcome.Done;
  }

  #run(command: Command): Outcome {
    const cx = this.cx;
    const locks = this.#locks;
    const plan = command.keyPlan;
    if (
      (plan === KeyPlan.Single || (plan === KeyPlan.Range && isOneKey(command, cx.argc))) &&
      (this.#waiters === null || this.#waiters.room.size === 0)
    ) {
      if (!locks.lockOne(command.firstKey)) return this.#refused();
    } else {
      locks.freeKept();
      if (plan !== KeyPlan.None && !locks.lockKeys(command)) return this.#refused();
    }

    const { flags } = command;
    if ((flags & (CommandFlag.Write | CommandFlag.Blocking)) !== 0 && locks.any) {
      // First the pins: the locks may be free for a moment meanwhile. Who would wait for a pinned key waits for the pin
      // too, as its writer would not know of it.
      if (this.#control[GlobalWord.Pinning] !== 0 && !locks.waitForPins()) return Outcome.HandOver;
      if (this.isForKeeper(flags)) {
        this.#locks.unlock();
        return Outcome.ToKeeper;
      }
    }
    if (this.#control[GlobalWord.SnapshotActive] !== 0 && (flags & MAY_CHANGE) !== 0 && locks.any) {
      const outcome = this.#preserve(flags);
      if (outcome !== Outcome.Done) return outcome;
    }
    if (command.place === Place.Estimated) {
      const work = command.estimate!(cx);
      if (!this.#worker && work > IN_PLACE_WORK_MAX) {
        this.#locks.unlock();
        return Outcome.HandOver;
      }
      if (work > IN_PLACE_WORK_MAX) {
        if (this.#control[GlobalWord.PinsClosed] !== 0) {
          // Somebody waits for a moment without long commands: this one begins anew behind it.
          locks.unlock();
          waitForOpenPins(this.#keyspace.memory);
          return this.#run(command);
        }
        locks.expectLong();
      }
    }
    return this.#call(command);
  }

  /** Saves for a snapshot what the command is going to change. @returns Done: the command can go on */
  #preserve(flags: number): Outcome {
    const locks = this.#locks;
    for (;;) {
      const preserved = this.#preserver.keys(this.cx, locks.keyArgs, locks.keyCount);
      if (preserved === Preserved.Done) return Outcome.Done;
      if (preserved === Preserved.HandOver) {
        locks.unlock();
        return Outcome.HandOver;
      }
      // The locks were free.
      locks.waitForPins();
      if (this.isForKeeper(flags)) {
        locks.unlock();
        return Outcome.ToKeeper;
      }
    }
  }

  #call(command: Command): Outcome {
    const cx = this.cx;
    const locks = this.#locks;
    const mark = cx.reply.length;
    const { effects } = cx;
    effects.wanted = this.#control[GlobalWord.ChangesWanted] !== 0 && !this.replaying;
    if (effects.wanted) effects.reset();
    this.invoke(command);
    if (cx.dirty !== 0) locks.countDirty(cx.dirty);
    // Also of a command that is handed over: what it has deleted because its time had come.
    if (effects.wanted) this.#changes!.append(cx);
    if (cx.session.tracking !== 0) this.#track(command);
    if (cx.blocks) return this.#wait(command, mark);
    if (cx.handedOver) {
      this.#locks.unlock();
      cx.reply.truncate(mark);
      return Outcome.HandOver;
    }
    // Before the locks are free: MONITOR shows commands in the order in which they have run.
    if (this.#control[GlobalWord.Monitors] !== 0) this.#tellMonitors(command);
    if (this.#waiters === null || this.#waiters.room.size === 0) {
      if (this.ahead.oneKey && locks.one && !this.#worker) locks.keep();
      else this.#locks.unlock();
      this.#count(command);
    } else {
      this.#count(command);
      this.#serveWaiters(command);
      this.#locks.unlock();
    }
    if (cx.deferred !== null || cx.requested !== null) return Outcome.Deferred;
    return cx.closeAfterReply ? Outcome.Close : Outcome.Done;
  }

  /** The command of a client that tracks keys has run: remembers which, unless it will run again elsewhere. */
  #track(command: Command): void {
    const { cx } = this;
    if (cx.handedOver || (cx.blocks && this.#waiters === null)) return;
    const { keyArgs, keyCount } = this.#locks;
    const keys = command.keyPlan === KeyPlan.None ? 0 : keyCount;
    if (cx.blocks) this.#tracker!.ranQueued(cx, keyArgs, keys);
    else this.#tracker!.ranCommand(cx, keyArgs, keys);
  }

  /** Calls the handler of the command in the context. What it needs is locked. */
  invoke(command: Command): void {
    const { cx } = this;
    const locks = this.#locks;
    const mark = cx.reply.length;
    cx.noTouch = cx.session.noTouch;
    cx.dirty = 0;
    cx.handedOver = false;
    cx.deferred = null;
    cx.requested = null;
    cx.closeAfterReply = false;
    cx.blocks = false;
    cx.reply.resp = cx.session.resp;
    if (this.times.precise) {
      locks.startedAt = performance.now();
      this.times.startedAt = locks.startedAt;
    }
    try {
      command.handler!(cx);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      cx.reply.truncate(mark);
      cx.blocks = false;
      cx.error(ErrorText.OutOfMemory);
      if (cx.effects.wanted) {
        tellAfterFailure(cx, locks.keyArgs, command.keyPlan === KeyPlan.None ? 0 : locks.keyCount);
      }
    }
    if (cx.events.hasMisses) this.#tellMisses();
  }

  /** Counts a command of a transaction, or EXEC, and shows it in MONITOR. @param started by performance.now(), where it is precise */
  ran(command: Command, started: number): void {
    if (this.times.precise) this.times.startedAt = started;
    this.#tellMonitors(command);
    this.#count(command);
  }

  /** All locks of a transaction are held: what it runs, and EXEC, is shown in MONITOR as one. */
  beginMonitored(): void {
    if (this.#control[GlobalWord.Monitors] !== 0) this.#events.beginMonitored();
  }

  endMonitored(): void {
    this.#events.endMonitored();
  }

  /** After a transaction: serves those who wait for what it has changed. @param anything whether that may be any key */
  serveAfter(anything: boolean): void {
    const waiters = this.#waiters;
    if (waiters === null || waiters.room.size === 0) return;
    if (anything) waiters.room.allChanged();
    if (waiters.room.hasReady) waiters.serve(this.#locks, this.times);
  }

  /** Tells of keys that were missed, unless they will be missed again by the worker that the command goes to. */
  #tellMisses(): void {
    const { cx } = this;
    if (cx.handedOver || (cx.blocks && this.#waiters === null)) cx.events.dropMisses();
    else cx.events.tellMisses();
  }

  /** The command has called block(). */
  #wait(command: Command, mark: number): Outcome {
    const { cx } = this;
    const waiters = this.#waiters;
    cx.reply.truncate(mark);
    if (waiters === null) {
      this.#locks.unlock();
      return Outcome.ToKeeper;
    }
    waiters.admit(cx, this.#locks.keyArgs, this.#locks.keyCount);
    this.#tellMonitors(command);
    // What it has changed before it had to wait.
    this.#serveWaiters(command);
    this.#locks.unlock();
    cx.session.lastCommand = command;
    return Outcome.Blocked;
  }

  /** Serves those who wait for what a command has changed. */
  #serveWaiters(command: Command): void {
    const waiters = this.#waiters!;
    // What is loaded may go again before its end: who waits is served when all is there.
    if (this.#control[GlobalWord.Loading] !== 0) return;
    if (changesAnything(command)) waiters.room.allChanged();
    if (waiters.room.hasReady) waiters.serve(this.#locks, this.times);
  }

  /** Serves those who wait for what has changed while no command was run; on the worker that keeps them. */
  serveReady(): void {
    this.#waiters!.serve(this.#locks, this.times);
    this.#locks.unlock();
  }

  /** Whether the command being run writes a key that somebody waits for, and this is not where these are kept. */
  isForKeeper(flags: number): boolean {
    if (this.#control[GlobalWord.Awaited] === 0 || this.#waiters !== null) return false;
    if ((flags & CommandFlag.Write) === 0) return false;
    const { cx } = this;
    const { keyArgs, keyCount } = this.#locks;
    for (let i = 0; i < keyCount; i++) {
      const arg = keyArgs[i]!;
      if (isAwaited(this.#control, cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT, cx.hashes[arg]!)) return true;
    }
    return false;
  }

  /** Commands of a log that is loaded are not shown. */
  #tellMonitors(command: Command): void {
    if (this.#control[GlobalWord.Monitors] === 0 || this.replaying) return;
    if ((command.flags & UNMONITORED) === 0) this.#events.monitored(this.cx);
  }

  #find(): Command | null {
    const cx = this.cx;
    const found = this.table.lookup(cx.input, cx.argOff[0]!, cx.argLen[0]!);
    if (found === null) {
      this.#server.stats.add(Stat.Commands, 1);
      replyUnknown(cx, null);
      return null;
    }
    if (found.subcommandIndex === null || (cx.argc < 2 && found.handler !== null)) return found;
    if (cx.argc < 2) {
      cx.error(wrongArity(found.name));
      return null;
    }
    const sub = this.table.lookupSub(found, cx.input, cx.argOff[1]!, cx.argLen[1]!);
    if (sub !== null) return sub;
    if (found.handler !== null) return found;
    replyUnknown(cx, found);
    return null;
  }

  /** POST and Host: as commands are HTTP: a page that makes a browser send commands (cross-protocol scripting). */
  #isAttack(): boolean {
    return this.cx.argIs(0, 'POST') || this.cx.argIs(0, 'HOST:');
  }

  /**
   * The client's user may not run the command. Only its acceptor says so, which knows the client and has the users first:
   * a worker that is asked to gives the command back.
   */
  #deny(command: Command, denial: Denial): Outcome {
    if (this.#worker) return Outcome.ToAcceptor;
    const { cx } = this;
    const queued = cx.session.transaction !== null;
    this.#acl.note(cx, denial, queued ? DenialContext.Multi : DenialContext.TopLevel);
    return this.#reject(command, this.#acl.refusal(cx, denial));
  }

  /** A refused EXEC ends the transaction; another command that is refused in one, makes it fail. */
  #reject(command: Command, text: string): Outcome {
    const { cx } = this;
    const { transaction } = cx.session;
    if (command === this.#exec) {
      endTransaction(cx);
      cx.session.executed = this.#worker;
      // Shown, so that it can be seen that the transaction is over.
      this.#tellMonitors(command);
      text = `EXECABORT Transaction discarded because of: ${text.replace(/^ERR /, '')}`;
    } else if (transaction !== null) transaction.failed = true;
    endCaching(cx);
    cx.error(text);
    this.#server.stats.countCommand(command.id, CommandStat.Rejected);
    return Outcome.Done;
  }

  /** What an acceptor does that did not get a lock: the worker it would hand over to may be in a long command. */
  #refused(): Outcome {
    // WATCH can't be handed over.
    if (this.#locks.busy || this.cx.command.place >= Place.Connection) return Outcome.Busy;
    return Outcome.HandOver;
  }

  /** CLIENT PAUSE: whether a command with these flags has to wait. */
  #isPaused(flags: number): boolean {
    const left = (Atomics.load(this.#control, GlobalWord.PauseUntil) - (this.#keyspace.now | 0)) | 0;
    // The supervisor takes back a pause that is over: it alone sets them.
    if (left <= 0) return false;
    if ((this.cx.command.name.startsWith('client|') || this.cx.command.name === 'shutdown') && !this.#worker)
      return false;
    const writes = (flags & (CommandFlag.Write | CommandFlag.MayReplicate)) !== 0;
    return this.#control[GlobalWord.PauseMode] === PauseMode.All || writes;
  }

  #count(command: Command): void {
    const { cx } = this;
    if (cx.session.lastCommand !== command) cx.session.lastCommand = command;
    this.times.count(cx);
  }

  #followConfig(): void {
    const config = this.#server.config;
    const follow = (): void => {
      this.maxMemory = config.getMemory('maxmemory');
      const clock = this.#keyspace.clock;
      clock.lfu = config.getEnum('maxmemory-policy').endsWith('-lfu');
      clock.logFactor = config.getInt('lfu-log-factor');
      clock.decayMinutes = config.getInt('lfu-decay-time');
    };
    follow();
    for (const name of ['maxmemory', 'maxmemory-policy', 'lfu-log-factor', 'lfu-decay-time'] as const)
      config.watch(name, follow);
  }
}

const MAY_SUBSCRIBER_RUN: ReadonlySet<string> = new Set([
  'ping',
  'subscribe',
  'ssubscribe',
  'psubscribe',
  'unsubscribe',
  'sunsubscribe',
  'punsubscribe',
  'quit',
  'reset',
]);

/** With RESP2 a client could not tell replies of other commands from messages. */
function subscriberMayNot(name: string): string {
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
}

const NOT_IN_MULTI = 'ERR Command not allowed inside a transaction';
/** Commands that run at once in a transaction. */
const NEVER_QUEUED: ReadonlySet<string> = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset']);
/** Of these, commands that are never refused for want of memory; EXEC may be for what it runs. */
const ENDS_MULTI: ReadonlySet<string> = new Set(['exec', 'discard', 'quit', 'reset']);
const OF_ALL_COMMANDS = CommandFlag.Write | CommandFlag.MayReplicate | CommandFlag.Denyoom;

/** EXEC writes if one of its commands does, and so on. */
function flagsOfExec({ flags }: Command, transaction: Transaction): number {
  const all = flags | (transaction.flags & OF_ALL_COMMANDS);
  return transaction.whileLoading ? all : all & ~CommandFlag.Loading;
}

/** Whether a command changes keys without naming any: FLUSHALL, SWAPDB. */
function changesAnything(command: Command): boolean {
  return command.keyPlan === KeyPlan.None && (command.flags & CommandFlag.Write) !== 0;
}

/** Whether a command with a range of keys was given only one. */
function isOneKey(command: Command, argc: number): boolean {
  const last = command.lastKey < 0 ? argc + command.lastKey : command.lastKey;
  return last < command.firstKey + command.step;
}
