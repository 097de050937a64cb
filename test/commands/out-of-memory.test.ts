// Memory that runs out in the middle of a command, at each of its allocations: every command that writes, on every type and
// encoding. Afterwards all structures are whole, nothing is lost or leaked, and the data set is as it was. Commands
// that add several elements may have added the first of them (`parts`).

import { afterAll, describe, expect, it } from 'vitest';
import type { DirectiveName } from '../../src/config/directives.ts';
import { ShardCounter } from '../../src/memory/layout.ts';
import { withFailing } from '../support/failing-memory.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument } from '../support/raw-client.ts';
import type { Told } from '../support/told-commands.ts';

type Line = readonly Argument[];

interface Case {
  readonly name: string;
  /** Commands that make the data set; `config` changes a directive, `dump` makes the payload of RESTORE. */
  readonly setup: readonly Line[];
  readonly command: Line;
  /** Results short of the whole that are allowed: other commands that bring them about. */
  readonly parts: readonly Line[];
  /** What it draws is random: another result than that of the first run is right. */
  readonly random: boolean;
}

const NOW = 1_800_000_000_000;
const OOM = /^-OOM /;
/** All of the first allocations fail in turn, some of those behind them, and the last ones. */
const FIRST = 6;
const STEP = 2.3;
const LAST = 3;

const primary = new InProcess({ effects: true });
const server = primary;
/** Where what was told of a part is done again: it must come to the same. */
const replica = new InProcess();
replica.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
replica.config.applyChange({ name: 'hash-max-listpack-entries', text: '128' });
replica.setTime(NOW);
server.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
server.config.applyChange({ name: 'hash-max-listpack-entries', text: '128' });
server.setTime(NOW);

function line(text: string): Argument[] {
  return text.split(' ');
}

const cases: Case[] = [];

interface More {
  readonly parts?: readonly string[];
  readonly random?: boolean;
}

function add(setup: readonly Line[], command: string | Line, more: More = {}): void {
  const words = typeof command === 'string' ? line(command) : command;
  const shown = words.map(String).join(' ').slice(0, 60);
  const before = setup.length === 0 ? '' : ` after ${setup.at(-1)!.map(String).join(' ').slice(0, 30)}`;
  cases.push({
    name: `${shown}${before} (${cases.length})`,
    setup,
    command: words,
    parts: (more.parts ?? []).map(line),
    random: more.random ?? false,
  });
}

// ---- values ----

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);
const member = (i: number): string => `member:${i}`;
const long = (i: number): string => `${i}:`.padEnd(90, 'x');

const list = (count: number, key: string): Line[] => [['RPUSH', key, ...numbers(count).map(long)]];
const intset = (count: number, key: string): Line[] => [['SADD', key, ...numbers(count)]];
const set = (count: number, key: string): Line[] => [['SADD', key, ...numbers(count).map(member)]];
const hash = (count: number, key: string): Line[] => [
  ['HSET', key, ...numbers(count).flatMap((i) => [member(i), `value ${i}`])],
];
const expiring = (count: number, key: string): Line[] => [
  ...hash(count, key),
  ['HPEXPIRE', key, 1_000_000, 'FIELDS', 3, member(0), member(1), member(2)],
];
const zset = (count: number, key: string): Line[] => [
  ['ZADD', key, ...numbers(count).flatMap((i) => [(i * 7) % 100, member(i)])],
];
const stream = (count: number, key: string): Line[] => [
  ...numbers(count).map((i) => ['XADD', key, `${i + 1}-0`, 'field', `value ${i}`]),
  ['XGROUP', 'CREATE', key, 'g', 0],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', Math.ceil(count / 2), 'STREAMS', key, '>'],
];

/** Every type in every encoding: what makes the value at a key. */
const VALUES: Readonly<Record<string, (key: string) => Line[]>> = {
  string: (key) => [['SET', key, 'value']],
  'long string': (key) => [['SET', key, 'v'.repeat(5000)]],
  listpack: (key) => list(4, key),
  quicklist: (key) => list(400, key),
  intset: (key) => intset(5, key),
  'packed set': (key) => set(5, key),
  set: (key) => set(300, key),
  'packed hash': (key) => hash(5, key),
  hash: (key) => hash(200, key),
  'packed hash that expires': (key) => expiring(5, key),
  'hash that expires': (key) => expiring(200, key),
  'packed zset': (key) => zset(5, key),
  zset: (key) => zset(300, key),
  'small stream': (key) => stream(3, key),
  stream: (key) => stream(300, key),
};

