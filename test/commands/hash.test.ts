// Hashes beyond what random comparison with redis-server confirms: when the encoding changes, fair choice, HSCAN while
// the table grows and shrinks, work that an acceptor hands over, running out of memory.

import { beforeEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { ShardCounter } from '../../src/memory/layout.ts';
import { InProcess } from '../support/in-process.ts';
import { encodingOf } from './against-redis.ts';

let local: InProcess;
beforeEach(() => {
  local = new InProcess();
  return () => local.checkInvariants();
});

const pairs = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => [`${prefix}${i}`, `value ${i}`]).flat();

describe('the encoding of a hash', () => {
  it('is chosen by the number of fields given and the longest of them', () => {
    local.run('HSET', 'few', ...pairs('f', 512));
    local.run('HSET', 'many', ...pairs('f', 513));
    // As in Redis from 7.2 on, fields that are given twice count twice.
    local.run('HSET', 'one many times', ...new Array(513 * 2).fill('x'));
    local.run('HSET', 'short', 'n'.repeat(64), 'v'.repeat(64));
    local.run('HSET', 'long name', 'n'.repeat(65), 'v');
    local.run('HSET', 'long value', 'n', 'v'.repeat(65));
    const keys = ['few', 'many', 'one many times', 'short', 'long name', 'long value'];
    expect(keys.map((key) => encodingOf(local, key))).toEqual([
      'listpack', 'hashtable', 'hashtable', 'listpack', 'hashtable', 'hashtable',
    ]); // biome-ignore format: by key
    expect(local.value('HLEN', 'one many times')).toBe(1);
  });

  it('changes as fields come, and never back', () => {
    local.run('HSET', 'h', ...pairs('f', 511));
    local.run('HSETNX', 'h', 'one more', '1');
    expect(encodingOf(local, 'h')).toBe('listpack');
    local.run('HSET', 'h', 'f0', 'again');
    expect(encodingOf(local, 'h')).toBe('listpack');
    local.run('HINCRBY', 'h', 'counter', '5');
    expect(encodingOf(local, 'h')).toBe('hashtable');
    expect(local.value('HGET', 'h', 'f510')).toBe('value 510');
    local.run('HDEL', 'h', ...pairs('f', 511));
    expect(local.value('HLEN', 'h')).toBe(2);
    expect(encodingOf(local, 'h')).toBe('hashtable');
    local.run('HSET', 'value', 'f', 'v');
    local.run('HSETNX', 'value', 'f2', 'v'.repeat(65));
    expect(encodingOf(local, 'value')).toBe('hashtable');
    local.run('HSET', 'float', 'f', '1e60');
    expect((local.value('HINCRBYFLOAT', 'float', 'f', '0') as string).length).toBe(60);
    expect(encodingOf(local, 'float')).toBe('listpack');
    local.run('HSET', 'float', 'f', '1e70');
    local.run('HINCRBYFLOAT', 'float', 'f', '0');
    expect(encodingOf(local, 'float')).toBe('hashtable');
  });

  it('follows its directives at once', () => {
    local.run('HSET', 'h', ...pairs('f', 10));
    local.config.assign('hash-max-listpack-entries', '5');
    expect(encodingOf(local, 'h')).toBe('listpack');
    local.run('HSET', 'h', 'f3', 'new');
    expect(encodingOf(local, 'h')).toBe('hashtable');
    local.config.assign('hash-max-listpack-value', '4');
    local.run('HSET', 'other', 'f', 'four');
    expect(encodingOf(local, 'other')).toBe('listpack');
    local.run('HSET', 'other', 'f', 'fives');
    expect(encodingOf(local, 'other')).toBe('hashtable');
  });

  it('gives memory back when fields go', () => {
    local.run('HSET', 'h', ...pairs('f', 5000));
    const full = local.keyspace.sum(ShardCounter.Used);
    for (let i = 0; i < 4900; i++) local.run('HDEL', 'h', `f${i}`);
    expect(local.keyspace.sum(ShardCounter.Used) / full).toBeLessThan(0.05);
    for (let i = 4900; i < 5000; i++) local.run('HDEL', 'h', `f${i}`);
    expect(local.value('EXISTS', 'h')).toBe(0);
    expect(local.keyspace.sum(ShardCounter.Used)).toBe(0);
  });
});

