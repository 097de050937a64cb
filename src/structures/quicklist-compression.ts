// Compressed nodes of a quicklist (quicklist.ts), with LZF: all but `depth` nodes at either end, as far as it is worth it.
//
// Reading goes by a copy in a buffer of the thread and leaves the node as it is. Who changes a node makes it uncompressed
// first (inflate), and settles the list after the change.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import { blockBytes } from '../memory/size-classes.ts';
import { copyBytes } from './bytes.ts';
import { lzfCompress, lzfDecompress } from './lzf.ts';
import { ListNode, NodeFlag, QuicklistNodes } from './quicklist-nodes.ts';

/** Smaller nodes are not compressed, and none that gains less. */
const COMPRESS_BYTES_MIN = 48;
const COMPRESS_GAIN_MIN = 8;
/** A scratch buffer larger than this is let go after use. */
const SCRATCH_KEEP = 1 << 20;
const SCRATCH_MIN = 65536;

export class QuicklistCompression extends QuicklistNodes {
  #scratch: Buffer = Buffer.alloc(0);

  /** A compressed node's data as it was, in a buffer of this thread; good until the next call. */
  decompressed(ref: number): Buffer {
    const size = this.node(ref, ListNode.Size);
    const scratch = this.scratch(size);
    const got = lzfDecompress(
      this.dataBuffer(ref),
      this.dataOffset(ref),
      this.node(ref, ListNode.Room),
      scratch,
      0,
      size,
    );
    if (got !== size) throw new Error('quicklist: a compressed node is damaged');
    return scratch;
  }

  /** A buffer of this thread of at least so many bytes. */
  scratch(bytes: number): Buffer {
    if (this.#scratch.length < bytes || this.#scratch.length > Math.max(SCRATCH_KEEP, bytes))
      this.#scratch = Buffer.allocUnsafeSlow(Math.max(bytes, SCRATCH_MIN));
    return this.#scratch;
  }

  /**
   * Makes a node uncompressed, for good.
   * @throws OutOfMemoryError; nothing was changed
   */
  inflate(ref: number): void {
    const flags = this.node(ref, ListNode.Flags);
    if ((flags & NodeFlag.Compressed) === 0) return;
    const size = this.node(ref, ListNode.Size);
    const bytes = this.decompressed(ref);
    const data = this.arena.alloc(size);
    copyBytes(bytes, 0, this.buffers[data >>> REF_REGION_SHIFT]!, (data & REF_MASK) << GRANULE_SHIFT, size);
    this.arena.free(this.node(ref, ListNode.Data));
    this.setNode(ref, ListNode.Data, data);
    this.setNode(ref, ListNode.Flags, flags & ~NodeFlag.Compressed);
    this.setNode(ref, ListNode.Start, 0);
    this.setNode(ref, ListNode.Room, blockBytes(size));
  }

  /** Compresses a node if that is worth it and there is memory for it. */
  deflate(ref: number): void {
    const flags = this.node(ref, ListNode.Flags);
    const size = this.node(ref, ListNode.Size);
    if ((flags & NodeFlag.Compressed) !== 0 || size < COMPRESS_BYTES_MIN) return;
    const scratch = this.scratch(size);
    const packed = lzfCompress(this.dataBuffer(ref), this.base(ref), size, scratch, 0, size);
    if (packed === 0 || packed + COMPRESS_GAIN_MIN >= size) return;
    let data = 0;
    try {
      data = this.arena.alloc(packed);
    } catch (error) {
      if (error instanceof OutOfMemoryError) return;
      throw error;
    }
    copyBytes(
      scratch,
      0,
      this.buffers[data >>> REF_REGION_SHIFT]!,
      (data & REF_MASK) << GRANULE_SHIFT,
      packed,
    );
    this.arena.free(this.node(ref, ListNode.Data));
    this.setNode(ref, ListNode.Data, data);
    this.setNode(ref, ListNode.Flags, flags | NodeFlag.Compressed);
    this.setNode(ref, ListNode.Start, 0);
    this.setNode(ref, ListNode.Room, packed);
  }

  /**
   * After nodes came or went: the `depth` nodes at either end are uncompressed, the next ones and `ref` (if it is not 0)
   * compressed. Without memory to decompress to, nodes stay compressed: every user can cope with that.
   */
  settle(ref: number): void {
    const { depth } = this;
    if (depth === 0 || this.nodeCount < depth * 2) return;
    let forward = this.head;
    let backward = this.tail;
    let within = ref === 0;
    for (let i = 0; i < depth; i++) {
      this.#inflateIfPossible(forward);
      this.#inflateIfPossible(backward);
      if (forward === ref || backward === ref) within = true;
      const next = this.node(forward, ListNode.Next);
      if (forward === backward || next === backward) return;
      forward = next;
      backward = this.node(backward, ListNode.Prev);
    }
    if (!within) this.deflate(ref);
    this.deflate(forward);
    this.deflate(backward);
  }

  #inflateIfPossible(ref: number): void {
    try {
      this.inflate(ref);
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
    }
  }
}
