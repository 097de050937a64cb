// A server that is wrong on purpose, to test that the comparing tests notice.
//
// A proxy in front of a real redis-server: it parses the requests (which must be arrays of bulk strings), lets a fault
// change them, and lets another change the replies on their way back.

import type { AddressInfo } from 'node:net';
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { type Argument, type ClientOptions, encodeCommand, RawClient } from './raw-client.ts';
import { type Reply, RespParser } from './resp-parser.ts';

export type Fault = {
  /** The command to run in place of the one that was sent. */
  request?: (args: Buffer[]) => readonly Argument[];
  /** The bytes to send in place of a reply. */
  reply?: (reply: Reply) => Buffer;
  /** Pass on the bytes of requests unparsed (they need be no requests); `request` is not used then. */
  rawRequests?: boolean;
  /** Do not close the connection when the server behind does. */
  staysOpen?: boolean;
};

export class FaultyServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly running = true;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param port of the server behind. */
  static async start(port: number, fault: Fault): Promise<FaultyServer> {
    const server = createServer({ noDelay: true, allowHalfOpen: true });
    const faulty = new FaultyServer(server);
    server.on('connection', (socket) => faulty.#serve(socket, port, fault));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return faulty;
  }

  connect(options: ClientOptions = {}): Promise<RawClient> {
    return RawClient.connect({ port: (this.#server.address() as AddressInfo).port }, options);
  }

  async start(): Promise<void> {
    throw new Error('a faulty server cannot be restarted');
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, port: number, fault: Fault): void {
    const behind = netConnect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const socket of [client, behind]) {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('close', () => behind.destroy());
    behind.on('close', () => {
      if (!fault.staysOpen) client.end();
    });
    client.on('end', () => behind.end());
    behind.on('end', () => behind.end());
    if (fault.rawRequests) client.on('data', (chunk: Buffer) => behind.write(chunk));
    else
      transform(client, behind, (message) => {
        const args = message.items!.map((item) => item.bytes!);
        return encodeCommand(fault.request?.(args) ?? args);
      });
    transform(behind, client, (reply) => fault.reply?.(reply) ?? reply.raw);
  }
}

function transform(from: Socket, to: Socket, change: (message: Reply) => Buffer): void {
  const parser = new RespParser();
  from.on('data', (chunk: Buffer) => {
    parser.push(chunk);
    const out: Buffer[] = [];
    for (let message = parser.shift(); message !== undefined; message = parser.shift())
      out.push(change(message));
    if (out.length > 0) to.write(Buffer.concat(out));
  });
}
