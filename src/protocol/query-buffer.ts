/**
 * Bytes of a connection that wait: those of a command that is not complete, kept from read to read.
 *
 *     bytes   │ copied so far           │ room │      blocks  │ 4 KiB │ 8 KiB │ ... │ 64 KiB │ 64 KiB │
 *             0                        end     capacity       └ behind `end`, in order
 *
 * Two ways of holding. Pieces are copied into `bytes`, which grows by doubling, so that n bytes cost O(n) copying
 * however small the pieces are. While a large argument is awaited (`need` says where it ends), they are copied into
 * blocks, and all is copied once more when all is there: a value of 512 MB is neither copied over and over as a buffer
 * grows, nor is memory taken for it before its bytes have come.
 *
 * Memory taken is at most twice the bytes that have arrived and 128 KiB, whatever lengths were declared; only while
 * `gather` copies it is that and once more what has arrived.
 */

import { COMMAND_BYTES_MAX } from './request-parser.ts';

/** The most bytes a buffer holds: offsets have 32 bits. */
export const QUERY_BYTES_MAX = COMMAND_BYTES_MAX;

/** From so many missing bytes on, pieces go to blocks (Redis's PROTO_MBULK_BIG_ARG). */
const BIG_BYTES = 32 * 1024;
const BLOCK_BYTES_MIN = 4 * 1024;
const BLOCK_BYTES_MAX = 64 * 1024;
const CAPACITY_MIN = 1024;
/** What may be allocated ahead for a declared length, or is left behind a large argument for what follows it. */
const AHEAD_BYTES = 64 * 1024;

const NO_BYTES = Buffer.alloc(0);
const NO_BLOCKS: Buffer[] = [];

export class QueryBuffer {
  /** [0, end) in one piece; all there is after `gather`. */
  bytes: Buffer;
  end: number;
  /** Bytes held. */
  size: number;
  /** Bytes copied, ever: what it costs. */
  copiedTotal: number;
  /** What came behind `end`. */
  private blocks: Buffer[];
  private blockMemory: number;
  /** The block that pieces go to, the last one, while it has room; its bytes used. */
  private block: Buffer;
  private blockUsed: number;

  constructor() {
    this.bytes = NO_BYTES;
    this.end = 0;
    this.size = 0;
    this.copiedTotal = 0;
    this.blocks = NO_BLOCKS;
    this.blockMemory = 0;
    this.block = NO_BYTES;
    this.blockUsed = 0;
  }

  /** Bytes of memory taken. */
  get memory(): number {
    return this.bytes.length + this.blockMemory;
  }

  /**
   * Adds [from, to) of a piece that was read. The caller sees to it that `size` stays within QUERY_BYTES_MAX.
   * @param need how many bytes must be held in all before anything can be done with them; 0 when unknown
   */
  append(piece: Buffer, from: number, to: number, need: number): void {
    const count = to - from;
    const size = this.size + count;
    this.size = size;
    if (this.blocks.length === 0) {
      if (size > this.bytes.length && need - this.end >= BIG_BYTES && need > this.bytes.length) {
        this.blocks = [];
      } else {
        if (size > this.bytes.length) this.grow(capacityFor(size, need));
        this.end += this.copy(piece, from, to, this.bytes, this.end);
        return;
      }
    }
    this.appendToBlocks(piece, from, to);
  }

  /** Puts all that is held in one piece: [0, end) of `bytes`. */
  gather(): void {
    if (this.blocks.length === 0) return;
    if (this.size > this.bytes.length) {
      // Exact the first time; if more large arguments follow in the same command, growing must be geometric.
      this.grow(
        Math.max(this.size + Math.min(AHEAD_BYTES, this.size >> 1), Math.floor(this.bytes.length * 1.5)),
      );
    }
    for (const block of this.blocks) {
      const used = block === this.block ? this.blockUsed : block.length;
      this.end += this.copy(block, 0, used, this.bytes, this.end);
    }
    this.dropBlocks();
  }

  /** Forgets all, and lets go of the memory. What `bytes` was stays as it is for who still reads it. */
  release(): void {
    this.bytes = NO_BYTES;
    this.end = 0;
    this.size = 0;
    this.dropBlocks();
  }

  private dropBlocks(): void {
    this.blocks = NO_BLOCKS;
    this.blockMemory = 0;
    this.block = NO_BYTES;
    this.blockUsed = 0;
  }

  private copy(from: Buffer, start: number, stop: number, to: Buffer, at: number): number {
    this.copiedTotal += stop - start;
    return from.copy(to, at, start, stop);
  }

  private grow(capacity: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.min(capacity, QUERY_BYTES_MAX));
    this.copy(this.bytes, 0, this.end, larger, 0);
    this.bytes = larger;
  }

  private appendToBlocks(piece: Buffer, from: number, to: number): void {
    while (from < to) {
      if (this.blockUsed === this.block.length) this.openBlock();
      const stop = Math.min(to, from + this.block.length - this.blockUsed);
      this.blockUsed += this.copy(piece, from, stop, this.block, this.blockUsed);
      from = stop;
    }
  }

  /** Blocks double, so that there are few of them. */
  private openBlock(): void {
    const bytes = Math.min(BLOCK_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, this.block.length * 2));
    this.block = Buffer.allocUnsafeSlow(bytes);
    this.blockUsed = 0;
    this.blocks.push(this.block);
    this.blockMemory += bytes;
  }
}

/**
 * How large `bytes` becomes when it must hold `size` bytes: twice that, or what the parser is known to need where
 * that is little more than what is here.
 */
function capacityFor(size: number, need: number): number {
  if (need >= size && need <= size + (size >> 1) + AHEAD_BYTES) return Math.max(need, CAPACITY_MIN);
  return Math.max(size * 2, CAPACITY_MIN);
}
