// A shard worker thread: runs what acceptors hand over, with blocking locks, and does the background work of its
// shards (every W-th one) in between.
//
// It has no event loop of its own: it sleeps on its doorbell, and looks at its rings, its control port and the clock
// when it wakes. Work handed over comes first; background work goes in steps of about a millisecond.
//
// The first worker also keeps the clients that wait in blocking commands, of all acceptors (waiting-room.ts).

import type { ControlRequest } from '../commands/server-api.ts';
import { flushDatabase } from '../keyspace/flush.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { startSnapshot } from '../keyspace/snapshot.ts';
import { bellOf, ring, sleep } from '../memory/doorbell.ts';
import { GlobalWord, ShardCounter, ThreadWord, threadWord } from '../memory/layout.ts';
import { RingConsumer, RingProducer } from '../memory/ring.ts';
import { Stat } from '../metrics/stats.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import { RequestReader } from '../protocol/request-reader.ts';
import { Background } from './background.ts';
import { Batch, BatchEnd } from './batch.ts';
import { Executor } from './executor.ts';
import {
  decodeHandOver,
  encodeHandBack,
  HandOverKind,
  HandOverStatus,
  handOverKind,
  sessionFlags,
} from './hand-over.ts';
import { Replay, type ReplayRequest } from './replay.ts';
import { SectionLoader, type SectionRequest } from './section-loader.ts';
import { ThreadContext, type ThreadStart } from './thread-context.ts';
import { ThreadEvents } from './thread-events.ts';
import { WaiterService } from './waiter-service.ts';

/** What a snapshot's file says of the data set; all shards are locked. */
function snapshotMark(keyspace: Keyspace, snapshot: number): object {
  const sizes = Array.from({ length: keyspace.memory.databaseCount }, (_, db) => ({
    keys: keyspace.size(db),
    expires: keyspace.expires(db),
  }));
  return { snapshot, dirty: keyspace.sum(ShardCounter.Dirty), usedMemory: keyspace.usedBytes(), sizes };
}

/** Of the persistence worker. */
interface SnapshotRequest {
  /** Whether commands are to be told of from here on. */
  readonly changes: boolean;
  /** Its number, for the mark. */
  readonly request: number;
}

/** Of CLIENT UNBLOCK. */
export interface UnblockRequest {
  readonly id: number;
  readonly withError: boolean;
}

/** Commands run for one connection before the next one gets its turn. */
const TURN_COMMANDS = 512;
const IDLE_MS = 100;
const ROOM_WAIT_MS = 10;

export class ShardWorker {
  readonly thread: ThreadContext;
  readonly #executor: Executor;
  readonly #parser = new RequestParser();
  readonly #batch: Batch;
  readonly #background: Background;
  readonly #sections: SectionLoader;
  readonly #replay: Replay;
  readonly #fromAcceptors: RingConsumer[];
  readonly #toAcceptors: RingProducer[];
  /** Messages taken from the rings before their time, see #takeLeaves; by acceptor. */
  readonly #backlog: Buffer[][];
  /** By acceptor: how many connections have left, as far as known here; those whose input may not have run yet. */
  readonly #leaves: Int32Array;
  readonly #left: Set<number>[];
  readonly #control: Int32Array;
  /** On the first worker only. */
  readonly #waiters: WaiterService | null;
  #published = 0;

