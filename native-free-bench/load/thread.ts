/*
 * One thread's share of a load: its connections, its clock, its histogram.
 *
 * Closed loop: everything happens in the reply callback; a connection whose pipeline has been answered sends the next.
 * Open loop: connection i of C has batches due at start + (i + k * C) * interval. A loop of `setImmediate` looks at
 * the clock and sends what is due; timers would be a millisecond late. It spins, so the generator needs a core of its
 * own. What is due while a connection has no batch free is sent later, with its latency counted from when it was
 * due; after the end, what was due before it is still sent and counted.
 *
 * The measured part starts when the warm-up is over. Replies are counted when they come inside it (closed loop) or
 * when their request was due inside it (open loop).
 */

import * as hdr from 'hdr-histogram-js';
import { LoadConnection, type ReplyListener } from './connection.ts';
import { KeySource } from './keys.ts';
import { buildBatches, fillBatch } from './requests.ts';
import type { LoadSpec, ThreadPlan, ThreadResult } from './spec.ts';

const READ_BUFFER_BYTES = 256 * 1024;
/** No reply for so long while some are owed: the server hangs. */
const STALL_MS = 30_000;
/** Batches an open-loop connection may have under way. */
const OPEN_LOOP_BATCHES = 64;
const CONNECT_AT_ONCE = 100;

/** A histogram of microseconds, 3 significant digits. */
export function buildHistogram(): hdr.Histogram {
  return hdr.build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
}

function encodeHistogram(histogram: hdr.Histogram): string {
  return hdr.encodeIntoCompressedBase64(histogram);
}

export class LoadThread implements ReplyListener {
  private readonly spec: LoadSpec;
  private readonly plan: ThreadPlan;
  private readonly keys: KeySource;
  private readonly connections: LoadConnection[] = [];
  private readonly latency = buildHistogram();
  private readonly lag = buildHistogram();
  private readonly openLoop: boolean;
  private readonly stepMs: number;
  private counted = 0;
  private seen = 0;
  private budget: number;
  private running = 0;
  private measureFromMs = 0;
  private endMs = Number.POSITIVE_INFINITY;
  private lastReplyMs = 0;
  private settle: { resolve: () => void; reject: (error: Error) => void } | undefined;
  private failure: Error | undefined;

  constructor(plan: ThreadPlan) {
    const { spec } = plan;
    this.plan = plan;
    this.spec = spec;
    const seed = spec.seed * 7919 + plan.thread;
    this.keys = new KeySource(spec.distribution, spec.keys, seed, spec.theta, plan.firstKey);
    this.openLoop = spec.rate !== undefined;
    this.stepMs = spec.rate === undefined ? 0 : (1000 * spec.pipeline * spec.connections) / spec.rate;
    this.budget = plan.requests ?? Number.POSITIVE_INFINITY;
  }

  /** Opens all connections. */
  async connect(): Promise<void> {
    const { spec } = this;
    const values = new KeySource('uniform', 1, spec.seed + 1000 * (this.plan.thread + 1));
    const buffer = Buffer.alloc(READ_BUFFER_BYTES);
    let opening: Promise<void>[] = [];
    for (let i = 0; i < this.plan.connections; i++) {
      const batches = buildBatches(
        spec.mix,
        spec.pipeline,
        spec,
        values,
        this.openLoop ? OPEN_LOOP_BATCHES : 1,
      );
      const connection = new LoadConnection(batches, this);
      this.connections.push(connection);
      opening.push(connection.open(spec.host, spec.port, buffer));
      if (opening.length === CONNECT_AT_ONCE) {
        await Promise.all(opening);
        opening = [];
      }
    }
    await Promise.all(opening);
  }

  /**
   * Ends the measured part now: what was due before is still answered and counted. Does nothing when it is over.
   */
  stop(): void {
    this.endMs = Math.min(this.endMs, performance.now());
  }

  /**
   * Puts the load on and waits until all replies have come.
   * @param onMeasuring called when the measured part begins
   */
  async run(onMeasuring: () => void): Promise<ThreadResult> {
    const startMs = performance.now();
    this.lastReplyMs = startMs;
    this.measureFromMs = startMs;
    if (this.plan.requests === undefined) {
      this.measureFromMs += this.spec.warmupSeconds * 1000;
      this.endMs = Math.min(this.endMs, this.measureFromMs + this.spec.seconds * 1000);
    }
    // a millisecond more, as timers may be early
    const warmedUp = setTimeout(onMeasuring, Math.ceil(this.measureFromMs - startMs) + 1);
    const watch = setInterval(() => this.checkStall(), 1000);
    try {
      await new Promise<void>((resolve, reject) => {
        this.settle = { resolve, reject };
        if (this.failure !== undefined) reject(this.failure);
        else if (this.openLoop) this.startOpenLoop(startMs);
        else this.startClosedLoop();
      });
    } finally {
      clearTimeout(warmedUp);
      clearInterval(watch);
      this.close();
    }
    return this.result();
  }

