// How many clients of which acceptor have subscribed to what: in shared memory, so that a publisher on any thread knows at
// once who is to get its message and what to answer.
//
//   words of 32 bits
//   0     subscriptions by kind (ChannelKind), each on 128 bytes of its own
//   96    different names by kind, the same
//   192   clients that have subscribed to anything
//   224   16 stripes' heads, 32 words each: lock | entries in use | capacity
//   768   16 stripes of entries: hash low | hash high | acceptor | subscribers (0: free)
//
// A stripe is a hash table with linear probing under a lock of its own, chosen by the upper bits of the hash. It doubles
// when it is three quarters full, up to STRIPE_MAX entries; memory is committed where it is touched. A name with
// subscribers on several acceptors has an entry for each.
//
// Patterns are counted here too, but a publisher must know their texts: pattern-log.ts.

import { CHANNEL_KINDS, type ChannelKind } from '../commands/pubsub-api.ts';
import { lock, unlock } from '../memory/lock.ts';
import { hashChannel, hashHigh, hashLow } from './channel-hash.ts';

const LINE = 32;
const DISTINCT = CHANNEL_KINDS * LINE;
const CLIENTS = DISTINCT * 2;
const HEADS = CLIENTS + LINE;
const STRIPES = 16;
const STRIPE_SHIFT = 28;
const DATA = HEADS + STRIPES * LINE + LINE;
const ENTRY = 4;
/** 12 million names in all. */
const STRIPE_MAX = 2 ** 20;
const STRIPE_MIN = 64;

/** Words of a stripe's head. */
const Head = { Lock: 0, Used: 1, Capacity: 2 } as const;
/** Words of an entry. */
const Entry = { Low: 0, High: 1, Acceptor: 2, Count: 3 } as const;

export function allocateDirectory(): SharedArrayBuffer {
  return new SharedArrayBuffer((DATA + STRIPES * STRIPE_MAX * ENTRY) * 4);
}

export class Directory {
  readonly #words: Int32Array;
  readonly #thread: number;

  /** @param thread id of the calling thread, the name it takes locks under */
  constructor(buffer: SharedArrayBuffer, thread: number) {
    this.#words = new Int32Array(buffer);
    this.#thread = thread;
  }

  /** Subscriptions of a kind over all acceptors. */
  total(kind: ChannelKind): number {
    return this.#words[kind * LINE]!;
  }

  /** Different names of a kind that somebody has subscribed to. */
  distinct(kind: ChannelKind): number {
    return this.#words[DISTINCT + kind * LINE]!;
  }

  /** Clients that have subscribed to anything. */
  get clients(): number {
    return this.#words[CLIENTS]!;
  }

