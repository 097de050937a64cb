// A record: one key with its value, in one block of its shard's arena.
//
//   word 0   type (4 bits) | encoding (4) | flags (8) | key length (16; 0xffff: see below)
//   word 1   access: 24 bits of LRU clock, or LFU (16 bits of minutes, 8 bits of counter) | epoch (8 bits)
//   word 2   value length in bytes, unsigned
//   [words]  expiry: unix time in ms, low word, high word   (Flag.Expire)
//   [word]   real key length                                (key length 0xffff)
//   key bytes, value bytes
//
// The epoch is that of the last snapshot that has the record, or when there was none of it yet: see snapshot.ts.
//
// A 16-byte key with a 32-byte value takes 60 bytes, a block of 64.
// A value is bytes (strings, listpacks, intsets), or a root: a few words, aligned behind the key, from which the blocks
// of a structure hang (structures/rooted.ts). A root's value length is rootBytes(): it has up to three bytes of padding.
//
// A detached record is in no index: a *STORE command builds its result in one. A buried one is dead and waits for lazy
// free; word 1 is then the next of its shard's list.
//
// Types and encodings have Redis's numbers. A string's encoding is what OBJECT ENCODING says of it (it depends on how
// the value came about, not on its bytes); the bytes are always the text.
//
// RecordView is a flyweight: a thread has a few and points them at records; they hold no data. A view is valid only
// while the shard's lock is held and no call has moved the record (calls that may move it re-point the view).

import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

export { ENCODING_NAMES, Encoding, TYPE_NAMES, Type } from '../structures/types.ts';

export const Flag = { Expire: 1 } as const;

const HEADER_BYTES = 12;
const EXPIRE_BYTES = 8;
const KEY_LENGTH_EXTENDED = 0xffff;
/** Longest key, in bytes (as Redis: a bulk string). */
export const KEY_BYTES_MAX = 512 * 1024 * 1024;

/** Value length of a record that holds a root of so many words. */
export function rootBytes(words: number): number {
  return words * 4 + 3;
}

/** Bytes in front of the key. */
export function headerBytes(keyLen: number, expires: boolean): number {
  return HEADER_BYTES + (expires ? EXPIRE_BYTES : 0) + (keyLen >= KEY_LENGTH_EXTENDED ? 4 : 0);
}

