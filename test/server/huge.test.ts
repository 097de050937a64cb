// Large data: many keys in one slot, values up to 512 MB, and long work that must hold up nobody else.

import { freemem } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { Argument, RawClient } from '../support/raw-client.ts';
import {
  describeTopologies,
  LEFT_IS_REDIS,
  type ServerUnderTest,
  startSabre,
  TOPOLOGIES,
  useServer,
} from '../support/sabre-server.ts';

const MB = 1024 * 1024;
const VALUE_MAX = 512 * MB;
/** What the tests with the largest values need: the value, what it grows from, copies on their way. */
const NEEDED_BYTES = 4096 * MB;
const LIMIT = { timeout: 120_000 };

async function expectSound(client: RawClient): Promise<void> {
  if (!LEFT_IS_REDIS) expect(await client.call('DEBUG', 'INVARIANTS')).toMatch(/^OK /);
}

describeTopologies('many keys in one slot', (server) => {
  const COUNT = 100_000;
  const PART = 2_000;

  it('are all there, and are walked, expired and deleted', LIMIT, async () => {
    const client = await server.connect({ timeoutMs: 60_000 });
    const names = (part: number) => Array.from({ length: PART }, (_, i) => `{one}:${part * PART + i}`);
    for (let part = 0; part < COUNT / PART; part++) {
      expect(await client.call('MSET', ...names(part).flatMap((name) => [name, `value of ${name}`]))).toBe(
        'OK',
      );
    }
    expect(await client.call('DBSIZE')).toBe(COUNT);
    for (let part = 0; part < COUNT / PART; part += 10) {
      const values = await client.call('MGET', ...names(part));
      expect(values).toEqual(names(part).map((name) => `value of ${name}`));
    }
    await expectSound(client);
    const met = new Set<string>();
    let cursor = '0';
    do {
      const [next, keys] = (await client.call('SCAN', cursor, 'COUNT', 5_000)) as [string, string[]];
      for (const key of keys) met.add(key);
      cursor = next;
    } while (cursor !== '0');
    expect(met.size).toBe(COUNT);
    expect(String(await client.call('RANDOMKEY'))).toMatch(/^\{one\}:\d+$/);

    for (let part = 0; part < COUNT / PART; part += 2) {
      await client.pipeline(names(part).map((name) => ['PEXPIRE', name, '1']));
      expect(await client.call('UNLINK', ...names(part + 1))).toBe(PART);
    }
    await expect.poll(() => client.call('DBSIZE'), { timeout: 60_000 }).toBe(0);
    await expectSound(client);
  });
});

describe('values of hundreds of megabytes', () => {
  const server = useServer(() => startSabre({ args: TOPOLOGIES[1]!.args }));

  it.skipIf(freemem() < NEEDED_BYTES)(
    '512 MB, made by SETRANGE, read and changed in pieces',
    LIMIT,
    async () => {
      const client = await server.connect({ timeoutMs: 60_000 });
      expect(await client.call('SETRANGE', 'huge', VALUE_MAX - 4, 'tail')).toBe(VALUE_MAX);
      expect(await client.call('STRLEN', 'huge')).toBe(VALUE_MAX);
      expect(await client.call('GETRANGE', 'huge', -6, -1)).toBe('\0\0tail');
      expect(await client.call('SETRANGE', 'huge', 300 * MB, 'middle')).toBe(VALUE_MAX);
      expect(await client.call('GETRANGE', 'huge', 300 * MB - 2, 300 * MB + 7)).toBe('\0\0middle\0\0');
      expect(await client.call('SETBIT', 'huge', VALUE_MAX * 8 - 1, 1)).toBe(0);
      expect(await client.call('BITCOUNT', 'huge')).toBe(bitsOf('middle') + bitsOf('tail') + 1);
      expect(await client.call('BITPOS', 'huge', 1)).toBe(300 * MB * 8 + 1);
      const tooLong = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
      expect(await client.callError('APPEND', 'huge', 'x')).toBe(tooLong);
      expect(await client.callError('SETRANGE', 'huge', VALUE_MAX, 'x')).toBe(tooLong);
      expect(await client.callError('SETBIT', 'huge', VALUE_MAX * 8, 1)).toBe(
        'ERR bit offset is not an integer or out of range',
      );
      await expectSound(client);
      expect(await client.call('RENAME', 'huge', 'renamed')).toBe('OK');
      expect(await client.call('STRLEN', 'renamed')).toBe(VALUE_MAX);
      await expectSmallAgain(client, 'DEL', 'renamed');
    },
  );

  it.skipIf(freemem() < NEEDED_BYTES)('grown by APPEND, copied, and sent whole', LIMIT, async () => {
    const client = await server.connect({ timeoutMs: 60_000 });
    const piece = Buffer.alloc(50 * MB, 'abcdefgh');
    for (let i = 1; i <= 4; i++) expect(await client.call('APPEND', 'grown', piece)).toBe(i * piece.length);
    expect(await client.call('COPY', 'grown', 'copy')).toBe(1);
    expect(await client.call('DEL', 'grown')).toBe(1);
    const value = (await client.callBuffer('GET', 'copy')) as Buffer;
    expect(value.length).toBe(4 * piece.length);
    for (let i = 0; i < 4; i++) {
      expect(value.subarray(i * piece.length, (i + 1) * piece.length).equals(piece)).toBe(true);
    }
    await expectSound(client);
    await expectSmallAgain(client, 'UNLINK', 'copy');
  });
});

