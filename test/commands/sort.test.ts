// SORT beyond random comparison with redis-server: numbers out of range, large collections, results in place of other
// keys, running out of memory, work that an acceptor must not do.

import { beforeEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { InProcess } from '../support/in-process.ts';
import { encodingOf } from './against-redis.ts';

const NOT_A_NUMBER = "-ERR One or more scores can't be converted into double\r\n";

let local: InProcess;
beforeEach(() => {
  local = new InProcess();
  return () => local.checkInvariants();
});

/** Pushes elements in several commands. */
function push(key: string, elements: readonly string[]): void {
  for (let from = 0; from < elements.length; from += 1000)
    local.run('RPUSH', key, ...elements.slice(from, from + 1000));
}

describe('SORT', () => {
  it.each([
    ['1e400', false],
    ['-1e400', false],
    ['1e-310', false],
    ['1e-400', false],
    ['nan', false],
    ['0x', false],
    [' ', false],
    ['1 ', false],
    ['', true],
    [' 1', true],
    ['\t\n-1', true],
    ['+1', true],
    ['0x1p3', true],
    ['-Infinity', true],
    ['2.3e-308', true],
    ['9223372036854775808', true],
    ['1\0rest', true],
    ['\0', true],
  ])('takes %j for a number: %s', (text, isNumber) => {
    local.run('RPUSH', 'l', '5', text);
    expect(local.text('SORT', 'l') !== NOT_A_NUMBER).toBe(isNumber);
    local.run('SET', 'w:5', '1');
    local.run('SET', `w:${text}`, text);
    expect(local.text('SORT', 'l', 'BY', 'w:*') !== NOT_A_NUMBER).toBe(isNumber);
    expect(local.text('SORT', 'l', 'STORE', 'l2') !== NOT_A_NUMBER).toBe(isNumber);
    expect(local.value('EXISTS', 'l2')).toBe(Number(isNumber));
  });

  it('sorts what is far larger than a command takes in place, by itself and by other keys', () => {
    const count = 20_000;
    const numbers = Array.from({ length: count }, (_, i) => String((i * 7919) % count));
    push('l', numbers);
    const ascending = Array.from({ length: count }, (_, i) => String(i));
    expect(local.value('SORT', 'l')).toEqual(ascending);
    expect(local.value('SORT', 'l', 'DESC', 'LIMIT', '5', '3')).toEqual(
      [count - 6, count - 7, count - 8].map(String),
    );
    expect(local.value('SORT', 'l', 'ALPHA')).toEqual([...ascending].sort());
    for (let i = 0; i < count; i++) local.run('SET', `w:${i}`, String(count - i));
    expect(local.value('SORT', 'l', 'BY', 'w:*')).toEqual([...ascending].reverse());
    expect(local.value('SORT', 'l', 'BY', 'w:*', 'LIMIT', '100', '3', 'GET', 'w:*', 'GET', '#')).toEqual([
      '101', String(count - 101), '102', String(count - 102), '103', String(count - 103),
    ]); // biome-ignore format: pairs
    expect(local.value('SORT', 'l', 'BY', 'w:*', 'STORE', 'sorted')).toBe(count);
    expect(local.value('LRANGE', 'sorted', '0', '2')).toEqual([count - 1, count - 2, count - 3].map(String));
    expect(encodingOf(local, 'sorted')).toBe('quicklist');
  });

  it('puts its result in the place of any key, as a list that does not expire', () => {
    local.run('SADD', 's', '3', '1', '2');
    local.run('SET', 'to', 'text', 'EX', '1000');
    expect(local.value('SORT', 's', 'STORE', 'to')).toBe(3);
    expect(local.lastDirty).toBe(3);
    expect(local.value('LRANGE', 'to', '0', '-1')).toEqual(['1', '2', '3']);
    expect(local.value('TTL', 'to')).toBe(-1);
    expect(encodingOf(local, 'to')).toBe('listpack');
    expect(local.value('SORT', 'to', 'DESC', 'GET', '#', 'GET', 'none', 'STORE', 'to')).toBe(6);
    expect(local.value('LRANGE', 'to', '0', '-1')).toEqual(['3', '', '2', '', '1', '']);
    expect(local.value('SORT', 'missing', 'STORE', 'to')).toBe(0);
    expect(local.lastDirty).toBe(1);
    expect(local.value('EXISTS', 'to')).toBe(0);
  });

  it('makes a small sorted set large, as Redis does', () => {
    local.run('ZADD', 'z', '2', 'b', '1', 'a');
    expect(local.value('SORT', 'z', 'BY', 'nosort', 'DESC')).toEqual(['b', 'a']);
    expect(encodingOf(local, 'z')).toBe('skiplist');
    expect(local.value('ZRANGE', 'z', '0', '-1')).toEqual(['a', 'b']);
  });

  it('does not find fields that have expired', () => {
    local.setTime(1_000_000);
    local.run('RPUSH', 'l', '1', '2');
    local.run('HSET', 'h:1', 'f', 'here', 'g', 'stays');
    local.run('HSET', 'h:2', 'f', 'too');
    local.run('HPEXPIRE', 'h:1', '10', 'FIELDS', '1', 'f');
    expect(local.value('SORT', 'l', 'GET', 'h:*->f')).toEqual(['here', 'too']);
    local.setTime(1_000_011);
    expect(local.value('SORT', 'l', 'GET', 'h:*->f', 'GET', 'h:*->g')).toEqual([null, 'stays', 'too', null]);
  });

  it('does not find keys that have expired', () => {
    local.setTime(1_000_000);
    local.run('RPUSH', 'l', '1', '2');
    local.run('SET', 'w:1', 'x', 'PX', '10');
    expect(local.value('SORT', 'l', 'GET', 'w:*')).toEqual(['x', null]);
    local.setTime(1_000_011);
    expect(local.value('SORT', 'l', 'GET', 'w:*')).toEqual([null, null]);
  });

  it('changes nothing when memory ends', () => {
    push(
      'l',
      Array.from({ length: 3000 }, (_, i) => `element:${(i * 7) % 3000}`),
    );
    local.run('RPUSH', 'to', 'before');
    let left = Number.POSITIVE_INFINITY;
    for (const { arena } of local.keyspace.shards) {
      const alloc = arena.alloc.bind(arena);
      arena.alloc = (bytes: number): number => {
        if (left-- <= 0) throw new OutOfMemoryError('test');
        return alloc(bytes);
      };
    }
    for (left = 0; ; ) {
      const allowed = left;
      const reply = local.text('SORT', 'l', 'ALPHA', 'STORE', 'to');
      left = Number.POSITIVE_INFINITY;
      if (!reply.startsWith('-OOM')) {
        expect(reply).toBe(':3000\r\n');
        expect(allowed).toBeGreaterThan(3);
        break;
      }
      expect(local.value('LRANGE', 'to', '0', '-1')).toEqual(['before']);
      local.checkInvariants();
      left = allowed + 1;
    }
  });

  it('is refused in cluster mode where its keys may be in other slots', () => {
    local.config.assign('cluster-enabled', 'yes');
    local.run('RPUSH', '{t}l', '1');
    local.run('SET', 'w:{t}1', 'x');
    expect(local.text('SORT', '{t}l', 'BY', 'w:*')).toMatch(/^-ERR BY option of SORT denied in Cluster mode/);
    expect(local.text('SORT', '{t}l', 'GET', 'w:*')).toMatch(
      /^-ERR GET option of SORT denied in Cluster mode/,
    );
    expect(local.value('SORT', '{t}l', 'GET', 'w:{t}*', 'GET', '#')).toEqual(['x', '1']);
  });
});

describe('an acceptor', () => {
  it('hands long work on sets and SORT over before anything is changed', () => {
    const acceptor = new InProcess({ mayBlock: false });
    const many = Array.from({ length: 900 }, (_, i) => `m${i}`);
    for (let part = 0; part < 4; part++) {
      acceptor.run('SADD', 'big', ...many.map((member) => `${member}:${part}`));
      acceptor.run('RPUSH', 'list', ...many);
    }
    expect(acceptor.value('SCARD', 'big')).toBe(3600);
    for (const args of [
      ['SMEMBERS', 'big'],
      ['SINTER', 'big', 'big'],
      ['SUNIONSTORE', 'to', 'big', 'big'],
      ['SDIFF', 'big', 'none'],
      ['SPOP', 'big', '3500'],
      ['SRANDMEMBER', 'big', '-3000'],
      ['SSCAN', 'big', '0', 'COUNT', '3000'],
      ['SADD', 'more', ...many, ...many.map((member) => `${member}x`)],
      ['SREM', 'big', ...many, ...many.map((member) => `${member}x`)],
      ['SORT', 'list', 'ALPHA'],
      ['SORT', 'list', 'ALPHA', 'STORE', 'to'],
    ]) {
      expect(acceptor.text(...args), args[0]).toBe('');
    }
    expect(acceptor.value('EXISTS', 'to', 'more')).toBe(0);
    expect(acceptor.value('SCARD', 'big')).toBe(3600);
    expect((acceptor.value('SORT', 'list', 'BY', 'nosort', 'LIMIT', '3000', '2') as string[]).length).toBe(2);
  });
});
