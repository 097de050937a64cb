// EXEC: runs what a client has queued since MULTI, with the locks of all its keys, and of those it watches, held from the
// first command to the last.
//
// run() goes the way of the executor's commands, for all of them at once: locks, pins, keys that somebody waits for, what
// a snapshot has yet to save, the estimate of the work. Until then nothing has happened, and EXEC may be handed over: the
// queue goes to the worker with it. Then the watched keys are looked at, and the handlers are called one after the other. They
// cannot be handed over, wait, or take breaths any more. What they tell of their effects is one unit.
//
// Left for later are commands that another thread answers (CONFIG SET, CLIENT LIST), and on a shard worker those of the
// connection (CLIENT SETNAME): gaps in the reply (exec-gaps.ts). Behind the first one all commands of administration are such
// (CONFIG GET sees what CONFIG SET has set). So commands on data are atomic, and commands of administration keep their order
// among themselves; between the two kinds it may change.

import { DenialContext } from '../acl/acl-log.ts';
import type { CommandContext } from '../commands/context.ts';
import { Denial } from '../commands/identity.ts';
import type { ReplyFunction } from '../commands/server-api.ts';
import { ReplyMode, type Session } from '../commands/session.ts';
import { type Command, CommandFlag, IN_PLACE_WORK_MAX, KeyPlan, Place } from '../commands/table.ts';
import { Track } from '../commands/tracking-api.ts';
import { dropTransaction, QueuedCommand, type Transaction } from '../commands/transaction.ts';
import { unwatchAll } from '../commands/watches.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { anyPins, waitForPins } from '../keyspace/pins.ts';
import { RecordView, Type } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { GlobalWord, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import type { ChangeLog } from './change-log.ts';
import { fillGaps, type Gap, type GappedReply } from './exec-gaps.ts';
import type { ExecutingServer } from './executing-server.ts';
import type { Executor } from './executor.ts';
import { KeptCommand } from './kept-command.ts';
import type { KeyLocks } from './key-locks.ts';
import { hasRun, Outcome } from './outcome.ts';
import { Preserved, type Preserver } from './preserve.ts';

/** What a command costs beside its own work, in units of IN_PLACE_WORK_MAX. */
const COMMAND_WORK = 512;
const MAY_CHANGE = CommandFlag.Write | CommandFlag.MayReplicate;
const ABORTED = 'EXECABORT Transaction discarded because of previous errors.';
const RULES_CHANGED =
  'NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: ';
/** Of the connection, but known to shard workers, which send them back. */
const TRAVELLING: ReadonlySet<string> = new Set(['client|reply', 'client|no-touch', 'client|caching']);

const NO_KEYS = new Int32Array(0);

/** What of an executor a transaction uses. */
export interface TransactionParts {
  readonly keyspace: Keyspace;
  readonly server: ExecutingServer;
  readonly locks: KeyLocks;
  readonly preserver: Preserver;
  readonly changes: ChangeLog | null;
  readonly worker: boolean;
}

export class Transactions {
  /** After Outcome.Gaps, on a shard worker. */
  gapped: GappedReply | null = null;
  readonly #executor: Executor;
  readonly #parts: TransactionParts;
  readonly #control: Int32Array;
  readonly #queued = new QueuedCommand();
  readonly #view: RecordView;
  /** Takes what commands tell at their end: told once for all. */
  readonly #gather: { readonly wanted: boolean; append(cx: CommandContext): void };

  constructor(executor: Executor, parts: TransactionParts) {
    this.#executor = executor;
    this.#parts = parts;
    this.#control = parts.keyspace.memory.control;
    this.#view = new RecordView(parts.keyspace.memory);
    this.#gather = {
      get wanted() {
        return parts.changes?.wanted ?? false;
      },
      append({ effects, dirty }: CommandContext) {
        if (!effects.told && dirty !== 0) effects.verbatim();
        effects.told = true;
      },
    };
  }

  /** Queues the command in the executor's context. */
  queue(command: Command): void {
    const { cx } = this.#executor;
    const { locks } = this.#parts;
    const transaction = cx.session.transaction!;
    cx.session.lastCommand = command;
    cx.reply.simpleString('QUEUED');
    if (transaction.failed) return;
    locks.keyCount = 0;
    const all = command.keyPlan !== KeyPlan.None && locks.findKeys(command);
    for (let i = 0; i < locks.keyCount; i++)
      transaction.addShard(cx.slots[locks.keyArgs[i]!]! >>> SLOT_TO_SHARD_SHIFT);
    transaction.add(cx, locks.keyArgs, locks.keyCount, all);
  }

  /** EXEC in the executor's context, of a client that has said MULTI. */
  run(exec: Command): Outcome {
    const { cx } = this.#executor;
    const { session } = cx;
    const transaction = session.transaction!;
    const { memory } = this.#parts.keyspace;
    const kept = new KeptCommand(cx, this.#parts.locks);
    const started = this.#executor.times.precise ? performance.now() : 0;
    let outcome: Outcome = Outcome.Done;
    if (transaction.failed) cx.error(ABORTED);
    else if (session.watches?.anyChanged(memory)) cx.reply.nullArray();
    else {
      outcome = this.#prepare(transaction);
      if (outcome === Outcome.Done) outcome = this.#runPrepared(transaction);
      kept.restore();
    }
    if (!hasRun(outcome)) return outcome;
    cx.command = exec;
    this.#executor.ran(exec, started);
    this.#executor.endMonitored();
    if (this.#parts.worker) session.executed = true;
    unwatchAll(memory, session);
    if (outcome !== Outcome.Deferred) {
      dropTransaction(transaction);
      session.transaction = null;
    }
    if (session.tracking !== 0) this.#parts.server.tracking!.ranCommand(cx, NO_KEYS, 0);
    return outcome;
  }

  // ---- before anything happens ----

  /** Locks all that is needed. @returns Done: the commands can run; else nothing is locked */
  #prepare(transaction: Transaction): Outcome {
    const { locks, worker } = this.#parts;
    const executor = this.#executor;
    if (transaction.changesAnything && !executor.isKeeper) return Outcome.ToKeeper;
    if (!this.#checkRights(transaction)) return Outcome.ToAcceptor;
    if (transaction.onWorker && !worker) return Outcome.HandOver;
    this.#want(transaction);
    locks.freeKept();
    if (!locks.lockWanted()) return locks.busy ? Outcome.Busy : Outcome.HandOver;
    for (;;) {
      if (!locks.any) break;
      if (!this.#waitForPins(transaction)) return Outcome.HandOver;
      if (this.#isForKeeper(transaction)) {
        locks.unlock();
        return Outcome.ToKeeper;
      }
      const preserved = this.#preserve(transaction);
      if (preserved === Preserved.Done) break;
      if (preserved === Preserved.Again) continue;
      locks.unlock();
      return Outcome.HandOver;
    }
    if (worker || this.#work(transaction) <= IN_PLACE_WORK_MAX) return Outcome.Done;
    locks.unlock();
    return Outcome.HandOver;
  }

  /**
   * Looks whether the client may still run all commands, and notes which it may not.
   * @returns false on a shard worker that knows of a change the acceptor has not seen then
   */
  #checkRights(transaction: Transaction): boolean {
    const { cx } = this.#executor;
    const { server, worker } = this.#parts;
    if (cx.session.identity.unlimited) return true;
    const queued = this.#queued;
    for (let at = 0; at < transaction.wordsUsed; at = queued.next) {
      this.#load(transaction, at);
      if (queued.denial !== Denial.None) continue;
      const denial = server.acl.check(cx);
      if (denial === Denial.None) continue;
      if (worker) return false;
      server.acl.note(cx, denial, DenialContext.Multi);
      queued.deny(transaction, denial);
    }
    return true;
  }

  #want(transaction: Transaction): void {
    const { locks } = this.#parts;
    const { session } = this.#executor.cx;
    if (transaction.allShards) locks.want(-1, -1);
    else locks.want(transaction.low, transaction.high);
    session.watches?.eachShard((shard) => locks.wantShard(shard));
    if (locks.room === null || locks.room.size === 0) return;
    this.#each(transaction, () => {
      locks.wantWaiters();
      return true;
    });
  }

  /** @returns false on an acceptor if it would have to wait: the locks are free then */
  #waitForPins(transaction: Transaction): boolean {
    const { locks, keyspace, worker } = this.#parts;
    while (this.#control[GlobalWord.Pinning] !== 0 && this.#meetsPin(transaction)) {
      if (!worker) {
        locks.unlock();
        return false;
      }
      locks.release();
      waitForPins(keyspace.memory);
      locks.relock();
    }
    return true;
  }

  #meetsPin(transaction: Transaction): boolean {
    const { locks, keyspace } = this.#parts;
    // Commands that name no keys may change any; all locks are held, so that there can be no new pins.
    if (transaction.allShards) return anyPins(keyspace.memory);
    return !this.#each(
      transaction,
      (command) => (command.flags & CommandFlag.Write) === 0 || !locks.meetsPin(),
    );
  }

  #isForKeeper(transaction: Transaction): boolean {
    if (this.#control[GlobalWord.Awaited] === 0) return false;
    return !this.#each(transaction, (command) => !this.#executor.isForKeeper(command.flags));
  }

  #preserve(transaction: Transaction): Preserved {
    if (this.#control[GlobalWord.SnapshotActive]! <= 0) return Preserved.Done;
    const { locks, preserver } = this.#parts;
    const { cx } = this.#executor;
    let preserved: Preserved = Preserved.Done;
    this.#each(transaction, (command) => {
      if ((command.flags & MAY_CHANGE) === 0) return true;
      // Whether SELECT will succeed is not known yet.
      const everywhere = transaction.changesDatabase || command.name === 'copy';
      preserved = preserver.keys(cx, locks.keyArgs, locks.keyCount, everywhere);
      return preserved === Preserved.Done;
    });
    return preserved;
  }

  /** What all commands together cost, about. */
  #work(transaction: Transaction): number {
    const { cx } = this.#executor;
    let work = 0;
    this.#each(transaction, (command) => {
      work += COMMAND_WORK;
      if (command.place === Place.Estimated) work += command.estimate!(cx);
      else if (command.keyPlan !== KeyPlan.None) work += this.#stringBytes();
      return work <= IN_PLACE_WORK_MAX;
    });
    return work;
  }

  /** Bytes of the strings that are the values of the command's keys: commands without estimate look at them themselves. */
  #stringBytes(): number {
    const { cx } = this.#executor;
    const { locks, keyspace } = this.#parts;
    let bytes = 0;
    for (let i = 0; i < locks.keyCount; i++) {
      const arg = locks.keyArgs[i]!;
      const slot = cx.slots[arg]!;
      const shard = keyspace.shards[slot >>> SLOT_TO_SHARD_SHIFT] as LockedShard;
      const { input, argOff, argLen } = cx;
      if (!shard.find(this.#view, cx.db, slot, cx.hashes[arg]!, input, argOff[arg]!, argLen[arg]!)) continue;
      if (this.#view.type === Type.String) bytes += this.#view.valueLength;
    }
    return bytes;
  }

  /**
   * Goes through the commands, each in the context with the database that it will run in if all goes well.
   * @param visit returns false to end it
   * @returns false if it did
   */
  #each(transaction: Transaction, visit: (command: Command) => boolean): boolean {
    const { cx } = this.#executor;
    const queued = this.#queued;
    const { db } = cx.session;
    cx.db = db;
    let all = true;
    for (let at = 0; at < transaction.wordsUsed && all; at = queued.next) {
      const command = this.#load(transaction, at);
      if (command.name === 'select') {
        const selected = cx.argInteger(1);
        if (selected >= 0 && selected < cx.keyspace.memory.databaseCount) cx.db = selected;
      }
      all = visit(command);
    }
    cx.db = db;
    return all;
  }

  /** Puts a command into the context. */
  #load(transaction: Transaction, at: number): Command {
    const { cx, table } = this.#executor;
    const { locks } = this.#parts;
    const queued = this.#queued;
    queued.load(transaction, at);
    const command = table.all[queued.id]!;
    cx.command = command;
    cx.input = transaction.bytes;
    cx.requestStart = -1;
    cx.argc = queued.argc;
    cx.argOff = queued.argOff;
    cx.argLen = queued.argLen;
    cx.slots = queued.slots;
    cx.hashes = queued.hashes;
    locks.keyArgs = queued.keyArgs;
    locks.keyCount = queued.keyCount;
    return command;
  }

  // ---- the run ----

  /** Everything is locked. @returns Done, Deferred, Close or Gaps; nothing is locked any more */
  #runPrepared(transaction: Transaction): Outcome {
    const { cx } = this.#executor;
    const { locks, keyspace, changes } = this.#parts;
    const { session, effects } = cx;
    if (session.watches?.anyGone(keyspace, this.#view)) {
      locks.unlock();
      cx.reply.nullArray();
      return Outcome.Done;
    }
    unwatchAll(keyspace.memory, session);
    const from = cx.reply.length;
    const mode = session.replyMode;
    effects.wanted = this.#control[GlobalWord.ChangesWanted] !== 0;
    if (effects.wanted) effects.reset();
    cx.closeAfterReply = false;
    const { mayBlock, pause } = cx;
    const { denyBlocking } = session;
    cx.mayBlock = true;
    cx.pause = null;
    cx.allLocked = transaction.allShards;
    cx.changes = this.#gather;
    this.#executor.beginMonitored();
    session.denyBlocking = true;
    const gaps = this.#runAll(transaction, from);
    session.denyBlocking = denyBlocking;
    cx.changes = changes;
    cx.allLocked = false;
    cx.pause = pause;
    cx.mayBlock = mayBlock;
    cx.failed = false;
    cx.keepsReply = mode === ReplyMode.On;
    if (effects.wanted) changes!.told(effects);
    this.#executor.serveAfter(transaction.changesAnything);
    locks.unlock();
    if (gaps.length > 0) return this.#leaveGaps(transaction, from, gaps);
    return this.#closes ? Outcome.Close : Outcome.Done;
  }

  /** Whether a command of the transaction that ran last closes the connection. */
  #closes = false;

  #runAll(transaction: Transaction, from: number): Gap[] {
    const { cx } = this.#executor;
    const { reply, session, effects } = cx;
    const queued = this.#queued;
    const { identity } = session;
    const gaps: Gap[] = [];
    // Behind a SUBSCRIBE that is left: what is published then, it is to hear.
    let hearsLater = false;
    this.#closes = false;
    reply.arrayHeader(transaction.count);
    for (let at = 0; at < transaction.wordsUsed; at = queued.next) {
      const mark = reply.length;
      const command = this.#load(transaction, at);
      cx.failed = false;
      if (session.identity !== identity) this.#checkAgain(transaction);
      if (queued.denial !== Denial.None) cx.error(RULES_CHANGED + reasonOf(queued.denial));
      else if (this.#isLeft(command, gaps.length > 0) || (hearsLater && isPubSub(command))) {
        if (isPubSub(command)) hearsLater = true;
        gaps.push({ at: mark - from, word: at, answer: null, request: null });
      } else {
        if (effects.wanted) effects.next();
        this.#runOne(command);
        if (cx.closeAfterReply) this.#closes = true;
        if (cx.deferred !== null || cx.requested !== null) {
          gaps.push({ at: mark - from, word: at, answer: this.#answer(), request: cx.requested });
        }
      }
      if (session.replyMode === ReplyMode.Off) reply.truncate(mark);
    }
    return gaps;
  }

  #runOne(command: Command): void {
    const executor = this.#executor;
    const { cx } = executor;
    const started = executor.times.precise ? performance.now() : 0;
    executor.invoke(command);
    if (cx.handedOver || cx.blocks)
      throw new Error(`'${command.name}' in a transaction ${cx.blocks ? 'waits' : 'was handed over'}`);
    const { locks, server } = this.#parts;
    if (cx.dirty !== 0) locks.countDirty(cx.dirty);
    if (cx.session.tracking !== 0) server.tracking!.ranQueued(cx, locks.keyArgs, locks.keyCount);
    if (cx.effects.wanted) this.#gather.append(cx);
    executor.ran(command, started);
  }

  /** The client is another user since a command of the transaction. */
  #checkAgain(transaction: Transaction): void {
    const { cx } = this.#executor;
    const { acl } = this.#parts.server;
    if (cx.session.identity.unlimited || this.#queued.denial !== Denial.None) return;
    const denial = acl.check(cx);
    if (denial === Denial.None) return;
    acl.note(cx, denial, DenialContext.Multi);
    this.#queued.deny(transaction, denial);
  }

  /** Whether a command is not for now. @param behind there is a gap before it */
  #isLeft(command: Command, behind: boolean): boolean {
    if (this.#parts.worker) {
      const bare = command.name === 'hello' && this.#executor.cx.argc <= 2;
      if (command.place >= Place.Connection && !bare && !TRAVELLING.has(command.name)) return true;
    }
    if (!behind || (command.flags & CommandFlag.Admin) === 0) return false;
    return command.keyPlan === KeyPlan.None && command.place !== Place.Worker;
  }

  #answer(): Promise<ReplyFunction> | null {
    const { deferred } = this.#executor.cx;
    // Who waits for it comes later; until then nobody shall think that nobody does.
    deferred?.catch(() => undefined);
    return deferred;
  }

  // ---- what is left ----

  #leaveGaps(transaction: Transaction, from: number, gaps: readonly Gap[]): Outcome {
    const { cx } = this.#executor;
    if (this.#parts.worker) {
      this.gapped = { from, gaps: gaps.map((gap) => ({ ...gap, answer: null })) };
      return Outcome.Gaps;
    }
    const bytes = Buffer.from(cx.reply.bytes.subarray(from, cx.reply.length));
    cx.reply.truncate(from);
    cx.deferred = this.fill(cx.session, transaction, bytes, gaps);
    cx.closeAfterReply = this.#closes;
    return Outcome.Deferred;
  }

  /**
   * Runs what an EXEC has left; on the client's acceptor.
   * @param bytes the reply without them
   * @returns what writes the whole reply
   */
  async fill(
    session: Session,
    transaction: Transaction,
    bytes: Buffer,
    gaps: readonly Gap[],
  ): Promise<ReplyFunction> {
    const run = (word: number) => this.#runLeft(session, transaction, word);
    const write = await fillGaps(this.#parts.server, bytes, gaps, run);
    session.transaction = null;
    // What was read behind a CLIENT TRACKING that comes into force only now, is not remembered.
    const remembers = (session.tracking & Track.Broadcast) === 0;
    if (remembers && gaps.some(({ word }) => this.#isTracking(transaction, word)))
      this.#parts.server.tracking!.tellAll(session);
    session.tracking &= ~Track.Caching;
    dropTransaction(transaction);
    return write;
  }

  #isTracking(transaction: Transaction, word: number): boolean {
    const kept = new KeptCommand(this.#executor.cx, this.#parts.locks);
    const { name } = this.#load(transaction, word);
    kept.restore();
    return name === 'client|tracking';
  }

  /** Runs one command between batches. */
  #runLeft(session: Session, transaction: Transaction, word: number): Promise<ReplyFunction> {
    const executor = this.#executor;
    const { cx } = executor;
    const { reply } = cx;
    const kept = new KeptCommand(cx, this.#parts.locks);
    executor.begin();
    cx.reply = new ReplyWriter();
    cx.session = session;
    cx.db = session.db;
    session.denyBlocking = true;
    this.#runOne(this.#load(transaction, word));
    session.denyBlocking = false;
    const { bytes, length } = cx.reply;
    const written = Buffer.from(bytes.subarray(0, length));
    cx.reply = reply;
    if (cx.pushed.length > 0) session.behind.push(...cx.pushed.splice(0));
    kept.restore();
    executor.end();
    if (cx.requested !== null) {
      const { method, payload } = cx.requested;
      return this.#parts.server.ask(method, payload).then((text) => (to) => to.simpleString(text as string));
    }
    return cx.deferred ?? Promise.resolve((to) => to.raw(written, 0, written.length));
  }
}

function isPubSub({ flags }: Command): boolean {
  return (flags & CommandFlag.Pubsub) !== 0;
}

function reasonOf(denial: number): string {
  switch (denial) {
    case Denial.Command:
      return 'no permission to execute the command or subcommand';
    case Denial.Key:
      return 'no permission to touch the specified keys';
    case Denial.Channel:
      return 'no permission to access one of the channels used as arguments';
    default:
      return 'no permission';
  }
}
