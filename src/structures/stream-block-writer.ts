// Writes blocks of stream entries (stream-block.ts), to the byte as Redis does. The caller sees to it that there is room.

import {
  COUNT_UNKNOWN,
  EntryEncoder,
  headerCount,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  Listpack,
  listpackBytes,
} from './listpack.ts';
import { type BlockCursor, EntryFlag } from './stream-block.ts';

/** Largest overhead of a string in a listpack: length in front and behind. */
const STRING_OVERHEAD_MAX = 10;
/** Largest bytes of an integer. */
const INTEGER_BYTES_MAX = 10;
const SMALL_MAX = 127;
/** flags, ms delta, sequence delta. */
const PREFIX_PIECES = 3;
/** Names up to this long are compared here, longer ones by the cursor. */
const SHORT_STRING_MAX = 63;
const MINUS = 0x2d;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** What an entry to be written consists of: pairs of arguments. */
export interface EntrySource {
  readonly input: Buffer;
  readonly argOff: Int32Array;
  readonly argLen: Int32Array;
}

/** Writes blocks and entries. One per thread. */
export class BlockWriter {
  bytes: Buffer;
  base = 0;
  /** Bytes of the block in all; valid entries and deleted ones; fields of the master entry, and where the first is. */
  size = 0;
  count = 0;
  deleted = 0;
  masterFields = 0;
  masterAt = 0;
  readonly #encoder: EntryEncoder;
  readonly #reader: Listpack;

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
    this.#encoder = new EntryEncoder(some);
    this.#reader = new Listpack(some);
  }

  /** Opens a block to append to. */
  open(bytes: Buffer, base: number): void {
    this.bytes = bytes;
    this.base = base;
    this.size = listpackBytes(bytes, base);
    const at = base + LISTPACK_HEADER_BYTES;
    const count = bytes[at]!;
    const deleted = bytes[at + 2]!;
    const fields = bytes[at + 4]!;
    if (count <= SMALL_MAX && deleted <= SMALL_MAX && fields <= SMALL_MAX) {
      this.count = count;
      this.deleted = deleted;
      this.masterFields = fields;
      this.masterAt = at + 6;
    } else this.#openLarge();
  }

  /** As open(), where some number takes more than a byte. */
  #openLarge(): void {
    const reader = this.#reader;
    reader.open(this.bytes, this.base);
    reader.first();
    this.count = reader.integer();
    reader.next();
    this.deleted = reader.integer();
    reader.next();
    this.masterFields = reader.integer();
    this.masterAt = this.base + reader.pos + reader.entrySize();
  }

  /** Exact bytes of a new block with one entry. @param first argument index of the first field @param pairs how many */
  newBlockBytes(source: EntrySource, first: number, pairs: number): number {
    const { input, argOff, argLen } = source;
    const encoder = this.#encoder;
    encoder.setInteger(pairs);
    let size = LISTPACK_HEADER_BYTES + 2 + 2 + encoder.size + 2 + 2 + 2 + 2 + 1;
    encoder.setInteger(pairs + PREFIX_PIECES);
    size += encoder.size;
    for (let arg = first; arg < first + pairs * 2; arg++) {
      encoder.set(input, argOff[arg]!, argLen[arg]!);
      size += encoder.size;
    }
    return size;
  }

  /** The most bytes that an entry can add to a block. @param rawBytes of all fields and values together */
  entryBytesMax(rawBytes: number, pairs: number): number {
    // Two bytes at most for a longer count in the master entry.
    return rawBytes + pairs * 2 * STRING_OVERHEAD_MAX + (PREFIX_PIECES + 2) * INTEGER_BYTES_MAX + 2;
  }

  /** Writes a new block with one entry, whose ID is the master ID. There is room for newBlockBytes(). */
  writeBlock(bytes: Buffer, base: number, source: EntrySource, first: number, pairs: number): void {
    const { input, argOff, argLen } = source;
    let at = base + LISTPACK_HEADER_BYTES;
    at = this.#number(bytes, at, 1);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, pairs);
    for (let i = 0; i < pairs; i++)
      at = this.#string(bytes, at, input, argOff[first + i * 2]!, argLen[first + i * 2]!);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, EntryFlag.SameFields);
    at = this.#number(bytes, at, 0);
    at = this.#number(bytes, at, 0);
    at = this.#values(bytes, at, source, first, pairs);
    at = this.#number(bytes, at, pairs + PREFIX_PIECES);
    bytes[at++] = LISTPACK_END;
    writeHeader(bytes, base, at - base, pairs * 2 + PREFIX_PIECES + 5);
  }

  /**
   * Appends an entry to the open block. There is room for entryBytesMax(). What is known of the block is not up to date
   * afterwards.
   * @param id words of the entry's ID, from `i` on
   * @param master words of the block's master ID, from `m` on
   */
  append(
    id: Int32Array,
    i: number,
    master: Int32Array,
    m: number,
    source: EntrySource,
    first: number,
    pairs: number,
  ): void {
    const { bytes, base } = this;
    const same = this.masterFields === pairs && this.#sameFields(source, first, pairs);
    this.setCounts(bytes, base, this.count + 1, this.deleted);
    let at = base + listpackBytes(bytes, base) - 1;
    at = this.#number(bytes, at, same ? EntryFlag.SameFields : 0);
    at = this.#difference(bytes, at, id, i, master, m);
    at = this.#difference(bytes, at, id, i + 2, master, m + 2);
    let pieces = pairs + PREFIX_PIECES;
    if (same) at = this.#values(bytes, at, source, first, pairs);
    else {
      pieces += pairs + 1;
      at = this.#number(bytes, at, pairs);
      const { input, argOff, argLen } = source;
      for (let arg = first; arg < first + pairs * 2; arg++)
        at = this.#string(bytes, at, input, argOff[arg]!, argLen[arg]!);
    }
    at = this.#number(bytes, at, pieces);
    bytes[at++] = LISTPACK_END;
    const elements = headerCount(bytes, base);
    const grown = elements === COUNT_UNKNOWN ? COUNT_UNKNOWN : Math.min(COUNT_UNKNOWN, elements + pieces + 1);
    writeHeader(bytes, base, at - base, grown);
  }

  /** Bytes by which setCounts() would lengthen the block; may be negative. */
  countsGrowth(bytes: Buffer, base: number, count: number, deleted: number): number {
    const reader = this.#reader;
    const encoder = this.#encoder;
    reader.open(bytes, base);
    reader.first();
    let growth = -reader.entrySize();
    reader.next();
    growth -= reader.entrySize();
    encoder.setInteger(count);
    growth += encoder.size;
    encoder.setInteger(deleted);
    return growth + encoder.size;
  }

  /** Writes the counts of the master entry. There is room for countsGrowth(). */
  setCounts(bytes: Buffer, base: number, count: number, deleted: number): void {
    const at = base + LISTPACK_HEADER_BYTES;
    if (
      bytes[at]! <= SMALL_MAX &&
      count <= SMALL_MAX &&
      bytes[at + 2]! <= SMALL_MAX &&
      deleted <= SMALL_MAX
    ) {
      bytes[at] = count;
      bytes[at + 2] = deleted;
      return;
    }
    const reader = this.#reader;
    const encoder = this.#encoder;
    reader.open(bytes, base);
    reader.first();
    encoder.setInteger(count);
    reader.replace(reader.pos, reader.entrySize(), encoder);
    reader.at(reader.pos);
    reader.next();
    encoder.setInteger(deleted);
    reader.replace(reader.pos, reader.entrySize(), encoder);
  }

  /** Marks the cursor's entry as deleted; counts are the caller's. */
  markDeleted(cursor: BlockCursor): void {
    cursor.flags |= EntryFlag.Deleted;
    cursor.bytes[cursor.at] = cursor.flags;
  }

  /** Whether the fields of an entry to be written are those of the master entry, of which there are as many. */
  #sameFields(source: EntrySource, first: number, pairs: number): boolean {
    const { bytes } = this;
    const { input, argOff, argLen } = source;
    let at = this.masterAt;
    for (let i = 0; i < pairs; i++) {
      const off = argOff[first + i * 2]!;
      const len = argLen[first + i * 2]!;
      const head = bytes[at]!;
      if (head < 0x80 || head > 0x80 + SHORT_STRING_MAX) {
        const reader = this.#reader;
        reader.open(bytes, this.base);
        reader.at(at - this.base);
        if (!reader.equals(input, off, len)) return false;
        at += reader.entrySize();
        continue;
      }
      if (head - 0x80 !== len) return false;
      for (let k = 0; k < len; k++) if (bytes[at + 1 + k] !== input[off + k]) return false;
      at += len + 2;
    }
    return true;
  }

  #values(bytes: Buffer, at: number, source: EntrySource, first: number, pairs: number): number {
    const { input, argOff, argLen } = source;
    for (let i = 0; i < pairs; i++)
      at = this.#string(bytes, at, input, argOff[first + i * 2 + 1]!, argLen[first + i * 2 + 1]!);
    return at;
  }

  /** Writes the difference of two numbers of 64 bits, high word first. @returns the offset behind it */
  #difference(bytes: Buffer, at: number, a: Int32Array, i: number, b: Int32Array, j: number): number {
    const low = (a[i + 1]! - b[j + 1]!) | 0;
    const borrow = a[i + 1]! >>> 0 < b[j + 1]! >>> 0 ? 1 : 0;
    const high = (a[i]! - b[j]! - borrow) | 0;
    if (high === 0 && low >= 0 && low <= SMALL_MAX) {
      bytes[at] = low;
      bytes[at + 1] = 1;
      return at + 2;
    }
    const encoder = this.#encoder;
    encoder.setWords(low, high);
    encoder.write(bytes, at);
    return at + encoder.size;
  }

  #number(bytes: Buffer, at: number, value: number): number {
    if (value <= SMALL_MAX) {
      bytes[at] = value;
      bytes[at + 1] = 1;
      return at + 2;
    }
    const encoder = this.#encoder;
    encoder.setInteger(value);
    encoder.write(bytes, at);
    return at + encoder.size;
  }

  #string(bytes: Buffer, at: number, source: Buffer, off: number, len: number): number {
    const first = len === 0 ? 0 : source[off]!;
    // Most are short and no integers: neither a digit nor a minus in front.
    if (len <= SHORT_STRING_MAX && (first > DIGIT_9 || (first < DIGIT_0 && first !== MINUS))) {
      bytes[at++] = 0x80 | len;
      for (let i = 0; i < len; i++) bytes[at + i] = source[off + i]!;
      bytes[at + len] = len + 1;
      return at + len + 1;
    }
    const encoder = this.#encoder;
    encoder.set(source, off, len);
    encoder.write(bytes, at);
    return at + encoder.size;
  }
}

function writeHeader(bytes: Buffer, base: number, total: number, elements: number): void {
  bytes[base] = total;
  bytes[base + 1] = total >> 8;
  bytes[base + 2] = total >> 16;
  bytes[base + 3] = total >> 24;
  bytes[base + 4] = elements;
  bytes[base + 5] = elements >> 8;
}
