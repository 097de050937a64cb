// Breaths of long commands (CommandContext.breathe), every one of them taken and made the most of by another thread: it must
// see nothing of the command until the end, and the command nothing of it.

import { once } from 'node:events';
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InProcess } from '../support/in-process.ts';
import { type BreathJob, type BreathOrder, long } from './breath-job.ts';

const NOW = 1_800_000_000_000;
const ELEMENTS = 3_500;
const ROUND_MS_MAX = 10_000;
/** Breaths of a command that are all made use of; of later ones every fourth is. */
const ALL_BREATHS = 3;
/** What the worker sets the signal to when it can't go on. */
const FAILED = 3;

const server = new InProcess();
server.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
server.setTime(NOW);

type Line = readonly (string | number | Buffer)[];

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const member = (i: number): string => long(`member:${i}`);
const words = (text: string): string[] => text.split(' ').map(long);

/** What is put between the members and taken out again leaves spans of blocks half empty, which compaction would move. */
const junk = (i: number): string => long(`junk:${i}`);
const holes = numbers(2500).map(junk);

/** Keys by name, and the commands that make them. `{a}` and `{b}` are in two shards. */
const DATA: readonly Line[] = [
  ['SADD', '{a}set', ...numbers(ELEMENTS).flatMap((i) => [member(i), junk(i)])],
  ['SADD', '{a}other set', ...numbers(ELEMENTS * 2).map((i) => member(i * 2))],
  ['SADD', '{b}set', ...numbers(ELEMENTS).map((i) => member(i + 1000))],
  ['SADD', '{a}intset', ...numbers(500)],
  ['SADD', '{a}small set', 'a', member(5), '7'],
  ['HSET', '{a}hash', ...numbers(ELEMENTS).flatMap((i) => [member(i), `value ${i}`, junk(i), `value ${i}`])],
  ['HSET', '{a}hash', ...numbers(2000).flatMap((i) => [`gone:${i}`, `value ${i}`])],
  ['HPEXPIRE', '{a}hash', 1000, 'FIELDS', 2000, ...numbers(2000).map((i) => `gone:${i}`)],
  ['ZADD', '{a}zset', ...numbers(ELEMENTS).flatMap((i) => [(i * 7) % 1000, member(i), i, junk(i)])],
  ['ZADD', '{b}zset', ...numbers(ELEMENTS).flatMap((i) => [i, member(i * 2)])],
  ['ZADD', '{a}small zset', 1, 'a', 2, 'b', 3, member(5)],
  ['RPUSH', '{a}list', ...numbers(ELEMENTS).map((i) => `${(i * 7919) % 5000}.0`)],
  ['RPUSH', '{b}list', ...numbers(ELEMENTS).map((i) => `${i}`.padStart(40, 'x'))],
  [
    'GEOADD',
    '{a}geo',
    ...numbers(ELEMENTS).flatMap((i) => [(i % 60) / 10, Math.floor(i / 60) / 10, member(i)]),
  ],
  ...numbers(ELEMENTS).map((i) => ['XADD', '{a}stream', `${i + 1}-0`, 'field', `value ${i}`]),
  ['XGROUP', 'CREATE', '{a}stream', 'g', 0],
  ['XREADGROUP', 'GROUP', 'g', 'alice', 'COUNT', 3000, 'STREAMS', '{a}stream', '>'],
  ['SREM', '{a}set', ...holes],
  ['HDEL', '{a}hash', ...holes],
  ['ZREM', '{a}zset', ...holes],
  [
    'XDEL',
    '{a}stream',
    ...numbers(2500).flatMap((i) => (Math.floor(i / 100) % 2 === 1 ? [`${i + 1}-0`] : [])),
  ],
  // Expires while the command is at work.
  ['SADD', '{a}late:1', ...numbers(ELEMENTS).map(member)],
  ['PEXPIREAT', '{a}late:1', NOW + 3000],
  ['SET', '{a}old', 'old value'],
  ['SET', '{a}expires', 'x', 'PXAT', NOW + 1000],
];

/** What the other thread writes: blocks of all sizes come and go in the same shards. */
const WRITES: Line[] = ['{a}', '{b}'].flatMap((tag) => [
  ...numbers(60).map((i) => ['SET', `${tag}w:${i}`, 'w'.repeat(i * 29)]),
  ['SADD', `${tag}w:set`, ...numbers(1200).map((i) => long(`junk:other:${i}`))],
  ['ZADD', `${tag}w:zset`, ...numbers(1200).flatMap((i) => [i, long(`junk:other:${i}`)])],
  ['RPUSH', `${tag}w:list`, ...numbers(300).map((i) => `other:${i}`.repeat(9))],
  ['SUNIONSTORE', `${tag}w:union`, `${tag}w:set`],
  ...numbers(60).map((i) => ['DEL', `${tag}w:${i}`]),
  ['DEL', `${tag}w:set`, `${tag}w:zset`, `${tag}w:list`],
  ['SET', `${tag}w:soon`, 'x', 'PX', 1],
]);