  constructor(start: ThreadStart) {
    this.thread = new ThreadContext(start, 'shard-worker', {
      'client-unblock': (request: UnblockRequest) => this.#unblock(request),
      'snapshot-start': (request: SnapshotRequest) => this.#startSnapshot(request),
      'load-section': (request: SectionRequest) => this.#sections.load(request),
      replay: (request: ReplayRequest) => this.#replay.run(request),
      'empty-databases': () => this.#emptyDatabases(),
    });
    this.#background = new Background(this.thread);
    const events = new ThreadEvents(this.thread.reporter, () => this.#background.makeRoom());
    this.#executor = new Executor(this.thread.keyspace, this.thread, events, true, this.thread.changes);
    this.#waiters =
      start.number === 0 ? new WaiterService(this.thread.keyspace, this.thread, this.thread.changes) : null;
    if (this.#waiters !== null) this.#executor.keep(this.#waiters);
    this.#batch = new Batch(this.#executor, this.#parser);
    this.#sections = new SectionLoader(this.thread.keyspace, this.thread.config);
    this.#replay = new Replay(this.#executor, new RequestParser());
    this.#control = this.thread.keyspace.memory.control;
    this.#control[threadWord(start.thread, ThreadWord.Worker)] = 1;
    this.#fromAcceptors = start.rings.map((pair) => new RingConsumer(pair.toWorker));
    this.#toAcceptors = start.rings.map((pair) => new RingProducer(pair.toAcceptor));
    this.#backlog = start.rings.map(() => []);
    this.#leaves = new Int32Array(start.rings.length);
    this.#left = start.rings.map(() => new Set());
    const { config } = this.thread;
    const follow = (): void => {
      this.#parser.maxBulkLength = config.getMemory('proto-max-bulk-len');
    };
    follow();
    config.watch('proto-max-bulk-len', follow);
  }

  /** Works for ever. */
  run(): never {
    const { control, start } = this.thread;
    for (;;) {
      const seen = bellOf(this.#control, start.thread);
      control.poll();
      const worked = this.#serve();
      const wait = Math.min(this.#background.step(performance.now()), this.#tendWaiters());
      this.#post();
      if (!worked) sleep(this.#control, start.thread, seen, Math.min(wait, IDLE_MS));
      this.#publish();
    }
  }

  // ---- private ----

  /** Runs at most one message of each acceptor. @returns whether there was any */
  #serve(): boolean {
    let worked = false;
    for (let acceptor = 0; acceptor < this.#fromAcceptors.length; acceptor++) {
      const kept = this.#backlog[acceptor]!.shift();
      if (kept === undefined) this.#left[acceptor]!.clear();
      const message = kept ?? this.#receive(acceptor);
      if (message === null) continue;
      worked = true;
      if (handOverKind(message) === HandOverKind.Leave) this.#leave(acceptor, message);
      else {
        if (this.#waiters !== null) this.#takeLeaves();
        this.#runFor(acceptor, message);
      }
    }
    return worked;
  }

  #receive(acceptor: number): Buffer | null {
    const consumer = this.#fromAcceptors[acceptor]!;
    const message = consumer.receive();
    if (consumer.takeRoomWish()) this.#ringAcceptor(acceptor);
    return message;
  }

  #leave(acceptor: number, message: Buffer): void {
    this.#leaves[acceptor]! += 1;
    this.#waiters!.leave(acceptor, message.readInt32LE(0));
  }

  /**
   * Ends the waits of all connections that had left before the message in hand was sent, whichever ring says so: after
   * CLIENT KILL has answered, what is pushed must not go to the client that is dead. What is before it in its ring waits.
   */
  #takeLeaves(): void {
    for (let acceptor = 0; acceptor < this.#leaves.length; acceptor++) {
      const word = threadWord(this.thread.start.acceptorThreads[acceptor]!, ThreadWord.Leaves);
      const backlog = this.#backlog[acceptor]!;
      while (Atomics.load(this.#control, word) !== this.#leaves[acceptor]) {
        const message = this.#receive(acceptor);
        if (message === null) break;
        if (handOverKind(message) === HandOverKind.Leave) {
          this.#leave(acceptor, message);
          this.#left[acceptor]!.add(message.readInt32LE(0));
        } else backlog.push(message);
      }
    }
  }

  #runFor(acceptor: number, message: Buffer): void {
    const executor = this.#executor;
    const { reply } = executor.cx;
    const { connection, user, session, inputAt } = decodeHandOver(message, acceptor, Date.now());
    // One that is not known here, or no more, may do nothing: the acceptor gets its work back.
    session.identity = this.thread.acl.users.byId(user) ?? this.thread.acl.stranger;
    const reader = new RequestReader();
    reader.feed(message.subarray(inputAt));
    let status: number = HandOverStatus.Done;
    this.#waiters?.runsFor(acceptor, connection);
    executor.begin();
    // A reply of any size is gathered whole: nothing is sent while locks are held, and the acceptor applies the limits.
    const why = this.#batch.run(reader, session, TURN_COMMANDS);
    if (why === BatchEnd.Close) status = HandOverStatus.Close;
    else if (why === BatchEnd.Paused) status = HandOverStatus.Paused;
    else if (why === BatchEnd.ToKeeper) status = HandOverStatus.ToKeeper;
    else if (why === BatchEnd.Blocked) status = HandOverStatus.Blocked;
    else if (why === BatchEnd.Deferred) status = HandOverStatus.Ask;
    else if (why === BatchEnd.Gaps) status = HandOverStatus.Gaps;
    else if (why !== BatchEnd.Drained) status = HandOverStatus.Return;
    executor.end();
    if (why === BatchEnd.Blocked && this.#left[acceptor]!.has(connection))
      this.#waiters!.leave(acceptor, connection);
    const back = {
      connection,
      db: session.db,
      flags: sessionFlags(session),
      consumed: message.length - inputAt - reader.size,
      status,
      commands: this.#batch.commands,
      lastCommand: session.lastCommand === null ? -1 : session.lastCommand.id,
    };
    this.#send(acceptor, encodeHandBack(back, reply.bytes, reply.length, this.#requestWith(status)));
    reply.reset();
    this.#parser.trim();
    this.#answerWaiters();
  }

  /** What the acceptor is to be asked for behind the replies. */
  #requestWith(status: number): ControlRequest | null {
    const { cx, transactions } = this.#executor;
    if (status === HandOverStatus.Gaps) return { method: 'complete-exec', payload: transactions.gapped };
    return status === HandOverStatus.Ask ? cx.requested : null;
  }

  /** Ends waits whose time is over, and those of keys that were deleted. @returns ms until it wants to be called again */
  #tendWaiters(): number {
    const waiters = this.#waiters;
    if (waiters === null || waiters.room.size === 0) return IDLE_MS;
    waiters.room.noteGone();
    if (waiters.room.hasReady && this.#control[GlobalWord.Loading] === 0) {
      this.#executor.begin();
      this.#executor.serveReady();
      this.#executor.end();
    }
    waiters.endOverdue(Date.now());
    this.#answerWaiters();
    return waiters.dueIn(Date.now());
  }

  /** Begins a snapshot of the whole data set. @returns its number, 0 if none can begin */
  #startSnapshot({ changes, request }: SnapshotRequest): number {
    const { keyspace } = this.thread;
    const log = this.thread.changes!;
    const snapshot = startSnapshot(keyspace, (number) => {
      if (changes) this.#control[GlobalWord.ChangesWanted] = 1;
      log.marker(Buffer.from(JSON.stringify({ ...snapshotMark(keyspace, number), request })));
    });
    log.wake();
    return snapshot;
  }

