// Clients that write until the server is killed, and know what must be there afterwards.
//
// A Writer changes keys of its own by pipelines (crash-model.ts). Sharers all change the same keys, of database 15:
//   q0..q5 lists and g0..g3 sets   tokens that move between them: each is in one place, always
//   w0..w5                         one key that is renamed: there is one of them
//   count0..count2                 counters: no number that a client has seen comes again
//   log                            each sharer's numbers, one after the other

import { setTimeout as sleep } from 'node:timers/promises';
import {
  applyStep,
  CrashModel,
  checkBrief,
  matchPrefix,
  type Random,
  randomStep,
  readState,
  type Step,
} from './crash-model.ts';
import type { Argument, RawClient } from './raw-client.ts';
import { isError, type Reply } from './resp-parser.ts';
import { pick } from './seeded.ts';
import type { ServerProcess } from './server-process.ts';

/** What must be there after a crash: everything answered; all but the last two seconds; what the last RDB file has. */
export type Kept = 'always' | 'everysec' | 'saved';

const BATCH_MAX = 40;
export const EVERYSEC_MS = 2000;
const SHARED_DATABASE = 15;

export class Writer {
  base: CrashModel;
  steps: Step[] = [];
  /** Commands whose replies have come. */
  acked = 0;
  /** Commands that must have taken effect, whatever happens. */
  floor = 0;
  /** An error reply, which there must not be. */
  failure: string | null = null;
  readonly #random: Random;
  #acks: { at: number; count: number }[] = [];

  constructor(index: number, random: Random) {
    this.#random = random;
    this.base = new CrashModel([2 * index, 2 * index + 1]);
  }

  /** Writes until the connection breaks. */
  async run(server: ServerProcess): Promise<void> {
    const head = this.base.copy();
    try {
      const client = await server.connect();
      await client.call('SELECT', this.base.databases[0]);
      for (;;) await this.#batch(client, head);
    } catch (error) {
      if (!isBroken(error)) this.failure ??= String(error);
    }
  }

  async #batch(client: RawClient, head: CrashModel): Promise<void> {
    const count = 1 + pick(this.#random, BATCH_MAX);
    const first = this.steps.length;
    const now = Date.now();
    for (let i = 0; i < count; i++) {
      const step = randomStep(this.#random, head, now);
      applyStep(head, step);
      this.steps.push(step);
    }
    for (let i = first; i < first + count; i++) for (const args of this.steps[i]!.sent) client.send(...args);
    for (let i = first; i < first + count; i++) {
      for (const args of this.steps[i]!.sent) this.#expectNoError(args, await client.reply());
      this.acked++;
    }
    this.#acks.push({ at: Date.now(), count: this.acked });
  }

  #expectNoError(args: readonly Argument[], reply: Reply): void {
    const wrong = [reply, ...(reply.items ?? [])].find(isError);
    if (wrong !== undefined) this.failure ??= `${args.join(' ').slice(0, 200)}: ${wrong.bytes}`;
  }

  /** @returns what is wrong, or null: then the model is what the server holds */
  async check(client: RawClient, promise: Kept, killedAt: number): Promise<string | null> {
    if (this.failure !== null) return this.failure;
    const { databases } = this.base;
    const state = await readState(client, databases);
    const match = matchPrefix(this.base, this.steps, this.#least(promise, killedAt), state);
    const who = `the writer of databases ${databases.join(' and ')}`;
    if (typeof match === 'string') return `${who} (${this.acked} answered): ${match}`;
    const wrong = await checkBrief(client, match.model, killedAt);
    if (wrong !== null) return `${who}: ${wrong}`;
    this.base = match.model;
    this.steps = [];
    this.acked = this.floor = 0;
    this.#acks = [];
    return null;
  }

  /** @returns what a server holds that is not what the model says, or null */
  async compare(client: RawClient): Promise<string | null> {
    const match = matchPrefix(this.base, [], 0, await readState(client, this.base.databases));
    return typeof match === 'string' ? match : null;
  }

  #least(promise: Kept, killedAt: number): number {
    if (promise === 'always') return this.acked;
    if (promise === 'saved') return this.floor;
    const old = this.#acks.findLast(({ at }) => at <= killedAt - EVERYSEC_MS);
    return old?.count ?? 0;
  }
}

