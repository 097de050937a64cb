// The checks of client-checks.ts with node-redis: node-redis.ts PROTOCOL PORT.

import { createClient, ErrorReply, RESP_TYPES } from 'redis';
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

type Options = { username?: string; password?: string; database?: number; name?: string };

const opened: { destroy(): void; isOpen: boolean }[] = [];

async function connect(options: Options = {}, reconnects = false) {
  const socket = { host: '127.0.0.1', port: PORT, ...(!reconnects && { reconnectStrategy: false as const }) };
  const redis = createClient({ socket, RESP: PROTOCOL, ...options });
  redis.on('error', () => {}); // A lost connection: what fails is seen by the calls.
  opened.push(redis);
  await redis.connect();
  return redis;
}

const r = await connect();
const binary = r.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
const Reply = ErrorReply as unknown as new () => Error;

await runChecks({
  connect: async () => {
    expect(await r.ping(), 'PONG');
    expect(await r.echo('hello'), 'hello');
    expect(await r.dbSize(), 0);
  },
  auth: async () => {
    await expectError(
      Reply,
      'AUTH <password> called without any password configured for the default user',
      () => r.auth({ password: 'secret' }),
    );
    expect(await r.configSet('requirepass', 'secret'), 'OK');
    await expectError(Reply, 'NOAUTH', async () => (await connect()).ping());
    await expectError(Reply, 'WRONGPASS invalid username-password pair or user is disabled.', () =>
      connect({ username: 'default', password: 'wrong' }),
    );
    expect(await (await connect({ password: 'secret' })).ping(), 'PONG');
    expect(await (await connect({ username: 'default', password: 'secret' })).ping(), 'PONG');
    expect(await r.configSet('requirepass', ''), 'OK');
    expect(await (await connect()).ping(), 'PONG');
  },
  select: async () => {
    const other = await connect({ database: 9 });
    await other.set('where', 'nine');
    expect(await r.get('where'), null);
    expect(await r.swapDb(0, 9), 'OK');
    expect(await r.get('where'), 'nine');
    expect(await r.move('where', 3), 1);
    await other.select(3);
    expect(await other.dbSize(), 1);
    await expectError(Reply, 'DB index is out of range', () => other.select(16));
    expect(await r.flushAll(), 'OK');
  },
  'set-options': async () => {
    expect(await r.set('k', '1', { expiration: { type: 'EX', value: 100 } }), 'OK');
    expect(await r.set('k', '2', { condition: 'NX' }), null);
    expect(await r.set('k', '2', { condition: 'XX', expiration: 'KEEPTTL' }), 'OK');
    expect((await r.ttl('k')) > 0, true);
    expect(await r.set('k', '3', { expiration: { type: 'PX', value: 50_000 }, GET: true }), '2');
    expect((await r.pTTL('k')) <= 50_000, true);
    expect(await r.getEx('k', { type: 'PERSIST', value: true } as never), '3');
    expect(await r.ttl('k'), -1);
    expect(await r.getDel('k'), '3');
    expect(await r.setNX('k', '4'), 1);
    expect(await r.setEx('k', 10, '5'), 'OK');
    expect(await r.pSetEx('k', 10_000, '6'), 'OK');
    expect(await r.getSet('k', '7'), '6');
  },
  binary: async () => {
    expect(await r.set(EVERY_BYTE, EVERY_BYTE), 'OK');
    expect(await binary.get(EVERY_BYTE), EVERY_BYTE);
    expect(await r.append(EVERY_BYTE, EVERY_BYTE), 512);
    const twice = Buffer.concat([EVERY_BYTE, EVERY_BYTE]);
    expect(await binary.getRange(EVERY_BYTE, 250, 260), twice.subarray(250, 261));
    expect(await r.setRange(EVERY_BYTE, 510, '\r\n\0'), 513);
    expect((await binary.get(EVERY_BYTE))?.subarray(505).toString('latin1'), '\xf9\xfa\xfb\xfc\xfd\r\n\0');
    expect(await r.del(EVERY_BYTE), 1);
  },
  pipeline: async () => {
    const replies = await Promise.all(
      Array.from({ length: 10_000 }, (_, i) =>
        i % 2 === 0 ? r.set(`pipe:${i}`, String(i)) : r.get(`pipe:${i - 1}`),
      ),
    );
    expect(
      replies,
      replies.map((_, i) => (i % 2 === 0 ? 'OK' : String(i - 1))),
    );
    const multi = r.multi();
    for (let i = 0; i < 10_000; i++) multi.get(`pipe:${i}`);
    const wanted = Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? String(i) : null));
    expect(await multi.execAsPipeline(), wanted);
  },
  'mget-mset': async () => {
    expect(await r.mSet({ a: '1', b: 'two', c: '\0' }), 'OK');
    expect(await r.mGet(['a', 'nosuch', 'c', 'b']), ['1', null, '\0', 'two']);
    expect(await r.mSetNX({ a: '2', d: '2' }), 0);
    expect(await r.exists(['a', 'b', 'd', 'a']), 3);
    expect(await r.del(['a', 'b', 'c', 'd']), 3);
  },
  counters: async () => {
    expect(await r.incr('n'), 1);
    expect(await r.incrBy('n', 41), 42);
    expect(await r.decr('n'), 41);
    expect(await r.decrBy('n', 100), -59);
    expect(await r.incrByFloat('n', 0.5), '-58.5');
    expect(await r.get('n'), '-58.5');
  },
  expiry: async () => {
    await r.set('e', '1');
    expect(await r.expire('e', 100), 1);
    expect(await r.expire('e', 200, 'LT'), 0);
    expect([99, 100].includes(await r.ttl('e')), true);
    expect(await r.persist('e'), 1);
    expect(await r.ttl('e'), -1);
    expect(await r.pExpireAt('e', Date.now() + 30), 1);
    while ((await r.exists('e')) === 1) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await r.ttl('e'), -2);
  },
  scan: async () => {
    await r.flushAll();
    const names = Array.from({ length: 5_000 }, (_, i) => `scan:${i}`);
    await r.mSet(names.map((name) => [name, 'x'] as [string, string]));
    await r.mSet(Array.from({ length: 100 }, (_, i) => [`other:${i}`, 'x'] as [string, string]));
    const seen = new Set<string>();
    for await (const keys of r.scanIterator({ MATCH: 'scan:*', COUNT: 500 })) {
      for (const key of keys) seen.add(key);
    }
    expect([...seen].sort(), names.sort());
    expect((await r.keys('other:?')).length, 10);
    expect(/^(scan|other):/.test(String(await r.randomKey())), true);
  },
  bits: async () => {
    await r.set('bits', Buffer.from([0xf0, 0x0f]));
    expect(await r.setBit('bits', 7, 1), 0);
    expect(await r.getBit('bits', 7), 1);
    expect(await r.bitCount('bits'), 9);
    expect(await r.bitCount('bits', { start: 1, end: 1 }), 4);
    expect(await r.bitPos('bits', 0), 4);
    await r.set('more', Buffer.from([0xff]));
    expect(await r.bitOp('AND', 'dest', ['bits', 'more']), 2);
    expect(await binary.get('dest'), Buffer.from([0xf1, 0]));
    const reply = await r.bitField('field', [
      { operation: 'OVERFLOW', behavior: 'SAT' },
      { operation: 'INCRBY', encoding: 'u8', offset: '#1', increment: 300 },
      { operation: 'GET', encoding: 'i4', offset: 8 },
    ]);
    expect(reply, [255, -1]);
  },
  hyperloglog: async () => {
    const numbers = (from: number) => Array.from({ length: 1000 }, (_, i) => String(from + i));
    expect(await r.pfAdd('h1', numbers(0)), 1);
    expect(await r.pfAdd('h2', numbers(500)), 1);
    expect(Math.abs((await r.pfCount('h1')) - 1000) < 50, true);
    expect(await r.pfMerge('h3', ['h1', 'h2']), 'OK');
    expect(Math.abs((await r.pfCount('h3')) - 1500) < 75, true);
    expect(await r.pfCount(['h1', 'h2']), await r.pfCount('h3'));
  },
  lists: async () => {
    expect(await r.rPush('l', ['a', 'b', 'c', 'b']), 4);
    expect(await r.lPush('l', 'z'), 5);
    expect(await r.lRange('l', 0, -1), ['z', 'a', 'b', 'c', 'b']);
    expect(await r.lIndex('l', -1), 'b');
    expect(await r.lInsert('l', 'BEFORE', 'a', 'y'), 6);
    expect(await r.lSet('l', 0, 'x'), 'OK');
    expect(await r.lPos('l', 'b', { RANK: -1 }), 5);
    expect(await r.lRem('l', 1, 'b'), 1);
    expect(await r.lMove('l', 'm', 'LEFT', 'RIGHT'), 'x');
    expect(await r.lPopCount('l', 2), ['y', 'a']);
    expect(await r.lmPop(['nosuch', 'l'], 'RIGHT', { COUNT: 5 }), ['l', ['b', 'c']]);
    expect(await r.rPopLPush('m', 'l'), 'x');
    expect(await r.lLen('l'), 1);
    expect(await r.rPop('m'), null);
    const many = Array.from({ length: 3000 }, (_, i) => `element ${i}`);
    expect(await r.rPush('long', many), 3000);
    expect(await r.lTrim('long', 10, -11), 'OK');
    expect(await r.lRange('long', 0, -1), many.slice(10, -10));
  },
  hashes: async () => {
    expect(await r.hSet('h', { name: 'Ada', age: '36', score: '1.5' }), 3);
    expect({ ...(await r.hGetAll('h')) }, { name: 'Ada', age: '36', score: '1.5' });
    expect(await r.hmGet('h', ['age', 'nosuch']), ['36', null]);
    expect(await r.hIncrBy('h', 'age', 5), 41);
    expect(await r.hIncrByFloat('h', 'score', 0.25), '1.75');
    expect(await r.hSetNX('h', 'name', 'Bob'), 0);
    expect(await r.hExists('h', 'name'), 1);
    expect(await r.hStrLen('h', 'name'), 3);
    expect((await r.hKeys('h')).sort(), ['age', 'name', 'score']);
    expect((await r.hRandFieldCountWithValues('h', 5)).length, 3);
    expect(await r.hDel('h', ['age', 'score', 'nosuch']), 2);
    expect(await r.hVals('h'), ['Ada']);
    await r.hSet('many', Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`f${i}`, i])));
    const seen = new Set<string>();
    for await (const entries of r.hScanIterator('many', { COUNT: 50 })) {
      for (const { field } of entries) seen.add(field);
    }
    expect(seen.size, 1000);
    expect(await r.hLen('many'), 1000);
  },
  sets: async () => {
    expect(await r.sAdd('s1', ['a', 'b', 'c', '1']), 4);
    expect(await r.sAdd('s2', ['b', 'c', 'd']), 3);
    expect([...(await r.sMembers('s1'))].sort(), ['1', 'a', 'b', 'c']);
    expect(await r.sIsMember('s1', 'a'), 1);
    expect(await r.smIsMember('s1', ['a', 'x']), [1, 0]);
    expect([...(await r.sInter(['s1', 's2']))].sort(), ['b', 'c']);
    expect([...(await r.sUnion(['s1', 's2']))].length, 5);
    expect([...(await r.sDiff(['s1', 's2']))].sort(), ['1', 'a']);
    expect(await r.sInterCard(['s1', 's2'], { LIMIT: 1 }), 1);
    expect(await r.sUnionStore('s3', ['s1', 's2']), 5);
    expect(await r.sMove('s1', 's2', 'a'), 1);
    expect(await r.sRem('s1', ['1', 'x']), 1);
    expect(['b', 'c'].includes(String(await r.sRandMember('s1'))), true);
    expect([...(await r.sPopCount('s3', 5))].length, 5);
    expect(await r.exists('s3'), 0);
    await r.sAdd(
      'smany',
      Array.from({ length: 1000 }, (_, i) => `m${i}`),
    );
    const seen = new Set<string>();
    for await (const members of r.sScanIterator('smany')) for (const one of members) seen.add(one);
    expect(seen.size, await r.sCard('smany'));
  },
  'sorted-sets': async () => {
    const scored = (value: string, score: number) => ({ value, score });
    expect(await r.zAdd('z', [scored('one', 1), scored('two', 2.5), scored('last', Infinity)]), 3);
    expect(await r.zAdd('z', [scored('one', 0), scored('two', 3)], { comparison: 'GT', CH: true }), 1);
    expect(
      (await r.zRangeWithScores('z', 0, -1)).map(({ value, score }) => [value, score]),
      [
        ['one', 1],
        ['two', 3],
        ['last', Infinity],
      ],
    );
    expect(await r.zRange('z', '(3', 1, { BY: 'SCORE', REV: true }), ['one']);
    expect(await r.zIncrBy('z', 0.1, 'one'), 1.1);
    expect(await r.zScore('z', 'last'), Infinity);
    expect(await r.zmScore('z', ['two', 'x']), [3, null]);
    expect([await r.zRank('z', 'two'), await r.zRevRank('z', 'two')], [1, 1]);
    expect(await r.zCount('z', 1, 3), 2);
    await r.zAdd(
      'lex',
      ['a', 'b', 'c'].map((one) => scored(one, 0)),
    );
    expect(await r.zRangeByLex('lex', '[a', '(c'), ['a', 'b']);
    const weighted = [
      { key: 'z', weight: 2 },
      { key: 'lex', weight: 1 },
    ] as const;
    expect(await r.zUnionStore('zu', [...weighted], { AGGREGATE: 'MAX' }), 6);
    expect(await r.zScore('zu', 'two'), 6);
    expect({ ...(await r.zPopMin('z')) }, { value: 'one', score: 1.1 });
    expect(await r.zRemRangeByScore('z', '-inf', 'inf'), 2);
    await r.zAdd(
      'zmany',
      Array.from({ length: 1000 }, (_, i) => scored(`m${i}`, i)),
    );
    expect(await r.zRange('zmany', 500, 501), ['m500', 'm501']);
    const seen = new Set<string>();
    for await (const members of r.zScanIterator('zmany')) for (const { value } of members) seen.add(value);
    expect(seen.size, await r.zCard('zmany'));
  },
  streams: async () => {
    const plain = (list: unknown) => JSON.parse(JSON.stringify(list));
    expect(await r.xAdd('x', '1-1', { sensor: '7', value: 'a' }), '1-1');
    expect(await r.xAdd('x', '1-*', { sensor: '8' }), '1-2');
    expect(/^\d{13}-0$/.test(await r.xAdd('x', '*', { sensor: '9' })), true);
    expect(await r.xLen('x'), 3);
    const first = { id: '1-1', message: { sensor: '7', value: 'a' } };
    const second = { id: '1-2', message: { sensor: '8' } };
    expect(plain(await r.xRange('x', '-', '(1-2')), [first]);
    expect(plain(await r.xRevRange('x', '+', '-', { COUNT: 1 }))[0].message, { sensor: '9' });
    expect(await r.xGroupCreate('x', 'g', '0'), 'OK');
    const read = await r.xReadGroup('g', 'alice', { key: 'x', id: '>' }, { COUNT: 2 });
    const messages = plain(read)[0].messages as { id: string; message: unknown }[];
    expect(
      messages.map(({ id, message }) => ({ id, message })),
      [first, second],
    );
    expect(await r.xAck('x', 'g', ['1-1', '9-9']), 1);
    expect(plain(await r.xPending('x', 'g')), {
      pending: 1,
      firstId: '1-2',
      lastId: '1-2',
      consumers: [{ name: 'alice', deliveriesCounter: 1 }],
    });
    expect(plain(await r.xClaim('x', 'g', 'bob', 0, '1-2')), [second]);
    expect((await r.xPendingRange('x', 'g', '-', '+', 10))[0]!.consumer, 'bob');
    expect(plain((await r.xAutoClaim('x', 'g', 'carol', 0, '0')).messages), [second]);
    expect((await r.xInfoGroups('x'))[0]!.name, 'g');
    expect(await r.xDel('x', '1-2'), 1);
    expect(await r.xTrim('x', 'MAXLEN', 1), 1);
    expect(await r.xRead({ key: 'x', id: '$' }), null);
  },
  geo: async () => {
    const places = [
      { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' },
      { longitude: 15.087269, latitude: 37.502669, member: 'Catania' },
    ];
    expect(await r.geoAdd('Sicily', places), 2);
    expect(await r.geoDist('Sicily', 'Palermo', 'Catania', 'km'), 166.2742);
    expect(await r.geoHash('Sicily', ['Palermo', 'x']), ['sqc8b49rny0', null]);
    const [palermo, none] = await r.geoPos('Sicily', ['Palermo', 'x']);
    expect(Number(palermo!.longitude).toFixed(6), '13.361389');
    expect([Number(palermo!.latitude).toFixed(6), none], ['38.115556', null]);
    const circle = { radius: 200, unit: 'km' } as const;
    expect(await r.geoSearch('Sicily', { longitude: 15, latitude: 37 }, circle, { SORT: 'ASC' }), [
      'Catania',
      'Palermo',
    ]);
    const box = { width: 10, height: 10, unit: 'km' } as const;
    expect(await r.geoSearchStore('near', 'Sicily', 'Palermo', box), 1);
  },
  blocking: async () => {
    const other = await connect();
    const later = (run: () => Promise<unknown>) => setTimeout(run, 50);
    await r.rPush('q', 'first');
    expect({ ...(await other.blPop(['nosuch', 'q'], 5)) }, { key: 'q', element: 'first' });
    const popped = other.blPop('q', 20);
    later(() => r.rPush('q', 'second'));
    expect({ ...(await popped) }, { key: 'q', element: 'second' });
    const moved = other.blMove('q', 'done', 'LEFT', 'RIGHT', 20);
    later(() => r.rPush('q', 'third'));
    expect([await moved, await r.lLen('done')], ['third', 1]);
    const least = other.bzPopMin('zq', 20);
    later(() => r.zAdd('zq', { value: 'a', score: 1 }));
    expect({ ...(await least) }, { key: 'zq', value: 'a', score: 1 });
    const entry = other.xRead({ key: 'xq', id: '$' }, { BLOCK: 20_000 });
    later(() => r.xAdd('xq', '1-1', { f: 'v' }));
    expect(JSON.stringify(await entry).includes('"id":"1-1"'), true);
    expect(await other.blPop('q', 0.02), null);
  },
  pubsub: async () => {
    const [subscriber, sharded] = [await connect(), await connect()];
    const got: string[][] = [];
    const note = (message: string, channel: string) => got.push([channel, message]);
    await subscriber.subscribe(['news', 'sport'], note);
    await subscriber.pSubscribe('n*', note);
    await sharded.sSubscribe('news', note);
    expect(await r.publish('news', 'one'), 2);
    expect(await r.sPublish('news', 'two'), 1);
    expect(await r.publish('weather', 'nobody'), 0);
    // What was sent before the answer to this has come by then.
    await Promise.all([subscriber.unsubscribe('sport'), sharded.sUnsubscribe('news')]);
    expect(got.sort(), [
      ['news', 'one'],
      ['news', 'one'],
      ['news', 'two'],
    ]);
    expect(await r.pubSubChannels(), ['news']);
    expect({ ...(await r.pubSubNumSub(['news', 'sport'])) }, { news: 1, sport: 0 });
    expect(await r.pubSubNumPat(), 1);
    await subscriber.pUnsubscribe();
    await subscriber.unsubscribe();
    expect(await subscriber.get('back to normal'), null);
  },
  ...(PROTOCOL === 3 && {
    resp3: async () => {
      const hello = await r.sendCommand(['HELLO', '3']);
      expect((hello as unknown as { proto: number }).proto ?? (hello as never as unknown[])[5], 3);
      expect({ ...(await r.configGet('maxmemory-policy')) }, { 'maxmemory-policy': 'noeviction' });
      expect(await r.get('no such key'), null);
      expect(String(await r.sendCommand(['CLIENT', 'INFO'])).includes(' resp=3 '), true);
    },
  }),
  errors: async () => {
    await r.set('text', 'abc');
    await expectError(Reply, 'ERR value is not an integer or out of range', () => r.incr('text'));
    await expectError(Reply, "ERR unknown command 'NOSUCH'", () => r.sendCommand(['NOSUCH']));
    await expectError(Reply, 'ERR syntax error', () => r.sendCommand(['SET', 'a', 'b', 'BAD']));
    await expectError(Reply, 'WRONGTYPE Key is not a valid HyperLogLog string value.', () =>
      r.pfAdd('text', 'x'),
    );
    const settled = await Promise.allSettled([r.get('text'), r.incr('text'), r.get('text')]);
    expect(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
  },
  'client-info': async () => {
    const named = await connect({ name: 'check-node-redis' });
    expect(await named.clientGetName(), 'check-node-redis');
    const id = await named.clientId();
    const found = (await r.clientList()).filter((entry) => entry.name === 'check-node-redis');
    expect(
      found.map((entry) => entry.id),
      [id],
    );
    expect(found[0]!.db, 0);
    expect((await named.clientInfo()).libName?.startsWith('node-redis'), true);
    named.destroy();
  },
  info: async () => {
    const info = await r.info();
    expect(/\nredis_version:[7-9]\./.test(info), true);
    expect(info.includes(`\ntcp_port:${PORT}\r\n`), true);
    expect(info.includes(`\ndb0:keys=${await r.dbSize()},expires=`), true);
    expect(/\ncmdstat_ping:calls=\d+,usec=/.test(await r.info('commandstats')), true);
    expect((await r.commandCount()) > 70, true);
    expect(await r.objectEncoding('text'), 'embstr');
    const [get] = await r.commandInfo(['get']);
    expect(get?.name, 'get');
  },
  'large-value': async () => {
    const value = largeValue();
    expect(await r.set('large', value), 'OK');
    expect(await r.strLen('large'), value.length);
    expect((await binary.get('large'))?.equals(value), true);
    expect(await binary.getRange('large', -4, -1), value.subarray(-4));
    expect(await r.unlink('large'), 1);
  },
  reconnect: async () => {
    const other = await connect({}, true);
    expect(await other.ping(), 'PONG');
    const again = new Promise((resolve) => other.once('ready', resolve));
    await restartServer();
    await again;
    expect(await other.set('after', '1'), 'OK');
    expect(await other.get('after'), '1');
  },
});

for (const redis of opened) if (redis.isOpen) redis.destroy();
