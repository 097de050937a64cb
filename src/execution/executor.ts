// Runs one command: finds its row in the table, checks what may be checked before it runs, locks the shards of its
// keys in ascending order, estimates its work, runs the handler, unlocks, counts.
//
// The same executor runs on acceptors and on shard workers. An acceptor never sleeps on a lock and never starts long
// work: where it would have to, execute() answers HandOver and nothing has happened. A worker sleeps on locks and runs
// everything but what touches a connection, for which it answers ToAcceptor.
//
// Deadlock: every thread takes shard locks in ascending order, and a command holds none when it begins. The pool's
// lock (memory/chunk-pool.ts) is taken last and never held while taking another.

import { CommandContext } from '../commands/context.ts';
import { ErrorText, wrongArity } from '../commands/errors.ts';
import { replyUnknown } from '../commands/help.ts';
import { keyPositions } from '../commands/key-positions.ts';
import type { ServerApi } from '../commands/server-api.ts';
import { type Command, CommandFlag, type CommandTable, KeyPlan, Place } from '../commands/table.ts';
import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GlobalWord, SHARD_COUNT, ShardCounter, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { CommandStat, Stat } from '../metrics/stats.ts';
import type { RequestParser } from '../protocol/request-parser.ts';
import { LookAhead } from './look-ahead.ts';

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
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Work (bytes touched) up to which an acceptor runs a command in place: some 50 microseconds. */
export const IN_PLACE_WORK_MAX = 256 * 1024;
/** Commands whose time is measured together, so that the clock is read once for all of them. */
const TIMED_GROUP = 16;
/** With a slow-log threshold below this (microseconds) each command is timed by itself. */
const PRECISE_BELOW_USEC = 2000;

export const PauseMode = { None: 0, Writes: 1, All: 2 } as const;

/** What the executor tells the thread it runs on; implemented by acceptor and worker. */
export interface ExecutorEvents {
  /** A client is in MONITOR: called before the command runs. */
  monitored(cx: CommandContext): void;
  /** A command took at least as long as slowlog-log-slower-than says. */
  slow(cx: CommandContext, usec: number): void;
  /** A command took at least as long as latency-monitor-threshold says. @param ms whole */
  late(cx: CommandContext, ms: number): void;
  /** Makes room when maxmemory is reached. @returns whether the command may go on */
  makeRoom(cx: CommandContext): boolean;
}

