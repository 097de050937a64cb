import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandDocumentation } from '../../src/commands/facts/command-documentation.ts';
import { allCommandFacts } from '../../src/commands/facts/command-facts.ts';
import { createCommandTable } from '../../src/commands/index.ts';
import { NameIndex } from '../../src/commands/name-index.ts';
import {
  aclCategoryBit,
  buildCommandTable,
  type Command,
  CommandFlag,
  type CommandTable,
  KeyPlan,
  Place,
} from '../../src/commands/table.ts';
import { fullTable, idleHandlers, serverFacts } from './command-support.ts';

const idle = { run: () => {}, place: Place.InPlace };

function lookup(table: CommandTable, name: string): Command | null {
  const bytes = Buffer.from(`#${name}#`, 'latin1');
  return table.lookup(bytes, 1, bytes.length - 2);
}

function lookupSub(table: CommandTable, container: Command, name: string): Command | null {
  const bytes = Buffer.from(`#${name}#`, 'latin1');
  return table.lookupSub(container, bytes, 1, bytes.length - 2);
}

/** Each letter of the name in upper or lower case. */
function anyCase(name: string): fc.Arbitrary<string> {
  return fc
    .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
    .map((upper) => [...name].map((c, i) => (upper[i] ? c.toUpperCase() : c.toLowerCase())).join(''));
}

describe('lookup', () => {
  const table = fullTable();
  const top = serverFacts.filter((row) => !row.name.includes('|'));
  const subs = serverFacts.filter((row) => row.name.includes('|'));

  it('finds every command in any case', () => {
    const name = fc
      .constantFrom(...top.map((row) => row.name))
      .chain((n) => fc.tuple(fc.constant(n), anyCase(n)));
    fc.assert(
      fc.property(name, ([n, typed]) => lookup(table, typed)?.facts.name === n),
      { numRuns: 3000 },
    );
    for (const row of top) expect(lookup(table, row.name)?.facts).toBe(row);
  });

  it('finds every subcommand in any case, in its own container only', () => {
    for (const row of subs) {
      const [containerName, name] = row.name.split('|') as [string, string];
      const container = lookup(table, containerName)!;
      const sub = lookupSub(table, container, name.toLowerCase());
      expect(sub?.facts).toBe(row);
      expect(sub?.container).toBe(container);
      expect(lookup(table, row.name)).toBeNull();
    }
    expect(lookupSub(table, lookup(table, 'config')!, 'encoding')).toBeNull();
    expect(lookupSub(table, lookup(table, 'get')!, 'get')).toBeNull();
  });

  it('finds nothing else', () => {
    const known = new Set(top.map((row) => row.name));
    const near = fc
      .tuple(fc.constantFrom(...known), fc.nat(), fc.integer({ min: 0, max: 255 }))
      .map(([n, at, byte]) => {
        const i = at % n.length;
        return n.slice(0, i) + String.fromCharCode(byte) + n.slice(i + 1);
      });
    const anyBytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1'));
    const cutOrLong = fc
      .tuple(fc.constantFrom(...known), fc.constantFrom('', 'x', '\0', ' '))
      .map(([n, tail]) => (tail === '' ? n.slice(0, -1) : n + tail));
    fc.assert(
      fc.property(fc.oneof(near, anyBytes, cutOrLong), (typed) => {
        const upper = typed.replace(/[a-z]/g, (c) => c.toUpperCase());
        return (lookup(table, typed) !== null) === known.has(upper);
      }),
      { numRuns: 5000 },
    );
    expect(lookup(table, '')).toBeNull();
  });

  it('does not fold what is no letter', () => {
    // 0xdf folds letters; '_' with that mask would take 0x7f, '-' would take 0x0d.
    expect(lookup(table, 'bitfield_ro')).not.toBeNull();
    expect(lookup(table, 'bitfield\x7fro')).toBeNull();
    expect(lookup(table, 'restore\rasking')).toBeNull();
  });

  it('works with Uint8Array and at any offset', () => {
    const bytes = new Uint8Array(Buffer.from('....hGetAll....'));
    expect(table.lookup(bytes, 4, 7)?.name).toBe('hgetall');
    expect(table.lookup(bytes, 4, 4)?.name).toBe('hget');
  });
});

