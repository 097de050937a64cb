// What commands of the server itself need of the rooms above them: declared here, implemented by `connection` and
// `server`, so that lower rooms import no higher ones.

import type { ConfigStore } from '../config/store.ts';
import type { Logger } from '../log/logger.ts';
import type { Stats } from '../metrics/stats.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { AclApi } from './identity.ts';
import type { PubSub } from './pubsub-api.ts';
import type { CommandTable } from './table.ts';
import type { Tracking } from './tracking-api.ts';

/** Writes the reply of a deferred command. Runs on the connection's own thread, `reply.resp` is set. */
export type ReplyFunction = (reply: ReplyWriter) => void;

/** A call of a method of the supervisor, as plain data. */
export interface ControlRequest {
  readonly method: string;
  readonly payload: unknown;
}

/** Payload of a method that looks at what threads have reported (execution/reports.ts). */
export interface ReportQuery {
  /** Number of the last report when it was asked. */
  readonly seen: number;
  readonly payload: unknown;
}

/** Facts fixed when the server starts; the same in every thread. */
export interface ServerFacts {
  readonly pid: number;
  readonly runId: string;
  readonly startedAt: number;
  readonly version: string;
  readonly redisVersion: string;
  readonly acceptors: number;
  readonly shardWorkers: number;
  readonly configFile: string;
  readonly executable: string;
}

export interface ServerApi {
  readonly facts: ServerFacts;
  /** This thread's copy of the configuration; only the supervisor changes it (`ask('config-set', …)`). */
  readonly config: ConfigStore;
  readonly stats: Stats;
  readonly log: Logger;
  readonly table: CommandTable;
  readonly acl: AclApi;
  /** Role and number of the calling thread, as INFO threads prints it. */
  readonly threadName: string;
  /** Absent where nobody can subscribe. */
  readonly pubsub?: PubSub;
  /** Absent where nobody can cache keys. */
  readonly tracking?: Tracking;
  /**
   * Calls a method of the supervisor (server/control-methods.ts lists them).
   * @returns its result (structured clone)
   * @throws Error whose message is an error reply's text, when the method refuses
   */
  ask(method: string, payload?: unknown): Promise<unknown>;
  /** Calls a method of every acceptor, this one included, and gathers the results. */
  askAcceptors(method: string, payload?: unknown): Promise<unknown[]>;
  /** Calls a method of every acceptor and shard worker. */
  askThreads(method: string, payload?: unknown): Promise<unknown[]>;
}
