// The keyed hash of bytes: HalfSipHash-1-3 (32 bits, https://github.com/veorq/SipHash) under a random key of the
// process, so that nobody can prepare keys or members that collide. Bit 0 is cleared: tables keep a flag there.
//
// keyspace/key-hash.ts computes the same hash of a key together with its slot in one pass: in two it takes 40% more time.

/** The key of the hash in this thread: see seedKeyedHash(). */
export let seed0 = 0;
export let seed1 = 0;

/** Two random words for a new server's hash; only its supervisor asks, so only there node:crypto is loaded. */
export function randomSeed(): readonly [number, number] {
  const bytes = process.getBuiltinModule('node:crypto').randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}

/** Sets the key of the hash for this thread. All threads of a server use the same one. */
export function seedKeyedHash(seed: readonly [number, number]): void {
  seed0 = seed[0];
  seed1 = seed[1];
}

/** See lookUpHashes(). */
let known: KnownHashes | null = null;

/** Hashes of byte ranges of one buffer that keyedHash() will be asked for in this order, some of them maybe never. */
export class KnownHashes {
  /** What the ranges are in; null: nothing is known. It must not change while it is set. */
  input: Buffer | null = null;
  count = 0;
  next = 0;
  readonly offsets: Int32Array;
  readonly lengths: Int32Array;
  readonly hashes: Int32Array;

  constructor(max: number) {
    this.offsets = new Int32Array(max);
    this.lengths = new Int32Array(max);
    this.hashes = new Int32Array(max);
  }

  /** Forgets all of them. */
  clear(): void {
    this.input = null;
    this.count = 0;
    this.next = 0;
  }

  /** Computes one more. */
  add(input: Buffer, off: number, len: number): void {
    const i = this.count++;
    this.offsets[i] = off;
    this.lengths[i] = len;
    this.hashes[i] = hashUnder(seed0, seed1, input, off, len) & ~1;
  }
}

/** Has keyedHash() of this thread look here first. */
export function lookUpHashes(hashes: KnownHashes): void {
  known = hashes;
}

/** @returns the hash of a byte range: a signed 32-bit number, bit 0 clear */
export function keyedHash(key: Buffer, off: number, len: number): number {
  if (known !== null && key === known.input) {
    while (known.next < known.count && known.offsets[known.next]! < off) known.next++;
    const i = known.next;
    if (i < known.count && known.offsets[i] === off && known.lengths[i] === len) return known.hashes[i]!;
  }
  return hashUnder(seed0, seed1, key, off, len) & ~1;
}

/**
 * HalfSipHash-1-3.
 * @param key0 the key of the hash: 64 bits @param key1 the other half
 * @returns a signed 32-bit number, all bits of the hash
 */
export function hashUnder(key0: number, key1: number, key: Buffer, off: number, len: number): number {
  let v0 = key0;
  let v1 = key1;
  let v2 = 0x6c796765 ^ v0;
  let v3 = 0x74656462 ^ v1;
  const end = off + len;
  const last = off + (len & ~3);
  let at = off;
  let m = 0;
  for (; at < last; at += 4) {
    m = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    v3 ^= m;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= m;
  }
  m = len << 24;
  for (let shift = 0; at < end; at++, shift += 8) m |= key[at]! << shift;
  // The last word, then three finishing rounds after 0xff: the same round four times.
  v3 ^= m;
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 0) {
      v0 ^= m;
      v2 ^= 0xff;
    }
  }
  return v1 ^ v3;
}
