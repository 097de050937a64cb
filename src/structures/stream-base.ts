// A stream: entries in order of their IDs, in blocks (stream-block.ts) that hang from a counted tree, and its consumer
// groups (stream-group.ts).
//
//   root  word 0  length: entries, low, high
//              2  last ID given, 4 words
//              6  ID of the first entry, 0-0 if there is none
//             10  greatest ID ever deleted by XDEL
//             14  entries ever added, low, high
//             16  ref of the last block, 0 = none; the ID of its first entry, 4 words (a copy of the tree's last entry)
//             21  root of the tree of blocks (BlockTree)
//             25  table of groups: ref, count
//             27  16-byte granules of all blocks of entries
//
// Entries are added at the end only, so the last block is reached from the root. It grows by doubling up to the limit of
// a block; when the next one begins it is cut to its length. Entries deleted are marked in their block; a block
// without valid ones goes. All decisions of when a block ends, and its bytes, are Redis's.
//
// Stream adds what keeps values up (stream.ts). Trimming is stream-trim.ts, reading ranges stream-cursor.ts, the counts
// of consumer groups stream-lag.ts.

import type { Arena } from '../memory/arena.ts';
import { BLOCK_BYTES_MAX } from '../memory/arena.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { listpackBytes } from './listpack.ts';
import { BlockCursor } from './stream-block.ts';
import { BlockWriter, type EntrySource } from './stream-block-writer.ts';
import { addTo, GROUP_HEADER_WORDS, readNumber, StreamGroup } from './stream-group.ts';
import { compareIds, copyId, ID_WORDS, setLeastId } from './stream-id.ts';
import { NameTable } from './stream-names.ts';
import { BLOCK_REF_WORD, BlockTree, copyBlock } from './stream-tree.ts';

/** Words of a stream's root. */
export const STREAM_ROOT_WORDS = 28;
export const RootWord = {
  Length: 0,
  LastId: 2,
  FirstId: 6,
  MaxDeletedId: 10,
  EntriesAdded: 14,
  Tail: 16,
  TailId: 17,
  Blocks: 21,
  Groups: 25,
  Granules: 27,
} as const;

/** A block is never longer, whatever the configuration says. */
const STREAM_BLOCK_MAX = 1 << 30;
/** Above this a block grows by a quarter instead of doubling. */
const DOUBLING_MAX = 1024 * 1024;
/** Root, entries and groups; what keeps them up is Stream. */
export class StreamBase {
  readonly memory: SharedMemory;
  arena!: Arena;
  words: Int32Array;
  root = 0;
  readonly blocks: BlockTree;
  readonly groups: NameTable;
  /** The group that openGroup() or findGroup() opened last. */
  readonly group: StreamGroup;
  /** For this class's own looks at one block. */
  readonly block: BlockCursor;
  readonly writer: BlockWriter;
  /** Used where all groups are looked at while one is open. */
  protected readonly each: StreamGroup;

  constructor(memory: SharedMemory) {
    const some = memory.bytes[0]!;
    this.memory = memory;
    this.words = memory.words[0]!;
    this.blocks = new BlockTree(memory);
    this.groups = new NameTable(memory, GROUP_HEADER_WORDS);
    this.group = new StreamGroup(memory);
    this.block = new BlockCursor(some);
    this.writer = new BlockWriter(some);
    this.each = new StreamGroup(memory);
  }

  open(arena: Arena, words: Int32Array, root: number): void {
    this.arena = arena;
    this.words = words;
    this.root = root;
    this.blocks.open(arena, words, root + RootWord.Blocks);
    this.groups.open(arena, words, root + RootWord.Groups);
  }

  /** Points another flyweight at the tree of blocks. */
  openBlocks(tree: BlockTree): void {
    tree.open(this.arena, this.words, this.root + RootWord.Blocks);
  }

  /** Makes the root an empty stream. */
  clear(): void {
    this.words.fill(0, this.root, this.root + STREAM_ROOT_WORDS);
  }

  // ---- the root ----

