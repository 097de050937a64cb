/*
 * Which key comes next: sequential, uniform or zipfian choice out of keys 0 .. n-1.
 *
 * Zipfian is the generator of Gray et al., "Quickly generating billion-record synthetic databases" (SIGMOD 1994),
 * as YCSB uses it. With skew theta (0.99 unless told), rank i (from 1) is drawn with probability
 *
 *     p(i) = (1 / i^theta) / zeta(n)        zeta(n) = sum of 1 / i^theta for i = 1 .. n
 *
 * and from one uniform u in [0, 1), without a table:
 *
 *     u * zeta(n) < 1                  -> rank 1
 *     u * zeta(n) < 1 + 0.5^theta      -> rank 2
 *     else                             -> 1 + floor(n * (eta * u - eta + 1) ^ (1 / (1 - theta)))
 *     eta = (1 - (2 / n)^(1 - theta)) / (1 - zeta(2) / zeta(n))
 *
 * Ranks 1 and 2 are exact, the others a close approximation. The popular ranks are then scattered over the key space
 * so that they do not share slots: key = (rank * m + c) mod n with m coprime to n. That is a permutation (YCSB hashes
 * instead, which lets ranks collide and changes the distribution).
 *
 * One class with a switch on a small integer instead of a class for each distribution, so that the call in the hot
 * loop stays monomorphic. Random numbers come from sfc32 (Chris Doty-Humphrey, PractRand): 32 bits a draw, seeded,
 * so that a run can be repeated.
 */

export const KEY_DISTRIBUTIONS = ['uniform', 'zipfian', 'sequential'] as const;
export type KeyDistribution = (typeof KEY_DISTRIBUTIONS)[number];

/** rank * multiplier must stay an exact integer (below 2^53). */
export const KEYS_MAX = 90_000_000;

const KIND_UNIFORM = 0;
const KIND_ZIPFIAN = 1;
const KIND_SEQUENTIAL = 2;
const TWO_POW_32 = 4294967296;

/** Terms of zeta that are added one by one; the rest is integrated. */
const ZETA_EXACT_TERMS = 10_000;

/**
 * zeta(n, theta) = sum of i^-theta for i = 1 .. n. The first 10,000 terms are added; the tail is the integral with the
 * first Euler-Maclaurin correction, whose error is below 1e-8 here.
 */
export function zeta(n: number, theta: number): number {
  const exact = Math.min(n, ZETA_EXACT_TERMS);
  let sum = 0;
  for (let i = 1; i <= exact; i++) sum += i ** -theta;
  if (n === exact) return sum;
  const power = 1 - theta;
  sum += (n ** power - exact ** power) / power;
  return sum + (n ** -theta - exact ** -theta) / 2;
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** A number near 0.618 * n that is coprime to n: neighbouring ranks land far apart. */
function scatterMultiplier(n: number): number {
  let multiplier = Math.max(1, Math.floor(n * 0.6180339887));
  while (gcd(multiplier, n) !== 1) multiplier++;
  return multiplier;
}

/** A stream of key numbers. Not for sharing: each thread has its own, with its own seed. */
export class KeySource {
  private readonly kind: number;
  private readonly count: number;
  private readonly first: number;
  private cursor: number;
  private readonly zetaN: number;
  private readonly secondBound: number;
  private readonly alpha: number;
  private readonly eta: number;
  private readonly multiplier: number;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /**
   * @param distribution how keys are chosen
   * @param count number of keys (1 .. KEYS_MAX)
   * @param seed any 32-bit number; equal seeds give equal streams
   * @param theta skew of the zipfian distribution, above 0 and below 1
   * @param first the sequential distribution starts here (then goes on modulo count)
   */
  constructor(distribution: KeyDistribution, count: number, seed: number, theta = 0.99, first = 0) {
    if (!Number.isInteger(count) || count < 1 || count > KEYS_MAX) {
      throw new Error(`number of keys must be 1 to ${KEYS_MAX}, not ${count}`);
    }
    if (!(theta > 0 && theta < 1)) throw new Error(`zipfian skew must be between 0 and 1, not ${theta}`);
    this.kind =
      distribution === 'uniform' ? KIND_UNIFORM : distribution === 'zipfian' ? KIND_ZIPFIAN : KIND_SEQUENTIAL;
    this.count = count;
    this.first = first % count;
    this.cursor = this.first;
    this.zetaN = zeta(count, theta);
    this.secondBound = 1 + 0.5 ** theta;
    this.alpha = 1 / (1 - theta);
    this.eta = count < 3 ? 0 : (1 - (2 / count) ** (1 - theta)) / (1 - zeta(2, theta) / this.zetaN);
    this.multiplier = scatterMultiplier(count);
    this.a = 0x9e3779b9 | 0;
    this.b = 0x243f6a88 | 0;
    this.c = seed | 0;
    this.d = 1;
    for (let i = 0; i < 16; i++) this.random();
  }

  /** Uniform in [0, 1), 32 bits of it. */
  random(): number {
    const sum = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return (sum >>> 0) / TWO_POW_32;
  }

  /** The rank drawn (0 is the most popular), before it is scattered. Only meaningful for the zipfian distribution. */
  nextRank(): number {
    const u = this.random();
    const scaled = u * this.zetaN;
    if (scaled < 1) return 0;
    if (scaled < this.secondBound) return this.count > 1 ? 1 : 0;
    const rank = Math.floor(this.count * (this.eta * u - this.eta + 1) ** this.alpha);
    return rank < this.count ? rank : this.count - 1;
  }

  /** The key a rank stands for: a permutation of 0 .. count-1. */
  scatter(rank: number): number {
    return (rank * this.multiplier + this.multiplier) % this.count;
  }

  /** The next key number, 0 .. count-1. */
  next(): number {
    if (this.kind === KIND_UNIFORM) return Math.floor(this.random() * this.count);
    if (this.kind === KIND_ZIPFIAN) return this.scatter(this.nextRank());
    const key = this.cursor;
    this.cursor = key + 1 === this.count ? 0 : key + 1;
    return key;
  }
}
