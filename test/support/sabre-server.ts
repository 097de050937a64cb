// Sabre under test: started as a user starts it, and the two topologies every command test runs with.
//
// With SABRE_TEST_LEFT=redis a redis-server takes Sabre's place, to test the tests themselves.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import type { ClientOptions, RawClient } from './raw-client.ts';
import { redisExecutable, startRedis } from './redis-server.ts';
import { type ExitState, runToExit, type ServerOptions, ServerProcess } from './server-process.ts';

export const PROJECT_FOLDER = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MAIN = join(PROJECT_FOLDER, 'src', 'main.ts');

/** Whether redis-server takes Sabre's place (to test the tests). */
export const LEFT_IS_REDIS = process.env['SABRE_TEST_LEFT'] === 'redis';

/** One acceptor and one worker; and several of both, where commands meet at locks and go through rings. */
export const TOPOLOGIES: readonly { name: string; args: readonly string[] }[] = [
  { name: '1 acceptor, 1 shard worker', args: ['--acceptors', '1', '--shard-workers', '1'] },
  { name: '2 acceptors, 3 shard workers', args: ['--acceptors', '2', '--shard-workers', '3'] },
];

/** The Node to run Sabre with: the project's own, which may be newer than the machine's. */
export function nodeExecutable(): string {
  const local = join(PROJECT_FOLDER, 'node_modules', '.bin', 'node');
  return existsSync(local) ? local : process.execPath;
}

/** Starts Sabre and waits until it is ready. */
export async function startSabre(options: ServerOptions = {}): Promise<ServerProcess> {
  if (LEFT_IS_REDIS) return await startRedis(options);
  const server = new ServerProcess('sabre', nodeExecutable(), [MAIN], options);
  await server.start();
  return server;
}

/** Runs Sabre with arguments with which it is expected to end by itself. */
export function runSabreToExit(
  args: readonly string[],
  options: { stdin?: string; cwd?: string; env?: Record<string, string>; limitMs?: number } = {},
): Promise<ExitState & { output: string }> {
  return runToExit([...sabreCommand(), ...args], options);
}

/** The words of the command line that starts Sabre, without arguments. */
export function sabreCommand(): string[] {
  return LEFT_IS_REDIS ? [redisExecutable()] : [nodeExecutable(), MAIN];
}

/** The running server of a `describeTopologies` block. */
export type ServerUnderTest = {
  /** The process: log, pid, port, restart, kill9. */
  readonly process: ServerProcess;
  readonly port: number;
  /** A new client, closed after the test. */
  connect(options?: ClientOptions): Promise<RawClient>;
};

/**
 * Runs a block of tests against Sabre once per topology. The server starts once per block; every test begins with an
 * empty data set and no clients, and ends with the check that the server still lives.
 */
export function describeTopologies(
  name: string,
  body: (server: ServerUnderTest) => void,
  options: ServerOptions = {},
): void {
  for (const topology of TOPOLOGIES) {
    describe(`${name} (${topology.name})`, () => {
      const args = [...topology.args, ...(options.args ?? [])];
      body(useServer(() => startSabre({ ...options, args })));
    });
  }
}

/** As describeTopologies, with several threads of each kind only: where one of each would tell nothing more. */
export function describeServer(
  name: string,
  body: (server: ServerUnderTest) => void,
  options: ServerOptions = {},
): void {
  describe(name, () => {
    const args = [...TOPOLOGIES.at(-1)!.args, ...(options.args ?? [])];
    body(useServer(() => startSabre({ ...options, args })));
  });
}

/** Registers the hooks that start, clean and stop a server around the tests of the enclosing `describe`. */
export function useServer(start: () => Promise<ServerProcess>): ServerUnderTest {
  let running: ServerProcess | null = null;
  const process = () => {
    if (running === null) throw new Error('the server runs only inside tests and hooks');
    return running;
  };
  beforeAll(async () => {
    running = await start();
  });
  beforeEach(async () => {
    process().assertAlive();
    const client = await process().connectAsAdmin();
    await client.call('FLUSHALL');
    await client.close();
  });
  afterEach(async () => {
    if (running === null) return;
    await running.closeClients();
    running.assertAlive();
  });
  afterAll(async () => {
    const server = running;
    running = null;
    await server?.stop();
  });
  return {
    get process() {
      return process();
    },
    get port() {
      return process().port;
    },
    connect: (options) => process().connect(options),
  };
}
