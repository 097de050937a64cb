// Where an RDB file is read from and written to: whoever owns files gives these, so that nothing here opens any.

import { allocateBytes } from './scratch.ts';

export interface RdbSource {
  /** Bytes of the file. */
  readonly size: number;
  /**
   * Reads bytes of the file.
   * @param position where in the file
   * @returns how many were read, up to `len`; 0 at the end
   */
  read(into: Buffer, off: number, len: number, position: number): number;
}

export interface RdbOutput {
  /** Appends bytes, all of them. They are the caller's again afterwards. @throws if that fails */
  write(bytes: Buffer, off: number, len: number): void;
  /** Writes over what was written at `position` of the file. @throws if that fails */
  writeAt(bytes: Buffer, off: number, len: number, position: number): void;
}

/** A file that lies in memory. */
export class BufferSource implements RdbSource {
  readonly size: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.size = bytes.length;
    this.#bytes = bytes;
  }

  read(into: Buffer, off: number, len: number, position: number): number {
    return this.#bytes.copy(into, off, position, Math.min(position + len, this.size));
  }
}

/** Gathers a file in memory. */
export class BufferOutput implements RdbOutput {
  #bytes: Buffer = Buffer.allocUnsafe(65536);
  #length = 0;

  write(bytes: Buffer, off: number, len: number): void {
    if (this.#length + len > this.#bytes.length) {
      const grown = allocateBytes(Math.max(this.#length + len, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    bytes.copy(this.#bytes, this.#length, off, off + len);
    this.#length += len;
  }

  writeAt(bytes: Buffer, off: number, len: number, position: number): void {
    bytes.copy(this.#bytes, position, off, off + len);
  }

  /** The file so far; good until more is written. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/**
 * Reads a section of a file as a scanner has found it (file-scanner.ts).
 * @param into used if it is large enough
 * @returns where the bytes are, from 0 on
 * @throws Error if the file has become shorter
 */
export function readSection(source: RdbSource, position: number, length: number, into: Buffer): Buffer {
  const bytes = into.length >= length ? into : allocateBytes(length);
  for (let done = 0; done < length; ) {
    const read = source.read(bytes, done, length - done, position + done);
    if (read === 0) throw new Error(`rdb: the file has no ${length} bytes at ${position} any more`);
    done += read;
  }
  return bytes;
}