  countClients(by: number): void {
    Atomics.add(this.#words, CLIENTS, by);
  }

  /**
   * Adds the subscribers of a name to `counts`, by acceptor.
   * @returns how many there are
   */
  count(kind: ChannelKind, name: Buffer, off: number, len: number, counts: Int32Array): number {
    hashChannel(kind, name, off, len);
    const low = hashLow;
    const high = hashHigh;
    const words = this.#words;
    const head = headOf(high);
    let found = 0;
    lock(words, head + Head.Lock, this.#thread);
    const mask = words[head + Head.Capacity]! - 1;
    if (mask > 0) {
      const base = baseOf(high);
      for (let i = low & mask; ; i = (i + 1) & mask) {
        const at = base + i * ENTRY;
        const count = words[at + Entry.Count]!;
        if (count === 0) break;
        if (words[at + Entry.Low] !== low || words[at + Entry.High] !== high) continue;
        counts[words[at + Entry.Acceptor]!]! += count;
        found += count;
      }
    }
    unlock(words, head + Head.Lock, this.#thread);
    return found;
  }

  /** One more subscriber of an acceptor. @returns false if there is no room for the name */
  add(kind: ChannelKind, name: Buffer, acceptor: number): boolean {
    hashChannel(kind, name, 0, name.length);
    const words = this.#words;
    const head = headOf(hashHigh);
    lock(words, head + Head.Lock, this.#thread);
    const added = this.#add(kind, hashLow, hashHigh, acceptor);
    unlock(words, head + Head.Lock, this.#thread);
    if (added) Atomics.add(words, kind * LINE, 1);
    return added;
  }

  /** One subscriber less. There must be one. */
  remove(kind: ChannelKind, name: Buffer, acceptor: number): void {
    hashChannel(kind, name, 0, name.length);
    const words = this.#words;
    const head = headOf(hashHigh);
    lock(words, head + Head.Lock, this.#thread);
    this.#remove(kind, hashLow, hashHigh, acceptor);
    unlock(words, head + Head.Lock, this.#thread);
    Atomics.sub(words, kind * LINE, 1);
  }

  #add(kind: ChannelKind, low: number, high: number, acceptor: number): boolean {
    const words = this.#words;
    const head = headOf(high);
    if (!this.#makeRoom(high)) return false;
    const mask = words[head + Head.Capacity]! - 1;
    const base = baseOf(high);
    let known = false;
    let at = base + (low & mask) * ENTRY;
    for (let i = low & mask; words[at + Entry.Count] !== 0; ) {
      if (words[at + Entry.Low] === low && words[at + Entry.High] === high) {
        known = true;
        if (words[at + Entry.Acceptor] === acceptor) break;
      }
      i = (i + 1) & mask;
      at = base + i * ENTRY;
    }
    if (words[at + Entry.Count] === 0) {
      words[at + Entry.Low] = low;
      words[at + Entry.High] = high;
      words[at + Entry.Acceptor] = acceptor;
      words[head + Head.Used]! += 1;
      if (!known) Atomics.add(words, DISTINCT + kind * LINE, 1);
    }
    words[at + Entry.Count]! += 1;
    return true;
  }

  #remove(kind: ChannelKind, low: number, high: number, acceptor: number): void {
    const words = this.#words;
    const head = headOf(high);
    const mask = words[head + Head.Capacity]! - 1;
    const base = baseOf(high);
    let mine = -1;
    let others = false;
    for (let i = low & mask; words[base + i * ENTRY + Entry.Count] !== 0; i = (i + 1) & mask) {
      const at = base + i * ENTRY;
      if (words[at + Entry.Low] !== low || words[at + Entry.High] !== high) continue;
      if (words[at + Entry.Acceptor] === acceptor) mine = i;
      else others = true;
    }
    if (mine < 0) throw new Error('a subscription is not in the directory');
    const left = words[base + mine * ENTRY + Entry.Count]! - 1;
    words[base + mine * ENTRY + Entry.Count] = left;
    if (left > 0) return;
    this.#close(base, mine, mask);
    words[head + Head.Used]! -= 1;
    if (!others) Atomics.sub(words, DISTINCT + kind * LINE, 1);
  }

  /** Closes the gap at entry `gap`: what was pushed behind it by earlier entries moves up. */
  #close(base: number, gap: number, mask: number): void {
    const words = this.#words;
    for (let i = (gap + 1) & mask; words[base + i * ENTRY + Entry.Count] !== 0; i = (i + 1) & mask) {
      const home = words[base + i * ENTRY + Entry.Low]! & mask;
      // It may move only to where a search from its home comes by.
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      words.copyWithin(base + gap * ENTRY, base + i * ENTRY, base + (i + 1) * ENTRY);
      words[base + i * ENTRY + Entry.Count] = 0;
      gap = i;
    }
  }

  #makeRoom(high: number): boolean {
    const words = this.#words;
    const head = headOf(high);
    const capacity = words[head + Head.Capacity]!;
    if (capacity === 0) {
      words[head + Head.Capacity] = STRIPE_MIN;
      return true;
    }
    if ((words[head + Head.Used]! + 1) * 4 <= capacity * 3) return true;
    if (capacity === STRIPE_MAX) return false;
    this.#grow(head, baseOf(high), capacity);
    return true;
  }

  #grow(head: number, base: number, capacity: number): void {
    const words = this.#words;
    const old = words.slice(base, base + capacity * ENTRY);
    words.fill(0, base, base + capacity * ENTRY);
    const mask = capacity * 2 - 1;
    for (let from = 0; from < old.length; from += ENTRY) {
      if (old[from + Entry.Count] === 0) continue;
      let i = old[from + Entry.Low]! & mask;
      while (words[base + i * ENTRY + Entry.Count] !== 0) i = (i + 1) & mask;
      for (let word = 0; word < ENTRY; word++) words[base + i * ENTRY + word] = old[from + word]!;
    }
    words[head + Head.Capacity] = capacity * 2;
  }
}

function headOf(high: number): number {
  return HEADS + (high >>> STRIPE_SHIFT) * LINE;
}

function baseOf(high: number): number {
  return DATA + (high >>> STRIPE_SHIFT) * STRIPE_MAX * ENTRY;
}
