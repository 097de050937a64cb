// The nodes of a quicklist (quicklist.ts): their layout and their room. A list is a chain of nodes; a node is a
// small block that names a block of data, so that data can grow and move without a word to the neighbours, and a walk over
// nodes reads little memory.
//
//   root (ListRoot)   head | tail | elements | nodes | options: fill (low 16 bits, signed), compression depth (high 16)
//                     | bytes of all nodes' data, uncompressed: low word, high word | where moveSparse() goes on
//   node (ListNode)   next | previous | data (ref) | elements | bytes of data, uncompressed | NodeFlag | start | room
//   data, packed      [start bytes free] listpack [free], `room` bytes in all
//   data, plain       one element too large for a listpack, as it is
//   data, compressed  either of these as LZF, `room` bytes
//
// Elements that come and go at the head move nothing: the listpack's six bytes of header go back and forth instead
// (`start`). Room doubles by and by up to the limit of a node, in a long list it is all there at once; a node that is not at
// an end any more is cut to size.
// The limits, and what counts as large, are Redis's (list-max-listpack-size, called fill), so that nodes end where
// Redis's do.

import type { Arena } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GlobalWord, GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { copyBytes, moveBytes } from './bytes.ts';
import {
  EntryEncoder,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  writeListpackHeader,
} from './listpack.ts';

export const ListRoot = {
  Head: 0,
  Tail: 1,
  Count: 2,
  Nodes: 3,
  Options: 4,
  BytesLow: 5,
  BytesHigh: 6,
  Mover: 7,
} as const;
export const LIST_ROOT_WORDS = 8;

export const ListNode = {
  Next: 0,
  Prev: 1,
  Data: 2,
  Count: 3,
  Size: 4,
  Flags: 5,
  Start: 6,
  Room: 7,
} as const;
export const NODE_BYTES = 32;
export const NodeFlag = { Plain: 1, Compressed: 2 } as const;

/** Bytes of a node's listpack at fill -1, doubled at -2, and so on to -5. */
const SIZE_LIMIT_MIN = 4096;
const SIZE_LIMIT_MAX = 65536;
/** The same where fill limits the number of elements. */
const SIZE_LIMIT_COUNTED = 8192;
/** What an element takes besides its bytes, at most. */
const ENTRY_OVERHEAD = 8;
/** Bounds of what is kept in the root's options, as in Redis. */
export const FILL_MIN = -5;
export const FILL_MAX = 32767;
export const DEPTH_MAX = 65535;
/** Data blocks up to this size are not worth making smaller; larger ones are once three quarters of them are free. */
const SHRINK_ROOM_MIN = 256;
const SHRINK_SHARE = 4;
/** Room of a further node, to begin with. */
const ROOM_FIRST = 256;
/** A list of so many nodes gives a new one all of its room at once. */
const NODES_MANY = 8;

/** Bytes that a node's listpack may have. @param fill list-max-listpack-size */
export function nodeBytesMax(fill: number): number {
  if (fill >= 0) return SIZE_LIMIT_COUNTED;
  return fill < FILL_MIN ? SIZE_LIMIT_MAX : SIZE_LIMIT_MIN << (-1 - fill);
}

/** Elements that a node may have; Infinity if only bytes count. */
export function nodeCountMax(fill: number): number {
  if (fill < 0) return Number.POSITIVE_INFINITY;
  return fill === 0 ? 1 : fill;
}

/** Whether a listpack of so many bytes and elements would be more than a node may have. */
export function exceedsNode(fill: number, bytes: number, count: number): boolean {
  return bytes > nodeBytesMax(fill) || (fill >= 0 && count > nodeCountMax(fill));
}

export class QuicklistNodes {
  arena!: Arena;
  words: Int32Array;
  /** Index in `words` of the root's first word. */
  root = 0;
  readonly regions: readonly Int32Array[];
  readonly buffers: readonly Buffer[];
  readonly entry: EntryEncoder;
  readonly #control: Int32Array;

