// The digest of a string value, as DIGEST prints it and IFDEQ and IFDNE compare it: XXH3 of 64 bits with seed 0 and
// the default secret, as sixteen lower-case hexadecimal digits, the most significant first.
//
// Algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, "XXH3 algorithm". Names follow it.
// Up to 240 bytes it is a handful of 64-bit multiplications, done with BigInt. Longer values go through eight 64-bit
// accumulators, kept as pairs of 32-bit integers: about one byte a nanosecond and no allocation, where BigInt would
// take minutes for the longest values. Bytes are first copied to a small aligned block: values lie anywhere.

const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f' +
    'cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c' +
    '3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364' +
    'eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e' +
    '2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);

const PRIME32_1 = 0x9e3779b1;
const PRIME32_2 = 0x85ebca77;
const PRIME32_3 = 0xc2b2ae3d;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;
const MASK = 0xffffffffffffffffn;

const SMALL_MAX = 16;
const HALF_MEDIUM_MAX = 128;
const MEDIUM_MAX = 240;
const STRIPE_BYTES = 64;
const STRIPES_PER_BLOCK = (SECRET.length - STRIPE_BYTES) / 8;
const BLOCK_BYTES = STRIPE_BYTES * STRIPES_PER_BLOCK;
const LAST_STRIPE_SECRET = SECRET.length - STRIPE_BYTES - 7;
const MERGE_SECRET = 11;

/** Hexadecimal digits of a digest. */
export const DIGEST_DIGITS = 16;

/**
 * The digest of a byte range.
 * @returns sixteen hexadecimal digits
 */
export function digestText(bytes: Buffer, off: number, len: number): string {
  return xxh3(bytes, off, len).toString(16).padStart(DIGEST_DIGITS, '0');
}

/** Whether an argument of this many bytes may be a digest. Redis looks at nothing else. */
export function isDigest(len: number): boolean {
  return len === DIGEST_DIGITS;
}

/** Compares a digest with sixteen bytes of an argument, in any case. */
export function digestEquals(digest: string, bytes: Buffer, off: number): boolean {
  for (let i = 0; i < DIGEST_DIGITS; i++) {
    const byte = bytes[off + i]!;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (lower !== digest.charCodeAt(i)) return false;
  }
  return true;
}

/** XXH3_64bits of a byte range. */
export function xxh3(bytes: Buffer, off: number, len: number): bigint {
  if (len <= SMALL_MAX) return small(bytes, off, len);
  if (len <= MEDIUM_MAX) return medium(bytes, off, len);
  return large(bytes, off, len);
}

function small(bytes: Buffer, off: number, len: number): bigint {
  if (len > 8) {
    const low = word(SECRET, 24) ^ word(SECRET, 32) ^ word(bytes, off);
    const high = word(SECRET, 40) ^ word(SECRET, 48) ^ word(bytes, off + len - 8);
    return avalanche((BigInt(len) + swapBytes(low) + high + foldedProduct(low, high)) & MASK);
  }
  if (len > 3) {
    const combined = BigInt(bytes.readUInt32LE(off + len - 4)) | (BigInt(bytes.readUInt32LE(off)) << 32n);
    let value = word(SECRET, 8) ^ word(SECRET, 16) ^ combined;
    value ^= rotateLeft(value, 49n) ^ rotateLeft(value, 24n);
    value = (value * PRIME_MX2) & MASK;
    value ^= (value >> 35n) + BigInt(len);
    value = (value * PRIME_MX2) & MASK;
    return value ^ (value >> 28n);
  }
  if (len === 0) return avalancheXxh64(word(SECRET, 56) ^ word(SECRET, 64));
  const first = bytes[off]!;
  const middle = bytes[off + (len >> 1)]!;
  const combined = (bytes[off + len - 1]! | (len << 8) | (first << 16) | (middle << 24)) >>> 0;
  return avalancheXxh64(BigInt((SECRET.readUInt32LE(0) ^ SECRET.readUInt32LE(4) ^ combined) >>> 0));
}

function medium(bytes: Buffer, off: number, len: number): bigint {
  let acc = (BigInt(len) * PRIME64_1) & MASK;
  if (len <= HALF_MEDIUM_MAX) {
    for (let i = (len - 1) >> 5; i >= 0; i--) {
      acc += mixStep(bytes, off + i * 16, i * 32);
      acc += mixStep(bytes, off + len - i * 16 - 16, i * 32 + 16);
    }
    return avalanche(acc & MASK);
  }
  for (let i = 0; i < 8; i++) acc += mixStep(bytes, off + i * 16, i * 16);
  acc = avalanche(acc & MASK);
  for (let i = 8; i < len >> 4; i++) acc += mixStep(bytes, off + i * 16, (i - 8) * 16 + 3);
  acc += mixStep(bytes, off + len - 16, 119);
  return avalanche(acc & MASK);
}

// ---- more than 240 bytes ----

/** Accumulators: low and high word of each in turn. */
const acc = new Int32Array(16);
const ACC_START = Int32Array.from(
  [
    BigInt(PRIME32_3),
    PRIME64_1,
    PRIME64_2,
    PRIME64_3,
    PRIME64_4,
    BigInt(PRIME32_2),
    PRIME64_5,
    BigInt(PRIME32_1),
  ].flatMap((prime) => [Number(prime & 0xffffffffn) | 0, Number(prime >> 32n) | 0]),
);

/** The secret as words from each multiple of eight on; and from where the last stripe begins, which is unaligned. */
const SECRET_WORDS = wordsOf(SECRET);
const LAST_SECRET_WORDS = wordsOf(SECRET.subarray(LAST_STRIPE_SECRET, LAST_STRIPE_SECRET + STRIPE_BYTES));

