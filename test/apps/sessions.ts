// express-session with connect-redis: sessions of a web server, kept as strings with a time to live.

import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RedisStore } from 'connect-redis';
import session from 'express-session';
import { expect, it } from 'vitest';
import type { AppClients } from './clients.ts';

interface Session {
  visits?: number;
  destroy(done: () => void): void;
}

export function sessionTests(clients: AppClients): void {
  it('keeps what a visitor has done, until the visitor logs out', async () => {
    const client = await clients.nodeRedis();
    const site = createSite(new RedisStore({ client, prefix: 'app:' }));
    site.listen(0, '127.0.0.1');
    await once(site, 'listening');
    try {
      const url = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
      const first = await fetch(url);
      expect(await first.text()).toBe('1');
      const cookie = first.headers.get('set-cookie')!.split(';')[0]!;
      expect(await (await fetch(url, { headers: { cookie } })).text()).toBe('2');
      expect(await (await fetch(url)).text()).toBe('1');
      const keys = (await client.keys('app:*')).sort();
      expect(keys).toHaveLength(2);
      for (const key of keys) expect(await client.ttl(key)).toBeGreaterThan(3000);
      await fetch(`${url}/logout`, { headers: { cookie } });
      expect(await client.keys('app:*')).toHaveLength(1);
    } finally {
      site.close();
      site.closeAllConnections();
    }
  });

  it('lists and clears the sessions', async () => {
    const store = new RedisStore({ client: await clients.nodeRedis(), scanCount: 10, ttl: 60 });
    const cookie = { originalMaxAge: null };
    for (let i = 0; i < 250; i++) await store.set(`s${i}`, { cookie, user: i } as never);
    let count = 0;
    await store.length((_, length) => (count = length as number));
    expect(count).toBe(250);
    let all: { id: string; user: number }[] = [];
    await store.all((_, sessions) => (all = sessions as never));
    expect(new Set(all.map(({ id, user }) => `${id} ${user}`)).size).toBe(250);
    await store.clear();
    await store.length((_, length) => (count = length as number));
    expect(count).toBe(0);
  });
}

function createSite(store: RedisStore) {
  const sessions = session({
    store,
    secret: 'secret',
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 3_600_000 },
  });
  return createServer((request: IncomingMessage & { session?: Session }, response) =>
    sessions(request, response, (error) => {
      if (error) {
        response.statusCode = 500;
        response.end(String(error));
        return;
      }
      const visit = request.session!;
      if (request.url === '/logout') visit.destroy(() => response.end('gone'));
      else {
        visit.visits = (visit.visits ?? 0) + 1;
        response.end(String(visit.visits));
      }
    }),
  );
}
