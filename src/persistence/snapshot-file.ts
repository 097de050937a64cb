// A file that a snapshot is written into: under a temporary name, synced in the background while it grows and at the end,
// so that the rings are read meanwhile. What is in it: rdb-file.ts or commands-file.ts.

import type { RdbOutput } from '../rdb/file-source.ts';
import type { DatabaseSize } from '../rdb/file-writer.ts';
import { type FilePath, type Files, OpenMode, writeAll } from './files.ts';
import { type LatencySink, tellLatency } from './log.ts';

/** Bytes between two syncs of a file that grows (rdb-save-incremental-fsync), as Redis's. */
const SYNC_BYTES = 4 * 1024 * 1024;

/** What is known when a snapshot begins. */
export interface SnapshotFacts {
  readonly checksum: boolean;
  readonly redisVersion: string;
  readonly aofBase: boolean;
  readonly usedMemory: number;
  readonly sizes: readonly DatabaseSize[];
  readonly libraries: readonly Buffer[];
}

/** All methods throw the system's error. */
export interface SnapshotFile {
  readonly output: OutputFile;
  /** Writes the beginning. */
  begin(facts: SnapshotFacts): void;
  /** @param part whether the last entry goes on in the next call */
  entries(db: number, version: number, part: boolean, bytes: Buffer, off: number, len: number): void;
  /** Writes the end. */
  end(): void;
}

export class OutputFile implements RdbOutput {
  readonly path: FilePath;
  /** rdb-save-incremental-fsync, or aof-rewrite-incremental-fsync. */
  incrementalSync = false;
  readonly #files: Files;
  readonly #fd: number;
  #written = 0;
  #synced = 0;
  #syncs = 0;
  #closed = false;
  #isOpen = true;
  /** Told at the end, once no sync runs any more: an error is told to one sync of those that it meets. */
  #finished: ((error: Error | null) => void) | null = null;
  /** What a sync in the background has failed with. */
  #failure: Error | null = null;

  /** @throws the system's error, here and below */
  constructor(files: Files, path: FilePath) {
    this.#files = files;
    this.path = path;
    this.#fd = files.open(path, OpenMode.WriteEmpty);
  }

  write(bytes: Buffer, off: number, len: number): void {
    if (this.#failure !== null) throw this.#failure;
    writeAll(this.#files, this.#fd, bytes.subarray(off, off + len), this.#written);
    this.#written += len;
    if (!this.incrementalSync || this.#syncs > 0 || this.#written - this.#synced < SYNC_BYTES) return;
    this.#synced = this.#written;
    this.#sync();
  }

  #sync(): void {
    this.#syncs++;
    this.#files.fdatasyncLater(this.#fd, (error) => {
      this.#syncs--;
      this.#failure ??= error;
      if (this.#syncs > 0) return;
      if (this.#closed) this.#closeFile();
      if (this.#finished === null) return;
      this.#close();
      this.#finished(this.#failure);
    });
  }

  writeAt(bytes: Buffer, off: number, len: number, position: number): void {
    writeAll(this.#files, this.#fd, bytes.subarray(off, off + len), position);
  }

  /** @param done called when all is on the disk, and the file closed */
  finish(done: (error: Error | null) => void): void {
    this.#finished = done;
    this.#sync();
  }

  /** Gives up: closes and removes the file, as far as that is possible. */
  abandon(latency: LatencySink): void {
    this.#close();
    const start = performance.now();
    // A disk that fails or is full of errors: the next attempt empties the file of this name.
    this.#files.unlinkLater(this.path, () => tellLatency(latency, 'rdb-unlink-temp-file', start));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncs === 0) this.#closeFile();
  }

  #closeFile(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#files.close(this.#fd);
    } catch (error) {
      // Some file systems tell only now that they have no room.
      this.#failure ??= error as Error;
    }
  }
}