describe('NameIndex', () => {
  it('behaves as a map from upper-case names, for any set of names', () => {
    const name = fc.stringMatching(/^[A-Za-z_.-]{1,12}$/);
    const upper = (n: string) => n.toUpperCase();
    fc.assert(
      fc.property(
        fc.uniqueArray(name, { maxLength: 60, selector: upper }),
        fc.array(name, { maxLength: 40 }),
        (names, others) => {
          const index = new NameIndex(names.map((n) => [n, upper(n)] as const));
          const model = new Set(names.map(upper));
          for (const n of [...names, ...others]) {
            const bytes = Buffer.from(n);
            const found = index.find(bytes, 0, bytes.length);
            expect(found).toBe(model.has(upper(n)) ? upper(n) : null);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes names of any length but none', () => {
    expect(() => new NameIndex([['', 1]])).toThrow();
    const long = 'x'.repeat(100_000);
    const index = new NameIndex([
      [long, 1],
      ['y', 2],
    ]);
    expect(index.find(Buffer.from(long), 0, long.length)).toBe(1);
    expect(index.find(Buffer.from(long + 'x'), 0, long.length + 1)).toBeNull();
    expect(new NameIndex([]).find(Buffer.from('x'), 0, 1)).toBeNull();
  });
});

describe('the table', () => {
  it('numbers all rows densely and the same way each time, whatever is built', () => {
    const one = fullTable();
    const other = buildCommandTable(allCommandFacts, []);
    expect(one.all.map((command) => command.id)).toEqual(one.all.map((_, i) => i));
    expect(other.all.map((command) => command.name)).toEqual(one.all.map((command) => command.name));
    expect(one.all.length).toBe(serverFacts.length);
  });

  it('hides commands without handlers from requests, not from byName', () => {
    const table = buildCommandTable(allCommandFacts, [{ GET: idle, 'CONFIG|GET': idle }]);
    expect([...table.callableCommands()].map((command) => command.name)).toEqual(['config', 'get']);
    expect(table.callableCount).toBe(2);
    expect(lookup(table, 'set')).toBeNull();
    expect(table.find('set')).toBeNull();
    expect(table.byName('set')?.handler).toBeNull();
    const config = lookup(table, 'config')!;
    expect(config.handler).toBeNull();
    expect([...config.subcommands!.keys()]).toEqual(['get']);
    expect(lookupSub(table, config, 'set')).toBeNull();
    expect(table.byName('config|set')?.container).toBe(config);
  });

  it('leaves out what only Sentinel has', () => {
    expect(fullTable().byName('sentinel')).toBeNull();
    expect(fullTable().byName('sentinel|masters')).toBeNull();
    expect(fullTable().byName('publish')).not.toBeNull();
  });

  it('refuses mistakes of families', () => {
    const build = (...families: Parameters<typeof buildCommandTable>[1]) =>
      buildCommandTable(allCommandFacts, families);
    expect(() => build({ NOPE: idle })).toThrow('no facts for command NOPE');
    expect(() => build({ GET: idle }, { GET: idle })).toThrow('declared twice');
    expect(() => build({ CONFIG: idle })).toThrow("can't have a handler");
    expect(() => build({ GET: { run: () => {}, place: Place.Estimated } })).toThrow('estimate');
    expect(() => build({ GET: { ...idle, estimate: () => 1 } })).toThrow('estimate');
  });

  it('makes flags and categories of the facts', () => {
    const table = fullTable();
    const get = table.byName('get')!;
    expect(get.flags).toBe(CommandFlag.Readonly | CommandFlag.Fast);
    expect(get.categories).toBe(aclCategoryBit('read') | aclCategoryBit('STRING') | aclCategoryBit('fast'));
    expect(table.byName('eval')!.flags & CommandFlag.MayReplicate).not.toBe(0);
    expect(table.byName('scan')!.flags & CommandFlag.TouchesArbitraryKeys).not.toBe(0);
    expect(table.byName('debug')!.flags & CommandFlag.Protected).not.toBe(0);
    expect(aclCategoryBit('nope')).toBe(0);
    for (const command of table.all) {
      expect(command.flags).toBeGreaterThanOrEqual(0);
      expect(command.categories).toBeGreaterThan(0);
    }
  });

  it('plans the search for keys', () => {
    const table = fullTable();
    const plan = (name: string) => table.byName(name)!.keyPlan;
    expect(plan('ping')).toBe(KeyPlan.None);
    expect(plan('spublish')).toBe(KeyPlan.None); // a channel is no key
    expect(plan('get')).toBe(KeyPlan.Single);
    expect(plan('set')).toBe(KeyPlan.Single);
    expect(plan('object|encoding')).toBe(KeyPlan.Single);
    expect(plan('mset')).toBe(KeyPlan.Range);
    expect(plan('blpop')).toBe(KeyPlan.Range);
    expect(plan('bitop')).toBe(KeyPlan.Range);
    expect(plan('zunionstore')).toBe(KeyPlan.Special);
    expect(plan('msetex')).toBe(KeyPlan.Special);
    expect(plan('sort')).toBe(KeyPlan.Special);
  });

  it('gives all rows one shape', () => {
    const keys = new Set(fullTable().all.map((command) => Object.keys(command).join()));
    expect(keys.size).toBe(1);
  });

  it('is what createCommandTable makes of the families', () => {
    const table = createCommandTable();
    expect(lookup(table, 'command')?.handler).not.toBeNull();
    for (const command of table.callableCommands()) expect(command.built).toBe(true);
  });
});

describe('the facts of later versions', () => {
  const table = fullTable();

  it('are added', () => {
    const names = ['delex', 'digest', 'msetex', 'hgetex', 'hsetex', 'hgetdel', 'xackdel', 'xdelex'];
    for (const name of names) {
      expect(table.byName(name)).not.toBeNull();
      expect(commandDocumentation(name.toUpperCase()).since).toMatch(/^8\.[024]\.0$/);
    }
    expect(table.byName('msetex')!.flags & CommandFlag.MovableKeys).not.toBe(0);
  });

  it('replace those of commands that gained arguments', () => {
    const tokens = (name: string) => JSON.stringify(commandDocumentation(name).arguments);
    for (const token of ['IFEQ', 'IFNE', 'IFDEQ', 'IFDNE', 'KEEPTTL']) expect(tokens('SET')).toContain(token);
    for (const token of ['XOR', 'DIFF', 'DIFF1', 'ANDOR', 'ONE']) expect(tokens('BITOP')).toContain(token);
  });

  it('have documentation, every one', () => {
    for (const row of allCommandFacts) expect(commandDocumentation(row.name).group).not.toBe('');
    for (const row of serverFacts) expect(commandDocumentation(row.name).summary).toMatch(/\.$/);
  });

  it('have a parent for every subcommand and name every subcommand in it', () => {
    for (const row of serverFacts) {
      for (const sub of row.subcommands ?? [])
        expect(serverFacts.some((other) => other.name === sub)).toBe(true);
      const [parent, sub] = row.name.split('|');
      if (sub === undefined) continue;
      expect(serverFacts.find((other) => other.name === parent)?.subcommands).toContain(row.name);
    }
  });
});

describe('rename', () => {
  const make = () => buildCommandTable(allCommandFacts, [idleHandlers()]);

  it('moves a command to another name, in any case', () => {
    const table = make();
    expect(table.rename('Config', 'Hidden-Config')).toBeNull();
    expect(lookup(table, 'config')).toBeNull();
    const config = lookup(table, 'hidden-CONFIG')!;
    expect(config.name).toBe('config');
    expect(lookupSub(table, config, 'get')?.name).toBe('config|get');
    expect(table.find('hidden-config|get')?.name).toBe('config|get');
    expect(table.find('config|get')).toBeNull();
    expect(table.rename('flushall', 'config')).toBeNull();
    expect(lookup(table, 'config')?.name).toBe('flushall');
  });

  it('disables a command', () => {
    const table = make();
    const count = table.callableCount;
    expect(table.rename('KEYS', '')).toBeNull();
    expect(lookup(table, 'keys')).toBeNull();
    expect(table.callableCount).toBe(count - 1);
    expect(table.byName('keys')).not.toBeNull();
  });

  it('answers as Redis does where it cannot', () => {
    const table = make();
    expect(table.rename('nope', 'x')).toBe('No such command in rename-command');
    expect(table.rename('config|get', '')).toBe('No such command in rename-command');
    expect(table.rename('get', 'SET')).toBe('Target command name already exists');
    expect(lookup(table, 'get')).not.toBeNull();
    table.rename('get', '');
    expect(table.rename('get', '')).toBe('No such command in rename-command');
  });

  it('accepts commands of Redis that are not built', () => {
    const table = buildCommandTable(allCommandFacts, [{ GET: idle }]);
    expect(table.rename('flushall', '')).toBeNull();
    expect(table.rename('debug', 'x')).toBeNull();
    expect(lookup(table, 'x')).toBeNull();
  });
});
