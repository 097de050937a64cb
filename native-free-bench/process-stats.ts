/*
 * What the kernel knows of a process: CPU time and resident memory, of all its threads, from /proc.
 *
 * Linux only; elsewhere the functions return undefined and what needs them is skipped.
 *
 *   /proc/PID/stat:  pid (name) state ppid ... utime stime ...     in ticks of 1/100 s (USER_HZ, fixed in Linux's ABI)
 *                         ^ may hold anything, so count from the last ')'
 */

import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;
/** Fields after the name: state is 0, utime 11, stime 12. */
const UTIME = 11;
const STIME = 12;

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined; // no /proc here, or the process is gone: the caller's watch on it will say so
  }
}

/** CPU seconds of a /proc/PID/stat line. */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[UTIME]) + Number(fields[STIME])) / TICKS_PER_SECOND;
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
