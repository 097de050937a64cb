// Reading a quicklist (quicklist.ts): a cursor that goes from element to element, in both directions, over listpacks,
// plain nodes and compressed ones. Compressed nodes are read from a copy, they stay as they are.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { sameBytes } from './bytes.ts';
import { Int64 } from './int64.ts';
import { Listpack } from './listpack.ts';
import { QuicklistCompression } from './quicklist-compression.ts';
import { ListNode, NodeFlag } from './quicklist-nodes.ts';

export class QuicklistCursor extends QuicklistCompression {
  /** Node of the current element, 0 when there is none. */
  current = 0;
  /** The element is alone in its node, as it is. */
  plain = false;
  /** On the current node's listpack, if it is not plain. */
  readonly lp: Listpack;
  /** The element's bytes: buf[off, off + len); after text(). */
  buf: Buffer;
  off = 0;
  len = 0;
  readonly #wanted = new Int64();
  #wantedBytes: Buffer;
  #wantedOff = 0;
  #wantedLen = 0;
  #wantedInteger = false;

  constructor(memory: SharedMemory) {
    super(memory);
    this.lp = new Listpack(memory.bytes[0]!);
    this.buf = memory.bytes[0]!;
    this.#wantedBytes = this.buf;
  }

  override open(arena: Arena, words: Int32Array, root: number): void {
    super.open(arena, words, root);
    this.current = 0;
  }

  // ---- walking: each returns whether there is an element ----

  first(): boolean {
    return this.enter(this.head, false);
  }

  last(): boolean {
    return this.enter(this.tail, true);
  }

  next(): boolean {
    if (!this.plain && this.lp.next()) return true;
    return this.enter(this.node(this.current, ListNode.Next), false);
  }

  prev(): boolean {
    if (!this.plain && this.lp.prev()) return true;
    return this.enter(this.node(this.current, ListNode.Prev), true);
  }

  /** Goes to the first element of the next node. */
  nextNode(): boolean {
    return this.enter(this.node(this.current, ListNode.Next), false);
  }

  /** Goes to element `index` (0 .. size - 1), from the end that is nearer. */
  seek(index: number): boolean {
    const { size } = this;
    if (index < 0 || index >= size) {
      this.current = 0;
      return false;
    }
    if (index < size / 2) return this.#seekForward(index);
    return this.#seekBackward(size - index - 1);
  }

  #seekForward(index: number): boolean {
    let ref = this.head;
    for (;;) {
      const count = this.node(ref, ListNode.Count);
      if (index < count) break;
      index -= count;
      ref = this.node(ref, ListNode.Next);
    }
    this.#show(ref);
    return this.plain || this.lp.seek(index);
  }

  #seekBackward(index: number): boolean {
    let ref = this.tail;
    for (;;) {
      const count = this.node(ref, ListNode.Count);
      if (index < count) break;
      index -= count;
      ref = this.node(ref, ListNode.Prev);
    }
    this.#show(ref);
    return this.plain || this.lp.seek(-1 - index);
  }

  /** Goes to a node's first or last element; nowhere if `ref` is 0. */
  protected enter(ref: number, atEnd: boolean): boolean {
    if (ref === 0) {
      this.current = 0;
      return false;
    }
    this.#show(ref);
    if (this.plain) return true;
    return atEnd ? this.lp.last() : this.lp.first();
  }

  /** Looks at a node, in front of its elements. */
  #show(ref: number): void {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const flags = words[w + ListNode.Flags]!;
    const data = words[w + ListNode.Data]!;
    let bytes = this.buffers[data >>> REF_REGION_SHIFT]!;
    let base = ((data & REF_MASK) << GRANULE_SHIFT) + words[w + ListNode.Start]!;
    if ((flags & NodeFlag.Compressed) !== 0) {
      bytes = this.decompressed(ref);
      base = 0;
    }
    this.current = ref;
    this.plain = (flags & NodeFlag.Plain) !== 0;
    if (!this.plain) {
      this.lp.open(bytes, base);
      return;
    }
    this.buf = bytes;
    this.off = base;
    this.len = words[w + ListNode.Size]!;
  }

  /** Points the cursor at an uncompressed packed node that may have moved; `pos` is its entry's position, 0 for none. */
  protected point(ref: number, pos: number): void {
    this.#show(ref);
    if (pos !== 0) this.lp.at(pos);
  }

  // ---- the current element ----

  /** Makes buf[off, off + len) the element's bytes; good until the cursor moves. */
  text(): void {
    if (this.plain) return;
    const { lp } = this;
    lp.text();
    this.buf = lp.buf;
    this.off = lp.off;
    this.len = lp.len;
  }

  /** Says what matches() looks for. The bytes must lie still. */
  want(bytes: Buffer, off: number, len: number): void {
    this.#wantedBytes = bytes;
    this.#wantedOff = off;
    this.#wantedLen = len;
    this.#wantedInteger = this.#wanted.parse(bytes, off, len);
  }

  /** Whether the current element is the one wanted. */
  matches(): boolean {
    if (!this.plain) return this.matchesEntry(this.lp);
    return (
      this.len === this.#wantedLen &&
      sameBytes(this.buf, this.off, this.#wantedBytes, this.#wantedOff, this.len)
    );
  }

  /** Whether the current entry of some listpack is the one wanted. */
  matchesEntry(lp: Listpack): boolean {
    if (lp.isInteger)
      return this.#wantedInteger && lp.low === this.#wanted.low && lp.high === this.#wanted.high;
    return (
      lp.len === this.#wantedLen && sameBytes(lp.buf, lp.off, this.#wantedBytes, this.#wantedOff, lp.len)
    );
  }
}
