/*
 * Samples of persistence: throughput with a log beside the same without one, snapshots and their files, what clients
 * and memory feel of a snapshot.
 *
 * A snapshot runs from BGSAVE until `rdb_bgsave_in_progress` is 0, asked every 10 ms over a connection of its own
 * (`rdb_last_bgsave_time_sec` has whole seconds only). The file of the snapshot before is removed first, so that one
 * that was not written can't count.
 */

import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { askServer, type Control, withControl } from './control.ts';
import {
  load,
  loadDuring,
  present,
  type Sample,
  type Settings,
  sized,
  sleep,
  usedMemory,
} from './measure-parts.ts';
import { memoryWithChildren } from './process-stats.ts';
import type { LoadShape, Sized } from './scenario-types.ts';
import type { Server } from './servers.ts';

const POLL_MS = 10;
/** Reading what a process with a gigabyte takes costs milliseconds: not at every poll. */
const MEMORY_EVERY_MS = 50;
/** Servers write and sync the log's last second after the load has ended; the next one's load shall not meet that. */
const LOG_SETTLE_MS = 1100;
const WARMUP_SECONDS = 0.3;
/** As for other open loops. */
const OPEN_LOOP_WARMUP_SECONDS = 1;
const SAVE_TIMEOUT_MS = 300_000;
/** The server's working directory is its own, and nobody names the file otherwise. */
const FILE = 'dump.rdb';

/** Asks every 10 ms until a field of INFO persistence has a value. */
async function waitForField(
  control: Control,
  field: string,
  value: string,
  onPoll?: () => void,
): Promise<void> {
  const startedMs = performance.now();
  for (;;) {
    const found = (await control.info('persistence')).get(field);
    if (found === value) return;
    if (found === undefined) throw new Error(`INFO persistence has no ${field}`);
    if (performance.now() - startedMs > SAVE_TIMEOUT_MS) throw new Error(`${field} stays ${found}`);
    onPoll?.();
    await sleep(POLL_MS);
  }
}

/**
 * Sets directives on a running server. A log that is switched on is ready when this returns.
 * @throws Error when the server refuses one
 */
export async function configure(server: Server, config: Readonly<Record<string, string>>): Promise<void> {
  const work = withControl(server.port, async (control) => {
    for (const [name, value] of Object.entries(config)) await control.ask('CONFIG', 'SET', name, value);
    if (config['appendonly'] !== 'yes') return;
    await waitForField(control, 'aof_enabled', '1');
    await waitForField(control, 'aof_rewrite_scheduled', '0');
    await waitForField(control, 'aof_rewrite_in_progress', '0');
  });
  await server.guard(work);
}

/** One closed loop of each: the twin without a log, the server with one. */
export async function sampleLogCost(
  work: { load: LoadShape; seconds: Sized },
  server: Server,
  twin: Server,
  settings: Settings,
): Promise<Sample> {
  const [keys] = await server.guard(askServer(server.port, [['DBSIZE']]));
  const spec = {
    ...work.load,
    keys: Number(keys),
    seconds: sized(work.seconds, settings.quick),
    warmupSeconds: WARMUP_SECONDS,
  };
  const without = await load(twin, spec, settings.threads);
  const logged = await load(server, spec, settings.threads);
  await server.guard(sleep(LOG_SETTLE_MS));
  return present({
    partPercent: (100 * logged.requestsPerSecond) / without.requestsPerSecond,
    rps: logged.requestsPerSecond,
    rpsWithoutLog: without.requestsPerSecond,
    p99Us: logged.latencyUs.p99,
    p99WithoutLogUs: without.latencyUs.p99,
    maxUs: logged.latencyUs.max,
    cpuUsPerRequest: logged.cpuUsPerRequest,
    cpuUsPerRequestWithoutLog: without.cpuUsPerRequest,
  });
}

/**
 * Takes a snapshot.
 * @param onPoll called every 10 ms meanwhile
 * @returns how long it took, and the file
 * @throws Error when it fails
 */
