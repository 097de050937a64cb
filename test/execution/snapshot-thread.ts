// One thread of the stress test of snapshots: moves values about between keys, or takes one snapshot after the other.
// See snapshot-stress.test.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { createCommandTable } from '../../src/commands/index.ts';
import { Session } from '../../src/commands/session.ts';
import { ConfigStore } from '../../src/config/store.ts';
import { Batch, BatchEnd } from '../../src/execution/batch.ts';
import { Executor } from '../../src/execution/executor.ts';
import { Keyspace } from '../../src/keyspace/keyspace.ts';
import { startSnapshot } from '../../src/keyspace/snapshot.ts';
import { SnapshotWalker } from '../../src/keyspace/snapshot-walk.ts';
import { GlobalWord, ThreadWord, threadWord } from '../../src/memory/layout.ts';
import { SharedMemory } from '../../src/memory/shared-memory.ts';
import { allocateStats, Stats } from '../../src/metrics/stats.ts';
import { RequestParser } from '../../src/protocol/request-parser.ts';
import { RequestReader } from '../../src/protocol/request-reader.ts';
import { SnapshotSaver } from '../../src/rdb/snapshot-saver.ts';
import { GatheringSink } from '../keyspace/snapshot-sink.ts';
import { type Argument, encodeCommand } from '../support/raw-client.ts';
import { pick, seeded } from '../support/seeded.ts';
import { serverWithoutThreads } from './executors.ts';
import { LISTS, PAIR_SUM, PAIRS, SETS, type SnapshotDone, type SnapshotJob } from './snapshot-shared.ts';

const job = workerData as SnapshotJob;
const over = new Int32Array(job.over);
const keyspace = new Keyspace(new SharedMemory(job.buffers, job.thread), job.seed);
const { control } = keyspace.memory;
const config = new ConfigStore(null, '/');
const sink = new GatheringSink();
keyspace.saver = new SnapshotSaver(keyspace, config, sink);
const table = createCommandTable();
const server = serverWithoutThreads(config, table, new Stats(allocateStats(table.all.length), 1), 'stress');
const events = {
  monitored() {},
  slow() {},
  beginMonitored() {},
  endMonitored() {},
  late() {},
  makeRoom: () => true,
};
const session = new Session(job.thread, '127.0.0.1:1', '127.0.0.1:6379', false, Date.now());
// As an acceptor, and as the worker that it would hand over to.
const kinds = [false, true].map((worker) => {
  const executor = new Executor(keyspace, server, events, worker);
  return { executor, batch: new Batch(executor, new RequestParser()) };
});
const walker = new SnapshotWalker(
  keyspace,
  keyspace.shards.filter((shard) => shard.id % job.walkers === job.walker),
);
const random = seeded(job.thread * 31 + 7);
const completed: number[] = [];
let commands = 0;
let handedOver = 0;

function run(...args: Argument[]): string {
  commands++;
  for (const { executor, batch } of kinds) {
    const reader = new RequestReader();
    reader.feed(encodeCommand(args));
    executor.begin();
    let end: number = BatchEnd.Busy;
    while (end === BatchEnd.Busy) end = batch.run(reader, session, 1);
    executor.end();
    if (end === BatchEnd.HandOver) {
      handedOver++;
      continue;
    }
    const { reply } = executor.cx;
    const text = reply.bytes.toString('latin1', 0, reply.length);
    reply.reset();
    if (text.startsWith('-')) throw new Error(text);
    return text;
  }
  throw new Error(`${args[0]} runs nowhere`);
}

/** Moves something; what all keys have together stays the same, and so does each pair's sum. */
function moveSomething(): void {
  const choice = random();
  if (choice < 0.4) {
    const i = pick(random, PAIRS);
    const part = pick(random, PAIR_SUM + 1);
    const pair = `${job.thread}:${i}`;
    run('MSET', `left:${pair}`, part, `right:${pair}`, PAIR_SUM - part);
  } else if (choice < 0.7) {
    const side = random() < 0.5 ? 'LEFT' : 'RIGHT';
    run('LMOVE', `list:${pick(random, LISTS)}`, `list:${pick(random, LISTS)}`, side, 'RIGHT');
  } else if (choice < 0.85) {
    const from = `set:${pick(random, SETS)}`;
    const member = /^\$\d+\r\n(.*)\r\n$/.exec(run('SRANDMEMBER', from));
    if (member !== null) run('SMOVE', from, `set:${pick(random, SETS)}`, member[1]!);
  } else if (choice < 0.95) {
    // A name of two: one of them is there at any time.
    const i = pick(random, PAIRS);
    if (run('EXISTS', `name:${job.thread}:${i}`) === ':1\r\n')
      run('RENAME', `name:${job.thread}:${i}`, `other:${job.thread}:${i}`);
    else run('RENAME', `other:${job.thread}:${i}`, `name:${job.thread}:${i}`);
  } else {
    // Grows and shrinks the index under the walk.
    const first = pick(random, 20) * 100;
    for (let i = first; i < first + 30; i++) {
      if (choice < 0.975) run('SET', `extra:${job.thread}:${i}`, i);
      else run('UNLINK', `extra:${job.thread}:${i}`);
    }
  }
}

function takeSnapshots(): void {
  for (let i = 0; i < job.snapshots; i++) {
    const snapshot = startSnapshot(keyspace, () => {});
    if (snapshot === 0) throw new Error('no snapshot begins');
    while (Atomics.load(control, GlobalWord.SnapshotActive) === snapshot) {
      walker.step(performance.now());
      run('LMOVE', 'list:0', 'list:1', 'LEFT', 'RIGHT');
    }
    completed.push(snapshot);
  }
  Atomics.store(over, 0, 1);
}

control[threadWord(job.thread, ThreadWord.Worker)] = 1;
if (job.snapshots > 0) takeSnapshots();
else {
  for (let i = 0; Atomics.load(over, 0) === 0; i++) {
    moveSomething();
    if (i % 20 === 0) walker.step(performance.now());
  }
}
keyspace.meter.flush();
const done: SnapshotDone = { entries: sink.entriesOf, completed, commands, handedOver };
parentPort!.postMessage(done);
