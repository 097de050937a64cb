// Snapshots over a keyspace without commands: epochs, numbers, the walk, what voids one, epochs that come round.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Defragmenter } from '../../src/keyspace/defrag.ts';
import { Evictor } from '../../src/keyspace/eviction.ts';
import {
  abortSnapshot,
  startSnapshot,
  VOIDED_MAX,
  VoidReason,
  voidSnapshot,
} from '../../src/keyspace/snapshot.ts';
import { SnapshotWalker } from '../../src/keyspace/snapshot-walk.ts';
import { GlobalWord, SHARD_COUNT, ShardWord, shardWord } from '../../src/memory/layout.ts';
import { SnapshotSaver } from '../../src/rdb/snapshot-saver.ts';
import { pick, seeded } from '../support/seeded.ts';
import { Keys, makeKeyspace } from './bench.ts';
import { contentsOf, GatheringSink, loadSnapshot } from './snapshot-sink.ts';

class Bench {
  readonly keyspace = makeKeyspace({ databases: 3 });
  readonly keys = new Keys(this.keyspace);
  readonly config = new ConfigStore(null, '/');
  readonly sink = new GatheringSink();
  readonly saver = new SnapshotSaver(this.keyspace, this.config, this.sink);
  readonly walker = new SnapshotWalker(this.keyspace, this.keyspace.shards, 0);
  readonly control = this.keyspace.memory.control;
  readonly #other = makeKeyspace({ databases: 3 });

  constructor() {
    this.keyspace.saver = this.saver;
  }

  start(): number {
    return startSnapshot(this.keyspace, () => {});
  }

  /** One hold of the walk. */
  step(): void {
    this.walker.step(performance.now() - 1);
  }

  /** Steps until the snapshot is over. */
  finish(): void {
    for (let i = 0; i < 100_000 && this.control[GlobalWord.SnapshotActive] !== 0; i++) this.step();
    expect(this.control[GlobalWord.SnapshotActive]).toBe(0);
  }

