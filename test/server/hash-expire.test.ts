// Hashes with fields that expire on a whole server: active expiry beside commands that read and change the same hashes,
// over several threads; afterwards every structure is sound and nothing is left that should be gone.

import { describe, expect, it } from 'vitest';
import type { Argument } from '../support/raw-client.ts';
import { LEFT_IS_REDIS, startSabre, useServer } from '../support/sabre-server.ts';

const CONNECTIONS = 8;
const HASHES = 24;
const LIMIT = { timeout: 60_000 };

describe.skipIf(LEFT_IS_REDIS).each([
  [1, 1],
  [2, 2],
])('fields that expire, with %i acceptors and %i shard workers', (acceptors, shardWorkers) => {
  const args = ['--acceptors', String(acceptors), '--shard-workers', String(shardWorkers)];
  const server = useServer(() => startSabre({ args: [...args, '--hash-max-listpack-entries', '20'] }));

  it('go by themselves, and their hashes with them', LIMIT, async () => {
    const client = await server.connect();
    await client.call('HSET', 'small', 'f', 'v');
    await client.call('HSET', 'stays', 'f', 'v', 'g', 'v');
    for (let i = 0; i < 3000; i++) client.send('HSET', 'big', `f${i}`, 'v');
    for (let i = 0; i < 3000; i++) await client.reply();
    const fields = Array.from({ length: 3000 }, (_, i) => `f${i}`);
    await client.call('HPEXPIRE', 'small', '20', 'FIELDS', '1', 'f');
    await client.call('HPEXPIRE', 'stays', '20', 'FIELDS', '1', 'f');
    await client.call('HPEXPIRE', 'big', '20', 'FIELDS', '3000', ...fields);
    while (Number(await client.call('DBSIZE')) > 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await client.call('HGETALL', 'stays')).toEqual(['g', 'v']);
    // The field of the other hash is hidden at once, and goes when its turn comes.
    await expect.poll(() => client.call('INFO', 'keyspace')).toContain('subexpiry=0');
    expect(await client.call('INFO', 'stats')).toContain('expired_subkeys:3002');
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK keys:1 expires:0/);
  });

  it('are whole or gone while everybody works on them', LIMIT, async () => {
    const clients = await Promise.all(Array.from({ length: CONNECTIONS }, () => server.connect()));
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 30; round++) {
          const commands: Argument[][] = [];
          for (let i = 0; i < 60; i++) {
            const key = `hash:${(i * 7 + index + round) % HASHES}`;
            const field = `f${(i * 13 + round) % 40}`;
            commands.push([
              'HSETEX',
              key,
              'PX',
              String(1 + (i % 60)),
              'FIELDS',
              '2',
              field,
              'v',
              `g${i % 9}`,
              'w',
            ]);
            if (i % 3 === 0) commands.push(['HSET', key, field, 'v']);
            if (i % 4 === 0) commands.push(['HPEXPIRE', key, '3', 'FIELDS', '1', field]);
            if (i % 5 === 0) commands.push(['HGETALL', key], ['HRANDFIELD', key, '3', 'WITHVALUES']);
            if (i % 7 === 0)
              commands.push(['HGETDEL', key, 'FIELDS', '1', field], ['HMGET', key, field, 'g1']);
            if (i % 11 === 0)
              commands.push(['HGETEX', key, 'PERSIST', 'FIELDS', '1', field], ['HSCAN', key, '0']);
            if (i % 17 === 0)
              commands.push(['COPY', key, `copy:${key}`, 'REPLACE'], ['RENAME', `copy:${key}`, key]);
            if (i % 29 === 0) commands.push(['DEL', key], ['PEXPIRE', key, '30']);
          }
          for (const reply of await client.pipeline(commands)) {
            if (reply.type === 'error') expect(String(reply.bytes)).toBe('ERR no such key');
          }
        }
      }),
    );
    const client = await server.connect();
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
    // What was set without an expiry stays; make it go like the rest.
    for (let i = 0; i < HASHES; i++) {
      const names = (await client.call('HKEYS', `hash:${i}`)) as string[];
      if (names.length > 0)
        await client.call('HPEXPIRE', `hash:${i}`, '1', 'FIELDS', String(names.length), ...names);
    }
    while (Number(await client.call('DBSIZE')) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK keys:0/);
  });
});
