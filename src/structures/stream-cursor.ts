// Reads a range of a stream's entries, forwards or backwards. One cursor may be in use while the stream's own flyweight
// is used for its groups; entries must not be added or deleted meanwhile.

import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import type { Stream } from './stream.ts';
import { BlockCursor } from './stream-block.ts';
import { compareIds, copyId, ID_WORDS } from './stream-id.ts';
import { BlockTree } from './stream-tree.ts';

export class StreamCursor {
  /** At the current entry: its ID, fields and values. */
  readonly block: BlockCursor;
  readonly #memory: SharedMemory;
  readonly #blocks: BlockTree;
  readonly #from = new Int32Array(ID_WORDS);
  readonly #to = new Int32Array(ID_WORDS);
  #reverse = false;
  /** Whether a block is open. */
  #open = false;
  /** Whether entries from here on are inside the bound that the walk came from. */
  #inside = false;

  constructor(memory: SharedMemory) {
    this.#memory = memory;
    this.block = new BlockCursor(memory.bytes[0]!);
    this.#blocks = new BlockTree(memory);
  }

  /**
   * Begins a walk over the entries from one ID to another, both included; next() goes to the first.
   * @param from words of the lesser ID, from `i` on @param to words of the greater ID, from `j` on
   */
  start(stream: Stream, from: Int32Array, i: number, to: Int32Array, j: number, reverse: boolean): void {
    stream.openBlocks(this.#blocks);
    copyId(from, i, this.#from, 0);
    copyId(to, j, this.#to, 0);
    this.#reverse = reverse;
    this.#inside = false;
    this.#open = this.#blocks.size > 0 && (reverse ? this.#seekLast() : this.#seekFirst());
    if (this.#open) this.#openBlock();
  }

  /** Goes to the next entry that is not deleted. @returns false if there is none */
  next(): boolean {
    if (!this.#open) return false;
    if (this.#reverse ? this.#nextBack() : this.#nextForward()) return true;
    this.#open = false;
    return false;
  }

  #seekFirst(): boolean {
    return this.#blocks.seekIdBack(this.#from, 0) || this.#blocks.seekFirst();
  }

  #seekLast(): boolean {
    return this.#blocks.seekIdBack(this.#to, 0);
  }

  #openBlock(): void {
    const { words, at, ref } = this.#blocks;
    const bytes = this.#memory.bytes[ref >>> REF_REGION_SHIFT]!;
    this.block.open(bytes, (ref & REF_MASK) << GRANULE_SHIFT, words, at);
  }

  #nextForward(): boolean {
    const { block } = this;
    let there = block.at === 0 ? block.first() : block.next();
    for (;;) {
      for (; there; there = block.next()) {
        if (block.isDeleted) continue;
        if (compareIds(block.id, 0, this.#to, 0) > 0) return false;
        if (!this.#inside && compareIds(block.id, 0, this.#from, 0) < 0) continue;
        this.#inside = true;
        return true;
      }
      if (!this.#blocks.next()) return false;
      this.#openBlock();
      there = block.first();
    }
  }

  #nextBack(): boolean {
    const { block } = this;
    let there = block.at === 0 ? block.last() : block.previous();
    for (;;) {
      for (; there; there = block.previous()) {
        if (block.isDeleted) continue;
        if (compareIds(block.id, 0, this.#from, 0) < 0) return false;
        if (!this.#inside && compareIds(block.id, 0, this.#to, 0) > 0) continue;
        this.#inside = true;
        return true;
      }
      if (!this.#blocks.previous()) return false;
      this.#openBlock();
      there = block.last();
    }
  }
}
