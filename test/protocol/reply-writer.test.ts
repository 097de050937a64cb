// Numbers in replies, digit by digit: at the edges, and at random.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDouble } from '../../src/protocol/doubles.ts';
import { ReplyWriter } from '../../src/protocol/reply-writer.ts';

const SEED = 20_240_902;

function written(resp: number, write: (reply: ReplyWriter) => void): string {
  const reply = new ReplyWriter();
  reply.resp = resp;
  write(reply);
  return reply.bytes.toString('latin1', 0, reply.length);
}

const safeInteger = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: 0, max: 100 }).map((n) => Number.MAX_SAFE_INTEGER - n),
  fc.integer({ min: 0, max: 15 }).map((n) => 10 ** n),
  fc.integer({ min: 1, max: 15 }).map((n) => 10 ** n - 1),
  fc.constantFrom(0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32),
);

describe('numbers in replies', () => {
  it('integers', () => {
    fc.assert(
      fc.property(safeInteger, (n) => {
        const text = String(n === 0 ? 0 : n);
        expect(written(2, (reply) => reply.integer(n))).toBe(`:${text}\r\n`);
        expect(written(3, (reply) => reply.double(n))).toBe(`,${formatDouble(n)}\r\n`);
        expect(written(2, (reply) => reply.double(n))).toBe(
          `$${formatDouble(n).length}\r\n${formatDouble(n)}\r\n`,
        );
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it('doubles', () => {
    fc.assert(
      fc.property(fc.double(), (n) => {
        const text = formatDouble(n);
        expect(written(3, (reply) => reply.double(n))).toBe(`,${text}\r\n`);
        expect(written(2, (reply) => reply.double(n))).toBe(`$${text.length}\r\n${text}\r\n`);
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });
});
