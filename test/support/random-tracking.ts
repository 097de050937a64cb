// Random commands of clients that track keys, against Sabre and a real redis-server: after each command every client must have got
// the same bytes from both, replies and invalidations in the same order.

import fc from 'fast-check';
import { formatCommand } from './command-history.ts';
import { type Argument, encodeCommand, type RawClient } from './raw-client.ts';
import type { ServerProcess } from './server-process.ts';

/** Commands that one client sends in one write. */
export type TrackingMove = { client: number; commands: readonly (readonly Argument[])[] };

const MARK = 'mark';
/** Unlike PING it leaves CLIENT CACHING as it is. */
const GET_MARK = ['CLIENT', 'GETNAME'];
const CLIENTS = 3;
/** Stands for the id of the client that others redirect to. */
const TARGET = '<target>';

const key = fc.constantFrom('a', 'b', 'ab', 'abc', 'x', '{x}y', '');
const field = fc.constantFrom('f', 'g');
const value = fc.constantFrom('1', '2', 'text');
const prefix = fc.constantFrom('a', 'ab', 'b', 'x', '{');

const read = fc.oneof(
  fc.tuple(fc.constantFrom('GET', 'STRLEN', 'TTL', 'TYPE', 'LLEN', 'SMEMBERS', 'HGETALL', 'EXISTS'), key),
  fc.tuple(fc.constant('MGET'), key, key),
  fc.tuple(fc.constant('EXISTS'), key, key, key),
  fc.tuple(fc.constant('SINTER'), key, key),
  fc.tuple(fc.constant('HGET'), key, field),
  fc.tuple(fc.constant('LRANGE'), key, fc.constant('0'), fc.constant('-1')),
  fc.tuple(fc.constantFrom('SORT_RO'), key),
);
const write = fc.oneof(
  { arbitrary: fc.tuple(fc.constant('SET'), key, value), weight: 4 },
  fc.tuple(fc.constant('MSET'), key, value, key, value),
  fc.tuple(fc.constantFrom('APPEND', 'LPUSH', 'SADD', 'SREM', 'GETSET', 'SETNX'), key, value),
  fc.tuple(fc.constantFrom('DEL', 'GETDEL', 'LPOP', 'SPOP', 'INCR', 'PERSIST', 'UNLINK'), key),
  fc.tuple(fc.constant('DEL'), key, key),
  fc.tuple(fc.constantFrom('HSET'), key, field, value),
  fc.tuple(fc.constant('HDEL'), key, field),
  fc.tuple(fc.constantFrom('RENAME', 'COPY', 'RENAMENX', 'RPOPLPUSH'), key, key),
  fc.tuple(fc.constantFrom('SINTERSTORE', 'SUNIONSTORE', 'SDIFFSTORE'), key, key, key),
  fc.tuple(fc.constant('SORT'), key, fc.constant('STORE'), key),
  fc.tuple(fc.constant('BITOP'), fc.constant('NOT'), key, key),
  fc.tuple(fc.constantFrom('PEXPIRE', 'EXPIRE'), key, fc.constantFrom('-1', '100000')),
  fc.tuple(fc.constant('MOVE'), key, fc.constant('1')),
  fc.tuple(fc.constant('SET'), key, value, fc.constant('GET')),
);
const optional = (arbitrary: fc.Arbitrary<string[]>): fc.Arbitrary<string[]> =>
  fc.oneof(fc.constant<string[]>([]), arbitrary);
const tracking = fc
  .tuple(
    fc.constantFrom('ON', 'ON', 'ON', 'OFF'),
    optional(fc.constantFrom<string[]>([], ['BCAST'], ['OPTIN'], ['OPTOUT'])),
    optional(fc.constant(['NOLOOP'])),
    optional(fc.constant(['REDIRECT', TARGET])),
    optional(fc.tuple(fc.constant('PREFIX'), prefix)),
  )
  .map(([on, ...options]) => ['CLIENT', 'TRACKING', on, ...options.flat()]);
const other = fc.constantFrom<string[]>(
  ['CLIENT', 'TRACKINGINFO'],
  ['CLIENT', 'CACHING', 'YES'],
  ['CLIENT', 'CACHING', 'NO'],
  ['SELECT', '1'],
  ['SELECT', '0'],
  ['NOSUCH'],
  ['FLUSHDB'],
  ['EXEC'],
  ['RESET'],
);
const command: fc.Arbitrary<string[]> = fc.oneof(
  { arbitrary: read as fc.Arbitrary<string[]>, weight: 30 },
  { arbitrary: write as fc.Arbitrary<string[]>, weight: 25 },
  { arbitrary: tracking, weight: 6 },
  { arbitrary: other, weight: 10 },
);
/**
 * What takes several turns of the event loop does not go together with others, since broadcasts are told at the end of a turn:
 * FLUSHDB, and looking for a client of another acceptor. Who begins to track in a transaction then is told to forget everything.
 */
