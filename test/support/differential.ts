// Comparing Sabre with a real redis-server, command by command and byte by byte.
//
// `describeDifferential` runs a block of tests once per topology and per protocol version. Inside, `diff.same(...)`
// sends a command to both servers and fails unless the replies are the same bytes, error texts included; the failure
// shows both replies and, as a script for redis-cli, the commands that touched the same keys.

import { afterAll, afterEach, beforeAll, beforeEach, describe } from 'vitest';
import { CommandHistory, formatCommand } from './command-history.ts';
import { type Comparison, exact } from './comparisons.ts';
import { type Argument, encodeCommand, type RawClient } from './raw-client.ts';
import { startRedis } from './redis-server.ts';
import { quoteBytes, type Reply } from './resp-parser.ts';
import { startSabre, TOPOLOGIES } from './sabre-server.ts';
import type { ServerOptions, ServerProcess } from './server-process.ts';

/** A command, how its replies are compared (by default exactly), and what the oracle is sent in its place, if anything. */
export type Step = { args: readonly Argument[]; compare?: Comparison; redis?: readonly Argument[] };

/** Where the servers differed. */
export type Mismatch = { index: number; left: Reply; right: Reply };

/** What is needed of a server to be compared. */
export type Endpoint = Pick<ServerProcess, 'connect' | 'running' | 'start'>;

export type Pair<Server extends Endpoint = ServerProcess> = { sabre: Server; redis: Server };

const SHOWN_REPLY_BYTES = 3000;

/** A connection to each of the two servers. */
export class Differential<Server extends Endpoint = ServerProcess> {
  readonly protocol: 2 | 3;
  readonly #servers: () => Pair<Server>;
  readonly #history: CommandHistory;
  readonly #others: Differential<Server>[] = [];
  readonly #number: number;
  #sabre: RawClient | null = null;
  #redis: RawClient | null = null;

  /** @param servers gives the running servers when a connection is opened. */
  constructor(servers: () => Pair<Server>, protocol: 2 | 3, history = new CommandHistory(), number = 1) {
    this.#servers = servers;
    this.protocol = protocol;
    this.#history = history;
    this.#number = number;
  }

  /** The servers, for what concerns one of them only. */
  get servers(): Pair<Server> {
    return this.#servers();
  }

