// How a thread is woken: a word per thread that others add to and notify.
//
// The sleeper notes the bell's value, looks for work, says that it sleeps and waits on the value it noted: a ring since
// then has changed it and the wait returns at once. So whatever was made ready before a ring is found or wakes.
// Ringers notify only a thread that sleeps (40 ns saved otherwise).

import { ThreadWord, threadWord } from './layout.ts';

/** Wakes a thread. @param thread 1..THREADS_MAX */
export function ring(control: Int32Array, thread: number): void {
  const bell = threadWord(thread, ThreadWord.Doorbell);
  Atomics.add(control, bell, 1);
  if (Atomics.load(control, threadWord(thread, ThreadWord.Asleep)) === 1) Atomics.notify(control, bell);
}

/** What sleep() has to be given: to be read before looking for work. */
export function bellOf(control: Int32Array, thread: number): number {
  return Atomics.load(control, threadWord(thread, ThreadWord.Doorbell));
}

/**
 * Sleeps until somebody rings or `ms` have passed; not at all if somebody has rung since `seen`. For threads that may
 * block.
 * @param seen bellOf() from before the last look for work
 */
export function sleep(control: Int32Array, thread: number, seen: number, ms: number): void {
  const asleep = threadWord(thread, ThreadWord.Asleep);
  Atomics.store(control, asleep, 1);
  Atomics.wait(control, threadWord(thread, ThreadWord.Doorbell), seen, ms);
  Atomics.store(control, asleep, 0);
}

/** Calls `wake` on the event loop after each ring, for ever. For threads that own sockets. */
export function listen(control: Int32Array, thread: number, wake: () => void): void {
  const bell = threadWord(thread, ThreadWord.Doorbell);
  Atomics.store(control, threadWord(thread, ThreadWord.Asleep), 1);
  let seen = Atomics.load(control, bell);
  const wait = (): void => {
    const result = Atomics.waitAsync(control, bell, seen);
    if (result.async) void result.value.then(woken);
    else queueMicrotask(woken);
  };
  const woken = (): void => {
    seen = Atomics.load(control, bell);
    wake();
    wait();
  };
  wait();
}
