/*
 * What scenarios are made of: groups, the work of a sample, metrics, targets. The scenarios themselves: scenarios.ts.
 */

import type { Collection, LongCommandName } from './collections.ts';
import type { LoadSpec } from './load/spec.ts';

/** A size that depends on how long the run may take. */
export interface Sized {
  full: number;
  quick: number;
}

export interface Target {
  kind: 'ratio-min' | 'ratio-max' | 'min' | 'max';
  value: number;
}

/** One figure a scenario yields and the table shows. */
export interface Metric {
  /** Its name in the samples. */
  key: string;
  title: string;
  unit: 'req/s' | 'msg/s' | 'conn/s' | 'µs' | 'ms' | 'B' | 'MB' | '%' | '×';
  better: 'higher' | 'lower';
  target?: Target;
}

/** What a scenario's load differs in from the generator's defaults. */
export type LoadShape = Pick<LoadSpec, 'pipeline' | 'mix'> &
  Partial<Pick<LoadSpec, 'connections' | 'distribution' | 'theta' | 'valueBytes'>>;

/** How a sample is taken. */
export type Work =
  | {
      kind: 'redis-benchmark';
      test: string;
      /** Words of a command that is none of the tool's own tests. */
      command?: readonly string[];
      pipeline: number;
      requests: Sized;
      keys: number;
      valueBytes: number;
    }
  | { kind: 'closed'; load: LoadShape; seconds: Sized }
  | { kind: 'half-rate'; load: LoadShape; seconds: Sized }
  | { kind: 'memory'; keys: Sized; valueBytes: number }
  | { kind: 'collection'; collection: Collection; elements: Sized }
  | { kind: 'beside'; long: LongCommandName; elements: Sized; seconds: Sized; rate: number; keys: number }
  | { kind: 'log-cost'; load: LoadShape; seconds: Sized }
  | { kind: 'save-and-load' }
  | { kind: 'half-rate-save'; load: LoadShape; seconds: Sized }
  | { kind: 'save-memory'; load: LoadShape; rate: Sized }
  | { kind: 'publish'; pipeline: number; subscribers: number; messages: Sized; messageBytes: number }
  | { kind: 'clients'; clients: Sized }
  | { kind: 'connects'; perSecond: number; seconds: Sized }
  | { kind: 'bystander'; subscribers: Sized; load: LoadShape; seconds: Sized }
  | { kind: 'start' }
  | { kind: 'idle'; seconds: Sized };

export interface Scenario {
  name: string;
  work: Work;
  metrics: Metric[];
  /** Rounds at most: for what hardly varies, or takes long. */
  roundsMax?: number;
}

export interface Group {
  name: string;
  /** A name for several groups, to choose them by. */
  family?: string;
  title: string;
  /** Arguments for Sabre only. */
  sabreArgs: string[];
  /** Directives set on the servers when their keys are loaded, in this order. */
  config?: Readonly<Record<string, string>>;
  /** Each server has another of its kind beside it, with the same keys, but without `config`. */
  twin?: boolean;
  /** Keys 0 .. n-1 are loaded with SET before the first scenario. */
  preload?: { keys: Sized; valueBytes: number };
  /** False: its scenarios start servers of their own. */
  servers: boolean;
  /**
   * always: part of every run. fallback: only where redis-benchmark isn't installed. extra: only when named with
   * `--only`.
   */
  when: 'always' | 'fallback' | 'extra';
  scenarios: Scenario[];
}

/** Connections of a load, unless its scenario says otherwise. */
export const CLIENTS = 50;
