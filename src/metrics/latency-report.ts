// LATENCY DOCTOR: what the latency monitor has seen, and advice on it, in the words of redis-server, which tools and
// people know. Advice comes in a fixed order, whichever event asks for it. Redis's advice on fork() is left out: there
// is no fork here, and so no such event.

import type { LatencyMonitor } from './latency-monitor.ts';

/** The configuration and state that advice depends on. */
export interface LatencyFacts {
  /** latency-monitor-threshold, ms. */
  readonly thresholdMs: number;
  /** slowlog-log-slower-than, microseconds. */
  readonly slowerThanUsec: number;
  readonly hz: number;
  readonly fsyncAlways: boolean;
  /** The process has memory in transparent huge pages. */
  readonly hugePages: boolean;
}

const Advice = {
  SlowlogEnable: 0,
  SlowlogTune: 1,
  SlowlogInspect: 2,
  Scheduler: 3,
  LocalDisk: 4,
  Ssd: 5,
  Writeback: 6,
  DiskContention: 7,
  NoFsyncOnRewrite: 8,
  RelaxFsync: 9,
  WriteLoad: 10,
  Hz: 11,
  LargeObjects: 12,
  MassEviction: 13,
  HugePages: 14,
} as const;
type Advice = (typeof Advice)[keyof typeof Advice];

/** What to advise for each event; those of `command` also depend on the slow log's threshold. */
const ADVICE_OF_EVENT: Readonly<Record<string, readonly Advice[]>> = {
  command: [Advice.SlowlogInspect, Advice.LargeObjects],
  'fast-command': [Advice.Scheduler],
  'aof-write-pending-fsync': [Advice.LocalDisk, Advice.DiskContention, Advice.Ssd, Advice.Writeback],
  'aof-write-active-child': [Advice.NoFsyncOnRewrite, Advice.Writeback, Advice.Ssd],
  'aof-write-alone': [Advice.LocalDisk, Advice.Writeback, Advice.Ssd],
  'aof-fsync-always': [Advice.RelaxFsync],
  'aof-fstat': [Advice.DiskContention, Advice.LocalDisk],
  'rdb-unlink-temp-file': [Advice.DiskContention, Advice.LocalDisk],
  'aof-rewrite-diff-write': [Advice.WriteLoad, Advice.Writeback, Advice.Ssd, Advice.LocalDisk],
  'aof-rename': [Advice.WriteLoad, Advice.Writeback, Advice.Ssd, Advice.LocalDisk],
  'expire-cycle': [Advice.Hz, Advice.LargeObjects],
  'eviction-del': [Advice.LargeObjects],
  'eviction-cycle': [Advice.MassEviction],
};

const DISABLED =
  "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You may use \"CONFIG SET latency-monitor-threshold <milliseconds>.\" in order to enable it. If we weren't in a deep space mission I'd suggest to take a look at https://redis.io/topics/latency-monitor.\n";
const OPENING =
  "Dave, I have observed latency spikes in this Redis instance. You don't mind talking about it, do you Dave?\n\n";
const NOTHING_SEEN =
  'Dave, no latency spike was observed during the lifetime of this Redis instance, not in the slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and think things over.\n';
const NO_ADVICE =
  "\nWhile there are latency events logged, I'm not able to suggest any easy fix. Please use the Redis community to get some help, providing this report in your help request.\n";

/**
 * @param now unix time in seconds
 * @returns the report, with line ends
 */
export function latencyReport(monitor: LatencyMonitor, facts: LatencyFacts, now: number): string {
  const events = monitor.events;
  if (events.length === 0 && facts.thresholdMs === 0) return DISABLED;
  const advice = new Set<Advice>();
  let report = events.length > 0 ? OPENING : '';
  for (const [i, event] of events.entries()) {
    report += eventLine(monitor, event, i + 1, now);
    for (const each of adviceFor(event, facts)) advice.add(each);
  }
  if (facts.hugePages) advice.add(Advice.HugePages);
  if (advice.size > 0) return `${report}\nI have a few advices for you:\n\n${adviceText(advice, facts)}`;
  return report + (events.length === 0 ? NOTHING_SEEN : NO_ADVICE);
}

function eventLine(monitor: LatencyMonitor, event: string, number: number, now: number): string {
  const figures = monitor.figures(event, now)!;
  const period = (figures.periodSeconds / figures.samples).toFixed(2);
  const spikes = `average ${figures.average}ms, mean deviation ${figures.meanDeviation}ms, period ${period} sec`;
  return `${number}. ${event}: ${figures.samples} latency spikes (${spikes}). Worst all time event ${figures.msMax}ms.\n`;
}

function adviceFor(event: string, facts: LatencyFacts): Advice[] {
  const advice = [...(ADVICE_OF_EVENT[event] ?? [])];
  if (event !== 'command') return advice;
  if (facts.slowerThanUsec < 0) advice.push(Advice.SlowlogEnable);
  else if (Math.floor(facts.slowerThanUsec / 1000) > facts.thresholdMs) advice.push(Advice.SlowlogTune);
  return advice;
}

