// SLOWLOG and LATENCY on a running server, beside redis-server where both can show the same.

import { expect, it } from 'vitest';
import { ignored, masked } from '../support/comparisons.ts';
import { describeDifferential } from '../support/differential.ts';
import { describeServer, describeTopologies, TOPOLOGIES } from '../support/sabre-server.ts';

type Entry = [id: number, time: number, usec: number, args: string[], address: string, name: string];

/** Ids, times and addresses. */
const VARYING = /:\d+|127\.0\.0\.1:\d+|\$\d+/g;

describeDifferential('slow commands', (diff) => {
  it('are logged with their arguments, cut', async () => {
    await diff.same('CLIENT', 'SETNAME', 'me');
    await diff.same('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    await diff.same('SLOWLOG', 'RESET');
    await diff.same('SET', 'key', 'v'.repeat(300));
    await diff.same('DEL', ...Array.from({ length: 40 }, (_, i) => `key${i}`));
    await diff.same('ECHO', Buffer.from([0, 255, 13, 10]));
    await diff.same('AUTH', 'default', 'secret');
    await diff.sameBy(ignored, 'HELLO', diff.protocol, 'AUTH', 'default', 'secret', 'SETNAME', 'me');
    await diff.same('CONFIG', 'SET', 'masterauth', 'secret', 'hz', '10');
    await diff.same('ACL', 'SETUSER', 'bob', '>secret');
    await diff.same('CONFIG', 'SET', 'masterauth', '');
    const entries = masked(VARYING);
    await diff.sameBy(entries, 'SLOWLOG', 'GET', '2');
    await diff.sameBy(entries, 'SLOWLOG', 'GET', '-1');
    await diff.same('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
    await diff.same('SLOWLOG', 'GET', '0');
    await diff.same('SLOWLOG', 'RESET');
    await diff.same('SLOWLOG', 'LEN');
  });

  it('are as many as slowlog-max-len says', async () => {
    await diff.same('CONFIG', 'SET', 'slowlog-log-slower-than', '0');
    await diff.same('SLOWLOG', 'RESET');
    for (let i = 0; i < 5; i++) await diff.same('GET', `k${i}`);
    await diff.same('CONFIG', 'SET', 'slowlog-max-len', '3');
    await diff.same('SLOWLOG', 'LEN');
    await diff.same('CONFIG', 'SET', 'slowlog-max-len', '0');
    await diff.same('GET', 'k');
    await diff.same('SLOWLOG', 'LEN');
    await diff.same('CONFIG', 'SET', 'slowlog-log-slower-than', '10000', 'slowlog-max-len', '128');
  });

  it('are late for the latency monitor', async () => {
    // What a busy machine has made late in a test before stays until then.
    await Promise.all([diff.sabre.call('LATENCY', 'RESET'), diff.redis.call('LATENCY', 'RESET')]);
    await diff.same('CONFIG', 'SET', 'latency-monitor-threshold', '10');
    await diff.same('DEBUG', 'SLEEP', '0.05');
    await diff.sameBy(masked(/:\d+/g), 'LATENCY', 'LATEST');
    await diff.sameBy(masked(/:\d+/g), 'LATENCY', 'HISTORY', 'command');
    await diff.sameBy(masked(/\d+ ms|\d+s|[$=]\d+|[_o#|]|\d/g), 'LATENCY', 'GRAPH', 'command');
    const report = /\d+ms|period [\d.]+|[$=]\d+|- I detected a non zero amount of anonymous huge pages.*\n/g;
    await diff.sameBy(masked(report), 'LATENCY', 'DOCTOR');
    await diff.same('LATENCY', 'RESET', 'COMMAND', 'fork');
    await diff.same('LATENCY', 'LATEST');
    await diff.same('CONFIG', 'SET', 'latency-monitor-threshold', '0');
  });
});

describeTopologies('SLOWLOG', (server) => {
  it('keeps the newest, from all threads, with growing ids', async () => {
    const clients = [await server.connect(), await server.connect(), await server.connect()];
    const [admin] = clients;
    await admin!.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'slowlog-max-len', '5');
    for (const client of clients) for (let i = 0; i < 4; i++) await client.call('GET', `k${i}`);
    // Who has an answer finds the command in the log, asked of whichever thread.
    for (let i = 0; i < 30; i++) {
      await clients[i % 3]!.call('KEYS', `pattern${i}`);
      const [newest] = (await clients[(i + 1) % 3]!.call('SLOWLOG', 'GET', '2')) as Entry[];
      expect(newest![3]).toEqual(['KEYS', `pattern${i}`]);
    }
    await admin!.call('CONFIG', 'SET', 'slowlog-log-slower-than', '-1');
    const entries = (await admin!.call('SLOWLOG', 'GET', '-1')) as Entry[];
    expect(await admin!.call('SLOWLOG', 'LEN')).toBe(5);
    const ids = entries.map(([id]) => id);
    expect(ids).toEqual([...ids].sort((a, b) => b - a));
    expect(entries).toHaveLength(5);
    await admin!.call('SLOWLOG', 'RESET');
    expect(await admin!.call('SLOWLOG', 'GET')).toEqual([]);
    await admin!.call('CONFIG', 'SET', 'slowlog-log-slower-than', '10000', 'slowlog-max-len', '128');
  });
});

describeServer(
  'LATENCY of what goes on in the background',
  (server) => {
    it('names expiry and eviction that have taken long', async () => {
      const client = await server.connect();
      const events = async (): Promise<unknown[]> =>
        ((await client.call('LATENCY', 'LATEST')) as unknown[][]).map(([name]) => name);
      await client.call('CONFIG', 'SET', 'latency-monitor-threshold', '1');
      await client.call('LATENCY', 'RESET');
      await client.call('DEBUG', 'POPULATE', '60000', 'key', '100');
      await client.pipeline(Array.from({ length: 30_000 }, (_, i) => ['PEXPIRE', `key:${i}`, '1000']));
      await expect.poll(events, { timeout: 20_000 }).toContain('expire-cycle');
      await client.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-random', 'maxmemory', '1mb');
      await expect.poll(events, { timeout: 20_000 }).toContain('eviction-cycle');
    });
  },
  { args: ['--enable-debug-command', 'yes'] },
);

describeTopologies('LATENCY HISTOGRAM', (server) => {
  it('adds up the calls of all threads', async () => {
    const client = await server.connect({ protocol: 3 });
    await client.call('CONFIG', 'RESETSTAT');
    for (let i = 0; i < 20; i++) await client.call('SET', 'k', 'v');
    await client.call('CONFIG', 'GET', 'port');
    const reply = await client.command('LATENCY', 'HISTOGRAM', 'SET', 'config', 'nothing', 'append');
    const text = reply.raw.toString();
    expect(text.startsWith('%')).toBe(true);
    expect(text).toMatch(/\$3\r\nset\r\n%2\r\n\$5\r\ncalls\r\n:20\r\n\$14\r\nhistogram_usec\r\n%/);
    expect(text).toMatch(/config\|get\r\n%2\r\n\$5\r\ncalls\r\n:1\r\n/);
    expect(text).not.toContain('append');
  });
});

describeDifferential(
  'LATENCY HISTOGRAM',
  (diff) => {
    it('names its buckets as redis-server does', async () => {
      const limits = new Set([
        0, 1, 2, 4, 8, 16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454, 16908, 33816,
      ]);
      for (let i = 0; i < 50; i++) await diff.sameBy(ignored, 'INFO', 'everything');
      await diff.same('DEBUG', 'SLEEP', '0.012');
      for (const client of [diff.sabre, diff.redis]) {
        const flat = (await client.call('LATENCY', 'HISTOGRAM', 'info', 'debug')) as unknown[];
        const shown = [flat[1], flat[3]].flatMap((command) => {
          const buckets = (command as unknown[])[3] as number[];
          return buckets.filter((_, i) => i % 2 === 0);
        });
        expect(shown.filter((limit) => !limits.has(limit))).toEqual([]);
      }
    });
  },
  { protocols: [2], topologies: [TOPOLOGIES[1]!] },
);
