// The steps of look-ups in a large hash table that miss the caches, each for many elements before the next step, so that
// the loads of a step overlap: execution/look-ahead.ts does so where many commands on one hash, set or sorted set come
// together. As with keys (SlotIndex.peekSegment), no lock is taken: what is seen may be stale or torn between words, so
// refs are checked before they are followed, and nothing is decided by it.

import type { Arena } from '../memory/arena.ts';
import { REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { SEGMENT_HEADER_WORDS } from './segment.ts';
import { DEPTH_MASK, homeOf, TableRoot } from './table-segments.ts';

/** Elements below which looking ahead costs as much as it gains: the caches hold most of the table. */
const ELEMENTS_MIN = 1 << 15;
/** How far an element's entry is sought: nearly all are within this many places of their own. */
const PEEK_ENTRIES = 16;

export class TableLookAhead {
  readonly #regions: readonly Int32Array[];
  readonly #arena: Arena;
  readonly #segments: Int32Array;
  /** Word indices of entries, then refs of elements. */
  readonly #entries: Int32Array;
  /** Where the reads go, so that they are not optimised away. */
  sink = 0;

  /**
   * @param arena any one: all know the sizes of all blocks
   * @param max elements that are looked at together, at most
   */
  constructor(arena: Arena, max: number) {
    this.#regions = arena.memory.words;
    this.#arena = arena;
    this.#segments = new Int32Array(max);
    this.#entries = new Int32Array(max);
  }

  /** Whether the table is so large that looking ahead gains anything. @param root where its root begins */
  gains(words: Int32Array, root: number): boolean {
    return (
      words[root + TableRoot.Count]! >= ELEMENTS_MIN && (words[root + TableRoot.Shape]! & DEPTH_MASK) !== 0
    );
  }

  /** Touches what look-ups will load. @param hashes keyedHash() of the keys */
  touch(words: Int32Array, root: number, hashes: Int32Array, count: number): void {
    const regions = this.#regions;
    const segments = this.#segments;
    const entries = this.#entries;
    const table = words[root]!;
    const shift = 32 - (words[root + TableRoot.Shape]! & DEPTH_MASK);
    if (table >>> REF_REGION_SHIFT >= regions.length) return;
    const directory = regions[table >>> REF_REGION_SHIFT]!;
    const base = (table & REF_MASK) << 2;
    let sink = 0;
    for (let i = 0; i < count; i++) {
      const segment = directory[base + (hashes[i]! >>> shift)]!;
      segments[i] = segment >>> REF_REGION_SHIFT < regions.length ? segment : 0;
      const capacity = (this.#arena.smallCapacity(segments[i]!) - SEGMENT_HEADER_WORDS * 4) >> 3;
      entries[i] = ((segment & REF_MASK) << 2) + SEGMENT_HEADER_WORDS + homeOf(hashes[i]!, capacity) * 2;
    }
    for (let i = 0; i < count; i++) sink ^= regions[segments[i]! >>> REF_REGION_SHIFT]![entries[i]!]!;
    for (let i = 0; i < count; i++) entries[i] = this.#peekEntry(segments[i]!, entries[i]!, hashes[i]!);
    for (let i = 0; i < count; i++) {
      const ref = entries[i]!;
      if (ref !== 0) sink ^= regions[ref >>> REF_REGION_SHIFT]![(ref & REF_MASK) << 2]!;
    }
    this.sink = sink;
  }

  /** @returns the ref of the first element with this hash near its place, 0 if there is none */
  #peekEntry(segment: number, entry: number, hash: number): number {
    const words = this.#regions[segment >>> REF_REGION_SHIFT]!;
    const sought = hash | 1;
    for (let at = entry; at < entry + PEEK_ENTRIES * 2; at += 2) {
      const ref = words[at + 1]!;
      if (ref === 0) return 0;
      if ((words[at]! | 1) === sought) return ref >>> REF_REGION_SHIFT < this.#regions.length ? ref : 0;
    }
    return 0;
  }
}
