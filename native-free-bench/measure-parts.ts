/*
 * What the samples of all kinds share: the settings of a run, a load of our own generator with the CPU time it took, and
 * a server's memory.
 */

import { serverInfo } from './control.ts';
import { type RunningLoad, startLoad } from './load/generator.ts';
import { LOAD_DEFAULTS, type LoadResult, type LoadSpec } from './load/spec.ts';
import { cpuSeconds } from './process-stats.ts';
import { CLIENTS, type LoadShape, type Sized } from './scenario-types.ts';
import type { Server } from './servers.ts';

/** Figures by name. */
export type Sample = Record<string, number>;

/** What all samples of a run have in common. */
export interface Settings {
  quick: boolean;
  /** Threads of our own generator. */
  threads: number;
  benchmarkThreads: number;
  redisBenchmark: string | undefined;
  /** Overrides the scenarios' number of requests. */
  requests: number | undefined;
}

export function sized(size: Sized, quick: boolean): number {
  return quick ? size.quick : size.full;
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Refuses a result that isn't one: error replies, or reads that found nothing. */
function checkLoad(result: LoadResult, label: string): LoadResult {
  if (result.errors > 0)
    throw new Error(`${label} answered ${result.errors} errors, the first: ${result.firstError}`);
  if (result.nulls > 0) throw new Error(`${label} did not find ${result.nulls} keys that were loaded`);
  return result;
}

type ServerLoad = Partial<LoadSpec> & LoadShape;

/** Puts a load of our own generator on a server; its result is checked. */
export function startServerLoad(server: Server, spec: ServerLoad, threads: number): RunningLoad {
  const full: LoadSpec = { ...LOAD_DEFAULTS, threads, connections: CLIENTS, ...spec, port: server.port };
  const running = startLoad(full);
  const done = server.guard(running.done).then((result) => checkLoad(result, server.spec.label));
  done.catch(() => {}); // it may fail while the caller waits for something else
  return { ...running, measuring: server.guard(running.measuring), done };
}

/** Runs a load of our own generator on a server and adds the CPU time it took there. */
export async function load(
  server: Server,
  spec: ServerLoad,
  threads: number,
): Promise<LoadResult & { cpuUsPerRequest: number | undefined }> {
  const before = cpuSeconds(server.pid);
  const result = await startServerLoad(server, spec, threads).done;
  return { ...result, cpuUsPerRequest: cpuPerRequest(server, before, result.requests) };
}

/** Nobody measures for so long: a load that is ended by something else. */
const NO_END_SECONDS = 600;

/**
 * Puts a load on a server for as long as some work takes, from the work's first moment (after a warm-up) to its last.
 * @returns the load's result, and the work's
 */
export async function loadDuring<T>(
  server: Server,
  spec: ServerLoad,
  threads: number,
  work: () => Promise<T>,
): Promise<{ result: LoadResult; outcome: T }> {
  const running = startServerLoad(server, { ...spec, seconds: NO_END_SECONDS }, threads);
  try {
    await running.measuring;
    const outcome = await server.guard(work());
    running.stop();
    return { result: await running.done, outcome };
  } finally {
    running.stop();
    await running.done.catch(() => {}); // the work's failure is the one to tell
  }
}

export function cpuPerRequest(
  server: Server,
  before: number | undefined,
  requests: number,
): number | undefined {
  const after = cpuSeconds(server.pid);
  if (before === undefined || after === undefined || requests === 0) return undefined;
  return ((after - before) * 1e6) / requests;
}

/** Drops figures that could not be taken on this machine. */
export function present(figures: Record<string, number | undefined>): Sample {
  return Object.fromEntries(Object.entries(figures).filter((entry) => entry[1] !== undefined)) as Sample;
}

export async function usedMemory(server: Server): Promise<number> {
  const used = Number((await server.guard(serverInfo(server.port, 'memory'))).get('used_memory'));
  if (!(used > 0)) throw new Error(`${server.spec.label} has no used_memory in INFO memory`);
  return used;
}
