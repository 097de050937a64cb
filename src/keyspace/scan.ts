// Walking over the keys of a database: what SCAN, KEYS, RANDOMKEY, DEBUG DIGEST and snapshots are made of.
//
// The order is: slot by slot, and within a slot by index hash.
//
//   position   slot (14 bits) | hash (32 bits): the first key not yet visited has at least this slot and hash
//
// A key's slot and hash never change, so a walk over positions meets every key that is there throughout exactly once,
// whatever is added, removed, split, merged or collapsed between two steps. Keys of equal hash are never parted: a
// step always ends between two hashes.
//
// A step locks one shard and gathers references; they are good until the lock is freed. Removing a record that was
// met does not move the others, so a walk may delete what it visits.

import {
  REF_MASK,
  REF_REGION_SHIFT,
  SLOT_COUNT,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
} from '../memory/layout.ts';
import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import type { RecordView } from './record.ts';
import { HASH_MASK } from './segment-entries.ts';
import type { LockedShard } from './shard.ts';

const HASH_SPAN = 2 ** 32;
const LOCAL_MASK = SLOTS_PER_SHARD - 1;
/** Tries at hitting an occupied place of a segment, which is full to two thirds or more as a rule. */
const RANDOM_TRIES = 64;

/** Where a walk is, and what its last step met. One per walk; reused for all its steps. */
export class KeyWalk {
  /** Next slot to visit; the end when it reaches `endSlot`. */
  slot: number;
  /** Next hash to visit in it, unsigned. */
  hash = 0;
  /** The slot behind the last one. */
  readonly endSlot: number;
  /** What the last step met: `count` entries. */
  readonly refs: number[] = [];
  readonly hashes: number[] = [];
  readonly slots: number[] = [];

  /** @param slot first slot @param endSlot the slot behind the last one */
  constructor(slot = 0, endSlot: number = SLOT_COUNT) {
    this.slot = slot;
    this.endSlot = endSlot;
  }

  get done(): boolean {
    return this.slot >= this.endSlot;
  }

  /** The shard that the next step needs. */
  get shard(): number {
    return this.slot >>> SLOT_TO_SHARD_SHIFT;
  }

  get count(): number {
    return this.refs.length;
  }

  /**
   * Gathers the next keys of the shard that `slot` is in, until there are at least `limit` or the shard ends. With many
   * keys of one hash or small segments there may be some more: up to twice `limit` and what is left of a segment.
   * Then the walk stands behind what it gathered.
   * @param shard the shard with the id `this.shard`
   */
  gather(shard: LockedShard, db: number, limit: number): void {
    this.clear();
    const index = shard.index;
    const end = Math.min((shard.id + 1) << SLOT_TO_SHARD_SHIFT, this.endSlot);
    if (shard.keys(db) === 0) this.#skipTo(end);
    while (this.slot < end && this.refs.length < limit) {
      const local = this.slot & LOCAL_MASK;
      if (index.slotKeys(db, local) === 0) {
        this.#skipTo(this.slot + 1);
        continue;
      }
      const next = index.scanSlot(db, local, this.hash, limit, this.refs, this.hashes);
      while (this.slots.length < this.refs.length) this.slots.push(this.slot);
      if (next >= HASH_SPAN) this.#skipTo(this.slot + 1);
      else this.hash = next;
    }
  }

  /** Points `view` at the i-th key that the last step met. The lock must still be held. */
  meet(shard: LockedShard, db: number, i: number, view: RecordView): void {
    shard.meet(view, db, this.slots[i]!, this.hashes[i]!, this.refs[i]!);
  }

  /** Goes back to a position where the walk was. */
  goTo(slot: number, hash: number): void {
    this.slot = slot;
    this.hash = hash;
  }

  clear(): void {
    this.refs.length = 0;
    this.hashes.length = 0;
    this.slots.length = 0;
  }

  #skipTo(slot: number): void {
    this.slot = slot;
    this.hash = 0;
  }
}

/**
 * Points `view` at a random key of a database in a shard. Slots count by their keys; within a slot the choice is by
 * hash range and then by place, which is even as far as hashes are.
 * @param random gives numbers in [0, 1)
 * @returns false if the shard has no key in the database
 */
export function randomKey(
  shard: LockedShard,
  db: number,
  view: RecordView,
  random: () => number = Math.random,
): boolean {
  const index = shard.index;
  let rest = Math.floor(random() * shard.keys(db));
  for (let local = 0; local < SLOTS_PER_SHARD; local++) {
    const keys = index.slotKeys(db, local);
    if (rest >= keys) {
      rest -= keys;
      continue;
    }
    const slot = (shard.id << SLOT_TO_SHARD_SHIFT) + local;
    for (let tries = 0; tries < RANDOM_TRIES; tries++) {
      // A hash first: which of the slot's segments. Then one of its places.
      const segment = index.segmentAt(db, local, Math.floor(random() * HASH_SPAN) | 0);
      const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
      const at = (segment & REF_MASK) << 2;
      const entry = at + SEGMENT_HEADER_WORDS + Math.floor(random() * (words[at]! >>> 16)) * 2;
      if (words[entry + 1] === 0) continue;
      shard.meet(view, db, slot, words[entry]! & HASH_MASK, words[entry + 1]!);
      return true;
    }
    return firstKey(shard, db, slot, view);
  }
  return false;
}

/** For slots whose segments are nearly empty. */
function firstKey(shard: LockedShard, db: number, slot: number, view: RecordView): boolean {
  const walk = new KeyWalk(slot, slot + 1);
  walk.gather(shard, db, 1);
  if (walk.count === 0) return false;
  walk.meet(shard, db, 0, view);
  return true;
}
