// Runs one command: finds its row in the table, checks what may be checked before it runs, locks the shards of its
// keys in ascending order, estimates its work, runs the handler, unlocks, counts.
//
// The same executor runs on acceptors and on shard workers. An acceptor never sleeps on a lock and never starts long
// work: where it would have to, execute() answers HandOver and nothing has happened. A worker sleeps on locks and runs
// everything but what touches a connection, for which it answers ToAcceptor.
//
// A command that works for long may let others have its shards for a moment (breathe); its keys stay pinned meanwhile
// (keyspace/pins.ts), and commands that would write them wait: on an acceptor by being handed over, on a worker asleep.
//
// A command that may touch keys which only the data names (SORT ... BY weight_*) runs on a worker with all shards locked.
//
// Clients wait for keys (BLPOP) in the waiting room of one worker, the keeper. Commands that block, and commands that write
// a key somebody waits for, run there and nowhere else: elsewhere execute() answers ToKeeper. The keeper serves who waits
// before it frees the locks (waiter-service.ts).
//
// Deadlock: every thread takes shard locks in ascending order, and a command holds none when it begins. The pool's
// lock (memory/chunk-pool.ts) is taken last and never held while taking another.

import { CommandContext } from '../commands/context.ts';
import { ErrorText, wrongArity } from '../commands/errors.ts';
import { replyUnknown } from '../commands/help.ts';
import { keyPositions, touchesUnknownKeys } from '../commands/key-positions.ts';
import type { ServerApi } from '../commands/server-api.ts';
import {
  type Command,
  CommandFlag,
  type CommandTable,
  IN_PLACE_WORK_MAX,
  KeyPlan,
  Place,
} from '../commands/table.ts';
import { isAwaited } from '../keyspace/awaited.ts';
import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { isPinned, PINS_MAX, pinKeys, unpinKeys, waitForPins } from '../keyspace/pins.ts';
import type { LockedShard, Shard } from '../keyspace/shard.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import {
  GlobalWord,
  PauseMode,
  SHARD_COUNT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  ThreadWord,
  threadWord,
} from '../memory/layout.ts';
import { CommandStat, Stat } from '../metrics/stats.ts';
import type { RequestParser } from '../protocol/request-parser.ts';
import { sameBytes } from '../structures/bytes.ts';
import { LookAhead } from './look-ahead.ts';
import type { Waiter } from './waiter.ts';
import type { WaiterLocks, WaiterService } from './waiter-service.ts';

