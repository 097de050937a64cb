// String commands: what the random comparison with redis-server 7.0 cannot show. That is options of later versions,
// limits, the encoding of special cases, counted changes and hits, and when work is handed over.

import { beforeEach, describe, expect, it } from 'vitest';
import { ShardCounter } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';
import { encodingOf, find } from './against-redis.ts';

const NOW = 1_700_000_000_000;
const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';
const NOT_A_DIGEST = '-ERR must be exactly 16 hexadecimal characters\r\n';
const SYNTAX = '-ERR syntax error\r\n';

let db: InProcess;
beforeEach(() => {
  db = new InProcess();
  db.setTime(NOW);
  return () => db.checkInvariants();
});

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

/** A key of another type: a record that only its header says is a list. */
function makeList(key: string): void {
  db.run('SET', key, 'not a string');
  const rec = find(db, key)!;
  rec.words[rec.w] = (rec.words[rec.w]! & ~15) | 1;
}

const hello = '9555e8555c62dcfd';

describe('SET with conditions on the value (8.4)', () => {
  it('IFEQ sets only over an equal value', () => {
    expect(db.text('SET', 'k', 'new', 'IFEQ', 'old')).toBe('$-1\r\n');
    expect(db.text('EXISTS', 'k')).toBe(':0\r\n');
    db.run('SET', 'k', 'old');
    expect(db.text('SET', 'k', 'new', 'IFEQ', 'other')).toBe('$-1\r\n');
    expect(db.lastDirty).toBe(0);
    expect(db.text('SET', 'k', 'new', 'ifeq', 'old')).toBe('+OK\r\n');
    expect(db.text('GET', 'k')).toBe(bulk('new'));
  });

  it('IFNE sets over another value or none', () => {
    expect(db.text('SET', 'k', '1', 'IFNE', 'x')).toBe('+OK\r\n');
    expect(db.text('SET', 'k', '2', 'IFNE', '1')).toBe('$-1\r\n');
    expect(db.text('SET', 'k', '2', 'IFNE', '')).toBe('+OK\r\n');
    expect(db.text('GET', 'k')).toBe(bulk('2'));
  });

  it('IFDEQ and IFDNE compare digests in any case', () => {
    db.run('SET', 'k', 'hello');
    expect(db.text('DIGEST', 'k')).toBe(bulk(hello));
    expect(db.text('SET', 'k', 'x', 'IFDNE', hello.toUpperCase())).toBe('$-1\r\n');
    expect(db.text('SET', 'k', 'x', 'IFDEQ', hello.toUpperCase())).toBe('+OK\r\n');
    expect(db.text('SET', 'k', 'y', 'IFDEQ', hello)).toBe('$-1\r\n');
    expect(db.text('SET', 'k', 'y', 'IFDNE', hello)).toBe('+OK\r\n');
    expect(db.text('SET', 'none', 'y', 'IFDEQ', hello)).toBe('$-1\r\n');
    expect(db.text('SET', 'none', 'y', 'IFDNE', hello)).toBe('+OK\r\n');
  });

  it.each(['', '1', hello.slice(1), `0${hello}`])('refuses %j as a digest, once there is a value', (text) => {
    expect(db.text('SET', 'none', 'x', 'IFDEQ', text)).toBe('$-1\r\n');
    db.run('SET', 'k', 'hello');
    expect(db.text('SET', 'k', 'x', 'IFDEQ', text)).toBe(NOT_A_DIGEST);
    expect(db.text('SET', 'k', 'x', 'IFDNE', text, 'GET')).toBe(NOT_A_DIGEST);
    expect(db.text('DELEX', 'k', 'IFDEQ', text)).toBe(NOT_A_DIGEST);
    expect(db.text('GET', 'k')).toBe(bulk('hello'));
  });

  it('GET answers with the old value whether it was set or not', () => {
    expect(db.text('SET', 'k', 'a', 'IFEQ', 'x', 'GET')).toBe('$-1\r\n');
    expect(db.text('EXISTS', 'k')).toBe(':0\r\n');
    expect(db.text('SET', 'k', 'a', 'IFNE', 'x', 'GET')).toBe('$-1\r\n');
    expect(db.text('SET', 'k', 'b', 'GET', 'IFEQ', 'x')).toBe(bulk('a'));
    expect(db.text('SET', 'k', 'b', 'GET', 'IFEQ', 'a', 'PX', '5000')).toBe(bulk('a'));
    expect(db.text('GET', 'k')).toBe(bulk('b'));
    expect(db.text('PTTL', 'k')).toBe(':5000\r\n');
  });

  it('refuses other types, and leaves them', () => {
    makeList('list');
    for (const condition of ['IFEQ', 'IFNE', 'IFDEQ', 'IFDNE'])
      expect(db.text('SET', 'list', 'x', condition, 'x')).toBe(WRONG_TYPE);
    expect(db.text('SET', 'list', 'x', 'GET')).toBe(WRONG_TYPE);
    expect(db.text('SET', 'list', 'x', 'NX')).toBe('$-1\r\n');
    expect(db.text('SET', 'list', 'x', 'XX')).toBe('+OK\r\n');
    expect(db.text('GET', 'list')).toBe(bulk('x'));
  });

  it.each([
    ['IFEQ'],
    ['IFEQ', 'a', 'IFEQ', 'a'],
    ['IFEQ', 'a', 'IFNE', 'b'],
    ['IFDEQ', hello, 'NX'],
    ['NX', 'IFEQ', 'a'],
    ['XX', 'NX'],
    ['EX'],
    ['EX', '10', 'PX', '10'],
    ['KEEPTTL', 'EX', '10'],
    ['EXAT', '10', 'KEEPTTL'],
    ['PERSIST'],
    ['NXX'],
  ])('%s is a syntax error', (...options) => {
    expect(db.text('SET', 'k', 'v', ...options)).toBe(SYNTAX);
  });
});

