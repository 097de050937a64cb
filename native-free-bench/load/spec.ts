/*
 * What the load generator is asked to do, what each thread of it gets, and what comes back.
 *
 * Everything here is plain data, since it crosses threads. The two ways of working:
 *
 * closed loop: each connection sends a pipeline, waits for all its replies, sends the next. Finds the top throughput.
 *   Its latencies are those of a client that politely waits, so they hide stalls ("coordinated omission").
 * open loop: requests are due at a fixed rate whatever the server does. A latency runs from the moment the request was
 *   due, not from when it could be sent, so a stall of 100 ms counts for every request that was due during it.
 */

import { KEY_DISTRIBUTIONS, KEYS_MAX, type KeyDistribution } from './keys.ts';
import type { MixEntry } from './requests.ts';

/** A load to put on one server. */
export interface LoadSpec {
  host: string;
  port: number;
  /** Connections over all threads. */
  connections: number;
  threads: number;
  /** Requests sent with one write. */
  pipeline: number;
  mix: MixEntry[];
  /** Size of the key space. */
  keys: number;
  distribution: KeyDistribution;
  /** Skew of the zipfian distribution. */
  theta: number;
  keyPrefix: string;
  keyDigits: number;
  valueBytes: { min: number; max: number };
  /** Requests per second over all connections: open loop. Undefined: closed loop. */
  rate?: number;
  /** Closed loop only: stop after so many requests (rounded up to whole pipelines), instead of after `seconds`. */
  requests?: number;
  /** Length of the measured part. */
  seconds: number;
  /** Sent before the measured part and not counted; not used with `requests`. */
  warmupSeconds: number;
  /** For repeatable runs: each thread derives its own from it. */
  seed: number;
}

/** Defaults: redis-benchmark's keys, 50 connections, one thread. */
export const LOAD_DEFAULTS = {
  host: '127.0.0.1',
  port: 6379,
  connections: 50,
  threads: 1,
  pipeline: 1,
  keys: 1_000_000,
  distribution: 'uniform',
  theta: 0.99,
  keyPrefix: 'key:',
  keyDigits: 12,
  valueBytes: { min: 32, max: 32 },
  seconds: 5,
  warmupSeconds: 0,
  seed: 1,
} as const;

/** One thread's part. */
export interface ThreadPlan {
  spec: LoadSpec;
  /** 0-based number of the thread. */
  thread: number;
  connections: number;
  /** Its part of `spec.requests`. */
  requests?: number;
  /** Where its sequential keys start. */
  firstKey: number;
}

/** What a thread counted in its measured part. Histograms are compressed and base64 (HdrHistogram V2). */
export interface ThreadResult {
  requests: number;
  errors: number;
  nulls: number;
  firstError: string;
  elapsedMs: number;
  latencyUs: string;
  /** Open loop: how late requests were sent that could have been, in µs. */
  lagUs: string;
}

/** Messages to a thread: start; end the measured part now, whatever the specification says. */
export type ToThread = 'go' | 'stop';

/** Messages of a thread to its generator. */
export type FromThread =
  | { kind: 'ready' }
  /** Its warm-up is over. */
  | { kind: 'measuring' }
  | { kind: 'done'; result: ThreadResult }
  | { kind: 'failed'; message: string };

/** Latencies in microseconds. */
export interface LatencySummary {
  mean: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
  p9999: number;
  max: number;
}

/** The outcome of a load. */
export interface LoadResult {
  requests: number;
  errors: number;
  nulls: number;
  firstError: string;
  elapsedMs: number;
  requestsPerSecond: number;
  latencyUs: LatencySummary;
  /** Open loop: how late the generator itself sent; when this is near the latency, the generator is the bottleneck. */
  lagUs: LatencySummary;
}

/** Throws with a clear text when a specification makes no sense. */
export function validateSpec(spec: LoadSpec): void {
  const whole = (name: string, value: number, min: number, max: number): void => {
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new Error(`${name} must be a whole number from ${min} to ${max}, not ${value}`);
    }
  };
  whole('port', spec.port, 1, 65535);
  whole('threads', spec.threads, 1, 256);
  whole('connections', spec.connections, spec.threads, 100_000);
  whole('pipeline', spec.pipeline, 1, 10_000);
  whole('keys', spec.keys, 1, KEYS_MAX);
  whole('keyDigits', spec.keyDigits, 1, 15);
  whole('smallest value', spec.valueBytes.min, 0, 512 << 20);
  whole('largest value', spec.valueBytes.max, spec.valueBytes.min, 512 << 20);
  if (spec.requests !== undefined) whole('requests', spec.requests, 1, Number.MAX_SAFE_INTEGER);
  if (!KEY_DISTRIBUTIONS.includes(spec.distribution)) {
    throw new Error(
      `key distribution must be one of ${KEY_DISTRIBUTIONS.join(', ')}, not ${spec.distribution}`,
    );
  }
  if (spec.keys > 10 ** spec.keyDigits)
    throw new Error(`${spec.keys} keys don't fit ${spec.keyDigits} digits`);
  if (!/^[\x21-\x7e]*$/.test(spec.keyPrefix)) throw new Error('key prefix must be printable ASCII');
  if (!(spec.seconds > 0)) throw new Error(`seconds must be above 0, not ${spec.seconds}`);
  if (!(spec.warmupSeconds >= 0))
    throw new Error(`warm-up must be 0 seconds or more, not ${spec.warmupSeconds}`);
  if (spec.rate !== undefined && !(spec.rate > 0)) throw new Error(`rate must be above 0, not ${spec.rate}`);
  if (spec.rate !== undefined && spec.requests !== undefined) {
    throw new Error('a fixed rate runs for a time, not for a number of requests');
  }
  if (spec.mix.length === 0) throw new Error('no command to send');
  for (const { command, weight } of spec.mix) {
    if (command.length === 0) throw new Error('empty command');
    whole(`weight of ${command[0]}`, weight, 1, 10_000);
  }
}
