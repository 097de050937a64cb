import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GlobalWord } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const DENIED =
  '-ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.\r\n';

function allowed(resp: 2 | 3 = 2): InProcess {
  const local = new InProcess({ resp });
  local.config.assign('enable-debug-command', 'yes');
  return local;
}

describe('DEBUG beside redis-server', () => {
  let redis: ServerProcess;

  beforeAll(async () => {
    redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  });
  afterAll(() => redis.stop());

  async function same(local: InProcess, client: RawClient, ...args: Argument[]): Promise<void> {
    const right = (await client.command(...args)).raw.toString('latin1');
    expect(local.text(...args), args.join(' ')).toBe(right);
  }

  it('PROTOCOL replies with each type', async () => {
    for (const resp of [2, 3] as const) {
      const local = allowed(resp);
      const client = await redis.connect({ protocol: resp });
      const types = 'string integer null array set map attrib verbatim bignum true false nosuch';
      for (const type of types.split(' ')) await same(local, client, 'DEBUG', 'PROTOCOL', type);
      await client.close();
    }
    expect(allowed(2).text('DEBUG', 'PROTOCOL', 'push')).toBe(
      '-ERR RESP2 is not supported by this command\r\n',
    );
    expect(allowed(3).text('DEBUG', 'PROTOCOL', 'push')).toMatch(
      /^>2\r\n\$16\r\nserver-cpu-usage\r\n:42\r\n\$40\r\n/,
    );
    expect(allowed(3).text('DEBUG', 'PROTOCOL', 'double')).toMatch(/^,3\.141/);
  });

  it('POPULATE makes the same keys, DIGEST and DIGEST-VALUE agree on them', async () => {
    const local = allowed();
    const client = await redis.connect();
    await client.command('FLUSHALL');
    await same(local, client, 'DEBUG', 'DIGEST');
    const populate = [
      ['1000'],
      ['0'],
      ['100', 'x', '33'],
      ['20', 'y', '3'],
      ['3', 'z'.repeat(200), '70000'],
      ['2', ''],
    ];
    for (const words of populate) {
      await same(local, client, 'DEBUG', 'POPULATE', ...words);
      await same(local, client, 'DEBUG', 'DIGEST');
      await same(local, client, 'DBSIZE');
    }
    await same(local, client, 'OBJECT', 'ENCODING', 'x:1');
    await same(local, client, 'DEBUG', 'POPULATE', '-1');
    await same(local, client, 'DEBUG', 'POPULATE', '1', 'a', 'b');
    await same(local, client, 'EXPIRE', 'key:1', '1000');
    await same(local, client, 'SET', 'number', '-77');
    await same(local, client, 'MOVE', 'key:2', '3');
    await same(local, client, 'DEBUG', 'DIGEST');
    await same(local, client, 'DEBUG', 'DIGEST-VALUE', 'key:1', 'nokey', 'number', 'y:1', 'key:2');
    await same(local, client, 'DEBUG', 'DIGEST-VALUE');
    await client.close();
  });

  it('answers errors alike', async () => {
    const local = allowed();
    const client = await redis.connect();
    await same(local, client, 'SET', 'number', '-77');
    for (const line of [
      'nosuch', 'object', 'object nokey', 'sleep', 'sleep 1 2', 'log', 'protocol', 'set-active-expire', 'pause-cron',
      'error some\ttext', 'error', 'quicklist-packed-threshold 4gb', 'quicklist-packed-threshold 100b',
      'quicklist-packed-threshold -1', 'sdslen nokey', 'sdslen number', 'listpack number', 'quicklist number',
      'htstats-key number', 'leak x', 'pause-cron 0', 'set-disable-deny-scripts 0', 'set-skip-checksum-validation 0',
      'set-active-expire 1', 'sleep 0', 'sleep -1', 'sleep x', 'structsize 1', 'stringmatch-test 1',
    ]) await same(local, client, 'DEBUG', ...line.split(' ')); // biome-ignore format: many short words
    await client.close();
  });
});

