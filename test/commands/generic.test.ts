// Generic commands where chance does not get to: what Redis 7.4 does otherwise than the 7.0 of the comparing tests,
// SCAN's cursors and patterns, keys moved over shards, memory that runs out, estimates.

import { describe, expect, it } from 'vitest';
import { IN_PLACE_WORK_MAX } from '../../src/commands/table.ts';
import { ShardCounter } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';

function filled(count: number, prefix = 'key'): InProcess {
  const local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
  local.run('DEBUG', 'POPULATE', String(count), prefix);
  return local;
}

/** All keys of an iteration, and how many calls it took. */
function scanAll(local: InProcess, ...options: Argument[]): { keys: string[]; calls: number } {
  const keys: string[] = [];
  let cursor = '0';
  let calls = 0;
  do {
    const [next, batch] = local.value('SCAN', cursor, ...options) as [string, string[]];
    cursor = next;
    keys.push(...batch);
    calls++;
  } while (cursor !== '0');
  return { keys, calls };
}

describe('SCAN', () => {
  it('returns every key once, in about as many calls as COUNT says', () => {
    const local = filled(3000);
    const { keys, calls } = scanAll(local, 'COUNT', '100');
    expect(new Set(keys).size).toBe(3000);
    expect(keys.length).toBe(3000);
    expect(calls).toBeGreaterThan(10);
    expect(calls).toBeLessThanOrEqual(31);
    expect(scanAll(local, 'COUNT', '1000000').calls).toBe(1);
  });

  it('reads cursors as Redis 7.4 does', () => {
    const local = filled(100);
    for (const cursor of ['x', '', '1x', '-1', '18446744073709551616', '0x10', '1 ', '--1', '1.0', '-']) {
      expect(local.text('SCAN', cursor), cursor).toBe('-ERR invalid cursor\r\n');
    }
    for (const cursor of [
      '18446744073709551615',
      ' 17',
      '+17',
      '007',
      '70368744177664',
      '-9223372036854775809',
    ]) {
      expect(local.text('SCAN', cursor), cursor).toMatch(/^\*2\r\n\$\d+\r\n\d+\r\n\*\d+\r\n/);
    }
    // Bits that no cursor has are left out: this one is the beginning.
    expect(local.text('SCAN', String(2n ** 46n), 'COUNT', '1000')).toBe(
      local.text('SCAN', '0', 'COUNT', '1000'),
    );
  });

  it('checks its options in their order', () => {
    const local = filled(10);
    expect(local.text('SCAN', '0', 'COUNT', 'x')).toBe('-ERR value is not an integer or out of range\r\n');
    expect(local.text('SCAN', '0', 'COUNT', '0')).toBe('-ERR syntax error\r\n');
    expect(local.text('SCAN', '0', 'COUNT', '-9223372036854775808')).toBe('-ERR syntax error\r\n');
    expect(local.text('SCAN', '0', 'COUNT')).toBe('-ERR syntax error\r\n');
    expect(local.text('SCAN', '0', 'NOVALUES')).toBe('-ERR NOVALUES option can only be used in HSCAN\r\n');
    expect(local.text('SCAN', 'x', 'NOVALUES')).toBe('-ERR invalid cursor\r\n');
    expect(scanAll(local, 'COUNT', '9223372036854775807').keys.length).toBe(10);
  });

  it('filters by type; a type that does not exist matches nothing', () => {
    const local = filled(10);
    expect(scanAll(local, 'TYPE', 'String').keys.length).toBe(10);
    expect(scanAll(local, 'TYPE', 'list').keys).toEqual([]);
    expect(scanAll(local, 'TYPE', 'nosuch').keys).toEqual([]);
  });

  it('visits only the slot that a pattern pins', () => {
    const local = filled(2000);
    for (const key of ['{t}1', '{t}2', 'x{t}1', '{}{t}1', '{}a', '*', 'a*b']) local.run('SET', key, '');
    const pinned = (pattern: string) => scanAll(local, 'COUNT', '10', 'MATCH', pattern);
    expect(pinned('{t}*')).toMatchObject({
      keys: ['{t}1', '{t}2'].sort((a, b) => a.localeCompare(b)),
      calls: 1,
    });
    expect(pinned('x{t}?')).toEqual({ keys: ['x{t}1'], calls: 1 });
    expect(pinned('key:77')).toEqual({ keys: ['key:77'], calls: 1 });
    expect(pinned('{}a')).toEqual({ keys: ['{}a'], calls: 1 });
    // Not pinned: wildcards in front of or inside the tag, an empty tag, an escape.
    expect(pinned('?{t}*').keys).toEqual(['x{t}1']);
    expect(pinned('{[t]}1').keys).toEqual(['{t}1']);
    expect(pinned('{}{t}*').keys).toEqual(['{}{t}1']);
    expect(pinned('\\*').keys).toEqual(['*']);
    expect(pinned('{}{t}*').calls).toBeGreaterThan(50);
    // A cursor in front of the slot goes there, one behind it ends.
    expect(local.value('SCAN', String(2 ** 32), 'MATCH', '{a}*')).toEqual(['0', []]);
    expect(local.value('SCAN', String(16383 * 2 ** 32), 'MATCH', '{t}*')).toEqual(['0', []]);
  });

  it('drops what has expired', () => {
    const local = filled(20);
    const now = Date.now();
    local.setTime(now);
    for (let i = 0; i < 15; i++) local.run('PEXPIRE', `key:${i}`, '50');
    local.setTime(now + 50);
    expect(local.value('DBSIZE')).toBe(20);
    expect(scanAll(local).keys.length).toBe(5);
    expect(local.value('DBSIZE')).toBe(5);
    local.checkInvariants();
  });

  it('is long work with a large COUNT, short work otherwise', () => {
    const local = filled(10);
    local.run('SCAN', '0');
    expect(local.lastEstimate).toBeLessThan(IN_PLACE_WORK_MAX);
    local.run('SCAN', '0', 'MATCH', '*', 'COUNT', '100000');
    expect(local.lastEstimate).toBeGreaterThan(IN_PLACE_WORK_MAX);
    local.run('SCAN', '0', 'COUNT', '99999999999999999999');
    expect(local.lastEstimate).toBe(0);
  });
});

