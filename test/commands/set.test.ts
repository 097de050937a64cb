// Sets beyond what redis-server 7.0 can confirm: listpacks and the rules of 7.2 for changing the encoding, fair choice,
// SSCAN while the table grows and shrinks, running out of memory.

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

/** The elements of a reply as texts, sorted. */
function members(...args: string[]): string[] {
  return (local.value(...args) as string[]).sort();
}

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('the encoding of a set', () => {
  it('is chosen by the first member and the number of members given', () => {
    local.run('SADD', 'ints', '1', '2');
    local.run('SADD', 'texts', 'a', '2');
    local.run('SADD', 'many', ...numbered('', 512));
    local.run('SADD', 'too many', ...numbered('', 513));
    local.run('SADD', 'words', ...numbered('w', 128));
    local.run('SADD', 'too many words', ...numbered('w', 129));
    local.run('SADD', 'one many times', ...new Array(600).fill('1'));
    local.run('SADD', 'long', 'x'.repeat(65));
    expect(
      ['ints', 'texts', 'many', 'too many', 'words', 'too many words', 'one many times', 'long'].map((key) =>
        encodingOf(local, key),
      ),
    ).toEqual([
      'intset', 'listpack', 'intset', 'hashtable', 'listpack', 'hashtable', 'hashtable', 'hashtable',
    ]); // biome-ignore format: by key
  });

  it('changes as members come, and never back', () => {
    const model = { limits: { intset: 5, entries: 4, value: 6 } };
    for (const [name, value] of [
      ['set-max-intset-entries', model.limits.intset],
      ['set-max-listpack-entries', model.limits.entries],
      ['set-max-listpack-value', model.limits.value],
    ] as const) {
      local.config.assign(name, String(value));
    }
    const member = fc.oneof(
      fc.integer({ min: -5, max: 9 }).map(String),
      fc.constantFrom('123456', '1234567', '-123456', 'a', 'b', 'c', 'sixsix', 'sevenxx', '', '01'),
    );
    const step = fc.tuple(fc.boolean(), member);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        local.run('DEL', 'k');
        const expected = new Set<string>();
        let encoding: string | null = null;
        for (const [adds, text] of steps) {
          if (adds && !expected.has(text)) encoding = encodingWith(encoding, expected, text, model.limits);
          expect(local.value(adds ? 'SADD' : 'SREM', 'k', text)).toBe(Number(expected.has(text) !== adds));
          if (adds) expected.add(text);
          else expected.delete(text);
          if (expected.size === 0) encoding = null;
          expect(encodingOf(local, 'k')).toBe(encoding);
          expect(members('SMEMBERS', 'k')).toEqual([...expected].sort());
          expect(local.value('SCARD', 'k')).toBe(expected.size);
        }
        local.checkInvariants();
      }),
    );
  });

  it('of a stored result is the one that building it leads to', () => {
    local.run('SADD', 'mixed', '1', '2', '3', 'a');
    local.run('SADD', 'ints', '3', '2', '1');
    local.run('SADD', 'table', ...numbered('', 600));
    local.run('SADD', 'words', 'a', 'b');
    const stored = (...args: string[]): string | null => {
      local.run('DEL', 'to');
      local.run(...args);
      return encodingOf(local, 'to');
    };
    // An intersection of integers is an intset in the end, whatever the sources are.
    expect(stored('SINTERSTORE', 'to', 'mixed', 'table')).toBe('intset');
    expect(stored('SINTERSTORE', 'to', 'mixed', 'mixed')).toBe('listpack');
    expect(stored('SINTERSTORE', 'to', 'table', 'table')).toBe('hashtable');
    // Unions and differences begin as intsets.
    expect(stored('SUNIONSTORE', 'to', 'ints')).toBe('intset');
    expect(stored('SUNIONSTORE', 'to', 'ints', 'words')).toBe('listpack');
    expect(stored('SUNIONSTORE', 'to', 'table', 'words')).toBe('hashtable');
    expect(stored('SDIFFSTORE', 'to', 'mixed', 'words')).toBe('intset');
    expect(stored('SDIFFSTORE', 'to', 'mixed', 'ints')).toBe('listpack');
    expect(stored('SDIFFSTORE', 'to', 'table', 'words')).toBe('hashtable');
  });

  it('of what SPOP leaves of a table is chosen anew', () => {
    local.run('SADD', 'k', ...numbered('m', 300));
    local.run('SPOP', 'k', '100');
    expect(encodingOf(local, 'k')).toBe('hashtable');
    local.run('SPOP', 'k', '190');
    expect(encodingOf(local, 'k')).toBe('listpack');
    expect(local.value('SCARD', 'k')).toBe(10);
  });

  it('holds integers of all widths, up to the edges of 64 bits', () => {
    const edges = ['-9223372036854775808', '9223372036854775807', '-2147483649', '32768', '-1', '0', '127'];
    local.run('SADD', 'k', ...edges);
    expect(encodingOf(local, 'k')).toBe('intset');
    expect(members('SMEMBERS', 'k')).toEqual([...edges].sort());
    local.run('SADD', 'k', '9223372036854775808');
    expect(encodingOf(local, 'k')).toBe('listpack');
    expect(members('SMEMBERS', 'k')).toEqual([...edges, '9223372036854775808'].sort());
    for (const edge of edges) expect(local.value('SISMEMBER', 'k', edge)).toBe(1);
    for (let i = 0; i < 130; i++) local.run('SADD', 'k', `m${i}`);
    expect(encodingOf(local, 'k')).toBe('hashtable');
    for (const edge of edges) expect(local.value('SISMEMBER', 'k', edge)).toBe(1);
  });
});

