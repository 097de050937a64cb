// HyperLogLog values as Redis stores them: what is read of them and done to them in place.
//
//   header, 16 bytes   "HYLL" | encoding (0 dense, 1 sparse) | 3 unused | cardinality, 64 bits little endian
//                      the top bit of the cardinality says that it is out of date
//   dense              16384 registers of 6 bits, the first one in the lowest bits of the first byte: 12288 bytes
//   sparse             opcodes that describe runs of registers:
//                        00xxxxxx            ZERO    x + 1 registers of 0 (1..64)
//                        01xxxxxx yyyyyyyy   XZERO   xy + 1 registers of 0 (1..16384)
//                        1vvvvvxx            VAL     x + 1 registers of v + 1 (1..4 registers of 1..32)
//
// Format: Redis's hyperloglog.c. Cardinality: O. Ertl, "New cardinality estimation algorithms for HyperLogLog
// sketches", arXiv:1702.01284, as Redis computes it, to the last bit.
//
// Values come from clients (SET, APPEND, SETRANGE) and may be anything: every function that reads opcodes stays inside
// the value and says when they don't add up to 16384 registers.
// Changing sparse values is hyperloglog-image.ts; the hash of elements hyperloglog-hash.ts.

export const REGISTERS = 16384;
export const HEADER_BYTES = 16;
export const DENSE_BYTES = HEADER_BYTES + (REGISTERS * 6) / 8;
export const HllEncoding = { Dense: 0, Sparse: 1 } as const;
/** Largest value and longest run of a VAL opcode. */
export const VAL_MAX = 32;
export const VAL_RUN_MAX = 4;
export const ZERO_RUN_MAX = 64;
/** Largest value of a register. */
export const REGISTER_MAX = 63;

const ENCODING_AT = 4;
const CARDINALITY_AT = 8;
const STALE_AT = 15;
const STALE = 0x80;
/** Bits of a hash behind the ones that choose the register. */
const Q = 50;
/** 1 / (2 ln 2). */
const ALPHA_INFINITE = 0.7213475204444817;

const MAGIC = [0x48, 0x59, 0x4c, 0x4c];

/** Whether bytes [off, off + len) have the header of a HyperLogLog. Opcodes are not looked at. */
export function isHyperLogLog(bytes: Uint8Array, off: number, len: number): boolean {
  if (len < HEADER_BYTES) return false;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[off + i] !== MAGIC[i]) return false;
  const encoding = bytes[off + ENCODING_AT]!;
  return encoding === HllEncoding.Sparse || (encoding === HllEncoding.Dense && len === DENSE_BYTES);
}

export function writeHeader(bytes: Uint8Array, off: number, encoding: number): void {
  bytes.fill(0, off, off + HEADER_BYTES);
  for (let i = 0; i < MAGIC.length; i++) bytes[off + i] = MAGIC[i]!;
  bytes[off + ENCODING_AT] = encoding;
}

export function encodingOf(bytes: Uint8Array, off: number): number {
  return bytes[off + ENCODING_AT]!;
}

export function setEncoding(bytes: Uint8Array, off: number, encoding: number): void {
  bytes[off + ENCODING_AT] = encoding;
}

/** Marks the cached cardinality as out of date. */
export function invalidateCardinality(bytes: Uint8Array, off: number): void {
  bytes[off + STALE_AT]! |= STALE;
}

export function isCardinalityValid(bytes: Uint8Array, off: number): boolean {
  return (bytes[off + STALE_AT]! & STALE) === 0;
}

/** The cached cardinality: 63 bits, whatever is stored there; a BigInt where a number would not be exact. */
export function cachedCardinality(bytes: Uint8Array, off: number): number | bigint {
  const low = word32(bytes, off + CARDINALITY_AT);
  const high = word32(bytes, off + CARDINALITY_AT + 4);
  return high < 0x200000 ? high * 4294967296 + low : (BigInt(high) << 32n) | BigInt(low);
}

