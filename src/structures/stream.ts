// A stream as the keyspace knows it: freed, copied, checked and moved. What it consists of is stream-base.ts.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { listpackBytes } from './listpack.ts';
import type { RootedStructure } from './rooted.ts';
import { RootWord, STREAM_ROOT_WORDS, StreamBase } from './stream-base.ts';
import { copyWords, type StreamGroup } from './stream-group.ts';
import { compareIds, copyId, ID_WORDS, isLeastId, setLeastId } from './stream-id.ts';
import { BLOCK_REF_WORD } from './stream-tree.ts';

export { STREAM_ROOT_WORDS };

/** moveSparse(): where the groups begin in the numbers that say where to go on. */
const GROUPS_FROM = 2 ** 32;

export class Stream extends StreamBase implements RootedStructure {
  readonly rootWords = STREAM_ROOT_WORDS;
  moved = 0;
  readonly #id = new Int32Array(ID_WORDS);

  get blockCount(): number {
    const group = this.each;
    let count = this.blocks.size + (this.blocks.nodeBytes >> 9) + 1;
    for (let k = 0; k < this.groups.count; k++) {
      group.open(this.arena, this.groups.refAt(k));
      count += group.blockCount;
    }
    return count;
  }

  freeSome(budget: number): number {
    const { groups } = this;
    let left = this.blocks.freeSome(budget);
    while (left > 0 && groups.count > 0) {
      const group = this.each;
      group.open(this.arena, groups.refAt(groups.count - 1));
      left = group.freeSome(left);
      if (left <= 0) break;
      groups.remove(groups.count - 1);
      this.arena.free(group.ref);
      left--;
    }
    return left;
  }

  copyTo(arena: Arena, words: Int32Array, root: number): void {
    const copy = new Stream(this.memory);
    copy.open(arena, words, root);
    copy.clear();
    try {
      this.#copyBlocks(copy);
      this.#copyGroups(copy);
    } catch (error) {
      copy.freeSome(Number.POSITIVE_INFINITY);
      copy.clear();
      throw error;
    }
    for (let k = 0; k < RootWord.Tail; k++) words[root + k] = this.words[this.root + k]!;
  }

