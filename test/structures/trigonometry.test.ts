// Sine, cosine and arc sine against series of 256-bit integers: the nearest double, nearly always.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { asin, cos, sin } from '../../src/structures/trigonometry.ts';

const BITS = 256n;
const SCALE = 2 ** 128;
const SEED = 20_240_715;
const RUNS = 2000;

/** A double as a fixed-point number, exactly. */
const fixed = (x: number): bigint => BigInt(x * SCALE * SCALE);

/** A fixed-point number as the nearest double. */
const nearest = (x: bigint): number => Number(x) / SCALE / SCALE;

/** The sum of x^n / n! with changing signs, from n = 0 (cosine) or 1 (sine), in steps of two. */
function series(x: number, first: 0 | 1): bigint {
  const value = fixed(x);
  let term = first === 0 ? 1n << BITS : value;
  let sum = 0n;
  for (let n = BigInt(first); term !== 0n; n += 2n) {
    sum += term;
    term = -((((term * value) >> BITS) * value) >> BITS) / ((n + 1n) * (n + 2n));
  }
  return sum;
}

/** How many of random arguments give another double than the nearest. */
function misrounded(min: number, max: number, rounds: (x: number) => boolean): number {
  const argument = fc.double({ min, max, noNaN: true });
  const uniform = fc.integer({ min: 0, max: 2 ** 31 }).map((n) => min + (n / 2 ** 31) * (max - min));
  return fc
    .sample(fc.oneof({ weight: 1, arbitrary: argument }, { weight: 9, arbitrary: uniform }), {
      numRuns: RUNS,
      seed: SEED,
    })
    .filter((x) => Math.abs(x) > 1e-30 && !rounds(x)).length;
}

describe('trigonometry to the last bit', () => {
  it('sine', () => {
    expect(misrounded(-Math.PI, Math.PI, (x) => sin(x) === nearest(series(x, 1)))).toBeLessThan(2);
  });

  it('cosine', () => {
    expect(misrounded(-Math.PI / 2, Math.PI / 2, (x) => cos(x) === nearest(series(x, 0)))).toBeLessThan(2);
  });

  it('arc sine: the sines of the two midpoints to its neighbours lie on both sides', () => {
    const rounds = (x: number) => {
      const angle = fixed(asin(x));
      const gap = fixed(ulp(asin(x))) / 2n;
      const size = fixed(x);
      return sineOf(angle - gap) <= size && size <= sineOf(angle + gap);
    };
    expect(misrounded(0, 0.999999, rounds)).toBeLessThan(2);
  });

  it('keeps signs, zeros and the ends', () => {
    expect([sin(0), sin(-0), asin(0), asin(-0)]).toEqual([0, -0, 0, -0]);
    expect([cos(0), asin(1), asin(-1)]).toEqual([1, Math.PI / 2, -Math.PI / 2]);
    expect(sin(Math.PI)).toBe(1.2246467991473532e-16);
    expect(sin(-1.25)).toBe(-sin(1.25));
    expect(asin(-0.9)).toBe(-asin(0.9));
    expect(asin(1.0000000000000002)).toBeNaN();
    expect([sin(7), cos(7)]).toEqual([Math.sin(7), Math.cos(7)]);
  });
});

/** The distance to the next double of that size. */
function ulp(x: number): number {
  return 2 ** (Math.floor(Math.log2(x)) - 52);
}

function sineOf(value: bigint): bigint {
  let term = value;
  let sum = 0n;
  for (let n = 1n; term !== 0n; n += 2n) {
    sum += term;
    term = -((((term * value) >> BITS) * value) >> BITS) / ((n + 1n) * (n + 2n));
  }
  return sum;
}
