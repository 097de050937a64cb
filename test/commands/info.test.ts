// INFO: the sections and fields of redis-server, in its order, and figures that are true.

import { describe, expect, it } from 'vitest';
import { describeDifferential } from '../support/differential.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { describeTopologies } from '../support/sabre-server.ts';

/** Fields that have no meaning here. */
const LEFT_OUT = ['gcc_version'];

function parseInfo(text: string): Map<string, Map<string, string>> {
  const sections = new Map<string, Map<string, string>>();
  let fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    if (line.startsWith('# ')) sections.set(line.slice(2), (fields = new Map()));
    else if (line !== '') fields.set(line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1));
  }
  return sections;
}

async function info(client: RawClient, ...sections: string[]): Promise<Map<string, Map<string, string>>> {
  return parseInfo(String(await client.call('INFO', ...sections)));
}

async function fields(client: RawClient, section: string): Promise<Map<string, string>> {
  const [only] = (await info(client, section)).values();
  return only!;
}

describeDifferential(
  'INFO against redis-server',
  (diff) => {
    it.each([[[]], [['all']], [['everything']], [['default', 'commandstats']]])(
      'has its sections: %j',
      async (args) => {
        const ours = [...(await info(diff.sabre, ...args)).keys()];
        const theirs = [...(await info(diff.redis, ...args)).keys()];
        expect(ours.filter((name) => name !== 'Threads' && name !== 'Shards')).toEqual(theirs);
      },
    );

    it('has its fields in its order', async () => {
      for (const client of [diff.sabre, diff.redis]) {
        await client.call('SET', 'key', 'value', 'PX', '100000');
        await client.callError('LPOP');
      }
      const ours = await info(diff.sabre, 'everything');
      const theirs = await info(diff.redis, 'everything');
      for (const [name, section] of theirs) {
        if (name === 'Commandstats' || name === 'Latencystats') continue;
        const wanted = [...section.keys()].filter((field) => !LEFT_OUT.includes(field));
        const found = [...ours.get(name)!.keys()].filter((field) => section.has(field));
        expect(found, name).toEqual(wanted);
      }
    });

    it('prints values of the same form', async () => {
      const ours = await info(diff.sabre, 'everything');
      const theirs = await info(diff.redis, 'everything');
      for (const [name, section] of theirs) {
        for (const [field, value] of section) {
          const mine = ours.get(name)?.get(field);
          if (mine !== undefined) expect(form(mine), `${field}:${mine}`).toBe(form(value));
        }
      }
    });

    it('is one section for one word', async () => {
      for (const section of ['server', 'CLIENTS', 'memory', 'keyspace', 'threads', 'Shards']) {
        expect((await info(diff.sabre, section)).size).toBe(1);
      }
    });
  },
  { protocols: [2] },
);

/** What kind of value it is: numbers by their decimals, texts as such. */
function form(value: string): string {
  if (/^-?\d+$/.test(value)) return 'integer';
  const decimals = /^-?\d+\.(\d+)$/.exec(value);
  if (decimals !== null) return `decimals ${decimals[1]!.length}`;
  if (/^\d+(\.\d+)?[BKMGTP]$/.test(value)) return 'human';
  if (/^\d+\.\d\d%$/.test(value)) return 'percent';
  if (/^[0-9a-f]{40}$/.test(value)) return 'hex40';
  return value.includes('=') ? value.replace(/=[^,]*/g, '').replace(',subexpiry', '') : 'text';
}

