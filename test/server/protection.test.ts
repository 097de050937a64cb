// What keeps strangers and accidents out: protected-mode, enable-protected-configs, enable-debug-command,
// enable-module-command, rename-command; beside redis-server.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { useServerPair } from '../support/differential.ts';
import { RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { runSabreToExit, sabreCommand } from '../support/sabre-server.ts';
import { runToExit, ServerProcess } from '../support/server-process.ts';

/** An address of this machine that is not the loopback interface's. */
const OUTSIDE = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .find((address) => address.family === 'IPv4' && !address.internal)?.address;

const folder = mkdtempSync(join(tmpdir(), 'sabre-protection-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('clients from outside', () => {
  const servers = useServerPair(
    ['--acceptors', '2'],
    [
      '--bind',
      '*',
      '--enable-protected-configs',
      'local',
      '--enable-debug-command',
      'local',
      '--enable-module-command',
      'local',
    ],
  );
  const both = <Outcome>(run: (server: ServerProcess) => Promise<Outcome>): Promise<Outcome[]> =>
    Promise.all([servers().sabre, servers().redis].map(run));

  it.skipIf(OUTSIDE === undefined)('are refused in protected mode while there is no password', async () => {
    const [sabre, redis] = await both(async (server) => {
      const admin = await server.connect();
      await admin.call('CONFIG', 'SET', 'protected-mode', 'yes');
      const target = { port: server.port, host: OUTSIDE! };
      const seen: string[] = [];
      const denied = String(await (await RawClient.connect(target)).readUntilClosed());
      // A slip that later versions have mended.
      seen.push(denied.replace('4) Setup a an', '4) Set up an'));
      seen.push(String(await admin.call('PING')));
      await admin.call('CONFIG', 'SET', 'requirepass', 'secret');
      const withPassword = await RawClient.connect(target);
      seen.push(await withPassword.callError('PING'), String(await withPassword.call('AUTH', 'secret')));
      await withPassword.close();
      await admin.call('CONFIG', 'SET', 'requirepass', '');
      // Any user without a password is not enough: it is the default user that counts.
      await admin.call('ACL', 'SETUSER', 'default', 'resetpass', '>pw');
      const other = await RawClient.connect(target);
      seen.push(await other.callError('PING'));
      await other.close();
      await admin.call('ACL', 'SETUSER', 'default', 'nopass');
      await admin.call('CONFIG', 'SET', 'protected-mode', 'no');
      const open = await RawClient.connect(target);
      seen.push(String(await open.call('PING')));
      await open.close();
      seen.push(/rejected_connections:(\d+)/.exec(String(await admin.call('INFO', 'stats')))![1]!);
      return seen;
    });
    expect(sabre).toEqual(redis);
    expect(sabre![0]).toMatch(/^-DENIED /);
  });

  it.skipIf(OUTSIDE === undefined)('may not do what is for local ones', async () => {
    const [sabre, redis] = await both(async (server) => {
      const admin = await server.connect();
      await admin.call('CONFIG', 'SET', 'protected-mode', 'no');
      const seen: string[] = [];
      for (const host of ['127.0.0.1', OUTSIDE!]) {
        const client = await RawClient.connect({ port: server.port, host });
        for (const words of [
          ['CONFIG', 'SET', 'dbfilename', 'other.rdb'],
          ['CONFIG', 'SET', 'maxmemory-samples', '6', 'dbfilename', 'x.rdb'],
          ['CONFIG', 'GET', 'maxmemory-samples'],
          ['CONFIG', 'SET', 'enable-debug-command', 'yes'],
          ['DEBUG', 'JMAP'],
          ['DEBUG', 'SLEEP', '0'],
          ['MODULE', 'LIST'],
          ['MODULE', 'LOAD', '/no/such.so'],
          ['MODULE', 'UNLOAD', 'x'],
          ['MULTI'],
          ['DEBUG', 'SLEEP', '0'],
          ['CONFIG', 'SET', 'dbfilename', 'dump.rdb'],
          ['EXEC'],
        ]) {
          seen.push((await client.command(...words)).raw.toString());
        }
        await client.close();
      }
      return seen;
    });
    expect(sabre).toEqual(redis);
  });
});

describe('a configuration file', () => {
  const start = async (name: string, lines: string): Promise<[ServerProcess, ServerProcess]> => {
    const file = join(folder, `${name}.conf`);
    writeFileSync(file, lines);
    const [sabreProgram, ...sabreWords] = sabreCommand();
    const sabre = new ServerProcess('sabre', sabreProgram!, [...sabreWords, file], {
      args: ['--acceptors', '2'],
    });
    const redis = new ServerProcess('redis', redisExecutable(), [file], {});
    await Promise.all([sabre.start(), redis.start()]);
    return [sabre, redis];
  };

  it('renames commands, takes them away, and protects by default', async () => {
    const servers = await start(
      'renamed',
      [
        'rename-command FLUSHALL ""',
        'rename-command GET fetch',
        'rename-command config hidden-CONFIG',
        'rename-command SET get',
        'rename-command PSETEX PSETEX',
        'enable-debug-command no',
      ].join('\n'),
    );
    try {
      const outcomes = await Promise.all(
        servers.map(async (server) => {
          const client = await server.connect();
          const watcher = await server.connect();
          await watcher.call('MONITOR');
          const seen: string[] = [];
          for (const words of [
            ['FLUSHALL'],
            ['GET', 'k', 'v'],
            ['SET', 'k', 'v'],
            ['FETCH', 'k'],
            ['fetch'],
            ['get', 'k'],
            ['CONFIG', 'GET', 'port'],
            ['Hidden-Config', 'GET', 'hz'],
            ['HIDDEN-CONFIG', 'nosuch'],
            ['HIDDEN-CONFIG', 'SET', 'dbfilename', 'x'],
            ['HIDDEN-CONFIG', 'SET', 'dir', '/'],
            ['PSETEX', 'p', '100000', 'v'],
            ['DEBUG', 'SLEEP', '0'],
            ['DEBUG'],
            ['COMMAND', 'GETKEYS', 'fetch', 'k'],
            ['ACL', 'SETUSER', 'bob', 'on', 'nopass', '+get', '~*'],
            ['ACL', 'DRYRUN', 'bob', 'fetch', 'k'],
            ['ACL', 'SETUSER', 'carl', '+fetch'],
            ['ACL', 'SETUSER', 'carl', '+flushall'],
            ['MULTI'],
            ['get', 'k', 'w'],
            ['FETCH', 'k'],
            ['EXEC'],
          ]) {
            const reply = await client.command(...words);
            seen.push(`${words.join(' ')}: ${reply.raw.toString()}`);
          }
          const shown: string[] = [];
          while (!shown.at(-1)?.includes('EXEC')) {
            shown.push((await watcher.next()).raw.toString().replace(/^.*\] /, ''));
          }
          return [...seen, ...shown];
        }),
      );
      expect(outcomes[0]).toEqual(outcomes[1]);
    } finally {
      for (const server of servers) await server.stop();
    }
  });

  it.each([
    'rename-command nosuch x',
    'rename-command get set',
    'rename-command get',
    'rename-command get "a" "b"',
    'rename-command get x\nrename-command get y',
  ])('is refused: %j', async (lines) => {
    const file = join(folder, 'refused.conf');
    writeFileSync(file, `${lines}\n`);
    const sabre = await runSabreToExit([file]);
    const redis = await runToExit([redisExecutable(), file]);
    expect([sabre.code, fatalLines(sabre.output)]).toEqual([redis.code, fatalLines(redis.output)]);
  });
});

/** What a server says of a bad configuration, without the line that has its version. */
function fatalLines(output: string): string[] {
  return output.split('\n').filter((line) => !/FATAL|^$|\[|\*\*\*/.test(line));
}
