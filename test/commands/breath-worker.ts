// What another thread does while a long command takes a breath, see breath.test.ts: reads the keys that the command has
// pinned, writes others of the same shards, expires, evicts and compacts.
//
// It waits for a word in shared memory, works, and says what it saw.

import { receiveMessageOnPort, workerData } from 'node:worker_threads';
import { Defragmenter } from '../../src/keyspace/defrag.ts';
import { Evictor, evictUntilRoom } from '../../src/keyspace/eviction.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { InProcess } from '../support/in-process.ts';
import { type BreathJob, type BreathOrder, long } from './breath-job.ts';

const job = workerData as BreathJob;
const server = new InProcess({ buffers: job.buffers, thread: 2 });
server.config.applyChange({ name: 'enable-debug-command', text: 'yes' });
server.config.applyChange({ name: 'activedefrag', text: 'yes' });
server.config.applyChange({ name: 'active-defrag-ignore-bytes', text: '1' });
server.config.applyChange({ name: 'active-defrag-threshold-lower', text: '0' });
server.setTime(job.now);
const stats = new Stats(allocateStats(1), 2);
const defragmenter = new Defragmenter(server.keyspace, server.config, server.keyspace.shards);
const expirer = new Expirer(server.keyspace, server.config, stats, server.keyspace.shards);
const evictor = new Evictor(server.keyspace, server.config);

/** Commands that read a key of any type; those of other types answer with an error. Some change encodings if they may. */
const READERS = [
  'TYPE K', 'OBJECT ENCODING K', 'DEBUG DIGEST-VALUE K', 'DUMP K', 'PEXPIRETIME K', 'STRLEN K',
  'LLEN K', 'LINDEX K 2000', 'LRANGE K -5 -1', 'LPOS K 17', 'SCARD K', 'SISMEMBER K member:7', 'SINTER K K',
  'HGETALL K', 'HGET K member:1', 'HGET K gone:1', 'HMGET K gone:2 member:3', 'HLEN K', 'HPEXPIRETIME K FIELDS 1 gone:3',
  'ZCARD K', 'ZRANGE K 5 9 WITHSCORES', 'ZRANK K member:9', 'ZRANGEBYSCORE K 3 4', 'ZCOUNT K 2 50', 'ZUNION 2 K K',
  'SORT_RO K BY nosort LIMIT 0 3', 'SORT_RO K ALPHA DESC LIMIT 0 3', 'GEOPOS K member:5', 'GEODIST K member:5 member:6',
  'XLEN K', 'XRANGE K - + COUNT 5', 'XINFO STREAM K', 'XPENDING K g', 'MEMORY USAGE K', 'HSCAN K 0 COUNT 3', 'SSCAN K 0',
]; // biome-ignore format: a table
/** The same, whose replies differ. */
const RANDOM_READERS = [
  'SRANDMEMBER K 30',
  'HRANDFIELD K 30 WITHVALUES',
  'HRANDFIELD K -5',
  'ZRANDMEMBER K 30',
];

/** All replies about the keys. */
function look(keys: readonly string[]): string {
  let seen = '';
  for (const key of keys) {
    const words = (text: string): string[] =>
      text.split(' ').map((word) => (word === 'K' ? key : long(word)));
    for (const reader of READERS) seen += `${reader}: ${server.text(...words(reader))}\n`;
    for (const reader of RANDOM_READERS) server.run(...words(reader));
  }
  return seen;
}

/** Until a pass of compaction begins. */
const PASS_OVER_MS = 1000;

function upkeep(): void {
  for (const words of ['KEYS *', 'SCAN 0 COUNT 1000', 'RANDOMKEY', 'DEBUG POPULATE 9 {a}late'])
    server.run(...words.split(' '));
  for (let step = 0; step < 20; step++) expirer.step(performance.now());
  for (let step = 0; step < 50; step++) if (defragmenter.step(performance.now()) >= PASS_OVER_MS) break;
  server.config.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
  server.config.applyChange({ name: 'maxmemory', text: '1' });
  evictUntilRoom(evictor, true);
  server.config.applyChange({ name: 'maxmemory', text: '0' });
}

function round({ keys, writes }: BreathOrder): string {
  const before = look(keys);
  if (writes.length === 0) return before;
  for (const words of writes) server.run(...words);
  upkeep();
  const after = look(keys);
  if (before !== after) throw new Error(`a key that is pinned has changed:\n${before}\n----\n${after}`);
  return after;
}

const signal = new Int32Array(job.signal);
let order: BreathOrder = { keys: [], writes: [] };

function answer(text: string, next: number): void {
  job.port.postMessage(text);
  Atomics.store(signal, 0, next);
  Atomics.notify(signal, 0);
}

job.port.postMessage('ready');
try {
  for (;;) {
    Atomics.wait(signal, 0, 0);
    if (signal[0] === 2) break;
    for (let next = receiveMessageOnPort(job.port); next !== undefined; next = receiveMessageOnPort(job.port))
      order = next.message as BreathOrder;
    answer(round(order), 0);
  }
} catch (error) {
  answer(String((error as Error).stack), 3);
}
job.port.close();