function inOneTurn(commands: string[][]): string[][] {
  return commands.filter((args) => !args.includes(TARGET) && args[0] !== 'FLUSHDB');
}

const transaction = fc
  .tuple(fc.array(command, { maxLength: 5 }), fc.constantFrom('EXEC', 'EXEC', 'EXEC', 'DISCARD'))
  .map(([commands, end]) => [
    ['MULTI'],
    ...inOneTurn(commands).filter(([name]) => name !== 'EXEC' && name !== 'RESET'),
    [end],
  ]);
const move = fc.record({
  client: fc.nat(CLIENTS - 1),
  commands: fc.oneof(
    { arbitrary: fc.array(command, { minLength: 1, maxLength: 1 }), weight: 6 },
    { arbitrary: fc.array(command, { minLength: 2, maxLength: 6 }).map(inOneTurn), weight: 2 },
    { arbitrary: transaction, weight: 1 },
    { arbitrary: transaction.map((commands) => [['CLIENT', 'CACHING', 'YES'], ...commands]), weight: 1 },
  ),
});

export function generateTrackingMoves(count: number, seed: number): TrackingMove[] {
  return fc.sample(move, { numRuns: count, seed });
}

/** One server with its clients. */
class Side {
  readonly #server: ServerProcess;
  readonly #protocol: 2 | 3;
  readonly clients: RawClient[] = [];
  target!: RawClient;
  #targetId = '';
  #admin!: RawClient;

  constructor(server: ServerProcess, protocol: 2 | 3) {
    this.#server = server;
    this.#protocol = protocol;
  }

  async open(): Promise<void> {
    const protocol = this.#protocol;
    for (let i = 0; i < CLIENTS; i++) {
      const client = await this.#server.connect();
      this.clients.push(client);
      for (const args of this.#greeting) client.send(...args);
      await upToMark(client, GET_MARK);
    }
    this.target = await this.#server.connect({ protocol });
    this.#admin = await this.#server.connect();
    this.#targetId = String(await this.target.call('CLIENT', 'ID'));
    this.target.send('SUBSCRIBE', '__redis__:invalidate');
    await this.target.next();
  }

  get #greeting(): string[][] {
    return [...(this.#protocol === 3 ? [['HELLO', '3']] : []), ['CLIENT', 'SETNAME', MARK]];
  }

  async close(): Promise<void> {
    for (const client of [...this.clients, this.target, this.#admin]) await client.close();
  }

  /** @returns what every client has got, RESET's protocol set back, and the figures of INFO */
  async play({ client, commands }: TrackingMove): Promise<string[]> {
    const all = commands.flatMap((args) => {
      const real = args.map((arg) => (arg === TARGET ? this.#targetId : arg));
      return args[0] === 'RESET' ? [real, ...this.#greeting] : [real];
    });
    this.clients[client]!.sendRaw(Buffer.concat([...all, GET_MARK].map(encodeCommand)));
    const got = [(await readToMark(this.clients[client]!)).join('')];
    for (const each of this.clients) got.push((await upToMark(each, GET_MARK)).join(''));
    // In what order messages on behalf of several clients come, is not said.
    got.push((await upToMark(this.target, ['PING', MARK])).sort().join(''));
    const info = String(await this.#admin.call('INFO', 'everything'));
    got.push((info.match(/^tracking_.*$/gm) ?? []).sort().join(' '));
    return got.map((text) => text.replaceAll(`redirect\r\n:${this.#targetId}\r\n`, 'redirect: target'));
  }
}

/** What the client gets up to the reply to `ask`. */
function upToMark(client: RawClient, ask: readonly string[]): Promise<string[]> {
  client.send(...ask);
  return readToMark(client);
}

async function readToMark(client: RawClient): Promise<string[]> {
  const got: string[] = [];
  for (;;) {
    const raw = (await client.next()).raw.toString('latin1');
    // HELLO's reply names the server.
    got.push(raw.startsWith('%7') ? '(hello)' : raw);
    if (raw.includes(MARK)) return got;
  }
}

/** @returns what differed, null for nothing */
export async function playTracking(
  sabre: ServerProcess,
  redis: ServerProcess,
  protocol: 2 | 3,
  moves: readonly TrackingMove[],
): Promise<string | null> {
  const sides = [new Side(sabre, protocol), new Side(redis, protocol)] as const;
  for (const side of sides) await side.open();
  try {
    for (let i = 0; i < moves.length; i++) {
      const [left, right] = await Promise.all(sides.map((side) => side.play(moves[i]!)));
      if (JSON.stringify(left) === JSON.stringify(right)) continue;
      const shown = moves
        .slice(Math.max(0, i - 40), i + 1)
        .flatMap(({ client, commands }) => commands.map((args) => `${client}: ${formatCommand(args)}`));
      return `move ${i}\n${shown.join('\n')}\nsabre: ${JSON.stringify(left)}\nredis: ${JSON.stringify(right)}`;
    }
    return null;
  } finally {
    for (const side of sides) await side.close();
  }
}
