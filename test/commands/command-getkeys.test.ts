/*
 * COMMAND GETKEYS and GETKEYSANDFLAGS against a real redis-server, byte by byte: written cases, then random requests
 * for every command of 7.0, made of the words that the commands know.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandDocumentation } from '../../src/commands/facts/command-documentation.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { redisVersion, startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { fullTable, serverFacts } from './command-support.ts';

const isSeventy = redisVersion().slice(0, 2).join('.') === '7.0';

const CASES = `
eval x 0|eval x 1|eval x 2 a|eval x 2 a b c|eval x abc a|eval x -1 a|eval x -0 a|eval x 0x1 a|evalsha x +1 a
evalsha x 01 a|eval x 99999999999999999999 a|eval x -18446744073709551615 a|fcall f 0|fcall f 1a b
zunion 0 a|zunion 1abc k|zunionstore d 0 a|zunionstore d 1x a|zunionstore d 5 a b|zinterstore d 2 a b weights 1 2
zdiff 3 a b|lmpop 1a a left|blmpop 0 1a b left|blmpop 0 2 a b left|sintercard 2 a b|sintercard 2 a|sintercard 1a k
sort k store d store e by x get store|sort k|sort_ro k by store x|sort k limit store d store e|sort k get store d
sort k store|sort k by store get store store store|sort k limit 0 1 STORE d|sort k limit store store d
georadius k 1 1 1 m|georadius k 1 1 1 m store|georadius k 1 1 1 m store d|georadius k 1 1 1 m store d storedist
georadius k 1 1 1 m storedist e store d|georadius k 1 1 1 m store a store b|georadiusbymember k m store km withcoord
georadiusbymember k m 1 km store d|georadius_ro k 1 1 1 m store d
migrate h 1 k 0 100|migrate h 1 "" 0 100 keys a b|migrate h 1 "" 0 100 auth keys keys a b|migrate h 1 x 0 100 keys a b
migrate h 1 "" 0 100 copy auth2 keys pw keys a b|migrate h 1 "" 0 100 keys|migrate h 1 "" 0 100 foo keys auth keys b
migrate h 1 k 0 100 x y KEYS|migrate h 1 "" 0 100
xread streams a 0|xread count streams streams a 0|xread streams a b 0|xread block 0 streams a|xread foo bar baz
xreadgroup group streams c streams a b 1 2|xread foo streams a 0|xreadgroup group g c foo streams k 0
xreadgroup streams a b c d 0|xreadgroup count 1 group streams c streams k >
set a b get|set a b ex get nx|set a b|set a b EX 10 GeT|bitfield k get u8 1|bitfield k get u8|bitfield k set u8 0 1
bitfield k overflow wrap get u8 1|bitfield k overflow wrap incrby u8 1 1|bitfield k|bitfield k incrby u8 1
bitfield k get u8 0 set u8 0|pfmerge d|pfmerge d a b|spublish ch x|ssubscribe a b|sunsubscribe x|publish a b
mset a 1 b|mset a 1 b 2|msetnx a b c|object encoding k|object freq|memory usage k|memory usage k samples 5|xgroup create k g 0
xinfo stream k|ping x|config get x|config nope|object nope k|nope a|copy a b|bitop and d a b|bitop not d|lcs a b
blpop a b 0|blpop a 0|debug object k|restore a 0 x|zrangestore a b 0 1|smove a b c|get a b|GET a|Object Encoding k
command getkeys get a|pfdebug encoding k|pfcount a b|watch a b|del a|rename a b|exists a|touch a b c|unlink a
`
  .trim()
  .split(/[|\n]/)
  .map((line) => line.split(' ').map((word) => (word === '""' ? '' : word)));

/** Rows that later versions changed, so that 7.0 answers otherwise. */
const CHANGED = new Set(['ZRANK', 'ZREVRANK', 'SINTERSTORE', 'WAITAOF']);
const LATER = /^(7\.[24]|8)\./;
const rows = serverFacts.filter(
  (row) =>
    !row.needs_subcommand && !LATER.test(commandDocumentation(row.name).since) && !CHANGED.has(row.name),
);

