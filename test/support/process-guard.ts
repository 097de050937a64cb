// Sees to it that nothing the tests start outlives them: processes, temporary folders, reserved ports.
//
// A test worker may end in any way: normally, by Ctrl-C, by SIGKILL from the runner. So the cleaning is done by a
// process of its own, started on first use, in its own session, with a pipe from the worker on its standard input:
//
//   worker ── "+pid" "-pid" "dir /tmp/..." ──pipe──▶ guard        (pipe closed by the kernel = the worker is gone)
//                                                     └─ kills what was added and not removed, deletes the folders
//
// Every server is the leader of a process group of its own, so that children it might leave behind are hit too.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';

const GUARD_SOURCE = `
const { rmSync } = require('node:fs');
const pids = new Set(), paths = new Set();
let text = '';
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.stdin.setEncoding('utf8');
process.stdin.on('error', () => {});
process.stdin.on('data', (chunk) => {
  const lines = (text += chunk).split('\\n');
  text = lines.pop();
  for (const line of lines) {
    if (line[0] === '+') pids.add(Number(line.slice(1)));
    else if (line[0] === '-') pids.delete(Number(line.slice(1)));
    else if (line.startsWith('dir ')) paths.add(line.slice(4));
  }
});
process.stdin.on('close', () => {
  for (const pid of pids) {
    try { process.kill(-pid, 'SIGKILL'); } catch {}
    try { process.kill(pid, 'SIGKILL'); } catch {}
  }
  setTimeout(() => {
    for (const path of paths) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    process.exit(0);
  }, pids.size > 0 ? 200 : 0);
});
`;

let guard: Writable | null = null;

function tellGuard(line: string): void {
  if (guard === null) {
    const child = spawn(process.execPath, ['-e', GUARD_SOURCE], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    child.unref();
    guard = child.stdin;
    guard.on('error', () => {}); // The guard was killed from outside: the tests themselves still clean up.
    (guard as Writable & { unref?: () => void }).unref?.();
  }
  guard.write(`${line}\n`);
}

/** The process and its group are killed when this test worker is gone. */
export function guardProcess(pid: number): void {
  tellGuard(`+${pid}`);
}

/** The process has been seen to end. */
export function releaseProcess(pid: number): void {
  tellGuard(`-${pid}`);
}

/** A new temporary folder; deleted when this test worker is gone, if not before. */
export function makeTemporaryFolder(prefix: string): string {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  tellGuard(`dir ${folder}`);
  return folder;
}

/** Whether a process of that group still exists. */
export function groupExists(leader: number): boolean {
  try {
    process.kill(-leader, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

// Below the range from which the kernel takes the local ports of outgoing connections, so that a server can be
// stopped and started on its port without a client sitting on it.
const FIRST_PORT = 15_000;
const LAST_PORT = 22_000;

/**
 * A free TCP port, reserved against other test workers on this machine until this one ends: servers that listen with
 * SO_REUSEPORT would otherwise share a port without an error.
 */
export async function reservePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (!takeReservation(port)) continue;
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${FIRST_PORT} and ${LAST_PORT} in 200 attempts`);
}

function takeReservation(port: number): boolean {
  const folder = join(tmpdir(), `sabre-test-ports-${process.getuid?.() ?? 0}`);
  mkdirSync(folder, { recursive: true });
  const file = join(folder, String(port));
  if (existsSync(file) && !isStale(file)) return false;
  rmSync(file, { force: true });
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch {
    return false; // Another worker was faster.
  }
  tellGuard(`dir ${file}`);
  return true;
}

function isStale(file: string): boolean {
  try {
    process.kill(Number(readFileSync(file, 'utf8')), 0);
    return false;
  } catch {
    return true;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
