// Changing a quicklist (quicklist.ts): at its ends, at the cursor, in ranges. Where nodes are split, merged and begun
// follows Redis's quicklist.c, so that lists look the same in both: DUMP, OBJECT ENCODING.
//
// Order of work: whatever needs memory comes first. An OutOfMemoryError leaves the list as it was (a node may have been
// decompressed).
// Bytes given to a method must not lie in the list itself.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { copyBytes } from './bytes.ts';
import {
  entryBytes,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  writeListpackHeader,
} from './listpack.ts';
import { QuicklistCursor } from './quicklist-cursor.ts';
import { exceedsNode, ListNode, ListRoot } from './quicklist-nodes.ts';

export class QuicklistEdit extends QuicklistCursor {
  // ---- the ends ----

  /** Adds an element in front of all others. @throws OutOfMemoryError; nothing was changed */
  pushHead(bytes: Buffer, off: number, len: number): void {
    const { head } = this;
    if (!this.allowsInsert(head, len)) {
      this.#linkNew(this.#newNode(bytes, off, len, true), head, false);
      return;
    }
    this.entry.set(bytes, off, len);
    this.inflate(head);
    this.prepend(head, this.entry);
  }

  /** Adds an element behind all others. @throws OutOfMemoryError; nothing was changed */
  pushTail(bytes: Buffer, off: number, len: number): void {
    const { tail } = this;
    if (!this.allowsInsert(tail, len)) {
      this.#linkNew(this.#newNode(bytes, off, len, false), tail, true);
      return;
    }
    this.entry.set(bytes, off, len);
    this.inflate(tail);
    this.append(tail, this.entry);
  }

  /** Takes the first element away; the cursor is nowhere then. */
  dropHead(): void {
    const ref = this.head;
    this.current = 0;
    if (this.node(ref, ListNode.Count) === 1) {
      this.#unlink(ref);
      return;
    }
    this.inflate(ref);
    const bytes = entryBytes(this.dataBuffer(ref), this.base(ref) + LISTPACK_HEADER_BYTES);
    this.dropFront(ref, bytes, 1);
  }

  /** Takes the last element away; the cursor is nowhere then. */
  dropTail(): void {
    this.#dropLast(this.tail);
  }

  /** Makes sure that the first element can be dropped without memory, or the last. @throws OutOfMemoryError */
  makeDroppable(atHead: boolean): void {
    this.inflate(atHead ? this.head : this.tail);
  }

  // ---- whole nodes, for those who load lists ----

  /**
   * Adds a listpack as a node behind all others. It must have entries.
   * @param count its entries
   */
  appendListpack(bytes: Buffer, off: number, size: number, count: number): void {
    const ref = this.createNode(size, 0);
    copyBytes(bytes, off, this.dataBuffer(ref), this.dataOffset(ref), size);
    this.setNode(ref, ListNode.Size, size);
    this.setNode(ref, ListNode.Count, count);
    this.#linkNew(ref, this.tail, true);
  }

  /** Adds an element as a node of its own behind all others, whatever its size. */
  appendPlain(bytes: Buffer, off: number, len: number): void {
    this.#linkNew(this.createPlain(bytes, off, len), this.tail, true);
  }

  // ---- at the cursor, which is nowhere afterwards unless a method says otherwise ----

  /** Inserts an element in front of the cursor's or behind it. @throws OutOfMemoryError; nothing was changed */
  insert(bytes: Buffer, off: number, len: number, after: boolean): void {
    const ref = this.current;
    const edge = after ? this.#atNodeEnd() : this.#atNodeStart();
    const beside = this.node(ref, after ? ListNode.Next : ListNode.Prev);
    if (this.isLarge(len)) {
      if (edge) this.#linkNew(this.createPlain(bytes, off, len), ref, after);
      else this.#insertBySplit(bytes, off, len, after);
    } else if (this.allowsInsert(ref, len)) this.#insertHere(bytes, off, len, after);
    else if (!edge) this.#insertBySplit(bytes, off, len, after);
    else if (this.allowsInsert(beside, len)) {
      this.entry.set(bytes, off, len);
      this.#openForEdit(beside);
      if (after) this.prepend(beside, this.entry);
      else this.append(beside, this.entry);
      this.settle(beside);
    } else this.#linkNew(this.#newNode(bytes, off, len, !after), ref, after);
    this.current = 0;
  }

