// Intsets against sets of BigInts.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatWords, INT64_TEXT_BYTES_MAX, Int64 } from '../../src/structures/int64.ts';
import { INTSET_HEADER_BYTES, Intset, isIntset, writeEmptyIntset } from '../../src/structures/intset.ts';

const SEED = Number(process.env['SABRE_SEED'] ?? 20_240_703);
const RUNS = Number(process.env['SABRE_RUNS'] ?? 100);
const BASE = 5;

const low = (n: bigint): number => Number(BigInt.asIntN(32, n));
const high = (n: bigint): number => Number(n >> 32n);

const members = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: -20n, max: 20n }) },
  { weight: 2, arbitrary: fc.bigInt({ min: -40_000n, max: 40_000n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) },
);

class Fixture {
  bytes = Buffer.alloc(BASE + INTSET_HEADER_BYTES);
  readonly set: Intset;
  readonly model = new Set<bigint>();

  constructor() {
    this.set = new Intset(this.bytes);
    writeEmptyIntset(this.bytes, BASE);
    this.set.open(this.bytes, BASE);
  }

  add(n: bigint): void {
    const { set, model } = this;
    expect(set.find(low(n), high(n))).toBe(model.has(n));
    if (model.has(n)) return;
    const grown = Buffer.alloc(BASE + set.bytesWith(low(n), high(n)), 0xee);
    this.bytes.copy(grown, 0, 0, BASE + set.size);
    this.bytes = grown;
    set.rebase(grown, BASE);
    set.add(low(n), high(n));
    model.add(n);
    expect(BASE + set.size).toBe(grown.length);
  }

  remove(n: bigint): void {
    const { set, model } = this;
    expect(set.find(low(n), high(n))).toBe(model.has(n));
    if (!model.delete(n)) return;
    set.remove(set.index);
  }

  verify(): void {
    const { set, model, bytes } = this;
    set.open(bytes, BASE);
    const seen: bigint[] = [];
    for (let i = 0; i < set.count; i++) {
      set.get(i);
      seen.push((BigInt(set.high) << 32n) | BigInt(set.low >>> 0));
    }
    expect(seen).toEqual([...model].sort((a, b) => (a < b ? -1 : 1)));
    expect(isIntset(bytes, BASE, set.size, true)).toBe(model.size > 0);
  }
}

describe('an intset', () => {
  it('does what a set does', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), members), { maxLength: 60 }), (steps) => {
        const fixture = new Fixture();
        for (const [add, n] of steps) {
          if (add) fixture.add(n);
          else fixture.remove(n);
          fixture.verify();
        }
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  it('has the bytes that Redis writes', () => {
    const fixture = new Fixture();
    for (const n of [5n, -1n, 300n]) fixture.add(n);
    expect(fixture.bytes.toString('hex', BASE)).toBe('0200000003000000ffff05002c01');
    fixture.add(70_000n);
    expect(fixture.bytes.toString('hex', BASE)).toBe('0400000004000000ffffffff050000002c01000070110100');
    fixture.remove(70_000n);
    expect(fixture.set.width).toBe(4);
  });

  it.each([
    ['0200000000000000', 'empty'],
    ['03000000010000000500', 'a width that is none'],
    ['0200000002000000', 'members missing'],
    ['02000000010000000500ff', 'bytes too many'],
    ['020000000200000005000500', 'a member twice'],
    ['020000000200000005000400', 'descending'],
    ['02000000', 'no header'],
    ['0800000001000020' + '00'.repeat(8), 'more members than bytes'],
  ])('is not %s (%s)', (hex) => {
    const bytes = Buffer.from(hex, 'hex');
    expect(isIntset(bytes, 0, bytes.length, true)).toBe(false);
  });
});

describe('an integer of two words', () => {
  it('is read and written as BigInt does', () => {
    const out = Buffer.alloc(INT64_TEXT_BYTES_MAX + 1);
    const value = new Int64();
    fc.assert(
      fc.property(
        fc.oneof(
          members,
          fc.constantFrom(2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n, -(2n ** 53n), 2n ** 32n, -(2n ** 31n)),
        ),
        (n) => {
          const text = Buffer.from(` ${n}`);
          expect(value.parse(text, 1, text.length - 1)).toBe(true);
          expect((BigInt(value.high) << 32n) | BigInt(value.low >>> 0)).toBe(n);
          expect(out.toString('latin1', 1, 1 + formatWords(value.low, value.high, out, 1))).toBe(String(n));
          expect(value.toNumber()).toBe(Number(n));
        },
      ),
      { seed: SEED, numRuns: RUNS * 5 },
    );
  });

  it.each([
    '',
    '-',
    '-0',
    '00',
    '01',
    '+1',
    ' 1',
    '1 ',
    '1.0',
    'a',
    '9223372036854775808',
    '-9223372036854775809',
    '1'.repeat(21),
  ])('is not "%s"', (text) => {
    expect(new Int64().parse(Buffer.from(text), 0, text.length)).toBe(false);
  });
});
