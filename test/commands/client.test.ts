// CLIENT and MONITOR on a running server: what clients see of each other over all acceptors.

import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { describeTopologies, type ServerUnderTest } from '../support/sabre-server.ts';

const FIELDS =
  'id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver';

type Line = Record<string, string>;

function parseLine(line: string): Line {
  const fields = line
    .split(' ')
    .map((field) => [field.slice(0, field.indexOf('=')), field.slice(field.indexOf('=') + 1)]);
  return Object.fromEntries(fields) as Line;
}

async function list(client: RawClient, ...args: string[]): Promise<Line[]> {
  const text = String(await client.call('CLIENT', 'LIST', ...args));
  return text.split('\n').slice(0, -1).map(parseLine);
}

async function idOf(client: RawClient): Promise<number> {
  return Number(await client.call('CLIENT', 'ID'));
}

async function connectMany(server: ServerUnderTest, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < count; i++) {
    const client = await server.connect();
    await client.call('CLIENT', 'SETNAME', `client-${i}`);
    clients.push(client);
  }
  return clients;
}

describeTopologies('CLIENT', (server) => {
  it('LIST shows every client once, by id, with the fields of Redis 7.4', async () => {
    const clients = await connectMany(server, 8);
    const text = String(await clients[0]!.call('CLIENT', 'LIST'));
    for (const line of text.split('\n').slice(0, -1)) {
      expect(
        line
          .split(' ')
          .map((field) => field.split('=')[0])
          .join(' '),
      ).toBe(FIELDS);
    }
    const lines = await list(clients[0]!);
    const ids = lines.map((line) => Number(line.id));
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
    for (let i = 0; i < clients.length; i++) {
      expect(lines.filter((line) => line.name === `client-${i}`)).toHaveLength(1);
    }
  });

  it('LIST ID keeps the order asked for', async () => {
    const [a, b] = await connectMany(server, 2);
    const ids = [await idOf(b!), await idOf(a!), await idOf(b!)];
    const lines = await list(a!, 'ID', ...ids.map(String), '999999');
    expect(lines.map((line) => Number(line.id))).toEqual(ids);
    expect(await list(a!, 'TYPE', 'pubsub')).toEqual([]);
    expect((await list(a!, 'TYPE', 'normal')).length).toBeGreaterThanOrEqual(2);
  });

  it('INFO tells of the session', async () => {
    const client = await server.connect();
    await client.call('HELLO', '3', 'SETNAME', 'me');
    await client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'library');
    await client.call('CLIENT', 'SETINFO', 'lib-ver', '1.2.3');
    await client.call('SELECT', '7');
    await client.call('CLIENT', 'NO-EVICT', 'ON');
    await client.call('CLIENT', 'NO-TOUCH', 'ON');
    const line = parseLine(String(await client.call('CLIENT', 'INFO')).trimEnd());
    expect(line).toMatchObject({
      name: 'me',
      resp: '3',
      db: '7',
      flags: 'eT',
      cmd: 'client|info',
      user: 'default',
      'lib-name': 'library',
      'lib-ver': '1.2.3',
      addr: `127.0.0.1:${client.socket.localPort}`,
      laddr: `127.0.0.1:${server.port}`,
    });
    expect(Number(line.fd)).toBeGreaterThan(0);
    await client.call('RESET');
    const after = parseLine(String(await client.call('CLIENT', 'INFO')).trimEnd());
    expect(after).toMatchObject({ name: '', resp: '2', db: '0', flags: 'N', 'lib-name': 'library' });
  });

  it('SETINFO refuses what is no option or no text', async () => {
    const client = await server.connect();
    expect(await client.callError('CLIENT', 'SETINFO', 'foo', 'x')).toBe("ERR Unrecognized option 'foo'");
    expect(await client.callError('CLIENT', 'SETINFO', 'lib-name', 'a b')).toBe(
      'ERR lib-name cannot contain spaces, newlines or special characters.',
    );
  });

  it('KILL by id, address, age and type, over all acceptors', async () => {
    const clients = await connectMany(server, 6);
    const [killer, first, second, ...rest] = clients as [RawClient, RawClient, RawClient];
    expect(await killer.call('CLIENT', 'KILL', 'ID', await idOf(first))).toBe(1);
    await first.readUntilClosed();
    expect(await killer.call('CLIENT', 'KILL', `127.0.0.1:${second.socket.localPort}`)).toBe('OK');
    await second.readUntilClosed();
    expect(await killer.call('CLIENT', 'KILL', 'MAXAGE', '1000')).toBe(0);
    expect(await killer.callError('CLIENT', 'KILL', 'MAXAGE', '0')).toBe(
      'ERR maxage should be greater than 0',
    );
    expect(await killer.callError('CLIENT', 'KILL', 'MAXAGE', 'x')).toBe(
      'ERR maxage is not an integer or out of range',
    );
    expect(await killer.call('CLIENT', 'KILL', 'ID', await idOf(killer))).toBe(0);
    expect(await killer.call('CLIENT', 'KILL', 'TYPE', 'normal', 'USER', 'default')).toBe(rest.length);
    for (const client of rest) await (client as RawClient).readUntilClosed();
    expect(await killer.call('CLIENT', 'KILL', 'TYPE', 'NORMAL', 'SKIPME', 'no')).toBe(1);
    await killer.readUntilClosed();
  });

  it('PAUSE WRITE holds writes back, not reads, until UNPAUSE', async () => {
    const [a, b, admin] = (await connectMany(server, 3)) as [RawClient, RawClient, RawClient];
    await a.call('SET', 'k', '1');
    expect(await admin.call('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('OK');
    a.send('SET', 'k', '2');
    a.send('GET', 'k');
    expect(await b.call('GET', 'k')).toBe('1');
    expect(await admin.call('CLIENT', 'PAUSE', '1')).toBe('OK');
    expect(await admin.call('CLIENT', 'UNPAUSE')).toBe('OK');
    expect((await a.reply()).bytes!.toString()).toBe('OK');
    expect((await a.reply()).bytes!.toString()).toBe('2');
  });

  it('PAUSE ends by itself, and a shorter one does not end it', async () => {
    const [a, admin] = (await connectMany(server, 2)) as [RawClient, RawClient];
    const start = Date.now();
    await admin.call('CLIENT', 'PAUSE', '300', 'WRITE');
    await admin.call('CLIENT', 'PAUSE', '0', 'ALL');
    a.send('GET', 'k');
    await a.reply();
    expect(Date.now() - start).toBeGreaterThanOrEqual(295);
  });

  it('MONITOR shows commands of all clients until RESET', async () => {
    const [watcher, a] = (await connectMany(server, 2)) as [RawClient, RawClient];
    expect(await watcher.call('MONITOR')).toBe('OK');
    expect(String(await a.call('INFO', 'clients'))).toMatch(/monitor_clients:1\r/);
    await a.call('SET', 'k', 'v"\n');
    let line = '';
    while (!line.includes('"SET"')) line = (await watcher.next()).bytes!.toString();
    expect(line).toMatch(/^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "k" "v\\"\\n"$/);
    expect((await list(a)).filter((client) => client.flags === 'O')).toHaveLength(1);
    watcher.send('RESET');
    while (!line.includes('RESET') || line.includes('"')) line = (await watcher.next()).bytes!.toString();
    expect(String(await a.call('INFO', 'clients'))).toMatch(/monitor_clients:0\r/);
    expect(await watcher.call('PING')).toBe('PONG');
  });

  it('UNBLOCK finds nobody waiting', async () => {
    const [a, b] = (await connectMany(server, 2)) as [RawClient, RawClient];
    expect(await a.call('CLIENT', 'UNBLOCK', await idOf(b))).toBe(0);
  });
});

describe('passwords', () => {
  describeTopologies('requirepass', (server) => {
    it('locks new clients out until they authenticate', async () => {
      const admin = await server.connect();
      await admin.call('CONFIG', 'SET', 'requirepass', 'pässword');
      const client = await server.connect();
      expect(await client.callError('GET', 'k')).toBe('NOAUTH Authentication required.');
      expect(await client.callError('HELLO', '3')).toMatch(
        /^NOAUTH HELLO must be called with the client already/,
      );
      const wrong = 'WRONGPASS invalid username-password pair or user is disabled.';
      expect(await client.callError('AUTH', 'password')).toBe(wrong);
      expect(await client.callError('AUTH', 'nobody', 'pässword')).toBe(wrong);
      expect(await client.callError('HELLO', '3', 'AUTH', 'default', 'x')).toBe(wrong);
      expect(await client.call('AUTH', 'pässword')).toBe('OK');
      expect(await client.call('GET', 'k')).toBe(null);
      expect(await client.call('RESET')).toBe('RESET');
      expect(await client.callError('GET', 'k')).toBe('NOAUTH Authentication required.');
      await client.call('HELLO', '3', 'AUTH', 'default', 'pässword', 'SETNAME', 'me');
      expect(await client.call('CLIENT', 'GETNAME')).toBe('me');
      await admin.call('CONFIG', 'SET', 'requirepass', '');
      expect(await (await server.connect()).call('GET', 'k')).toBe(null);
    });
  });
});
