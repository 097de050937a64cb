// The tests' own tools: a tool that cannot fail would make every test that uses it worthless.

import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { near, unordered, unorderedPairs } from './comparisons.ts';
import { Differential, describeDifferential } from './differential.ts';
import { groupExists } from './process-guard.ts';
import { startRedis } from './redis-server.ts';
import { parseReplies, ReplyFormatError, RespError, RespParser, toValue } from './resp-parser.ts';
import { describeTopologies, startSabre } from './sabre-server.ts';

const ALL_TYPES = Buffer.from(
  '+OK\r\n-ERR no\r\n:-42\r\n:9223372036854775807\r\n$-1\r\n*-1\r\n$0\r\n\r\n$5\r\na\r\nb\xff\r\n*2\r\n:1\r\n*1\r\n$1\r\nx\r\n' +
    '_\r\n#t\r\n#f\r\n,1.5\r\n,-inf\r\n(12345678901234567890\r\n!5\r\nERR x\r\n=7\r\ntxt:abc\r\n' +
    '%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n~2\r\n:1\r\n:2\r\n>2\r\n+message\r\n+x\r\n|1\r\n+ttl\r\n:5\r\n*2\r\n:1\r\n|1\r\n+k\r\n+v\r\n:2\r\n',
  'latin1',
);

describe('the reply parser', () => {
  it('knows every type of RESP2 and RESP3', () => {
    const replies = parseReplies(ALL_TYPES);
    expect(Buffer.concat(replies.map((reply) => reply.raw))).toEqual(ALL_TYPES);
    expect(replies.map((reply) => toValue(reply, 'latin1'))).toEqual([
      'OK',
      new RespError('ERR no'),
      -42,
      9223372036854775807n,
      null,
      null,
      '',
      'a\r\nb\xff',
      [1, ['x']],
      null,
      true,
      false,
      1.5,
      Number.NEGATIVE_INFINITY,
      12345678901234567890n,
      new RespError('ERR x'),
      'abc',
      new Map<string, unknown>([
        ['a', 1],
        ['b', []],
      ]),
      new Set([1, 2]),
      ['message', 'x'],
      [1, 2],
    ]);
    const last = replies.at(-1)!;
    expect(toValue(last.attributes!)).toEqual(new Map([['ttl', 5]]));
    expect(toValue(last.items![1]!.attributes!)).toEqual(new Map([['k', 'v']]));
  });

  it('yields the same however the bytes are cut', () => {
    for (let size = 1; size < 9; size++) {
      const parser = new RespParser();
      const raws: Buffer[] = [];
      for (let at = 0; at < ALL_TYPES.length; at += size) {
        parser.push(ALL_TYPES.subarray(at, at + size));
        for (let reply = parser.shift(); reply; reply = parser.shift()) raws.push(reply.raw);
      }
      expect(raws).toEqual(parseReplies(ALL_TYPES).map((reply) => reply.raw));
    }
  });

  it.each(['OK\r\n', '$x\r\n', '$3\r\nabcd\r\n', '*-2\r\n', '$1'])('rejects %j', (bytes) => {
    expect(() => parseReplies(Buffer.from(bytes))).toThrow(ReplyFormatError);
  });
});

describe('comparisons', () => {
  const compare = (comparison: typeof unordered, left: string, right: string) =>
    comparison(parseReplies(Buffer.from(left))[0]!, parseReplies(Buffer.from(right))[0]!);

  it('ignore order only where asked to', () => {
    expect(compare(unordered, '*2\r\n:1\r\n:2\r\n', '*2\r\n:2\r\n:1\r\n')).toBe(true);
    expect(compare(unordered, '*2\r\n:1\r\n:2\r\n', '*2\r\n:2\r\n:2\r\n')).toBe(false);
    expect(compare(unordered, '*0\r\n', '*-1\r\n')).toBe(false);
    const four = (text: string) => `*4\r\n${[...text].map((letter) => `+${letter}\r\n`).join('')}`;
    expect(compare(unorderedPairs, four('a1b2'), four('b2a1'))).toBe(true);
    expect(compare(unorderedPairs, four('a1b2'), four('a2b1'))).toBe(false);
  });

  it('tolerate time but not its absence', () => {
    expect(compare(near(5), ':100\r\n', ':103\r\n')).toBe(true);
    expect(compare(near(5), ':100\r\n', ':106\r\n')).toBe(false);
    expect(compare(near(5), ':0\r\n', ':-1\r\n')).toBe(false);
    expect(compare(near(5), ':-1\r\n', ':-2\r\n')).toBe(false);
  });
});

