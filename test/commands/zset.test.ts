// Sorted sets beyond what redis-server 7.0 can confirm: encodings, ZRANK WITHSCORE, fair choice, ZSCAN while the table
// grows and shrinks, running out of memory, commands that are too long for an acceptor.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { InProcess } from '../support/in-process.ts';
import { encodingOf } from './against-redis.ts';

let local: InProcess;
beforeEach(() => {
  local = new InProcess();
  return () => local.checkInvariants();
});

/** Scores and members as ZADD takes them: 0 m0 1 m1 ... */
function pairs(count: number, prefix = 'm'): string[] {
  return Array.from({ length: count }, (_, i) => [String(i), `${prefix}${i}`]).flat();
}

const texts = (...args: string[]): string[] => local.value(...args) as string[];

describe('the encoding of a sorted set', () => {
  it('changes as members come, and never back', () => {
    local.run('ZADD', 'k', ...pairs(128));
    expect(encodingOf(local, 'k')).toBe('listpack');
    local.run('ZADD', 'k', '500', 'm0');
    expect(encodingOf(local, 'k')).toBe('listpack');
    local.run('ZADD', 'k', '5', 'one more');
    expect(encodingOf(local, 'k')).toBe('skiplist');
    local.run('ZREMRANGEBYRANK', 'k', '1', '-1');
    expect(encodingOf(local, 'k')).toBe('skiplist');
    local.run('ZADD', 'long', '1', 'x'.repeat(64));
    expect(encodingOf(local, 'long')).toBe('listpack');
    local.run('ZADD', 'long', '1', 'x'.repeat(65));
    expect(encodingOf(local, 'long')).toBe('skiplist');
    local.run('ZADD', 'first long', '1', 'x'.repeat(65));
    expect(encodingOf(local, 'first long')).toBe('skiplist');
  });

  it('of a stored result is a listpack where that is possible', () => {
    local.run('ZADD', 'large', ...pairs(200));
    local.run('ZADD', 'small', ...pairs(10));
    const stored = (...args: string[]): string | null => {
      local.run('DEL', 'to');
      local.run(...args);
      return encodingOf(local, 'to');
    };
    expect(stored('ZRANGESTORE', 'to', 'large', '0', '-1')).toBe('skiplist');
    expect(stored('ZRANGESTORE', 'to', 'large', '0', '127')).toBe('listpack');
    expect(stored('ZRANGESTORE', 'to', 'large', '5', '500', 'BYSCORE')).toBe('skiplist');
    expect(stored('ZUNIONSTORE', 'to', '2', 'large', 'small')).toBe('skiplist');
    expect(stored('ZINTERSTORE', 'to', '2', 'large', 'small')).toBe('listpack');
    expect(stored('ZDIFFSTORE', 'to', '2', 'large', 'small')).toBe('skiplist');
    local.run('ZADD', 'large', '1', 'x'.repeat(65));
    expect(stored('ZRANGESTORE', 'to', 'large', '0', '9')).toBe('skiplist');
    expect(stored('ZDIFFSTORE', 'to', '2', 'small', 'large')).toBe(null);
  });

  it('follows the directives', () => {
    local.config.assign('zset-max-listpack-entries', '0');
    local.run('ZADD', 'k', '1', 'a');
    expect(encodingOf(local, 'k')).toBe('skiplist');
    local.config.assign('zset-max-listpack-entries', '2');
    local.config.assign('zset-max-listpack-value', '1');
    local.run('ZADD', 'l', '1', 'a', '2', 'b');
    expect(encodingOf(local, 'l')).toBe('listpack');
    local.run('ZADD', 'm', '1', 'a', '2', 'bb');
    expect(encodingOf(local, 'm')).toBe('skiplist');
  });

  it('makes no difference', () => {
    const member = fc.integer({ min: 0, max: 30 }).map((n) => (n % 3 === 0 ? String(n) : `m${n}`));
    const score = fc.oneof(
      fc.integer({ min: -5, max: 5 }).map(String),
      fc.constantFrom('0.1', '-inf', 'inf', '1e17', '-2.5'),
    );
    const command = fc.oneof(
      fc.tuple(fc.constant('ZADD'), score, member),
      fc.tuple(fc.constant('ZREM'), member),
      fc.tuple(fc.constant('ZINCRBY'), score, member),
      fc.tuple(fc.constantFrom('ZRANK', 'ZREVRANK', 'ZSCORE'), member),
      fc.tuple(fc.constantFrom('ZCOUNT', 'ZRANGEBYSCORE', 'ZREMRANGEBYSCORE'), score, score),
      fc.tuple(
        fc.constantFrom('ZRANGE', 'ZREVRANGE'),
        fc.integer({ min: -9, max: 9 }).map(String),
        fc.constant('-1'),
      ),
      fc.tuple(fc.constantFrom('ZPOPMIN', 'ZPOPMAX'), fc.constantFrom('1', '2')),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        local.run('DEL', 'small', 'large');
        for (const [name, ...args] of commands) {
          local.config.assign('zset-max-listpack-entries', '128');
          const small = local.run(name, 'small', ...args).toString();
          local.config.assign('zset-max-listpack-entries', '0');
          expect(local.run(name, 'large', ...args).toString()).toBe(small);
        }
        expect(texts('ZRANGE', 'large', '0', '-1', 'WITHSCORES')).toEqual(
          texts('ZRANGE', 'small', '0', '-1', 'WITHSCORES'),
        );
        if (texts('ZRANGE', 'small', '0', '-1').length === 0) return;
        expect([encodingOf(local, 'small'), encodingOf(local, 'large')]).toEqual(['listpack', 'skiplist']);
      }),
      { numRuns: 60 },
    );
  });
});

