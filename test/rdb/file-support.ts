// Saves an in-process data set as an RDB file and loads files into one, as the threads of a server do together.

import { RecordView } from '../../src/keyspace/record.ts';
import { KeyWalk } from '../../src/keyspace/scan.ts';
import { EntryWriter } from '../../src/rdb/entry-writer.ts';
import { type LoadOptions, RdbLoader } from '../../src/rdb/file-loader.ts';
import { RdbScanner, type ScanOptions } from '../../src/rdb/file-scanner.ts';
import { BufferOutput, BufferSource, type RdbSource, readSection } from '../../src/rdb/file-source.ts';
import { type RdbFileOptions, RdbFileWriter } from '../../src/rdb/file-writer.ts';
import { EncodingLimits } from '../../src/rdb/limits.ts';
import { InProcess } from '../support/in-process.ts';

const FILE_OPTIONS: RdbFileOptions = {
  checksum: true,
  redisVersion: '7.4.0',
  createdAt: 1_700_000_000,
  usedMemory: 1_000_000,
  aofBase: false,
  sizes: [],
};

/** An instance with DEBUG. */
export function instance(): InProcess {
  const local = new InProcess();
  local.config.assign('enable-debug-command', 'yes');
  return local;
}

/** All entries of a data set in chunks, each of one database and at most `keys` keys. */
export function* chunksOf(
  local: InProcess,
  keys = 10,
): Generator<{ db: number; bytes: Buffer; version: number }> {
  const { keyspace, config } = local;
  const writer = new EntryWriter(keyspace, new EncodingLimits(config), config);
  const rec = new RecordView(keyspace.memory);
  for (let db = 0; db < keyspace.memory.databaseCount; db++) {
    for (const walk = new KeyWalk(); !walk.done; ) {
      const shard = keyspace.shards[walk.shard]!.acquire();
      walk.gather(shard, db, keys);
      writer.reset();
      for (let i = 0; i < walk.count; i++) {
        walk.meet(shard, db, i, rec);
        writer.write(shard, rec);
      }
      shard.release();
      if (writer.entries !== walk.count) throw new Error('entries were not counted');
      const bytes = Buffer.from(writer.out.bytes.subarray(0, writer.out.length));
      if (bytes.length > 0) yield { db, bytes, version: writer.version };
    }
  }
}

/** The data set as a file. */
export function save(local: InProcess, options: Partial<RdbFileOptions> = {}): Buffer {
  const output = new BufferOutput();
  const { memory } = local.keyspace;
  const sizes = Array.from({ length: memory.databaseCount }, (_, db) => ({
    keys: local.keyspace.size(db),
    expires: local.keyspace.expires(db),
  }));
  const writer = new RdbFileWriter(output, { ...FILE_OPTIONS, sizes, ...options });
  for (const { db, bytes, version } of chunksOf(local)) writer.entries(db, bytes, 0, bytes.length, version);
  const size = writer.finish();
  if (size !== output.bytes.length) throw new Error(`${size} bytes said, ${output.bytes.length} written`);
  return Buffer.from(output.bytes);
}

/** Loads a file. @returns what went over it */
export function load(
  local: InProcess,
  file: Buffer | RdbSource,
  options: Partial<ScanOptions & LoadOptions> = {},
): { scanner: RdbScanner; loader: RdbLoader; sections: number } {
  const source = Buffer.isBuffer(file) ? new BufferSource(file) : file;
  const { databaseCount } = local.keyspace.memory;
  const scanner = new RdbScanner(source, { checksum: true, databases: databaseCount, ...options });
  const loader = new RdbLoader(local.keyspace, new EncodingLimits(local.config), {
    databases: databaseCount,
    keepExpired: false,
    ...options,
  });
  let buffer: Buffer = Buffer.alloc(0);
  let sections = 0;
  for (; scanner.next(); sections++) {
    const { sectionPosition, sectionLength, sectionDb } = scanner;
    buffer = readSection(source, sectionPosition, sectionLength, buffer);
    loader.load(buffer, 0, sectionLength, sectionDb, sectionPosition);
  }
  return { scanner, loader, sections };
}

/** DEBUG DIGEST. */
export function digest(local: InProcess): unknown {
  return local.value('DEBUG', 'DIGEST');
}