  constructor(memory: SharedMemory) {
    this.regions = memory.words;
    this.buffers = memory.bytes;
    this.words = memory.words[0]!;
    this.entry = new EntryEncoder(memory.bytes[0]!);
    this.#control = memory.control;
  }

  /** Points the flyweight at a root. */
  open(arena: Arena, words: Int32Array, root: number): void {
    this.arena = arena;
    this.words = words;
    this.root = root;
  }

  /** Makes the root that of a list without elements. @param fill list-max-listpack-size @param depth list-compress-depth */
  create(fill: number, depth: number): void {
    const { words, root } = this;
    for (let i = 0; i < LIST_ROOT_WORDS; i++) words[root + i] = 0;
    const kept = Math.min(Math.max(fill, FILL_MIN), FILL_MAX);
    words[root + ListRoot.Options] = (kept & 0xffff) | (Math.min(depth, DEPTH_MAX) << 16);
  }

  get head(): number {
    return this.words[this.root + ListRoot.Head]!;
  }

  get tail(): number {
    return this.words[this.root + ListRoot.Tail]!;
  }

  /** Elements. */
  get size(): number {
    return this.words[this.root + ListRoot.Count]! >>> 0;
  }

  get nodeCount(): number {
    return this.words[this.root + ListRoot.Nodes]!;
  }

  /** list-max-listpack-size at the time the list was made. */
  get fill(): number {
    return (this.words[this.root + ListRoot.Options]! << 16) >> 16;
  }

  /** list-compress-depth at the time the list was made. */
  get depth(): number {
    return this.words[this.root + ListRoot.Options]! >>> 16;
  }

  /** Bytes of all nodes' data, uncompressed. */
  get dataBytes(): number {
    const { words, root } = this;
    return words[root + ListRoot.BytesHigh]! * 4294967296 + (words[root + ListRoot.BytesLow]! >>> 0);
  }

  /** A word of a node (ListNode). */
  node(ref: number, word: number): number {
    return this.regions[ref >>> REF_REGION_SHIFT]![((ref & REF_MASK) << 2) + word]!;
  }

  setNode(ref: number, word: number, value: number): void {
    this.regions[ref >>> REF_REGION_SHIFT]![((ref & REF_MASK) << 2) + word] = value;
  }

  isPlain(ref: number): boolean {
    return (this.node(ref, ListNode.Flags) & NodeFlag.Plain) !== 0;
  }

  isCompressed(ref: number): boolean {
    return (this.node(ref, ListNode.Flags) & NodeFlag.Compressed) !== 0;
  }

  /** Byte offset of a node's data block in its buffer. */
  dataOffset(ref: number): number {
    return (this.node(ref, ListNode.Data) & REF_MASK) << GRANULE_SHIFT;
  }

  /** The buffer that a node's data lies in. */
  dataBuffer(ref: number): Buffer {
    return this.buffers[this.node(ref, ListNode.Data) >>> REF_REGION_SHIFT]!;
  }

  /** Byte offset of an uncompressed node's listpack or element. */
  base(ref: number): number {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    return ((words[w + ListNode.Data]! & REF_MASK) << GRANULE_SHIFT) + words[w + ListNode.Start]!;
  }

  /** Whether an element gets a node of its own. */
  isLarge(len: number): boolean {
    const threshold = this.#control[GlobalWord.QuicklistPackedThreshold]! >>> 0;
    return threshold !== 0 ? len >= threshold : len > nodeBytesMax(this.fill);
  }

