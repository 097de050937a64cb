// Starting a whole server: what it logs and when, its arguments and files, and how it refuses to start.
//
// Scripts and test tools wait for these lines, so their wording and order are Redis's.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { guardProcess, makeTemporaryFolder, reservePort } from '../support/process-guard.ts';
import { RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import {
  LEFT_IS_REDIS,
  runSabreToExit,
  sabreCommand,
  startSabre,
  TOPOLOGIES,
} from '../support/sabre-server.ts';
import { runToExit, type ServerOptions, type ServerProcess } from '../support/server-process.ts';
import { UnseenServer } from '../support/unseen-server.ts';

const NAME = LEFT_IS_REDIS ? 'Redis' : 'Sabre';
const LINE = /^\d+:[CMSX] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d{3} [.*#-] /;

/** A server that is stopped when the test ends, unless the test has seen it end. */
async function start(options: ServerOptions = {}): Promise<ServerProcess> {
  const server = await startSabre(options);
  onTestFinished(() => server.stop());
  return server;
}

describe('the log of a start', () => {
  it('has the lines that tools wait for, in their order', async () => {
    const server = await start({ args: ['--always-show-logo', 'no'] });
    const lines = server.log().trimEnd().split('\n');
    const expected = [
      new RegExp(`oO0OoO0OoO0Oo ${NAME} is starting oO0OoO0OoO0Oo$`),
      new RegExp(`${NAME} version=.*, pid=${server.pid}, just started$`),
      / Configuration loaded$/,
      new RegExp(` Running mode=standalone, port=${server.port}\\b.*`),
      / Server initialized$/,
      / Ready to accept connections tcp$/,
    ];
    const places = expected.map((pattern) => lines.findIndex((line) => pattern.test(line)));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    await server.waitForLog(new RegExp(` PID: ${server.pid}\\b`));
    for (const line of lines) {
      expect(line).toMatch(LINE);
      expect(line.split(':')[0]).toBe(String(server.pid));
    }
    expect(lines[0]).toMatch(/^\d+:C /);
    expect(lines.at(-1)).toMatch(/^\d+:M .* \* Ready/);
  });

  it('shows the logo where asked to, with port and PID in it', async () => {
    const server = await start({ args: ['--always-show-logo', 'yes'] });
    const log = server.log();
    expect(log).toMatch(new RegExp(` PID: ${server.pid}\\n`));
    expect(log).toMatch(new RegExp(` Port: ${server.port}\\n`));
    expect(log.indexOf(' PID: ')).toBeLessThan(log.indexOf('Server initialized'));
  });

  it('goes to logfile and nowhere else, and on at its end', async () => {
    const file = join(makeTemporaryFolder('sabre-test-log-'), 'server.log');
    writeFileSync(file, 'kept\n');
    const server = await start({ args: ['--logfile', file] });
    const first = readFileSync(file, 'utf8');
    expect(first).toMatch(/^kept\n\d+:C /);
    expect(first).toContain('Ready to accept connections');
    expect(server.log()).toBe(first);
    await server.restart();
    const second = readFileSync(file, 'utf8');
    expect(second.startsWith(first)).toBe(true);
    expect(second.match(/Ready to accept/g)).toHaveLength(2);
  });

  it('goes to a new file when its file was moved away', async () => {
    const file = join(makeTemporaryFolder('sabre-test-log-'), 'server.log');
    const server = await start({ args: ['--logfile', file] });
    renameSync(file, `${file}.1`);
    server.signal('SIGTERM');
    await server.waitExit();
    expect(readFileSync(file, 'utf8')).toContain('Received SIGTERM');
    expect(readFileSync(`${file}.1`, 'utf8')).not.toContain('Received SIGTERM');
  });

  it.each([
    ['debug', true, true, true],
    ['verbose', true, true, true],
    ['notice', false, true, true],
    ['warning', false, false, true],
    ['nothing', false, false, false],
  ] as const)('of level %s', async (level, verbose, notice, warning) => {
    const server = await UnseenServer.start(['--loglevel', level]);
    const client = await server.connect();
    expect(await client.call('CONFIG', 'GET', 'loglevel')).toEqual(['loglevel', level]);
    client.sendRaw('*abc\r\n'); // The error is logged as verbose.
    await client.readUntilClosed();
    await server.stop();
    expect(server.log().includes('Protocol error')).toBe(verbose);
    expect(server.log().includes('Ready to accept connections')).toBe(notice);
    expect(server.log().includes('ready to exit')).toBe(warning);
    expect(server.output).toBe('');
  });

  it('changes its level while the server runs', async () => {
    const server = await start({ args: ['--acceptors', '2', '--shard-workers', '2'] });
    const client = await server.connect();
    const fail = async () => {
      const other = await server.connect();
      other.sendRaw('*abc\r\n');
      await other.readUntilClosed();
    };
    await fail();
    expect(server.log()).not.toContain('Protocol error');
    expect(await client.call('CONFIG', 'SET', 'loglevel', 'verbose')).toBe('OK');
    await fail();
    await server.waitForLog('Protocol error');
  });

  it('that nobody reads any more does not stop the server', async () => {
    const port = await reservePort();
    const [executable, ...leading] = sabreCommand();
    const args = [...leading, '--port', String(port), '--save', '', '--loglevel', 'debug'];
    const child = spawn(executable!, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    guardProcess(child.pid!);
    const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve([code, signal])));
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text) => String(text).includes('Ready to accept') && resolve());
    });
    child.stdout.destroy();
    child.stderr.destroy();
    for (let i = 0; i < 10; i++) {
      const client = await RawClient.connect({ port });
      expect(await client.call('PING')).toBe('PONG');
      client.sendRaw('*abc\r\n');
      await client.readUntilClosed();
    }
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('the process', () => {
  it('that was started is the server, and has no children', async () => {
    for (const { args } of TOPOLOGIES) {
      const server = await start({ args });
      const client = await server.connect();
      const info = String(await client.call('INFO', 'server'));
      expect(info).toContain(`\nprocess_id:${server.pid}\r\n`);
      await client.call('SET', 'a', 'x'.repeat(1_000_000));
      const children = spawnSync('ps', ['-o', 'pid,args', '--no-headers', '--ppid', String(server.pid)]);
      expect(children.error).toBeUndefined();
      expect(children.stdout.toString()).toBe('');
    }
  });

  it('can be killed and started again at once on its port', async () => {
    for (const { args } of TOPOLOGIES) {
      const server = await start({ args });
      for (let round = 0; round < 2; round++) {
        const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()));
        await Promise.all(clients.map((client) => client.call('INCR', 'counter')));
        const { port } = server;
        await server.kill9();
        await server.start();
        expect(server.port).toBe(port);
        expect(await (await server.connect()).call('EXISTS', 'counter')).toBe(0);
      }
    }
  });

  it('writes its pid file, and takes it away', async () => {
    const file = join(makeTemporaryFolder('sabre-test-pid-'), 'server.pid');
    const server = await start({ args: ['--pidfile', file] });
    expect(readFileSync(file, 'utf8')).toBe(`${server.pid}\n`);
    server.signal('SIGTERM');
    await server.waitExit();
    expect(existsSync(file)).toBe(false);
  });

  it('starts without a pid file that cannot be written', async () => {
    const file = join(makeTemporaryFolder('sabre-test-pid-'), 'no such folder', 'server.pid');
    const server = await start({ args: ['--pidfile', file] });
    await server.waitForLog(/[#*] Failed to write PID file: .*[Nn]o such file or directory/);
    expect(await (await server.connect()).call('PING')).toBe('PONG');
  });

  it('goes into the background with daemonize', async () => {
    const server = await UnseenServer.start(['--daemonize', 'yes']);
    const pid = await server.pid();
    await expect.poll(() => server.child.exitCode).toBe(0);
    expect(pid).not.toBe(server.child.pid);
    expect(readFileSync(server.pidFile, 'utf8')).toBe(`${pid}\n`);
    const session = spawnSync('ps', ['-o', 'sid=,tty=', '-p', String(pid)])
      .stdout.toString()
      .trim()
      .split(/\s+/);
    expect(session).toEqual([String(pid), '?']);
    const client = await server.connect();
    expect(await client.call('SET', 'a', '1')).toBe('OK');
    expect(await client.call('CONFIG', 'GET', 'daemonize')).toEqual(['daemonize', 'yes']);
    await server.stop();
    expect(server.log()).toMatch(new RegExp(`^${pid}:M .*ready to exit`, 'm'));
    expect(existsSync(server.pidFile)).toBe(false);
    expect(server.output).toBe('');
  });
});

describe('addresses', () => {
  it('a port in use ends the start', async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) => {
      taken.listen(0, '127.0.0.1', () => resolve((taken.address() as { port: number }).port));
    });
    onTestFinished(() => void taken.close());
    for (const { args } of TOPOLOGIES) {
      const mine = LEFT_IS_REDIS ? [] : args;
      const ended = await runSabreToExit([
        '--port',
        String(port),
        '--bind',
        '127.0.0.1',
        '--save',
        '',
        ...mine,
      ]);
      expect(ended.code).toBe(1);
      expect(ended.output).toContain(
        `Warning: Could not create server TCP listening socket 127.0.0.1:${port}: bind: Address already in use\n`,
      );
      expect(ended.output).toContain(`Failed listening on port ${port} (tcp), aborting.\n`);
      expect(ended.output).not.toContain('Ready to accept');
    }
  });

  it('two servers never share a port', async () => {
    for (const { args } of TOPOLOGIES) {
      const server = await start({ args });
      const port = String(server.port);
      const mine = LEFT_IS_REDIS ? [] : args;
      const ended = await runSabreToExit(['--port', port, '--bind', '127.0.0.1', '--save', '', ...mine]);
      expect(ended.code).toBe(1);
      expect(ended.output).toContain(`Failed listening on port ${port} (tcp), aborting.\n`);
    }
  });

  it('an address that the host does not have ends the start, unless it may be missing', async () => {
    const port = String(await reservePort());
    const ended = await runSabreToExit(['--port', port, '--bind', '127.0.0.1 203.0.113.77', '--save', '']);
    expect(ended.code).toBe(1);
    expect(ended.output).toContain(`203.0.113.77:${port}: bind: Cannot assign requested address\n`);
    expect(ended.output).toContain(`Failed listening on port ${port} (tcp), aborting.\n`);
    const server = await start({ args: ['--bind', '127.0.0.1 -203.0.113.77'] });
    expect(await (await server.connect()).call('PING')).toBe('PONG');
  });

  it('several addresses, of IPv6 too', async () => {
    for (const { args } of TOPOLOGIES) {
      const server = await start({ args: [...args, '--bind', '127.0.0.1 127.0.0.2 ::1'] });
      for (const host of ['127.0.0.1', '127.0.0.2', '::1']) {
        const client = await RawClient.connect({ host, port: server.port });
        const line = String(await client.call('CLIENT', 'INFO'));
        const shown = host.includes(':') ? `[${host}]` : host;
        expect(line).toContain(` laddr=${shown}:${server.port} `);
        await client.close();
      }
      await expect(RawClient.connect({ host: '127.0.0.3', port: server.port })).rejects.toThrow(
        /ECONNREFUSED/,
      );
    }
  });

  it('nowhere to listen ends the start', async () => {
    const ended = await runSabreToExit(['--port', '0', '--save', '']);
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(/# Configured to not listen anywhere, exiting\.\n$/);
  });

  it('a unix socket, with its permissions, alone or beside TCP', async () => {
    for (const { args } of TOPOLOGIES) {
      const path = join(makeTemporaryFolder('sabre-test-unix-'), 'server.sock');
      const server = await start({ args: [...args, '--unixsocket', path, '--unixsocketperm', '750'] });
      await server.waitForLog('Ready to accept connections unix');
      expect(statSync(path).isSocket()).toBe(true);
      expect(statSync(path).mode & 0o777).toBe(0o750);
      const unix = await RawClient.connect({ path });
      await unix.call('SET', 'a', 'from the socket');
      expect(await (await server.connect()).call('GET', 'a')).toBe('from the socket');
      expect(String(await unix.call('CLIENT', 'INFO'))).toMatch(
        new RegExp(` addr=${path}:0 laddr=${path}:0 .* flags=U `),
      );
      await unix.close();
      server.signal('SIGTERM');
      await server.waitExit();
      expect(existsSync(path)).toBe(false);
    }
  });

  it('a unix socket that a killed server left is taken over', async () => {
    const path = join(makeTemporaryFolder('sabre-test-unix-'), 'server.sock');
    const server = await start({ args: ['--unixsocket', path] });
    await server.kill9();
    expect(existsSync(path)).toBe(true);
    await server.start();
    const client = await RawClient.connect({ path });
    expect(await client.call('PING')).toBe('PONG');
    await client.close();
  });

  it('a unix socket that cannot be made ends the start', async () => {
    const path = join(makeTemporaryFolder('sabre-test-unix-'), 'no such folder', 'server.sock');
    const ended = await runSabreToExit(['--port', '0', '--unixsocket', path, '--save', '']);
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(/# Failed opening Unix socket: bind: No such file or directory\n/);
  });
});

