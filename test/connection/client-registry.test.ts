import { describe, expect, it } from 'vitest';
import { Session } from '../../src/commands/session.ts';
import {
  ClientRegistry,
  clientMethods,
  type RegisteredClient,
} from '../../src/connection/client-registry.ts';

const NOW = 1_700_000_000_000;

function client(id: number, change: Partial<Session> = {}): RegisteredClient & { killed: boolean } {
  const session = new Session(id, `10.0.0.1:${id}`, '10.0.0.2:6379', false, NOW - id * 1000);
  Object.assign(session, change);
  return {
    session,
    killed: false,
    queryBufferBytes: 10,
    queryBufferMemory: 30,
    outputPendingBytes: 0,
    kill() {
      this.killed = true;
    },
    push() {
      throw new Error('nobody publishes here');
    },
    gone: false,
    pushInvalidation() {
      throw new Error('nobody tracks here');
    },
    replyIsDue() {},
  };
}

function registryOf(...clients: RegisteredClient[]): ClientRegistry {
  const registry = new ClientRegistry();
  for (const each of clients) registry.add(each);
  return registry;
}

describe('client registry', () => {
  it('lists those that pass all filters', () => {
    const registry = registryOf(
      client(1),
      client(2, { identity: { name: 'alice', id: 1, unlimited: true } }),
      client(3),
    );
    const ids = (filter: object): number[] => registry.list(filter, NOW).map((listed) => listed.id);
    expect(ids({})).toEqual([1, 2, 3]);
    expect(ids({ ids: [3, 9, 3, 1] })).toEqual([3, 1]);
    expect(ids({ address: '10.0.0.1:2' })).toEqual([2]);
    expect(ids({ localAddress: '10.0.0.2:6379', user: 'default' })).toEqual([1, 3]);
    expect(ids({ minAge: 2 })).toEqual([2, 3]);
    expect(ids({ type: 'pubsub' })).toEqual([]);
    expect(ids({ ids: [2], user: 'default' })).toEqual([]);
  });

  it('kills all that match but the one that asks', () => {
    const clients = [client(1), client(2), client(3)];
    const registry = registryOf(...clients);
    expect(registry.kill({ filter: { minAge: 2 }, except: 3 }, NOW)).toBe(1);
    expect(clients.map((each) => each.killed)).toEqual([false, true, false]);
  });

  it('describes a client in the fields of CLIENT LIST', () => {
    const registry = registryOf(client(5, { monitor: true, noTouch: true, name: 'me', db: 3 }));
    expect(registry.describe(5, NOW)).toBe(
      'id=5 addr=10.0.0.1:5 laddr=10.0.0.2:6379 fd=-1 name=me age=5 idle=5 flags=OT db=3 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=10 qbuf-free=20 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=6174 events=r cmd=NULL user=default redir=-1 resp=2 lib-name= lib-ver=',
    );
    registry.remove(5);
    expect(registry.describe(5, NOW)).toBe('');
    expect(registry.size).toBe(0);
  });

  it('answers other threads', () => {
    const registry = registryOf(client(1, { blocked: true }), client(2));
    const lines = clientMethods['client-list']!(registry, { ids: [2, 1, 9] }) as {
      id: number;
      line: string;
    }[];
    expect(lines.map(({ id }) => id)).toEqual([2, 1]);
    expect(lines[1]!.line).toContain(' flags=b ');
    expect(clientMethods['client-kill']!(registry, { filter: {}, except: 2 })).toBe(1);
  });
});
