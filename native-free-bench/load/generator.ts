/*
 * The load generator: divides a load over threads, starts them together, adds up what they counted.
 */

import { Worker } from 'node:worker_threads';
import * as hdr from 'hdr-histogram-js';
import type { ThreadPlan, ThreadResult } from './spec.ts';
import {
  type FromThread,
  type LatencySummary,
  type LoadResult,
  type LoadSpec,
  type ToThread,
  validateSpec,
} from './spec.ts';
import { buildHistogram } from './thread.ts';

const WORKER = new URL('./worker.ts', import.meta.url);

/** Part number `index` of a whole divided as evenly as whole numbers allow. */
function share(whole: number, parts: number, index: number): number {
  return Math.floor(whole / parts) + (index < whole % parts ? 1 : 0);
}

/** The threads' plans. Sequential keys are divided too: thread t starts where thread t-1 will end. */
export function planThreads(spec: LoadSpec): ThreadPlan[] {
  const plans: ThreadPlan[] = [];
  let firstKey = 0;
  for (let thread = 0; thread < spec.threads; thread++) {
    const plan: ThreadPlan = {
      spec,
      thread,
      connections: share(spec.connections, spec.threads, thread),
      firstKey,
    };
    if (spec.requests !== undefined) plan.requests = share(spec.requests, spec.threads, thread);
    firstKey += plan.requests ?? share(spec.keys, spec.threads, thread);
    plans.push(plan);
  }
  return plans;
}

function summarize(histogram: hdr.Histogram): LatencySummary {
  const at = (percentile: number): number => histogram.getValueAtPercentile(percentile);
  return {
    mean: histogram.totalCount === 0 ? 0 : histogram.mean,
    p50: at(50),
    p90: at(90),
    p99: at(99),
    p999: at(99.9),
    p9999: at(99.99),
    max: histogram.maxValue,
  };
}

/** Adds the threads' results up: counts are sums, rates are sums of rates, histograms are merged bucket by bucket. */
export function mergeResults(parts: readonly ThreadResult[]): LoadResult {
  const latency = buildHistogram();
  const lag = buildHistogram();
  const total = { requests: 0, errors: 0, nulls: 0, firstError: '', elapsedMs: 0, requestsPerSecond: 0 };
  for (const part of parts) {
    latency.add(hdr.decodeFromCompressedBase64(part.latencyUs, 32));
    lag.add(hdr.decodeFromCompressedBase64(part.lagUs, 32));
    total.requests += part.requests;
    total.errors += part.errors;
    total.nulls += part.nulls;
    total.firstError ||= part.firstError;
    total.elapsedMs = Math.max(total.elapsedMs, part.elapsedMs);
    total.requestsPerSecond += part.elapsedMs > 0 ? (1000 * part.requests) / part.elapsedMs : 0;
  }
  return { ...total, latencyUs: summarize(latency), lagUs: summarize(lag) };
}

/** One thread as promises: it has connected; its warm-up is over; it is done. */
interface RunningThread {
  worker: Worker;
  ready: Promise<void>;
  measuring: Promise<void>;
  done: Promise<ThreadResult>;
}

function startThread(plan: ThreadPlan): RunningThread {
  const worker = new Worker(WORKER, { workerData: plan });
  const ready = Promise.withResolvers<void>();
  const measuring = Promise.withResolvers<void>();
  const done = Promise.withResolvers<ThreadResult>();
  const fail = (error: Error): void => {
    for (const step of [ready, measuring, done]) step.reject(error);
  };
  worker.on('message', (message: FromThread) => {
    if (message.kind === 'ready') ready.resolve();
    else if (message.kind === 'measuring') measuring.resolve();
    else if (message.kind === 'done') done.resolve(message.result);
    else fail(new Error(`load generator: ${message.message}`));
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a thread of the load generator ended early (${code})`)));
  // the caller awaits one after the other; a failure of the later one must not count as unhandled meanwhile
  for (const { promise } of [ready, measuring, done] as { promise: Promise<unknown> }[])
    promise.catch(() => {});
  return { worker, ready: ready.promise, measuring: measuring.promise, done: done.promise };
}

/** A load that is on. */
export interface RunningLoad {
  /** The measured part has begun on all threads; rejected when it never will. */
  measuring: Promise<void>;
  /** All replies have come. */
  done: Promise<LoadResult>;
  /** Ends the measured part now, if it isn't over: what was due before is still answered and counted. */
  stop: () => void;
}

function tell(threads: readonly RunningThread[], word: ToThread): void {
  for (const { worker } of threads) worker.postMessage(word);
}

async function runThreads(threads: readonly RunningThread[]): Promise<LoadResult> {
  try {
    await Promise.all(threads.map((thread) => thread.ready));
    tell(threads, 'go');
    return mergeResults(await Promise.all(threads.map((thread) => thread.done)));
  } finally {
    await Promise.all(threads.map(({ worker }) => worker.terminate()));
  }
}

/**
 * Puts a load on a server that can be ended early. `done` is rejected as `runLoad` is.
 * @throws Error when the specification makes no sense
 */
export function startLoad(spec: LoadSpec): RunningLoad {
  validateSpec(spec);
  const threads = planThreads(spec).map(startThread);
  const measuring = Promise.all(threads.map((thread) => thread.measuring)).then(() => {});
  const done = runThreads(threads);
  // both may fail while the caller waits for something else
  measuring.catch(() => {});
  done.catch(() => {});
  return { measuring, done, stop: () => tell(threads, 'stop') };
}

/**
 * Puts a load on a server.
 * @throws Error when the server can't be reached, closes a connection, sends what is not RESP or stops answering
 */
export async function runLoad(spec: LoadSpec): Promise<LoadResult> {
  return startLoad(spec).done;
}
