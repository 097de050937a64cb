// CLIENT KILL, LIST, PAUSE and UNBLOCK over several acceptors: who is meant by each filter, and what becomes of them, is as
// with redis-server.

import { describe, expect, it } from 'vitest';
import { useServerPair } from '../support/differential.ts';
import type { RawClient } from '../support/raw-client.ts';
import type { ServerProcess } from '../support/server-process.ts';

type Person = { readonly client: RawClient; readonly id: number; readonly address: string };
type People = Record<string, Person>;
type Words = (people: People, server: ServerProcess) => (string | number)[];

const KILLS: readonly Words[] = [
  (p) => [p['plain']!.address],
  () => ['127.0.0.1:1'],
  (p) => [p['admin']!.address],
  (p) => ['ID', p['multi']!.id],
  (p) => ['ID', p['admin']!.id],
  (p) => ['ID', p['admin']!.id, 'SKIPME', 'no'],
  (p) => ['ID', p['plain']!.id, 'ID', p['bob']!.id],
  () => ['TYPE', 'normal'],
  () => ['TYPE', 'NORMAL', 'SKIPME', 'No'],
  () => ['TYPE', 'pubsub'],
  () => ['TYPE', 'pubsub', 'SKIPME', 'no', 'USER', 'default'],
  () => ['TYPE', 'replica'],
  () => ['TYPE', 'constructor'],
  () => ['TYPE', '__proto__'],
  () => ['USER', 'bob'],
  () => ['USER', 'nobody'],
  () => ['USER', 'default', 'TYPE', 'pubsub'],
  (p) => ['ADDR', p['blocked']!.address],
  (p) => ['ADDR', p['blocked']!.address, 'USER', 'bob'],
  (p, server) => ['LADDR', `127.0.0.1:${server.port}`, 'ADDR', p['monitor']!.address],
  (_, server) => ['LADDR', `127.0.0.1:${server.port}`],
  () => ['LADDR', '127.0.0.1:1'],
  () => ['SKIPME', 'yes'],
  () => ['SKIPME', 'no'],
];

const FIELDS = ['name', 'flags', 'db', 'sub', 'psub', 'multi', 'cmd', 'user', 'resp'];

const LISTS: readonly Words[] = [
  () => [],
  () => ['TYPE', 'normal'],
  () => ['type', 'PUBSUB'],
  () => ['TYPE', 'master'],
  () => ['TYPE', 'toString'],
  (p) => ['ID', p['pubsub']!.id, p['bob']!.id, 12345, p['pubsub']!.id],
];

