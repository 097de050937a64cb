// maxmemory-clients: what the clients of all acceptors take together is limited; those that take most are closed.
//
// Each acceptor counts its own: a client is looked at again at the end of a turn in which it has read or written. The sums, and
// the most that one of its clients takes, are in the shared counters (Stat.ClientsMemory, Stat.LargestClient). Over the limit, the
// acceptor that has the largest client closes it, until it is enough; one that has not, wakes the others. The most may be
// less by now than the counter says: then its acceptor sets that right when it is woken, and wakes the others in turn.
//
// Without the directive nothing is counted here; a connection asks one flag.

import { clientMemory } from '../commands/client-line.ts';
import type { ConfigStore } from '../config/store.ts';
import { Stat, type Stats } from '../metrics/stats.ts';
import type { Connection } from './connection.ts';

/** A lower limit would let nobody in to change it. */
const LIMIT_MIN = 128 * 1024;
const WARN_MS = 1000;
/** Stat.LargestClient of an acceptor that counts: nobody may take another's client for the largest until it is done. */
const COUNTING = Number.MAX_SAFE_INTEGER;

export interface ClientMemoryPlace {
  readonly config: ConfigStore;
  readonly stats: Stats;
  connections(): Iterable<Connection>;
  /** Wakes the other acceptors, which then call check(). */
  wakeOthers(): void;
  /** A client is about to be closed. */
  evicting(connection: Connection): void;
  /** Nobody is left who may be closed. */
  stuck(): void;
}

export class ClientMemory {
  /** Whether there is a limit. */
  active = false;
  readonly #place: ClientMemoryPlace;
  readonly #changed = new Set<Connection>();
  /** Bytes, by connection, as last counted. */
  readonly #counted = new Map<Connection, number>();
  #limit = 0;
  #sum = 0;
  #largest = 0;
  /** Whether all clients are counted since the limit was set. */
  #ready = false;
  #warnedAt = Number.NEGATIVE_INFINITY;
  readonly #countLater = (): void => this.#count();

  constructor(place: ClientMemoryPlace) {
    this.#place = place;
    const follow = (): void => this.#follow();
    this.#follow();
    for (const name of ['maxmemory-clients', 'maxmemory'] as const) place.config.watch(name, follow);
  }

  /** A client has read or written something, or is new. To be called while `active`. */
  changed(connection: Connection): void {
    if (this.#changed.size === 0) setImmediate(this.#countLater);
    this.#changed.add(connection);
  }

  forget(connection: Connection): void {
    if (!this.active) return;
    this.#changed.delete(connection);
    this.#sum -= this.#counted.get(connection) ?? 0;
    this.#counted.delete(connection);
    this.#place.stats.set(Stat.ClientsMemory, this.#sum);
  }

  /** Closes clients if all take too much together. */
  check(): void {
    const { stats } = this.#place;
    while (this.active && this.#ready && stats.sum(Stat.ClientsMemory) >= this.#limit) {
      const largest = this.#findLargest();
      const most = stats.max(Stat.LargestClient);
      if (largest === null || this.#largest < most) {
        if (most > 0) this.#place.wakeOthers();
        else this.#warn();
        return;
      }
      this.#place.evicting(largest);
      largest.kill();
    }
  }

  #follow(): void {
    const { config, connections } = this.#place;
    const value = config.getMemory('maxmemory-clients');
    const maxMemory = config.getMemory('maxmemory');
    let limit = value;
    // A negative one is a percentage; of nothing it limits nothing.
    if (value < 0) limit = Math.floor((maxMemory * -value) / 100);
    this.active = limit > 0;
    this.#limit = Math.max(limit, LIMIT_MIN);
    this.#counted.clear();
    this.#sum = 0;
    this.#largest = 0;
    this.#ready = false;
    this.#tellLargest(COUNTING);
    if (!this.active) return;
    for (const connection of connections()) this.#changed.add(connection);
    // Not before the command that sets the limit is done.
    setImmediate(this.#countLater);
  }

  #count(): void {
    for (const connection of this.#changed) {
      const bytes = connection.gone ? 0 : clientMemory(connection.session, connection);
      this.#sum += bytes - (this.#counted.get(connection) ?? 0);
      this.#counted.set(connection, bytes);
      if (bytes > this.#largest && !connection.session.noEvict) this.#largest = bytes;
    }
    this.#changed.clear();
    if (!this.active) return;
    this.#ready = true;
    // Never the one number of now beside the other of before.
    this.#tellLargest(COUNTING);
    this.#place.stats.set(Stat.ClientsMemory, this.#sum);
    this.#tellLargest(this.#largest);
    this.check();
  }

  /** The client that takes most of those that may be closed; null if there is none. */
  #findLargest(): Connection | null {
    let found: Connection | null = null;
    let most = 0;
    for (const [connection, bytes] of this.#counted) {
      if (bytes <= most || connection.session.noEvict || connection.gone) continue;
      found = connection;
      most = bytes;
    }
    this.#largest = most;
    this.#tellLargest(most);
    return found;
  }

  #tellLargest(bytes: number): void {
    this.#place.stats.set(Stat.LargestClient, bytes);
  }

  #warn(): void {
    const now = performance.now();
    if (now - this.#warnedAt < WARN_MS) return;
    this.#warnedAt = now;
    this.#place.stuck();
  }
}
