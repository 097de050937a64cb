// Pseudo-random numbers from a seed, so that a failing run can be repeated: mulberry32.

/** @returns a function that gives numbers in [0, 1) */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number in [0, below). */
export function pick(random: () => number, below: number): number {
  return Math.floor(random() * below);
}
