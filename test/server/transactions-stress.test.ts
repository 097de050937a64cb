// Transactions of many connections over several acceptors and workers: counters by WATCH are exact, money moves and is never
// seen on its way, also by transactions that go to workers, while snapshots run, keys expire and clients wait; the log has it all.
//
// SABRE_STRESS_FACTOR multiplies the work (1).

import { describe, expect, it, onTestFinished } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { isError, type Reply } from '../support/resp-parser.ts';
import { LEFT_IS_REDIS, startSabre } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';
import type { ServerProcess } from '../support/server-process.ts';

const FACTOR = Number(process.env['SABRE_STRESS_FACTOR'] ?? 1);
const LIMIT = { timeout: 60_000 + 60_000 * FACTOR };
const ACCOUNTS = Array.from({ length: 24 }, (_, i) => `account:${i}`);
const MONEY = 1000;

describe.each([
  [1, 1],
  [3, 2],
])('transactions under stress (%i acceptors, %i shard workers)', (acceptors, workers) => {
  const topology = ['--acceptors', String(acceptors), '--shard-workers', String(workers)];

  async function start(...args: string[]): Promise<ServerProcess> {
    const server = await startSabre({ args: [...topology, ...args] });
    onTestFinished(() => server.stop());
    return server;
  }

  it('a counter that is read, watched and set counts every success once', LIMIT, async () => {
    const server = await start();
    const clients = await connect(server, 12);
    let successes = 0;
    await Promise.all(
      clients.map(async (client, index) => {
        for (let round = 0; round < 150 * FACTOR; round++) {
          const key = `counter:${(round + index) % 3}`;
          await client.call('WATCH', key);
          const next = Number((await client.call('GET', key)) ?? 0) + 1;
          // Now and then as long work, which goes to a worker.
          const also: Argument[][] = round % 10 === 0 ? [['KEYS', 'nothing*']] : [];
          const replies = await client.pipeline([['MULTI'], ['SET', key, next], ...also, ['EXEC']]);
          if (replies.at(-1)!.items !== null) successes++;
        }
      }),
    );
    const counts = await Promise.all([0, 1, 2].map((i) => clients[0]!.call('GET', `counter:${i}`)));
    expect(counts.reduce((sum: number, count) => sum + Number(count), 0)).toBe(successes);
    expect(successes).toBeGreaterThan(100);
    await check(clients[0]!);
  });

  it('what moves is in one place, whoever looks, and in the log', LIMIT, async () => {
    const log = ['--appendonly', 'yes', '--appendfsync', 'no', '--auto-aof-rewrite-percentage', '0'];
    const server = await start(...(LEFT_IS_REDIS ? [] : log));
    const clients = await connect(server, 10);
    for (const key of ACCOUNTS) await clients[0]!.call('SET', key, MONEY);
    let done = 0;
    const movers = clients.slice(0, 8).map(async (client, index) => {
      const random = seeded(index + 1);
      for (let round = 0; round < 250 * FACTOR; round++)
        expectMoved(await client.pipeline(moveMoney(random)));
      done++;
    });
    const lookers = clients.slice(8).map(async (client, index) => {
      for (let round = 0; done < 8; round++) {
        const look: Argument[][] = [['MULTI'], ['MGET', ...ACCOUNTS], ...ACCOUNTS.map((key) => ['GET', key])];
        if (round % 4 === index) look.push(['DBSIZE'], ['KEYS', 'account:1?']);
        const exec = (await client.pipeline([...look, ['EXEC']])).at(-1)!;
        const [all, ...each] = exec.items!;
        const sum = all!.items!.reduce((total, { bytes }) => total + Number(bytes), 0);
        expect(sum).toBe(ACCOUNTS.length * MONEY);
        expect(each.slice(0, ACCOUNTS.length).map(({ bytes }) => String(bytes))).toEqual(
          all!.items!.map(({ bytes }) => String(bytes)),
        );
        if (round % 20 === 0 && index === 0) await client.command('BGREWRITEAOF');
      }
    });
    await Promise.all([...movers, ...lookers]);
    await check(clients[0]!);
    if (LEFT_IS_REDIS) return;
    const digest = await clients[0]!.call('DEBUG', 'DIGEST');
    expect(await clients[0]!.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await clients[0]!.call('DEBUG', 'DIGEST')).toBe(digest);
    await server.kill9();
    await server.start();
    const again = await server.connect();
    const values = (await again.call('MGET', ...ACCOUNTS)) as string[];
    expect(values.reduce((sum, value) => sum + Number(value), 0)).toBe(ACCOUNTS.length * MONEY);
  });

  it('elements pushed in transactions come to those who wait, each once', LIMIT, async () => {
    const server = await start();
    const clients = await connect(server, 8);
    const total = 4 * 150 * FACTOR;
    const got: string[] = [];
    const waiters = clients.slice(4).map(async (client) => {
      for (;;) {
        const reply = (await client.command('BLPOP', 'q1', 'q2', 20)).items!;
        if (String(reply[1]!.bytes) === 'end') return;
        got.push(String(reply[1]!.bytes));
      }
    });
    await Promise.all(
      clients.slice(0, 4).map(async (client, index) => {
        for (let round = 0; round < 75 * FACTOR; round++) {
          const name = (part: number) => `${index}:${round}:${part}`;
          await client.pipeline([
            ['MULTI'],
            ['RPUSH', 'q1', name(0)],
            ['RPUSH', 'q2', name(1)],
            // Nobody may see this one.
            ['RPUSH', 'q1', 'never'],
            ['RPOP', 'q1'],
            ['EXEC'],
          ]);
        }
      }),
    );
    await expect.poll(() => got.length, { timeout: 20_000 }).toBe(total);
    await clients[0]!.call('RPUSH', 'q1', 'end', 'end', 'end', 'end');
    await Promise.all(waiters);
    expect(new Set(got).size).toBe(total);
    expect(got).not.toContain('never');
    await check(clients[0]!);
  });
});

/** From one account to another, in one of several ways. */
function moveMoney(random: ReturnType<typeof seeded>): Argument[][] {
  const [from, to] = [ACCOUNTS[pick(random, 24)]!, ACCOUNTS[pick(random, 24)]!];
  const amount = 1 + pick(random, 5);
  const move: Argument[][] = [['MULTI'], ['DECRBY', from, amount], ['INCRBY', to, amount]];
  const way = pick(random, 12);
  // To a worker; as a failing command in between; with a key that expires at once.
  if (way === 0) move.splice(2, 0, ['KEYS', 'account:2*']);
  else if (way === 1) move.splice(2, 0, ['LPUSH', from, 'x']);
  else if (way === 2) move.splice(2, 0, ['SET', `gone:${amount}`, 'x', 'PX', 1]);
  return [...move, ['EXEC']];
}

function expectMoved(replies: readonly Reply[]): void {
  const exec = replies.at(-1)!;
  expect(isError(exec)).toBe(false);
  for (const item of exec.items!) if (isError(item)) expect(String(item.bytes)).toMatch(/^WRONGTYPE /);
}

async function connect(server: ServerProcess, count: number): Promise<RawClient[]> {
  return await Promise.all(Array.from({ length: count }, () => server.connect()));
}

/** Every structure is sound, and nothing is watched any more. */
async function check(client: RawClient): Promise<void> {
  if (LEFT_IS_REDIS) return;
  expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  expect(String(await client.call('INFO', 'clients'))).toContain('total_watched_keys:0\r\n');
}
