// Hashes computed ahead are those that would be computed: for the ranges that they are of, and for no others.

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  hashUnder,
  KnownHashes,
  keyedHash,
  lookUpHashes,
  seedKeyedHash,
} from '../../src/structures/keyed-hash.ts';

const SEED = [0x1234567, -0x7654321] as const;
const MAX = 8;
const known = new KnownHashes(MAX);

beforeAll(() => {
  seedKeyedHash(SEED);
  lookUpHashes(known);
});
afterAll(() => seedKeyedHash([0, 0]));

it('knows the hashes of ranges in their order, and computes those of others', () => {
  const range = fc.tuple(fc.nat(15), fc.nat(8));
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.array(range, { maxLength: MAX }),
      fc.array(range),
      fc.boolean(),
      (bytes, ahead, asked, other) => {
        const input = Buffer.from(bytes);
        known.clear();
        for (const [off, len] of [...ahead].sort(([a], [b]) => a - b)) known.add(input, off, len);
        known.input = input;
        const from = other ? Buffer.from(bytes.toReversed()) : input;
        for (const [off, len] of asked) {
          expect(keyedHash(from, off, len)).toBe(hashUnder(...SEED, from, off, len) & ~1);
        }
        known.clear();
        bytes.fill(0);
        input.fill(0);
        expect(keyedHash(input, 0, 4)).toBe(hashUnder(...SEED, input, 0, 4) & ~1);
      },
    ),
  );
});
