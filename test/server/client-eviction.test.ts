// maxmemory-clients: clients that take most are closed, over all acceptors; others, and those with NO-EVICT, are not. What is closed is
// what a real redis-server closes.

import { describe, expect, it } from 'vitest';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import { describeTopologies, type ServerUnderTest, useServer } from '../support/sabre-server.ts';

const MB = 2 ** 20;

/** Part of a command with an argument of MBs: it stays in the client's buffer. */
function begin(client: RawClient, megabytes: number): void {
  const command = encodeCommand(['SET', 'never', Buffer.alloc(megabytes * MB)]);
  client.sendRaw(command.subarray(0, command.length - 3));
}

async function held(admin: RawClient, name: string): Promise<number> {
  const line = String(await admin.call('CLIENT', 'LIST')).match(new RegExp(`^.* name=${name} .*$`, 'm'));
  return line === null ? 0 : Number(line[0].match(/ tot-mem=(\d+)/)![1]);
}

async function evicted(admin: RawClient): Promise<number> {
  return Number(String(await admin.call('INFO', 'stats')).match(/evicted_clients:(\d+)/)![1]);
}

function evicts(server: ServerUnderTest): void {
  it('the largest first, as many as it takes', async () => {
    const admin = await server.connect();
    const before = await evicted(admin);
    const sizes = { small: 1, keep: 8, middle: 3, large: 6, idle: 0 };
    const clients = new Map<string, RawClient>();
    for (const [name, size] of Object.entries(sizes)) {
      const client = await server.connect();
      await client.call('CLIENT', 'SETNAME', name);
      if (name === 'keep') await client.call('CLIENT', 'NO-EVICT', 'ON');
      begin(client, size);
      clients.set(name, client);
      await expect.poll(() => held(admin, name)).toBeGreaterThan(size * MB);
    }
    // Counted about once a second.
    await expect
      .poll(() => admin.call('INFO', 'memory'), { timeout: 5000 })
      .toMatch(/mem_clients_normal:[1-9]\d{7}\b/);
    // 18 MB and a little more are in use: without the large one, 12.
    await admin.call('CONFIG', 'SET', 'maxmemory-clients', 17 * MB);
    await expect.poll(() => evicted(admin)).toBe(before + 1);
    expect(await held(admin, 'large')).toBe(0);
    expect(await held(admin, 'middle')).toBeGreaterThan(3 * MB);
    await expect.poll(() => clients.get('large')!.closed).toBe(true);
    // One that grows.
    const grows = await server.connect();
    begin(grows, 8);
    await expect.poll(() => grows.closed).toBe(true);
    expect(await evicted(admin)).toBe(before + 2);
    // A percentage of maxmemory; replies that are not taken count, too.
    await admin.call('SET', 'value', Buffer.alloc(MB));
    await admin.call('CONFIG', 'SET', 'maxmemory', 1000 * MB, 'maxmemory-clients', '5%');
    const reads = await server.connect();
    reads.pause();
    for (let i = 0; i < 80; i++) reads.send('GET', 'value');
    await expect.poll(() => evicted(admin), { timeout: 10_000 }).toBeGreaterThan(before + 2);
    reads.resume();
    await expect.poll(() => reads.closed).toBe(true);
    await admin.call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-clients', 0);
    for (const name of ['small', 'keep', 'middle', 'idle'])
      expect(await held(admin, name), name).toBeGreaterThan(0);
    // Nobody may be left: the one that must not go does not.
    await clients.get('small')!.close();
    await admin.call('CLIENT', 'NO-EVICT', 'ON');
    await admin.call('CONFIG', 'SET', 'maxmemory-clients', 4 * MB);
    await expect.poll(() => clients.get('middle')!.closed).toBe(true);
    expect(await held(admin, 'keep')).toBeGreaterThan(8 * MB);
    await admin.call('CONFIG', 'SET', 'maxmemory-clients', 0);
  });
}

describeTopologies('maxmemory-clients evicts', evicts);

describe('maxmemory-clients of redis-server evicts', () => evicts(useServer(() => startRedis())));
