// What commands leave in the change stream that no redis-server 7.0 can be asked about: fields that expire (7.4 and 8.0), what
// becomes of references in streams (8.2), what is random or goes by the clock, and what ours tells beyond Redis.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Replica } from '../support/effects-replay.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import { rows, words } from './effects-cases.ts';

const NOW = 1_800_000_000_000;

let local: InProcess;
beforeEach(() => {
  local = new InProcess({ effects: true });
  local.setTime(NOW);
});
afterEach(() => local.checkInvariants());

/** Runs rows and gives what the last one told. */
function told(...script: string[]): string[] {
  for (const row of script) local.run(...words(row));
  return rows(local.told);
}

function later(ms: number): void {
  local.setTime(local.keyspace.now + ms);
}

describe('fields that expire', () => {
  beforeEach(() => {
    told('HSET h a 1 b 2 c 3');
  });

  it.each([
    ['HEXPIRE h 10 FIELDS 2 a b', `HPEXPIREAT h ${NOW + 10_000} FIELDS 2 a b`],
    ['hpexpire h 10 FIELDS 1 a', `HPEXPIREAT h ${NOW + 10} FIELDS 1 a`],
    ['HEXPIREAT h 2000000000 FIELDS 1 a', 'HPEXPIREAT h 2000000000000 FIELDS 1 a'],
    ['HPEXPIREAT h 2000000000000 NX FIELDS 1 a', 'HPEXPIREAT h 2000000000000 FIELDS 1 a'],
    // Only what was changed.
    ['HEXPIRE h 10 FIELDS 3 a missing c', `HPEXPIREAT h ${NOW + 10_000} FIELDS 2 a c`],
    ['HEXPIRE h 10 XX FIELDS 1 a', null],
    ['HEXPIRE h 10 FIELDS 1 missing', null],
    ['HEXPIRE missing 10 FIELDS 1 a', null],
    // A time that has passed.
    ['HEXPIRE h 0 FIELDS 2 a missing', 'HDEL h a'],
    ['HPEXPIREAT h 1 FIELDS 3 a b c', 'HDEL h a b c'],
    ['HGETEX h EX 10 FIELDS 2 a missing', `HPEXPIREAT h ${NOW + 10_000} FIELDS 1 a`],
    ['HGETEX h PX 10 FIELDS 1 a', `HPEXPIREAT h ${NOW + 10} FIELDS 1 a`],
    ['HGETEX h PXAT 1 FIELDS 2 a b', 'HDEL h a b'],
    ['HGETEX h FIELDS 1 a', null],
    ['HGETEX h PERSIST FIELDS 1 a', null],
    ['HPERSIST h FIELDS 1 a', null],
    ['HGETDEL h FIELDS 2 a missing', 'HDEL h a'],
    ['HGETDEL h FIELDS 1 missing', null],
    ['HSETEX h FIELDS 1 d 4', 'HSETEX h FIELDS 1 d 4'],
    ['HSETEX h FXX KEEPTTL FIELDS 1 a 4', 'HSETEX h FXX KEEPTTL FIELDS 1 a 4'],
    ['HSETEX h FNX FIELDS 1 a 4', null],
    ['HSETEX h EX 10 FIELDS 2 a 4 d 5', `HSETEX h PXAT ${NOW + 10_000} FIELDS 2 a 4 d 5`],
    ['HSETEX h FNX PX 10 FIELDS 1 d 5', `HSETEX h PXAT ${NOW + 10} FIELDS 1 d 5`],
    ['HSETEX h EXAT 1 FIELDS 2 a 4 d 5', 'HDEL h a d'],
    ['HINCRBYFLOAT h a 1.5', 'HSET h a 2.5'],
  ])('%s', (row, expected) => {
    expect(told(row)).toEqual(expected === null ? [] : [expected]);
  });

  it('HPERSIST and HGETEX PERSIST tell the fields that expired no more', () => {
    const expire = 'HEXPIRE h 10 FIELDS 2 a b';
    expect(told(expire, 'HPERSIST h FIELDS 3 a missing c')).toEqual(['HPERSIST h FIELDS 1 a']);
    expect(told(expire, 'HGETEX h PERSIST FIELDS 2 c b')).toEqual(['HPERSIST h FIELDS 1 b']);
  });

  it('HINCRBYFLOAT keeps the expiry', () => {
    const expected = ['HSET h a 1.5', `HPEXPIREAT h ${NOW + 10_000} FIELDS 1 a`];
    expect(told('HEXPIRE h 10 FIELDS 1 a', 'HINCRBYFLOAT h a 0.5')).toEqual(expected);
  });

  it.each([
    ['HGET h a', []],
    ['HMGET h a c b', []],
    ['HTTL h FIELDS 1 a', []],
    ['HINCRBY h a 5', ['HINCRBY h a 5']],
    ['HINCRBYFLOAT h a 5', ['HSET h a 5']],
    ['HSETNX h a 5', ['HSETNX h a 5']],
    ['HEXPIRE h 10 FIELDS 2 a c', [`HPEXPIREAT h ${NOW + 10_010} FIELDS 1 c`]],
    ['HGETDEL h FIELDS 2 a c', ['HDEL h c']],
    ['HSETEX h KEEPTTL FIELDS 1 a 5', ['HSETEX h KEEPTTL FIELDS 1 a 5']],
  ])('%s meets a field whose time has come: it is deleted first', (row, own) => {
    told('HPEXPIRE h 10 FIELDS 1 a');
    later(10);
    expect(told(row)).toEqual(['HDEL h a', ...own]);
    expect(told(row)[0]).not.toBe('HDEL h a');
  });

  it.each(['HRANDFIELD h', 'HRANDFIELD h 5 WITHVALUES'])('%s deletes all whose time has come', (row) => {
    told('HPEXPIRE h 10 FIELDS 2 a c');
    later(10);
    expect(told(row).map((line) => line.split(' ').sort().join(' '))).toEqual(['HDEL a c h']);
    expect(told(row)).toEqual([]);
    told('HPEXPIRE h 10 FIELDS 1 b');
    later(10);
    expect(told(row)).toEqual(['HDEL h b']);
    expect(local.value('EXISTS', 'h')).toBe(0);
  });

  it('what would not matter to a log is not looked at while nobody wants it', () => {
    local.cx.effects.wanted = false;
    expect(told('HPEXPIRE h 10 FIELDS 1 a')).toEqual([]);
    later(10);
    expect(told('HGET h a')).toEqual([]);
    expect(local.cx.effects.count).toBe(0);
  });
});

