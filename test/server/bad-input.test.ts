// Bad input: whatever bytes come in, Sabre answers as redis-server does, byte by byte, and closes when it does.
//
// Left out: what only a running replica or cluster link can send.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { useServerPair } from '../support/differential.ts';
import { checkEntry, firstReply, isConnected, sameOutcome, sendTo } from '../support/probe.ts';
import { protocolCorpus, UNAUTHENTICATED, VALID_PIPELINE } from '../support/protocol-corpus.ts';
import { encodeCommand, type RawClient } from '../support/raw-client.ts';
import { parseReplies } from '../support/resp-parser.ts';
import { describeTopologies, startSabre, TOPOLOGIES, useServer } from '../support/sabre-server.ts';

const FUZZ_RUNS = Number(process.env['SABRE_FUZZ_RUNS'] ?? 500);
const PING = encodeCommand(['PING']);

for (const topology of TOPOLOGIES) {
  describe(`bad input (${topology.name})`, () => {
    const pair = useServerPair(topology.args);

    it.each(protocolCorpus().map((entry) => [entry.name, entry] as const))('%s', async (_name, entry) => {
      await checkEntry(pair(), entry);
    });

    it('a valid pipeline cut at every byte', async () => {
      for (let length = 0; length <= VALID_PIPELINE.length; length++) {
        await sameOutcome(pair(), VALID_PIPELINE.subarray(0, length));
      }
    });

    it('a valid pipeline in pieces of every small size', async () => {
      const whole = await sameOutcome(pair(), VALID_PIPELINE);
      expect(parseReplies(whole).length).toBe(11);
      for (let pieceBytes = 1; pieceBytes <= 16; pieceBytes++) {
        expect(await sameOutcome(pair(), VALID_PIPELINE, { pieceBytes })).toEqual(whole);
      }
    });

    it('a valid pipeline with one byte changed, everywhere', async () => {
      for (let at = 0; at < VALID_PIPELINE.length; at++) {
        const changed = Buffer.from(VALID_PIPELINE);
        changed[at] = changed[at]! ^ (1 << (at % 7));
        await sameOutcome(pair(), changed);
      }
    });

    it('random damage to valid pipelines', async () => {
      await fc.assert(
        fc.asyncProperty(damagedPipeline, async (bytes) => {
          await sameOutcome(pair(), bytes);
        }),
        { numRuns: FUZZ_RUNS },
      );
    });

    it('random bytes', async () => {
      await fc.assert(
        fc.asyncProperty(protocolSoup, async (bytes) => {
          await sameOutcome(pair(), bytes);
        }),
        { numRuns: FUZZ_RUNS },
      );
    });

    it('a million tiny arguments', async () => {
      const keys = Buffer.from('$1\r\na\r\n'.repeat(1_000_000));
      const request = (name: string) =>
        Buffer.concat([Buffer.from(`*1000001\r\n$${name.length}\r\n${name}\r\n`), keys, PING]);
      const set = encodeCommand(['SET', 'a', 'x']);
      const exists = await sameOutcome(pair(), Buffer.concat([set, request('EXISTS')]));
      expect(exists.toString()).toBe('+OK\r\n:1000000\r\n+PONG\r\n');
      const [mget, oracle] = await Promise.all(
        [pair().sabre, pair().redis].map((one) => firstReply(one, request('MGET'))),
      );
      expect(mget!.length).toBe('*1000000\r\n'.length + '$1\r\nx\r\n'.length * 1_000_000);
      expect(mget!.equals(oracle!)).toBe(true);
      const ping = await sameOutcome(pair(), request('PING'));
      expect(ping.toString()).toBe("-ERR wrong number of arguments for 'ping' command\r\n+PONG\r\n");
      expect((await sameOutcome(pair(), request('NOSUCH'))).length).toBeLessThan(400);
    });
  });
}

describe('bad input before the password', () => {
  const pair = useServerPair(TOPOLOGIES[0]!.args, ['--requirepass', 'secret']);

  it.each(UNAUTHENTICATED.map((entry) => [entry.name, entry] as const))('%s', async (_name, entry) => {
    await sameOutcome(pair(), entry.bytes, { keepOpen: entry.closes });
  });
});

describe('limits of the protocol', () => {
  const pair = useServerPair(TOPOLOGIES[0]!.args, [
    '--proto-max-bulk-len',
    '1mb',
    '--client-query-buffer-limit',
    '2mb',
  ]);

  it('proto-max-bulk-len', async () => {
    const set = (length: number) => `*3\r\n$3\r\nSET\r\n$1\r\na\r\n$${length}\r\n${'x'.repeat(length)}\r\n`;
    const good = await sameOutcome(pair(), Buffer.from(set(1_048_576)));
    expect(good.toString()).toBe('+OK\r\n');
    const bad = await sameOutcome(pair(), Buffer.from(set(1_048_577).slice(0, 100)), { keepOpen: true });
    expect(bad.toString()).toBe('-ERR Protocol error: invalid bulk length\r\n');
  });
});

describe('the limit of the query buffer', () => {
  const pair = useServerPair(TOPOLOGIES[0]!.args, ['--client-query-buffer-limit', '1mb']);

  it('drops a client over it, without a reply and with a line in the log', async () => {
    for (const server of [pair().sabre, pair().redis]) {
      const client = await sendTo(server, encodeCommand(['SET', 'a', 'x'.repeat(4_000_000)]));
      expect((await client.readUntilClosed()).toString()).toBe('');
      await server.waitForLog(/max query buffer length/);
      const other = await server.connect();
      expect(await other.call('EXISTS', 'a')).toBe(0);
      expect(await other.call('SET', 'a', 'x'.repeat(900_000))).toBe('OK');
    }
  });
});