/** Values just below the limits of their encodings, and beyond them. */
const at = {
  intset: { few: intset(5, 'k'), full: intset(512, 'k'), many: intset(600, 'k') },
  set: { few: set(5, 'k'), full: set(128, 'k'), many: set(200, 'k') },
  hash: { few: hash(5, 'k'), full: hash(128, 'k'), many: hash(200, 'k') },
  expiring: { few: expiring(5, 'k'), full: expiring(128, 'k'), many: expiring(200, 'k') },
  zset: { few: zset(5, 'k'), full: zset(128, 'k'), many: zset(200, 'k') },
  list: {
    few: list(4, 'k'),
    full: list(88, 'k'),
    many: list(400, 'k'),
    compressed: [['config', 'list-compress-depth', '1'], ...list(400, 'k')],
  },
  stream: { none: [], few: stream(3, 'k'), many: stream(300, 'k') },
};
const sizes = <T>(of: Readonly<Record<string, T>>): T[] => Object.values(of);

// ---- keys of any type ----

for (const make of Object.values(VALUES)) {
  const source = make('{a}k');
  const two = [...source, ...hash(300, '{b}k'), ...set(300, '{a}other')];
  add(source, 'COPY {a}k {a}new');
  add(source, 'COPY {a}k {b}new');
  add(two, 'COPY {a}k {b}k REPLACE');
  add(two, 'COPY {a}k {a}other REPLACE');
  add(source, 'COPY {a}k {a}k DB 1');
  add(source, 'RENAME {a}k {a}new');
  add(source, 'RENAME {a}k {b}new');
  add(two, 'RENAME {a}k {b}k');
  add(two, 'RENAME {a}k {a}other');
  add(source, 'RENAMENX {a}k {b}new');
  add(source, 'MOVE {a}k 1');
  add(source, 'EXPIRE {a}k 1000');
  add([...source, ['EXPIRE', '{a}k', 1000]], 'PERSIST {a}k');
  add([...source, ['EXPIRE', '{a}k', 1000]], 'RENAME {a}k {b}new');
  add(source, 'SET {a}k other');
  add(source, 'SET {a}k other EX 1000');
  add(source, 'MSET {a}k other {b}k another {a}other one', {
    parts: ['MSET {a}k other', 'MSET {a}k other {b}k another'],
  });
  add(source, 'DEL {a}k');
  add(source, 'BITOP NOT {a}k {b}nothing');
  for (const key of ['{a}k', '{b}new']) {
    add([...source, ['dump', '{a}k']], ['RESTORE', key, 0, '', 'REPLACE']);
    add([...source, ['dump', '{a}k']], ['RESTORE', key, 1_000_000, '', 'REPLACE']);
  }
}

// ---- strings ----

