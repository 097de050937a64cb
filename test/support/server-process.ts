// A server under test as a process: start, wait until it is ready, collect its log, stop, kill, start again.
//
// Sabre (sabre-server.ts) and the oracle (redis-server.ts) both take redis-server's arguments and log its lines, so
// they share this class. Whatever goes wrong is thrown with the command line and the end of the log.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve as resolvePath } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  groupExists,
  guardProcess,
  makeTemporaryFolder,
  releaseProcess,
  reservePort,
} from './process-guard.ts';
import { type ClientOptions, RawClient } from './raw-client.ts';

export type ServerOptions = {
  /** `--directive value` pairs as on the command line; they come after, and so override, the defaults. */
  args?: readonly string[];
  /** The text of a configuration file, given as first argument. */
  configFile?: string;
  /** Environment variables on top of the test's own. */
  env?: Record<string, string>;
  /** How long it may take until it is ready, in milliseconds. Default 30,000. */
  readyTimeoutMs?: number;
};

export type ExitState = { code: number | null; signal: NodeJS.Signals | null };

const READY = /Ready to accept connections/;
const PORT_TAKEN = /Failed listening on port|Address already in use/;
const PORT_ATTEMPTS = 10;
const STOP_LIMIT_MS = 15_000;
const LOG_TAIL_LINES = 40;

export class ServerProcess {
  readonly name: string;
  /** The server's working folder, `dir`; kept over restarts, deleted by `stop`. */
  readonly folder: string;
  port = 0;
  readonly #executable: string;
  readonly #leadingArgs: readonly string[];
  #options: ServerOptions;
  #child: ChildProcess | null = null;
  #output = '';
  #exit: ExitState | null = null;
  #expectedExit = false;
  #clients = new Set<RawClient>();

  /** @param leadingArgs what precedes the server's own arguments (the script, for Node). */
  constructor(name: string, executable: string, leadingArgs: readonly string[], options: ServerOptions) {
    this.name = name;
    this.#executable = executable;
    this.#leadingArgs = leadingArgs;
    this.#options = options;
    this.folder = makeTemporaryFolder(`sabre-test-${name}-`);
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.name} is not running`);
    return this.#child.pid;
  }

  /** Whether the process runs. */
  get running(): boolean {
    return this.#child !== null && this.#exit === null;
  }

  /** Everything it has written to standard output, standard error and its `logfile`, over all starts. */
  log(): string {
    const file = this.#logFile();
    return file !== null && existsSync(file) ? this.#output + readFileSync(file, 'utf8') : this.#output;
  }

  /** The end of the log and the command line, for failures. */
  describe(): string {
    const state = this.#exit === null ? 'running' : `ended, code ${this.#exit.code}, ${this.#exit.signal}`;
    const tail = this.log().trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    return `--- ${this.name}: ${this.#commandLine().join(' ')}\n--- ${state}; end of its log:\n${tail}\n---`;
  }

