// The hash that HyperLogLog elements go by: MurmurHash64A (Austin Appleby, public domain) with Redis's seed, in halves
// of 32 bits, as BigInt would be some fifty times slower.
//
// Of the 64 bits the low 14 choose the register; in the other 50 the position of the lowest bit that is set, counted
// from 1, is what the register is raised to (51 if none is).

const SEED = 0xadc83b19;
const M_HIGH = 0xc6a4a793 | 0;
const M_LOW = 0x5bd1e995;
const M_LOW_0 = M_LOW & 0xffff;
const M_LOW_1 = M_LOW >>> 16;

/** Bits of a hash that choose the register. */
export const INDEX_BITS = 14;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** Bit 50 of the rest, as bit of its high word. */
const SENTINEL = 1 << (50 - 32);

/** High word of the last product: results of two words without an allocation. */
let productHigh = 0;

/** low, high times M, modulo 2^64. @returns the low word; the high one is in productHigh */
function timesM(low: number, high: number): number {
  const low0 = low & 0xffff;
  const low1 = low >>> 16;
  const product00 = Math.imul(low0, M_LOW_0);
  // None of the sums passes 2^32, so they are exact as unsigned words.
  const middle = (Math.imul(low1, M_LOW_0) + (product00 >>> 16)) | 0;
  const middle2 = (Math.imul(low0, M_LOW_1) + (middle & 0xffff)) | 0;
  const carry = (Math.imul(low1, M_LOW_1) + (middle >>> 16) + (middle2 >>> 16)) | 0;
  productHigh = (carry + Math.imul(high, M_LOW) + Math.imul(low, M_HIGH)) | 0;
  return (middle2 << 16) | (product00 & 0xffff);
}

/**
 * Which register an element raises, and to what.
 * @returns register | value << INDEX_BITS
 */
export function elementRegister(bytes: Uint8Array, off: number, len: number): number {
  let low = SEED ^ timesM(len, 0);
  let high = productHigh;
  let at = off;
  const blocksEnd = off + (len & ~7);
  for (; at < blocksEnd; at += 8) {
    let kLow = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    let kHigh = bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    kLow = timesM(kLow, kHigh);
    kHigh = productHigh;
    kLow ^= kHigh >>> 15;
    kLow = timesM(kLow, kHigh);
    low = timesM(low ^ kLow, high ^ productHigh);
    high = productHigh;
  }
  const rest = len & 7;
  if (rest > 0) {
    for (let i = rest - 1; i >= 0; i--) {
      if (i >= 4) high ^= bytes[at + i]! << ((i - 4) << 3);
      else low ^= bytes[at + i]! << (i << 3);
    }
    low = timesM(low, high);
    high = productHigh;
  }
  low ^= high >>> 15;
  low = timesM(low, high);
  high = productHigh;
  low ^= high >>> 15;
  const restLow = (low >>> INDEX_BITS) | (high << (32 - INDEX_BITS));
  const restHigh = (high >>> INDEX_BITS) | SENTINEL;
  const zeros = restLow !== 0 ? lowestBit(restLow) : 32 + lowestBit(restHigh);
  return (low & INDEX_MASK) | ((zeros + 1) << INDEX_BITS);
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
