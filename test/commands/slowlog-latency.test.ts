// SLOWLOG and LATENCY on a running server, beside redis-server where both can show the same.

import { expect, it } from 'vitest';
import { masked } from '../support/comparisons.ts';
import { describeDifferential } from '../support/differential.ts';
import { describeTopologies } from '../support/sabre-server.ts';

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
    const entries = masked(VARYING);
    await diff.sameBy(entries, 'SLOWLOG', 'GET', '2');
    await diff.sameBy(entries, 'SLOWLOG', 'GET');
    await diff.same('CONFIG', 'SET', 'slowlog-log-slower-than', '10000');
    await diff.same('SLOWLOG', 'GET', '0');
    await diff.same('SLOWLOG', 'RESET');
    await diff.same('SLOWLOG', 'LEN');
  });

  it('are late for the latency monitor', async () => {
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
