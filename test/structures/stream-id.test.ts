// IDs of stream entries against BigInt: reading, writing, order, neighbours; and what Redis accepts as an ID.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareIds,
  decrementId,
  formatId,
  ID_TEXT_BYTES_MAX,
  IdForm,
  incrementId,
  isGreatestId,
  isLeastId,
  isSequenceFull,
  msOf,
  Parsed,
  parseId,
  setMs,
} from '../../src/structures/stream-id.ts';
import { idOf, makeId, wordsOf } from './stream-bench.ts';

const MAX = 2n ** 64n - 1n;
const half = fc.oneof(
  fc.bigInt({ min: 0n, max: MAX }),
  fc.bigInt({ min: 0n, max: 1000n }),
  fc.constantFrom(
    0n,
    1n,
    MAX,
    MAX - 1n,
    2n ** 63n,
    2n ** 63n - 1n,
    2n ** 32n,
    2n ** 32n - 1n,
    2n ** 53n,
    999999999999999n,
  ),
);
const anyId = fc.tuple(half, half).map(([ms, seq]) => makeId(ms, seq));

function parse(text: string, form: number = IdForm.Strict, missing: 0 | -1 = 0): bigint | string | null {
  const bytes = Buffer.from(`..${text}..`, 'latin1');
  const id = new Int32Array(6);
  const parsed = parseId(bytes, 2, bytes.length - 4, missing, form, id, 1);
  if (parsed === Parsed.Invalid) return null;
  const found = idOf(id, 1);
  return parsed === Parsed.OpenSequence ? `${found >> 64n}-*` : found;
}

function format(id: bigint): string {
  const out = Buffer.alloc(ID_TEXT_BYTES_MAX + 2);
  const length = formatId(wordsOf(id), 0, out, 1);
  return out.toString('latin1', 1, 1 + length);
}

describe('stream IDs', () => {
  it('are written and read', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const text = `${id >> 64n}-${id & MAX}`;
        expect(format(id)).toBe(text);
        expect(parse(text)).toBe(id);
        expect(parse(String(id >> 64n))).toBe((id >> 64n) << 64n);
        expect(parse(String(id >> 64n), IdForm.Range, -1)).toBe(((id >> 64n) << 64n) | MAX);
        expect(parse(`${id >> 64n}-*`, IdForm.Open)).toBe(`${id >> 64n}-*`);
        expect(parse(`${id >> 64n}-*`)).toBe(null);
      }),
      { numRuns: 2000 },
    );
  });

  it('are ordered, and have neighbours', () => {
    fc.assert(
      fc.property(anyId, anyId, (a, b) => {
        expect(Math.sign(compareIds(wordsOf(a), 0, wordsOf(b), 0))).toBe(a < b ? -1 : a > b ? 1 : 0);
        const words = wordsOf(a);
        expect(incrementId(words, 0)).toBe(a !== 2n ** 128n - 1n);
        expect(idOf(words, 0)).toBe((a + 1n) % 2n ** 128n);
        const other = wordsOf(a);
        expect(decrementId(other, 0)).toBe(a !== 0n);
        expect(idOf(other, 0)).toBe((a - 1n + 2n ** 128n) % 2n ** 128n);
        expect(isLeastId(wordsOf(a), 0)).toBe(a === 0n);
        expect(isGreatestId(wordsOf(a), 0)).toBe(a === 2n ** 128n - 1n);
        expect(isSequenceFull(wordsOf(a), 0)).toBe((a & MAX) === MAX);
      }),
      { numRuns: 2000 },
    );
  });

  it('come from a clock', () => {
    const id = new Int32Array(4);
    for (const ms of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 1_700_000_000_123, Number.MAX_SAFE_INTEGER]) {
      setMs(id, 0, ms);
      expect(idOf(id, 0)).toBe(makeId(ms, 0));
      expect(msOf(id, 0)).toBe(ms);
    }
  });

  it.each([
    ['007-01', makeId(7, 1)],
    [' 5-1', makeId(5, 1)],
    ['+5-+1', makeId(5, 1)],
    ['\t5- 1', makeId(5, 1)],
    // What string2ll does not take, strtoull does: the complement.
    ['5--03', makeId(5, 2n ** 64n - 3n)],
    ['5--0', makeId(5, 0)],
    ['5-1\0junk', makeId(5, 1)],
    [`${'0'.repeat(120)}5-1`, makeId(5, 1)],
  ])('%j is one', (text, id) => {
    expect(parse(text)).toBe(id);
  });

  it.each([
    '', '-', '+', '5-', '-5', '5--3', '5-x', 'x', '5-1-1', '5-1 ', '5 -1', '1e3', '0x5', '18446744073709551616',
    '5-18446744073709551616', '5-*', '*', '$', '>', `${'0'.repeat(130)}5-1`, '--5', '5-+', '5-+-1',
  ])('%j is none', (text) => {
    expect(parse(text)).toBe(null);
  }); // biome-ignore format: a list

  it('has a least and a greatest one where a range is asked for', () => {
    expect(parse('-', IdForm.Range)).toBe(0n);
    expect(parse('+', IdForm.Range)).toBe(2n ** 128n - 1n);
    expect(parse('--', IdForm.Range)).toBe(null);
    expect(parse('5-*', IdForm.Range)).toBe(null);
  });
});