describe('SPOP', () => {
  function fill(count: number): void {
    local.run('SADD', 's', ...Array.from({ length: count }, (_, i) => `m${i}`));
  }

  it('tells the member that it took', () => {
    fill(100);
    const member = local.value('SPOP', 's') as string;
    expect(rows(local.told)).toEqual([`SREM s ${member}`]);
  });

  // Few of many; most of a table; some of a listpack.
  it.each([
    [5000, 10],
    [5000, 3000],
    [5000, 4999],
    [50, 20],
  ])('of %i members tells the %i that it took, 1024 at a time', (size, count) => {
    fill(size);
    const members = local.value('SPOP', 's', String(count)) as string[];
    expect(local.told.flatMap(({ args }) => args.slice(2))).toEqual(members);
    expect(new Set(members).size).toBe(count);
    expect(local.told.length).toBe(Math.ceil(count / 1024));
    for (const [i, { args }] of local.told.entries()) {
      expect(args.slice(0, 2)).toEqual(['SREM', 's']);
      expect(args.length - 2).toBe(i < local.told.length - 1 ? 1024 : count - i * 1024);
    }
  });

  it('of all members is a deletion', () => {
    fill(10);
    expect(told('SPOP s 10')).toEqual(['DEL s']);
    local.config.assign('lazyfree-lazy-server-del', 'yes');
    fill(10);
    expect(told('SPOP s 11')).toEqual(['UNLINK s']);
  });
});