for (const value of ['', '1', 'v'.repeat(40), 'v'.repeat(5000)]) {
  const setup: Line[] = value === '' ? [] : [['SET', 'k', value]];
  add(setup, ['SET', 'k', 'w'.repeat(300)]);
  add(setup, ['SET', 'k', 'w', 'PX', 100_000]);
  add(setup, ['SETEX', 'k', 100, 'w']);
  add(setup, ['GETSET', 'k', 'w'.repeat(300)]);
  add(setup, ['APPEND', 'k', 'w'.repeat(300)]);
  add(setup, ['SETRANGE', 'k', 6000, 'w']);
  add(setup, ['SETBIT', 'k', 90_000, 1]);
  add(setup, ['BITFIELD', 'k', 'SET', 'u8', 80_000, 7, 'INCRBY', 'i5', 90_000, 3]);
  add(setup, ['GETEX', 'k', 'EX', 100]);
  add(setup, ['MSETNX', 'x', 1, 'y', 'w'.repeat(300), 'x', 3]);
  add(setup, ['MSETEX', 3, 'x', 1, 'y', 'w'.repeat(300), 'z', 3, 'NX', 'EX', 100]);
  add(setup, ['MSET', 'x', 1, 'k', 'w'.repeat(300), 'z', 3], {
    parts: ['MSET x 1', `MSET x 1 k ${'w'.repeat(300)}`],
  });
  if (value.length <= 1) {
    add(setup, ['INCRBY', 'k', 123_456_789]);
    add(setup, ['INCRBYFLOAT', 'k', '0.12345678']);
  }
  add([...setup, ['SET', 'other', 'abc']], 'BITOP OR k k other');
}
add([], ['PFADD', 'k', ...numbers(30)]);
add([['PFADD', 'k', ...numbers(30)]], ['PFADD', 'k', ...numbers(2000, 30)]);
add(
  [
    ['PFADD', 'a', ...numbers(3000)],
    ['PFADD', 'b', 1],
  ],
  'PFMERGE k a b',
);
add(
  [
    ['PFADD', 'a', ...numbers(3000)],
    ['PFADD', 'b', 1],
  ],
  'PFMERGE b a',
);

// ---- lists ----

for (const setup of [[], ...sizes(at.list)]) {
  for (const push of ['LPUSH', 'RPUSH']) {
    add(setup, [push, 'k', 'a']);
    const many = [push, 'k', 'a', ...numbers(200).map(long), 'w'.repeat(10_000)];
    // What was pushed cannot be taken out of a node that is compressed by now.
    const parts =
      setup === at.list.compressed ? numbers(many.length - 3, 3).map((i) => many.slice(0, i).join(' ')) : [];
    add(setup, many, { parts });
    add(setup, [push, 'k', 'w'.repeat(10_000), 'b']);
  }
  if (setup.length === 0) continue;
  add(setup, ['LPUSHX', 'k', 'a', 'b']);
  add(setup, ['LINSERT', 'k', 'BEFORE', long(2), 'w'.repeat(3000)]);
  add(setup, ['LINSERT', 'k', 'AFTER', long(3), 'w'.repeat(10_000)]);
  add(setup, ['LSET', 'k', 2, 'w'.repeat(3000)]);
  add(setup, ['LSET', 'k', -2, 'w'.repeat(10_000)]);
  add(setup, ['LSET', 'k', 1, 'w']);
  add(setup, ['LREM', 'k', 0, long(1)]);
  add(setup, ['LREM', 'k', -1, long(3)]);
  add(setup, ['LTRIM', 'k', 1, 2]);
  add(setup, ['LTRIM', 'k', 2, -2]);
  add(setup, ['LTRIM', 'k', 150, -150]);
  add(setup, ['LPOP', 'k']);
  add(setup, ['RPOP', 'k', 3]);
  add(setup, ['LPOP', 'k', 50]);
  for (const target of ['k', 'new', 'other', 'set']) {
    const both = [...setup, ...list(100, 'other')];
    add(both, ['LMOVE', 'k', target, 'LEFT', 'RIGHT']);
    add(both, ['RPOPLPUSH', 'k', target]);
    add(both, ['BLMOVE', 'k', target, 'RIGHT', 'LEFT', 0]);
  }
  add(setup, ['LMPOP', 2, 'none', 'k', 'RIGHT', 'COUNT', 3]);
  add(setup, ['BLPOP', 'none', 'k', 0]);
  add([...setup, ...list(60, 'k'), ...list(60, 'k')], ['LREM', 'k', 0, long(30)], {
    parts: [`LREM k 1 ${long(30)}`, `LREM k 2 ${long(30)}`],
  });
}

// ---- sets ----

