// Keyspace notifications. That commands bring about the events that Redis's do is compared in differential.test.ts; here are
// those that come by themselves, those of commands that Redis 7.0 does not know, the form of the messages, their order.

import { describe, expect, it } from 'vitest';
import { describeDifferential } from '../support/differential.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { describeTopologies, startSabre, TOPOLOGIES } from '../support/sabre-server.ts';

/** Events that a subscriber to patterns has got up to a mark. */
async function eventsUpTo(subscriber: RawClient, publisher: RawClient): Promise<string[]> {
  await publisher.call('PUBLISH', '__key mark', 'mark');
  const events: string[] = [];
  for (;;) {
    const [, , channel, text] = (await subscriber.next()).items!.map((item) => item.bytes!.toString());
    if (text === 'mark') return events;
    events.push(`${channel} ${text}`);
  }
}

async function subscribe(client: RawClient, pattern = '__key*'): Promise<void> {
  client.send('PSUBSCRIBE', pattern);
  await client.next();
}

describeDifferential(
  'notifications',
  (diff) => {
    it('say which database, key and event, in the classes that are on', async () => {
      const subscriber = await diff.another();
      await diff.same('CONFIG', 'GET', 'notify-keyspace-events');
      await diff.same('CONFIG', 'SET', 'notify-keyspace-events', 'q');
      subscriber.send('PSUBSCRIBE', '__key*');
      await subscriber.sameNext();
      const script: Argument[][] = [
        ['SELECT', 3],
        ['SET', 'k', 'v'],
        ['SET', Buffer.from([0, 13, 10, 255]), 'v', 'EX', 100],
        ['LPUSH', 'l', 'a', 'b'],
        ['RPOPLPUSH', 'l', 'm'],
        ['MOVE', 'm', 5],
        ['GET', 'missing'],
        ['DEL', 'k', 'l', 'missing'],
        ['SELECT', 0],
      ];
      for (const classes of ['KEA', 'K$', 'El', 'Kg', 'A', 'KE', 'KEAmn', 'Kmn', '']) {
        await diff.sameOk('CONFIG', 'SET', 'notify-keyspace-events', classes);
        for (const args of script) await diff.same(...args);
        await diff.same('PUBLISH', '__key mark', classes);
        const [left, right] = [await upToMark(subscriber.sabre), await upToMark(subscriber.redis)];
        expect(left, classes).toEqual(right);
        await diff.same('FLUSHALL');
      }
    });
  },
  { topologies: TOPOLOGIES.slice(1) },
);

async function upToMark(client: RawClient): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const reply = await client.next();
    seen.push(reply.raw.toString('latin1'));
    if (reply.items![2]!.bytes!.toString() === '__key mark') return seen;
  }
}

