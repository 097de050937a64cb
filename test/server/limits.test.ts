// Limits on clients: how many, how idle, how much they send and leave unread, how fast, and from where.
//
// Beside test/server/bad-input.test.ts, which has the limits of the protocol and of the buffers against bad clients.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { makeTemporaryFolder } from '../support/process-guard.ts';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { describeServer, describeTopologies, LEFT_IS_REDIS, sabreCommand } from '../support/sabre-server.ts';

const KEYS_FOR_LONG_COMMANDS = '50000';

describeTopologies(
  'maxclients',
  (server) => {
    afterEach(async () => {
      // The next test must find room.
      await server.process.closeClients();
      await expect
        .poll(async () => {
          const client = await server.connect();
          const reply = await client.command('INFO', 'clients').catch(() => null);
          await client.close();
          return String(reply?.bytes);
        })
        .toContain('\nconnected_clients:1\r\n');
    });

    it('refuses who comes too many, over all acceptors, and counts them', async () => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => server.connect()));
      for (const client of clients) expect(await client.call('PING')).toBe('PONG');
      for (let i = 0; i < 20; i++) {
        const refused = await server.connect();
        expect((await refused.readUntilClosed()).toString()).toBe('-ERR max number of clients reached\r\n');
      }
      const info = String(await clients[0]!.call('INFO'));
      expect(info).toContain('\nrejected_connections:20\r\n');
      expect(info).toContain('\nconnected_clients:12\r\n');
      expect(info).toContain('\nmaxclients:12\r\n');
    });

    it('takes others when some have gone, and more when it is raised', async () => {
      const clients = await Promise.all(Array.from({ length: 12 }, () => server.connect()));
      await clients.pop()!.close();
      const [admin] = clients;
      await expect
        .poll(async () => String(await admin!.call('INFO', 'clients')))
        .toContain('\nconnected_clients:11\r\n');
      expect(await (await server.connect()).call('PING')).toBe('PONG');
      expect(await admin!.call('CONFIG', 'SET', 'maxclients', '13')).toBe('OK');
      expect(await (await server.connect()).call('PING')).toBe('PONG');
      const refused = await server.connect();
      expect((await refused.readUntilClosed()).toString()).toBe('-ERR max number of clients reached\r\n');
      expect(await admin!.call('CONFIG', 'SET', 'maxclients', '12')).toBe('OK');
    });
  },
  { args: ['--maxclients', '12'] },
);

describeServer(
  'timeout',
  (server) => {
    it('closes idle clients only', async () => {
      const idle = await server.connect();
      const monitor = await server.connect();
      const active = await server.connect();
      expect(await monitor.call('MONITOR')).toBe('OK');
      while (!idle.closed) {
        expect(await active.call('PING')).toBe('PONG');
        await sleep(50);
      }
      expect(await active.call('CONFIG', 'SET', 'timeout', '0')).toBe('OK');
      expect(monitor.closed).toBe(false);
      expect(await active.call('CONFIG', 'SET', 'timeout', '1')).toBe('OK');
      expect((await active.readUntilClosed()).toString()).toBe('');
    });
  },
  { args: ['--timeout', '1'] },
);

describeTopologies(
  'client-query-buffer-limit',
  (server) => {
    it('is no limit to a pipeline of any length, even behind long commands', async () => {
      const client = await server.connect();
      await client.call('DEBUG', 'POPULATE', KEYS_FOR_LONG_COMMANDS);
      const set = encodeCommand(['SET', 'a', 'x'.repeat(1_000)]);
      const long = encodeCommand(['KEYS', 'nosuch*']);
      const part = Buffer.concat([long, ...Array.from({ length: 2_000 }, () => set)]);
      for (let i = 0; i < 5; i++) client.sendRaw(part);
      for (let i = 0; i < 5; i++) {
        expect((await client.reply()).raw.toString()).toBe('*0\r\n');
        for (let n = 0; n < 2_000; n++) expect((await client.reply()).raw.toString()).toBe('+OK\r\n');
      }
    });
  },
  { args: ['--client-query-buffer-limit', '1mb'] },
);

