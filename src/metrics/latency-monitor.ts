// The latency monitor: what took at least latency-monitor-threshold ms, by event, kept by the supervisor.
//
// An event has a ring of 160 samples, at most one per second (the longest of that second), and the longest ever.
// Reports on them for people are in latency-report.ts.

import { type SparkSample, sparkline } from './sparkline.ts';

const SAMPLES_MAX = 160;
const GRAPH_COLUMNS = 80;
const GRAPH_ROWS = 4;

export interface LatencySample {
  /** Unix time in seconds. */
  readonly time: number;
  readonly ms: number;
}

/** A row of LATENCY LATEST. */
export interface LatestLatency extends LatencySample {
  readonly event: string;
  readonly msMax: number;
}

/** An event in figures. Times in ms, all whole. */
export interface LatencyFigures {
  readonly samples: number;
  readonly average: number;
  readonly meanDeviation: number;
  /** Seconds between the oldest sample and now, at least 1. */
  readonly periodSeconds: number;
  readonly msMax: number;
}

interface Series {
  /** Oldest first. */
  samples: LatencySample[];
  msMax: number;
}

export class LatencyMonitor {
  readonly #events = new Map<string, Series>();

  /** @param time unix time in seconds @param ms how long it took, whole */
  add(event: string, ms: number, time: number): void {
    const series = this.#events.get(event) ?? { samples: [], msMax: 0 };
    this.#events.set(event, series);
    series.msMax = Math.max(series.msMax, ms);
    const last = series.samples.at(-1);
    if (last?.time === time) {
      if (ms > last.ms) series.samples[series.samples.length - 1] = { time, ms };
      return;
    }
    series.samples.push({ time, ms });
    if (series.samples.length > SAMPLES_MAX) series.samples.shift();
  }

  get events(): string[] {
    return [...this.#events.keys()];
  }

  latest(): LatestLatency[] {
    return [...this.#events].map(([event, series]) => ({
      event,
      ...series.samples.at(-1)!,
      msMax: series.msMax,
    }));
  }

  /** @returns oldest first; none for an unknown event */
  history(event: string): readonly LatencySample[] {
    return this.#events.get(event)?.samples ?? [];
  }

  /**
   * Forgets events.
   * @param names in any case; none: all
   * @returns how many were there
   */
  reset(names: readonly string[]): number {
    const wanted = new Set(names.map((name) => name.toLowerCase()));
    let count = 0;
    for (const event of this.events) {
      if (wanted.size > 0 && !wanted.has(event.toLowerCase())) continue;
      this.#events.delete(event);
      count++;
    }
    return count;
  }

  /** @param now unix time in seconds @returns null for an unknown event */
  figures(event: string, now: number): LatencyFigures | null {
    const series = this.#events.get(event);
    if (series === undefined) return null;
    const times = series.samples.map((sample) => sample.ms);
    const average = Math.floor(sum(times) / times.length);
    const deviations = times.map((ms) => Math.abs(average - ms));
    return {
      samples: times.length,
      average,
      meanDeviation: Math.floor(sum(deviations) / times.length),
      periodSeconds: now - series.samples[0]!.time || 1,
      msMax: series.msMax,
    };
  }

  /** LATENCY GRAPH. @param now unix time in seconds @returns null for an unknown event */
  graph(event: string, now: number): string | null {
    const series = this.#events.get(event);
    if (series === undefined) return null;
    const columns: SparkSample[] = series.samples
      .filter((sample) => sample.ms > 0)
      .map((sample) => ({ value: sample.ms, label: ago(now - sample.time) }));
    const times = columns.map((column) => column.value);
    const high = times.length > 0 ? Math.max(...times) : 0;
    const low = times.length > 0 ? Math.min(...times) : 0;
    const title = `${event} - high ${high} ms, low ${low} ms (all time high ${series.msMax} ms)`;
    return `${title}\n${'-'.repeat(GRAPH_COLUMNS)}\n${sparkline(columns, GRAPH_COLUMNS, GRAPH_ROWS)}`;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ago(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
}
