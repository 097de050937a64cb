// The checks of client-checks.ts with ioredis: ioredis.ts PROTOCOL PORT.

import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import {
  EVERY_BYTE,
  expect,
  expectError,
  largeValue,
  PORT,
  PROTOCOL,
  restartServer,
  runChecks,
} from './checks.ts';

const opened: Redis[] = [];

function connect(options: RedisOptions = {}): Redis {
  const redis = new Redis({ host: '127.0.0.1', port: PORT, protocol: PROTOCOL, ...options });
  opened.push(redis);
  return redis;
}

/** A client that gives up at the first failure to connect; what it failed with. */
async function connectError(options: RedisOptions): Promise<string> {
  const redis = connect({
    ...options,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  const error = new Promise<Error>((resolve) => redis.on('error', resolve));
  await redis.connect().catch(() => {});
  return (await error).message;
}

const Reply = ReplyError as new () => Error;
const r = connect();

await runChecks({
  connect: async () => {
    expect(await r.ping(), 'PONG');
    expect(await r.echo('hello'), 'hello');
    expect(await r.dbsize(), 0);
  },
  auth: async () => {
    await expectError(
      Reply,
      'AUTH <password> called without any password configured for the default user',
      () => r.auth('secret'),
    );
    expect(await r.config('SET', 'requirepass', 'secret'), 'OK');
    expect((await connectError({})).includes('NOAUTH'), true);
    expect(
      (await connectError({ username: 'default', password: 'wrong' })).includes(
        'WRONGPASS invalid username-password pair or user is disabled.',
      ),
      true,
    );
    expect(await connect({ password: 'secret' }).ping(), 'PONG');
    expect(await connect({ username: 'default', password: 'secret' }).ping(), 'PONG');
    expect(await r.config('SET', 'requirepass', ''), 'OK');
    expect(await connect().ping(), 'PONG');
  },
  select: async () => {
    const other = connect({ db: 9 });
    await other.set('where', 'nine');
    expect(await r.get('where'), null);
    expect(await r.swapdb(0, 9), 'OK');
    expect(await r.get('where'), 'nine');
    expect(await r.move('where', 3), 1);
    await other.select(3);
    expect(await other.dbsize(), 1);
    await expectError(Reply, 'DB index is out of range', () => other.select(16));
    other.disconnect(); // It would select 16 again when it reconnects.
    expect(await r.flushall(), 'OK');
  },
  'set-options': async () => {
    expect(await r.set('k', '1', 'EX', 100), 'OK');
    expect(await r.set('k', '2', 'NX'), null);
    expect(await r.call('SET', 'k', '2', 'XX', 'KEEPTTL'), 'OK');
    expect((await r.ttl('k')) > 0, true);
    expect(await r.set('k', '3', 'PX', 50_000, 'GET'), '2');
    expect((await r.pttl('k')) <= 50_000, true);
    expect(await r.getex('k', 'PERSIST'), '3');
    expect(await r.ttl('k'), -1);
    expect(await r.getdel('k'), '3');
    expect(await r.setnx('k', '4'), 1);
    expect(await r.setex('k', 10, '5'), 'OK');
    expect(await r.psetex('k', 10_000, '6'), 'OK');
    expect(await r.getset('k', '7'), '6');
  },
  binary: async () => {
    expect(await r.set(EVERY_BYTE, EVERY_BYTE), 'OK');
    expect(await r.getBuffer(EVERY_BYTE), EVERY_BYTE);
    expect(await r.append(EVERY_BYTE, EVERY_BYTE), 512);
    const twice = Buffer.concat([EVERY_BYTE, EVERY_BYTE]);
    expect(await r.getrangeBuffer(EVERY_BYTE, 250, 260), twice.subarray(250, 261));
    expect(await r.setrange(EVERY_BYTE, 510, '\r\n\0'), 513);
    expect((await r.getBuffer(EVERY_BYTE))?.subarray(505).toString('latin1'), '\xf9\xfa\xfb\xfc\xfd\r\n\0');
    expect(await r.del(EVERY_BYTE), 1);
  },
  pipeline: async () => {
    const pipeline = r.pipeline();
    for (let i = 0; i < 5_000; i++) pipeline.set(`pipe:${i}`, i).get(`pipe:${i}`);
    const wanted = Array.from({ length: 10_000 }, (_, i) => [null, i % 2 === 0 ? 'OK' : String((i - 1) / 2)]);
    expect(await pipeline.exec(), wanted);
    const alone = await Promise.all(wanted.map((_, i) => r.get(`pipe:${i % 5_000}`)));
    expect(alone.slice(0, 3), ['0', '1', '2']);
    expect(alone.includes(null), false);
  },
  'mget-mset': async () => {
    expect(await r.mset({ a: '1', b: 'two', c: '\0' }), 'OK');
    expect(await r.mget('a', 'nosuch', 'c', 'b'), ['1', null, '\0', 'two']);
    expect(await r.msetnx('a', '2', 'd', '2'), 0);
    expect(await r.exists('a', 'b', 'd', 'a'), 3);
    expect(await r.del('a', 'b', 'c', 'd'), 3);
  },
  counters: async () => {
    expect(await r.incr('n'), 1);
    expect(await r.incrby('n', 41), 42);
    expect(await r.decr('n'), 41);
    expect(await r.decrby('n', 100), -59);
    expect(await r.incrbyfloat('n', 0.5), '-58.5');
    expect(await r.get('n'), '-58.5');
  },
  expiry: async () => {
    await r.set('e', '1');
    expect(await r.expire('e', 100), 1);
    expect(await r.expire('e', 200, 'LT'), 0);
    expect([99, 100].includes(await r.ttl('e')), true);
    expect(await r.persist('e'), 1);
    expect(await r.ttl('e'), -1);
    expect(await r.pexpireat('e', Date.now() + 30), 1);
    while ((await r.exists('e')) === 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await r.ttl('e'), -2);
  },
  scan: async () => {
    await r.flushall();
    const names = Array.from({ length: 5_000 }, (_, i) => `scan:${i}`);
    await r.mset(new Map(names.map((name) => [name, 'x'])));
    await r.mset(Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`other:${i}`, 'x'])));
    const seen = new Set<string>();
    for await (const keys of r.scanStream({ match: 'scan:*', count: 500 })) {
      for (const key of keys as string[]) seen.add(key);
    }
    expect([...seen].sort(), names.sort());
    expect((await r.keys('other:?')).length, 10);
    expect(/^(scan|other):/.test((await r.randomkey()) ?? ''), true);
  },
  bits: async () => {
    await r.set('bits', Buffer.from([0xf0, 0x0f]));
    expect(await r.setbit('bits', 7, 1), 0);
    expect(await r.getbit('bits', 7), 1);
    expect(await r.bitcount('bits'), 9);
    expect(await r.bitcount('bits', 1, 1), 4);
    expect(await r.bitpos('bits', 0), 4);
    await r.set('more', Buffer.from([0xff]));
    expect(await r.bitop('AND', 'dest', 'bits', 'more'), 2);
    expect(await r.getBuffer('dest'), Buffer.from([0xf1, 0]));
    const reply = await r.call(
      'BITFIELD',
      'field',
      'OVERFLOW',
      'SAT',
      'INCRBY',
      'u8',
      '#1',
      300,
      'GET',
      'i4',
      8,
    );
    expect(reply, [255, -1]);
  },
  hyperloglog: async () => {
    const numbers = (from: number) => Array.from({ length: 1000 }, (_, i) => String(from + i));
    expect(await r.pfadd('h1', ...numbers(0)), 1);
    expect(await r.pfadd('h2', ...numbers(500)), 1);
    expect(Math.abs((await r.pfcount('h1')) - 1000) < 50, true);
    expect(await r.pfmerge('h3', 'h1', 'h2'), 'OK');
    expect(Math.abs((await r.pfcount('h3')) - 1500) < 75, true);
    expect(await r.pfcount('h1', 'h2'), await r.pfcount('h3'));
  },
  ...(PROTOCOL === 3 && {
    resp3: async () => {
      const maps = connect({ replyMapping: 'resp3' });
      const settings = await maps.call('CONFIG', 'GET', 'maxmemory-policy');
      expect({ ...(settings as object) }, { 'maxmemory-policy': 'noeviction' });
      expect(await maps.get('no such key'), null);
      const entry = String(await maps.client('INFO'));
      expect(entry.includes(' resp=3 '), true);
    },
  }),
  errors: async () => {
    await r.set('text', 'abc');
    await expectError(Reply, 'ERR value is not an integer or out of range', () => r.incr('text'));
    await expectError(Reply, "ERR unknown command 'NOSUCH'", () => r.call('NOSUCH'));
    await expectError(Reply, 'ERR syntax error', () => r.call('SET', 'a', 'b', 'BAD'));
    await expectError(Reply, 'WRONGTYPE Key is not a valid HyperLogLog string value.', () =>
      r.pfadd('text', 'x'),
    );
    const replies = await r.pipeline().get('text').incr('text').get('text').exec();
    expect(
      replies?.map(([error, value]) => error?.message ?? value),
      ['abc', 'ERR value is not an integer or out of range', 'abc'],
    );
  },
  'client-info': async () => {
    const named = connect({ connectionName: 'check-ioredis', retryStrategy: () => null });
    expect(await named.client('GETNAME'), 'check-ioredis');
    const id = await named.client('ID');
    const list = String(await r.client('LIST'));
    const line = list.split('\n').find((entry) => entry.includes(' name=check-ioredis '));
    expect(line?.startsWith(`id=${id} `), true);
    expect(await r.client('KILL', 'ID', id), 1);
  },
  info: async () => {
    const info = await r.info();
    expect(/\nredis_version:[7-9]\./.test(info), true);
    expect(info.includes(`\ntcp_port:${PORT}\r\n`), true);
    expect(info.includes(`\ndb0:keys=${await r.dbsize()},expires=`), true);
    expect(/\ncmdstat_ping:calls=\d+,usec=/.test(await r.info('commandstats')), true);
    expect(((await r.call('COMMAND', 'COUNT')) as number) > 70, true);
    expect(await r.object('ENCODING', 'text'), 'embstr');
    expect((await r.time()).length, 2);
  },
  'large-value': async () => {
    const value = largeValue();
    expect(await r.set('large', value), 'OK');
    expect(await r.strlen('large'), value.length);
    expect((await r.getBuffer('large'))?.equals(value), true);
    expect(await r.getrangeBuffer('large', -4, -1), value.subarray(-4));
    expect(await r.unlink('large'), 1);
  },
  reconnect: async () => {
    const other = connect();
    expect(await other.ping(), 'PONG');
    await restartServer();
    expect(await other.set('after', '1'), 'OK');
    expect(await r.get('after'), '1');
  },
});

for (const redis of opened) redis.disconnect();
