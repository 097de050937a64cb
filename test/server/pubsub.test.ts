// Publish and subscribe, compared with redis-server: what subscribers get, what they may do, what others are told of them.
//
// The random plays let clients subscribe, leave and publish, one step after the other on both servers. After each step every
// client sends a PING: what it has got before the answer must be the same. Of a step's messages the order is left open
// where Redis goes through a hash table (the patterns that one channel matches), and where a client has sent
// something to itself: Redis 7.0 puts it before the reply, later ones and Sabre behind it.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unordered } from '../support/comparisons.ts';
import { describeDifferential, useServerPair } from '../support/differential.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { quoteBytes } from '../support/resp-parser.ts';
import { describeTopologies, TOPOLOGIES } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const RUNS = Number(process.env['SABRE_PUBSUB_RUNS'] ?? 8);

describeDifferential(
  'publish and subscribe',
  (diff) => {
    /** Replies of a subscriber's commands: messages in RESP2, pushes in RESP3. */
    const all = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) await diff.sameNext();
    };

    it('answers every kind of subscription', async () => {
      diff.send('SUBSCRIBE', 'a', 'a', 'b');
      await all(3);
      diff.send('PSUBSCRIBE', 'a*', '', '[');
      await all(3);
      diff.send('SSUBSCRIBE', 's', 'a', Buffer.from([0, 255, 13, 10]));
      await all(3);
      diff.send('UNSUBSCRIBE', 'b', 'never', 'a');
      await all(3);
      diff.send('UNSUBSCRIBE');
      await all(1);
      diff.send('PUNSUBSCRIBE');
      await all(3);
      diff.send('SUNSUBSCRIBE', 'a', 's', 's', Buffer.from([0, 255, 13, 10]));
      await all(4);
      for (const command of ['UNSUBSCRIBE', 'PUNSUBSCRIBE', 'SUNSUBSCRIBE']) {
        diff.send(command);
        await all(1);
      }
      await diff.same('GET', 'x');
    });

    it('checks the number of words', async () => {
      for (const command of ['SUBSCRIBE', 'PSUBSCRIBE', 'SSUBSCRIBE', 'PUBLISH', 'SPUBLISH', 'PUBSUB'])
        await diff.same(command);
      await diff.same('PUBLISH', 'a');
      await diff.same('PUBLISH', 'a', 'b', 'c');
      await diff.same('PUBSUB', 'NUMPAT', 'x');
      await diff.same('PUBSUB', 'CHANNELS', 'a', 'b');
      await diff.same('PUBSUB', 'SHARDCHANNELS', 'a', 'b');
      await diff.same('PUBSUB', 'nothing');
      await diff.same('PUBSUB', 'HELP');
    });

    it('lets a subscriber do little with RESP2, and all with RESP3', async () => {
      diff.send('SUBSCRIBE', 'a');
      await all(1);
      for (const command of [
        ['PING'],
        ['PING', 'text'],
        ['PING', 'too', 'many'],
        ['PING', 'x'.repeat(400_000)],
        ['GET', 'x'],
        ['GET'],
        ['nothing'],
        ['CONFIG', 'GET', 'maxmemory'],
        ['CLIENT', 'NOTHING'],
        ['PUBLISH', 'b', 'x'],
        ['MONITOR2'],
      ]) {
        diff.send(...command);
        await all(1);
      }
      diff.send('RESET');
      await diff.sameReply();
      await diff.same('PUBSUB', 'NUMSUB', 'a');
      if (diff.protocol === 3) await diff.sameOk('HELLO', '2').catch(() => undefined);
      await diff.same('GET', 'x');
      await diff.same('PING', 'text');
    });

    it('keeps pushes whatever CLIENT REPLY says', async () => {
      diff.send('CLIENT', 'REPLY', 'OFF');
      diff.send('SUBSCRIBE', 'a', 'b');
      await all(2);
      diff.send('UNSUBSCRIBE', 'b');
      await all(1);
      const publisher = await diff.another();
      await publisher.same('PUBLISH', 'a', 'x');
      await all(1);
      diff.send('UNSUBSCRIBE');
      await all(1);
      diff.send('CLIENT', 'REPLY', 'ON');
      await diff.sameReply();
      diff.send('CLIENT', 'REPLY', 'SKIP');
      diff.send('SUBSCRIBE', 'c');
      await all(1);
      diff.send('PING');
      await all(1);
    });

    it('sends a message once for the channel and once for each pattern', async () => {
      const publisher = await diff.another();
      diff.send('SUBSCRIBE', 'news');
      await all(1);
      diff.send('PSUBSCRIBE', 'n*s');
      await all(1);
      diff.send('SSUBSCRIBE', 'news');
      await all(1);
      await publisher.same('PUBLISH', 'news', 'text');
      await all(2);
      await publisher.same('SPUBLISH', 'news', Buffer.from([0, 13, 10, 255]));
      await all(1);
      await publisher.same('PUBLISH', 'nes', '');
      await all(1);
      await publisher.same('PUBLISH', 'new', 'nobody');
      await publisher.same('SPUBLISH', 'n*s', 'nobody');
      await publisher.same('PUBLISH', 'news', 'x'.repeat(3_000_000));
      await all(2);
      for (const words of [
        ['CHANNELS'],
        ['CHANNELS', 'n?ws'],
        ['CHANNELS', 'x*'],
        ['NUMSUB', 'news', 'n*s', 'news'],
        ['NUMPAT'],
        ['SHARDCHANNELS'],
        ['SHARDCHANNELS', 'x'],
        ['SHARDNUMSUB', 'news', ''],
      ]) {
        await publisher.same('PUBSUB', ...words);
      }
    });

    it('sends to itself, behind its reply', async () => {
      if (diff.protocol === 2) return;
      diff.send('SUBSCRIBE', 'me');
      await all(1);
      await diff.same('PUBLISH', 'me', 'one');
      await diff.samePush();
      diff.sabre.send('PUBLISH', 'me', 'two');
      expect((await diff.sabre.next()).raw.toString()).toBe(':1\r\n');
      expect((await diff.sabre.next()).type).toBe('push');
    });

    it('forgets who has left', async () => {
      const leaver = await diff.another();
      leaver.send('SUBSCRIBE', 'a');
      await leaver.sameNext();
      leaver.send('PSUBSCRIBE', 'b*');
      await leaver.sameNext();
      await diff.same('PUBSUB', 'NUMSUB', 'a');
      await leaver.close();
      // The servers learn of it by and by.
      for (const side of [diff.sabre, diff.redis]) {
        await expect
          .poll(async () => [await side.call('PUBSUB', 'NUMSUB', 'a'), await side.call('PUBSUB', 'NUMPAT')])
          .toEqual([['a', 0], 0]);
      }
      await diff.same('PUBSUB', 'CHANNELS');
    });

    it('lists channels once each', async () => {
      const others = [await diff.another(), await diff.another(), await diff.another()];
      for (const [i, other] of others.entries()) {
        other.send('SUBSCRIBE', 'shared', `own-${i}`);
        await other.sameNext();
        await other.sameNext();
        other.send('PSUBSCRIBE', 'p*');
        await other.sameNext();
      }
      await diff.sameBy(unordered, 'PUBSUB', 'CHANNELS');
      await diff.sameBy(unordered, 'PUBSUB', 'CHANNELS', 'own-[12]');
      await diff.same('PUBSUB', 'NUMSUB', 'shared', 'own-0', 'p*');
      await diff.same('PUBSUB', 'NUMPAT');
      await diff.same('PUBLISH', 'shared', 'x');
      await diff.same('PUBLISH', 'pp', 'x');
    });
  },
  { topologies: TOPOLOGIES.slice(1) },
);

