// Lists: one view for the two ways in which the elements of a list are kept, and Redis 7.2's rules for changing from one
// to the other.
//
//   listpack    as long as it is within list-max-listpack-size      bytes in the record (structures/listpack.ts)
//   quicklist   everything else                                     a root with blocks (structures/quicklist.ts)
//
//   before elements are added    listpack -> quicklist if bytes or elements would be too many (convertToGrow)
//   after elements have gone     quicklist -> listpack if one node is left with at most half of the limit (convertShrunk)
//   a list built anew            whichever fits (convertNew)
//
// A view has a record of its own: look the key up into `rec`, then open(). It stays good while the shard is locked, or the
// key pinned; changes through it keep it good, changes through others do not.
// Changes need memory first and touch the list only then: after an OutOfMemoryError it is as it was (but it may have
// another encoding). Bytes given to a method must not lie in the list itself.
// The last element must not be taken away: who would do that deletes the key.

import type { ConfigStore } from '../config/store.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { copyBytes } from '../structures/bytes.ts';
import {
  EntryEncoder,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_HEADER_BYTES,
  Listpack,
  writeEmptyListpack,
} from '../structures/listpack.ts';
import { Quicklist } from '../structures/quicklist.ts';
import {
  exceedsNode,
  LIST_ROOT_WORDS,
  ListNode,
  nodeBytesMax,
  nodeCountMax,
} from '../structures/quicklist-nodes.ts';
import { insertEntry, openListpack, removeEntries, replaceEntry, shrinkValue } from './packed.ts';
import { Encoding, RecordView, rootBytes } from './record.ts';
import type { LockedShard } from './shard.ts';

/** When lists change their encoding, and how they are compressed: the configuration's numbers. One per thread. */
export class ListLimits {
  /** list-max-listpack-size */
  fill = -2;
  /** list-compress-depth */
  depth = 0;

  /** Takes the configured numbers, now and whenever they change. */
  follow(config: ConfigStore): void {
    const follow = (): void => {
      this.fill = config.getInt('list-max-listpack-size');
      this.depth = config.getInt('list-compress-depth');
    };
    follow();
    config.watch('list-max-listpack-size', follow);
    config.watch('list-compress-depth', follow);
  }
}

/** Bytes of a list without elements. */
export function emptyListBytes(encoding: number): number {
  return encoding === Encoding.Quicklist ? rootBytes(LIST_ROOT_WORDS) : LISTPACK_EMPTY_BYTES;
}

export class ListView {
  readonly rec: RecordView;
  shard!: LockedShard;
  /** The elements are a listpack in the record. */
  packed = true;
  /** The current element: buf[off, off + len), after text(). */
  buf: Buffer;
  off = 0;
  len = 0;
  readonly quicklist: Quicklist;
  readonly #limits: ListLimits;
  readonly #lp: Listpack;
  readonly #entry: EntryEncoder;
  readonly #root = new Int32Array(LIST_ROOT_WORDS);

  constructor(memory: SharedMemory, limits: ListLimits) {
    const some = memory.bytes[0]!;
    this.rec = new RecordView(memory);
    this.buf = some;
    this.quicklist = new Quicklist(memory);
    this.#limits = limits;
    this.#lp = new Listpack(some);
    this.#entry = new EntryEncoder(some);
  }

