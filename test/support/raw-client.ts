// A small raw client for tests: sends exactly the bytes it is told to, and hands out replies with their exact bytes.
//
// Replies are queued in wire order. `next` takes the next of any kind; `reply` and `command` take the next that is not
// a push; `push` takes the next push. Every wait has a limit, after which it fails with what was received so far.
// It does no reconnecting, no encoding of objects, no clever batching: a test must see what the server does.

import { connect as netConnect, type Socket } from 'node:net';
import {
  isError,
  quoteBytes,
  type Reply,
  RespError,
  RespParser,
  toValue,
  type Value,
} from './resp-parser.ts';

export type Argument = string | number | Buffer;

export type ClientTarget = { port: number; host?: string } | { path: string };

export type ClientOptions = {
  /** RESP version: 3 sends `HELLO 3` first. Default 2 (nothing is sent). */
  protocol?: 2 | 3;
  /** The limit of every wait, in milliseconds. Default 20,000. */
  timeoutMs?: number;
  /** Said in every failure, such as the end of the server's log. */
  explain?: () => string;
};

type Kind = 'any' | 'reply' | 'push';
type Waiter = {
  kind: Kind;
  resolve: (reply: Reply) => void;
  reject: (error: Error) => void;
  timer: NodeJS.Timeout;
};

/** A command as the RESP array of bulk strings that clients send. Strings are sent as UTF-8. */
export function encodeCommand(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
  for (const argument of args) {
    const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument));
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, CRLF);
  }
  return Buffer.concat(parts);
}

const CRLF = Buffer.from('\r\n');

export class RawClient {
  readonly socket: Socket;
  readonly #parser = new RespParser();
  readonly #timeoutMs: number;
  readonly #explain: () => string;
  #queue: Reply[] = [];
  #waiters: Waiter[] = [];
  #closed = false;
  #closeReason: Error | null = null;
  #closeWaiters: (() => void)[] = [];
  #received = 0;