  /** Whether a node (0: none) takes another element of `len` bytes. */
  allowsInsert(ref: number, len: number): boolean {
    if (ref === 0) return false;
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    if ((words[w + ListNode.Flags]! & NodeFlag.Plain) !== 0) return false;
    const { fill } = this;
    const limit = nodeBytesMax(fill);
    const threshold = this.#control[GlobalWord.QuicklistPackedThreshold]!;
    if (threshold !== 0 ? len >= threshold >>> 0 : len > limit) return false;
    if (words[w + ListNode.Size]! + len + ENTRY_OVERHEAD > limit) return false;
    return fill < 0 || words[w + ListNode.Count]! < nodeCountMax(fill);
  }

  // ---- making, linking, freeing ----

  /**
   * Makes a node that is in no list yet.
   * @param room bytes of data
   * @throws OutOfMemoryError; nothing was changed
   */
  createNode(room: number, flags: number): number {
    const { arena } = this;
    const data = arena.alloc(room);
    let ref = 0;
    try {
      ref = arena.alloc(NODE_BYTES);
    } catch (error) {
      arena.free(data);
      throw error;
    }
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    words[w + ListNode.Next] = 0;
    words[w + ListNode.Prev] = 0;
    words[w + ListNode.Data] = data;
    words[w + ListNode.Count] = 0;
    words[w + ListNode.Size] = 0;
    words[w + ListNode.Flags] = flags;
    words[w + ListNode.Start] = 0;
    words[w + ListNode.Room] = blockBytes(room);
    return ref;
  }

