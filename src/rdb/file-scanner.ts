// Goes over an RDB file without making values of it: finds the facts in it, cuts its entries into sections that can be
// loaded side by side (file-loader.ts), and compares the checksum.
//
//   header, facts, functions | section | section | ... | end, checksum | (the rest of an old append-only file)
//
// A section is a range of the file with whole entries in it, and what says of which database they are; only facts,
// functions and what modules wrote are between sections. Its bytes are not kept: whoever loads it reads the file again
// there (readSection), which the kernel then has at hand. So a scanner needs the same memory for any file.
//
// Values are passed over by their lengths, so a section that was found may still be damaged: the loader checks. The
// checksum is known to be right or wrong only at the end, as in Redis.

import {
  corrupt,
  databaseOutOfRange,
  moduleData,
  RdbFault,
  RdbFileError,
  unknownType,
} from './file-error.ts';
import { FileReader } from './file-reader.ts';
import type { RdbSource } from './file-source.ts';
import { RDB_OPCODE_MIN, RDB_TYPE_MAX, RDB_VERSION_MAX, RdbOpcode } from './rdb-format.ts';
import { RdbString } from './rdb-reader.ts';
import { skipValue } from './skip-value.ts';

const MAGIC = 'REDIS';
const HEADER_BYTES = 9;
const SECTION_BYTES = 1024 * 1024;
/** The first version with a checksum. */
const VERSION_WITH_CHECKSUM = 5;
/** Values of modules: of pre-releases of Redis 4, and since. */
const MODULE_TYPE_PRE_GA = 6;
const MODULE_TYPE = 7;

/** What is known of the checksum. */
export const ChecksumState = {
  /** The end was not reached, or nobody wanted to know, or the version has none. */
  Unchecked: 'unchecked',
  /** The file was written without one. */
  Absent: 'absent',
  Right: 'right',
} as const;
export type ChecksumState = (typeof ChecksumState)[keyof typeof ChecksumState];

export interface ScanOptions {
  /** Whether the checksum is compared. */
  readonly checksum: boolean;
  /** How many databases there may be. */
  readonly databases: number;
  /** Sections end after the entry in which they become this large. Default 1 MiB. */
  readonly sectionBytes?: number;
  /** Where the file's RDB part begins. Default 0. */
  readonly position?: number;
}

/** A library of functions in a file. */
export interface FunctionCode {
  readonly code: Buffer;
  readonly offset: number;
}

export class RdbScanner {
  /** The version in the header. */
  readonly version: number;
  /** Facts so far, by name. */
  readonly facts = new Map<string, string>();
  /** Functions so far. */
  readonly functions: FunctionCode[] = [];
  checksum: ChecksumState = ChecksumState.Unchecked;
  /** The section that next() has found: where it is in the file, the database it begins in, entries. */
  sectionPosition = 0;
  sectionLength = 0;
  sectionDb = 0;
  sectionEntries = 0;
  /** Entries met so far. */
  entries = 0;
  /** Keys of all databases as the file has announced them so far. */
  announcedKeys = 0;
  readonly #input: FileReader;
  readonly #options: ScanOptions;
  readonly #sectionBytes: number;
  readonly #name = new RdbString();
  readonly #text = new RdbString();
  #db = 0;
  #done = false;

  /** Reads the header. @throws RdbFileError */
  constructor(source: RdbSource, options: ScanOptions) {
    this.#input = new FileReader(source, options.checksum, options.position ?? 0);
    this.#options = options;
    this.#sectionBytes = options.sectionBytes ?? SECTION_BYTES;
    this.version = this.#readHeader();
  }

  /** How far the file was read. At the end: where the RDB part ends. */
  get position(): number {
    return this.#input.position;
  }

  /**
   * Finds the next section.
   * @returns false at the end, when the checksum was right
   * @throws RdbFileError
   */
  next(): boolean {
    this.sectionLength = 0;
    this.sectionEntries = 0;
    if (this.#done) return false;
    const input = this.#input;
    // Entries begin with their opcodes; a section must not end between these and the key.
    let inEntry = false;
    let start = input.position;
    let db = this.#db;
    for (;;) {
      const at = input.position;
      const code = input.byte();
      if (input.failed) throw input.error();
      if (code < RDB_OPCODE_MIN) {
        this.#skipEntry(code, at);
        this.sectionEntries++;
        inEntry = false;
        if (input.position - start >= this.#sectionBytes) return this.#endSection(start, input.position, db);
        continue;
      }
      if (code <= RdbOpcode.ExpireTime && this.#skipKeyOpcode(code)) {
        inEntry = true;
        continue;
      }
      if (code === RdbOpcode.SelectDb || code === RdbOpcode.ResizeDb || code === RdbOpcode.SlotInfo)
        this.#readDatabaseOpcode(code, at);
      else {
        if (inEntry) throw corrupt(`no key between opcode ${code} and what is said of it`, at);
        if (this.sectionEntries > 0) {
          input.at--;
          return this.#endSection(start, at, db);
        }
        if (!this.#readFileOpcode(code, at)) return false;
      }
      if (this.sectionEntries > 0 || inEntry) continue;
      start = input.position;
      db = this.#db;
    }
  }

  #endSection(start: number, end: number, db: number): boolean {
    this.sectionPosition = start;
    this.sectionLength = end - start;
    this.sectionDb = db;
    this.entries += this.sectionEntries;
    return true;
  }

  #readHeader(): number {
    const input = this.#input;
    const at = input.position;
    if (!input.has(HEADER_BYTES)) {
      const kind = input.left > 0 ? RdbFault.Header : RdbFault.Truncated;
      throw new RdbFileError(kind, 'Wrong signature trying to load DB from file: it is too short', at);
    }
    const header = input.bytes.toString('latin1', input.at, input.at + HEADER_BYTES);
    input.at += HEADER_BYTES;
    if (!header.startsWith(MAGIC))
      throw new RdbFileError(RdbFault.Header, 'Wrong signature trying to load DB from file', at);
    const digits = header.slice(MAGIC.length);
    const version = /^\d{4}$/.test(digits) ? Number(digits) : 0;
    if (version < 1 || version > RDB_VERSION_MAX)
      throw new RdbFileError(RdbFault.Header, `Can't handle RDB format version ${digits}`, at);
    return version;
  }

  #skipEntry(type: number, at: number): void {
    const input = this.#input;
    if (type > RDB_TYPE_MAX) throw unknownType(type, at);
    input.skipString();
    if (!skipValue(input, type) && !input.failed) throw this.#typeError(type, at);
    if (input.failed) throw input.error();
  }

