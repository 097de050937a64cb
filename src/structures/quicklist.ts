// Quicklists: lists of any length, as a chain of listpacks. What large lists of clients are made of.
//
//   quicklist-nodes.ts         layout of root, nodes and data; room of single nodes
//   quicklist-compression.ts   their compression
//   quicklist-cursor.ts        reading, from element to element
//   quicklist-edit.ts          changing
//   this file                  what the keyspace asks of every structure (rooted.ts)
//
// Pushing and popping at either end takes constant time; reaching element n walks over the nodes on the shorter way to
// it, 32 bytes each. A node has up to 8 KiB of elements by default, so a list of ten-byte elements has a node for 680.
//
// While it is being freed, Head is the first node that is left.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { copyBytes } from './bytes.ts';
import { LISTPACK_HEADER_BYTES } from './listpack.ts';
import { isListpack } from './listpack-check.ts';
import { QuicklistEdit } from './quicklist-edit.ts';
import { LIST_ROOT_WORDS, ListNode, ListRoot, NODE_BYTES, NodeFlag } from './quicklist-nodes.ts';
import type { RootedStructure } from './rooted.ts';

export class Quicklist extends QuicklistEdit implements RootedStructure {
  readonly rootWords = LIST_ROOT_WORDS;
  moved = 0;

  get blockCount(): number {
    return this.nodeCount * 2;
  }

  freeSome(budget: number): number {
    const { words, root } = this;
    let left = budget;
    let ref = this.head;
    while (ref !== 0 && left > 0) {
      const next = this.node(ref, ListNode.Next);
      this.freeNode(ref);
      left -= 2;
      ref = next;
    }
    words[root + ListRoot.Head] = ref;
    return ref === 0 ? left : Math.min(left, 0);
  }

  copyTo(arena: Arena, words: Int32Array, root: number): void {
    let first = 0;
    let last = 0;
    try {
      for (let ref = this.head; ref !== 0; ref = this.node(ref, ListNode.Next)) {
        const copy = this.#copyNode(arena, ref);
        this.setNode(copy, ListNode.Prev, last);
        if (last === 0) first = copy;
        else this.setNode(last, ListNode.Next, copy);
        last = copy;
      }
    } catch (error) {
      for (let ref = first; ref !== 0; ) {
        const next = this.node(ref, ListNode.Next);
        arena.free(this.node(ref, ListNode.Data));
        arena.free(ref);
        ref = next;
      }
      throw error;
    }
    for (let i = 0; i < LIST_ROOT_WORDS; i++) words[root + i] = this.words[this.root + i]!;
    words[root + ListRoot.Head] = first;
    words[root + ListRoot.Tail] = last;
    words[root + ListRoot.Mover] = 0;
  }