/** Redis 7.2's rules. */
function encodingWith(
  encoding: string | null,
  set: ReadonlySet<string>,
  added: string,
  limits: { intset: number; entries: number; value: number },
): string {
  const isInteger = /^(0|-?[1-9]\d*)$/.test(added);
  if (encoding === null) {
    if (isInteger) return 'intset';
    return added.length <= limits.value ? 'listpack' : 'hashtable';
  }
  if (encoding === 'intset' && isInteger) return set.size < limits.intset ? 'intset' : 'hashtable';
  const longest = encoding === 'intset' ? Math.max(...[...set].map((text) => text.length)) : 0;
  const fits = set.size < limits.entries && Math.max(added.length, longest) <= limits.value;
  return encoding !== 'hashtable' && fits ? 'listpack' : 'hashtable';
}

describe('members at random', () => {
  const sizes = [
    ['intset', numbered('', 12)],
    ['listpack', numbered('m', 12)],
    ['hashtable', numbered('m', 12)],
  ] as const;

  /** A set of 12 members in an encoding. A table has had many more, so that it is nearly empty. */
  function make(encoding: string, list: readonly string[]): void {
    local.run('DEL', 'k');
    if (encoding === 'hashtable') {
      local.run('SADD', 'k', ...numbered('gone', 700));
      local.run('SADD', 'k', ...list);
      local.run('SREM', 'k', ...numbered('gone', 700));
    } else local.run('SADD', 'k', ...list);
    expect(encodingOf(local, 'k')).toBe(encoding);
  }

  /** Chi-square of counts that should be equal. With 11 degrees of freedom 45 is exceeded once in 200,000 times. */
  function chiSquare(counts: ReadonlyMap<string, number>, draws: number, kinds: number): number {
    expect(counts.size).toBe(kinds);
    const expected = draws / kinds;
    let sum = 0;
    for (const count of counts.values()) sum += (count - expected) ** 2 / expected;
    return sum;
  }

  function count(counts: Map<string, number>, drawn: readonly string[]): void {
    for (const member of drawn) counts.set(member, (counts.get(member) ?? 0) + 1);
  }

  it.each(sizes)('%s: each is as likely as any other', (encoding, list) => {
    make(encoding, list);
    const single = new Map<string, number>();
    for (let i = 0; i < 6000; i++) count(single, [local.value('SRANDMEMBER', 'k') as string]);
    expect(chiSquare(single, 6000, 12)).toBeLessThan(45);
    const repeated = new Map<string, number>();
    count(repeated, local.value('SRANDMEMBER', 'k', '-6000') as string[]);
    expect(chiSquare(repeated, 6000, 12)).toBeLessThan(45);
  });

  it.each(sizes)('%s: each choice of several is as likely, in every regime', (encoding, list) => {
    make(encoding, list);
    for (const size of [2, 3, 5, 11]) {
      const counts = new Map<string, number>();
      const rounds = 6000 / size;
      for (let i = 0; i < rounds; i++) {
        const drawn = local.value('SRANDMEMBER', 'k', String(size)) as string[];
        expect(new Set(drawn).size).toBe(size);
        count(counts, drawn);
      }
      expect(chiSquare(counts, Math.ceil(rounds) * size, 12)).toBeLessThan(45);
    }
    expect(members('SRANDMEMBER', 'k', '12')).toEqual([...list].sort());
    expect(members('SRANDMEMBER', 'k', '1000')).toEqual([...list].sort());
  });

  it.each(sizes)('%s: SPOP takes each as likely as any other, in every regime', (encoding, list) => {
    for (const size of [0, 1, 4, 11]) {
      const counts = new Map<string, number>();
      const rounds = Math.ceil(1200 / Math.max(1, size));
      for (let i = 0; i < rounds; i++) {
        make(encoding, list);
        const drawn =
          size === 0
            ? [local.value('SPOP', 'k') as string]
            : (local.value('SPOP', 'k', String(size)) as string[]);
        expect(drawn.length).toBe(Math.max(1, size));
        const rest = members('SMEMBERS', 'k');
        expect([...rest, ...drawn].sort()).toEqual([...list].sort());
        count(counts, drawn);
      }
      expect(chiSquare(counts, rounds * Math.max(1, size), 12)).toBeLessThan(45);
    }
  });

  it('SPOP of all deletes the key; what stays keeps its time to live', () => {
    local.run('SADD', 'k', ...numbered('m', 20));
    local.run('PEXPIREAT', 'k', '4102444800000');
    expect((local.value('SPOP', 'k', '19') as string[]).length).toBe(19);
    expect(local.value('PEXPIRETIME', 'k')).toBe(4102444800000);
    expect(local.lastDirty).toBe(0);
    expect((local.value('SPOP', 'k', '19') as string[]).length).toBe(1);
    expect(local.lastDirty).toBe(1);
    expect(local.value('EXISTS', 'k')).toBe(0);
  });
});

