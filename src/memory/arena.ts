// A shard's arena: blocks of size classes cut from spans of chunks, and runs of chunks for what is larger.
//
//   chunkMap entry of a span's first chunk (8 words)        of its other chunks
//     0 Kind.Span | class << 8                                0 Kind.Inner
//     1 blocks in use                                         1 first chunk of the span
//     2 first freed block (ref; the next one is in its first word), 0 = none
//     3 blocks never given out yet start here (count from the span's start)
//     4 next span with room (chunk), 0 = end   5 previous span with room, 0 = head
//     6 owner: shard + 1
//   of a large run's first chunk: 0 Kind.Large, 1 chunks, 6 owner. Its other chunks keep 0.
//
// The heads of the lists of spans with room are in the shard's header, one per class. A full span is in no list;
// an empty one goes back to the pool at once. (Keeping one per class saves 100 ns where a class has a block now and
// none then, but held a fifth of all memory: 64 shards go through some 15 classes as their segments grow.)
//
// Owner rule: everything here is read and written only by the holder of the shard's lock.

import { giveChunks, isChunkUsed, OutOfMemoryError, takeChunks } from './chunk-pool.ts';
import {
  CHUNK_BYTES,
  CHUNK_ENTRY_WORDS,
  CHUNKS_PER_REGION,
  GlobalWord,
  REF_CHUNK_SHIFT,
  REF_MASK,
  REF_REGION_SHIFT,
  REGION_BYTES,
  SHARD_COUNTERS_OFFSET,
  SHARD_HEADS_OFFSET,
  ShardCounter,
  shardOffset,
} from './layout.ts';
import type { SharedMemory } from './shared-memory.ts';
import {
  CLASS_BLOCKS,
  CLASS_BYTES,
  CLASS_BYTES_MAX,
  CLASS_COUNT,
  CLASS_SPAN_CHUNKS,
  classOf,
} from './size-classes.ts';

const Kind = { Inner: 1, Span: 2, Large: 3 } as const;
const KIND_MASK = 0xff;
const CLASS_SHIFT = 8;

/** Largest block in bytes: a region less its first chunk. */
export const BLOCK_BYTES_MAX = REGION_BYTES - CHUNK_BYTES;

/** A thread's view of the total in use: summed locally, added to the shared word in whole KiB. */
export class UsageMeter {
  readonly #control: Int32Array;
  pending = 0;
  constructor(memory: SharedMemory) {
    this.#control = memory.control;
  }
  add(bytes: number): void {
    this.pending += bytes;
    if (this.pending > 32768 || this.pending < -32768) this.flush();
  }
  /** Publishes what is pending; called when a thread goes idle, so that the shared total is exact then. */
  flush(): void {
    const kib = Math.trunc(this.pending / 1024);
    if (kib === 0) return;
    Atomics.add(this.#control, GlobalWord.UsedKiB, kib);
    this.pending -= kib * 1024;
  }
}

export class Arena {
  readonly memory: SharedMemory;
  readonly shard: number;
  readonly meter: UsageMeter;
  readonly #map: Int32Array;
  readonly #words: Int32Array[];
  readonly #control: Int32Array;
  readonly #counters: Float64Array;
  readonly #heads: number;
  readonly #used: number;

  constructor(memory: SharedMemory, shard: number, meter: UsageMeter) {
    this.memory = memory;
    this.shard = shard;
    this.meter = meter;
    this.#map = memory.chunkMap;
    this.#words = memory.words;
    this.#control = memory.control;
    this.#counters = memory.counters;
    this.#heads = (shardOffset(shard) + SHARD_HEADS_OFFSET) >> 2;
    this.#used = (shardOffset(shard) + SHARD_COUNTERS_OFFSET) >> 3;
  }