/** Two hold only under a condition that Redis looks at last, when the advice counts already. */
function adviceText(advice: ReadonlySet<Advice>, facts: LatencyFacts): string {
  const given = [...advice].filter(
    (each) => (each !== Advice.RelaxFsync || facts.fsyncAlways) && (each !== Advice.Hz || facts.hz < 100),
  );
  const usec = facts.thresholdMs * 1000;
  return given
    .sort((a, b) => a - b)
    .map((each) => `- ${ADVICE_TEXTS[each].replace('%usec', String(usec))}\n`)
    .join('');
}

const ADVICE_TEXTS: Readonly<Record<Advice, string>> = {
  [Advice.SlowlogEnable]:
    "There are latency issues with potentially slow commands you are using. Try to enable the Slow Log Redis feature using the command 'CONFIG SET slowlog-log-slower-than %usec'. If the Slow log is disabled Redis is not able to log slow commands execution for you.",
  [Advice.SlowlogTune]:
    "Your current Slow Log configuration only logs events that are slower than your configured latency monitor threshold. Please use 'CONFIG SET slowlog-log-slower-than %usec'.",
  [Advice.SlowlogInspect]:
    'Check your Slow Log to understand what are the commands you are running which are too slow to execute. Please check https://redis.io/commands/slowlog for more information.',
  [Advice.Scheduler]: [
    'The system is slow to execute Redis code paths not containing system calls. This usually means the system does not provide Redis CPU time to run for long periods. You should try to:',
    '  1) Lower the system load.',
    '  2) Use a computer / VM just for Redis if you are running other software in the same system.',
    '  3) Check if you have a "noisy neighbour" problem.',
    "  4) Check with 'redis-cli --intrinsic-latency 100' what is the intrinsic latency in your system.",
    '  5) Check if the problem is allocator-related by recompiling Redis with MALLOC=libc, if you are using Jemalloc. However this may create fragmentation problems.',
  ].join('\n'),
  [Advice.LocalDisk]:
    'It is strongly advised to use local disks for persistence, especially if you are using AOF. Remote disks provided by platform-as-a-service providers are known to be slow.',
  [Advice.Ssd]:
    'SSD disks are able to reduce fsync latency, and total time needed for snapshotting and AOF log rewriting (resulting in smaller memory usage and smaller final AOF rewrite buffer flushes). With extremely high write load SSD disks can be a good option. However Redis should perform reasonably with high load using normal disks. Use this advice as a last resort.',
  [Advice.Writeback]:
    'Mounting ext3/4 filesystems with data=writeback can provide a performance boost compared to data=ordered, however this mode of operation provides less guarantees, and sometimes it can happen that after a hard crash the AOF file will have a half-written command at the end and will require to be repaired before Redis restarts.',
  [Advice.DiskContention]:
    'Try to lower the disk contention. This is often caused by other disk intensive processes running in the same computer (including other Redis instances).',
  [Advice.NoFsyncOnRewrite]:
    "Assuming from the point of view of data safety this is viable in your environment, you could try to enable the 'no-appendfsync-on-rewrite' option, so that fsync will not be performed while there is a child rewriting the AOF file or producing an RDB file (the moment where there is high disk contention).",
  [Advice.RelaxFsync]:
    "Your fsync policy is set to 'always'. It is very hard to get good performances with such a setup, if possible try to relax the fsync policy to 'onesec'.",
  [Advice.WriteLoad]:
    'Latency during the AOF atomic rename operation or when the final difference is flushed to the AOF file at the end of the rewrite, sometimes is caused by very high write load, causing the AOF buffer to get very large. If possible try to send less commands to accomplish the same work, or use Lua scripts to group multiple operations into a single EVALSHA call.',
  [Advice.Hz]:
    "In order to make the Redis keys expiring process more incremental, try to set the 'hz' configuration parameter to 100 using 'CONFIG SET hz 100'.",
  [Advice.LargeObjects]:
    'Deleting, expiring or evicting (because of maxmemory policy) large objects is a blocking operation. If you have very large objects that are often deleted, expired, or evicted, try to fragment those objects into multiple smaller objects.',
  [Advice.MassEviction]:
    "Sudden changes to the 'maxmemory' setting via 'CONFIG SET', or allocation of large objects via sets or sorted sets intersections, STORE option of SORT, Redis Cluster large keys migrations (RESTORE command), may create sudden memory pressure forcing the server to block trying to evict keys. ",
  [Advice.HugePages]:
    "I detected a non zero amount of anonymous huge pages used by your process. This creates very serious latency events in different conditions, especially when Redis is persisting on disk. To disable THP support use the command 'echo never > /sys/kernel/mm/transparent_hugepage/enabled', make sure to also add it into /etc/rc.local so that the command will be executed again after a reboot. Note that even if you have already disabled THP, you still need to restart the Redis process to get rid of the huge pages already created.",
};