  /** Entries. */
  get length(): number {
    return readNumber(this.words, this.root + RootWord.Length);
  }
  get size(): number {
    return this.length;
  }
  /** Where in `words` the last ID given is. */
  get lastIdAt(): number {
    return this.root + RootWord.LastId;
  }
  get firstIdAt(): number {
    return this.root + RootWord.FirstId;
  }
  get maxDeletedIdAt(): number {
    return this.root + RootWord.MaxDeletedId;
  }
  /** Where in `words` the number of entries ever added is: low word, high word. */
  get entriesAddedAt(): number {
    return this.root + RootWord.EntriesAdded;
  }
  get entriesAdded(): number {
    return readNumber(this.words, this.root + RootWord.EntriesAdded);
  }
  /** Bytes of all blocks of entries. */
  get entryBytes(): number {
    return (this.words[this.root + RootWord.Granules]! >>> 0) * 16;
  }
  /** The last block of entries, 0 if there is none. */
  get tail(): number {
    return this.words[this.root + RootWord.Tail]!;
  }

  // ---- entries ----

  /**
   * Adds an entry.
   * @param id words of its ID, from `i` on: greater than the last one
   * @param first argument index of the first field
   * @param bytesMax stream-node-max-bytes, 0 for no limit
   * @param entriesMax stream-node-max-entries, 0 for no limit
   * @returns false if it is too large to be stored; nothing was changed
   * @throws OutOfMemoryError; nothing was changed
   */
  append(
    id: Int32Array,
    i: number,
    source: EntrySource,
    first: number,
    pairs: number,
    bytesMax: number,
    entriesMax: number,
  ): boolean {
    const { words, root } = this;
    let raw = 0;
    for (let arg = first; arg < first + pairs * 2; arg++) raw += source.argLen[arg]!;
    if (raw > STREAM_BLOCK_MAX) return false;
    const limit = bytesMax === 0 || bytesMax > STREAM_BLOCK_MAX ? STREAM_BLOCK_MAX : bytesMax;
    if (this.#openTail(raw, limit, entriesMax)) {
      if (!this.#needTailRoom(this.writer.entryBytesMax(raw, pairs), limit)) return false;
      this.writer.append(id, i, words, root + RootWord.TailId, source, first, pairs);
    } else if (!this.#beginBlock(id, i, source, first, pairs)) return false;
    if (this.addLength(1) === 1) copyId(id, i, words, root + RootWord.FirstId);
    addTo(words, root + RootWord.EntriesAdded, 1);
    copyId(id, i, words, root + RootWord.LastId);
    return true;
  }

  /** Opens the last block in `writer` if the next entry belongs there. @param raw bytes of its fields and values */
  #openTail(raw: number, limit: number, entriesMax: number): boolean {
    const ref = this.tail;
    if (ref === 0) return false;
    const { writer } = this;
    writer.open(this.memory.bytes[ref >>> REF_REGION_SHIFT]!, (ref & REF_MASK) << GRANULE_SHIFT);
    if (writer.size + raw >= limit) return false;
    return entriesMax === 0 || writer.count + writer.deleted < entriesMax;
  }

  /** Makes room for `growth` more bytes in the last block, which is open. @returns false if no block can be so large */
  #needTailRoom(growth: number, limit: number): boolean {
    const ref = this.tail;
    const { size } = this.writer;
    const capacity = this.arena.capacity(ref);
    const need = size + growth;
    if (need <= capacity) return true;
    if (need > BLOCK_BYTES_MAX) return false;
    const wanted = size < DOUBLING_MAX ? size * 2 : size + (size >> 2);
    this.#moveTail(Math.max(need, Math.min(wanted, limit)));
    return true;
  }