async function save(
  server: Server,
  onPoll?: () => void,
): Promise<{ ms: number; file: string; bytes: number }> {
  const file = join(server.directory, FILE);
  rmSync(file, { force: true });
  return withControl(server.port, async (control) => {
    const startedMs = performance.now();
    await control.ask('BGSAVE');
    await waitForField(control, 'rdb_bgsave_in_progress', '0', onPoll);
    const ms = performance.now() - startedMs;
    const status = (await control.info('persistence')).get('rdb_last_bgsave_status');
    if (status !== 'ok') throw new Error(`rdb_last_bgsave_status is ${status}`);
    return { ms, file, bytes: statSync(file).size };
  });
}

/** Time of a snapshot of a server without load, size of its file, and time of a start that loads it. */
export async function sampleSaveAndLoad(server: Server): Promise<Sample> {
  const saved = await server.guard(save(server));
  const restarted = await server.startLoading([saved.file]);
  try {
    const [[kept], [loaded]] = await Promise.all([
      server.guard(askServer(server.port, [['DBSIZE']])),
      restarted.guard(askServer(restarted.port, [['DBSIZE']])),
    ]);
    if (loaded !== kept)
      throw new Error(`${server.spec.label} has ${loaded} of ${kept} keys after loading them`);
    return { saveMs: saved.ms, fileMb: saved.bytes / 1e6, loadMs: restarted.readyMs, keys: Number(kept) };
  } finally {
    await restarted.stop();
  }
}

/** Latency at a fixed rate, first as usual, then from the beginning of a snapshot to its end. */
export async function sampleHalfRateSave(
  work: { load: LoadShape; seconds: Sized },
  server: Server,
  settings: Settings,
  rate: number,
): Promise<Sample> {
  const [keys] = await server.guard(askServer(server.port, [['DBSIZE']]));
  const spec = { ...work.load, keys: Number(keys), rate, warmupSeconds: OPEN_LOOP_WARMUP_SECONDS };
  const usual = await load(
    server,
    { ...spec, seconds: sized(work.seconds, settings.quick) },
    settings.threads,
  );
  const { result: during, outcome } = await loadDuring(server, spec, settings.threads, () => save(server));
  const stats = await withControl(server.port, (control) => server.guard(control.info('stats')));
  const fork = stats.get('latest_fork_usec');
  return present({
    rate,
    timesUsual: during.latencyUs.p99 / usual.latencyUs.p99,
    usualP50Us: usual.latencyUs.p50,
    usualP99Us: usual.latencyUs.p99,
    usualP999Us: usual.latencyUs.p999,
    usualMaxUs: usual.latencyUs.max,
    duringP50Us: during.latencyUs.p50,
    duringP99Us: during.latencyUs.p99,
    duringP999Us: during.latencyUs.p999,
    duringMaxUs: during.latencyUs.max,
    forkUs: fork === undefined ? undefined : Number(fork),
    saveMs: outcome.ms,
    generatorLagP99Us: during.lagUs.p99,
  });
}

/** Highest memory of the server and its children during a snapshot under writes, less the memory before. */
export async function sampleSaveMemory(
  work: { load: LoadShape; rate: Sized },
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const [keys] = await server.guard(askServer(server.port, [['DBSIZE']]));
  const spec = {
    ...work.load,
    keys: Number(keys),
    rate: sized(work.rate, settings.quick),
    warmupSeconds: OPEN_LOOP_WARMUP_SECONDS,
  };
  let before: number | undefined;
  let peak = 0;
  let used = 0;
  const { result, outcome } = await loadDuring(server, spec, settings.threads, async () => {
    used = await usedMemory(server);
    before = memoryWithChildren(server.pid);
    let lookedMs = Number.NEGATIVE_INFINITY;
    return save(server, () => {
      if (performance.now() - lookedMs < MEMORY_EVERY_MS) return;
      peak = Math.max(peak, memoryWithChildren(server.pid) ?? 0);
      lookedMs = performance.now();
    });
  });
  const known = before !== undefined && peak > 0;
  const extra = known ? Math.max(0, peak - before!) : undefined;
  return present({
    extraPercent: extra === undefined ? undefined : (100 * extra) / used,
    extraMb: extra === undefined ? undefined : extra / 1e6,
    beforeMb: before === undefined ? undefined : before / 1e6,
    usedMb: used / 1e6,
    writes: result.requests,
    saveMs: outcome.ms,
  });
}