  /** Puts another element in the place of the cursor's. @throws OutOfMemoryError; nothing was changed */
  replace(bytes: Buffer, off: number, len: number): void {
    const ref = this.current;
    if (this.plain) {
      if (this.isLarge(len)) this.#linkNew(this.createPlain(bytes, off, len), ref, true);
      else this.insert(bytes, off, len, true);
      this.#unlink(ref);
    } else if (this.isLarge(len) || !this.#replaceHere(bytes, off, len))
      this.#replaceBySplit(bytes, off, len);
    this.current = 0;
  }

  /** Whether memory ran out in the last removeMatches(), with a part done. */
  stoppedShort = false;

  /**
   * Takes elements equal to some bytes away.
   * @param limit how many at most, 0: all
   * @param forward from the head on, else from the tail
   * @returns how many there were; fewer than there are if memory to decompress nodes runs out on the way
   * @throws OutOfMemoryError; nothing was changed
   */
  removeMatches(bytes: Buffer, off: number, len: number, limit: number, forward: boolean): number {
    this.want(bytes, off, len);
    const most = limit === 0 ? Number.POSITIVE_INFINITY : limit;
    let removed = 0;
    let ref = forward ? this.head : this.tail;
    this.stoppedShort = false;
    while (ref !== 0 && removed < most) {
      const beside = this.node(ref, forward ? ListNode.Next : ListNode.Prev);
      try {
        removed += this.#removeMatchesWithin(ref, most - removed, forward);
      } catch (error) {
        if (!(error instanceof OutOfMemoryError) || removed === 0) throw error;
        this.stoppedShort = true;
        break;
      }
      ref = beside;
    }
    this.current = 0;
    return removed;
  }

  /** removeMatches() in one node. */
  #removeMatchesWithin(ref: number, most: number, forward: boolean): number {
    const { lp } = this;
    let removed = 0;
    let more = this.enter(ref, !forward);
    while (more && removed < most) {
      if (!this.matches()) {
        more = !this.plain && (forward ? lp.next() : lp.prev());
        continue;
      }
      removed++;
      if (this.node(ref, ListNode.Count) === 1) {
        this.#unlink(ref);
        return removed;
      }
      more = this.#removeEntry(ref, forward);
    }
    if (removed > 0) {
      this.shrink(ref);
      this.settle(ref);
    }
    return removed;
  }

