// The caches of node-redis and redis-py: what they have read comes from their own memory until somebody changes the key.

import { spawnSync } from 'node:child_process';
import { createClient } from 'redis';
import { expect, it } from 'vitest';
import { describeTopologies } from '../support/sabre-server.ts';
import { programPath } from './client-checks.ts';

/** A Python whose redis-py has a cache: version 5.1 or newer, which Debian does not have yet. Null if there is none. */
function pythonWithCache(): string | null {
  for (const python of [process.env['SABRE_TEST_PYTHON'], 'python3'])
    if (python && spawnSync(python, ['-c', 'import redis.cache'], { stdio: 'ignore' }).status === 0)
      return python;
  return null;
}

const python = pythonWithCache();
if (python === null)
  console.warn(
    'NOT TESTED: the cache of redis-py. It needs `pip install redis`, version 5.1 or newer (or SABRE_TEST_PYTHON).',
  );

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

describeTopologies('the cache of redis-py', (server) => {
  it.skipIf(python === null)('holds what was read, and never what is old', () => {
    const ran = spawnSync(python!, [programPath('redis_py_cache.py'), String(server.port)], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toBe('ok\n');
  });
});
