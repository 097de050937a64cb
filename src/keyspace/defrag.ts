// Active defragmentation: moves records, their values' blocks and index segments out of sparse spans, so that these empty and their chunks
// go back to the pool, where any shard and any size can have them. One Defragmenter per shard worker, for its shards.
//
// A pass begins when chunks reserved exceed blocks in use by active-defrag-threshold-lower percent and by
// active-defrag-ignore-bytes, over all shards. It walks slot by slot, segment by segment, and moves what lies in a
// span that is no fuller than the average of its class's spans with room, where that frees a span at all. New blocks
// come from the span at the head of its class's list, which is never emptied meanwhile.
//
// Pace: steps of STEP_MS, holding a lock for one segment's records at a time, taking a share of a core between
// active-defrag-cycle-min and -max, by where the fragmentation is between the two thresholds, as Redis does.
//
// Left out: pages of chunks given back stay with the process, as JavaScript has no way to hand them to the system;
// they are the first to be used again. Slot tables (2 KiB a shard and database) and directories are not moved.

import type { ConfigStore } from '../config/store.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import {
  REF_MASK,
  REF_REGION_SHIFT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
} from '../memory/layout.ts';
import { CLASS_COUNT } from '../memory/size-classes.ts';
import { SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import type { Keyspace } from './keyspace.ts';
import { isPinned } from './pins.ts';
import { RecordView } from './record.ts';
import { HASH_MASK } from './segment-entries.ts';
import type { LockedShard, Shard } from './shard.ts';

const HASH_SPAN = 2 ** 32;
const STEP_MS = 1;
const LOOK_AGAIN_MS = 1000;
/** Most blocks of a value that are looked at under one lock, whatever active-defrag-max-scan-fields says. */
const VALUE_BLOCKS_MAX = 10_000;
/** After a pass that found nothing to move. */
const FRUITLESS_MS = 10_000;
const IDLE_MS = 1000;

/** What the thresholds are compared with. */
export interface Fragmentation {
  /** Bytes of chunks that hold no block in use. */
  readonly bytes: number;
  /** The same in percent of the bytes in use. */
  readonly percent: number;
}

/** Fragmentation of the whole data set. */
export function fragmentationOf(keyspace: Keyspace): Fragmentation {
  const used = keyspace.sum(ShardCounter.Used);
  const bytes = Math.max(0, keyspace.sum(ShardCounter.Reserved) - used);
  return { bytes, percent: used === 0 ? 0 : (bytes * 100) / used };
}

/** A value that owns blocks, and how far its compaction is. */
interface ValueToCompact {
  readonly db: number;
  readonly slot: number;
  readonly hash: number;
  readonly ref: number;
  cursor: number;
}

export class Defragmenter {
  readonly #keyspace: Keyspace;
  readonly #config: ConfigStore;
  readonly #shards: readonly Shard[];
  readonly #view: RecordView;
  #enabled = false;
  /** Share of a core that the pass under way takes; 0: none is. */
  #share = 0;
  #place = 0;
  #db = 0;
  #local = 0;
  #cursor = 0;
  /** By class: blocks in use up to which a span of the shard at #place is emptied. */
  readonly #limits = new Int32Array(CLASS_COUNT);
  #limitsOf = -1;
  /** Blocks moved in this pass. */
  #moved = 0;
  #valueBlocks = VALUE_BLOCKS_MAX;
  /** Values with blocks of their own, met in the last segment: they come before the next one. */
  readonly #values: ValueToCompact[] = [];

  /** @param shards the shards this thread looks after */
  constructor(keyspace: Keyspace, config: ConfigStore, shards: readonly Shard[]) {
    this.#keyspace = keyspace;
    this.#config = config;
    this.#shards = shards;
    this.#view = new RecordView(keyspace.memory);
    const follow = (): void => {
      this.#enabled = config.getBool('activedefrag');
      if (!this.#enabled) this.#share = 0;
    };
    follow();
    config.watch('activedefrag', follow);
  }

  /** Share of a core in percent that is being spent on it, 0 if nothing is. */
  get runningPercent(): number {
    return Math.round(this.#share * 100);
  }

  /**
   * Does a step of about STEP_MS if there is work.
   * @param now performance.now()
   * @returns ms until the next step
   */
  step(now: number): number {
    if (!this.#enabled) return IDLE_MS;
    if (this.#share === 0 && !this.#begin()) return LOOK_AGAIN_MS;
    const deadline = now + STEP_MS;
    let end = now;
    let more = true;
    while (more && end < deadline) {
      more = this.#advance();
      end = performance.now();
    }
    if (!more) {
      this.#share = 0;
      return this.#moved > 0 ? LOOK_AGAIN_MS : FRUITLESS_MS;
    }
    return (end - now) * (1 / this.#share - 1);
  }

  #begin(): boolean {
    const { bytes, percent } = fragmentationOf(this.#keyspace);
    const config = this.#config;
    const lower = config.getInt('active-defrag-threshold-lower');
    const upper = config.getInt('active-defrag-threshold-upper');
    if (bytes < config.getMemory('active-defrag-ignore-bytes') || percent < lower) return false;
    const min = config.getInt('active-defrag-cycle-min');
    const max = config.getInt('active-defrag-cycle-max');
    const part = upper <= lower ? 1 : Math.min(1, (percent - lower) / (upper - lower));
    this.#share = Math.max(min, Math.min(max, min + (max - min) * part)) / 100;
    this.#valueBlocks = Math.min(VALUE_BLOCKS_MAX, config.getInt('active-defrag-max-scan-fields'));
    this.#place = 0;
    this.#db = 0;
    this.#local = 0;
    this.#cursor = 0;
    this.#limitsOf = -1;
    this.#moved = 0;
    this.#values.length = 0;
    return true;
  }

  /** Goes on by one segment, or over empty slots. @returns whether the pass goes on */
  #advance(): boolean {
    const shard = this.#shards[this.#place];
    if (shard === undefined) return false;
    if (shard.keys(this.#db) === 0 && this.#values.length === 0) {
      this.#nextDatabase();
      return true;
    }
    const locked = shard.acquire();
    try {
      if (this.#limitsOf !== this.#place) locked.arena.sparseLimits(this.#limits);
      this.#limitsOf = this.#place;
      if (this.#values.length > 0) {
        this.#compactValue(locked, this.#values.at(-1)!);
        return true;
      }
      while (this.#local < SLOTS_PER_SHARD && shard.index.slotKeys(this.#db, this.#local) === 0) {
        this.#local++;
        this.#cursor = 0;
      }
      if (this.#local < SLOTS_PER_SHARD) this.#compactSegment(locked);
    } catch (error) {
      // Nowhere to move to: compaction is given up for now, nothing is lost.
      if (!(error instanceof OutOfMemoryError)) throw error;
      return false;
    } finally {
      locked.release();
    }
    if (this.#cursor >= HASH_SPAN) {
      this.#local++;
      this.#cursor = 0;
    }
    if (this.#local >= SLOTS_PER_SHARD) this.#nextDatabase();
    return true;
  }

  #nextDatabase(): void {
    this.#local = 0;
    this.#cursor = 0;
    if (++this.#db < this.#keyspace.memory.databaseCount) return;
    this.#db = 0;
    this.#place++;
  }

  /** Goes on with the value that was met last, if it is still there. */
  #compactValue(shard: LockedShard, value: ValueToCompact): void {
    const { db, slot, hash, ref } = value;
    const there = shard.index.holds(db, slot & (SLOTS_PER_SHARD - 1), hash, ref);
    if (!there || isPinned(shard.memory, shard.id, hash)) {
      this.#values.pop();
      return;
    }
    const view = this.#view;
    shard.meet(view, db, slot, hash, ref);
    const structure = this.#keyspace.structures.rootedOf(view.type, view.encoding);
    if (structure === null) {
      this.#values.pop();
      return;
    }
    structure.open(shard.arena, view.words, view.rootWord);
    value.cursor = structure.moveSparse(this.#limits, value.cursor, this.#valueBlocks);
    this.#moved += structure.moved;
    shard.count(ShardCounter.DefragHits, structure.moved);
    if (value.cursor === 0) this.#values.pop();
  }

  /** Moves the segment at the cursor and its records where that helps. */
  #compactSegment(shard: LockedShard): void {
    const { index, arena } = shard;
    let segment = index.segmentAt(this.#db, this.#local, this.#cursor | 0);
    let moved = 0;
    let left = 0;
    if (arena.isSparse(segment, this.#limits)) {
      index.moveSegment(this.#db, this.#local, this.#cursor | 0);
      segment = index.segmentAt(this.#db, this.#local, this.#cursor | 0);
      moved++;
    } else left++;
    const words = shard.memory.words[segment >>> REF_REGION_SHIFT]!;
    const at = (segment & REF_MASK) << 2;
    const width = 2 ** (32 - (words[at + 1]! & 0xff));
    const end = at + SEGMENT_HEADER_WORDS + (words[at]! >>> 16) * 2;
    const slot = (shard.id << SLOT_TO_SHARD_SHIFT) | this.#local;
    this.#cursor = Math.floor(this.#cursor / width) * width + width;
    // Moving a record replaces the ref in its entry and leaves the segment as it is.
    for (let entry = at + SEGMENT_HEADER_WORDS; entry < end; entry += 2) {
      const ref = words[entry + 1]!;
      const hash = words[entry]! & HASH_MASK;
      if (ref === 0 || isPinned(shard.memory, shard.id, hash)) continue;
      shard.meet(this.#view, this.#db, slot, hash, ref);
      if (arena.isSparse(ref, this.#limits)) {
        shard.relocate(this.#view);
        moved++;
      } else left++;
      if (this.#keyspace.structures.rootedOf(this.#view.type, this.#view.encoding) !== null)
        this.#values.push({ db: this.#db, slot, hash, ref: this.#view.ref, cursor: 0 });
    }
    this.#moved += moved;
    shard.count(ShardCounter.DefragHits, moved);
    shard.count(ShardCounter.DefragMisses, left);
  }
}