describe('SSCAN', () => {
  it('returns what is there throughout, exactly once, while the table grows and shrinks', () => {
    const stay = numbered('stay', 300);
    local.run('SADD', 'k', ...stay);
    for (const [during, count] of [
      [(round: number) => local.run('SADD', 'k', ...numbered(`new${round}:`, 200)), 10],
      [(round: number) => local.run('SREM', 'k', ...numbered(`new${round}:`, 200)), 7],
    ] as const) {
      const seen = new Map<string, number>();
      let cursor = '0';
      let round = 0;
      do {
        const [next, found] = local.value('SSCAN', 'k', cursor, 'COUNT', String(count)) as [string, string[]];
        cursor = next;
        for (const member of found) seen.set(member, (seen.get(member) ?? 0) + 1);
        if (round < 40) during(round++);
      } while (cursor !== '0');
      for (const member of stay) expect(seen.get(member)).toBe(1);
    }
  });

  it('filters by pattern, and takes any cursor for a packed set', () => {
    local.run('SADD', 'k', 'a1', 'a2', 'b1', '7');
    expect(local.value('SSCAN', 'k', '99', 'MATCH', 'a*')).toEqual(['0', ['a1', 'a2']]);
    expect(local.text('SSCAN', 'k', '0', 'NOVALUES')).toBe(
      '-ERR NOVALUES option can only be used in HSCAN\r\n',
    );
  });
});

