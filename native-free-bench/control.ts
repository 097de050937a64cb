/*
 * A small client for the benchmark's own questions to a server: PING, INFO, DBSIZE, FLUSHALL; and a way to fill it.
 *
 * One command at a time over one connection; only what fills a server is sent in pipelines. Replies are strings,
 * numbers and nulls; arrays aren't needed and refused.
 */

import { connect, type Socket } from 'node:net';
import { ReplyScanner } from './load/replies.ts';

/** A reply: text of a simple or bulk string, an integer, or null. */
export type Reply = string | number | null;

const REPLY_TIMEOUT_MS = 120_000;

function parseReply(bytes: Buffer): Reply {
  const lineEnd = bytes.indexOf('\r\n');
  const line = bytes.toString('utf8', 1, lineEnd);
  switch (String.fromCharCode(bytes[0]!)) {
    case '+':
      return line;
    case ':':
      return Number(line);
    case '$':
      return line === '-1' ? null : bytes.toString('utf8', lineEnd + 2, bytes.length - 2);
    case '-':
      throw new Error(line);
    default:
      throw new Error(`unexpected reply ${JSON.stringify(bytes.toString('utf8', 0, 40))}`);
  }
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`;
}

/** Sends one command over an open socket and reads its reply. */
function ask(socket: Socket, args: readonly string[]): Promise<Reply> {
  if (socket.destroyed)
    return Promise.reject(new Error(`the connection is closed, ${args[0]} can't be sent`));
  const scanner = new ReplyScanner();
  const chunks: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    try {
      if (scanner.scan(chunk, chunk.length) > 0) resolve(parseReply(Buffer.concat(chunks)));
    } catch (error) {
      reject(error as Error);
    }
  };
  const onError = (cause: Error): void =>
    reject(new Error(`the connection was closed on ${args[0]}: ${cause.message}`, { cause }));
  const onClose = (): void => reject(new Error(`the server closed the connection on ${args[0]}`));
  const timer = setTimeout(() => reject(new Error(`no reply to ${args[0]}`)), REPLY_TIMEOUT_MS);
  socket.on('data', onData).on('error', onError).on('close', onClose);
  socket.write(encode(args));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.off('data', onData).off('error', onError).off('close', onClose);
  });
}

/** A connection for questions that are asked again and again. */
export class Control {
  private readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('error', () => {}); // told by the question that is under way, or the next one
  }

  /**
   * Sends a command; one at a time.
   * @throws Error with the text of an error reply, or when the connection fails
   */
  ask(...command: readonly string[]): Promise<Reply> {
    return ask(this.socket, command);
  }

  /** One section of INFO as a map of its fields. */
  async info(section: string): Promise<Map<string, string>> {
    const fields = new Map<string, string>();
    for (const line of String(await this.ask('INFO', section)).split('\r\n')) {
      const colon = line.indexOf(':');
      if (!line.startsWith('#') && colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
    }
    return fields;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Opens a connection for some work and closes it after that. */
export async function withControl<T>(port: number, work: (control: Control) => Promise<T>): Promise<T> {
  const control = new Control(port);
  try {
    return await work(control);
  } finally {
    control.close();
  }
}

/**
 * Opens a connection, sends commands one after the other, closes it.
 * @returns the replies, in order
 * @throws Error with the text of an error reply, or when the connection fails
 */
export function askServer(port: number, commands: readonly (readonly string[])[]): Promise<Reply[]> {
  return withControl(port, async (control) => {
    const replies: Reply[] = [];
    for (const command of commands) replies.push(await control.ask(...command));
    return replies;
  });
}

/** One section of INFO as a map of its fields. */
export function serverInfo(port: number, section: string): Promise<Map<string, string>> {
  return withControl(port, (control) => control.info(section));
}

/** Commands that `fillServer` has under way at once. */
const FILL_PIPELINE = 64;

/** Sends a text of so many commands and waits for all their replies. */
function sendBatch(socket: Socket, text: string, commands: number): Promise<void> {
  const scanner = new ReplyScanner();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = commands;
  const onData = (chunk: Buffer): void => {
    try {
      left -= scanner.scan(chunk, chunk.length);
    } catch (error) {
      reject(error as Error);
    }
    if (scanner.errors > 0) reject(new Error(scanner.firstError));
    else if (left <= 0) resolve();
  };
  const onClose = (): void => reject(new Error('the server closed the connection while it was being filled'));
  const timer = setTimeout(() => reject(new Error('no reply while filling the server')), REPLY_TIMEOUT_MS);
  socket.on('data', onData).on('error', reject).on('close', onClose);
  socket.write(text);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.off('data', onData).off('error', reject).off('close', onClose);
  });
}

/**
 * Sends many commands over one connection, without keeping their replies.
 * @throws Error with the text of the first error reply, or when the connection fails
 */
export async function fillServer(port: number, commands: Iterable<readonly string[]>): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  try {
    let batch: string[] = [];
    for (const command of commands) {
      if (batch.push(encode(command)) < FILL_PIPELINE) continue;
      await sendBatch(socket, batch.join(''), batch.length);
      batch = [];
    }
    if (batch.length > 0) await sendBatch(socket, batch.join(''), batch.length);
  } finally {
    socket.on('error', () => {}); // it is being thrown away
    socket.destroy();
  }
}
