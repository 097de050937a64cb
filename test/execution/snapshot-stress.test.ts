// Snapshots one after the other while real threads move values between keys: every snapshot has what all keys have together,
// no more and no less.

import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { allocateSharedBuffers } from '../../src/memory/shared-memory.ts';
import { GatheringSink, loadInto } from '../keyspace/snapshot-sink.ts';
import { runWorkers } from '../memory/workers.ts';
import { InProcess, SEED } from '../support/in-process.ts';
import { LISTS, PAIR_SUM, PAIRS, SETS, type SnapshotDone, type SnapshotJob } from './snapshot-shared.ts';

const ELEMENTS = 2000;
const MEMBERS = 800;
const MOVERS = [3, 4] as const;
const SNAPSHOTS = 12;

const many = (count: number, what: string): string[] =>
  Array.from(
    { length: count },
    (_, i) => `${what} ${String(i).padStart(5, '0')} ${'and more '.repeat(i % 9)}`,
  );

function fill(bench: InProcess): void {
  bench.run('RPUSH', 'list:0', ...many(ELEMENTS, 'element'));
  bench.run('SADD', 'set:0', ...many(MEMBERS, 'member'));
  for (const thread of MOVERS) {
    for (let i = 0; i < PAIRS; i++) {
      bench.run('MSET', `left:${thread}:${i}`, 0, `right:${thread}:${i}`, PAIR_SUM);
      bench.run('SET', `name:${thread}:${i}`, `value ${i}`);
    }
  }
}

/** Checks what one data set has together. */
function check(bench: InProcess): void {
  const lists: string[] = [];
  for (let i = 0; i < LISTS; i++) lists.push(...(bench.value('LRANGE', `list:${i}`, 0, -1) as string[]));
  expect(lists.map(String).sort()).toEqual(many(ELEMENTS, 'element'));
  const members: string[] = [];
  for (let i = 0; i < SETS; i++) members.push(...(bench.value('SMEMBERS', `set:${i}`) as string[]));
  expect(members.map(String).sort()).toEqual(many(MEMBERS, 'member'));
  for (const thread of MOVERS) {
    for (let i = 0; i < PAIRS; i++) {
      const pair = bench.value('MGET', `left:${thread}:${i}`, `right:${thread}:${i}`) as string[];
      expect(Number(pair[0]) + Number(pair[1])).toBe(PAIR_SUM);
      const names = bench.value('MGET', `name:${thread}:${i}`, `other:${thread}:${i}`) as (string | null)[];
      expect(names.filter((value) => value !== null).map(String)).toEqual([`value ${i}`]);
    }
  }
}

describe('snapshots beside threads that move values between keys', () => {
  it('have all of them, each once', async () => {
    const buffers = allocateSharedBuffers(1, 1);
    const bench = new InProcess({ buffers, databases: 1 });
    const { keyspace } = bench;
    fill(bench);
    const over = new SharedArrayBuffer(4);
    const jobs = [2, ...MOVERS].map((thread, i) => ({
      buffers,
      seed: SEED,
      thread,
      over,
      snapshots: thread === 2 ? SNAPSHOTS : 0,
      walkers: 1 + MOVERS.length,
      walker: i,
    }));
    const results = await runWorkers<SnapshotJob, SnapshotDone>(
      './snapshot-thread.ts',
      import.meta.url,
      jobs,
    );
    checkKeyspace(keyspace);
    expect(results[0]!.completed.length).toBe(SNAPSHOTS);
    for (const result of results.slice(1)) expect(result.commands).toBeGreaterThan(500);
    // Large lists on their way went to workers.
    expect(results.some((result) => result.handedOver > 0)).toBe(true);
    const sinks = results.map((result) => {
      const sink = new GatheringSink();
      for (const { snapshot, db, bytes } of result.entries)
        sink.entriesOf.push({ snapshot, db, bytes: Buffer.from(bytes) });
      return sink;
    });
    for (const snapshot of results[0]!.completed) {
      const loaded = new InProcess({ databases: 1, regions: 1 });
      loadInto(sinks, snapshot, loaded.keyspace);
      check(loaded);
    }
  });
});