describeTopologies(
  'clients that misbehave',
  (server) => {
    it('a client that never reads is dropped at its output limit, and others are served', async () => {
      const other = await server.connect();
      await other.call('SET', 'large', 'x'.repeat(100_000));
      const before = server.process.residentBytes();
      const greedy = await server.connect();
      greedy.pause();
      greedy.sendRaw(Buffer.concat(Array.from({ length: 3_000 }, () => encodeCommand(['GET', 'large']))));
      let peak = 0;
      while (await isConnected(server.process, greedy)) {
        peak = Math.max(peak, server.process.residentBytes());
        expect(await other.call('ECHO', 'still here')).toBe('still here');
      }
      await server.process.waitForLog(/closed ASAP for overcoming of output buffer limits/);
      peak = Math.max(peak, server.process.residentBytes());
      expect(peak - before).toBeLessThan(150_000_000);
      expect(await other.call('STRLEN', 'large')).toBe(100_000);
    });

    it('huge declared lengths take no memory', async () => {
      const other = await server.connect();
      await other.call('PING');
      const before = server.process.residentBytes();
      const clients: RawClient[] = [];
      for (let i = 0; i < 100; i++) {
        clients.push(
          await sendTo(server.process, Buffer.from('*2147483647\r\n$4\r\nMGET\r\n$536870912\r\nabc')),
        );
      }
      expect(await other.call('ECHO', 'x')).toBe('x');
      for (const client of clients) expect(await isConnected(server.process, client)).toBe(true);
      expect(server.process.residentBytes() - before).toBeLessThan(150_000_000);
    });

    it('slow senders do not hold up others', async () => {
      const slow: RawClient[] = [];
      for (let i = 0; i < 50; i++) slow.push(await sendTo(server.process, Buffer.from('*2\r\n$3\r\nGE')));
      const other = await server.connect();
      for (let i = 0; i < 100; i++) expect(await other.call('INCR', 'counter')).toBe(i + 1);
      for (const client of slow) client.sendRaw('T\r\n$7\r\ncounter\r\n');
      for (const client of slow) expect((await client.reply()).bytes!.toString()).toBe('100');
    });

    it('connections that are reset in the middle of everything', async () => {
      const large = encodeCommand(['SET', 'large', 'x'.repeat(1_000_000)]);
      const other = await server.connect();
      await other.call('SET', 'large', 'y'.repeat(1_000_000));
      for (let i = 0; i < 50; i++) {
        const reader = await server.connect();
        reader.pause();
        for (let n = 0; n < 20; n++) reader.send('GET', 'large');
        const writer = await sendTo(server.process, large.subarray(0, 20_000 * i));
        await Promise.all([reader.abort(), writer.abort()]);
      }
      expect(await other.call('GETRANGE', 'large', '0', '1')).toBe('yy');
      await expect
        .poll(async () => String(await other.call('INFO', 'clients')))
        .toContain('connected_clients:1\r\n');
    });
  },
  { args: ['--client-output-buffer-limit', 'normal 8mb 0 0'] },
);

describe('a closed connection', () => {
  const server = useServer(() => startSabre({ args: ['--loglevel', 'verbose'] }));

  it('has its reason in the log', async () => {
    const client = await sendTo(server.process, Buffer.from('*abc\r\n'));
    await client.readUntilClosed();
    await server.process.waitForLog(/Protocol error \(invalid mbulk count\) from client/);
  });
});

/** The valid pipeline, damaged one to four times: bytes changed, put in, taken out, parts repeated or swapped. */
const damagedPipeline = fc
  .array(
    fc.record({
      kind: fc.constantFrom('change', 'insert', 'remove', 'repeat', 'cut'),
      at: fc.nat({ max: VALID_PIPELINE.length - 1 }),
      length: fc.integer({ min: 1, max: 12 }),
      byte: fc.oneof(
        fc.constantFrom(...Buffer.from('*$\r\n0123456789-+"\' \0\xff', 'latin1')),
        fc.nat({ max: 255 }),
      ),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((damages) => {
    let bytes: Buffer = VALID_PIPELINE;
    for (const { kind, at, length, byte } of damages) {
      const head = bytes.subarray(0, at);
      const part = bytes.subarray(at, at + length);
      const tail = bytes.subarray(at + length);
      const one = Buffer.from([byte]);
      if (kind === 'change') bytes = Buffer.concat([head, one, bytes.subarray(at + 1)]);
      else if (kind === 'insert') bytes = Buffer.concat([head, one, part, tail]);
      else if (kind === 'remove') bytes = Buffer.concat([head, tail]);
      else if (kind === 'repeat') bytes = Buffer.concat([head, part, part, tail]);
      else bytes = head;
    }
    return bytes;
  });

/** Pieces of the protocol in any order. */
const protocolSoup = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '*1\r\n',
        '*2\r\n',
        '$4\r\n',
        '$1\r\n',
        'PING',
        'ECHO',
        'a',
        '\r\n',
        '\r',
        '\n',
        '"',
        "'",
        '*',
        '$',
      ),
      fc.constantFrom('*0\r\n', '*-1\r\n', '$-1\r\n', '$0\r\n', ' ', '\\x', ':1\r\n', '\0'),
      fc.integer({ min: -3, max: 20 }).map((n) => `$${n}\r\n`),
      fc.string({ maxLength: 4 }),
    ),
    { maxLength: 20 },
  )
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));