export class RecordView {
  ref = 0;
  bytes: Buffer;
  words: Int32Array;
  /** Byte offset of the record in its region. */
  at = 0;
  /** Word offset of the record in its region. */
  w = 0;
  /** Where the key lives: set by the look-up, used to move and delete. */
  shard = 0;
  db = 0;
  slot = 0;
  hash = 0;
  /** Whether the record is in no index yet. */
  detached = false;
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory) {
    this.bytes = memory.bytes[0]!;
    this.words = memory.words[0]!;
    this.#memory = memory;
  }

  /** Points the view at a record. */
  point(ref: number): void {
    const region = ref >>> REF_REGION_SHIFT;
    this.ref = ref;
    this.bytes = this.#memory.bytes[region]!;
    this.words = this.#memory.words[region]!;
    this.at = (ref & REF_MASK) << GRANULE_SHIFT;
    this.w = (ref & REF_MASK) << (GRANULE_SHIFT - 2);
  }

  get type(): number {
    return this.words[this.w]! & 15;
  }
  get encoding(): number {
    return (this.words[this.w]! >> 4) & 15;
  }
  setEncoding(encoding: number): void {
    this.words[this.w] = (this.words[this.w]! & ~0xf0) | (encoding << 4);
  }
  get flags(): number {
    return (this.words[this.w]! >> 8) & 0xff;
  }
  get expires(): boolean {
    return (this.words[this.w]! & (Flag.Expire << 8)) !== 0;
  }
  /** Expiry as unix time in ms, -1 if there is none. Rounded above 2^53. */
  get expireAt(): number {
    if (!this.expires) return -1;
    return this.words[this.w + 4]! * 4294967296 + (this.words[this.w + 3]! >>> 0);
  }
  /** Expiry to the last of 64 bits, for those set beyond 2^53. */
  get expireAtExact(): bigint {
    if (!this.expires) return -1n;
    return (BigInt(this.words[this.w + 4]!) << 32n) | BigInt(this.words[this.w + 3]! >>> 0);
  }
  /** Access word: see word 1. */
  get access(): number {
    return this.words[this.w + 1]! & 0xffffff;
  }
  setAccess(access: number): void {
    const word = (this.words[this.w + 1]! & 0xff000000) | access;
    // A plain read first: readers of hot keys would otherwise pass the cache line back and forth.
    if (this.words[this.w + 1] !== word) this.words[this.w + 1] = word;
  }
  /** Access word and epoch. */
  get word1(): number {
    return this.words[this.w + 1]!;
  }
  get epoch(): number {
    return this.words[this.w + 1]! >>> 24;
  }
  setEpoch(epoch: number): void {
    this.words[this.w + 1] = (this.words[this.w + 1]! & 0xffffff) | (epoch << 24);
  }
  get keyLength(): number {
    const short = this.words[this.w]! >>> 16;
    if (short !== KEY_LENGTH_EXTENDED) return short;
    return this.words[this.w + (this.expires ? 5 : 3)]!;
  }
  /** Byte offset of the key in `bytes`. */
  get keyOffset(): number {
    const word = this.words[this.w]!;
    return (
      this.at +
      HEADER_BYTES +
      ((word & (Flag.Expire << 8)) !== 0 ? EXPIRE_BYTES : 0) +
      (word >>> 16 === KEY_LENGTH_EXTENDED ? 4 : 0)
    );
  }
  get valueLength(): number {
    return this.words[this.w + 2]! >>> 0;
  }
  setValueLength(bytes: number): void {
    this.words[this.w + 2] = bytes;
  }
  /** Byte offset of the value in `bytes`. */
  get valueOffset(): number {
    return this.keyOffset + this.keyLength;
  }
  /** Index in `words` of the first word of a rooted value. */
  get rootWord(): number {
    return (this.valueOffset + 3) >> 2;
  }
  /** The next record of a list of buried ones: see the head of this file. */
  get nextBuried(): number {
    return this.words[this.w + 1]!;
  }
  setNextBuried(ref: number): void {
    this.words[this.w + 1] = ref;
  }
  /** Bytes of header, key and value. */
  get totalBytes(): number {
    return this.valueOffset - this.at + this.valueLength;
  }
}

/**
 * Writes header words of a new record at `view`, which must point at its block.
 * @param expireAt ms, or -1
 * @param word1 access and epoch
 */
export function writeHeader(
  view: RecordView,
  type: number,
  encoding: number,
  keyLen: number,
  valueLen: number,
  expireAt: number | bigint,
  word1: number,
): void {
  const { words, w } = view;
  const expires = expireAt >= 0;
  const short = keyLen >= KEY_LENGTH_EXTENDED ? KEY_LENGTH_EXTENDED : keyLen;
  words[w] = type | (encoding << 4) | ((expires ? Flag.Expire : 0) << 8) | (short << 16);
  words[w + 1] = word1;
  words[w + 2] = valueLen;
  if (expires) writeExpiry(view, expireAt);
  if (short === KEY_LENGTH_EXTENDED) words[w + (expires ? 5 : 3)] = keyLen;
}

/** Overwrites the expiry of a record that has one. */
export function writeExpiry(view: RecordView, expireAt: number | bigint): void {
  if (typeof expireAt === 'bigint') {
    view.words[view.w + 3] = Number(BigInt.asIntN(32, expireAt));
    view.words[view.w + 4] = Number(expireAt >> 32n);
    return;
  }
  view.words[view.w + 3] = expireAt % 4294967296;
  view.words[view.w + 4] = Math.floor(expireAt / 4294967296);
}
