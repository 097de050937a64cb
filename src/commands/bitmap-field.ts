// Integers of 1 to 64 bits at any bit of a value: read, written, and brought into range, for BITFIELD.
//
// Bit 0 of a value is the highest bit of its first byte; an integer's highest bit comes first. Fields of up to
// NUMBER_BITS_MAX bits are numbers, wider ones (and operands beyond 2^52) BigInts: each question has an answer for
// both, and both overflow as Redis's checkSignedBitfieldOverflow and checkUnsignedBitfieldOverflow.

export const Overflow = { Wrap: 0, Saturate: 1, Fail: 2 } as const;

/** Widest field kept as a number: sums with operands of up to NUMBER_MAX are exact. */
export const NUMBER_BITS_MAX = 48;
export const NUMBER_MAX = 2 ** 52;
const HALF_BITS = 32;
/** From here on a difference is negative in Redis. */
const INT64_DISTANCE = 2n ** 63n;
const HALF = 32n;

/**
 * Reads an unsigned field of at most 53 bits; bytes behind the end are zero.
 * @param off offset of the value, of `len` bytes
 * @param at bit in the value
 */
export function readBits(bytes: Buffer, off: number, len: number, at: number, bits: number): number {
  let byteAt = Math.floor(at / 8);
  let skip = at % 8;
  let left = bits;
  let value = 0;
  while (left > 0) {
    const have = 8 - skip;
    const take = Math.min(left, have);
    const byte = byteAt < len ? bytes[off + byteAt]! : 0;
    value = value * (1 << take) + ((byte >> (have - take)) & ((1 << take) - 1));
    left -= take;
    byteAt++;
    skip = 0;
  }
  return value;
}

/** Writes an unsigned field of at most 53 bits, all of whose bytes are there. */
export function writeBits(bytes: Buffer, off: number, at: number, bits: number, value: number): void {
  const end = at + bits;
  let byteAt = off + Math.floor((end - 1) / 8);
  // Bits of the last byte that are behind the field.
  let behind = 7 - ((end - 1) % 8);
  let left = bits;
  while (left > 0) {
    const room = 8 - behind;
    const take = Math.min(left, room);
    const size = 1 << take;
    const part = value % size;
    const mask = (size - 1) << behind;
    bytes[byteAt] = (bytes[byteAt]! & ~mask) | (part << behind);
    value = (value - part) / size;
    left -= take;
    byteAt--;
    behind = 0;
  }
}

/** As readBits, for up to 64 bits. */
export function readBits64(bytes: Buffer, off: number, len: number, at: number, bits: number): bigint {
  if (bits <= HALF_BITS) return BigInt(readBits(bytes, off, len, at, bits));
  const high = readBits(bytes, off, len, at, bits - HALF_BITS);
  const low = readBits(bytes, off, len, at + bits - HALF_BITS, HALF_BITS);
  return (BigInt(high) << HALF) | BigInt(low);
}

/** As writeBits, for up to 64 bits. */
export function writeBits64(bytes: Buffer, off: number, at: number, bits: number, value: bigint): void {
  if (bits <= HALF_BITS) {
    writeBits(bytes, off, at, bits, Number(value));
    return;
  }
  writeBits(bytes, off, at, bits - HALF_BITS, Number(value >> HALF));
  writeBits(bytes, off, at + bits - HALF_BITS, HALF_BITS, Number(value & 0xffffffffn));
}

/** The signed number that an unsigned field stands for. */
export function asSigned(field: number, bits: number): number {
  return field >= 2 ** (bits - 1) ? field - 2 ** bits : field;
}

/** The unsigned field that holds a number in range. */
export function asField(value: number, bits: number): number {
  return value < 0 ? value + 2 ** bits : value;
}

/**
 * Brings a number into the range of a field.
 * @param value the old value plus the increment, or the new value
 * @param overflow see Overflow
 * @returns NaN if it is out of range and must fail
 */
export function intoRange(
  value: number,
  bits: number,
  signed: boolean,
  overflow: number,
  isSet: boolean,
): number {
  const max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  const min = signed ? -max - 1 : 0;
  if (value >= min && value <= max) return value;
  if (overflow === Overflow.Fail) return NaN;
  // A negative number set in an unsigned field counts as a huge positive one.
  if (overflow === Overflow.Saturate) return value > max || (isSet && !signed) ? max : min;
  const size = 2 ** bits;
  const field = ((value % size) + size) % size;
  return signed ? asSigned(field, bits) : field;
}

/** As intoRange, for any field. @returns null if it is out of range and must fail */
export function intoRange64(
  value: bigint,
  bits: number,
  signed: boolean,
  overflow: number,
  isSet: boolean,
): bigint | null {
  const size = 1n << BigInt(bits);
  const max = signed ? size / 2n - 1n : size - 1n;
  const min = signed ? -max - 1n : 0n;
  if (value >= min && value <= max) return value;
  if (overflow === Overflow.Fail) return null;
  // So does, in a signed one, what is so far below that its distance from the greatest number does not fit in 64 bits.
  const isHuge = isSet && (!signed || max - value >= INT64_DISTANCE);
  if (overflow === Overflow.Saturate) return value > max || isHuge ? max : min;
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}
