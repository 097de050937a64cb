/*
 * Everything that is measured, as data: what to run, on how much, and what to reach. (Persistence: persistence.ts; clients
 * and messages: conversations.ts.)
 *
 * A group is a pair of freshly started servers (one of each kind compared) with the same data loaded; its scenarios run
 * one after the other on them, in rounds A B A B. Sizes come as full and quick (`--quick`).
 *
 * A target is about the first server (Sabre) against the second (redis-server):
 *   ratio-min  median A / median B at least so much (throughput)
 *   ratio-max  median A / median B at most so much (latency)
 *   min, max   median A at least or at most so much, whatever B does (bytes, milliseconds)
 */

import type { Collection, LongCommandName } from './collections.ts';
import { CONVERSATION_GROUPS } from './conversations.ts';
import { KEY, type MixEntry, VALUE } from './load/requests.ts';
import { PERSISTENCE_GROUPS } from './persistence.ts';
import type { Group, LoadShape, Metric, Scenario, Sized } from './scenario-types.ts';

const KEYS = 1_000_000;
const VALUE_BYTES = 32;

const GET: MixEntry = { command: ['GET', KEY], weight: 1 };
const SET: MixEntry = { command: ['SET', KEY, VALUE], weight: 1 };
const READ_MOSTLY: MixEntry[] = [
  { command: ['GET', KEY], weight: 80 },
  { command: ['SET', KEY, VALUE], weight: 20 },
];

/** Requests of one redis-benchmark run by its pipeline: some seconds (full) or about one (quick) on a small machine. */
const REQUESTS_BY_PIPELINE: Record<number, Sized> = {
  1: { full: 400_000, quick: 80_000 },
  16: { full: 2_000_000, quick: 500_000 },
  64: { full: 4_000_000, quick: 1_000_000 },
};

function throughput(title: string, atLeast?: number): Metric[] {
  const metric: Metric = { key: 'rps', title, unit: 'req/s', better: 'higher' };
  if (atLeast !== undefined) metric.target = { kind: 'ratio-min', value: atLeast };
  return [metric];
}

/** SET and GET by redis-benchmark at one pipeline length. */
function redisBenchmark(suffix: string, note: string, pipeline: number, atLeast: number): Scenario[] {
  return ['set', 'get'].map((test) => ({
    name: `${test}-${suffix}`,
    work: {
      kind: 'redis-benchmark',
      test,
      pipeline,
      requests: REQUESTS_BY_PIPELINE[pipeline]!,
      keys: KEYS,
      valueBytes: VALUE_BYTES,
    },
    metrics: throughput(`${test.toUpperCase()}, pipeline ${pipeline}${note}`, atLeast),
  }));
}

/** A closed loop of our own generator. */
function closed(name: string, title: string, load: LoadShape, atLeast: number): Scenario {
  return {
    name,
    work: { kind: 'closed', load, seconds: { full: 3, quick: 0.4 } },
    metrics: throughput(title, atLeast),
  };
}

/** The same as `redisBenchmark`, by our own generator. */
function ownPair(suffix: string, note: string, pipeline: number, atLeast: number): Scenario[] {
  const title = (test: string): string => `${test}, pipeline ${pipeline}${note} (own generator)`;
  return [
    closed(`own-set-${suffix}`, title('SET'), { pipeline, mix: [SET] }, atLeast),
    closed(`own-get-${suffix}`, title('GET'), { pipeline, mix: [GET] }, atLeast),
  ];
}

function halfRate(name: string, title: string, pipeline: number): Scenario {
  return {
    name,
    work: { kind: 'half-rate', load: { pipeline, mix: READ_MOSTLY }, seconds: { full: 10, quick: 1 } },
    metrics: [
      { key: 'p999Us', title, unit: 'µs', better: 'lower', target: { kind: 'ratio-max', value: 1 } },
      { key: 'p50Us', title: title.replace('p99.9', 'p50'), unit: 'µs', better: 'lower' },
    ],
  };
}

/** Values of one size, read and written. */
function valuesGroup(name: string, bytes: number, keys: Sized, pipeline: number): Group {
  const size = `${bytes / 1024} KiB`;
  const load = { pipeline, valueBytes: { min: bytes, max: bytes } };
  return {
    name,
    title: `values of ${size}`,
    sabreArgs: [],
    preload: { keys, valueBytes: bytes },
    servers: true,
    when: 'always',
    scenarios: [
      closed(`set-${name}`, `SET, ${size} values, pipeline ${pipeline}`, { ...load, mix: [SET] }, 1),
      closed(`get-${name}`, `GET, ${size} values, pipeline ${pipeline}`, { ...load, mix: [GET] }, 1),
    ],
  };
}

/** Memory of a collection; what counts is the ratio. */
function collection(name: Collection, title: string, millions: number, atMost: number): Scenario {
  return {
    name: `memory-${name}`,
    work: { kind: 'collection', collection: name, elements: { full: millions * 1e6, quick: millions * 1e5 } },
    metrics: [
      {
        key: 'bytesPerElement',
        title,
        unit: 'B',
        better: 'lower',
        target: { kind: 'ratio-max', value: atMost },
      },
    ],
    roundsMax: 1,
  };
}

