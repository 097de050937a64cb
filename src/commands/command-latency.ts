// What INFO latencystats and LATENCY HISTOGRAM tell of the time that commands took, from the shared histograms: calls by
// power of two of microseconds (metrics/stats.ts).

import { CommandStat, LATENCY_BUCKETS, type Stats } from '../metrics/stats.ts';

/** Calls of a command by bucket, over all threads. */
export function latencyBuckets(stats: Stats, command: number): number[] {
  return Array.from({ length: LATENCY_BUCKETS }, (_, bucket) => stats.sumLatency(command, bucket));
}

/** Whether the command has a histogram. The calls are looked at first: most commands were never called. */
export function hasLatency(stats: Stats, command: number): boolean {
  if (stats.sumCommand(command, CommandStat.Calls) === 0) return false;
  return latencyBuckets(stats, command).some((calls) => calls > 0);
}

/** Microseconds below which the calls of a bucket ended. */
export function bucketLimit(bucket: number): number {
  return 2 ** bucket;
}

/**
 * The time within which a share of the calls ended. Inside a bucket calls count as evenly spread.
 * @param percentile 0..100
 * @returns microseconds, 0 without calls
 */
export function percentileUsec(buckets: readonly number[], percentile: number): number {
  const total = buckets.reduce((sum, calls) => sum + calls, 0);
  const wanted = (percentile / 100) * total;
  let below = 0;
  for (const [bucket, calls] of buckets.entries()) {
    if (calls > 0 && below + calls >= wanted) {
      const from = bucket === 0 ? 0 : bucketLimit(bucket - 1);
      return from + ((wanted - below) / calls) * (bucketLimit(bucket) - from);
    }
    below += calls;
  }
  return 0;
}
