/*
 * What is measured of persistence, as data: groups of the family `persistence`, run together by `--only persistence`.
 *
 *   persistence-everysec   what the log costs: each server beside another of its kind without a log
 *   persistence-always     a log that is on the disk before the reply
 *   persistence-snapshots  BGSAVE of many keys: its time, its file, the start from it, clients and memory meanwhile
 *
 * Rewrites of the log are off, so that none falls into a measurement by chance.
 */

import { KEY, type MixEntry, VALUE } from './load/requests.ts';
import type { Group, LoadShape, Metric, Scenario } from './scenario-types.ts';

const VALUE_BYTES = 32;
const SET: MixEntry[] = [{ command: ['SET', KEY, VALUE], weight: 1 }];
const READ_MOSTLY: MixEntry[] = [
  { command: ['GET', KEY], weight: 80 },
  { command: ['SET', KEY, VALUE], weight: 20 },
];
const ROUNDS = 3;
const SECONDS = { full: 1.5, quick: 0.3 };

/** SET with a log, as a part of what it is without one. */
function everysec(pipeline: number): Scenario {
  const title = `SET, pipeline ${pipeline}, appendfsync everysec`;
  return {
    name: `everysec-p${pipeline}`,
    work: { kind: 'log-cost', load: { pipeline, mix: SET }, seconds: SECONDS },
    metrics: [
      {
        key: 'partPercent',
        title: `${title}, of without a log`,
        unit: '%',
        better: 'higher',
        target: { kind: 'min', value: 90 },
      },
      { key: 'rps', title, unit: 'req/s', better: 'higher' },
    ],
    roundsMax: ROUNDS,
  };
}

function always(pipeline: number): Scenario {
  return {
    name: `always-p${pipeline}`,
    work: { kind: 'closed', load: { pipeline, mix: SET }, seconds: SECONDS },
    metrics: [
      {
        key: 'rps',
        title: `SET, pipeline ${pipeline}, appendfsync always`,
        unit: 'req/s',
        better: 'higher',
        target: { kind: 'ratio-min', value: 1 },
      },
    ],
    roundsMax: ROUNDS,
  };
}

/** A metric where less is better and nothing is to be reached. */
function cost(key: string, title: string, unit: Metric['unit']): Metric {
  return { key, title, unit, better: 'lower' };
}

const MIXED: LoadShape = { pipeline: 1, mix: READ_MOSTLY };

export const PERSISTENCE_GROUPS: Group[] = [
  {
    name: 'persistence-everysec',
    family: 'persistence',
    title: 'the cost of a log, appendfsync everysec',
    sabreArgs: [],
    config: { appendfsync: 'everysec', 'auto-aof-rewrite-percentage': '0', appendonly: 'yes' },
    twin: true,
    preload: { keys: { full: 1_000_000, quick: 100_000 }, valueBytes: VALUE_BYTES },
    servers: true,
    when: 'always',
    scenarios: [everysec(1), everysec(16)],
  },
  {
    name: 'persistence-always',
    family: 'persistence',
    title: 'a log with appendfsync always, 50 connections',
    sabreArgs: [],
    config: { appendfsync: 'always', 'auto-aof-rewrite-percentage': '0', appendonly: 'yes' },
    preload: { keys: { full: 1_000_000, quick: 100_000 }, valueBytes: VALUE_BYTES },
    servers: true,
    when: 'always',
    scenarios: [always(1), always(16)],
  },
  {
    name: 'persistence-snapshots',
    family: 'persistence',
    title: 'BGSAVE of 16-byte keys with 32-byte values',
    sabreArgs: [],
    preload: { keys: { full: 5_000_000, quick: 200_000 }, valueBytes: VALUE_BYTES },
    servers: true,
    when: 'always',
    scenarios: [
      {
        name: 'bgsave',
        work: { kind: 'save-and-load' },
        metrics: [
          cost('saveMs', 'BGSAVE', 'ms'),
          cost('fileMb', 'its file', 'MB'),
          cost('loadMs', 'start with that file, until it is loaded', 'ms'),
        ],
        roundsMax: 1,
      },
      {
        name: 'bgsave-latency',
        work: { kind: 'half-rate-save', load: MIXED, seconds: { full: 5, quick: 0.5 } },
        metrics: [
          {
            key: 'timesUsual',
            title: 'p99 during BGSAVE, times the usual',
            unit: '×',
            better: 'lower',
            target: { kind: 'max', value: 2 },
          },
          cost('duringP99Us', 'p99 during BGSAVE at half rate, 80% GET', 'µs'),
          cost('usualP99Us', 'p99 without BGSAVE at half rate, 80% GET', 'µs'),
          cost('duringMaxUs', 'max during BGSAVE', 'µs'),
          cost('forkUs', 'pause of fork for BGSAVE (latest_fork_usec)', 'µs'),
        ],
        roundsMax: 1,
      },
      {
        name: 'bgsave-memory',
        work: {
          kind: 'save-memory',
          load: { pipeline: 16, mix: SET },
          rate: { full: 50_000, quick: 50_000 },
        },
        metrics: [
          cost('extraPercent', 'memory more during BGSAVE and 50,000 SETs/s, of used_memory', '%'),
          cost('extraMb', 'memory more during BGSAVE and 50,000 SETs/s', 'MB'),
        ],
        roundsMax: 1,
      },
    ],
  },
];