for (const setup of [[], ...sizes(at.intset), ...sizes(at.set)]) {
  for (const added of [
    ['new'],
    [77_777],
    [5_000_000_000],
    numbers(40, 900),
    numbers(200, 1000).map(member),
  ]) {
    const parts = added.map((_, i) => ['SADD', 'k', ...added.slice(0, i)].join(' ')).slice(1);
    add(setup, ['SADD', 'k', ...added], { parts });
  }
  add(setup, ['SADD', 'k', 'w'.repeat(100)]);
  if (setup.length === 0) continue;
  add(setup, ['SREM', 'k', 1, 3, 4, member(1), member(3), member(4)]);
  add(setup, ['SREM', 'k', ...numbers(400), ...numbers(250).map(member)]);
  add(setup, ['SPOP', 'k'], { random: true });
  add(setup, ['SPOP', 'k', 3], { random: true });
  add(setup, ['SPOP', 'k', 120], { random: true });
  for (const other of [intset(3, 'o'), intset(600, 'o'), set(3, 'o'), set(300, 'o')]) {
    const both = [...setup, ...other];
    add(both, 'SMOVE k o 2');
    add(both, `SMOVE k o ${member(2)}`);
    add(both, `SMOVE k new ${member(2)}`);
    for (const operation of ['SUNIONSTORE', 'SINTERSTORE', 'SDIFFSTORE']) {
      add(both, [operation, 'new', 'k', 'o']);
      add(both, [operation, 'k', 'k', 'o']);
    }
    add(both, 'ZUNIONSTORE new 2 k o WEIGHTS 2 3');
    add(both, 'ZINTERSTORE k 2 k o');
  }
  add(setup, ['SORT', 'k', 'ALPHA', 'STORE', 'new']);
  add(setup, ['SORT', 'k', 'ALPHA', 'STORE', 'k']);
}

// ---- hashes ----

for (const setup of [[], ...sizes(at.hash), ...sizes(at.expiring)]) {
  for (const added of [['new'], [member(2)], numbers(40).map((i) => `n${i}`), [member(1), 'n', member(0)]]) {
    const pairs = (fields: readonly string[]): string[] =>
      fields.flatMap((field) => [field, field.repeat(3)]);
    const parts = added.map((_, i) => ['HSET', 'k', ...pairs(added.slice(0, i))].join(' ')).slice(1);
    add(setup, ['HSET', 'k', ...pairs(added)], { parts });
    add(setup, ['HMSET', 'k', ...pairs(added)], { parts });
    for (const option of ['EX 100', 'KEEPTTL', 'PXAT 5']) {
      const some = (of: readonly string[]): string =>
        `HSETEX k ${option} FIELDS ${of.length} ${pairs(of).join(' ')}`;
      add(setup, some(added), { parts: added.map((_, i) => some(added.slice(0, i))).slice(1) });
    }
  }
  add(setup, ['HSET', 'k', member(1), 'w'.repeat(3000)]);
  add(setup, ['HSETNX', 'k', 'new', 'w'.repeat(100)]);
  add(setup, ['HINCRBY', 'k', 'n', 1_234_567_890]);
  add(setup, ['HINCRBYFLOAT', 'k', 'n', '0.5']);
  if (setup.length === 0) continue;
  add(setup, ['HDEL', 'k', member(1), member(2), member(3)]);
  add(setup, ['HGETDEL', 'k', 'FIELDS', 2, member(1), member(3)]);
  for (const fields of [[3], [0, 1, 2], numbers(100)].map((of) => of.map(member))) {
    for (const begin of [
      'HEXPIRE k 100',
      `HPEXPIREAT k ${NOW + 500_000} NX`,
      'HEXPIREAT k 1',
      'HPERSIST k',
      'HGETEX k PX 77777',
      'HGETEX k PERSIST',
    ]) {
      const some = (of: readonly string[]): string => `${begin} FIELDS ${of.length} ${of.join(' ')}`;
      add(setup, some(fields), { parts: fields.map((_, i) => some(fields.slice(0, i))).slice(1) });
    }
  }
}

// ---- sorted sets ----

