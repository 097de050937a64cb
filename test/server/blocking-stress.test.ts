// Many producers and consumers over several acceptors and workers, with clients that leave, are killed and unblocked in between:
// every element comes to exactly one of them, every command has exactly one reply, and in the end nobody is left waiting
// and every structure is sound.
//
// SABRE_STRESS_FACTOR multiplies the work (1).

import { afterEach, describe, expect, it } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { isError, type Reply, toValue, type Value } from '../support/resp-parser.ts';
import { LEFT_IS_REDIS, startSabre, useServer } from '../support/sabre-server.ts';

const FACTOR = Number(process.env['SABRE_STRESS_FACTOR'] ?? 1);
const PRODUCERS = 6;
const CONSUMERS = 18;
const QUEUES = ['q1', 'q2', 'q3', 'q4', 'q5'];
const LIMIT = { timeout: 60_000 * FACTOR + 60_000 };

/** A generator of numbers below `below`, always the same for a seed. */
function numbers(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The queues in some order. */
function someQueues(random: (below: number) => number): string[] {
  const from = random(QUEUES.length);
  return [...QUEUES.slice(from), ...QUEUES.slice(0, from)].slice(0, 1 + random(QUEUES.length));
}

describe.each([
  [1, 1],
  [3, 2],
])('%i acceptors, %i shard workers: waiting under stress', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args }));

  afterEach(async () => {
    const client = await server.connect();
    const info = async () => String(await client.call('INFO', 'clients'));
    await expect.poll(info, { timeout: 20_000 }).toContain('\nblocked_clients:0\r\n');
    if (LEFT_IS_REDIS) return;
    expect(await info()).toContain('\ntotal_blocking_keys:0\r\n');
    expect(await info()).toContain('\nclients_in_timeout_table:0\r\n');
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });

  /** Elements of all producers; those that a queue holds go in by the commands that `push` makes. */
  async function produce(
    each: number,
    push: (random: (below: number) => number, elements: string[]) => Argument[],
  ): Promise<void> {
    const work = Array.from({ length: PRODUCERS }, async (_, producer) => {
      const client = await server.connect();
      const random = numbers(producer + 1);
      for (let made = 0; made < each; ) {
        const commands: Argument[][] = [];
        const pipelined = 1 + random(8);
        for (let i = 0; i < pipelined && made < each; i++) {
          const count = Math.min(1 + random(4), each - made);
          const elements = Array.from({ length: count }, (_, j) => `${producer}:${made + j}`);
          commands.push(push(random, elements));
          made += count;
        }
        for (const reply of await client.pipeline(commands)) expect(reply.type).not.toBe('error');
      }
      await client.close();
    });
    await Promise.all(work);
  }

  function everything(each: number): string[] {
    return Array.from({ length: PRODUCERS }, (_, p) => Array.from({ length: each }, (_, i) => `${p}:${i}`))
      .flat()
      .sort();
  }

  it('lists: every element comes to one consumer, once', LIMIT, async () => {
    const each = 1500 * FACTOR;
    const total = PRODUCERS * each;
    const got: string[] = [];
    const consume = async (number: number): Promise<void> => {
      const client = await server.connect();
      const random = numbers(1000 + number);
      while (got.length < total) {
        const queues = someQueues(random);
        const timeout = (1 + random(200)) / 1000;
        const kind = random(4);
        if (kind === 0) {
          const value = await client.call('BLMPOP', timeout, queues.length, ...queues, 'RIGHT', 'COUNT', 5);
          if (value !== null) got.push(...((value as Value[])[1] as string[]));
        } else if (kind === 1) {
          // Someone who does not wait.
          const value = await client.call('LPOP', queues[0]!);
          if (value !== null) got.push(value as string);
        } else {
          const value = await client.call(kind === 2 ? 'BLPOP' : 'BRPOP', ...queues, timeout);
          if (value !== null) got.push((value as string[])[1]!);
        }
      }
      await client.close();
    };
    await Promise.all([
      produce(each, (random, elements) => [random(2) ? 'RPUSH' : 'LPUSH', QUEUES[random(5)]!, ...elements]),
      ...Array.from({ length: CONSUMERS }, (_, i) => consume(i)),
    ]);
    expect(got.sort()).toEqual(everything(each));
    expect(await (await server.connect()).call('DBSIZE')).toBe(0);
  });

  it('moves: whoever leaves, the element is in one list', LIMIT, async () => {
    const each = 500 * FACTOR;
    let producing = true;
    const consume = async (number: number): Promise<void> => {
      const random = numbers(2000 + number);
      while (producing) {
        const client = await server.connect();
        const rounds = random(20);
        for (let i = 0; i < rounds && producing; i++) {
          await client.call('BLMOVE', QUEUES[random(5)]!, `done:${number % 7}`, 'LEFT', 'RIGHT', 0.02);
        }
        // In the middle of a wait, or before it begins, or when an element is on its way.
        client.send('BLMOVE', QUEUES[random(5)]!, QUEUES[random(5)]!, 'LEFT', 'RIGHT', 0);
        client.send('BLMOVE', QUEUES[random(5)]!, `done:${number % 7}`, 'LEFT', 'RIGHT', 0);
        if (random(2) === 0) await new Promise((done) => setTimeout(done, random(10)));
        await (random(2) === 0 ? client.close() : client.abort());
      }
    };
    const consumers = Array.from({ length: CONSUMERS }, (_, i) => consume(i));
    await produce(each, (random, elements) => ['RPUSH', QUEUES[random(5)]!, ...elements]);
    producing = false;
    await Promise.all(consumers);
    const client = await server.connect();
    const info = async () => String(await client.call('INFO', 'clients'));
    await expect.poll(info, { timeout: 20_000 }).toContain('\nblocked_clients:0\r\n');
    const lists = [...QUEUES, ...Array.from({ length: 7 }, (_, i) => `done:${i}`)];
    const found = await client.pipeline(lists.map((list) => ['LRANGE', list, 0, -1]));
    expect(found.flatMap((reply) => toValue(reply) as string[]).sort()).toEqual(everything(each));
  });

  it('CLIENT UNBLOCK and CLIENT KILL: one end for each wait', LIMIT, async () => {
    const each = 800 * FACTOR;
    const got: string[] = [];
    const ends = { served: 0, timedOut: 0, unblocked: 0 };
    const ids = new Set<number>();
    let producing = true;
    const take = (reply: Reply): void => {
      if (isError(reply)) {
        expect(reply.bytes!.toString()).toBe('UNBLOCKED client unblocked via CLIENT UNBLOCK');
        ends.unblocked++;
        return;
      }
      const value = toValue(reply) as string[] | null;
      if (value === null) ends.timedOut++;
      else {
        got.push(value[1]!);
        ends.served++;
      }
    };
    const consume = async (number: number): Promise<void> => {
      const client = await server.connect();
      const random = numbers(3000 + number);
      ids.add((await client.call('CLIENT', 'ID')) as number);
      while (producing) take(await client.command('BLPOP', ...someQueues(random), (1 + random(100)) / 1000));
    };
    /** Waits for what nobody pushes, until it is killed; then comes again. */
    const killed = async (): Promise<void> => {
      while (producing) {
        const client = await server.connect();
        const id = (await client.call('CLIENT', 'ID')) as number;
        client.send('BLPOP', ...QUEUES.map((queue) => `${queue}:none`), 0);
        expect(await admin.call('CLIENT', 'KILL', 'ID', id)).toBe(1);
        expect(await client.readUntilClosed()).toEqual(Buffer.alloc(0));
      }
    };
    let ones = 0;
    const unblock = async (): Promise<void> => {
      const client = await server.connect();
      const random = numbers(4000);
      while (producing) {
        await new Promise((done) => setTimeout(done, random(3)));
        const some = [...ids].filter(() => random(3) === 0);
        const replies = await client.pipeline(
          some.map((id) => ['CLIENT', 'UNBLOCK', id, random(2) === 0 ? 'TIMEOUT' : 'ERROR']),
        );
        for (const reply of replies) ones += Number(toValue(reply));
      }
    };
    const admin = await server.connect();
    const others = [...Array.from({ length: CONSUMERS }, (_, i) => consume(i)), killed(), unblock()];
    await produce(each, (random, elements) => ['RPUSH', QUEUES[random(5)]!, ...elements]);
    producing = false;
    await Promise.all(others);
    const left = await admin.pipeline(QUEUES.map((queue) => ['LRANGE', queue, 0, -1]));
    for (const reply of left) got.push(...(toValue(reply) as string[]));
    expect(got.sort()).toEqual(everything(each));
    // Every 1 of CLIENT UNBLOCK has ended one wait: with an error, or with the null of a time-out.
    expect(ends.unblocked).toBeLessThanOrEqual(ones);
    expect(ends.unblocked + ends.timedOut).toBeGreaterThanOrEqual(ones);
  });

  it('sorted sets and groups of streams: every member and every entry once', LIMIT, async () => {
    const each = 500 * FACTOR;
    const total = PRODUCERS * each;
    const members: string[] = [];
    const entries: string[] = [];
    const admin = await server.connect();
    for (const queue of QUEUES) await admin.call('XGROUP', 'CREATE', `s:${queue}`, 'group', '$', 'MKSTREAM');
    const popMembers = async (number: number): Promise<void> => {
      const client = await server.connect();
      const random = numbers(5000 + number);
      while (members.length < total) {
        const keys = someQueues(random).map((queue) => `z:${queue}`);
        if (random(3) === 0) {
          const value = (await client.call('BZMPOP', 0.05, keys.length, ...keys, 'MAX', 'COUNT', 3)) as
            | Value[]
            | null;
          if (value !== null) members.push(...(value[1] as [string, string][]).map(([member]) => member));
        } else {
          const value = (await client.call(random(2) ? 'BZPOPMIN' : 'BZPOPMAX', ...keys, 0.05)) as
            | string[]
            | null;
          if (value !== null) members.push(value[1]!);
        }
      }
    };
    const readEntries = async (number: number): Promise<void> => {
      const client = await server.connect();
      const random = numbers(6000 + number);
      while (entries.length < total) {
        const streams = someQueues(random).map((queue) => `s:${queue}`);
        const command = [
          'XREADGROUP',
          'GROUP',
          'group',
          `c${number % 4}`,
          'COUNT',
          3,
          'BLOCK',
          50,
          'STREAMS',
        ];
        const value = await client.call(...command, ...streams, ...streams.map(() => '>'));
        if (value === null) continue;
        for (const [stream, read] of value as [string, [string, string[]][]][]) {
          for (const [id, fields] of read) {
            entries.push(fields[1]!);
            expect(await client.call('XACK', stream, 'group', id)).toBe(1);
          }
        }
      }
    };
    await Promise.all([
      produce(each, (random, names) => [
        'ZADD',
        `z:${QUEUES[random(5)]}`,
        ...names.flatMap((n) => [random(100), n]),
      ]),
      ...Array.from({ length: PRODUCERS }, async (_, producer) => {
        const client = await server.connect();
        const random = numbers(7000 + producer);
        for (let i = 0; i < each; i++)
          await client.call('XADD', `s:${QUEUES[random(5)]}`, '*', 'e', `${producer}:${i}`);
      }),
      ...Array.from({ length: CONSUMERS / 2 }, (_, i) => popMembers(i)),
      ...Array.from({ length: CONSUMERS / 2 }, (_, i) => readEntries(i)),
    ]);
    expect(members.sort()).toEqual(everything(each));
    expect(entries.sort()).toEqual(everything(each));
    for (const queue of QUEUES) {
      expect(((await admin.call('XPENDING', `s:${queue}`, 'group')) as Value[])[0]).toBe(0);
    }
  });

  it(
    'everything else goes on beside it: RENAME, COPY, SWAPDB, FLUSHDB, expiry, long commands',
    LIMIT,
    async () => {
      const rounds = 60 * FACTOR;
      const admin = await server.connect();
      await admin.call('SETRANGE', 'big', 3_000_000, 'x');
      const replies = { pops: 0, values: 0 };
      let busy = true;
      const consume = async (client: RawClient, number: number): Promise<void> => {
        const random = numbers(8000 + number);
        while (busy) {
          const reply = await client.command('BLPOP', ...someQueues(random), 0.02);
          replies.pops++;
          if (isError(reply)) expect(reply.bytes!.toString()).toMatch(/^WRONGTYPE /);
          else if (toValue(reply) !== null) replies.values++;
        }
      };
      const disturb = async (number: number): Promise<void> => {
        const client = await server.connect();
        const random = numbers(9000 + number);
        for (let i = 0; i < rounds; i++) {
          const queue = QUEUES[random(5)]!;
          const other = QUEUES[random(5)]!;
          const commands: Argument[][] = [
            ['RPUSH', 'source', 'a', 'b'],
            ['RENAME', 'source', queue],
            ['RPUSH', queue, 'x'],
            ['COPY', queue, other, 'REPLACE'],
            ['SET', queue, 'text', 'PX', 1 + random(5)],
            ['DEL', other],
            ['RPUSH', 'sorted', '3', '1', '2'],
            ['SORT', 'sorted', 'STORE', queue],
            ['SWAPDB', 0, 1],
            ['BITCOUNT', 'big'],
            ['FLUSHDB', random(2) === 0 ? 'SYNC' : 'ASYNC'],
            ['EXPIRE', other, random(2)],
          ];
          const from = random(commands.length);
          await client.pipeline([...commands.slice(from), ...commands.slice(0, from)]);
        }
      };
      const consumers = await Promise.all(Array.from({ length: CONSUMERS }, () => server.connect()));
      const consuming = consumers.map(consume);
      await Promise.all([disturb(1), disturb(2), disturb(3)]);
      busy = false;
      await Promise.all(consuming);
      expect(replies.values).toBeGreaterThan(0);
      for (const client of consumers) expect(client.drain()).toEqual([]);
    },
  );
});
