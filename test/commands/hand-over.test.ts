// An acceptor runs nothing long: every command whose work grows with its arguments or with a value estimates it
// (Place.Estimated), or looks at the value and hands over (CommandContext.handOver). Here is a long request for each of
// them; a new command must be given one, or be put among those whose work is always short.

import { describe, expect, it } from 'vitest';
import { KeyPlan, Place } from '../../src/commands/table.ts';
import { InProcess } from '../support/in-process.ts';

const SIZE = 20_000;
const TEXT = 'x'.repeat(1 << 20);

type Line = readonly string[];

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const many = (name: string, count = SIZE): string[] => numbers(count).map((i) => `${name}:${i}`);
const pairs = (count = SIZE): string[] => numbers(count).flatMap((i) => [`new:${i}`, `${i}`]);
const words = (text: string): Line => text.split(' ');

const DATA: readonly Line[] = [
  ['SET', 'str', TEXT],
  ['SET', 'other', TEXT],
  ['SET', 'text', TEXT.slice(0, 5000)],
  ['RPUSH', 'list', ...many('element')],
  ...numbers(60).map(() => ['RPUSH', 'long', ...many('element')]),
  ['SADD', 'set', ...many('member')],
  ['SADD', 'set2', ...many('member')],
  ['HSET', 'hash', ...numbers(SIZE).flatMap((i) => [`field:${i}`, 'value'])],
  ['HSET', 'huge field', 'f', TEXT],
  ['ZADD', 'zset', ...numbers(SIZE).flatMap((i) => [`${i}`, `member:${i}`])],
  ['ZADD', 'lex', ...numbers(SIZE).flatMap((i) => ['0', `member:${i}`])],
  [
    'GEOADD',
    'geo',
    ...numbers(SIZE).flatMap((i) => [`${(i % 100) / 100}`, `${Math.floor(i / 100) / 1000}`, `member:${i}`]),
  ],
  ...numbers(SIZE).map((i) => ['XADD', 'stream', `${i + 1}-0`, 'field', 'value']),
  ...numbers(SIZE * 3).map((i) => ['XADD', 'long:stream', `${i + 1}-0`, 'field', 'value']),
  ['XGROUP', 'CREATE', 'stream', 'g', '0'],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'STREAMS', 'stream', '>'],
  ['XGROUP', 'CREATE', 'stream', 'fresh', '0'],
  ...many('g', 5000).map((name) => ['XGROUP', 'CREATE', 'groups', name, '0', 'MKSTREAM']),
  ['XGROUP', 'CREATE', 'groups', 'g', '0'],
  ...many('c', 5000).map((name) => ['XGROUP', 'CREATECONSUMER', 'groups', 'g', name]),
  ['PFADD', 'hll', ...many('h', 5000)],
];

const ids = (): string[] => numbers(SIZE).map((i) => `${i + 1}-0`);
const fields = (): Line => ['FIELDS', `${SIZE}`, ...many('field')];
const hlls: string[] = new Array(100).fill('hll');

