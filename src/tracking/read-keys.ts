// The keys that one acceptor's clients have read, each with the ids of these clients; and how they get into the directory
// that all threads see, which has one entry for each client and key.
//
// A name is there until its clients have been told that it changed. That goes also for clients that do not track any more, since
// they may begin again, as in Redis. What clients that are gone have left is swept away in steps.
//
// Memory: about 60 bytes and the name, for a key read by one client. `tracking-table-max-keys` limits the number over all acceptors; READ_KEYS_MAX
// that of one acceptor in any case.

import type { Directory } from '../pubsub/directory.ts';

/** Beyond this the oldest names go, whatever `tracking-table-max-keys` says. */
export const READ_KEYS_MAX = 2 ** 22;
/** Names looked at in one step of a sweep, and ms between two steps. */
const SWEEP_STEP = 4096;
const SWEEP_MS = 10;
/** The directory is one for keys alone: it needs no kinds. */
export const KEY_KIND = 0;

/** Ids of clients: one, or several. */
type Readers = number | Set<number>;

export class ReadKeys {
  readonly #directory: Directory;
  readonly #acceptor: number;
  #names = new Map<string, Readers>();
  /** Clients that are gone: those that a sweep is looking for, and those for the next one. */
  #swept: Set<number> | null = null;
  #gone = new Set<number>();
  #sweep: MapIterator<[string, Readers]> | null = null;
  #sweepTimer: NodeJS.Timeout | null = null;
  readonly #onChange: () => void;

  /** @param acceptor whose clients they are @param onChange called when it becomes empty or has its first name */
  constructor(directory: Directory, acceptor: number, onChange: () => void) {
    this.#directory = directory;
    this.#acceptor = acceptor;
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#names.size;
  }

  /** Whether it still looks for what clients that are gone have left. */
  get sweeping(): boolean {
    return this.#sweepTimer !== null;
  }

  /** The name that was read first, undefined if there is none. latin1 */
  get oldest(): string | undefined {
    return this.#names.keys().next().value;
  }

  /**
   * A client has read a key.
   * @param name latin1
   * @param added whether another thread has put it into the directory for this client
   * @returns false if there is no room for it in the directory
   */
  add(name: string, client: number, added: boolean): boolean {
    const readers = this.#names.get(name);
    if (readers === client || (typeof readers === 'object' && readers.has(client))) {
      if (added) this.#uncount(name);
      return true;
    }
    if (!added && !this.#directory.add(KEY_KIND, Buffer.from(name, 'latin1'), this.#acceptor)) return false;
    if (readers === undefined) {
      this.#names.set(name, client);
      if (this.#names.size === 1) this.#onChange();
    } else if (typeof readers === 'number') this.#names.set(name, new Set([readers, client]));
    else readers.add(client);
    return true;
  }

  /** Takes a name out. @returns who had read it; undefined for nobody */
  take(name: string): Readers | undefined {
    const readers = this.#names.get(name);
    if (readers === undefined) return undefined;
    this.#names.delete(name);
    this.#uncount(name, readerCount(readers));
    if (this.#names.size === 0) this.#onChange();
    return readers;
  }

  /** Takes all out; of very many, the directory learns in steps. */
  clear(): void {
    if (this.#names.size === 0) return;
    const names = this.#names.entries();
    this.#names = new Map();
    this.#sweep = null;
    this.#onChange();
    const step = (): void => {
      for (let i = 0; i < SWEEP_STEP; i++) {
        const { done, value } = names.next();
        if (done) return;
        this.#uncount(value[0], readerCount(value[1]));
      }
      setImmediate(step);
    };
    step();
  }

  /** A client that has read keys is gone. */
  forget(client: number): void {
    if (this.#names.size === 0) return;
    this.#gone.add(client);
    this.#sweepTimer ??= setTimeout(() => this.#sweepSome(), SWEEP_MS).unref();
  }

  /** Another thread has put a name into the directory for a client that is gone. */
  drop(name: string): void {
    this.#uncount(name);
  }

  #uncount(name: string, by = 1): void {
    const bytes = Buffer.from(name, 'latin1');
    for (let i = 0; i < by; i++) this.#directory.remove(KEY_KIND, bytes, this.#acceptor);
  }

  #sweepSome(): void {
    this.#sweepTimer = null;
    if (this.#sweep === null) {
      if (this.#gone.size === 0) return;
      this.#swept = this.#gone;
      this.#gone = new Set();
      this.#sweep = this.#names.entries();
    }
    for (let i = 0; i < SWEEP_STEP; i++) {
      const { done, value } = this.#sweep.next();
      if (done) {
        this.#sweep = null;
        break;
      }
      this.#sweepName(value[0], value[1]);
    }
    this.#sweepTimer = setTimeout(() => this.#sweepSome(), SWEEP_MS).unref();
  }

  #sweepName(name: string, readers: Readers): void {
    const gone = this.#swept!;
    if (typeof readers === 'number') {
      if (gone.has(readers)) this.take(name);
      return;
    }
    for (const client of readers) {
      if (!gone.has(client)) continue;
      if (readers.size === 1) {
        this.take(name);
        return;
      }
      readers.delete(client);
      this.#uncount(name);
    }
  }
}

function readerCount(readers: Readers): number {
  return typeof readers === 'number' ? 1 : readers.size;
}
