// Threads of a server without threads: executors of an acceptor, a shard worker and the worker that keeps waiting clients, on one
// shared memory, called in turn. What would travel between threads is there to be looked at.

import { ThreadAcl } from '../../src/acl/thread-acl.ts';
import { createCommandTable } from '../../src/commands/index.ts';
import { Session } from '../../src/commands/session.ts';
import type { CommandTable } from '../../src/commands/table.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { Batch, BatchEnd } from '../../src/execution/batch.ts';
import { ChangeLog } from '../../src/execution/change-log.ts';
import type { ExecutingServer } from '../../src/execution/executing-server.ts';
import { Executor } from '../../src/execution/executor.ts';
import { decodeHandBack, HAND_OVER_HEADER } from '../../src/execution/hand-over.ts';
import { WaiterService } from '../../src/execution/waiter-service.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { Logger } from '../../src/log/logger.ts';
import { allocateChangeRing } from '../../src/memory/change-ring.ts';
import { SHARD_COUNT, shardOffset, THREADS_MAX } from '../../src/memory/layout.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { RequestParser } from '../../src/protocol/request-parser.ts';
import { RequestReader } from '../../src/protocol/request-reader.ts';
import { type Argument, encodeCommand } from '../support/raw-client.ts';
import { ToldStream } from '../support/told-stream.ts';

const SEED = [0x12345678, 0x1abcdef0] as const;
const RING_BYTES = 1 << 20;
const THREADS = { acceptor: 2, worker: 3, keeper: 4 } as const;

const END_NAMES = new Map(Object.entries(BatchEnd).map(([name, value]) => [value, name]));

export interface Ran {
  /** Name of the BatchEnd: Drained when the command has run. */
  readonly end: string;
  readonly reply: string;
}

export class Executors {
  readonly memory = allocateSharedBuffers(16, 2);
  readonly config = new ConfigStore(null, process.cwd());
  readonly table = createCommandTable();
  readonly waiters: WaiterService;
  /** What all threads tell, once GlobalWord.ChangesWanted is set. */
  readonly told: ToldStream;
  readonly stats: Stats;
  readonly slow: string[] = [];
  readonly monitored: string[] = [];
  readonly #batches = new Map<string, { batch: Batch; executor: Executor }>();
  readonly #buffers = allocateStats(this.table.all.length);
  #sessions = new Map<number, Session>();

  constructor() {
    // FLUSHALL would ask to save.
    this.config.assign('save', '');
    this.stats = new Stats(this.#buffers, THREADS.keeper);
    const rings: SharedArrayBuffer[] = [];
    let waiters: WaiterService | null = null;
    for (const [name, thread] of Object.entries(THREADS)) {
      const keyspace = new Keyspace(new SharedMemory(this.memory, thread), SEED);
      const server = serverWithoutThreads(this.config, this.table, new Stats(this.#buffers, thread), name);
      const ring = allocateChangeRing(RING_BYTES);
      rings.push(ring);
      const changes = new ChangeLog(keyspace.memory.control, ring, THREADS_MAX - 1, false);
      const executor = new Executor(keyspace, server, this.#events(), name !== 'acceptor', changes);
      if (name === 'keeper') {
        waiters = new WaiterService(keyspace, server, changes);
        executor.keep(waiters);
      }
      this.#batches.set(name, { batch: new Batch(executor, new RequestParser()), executor });
    }
    this.waiters = waiters!;
    this.told = new ToldStream(rings, new Int32Array(this.memory.control));
  }

  executor(thread: keyof typeof THREADS): Executor {
    return this.#batches.get(thread)!.executor;
  }

  session(client: number): Session {
    let session = this.#sessions.get(client);
    if (session === undefined) {
      session = new Session(client, `127.0.0.1:${client}`, '127.0.0.1:6379', false, Date.now());
      this.#sessions.set(client, session);
    }
    return session;
  }

  /** Runs one command of a client (its connection has the same number) on a thread. */
  run(thread: keyof typeof THREADS, client: number, ...args: Argument[]): Ran {
    const { batch, executor } = this.#batches.get(thread)!;
    const reader = new RequestReader();
    reader.feed(encodeCommand(args));
    this.waiters.runsFor(0, client);
    executor.begin();
    const end = batch.run(reader, this.session(client), 1);
    executor.end();
    const { reply } = executor.cx;
    const text = reply.bytes.toString('latin1', 0, reply.length);
    reply.reset();
    // One command is a turn.
    return { end: end === BatchEnd.TurnOver ? 'Drained' : END_NAMES.get(end)!, reply: text };
  }

  /** As a server does: on the acceptor if that can, else where it says. */
  call(client: number, ...args: Argument[]): string {
    let ran = this.run('acceptor', client, ...args);
    if (ran.end === 'HandOver') ran = this.run('worker', client, ...args);
    if (ran.end === 'ToKeeper') ran = this.run('keeper', client, ...args);
    return ran.end === 'Drained' ? ran.reply : ran.end;
  }

  /** Answers to clients that have waited, in the order in which they were given: [connection, reply]. */
  answers(): [number, string][] {
    return this.waiters
      .takeReplies()
      .map(({ message }) => [
        decodeHandBack(message).connection,
        message.toString('latin1', HAND_OVER_HEADER),
      ]);
  }

  /** Shards that somebody holds. */
  lockedShards(): number[] {
    const control = new Int32Array(this.memory.control);
    return Array.from({ length: SHARD_COUNT }, (_, id) => id).filter(
      (id) => control[shardOffset(id) >> 2] !== 0,
    );
  }

  #events() {
    return {
      monitored: (cx: { argLatin1(arg: number): string }) => void this.monitored.push(cx.argLatin1(0)),
      slow: (cx: { argLatin1(arg: number): string }) => void this.slow.push(cx.argLatin1(0)),
      beginMonitored: () => {},
      endMonitored: () => {},
      late: () => {},
      makeRoom: () => false,
    };
  }
}

/** What executors ask of a server, where nobody can be asked. */
export function serverWithoutThreads(
  config: ConfigStore,
  table: CommandTable,
  stats: Stats,
  threadName: string,
): ExecutingServer {
  const refuse = (method: string): Promise<never> =>
    Promise.reject(new Error(`ERR nobody to ask for ${method}`));
  return {
    facts: {
      pid: process.pid,
      runId: '0'.repeat(40),
      startedAt: Date.now(),
      version: '0.0.0',
      redisVersion: '7.4.0',
      acceptors: 1,
      shardWorkers: 2,
      configFile: '',
      executable: process.execPath,
    },
    config,
    stats,
    log: Logger.create('', 'nothing', 'M'),
    table,
    acl: new ThreadAcl(table, stats, null, () => undefined),
    threadName,
    ask: refuse,
    askAcceptors: refuse,
    askThreads: refuse,
  };
}