/** A request that takes long, by command. */
const LONG: Readonly<Record<string, Line>> = {
  append: ['APPEND', 'new', TEXT],
  bitcount: words('BITCOUNT str'),
  bitfield: ['BITFIELD', 'str', ...numbers(SIZE / 2).flatMap(() => ['GET', 'u8', '0'])],
  bitfield_ro: ['BITFIELD_RO', 'str', ...numbers(SIZE / 2).flatMap(() => ['GET', 'u8', '0'])],
  bitop: words('BITOP AND new str other'),
  bitpos: words('BITPOS str 0 0'),
  blmpop: words(`BLMPOP 1 1 list LEFT COUNT ${SIZE}`),
  bzmpop: words(`BZMPOP 1 1 zset MIN COUNT ${SIZE}`),
  copy: words('COPY zset new'),
  del: ['DEL', ...many('key')],
  delex: ['DELEX', 'str', 'IFEQ', TEXT],
  digest: words('DIGEST str'),
  dump: words('DUMP zset'),
  echo: ['ECHO', TEXT],
  exists: ['EXISTS', ...many('key')],
  geoadd: ['GEOADD', 'new', ...many('m').flatMap((name) => ['1', '1', name])],
  geohash: ['GEOHASH', 'geo', ...many('member')],
  geopos: ['GEOPOS', 'geo', ...many('member')],
  georadius: words('GEORADIUS geo 0 0 1000 km'),
  georadius_ro: words('GEORADIUS_RO geo 0 0 1000 km'),
  georadiusbymember: words('GEORADIUSBYMEMBER geo member:1 1000 km'),
  georadiusbymember_ro: words('GEORADIUSBYMEMBER_RO geo member:1 1000 km'),
  geosearch: words('GEOSEARCH geo FROMMEMBER member:1 BYRADIUS 1000 km'),
  geosearchstore: words('GEOSEARCHSTORE new geo FROMMEMBER member:1 BYRADIUS 1000 km'),
  get: words('GET str'),
  getdel: words('GETDEL str'),
  getex: words('GETEX str'),
  getrange: words('GETRANGE str 0 -1'),
  getset: ['GETSET', 'str', 'x'],
  hdel: ['HDEL', 'hash', ...many('field')],
  hexpire: ['HEXPIRE', 'hash', '100', ...fields()],
  hexpireat: ['HEXPIREAT', 'hash', '9999999999', ...fields()],
  hexpiretime: ['HEXPIRETIME', 'hash', ...fields()],
  hget: ['HGET', 'huge field', 'f'],
  hgetall: words('HGETALL hash'),
  hgetdel: ['HGETDEL', 'hash', ...fields()],
  hgetex: ['HGETEX', 'hash', ...fields()],
  hkeys: words('HKEYS hash'),
  hmget: ['HMGET', 'hash', ...many('field')],
  hmset: ['HMSET', 'new', ...pairs()],
  hpersist: ['HPERSIST', 'hash', ...fields()],
  hpexpire: ['HPEXPIRE', 'hash', '100000', ...fields()],
  hpexpireat: ['HPEXPIREAT', 'hash', '9999999999999', ...fields()],
  hpexpiretime: ['HPEXPIRETIME', 'hash', ...fields()],
  hpttl: ['HPTTL', 'hash', ...fields()],
  hrandfield: words(`HRANDFIELD hash ${SIZE}`),
  hscan: words(`HSCAN hash 0 COUNT ${SIZE}`),
  hset: ['HSET', 'new', ...pairs()],
  hsetex: ['HSETEX', 'new', 'FIELDS', `${SIZE}`, ...pairs()],
  hsetnx: ['HSETNX', 'new', 'f', TEXT],
  httl: ['HTTL', 'hash', ...fields()],
  hvals: words('HVALS hash'),
  lcs: words('LCS text text'),
  linsert: words('LINSERT list BEFORE none x'),
  lmpop: words(`LMPOP 1 list LEFT COUNT ${SIZE}`),
  lpop: words(`LPOP list ${SIZE}`),
  lpos: words('LPOS list none'),
  lpush: ['LPUSH', 'new', ...many('e')],
  lpushx: ['LPUSHX', 'list', ...many('e')],
  lrange: words('LRANGE list 0 -1'),
  lrem: words('LREM list 0 none'),
  lset: ['LSET', 'list', '0', TEXT],
  ltrim: words('LTRIM long 0 0'),
  'memory|usage': words('MEMORY USAGE zset SAMPLES 0'),
  mget: ['MGET', ...many('key')],
  mset: ['MSET', ...pairs()],
  msetex: ['MSETEX', `${SIZE}`, ...pairs()],
  msetnx: ['MSETNX', ...pairs()],
  pfadd: ['PFADD', 'new', ...many('e')],
  pfcount: ['PFCOUNT', ...hlls],
  pfmerge: ['PFMERGE', 'new', ...hlls],
  ping: ['PING', TEXT],
  psetex: ['PSETEX', 'new', '1000', TEXT],
  rename: words('RENAME str new'),
  renamenx: words('RENAMENX str new'),
  restore: ['RESTORE', 'new', '0', TEXT],
  'restore-asking': ['RESTORE-ASKING', 'new', '0', TEXT],
  rpop: words(`RPOP list ${SIZE}`),
  rpush: ['RPUSH', 'new', ...many('e')],
  rpushx: ['RPUSHX', 'list', ...many('e')],
  sadd: ['SADD', 'new', ...many('e')],
  scan: words(`SCAN 0 COUNT ${SIZE}`),
  sdiff: words('SDIFF set set2'),
  sdiffstore: words('SDIFFSTORE new set set2'),
  set: ['SET', 'new', TEXT],
  setbit: words('SETBIT new 99999999 1'),
  setex: ['SETEX', 'new', '1000', TEXT],
  setnx: ['SETNX', 'new', TEXT],
  setrange: ['SETRANGE', 'new', '0', TEXT],
  sinter: words('SINTER set set2'),
  sintercard: words('SINTERCARD 2 set set2'),
  sinterstore: words('SINTERSTORE new set set2'),
  smembers: words('SMEMBERS set'),
  smismember: ['SMISMEMBER', 'set', ...many('member')],
  sort: words('SORT list ALPHA'),
  sort_ro: words('SORT_RO list ALPHA'),
  spop: words(`SPOP set ${SIZE - 1}`),
  srandmember: words(`SRANDMEMBER set ${SIZE}`),
  srem: ['SREM', 'set', ...many('member')],
  sscan: words(`SSCAN set 0 COUNT ${SIZE}`),
  substr: words('SUBSTR str 0 -1'),
  sunion: words('SUNION set set2'),
  sunionstore: words('SUNIONSTORE new set set2'),
  touch: ['TOUCH', ...many('key')],
  unlink: ['UNLINK', ...many('key')],
  xack: ['XACK', 'stream', 'g', ...ids()],
  xackdel: ['XACKDEL', 'stream', 'g', 'IDS', `${SIZE}`, ...ids()],
  xadd: ['XADD', 'new', '*', 'f', TEXT],
  xautoclaim: words(`XAUTOCLAIM stream g bob 0 0 COUNT ${SIZE}`),
  xclaim: ['XCLAIM', 'stream', 'g', 'bob', '0', ...ids()],
  xdel: ['XDEL', 'stream', ...ids()],
  xdelex: ['XDELEX', 'stream', 'IDS', `${SIZE}`, ...ids()],
  'xgroup|delconsumer': words('XGROUP DELCONSUMER stream g alice'),
  'xgroup|destroy': words('XGROUP DESTROY stream g'),
  'xinfo|consumers': words('XINFO CONSUMERS groups g'),
  'xinfo|groups': words('XINFO GROUPS groups'),
  'xinfo|stream': words('XINFO STREAM stream FULL COUNT 0'),
  xpending: words(`XPENDING stream g - + ${SIZE}`),
  xrange: words('XRANGE stream - +'),
  xread: words('XREAD STREAMS stream 0'),
  xreadgroup: words('XREADGROUP GROUP fresh bob STREAMS stream >'),
  xrevrange: words('XREVRANGE stream + -'),
  xtrim: words('XTRIM long:stream MAXLEN 1'),
  zadd: ['ZADD', 'new', ...many('m').flatMap((name) => ['1', name])],
  zdiff: words('ZDIFF 2 zset lex'),
  zdiffstore: words('ZDIFFSTORE new 2 zset lex'),
  zinter: words('ZINTER 2 zset lex'),
  zintercard: words('ZINTERCARD 2 zset lex'),
  zinterstore: words('ZINTERSTORE new 2 zset lex'),
  zmpop: words(`ZMPOP 1 zset MIN COUNT ${SIZE}`),
  zmscore: ['ZMSCORE', 'zset', ...many('member')],
  zpopmax: words(`ZPOPMAX zset ${SIZE}`),
  zpopmin: words(`ZPOPMIN zset ${SIZE}`),
  zrandmember: words(`ZRANDMEMBER zset ${SIZE}`),
  zrange: words('ZRANGE zset 0 -1'),
  zrangebylex: words('ZRANGEBYLEX lex - +'),
  zrangebyscore: words('ZRANGEBYSCORE zset -inf +inf'),
  zrangestore: words('ZRANGESTORE new zset 0 -1'),
  zrem: ['ZREM', 'zset', ...many('member')],
  zremrangebylex: words('ZREMRANGEBYLEX lex (member:0 +'),
  zremrangebyrank: words('ZREMRANGEBYRANK zset 1 -1'),
  zremrangebyscore: words('ZREMRANGEBYSCORE zset 1 +inf'),
  zrevrange: words('ZREVRANGE zset 0 -1'),
  zrevrangebylex: words('ZREVRANGEBYLEX lex + -'),
  zrevrangebyscore: words('ZREVRANGEBYSCORE zset +inf -inf'),
  zscan: words(`ZSCAN zset 0 COUNT ${SIZE}`),
  zunion: words('ZUNION 2 zset lex'),
  zunionstore: words('ZUNIONSTORE new 2 zset lex'),
};

