// Elements: one block of the arena for each member of a set, field of a hash, member of a sorted set, when these are
// hash tables. Hash tables (hash-table.ts) hold references to them.
//
//   word 0          key length (30 bits) | extra << 30
//   extra words     0: member of a set
//                   1: field of a hash: value length
//                   2: member of a sorted set: its score, a float64, low word, high word
//                   3: field of a hash that expires: value length | expiry, unix time in ms, low word, high word
//   key bytes, value bytes (fields)
//
// `extra` is how many extra words there are. A member of 8 bytes takes a block of 16, a field of 8 bytes with a value
// of 8 bytes a block of 32.
//
// ElementView is a flyweight: a thread has a few and points them at elements.

import type { Arena } from '../memory/arena.ts';
import { GRANULE_SHIFT, REF_MASK, REF_REGION_SHIFT } from '../memory/layout.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';

/** What an element is: also the number of its extra words. */
export const Extra = { None: 0, Value: 1, Score: 2, ExpiringValue: 3 } as const;

export const KEY_LENGTH_MASK = 0x3fffffff;
export const EXTRA_SHIFT = 30;
/** Copies and comparisons below this are faster as a loop over bytes. */
const LOOP_MAX = 48;

const double = new Float64Array(1);
const doubleWords = new Int32Array(double.buffer);

/** Bytes of an element. @param valueLen 0 for those without a value */
export function elementBytes(extra: number, keyLen: number, valueLen: number): number {
  return 4 + extra * 4 + keyLen + valueLen;
}

/** @returns the size in bytes of the element that begins at word `w` */
export function elementSize(words: Int32Array, w: number): number {
  const word = words[w]!;
  const extra = word >>> EXTRA_SHIFT;
  return elementBytes(extra, word & KEY_LENGTH_MASK, (extra & 1) !== 0 ? words[w + 1]! : 0);
}

/**
 * Makes a member of a set.
 * @returns its ref
 * @throws OutOfMemoryError; nothing was changed
 */
export function newMember(arena: Arena, key: Buffer, off: number, len: number): number {
  const ref = arena.alloc(4 + len);
  const region = ref >>> REF_REGION_SHIFT;
  const at = (ref & REF_MASK) << GRANULE_SHIFT;
  arena.memory.words[region]![at >> 2] = len;
  copyIn(key, off, arena.memory.bytes[region]!, at + 4, len);
  return ref;
}

/** As newMember, with the score of a sorted set's member. */
export function newScored(arena: Arena, key: Buffer, off: number, len: number, score: number): number {
  const ref = arena.alloc(12 + len);
  const region = ref >>> REF_REGION_SHIFT;
  const at = (ref & REF_MASK) << GRANULE_SHIFT;
  const words = arena.memory.words[region]!;
  words[at >> 2] = len | (Extra.Score << EXTRA_SHIFT);
  writeScore(words, at >> 2, score);
  copyIn(key, off, arena.memory.bytes[region]!, at + 12, len);
  return ref;
}

/**
 * As newMember: a field of a hash with its value, which may lie in another buffer.
 * @param expireAt unix time in ms, -1 for none
 */
export function newField(
  arena: Arena,
  key: Buffer,
  off: number,
  len: number,
  value: Buffer,
  valueOff: number,
  valueLen: number,
  expireAt: number,
): number {
  const extra = expireAt < 0 ? Extra.Value : Extra.ExpiringValue;
  const ref = arena.alloc(elementBytes(extra, len, valueLen));
  const region = ref >>> REF_REGION_SHIFT;
  const at = (ref & REF_MASK) << GRANULE_SHIFT;
  const words = arena.memory.words[region]!;
  const bytes = arena.memory.bytes[region]!;
  words[at >> 2] = len | (extra << EXTRA_SHIFT);
  words[(at >> 2) + 1] = valueLen;
  if (expireAt >= 0) writeExpiry(words, at >> 2, expireAt);
  const keyAt = at + 4 + extra * 4;
  copyIn(key, off, bytes, keyAt, len);
  copyIn(value, valueOff, bytes, keyAt + len, valueLen);
  return ref;
}

