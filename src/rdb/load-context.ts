// What reading a value needs, one per thread: the input, the key that the value is for, the limits of encodings, and
// the flyweights and buffers of the readers of the types (read-*.ts).
//
// A value is read into a detached record (keyspace/record.ts) of its key: make() creates it, as late as it is known how
// large it must be. Nothing else sees it until the caller attaches it. What fills a value step by step is the view of
// its type (keyspace/*-view.ts), which has a record of its own: `rec` is then that one.

import { HashView } from '../keyspace/hash-view.ts';
import { ListView } from '../keyspace/list-view.ts';
import { RecordView } from '../keyspace/record.ts';
import { SetView } from '../keyspace/set-view.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import { ZSetView } from '../keyspace/zset-view.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { copyBytes } from '../structures/bytes.ts';
import { Listpack } from '../structures/listpack.ts';
import { isListpack } from '../structures/listpack-check.ts';
import { Member } from '../structures/member.ts';
import { Stream } from '../structures/stream.ts';
import { StreamConsumer } from '../structures/stream-group.ts';
import { DuplicateFinder } from './duplicates.ts';
import type { EncodingLimits } from './limits.ts';
import { ListpackBuilder } from './listpack-builder.ts';
import { breathe, type Pause } from './pause.ts';
import { RdbReader, RdbString } from './rdb-reader.ts';
import { ZiplistCursor } from './ziplist.ts';
import { ZipmapCursor } from './zipmap.ts';

/** What came of reading a value. */
export const ReadResult = {
  /** The bytes are no value of this type. */
  Bad: 0,
  /** The record is made. */
  Loaded: 1,
  /** A collection without elements, which is no key: no record was made. */
  Empty: 2,
} as const;

export class LoadContext {
  readonly memory: SharedMemory;
  readonly limits: EncodingLimits;
  readonly input = new RdbReader();
  /** The record that the value was read into, detached. Its ref is 0 while there is none. */
  rec: RecordView;
  pause: Pause | null = null;
  /**
   * Whether bytes are checked to the last entry. False only for files that are trusted: what is wrong in them then ends
   * in exceptions later.
   */
  deep = true;
  #sanitized = 0;
  /** Flyweights and buffers for whoever reads. */
  readonly string = new RdbString();
  readonly value = new RdbString();
  readonly builder = new ListpackBuilder();
  readonly listpack: Listpack;
  readonly ziplist: ZiplistCursor;
  readonly duplicates: DuplicateFinder;
  readonly otherListpack: Listpack;
  readonly zipmap: ZipmapCursor;
  /** Reads the keys of blocks of streams. */
  readonly keyReader = new RdbReader();
  /** What is being filled. Views have records of their own, structures are open on `rec`. */
  readonly member = new Member();
  readonly set: SetView;
  readonly hash: HashView;
  readonly zset: ZSetView;
  readonly list: ListView;
  readonly stream: Stream;
  readonly consumer: StreamConsumer;
  readonly #own: RecordView;
  #shard: LockedShard | null = null;
  #db = 0;
  #slot = 0;
  #hash = 0;
  #key: Buffer;
  #keyOff = 0;
  #keyLen = 0;
  #expireAt: number | bigint = -1;
  #access = 0;

  constructor(memory: SharedMemory, limits: EncodingLimits) {
    const some = memory.bytes[0]!;
    this.memory = memory;
    this.limits = limits;
    this.#own = new RecordView(memory);
    this.rec = this.#own;
    this.listpack = new Listpack(some);
    this.ziplist = new ZiplistCursor(some);
    this.duplicates = new DuplicateFinder(some);
    this.otherListpack = new Listpack(some);
    this.zipmap = new ZipmapCursor(some);
    this.set = new SetView(memory, limits.set);
    this.hash = new HashView(memory, limits.hash);
    this.zset = new ZSetView(memory, limits.zset);
    this.list = new ListView(memory, limits.list);
    this.stream = new Stream(memory);
    this.consumer = new StreamConsumer(memory);
    this.#key = some;
  }