  /**
   * Takes a block of at least `bytes`. Its content is undefined.
   * @returns its reference
   * @throws OutOfMemoryError; nothing was changed
   */
  alloc(bytes: number): number {
    if (bytes > CLASS_BYTES_MAX) return this.#allocLarge(bytes);
    const cls = classOf(bytes);
    const map = this.#map;
    let chunk = this.#control[this.#heads + cls]!;
    if (chunk === 0) chunk = this.#addSpan(cls);
    const entry = chunk * CHUNK_ENTRY_WORDS;
    let ref = map[entry + 2]!;
    const blockSize = CLASS_BYTES[cls]!;
    if (ref !== 0) {
      map[entry + 2] = this.#words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
    } else {
      const fresh = map[entry + 3]!;
      map[entry + 3] = fresh + 1;
      ref = ((chunk << REF_CHUNK_SHIFT) + fresh * (blockSize >> 4)) | 0;
    }
    const used = map[entry + 1]! + 1;
    map[entry + 1] = used;
    if (used === CLASS_BLOCKS[cls]!) this.#unlink(entry, cls);
    this.#count(blockSize, 1);
    return ref;
  }

  /** Gives a block back. */
  free(ref: number): void {
    const map = this.#map;
    let chunk = ref >>> REF_CHUNK_SHIFT;
    let entry = chunk * CHUNK_ENTRY_WORDS;
    let kind = map[entry]!;
    if ((kind & KIND_MASK) === Kind.Large) {
      this.#freeLarge(chunk, entry);
      return;
    }
    if ((kind & KIND_MASK) === Kind.Inner) {
      chunk = map[entry + 1]!;
      entry = chunk * CHUNK_ENTRY_WORDS;
      kind = map[entry]!;
    }
    if (map[entry + 6] !== this.shard + 1)
      throw new Error(`shard ${this.shard} frees block ${ref >>> 0} it does not own`);
    const cls = kind >> CLASS_SHIFT;
    this.#words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2] = map[entry + 2]!;
    map[entry + 2] = ref;
    const used = map[entry + 1]! - 1;
    map[entry + 1] = used;
    if (used === CLASS_BLOCKS[cls]! - 1) this.#link(chunk, entry, cls);
    else if (used === 0) {
      this.#unlink(entry, cls);
      this.#release(chunk, CLASS_SPAN_CHUNKS[cls]!);
    }
    this.#count(-CLASS_BYTES[cls]!, -1);
  }

  /** Bytes that the block has, at least what was asked for. */
  capacity(ref: number): number {
    const map = this.#map;
    let entry = (ref >>> REF_CHUNK_SHIFT) * CHUNK_ENTRY_WORDS;
    let kind = map[entry]!;
    if ((kind & KIND_MASK) === Kind.Large) return map[entry + 1]! * CHUNK_BYTES;
    if ((kind & KIND_MASK) === Kind.Inner) {
      entry = map[entry + 1]! * CHUNK_ENTRY_WORDS;
      kind = map[entry]!;
    }
    return CLASS_BYTES[kind >> CLASS_SHIFT]!;
  }

