/*
 * The keys that a command will touch, for locking: what GETKEYS finds, and more where the command's own parsing of its
 * options finds other keys than the published specifications.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasUnknownKeys, keyPositions, keysWithFlags } from '../../src/commands/key-positions.ts';
import { fullTable, Request, serverFacts } from './command-support.ts';

const table = fullTable();

/** The key arguments of a request that is written as words, `""` for an empty one. */
function keysOf(line: string): string[] {
  const words = line.split(' ').map((word) => (word === '""' ? '' : word));
  const name = table.byName(words[0]!.toLowerCase())?.subcommands ? `${words[0]}|${words[1]}` : words[0]!;
  return keysOfWords(name.toLowerCase(), words).map((at) => words[at]!);
}

function keysOfWords(name: string, words: readonly string[]): number[] {
  const request = new Request(words);
  const out = new Int32Array(64);
  const count = keyPositions(
    table.byName(name)!,
    request.argc,
    request.argOff,
    request.argLen,
    request.input,
    out,
  );
  return [...out.subarray(0, count)];
}

describe('keyPositions', () => {
  it.each([
    ['ping', ''],
    ['get a', 'a'],
    ['spublish ch x', ''],
    ['object encoding a', 'a'],
    ['mset a 1 b 2', 'a b'],
    ['mset a 1 b', 'a b'],
    ['blpop a b 0', 'a b'],
    ['bitop and d a b', 'd a b'],
    ['pfmerge d', 'd'], // where GETKEYS finds nothing
    ['pfmerge d a', 'd a'],
    ['lcs a b LEN', 'a b'],
    ['copy a b DB 3', 'a b'],
    ['eval s 0 x', ''],
    ['eval s 2 a b x', 'a b'],
    ['eval s 3 a b', ''],
    ['eval s nope a b', ''],
    ['msetex 2 a 1 b 2 EX 5', 'a b'],
    ['msetex 3 a 1 b 2', ''],
    ['zunionstore d 2 a b weights 1 2', 'd a b'],
    ['zunion 2 a b', 'a b'],
    ['lmpop 2 a b left', 'a b'],
    ['sort k by w_* limit 0 1 get o_* get # store d', 'k d'],
    ['sort k by store get store', 'k'],
    ['sort k store a store b', 'k b'],
    ['sort_ro k by x', 'k'],
    ['xread count 5 block 0 streams a b 0 0', 'a b'],
    ['xreadgroup group g c streams a >', 'a'],
    ['xreadgroup count 1 group streams c streams key >', 'key'],
    ['xreadgroup group streams streams noack streams streams 0', 'streams'],
    ['xread streams a b 0', ''],
    ['georadius k 0 0 1 m', 'k'],
    ['georadius k 0 0 1 m store a storedist b', 'k a b'],
    ['georadius k 0 0 1 m store a store b', 'k a b'],
    ['georadiusbymember k store 1 m store d', 'k d'],
    ['migrate h 1 k 0 100 copy', 'k'],
    ['migrate h 1 "" 0 100 auth keys keys a b', 'a b'],
  ])('%s: %s', (line, keys) => {
    expect(keysOf(line).join(' ')).toBe(keys);
  });

  it('counts all keys and writes those that fit', () => {
    const check = (name: string, words: string[], expected: number) => {
      const request = new Request(words);
      const out = new Int32Array(2);
      const command = table.byName(name)!;
      const count = keyPositions(command, request.argc, request.argOff, request.argLen, request.input, out);
      expect(count).toBe(expected);
      expect(out[1]).toBeGreaterThan(out[0]!);
    };
    check('mget', ['mget', ...'abcdefgh'], 8);
    check('zunion', ['zunion', '8', ...'abcdefgh'], 8);
    check('xread', ['xread', 'streams', ...'abcd', ...'0000'], 4);
    check('migrate', ['migrate', 'h', '1', '', '0', '100', 'keys', ...'abcdefgh'], 8);
  });

  it('finds at least the keys of GETKEYS, but for words that the command takes otherwise', () => {
    // Key specifications look for option names wherever they stand: XREADGROUP's take a group called STREAMS for the
    // option, GEORADIUS's a destination called STORE; of MIGRATE with nothing behind KEYS, GETKEYS names another key.
    const rows = serverFacts.filter(
      (row) => !row.needs_subcommand && !/^(XREAD|GEORADIUS|MIGRATE)/.test(row.name),
    );
    const words = fc.array(
      fc.constantFrom('k', 'l', '1', '2', '3', '0', 'STORE', 'BY', 'KEYS', 'GET', 'left', 'STOREDIST', ''),
      { maxLength: 10 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...rows), words, (row, args) => {
        const all = [...row.name.split('|'), ...args];
        if (row.arity > 0 ? all.length !== row.arity : all.length < -row.arity) return;
        const request = new Request(all);
        const found = new Int32Array(64);
        const command = table.byName(row.name.toLowerCase())!;
        const { argc, argOff, argLen, input } = request;
        const count = keysWithFlags(command, argc, argOff, argLen, input, found, new Int32Array(64));
        const touched = new Set(keysOfWords(command.name, all));
        // Lenient numbers ('1x') don't occur here: both searches see the same numbers.
        const missing = [...found.subarray(0, count)].filter((at) => !touched.has(at));
        expect(missing, all.join(' ')).toEqual([]);
        for (const at of touched) expect(at).toBeLessThan(argc);
      }),
      { numRuns: 5000 },
    );
  });
});

it('knows which commands touch keys that no argument names', () => {
  const names = table.all.filter(hasUnknownKeys).map((command) => command.name);
  expect(names.sort()).toEqual(['sort', 'sort_ro']);
});
