// Runs commands without a server: shared memory, keyspace and command table in this process, no sockets, no threads.
//
// It does what the executor does, in the simplest form: look the command up, check its arity, find and hash its keys,
// lock their shards in ascending order, ask for the estimate, run the handler, free the locks. Left out: ACL, the
// state of the server (loading, maxmemory), transactions, statistics, handing over to workers (locks may be waited
// for here, so nothing is ever handed over).

import { ThreadAcl } from '../../src/acl/thread-acl.ts';
import { CommandContext } from '../../src/commands/context.ts';
import { ErrorText, wrongArity } from '../../src/commands/errors.ts';
import { replyUnknown } from '../../src/commands/help.ts';
import { createCommandTable } from '../../src/commands/index.ts';
import { hasUnknownKeys, keyPositions } from '../../src/commands/key-positions.ts';
import type { ServerApi } from '../../src/commands/server-api.ts';
import { Session } from '../../src/commands/session.ts';
import { type Command, type CommandTable, IN_PLACE_WORK_MAX } from '../../src/commands/table.ts';
import { tellAfterFailure } from '../../src/commands/whole-effects.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { PINS_MAX, pinKeys, unpinKeys } from '../../src/keyspace/pins.ts';
import type { LockedShard } from '../../src/keyspace/shard.ts';
import { Logger } from '../../src/log/logger.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { SLOT_TO_SHARD_SHIFT } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, type SharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import type { Argument } from './raw-client.ts';
import { RespParser, toValue, type Value } from './resp-parser.ts';
import { commandsIn, type Told } from './told-commands.ts';

const THREAD = 1;
/** Of the key hash. */
export const SEED = [0x12345678, 0x1abcdef0] as const;

export interface InProcessOptions {
  /** RESP version. Default 2. */
  resp?: 2 | 3;
  /** Default 16. */
  databases?: number;
  /** Regions of 1 GiB; they take memory only where they are touched. Default 2. */
  regions?: number;
  table?: CommandTable;
  /** False: as on an acceptor, where a command may hand over; run() then returns nothing. Default true. */
  mayBlock?: boolean;
  /** With mayBlock false: hands over, too, what is estimated to be long, as an acceptor does. Default false. */
  heedEstimates?: boolean;
  /** Parts of the server to replace. */
  server?: Partial<ServerApi>;
  /** Shared memory of another instance, of another thread maybe. */
  buffers?: SharedBuffers;
  /** Id of the thread that works in the memory. Default 1. */
  thread?: number;
  /** Whether to gather what commands leave in the change stream, see `told`. Default false. */
  effects?: boolean;
}

export class InProcess {
  readonly keyspace: Keyspace;
  readonly table: CommandTable;
  readonly config: ConfigStore;
  readonly cx: CommandContext;
  readonly session: Session;
  /** What the last command's estimate said, 0 without one. */
  lastEstimate = 0;
  /** Changes that the last command counted. */
  lastDirty = 0;
  /** With `effects`: what the last command left in the change stream, as the executor writes it. */
  told: Told[] = [];
  /**
   * Called wherever a long command lets others have its shards: the locks are free then, and the keys pinned. A breath may
   * be taken at each of these places, so it always is.
   */
  onBreath: (() => void) | null = null;
  #positions = new Int32Array(16);
  #keyCount = 0;
  #locked: LockedShard[] = [];
  readonly #heedEstimates: boolean;
  #frozen = false;
  #startDb = 0;