/** Deleting the last large value gives its memory back. */
async function expectSmallAgain(client: RawClient, ...command: Argument[]): Promise<void> {
  const memory = async () =>
    Number(String(await client.call('INFO', 'memory')).match(/\nused_memory:(\d+)/)![1]);
  expect(await memory()).toBeGreaterThan(190 * MB);
  expect(await client.call(...command)).toBe(1);
  await expect.poll(memory, { timeout: 20_000 }).toBeLessThan(100 * MB);
  await expectSound(client);
}

function bitsOf(text: string): number {
  let bits = 0;
  for (const byte of Buffer.from(text)) for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
}

/** With one acceptor and one worker: more of them could only hide what is held up. */
describe.skipIf(LEFT_IS_REDIS)('long work of one client holds up nobody else', () => {
  const server = useServer(() => startSabre({ args: TOPOLOGIES[0]!.args }));
  /** With a single thread the others get an answer before and after the work, and perhaps one in between. */
  const ANSWERS_MEANWHILE = 5;

  it.each<[string, (client: RawClient) => Promise<void>, Argument[], number]>([
    ['KEYS over 300,000 keys', populate, ['KEYS', '*nosuch*key*'], 5],
    ['KEYS with a large reply', populate, ['KEYS', '*'], 2],
    ['SCAN with a large COUNT', populate, ['SCAN', '0', 'COUNT', '300000', 'MATCH', '*nosuch*'], 5],
    ['DEBUG DIGEST', populate, ['DEBUG', 'DIGEST'], 1],
    ['BITOP of 100 MB', fill, ['BITOP', 'XOR', 'dest', 'large', 'other'], 3],
    ['BITCOUNT of 100 MB', fill, ['BITCOUNT', 'large'], 5],
    ['GETRANGE of 100 MB', fill, ['GETRANGE', 'large', '0', '-1'], 3],
    ['LCS of long texts', texts, ['LCS', 'text:1', 'text:2', 'LEN'], 40],
    ['APPEND to 100 MB', fill, ['APPEND', 'large', 'x'.repeat(1_000_000)], 60],
    ['COPY of 100 MB', fill, ['COPY', 'large', 'copy', 'REPLACE'], 5],
  ])('%s', LIMIT, async (_name, prepare, command, times) => {
    const busy = await server.connect({ timeoutMs: 60_000 });
    await prepare(busy);
    const meanwhile = await answersDuring(server, busy, Array(times).fill(command));
    expect(meanwhile).toBeGreaterThanOrEqual(ANSWERS_MEANWHILE);
  });

  it('FLUSHALL of 300,000 keys', LIMIT, async () => {
    const busy = await server.connect({ timeoutMs: 60_000 });
    const fill = ['DEBUG', 'POPULATE', '300000'];
    const meanwhile = await answersDuring(server, busy, [fill, ['FLUSHALL'], fill, ['FLUSHALL', 'ASYNC']]);
    expect(meanwhile).toBeGreaterThanOrEqual(ANSWERS_MEANWHILE);
  });

  async function populate(client: RawClient): Promise<void> {
    await client.call('DEBUG', 'POPULATE', '300000');
  }

  async function fill(client: RawClient): Promise<void> {
    await client.call('SETRANGE', 'large', 100_000_000, 'x');
    await client.call('SETRANGE', 'other', 100_000_000, 'y');
  }

  async function texts(client: RawClient): Promise<void> {
    for (const [key, step] of [
      ['text:1', 7],
      ['text:2', 11],
    ] as const) {
      const text = Buffer.from(Array.from({ length: 11_000 }, (_, i) => 97 + ((i * i * step) % 23)));
      await client.call('SET', key, text);
    }
  }

  /** How many PINGs, one after the other, were answered before the last of the commands was. */
  async function answersDuring(
    server: ServerUnderTest,
    busy: RawClient,
    commands: Argument[][],
  ): Promise<number> {
    const other = await server.connect();
    await other.call('PING');
    let finished = false;
    const work = busy.pipeline(commands).then((replies) => {
      finished = true;
      for (const reply of replies) expect(reply.type).not.toBe('error');
    });
    let answers = 0;
    while (!finished) {
      await other.call('PING');
      if (!finished) answers++;
    }
    await work;
    return answers;
  }
});
