// Makes records of the entries in a section of an RDB file (file-scanner.ts), each under the lock of its shard: several
// threads may load sections of a file at the same time.
//
// Keys that have expired are left out, unless a log follows which counts on them. Collections without elements, which
// old Redis versions could write, are left out, too. Idle times and frequencies are kept if the policy goes by them.

import type { AccessClock } from '../keyspace/access.ts';
import { hashKey } from '../keyspace/key-hash.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { RecordView } from '../keyspace/record.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { SLOT_TO_SHARD_SHIFT } from '../memory/layout.ts';
import { corrupt, databaseOutOfRange, duplicateKey, keyText, unknownType } from './file-error.ts';
import type { EncodingLimits } from './limits.ts';
import { LoadContext, ReadResult } from './load-context.ts';
import { RDB_OPCODE_MIN, RdbOpcode } from './rdb-format.ts';
import { RdbString } from './rdb-reader.ts';
import { readValue } from './read-value.ts';
import { skipValue } from './skip-value.ts';

const NONE = -1;

export interface LoadOptions {
  /** How many databases there are. */
  readonly databases: number;
  /** Whether keys that have expired are loaded all the same: the base of a log, or the data of a replica. */
  readonly keepExpired: boolean;
  /** Whether a key that is there already gives way; else it is an error. */
  readonly replace?: boolean;
  /** Whether values are checked to the last byte (default). Without, damaged bytes may end in any exception. */
  readonly deep?: boolean;
}

export class RdbLoader {
  /** Keys loaded so far. */
  loaded = 0;
  /** Keys left out because they have expired, or have no elements. */
  expired = 0;
  empty = 0;
  readonly #keyspace: Keyspace;
  readonly #clock: AccessClock;
  readonly #cx: LoadContext;
  readonly #options: LoadOptions;
  readonly #key = new RdbString();
  readonly #found: RecordView;
  readonly #slots = new Int32Array(1);
  readonly #hashes = new Int32Array(1);
  /** Position in the file of the bytes' first, and of the entry. */
  #base = 0;
  #entryAt = 0;
  #db = 0;
  /** What was said of the next key: expiry in ms, seconds, counter. */
  #expireAt: number | bigint = NONE;
  #idle = NONE;
  #frequency = NONE;

  /** @param limits of encodings */
  constructor(keyspace: Keyspace, limits: EncodingLimits, options: LoadOptions) {
    this.#keyspace = keyspace;
    this.#clock = keyspace.clock;
    this.#cx = new LoadContext(keyspace.memory, limits);
    this.#cx.deep = options.deep ?? true;
    this.#options = options;
    this.#found = new RecordView(keyspace.memory);
  }

  /**
   * Loads bytes[off, off + len), whole entries. What expires is told by keyspace.now.
   * @param db the database that they begin in
   * @param position of the bytes in the file, for messages
   * @throws RdbFileError; OutOfMemoryError. What came before is loaded
   */
  load(bytes: Buffer, off: number, len: number, db: number, position: number): void {
    const { input } = this.#cx;
    input.open(bytes, off, len);
    this.#base = position - off;
    this.#select(db);
    this.#forgetSaid();
    this.#entryAt = position;
    while (input.at < input.end) {
      const code = input.byte();
      if (code < RDB_OPCODE_MIN) {
        this.#loadEntry(code);
        this.#entryAt = this.#base + input.at;
      } else this.#readOpcode(code);
      if (input.failed) throw corrupt('the entry is cut off', this.#entryAt);
    }
  }

  #select(db: number): void {
    if (db >= this.#options.databases) throw databaseOutOfRange(this.#options.databases, this.#entryAt);
    this.#db = db;
  }

  #forgetSaid(): void {
    this.#expireAt = NONE;
    this.#idle = NONE;
    this.#frequency = NONE;
  }

  #readOpcode(code: number): void {
    const { input } = this.#cx;
    switch (code) {
      case RdbOpcode.ExpireTimeMs:
        this.#expireAt = this.#readExpiry();
        return;
      case RdbOpcode.ExpireTime:
        if (input.has(4)) this.#expireAt = input.bytes.readInt32LE(input.at) * 1000;
        input.skip(4);
        return;
      case RdbOpcode.Idle:
        this.#idle = input.len();
        return;
      case RdbOpcode.Freq:
        this.#frequency = input.byte();
        return;
      case RdbOpcode.SelectDb:
        this.#select(input.len());
        return;
      case RdbOpcode.SlotInfo:
        input.len();
        break;
      case RdbOpcode.ResizeDb:
        break;
      default:
        throw unknownType(code, this.#base + input.at - 1);
    }
    input.len();
    input.len();
  }

  /** @returns ms, exact */
  #readExpiry(): number | bigint {
    const { input } = this.#cx;
    const at = input.integer64();
    if (Number.isSafeInteger(at)) return at;
    return (BigInt(input.high) << 32n) | BigInt(input.low >>> 0);
  }

  #loadEntry(type: number): void {
    const { input } = this.#cx;
    const key = this.#key;
    if (!input.string(key)) throw corrupt('bad key', this.#entryAt);
    if (this.#isExpired()) {
      if (!skipValue(input, type)) throw unknownType(type, this.#entryAt);
      this.expired++;
    } else {
      hashKey(key.buf, key.off, key.len, this.#slots, this.#hashes, 0);
      const shard = this.#keyspace.shards[this.#slots[0]! >>> SLOT_TO_SHARD_SHIFT]!.acquire();
      try {
        this.#loadValue(shard, type);
      } finally {
        shard.release();
      }
    }
    this.#forgetSaid();
  }

  #isExpired(): boolean {
    return this.#expireAt !== NONE && !this.#options.keepExpired && this.#expireAt < this.#keyspace.now;
  }

  #loadValue(shard: LockedShard, type: number): void {
    const cx = this.#cx;
    const { buf, off, len } = this.#key;
    const slot = this.#slots[0]!;
    const hash = this.#hashes[0]!;
    if (!this.#options.replace && shard.find(this.#found, this.#db, slot, hash, buf, off, len))
      throw duplicateKey(keyText(buf, off, len), this.#db, this.#entryAt);
    cx.begin(shard, this.#db, slot, hash, buf, off, len, this.#expiry(), this.#accessWord());
    const result = readValue(cx, type);
    if (result === ReadResult.Bad)
      throw corrupt(`the value of key '${keyText(buf, off, len)}' (type ${type}) is damaged`, this.#entryAt);
    if (result === ReadResult.Empty) {
      this.empty++;
      return;
    }
    try {
      shard.attach(cx.rec);
    } catch (error) {
      cx.discard();
      throw error;
    }
    this.loaded++;
  }

  /** The expiry that the record gets: times before 1970 are past all the same, and a record has none below 0. */
  #expiry(): number | bigint {
    return this.#expireAt === NONE || this.#expireAt >= 0 ? this.#expireAt : 0;
  }

  #accessWord(): number {
    const clock = this.#clock;
    if (clock.lfu) return this.#frequency >= 0 ? clock.fromFrequency(this.#frequency) : clock.initial();
    return this.#idle >= 0 ? clock.fromIdle(this.#idle) : clock.initial();
  }
}