const CLIENTS = 5;
const CHANNELS = ['a', 'ab', 'b', 'ba', ''];
const PATTERNS = ['a*', '*b', '?', '*', '[ab]', 'a\\*', 'ab'];

type Step =
  | { do: 'command'; client: number; command: Argument[] }
  | { do: 'publish'; client: number; command: Argument[] }
  | { do: 'leave'; client: number };

const name = fc.constantFrom(...CHANNELS);
const pattern = fc.constantFrom(...PATTERNS);
const client = fc.nat({ max: CLIENTS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('command' as const),
      client,
      command: fc.oneof(
        fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => ['SUBSCRIBE', ...names]),
        fc.array(pattern, { minLength: 1, maxLength: 3 }).map((names) => ['PSUBSCRIBE', ...names]),
        name.map((each) => ['SSUBSCRIBE', each]),
        fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => ['UNSUBSCRIBE', ...names]),
        fc.constant<string[]>(['UNSUBSCRIBE', ...CHANNELS]),
        fc.array(pattern, { maxLength: 2 }).map((names) => ['PUNSUBSCRIBE', ...names]),
        name.map((each) => ['SUNSUBSCRIBE', each]),
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      client,
      command: fc
        .tuple(
          fc.constantFrom('PUBLISH', 'PUBLISH', 'PUBLISH', 'SPUBLISH'),
          name,
          fc.string({ maxLength: 5 }),
        )
        .map((words) => [...words]),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), client }) },
);