  #typeError(type: number, at: number): RdbFileError {
    if (type === MODULE_TYPE) {
      this.#input.len();
      const { low, high } = this.#input;
      return moduleData("module data I can't load: no matching module type", low, high, at);
    }
    if (type === MODULE_TYPE_PRE_GA)
      return new RdbFileError(RdbFault.Unsupported, 'Pre-release module format not supported', at);
    return unknownType(type, at);
  }

  /** Passes over what is said of the next key. @returns false if `code` says something else */
  #skipKeyOpcode(code: number): boolean {
    const input = this.#input;
    if (code === RdbOpcode.ExpireTimeMs) input.skip(8);
    else if (code === RdbOpcode.ExpireTime) input.skip(4);
    else if (code === RdbOpcode.Idle) input.len();
    else if (code === RdbOpcode.Freq) input.skip(1);
    else return false;
    return true;
  }

  #readDatabaseOpcode(code: number, at: number): void {
    const input = this.#input;
    const first = input.len();
    if (code === RdbOpcode.SelectDb) {
      if (!input.failed && first >= this.#options.databases)
        throw databaseOutOfRange(this.#options.databases, at);
      this.#db = first;
    } else {
      if (code === RdbOpcode.ResizeDb) this.announcedKeys += first;
      else input.len();
      input.len();
    }
    if (input.failed) throw input.error();
  }

  /** @returns false at the end of the file */
  #readFileOpcode(code: number, at: number): boolean {
    const input = this.#input;
    switch (code) {
      case RdbOpcode.Eof:
        this.#readEnd();
        return false;
      case RdbOpcode.Aux:
        if (!input.string(this.#name)) throw this.#stringError(at);
        // The next string may move the window under this one.
        this.#readFact(toText(this.#name), at);
        return true;
      case RdbOpcode.Function2:
        if (!input.string(this.#text)) throw this.#stringError(at);
        this.functions.push({ code: toBytes(this.#text), offset: at });
        return true;
      case RdbOpcode.ModuleAux:
        input.len();
        throw moduleData(
          "AUX module data I can't load: no matching module", input.low, input.high, at,
        ); // biome-ignore format: the message
      case RdbOpcode.FunctionPreGa:
        throw new RdbFileError(RdbFault.Unsupported, 'Pre-release function format not supported', at);
      default:
        throw unknownType(code, at);
    }
  }

  #readFact(name: string, at: number): void {
    if (!this.#input.string(this.#text)) throw this.#stringError(at);
    this.facts.set(name, toText(this.#text));
  }

  #stringError(at: number): RdbFileError {
    return this.#input.truncated ? this.#input.error() : corrupt('bad string', at);
  }

  #readEnd(): void {
    const input = this.#input;
    this.#done = true;
    if (this.version < VERSION_WITH_CHECKSUM) return;
    const at = input.position;
    const crc = this.#options.checksum ? input.checksum() : null;
    const low = crc === null ? 0 : crc.low;
    const high = crc === null ? 0 : crc.high;
    input.words();
    if (input.failed) throw input.error();
    if (crc === null) return;
    if (input.low === 0 && input.high === 0) this.checksum = ChecksumState.Absent;
    else if (input.low === low && input.high === high) this.checksum = ChecksumState.Right;
    else {
      const text = `Wrong RDB checksum expected: (${hex(low, high)}) but got (${hex(input.low, input.high)})`;
      throw new RdbFileError(RdbFault.Checksum, text, at);
    }
  }
}

function toText({ buf, off, len }: RdbString): string {
  return buf.toString('utf8', off, off + len);
}

function toBytes({ buf, off, len }: RdbString): Buffer {
  return Buffer.from(buf.subarray(off, off + len));
}

function hex(low: number, high: number): string {
  return ((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toString(16);
}
