// Several acceptors and shard workers are one server: whatever connection asks, by whatever thread it is served.

import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { type ServerUnderTest, startSabre, useServer } from '../support/sabre-server.ts';

const CONNECTIONS = 24;

describe.each([
  [2, 3],
  [3, 2],
])('%i acceptors and %i shard workers', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args }));

  it('are what INFO says, and all of them serve clients', async () => {
    const { clients, served } = await spread(server);
    expect(served.size).toBe(acceptors);
    const info = String(await clients[0]!.call('INFO', 'threads'));
    expect(info).toContain(`\r\nacceptors:${acceptors}\r\nshard_workers:${shardWorkers}\r\n`);
    const perAcceptor = [...info.matchAll(/name=acceptor-\d+,clients=(\d+),/g)].map((match) =>
      Number(match[1]),
    );
    expect(perAcceptor).toHaveLength(acceptors);
    expect(perAcceptor.reduce((sum, count) => sum + count)).toBe(CONNECTIONS);
    expect(String(await clients[0]!.call('INFO', 'clients'))).toContain(
      `\nconnected_clients:${CONNECTIONS}\r\n`,
    );
  });

  it('see one data set', async () => {
    const { clients } = await spread(server);
    await Promise.all(clients.map((client, i) => client.call('SET', `key:${i}`, i)));
    for (const client of clients) {
      const keys = clients.map((_, i) => `key:${i}`);
      expect(await client.call('MGET', ...keys)).toEqual(clients.map((_, i) => String(i)));
      expect(await client.call('DBSIZE')).toBe(CONNECTIONS);
    }
  });

  it('have databases of each connection', async () => {
    const { clients } = await spread(server);
    await Promise.all(clients.map((client, i) => client.call('SELECT', i % 16)));
    await Promise.all(clients.map((client, i) => client.call('SET', 'where', i % 16)));
    // KEYS runs on a worker, in the connection's database.
    for (const [i, client] of clients.entries()) {
      expect(await client.call('KEYS', '*')).toEqual(['where']);
      expect(await client.call('GET', 'where')).toBe(String(i % 16));
    }
  });

  it('list, find and kill clients of all', async () => {
    const { clients } = await spread(server);
    const ids = await Promise.all(clients.map((client) => client.call('CLIENT', 'ID')));
    expect(new Set(ids).size).toBe(CONNECTIONS);
    await Promise.all(clients.map((client, i) => client.call('CLIENT', 'SETNAME', `client-${i}`)));
    for (const client of clients) {
      const list = String(await client.call('CLIENT', 'LIST'))
        .trimEnd()
        .split('\n');
      expect(list.map((line) => Number(line.match(/^id=(\d+) /)![1]))).toEqual(
        [...(ids as number[])].sort((a, b) => a - b),
      );
    }
    const [first, ...others] = clients;
    for (const [i, other] of others.entries()) {
      expect(await first!.call('CLIENT', 'KILL', 'ID', ids[i + 1] as number)).toBe(1);
      await other.readUntilClosed();
    }
    expect(String(await first!.call('CLIENT', 'LIST'))).toMatch(/^id=\d+ [^\n]* name=client-0 [^\n]*\n$/);
    expect(await first!.call('CLIENT', 'KILL', 'ID', ids[1] as number)).toBe(0);
  });

  it('kill by type and address, the asking client itself last', async () => {
    const { clients } = await spread(server);
    const [first, second, ...others] = clients;
    const address = String(await second!.call('CLIENT', 'INFO')).match(/ addr=(\S+) /)![1]!;
    expect(await first!.call('CLIENT', 'KILL', address)).toBe('OK');
    await second!.readUntilClosed();
    expect(await first!.callError('CLIENT', 'KILL', address)).toBe('ERR No such client');
    expect(await first!.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')).toBe(others.length);
    for (const other of others) await other.readUntilClosed();
    expect(await first!.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')).toBe(1);
    expect((await first!.readUntilClosed()).toString()).toBe('');
  });

  it('follow one configuration', async () => {
    const { clients } = await spread(server);
    expect(await clients[0]!.call('CONFIG', 'SET', 'proto-max-bulk-len', '1mb')).toBe('OK');
    for (const client of clients) {
      expect(await client.call('CONFIG', 'GET', 'proto-max-bulk-len')).toEqual([
        'proto-max-bulk-len',
        '1048576',
      ]);
      client.sendRaw('*2\r\n$3\r\nGET\r\n$2000000\r\n');
      const rest = await client.readUntilClosed();
      expect(rest.toString()).toBe('-ERR Protocol error: invalid bulk length\r\n');
    }
    const last = await server.connect();
    expect(await last.call('CONFIG', 'SET', 'proto-max-bulk-len', '512mb')).toBe('OK');
  });

  it('are all watched by MONITOR', async () => {
    const { clients } = await spread(server);
    const watcher = clients.pop()!;
    expect(await watcher.call('MONITOR')).toBe('OK');
    for (const [i, client] of clients.entries()) await client.call('SET', `key:${i}`, 'x');
    await clients[0]!.call('CONFIG', 'GET', 'requirepass'); // Administrative commands are not shown.
    await clients[0]!.call('KEYS', '*');
    const seen = new Set<string>();
    while (seen.size < clients.length + 1) {
      const line = (await watcher.next()).bytes!.toString();
      expect(line).toMatch(/^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "(SET" "key:\d+" "x"|KEYS" "\*")$/);
      seen.add(line.slice(line.indexOf('] ')));
    }
    expect(seen.size).toBe(clients.length + 1);
  });

  it('are all held by CLIENT PAUSE, and let go by UNPAUSE', async () => {
    const { clients } = await spread(server);
    const admin = clients.pop()!;
    expect(await admin.call('CLIENT', 'PAUSE', '100000', 'WRITE')).toBe('OK');
    for (const client of clients) client.send('INCR', 'counter');
    // Reads go on; a write that had run would show.
    for (let i = 0; i < 20; i++) expect(await admin.call('GET', 'counter')).toBe(null);
    expect(await admin.call('CLIENT', 'UNPAUSE')).toBe('OK');
    await Promise.all(clients.map((client) => client.reply()));
    expect(await admin.call('GET', 'counter')).toBe(String(clients.length));
  });

  it('count together', async () => {
    const { clients } = await spread(server);
    await clients[0]!.call('CONFIG', 'RESETSTAT');
    await Promise.all(clients.map((client) => client.call('GETRANGE', 'nosuch', '0', '1')));
    await Promise.all(clients.map((client) => client.callError('INCR')));
    for (const client of clients.slice(0, 4)) {
      const info = String(await client.call('INFO', 'everything'));
      expect(info).toContain(`\ncmdstat_getrange:calls=${CONNECTIONS},`);
      expect(info).toMatch(new RegExp(`\ncmdstat_incr:calls=0,.*,rejected_calls=${CONNECTIONS},`));
      expect(info).toContain(`\nerrorstat_ERR:count=${CONNECTIONS}\r\n`);
      expect(info).toContain(`\nkeyspace_misses:${CONNECTIONS}\r\n`);
    }
  });

  it('write one slow log', async () => {
    const { clients } = await spread(server);
    const admin = clients[0]!;
    await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    await admin.call('SLOWLOG', 'RESET');
    await Promise.all(clients.map((client, i) => client.call('SET', `slow:${i}`, 'x')));
    await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
    const entries = (await admin.call('SLOWLOG', 'GET', '-1')) as [number, number, number, string[]][];
    const sets = entries.filter((entry) => entry[3][0] === 'SET').map((entry) => entry[3][1]);
    expect(sets.sort()).toEqual(clients.map((_, i) => `slow:${i}`).sort());
    const numbers = entries.map((entry) => entry[0]);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('answer a connection in the order of its requests, whichever thread runs them', async () => {
    const client = await server.connect();
    await client.call('DEBUG', 'POPULATE', '2000');
    await client.call('SET', 'large', 'x'.repeat(600_000));
    const requests = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? ['KEYS', 'key:1'] : i % 3 === 1 ? ['STRLEN', 'large'] : ['BITCOUNT', 'large'],
    );
    requests.splice(150, 0, ['SELECT', '1'], ['INCR', 'n'], ['KEYS', '*'], ['SELECT', '0']);
    const replies = await client.pipeline(requests);
    const texts = replies.map((reply) => reply.raw.toString());
    const wanted = (i: number) =>
      i % 3 === 0 ? '*1\r\n$5\r\nkey:1\r\n' : i % 3 === 1 ? ':600000\r\n' : ':2400000\r\n';
    expect(texts.splice(150, 4)).toEqual(['+OK\r\n', ':1\r\n', '*1\r\n$1\r\nn\r\n', '+OK\r\n']);
    expect(texts).toEqual(texts.map((_, i) => wanted(i)));
    const info = String(await client.call('INFO', 'threads'));
    expect(info).toMatch(/handed_over=[1-9]/);
  });
});

describe('the number of threads', () => {
  it('is chosen by the number of cores', async () => {
    const server = await startSabre();
    const info = String(await (await server.connect()).call('INFO', 'threads'));
    expect(info).toMatch(/\nacceptors:[1-9]\d*\r\nshard_workers:[1-9]\d*\r\n/);
    await server.stop();
  });

  it('may be many', async () => {
    const server = await startSabre({ args: ['--acceptors', '8', '--shard-workers', '8'] });
    const clients = await Promise.all(Array.from({ length: 40 }, () => server.connect()));
    await Promise.all(clients.map((client) => client.call('INCR', 'counter')));
    await Promise.all(clients.map((client) => client.call('KEYS', '*')));
    // All threads have a part in it, and each collects its garbage for each of them.
    await Promise.all(clients.slice(0, 8).map((client) => client.call('MEMORY', 'PURGE')));
    expect(await clients[0]!.call('GET', 'counter')).toBe('40');
    await server.stop();
  });
});

/** Connections until every acceptor has some; and which acceptor serves how many. */
async function spread(
  server: ServerUnderTest,
): Promise<{ clients: RawClient[]; served: Map<string, number> }> {
  const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()));
  const served = new Map<string, number>();
  for (const client of clients) {
    const name = String(await client.call('INFO', 'threads')).match(/\nanswered_by:(\S+)\r/)![1]!;
    served.set(name, (served.get(name) ?? 0) + 1);
  }
  return { clients, served };
}