/** The clients on one server. The first has nothing to do but publish for those that may not. */
class Stage {
  readonly #server: ServerProcess;
  readonly #protocol: 2 | 3;
  readonly clients: RawClient[] = [];
  #publisher!: RawClient;

  constructor(server: ServerProcess, protocol: 2 | 3) {
    this.#server = server;
    this.#protocol = protocol;
  }

  async open(): Promise<void> {
    this.#publisher = await this.#connect();
    // Those of the play before may not be gone yet.
    await this.#untilThere(1);
    for (let i = 0; i < CLIENTS; i++) this.clients.push(await this.#connect());
  }

  async close(): Promise<void> {
    for (const each of [this.#publisher, ...this.clients]) await each.close();
  }

  /** @returns what the clients have got by the end of the step, each client's in a line */
  async run(each: Step): Promise<string[]> {
    const seen: string[] = [];
    if (each.do === 'leave') {
      await this.clients[each.client]!.close();
      this.clients[each.client] = await this.#connect();
      await this.#untilThere(CLIENTS + 1);
    } else if (each.do === 'command') this.clients[each.client]!.send(...each.command);
    else if (this.#protocol === 3) this.clients[each.client]!.send(...each.command);
    else seen.push(quoteBytes((await this.#publisher.command(...each.command)).raw));
    // The one that acted first, so that all it has caused is on its way.
    const first = await this.#gather(this.clients[each.client]!);
    const rest = await Promise.all(this.clients.map((other) => this.#gather(other)));
    return [...seen, ...[first, ...rest].map((got) => got.join(' '))];
  }

  /** What a client has got up to now. */
  async #gather(from: RawClient): Promise<string[]> {
    from.send('PING', 'mark');
    const got: string[] = [];
    for (;;) {
      const reply = await from.next();
      const text = quoteBytes(reply.raw);
      if (text.includes('mark')) return got.sort();
      got.push(text);
    }
  }

  /** Waits until the server knows that those have left who have. */
  async #untilThere(count: number): Promise<void> {
    for (let tries = 0; ; tries++) {
      const there = String(await this.#publisher.call('CLIENT', 'LIST'))
        .trim()
        .split('\n').length;
      if (there === count) return;
      if (tries > 1000) throw new Error(`${there} clients, not ${count}`);
    }
  }

  #connect(): Promise<RawClient> {
    return this.#server.connect({ protocol: this.#protocol });
  }
}

describe.each(TOPOLOGIES)('random subscribers ($name)', ({ args }) => {
  const servers = useServerPair(args);
  it.each([2, 3] as const)(
    'get what those of redis-server get, with RESP%d',
    {
      timeout: 120_000,
    },
    async (protocol) => {
      const property = fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const stages = [new Stage(servers().sabre, protocol), new Stage(servers().redis, protocol)] as const;
        for (const stage of stages) await stage.open();
        try {
          for (const each of steps) {
            const [left, right] = [await stages[0].run(each), await stages[1].run(each)];
            expect(left, `after ${JSON.stringify(each)}`).toEqual(right);
          }
        } finally {
          for (const stage of stages) await stage.close();
        }
      });
      await fc.assert(property, { numRuns: RUNS, endOnFailure: false, interruptAfterTimeLimit: 60_000 });
    },
  );
});

describeTopologies('subscribers', (server) => {
  it('are shown in CLIENT LIST and INFO, and killed by their type', async () => {
    const [watcher, subscriber] = [await server.connect(), await server.connect()];
    for (const command of [
      ['SUBSCRIBE', 'a', 'b'],
      ['PSUBSCRIBE', 'c*'],
      ['SSUBSCRIBE', 'd', 'e', 'f'],
    ]) {
      subscriber.send(...command);
      for (let i = 1; i < command.length; i++) await subscriber.next();
    }
    const list = String(await watcher.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
    expect(list.trim().split('\n')).toHaveLength(1);
    expect(list).toMatch(/ flags=P .* sub=2 psub=1 ssub=3 /);
    const info = String(await watcher.call('INFO', 'everything'));
    expect(info).toContain('pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:3');
    expect(info).toContain('pubsub_clients:1');
    expect(await watcher.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(1);
    await subscriber.readUntilClosed();
    const after = String(await watcher.call('INFO', 'everything'));
    expect(after).toContain('pubsub_channels:0\r\npubsub_patterns:0\r\npubsubshard_channels:0');
    expect(after).toContain('pubsub_clients:0');
    expect(await watcher.call('PUBLISH', 'a', 'x')).toBe(0);
  });

  it('are not closed for being idle', async () => {
    const [subscriber, other] = [await server.connect(), await server.connect()];
    await other.call('CONFIG', 'SET', 'timeout', 1);
    subscriber.send('SUBSCRIBE', 'a');
    await subscriber.next();
    await other.readUntilClosed();
    const publisher = await server.connect();
    await publisher.call('CONFIG', 'SET', 'timeout', 0);
    expect(await publisher.call('PUBLISH', 'a', 'still there')).toBe(1);
    expect((await subscriber.next()).raw.toString()).toContain('still there');
  });
});

describeTopologies('a transaction that subscribes', (server) => {
  it('hears what it publishes behind that, on a shard worker, too; with CLIENT REPLY OFF nothing else', async () => {
    const reader = await server.connect();
    const texts = async (count: number, client: RawClient): Promise<string[]> => {
      const seen: string[] = [];
      while (seen.length < count)
        seen.push((await client.next()).raw.toString('latin1').replaceAll('\r\n', ' '));
      return seen;
    };
    for (const [name, long] of Object.entries({ c1: ['GET', 'x'], c2: ['KEYS', 'nosuch'] })) {
      const client = await server.connect({ protocol: 3 });
      const queue = [
        ['SUBSCRIBE', name],
        ['PUBLISH', name, 'a'],
        long,
        ['PUBSUB', 'NUMSUB', name],
        ['UNSUBSCRIBE', name],
      ];
      for (const command of [['MULTI'], ...queue, ['PUBLISH', name, 'b'], ['EXEC'], ['PING']])
        client.send(...command);
      for (let i = 0; i <= queue.length + 1; i++) await client.next();
      const [exec, message, end] = await texts(3, client);
      expect(exec).toMatch(
        /^\*6 >3 \$9 subscribe \$2 c. :1 :1 .* \*2 \$2 c. :1 >3 \$11 unsubscribe \$2 c. :0 :0 $/,
      );
      expect(message).toBe(`>3 $7 message $2 ${name} $1 a `);
      expect(end).toBe('+PONG ');
      client.send('CLIENT', 'REPLY', 'OFF');
      for (const command of [['MULTI'], ...queue.slice(0, 3), ['EXEC'], ['CLIENT', 'REPLY', 'ON']])
        client.send(...command);
      expect(await texts(3, client)).toEqual([
        `>3 $9 subscribe $2 ${name} :1 `,
        `>3 $7 message $2 ${name} $1 a `,
        '+OK ',
      ]);
    }
    expect(await reader.call('PING')).toBe('PONG');
  });
});