const signal = new Int32Array(new SharedArrayBuffer(4));
const channel = new MessageChannel();
let worker: Worker;

/** Lets the other thread do its worst. @returns what it saw */
function disturb(order: BreathOrder): string {
  channel.port1.postMessage(order);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
  if (Atomics.wait(signal, 0, 1, ROUND_MS_MAX) === 'timed-out') signal[0] = FAILED;
  const message = receiveMessageOnPort(channel.port1);
  if (signal[0] === FAILED) throw new Error(`the other thread: ${message?.message ?? 'it hangs'}`);
  return message!.message as string;
}

/** Makes the data anew. @param keys those that are needed; others would cost time only */
function reset(keys: readonly string[]): void {
  // What it has locked nobody can get any more.
  if (signal[0] === FAILED) throw new Error('the other thread has failed before');
  server.onBreath = null;
  server.setTime(NOW);
  server.run('FLUSHALL');
  for (const line of DATA) {
    if (!keys.some((key) => line.includes(key))) continue;
    expect(server.text(...line)).not.toMatch(/^-/);
  }
  // From now on some fields and keys have expired.
  server.setTime(NOW + 2000);
}

beforeAll(async () => {
  const workerData: BreathJob = {
    buffers: server.keyspace.memory.buffers,
    signal: signal.buffer as SharedArrayBuffer,
    port: channel.port2,
    now: NOW + 5000,
  };
  worker = new Worker(new URL('./breath-worker.ts', import.meta.url), {
    workerData,
    transferList: [channel.port2],
  });
  const failed = once(worker, 'error').then(([error]) => {
    throw error;
  });
  await Promise.race([once(channel.port1, 'message'), failed]);
});

afterAll(async () => {
  await worker.terminate();
  channel.port1.close();
});

interface Expected {
  /** Its reply is drawn at random. */
  random?: boolean;
  /** It removes what has expired before it begins. */
  cleans?: boolean;
  /** How often it breathes at least. Default 2. */
  breaths?: number;
}

/** Runs a command with others at work in all its breaths, and compares with a run without. */
function check(command: Line, { random = false, cleans = false, breaths = 2 }: Expected = {}): void {
  const isKey = (word: string): boolean => /^\{[ab]\}/.test(word);
  const keys = [...new Set(command.map(String).filter(isKey))];
  const order: BreathOrder = { keys, writes: WRITES.map((line) => line.map(String)) };
  const digests = (): string => server.text('DEBUG', 'DIGEST-VALUE', ...keys);
  reset(keys);
  const wanted = server.text(...command);
  const after = digests();
  reset(keys);
  let seen = '';
  let met = 0;
  let wrong = '';
  server.withPinned(keys, () => {
    seen = disturb({ keys, writes: [] });
  });
  if (cleans) seen = '';
  server.onBreath = () => {
    if (++met > ALL_BREATHS && met % 4 !== 0) return;
    const now = disturb(order);
    if (seen === '') seen = now;
    if (now !== seen) wrong ||= `breath ${met}: ${difference(seen, now)}`;
  };
  const reply = server.text(...command);
  server.onBreath = null;
  expect(wrong).toBe('');
  server.checkInvariants();
  if (!random) {
    expect(reply).toBe(wanted);
    expect(digests()).toBe(after);
  } else expect(reply.length).toBeGreaterThan(wanted.length / 2);
  expect(met).toBeGreaterThanOrEqual(breaths);
}

/** The first lines that differ. */
function difference(a: string, b: string): string {
  const left = a.split('\n');
  const right = b.split('\n');
  const at = left.findIndex((line, i) => line !== right[i]);
  const reader = left.slice(0, at + 1).findLast((line) => / K/.test(line));
  return `${left[at]} became ${right[at]} in line ${at} (${reader})`;
}

