// Ziplists: what small lists, hashes and sorted sets were before listpacks (Redis 2.4 to 6.2). Only read, never made.
//
//   +-------------+-----------------+------------+-- ... --+------+
//   | bytes in all| offset of the   | entries    | entries | 0xFF |      all numbers little endian but the lengths
//   | 32 bits     | last entry, 32  | 16 bits    |         |      |      of strings
//   +-------------+-----------------+------------+-- ... --+------+
//     entries: 65535 when there are that many or more.
//   entry:  bytes of the entry before it: 1 byte below 254, else 254 and 32 bits | encoding and data
//     00llllll                    string of up to 63 bytes
//     01llllll llllllll           string of up to 16383 bytes
//     10000000 + 4 bytes          string
//     11000000, 11010000, 11100000, 11110000, 11111110     integers of 16, 32, 64, 24, 8 bits
//     1111vvvv                    integer v - 1, 0 to 12
//
// The cursor checks as it goes whatever Redis's ziplistValidateIntegrity does (deep): one walk reads and validates.

const HEADER_BYTES = 10;
const END = 0xff;
const WIDE_LENGTH = 254;
const COUNT_UNKNOWN = 0xffff;

export class ZiplistCursor {
  bytes: Buffer;
  /** The current entry is an integer, of these words; else the string bytes[off, off + len). */
  isInteger = false;
  low = 0;
  high = 0;
  off = 0;
  len = 0;
  /** Set by next() when the bytes are no ziplist. */
  bad = false;
  /** Entries that the header promises: COUNT_UNKNOWN when it does not know. */
  #promised = 0;
  #count = 0;
  #base = 0;
  /** Where the next entry begins, and the last byte. */
  #at = 0;
  #end = 0;
  #entry = 0;
  #entryBytes = 0;

  /** @param some any buffer, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
  }

  /** Points the cursor in front of the first entry of the ziplist in bytes[base, base + size). @returns false if it is none */
  open(bytes: Buffer, base: number, size: number): boolean {
    this.bytes = bytes;
    this.bad = true;
    if (size < HEADER_BYTES + 1 || readWord(bytes, base) >>> 0 !== size) return false;
    if (bytes[base + size - 1] !== END || readWord(bytes, base + 4) >>> 0 > size - 1) return false;
    this.bad = false;
    this.#promised = bytes[base + 8]! | (bytes[base + 9]! << 8);
    this.#count = 0;
    this.#base = base;
    this.#at = base + HEADER_BYTES;
    this.#end = base + size - 1;
    this.#entry = 0;
    this.#entryBytes = 0;
    return true;
  }

  /** Goes to the next entry. @returns false at the end, and when `bad` was set */
  next(): boolean {
    if (this.bytes[this.#at] === END) {
      this.bad = !this.#endsWell();
      return false;
    }
    const start = this.#at;
    const before = this.#lengthBefore(start);
    const encodingAt = start + (this.bytes[start] === WIDE_LENGTH ? 5 : 1);
    if (before !== this.#entryBytes || !this.#load(encodingAt)) {
      this.bad = true;
      return false;
    }
    this.#entry = start;
    this.#entryBytes = this.#at - start;
    this.#count++;
    return true;
  }

  #endsWell(): boolean {
    if (this.#at !== this.#end) return false;
    if (this.#entry !== 0 && readWord(this.bytes, this.#base + 4) !== this.#entry - this.#base) return false;
    return this.#promised === COUNT_UNKNOWN || this.#promised === this.#count;
  }

  /** @returns -1 if it is not inside */
  #lengthBefore(at: number): number {
    const first = this.bytes[at]!;
    if (first < WIDE_LENGTH) return first;
    return at + 5 <= this.#end ? readWord(this.bytes, at + 1) >>> 0 : -1;
  }

  /** Reads encoding and data at `at`. @returns false if they are not, or not inside */
  #load(at: number): boolean {
    const { bytes } = this;
    const end = this.#end;
    if (at >= end) return false;
    const first = bytes[at]!;
    this.isInteger = first >= 0xc0;
    if (this.isInteger) return this.#loadInteger(first, at + 1);
    if (first < 0x40) {
      this.len = first;
      this.off = at + 1;
    } else if (first < 0x80) {
      if (at + 2 > end) return false;
      this.len = ((first & 0x3f) << 8) | bytes[at + 1]!;
      this.off = at + 2;
    } else {
      if (at + 5 > end || first !== 0x80) return false;
      this.len = bytes.readUInt32BE(at + 1);
      this.off = at + 5;
    }
    this.#at = this.off + this.len;
    return this.#at <= end;
  }

  #loadInteger(code: number, at: number): boolean {
    const { bytes } = this;
    if (code > 0xf0 && code < 0xfe) {
      this.low = (code & 15) - 1;
      this.high = 0;
      this.#at = at;
      return true;
    }
    const width = integerWidth(code);
    if (width === 0 || at + width > this.#end) return false;
    if (width >= 4) this.low = readWord(bytes, at);
    else {
      this.low = bytes[at]!;
      if (width > 1) this.low |= bytes[at + 1]! << 8;
      if (width > 2) this.low |= bytes[at + 2]! << 16;
      const unused = 32 - width * 8;
      this.low = (this.low << unused) >> unused;
    }
    this.high = width === 8 ? readWord(bytes, at + 4) : this.low >> 31;
    this.#at = at + width;
    return true;
  }
}

/** @returns bytes of an integer of that code, 0 for no code */
function integerWidth(code: number): number {
  if (code === 0xc0) return 2;
  if (code === 0xd0) return 4;
  if (code === 0xe0) return 8;
  if (code === 0xf0) return 3;
  return code === 0xfe ? 1 : 0;
}

function readWord(bytes: Buffer, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