  /** Before a file is loaded in the place of what there is. */
  #emptyDatabases(): void {
    const { keyspace } = this.thread;
    for (const shard of keyspace.shards) {
      const locked = shard.acquire();
      for (let db = 0; db < keyspace.memory.databaseCount; db++) flushDatabase(locked, db, false);
      locked.release();
    }
    keyspace.tracker?.flushed(0);
  }

  #unblock({ id, withError }: UnblockRequest): boolean {
    const waited = this.#waiters!.unblock(id, withError);
    this.#answerWaiters();
    return waited;
  }

  #answerWaiters(): void {
    const waiters = this.#waiters;
    if (waiters === null) return;
    for (const { acceptor, message } of waiters.takeReplies()) this.#send(acceptor, message);
  }

  #send(acceptor: number, message: Buffer): void {
    const producer = this.#toAcceptors[acceptor]!;
    let done = producer.send(message, 0, message.length);
    this.#ringAcceptor(acceptor);
    while (!done) {
      producer.waitForRoom(ROOM_WAIT_MS);
      done = producer.flush();
      this.#ringAcceptor(acceptor);
    }
  }

  /** Lets what was published go; nobody may publish more than acceptors can take. */
  #post(): void {
    const { post } = this.thread.pubsub!;
    post.wake();
    while (post.congested) post.waitForRoom(ROOM_WAIT_MS);
  }

  #ringAcceptor(acceptor: number): void {
    ring(this.#control, this.thread.start.acceptorThreads[acceptor]!);
  }

  /** Gauges of this thread, about once a second. */
  #publish(): void {
    const now = performance.now();
    if (now - this.#published < 1000) return;
    this.#published = now;
    const { stats } = this.thread;
    const cpu = process.threadCpuUsage();
    stats.set(Stat.CpuUserMs, cpu.user / 1000);
    stats.set(Stat.CpuSystemMs, cpu.system / 1000);
    stats.set(Stat.HeapBytes, process.memoryUsage().heapUsed);
  }
}
