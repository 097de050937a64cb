/*
 * A small client for the benchmark's own questions to a server: PING, INFO, DBSIZE, FLUSHALL.
 *
 * One command at a time over one connection. Replies are strings, numbers and nulls; arrays aren't needed and refused.
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
  const onClose = (): void => reject(new Error(`the server closed the connection on ${args[0]}`));
  const timer = setTimeout(() => reject(new Error(`no reply to ${args[0]}`)), REPLY_TIMEOUT_MS);
  socket.on('data', onData).on('error', reject).on('close', onClose);
  socket.write(encode(args));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.off('data', onData).off('error', reject).off('close', onClose);
  });
}

/**
 * Opens a connection, sends commands one after the other, closes it.
 * @returns the replies, in order
 * @throws Error with the text of an error reply, or when the connection fails
 */
export async function askServer(port: number, commands: readonly (readonly string[])[]): Promise<Reply[]> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  try {
    const replies: Reply[] = [];
    for (const command of commands) replies.push(await ask(socket, command));
    return replies;
  } finally {
    socket.on('error', () => {}); // it is being thrown away
    socket.destroy();
  }
}

/**
 * One section of INFO as a map of its fields.
 */
export async function serverInfo(port: number, section: string): Promise<Map<string, string>> {
  const [text] = await askServer(port, [['INFO', section]]);
  const fields = new Map<string, string>();
  for (const line of String(text).split('\r\n')) {
    const colon = line.indexOf(':');
    if (!line.startsWith('#') && colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}
