// What can only be known by looking again and again: rates per second, the peak of memory. The supervisor's cron
// feeds it ten times a second, and it publishes in shared memory (ServerGauge), where any thread reads it for INFO.
//
// A rate is the mean of the last 16 samples, each the growth of a counter between two looks, as Redis has it.

import type { Keyspace } from '../keyspace/keyspace.ts';
import { memoryUsage } from '../keyspace/memory-usage.ts';
import { ServerGauge, Stat, type Stats } from '../metrics/stats.ts';

const SAMPLES = 16;
const KIB = 1024;
/** Samples after which all threads run and the program has its usual size. */
const RUNTIME_SAMPLE = 10;

/** Growth of a counter per second. */
export class Rate {
  readonly #samples = new Float64Array(SAMPLES);
  #next = 0;
  #lastValue = 0;
  #lastAt = -1;

  /** @param at ms, of a clock that does not jump */
  add(value: number, at: number): void {
    if (this.#lastAt >= 0 && at > this.#lastAt) {
      const grown = Math.max(0, value - this.#lastValue);
      this.#samples[this.#next] = Math.floor((grown * 1000) / (at - this.#lastAt));
      this.#next = (this.#next + 1) % SAMPLES;
    }
    this.#lastValue = value;
    this.#lastAt = at;
  }

  get perSecond(): number {
    let sum = 0;
    for (const sample of this.#samples) sum += sample;
    return sum / SAMPLES;
  }

  /** The counter begins again at zero. */
  reset(): void {
    this.#samples.fill(0);
    this.#lastValue = 0;
    this.#lastAt = -1;
  }
}

export class Sampler {
  readonly #stats: Stats;
  readonly #keyspace: Keyspace;
  readonly #ops = new Rate();
  readonly #input = new Rate();
  readonly #output = new Rate();
  #samples = 0;

  /** Created when the server starts: what is in use now is used_memory_startup. */
  constructor(stats: Stats, keyspace: Keyspace) {
    this.#stats = stats;
    this.#keyspace = keyspace;
    stats.server[ServerGauge.StartupBytes] = memoryUsage(keyspace, stats).used;
    this.#sampleMemory();
  }

  /** @param at ms, of a clock that does not jump */
  sample(at: number): void {
    const stats = this.#stats;
    this.#ops.add(stats.sum(Stat.Commands), at);
    this.#input.add(stats.sum(Stat.NetInput), at);
    this.#output.add(stats.sum(Stat.NetOutput), at);
    stats.server[ServerGauge.OpsPerSecond] = Math.floor(this.#ops.perSecond);
    stats.server[ServerGauge.InputKibPerSecond] = this.#input.perSecond / KIB;
    stats.server[ServerGauge.OutputKibPerSecond] = this.#output.perSecond / KIB;
    this.#sampleMemory();
    const cpu = process.threadCpuUsage();
    stats.set(Stat.CpuUserMs, cpu.user / 1000);
    stats.set(Stat.CpuSystemMs, cpu.system / 1000);
  }

  /** CONFIG RESETSTAT: the rates begin anew. The peak of memory stays, as in Redis. */
  reset(): void {
    this.#ops.reset();
    this.#input.reset();
    this.#output.reset();
    this.#stats.server[ServerGauge.OpsPerSecond] = 0;
    this.#stats.server[ServerGauge.InputKibPerSecond] = 0;
    this.#stats.server[ServerGauge.OutputKibPerSecond] = 0;
  }

  #sampleMemory(): void {
    const gauges = this.#stats.server;
    const { rss, heapUsed } = process.memoryUsage();
    gauges[ServerGauge.RssBytes] = rss;
    this.#stats.set(Stat.HeapBytes, heapUsed);
    const { used, resident } = memoryUsage(this.#keyspace, this.#stats);
    if (this.#samples++ <= RUNTIME_SAMPLE) gauges[ServerGauge.RuntimeBytes] = Math.max(0, rss - resident);
    if (used <= gauges[ServerGauge.PeakBytes]!) return;
    gauges[ServerGauge.PeakBytes] = used;
    gauges[ServerGauge.PeakAt] = Date.now();
  }
}
