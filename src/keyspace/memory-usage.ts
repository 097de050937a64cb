// How much memory the server uses: used_memory and its parts. Any thread can tell, from shared counters.
//
// Counted are the data set with its index, what shared memory needs beside it as far as it has been touched, and the
// buffers of clients. Not counted are the JavaScript heaps of the threads, which grow and shrink by themselves and have
// nothing to do with the data (INFO threads shows them).

import { CHUNK_BYTES, CHUNK_ENTRY_WORDS, GlobalWord } from '../memory/layout.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import type { Keyspace } from './keyspace.ts';

/** Bytes. */
export interface MemoryUsage {
  readonly used: number;
  /** The data set: blocks in use, index included. */
  readonly data: number;
  /** Shared memory beside the data: counters, maps, statistics. */
  readonly shared: number;
  readonly clients: number;
  /** Chunks that shards hold: what the arena took for the data. */
  readonly active: number;
  /** Chunks ever given out: what the kernel may have committed. */
  readonly resident: number;
}

export function memoryUsage(keyspace: Keyspace, stats: Stats): MemoryUsage {
  const { control } = keyspace.memory;
  const data = keyspace.usedBytes();
  const shared = sharedOverhead(keyspace, stats);
  const clients = stats.sum(Stat.ClientsMemory);
  return {
    used: data + shared + clients,
    data,
    shared,
    clients,
    active: Atomics.load(control, GlobalWord.ChunksUsed) * CHUNK_BYTES,
    resident: Atomics.load(control, GlobalWord.ChunksHigh) * CHUNK_BYTES,
  };
}

/** The map and the bits of chunks count as far as chunks were ever given out. */
function sharedOverhead(keyspace: Keyspace, stats: Stats): number {
  const { buffers, control } = keyspace.memory;
  const chunks = Atomics.load(control, GlobalWord.ChunksHigh);
  const counters = stats.buffers;
  return (
    buffers.control.byteLength +
    buffers.databases.byteLength +
    chunks * CHUNK_ENTRY_WORDS * 4 +
    Math.ceil(chunks / 8) +
    counters.stats.byteLength +
    counters.errors.byteLength +
    counters.server.byteLength
  );
}
