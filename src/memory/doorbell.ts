// How a thread is woken: a word per thread that others add to and notify.
//
// The sleeper says that it sleeps, looks once more for work, and waits on the value it saw: a ring in between changes
// the value and the wait returns at once. Ringers notify only a thread that sleeps (40 ns saved otherwise).

import { ThreadWord, threadWord } from './layout.ts';

/** Wakes a thread. @param thread 1..THREADS_MAX */
export function ring(control: Int32Array, thread: number): void {
  const bell = threadWord(thread, ThreadWord.Doorbell);
  Atomics.add(control, bell, 1);
  if (Atomics.load(control, threadWord(thread, ThreadWord.Asleep)) === 1) Atomics.notify(control, bell);
}

/**
 * Sleeps until somebody rings or `ms` have passed. For threads that may block.
 * @param busy looked at after saying that it sleeps; true: do not sleep
 */
export function sleep(control: Int32Array, thread: number, ms: number, busy: () => boolean): void {
  const bell = threadWord(thread, ThreadWord.Doorbell);
  const asleep = threadWord(thread, ThreadWord.Asleep);
  const seen = Atomics.load(control, bell);
  Atomics.store(control, asleep, 1);
  if (!busy()) Atomics.wait(control, bell, seen, ms);
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
