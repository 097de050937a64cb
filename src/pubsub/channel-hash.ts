// The 64-bit hash that stands for a name in the directory: two of structures/keyed-hash.ts under different keys, which come from
// the process's random one, so that nobody can prepare names that collide. Two names of one hash would only make counts
// wrong; by accident that takes billions of names.
//
// A kind of channel is mixed into the keys, which gives each kind hashes of its own.

import { hashUnder, seed0, seed1 } from '../structures/keyed-hash.ts';

/** The two halves of the last hash. */
export let hashLow = 0;
export let hashHigh = 0;

/** Computes the hash of `name` [off, off + len) into hashLow and hashHigh. @param kind a ChannelKind */
export function hashChannel(kind: number, name: Buffer, off: number, len: number): void {
  const key0 = seed0 ^ (kind * 0x01010101);
  hashLow = hashUnder(key0, seed1 ^ 0xee, name, off, len);
  hashHigh = hashUnder(seed1 ^ 0x5bd1e995, ~key0, name, off, len);
}
