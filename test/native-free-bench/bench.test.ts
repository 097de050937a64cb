import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { askServer, fillServer, withControl } from '../../native-free-bench/control.ts';
import { runLoad, startLoad } from '../../native-free-bench/load/generator.ts';
import { KEY, VALUE } from '../../native-free-bench/load/requests.ts';
import { LOAD_DEFAULTS, type LoadSpec } from '../../native-free-bench/load/spec.ts';
import { findProgram } from '../../native-free-bench/machine.ts';
import { preload } from '../../native-free-bench/measure.ts';
import {
  messageBytes,
  sampleBystander,
  sampleClients,
  sampleConnects,
  samplePublish,
} from '../../native-free-bench/measure-conversations.ts';
import { sleep } from '../../native-free-bench/measure-parts.ts';
import {
  configure,
  sampleHalfRateSave,
  sampleLogCost,
  sampleSaveAndLoad,
  sampleSaveMemory,
} from '../../native-free-bench/measure-persistence.ts';
import { parseServer, Server } from '../../native-free-bench/servers.ts';
import { checkXml } from './xml.ts';

const MAIN = fileURLToPath(new URL('../../native-free-bench/main.ts', import.meta.url));
const redisInstalled =
  findProgram('redis-server') !== undefined && findProgram('redis-benchmark') !== undefined;