describe('ZRANK and ZREVRANK', () => {
  it('tell the score, too', () => {
    local.run('ZADD', 'k', '1.5', 'a', '2', 'b', '3', 'c');
    expect(local.run('ZRANK', 'k', 'a', 'WITHSCORE').toString()).toBe('*2\r\n:0\r\n$3\r\n1.5\r\n');
    expect(local.run('ZREVRANK', 'k', 'a', 'withscore').toString()).toBe('*2\r\n:2\r\n$3\r\n1.5\r\n');
    expect(local.run('ZRANK', 'k', 'x', 'WITHSCORE').toString()).toBe('*-1\r\n');
    expect(local.run('ZRANK', 'none', 'x', 'WITHSCORE').toString()).toBe('*-1\r\n');
    expect(local.run('ZRANK', 'k', 'x').toString()).toBe('$-1\r\n');
    expect(local.run('ZRANK', 'k', 'a', 'WITHSCORES').toString()).toBe('-ERR syntax error\r\n');
    expect(local.run('ZRANK', 'k', 'a', 'WITHSCORE', 'x').toString()).toBe(
      "-ERR wrong number of arguments for 'zrank' command\r\n",
    );
    const resp3 = new InProcess({ resp: 3 });
    resp3.run('ZADD', 'k', '1.5', 'a');
    expect(resp3.run('ZRANK', 'k', 'a', 'WITHSCORE').toString()).toBe('*2\r\n:0\r\n,1.5\r\n');
    expect(resp3.run('ZRANK', 'k', 'x', 'WITHSCORE').toString()).toBe('_\r\n');
  });
});

describe('members at random', () => {
  /** Chi-squared of how often each of `count` members came; 99.99% of fair choices are below the bound. */
  function expectFair(drawn: readonly string[], count: number, bound: number): void {
    const counts = new Map<string, number>();
    for (const member of drawn) counts.set(member, (counts.get(member) ?? 0) + 1);
    expect(counts.size).toBe(count);
    const expected = drawn.length / count;
    let chi = 0;
    for (const seen of counts.values()) chi += (seen - expected) ** 2 / expected;
    expect(chi).toBeLessThan(bound);
  }

  it.each([
    ['listpack', 12],
    ['skiplist', 0],
  ])('are all as likely: %s', (encoding, entries) => {
    local.config.assign('zset-max-listpack-entries', String(entries));
    local.run('ZADD', 'k', ...pairs(10));
    expect(encodingOf(local, 'k')).toBe(encoding);
    expectFair(texts('ZRANDMEMBER', 'k', '-20000'), 10, 40);
    const several: string[] = [];
    for (let i = 0; i < 4000; i++) {
      const chosen = texts('ZRANDMEMBER', 'k', '2');
      expect(new Set(chosen).size).toBe(2);
      several.push(...chosen);
    }
    expectFair(several, 10, 40);
    const many: string[] = [];
    for (let i = 0; i < 2000; i++) many.push(...texts('ZRANDMEMBER', 'k', '7'));
    expectFair(many, 10, 40);
  });

  it('come with their scores', () => {
    local.run('ZADD', 'k', ...pairs(300));
    for (const count of ['-20', '20', '200', '1000']) {
      const reply = texts('ZRANDMEMBER', 'k', count, 'WITHSCORES');
      expect(reply.length).toBe(Math.min(Math.abs(Number(count)), 300) * 2);
      for (let i = 0; i < reply.length; i += 2) expect(reply[i]).toBe(`m${reply[i + 1]}`);
    }
    const resp3 = new InProcess({ resp: 3 });
    resp3.run('ZADD', 'k', '2', 'a');
    expect(resp3.run('ZRANDMEMBER', 'k', '1', 'WITHSCORES').toString()).toBe('*1\r\n*2\r\n$1\r\na\r\n,2\r\n');
    expect(resp3.run('ZRANDMEMBER', 'k').toString()).toBe('$1\r\na\r\n');
  });
});

