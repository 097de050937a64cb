// Locks in shared memory: one Int32 word each.
//
//   0            free
//   id           held by thread `id` (1-based), nobody waits
//   id | WAITED  held, and some thread sleeps on the word
//
// tryLock never waits (acceptors); lockWithin waits for a short time. lock() spins for a moment, then sleeps on the word (shard workers).
// A thread that slept takes the lock with WAITED set, as others may still sleep: one spare wake-up at the most.
// Not reentrant; the holder is checked when it unlocks, so that a lock freed by another thread ends the process.

export const WAITED = 0x10000;
const SPINS = 200;
const SLEEP_MS = 1000;

/** Takes the lock if it is free. @param word index into `words` @param thread id of the caller, 1..65535 */
export function tryLock(words: Int32Array, word: number, thread: number): boolean {
  return Atomics.compareExchange(words, word, 0, thread) === 0;
}

/** As tryLock, but looks up to `spins` times (about 30 ns each). */
export function trySpin(words: Int32Array, word: number, thread: number, spins: number): boolean {
  for (let i = 0; i < spins; i++) {
    if (Atomics.compareExchange(words, word, 0, thread) === 0) return true;
    Atomics.pause();
  }
  return false;
}

/** Takes the lock, sleeping until it is free. Not for threads that own sockets. */
export function lock(words: Int32Array, word: number, thread: number): void {
  if (trySpin(words, word, thread, SPINS)) return;
  for (;;) {
    const holder = Atomics.load(words, word);
    if (holder === 0) {
      if (Atomics.compareExchange(words, word, 0, thread | WAITED) === 0) return;
      continue;
    }
    const waited = holder | WAITED;
    if (holder !== waited && Atomics.compareExchange(words, word, holder, waited) !== holder) continue;
    // The time-out only bounds the harm of a lost wake-up, which the protocol above excludes.
    Atomics.wait(words, word, waited, SLEEP_MS);
  }
}

/**
 * As lock(), for at most about `ms`: for acceptors, where the holder is known to let go soon.
 * @returns false if the time was over first
 */
export function lockWithin(words: Int32Array, word: number, thread: number, ms: number): boolean {
  const deadline = performance.now() + ms;
  for (;;) {
    const holder = Atomics.load(words, word);
    if (holder === 0) {
      if (Atomics.compareExchange(words, word, 0, thread | WAITED) === 0) return true;
      continue;
    }
    const left = deadline - performance.now();
    if (left <= 0) return false;
    const waited = holder | WAITED;
    if (holder !== waited && Atomics.compareExchange(words, word, holder, waited) !== holder) continue;
    Atomics.wait(words, word, waited, left);
  }
}

/** Whether some thread sleeps until the lock is free. To be asked again and again: a plain read, which may be a little late. */
export function isWaitedFor(words: Int32Array, word: number): boolean {
  return (words[word]! & WAITED) !== 0;
}

/** Frees the lock. Throws if the caller does not hold it. */
export function unlock(words: Int32Array, word: number, thread: number): void {
  const holder = Atomics.exchange(words, word, 0);
  if (holder === thread) return;
  if ((holder & ~WAITED) !== thread)
    throw new Error(`lock ${word} freed by ${thread}, held by ${holder & ~WAITED}`);
  Atomics.notify(words, word, 1);
}

/** Id of the thread that holds the lock, 0 if free. */
export function holderOf(words: Int32Array, word: number): number {
  return Atomics.load(words, word) & ~WAITED;
}
