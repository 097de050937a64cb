// MONITOR: its lines are those of redis-server, and come in the order in which commands have run, on whichever thread.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ignored, masked } from '../support/comparisons.ts';
import { describeDifferential } from '../support/differential.ts';
import { RawClient } from '../support/raw-client.ts';
import { startSabre, TOPOLOGIES, useServer } from '../support/sabre-server.ts';

const SEVERAL = [TOPOLOGIES[1]!];
/** Times and ports. */
const VARYING = /\d+\.\d{6}|127\.0\.0\.1:\d+/g;
const LINE = masked(VARYING);

/** Commands, and how many lines they show. */
const SCRIPT: readonly (readonly [string, number])[] = [
  ['SELECT 3', 1],
  ['SET a 1', 1],
  ['LPUSH a 1', 1],
  ['GET', 0],
  ['NOSUCH x', 0],
  ['CONFIG GET port', 0],
  ['CLIENT SETNAME me', 1],
  ['CLIENT LIST', 0],
  ['SLOWLOG LEN', 0],
  ['AUTH default secret', 1],
  ['AUTH', 0],
  ['HELLO 3 AUTH default secret SETNAME x', 1],
  ['HELLO 2 SETNAME AUTH', 1],
  ['SELECT 2', 1],
  ['MULTI', 1],
  ['SET b 2', 0],
  ['SELECT 1', 0],
  ['CLIENT GETNAME', 0],
  ['EXEC', 4],
  ['MULTI', 1],
  ['NOSUCH', 0],
  ['EXEC', 1],
  ['DISCARD', 1],
  ['BLPOP l 0.01', 1],
  ['KEYS *', 1],
  ['SUBSCRIBE c', 1],
  ['UNSUBSCRIBE c', 1],
  ['PING "\\"\\\\\\n\\r\\t\\a\\b\\x00\\xff ~"', 1],
  ['RESET', 1],
];

describeDifferential(
  'MONITOR',
  (diff) => {
    it('shows what redis-server shows, and nothing more', async () => {
      const watcher = await diff.another();
      await watcher.same('MONITOR');
      for (const [command, lines] of SCRIPT) {
        diff.send(...words(command));
        await diff.sameNext(ignored);
        for (let i = 0; i < lines; i++) await watcher.sameNext(LINE);
      }
      await diff.same('SET', 'the', 'end');
      await watcher.sameNext(LINE);
      // A second one, and no one any more.
      await watcher.sameBy(ignored, 'RESET');
      expect(watcher.sabre.queuedReplies).toBe(0);
    });
  },
  { protocols: [2], topologies: SEVERAL },
);

describe('MONITOR over several threads', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sabre-monitor-'));
  const path = join(folder, 's.sock');
  const server = useServer(() =>
    startSabre({ args: ['--acceptors', '3', '--shard-workers', '3', '--unixsocket', path] }),
  );
  afterAll(() => rmSync(folder, { recursive: true }));

  it('shows the path of the unix socket that a client came by', async () => {
    const watcher = await server.connect();
    await watcher.call('MONITOR');
    const client = await RawClient.connect({ path });
    await client.pipeline([['PING'], ['KEYS', '*']]);
    await client.close();
    for (const shown of ['"PING"', '"KEYS" "*"']) {
      const line = (await watcher.next()).bytes!.toString();
      expect(line.slice(line.indexOf(' '))).toBe(` [0 unix:${path}] ${shown}`);
    }
  });

  it('shows commands in the order in which they have run, transactions in one piece', async () => {
    const watcher = await server.connect();
    await watcher.call('MONITOR');
    const clients = await Promise.all(Array.from({ length: 8 }, () => server.connect()));
    // What each SET ... GET has answered tells which one came before it.
    const before = new Map<string, string | null>();
    await Promise.all(clients.map((client, i) => write(client, i, before)));
    await clients[0]!.call('SET', 'end', 'x');

    const values = new Map<string, string>();
    let transaction: string | null = null;
    let commands = 0;
    let last = 0;
    for (;;) {
      const line = (await watcher.next()).bytes!.toString();
      const [, time, address, rest] = /^(\S+) \[0 (\S+)\] (.*)$/s.exec(line)!;
      expect(Number(time)).toBeGreaterThanOrEqual(last);
      last = Number(time);
      const [name, key, value] = [...rest!.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
      if (key === 'end') break;
      if (transaction !== null) expect(address).toBe(transaction);
      if (name === 'EXEC') transaction = null;
      if (name !== 'SET' || key!.startsWith('long')) continue;
      if (value!.startsWith('t') && value!.endsWith('first')) transaction = address!;
      expect([value, values.get(key!) ?? null]).toEqual([value, before.get(value!)]);
      values.set(key!, value!);
      commands++;
    }
    expect(commands).toBe(before.size);
  });
});

const ROUNDS = 60;
const LONG = 'x'.repeat(300_000);

/** SETs of the same keys: in place, handed over with what is before them, and in transactions. */
async function write(client: RawClient, number: number, before: Map<string, string | null>): Promise<void> {
  for (let i = 0; i < ROUNDS; i++) {
    const set = (key: string, value: string): string[] => ['SET', key, value, 'GET'];
    const [a, b] = [`t${number}:${i}:first`, `t${number}:${i}:second`];
    const plain = `p${number}:${i}`;
    const replies = await client.pipeline([
      ...(i % 10 === 0 ? [['SET', `long${number}`, LONG]] : []),
      set('k1', plain),
      ['MULTI'],
      set('k1', a),
      set('{k2}', b),
      ['EXEC'],
    ]);
    const [first, , , , exec] = replies.slice(i % 10 === 0 ? 1 : 0);
    before.set(plain, first!.bytes?.toString() ?? null);
    const [ofA, ofB] = exec!.items!;
    before.set(a, ofA!.bytes?.toString() ?? null);
    before.set(b, ofB!.bytes?.toString() ?? null);
  }
}

/** The words of a line as redis-cli reads it, less its escapes beside those used here. */
function words(line: string): Buffer[] {
  const escapes: Record<string, number> = { n: 10, r: 13, t: 9, a: 7, b: 8, '"': 34, '\\': 92 };
  return [...line.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(([, quoted, bare]) => {
    if (quoted === undefined) return Buffer.from(bare!);
    const text = quoted.replace(/\\(?:x([0-9a-f]{2})|(.))/g, (_, hex: string | undefined, letter: string) =>
      String.fromCharCode(hex === undefined ? escapes[letter]! : Number.parseInt(hex, 16)),
    );
    return Buffer.from(text, 'latin1');
  });
}