describe('expiry', () => {
  it('is exact to the last of 64 bits', () => {
    const latest = (2n ** 63n - 1n).toString();
    expect(db.text('SET', 'k', 'v', 'PXAT', latest)).toBe('+OK\r\n');
    expect(db.text('PEXPIRETIME', 'k')).toBe(`:${latest}\r\n`);
    expect(db.text('SET', 'k', 'w', 'KEEPTTL')).toBe('+OK\r\n');
    expect(db.text('PEXPIRETIME', 'k')).toBe(`:${latest}\r\n`);
    expect(db.text('SET', 'k', 'w', 'PX', latest)).toBe("-ERR invalid expire time in 'set' command\r\n");
    const most = (2n ** 63n - 1n - BigInt(NOW)).toString();
    expect(db.text('GETEX', 'k', 'PX', most)).toBe(bulk('w'));
    expect(db.text('PEXPIRETIME', 'k')).toBe(`:${latest}\r\n`);
    expect(db.text('GETEX', 'k', 'EX', '9223372036854775')).toBe(
      "-ERR invalid expire time in 'getex' command\r\n",
    );
    expect(db.text('SETEX', 'k', '0', 'v')).toBe("-ERR invalid expire time in 'setex' command\r\n");
  });

  it('in the past leaves a key that the next access removes; GETEX removes at once', () => {
    expect(db.text('SET', 'k', 'v', 'PXAT', '1')).toBe('+OK\r\n');
    expect(db.text('DBSIZE')).toBe(':1\r\n');
    expect(db.text('GET', 'k')).toBe('$-1\r\n');
    expect(db.text('DBSIZE')).toBe(':0\r\n');
    db.run('SET', 'k', 'v');
    expect(db.text('GETEX', 'k', 'EXAT', '1')).toBe(bulk('v'));
    expect(db.lastDirty).toBe(1);
    expect(db.text('DBSIZE')).toBe(':0\r\n');
  });

  it('stays through edits and counting, and goes with SET and BITOP', () => {
    db.run('SET', 'k', '5', 'PX', '1000');
    for (const args of [
      ['INCR'],
      ['APPEND', '1'],
      ['SETRANGE', '0', '7'],
      ['INCRBYFLOAT', '1'],
      ['SETBIT', '90', '1'],
    ])
      db.run(args[0]!, 'k', ...args.slice(1));
    expect(db.text('PTTL', 'k')).toBe(':1000\r\n');
    db.run('BITOP', 'NOT', 'k', 'k');
    expect(db.text('PTTL', 'k')).toBe(':-1\r\n');
  });
});