describe('KEYS and RANDOMKEY', () => {
  it('KEYS returns all that match, the empty key with * only', () => {
    const local = filled(5000);
    local.run('SET', '', 'x');
    expect(new Set(local.value('KEYS', '*') as string[]).size).toBe(5001);
    expect(local.value('KEYS', '**')).toHaveLength(5000);
    expect(local.value('KEYS', 'key:4?')).toHaveLength(10);
    expect(local.value('KEYS', 'nokey')).toEqual([]);
  });

  it('RANDOMKEY comes to every key, and deletes what has expired on its way', () => {
    const local = filled(30);
    const now = Date.now();
    local.setTime(now);
    for (let i = 0; i < 20; i++) local.run('PEXPIRE', `key:${i}`, '10');
    local.setTime(now + 10);
    const met = new Set<unknown>();
    for (let i = 0; i < 1000; i++) met.add(local.value('RANDOMKEY'));
    expect([...met].sort()).toEqual(Array.from({ length: 10 }, (_, i) => `key:${i + 20}`));
    for (let i = 20; i < 30; i++) local.run('PEXPIREAT', `key:${i}`, String(now + 11));
    local.setTime(now + 11);
    expect(local.value('RANDOMKEY')).toBe(null);
    expect(local.value('DBSIZE')).toBe(0);
  });
});

describe('RENAME, COPY, MOVE', () => {
  const big = Buffer.alloc(300_000, 'xyz');

  it('take value, encoding and expiry along over shards', () => {
    const local = new InProcess();
    const at = String(Date.now() + 100_000);
    for (const [i, value] of ['', '123', 'short', 'x'.repeat(45), big].entries()) {
      local.run('SET', `a${i}`, value, 'PXAT', at);
      const encoding = local.text('OBJECT', 'ENCODING', `a${i}`);
      local.run('RENAME', `a${i}`, `b${i}`);
      local.run('COPY', `b${i}`, `{other}c${i}`);
      local.run('COPY', `b${i}`, `b${i}`, 'DB', '2');
      local.run('MOVE', `b${i}`, '1');
      expect(local.value('EXISTS', `a${i}`, `b${i}`)).toBe(0);
      for (const [db, key] of [
        ['0', `{other}c${i}`],
        ['1', `b${i}`],
        ['2', `b${i}`],
      ] as const) {
        local.run('SELECT', db);
        expect(local.value('GET', key)).toBe(String(value));
        expect(local.text('OBJECT', 'ENCODING', key)).toBe(encoding);
        expect(local.text('PEXPIRETIME', key)).toBe(`:${at}\r\n`);
      }
      local.run('SELECT', '0');
    }
    local.checkInvariants();
  });

  it('count one change each, and none when nothing happens', () => {
    const local = new InProcess();
    local.run('SET', 'a', '1');
    const dirtyOf = (...args: string[]) => {
      local.run(...args);
      return local.lastDirty;
    };
    expect(dirtyOf('RENAME', 'a', 'b')).toBe(1);
    expect(dirtyOf('RENAME', 'b', 'b')).toBe(0);
    expect(dirtyOf('COPY', 'b', 'c')).toBe(1);
    expect(dirtyOf('COPY', 'b', 'c')).toBe(0);
    expect(dirtyOf('MOVE', 'b', '1')).toBe(1);
    expect(dirtyOf('DEL', 'b', 'c', 'c')).toBe(1);
    expect(dirtyOf('EXPIRE', 'b', '10')).toBe(0);
  });

  it('leave everything as it was when memory runs out', () => {
    const local = new InProcess({ regions: 1 });
    const half = Buffer.alloc(400 * 1024 * 1024, 'x');
    local.run('SET', 'a', half);
    local.run('SET', 'b', half);
    local.run('SET', 'c', 'old', 'EX', '100');
    expect(local.text('RENAME', 'a', 'c')).toMatch(/^-OOM /);
    expect(local.text('COPY', 'a', 'd')).toMatch(/^-OOM /);
    expect(local.value('GET', 'c')).toBe('old');
    expect(local.value('TTL', 'c')).toBe(100);
    expect(local.value('STRLEN', 'a')).toBe(half.length);
    expect(local.value('EXISTS', 'd')).toBe(0);
    local.checkInvariants();
  });

  it('are long work for large values', () => {
    const local = new InProcess();
    local.run('SET', 'a', big);
    local.run('COPY', 'a', 'b');
    expect(local.lastEstimate).toBeGreaterThan(IN_PLACE_WORK_MAX);
    local.run('MOVE', 'a', '1');
    expect(local.lastEstimate).toBe(0);
  });
});