describe('ZSCAN', () => {
  it('meets every member that is there all the time, while others come and go', () => {
    local.config.assign('zset-max-listpack-entries', '0');
    const stay = Array.from({ length: 300 }, (_, i) => `stay${i}`);
    for (const growing of [true, false]) {
      local.run('DEL', 'k');
      local.run('ZADD', 'k', ...stay.flatMap((member) => ['1', member]));
      if (!growing) local.run('ZADD', 'k', ...pairs(6000, 'go'));
      const seen = new Map<string, number>();
      let cursor = '0';
      let step = 0;
      do {
        const [next, list] = local.value('ZSCAN', 'k', cursor, 'COUNT', '7') as [string, string[]];
        for (let i = 0; i < list.length; i += 2) seen.set(list[i]!, (seen.get(list[i]!) ?? 0) + 1);
        cursor = next;
        for (let i = 0; i < (growing ? 5 : 60); i++, step++) {
          if (growing) local.run('ZADD', 'k', String(step), `new${step}`);
          else local.run('ZREM', 'k', `go${step}`);
        }
      } while (cursor !== '0' && step < 50_000);
      for (const member of stay) expect(seen.get(member)).toBe(1);
    }
  });

  it('gives scores as texts in both protocols, and filters', () => {
    const resp3 = new InProcess({ resp: 3 });
    resp3.run('ZADD', 'k', '1.5', 'a1', '2', 'b');
    expect(resp3.run('ZSCAN', 'k', '0', 'MATCH', 'a*').toString()).toBe(
      '*2\r\n$1\r\n0\r\n*2\r\n$2\r\na1\r\n$3\r\n1.5\r\n',
    );
    expect(resp3.run('ZSCAN', 'k', '0', 'NOVALUES').toString()).toMatch(/^-ERR NOVALUES option/);
  });
});

describe('running out of memory', () => {
  it('leaves a sorted set whole, with what was added before', () => {
    const shard = (): { arena: { alloc: (bytes: number) => number } } =>
      local.keyspace.shards[local.cx.slots[1]! >>> 8] as never;
    for (const entries of ['128', '0']) {
      local.config.assign('zset-max-listpack-entries', entries);
      local.run('DEL', 'k');
      for (let allowed = 0; allowed < 60; allowed++) {
        local.run('EXISTS', 'k');
        const { arena } = shard();
        const { alloc } = arena;
        let left = allowed;
        arena.alloc = (bytes) => {
          if (left-- <= 0) throw new OutOfMemoryError('test');
          return alloc.call(arena, bytes);
        };
        const commands = [
          ['ZADD', 'k', ...pairs(50, `a${allowed}`)],
          ['ZINCRBY', 'k', '3.25', `a${allowed}7`],
          ['ZRANGESTORE', 'k', 'k', '0', '-2'],
          ['ZUNIONSTORE', 'k', '2', 'k', 'k'],
        ];
        for (const command of commands) local.run(...command);
        arena.alloc = alloc;
        local.checkInvariants();
      }
    }
  });
});

describe('long commands', () => {
  it('are handed over by an acceptor before they change anything', () => {
    const acceptor = new InProcess({ mayBlock: false });
    for (let i = 0; i < 5000; i += 500) acceptor.run('ZADD', 'k', ...pairs(5000).slice(i * 2, i * 2 + 1000));
    expect(acceptor.run('ZCARD', 'k').toString()).toBe(':5000\r\n');
    const long = [
      ['ZRANGE', 'k', '0', '-1'],
      ['ZRANGEBYSCORE', 'k', '-inf', '4999'],
      ['ZREMRANGEBYRANK', 'k', '0', '4000'],
      ['ZPOPMIN', 'k', '4000'],
      ['ZUNIONSTORE', 'k', '1', 'k'],
      ['ZRANGESTORE', 'to', 'k', '0', '-1'],
      ['ZADD', 'k', ...pairs(5000, 'x')],
      ['ZSCAN', 'k', '0', 'COUNT', '5000'],
      ['ZRANDMEMBER', 'k', '4000'],
      ['ZINTER', '2', 'k', 'k'],
    ];
    for (const command of long) expect(acceptor.run(...command).length).toBe(0);
    const short = [
      ['ZRANGE', 'k', '0', '100'],
      ['ZCOUNT', 'k', '10', '4000'],
      ['ZREMRANGEBYRANK', 'k', '0', '9'],
      ['ZPOPMAX', 'k', '10'],
    ];
    for (const command of short) expect(acceptor.run(...command).length).toBeGreaterThan(0);
    expect(acceptor.run('ZCARD', 'k').toString()).toBe(':4980\r\n');
    acceptor.checkInvariants();
  });
});

describe('results that are stored', () => {
  it('take the place of whatever was there, without its time to live', () => {
    local.run('ZADD', 'from', '1', 'a', '2', 'b');
    local.run('SET', 'to', 'text', 'EX', '100');
    expect(local.value('ZRANGESTORE', 'to', 'from', '0', '-1')).toBe(2);
    expect(local.value('TTL', 'to')).toBe(-1);
    expect(local.lastDirty).toBe(0);
    expect(local.value('ZRANGESTORE', 'from', 'from', '(1', 'inf', 'BYSCORE')).toBe(1);
    expect(texts('ZRANGE', 'from', '0', '-1')).toEqual(['b']);
    expect(local.value('ZINTERSTORE', 'to', '2', 'to', 'none')).toBe(0);
    expect(local.lastDirty).toBe(1);
    expect(local.value('EXISTS', 'to')).toBe(0);
    expect(local.value('ZDIFFSTORE', 'to', '1', 'none')).toBe(0);
    expect(local.lastDirty).toBe(0);
  });
});
