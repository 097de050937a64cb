/*
 * Starts, watches and stops the servers that are compared.
 *
 * A server is `sabre`, `redis` (`redis-server` from PATH), or `name=command` with `{port}` and `{dir}` in the command
 * (without `{port}`, `--port N` is appended). Each gets a free port of 127.0.0.1 and a temporary directory of its own,
 * and counts as started when its output says `Ready to accept connections` and it answers PING. Its last lines of
 * output are kept: a server that ends while it should run fails the benchmark with them.
 */

import type { ChildProcess } from 'node:child_process';
import { linkSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ownDirectory, removeDirectory, spawnChild } from './children.ts';
import { askServer } from './control.ts';
import { findProgram } from './machine.ts';

/** How a server is started. */
export interface ServerSpec {
  /** Name in tables; unique among the servers compared. */
  label: string;
  /** `sabre` servers take the Sabre-only arguments of scenarios. */
  sabre: boolean;
  command: string;
  /** Arguments with `{port}` and `{dir}` still in them. */
  args: string[];
}

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const READY = 'Ready to accept connections';
const START_TIMEOUT_MS = 60_000;
/** Loading a file at start may take longer. */
const LOAD_TIMEOUT_MS = 300_000;
const LOAD_POLL_MS = 5;
const STOP_TIMEOUT_MS = 10_000;
const START_ATTEMPTS = 3;
const LOG_LINES_KEPT = 60;
const LOG_LINE_MAX = 1000;

/** A server ended, or did not start; the message has the end of its log. */
export class ServerFailure extends Error {
  override name = 'ServerFailure';
}

/** Splits a command line at blanks; "..." and '...' keep blanks. No other shell syntax. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const match of line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g)) {
    words.push(match[0].replace(/"([^"]*)"|'([^']*)'/g, (_all, double, single) => double ?? single));
  }
  return words;
}

/**
 * Reads one entry of `--servers`.
 * @throws Error when it isn't known or its program isn't installed
 */
export function parseServer(entry: string): ServerSpec {
  const common = ['--port', '{port}', '--save', '', '--appendonly', 'no', '--dir', '{dir}'];
  if (entry === 'sabre') {
    return {
      label: 'Sabre',
      sabre: true,
      command: process.execPath,
      args: [join(ROOT, 'src/main.ts'), ...common],
    };
  }
  if (entry === 'redis') {
    const command = findProgram('redis-server');
    if (command === undefined)
      throw new Error('redis-server is not in PATH: install it, or choose with --servers');
    return { label: 'Redis', sabre: false, command, args: common };
  }
  const [, label, line] = entry.match(/^([\w .-]+)=(.+)$/) ?? [];
  if (label === undefined || line === undefined) {
    throw new Error(`unknown server ${JSON.stringify(entry)}: sabre, redis, or name=command`);
  }
  const [command, ...args] = splitWords(line);
  if (command === undefined) throw new Error(`server ${label} has no command`);
  if (!line.includes('{port}')) args.push('--port', '{port}');
  return { label, sabre: false, command, args };
}