  constructor(options: InProcessOptions = {}) {
    const memory = new SharedMemory(
      options.buffers ?? allocateSharedBuffers(options.databases ?? 16, options.regions ?? 2),
      options.thread ?? THREAD,
    );
    this.keyspace = new Keyspace(memory, SEED);
    this.table = options.table ?? createCommandTable();
    this.config = new ConfigStore(null, process.cwd());
    // FLUSHALL would ask to save.
    this.config.assign('save', '');
    this.cx = new CommandContext(this.keyspace, this.#server(options.server ?? {}), options.mayBlock ?? true);
    this.session = new Session(1, '127.0.0.1:1', '127.0.0.1:6379', false, Date.now());
    this.session.resp = options.resp ?? 2;
    this.cx.effects.wanted = options.effects ?? false;
    this.#heedEstimates = options.heedEstimates ?? false;
    this.cx.pause = { breathe: () => this.#breathe(), expectLong: () => undefined };
  }

  /** From now on it is this moment, until the next call. @param now unix time in ms */
  setTime(now: number): void {
    this.keyspace.setTime(now);
    this.#frozen = true;
  }

  /** Runs a command and returns the bytes of its reply, none if it waits (cx.blocks). Strings are sent as UTF-8. */
  run(...args: Argument[]): Buffer {
    const command = this.#begin(args);
    if (command !== null) this.#execute(command);
    if (this.cx.deferred !== null) throw new Error(`${args[0]} is deferred: use runDeferred`);
    return this.#takeReply();
  }

  /** As run, for commands that answer later (Place.Connection, Place.Supervisor). */
  async runDeferred(...args: Argument[]): Promise<Buffer> {
    const command = this.#begin(args);
    if (command !== null) this.#execute(command);
    if (this.cx.deferred === null) return this.#takeReply();
    try {
      const write = await this.cx.deferred;
      write(this.cx.reply);
    } catch (error) {
      this.cx.error((error as Error).message);
    }
    return this.#takeReply();
  }

  /** As run; the reply as text, one character per byte. */
  text(...args: Argument[]): string {
    return this.run(...args).toString('latin1');
  }

  /** As run; the reply as a value (errors are RespError objects). */
  value(...args: Argument[]): Value {
    const parser = new RespParser();
    parser.push(this.run(...args));
    const reply = parser.shift();
    if (reply === undefined) throw new Error(`${args[0]}: no whole reply`);
    if (parser.rest().length > 0) throw new Error(`${args[0]}: more than one reply`);
    return toValue(reply);
  }

  /** Runs `work` while keys are pinned, as in a breath of a command on them. */
  withPinned(keys: readonly string[], work: () => void): void {
    const command = this.#begin(['EXISTS', ...keys]);
    this.#locked = this.#lockShards(command!);
    this.#letGo(work);
    for (const shard of this.#locked) shard.release();
  }

  /** Throws at the first broken invariant of arena, index or records. */
  checkInvariants(): void {
    checkKeyspace(this.keyspace);
  }

  #server(parts: Partial<ServerApi>): ServerApi {
    const refuse = (method: string): Promise<never> =>
      Promise.reject(new Error(`ERR no server to ask for ${method}`));
    const stats = new Stats(allocateStats(this.table.all.length), THREAD);
    return {
      facts: {
        pid: process.pid,
        runId: '0'.repeat(40),
        startedAt: Date.now(),
        version: '0.0.0',
        redisVersion: '7.4.0',
        acceptors: 1,
        shardWorkers: 1,
        configFile: '',
        executable: process.execPath,
      },
      config: this.config,
      stats,
      acl: new ThreadAcl(this.table, stats, null, () => undefined),
      log: Logger.create('', 'nothing', 'M'),
      table: this.table,
      threadName: 'test',
      ask: refuse,
      askAcceptors: refuse,
      askThreads: refuse,
      ...parts,
    };
  }

  /** Puts the arguments in place. @returns null when an error was replied */
  #begin(args: readonly Argument[]): Command | null {
    const { cx } = this;
    const parts = args.map((arg) => (Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg))));
    // Something in front, so that offsets are never mistaken for zero.
    cx.input = Buffer.concat([Buffer.from('***'), ...parts]);
    cx.argc = parts.length;
    if (cx.argOff.length < parts.length) {
      cx.argOff = new Int32Array(parts.length * 2);
      cx.argLen = new Int32Array(parts.length * 2);
      cx.slots = new Int32Array(parts.length * 2);
      cx.hashes = new Int32Array(parts.length * 2);
    }
    let at = 3;
    for (let i = 0; i < parts.length; i++) {
      cx.argOff[i] = at;
      cx.argLen[i] = parts[i]!.length;
      at += parts[i]!.length;
    }
    cx.session = this.session;
    this.#startDb = this.session.db;
    cx.db = this.session.db;
    cx.dirty = 0;
    cx.effects.reset();
    this.told = [];
    cx.failed = false;
    cx.noTouch = this.session.noTouch;
    cx.deferred = null;
    cx.handedOver = false;
    cx.closeAfterReply = false;
    cx.blocks = false;
    cx.reply.reset();
    cx.reply.resp = this.session.resp;
    if (!this.#frozen) this.keyspace.setTime(Date.now());
    return this.#lookup();
  }

