// Caches: keyv with @keyv/redis, alone and as the shared level of cache-manager.

import { createKeyv } from '@keyv/redis';
import { createCache } from 'cache-manager';
import Keyv from 'keyv';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

export function cacheTests(clients: AppClients): void {
  it('keeps values of any kind by namespace, for as long as they should', async () => {
    const client = clients.ioredis();
    const users = createKeyv(clients.url(), { namespace: 'users' });
    const other = createKeyv(clients.url(), { namespace: 'other' });
    try {
      const value = { name: 'Zoë', roles: ['a', 'b'], born: null, data: Buffer.from([0, 255]) };
      await users.set('zoe', value, 100_000);
      expect(await users.get('zoe')).toEqual(value);
      expect(await other.get('zoe')).toBe(undefined);
      expect(await client.pttl('users::zoe')).toBeGreaterThan(50_000);
      await users.setMany(Array.from({ length: 500 }, (_, i) => ({ key: `u${i}`, value: i })));
      await other.set('kept', 1);
      expect(await users.getMany(['u1', 'u499', 'nobody'])).toEqual([1, 499, undefined]);
      const keys = new Set<string>();
      for await (const [key] of users.iterator!(undefined)) keys.add(key as string);
      expect(keys.size).toBe(501);
      expect(await users.delete('u1')).toBe(true);
      await users.clear();
      expect(await users.get('u2')).toBe(undefined);
      expect(await other.get('kept')).toBe(1);
    } finally {
      await users.disconnect();
      await other.disconnect();
    }
  });

  it('is computed once and shared by all who have a level of their own before it', async () => {
    const caches = Array.from({ length: 2 }, () =>
      createCache({ stores: [new Keyv(), createKeyv(clients.url())], ttl: 100_000 }),
    );
    const [first, second] = caches as [(typeof caches)[0], (typeof caches)[0]];
    try {
      let computed = 0;
      const compute = async (): Promise<number> => ++computed;
      expect(await Promise.all([first.wrap('answer', compute), first.wrap('answer', compute)])).toEqual([
        1, 1,
      ]);
      expect(await second.wrap('answer', compute)).toBe(1);
      expect(await second.mget(['answer', 'nothing'])).toEqual([1, undefined]);
      await first.del('answer');
      expect(await first.get('answer')).toBe(undefined);
    } finally {
      for (const cache of caches) await cache.disconnect();
    }
  });
}
