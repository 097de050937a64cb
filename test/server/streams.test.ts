// Streams on whole servers, with several threads at work: IDs ascend whoever adds, groups lose and double nothing, long
// reads are of one moment, waiting readers get what came after they began to wait and hear when it can't come any more.

import { afterEach, describe, expect, it } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { toValue, type Value } from '../support/resp-parser.ts';
import { LEFT_IS_REDIS, startSabre, useServer } from '../support/sabre-server.ts';

const LIMIT = { timeout: 60_000 };
type Entry = [string, string[]];

describe.each([
  [1, 1],
  [2, 2],
])('%i acceptors, %i shard workers: streams', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args: [...args, '--enable-debug-command', 'yes'] }));

  afterEach(async () => {
    if (LEFT_IS_REDIS) return;
    const client = await server.connect();
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });

  /** A client that waits already. */
  async function waiting(...command: Argument[]): Promise<RawClient> {
    const admin = await server.connect();
    const blocked = async (): Promise<string> =>
      String(await admin.call('INFO', 'clients')).match(/blocked_clients:(\d+)/)![1]!;
    const before = Number(await blocked());
    const client = await server.connect();
    client.send(...command);
    await expect.poll(blocked, { timeout: 20_000, interval: 5 }).toBe(String(before + 1));
    return client;
  }

  async function replyOf(client: RawClient): Promise<Value> {
    return toValue(await client.reply());
  }

  it(
    'entries of many writers come in ascending order, while the stream is trimmed and read',
    LIMIT,
    async () => {
      const writers = await Promise.all(Array.from({ length: 6 }, () => server.connect()));
      const reader = await server.connect();
      let writing = true;
      const given: string[][] = [];
      const work = writers.map(async (client, index) => {
        const ids: string[] = [];
        for (let round = 0; round < 40; round++) {
          const replies = await client.pipeline(
            Array.from({ length: 25 }, (_, i) => [
              'XADD',
              's',
              '*',
              'writer',
              `${index}`,
              'n',
              `${round * 25 + i}`,
            ]),
          );
          ids.push(...replies.map((reply) => String(reply.bytes)));
          if (index === 0 && round % 4 === 3) await client.call('XTRIM', 's', 'MAXLEN', '~', '300');
        }
        given.push(ids);
      });
      const read = async (): Promise<void> => {
        let last = '0-0';
        while (writing) {
          const found = (await reader.call('XREAD', 'COUNT', '500', 'STREAMS', 's', last)) as
            | [string, Entry[]][]
            | null;
          for (const [id] of found?.[0]?.[1] ?? []) {
            expect(order(last, id)).toBeLessThan(0);
            last = id;
          }
        }
      };
      const reading = read();
      await Promise.all(work);
      writing = false;
      await reading;
      expect(new Set(given.flat()).size).toBe(6000);
      for (const ids of given)
        for (let i = 1; i < ids.length; i++) expect(order(ids[i - 1]!, ids[i]!)).toBeLessThan(0);
      const left = (await reader.call('XRANGE', 's', '-', '+')) as Entry[];
      expect(await reader.call('XLEN', 's')).toBe(left.length);
      const all = new Set(given.flat());
      for (const [id] of left) expect(all.has(id)).toBe(true);
    },
  );

  it('consumers of a group get, claim and acknowledge each entry once', LIMIT, async () => {
    const admin = await server.connect();
    await admin.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
    const total = 3000;
    const acknowledged: string[] = [];
    const consumers = Array.from({ length: 5 }, async (_, index) => {
      const client = await server.connect();
      while (acknowledged.length < total) {
        const name = `c${index}`;
        const found = (await client.call(
          'XREADGROUP', 'GROUP', 'g', name, 'COUNT', '20', 'BLOCK', '50', 'STREAMS', 's', '>',
        )) as [string, Entry[]][] | null; // biome-ignore format: a command
        const ids = (found?.[0]?.[1] ?? []).map(([id]) => id);
        // A third is left to whoever claims it.
        for (const id of ids.filter((_, i) => i % 3 !== 0)) {
          if ((await client.call('XACK', 's', 'g', id)) === 1) acknowledged.push(id);
        }
        const [, claimed] = (await client.call(
          'XAUTOCLAIM',
          's',
          'g',
          name,
          '20',
          '0',
          'COUNT',
          '10',
          'JUSTID',
        )) as [string, string[]];
        for (const id of claimed) if ((await client.call('XACK', 's', 'g', id)) === 1) acknowledged.push(id);
      }
    });
    const added: string[] = [];
    for (let i = 0; i < total / 100; i++) {
      const replies = await admin.pipeline(
        Array.from({ length: 100 }, (_, k) => ['XADD', 's', '*', 'n', `${i * 100 + k}`]),
      );
      added.push(...replies.map((reply) => String(reply.bytes)));
    }
    await Promise.all(consumers);
    expect(acknowledged.sort()).toEqual(added.sort());
    expect(await admin.call('XPENDING', 's', 'g')).toEqual([0, null, null, null]);
  });

  it('a long range is of one moment, and holds up nobody', LIMIT, async () => {
    const admin = await server.connect();
    for (let i = 0; i < 60; i++) {
      await admin.pipeline(
        Array.from({ length: 1000 }, (_, k) => ['XADD', 's', '*', 'n', `${i * 1000 + k}`]),
      );
    }
    const reader = await server.connect();
    reader.send('XRANGE', 's', '-', '+');
    const added: Promise<unknown>[] = [];
    for (let i = 0; i < 20; i++) added.push(admin.call('XADD', 's', '*', 'n', 'later'));
    const entries = (await replyOf(reader)) as Entry[];
    await Promise.all(added);
    expect(entries.length).toBeGreaterThanOrEqual(60_000);
    for (let i = 0; i < 60_000; i++) expect(entries[i]![1][1]).toBe(String(i));
    expect(await admin.call('XLEN', 's')).toBe(60_020);
    expect(await admin.call('XTRIM', 's', 'MAXLEN', '5')).toBe(60_015);
  });

  it('$ is the end of the stream when the wait began, + the last entry there will be', async () => {
    const admin = await server.connect();
    await admin.call('XADD', 's', '5-0', 'f', 'old');
    const end = await waiting('XREAD', 'BLOCK', '0', 'STREAMS', 'other', 's', '$', '$');
    await admin.call('XDEL', 's', '5-0');
    await admin.call('SET', 'unrelated', 'x');
    await admin.pipeline([
      ['XADD', 's', '6-0', 'f', 'new'],
      ['XADD', 's', '7-0', 'f', 'newer'],
    ]);
    const [[key, entries]] = (await replyOf(end)) as [[string, Entry[]]];
    expect(key).toBe('s');
    expect(entries[0]).toEqual(['6-0', ['f', 'new']]);
    const last = await waiting('XREAD', 'BLOCK', '0', 'STREAMS', 'none', '+');
    await admin.call('XADD', 'none', '1-0', 'f', 'first');
    expect(await replyOf(last)).toEqual([['none', [['1-0', ['f', 'first']]]]]);
    const resp3 = await server.connect({ protocol: 3 });
    resp3.send('XREAD', 'BLOCK', '1', 'STREAMS', 'none', '$');
    expect((await resp3.reply()).raw.toString()).toBe('_\r\n');
    expect(await admin.call('XREAD', 'BLOCK', '1', 'STREAMS', 'none', '$')).toBe(null);
  });

  it('XREADGROUP hears that its key or group is gone; history never waits', async () => {
    const admin = await server.connect();
    const gone = "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    const read = ['XREADGROUP', 'GROUP', 'g', 'c', 'BLOCK', '0', 'STREAMS', 's', '>'];
    const ends: (readonly [string[], string])[] = [
      [['DEL', 's'], gone],
      [['XGROUP', 'DESTROY', 's', 'g'], gone],
      [['SET', 's', 'x'], 'WRONGTYPE Operation against a key holding the wrong kind of value'],
      [['RENAME', 's', '{s}other'], gone],
      [['FLUSHALL'], gone],
    ];
    for (const [command, text] of ends) {
      await admin.call('DEL', 's');
      await admin.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
      const client = await waiting(...read);
      await admin.call(...command);
      const reply = await client.reply();
      expect([reply.type, String(reply.bytes)]).toEqual(['error', text]);
    }
    await admin.call('XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM');
    const client = await server.connect();
    expect(await client.call(...read.slice(0, -1), '0')).toEqual([['s', []]]);
    const other = await waiting(...read);
    expect(await admin.call('XINFO', 'CONSUMERS', 's', 'g')).toHaveLength(1);
    await admin.call('XADD', 's', '1-0', 'f', 'v');
    expect(await replyOf(other)).toEqual([['s', [['1-0', ['f', 'v']]]]]);
  });
});

/** Order of two IDs of less than 2^53 each. */
function order(a: string, b: string): number {
  const [ms, seq] = a.split('-').map(Number) as [number, number];
  const [otherMs, otherSeq] = b.split('-').map(Number) as [number, number];
  return ms - otherMs || seq - otherSeq;
}