  /** Takes the cursor's entry out of a packed node that has more. @returns whether there is one to go on with */
  #removeEntry(ref: number, forward: boolean): boolean {
    const { lp } = this;
    this.#openForEdit(ref);
    const { pos } = lp;
    lp.remove(pos, 1);
    this.edited(ref, lp.size, this.node(ref, ListNode.Count) - 1);
    return forward ? lp.at(pos) : lp.prev();
  }

  /**
   * Takes `count` elements away from `index` on, all of which must be there. The cursor is nowhere then.
   * @throws OutOfMemoryError; nothing was changed
   */
  removeRange(index: number, count: number): void {
    if (count <= 0) return;
    let left = count;
    // Only nodes that lose some of their elements have to be decompressed: the first and the last.
    if (this.seek(index + count) && !this.plain && this.lp.pos > LISTPACK_HEADER_BYTES)
      this.inflate(this.current);
    this.seek(index);
    let ref = this.current;
    let pos = this.plain ? 0 : this.lp.pos;
    if (pos > LISTPACK_HEADER_BYTES) this.#openForEdit(ref);
    while (left > 0) {
      const next = this.node(ref, ListNode.Next);
      const here = this.node(ref, ListNode.Count);
      if (pos <= LISTPACK_HEADER_BYTES && left >= here) {
        this.#unlink(ref);
        left -= here;
      } else left -= this.#removeWithin(ref, pos, left);
      ref = next;
      pos = 0;
    }
    this.current = 0;
  }

  /**
   * Takes all elements away but `count` of them, from `index` on, which must be there.
   * @throws OutOfMemoryError; nothing was changed
   */
  keepRange(index: number, count: number): void {
    const behind = this.size - index - count;
    // Memory first: the nodes that lose some of their elements, one at either end, are decompressed.
    if (behind > 0 && this.seek(index + count) && !this.plain && this.lp.pos > LISTPACK_HEADER_BYTES)
      this.inflate(this.current);
    if (index > 0 && this.seek(index) && !this.plain && this.lp.pos > LISTPACK_HEADER_BYTES)
      this.inflate(this.current);
    const edge = this.current;
    for (let left = behind; left > 0; ) {
      const ref = this.tail;
      const here = this.node(ref, ListNode.Count);
      if (left >= here) this.unlink(ref);
      else {
        this.point(ref, 0);
        this.lp.seek(here - left);
        this.dropBack(ref, this.lp.pos, left);
      }
      left -= here;
    }
    for (let left = index; left > 0; ) {
      const ref = this.head;
      const here = this.node(ref, ListNode.Count);
      if (left >= here) this.unlink(ref);
      else {
        this.point(ref, 0);
        this.lp.seek(left);
        this.dropFront(ref, this.lp.pos - LISTPACK_HEADER_BYTES, left);
      }
      left -= here;
    }
    this.current = 0;
    this.settle(index > 0 ? edge : 0);
  }

  /** Takes at most `count` entries of a packed node away, from a position on (0: the first). @returns how many */
  #removeWithin(ref: number, pos: number, count: number): number {
    const { lp } = this;
    this.#openForEdit(ref);
    this.point(ref, 0);
    const from = pos === 0 ? LISTPACK_HEADER_BYTES : pos;
    const before = this.node(ref, ListNode.Count);
    let to = from;
    let removed = 0;
    while (removed < count && to < lp.size - 1) {
      to = lp.forward(to, 1);
      removed++;
    }
    if (from === LISTPACK_HEADER_BYTES) this.dropFront(ref, to - from, removed);
    else if (to === lp.size - 1) this.dropBack(ref, from, removed);
    else {
      lp.remove(from, removed);
      this.edited(ref, lp.size, before - removed);
      this.shrink(ref);
    }
    this.settle(ref);
    return removed;
  }

  // ---- private ----

  #atNodeEnd(): boolean {
    const { lp } = this;
    return this.plain || lp.forward(lp.pos, 1) === lp.size - 1;
  }

  #atNodeStart(): boolean {
    return this.plain || this.lp.pos === LISTPACK_HEADER_BYTES;
  }

  /** A node for one element, plain or packed, in no list yet. */
  #newNode(bytes: Buffer, off: number, len: number, toEnd: boolean): number {
    if (this.isLarge(len)) return this.createPlain(bytes, off, len);
    this.entry.set(bytes, off, len);
    return this.createPacked(this.entry, toEnd);
  }

  /** Links a new node beside `old`, which will hardly grow from now on. */
  #linkNew(ref: number, old: number, after: boolean): void {
    this.link(ref, old, after);
    if (old !== 0) this.fit(old);
    if (this.depth > 0) {
      if (old !== 0) this.settle(old);
      this.settle(ref);
    }
  }

  #unlink(ref: number): void {
    this.current = 0;
    this.unlink(ref);
    this.settle(0);
  }

  #dropLast(ref: number): void {
    if (this.node(ref, ListNode.Count) === 1) {
      this.#unlink(ref);
      return;
    }
    this.inflate(ref);
    this.point(ref, 0);
    this.lp.last();
    this.current = 0;
    this.dropBack(ref, this.lp.pos, 1);
  }

  /** Makes a node ready for edits; the cursor stays where it was, on the node's own bytes. */
  #openForEdit(ref: number): void {
    if (!this.isCompressed(ref)) return;
    const { pos } = this.lp;
    this.inflate(ref);
    if (ref === this.current) this.point(ref, pos);
  }

  #insertHere(bytes: Buffer, off: number, len: number, after: boolean): void {
    const { lp } = this;
    const ref = this.current;
    const { pos } = lp;
    this.entry.set(bytes, off, len);
    this.#openForEdit(ref);
    this.makeRoom(ref, this.entry.size, false);
    this.point(ref, pos);
    lp.insert(after ? lp.forward(pos, 1) : pos, this.entry);
    this.edited(ref, lp.size, this.node(ref, ListNode.Count) + 1);
    this.settle(ref);
  }

  /** @returns false, with nothing changed, if the node would be more than it may be */
  #replaceHere(bytes: Buffer, off: number, len: number): boolean {
    const { lp } = this;
    const ref = this.current;
    const { pos } = lp;
    const old = lp.entrySize();
    this.entry.set(bytes, off, len);
    const more = this.entry.size - old;
    const count = this.node(ref, ListNode.Count);
    // One that is over the limit already (a lone element is) may get smaller, but no larger.
    if (more > 0 && count > 1 && exceedsNode(this.fill, lp.size + more, count)) return false;
    this.#openForEdit(ref);
    if (more > 0) this.makeRoom(ref, more, false);
    this.point(ref, pos);
    lp.replace(pos, old, this.entry);
    this.edited(ref, lp.size, count);
    if (more < 0) this.shrink(ref);
    this.settle(ref);
    return true;
  }

  /** insert() where the cursor's node takes no more, in front of the element or behind it, with others on that side. */
  #insertBySplit(bytes: Buffer, off: number, len: number, after: boolean): void {
    const ref = this.current;
    const cut = this.#cut(after);
    const part = this.#copyPart(ref, cut, after);
    let alone = 0;
    try {
      if (this.isLarge(len)) alone = this.createPlain(bytes, off, len);
      else {
        this.entry.set(bytes, off, len);
        this.#addToPart(part, after);
      }
    } catch (error) {
      this.freeNode(part);
      throw error;
    }
    this.#cutAway(ref, cut, after);
    this.link(part, ref, after);
    if (alone !== 0) this.link(alone, ref, after);
    this.settle(ref);
    this.settle(part);
    if (alone === 0) this.#mergeAround(ref);
  }

  /** replace() where the new element cannot stay in the node: it gets one of its own, between what was around it. */
  #replaceBySplit(bytes: Buffer, off: number, len: number): void {
    const ref = this.current;
    const cut = this.#cut(true);
    const part = cut === this.lp.size - 1 ? 0 : this.#copyPart(ref, cut, true);
    let alone = 0;
    try {
      alone = this.#newNode(bytes, off, len, false);
    } catch (error) {
      if (part !== 0) this.freeNode(part);
      throw error;
    }
    if (part !== 0) {
      this.#cutAway(ref, cut, true);
      this.link(part, ref, true);
    }
    this.link(alone, ref, true);
    const others = this.node(ref, ListNode.Count) > 1;
    this.#dropLast(ref);
    if (part !== 0) this.settle(part);
    this.settle(alone);
    if (others) {
      this.settle(ref);
      this.#mergeAround(alone);
    }
  }

  /** Makes the cursor's node ready to be split. @returns the position where: behind the element or in front of it */
  #cut(after: boolean): number {
    const { pos } = this.lp;
    this.#openForEdit(this.current);
    this.point(this.current, pos);
    return after ? this.lp.forward(pos, 1) : pos;
  }

  /** Copies the entries behind a position to a new node, or those in front of it. */
  #copyPart(ref: number, cut: number, behind: boolean): number {
    const { lp } = this;
    const from = behind ? cut : LISTPACK_HEADER_BYTES;
    const to = behind ? lp.size - 1 : cut;
    const size = LISTPACK_EMPTY_BYTES + to - from;
    let count = 0;
    for (let at = from; at < to; at = lp.forward(at, 1)) count++;
    const part = this.createNode(size, 0);
    const data = this.dataBuffer(part);
    const base = this.dataOffset(part);
    writeListpackHeader(data, base, size, count);
    copyBytes(this.dataBuffer(ref), this.base(ref) + from, data, base + LISTPACK_HEADER_BYTES, to - from);
    data[base + size - 1] = LISTPACK_END;
    this.setNode(part, ListNode.Size, size);
    this.setNode(part, ListNode.Count, count);
    return part;
  }

  /** Adds this.entry to a node that is in no list yet: link() will count it. */
  #addToPart(part: number, inFront: boolean): void {
    const { words, root } = this;
    if (inFront) this.prepend(part, this.entry);
    else this.append(part, this.entry);
    words[root + ListRoot.Count]! -= 1;
    this.addBytes(-this.entry.size);
  }

  /** Takes the entries behind a position away, or those in front of it. */
  #cutAway(ref: number, cut: number, behind: boolean): void {
    const { lp } = this;
    this.point(ref, 0);
    const from = behind ? cut : LISTPACK_HEADER_BYTES;
    const to = behind ? lp.size - 1 : cut;
    const before = this.node(ref, ListNode.Count);
    let count = 0;
    for (let at = from; at < to; at = lp.forward(at, 1)) count++;
    lp.remove(from, count);
    this.edited(ref, lp.size, before - count);
    this.shrink(ref);
  }

  /** Merges neighbours that fit into one node, around `center`. As Redis: the two before, the two behind, then center. */
  #mergeAround(center: number): void {
    const prev = this.node(center, ListNode.Prev);
    const next = this.node(center, ListNode.Next);
    if (prev !== 0) this.#merge(this.node(prev, ListNode.Prev), prev);
    if (next !== 0) this.#merge(next, this.node(next, ListNode.Next));
    const before = this.node(center, ListNode.Prev);
    const target = this.#merge(before, center) ? before : center;
    this.#merge(target, this.node(target, ListNode.Next));
    this.settle(target);
  }

  /** Moves the entries of `second`, the next node, to `first`, if they may and can. @returns whether they did */
  #merge(first: number, second: number): boolean {
    if (first === 0 || second === 0 || this.isPlain(first) || this.isPlain(second)) return false;
    const size = this.node(first, ListNode.Size);
    const more = this.node(second, ListNode.Size) - LISTPACK_EMPTY_BYTES;
    const count = this.node(second, ListNode.Count);
    const sum = this.node(first, ListNode.Count) + count;
    if (exceedsNode(this.fill, size + more, sum)) return false;
    try {
      this.inflate(first);
      this.inflate(second);
      this.makeRoom(first, more, false);
    } catch (error) {
      if (error instanceof OutOfMemoryError) return false;
      throw error;
    }
    this.point(first, 0);
    const from = this.base(second) + LISTPACK_HEADER_BYTES;
    this.lp.insertRaw(this.lp.end, this.dataBuffer(second), from, more, count);
    this.edited(first, size + more, sum);
    this.#unlink(second);
    return true;
  }
}
