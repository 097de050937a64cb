// The entries of a segment of the index: where they are placed, and how a gap closes. slot-segments.ts draws the layout.

import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';

/** Flags of an entry, in the bits of its hash that are always 0. Bounds of expiries cover both. */
export const EntryFlag = {
  /** The record has an expiry. */
  Expires: 1,
  /** The record is a hash with fields that expire. */
  Fields: 2,
} as const;
/** All of them. */
export const FLAGS = 3;
/** The bits of an entry's first word that are the hash. */
export const HASH_MASK = ~FLAGS;

/** Puts an entry at the first free place from where its hash says. */
export function place(words: Int32Array, at: number, hash: number, ref: number): void {
  const capacity = words[at]! >>> 16;
  const entries = at + SEGMENT_HEADER_WORDS;
  let index = ((((hash & HASH_MASK) << (words[at + 1]! & 0xff)) >>> 16) * capacity) >>> 16;
  while (words[entries + index * 2 + 1] !== 0) if (++index === capacity) index = 0;
  words[entries + index * 2] = hash;
  words[entries + index * 2 + 1] = ref;
}

export function copyEntries(from: Int32Array, fromAt: number, to: Int32Array, toAt: number): void {
  const capacity = from[fromAt]! >>> 16;
  for (let i = 0; i < capacity; i++) {
    const entry = fromAt + SEGMENT_HEADER_WORDS + i * 2;
    if (from[entry + 1] !== 0) place(to, toAt, from[entry]!, from[entry + 1]!);
  }
}

/** Empties an entry and shifts those behind it that probed over it: no tombstones. */
export function closeGap(words: Int32Array, at: number, gap: number): void {
  const capacity = words[at]! >>> 16;
  const depth = words[at + 1]! & 0xff;
  const entries = at + SEGMENT_HEADER_WORDS;
  let index = gap;
  for (;;) {
    if (++index === capacity) index = 0;
    if (words[entries + index * 2 + 1] === 0) break;
    const home = ((((words[entries + index * 2]! & HASH_MASK) << depth) >>> 16) * capacity) >>> 16;
    // The entry may move to the gap unless its home lies between the gap and itself (cyclically).
    const stays = gap < index ? home > gap && home <= index : home > gap || home <= index;
    if (stays) continue;
    words[entries + gap * 2] = words[entries + index * 2]!;
    words[entries + gap * 2 + 1] = words[entries + index * 2 + 1]!;
    gap = index;
  }
  words[entries + gap * 2] = 0;
  words[entries + gap * 2 + 1] = 0;
}