describe('MSETEX (8.4)', () => {
  it('sets all or none', () => {
    expect(db.text('MSETEX', '2', 'a', '1', 'b', '2', 'NX', 'EX', '5')).toBe(':1\r\n');
    expect(db.lastDirty).toBe(2);
    expect(db.text('MSETEX', '2', 'b', '3', 'c', '4', 'NX')).toBe(':0\r\n');
    expect(db.text('MSETEX', '2', 'b', '3', 'c', '4', 'XX')).toBe(':0\r\n');
    expect(db.text('MGET', 'a', 'b', 'c')).toBe('*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n');
    expect(db.text('MSETEX', '2', 'a', '3', 'b', '4', 'KEEPTTL', 'xx')).toBe(':1\r\n');
    expect(db.text('PTTL', 'a')).toBe(':5000\r\n');
    expect(db.text('MSETEX', '1', 'a', 'x')).toBe(':1\r\n');
    expect(db.text('PTTL', 'a')).toBe(':-1\r\n');
  });

  it('takes the last of a key named twice', () => {
    expect(db.text('MSETEX', '2', 'a', '1', 'a', '2', 'NX')).toBe(':1\r\n');
    expect(db.text('GET', 'a')).toBe(bulk('2'));
  });

  it.each([
    [['key1', 'val1', 'ex', '10'], 'ERR invalid numkeys value'],
    [['0', 'a', 'b'], 'ERR invalid numkeys value'],
    [['-1', 'a', 'b'], 'ERR invalid numkeys value'],
    [['2147483648', 'a', 'b'], 'ERR invalid numkeys value'],
    [['2147483647', 'a', 'b'], 'ERR wrong number of key-value pairs'],
    [['2', 'a', 'b', 'c'], 'ERR wrong number of key-value pairs'],
    [['1', 'a', 'b', 'junk'], 'ERR syntax error'],
    [['1', 'a', 'b', 'GET'], 'ERR syntax error'],
    [['1', 'a', 'b', 'IFEQ', 'x'], 'ERR syntax error'],
    [['1', 'a', 'b', 'NX', 'XX'], 'ERR syntax error'],
    [['1', 'a', 'b', 'EX', '1', 'PX', '1'], 'ERR syntax error'],
    [['1', 'a', 'b', 'EX', '0'], "ERR invalid expire time in 'msetex' command"],
    [['1', 'a', 'b', 'EX', 'x'], 'ERR value is not an integer or out of range'],
    [['1', 'a'], "ERR wrong number of arguments for 'msetex' command"],
  ])('%j: %s', (args, error) => {
    expect(db.text('MSETEX', ...args)).toBe(`-${error}\r\n`);
    expect(db.text('DBSIZE')).toBe(':0\r\n');
  });
});

describe('DELEX and DIGEST (8.4)', () => {
  it('DELEX deletes if the condition holds', () => {
    const cases: [string[], boolean][] = [
      [[], true],
      [['IFEQ', 'hello'], true],
      [['IFEQ', 'hell'], false],
      [['IFNE', 'hello'], false],
      [['IFNE', ''], true],
      [['IFDEQ', hello], true],
      [['ifdeq', `${hello.slice(1)}0`], false],
      [['IFDNE', hello], false],
      [['IFDNE', '0'.repeat(16)], true],
    ];
    for (const [condition, deleted] of cases) {
      db.run('SET', 'k', 'hello');
      expect(db.text('DELEX', 'k', ...condition)).toBe(deleted ? ':1\r\n' : ':0\r\n');
      expect(db.lastDirty).toBe(deleted ? 1 : 0);
      expect(db.text('EXISTS', 'k')).toBe(deleted ? ':0\r\n' : ':1\r\n');
    }
  });

  it('DELEX looks at the key before the condition', () => {
    expect(db.text('DELEX', 'k', 'JUNK', 'x')).toBe(':0\r\n');
    db.run('SET', 'k', 'v');
    expect(db.text('DELEX', 'k', 'JUNK', 'x')).toBe(
      '-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n',
    );
    expect(db.text('DELEX', 'k', 'IFEQ')).toBe("-ERR wrong number of arguments for 'delex' command\r\n");
    expect(db.text('DELEX', 'k', 'IFEQ', 'v', 'x')).toBe(
      "-ERR wrong number of arguments for 'delex' command\r\n",
    );
    makeList('list');
    expect(db.text('DELEX', 'list', 'IFEQ', 'v')).toBe(
      '-ERR Key should be of string type if conditions are specified\r\n',
    );
    expect(db.text('DIGEST', 'list')).toBe(WRONG_TYPE);
    expect(db.text('DELEX', 'list')).toBe(':1\r\n');
    expect(db.text('DIGEST', 'list')).toBe('$-1\r\n');
  });
});

