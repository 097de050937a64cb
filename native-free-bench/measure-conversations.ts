/*
 * Samples of clients and messages. The clients are sockets of this process: a server may have as many as the limit of open
 * files lets both have.
 *
 * Memory is the growth of the server's resident memory from before to after, of the whole process.
 */

import { connect, type Socket } from 'node:net';
import { askServer } from './control.ts';
import { cpuPerRequest, load, present, type Sample, type Settings, sized, sleep } from './measure-parts.ts';
import { cpuSeconds, residentBytes } from './process-stats.ts';
import type { Work } from './scenario-types.ts';
import type { Server } from './servers.ts';

type WorkOf<K extends Work['kind']> = Extract<Work, { kind: K }>;

/** Connections that are being made at once. */
const CONNECTING_MAX = 100;
/** Of connects at a rate: more under way means that the server does not keep up. */
const UNDER_WAY_MAX = 500;
const TICK_MS = 5;
/** A server frees what its clients had when it comes to it. */
const SETTLE_MS = 1000;
const CHANNEL = 'news';
/** Of the messages: published first, and not counted. */
const WARMUP_PART = 0.25;
const PING = '*1\r\n$4\r\nPING\r\n';
const PONG_BYTES = '+PONG\r\n'.length;

/** Bytes of a message as a subscriber with RESP2 gets it. */
export function messageBytes(channel: string, payload: number): number {
  const bulk = (length: number): number => 1 + String(length).length + 2 + length + 2;
  return '*3\r\n'.length + bulk('message'.length) + bulk(channel.length) + bulk(payload);
}

/** Encodes a command. */
function request(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
}

/** Opens a connection and waits for so many bytes of reply to what it sends first. */
function open(port: number, first: string, replyBytes: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  let left = replyBytes;
  const onClose = (): void => reject(new Error('the server closed a connection'));
  const onData = (chunk: Buffer): void => {
    if (chunk[0] === 0x2d) reject(new Error(chunk.toString('latin1').trimEnd()));
    left -= chunk.length;
    if (left > 0) return;
    socket.off('data', onData).off('close', onClose);
    resolve(socket);
  };
  socket.on('error', reject).on('close', onClose).on('data', onData);
  socket.write(first);
  return promise;
}

/** Opens many, some at a time. @param first what number `i` sends first, and the bytes of its reply */
async function openMany(
  port: number,
  count: number,
  first: (i: number) => { text: string; replyBytes: number },
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  try {
    for (let from = 0; from < count; from += CONNECTING_MAX) {
      const some = Array.from({ length: Math.min(CONNECTING_MAX, count - from) }, (_, i) => first(from + i));
      sockets.push(...(await Promise.all(some.map(({ text, replyBytes }) => open(port, text, replyBytes)))));
    }
    return sockets;
  } catch (error) {
    closeAll(sockets);
    throw error;
  }
}

function closeAll(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.on('error', () => {}).destroy();
}

/** Waits until a server has no clients but the one that asks. */
async function untilAlone(server: Server): Promise<void> {
  for (;;) {
    const [text] = await askServer(server.port, [['INFO', 'clients']]);
    if (/connected_clients:1\r/.test(String(text))) break;
    await sleep(TICK_MS);
  }
  await sleep(SETTLE_MS);
}

/** Messages that subscribers get, from the first PUBLISH to the last byte of the last message. */
export async function samplePublish(
  work: WorkOf<'publish'>,
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const messages = sized(work.messages, settings.quick);
  const subscribed = `*3\r\n$9\r\nsubscribe\r\n$${CHANNEL.length}\r\n${CHANNEL}\r\n:1\r\n`.length;
  const text = request('SUBSCRIBE', CHANNEL);
  const sockets = await server.guard(
    openMany(server.port, work.subscribers, () => ({ text, replyBytes: subscribed })),
  );
  try {
    const each = messageBytes(CHANNEL, work.messageBytes);
    const round = (count: number): Promise<unknown> => {
      const heard = sockets.map((socket) => receive(socket, count * each));
      return server.guard(Promise.all([publish(server.port, count, work), ...heard]));
    };
    await round(Math.ceil(messages * WARMUP_PART));
    const before = cpuSeconds(server.pid);
    const startedMs = performance.now();
    await round(messages);
    const seconds = (performance.now() - startedMs) / 1000;
    const delivered = messages * work.subscribers;
    return present({
      perSecond: delivered / seconds,
      publishedPerSecond: messages / seconds,
      cpuUsPerMessage: cpuPerRequest(server, before, delivered),
    });
  } finally {
    closeAll(sockets);
  }
}

/** Resolves when a socket has got so many bytes. */
function receive(socket: Socket, bytes: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = bytes;
  const onClose = (): void => reject(new Error('the server closed a subscriber'));
  const onData = (chunk: Buffer): void => {
    left -= chunk.length;
    if (left < 0) reject(new Error('a subscriber got more than was published'));
    if (left > 0) return;
    socket.off('data', onData).off('close', onClose);
    resolve();
  };
  socket.on('data', onData).on('close', onClose);
  return promise;
}

