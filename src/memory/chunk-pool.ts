// The pool of 64 KiB chunks that all shards draw on: a bitmap (1 = in use) under one lock.
//
// Runs are found first-fit from the lowest free chunk, so that data stays low, freed neighbours coalesce by
// themselves (two zero bits side by side are a longer run) and the pages that the kernel has committed are used again
// before new ones are touched. A run never crosses a region. The lock is held for the search only: under a
// microsecond for one chunk, and rarely taken (once per 64 KiB of blocks).
//
// Owner rule: bits, PoolHint, ChunksUsed and ChunksHigh are written only by the holder of PoolLock.

import { CHUNK_BYTES, CHUNKS_PER_REGION, GlobalWord } from './layout.ts';
import { lock, unlock } from './lock.ts';
import type { SharedMemory } from './shared-memory.ts';

/** The address space is used up. The executor answers it with -OOM; nothing was changed. */
export class OutOfMemoryError extends Error {}

/**
 * Takes a run of chunks.
 * @param count chunks, at most CHUNKS_PER_REGION
 * @returns the first chunk of the run
 * @throws OutOfMemoryError
 */
export function takeChunks(memory: SharedMemory, count: number): number {
  const control = memory.control;
  lock(control, GlobalWord.PoolLock, memory.thread);
  const first = count === 1 ? findOne(memory) : findRun(memory, count);
  if (first > 0) {
    setBits(memory.chunkBits, first, count);
    const used = Atomics.add(control, GlobalWord.ChunksUsed, count);
    if (used < 0) throw new Error('chunk pool: negative use');
    if (first + count > control[GlobalWord.ChunksHigh]!)
      Atomics.store(control, GlobalWord.ChunksHigh, first + count);
    // Nothing below `first` is free if the search met nothing free before it: always so for single chunks.
    if (count === 1 || first <= control[GlobalWord.PoolHint]!) control[GlobalWord.PoolHint] = first + count;
  }
  unlock(control, GlobalWord.PoolLock, memory.thread);
  if (first <= 0) throw new OutOfMemoryError(`no run of ${count * CHUNK_BYTES} bytes left`);
  return first;
}

/** Gives a run back. */
export function giveChunks(memory: SharedMemory, first: number, count: number): void {
  const control = memory.control;
  lock(control, GlobalWord.PoolLock, memory.thread);
  clearBits(memory.chunkBits, first, count);
  Atomics.sub(control, GlobalWord.ChunksUsed, count);
  if (first < control[GlobalWord.PoolHint]!) control[GlobalWord.PoolHint] = first;
  unlock(control, GlobalWord.PoolLock, memory.thread);
}

/** Whether a chunk is given out. For the invariant checker. */
export function isChunkUsed(memory: SharedMemory, chunk: number): boolean {
  return (memory.chunkBits[chunk >> 5]! & (1 << (chunk & 31))) !== 0;
}

function findOne(memory: SharedMemory): number {
  const bits = memory.chunkBits;
  const hint = Math.max(1, memory.control[GlobalWord.PoolHint]!);
  for (let word = hint >> 5; word < bits.length; word++) {
    const used = word === 0 ? bits[0]! | 1 : bits[word]!;
    if (used !== -1) return word * 32 + (31 - Math.clz32(~used & -~used));
  }
  return -1;
}

function findRun(memory: SharedMemory, count: number): number {
  const bits = memory.chunkBits;
  const total = bits.length * 32;
  if (count > CHUNKS_PER_REGION) return -1;
  let chunk = Math.max(1, memory.control[GlobalWord.PoolHint]!);
  let run = 0;
  while (chunk < total) {
    if ((chunk & (CHUNKS_PER_REGION - 1)) === 0) run = 0;
    const word = bits[chunk >> 5]!;
    if ((chunk & 31) === 0 && word === -1) {
      run = 0;
      chunk += 32;
      continue;
    }
    if ((chunk & 31) === 0 && word === 0 && run + 32 <= count) {
      run += 32;
      chunk += 32;
    } else {
      run = (word & (1 << (chunk & 31))) === 0 ? run + 1 : 0;
      chunk++;
    }
    if (run === count) return chunk - count;
  }
  return -1;
}

function setBits(bits: Int32Array, first: number, count: number): void {
  for (let chunk = first; chunk < first + count; chunk++) bits[chunk >> 5]! |= 1 << (chunk & 31);
}

function clearBits(bits: Int32Array, first: number, count: number): void {
  for (let chunk = first; chunk < first + count; chunk++) bits[chunk >> 5]! &= ~(1 << (chunk & 31));
}
