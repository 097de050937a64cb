// rate-limiter-flexible. Its RateLimiterRedis counts by a script unless the count never ends; RateLimiterRedisNonAtomic
// counts by transactions.

import { RateLimiterRedis, RateLimiterRedisNonAtomic, type RateLimiterRes } from 'rate-limiter-flexible';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

export function rateLimitTests(clients: AppClients): void {
  it('lets as many pass as it should, and says how long to wait, with ioredis and node-redis', async () => {
    for (const storeClient of [clients.ioredis(), await clients.nodeRedis()]) {
      const limiter = new RateLimiterRedisNonAtomic({
        storeClient,
        keyPrefix: storeClient.constructor.name,
        points: 3,
        duration: 1000,
        blockDuration: 2000,
        useRedisPackage: 'isOpen' in storeClient,
      });
      for (let left = 2; left >= 0; left--) {
        expect((await limiter.consume('who')).remainingPoints).toBe(left);
      }
      const refused = (await limiter.consume('who').catch((reason: unknown) => reason)) as RateLimiterRes;
      expect(refused.remainingPoints).toBe(0);
      expect(refused.msBeforeNext).toBeGreaterThan(1_900_000);
      expect((await limiter.get('who'))!.consumedPoints).toBeGreaterThan(3);
      expect(await limiter.get('somebody else')).toBe(null);
      expect(await limiter.delete('who')).toBe(true);
      expect((await limiter.consume('who', 2)).remainingPoints).toBe(1);
    }
  });

  it('counts atomically what never ends', async () => {
    const limiter = new RateLimiterRedis({ storeClient: clients.ioredis(), points: 50, duration: 0 });
    const tries = Array.from({ length: 80 }, () => limiter.consume('all'));
    const passed = (await Promise.allSettled(tries)).filter(({ status }) => status === 'fulfilled');
    expect(passed).toHaveLength(50);
    expect((await limiter.get('all'))!.consumedPoints).toBe(80);
  });
}
