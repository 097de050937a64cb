// What threads may ask of the supervisor (ServerApi.ask): the control plane behind CONFIG, SLOWLOG, LATENCY, CLIENT
// PAUSE and SHUTDOWN. Payloads and results are plain data. A method refuses with a RefusedError, whose message is the
// text of an error reply.

import type { ReportQuery } from '../commands/server-api.ts';
import type { ConfigStore } from '../config/store.ts';
import { RefusedError } from '../execution/control-port.ts';
import type { Report } from '../execution/reports.ts';
import { readFileSync } from '../file-system.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import type { Logger } from '../log/logger.ts';
import { ShardCounter } from '../memory/layout.ts';
import type { LatencyMonitor } from '../metrics/latency-monitor.ts';
import type { SlowLog } from '../metrics/slow-log.ts';
import type { Stats } from '../metrics/stats.ts';
import type { ClientPause, PauseRequest } from './client-pause.ts';
import type { ReportOrder } from './report-order.ts';
import type { Sampler } from './sampler.ts';
import type { Shutdown, ShutdownRequest } from './shutdown.ts';

/** What the methods need of the supervisor. */
export interface SupervisorApi {
  readonly config: ConfigStore;
  readonly log: Logger;
  readonly keyspace: Keyspace;
  readonly stats: Stats;
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly reports: ReportOrder;
  /** Name and rules of each user. */
  userLines(): string[];
  readonly sampler: Sampler;
  /** @throws RefusedError */
  setConfig(pairs: readonly string[], localClient: boolean): Promise<void>;
  readonly pause: ClientPause;
  readonly shutdown: Shutdown;
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

export function controlMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  return {
    ...configMethods(supervisor),
    report: (report: Report) => supervisor.reports.add(report),
    ...onReports(supervisor.reports, slowLogMethods(supervisor)),
    ...onReports(supervisor.reports, latencyMethods(supervisor)),
    'client-pause': (request: PauseRequest) => supervisor.pause.begin(request, Date.now()),
    'client-unpause': () => supervisor.pause.end(Date.now()),
    /** Never answered but by a refusal. */
    shutdown: (request: ShutdownRequest) => supervisor.shutdown.request(request),
    'abort-shutdown': () => supervisor.shutdown.abort(),
  };
}

/** Methods that look at what was reported, see ReportQuery. */
export function onReports(
  reports: ReportOrder,
  methods: Record<string, ControlMethod>,
): Record<string, ControlMethod> {
  return Object.fromEntries(
    Object.entries(methods).map(([name, method]) => [
      name,
      ({ seen, payload }: ReportQuery) => reports.when(seen, () => method(payload)),
    ]),
  );
}

function configMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  return {
    'config-set': ({ pairs, localClient }: { pairs: readonly string[]; localClient: boolean }) =>
      supervisor.setConfig(pairs, localClient),
    'config-rewrite': async () => {
      const { configRewrite } = await import('../config/rewrite.ts');
      const refused = configRewrite(supervisor.config, { users: supervisor.userLines() });
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
    'slowlog-get': (count: number) => slowLog.get(count),
    'slowlog-len': () => slowLog.length,
    'slowlog-reset': () => slowLog.reset(),
  };
}

function latencyMethods(supervisor: SupervisorApi): Record<string, ControlMethod> {
  const { latency } = supervisor;
  return {
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

export function unixSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
