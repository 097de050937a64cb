// What commands on strings, keys and lists leave in the change stream, against what redis-server writes to its log.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AofOracle, compareTold } from '../support/aof-oracle.ts';
import { InProcess } from '../support/in-process.ts';
import { compareRows, rows } from './effects-cases.ts';

let oracle: AofOracle;
let local: InProcess;
beforeAll(async () => {
  oracle = await AofOracle.start();
  // Both delete what has expired when they meet it.
  await oracle.run('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
});
afterAll(() => oracle.stop());
beforeEach(async () => {
  local = new InProcess({ effects: true });
  local.config.assign('enable-debug-command', 'yes');
  await oracle.run('SELECT', '0');
  await oracle.run('FLUSHALL');
});
afterEach(() => local.checkInvariants());

const SCRIPTS: Record<string, string> = {
  SET: `
    SET k v
    set k v
    SET k v NX
    SET n v nx
    SET k v XX
    SET missing v XX
    SET k v EX 100
    SET k v PX 100000
    SET k v EXAT 4102444800
    SET k v PXAT 4102444800000
    SET k v pxat 4102444800000
    SET k v KEEPTTL
    SET k v GET
    SET k v GET XX
    SET k get get
    SET k v xx get GET KeepTTL
    SET k v GET EX 100
    SET k v EX 100 GET
    SET k v PXAT 4102444800000 GET
    SET k v EXAT 4102444800 GET XX
    SET k v NX GET
    SET fresh v NX GET
    SET k v NX EX 10
    SET k 'with blanks'
    SET k v EX 0
    SET k v PXAT 1
    GET k
    SET k v EXAT 1
    SET k w
    SET k v EX 9223372036854775
    SET k v EX 9000000000000000
    SET k v PX 9000000000000000
    LPUSH list a
    SET list v GET
    SET list v
    SET list v GET NX`,
  'SETEX and others': `
    SETEX k 100 v
    setex k 100 v
    PSETEX k 100000 v
    SETEX k 0 v
    SETNX k v
    SETNX n v
    GETSET k w
    GETSET missing w
    GETDEL k
    GETDEL k
    MSET a 1 b 2
    MSETNX a 1 c 2
    MSETNX d 1 c 2
    APPEND a 5
    APPEND a ''
    APPEND n2 ''
    SETRANGE a 2 xx
    SETRANGE a 2 ''
    SETRANGE missing 0 ''
    STRLEN a
    GETRANGE a 0 -1
    INCR n1
    DECR n1
    INCRBY n1 10
    INCRBY n1 0
    DECRBY n1 3
    INCR a
    INCRBYFLOAT n1 0.1
    incrbyfloat n1 1.5e3
    INCRBYFLOAT fresh 5
    SET n1 10.5 EX 100
    INCRBYFLOAT n1 0
    INCRBYFLOAT a 1`,
  GETEX: `
    SET k v
    GETEX k
    GETEX k PERSIST
    GETEX k EX 100
    GETEX k PX 100000
    GETEX k EXAT 4102444800
    GETEX k PXAT 4102444800000
    getex k PERSIST
    GETEX k PXAT 1
    SET k v
    GETEX k EXAT 1
    GETEX k EX 10
    SET k v
    CONFIG SET lazyfree-lazy-expire yes
    GETEX k EXAT 1
    CONFIG SET lazyfree-lazy-expire no
    SET k v
    CONFIG SET lazyfree-lazy-user-del yes
    GETDEL k
    SET k v
    DEL k
    CONFIG SET lazyfree-lazy-user-del no`,
  bitmaps: `
    SETBIT b 7 1
    SETBIT b 7 1
    SETBIT b 7 0
    SETBIT b 100 0
    SETBIT b 5 0
    GETBIT b 5
    BITFIELD b SET u8 0 255
    BITFIELD b SET u8 0 255
    BITFIELD b GET u8 0
    BITFIELD b INCRBY u8 0 1 GET u4 0
    BITFIELD b OVERFLOW FAIL INCRBY u2 0 9
    BITFIELD b SET u8 1000 0
    BITFIELD_RO b GET u8 0
    BITFIELD missing SET u8 0 0
    BITFIELD m2 GET u8 0
    SET s1 abc
    SET s2 xyz
    BITOP AND d s1 s2
    bitop or d s1 s2
    BITOP XOR s1 s1 s2
    BITOP NOT d s1
    BITOP AND d none none2
    BITOP AND d none none2
    BITCOUNT s1`,
  HyperLogLogs: `
    PFADD h
    PFADD h
    PFADD h a b c
    PFADD h a b c
    PFCOUNT h
    PFCOUNT h
    PFADD h2 d
    PFCOUNT h h2
    PFMERGE d h h2
    PFMERGE d h h2
    PFMERGE e
    PFCOUNT d
    PFDEBUG ENCODING d
    PFDEBUG GETREG d
    PFDEBUG GETREG d
    PFDEBUG TODENSE h
    PFDEBUG TODENSE h
    PFCOUNT nothing`,
  expiries: `
    SET k v
    EXPIRE k 100
    expire k 100
    EXPIRE k 100 NX
    EXPIRE k 200 XX
    EXPIRE k 300 GT
    EXPIRE k 400 gt
    EXPIRE k 100 LT XX
    PEXPIRE k 100000
    EXPIREAT k 4102444800
    PEXPIREAT k 4102444800000
    pexpireat k 4102444800000 XX
    PEXPIREAT k 4102444800001 GT
    EXPIRE none 100
    EXPIREAT none 1
    PERSIST k
    PERSIST k
    PERSIST none
    TTL k
    EXPIRE k 9223372036854775
    EXPIRE k 9000000000000000
    EXPIRE k 0
    SET k v
    EXPIRE k -1
    SET k v
    PEXPIREAT k 1
    SET k v
    EXPIREAT k 1 NX
    CONFIG SET lazyfree-lazy-expire yes
    SET k v
    PEXPIRE k -1
    CONFIG SET lazyfree-lazy-expire no`,
  keys: `
    MSET a 1 b 2 c 3 d 4
    RENAME a a
    RENAME a z
    RENAME none z
    RENAME z b
    RENAMENX b c
    RENAMENX b e
    RENAMENX b b
    RENAMENX e e
    COPY e f
    COPY e f
    COPY e f REPLACE
    COPY e e DB 3
    COPY none g
    MOVE e 3
    MOVE f 2
    MOVE f 2
    MOVE none 2
    SELECT 2
    SET x y
    MOVE x 0
    COPY f f DB 5
    SWAPDB 2 5
    SWAPDB 2 2
    DBSIZE
    SELECT 0
    TOUCH c d
    EXISTS c d
    TYPE c
    OBJECT ENCODING c
    DEL c nothing d c
    DEL c
    SET u 1
    UNLINK u none
    UNLINK u
    FLUSHDB
    FLUSHDB
    SET u 1
    FLUSHDB ASYNC
    FLUSHALL SYNC
    FLUSHALL
    SELECT 1
    SET u 1
    SET u 1
    SELECT 0`,
  lists: `
    RPUSH l a b c d e f g
    LPUSH l x
    LPUSHX none x
    LPUSHX l y
    RPUSHX l z w
    LPOP l
    LPOP none
    RPOP l 2
    LPOP l 0
    LPOP none 2
    LPOP l 1
    LSET l 0 q
    LSET l 99 q
    LINSERT l BEFORE q p
    LINSERT l AFTER nope p
    LINSERT none AFTER nope p
    LREM l 0 nope
    LREM l 1 p
    LTRIM l 0 -1
    LTRIM l 1 -1
    LTRIM none 0 1
    LMOVE l m LEFT RIGHT
    LMOVE l l LEFT RIGHT
    LMOVE none m LEFT RIGHT
    RPOPLPUSH l m
    RPOPLPUSH m m
    RPOPLPUSH none m
    LRANGE l 0 -1
    RPUSH l a b c d e f g
    LMPOP 2 none l LEFT
    LMPOP 1 l RIGHT COUNT 2
    lmpop 1 l RIGHT COUNT 100
    LMPOP 1 l RIGHT COUNT 100
    RPUSH l a b c d e f g h i j k
    BLPOP none l 0
    BRPOP l 0
    blpop l 0.5
    BLMOVE l m LEFT RIGHT 0
    blmove l m right left 1
    BLMOVE l l LEFT LEFT 0
    BRPOPLPUSH l m 0
    brpoplpush l l 0
    BLMPOP 0 2 none l LEFT
    BLMPOP 0 2 none l RIGHT COUNT 2
    BLMPOP 0 1 l RIGHT COUNT 200
    RPUSH one a
    RPOPLPUSH one one
    LMOVE one one LEFT LEFT
    LTRIM one 5 6
    LPUSH s a
    SET str v
    LMOVE s str LEFT LEFT
    BLMOVE s str LEFT LEFT 0`,
  SORT: `
    RPUSH l 3 1 2
    SORT l
    SORT l STORE d
    sort l limit 0 2 store d
    SORT none STORE d
    SORT none STORE d
    SORT l LIMIT 5 5 STORE d
    SET w_1 5
    SORT l BY w_* GET # GET w_* STORE d
    SORT_RO l
    ZADD z 1 a
    SORT z ALPHA
    SADD set x y
    SORT set BY nosort STORE d
    SORT l BY nosort GET x STORE l`,
  'keys that have expired': `
    SET k v PX 1
    sleep
    GET k
    GET k
    SET k v PX 1
    sleep
    INCR k
    SET k v PX 1
    sleep
    SET k w
    SET k v PX 1
    SET j v PX 1
    sleep
    MGET k j k
    SET k v PX 1
    SET j v
    sleep
    RENAME j k
    SET k v PX 1
    sleep
    EXISTS k
    SET k v PX 1
    sleep
    DEL k
    SET k v PX 1
    sleep
    SET k v NX
    SET k v PX 1
    sleep
    SET k v XX
    SET k v PX 1
    sleep
    LPUSH k a
    DEL k
    SET k v PX 1
    sleep
    EXPIRE k 100
    SET k v PX 1
    sleep
    COPY j k
    SET k v PX 1
    sleep
    COPY k j REPLACE
    SELECT 1
    SET m v PX 1
    SELECT 0
    SET m v
    sleep
    MOVE m 1
    SELECT 1
    SET m v PX 1
    SELECT 0
    SET m v
    sleep
    COPY m m DB 1
    SET k v PX 1
    sleep
    GETDEL k
    SET k v PX 1
    sleep
    OBJECT ENCODING k
    SET k v PX 1
    sleep
    PERSIST k
    SET k v PX 1
    sleep
    TTL k
    SET k v PX 1
    sleep
    BITOP AND d k m
    CONFIG SET lazyfree-lazy-expire yes
    SET k v PX 1
    sleep
    GET k
    SET k v PX 1
    sleep
    APPEND k w
    CONFIG SET lazyfree-lazy-expire no
    SET w_1 4 PX 1
    RPUSH lw 1
    sleep
    SORT lw BY w_*
    SET w_1 4 PX 1
    sleep
    SORT lw BY w_* STORE sorted
    SET s 4 PX 1
    sleep
    BLPOP s lw 0
    SET s 4 PX 1
    sleep
    MSETNX s 1 t 2
    SET s 4 PX 1
    sleep
    MSET s 1 t 2
    SET s 4 PX 1
    sleep
    PFCOUNT s
    SET s 4 PX 1
    sleep
    TYPE s`,
  SCAN: `
    SET k v PX 1
    sleep
    SCAN 0 COUNT 1000
    SET k v PX 1
    sleep
    RANDOMKEY`,
};

describe('what commands tell is what redis-server logs', () => {
  it.each(Object.keys(SCRIPTS))('%s', async (name) => {
    await compareRows(local, oracle, SCRIPTS[name]!);
  });

  it('RESTORE', async () => {
    const payload = await dumpOf('v');
    const cases: (string | Buffer)[][] = [
      ['k1', '0', payload],
      ['k1', '0', payload],
      ['k1', '0', payload, 'REPLACE'],
      ['k1', '100000', payload, 'REPLACE'],
      ['k1', '100000', payload, 'replace', 'IDLETIME', '5'],
      ['k2', '4102444800000', payload, 'ABSTTL'],
      ['k2', '1', payload, 'ABSTTL', 'REPLACE'],
      ['k2', '1', payload, 'ABSTTL', 'REPLACE'],
    ];
    for (const args of cases) expect(await compareTold(local, oracle, ['RESTORE', ...args])).toBeNull();
    await oracle.run('CONFIG', 'SET', 'lazyfree-lazy-server-del', 'yes');
    local.config.assign('lazyfree-lazy-server-del', 'yes');
    for (const args of cases) expect(await compareTold(local, oracle, ['RESTORE', ...args])).toBeNull();
    await oracle.run('CONFIG', 'SET', 'lazyfree-lazy-server-del', 'no');
  });

  async function dumpOf(value: string): Promise<Buffer> {
    await oracle.run('SET', 'dumped', value);
    const payload = (await oracle.client.callBuffer('DUMP', 'dumped')) as Buffer;
    await oracle.run('DEL', 'dumped');
    return payload;
  }
});

describe('commands that came after 7.4 are told in its words', () => {
  const told = (...args: string[]): string[] => {
    local.run(...args);
    return rows(local.told);
  };

  it('SET with a condition on the value', () => {
    local.run('SET', 'k', 'v');
    expect(told('SET', 'k', 'w', 'IFEQ', 'v')).toEqual(['SET k w']);
    expect(told('SET', 'k', 'x', 'IFEQ', 'v')).toEqual([]);
    expect(told('SET', 'k', 'get', 'IFEQ', 'w', 'GET')).toEqual(['SET k get']);
    expect(told('SET', 'k', 'y', 'IFEQ', 'get', 'KEEPTTL')).toEqual(['SET k y KEEPTTL']);
    expect(told('SET', 'k', 'z', 'IFNE', 'q', 'PXAT', '4102444800000')).toEqual([
      'SET k z PXAT 4102444800000',
    ]);
  });

  it('DELEX', () => {
    local.run('SET', 'k', 'v');
    expect(told('DELEX', 'k', 'IFEQ', 'x')).toEqual([]);
    expect(told('DELEX', 'k', 'IFEQ', 'v')).toEqual(['DEL k']);
    expect(told('DELEX', 'k')).toEqual([]);
  });

  it('MSETEX', () => {
    expect(told('MSETEX', '2', 'a', '1', 'b', '2')).toEqual(['MSET a 1 b 2']);
    expect(told('MSETEX', '2', 'a', '1', 'b', '2', 'NX')).toEqual([]);
    expect(told('MSETEX', '1', 'c', '1', 'NX')).toEqual(['MSET c 1']);
    expect(told('MSETEX', '2', 'a', '1', 'b', '2', 'EXAT', '4102444800')).toEqual([
      'SET a 1 PXAT 4102444800000',
      'SET b 2 PXAT 4102444800000',
    ]);
    expect(told('MSETEX', '1', 'a', '3', 'KEEPTTL', 'XX')).toEqual(['SET a 3 KEEPTTL']);
  });

  it('BITOP', () => {
    local.run('MSET', 'a', 'abc', 'b', '   ');
    expect(told('BITOP', 'DIFF', 'd', 'a', 'b')).toEqual(['SET d ABC']);
    expect(told('BITOP', 'ONE', 'd', 'none')).toEqual(['DEL d']);
    expect(told('BITOP', 'ONE', 'd', 'none')).toEqual([]);
  });
});

describe('keys that have expired', () => {
  it('are told by KEYS, which looks at all of them', () => {
    local.setTime(1_000_000);
    local.run('SET', 'k', 'v', 'PX', '1');
    local.setTime(1_000_001);
    expect(local.text('KEYS', '*')).toBe('*0\r\n');
    expect(rows(local.told)).toEqual(['DEL k']);
  });

  it('stay untold while a long command works with them', () => {
    local.setTime(1_000_000);
    local.run('SET', 'k', 'v', 'PX', '1');
    local.setTime(1_000_001);
    const other = new InProcess({ buffers: local.keyspace.memory.buffers, thread: 2, effects: true });
    other.setTime(1_000_001);
    local.withPinned(['k'], () => expect(other.text('KEYS', '*')).toBe('*0\r\n'));
    expect(rows(other.told)).toEqual([]);
    expect(other.text('KEYS', '*')).toBe('*0\r\n');
    expect(rows(other.told)).toEqual(['DEL k']);
  });
});

describe('nothing is told', () => {
  it('while nobody wants to know', () => {
    const deaf = new InProcess();
    deaf.run('SET', 'k', 'v', 'EX', '10');
    deaf.run('GETEX', 'k', 'PXAT', '1');
    expect(deaf.told).toEqual([]);
    expect(deaf.cx.effects.count).toBe(0);
  });
});
