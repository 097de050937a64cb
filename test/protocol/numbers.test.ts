/** Integers as text: the two ways of reading agree with BigInt, and writing is the inverse. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatInteger,
  formatInteger64,
  integerTextBytes,
  isCanonicalInt64,
  parseInteger,
  parseInteger64,
  parseUnsigned,
} from '../../src/protocol/numbers.ts';

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** Puts a text in the middle of digits, so that reading beyond its end shows. */
function within(text: string): [Buffer, number, number] {
  const bytes = Buffer.from(text, 'latin1');
  return [Buffer.concat([Buffer.from('99'), bytes, Buffer.from('77')]), 2, bytes.length];
}

/** string2ll by the book. */
function reference(text: string): bigint | null {
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return null;
  const value = BigInt(text);
  return value <= MAX && value >= MIN ? value : null;
}

function check(text: string): void {
  const args = within(text);
  const value = reference(text);
  const safe = value !== null && value <= SAFE && value >= -SAFE;
  expect(isCanonicalInt64(...args), text).toBe(value !== null);
  expect(parseInteger64(...args), text).toBe(value);
  expect(parseInteger(...args), text).toBe(safe ? Number(value) : NaN);
  expect(parseUnsigned(...args), text).toBe(safe && value >= 0n ? Number(value) : NaN);
}

const edges: bigint[] = [];
for (let digits = 1; digits <= 20; digits++) edges.push(10n ** BigInt(digits) - 1n, 10n ** BigInt(digits));
for (let bits = 1n; bits <= 64n; bits++) edges.push(2n ** bits - 1n, 2n ** bits, 2n ** bits + 1n);

describe('integers', () => {
  it('the edges', () => {
    for (const edge of edges) for (const n of [edge, -edge]) check(n.toString());
    for (const text of [
      '',
      '-',
      '0',
      '-0',
      '00',
      '01',
      '-01',
      '+1',
      ' 1',
      '1 ',
      '1.0',
      '1e3',
      '--1',
      '1-',
      '0x1',
      '/',
      ':',
      '1:',
      '1/',
      '\0',
      '1\0',
      '\xb1',
      '18446744073709551616',
      '9223372036854775808',
      '-9223372036854775809',
      '1'.repeat(40),
    ]) {
      check(text);
    }
  });

  it('any text', () => {
    const digits = fc
      .array(fc.constantFrom(...'00112345678999'), { minLength: 1, maxLength: 22 })
      .map((a) => a.join(''));
    const signed = fc.tuple(fc.constantFrom('', '', '-', '+', ' '), digits).map(([a, b]) => a + b);
    fc.assert(
      fc.property(
        fc.oneof(
          signed,
          fc.bigInt({ min: MIN - 2n, max: MAX + 2n }).map(String),
          fc.string({ unit: 'binary-ascii', maxLength: 5 }),
        ),
        check,
      ),
      { numRuns: 3000 },
    );
  });

  it('writes what it reads', () => {
    const out = Buffer.alloc(40, 'x');
    const write = (n: number): void => {
      out.fill('x');
      const bytes = formatInteger(n, out, 3);
      expect(out.toString('latin1', 3, 3 + bytes)).toBe(String(n === 0 ? 0 : n));
      expect(out.toString('latin1', 0, 3) + out[3 + bytes]).toBe('xxx120');
      expect(integerTextBytes(n)).toBe(bytes);
    };
    for (const edge of edges) if (edge <= SAFE) for (const n of [edge, -edge]) write(Number(n));
    for (let n = -1200; n < 1200; n++) write(n);
    write(-0);
    fc.assert(fc.property(fc.maxSafeInteger(), write));
    fc.assert(fc.property(fc.integer(), write));
  });

  it('writes 64 bits', () => {
    const out = Buffer.alloc(40);
    const write = (n: bigint): void => {
      const bytes = formatInteger64(n, out, 2);
      expect(out.toString('latin1', 2, 2 + bytes)).toBe(n.toString());
    };
    for (const edge of edges) if (edge < 2n ** 64n) for (const n of [edge, -edge]) write(n);
    fc.assert(fc.property(fc.bigInt({ min: MIN, max: 2n ** 64n - 1n }), write));
  });
});