describe('the configuration', () => {
  it('comes from standard input with "-", and arguments come after it', async () => {
    const server = await start({
      configFile: `# a comment\nmaxclients 123\ntimeout 7\nrequirepass "a \\x41"\n`,
      args: ['--timeout', '9'],
    });
    const client = await RawClient.connect({ port: server.port });
    expect(await client.callError('PING')).toBe('NOAUTH Authentication required.');
    expect(await client.call('AUTH', 'a A')).toBe('OK');
    expect(await client.call('CONFIG', 'GET', 'maxclients')).toEqual(['maxclients', '123']);
    expect(await client.call('CONFIG', 'GET', 'timeout')).toEqual(['timeout', '9']);
    await client.close();
  });

  it('comes from a file, whose path is taken from where the server is started', async () => {
    const folder = makeTemporaryFolder('sabre-test-conf-');
    const data = makeTemporaryFolder('sabre-test-data-');
    const socket = join(folder, 'server.sock');
    writeFileSync(join(folder, 'more.conf'), 'maxclients 77\n');
    writeFileSync(
      join(folder, 'server.conf'),
      `include more.conf\nport 0\nunixsocket ${socket}\ndir ${data}\nsave ""\n`,
    );
    const [executable, ...leading] = sabreCommand();
    const child = spawn(executable!, [...leading, 'server.conf', '--hz', '20'], {
      cwd: folder,
      stdio: 'ignore',
      detached: true,
    });
    guardProcess(child.pid!);
    const ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
    let client: RawClient | null = null;
    await expect
      .poll(async () => (client = await RawClient.connect({ path: socket }).catch(() => null)))
      .not.toBeNull();
    const one = client!;
    expect(await one.call('CONFIG', 'GET', 'maxclients')).toEqual(['maxclients', '77']);
    expect(await one.call('CONFIG', 'GET', 'hz')).toEqual(['hz', '20']);
    expect(await one.call('CONFIG', 'GET', 'dir')).toEqual(['dir', data]);
    expect(String(await one.call('INFO', 'server'))).toContain(
      `\nconfig_file:${join(folder, 'server.conf')}\r\n`,
    );
    expect(await one.call('CONFIG', 'SET', 'hz', '30')).toBe('OK');
    expect(await one.call('CONFIG', 'REWRITE')).toBe('OK');
    expect(readFileSync(join(folder, 'server.conf'), 'utf8')).toContain('\nhz 30\n');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    await one.close();
  });

  it('that is wrong ends the start with what redis-server says', async () => {
    const wrong: [string[], string?][] = [
      [['--no-such-directive', 'x']],
      [['--port', '99999']],
      [['--port', 'x']],
      [['--maxmemory-policy', 'lru']],
      [['--maxclients', '0', '--port', '0']],
      [['-'], 'port 0\n\n# fine\nmaxmemory 1zb\n'],
      [['-'], 'port 0\ntimeout "1\n'],
      [['-'], 'timeout\n'],
      [['--dir', '/no such folder', '--port', '0']],
    ];
    for (const [args, stdin = ''] of wrong) {
      const sabre = await runSabreToExit(args, { stdin });
      const redis = await runToExit([redisExecutable(), ...args], { stdin });
      const report = /\*\*\* FATAL CONFIG FILE ERROR .*/s;
      const neutral = (text: string) => text.match(report)?.[0].replace(/\((Redis|Sabre) [\d.]+\)/, '(name)');
      expect(neutral(redis.output), args.join(' ')).toBeDefined();
      expect(neutral(sabre.output), args.join(' ')).toBe(neutral(redis.output));
      expect(sabre.code).toBe(redis.code);
    }
  });

  it('names a file that is not there', async () => {
    const ended = await runSabreToExit(['/no/such/file.conf']);
    expect(ended.code).toBe(1);
    expect(ended.output).toContain(
      "Fatal error, can't open config file '/no/such/file.conf': No such file or directory\n",
    );
  });

  it('an empty value is one', async () => {
    const server = await start({ args: ['--requirepass', '', '--bind', '127.0.0.1', '--logfile', ''] });
    const client = await server.connect();
    expect(await client.call('CONFIG', 'GET', 'requirepass')).toEqual(['requirepass', '']);
    expect(await client.call('CONFIG', 'GET', 'save')).toEqual(['save', '']);
  });
});