  /** Moves the last block to one of another size and opens it there. @throws OutOfMemoryError; nothing was changed */
  #moveTail(bytes: number): void {
    const ref = this.tail;
    const fresh = copyBlock(this.memory, this.arena, ref, Math.min(bytes, BLOCK_BYTES_MAX));
    this.blocks.seekLast();
    this.replaceBlock(fresh);
    this.writer.open(this.memory.bytes[fresh >>> REF_REGION_SHIFT]!, (fresh & REF_MASK) << GRANULE_SHIFT);
  }

  /** Begins a block with an entry. @returns false if it is too large @throws OutOfMemoryError; nothing was changed */
  #beginBlock(id: Int32Array, i: number, source: EntrySource, first: number, pairs: number): boolean {
    const { words, root, writer } = this;
    const size = writer.newBlockBytes(source, first, pairs);
    if (size > BLOCK_BYTES_MAX) return false;
    const ref = this.arena.alloc(size);
    try {
      this.blocks.entry[BLOCK_REF_WORD] = ref;
      for (let k = 0; k < ID_WORDS; k++) this.blocks.entry[k] = id[i + k]!;
      this.blocks.append();
    } catch (error) {
      this.arena.free(ref);
      throw error;
    }
    writer.writeBlock(
      this.memory.bytes[ref >>> REF_REGION_SHIFT]!,
      (ref & REF_MASK) << GRANULE_SHIFT,
      source,
      first,
      pairs,
    );
    words[root + RootWord.Granules]! += blockBytes(size) >> GRANULE_SHIFT;
    const old = this.tail;
    words[root + RootWord.Tail] = ref;
    copyId(id, i, words, root + RootWord.TailId);
    if (old !== 0) this.#cut(old);
    return true;
  }

  /** Gives back what the block before the last does not need. */
  #cut(ref: number): void {
    const bytes = this.memory.bytes[ref >>> REF_REGION_SHIFT]!;
    const size = listpackBytes(bytes, (ref & REF_MASK) << GRANULE_SHIFT);
    if (blockBytes(size) >= this.arena.capacity(ref)) return;
    this.blocks.seekLast();
    this.blocks.previous();
    try {
      this.replaceBlock(copyBlock(this.memory, this.arena, ref, size));
    } catch (error) {
      // It stays as it is.
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }

  /** Opens the block at the tree's cursor in `block`. */
  openBlock(): void {
    const { blocks } = this;
    const ref = blocks.ref;
    const bytes = this.memory.bytes[ref >>> REF_REGION_SHIFT]!;
    this.block.open(bytes, (ref & REF_MASK) << GRANULE_SHIFT, blocks.words, blocks.at);
  }

  /** Puts another block in the place of the one at the tree's cursor, which is freed. */
  replaceBlock(fresh: number): void {
    const { blocks, words, root, arena } = this;
    const old = blocks.ref;
    blocks.words[blocks.at + BLOCK_REF_WORD] = fresh;
    if (words[root + RootWord.Tail] === old) words[root + RootWord.Tail] = fresh;
    words[root + RootWord.Granules]! += (arena.capacity(fresh) - arena.capacity(old)) >> GRANULE_SHIFT;
    arena.free(old);
  }

  /** Frees the block at the tree's cursor, which is nowhere then. */
  removeBlock(): void {
    const { blocks, words, root, arena } = this;
    const ref = blocks.ref;
    words[root + RootWord.Granules]! -= arena.capacity(ref) >> GRANULE_SHIFT;
    blocks.removeHere();
    arena.free(ref);
    if (words[root + RootWord.Tail] !== ref) return;
    if (!blocks.seekLast()) {
      words.fill(0, root + RootWord.Tail, root + RootWord.Tail + 1 + ID_WORDS);
      return;
    }
    words[root + RootWord.Tail] = blocks.ref;
    copyId(blocks.words, blocks.at, words, root + RootWord.TailId);
  }

  /**
   * Makes sure that the counts of the block at the tree's cursor, which is open, can be written; opens it again if it
   * had to move. @throws OutOfMemoryError; nothing was changed
   */
  needCountRoom(count: number, deleted: number): void {
    const { block, writer, arena } = this;
    if (count <= 127 && deleted <= 127 && block.count <= 127) return;
    const need = block.element.size + writer.countsGrowth(block.bytes, block.base, count, deleted);
    if (need <= arena.capacity(this.blocks.ref)) return;
    const at = block.at - block.base;
    this.replaceBlock(copyBlock(this.memory, arena, this.blocks.ref, need));
    this.openBlock();
    if (at > 0) block.goTo(at);
  }

  /** @returns the new length */
  addLength(by: number): number {
    return addTo(this.words, this.root + RootWord.Length, by);
  }

  /**
   * Deletes an entry. The first ID and the greatest one deleted are the caller's.
   * @returns whether it was there
   * @throws OutOfMemoryError; nothing was changed
   */
  delete(id: Int32Array, i: number): boolean {
    if (!this.findEntry(id, i)) return false;
    const { block } = this;
    const { count, deleted } = block;
    if (count === 1) this.removeBlock();
    else {
      this.needCountRoom(count - 1, deleted + 1);
      this.writer.markDeleted(block);
      this.writer.setCounts(block.bytes, block.base, count - 1, deleted + 1);
    }
    this.addLength(-1);
    return true;
  }

  /** Opens the block of an entry and goes there. @returns whether it is there and not deleted */
  findEntry(id: Int32Array, i: number): boolean {
    const { blocks, block } = this;
    if (!blocks.seekIdBack(id, i)) return false;
    this.openBlock();
    for (let more = block.first(); more; more = block.next()) {
      const order = compareIds(block.id, 0, id, i);
      if (order === 0 && !block.isDeleted) return true;
      if (order > 0) return false;
    }
    return false;
  }

  /** Finds the ID of the first entry. @returns false, and 0-0, if there is none */
  firstEntryId(out: Int32Array, i: number): boolean {
    const { blocks, block } = this;
    setLeastId(out, i);
    for (let more = blocks.seekFirst(); more; more = blocks.next()) {
      this.openBlock();
      for (let entry = block.first(); entry; entry = block.next()) {
        if (block.isDeleted) continue;
        copyId(block.id, 0, out, i);
        return true;
      }
    }
    return false;
  }

  /** As firstEntryId, of the last entry. */
  lastEntryId(out: Int32Array, i: number): boolean {
    const { blocks, block } = this;
    setLeastId(out, i);
    for (let more = blocks.seekLast(); more; more = blocks.previous()) {
      this.openBlock();
      for (let entry = block.last(); entry; entry = block.previous()) {
        if (block.isDeleted) continue;
        copyId(block.id, 0, out, i);
        return true;
      }
    }
    return false;
  }

  /** Sets the ID of the first entry anew, after entries were deleted. */
  renewFirstId(): void {
    this.firstEntryId(this.words, this.firstIdAt);
  }

  // ---- groups ----

  /** Opens the group of a name. @returns whether there is one */
  findGroup(name: Buffer, off: number, len: number): boolean {
    const index = this.groups.find(name, off, len);
    if (index < 0) return false;
    this.openGroup(index);
    return true;
  }

  openGroup(index: number): void {
    this.group.open(this.arena, this.groups.refAt(index));
  }

  /**
   * Makes a group and opens it.
   * @param id words of the last ID delivered, from `i` on @param entriesRead -1: unknown
   * @returns false if there is one of this name
   * @throws OutOfMemoryError; nothing was changed
   */
  createGroup(
    name: Buffer,
    off: number,
    len: number,
    id: Int32Array,
    i: number,
    entriesRead: number,
  ): boolean {
    const index = this.groups.find(name, off, len);
    if (index >= 0) return false;
    this.group.open(this.arena, this.groups.insert(-1 - index, name, off, len));
    this.group.begin(id, i, entriesRead);
    return true;
  }

  /** Deletes a group with all that it owns. @returns whether there was one */
  destroyGroup(name: Buffer, off: number, len: number): boolean {
    const index = this.groups.find(name, off, len);
    if (index < 0) return false;
    this.openGroup(index);
    this.group.freeSome(Number.POSITIVE_INFINITY);
    this.groups.remove(index);
    this.arena.free(this.group.ref);
    return true;
  }

  /** Whether a group has not got an entry yet, or has it pending. */
  isReferenced(id: Int32Array, i: number): boolean {
    const group = this.each;
    for (let k = 0; k < this.groups.count; k++) {
      group.open(this.arena, this.groups.refAt(k));
      if (compareIds(id, i, group.words, group.lastIdAt) > 0 || group.pending.findId(id, i)) return true;
    }
    return false;
  }

  /** Makes an entry pending in no group. @returns whether it was in any */
  dropReferences(id: Int32Array, i: number): boolean {
    const group = this.each;
    let dropped = false;
    for (let k = 0; k < this.groups.count; k++) {
      group.open(this.arena, this.groups.refAt(k));
      if (group.acknowledge(id, i)) dropped = true;
    }
    return dropped;
  }
}