for (const setup of [[], ...sizes(at.zset)]) {
  for (const added of [['new'], [member(2)], numbers(40).map((i) => `n${i}`), [member(1), 'n', member(0)]]) {
    const pairs = (names: readonly string[]): Argument[] => names.flatMap((name, i) => [i + 0.25, name]);
    const parts = added.map((_, i) => ['ZADD', 'k', ...pairs(added.slice(0, i))].join(' ')).slice(1);
    add(setup, ['ZADD', 'k', ...pairs(added)], { parts });
    add(setup, ['ZADD', 'k', 'GT', 'CH', ...pairs(added)], {
      parts: parts.map((part) => part.replace('k', 'k GT CH')),
    });
  }
  add(setup, ['ZADD', 'k', 1, 'w'.repeat(100)]);
  add(setup, ['ZINCRBY', 'k', 5, 'new']);
  add(setup, ['ZINCRBY', 'k', 55, member(1)]);
  add(setup, ['GEOADD', 'k', 13.3, 38.1, 'Palermo', 15.0, 37.5, 'Catania'], {
    parts: ['GEOADD k 13.3 38.1 Palermo'],
  });
  if (setup.length === 0) continue;
  add(setup, ['ZREM', 'k', member(1), member(2), member(3)]);
  add(setup, ['ZPOPMIN', 'k']);
  add(setup, ['ZPOPMAX', 'k', 50]);
  add(setup, ['ZMPOP', 1, 'k', 'MIN', 'COUNT', 3]);
  add(setup, ['BZPOPMIN', 'none', 'k', 0]);
  add(setup, ['ZREMRANGEBYRANK', 'k', 1, 2]);
  add(setup, ['ZREMRANGEBYRANK', 'k', 1, -2]);
  add(setup, ['ZREMRANGEBYSCORE', 'k', '-inf', 50]);
  add(setup, ['ZREMRANGEBYLEX', 'k', '-', `[${member(100)}`]);
  for (const target of ['new', 'k', 'o']) {
    const both = [...setup, ...zset(200, 'o')];
    add(both, ['ZUNIONSTORE', target, 2, 'k', 'o']);
    add(both, ['ZINTERSTORE', target, 2, 'k', 'o', 'AGGREGATE', 'MAX']);
    add(both, ['ZDIFFSTORE', target, 2, 'o', 'k']);
    add(both, ['ZRANGESTORE', target, 'k', 1, -1]);
    add(both, ['ZRANGESTORE', target, 'k', '(5', 90, 'BYSCORE', 'LIMIT', 1, 200]);
    add(both, ['SORT', 'k', 'BY', 'nosort', 'STORE', target]);
    add(both, 'SORT_RO k BY nosort LIMIT 1 2');
    add(both, ['SORT', 'k', 'ALPHA', 'DESC', 'STORE', target]);
  }
}
const places = numbers(300).flatMap((i) => [(i % 20) / 10, Math.floor(i / 20) / 10, member(i)]);
add([['GEOADD', 'k', ...places]], 'GEOSEARCHSTORE new k FROMLONLAT 1 1 BYRADIUS 500 km');
add([['GEOADD', 'k', ...places]], 'GEOSEARCHSTORE k k FROMLONLAT 1 1 BYBOX 50 50 km ASC COUNT 9 STOREDIST');
add([['GEOADD', 'k', ...places]], 'GEORADIUS k 1 1 500 km STORE new');

// ---- streams ----

