// Reads a file from its beginning to its end as RdbReader reads bytes, through a window that moves over it, and sums it up.
//
//   file     ....................[ window: bytes[0, end) ]................
//                                base      base + at
//
// The window grows only for strings that are to be looked at (facts, functions), never for values, which are passed over.

import { Crc64 } from './crc64.ts';
import { RdbFault, RdbFileError, shortRead } from './file-error.ts';
import type { RdbSource } from './file-source.ts';
import { RdbReader } from './rdb-reader.ts';
import { allocateBytes } from './scratch.ts';

const WINDOW_BYTES = 256 * 1024;
/** Longest string that is looked at, in bytes. */
const STRING_BYTES_MAX = 512 * 1024 * 1024;

export class FileReader extends RdbReader {
  /** Where in the file reading has failed. */
  failedAt = 0;
  /** Whether it failed because the file ends. */
  truncated = false;
  readonly #source: RdbSource;
  readonly #crc: Crc64 | null;
  /** Position of the window in the file. */
  #base = 0;
  /** Up to here the window is in the checksum. */
  #summed = 0;

  /** @param summed whether the checksum is wanted @param position where to begin */
  constructor(source: RdbSource, summed: boolean, position = 0) {
    super();
    this.#source = source;
    this.#crc = summed ? new Crc64() : null;
    this.#base = position;
    this.bytes = allocateBytes(WINDOW_BYTES);
  }

  /** Position in the file of the next byte. */
  get position(): number {
    return this.#base + this.at;
  }

  /** Bytes left in the file. */
  override get left(): number {
    return this.#source.size - this.position;
  }

  override fail(): false {
    if (!this.failed) this.failedAt = this.position;
    return super.fail();
  }

  /** Whether `count` bytes are left, which are then all in the window; fails otherwise. */
  override has(count: number): boolean {
    if (count <= this.end - this.at) return true;
    if (this.failed) return false;
    if (count > this.left) return this.#failTruncated();
    if (count > STRING_BYTES_MAX) return this.fail();
    this.#moveWindow(count);
    return this.#fill(count);
  }

  override count(bytesEach: number): number {
    const count = this.len();
    if (this.failed || count * bytesEach <= this.left) return count;
    this.#failTruncated();
    return 0;
  }

  override skip(count: number): void {
    if (count <= this.end - this.at) {
      this.at += count;
      return;
    }
    if (this.failed) return;
    if (count > this.left) {
      this.#failTruncated();
      return;
    }
    if (this.#crc === null) this.#jump(count);
    else this.#readOver(count);
  }

  /** The checksum of all that was read so far. */
  checksum(): Crc64 {
    this.#sum();
    return this.#crc!;
  }

  /** What went wrong. */
  error(): RdbFileError {
    if (this.truncated) return shortRead(this.failedAt);
    return new RdbFileError(RdbFault.Corrupt, 'Internal error in RDB reading: bad length', this.failedAt);
  }

  #failTruncated(): false {
    this.truncated = !this.failed;
    return this.fail();
  }

  #jump(count: number): void {
    this.#base += this.at + count;
    this.at = 0;
    this.end = 0;
  }

  #readOver(count: number): void {
    for (let left = count; left > 0; ) {
      const here = Math.min(left, this.end - this.at);
      this.at += here;
      left -= here;
      if (left === 0) return;
      this.#moveWindow(1);
      if (!this.#fill(1)) return;
    }
  }

  /** Adds what has been read to the checksum. */
  #sum(): void {
    this.#crc?.update(this.bytes, this.#summed, this.at - this.#summed);
    this.#summed = this.at;
  }

  /** Makes the window begin at the next byte, with room for `count` bytes. */
  #moveWindow(count: number): void {
    this.#sum();
    const { bytes, at, end } = this;
    const large = Math.max(count, WINDOW_BYTES);
    this.bytes = large === bytes.length ? bytes : allocateBytes(large);
    bytes.copy(this.bytes, 0, at, end);
    this.#base += at;
    this.end = end - at;
    this.at = 0;
    this.#summed = 0;
  }

  /** Fills the window, at least up to `count` bytes. */
  #fill(count: number): boolean {
    while (this.end < count) {
      const read = this.#source.read(
        this.bytes, this.end, this.bytes.length - this.end, this.#base + this.end,
      ); // biome-ignore format: many short arguments
      if (read === 0) return this.#failTruncated();
      this.end += read;
    }
    return true;
  }
}
