// A server that is found ready by connecting to it: one that logs nothing, or that goes into the background.
//
// It gets a folder of its own with a unix socket, a log file and a pid file in it.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { groupExists, guardProcess, makeTemporaryFolder, releaseProcess } from './process-guard.ts';
import { RawClient } from './raw-client.ts';
import { sabreCommand } from './sabre-server.ts';

const LIMIT_MS = 20_000;

export class UnseenServer {
  readonly folder: string;
  readonly socketPath: string;
  readonly logFile: string;
  readonly pidFile: string;
  /** The process that was started: the server, or with `daemonize` the one that starts it. */
  readonly child: ChildProcess;
  /** What it has written to standard output and standard error. */
  output = '';

  private constructor(args: readonly string[]) {
    this.folder = makeTemporaryFolder('sabre-test-unseen-');
    this.socketPath = join(this.folder, 'server.sock');
    this.logFile = join(this.folder, 'server.log');
    this.pidFile = join(this.folder, 'server.pid');
    const files = ['--unixsocket', this.socketPath, '--logfile', this.logFile, '--pidfile', this.pidFile];
    const plain = ['--port', '0', '--dir', this.folder, '--save', '', ...files];
    const [executable, ...leading] = sabreCommand();
    this.child = spawn(executable!, [...leading, ...plain, ...args], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    if (this.child.pid !== undefined) guardProcess(this.child.pid);
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
  }

  /** Starts it and waits until it answers. */
  static async start(args: readonly string[]): Promise<UnseenServer> {
    const server = new UnseenServer(args);
    for (const deadline = Date.now() + LIMIT_MS; ; ) {
      const client = await server.connect().catch(() => null);
      if (client !== null) {
        await client.close();
        return server;
      }
      if (Date.now() > deadline) throw new Error(`it does not answer\n${server.output}${server.log()}`);
      await sleep(10);
    }
  }

  connect(): Promise<RawClient> {
    return RawClient.connect({ path: this.socketPath }, { explain: () => this.log() });
  }

  /** The content of its log file. */
  log(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  /** The server's own word on its process id. */
  async pid(): Promise<number> {
    const client = await this.connect();
    const info = String(await client.call('INFO', 'server'));
    await client.close();
    const pid = Number(info.match(/^process_id:(\d+)\r$/m)?.[1]);
    guardProcess(pid);
    return pid;
  }

  /** Sends SIGTERM to the server and waits until it is gone. */
  async stop(): Promise<void> {
    const pid = await this.pid();
    process.kill(pid, 'SIGTERM');
    for (const deadline = Date.now() + LIMIT_MS; isAlive(pid) || groupExists(pid); ) {
      if (Date.now() > deadline) {
        process.kill(pid, 'SIGKILL');
        throw new Error(`it does not end\n${this.log()}`);
      }
      await sleep(10);
    }
    releaseProcess(pid);
    releaseProcess(this.child.pid!);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