  /** Bytes that a node's data block must have. */
  #used(ref: number): number {
    return Math.max(1, this.node(ref, this.isCompressed(ref) ? ListNode.Room : ListNode.Size));
  }

  /** A node with its data in another arena, linked to nothing. */
  #copyNode(arena: Arena, ref: number): number {
    const used = this.#used(ref);
    const data = arena.alloc(used);
    let copy = 0;
    try {
      copy = arena.alloc(NODE_BYTES);
    } catch (error) {
      arena.free(data);
      throw error;
    }
    for (let i = 0; i < NODE_BYTES / 4; i++) this.setNode(copy, i, this.node(ref, i));
    this.setNode(copy, ListNode.Next, 0);
    this.setNode(copy, ListNode.Prev, 0);
    this.setNode(copy, ListNode.Data, data);
    this.setNode(copy, ListNode.Start, 0);
    if (!this.isCompressed(ref)) this.setNode(copy, ListNode.Room, blockBytes(used));
    copyBytes(this.dataBuffer(ref), this.base(ref), this.dataBuffer(copy), this.dataOffset(copy), used);
    return copy;
  }

  eachBlock(visit: (ref: number) => void): void {
    for (let ref = this.head; ref !== 0; ref = this.node(ref, ListNode.Next)) {
      visit(ref);
      visit(this.node(ref, ListNode.Data));
    }
  }

  bytes(samples: number): number {
    const nodes = this.nodeCount;
    const wanted = samples === 0 ? Number.POSITIVE_INFINITY : samples;
    let seen = 0;
    let elements = 0;
    let bytes = 0;
    for (let ref = this.head; ref !== 0 && elements < wanted; ref = this.node(ref, ListNode.Next)) {
      seen++;
      elements += this.node(ref, ListNode.Count);
      bytes += NODE_BYTES + this.arena.capacity(this.node(ref, ListNode.Data));
    }
    return seen === 0 ? 0 : Math.round((bytes / seen) * nodes);
  }

  moveSparse(limits: Int32Array, from: number, budget: number): number {
    const { words, root } = this;
    this.moved = 0;
    if (from === 0) words[root + ListRoot.Mover] = this.head;
    let left = budget;
    for (
      let ref = words[root + ListRoot.Mover]!;
      ref !== 0 && left > 0;
      ref = words[root + ListRoot.Mover]!
    ) {
      this.#moveData(ref, limits);
      words[root + ListRoot.Mover] = this.node(this.#moveNode(ref, limits), ListNode.Next);
      left -= 2;
    }
    return words[root + ListRoot.Mover] === 0 ? 0 : 1;
  }

  #moveData(ref: number, limits: Int32Array): void {
    const { arena } = this;
    const old = this.node(ref, ListNode.Data);
    if (!arena.isSparse(old, limits)) return;
    const room = this.node(ref, ListNode.Room);
    const data = arena.alloc(room);
    const to = this.buffers[data >>> REF_REGION_SHIFT]!;
    copyBytes(this.dataBuffer(ref), this.dataOffset(ref), to, (data & REF_MASK) << GRANULE_SHIFT, room);
    this.setNode(ref, ListNode.Data, data);
    arena.free(old);
    this.moved++;
  }

  /** @returns the node, which may be another block now */
  #moveNode(ref: number, limits: Int32Array): number {
    const { arena, words, root } = this;
    if (!arena.isSparse(ref, limits)) return ref;
    const fresh = arena.alloc(NODE_BYTES);
    for (let i = 0; i < NODE_BYTES / 4; i++) this.setNode(fresh, i, this.node(ref, i));
    const prev = this.node(ref, ListNode.Prev);
    const next = this.node(ref, ListNode.Next);
    if (prev === 0) words[root + ListRoot.Head] = fresh;
    else this.setNode(prev, ListNode.Next, fresh);
    if (next === 0) words[root + ListRoot.Tail] = fresh;
    else this.setNode(next, ListNode.Prev, fresh);
    arena.free(ref);
    this.moved++;
    return fresh;
  }

  check(): void {
    let prev = 0;
    let count = 0;
    let nodes = 0;
    let bytes = 0;
    let moverSeen = this.words[this.root + ListRoot.Mover] === 0;
    for (let ref = this.head; ref !== 0; ref = this.node(ref, ListNode.Next)) {
      if (this.node(ref, ListNode.Prev) !== prev) fail('a node does not know the one in front of it');
      this.#checkNode(ref);
      if (ref === this.words[this.root + ListRoot.Mover]) moverSeen = true;
      count += this.node(ref, ListNode.Count);
      bytes += this.node(ref, ListNode.Size);
      nodes++;
      prev = ref;
    }
    if (this.tail !== prev) fail('the tail is not the last node');
    if (nodes === 0) fail('no nodes');
    if (nodes !== this.nodeCount) fail(`${nodes} nodes, not ${this.nodeCount}`);
    if (count !== this.size) fail(`${count} elements, not ${this.size}`);
    if (bytes !== this.dataBytes) fail(`${bytes} bytes, not ${this.dataBytes}`);
    if (!moverSeen) fail('moving would go on at a node that is none');
  }

  #checkNode(ref: number): void {
    const size = this.node(ref, ListNode.Size);
    const count = this.node(ref, ListNode.Count);
    const room = this.node(ref, ListNode.Room);
    const start = this.node(ref, ListNode.Start);
    const flags = this.node(ref, ListNode.Flags);
    const capacity = this.arena.capacity(this.node(ref, ListNode.Data));
    const compressed = (flags & NodeFlag.Compressed) !== 0;
    if (compressed ? room > capacity : room !== capacity) fail(`room ${room} in a block of ${capacity}`);
    if (count < 1) fail('an empty node');
    if (start < 0 || (!compressed && start + size > room)) fail('data beyond its block');
    if ((flags & NodeFlag.Plain) !== 0) {
      if (count !== 1 || start !== 0) fail('a plain node of several elements');
      if (compressed) this.decompressed(ref);
      return;
    }
    const data = compressed ? this.decompressed(ref) : this.dataBuffer(ref);
    const base = compressed ? 0 : this.base(ref);
    if (!isListpack(data, base, size, true)) fail('a damaged listpack');
    this.lp.open(data, base);
    let entries = 0;
    for (let pos = LISTPACK_HEADER_BYTES; pos < size - 1; pos = this.lp.forward(pos, 1)) entries++;
    if (entries !== count) fail(`${entries} entries in a node of ${count}`);
  }
}

function fail(what: string): never {
  throw new Error(`quicklist: ${what}`);
}
