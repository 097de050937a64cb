// The invariant checker: walks everything in shared memory and throws at the first thing that is not as it must be.
// For tests and DEBUG; it takes about a microsecond a key, with locks held.
//
//   pool      bits in use = chunks of all shards' runs, each of one run = ChunksUsed; hint and high-water mark hold
//   arena     spans, runs, free lists, lists of spans with room, counters (arena.check)
//   blocks    each block in use is referenced exactly once, from the index or by it; none that is freed is referenced
//   index     tables, directories, segments: counts by segment, slot and database; hashes in their segment's range;
//             bounds of expiries are lower bounds
//   records   the key hashes to where it is, is found by its name, fits its block; flags and encoding hold; the epoch
//             is one of those since the last snapshot that came to its end
//
// How blocks are told apart: a bit per granule where a block begins, set when the block is met freed or referenced.

import {
  CHUNK_BYTES,
  GlobalWord,
  REF_CHUNK_SHIFT,
  REF_MASK,
  REF_REGION_SHIFT,
  ShardCounter,
  SLOT_TO_SHARD_SHIFT,
  SLOTS_PER_SHARD,
} from '../memory/layout.ts';
import { hiddenDatabase } from '../memory/shared-memory.ts';
import { isCanonicalInt64 } from '../protocol/numbers.ts';
import type { RootedStructure } from '../structures/rooted.ts';
import { NO_EXPIRY, SEGMENT_HEADER_WORDS } from '../structures/segment.ts';
import { fieldsBound } from './field-bound.ts';
import { hashKey } from './key-hash.ts';
import type { Keyspace } from './keyspace.ts';
import { checkPacked } from './packed-check.ts';
import { Encoding, RecordView, rootBytes, Type } from './record.ts';
import { EntryFlag, HASH_MASK } from './segment-entries.ts';
import type { LockedShard } from './shard.ts';
import { DbWord, DIRECTORY_HEADER_WORDS } from './slot-segments.ts';
import { isPossibleEpoch } from './snapshot.ts';

const HASH_SPAN = 2 ** 32;
const GRANULES_PER_CHUNK = 2 ** REF_CHUNK_SHIFT;
const COUNT_MASK = 0x7fffffff;
const INT_TEXT_MAX = 20;

/** What was found. */
export interface CheckResult {
  /** Keys of all databases, the hidden one (FLUSHDB ASYNC) included. */
  keys: number;
  expires: number;
  /** Blocks in use, and their bytes. */
  blocks: number;
  bytes: number;
}

/**
 * Checks everything, with the locks of all shards held; or one shard, with its lock held.
 * Waits for locks: not for threads that own sockets.
 * @param only id of the one shard to check
 * @param rehash whether slot and hash of each key are computed anew; false for tests that make hashes up
 * @throws Error that says what is broken and where
 */
export function checkKeyspace(keyspace: Keyspace, only = -1, rehash = true): CheckResult {
  const shards = only < 0 ? keyspace.shards : [keyspace.shards[only]!];
  const locked: LockedShard[] = [];
  try {
    for (const shard of shards) locked.push(shard.acquire());
    return checkLocked(keyspace, locked, rehash);
  } finally {
    for (const shard of locked) shard.release();
  }
}

/**
 * As checkKeyspace, for a caller who holds the locks. What a long command builds while it lets others have its shards is
 * reached from nowhere: none may be under way.
 * @param locked all shards, or some
 */
export function checkLocked(keyspace: Keyspace, locked: readonly LockedShard[], rehash = true): CheckResult {
  const result: CheckResult = { keys: 0, expires: 0, blocks: 0, bytes: 0 };
  for (const shard of locked) new ShardCheck(keyspace, shard, result, rehash).run();
  if (locked.length === keyspace.shards.length) checkPool(keyspace);
  return result;
}

/** With all shards locked nobody takes or gives chunks. */
function checkPool(keyspace: Keyspace): void {
  const { control, chunkBits } = keyspace.memory;
  const high = control[GlobalWord.ChunksHigh]!;
  let used = 0;
  for (let chunk = 0; chunk < chunkBits.length * 32; chunk++) {
    const taken = (chunkBits[chunk >> 5]! & (1 << (chunk & 31))) !== 0;
    if (taken) used++;
    if (taken && chunk === 0) throw new Error('pool: chunk 0 is given out');
    if (taken && chunk >= high) throw new Error(`pool: chunk ${chunk} is above the high-water mark ${high}`);
    if (!taken && chunk > 0 && chunk < control[GlobalWord.PoolHint]!)
      throw new Error(`pool: chunk ${chunk} is free, but the hint is ${control[GlobalWord.PoolHint]}`);
  }
  if (used !== control[GlobalWord.ChunksUsed])
    throw new Error(`pool: ${used} chunks in use, ${control[GlobalWord.ChunksUsed]} counted`);
  const reserved = keyspace.sum(ShardCounter.Reserved) / CHUNK_BYTES;
  if (reserved !== used) throw new Error(`pool: ${used} chunks in use, ${reserved} owned by shards`);
}

