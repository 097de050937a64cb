// An acceptor thread: its connections, the executor they share, the rings to the shard workers, its listeners.

import { createServer, type Server, type Socket } from 'node:net';
import { hearsMore } from '../acl/channel-loss.ts';
import type { AclChange } from '../acl/users.ts';
import { clientMemory } from '../commands/client-line.ts';
import type { ChannelKind } from '../commands/pubsub-api.ts';
import type { ControlRequest, ReplyFunction } from '../commands/server-api.ts';
import { Session } from '../commands/session.ts';
import type { CommandTable } from '../commands/table.ts';
import { unwatchAll } from '../commands/watches.ts';
import type { OutputBufferLimit } from '../config/multi-values.ts';
import { Batch } from '../execution/batch.ts';
import type { Gap } from '../execution/exec-gaps.ts';
import { Executor } from '../execution/executor.ts';
import { decodeHandBack, encodeHandOver, encodeLeave, HandOverStatus } from '../execution/hand-over.ts';
import { ThreadContext, type ThreadStart } from '../execution/thread-context.ts';
import { ThreadEvents } from '../execution/thread-events.ts';
import { chmodSync, rmSync } from '../file-system.ts';
import { Evictor, evictUntilRoom } from '../keyspace/eviction.ts';
import { LogLevel } from '../log/logger.ts';
import { listen as listenForRings, ring } from '../memory/doorbell.ts';
import { GlobalWord, PauseMode, ThreadWord, threadWord } from '../memory/layout.ts';
import { RingConsumer, RingProducer } from '../memory/ring.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import { RequestParser } from '../protocol/request-parser.ts';
import type { Exchange } from '../pubsub/exchange.ts';
import type { Tracker } from '../tracking/tracker.ts';
import { ClientMemory } from './client-memory.ts';
import { ClientRegistry, clientMethods } from './client-registry.ts';
import { Connection } from './connection.ts';
import type { ConnectionOutput } from './connection-output.ts';
import { OutputBlocks } from './output-blocks.ts';
import { ReplyGate } from './reply-gate.ts';
import { SharedReads, type SharedSocket } from './shared-reads.ts';
import { createTlsServer, renewTls, type TlsSettings } from './tls-server.ts';

/** The worker that keeps waiting clients. */
const KEEPER = 0;
const TICK_MS = 1000;
/** How soon a connection tries again that found a shard busy. */
const RETRY_MS = 1;
const RESUME_MS = 10;

const DENIED =
  '-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. ' +
  'In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: ' +
  "1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. " +
  "2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. " +
  "3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. " +
  '4) Set up an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n';

/** Where an acceptor listens. */
export interface ListenOn {
  readonly host: string | null;
  readonly port: number;
  readonly path: string | null;
  readonly pathMode: number;
  readonly backlog: number;
  readonly reusePort: boolean;
  /** Null: without TLS. */
  readonly tls: TlsSettings | null;
  /** A failure to bind this address is no error ('-' in front of it in `bind`). */
  readonly optional: boolean;
}

/** What clients in MONITOR are shown. */
interface MonitorLines {
  /** Of the report, see execution/reports.ts. */
  readonly number: number;
  /** With CR LF, latin1. */
  readonly lines: string;
}

export class AcceptorCore {
  readonly thread: ThreadContext;
  readonly stats: Stats;
  readonly table: CommandTable;
  readonly executor: Executor;
  readonly parser = new RequestParser();
  readonly batch: Batch;
  readonly registry = new ClientRegistry();
  readonly gate: ReplyGate;
  readonly memory: ClientMemory;
  queryBufferLimit = 0;
  outputLimit: OutputBufferLimit = { hard: 0, soft: 0, seconds: 0 };
  /** Of clients that have subscribed to something. */
  subscriberLimit: OutputBufferLimit = { hard: 0, soft: 0, seconds: 0 };
  /** The connection whose commands are being run. */
  running: Connection | null = null;
  readonly exchange: Exchange;
  readonly tracker: Tracker;
  readonly #reads = new SharedReads();
  readonly output = new OutputBlocks();
  rateCommands = 0;
  rateBytes = 0;
  rateLimited = false;
  hideUserData = false;
  /** Connections that CLIENT PAUSE holds back. */
  readonly #held = new Set<Connection>();
  readonly #retrying: Connection[] = [];
  /** What is written at the end of the turn: replies, then messages. */
  readonly #replying: ConnectionOutput[] = [];
  readonly #messaging: ConnectionOutput[] = [];
  readonly #writeAll = (): void => {
    for (const outputs of [this.#replying, this.#messaging]) {
      for (let i = 0; i < outputs.length; i++) outputs[i]!.writeNow();
      outputs.length = 0;
    }
    this.output.endTurn();
  };
  readonly #connections = new Map<number, Connection>();
  /** Clients that are gone, by connection, whose watches a worker has with an EXEC. */
  readonly #orphans = new Map<number, Session>();
  readonly #toWorkers: RingProducer[];
  readonly #fromWorkers: RingConsumer[];
  readonly #control: Int32Array;
  readonly #servers: Server[] = [];
  /** Those of them that speak TLS. */
  readonly #tlsServers: Server[] = [];
  #lastNumber = 0;
  #nextWorker = 0;
  #idleMs = 0;

