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