/** A server's command as one line, for people. */
export function commandLine(spec: ServerSpec): string {
  return [spec.command, ...spec.args]
    .map((word) => (/^[^\s"']+$/.test(word) ? word : JSON.stringify(word)))
    .join(' ');
}

/** A port of 127.0.0.1 nobody listens on just now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}

/** A running server. */
export class Server {
  readonly spec: ServerSpec;
  readonly port: number;
  /** From spawning it to its word that it is ready (or, with a file to load, to its first +PONG). */
  readyMs = 0;
  /** Its own, where its files are; removed when it is stopped. */
  readonly directory: string;
  /** What it was started by: `{port}` and `{dir}` are still in the arguments. */
  readonly template: ServerSpec;
  private readonly child: ChildProcess;
  private readonly log: string[] = [];
  private stopping = false;
  private readonly exited: Promise<void>;
  private readonly died: Promise<never>;

  private constructor(
    spec: ServerSpec,
    port: number,
    onLine: (line: string) => void,
    files: readonly string[] = [],
  ) {
    this.port = port;
    this.template = spec;
    this.directory = mkdtempSync(join(tmpdir(), 'sabre-bench-'));
    ownDirectory(this.directory);
    for (const file of files) linkSync(file, join(this.directory, basename(file)));
    const fill = (arg: string): string =>
      arg.replaceAll('{port}', String(port)).replaceAll('{dir}', this.directory);
    this.spec = { ...spec, args: spec.args.map(fill) };
    this.child = spawnChild(spec.command, this.spec.args, this.directory);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.log.push(line.slice(0, LOG_LINE_MAX));
        if (this.log.length > LOG_LINES_KEPT) this.log.shift();
        onLine(line);
      });
    }
    const exited = Promise.withResolvers<void>();
    const died = Promise.withResolvers<never>();
    this.exited = exited.promise;
    this.died = died.promise;
    this.died.catch(() => {}); // it may die while nobody waits; `guard` tells the next one who does
    this.child.once('error', (error) => {
      died.reject(new ServerFailure(`${spec.label} could not be started: ${error.message}`));
      exited.resolve();
    });
    // 'close', not 'exit': its last words have been read by then
    this.child.once('close', (code, signal) => {
      if (!this.stopping) died.reject(this.failure(`ended by itself (${signal ?? `exit code ${code}`})`));
      exited.resolve();
    });
  }

  /** Starts a server and waits until it serves. */
  static start(spec: ServerSpec, extraArgs: readonly string[] = []): Promise<Server> {
    const full = { ...spec, args: [...spec.args, ...extraArgs] };
    return Server.startAgain(() => Server.startOnce(full));
  }

  /**
   * Starts a server of the same kind with files of this one, and waits until it has loaded them.
   * @param files paths; they are linked into its directory
   */
  startLoading(files: readonly string[]): Promise<Server> {
    return Server.startAgain(() => Server.loadOnce(this.template, files));
  }

  private static async startAgain(start: () => Promise<Server>): Promise<Server> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await start();
      } catch (error) {
        // another process took the free port between our look and the server's bind
        const portTaken = /Address already in use|Failed listening on port|EADDRINUSE/.test(String(error));
        if (!portTaken || attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  private static async startOnce(spec: ServerSpec): Promise<Server> {
    const port = await freePort();
    const ready = Promise.withResolvers<void>();
    const startedMs = performance.now();
    const server = new Server(spec, port, (line) => {
      if (line.includes(READY)) ready.resolve();
    });
    const timer = setTimeout(() => ready.reject(server.failure('did not get ready')), START_TIMEOUT_MS);
    try {
      await server.guard(ready.promise);
      server.readyMs = performance.now() - startedMs;
      const [pong] = await server.guard(askServer(port, [['PING']]));
      if (pong !== 'PONG') throw server.failure(`answered PING with ${JSON.stringify(pong)}`);
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  private static async loadOnce(spec: ServerSpec, files: readonly string[]): Promise<Server> {
    const port = await freePort();
    const startedMs = performance.now();
    const server = new Server(spec, port, () => {}, files);
    try {
      await server.guard(server.waitUntilLoaded(startedMs));
      server.readyMs = performance.now() - startedMs;
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Asks until it neither refuses connections nor is LOADING any more. */
  private async waitUntilLoaded(startedMs: number): Promise<void> {
    for (;;) {
      try {
        await askServer(this.port, [['PING']]);
        return;
      } catch (error) {
        const { message } = error as Error;
        const notYet = /ECONNREFUSED|ECONNRESET|^LOADING /.test(message);
        if (!notYet || performance.now() - startedMs > LOAD_TIMEOUT_MS) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, LOAD_POLL_MS));
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The work's outcome, or a ServerFailure as soon as the server dies. */
  async guard<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([work, this.died]);
    } catch (error) {
      if (error instanceof ServerFailure) throw error;
      // a dying server breaks its connections first: let its end and its log be the reason that is told
      await Promise.race([this.died, new Promise((resolve) => setTimeout(resolve, 300))]);
      throw error;
    }
  }

  /** Stops it: SIGTERM, and SIGKILL when that is ignored. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => {
      process.stderr.write(`${this.spec.label} ignores SIGTERM, killing it\n`);
      this.child.kill('SIGKILL');
    }, STOP_TIMEOUT_MS);
    await this.exited;
    clearTimeout(timer);
    removeDirectory(this.directory);
  }

  private failure(what: string): ServerFailure {
    const command = commandLine(this.spec);
    return new ServerFailure(
      `${this.spec.label} ${what}\n  ${command}\n  end of its log:\n    ${this.log.join('\n    ')}`,
    );
  }
}
