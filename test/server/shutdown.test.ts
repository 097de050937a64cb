// The end of a server: by signal, by SHUTDOWN, by a bug. It never takes long, and leaves nothing behind.

import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeCommand, RawClient } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

/** An end must come on its own, busy or not; this only tells it from a hang on a slow machine. */
const SECONDS_MS = 10_000;

describe.each(TOPOLOGIES)('the end of a server ($name)', ({ args }) => {
  async function start(...more: string[]): Promise<ServerProcess> {
    const server = await startSabre({ args: [...args, ...more] });
    onTestFinished(() => server.stop());
    return server;
  }

  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends it with code 0', async (signal) => {
    const server = await start();
    const client = await server.connect();
    await client.call('SET', 'a', '1');
    server.signal(signal);
    expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
    expect((await client.readUntilClosed()).toString()).toBe('');
    expect(server.log()).toMatch(new RegExp(`Received ${signal} scheduling shutdown\\.\\.\\.\n`));
    expect(server.log()).toMatch(/ready to exit, bye bye\.\.\.\n$/);
    await expect(RawClient.connect({ port: server.port })).rejects.toThrow(/ECONNREFUSED/);
  });

  it('in the moment it starts', async () => {
    const server = await start();
    for (let i = 0; i < 2; i++) {
      server.signal('SIGTERM');
      expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
      await server.start();
    }
  });

  it('with clients that send without pause', async () => {
    const server = await start();
    const batch = Buffer.concat(Array.from({ length: 200 }, (_, i) => encodeCommand(['INCR', `key:${i}`])));
    for (let i = 0; i < 8; i++) {
      const socket = connect(server.port, '127.0.0.1');
      socket.on('error', () => {});
      const send = (): void => {
        while (socket.writable && socket.write(batch));
      };
      socket.on('drain', send);
      socket.on('data', () => {});
      send();
      onTestFinished(() => void socket.destroy());
    }
    const client = await server.connect();
    while (Number(await client.call('GET', 'key:0')) < 100);
    server.signal('SIGTERM');
    expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
  });

  it('with clients that never read', async () => {
    const server = await start();
    const client = await server.connect();
    await client.call('SET', 'large', 'x'.repeat(1_000_000));
    const greedy = await server.connect();
    greedy.pause();
    greedy.sendRaw(Buffer.concat(Array.from({ length: 100 }, () => encodeCommand(['GET', 'large']))));
    await expect.poll(async () => String(await client.call('CLIENT', 'LIST'))).toMatch(/ omem=[1-9]\d{6,} /);
    server.signal('SIGTERM');
    expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
  });

  it('in the middle of long commands', async () => {
    const server = await start();
    const client = await server.connect();
    await client.call('DEBUG', 'POPULATE', '200000');
    client.pause();
    for (let i = 0; i < 20; i++) client.send('KEYS', '*');
    server.signal('SIGTERM');
    expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
  });

  it('SHUTDOWN closes the connections without a reply, after those of what came before', async () => {
    for (const words of [[], ['nosave', 'NOW', 'FORCE']]) {
      const server = await start();
      const other = await server.connect();
      const client = await server.connect();
      client.sendRaw(
        Buffer.concat([encodeCommand(['SET', 'a', '1']), encodeCommand(['SHUTDOWN', ...words])]),
      );
      expect((await client.readUntilClosed()).toString()).toBe('+OK\r\n');
      expect((await other.readUntilClosed()).toString()).toBe('');
      expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
      expect(server.log()).toMatch(/User requested shutdown\.\.\.\n/);
    }
  });

  it('SHUTDOWN with wrong words does not end it', async () => {
    const server = await start();
    const client = await server.connect();
    expect(await client.callError('SHUTDOWN', 'PLEASE')).toBe('ERR syntax error');
    expect(await client.callError('SHUTDOWN', 'SAVE', 'NOSAVE')).toBe('ERR syntax error');
    expect(await client.callError('SHUTDOWN', 'ABORT', 'NOW')).toBe('ERR syntax error');
    expect(await client.callError('SHUTDOWN', 'ABORT')).toBe('ERR No shutdown in progress.');
    expect(await client.call('PING')).toBe('PONG');
  });

  it('with a unix socket, after a SIGHUP', async () => {
    const server = await start('--unixsocket', 'server.sock', '--loglevel', 'debug');
    server.signal('SIGHUP'); // Ignored, as by redis-server.
    const client = await server.connect();
    expect(await client.call('PING')).toBe('PONG');
    server.signal('SIGTERM');
    expect(await server.waitExit(SECONDS_MS)).toEqual({ code: 0, signal: null });
  });
});

describe.each(TOPOLOGIES)('a thread that dies ($name)', ({ args }) => {
  it.skipIf(LEFT_IS_REDIS).each(['PANIC', 'ASSERT', 'OOM'])(
    'takes the process down: DEBUG %s',
    async (how) => {
      const server = await startSabre({ args });
      const client = await server.connect();
      client.send('DEBUG', how);
      await client.readUntilClosed();
      const ended = await server.waitExit(SECONDS_MS);
      expect(ended.code === 0).toBe(false);
      expect(server.log()).toMatch(/=== SABRE BUG REPORT: .*\n(.*\n)* {4}at .*\.ts:\d+/);
      await server.start();
      expect(await (await server.connect()).call('PING')).toBe('PONG');
      await server.stop();
    },
  );
});