describe('a breath', () => {
  it.each([
    'LRANGE {a}list 0 -1',
    'LRANGE {b}list 0 -1',
    'LPOS {b}list none COUNT 0',
    'SORT {a}list',
    'SORT {a}list DESC STORE {b}new',
    'SORT {a}list LIMIT 10 3000 STORE {a}list',
    'SORT {a}set ALPHA',
    'SORT {a}set ALPHA STORE {a}old',
    'SORT {a}zset ALPHA DESC STORE {b}set',
    'SORT_RO {a}set BY nosort',
    'SMEMBERS {a}set',
    'SSCAN {a}set 0 COUNT 3000',
    'SINTER {a}set {a}other|set {b}set',
    'SINTERCARD 2 {a}set {b}set',
    'SUNION {a}set {a}intset {b}set {a}missing',
    'SDIFF {a}set {a}other|set',
    'SUNIONSTORE {a}new {a}set {a}other|set {b}set',
    'SUNIONSTORE {a}set {a}set {a}other|set {b}set',
    'SUNIONSTORE {a}old {a}set {a}intset',
    'SUNIONSTORE {a}set {a}expires {b}set',
    'SINTERSTORE {a}set {a}set {a}other|set',
    'SDIFFSTORE {b}new {a}other|set {b}set {a}small|set',
    'SDIFFSTORE {a}other|set {a}other|set {a}set',
    'SMEMBERS {a}late:1',
    'SORT {a}late:1 ALPHA STORE {a}late:1',
    'SUNIONSTORE {b}new {a}late:1 {a}set',
    'HGETALL {a}hash',
    'HKEYS {a}hash',
    'HVALS {a}hash',
    'HSCAN {a}hash 0 COUNT 4000',
    'ZRANGE {a}zset 0 -1 WITHSCORES',
    'ZRANGE {a}zset 900 (3 BYSCORE REV',
    'ZRANGEBYSCORE {a}zset -inf +inf',
    'ZREVRANGE {b}zset 0 -1',
    'ZSCAN {a}zset 0 COUNT 3000',
    'ZUNION 2 {a}zset {b}zset WITHSCORES',
    'ZINTER 2 {a}zset {b}zset',
    'ZDIFF 2 {a}zset {b}zset',
    'ZINTERCARD 2 {a}zset {b}zset',
    'ZUNIONSTORE {a}zset 3 {a}zset {b}zset {a}set WEIGHTS 1 2 3',
    'ZUNIONSTORE {b}new 2 {a}set {a}small|zset',
    'ZINTERSTORE {a}new 2 {a}zset {a}set',
    'ZDIFFSTORE {a}old 2 {a}zset {a}small|zset',
    'ZRANGESTORE {a}new {a}zset 0 -1',
    'ZRANGESTORE {a}zset {a}zset 5 2999 REV',
    'ZRANGESTORE {b}new {a}zset 1 900 BYSCORE',
    'GEOSEARCH {a}geo FROMLONLAT 1 1 BYRADIUS 2000 km ASC',
    'GEOSEARCHSTORE {a}new {a}geo FROMLONLAT 1 1 BYRADIUS 2000 km',
    'GEOSEARCHSTORE {a}geo {a}geo FROMMEMBER member:7 BYBOX 2000 2000 km STOREDIST',
    'XRANGE {a}stream - +',
    'XREVRANGE {a}stream + -',
    'XREAD STREAMS {a}stream {a}stream 0 100',
  ])('%s', (text) => {
    const cleans = /^(HGETALL|HKEYS|HVALS|HSCAN)|expires/.test(text);
    const breaths = text.startsWith('LRANGE') ? 1 : 2;
    check(
      words(text).map((word) => word.replaceAll('|', ' ')),
      { cleans, breaths },
    );
  });

  it.each([
    'SRANDMEMBER {a}set 3000',
    'SRANDMEMBER {a}set 900',
    'SRANDMEMBER {a}set -3000',
    'HRANDFIELD {a}hash 3000',
    'HRANDFIELD {a}hash 1200 WITHVALUES',
    'HRANDFIELD {a}hash -3000 WITHVALUES',
    'ZRANDMEMBER {a}zset 3000',
    'ZRANDMEMBER {a}zset 1100 WITHSCORES',
    'ZRANDMEMBER {a}zset -3000',
  ])('%s', (text) => {
    check(words(text), { random: true, cleans: text.startsWith('H'), breaths: 1 });
  });

  it.each(['SPOP {a}set 3300', 'SPOP {a}set 2500', 'SPOP {a}set 900'])('%s', (text) => {
    check(words(text), { random: true, breaths: 0 });
  });

  it.each(['{a}set', '{a}hash', '{a}zset', '{a}list', '{b}list', '{a}stream', '{a}geo'])(
    'DUMP, RESTORE: %s',
    (key) => {
      check(['DUMP', key], { cleans: key === '{a}hash', breaths: key === '{a}list' ? 1 : 2 });
      reset([key]);
      const dump = server.run('DUMP', key);
      const payload = dump.subarray(dump.indexOf('\n') + 1, -2);
      check(['RESTORE', '{b}new', 0, payload], { breaths: key.endsWith('list') ? 0 : 2 });
      check(['RESTORE', '{a}old', 5000, payload, 'REPLACE'], { breaths: key.endsWith('list') ? 0 : 2 });
    },
  );
});
