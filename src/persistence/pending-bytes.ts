/**
 * Bytes on their way into a file: appended at the end, written from the beginning, forgotten when they are written.
 *
 *     chunk   │ written │ pending ......... │   │ pending .....╎..... │ room │
 *                       start               used               mark   used
 *
 * In chunks, so that a backlog (of a disk that is full, say) neither moves nor takes twice its memory as it grows. Each
 * chunk knows the last mark in it: where the file may end so that it holds nothing by halves.
 */

const CHUNK_BYTES = 256 * 1024;

export interface Chunk {
  readonly bytes: Buffer;
  used: number;
  /** Just behind the last whole unit that ends in here; 0 if none does. */
  mark: number;
}

function newChunk(size: number): Chunk {
  return { bytes: Buffer.allocUnsafeSlow(size), used: 0, mark: 0 };
}

export class PendingBytes {
  /** Bytes that are there. */
  length = 0;
  /** The first may be written in part; the last has the room. */
  readonly chunks: Chunk[];
  /** Where the pending bytes of the first chunk begin. */
  start = 0;
  #last: Chunk;

  constructor() {
    this.#last = newChunk(CHUNK_BYTES);
    this.chunks = [this.#last];
  }

  /** Bytes of memory taken. */
  get memory(): number {
    let sum = 0;
    for (const chunk of this.chunks) sum += chunk.bytes.length;
    return sum;
  }

  /** Appends bytes; they are copied. */
  append(source: Buffer, off: number, len: number): void {
    const last = this.#last;
    if (len > last.bytes.length - last.used) {
      this.#appendAcross(source, off, len);
      return;
    }
    source.copy(last.bytes, last.used, off, off + len);
    last.used += len;
    this.length += len;
  }

  /** Fills the last chunk, and puts the rest into a new one. */
  #appendAcross(source: Buffer, off: number, len: number): void {
    const last = this.#last;
    const fits = last.bytes.length - last.used;
    source.copy(last.bytes, last.used, off, off + fits);
    last.used += fits;
    const rest = newChunk(Math.max(CHUNK_BYTES, len - fits));
    source.copy(rest.bytes, 0, off + fits, off + len);
    rest.used = len - fits;
    this.chunks.push(rest);
    this.#last = rest;
    this.length += len;
  }

  /** What was appended so far is whole. */
  mark(): void {
    this.#last.mark = this.#last.used;
  }

  /** Forgets the first `count` bytes. */
  consume(count: number): void {
    this.length -= count;
    while (count > 0) {
      const first = this.chunks[0]!;
      const pending = first.used - this.start;
      if (count < pending) {
        this.start += count;
        return;
      }
      count -= pending;
      this.start = 0;
      if (first === this.#last) {
        this.#restart(first);
        return;
      }
      this.chunks.shift();
    }
  }

  /** All is written: the last chunk begins anew, in the usual size. */
  #restart(last: Chunk): void {
    if (last.bytes.length > CHUNK_BYTES) {
      this.#last = newChunk(CHUNK_BYTES);
      this.chunks[0] = this.#last;
      return;
    }
    last.used = 0;
    last.mark = 0;
  }

  /** Forgets all. */
  clear(): void {
    this.consume(this.length);
  }
}
