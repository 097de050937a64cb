// One thread of the stress test: works on keys that all threads share and on keys of its own; see stress.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { ConfigStore } from '../../src/config/store.ts';
import { Defragmenter } from '../../src/keyspace/defrag.ts';
import { Expirer } from '../../src/keyspace/expiry.ts';
import { hashKey } from '../../src/keyspace/key-hash.ts';
import { Encoding, RecordView, Type } from '../../src/keyspace/record.ts';
import { copyBytes, type LockedShard } from '../../src/keyspace/shard.ts';
import { SLOT_TO_SHARD_SHIFT } from '../../src/memory/layout.ts';
import type { SharedBuffers } from '../../src/memory/shared-memory.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { pick, seeded } from '../support/seeded.ts';
import { makeKeyspace } from './bench.ts';

export interface StressJob {
  readonly buffers: SharedBuffers;
  readonly thread: number;
  readonly rounds: number;
  /** Takes locks as acceptors do: tries, and tries again. */
  readonly tryOnly: boolean;
  /** Expires and defragments meanwhile. */
  readonly background: boolean;
  readonly counters: number;
}

export interface StressResult {
  readonly increments: number[];
  readonly appended: number[];
  readonly wrong: number;
  readonly ownKeys: number;
}

const job = workerData as StressJob;
const keyspace = makeKeyspace({ buffers: job.buffers, thread: job.thread });
const random = seeded(job.thread * 7919);
const view = new RecordView(keyspace.memory);
const slots = new Int32Array(1);
const hashes = new Int32Array(1);
const increments = new Array<number>(job.counters).fill(0);
const appended = new Array<number>(job.counters).fill(0);
const own = new Map<string, string>();
let wrong = 0;
let key = Buffer.alloc(0);

function enter(name: string): LockedShard {
  key = Buffer.from(name);
  hashKey(key, 0, key.length, slots, hashes, 0);
  const shard = keyspace.shards[slots[0]! >>> SLOT_TO_SHARD_SHIFT]!;
  if (!job.tryOnly) return shard.acquire();
  for (;;) {
    const locked = shard.tryAcquire();
    if (locked !== null) return locked;
    shard.countContention();
  }
}

const find = (shard: LockedShard): boolean => shard.find(view, 0, slots[0]!, hashes[0]!, key, 0, key.length);

function put(shard: LockedShard, found: boolean, text: string, expireAt: number): void {
  if (found) shard.overwrite(view, Type.String, Encoding.Raw, text.length, expireAt);
  else
    shard.create(
      view, 0, slots[0]!, hashes[0]!, key, 0, key.length, Type.String, Encoding.Raw, text.length, expireAt, 0,
    ); // biome-ignore format: many short arguments
  copyBytes(Buffer.from(text, 'latin1'), 0, view.bytes, view.valueOffset, text.length);
}

const text = (): string =>
  view.bytes.toString('latin1', view.valueOffset, view.valueOffset + view.valueLength);

function increment(i: number): void {
  const shard = enter(`counter:${i}`);
  const found = find(shard);
  put(shard, found, String((found ? Number(text()) : 0) + 1), -1);
  shard.release();
  increments[i]!++;
}

function append(i: number): void {
  const shard = enter(`log:${i}`);
  if (!find(shard)) put(shard, false, '', -1);
  const length = view.valueLength;
  shard.resize(view, length + 3, length);
  view.bytes.write('abc', view.valueOffset + length);
  shard.release();
  appended[i]!++;
}

/** A key that only this thread writes: its value is known exactly. */
function ownKey(): void {
  const name = `own:${job.thread}:${pick(random, 3000)}`;
  const shard = enter(name);
  const found = find(shard);
  const expected = own.get(name);
  if (found !== (expected !== undefined) || (found && text() !== expected)) wrong++;
  if (found && random() < 0.4) {
    shard.remove(view);
    own.delete(name);
  } else {
    const value = String.fromCharCode(97 + pick(random, 26)).repeat(
      pick(random, random() < 0.05 ? 20_000 : 300),
    );
    put(shard, found, value, random() < 0.3 ? 3e12 : -1);
    own.set(name, value);
  }
  shard.release();
}

/** A key whose time comes at once: for whoever expires. */
function shortLived(): void {
  const shard = enter(`gone:${job.thread}:${pick(random, 500)}`);
  put(shard, find(shard), 'x'.repeat(pick(random, 100)), keyspace.now - 1 + pick(random, 3));
  shard.release();
}

const config = new ConfigStore(null, '/');
for (const [name, value] of [
  ['activedefrag', 'yes'],
  ['active-defrag-threshold-lower', '0'],
  ['active-defrag-ignore-bytes', '1'],
  ['hz', '500'],
] as const)
  config.applyChange({ name, text: value });
const expirer = new Expirer(keyspace, config, new Stats(allocateStats(1), 1), keyspace.shards);
const defragmenter = new Defragmenter(keyspace, config, keyspace.shards);

for (let round = 0; round < job.rounds; round++) {
  const choice = random();
  if (choice < 0.2) increment(pick(random, job.counters));
  else if (choice < 0.35) append(pick(random, job.counters));
  else if (choice < 0.9) ownKey();
  else shortLived();
  if (!job.background || round % 50 !== 0) continue;
  keyspace.setTime(Date.now());
  expirer.step(performance.now());
  defragmenter.step(performance.now());
}
for (const [name, value] of own) {
  const shard = enter(name);
  if (!find(shard) || text() !== value) wrong++;
  shard.release();
}
keyspace.meter.flush();
const result: StressResult = { increments, appended, wrong, ownKeys: own.size };
parentPort!.postMessage(result);
