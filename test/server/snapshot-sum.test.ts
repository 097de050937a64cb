// BGSAVE and BGREWRITEAOF one after the other while clients move amounts between keys: each file, loaded by another Sabre and
// by redis-server, has the sum that there is in all, and no move half done.
//
//   pair:<n>:left, pair:<n>:right   MSET of both: one gives what the other gets
//   purse:<n>                       lists of coins, which LMOVE and blocked clients move
//   guild:<n>                       sets of members, which SMOVE moves
//   huge:<n>                        one list of many items, which RENAME moves
//   coin:<n>                        strings that MOVE takes to the other database and back

import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { isError } from '../support/resp-parser.ts';
import { sabreCommand, startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';
import { ServerProcess } from '../support/server-process.ts';

const SEED = Math.floor(Math.random() * 2 ** 31);
const FILES = 5;
/** Files of which the whole log, base and increment, is loaded. */
const LOGS = 2;
const MOVERS = 4;
const PAIRS = 12;
const PURSES = 8;
const COINS = 40;
const HUGE_ITEMS = 30_000;
const HUGE_PLACES = 3;
const BALLAST = 5000;

const PAIR_SUM = 1000;
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const COIN_VALUES = range(COINS).map((i) => i + 1);
const COINS_SUM = sum(COIN_VALUES);

function sum(values: readonly (string | number)[]): number {
  return values.reduce((all: number, value) => all + Number(value), 0);
}

async function fill(client: RawClient): Promise<void> {
  for (const i of range(MOVERS * PAIRS))
    await client.call('MSET', `pair:${i}:left`, PAIR_SUM, `pair:${i}:right`, 0);
  await client.call('RPUSH', 'purse:0', ...COIN_VALUES);
  await client.call('SADD', 'guild:0', ...COIN_VALUES.map((value) => `member ${value}`));
  await client.call('MSET', ...COIN_VALUES.flatMap((value) => [`coin:${value}`, value]));
  await client.call('RPUSH', 'huge:0', ...range(HUGE_ITEMS).map((i) => `item ${i}`));
  await client.pipeline(range(BALLAST).map((i) => ['SET', `ballast:${i}`, `value ${i}`.repeat(20)]));
}

/** Random moves until the connection is closed. */
async function move(client: RawClient, mover: number, random: () => number): Promise<void> {
  const other = await client.call('SELECT', 0);
  expect(other).toBe('OK');
  for (;;) {
    const commands = range(30).map(() => randomMove(mover, random));
    for (const args of commands) client.send(...args);
    for (const args of commands) {
      const reply = await client.reply();
      if (isError(reply) && !/no such key/.test(String(reply.bytes)))
        throw new Error(`${args}: ${reply.bytes}`);
    }
  }
}

function randomMove(mover: number, random: () => number): Argument[] {
  const any = (count: number): number => pick(random, count);
  switch (any(8)) {
    case 0:
      return ['RENAME', `huge:${any(HUGE_PLACES)}`, `huge:${any(HUGE_PLACES)}`];
    case 1:
      return ['MOVE', `coin:${1 + any(COINS)}`, 1];
    case 2:
      return ['SMOVE', `guild:${any(PURSES)}`, `guild:${any(PURSES)}`, `member ${1 + any(COINS)}`];
    case 3:
      return ['BLMOVE', `purse:${any(PURSES)}`, `purse:${any(PURSES)}`, 'LEFT', 'LEFT', '0.002'];
    case 4:
      return ['LMOVE', `purse:${any(PURSES)}`, `purse:${any(PURSES)}`, 'LEFT', 'RIGHT'];
    default: {
      const pair = mover * PAIRS + any(PAIRS);
      const part = any(PAIR_SUM);
      return ['MSET', `pair:${pair}:left`, part, `pair:${pair}:right`, PAIR_SUM - part];
    }
  }
}

/** Takes coins back from the other database, until the connection is closed. */
async function moveBack(client: RawClient): Promise<void> {
  await client.call('SELECT', 1);
  for (;;) {
    await client.pipeline(COIN_VALUES.map((value) => ['MOVE', `coin:${value}`, 0]));
    await sleep(3);
  }
}

/** Everything there is must be there once. */
async function checkSums(client: RawClient, what: string): Promise<void> {
  await client.call('SELECT', 0);
  for (const i of range(MOVERS * PAIRS)) {
    const pair = (await client.call('MGET', `pair:${i}:left`, `pair:${i}:right`)) as string[];
    expect(sum(pair), `${what}: pair ${i}: ${pair}`).toBe(PAIR_SUM);
  }
  const purses = await Promise.all(range(PURSES).map((i) => client.call('LRANGE', `purse:${i}`, 0, -1)));
  expect(sum((purses as string[][]).flat()), `${what}: purses`).toBe(COINS_SUM);
  const guilds = await Promise.all(range(PURSES).map((i) => client.call('SMEMBERS', `guild:${i}`)));
  const members = (guilds as string[][]).flat();
  expect(members.length, `${what}: guilds`).toBe(COINS);
  expect(new Set(members).size, `${what}: guilds`).toBe(COINS);
  const lengths = await Promise.all(range(HUGE_PLACES).map((i) => client.call('LLEN', `huge:${i}`)));
  expect((lengths as number[]).sort().reverse(), `${what}: huge`).toEqual([HUGE_ITEMS, 0, 0]);
  expect(await client.call('EXISTS', ...range(BALLAST).map((i) => `ballast:${i}`))).toBe(BALLAST);
  const coins: string[] = [];
  for (const db of [0, 1]) {
    await client.call('SELECT', db);
    const found = (await client.call('MGET', ...COIN_VALUES.map((value) => `coin:${value}`))) as string[];
    coins.push(...found.filter((value) => value !== null));
  }
  expect(coins.length, `${what}: coins`).toBe(COINS);
  expect(sum(coins), `${what}: coins`).toBe(COINS_SUM);
}

async function untilIdle(client: RawClient): Promise<void> {
  for (;;) {
    const info = String(await client.call('INFO', 'persistence'));
    if (!/(rdb_bgsave_in_progress|aof_rewrite_in_progress|aof_rewrite_scheduled):1/.test(info)) {
      expect(info).toContain('rdb_last_bgsave_status:ok');
      expect(info).toContain('aof_last_bgrewrite_status:ok');
      return;
    }
    await sleep(3);
  }
}

/** Starts a server that is stopped after the test, with another's files if they are given. */
async function start(
  command: readonly string[],
  args: readonly string[],
  files?: string,
): Promise<ServerProcess> {
  const [executable, ...words] = command;
  const server = new ServerProcess(words.length > 0 ? 'sabre' : 'redis', executable!, words, { args });
  if (files !== undefined) cpSync(files, join(server.folder, 'appendonlydir'), { recursive: true });
  onTestFinished(() => server.stop());
  await server.start();
  return server;
}

/** Lets a running server load an RDB file. */
async function reload(server: ServerProcess, file: string): Promise<RawClient> {
  cpSync(file, join(server.folder, 'dump.rdb'));
  const client = await server.connect();
  expect(await client.call('DEBUG', 'RELOAD', 'NOSAVE')).toBe('OK');
  return client;
}

describe.each(TOPOLOGIES)('snapshots while amounts move ($name)', ({ args }) => {
  it(`have the whole sum (seed ${SEED})`, { timeout: 180_000 }, async () => {
    const log = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];
    const server = await startSabre({ args: [...args, ...log] });
    onTestFinished(() => server.stop());
    const readers = [await start(sabreCommand(), []), await start([redisExecutable()], [])];
    const admin = await server.connect({ timeoutMs: 60_000 });
    await fill(admin);
    const random = seeded(SEED);
    const clients: RawClient[] = [];
    const connect = async (): Promise<RawClient> => {
      const client = await server.connect({ timeoutMs: 60_000 });
      clients.push(client);
      return client;
    };
    let over = false;
    const moves = [moveBack(await connect())];
    for (const mover of range(MOVERS)) moves.push(move(await connect(), mover, random));
    const ended = moves.map((work) =>
      work.catch((error: unknown) => {
        if (!over) throw error;
      }),
    );

    for (let file = 0; file < FILES; file++) {
      const saves = file % 2 === 0;
      await Promise.race([...ended, admin.call(saves ? 'BGSAVE' : 'BGREWRITEAOF')]);
      await untilIdle(admin);
      const folder = join(server.folder, 'appendonlydir');
      const base = `appendonly.aof.${1 + (file + 1) / 2}.base.rdb`;
      const path = saves ? join(server.folder, 'dump.rdb') : join(folder, base);
      for (const reader of readers) {
        const client = await reload(reader, path);
        await checkSums(client, `${reader.name}, file ${file}`);
        await client.close();
      }
      if (saves || file < FILES - 2 * LOGS) continue;
      for (const command of [sabreCommand(), [redisExecutable()]]) {
        const reader = await start(command, log, folder);
        const client = await reader.connect();
        await checkSums(client, `${reader.name}, log ${file}`);
        await client.close();
      }
    }
    over = true;
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(ended);
    await checkSums(admin, 'the server');
    expect(await admin.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });
});