class ShardCheck {
  readonly #keyspace: Keyspace;
  readonly #shard: LockedShard;
  readonly #result: CheckResult;
  readonly #rehash: boolean;
  readonly #rec: RecordView;
  /** By chunk: a bit per granule, set where a block begins that was met. */
  readonly #met = new Map<number, Uint8Array>();
  #blocks = 0;
  #bytes = 0;
  readonly #slots = new Int32Array(1);
  readonly #hashes = new Int32Array(1);

  constructor(keyspace: Keyspace, shard: LockedShard, result: CheckResult, rehash: boolean) {
    this.#keyspace = keyspace;
    this.#shard = shard;
    this.#result = result;
    this.#rehash = rehash;
    this.#rec = new RecordView(keyspace.memory);
  }

  run(): void {
    const { arena } = this.#shard;
    const inUse = arena.check();
    arena.eachFreed((ref) => {
      if (!this.#meet(ref)) this.#fail(`block ${ref >>> 0} is twice in free lists`);
    });
    for (let db = 0; db <= hiddenDatabase(this.#keyspace.memory); db++) this.#checkDatabase(db);
    this.#checkBuried();
    if (this.#blocks !== inUse.blocks)
      this.#fail(`${inUse.blocks} blocks in use, ${this.#blocks} of them referenced`);
    if (this.#bytes !== inUse.bytes)
      this.#fail(`${inUse.bytes} bytes in use, ${this.#bytes} of them referenced`);
    this.#result.blocks += inUse.blocks;
    this.#result.bytes += inUse.bytes;
  }

  #fail(what: string): never {
    throw new Error(`shard ${this.#shard.id}: ${what}`);
  }

  /** @returns false if it was met before */
  #meet(ref: number): boolean {
    const chunk = ref >>> REF_CHUNK_SHIFT;
    const granule = ref & (GRANULES_PER_CHUNK - 1);
    let bits = this.#met.get(chunk);
    if (bits === undefined) {
      bits = new Uint8Array(GRANULES_PER_CHUNK / 8);
      this.#met.set(chunk, bits);
    }
    const bit = 1 << (granule & 7);
    if ((bits[granule >> 3]! & bit) !== 0) return false;
    bits[granule >> 3]! |= bit;
    return true;
  }

  /** Notes a reference to a block. @returns the block's bytes */
  #reference(ref: number, what: string): number {
    if (ref === 0) this.#fail(`${what} is missing`);
    const bytes = this.#shard.arena.checkBlock(ref);
    if (!this.#meet(ref)) this.#fail(`block ${ref >>> 0} of ${what} is freed, or referenced twice`);
    this.#blocks++;
    this.#bytes += bytes;
    return bytes;
  }

  #checkDatabase(db: number): void {
    const { index, memory } = this.#shard;
    const table = index.dbWord(db, DbWord.Table);
    const keys = index.dbWord(db, DbWord.Keys);
    const expires = index.dbWord(db, DbWord.Expires);
    const fields = index.dbWord(db, DbWord.FieldExpires);
    if (table === 0) {
      if (keys !== 0 || expires !== 0 || fields !== 0)
        this.#fail(`database ${db} has ${keys} keys and no table`);
      return;
    }
    if (keys === 0) this.#fail(`database ${db} has a table and no keys`);
    if (this.#reference(table, `the table of database ${db}`) < SLOTS_PER_SHARD * 8)
      this.#fail(`the table of database ${db} is short`);
    const words = memory.words[table >>> REF_REGION_SHIFT]!;
    const at = (table & REF_MASK) << 2;
    const found = { keys: 0, expires: 0, fields: 0 };
    for (let local = 0; local < SLOTS_PER_SHARD; local++)
      this.#checkSlot(db, local, words[at + local * 2]!, words[at + local * 2 + 1]!, found);
    if (found.keys !== keys) this.#fail(`database ${db} has ${found.keys} keys, ${keys} counted`);
    if (found.expires !== expires)
      this.#fail(`database ${db} has ${found.expires} keys that expire, ${expires} counted`);
    if (found.fields !== fields)
      this.#fail(`database ${db} has ${found.fields} hashes with fields that expire, ${fields} counted`);
    this.#result.keys += keys;
    this.#result.expires += expires;
  }

  #checkSlot(
    db: number,
    local: number,
    ref: number,
    word: number,
    found: { keys: number; expires: number; fields: number },
  ): void {
    const where = `database ${db}, slot ${this.#slotOf(local)}`;
    const counted = word & COUNT_MASK;
    if (ref === 0) {
      if (word !== 0) this.#fail(`${where} is empty, but its count is ${word}`);
      return;
    }
    if (counted === 0) this.#fail(`${where} has segments and no keys`);
    let keys = 0;
    if (word < 0) keys = this.#checkDirectory(db, local, ref, where, found);
    else keys = this.#checkSegment(db, local, ref, 0, 0, where, found);
    if (keys !== counted) this.#fail(`${where} has ${keys} keys, ${counted} counted`);
    found.keys += keys;
  }

  #checkDirectory(
    db: number,
    local: number,
    ref: number,
    where: string,
    found: { expires: number; fields: number },
  ): number {
    const bytes = this.#reference(ref, `the directory of ${where}`);
    const words = this.#shard.memory.words[ref >>> REF_REGION_SHIFT]!;
    const at = (ref & REF_MASK) << 2;
    const depth = words[at]!;
    if (depth < 1 || (DIRECTORY_HEADER_WORDS + 2 ** depth) * 4 > bytes)
      this.#fail(`${where}: a directory of depth ${depth} in ${bytes} bytes`);
    let keys = 0;
    for (let i = 0; i < 2 ** depth; ) {
      const segment = words[at + DIRECTORY_HEADER_WORDS + i]!;
      this.#shard.arena.checkBlock(segment);
      const own =
        this.#shard.memory.words[segment >>> REF_REGION_SHIFT]![((segment & REF_MASK) << 2) + 1]! & 0xff;
      if (own > depth) this.#fail(`${where}: a segment of depth ${own} in a directory of depth ${depth}`);
      const width = 2 ** (depth - own);
      if (i % width !== 0) this.#fail(`${where}: the segment at ${i} of 2^${depth} does not begin its range`);
      for (let k = i; k < i + width; k++)
        if (words[at + DIRECTORY_HEADER_WORDS + k] !== segment)
          this.#fail(`${where}: entry ${k} leads to another segment`);
      keys += this.#checkSegment(db, local, segment, own, i * 2 ** (32 - depth), where, found);
      i += width;
    }
    return keys;
  }

  /** @param start first hash of the segment's range @returns its keys */
  #checkSegment(
    db: number,
    local: number,
    ref: number,
    depth: number,
    start: number,
    where: string,
    found: { expires: number; fields: number },
  ): number {
    const bytes = this.#reference(ref, `a segment of ${where}`);
    const words = this.#shard.memory.words[ref >>> REF_REGION_SHIFT]!;
    const at = (ref & REF_MASK) << 2;
    const capacity = words[at]! >>> 16;
    if ((SEGMENT_HEADER_WORDS + capacity * 2) * 4 > bytes)
      this.#fail(`${where}: capacity ${capacity} in ${bytes} bytes`);
    if ((words[at + 1]! & 0xffff) !== depth)
      this.#fail(`${where}: depth ${words[at + 1]! & 0xffff}, not ${depth}`);
    const end = start + HASH_SPAN / 2 ** depth;
    let keys = 0;
    let flagged = 0;
    let first = Number.POSITIVE_INFINITY;
    for (let i = 0; i < capacity; i++) {
      const hash = words[at + SEGMENT_HEADER_WORDS + i * 2]!;
      const record = words[at + SEGMENT_HEADER_WORDS + i * 2 + 1]!;
      if (record === 0) {
        if (hash !== 0) this.#fail(`${where}: an empty place with a hash`);
        continue;
      }
      if (hash >>> 0 < start || hash >>> 0 >= end)
        this.#fail(`${where}: hash ${hash >>> 0} is in a foreign segment`);
      this.#checkRecord(db, local, record, hash & HASH_MASK, where);
      if (this.#rec.expires !== ((hash & EntryFlag.Expires) !== 0))
        this.#fail(`${where}: the index is wrong about an expiry`);
      const bound = fieldsBound(this.#rec);
      if ((bound !== NO_EXPIRY) !== ((hash & EntryFlag.Fields) !== 0))
        this.#fail(`${where}: the index is wrong about fields that expire`);
      keys++;
      if ((hash & ~HASH_MASK) === 0) continue;
      flagged++;
      if (this.#rec.expires) {
        found.expires++;
        first = Math.min(first, Math.floor(this.#rec.expireAt / 1000));
      }
      if (bound !== NO_EXPIRY) found.fields++;
      first = Math.min(first, bound);
    }
    if (keys !== (words[at]! & 0xffff))
      this.#fail(`${where}: ${keys} entries, ${words[at]! & 0xffff} counted`);
    if (keys === capacity) this.#fail(`${where}: a segment without an empty place`);
    if (flagged !== words[at + 1]! >>> 16)
      this.#fail(`${where}: ${flagged} entries expire, ${words[at + 1]! >>> 16} counted`);
    this.#checkBounds(db, words[at + 2]!, first, where);
    return keys;
  }

  #checkBounds(db: number, bound: number, first: number, where: string): void {
    const least = Math.min(NO_EXPIRY, first);
    if (bound > least) this.#fail(`${where}: bound ${bound} above an expiry at ${first}`);
    const whole = this.#shard.index.dbWord(db, DbWord.NextExpiry);
    if (whole > least) this.#fail(`database ${db}: bound ${whole} above an expiry at ${first} in ${where}`);
  }

  #checkRecord(db: number, local: number, ref: number, hash: number, where: string): void {
    const rec = this.#rec;
    const bytes = this.#reference(ref, `a record of ${where}`);
    const slot = this.#slotOf(local);
    this.#shard.meet(rec, db, slot, hash, ref);
    if (rec.totalBytes > bytes)
      this.#fail(`${where}: a record of ${rec.totalBytes} bytes in a block of ${bytes}`);
    const { keyOffset, keyLength } = rec;
    const name = (): string => rec.bytes.toString('latin1', keyOffset, keyOffset + Math.min(keyLength, 64));
    if (this.#rehash) {
      hashKey(rec.bytes, keyOffset, keyLength, this.#slots, this.#hashes, 0);
      if (this.#slots[0] !== slot) this.#fail(`${where}: key '${name()}' belongs to slot ${this.#slots[0]}`);
      if (this.#hashes[0] !== hash)
        this.#fail(`${where}: key '${name()}' has hash ${this.#hashes[0]! >>> 0}, not ${hash >>> 0}`);
    }
    if (this.#shard.index.find(db, local, hash, rec.bytes, keyOffset, keyLength) !== ref)
      this.#fail(`${where}: key '${name()}' is not found by its name`);
    const { memory } = this.#keyspace;
    if (db !== hiddenDatabase(memory) && !isPossibleEpoch(memory.control, rec.epoch))
      this.#fail(`${where}: key '${name()}' has epoch ${rec.epoch}`);
    this.#checkValue(where, name);
  }

  /** Records that wait for lazy free, whose values may be half freed. */
  #checkBuried(): void {
    let count = 0;
    this.#shard.eachBuried((ref) => {
      count++;
      this.#reference(ref, 'a buried record');
      this.#rec.point(ref);
      const value = this.#openValue();
      if (value === null) this.#fail('a record without blocks of its own is buried');
      value.eachBlock((block) => this.#reference(block, 'a buried value'));
    });
    if (count !== this.#shard.buried)
      this.#fail(`${count} records are buried, ${this.#shard.buried} counted`);
  }

  /** Opens the value of the record, if it owns blocks. */
  #openValue(): RootedStructure | null {
    const rec = this.#rec;
    const value = this.#keyspace.structures.rootedOf(rec.type, rec.encoding);
    value?.open(this.#shard.arena, rec.words, rec.rootWord);
    return value;
  }

  #checkValue(where: string, name: () => string): void {
    const rec = this.#rec;
    if (rec.type === Type.Module || rec.type > Type.Stream)
      this.#fail(`${where}: key '${name()}' has type ${rec.type}`);
    const { encoding } = rec;
    if (rec.type !== Type.String) {
      const value = this.#openValue();
      if (value !== null) this.#checkRooted(value, where, name);
      else checkPacked(rec);
      return;
    }
    if (encoding === Encoding.Raw || encoding === Encoding.Embstr) return;
    const { valueOffset, valueLength } = rec;
    if (encoding !== Encoding.Int) this.#fail(`${where}: string '${name()}' has encoding ${encoding}`);
    if (valueLength > INT_TEXT_MAX || !isCanonicalInt64(rec.bytes, valueOffset, valueLength))
      this.#fail(`${where}: string '${name()}' is encoded as the integer it is not`);
  }

  #checkRooted(value: RootedStructure, where: string, name: () => string): void {
    if (this.#rec.valueLength !== rootBytes(value.rootWords))
      this.#fail(`${where}: the root of '${name()}' has ${this.#rec.valueLength} bytes`);
    value.check();
    if (value.size === 0 && this.#rec.type !== Type.Stream)
      this.#fail(`${where}: '${name()}' has no elements and is there`);
    value.eachBlock((block) => this.#reference(block, `the value of '${name()}'`));
  }

  #slotOf(local: number): number {
    return (this.#shard.id << SLOT_TO_SHARD_SHIFT) | local;
  }
}