  /**
   * As capacity, for blocks of at most 4 KiB, whose spans are one chunk. Reads the chunk's entry only, which stays in the
   * caches where the block itself would be a miss: the index finds its way by it.
   */
  smallCapacity(ref: number): number {
    return CLASS_BYTES[this.#map[(ref >>> REF_CHUNK_SHIFT) * CHUNK_ENTRY_WORDS]! >> CLASS_SHIFT]!;
  }

  /**
   * Finds out which spans are worth emptying: per class the number of blocks in use up to which a span counts as
   * sparse (the average of the spans with room), -1 where moving blocks would free no span.
   * @param limits receives it, CLASS_COUNT entries
   */
  sparseLimits(limits: Int32Array): void {
    const map = this.#map;
    const spans = new Int32Array(CLASS_COUNT);
    const used = new Int32Array(CLASS_COUNT);
    const high = Atomics.load(this.#control, GlobalWord.ChunksHigh);
    for (let chunk = 1; chunk < high; chunk++) {
      const entry = chunk * CHUNK_ENTRY_WORDS;
      if ((map[entry]! & KIND_MASK) !== Kind.Span || map[entry + 6] !== this.shard + 1) continue;
      const cls = map[entry]! >> CLASS_SHIFT;
      if (map[entry + 1] === CLASS_BLOCKS[cls]!) continue;
      spans[cls]!++;
      used[cls]! += map[entry + 1]!;
    }
    for (let cls = 0; cls < CLASS_COUNT; cls++) {
      const needed = Math.ceil(used[cls]! / CLASS_BLOCKS[cls]!);
      limits[cls] = needed < spans[cls]! ? Math.ceil(used[cls]! / spans[cls]!) : -1;
    }
  }

  /** Whether a block lies in a sparse span other than the one that new blocks come from. @param limits see sparseLimits */
  isSparse(ref: number, limits: Int32Array): boolean {
    const map = this.#map;
    let entry = (ref >>> REF_CHUNK_SHIFT) * CHUNK_ENTRY_WORDS;
    let kind = map[entry]!;
    if ((kind & KIND_MASK) === Kind.Large) return false;
    if ((kind & KIND_MASK) === Kind.Inner) {
      entry = map[entry + 1]! * CHUNK_ENTRY_WORDS;
      kind = map[entry]!;
    }
    const cls = kind >> CLASS_SHIFT;
    return map[entry + 1]! <= limits[cls]! && this.#control[this.#heads + cls]! * CHUNK_ENTRY_WORDS !== entry;
  }

  /** Bytes in use by blocks of this shard. */
  get used(): number {
    return this.#counters[this.#used + ShardCounter.Used]!;
  }

  /**
   * Gives every block of the shard back at once, without visiting them: for FLUSHALL.
   * The caller must drop all references.
   */
  reset(): void {
    const map = this.#map;
    const high = Atomics.load(this.#control, GlobalWord.ChunksHigh);
    for (let chunk = 1; chunk < high; chunk++) {
      const entry = chunk * CHUNK_ENTRY_WORDS;
      const kind = map[entry]! & KIND_MASK;
      if (map[entry + 6] !== this.shard + 1 || (kind !== Kind.Span && kind !== Kind.Large)) continue;
      const chunks = kind === Kind.Large ? map[entry + 1]! : CLASS_SPAN_CHUNKS[map[entry]! >> CLASS_SHIFT]!;
      this.#release(chunk, chunks);
    }
    this.#control.fill(0, this.#heads, this.#heads + CLASS_COUNT);
    this.meter.add(-this.used);
    this.#counters[this.#used + ShardCounter.Used] = 0;
    this.#counters[this.#used + ShardCounter.Blocks] = 0;
  }

  /** Walks every span of the shard and throws at the first broken invariant. @returns blocks and bytes in use */
  check(): { blocks: number; bytes: number } {
    const map = this.#map;
    const high = Atomics.load(this.#control, GlobalWord.ChunksHigh);
    let blocks = 0;
    let bytes = 0;
    let reserved = 0;
    for (let chunk = 1; chunk < high; chunk++) {
      const entry = chunk * CHUNK_ENTRY_WORDS;
      const kind = map[entry]! & KIND_MASK;
      if (map[entry + 6] !== this.shard + 1) continue;
      if (!isChunkUsed(this.memory, chunk)) fail(this.shard, chunk, 'owned but free in the pool');
      if (kind === Kind.Large) {
        this.#checkRun(chunk, map[entry + 1]!, 0);
        blocks++;
        bytes += map[entry + 1]! * CHUNK_BYTES;
        reserved += map[entry + 1]! * CHUNK_BYTES;
      } else if (kind === Kind.Span) {
        const cls = map[entry]! >> CLASS_SHIFT;
        this.#checkRun(chunk, CLASS_SPAN_CHUNKS[cls]!, Kind.Inner);
        this.#checkSpan(chunk, entry, cls);
        blocks += map[entry + 1]!;
        bytes += map[entry + 1]! * CLASS_BYTES[cls]!;
        reserved += CLASS_SPAN_CHUNKS[cls]! * CHUNK_BYTES;
      } else fail(this.shard, chunk, `kind ${kind} with an owner`);
    }
    for (let cls = 0; cls < CLASS_COUNT; cls++) this.#checkList(cls);
    if (bytes !== this.used) fail(this.shard, 0, `${bytes} bytes in spans, ${this.used} counted`);
    if (blocks !== this.#counters[this.#used + ShardCounter.Blocks])
      fail(this.shard, 0, 'block count differs');
    if (reserved !== this.#counters[this.#used + ShardCounter.Reserved])
      fail(this.shard, 0, 'reserved bytes differ');
    return { blocks, bytes };
  }

  /**
   * For the checker: throws unless `ref` is where a block of this shard begins that was given out (it may be freed
   * again: see eachFreed).
   * @returns bytes of the block
   */
  checkBlock(ref: number): number {
    const map = this.#map;
    let chunk = ref >>> REF_CHUNK_SHIFT;
    if ((map[chunk * CHUNK_ENTRY_WORDS]! & KIND_MASK) === Kind.Inner)
      chunk = map[chunk * CHUNK_ENTRY_WORDS + 1]!;
    const entry = chunk * CHUNK_ENTRY_WORDS;
    const kind = map[entry]! & KIND_MASK;
    if (kind !== Kind.Span && kind !== Kind.Large) fail(this.shard, chunk, `no block at ${ref >>> 0}`);
    if (map[entry + 6] !== this.shard + 1) fail(this.shard, chunk, `block ${ref >>> 0} of another shard`);
    const offset = (ref - (chunk << REF_CHUNK_SHIFT)) | 0;
    if (kind === Kind.Large) {
      if (offset !== 0) fail(this.shard, chunk, `${ref >>> 0} is inside a large run`);
      return map[entry + 1]! * CHUNK_BYTES;
    }
    const bytes = CLASS_BYTES[map[entry]! >> CLASS_SHIFT]!;
    if (offset % (bytes >> 4) !== 0) fail(this.shard, chunk, `${ref >>> 0} is inside a block`);
    if (offset / (bytes >> 4) >= map[entry + 3]!)
      fail(this.shard, chunk, `block ${ref >>> 0} was never given out`);
    return bytes;
  }

  /** For the checker: visits every block that lies freed in a span. check() must have passed. */
  eachFreed(visit: (ref: number) => void): void {
    const map = this.#map;
    const high = Atomics.load(this.#control, GlobalWord.ChunksHigh);
    for (let chunk = 1; chunk < high; chunk++) {
      const entry = chunk * CHUNK_ENTRY_WORDS;
      if ((map[entry]! & KIND_MASK) !== Kind.Span || map[entry + 6] !== this.shard + 1) continue;
      for (let ref = map[entry + 2]!; ref !== 0; ) {
        visit(ref);
        ref = this.#words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
      }
    }
  }

  /** Checks the chunks of a run behind its first. */
  #checkRun(first: number, chunks: number, kind: number): void {
    if (Math.floor(first / CHUNKS_PER_REGION) !== Math.floor((first + chunks - 1) / CHUNKS_PER_REGION))
      fail(this.shard, first, 'run crosses a region');
    for (let chunk = first; chunk < first + chunks; chunk++) {
      if (!isChunkUsed(this.memory, chunk)) fail(this.shard, chunk, 'in a run but free in the pool');
      if (chunk === first) continue;
      const entry = chunk * CHUNK_ENTRY_WORDS;
      if (this.#map[entry] !== kind || this.#map[entry + 6] !== 0)
        fail(this.shard, chunk, 'not an inner chunk');
      if (kind === Kind.Inner && this.#map[entry + 1] !== first)
        fail(this.shard, chunk, 'inner chunk of another span');
    }
  }

  /** Checks a list of spans with room. */
  #checkList(cls: number): void {
    const map = this.#map;
    let previous = 0;
    for (let chunk = this.#control[this.#heads + cls]!; chunk !== 0; ) {
      const entry = chunk * CHUNK_ENTRY_WORDS;
      if (map[entry] !== (Kind.Span | (cls << CLASS_SHIFT)) || map[entry + 6] !== this.shard + 1)
        fail(this.shard, chunk, `in the list of class ${cls}, but no span of it`);
      if (map[entry + 5] !== previous) fail(this.shard, chunk, 'list of spans with room is broken');
      if (map[entry + 1]! >= CLASS_BLOCKS[cls]!) fail(this.shard, chunk, 'full, but listed as having room');
      if (map[entry + 1] === 0) fail(this.shard, chunk, 'empty, but not given back');
      previous = chunk;
      chunk = map[entry + 4]!;
    }
  }

  #checkSpan(chunk: number, entry: number, cls: number): void {
    const map = this.#map;
    let free = 0;
    for (let ref = map[entry + 2]!; ref !== 0; free++) {
      const index = (ref - (chunk << REF_CHUNK_SHIFT)) | 0;
      if (index < 0 || index >= map[entry + 3]! * (CLASS_BYTES[cls]! >> 4))
        fail(this.shard, chunk, 'free block outside');
      if (index % (CLASS_BYTES[cls]! >> 4) !== 0) fail(this.shard, chunk, 'free block misaligned');
      if (free > CLASS_BLOCKS[cls]!) fail(this.shard, chunk, 'free list has a cycle');
      ref = this.#words[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
    }
    if (map[entry + 1]! + free !== map[entry + 3]!)
      fail(this.shard, chunk, 'used + freed differs from given out');
    const listed = map[entry + 5] !== 0 || this.#control[this.#heads + cls] === chunk;
    if (listed === (map[entry + 1] === CLASS_BLOCKS[cls]))
      fail(this.shard, chunk, 'listed and full, or neither');
  }

  #allocLarge(bytes: number): number {
    if (bytes > BLOCK_BYTES_MAX) throw new OutOfMemoryError(`a block of ${bytes} bytes is too large`);
    const chunks = Math.ceil(bytes / CHUNK_BYTES);
    const chunk = takeChunks(this.memory, chunks);
    const entry = chunk * CHUNK_ENTRY_WORDS;
    this.#map[entry] = Kind.Large;
    this.#map[entry + 1] = chunks;
    this.#map[entry + 6] = this.shard + 1;
    this.#counters[this.#used + ShardCounter.Reserved]! += chunks * CHUNK_BYTES;
    this.#count(chunks * CHUNK_BYTES, 1);
    return (chunk << REF_CHUNK_SHIFT) | 0;
  }

  #freeLarge(chunk: number, entry: number): void {
    if (this.#map[entry + 6] !== this.shard + 1)
      throw new Error(`shard ${this.shard} frees a run it does not own`);
    const chunks = this.#map[entry + 1]!;
    this.#release(chunk, chunks);
    this.#count(-chunks * CHUNK_BYTES, -1);
  }

  #addSpan(cls: number): number {
    const chunks = CLASS_SPAN_CHUNKS[cls]!;
    const chunk = takeChunks(this.memory, chunks);
    const map = this.#map;
    const entry = chunk * CHUNK_ENTRY_WORDS;
    map[entry] = Kind.Span | (cls << CLASS_SHIFT);
    map[entry + 1] = 0;
    map[entry + 2] = 0;
    map[entry + 3] = 0;
    map[entry + 6] = this.shard + 1;
    for (let inner = 1; inner < chunks; inner++) {
      map[entry + inner * CHUNK_ENTRY_WORDS] = Kind.Inner;
      map[entry + inner * CHUNK_ENTRY_WORDS + 1] = chunk;
    }
    this.#counters[this.#used + ShardCounter.Reserved]! += chunks * CHUNK_BYTES;
    this.#link(chunk, entry, cls);
    return chunk;
  }

  /** Clears the map of a run and gives it to the pool. */
  #release(chunk: number, chunks: number): void {
    const entry = chunk * CHUNK_ENTRY_WORDS;
    this.#map.fill(0, entry, entry + CHUNK_ENTRY_WORDS * (this.#map[entry] === Kind.Large ? 1 : chunks));
    this.#counters[this.#used + ShardCounter.Reserved]! -= chunks * CHUNK_BYTES;
    giveChunks(this.memory, chunk, chunks);
  }

  #link(chunk: number, entry: number, cls: number): void {
    const map = this.#map;
    const head = this.#control[this.#heads + cls]!;
    map[entry + 4] = head;
    map[entry + 5] = 0;
    if (head !== 0) map[head * CHUNK_ENTRY_WORDS + 5] = chunk;
    this.#control[this.#heads + cls] = chunk;
  }

  #unlink(entry: number, cls: number): void {
    const map = this.#map;
    const next = map[entry + 4]!;
    const previous = map[entry + 5]!;
    if (next !== 0) map[next * CHUNK_ENTRY_WORDS + 5] = previous;
    if (previous !== 0) map[previous * CHUNK_ENTRY_WORDS + 4] = next;
    else this.#control[this.#heads + cls] = next;
    map[entry + 4] = 0;
    map[entry + 5] = 0;
  }

  #count(bytes: number, blocks: number): void {
    this.#counters[this.#used + ShardCounter.Used]! += bytes;
    this.#counters[this.#used + ShardCounter.Blocks]! += blocks;
    this.meter.add(bytes);
  }
}

function fail(shard: number, chunk: number, what: string): never {
  throw new Error(`arena of shard ${shard}, chunk ${chunk}: ${what}`);
}
