// What a command handler gets: its arguments, the reply, the client's session, and the locked shards of its keys.
//
// One instance per thread, reused for every command; nothing in it outlives the command (a deferred command copies
// what it needs). Arguments are byte ranges of `input`: argument i is [argOff[i], argOff[i] + argLen[i]).
//
// Keys: before the handler runs, the executor has computed slot and hash of each key argument (`slots[i]`, `hashes[i]`
// by argument index) and locked the shards. Handlers name keys by argument index. Records are seen through the views
// `rec`, `rec2`, `rec3`; a view is good until the next call that may move or delete its record.
//
// Handlers reply exactly once (RESP aggregate headers count as one), return early on errors, and throw only for bugs
// (and OutOfMemoryError, which the executor answers).

import { NotifyFlag } from '../config/multi-values.ts';
import type { KeyEvents } from '../keyspace/key-events.ts';
import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { KnownRecord } from '../keyspace/known-record.ts';
import { isPinned } from '../keyspace/pins.ts';
import { Encoding, RecordView, Type } from '../keyspace/record.ts';
import { copyBytes, type LockedShard } from '../keyspace/shard.ts';
import { touchWatched } from '../keyspace/watched.ts';
import { GlobalWord, ShardCounter, SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { isCanonicalInt64, parseInteger } from '../protocol/numbers.ts';
import { ReplyWriter } from '../protocol/reply-writer.ts';
import { BlockRequest } from './blocking.ts';
import { Effects } from './effects.ts';
import { ErrorText } from './errors.ts';
import { NoPubSub, type PubSub } from './pubsub-api.ts';
import type { ControlRequest, ReplyFunction, ServerApi } from './server-api.ts';
import type { Session } from './session.ts';
import type { Command } from './table.ts';
import { NoTracking, type Tracking } from './tracking-api.ts';

/** Longest value of Redis's embstr encoding, in bytes. */
const EMBSTR_MAX = 44;
const INT_TEXT_MAX = 20;

/** Who learns which keys change: implemented where clients wait for keys (execution/waiting-room.ts). */
export interface KeyWatch {
  /** How many wait. */
  readonly size: number;
  /** A key has changed; its bytes are `input` [off, off + len). */
  changed(db: number, slot: number, hash: number, input: Buffer, off: number, len: number): void;
}

/** Takes what a command has told of its effects: implemented by the change log of the thread (execution/change-log.ts). */
export interface ChangeTarget {
  /** Whether anybody wants effects now. To be asked with a lock held. */
  readonly wanted: boolean;
  append(cx: CommandContext): void;
}

/** What a long command tells the shard worker that runs it. */
export interface Pause {
  /** See CommandContext.breathe. */
  breathe(): void;
  /** See CommandContext.expectLong. */
  expectLong(): void;
}

export class CommandContext {
  readonly keyspace: Keyspace;
  readonly server: ServerApi;
  reply: ReplyWriter;
  /** The bytes arguments point into. */
  input: Buffer = Buffer.alloc(0);
  /** Where the client's request lies in `input` if it came as an array, all of a piece; requestStart is -1 if not. */
  requestStart = -1;
  requestEnd = 0;
  argc = 0;
  argOff: Int32Array = new Int32Array(64);
  argLen: Int32Array = new Int32Array(64);
  /** Slot and index hash by argument index, for arguments that are keys. */
  slots: Int32Array = new Int32Array(64);
  hashes: Int32Array = new Int32Array(64);
  command!: Command;
  session!: Session;
  /** The client's database. */
  db = 0;
  /** Changes made by this command: what INFO's rdb_changes_since_last_save counts. */
  dirty = 0;
  /** What the command leaves in the change stream, see effects.ts. */
  readonly effects: Effects = new Effects(this);
  readonly events: KeyEvents;
  /** Where effects go, null where none are wanted ever. */
  changes: ChangeTarget | null = null;
  /** Set by an error reply of this command. */
  failed = false;
  /** The lookups of this command leave access words alone (CLIENT NO-TOUCH, OBJECT, ...). */
  noTouch = false;
  /** Set by defer(): the connection waits for it. */
  deferred: Promise<ReplyFunction> | null = null;
  /** Set by request() on a shard worker: the acceptor is to ask. */
  requested: ControlRequest | null = null;
  /** What lets others have the locks in a long command: the executor of a shard worker. */
  pause: Pause | null = null;
  readonly pubsub: PubSub;
  readonly tracking: Tracking;
  /**
   * What the client is to get behind the reply of the command that runs: messages it has sent to itself. On a shard worker
   * something empty says that its acceptor has them, so that the batch has to end here.
   */
  readonly pushed: Buffer[] = [];
  /**
   * Whether this thread may sleep on locks: true on shard workers, false on acceptors. In a transaction that runs it is true on
   * acceptors, too: the locks are held, and its commands can't be handed over any more.
   */
  mayBlock: boolean;
  /** A transaction holds the locks of all shards. */
  allLocked = false;
  /** The command has applied CLIENT REPLY to its reply itself. */
  keepsReply = false;
  /** Set by handOver(): the executor drops the reply and lets a shard worker run the command. */
  handedOver = false;
  /** Set by a command after which the connection closes once replies are out (QUIT). */
  closeAfterReply = false;
  /** On the worker that keeps the clients that wait. */
  keyWatch: KeyWatch | null = null;
  /** Set by block(): the command has not replied, its client waits. */
  blocks = false;
  readonly blockRequest = new BlockRequest();
  /** Whether this run is one for a client that has waited, see blocking.ts. */
  resumed = false;
  /** Views on records: see above. */
  readonly rec: RecordView;
  readonly rec2: RecordView;
  readonly rec3: RecordView;
  /** The record of the key, in a run of commands on one. */
  readonly known = new KnownRecord();
  readonly #namedSlot = new Int32Array(1);
  readonly #namedHash = new Int32Array(1);
  readonly #control: Int32Array;

  constructor(keyspace: Keyspace, server: ServerApi, mayBlock: boolean) {
    this.keyspace = keyspace;
    this.#control = keyspace.memory.control;
    this.server = server;
    this.mayBlock = mayBlock;
    this.events = keyspace.events;
    this.pubsub = server.pubsub ?? new NoPubSub();
    this.tracking = server.tracking ?? new NoTracking();
    this.reply = new ReplyWriter();
    this.rec = new RecordView(keyspace.memory);
    this.rec2 = new RecordView(keyspace.memory);
    this.rec3 = new RecordView(keyspace.memory);
  }

  /** Unix time in ms at which this command runs. */
  get now(): number {
    return this.keyspace.now;
  }

  /**
   * Whether the commands are those of a log that is loaded (Keyspace.setReplayTime). It is no time then, so that nothing expires; and
   * what Redis takes from a log only, is taken.
   */
  get replaying(): boolean {
    return this.keyspace.now === 0;
  }

  /** As `now`, and the time also while a log is loaded: what spans that a command gives are counted from. */
  get present(): number {
    return this.keyspace.now === 0 ? Date.now() : this.keyspace.now;
  }

  // ---- keys and records ----

  /** The locked shard of a key argument. */
  shard(arg: number): LockedShard {
    return this.keyspace.shards[this.slots[arg]! >>> SLOT_TO_SHARD_SHIFT] as LockedShard;
  }

  /** The locked shard of a record. */
  shardOf(rec: RecordView): LockedShard {
    return this.keyspace.shards[rec.shard] as LockedShard;
  }

  /**
   * Looks a key up for a reading command: deletes it if its time has come, counts a hit or a miss, touches it.
   * @returns whether `rec` now points at it
   */
  lookupRead(arg: number, rec: RecordView = this.rec): boolean {
    const shard = this.shard(arg);
    if (this.#findAlive(shard, arg, this.db, rec)) {
      shard.count(ShardCounter.Hits, 1);
      return true;
    }
    shard.count(ShardCounter.Misses, 1);
    this.notifyMiss(arg);
    return false;
  }

  /** As lookupRead, for a writing command: hits and misses are not counted. */
  lookupWrite(arg: number, rec: RecordView = this.rec): boolean {
    return this.#findAlive(this.shard(arg), arg, this.db, rec);
  }

  /** As lookupWrite, in another database (MOVE, COPY). */
  lookupIn(db: number, arg: number, rec: RecordView): boolean {
    return this.#findAlive(this.shard(arg), arg, db, rec);
  }

  /**
   * As lookupRead, for a key that is no argument, but named by the data (SORT ... BY weight_*). The command has unknown
   * keys, so that all shards are locked.
   */
  lookupNamed(key: Buffer, off: number, len: number, rec: RecordView): boolean {
    hashKey(key, off, len, this.#namedSlot, this.#namedHash, 0);
    const slot = this.#namedSlot[0]!;
    const shard = this.keyspace.shards[slot >>> SLOT_TO_SHARD_SHIFT] as LockedShard;
    const found =
      shard.find(rec, this.db, slot, this.#namedHash[0]!, key, off, len) && this.#checkAlive(shard, rec);
    shard.count(found ? ShardCounter.Hits : ShardCounter.Misses, 1);
    if (!found && (this.events.flags & NotifyFlag.KeyMiss) !== 0)
      this.events.tell('keymiss', this.db, key, off, len);
    return found;
  }

  /**
   * Looks up a string for reading. Replies WRONGTYPE for another type.
   * @returns 1 found, 0 not there, -1 replied with an error
   */
  readString(arg: number, rec: RecordView = this.rec): number {
    if (!this.lookupRead(arg, rec)) return 0;
    return this.#checkString(rec);
  }

  /** As readString, for a writing command. */
  writeString(arg: number, rec: RecordView = this.rec): number {
    if (!this.lookupWrite(arg, rec)) return 0;
    return this.#checkString(rec);
  }

  /**
   * Looks up a value of one type for reading. Replies WRONGTYPE for another type.
   * @returns 1 found, 0 not there, -1 replied with an error
   */
  readTyped(arg: number, type: number, rec: RecordView = this.rec): number {
    if (!this.lookupRead(arg, rec)) return 0;
    if (rec.type === type) return 1;
    this.error(ErrorText.WrongType);
    return -1;
  }

  /** As readTyped, for a writing command. */
  writeTyped(arg: number, type: number, rec: RecordView = this.rec): number {
    if (!this.lookupWrite(arg, rec)) return 0;
    if (rec.type === type) return 1;
    this.error(ErrorText.WrongType);
    return -1;
  }

  /**
   * Gives key `arg` a string value, whatever it had before; `rec` points at the record.
   * @param found whether `rec` is the key's record now (from lookupWrite)
   * @param source bytes of the value: [off, off + len). Must not lie in the record being overwritten
   * @param encoding Encoding.Raw, Embstr or Int; see stringEncoding()
   * @param expireAt unix time in ms, or -1 for none
   */
  setString(
    arg: number,
    found: boolean,
    source: Buffer,
    off: number,
    len: number,
    encoding: number,
    expireAt: number | bigint,
    rec: RecordView = this.rec,
  ): void {
    this.setStringLength(arg, found, len, encoding, expireAt, rec);
    copyBytes(source, off, rec.bytes, rec.valueOffset, len);
  }

  /** As setString, but the caller fills the `len` bytes at rec.bytes[rec.valueOffset] (undefined until then). */
  setStringLength(
    arg: number,
    found: boolean,
    len: number,
    encoding: number,
    expireAt: number | bigint,
    rec: RecordView = this.rec,
  ): void {
    const shard = this.shard(arg);
    if (found) {
      shard.overwrite(rec, Type.String, encoding, len, expireAt);
      // The look-up has touched it already, and doing so twice would count a use twice. Only under NO-TOUCH the new
      // value must get its own time, as a new object of Redis does; a frequency stays.
      if (this.noTouch && !this.keyspace.clock.lfu) rec.setAccess(this.keyspace.clock.initial());
    } else {
      this.createRecord(arg, Type.String, encoding, len, expireAt, 0, rec);
    }
  }

  /** Makes a record for key `arg`, which is not there. @param spare bytes of room behind the value */
  createRecord(
    arg: number,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint,
    spare: number,
    rec: RecordView = this.rec,
  ): void {
    const off = this.argOff[arg]!;
    this.shard(arg).create(
      rec, this.db, this.slots[arg]!, this.hashes[arg]!, this.input, off, this.argLen[arg]!,
      type, encoding, valueLen, expireAt, this.keyspace.clock.initial(), spare,
    ); // biome-ignore format: many short arguments
    this.notify(NotifyFlag.New, 'new', arg);
  }

  /**
   * Makes a record for key `arg` that is in no index yet: what a *STORE command builds its result in. The key's value of
   * today stays as it is until attach().
   */
  createDetached(
    arg: number,
    rec: RecordView,
    type: number,
    encoding: number,
    valueLen: number,
    expireAt: number | bigint = -1,
    spare = 0,
  ): void {
    const off = this.argOff[arg]!;
    this.shard(arg).createDetached(
      rec, this.db, this.slots[arg]!, this.hashes[arg]!, this.input, off, this.argLen[arg]!,
      type, encoding, valueLen, expireAt, this.keyspace.clock.initial(), spare,
    ); // biome-ignore format: many short arguments
  }

  /** Puts a detached record in the place of its key's record, which is deleted if there is one. */
  attach(arg: number, rec: RecordView): void {
    if (this.shard(arg).attach(rec)) this.notify(NotifyFlag.New, 'new', arg);
  }

  /** Frees a detached record and its value. */
  discard(rec: RecordView): void {
    this.shardOf(rec).discard(rec);
  }

  /** The encoding that SET gives a value: int, embstr or raw, as Redis's tryObjectEncoding. */
  stringEncoding(bytes: Buffer, off: number, len: number): number {
    if (len <= INT_TEXT_MAX && isCanonicalInt64(bytes, off, len)) return Encoding.Int;
    return len <= EMBSTR_MAX ? Encoding.Embstr : Encoding.Raw;
  }

  /** Deletes a record. Does not count a change. */
  deleteRecord(rec: RecordView): void {
    this.shardOf(rec).remove(rec);
  }

  /**
   * To be called once per key that a command changed: what watches keys learns of it here.
   * @param changes what it adds to the count of changes
   * @param db where the key is
   */
  keyChanged(arg: number, changes = 1, db = this.db): void {
    if (this.#control[GlobalWord.Noticing] !== 0) this.#tellNoticing(arg, db);
    this.keyReady(arg, changes, db);
  }

  /** As keyChanged, for what matters to clients that wait for the key, but is no change of it: groups of a stream. */
  keyReady(arg: number, changes = 1, db = this.db): void {
    this.dirty += changes;
    const watch = this.keyWatch;
    if (watch !== null && watch.size !== 0) {
      watch.changed(
        db,
        this.slots[arg]!,
        this.hashes[arg]!,
        this.input,
        this.argOff[arg]!,
        this.argLen[arg]!,
      );
    }
  }

  /**
   * Tells the effects of the command now, not after it: for commands that lock shards themselves, before they free them.
   * The change has to be counted by then.
   */
  tellNow(): void {
    if (this.effects.wanted) this.changes?.append(this);
  }

  /**
   * Says that the work of this command is long: its keys are pinned from now on, and acceptors that need one of its
   * shards wait for it to breathe instead of queueing behind it on this thread.
   */
  expectLong(): void {
    if (this.mayBlock) this.pause?.expectLong();
  }

  /**
   * For the loops of long commands, about every thousand elements: lets other threads have the shards for a moment if
   * they want them. The keys of the command are pinned meanwhile: nobody else writes them, their records and blocks
   * stay. To be called only while every structure is whole and nothing is changed that others may not see yet.
   */
  breathe(): void {
    if (this.mayBlock) this.pause?.breathe();
  }

  /** Whether a record's time has come. */
  isExpired(rec: RecordView): boolean {
    return rec.expires && rec.expireAt <= this.keyspace.now;
  }

  /**
   * Deletes a record whose time has come, met by a command that names no keys; its shard is locked.
   * @returns false if a long command that began before reads it still
   */
  removeExpired(shard: LockedShard, rec: RecordView): boolean {
    if (isPinned(this.keyspace.memory, shard.id, rec.hash)) return false;
    if (this.effects.wanted) {
      const lazy = this.server.config.getBool('lazyfree-lazy-expire');
      this.effects.deleted(rec.db, rec.bytes, rec.keyOffset, rec.keyLength, lazy);
    }
    if ((this.events.flags & NotifyFlag.Expired) !== 0)
      this.events.tell('expired', rec.db, rec.bytes, rec.keyOffset, rec.keyLength);
    this.keyspace.noticeGone(rec);
    shard.remove(rec);
    shard.count(ShardCounter.Expired, 1);
    return true;
  }

  /**
   * Tells that something has happened to the key of argument `arg`: a keyspace notification.
   * @param type one of NotifyFlag
   * @param event its name
   * @param db where the key is
   */
  notify(type: number, event: string, arg: number, db = this.db): void {
    const { events } = this;
    if ((events.flags & type) !== 0) events.tell(event, db, this.input, this.argOff[arg]!, this.argLen[arg]!);
  }

  /** Tells that the key of argument `arg` was looked for and is not there. */
  notifyMiss(arg: number): void {
    const { events } = this;
    if ((events.flags & NotifyFlag.KeyMiss) !== 0)
      events.miss(this.db, this.input, this.argOff[arg]!, this.argLen[arg]!);
  }

  /** Does `work` without telling of one class of events. @param type one of NotifyFlag */
  withoutEvents(type: number, work: () => void): void {
    const { events } = this;
    const { flags } = events;
    events.flags = flags & ~type;
    try {
      work();
    } finally {
      events.flags = flags;
    }
  }

  /** As notify(), for elements taken from the value of `rec`: tells, too, if the key went with the last one. */
  notifyRemoval(type: number, event: string, arg: number, rec: RecordView): void {
    if (this.events.flags === 0) return;
    this.notify(type, event, arg);
    if (rec.ref === 0) this.notify(NotifyFlag.Generic, 'del', arg);
  }

  /** Computes slot and hash of argument `arg`, for a key that the key specs do not name. Locks nothing. */
  hashArgument(arg: number): void {
    hashKey(this.input, this.argOff[arg]!, this.argLen[arg]!, this.slots, this.hashes, arg);
  }

  /**
   * Locks a shard for a command that names no keys (SCAN, RANDOMKEY, FLUSHALL, ...); leaveShard() frees it.
   * Several must be taken in ascending order. Such a command holds no other locks.
   * @returns null on an acceptor if the shard is busy: free what was taken, call handOver() and return
   */
  enterShard(id: number): LockedShard | null {
    const shard = this.keyspace.shards[id]!;
    if (this.allLocked) return shard as LockedShard;
    const locked = this.mayBlock ? shard.acquire() : shard.tryAcquire();
    if (locked !== null && this.changes !== null && !this.effects.wanted) this.#startTelling(this.changes);
    return locked;
  }

  /** What was deleted on the way is told before the lock is free. */
  leaveShard(shard: LockedShard): void {
    if (this.allLocked) return;
    if (this.effects.wanted && this.effects.count > 0) this.tellNow();
    shard.release();
  }

  /** Ends the handler now: the command must run on a shard worker. Nothing may have been changed. */
  handOver(): void {
    this.handedOver = true;
  }

  /**
   * Ends the handler now, without a reply: the client waits until a key has something for it, see blocking.ts.
   * @param type of the values to wait for
   * @param until unix time in ms at which the wait is over, 0 for never (parseTimeout)
   * @param firstKey first of the arguments that are keys to wait for
   * @param keyCount how many there are; they lie side by side
   * @param orGone whether to run again also when one of them is deleted or has got another type (XREADGROUP)
   * @returns false if this client may not wait (in a transaction, in a script): the handler replies that nothing is there
   */
  block(type: number, until: number, firstKey: number, keyCount: number, orGone = false): boolean {
    if (this.session.denyBlocking) return false;
    this.blocks = true;
    this.blockRequest.set(type, until, firstKey, keyCount, orGone);
    return true;
  }

  /** After block(): what later runs get in place of an argument (the ID that `$` stands for). */
  replaceArgument(arg: number, text: string): void {
    this.blockRequest.replaced.set(arg, text);
  }

  // ---- arguments ----

  /** Whether argument `arg` is `word` (upper-case ASCII), in any case. */
  argIs(arg: number, word: string): boolean {
    const len = this.argLen[arg]!;
    if (len !== word.length) return false;
    const off = this.argOff[arg]!;
    for (let i = 0; i < len; i++) {
      const byte = this.input[off + i]!;
      const upper = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
      if (upper !== word.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Argument as a string of latin1 (bytes kept). Not for hot paths. */
  argLatin1(arg: number): string {
    return this.input.toString('latin1', this.argOff[arg]!, this.argOff[arg]! + this.argLen[arg]!);
  }

  /** Argument as a string of UTF-8. Not for hot paths. */
  argUtf8(arg: number): string {
    return this.input.toString('utf8', this.argOff[arg]!, this.argOff[arg]! + this.argLen[arg]!);
  }

  /** Argument as a safe integer, NaN if it is none (64-bit ones beyond 2^53 too: see parseInteger64). */
  argInteger(arg: number): number {
    return parseInteger(this.input, this.argOff[arg]!, this.argLen[arg]!);
  }

  // ---- replies ----

  /** Replies with an error. @param text without '-' */
  error(text: string): void {
    this.failed = true;
    this.server.stats.countError(text);
    this.reply.error(text);
  }

  /** Error for an unknown option or a malformed command line. */
  syntaxError(): void {
    this.error(ErrorText.Syntax);
  }

  /**
   * Ends the handler now and lets the connection wait: its next command runs after the reply is written.
   * Only for commands with Place.Connection or Place.Supervisor.
   * @param work resolves to what writes the reply; a rejection is answered with the Error's message
   */
  defer(work: Promise<ReplyFunction>): void {
    this.deferred = work;
  }

  /**
   * Lets the supervisor answer the command, with a simple string or a refusal: from any thread, unlike defer(). What the
   * command has changed before stays so.
   */
  request(method: string, payload: unknown): void {
    if (this.mayBlock) this.requested = { method, payload };
    else
      this.defer(
        this.server.ask(method, payload).then((text) => (reply) => reply.simpleString(text as string)),
      );
  }

  // ---- private ----

  /** Effects may be wanted since a command began that locks shards itself: a log was turned on. */
  #startTelling(changes: ChangeTarget): void {
    // What is replayed, the log has.
    if (!changes.wanted || this.replaying) return;
    this.effects.reset();
    this.effects.wanted = true;
  }

  #findAlive(shard: LockedShard, arg: number, db: number, rec: RecordView): boolean {
    const { known } = this;
    const mayBeKnown = arg === known.arg;
    if (
      !shard.find(
        rec,
        db,
        this.slots[arg]!,
        this.hashes[arg]!,
        this.input,
        this.argOff[arg]!,
        this.argLen[arg]!,
        mayBeKnown ? known.refIn(shard.index, db) : 0,
      )
    ) {
      return false;
    }
    if (mayBeKnown) known.note(shard.index, db, rec.ref);
    return this.#checkAlive(shard, rec);
  }

  /** Deletes a record whose time has come, and touches one that lives. @returns whether it lives */
  #checkAlive(shard: LockedShard, rec: RecordView): boolean {
    if (rec.expires && rec.expireAt <= this.keyspace.now) {
      this.removeExpired(shard, rec);
      return false;
    }
    if (!this.noTouch) rec.setAccess(this.keyspace.clock.touched(rec.access));
    return true;
  }

  /** Tells those who watch or cache a key that it has changed. */
  #tellNoticing(arg: number, db: number): void {
    if (this.#control[GlobalWord.Watching] !== 0)
      touchWatched(this.keyspace.memory, db, this.slots[arg]!, this.hashes[arg]!);
    this.keyspace.tracker?.changed(this.input, this.argOff[arg]!, this.argLen[arg]!, this.session.id);
  }

  #checkString(rec: RecordView): number {
    if (rec.type === Type.String) return 1;
    this.error(ErrorText.WrongType);
    return -1;
  }
}