for (const setup of sizes(at.stream)) {
  add(setup, ['XADD', 'k', '5000-0', 'field', 'value']);
  add(setup, ['XADD', 'k', '5000-*', 'field', 'w'.repeat(5000), 'other', '5']);
  add(setup, ['XADD', 'k', 'MAXLEN', 2, '5000-0', 'field', 'value']);
  add(setup, ['XADD', 'k', 'MINID', '~', '200-0', '5000-0', 'field', 'value']);
  add(
    setup,
    ['XADD', 'k', 'MAXLEN', 1, 'DELREF', '5000-0', 'field', 'value'].filter((_, i) => i !== 4),
  );
  add(setup, ['XGROUP', 'CREATE', 'k', 'new', '$', 'MKSTREAM']);
  if (setup.length === 0) continue;
  add(setup, ['XGROUP', 'CREATECONSUMER', 'k', 'g', 'bob']);
  add(setup, ['XGROUP', 'DELCONSUMER', 'k', 'g', 'alice']);
  add(setup, ['XGROUP', 'SETID', 'k', 'g', '2-0']);
  add(setup, ['XGROUP', 'DESTROY', 'k', 'g']);
  add(setup, ['XSETID', 'k', '9999-0']);
  add(setup, ['XDEL', 'k', '1-0', '2-0', '3-0']);
  add(setup, ['XDELEX', 'k', 'DELREF', 'IDS', 2, '1-0', '3-0']);
  add(setup, ['XACK', 'k', 'g', '1-0', '2-0']);
  add(setup, ['XACKDEL', 'k', 'g', 'DELREF', 'IDS', 2, '1-0', '2-0']);
  add(setup, ['XTRIM', 'k', 'MAXLEN', 1]);
  add(setup, ['XTRIM', 'k', 'MINID', '150-0']);
  for (const consumer of ['alice', 'new']) {
    for (const count of [1, 40, 1000]) {
      const read = ['XREADGROUP', 'GROUP', 'g', consumer, 'COUNT', count, 'STREAMS', 'k', '>'];
      add(setup, read, {
        parts: [
          `XGROUP CREATECONSUMER k g ${consumer}`,
          ...numbers(Math.min(count, 150), 1).map((i) => read.with(5, i).join(' ')),
        ],
      });
      add(setup, ['XAUTOCLAIM', 'k', 'g', consumer, 0, '0', 'COUNT', count], {
        parts: [
          `XGROUP CREATECONSUMER k g ${consumer}`,
          ...numbers(150, 1).map((i) => `XAUTOCLAIM k g ${consumer} 0 0 COUNT ${i}`),
        ],
      });
    }
    // A new consumer is there before anything is delivered.
    const parts = [`XGROUP CREATECONSUMER k g ${consumer}`];
    add(setup, ['XREADGROUP', 'GROUP', 'g', consumer, 'NOACK', 'STREAMS', 'k', '>'], { parts });
    add(setup, ['XREADGROUP', 'GROUP', 'g', consumer, 'STREAMS', 'k', '0'], { parts });
    add(setup, ['XCLAIM', 'k', 'g', consumer, 0, '1-0', '2-0'], {
      parts: [...parts, `XCLAIM k g ${consumer} 0 1-0`],
    });
    add(setup, ['XCLAIM', 'k', 'g', consumer, 0, '3-0', 'FORCE', 'IDLE', 5], { parts });
    add(setup, ['XCLAIM', 'k', 'g', consumer, 0, '2-0', 'JUSTID'], { parts });
  }
  add([...setup, ['XDEL', 'k', '1-0']], ['XAUTOCLAIM', 'k', 'g', 'new', 0, '0'], {
    parts: [
      'XGROUP CREATECONSUMER k g new',
      ...numbers(100, 1).map((i) => `XAUTOCLAIM k g new 0 0 COUNT ${i}`),
    ],
  });
}

// ---- running them ----

function reset(setup: readonly Line[], server: InProcess = primary): Buffer | null {
  let payload: Buffer | null = null;
  server.run('FLUSHALL');
  server.config.applyChange({ name: 'list-compress-depth', text: '0' });
  for (const words of setup) {
    if (words[0] === 'config') {
      server.config.applyChange({ name: words[1] as DirectiveName, text: String(words[2]) });
      continue;
    }
    const reply = server.run(...words);
    if (reply[0] === 0x2d) throw new Error(`${words.join(' ').slice(0, 80)}: ${reply.toString('latin1')}`);
    if (words[0] === 'dump') payload = reply.subarray(reply.indexOf('\n') + 1, -2);
  }
  return payload;
}

/** All that a client could see of the data set. */
function state(server: InProcess = primary): string {
  const parts = [server.text('DEBUG', 'DIGEST')];
  for (let db = 0; db < 2; db++) {
    server.session.db = db;
    for (const key of (server.value('KEYS', '*') as Buffer[]).map(String).sort()) {
      const type = server.text('TYPE', key).trim();
      parts.push(key, type, server.text('PEXPIRETIME', key));
      if (type === '+stream') parts.push(server.text('XINFO', 'STREAM', key, 'FULL', 'COUNT', 0));
      if (type !== '+hash') continue;
      const fields = (server.value('HKEYS', key) as Buffer[]).map(String).sort();
      parts.push(server.text('HPEXPIRETIME', key, 'FIELDS', fields.length, ...fields));
    }
    server.session.db = 0;
  }
  return parts.join('|');
}