/** Reads the score of an element with Extra.Score. @param w its first word */
export function readScore(words: Int32Array, w: number): number {
  doubleWords[0] = words[w + 1]!;
  doubleWords[1] = words[w + 2]!;
  return double[0]!;
}

/** Overwrites the score of an element with Extra.Score. @param w its first word */
export function writeScore(words: Int32Array, w: number, score: number): void {
  double[0] = score;
  words[w + 1] = doubleWords[0]!;
  words[w + 2] = doubleWords[1]!;
}

/** Reads the expiry of an element with Extra.ExpiringValue, in ms. @param w its first word */
export function readExpiry(words: Int32Array, w: number): number {
  return words[w + 3]! * 4294967296 + (words[w + 2]! >>> 0);
}

/** Overwrites the expiry of an element with Extra.ExpiringValue. @param w its first word @param expireAt ms, 0 or more */
export function writeExpiry(words: Int32Array, w: number, expireAt: number): void {
  words[w + 2] = expireAt % 4294967296;
  words[w + 3] = Math.floor(expireAt / 4294967296);
}

/** Whether an element's key is these bytes. */
export function elementHasKey(
  words: Int32Array,
  bytes: Buffer,
  w: number,
  key: Buffer,
  off: number,
  len: number,
): boolean {
  const word = words[w]!;
  if ((word & KEY_LENGTH_MASK) !== len) return false;
  const at = (w + 1 + (word >>> EXTRA_SHIFT)) << 2;
  if (len > LOOP_MAX) return bytes.compare(key, off, off + len, at, at + len) === 0;
  for (let i = 0; i < len; i++) if (bytes[at + i] !== key[off + i]) return false;
  return true;
}

export class ElementView {
  ref = 0;
  bytes: Buffer;
  words: Int32Array;
  /** Word offset of the element in its region. */
  w = 0;
  /** Byte offset of the key in `bytes`. */
  keyOffset = 0;
  /** Bytes of the key. */
  keyLength = 0;
  readonly #memory: SharedMemory;

  constructor(memory: SharedMemory) {
    this.bytes = memory.bytes[0]!;
    this.words = memory.words[0]!;
    this.#memory = memory;
  }

  /** Points the view at an element. */
  point(ref: number): void {
    const region = ref >>> REF_REGION_SHIFT;
    const words = this.#memory.words[region]!;
    const w = (ref & REF_MASK) << (GRANULE_SHIFT - 2);
    const word = words[w]!;
    this.ref = ref;
    this.bytes = this.#memory.bytes[region]!;
    this.words = words;
    this.w = w;
    this.keyOffset = (w + 1 + (word >>> EXTRA_SHIFT)) << 2;
    this.keyLength = word & KEY_LENGTH_MASK;
  }

  /** See Extra. */
  get extra(): number {
    return this.words[this.w]! >>> EXTRA_SHIFT;
  }
  /** Bytes of a field's value. */
  get valueLength(): number {
    return this.words[this.w + 1]!;
  }
  /** Byte offset of a field's value. */
  get valueOffset(): number {
    return this.keyOffset + this.keyLength;
  }
  /** A sorted set's score. */
  get score(): number {
    return readScore(this.words, this.w);
  }
  /** Expiry of a field as unix time in ms, -1 if it has none. */
  get expireAt(): number {
    return this.extra === Extra.ExpiringValue ? readExpiry(this.words, this.w) : -1;
  }
  /** Bytes of the element. */
  get size(): number {
    return elementSize(this.words, this.w);
  }
}

function copyIn(from: Buffer, off: number, to: Buffer, at: number, len: number): void {
  if (len > LOOP_MAX) {
    from.copy(to, at, off, off + len);
    return;
  }
  for (let i = 0; i < len; i++) to[at + i] = from[off + i]!;
}
