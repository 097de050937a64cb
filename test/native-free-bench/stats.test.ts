import { describe, expect, it } from 'vitest';
import { median, pairedRatios, ratio, spread } from '../../native-free-bench/stats.ts';

describe('median', () => {
  it('is the middle of an odd number of values, in any order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 9, 100, 1, 2])).toBe(9);
    expect(median([7])).toBe(7);
  });

  it('is the mean of the two middle values of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it('leaves its input alone and refuses no input', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
    expect(() => median([])).toThrow('no values');
  });
});

describe('ratios', () => {
  it('divides, except by nothing', () => {
    expect(ratio(3, 2)).toBe(1.5);
    expect(ratio(3, 0)).toBeUndefined();
    expect(ratio(undefined, 2)).toBeUndefined();
    expect(ratio(3, undefined)).toBeUndefined();
  });

  it('pairs samples of the same round', () => {
    expect(pairedRatios([2, 6, 9], [1, 2])).toEqual([2, 3]);
    expect(spread([3, 1, 2])).toEqual({ low: 1, high: 3 });
    expect(spread([])).toBeUndefined();
  });
});
