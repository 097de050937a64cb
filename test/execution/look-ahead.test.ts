// What is looked at ahead changes no reply: pipelines on one large hash, set and sorted set, which clients of several threads
// fill and empty at the same time. Each client has members of its own there, so its replies are known.

import { expect, it } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import type { Reply } from '../support/resp-parser.ts';
import { describeTopologies } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';

const CLIENTS = 3;
/** Each client's members: together more than a table must have to be looked at. */
const MEMBERS = 20_000;
const PIPELINE = 48;
const ROUNDS = 150;

/** Commands on one key and what they must answer. */
class Player {
  readonly #client: RawClient;
  readonly #name: string;
  readonly #values = new Map<string, string>();
  readonly #random: () => number;

  constructor(client: RawClient, name: string, seed: number) {
    this.#client = client;
    this.#name = name;
    this.#random = seeded(seed);
  }

  async fill(): Promise<void> {
    for (let from = 0; from < MEMBERS; from += 1000) {
      const names = Array.from({ length: 1000 }, (_, i) => this.#member(from + i));
      const replies = await this.#client.pipeline([
        ['HSET', 'hash', ...names.flatMap((name) => [name, '0'])],
        ['SADD', 'set', ...names],
        ['ZADD', 'zset', ...names.flatMap((name) => ['0', name])],
      ]);
      expect(replies.map(text)).toEqual([':1000', ':1000', ':1000']);
      for (const name of names)
        for (const key of ['hash', 'set', 'zset']) this.#values.set(`${key} ${name}`, '0');
    }
  }

  async play(removing: number): Promise<void> {
    const key = ['hash', 'set', 'zset'][pick(this.#random, 3)]!;
    const commands: Argument[][] = [];
    const expected: string[] = [];
    for (let i = 0; i < PIPELINE; i++) {
      const [command, reply] = this.#next(key, this.#random() < removing);
      commands.push(command);
      expected.push(reply);
    }
    const replies = await this.#client.pipeline(commands);
    expect(replies.map(text)).toEqual(expected);
  }

  #member(i: number): string {
    return `${this.#name}:${i}`;
  }

  #next(key: string, removes: boolean): [Argument[], string] {
    const name = this.#member(pick(this.#random, MEMBERS));
    const place = `${key} ${name}`;
    const old = this.#values.get(place);
    const value = String(pick(this.#random, 1e6));
    if (this.#random() < 0.3) {
      if (key === 'set') return [['SISMEMBER', key, name], old === undefined ? ':0' : ':1'];
      return [[key === 'hash' ? 'HGET' : 'ZSCORE', key, name], old ?? 'null'];
    }
    if (removes) {
      this.#values.delete(place);
      const command = { hash: 'HDEL', set: 'SREM', zset: 'ZREM' }[key]!;
      // More arguments than are kept.
      return [[command, key, name, '-', '-', '-', '-'], old === undefined ? ':0' : ':1'];
    }
    this.#values.set(place, value);
    const added = old === undefined ? ':1' : ':0';
    if (key === 'hash') return [['HSET', key, name, value], added];
    if (key === 'set') return [['SADD', key, name], added];
    return [['ZADD', key, value, name], added];
  }

  count(key: string): number {
    return [...this.#values.keys()].filter((place) => place.startsWith(`${key} `)).length;
  }
}

describeTopologies(
  'looking ahead into collections',
  (server) => {
    it('changes no reply', async () => {
      const admin = await server.connect();
      const players = await Promise.all(
        Array.from({ length: CLIENTS }, async (_, i) => new Player(await server.connect(), `p${i}`, i + 1)),
      );
      await Promise.all(players.map((player) => player.fill()));
      for (const removing of [0.2, 0.9, 0.1]) {
        await Promise.all(
          players.map(async (player) => {
            for (let round = 0; round < ROUNDS; round++) await player.play(removing);
          }),
        );
      }
      for (const [key, command] of [
        ['hash', 'HLEN'],
        ['set', 'SCARD'],
        ['zset', 'ZCARD'],
      ] as const) {
        const total = players.reduce((sum, player) => sum + player.count(key), 0);
        expect(await admin.call(command, key)).toBe(total);
      }
      expect(await admin.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
    });

    it('nor does it where the key is none, has another type, or goes meanwhile', async () => {
      const [one, other] = [await server.connect(), await server.connect()];
      const adds = Array.from({ length: 40_000 }, (_, i): Argument[] => ['SADD', 'big', `m${i}`]);
      for (let from = 0; from < adds.length; from += 1000) await one.pipeline(adds.slice(from, from + 1000));
      const looks = Array.from({ length: 64 }, (_, i): Argument[] => ['SISMEMBER', 'big', `m${i}`]);
      const all = new Set([':0', ':1']);
      for (let round = 0; round < 20; round++) {
        const [replies] = await Promise.all([
          one.pipeline(looks),
          other.pipeline([
            ['RENAME', 'big', 'away'],
            ['SADD', 'big', 'm1'],
            ['DEL', 'big'],
            ['RENAME', 'away', 'big'],
          ]),
        ]);
        for (const reply of replies) expect(all).toContain(text(reply));
      }
      const mixed: Argument[][] = [
        ...looks.slice(0, 20),
        ['DEL', 'big'],
        ['SET', 'big', 'x'],
        ...looks.slice(20),
      ];
      const replies = (await one.pipeline(mixed)).map(text);
      expect(replies.slice(0, 22)).toEqual([...Array<string>(20).fill(':1'), ':1', 'OK']);
      expect(new Set(replies.slice(22))).toEqual(
        new Set(['WRONGTYPE Operation against a key holding the wrong kind of value']),
      );
    });
  },
  { env: { SABRE_DEBUG: '1' } },
);

/** A reply as one line. */
function text({ raw }: Reply): string {
  const lines = raw.toString().split('\r\n');
  if (lines[0] === '$-1' || lines[0] === '_') return 'null';
  if (lines[0]!.startsWith('$')) return lines[1]!;
  return lines[0]!.startsWith(':') ? lines[0]! : lines[0]!.slice(1);
}