  saved(snapshot: number): Map<string, string> {
    return loadSnapshot([this.sink], snapshot, this.#other);
  }

  epoch(key: string, db = 0): number {
    const shard = this.keys.enter(key);
    const found = this.keys.find(shard, db);
    shard.release();
    return found ? this.keys.view.epoch : -1;
  }

  /** Voids the running snapshot as FLUSHALL does. */
  flush(): void {
    const locked = this.keyspace.shards.map((shard) => shard.acquire());
    voidSnapshot(this.keyspace, VoidReason.Flushed);
    for (const shard of locked) shard.release();
  }
}

describe('epochs of records', () => {
  it('are that of the last snapshot when a record is made, and stay through whatever moves it', () => {
    const bench = new Bench();
    const { keys, control } = bench;
    keys.set('a', 'x');
    expect(bench.epoch('a')).toBe(0);
    control[GlobalWord.SnapshotEpoch] = 200;
    keys.set('b', 'x');
    expect(bench.epoch('b')).toBe(200);
    control[GlobalWord.SnapshotEpoch] = 7;
    const locked = (work: (shard: ReturnType<typeof keys.enter>) => void): void => {
      const shard = keys.enter('b');
      expect(keys.find(shard)).toBe(true);
      work(shard);
      shard.release();
      expect(bench.epoch('b')).toBe(200);
    };
    locked((shard) => shard.overwrite(keys.view, 0, 0, 1, -1));
    locked((shard) => shard.overwrite(keys.view, 0, 0, 1000, 5e12));
    locked((shard) => shard.overwriteValue(keys.view, 0, 4));
    locked((shard) => shard.overwriteValue(keys.view, 0, 4000));
    locked((shard) => shard.resize(keys.view, 9000, 100));
    locked((shard) => shard.clearExpiry(keys.view));
    locked((shard) => shard.setExpiry(keys.view, 6e12));
    locked((shard) => shard.relocate(keys.view));
    locked(() => keys.view.setAccess(0xffffff));
    expect(keys.view.access).toBe(0xffffff);
    locked(() => keys.view.setEpoch(200));
    expect(keys.view.access).toBe(0xffffff);
  });
});

describe('a snapshot', () => {
  it('saves each record of every database once, whatever is made meanwhile', () => {
    const bench = new Bench();
    for (let i = 0; i < 3000; i++)
      bench.keys.set(`key:${i}`, `value ${i}`, i % 3 === 0 ? 5e12 + i : -1, i % 3);
    const before = contentsOf(bench.keyspace);
    let marked = 0;
    const snapshot = startSnapshot(bench.keyspace, (number) => {
      marked = number;
    });
    expect(snapshot).toBe(1);
    expect(marked).toBe(1);
    expect(bench.start()).toBe(0);
    for (let i = 0; bench.control[GlobalWord.SnapshotActive] !== 0; i++) {
      bench.keys.set(`new:${i}`, 'x');
      bench.step();
    }
    expect(bench.saved(snapshot)).toEqual(before);
    expect(bench.sink.done.map(({ shard }) => shard).sort((a, b) => a - b)).toEqual(
      Array.from({ length: SHARD_COUNT }, (_, id) => id),
    );
    checkKeyspace(bench.keyspace);
    // All have its epoch now; the next one has them all again, and the new ones.
    bench.sink.clear();
    const all = contentsOf(bench.keyspace);
    const next = bench.start();
    bench.finish();
    expect(next).toBe(2);
    expect(bench.saved(next)).toEqual(all);
  });

  it('of nothing is done at once', () => {
    const bench = new Bench();
    const snapshot = bench.start();
    bench.finish();
    expect(bench.saved(snapshot).size).toBe(0);
    expect(bench.sink.done.length).toBe(SHARD_COUNT);
  });

  it('survives keys that move about: the index grows and shrinks, records are deleted, defragmented, evicted', () => {
    const random = seeded(99);
    const bench = new Bench();
    const { keys, keyspace, control } = bench;
    bench.config.applyChange({ name: 'activedefrag', text: 'yes' });
    bench.config.applyChange({ name: 'active-defrag-threshold-lower', text: '0' });
    bench.config.applyChange({ name: 'active-defrag-ignore-bytes', text: '1' });
    const full = new ConfigStore(null, '/');
    full.applyChange({ name: 'maxmemory', text: '1' });
    full.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
    const evictor = new Evictor(keyspace, full);
    const defragmenter = new Defragmenter(keyspace, bench.config, keyspace.shards);
    // As the executor does before a write.
    const preserve = (key: string, db: number): void => {
      const shard = keys.enter(key);
      if (keys.find(shard, db) && keys.view.epoch !== control[GlobalWord.SnapshotEpoch]) {
        bench.saver.save(shard, keys.view);
        bench.saver.send();
      }
      shard.release();
    };
    // Keys of one slot, so that its table splits and collapses.
    const name = (): string => `{slot}${pick(random, 6000)}`;
    for (let i = 0; i < 4000; i++) keys.set(name(), 'v'.repeat(pick(random, 200)), -1, pick(random, 2));
    for (let round = 0; round < 4; round++) {
      const before = contentsOf(keyspace);
      const snapshot = bench.start();
      expect(snapshot).toBeGreaterThan(0);
      while (control[GlobalWord.SnapshotActive] !== 0) {
        for (let i = 0; i < 40; i++) {
          const key = name();
          const db = pick(random, 2);
          preserve(key, db);
          if (random() < (round % 2 === 0 ? 0.8 : 0.2)) keys.del(key, db);
          else keys.set(key, 'w'.repeat(pick(random, 300)), -1, db);
        }
        evictor.run(true, 0);
        defragmenter.step(performance.now());
        bench.step();
      }
      expect(bench.saved(snapshot)).toEqual(before);
      bench.sink.clear();
      checkKeyspace(keyspace);
    }
  });
});

describe('a snapshot that is given up', () => {
  it('by whoever takes the bytes: only if it is that one', () => {
    const bench = new Bench();
    bench.keys.set('a', 'x');
    const first = bench.start();
    expect(abortSnapshot(bench.control, first + 1)).toBe(false);
    expect(abortSnapshot(bench.control, first)).toBe(true);
    expect(abortSnapshot(bench.control, first)).toBe(false);
    expect(bench.control[GlobalWord.SnapshotVoided]).toBe(1);
    checkKeyspace(bench.keyspace);
    const before = contentsOf(bench.keyspace);
    const second = bench.start();
    expect(second).toBe(first + 1);
    bench.finish();
    expect(bench.saved(second)).toEqual(before);
    expect(bench.saved(first).size).toBe(0);
    expect(bench.control[GlobalWord.SnapshotVoided]).toBe(0);
  });

  it('amid the walk, by FLUSHALL: it is told, and the walk goes no further', () => {
    const bench = new Bench();
    for (let i = 0; i < 1000; i++) bench.keys.set(`key:${i}`, 'x');
    const first = bench.start();
    for (let i = 0; i < 20; i++) bench.step();
    bench.flush();
    expect(bench.sink.voids).toEqual([{ snapshot: first, reason: VoidReason.Flushed }]);
    const { length } = bench.sink.done;
    for (let i = 0; i < 20; i++) bench.step();
    expect(bench.sink.done.length).toBe(length);
    bench.flush();
    expect(bench.sink.voids.length).toBe(1);
    checkKeyspace(bench.keyspace);
    const second = bench.start();
    bench.finish();
    expect(bench.saved(second).size).toBe(1000);
  });

  it('many times in a row: no epoch comes round before the records are swept', () => {
    const bench = new Bench();
    for (let i = 0; i < 500; i++) bench.keys.set(`key:${i}`, 'x');
    for (let i = 0; i < VOIDED_MAX; i++) {
      const snapshot = bench.start();
      expect(snapshot).toBeGreaterThan(0);
      bench.keys.set(`late:${i}`, 'x');
      abortSnapshot(bench.control, snapshot);
    }
    checkKeyspace(bench.keyspace);
    expect(bench.start()).toBe(0);
    // The worker begins a sweep, which is no snapshot: it puts nothing out.
    bench.step();
    expect(bench.control[GlobalWord.SnapshotActive]).toBeLessThan(0);
    bench.finish();
    expect(bench.sink.entriesOf).toEqual([]);
    expect(bench.sink.done).toEqual([]);
    expect(bench.epoch('key:1')).toBe(VOIDED_MAX);
    checkKeyspace(bench.keyspace);
    const before = contentsOf(bench.keyspace);
    // Past the end of the epochs.
    for (let i = 0; i < 20; i++) {
      bench.sink.clear();
      const snapshot = bench.start();
      bench.finish();
      expect(bench.saved(snapshot)).toEqual(before);
      checkKeyspace(bench.keyspace);
    }
    expect(bench.control[GlobalWord.SnapshotEpoch]).toBe(VOIDED_MAX + 20 - 255);
  });

  it('a sweep gives way to a snapshot, and begins anew after FLUSHALL', () => {
    const bench = new Bench();
    for (let i = 0; i < 500; i++) bench.keys.set(`key:${i}`, 'x');
    for (let i = 0; i < 100; i++) abortSnapshot(bench.control, bench.start());
    bench.step();
    for (let i = 0; i < 10; i++) bench.step();
    const sweep = bench.control[GlobalWord.SnapshotActive]!;
    expect(sweep).toBeLessThan(0);
    bench.flush();
    bench.step();
    expect(bench.control[GlobalWord.SnapshotActive]).toBeLessThan(sweep);
    expect(bench.control[GlobalWord.SnapshotVoided]).toBe(100);
    for (let i = 0; i < 10; i++) bench.step();
    const snapshot = bench.start();
    expect(snapshot).toBeGreaterThan(0);
    bench.finish();
    expect(bench.saved(snapshot).size).toBe(500);
    expect(bench.control[GlobalWord.SnapshotVoided]).toBe(0);
  });
});

describe('a large value', () => {
  const big = 'large and not the same '.repeat(20_000);

  it('is saved with its key pinned and the lock free', () => {
    const bench = new Bench();
    bench.config.applyChange({ name: 'rdbcompression', text: 'no' });
    bench.keys.set('big', big);
    for (let i = 0; i < 200; i++) bench.keys.set(`key:${i}`, 'x');
    const before = contentsOf(bench.keyspace);
    const snapshot = bench.start();
    let pinned = 0;
    bench.sink.onEntries = () => {
      const shard = bench.keys.enter('big');
      if (bench.control[shardWord(shard.id, ShardWord.Saving)] === 1) {
        pinned++;
        expect(bench.control[GlobalWord.Pinning]).toBe(1);
        expect(bench.control[shardWord(shard.id, ShardWord.Pinned)]).toBe(1);
        // Marked at once: nobody else saves it.
        expect(bench.keys.find(shard)).toBe(true);
        expect(bench.keys.view.epoch).toBe(bench.control[GlobalWord.SnapshotEpoch]);
      }
      shard.release();
    };
    bench.finish();
    expect(pinned).toBe(Math.ceil((big.length + 10) / 65536));
    expect(bench.control[GlobalWord.Pinning]).toBe(0);
    expect(bench.saved(snapshot)).toEqual(before);
  });

  it('keeps its shard from being done while another thread saves it', () => {
    const bench = new Bench();
    bench.keys.set('big', big);
    const shard = bench.keys.enter('big');
    shard.release();
    const snapshot = bench.start();
    bench.control[shardWord(shard.id, ShardWord.Saving)] = 1;
    for (let i = 0; i < 300; i++) bench.step();
    expect(bench.control[GlobalWord.SnapshotActive]).toBe(snapshot);
    expect(bench.sink.done.map((done) => done.shard)).not.toContain(shard.id);
    bench.control[shardWord(shard.id, ShardWord.Saving)] = 0;
    bench.finish();
    expect(bench.sink.done.length).toBe(SHARD_COUNT);
  });

  it('is not sent any further when the snapshot is given up', () => {
    const bench = new Bench();
    bench.config.applyChange({ name: 'rdbcompression', text: 'no' });
    const snapshot = bench.start();
    abortSnapshot(bench.control, snapshot);
    bench.keys.set('big', big);
    const again = bench.start();
    bench.sink.onEntries = () => abortSnapshot(bench.control, again);
    for (let i = 0; i < 300; i++) bench.step();
    expect(bench.control[GlobalWord.SnapshotActive]).toBe(0);
    expect(bench.sink.done.length).toBeLessThan(SHARD_COUNT);
    checkKeyspace(bench.keyspace);
  });
});