describe('without memory', () => {
  it('a command does all, or nothing that is not counted; nothing leaks', () => {
    local.config.assign('set-max-intset-entries', '20');
    local.config.assign('set-max-listpack-entries', '20');
    let calls = 0;
    let failEvery = 0;
    for (const { arena } of local.keyspace.shards) {
      const alloc = arena.alloc.bind(arena);
      arena.alloc = (bytes: number): number => {
        if (failEvery > 0 && ++calls % failEvery === 0) throw new OutOfMemoryError('test');
        return alloc(bytes);
      };
    }
    const keys = ['a', 'b', '{a}c'];
    const key = fc.constantFrom(...keys);
    const member = fc.integer({ min: 0, max: 400 }).map((n) => (n % 3 === 0 ? `m${n}` : String(n)));
    const list = fc.array(member, { minLength: 1, maxLength: 30 });
    const command = fc.oneof(
      fc.tuple(fc.constant('SADD'), key, list).map(([name, k, texts]) => [name, k, ...texts]),
      fc.tuple(fc.constant('SREM'), key, list).map(([name, k, texts]) => [name, k, ...texts]),
      fc.tuple(fc.constant('SMOVE'), key, key, member).map((args) => args),
      fc
        .tuple(fc.constantFrom('SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE'), key, key, key)
        .map((args) => args),
      fc.tuple(fc.constantFrom('SUNION', 'SDIFF'), key, key, key, key, key, key, key).map((args) => args),
      fc.tuple(fc.constant('SPOP'), key, fc.constantFrom('1', '3', '30')).map((args) => args),
    );
    const content = (): string[][] => keys.map((k) => members('SMEMBERS', k));
    let failures = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(command, fc.constantFrom(0, 1, 2, 3, 5, 9)), { minLength: 20, maxLength: 60 }),
        (steps) => {
          for (const [args, every] of steps) {
            const before = content();
            failEvery = every;
            const failed = local.text(...args).startsWith('-OOM');
            const counted = local.lastDirty;
            failEvery = 0;
            const after = content();
            if (failed && args[0] !== 'SADD') expect(after).toEqual(before);
            if (failed) {
              failures++;
              const sum = (sets: string[][]): number => sets.reduce((total, set) => total + set.length, 0);
              expect(counted).toBe(sum(after) - sum(before));
            }
          }
          local.checkInvariants();
        },
      ),
      { numRuns: 100 },
    );
    expect(failures).toBeGreaterThan(50);
  });
});

describe('large sets', () => {
  it('are intersected, united and subtracted, with results that go beyond a walk', () => {
    const count = 30_000;
    for (let from = 0; from < count; from += 1000) {
      local.run('SADD', 'twos', ...Array.from({ length: 1000 }, (_, i) => `n${(from + i) * 2}`));
      local.run('SADD', 'threes', ...Array.from({ length: 1000 }, (_, i) => `n${(from + i) * 3}`));
    }
    const common = count / 3;
    expect(local.value('SINTERCARD', '2', 'twos', 'threes')).toBe(common * 2 - common);
    expect(local.value('SINTERCARD', '2', 'twos', 'threes', 'LIMIT', '17')).toBe(17);
    expect(local.value('SUNIONSTORE', 'all', 'twos', 'threes')).toBe(2 * count - common);
    expect(local.value('SDIFFSTORE', 'only', 'twos', 'threes')).toBe(count - common);
    expect(local.value('SINTERSTORE', 'both', 'twos', 'threes')).toBe(common);
    expect(local.value('SUNIONSTORE', 'only', 'only', 'both')).toBe(count);
    expect((local.value('SDIFF', 'only', 'twos') as string[]).length).toBe(0);
    expect((local.value('SUNION', 'both', 'twos') as string[]).length).toBe(count);
    // Many small sets to take away: the other algorithm.
    local.run('SADD', 's1', 'n0');
    local.run('SADD', 's2', 'n2');
    const small = Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? 's1' : 's2'));
    expect((local.value('SDIFF', 'twos', ...small) as string[]).length).toBe(count - 2);
    expect(local.value('SDIFFSTORE', 'rest', 'twos', ...small)).toBe(count - 2);
    expect(local.value('SISMEMBER', 'rest', 'n0')).toBe(0);
    expect((local.value('SPOP', 'all', String(count)) as string[]).length).toBe(count);
    expect((local.value('SRANDMEMBER', 'all', '-20000') as string[]).length).toBe(20_000);
    const few = local.value('SRANDMEMBER', 'all', '3000') as string[];
    expect(new Set(few).size).toBe(3000);
  });
});