  #copyBlocks(copy: Stream): void {
    const { blocks } = this;
    for (let more = blocks.seekFirst(); more; more = blocks.next()) {
      this.openBlock();
      copy.appendBlock(blocks.words, blocks.at, this.block.bytes, this.block.base);
    }
  }

  /**
   * Adds a whole block behind the last one: for copies and RDB. Length and IDs of the root are the caller's.
   * @param master words of its master ID, from `i` on
   * @param bytes where the listpack begins at `base`: not in this arena's reach of being moved
   * @throws OutOfMemoryError; nothing was changed
   */
  appendBlock(master: Int32Array, i: number, bytes: Buffer, base: number): void {
    const { arena, words, root } = this;
    const size = listpackBytes(bytes, base);
    const ref = arena.alloc(size);
    const target = this.memory.bytes[ref >>> REF_REGION_SHIFT]!;
    bytes.copy(target, (ref & REF_MASK) << GRANULE_SHIFT, base, base + size);
    try {
      this.blocks.entry[BLOCK_REF_WORD] = ref;
      for (let k = 0; k < ID_WORDS; k++) this.blocks.entry[k] = master[i + k]!;
      this.blocks.append();
    } catch (error) {
      arena.free(ref);
      throw error;
    }
    words[root + RootWord.Granules]! += arena.capacity(ref) >> GRANULE_SHIFT;
    words[root + RootWord.Tail] = ref;
    copyId(master, i, words, root + RootWord.TailId);
  }

  #copyGroups(copy: Stream): void {
    const { groups } = this;
    for (let k = 0; k < groups.count; k++) {
      const group = this.each;
      group.open(this.arena, groups.refAt(k));
      const { nameBytes, nameOff, nameLen } = group;
      copy.createGroup(nameBytes, nameOff, nameLen, group.words, group.lastIdAt, 0);
      copyWordsOf(group, copy.group);
      group.copyTo(copy.group);
    }
  }

  eachBlock(visit: (ref: number) => void): void {
    this.blocks.eachBlock(visit);
    const { groups } = this;
    if (groups.tableRef !== 0) visit(groups.tableRef);
    for (let k = 0; k < groups.count; k++) {
      this.each.open(this.arena, groups.refAt(k));
      this.each.eachBlock(visit);
    }
  }

  bytes(samples: number): number {
    const { groups } = this;
    let bytes = this.entryBytes + this.blocks.nodeBytes;
    const count = groups.count;
    if (count === 0) return bytes;
    const looked = samples === 0 ? count : Math.min(count, samples);
    let sum = 0;
    for (let k = 0; k < looked; k++) {
      this.each.open(this.arena, groups.refAt(k));
      sum += this.each.bytes(samples);
    }
    bytes += this.arena.capacity(groups.tableRef);
    return bytes + Math.round((sum * count) / looked);
  }

  /** Blocks of entries first, then group by group; a group counts as one step, whatever its size. */
  moveSparse(limits: Int32Array, from: number, budget: number): number {
    const { groups, blocks } = this;
    this.moved = 0;
    let next = from;
    if (next < GROUPS_FROM) {
      next = blocks.moveSparse(limits, from, budget);
      this.moved = blocks.moved;
      this.#renewTail();
      if (next !== 0) return next;
      next = GROUPS_FROM;
    }
    for (let left = budget; next - GROUPS_FROM < groups.count; next++) {
      if (left <= 0) return next;
      left -= this.#moveGroup(next - GROUPS_FROM, limits);
    }
    return 0;
  }

  /** Finds the last block again, which may have moved. */
  #renewTail(): void {
    if (this.tail === 0) return;
    this.blocks.seekLast();
    this.words[this.root + RootWord.Tail] = this.blocks.ref;
  }

  /** @returns blocks looked at, about */
  #moveGroup(index: number, limits: Int32Array): number {
    const { groups, arena } = this;
    const group = this.each;
    if (index === 0 && groups.moveSparse(limits)) this.moved++;
    const ref = groups.refAt(index);
    if (arena.isSparse(ref, limits)) {
      groups.setRefAt(index, copyWords(this.memory, arena, ref));
      arena.free(ref);
      this.moved++;
    }
    group.open(arena, groups.refAt(index));
    this.moved += group.moveSparse(limits);
    return group.blockCount;
  }

  check(): void {
    const { blocks, block, words, root, arena } = this;
    blocks.check();
    let length = 0;
    let granules = 0;
    let last = 0;
    setLeastId(this.#id, 0);
    for (let more = blocks.seekFirst(); more; more = blocks.next()) {
      last = blocks.ref;
      const capacity = arena.checkBlock(last);
      granules += capacity >> GRANULE_SHIFT;
      this.openBlock();
      if (block.element.size > capacity) fail('a block beyond its memory');
      length += this.#checkBlock();
    }
    if (length !== this.length) fail(`${length} entries, ${this.length} counted`);
    if (granules !== words[root + RootWord.Granules]! >>> 0) fail('bytes of blocks differ');
    if (last !== this.tail) fail('the last block is another');
    if (last !== 0) {
      blocks.seekLast();
      if (compareIds(blocks.words, blocks.at, words, root + RootWord.TailId) !== 0)
        fail("the last block's ID");
    }
    if (compareIds(this.#id, 0, words, this.lastIdAt) > 0) fail('the last ID is less than an entry');
    this.firstEntryId(this.#id, 0);
    if (compareIds(this.#id, 0, words, this.firstIdAt) !== 0 && !isLeastId(words, this.firstIdAt))
      fail('the first ID');
    this.#checkGroups();
  }

  /** Checks the open block; #id is the entry before. @returns valid entries */
  #checkBlock(): number {
    const { block } = this;
    let valid = 0;
    let deleted = 0;
    for (let entry = block.first(); entry; entry = block.next()) {
      if (valid + deleted === 0 && compareIds(block.id, 0, this.blocks.words, this.blocks.at) < 0)
        fail('an entry before its block');
      if (compareIds(block.id, 0, this.#id, 0) <= 0) fail('entries out of order');
      copyId(block.id, 0, this.#id, 0);
      if (block.isDeleted) deleted++;
      else valid++;
    }
    if (valid !== block.count || deleted !== block.deleted)
      fail(`a block of ${valid} entries and ${deleted} deleted, ${block.count} and ${block.deleted} counted`);
    let back = 0;
    for (let entry = block.last(); entry; entry = block.previous()) back++;
    if (back !== valid + deleted) fail('a block is different backwards');
    return valid;
  }

  #checkGroups(): void {
    const { groups, arena } = this;
    if ((groups.tableRef === 0) !== (groups.count === 0)) fail('groups without a table');
    if (groups.tableRef !== 0 && arena.checkBlock(groups.tableRef) < groups.count * 4) fail('a short table');
    for (let k = 0; k < groups.count; k++) {
      this.each.open(arena, groups.refAt(k));
      this.each.check();
      if (k === 0) continue;
      groups.loadName(groups.refAt(k - 1));
      const { nameBytes, nameOff, nameLen } = groups;
      if (groups.find(nameBytes, nameOff, nameLen) !== k - 1) fail('groups out of order');
    }
  }
}

/** Copies the exact entries-read of a group. */
function copyWordsOf(from: StreamGroup, to: StreamGroup): void {
  const source = from.entriesReadAt;
  const target = to.entriesReadAt;
  to.words[target] = from.words[source]!;
  to.words[target + 1] = from.words[source + 1]!;
}

function fail(what: string): never {
  throw new Error(`stream: ${what}`);
}
