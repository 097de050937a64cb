// The 64-bit hash that stands for a channel in the directory: HalfSipHash-1-3 with 64 bits of output
// (https://github.com/veorq/SipHash) under the process's random key, so that nobody can prepare channels that collide. Two
// channels of one hash would only make counts wrong; by accident that takes billions of channels.
//
// A kind of channel is mixed into the key, which gives each kind hashes of its own.

import { seed0, seed1 } from '../structures/keyed-hash.ts';

/** The two halves of the last hash. */
export let hashLow = 0;
export let hashHigh = 0;

/** Computes the hash of `name` [off, off + len) into hashLow and hashHigh. @param kind a ChannelKind */
export function hashChannel(kind: number, name: Buffer, off: number, len: number): void {
  const key0 = seed0 ^ (kind * 0x01010101);
  let v0 = key0;
  let v1 = seed1 ^ 0xee;
  let v2 = 0x6c796765 ^ key0;
  let v3 = 0x74656462 ^ seed1;
  let low = 0;
  const words = len >>> 2;
  // The words of the name, the rest with the length, then three finishing rounds for either half.
  for (let i = 0; i < words + 7; i++) {
    let m = 0;
    if (i < words) {
      const at = off + i * 4;
      m = name[at]! | (name[at + 1]! << 8) | (name[at + 2]! << 16) | (name[at + 3]! << 24);
    } else if (i === words) {
      m = len << 24;
      for (let at = off + words * 4, shift = 0; at < off + len; at++, shift += 8) m |= name[at]! << shift;
    } else if (i === words + 1) v2 ^= 0xee;
    else if (i === words + 4) {
      low = v1 ^ v3;
      v1 ^= 0xdd;
    }
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
  hashLow = low;
  hashHigh = v1 ^ v3;
}
