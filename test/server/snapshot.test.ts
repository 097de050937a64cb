// RDB files written one after the other while clients move values between keys: each file has what all keys have together,
// no more and no less, and no two-key write half.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RdbLoader } from '../../src/rdb/file-loader.ts';
import { RdbScanner } from '../../src/rdb/file-scanner.ts';
import { BufferSource } from '../../src/rdb/file-source.ts';
import { EncodingLimits } from '../../src/rdb/limits.ts';
import { LISTS, MOVERS, PAIR_SUM, PAIRS, SETS } from '../execution/snapshot-shared.ts';
import { checkSums, fillCommands } from '../execution/snapshot-sums.ts';
import { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { describeTopologies } from '../support/sabre-server.ts';
import { pick, seeded } from '../support/seeded.ts';

const FILES = 12;
const AT_ONCE = 40;

/** The data set of a file. */
function load(bytes: Buffer): InProcess {
  const bench = new InProcess({ databases: 16, regions: 1 });
  const options = { databases: 16, keepExpired: true };
  const loader = new RdbLoader(bench.keyspace, new EncodingLimits(bench.config), options);
  const scanner = new RdbScanner(new BufferSource(bytes), { checksum: true, databases: 16 });
  while (scanner.next()) {
    const { sectionPosition, sectionLength, sectionDb } = scanner;
    loader.load(bytes, sectionPosition, sectionLength, sectionDb, sectionPosition);
  }
  return bench;
}

/** Moves values about until it is over. @returns how many commands that took */
async function moveValues(client: RawClient, mover: number, isOver: () => boolean): Promise<number> {
  const random = seeded(mover);
  let sent = 0;
  while (!isOver()) {
    const commands: Argument[][] = [];
    for (let i = 0; i < AT_ONCE; i++) {
      const pair = `${mover}:${pick(random, PAIRS)}`;
      const part = pick(random, PAIR_SUM + 1);
      const side = random() < 0.5 ? 'LEFT' : 'RIGHT';
      commands.push(['MSET', `left:${pair}`, part, `right:${pair}`, PAIR_SUM - part]);
      commands.push(['LMOVE', `list:${pick(random, LISTS)}`, `list:${pick(random, LISTS)}`, side, 'RIGHT']);
      commands.push(['SRANDMEMBER', `set:${pick(random, SETS)}`]);
    }
    for (const reply of await client.pipeline(commands)) expect(reply.type).not.toBe('error');
    const from = `set:${pick(random, SETS)}`;
    const member = await client.call('SRANDMEMBER', from);
    if (member !== null) await client.call('SMOVE', from, `set:${pick(random, SETS)}`, String(member));
    sent += commands.length;
  }
  return sent;
}

describeTopologies('snapshots while values are moved between keys', (server) => {
  it('have all of them, each once', { timeout: 120_000 }, async () => {
    const client = await server.connect();
    for (const command of fillCommands()) await client.call(...command);
    let over = false;
    const movers = MOVERS.map(async (mover) => moveValues(await server.connect(), mover, () => over));
    for (let file = 0; file < FILES; file++) {
      expect(await client.call('SAVE')).toBe('OK');
      checkSums(load(readFileSync(join(server.process.folder, 'dump.rdb'))));
    }
    over = true;
    for (const sent of await Promise.all(movers)) expect(sent).toBeGreaterThan(AT_ONCE);
    expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
  });
});