describe('streams', () => {
  it('XADD tells the ID that it found', () => {
    expect(told('XADD x * a 1')).toEqual([`XADD x ${NOW}-0 a 1`]);
    expect(told('XADD x NOMKSTREAM MAXLEN ~ 10 LIMIT 5 * a 1')).toEqual([
      `XADD x NOMKSTREAM MAXLEN "=" 2 LIMIT 5 ${NOW}-1 a 1`,
    ]);
    expect(told('XADD x 1800000000001-* a 1')).toEqual([`XADD x ${NOW + 1}-0 a 1`]);
  });

  function fill(): void {
    local.config.assign('stream-node-max-entries', '2');
    told(...[1, 2, 3, 4, 5, 6, 7].map((i) => `XADD x 1-${i} a ${i}`), 'XGROUP CREATE x g 0');
    told('XREADGROUP GROUP g c STREAMS x >', 'XACK x g 1-2 1-3');
  }

  it('a trim that passes over what groups refer to, is told by length', () => {
    fill();
    expect(told('XTRIM x MINID ~ 1-6 ACKED')).toEqual(['XTRIM x MAXLEN "=" 5 ACKED']);
    expect(told('XACK x g 1-1 1-4', 'XADD x ACKED MINID ~ 1-6 LIMIT 2 2-1 a 1')).toEqual([
      'XADD x ACKED MAXLEN "=" 4 LIMIT 2 2-1 a 1',
    ]);
    expect(told('XTRIM x MINID ~ 1-7 DELREF')).toEqual(['XTRIM x MINID "=" 1-7 DELREF']);
  });

  it('XDELEX and XACKDEL are told as they are', () => {
    fill();
    expect(told('XDELEX x DELREF IDS 1 1-1')).toEqual(['XDELEX x DELREF IDS 1 1-1']);
    expect(told('XDELEX x ACKED IDS 1 1-4')).toEqual([]);
    expect(told('XACKDEL x g ACKED IDS 1 1-4')).toEqual(['XACKDEL x g ACKED IDS 1 1-4']);
    expect(told('XACKDEL x g IDS 1 9-9')).toEqual([]);
  });

  const claim = (consumer: string, id: string, count: number, last: string): string =>
    `XCLAIM x g ${consumer} 0 ${id} TIME ${NOW} RETRYCOUNT ${count} FORCE JUSTID LASTID ${last}`;

  it('XREADGROUP tells what is pending and how far it came', () => {
    told('XADD x 1-1 a 1', 'XADD x 1-2 a 2', 'XGROUP CREATE x g 0');
    expect(told('XREADGROUP GROUP g c STREAMS x >')).toEqual([
      claim('c', '1-1', 1, '1-1'),
      claim('c', '1-2', 1, '1-2'),
      'XGROUP SETID x g 1-2 ENTRIESREAD 2',
    ]);
    expect(told('XREADGROUP GROUP g c COUNT 1 STREAMS x 0')).toEqual([claim('c', '1-1', 2, '1-2')]);
    told('XDEL x 1-1');
    expect(told('XREADGROUP GROUP g c STREAMS x 0')).toEqual([claim('c', '1-2', 2, '1-2')]);
    expect(told('XADD x 1-3 a 1', 'XREADGROUP GROUP g d NOACK STREAMS x >')).toEqual([
      'XGROUP CREATECONSUMER x g d',
      'XGROUP SETID x g 1-3 ENTRIESREAD 3',
    ]);
  });

  it('consumers that get nothing are told, once', () => {
    told('XADD x 1-1 a 1', 'XGROUP CREATE x g $');
    expect(told('XREADGROUP GROUP g c STREAMS x >')).toEqual(['XGROUP CREATECONSUMER x g c']);
    expect(told('XREADGROUP GROUP g c STREAMS x >')).toEqual([]);
    expect(told('XREADGROUP GROUP g d STREAMS x 0')).toEqual(['XGROUP CREATECONSUMER x g d']);
    expect(told('XCLAIM x g e 0 1-1')).toEqual(['XGROUP CREATECONSUMER x g e']);
    expect(told('XCLAIM x g e 0 1-1')).toEqual([]);
    expect(told('XAUTOCLAIM x g f 0 0')).toEqual(['XGROUP CREATECONSUMER x g f']);
    expect(told('XREADGROUP GROUP g h BLOCK 0 STREAMS x >')).toEqual(['XGROUP CREATECONSUMER x g h']);
    expect(local.cx.blocks).toBe(true);
  });

  it('a consumer that only drops what is gone is told as well', () => {
    told('XADD x 1-1 a 1', 'XGROUP CREATE x g 0', 'XREADGROUP GROUP g c STREAMS x >', 'XDEL x 1-1');
    expect(told('XCLAIM x g d 0 1-1')).toEqual([claim('c', '1-1', 1, '1-1'), 'XGROUP CREATECONSUMER x g d']);
  });
});

