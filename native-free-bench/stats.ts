/*
 * The few statistics the comparison needs.
 *
 * Medians, since one noisy round must not move the result; the spread (lowest and highest ratio of rounds that ran
 * next to each other), so that a reader sees how far to trust the median. No means, no significance tests.
 */

/**
 * The median: the middle value, or the mean of the two middle values of an even number.
 * @param values at least one finite number, in any order; not changed
 */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Ratio of two figures, or undefined where it says nothing (the base is 0 or one of them is missing).
 */
export function ratio(value: number | undefined, base: number | undefined): number | undefined {
  if (value === undefined || base === undefined || base === 0) return undefined;
  return value / base;
}

/** Lowest and highest of some values; undefined of none. */
export function spread(values: readonly number[]): { low: number; high: number } | undefined {
  if (values.length === 0) return undefined;
  return { low: Math.min(...values), high: Math.max(...values) };
}

/**
 * Ratios of the rounds, each against the base's sample of the same round (they ran next to each other, so slow
 * drift of the machine cancels out).
 * @returns one ratio for each round both sides have, in order
 */
export function pairedRatios(values: readonly number[], base: readonly number[]): number[] {
  const ratios: number[] = [];
  for (let i = 0; i < Math.min(values.length, base.length); i++) {
    const one = ratio(values[i], base[i]);
    if (one !== undefined) ratios.push(one);
  }
  return ratios;
}
