// Sends bytes that need be no requests to a server and collects what it does.
//
// The sending direction is closed after the bytes, so that the server's answer has an end even when it waits for more:
// a server answers what it has got whole, then sees the end, and closes.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Endpoint, Pair } from './differential.ts';
import type { CorpusEntry } from './protocol-corpus.ts';
import { encodeCommand, type RawClient } from './raw-client.ts';
import { parseReplies, quoteBytes } from './resp-parser.ts';

export type ProbeOptions = {
  /** Send in pieces of so many bytes, each in a turn of its own. Default: all at once. */
  pieceBytes?: number;
  /** Leave the sending direction open: the server must close by itself. */
  keepOpen?: boolean;
  /** How long closing may take, in milliseconds. */
  closeLimitMs?: number;
};

const CLOSE_LIMIT_MS = 15_000;
const ATTEMPTS = 30;
const PING = encodeCommand(['PING']);

/** All that the server sends back until the connection is closed. */
export async function probe(server: Endpoint, bytes: Buffer, options: ProbeOptions = {}): Promise<Buffer> {
  const client = await server.connect();
  try {
    await sendPieces(client, bytes, options.pieceBytes ?? bytes.length);
    if (!options.keepOpen) client.end();
    return await client.readUntilClosed(options.closeLimitMs ?? CLOSE_LIMIT_MS);
  } finally {
    await client.close();
  }
}

async function sendPieces(client: RawClient, bytes: Buffer, pieceBytes: number): Promise<void> {
  for (let at = 0; at < bytes.length && !client.closed; at += pieceBytes) {
    client.sendRaw(bytes.subarray(at, at + pieceBytes));
    await nextTurn();
  }
}

/** Whether the server still has this client, by its address in CLIENT LIST. */
export async function isConnected(server: Endpoint, client: RawClient): Promise<boolean> {
  const observer = await server.connect();
  const list = String(await observer.call('CLIENT', 'LIST'));
  await observer.close();
  return list.includes(` addr=127.0.0.1:${client.socket.localPort} `);
}

/** What both answered, when it is the same; fails otherwise. */
export async function sameOutcome(
  pair: Pair<Endpoint>,
  bytes: Buffer,
  options: ProbeOptions = {},
): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    const [left, right] = await Promise.all([
      probe(pair.sabre, bytes, options),
      probe(pair.redis, bytes, options),
    ]);
    if (left.equals(right)) return right;
    // A server that closes with input unread resets the connection, and the kernel then drops replies that the client
    // has not read yet: so either answer may be cut short, by chance. A real difference stays.
    const cutShort = isPrefix(left, right) || isPrefix(right, left);
    if (cutShort && attempt < ATTEMPTS) continue;
    throw new Error(
      `different answers to ${quoteBytes(bytes.subarray(0, 400))} (${bytes.length} bytes)\n` +
        `  sabre: ${quoteBytes(left.subarray(0, 400))}\n  redis: ${quoteBytes(right.subarray(0, 400))}`,
    );
  }
}

function isPrefix(start: Buffer, whole: Buffer): boolean {
  return whole.subarray(0, start.length).equals(start);
}

/** A new client that has sent these bytes. */
export async function sendTo(server: Endpoint, bytes: Buffer): Promise<RawClient> {
  const client = await server.connect();
  client.sendRaw(bytes);
  return client;
}

/** The first reply to these bytes. */
export async function firstReply(server: Endpoint, bytes: Buffer): Promise<Buffer> {
  const client = await sendTo(server, bytes);
  return (await client.reply()).raw;
}

/**
 * An entry of the corpus on both servers: the same answers, at once, byte by byte, and followed by a good command; and
 * it closes the connection, or leaves it open, as it should.
 */
export async function checkEntry(pair: Pair<Endpoint>, entry: CorpusEntry): Promise<void> {
  const answer = await sameOutcome(pair, entry.bytes);
  await sameOutcome(pair, Buffer.concat([entry.bytes, Buffer.from('\r\n'), PING]));
  if (entry.bytes.length < 1000) await sameOutcome(pair, entry.bytes, { pieceBytes: 1 });
  if (entry.closes) {
    const byItself = await sameOutcome(pair, entry.bytes, { keepOpen: true });
    if (!byItself.equals(answer)) throw new Error(`closed by itself after ${quoteBytes(byItself)}`);
    return;
  }
  for (const server of [pair.sabre, pair.redis]) {
    const client = await sendTo(server, entry.bytes);
    for (const expected of parseReplies(answer)) {
      const reply = await client.reply();
      if (!reply.raw.equals(expected.raw)) throw new Error(`an answer changed to ${quoteBytes(reply.raw)}`);
    }
    if (!(await isConnected(server, client))) throw new Error(`${entry.name} closed the connection`);
    await client.close();
  }
}
