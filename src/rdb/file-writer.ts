// Writes an RDB file around entries that others have written (entry-writer.ts):
//
//   "REDIS" version (4 digits)
//   250 name value ...                  facts, as Redis 7.0 writes them
//   245 code ...                        libraries of functions
//   254 db  [251 keys expires]  entries | again, as the entries come: databases may come back
//   255  checksum of all before it (8 bytes, little endian; 0: none)
//
// The version is known only at the end: 10 (Redis 7.0) unless an entry needs a newer one. The header says 10, or what
// the caller knows already, and is written over at the end if that is wrong; as checksums are linear, that of the whole
// file follows from what it was and from the difference.
//
// Not here: names, temporary files, fsync.

import { appendZeros, Crc64 } from './crc64.ts';
import type { RdbOutput } from './file-source.ts';
import { RdbOpcode, RdbVersion } from './rdb-format.ts';
import { RdbWriter } from './rdb-writer.ts';

/** Bytes gathered before they are written. */
const GATHER_BYTES = 256 * 1024;
/** Entries of more bytes are written from where they are. */
const DIRECT_BYTES = 32 * 1024;
const HEADER_BYTES = 9;
const NO_DB = -1;

/** Keys of a database at the moment of the snapshot: a hint for whoever loads the file. */
export interface DatabaseSize {
  readonly keys: number;
  /** Those with an expiry. */
  readonly expires: number;
}

export interface RdbFileOptions {
  /** The lowest RdbVersion that is known to do. Default: that of Redis 7.0. */
  readonly version?: number;
  /** Whether there is a checksum: `rdbchecksum`. */
  readonly checksum: boolean;
  /** The version of Redis that the file says it is from. */
  readonly redisVersion: string;
  /** Unix time in seconds of the snapshot. */
  readonly createdAt: number;
  /** Bytes of memory in use. */
  readonly usedMemory: number;
  /** Whether the file is the base of an append-only file. */
  readonly aofBase: boolean;
  /** By number of database. */
  readonly sizes: readonly DatabaseSize[];
  /** Code of libraries of functions. Default: none. */
  readonly libraries?: readonly Buffer[];
  /** Where a replica would go on: names and values of more facts. */
  readonly replication?: { readonly db: number; readonly id: string; readonly offset: number };
}

export class RdbFileWriter {
  /** Bytes of the file so far. */
  size = 0;
  /** The version that the entries so far need. */
  version: number;
  readonly #output: RdbOutput;
  readonly #options: RdbFileOptions;
  readonly #crc = new Crc64();
  readonly #gathered = new RdbWriter();
  readonly #sized = new Set<number>();
  readonly #headerVersion: number;
  #db = NO_DB;

  /** Begins the file: header and facts. @throws what `output` throws, here and in all methods */
  constructor(output: RdbOutput, options: RdbFileOptions) {
    this.#output = output;
    this.#options = options;
    this.#headerVersion = options.version ?? RdbVersion.Redis70;
    this.version = this.#headerVersion;
    this.#gathered.ensure(GATHER_BYTES + DIRECT_BYTES);
    const header = headerOf(this.version);
    this.#gathered.raw(header, 0, HEADER_BYTES);
    this.#writeFacts();
    this.#writeLibraries();
  }

  /**
   * Appends entries of a database. The last one may end in the next call, if that is for the same database.
   * @param version the RdbVersion that they need
   */
  entries(db: number, bytes: Buffer, off: number, len: number, version: number = RdbVersion.Redis70): void {
    if (len === 0) return;
    const gathered = this.#gathered;
    if (db !== this.#db) this.#selectDb(db);
    if (version > this.version) this.version = version;
    if (len < DIRECT_BYTES) {
      gathered.raw(bytes, off, len);
      if (gathered.length >= GATHER_BYTES) this.#flush();
      return;
    }
    this.#flush();
    this.#write(bytes, off, len);
  }

  /** Ends the file. What is left to do is to make it safe and give it its name. @returns its size in bytes */
  finish(): number {
    const gathered = this.#gathered;
    gathered.byte(RdbOpcode.Eof);
    this.#flush();
    const crc = this.#crc;
    if (this.version !== this.#headerVersion) this.#correctVersion();
    if (this.#options.checksum) gathered.words(crc.low, crc.high);
    else gathered.words(0, 0);
    this.#flush();
    return this.size;
  }

  #writeFacts(): void {
    const { redisVersion, createdAt, usedMemory, replication, aofBase } = this.#options;
    this.#fact('redis-ver', redisVersion);
    this.#fact('redis-bits', '64');
    this.#fact('ctime', String(createdAt));
    this.#fact('used-mem', String(usedMemory));
    if (replication !== undefined) {
      this.#fact('repl-stream-db', String(replication.db));
      this.#fact('repl-id', replication.id);
      this.#fact('repl-offset', String(replication.offset));
    }
    this.#fact('aof-base', aofBase ? '1' : '0');
  }

  #writeLibraries(): void {
    for (const code of this.#options.libraries ?? []) {
      this.#gathered.byte(RdbOpcode.Function2);
      this.#gathered.string(code, 0, code.length);
    }
  }

  #fact(name: string, value: string): void {
    this.#gathered.byte(RdbOpcode.Aux);
    for (const text of [name, value]) {
      const bytes = Buffer.from(text);
      this.#gathered.string(bytes, 0, bytes.length);
    }
  }

  #selectDb(db: number): void {
    const gathered = this.#gathered;
    this.#db = db;
    gathered.byte(RdbOpcode.SelectDb);
    gathered.len(db);
    const size = this.#options.sizes[db];
    if (size === undefined || this.#sized.has(db)) return;
    this.#sized.add(db);
    gathered.byte(RdbOpcode.ResizeDb);
    gathered.len(size.keys);
    gathered.len(size.expires);
  }

  #flush(): void {
    const { bytes, length } = this.#gathered;
    this.#write(bytes, 0, length);
    this.#gathered.reset();
  }

  #write(bytes: Buffer, off: number, len: number): void {
    if (len === 0) return;
    if (this.#options.checksum) this.#crc.update(bytes, off, len);
    this.#output.write(bytes, off, len);
    this.size += len;
  }

  /** Writes the header anew and makes the checksum that of the file with it. */
  #correctVersion(): void {
    const header = headerOf(this.version);
    this.#output.writeAt(header, 0, HEADER_BYTES, 0);
    const difference = headerOf(this.#headerVersion);
    for (let i = 0; i < HEADER_BYTES; i++) difference[i]! ^= header[i]!;
    const crc = new Crc64();
    crc.update(difference, 0, HEADER_BYTES);
    appendZeros(crc, this.size - HEADER_BYTES);
    this.#crc.low ^= crc.low;
    this.#crc.high ^= crc.high;
  }
}

function headerOf(version: number): Buffer {
  return Buffer.from(`REDIS${String(version).padStart(4, '0')}`, 'latin1');
}
