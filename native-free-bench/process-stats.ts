/*
 * What the kernel knows of a process: CPU time and resident memory, of all its threads, from /proc.
 *
 * Linux only; elsewhere the functions return undefined and what needs them is skipped.
 *
 * A forked child shares its pages with its parent until one of them writes: the resident memory of both together counts
 * those twice. Their proportional set sizes (PSS: each page divided by the processes that have it) add up to what they
 * really take.
 *
 *   /proc/PID/stat:  pid (name) state ppid ... utime stime ...     in ticks of 1/100 s (USER_HZ, fixed in Linux's ABI)
 *                         ^ may hold anything, so count from the last ')'
 *   /proc/stat:      cpu user nice system idle iowait irq softirq ...    of all CPUs since boot
 *
 * The time of interrupts is in neither user nor system where the kernel counts it apart, so what other processes took is
 * an estimate, good enough to tell a quiet machine from a busy one.
 */

import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
/** Fields after the name: state is 0; cutime and cstime are those of children that have ended and been waited for. */
const UTIME = 11;
const STIME = 12;
const CUTIME = 13;
const CSTIME = 14;

function readProc(pid: number | 'self', file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // no /proc here, or the process is gone: the caller's watch on it will say so
  }
}

function ticks(stat: string, fields: readonly number[]): number {
  const all = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(all[field]), 0);
}

/** CPU seconds of a /proc/PID/stat line. */
export function parseCpuSeconds(stat: string): number {
  return ticks(stat, [UTIME, STIME]) / TICKS_PER_SECOND;
}

/** CPU seconds (user and system) a process has used so far, over all its threads. */
export function cpuSeconds(pid: number): number | undefined {
  const stat = readProc(pid, 'stat');
  return stat === undefined ? undefined : parseCpuSeconds(stat);
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number | undefined {
  const kilobytes = readProc(pid, 'status')?.match(/^VmRSS:\s+(\d+) kB/m)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Processes a process has forked that still run. */
function childrenOf(pid: number): number[] {
  let tasks: string[];
  try {
    tasks = readdirSync(`/proc/${pid}/task`);
  } catch {
    return []; // gone
  }
  return tasks.flatMap((task) =>
    (readProc(pid, `task/${task}/children`) ?? '').split(' ').filter(Boolean).map(Number),
  );
}

/** PSS in bytes out of a text of /proc/PID/smaps_rollup. */
export function parseProportionalBytes(text: string): number | undefined {
  const kilobytes = text.match(/^Pss:\s+(\d+) kB/m)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Memory of a process and of those it has forked, in bytes, with each shared page counted once. */
export function memoryWithChildren(pid: number): number | undefined {
  const own = parseProportionalBytes(readProc(pid, 'smaps_rollup') ?? '');
  if (own === undefined) return undefined;
  return childrenOf(pid).reduce(
    (sum, child) => sum + (parseProportionalBytes(readProc(child, 'smaps_rollup') ?? '') ?? 0),
    own,
  );
}

/** CPU seconds all processes of the machine have used since it started, out of /proc/stat. */
export function parseMachineSeconds(stat: string): number {
  const [, user, nice, system] = stat.split('\n')[0]!.split(/\s+/).map(Number);
  return (user! + nice! + system!) / TICKS_PER_SECOND;
}

/** CPU seconds of everything that isn't ours: not this process, its ended children, or the given running ones. */
function foreignSeconds(pids: readonly number[]): number | undefined {
  const own = readProc('self', 'stat');
  const servers = pids.map(cpuSeconds);
  let machine: string;
  try {
    machine = readFileSync('/proc/stat', 'utf8');
  } catch {
    return undefined; // no /proc here
  }
  if (own === undefined || servers.includes(undefined)) return undefined;
  const ours = ticks(own, [UTIME, STIME, CUTIME, CSTIME]) / TICKS_PER_SECOND;
  return servers.reduce<number>((rest, seconds) => rest - seconds!, parseMachineSeconds(machine) - ours);
}

/**
 * Watches what other processes take of the machine's CPUs from now on.
 * @param pids our own running children; they must run until the end of the watch
 * @returns ends the watch: the others' CPU time in percent of one core, or undefined where that can't be known
 */
export function watchForeignCpu(pids: readonly number[]): () => number | undefined {
  const before = foreignSeconds(pids);
  const startedMs = performance.now();
  return () => {
    const after = foreignSeconds(pids);
    if (before === undefined || after === undefined) return undefined;
    return Math.max(0, (100_000 * (after - before)) / (performance.now() - startedMs));
  };
}