const KEYWORDS = [
  'STORE',
  'storedist',
  'Get',
  'BY',
  'limit',
  'KEYS',
  'auth',
  'AUTH2',
  'copy',
  'STREAMS',
  'block',
  'COUNT',
  'group',
  'noack',
  'set',
  'INCRBY',
  'overflow',
  'left',
  'weights',
  'NX',
  'EX',
];
const NUMBERS = [
  '0',
  '1',
  '2',
  '3',
  '4',
  '-1',
  '+2',
  '02',
  '1x',
  ' 1',
  '1 ',
  '',
  '9223372036854775808',
  '1.5',
];
const word = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('k', 'key2', '{t}x', 'ü') },
  { weight: 3, arbitrary: fc.constantFrom(...KEYWORDS) },
  { weight: 2, arbitrary: fc.constantFrom(...NUMBERS) },
);
const request = fc
  .tuple(fc.constantFrom(...rows), fc.array(word, { maxLength: 10 }))
  .map(([row, args]) => [...row.name.split('|'), ...args])
  .filter((words) => words.length >= 2);

describe.skipIf(!isSeventy)('COMMAND GETKEYS against redis-server 7.0', () => {
  const sabre = {
    2: new InProcess({ table: fullTable() }),
    3: new InProcess({ table: fullTable(), resp: 3 }),
  };
  let redis: ServerProcess;
  const clients = new Map<2 | 3, RawClient>();

  beforeAll(async () => {
    redis = await startRedis();
    clients.set(2, await redis.connect());
    clients.set(3, await redis.connect({ protocol: 3 }));
  });
  afterAll(() => redis.stop());

  async function compare(resp: 2 | 3, subcommand: string, words: string[]): Promise<void> {
    const theirs = (await clients.get(resp)!.command('COMMAND', subcommand, ...words)).raw;
    const ours = sabre[resp].text('COMMAND', subcommand, ...words);
    expect(ours, words.join(' ')).toBe(theirs.toString('latin1'));
  }

  it.each(CASES)('%s %s %s %s %s %s %s %s %s', async (...words) => {
    const request = words.filter((each) => each !== undefined);
    // 7.0 wants one word more of COMMAND GETKEYS itself than 7.4.
    if (request.length < 2) return;
    await compare(2, 'GETKEYSANDFLAGS', request);
    await compare(3, 'GETKEYSANDFLAGS', request);
    await compare(2, 'GETKEYS', request);
  });

  it('random requests', async () => {
    await fc.assert(
      fc.asyncProperty(request, (words) => compare(2, 'GETKEYSANDFLAGS', words)),
      { numRuns: 5000 },
    );
  }, 120_000);
});

describe('COMMAND GETKEYS of later commands', () => {
  const sabre = new InProcess({ table: fullTable() });
  const flags = (...words: string[]) => sabre.value('COMMAND', 'GETKEYSANDFLAGS', ...words);

  it('MSETEX', () => {
    expect(flags('msetex', '2', 'a', '1', 'b', '2', 'NX')).toEqual([
      ['a', ['OW', 'update']],
      ['b', ['OW', 'update']],
    ]);
    const tooFew = sabre.text('COMMAND', 'GETKEYS', 'msetex', '3', 'a', '1', 'b', '2');
    expect(tooFew).toBe('-ERR Invalid arguments specified for command\r\n');
  });

  it('DELEX and SET: conditions make them read the value', () => {
    expect(flags('delex', 'k')).toEqual([['k', ['RM', 'delete']]]);
    expect(flags('delex', 'k', 'IFEQ', 'v')).toEqual([['k', ['RW', 'delete']]]);
    expect(flags('set', 'k', 'v', 'ifdne', 'x')).toEqual([['k', ['RW', 'update']]]);
    expect(flags('set', 'k', 'v', 'IFEQ', 'x', 'GET')).toEqual([['k', ['RW', 'access', 'update']]]);
  });

  it('takes three words, unlike 7.0', () => {
    expect(sabre.text('COMMAND', 'GETKEYS', 'get')).toBe(
      '-ERR Invalid number of arguments specified for command\r\n',
    );
    expect(sabre.text('COMMAND', 'GETKEYS')).toBe(
      "-ERR wrong number of arguments for 'command|getkeys' command\r\n",
    );
  });
});
