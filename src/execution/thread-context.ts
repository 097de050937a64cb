// What every command-running thread (acceptor, shard worker) is given when it starts, and what it makes of it:
// the shared memory attached, a copy of the configuration, the command table, the log, the port to the supervisor.

import type { MessagePort } from 'node:worker_threads';
import { ThreadAcl } from '../acl/thread-acl.ts';
import type { UserData } from '../acl/user.ts';
import type { AclChange } from '../acl/users.ts';
import { createCommandTable } from '../commands/index.ts';
import type { ServerApi, ServerFacts } from '../commands/server-api.ts';
import type { CommandTable } from '../commands/table.ts';
import { type ConfigChange, ConfigStore, type SerializedConfig } from '../config/store.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Logger, type LogShare } from '../log/logger.ts';
import { type SharedBuffers, SharedMemory } from '../memory/shared-memory.ts';
import { type StatBuffers, Stats } from '../metrics/stats.ts';
import { Exchange, type ExchangeBuffers } from '../pubsub/exchange.ts';
import { KeyPublisher } from '../pubsub/key-publisher.ts';
import { SnapshotSaver } from '../rdb/snapshot-saver.ts';
import { Tracker, type TrackingBuffers } from '../tracking/tracker.ts';
import { ChangeLog } from './change-log.ts';
import { collectGarbage } from './collect-garbage.ts';
import { ControlPort, type Methods } from './control-port.ts';
import { DeletionLog } from './deletion-log.ts';
import { Reporter } from './reports.ts';

/** A pair of rings between an acceptor and a shard worker. */
export interface RingPair {
  readonly toWorker: SharedArrayBuffer;
  readonly toAcceptor: SharedArrayBuffer;
}

/** Handed to a thread as workerData. */
export interface ThreadStart {
  readonly memory: SharedBuffers;
  readonly stats: StatBuffers;
  readonly seed: readonly [number, number];
  readonly config: SerializedConfig;
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  /** Null: `default` alone. */
  readonly users: readonly UserData[] | null;
  readonly log: LogShare;
  readonly facts: ServerFacts;
  readonly port: MessagePort;
  /** Thread id, 1..THREADS_MAX: the name locks are taken under. */
  readonly thread: number;
  /** Number among the threads of its kind, from 0. */
  readonly number: number;
  /** By the number of the other side. */
  readonly rings: readonly RingPair[];
  /** Thread ids by number. */
  readonly acceptorThreads: readonly number[];
  readonly workerThreads: readonly number[];
  /** Where a thread that executes commands puts its changes; null on the persistence worker. */
  readonly changes: SharedArrayBuffer | null;
  /** Those of all threads, for the persistence worker. */
  readonly changeRings: readonly SharedArrayBuffer[];
  readonly persistenceThread: number;
  readonly exchange: ExchangeBuffers;
  readonly tracking: TrackingBuffers;
}

export class ThreadContext implements ServerApi {
  readonly start: ThreadStart;
  readonly facts: ServerFacts;
  readonly config: ConfigStore;
  readonly stats: Stats;
  readonly table: CommandTable;
  readonly acl: ThreadAcl;
  readonly threadName: string;
  readonly keyspace: Keyspace;
  readonly log: Logger;
  readonly control: ControlPort;
  readonly reporter: Reporter;
  /** Not on the persistence worker. */
  readonly pubsub?: Exchange;
  /** Not on the persistence worker. */
  readonly tracking?: Tracker;
  /** Not on the persistence worker. */
  readonly changes: ChangeLog | null;

  /** @param methods what the supervisor may call, besides those every thread has */
  constructor(start: ThreadStart, role: string, methods: Methods) {
    this.start = start;
    this.facts = start.facts;
    this.config = ConfigStore.restore(start.config);
    this.stats = new Stats(start.stats, start.thread);
    this.table = createCommandTable();
    for (const { from, to } of start.renames) this.table.rename(from, to);
    this.acl = new ThreadAcl(this.table, this.stats, start.users, (note) => this.reporter.denied(note));
    this.threadName = `${role}-${start.number}`;
    this.keyspace = new Keyspace(new SharedMemory(start.memory, start.thread), start.seed);
    this.log = Logger.attach(start.log);
    this.changes =
      start.changes === null
        ? null
        : new ChangeLog(
            this.keyspace.memory.control,
            start.changes,
            start.persistenceThread,
            role === 'acceptor',
          );
    if (this.changes !== null) {
      const place = { ...start, control: this.keyspace.memory.control };
      this.pubsub = new Exchange(start.exchange, place);
      this.tracking = new Tracker(start.tracking, this.pubsub, place);
      this.keyspace.tracker = this.tracking;
    }
    if (this.changes !== null)
      this.keyspace.saver = new SnapshotSaver(this.keyspace, this.config, this.changes);
    if (this.changes !== null) this.keyspace.deletions = new DeletionLog(this.changes, this.config);
    if (this.pubsub !== undefined) new KeyPublisher(this.pubsub, this.keyspace.events, this.config);
    this.control = new ControlPort(start.port, { ...this.#commonMethods(), ...methods }, (error) =>
      this.fatal(error),
    );
    this.reporter = new Reporter(this.keyspace.memory.control, this.control, this.config);
  }

  ask(method: string, payload?: unknown): Promise<unknown> {
    return this.control.call(method, payload);
  }

  askAcceptors(method: string, payload?: unknown): Promise<unknown[]> {
    return this.control.call('call-acceptors', { method, payload }) as Promise<unknown[]>;
  }

  askThreads(method: string, payload?: unknown): Promise<unknown[]> {
    return this.control.call('call-threads', { method, payload }) as Promise<unknown[]>;
  }

  /** Ends the process: a broken invariant. The supervisor logs the stack when the thread dies of it. */
  fatal(error: unknown): never {
    throw error;
  }

  #commonMethods(): Methods {
    return {
      'config-changed': (changes: readonly ConfigChange[]) => {
        for (const change of changes) this.config.applyChange(change);
      },
      'acl-changed': (change: AclChange) => this.acl.apply(change),
      'reset-stats': () => this.stats.reset(),
      'reset-latency': () => this.stats.resetLatency(),
      'collect-garbage': collectGarbage,
      /** Answered when no command is under way. */
      settle: () => {},
    };
  }
}
