// Streams beyond what redis-server 7.0 can confirm: the clock, what 7.2, 7.4 and 8.2 added or set right, texts of errors, limits
// of numbers, running out of memory, where commands run.

import { beforeEach, describe, expect, it } from 'vitest';
import { CommandFlag } from '../../src/commands/table.ts';
import { OutOfMemoryError } from '../../src/memory/chunk-pool.ts';
import { InProcess } from '../support/in-process.ts';
import type { Value } from '../support/resp-parser.ts';
import { encodingOf } from './against-redis.ts';

const NOW = 1_700_000_000_000;

let local: InProcess;
beforeEach(() => {
  local = new InProcess();
  local.setTime(NOW);
  return () => local.checkInvariants();
});

/** Runs commands given as lines. */
function run(...lines: string[]): Value[] {
  return lines.map((line) => local.value(...line.split(' ')));
}

function error(...args: string[]): string {
  const value = local.value(...args);
  if (!(value instanceof Error)) throw new Error(`no error: ${JSON.stringify(value)}`);
  return value.message;
}

/** IDs of the entries of a range reply. */
function ids(reply: Value): string[] {
  return (reply as [string, unknown][]).map(([id]) => id);
}

/** Names and values of a flat reply. */
function facts(reply: Value): Record<string, Value> {
  const list = reply as Value[];
  const found: Record<string, Value> = {};
  for (let i = 0; i < list.length; i += 2) found[list[i] as string] = list[i + 1]!;
  return found;
}

function groupFacts(key: string): Record<string, Value> {
  return facts((local.value('XINFO', 'GROUPS', key) as Value[])[0]!);
}

describe('XADD', () => {
  it('takes its IDs from the clock, which never goes back for a stream', () => {
    expect(run('XADD s * f 1', 'XADD s * f 2')).toEqual([`${NOW}-0`, `${NOW}-1`]);
    local.setTime(NOW - 5000);
    expect(run('XADD s * f 3')).toEqual([`${NOW}-2`]);
    local.setTime(NOW + 1);
    expect(run('XADD s * f 4')).toEqual([`${NOW + 1}-0`]);
    expect(encodingOf(local, 's')).toBe('stream');
    run('XADD s 2577343934890-18446744073709551615 f 5');
    expect(run('XADD s * f 6')).toEqual(['2577343934891-0']);
  });

  it('ends with the greatest ID', () => {
    run('XADD s 18446744073709551615-18446744073709551615 f v');
    const text = 'ERR The stream has exhausted the last possible ID, unable to add more items';
    expect(error('XADD', 's', '*', 'f', 'v')).toBe(text);
    expect(error('XADD', 's', '5-5', 'f', 'v')).toBe(text);
    run('XADD t 1-18446744073709551615 f v');
    expect(error('XADD', 't', '1-*', 'f', 'v')).toBe(
      'ERR The ID specified in XADD is equal or smaller than the target stream top item',
    );
  });

  it('makes no key when it fails', () => {
    expect(local.text('XADD', 'n', 'NOMKSTREAM', '*', 'f', 'v')).toBe('$-1\r\n');
    error('XADD', 'n', '0-0', 'f', 'v');
    error('XADD', 'n', '*', 'f');
    error('XADD', 'n', 'MAXLEN', '5', 'LIMIT', '5', '*', 'f', 'v');
    expect(run('EXISTS n')).toEqual([0]);
  });

  it('leaves everything as it was when there is no memory', () => {
    run('XADD s 1-0 f v');
    const { arena } = local.keyspace.shards.find((shard) => shard.keys(0) > 0)!;
    const alloc = arena.alloc.bind(arena);
    arena.alloc = () => {
      throw new OutOfMemoryError('test');
    };
    expect(error('XADD', 's', '*', 'f', 'v'.repeat(5000))).toMatch(/^OOM /);
    arena.alloc = alloc;
    expect(run('XLEN s')).toEqual([1]);
    for (const shard of local.keyspace.shards) {
      shard.arena.alloc = () => {
        throw new OutOfMemoryError('test');
      };
    }
    expect(error('XADD', 'new', '*', 'f', 'v')).toMatch(/^OOM /);
    for (const shard of local.keyspace.shards) Reflect.deleteProperty(shard.arena, 'alloc');
    expect(run('EXISTS new')).toEqual([0]);
  });

  it('refuses what no option is', () => {
    expect(error('XADD', 's', 'KEEPREF', 'DELREF', '*', 'f', 'v')).toMatch(/Invalid stream ID/);
    expect(error('XTRIM', 's', 'MAXLEN', '1', 'ACKED', 'ACKED')).toBe('ERR syntax error');
    expect(error('XTRIM', 's', 'LIMIT', '0')).toMatch(/^ERR syntax error/);
  });

  it('changes the size of blocks with the directives', () => {
    local.config.assign('stream-node-max-entries', '2');
    for (let i = 1; i <= 5; i++) run(`XADD s ${i}-0 f v`);
    expect(facts(local.value('XINFO', 'STREAM', 's'))['radix-tree-keys']).toBe(3);
    local.config.assign('stream-node-max-entries', '0');
    local.config.assign('stream-node-max-bytes', '0');
    for (let i = 6; i <= 600; i++) run(`XADD s ${i}-0 f v`);
    expect(facts(local.value('XINFO', 'STREAM', 's'))['radix-tree-keys']).toBe(3);
  });
});

