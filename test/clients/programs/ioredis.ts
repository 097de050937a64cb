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
  lists: async () => {
    expect(await r.rpush('l', 'a', 'b', 'c', 'b'), 4);
    expect(await r.lpush('l', 'z'), 5);
    expect(await r.lrange('l', 0, -1), ['z', 'a', 'b', 'c', 'b']);
    expect(await r.lindex('l', -1), 'b');
    expect(await r.linsert('l', 'BEFORE', 'a', 'y'), 6);
    expect(await r.lset('l', 0, 'x'), 'OK');
    expect(await r.lpos('l', 'b', 'RANK', -1), 5);
    expect(await r.lrem('l', 1, 'b'), 1);
    expect(await r.lmove('l', 'm', 'LEFT', 'RIGHT'), 'x');
    expect(await r.lpop('l', 2), ['y', 'a']);
    expect(await r.lmpop(2, 'nosuch', 'l', 'RIGHT', 'COUNT', 5), ['l', ['b', 'c']]);
    expect(await r.rpoplpush('m', 'l'), 'x');
    expect(await r.llen('l'), 1);
    expect(await r.rpop('m'), null);
    const many = Array.from({ length: 3000 }, (_, i) => `element ${i}`);
    expect(await r.rpush('long', ...many), 3000);
    expect(await r.ltrim('long', 10, -11), 'OK');
    expect(await r.lrange('long', 0, -1), many.slice(10, -10));
  },
  hashes: async () => {
    expect(await r.hset('h', { name: 'Ada', age: '36', score: '1.5' }), 3);
    expect(await r.hgetall('h'), { name: 'Ada', age: '36', score: '1.5' });
    expect(await r.hmget('h', 'age', 'nosuch'), ['36', null]);
    expect(await r.hincrby('h', 'age', 5), 41);
    expect(await r.hincrbyfloat('h', 'score', 0.25), '1.75');
    expect(await r.hsetnx('h', 'name', 'Bob'), 0);
    expect(await r.hexists('h', 'name'), 1);
    expect(await r.hstrlen('h', 'name'), 3);
    expect((await r.hkeys('h')).sort(), ['age', 'name', 'score']);
    expect(await r.hrandfield('h', 5).then((fields) => (fields as string[]).length), 3);
    expect(await r.hdel('h', 'age', 'score', 'nosuch'), 2);
    expect(await r.hvals('h'), ['Ada']);
    await r.hset('many', Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, i])));
    const seen = new Set<string>();
    for await (const fields of r.hscanStream('many', { count: 50 })) {
      for (let i = 0; i < (fields as string[]).length; i += 2) seen.add((fields as string[])[i]!);
    }
    expect(seen.size, 1000);
    expect(await r.hlen('many'), 1000);
  },
  sets: async () => {
    expect(await r.sadd('s1', 'a', 'b', 'c', '1'), 4);
    expect(await r.sadd('s2', 'b', 'c', 'd'), 3);
    expect((await r.smembers('s1')).sort(), ['1', 'a', 'b', 'c']);
    expect(await r.sismember('s1', 'a'), 1);
    expect(await r.smismember('s1', 'a', 'x'), [1, 0]);
    expect((await r.sinter('s1', 's2')).sort(), ['b', 'c']);
    expect((await r.sunion('s1', 's2')).length, 5);
    expect((await r.sdiff('s1', 's2')).sort(), ['1', 'a']);
    expect(await r.sintercard(2, 's1', 's2', 'LIMIT', 1), 1);
    expect(await r.sunionstore('s3', 's1', 's2'), 5);
    expect(await r.smove('s1', 's2', 'a'), 1);
    expect(await r.srem('s1', '1', 'x'), 1);
    expect(['b', 'c'].includes(String(await r.srandmember('s1'))), true);
    expect((await r.spop('s3', 5)).length, 5);
    expect(await r.exists('s3'), 0);
    await r.sadd('smany', ...Array.from({ length: 1000 }, (_, i) => `m${i}`));
    const seen = new Set<string>();
    for await (const members of r.sscanStream('smany')) for (const one of members as string[]) seen.add(one);
    expect(seen.size, await r.scard('smany'));
  },
  'sorted-sets': async () => {
    expect(await r.zadd('z', 1, 'one', 2.5, 'two', '+inf', 'last'), 3);
    expect(await r.call('ZADD', 'z', 'GT', 'CH', 0, 'one', 3, 'two'), 1);
    expect(await r.zrange('z', '0', '-1', 'WITHSCORES'), ['one', '1', 'two', '3', 'last', 'inf']);
    expect(await r.zrange('z', '(3', '1', 'BYSCORE', 'REV'), ['one']);
    expect(await r.zincrby('z', 0.1, 'one'), '1.1000000000000001');
    expect(await r.zscore('z', 'last'), 'inf');
    expect(await r.zmscore('z', 'two', 'x'), ['3', null]);
    expect([await r.zrank('z', 'two'), await r.zrevrank('z', 'two')], [1, 1]);
    expect(await r.zcount('z', 1, 3), 2);
    await r.zadd('lex', 0, 'a', 0, 'b', 0, 'c');
    expect(await r.zrangebylex('lex', '[a', '(c'), ['a', 'b']);
    expect(await r.zunionstore('zu', 2, 'z', 'lex', 'WEIGHTS', 2, 1, 'AGGREGATE', 'MAX'), 6);
    expect(await r.zscore('zu', 'two'), '6');
    expect(await r.zpopmin('z'), ['one', '1.1000000000000001']);
    expect(await r.zremrangebyscore('z', '-inf', 'inf'), 2);
    await r.zadd('zmany', ...Array.from({ length: 1000 }, (_, i) => [i, `m${i}`]).flat());
    expect(await r.zrange('zmany', '500', '501'), ['m500', 'm501']);
    const seen = new Set<string>();
    for await (const pairs of r.zscanStream('zmany')) {
      for (let i = 0; i < (pairs as string[]).length; i += 2) seen.add((pairs as string[])[i]!);
    }
    expect(seen.size, await r.zcard('zmany'));
  },
  streams: async () => {
    expect(await r.xadd('x', '1-1', 'sensor', '7', 'value', 'a'), '1-1');
    expect(await r.xadd('x', '1-*', 'sensor', '8'), '1-2');
    expect(/^\d{13}-0$/.test((await r.xadd('x', '*', 'sensor', '9')) ?? ''), true);
    expect(await r.xlen('x'), 3);
    expect(await r.xrange('x', '-', '(1-2'), [['1-1', ['sensor', '7', 'value', 'a']]]);
    expect((await r.xrevrange('x', '+', '-', 'COUNT', 1))[0]![1], ['sensor', '9']);
    expect(await r.xgroup('CREATE', 'x', 'g', '0'), 'OK');
    const read = await r.xreadgroup('GROUP', 'g', 'alice', 'COUNT', 2, 'STREAMS', 'x', '>');
    expect(read, [
      [
        'x',
        [
          ['1-1', ['sensor', '7', 'value', 'a']],
          ['1-2', ['sensor', '8']],
        ],
      ],
    ]);
    expect(await r.xack('x', 'g', '1-1', '9-9'), 1);
    expect(await r.xpending('x', 'g'), [1, '1-2', '1-2', [['alice', '1']]]);
    expect(await r.xclaim('x', 'g', 'bob', 0, '1-2'), [['1-2', ['sensor', '8']]]);
    expect(((await r.xpending('x', 'g', '-', '+', 10)) as unknown[][])[0]!.slice(0, 2), ['1-2', 'bob']);
    expect(((await r.xautoclaim('x', 'g', 'carol', 0, '0')) as unknown[])[1], [['1-2', ['sensor', '8']]]);
    expect(((await r.xinfo('GROUPS', 'x')) as unknown[][])[0]!.includes('g'), true);
    expect(await r.xdel('x', '1-2'), 1);
    expect(await r.xtrim('x', 'MAXLEN', 1), 1);
    expect(await r.xread('STREAMS', 'x', '$'), null);
  },
  geo: async () => {
    expect(await r.geoadd('Sicily', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2);
    expect(await r.geodist('Sicily', 'Palermo', 'Catania', 'KM'), '166.2742');
    expect(await r.geohash('Sicily', 'Palermo', 'x'), ['sqc8b49rny0', null]);
    const [palermo, none] = await r.geopos('Sicily', 'Palermo', 'x');
    expect([palermo!.map((n) => Number(n).toFixed(6)), none], [['13.361389', '38.115556'], null]);
    const near = await r.geosearch('Sicily', 'FROMLONLAT', 15, 37, 'BYRADIUS', 200, 'km', 'ASC', 'WITHDIST');
    expect(near, [
      ['Catania', '56.4413'],
      ['Palermo', '190.4424'],
    ]);
    expect(await r.geosearchstore('near', 'Sicily', 'FROMMEMBER', 'Palermo', 'BYBOX', 10, 10, 'km'), 1);
  },
  blocking: async () => {
    const other = connect();
    await r.rpush('q', 'first');
    expect(await other.blpop('nosuch', 'q', 5), ['q', 'first']);
    const later = other.blpop('q', 20);
    setTimeout(() => r.rpush('q', 'second'), 50);
    expect(await later, ['q', 'second']);
    const moved = other.blmove('q', 'done', 'LEFT', 'RIGHT', 20);
    setTimeout(() => r.rpush('q', 'third'), 50);
    expect([await moved, await r.llen('done')], ['third', 1]);
    const least = other.bzpopmin('zq', 20);
    setTimeout(() => r.zadd('zq', 2, 'b', 1, 'a'), 50);
    expect((await least)?.slice(0, 2), ['zq', 'a']);
    const entry = other.xread('BLOCK', 20_000, 'STREAMS', 'xq', '$');
    setTimeout(() => r.xadd('xq', '1-1', 'f', 'v'), 50);
    expect(await entry, [['xq', [['1-1', ['f', 'v']]]]]);
    expect(await other.blpop('q', 0.02), null);
  },
  pubsub: async () => {
    const [subscriber, sharded] = [connect(), connect()];
    const got: string[][] = [];
    const gotSharded: string[][] = [];
    subscriber.on('message', (...words: string[]) => got.push(words));
    subscriber.on('pmessage', (...words: string[]) => got.push(words));
    sharded.on('smessage', (...words: string[]) => gotSharded.push(words));
    expect(await subscriber.subscribe('news', 'sport'), 2);
    expect(await subscriber.psubscribe('n*'), 3);
    expect(await sharded.ssubscribe('news'), 1);
    expect(await r.publish('news', 'one'), 2);
    expect(await r.spublish('news', 'two'), 1);
    expect(await r.publish('weather', 'nobody'), 0);
    // What was sent before the answer to this has come by then.
    expect([await subscriber.unsubscribe('sport'), await sharded.sunsubscribe('news')], [2, 0]);
    expect(got, [
      ['news', 'one'],
      ['n*', 'news', 'one'],
    ]);
    expect(gotSharded, [['news', 'two']]);
    expect(await r.pubsub('CHANNELS'), ['news']);
    expect(await r.pubsub('NUMSUB', 'news', 'sport'), ['news', 1, 'sport', 0]);
    expect(await r.pubsub('NUMPAT'), 1);
    await subscriber.punsubscribe('n*');
    expect(await subscriber.unsubscribe('news'), 0);
    expect(await subscriber.get('back to normal'), null);
    if (PROTOCOL === 2) {
      await subscriber.subscribe('news');
      await expectError(Error, 'Connection in subscriber mode', () => subscriber.get('x'));
    }
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
