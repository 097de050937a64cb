// The clients of one acceptor by id, and what other threads may ask of it about them (`clientMethods`).
//
// CLIENT LIST and KILL ask every acceptor and put the answers together. Payloads and answers are plain data.

import { type ClientFilter, clientMatches } from '../commands/client-filter.ts';
import { type ClientBuffers, clientLine } from '../commands/client-line.ts';
import type { Session } from '../commands/session.ts';
import type { PushTarget } from '../pubsub/hub.ts';
import type { TrackingTarget } from '../tracking/hub.ts';

/** What a connection offers. */
export interface RegisteredClient extends ClientBuffers, PushTarget, TrackingTarget {
  readonly session: Session;
  /** Closes at once; replies that it has not taken are lost. */
  kill(): void;
}

/** One line of CLIENT LIST. */
export interface ListedClient {
  readonly id: number;
  readonly line: string;
}

export interface KillRequest {
  readonly filter: ClientFilter;
  /** Never killed here: the client that asks, which closes itself after its reply. */
  readonly except: number;
}

export class ClientRegistry {
  readonly #clients = new Map<number, RegisteredClient>();

  add(client: RegisteredClient): void {
    this.#clients.set(client.session.id, client);
  }

  remove(id: number): void {
    this.#clients.delete(id);
  }

  /** The connection of a client, undefined if it is not there. */
  find(id: number): RegisteredClient | undefined {
    return this.#clients.get(id);
  }

  /** The connection of a client that is there. */
  connectionOf(id: number): RegisteredClient {
    return this.#clients.get(id)!;
  }

  get size(): number {
    return this.#clients.size;
  }

  /** @returns the client's line, for the log; empty if it is not there */
  describe(id: number, now: number): string {
    const client = this.#clients.get(id);
    return client === undefined ? '' : clientLine(client.session, client, now);
  }

  list(filter: ClientFilter, now: number): ListedClient[] {
    return this.#matching(filter, now).map((client) => ({
      id: client.session.id,
      line: clientLine(client.session, client, now),
    }));
  }

  /** @returns how many were killed */
  kill(request: KillRequest, now: number): number {
    const doomed = this.#matching(request.filter, now).filter(
      (client) => client.session.id !== request.except,
    );
    for (const client of doomed) client.kill();
    return doomed.length;
  }

  /** Ids are looked up, so that asking for a few among many clients is cheap. */
  #matching(filter: ClientFilter, now: number): RegisteredClient[] {
    const some =
      filter.ids === undefined
        ? [...this.#clients.values()]
        : [...new Set(filter.ids)].flatMap((id) => this.#clients.get(id) ?? []);
    return some.filter((client) => clientMatches(client.session, filter, now));
  }
}

// biome-ignore lint/suspicious/noExplicitAny: payloads are what caller and method agree on
type ClientMethod = (registry: ClientRegistry, payload: any) => unknown;

/** Methods of every acceptor, for ServerApi.askAcceptors. */
export const clientMethods: Readonly<Record<string, ClientMethod>> = {
  /** @returns ListedClient[] */
  'client-list': (registry, filter: ClientFilter) => registry.list(filter, Date.now()),
  /** @returns number of clients killed */
  'client-kill': (registry, request: KillRequest) => registry.kill(request, Date.now()),
};