  #lookup(): Command | null {
    const { cx, table } = this;
    let command = table.lookup(cx.input, cx.argOff[0]!, cx.argLen[0]!);
    if (command === null) throw new Error(`no such command: ${cx.argLatin1(0)}`);
    if (command.subcommands !== null && cx.argc > 1) {
      const sub = table.lookupSub(command, cx.input, cx.argOff[1]!, cx.argLen[1]!);
      if (sub !== null) command = sub;
      else if (command.handler === null) {
        replyUnknown(cx, command);
        return null;
      }
    }
    if (command.arity > 0 ? cx.argc !== command.arity : cx.argc < -command.arity) {
      cx.error(wrongArity(command.name));
      return null;
    }
    cx.command = command;
    return command;
  }

  #breathe(): void {
    if (this.onBreath !== null) this.#letGo(this.onBreath);
  }

  /** Runs `work` with the locks free and the keys of the command pinned. After an error nothing is locked. */
  #letGo(work: () => void): void {
    if (this.#keyCount === 0 || this.#keyCount > PINS_MAX) return;
    const { memory } = this.keyspace;
    const locked = this.#locked;
    pinKeys(memory, this.cx.slots, this.cx.hashes, this.#positions, this.#keyCount);
    for (const shard of locked) shard.release();
    this.#locked = [];
    try {
      work();
      for (const shard of locked) shard.acquire();
      this.#locked = locked;
    } finally {
      unpinKeys(memory, this.cx.slots, this.#positions, this.#keyCount);
    }
  }

  #execute(command: Command): void {
    this.#locked = this.#lockShards(command);
    const mark = this.cx.reply.length;
    try {
      this.lastEstimate = command.estimate === null ? 0 : command.estimate(this.cx);
      if (!(this.lastEstimate >= 0)) throw new Error(`${command.name}: estimate ${this.lastEstimate}`);
      if (this.cx.reply.length !== mark) throw new Error(`${command.name}: the estimate wrote a reply`);
      if (this.#heedEstimates && this.lastEstimate > IN_PLACE_WORK_MAX) this.cx.handOver();
      else command.handler!(this.cx);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      this.cx.reply.truncate(mark);
      this.cx.error(ErrorText.OutOfMemory);
      if (this.cx.effects.wanted) tellAfterFailure(this.cx, this.#positions, this.#keyCount);
    } finally {
      for (const shard of this.#locked) shard.release();
    }
    this.lastDirty = this.cx.dirty;
    if (this.cx.effects.wanted) this.#takeEffects();
    if (!this.cx.handedOver) return;
    if (this.cx.mayBlock) throw new Error(`${command.name} was handed over by a thread that may block`);
    if (this.cx.dirty > 0 || this.cx.failed) throw new Error(`${command.name} was handed over too late`);
    this.cx.reply.truncate(mark);
  }

  /** A change of which the handler has told nothing is told in the client's words. */
  #takeEffects(): void {
    const { dirty, effects } = this.cx;
    if (dirty !== 0 && !effects.told) effects.verbatim();
    this.told = commandsIn(effects.buffer, effects.length);
  }

  #lockShards(command: Command): LockedShard[] {
    const ids = this.#keyShards(command);
    if (hasUnknownKeys(command)) return this.keyspace.shards.map((shard) => shard.acquire());
    return ids.map((id) => this.keyspace.shards[id]!.acquire());
  }

  /** Hashes the keys. @returns ids of their shards, ascending, each once */
  #keyShards(command: Command): number[] {
    const { cx } = this;
    let count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.#positions);
    if (count > this.#positions.length) {
      this.#positions = new Int32Array(count * 2);
      count = keyPositions(command, cx.argc, cx.argOff, cx.argLen, cx.input, this.#positions);
    }
    this.#keyCount = count;
    const ids = new Set<number>();
    for (let i = 0; i < count; i++) {
      const arg = this.#positions[i]!;
      cx.hashArgument(arg);
      ids.add(cx.slots[arg]! >>> SLOT_TO_SHARD_SHIFT);
    }
    return [...ids].sort((a, b) => a - b);
  }

  #takeReply(): Buffer {
    const { reply } = this.cx;
    const bytes = Buffer.from(reply.bytes.subarray(0, reply.length));
    reply.reset();
    if (this.cx.db !== this.#startDb) this.session.db = this.cx.db;
    return bytes;
  }
}