/** Commands on keys whose work does not grow: a value that is deleted as a whole is freed later, by workers. */
const SHORT = new Set<string>(
  (
    'blmove blpop brpop brpoplpush bzpopmax bzpopmin decr decrby expire expireat expiretime geodist getbit ' +
    'hexists hincrby hincrbyfloat hlen hstrlen incr incrby incrbyfloat lindex llen lmove move object|encoding ' +
    'object|freq object|idletime object|refcount persist pexpire pexpireat pexpiretime pfdebug pttl rpoplpush scard ' +
    'sismember smove strlen ttl type xgroup|create xgroup|createconsumer xgroup|setid xlen xsetid zcard zcount ' +
    'zincrby zlexcount zrank zrevrank zscore'
  ).split(' '),
);

/** Long by the keyspace, the table of commands or what else the whole server has; estimated, and tested where they are. */
const OF_THE_SERVER = new Set<string>([
  'command',
  'command|docs',
  'command|info',
  'config|get',
  'info',
  'latency|histogram',
]);

describe('on an acceptor', () => {
  const server = new InProcess({ mayBlock: false, heedEstimates: true });
  // Made by one that may do everything.
  const maker = new InProcess({ buffers: server.keyspace.memory.buffers });
  for (const line of DATA) maker.run(...line);
  const subject = server.table.all.filter(
    (command) =>
      command.place === Place.Estimated ||
      (command.place === Place.InPlace && command.keyPlan !== KeyPlan.None),
  );

  it('every command that may take long has its case', () => {
    const known = (name: string): boolean => name in LONG || SHORT.has(name) || OF_THE_SERVER.has(name);
    expect(subject.map(({ name }) => name).filter((name) => !known(name))).toEqual([]);
    const names = new Set(subject.map(({ name }) => name));
    expect([...Object.keys(LONG), ...SHORT, ...OF_THE_SERVER].filter((name) => !names.has(name))).toEqual([]);
  });

  it.each(Object.entries(LONG))('%s hands over', (_name, line) => {
    const digest = maker.text('DEBUG', 'DIGEST');
    const reply = server.text(...line);
    expect(server.cx.handedOver, `estimate ${server.lastEstimate}, reply ${reply.slice(0, 100)}`).toBe(true);
    expect(maker.text('DEBUG', 'DIGEST')).toBe(digest);
  });
});