describeServer('client-output-buffer-limit', (server) => {
  const REQUESTS = 60;

  /** A client that has 60 MB of replies coming and reads none. */
  async function greedy(admin: RawClient): Promise<RawClient> {
    await admin.call('SET', 'large', 'x'.repeat(1_000_000));
    const client = await server.connect();
    await client.call('PING'); // Now it is in CLIENT LIST.
    client.pause();
    client.sendRaw(Buffer.concat(Array.from({ length: REQUESTS }, () => encodeCommand(['GET', 'large']))));
    return client;
  }

  const disconnections = async (admin: RawClient) =>
    Number(
      String(await admin.call('INFO', 'stats')).match(
        /\nclient_output_buffer_limit_disconnections:(\d+)/,
      )![1],
    );
  const isConnected = async (admin: RawClient, client: RawClient) =>
    String(await admin.call('CLIENT', 'LIST')).includes(` addr=127.0.0.1:${client.socket.localPort} `);

  it('soft drops who is over it for its seconds', async () => {
    const admin = await server.connect();
    expect(await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 10mb 1')).toBe('OK');
    const before = LEFT_IS_REDIS ? 0 : await disconnections(admin);
    const client = await greedy(admin);
    await expect.poll(() => isConnected(admin, client), { timeout: 20_000 }).toBe(false);
    await server.process.waitForLog(/Client id=\d+ .* closed (ASAP )?for overcoming of output buffer limits/);
    if (!LEFT_IS_REDIS) expect(await disconnections(admin)).toBe(before + 1);
  });

  it('soft lets who reads in time go on', async () => {
    const admin = await server.connect();
    expect(await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 10mb 3600')).toBe('OK');
    const client = await greedy(admin);
    await expect.poll(async () => String(await admin.call('CLIENT', 'LIST'))).toMatch(/ omem=[1-9]\d{7,} /);
    client.resume();
    for (let i = 0; i < REQUESTS; i++) expect((await client.reply()).bytes!.length).toBe(1_000_000);
    expect(await client.call('PING')).toBe('PONG');
  });

  it('none is the default for normal clients', async () => {
    const admin = await server.connect();
    expect(await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0')).toBe('OK');
    const client = await greedy(admin);
    await expect.poll(async () => String(await admin.call('CLIENT', 'LIST'))).toMatch(/ omem=[1-9]\d{7,} /);
    expect(await isConnected(admin, client)).toBe(true);
    client.resume();
    for (let i = 0; i < REQUESTS; i++) expect((await client.reply()).bytes!.length).toBe(1_000_000);
  });

  it('hard drops a single reply that is over it', async () => {
    const admin = await server.connect();
    await admin.call('SET', 'large', 'x'.repeat(20_000_000));
    expect(await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 10mb 0 0')).toBe('OK');
    const client = await server.connect();
    await client.call('PING'); // Now it is in CLIENT LIST.
    client.pause();
    client.send('GET', 'large');
    await expect.poll(() => isConnected(admin, client), { timeout: 20_000 }).toBe(false);
    expect(await admin.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0')).toBe('OK');
  });
});

describe.skipIf(LEFT_IS_REDIS)('client-rate-limit', () => {
  describeServer(
    'of commands',
    (server) => {
      it('slows who is over it and nobody else, and drops nobody', async () => {
        const fast = await server.connect();
        const calm = await server.connect();
        const started = performance.now();
        // One second's worth is free; the rest of a burst must be paid back before the next is read.
        for (let burst = 0; burst < 3; burst++) {
          const replies = await fast.pipeline(Array.from({ length: 800 }, () => ['INCR', 'counter']));
          expect(replies.at(-1)!.raw.toString()).toBe(`:${(burst + 1) * 800}\r\n`);
          if (burst === 0) {
            fast.send('ECHO', 'later');
            const info = String(await calm.call('INFO', 'clients'));
            expect(info).toContain('\nrate_limited_clients:1\r\n');
            expect((await fast.reply()).bytes!.toString()).toBe('later');
          }
        }
        // 1,601 commands had to be paid before the last burst was read, at 500 a second, the first 500 free.
        expect(performance.now() - started).toBeGreaterThan(2_000);
        expect(String(await calm.call('INFO', 'clients'))).toMatch(/\nrate_limit_delays:[1-9]/);
        await expect
          .poll(async () => String(await calm.call('INFO', 'clients')), { timeout: 10_000 })
          .toContain('\nrate_limited_clients:0\r\n');
        expect(await fast.call('GET', 'counter')).toBe('2400');
      });

      it('counts what runs on shard workers too', async () => {
        const client = await server.connect();
        const other = await server.connect();
        await other.call('DEBUG', 'POPULATE', '100');
        await client.pipeline(Array.from({ length: 900 }, () => ['KEYS', 'nosuch']));
        client.send('PING');
        await expect
          .poll(async () => String(await other.call('INFO', 'clients')), { interval: 5 })
          .toContain('\nrate_limited_clients:1\r\n');
        expect((await client.reply()).raw.toString()).toBe('+PONG\r\n');
      });

      it('may be lifted while the server runs', async () => {
        const admin = await server.connect();
        const client = await server.connect();
        const delays = async () =>
          Number(String(await admin.call('INFO', 'clients')).match(/\nrate_limit_delays:(\d+)/)![1]);
        expect(await admin.call('CONFIG', 'SET', 'client-rate-limit', '0 0')).toBe('OK');
        const before = await delays();
        for (let i = 0; i < 3; i++) await client.pipeline(Array.from({ length: 2_000 }, () => ['PING']));
        expect(await delays()).toBe(before);
        expect(await admin.call('CONFIG', 'SET', 'client-rate-limit', '500 0')).toBe('OK');
      });
    },
    { args: ['--client-rate-limit', '500 0'] },
  );

  describeServer(
    'of bytes',
    (server) => {
      it('slows a client that sends much', async () => {
        const client = await server.connect();
        const other = await server.connect();
        const started = performance.now();
        for (let i = 0; i < 4; i++) expect(await client.call('SET', 'a', 'x'.repeat(1_000_000))).toBe('OK');
        expect(performance.now() - started).toBeGreaterThan(900);
        expect(String(await other.call('INFO', 'clients'))).toMatch(/\nrate_limit_delays:[1-9]/);
        expect(await other.call('STRLEN', 'a')).toBe(1_000_000);
      });
    },
    { args: ['--client-rate-limit', '0 1mb'] },
  );
});

describeServer(
  'the sockets',
  (server) => {
    /** What ss tells of the sockets on the server's port. */
    function sockets(...args: string[]): string {
      const result = spawnSync('ss', ['-Htno', ...args, `sport = :${server.port}`], { encoding: 'utf8' });
      if (result.error !== undefined) throw new Error('No ss. Debian and Ubuntu: apt-get install iproute2');
      return result.stdout;
    }

    it('have the backlog that is set', () => {
      // State, Recv-Q, Send-Q: of a listening socket, the backlog.
      const lines = sockets('-l').trimEnd().split('\n');
      for (const line of lines) expect(line).toMatch(/^LISTEN +0 +37 /);
    });

    it('are kept alive', async () => {
      const client = await server.connect();
      await client.call('PING');
      const line = sockets()
        .split('\n')
        .find((text) => text.includes(`:${client.socket.localPort} `));
      expect(line).toMatch(/timer:\(keepalive,(1min\d+|[5-7]\d)sec/);
    });

    it('take a rush of connections', async () => {
      const clients = await Promise.all(Array.from({ length: 400 }, () => server.connect()));
      const replies = await Promise.all(clients.map((client) => client.call('INCR', 'n')));
      expect(new Set(replies).size).toBe(400);
    });
  },
  { args: ['--tcp-backlog', '37', '--tcp-keepalive', '75'] },
);

describe('protected-mode', () => {
  /**
   * In a network namespace of its own, where the loopback device has a second, public address: what clients from both
   * see. Sends nothing over any network.
   */
  const SCRIPT = `
    ip link set lo up && ip addr add 10.99.0.1/32 dev lo || exit 9
    "$@" --port 6399 --bind 0.0.0.0 -::* --save "" --loglevel warning >server.log 2>&1 &
    server=$!
    near() { redis-cli -p 6399 "$@"; }
    far() { redis-cli -h 10.99.0.1 -p 6399 "$@"; }
    for i in $(seq 200); do near PING >ping.txt 2>&1; grep -q PONG ping.txt && break; sleep 0.05; done
    echo "-- on"; near PING; redis-cli -h ::1 -p 6399 PING; far PING
    echo "-- off"; near CONFIG SET protected-mode no; far PING
    echo "-- password"; near CONFIG SET protected-mode yes requirepass secret; far PING; far -a secret PING 2>/dev/null
    kill $server; wait $server
  `;

  it.skipIf(!namespacesWork()).each([[[]], [['--acceptors', '2']]])('keeps others out (%j)', (more) => {
    const run = (command: readonly string[]) => {
      const folder = makeTemporaryFolder('sabre-test-namespace-');
      const script = join(folder, 'script.sh');
      writeFileSync(script, SCRIPT);
      const result = spawnSync('unshare', [...UNSHARE, 'sh', script, ...command], {
        cwd: folder,
        encoding: 'utf8',
        timeout: 50_000,
      });
      return { status: result.status, output: result.stdout + result.stderr };
    };
    const redis = run([redisExecutable()]);
    const sabre = run([...sabreCommand(), ...(LEFT_IS_REDIS ? [] : more)]);
    expect(redis.output).toContain('DENIED Redis is running in protected mode');
    // Redis 7.0's text has a slip that 7.4's has not.
    expect(sabre).toEqual({ ...redis, output: redis.output.replaceAll('Setup a an', 'Set up an') });
  });
});

const UNSHARE = ['--net', ...(process.getuid?.() === 0 ? [] : ['--map-root-user'])];

/** Whether this user may make a network namespace: not in every container, and nowhere but on Linux. */
function namespacesWork(): boolean {
  return spawnSync('unshare', [...UNSHARE, 'ip', 'link', 'set', 'lo', 'up']).status === 0;
}
