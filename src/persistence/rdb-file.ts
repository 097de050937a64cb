// A snapshot as an RDB file: the dump, or the base of the log.

import { RdbFileWriter } from '../rdb/file-writer.ts';
import type { OutputFile, SnapshotFacts, SnapshotFile } from './snapshot-file.ts';

export class RdbFile implements SnapshotFile {
  readonly output: OutputFile;
  #writer: RdbFileWriter | null = null;

  constructor(output: OutputFile) {
    this.output = output;
  }

  begin(facts: SnapshotFacts): void {
    this.#writer = new RdbFileWriter(this.output, { ...facts, createdAt: Math.floor(Date.now() / 1000) });
  }

  entries(db: number, version: number, _part: boolean, bytes: Buffer, off: number, len: number): void {
    this.#writer!.entries(db, bytes, off, len, version);
  }

  end(): void {
    this.#writer!.finish();
  }
}
