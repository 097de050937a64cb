// Waiting clients with the threads of a server called in turn: what goes to their keeper, who is served in which order,
// and that nothing is left behind: no lock, no bit that says that a key is waited for.

import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { DeadlineHeap } from '../../src/execution/deadline-heap.ts';
import type { Waiter } from '../../src/execution/waiter.ts';
import { isAwaited } from '../../src/keyspace/awaited.ts';
import { hashKey } from '../../src/keyspace/key-hash.ts';
import {
  GlobalWord,
  PauseMode,
  SHARD_COUNT,
  ShardWord,
  SLOT_TO_SHARD_SHIFT,
  shardWord,
} from '../../src/memory/layout.ts';
import { CommandStat, Stat } from '../../src/metrics/stats.ts';
import { Executors } from './executors.ts';

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`;
const pair = (key: string, value: string) => `*2\r\n${bulk(key)}${bulk(value)}`;

describe('waiting clients', () => {
  let threads: Executors;
  let control: Int32Array;

  beforeEach(() => {
    threads = new Executors();
    control = new Int32Array(threads.memory.control);
  });

  function awaited(key: string): boolean {
    const slots = new Int32Array(1);
    const hashes = new Int32Array(1);
    hashKey(Buffer.from(key), 0, key.length, slots, hashes, 0);
    return isAwaited(control, slots[0]! >>> SLOT_TO_SHARD_SHIFT, hashes[0]!);
  }

  /** Nobody waits any more, and shared memory knows. */
  function expectNothingLeft(): void {
    expect(threads.waiters.room.size).toBe(0);
    expect(threads.lockedShards()).toEqual([]);
    expect(control[GlobalWord.Awaited]).toBe(0);
    for (let shard = 0; shard < SHARD_COUNT; shard++) {
      expect(control[shardWord(shard, ShardWord.Awaited)]).toBe(0);
      expect(control[shardWord(shard, ShardWord.AwaitedGone)]).toBe(0);
      for (let i = 0; i < 64; i++) expect(control[shardWord(shard, ShardWord.AwaitedBits) + i]).toBe(0);
    }
    for (const stat of [Stat.Blocked, Stat.BlockingKeys, Stat.BlockingKeysOnGone, Stat.BlockedWithTimeout])
      expect(threads.stats.sum(stat)).toBe(0);
  }

  it('wait with their keeper; elsewhere nothing happens', () => {
    expect(threads.run('acceptor', 1, 'BLPOP', 'k', 0)).toEqual({ end: 'ToKeeper', reply: '' });
    expect(threads.run('worker', 1, 'BLPOP', 'k', 0)).toEqual({ end: 'ToKeeper', reply: '' });
    expect(threads.waiters.room.size).toBe(0);
    expect(awaited('k')).toBe(false);
    expect(threads.run('keeper', 1, 'BLPOP', 'k', 0)).toEqual({ end: 'Blocked', reply: '' });
    expect(threads.waiters.room.size).toBe(1);
    expect(awaited('k')).toBe(true);
    expect(threads.lockedShards()).toEqual([]);
    expect(threads.call(2, 'RPUSH', 'k', 'x')).toBe(':1\r\n');
    expect(threads.answers()).toEqual([[1, pair('k', 'x')]]);
    expectNothingLeft();
  });

  it('do not wait where something is there', () => {
    threads.call(1, 'RPUSH', 'k', 'x', 'y');
    expect(threads.run('acceptor', 1, 'BLPOP', 'k', 0)).toEqual({ end: 'Drained', reply: pair('k', 'x') });
    expect(threads.run('keeper', 1, 'BLPOP', 'none', 'k', 0)).toEqual({
      end: 'Drained',
      reply: pair('k', 'y'),
    });
    expectNothingLeft();
  });

  it('draw writes of their keys to the keeper, and nothing else', () => {
    threads.call(1, 'BLPOP', 'k', 0);
    for (const thread of ['acceptor', 'worker'] as const) {
      expect(threads.run(thread, 2, 'RPUSH', 'k', 'x').end).toBe('ToKeeper');
      expect(threads.run(thread, 2, 'MSET', 'other', '1', 'k', '2').end).toBe('ToKeeper');
      expect(threads.run(thread, 2, 'GET', 'k').end).toBe('Drained');
      expect(threads.run(thread, 2, 'EXISTS', 'k').reply).toBe(':0\r\n');
      expect(threads.run(thread, 2, 'SET', 'other', 'x').end).toBe('Drained');
    }
    expect(threads.lockedShards()).toEqual([]);
  });

  it('without keys in the command: always to the keeper', () => {
    for (const command of [['FLUSHALL'], ['FLUSHDB'], ['SWAPDB', 0, 1]]) {
      expect(threads.run('acceptor', 2, ...command).end).toBe('ToKeeper');
      expect(threads.run('worker', 2, ...command).end).toBe('ToKeeper');
      expect(threads.run('keeper', 2, ...command)).toEqual({ end: 'Drained', reply: '+OK\r\n' });
    }
  });

  it('are served in the order in which they blocked', () => {
    for (const client of [5, 3, 9, 1]) expect(threads.call(client, 'BLPOP', 'k', 'j', 0)).toBe('Blocked');
    expect(threads.call(2, 'RPUSH', 'j', 'a')).toBe(':1\r\n');
    expect(threads.call(2, 'RPUSH', 'k', 'b', 'c')).toBe(':2\r\n');
    expect(threads.call(2, 'RPUSH', 'k', 'd', 'e', 'f')).toBe(':3\r\n');
    expect(threads.answers()).toEqual([
      [5, pair('j', 'a')],
      [3, pair('k', 'b')],
      [9, pair('k', 'c')],
      [1, pair('k', 'd')],
    ]);
    expect(threads.call(2, 'LLEN', 'k')).toBe(':2\r\n');
    expectNothingLeft();
  });

  it('a key named twice is waited for once', () => {
    threads.call(1, 'BLPOP', 'k', 'k', 'k', 0);
    expect(threads.stats.sum(Stat.BlockingKeys)).toBe(1);
    threads.call(2, 'RPUSH', 'k', 'x', 'y');
    expect(threads.answers()).toEqual([[1, pair('k', 'x')]]);
    expectNothingLeft();
  });

  it('chains are served until nothing is ready, over shards', () => {
    const names = Array.from({ length: 8 }, (_, i) => `chain:${i}`);
    for (let i = 0; i < 7; i++) threads.call(10 + i, 'BLMOVE', names[i]!, names[i + 1]!, 'LEFT', 'RIGHT', 0);
    threads.call(20, 'BLPOP', names[7]!, 0);
    expect(threads.call(2, 'RPUSH', names[0]!, 'x')).toBe(':1\r\n');
    const moves: [number, string][] = Array.from({ length: 7 }, (_, i) => [10 + i, bulk('x')]);
    expect(threads.answers()).toEqual([...moves, [20, pair(names[7]!, 'x')]]);
    for (const name of names) expect(threads.call(2, 'EXISTS', name)).toBe(':0\r\n');
    expectNothingLeft();
  });

  it('a ring of moves ends', () => {
    threads.call(1, 'BLMOVE', 'a', 'b', 'LEFT', 'RIGHT', 0);
    threads.call(2, 'BLMOVE', 'b', 'a', 'LEFT', 'RIGHT', 0);
    threads.call(3, 'BLMOVE', 'a', 'a', 'LEFT', 'RIGHT', 0);
    expect(threads.call(4, 'RPUSH', 'a', 'x')).toBe(':1\r\n');
    expect(threads.answers().map(([client]) => client)).toEqual([1, 2, 3]);
    expect(threads.call(4, 'LLEN', 'a')).toBe(':1\r\n');
    expectNothingLeft();
  });

  it('a value of another type wakes nobody; an error ends a wait and leaves the rest', () => {
    threads.call(1, 'BLPOP', 'k', 0);
    expect(threads.call(2, 'SET', 'k', 'text')).toBe('+OK\r\n');
    expect(threads.call(2, 'DEL', 'k')).toBe(':1\r\n');
    expect(threads.answers()).toEqual([]);
    threads.call(2, 'SET', 'text', 'x');
    threads.call(3, 'BLMOVE', 'm', 'text', 'LEFT', 'RIGHT', 0);
    threads.call(4, 'BLPOP', 'm', 0);
    threads.call(2, 'RPUSH', 'm', 'x');
    expect(threads.answers()).toEqual([
      [3, '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'],
      [4, pair('m', 'x')],
    ]);
    threads.call(2, 'RPUSH', 'k', 'y');
    expect(threads.answers()).toEqual([[1, pair('k', 'y')]]);
    expectNothingLeft();
  });

  it('RENAME, COPY, MOVE and SWAPDB bring what is waited for', () => {
    const other = threads.session(2);
    threads.call(2, 'RPUSH', 'source', 'x');
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(2, 'COPY', 'source', 'k');
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(2, 'RENAME', 'source', 'k');
    other.db = 3;
    threads.call(2, 'RPUSH', 'k', 'in 3');
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(2, 'COPY', 'k', 'k', 'DB', 0);
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(2, 'MOVE', 'k', 0);
    threads.call(2, 'RPUSH', 'k', 'in 3');
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(2, 'SWAPDB', 0, 3);
    const values = threads.answers().map(([, reply]) => reply);
    expect(values).toEqual([...Array(2).fill(pair('k', 'x')), ...Array(3).fill(pair('k', 'in 3'))]);
    expectNothingLeft();
  });

  it('waits are per database', () => {
    threads.session(1).db = 1;
    threads.call(1, 'BLPOP', 'k', 0);
    threads.call(3, 'BLPOP', 'k', 0);
    expect(threads.call(2, 'RPUSH', 'k', 'zero')).toBe(':1\r\n');
    expect(threads.answers()).toEqual([[3, pair('k', 'zero')]]);
    threads.session(2).db = 1;
    threads.call(2, 'RPUSH', 'k', 'one');
    expect(threads.answers()).toEqual([[1, pair('k', 'one')]]);
    expectNothingLeft();
  });

  it('time-outs end waits in their order, each once', () => {
    const now = Date.now();
    threads.call(1, 'BLPOP', 'k', 300);
    threads.call(2, 'BLPOP', 'k', 100);
    threads.call(3, 'BLPOP', 'k', 200);
    threads.call(4, 'BLPOP', 'k', 0);
    threads.session(5).resp = 3;
    threads.call(5, 'BLPOP', 'k', 100.5);
    expect(threads.stats.sum(Stat.BlockedWithTimeout)).toBe(4);
    threads.waiters.endOverdue(now + 50_000);
    expect(threads.answers()).toEqual([]);
    expect(threads.waiters.dueIn(now)).toBeGreaterThan(99_000);
    threads.waiters.endOverdue(now + 250_000);
    expect(threads.answers()).toEqual([
      [2, '*-1\r\n'],
      [5, '_\r\n'],
      [3, '*-1\r\n'],
    ]);
    threads.call(6, 'RPUSH', 'k', 'a', 'b');
    expect(threads.answers().map(([client]) => client)).toEqual([1, 4]);
    threads.waiters.endOverdue(now + 1_000_000);
    expect(threads.answers()).toEqual([]);
    expect(threads.waiters.dueIn(now)).toBe(Number.POSITIVE_INFINITY);
    expectNothingLeft();
  });

  it('a wait that is looked at in vain keeps its time-out and its place', () => {
    threads.call(1, 'BLPOP', 'k', 100);
    threads.call(2, 'BLPOP', 'k', 0);
    // Noted as changed, but nothing is there.
    threads.call(3, 'FLUSHALL');
    expect(threads.answers()).toEqual([]);
    threads.call(3, 'RPUSH', 'k', 'x');
    expect(threads.answers()).toEqual([[1, pair('k', 'x')]]);
  });

  it('CLIENT UNBLOCK and clients that leave', () => {
    for (const client of [1, 2, 3, 4]) threads.call(client, 'BLPOP', 'k', 'l', 0);
    expect(threads.waiters.unblock(1, false)).toBe(true);
    expect(threads.waiters.unblock(2, true)).toBe(true);
    expect(threads.waiters.unblock(2, true)).toBe(false);
    threads.waiters.leave(0, 3);
    threads.waiters.leave(0, 3);
    threads.waiters.leave(1, 4);
    expect(threads.waiters.unblock(3, true)).toBe(false);
    expect(threads.answers()).toEqual([
      [1, '*-1\r\n'],
      [2, '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n'],
    ]);
    threads.call(9, 'RPUSH', 'l', 'x', 'y');
    expect(threads.answers()).toEqual([[4, pair('l', 'x')]]);
    expect(threads.call(9, 'LLEN', 'l')).toBe(':1\r\n');
    expectNothingLeft();
  });

  it('what may not block answers at once', () => {
    threads.session(1).denyBlocking = true;
    expect(threads.call(1, 'BLPOP', 'k', 0)).toBe('*-1\r\n');
    expect(threads.call(1, 'BLMOVE', 'k', 'l', 'LEFT', 'LEFT', 0)).toBe('$-1\r\n');
    expectNothingLeft();
  });

  it('a run counts once, when it ends; MONITOR sees it when it begins', () => {
    const blpop = threads.table.byName('blpop')!.id;
    const calls = () => threads.stats.sumCommand(blpop, CommandStat.Calls);
    control[GlobalWord.Monitors] = 1;
    threads.call(1, 'BLPOP', 'k', 0);
    expect(threads.monitored).toEqual(['BLPOP']);
    expect(calls()).toBe(0);
    threads.call(2, 'RPUSH', 'k', 'x');
    expect(threads.monitored).toEqual(['BLPOP', 'RPUSH']);
    expect(calls()).toBe(1);
    threads.call(1, 'BLPOP', 'k', 0);
    threads.waiters.unblock(1, true);
    expect(calls()).toBe(2);
    expect(threads.stats.sumCommand(blpop, CommandStat.Failed)).toBe(1);
    expect(threads.stats.sum(Stat.ErrorReplies)).toBe(1);
  });

  it('CLIENT PAUSE WRITE holds what blocks back before it waits', () => {
    control[GlobalWord.PauseMode] = PauseMode.Writes;
    control[GlobalWord.PauseUntil] = (Date.now() + 100_000) | 0;
    expect(threads.run('acceptor', 1, 'BLPOP', 'k', 0).end).toBe('Paused');
    expectNothingLeft();
  });

  it('any order of waiting, pushing and leaving leaves nothing behind', () => {
    const key = fc.integer({ min: 0, max: 5 }).map((i) => `key:${i}`);
    const client = fc.integer({ min: 1, max: 6 });
    const step = fc.oneof(
      fc.record({
        do: fc.constant('pop' as const),
        client,
        keys: fc.array(key, { minLength: 1, maxLength: 4 }),
      }),
      fc.record({ do: fc.constant('move' as const), client, keys: fc.tuple(key, key) }),
      fc.record({ do: fc.constant('push' as const), key, count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('leave' as const), client }),
      fc.record({ do: fc.constant('unblock' as const), client }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        threads = new Executors();
        control = new Int32Array(threads.memory.control);
        const waits = new Set<number>();
        let pushed = 0;
        let popped = 0;
        const take = (): void => {
          for (const [number, reply] of threads.answers()) {
            expect(waits.delete(number)).toBe(true);
            if (reply.startsWith('*2')) popped++;
          }
        };
        for (const each of steps) {
          if (each.do === 'push') {
            pushed += each.count;
            threads.call(
              100,
              'RPUSH',
              each.key,
              ...Array.from({ length: each.count }, (_, i) => `${pushed}:${i}`),
            );
          } else if (each.do === 'leave') {
            threads.waiters.leave(0, each.client);
            waits.delete(each.client);
          } else if (each.do === 'unblock') {
            expect(threads.waiters.unblock(each.client, false)).toBe(waits.has(each.client));
          } else if (!waits.has(each.client)) {
            const reply =
              each.do === 'pop'
                ? threads.call(each.client, 'BLPOP', ...each.keys, 0)
                : threads.call(each.client, 'BLMOVE', ...each.keys, 'LEFT', 'RIGHT', 0);
            if (reply === 'Blocked') waits.add(each.client);
            else if (reply.startsWith('*2')) popped++;
          }
          take();
          expect(threads.waiters.room.size).toBe(waits.size);
          expect(threads.lockedShards()).toEqual([]);
        }
        for (const number of waits) threads.waiters.leave(0, number);
        expectNothingLeft();
        let left = 0;
        for (let i = 0; i < 6; i++) left += Number(threads.call(100, 'LLEN', `key:${i}`).slice(1));
        expect(popped + left).toBe(pushed);
      }),
      { numRuns: 60 },
    );
  });
});

describe('time-outs', () => {
  it('come out in order, whoever leaves in between', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ until: fc.nat(50), leaves: fc.boolean() })), (entries) => {
        const heap = new DeadlineHeap();
        const waiters = entries.map(({ until }) => ({ until, heapIndex: -1 }) as unknown as Waiter);
        for (const waiter of waiters) heap.add(waiter);
        const left = new Set(waiters.filter((_, i) => entries[i]!.leaves));
        for (const waiter of left) heap.remove(waiter);
        for (const waiter of left) heap.remove(waiter);
        const stay = waiters.filter((waiter) => !left.has(waiter));
        expect(heap.size).toBe(stay.length);
        const out: number[] = [];
        for (let first = heap.first; first !== null; first = heap.first) {
          out.push(first.until);
          heap.remove(first);
          expect(first.heapIndex).toBe(-1);
        }
        expect(out).toEqual(stay.map(({ until }) => until).sort((a, b) => a - b));
      }),
    );
  });
});