/** Which allocations to let fail, of so many. */
function failures(asked: number): number[] {
  const chosen = new Set<number>();
  for (let nth = 1; nth <= asked; nth = nth < FIRST ? nth + 1 : Math.ceil(nth * STEP)) chosen.add(nth);
  for (let nth = Math.max(1, asked - LAST + 1); nth <= asked; nth++) chosen.add(nth);
  return [...chosen];
}

function check(test: Case): void {
  const whole = (): Line => {
    const payload = reset(test.setup);
    return payload === null ? test.command : test.command.with(3, payload);
  };
  const command = whole();
  const before = state();
  let wanted = '';
  const all = withFailing(0, 'one', () => {
    wanted = server.text(...command);
  });
  if (wanted.startsWith('-')) expect(wanted).toMatch(/WRONGTYPE|BUSYKEY|no such key|hash value is not/);
  const after = state();
  let partStates: Set<string> | null = null;
  const rest = failures(all).map((nth) => [nth, 'rest'] as const);
  const one = rest.filter(([nth]) => nth <= 2 || nth === all).map(([nth]) => [nth, 'one'] as const);
  for (const [nth, failing] of [...rest, ...one]) {
    whole();
    let reply = '';
    withFailing(nth, failing, () => {
      reply = server.text(...command);
    });
    const where = `allocation ${nth} of ${all}, ${failing}`;
    const dirty = server.lastDirty;
    const { told } = server;
    server.checkInvariants();
    const found = state();
    if (!OOM.test(reply)) {
      // It could do without.
      if (test.random) continue;
      if (reply !== wanted) {
        // It did what it could.
        partStates ??= statesOf(test);
        expect(partStates.has(found) || `${where}: another state, ${reply}`).toBe(true);
        expect(replayed(test, told), `${where}: told`).toBe(withoutTimes(found));
        continue;
      }
      expect(found, where).toBe(after);
      continue;
    }
    if (found === before) {
      if (after !== before) expect(dirty, where).toBe(0);
      if (dirty === 0) expect(told, where).toEqual([]);
    } else {
      partStates ??= statesOf(test);
      expect(partStates.has(found) || `${where}: another state`).toBe(true);
      expect(dirty, where).toBeGreaterThan(0);
      expect(replayed(test, told), `${where}: told`).toBe(withoutTimes(found));
    }
    // With memory again it does what it should, or the rest of it.
    const again = server.text(...command);
    server.checkInvariants();
    if (test.random) continue;
    if (found === before) expect(again, where).toBe(wanted);
    if (found === before || !/^X|PUSH$/.test(String(command[0]))) expect(state(), where).toBe(after);
  }
}

/** A state without when consumers were last active, which is told nowhere. */
function withoutTimes(text: string): string {
  return text.replace(/((?:seen|active)-time\r\n):-?\d+/g, '$1');
}

/** The state after what was told, from where the command began. */
function replayed(test: Case, told: readonly Told[]): string {
  reset(test.setup, replica);
  for (const { db, args } of told) {
    replica.session.db = db;
    const reply = replica.run(...args.map((arg) => Buffer.from(arg, 'latin1')));
    if (reply[0] === 0x2d) throw new Error(`${args[0]} was told: ${reply.toString('latin1')}`);
  }
  replica.session.db = 0;
  return withoutTimes(state(replica));
}

function statesOf(test: Case): Set<string> {
  return new Set(
    test.parts.map((part) => {
      reset(test.setup);
      server.run(...part);
      return state();
    }),
  );
}

describe('without memory', () => {
  afterAll(() => {
    server.run('FLUSHALL');
    server.checkInvariants();
    expect(server.keyspace.sum(ShardCounter.Used)).toBe(0);
    expect(server.keyspace.usedBytes()).toBeLessThan(64 * 1024);
  });

  it.each(cases)('$name', (test) => {
    check(test);
  });
});