describe('waiting commands', () => {
  it.each([
    ['BZPOPMIN z 0', 'ZPOPMIN z'],
    ['BZPOPMAX z 0', 'ZPOPMAX z'],
    ['BZMPOP 0 1 z MAX COUNT 3', 'ZPOPMAX z 1'],
  ])('%s tells nothing while it waits, then what it pops', (row, expected) => {
    expect(told(row)).toEqual([]);
    expect(local.cx.blocks).toBe(true);
    expect(told('ZADD z 1 a', row)).toEqual([expected]);
  });
});

describe('commands of a log', () => {
  const run = (...script: string[]): InProcess => {
    const replica = new Replica();
    const error = replica.apply(script.map((row) => ({ db: 0, args: words(row) })));
    expect(error).toBeNull();
    return replica.local;
  };

  it('a LIMIT beside an exact length is passed over', () => {
    const replayed = run(
      'XADD x 1-1 a 1',
      'XADD x 1-2 a 1',
      'XADD x MAXLEN = 1 LIMIT 10 1-3 a 1',
      'XTRIM x MAXLEN = 0 LIMIT 1',
    );
    expect(replayed.value('XLEN', 'x')).toBe(0);
    local.run('XADD', 'x', '1-1', 'a', '1');
    expect(local.text('XTRIM', 'x', 'MAXLEN', '=', '0', 'LIMIT', '1')).toMatch(/^-ERR syntax error, LIMIT/);
  });

  it('fields whose time came since are there until the end of the log', () => {
    const script = ['HSET h a 1 b 2', 'HPEXPIREAT h 1000 FIELDS 1 a', 'HINCRBY h a 5'];
    const replayed = run(...script);
    const args: Argument[] = ['HPEXPIRETIME', 'h', 'FIELDS', '2', 'a', 'b'];
    expect(replayed.value(...args)).toEqual([1000, -1]);
    replayed.setTime(NOW);
    expect(replayed.value(...args)).toEqual([-2, -1]);
  });

  it('pending entries keep their times, and consumers are seen now', () => {
    const before = Date.now();
    const replayed = run(
      'XADD x 1-1 a 1',
      'XGROUP CREATE x g 0',
      `XCLAIM x g c 0 1-1 TIME ${NOW * 4} RETRYCOUNT 7 FORCE JUSTID LASTID 1-1`,
    );
    replayed.setTime(NOW * 4 + 5);
    expect(replayed.value('XPENDING', 'x', 'g', '-', '+', '9')).toEqual([['1-1', 'c', 5, 7]]);
    const info = (replayed.value('XINFO', 'CONSUMERS', 'x', 'g') as (string | number)[][])[0]!;
    expect(NOW * 4 + 5 - Number(info[info.indexOf('idle') + 1])).toBeGreaterThanOrEqual(before);
  });
});