describe('KEEPREF, DELREF, ACKED (8.2)', () => {
  const fill = (key: string, count: number): void => {
    for (let i = 1; i <= count; i++) run(`XADD ${key} ${i}-0 f v`);
  };

  it('XADD and XTRIM keep what a group has not got or not acknowledged', () => {
    fill('s', 5);
    run('XGROUP CREATE s g 0', 'XADD s MAXLEN = 1 ACKED 6-0 f v');
    expect(run('XLEN s')).toEqual([6]);
    run('XREADGROUP GROUP g c COUNT 1 STREAMS s >', 'XACK s g 1-0', 'XADD s MAXLEN = 1 ACKED 7-0 f v');
    expect(run('XLEN s')).toEqual([6]);
    run(
      'XREADGROUP GROUP g c STREAMS s >',
      'XACK s g 2-0 3-0 4-0 5-0 6-0 7-0',
      'XADD s MAXLEN = 1 ACKED 8-0 f v',
    );
    expect(ids(local.value('XRANGE', 's', '-', '+'))).toEqual(['8-0']);
  });

  it('an approximate trim goes on behind a block that stays', () => {
    local.config.assign('stream-node-max-entries', '2');
    fill('s', 5);
    run('XGROUP CREATE s g 0', 'XREADGROUP GROUP g c STREAMS s >', 'XACK s g 1-0 2-0 4-0');
    expect(run('XTRIM s MINID ~ 6-0 ACKED')).toEqual([3]);
    expect(ids(local.value('XRANGE', 's', '-', '+'))).toEqual(['3-0', '5-0']);
    fill('t', 4);
    run('XGROUP CREATE t g 0', 'XREADGROUP GROUP g c STREAMS t >');
    expect(run('XTRIM t MINID ~ 5-0 DELREF')).toEqual([4]);
    expect(run('XPENDING t g')).toEqual([[0, null, null, null]]);
  });

  it('DELREF takes entries out of all groups', () => {
    fill('s', 5);
    run('XGROUP CREATE s g 0', 'XGROUP CREATE s h 0', 'XREADGROUP GROUP g c STREAMS s >');
    run('XREADGROUP GROUP h d COUNT 2 STREAMS s >', 'XADD s DELREF MAXLEN 1 * f v');
    expect(run('XLEN s', 'XPENDING s g', 'XPENDING s h')).toEqual([
      1,
      [0, null, null, null],
      [0, null, null, null],
    ]);
  });

  it('without groups they do nothing', () => {
    fill('s', 5);
    expect(run('XTRIM s MAXLEN 2 ACKED', 'XTRIM s MAXLEN 1 DELREF', 'XTRIM s KEEPREF MAXLEN 0')).toEqual([
      3, 1, 1,
    ]);
  });

  it('XDELEX deletes as it is told, and says of each ID what came of it', () => {
    fill('s', 4);
    run('XGROUP CREATE s g 0', 'XGROUP CREATE s h 0', 'XREADGROUP GROUP g c COUNT 3 STREAMS s >');
    expect(run('XDELEX s ACKED IDS 2 1-0 9-0')).toEqual([[2, 2]]);
    run('XREADGROUP GROUP h d COUNT 3 STREAMS s >', 'XACK s g 1-0', 'XACK s h 1-0');
    expect(run('XDELEX s IDS 3 1-0 2-0 9-0 acked')).toEqual([[1, 2, 2]]);
    expect(run('XDELEX s IDS 2 2-0 2-0', 'XPENDING s g')).toEqual([
      [1, -1],
      [2, '2-0', '3-0', [['c', '2']]],
    ]);
    // The entry is gone, but what refers to it is not.
    expect(run('XDELEX s DELREF IDS 1 2-0', 'XPENDING s g')).toEqual([[-1], [1, '3-0', '3-0', [['c', '1']]]]);
    expect(local.lastDirty).toBe(0);
    expect(run('XDELEX s KEEPREF IDS 1 3-0', 'XPENDING s h')).toEqual([[1], [1, '3-0', '3-0', [['d', '1']]]]);
    expect(run('XDELEX none IDS 2 1-1 2-2')).toEqual([[-1, -1]]);
    expect(facts(local.value('XINFO', 'STREAM', 's'))).toMatchObject({
      'max-deleted-entry-id': '3-0',
      'recorded-first-entry-id': '4-0',
    });
  });

  it('XACKDEL acknowledges, too', () => {
    fill('s', 3);
    run('XGROUP CREATE s g 0', 'XGROUP CREATE s h 0', 'XREADGROUP GROUP g c STREAMS s >');
    run('XREADGROUP GROUP h d STREAMS s >');
    expect(run('XACKDEL s g ACKED IDS 2 1-0 2-0', 'XLEN s', 'XPENDING s g')).toEqual([
      [2, 2],
      3,
      [1, '3-0', '3-0', [['c', '1']]],
    ]);
    expect(run('XACKDEL s h ACKED IDS 2 1-0 2-0', 'XLEN s')).toEqual([[1, 1], 1]);
    expect(run('XACKDEL s g KEEPREF IDS 2 3-0 3-0', 'XLEN s')).toEqual([[1, -1], 0]);
    // Acknowledging what is gone counts as deleting it.
    expect(run('XACKDEL s h IDS 1 3-0', 'XPENDING s h')).toEqual([[1], [0, null, null, null]]);
    expect(run('XACKDEL none g IDS 1 3-0', 'XACKDEL s none IDS 1 3-0')).toEqual([[-1], [-1]]);
    fill('t', 2);
    run('XGROUP CREATE t g 0', 'XGROUP CREATE t h 0', 'XREADGROUP GROUP g c STREAMS t >');
    run('XREADGROUP GROUP h d STREAMS t >');
    expect(run('XACKDEL t g DELREF IDS 2 1-0 2-0', 'XPENDING t h')).toEqual([
      [1, 1],
      [0, null, null, null],
    ]);
  });

  it.each(['XDELEX s', 'XACKDEL s g'])('%s checks its arguments', (line) => {
    const start = line.split(' ');
    const number = 'ERR Number of IDs must be a positive integer';
    for (const count of ['abc', '0', '-5']) expect(error(...start, 'IDS', count, '1-1')).toBe(number);
    expect(error(...start, 'IDS', '3', '1-1', '2-2')).toBe(
      'ERR The `numids` parameter must match the number of arguments',
    );
    expect(error(...start, 'IDS', '1', '1-1', '2-2')).toBe('ERR syntax error');
    expect(error(...start, 'KEEPREF', 'DELREF', 'IDS', '1', '1-1')).toBe('ERR syntax error');
    expect(error(...start, 'KEEPREF', 'x', 'y')).toBe('ERR syntax error');
    expect(error(...start, 'IDS', '2', '1-1', 'x')).toBe(
      'ERR Invalid stream ID specified as stream command argument',
    );
    expect(error(...start, 'IDS')).toMatch(/wrong number of arguments/);
  });
});