describeTopologies('INFO', (server) => {
  it('counts commands, errors, hits, keys and bytes', async () => {
    const client = await server.connect();
    await client.call('CONFIG', 'RESETSTAT');
    for (let i = 0; i < 5; i++) await client.call('SET', `k${i}`, 'v', 'EX', '1000');
    await client.call('SET', 'other', 'v');
    for (let i = 0; i < 7; i++) await client.call('GET', `k${i}`);
    await client.callError('INCR', 'k1');
    await client.callError('GET');
    const stats = await fields(client, 'stats');
    expect(stats.get('keyspace_hits')).toBe('5');
    expect(stats.get('keyspace_misses')).toBe('2');
    expect(stats.get('total_error_replies')).toBe('2');
    expect(Number(stats.get('total_commands_processed'))).toBeGreaterThanOrEqual(14);
    expect(Number(stats.get('total_net_input_bytes'))).toBeGreaterThan(400);
    const keyspace = (await fields(client, 'keyspace')).get('db0')!;
    expect(keyspace).toMatch(/^keys=6,expires=5,avg_ttl=\d+,subexpiry=0$/);
    const ttl = Number(/avg_ttl=(\d+)/.exec(keyspace)![1]);
    expect(ttl).toBeGreaterThan(900_000);
    expect(ttl).toBeLessThanOrEqual(1_000_000);
    const commands = await fields(client, 'commandstats');
    expect(commands.get('cmdstat_set')).toMatch(
      /^calls=6,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=0,failed_calls=0$/,
    );
    expect(commands.get('cmdstat_incr')).toMatch(/^calls=1,.*,failed_calls=1$/);
    expect(commands.get('cmdstat_get')).toMatch(/^calls=7,.*,rejected_calls=1,failed_calls=0$/);
    expect((await fields(client, 'errorstats')).get('errorstat_ERR')).toBe('count=2');
    expect((await fields(client, 'latencystats')).get('latency_percentiles_usec_set')).toMatch(
      /^p50=\d+\.\d{3},p99=\d+\.\d{3},p99\.9=\d+\.\d{3}$/,
    );
  });

  it('follows latency-tracking-info-percentiles and latency-tracking', async () => {
    const client = await server.connect();
    await client.call('CONFIG', 'SET', 'latency-tracking-info-percentiles', '0 50.5 100');
    await client.call('SET', 'k', 'v');
    expect((await fields(client, 'latencystats')).get('latency_percentiles_usec_set')).toMatch(
      /^p0=.*,p50\.5=.*,p100=/,
    );
    await client.call('CONFIG', 'SET', 'latency-tracking', 'no');
    expect(await fields(client, 'latencystats')).toEqual(new Map());
    await client.call(
      'CONFIG',
      'SET',
      'latency-tracking',
      'yes',
      'latency-tracking-info-percentiles',
      '50 99 99.9',
    );
  });

  it('tells used memory to within 5% of what was stored', async () => {
    const client = await server.connect();
    const used = async (): Promise<number> => Number((await fields(client, 'memory')).get('used_memory'));
    const before = await used();
    const value = 'x'.repeat(100_000);
    for (let i = 0; i < 200; i++) await client.call('SET', `k${i}`, value);
    const grown = (await used()) - before;
    expect(grown).toBeGreaterThan(200 * 100_000);
    expect(grown).toBeLessThan(200 * 100_000 * 1.15);
    expect((await fields(client, 'memory')).get('used_memory_peak_human')).toMatch(/^\d+\.\d\dM$/);
    await client.call('FLUSHALL');
    expect(Number((await fields(client, 'memory')).get('used_memory_dataset'))).toBeLessThan(1_000_000);
  });

  it('has a line for each thread and each shard', async () => {
    const client = await server.connect();
    await client.call('SET', 'k', 'v');
    const threads = await fields(client, 'threads');
    const count = 1 + Number(threads.get('acceptors')) + Number(threads.get('shard_workers'));
    const lines = [...threads].filter(([name]) => /^thread\d+$/.test(name)).map(([, line]) => line);
    expect(lines).toHaveLength(count);
    const sum = (field: string): number =>
      lines.reduce((total, line) => total + Number(new RegExp(`${field}=(\\d+)`).exec(line)![1]), 0);
    expect(sum('clients')).toBe(1);
    expect(sum('commands')).toBeGreaterThan(0);
    const shards = await fields(client, 'shards');
    const keys = [...shards].reduce(
      (total, [, line]) => total + Number(/keys=(\d+)/.exec(line)?.[1] ?? 0),
      0,
    );
    expect(keys).toBe(1);
    expect(shards.get('shards')).toBe('64');
  });

  it('samples rates', async () => {
    const client = await server.connect();
    const until = Date.now() + 1500;
    let rate = 0;
    while (Date.now() < until && rate === 0) {
      for (let i = 0; i < 200; i++) await client.call('PING');
      rate = Number((await fields(client, 'stats')).get('instantaneous_ops_per_sec'));
    }
    expect(rate).toBeGreaterThan(0);
  });
});

describe('INFO in process', () => {
  it('says who it is', () => {
    const text = new InProcess().text('INFO', 'server');
    expect(text).toMatch(/\r\nredis_version:7\.4\.0\r\nserver_name:sabre\r\nsabre_version:/);
  });

  it('estimates the share of keys that are overdue', () => {
    const server = new InProcess();
    const now = 1_700_000_000_000;
    server.setTime(now);
    for (let i = 0; i < 300; i++) server.run('SET', `a${i}`, 'v', 'PXAT', now + 10);
    for (let i = 0; i < 100; i++) server.run('SET', `b${i}`, 'v', 'PXAT', now + 100_000);
    server.setTime(now + 1000);
    const percent = Number(/expired_stale_perc:([\d.]+)/.exec(server.text('INFO', 'stats'))![1]);
    expect(percent).toBeGreaterThan(25);
    expect(percent).toBeLessThan(100);
    expect(server.text('INFO', 'keyspace')).toContain('db0:keys=400,expires=400,avg_ttl=99000,');
    server.checkInvariants();
  });
});
