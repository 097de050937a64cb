// socket.io on two nodes that know each other through the server: by pub/sub (@socket.io/redis-adapter), by sharded
// pub/sub, and by a stream (@socket.io/redis-streams-adapter).

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter, createShardedAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { Server } from 'socket.io';
import { connect, type Socket } from 'socket.io-client';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

type Adapter = Parameters<Server['adapter']>[0];

/** Makes the adapter of a node. */
type Kind = (clients: AppClients) => Promise<Adapter>;

const KINDS: readonly { readonly name: string; readonly make: Kind }[] = [
  {
    name: 'pub/sub, ioredis',
    make: async (clients) => createAdapter(clients.ioredis(), clients.ioredis()),
  },
  {
    name: 'pub/sub, node-redis',
    make: async (clients) => createAdapter(await clients.nodeRedis(), await clients.nodeRedis()),
  },
  {
    name: 'sharded pub/sub, node-redis',
    make: async (clients) => createShardedAdapter(await clients.nodeRedis(), await clients.nodeRedis()),
  },
  {
    name: 'streams, ioredis',
    make: async (clients) => createStreamsAdapter(clients.ioredis(), { blockTimeInMs: 100 }) as Adapter,
  },
];

export function socketIoTests(clients: AppClients): void {
  for (const { name, make } of KINDS) {
    it(`${name}: what one node emits reaches the sockets of the other, in order`, async () => {
      const nodes = [await startNode(await make(clients)), await startNode(await make(clients))] as const;
      const [left, right] = nodes;
      const sockets = [await join(left, 'red'), await join(right, 'red'), await join(right, 'blue')] as const;
      try {
        await knowEachOther(nodes);
        const heard: number[][] = [[], [], []];
        const last = sockets.map(
          (socket, i) =>
            new Promise<void>((resolve) => {
              socket.on('news', (n: number) => heard[i]!.push(n));
              socket.on('end', () => resolve());
            }),
        );
        for (let i = 0; i < 20; i++) left.io.to('red').emit('news', i);
        left.io.emit('end');
        await Promise.all(last);
        const all = Array.from({ length: 20 }, (_, i) => i);
        expect(heard).toEqual([all, all, []]);

        for (const socket of sockets)
          socket.on('question', (x: number, answer: (y: number) => void) => answer(x * 2));
        const answers = (await left.io.timeout(10_000).emitWithAck('question', 21)) as number[];
        expect(answers).toEqual([42, 42, 42]);
        const rooms = (await right.io.fetchSockets()).map((socket) => [...socket.rooms].at(-1));
        expect(rooms.sort()).toEqual(['blue', 'red', 'red']);
      } finally {
        for (const socket of sockets) socket.disconnect();
        for (const { io } of nodes) await io.close();
      }
    });
  }
}

interface Node {
  readonly io: Server;
  readonly url: string;
}

async function startNode(adapter: Adapter): Promise<Node> {
  const http = createServer();
  const io = new Server(http, { adapter, transports: ['websocket'] });
  io.on('connection', (socket) => {
    socket.on('join', (room: string, done: () => void) => {
      void socket.join(room);
      done();
    });
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return { io, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

/** A socket of a node, in a room. */
async function join(node: Node, room: string): Promise<Socket> {
  const socket = connect(node.url, { transports: ['websocket'], forceNew: true });
  await socket.timeout(10_000).emitWithAck('join', room);
  return socket;
}

/** Waits until all nodes hear each other: subscribing takes its time, and adapters do not tell when they have. */
async function knowEachOther(nodes: readonly Node[]): Promise<void> {
  for (const { io } of nodes) {
    for (;;) {
      const sockets = await io.fetchSockets().catch(() => []);
      if (sockets.length === 3) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