  /**
   * A node of one entry, in no list yet.
   * @param toEnd others will come in front of it, else behind
   */
  createPacked(entry: EntryEncoder, toEnd: boolean): number {
    const size = LISTPACK_EMPTY_BYTES + entry.size;
    const ref = this.createNode(Math.max(size, this.#roomFirst()), 0);
    const start = toEnd ? this.node(ref, ListNode.Room) - size : 0;
    const bytes = this.dataBuffer(ref);
    const base = this.dataOffset(ref) + start;
    writeListpackHeader(bytes, base, size, 1);
    entry.write(bytes, base + LISTPACK_HEADER_BYTES);
    bytes[base + size - 1] = LISTPACK_END;
    this.setNode(ref, ListNode.Count, 1);
    this.setNode(ref, ListNode.Size, size);
    this.setNode(ref, ListNode.Start, start);
    return ref;
  }

  /** Room of a new node, to begin with: a list that has nodes already will have more elements soon. */
  #roomFirst(): number {
    const { nodeCount } = this;
    if (nodeCount === 0) return 0;
    // Where nodes hold few elements they have to be exact.
    if (nodeCount < NODES_MANY || this.fill >= 0) return ROOM_FIRST;
    return nodeBytesMax(this.fill);
  }

  /** A node of one large element, in no list yet. */
  createPlain(source: Buffer, off: number, len: number): number {
    const ref = this.createNode(len === 0 ? 1 : len, NodeFlag.Plain);
    copyBytes(source, off, this.dataBuffer(ref), this.dataOffset(ref), len);
    this.setNode(ref, ListNode.Count, 1);
    this.setNode(ref, ListNode.Size, len);
    return ref;
  }

  /** Puts a new node into the chain, behind `old` or in front of it (0 in an empty list), and counts what it holds. */
  link(ref: number, old: number, after: boolean): void {
    const { words, root } = this;
    let prev = 0;
    let next = 0;
    if (old !== 0) {
      prev = after ? old : this.node(old, ListNode.Prev);
      next = after ? this.node(old, ListNode.Next) : old;
    }
    this.setNode(ref, ListNode.Prev, prev);
    this.setNode(ref, ListNode.Next, next);
    if (prev === 0) words[root + ListRoot.Head] = ref;
    else this.setNode(prev, ListNode.Next, ref);
    if (next === 0) words[root + ListRoot.Tail] = ref;
    else this.setNode(next, ListNode.Prev, ref);
    words[root + ListRoot.Nodes]! += 1;
    words[root + ListRoot.Count]! += this.node(ref, ListNode.Count);
    this.addBytes(this.node(ref, ListNode.Size));
  }

  /** Takes a node out of the chain and frees it. */
  unlink(ref: number): void {
    const { words, root } = this;
    const prev = this.node(ref, ListNode.Prev);
    const next = this.node(ref, ListNode.Next);
    if (prev === 0) words[root + ListRoot.Head] = next;
    else this.setNode(prev, ListNode.Next, next);
    if (next === 0) words[root + ListRoot.Tail] = prev;
    else this.setNode(next, ListNode.Prev, prev);
    if (words[root + ListRoot.Mover] === ref) words[root + ListRoot.Mover] = next;
    words[root + ListRoot.Nodes]! -= 1;
    words[root + ListRoot.Count]! -= this.node(ref, ListNode.Count);
    this.addBytes(-this.node(ref, ListNode.Size));
    this.freeNode(ref);
  }

  /** Frees a node that is in no list. */
  freeNode(ref: number): void {
    this.arena.free(this.node(ref, ListNode.Data));
    this.arena.free(ref);
  }

  /** Counts bytes of data that came, or went if negative. */
  addBytes(bytes: number): void {
    const { words, root } = this;
    const low = words[root + ListRoot.BytesLow]!;
    const sum = (low + bytes) | 0;
    words[root + ListRoot.BytesLow] = sum;
    // As unsigned, a sum smaller than what was added to is one that passed 2^32.
    if (bytes >= 0) {
      if (sum >>> 0 < low >>> 0) words[root + ListRoot.BytesHigh]! += 1;
    } else if (sum >>> 0 > low >>> 0) words[root + ListRoot.BytesHigh]! -= 1;
  }

  // ---- room ----

  /**
   * Makes `need` bytes free in a packed node, in front of the listpack or behind it.
   * @throws OutOfMemoryError; nothing was changed
   */
  makeRoom(ref: number, need: number, inFront: boolean): void {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const size = words[w + ListNode.Size]!;
    const start = words[w + ListNode.Start]!;
    const room = words[w + ListNode.Room]!;
    if (inFront ? start >= need : room - start - size >= need) return;
    if (room - size >= need) {
      const data = this.dataOffset(ref);
      const to = inFront ? room - size : 0;
      moveBytes(this.dataBuffer(ref), data + start, data + to, size);
      words[w + ListNode.Start] = to;
      return;
    }
    const wanted = size + need;
    const eager = Math.min(wanted * 2, nodeBytesMax(this.fill));
    this.moveData(ref, eager > wanted ? eager : wanted, inFront);
  }

  /** Moves a packed node's listpack to a block of `room` bytes, to its end or its beginning. */
  moveData(ref: number, room: number, toEnd: boolean): void {
    const { arena } = this;
    const size = this.node(ref, ListNode.Size);
    const data = arena.alloc(room);
    const granted = blockBytes(room);
    const start = toEnd ? granted - size : 0;
    copyBytes(
      this.dataBuffer(ref),
      this.base(ref),
      this.buffers[data >>> REF_REGION_SHIFT]!,
      ((data & REF_MASK) << GRANULE_SHIFT) + start,
      size,
    );
    arena.free(this.node(ref, ListNode.Data));
    this.setNode(ref, ListNode.Data, data);
    this.setNode(ref, ListNode.Start, start);
    this.setNode(ref, ListNode.Room, granted);
  }

  /** Cuts a packed node's block to size, if there is memory to move to: it will hardly grow any more. */
  fit(ref: number): void {
    const size = this.node(ref, ListNode.Size);
    if ((this.node(ref, ListNode.Flags) & (NodeFlag.Plain | NodeFlag.Compressed)) !== 0) return;
    if (blockBytes(size) >= this.node(ref, ListNode.Room)) return;
    try {
      this.moveData(ref, size, false);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** To be called after a packed node has lost entries: gives memory back if much of it is free. */
  shrink(ref: number): void {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const room = words[w + ListNode.Room]!;
    if (room > SHRINK_ROOM_MIN && words[w + ListNode.Size]! * SHRINK_SHARE < room) this.fit(ref);
  }

  // ---- entries at the ends of a packed, uncompressed node ----

  /** @throws OutOfMemoryError; nothing was changed */
  prepend(ref: number, entry: EntryEncoder): void {
    const need = entry.size;
    this.makeRoom(ref, need, true);
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const data = words[w + ListNode.Data]!;
    const bytes = this.buffers[data >>> REF_REGION_SHIFT]!;
    const start = words[w + ListNode.Start]! - need;
    const size = words[w + ListNode.Size]! + need;
    const count = words[w + ListNode.Count]! + 1;
    const base = ((data & REF_MASK) << GRANULE_SHIFT) + start;
    writeListpackHeader(bytes, base, size, count);
    entry.write(bytes, base + LISTPACK_HEADER_BYTES);
    words[w + ListNode.Start] = start;
    words[w + ListNode.Size] = size;
    words[w + ListNode.Count] = count;
    this.words[this.root + ListRoot.Count]! += 1;
    this.addBytes(need);
  }

  /** @throws OutOfMemoryError; nothing was changed */
  append(ref: number, entry: EntryEncoder): void {
    const need = entry.size;
    this.makeRoom(ref, need, false);
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const data = words[w + ListNode.Data]!;
    const bytes = this.buffers[data >>> REF_REGION_SHIFT]!;
    const oldSize = words[w + ListNode.Size]!;
    const count = words[w + ListNode.Count]! + 1;
    const base = ((data & REF_MASK) << GRANULE_SHIFT) + words[w + ListNode.Start]!;
    entry.write(bytes, base + oldSize - 1);
    bytes[base + oldSize + need - 1] = LISTPACK_END;
    writeListpackHeader(bytes, base, oldSize + need, count);
    words[w + ListNode.Size] = oldSize + need;
    words[w + ListNode.Count] = count;
    this.words[this.root + ListRoot.Count]! += 1;
    this.addBytes(need);
  }

  /** Takes the first `gone` entries, which take `bytes` bytes, away from a node that has more. */
  dropFront(ref: number, bytes: number, gone: number): void {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const start = words[w + ListNode.Start]! + bytes;
    const size = words[w + ListNode.Size]! - bytes;
    const count = words[w + ListNode.Count]! - gone;
    writeListpackHeader(this.dataBuffer(ref), this.dataOffset(ref) + start, size, count);
    words[w + ListNode.Start] = start;
    words[w + ListNode.Size] = size;
    words[w + ListNode.Count] = count;
    this.#counted(-gone, -bytes);
    this.shrink(ref);
  }

  /** Takes the last `gone` entries, which begin at position `from`, away from a node that has more. */
  dropBack(ref: number, from: number, gone: number): void {
    const words = this.regions[ref >>> REF_REGION_SHIFT]!;
    const w = (ref & REF_MASK) << 2;
    const bytes = this.dataBuffer(ref);
    const base = this.dataOffset(ref) + words[w + ListNode.Start]!;
    const lost = words[w + ListNode.Size]! - 1 - from;
    const count = words[w + ListNode.Count]! - gone;
    bytes[base + from] = LISTPACK_END;
    writeListpackHeader(bytes, base, from + 1, count);
    words[w + ListNode.Size] = from + 1;
    words[w + ListNode.Count] = count;
    this.#counted(-gone, -lost);
    this.shrink(ref);
  }

  /** A node's listpack was edited in place: takes note of its bytes and entries. */
  edited(ref: number, size: number, count: number): void {
    this.#counted(count - this.node(ref, ListNode.Count), size - this.node(ref, ListNode.Size));
    this.setNode(ref, ListNode.Size, size);
    this.setNode(ref, ListNode.Count, count);
  }

  #counted(elements: number, bytes: number): void {
    this.words[this.root + ListRoot.Count]! += elements;
    this.addBytes(bytes);
  }
}