describe('limits', () => {
  const TOO_LONG = '-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n';

  it('proto-max-bulk-len bounds APPEND, SETRANGE and bit offsets', () => {
    db.config.assign('proto-max-bulk-len', '2097152');
    db.run('SET', 'k', 'x'.repeat(2_000_000));
    expect(db.text('APPEND', 'k', 'y'.repeat(97_153))).toBe(TOO_LONG);
    expect(db.text('APPEND', 'k', 'y'.repeat(97_152))).toBe(':2097152\r\n');
    expect(db.text('APPEND', 'k', 'y')).toBe(TOO_LONG);
    expect(db.text('SETRANGE', 'k', '2097152', 'y')).toBe(TOO_LONG);
    expect(db.text('SETRANGE', 'k', '2097152', '')).toBe(':2097152\r\n');
    expect(db.text('SETRANGE', 'new', '9223372036854775807', 'y')).toBe(TOO_LONG);
    expect(db.text('SETRANGE', 'new', '9223372036854775808', 'y')).toBe(
      '-ERR value is not an integer or out of range\r\n',
    );
    expect(db.text('SETBIT', 'new', String(2_097_152 * 8), '1')).toBe(
      '-ERR bit offset is not an integer or out of range\r\n',
    );
    expect(db.text('SETBIT', 'new', String(2_097_152 * 8 - 1), '1')).toBe(':0\r\n');
    expect(db.text('STRLEN', 'new')).toBe(':2097152\r\n');
  });

  it('a value as long as the default limit can be made, counted and combined in place', () => {
    const last = 512 * 1024 * 1024 * 8 - 1;
    expect(db.text('SETBIT', 'big', String(last), '1')).toBe(':0\r\n');
    expect(db.text('SETBIT', 'big', String(last + 1), '1')).toBe(
      '-ERR bit offset is not an integer or out of range\r\n',
    );
    expect(db.text('BITCOUNT', 'big')).toBe(':1\r\n');
    expect(db.text('BITPOS', 'big', '1')).toBe(`:${last}\r\n`);
    expect(db.text('BITOP', 'NOT', 'big', 'big')).toBe(`:${512 * 1024 * 1024}\r\n`);
    expect(db.text('BITCOUNT', 'big')).toBe(`:${last}\r\n`);
    expect(db.text('BITPOS', 'big', '0')).toBe(`:${last}\r\n`);
    expect(db.text('APPEND', 'big', 'x')).toBe(TOO_LONG);
    expect(db.text('DEL', 'big')).toBe(':1\r\n');
  });

  it('what the arena cannot hold is refused, and nothing has changed', () => {
    db.config.assign('proto-max-bulk-len', String(2 ** 31));
    db.run('SET', 'k', 'v');
    expect(db.text('SETRANGE', 'k', String(2 ** 30), 'x')).toBe(TOO_LONG);
    expect(db.text('SETBIT', 'k', String(2 ** 34), '1')).toBe(
      '-ERR bit offset is not an integer or out of range\r\n',
    );
    expect(db.text('GET', 'k')).toBe(bulk('v'));
  });
});

