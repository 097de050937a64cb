// Snapshots one after the other while real threads move values between keys: every snapshot has what all keys have together,
// no more and no less.

import { describe, expect, it } from 'vitest';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { allocateSharedBuffers } from '../../src/memory/shared-memory.ts';
import { GatheringSink, loadInto } from '../keyspace/snapshot-sink.ts';
import { runWorkers } from '../memory/workers.ts';
import { InProcess, SEED } from '../support/in-process.ts';
import { MOVERS, type SnapshotDone, type SnapshotJob } from './snapshot-shared.ts';
import { checkSums, fillCommands } from './snapshot-sums.ts';

const SNAPSHOTS = 12;

describe('snapshots beside threads that move values between keys', () => {
  it('have all of them, each once', async () => {
    const buffers = allocateSharedBuffers(1, 1);
    const bench = new InProcess({ buffers, databases: 1 });
    const { keyspace } = bench;
    for (const command of fillCommands()) bench.run(...command);
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
      checkSums(loaded);
    }
  });
});