  close(): void {
    for (const connection of this.connections) connection.close();
  }

  onReplies(dueMs: number, replies: number): void {
    const nowMs = performance.now();
    this.seen += replies;
    this.lastReplyMs = nowMs;
    const inside = this.openLoop
      ? dueMs >= this.measureFromMs
      : nowMs >= this.measureFromMs && nowMs <= this.endMs;
    if (!inside) return;
    this.counted += replies;
    this.latency.recordValueWithCount(Math.round((nowMs - dueMs) * 1000), replies);
  }

  onReadEnd(connection: LoadConnection): void {
    if (this.openLoop || connection.underWay > 0) return;
    this.sendOrStop(connection);
  }

  onFailure(error: Error): void {
    this.failure ??= error;
    this.settle?.reject(error);
  }

  private startClosedLoop(): void {
    this.running = this.connections.length;
    for (const connection of this.connections) this.sendOrStop(connection);
  }

  private sendOrStop(connection: LoadConnection): void {
    const nowMs = performance.now();
    if (nowMs < this.endMs && this.budget > 0) {
      this.budget -= this.spec.pipeline;
      fillBatch(connection.nextBatch, this.keys, this.spec.keyDigits);
      connection.send(nowMs);
      return;
    }
    this.running--;
    if (this.running === 0) this.settle!.resolve();
  }

  private startOpenLoop(startMs: number): void {
    const gapMs = this.stepMs / this.spec.connections;
    this.connections.forEach((connection, i) => {
      // threads interleave: connection i of thread t is number i * threads + t of all
      connection.nextDueMs = startMs + (i * this.spec.threads + this.plan.thread) * gapMs;
    });
    setImmediate(this.tick);
  }

  /** Sends what is due. Ends when all that was due before the end has been answered. */
  private readonly tick = (): void => {
    if (this.failure !== undefined) return;
    let open = 0;
    for (let i = 0; i < this.connections.length; i++) {
      const connection = this.connections[i]!;
      const nowMs = performance.now();
      const untilMs = Math.min(nowMs, this.endMs);
      while (connection.nextDueMs <= untilMs && connection.canSend) {
        this.sendDue(connection, nowMs);
      }
      if (connection.nextDueMs <= untilMs) connection.heldMs = nowMs;
      if (connection.underWay > 0 || connection.nextDueMs <= this.endMs) open++;
    }
    if (open === 0) this.settle!.resolve();
    else setImmediate(this.tick);
  };

  private sendDue(connection: LoadConnection, nowMs: number): void {
    const dueMs = connection.nextDueMs;
    connection.nextDueMs = dueMs + this.stepMs;
    fillBatch(connection.nextBatch, this.keys, this.spec.keyDigits);
    if (dueMs >= this.measureFromMs) {
      // what the server held up is not the generator's delay
      this.lag.recordValue(Math.round((nowMs - Math.max(dueMs, connection.heldMs)) * 1000));
    }
    connection.send(dueMs);
  }

  private checkStall(): void {
    const owed = this.connections.some((connection) => connection.underWay > 0);
    if (owed && performance.now() - this.lastReplyMs > STALL_MS) {
      this.onFailure(new Error(`no reply for ${STALL_MS / 1000} seconds (${this.seen} had come)`));
    }
  }

  private result(): ThreadResult {
    let errors = 0;
    let nulls = 0;
    let firstError = '';
    for (const { scanner } of this.connections) {
      errors += scanner.errors;
      nulls += scanner.nulls;
      firstError ||= scanner.firstError;
    }
    const untilMs = this.plan.requests === undefined && !this.openLoop ? this.endMs : this.lastReplyMs;
    return {
      requests: this.counted,
      errors,
      nulls,
      firstError,
      elapsedMs: untilMs - this.measureFromMs,
      latencyUs: encodeHistogram(this.latency),
      lagUs: encodeHistogram(this.lag),
    };
  }
}
