// EXEC through executors: what it tells, where it runs, what it leaves locked, and whom it lets wait.

import { beforeEach, expect, it } from 'vitest';
import { GlobalWord } from '../../src/memory/layout.ts';
import type { Argument } from '../support/raw-client.ts';
import { Executors } from './executors.ts';

let threads: Executors;
beforeEach(() => {
  threads = new Executors();
  Atomics.store(new Int32Array(threads.memory.control), GlobalWord.ChangesWanted, 1);
});

/** Queues commands. */
function queue(client: number, ...commands: Argument[][]): void {
  expect(threads.call(client, 'MULTI')).toBe('+OK\r\n');
  for (const command of commands) expect(threads.call(client, ...command)).toBe('+QUEUED\r\n');
}

it('tells all its commands as one unit, in their databases, and one alone as itself', () => {
  queue(
    1,
    ['SET', 'a', '1'],
    ['GET', 'a'],
    ['SELECT', 2],
    ['INCR', 'a'],
    ['EXPIRE', 'a', 0],
    ['SELECT', 0],
    ['SPOP', 'none'],
  );
  expect(threads.told.take()).toEqual([]);
  threads.call(1, 'EXEC');
  expect(threads.told.take()).toEqual(['0 SET a 1 | 2 INCR a | 2 DEL a']);
  queue(1, ['GET', 'a'], ['SET', 'b', '1'], ['LPUSH', 'b', 'x']);
  threads.call(1, 'EXEC');
  expect(threads.told.take()).toEqual(['0 SET b 1']);
  queue(1, ['GET', 'a']);
  threads.call(1, 'EXEC');
  expect(threads.told.take()).toEqual([]);
});

it('tells commands that name no keys in their places', () => {
  queue(
    1,
    ['SET', 'a', '1'],
    ['FLUSHDB'],
    ['SET', 'b', '1'],
    ['SWAPDB', 0, 1],
    ['SET', 'c', '1'],
    ['FLUSHALL'],
  );
  expect(threads.run('acceptor', 1, 'EXEC').end).toBe('ToKeeper');
  expect(threads.run('worker', 1, 'EXEC').end).toBe('ToKeeper');
  expect(threads.run('keeper', 1, 'EXEC').end).toBe('Drained');
  expect(threads.told.take()).toEqual([
    '0 SET a 1 | 0 FLUSHDB | 0 SET b 1 | 0 SWAPDB 0 1 | 0 SET c 1 | 0 FLUSHALL',
  ]);
});

it('tells what it has found expired', () => {
  threads.call(1, 'SET', 'a', '1', 'PX', 1);
  threads.told.take();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  queue(1, ['GET', 'b'], ['APPEND', 'a', 'x'], ['SET', 'b', '2']);
  threads.call(1, 'EXEC');
  expect(threads.told.take()).toEqual(['0 DEL a | 0 APPEND a x | 0 SET b 2']);
});

it('is handed over whole when it is long, and nothing has happened then', () => {
  const long = 'x'.repeat(200_000);
  queue(1, ['SET', 'a', '1'], ['SET', 'b', long], ['SET', 'c', long]);
  expect(threads.run('acceptor', 1, 'EXEC')).toEqual({ end: 'HandOver', reply: '' });
  expect(threads.told.take()).toEqual([]);
  expect(threads.lockedShards()).toEqual([]);
  expect(threads.run('worker', 1, 'EXEC').reply).toBe('*3\r\n+OK\r\n+OK\r\n+OK\r\n');
  queue(1, ['GET', 'a'], ['GET', 'b'], ['GET', 'c']);
  expect(threads.run('acceptor', 1, 'EXEC').end).toBe('HandOver');
  expect(threads.run('worker', 1, 'EXEC').reply.length).toBeGreaterThan(400_000);
  queue(1, ['SET', 'a', '2'], ['KEYS', '*']);
  expect(threads.run('acceptor', 1, 'EXEC').end).toBe('HandOver');
  expect(threads.run('worker', 1, 'EXEC').end).toBe('Drained');
  expect(threads.lockedShards()).toEqual([]);
});

it('goes to the keeper if it writes a key that somebody waits for, who is served behind all of it', () => {
  expect(threads.run('keeper', 9, 'BLPOP', 'l', 0).end).toBe('Blocked');
  queue(1, ['SET', 'a', '1'], ['RPUSH', 'l', 'x', 'y'], ['LLEN', 'l'], ['RPUSH', 'other', 'z']);
  expect(threads.run('acceptor', 1, 'EXEC').end).toBe('ToKeeper');
  expect(threads.run('worker', 1, 'EXEC').end).toBe('ToKeeper');
  expect(threads.answers()).toEqual([]);
  expect(threads.run('keeper', 1, 'EXEC').reply).toBe('*4\r\n+OK\r\n:2\r\n:2\r\n:1\r\n');
  expect(threads.answers()).toEqual([[9, '*2\r\n$1\r\nl\r\n$1\r\nx\r\n']]);
  expect(threads.told.take()).toEqual(['0 SET a 1 | 0 RPUSH l x y | 0 RPUSH other z', '0 LPOP l']);
  expect(threads.lockedShards()).toEqual([]);
});

it('does not wait, and leaves no locks, whatever its commands answer', () => {
  queue(
    1,
    ['BLPOP', 'l', 0],
    ['SET', 'a', '1'],
    ['LPUSH', 'a', 'x'],
    ['XREAD', 'BLOCK', 0, 'STREAMS', 's', '$'],
  );
  expect(threads.run('keeper', 1, 'EXEC').reply).toMatch(
    /^\*4\r\n\*-1\r\n\+OK\r\n-WRONGTYPE .*\r\n\*-1\r\n$/,
  );
  expect(threads.lockedShards()).toEqual([]);
  expect(threads.run('keeper', 1, 'BLPOP', 'l', 0).end).toBe('Blocked');
});

it('a void one tells nothing and leaves no locks, on any thread', () => {
  for (const thread of ['acceptor', 'worker', 'keeper'] as const) {
    threads.call(1, 'SET', 'a', '1', 'PX', 20);
    threads.call(1, 'WATCH', 'a', 'b');
    threads.told.take();
    queue(1, ['SET', 'b', '1']);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 40);
    expect(threads.run(thread, 1, 'EXEC')).toEqual({ end: 'Drained', reply: '*-1\r\n' });
    expect(threads.told.take()).toEqual([]);
    expect(threads.lockedShards()).toEqual([]);
    expect(new Int32Array(threads.memory.control)[GlobalWord.Watching]).toBe(0);
  }
});
