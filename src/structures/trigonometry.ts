// Sine, cosine and arc sine to the last bit, for distances on the globe.
//
// Math.sin and its like may be off in the last place (V8: some 3 % of all arguments, and other engines elsewhere), and
// GEORADIUS ... STOREDIST makes such bits visible in data sets. Here the result is the double nearest to the true value,
// but for less than one argument in ten thousand. The C library of Redis's machine does so for all but one or two in a
// thousand, so the two agree about as well as two machines running Redis do.
//
// How: sin and cos of k/128 are in a table, as sums of two doubles. With x = k/128 + r, |r| <= 1/256,
//
//   sin x = sin(k/128) + cos(k/128) * r            <- two products and sums, exact as pairs of doubles
//         + sin(k/128) * (cos r - 1) + cos(k/128) * (sin r - r)      <- small: plain doubles
//
// The arc sine is V8's, put right by one step of Newton's method with that sine.
//
// Left out: angles beyond a half turn. Results for them are those of Math.

/** The table's steps in one radian. */
const STEPS = 128;
/** Steps up to a little more than a quarter turn: pi / 2 is 201.06 steps. */
const TABLE_STEPS = 204;
/** Bits behind the point of the integers that the table is made with. */
const TABLE_BITS = 160n;
const ONE = 1n << TABLE_BITS;

/** pi and pi / 2 as pairs of doubles. */
const PI_LOW = 1.2246467991473532e-16;
const HALF_PI_LOW = PI_LOW / 2;

/** Multiplied with this, a double splits in two halves of 26 bits (Veltkamp). */
const SPLIT = 134217729;

/** sin high, sin low, cos high, cos low of each step. */
const TABLE = makeTable();

/** The part of the last sine that its double cannot hold. */
let sineLow = 0;

/** @param x in radians */
export function sin(x: number): number {
  const size = Math.abs(x);
  if (!(size <= Math.PI) || size === 0) return Math.sin(x);
  // Above a quarter turn the angle is mirrored; the difference to the double is exact.
  const result = size <= Math.PI / 2 ? sinPair(size, 0) : sinPair(Math.PI - size, PI_LOW);
  return x < 0 ? -result : result;
}

/** @param x in radians */
export function cos(x: number): number {
  const size = Math.abs(x);
  if (!(size <= Math.PI / 2)) return Math.cos(x);
  // Near a quarter turn the result is small, and the small terms below are not.
  if (size > 1) return sinPair(Math.PI / 2 - size, HALF_PI_LOW);
  const step = Math.round(size * STEPS);
  const r = size - step / STEPS;
  const at = step * 4;
  const sinHigh = -TABLE[at]!;
  const cosHigh = TABLE[at + 2]!;
  const r2 = r * r;
  const product = sinHigh * r;
  const sum = cosHigh + product;
  const low =
    (Math.abs(cosHigh) >= Math.abs(product) ? cosHigh - sum + product : product - sum + cosHigh) +
    (productError(sinHigh, r, product) +
      (TABLE[at + 3]! - TABLE[at + 1]! * r + cosHigh * cosRest(r2) + sinHigh * (r * sinRest(r2))));
  return sum + low;
}

/** @returns radians; NaN beyond 1, as in C */
export function asin(x: number): number {
  const size = Math.abs(x);
  if (!(size < 1)) return Math.asin(x);
  if (size === 0) return x;
  const result = size <= 0.75 ? asinNear(size, 0) : asinFar(size);
  return x < 0 ? -result : result;
}

/** The correction of the last arc sine, before it was added: see asinNear. */
let asinBase = 0;
let asinCorrection = 0;

/** The arc sine of high + low, for results that are well below a quarter turn. */
function asinNear(high: number, low: number): number {
  const base = Math.asin(high);
  const sine = sinPair(base, 0);
  asinBase = base;
  asinCorrection = (high - sine - sineLow + low) / Math.cos(base);
  return base + asinCorrection;
}

/** pi / 2 - 2 * asin(sqrt((1 - x) / 2)), for x near 1, where the sine is flat. */
function asinFar(x: number): number {
  const square = (1 - x) / 2;
  const root = Math.sqrt(square);
  const product = root * root;
  asinNear(root, (square - product - productError(root, root, product)) / (2 * root));
  const angle = 2 * asinBase;
  const sum = Math.PI / 2 - angle;
  return sum + (Math.PI / 2 - sum - angle + (HALF_PI_LOW - 2 * asinCorrection));
}

/** The sine of high + low, 0 <= high <= pi / 2; what the result cannot hold is left in sineLow. */
function sinPair(high: number, low: number): number {
  const step = Math.round(high * STEPS);
  const r = high - step / STEPS;
  const at = step * 4;
  const sinHigh = TABLE[at]!;
  const cosHigh = TABLE[at + 2]!;
  const r2 = r * r;
  const product = cosHigh * r;
  const sum = sinHigh + product;
  const rest =
    (Math.abs(sinHigh) >= Math.abs(product) ? sinHigh - sum + product : product - sum + sinHigh) +
    (productError(cosHigh, r, product) +
      (TABLE[at + 1]! +
        TABLE[at + 3]! * r +
        cosHigh * low +
        sinHigh * cosRest(r2) +
        cosHigh * (r * sinRest(r2))));
  const result = sum + rest;
  sineLow = sum - result + rest;
  return result;
}

/** cos r - 1, for |r| <= 1/256. @param r2 the square of r */
function cosRest(r2: number): number {
  return r2 * (-1 / 2 + r2 * (1 / 24 - r2 * (1 / 720 - r2 / 40320)));
}

/** sin r / r - 1, for |r| <= 1/256. @param r2 the square of r */
function sinRest(r2: number): number {
  return r2 * (-1 / 6 + r2 * (1 / 120 - r2 / 5040));
}

/** a * b - product, exactly. @param product a * b, rounded */
function productError(a: number, b: number, product: number): number {
  const aScaled = a * SPLIT;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = b * SPLIT;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** Each step turns the one before by 1 / STEPS. */
function makeTable(): Float64Array {
  const table = new Float64Array((TABLE_STEPS + 1) * 4);
  const [sinStep, cosStep] = turnOfOneStep();
  let sine = 0n;
  let cosine = ONE;
  for (let step = 0; step <= TABLE_STEPS; step++) {
    writePair(table, step * 4, sine);
    writePair(table, step * 4 + 2, cosine);
    const next = (sine * cosStep + cosine * sinStep) >> TABLE_BITS;
    cosine = (cosine * cosStep - sine * sinStep) >> TABLE_BITS;
    sine = next;
  }
  return table;
}

/** Sine and cosine of 1 / STEPS, by their series. */
function turnOfOneStep(): [bigint, bigint] {
  const sums = [0n, 0n];
  let term = ONE;
  for (let n = 0n; term !== 0n; n++) {
    // Cosine takes the even powers, sine the odd ones; signs change every two.
    sums[Number(n & 1n)]! += (n & 2n) === 0n ? term : -term;
    term /= (n + 1n) * BigInt(STEPS);
  }
  return [sums[1]!, sums[0]!];
}

/** A fixed-point number as a sum of two doubles. */
function writePair(table: Float64Array, at: number, value: bigint): void {
  const high = toDouble(value);
  table[at] = high;
  table[at + 1] = toDouble(value - fromDouble(high));
}

function toDouble(value: bigint): number {
  return Number(value) * 2 ** -Number(TABLE_BITS);
}

function fromDouble(value: number): bigint {
  return BigInt(value * 2 ** Number(TABLE_BITS));
}
