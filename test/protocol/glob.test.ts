// Glob matching: cases by hand, bounds, and random patterns against redis-server.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { globMatch } from '../../src/protocol/glob.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import { toValue } from '../support/resp-parser.ts';
import type { ServerProcess } from '../support/server-process.ts';

/** Both texts stand amid other bytes, which the matcher must not look at. */
function matches(pattern: string | Buffer, text: string | Buffer, nocase = false): boolean {
  const [p, t] = [Buffer.from(pattern as string, 'latin1'), Buffer.from(text as string, 'latin1')];
  const around = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from('*]['), bytes, Buffer.from('*]-z')]);
  return globMatch(around(p), 3, p.length, around(t), 3, t.length, nocase);
}

describe('by hand', () => {
  test.each([
    ['', '', true],
    ['', 'a', false],
    ['a', '', false],
    ['*', 'anything', true],
    ['**', 'a', true],
    ['a*', 'a', true],
    ['a**', 'a', true],
    ['*a', 'ba', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abb', false],
    ['a?c', 'abc', true],
    ['?', '', false],
    ['a[bc]d', 'acd', true],
    ['a[^bc]d', 'acd', false],
    ['[a-c]', 'b', true],
    ['[c-a]', 'b', true],
    ['[a-]', '-', false],
    ['[a-]', '^', true],
    ['[]', ']', false],
    ['[a', 'a', true],
    ['[', '[', false],
    ['[^', 'a', true],
    ['[\\]]', ']', true],
    ['[a\\', 'a', true],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a\\', 'a\\', true],
    ['h[^e]llo', 'hello', false],
    ['*\\?', 'who?', true],
    ['[\x01-\xff]', '\x00', true],
    ['[\x01-\xff]', '\x7f', false],
  ])('%j and %j: %j', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  test('nocase is for ASCII letters, in classes and ranges too', () => {
    expect(matches('HeL*[A-C][X]?', 'hello bxz', true)).toBe(true);
    expect(matches('HeL*', 'hello', false)).toBe(false);
    expect(matches('\xc9', '\xe9', true)).toBe(false);
    expect(matches('[\\X]', 'x', true)).toBe(false);
  });

  test('a pattern of many stars is not exponential, and nesting has its bound', () => {
    expect(matches(`${'a*'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false);
    expect(matches(`${'*?'.repeat(900)}`, 'a'.repeat(5000))).toBe(true);
    expect(matches(`${'*?'.repeat(1100)}`, 'a'.repeat(5000))).toBe(false);
  });
});

describe('as redis-server', () => {
  let redis: ServerProcess;
  let client: RawClient;

  beforeAll(async () => {
    redis = await startRedis();
    client = await redis.connect();
  });
  afterAll(() => redis.stop());

  const piece = fc.constantFrom(
    ...'*?[]^-\\abcABC\x00\x80\xff',
    '[a-c]',
    '[^b]',
    '[B-a]',
    '[\\]',
    '*',
    'a',
    'b',
  );
  const pattern = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(''));
  const text = fc.string({ unit: fc.constantFrom(...'abcABC]-\\^\x00\x80\xff'), maxLength: 7 });

  test('KEYS finds the same keys', async () => {
    const texts = fc.sample(text, { numRuns: 400, seed: 7 });
    const keys = [...new Set(texts)];
    await client.pipeline(keys.map((key) => ['SET', Buffer.from(key, 'latin1'), 1]));
    for (const each of fc.sample(pattern, { numRuns: 1500, seed: 11 })) {
      // KEYS does not call the matcher for a lone '*'.
      if (each === '*') continue;
      const found = await client.callBuffer('KEYS', Buffer.from(each, 'latin1'));
      const theirs = (found as unknown as Buffer[]).map((key) => key.toString('latin1')).sort();
      const mine = keys.filter((key) => matches(each, key)).sort();
      expect({ each, mine }).toEqual({ each, mine: theirs });
    }
  });

  test('COMMAND LIST finds the same commands in any case', async () => {
    const names = (await client.call('COMMAND', 'LIST')) as string[];
    const part = fc.constantFrom(...'*?^[]-EeTtsS', '[D-g]', '[^a]', 'GET', 'set', '*', '*');
    const patterns = fc.array(part, { maxLength: 6 }).map((pieces) => pieces.join(''));
    for (const each of fc.sample(patterns, { numRuns: 500, seed: 3 })) {
      const reply = await client.command('COMMAND', 'LIST', 'FILTERBY', 'PATTERN', each);
      const mine = names.filter((name) => matches(each, name, true)).sort();
      expect({ each, mine }).toEqual({ each, mine: (toValue(reply) as string[]).sort() });
    }
  });
});