/** Whether that is how a killed server looks to its clients. */
export function isBroken(error: unknown): boolean {
  return /the connection was closed|cannot connect|ECONNRESET|EPIPE|ECONNREFUSED/.test(String(error));
}

const LISTS = Array.from({ length: 6 }, (_, i) => `q${i}`);
const SETS = Array.from({ length: 4 }, (_, i) => `g${i}`);
const WANDERERS = Array.from({ length: 6 }, (_, i) => `w${i}`);
const COUNTERS = ['count0', 'count1', 'count2'];
const TOKENS = 48;
const LOG_MAX = 4000;

/** Numbers of counters, and of the log by sharer, that must be there. */
type Known = { seen: Map<string, number>; answered: number[] };

/** What clients do that change the same keys, and what they have seen. */
export class Shared {
  failure: string | null = null;
  readonly #random: Random;
  readonly #sharers: number;
  /** The highest number seen of each counter, and how often it was counted up. */
  #seen = new Map<string, number>();
  #sent = new Map<string, number>();
  /** By sharer: the last number of its own that was put in the log, and that was answered. */
  #logged: number[];
  #answered: number[];
  #least: (Known & { at: number })[] = [];
  /** What was there at the start of the round. */
  #floor: Known;

  constructor(sharers: number, random: Random) {
    this.#random = random;
    this.#sharers = sharers;
    this.#logged = Array(sharers).fill(0);
    this.#answered = Array(sharers).fill(0);
    this.#floor = { seen: new Map(), answered: Array(sharers).fill(0) };
  }

  /** Puts the tokens and the wanderer in place. */
  async fill(client: RawClient): Promise<void> {
    await client.call('SELECT', SHARED_DATABASE);
    const tokens = Array.from({ length: TOKENS }, (_, i) => `token${i}`);
    await client.call('RPUSH', LISTS[0]!, ...tokens);
    await client.call('SADD', SETS[0]!, ...tokens);
    await client.call('SET', WANDERERS[0]!, 'here');
  }

