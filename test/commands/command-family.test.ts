/*
 * COMMAND, COUNT, DOCS, HELP, INFO, LIST, and the texts about unknown commands, compared with redis-server where no
 * order is involved.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { subcommandSyntaxText, unknownCommandText, unknownSubcommandText } from '../../src/commands/help.ts';
import { InProcess } from '../support/in-process.ts';
import type { RawClient } from '../support/raw-client.ts';
import { startRedis } from '../support/redis-server.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { fullTable, serverFacts } from './command-support.ts';

const sabre = { 2: new InProcess({ table: fullTable() }), 3: new InProcess({ table: fullTable(), resp: 3 }) };
const topLevel = serverFacts.filter((row) => !row.name.includes('|'));

describe('against redis-server', () => {
  let redis: ServerProcess;
  const clients = new Map<2 | 3, RawClient>();

  beforeAll(async () => {
    redis = await startRedis();
    clients.set(2, await redis.connect());
    clients.set(3, await redis.connect({ protocol: 3 }));
  });
  afterAll(() => redis.stop());

  it.each([
    'HELP',
    'INFO get nope GET|x config|get CONFIG|nope | config|get|x',
    'INFO nope',
    'INFO strlen zinterstore config|set',
    'COUNT x',
    'DOCS nope',
    'LIST x',
    'LIST FILTERBY',
    'LIST FILTERBY aclcat',
    'LIST FILTERBY aclcat nope',
    'LIST FILTERBY aclcat @set',
    'LIST FILTERBY nope x',
    'LIST FILTERBY pattern get x',
    'LIST filterby Pattern getrang?',
    'LIST filterby pattern CONFIG|RES*',
    'LIST FILTERBY MODULE x',
  ])('COMMAND %s', async (line) => {
    for (const resp of [2, 3] as const) {
      const words = ['COMMAND', ...line.split(' ')];
      const theirs = (await clients.get(resp)!.command(...words)).raw.toString('latin1');
      expect(sabre[resp].text(...words)).toBe(theirs);
    }
  });

  it('LIST has the same names, but for those of later versions', async () => {
    const known = new Set(topLevel.concat(serverFacts).map((row) => row.name.toLowerCase()));
    for (const filter of [[], ['FILTERBY', 'ACLCAT', 'hyperloglog'], ['FILTERBY', 'PATTERN', 's*']]) {
      const theirs = (await clients.get(2)!.call('COMMAND', 'LIST', ...filter)) as string[];
      const ours = new Set(sabre[2].value('COMMAND', 'LIST', ...filter) as string[]);
      expect(theirs.filter((name) => !ours.has(name))).toEqual([]);
      for (const name of ours) expect(known.has(name)).toBe(true);
    }
  });

  it('the texts for unknown commands', async () => {
    const requests = [
      ['nope'],
      ['nope', 'a', 'b c'],
      ['n\r\npe', 'a\r\n'],
      ['x'.repeat(200), 'y'.repeat(100), 'z'.repeat(100)],
      ['nope', ...Array.from({ length: 200 }, () => 'ab')],
      ['nope', 'a\0b', 'c'],
      ['nope', ''],
      ['config|get', 'x'],
    ];
    for (const words of requests) {
      const theirs = (await clients.get(2)!.command(...words)).bytes!.toString('latin1');
      expect(unknownCommandText(words).replace(/[\r\n]/g, ' ')).toBe(theirs);
    }
  });

  it('the texts for unknown subcommands', async () => {
    const requests = [
      ['config', 'nope'],
      ['CoNfIg', 'x'.repeat(300), 'y'],
      ['object', 'a\0b', 'c'],
      ['xgroup', ''],
    ];
    for (const [name, sub, ...more] of requests) {
      const theirs = (await clients.get(2)!.command(name!, sub!, ...more)).bytes!.toString('latin1');
      expect(unknownSubcommandText(name!, sub!)).toBe(theirs);
    }
    const theirs = (await clients.get(2)!.command('PFDEBUG', 'nope', 'x')).bytes!.toString('latin1');
    expect(theirs).not.toContain('subcommand or wrong'); // the key is looked up first
    expect(subcommandSyntaxText('debug', 'nope')).toBe(
      "ERR unknown subcommand or wrong number of arguments for 'nope'. Try DEBUG HELP.",
    );
  });
});

describe('from the table', () => {
  it('COMMAND and INFO without names list all commands', () => {
    for (const words of [['COMMAND'], ['COMMAND', 'INFO']]) {
      const rows = sabre[2].value(...words) as unknown[][];
      expect(rows.map((row) => row[0]).sort()).toEqual(topLevel.map((row) => row.name.toLowerCase()).sort());
    }
    expect(sabre[2].value('COMMAND', 'COUNT')).toBe(topLevel.length);
  });

  it('DOCS documents each command, with a summary and a display text for arguments that have no parts', () => {
    const docs = sabre[3].value('COMMAND', 'DOCS') as Map<string, Map<string, unknown>>;
    expect(docs.size).toBe(topLevel.length);
    for (const doc of docs.values()) expect(String(doc.get('summary')).length).toBeGreaterThan(10);
    const set = sabre[3].value('COMMAND', 'DOCS', 'set') as Map<string, Map<string, unknown>>;
    const [key, , condition] = set.get('set')!.get('arguments') as Map<string, unknown>[];
    expect(key!.get('display_text')).toBe('key');
    expect(condition!.has('display_text')).toBe(false);
    expect(JSON.stringify(condition!.get('arguments'), null, 0).length).toBeGreaterThan(2);
  });

  it('DOCS leaves out unknown names and takes subcommands', () => {
    const docs = sabre[3].value('COMMAND', 'DOCS', 'nope', 'config|get', 'GET') as Map<string, unknown>;
    expect([...docs.keys()]).toEqual(['config|get', 'get']);
  });

  it('follows rename-command: found by the new name, printed with its own', () => {
    const table = fullTable();
    table.rename('get', 'fetch');
    table.rename('keys', '');
    const server = new InProcess({ table });
    expect(server.text('COMMAND', 'INFO', 'get', 'keys')).toBe('*2\r\n$-1\r\n$-1\r\n');
    expect((server.value('COMMAND', 'INFO', 'fetch') as unknown[][])[0]![0]).toBe('get');
    expect(server.value('COMMAND', 'GETKEYS', 'fetch', 'a')).toEqual(['a']);
    expect(server.text('COMMAND', 'GETKEYS', 'get', 'a')).toBe('-ERR Invalid command specified\r\n');
    expect(server.value('COMMAND', 'COUNT')).toBe(topLevel.length - 1);
  });

  it('estimates its work by the number of commands it will print', () => {
    sabre[2].run('COMMAND', 'INFO', 'get');
    const one = sabre[2].lastEstimate;
    sabre[2].run('COMMAND');
    expect(sabre[2].lastEstimate).toBe(one * topLevel.length);
  });
});