/** A block of the value at a time. Buffers of 1 KiB of their own: not from the pool, so aligned. */
const block = Buffer.alloc(BLOCK_BYTES);
const blockWords = wordsView(block);

function large(bytes: Buffer, off: number, len: number): bigint {
  acc.set(ACC_START);
  const blocks = Math.floor((len - 1) / BLOCK_BYTES);
  for (let i = 0; i < blocks; i++) {
    bytes.copy(block, 0, off + i * BLOCK_BYTES, off + (i + 1) * BLOCK_BYTES);
    for (let stripe = 0; stripe < STRIPES_PER_BLOCK; stripe++)
      accumulate(stripe * 16, SECRET_WORDS, stripe * 2);
    scramble();
  }
  const done = blocks * BLOCK_BYTES;
  bytes.copy(block, 0, off + done, off + len);
  const stripes = Math.floor((len - 1 - done) / STRIPE_BYTES);
  for (let stripe = 0; stripe < stripes; stripe++) accumulate(stripe * 16, SECRET_WORDS, stripe * 2);
  bytes.copy(block, 0, off + len - STRIPE_BYTES, off + len);
  accumulate(0, LAST_SECRET_WORDS, 0);
  return merge(len);
}

/**
 * Adds a stripe of 64 bytes to the accumulators.
 * @param data index of its first word in blockWords
 * @param at index of the first word of the secret
 */
function accumulate(data: number, secret: Int32Array, at: number): void {
  for (let i = 0; i < 16; i += 2) {
    const low = blockWords[data + i]!;
    const high = blockWords[data + i + 1]!;
    // The neighbour gets the data as it is.
    const other = i ^ 2;
    const otherLow = (acc[other]! + low) | 0;
    acc[other + 1] = acc[other + 1]! + high + (otherLow >>> 0 < low >>> 0 ? 1 : 0);
    acc[other] = otherLow;
    // This one gets the product of the two halves of data xor secret.
    const a = low ^ secret[at + i]!;
    const b = high ^ secret[at + i + 1]!;
    const productLow = Math.imul(a, b);
    const sumLow = (acc[i]! + productLow) | 0;
    const carry = sumLow >>> 0 < productLow >>> 0 ? 1 : 0;
    acc[i + 1] = acc[i + 1]! + productHigh(a, b) + carry;
    acc[i] = sumLow;
  }
}

function scramble(): void {
  const secret = SECRET_WORDS.length - 16;
  for (let i = 0; i < 16; i += 2) {
    const high = acc[i + 1]!;
    const low = acc[i]! ^ (high >>> 15) ^ SECRET_WORDS[secret + i]!;
    const mixedHigh = high ^ SECRET_WORDS[secret + i + 1]!;
    acc[i] = Math.imul(low, PRIME32_1);
    acc[i + 1] = productHigh(low, PRIME32_1) + Math.imul(mixedHigh, PRIME32_1);
  }
}

/** High word of the product of two unsigned words. */
function productHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const cross1 = Math.imul(aLow, bHigh);
  const cross2 = Math.imul(aHigh, bLow);
  const middle = (Math.imul(aLow, bLow) >>> 16) + (cross1 & 0xffff) + (cross2 & 0xffff);
  return (Math.imul(aHigh, bHigh) + (cross1 >>> 16) + (cross2 >>> 16) + (middle >>> 16)) | 0;
}

function merge(len: number): bigint {
  let result = (BigInt(len) * PRIME64_1) & MASK;
  for (let i = 0; i < 4; i++) {
    const a = accumulator(i * 2) ^ word(SECRET, MERGE_SECRET + i * 16);
    const b = accumulator(i * 2 + 1) ^ word(SECRET, MERGE_SECRET + i * 16 + 8);
    result += foldedProduct(a, b);
  }
  return avalanche(result & MASK);
}

function accumulator(i: number): bigint {
  return BigInt(acc[i * 2]! >>> 0) | (BigInt(acc[i * 2 + 1]! >>> 0) << 32n);
}

// ---- parts ----

function mixStep(bytes: Buffer, off: number, secret: number): bigint {
  return foldedProduct(
    word(bytes, off) ^ word(SECRET, secret),
    word(bytes, off + 8) ^ word(SECRET, secret + 8),
  );
}

/** The two halves of the 128-bit product, xored. */
function foldedProduct(a: bigint, b: bigint): bigint {
  const product = a * b;
  return (product & MASK) ^ (product >> 64n);
}

function avalanche(x: bigint): bigint {
  x ^= x >> 37n;
  x = (x * PRIME_MX1) & MASK;
  return x ^ (x >> 32n);
}

function avalancheXxh64(x: bigint): bigint {
  x ^= x >> 33n;
  x = (x * PRIME64_2) & MASK;
  x ^= x >> 29n;
  x = (x * PRIME64_3) & MASK;
  return x ^ (x >> 32n);
}

function rotateLeft(x: bigint, bits: bigint): bigint {
  return ((x << bits) | (x >> (64n - bits))) & MASK;
}

function swapBytes(x: bigint): bigint {
  let swapped = 0n;
  for (let i = 0; i < 8; i++) {
    swapped = (swapped << 8n) | (x & 0xffn);
    x >>= 8n;
  }
  return swapped;
}

function word(bytes: Buffer, off: number): bigint {
  return BigInt(bytes.readUInt32LE(off)) | (BigInt(bytes.readUInt32LE(off + 4)) << 32n);
}

/** 32-bit words of a Buffer, copied. */
function wordsOf(bytes: Buffer): Int32Array {
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readInt32LE(i * 4));
}

/** 32-bit words over the same bytes, which must be aligned. */
function wordsView(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
