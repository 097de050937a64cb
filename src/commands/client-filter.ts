// Which clients CLIENT LIST shows and CLIENT KILL ends. Filters are plain data: they travel to every acceptor.

import type { Session } from './session.ts';

/** Names of client types as commands take them. There are no masters and replicas here. */
const CLIENT_TYPES: ReadonlyMap<string, ClientType> = new Map([
  ['normal', 'normal'],
  ['master', 'master'],
  ['slave', 'replica'],
  ['replica', 'replica'],
  ['pubsub', 'pubsub'],
]);
export type ClientType = 'normal' | 'master' | 'replica' | 'pubsub';

/** @returns null if there is no such type */
export function readClientType(text: string): ClientType | null {
  return CLIENT_TYPES.get(text.toLowerCase()) ?? null;
}

/** A client must pass all that is there. */
export interface ClientFilter {
  readonly ids?: readonly number[];
  readonly address?: string;
  readonly localAddress?: string;
  readonly type?: ClientType;
  readonly user?: string;
  /** Seconds since it connected, at least. */
  readonly minAge?: number;
}

/** Clients in MONITOR count as normal ones, as in Redis. */
export function clientType(session: Session): ClientType {
  return session.subscribed ? 'pubsub' : 'normal';
}

/** @param now unix time in ms */
export function clientMatches(session: Session, filter: ClientFilter, now: number): boolean {
  if (filter.ids !== undefined && !filter.ids.includes(session.id)) return false;
  if (filter.address !== undefined && filter.address !== session.address) return false;
  if (filter.localAddress !== undefined && filter.localAddress !== session.localAddress) return false;
  if (filter.type !== undefined && filter.type !== clientType(session)) return false;
  if (filter.user !== undefined && filter.user !== session.user) return false;
  const age = Math.floor(now / 1000) - Math.floor(session.createdAt / 1000);
  return filter.minAge === undefined || age >= filter.minAge;
}
