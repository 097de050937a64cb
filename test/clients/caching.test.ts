// The cache of node-redis: what it has read comes from its own memory until somebody changes the key. (redis-py has one from
// version 5.1 on, with the same commands: HELLO 3, CLIENT TRACKING ON, reads, invalidations; tracking.test.ts sends them by hand.)

import { createClient } from 'redis';
import { expect, it } from 'vitest';
import { describeTopologies } from '../support/sabre-server.ts';

describeTopologies('the cache of node-redis', (server) => {
  it('holds what was read, and never what is old', { timeout: 30_000 }, async () => {
    const writer = await server.connect();
    const client = createClient({
      socket: { host: '127.0.0.1', port: server.port },
      RESP: 3,
      clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' },
    });
    client.on('error', () => {});
    await client.connect();
    const commands = async (): Promise<number> =>
      Number(String(await writer.call('INFO', 'commandstats')).match(/cmdstat_get:calls=(\d+)/)?.[1] ?? 0);
    try {
      for (let round = 0; round < 30; round++) {
        await writer.call('SET', 'key', `value ${round}`);
        await writer.call('HSET', 'hash', 'field', round);
        // What it holds goes with the message, which is on its way; a PING's answer comes behind it.
        await client.ping();
        const before = await commands();
        for (let i = 0; i < 5; i++) expect(await client.get('key')).toBe(`value ${round}`);
        expect(await commands()).toBe(before + 1);
        expect({ ...(await client.hGetAll('hash')) }).toEqual({ field: String(round) });
      }
      expect(client.clientSideCache!.stats().hitCount).toBeGreaterThanOrEqual(30 * 4);
      await client.get('gone');
      await writer.call('FLUSHALL');
      await client.ping();
      expect(await client.get('key')).toBeNull();
    } finally {
      client.destroy();
    }
  });
});