describeTopologies('events', (server) => {
  it('of keys and fields whose time comes', async () => {
    const [client, subscriber] = [await server.connect(), await server.connect()];
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'Exhg');
    await subscribe(subscriber);
    // By themselves.
    await client.call('SET', 'soon', 'v', 'PX', 20);
    await client.call('HSET', 'h', 'a', 1, 'b', 2);
    await client.call('HPEXPIRE', 'h', 20, 'FIELDS', 1, 'a');
    const seen = new Set<string>();
    while (!seen.has('expired soon') || !seen.has('hexpired h')) {
      const [, , channel, text] = (await subscriber.next()).items!.map((item) => item.bytes!.toString());
      seen.add(`${channel!.split(':')[1]} ${text}`);
    }
    expect([...seen].sort()).toEqual(
      ['expire soon', 'hset h', 'hexpire h', 'expired soon', 'hexpired h'].sort(),
    );
    // Met by a command.
    await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', 0);
    await client.call('SET', 'met', 'v', 'PX', 1);
    await client.call('HSET', 'h2', 'a', 1);
    await client.call('HPEXPIRE', 'h2', 1, 'FIELDS', 1, 'a');
    await eventsUpTo(subscriber, client);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await client.call('GET', 'met');
    await client.call('HGET', 'h2', 'a');
    expect(await eventsUpTo(subscriber, client)).toEqual([
      '__keyevent@0__:expired met',
      '__keyevent@0__:hexpired h2',
      '__keyevent@0__:del h2',
    ]);
    await client.call('DEBUG', 'SET-ACTIVE-EXPIRE', 1);
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', '');
  });

  it('of commands of later versions', async () => {
    const [client, subscriber] = [await server.connect(), await server.connect()];
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', 'EA');
    await subscribe(subscriber);
    const cases: [Argument[], string[]][] = [
      [['HSET', 'h', 'a', 1, 'b', 2, 'c', 3, 'd', 4], ['hset h']],
      [['HPEXPIRE', 'h', 100_000, 'FIELDS', 2, 'a', 'missing'], ['hexpire h']],
      [['HPEXPIRE', 'h', 100_000, 'NX', 'FIELDS', 1, 'a'], []],
      [['HPERSIST', 'h', 'FIELDS', 1, 'a'], ['hpersist h']],
      [['HPERSIST', 'h', 'FIELDS', 1, 'a'], []],
      [['HPEXPIREAT', 'h', 1, 'FIELDS', 1, 'a'], ['hdel h']],
      [['HGETEX', 'h', 'EX', 100, 'FIELDS', 1, 'b'], ['hexpire h']],
      [['HGETEX', 'h', 'PERSIST', 'FIELDS', 1, 'b'], ['hpersist h']],
      [['HGETEX', 'h', 'FIELDS', 1, 'b'], []],
      [
        ['HSETEX', 'h', 'EX', 100, 'FIELDS', 1, 'b', 1],
        ['hset h', 'hexpire h'],
      ],
      [['HSETEX', 'h', 'FIELDS', 1, 'e', 1], ['hset h']],
      [
        ['HGETDEL', 'h', 'FIELDS', 4, 'b', 'c', 'd', 'e'],
        ['hdel h', 'del h'],
      ],
      [
        ['MSETEX', 2, 'k', 1, 'l', 2, 'EX', 100],
        ['set k', 'expire k', 'set l', 'expire l'],
      ],
      [['DELEX', 'k', 'IFEQ', 2], []],
      [['DELEX', 'k', 'IFEQ', 1], ['del k']],
      [['XADD', 'x', '1-1', 'f', 'v'], ['xadd x']],
      [['XDELEX', 'x', 'KEEPREF', 'IDS', 1, '1-1'], ['xdel x']],
    ];
    for (const [command, events] of cases) {
      await client.call(...command);
      const seen = await eventsUpTo(subscriber, client);
      expect(seen, command.join(' ')).toEqual(events.map((event) => `__keyevent@0__:${event}`));
    }
    await client.call('CONFIG', 'SET', 'notify-keyspace-events', '');
  });

  it('come once, in the order of what has happened, over all threads', { timeout: 60_000 }, async () => {
    const admin = await server.connect();
    await admin.call('CONFIG', 'SET', 'notify-keyspace-events', 'KAm');
    const subscribers = [await server.connect(), await server.connect(), await server.connect()];
    for (const each of subscribers) await subscribe(each);
    await admin.call('SETRANGE', 'long', 2 ** 20, 'x');
    // Each client's key counts up; now and then it works on a shard worker, waits, or misses a key.
    const rounds = 300;
    const work = async (number: number): Promise<void> => {
      const client = await server.connect();
      const commands: Argument[][] = [];
      for (let i = 0; i < rounds; i++) {
        commands.push(['APPEND', `key${number}`, 'x']);
        if (i % 10 === number) commands.push(['BITCOUNT', 'long']);
        commands.push(['LPUSH', `key${number}-list`, i]);
        if (i % 25 === number) commands.push(['BITOP', 'NOT', `key${number}-long`, 'long']);
        commands.push(['BLPOP', `key${number}-list`, 10]);
        commands.push(['GET', `key${number}-missing`]);
        commands.push(['SET', `key${number}-end`, i]);
      }
      for (const reply of await client.pipeline(commands)) expect(reply.type).not.toBe('error');
    };
    await Promise.all(Array.from({ length: 5 }, (_, number) => work(number)));
    for (const subscriber of subscribers) {
      const events = (await eventsUpTo(subscriber, admin)).filter((event) => event.includes(':key'));
      for (let number = 0; number < 5; number++) {
        const own = events.filter((event) => event.includes(`:key${number}`));
        const expected = Array.from({ length: rounds }, (_, i) => [
          ' append',
          '-list lpush',
          ...(i % 25 === number ? ['-long set'] : []),
          '-list lpop',
          '-list del',
          '-missing keymiss',
          '-end set',
        ]).flat();
        expect(own).toEqual(expected.map((event) => `__keyspace@0__:key${number}${event}`));
      }
    }
    await admin.call('CONFIG', 'SET', 'notify-keyspace-events', '');
  });
});

describe('a server that evicts', () => {
  it('tells what it has evicted', { timeout: 60_000 }, async () => {
    const server = await startSabre({
      args: [
        ...['--acceptors', '2', '--shard-workers', '1', '--notify-keyspace-events', 'Ee'],
        ...['--maxmemory-policy', 'allkeys-random'],
      ],
    });
    try {
      const [client, subscriber] = [await server.connect(), await server.connect()];
      await subscribe(subscriber);
      const used = Number(/used_memory:(\d+)/.exec(String(await client.call('INFO', 'memory')))![1]);
      await client.call('CONFIG', 'SET', 'maxmemory', used + 4_000_000);
      for (let i = 0; i < 300; i++) client.send('SET', `k${i}`, 'x'.repeat(50_000));
      for (let i = 0; i < 300; i++) await client.reply();
      await client.call('CONFIG', 'SET', 'maxmemory', 0);
      const events = await eventsUpTo(subscriber, client);
      const evicted = Number(/evicted_keys:(\d+)/.exec(String(await client.call('INFO', 'stats')))![1]);
      expect(evicted).toBeGreaterThan(100);
      expect(events.length).toBe(evicted);
      const gone = events.map((event) => event.replace('__keyevent@0__:evicted ', ''));
      expect(new Set(gone).size).toBe(evicted);
      expect(await client.call('EXISTS', ...gone)).toBe(0);
      await server.closeClients();
    } finally {
      await server.stop();
    }
  });
});
