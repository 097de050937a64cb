// Builds a listpack in a buffer of its own: what a value is read into while it may still be small enough for one, and
// what ziplists and zipmaps become.
//
// One per thread, reused; `bytes[0, size)` is a whole listpack after finish(). Appending throws OutOfMemoryError when the
// buffer cannot grow.

import { encodeScore } from '../keyspace/zset-listpack.ts';
import {
  COUNT_UNKNOWN,
  EntryEncoder,
  LISTPACK_BYTES_MAX,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
} from '../structures/listpack.ts';
import { allocateBytes } from './scratch.ts';

const FIRST_BYTES = 4096;
/** A buffer larger than this is not kept for the next listpack. */
const KEEP_BYTES = 1024 * 1024;
/** What an entry takes beside its bytes, at most. */
const OVERHEAD_MAX = 10;
const SCORE_TEXT_MAX = 32;

export class ListpackBuilder {
  bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  /** Bytes of the listpack, its end included. */
  size = LISTPACK_HEADER_BYTES + 1;
  /** Entries. */
  count = 0;
  readonly #digits = Buffer.alloc(SCORE_TEXT_MAX);
  readonly #entry = new EntryEncoder(this.bytes);

  /** Begins an empty listpack. */
  reset(): void {
    if (this.bytes.length > KEEP_BYTES) this.bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.size = LISTPACK_HEADER_BYTES + 1;
    this.count = 0;
  }

  /** Whether it is longer than listpacks may be: then it must not be finished. */
  get isTooLong(): boolean {
    return this.size > LISTPACK_BYTES_MAX;
  }

  /** Appends bytes, as an integer if they are the text of one. They must not lie in this listpack. */
  append(source: Buffer, off: number, len: number): void {
    this.#entry.set(source, off, len);
    this.#write(len + OVERHEAD_MAX);
  }

  /** Appends an integer of two words. */
  appendWords(low: number, high: number): void {
    this.#entry.setWords(low, high);
    this.#write(OVERHEAD_MAX);
  }

  /** Appends a safe integer. */
  appendInteger(value: number): void {
    this.#entry.setInteger(value);
    this.#write(OVERHEAD_MAX);
  }

  /** Appends the score of a sorted set's member. */
  appendScore(score: number): void {
    encodeScore(this.#entry, score, this.#digits);
    this.#write(SCORE_TEXT_MAX + OVERHEAD_MAX);
  }

  /** Writes header and end. */
  finish(): void {
    const { bytes, size } = this;
    bytes.writeInt32LE(size, 0);
    bytes.writeUInt16LE(Math.min(this.count, COUNT_UNKNOWN), 4);
    bytes[size - 1] = LISTPACK_END;
  }

  #write(bytesMax: number): void {
    const wanted = this.size + bytesMax;
    if (wanted > this.bytes.length) {
      const grown = allocateBytes(wanted * 2);
      this.bytes.copy(grown, 0, 0, this.size);
      this.bytes = grown;
    }
    this.#entry.write(this.bytes, this.size - 1);
    this.size += this.#entry.size;
    this.count++;
  }
}
