// redis-cli in all its modes: what it prints with Sabre is what it prints with redis-server.

import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { guardProcess, releaseProcess } from '../support/process-guard.ts';
import { startRedis } from '../support/redis-server.ts';
import { startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import { runToExit, type ServerProcess } from '../support/server-process.ts';

const ENDS_WELL = { code: 0, signal: null, errors: '' };
const LIMIT_MS = 30_000;

/** Runs redis-cli to its end; what it printed on each stream (their order is chance), and how it ended. */
async function cli(server: ServerProcess, args: readonly string[], stdin = '') {
  const child = spawn('redis-cli', ['-p', String(server.port), ...args], { stdio: 'pipe', detached: true });
  guardProcess(child.pid!);
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  child.stdin.on('error', () => {}); // It may end without reading its input.
  child.stdin.end(stdin);
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const ended = await new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  clearTimeout(timer);
  releaseProcess(child.pid!);
  return { ...ended, output, errors };
}

/** Runs a mode that never ends for a while; stdbuf, since what is still in its buffer is lost then. */
function cliFor(server: ServerProcess, seconds: number, args: readonly string[]): string {
  const command = [
    '-s',
    'INT',
    String(seconds),
    'stdbuf',
    '-o0',
    'redis-cli',
    '-p',
    String(server.port),
    ...args,
  ];
  const result = spawnSync('timeout', command, { encoding: 'utf8', input: '' });
  expect(result.stderr).toBe('');
  return result.stdout;
}

describe.each(TOPOLOGIES)('redis-cli ($name)', ({ args }) => {
  let sabre: ServerProcess;
  let redis: ServerProcess;
  beforeAll(async () => {
    if (spawnSync('redis-cli', ['--version']).status !== 0) {
      throw new Error('No redis-cli. Debian and Ubuntu: apt-get install redis-tools');
    }
    sabre = await startSabre({ args });
    redis = await startRedis();
  });
  afterAll(async () => {
    await sabre?.stop();
    await redis?.stop();
  });
  beforeEach(async () => {
    for (const server of [sabre, redis]) expect((await cli(server, ['FLUSHALL'])).output).toBe('OK\n');
  });

  /** Runs it with both servers: the output, the same up to what `mask` matches. */
  async function same(words: readonly string[], stdin = '', mask = /(?!)/g): Promise<string> {
    const [left, right] = await Promise.all([cli(sabre, words, stdin), cli(redis, words, stdin)]);
    const masked = (text: string) => text.replace(mask, '?');
    expect({ ...left, output: masked(left.output) }).toEqual({ ...right, output: masked(right.output) });
    return left.output;
  }

  it('takes commands from standard input', async () => {
    const lines = [
      'SET a 1',
      'GET a',
      'GET nosuch',
      'INCR a',
      'INCR',
      'NOSUCH 1 2',
      '"SET" "b" "\\x00\\xff\\n"',
      'MGET a b nosuch',
      '3 PING',
      'SELECT 3',
      'SET c 1 EX 100',
      'SELECT 0',
      'OBJECT HELP',
      'TYPE a',
      'CONFIG GET maxmemory-policy',
      'BITFIELD f SET u8 0 255 GET u4 0',
      'STRLEN b',
      'LCS a b LEN',
      'QUIT',
    ];
    const output = await same([], `${lines.join('\n')}\n`);
    expect(output).toContain('PONG\nPONG\nPONG\n');
  });

  it('prints replies of both protocols as a person reads them', async () => {
    for (const protocol of ['-2', '-3']) {
      const words = [protocol, '--no-raw'];
      await same([...words, 'SET', 'a', 'x y']);
      expect(await same([...words, 'MGET', 'a', 'nosuch'])).toBe('1) "x y"\n2) (nil)\n');
      await same([...words, 'CONFIG', 'GET', 'hz']);
      await same([...words, 'INCR', 'a']);
      await same([...words, 'EXISTS', 'a']);
      await same([...words, 'SCAN', '0']);
      await same([...words, 'LCS', 'a', 'a', 'IDX']);
      await same([...words, 'CLIENT', 'TRACKINGINFO']);
    }
    await same(['--csv', 'MGET', 'a', 'nosuch']);
    await same(['--json', 'CONFIG', 'GET', 'hz']);
    await same(['--quoted-input', 'SET', '"\\x01"', '"\\r\\n"']);
    await same(['-e', 'INCR', 'a']);
    await same(['-r', '3', 'INCR', 'n']);
    await same(['-n', '5', 'SET', 'in five', '1']);
    await same(['-x', 'SET', 'from input'], 'some\0bytes\n');
    expect(await same(['GET', 'from input'])).toBe('some\0bytes\n\n');
  });

  it('authenticates with -a, --user and a URL', async () => {
    for (const server of [sabre, redis]) await cli(server, ['CONFIG', 'SET', 'requirepass', 'se cret']);
    await same(['PING']);
    await same(['-a', 'wrong', 'PING']);
    await same(['-a', 'se cret', 'PING']);
    await same(['--no-auth-warning', '-a', 'se cret', '--user', 'default', 'PING']);
    for (const server of [sabre, redis]) {
      const url = `redis://default:se%20cret@127.0.0.1:${server.port}/7`;
      const ended = await runToExit(['redis-cli', '--no-auth-warning', '-u', url, 'CLIENT', 'INFO']);
      expect(ended.output).toContain(' db=7 ');
    }
    for (const server of [sabre, redis]) {
      const ended = await cli(server, ['-a', 'se cret', 'CONFIG', 'SET', 'requirepass', '']);
      expect(ended.output).toContain('OK\n');
    }
  });

  it('--pipe sends a mass of commands, errors among them', async () => {
    const commands: string[] = [];
    for (let i = 0; i < 50_000; i++) commands.push(`SET key:${i} ${'v'.repeat(i % 100)}x\r\n`);
    commands.splice(25_000, 0, 'INCR key:1\r\n');
    const output = await same(['--pipe'], commands.join(''));
    expect(output).toContain('errors: 1, replies: 50001\n');
    expect(await same(['DBSIZE'])).toBe('50000\n');
  });

  it('--pipe sends binary values', async () => {
    const value = `\0\r\n${'x'.repeat(100_000)}`;
    const request = `*3\r\n$3\r\nSET\r\n$1\r\na\r\n$${value.length}\r\n${value}\r\n`;
    expect(await same(['--pipe'], request.repeat(100))).toContain('errors: 0, replies: 100\n');
    expect(await same(['STRLEN', 'a'])).toBe(`${value.length}\n`);
  });

  it('--scan and --bigkeys see every key', async () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => `SET key:${i} ${'v'.repeat(1 + (i % 50))}`);
    await same(['--pipe'], `${lines.join('\r\n')}\r\nSET big ${'x'.repeat(5_000)}\r\n`);
    const sorted = (text: string) => text.trimEnd().split('\n').sort();
    for (const words of [
      ['--scan'],
      ['--scan', '--pattern', 'key:1?2*'],
      ['--scan', '--quoted-pattern', '"b*"'],
    ]) {
      const [left, right] = await Promise.all([cli(sabre, words), cli(redis, words)]);
      expect(sorted(left.output)).toEqual(sorted(right.output));
    }
    const summary = (text: string) => text.slice(text.indexOf('-------- summary'));
    const [left, right] = await Promise.all([cli(sabre, ['--bigkeys']), cli(redis, ['--bigkeys'])]);
    expect(summary(left.output)).toContain('Biggest string found \'"big"\' has 5000 bytes\n');
    expect(summary(left.output)).toBe(summary(right.output));
    expect(left).toMatchObject(ENDS_WELL);
  });

  it('--memkeys weighs every key', async () => {
    await cli(sabre, ['--pipe'], `SET small x\r\nSET big ${'x'.repeat(5_000)}\r\n`);
    const { output, ...ended } = await cli(sabre, ['--memkeys']);
    expect(ended).toEqual(ENDS_WELL);
    expect(output).toMatch(/Sampled 2 keys in the keyspace!/);
    const bytes = Number(output.match(/Biggest string found '"big"' has (\d+) bytes/)?.[1]);
    expect(bytes).toBeGreaterThan(5_000);
    expect(bytes).toBeLessThan(7_000);
  });

  it('--hotkeys finds the key that is read most, with an LFU policy', async () => {
    for (const server of [sabre, redis]) {
      await cli(server, ['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lfu']);
      const reads = Array.from({ length: 2_000 }, () => 'GET hot\r\n').join('');
      await cli(server, ['--pipe'], `SET hot 1\r\nSET cold 1\r\n${reads}`);
      const { output } = await cli(server, ['--hotkeys']);
      expect(output).toMatch(/hot key found with counter: \d+\tkeyname: "hot"/);
      await cli(server, ['CONFIG', 'SET', 'maxmemory-policy', 'noeviction']);
    }
    await same(['--hotkeys']);
  });

  it('--latency measures', async () => {
    const { output, ...ended } = await cli(sabre, ['--latency', '-i', '0.5']);
    expect(ended).toEqual(ENDS_WELL);
    expect(output).toMatch(/^\d+ \d+ \d+\.\d\d \d+\n$/);
    expect(cliFor(sabre, 1.5, ['--latency-history', '-i', '0.5'])).toMatch(/^\d+ \d+ \d+\.\d\d \d+\n/);
    expect(cliFor(sabre, 1.5, ['--latency-dist', '-i', '0.5']).length).toBeGreaterThan(0);
  });

  it('--stat shows keys, memory and clients', async () => {
    await cli(sabre, ['SET', 'a', '1']);
    const lines = cliFor(sabre, 1.5, ['--stat', '-i', '0.4']).split('\n');
    const row = lines.find((line) => /^\d/.test(line))!;
    // keys  mem  clients  blocked  requests (change)  connections
    expect(row).toMatch(/^1 +[\d.]+[BKMG] +\d+ +0 +\d+ \(\+\d+\) +\d+ *$/);
  });

  it('monitors', async () => {
    const child = spawn('redis-cli', ['-p', String(sabre.port), 'MONITOR'], {
      stdio: 'pipe',
      detached: true,
    });
    guardProcess(child.pid!);
    const seen: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      seen.push(line);
      if (seen.length === 1) await cli(sabre, ['-n', '2', 'SET', 'a b', '\n"']);
      if (line.includes('SET')) break;
    }
    child.kill('SIGKILL');
    releaseProcess(child.pid!);
    expect(seen[0]).toBe('OK');
    expect(seen.at(-1)).toMatch(/^\d+\.\d{6} \[2 127\.0\.0\.1:\d+\] "SET" "a b" "\\n\\""$/);
  });

  it('says what is not there', async () => {
    const { errors } = await cli(sabre, ['--rdb', '-']);
    expect(errors).toMatch(/unknown command/);
    expect((await cli(sabre, ['EVAL', 'return 1', '0'])).output).toMatch(/^ERR unknown command 'EVAL'/);
  });
});