/** GETs of other keys, 10,000 a second, beside a command on millions of elements. */
function beside(long: LongCommandName, title: string, seconds: number): Scenario {
  return {
    name: `beside-${long}`,
    work: {
      kind: 'beside',
      long,
      elements: { full: 5_000_000, quick: 300_000 },
      seconds: { full: seconds, quick: 1 },
      rate: 10_000,
      keys: BESIDE_KEYS,
    },
    metrics: [
      {
        key: 'p99Us',
        title: `p99 of GET beside ${title}`,
        unit: 'µs',
        better: 'lower',
        target: { kind: 'max', value: 5000 },
      },
      { key: 'maxUs', title: `max of GET beside ${title}`, unit: 'µs', better: 'lower' },
      { key: 'longMs', title: `${title} itself`, unit: 'ms', better: 'lower' },
    ],
    roundsMax: 1,
  };
}

/** Keys that are read beside long commands. */
const BESIDE_KEYS = 100_000;

const PRELOAD = { keys: { full: KEYS, quick: KEYS }, valueBytes: VALUE_BYTES };

/** The tests redis-benchmark runs when it isn't told which. */
const DEFAULT_TESTS =
  'ping_inline ping_mbulk set get incr lpush rpush lpop rpop sadd hset spop zadd zpopmin lrange_100 lrange_300 ' +
  'lrange_500 lrange_600 mset xadd';
/** A test that redis-benchmark of Redis 7.0 does not have. */
const XADD = ['XADD', 'mystream', '*', 'myfield', '__data__'];

/** Requests of tests whose replies or commands are large. */
const HEAVY_REQUESTS: Record<string, number> = {
  lrange_100: 100_000,
  lrange_300: 50_000,
  lrange_500: 30_000,
  lrange_600: 30_000,
};

/** Requests of one of the default tests: one or two seconds on a small machine. */
function defaultRequests(test: string, pipeline: number): Sized {
  const mset = test === 'mset' && pipeline > 1 ? 200_000 : undefined;
  const full = HEAVY_REQUESTS[test] ?? mset ?? (pipeline === 1 ? 100_000 : 1_000_000);
  return { full, quick: full / 5 };
}