describe('a server process', () => {
  it('starts, restarts, is killed, and leaves nothing behind', async () => {
    const server = await startRedis();
    const { folder, port, pid } = server;
    const client = await server.connect();
    expect(await client.call('PING')).toBe('PONG');
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(client.closed).toBe(true);
    await server.kill9();
    expect(server.running).toBe(false);
    await server.start();
    const second = server.pid;
    await server.stop();
    expect(groupExists(second)).toBe(false);
    expect(existsSync(folder)).toBe(false);
  });

  it('says why it does not start', async () => {
    await expect(startRedis({ args: ['--maxclients', 'many'] })).rejects.toThrow(
      /FATAL CONFIG FILE ERROR.*maxclients.*parsed into an integer/s,
    );
  });

  it('takes another port when one is taken', async () => {
    const first = await startRedis();
    const second = await startRedis({ args: ['--maxclients', '10'] });
    expect(second.port).not.toBe(first.port);
    await first.stop();
    await second.stop();
  });

  it('reports a death that nobody asked for', async () => {
    const server = await startRedis();
    const client = await server.connect();
    const blocked = client.call('BLPOP', 'no such list', '0');
    blocked.catch(() => {});
    process.kill(server.pid, 'SIGKILL');
    while (server.running) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(blocked).rejects.toThrow(/connection was closed.*redis-server.*Ready to accept/s);
    expect(() => server.assertAlive()).toThrow(/redis died/);
    await expect(server.stop()).rejects.toThrow(/redis died/);
  });
});

describeTopologies('a topology', (server) => {
  it('begins every test empty: first', async () => {
    const client = await server.connect({ protocol: 3 });
    await client.call('SET', 'left over', '1');
    expect(await client.call('CONFIG', 'GET', 'port')).toEqual(new Map([['port', String(server.port)]]));
  });

  it('begins every test empty: second', async () => {
    const client = await server.connect();
    expect(await client.call('DBSIZE')).toBe(0);
    expect(await client.callError('GET')).toBe("ERR wrong number of arguments for 'get' command");
    await expect(client.call('GET')).rejects.toThrow(RespError);
  });
});

describeDifferential('a comparison', (diff) => {
  it('passes what is the same', async () => {
    await diff.same('SET', 'a', 'x');
    await diff.same('GET', 'a');
    await diff.same('GET');
    await diff.sameSequence([
      ['APPEND', 'a', 'y'],
      ['GET', 'a'],
    ]);
    await diff.sameDataSet();
  });

  it('finds a different reply, and shows how to come there', async () => {
    await diff.same('SET', 'other', 'x');
    await diff.same('SET', 'a', 'x');
    await diff.sabre.call('SET', 'a', 'y');
    await diff.same('RENAME', 'a', 'b');
    const failure = await diff.same('GET', 'b').catch((error: Error) => error.message);
    expect(failure).toContain('sabre: "$1\\r\\ny\\r\\n"');
    expect(failure).toContain('redis: "$1\\r\\nx\\r\\n"');
    expect(failure).toMatch(/SET a x\nRENAME a b\nGET b$/);
    expect(failure).not.toContain('SET other');
    await expect(diff.same('DEBUG', 'DIGEST')).rejects.toThrow(/different replies/);
    await expect(
      diff.sameSequence([
        ['GET', 'b'],
        ['GET', 'other'],
      ]),
    ).rejects.toThrow(/different replies to GET b/);
  });

  it('finds a connection that was closed', async () => {
    await diff.sabre.call('CLIENT', 'REPLY', 'ON');
    diff.sabre.socket.destroy();
    await expect(diff.same('PING')).rejects.toThrow(/sabre: the connection was closed/);
  });
});

describe('a comparison of servers', () => {
  it('with different settings fails', async () => {
    const sabre = await startSabre({ args: ['--databases', '4'] });
    const redis = await startRedis();
    const diff = new Differential(() => ({ sabre, redis }), 2);
    await diff.reset();
    await diff.same('SELECT', '3');
    await expect(diff.same('SELECT', '4')).rejects.toThrow(/ERR DB index is out of range/);
    await diff.close();
    await sabre.stop();
    await redis.stop();
  });
});
