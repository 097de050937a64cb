// CONFIG, MEMORY and SHUTDOWN where their effects are more than a reply.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryReport } from '../../src/commands/memory-doctor.ts';
import type { MemoryFacts } from '../../src/commands/memory-facts.ts';
import { describeDifferential } from '../support/differential.ts';
import { InProcess } from '../support/in-process.ts';
import {
  describeTopologies,
  LEFT_IS_REDIS,
  nodeExecutable,
  PROJECT_FOLDER,
  startSabre,
} from '../support/sabre-server.ts';
import { ServerProcess } from '../support/server-process.ts';

describeTopologies('CONFIG', (server) => {
  it('SET holds in all threads when it is answered', async () => {
    const clients = [];
    for (let i = 0; i < 6; i++) clients.push(await server.connect());
    for (let i = 1; i <= 10; i++) {
      await clients[i % 6]!.call(
        'CONFIG',
        'SET',
        'slowlog-max-len',
        String(100 + i),
        'maxmemory-samples',
        String(i),
      );
      for (const client of clients) {
        expect(await client.call('CONFIG', 'GET', 'slowlog-max-len')).toEqual([
          'slowlog-max-len',
          String(100 + i),
        ]);
      }
    }
    await clients[0]!.call('CONFIG', 'SET', 'slowlog-max-len', '128', 'maxmemory-samples', '5');
  });

  it('RESETSTAT clears what all threads have counted, and no gauges', async () => {
    const clients = [await server.connect(), await server.connect(), await server.connect()];
    for (const client of clients) {
      await client.call('GET', 'nothing');
      await client.callError('GET');
    }
    await clients[0]!.call('CONFIG', 'RESETSTAT');
    const text = String(await clients[1]!.call('INFO', 'everything'));
    expect(text).toContain('\r\nkeyspace_misses:0\r\n');
    expect(text).toContain('\r\ntotal_error_replies:0\r\n');
    expect(text).not.toContain('cmdstat_get');
    expect(text).not.toContain('errorstat_');
    expect(text).toContain('\r\nconnected_clients:3\r\n');
  });
});

describe.skipIf(LEFT_IS_REDIS)('one server', () => {
  it('CONFIG REWRITE writes the file it was started with', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sabre-rewrite-'));
    const file = join(folder, 'sabre.conf');
    writeFileSync(file, '# mine\nmaxmemory-samples 7\n');
    const main = join(PROJECT_FOLDER, 'src', 'main.ts');
    const server = new ServerProcess('sabre', nodeExecutable(), [main, file], {});
    try {
      await server.start();
      const client = await server.connect();
      await client.call('CONFIG', 'SET', 'maxmemory-samples', '9', 'hz', '20');
      expect(await client.call('CONFIG', 'REWRITE')).toBe('OK');
      const written = readFileSync(file, 'latin1');
      expect(written).toMatch(/^# mine\nmaxmemory-samples 9\n/);
      expect(written).toMatch(/\nhz 20\n/);
      expect(String(await client.call('INFO', 'server'))).toContain(`\r\nconfig_file:${file}\r\n`);
      rmSync(folder, { recursive: true });
      expect(await client.callError('CONFIG', 'REWRITE')).toMatch(/^ERR Rewriting config file: /);
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('SHUTDOWN ends it without a reply', async () => {
    const server = await startSabre();
    try {
      const client = await server.connect();
      const other = await server.connect();
      client.send('SHUTDOWN', 'NOSAVE', 'NOW');
      expect((await client.readUntilClosed()).length).toBe(0);
      await other.readUntilClosed();
      expect(await server.waitExit()).toMatchObject({ code: 0 });
    } finally {
      await server.stop();
    }
  });
});

describeDifferential(
  'MEMORY STATS',
  (diff) => {
    it('has the fields of redis-server, in its order', async () => {
      const names = async (client: typeof diff.sabre): Promise<string[]> => {
        await client.call('SET', 'k', 'v');
        const flat = (await client.call('MEMORY', 'STATS')) as unknown[];
        return flat.filter((_, i) => i % 2 === 0).map(String);
      };
      const theirs = await names(diff.redis);
      const ours = await names(diff.sabre);
      expect(ours.filter((name) => theirs.includes(name))).toEqual(theirs);
    });
  },
  { protocols: [2] },
);

describe('MEMORY in process', () => {
  it('USAGE is what the key takes, and leaves the key untouched', () => {
    const server = new InProcess();
    server.setTime(1_700_000_000_000);
    server.run('SET', 'small', 'v');
    server.run('SET', 'large', 'x'.repeat(1_000_000));
    const small = Number(server.value('MEMORY', 'USAGE', 'small'));
    const large = Number(server.value('MEMORY', 'USAGE', 'large', 'SAMPLES', '0'));
    expect(small).toBeGreaterThan(18);
    expect(small).toBeLessThan(60);
    expect(large).toBeGreaterThan(1_000_000);
    expect(large).toBeLessThan(1_000_000 * 1.13);
    server.setTime(1_700_000_100_000);
    server.run('MEMORY', 'USAGE', 'small');
    expect(server.value('OBJECT', 'IDLETIME', 'small')).toBe(100);
    expect(server.value('MEMORY', 'USAGE', 'nothing')).toBe(null);
  });

  it('MALLOC-STATS has a line for each shard', () => {
    const lines = String(new InProcess().value('MEMORY', 'MALLOC-STATS')).split('\n');
    expect(lines.filter((line) => /^ {3,4}\d+ +\d+ +\d+ +\d+ +-$/.test(line))).toHaveLength(64);
  });
});

describe('memory doctor', () => {
  const MIB = 1024 * 1024;
  const healthy: MemoryFacts = {
    used: 100 * MIB,
    peak: 110 * MIB,
    peakAt: 0,
    startup: 0,
    clients: 0,
    overhead: 0,
    dataset: 100 * MIB,
    datasetPercent: 100,
    peakPercent: 90,
    rss: 190 * MIB,
    runtime: 90 * MIB,
    allocated: 100 * MIB,
    active: 105 * MIB,
    resident: 106 * MIB,
    keys: 1,
    indexes: [],
  };
  const issues = (change: Partial<MemoryFacts>, clients = 1): string[] =>
    [...memoryReport({ ...healthy, ...change }, clients).matchAll(/^ \* ([^:]+):/gm)].map(
      (match) => match[1]!,
    );

  it('finds nothing wrong with a healthy server or an empty one', () => {
    expect(memoryReport(healthy, 1)).toMatch(/^Hi Sam, I can't find any memory issue/);
    expect(memoryReport({ ...healthy, used: MIB }, 1)).toMatch(/^Hi Sam, this instance is empty/);
  });

  it('finds each issue', () => {
    expect(issues({ peak: 151 * MIB })).toEqual(['Peak memory']);
    expect(issues({ active: 150 * MIB, resident: 150 * MIB })).toEqual(['High allocator fragmentation']);
    expect(issues({ resident: 150 * MIB })).toEqual(['High allocator RSS overhead']);
    expect(issues({ rss: 290 * MIB })).toEqual(['High total RSS', 'High process RSS overhead']);
    expect(issues({ clients: 2 * MIB }, 10)).toEqual(['Big client buffers']);
    expect(issues({ clients: 2 * MIB }, 0)).toEqual([]);
  });
});