function word32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Stores a cardinality that is up to date. @param cardinality 0..2^53-1 */
export function cacheCardinality(bytes: Uint8Array, off: number, cardinality: number): void {
  let rest = cardinality;
  for (let i = 0; i < 8; i++) {
    bytes[off + CARDINALITY_AT + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

// ---- dense ----

/** @param registers offset of the first register */
export function denseRegister(bytes: Uint8Array, registers: number, index: number): number {
  const bit = index * 6;
  const at = registers + (bit >> 3);
  const shift = bit & 7;
  if (shift <= 2) return (bytes[at]! >> shift) & REGISTER_MAX;
  return ((bytes[at]! >> shift) | (bytes[at + 1]! << (8 - shift))) & REGISTER_MAX;
}

export function setDenseRegister(bytes: Uint8Array, registers: number, index: number, value: number): void {
  const bit = index * 6;
  const at = registers + (bit >> 3);
  const shift = bit & 7;
  bytes[at] = (bytes[at]! & ~(REGISTER_MAX << shift)) | (value << shift);
  // A register within one byte leaves the next one alone: it may be outside the value.
  if (shift <= 2) return;
  bytes[at + 1] = (bytes[at + 1]! & ~(REGISTER_MAX >> (8 - shift))) | (value >> (8 - shift));
}

/** Raises a register. @returns whether it was lower */
export function raiseDense(bytes: Uint8Array, registers: number, index: number, value: number): boolean {
  if (denseRegister(bytes, registers, index) >= value) return false;
  setDenseRegister(bytes, registers, index, value);
  return true;
}

// ---- sparse ----

export function isVal(opcode: number): boolean {
  return (opcode & 0x80) !== 0;
}

export function isXzero(opcode: number): boolean {
  return (opcode & 0xc0) === 0x40;
}

/** Registers that the opcode at `at` covers. @param end of the value: what is behind it counts as 0 */
export function runLength(bytes: Uint8Array, at: number, end: number): number {
  const opcode = bytes[at]!;
  if ((opcode & 0x80) !== 0) return (opcode & 3) + 1;
  if ((opcode & 0x40) === 0) return (opcode & 0x3f) + 1;
  return (((opcode & 0x3f) << 8) | (at + 1 < end ? bytes[at + 1]! : 0)) + 1;
}

/** Value of a VAL opcode. */
export function valOf(opcode: number): number {
  return ((opcode >> 2) & 0x1f) + 1;
}

/** A register of a sparse value [off, off + len). @returns -1 if the opcodes end before it */
export function sparseRegister(bytes: Uint8Array, off: number, len: number, index: number): number {
  const end = off + len;
  let first = 0;
  for (let at = off + HEADER_BYTES; at < end; ) {
    const opcode = bytes[at]!;
    first += runLength(bytes, at, end);
    if (index < first) return isVal(opcode) ? valOf(opcode) : 0;
    at += isXzero(opcode) ? 2 : 1;
  }
  return -1;
}

/**
 * Takes the maximum of registers and those of a value.
 * @param max one byte a register
 * @returns false if its opcodes don't add up
 */
export function mergeInto(max: Uint8Array, bytes: Uint8Array, off: number, len: number): boolean {
  if (encodingOf(bytes, off) === HllEncoding.Sparse) return mergeSparse(max, bytes, off, len);
  let register = 0;
  for (let at = off + HEADER_BYTES; register < REGISTERS; at += 3) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    raise(max, register++, a & 63);
    raise(max, register++, ((a >> 6) | (b << 2)) & 63);
    raise(max, register++, ((b >> 4) | (c << 4)) & 63);
    raise(max, register++, c >> 2);
  }
  return true;
}

function raise(max: Uint8Array, register: number, value: number): void {
  if (value > max[register]!) max[register] = value;
}

function mergeSparse(max: Uint8Array, bytes: Uint8Array, off: number, len: number): boolean {
  const end = off + len;
  let register = 0;
  for (let at = off + HEADER_BYTES; at < end; ) {
    const opcode = bytes[at]!;
    const run = runLength(bytes, at, end);
    if (isVal(opcode)) {
      if (register + run > REGISTERS) return false;
      for (let i = 0; i < run; i++) raise(max, register + i, valOf(opcode));
    }
    register += run;
    at += isXzero(opcode) ? 2 : 1;
  }
  return register === REGISTERS;
}

/** The opcodes of a sparse value as PFDEBUG DECODE prints them. */
export function describeSparse(bytes: Uint8Array, off: number, len: number): string {
  const words: string[] = [];
  const end = off + len;
  for (let at = off + HEADER_BYTES; at < end; ) {
    const opcode = bytes[at]!;
    const run = runLength(bytes, at, end);
    if (isVal(opcode)) words.push(`v:${valOf(opcode)},${run}`);
    else words.push(`${isXzero(opcode) ? 'Z' : 'z'}:${run}`);
    at += isXzero(opcode) ? 2 : 1;
  }
  return words.join(' ');
}

// ---- cardinality ----

/** Registers by value; reused. */
const histogram = new Int32Array(REGISTER_MAX + 1);

/** The cardinality that a value's registers say; -1 if its opcodes don't add up. */
export function countValue(bytes: Uint8Array, off: number, len: number): number {
  histogram.fill(0);
  if (encodingOf(bytes, off) === HllEncoding.Dense) histogramOfDense(bytes, off + HEADER_BYTES);
  else if (!histogramOfSparse(bytes, off, len)) return -1;
  return estimate();
}

/** The cardinality that registers of one byte each say. */
export function countRegisters(registers: Uint8Array): number {
  histogram.fill(0);
  for (let i = 0; i < REGISTERS; i++) histogram[registers[i]! & REGISTER_MAX]!++;
  return estimate();
}

function histogramOfDense(bytes: Uint8Array, registers: number): void {
  const end = registers + DENSE_BYTES - HEADER_BYTES;
  for (let at = registers; at < end; at += 3) {
    const a = bytes[at]!;
    const b = bytes[at + 1]!;
    const c = bytes[at + 2]!;
    histogram[a & 63]!++;
    histogram[((a >> 6) | (b << 2)) & 63]!++;
    histogram[((b >> 4) | (c << 4)) & 63]!++;
    histogram[c >> 2]!++;
  }
}

function histogramOfSparse(bytes: Uint8Array, off: number, len: number): boolean {
  const end = off + len;
  let register = 0;
  for (let at = off + HEADER_BYTES; at < end; ) {
    const opcode = bytes[at]!;
    const run = runLength(bytes, at, end);
    histogram[isVal(opcode) ? valOf(opcode) : 0]! += run;
    register += run;
    at += isXzero(opcode) ? 2 : 1;
  }
  return register === REGISTERS;
}

function estimate(): number {
  const m = REGISTERS;
  let z = m * tau((m - histogram[Q + 1]!) / m);
  for (let value = Q; value >= 1; value--) {
    z += histogram[value]!;
    z *= 0.5;
  }
  z += m * sigma(histogram[0]! / m);
  return Math.round((ALPHA_INFINITE * m * m) / z);
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  let previous: number;
  do {
    x *= x;
    previous = z;
    z += x * y;
    y += y;
  } while (previous !== z);
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  let previous: number;
  do {
    x = Math.sqrt(x);
    previous = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  } while (previous !== z);
  return z / 3;
}
