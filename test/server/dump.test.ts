// DUMP and RESTORE on whole servers: large values go through workers and let others go on, and who waits for a key gets
// what is restored there.

import { expect, it } from 'vitest';
import { describeTopologies } from '../support/sabre-server.ts';

const MEMBERS = 60_000;
const PART = 5000;

describeTopologies(
  'DUMP and RESTORE',
  (server) => {
    it('carry values of many elements, while others are served', async () => {
      const client = await server.connect();
      const other = await server.connect();
      for (let from = 0; from < MEMBERS; from += PART) {
        const numbers = Array.from({ length: PART }, (_, i) => from + i);
        await client.call('SADD', 'set', ...numbers.map((n) => `member:${n}`));
        await client.call('ZADD', 'zset', ...numbers.flatMap((n) => [n / 7, `member:${n}`]));
        await client.call('RPUSH', 'list', ...numbers);
        await client.call('HSET', 'hash', ...numbers.flatMap((n) => [`field:${n}`, n]));
      }
      await other.call('SET', 'beside', 'x');
      for (const key of ['set', 'zset', 'list', 'hash']) {
        let dumping = true;
        const work = (async () => {
          const bytes = (await client.callBuffer('DUMP', key)) as Buffer;
          expect(await client.call('RESTORE', `copy:${key}`, 0, bytes)).toBe('OK');
          expect(await client.callError('RESTORE', `copy:${key}`, 0, bytes)).toMatch(/^BUSYKEY/);
        })().finally(() => {
          dumping = false;
        });
        while (dumping) expect(await other.call('GET', 'beside')).toBe('x');
        await work;
        const [first, second] = (await client.call('DEBUG', 'DIGEST-VALUE', key, `copy:${key}`)) as string[];
        expect(second).toBe(first);
      }
      expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK/);
      await client.call('FLUSHALL');
      expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK keys:0/);
    }, 60_000);

    it('wake those who wait for the key', async () => {
      const client = await server.connect();
      const waiting = await server.connect();
      await client.call('RPUSH', 'source', 'a', 'b');
      await client.call('ZADD', 'scores', 1, 'm');
      const list = (await client.callBuffer('DUMP', 'source')) as Buffer;
      const zset = (await client.callBuffer('DUMP', 'scores')) as Buffer;
      const popped = waiting.call('BLPOP', 'list', 'zset', 0);
      await waitUntilBlocked(client);
      // A value of another type wakes nobody.
      expect(await client.call('RESTORE', 'zset', 0, zset)).toBe('OK');
      expect(await client.call('RESTORE', 'list', 0, list)).toBe('OK');
      expect(await popped).toEqual(['list', 'a']);
      const score = waiting.call('BZPOPMIN', 'other', 0);
      await waitUntilBlocked(client);
      expect(await client.call('RESTORE', 'other', 0, zset)).toBe('OK');
      expect(await score).toEqual(['other', 'm', '1']);
      expect(await client.call('EXISTS', 'other')).toBe(0);
    });
  },
  { args: ['--enable-debug-command', 'yes'] },
);

async function waitUntilBlocked(client: { call(...args: string[]): Promise<unknown> }): Promise<void> {
  for (;;) {
    if (/^blocked_clients:1\r?$/m.test(String(await client.call('INFO', 'clients')))) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
