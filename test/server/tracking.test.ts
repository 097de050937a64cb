// CLIENT TRACKING by hand: errors, options and messages are compared with a real redis-server; what only Sabre has to care for (threads,
// replies that are under way, clients that are gone) is tested on Sabre alone.

import { expect, it } from 'vitest';
import { describeDifferential } from '../support/differential.ts';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import { describeTopologies } from '../support/sabre-server.ts';

async function figures(client: RawClient): Promise<string[]> {
  return String(await client.call('INFO', 'everything')).match(/^tracking_\w+:\d+/gm)!;
}

/** Keys of the next invalidation; null for all. */
async function invalidated(client: RawClient): Promise<string[] | null> {
  const [kind, keys] = (await client.push()).items!;
  expect(kind!.bytes!.toString()).toBe('invalidate');
  return keys!.items?.map((key) => key.bytes!.toString('latin1')) ?? null;
}

describeDifferential('CLIENT TRACKING', (diff) => {
  it('answers and refuses what Redis does', async () => {
    const script = `
      GETREDIR|TRACKINGINFO|TRACKING|TRACKING FOO|TRACKING ON REDIRECT|TRACKING ON REDIRECT 0|TRACKING ON REDIRECT x
      TRACKING ON REDIRECT 99999999 FOO|TRACKING ON FOO REDIRECT 99999999|TRACKING ON BCAST OPTIN|TRACKING ON OPTIN OPTOUT
      TRACKING ON PREFIX a|TRACKING ON PREFIX|TRACKING OFF PREFIX a BCAST|CACHING YES|CACHING FOO|TRACKINGINFO
      TRACKING ON OPTIN NOLOOP|CACHING NO|CACHING MAYBE|CACHING YES|TRACKINGINFO|GETREDIR|TRACKINGINFO|TRACKING ON OPTOUT
      TRACKING ON BCAST|TRACKING ON|CACHING YES|TRACKINGINFO|TRACKING ON OPTOUT|CACHING YES|CACHING NO|TRACKINGINFO
      TRACKING OFF|TRACKING ON BCAST PREFIX ab PREFIX x PREFIX z|TRACKING ON BCAST PREFIX a|TRACKING ON BCAST PREFIX abc
      TRACKING ON BCAST PREFIX c PREFIX cd|TRACKING ON BCAST PREFIX q|TRACKINGINFO|TRACKING ON BCAST NOLOOP|TRACKINGINFO
      TRACKING ON BCAST PREFIX z|TRACKING ON OPTIN|TRACKING OFF|TRACKINGINFO|CACHING YES x|CACHING|TRACKINGINFO x`;
    for (const line of script.split(/[|\n]/)) {
      const args = line.trim().split(' ').filter(Boolean);
      if (args.length > 0) await diff.same('CLIENT', ...args);
    }
    const odd = [
      'CLIENT',
      'TRACKING',
      'ON',
      'BCAST',
      'PREFIX',
      Buffer.from('\r\n\0x'),
      'PREFIX',
      Buffer.from('\r\n'),
    ];
    await diff.same(...odd);
  });

  it('tells in the order of Redis: own changes behind the reply, behind EXEC', async () => {
    if (diff.protocol === 2) return;
    const { sabre, redis } = diff;
    const scripts = [
      'CLIENT TRACKING ON|GET k|SET k 1|GET k|SET k 2|PING',
      'MULTI|GET k|SET k 3|GET k|SET k 4|EXEC|PING',
      'CLIENT TRACKING ON NOLOOP|GET k|SET k 1|FLUSHALL|PING',
      'CLIENT TRACKING OFF|CLIENT TRACKING ON BCAST PREFIX a PREFIX b|SET b1 1|SET a2 1|SET b1 2|SET c 1|DEL a2|PING',
      'CLIENT TRACKING OFF|CLIENT TRACKING ON OPTIN|CLIENT CACHING YES|GET k|GET l|MSET k 1 l 1|PING',
      'CLIENT CACHING YES|MULTI|GET k|GET l|EXEC|GET m|MSET k 1 l 1 m 1|PING',
      'CLIENT CACHING YES|CLIENT ID x|GET k|CLIENT CACHING YES|NOSUCH|GET m|MSET k 2 m 2|PING',
    ];
    for (const script of scripts) {
      const commands = script.split('|').map((line) => line.split(' '));
      for (const client of [sabre, redis]) client.sendRaw(Buffer.concat(commands.map(encodeCommand)));
      const seen: string[] = [];
      do {
        const reply = await diff.sameNext();
        seen.push(reply.raw.toString('latin1'));
      } while (seen.at(-1) !== '+PONG\r\n');
      // Broadcasts come at the end of the turn.
      if (script.includes('BCAST')) for (let i = 0; i < 2; i++) await diff.samePush();
    }
  });

  it('redirects, to RESP2 and RESP3, and says when the other client is gone', async () => {
    const writer = await diff.another(2);
    for (const protocol of [2, 3] as const) {
      const target = await diff.another(protocol);
      const ids = [await target.sabre.call('CLIENT', 'ID'), await target.redis.call('CLIENT', 'ID')];
      const sides = [diff.sabre, diff.redis];
      for (let i = 0; i < 2; i++)
        expect(await sides[i]!.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', Number(ids[i]))).toBe('OK');
      for (let i = 0; i < 2; i++) expect(await sides[i]!.call('CLIENT', 'GETREDIR')).toEqual(ids[i]);
      await diff.same('MGET', 'k', 'l');
      if (protocol === 2) {
        // Nothing, as it has subscribed to nothing.
        await writer.same('SET', 'k', 'nobody hears');
        await diff.same('PING');
        await target.same('PING');
        target.send('SUBSCRIBE', '__redis__:invalidate');
        await target.sameNext();
      }
      await writer.same('SET', 'l', 1);
      await target.sameNext();
      await diff.same('GET', 'k');
      await writer.same('FLUSHALL');
      await target.sameNext();
      await diff.same('GET', 'k');
      await target.close();
      for (const client of [writer.sabre, writer.redis])
        await expect
          .poll(async () => String(await client.call('CLIENT', 'LIST')).match(/^id=/gm))
          .toHaveLength(2);
      await writer.same('SET', 'k', 2);
      if (diff.protocol === 3) {
        for (const [i, client] of sides.entries()) {
          const [what, id] = (await client.push()).items!;
          expect(what!.bytes!.toString()).toBe('tracking-redir-broken');
          expect(Number(id!.bytes)).toBe(Number(ids[i]));
        }
      }
      await diff.same('PING');
      for (const client of sides) {
        await expect
          .poll(async () => String((await client.command('CLIENT', 'TRACKINGINFO')).raw))
          .toContain('broken_redirect');
        expect(await client.call('CLIENT', 'INFO')).toMatch(/ flags=tR .* redir=\d+ /);
      }
      await diff.same('CLIENT', 'TRACKING', 'OFF');
    }
  });
});

describeTopologies('tracking', (server) => {
  it('is told of expiry, eviction of the table, emptied and exchanged databases, and reloading', async () => {
    const [reader, writer] = [await server.connect({ protocol: 3 }), await server.connect()];
    await reader.call('CLIENT', 'TRACKING', 'ON', 'NOLOOP');
    await writer.call('SET', 'short', 1, 'PX', 30);
    await writer.call('HSET', 'hash', 'f', 1, 'g', 2);
    await writer.call('HPEXPIRE', 'hash', 30, 'FIELDS', 1, 'f');
    await reader.call('MGET', 'short', 'other');
    await reader.call('HGETALL', 'hash');
    expect([...(await invalidated(reader))!, ...(await invalidated(reader))!].sort()).toEqual([
      'hash',
      'short',
    ]);
    for (const [command, ...args] of [
      ['FLUSHDB'],
      ['SWAPDB', 3, 4],
      ['DEBUG', 'RELOAD'],
      ['FLUSHALL'],
    ] as const) {
      await reader.call('GET', 'other');
      await writer.call(command, ...args);
      expect(await invalidated(reader), command).toBeNull();
    }
    expect(await figures(writer)).toContain('tracking_total_keys:0');
    await writer.call('CONFIG', 'SET', 'tracking-table-max-keys', 10);
    for (let i = 0; i < 200; i++) await reader.call('GET', `key ${i}`);
    const let_go = new Set<string>();
    while (let_go.size < 190) for (const key of (await invalidated(reader))!) let_go.add(key);
    await expect.poll(() => figures(writer)).toContain('tracking_total_keys:10');
    await writer.call('CONFIG', 'SET', 'tracking-table-max-keys', 1000000);
    await writer.call('SET', 'key 199', 1);
    expect(await invalidated(reader)).toEqual(['key 199']);
  });

  it('is told of keys that are evicted, and of what others bring about by waiting', async () => {
    const [reader, writer] = [await server.connect({ protocol: 3 }), await server.connect()];
    const waiter = await server.connect();
    await reader.call('CLIENT', 'TRACKING', 'ON');
    await reader.call('LRANGE', 'to', 0, -1);
    waiter.send('BLMOVE', 'from', 'to', 'LEFT', 'LEFT', 0);
    await expect
      .poll(async () => String(await writer.call('INFO', 'clients')))
      .toContain('blocked_clients:1');
    await writer.call('RPUSH', 'from', 'x');
    expect(await invalidated(reader)).toEqual(['to']);
    await waiter.reply();
    reader.send('XREAD', 'BLOCK', 0, 'STREAMS', 'stream', '$');
    await expect
      .poll(async () => String(await writer.call('INFO', 'clients')))
      .toContain('blocked_clients:1');
    await writer.call('XADD', 'stream', '*', 'a', 'b');
    expect(await invalidated(reader)).toEqual(['stream']);
    await reader.reply();
    await writer.call('XADD', 'stream', '*', 'a', 'b');
    expect(await invalidated(reader)).toEqual(['stream']);
    await writer.call('SET', 'large', Buffer.alloc(2 ** 20));
    await reader.call('STRLEN', 'large');
    await writer.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru', 'maxmemory', 1);
    await writer.command('SET', 'x', 1);
    expect(await invalidated(reader)).toEqual(['large']);
    await writer.call('CONFIG', 'SET', 'maxmemory', 0, 'maxmemory-policy', 'noeviction');
  });

  it('does not let an invalidation come before the reply with the value, nor mix them', async () => {
    const [reader, writer] = [await server.connect({ protocol: 3 }), await server.connect()];
    const size = 2 ** 20;
    await reader.call('CLIENT', 'TRACKING', 'ON');
    // Read on a shard worker; in EXEC with an answer of the supervisor, which comes later than what was read.
    for (let round = 0; round < 20; round++) {
      await writer.call('SET', 'large', Buffer.alloc(size, String(round)));
      // What is left of the round before.
      await reader.call('PING');
      reader.drain();
      const exec = round % 2 === 0;
      const commands = exec
        ? [['MULTI'], ['GET', 'large'], ['CONFIG', 'SET', 'hz', '10'], ['EXEC']]
        : [
            ['BITCOUNT', 'large'],
            ['GET', 'large'],
          ];
      reader.sendRaw(Buffer.concat(commands.map((args) => encodeCommand(args))));
      writer.send('SET', 'large', Buffer.alloc(size, 'n'));
      await writer.reply();
      writer.send('GET', 'large');
      await writer.reply();
      let value = '';
      let told = false;
      for (let replies = 0; replies < commands.length; ) {
        const reply = await reader.next();
        if (reply.type === 'push') told = true;
        else {
          replies++;
          const got = exec ? reply.items?.[0]?.bytes : reply.bytes;
          if (got?.length !== size) continue;
          value = got.subarray(0, 1).toString();
          // An invalidation before it was of a write that this reply shows already.
          if (value !== 'n') expect(told, 'told before the value came').toBe(false);
        }
      }
      if (value !== 'n' && !told) expect(await invalidated(reader)).toEqual(['large']);
    }
  });

  it('leaves nothing of clients that are gone', async () => {
    const admin = await server.connect();
    const clients = [];
    for (let i = 0; i < 6; i++) {
      const client = await server.connect({ protocol: 3 });
      await client.call('CLIENT', 'TRACKING', 'ON', ...(i % 2 === 0 ? ['BCAST', 'PREFIX', `p${i}`] : []));
      await client.call('MGET', 'a', `b${i}`);
      clients.push(client);
    }
    expect(await figures(admin)).toEqual([
      'tracking_clients:6',
      'tracking_total_keys:4',
      'tracking_total_items:6',
      'tracking_total_prefixes:3',
    ]);
    await clients[1]!.call('RESET');
    for (const client of clients) await client.close();
    await expect
      .poll(() => figures(admin))
      .toEqual([
        'tracking_clients:0',
        'tracking_total_keys:0',
        'tracking_total_items:0',
        'tracking_total_prefixes:0',
      ]);
  });
});
