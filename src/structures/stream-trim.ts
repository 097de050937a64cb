// Trimming a stream from its beginning: by length or by least ID, exactly or by whole blocks (XTRIM, XADD).
//
// What Redis 7 deletes, this deletes: blocks that can go as a whole go; of the next one, entries are marked unless the
// trim is approximate. What groups still refer to is kept, or dropped from them, as Redis 8.2 has it: then blocks
// are gone through entry by entry, and a block that keeps some does not end the work.

import type { Stream } from './stream.ts';
import { compareIds, ID_WORDS } from './stream-id.ts';

/** What becomes of references that groups have to a deleted entry. */
export const References = {
  /** They stay. */
  Keep: 0,
  /** They are dropped. */
  Drop: 1,
  /** An entry with references is not deleted. */
  Respect: 2,
} as const;

export const TrimBy = { Nothing: 0, Length: 1, Id: 2 } as const;

/** What to trim. One per thread, filled in anew. */
export class TrimSpec {
  /** A TrimBy. */
  by: number = TrimBy.Nothing;
  /** Entries to keep. */
  length = 0;
  /** Least ID to keep. */
  readonly id = new Int32Array(ID_WORDS);
  /** Only whole blocks. */
  approximate = false;
  /** Entries to delete at most, 0 for any number. */
  limit = 0;
  /** A References. */
  references: number = References.Keep;

  reset(): void {
    this.by = TrimBy.Nothing;
    this.length = 0;
    this.approximate = false;
    this.limit = 0;
    this.references = References.Keep;
  }
}

/**
 * Trims a stream.
 * @returns how many entries were deleted
 * @throws OutOfMemoryError; the stream is whole, and may be shorter
 */
export function trimStream(stream: Stream, spec: TrimSpec): number {
  const { blocks, block } = stream;
  const byLength = spec.by === TrimBy.Length;
  const eachEntry = spec.references !== References.Keep && stream.groups.count > 0;
  let deleted = 0;
  /** Blocks that were gone through and stay. */
  let kept = 0;
  while (blocks.seekRank(kept)) {
    if (byLength && stream.length <= spec.length) break;
    stream.openBlock();
    const entries = block.count;
    if (spec.limit > 0 && deleted + entries > spec.limit) break;
    const whole = byLength ? stream.length - entries >= spec.length : endsBefore(stream, spec.id);
    if (whole && !eachEntry) {
      stream.removeBlock();
      stream.addLength(-entries);
      deleted += entries;
      continue;
    }
    if (spec.approximate && !whole) break;
    const marked = markEntries(stream, spec, eachEntry);
    deleted += marked;
    if (whole && marked === entries) {
      stream.removeBlock();
      continue;
    }
    stream.writer.setCounts(block.bytes, block.base, entries - marked, block.deleted + marked);
    if (!whole && !(eachEntry && byLength)) break;
    kept++;
  }
  if (deleted > 0) stream.renewFirstId();
  return deleted;
}

/** Whether all entries of the open block, deleted ones too, are less than an ID. */
function endsBefore(stream: Stream, id: Int32Array): boolean {
  const { block } = stream;
  return block.last() && compareIds(block.id, 0, id, 0) < 0;
}

/** Marks entries of the open block as deleted, as far as they are to go. @returns how many */
function markEntries(stream: Stream, spec: TrimSpec, eachEntry: boolean): number {
  const { block, writer } = stream;
  // The counts are written last, when nothing may go wrong any more.
  block.at = 0;
  stream.needCountRoom(block.count, block.deleted + block.count);
  let marked = 0;
  for (let there = block.first(); there; there = block.next()) {
    const done =
      spec.by === TrimBy.Length ? stream.length <= spec.length : compareIds(block.id, 0, spec.id, 0) >= 0;
    if (done) break;
    if (block.isDeleted) continue;
    if (eachEntry) {
      if (spec.references === References.Drop) stream.dropReferences(block.id, 0);
      else if (stream.isReferenced(block.id, 0)) continue;
    }
    writer.markDeleted(block);
    stream.addLength(-1);
    marked++;
  }
  return marked;
}