describe.skipIf(LEFT_IS_REDIS)('what redis-server does not have', () => {
  it('paths are taken from where the server is started, not from dir', async () => {
    const server = await start();
    const data = makeTemporaryFolder('sabre-test-data-');
    const paths = ['--logfile', 'here.log', '--pidfile', 'here.pid', '--unixsocket', 'here.sock'];
    const other = await start({ args: [...paths, '--dir', data] });
    for (const name of ['here.log', 'here.pid', 'here.sock']) {
      expect(existsSync(join(other.folder, name)), name).toBe(true);
      expect(existsSync(join(data, name)), name).toBe(false);
    }
    expect(server.port).not.toBe(other.port);
  });

  it('--check-config tells whether it would start, and does not', async () => {
    const port = await reservePort();
    const good = await runSabreToExit(['--check-config', '--port', String(port)]);
    expect(good).toMatchObject({ code: 0, output: 'Configuration OK\n' });
    const bad = await runSabreToExit(['-', '--check-config'], { stdin: 'port 1\nmaxclients many\n' });
    expect(bad.code).toBe(1);
    expect(bad.output).toMatch(
      /^\n\*\*\* FATAL CONFIG FILE ERROR \(Sabre [\d.]+\) \*\*\*\nReading the configuration file, at line 2\n>>> 'maxclients many'\n.+\n$/,
    );
  });

  it.each([
    ['--replicaof', '127.0.0.1 6379'],
    ['--cluster-enabled', 'yes'],
  ])('refuses %s, which is not built yet', async (name, value) => {
    const ended = await runSabreToExit([name, value, '--port', '0']);
    expect(ended.code).toBe(1);
    expect(ended.output).toMatch(new RegExp(`'${name.slice(2)} .*is not supported by this version`));
  });
});

describe('words of the command line', () => {
  it('--version', async () => {
    const ended = await runSabreToExit(['--version']);
    expect(ended.code).toBe(0);
    expect(ended.output).toMatch(new RegExp(`^${NAME} server v=\\d+\\.\\d+\\.\\d+ .*bits=64.*\\n$`));
    expect(await runSabreToExit(['-v'])).toEqual(ended);
  });

  it('--help', async () => {
    const ended = await runSabreToExit(['--help']);
    expect(ended.code).toBe(1); // As redis-server.
    expect(ended.output).toMatch(/^Usage: .*\[\/path\/to\/redis\.conf\] \[options\] \[-\]\n/);
    expect(await runSabreToExit(['-h'])).toEqual(ended);
  });
});
