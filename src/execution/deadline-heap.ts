// Waiting clients by the end of their time-outs: a binary heap in which each knows its place, so that one that is served
// leaves at once and does not stay until its time comes.

import type { Waiter } from './waiter.ts';

export class DeadlineHeap {
  readonly #heap: Waiter[] = [];

  get size(): number {
    return this.#heap.length;
  }

  /** Who is first; null if nobody has a time-out. */
  get first(): Waiter | null {
    return this.#heap[0] ?? null;
  }

  add(waiter: Waiter): void {
    this.#heap.push(waiter);
    this.#up(this.#heap.length - 1, waiter);
  }

  /** Takes one out; nothing happens if it is not in. */
  remove(waiter: Waiter): void {
    const at = waiter.heapIndex;
    if (at < 0) return;
    waiter.heapIndex = -1;
    const last = this.#heap.pop()!;
    if (last === waiter) return;
    this.#up(at, last);
    if (last.heapIndex === at) this.#down(at, last);
  }

  #up(at: number, waiter: Waiter): void {
    const heap = this.#heap;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1]!;
      if (parent.until <= waiter.until) break;
      this.#put(at, parent);
      at = (at - 1) >> 1;
    }
    this.#put(at, waiter);
  }

  #down(at: number, waiter: Waiter): void {
    const heap = this.#heap;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.until < heap[child]!.until) child++;
      if (heap[child]!.until >= waiter.until) break;
      this.#put(at, heap[child]!);
      at = child;
    }
    this.#put(at, waiter);
  }

  #put(at: number, waiter: Waiter): void {
    this.#heap[at] = waiter;
    waiter.heapIndex = at;
  }
}