  /**
   * Says for which key the next value is. The shard's lock is held until the value is attached or discarded.
   * @param expireAt unix time in ms, -1 for none
   * @param access first access word of the record
   */
  begin(
    shard: LockedShard,
    db: number,
    slot: number,
    hash: number,
    key: Buffer,
    off: number,
    len: number,
    expireAt: number | bigint,
    access: number,
  ): void {
    this.#shard = shard;
    this.#db = db;
    this.#slot = slot;
    this.#hash = hash;
    this.#key = key;
    this.#keyOff = off;
    this.#keyLen = len;
    this.#expireAt = expireAt;
    this.#access = access;
    this.rec = this.#own;
    this.rec.ref = 0;
  }

  get shard(): LockedShard {
    return this.#shard!;
  }

  /**
   * Makes the record, its value undefined.
   * @param rec the view that is to show it
   * @throws OutOfMemoryError
   */
  make(rec: RecordView, type: number, encoding: number, valueLen: number): void {
    this.discard();
    this.rec = rec;
    rec.ref = 0;
    this.shard.createDetached(
      rec, this.#db, this.#slot, this.#hash, this.#key, this.#keyOff, this.#keyLen,
      type, encoding, valueLen, this.#expireAt, this.#access,
    ); // biome-ignore format: many short arguments
  }

  /** Makes the record with the bytes of `string` as its value. */
  makePacked(rec: RecordView, type: number, encoding: number): void {
    const { buf, off, len } = this.string;
    this.make(rec, type, encoding, len);
    copyBytes(buf, off, rec.bytes, rec.valueOffset, len);
  }

  /** Frees the record if there is one. */
  discard(): void {
    if (this.rec.ref !== 0) this.shard.discard(this.rec);
  }

  /** @returns how many listpacks and intsets were checked to the last entry since the last call */
  takeSanitized(): number {
    const sanitized = this.#sanitized;
    this.#sanitized = 0;
    return sanitized;
  }

  countSanitized(): void {
    if (this.deep) this.#sanitized++;
  }

  /** Lets others go on, if it is time. @param done elements so far */
  breathe(done: number): void {
    breathe(this.pause, done);
  }

  /** Notes that the input is bad. @returns ReadResult.Bad */
  bad(): number {
    this.input.fail();
    return ReadResult.Bad;
  }

  /**
   * Points `listpack` at the bytes of `string`, if they are a listpack of whole tuples whose first entries differ from
   * each other.
   * @param tuple entries of an element
   * @returns the number of entries, -1 if it is none
   */
  openListpack(tuple: number): number {
    const { buf, off, len } = this.string;
    this.countSanitized();
    if (!isListpack(buf, off, len, this.deep)) return -1;
    const lp = this.listpack;
    lp.open(buf, off);
    const count = lp.count();
    if (count % tuple !== 0) return -1;
    return this.deep && this.#hasDuplicates(lp, count, tuple) ? -1 : count;
  }

  #hasDuplicates(lp: Listpack, count: number, tuple: number): boolean {
    this.duplicates.begin(count / tuple);
    let here = lp.first();
    for (let i = 0; here; i++) {
      if (!this.duplicates.add(lp)) return true;
      this.breathe(i);
      for (let skip = tuple; skip > 0; skip--) here = lp.next();
    }
    return false;
  }

  /** Turns the ziplist in the bytes of `string` into a listpack in `builder`. @returns false if it is none */
  ziplistToBuilder(): boolean {
    const { ziplist, builder } = this;
    const { buf, off, len } = this.string;
    builder.reset();
    if (!ziplist.open(buf, off, len)) return false;
    while (ziplist.next()) {
      if (ziplist.isInteger) builder.appendWords(ziplist.low, ziplist.high);
      else builder.append(ziplist.bytes, ziplist.off, ziplist.len);
      if (builder.isTooLong) return false;
    }
    if (ziplist.bad) return false;
    builder.finish();
    return true;
  }

  /** As ziplistToBuilder, but then makes the listpack what `string` holds. */
  ziplistToString(): boolean {
    if (!this.ziplistToBuilder()) return false;
    this.builderToString();
    return true;
  }

  /** Makes the finished listpack in `builder` what `string` holds; good until `builder` is used again. */
  builderToString(): void {
    const { string, builder } = this;
    string.buf = builder.bytes;
    string.off = 0;
    string.len = builder.size;
  }
}