  /** Starts it and waits until it accepts connections. A port that is taken is replaced by another. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`${this.name} is already running`);
    const fixedPort = this.port !== 0;
    for (let attempt = 1; ; attempt++) {
      if (!fixedPort) this.port = await reservePort();
      const logStart = this.log().length;
      this.#launch();
      if (await this.#waitReady(logStart)) return;
      const taken = PORT_TAKEN.test(this.log().slice(logStart));
      if (!taken || fixedPort || attempt === PORT_ATTEMPTS) {
        throw new Error(`${this.name} did not start\n${this.describe()}`);
      }
    }
  }

  /** A client of this server; closed by `closeClients` and `stop`, if not before. */
  async connect(options: ClientOptions = {}): Promise<RawClient> {
    const explain = () => this.describe();
    const client = await RawClient.connect({ port: this.port }, { explain, ...options });
    this.#clients.add(client);
    client.socket.once('close', () => this.#clients.delete(client));
    return client;
  }

  /** As `connect`, with the password of `--requirepass` given, if there is one. */
  async connectAsAdmin(): Promise<RawClient> {
    const client = await this.connect();
    const args = this.#options.args ?? [];
    const at = args.lastIndexOf('--requirepass');
    if (at !== -1) await client.call('AUTH', args[at + 1]!);
    return client;
  }

  async closeClients(): Promise<void> {
    await Promise.all([...this.#clients].map((client) => client.close()));
  }

  /** Throws with the end of the log when the process has ended by itself. */
  assertAlive(): void {
    if (this.#exit !== null && !this.#expectedExit) throw new Error(`${this.name} died\n${this.describe()}`);
  }

  /**
   * Stops it with SIGTERM as an operator does and deletes its folder.
   * Throws when it had died before, does not end in time, ends with another code than 0, or leaves processes behind.
   */
  async stop(): Promise<void> {
    try {
      await this.#terminate();
    } finally {
      rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  /** Stops it as `stop` does and starts it again on the same port and folder. */
  async restart(options: Partial<ServerOptions> = {}): Promise<void> {
    await this.#terminate();
    this.#options = { ...this.#options, ...options };
    await this.start();
  }

  /** Kills it as a crash does; `start` starts it again on the same port and folder. */
  async kill9(): Promise<void> {
    this.#expectedExit = true;
    process.kill(this.pid, 'SIGKILL');
    await this.waitExit();
    await this.closeClients();
  }

  /** Its resident memory in bytes, as the operating system counts it. */
  residentBytes(): number {
    const result = spawnSync('ps', ['-o', 'rss=', '-p', String(this.pid)], { encoding: 'utf8' });
    const kilobytes = Number(result.stdout?.trim());
    if (!(kilobytes > 0)) throw new Error(`ps does not tell the memory of ${this.name}: ${result.stderr}`);
    return kilobytes * 1024;
  }

  /** Sends a signal, without waiting. */
  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Waits for the process to end by itself (SHUTDOWN, a fatal error); tells how it ended. */
  async waitExit(limitMs = STOP_LIMIT_MS): Promise<ExitState> {
    this.#expectedExit = true;
    const deadline = Date.now() + limitMs;
    while (this.#exit === null) {
      if (Date.now() > deadline) throw new Error(`${this.name} did not end\n${this.describe()}`);
      await sleep(5);
    }
    return this.#exit;
  }

  /** Waits until the log holds the pattern; the match. */
  async waitForLog(pattern: RegExp | string, limitMs = 20_000): Promise<RegExpMatchArray> {
    const expression = typeof pattern === 'string' ? new RegExp(escapeRegExp(pattern)) : pattern;
    const deadline = Date.now() + limitMs;
    for (;;) {
      const match = this.log().match(expression);
      if (match !== null) return match;
      if (Date.now() > deadline) throw new Error(`${expression} was not logged\n${this.describe()}`);
      await sleep(10);
    }
  }

  async #terminate(): Promise<void> {
    await this.closeClients();
    if (this.#child === null) return;
    this.assertAlive();
    const pid = this.pid;
    if (this.#exit === null) {
      this.#expectedExit = true;
      this.signal('SIGTERM');
      await this.#waitExitOrKill();
      const { code, signal } = this.#exit!;
      if (code !== 0) {
        throw new Error(`${this.name} ended with code ${code}, ${signal} on SIGTERM\n${this.describe()}`);
      }
    }
    if (!groupExists(pid)) return;
    process.kill(-pid, 'SIGKILL');
    throw new Error(`${this.name} left processes of its group behind\n${this.describe()}`);
  }

  async #waitExitOrKill(): Promise<void> {
    try {
      await this.waitExit();
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
  }

  #launch(): void {
    this.#exit = null;
    this.#expectedExit = false;
    const [executable, ...args] = this.#commandLine();
    const hasConfigFile = this.#options.configFile !== undefined;
    const child = spawn(executable!, args, {
      cwd: this.folder,
      env: { ...process.env, ...this.#options.env },
      stdio: [hasConfigFile ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    if (child.pid !== undefined) guardProcess(child.pid);
    child.stdin?.end(this.#options.configFile);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
    child.once('error', (error) => {
      this.#output += `cannot run ${executable}: ${error.message}\n`;
      this.#exit = { code: 127, signal: null };
    });
    child.once('close', (code, signal) => {
      if (child.pid !== undefined && !groupExists(child.pid)) releaseProcess(child.pid);
      this.#exit = { code, signal };
    });
  }

  #commandLine(): string[] {
    const config = this.#options.configFile === undefined ? [] : ['-'];
    const defaults = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder];
    const plain = ['--save', '', '--appendonly', 'no', '--enable-debug-command', 'yes'];
    const args = this.#options.args ?? [];
    return [this.#executable, ...this.#leadingArgs, ...config, ...defaults, ...plain, ...args];
  }

  #logFile(): string | null {
    const args = this.#options.args ?? [];
    const at = args.lastIndexOf('--logfile');
    const file = at === -1 ? '' : args[at + 1]!;
    return file === '' ? null : resolvePath(join(this.folder), file);
  }

  async #waitReady(logStart: number): Promise<boolean> {
    const deadline = Date.now() + (this.#options.readyTimeoutMs ?? 30_000);
    for (;;) {
      if (READY.test(this.log().slice(logStart))) return true;
      if (this.#exit !== null) return false;
      if (Date.now() > deadline) {
        this.signal('SIGKILL');
        return false;
      }
      await sleep(5);
    }
  }
}

function escapeRegExp(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Runs a server that is expected to end by itself; what it printed and how it ended. */
export async function runToExit(
  command: readonly string[],
  options: { stdin?: string; cwd?: string; env?: Record<string, string>; limitMs?: number } = {},
): Promise<ExitState & { output: string }> {
  const [executable, ...args] = command;
  const child = spawn(executable!, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  if (child.pid !== undefined) guardProcess(child.pid);
  let output = '';
  child.stdin.on('error', () => {}); // It may end without reading its input.
  child.stdin.end(options.stdin ?? '');
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  return await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      process.kill(-child.pid!, 'SIGKILL');
      reject(new Error(`${command.join(' ')} did not end by itself; output:\n${output}`));
    }, options.limitMs ?? 20_000);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (child.pid !== undefined) releaseProcess(child.pid);
      resolve({ code, signal, output });
    });
  });
}
