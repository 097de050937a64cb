// What tests of persistence ask servers and their folders.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RawClient } from './raw-client.ts';
import { startSabre } from './sabre-server.ts';
import type { ServerProcess } from './server-process.ts';

/** Starts Sabre until the end of the test. */
export async function startUntilTestEnds(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ServerProcess> {
  const server = await startSabre({ args, env });
  onTestFinished(() => server.stop());
  return server;
}

/** Fields of a section of INFO. */
export async function infoFields(client: RawClient, section: string): Promise<Map<string, string>> {
  const text = String(await client.call('INFO', section));
  return new Map(
    text
      .split('\r\n')
      .filter((line) => line.includes(':'))
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
}

/** A file of the server's folder, null if there is none. */
export function fileOf(server: ServerProcess, ...path: string[]): Buffer | null {
  const file = join(server.folder, ...path);
  return existsSync(file) ? readFileSync(file) : null;
}

/** The log's lines without time and process, from `start` characters on. */
export function logLines(server: ServerProcess, start = 0): string[] {
  return server
    .log()
    .slice(start)
    .split('\n')
    .map((line) => line.replace(/^\d+:(\w) \d+ \w+ \d+ [\d:.]+ /, ''))
    .filter((line) => line !== '');
}