export const Outcome = {
  /** The reply is written. */
  Done: 0,
  /** Must run on a shard worker; nothing has happened. */
  HandOver: 1,
  /** The reply comes later: see CommandContext.deferred. */
  Deferred: 2,
  /** The reply is written; the connection closes behind it. */
  Close: 3,
  /** CLIENT PAUSE holds it back; nothing has happened. */
  Paused: 4,
  /** Must run on the connection's acceptor; nothing has happened (workers only). */
  ToAcceptor: 5,
  /** A web browser talks to us: the connection closes at once, without any reply. */
  Attack: 6,
  /** Must run on the worker that keeps waiting clients; nothing has happened. */
  ToKeeper: 10,
  /** The client waits, without a reply (on that worker only). */
  Blocked: 11,
  /** A long command has the shard and will let it go soon: to be tried again; nothing has happened. */
  Busy: 12,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Not shown to clients in MONITOR: administrative commands may hold passwords. */
const UNMONITORED = CommandFlag.SkipMonitor | CommandFlag.Admin;

/** One clock is read for a batch, at 45 ns a look; it is set by the system's clock again after so many ms. */
const CLOCK_MS = 50;
/** Commands whose time is measured together, so that the clock is read once for all of them. */
const TIMED_GROUP = 16;
/** With a slow-log threshold below this (microseconds) each command is timed by itself. */
const PRECISE_BELOW_USEC = 2000;

/** What the executor tells the thread it runs on; implemented by acceptor and worker. */
export interface ExecutorEvents {
  /** A client is in MONITOR, and the command has run. @param db the database that it ran in */
  monitored(cx: CommandContext, db: number): void;
  /** A command took at least as long as slowlog-log-slower-than says. */
  slow(cx: CommandContext, usec: number): void;
  /** A command took at least as long as latency-monitor-threshold says. @param ms whole */
  late(cx: CommandContext, ms: number): void;
  /** Makes room when maxmemory is reached. @returns whether the command may go on */
  makeRoom(): boolean;
}

/** What the command being run has locked. */
const Locked = { None: 0, One: 1, Several: 2 } as const;

/** Commands in a row for which a lock is kept: some microseconds. */
const KEPT_COMMANDS = 16;
/** A command that has not said that it is long pins its keys when it has run for so long (ms) and breathes. */
const PIN_AFTER_MS = 1;
/** How often it looks whether others have had the locks that it has let go (ms), and how many times at most. */
const BREATH_MS = 0.02;
const BREATHS_MAX = 10;
/** How long it leaves them to others from then on (ms): where one waited, there are more. */
const OTHERS_MS = 0.15;
/** How long an acceptor waits for a lock (ms): no longer than handing over would take. */
const WAIT_MS = 0.1;
/** After waiting in vain: how long others fail at once (ms). */
const WAIT_AGAIN_MS = 1;
/** How long it waits while a long command is running somewhere, which lets the lock go soon. */
const WAIT_FOR_BREATH_MS = 1;

export class Executor implements WaiterLocks {
  readonly cx: CommandContext;
  readonly table: CommandTable;
  readonly ahead: LookAhead;
  readonly #keyspace: Keyspace;
  readonly #events: ExecutorEvents;
  readonly #server: ServerApi;
  readonly #worker: boolean;
  readonly #control: Int32Array;
  /** Key arguments of the command being run (plan Special). */
  #keyArgs = new Int32Array(64);
  /** Shards of a command with several keys, a bit each: 0..31 and 32..63. */
  #low = 0;
  #high = 0;
  #locked: number = Locked.None;
  #lastShard = -1;
  /** Key arguments in #keyArgs of a command with several keys. */
  #keyCount = 0;
  /** Keys that the command being run has pinned. */
  #pinned = 0;
  /** A shard that stays locked from one command to the next, -1: none. Acceptors only, within a batch, see #keepLock. */
  #kept = -1;
  #keptFor = 0;
  /** Whether the lock that was not to be had belongs to a worker: one in a long command, or about to begin one. */
  #wasBusy = false;
  #waitAgainAt = 0;
  /** The key hashed last in a run of commands on one key, within the input of this batch; null: none. */
  #hashed: Buffer | null = null;
  #hashedOff = 0;
  #hashedLen = 0;
  #hashedSlot = 0;
  #hashedHash = 0;
  readonly #group = new Int32Array(TIMED_GROUP);
  #grouped = 0;
  #groupStart = 0;
  /** What to add to performance.now() for unix time in ms, and when it was last looked at. */
  #clockOffset = 0;
  #clockSet = Number.NEGATIVE_INFINITY;
  /** Microseconds, -1: the slow log is off. */
  slowerThan = 10000;
  /** Milliseconds, 0: the latency monitor is off. */
  latencyThreshold = 0;
  /** Bytes, 0: no limit. */
  maxMemory = 0;
  precise: boolean;
  /** Without requirepass every client may do everything, also one that came before it was cleared. */
  passwordSet = false;
  /** On the worker that keeps waiting clients, see keep(). */
  #waiters: WaiterService | null = null;

  constructor(keyspace: Keyspace, server: ServerApi, events: ExecutorEvents, worker: boolean) {
    this.cx = new CommandContext(keyspace, server, worker);
    this.table = server.table;
    this.ahead = new LookAhead(keyspace);
    this.#keyspace = keyspace;
    this.#events = events;
    this.#server = server;
    this.#worker = worker;
    this.#control = keyspace.memory.control;
    this.precise = worker;
    if (worker) this.cx.pause = this;
    this.#followConfig();
  }

  /** Makes this the executor of the thread that keeps waiting clients. */
  keep(waiters: WaiterService): void {
    this.#waiters = waiters;
    this.cx.keyWatch = waiters.room;
  }

  /** Begins a batch: sets the clock that its commands run at. */
  begin(): void {
    const now = performance.now();
    if (now - this.#clockSet > CLOCK_MS) {
      this.#clockSet = now;
      this.#clockOffset = Date.now() - now;
    }
    this.#keyspace.setTime(Math.floor(this.#clockOffset + now));
    this.#groupStart = now;
  }

  /** Ends a batch: counts what was timed. */
  end(): void {
    if (this.#grouped > 0) this.#closeGroup(performance.now());
    this.#freeKept();
    this.#hashed = null;
    this.ahead.clear();
    this.#keyspace.meter.flush();
  }

  /** Runs the command that `parser` has parsed, for the session in cx.session. */
  execute(parser: RequestParser): Outcome {
    const cx = this.cx;
    const argc = parser.argc;
    cx.input = parser.input;
    cx.argc = argc;
    cx.argOff = parser.argOff;
    cx.argLen = parser.argLen;
    cx.failed = false;
    const command = this.#find();
    if (command === null) return this.#isAttack() ? Outcome.Attack : Outcome.Done;
    cx.command = command;
    if (command.arity >= 0 ? argc !== command.arity : argc < -command.arity) {
      return this.#reject(command, wrongArity(command.name));
    }
    const flags = command.flags;
    if (this.passwordSet && !cx.session.authenticated && (flags & CommandFlag.NoAuth) === 0)
      return this.#reject(command, ErrorText.NoAuth);
    const control = this.#control;
    if (control[GlobalWord.PauseMode] !== PauseMode.None && this.#isPaused(flags)) return Outcome.Paused;
    if (control[GlobalWord.Loading] !== 0 && (flags & CommandFlag.Loading) === 0) {
      return this.#reject(command, ErrorText.Loading);
    }
    if (this.#worker) {
      if (command.place >= Place.Connection) return Outcome.ToAcceptor;
      if (this.#waiters === null && changesAnything(command)) return Outcome.ToKeeper;
    } else if (command.place === Place.Worker) {
      return changesAnything(command) ? Outcome.ToKeeper : Outcome.HandOver;
    }
    if (this.maxMemory !== 0 && this.#keyspace.usedBytes() > this.maxMemory) {
      this.#freeKept();
      const room = this.#events.makeRoom();
      if (!room && (flags & CommandFlag.Denyoom) !== 0) return this.#reject(command, ErrorText.OutOfMemory);
    }
    return this.#run(command);
  }

  #run(command: Command): Outcome {
    const cx = this.cx;
    const plan = command.keyPlan;
    if (
      (plan === KeyPlan.Single || (plan === KeyPlan.Range && isOneKey(command, cx.argc))) &&
      (this.#waiters === null || this.#waiters.room.size === 0)
    ) {
      const arg = command.firstKey;
      this.#hashOne(arg);
      const shard = this.#keyspace.shards[cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT]!;
      if (shard.id !== this.#kept) {
        this.#freeKept();
        if (!this.#acquire(shard)) return this.#refused();
      }
      this.#kept = -1;
      this.#locked = Locked.One;
      this.#lastShard = shard.id;
      this.#keyArgs[0] = arg;
      this.#keyCount = 1;
    } else {
      this.#freeKept();
      if (plan !== KeyPlan.None && !this.#lockKeys(command)) return this.#refused();
    }

    const { flags } = command;
    if ((flags & (CommandFlag.Write | CommandFlag.Blocking)) !== 0 && this.#locked !== Locked.None) {
      // First the pins: the locks may be free for a moment meanwhile. Who would wait for a pinned key waits for the pin
      // too, as its writer would not know of it.
      if (this.#control[GlobalWord.Pinning] !== 0 && !this.#waitForPins()) return Outcome.HandOver;
      if (this.#isForKeeper(flags)) {
        this.#unlock();
        return Outcome.ToKeeper;
      }
    }
    if (command.place === Place.Estimated) {
      const work = command.estimate!(cx);
      if (!this.#worker && work > IN_PLACE_WORK_MAX) {
        this.#unlock();
        return Outcome.HandOver;
      }
      if (work > IN_PLACE_WORK_MAX) this.expectLong();
    }
    return this.#call(command);
  }

  /** Slot and hash of a key argument: looked ahead, or computed now. */
  #hashOne(arg: number): void {
    const { cx, ahead } = this;
    if (ahead.input === cx.input) {
      while (ahead.next < ahead.count && ahead.offsets[ahead.next]! < cx.argOff[arg]!) ahead.next++;
      const i = ahead.next;
      if (i < ahead.count && ahead.offsets[i] === cx.argOff[arg]) {
        cx.slots[arg] = ahead.slots[i]!;
        cx.hashes[arg] = ahead.hashes[i]!;
        return;
      }
    }
    if (ahead.oneKey) this.#hashAgain(arg);
    else hashKey(cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.slots, cx.hashes, arg);
  }

  /** As hashKey, where the key is most likely the one that was hashed last: comparing costs less. */
  #hashAgain(arg: number): void {
    const { cx } = this;
    const { input } = cx;
    const off = cx.argOff[arg]!;
    const len = cx.argLen[arg]!;
    if (
      input !== this.#hashed ||
      len !== this.#hashedLen ||
      !sameBytes(input, off, input, this.#hashedOff, len)
    ) {
      hashKey(input, off, len, cx.slots, cx.hashes, arg);
      this.#hashed = input;
      this.#hashedOff = off;
      this.#hashedLen = len;
      this.#hashedSlot = cx.slots[arg]!;
      this.#hashedHash = cx.hashes[arg]!;
      return;
    }
    cx.slots[arg] = this.#hashedSlot;
    cx.hashes[arg] = this.#hashedHash;
  }

  #call(command: Command): Outcome {
    const cx = this.cx;
    const mark = cx.reply.length;
    cx.noTouch = cx.session.noTouch;
    cx.dirty = 0;
    cx.handedOver = false;
    cx.deferred = null;
    cx.closeAfterReply = false;
    cx.blocks = false;
    cx.reply.resp = cx.session.resp;
    const db = cx.session.db;
    if (this.precise) this.#groupStart = performance.now();
    try {
      command.handler!(cx);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      cx.reply.truncate(mark);
      cx.blocks = false;
      cx.error(ErrorText.OutOfMemory);
    }
    if (cx.dirty !== 0 && this.#lastShard >= 0) this.countDirty(cx.dirty);
    if (cx.blocks) return this.#wait(command, mark, db);
    if (cx.handedOver) {
      this.#unlock();
      cx.reply.truncate(mark);
      return Outcome.HandOver;
    }
    if (this.#waiters === null || this.#waiters.room.size === 0) {
      if (this.ahead.oneKey && this.#locked === Locked.One && !this.#worker) this.#keepLock();
      else this.#unlock();
      this.#tellMonitors(command, db);
      this.#count(command);
    } else {
      this.#tellMonitors(command, db);
      this.#count(command);
      this.#serveWaiters(command);
      this.#unlock();
    }
    if (cx.deferred !== null) return Outcome.Deferred;
    return cx.closeAfterReply ? Outcome.Close : Outcome.Done;
  }

  /** The command has called block(). */
  #wait(command: Command, mark: number, db: number): Outcome {
    const { cx } = this;
    const waiters = this.#waiters;
    cx.reply.truncate(mark);
    if (waiters === null) {
      this.#unlock();
      return Outcome.ToKeeper;
    }
    waiters.admit(cx, this.#keyArgs, this.#keyCount);
    // What it has changed before it had to wait.
    this.#serveWaiters(command);
    this.#unlock();
    cx.session.lastCommand = command;
    this.#tellMonitors(command, db);
    return Outcome.Blocked;
  }

  /** Serves those who wait for what a command has changed. */
  #serveWaiters(command: Command): void {
    const waiters = this.#waiters!;
    if (changesAnything(command)) waiters.room.allChanged();
    if (waiters.room.hasReady) waiters.serve(this);
  }

  /** Serves those who wait for what has changed while no command was run; on the worker that keeps them. */
  serveReady(): void {
    this.#waiters!.serve(this);
    this.#unlock();
  }

  /** Whether the command being run writes a key that somebody waits for, and this is not where these are kept. */
  #isForKeeper(flags: number): boolean {
    if (this.#control[GlobalWord.Awaited] === 0 || this.#waiters !== null) return false;
    if ((flags & CommandFlag.Write) === 0) return false;
    const { cx } = this;
    for (let i = 0; i < this.#keyCount; i++) {
      const arg = this.#keyArgs[i]!;
      if (isAwaited(this.#control, cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT, cx.hashes[arg]!)) return true;
    }
    return false;
  }

  // ---- locks, for waiters ----

  holds(shard: number): boolean {
    if (this.#locked === Locked.None) return false;
    if (this.#locked === Locked.One) return shard === this.#lastShard;
    return (shard < 32 ? this.#low & (1 << shard) : this.#high & (1 << (shard - 32))) !== 0;
  }

  holdFor(waiter: Waiter): void {
    if (!this.#holdsAll(waiter.low, waiter.high)) {
      this.#unlock();
      this.#low = waiter.low;
      this.#high = waiter.high;
      this.#locked = Locked.Several;
      this.#relock();
    }
    const { memory } = this.#keyspace;
    while (this.#control[GlobalWord.Pinning] !== 0 && waiter.meetsPin(memory)) {
      this.#release();
      waitForPins(memory);
      this.#relock();
    }
  }

  #holdsAll(low: number, high: number): boolean {
    if (this.#locked === Locked.Several) return (low & ~this.#low) === 0 && (high & ~this.#high) === 0;
    if (this.#locked === Locked.None) return false;
    const one = this.#lastShard;
    return one < 32 ? low === 1 << one && high === 0 : low === 0 && high === 1 << (one - 32);
  }

  timed(cx: CommandContext, usec: number): void {
    if (this.slowerThan >= 0 && usec >= this.slowerThan) this.#events.slow(cx, usec);
    const ms = Math.floor(usec / 1000);
    if (this.latencyThreshold > 0 && ms >= this.latencyThreshold) this.#events.late(cx, ms);
  }

  countDirty(changes: number): void {
    (this.#keyspace.shards[this.#lastShard] as LockedShard).count(ShardCounter.Dirty, changes);
  }

  #tellMonitors(command: Command, db: number): void {
    if (this.#control[GlobalWord.Monitors] !== 0 && (command.flags & UNMONITORED) === 0) {
      this.#events.monitored(this.cx, db);
    }
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

  #reject(command: Command, text: string): Outcome {
    this.cx.error(text);
    this.#server.stats.countCommand(command.id, CommandStat.Rejected);
    return Outcome.Done;
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

  /** Locks the shards of a command with several keys. @returns false on an acceptor that did not get them all */
  #lockKeys(command: Command): boolean {
    const cx = this.cx;
    if (cx.argc > cx.slots.length) {
      cx.slots = new Int32Array(cx.argOff.length);
      cx.hashes = new Int32Array(cx.argOff.length);
    }
    let count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.#keyArgs);
    if (count > this.#keyArgs.length) {
      this.#keyArgs = new Int32Array(cx.argOff.length);
      count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.#keyArgs);
    }
    const all = command.unknownKeys && touchesUnknownKeys(command, cx.argc, cx.argOff, cx.argLen, cx.input);
    if (all && !this.#worker) {
      this.#wasBusy = false;
      return false;
    }
    this.#low = all ? -1 : 0;
    this.#high = this.#low;
    for (let i = 0; i < count; i++) {
      const arg = this.#keyArgs[i]!;
      this.#hashOne(arg);
      const shard = cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT;
      if (shard < 32) this.#low |= 1 << shard;
      else this.#high |= 1 << (shard - 32);
    }
    if (this.#waiters !== null && this.#waiters.room.size !== 0) this.#addShardsOfWaiters(count);
    this.#keyCount = count;
    this.#locked = Locked.Several;
    if (this.#lockBits(this.#low, 0) && this.#lockBits(this.#high, 32)) return true;
    this.#unlock();
    return false;
  }

  /**
   * Adds the shards of whoever would be served first for each key of the command, so that the locks are enough for it and
   * nobody sees the command without what it brings about.
   */
  #addShardsOfWaiters(count: number): void {
    if ((this.cx.command.flags & CommandFlag.Write) === 0) return;
    const { cx } = this;
    const { room } = this.#waiters!;
    for (let i = 0; i < count; i++) {
      const arg = this.#keyArgs[i]!;
      const waiter = room.firstFor(
        cx.db,
        cx.slots[arg]!,
        cx.hashes[arg]!,
        cx.input,
        cx.argOff[arg]!,
        cx.argLen[arg]!,
      );
      if (waiter === null) continue;
      this.#low |= waiter.low;
      this.#high |= waiter.high;
    }
  }

  /** Locks the shards of one half, in ascending order. @returns false if one was busy; the bits are then those held */
  #lockBits(bits: number, base: number): boolean {
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      const id = base + lowestBit(rest);
      const shard = this.#keyspace.shards[id]!;
      if (!this.#acquire(shard)) {
        if (base === 0) {
          this.#low = bits & ~rest;
          this.#high = 0;
        } else this.#high = bits & ~rest;
        return false;
      }
      this.#lastShard = id;
    }
    return true;
  }

  /**
   * Lets others have the shards of the command being run, if any of them waits; for workers. The command's keys are
   * pinned meanwhile. See CommandContext.breathe.
   */
  breathe(): void {
    if (!this.#mayPin()) return;
    if (this.#pinned === 0) {
      if (performance.now() - this.#groupStart < PIN_AFTER_MS) return;
      this.#pin();
    }
    const shard = this.#waitedFor();
    if (shard === null) return;
    const { taken } = shard;
    this.#release();
    // Whoever waits for it needs a moment to wake up; the command would have taken it again by then.
    for (let rest = BREATHS_MAX; rest > 0 && shard.taken === taken; rest--) sleep(BREATH_MS);
    if (shard.taken !== taken) sleep(OTHERS_MS);
    this.#relock();
  }

  /** Pins the keys of the command being run; for workers. See CommandContext.expectLong. */
  expectLong(): void {
    if (this.#pinned === 0 && this.#mayPin()) this.#pin();
  }

  #mayPin(): boolean {
    return this.#locked !== Locked.None && this.#keyCount <= PINS_MAX;
  }

  #pin(): void {
    pinKeys(this.#keyspace.memory, this.cx.slots, this.cx.hashes, this.#keyArgs, this.#keyCount);
    this.#pinned = this.#keyCount;
  }

  /** A shard of the command being run that another thread waits for; null if there is none. */
  #waitedFor(): Shard | null {
    const { shards } = this.#keyspace;
    if (this.#locked === Locked.One) {
      const shard = shards[this.#lastShard] as LockedShard;
      return shard.isWaitedFor() ? shard : null;
    }
    for (let id = 0; id < SHARD_COUNT; id++) {
      const bit = id < 32 ? this.#low & (1 << id) : this.#high & (1 << (id - 32));
      if (bit !== 0 && (shards[id] as LockedShard).isWaitedFor()) return shards[id]!;
    }
    return null;
  }

  /**
   * Waits until no other thread has a key of the command pinned.
   * @returns false on an acceptor, whose locks are freed then
   */
  #waitForPins(): boolean {
    while (this.#meetsPin()) {
      this.#release();
      if (!this.#worker) {
        this.#locked = Locked.None;
        return false;
      }
      waitForPins(this.#keyspace.memory);
      this.#relock();
    }
    return true;
  }

  #meetsPin(): boolean {
    const { cx } = this;
    const { memory } = this.#keyspace;
    for (let i = 0; i < this.#keyCount; i++) {
      const arg = this.#keyArgs[i]!;
      if (isPinned(memory, cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT, cx.hashes[arg]!)) return true;
    }
    return false;
  }

  /** What an acceptor does that did not get a lock: the worker it would hand over to may be in a long command. */
  #refused(): Outcome {
    return this.#wasBusy ? Outcome.Busy : Outcome.HandOver;
  }

  /** Takes one lock: a worker waits for it, an acceptor for a moment. */
  #acquire(shard: Shard): boolean {
    if (this.#worker) {
      shard.acquire();
      return true;
    }
    if (shard.tryAcquire() !== null) return true;
    shard.countContention();
    const now = performance.now();
    const pinning = this.#control[GlobalWord.Pinning] !== 0;
    if (pinning || now >= this.#waitAgainAt) {
      if (shard.acquireWithin(pinning ? WAIT_FOR_BREATH_MS : WAIT_MS) !== null) return true;
      this.#waitAgainAt = performance.now() + WAIT_AGAIN_MS;
    }
    const { holder } = shard;
    this.#wasBusy = holder === 0 || this.#control[threadWord(holder, ThreadWord.Worker)] !== 0;
    return false;
  }

  #unlock(): void {
    if (this.#locked === Locked.None) return;
    if (this.#pinned !== 0) {
      unpinKeys(this.#keyspace.memory, this.cx.slots, this.#keyArgs, this.#pinned);
      this.#pinned = 0;
    }
    this.#release();
    this.#locked = Locked.None;
    this.#lastShard = -1;
  }

  /**
   * Keeps the lock of the command being run for the next one, where many in a row are on one key: unless somebody waits for
   * it, and for a few commands only.
   */
  #keepLock(): void {
    const shard = this.#keyspace.shards[this.#lastShard] as LockedShard;
    if (++this.#keptFor >= KEPT_COMMANDS || shard.isWaitedFor()) {
      this.#keptFor = 0;
      this.#unlock();
      return;
    }
    this.#kept = this.#lastShard;
    this.#locked = Locked.None;
    this.#lastShard = -1;
  }

  #freeKept(): void {
    if (this.#kept < 0) return;
    (this.#keyspace.shards[this.#kept] as LockedShard).release();
    this.#kept = -1;
  }

  /** Frees the locks that the command being run holds. */
  #release(): void {
    if (this.#locked === Locked.One) (this.#keyspace.shards[this.#lastShard] as LockedShard).release();
    else {
      this.#unlockBits(this.#low, 0);
      this.#unlockBits(this.#high, 32);
    }
  }

  /** Takes them again; for workers. */
  #relock(): void {
    if (this.#locked === Locked.One) this.#keyspace.shards[this.#lastShard]!.acquire();
    else {
      this.#lockBits(this.#low, 0);
      this.#lockBits(this.#high, 32);
    }
  }

  #unlockBits(bits: number, base: number): void {
    for (let rest = bits; rest !== 0; rest &= rest - 1) {
      (this.#keyspace.shards[base + lowestBit(rest)] as LockedShard).release();
    }
  }

  #count(command: Command): void {
    const stats = this.#server.stats;
    const session = this.cx.session;
    session.lastCommand = command;
    stats.add(Stat.Commands, 1);
    if (this.cx.failed) stats.countCommand(command.id, CommandStat.Failed);
    stats.countCommand(command.id, CommandStat.Calls);
    this.#group[this.#grouped++] = command.id;
    if (this.precise || this.#grouped === TIMED_GROUP) this.#closeGroup(performance.now());
  }

  /** Shares the time since the last look at the clock among the commands that ran in it. */
  #closeGroup(now: number): void {
    const stats = this.#server.stats;
    const usec = Math.max(0, ((now - this.#groupStart) * 1000) / this.#grouped);
    for (let i = 0; i < this.#grouped; ) {
      const id = this.#group[i]!;
      const first = i;
      while (i < this.#grouped && this.#group[i] === id) i++;
      stats.timed(id, usec, i - first);
    }
    this.#groupStart = now;
    if (this.precise) this.timed(this.cx, usec);
    this.#grouped = 0;
  }

  #followConfig(): void {
    const config = this.#server.config;
    const follow = (): void => {
      this.slowerThan = config.getInt('slowlog-log-slower-than');
      this.latencyThreshold = config.getInt('latency-monitor-threshold');
      this.#server.stats.latencyTracking = config.getBool('latency-tracking');
      this.maxMemory = config.getMemory('maxmemory');
      this.passwordSet = config.getString('requirepass') !== '';
      const wanted = this.slowerThan >= 0 && this.slowerThan < PRECISE_BELOW_USEC;
      this.precise = this.#worker || wanted || this.latencyThreshold > 0;
      const clock = this.#keyspace.clock;
      clock.lfu = config.getEnum('maxmemory-policy').endsWith('-lfu');
      clock.logFactor = config.getInt('lfu-log-factor');
      clock.decayMinutes = config.getInt('lfu-decay-time');
    };
    follow();
    for (const name of [
      'slowlog-log-slower-than',
      'latency-monitor-threshold',
      'latency-tracking',
      'maxmemory',
      'requirepass',
      'maxmemory-policy',
      'lfu-log-factor',
      'lfu-decay-time',
    ] as const) {
      config.watch(name, follow);
    }
  }
}

const nap = new Int32Array(new SharedArrayBuffer(4));

/** Sleeps. @param ms fractions count */
function sleep(ms: number): void {
  Atomics.wait(nap, 0, 0, ms);
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

/** Index of the lowest bit that is set. @param bits not 0 */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
