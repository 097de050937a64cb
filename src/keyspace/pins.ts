// Pins: keys that a long command holds while it lets the locks of their shards go for a moment.
//
// A command that works for seconds (SUNIONSTORE of millions) would keep every key of its shards from everybody. Instead
// it pins its keys and frees the locks now and then, so that commands on other keys go on (CommandContext.breathe).
//
//   shard header   ShardWord.Pinned: how many pins there are on keys of this shard; nearly always 0
//   thread block   ThreadWord.Pins: how many keys the thread has pinned, | FOR_WRITING if it will change any of them;
//                  PinnedHashes: their index hashes
//
// A pinned key may be read by all and written by none but the thread that pinned it: who is about to change, delete,
// move or re-type it asks isPinned() first, with the shard's lock held. What it does then is its own affair: an
// acceptor hands the command to a worker, a worker waits, background work passes the key by.
// Several threads may read a key and pin it. Only while a writer has it pinned, no reader may: the writer goes on when it
// likes, so that whoever reads must be done before it frees the lock (isPinnedForWriting).
// Pins go by hash alone, so that a key with the same hash may be taken for a pinned one: it waits needlessly.
//
// Owner rule: a thread's pins are written by it alone, under the locks of all shards concerned, and read under the lock
// of one of them.

import {
  GlobalWord,
  ShardWord,
  SLOT_TO_SHARD_SHIFT,
  shardWord,
  THREAD_BYTES,
  THREADS_MAX,
  ThreadWord,
  threadWord,
} from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

/** In ThreadWord.Pins, beside the number of keys. */
const FOR_WRITING = 1 << 16;

/** Keys that one thread can pin. */
export const PINS_MAX = THREAD_BYTES / 4 - ThreadWord.PinnedHashes;

/**
 * Pins keys for the calling thread, which has none pinned and holds the locks of their shards.
 * @param slots slots of keys @param hashes index hashes of keys, both by argument @param args the arguments that are keys
 * @param count how many there are, at most PINS_MAX
 * @param writes whether the command may change any of them
 */
export function pinKeys(
  memory: SharedMemory,
  slots: Int32Array,
  hashes: Int32Array,
  args: Int32Array,
  count: number,
  writes = false,
): void {
  const { control, thread } = memory;
  for (let i = 0; i < count; i++) {
    const arg = args[i]!;
    control[threadWord(thread, ThreadWord.PinnedHashes) + i] = hashes[arg]!;
    control[shardWord(slots[arg]! >>> SLOT_TO_SHARD_SHIFT, ShardWord.Pinned)]! += 1;
  }
  Atomics.store(control, threadWord(thread, ThreadWord.Pins), writes ? count | FOR_WRITING : count);
  Atomics.add(control, GlobalWord.Pinning, 1);
}

/** Takes the pins back, with the same locks held and the same arguments as pinKeys(). */
export function unpinKeys(memory: SharedMemory, slots: Int32Array, args: Int32Array, count: number): void {
  const { control, thread } = memory;
  for (let i = 0; i < count; i++)
    control[shardWord(slots[args[i]!]! >>> SLOT_TO_SHARD_SHIFT, ShardWord.Pinned)]! -= 1;
  Atomics.store(control, threadWord(thread, ThreadWord.Pins), 0);
  Atomics.sub(control, GlobalWord.Pinning, 1);
  Atomics.notify(control, GlobalWord.Pinning);
}

/** Whether another thread has pinned a key. The caller holds the lock of its shard. */
export function isPinned(memory: SharedMemory, shard: number, hash: number): boolean {
  return memory.control[shardWord(shard, ShardWord.Pinned)] !== 0 && isHashPinned(memory, hash, 0);
}

/** Whether another thread has pinned a key that it is going to change. The caller holds the lock of its shard. */
export function isPinnedForWriting(memory: SharedMemory, shard: number, hash: number): boolean {
  const pinned = memory.control[shardWord(shard, ShardWord.Pinned)] !== 0;
  return pinned && isHashPinned(memory, hash, FOR_WRITING);
}

/** @param mode FOR_WRITING: only pins of writers count; 0: all */
function isHashPinned(memory: SharedMemory, hash: number, mode: number): boolean {
  const { control, thread } = memory;
  for (let other = 1; other <= THREADS_MAX - 1; other++) {
    if (other === thread) continue;
    const word = control[threadWord(other, ThreadWord.Pins)]!;
    if ((word & mode) !== mode) continue;
    const pins = word & ~FOR_WRITING;
    const first = threadWord(other, ThreadWord.PinnedHashes);
    for (let i = 0; i < pins; i++) if (control[first + i] === hash) return true;
  }
  return false;
}

/** Sleeps until a thread takes its pins back, a millisecond at most; holding no locks. Not for threads that own sockets. */
export function waitForPins(memory: SharedMemory): void {
  const pinning = Atomics.load(memory.control, GlobalWord.Pinning);
  if (pinning !== 0) Atomics.wait(memory.control, GlobalWord.Pinning, pinning, 1);
}

/** Whether any thread has keys pinned: what FLUSHALL and SWAPDB wait for. */
export function anyPins(memory: SharedMemory): boolean {
  return Atomics.load(memory.control, GlobalWord.Pinning) !== 0;
}

/** How long one waits for a moment without pins before long commands are held back (ms). */
const CLOSE_AFTER_MS = 100;

/**
 * Waits until no thread has keys pinned, again and again until `attempt` has been lucky. Long commands that overlap would
 * make that never: after a while none begins. For threads that may sleep, hold no lock and have nothing pinned.
 * @param attempt takes the locks it needs and looks whether there are pins; @returns whether it is done
 */
export function withoutPins(memory: SharedMemory, attempt: () => boolean): void {
  const { control } = memory;
  const closeAt = performance.now() + CLOSE_AFTER_MS;
  let closed = false;
  try {
    do {
      while (anyPins(memory)) {
        if (!closed && performance.now() >= closeAt) {
          Atomics.add(control, GlobalWord.PinsClosed, 1);
          closed = true;
        }
        waitForPins(memory);
      }
    } while (!attempt());
  } finally {
    if (closed) {
      Atomics.sub(control, GlobalWord.PinsClosed, 1);
      Atomics.notify(control, GlobalWord.PinsClosed);
    }
  }
}

/** Sleeps while long commands are held back, some ms at most; holding no locks. @returns whether they were */
export function waitForOpenPins(memory: SharedMemory): boolean {
  const closed = Atomics.load(memory.control, GlobalWord.PinsClosed);
  if (closed !== 0) Atomics.wait(memory.control, GlobalWord.PinsClosed, closed, 10);
  return closed !== 0;
}
