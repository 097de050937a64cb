// Clients that write several keys at once until the server is killed: by transactions, with WATCH or without, and by commands
// of several keys. All of them change the same keys, of database 13, which lie in several shards:
//   account0..account7   numbers whose sum never changes
//   twin0..twin3         hold the same text, always; now and then one so long that a shard worker writes it
//   done                 a hash: how many transactions with transfers each client has completed
//   moved                their number over all clients
// So what is there after a crash shows whether each was done as a whole or not at all.

import { EVERYSEC_MS, isBroken, type Kept } from './crash-load.ts';
import type { Random } from './crash-model.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes, type Reply } from './resp-parser.ts';
import { pick } from './seeded.ts';
import type { ServerProcess } from './server-process.ts';

const DATABASE = 13;
const ACCOUNTS = Array.from({ length: 8 }, (_, i) => `account${i}`);
const TWINS = ['twin0', 'twin1', 'twin2', 'twin3'];
const BALANCE = 1000;
const LONG_BYTES = 100_000;
const PIPELINE_MAX = 6;

export class Transfers {
  failure: string | null = null;
  readonly #random: Random;
  /** By client: transfers sent, and answered as done. */
  readonly #sent: number[];
  readonly #done: number[];
  #history: { at: number; done: number[] }[] = [];
  /** What was there at the start of the round. */
  #floor: number[];
  #texts = 0;

  constructor(clients: number, random: Random) {
    this.#random = random;
    this.#sent = Array(clients).fill(0);
    this.#done = Array(clients).fill(0);
    this.#floor = Array(clients).fill(0);
  }

  async fill(client: RawClient): Promise<void> {
    await client.call('SELECT', DATABASE);
    await client.call('MSET', ...ACCOUNTS.flatMap((name) => [name, BALANCE]));
    await client.call('SET', 'moved', 0);
    await client.call('MSET', ...TWINS.flatMap((name) => [name, 'first']));
  }

  async run(server: ServerProcess): Promise<void> {
    await Promise.all(this.#sent.map((_, index) => this.#runOne(server, index)));
  }

  async #runOne(server: ServerProcess, index: number): Promise<void> {
    try {
      const client = await server.connect();
      await client.call('SELECT', DATABASE);
      for (;;) {
        const roll = this.#random();
        if (roll < 0.4) await this.#transferWatched(client, index);
        else if (roll < 0.8) await this.#transferBlindly(client, index);
        else await this.#writeTwins(client);
        this.#history.push({ at: Date.now(), done: [...this.#done] });
      }
    } catch (error) {
      if (!isBroken(error)) this.failure ??= String(error);
    }
  }

  /** Reads, then writes if nobody else has written meanwhile. */
  async #transferWatched(client: RawClient, index: number): Promise<void> {
    const [from, to] = this.#twoAccounts();
    const amount = pick(this.#random, 10);
    await client.call('WATCH', from, to);
    const [left, right] = (await client.call('MGET', from, to)) as [string, string];
    this.#sendTransfer(client, index, [
      ['SET', from, Number(left) - amount],
      ['SET', to, Number(right) + amount],
    ]);
    await this.#transferReply(client, index, 4);
  }

  async #transferBlindly(client: RawClient, index: number): Promise<void> {
    const count = 1 + pick(this.#random, PIPELINE_MAX);
    for (let i = 0; i < count; i++) {
      const [from, to] = this.#twoAccounts();
      const amount = pick(this.#random, 10);
      this.#sendTransfer(client, index, [
        ['DECRBY', from, amount],
        // Fails when it runs; the others count all the same.
        ['LPUSH', 'moved', 'x'],
        ['INCRBY', to, amount],
      ]);
    }
    for (let i = 0; i < count; i++) await this.#transferReply(client, index, 5);
  }

  #sendTransfer(client: RawClient, index: number, commands: readonly Argument[][]): void {
    this.#sent[index]!++;
    client.send('MULTI');
    client.send('HINCRBY', 'done', index, 1);
    for (const command of commands) client.send(...command);
    client.send('INCR', 'moved');
    client.send('EXEC');
  }

  /** @param commands between MULTI and EXEC */
  async #transferReply(client: RawClient, index: number, commands: number): Promise<void> {
    for (let i = 0; i <= commands; i++) this.#expectNoError(await client.reply());
    const reply = await client.reply();
    this.#expectNoError(reply);
    // Somebody else has written: nothing is done.
    if (reply.items !== null) this.#done[index]!++;
    else this.#sent[index]!--;
  }

  async #writeTwins(client: RawClient): Promise<void> {
    const text = `text${++this.#texts}${'.'.repeat(this.#random() < 0.1 ? LONG_BYTES : 0)}`;
    if (this.#random() < 0.4) client.send('MSET', ...TWINS.flatMap((name) => [name, text]));
    else {
      client.send('MULTI');
      for (const name of TWINS) client.send('SET', name, text);
      client.send('EXEC');
      for (let i = 0; i <= TWINS.length; i++) this.#expectNoError(await client.reply());
    }
    this.#expectNoError(await client.reply());
    this.failure ??= await checkTwins(client);
  }

  #twoAccounts(): [string, string] {
    const from = pick(this.#random, ACCOUNTS.length);
    const to = (from + 1 + pick(this.#random, ACCOUNTS.length - 1)) % ACCOUNTS.length;
    return [ACCOUNTS[from]!, ACCOUNTS[to]!];
  }

  #expectNoError(reply: Reply): void {
    if (isError(reply)) this.failure ??= quoteBytes(reply.raw);
  }

  /** @returns what is wrong, or null */
  async check(client: RawClient, promise: Kept, killedAt: number): Promise<string | null> {
    if (this.failure !== null) return this.failure;
    const wrong = await checkTransfers(client);
    if (wrong !== null) return wrong;
    const old = this.#history.findLast(({ at }) => at <= killedAt - EVERYSEC_MS);
    const least = promise === 'always' ? this.#done : promise === 'everysec' ? old?.done : this.#floor;
    for (let i = 0; i < this.#sent.length; i++) {
      const done = Number(await client.call('HGET', 'done', i));
      if (done < (least ?? this.#floor)[i]!) return `client ${i} has done ${least![i]}; ${done} are there`;
      if (done > this.#sent[i]!) return `client ${i} has sent ${this.#sent[i]}; ${done} are there`;
      this.#sent[i] = this.#done[i] = done;
    }
    this.#history = [];
    this.#floor = [...this.#done];
    return null;
  }
}

/** Whether each transaction is there as a whole or not at all. @returns what is wrong, or null */
export async function checkTransfers(client: RawClient): Promise<string | null> {
  await client.call('SELECT', DATABASE);
  const balances = ((await client.call('MGET', ...ACCOUNTS)) as string[]).map(Number);
  const sum = balances.reduce((total, balance) => total + balance, 0);
  if (sum !== ACCOUNTS.length * BALANCE) return `the accounts hold ${balances.join(' ')}: ${sum}`;
  const done = ((await client.call('HVALS', 'done')) as string[]).map(Number);
  const moved = Number(await client.call('GET', 'moved'));
  if (done.reduce((total, count) => total + count, 0) !== moved)
    return `${done.join(' ')} done, ${moved} moved`;
  return await checkTwins(client);
}

async function checkTwins(client: RawClient): Promise<string | null> {
  const texts = (await client.call('MGET', ...TWINS)) as string[];
  if (texts.every((text) => text === texts[0])) return null;
  return `the twins hold ${texts.map((text) => `${text?.slice(0, 20)} (${text?.length})`).join(', ')}`;
}
