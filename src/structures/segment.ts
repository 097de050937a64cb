// What the segments of hash tables (table-segments.ts) and those of the keyspace's index (keyspace/slot-segments.ts) have in
// common: the header, how large they are and when they are full. Their layouts are drawn there.

import { blockBytes } from '../memory/size-classes.ts';

/** Words in front of the entries of a segment. */
export const SEGMENT_HEADER_WORDS = 4;
/** Entries that a segment's block of 4 KiB holds. */
export const SEGMENT_MAX = 510;
/** Segments up to this capacity are not made smaller. */
export const SHRINK_ABOVE = 16;
/** A bound of expiries where none are. */
export const NO_EXPIRY = 0x7fffffff;

/** By capacity: that of the segment which follows a full one. */
export const GROWN = new Uint16Array(SEGMENT_MAX + 1);
for (let cap = 0; cap <= SEGMENT_MAX; cap++) GROWN[cap] = roomAbove(cap);

/** Capacity whose block is filled, at least `entries`. */
export function roomFor(entries: number): number {
  return (blockBytes((SEGMENT_HEADER_WORDS + entries * 2) * 4) / 4 - SEGMENT_HEADER_WORDS) >> 1;
}

/** Capacity that fills its block and has a quarter more than `entries`, but for SEGMENT_MAX, which is the most. */
export function roomAbove(entries: number): number {
  return Math.min(SEGMENT_MAX, roomFor(entries + (entries >> 2) + 2));
}

/** Entries at which a segment of this capacity is full: an eighth, at least one entry, stays empty. */
export function limitOf(capacity: number): number {
  return capacity - Math.max(1, capacity >> 3);
}

/** Bytes of a segment. */
export function segmentBytes(capacity: number): number {
  return (SEGMENT_HEADER_WORDS + capacity * 2) * 4;
}

/** Makes a segment at word `at` that has no entries. @param depth how many top bits all its hashes will share */
export function writeEmptySegment(words: Int32Array, at: number, capacity: number, depth: number): void {
  words.fill(0, at, at + SEGMENT_HEADER_WORDS + capacity * 2);
  words[at] = capacity << 16;
  words[at + 1] = depth;
  words[at + 2] = NO_EXPIRY;
}
