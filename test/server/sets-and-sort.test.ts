// Sets and SORT on whole servers, with several threads at work: members are neither lost nor doubled, results are of
// one moment, long commands and writers of their keys do not mix.

import { afterEach, describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, startSabre, useServer } from '../support/sabre-server.ts';

const CONNECTIONS = 8;
const LIMIT = { timeout: 60_000 };
const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe.each([
  [1, 1],
  [2, 2],
])('%i acceptors, %i shard workers: sets and SORT', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args: [...args, '--enable-debug-command', 'yes'] }));

  afterEach(async () => {
    if (LEFT_IS_REDIS) return;
    const client = await server.connect();
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });

  async function storm(work: (client: RawClient, index: number) => Promise<void>): Promise<void> {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()));
    await Promise.all(clients.map(work));
  }

  it('SPOP gives each member to one client', LIMIT, async () => {
    const client = await server.connect();
    const all = numbered('member:', 6000);
    for (let from = 0; from < all.length; from += 1000) {
      await client.call('SADD', 'pool', ...all.slice(from, from + 1000));
    }
    const taken: string[] = [];
    await storm(async (each, index) => {
      for (;;) {
        const replies = await each.pipeline(
          Array.from({ length: 20 }, (_, i) =>
            i % 5 === index % 5 ? ['SPOP', 'pool', '7'] : ['SPOP', 'pool'],
          ),
        );
        const found = replies.flatMap((reply) => (reply.items ?? [reply]).map((item) => item.bytes));
        const members = found.filter((bytes) => bytes !== null).map(String);
        taken.push(...members);
        if (members.length === 0) return;
      }
    });
    expect(taken.sort()).toEqual([...all].sort());
    expect(await client.call('EXISTS', 'pool')).toBe(0);
  });

  it('SMOVE neither loses nor doubles a member', LIMIT, async () => {
    const client = await server.connect();
    const keys = numbered('set:', 6);
    const all = numbered('', 60);
    await client.call('SADD', keys[0]!, ...all);
    await storm(async (each, index) => {
      let random = index + 1;
      for (let round = 0; round < 20; round++) {
        await each.pipeline(
          Array.from({ length: 50 }, () => {
            random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
            return ['SMOVE', keys[random % 6]!, keys[(random >> 8) % 6]!, all[(random >> 16) % 60]!];
          }),
        );
      }
    });
    const found: string[] = [];
    for (const key of keys) found.push(...((await client.call('SMEMBERS', key)) as string[]));
    expect(found.sort()).toEqual([...all].sort());
  });

  it('SORT reads the keys that its patterns name at one moment', LIMIT, async () => {
    const client = await server.connect();
    const names = numbered('', 50);
    const weights = (value: number): string[] => names.flatMap((name) => [`weight:${name}`, String(value)]);
    await client.call('RPUSH', 'list', ...names);
    await client.call('MSET', ...weights(0));
    await storm(async (each, index) => {
      for (let round = 0; round < 60; round++) {
        if (index % 2 === 0) await each.call('MSET', ...weights(round * 8 + index));
        else {
          const values = (await each.call('SORT', 'list', 'BY', 'weight:*', 'GET', 'weight:*')) as string[];
          expect(values.length).toBe(50);
          expect(new Set(values).size).toBe(1);
        }
      }
    });
  });

  it('a long union is of one moment, whoever writes meanwhile', LIMIT, async () => {
    const client = await server.connect();
    for (let from = 0; from < 60_000; from += 2000) {
      const part = Array.from({ length: 2000 }, (_, i) => from + i);
      await client.call('SADD', 'one', ...part.map((n) => `a${n}`));
      await client.call('SADD', 'two', ...part.map((n) => `b${n}`));
    }
    await storm(async (each, index) => {
      for (let round = 0; round < 5; round++) {
        if (index < 2) {
          const size = (await each.call('SUNIONSTORE', `union:${index}`, 'one', 'two')) as number;
          expect(await each.call('SCARD', `union:${index}`)).toBe(size);
          // The writer's members come in pairs.
          expect(size % 2).toBe(0);
        } else if (index === 2) {
          for (let i = 0; i < 20; i++) await each.call('SADD', 'one', `c${round}:${i}`, `d${round}:${i}`);
        } else expect(await each.call('SISMEMBER', 'two', 'b17')).toBe(1);
      }
    });
    expect(await client.call('SUNIONSTORE', 'union:0', 'one', 'two')).toBe(120_000 + 200);
    expect(await client.call('SINTERCARD', '2', 'union:0', 'one')).toBe(60_000 + 200);
    expect(await client.call('UNLINK', 'union:0', 'union:1', 'one', 'two')).toBe(4);
  });
});
