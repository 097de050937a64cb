// Blocking commands on whole servers: order over acceptors, time-outs, the ends that a wait may have, and what CLIENT and INFO
// say of it. Who gets what in which order is also compared with redis-server: blocking-oracle.test.ts.
//
// Nothing here measures time but against bounds that a slow machine keeps, too.

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { toValue, type Value } from '../support/resp-parser.ts';
import { describeTopologies, LEFT_IS_REDIS, type ServerUnderTest } from '../support/sabre-server.ts';

/** A field of INFO clients. */
async function clientsInfo(client: RawClient, field: string): Promise<number> {
  const info = String(await client.call('INFO', 'clients'));
  return Number(info.match(new RegExp(`\\n${field}:(\\d+)`))?.[1]);
}

/** Waits until so many clients are blocked. */
async function untilBlocked(client: RawClient, count: number): Promise<void> {
  await expect
    .poll(() => clientsInfo(client, 'blocked_clients'), { timeout: 20_000, interval: 5 })
    .toBe(count);
}

async function replyOf(client: RawClient): Promise<Value> {
  const reply = await client.reply();
  return reply.type === 'error' ? new Error(reply.bytes!.toString()) : toValue(reply);
}

/** A client that waits already, and its id. */
async function blockedClient(
  server: ServerUnderTest,
  admin: RawClient,
  ...command: Argument[]
): Promise<{ client: RawClient; id: number }> {
  const client = await server.connect();
  const id = (await client.call('CLIENT', 'ID')) as number;
  const before = await clientsInfo(admin, 'blocked_clients');
  client.send(...command);
  await untilBlocked(admin, before + 1);
  return { client, id };
}