  constructor(start: ThreadStart) {
    this.thread = new ThreadContext(start, 'acceptor', {
      listen: (on: ListenOn) => this.#listen(on),
      'renew-tls': (settings: TlsSettings) => {
        for (const server of this.#tlsServers) renewTls(server, settings);
      },
      'stop-listening': () => this.#stopListening(),
      'acl-changed': (change: AclChange) => this.#usersChanged(change),
      'close-clients': () => this.#closeClients(),
      'pubsub-names': ({ kind, pattern }: { kind: ChannelKind; pattern: string | null }) =>
        this.exchange.names(kind, pattern),
      'monitor-lines': (lines: MonitorLines) => this.#feedMonitors(lines),
      'client-home': (id: number) => this.tracker.homeOf(id),
      ...bindMethods(this),
    });
    this.stats = this.thread.stats;
    this.exchange = this.thread.pubsub!;
    this.exchange.serve((session) => this.registry.connectionOf(session.id));
    this.tracker = this.thread.tracking!;
    this.tracker.serve(this.thread.config, (id) => this.registry.find(id));
    this.table = this.thread.table;
    const evictor = new Evictor(this.thread.keyspace, this.thread.config, this.thread.stats);
    const events = new ThreadEvents(this.thread.reporter, () => evictUntilRoom(evictor, false));
    this.executor = new Executor(this.thread.keyspace, this.thread, events, false, this.thread.changes);
    this.batch = new Batch(this.executor, this.parser);
    this.#control = this.thread.keyspace.memory.control;
    this.thread.acl.describeClient = (session) => this.registry.describe(session.id, Date.now());
    this.gate = new ReplyGate(this.#control, this.thread.changes);
    this.#toWorkers = start.rings.map((pair) => new RingProducer(pair.toWorker));
    this.#fromWorkers = start.rings.map((pair) => new RingConsumer(pair.toAcceptor));
    this.memory = new ClientMemory({
      config: this.thread.config,
      stats: this.stats,
      connections: () => this.#connections.values(),
      wakeOthers: () => {
        for (const thread of start.acceptorThreads) if (thread !== start.thread) ring(this.#control, thread);
      },
      evicting: (connection) => {
        this.stats.add(Stat.EvictedClients, 1);
        this.log('notice', `Evicting client: ${this.describe(connection)}`);
      },
      stuck: () => this.log('warning', 'Over client maxmemory after evicting all evictable clients'),
    });
    this.#followConfig();
    listenForRings(this.#control, start.thread, () => this.#wake());
    this.thread.control.listen();
    setInterval(() => this.#tick(), TICK_MS).unref();
  }

  // ---- for connections ----

  /** @param toKeeper to the worker that keeps waiting clients, else to any */
  handOver(connection: Connection, input: Buffer, start: number, end: number, toKeeper: boolean): void {
    const message = encodeHandOver(connection.number, connection.session, input, start, end);
    this.stats.add(Stat.HandedOver, 1);
    this.#send(toKeeper ? KEEPER : this.#pickWorker(), message);
  }

  /** Asks the supervisor for what a shard worker could not. */
  ask({ method, payload }: ControlRequest): Promise<ReplyFunction> {
    return this.thread.ask(method, payload).then((text) => (reply) => reply.simpleString(text as string));
  }

  /**
   * Completes an EXEC that a shard worker has run.
   * @param bytes its reply, less what is missing
   */
  completeExec(session: Session, bytes: Buffer, gaps: readonly Gap[]): Promise<ReplyFunction> {
    return this.executor.transactions.fill(session, session.transaction!, Buffer.from(bytes), gaps);
  }

  /** Ends the wait of a connection that is gone, if it waits. */
  leave(number: number): void {
    this.#send(KEEPER, encodeLeave(number));
    Atomics.add(this.#control, threadWord(this.thread.start.thread, ThreadWord.Leaves), 1);
  }

  #send(worker: number, message: Buffer): void {
    if (!this.#toWorkers[worker]!.send(message, 0, message.length)) this.stats.add(Stat.RingFull, 1);
    ring(this.#control, this.thread.start.workerThreads[worker]!);
  }

  /**
   * The workers take turns; those in a long command are passed by, unless all are. The keeper of the waiting clients gets
   * what is left over, and nothing while clients wait for keys: they would have to wait for a long command, too.
   */
  #pickWorker(): number {
    const others = this.#toWorkers.length - 1;
    if (others === 0) return KEEPER;
    const first = this.#nextWorker;
    this.#nextWorker = (first + 1) % others;
    for (let i = 0; i < others; i++) {
      const worker = 1 + ((first + i) % others);
      if (!this.#isInLongCommand(worker)) return worker;
    }
    if (this.#control[GlobalWord.Awaited] === 0 && !this.#isInLongCommand(KEEPER)) return KEEPER;
    return 1 + first;
  }

  #isInLongCommand(worker: number): boolean {
    const thread = this.thread.start.workerThreads[worker]!;
    return Atomics.load(this.#control, threadWord(thread, ThreadWord.Pins)) !== 0;
  }

  /**
   * Lets a connection try again what it found a shard busy for. All such connections do so in one turn: the long
   * command that has the shard leaves it free for a moment once the first of them has got it.
   */
  retryLater(connection: Connection): void {
    if (this.#retrying.push(connection) > 1) return;
    setTimeout(() => {
      for (const each of this.#retrying.splice(0)) each.resume();
    }, RETRY_MS);
  }

  /**
   * Lets a connection write at the end of this turn of the event loop.
   * @param isMessage behind all replies: a publisher goes on while its message is written to many subscribers
   */
  writeLater(output: ConnectionOutput, isMessage: boolean): void {
    if (this.#replying.length === 0 && this.#messaging.length === 0) setImmediate(this.#writeAll);
    if (isMessage) this.#messaging.push(output);
    else this.#replying.push(output);
  }

  forget(connection: Connection): void {
    if (!this.#connections.delete(connection.number)) return;
    if (this.#held.delete(connection)) this.stats.add(Stat.Blocked, -1);
    if (connection.mayWaitForKeys) this.leave(connection.number);
    this.registry.remove(connection.session.id);
    this.exchange.forget(connection.session);
    this.tracker.forget(connection.session);
    this.#endTransaction(connection);
    this.memory.forget(connection);
    if (connection.session.monitor) Atomics.sub(this.#control, GlobalWord.Monitors, 1);
    Atomics.sub(this.#control, GlobalWord.Clients, 1);
    this.stats.add(Stat.Clients, -1);
  }

  /** Of a connection that is gone. What a worker is about to look at stays until it has done so. */
  #endTransaction({ number, session, mayWaitForKeys }: Connection): void {
    if (session.transaction !== null && session.watches !== null && mayWaitForKeys)
      this.#orphans.set(number, session);
    else unwatchAll(this.thread.keyspace.memory, session);
    session.transaction = null;
  }

  /** A worker is done with the work of a connection that is gone. */
  #buryOrphan(number: number): void {
    const session = this.#orphans.get(number);
    if (session === undefined) return;
    this.#orphans.delete(number);
    unwatchAll(this.thread.keyspace.memory, session);
  }

  describe(connection: Connection): string {
    return this.registry.describe(connection.session.id, Date.now());
  }

  log(level: 'verbose' | 'notice' | 'warning', message: string): void {
    this.thread.log[level](message);
  }

  logClose(connection: Connection, reason: string): void {
    this.log('verbose', `${reason}: client ${connection.session.id} ${connection.session.address}`);
  }

  fatal(error: unknown): never {
    // Thrown outside of any promise, so that the thread dies of it.
    setImmediate(() => {
      throw error;
    });
    throw error;
  }

  // ---- private ----

  #followConfig(): void {
    const config = this.thread.config;
    const follow = (): void => {
      this.parser.maxBulkLength = config.getMemory('proto-max-bulk-len');
      this.queryBufferLimit = config.getMemory('client-query-buffer-limit');
      const { normal, pubsub } = config.getMulti('client-output-buffer-limit');
      this.outputLimit = normal;
      this.subscriberLimit = pubsub;
      const rate = config.getMulti('client-rate-limit');
      this.rateCommands = rate.commandsPerSecond;
      this.rateBytes = rate.bytesPerSecond;
      this.rateLimited = this.rateCommands > 0 || this.rateBytes > 0;
      this.#idleMs = config.getInt('timeout') * 1000;
      this.hideUserData = config.getBool('hide-user-data-from-log');
    };
    follow();
    for (const name of [
      'proto-max-bulk-len',
      'client-query-buffer-limit',
      'client-output-buffer-limit',
      'client-rate-limit',
      'timeout',
      'hide-user-data-from-log',
    ] as const) {
      config.watch(name, follow);
    }
  }

  #wake(): void {
    this.gate.release();
    for (let worker = 0; worker < this.#fromWorkers.length; worker++) {
      const consumer = this.#fromWorkers[worker]!;
      for (let message = consumer.receive(); message !== null; message = consumer.receive()) {
        const connection = this.#connections.get(message.readInt32LE(0));
        if (connection !== undefined) {
          connection.handedBack(message);
          continue;
        }
        this.#buryOrphan(message.readInt32LE(0));
        if (decodeHandBack(message).status === HandOverStatus.Blocked) this.leave(message.readInt32LE(0));
      }
      if (consumer.takeRoomWish()) ring(this.#control, this.thread.start.workerThreads[worker]!);
      const producer = this.#toWorkers[worker]!;
      if (producer.queued > 0) {
        producer.flush();
        ring(this.#control, this.thread.start.workerThreads[worker]!);
      }
    }
    this.exchange.receive();
    this.exchange.wake();
    if (this.memory.active) this.memory.check();
  }

  #listen(on: ListenOn): Promise<string | null> {
    const config = this.thread.config;
    const keepAlive = config.getInt('tcp-keepalive');
    const socketOptions = {
      noDelay: true,
      keepAlive: keepAlive > 0,
      keepAliveInitialDelay: keepAlive * 1000,
    };
    const accept = (socket: Socket): void => this.#accept(socket, null);
    const acceptPlain = (socket: Socket): void => this.#accept(socket, this.#reads.adopt(socket));
    const server =
      on.tls === null
        ? createServer({ allowHalfOpen: true, pauseOnConnect: true, ...socketOptions }, acceptPlain)
        : createTlsServer(on.tls, socketOptions, accept, (reason) =>
            this.log('verbose', `Error accepting a client connection: ${reason}`),
          );
    const options =
      on.path !== null
        ? { path: on.path, backlog: on.backlog }
        : {
            host: on.host ?? undefined,
            port: on.port,
            backlog: on.backlog,
            reusePort: on.reusePort,
            ipv6Only: on.host?.includes(':'),
          };
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      server.listen(options, () => {
        if (on.path !== null && on.pathMode !== 0) chmodSync(on.path, on.pathMode);
        server.removeAllListeners('error');
        server.on('error', (error) => this.log('warning', `Accepting client connection: ${error.message}`));
        this.#servers.push(server);
        if (on.tls !== null) this.#tlsServers.push(server);
        resolve(null);
      });
    });
  }

  #stopListening(): void {
    for (const server of this.#servers) {
      const address = server.address();
      server.close();
      if (typeof address === 'string') rmSync(address, { force: true });
    }
    this.#servers.length = 0;
    this.#tlsServers.length = 0;
  }

  /**
   * Clients of users that are gone are closed, and those that hear channels which their users may not hear any more; the
   * one that asked for it once it is answered.
   */
  #usersChanged(change: AclChange): void {
    const { acl } = this.thread;
    const narrowed = acl.narrowed(change);
    acl.apply(change);
    if (change.removed.length === 0 && narrowed.size === 0) return;
    for (const connection of this.#connections.values()) {
      const { session } = connection;
      const { id } = session.identity;
      const channels = narrowed.get(id);
      const hears = channels !== undefined && session.subscriptions !== null;
      if (!change.removed.includes(id) && !(hears && hearsMore(session.subscriptions!, channels))) continue;
      if (session.id === change.by) connection.closesAfterAnswer = true;
      else connection.kill();
    }
  }

  #closeClients(): Promise<void> {
    // What has come to the disk may be said before the end.
    this.gate.release();
    for (const connection of this.#connections.values()) connection.closeAfterWriting();
    return Promise.resolve();
  }

  /** @param shared what has taken the socket's place */
  #accept(accepted: Socket, shared: SharedSocket | null): void {
    const control = this.#control;
    const config = this.thread.config;
    const socket = shared === null ? accepted : shared.socket;
    const unix = socket.remoteAddress === undefined;
    this.stats.add(Stat.Connections, 1);
    if (Atomics.add(control, GlobalWord.Clients, 1) >= config.getInt('maxclients')) {
      Atomics.sub(control, GlobalWord.Clients, 1);
      this.stats.add(Stat.Rejected, 1);
      refuse(socket, '-ERR max number of clients reached\r\n');
      return;
    }
    const { acl } = this.thread;
    if (
      config.getBool('protected-mode') &&
      acl.defaultNeedsNoPassword &&
      !unix &&
      !isLoopback(socket.remoteAddress!)
    ) {
      Atomics.sub(control, GlobalWord.Clients, 1);
      this.stats.add(Stat.Rejected, 1);
      refuse(socket, DENIED);
      return;
    }
    const id = Atomics.add(control, GlobalWord.LastClientId, 1) + 1;
    const path = config.getString('unixsocket');
    const address = unix ? `${path}:0` : addressText(socket.remoteAddress!, socket.remotePort!);
    const local = unix ? `${path}:0` : addressText(socket.localAddress!, socket.localPort!);
    if (this.thread.log.isOn(LogLevel.Verbose)) this.thread.log.verbose(`Accepted ${address}`);
    const session = new Session(id, address, local, unix, Date.now());
    session.authenticated = !acl.authRequired;
    session.identity = acl.defaultUser;
    session.home = this.thread.start.number;
    this.#lastNumber = (this.#lastNumber + 1) & 0x7fffffff;
    const connection = new Connection(this, this.#lastNumber, session, socket, shared);
    this.#connections.set(connection.number, connection);
    this.registry.add(connection);
    if (this.memory.active) this.memory.changed(connection);
    this.stats.add(Stat.Clients, 1);
  }

  #tick(): void {
    const now = Date.now();
    let input = 0;
    let output = 0;
    let all = 0;
    for (const connection of this.#connections.values()) {
      connection.tick(now, this.#idleMs);
      input += connection.queryBufferMemory;
      output += connection.outputPendingBytes;
      all += clientMemory(connection.session, connection);
    }
    if (!this.memory.active) this.stats.set(Stat.ClientsMemory, all);
    this.stats.set(Stat.ClientsQueryMemory, input);
    this.stats.set(Stat.ClientsOutputMemory, output);
    this.stats.set(Stat.HeapBytes, process.memoryUsage().heapUsed);
    const cpu = process.threadCpuUsage();
    this.stats.set(Stat.CpuUserMs, cpu.user / 1000);
    this.stats.set(Stat.CpuSystemMs, cpu.system / 1000);
    this.parser.trim();
  }

  /** Holds a connection back until CLIENT PAUSE ends; looks again every RESUME_MS until none is held. */
  hold(connection: Connection): void {
    this.#held.add(connection);
    connection.session.blocked = true;
    this.stats.add(Stat.Blocked, 1);
    if (this.#held.size > 1) return;
    const timer = setInterval(() => {
      const mode = Atomics.load(this.#control, GlobalWord.PauseMode);
      const left = (Atomics.load(this.#control, GlobalWord.PauseUntil) - (Date.now() | 0)) | 0;
      if (mode !== PauseMode.None && left > 0) return;
      clearInterval(timer);
      const held = [...this.#held];
      this.#held.clear();
      this.stats.add(Stat.Blocked, -held.length);
      for (const connection of held) connection.resume();
    }, RESUME_MS);
  }

  /** A client sees what has run since it said MONITOR. */
  #feedMonitors({ number, lines }: MonitorLines): void {
    const bytes = Buffer.from(lines, 'latin1');
    for (const connection of this.#connections.values()) {
      const { monitor, monitorSince } = connection.session;
      if (monitor && ((number - monitorSince) | 0) > 0) connection.push(bytes);
    }
  }
}

function bindMethods(core: AcceptorCore): Record<string, (payload: unknown) => unknown> {
  return Object.fromEntries(
    Object.entries(clientMethods).map(([name, method]) => [
      name,
      (payload: unknown) => method(core.registry, payload),
    ]),
  );
}

function refuse(socket: Socket, text: string): void {
  socket.on('error', () => socket.destroy());
  socket.end(text, () => socket.destroy());
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');
}

function addressText(address: string, port: number): string {
  if (address.startsWith('::ffff:')) return `${address.slice(7)}:${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
