// What goes without a command: keys and fields that expire, and keys that are evicted, come into the change stream.

import { afterEach, beforeEach, expect, it } from 'vitest';
import { ChangeLog } from '../../src/execution/change-log.ts';
import { DeletionLog } from '../../src/execution/deletion-log.ts';
import { Evictor, evictUntilRoom } from '../../src/keyspace/eviction.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import { allocateChangeRing } from '../../src/memory/change-ring.ts';
import { GlobalWord, THREADS_MAX } from '../../src/memory/layout.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { InProcess } from '../support/in-process.ts';
import { ToldStream } from '../support/told-stream.ts';

const T0 = 1_700_000_000_000;
const RING_BYTES = 1 << 20;

let local: InProcess;
let stream: ToldStream;
let control: Int32Array;
beforeEach(() => {
  local = new InProcess();
  control = local.keyspace.memory.control;
  const ring = allocateChangeRing(RING_BYTES);
  stream = new ToldStream([ring], control);
  const changes = new ChangeLog(control, ring, THREADS_MAX - 1, false);
  local.keyspace.deletions = new DeletionLog(changes, local.config);
  Atomics.store(control, GlobalWord.ChangesWanted, 1);
  local.setTime(T0);
});
afterEach(() => local.checkInvariants());

function stats(): Stats {
  return new Stats(allocateStats(1), 1);
}

/** Removes by the active way what has expired. */
function expireAll(now: number): void {
  const expirer = new Expirer(local.keyspace, local.config, stats(), local.keyspace.shards);
  local.setTime(now);
  for (let sweeps = 0; sweeps < 3; sweeps++) {
    do expirer.step(performance.now());
    while (expirer.sweeping);
  }
}

it('keys that expired are told, each by itself, with their database', () => {
  local.run('SET', 'one', 'v', 'PX', '10');
  local.run('RPUSH', 'list', 'a');
  local.run('PEXPIRE', 'list', '20');
  local.run('SET', 'stays', 'v', 'PX', '100000');
  local.run('SELECT', '3');
  local.run('SET', 'two', 'v', 'PX', '10');
  expireAll(T0 + 5000);
  expect(stream.take().sort()).toEqual(['0 DEL list', '0 DEL one', '3 DEL two']);
});

it('lazyfree-lazy-expire makes it UNLINK', () => {
  local.config.applyChange({ name: 'lazyfree-lazy-expire', text: 'yes' });
  local.run('SET', 'one', 'v', 'PX', '10');
  expireAll(T0 + 5000);
  expect(stream.take().sort()).toEqual(['0 UNLINK one']);
});

it.each([
  ['of a listpack', 3, 'listpackex'],
  ['of a hash table', 600, 'hashtable'],
])('fields that expired are told: %s', (_what, count, encoding) => {
  const wanted: string[] = [];
  local.run('HSET', 'h', 'stays', 'v');
  for (let i = 0; i < count; i++) {
    local.run('HSET', 'h', `${i}`, 'v', `late${i}`, 'v');
    local.run('HPEXPIRE', 'h', '10', 'FIELDS', '1', `${i}`);
    wanted.push(`0 HDEL h ${i}`);
  }
  local.run('HPEXPIRE', 'h', '10000000', 'FIELDS', '1', 'late1');
  expect(local.value('OBJECT', 'ENCODING', 'h')).toBe(encoding);
  expireAll(T0 + 5000);
  expect(stream.take().sort()).toEqual(wanted.sort());
  expect(local.value('HLEN', 'h')).toBe(count + 1);
});

it('a hash that goes with its last field is told by its fields', () => {
  local.run('HSET', 'h', 'a', '1', 'b', '2');
  local.run('HPEXPIRE', 'h', '10', 'FIELDS', '2', 'a', 'b');
  expireAll(T0 + 5000);
  expect(stream.take().sort()).toEqual(['0 HDEL h a', '0 HDEL h b']);
  expect(local.value('EXISTS', 'h')).toBe(0);
});

it.each([
  ['no', 'DEL'],
  ['yes', 'UNLINK'],
])('keys that are evicted are told: lazyfree-lazy-eviction %s', (lazy, word) => {
  local.config.applyChange({ name: 'lazyfree-lazy-eviction', text: lazy });
  local.config.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
  const value = 'v'.repeat(10_000);
  for (let i = 0; i < 100; i++) local.run('SET', `key:${i}`, value);
  local.keyspace.meter.flush();
  const limit = Math.floor(local.keyspace.usedBytes() / 2);
  const evictor = new Evictor(local.keyspace, local.config);
  local.config.applyChange({ name: 'maxmemory', text: String(limit) });
  while (evictor.over) expect(evictUntilRoom(evictor, true)).toBe(true);
  const gone = Array.from({ length: 100 }, (_, i) => `key:${i}`).filter(
    (key) => local.value('EXISTS', key) === 0,
  );
  expect(gone.length).toBeGreaterThan(10);
  expect(stream.take().sort()).toEqual(gone.map((key) => `0 ${word} ${key}`).sort());
});

it('nothing is told while nobody wants to know', () => {
  Atomics.store(control, GlobalWord.ChangesWanted, 0);
  local.run('SET', 'one', 'v', 'PX', '10');
  expireAll(T0 + 5000);
  Atomics.store(control, GlobalWord.ChangesWanted, 1);
  expect(stream.take().sort()).toEqual([]);
  expect(local.value('EXISTS', 'one')).toBe(0);
});
