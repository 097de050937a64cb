// Messages under load, over several acceptors and shard workers: each publisher's messages arrive in its order and all of
// them, whichever thread the publisher's commands run on; and a subscriber that does not read is closed, without harm
// to others.

import { describe, expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { encodeCommand } from '../support/raw-client.ts';
import { describeTopologies, startSabre } from '../support/sabre-server.ts';

const PUBLISHERS = 6;
const SUBSCRIBERS = 8;
const MESSAGES = 3_000;
const BATCH = 100;

describeTopologies('under load', (server) => {
  it('each publisher is heard in its order', { timeout: 60_000 }, async () => {
    const admin = await server.connect();
    const subscribers: RawClient[] = [];
    for (let i = 0; i < SUBSCRIBERS; i++) {
      const subscriber = await server.connect(i % 2 === 0 ? {} : { protocol: 3 });
      // By name, by pattern, or both.
      if (i % 3 !== 0) {
        subscriber.send('SUBSCRIBE', ...Array.from({ length: PUBLISHERS }, (_, p) => `p${p}`));
        for (let p = 0; p < PUBLISHERS; p++) await subscriber.next();
      }
      if (i % 3 !== 1) {
        subscriber.send('PSUBSCRIBE', 'p?');
        await subscriber.next();
      }
      subscribers.push(subscriber);
    }
    // What takes long enough to run on a shard worker, and what comes behind it in the same read with it.
    await admin.call('SETRANGE', 'long', 2 ** 20, 'x');
    const long = encodeCommand(['BITCOUNT', 'long']);
    const publish = async (number: number): Promise<void> => {
      const publisher = await server.connect();
      for (let from = 0; from < MESSAGES; from += BATCH) {
        const commands: Buffer[] = [];
        for (let i = from; i < from + BATCH; i++) {
          if (i % 17 === number) commands.push(long);
          commands.push(encodeCommand(['PUBLISH', `p${number}`, i]));
        }
        publisher.sendRaw(Buffer.concat(commands));
        for (let i = 0; i < commands.length; i++) await publisher.reply();
      }
    };
    const each = subscribers.map(async (subscriber, i) => {
      const next = new Map<string, number>();
      const kinds = i % 3 === 2 ? 2 : 1;
      for (let got = 0; got < MESSAGES * PUBLISHERS * kinds; got++) {
        const items = (await subscriber.next()).items!.map((item) => item.bytes!.toString());
        const key = `${items[0]} ${items.at(-2)}`;
        const expected = next.get(key) ?? 0;
        if (Number(items.at(-1)) !== expected) throw new Error(`${items.join(' ')}, not ${expected}`);
        next.set(key, expected + 1);
      }
    });
    await Promise.all([...each, ...Array.from({ length: PUBLISHERS }, (_, number) => publish(number))]);
    for (const subscriber of subscribers) expect(subscriber.waitingReplies).toBe(0);
  });

  it('subscribers that come and go leave nothing behind', { timeout: 60_000 }, async () => {
    const admin = await server.connect();
    const busy = async (number: number): Promise<void> => {
      for (let round = 0; round < 15; round++) {
        const client = await server.connect({ protocol: 3 });
        for (let i = 0; i < 20; i++) {
          client.send('SUBSCRIBE', `shared`, `c${number}-${i}`);
          client.send('PSUBSCRIBE', `c${number}-?`, 'sh*');
          client.send('PUBLISH', 'shared', 'x');
          client.send(i % 2 === 0 ? 'PUNSUBSCRIBE' : 'UNSUBSCRIBE');
        }
        await client.call('PING');
        await client.close();
      }
    };
    await Promise.all(Array.from({ length: 6 }, (_, number) => busy(number)));
    await expect
      .poll(async () => String(await admin.call('INFO', 'stats')).match(/pubsub.*/g))
      .toEqual(['pubsub_channels:0', 'pubsub_patterns:0', 'pubsubshard_channels:0']);
    expect(await admin.call('PUBLISH', 'shared', 'x')).toBe(0);
  });
});

describe('a subscriber that does not read', () => {
  it('is closed at the limit of its class, and others are served', { timeout: 60_000 }, async () => {
    const server = await startSabre({
      args: [
        ...['--acceptors', '2', '--shard-workers', '1'],
        ...['--client-output-buffer-limit', 'pubsub', '4mb', '0', '0'],
      ],
    });
    try {
      const subscribers: RawClient[] = [];
      for (let i = 0; i < 8; i++) {
        const subscriber = await server.connect();
        subscriber.send('SUBSCRIBE', 'news');
        await subscriber.next();
        subscribers.push(subscriber);
      }
      const slow = subscribers.slice(0, 4);
      for (const each of slow) each.pause();
      const publisher = await server.connect();
      // The kernel's buffers take some, too.
      const text = Buffer.alloc(100_000, 'x');
      let sent = 0;
      for (; sent < 2_000; sent++) {
        const heard = Number(await publisher.call('PUBLISH', 'news', text));
        if (heard === subscribers.length - slow.length) break;
      }
      expect(sent).toBeLessThan(2_000);
      expect(sent).toBeGreaterThan(40);
      for (const each of subscribers.slice(4)) {
        for (let i = 0; i <= sent; i++)
          expect((await each.next()).items![2]!.bytes!.length).toBe(text.length);
      }
      const info = String(await publisher.call('INFO', 'everything'));
      expect(info).toContain('client_output_buffer_limit_disconnections:4');
      expect(info).toContain('pubsub_clients:4');
      await server.waitForLog('scheduled to be closed ASAP for overcoming of output buffer limits.');
      // The limit of other clients is another one: none by default.
      const reader = await server.connect();
      await reader.call('SET', 'k', text);
      reader.pause();
      for (let i = 0; i < 100; i++) reader.send('GET', 'k');
      expect(await publisher.call('PUBLISH', 'news', 'last')).toBe(4);
      reader.resume();
      for (let i = 0; i < 100; i++) expect((await reader.next()).bytes!.length).toBe(text.length);
      await server.closeClients();
    } finally {
      await server.stop();
    }
  });
});
