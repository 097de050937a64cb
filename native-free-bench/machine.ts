/*
 * A description of the machine and of the programs compared, for the head of every result.
 */

import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { cpus, platform, release, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';

export interface Machine {
  cpu: string;
  cores: number;
  memoryGib: number;
  system: string;
  node: string;
}

export function describeMachine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
  };
}

/** Full path of a program in PATH, or undefined. */
export function findProgram(name: string): string | undefined {
  const endings = platform() === 'win32' ? ['.exe', '.cmd'] : [''];
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const ending of endings) {
      const path = join(directory, name + ending);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not here: look in the next directory
      }
    }
  }
  return undefined;
}

/** First line of `program --version`, or undefined when it can't be run. */
export function programVersion(path: string): string | undefined {
  try {
    return execFileSync(path, ['--version'], { encoding: 'utf8', timeout: 10_000 }).split('\n')[0]!.trim();
  } catch {
    return undefined;
  }
}
