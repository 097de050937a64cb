// Zipmaps: small hashes before Redis 2.6. Only read, never made.
//
//   entries (1 byte, 254: count them) | entries | 0xFF
//   entry:   length, field | length, bytes free behind the value (1 byte), value, free bytes
//   length:  1 byte below 254; 254 and 32 bits, little endian
//
// The cursor checks as it goes whatever Redis's zipmapValidateIntegrity does: one walk reads and validates.

const END = 0xff;
const WIDE_LENGTH = 254;
const COUNT_UNKNOWN = 254;

export class ZipmapCursor {
  bytes: Buffer;
  /** The current entry. */
  fieldOff = 0;
  fieldLen = 0;
  valueOff = 0;
  valueLen = 0;
  /** Set by next() when the bytes are no zipmap. */
  bad = false;
  #promised = 0;
  #count = 0;
  #at = 0;
  #end = 0;

  /** @param some any buffer, to begin with */
  constructor(some: Buffer) {
    this.bytes = some;
  }

  /** Points the cursor in front of the first entry of the zipmap in bytes[base, base + size). @returns false if it is none */
  open(bytes: Buffer, base: number, size: number): boolean {
    this.bytes = bytes;
    this.bad = size < 2 || bytes[base + size - 1] !== END;
    if (this.bad) return false;
    this.#promised = bytes[base]!;
    this.#count = 0;
    this.#at = base + 1;
    this.#end = base + size - 1;
    return true;
  }

  /** Goes to the next entry. @returns false at the end, and when `bad` was set */
  next(): boolean {
    if (this.#at === this.#end) {
      this.bad = this.#count === 0 || (this.#promised !== COUNT_UNKNOWN && this.#promised !== this.#count);
      return false;
    }
    this.fieldLen = this.#length();
    this.fieldOff = this.#at;
    this.#at += this.fieldLen;
    if (this.fieldLen < 0 || this.#at >= this.#end) return this.#fail();
    this.valueLen = this.#length();
    if (this.valueLen < 0 || this.#at >= this.#end) return this.#fail();
    this.valueOff = this.#at + 1;
    this.#at = this.valueOff + this.valueLen + this.bytes[this.#at]!;
    if (this.#at > this.#end) return this.#fail();
    this.#count++;
    return true;
  }

  #fail(): false {
    this.bad = true;
    return false;
  }

  /** Reads a length. @returns -1 if there is none */
  #length(): number {
    const first = this.bytes[this.#at]!;
    if (first < WIDE_LENGTH) {
      this.#at++;
      return first;
    }
    if (first === END || this.#at + 5 > this.#end) return -1;
    this.#at += 5;
    return this.bytes.readUInt32LE(this.#at - 4);
  }
}