  /** The connection to Sabre. */
  get sabre(): RawClient {
    if (this.#sabre === null) throw new Error('not connected: use it inside tests only');
    return this.#sabre;
  }

  /** The connection to the oracle. */
  get redis(): RawClient {
    if (this.#redis === null) throw new Error('not connected: use it inside tests only');
    return this.#redis;
  }

  /** Connects to both (again). */
  async open(): Promise<void> {
    await this.close();
    const { sabre, redis } = this.#servers();
    this.#sabre = await sabre.connect({ protocol: this.protocol });
    this.#redis = await redis.connect({ protocol: this.protocol });
  }

  /** Drops both connections, and those made by `another`. */
  async close(): Promise<void> {
    for (const other of this.#others.splice(0)) await other.close();
    await this.#sabre?.close();
    await this.#redis?.close();
    this.#sabre = this.#redis = null;
  }

  /** Empties both data sets, forgets the history and connects anew. */
  async reset(): Promise<void> {
    await this.open();
    this.#history.clear();
    await Promise.all([this.sabre.call('FLUSHALL'), this.redis.call('FLUSHALL')]);
  }

  /** One more connection to each server, with the same history. */
  async another(protocol = this.protocol): Promise<Differential<Server>> {
    const number = this.#number * 10 + this.#others.length + 1;
    const other = new Differential<Server>(this.#servers, protocol, this.#history, number);
    this.#others.push(other);
    await other.open();
    return other;
  }

  /** Sends a command to both; fails unless the replies are the same bytes. Returns Sabre's reply. */
  same(...args: Argument[]): Promise<Reply> {
    return this.sameBy(exact, ...args);
  }

  /** As `same`, with another comparison. */
  async sameBy(compare: Comparison, ...args: Argument[]): Promise<Reply> {
    this.send(...args);
    return await this.sameReply(compare, args);
  }

  /** As `same`, for a command whose reply must also be no error. */
  async sameOk(...args: Argument[]): Promise<Reply> {
    const reply = await this.same(...args);
    if (reply.type === 'error') throw new Error(`unexpected: ${formatCommand(args)}: ${reply.bytes}`);
    return reply;
  }

  /** Sends all commands in one pipeline; fails unless all replies are the same bytes. */
  async sameSequence(commands: readonly (readonly Argument[])[]): Promise<Reply[]> {
    const steps = commands.map((args) => ({ args }));
    const { replies, mismatch } = await this.compareBatch(steps);
    if (mismatch !== null) {
      const failing = commands.length - 1 - mismatch.index;
      throw await this.#mismatchError(commands[mismatch.index]!, mismatch.left, mismatch.right, failing);
    }
    return replies;
  }

  /** Sends a command to both without waiting (blocking commands, subscriptions). */
  send(...args: Argument[]): void {
    this.#history.add(this.#number, args);
    this.sabre.send(...args);
    this.redis.send(...args);
  }

  /** The next reply of both must be the same. */
  async sameReply(compare: Comparison = exact, args: readonly Argument[] = ['(next reply)']): Promise<Reply> {
    return await this.#sameNext('reply', compare, args);
  }

  /** The next push message of both must be the same. */
  async samePush(compare: Comparison = exact): Promise<Reply> {
    return await this.#sameNext('push', compare, ['(next push)']);
  }

  /** What both send next, replies or pushes, must be the same (RESP2 messages, MONITOR). */
  async sameNext(compare: Comparison = exact): Promise<Reply> {
    return await this.#sameNext('next', compare, ['(next message)']);
  }

  /**
   * Sends steps in one pipeline and compares all replies; all replies are read in any case.
   * @returns Sabre's replies, the oracle's, and where they differed first
   */
  async compareBatch(
    steps: readonly Step[],
  ): Promise<{ replies: Reply[]; others: Reply[]; mismatch: Mismatch | null }> {
    for (const step of steps) this.#history.add(this.#number, step.args);
    const requests = steps.map((step) => encodeCommand(step.args));
    this.sabre.sendRaw(Buffer.concat(requests));
    this.redis.sendRaw(
      Buffer.concat(steps.map(({ redis }, i) => (redis ? encodeCommand(redis) : requests[i]!))),
    );
    const replies: Reply[] = [];
    const others: Reply[] = [];
    let mismatch: Mismatch | null = null;
    for (let index = 0; index < steps.length; index++) {
      const step = steps[index]!;
      const [left, right] = await this.#bothNext('reply', step.args, steps.length - 1 - index);
      replies.push(left);
      others.push(right);
      if (mismatch === null && !(step.compare ?? exact)(left, right)) mismatch = { index, left, right };
    }
    return { replies, others, mismatch };
  }

  /** All keys of all databases, and everything cheap to compare about them, must be the same. */
  async sameDataSet(databases: readonly number[] = [0]): Promise<void> {
    for (const database of databases) {
      await this.same('SELECT', database);
      await this.same('DBSIZE');
    }
    await this.same('SELECT', 0);
    await this.same('DEBUG', 'DIGEST');
  }

  async #sameNext(
    kind: 'reply' | 'push' | 'next',
    compare: Comparison,
    args: readonly Argument[],
  ): Promise<Reply> {
    const [left, right] = await this.#bothNext(kind, args, 0);
    if (!compare(left, right)) throw await this.#mismatchError(args, left, right, 0);
    return left;
  }

  async #bothNext(
    kind: 'reply' | 'push' | 'next',
    args: readonly Argument[],
    failing: number,
  ): Promise<[Reply, Reply]> {
    const [left, right] = await Promise.allSettled([this.sabre[kind](), this.redis[kind]()]);
    if (left.status === 'rejected' || right.status === 'rejected') {
      const lines = [left, right].map((side, i) =>
        side.status === 'rejected'
          ? `${i === 0 ? 'sabre' : 'redis'}: ${(side.reason as Error).message}`
          : `${i === 0 ? 'sabre' : 'redis'}: ${quoteBytes(side.value.raw.subarray(0, SHOWN_REPLY_BYTES))}`,
      );
      throw new Error(
        `no reply to ${formatCommand(args)}\n${lines.join('\n')}\n${await this.#script(failing)}`,
      );
    }
    return [left.value, right.value];
  }

  async #mismatchError(
    args: readonly Argument[],
    left: Reply,
    right: Reply,
    failing: number,
  ): Promise<Error> {
    const shown = [left, right].map((reply) => quoteBytes(reply.raw.subarray(0, SHOWN_REPLY_BYTES)));
    return new Error(
      `different replies to ${formatCommand(args)} (RESP${this.protocol})\n  sabre: ${shown[0]}\n  redis: ${shown[1]}\n` +
        (await this.#script(failing)),
    );
  }

  async #script(failing: number): Promise<string> {
    const oracle = await this.#servers().redis.connect();
    try {
      return `commands on the same keys, the last one failing:\n${await this.#history.script(oracle, failing)}`;
    } finally {
      await oracle.close();
    }
  }
}

export type DifferentialOptions = {
  /** For both servers. */
  args?: readonly string[];
  /** RESP versions to run with. Default both. */
  protocols?: readonly (2 | 3)[];
  /** Topologies to run with. Default all. */
  topologies?: typeof TOPOLOGIES;
};

/**
 * Runs a block of comparing tests once per topology and protocol. Every test begins with empty data sets and new
 * connections; settings that a test changes with CONFIG SET it must set back.
 */
export function describeDifferential(
  name: string,
  body: (diff: Differential) => void,
  options: DifferentialOptions = {},
): void {
  for (const topology of options.topologies ?? TOPOLOGIES) {
    describe(`${name} (${topology.name})`, () => {
      const servers = useServerPair(topology.args, options.args ?? []);
      for (const protocol of options.protocols ?? ([2, 3] as const)) {
        describe(`RESP${protocol}`, () => {
          const diff = new Differential(servers, protocol);
          beforeEach(() => diff.reset());
          afterEach(() => diff.close());
          body(diff);
        });
      }
    });
  }
}

/** Registers the hooks that start and stop both servers around the tests of the enclosing `describe`. */
export function useServerPair(
  sabreArgs: readonly string[],
  commonArgs: readonly string[] = [],
  options: ServerOptions = {},
): () => Pair {
  let sabre: ServerProcess | null = null;
  let redis: ServerProcess | null = null;
  beforeAll(async () => {
    redis = await startRedis({ ...options, args: commonArgs });
    sabre = await startSabre({ ...options, args: [...sabreArgs, ...commonArgs] });
  });
  afterEach(() => {
    sabre?.assertAlive();
    redis?.assertAlive();
  });
  afterAll(async () => {
    const [left, right] = [sabre, redis];
    sabre = redis = null;
    try {
      await left?.stop();
    } finally {
      await right?.stop();
    }
  });
  return () => {
    if (sabre === null || redis === null) throw new Error('the servers run only inside tests and hooks');
    return { sabre, redis };
  };
}
