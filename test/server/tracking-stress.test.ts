// Clients that cache what they read, as the libraries do, while others write on every way there is. None may hold an old value
// once the server has told it all: no invalidation is lost, and none comes before the value that it is about.

import { expect, it } from 'vitest';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import type { Reply } from '../support/resp-parser.ts';
import { describeTopologies } from '../support/sabre-server.ts';

const KEYS = 12;
const READERS = 8;
const WRITERS = 4;
const ROUNDS = 150;
const LONG = 300 * 1024;

/** A client with a cache: takes replies and messages in the order in which they come. */
class CachingClient {
  readonly cache = new Map<string, string>();
  readonly #client: RawClient;
  readonly #asked: string[] = [];
  hits = 0;
  told = 0;

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** Asks for keys that it does not know, in one write, some of them in ways that take a shard worker or a transaction. */
  async read(keys: readonly string[], how: number): Promise<void> {
    const unknown = keys.filter((key) => !this.cache.has(key));
    this.hits += keys.length - unknown.length;
    const commands: string[][] = [];
    for (const key of unknown) {
      if (how === 1) commands.push(['MULTI'], ['GET', key], ['EXEC']);
      else if (how === 2) commands.push(['BITCOUNT', 'long'], ['GET', key]);
      else commands.push(['GET', key]);
    }
    this.#asked.push(...unknown);
    this.#client.sendRaw(Buffer.concat([...commands, ['ECHO', 'end']].map(encodeCommand)));
    await this.#takeUpTo('end', how);
  }

  async settle(): Promise<void> {
    this.#client.send('ECHO', 'end');
    await this.#takeUpTo('end', 0);
  }

  async #takeUpTo(mark: string, how: number): Promise<void> {
    for (;;) {
      const reply = await this.#client.next();
      if (reply.type === 'push') this.#forget(reply);
      else if (reply.bytes?.toString() === mark) return;
      else if (how === 1 ? reply.type === 'array' : reply.type === 'bulk' || reply.type === 'null')
        this.cache.set(this.#asked.shift()!, String((how === 1 ? reply.items![0]! : reply).bytes));
    }
  }

  #forget(push: Reply): void {
    this.told++;
    const keys = push.items![1]!.items;
    if (keys === undefined || keys === null) this.cache.clear();
    else for (const key of keys) this.cache.delete(key.bytes!.toString());
  }
}

const keyOf = (number: number): string => `key${number % KEYS}`;

/** One write, on one of the ways. */
function write(random: number, value: string): string[][] {
  const key = keyOf(random);
  switch (random % 11) {
    case 0:
      return [['MULTI'], ['SET', key, value], ['INCR', 'counter'], ['EXEC']];
    case 1:
      // On a shard worker, as its input is long.
      return [
        ['BITCOUNT', 'long'],
        ['SET', key, value],
      ];
    case 2:
      return [
        ['DEL', key],
        ['BITCOUNT', 'long'],
        ['SETNX', key, value],
      ];
    case 3:
      return [
        ['SET', `${key}x`, value],
        ['RENAME', `${key}x`, key],
      ];
    case 4:
      return [['MSET', key, value, keyOf(random + 1), value, keyOf(random + 5), value]];
    case 5:
      return [['SET', key, value, 'PX', '1']];
    case 6:
      return [
        ['SET', key, value],
        ['PEXPIRE', key, '-1'],
      ];
    case 7:
      return random % 5 === 0
        ? [['FLUSHDB'], ['SETRANGE', 'long', String(LONG), 'x']]
        : [['APPEND', key, '']];
    default:
      return [['SET', key, value]];
  }
}

describeTopologies('clients that cache, under load', (server) => {
  it.each(['default', 'BCAST'])('none keeps an old value: %s', { timeout: 60_000 }, async (mode) => {
    const admin = await server.connect();
    await admin.call('SETRANGE', 'long', LONG, 'x');
    await admin.call('CONFIG', 'SET', 'tracking-table-max-keys', 6);
    const readers = await Promise.all(
      Array.from({ length: READERS }, async () => {
        const client = await server.connect({ protocol: 3 });
        await client.call(
          'CLIENT',
          'TRACKING',
          'ON',
          ...(mode === 'BCAST' ? ['BCAST', 'PREFIX', 'key'] : []),
        );
        return new CachingClient(client);
      }),
    );
    let writing = WRITERS;
    const writers = Array.from({ length: WRITERS }, async (_, number) => {
      const client = await server.connect();
      for (let round = 0; round < ROUNDS; round++) {
        const commands = write(number * 7 + round * 13 + (round >> 3), `${number} ${round}`);
        client.sendRaw(Buffer.concat(commands.map(encodeCommand)));
        for (let i = 0; i < commands.length; i++) await client.reply();
      }
      writing--;
    });
    const reading = readers.map(async (reader, number) => {
      for (let i = number; writing > 0; i++) await reader.read([keyOf(i), keyOf(i * 5 + 1)], (i >> 2) % 3);
    });
    await Promise.all([...writers, ...reading]);
    await expect.poll(async () => String(await admin.call('INFO', 'keyspace'))).not.toMatch(/expires=[1-9]/);
    for (const reader of readers) {
      // All threads have been through their mail when each client has been answered twice.
      await reader.settle();
      await reader.settle();
    }
    for (const reader of readers) {
      await reader.settle();
      for (const [key, value] of reader.cache)
        expect(`${key}: ${value}`).toBe(`${key}: ${await admin.call('GET', key)}`);
    }
    const sum = (of: (reader: CachingClient) => number): number =>
      readers.reduce((total, each) => total + of(each), 0);
    expect(sum((reader) => reader.told)).toBeGreaterThan(READERS);
    await admin.call('CONFIG', 'SET', 'tracking-table-max-keys', 1_000_000);
  });
});
