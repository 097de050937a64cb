// What commands tell through executors: in the client's words, in others, in units; of those handed over, and for clients
// that have waited.

import { beforeEach, expect, it } from 'vitest';
import { GlobalWord } from '../../src/memory/layout.ts';
import { Executors } from './executors.ts';

let threads: Executors;
let control: Int32Array;
beforeEach(() => {
  threads = new Executors();
  control = new Int32Array(threads.memory.control);
  Atomics.store(control, GlobalWord.ChangesWanted, 1);
});

/** Lets a short time to live pass. */
function sleep(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
}

it('commands that change something, in the order and database in which they ran', () => {
  threads.call(1, 'SET', 'k', 'v');
  threads.call(1, 'GET', 'k');
  threads.call(2, 'SELECT', 5);
  threads.call(2, 'SET', 'k', 'w', 'PXAT', 4_102_444_800_000);
  threads.call(1, 'LPUSH', 'k', 'x');
  threads.call(1, 'GETDEL', 'k');
  threads.call(2, 'FLUSHDB');
  threads.call(2, 'FLUSHDB', 'ASYNC');
  threads.call(2, 'SWAPDB', 0, 1);
  expect(threads.told.take()).toEqual([
    '0 SET k v',
    '5 SET k w PXAT 4102444800000',
    '0 DEL k',
    '5 FLUSHDB',
    '5 FLUSHDB ASYNC',
    '5 SWAPDB 0 1',
  ]);
});

it('nothing while nobody wants to know', () => {
  Atomics.store(control, GlobalWord.ChangesWanted, 0);
  threads.call(1, 'SET', 'k', 'v');
  threads.call(1, 'FLUSHALL');
  Atomics.store(control, GlobalWord.ChangesWanted, 1);
  expect(threads.told.take()).toEqual([]);
});

it('a key found expired and what the command does then, as one unit', () => {
  threads.call(1, 'SET', 'k', 'v', 'PX', 1);
  threads.told.take();
  sleep();
  threads.call(1, 'APPEND', 'k', 'w');
  expect(threads.told.take()).toEqual(['0 DEL k | 0 APPEND k w']);
});

it('a key found expired by an acceptor that hands the command over', () => {
  threads.call(1, 'SET', '{t}big', 'x'.repeat(1_000_000));
  threads.call(1, 'SET', '{t}k', 'v', 'PX', 1);
  threads.told.take();
  sleep();
  expect(threads.run('acceptor', 1, 'MGET', '{t}k', '{t}big').end).toBe('HandOver');
  expect(threads.told.take()).toEqual(['0 DEL {t}k']);
  threads.run('worker', 1, 'MGET', '{t}k', '{t}big');
  expect(threads.told.take()).toEqual([]);
});

it('a key found expired by SCAN', () => {
  threads.call(1, 'SET', 'k', 'v', 'PX', 1);
  threads.told.take();
  sleep();
  threads.call(1, 'SCAN', 0, 'COUNT', 1000);
  expect(threads.told.take()).toEqual(['0 DEL k']);
});

it.each([
  [['BLPOP', 'k', 0], 'LPOP k'],
  [['BRPOP', 'none', 'k', 0], 'RPOP k'],
  [['BLMOVE', 'k', 'to', 'LEFT', 'RIGHT', 0], 'LMOVE k to LEFT RIGHT'],
  [['BRPOPLPUSH', 'k', 'to', 0], 'RPOPLPUSH k to'],
  [['BLMPOP', 0, 2, 'none', 'k', 'LEFT', 'COUNT', 10], 'LPOP k 2'],
])('of a client that has waited, behind what has served it: %j', (command, told) => {
  threads.session(1).db = 3;
  threads.session(2).db = 3;
  expect(threads.call(1, ...command)).toBe('Blocked');
  expect(threads.told.take()).toEqual([]);
  threads.call(2, 'RPUSH', 'k', 'a', 'b');
  expect(threads.answers()).toHaveLength(1);
  expect(threads.told.take()).toEqual(['3 RPUSH k a b', `3 ${told}`]);
});

it('of clients that wait for each other', () => {
  threads.call(1, 'BLMOVE', 'a', 'b', 'LEFT', 'LEFT', 0);
  threads.call(2, 'BLPOP', 'b', 0);
  threads.call(3, 'LPUSH', 'a', 'x');
  expect(threads.answers()).toHaveLength(2);
  expect(threads.told.take()).toEqual(['0 LPUSH a x', '0 LMOVE a b LEFT LEFT', '0 LPOP b']);
});
