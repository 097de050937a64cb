// What every client must be able to do with Sabre, and the program in the client's language that does it.
//
// A program in programs/ connects as its users do, does the checks below in their order, and prints a line for each:
//
//   ok NAME                    the check passed
//   not ok NAME: what failed   it did not
//   restart                    (in the check "reconnect") please restart the server; goes on after a line on its input
//
// It knows nothing of Sabre, only of redis-server: with SABRE_TEST_LEFT=redis the same programs run against that.

import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guardProcess, releaseProcess } from '../support/process-guard.ts';
import { startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

/** The checks, in the order of the programs. Their content is the same in all languages. */
export const CHECKS = [
  // PING; ECHO; a fresh connection's SELECT, the other databases are not touched.
  'connect',
  // AUTH without a password set, NOAUTH, WRONGPASS, AUTH with name and password.
  'auth',
  'select',
  // SET with EX, PX, NX, XX, KEEPTTL, GET.
  'set-options',
  // Every byte value in key and value.
  'binary',
  // 10,000 commands in one pipeline.
  'pipeline',
  'mget-mset',
  'counters',
  'expiry',
  // All of 5,000 keys with SCAN, by pattern and count.
  'scan',
  'bits',
  'hyperloglog',
  // Pushing and popping at both ends, ranges, positions, moving.
  'lists',
  // Fields one by one and all, counting, HSCAN over 1,000 fields.
  'hashes',
  // Members, algebra, random ones, SSCAN over 1,000 members.
  'sets',
  // Scores (infinite ones, too), ranges by rank, score and text, ZUNIONSTORE with weights, ZSCAN over 1,000 members.
  'sorted-sets',
  // Entries, and a group: reading, pending entries, acknowledging, claiming, XINFO.
  'streams',
  // The example of Redis's documentation.
  'geo',
  // BLPOP, BLMOVE, BZPOPMIN, XREAD BLOCK: something is there, comes later, never comes.
  'blocking',
  // Channels, patterns and channels of a shard: what comes, who is there, and an end of it.
  'pubsub',
  // HELLO 3, maps and nulls of RESP3: clients that know it.
  'resp3',
  // Error replies come as the client's own exceptions.
  'errors',
  // CLIENT SETNAME, GETNAME, ID, LIST.
  'client-info',
  // INFO, as the client parses it.
  'info',
  // 50 MB there and back.
  'large-value',
  // The server restarts; the client connects again.
  'reconnect',
] as const;
export type Check = (typeof CHECKS)[number];

const PROGRAMS = join(dirname(fileURLToPath(import.meta.url)), 'programs');
const LIMIT_MS = 110_000;

export type ClientProgram = {
  /** How users know the client. */
  readonly name: string;
  /** The words that run the program; the port is added. Called once, in a hook; may compile something. */
  readonly command: () => readonly string[];
  /** Checks that this client cannot do. */
  readonly without?: readonly Check[];
};

/** The path of a program in programs/. */
export function programPath(file: string): string {
  return join(PROGRAMS, file);
}

/**
 * The first of some interpreters that can run a line of code: the one for which the client is installed.
 * Throws with how to install it when there is none: skipping would let a machine without it report success.
 */
export function interpreterWith(
  interpreters: readonly string[],
  probe: readonly string[],
  install: string,
): string {
  for (const interpreter of interpreters) {
    if (spawnSync(interpreter, probe, { stdio: 'ignore' }).status === 0) return interpreter;
  }
  throw new Error(`No ${interpreters[0]} with this client. Debian and Ubuntu: apt-get install ${install}`);
}

/** Registers the tests of a client: one for each check, with each topology. */
export function describeClient(client: ClientProgram): void {
  const checks = CHECKS.filter((check) => !client.without?.includes(check));
  describe.each(TOPOLOGIES)(`${client.name} ($name)`, ({ args }) => {
    const results = new Map<string, string>();
    let ended = '';
    let server: ServerProcess | null = null;

    beforeAll(async () => {
      server = await startSabre({ args });
      ended = await runProgram([...client.command(), String(server.port)], server, results);
    }, LIMIT_MS);
    afterAll(async () => {
      await server?.stop();
    });

    it.each(checks)('%s', (check) => {
      expect(results.get(check) ?? `not reached; ${ended}`).toBe('ok');
    });

    it('ends well, having checked nothing else', () => {
      expect(ended).toBe('exit code 0');
      expect([...results.keys()]).toEqual(checks);
    });
  });
}

/** Runs a program to its end. @returns how it ended, with what it wrote to standard error */
async function runProgram(
  command: readonly string[],
  server: ServerProcess,
  results: Map<string, string>,
): Promise<string> {
  const [executable, ...args] = command;
  const child = spawn(executable!, args, { stdio: 'pipe', detached: true });
  if (child.pid !== undefined) guardProcess(child.pid);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => {}); // It may have ended; the exit code tells.
  const exit = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      resolve(code === 0 ? 'exit code 0' : `exit code ${code}, ${signal}: ${errors.slice(0, 2000)}`);
    });
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS - 5_000);
  for await (const line of createInterface({ input: child.stdout })) {
    const match = line.match(/^(ok|not ok) ([\w-]+)(?:: (.*))?$/);
    if (line === 'restart') {
      await server.restart();
      child.stdin.write('restarted\n');
    } else if (match === null) results.set(line, 'printed');
    else results.set(match[2]!, match[1] === 'ok' ? 'ok' : `failed: ${match[3]}`);
  }
  const ended = await exit;
  clearTimeout(timer);
  if (child.pid !== undefined) releaseProcess(child.pid);
  return ended;
}