export const GROUPS: Group[] = [
  {
    name: 'strings',
    title: 'redis-benchmark, SET and GET',
    sabreArgs: [],
    preload: PRELOAD,
    servers: true,
    when: 'always',
    scenarios: [
      ...redisBenchmark('p1', '', 1, 0.95),
      ...redisBenchmark('p16', '', 16, 1.15),
      ...redisBenchmark('p64', '', 64, 1.5),
    ],
  },
  {
    name: 'acceptors2',
    title: 'redis-benchmark, SET and GET, two acceptors',
    sabreArgs: ['--acceptors', '2'],
    preload: PRELOAD,
    servers: true,
    when: 'always',
    scenarios: redisBenchmark('p64-a2', ', --acceptors 2', 64, 1.9),
  },
  {
    name: 'own-strings',
    title: 'own generator, SET and GET',
    sabreArgs: [],
    preload: PRELOAD,
    servers: true,
    when: 'fallback',
    scenarios: [
      ...ownPair('p1', '', 1, 0.95),
      ...ownPair('p16', '', 16, 1.15),
      ...ownPair('p64', '', 64, 1.5),
    ],
  },
  {
    name: 'own-acceptors2',
    title: 'own generator, SET and GET, two acceptors',
    sabreArgs: ['--acceptors', '2'],
    preload: PRELOAD,
    servers: true,
    when: 'fallback',
    scenarios: ownPair('p64-a2', ', --acceptors 2', 64, 1.9),
  },
  {
    name: 'memory',
    title: 'memory of 16-byte keys with 32-byte values',
    sabreArgs: [],
    servers: true,
    when: 'always',
    scenarios: [
      {
        name: 'memory-per-key',
        work: { kind: 'memory', keys: { full: 3_000_000, quick: 300_000 }, valueBytes: VALUE_BYTES },
        metrics: [
          {
            key: 'usedPerKey',
            title: 'memory per key (used_memory)',
            unit: 'B',
            better: 'lower',
            target: { kind: 'max', value: 85 },
          },
          { key: 'residentPerKey', title: 'memory per key (growth of RSS)', unit: 'B', better: 'lower' },
        ],
        roundsMax: 1,
      },
    ],
  },
  {
    name: 'latency',
    title: 'latency at half of the top throughput of the last server',
    sabreArgs: [],
    preload: { keys: { full: 10_000_000, quick: 500_000 }, valueBytes: VALUE_BYTES },
    servers: true,
    when: 'always',
    scenarios: [
      halfRate('half-rate-p1', 'p99.9 at half rate, 80% GET, pipeline 1', 1),
      halfRate('half-rate-p16', 'p99.9 at half rate, 80% GET, pipeline 16', 16),
    ],
  },
  {
    name: 'start',
    title: 'start',
    sabreArgs: [],
    servers: false,
    when: 'always',
    scenarios: [
      {
        name: 'start-to-ready',
        work: { kind: 'start' },
        metrics: [
          {
            key: 'readyMs',
            title: 'start to ready',
            unit: 'ms',
            better: 'lower',
            target: { kind: 'max', value: 400 },
          },
        ],
      },
    ],
  },
  {
    name: 'idle',
    title: 'idle',
    sabreArgs: [],
    servers: true,
    when: 'always',
    scenarios: [
      {
        name: 'idle',
        work: { kind: 'idle', seconds: { full: 10, quick: 2 } },
        metrics: [
          {
            key: 'cpuPercent',
            title: 'idle, CPU of one core',
            unit: '%',
            better: 'lower',
            target: { kind: 'max', value: 1 },
          },
          {
            key: 'residentMb',
            title: 'idle, RSS',
            unit: 'MB',
            better: 'lower',
            target: { kind: 'max', value: 120 },
          },
        ],
        roundsMax: 1,
      },
    ],
  },
  {
    name: 'mixed',
    title: 'own generator, zipfian keys',
    sabreArgs: [],
    preload: PRELOAD,
    servers: true,
    when: 'always',
    scenarios: [
      closed(
        'zipfian-p1',
        '80% GET, 20% SET, zipfian keys, pipeline 1',
        { pipeline: 1, mix: READ_MOSTLY, distribution: 'zipfian' },
        0.95,
      ),
      closed(
        'zipfian-p16',
        '80% GET, 20% SET, zipfian keys, pipeline 16',
        { pipeline: 16, mix: READ_MOSTLY, distribution: 'zipfian' },
        1.15,
      ),
    ],
  },
  valuesGroup('1k', 1024, { full: 200_000, quick: 50_000 }, 16),
  valuesGroup('16k', 16 * 1024, { full: 20_000, quick: 5_000 }, 4),
  {
    name: 'collections',
    title: 'memory of collections, per element',
    sabreArgs: [],
    servers: true,
    when: 'always',
    scenarios: [
      collection('hashes', '1 M hashes of 5 small fields', 1, 1),
      collection('set', 'a set of 1 M members', 1, 1),
      collection('hash', 'a hash of 1 M fields', 1, 1),
      collection('zset', 'a sorted set of 1 M members', 1, 0.7),
      collection('list', 'a list of 5 M elements', 5, 1),
      collection('stream', 'a stream of 1 M entries', 1, 1),
    ],
  },
  {
    name: 'long-commands',
    title: 'other clients beside a command on 5 M elements',
    sabreArgs: [],
    preload: { keys: { full: BESIDE_KEYS, quick: BESIDE_KEYS }, valueBytes: VALUE_BYTES },
    servers: true,
    when: 'always',
    scenarios: [
      beside('sunionstore', 'SUNIONSTORE of two sets', 5),
      beside('sort', 'SORT ... STORE of a list', 5),
      beside('del', 'DEL of a set', 2),
    ],
  },
  ...PERSISTENCE_GROUPS,
  ...CONVERSATION_GROUPS,
  {
    name: 'default-set',
    title: "redis-benchmark's default tests",
    sabreArgs: [],
    servers: true,
    when: 'extra',
    scenarios: DEFAULT_TESTS.split(' ').flatMap((test) =>
      [1, 16].map((pipeline) => ({
        name: `default-${test}-p${pipeline}`,
        work: {
          kind: 'redis-benchmark',
          test,
          ...(test === 'xadd' ? { command: XADD } : {}),
          pipeline,
          requests: defaultRequests(test, pipeline),
          keys: KEYS,
          valueBytes: 3,
        },
        metrics: throughput(`${test}, pipeline ${pipeline}`, pipeline === 1 ? 0.9 : 1),
      })),
    ),
  },
];

/** Which groups and scenarios to run. */
export interface Selection {
  /** Names of families, groups or scenarios; empty: what runs always. */
  only: readonly string[];
  redisBenchmarkInstalled: boolean;
}

/**
 * The groups to run, each with only the scenarios to run.
 * @throws Error when a name in `only` is unknown
 */
export function selectGroups(groups: readonly Group[], selection: Selection): Group[] {
  const known = new Set(
    groups.flatMap((group) => [group.family, group.name, ...group.scenarios.map((s) => s.name)]),
  );
  const unknown = selection.only.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`no scenario or group called ${unknown.join(', ')} (see --list)`);
  const wanted = new Set(selection.only);
  const selected: Group[] = [];
  for (const group of groups) {
    const byDefault =
      group.when === 'always' || (group.when === 'fallback' && !selection.redisBenchmarkInstalled);
    const named = wanted.has(group.name) || (group.family !== undefined && wanted.has(group.family));
    const all = wanted.size === 0 ? byDefault : named;
    const scenarios = group.scenarios.filter((scenario) => {
      if (wanted.has(scenario.name)) return true; // asked for by name: let it fail loudly if its tool is missing
      return all && (selection.redisBenchmarkInstalled || scenario.work.kind !== 'redis-benchmark');
    });
    if (scenarios.length > 0) selected.push({ ...group, scenarios });
  }
  return selected;
}
