import { describe, expect, it } from 'vitest';
import { KEYS_MAX, KeySource, zeta } from '../../native-free-bench/load/keys.ts';

function countKeys(source: KeySource, keys: number, draws: number): Float64Array {
  const counts = new Float64Array(keys);
  for (let i = 0; i < draws; i++) counts[source.next()]!++;
  return counts;
}

describe('zeta', () => {
  it('equals the plain sum where it approximates', () => {
    let sum = 0;
    for (let i = 1; i <= 200_000; i++) sum += i ** -0.99;
    expect(zeta(200_000, 0.99)).toBeCloseTo(sum, 7);
    expect(zeta(1, 0.99)).toBe(1);
    expect(zeta(2, 0.5)).toBeCloseTo(1 + Math.SQRT1_2, 12);
  });
});

describe('uniform keys', () => {
  it('draws all keys about equally often', () => {
    const draws = 400_000;
    const counts = countKeys(new KeySource('uniform', 100, 42), 100, draws);
    // chi-squared with 99 degrees of freedom: 99.99% of seeds stay under 161; the seed is fixed
    const expected = draws / 100;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(161);
    expect(chi).toBeGreaterThan(45);
  });

  it('repeats with the same seed and differs with another', () => {
    const draw = (seed: number): number[] => {
      const source = new KeySource('uniform', 1_000_000, seed);
      return Array.from({ length: 20 }, () => source.next());
    };
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });
});

describe('zipfian keys', () => {
  it('draws ranks with the documented probabilities', () => {
    const keys = 10_000;
    const theta = 0.99;
    const draws = 1_000_000;
    const source = new KeySource('zipfian', keys, 7, theta);
    const counts = new Float64Array(keys);
    for (let i = 0; i < draws; i++) counts[source.nextRank()]!++;
    const total = zeta(keys, theta);
    const expected = (rank: number): number => (draws * (rank + 1) ** -theta) / total;
    // ranks 1 and 2 are exact
    expect(counts[0]! / expected(0)).toBeCloseTo(1, 1);
    expect(counts[1]! / expected(1)).toBeCloseTo(1, 1);
    // further ranks by decades, where the generator approximates
    for (const [from, to] of [
      [2, 10],
      [10, 100],
      [100, 1000],
      [1000, 10_000],
    ] as const) {
      let seen = 0;
      let wanted = 0;
      for (let rank = from; rank < to; rank++) {
        seen += counts[rank]!;
        wanted += expected(rank);
      }
      expect(seen / wanted).toBeGreaterThan(0.85);
      expect(seen / wanted).toBeLessThan(1.15);
    }
  });

  it('is less skewed with a smaller theta', () => {
    const top = (theta: number): number => {
      const source = new KeySource('zipfian', 1000, 3, theta);
      let hits = 0;
      for (let i = 0; i < 50_000; i++) if (source.nextRank() === 0) hits++;
      return hits;
    };
    expect(top(0.5)).toBeLessThan(top(0.99) / 3);
  });

  it('scatters ranks over the keys without collisions', () => {
    for (const keys of [1, 2, 3, 10, 1000, 4096]) {
      const source = new KeySource('zipfian', keys, 1);
      const seen = new Set(Array.from({ length: keys }, (_unused, rank) => source.scatter(rank)));
      expect(seen.size).toBe(keys);
      expect(Math.max(...seen)).toBe(keys - 1);
    }
  });

  it('stays within the keys, however few or many', () => {
    for (const keys of [1, 2, 3, KEYS_MAX]) {
      const source = new KeySource('zipfian', keys, 11);
      for (let i = 0; i < 2000; i++) {
        const key = source.next();
        expect(Number.isInteger(key) && key >= 0 && key < keys).toBe(true);
      }
    }
  });
});

describe('sequential keys', () => {
  it('visits each key once and starts again', () => {
    const source = new KeySource('sequential', 4, 1, 0.99, 2);
    expect(Array.from({ length: 6 }, () => source.next())).toEqual([2, 3, 0, 1, 2, 3]);
  });
});

describe('limits', () => {
  it('refuses what it can not do', () => {
    expect(() => new KeySource('uniform', 0, 1)).toThrow('number of keys');
    expect(() => new KeySource('uniform', KEYS_MAX + 1, 1)).toThrow('number of keys');
    expect(() => new KeySource('zipfian', 10, 1, 1)).toThrow('skew');
  });
});
