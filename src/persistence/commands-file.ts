// A snapshot as commands: the base of the log with `aof-use-rdb-preamble no`.
//
//     *2 $6 SELECT $1 3
//     *5 $7 RESTORE key expiry-or-0 payload ABSTTL [IDLETIME seconds | FREQ n]
//
// Redis writes SET, RPUSH and so on there. RESTORE says the same of any value, with its encoding, and every Redis since 5
// takes it (values that need a newer RDB version, as in any file, only one that knows this).
//
// An entry that comes in parts is put together first: its length stands in front of it.

import { writeFooter } from '../rdb/payload.ts';
import { RDB_OPCODE_MIN, RdbOpcode } from '../rdb/rdb-format.ts';
import { RdbReader, RdbString } from '../rdb/rdb-reader.ts';
import { RdbWriter } from '../rdb/rdb-writer.ts';
import { skipValue } from '../rdb/skip-value.ts';
import type { OutputFile, SnapshotFacts, SnapshotFile } from './snapshot-file.ts';

const WRITE_BYTES = 256 * 1024;
const CRLF = Buffer.from('\r\n');

export class CommandsFile implements SnapshotFile {
  readonly output: OutputFile;
  readonly #reader = new RdbReader();
  readonly #key = new RdbString();
  readonly #payload = new RdbWriter();
  #parts: Buffer[] = [];
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  #db = -1;

  constructor(output: OutputFile) {
    this.output = output;
  }

  begin(_facts: SnapshotFacts): void {}

  entries(db: number, version: number, part: boolean, bytes: Buffer, off: number, len: number): void {
    if (part || this.#parts.length > 0) {
      this.#parts.push(Buffer.from(bytes.subarray(off, off + len)));
      if (part) return;
      const whole = Buffer.concat(this.#parts);
      this.#parts = [];
      this.#commands(db, version, whole, 0, whole.length);
    } else this.#commands(db, version, bytes, off, len);
  }

  end(): void {
    if (this.#parts.length > 0) throw new Error('a snapshot ends in the middle of an entry');
    this.#flush();
  }

  #commands(db: number, version: number, bytes: Buffer, off: number, len: number): void {
    if (db !== this.#db) {
      this.#db = db;
      this.#command(['SELECT', String(db)]);
    }
    const reader = this.#reader;
    reader.open(bytes, off, len);
    while (reader.left > 0) this.#restore(version);
  }

  #restore(version: number): void {
    const reader = this.#reader;
    let expiry = 0n;
    const access: string[] = [];
    let type = reader.byte();
    for (; type >= RDB_OPCODE_MIN; type = reader.byte()) {
      if (type === RdbOpcode.ExpireTimeMs && reader.has(8)) {
        expiry = reader.bytes.readBigInt64LE(reader.at);
        reader.skip(8);
      } else if (type === RdbOpcode.Idle) access.push('IDLETIME', String(reader.len()));
      else if (type === RdbOpcode.Freq) access.push('FREQ', String(reader.byte()));
      else throw new Error(`opcode ${type} in an entry of a snapshot`);
    }
    if (!reader.string(this.#key)) throw new Error('an entry of a snapshot without a key');
    const { buf, off, len } = this.#key;
    const key = Buffer.from(buf.subarray(off, off + len));
    const from = reader.at;
    if (!skipValue(reader, type) || reader.failed)
      throw new Error('an entry of a snapshot that is not whole');
    const payload = this.#payload;
    payload.reset();
    payload.byte(type);
    payload.raw(reader.bytes, from, reader.at - from);
    writeFooter(payload, version);
    const value = payload.bytes.subarray(0, payload.length);
    this.#command(['RESTORE', key, String(expiry), value, 'ABSTTL', ...access]);
  }

  #command(args: readonly (string | Buffer)[]): void {
    this.#put(Buffer.from(`*${args.length}\r\n`));
    for (const arg of args) {
      const bytes = typeof arg === 'string' ? Buffer.from(arg) : arg;
      this.#put(Buffer.from(`$${bytes.length}\r\n`));
      this.#put(bytes.length > WRITE_BYTES ? bytes : Buffer.from(bytes));
      this.#put(CRLF);
    }
    if (this.#pendingBytes >= WRITE_BYTES) this.#flush();
  }

  #put(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
  }

  #flush(): void {
    const all = Buffer.concat(this.#pending.splice(0));
    this.#pendingBytes = 0;
    if (all.length > 0) this.output.write(all, 0, all.length);
  }
}
