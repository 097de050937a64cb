// BCAST: the prefixes of one acceptor's clients, and the keys that have changed since they were last told. They are told once
// in a turn of the event loop, of all keys together, sorted and each once, as Redis does before it sleeps.

import type { TrackingTarget } from './hub.ts';
import { Invalidation } from './invalidation.ts';

interface Prefix {
  readonly clients: Set<TrackingTarget>;
  /** Keys, latin1, and who changed them last: not told if that client has said NOLOOP. */
  keys: Map<string, number>;
}

export class Broadcast {
  readonly #prefixes = new Map<string, Prefix>();
  readonly #tell: (target: TrackingTarget, what: Invalidation) => void;
  readonly #isMuted: (target: TrackingTarget) => boolean;
  #scheduled = false;
  readonly #send = (): void => this.#sendAll();

  /** @param isMuted whether a client does not hear of its own changes */
  constructor(
    tell: (target: TrackingTarget, what: Invalidation) => void,
    isMuted: (target: TrackingTarget) => boolean,
  ) {
    this.#tell = tell;
    this.#isMuted = isMuted;
  }

  /** @param name latin1 */
  add(name: string, target: TrackingTarget): void {
    let prefix = this.#prefixes.get(name);
    if (prefix === undefined) {
      prefix = { clients: new Set(), keys: new Map() };
      this.#prefixes.set(name, prefix);
    }
    prefix.clients.add(target);
  }

  remove(name: string, target: TrackingTarget): void {
    const prefix = this.#prefixes.get(name)!;
    prefix.clients.delete(target);
    if (prefix.clients.size === 0) this.#prefixes.delete(name);
  }

  /** A key has changed. @param key latin1 @param writer id of the client that did it, 0: none */
  changed(key: string, writer: number): void {
    for (const [name, { keys }] of this.#prefixes) {
      if (!key.startsWith(name)) continue;
      keys.set(key, writer);
      if (this.#scheduled) continue;
      this.#scheduled = true;
      setImmediate(this.#send);
    }
  }

  /** Does not wait for the end of the turn. */
  settle(): void {
    if (this.#scheduled) this.#sendAll();
  }

  #sendAll(): void {
    this.#scheduled = false;
    const names = [...this.#prefixes.keys()].sort();
    for (const name of names) {
      const prefix = this.#prefixes.get(name);
      if (prefix === undefined || prefix.keys.size === 0) continue;
      const { keys } = prefix;
      prefix.keys = new Map();
      this.#sendTo(prefix.clients, keys);
    }
  }

  #sendTo(clients: ReadonlySet<TrackingTarget>, keys: ReadonlyMap<string, number>): void {
    const all = new Invalidation(encode([...keys.keys()]));
    for (const target of clients) {
      if (!this.#isMuted(target)) {
        this.#tell(target, all);
        continue;
      }
      const others = [...keys].filter(([, writer]) => writer !== target.session.id).map(([key]) => key);
      if (others.length > 0) this.#tell(target, new Invalidation(encode(others)));
    }
  }
}

/** latin1 sorts as its bytes do. */
function encode(keys: string[]): Buffer[] {
  return keys.sort().map((key) => Buffer.from(key, 'latin1'));
}
