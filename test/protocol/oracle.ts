/**
 * A real redis-server to compare with, and raw sockets to it. Tests that need it fail where it is missing.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { redisExecutable, redisVersion } from '../support/redis-server.ts';

/** A connection that gathers what the server sends. */
export class RawConnection {
  readonly socket: net.Socket;
  received: Buffer;
  closed: boolean;
  private wake: (() => void) | null;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    this.received = Buffer.alloc(0);
    this.closed = false;
    this.wake = null;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake?.();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.wake?.();
    });
  }

  static open(socketPath: string): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(socketPath, () => resolve(new RawConnection(socket)));
      socket.once('error', reject);
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      if (this.closed) resolve();
      else this.socket.write(bytes, () => resolve());
    });
  }

  /** Waits until `enough` holds or the connection closes. */
  async until(enough: (received: Buffer) => boolean): Promise<Buffer> {
    while (!this.closed && !enough(this.received)) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    return this.received;
  }

  take(): Buffer {
    const received = this.received;
    this.received = Buffer.alloc(0);
    return received;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

export class Oracle {
  readonly child: ChildProcess;
  readonly directory: string;
  readonly socketPath: string;
  private control: RawConnection | null;

  private constructor(child: ChildProcess, directory: string) {
    this.child = child;
    this.directory = directory;
    this.socketPath = path.join(directory, 'redis.sock');
    this.control = null;
  }

  static async start(extra: string[] = []): Promise<Oracle> {
    redisVersion();
    const directory = mkdtempSync(path.join(tmpdir(), 'sabre-oracle-'));
    const socketPath = path.join(directory, 'redis.sock');
    const options = ['--port', '0', '--unixsocket', socketPath, '--save', '', '--dir', directory];
    const child = spawn(redisExecutable(), [...options, ...extra], { stdio: ['ignore', 'pipe', 'inherit'] });
    const oracle = new Oracle(child, directory);
    await new Promise<void>((resolve, reject) => {
      let log = '';
      child.stdout!.on('data', (text) => {
        log += text;
        if (log.includes('ready to accept connections')) resolve();
      });
      child.on('exit', () => reject(new Error('redis-server ended:\n' + log)));
    });
    oracle.control = await oracle.connect();
    return oracle;
  }

  connect(): Promise<RawConnection> {
    return RawConnection.open(this.socketPath);
  }

  /**
   * Waits until the server has read and answered all that was written on other connections before. Turns of the
   * server's event loop, at one round trip at least each: accept; read and reply; close. One more to be sure, then
   * turns of our own for the events to come out.
   */
  async settle(): Promise<void> {
    const control = this.control!;
    for (let round = 0; round < 4; round++) {
      await control.write(Buffer.from('PING\r\n'));
      await control.until((received) => received.toString('latin1').endsWith('\r\n'));
      control.take();
    }
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sends a pipeline on the control connection and returns the one-line replies or bulk strings, as latin1. */
  async ask(commands: string[][]): Promise<(string | null)[]> {
    const control = this.control!;
    await control.write(Buffer.concat(commands.map(encodeCommand)));
    let replies: (string | null)[] | null = null;
    await control.until((received) => {
      replies = readReplies(received, commands.length);
      return replies !== null;
    });
    control.take();
    return replies!;
  }

  async stop(): Promise<void> {
    this.control?.destroy();
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A command as RESP; the strings are latin1. */
export function encodeCommand(args: string[]): Buffer {
  let text = '*' + args.length + '\r\n';
  for (const arg of args) text += '$' + arg.length + '\r\n' + arg + '\r\n';
  return Buffer.from(text, 'latin1');
}

/** Reads `count` replies that are lines or bulk strings (or flat arrays of them, joined by NUL); null: not all here. */
export function readReplies(received: Buffer, count: number): (string | null)[] | null {
  const text = received.toString('latin1');
  const replies: (string | null)[] = [];
  let at = 0;
  const one = (): string | null | undefined => {
    const eol = text.indexOf('\r\n', at);
    if (eol < 0) return undefined;
    const line = text.slice(at, eol);
    at = eol + 2;
    if (line[0] === '$') {
      const length = Number(line.slice(1));
      if (length < 0) return null;
      if (text.length < at + length + 2) return undefined;
      const value = text.slice(at, at + length);
      at += length + 2;
      return value;
    }
    if (line[0] === '*') {
      const items: string[] = [];
      for (let i = Number(line.slice(1)); i > 0; i--) {
        const item = one();
        if (item === undefined) return undefined;
        items.push(item ?? '');
      }
      return items.join('\0');
    }
    return line;
  };
  while (replies.length < count) {
    const reply = one();
    if (reply === undefined) return null;
    replies.push(reply);
  }
  return replies;
}
