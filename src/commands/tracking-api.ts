// What commands need of client-side caching: declared here, implemented in the room `tracking`, so that lower rooms import no
// higher ones.

import type { Session } from './session.ts';

/** Bits of `Session.tracking`. */
export const Track = {
  On: 1,
  /** BCAST: hears of all keys with its prefixes, whether it has read them or not. */
  Broadcast: 2,
  OptIn: 4,
  OptOut: 8,
  /** Does not hear of what it changes itself. */
  NoLoop: 16,
  /** The client it redirects to is gone. */
  Broken: 32,
  /** CLIENT CACHING: the next command's keys are remembered with OPTIN, not remembered with OPTOUT. */
  Caching: 64,
} as const;

/** How many bits `Track` has. */
export const TRACK_BITS = 7;

export interface Tracking {
  /** Different keys that clients are to be told of. */
  readonly keys: number;
  /** The same, a key counted for each client. */
  readonly items: number;
  /** Different prefixes that somebody broadcasts. */
  readonly prefixes: number;

  // On acceptors only.

  /**
   * Begins, or goes on with other options.
   * @param options bits of Track
   * @param redirect id of the client to be told instead, 0: the client itself @param home number of that client's acceptor
   * @param prefixes latin1, added to those it has
   * @returns false if there is no room for one more prefix
   */
  enable(
    session: Session,
    options: number,
    redirect: number,
    home: number,
    prefixes: readonly string[],
  ): boolean;
  disable(session: Session): void;
  /** Number of the acceptor if it has a client of this id, else -1. */
  homeOf(id: number): number;
  /** Tells a client to forget everything. */
  tellAll(session: Session): void;
}

/** Where nobody caches: commands run without a server. */
export class NoTracking implements Tracking {
  readonly keys = 0;
  readonly items = 0;
  readonly prefixes = 0;
  enable(): boolean {
    return false;
  }
  disable(): void {}
  homeOf(): number {
    return -1;
  }
  tellAll(): void {}
}
