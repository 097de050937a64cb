import fc from 'fast-check';
import { expect, it } from 'vitest';
import { COMMAND_COUNT, CommandNames } from '../../src/commands/command-names.ts';
import { createCommandTable } from '../../src/commands/index.ts';
import { buildCommandTable } from '../../src/commands/table.ts';
import { idleHandlers, serverFacts } from './command-support.ts';

it('counts the rows of a table', () => {
  expect(COMMAND_COUNT).toBe(createCommandTable().all.length);
});

it('renames as a table does in which every command is built', () => {
  const name = fc.constantFrom('get', 'GET', 'config', 'SET', 'config|get', 'nope', 'other', 'Third', '');
  const idle = [idleHandlers()];
  fc.assert(
    fc.property(fc.array(fc.tuple(name, name), { maxLength: 8 }), (renames) => {
      const names = new CommandNames();
      const table = buildCommandTable(serverFacts, idle);
      for (const [from, to] of renames) expect(names.rename(from, to)).toBe(table.rename(from, to));
    }),
    { numRuns: 200 },
  );
});

it('lets a command that is not built go, and keeps its name from others', () => {
  const names = new CommandNames();
  expect(names.rename('get', 'sentinel')).toBeNull();
  expect(names.rename('set', 'xautoclaim')).toBe('Target command name already exists');
  expect(names.rename('xautoclaim', '')).toBeNull();
  expect(names.rename('set', 'xautoclaim')).toBeNull();
});