  /** Connects, and switches to RESP3 where asked. */
  static async connect(target: ClientTarget, options: ClientOptions = {}): Promise<RawClient> {
    const settings = 'path' in target ? target : { host: '127.0.0.1', ...target };
    const socket = netConnect({ ...settings, allowHalfOpen: true, noDelay: true });
    const client = new RawClient(socket, options);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (error) => reject(client.#failure(`cannot connect: ${error.message}`)));
    });
    if (options.protocol === 3) await client.call('HELLO', '3');
    return client;
  }

  private constructor(socket: Socket, options: ClientOptions) {
    this.socket = socket;
    this.#timeoutMs = options.timeoutMs ?? 20_000;
    this.#explain = options.explain ?? (() => '');
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => {
      this.#closeReason ??= error;
    });
    socket.on('end', () => this.#onClosed());
    socket.on('close', () => this.#onClosed());
  }

  /** Whether the server's end of the connection is closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many replies came and were not taken. */
  get queuedReplies(): number {
    return this.#queue.length;
  }

  /** How many bytes have come in. */
  get receivedBytes(): number {
    return this.#received;
  }

  /** How many replies have come that nobody has taken yet. */
  get waitingReplies(): number {
    return this.#queue.length;
  }

  /** Sends a command without waiting. */
  send(...args: Argument[]): void {
    this.socket.write(encodeCommand(args));
  }

  /** Sends bytes as they are, without waiting. */
  sendRaw(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** Sends bytes and waits until the kernel has taken them all. */
  async sendRawFlushed(bytes: string | Buffer): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.socket.write(bytes, (error) => (error ? reject(this.#failure(error.message)) : resolve()));
    });
  }

  /** Closes the sending direction only. */
  end(): void {
    this.socket.end();
  }

  /** Sends a command and waits for its reply, an error reply included. */
  command(...args: Argument[]): Promise<Reply> {
    this.send(...args);
    return this.reply();
  }

  /** Sends a command; the natural JavaScript value of its reply. Throws RespError for an error reply. */
  async call(...args: Argument[]): Promise<Value> {
    const reply = await this.command(...args);
    if (isError(reply)) throw new RespError(reply.bytes!.toString());
    return toValue(reply);
  }

  /** As `call`, with Buffers for bulk strings. */
  async callBuffer(...args: Argument[]): Promise<Value> {
    const reply = await this.command(...args);
    if (isError(reply)) throw new RespError(reply.bytes!.toString());
    return toValue(reply, 'buffer');
  }

  /** The text of the error reply that the command must get, as `ERR syntax error`. */
  async callError(...args: Argument[]): Promise<string> {
    const reply = await this.command(...args);
    if (!isError(reply)) throw this.#failure(`expected an error reply, got ${quoteBytes(reply.raw)}`);
    return reply.bytes!.toString();
  }

  /** Sends all commands in one write; their replies in order. */
  async pipeline(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    this.socket.write(Buffer.concat(commands.map(encodeCommand)));
    const replies: Reply[] = [];
    for (let i = 0; i < commands.length; i++) replies.push(await this.reply());
    return replies;
  }

  /** The next thing the server sends, pushes included. */
  next(timeoutMs?: number): Promise<Reply> {
    return this.#take('any', timeoutMs);
  }

  /** The next reply that is not a push; pushes before it stay queued. */
  reply(timeoutMs?: number): Promise<Reply> {
    return this.#take('reply', timeoutMs);
  }

  /** The next push (RESP3); replies before it stay queued. */
  push(timeoutMs?: number): Promise<Reply> {
    return this.#take('push', timeoutMs);
  }

  /** Replies that came and were not taken, taken now. */
  drain(): Reply[] {
    return this.#queue.splice(0);
  }

  /** Waits for the server to close; all bytes that came and were not taken as replies. */
  async readUntilClosed(timeoutMs = this.#timeoutMs): Promise<Buffer> {
    if (!this.#closed) await this.#waitClosed(timeoutMs);
    const bytes = Buffer.concat([...this.#queue.map((reply) => reply.raw), this.#parser.rest()]);
    this.#queue = [];
    this.#parser.clear();
    return bytes;
  }

  /** Stops reading from the socket: the kernel's buffers fill, and then the server's. */
  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Drops the connection and waits until that is done. */
  async close(): Promise<void> {
    if (this.socket.closed) return;
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.destroy();
    });
  }

  /** Drops the connection with a reset in place of an orderly end. */
  async abort(): Promise<void> {
    if (this.socket.closed) return;
    await new Promise<void>((resolve) => {
      this.socket.once('close', () => resolve());
      this.socket.resetAndDestroy();
    });
  }

  #onData(chunk: Buffer): void {
    this.#received += chunk.length;
    this.#parser.push(chunk);
    try {
      for (let reply = this.#parser.shift(); reply !== undefined; reply = this.#parser.shift()) {
        this.#deliver(reply);
      }
    } catch (error) {
      this.#rejectAll(error as Error);
    }
  }

  #deliver(reply: Reply): void {
    const index = this.#waiters.findIndex((waiter) => accepts(waiter.kind, reply));
    if (index === -1) {
      this.#queue.push(reply);
      return;
    }
    const [waiter] = this.#waiters.splice(index, 1);
    clearTimeout(waiter!.timer);
    waiter!.resolve(reply);
  }

  #take(kind: Kind, timeoutMs = this.#timeoutMs): Promise<Reply> {
    const index = this.#queue.findIndex((reply) => accepts(kind, reply));
    if (index !== -1) return Promise.resolve(this.#queue.splice(index, 1)[0]!);
    if (this.#closed) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(this.#failure(`no ${kind} within ${timeoutMs} ms; unfinished: ${this.#unfinished()}`));
      }, timeoutMs);
      const waiter: Waiter = { kind, resolve, reject, timer };
      this.#waiters.push(waiter);
    });
  }

  #waitClosed(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        const got = quoteBytes(Buffer.concat(this.#queue.map((reply) => reply.raw)).subarray(0, 300));
        reject(this.#failure(`not closed within ${timeoutMs} ms; received ${got}, ${this.#unfinished()}`));
      }, timeoutMs);
      this.#closeWaiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#rejectAll(this.#closedError());
    for (const resolve of this.#closeWaiters.splice(0)) resolve();
    this.socket.end();
  }

  #rejectAll(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
  }

  #closedError(): Error {
    const reason = this.#closeReason === null ? '' : ` (${this.#closeReason.message})`;
    return this.#failure(`the connection was closed${reason}; unfinished: ${this.#unfinished()}`);
  }

  #unfinished(): string {
    return quoteBytes(this.#parser.rest().subarray(0, 200));
  }

  #failure(message: string): Error {
    const more = this.#explain();
    return new Error(more === '' ? message : `${message}\n${more}`);
  }
}

function accepts(kind: Kind, reply: Reply): boolean {
  if (kind === 'any') return true;
  return (reply.type === 'push') === (kind === 'push');
}
