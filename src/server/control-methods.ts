// What threads may ask of the supervisor (ServerApi.ask): the control plane behind CONFIG, SLOWLOG, LATENCY, CLIENT
// PAUSE and SHUTDOWN. Payloads and results are plain data. A method refuses with a RefusedError, whose message is the
// text of an error reply.

import type { ConfigStore } from '../config/store.ts';
import { RefusedError } from '../execution/control-port.ts';
import { readFileSync } from '../file-system.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Logger } from '../log/logger.ts';
import { GlobalWord, PauseMode, ShardCounter } from '../memory/layout.ts';
import type { LatencyMonitor } from '../metrics/latency-monitor.ts';
import type { SlowCommand, SlowLog } from '../metrics/slow-log.ts';
import type { Stats } from '../metrics/stats.ts';
import type { Sampler } from './sampler.ts';

/** What the methods need of the supervisor. */
export interface SupervisorApi {
  readonly config: ConfigStore;
  readonly log: Logger;
  readonly keyspace: Keyspace;
  readonly stats: Stats;
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly sampler: Sampler;
  /** @throws RefusedError */
  setConfig(pairs: readonly string[], localClient: boolean): Promise<void>;
  /** @returns a promise that settles only if the server does not end after all */
  shutdown(reason: string): Promise<never>;
}

export interface ShutdownRequest {
  readonly save: boolean;
  readonly noSave: boolean;
  readonly now: boolean;
  readonly force: boolean;
}

export interface PauseRequest {
  /** Unix time in ms. */
  readonly until: number;
  /** All commands, not only those that write. */
  readonly all: boolean;
}

export interface LatencyEvent {
  readonly event: string;
  readonly ms: number;
}

// biome-ignore lint/suspicious/noExplicitAny: payloads are what caller and method agree on
type ControlMethod = (payload: any) => unknown | Promise<unknown>;

/** Counters of shards that CONFIG RESETSTAT clears; what is in use and what is not saved stay. */
const RESET_COUNTERS = [
  ShardCounter.Expired,
  ShardCounter.Evicted,
  ShardCounter.Hits,
  ShardCounter.Misses,
  ShardCounter.Contended,
  ShardCounter.Commands,
  ShardCounter.DefragHits,
  ShardCounter.DefragMisses,
  ShardCounter.ExpiredFields,
];

/** A pause is kept as its end modulo 2^32 ms, so it can lie this far ahead: 24 days. */
const PAUSE_MS_MAX = 2 ** 31 - 1;

export function controlMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  return {
    ...configMethods(supervisor),
    ...slowLogMethods(supervisor),
    ...latencyMethods(supervisor),
    'client-pause': (request: PauseRequest) => pauseClients(supervisor.keyspace, request, Date.now()),
    'client-unpause': () => unpauseClients(supervisor.keyspace),
    shutdown: (request: ShutdownRequest) => shutdown(supervisor, request),
    /** @throws RefusedError: a shutdown waits for nothing that would leave time to abort it */
    'abort-shutdown': () => {
      throw new RefusedError('ERR No shutdown in progress.');
    },
  };
}

function configMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  return {
    'config-set': ({ pairs, localClient }: { pairs: readonly string[]; localClient: boolean }) =>
      supervisor.setConfig(pairs, localClient),
    'config-rewrite': async () => {
      const { configRewrite } = await import('../config/rewrite.ts');
      const refused = configRewrite(supervisor.config, { users: null });
      if (refused !== null) throw new RefusedError(refused);
      supervisor.log.notice('CONFIG REWRITE executed with success.');
    },
    /** The part of CONFIG RESETSTAT that is no thread's own. */
    'reset-stats': () => {
      supervisor.sampler.reset();
      supervisor.stats.reset();
      resetShardCounters(supervisor.keyspace);
    },
  };
}

