/*
 * Child processes that never outlive the benchmark.
 *
 * Every child is registered when it is spawned. However this process ends (done, an error, Ctrl-C, a signal), what is
 * still registered is killed and its temporary directory removed. Only a SIGKILL of this process itself can leave
 * children behind; nothing portable helps against that.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { constants } from 'node:os';

const children = new Set<ChildProcess>();
const directories = new Set<string>();

/** Spawns a child with its output piped and its input closed. */
export function spawnChild(command: string, args: readonly string[], cwd?: string): ChildProcess {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd === undefined ? {} : { cwd }),
  });
  children.add(child);
  const forget = (): void => {
    children.delete(child);
  };
  child.once('exit', forget);
  child.once('error', forget);
  return child;
}

/** Has a directory removed when this process ends, unless `removeDirectory` does it earlier. */
export function ownDirectory(path: string): void {
  directories.add(path);
}

export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true });
  directories.delete(path);
}

function cleanUp(): void {
  for (const child of children) child.kill('SIGKILL');
  for (const path of directories) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // a killed server may still be dying in there; it is a temporary directory and this is the last moment
    }
  }
}

/** Installs the clean-up on every way this process can end on its own. Call once. */
export function cleanUpOnExit(): void {
  process.on('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
}