  /** Begins to show the list that `rec` points at. @param shard the record's */
  open(shard: LockedShard): void {
    const { rec } = this;
    this.shard = shard;
    this.packed = rec.encoding === Encoding.Listpack;
    if (this.packed) openListpack(this.#lp, rec);
    else this.quicklist.open(shard.arena, rec.words, rec.rootWord);
  }

  /** As open(), for a record that was just made: writes a list without elements. */
  openNew(shard: LockedShard): void {
    const { rec } = this;
    if (rec.encoding === Encoding.Listpack) writeEmptyListpack(rec.bytes, rec.valueOffset);
    else {
      this.quicklist.open(shard.arena, rec.words, rec.rootWord);
      this.quicklist.create(this.#limits.fill, this.#limits.depth);
    }
    this.open(shard);
  }

  /** Elements. */
  get size(): number {
    return this.packed ? this.#lp.count() : this.quicklist.size;
  }

  /** Bytes of all elements, their headers included: to estimate work. */
  get bytes(): number {
    return this.packed ? this.#lp.size : this.quicklist.dataBytes;
  }

  /** Nodes to pass on the way to an element, at most. */
  get nodes(): number {
    return this.packed ? 1 : this.quicklist.nodeCount;
  }

  // ---- encodings ----

  /** To be called before elements are added. @param bytes theirs @param count how many @throws OutOfMemoryError */
  convertToGrow(bytes: number, count: number): void {
    if (!this.packed) return;
    const lp = this.#lp;
    if (exceedsNode(this.#limits.fill, lp.size + bytes, lp.count() + count)) this.#toQuicklist();
  }

  /** To be called after elements were taken away or replaced. */
  convertShrunk(): void {
    if (!this.packed) this.#toListpack(2);
  }

  /** To be called when a list was built anew. */
  convertNew(): void {
    if (this.packed) this.convertToGrow(0, 0);
    else this.#toListpack(1);
  }

  #toQuicklist(): void {
    const { shard, rec, quicklist } = this;
    const lp = this.#lp;
    const root = this.#root;
    quicklist.open(shard.arena, root, 0);
    quicklist.create(this.#limits.fill, this.#limits.depth);
    const count = lp.count();
    if (count > 0) quicklist.appendListpack(lp.bytes, lp.base, lp.size, count);
    try {
      shard.overwriteValue(rec, Encoding.Quicklist, rootBytes(LIST_ROOT_WORDS));
    } catch (error) {
      quicklist.freeSome(Number.POSITIVE_INFINITY);
      throw error;
    }
    for (let i = 0; i < LIST_ROOT_WORDS; i++) rec.words[rec.rootWord + i] = root[i]!;
    this.packed = false;
    quicklist.open(shard.arena, rec.words, rec.rootWord);
  }

  /** Makes a quicklist of one small node a listpack. @param share of the limit that it may have: 1 / share */
  #toListpack(share: number): void {
    const { shard, rec, quicklist } = this;
    if (quicklist.nodeCount !== 1) return;
    const node = quicklist.head;
    if (quicklist.isPlain(node)) return;
    const { fill } = this.#limits;
    const size = quicklist.node(node, ListNode.Size);
    if (
      fill < 0 ? size > nodeBytesMax(fill) / share : quicklist.size > Math.floor(nodeCountMax(fill) / share)
    )
      return;
    quicklist.first();
    const from = quicklist.lp;
    try {
      shard.overwriteValue(rec, Encoding.Listpack, size);
    } catch (error) {
      // It is as good as a quicklist.
      if (error instanceof OutOfMemoryError) return;
      throw error;
    }
    copyBytes(from.bytes, from.base, rec.bytes, rec.valueOffset, size);
    quicklist.freeNode(node);
    this.packed = true;
    openListpack(this.#lp, rec);
  }

  // ---- the ends ----

  /** Adds an element in front of all others, or behind them. @throws OutOfMemoryError; nothing was changed */
  push(atHead: boolean, bytes: Buffer, off: number, len: number): void {
    if (!this.packed) {
      if (atHead) this.quicklist.pushHead(bytes, off, len);
      else this.quicklist.pushTail(bytes, off, len);
      return;
    }
    const lp = this.#lp;
    this.#entry.set(bytes, off, len);
    insertEntry(this.shard, this.rec, lp, atHead ? LISTPACK_HEADER_BYTES : lp.end, this.#entry);
  }

  /** Takes the first or the last element away. The cursor is nowhere then. */
  drop(atHead: boolean): void {
    if (!this.packed) {
      if (atHead) this.quicklist.dropHead();
      else this.quicklist.dropTail();
      return;
    }
    const lp = this.#lp;
    if (atHead) lp.pos = LISTPACK_HEADER_BYTES;
    else lp.last();
    removeEntries(this.shard, this.rec, lp, lp.pos, 1);
  }

  /** To be called before an element is added, if one is to be dropped afterwards. @throws OutOfMemoryError */
  makeDroppable(atHead: boolean): void {
    if (!this.packed) this.quicklist.makeDroppable(atHead);
  }

  // ---- walking: each returns whether there is an element ----

  first(): boolean {
    return this.packed ? this.#lp.first() : this.quicklist.first();
  }

  last(): boolean {
    return this.packed ? this.#lp.last() : this.quicklist.last();
  }

  next(): boolean {
    return this.packed ? this.#lp.next() : this.quicklist.next();
  }

  prev(): boolean {
    return this.packed ? this.#lp.prev() : this.quicklist.prev();
  }

  /** Goes to element `index` (0 .. size - 1). */
  seek(index: number): boolean {
    if (!this.packed) return this.quicklist.seek(index);
    return index >= 0 && this.#lp.seek(index);
  }

  /** The listpack that the current element is an entry of, a cursor on it; null if it is in none. */
  get listpack(): Listpack | null {
    if (this.packed) return this.#lp;
    return this.quicklist.plain ? null : this.quicklist.lp;
  }

  /** Goes to the first element behind those of the current one's listpack. */
  nextListpack(): boolean {
    return !this.packed && this.quicklist.nextNode();
  }

  /** Makes buf[off, off + len) the current element's bytes; good until the cursor moves or the list changes. */
  text(): void {
    if (this.packed) {
      const lp = this.#lp;
      lp.text();
      this.buf = lp.buf;
      this.off = lp.off;
      this.len = lp.len;
      return;
    }
    const { quicklist } = this;
    quicklist.text();
    this.buf = quicklist.buf;
    this.off = quicklist.off;
    this.len = quicklist.len;
  }

  /** Whether the current element is kept as an integer. */
  isInteger(): boolean {
    if (this.packed) return this.#lp.isInteger;
    return !this.quicklist.plain && this.quicklist.lp.isInteger;
  }

  /** Says what matches() looks for. The bytes must lie still. */
  want(bytes: Buffer, off: number, len: number): void {
    this.quicklist.want(bytes, off, len);
  }

  /** Whether the current element is the one wanted. */
  matches(): boolean {
    return this.packed ? this.quicklist.matchesEntry(this.#lp) : this.quicklist.matches();
  }

  // ---- at the cursor, which is nowhere afterwards ----

  /** Inserts an element in front of the current one or behind it. @throws OutOfMemoryError; nothing was changed */
  insert(bytes: Buffer, off: number, len: number, after: boolean): void {
    if (!this.packed) {
      this.quicklist.insert(bytes, off, len, after);
      return;
    }
    const lp = this.#lp;
    this.#entry.set(bytes, off, len);
    insertEntry(this.shard, this.rec, lp, after ? lp.forward(lp.pos, 1) : lp.pos, this.#entry);
  }

  /** Puts another element in the place of the current one. @throws OutOfMemoryError; nothing was changed */
  replace(bytes: Buffer, off: number, len: number): void {
    if (!this.packed) {
      this.quicklist.replace(bytes, off, len);
      return;
    }
    const lp = this.#lp;
    this.#entry.set(bytes, off, len);
    replaceEntry(this.shard, this.rec, lp, lp.pos, this.#entry);
  }

  // ---- ranges ----

  /** Takes `count` elements away from `index` on, all of which must be there. @throws OutOfMemoryError; nothing was changed */
  removeRange(index: number, count: number): void {
    if (count <= 0) return;
    if (!this.packed) this.quicklist.removeRange(index, count);
    else if (this.#lp.seek(index)) removeEntries(this.shard, this.rec, this.#lp, this.#lp.pos, count);
  }

  /**
   * Takes all elements away but `count` of them, from `index` on, which must be there.
   * @throws OutOfMemoryError; nothing was changed
   */
  keepRange(index: number, count: number): void {
    if (!this.packed) {
      this.quicklist.keepRange(index, count);
      return;
    }
    // Making a listpack smaller takes no memory.
    this.removeRange(index + count, this.size - index - count);
    this.removeRange(0, index);
  }

  /** Whether the last removeMatches() has stopped for want of memory, with a part done. */
  stoppedShort = false;

  /**
   * Takes elements equal to some bytes away, even all of them: then `size` is 0 and the caller deletes the key.
   * @param limit how many at most, 0: all @param forward from the head on, else from the tail
   * @returns how many there were (of a large list fewer, if memory runs out on the way)
   * @throws OutOfMemoryError; nothing was changed
   */
  removeMatches(bytes: Buffer, off: number, len: number, limit: number, forward: boolean): number {
    this.stoppedShort = false;
    if (!this.packed) {
      const removed = this.quicklist.removeMatches(bytes, off, len, limit, forward);
      this.stoppedShort = this.quicklist.stoppedShort;
      return removed;
    }
    const lp = this.#lp;
    this.want(bytes, off, len);
    let removed = 0;
    let more = forward ? lp.first() : lp.last();
    while (more && (limit === 0 || removed < limit)) {
      if (!this.quicklist.matchesEntry(lp)) {
        more = forward ? lp.next() : lp.prev();
        continue;
      }
      const { pos } = lp;
      lp.remove(pos, 1);
      removed++;
      more = forward ? lp.at(pos) : lp.prev();
    }
    if (removed > 0) {
      shrinkValue(this.shard, this.rec, lp.size);
      openListpack(lp, this.rec);
    }
    return removed;
  }
}