describe('clients over three acceptors', () => {
  const servers = useServerPair(['--acceptors', '3', '--shard-workers', '2']);

  it('CLIENT KILL ends those whom all filters mean', async () => {
    for (const words of KILLS) {
      const outcomes = await both(async (server, people) => {
        const args = words(people, server);
        const reply = await people['admin']!.client.command('CLIENT', 'KILL', ...args);
        // Who has killed itself is gone behind its reply.
        await people['admin']!.client.command('PING').catch(() => null);
        const observer = await server.connectAsAdmin();
        const left = await list(observer);
        const text = reply.bytes?.toString() ?? String(reply.raw);
        await observer.close();
        return { text, left: left.map(({ name }) => name).sort() };
      });
      expect([words.toString(), outcomes[0]]).toEqual([words.toString(), outcomes[1]]);
    }
  });

  it('CLIENT LIST shows those whom its filter means, and what they do', async () => {
    for (const words of LISTS) {
      const outcomes = await both(async (server, people) => {
        const { client } = people['admin']!;
        const reply = await client.command('CLIENT', 'LIST', ...words(people, server));
        if (reply.type === 'error') return reply.bytes!.toString();
        const args = words(people, server);
        const shown = lines(String(reply.bytes)).map((line) => FIELDS.map((name) => line[name]).join(' '));
        // The order of redis-server changes with the time, except for ids that are asked for.
        return args[0] === 'ID' ? shown : shown.sort();
      });
      expect([words.toString(), outcomes[0]]).toEqual([words.toString(), outcomes[1]]);
    }
  });

  it('CLIENT UNBLOCK ends waits, and CLIENT PAUSE holds back what it should', async () => {
    const outcomes = await both(async (_, people) => {
      const { admin, blocked, plain, multi, pubsub } = people as Record<string, Person>;
      const replies: unknown[] = [];
      const note = async (person: Person, ...words: (string | number)[]): Promise<void> => {
        replies.push((await person.client.command(...words)).raw.toString());
      };
      await note(admin!, 'CLIENT', 'UNBLOCK', plain!.id);
      await note(admin!, 'CLIENT', 'UNBLOCK', blocked!.id, 'ERROR');
      replies.push((await blocked!.client.reply()).raw.toString());
      blocked!.client.send('BLPOP', 'nothing', '0');
      await untilBlocked(admin!, blocked!);
      await note(admin!, 'CLIENT', 'UNBLOCK', blocked!.id);
      replies.push((await blocked!.client.reply()).raw.toString());
      await note(admin!, 'CLIENT', 'UNBLOCK', blocked!.id, 'TIMEOUT');

      await note(admin!, 'CLIENT', 'PAUSE', '100000', 'WRITE');
      const held: [Person, string[]][] = [
        [plain!, ['SET', 'k', 'v']],
        [multi!, ['EXEC']],
        [blocked!, ['PUBLISH', 'c', 'm']],
      ];
      for (const [person, words] of held) {
        person.client.send(...words);
        await untilBlocked(admin!, person);
        // Postponed is not waiting: nothing to unblock.
        await note(admin!, 'GET', 'k');
      }
      await note(admin!, 'CLIENT', 'UNPAUSE');
      for (const [person] of held) replies.push((await person.client.reply()).raw.toString());
      replies.push((await pubsub!.client.next()).raw.toString());
      return replies;
    });
    expect(outcomes[0]).toEqual(outcomes[1]);
  });

  it('CLIENT PAUSE ALL holds everything back until it is over', async () => {
    const outcomes = await both(async (_, people) => {
      const { admin, plain } = people as Record<string, Person>;
      await admin!.client.call('CLIENT', 'PAUSE', '300', 'ALL');
      const end = Date.now() + 300;
      const replies = [(await plain!.client.command('GET', 'k')).raw.toString()];
      // Clocks of threads and processes differ by less than that.
      return [...replies, Date.now() >= end - 20];
    });
    expect(outcomes[0]).toEqual(outcomes[1]);
    expect(outcomes[0]![1]).toBe(true);
  });

  /** Runs something with the same people on both servers, with new ones each time. */
  async function both<Outcome>(
    run: (server: ServerProcess, people: People) => Promise<Outcome>,
  ): Promise<Outcome[]> {
    const { sabre, redis } = servers();
    const outcomes: Outcome[] = [];
    for (const server of [sabre, redis]) {
      const people = await gather(server);
      outcomes.push(await run(server, people));
      await server.closeClients();
    }
    return outcomes;
  }
});

/** One client of each kind, with its kind as its name, connected in the same order. */
async function gather(server: ServerProcess): Promise<People> {
  const people: People = {};
  for (const name of ['admin', 'plain', 'bob', 'multi', 'pubsub', 'pattern', 'monitor', 'blocked']) {
    const client = await server.connect({ protocol: name === 'plain' ? 3 : 2 });
    await client.call('CLIENT', 'SETNAME', name);
    const id = Number(await client.call('CLIENT', 'ID'));
    people[name] = { client, id, address: `127.0.0.1:${client.socket.localPort}` };
  }
  const { admin, bob, multi, pubsub, pattern, monitor, blocked } = people as Record<string, Person>;
  await admin!.client.call('FLUSHALL');
  await admin!.client.call('ACL', 'SETUSER', 'bob', 'on', 'nopass', '+@all', '~*', '&*');
  await bob!.client.call('AUTH', 'bob', '');
  await bob!.client.call('SELECT', '3');
  await multi!.client.pipeline([['MULTI'], ['SET', 'm', '1']]);
  await pubsub!.client.pipeline([['SUBSCRIBE', 'c']]);
  await pattern!.client.pipeline([['PSUBSCRIBE', 'p*']]);
  await monitor!.client.call('MONITOR');
  blocked!.client.send('BLPOP', 'nothing', '0');
  await untilBlocked(admin!, blocked!);
  return people;
}

async function untilBlocked(admin: Person, who: Person): Promise<void> {
  for (;;) {
    const [line] = await list(admin.client, 'ID', who.id);
    if (line!['flags']!.includes('b')) return;
  }
}

async function list(client: RawClient, ...words: (string | number)[]): Promise<Record<string, string>[]> {
  return lines(String(await client.call('CLIENT', 'LIST', ...words)));
}

function lines(text: string): Record<string, string>[] {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) =>
      Object.fromEntries(line.split(' ').map((field) => /^([^=]*)=(.*)$/.exec(field)!.slice(1))),
    );
}
