// For every command of the table: who has no right to it is refused, whichever way it comes and whichever thread it would
// run on; who has no right to its keys as well. No refusal tells whether a key is there, and no log a password.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCommandTable } from '../../src/commands/index.ts';
import { commandHasKeys, keyPositions } from '../../src/commands/key-positions.ts';
import { type Command, CommandFlag } from '../../src/commands/table.ts';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import { startSabre } from '../support/sabre-server.ts';
import type { ServerProcess } from '../support/server-process.ts';

const table = createCommandTable();
const COMMANDS = table.all.filter((command) => command.handler !== null);
const GUARDED = COMMANDS.filter((command) => (command.flags & CommandFlag.NoAuth) === 0);
const SECRET = 'secret';
/** Ways in which commands take keys; tried until one has a key that the table finds. */
const SHAPES: readonly (readonly string[])[] = [
  [SECRET, SECRET, SECRET, SECRET, SECRET, SECRET],
  ['1', SECRET, SECRET, SECRET],
  ['x', '1', SECRET, SECRET],
  ['0', '1', SECRET, SECRET],
  ['STREAMS', SECRET, '0'],
  ['GROUP', 'g', 'c', 'STREAMS', SECRET, '>'],
  ['ENCODING', SECRET],
];

function nameOf(command: Command): string[] {
  return command.name.split('|');
}

/** Words for as many arguments as the command needs. */
function shaped(command: Command, shape: readonly string[]): string[] {
  const least = Math.abs(command.arity);
  const request = [...nameOf(command), ...shape];
  while (request.length < least) request.push(SECRET);
  return command.arity > 0 ? request.slice(0, command.arity) : request;
}

function hasKey(command: Command, request: readonly string[]): boolean {
  const parts = request.map((word) => Buffer.from(word));
  const lengths = Int32Array.from(parts, (part) => part.length);
  const offsets = Int32Array.from(parts, (_, i) =>
    parts.slice(0, i).reduce((sum, part) => sum + part.length, 0),
  );
  const keys = new Int32Array(16);
  const count = keyPositions(command, parts.length, offsets, lengths, Buffer.concat(parts), keys);
  return [...keys.subarray(0, Math.min(count, 16))].some((at) => request[at] === SECRET);
}

let server: ServerProcess;
let admin: RawClient;
beforeAll(async () => {
  server = await startSabre({
    args: ['--enable-module-command', 'yes', '--acceptors', '2', '--shard-workers', '2'],
  });
  admin = await server.connect();
});
afterAll(async () => {
  await admin.close();
  await server.stop();
});

async function as(user: string): Promise<RawClient> {
  const client = await server.connect();
  await client.call('AUTH', user, 'any');
  return client;
}

/** Sends all in one write. @returns the replies' texts */
async function pipeline(client: RawClient, requests: readonly (readonly string[])[]): Promise<string[]> {
  client.sendRaw(Buffer.concat(requests.map((request) => encodeCommand(request))));
  const replies: string[] = [];
  for (let i = 0; i < requests.length; i++) replies.push((await client.reply()).raw.toString().trim());
  return replies;
}

describe('a user without the right to a command', () => {
  const refusals = GUARDED.map(({ name }) => {
    const text = `NOPERM User nobody has no permissions to run the '${name}' command`;
    return name === 'exec' ? `-EXECABORT Transaction discarded because of: ${text}` : `-${text}`;
  });
  const requests = GUARDED.map((command) => shaped(command, SHAPES[0]!));

  it('is refused it', async () => {
    await admin.call('ACL', 'SETUSER', 'nobody', 'on', 'nopass', '~*', '&*', '-@all');
    expect(GUARDED.length).toBeGreaterThan(250);
    const client = await as('nobody');
    expect(await pipeline(client, requests)).toEqual(refusals);
  });

  it('is refused it in a transaction', async () => {
    const client = await as('nobody');
    for (const [i, command] of GUARDED.entries()) {
      if (['multi', 'exec', 'discard', 'watch'].includes(command.name)) continue;
      await admin.call('ACL', 'SETUSER', 'nobody', 'reset', 'on', 'nopass', '~*', '&*', '+multi', '+exec');
      const [multi, queued, exec] = await pipeline(client, [['MULTI'], requests[i]!, ['EXEC']]);
      expect([multi, queued, exec]).toEqual([
        '+OK',
        expect.stringMatching(/^-(NOPERM|ERR Command not allowed inside a transaction)/),
        expect.stringMatching(/^-EXECABORT/),
      ]);
    }
  });

  it('is refused it behind a command that a worker runs', async () => {
    await admin.call('ACL', 'SETUSER', 'nobody', 'reset', 'on', 'nopass', '~*', '&*', '+keys');
    const client = await as('nobody');
    const others = GUARDED.map((command, i) => ({ command, i })).filter(
      ({ command }) => command.name !== 'keys',
    );
    for (let from = 0; from < others.length; from += 40) {
      const some = others.slice(from, from + 40);
      const replies = await pipeline(
        client,
        some.flatMap(({ i }) => [['KEYS', 'none'], requests[i]!]),
      );
      expect(replies).toEqual(some.flatMap(({ i }) => ['*0', refusals[i]!]));
    }
  });

  it('loses it while the command waits for its turn', async () => {
    await admin.call('ACL', 'SETUSER', 'nobody', 'reset', 'on', 'nopass', '~*', '+blpop', '+brpop');
    const client = await as('nobody');
    client.send('BLPOP', 'list', '0');
    while (!String(await admin.call('INFO', 'clients')).includes('blocked_clients:1'));
    await admin.call('ACL', 'SETUSER', 'nobody', '-blpop');
    await admin.call('RPUSH', 'list', 'element');
    expect((await client.reply()).raw.toString()).toBe(
      "-NOPERM User nobody has no permissions to run the 'blpop' command\r\n",
    );
    expect(await admin.call('LRANGE', 'list', '0', '-1')).toEqual(['element']);
    await admin.call('DEL', 'list');
  });

  it('can still say who it is, and leave', async () => {
    const free = COMMANDS.filter((command) => !GUARDED.includes(command)).map(({ name }) => name);
    expect(free.sort()).toEqual(['auth', 'hello', 'quit', 'reset']);
  });
});