describe('growth', () => {
  it('many appends cost linear time: few moves, and room stays bounded', () => {
    let moves = 0;
    let ref = 0;
    for (let i = 0; i < 5000; i++) {
      db.run('APPEND', 'log', `line ${i}\n`);
      const now = find(db, 'log')!.ref;
      if (now !== ref) moves++;
      ref = now;
    }
    expect(moves).toBeLessThan(25);
    const rec = find(db, 'log')!;
    const shard = db.keyspace.shards[rec.shard]!;
    expect(shard.arena.capacity(rec.ref)).toBeLessThan(rec.totalBytes * 2.3);
    const expected = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`).join('');
    expect(db.text('GET', 'log')).toBe(bulk(expected));
  });

  it('zeros fill what SETRANGE and SETBIT skip, where old data was before', () => {
    for (let i = 0; i < 50; i++) db.run('SET', `dirt${i}`, '\xff'.repeat(300));
    for (let i = 0; i < 50; i++) db.run('DEL', `dirt${i}`);
    for (let i = 0; i < 50; i++) {
      db.run('SETRANGE', `r${i}`, '400', 'x');
      db.run('SETBIT', `b${i}`, '3200', '1');
      expect(db.text('BITCOUNT', `r${i}`)).toBe(':4\r\n');
      expect(db.text('BITCOUNT', `b${i}`)).toBe(':1\r\n');
    }
  });
});

describe('encodings', () => {
  it.each([
    [['SET', 'k', '12345678901234567890'], 'embstr'],
    [['SET', 'k', '9223372036854775807'], 'int'],
    [['SET', 'k', 'x'.repeat(44)], 'embstr'],
    [['SET', 'k', 'x'.repeat(45)], 'raw'],
    [['APPEND', 'k', '12'], 'int'],
    [['SETRANGE', 'k', '0', '12'], 'raw'],
    [['SETBIT', 'k', '0', '0'], 'raw'],
    [['INCRBYFLOAT', 'k', '2'], 'embstr'],
    [['INCRBYFLOAT', 'k', `1${'0'.repeat(44)}`], 'raw'],
    [['BITFIELD', 'k', 'SET', 'u8', '0', '49'], 'raw'],
    [['GETSET', 'k', '3'], 'int'],
    [['MSETEX', '1', 'k', '3'], 'int'],
  ])('%j makes %s', (args, encoding) => {
    db.run(...args);
    expect(encodingOf(db, 'k')).toBe(encoding);
  });
});

describe('counters', () => {
  it('reading commands count hits and misses, writing ones do not', () => {
    const counted = () => [db.keyspace.sum(ShardCounter.Hits), db.keyspace.sum(ShardCounter.Misses)];
    db.run('SET', 'k', '1');
    db.run('SETNX', 'k', '1');
    db.run('APPEND', 'k', '1');
    db.run('INCR', 'k');
    db.run('SETBIT', 'none', '1', '0');
    expect(counted()).toEqual([0, 0]);
    db.run('MGET', 'k', 'x', 'k');
    db.run('SET', 'k', '1', 'GET');
    db.run('GETSET', 'k', '1');
    db.run('GETBIT', 'x', '1');
    expect(counted()).toEqual([4, 2]);
  });
});

describe('long work on a thread that must not block', () => {
  const LONG = 'x'.repeat(300_000);

  function acceptor(): InProcess {
    const fast = new InProcess({ mayBlock: false });
    fast.run('SET', 'long', LONG);
    fast.run('SET', 'other', LONG);
    return fast;
  }

  it.each([
    [['GET', 'long']],
    [['MGET', 'none', 'long']],
    [['GETRANGE', 'long', '0', '-1']],
    [['GETSET', 'long', 'v']],
    [['GETDEL', 'long']],
    [['GETEX', 'long', 'PERSIST']],
    [['SET', 'long', 'v', 'GET']],
    [['SET', 'long', 'v', 'IFDEQ', hello]],
    [['DELEX', 'long', 'IFDNE', hello]],
    [['DIGEST', 'long']],
    [['BITCOUNT', 'long']],
    [['BITPOS', 'long', '1']],
    [['BITOP', 'AND', 'to', 'long', 'other']],
    [['LCS', 'long', 'other', 'LEN']],
    [['SETRANGE', 'long', '600000', 'x']],
    [['SETBIT', 'long', '90000000', '1']],
    [['SETBIT', 'new', '90000000', '1']],
    [['BITFIELD', 'long', 'SET', 'u8', '90000000', '1']],
    [['APPEND', 'long', 'x'.repeat(200_000)]],
  ])('%j is handed over, unchanged and uncounted', (args) => {
    const fast = acceptor();
    if (args[0] === 'LCS') fast.config.assign('proto-max-bulk-len', String(2 ** 40));
    expect(fast.run(...args).length).toBe(0);
    expect(fast.cx.handedOver).toBe(true);
    expect(fast.keyspace.sum(ShardCounter.Hits)).toBe(0);
    expect(fast.keyspace.sum(ShardCounter.Misses)).toBe(0);
    expect(fast.keyspace.size(0)).toBe(2);
    expect(fast.text('STRLEN', 'long')).toBe(':300000\r\n');
  });

  it.each([
    [['STRLEN', 'long'], ':300000\r\n'],
    [['GETRANGE', 'long', '5', '6'], '$2\r\nxx\r\n'],
    [['GETBIT', 'long', '1'], ':1\r\n'],
    [['SETBIT', 'long', '2399999', '1'], ':0\r\n'],
    [['SETRANGE', 'long', '299999', 'y'], ':300000\r\n'],
    [['BITCOUNT', 'long', '0', '0'], ':4\r\n'],
  ])('%j is not', (args, reply) => {
    expect(acceptor().text(...args)).toBe(reply);
  });
});