describe('fields at random', () => {
  /** A hash of 12 fields. A table has had many more, so that it is nearly empty. */
  function make(encoding: string): void {
    if (encoding === 'hashtable') {
      local.run('HSET', 'h', ...pairs('gone', 900));
      local.run('HSET', 'h', ...pairs('f', 12));
      local.run('HDEL', 'h', ...pairs('gone', 900));
    } else local.run('HSET', 'h', ...pairs('f', 12));
    if (encoding === 'listpackex') local.run('HEXPIRE', 'h', '1000', 'FIELDS', '3', 'f1', 'f2', 'f3');
    expect(encodingOf(local, 'h')).toBe(encoding);
  }

  /** Chi-square of counts that should be equal. With 11 degrees of freedom 45 is exceeded once in 200,000 times. */
  function chiSquare(counts: ReadonlyMap<string, number>, draws: number): number {
    expect(counts.size).toBe(12);
    let sum = 0;
    for (const count of counts.values()) sum += (count - draws / 12) ** 2 / (draws / 12);
    return sum;
  }

  it.each(['listpack', 'listpackex', 'hashtable'])('%s: each is as likely as any other', (encoding) => {
    make(encoding);
    for (const args of [[], ['-1'], ['-10'], ['1'], ['3'], ['11']]) {
      const counts = new Map<string, number>();
      const each = Math.abs(Number(args[0] ?? 1));
      const rounds = Math.ceil(6000 / each);
      for (let i = 0; i < rounds; i++) {
        const drawn = [local.value('HRANDFIELD', 'h', ...args) as string | string[]].flat();
        expect(drawn.length).toBe(each);
        if (args[0] !== '-10') expect(new Set(drawn).size).toBe(each);
        for (const field of drawn) counts.set(field, (counts.get(field) ?? 0) + 1);
      }
      expect(chiSquare(counts, rounds * each)).toBeLessThan(45);
    }
  });

  it('a few of many, with their values, without repetition', () => {
    local.run('HSET', 'h', ...pairs('f', 3000));
    for (const count of [2, 50, 187, 188, 1000, 2999]) {
      const drawn = local.value('HRANDFIELD', 'h', String(count), 'WITHVALUES') as string[];
      expect(drawn.length).toBe(count * 2);
      const fields = new Set(drawn.filter((_, i) => i % 2 === 0));
      expect(fields.size).toBe(count);
      for (let i = 0; i < drawn.length; i += 2) expect(drawn[i + 1]).toBe(drawn[i]!.replace('f', 'value '));
    }
  });

  it('nests pairs in RESP3', () => {
    local.session.resp = 3;
    local.run('HSET', 'h', 'a', '1');
    expect(local.text('HRANDFIELD', 'h', '-2', 'WITHVALUES')).toBe(
      '*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n',
    );
    expect(local.text('HGETALL', 'h')).toBe('%1\r\n$1\r\na\r\n$1\r\n1\r\n');
    expect(local.text('HRANDFIELD', 'nope', '3')).toBe('*0\r\n');
    expect(local.text('HGET', 'nope', 'f')).toBe('_\r\n');
  });
});

describe('HSCAN', () => {
  /** A whole scan. @param between called after each step */
  function scan(options: string[], between: (turn: number) => void = () => {}): string[] {
    const found: string[] = [];
    let cursor = '0';
    for (let turn = 0; ; turn++) {
      const [next, items] = local.value('HSCAN', 'h', cursor, ...options) as [string, string[]];
      found.push(...items);
      if (next === '0') return found;
      cursor = next;
      between(turn);
    }
  }

  it('meets every field that stays once, while others come and go', () => {
    for (const count of ['1', '10', '300']) {
      for (const growing of [true, false]) {
        local.run('DEL', 'h');
        local.run('HSET', 'h', ...pairs('f', growing ? 700 : 6000));
        const found = scan(['COUNT', count, 'NOVALUES'], (turn) => {
          if (growing) local.run('HSET', 'h', ...pairs(`new${turn % 100}:`, 20));
          else for (let i = 0; i < 5; i++) local.run('HDEL', 'h', `f${((turn * 5 + i) % 5000) + 700}`);
        });
        const times = new Map<string, number>();
        for (const field of found) times.set(field, (times.get(field) ?? 0) + 1);
        for (let i = 0; i < 700; i++) expect(times.get(`f${i}`)).toBe(1);
        for (const n of times.values()) expect(n).toBe(1);
      }
    }
  });

  it('filters by name and leaves values out', () => {
    local.run('HSET', 'h', ...pairs('f', 2000));
    expect(scan(['MATCH', 'f199?', 'COUNT', '100']).length).toBe(20);
    expect(scan(['NOVALUES', 'MATCH', 'f199?', 'COUNT', '100']).sort()).toEqual(
      Array.from({ length: 10 }, (_, i) => `f199${i}`),
    );
    local.run('DEL', 'h');
    local.run('HSET', 'h', ...pairs('f', 3));
    expect(local.value('HSCAN', 'h', '0', 'novalues', 'count', '1')).toEqual(['0', ['f0', 'f1', 'f2']]);
  });

  it('takes any number of 64 bits for a cursor', () => {
    local.run('HSET', 'h', ...pairs('f', 1000));
    expect(local.text('HSCAN', 'h', '18446744073709551615', 'COUNT', '1')).toMatch(
      /^\*2\r\n\$\d+\r\n\d+\r\n/,
    );
    expect(local.text('HSCAN', 'h', '18446744073709551616')).toBe('-ERR invalid cursor\r\n');
    expect(local.text('HSCAN', 'nope', '0', 'nonsense')).toBe('*2\r\n$1\r\n0\r\n*0\r\n');
    expect(local.text('HSCAN', 'h', '0', 'nonsense')).toBe('-ERR syntax error\r\n');
  });
});