/** The supervisor may sleep on locks; each is held for some nanoseconds. */
function resetShardCounters(keyspace: Keyspace): void {
  for (const shard of keyspace.shards) {
    const locked = shard.acquire();
    for (const counter of RESET_COUNTERS) locked.resetCounter(counter);
    locked.release();
  }
}

function slowLogMethods({ slowLog }: SupervisorApi): Record<string, ControlMethod> {
  return {
    slow: (command: SlowCommand) => slowLog.add(command),
    'slowlog-get': (count: number) => slowLog.get(count),
    'slowlog-len': () => slowLog.length,
    'slowlog-reset': () => slowLog.reset(),
  };
}

function latencyMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  const { latency } = supervisor;
  return {
    /** A thread saw something that took at least latency-monitor-threshold. */
    'latency-add': ({ event, ms }: LatencyEvent) => latency.add(event, Math.floor(ms), unixSeconds()),
    'latency-latest': () => latency.latest(),
    'latency-history': (event: string) => latency.history(event),
    /** @returns null for an unknown event */
    'latency-graph': (event: string) => latency.graph(event, unixSeconds()),
    'latency-doctor': async () => {
      const { latencyReport } = await import('../metrics/latency-report.ts');
      return latencyReport(latency, latencyFacts(supervisor), unixSeconds());
    },
    'latency-reset': (events: readonly string[]) => latency.reset(events),
  };
}

function latencyFacts({ config }: SupervisorApi) {
  return {
    thresholdMs: config.getInt('latency-monitor-threshold'),
    slowerThanUsec: config.getInt('slowlog-log-slower-than'),
    hz: config.getInt('hz'),
    fsyncAlways: config.getEnum('appendfsync') === 'always',
    hugePages: hugePageBytes() > 0,
  };
}

/** Memory of this process in transparent huge pages; 0 where the host does not tell. */
function hugePageBytes(): number {
  let rollup: string;
  try {
    rollup = readFileSync('/proc/self/smaps_rollup', 'latin1');
  } catch {
    // No Linux, or one that hides it: as Redis does, nothing is said about huge pages then.
    return 0;
  }
  return Number(/^AnonHugePages:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** A second pause neither shortens nor loosens one that lasts, as in Redis. */
function pauseClients(keyspace: Keyspace, request: PauseRequest, now: number): void {
  const { control } = keyspace.memory;
  const left = pauseLeft(control, now);
  const mode = left > 0 ? Atomics.load(control, GlobalWord.PauseMode) : PauseMode.None;
  const wanted = Math.min(PAUSE_MS_MAX, request.until - now);
  Atomics.store(control, GlobalWord.PauseUntil, (now + Math.max(left, wanted)) | 0);
  Atomics.store(
    control,
    GlobalWord.PauseMode,
    Math.max(mode, request.all ? PauseMode.All : PauseMode.Writes),
  );
}

/** ms that the present pause still lasts, 0 without one. */
function pauseLeft(control: Int32Array, now: number): number {
  if (Atomics.load(control, GlobalWord.PauseMode) === PauseMode.None) return 0;
  return Math.max(0, (Atomics.load(control, GlobalWord.PauseUntil) - (now | 0)) | 0);
}

/** Takes back a pause whose time is over, so that commands need not look at the clock for it. */
export function endPauseWhenOver(keyspace: Keyspace, now: number): void {
  const { control } = keyspace.memory;
  if (Atomics.load(control, GlobalWord.PauseMode) !== PauseMode.None && pauseLeft(control, now) === 0) {
    unpauseClients(keyspace);
  }
}

function unpauseClients(keyspace: Keyspace): void {
  Atomics.store(keyspace.memory.control, GlobalWord.PauseMode, PauseMode.None);
}

function shutdown(supervisor: SupervisorApi, request: ShutdownRequest): Promise<never> {
  if (request.save) {
    throw new RefusedError('ERR SHUTDOWN SAVE is not possible: this version of Sabre writes no snapshots');
  }
  return supervisor.shutdown('User requested shutdown...');
}
