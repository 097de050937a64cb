// A long run of random commands with the append only log: after kill -9, Sabre and redis-server load from it what was there.
//
// The generators are those of the comparison with redis-server (differential.test.ts), without what the log knows nothing of:
// settings that change how values are kept. SABRE_LOG_COMMANDS sets the number of operations, SABRE_LOG_SEED repeats.

import { cpSync } from 'node:fs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { commandMix, generateOperations } from '../support/command-generators.ts';
import { formatCommand } from '../support/command-history.ts';
import { describeData, differences, digestOf } from '../support/describe-data.ts';
import type { Operation } from '../support/generator-parts.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { redisExecutable } from '../support/redis-server.ts';
import { startSabre, TOPOLOGIES } from '../support/sabre-server.ts';
import { ServerProcess } from '../support/server-process.ts';

const COMMANDS = Number(process.env['SABRE_LOG_COMMANDS'] ?? 2_500);
const SEED = Number(process.env['SABRE_LOG_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
const LOG = ['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
/** In one run a FLUSHALL may come late: what is compared then is little. */
const RUNS = 3;
const BATCH = 40;
/** One in so many batches comes as transactions of so many commands. */
const TRANSACTIONS_EVERY = 3;
const TRANSACTION_COMMANDS = 5;
/** Batches after which the server loads its own log: what is not told shows before it is overwritten. */
const LOAD_EVERY = 4;
/** Batches from one rewrite to the next, and the place of the first. */
const REWRITE_EVERY = 25;
const FIRST_REWRITE = 12;
/** Nothing of how values are kept is told, nor are these part of the data. */
const LEFT_OUT = new Set(['config', 'debug', 'reset', 'hello', 'quit', 'client', 'flushall', 'pfdebug']);

type Case = { newer: boolean; rewrite: boolean };
const CASES: readonly Case[] = [
  { newer: false, rewrite: false },
  { newer: false, rewrite: true },
  { newer: true, rewrite: true },
];

describe.each(TOPOLOGIES)('the log of random commands ($name)', ({ args }) => {
  describe.each(CASES)('newer than 7.0: $newer, with rewrites: $rewrite', ({ newer, rewrite }) => {
    it(`SABRE_LOG_SEED=${SEED}`, { timeout: 120_000 + COMMANDS * 5 }, async () => {
      const count = Math.ceil(COMMANDS / RUNS / CASES.length / TOPOLOGIES.length);
      for (let i = 0; i < RUNS; i++) await compare(args, newer, rewrite, count, SEED + i);
    });
  });
});

async function compare(
  args: readonly string[],
  newer: boolean,
  rewrite: boolean,
  count: number,
  seed: number,
): Promise<void> {
  const server = await startSabre({ args: [...args, ...LOG] });
  onTestFinished(() => server.stop());
  const operations = generateOperations(commandMix(newer), count, seed).flat();
  await run(server, operations, rewrite);
  const client = await server.connect();
  const digest = await digestOf(client);
  const data = await describeData(client, 'any');
  await server.kill9();
  await server.start();
  const again = await server.connect();
  expect(differences(data, await describeData(again, 'any')), `seed ${seed}`).toBeNull();
  expect(await digestOf(again)).toBe(digest);
  expect(await again.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  if (!newer) await compareRedis(server.folder, digest, data);
  await again.close();
}

/** What redis-server loads from a copy of the files. */
async function compareRedis(folder: string, digest: string, data: Map<string, string>): Promise<void> {
  const redis = new ServerProcess('redis', redisExecutable(), [], { args: LOG });
  onTestFinished(() => redis.stop());
  cpSync(folder, redis.folder, { recursive: true });
  await redis.start();
  const client = await redis.connect();
  expect(differences(data, await describeData(client, 'any')), 'redis-server').toBeNull();
  expect(await digestOf(client)).toBe(digest);
}

async function run(server: ServerProcess, operations: readonly Operation[], rewrite: boolean): Promise<void> {
  const client = await server.connect();
  const other = await server.connect();
  const observer = await server.connect();
  const kept = operations.filter(
    ({ args, scanAll }) => scanAll !== true && !LEFT_OUT.has(String(args[0]).toLowerCase()),
  );
  for (let from = 0; from < kept.length; from += BATCH) {
    const batch = kept.slice(from, from + BATCH);
    const waiting = batch.find((operation) => operation.waiting !== undefined)?.waiting;
    // It waits, or is served at once: both are told.
    if (waiting !== undefined) other.send(...waiting);
    const number = from / BATCH;
    const commands = batch.map(({ args }) => args);
    await client.pipeline(number % TRANSACTIONS_EVERY === 0 ? inTransactions(commands) : commands);
    if (waiting !== undefined) await unblock(client, other);
    if (rewrite && number % REWRITE_EVERY === FIRST_REWRITE) await client.command('BGREWRITEAOF');
    if (number % LOAD_EVERY === 0) {
      await loadLog(observer, kept.slice(Math.max(0, from - (LOAD_EVERY - 1) * BATCH), from + BATCH));
    }
  }
  await client.close();
  await other.close();
  await observer.close();
}

/** The commands in transactions, few enough in each that not all of them are refused for what cannot be queued. */
function inTransactions(commands: readonly (readonly Argument[])[]): (readonly Argument[])[] {
  const bounded: (readonly Argument[])[] = [];
  for (let from = 0; from < commands.length; from += TRANSACTION_COMMANDS)
    bounded.push(['MULTI'], ...commands.slice(from, from + TRANSACTION_COMMANDS), ['EXEC']);
  return bounded;
}

/** Ends the wait of another connection, if it still waits. */
async function unblock(client: RawClient, other: RawClient): Promise<void> {
  for (let reply = other.drain(); reply.length === 0; reply = other.drain()) {
    const list = String((await client.command('CLIENT', 'LIST')).bytes);
    const id = /id=(\d+) [^\n]* flags=b/.exec(list)?.[1];
    if (id !== undefined) await client.command('CLIENT', 'UNBLOCK', id);
  }
}

/** Lets the server load its log: then it holds what it held. */
async function loadLog(client: RawClient, latest: readonly Operation[]): Promise<void> {
  const before = await client.call('DEBUG', 'DIGEST');
  expect(await client.call('DEBUG', 'LOADAOF')).toBe('OK');
  if ((await client.call('DEBUG', 'DIGEST')) === before) return;
  const commands = latest.map(({ args }) => formatCommand(args).slice(0, 300));
  throw new Error(`the log does not have what is there, since one of these:\n${commands.join('\n')}`);
}