describe('DEBUG', () => {
  it('is refused unless enable-debug-command allows it', () => {
    const local = new InProcess();
    const from = (address: string, mode: string) => {
      local.config.assign('enable-debug-command', mode);
      local.session.address = address;
      return local.text('DEBUG', 'SLEEP', '0') !== DENIED;
    };
    expect(from('127.0.0.1:5000', 'no')).toBe(false);
    expect(from('10.0.0.1:5000', 'yes')).toBe(true);
    for (const address of ['127.0.0.1:5000', '[::1]:5000', '/tmp/socket:0']) {
      expect(from(address, 'local'), address).toBe(true);
    }
    for (const address of ['10.0.0.1:5000', '[2001:db8::1]:5000', '[fe80::1]:1', '127.0.0.10:90']) {
      expect(from(address, 'local'), address).toBe(false);
    }
  });

  it('switches are seen by all threads', () => {
    const local = allowed();
    const { control } = local.keyspace.memory;
    local.run('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
    expect(control[GlobalWord.ActiveExpireOff]).toBe(1);
    local.run('DEBUG', 'SET-ACTIVE-EXPIRE', '1');
    expect(control[GlobalWord.ActiveExpireOff]).toBe(0);
    for (const [name, word] of [
      ['PAUSE-CRON', GlobalWord.CronPaused],
      ['SET-SKIP-CHECKSUM-VALIDATION', GlobalWord.SkipChecksums],
      ['SET-DISABLE-DENY-SCRIPTS', GlobalWord.DenyScriptsOff],
    ] as const) {
      local.run('DEBUG', name, '1');
      expect(control[word], name).toBe(1);
      local.run('DEBUG', name, '0');
      expect(control[word], name).toBe(0);
    }
    local.run('DEBUG', 'QUICKLIST-PACKED-THRESHOLD', '3gb');
    expect(control[GlobalWord.QuicklistPackedThreshold]! >>> 0).toBe(3 * 2 ** 30);
  });

  it('SLEEP holds every shard for as long as it says', () => {
    const local = allowed();
    const before = performance.now();
    expect(local.text('DEBUG', 'SLEEP', '0.05')).toBe('+OK\r\n');
    expect(performance.now() - before).toBeGreaterThanOrEqual(49);
    for (const shard of local.keyspace.shards) shard.acquire().release();
  });

  it('ERROR replies with the text as it is', () => {
    expect(allowed().text('DEBUG', 'ERROR', 'MYERR a\r\nb')).toBe('-MYERR a  b\r\n');
  });

  it('STRINGMATCH-LEN and STRINGMATCH-TEST try patterns', () => {
    const local = allowed();
    expect(local.value('DEBUG', 'STRINGMATCH-LEN', 'h*llo', 'hello')).toBe(1);
    expect(local.value('DEBUG', 'STRINGMATCH-LEN', 'h*llo', 'HELLO')).toBe(0);
    expect(local.text('DEBUG', 'STRINGMATCH-TEST')).toMatch(/^\+Apparently .* test passed\r\n$/);
  });

  it('INVARIANTS says what it found, and what is broken', () => {
    const local = allowed();
    local.run('DEBUG', 'POPULATE', '500');
    local.run('EXPIRE', 'key:7', '100');
    expect(local.text('DEBUG', 'INVARIANTS')).toMatch(/^\+OK keys:500 expires:1 blocks:\d+ bytes:\d+\r\n$/);
    const shard = local.keyspace.shards.find((each) => each.keys(0) > 0)!;
    shard.index.setDbWord(0, 1, shard.keys(0) + 1);
    expect(local.text('DEBUG', 'INVARIANTS')).toMatch(/^-ERR broken invariant: /);
    for (const each of local.keyspace.shards) each.acquire().release();
  });

  it('names what is not supported, and what crashes crashes', () => {
    const local = allowed();
    expect(local.text('DEBUG', 'restart', '1')).toBe('-ERR DEBUG RESTART is not supported yet\r\n');
    expect(local.text('DEBUG', 'HTSTATS', '0')).toBe('-ERR DEBUG HTSTATS is not supported yet\r\n');
    expect(() => local.text('DEBUG', 'PANIC')).toThrow('DEBUG PANIC');
    expect(local.text('DEBUG', 'HELP')).toContain('DIGEST-VALUE <key> [<key> ...]');
  });
});
