// redis-benchmark, unchanged: its runs end, are answered without errors, and have had their effect.

import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { startSabre, TOPOLOGIES, useServer } from '../support/sabre-server.ts';
import { runToExit } from '../support/server-process.ts';

const TESTS = ['PING_INLINE', 'PING_MBULK', 'SET', 'GET', 'INCR', 'MSET (10 keys)'];

describe.each(TOPOLOGIES)('redis-benchmark ($name)', ({ args }) => {
  const server = useServer(() => startSabre({ args }));
  beforeAll(() => {
    if (spawnSync('redis-benchmark', ['--version']).error !== undefined) {
      throw new Error('No redis-benchmark. Debian and Ubuntu: apt-get install redis-tools');
    }
  });

  /** Its lines of CSV by the name of the test, without the header. */
  async function benchmark(...words: string[]): Promise<Map<string, string[]>> {
    const command = ['redis-benchmark', '-p', String(server.port), '--csv', ...words];
    const { output, code } = await runToExit(command, { limitMs: 100_000 });
    expect({ code, output }).toEqual({ code: 0, output: expect.not.stringMatching(/error|refused|closed/i) });
    const rows = output
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('"')) // Some options make it warn.
      .map((line) => line.slice(1, -1).split('","'));
    expect(rows[0]?.slice(0, 2)).toEqual(['test', 'rps']);
    return new Map(rows.slice(1).map((row) => [row[0]!, row]));
  }

  it.each([
    ['one by one', []],
    ['in pipelines of 16', ['-P', '16']],
    ['from two threads', ['--threads', '2']],
    ['from two threads in pipelines', ['--threads', '2', '-P', '64', '-c', '20']],
    ['from one client', ['-c', '1', '-n', '3000']],
    ['with RESP3', ['-3']],
    ['with large values', ['-d', '20000', '-n', '1500', '-P', '4']],
  ])('%s', { timeout: 120_000 }, async (_name, words) => {
    const rows = await benchmark('-n', '8000', '-r', '1000', '-t', 'ping,set,get,incr,mset', ...words);
    expect([...rows.keys()]).toEqual(TESTS);
    for (const row of rows.values()) expect(Number(row[1])).toBeGreaterThan(0);
    const client = await server.connect();
    const stats = String(await client.call('INFO', 'commandstats'));
    expect(stats).not.toMatch(/failed_calls=[1-9]/);
    // 1,000 random keys were set; those of MSET have the same names.
    expect(await client.call('DBSIZE')).toBeGreaterThan(900);
  });

  it('counts exactly', async () => {
    await benchmark('-n', '20000', '-P', '16', '--threads', '2', 'INCR', 'counter');
    await benchmark('-n', '10000', '-c', '50', 'APPEND', 'text', 'xy');
    const client = await server.connect();
    expect(Number(await client.call('GET', 'counter'))).toBeGreaterThanOrEqual(20_000);
    expect((await client.call('STRLEN', 'text')) as number).toBeGreaterThanOrEqual(20_000);
    expect(((await client.call('STRLEN', 'text')) as number) % 2).toBe(0);
  });

  it('with a connection for each request', async () => {
    const rows = await benchmark('-n', '2000', '-k', '0', '-c', '20', '-t', 'set');
    expect([...rows.keys()]).toEqual(['SET']);
    const client = await server.connect();
    expect(await client.call('DBSIZE')).toBe(1);
    await expect
      .poll(async () => String(await client.call('INFO', 'clients')), { timeout: 10_000 })
      .toContain('\nconnected_clients:1\r\n');
  });
});
