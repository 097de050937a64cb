// A lock as redlock takes it: SET NX PX with a secret, given back and kept only by who has it: here with WATCH instead of
// a script.

import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

export function lockTests(clients: AppClients): void {
  it('has one holder at a time, and is given back by its holder only', async () => {
    const counter = clients.ioredis();
    let inside = 0;
    let most = 0;
    const work = async (redis: Redis): Promise<void> => {
      for (let i = 0; i < 5; i++) {
        const secret = await take(redis, 'lock', 60_000);
        most = Math.max(most, ++inside);
        // Not atomic: lost if two were inside.
        await counter.set('count', Number(await counter.get('count')) + 1);
        inside--;
        expect(await giveBack(redis, 'lock', randomUUID())).toBe(false);
        expect(await giveBack(redis, 'lock', secret)).toBe(true);
      }
    };
    await Promise.all(Array.from({ length: 6 }, () => work(clients.ioredis())));
    expect(most).toBe(1);
    expect(await counter.get('count')).toBe('30');
    expect(await counter.exists('lock')).toBe(0);
  });

  it('ends by itself when its holder is gone', async () => {
    const redis = clients.ioredis();
    await take(redis, 'lock', 50);
    const secret = await take(clients.ioredis(), 'lock', 60_000);
    expect(await redis.get('lock')).toBe(secret);
  });
}

async function take(redis: Redis, key: string, ms: number): Promise<string> {
  const secret = randomUUID();
  while ((await redis.set(key, secret, 'PX', ms, 'NX')) !== 'OK') {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return secret;
}

async function giveBack(redis: Redis, key: string, secret: string): Promise<boolean> {
  await redis.watch(key);
  if ((await redis.get(key)) !== secret) {
    await redis.unwatch();
    return false;
  }
  return (await redis.multi().del(key).exec()) !== null;
}
