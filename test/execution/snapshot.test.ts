// Snapshots and commands: who saves what, and when, before it is changed.

import { describe, expect, it } from 'vitest';
import { ConfigStore } from '../../src/config/store.ts';
import { checkKeyspace } from '../../src/keyspace/check.ts';
import { Evictor } from '../../src/keyspace/eviction.ts';
import { contentsOf } from '../keyspace/snapshot-sink.ts';
import { SnapshotBench } from './snapshot-bench.ts';

const LARGE = 'some text that is no use '.repeat(8000);

/** Runs `work` during a snapshot that has not walked yet, and expects it to hold what was there before. */
function during(bench: SnapshotBench, work: () => void): void {
  const before = contentsOf(bench.keyspace);
  const snapshot = bench.start();
  work();
  bench.finish();
  expect(bench.saved(snapshot)).toEqual(before);
  expect(bench.threads.lockedShards()).toEqual([]);
  checkKeyspace(bench.keyspace);
}

const savedBy = (bench: SnapshotBench, thread: string): number => bench.sinks.get(thread)!.entriesOf.length;

describe('a command that changes keys while a snapshot runs', () => {
  it('has them saved first: overwritten, deleted, renamed, moved, copied over, in any database', () => {
    const bench = new SnapshotBench();
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) bench.call('SET', key, `value of ${key}`);
    bench.call('SELECT', 1);
    bench.call('SET', 'e', 'in 1');
    bench.call('SET', 'f', 'in 1');
    bench.call('SELECT', 0);
    during(bench, () => {
      expect(bench.call('SET', 'a', 'new')).toBe('+OK\r\n');
      expect(bench.call('DEL', 'b')).toBe(':1\r\n');
      expect(bench.call('RENAME', 'c', 'c2')).toBe('+OK\r\n');
      expect(bench.call('MOVE', 'd', 1)).toBe(':1\r\n');
      expect(bench.call('COPY', 'e', 'f', 'DB', 1, 'REPLACE')).toBe(':1\r\n');
      expect(bench.call('GET', 'f')).toBe('$10\r\nvalue of f\r\n');
      expect(savedBy(bench, 'acceptor')).toBeGreaterThanOrEqual(5);
      expect(savedBy(bench, 'keeper') + savedBy(bench, 'worker')).toBe(0);
    });
  });

  it('goes from an acceptor to a worker if its values are large, which saves them with the locks free', () => {
    const bench = new SnapshotBench();
    bench.call('SET', 'big', LARGE);
    bench.call('SET', 'big2', LARGE);
    bench.call('SET', 'small', 'x');
    during(bench, () => {
      const { threads } = bench;
      expect(threads.run('acceptor', 1, 'SET', 'big', 'y').end).toBe('HandOver');
      expect(savedBy(bench, 'acceptor')).toBe(0);
      let pieces = 0;
      bench.sinks.get('worker')!.onEntries = () => {
        if (pieces++ > 0) return;
        expect(threads.lockedShards()).toEqual([]);
        // Others read it, and write other keys; who would write it goes to a worker.
        expect(threads.run('acceptor', 2, 'STRLEN', 'big').reply).toBe(`:${LARGE.length}\r\n`);
        expect(threads.run('acceptor', 2, 'SET', 'small', 'z')).toEqual({ end: 'Drained', reply: '+OK\r\n' });
        expect(threads.run('acceptor', 2, 'APPEND', 'big', 'z').end).toBe('HandOver');
        expect(threads.run('acceptor', 2, 'DEL', 'big2').end).toBe('HandOver');
      };
      expect(threads.run('worker', 1, 'MSET', 'big', 'y', 'big2', 'y', 'new', 'y').reply).toBe('+OK\r\n');
      expect(pieces).toBeGreaterThan(1);
      expect(bench.call('GET', 'big')).toBe('$1\r\ny\r\n');
    });
  });

  it('waits on a worker for what the walk is saving, and goes on when it has', () => {
    const bench = new SnapshotBench();
    bench.call('RPUSH', 'list', ...Array.from({ length: 20_000 }, (_, i) => `an element ${i}`));
    during(bench, () => {
      let refused = 0;
      for (const sink of bench.sinks.values())
        sink.onEntries = () => {
          if (bench.threads.run('acceptor', 1, 'LPOP', 'list').end === 'HandOver') refused++;
        };
      bench.finish();
      expect(refused).toBeGreaterThan(1);
      for (const sink of bench.sinks.values()) sink.onEntries = null;
      expect(bench.threads.run('acceptor', 1, 'LPOP', 'list').reply).toBe('$12\r\nan element 0\r\n');
    });
  });

  it('a client that waits is served by a run that saves first, large values too', () => {
    const bench = new SnapshotBench();
    bench.call('RPUSH', 'to', ...Array.from({ length: 3000 }, (_, i) => `an element ${i}`));
    bench.call('RPUSH', 'other', 'x');
    during(bench, () => {
      expect(bench.threads.call(7, 'BLMOVE', 'from', 'to', 'LEFT', 'RIGHT', 0)).toBe('Blocked');
      expect(bench.threads.call(8, 'BLMOVE', 'from', 'other', 'LEFT', 'RIGHT', 0)).toBe('Blocked');
      // What was saved when it began to wait is not saved again.
      expect(bench.call('RPUSH', 'from', 'a', 'b')).toBe(':2\r\n');
      expect(bench.threads.answers()).toEqual([
        [7, '$1\r\na\r\n'],
        [8, '$1\r\nb\r\n'],
      ]);
    });
  });

  it('a client that waited when it began is served so, too', () => {
    const bench = new SnapshotBench();
    bench.call('RPUSH', 'to', ...Array.from({ length: 3000 }, (_, i) => `an element ${i}`));
    bench.call('SADD', 'other', 'x');
    expect(bench.threads.call(7, 'BLMOVE', 'from', 'to', 'LEFT', 'RIGHT', 0)).toBe('Blocked');
    during(bench, () => {
      expect(bench.call('RPUSH', 'from', 'a')).toBe(':1\r\n');
      expect(bench.threads.answers()).toEqual([[7, '$1\r\na\r\n']]);
      expect(savedBy(bench, 'keeper')).toBe(1);
    });
  });

  it('is not alone: eviction saves what it removes, and leaves large values to workers', () => {
    const bench = new SnapshotBench();
    const full = new ConfigStore(null, '/');
    full.applyChange({ name: 'maxmemory', text: '1' });
    full.applyChange({ name: 'maxmemory-policy', text: 'allkeys-random' });
    full.applyChange({ name: 'maxmemory-eviction-tenacity', text: '100' });
    const evict = (thread: 'acceptor' | 'worker'): void => {
      const { keyspace } = bench.threads.executor(thread).cx;
      new Evictor(keyspace, full).run(thread === 'worker', Number.POSITIVE_INFINITY);
    };
    bench.call('SET', 'big', LARGE);
    for (let i = 0; i < 20; i++) bench.call('SET', `small:${i}`, `value ${i}`);
    during(bench, () => {
      // Each run ends for want of anything else to remove, or when its time is over.
      for (let run = 0; run < 100 && bench.call('DBSIZE') !== ':1\r\n'; run++) evict('acceptor');
      expect(bench.call('DBSIZE')).toBe(':1\r\n');
      expect(bench.call('EXISTS', 'big')).toBe(':1\r\n');
      evict('worker');
      expect(bench.call('DBSIZE')).toBe(':0\r\n');
      expect(savedBy(bench, 'acceptor')).toBe(20);
      expect(savedBy(bench, 'worker')).toBe(1);
    });
  });

  it('has small databases saved before they are emptied or exchanged, large values too', () => {
    const bench = new SnapshotBench();
    bench.call('SET', 'a', 'x');
    bench.call('SET', 'big', LARGE);
    bench.call('SELECT', 3);
    bench.call('SET', 'b', 'y');
    for (let i = 0; i < 1000; i++) bench.call('HSET', 'h', `field${i}`, i);
    during(bench, () => {
      expect(bench.call('SWAPDB', 0, 3)).toBe('+OK\r\n');
      expect(bench.call('SET', 'a', 'new')).toBe('+OK\r\n');
      expect(bench.call('FLUSHDB')).toBe('+OK\r\n');
      expect(bench.call('SWAPDB', 0, 5)).toBe('+OK\r\n');
    });
    expect(bench.voided).toBe(false);
  });

  it('is void when a large database is emptied or exchanged, but not again and again', () => {
    const bench = new SnapshotBench();
    const fill = (): void => {
      for (let i = 0; i <= 10_000; i++) bench.call('SET', `key${i}`, i);
    };
    for (const flush of ['FLUSHDB', 'SWAPDB', 'FLUSHDB']) {
      // By its keys, or by its bytes.
      if (flush === 'SWAPDB') bench.call('SETRANGE', 'big', 9_000_000, 'x');
      else fill();
      bench.start();
      expect(flush === 'SWAPDB' ? bench.call('SWAPDB', 0, 1) : bench.call(flush)).toBe('+OK\r\n');
      expect(bench.running).toBe(false);
    }
    const reasons = bench.sinks.get('keeper')!.voids.concat(bench.sinks.get('worker')!.voids);
    expect(reasons.map(({ reason }) => reason).sort()).toEqual([1, 1, 2]);
    bench.forget();
    fill();
    during(bench, () => expect(bench.call('FLUSHDB')).toBe('+OK\r\n'));
    expect(bench.voided).toBe(false);
  });

  it('is void after FLUSHALL', () => {
    const bench = new SnapshotBench();
    bench.call('SET', 'a', 'x');
    const snapshot = bench.start();
    expect(bench.call('FLUSHALL')).toBe('+OK\r\n');
    expect(bench.running).toBe(false);
    expect(bench.sinks.get('keeper')!.voids).toEqual([{ snapshot, reason: 4 }]);
  });
});