describe('XREAD and XREADGROUP', () => {
  it('+ stands for the last entry (7.4), whatever was deleted behind it', () => {
    expect(local.text('XREAD', 'STREAMS', 's', '+')).toBe('*-1\r\n');
    run('XADD s 1-0 f 1', 'XADD s 2-0 f 2', 'XADD s 3-0 f 3');
    expect(run('XREAD COUNT 3 STREAMS s +')).toEqual([[['s', [['3-0', ['f', '3']]]]]]);
    run('XDEL s 3-0');
    expect(run('XREAD STREAMS s +')).toEqual([[['s', [['2-0', ['f', '2']]]]]]);
    run('XDEL s 1-0 2-0');
    expect(run('XREAD STREAMS s +')).toEqual([null]);
    expect(error('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '+')).toMatch(/^NOGROUP/);
    run('XGROUP CREATE s g 0');
    expect(error('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '+')).toMatch(
      /^ERR The \+ ID is meaningless/,
    );
  });

  it('make the consumer whether there is something for it or not (7.2)', () => {
    run('XADD s 1-0 f v', 'XGROUP CREATE s g $', 'XREADGROUP GROUP g c STREAMS s >');
    run('XCLAIM s g d 0 1-0', 'XAUTOCLAIM s g e 0 0');
    local.setTime(NOW + 500);
    const consumers = (local.value('XINFO', 'CONSUMERS', 's', 'g') as Value[]).map(facts);
    expect(consumers).toEqual(['c', 'd', 'e'].map((name) => ({ name, pending: 0, idle: 500, inactive: -1 })));
  });

  it('tell when a consumer was seen and when it was active (7.2)', () => {
    run('XADD s 1-0 f v', 'XADD s 2-0 f v', 'XGROUP CREATE s g 0', 'XGROUP CREATE s h 0');
    run('XREADGROUP GROUP g c COUNT 1 STREAMS s >', 'XREADGROUP GROUP h c NOACK STREAMS s >');
    local.setTime(NOW + 100);
    run('XREADGROUP GROUP g c STREAMS s 0');
    local.setTime(NOW + 300);
    const [consumer] = local.value('XINFO', 'CONSUMERS', 's', 'g') as Value[];
    expect(facts(consumer!)).toMatchObject({ idle: 200, inactive: 300, pending: 1 });
    const [other] = local.value('XINFO', 'CONSUMERS', 's', 'h') as Value[];
    expect(facts(other!)).toMatchObject({ idle: 300, inactive: -1, pending: 0 });
    const full = facts(local.value('XINFO', 'STREAM', 's', 'FULL'));
    const group = facts((full['groups'] as Value[])[0]!);
    const shown = facts((group['consumers'] as Value[])[0]!);
    expect(shown).toEqual({
      name: 'c',
      'seen-time': NOW + 100,
      'active-time': NOW,
      'pel-count': 1,
      pending: [['1-0', NOW + 100, 2]],
    });
  });

  it('name what is missing as Redis 7.4', () => {
    expect(error('XREAD', 'STREAMS', 'a', 'b', '0')).toBe(
      "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
    );
    expect(error('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 'a', 'b', '>')).toBe(
      "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
    );
    expect(error('XREAD', 'GROUP', 'g', 'c', 'STREAMS', 'a', '0')).toMatch(/^ERR The GROUP option is only/);
    expect(error('XREAD', 'NOACK', 'STREAMS', 'a', '0')).toMatch(/^ERR The NOACK option is only/);
    expect(error('XREADGROUP', 'NOACK', 'NOACK', 'NOACK', 'STREAMS', 'a', '0')).toBe(
      'ERR Missing GROUP option for XREADGROUP',
    );
  });

  it('reply with a map in RESP3', () => {
    local.session.resp = 3;
    run('XADD s 1-0 f v', 'XADD t 1-0 f v');
    expect(local.text('XREAD', 'STREAMS', 's', 't', '0', '0')).toMatch(/^%2\r\n\$1\r\ns\r\n\*1\r\n/);
    expect(local.text('XREAD', 'STREAMS', 's', '1')).toBe('_\r\n');
  });

  it('give what was delivered when there is no memory for more', () => {
    for (let i = 1; i <= 200; i++) run(`XADD s ${i}-0 f v`);
    run('XGROUP CREATE s g 0', 'XGROUP CREATECONSUMER s g c');
    const { arena } = local.keyspace.shards.find((shard) => shard.keys(0) > 0)!;
    const alloc = arena.alloc.bind(arena);
    let left = 6;
    arena.alloc = (bytes) => {
      if (left-- <= 0) throw new OutOfMemoryError('test');
      return alloc(bytes);
    };
    const [[, entries]] = local.value('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>') as [
      [string, Value[]],
    ];
    arena.alloc = alloc;
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.length).toBeLessThan(200);
    expect(groupFacts('s')).toMatchObject({
      pending: entries.length,
      'last-delivered-id': `${entries.length}-0`,
    });
    const [[, rest]] = local.value('XREADGROUP', 'GROUP', 'g', 'c', 'STREAMS', 's', '>') as [
      [string, Value[]],
    ];
    expect(entries.length + rest.length).toBe(200);
  });
});

describe('entries-read and lag (7.4)', () => {
  const fill = (): void => {
    for (let i = 1; i <= 5; i++) run(`XADD x ${i}-0 data v`);
  };
  const counts = (): Value[] => {
    const shown = groupFacts('x');
    return [shown['entries-read']!, shown['lag']!];
  };

  it('are known of a new group where that is possible', () => {
    run('XGROUP CREATE x g $ MKSTREAM');
    expect(counts()).toEqual([null, 0]);
    fill();
    expect(counts()).toEqual([null, 5]);
    run('XREADGROUP GROUP g c COUNT 1 STREAMS x >');
    expect(counts()).toEqual([1, 4]);
    run('XREADGROUP GROUP g c STREAMS x >');
    expect(counts()).toEqual([5, 0]);
    run('XADD x 6-0 data v');
    expect(counts()).toEqual([5, 1]);
  });

  it('are unknown while a deleted entry lies ahead', () => {
    fill();
    run('XGROUP CREATE x g 0', 'XREADGROUP GROUP g c COUNT 1 STREAMS x >', 'XDEL x 3-0');
    expect(counts()).toEqual([1, null]);
    run('XREADGROUP GROUP g c COUNT 1 STREAMS x >');
    expect(counts()).toEqual([null, null]);
    run('XREADGROUP GROUP g c STREAMS x >');
    expect(counts()).toEqual([5, 0]);
  });

  it('count what is left when all that is missing lies before the first entry', () => {
    fill();
    run('XGROUP CREATE x g 0', 'XREADGROUP GROUP g c COUNT 1 STREAMS x >', 'XTRIM x MAXLEN 1');
    expect(counts()).toEqual([1, 1]);
    run('XREADGROUP GROUP g c COUNT 1 STREAMS x >');
    expect(counts()).toEqual([5, 0]);
    run('XADD x 6-0 data v', 'XADD x 7-0 data v', 'XGROUP SETID x g 5-0', 'XDEL x 5-0', 'XTRIM x MAXLEN 0');
    expect(counts()).toEqual([null, 0]);
  });

  it('keep the tombstone in mind that lies between the last ID and the first entry', () => {
    run('XGROUP CREATE x g $ MKSTREAM', 'XADD x 0-1 n v', 'XADD x 0-2 n v');
    run(
      'XREADGROUP GROUP g c STREAMS x >',
      'XADD x 0-3 n v',
      'XADD x 0-4 n v',
      'XDEL x 0-1',
      'XDEL x 0-2',
      'XDEL x 0-3',
    );
    expect(counts()).toEqual([2, 1]);
    run('XREADGROUP GROUP g c STREAMS x >');
    expect(counts()).toEqual([4, 0]);
  });

  it('are as large as they were set', () => {
    run('XGROUP CREATE x g 0 MKSTREAM ENTRIESREAD 9223372036854775807', 'XADD x 1-0 f v');
    expect(local.text('XINFO', 'GROUPS', 'x')).toContain(':9223372036854775807\r\n');
    run('XSETID x 5-0 ENTRIESADDED 9223372036854775806 MAXDELETEDID 2-0', 'XADD x 6-0 f v');
    expect(local.text('XINFO', 'STREAM', 'x')).toContain(':9223372036854775807\r\n');
    run(
      'XGROUP CREATE x h 0',
      'XREADGROUP GROUP h c STREAMS x >',
      'XCLAIM x h c 0 1-0 RETRYCOUNT 9223372036854775807',
    );
    expect(local.text('XPENDING', 'x', 'h', '-', '+', '5')).toContain(':9223372036854775807\r\n');
  });
});

describe('stream commands', () => {
  it('XSETID does not go behind what was deleted', () => {
    run('XADD s 1-0 f v', 'XADD s 2-0 f v', 'XDEL s 2-0');
    expect(error('XSETID', 's', '1-5')).toBe(
      'ERR The ID specified in XSETID is smaller than current max_deleted_entry_id',
    );
  });

  it('keep groups and pending entries over COPY, RENAME and MOVE', () => {
    run(
      'XADD s 1-0 f v',
      'XADD s 2-0 f v',
      'XGROUP CREATE s g 0',
      'XREADGROUP GROUP g c STREAMS s >',
      'XACK s g 1-0',
    );
    const shown = local.value('XINFO', 'STREAM', 's', 'FULL');
    run('COPY s copy', 'RENAME s other{s}name', 'MOVE copy 1', 'SELECT 1');
    expect(local.value('XINFO', 'STREAM', 'copy', 'FULL')).toEqual(shown);
    run('SELECT 0');
    expect(local.value('XINFO', 'STREAM', 'other{s}name', 'FULL')).toEqual(shown);
    run('XACK other{s}name g 2-0', 'DEL other{s}name');
  });

  it('refuse other types', () => {
    run('SET k v');
    const wrong = 'WRONGTYPE Operation against a key holding the wrong kind of value';
    for (const line of [
      'XADD k * f v', 'XLEN k', 'XRANGE k - +', 'XREVRANGE k + -', 'XDEL k 1', 'XTRIM k MAXLEN 1', 'XREAD STREAMS k 0',
      'XREADGROUP GROUP g c STREAMS k >', 'XGROUP CREATE k g 0', 'XGROUP DESTROY k g', 'XACK k g 1', 'XPENDING k g',
      'XCLAIM k g c 0 1', 'XAUTOCLAIM k g c 0 0', 'XINFO STREAM k', 'XINFO GROUPS k', 'XINFO CONSUMERS k g',
      'XSETID k 1', 'XDELEX k IDS 1 1', 'XACKDEL k g IDS 1 1', 'XGROUP SETID k g 1', 'XGROUP CREATECONSUMER k g c',
      'XGROUP DELCONSUMER k g c',
    ]) expect(error(...line.split(' ')), line).toBe(wrong); // biome-ignore format: a list of commands
  });

  it('explain themselves', () => {
    const group = local.value('XGROUP', 'HELP') as string[];
    expect(group[0]).toBe('XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:');
    expect(group).toHaveLength(17);
    expect(local.value('XINFO', 'HELP')).toHaveLength(9);
  });

  it('estimate long work as such, and short work on long streams as short', () => {
    const limit = 256 * 1024;
    local.config.assign('stream-node-max-entries', '10');
    for (let i = 1; i <= 20_000; i++) local.run('XADD', 's', `${i}-0`, 'f', 'v');
    run('XGROUP CREATE s g 0');
    const short = [
      'XRANGE s - + COUNT 10', 'XREVRANGE s + 19990', 'XADD s * f v', 'XADD s MAXLEN 20000 * f v', 'XREAD STREAMS s 19950',
      'XREADGROUP GROUP g c COUNT 5 STREAMS s >', 'XTRIM s MAXLEN ~ 19900', 'XACK s g 1-0', 'XPENDING s g', 'XINFO STREAM s',
    ]; // biome-ignore format: a list of commands
    for (const line of short) {
      run(line);
      expect(local.lastEstimate, line).toBeLessThan(limit);
    }
    const long = [
      'XRANGE s - +', 'XREAD STREAMS s 0', 'XREADGROUP GROUP g c STREAMS s >', 'XPENDING s g IDLE 5 - + 5', 'XAUTOCLAIM s g d 0 0 COUNT 5000',
      'XREADGROUP GROUP g d COUNT 5000 STREAMS s 0', 'XINFO STREAM s FULL COUNT 0', 'XGROUP DELCONSUMER s g d',
      'XTRIM s MINID 12000', 'XADD s MAXLEN 10 * f v',
    ]; // biome-ignore format: a list of commands
    for (const line of long) {
      run(line);
      expect(local.lastEstimate, line).toBeGreaterThan(limit);
    }
  });

  it('are all there', () => {
    const names = local.table.all.filter((row) => row.facts.acl_categories.includes('@stream'));
    expect(names.length).toBeGreaterThan(20);
    for (const row of names) expect(row.built, row.name).toBe(true);
    expect(local.table.byName('xadd')!.flags & CommandFlag.Write).not.toBe(0);
  });
});
