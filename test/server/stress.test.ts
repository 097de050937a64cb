// Many connections over several acceptors and workers on few keys: nothing is lost, doubled or seen half done, and
// afterwards every structure of the store is sound.
//
// SABRE_STRESS_FACTOR multiplies the work (1).

import { afterEach, describe, expect, it } from 'vitest';
import { type Argument, encodeCommand, type RawClient } from '../support/raw-client.ts';
import type { Reply } from '../support/resp-parser.ts';
import { LEFT_IS_REDIS, startSabre, useServer } from '../support/sabre-server.ts';

const FACTOR = Number(process.env['SABRE_STRESS_FACTOR'] ?? 1);
const CONNECTIONS = 24;
const KEYS = ['few', 'keys', 'on', 'several', 'shards', 'more', 'of', 'them'];
const LIMIT = { timeout: 60_000 * FACTOR + 60_000 };

describe.each([
  [1, 1],
  [3, 2],
])('%i acceptors, %i shard workers under stress', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args }));

  afterEach(async () => {
    if (LEFT_IS_REDIS) return;
    const client = await server.connect();
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });

  /** Runs the same work on all connections at once. */
  async function storm(work: (client: RawClient, index: number) => Promise<void>): Promise<void> {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()));
    await Promise.all(clients.map(work));
    for (const client of clients) expect(client.drain()).toEqual([]);
    await Promise.all(clients.map((client) => client.close()));
  }

  it('INCR counts exactly, and gives each number once', LIMIT, async () => {
    const rounds = 4 * FACTOR;
    const seen = new Map(KEYS.map((key) => [key, new Set<number>()]));
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        const keys = Array.from({ length: 800 }, (_, i) => KEYS[(i * 7 + index) % KEYS.length]!);
        const replies = await client.pipeline(keys.map((key) => ['INCR', key]));
        for (const [i, reply] of replies.entries()) seen.get(keys[i]!)!.add(integer(reply));
      }
    });
    const each = (CONNECTIONS * rounds * 800) / KEYS.length;
    const client = await server.connect();
    for (const key of KEYS) {
      expect(await client.call('GET', key)).toBe(String(each));
      expect(seen.get(key)!.size).toBe(each);
      expect(Math.max(...seen.get(key)!)).toBe(each);
    }
  });

  it('APPEND keeps every piece whole', LIMIT, async () => {
    const rounds = 8 * FACTOR;
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        const pieces = Array.from({ length: 300 }, (_, i) => piece(index, round * 300 + i));
        await client.pipeline(pieces.map((text, i) => ['APPEND', KEYS[i % 3]!, text]));
        // Reads of all of a value, which may be long work, in between.
        expect(integer((await client.pipeline([['STRLEN', KEYS[0]!]]))[0]!) % 10).toBe(0);
      }
    });
    const client = await server.connect();
    const found = new Set<string>();
    let length = 0;
    for (const key of KEYS.slice(0, 3)) {
      const value = String(await client.call('GET', key));
      length += value.length;
      expect(await client.call('STRLEN', key)).toBe(value.length);
      for (let at = 0; at < value.length; at += 10) found.add(value.slice(at, at + 10));
    }
    expect(length).toBe(CONNECTIONS * rounds * 300 * 10);
    for (let index = 0; index < CONNECTIONS; index++) {
      for (let i = 0; i < rounds * 300; i++) expect(found.has(piece(index, i))).toBe(true);
    }
  });

  it('SETRANGE and SETBIT change their own places only', LIMIT, async () => {
    const rounds = 20 * FACTOR;
    const width = 1_000;
    await storm(async (client, index) => {
      const letter = String.fromCharCode(97 + index);
      for (let round = 0; round < rounds; round++) {
        const commands: Argument[][] = [];
        for (const key of KEYS) {
          for (let part = 0; part < 5; part++) {
            const at = index * width + part * (width / 5);
            commands.push(['SETRANGE', key, at, letter.repeat(width / 5)]);
          }
          commands.push(['SETBIT', `bits:${key}`, round * CONNECTIONS + index, 1]);
          commands.push(['BITFIELD', `field:${key}`, 'INCRBY', 'u32', `#${index % 4}`, 1]);
        }
        for (const reply of await client.pipeline(commands)) expect(reply.type).not.toBe('error');
      }
    });
    const whole = Array.from({ length: CONNECTIONS }, (_, i) => String.fromCharCode(97 + i).repeat(width));
    const client = await server.connect();
    for (const key of KEYS) {
      expect(await client.call('GET', key)).toBe(whole.join(''));
      expect(await client.call('BITCOUNT', `bits:${key}`)).toBe(rounds * CONNECTIONS);
      const counters = ['#0', '#1', '#2', '#3'].flatMap((at) => ['GET', 'u32', at]);
      const quarter = (rounds * CONNECTIONS) / 4;
      expect(await client.call('BITFIELD', `field:${key}`, ...counters)).toEqual(Array(4).fill(quarter));
    }
  });

  it('MSET, MSETNX and DEL of several keys are seen whole or not at all', LIMIT, async () => {
    const rounds = 60 * FACTOR;
    const large = 'x'.repeat(100_000); // Eight of these go to a worker; small ones run in place.
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        const token = `${index}:${round}${index === 5 ? large : ''}`;
        const pairs = KEYS.flatMap((key) => [key, token]);
        const commands: Argument[][] = [['MGET', ...KEYS]];
        if (index % 4 === 0) commands.push(['MSET', ...pairs], ['MGET', ...KEYS]);
        if (index % 4 === 1) commands.push(['MSETNX', ...pairs]);
        if (index % 4 === 2) commands.push(['EXISTS', ...KEYS], ['DEL', ...KEYS], ['TOUCH', ...KEYS]);
        if (index % 4 === 3) commands.push(['UNLINK', ...[...KEYS].reverse()], ['MGET', ...KEYS]);
        for (const [i, reply] of (await client.pipeline(commands)).entries()) {
          if (commands[i]![0] === 'MGET') expectOneValue(reply);
          else if (!['MSET', 'MSETNX'].includes(commands[i]![0] as string)) {
            expect([0, KEYS.length]).toContain(integer(reply));
          }
        }
      }
    });
  });

  it('RENAME, SWAPDB and COPY are seen whole or not at all', LIMIT, async () => {
    const rounds = 100 * FACTOR;
    const admin = await server.connect();
    await admin.call('SET', 'here', 'a thing');
    await admin.call('MSET', ...KEYS.flatMap((key) => [key, 'in 0']));
    await admin.call('SELECT', 1);
    await admin.call('MSET', ...KEYS.flatMap((key) => [key, 'in 1']));
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        if (index === 0) await client.call('SWAPDB', 0, 1);
        else if (index < 4) {
          const replies = await client.pipeline([
            ['RENAME', 'here', 'there'],
            ['RENAMENX', 'there', 'here'],
          ]);
          for (const reply of replies) {
            if (reply.type === 'error') expect(reply.bytes!.toString()).toBe('ERR no such key');
          }
        } else if (index < 6) await client.call('COPY', KEYS[0]!, 'copied', 'REPLACE');
        else {
          const [values, things] = await client.pipeline([
            ['MGET', ...KEYS],
            ['EXISTS', 'here', 'there'],
          ]);
          expectOneValue(values!);
          // SWAPDB takes the thing along: it is in one of the two databases.
          expect([0, 1]).toContain(integer(things!));
        }
      }
    });
    await admin.call('SELECT', 0);
    const inZero = (await admin.call('EXISTS', 'here', 'there')) as number;
    await admin.call('SELECT', 1);
    const inOne = (await admin.call('EXISTS', 'here', 'there')) as number;
    expect(inZero + inOne).toBe(1);
  });

  it('keys expire once, by themselves', LIMIT, async () => {
    const each = 500 * FACTOR;
    const admin = await server.connect();
    const expired = async () =>
      Number(String(await admin.call('INFO', 'stats')).match(/\nexpired_keys:(\d+)/)![1]);
    const before = await expired();
    await storm(async (client, index) => {
      for (let part = 0; part < 5; part++) {
        const commands = Array.from({ length: each / 5 }, (_, i) => {
          const key = `expires:${index}:${part}:${i}`;
          return i % 2 === 0 ? ['SET', key, 'x', 'PX', 1 + (i % 300)] : ['PSETEX', key, 1 + (i % 300), 'x'];
        });
        await client.pipeline(commands);
        // Some are met while they expire.
        await client.pipeline(commands.slice(0, 50).map((command) => ['GET', command[1]!]));
      }
    });
    await expect.poll(() => admin.call('DBSIZE'), { timeout: 30_000 }).toBe(0);
    expect((await expired()) - before).toBe(CONNECTIONS * each);
    expect(String(await admin.call('INFO', 'keyspace'))).not.toContain('db0');
  });

  it('FLUSHALL in between leaves all or nothing', LIMIT, async () => {
    const rounds = 40 * FACTOR;
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        const token = `${index}:${round}`;
        if (index < 2) await client.call('FLUSHALL', round % 2 === 0 ? 'ASYNC' : 'SYNC');
        else if (index < 4) await client.call('FLUSHDB', round % 2 === 0 ? 'ASYNC' : 'SYNC');
        else {
          const fill = Array.from({ length: 50 }, (_, i) => ['SET', `${token}:${i}`, 'x'.repeat(i * 20)]);
          const replies = await client.pipeline([
            ['MSET', ...KEYS.flatMap((key) => [key, token])],
            ['MGET', ...KEYS],
            ...fill,
            ['INCR', 'counter'],
            ['APPEND', 'text', 'abc'],
            ['MGET', ...KEYS],
          ]);
          expectOneValue(replies[1]!);
          expectOneValue(replies.at(-1)!);
          expect(integer(replies.at(-2)!) % 3).toBe(0);
        }
      }
    });
    const admin = await server.connect();
    await admin.call('FLUSHALL');
    expect(await admin.call('DBSIZE')).toBe(0);
    if (LEFT_IS_REDIS) return;
    // What FLUSHALL ASYNC left to the workers is given back too.
    await expect
      .poll(async () => String(await admin.call('DEBUG', 'INVARIANTS')), { timeout: 20_000 })
      .toMatch(/^OK keys:0 expires:0 blocks:0 /);
  });

  it('long commands among short ones', LIMIT, async () => {
    const admin = await server.connect();
    await admin.call('DEBUG', 'POPULATE', 20_000);
    await admin.call('SETRANGE', 'big:1', 5_000_000, 'x');
    await admin.call('SETRANGE', 'big:2', 5_000_000, 'y');
    const rounds = 10 * FACTOR;
    await storm(async (client, index) => {
      for (let round = 0; round < rounds; round++) {
        if (index === 0) await client.call('KEYS', 'key:1*');
        else if (index === 1) await client.call('BITOP', 'XOR', 'big:3', 'big:1', 'big:2');
        else if (index === 2) expect((await client.call('GET', 'big:1')) as string).toHaveLength(5_000_001);
        else if (index === 3) await client.call('DEBUG', 'DIGEST');
        else if (index === 4) expect(await walk(client)).toBeGreaterThanOrEqual(20_000);
        else if (index === 5) await client.call('APPEND', 'big:2', 'z'.repeat(300_000));
        else {
          const replies = await client.pipeline(Array.from({ length: 200 }, () => ['INCR', `key:${index}`]));
          // POPULATE's values are no numbers.
          for (const reply of replies)
            expect(reply.bytes!.toString()).toMatch(/^ERR value is not an integer/);
          await client.pipeline(Array.from({ length: 200 }, (_, i) => ['SET', `mine:${index}`, i]));
          expect(await client.call('GET', `mine:${index}`)).toBe('199');
        }
      }
    });
    expect(await admin.call('STRLEN', 'big:2')).toBe(5_000_001 + rounds * 300_000);
  });

  it('eviction under load keeps the store sound', LIMIT, async () => {
    const admin = await server.connect();
    const memory = async () =>
      Number(String(await admin.call('INFO', 'memory')).match(/\nused_memory:(\d+)/)![1]);
    const limit = (await memory()) + 5_000_000;
    await admin.call('CONFIG', 'SET', 'maxmemory', limit, 'maxmemory-policy', 'allkeys-lru');
    await storm(async (client, index) => {
      for (let round = 0; round < 10 * FACTOR; round++) {
        const commands = Array.from({ length: 300 }, (_, i) => [
          'SET',
          `evict:${index}:${round}:${i}`,
          'x'.repeat(100 + ((i * 37) % 900)),
        ]);
        for (const reply of await client.pipeline(commands)) expect(reply.type).toBe('simple');
      }
    });
    // The buffers of clients that have gone are no longer counted after a moment.
    await expect.poll(memory, { timeout: 10_000 }).toBeLessThan(limit * 1.05);
    expect(String(await admin.call('INFO', 'stats'))).toMatch(/\nevicted_keys:[1-9]/);
    await admin.call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
  });

  it('connections come and go in the middle of everything', LIMIT, async () => {
    const admin = await server.connect();
    await admin.call('SET', 'large', 'x'.repeat(1_000_000));
    const half = encodeCommand(['SET', 'half', 'y'.repeat(100_000)]).subarray(0, 50_000);
    await Promise.all(
      Array.from({ length: CONNECTIONS }, async (_, index) => {
        for (let round = 0; round < 10 * FACTOR; round++) {
          const client = await server.connect();
          for (let i = 0; i < 20; i++) client.send('INCR', KEYS[i % KEYS.length]!);
          for (let i = 0; i < 20; i++) await client.reply();
          if (index % 3 === 0) client.send('GET', 'large');
          if (index % 3 === 1) client.send('KEYS', '*');
          if (index % 3 === 2) client.sendRaw(half);
          if (round % 2 === 0) await client.abort();
          else await client.close();
        }
      }),
    );
    expect(await admin.call('EXISTS', 'half')).toBe(0);
    const sum = await admin.call('MGET', ...KEYS);
    const total = (sum as string[]).reduce((all, count) => all + Number(count), 0);
    expect(total).toBe(CONNECTIONS * 10 * FACTOR * 20);
    await expect
      .poll(async () => String(await admin.call('INFO', 'clients')), { timeout: 20_000 })
      .toContain('\nconnected_clients:1\r\n');
  });
});

/** Ten characters that say who wrote what. */
function piece(index: number, number: number): string {
  return `<${String(index).padStart(2, '0')}.${String(number).padStart(5, '0')}>`;
}

function integer(reply: Reply): number {
  if (reply.type !== 'integer') throw new Error(`no integer: ${reply.raw.subarray(0, 200)}`);
  return Number(reply.bytes!.toString());
}

/** An MGET of keys that are always written together: all the same value, or all missing. */
function expectOneValue(reply: Reply): void {
  const values = new Set(reply.items!.map((item) => item.bytes?.toString().slice(0, 100) ?? null));
  if (values.size !== 1) throw new Error(`seen half done: ${[...values].join(', ')}`);
}

/** Walks over all keys with SCAN; how many different ones it met. */
async function walk(client: RawClient): Promise<number> {
  const met = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = (await client.call('SCAN', cursor, 'COUNT', 1_000)) as [string, string[]];
    for (const key of keys) met.add(key);
    cursor = next;
  } while (cursor !== '0');
  return met.size;
}