describeTopologies('blocking commands', (server) => {
  it('serve clients of all acceptors in the order in which they blocked', async () => {
    const admin = await server.connect();
    const clients: RawClient[] = [];
    for (let i = 0; i < 12; i++)
      clients.push((await blockedClient(server, admin, 'BLPOP', 'queue', 0)).client);
    if (!LEFT_IS_REDIS) expect(await clientsInfo(admin, 'total_blocking_keys')).toBe(1);
    const pusher = await server.connect();
    for (let i = 0; i < 6; i++) expect(await pusher.call('RPUSH', 'queue', `single ${i}`)).toBe(1);
    expect(await pusher.call('RPUSH', 'queue', ...Array.from({ length: 8 }, (_, i) => `many ${i}`))).toBe(8);
    for (let i = 0; i < 12; i++) {
      expect(await replyOf(clients[i]!)).toEqual(['queue', i < 6 ? `single ${i}` : `many ${i - 6}`]);
    }
    expect(await pusher.call('LRANGE', 'queue', 0, -1)).toEqual(['many 6', 'many 7']);
    expect(await clientsInfo(admin, 'blocked_clients')).toBe(0);
    if (!LEFT_IS_REDIS) expect(await clientsInfo(admin, 'total_blocking_keys')).toBe(0);
  });

  it('answer what comes first of their keys, and are served by any of them', async () => {
    const admin = await server.connect();
    await admin.call('RPUSH', 'second', 'b');
    await admin.call('RPUSH', 'third', 'c');
    const client = await server.connect();
    expect(await client.call('BLPOP', 'first', 'second', 'third', 0)).toEqual(['second', 'b']);
    expect(await client.call('BRPOP', 'first', 'second', 'third', 0)).toEqual(['third', 'c']);
    for (const key of ['first', 'second', 'third']) {
      client.send('BLPOP', 'first', 'second', 'third', 'first', 0);
      await untilBlocked(admin, 1);
      expect(await admin.call('RPUSH', key, key)).toBe(1);
      expect(await replyOf(client)).toEqual([key, key]);
    }
    expect(await admin.call('DBSIZE')).toBe(0);
  });

  it('time out with the null of their protocol, not before their time', async () => {
    const client = await server.connect();
    const resp3 = await server.connect({ protocol: 3 });
    const commands: [Argument[], number][] = [
      [['BLPOP', 'none', 0.05], 50],
      [['BRPOP', 'none', 'other', '0.1'], 100],
      [['BLMOVE', 'none', 'other', 'LEFT', 'RIGHT', 0.02], 20],
      [['BRPOPLPUSH', 'none', 'other', '0.001'], 1],
      [['BLMPOP', '0.01', 1, 'none', 'LEFT'], 10],
    ];
    for (const [command, ms] of commands) {
      const start = performance.now();
      expect((await client.command(...command)).raw.toString()).toBe('*-1\r\n');
      // The clock of commands has whole milliseconds.
      expect(performance.now() - start).toBeGreaterThan(ms - 2);
      expect((await resp3.command(...command)).raw.toString()).toBe('_\r\n');
    }
    expect(await clientsInfo(client, 'blocked_clients')).toBe(0);
    expect(await client.call('DBSIZE')).toBe(0);
  });

  it('time out among others that wait longer', async () => {
    const admin = await server.connect();
    const { client: patient } = await blockedClient(server, admin, 'BLPOP', 'queue', 0);
    const { client: later } = await blockedClient(server, admin, 'BLPOP', 'queue', 1000);
    await expect.poll(() => clientsInfo(admin, 'clients_in_timeout_table')).toBe(1);
    const brief = await server.connect();
    expect(await brief.call('BLPOP', 'queue', 0.01)).toBe(null);
    await admin.call('RPUSH', 'queue', 'a', 'b');
    expect(await replyOf(patient)).toEqual(['queue', 'a']);
    expect(await replyOf(later)).toEqual(['queue', 'b']);
  });

  it('refuse time-outs that are none', async () => {
    const client = await server.connect();
    const cases: [Argument, string][] = [
      ['abc', 'ERR timeout is not a float or out of range'],
      ['', 'ERR timeout is not a float or out of range'],
      ['nan', 'ERR timeout is not a float or out of range'],
      ['1 ', 'ERR timeout is not a float or out of range'],
      ['-1', 'ERR timeout is negative'],
      ['-0.002', 'ERR timeout is negative'],
    ];
    for (const [timeout, text] of cases) {
      expect(await client.callError('BLPOP', 'k', timeout)).toBe(text);
      expect(await client.callError('BLMOVE', 'k', 'l', 'LEFT', 'LEFT', timeout)).toBe(text);
      expect(await client.callError('BLMPOP', timeout, 1, 'k', 'LEFT')).toBe(text);
    }
    if (LEFT_IS_REDIS) return;
    for (const timeout of ['inf', '1e400', '9223372036854775807', '9223372036854775']) {
      expect(await client.callError('BLPOP', 'k', timeout)).toBe('ERR timeout is out of range');
    }
  });

  it('hold back what is pipelined behind them', async () => {
    const admin = await server.connect();
    const client = await server.connect();
    client.sendRaw('SET before 1\r\nBLPOP queue 0\r\nSET behind 1\r\nBLPOP queue 0\r\nPING\r\n');
    expect(await replyOf(client)).toBe('OK');
    await untilBlocked(admin, 1);
    client.sendRaw('PING late\r\n');
    expect(await admin.call('EXISTS', 'before', 'behind')).toBe(1);
    expect(client.drain()).toEqual([]);
    await admin.call('RPUSH', 'queue', 'x');
    expect(await replyOf(client)).toEqual(['queue', 'x']);
    expect(await replyOf(client)).toBe('OK');
    await untilBlocked(admin, 1);
    expect(client.drain()).toEqual([]);
    await admin.call('RPUSH', 'queue', 'y');
    expect([await replyOf(client), await replyOf(client), await replyOf(client)]).toEqual([
      ['queue', 'y'],
      'PONG',
      'late',
    ]);
  });

  it('take in much that is pipelined behind them', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'queue', 0);
    const value = 'v'.repeat(100_000);
    for (let i = 0; i < 40; i++) client.send('SET', `key:${i}`, value);
    client.send('DBSIZE');
    await admin.call('RPUSH', 'queue', 'x');
    expect(await replyOf(client)).toEqual(['queue', 'x']);
    for (let i = 0; i < 40; i++) expect(await replyOf(client)).toBe('OK');
    expect(await replyOf(client)).toBe(40);
  });

  it('pushes in a pipeline serve in between its commands', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'queue', 0);
    const replies = await admin.pipeline([
      ['RPUSH', 'queue', 'a'],
      ['LLEN', 'queue'],
      ['RPUSH', 'queue', 'b'],
      ['LLEN', 'queue'],
      ['LPOP', 'queue'],
    ]);
    expect(replies.map((reply) => toValue(reply))).toEqual([1, 0, 1, 1, 'b']);
    expect(await replyOf(client)).toEqual(['queue', 'a']);
  });

  it('moves between waiting clients go on until nobody is left', async () => {
    const admin = await server.connect();
    const { client: mover } = await blockedClient(server, admin, 'BLMOVE', 'from', 'to', 'LEFT', 'RIGHT', 0);
    const { client: pushing } = await blockedClient(server, admin, 'BRPOPLPUSH', 'to', 'end', 0);
    const { client: taker } = await blockedClient(
      server,
      admin,
      'BLMPOP',
      0,
      2,
      'none',
      'end',
      'LEFT',
      'COUNT',
      10,
    );
    expect(await admin.call('LPUSH', 'from', 'thing')).toBe(1);
    expect(await replyOf(mover)).toBe('thing');
    expect(await replyOf(pushing)).toBe('thing');
    expect(await replyOf(taker)).toEqual(['end', ['thing']]);
    expect(await admin.call('DBSIZE')).toBe(0);
  });

  it('a move onto a key of another type fails for its client, and the element stays', async () => {
    const admin = await server.connect();
    await admin.call('SET', 'text', 'x');
    const { client: mover } = await blockedClient(
      server,
      admin,
      'BLMOVE',
      'from',
      'text',
      'LEFT',
      'RIGHT',
      0,
    );
    const { client: taker } = await blockedClient(server, admin, 'BLPOP', 'from', 0);
    await admin.call('RPUSH', 'from', 'element');
    expect(String(await replyOf(mover))).toContain('WRONGTYPE');
    expect(await replyOf(taker)).toEqual(['from', 'element']);
  });

  it('values of other types wake nobody', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
    await admin.call('SET', 'k', 'text');
    await admin.call('DEL', 'k');
    await admin.call('SADD', 'k', 'member');
    await admin.call('SREM', 'k', 'member');
    await admin.call('SET', 'k', 'soon', 'PX', 1);
    await expect.poll(() => admin.call('EXISTS', 'k')).toBe(0);
    await admin.call('RPUSH', 'k', 'element');
    expect(await replyOf(client)).toEqual(['k', 'element']);
  });

  it('keys that come by RENAME, COPY, MOVE, SWAPDB, SORT STORE and RESTORE serve', async () => {
    const admin = await server.connect();
    const client = await server.connect();
    const wait = async () => {
      client.send('BLPOP', 'k', 0);
      await untilBlocked(admin, 1);
    };
    const ways: [string, () => Promise<unknown>][] = [
      ['RENAME', () => admin.call('RENAME', 'source', 'k')],
      ['RENAMENX', () => admin.call('RENAMENX', 'source', 'k')],
      ['COPY', () => admin.call('COPY', 'source', 'k')],
      ['LMOVE', () => admin.call('LMOVE', 'source', 'k', 'LEFT', 'LEFT')],
      ['SORT', () => admin.call('SORT', 'source', 'ALPHA', 'STORE', 'k')],
      [
        'RESTORE',
        async () => admin.call('RESTORE', 'k', 0, (await admin.callBuffer('DUMP', 'source')) as Buffer),
      ],
      ['MOVE', () => inDatabase1(() => admin.call('MOVE', 'k', 0))],
      ['COPY DB', () => inDatabase1(() => admin.call('COPY', 'k', 'k', 'DB', 0))],
      ['SWAPDB', () => inDatabase1(() => admin.call('SWAPDB', 0, 1))],
    ];
    const inDatabase1 = async (work: () => Promise<unknown>): Promise<void> => {
      await admin.call('SELECT', 1);
      await admin.call('RPUSH', 'k', 'element');
      await work();
      await admin.call('SELECT', 0);
    };
    for (const [name, bring] of ways) {
      await admin.call('FLUSHALL');
      await admin.call('RPUSH', 'source', 'element');
      await wait();
      await bring();
      expect([name, await replyOf(client)]).toEqual([name, ['k', 'element']]);
    }
  });

  it('clients in other databases have queues of their own', async () => {
    const admin = await server.connect();
    const other = await server.connect();
    await other.call('SELECT', 5);
    other.send('BLPOP', 'k', 0);
    await untilBlocked(admin, 1);
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
    await admin.call('RPUSH', 'k', 'zero', 'stays');
    expect(await replyOf(client)).toEqual(['k', 'zero']);
    await admin.call('SELECT', 5);
    await admin.call('RPUSH', 'k', 'five');
    expect(await replyOf(other)).toEqual(['k', 'five']);
    expect(await other.call('DBSIZE')).toBe(0);
  });

  it('FLUSHALL leaves who waits for lists waiting', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
    await admin.call('FLUSHALL');
    await admin.call('FLUSHDB');
    await admin.call('RPUSH', 'k', 'x');
    expect(await replyOf(client)).toEqual(['k', 'x']);
  });

  describe('ends of a wait', () => {
    it('CLIENT UNBLOCK with TIMEOUT and ERROR', async () => {
      const admin = await server.connect();
      const { client, id } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
      expect(await admin.call('CLIENT', 'UNBLOCK', id)).toBe(1);
      expect((await client.reply()).raw.toString()).toBe('*-1\r\n');
      expect(await admin.call('CLIENT', 'UNBLOCK', id)).toBe(0);
      client.send('BLPOP', 'k', 0);
      await untilBlocked(admin, 1);
      expect(await admin.call('CLIENT', 'UNBLOCK', id, 'error')).toBe(1);
      expect(String(await replyOf(client))).toBe('Error: UNBLOCKED client unblocked via CLIENT UNBLOCK');
      client.send('BLMOVE', 'k', 'l', 'LEFT', 'LEFT', 0);
      await untilBlocked(admin, 1);
      expect(await admin.call('CLIENT', 'UNBLOCK', id, 'TIMEOUT')).toBe(1);
      expect((await client.reply()).raw.toString()).toBe('*-1\r\n');
      expect(await admin.call('CLIENT', 'UNBLOCK', 999_999)).toBe(0);
      expect(String(await admin.call('INFO', 'errorstats'))).toContain('errorstat_UNBLOCKED:count=');
      await admin.call('RPUSH', 'k', 'stays');
      expect(await admin.call('LLEN', 'k')).toBe(1);
    });

    it('CLIENT KILL: what is pushed after it goes to others', async () => {
      const admin = await server.connect();
      for (let round = 0; round < 20; round++) {
        const { client: doomed, id } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
        const { client: next } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
        const pusher = await server.connect();
        expect(await admin.call('CLIENT', 'KILL', 'ID', id)).toBe(1);
        expect(await pusher.call('RPUSH', 'k', round)).toBe(1);
        expect(await replyOf(next)).toEqual(['k', String(round)]);
        expect(await doomed.readUntilClosed()).toEqual(Buffer.alloc(0));
        await next.close();
        await pusher.close();
      }
      expect(await clientsInfo(admin, 'blocked_clients')).toBe(0);
    });

    it('a client that closes its connection, orderly or not', async () => {
      const admin = await server.connect();
      const ends: ((client: RawClient) => unknown)[] = [
        (client) => client.close(),
        (client) => client.abort(),
        (client) => client.end(),
      ];
      for (const end of ends) {
        const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 'l', 0);
        client.send('PING');
        await end(client);
        await untilBlocked(admin, 0);
        expect(await admin.call('RPUSH', 'k', 'stays')).toBe(1);
        expect(await admin.call('DEL', 'k')).toBe(1);
        if (!LEFT_IS_REDIS) expect(await clientsInfo(admin, 'total_blocking_keys')).toBe(0);
      }
    });

    it('a client that has closed before its command runs', async () => {
      const admin = await server.connect();
      for (let i = 0; i < 30; i++) {
        const client = await server.connect();
        client.send('BLPOP', 'k', 0);
        if (i % 3 === 0) client.end();
        else if (i % 3 === 1) await client.close();
        else await client.abort();
      }
      await untilBlocked(admin, 0);
      // Whoever has sent it may be gone before or after it began to wait.
      await expect
        .poll(async () => [await admin.call('RPUSH', 'k', 'x'), await admin.call('DEL', 'k')])
        .toEqual([1, 1]);
    });
  });

  describe('what others see', () => {
    it('CLIENT LIST and INFO', async () => {
      const admin = await server.connect();
      const { client, id } = await blockedClient(server, admin, 'BLPOP', 'a', 'b', 'a', 1000);
      await expect.poll(() => admin.call('CLIENT', 'LIST', 'ID', id)).toMatch(/ flags=b .* cmd=blpop /);
      if (!LEFT_IS_REDIS) expect(await clientsInfo(admin, 'total_blocking_keys')).toBe(2);
      await admin.call('RPUSH', 'b', 'x');
      expect(await replyOf(client)).toEqual(['b', 'x']);
      expect(await admin.call('CLIENT', 'LIST', 'ID', id)).toMatch(/ flags=N .* cmd=blpop /);
      const stats = String(await admin.call('INFO', 'commandstats'));
      expect(stats).toMatch(/cmdstat_blpop:calls=\d+,usec=\d+,usec_per_call=[\d.]+,rejected_calls=0,/);
    });

    it('MONITOR shows the command once, when it begins to wait', async () => {
      const admin = await server.connect();
      const monitor = await server.connect();
      expect(await monitor.call('MONITOR')).toBe('OK');
      const client = await server.connect();
      client.send('BLPOP', 'k', 0);
      expect(String((await monitor.next()).bytes)).toMatch(/"BLPOP" "k" "0"$/);
      await admin.call('RPUSH', 'k', 'x');
      expect(await replyOf(client)).toEqual(['k', 'x']);
      await admin.call('PING', 'marker');
      const lines: string[] = [];
      while (!lines.at(-1)?.includes('marker')) lines.push(String((await monitor.next()).bytes));
      expect(lines.filter((line) => line.includes('BLPOP'))).toEqual([]);
      expect(lines.filter((line) => line.includes('RPUSH'))).toHaveLength(1);
    });

    it('the slow log has it when it has been served', async () => {
      const admin = await server.connect();
      await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', 0);
      await admin.call('SLOWLOG', 'RESET');
      const { client } = await blockedClient(server, admin, 'BLPOP', 'slow', 0);
      const logged = async () => JSON.stringify(await admin.call('SLOWLOG', 'GET', 100));
      expect(await logged()).not.toContain('"BLPOP","slow"');
      await admin.call('RPUSH', 'slow', 'x');
      await replyOf(client);
      await expect.poll(logged).toContain('"BLPOP","slow","0"');
      await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', 10_000);
    });

    it('CLIENT REPLY OFF and SKIP: served in silence', async () => {
      const admin = await server.connect();
      const client = await server.connect();
      client.sendRaw('CLIENT REPLY SKIP\r\nBLPOP k 0\r\nPING\r\n');
      await untilBlocked(admin, 1);
      await admin.call('RPUSH', 'k', 'x');
      expect(await replyOf(client)).toBe('PONG');
      client.sendRaw('CLIENT REPLY OFF\r\nBLPOP k 0\r\nCLIENT REPLY ON\r\n');
      await untilBlocked(admin, 1);
      await admin.call('RPUSH', 'k', 'y');
      expect(await replyOf(client)).toBe('OK');
      expect(await admin.call('EXISTS', 'k')).toBe(0);
      expect(client.drain()).toEqual([]);
    });
  });

  it('sorted sets: minimum, maximum, several at once, and lists do not come in between', async () => {
    const admin = await server.connect();
    const { client: list } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
    const { client: min } = await blockedClient(server, admin, 'BZPOPMIN', 'other', 'k', 0);
    const { client: many } = await blockedClient(server, admin, 'BZMPOP', 0, 1, 'k', 'MAX', 'COUNT', 2);
    const { client: max } = await blockedClient(server, admin, 'BZPOPMAX', 'k', 0);
    expect(await admin.call('ZADD', 'k', 1, 'a', 2, 'b', 3, 'c', 4, 'd')).toBe(4);
    expect(await replyOf(min)).toEqual(['k', 'a', '1']);
    expect(await replyOf(many)).toEqual(['k', [['d', '4'], ['c', '3']]]); // biome-ignore format: one line
    expect(await replyOf(max)).toEqual(['k', 'b', '2']);
    expect(await admin.call('EXISTS', 'k')).toBe(0);
    await admin.call('RPUSH', 'k', 'x');
    expect(await replyOf(list)).toEqual(['k', 'x']);
  });

  it('sorted sets that a *STORE command makes', async () => {
    const admin = await server.connect();
    const client = await server.connect();
    const makers: Argument[][] = [
      ['ZUNIONSTORE', 'k', 1, 'source'],
      ['ZINTERSTORE', 'k', 1, 'source'],
      ['ZDIFFSTORE', 'k', 1, 'source'],
      ['ZRANGESTORE', 'k', 'source', 0, -1],
      ['ZADD', 'k', 1, 'member'],
      ['ZINCRBY', 'k', 1, 'member'],
      ['COPY', 'source', 'k'],
      ['RENAME', 'source', 'k'],
    ];
    await admin.call('ZADD', 'source', 1, 'member');
    for (const maker of makers) {
      client.send('BZPOPMIN', 'k', 0);
      await untilBlocked(admin, 1);
      await admin.call(...maker);
      expect([maker[0], await replyOf(client)]).toEqual([maker[0], ['k', 'member', '1']]);
    }
    await admin.call('GEOADD', 'places', 13, 38, 'place');
    client.send('BZPOPMIN', 'k', 0);
    await untilBlocked(admin, 1);
    await admin.call('GEOSEARCHSTORE', 'k', 'places', 'FROMMEMBER', 'place', 'BYRADIUS', 1, 'km');
    expect(await replyOf(client)).toHaveLength(3);
  });

  describe('streams', () => {
    it('XREAD: all that wait get what is new since they came, $ being the end at that time', async () => {
      const admin = await server.connect();
      await admin.call('XADD', 's', '1-1', 'f', 'old');
      const { client: first } = await blockedClient(server, admin, 'XREAD', 'BLOCK', 0, 'STREAMS', 's', '$');
      await admin.call('DEL', 's');
      const { client: second } = await blockedClient(
        server,
        admin,
        'XREAD',
        'BLOCK',
        0,
        'STREAMS',
        't',
        's',
        '0',
        '0',
      );
      await admin.call('XADD', 's', '1-0', 'f', 'before');
      expect(await replyOf(second)).toEqual([['s', [['1-0', ['f', 'before']]]]]);
      // Not behind 1-1, where the first began to wait.
      expect(await clientsInfo(admin, 'blocked_clients')).toBe(1);
      await admin.call('XADD', 's', '2-0', 'f', 'new');
      expect(await replyOf(first)).toEqual([['s', [['2-0', ['f', 'new']]]]]);
    });

    it('XREAD BLOCK with a time-out in ms, and none', async () => {
      const client = await server.connect();
      expect((await client.command('XREAD', 'BLOCK', 5, 'STREAMS', 's', '$')).raw.toString()).toBe('*-1\r\n');
      expect(await client.callError('XREAD', 'BLOCK', -1, 'STREAMS', 's', '$')).toBe(
        'ERR timeout is negative',
      );
      expect(await client.callError('XREAD', 'BLOCK', '1.5', 'STREAMS', 's', '$')).toBe(
        'ERR timeout is not an integer or out of range',
      );
    });

    it('XREADGROUP: each entry to one consumer, in the order in which they came', async () => {
      const admin = await server.connect();
      await admin.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
      const read = (consumer: string) => [
        'XREADGROUP',
        'GROUP',
        'g',
        consumer,
        'COUNT',
        1,
        'BLOCK',
        0,
        'STREAMS',
        's',
        '>',
      ];
      const clients: RawClient[] = [];
      for (const name of ['anna', 'bert', 'carl'])
        clients.push((await blockedClient(server, admin, ...read(name))).client);
      if (!LEFT_IS_REDIS) expect(await clientsInfo(admin, 'total_blocking_keys_on_nokey')).toBe(1);
      for (let i = 1; i <= 3; i++) {
        await admin.call('XADD', 's', `${i}-0`, 'f', i);
        expect(await replyOf(clients[i - 1]!)).toEqual([['s', [[`${i}-0`, ['f', String(i)]]]]]);
      }
      expect(await admin.call('XPENDING', 's', 'g')).toEqual([
        3, '1-0', '3-0', [['anna', '1'], ['bert', '1'], ['carl', '1']],
      ]); // biome-ignore format: one line
    });

    const REMOVALS: [string, (admin: RawClient) => Promise<unknown>, RegExp][] = [
      ['DEL', (admin) => admin.call('DEL', 's'), /NOGROUP|UNBLOCKED/],
      ['SET', (admin) => admin.call('SET', 's', 'text'), /WRONGTYPE|UNBLOCKED/],
      ['RENAME', (admin) => admin.call('RENAME', 's', 'other'), /NOGROUP|UNBLOCKED/],
      ['RESTORE', async (admin) => {
        await admin.call('RPUSH', 'list', 'x');
        const dump = (await admin.callBuffer('DUMP', 'list')) as Buffer;
        await admin.call('RESTORE', 's', 0, dump, 'REPLACE');
      }, /WRONGTYPE|UNBLOCKED/],
      ['XGROUP DESTROY', (admin) => admin.call('XGROUP', 'DESTROY', 's', 'g'), /NOGROUP/],
      ['MOVE', (admin) => admin.call('MOVE', 's', 1), /NOGROUP|UNBLOCKED/],
      ['SWAPDB', (admin) => admin.call('SWAPDB', 0, 1), /NOGROUP|UNBLOCKED/],
      ['FLUSHALL', (admin) => admin.call('FLUSHALL'), /NOGROUP|UNBLOCKED/],
      ['FLUSHDB ASYNC', (admin) => admin.call('FLUSHDB', 'ASYNC'), /NOGROUP|UNBLOCKED/],
      ['PEXPIRE in the past', (admin) => admin.call('PEXPIRE', 's', -1), /NOGROUP|UNBLOCKED/],
      // Nobody looks at it: active expiry deletes it, on whatever worker.
      ['PEXPIRE', (admin) => admin.call('PEXPIRE', 's', 10), /NOGROUP|UNBLOCKED/],
      ['maxmemory', async (admin) => {
        await admin.call('CONFIG', 'SET', 'maxmemory', 1, 'maxmemory-policy', 'allkeys-lru');
        await expect.poll(() => admin.call('DBSIZE')).toBe(0);
        await admin.call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
      }, /NOGROUP|UNBLOCKED/],
    ]; // biome-ignore format: a table

    it.each(REMOVALS)('XREADGROUP ends when its stream or group goes by %s', async (_, remove, error) => {
      const admin = await server.connect();
      for (let i = 0; i < 5; i++) {
        await admin.call('DEL', 's', 'other');
        await admin.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
        const command = ['XREADGROUP', 'GROUP', 'g', 'anna', 'BLOCK', 0, 'STREAMS', 's', '>'];
        const { client } = await blockedClient(server, admin, ...command);
        const { client: reader } = await blockedClient(
          server,
          admin,
          'XREAD',
          'BLOCK',
          0,
          'STREAMS',
          's',
          '$',
        );
        await remove(admin);
        expect(String(await replyOf(client))).toMatch(error);
        // Who only reads goes on waiting.
        expect(await clientsInfo(admin, 'blocked_clients')).toBe(1);
        await reader.close();
        await untilBlocked(admin, 0);
        await admin.call('FLUSHALL');
      }
    });
  });

  it('CLIENT PAUSE: new waits are held back, old ones time out', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 0.3);
    await admin.call('CLIENT', 'PAUSE', 60_000, 'WRITE');
    expect(await replyOf(client)).toBe(null);
    const held = await server.connect();
    held.send('BLPOP', 'k', 0.001);
    const id = async () =>
      String(await admin.call('CLIENT', 'LIST')).match(/id=(\d+) .* flags=b .* cmd=(\w+)/);
    await expect.poll(id).not.toBeNull();
    await sleep(20);
    expect(held.drain()).toEqual([]);
    if (!LEFT_IS_REDIS) expect(await admin.call('CLIENT', 'UNBLOCK', (await id())![1]!)).toBe(0);
    await admin.call('CLIENT', 'UNPAUSE');
    expect(await replyOf(held)).toBe(null);
    expect(await clientsInfo(admin, 'blocked_clients')).toBe(0);
  });

  it('an idle time-out does not concern who waits', async () => {
    const admin = await server.connect();
    await admin.call('CONFIG', 'SET', 'timeout', 1);
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 2.5);
    expect(await replyOf(client)).toBe(null);
    expect(await client.call('PING')).toBe('PONG');
    const last = await server.connect();
    await last.call('CONFIG', 'SET', 'timeout', 0);
  });

  it('with maxmemory reached: moves are refused, pops wait', async () => {
    const admin = await server.connect();
    await admin.call('SETRANGE', 'filler', 1_000_000, 'x');
    await admin.call('CONFIG', 'SET', 'maxmemory', 1, 'maxmemory-policy', 'noeviction');
    const client = await server.connect();
    expect(await client.callError('BLMOVE', 'k', 'l', 'LEFT', 'LEFT', 0)).toContain('OOM ');
    client.send('BLPOP', 'k', 0);
    await untilBlocked(admin, 1);
    expect(await admin.callError('RPUSH', 'k', 'x')).toContain('OOM ');
    await admin.call('CONFIG', 'SET', 'maxmemory', 0);
    await admin.call('RPUSH', 'k', 'x');
    expect(await replyOf(client)).toEqual(['k', 'x']);
  });

  it('eviction takes nothing from who waits', async () => {
    const admin = await server.connect();
    const { client } = await blockedClient(server, admin, 'BLPOP', 'k', 0);
    const used = Number(String(await admin.call('INFO', 'memory')).match(/\nused_memory:(\d+)/)![1]);
    await admin.call('CONFIG', 'SET', 'maxmemory', used + 2_000_000, 'maxmemory-policy', 'allkeys-random');
    for (let i = 0; i < 60; i++) await admin.call('SET', `key:${i}`, 'x'.repeat(100_000));
    expect(await admin.call('RPUSH', 'k', 'x')).toBe(1);
    expect(await replyOf(client)).toEqual(['k', 'x']);
    await admin.call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
  });
});
