// The clients that the applications of these tests connect with; closed after each test.

import { Redis, type RedisOptions } from 'ioredis';
import { createClient } from 'redis';
import { afterEach } from 'vitest';
import type { ServerUnderTest } from '../support/sabre-server.ts';

export interface AppClients {
  readonly server: ServerUnderTest;
  ioredis(options?: RedisOptions): Redis;
  nodeRedis(): Promise<ReturnType<typeof createClient>>;
  url(): string;
}

/** For a `describe` block: what its tests connect with. */
export function useAppClients(server: ServerUnderTest): AppClients {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  const url = (): string => `redis://127.0.0.1:${server.port}`;
  return {
    server,
    url,
    ioredis(options = {}) {
      const client = new Redis({ host: '127.0.0.1', port: server.port, ...options });
      closing.push(() => client.disconnect());
      return client;
    },
    async nodeRedis() {
      const client = createClient({ url: url() });
      client.on('error', () => {});
      await client.connect();
      closing.push(() => (client.isOpen ? client.close() : undefined));
      return client as ReturnType<typeof createClient>;
    },
  };
}
