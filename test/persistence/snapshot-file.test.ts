// The file that a snapshot is written into: when it is done, what its syncs tell, and that it is closed in the end.

import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FaultyFiles, faultRule } from '../../src/persistence/faulty-files.ts';
import { type Done, systemFiles } from '../../src/persistence/files.ts';
import { OutputFile } from '../../src/persistence/snapshot-file.ts';
import { Folder } from './aof-workbench.ts';

/** A file system whose syncs in the background end when the test says so. */
class HeldSyncs extends FaultyFiles {
  readonly held: Done[] = [];
  override fdatasyncLater(_fd: number, done: Done): void {
    this.held.push(done);
  }
}

class Desk {
  readonly folder = new Folder();
  readonly files = new HeldSyncs(systemFiles);
  readonly file = new OutputFile(this.files, this.folder.join('temp.rdb'));
  readonly ends: (string | null)[] = [];

  write(bytes: number): void {
    this.file.write(Buffer.alloc(bytes), 0, bytes);
  }

  finish(): void {
    this.file.finish((error) => this.ends.push(error === null ? null : error.message));
  }

  get closes(): number {
    return this.files.trace.filter((line) => line.startsWith('close')).length;
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

const LARGE = 5 * 1024 * 1024;

describe('the file of a snapshot', () => {
  it('is done when all its syncs are, and knows if one of them has failed', () => {
    using desk = new Desk();
    desk.file.incrementalSync = true;
    desk.write(LARGE);
    desk.finish();
    const [first, last] = desk.files.held;
    // The system tells an error to one of those who ask.
    last!(null);
    expect([desk.ends, desk.closes]).toEqual([[], 0]);
    first!(new Error('lost'));
    expect([desk.ends, desk.closes]).toEqual([['lost'], 1]);
  });

  it('is closed when it is given up while it is finished', () => {
    using desk = new Desk();
    desk.write(10);
    desk.finish();
    desk.file.abandon(() => {});
    expect(readdirSync(desk.folder.path)).toEqual([]);
    expect(desk.closes).toBe(0);
    desk.files.held[0]!(null);
    expect(desk.closes).toBe(1);
  });

  it('is closed when it is given up while it is synced', () => {
    using desk = new Desk();
    desk.file.incrementalSync = true;
    desk.write(LARGE);
    desk.file.abandon(() => {});
    desk.files.held[0]!(new Error('lost'));
    expect([desk.ends, desk.closes]).toEqual([[], 1]);
  });

  it('has failed if closing it fails, which throws nothing', () => {
    using desk = new Desk();
    desk.files.setRules([faultRule({ call: 'close', error: 'EIO' })]);
    desk.write(10);
    desk.finish();
    desk.files.held[0]!(null);
    expect(desk.ends).toHaveLength(1);
    expect(desk.ends[0]).toMatch(/^EIO/);
    desk.file.abandon(() => {});
  });
});
