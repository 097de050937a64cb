/*
 * Takes one sample of one scenario on one server: a function for each kind of work.
 *
 * A sample is a map of figures. The metrics of the scenario pick those the table shows; the others (latencies beside a
 * throughput, CPU time of the server per request) go into the JSON file.
 */

import { askServer } from './control.ts';
import { KEY, VALUE } from './load/requests.ts';
import { sampleBeside, sampleCollection } from './measure-collections.ts';
import { sampleBystander, sampleClients, sampleConnects, samplePublish } from './measure-conversations.ts';
import {
  cpuPerRequest,
  load,
  present,
  type Sample,
  type Settings,
  sized,
  sleep,
  usedMemory,
} from './measure-parts.ts';
import {
  sampleHalfRateSave,
  sampleLogCost,
  sampleSaveAndLoad,
  sampleSaveMemory,
} from './measure-persistence.ts';
import { cpuSeconds, residentBytes } from './process-stats.ts';
import { runRedisBenchmark } from './redis-benchmark.ts';
import { CLIENTS, type Scenario, type Work } from './scenario-types.ts';
import { Server, type ServerSpec } from './servers.ts';

/** State shared by the samples of one scenario. */
export interface ScenarioState {
  /** Requests per second to offer in an open loop; found before the first round. */
  rate?: number;
}

function rateFound(state: ScenarioState): number {
  if (state.rate === undefined) throw new Error('the rate to offer has not been found');
  return state.rate;
}

const LOAD_PIPELINE = 64;
/** A server's clocks, caches and compilers calm down before it is called idle. */
const IDLE_SETTLE_MS = 2000;
/** A warm-up is so much of the work it prepares. */
const WARMUP_PART = 0.1;
/** An open loop is judged by its slowest thousandth: a second is left to compilers and caches, however short the run. */
const OPEN_LOOP_WARMUP_SECONDS = 1;

/** Loads keys 0 .. keys-1 and makes sure that they are there. */
export async function preload(
  server: Server,
  keys: number,
  valueBytes: number,
  threads: number,
): Promise<void> {
  const pipeline = Math.max(1, Math.min(LOAD_PIPELINE, Math.floor(65_536 / valueBytes)));
  await load(
    server,
    {
      pipeline,
      mix: [{ command: ['SET', KEY, VALUE], weight: 1 }],
      distribution: 'sequential',
      keys,
      requests: keys,
      valueBytes: { min: valueBytes, max: valueBytes },
    },
    threads,
  );
  const [count] = await server.guard(askServer(server.port, [['DBSIZE']]));
  if (count !== keys) throw new Error(`${server.spec.label} has ${count} keys after loading ${keys}`);
}

type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;

async function sampleRedisBenchmark(
  work: WorkOf<'redis-benchmark'>,
  server: Server,
  settings: Settings,
  part = 1,
): Promise<Sample> {
  if (settings.redisBenchmark === undefined) throw new Error('redis-benchmark is not in PATH');
  const requests = Math.ceil((settings.requests ?? sized(work.requests, settings.quick)) * part);
  const before = cpuSeconds(server.pid);
  const row = await server.guard(
    runRedisBenchmark({
      program: settings.redisBenchmark,
      port: server.port,
      test: work.test,
      command: work.command,
      clients: CLIENTS,
      keyspace: work.keys,
      valueBytes: work.valueBytes,
      pipeline: work.pipeline,
      requests,
      threads: settings.benchmarkThreads,
    }),
  );
  return present({
    rps: row.requestsPerSecond,
    p50Us: row.p50Ms * 1000,
    p99Us: row.p99Ms * 1000,
    maxUs: row.maxMs * 1000,
    cpuUsPerRequest: cpuPerRequest(server, before, requests),
  });
}

/** Keys a group loaded, which are those its scenarios ask for. */
async function keysLoaded(server: Server): Promise<number> {
  const [keys] = await server.guard(askServer(server.port, [['DBSIZE']]));
  if (typeof keys !== 'number' || keys === 0) throw new Error(`${server.spec.label} has no keys to work on`);
  return keys;
}

async function sampleClosed(work: WorkOf<'closed'>, server: Server, settings: Settings): Promise<Sample> {
  const seconds = sized(work.seconds, settings.quick);
  const result = await load(
    server,
    { ...work.load, keys: await keysLoaded(server), seconds, warmupSeconds: seconds * WARMUP_PART },
    settings.threads,
  );
  return present({
    rps: result.requestsPerSecond,
    p50Us: result.latencyUs.p50,
    p99Us: result.latencyUs.p99,
    p999Us: result.latencyUs.p999,
    maxUs: result.latencyUs.max,
    cpuUsPerRequest: result.cpuUsPerRequest,
  });
}