describe('a user without the right to a key', () => {
  const keyed = COMMANDS.filter(commandHasKeys).map((command) => {
    const request = SHAPES.map((shape) => shaped(command, shape)).find((words) => hasKey(command, words));
    return { command, request };
  });

  it('is tried with every command that has keys', () => {
    expect(keyed.filter(({ request }) => request === undefined).map(({ command }) => command.name)).toEqual(
      [],
    );
    expect(keyed.length).toBeGreaterThan(150);
  });

  it('is refused, whatever is there', async () => {
    await admin.call('ACL', 'SETUSER', 'nokeys', 'on', 'nopass', '~other*', '%R~open', '+@all', '&*');
    const client = await as('nokeys');
    const requests = keyed.map(({ request }) => request!);
    const refused = requests.map(() => '-NOPERM No permissions to access a key');
    expect(await pipeline(client, requests)).toEqual(refused);
    for (const make of [
      ['SET', SECRET, '1'],
      ['RPUSH', SECRET, '1'],
      ['XADD', SECRET, '*', 'f', 'v'],
    ]) {
      await admin.call('DEL', SECRET);
      await admin.call(...make);
      const before = await admin.call('DUMP', SECRET);
      expect(await pipeline(client, requests)).toEqual(refused);
      // Through a worker, too.
      const behind = await pipeline(
        client,
        requests.slice(0, 60).flatMap((request) => [['KEYS', 'none'], request]),
      );
      expect(behind).toEqual(refused.slice(0, 60).flatMap((text) => ['*0', text]));
      expect(await admin.call('DUMP', SECRET)).toEqual(before);
    }
  });

  it('is refused keys that only the command itself finds', async () => {
    const client = await as('nokeys');
    for (const request of [
      ['GEORADIUS', 'other', '0', '0', '1', 'km', 'STORE', 'other2', 'STORE', SECRET],
      ['GEORADIUS', 'open', '0', '0', '1', 'km', 'STORE', 'other2', 'STOREDIST', 'open'],
      ['XREADGROUP', 'GROUP', 'STREAMS', 'c', 'STREAMS', SECRET, '>'],
      ['SORT', 'other', 'STORE', 'other2', 'STORE', SECRET],
    ]) {
      expect((await client.command(...request)).raw.toString()).toBe(
        '-NOPERM No permissions to access a key\r\n',
      );
    }
  });
});

describe('a password', () => {
  it('is in no log, no list and no error', async () => {
    const password = 'pass5w0rd';
    const monitor = await server.connect();
    await monitor.call('MONITOR');
    await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'loglevel', 'debug');
    await admin.call('SLOWLOG', 'RESET');
    const client = await server.connect();
    await client.command('ACL', 'SETUSER', 'p', 'on', `>${password}`, '+@all', '~*');
    await client.command('ACL', 'SETUSER', 'p', `<${password}`, `>${password}`, 'bad');
    await client.command('CONFIG', 'SET', 'requirepass', password);
    await client.command('AUTH', password);
    await client.command('AUTH', 'p', password);
    await client.command('AUTH', 'p', `wrong${password}`);
    await client.command('AUTH', 'p', password, 'three');
    await client.command('HELLO', '3', 'AUTH', 'p', password);
    await client.command('CONFIG', 'SET', 'requirepass', '');
    await client.command('SET', 'end', '1');
    const shown: string[] = [];
    while (!shown.at(-1)?.includes('"SET" "end"')) shown.push((await monitor.next()).raw.toString());
    for (const command of [
      ['SLOWLOG', 'GET', '-1'],
      ['ACL', 'LIST'],
      ['ACL', 'GETUSER', 'p'],
      ['ACL', 'LOG'],
      ['CLIENT', 'LIST'],
      ['INFO', 'everything'],
    ])
      shown.push((await admin.command(...command)).raw.toString());
    shown.push(server.log());
    for (const text of shown) expect(text).not.toContain(password);
    await admin.call('CONFIG', 'SET', 'slowlog-log-slower-than', '10000', 'loglevel', 'notice');
  });
});