/** Publishes in pipelines, each sent when the one before is answered. */
async function publish(port: number, messages: number, work: WorkOf<'publish'>): Promise<void> {
  const one = request('PUBLISH', CHANNEL, 'x'.repeat(work.messageBytes));
  const reply = `:${work.subscribers}\r\n`.length;
  const socket = await open(port, PING, PONG_BYTES);
  try {
    for (let left = messages; left > 0; left -= work.pipeline) {
      const count = Math.min(left, work.pipeline);
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let missing = count * reply;
      const onData = (chunk: Buffer): void => {
        missing -= chunk.length;
        if (missing === 0) resolve();
        else if (missing < 0) reject(new Error('a message had another number of subscribers'));
      };
      const onClose = (): void => reject(new Error('the server closed the publisher'));
      socket.on('data', onData).on('close', onClose);
      socket.write(one.repeat(count));
      await promise;
      socket.off('data', onData).off('close', onClose);
    }
  } finally {
    closeAll([socket]);
  }
}

/** What a server's memory grows by for each client that has said PING and waits. */
export async function sampleClients(
  work: WorkOf<'clients'>,
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const count = sized(work.clients, settings.quick);
  const before = residentBytes(server.pid);
  const startedMs = performance.now();
  const sockets = await server.guard(
    openMany(server.port, count, () => ({ text: PING, replyBytes: PONG_BYTES })),
  );
  const openMs = performance.now() - startedMs;
  await sleep(SETTLE_MS);
  const after = residentBytes(server.pid);
  closeAll(sockets);
  await server.guard(untilAlone(server));
  const left = residentBytes(server.pid);
  const grown = (to: number | undefined): number | undefined =>
    before === undefined || to === undefined ? undefined : to - before;
  const bytes = grown(after);
  const leftBytes = grown(left);
  return present({
    bytesPerClient: bytes === undefined ? undefined : bytes / count,
    clients: count,
    openMs,
    leftMb: leftBytes === undefined ? undefined : leftBytes / 1e6,
  });
}

/**
 * Connections that come, say PING and go, as many per second as are offered, or as the server takes. They come twice: the
 * memory that is looked at is what the second time adds, when the server has all it needs for so many.
 */
export async function sampleConnects(
  work: WorkOf<'connects'>,
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const total = Math.round(work.perSecond * sized(work.seconds, settings.quick));
  await server.guard(visitAll(server.port, total, work.perSecond));
  await server.guard(untilAlone(server));
  const before = residentBytes(server.pid);
  const cpuBefore = cpuSeconds(server.pid);
  const startedMs = performance.now();
  await server.guard(visitAll(server.port, total, work.perSecond));
  const elapsed = (performance.now() - startedMs) / 1000;
  const cpu = cpuPerRequest(server, cpuBefore, total);
  await server.guard(untilAlone(server));
  const after = residentBytes(server.pid);
  return present({
    perSecond: total / elapsed,
    cpuUsPerConnect: cpu,
    connects: total,
    grownMb: before === undefined || after === undefined ? undefined : (after - before) / 1e6,
  });
}

async function visitAll(port: number, total: number, perSecond: number): Promise<void> {
  const startedMs = performance.now();
  let begun = 0;
  let underWay = 0;
  let failure: Error | null = null;
  const visit = async (): Promise<void> => {
    underWay++;
    try {
      closeAll([await open(port, PING, PONG_BYTES)]);
    } catch (error) {
      failure ??= error as Error;
    }
    underWay--;
  };
  while ((begun < total || underWay > 0) && failure === null) {
    const due = Math.min(total, ((performance.now() - startedMs) / 1000) * perSecond);
    for (; begun < due && underWay < UNDER_WAY_MAX; begun++) void visit();
    await sleep(begun < due ? 0 : TICK_MS);
  }
  if (failure !== null) throw failure;
}

/** A load without, then beside subscribers that each have a channel and a pattern of their own. */
export async function sampleBystander(
  work: WorkOf<'bystander'>,
  server: Server,
  settings: Settings,
): Promise<Sample> {
  const [keys] = await server.guard(askServer(server.port, [['DBSIZE']]));
  const seconds = sized(work.seconds, settings.quick);
  const spec = { ...work.load, keys: Number(keys), seconds, warmupSeconds: seconds / 5 };
  const alone = await load(server, spec, settings.threads);
  const count = sized(work.subscribers, settings.quick);
  const sockets = await server.guard(openMany(server.port, count, subscriptions));
  try {
    const beside = await load(server, spec, settings.threads);
    return present({
      partPercent: (100 * beside.requestsPerSecond) / alone.requestsPerSecond,
      rps: beside.requestsPerSecond,
      rpsAlone: alone.requestsPerSecond,
      subscribers: count,
    });
  } finally {
    closeAll(sockets);
    await server.guard(untilAlone(server));
  }
}

function subscriptions(i: number): { text: string; replyBytes: number } {
  const [channel, pattern] = [`channel:${i}`, `pattern:${i}:*`];
  const confirmation = (kind: string, name: string, count: number): string =>
    `*3\r\n$${kind.length}\r\n${kind}\r\n$${name.length}\r\n${name}\r\n:${count}\r\n`;
  return {
    text: request('SUBSCRIBE', channel) + request('PSUBSCRIBE', pattern),
    replyBytes: confirmation('subscribe', channel, 1).length + confirmation('psubscribe', pattern, 2).length,
  };
}