export class Executor {
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
  /** Which shards the command locks, and which it has. */
  readonly #wanted = new Uint8Array(SHARD_COUNT);
  #locked = 0;
  #lastShard = -1;
  readonly #group = new Int32Array(TIMED_GROUP);
  #grouped = 0;
  #groupStart = 0;
  /** Microseconds, -1: the slow log is off. */
  slowerThan = 10000;
  /** Milliseconds, 0: the latency monitor is off. */
  latencyThreshold = 0;
  /** Bytes, 0: no limit. */
  maxMemory = 0;
  precise: boolean;

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
    this.#followConfig();
  }

  /** Begins a batch: sets the clock that its commands run at. */
  begin(): void {
    this.#keyspace.setTime(Date.now());
    this.#groupStart = performance.now();
  }

  /** Ends a batch: counts what was timed. */
  end(): void {
    if (this.#grouped > 0) this.#closeGroup(performance.now());
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
    if (command === null) return Outcome.Done;
    cx.command = command;
    if (command.arity >= 0 ? argc !== command.arity : argc < -command.arity) {
      return this.#reject(command, wrongArity(command.name));
    }
    const flags = command.flags;
    if (!cx.session.authenticated && (flags & CommandFlag.NoAuth) === 0) return this.#reject(command, ErrorText.NoAuth);
    const control = this.#control;
    if (control[GlobalWord.PauseMode] !== PauseMode.None && this.#isPaused(flags)) return Outcome.Paused;
    if (control[GlobalWord.Loading] !== 0 && (flags & CommandFlag.Loading) === 0) {
      return this.#reject(command, ErrorText.Loading);
    }
    if (this.#worker) {
      if (command.place >= Place.Connection) return Outcome.ToAcceptor;
    } else if (command.place === Place.Worker) return Outcome.HandOver;
    if (this.maxMemory !== 0 && this.#keyspace.usedBytes() > this.maxMemory) {
      const room = this.#events.makeRoom(cx);
      if (!room && (flags & CommandFlag.Denyoom) !== 0) return this.#reject(command, ErrorText.OutOfMemory);
    }
    return this.#run(command);
  }

  #run(command: Command): Outcome {
    const cx = this.cx;
    if (command.keyPlan === KeyPlan.Single) {
      const arg = command.firstKey;
      this.#hashSingle(arg);
      const shard = this.#keyspace.shards[cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT]!;
      if (this.#worker) shard.acquire();
      else if (shard.tryAcquire() === null) {
        shard.countContention();
        return Outcome.HandOver;
      }
      this.#locked = 1;
      this.#lastShard = shard.id;
    } else if (command.keyPlan !== KeyPlan.None && !this.#lockKeys(command)) return Outcome.HandOver;

    if (!this.#worker && command.place === Place.Estimated && command.estimate!(cx) > IN_PLACE_WORK_MAX) {
      this.#unlock();
      return Outcome.HandOver;
    }
    return this.#call(command);
  }

  /** Slot and hash of a command's only key: looked ahead, or computed now. */
  #hashSingle(arg: number): void {
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
    hashKey(cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.slots, cx.hashes, arg);
  }

  #call(command: Command): Outcome {
    const cx = this.cx;
    const mark = cx.reply.length;
    cx.noTouch = cx.session.noTouch;
    cx.dirty = 0;
    cx.handedOver = false;
    cx.deferred = null;
    cx.closeAfterReply = false;
    cx.reply.resp = cx.session.resp;
    if (this.#control[GlobalWord.Monitors] !== 0 && (command.flags & CommandFlag.SkipMonitor) === 0) {
      this.#events.monitored(cx);
    }
    if (this.precise) this.#groupStart = performance.now();
    try {
      command.handler!(cx);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      cx.reply.truncate(mark);
      cx.error(ErrorText.OutOfMemory);
    }
    if (cx.dirty !== 0 && this.#lastShard >= 0) this.#countDirty();
    this.#unlock();
    if (cx.handedOver) {
      cx.reply.truncate(mark);
      return Outcome.HandOver;
    }
    this.#count(command);
    if (cx.deferred !== null) return Outcome.Deferred;
    return cx.closeAfterReply ? Outcome.Close : Outcome.Done;
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

  #reject(command: Command, text: string): Outcome {
    this.cx.error(text);
    this.#server.stats.countCommand(command.id, CommandStat.Rejected);
    return Outcome.Done;
  }

  /** CLIENT PAUSE: whether a command with these flags has to wait. */
  #isPaused(flags: number): boolean {
    const left = (Atomics.load(this.#control, GlobalWord.PauseUntil) - (this.#keyspace.now | 0)) | 0;
    if (left <= 0) {
      Atomics.store(this.#control, GlobalWord.PauseMode, PauseMode.None);
      return false;
    }
    if ((this.cx.command.name.startsWith('client|') || this.cx.command.name === 'shutdown') && !this.#worker) return false;
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
    const wanted = this.#wanted;
    wanted.fill(0);
    const count = this.#keysOf(command);
    if (count > this.#keyArgs.length) {
      this.#keyArgs = new Int32Array(cx.argOff.length);
      return this.#lockKeys(command);
    }
    for (let i = 0; i < count; i++) {
      const arg = this.#keyArgs[i]!;
      hashKey(cx.input, cx.argOff[arg]!, cx.argLen[arg]!, cx.slots, cx.hashes, arg);
      wanted[cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT] = 1;
    }
    for (let id = 0; id < SHARD_COUNT; id++) {
      if (wanted[id] === 0) continue;
      const shard = this.#keyspace.shards[id]!;
      if (this.#worker) shard.acquire();
      else if (shard.tryAcquire() === null) {
        shard.countContention();
        for (let taken = id; taken < SHARD_COUNT; taken++) wanted[taken] = 0;
        this.#locked = 2;
        this.#unlock();
        return false;
      }
      this.#lastShard = id;
    }
    this.#locked = 2;
    return true;
  }

  #keysOf(command: Command): number {
    const cx = this.cx;
    return keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.#keyArgs);
  }

  #unlock(): void {
    if (this.#locked === 0) return;
    if (this.#locked === 1) (this.#keyspace.shards[this.#lastShard] as LockedShard).release();
    else this.#unlockAll();
    this.#locked = 0;
    this.#lastShard = -1;
  }

  #unlockAll(): void {
    const wanted = this.#wanted;
    for (let id = 0; id < SHARD_COUNT; id++) {
      if (wanted[id] !== 0) (this.#keyspace.shards[id] as LockedShard).release();
    }
  }

  #countDirty(): void {
    (this.#keyspace.shards[this.#lastShard] as LockedShard).count(ShardCounter.Dirty, this.cx.dirty);
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
    for (let i = 0; i < this.#grouped; i++) stats.timed(this.#group[i]!, usec, 1);
    this.#groupStart = now;
    if (this.precise) {
      if (this.slowerThan >= 0 && usec >= this.slowerThan) this.#events.slow(this.cx, usec);
      const ms = Math.floor(usec / 1000);
      if (this.latencyThreshold > 0 && ms >= this.latencyThreshold) this.#events.late(this.cx, ms);
    }
    this.#grouped = 0;
  }

  #followConfig(): void {
    const config = this.#server.config;
    const follow = (): void => {
      this.slowerThan = config.getInt('slowlog-log-slower-than');
      this.latencyThreshold = config.getInt('latency-monitor-threshold');
      this.#server.stats.latencyTracking = config.getBool('latency-tracking');
      this.maxMemory = config.getMemory('maxmemory');
      const wanted = this.slowerThan >= 0 && this.slowerThan < PRECISE_BELOW_USEC;
      this.precise = this.#worker || wanted || this.latencyThreshold > 0;
      const clock = this.#keyspace.clock;
      clock.lfu = config.getEnum('maxmemory-policy').endsWith('-lfu');
      clock.logFactor = config.getInt('lfu-log-factor');
      clock.decayMinutes = config.getInt('lfu-decay-time');
    };
    follow();
    for (const name of ['slowlog-log-slower-than', 'latency-monitor-threshold', 'latency-tracking', 'maxmemory', 'maxmemory-policy', 'lfu-log-factor', 'lfu-decay-time'] as const) {
      config.watch(name, follow);
    }
  }
}