const directory = mkdtempSync(join(tmpdir(), 'bench-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the benchmark with a temporary directory of its own, so that what it leaves behind can be seen. */
function bench(args: string[], temporary: string): Promise<Finished> {
  return new Promise((resolve) => {
    const env = { ...process.env, TMPDIR: temporary };
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const SET = { command: ['SET', KEY, VALUE], weight: 1 };
const GET = { command: ['GET', KEY], weight: 4 };

describe.skipIf(!redisInstalled)('the comparison, with redis-server on both sides', () => {
  it('runs both drivers, reports, and leaves nothing behind', async () => {
    const file = (name: string): string => join(directory, name);
    const args = [
      '--quick',
      '--rounds',
      '2',
      '--requests',
      '5000',
      '--servers',
      'redis,redis',
      '--threads',
      '2',
    ];
    args.push(
      '--only',
      'set-p16,start',
      '--json',
      file('a.json'),
      '--svg',
      file('a.svg'),
      '--markdown',
      file('a.md'),
    );
    const temporary = mkdtempSync(join(directory, 'tmp-'));
    const { code, stdout, stderr } = await bench(args, temporary);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/SET, pipeline 16 +[\d,]+ req\/s +[\d,]+ req\/s +\d\.\d\d/);
    const document = JSON.parse(readFileSync(file('a.json'), 'utf8'));
    expect(document.results).toHaveLength(2);
    for (const result of document.results) expect(result.samples).toHaveLength(4);
    expect(document.servers.map((server: { label: string }) => server.label)).toEqual(['Redis', 'Redis 2']);
    checkXml(readFileSync(file('a.svg'), 'utf8'));
    expect(readFileSync(file('a.md'), 'utf8')).toContain('| SET, pipeline 16 |');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('fails with the log when a server can not start', async () => {
    const temporary = mkdtempSync(join(directory, 'tmp-'));
    const { code, stderr } = await bench(
      ['--servers', 'bad=redis-server --no-such-directive 1', '--only', 'start'],
      temporary,
    );
    expect(code).toBe(1);
    expect(stderr).toContain('bad ended by itself');
    expect(stderr).toContain('no-such-directive');
    expect(readdirSync(temporary)).toEqual([]);
  });

  it('says who died when a server is killed under load', async () => {
    const server = await Server.start(parseServer('redis'));
    const load = runLoad({ ...LOAD_DEFAULTS, port: server.port, mix: [SET], seconds: 30, connections: 4 });
    setTimeout(() => process.kill(server.pid, 'SIGKILL'), 300);
    await expect(server.guard(load)).rejects.toThrow(
      /Redis ended by itself \(SIGKILL\).*end of its log:.*Ready to accept/s,
    );
    await server.stop();
  });
});

/** Processes whose working directory is (or was) inside a directory. Linux. */
function processesIn(path: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`).startsWith(path);
    } catch {
      return false; // ended meanwhile, or not ours to look at
    }
  });
}

describe.skipIf(!redisInstalled || process.platform !== 'linux')('a benchmark that is stopped', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('takes its servers and files with it on %s', async (signal, code) => {
    const temporary = mkdtempSync(join(directory, 'tmp-'));
    const env = { ...process.env, TMPDIR: temporary };
    const args = [MAIN, '--servers', 'redis,redis', '--only', 'set-p1', '--requests', '100000000'];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('loading')) resolve();
      });
    });
    expect(processesIn(temporary)).toHaveLength(2);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(readdirSync(temporary)).toEqual([]);
    // killed is not yet gone: the kernel takes a moment
    await expect.poll(() => processesIn(temporary), { timeout: 10_000 }).toEqual([]);
  });
});

describe.skipIf(!redisInstalled)('the load generator on redis-server', () => {
  async function withRedis(work: (base: LoadSpec, server: Server) => Promise<void>): Promise<void> {
    const server = await Server.start(parseServer('redis'));
    try {
      await work({ ...LOAD_DEFAULTS, port: server.port, connections: 6, keys: 10_000, mix: [SET] }, server);
    } finally {
      await server.stop();
    }
  }

  it('loads every key once, then finds them all, over several threads', async () => {
    await withRedis(async (base, server) => {
      const loaded = await runLoad({
        ...base,
        threads: 2,
        pipeline: 10,
        distribution: 'sequential',
        requests: 10_000,
      });
      expect(loaded.errors).toBe(0);
      expect(loaded.requests).toBeGreaterThanOrEqual(10_000);
      expect(await askServer(server.port, [['DBSIZE'], ['STRLEN', 'key:000000009999']])).toEqual([
        10_000, 32,
      ]);
      const zipf: LoadSpec = { ...base, threads: 2, distribution: 'zipfian', mix: [GET, SET], pipeline: 16 };
      const read = await runLoad({ ...zipf, requests: 20_000 });
      expect([read.errors, read.nulls]).toEqual([0, 0]);
      expect(read.latencyUs.p50).toBeGreaterThan(0);
      expect(read.latencyUs.max).toBeGreaterThanOrEqual(read.latencyUs.p999);
    });
  });

  it('offers a fixed rate in an open loop, no more and no less', async () => {
    await withRedis(async (base) => {
      const open = await runLoad({
        ...base,
        threads: 2,
        rate: 2000,
        pipeline: 2,
        seconds: 0.5,
        warmupSeconds: 0.1,
      });
      // each connection's first request inside the measured part may fall on either side of its edge
      expect(Math.abs(open.requests - 1000)).toBeLessThanOrEqual(2 * 2 * 6);
    });
  });

  it('ends when it is told to, and counts what was due before', async () => {
    await withRedis(async (base, server) => {
      for (const spec of [{ ...base, rate: 2000, warmupSeconds: 0.1 }, base]) {
        const running = startLoad({ ...spec, threads: 2, seconds: 600 });
        await running.measuring;
        await askServer(server.port, [['CLIENT', 'PAUSE', '300']]);
        await sleep(200);
        running.stop();
        const result = await running.done;
        expect(result.requests).toBeGreaterThan(0);
        // a closed loop counts the replies that came before; an open loop, what was due before
        if ('rate' in spec) expect(result.latencyUs.max).toBeGreaterThanOrEqual(100_000);
        else expect(result.elapsedMs).toBeGreaterThanOrEqual(200);
      }
    });
  });

  it('that is ended before it began has nothing to tell', async () => {
    await withRedis(async (base) => {
      const running = startLoad({ ...base, rate: 2000, seconds: 600 });
      running.stop();
      expect(await running.done).toMatchObject({ requests: 0, errors: 0 });
    });
  });

  it('counts errors and misses', async () => {
    await withRedis(async (base) => {
      const failing = await runLoad({ ...base, mix: [{ command: ['NOPE', KEY], weight: 1 }], requests: 60 });
      expect(failing.errors).toBeGreaterThanOrEqual(60);
      expect(failing.firstError).toContain("unknown command 'NOPE'");
      const missing = await runLoad({ ...base, mix: [GET], requests: 60 });
      expect(missing.nulls).toBe(missing.requests);
    });
  });
});

describe.skipIf(!redisInstalled)('the control connection', () => {
  it('fills a server in pipelines and tells the first refusal', async () => {
    const server = await Server.start(parseServer('redis'));
    try {
      const commands = Array.from({ length: 1001 }, (_, i) => ['SADD', 'set', `member:${i}`]);
      await fillServer(server.port, commands);
      expect(await askServer(server.port, [['SCARD', 'set']])).toEqual([1001]);
      await expect(fillServer(server.port, [...commands, ['LPUSH', 'set', 'x']])).rejects.toThrow(
        'WRONGTYPE',
      );
    } finally {
      await server.stop();
    }
  });

  it('fails when the server closes it, and after that', async () => {
    const server = await Server.start(parseServer('redis'));
    try {
      await withControl(server.port, async (control) => {
        await expect(control.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'no')).resolves.toBe(1);
        await expect(control.ask('PING')).rejects.toThrow(/closed/);
        await expect(control.ask('PING')).rejects.toThrow(/closed/);
      });
    } finally {
      await server.stop();
    }
  });
});

describe.skipIf(!redisInstalled)('samples of persistence and of clients, on redis-server', () => {
  const settings = {
    quick: true,
    threads: 1,
    benchmarkThreads: 1,
    redisBenchmark: undefined,
    requests: undefined,
  };
  const KEYS = 20_000;

  async function withServers(
    count: number,
    work: (...servers: Server[]) => Promise<void>,
    args: readonly string[] = [],
  ): Promise<void> {
    const servers: Server[] = [];
    try {
      for (let i = 0; i < count; i++) servers.push(await Server.start(parseServer('redis'), args));
      for (const server of servers) await preload(server, KEYS, 32, 1);
      await work(...servers);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }

  it('compare a log with none', async () => {
    await withServers(2, async (server, twin) => {
      await configure(server!, { appendfsync: 'everysec', appendonly: 'yes' });
      const work = { load: { pipeline: 4, mix: [SET] }, seconds: { full: 1, quick: 0.1 } };
      const sample = await sampleLogCost(work, server!, twin!, settings);
      expect(sample['partPercent']).toBeCloseTo((100 * sample['rps']!) / sample['rpsWithoutLog']!);
      const on = await withControl(server!.port, (control) => control.info('persistence'));
      const off = await withControl(twin!.port, (control) => control.info('persistence'));
      expect([on.get('aof_enabled'), off.get('aof_enabled')]).toEqual(['1', '0']);
      // the log holds what was set, and no base was written over it meanwhile
      expect(Number(on.get('aof_current_size'))).toBeGreaterThan(Number(on.get('aof_base_size')));
    });
  });

  it('take snapshots, their files, a start with them, and what clients and memory feel', async () => {
    await withServers(1, async (server) => {
      const saved = await sampleSaveAndLoad(server!);
      expect(saved).toMatchObject({ keys: KEYS });
      expect(saved['fileMb']).toBeGreaterThan((KEYS * 48) / 1e6);
      expect(saved['saveMs']).toBeGreaterThan(0);
      expect(saved['loadMs']).toBeGreaterThan(0);
      const load = { pipeline: 1, mix: [GET, SET] };
      const seconds = { full: 1, quick: 0.2 };
      const felt = await sampleHalfRateSave({ load, seconds }, server!, settings, 1000);
      expect(felt['timesUsual']).toBeCloseTo(felt['duringP99Us']! / felt['usualP99Us']!);
      expect(felt['forkUs']).toBeGreaterThan(0);
      const rate = { full: 1000, quick: 1000 };
      const memory = await sampleSaveMemory({ load: { pipeline: 1, mix: [SET] }, rate }, server!, settings);
      expect(memory['usedMb']).toBeGreaterThan(1);
      expect(memory['extraMb']).toBeGreaterThanOrEqual(0);
      const stats = await withControl(server!.port, (control) => control.info('persistence'));
      expect(stats.get('rdb_saves')).toBe('3');
    });
  });

  it('count messages, clients and connects', async () => {
    await withServers(1, async (server) => {
      const small = { full: 200, quick: 100 };
      const published = await samplePublish(
        { kind: 'publish', pipeline: 16, subscribers: 5, messages: small, messageBytes: 7 },
        server!,
        settings,
      );
      expect(published['perSecond']).toBeCloseTo(5 * published['publishedPerSecond']!);
      const clients = await sampleClients({ kind: 'clients', clients: small }, server!, settings);
      expect(clients).toMatchObject({ clients: 100 });
      const seconds = { full: 1, quick: 0.1 };
      const connects = await sampleConnects({ kind: 'connects', perSecond: 500, seconds }, server!, settings);
      expect(connects).toMatchObject({ connects: 50 });
      // no faster than was offered
      expect(connects['perSecond']).toBeLessThan(750);
      const load = { pipeline: 4, mix: [GET, SET] };
      const beside = await sampleBystander(
        { kind: 'bystander', subscribers: small, load, seconds },
        server!,
        settings,
      );
      expect(beside['partPercent']).toBeCloseTo((100 * beside['rps']!) / beside['rpsAlone']!);
      const stats = await withControl(server!.port, (control) => control.info('stats'));
      expect(stats.get('pubsub_channels')).toBe('0');
      expect(Number(stats.get('total_connections_received'))).toBeGreaterThan(300);
    });
  });

  it('know how long a message is, and fail where clients are refused', async () => {
    expect(messageBytes('news', 32)).toBe(
      `*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$32\r\n${'x'.repeat(32)}\r\n`.length,
    );
    await withServers(1, async (server) => {
      await configure(server!, { maxclients: '20' });
      const clients = { full: 100, quick: 100 };
      const sample = sampleClients({ kind: 'clients', clients }, server!, settings);
      await expect(sample).rejects.toThrow('max number of clients');
    });
  });

  it('fail when the snapshot leaves no file', async () => {
    await withServers(1, (server) => expect(sampleSaveAndLoad(server!)).rejects.toThrow('dump.rdb'), [
      '--dbfilename',
      'elsewhere.rdb',
    ]);
  });

  it('fail when a directive is refused', async () => {
    await withServers(1, async (server) => {
      await expect(configure(server!, { appendfsync: 'sometimes' })).rejects.toThrow('appendfsync');
    });
  });
});

describe('the load generator on a server of the test', () => {
  /** Answers a connection's first read in its own way. */
  async function against(
    answer: (socket: Socket) => void,
    work: (port: number) => Promise<void>,
  ): Promise<void> {
    const server: NetServer = createServer((socket) => {
      socket.on('error', () => {}); // the generator may hang up first
      socket.once('data', () => answer(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      await work((server.address() as { port: number }).port);
    } finally {
      server.close();
    }
  }

  const small = { ...LOAD_DEFAULTS, connections: 1, keys: 10, mix: [SET], seconds: 5 };

  it('counts a stall against every request that was due during it, in an open loop', async () => {
    let stalled = false;
    const server = createServer((socket) => {
      socket.on('error', () => {}); // the generator may hang up first
      socket.on('data', (data) => {
        const replies = '+OK\r\n'.repeat(data.toString('latin1').split('SET').length - 1);
        if (stalled) {
          socket.write(replies);
          return;
        }
        stalled = true;
        socket.pause();
        setTimeout(() => {
          socket.write(replies);
          socket.resume();
        }, 400);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const port = (server.address() as { port: number }).port;
      const result = await runLoad({ ...small, port, rate: 1000, seconds: 0.8 });
      // 400 of 800 requests were due while it stood still, evenly from 400 ms to 0 ms before it went on
      expect(result.requests).toBeGreaterThanOrEqual(800);
      expect(result.latencyUs.max).toBeGreaterThan(350_000);
      expect(result.latencyUs.p90).toBeGreaterThan(200_000);
      // one connection has not so many batches: most were sent late, which was the server's fault
      expect(result.lagUs.p50).toBeLessThan(100_000);
    } finally {
      server.close();
    }
  });

  it('fails when a connection is closed', async () => {
    await against(
      (socket) => socket.end(),
      (port) => expect(runLoad({ ...small, port })).rejects.toThrow('closed a connection'),
    );
  });

  it('fails on bytes that are not RESP', async () => {
    await against(
      (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n'),
      (port) => expect(runLoad({ ...small, port })).rejects.toThrow('does not start a reply'),
    );
  });

  it('fails on a reply too many', async () => {
    await against(
      (socket) => socket.write('+OK\r\n+OK\r\n'),
      (port) => expect(runLoad({ ...small, port, requests: 1 })).rejects.toThrow('reply to no request'),
    );
  });

  it('fails when nobody listens', async () => {
    let unused = 0;
    await against(
      () => {},
      async (port) => {
        unused = port;
      },
    );
    await expect(runLoad({ ...small, port: unused })).rejects.toThrow('ECONNREFUSED');
  });
});

describe('the program', () => {
  it('prints its help and its scenarios', async () => {
    const help = await bench(['--help'], directory);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toContain('--quick');
    expect((await bench(['--list'], directory)).stdout).toContain('set-p64-a2');
  });

  it('refuses what it does not know', async () => {
    expect(await bench(['--only', 'nope'], directory)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('nope'),
    });
    expect((await bench(['--frob'], directory)).code).toBe(1);
    expect(existsSync(join(directory, '--frob'))).toBe(false);
  });
});
