// Long commands on large collections: they are atomic, and hold up nobody who works on other keys, not even keys of the
// same shard; what they leave behind is freed by and by.

import { expect, it } from 'vitest';
import type { RawClient } from '../support/raw-client.ts';
import { describeTopologies, LEFT_IS_REDIS, type ServerUnderTest } from '../support/sabre-server.ts';

const MEMBERS = 150_000;
const PART = 3_000;
const LIMIT = { timeout: 120_000 };
const TAG = '{same shard}';
const A = `${TAG}a`;
const B = `${TAG}b`;
const UNION = `${TAG}union`;

/** Adds `prefix:0` and so on to a set. */
async function fill(client: RawClient, key: string, prefix: string): Promise<void> {
  for (let from = 0; from < MEMBERS; from += PART) {
    const members = Array.from({ length: PART }, (_, i) => `${prefix}:${from + i}`);
    expect(await client.call('SADD', key, ...members)).toBe(PART);
  }
}

async function expectSound(client: RawClient): Promise<void> {
  if (!LEFT_IS_REDIS) expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
}

async function pendingFrees(client: RawClient): Promise<number> {
  return Number(/lazyfree_pending_objects:(\d+)/.exec(String(await client.call('INFO', 'memory')))![1]);
}

/** Runs commands one after the other until `done`. @returns how many there were */
async function until(done: Promise<unknown>, work: (i: number) => Promise<void>): Promise<number> {
  let over = false;
  const end = done.finally(() => {
    over = true;
  });
  let count = 0;
  while (!over) await work(count++);
  await end;
  return count;
}

describeTopologies('a long SUNIONSTORE', (server: ServerUnderTest) => {
  it('lets others read and write the keys of its shard, and sees one moment of its own', LIMIT, async () => {
    const [busy, reader, writer] = [await server.connect(), await server.connect(), await server.connect()];
    await fill(busy, A, 'left');
    await fill(busy, B, 'right');
    await reader.call('SET', `${TAG}other`, 'value');
    let written = 0;
    let running = true;
    // First into one source, then into the other: a union with the second and without the first saw two moments.
    const writing = (async () => {
      for (; running; written++) {
        await writer.call('SADD', A, `pair:${written}`);
        await writer.call('SADD', B, `other of pair:${written}`);
      }
    })();
    let between = 0;
    for (let round = 0; round < 4; round++) {
      const union = busy.call('SUNIONSTORE', UNION, A, B);
      between += await until(union, async (i) => {
        expect(await reader.call('GET', `${TAG}other`)).toBe('value');
        expect(await reader.call('SET', `${TAG}mine`, String(i))).toBe('OK');
      });
      const known = written + 1;
      const firsts = Array.from({ length: known }, (_, i) => `pair:${i}`);
      const hasFirst = (await busy.call('SMISMEMBER', UNION, ...firsts)) as number[];
      const hasSecond = (await busy.call(
        'SMISMEMBER',
        UNION,
        ...firsts.map((first) => `other of ${first}`),
      )) as number[];
      for (let i = 0; i < known; i++) expect(hasFirst[i]).toBeGreaterThanOrEqual(hasSecond[i]!);
      const sum = hasFirst.concat(hasSecond).reduce((a, b) => a + b, 0);
      expect(Number(await union)).toBeGreaterThanOrEqual(2 * MEMBERS + sum);
    }
    running = false;
    await writing;
    // Redis lets at most one command in per union.
    if (!LEFT_IS_REDIS) expect(between).toBeGreaterThan(8);
    await expectSound(busy);
  });
});

describeTopologies('what large values leave behind', (server: ServerUnderTest) => {
  it.each([
    ['DEL', [['DEL', A]]],
    ['UNLINK', [['UNLINK', A]]],
    ['SET', [['SET', A, 'value']]],
    ['expiry', [['PEXPIRE', A, '1']]],
    [
      'RENAME over it',
      [
        ['SET', B, 'value'],
        ['RENAME', B, A],
      ],
    ],
    ['SINTERSTORE of nothing', [['SINTERSTORE', A, A, B]]],
    ['FLUSHDB', [['FLUSHDB']]],
    ['FLUSHALL while it is freed', [['DEL', A], ['FLUSHALL']]],
  ])('is freed after %s', LIMIT, async (_name, commands) => {
    const client = await server.connect();
    await client.call('FLUSHALL');
    await fill(client, A, 'member');
    for (const command of commands) await client.call(...command);
    await expect.poll(() => client.call('TYPE', A), { timeout: 20_000 }).not.toBe('set');
    await expectSound(client);
    await expect.poll(() => pendingFrees(client), { timeout: 20_000 }).toBe(0);
    await expectSound(client);
    await client.call('FLUSHALL');
  });
});
