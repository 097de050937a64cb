// Rules against redis-server: the same rules have the same outcome, error texts included, and leave the same user.
//
// Redis 7.0 shows the commands of a user by categories that come near, 7.2 and later (and this) the rules as they were
// given: what they allow is compared, not how it is written.

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RuleCommands } from '../../src/acl/rule-commands.ts';
import { Selector } from '../../src/acl/selector.ts';
import type { AclUser } from '../../src/acl/user.ts';
import { Users } from '../../src/acl/users.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { rule } from './rule-generator.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const commands = RuleCommands.ofFacts();
let server: ServerProcess;
let redis: RawClient;
/** Ids of the commands that Redis 7.0 has too, in the same categories: WAIT became a blocking command later. */
let shared: number[];

beforeAll(async () => {
  server = await startRedis();
  redis = await server.connect();
  const names = new Set<string>();
  for (const category of (await redis.command('ACL', 'CAT')).items!)
    for (const name of (await redis.command('ACL', 'CAT', category.bytes!)).items!)
      names.add(String(name.bytes));
  shared = commands.all.filter(({ name }) => names.has(name) && name !== 'wait').map((command) => command.id);
});
afterAll(async () => {
  await redis.close();
  await server.stop();
});

interface Shown {
  readonly flags: string[];
  readonly passwords: string[];
  readonly selectors: { readonly allowed: string; readonly keys: string; readonly channels: string }[];
}

/** Which of the shared commands rules allow. */
function allowedBy(text: string): string {
  const selector = new Selector(commands, false);
  for (const word of text.split(' ')) expect(selector.set(word)).toBe(null);
  return shared.map((id) => selector.allowed[id]).join('');
}

function shownHere(user: AclUser): Shown {
  const { flags, passwords, selectors } = user.describe();
  return {
    // 7.0 does not show what is the default.
    flags: flags.filter((flag) => flag !== 'sanitize-payload'),
    passwords: [...passwords],
    selectors: selectors.map(({ commands: text, keys, channels }) => ({
      allowed: allowedBy(text),
      keys: keys.replace('%RW~*', '~*'),
      channels,
    })),
  };
}

async function shownThere(name: string): Promise<Shown> {
  const { items } = await redis.command('ACL', 'GETUSER', name);
  const texts = (list: typeof items): string[] => list!.map((item) => item.bytes!.toString('latin1'));
  const selectorOf = (list: typeof items) => {
    const [, text, , keys, , channels] = texts(list);
    return { allowed: allowedBy(text!), keys: keys!, channels: channels! };
  };
  const own = selectorOf(items!.slice(4, 10));
  const others = items![11]!.items!.map((selector) => selectorOf(selector.items));
  return {
    flags: texts(items![1]!.items).filter((flag) => flag !== 'sanitize-payload'),
    passwords: texts(items![3]!.items),
    selectors: [own, ...others],
  };
}

/** Sends the rules to both, and compares outcome and user. */
async function compare(users: Users, name: string, rules: readonly string[]): Promise<void> {
  const reply = await redis.command('ACL', 'SETUSER', name, ...rules.map(latin1));
  const outcome = users.setUser(name, rules);
  const here = typeof outcome === 'string' ? `ERR ${outcome}` : 'OK';
  expect(here).toBe(reply.bytes!.toString('latin1').trimEnd());
  const user = users.get(name);
  if (user !== undefined) expect(shownHere(user)).toEqual(await shownThere(name));
}

describe('rules', () => {
  it('have the outcome they have in Redis', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(rule, { maxLength: 5 }), { minLength: 1, maxLength: 4 }),
        async (steps) => {
          const users = new Users(commands);
          const name = `user${number++}`;
          for (const rules of steps) await compare(users, name, rules);
          await redis.command('ACL', 'DELUSER', name);
        },
      ),
      { numRuns: 400 },
    );
  }, 60_000);

  it('are cut at a NUL where Redis cuts them', async () => {
    const users = new Users(commands);
    for (const rules of [
      ['on\0x'],
      ['+get\0x'],
      ['~a\0b'],
      ['&a\0b'],
      ['>p\0q'],
      ['<p\0q'],
      ['+@read\0'],
      ['(+get\0', '~b)'],
      ['foo\0bar'],
    ])
      await compare(users, 'nul', rules);
  });

  it('come back from what describes them', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 12 }), (rules) => {
        const users = new Users(commands);
        for (const each of rules) users.setUser('one', [each]);
        const one = users.get('one');
        if (one === undefined) return;
        const again = users.setUser('two', one.line().split(' ').slice(2)) as AclUser;
        expect(again.line().replace('user two', 'user one')).toBe(one.line());
      }),
      { numRuns: 500 },
    );
  });

  it('are the same in every thread', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 12 }), (rules) => {
        const users = new Users(commands);
        const copy = new Users(RuleCommands.ofFacts());
        for (const each of rules) users.setUser('one', [each]);
        copy.apply({ set: structuredClone(users.data()), removed: [] });
        expect(copy.data()).toEqual(users.data());
        const [one, other] = [users.get('one'), copy.get('one')];
        expect(other?.selectors.map(({ allowed }) => allowed)).toEqual(
          one?.selectors.map(({ allowed }) => allowed),
        );
        expect(other?.unlimited).toBe(one?.unlimited);
      }),
      { numRuns: 200 },
    );
  });
});