describe('numbers in fields', () => {
  it('reach to the edges of 64 bits', () => {
    expect(local.value('HINCRBY', 'h', 'f', '9223372036854775806')).toBe(9223372036854775806n);
    expect(local.value('HINCRBY', 'h', 'f', '1')).toBe(9223372036854775807n);
    expect(local.text('HINCRBY', 'h', 'f', '1')).toBe('-ERR increment or decrement would overflow\r\n');
    expect(local.value('HGET', 'h', 'f')).toBe('9223372036854775807');
    expect(local.value('HINCRBY', 'h', 'g', '-9223372036854775808')).toBe(-9223372036854775808n);
    expect(local.text('HINCRBY', 'h', 'g', '-1')).toBe('-ERR increment or decrement would overflow\r\n');
    expect(local.value('HINCRBY', 'h', 'g', '9223372036854775807')).toBe(-1);
  });
});

describe('work that takes long', () => {
  it('is handed over by a thread that must not do it, before anything has happened', () => {
    const acceptor = new InProcess({ mayBlock: false });
    acceptor.run('HSET', 'small', 'f', 'v');
    expect(acceptor.cx.handedOver).toBe(false);
    acceptor.config.assign('hash-max-listpack-entries', '0');
    for (let i = 0; i < 20_000; i += 100) acceptor.run('HSET', 'h', ...pairs(`f${i}:`, 100));
    const hits = acceptor.keyspace.sum(ShardCounter.Hits);
    for (const args of [
      ['HGETALL', 'h'],
      ['HKEYS', 'h'],
      ['HRANDFIELD', 'h', '15000'],
      ['HSCAN', 'h', '0', 'COUNT', '15000'],
      ['HDEL', 'h', ...pairs('f', 2000)],
      ['HMGET', 'h', ...pairs('f', 2000)],
      ['HSET', 'h', ...pairs('f', 2000)],
      ['HEXPIRE', 'h', '10', 'FIELDS', '4000', ...pairs('f', 2000)],
    ]) {
      expect([args[0], acceptor.run(...args).length, acceptor.cx.handedOver]).toEqual([args[0], 0, true]);
    }
    expect(acceptor.value('HLEN', 'h')).toBe(20_000);
    expect(acceptor.keyspace.sum(ShardCounter.Hits)).toBe(hits + 1);
    expect(acceptor.value('HGET', 'h', 'f100:7')).toBe('value 7');
    acceptor.checkInvariants();
  });
});

describe('without memory', () => {
  it('a new hash is not there, and an old one is whole', () => {
    local.run('HSET', 'old', ...pairs('f', 600));
    const before = local.keyspace.sum(ShardCounter.Used);
    for (let allowed = 0; allowed < 12; allowed++) {
      for (const key of ['new', 'old']) {
        let left = allowed;
        const restore: (() => void)[] = [];
        for (const { arena } of local.keyspace.shards) {
          const alloc = arena.alloc.bind(arena);
          arena.alloc = (bytes: number): number => {
            if (left-- > 0) return alloc(bytes);
            throw new OutOfMemoryError('test');
          };
          restore.push(() => {
            arena.alloc = alloc;
          });
        }
        local.text('HSET', key, ...pairs('a new field ', 4), 'long', 'x'.repeat(100));
        for (const undo of restore) undo();
        local.checkInvariants();
        if (key === 'new') local.run('DEL', 'new');
        else local.run('HDEL', 'old', 'long', ...pairs('a new field ', 4));
        expect(local.value('EXISTS', 'new')).toBe(0);
        expect(local.value('HLEN', 'old')).toBe(600);
      }
    }
    expect(local.keyspace.sum(ShardCounter.Used)).toBeLessThan(before * 1.1);
  });
});
