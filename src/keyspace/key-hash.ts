// The two hashes of a key, computed in one pass over its bytes:
//
// - the hash slot of Redis Cluster: CRC16 (XMODEM, polynomial 0x1021) of the key, or of the part between the first
//   '{' and the next '}' if that is not empty, modulo 16384. https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
// - the index hash: HalfSipHash-1-3 (32-bit, https://github.com/veorq/SipHash) under a random key of the process, so
//   that nobody can prepare keys that collide. The lowest two bits are cleared: the index keeps flags there. Otherwise it
//   is the hash of structures/keyed-hash.ts, written out again so that both go over the bytes together.
//
// CRC16 goes four bytes a step with four tables, since its byte-wise form is one long chain of loads.

import { seed0, seed1 } from '../structures/keyed-hash.ts';

export { randomSeed, seedKeyedHash as seedKeyHash } from '../structures/keyed-hash.ts';

const T0 = new Uint16Array(256);
const T1 = new Uint16Array(256);
const T2 = new Uint16Array(256);
const T3 = new Uint16Array(256);
for (let i = 0; i < 256; i++) {
  let crc = i << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  T0[i] = crc & 0xffff;
}
for (let i = 0; i < 256; i++) {
  T1[i] = next(T0[i]!);
  T2[i] = next(T1[i]!);
  T3[i] = next(T2[i]!);
}

function next(crc: number): number {
  return ((crc << 8) & 0xffff) ^ T0[crc >> 8]!;
}

const OPEN = 0x7b;
const CLOSE = 0x7d;

/** CRC16 of a byte range. */
export function crc16(key: Buffer, off: number, len: number): number {
  let crc = 0;
  for (let i = off; i < off + len; i++) crc = ((crc << 8) & 0xffff) ^ T0[(crc >> 8) ^ key[i]!]!;
  return crc;
}

/** The hash slot of a key. */
export function keySlot(key: Buffer, off: number, len: number): number {
  const end = off + len;
  let open = off;
  while (open < end && key[open] !== OPEN) open++;
  if (open < end) {
    let close = open + 1;
    while (close < end && key[close] !== CLOSE) close++;
    if (close < end && close > open + 1) return crc16(key, open + 1, close - open - 1) & 16383;
  }
  return crc16(key, off, len) & 16383;
}

/**
 * Computes slot and index hash of a key.
 * @param slots receives the slot at index `i`
 * @param hashes receives the index hash at index `i`
 */
export function hashKey(
  key: Buffer,
  off: number,
  len: number,
  slots: Int32Array,
  hashes: Int32Array,
  i: number,
): void {
  let v0 = seed0;
  let v1 = seed1;
  let v2 = 0x6c796765 ^ seed0;
  let v3 = 0x74656462 ^ seed1;
  let crc = 0;
  let braces = 0;
  const end = off + len;
  const last = off + (len & ~3);
  let at = off;
  let m = 0;
  for (; at < last; at += 4) {
    const a = key[at]!;
    const b = key[at + 1]!;
    const c = key[at + 2]!;
    const d = key[at + 3]!;
    crc = T3[(crc >> 8) ^ a]! ^ T2[(crc & 0xff) ^ b]! ^ T1[c]! ^ T0[d]!;
    m = a | (b << 8) | (c << 16) | (d << 24);
    const x = m ^ 0x7b7b7b7b;
    braces |= (x - 0x01010101) & ~x & 0x80808080;
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
  for (let shift = 0; at < end; at++, shift += 8) {
    const a = key[at]!;
    crc = ((crc << 8) & 0xffff) ^ T0[(crc >> 8) ^ a]!;
    if (a === OPEN) braces = 1;
    m |= a << shift;
  }
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
  hashes[i] = (v1 ^ v3) & ~3;
  slots[i] = (braces === 0 ? crc : keySlot(key, off, len)) & 16383;
}
