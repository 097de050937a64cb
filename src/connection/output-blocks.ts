// Memory for replies between the moment they are made and the end of the turn, when they are written.
//
//   block  │ reply │ reply │ reply │ room │     64 KiB; one after the other, up to BLOCKS_MAX in a turn
//
// The kernel mostly takes all of a reply at once, so the same blocks serve turn after turn, and the garbage collector never
// hears of them: allocated one by one, replies of some KiB cost more than all the rest of a GET.
//
// Owner rule: a block is its turn's, unless somebody keeps a part of it (a socket that could not write, a reply that is held
// back): keep() leaves it to him, and another takes its place.

const BLOCK_BYTES = 64 * 1024;
/** In one turn. What goes beyond is allocated one by one. */
const BLOCKS_MAX = 32;
/** Shorter replies share what Node's own pool gives: a small part of a block must not keep all of it. */
const SHARE_BYTES_MIN = 4 * 1024;
const SHARE_BYTES_MAX = BLOCK_BYTES / 2;

export class OutputBlocks {
  readonly #blocks: Buffer[] = [];
  /** The block in use, and what is used of it. */
  #current = 0;
  #used = BLOCK_BYTES;

  /**
   * Copies a reply.
   * @param own whether it may be kept for long: then it gets memory of its own
   * @returns bytes that are valid until the end of the turn, or for good after keep()
   */
  copy(source: Buffer, length: number, own: boolean): Buffer {
    const bytes =
      own || length < SHARE_BYTES_MIN || length > SHARE_BYTES_MAX
        ? Buffer.allocUnsafe(length)
        : this.#take(length);
    source.copy(bytes, 0, 0, length);
    return bytes;
  }

  /** Bytes go on being needed behind the end of the turn. */
  keep(bytes: Buffer): void {
    const { buffer } = bytes;
    const at = this.#blocks.findIndex((block) => block.buffer === buffer);
    if (at >= 0) this.#blocks[at] = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    // The new one is as good as the old one where that goes on being filled: what is in front of it is not used.
  }

  /** All replies of the turn have been written, or kept. */
  endTurn(): void {
    this.#current = 0;
    this.#used = this.#blocks.length > 0 ? 0 : BLOCK_BYTES;
  }

  #take(length: number): Buffer {
    if (this.#used + length > BLOCK_BYTES && !this.#next()) return Buffer.allocUnsafe(length);
    const from = this.#used;
    this.#used += length;
    return this.#blocks[this.#current]!.subarray(from, this.#used);
  }

  /** Goes on to another block. @returns false if that would be one too many */
  #next(): boolean {
    const next = this.#blocks.length === 0 ? 0 : this.#current + 1;
    if (next === BLOCKS_MAX) return false;
    if (next === this.#blocks.length) this.#blocks.push(Buffer.allocUnsafeSlow(BLOCK_BYTES));
    this.#current = next;
    this.#used = 0;
    return true;
  }
}