describe('expiry', () => {
  it('is exact to the last of 64 bits', () => {
    const local = new InProcess();
    local.run('SET', 'a', '1');
    for (const at of ['9007199254740993', '9223372036854775807', '8000000000000001']) {
      expect(local.value('PEXPIREAT', 'a', at)).toBe(1);
      expect(local.text('PEXPIRETIME', 'a')).toBe(`:${at}\r\n`);
      expect(local.value('PEXPIREAT', 'a', at, 'GT')).toBe(0);
      expect(local.value('PEXPIREAT', 'a', at, 'LT')).toBe(0);
      expect(local.value('PEXPIREAT', 'a', String(BigInt(at) - 1n), 'LT')).toBe(1);
      expect(local.value('PEXPIREAT', 'a', at, 'GT')).toBe(1);
    }
    local.checkInvariants();
  });

  it('in the past deletes, and is not counted as expiry', () => {
    const local = new InProcess();
    for (const args of [
      ['EXPIRE', 'a', '0'],
      ['PEXPIREAT', 'a', '-9223372036854775808'],
      ['EXPIRE', 'a', '-1', 'LT'],
    ]) {
      local.run('SET', 'a', '1');
      expect(local.value(...args)).toBe(1);
      expect(local.value('EXISTS', 'a')).toBe(0);
    }
    expect(local.keyspace.sum(ShardCounter.Expired)).toBe(0);
  });
});

describe('databases', () => {
  it('SWAPDB exchanges them', () => {
    const local = filled(100);
    local.run('EXPIRE', 'key:1', '100');
    expect(local.text('SWAPDB', '0', '5')).toBe('+OK\r\n');
    expect(local.value('DBSIZE')).toBe(0);
    local.run('SELECT', '5');
    expect(local.value('DBSIZE')).toBe(100);
    expect(local.value('TTL', 'key:1')).toBe(100);
    expect(local.text('SWAPDB', '5', '5')).toBe('+OK\r\n');
    local.checkInvariants();
  });

  it('are one in cluster mode', () => {
    const local = filled(1);
    local.config.assign('cluster-enabled', 'yes');
    expect(local.text('SWAPDB', '0', '1')).toBe('-ERR SWAPDB is not allowed in cluster mode\r\n');
    expect(local.text('MOVE', 'key:0', '1')).toBe('-ERR MOVE is not allowed in cluster mode\r\n');
    const copied = '-ERR Copying to another database is not allowed in cluster mode\r\n';
    expect(local.text('COPY', 'key:0', 'b', 'DB', '1')).toBe(copied);
    expect(local.value('COPY', 'key:0', 'b', 'DB', '0')).toBe(1);
  });
});

describe('OBJECT', () => {
  it('leaves the access time alone; TOUCH does not', () => {
    const local = filled(1);
    const now = Date.now();
    local.setTime(now + 60_000);
    for (let i = 0; i < 2; i++) {
      for (const name of ['ENCODING', 'REFCOUNT', 'IDLETIME']) local.run('OBJECT', name, 'key:0');
      for (const name of ['TYPE', 'TTL', 'EXISTS']) local.run(name, 'key:0');
      expect(local.value('OBJECT', 'IDLETIME', 'key:0')).toBeGreaterThanOrEqual(59);
    }
    expect(local.value('TOUCH', 'key:0', 'nokey', 'key:0')).toBe(2);
    expect(local.value('OBJECT', 'IDLETIME', 'key:0')).toBe(0);
  });
});