/** Half of the top throughput of a server, in requests per second. */
export async function findHalfRate(
  work: WorkOf<'half-rate' | 'half-rate-save'>,
  server: Server,
  settings: Settings,
): Promise<number> {
  const seconds = Math.min(5, sized(work.seconds, settings.quick));
  const spec = {
    ...work.load,
    keys: await keysLoaded(server),
    seconds,
    warmupSeconds: seconds * WARMUP_PART,
  };
  return (await load(server, spec, settings.threads)).requestsPerSecond / 2;
}

async function sampleHalfRate(
  work: WorkOf<'half-rate'>,
  server: Server,
  settings: Settings,
  rate: number,
): Promise<Sample> {
  const seconds = sized(work.seconds, settings.quick);
  const spec = {
    ...work.load,
    keys: await keysLoaded(server),
    seconds,
    warmupSeconds: OPEN_LOOP_WARMUP_SECONDS,
  };
  const result = await load(server, { ...spec, rate }, settings.threads);
  return present({
    rate,
    p50Us: result.latencyUs.p50,
    p99Us: result.latencyUs.p99,
    p999Us: result.latencyUs.p999,
    p9999Us: result.latencyUs.p9999,
    maxUs: result.latencyUs.max,
    generatorLagP999Us: result.lagUs.p999,
    cpuUsPerRequest: result.cpuUsPerRequest,
  });
}

async function sampleMemory(work: WorkOf<'memory'>, server: Server, settings: Settings): Promise<Sample> {
  const keys = sized(work.keys, settings.quick);
  await server.guard(askServer(server.port, [['FLUSHALL', 'SYNC']]));
  const usedBefore = await usedMemory(server);
  const residentBefore = residentBytes(server.pid);
  await preload(server, keys, work.valueBytes, settings.threads);
  const usedAfter = await usedMemory(server);
  const residentAfter = residentBytes(server.pid);
  const resident =
    residentBefore === undefined || residentAfter === undefined
      ? undefined
      : (residentAfter - residentBefore) / keys;
  return present({
    usedPerKey: (usedAfter - usedBefore) / keys,
    residentPerKey: resident,
    usedBefore,
    usedAfter,
    keys,
  });
}

async function sampleIdle(work: WorkOf<'idle'>, server: Server, settings: Settings): Promise<Sample> {
  const seconds = sized(work.seconds, settings.quick);
  await server.guard(sleep(IDLE_SETTLE_MS));
  const startedMs = performance.now();
  const before = cpuSeconds(server.pid);
  await server.guard(sleep(seconds * 1000));
  const after = cpuSeconds(server.pid);
  const elapsedSeconds = (performance.now() - startedMs) / 1000;
  const resident = residentBytes(server.pid);
  return present({
    cpuPercent:
      before === undefined || after === undefined ? undefined : (100 * (after - before)) / elapsedSeconds,
    residentMb: resident === undefined ? undefined : resident / 1e6,
  });
}

/** Starts a server, takes the time, stops it. */
export async function sampleStart(spec: ServerSpec, extraArgs: readonly string[]): Promise<Sample> {
  const server = await Server.start(spec, extraArgs);
  await server.stop();
  return { readyMs: server.readyMs };
}

/** Puts a little of the work on a server and forgets the result. Work without a warm-up of its own only. */
export async function warmUp(scenario: Scenario, server: Server, settings: Settings): Promise<void> {
  if (scenario.work.kind === 'redis-benchmark') {
    await sampleRedisBenchmark(scenario.work, server, settings, WARMUP_PART);
  }
}

/**
 * Takes one sample on a running server.
 * @param twin the server of its kind beside it, in groups that have them
 * @throws ServerFailure when the server dies; Error when the sample can't be taken
 */
export function takeSample(
  scenario: Scenario,
  server: Server,
  settings: Settings,
  state: ScenarioState,
  twin: Server | undefined,
): Promise<Sample> {
  const { work } = scenario;
  switch (work.kind) {
    case 'redis-benchmark':
      return sampleRedisBenchmark(work, server, settings);
    case 'closed':
      return sampleClosed(work, server, settings);
    case 'half-rate':
      return sampleHalfRate(work, server, settings, rateFound(state));
    case 'memory':
      return sampleMemory(work, server, settings);
    case 'collection':
      return sampleCollection(work, server, settings);
    case 'beside':
      return sampleBeside(work, server, settings);
    case 'log-cost':
      if (twin === undefined) throw new Error('there is no server without a log to compare with');
      return sampleLogCost(work, server, twin, settings);
    case 'save-and-load':
      return sampleSaveAndLoad(server);
    case 'half-rate-save':
      return sampleHalfRateSave(work, server, settings, rateFound(state));
    case 'save-memory':
      return sampleSaveMemory(work, server, settings);
    case 'publish':
      return samplePublish(work, server, settings);
    case 'clients':
      return sampleClients(work, server, settings);
    case 'connects':
      return sampleConnects(work, server, settings);
    case 'bystander':
      return sampleBystander(work, server, settings);
    case 'idle':
      return sampleIdle(work, server, settings);
    case 'start':
      throw new Error('starts are not sampled on a running server');
  }
}
