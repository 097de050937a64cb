// An RDB file on its way: written under a temporary name, synced in the background while it grows and at the end, so that
// the rings are read meanwhile.

import type { RdbOutput } from '../rdb/file-source.ts';
import { type DatabaseSize, RdbFileWriter } from '../rdb/file-writer.ts';
import { type FilePath, type Files, OpenMode, writeAll } from './files.ts';

/** Bytes between two syncs of a file that grows (rdb-save-incremental-fsync), as Redis's. */
const SYNC_BYTES = 4 * 1024 * 1024;

export interface RdbFileFacts {
  readonly checksum: boolean;
  readonly incrementalSync: boolean;
  readonly redisVersion: string;
  readonly aofBase: boolean;
  readonly usedMemory: number;
  readonly sizes: readonly DatabaseSize[];
}

export class RdbFile implements RdbOutput {
  readonly path: FilePath;
  readonly #files: Files;
  readonly #fd: number;
  #writer: RdbFileWriter | null = null;
  #incrementalSync = false;
  #written = 0;
  #synced = 0;
  #syncs = 0;
  #closed = false;
  /** What a sync in the background has failed with. */
  #failure: Error | null = null;

  /** @throws the system's error */
  constructor(files: Files, path: FilePath) {
    this.#files = files;
    this.path = path;
    this.#fd = files.open(path, OpenMode.WriteEmpty);
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#written;
  }

  /** Writes the beginning. @throws the system's error, here and below */
  begin(facts: RdbFileFacts): void {
    this.#incrementalSync = facts.incrementalSync;
    this.#writer = new RdbFileWriter(this, { ...facts, createdAt: Math.floor(Date.now() / 1000) });
  }

  entries(db: number, version: number, bytes: Buffer, off: number, len: number): void {
    this.#writer!.entries(db, bytes, off, len, version);
    if (this.#failure !== null) throw this.#failure;
  }

  /** Writes the end. @param done called when all is on the disk, and the file closed */
  finish(done: (error: Error | null) => void): void {
    this.#writer!.finish();
    this.#syncs++;
    this.#files.fdatasyncLater(this.#fd, (error) => {
      this.#syncs--;
      const failure = error ?? this.#failure;
      this.#close();
      done(failure);
    });
  }

  /** Gives up: closes and removes the file, as far as that is possible. */
  abandon(): void {
    this.#close();
    try {
      this.#files.unlink(this.path);
    } catch {
      // A disk that fails or is full of errors: the next attempt empties the file of this name.
    }
  }

  write(bytes: Buffer, off: number, len: number): void {
    writeAll(this.#files, this.#fd, bytes.subarray(off, off + len), this.#written);
    this.#written += len;
    if (!this.#incrementalSync || this.#syncs > 0 || this.#written - this.#synced < SYNC_BYTES) return;
    this.#synced = this.#written;
    this.#syncs++;
    this.#files.fdatasyncLater(this.#fd, (error) => {
      this.#syncs--;
      this.#failure ??= error;
      if (this.#closed && this.#syncs === 0) this.#files.close(this.#fd);
    });
  }

  writeAt(bytes: Buffer, off: number, len: number, position: number): void {
    writeAll(this.#files, this.#fd, bytes.subarray(off, off + len), position);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncs === 0) this.#files.close(this.#fd);
  }
}
