// Users in files: `user` lines of the configuration, the aclfile, ACL LOAD and SAVE, CONFIG REWRITE; with redis-server's own
// files, and its words for what is wrong with them.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisExecutable, startRedis } from '../support/redis-server.ts';
import { runSabreToExit, sabreCommand, startSabre } from '../support/sabre-server.ts';
import { runToExit, ServerProcess } from '../support/server-process.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sabre-acl-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, 'latin1');
  return path;
}

/** What a server says that does not start, without times and names of its own. */
function complaint(output: string): string {
  const lines = output.split('\n').filter((line) => /acl|user|Error|Critical|>>>|line/i.test(line));
  return lines
    .map((line) => line.replace(/^\d+:[A-Z] .*?[#*] /, '').replace(/(Sabre|Redis) ?|\d+\.\d+\.\d+/g, ''))
    .join('\n');
}

async function stop(...servers: ServerProcess[]): Promise<void> {
  for (const server of servers) await server.stop();
}

const GOOD = [
  'user default on nopass ~* &* +@all',
  'user alice on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~a* resetchannels -@all +get +config|get',
  'user bob off nopass ~x %R~y &c* +@all -@dangerous (+set ~s* resetchannels)',
  '',
  'user carol',
].join('\n');

describe('the aclfile', () => {
  it('is loaded, saved and loaded again, here and by redis-server', async () => {
    const ours = file('ours.acl', GOOD);
    const sabre = await startSabre({ args: ['--aclfile', ours] });
    const client = await sabre.connect();
    const lines = (await client.call('ACL', 'LIST')) as string[];
    expect(lines).toHaveLength(4);
    await client.call('ACL', 'SETUSER', 'dave', 'on', '>d', '~d*', '+@read', '-get', '(+set %W~w)');
    expect(await client.call('ACL', 'SAVE')).toBe('OK');
    const listed = await client.call('ACL', 'LIST');
    expect(readFileSync(ours, 'latin1').trimEnd().split('\n')).toEqual(listed);

    const redis = await startRedis({ args: ['--aclfile', ours] });
    const other = await redis.connect();
    for (const request of [
      ['alice', 'get', 'a1'],
      ['alice', 'set', 'a1', 'v'],
      ['bob', 'set', 's1', 'v'],
      ['bob', 'publish', 'c1', 'm'],
      ['dave', 'get', 'd'],
      ['dave', 'mget', 'd'],
      ['dave', 'set', 'w', 'v'],
      ['carol', 'get', 'a'],
    ]) {
      const [here, there] = [
        await client.command('ACL', 'DRYRUN', ...request),
        await other.command('ACL', 'DRYRUN', ...request),
      ];
      expect([request, here.type]).toEqual([request, there.type]);
    }
    expect(await other.call('ACL', 'SAVE')).toBe('OK');
    expect(await client.call('ACL', 'LOAD')).toBe('OK');
    expect(((await client.call('ACL', 'LIST')) as string[]).length).toBe(5);

    // A connected client keeps its place where its user stays, and gets the new rules; else it is closed.
    await client.call('ACL', 'SETUSER', 'erin', 'on', 'nopass', '+@all', '~*');
    const [dave, erin] = [await sabre.connect(), await sabre.connect()];
    await dave.call('AUTH', 'dave', 'd');
    await erin.call('AUTH', 'erin', 'e');
    file('ours.acl', 'user dave on nopass ~* +@all\n');
    expect(await client.call('ACL', 'LOAD')).toBe('OK');
    await erin.readUntilClosed();
    expect(await dave.call('GET', 'anything')).toBe(null);
    expect(await dave.call('ACL', 'USERS')).toEqual(['dave', 'default']);
    expect(await client.call('PING')).toBe('PONG');

    // The one that asks hears the answer before it is closed.
    file('ours.acl', '');
    dave.send('ACL', 'LOAD');
    expect((await dave.reply()).raw.toString()).toBe('+OK\r\n');
    await dave.readUntilClosed();
    await stop(redis, sabre);
  });

  it('is refused as a whole, in the words of redis-server', async () => {
    const [ours, theirs] = [file('bad-ours.acl', GOOD), file('bad-theirs.acl', GOOD)];
    const sabre = await startSabre({ args: ['--aclfile', ours] });
    const redis = await startRedis({ args: ['--aclfile', theirs] });
    const [here, there] = [await sabre.connect(), await redis.connect()];
    const users = await here.call('ACL', 'USERS');
    for (const text of [
      'user',
      'nonsense',
      'user a b c',
      'user a on\nuser a on',
      'user a +nosuch +@nosuch ~a',
      'user a foo bar',
      'user a >x <y',
      '# comment',
      'user a ~* ~b',
      'user a (+get',
      'USER a on',
      'user a\tb on',
      ' user a on nopass  \t',
      'user  on',
      'user a on\t',
      'user a #zz\nuser b +nosuch',
    ]) {
      file('bad-ours.acl', text);
      file('bad-theirs.acl', text);
      const [left, right] = [await here.command('ACL', 'LOAD'), await there.command('ACL', 'LOAD')];
      const said = left.raw.toString().replaceAll(ours, 'FILE').replaceAll('bad-ours', '');
      // Redis goes on with rules that are not there where a parenthesis is not closed.
      if (text.includes('(')) expect(said).toContain('Unmatched parenthesis in selector definition.');
      else expect(said).toBe(right.raw.toString().replaceAll(theirs, 'FILE').replaceAll('bad-theirs', ''));
      if (left.type === 'error') expect(await here.call('ACL', 'USERS')).toEqual(users);
      else {
        file('bad-ours.acl', GOOD);
        file('bad-theirs.acl', GOOD);
        await here.command('ACL', 'LOAD');
        await there.command('ACL', 'LOAD');
      }
    }
    rmSync(ours);
    expect((await here.command('ACL', 'LOAD')).raw.toString()).toBe(
      `-ERR Error loading ACLs, opening file '${ours}': No such file or directory\r\n`,
    );
    await stop(redis, sabre);
  }, 60_000);

  it('keeps the server from starting when it is wrong', async () => {
    const path = file('wrong.acl', 'user a +nosuch\n');
    const output = async (extra: readonly string[]): Promise<[string, string]> => {
      const left = await runSabreToExit(['--port', '0', '--unixsocket', join(folder, 's'), ...extra]);
      const right = await runToExit([
        redisExecutable(),
        '--port',
        '0',
        '--unixsocket',
        join(folder, 'r'),
        ...extra,
      ]);
      expect([left.code, right.code]).toEqual([1, 1]);
      return [complaint(left.output), complaint(right.output)];
    };
    for (const extra of [
      ['--aclfile', path],
      ['--aclfile', join(folder, 'missing.acl')],
      ['--user', 'a on', '--aclfile', path],
    ]) {
      const [left, right] = await output(extra);
      expect(left).toBe(right);
    }
  });
});

describe('user lines', () => {
  const LINES = [
    'user alice on >secret ~a* +@read -get',
    'user bob on nopass (+set ~s*) ~x',
    'user default on >pass ~* &* +@all',
    'acl-pubsub-default allchannels',
    'requirepass ignored',
  ];

  it('define users, and are rewritten', async () => {
    const path = file('rewritten.conf', `${LINES.join('\n')}\n`);
    const [executable, ...words] = sabreCommand();
    const sabre = new ServerProcess('sabre', executable!, [...words, path], {});
    await sabre.start();
    const client = await sabre.connect();
    expect((await client.command('PING')).type).toBe('error');
    await client.call('AUTH', 'pass');
    const before = await client.call('ACL', 'LIST');
    expect(before).toHaveLength(3);
    await client.call(
      'ACL',
      'SETUSER',
      'carol',
      'on',
      '>c',
      '~"odd',
      "~it's",
      '(+get "~\\"inside")',
      '("~\\"in)" ~b)',
    );
    await client.call('ACL', 'DELUSER', 'bob');
    expect(await client.call('CONFIG', 'REWRITE')).toBe('OK');
    const after = await client.call('ACL', 'LIST');
    await sabre.restart();
    const again = await sabre.connect();
    await again.call('AUTH', 'pass');
    expect(await again.call('ACL', 'LIST')).toEqual(after);
    await stop(sabre);
  });

  it('that are wrong end the start, in the words of redis-server', async () => {
    for (const line of [
      'user a foo',
      'user a on foo bar',
      'user a ~* ~b',
      'user a #12',
      'user a on\nuser a off',
      'user a +nosuch',
      'user "a b" on',
      'user a (+get',
      'user',
      'user a <x',
      'user a +config|get|x',
    ]) {
      const path = file('users.conf', `port 0\nunixsocket ${join(folder, 'u')}\n${line}\n`);
      const left = await runSabreToExit([path]);
      const right = await runToExit([redisExecutable(), path]);
      expect([line, left.code]).toEqual([line, right.code]);
      if (!line.includes('('))
        expect([line, complaint(left.output)]).toEqual([line, complaint(right.output)]);
    }
  });
});