  async run(server: ServerProcess): Promise<void> {
    const sharers = Array.from({ length: this.#sharers }, (_, i) => this.#share(server, i));
    await Promise.all(sharers);
  }

  async #share(server: ServerProcess, index: number): Promise<void> {
    try {
      const client = await server.connect();
      await client.call('SELECT', SHARED_DATABASE);
      for (;;) await this.#batch(client, index);
    } catch (error) {
      if (!isBroken(error)) this.failure ??= String(error);
    }
  }

  async #batch(client: RawClient, index: number): Promise<void> {
    const commands = Array.from({ length: 1 + pick(this.#random, 12) }, () => this.#command(index));
    for (const args of commands) {
      if (args[0] === 'INCR') this.#count(this.#sent, String(args[1]));
      client.send(...args);
    }
    for (const args of commands) {
      const reply = await client.reply();
      const text = String(reply.bytes);
      if (isError(reply) && text !== 'ERR no such key') this.failure ??= `${args.join(' ')}: ${text}`;
      if (args[0] === 'INCR' || args[0] === 'GET') {
        const seen = Math.max(Number(text), this.#seen.get(String(args[1])) ?? 0);
        if (reply.bytes !== null) this.#seen.set(String(args[1]), seen);
      }
      if (args[0] === 'RPUSH') this.#answered[index] = Number(String(args[2]).split(':')[1]);
    }
    this.#least.push({ at: Date.now(), seen: new Map(this.#seen), answered: [...this.#answered] });
  }

  #command(index: number): Argument[] {
    const any = (names: readonly string[]): string => names[pick(this.#random, names.length)]!;
    switch (pick(this.#random, 9)) {
      case 0:
        return ['LMOVE', any(LISTS), any(LISTS), 'LEFT', 'RIGHT'];
      case 1:
        return ['RPOPLPUSH', any(LISTS), any(LISTS)];
      case 2:
        return ['BLMOVE', any(LISTS), any(LISTS), 'RIGHT', 'LEFT', '0.003'];
      case 3:
      case 4:
        return ['SMOVE', any(SETS), any(SETS), `token${pick(this.#random, TOKENS)}`];
      case 5:
        return [this.#random() < 0.5 ? 'RENAME' : 'RENAMENX', any(WANDERERS), any(WANDERERS)];
      case 6:
        return ['INCR', any(COUNTERS)];
      case 7:
        return ['GET', any(COUNTERS)];
      default:
        return ['RPUSH', 'log', `${index}:${++this.#logged[index]!}`];
    }
  }

  #count(counts: Map<string, number>, name: string): void {
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }

  /** @returns what is wrong, or null */
  async check(client: RawClient, promise: Kept, killedAt: number): Promise<string | null> {
    if (this.failure !== null) return this.failure;
    await client.call('SELECT', SHARED_DATABASE);
    return (
      (await checkTokens(client)) ??
      (await this.#checkCounters(client, promise, killedAt)) ??
      (await this.#checkLog(client, promise, killedAt))
    );
  }

  #known(promise: Kept, killedAt: number): Known {
    if (promise === 'always') return { seen: this.#seen, answered: this.#answered };
    const old = this.#least.findLast(({ at }) => at <= killedAt - EVERYSEC_MS);
    return promise === 'everysec' && old !== undefined ? old : this.#floor;
  }

  async #checkCounters(client: RawClient, promise: Kept, killedAt: number): Promise<string | null> {
    const { seen } = this.#known(promise, killedAt);
    for (const name of COUNTERS) {
      const value = Number(await client.call('GET', name));
      if (value < (seen.get(name) ?? 0)) return `${name} is ${value}; ${seen.get(name)} has been seen`;
      const sent = this.#sent.get(name) ?? 0;
      if (value > sent) return `${name} is ${value}, but was counted up ${sent} times`;
      this.#seen.set(name, value);
      this.#sent.set(name, value);
    }
    this.#least = [];
    return null;
  }

  async #checkLog(client: RawClient, promise: Kept, killedAt: number): Promise<string | null> {
    const { answered } = this.#known(promise, killedAt);
    const lines = (await client.call('LRANGE', 'log', 0, -1)) as string[];
    const last: number[] = Array(this.#sharers).fill(0);
    for (const line of lines) {
      const [index, number] = line.split(':').map(Number) as [number, number];
      if (last[index] !== 0 && number !== last[index]! + 1)
        return `the log of sharer ${index} has ${number} after ${last[index]}`;
      last[index] = number;
    }
    for (let i = 0; i < this.#sharers; i++) {
      if (last[i]! < answered[i]!) return `the log of sharer ${i} ends at ${last[i]}, not ${answered[i]}`;
      this.#logged[i] = this.#answered[i] = last[i]!;
    }
    if (lines.length > LOG_MAX) {
      await client.call('DEL', 'log');
      this.#logged.fill(0);
      this.#answered.fill(0);
    }
    this.#floor = { seen: new Map(this.#seen), answered: [...this.#answered] };
    return null;
  }
}

/** Each token must be in one list, and in one set; the wanderer must be one. @returns what is wrong, or null */
export async function checkTokens(client: RawClient): Promise<string | null> {
  const all = Array.from({ length: TOKENS }, (_, i) => `token${i}`)
    .sort()
    .join();
  const lists: string[] = [];
  for (const name of LISTS) lists.push(...((await client.call('LRANGE', name, 0, -1)) as string[]));
  if (lists.sort().join() !== all) return `tokens in the lists: ${lists.join(' ')}`;
  const sets: string[] = [];
  for (const name of SETS) sets.push(...((await client.call('SMEMBERS', name)) as string[]));
  if (sets.sort().join() !== all) return `tokens in the sets: ${sets.join(' ')}`;
  const here = await client.call('EXISTS', ...WANDERERS);
  return here === 1 ? null : `of the key that is renamed, there are ${here}`;
}

/** Waits for a random time below. */
export async function aWhile(random: Random, belowMs: number): Promise<void> {
  await sleep(random() * belowMs);
}
