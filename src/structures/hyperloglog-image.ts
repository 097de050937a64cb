// A HyperLogLog value being changed, in a buffer of its own: adding to the sparse form moves bytes and may end in the
// dense form, and the record is only written when all is done.
//
// Raising a register of the sparse form replaces the opcode that covers it by up to three, then joins neighbouring
// VALs of equal value, looking at five opcodes at most: the same steps as Redis, so that the bytes are the same.
//
// Each thread has one image or two, reused: `bytes` [0, length) is the value.

import {
  DENSE_BYTES,
  encodingOf,
  HEADER_BYTES,
  HllEncoding,
  invalidateCardinality,
  isVal,
  isXzero,
  REGISTERS,
  raiseDense,
  runLength,
  setDenseRegister,
  setEncoding,
  VAL_MAX,
  VAL_RUN_MAX,
  valOf,
  writeHeader,
  ZERO_RUN_MAX,
} from './hyperloglog.ts';

const XZERO_RUN_MAX = 16384;
/** Opcodes looked at for joining, from the one before the change. */
const JOIN_OPCODES = 5;
/** Room for what one change adds. */
const GROWTH = 8;

export const Raise = { Unchanged: 0, Raised: 1, Corrupt: -1 } as const;

export class HllImage {
  bytes: Buffer = Buffer.alloc(DENSE_BYTES + GROWTH);
  length = 0;
  #spare: Buffer = Buffer.alloc(DENSE_BYTES + GROWTH);
  /** The opcodes that replace one. */
  readonly #sequence = new Uint8Array(5);
  #sequenceLength = 0;
  /** What #locate found: the opcode, the one before it (-1: none), and the first register it covers. */
  #at = 0;
  #previous = -1;
  #first = 0;

  /** Makes it the value of a new key: sparse, all registers 0. */
  clear(): void {
    writeHeader(this.bytes, 0, HllEncoding.Sparse);
    this.length = HEADER_BYTES;
    for (let left = REGISTERS; left > 0; left -= XZERO_RUN_MAX) {
      this.length = writeXzero(this.bytes, this.length, Math.min(left, XZERO_RUN_MAX));
    }
  }

  /** Copies a value. */
  load(from: Buffer, off: number, len: number): void {
    if (len + GROWTH > this.bytes.length) this.bytes = Buffer.alloc(len * 2 + GROWTH);
    from.copy(this.bytes, 0, off, off + len);
    this.length = len;
  }

  get dense(): boolean {
    return encodingOf(this.bytes, 0) === HllEncoding.Dense;
  }

  /**
   * Raises a register.
   * @param sparseMax bytes up to which the value stays sparse (hll-sparse-max-bytes)
   * @returns Raise
   */
  raise(index: number, value: number, sparseMax: number): number {
    if (this.dense)
      return raiseDense(this.bytes, HEADER_BYTES, index, value) ? Raise.Raised : Raise.Unchanged;
    if (value > VAL_MAX) return this.#promote(index, value);
    if (!this.#locate(index)) return Raise.Corrupt;
    const at = this.#at;
    const opcode = this.bytes[at]!;
    const run = runLength(this.bytes, at, this.length);
    if (isVal(opcode) && valOf(opcode) >= value) return Raise.Unchanged;
    if (run === 1 && !isXzero(opcode)) this.bytes[at] = valOpcode(value, 1);
    else {
      this.#split(index, value, run);
      const growth = this.#sequenceLength - (isXzero(opcode) ? 2 : 1);
      if (growth > 0 && this.length + growth > sparseMax) return this.#promote(index, value);
      this.#replace(isXzero(opcode) ? 2 : 1);
    }
    this.#join();
    invalidateCardinality(this.bytes, 0);
    return Raise.Raised;
  }

  /** Turns the sparse form into the dense one. @returns false if the opcodes don't add up; then nothing has changed */
  toDense(): boolean {
    if (this.dense) return true;
    const from = this.bytes;
    const to = this.#spare;
    from.copy(to, 0, 0, HEADER_BYTES);
    setEncoding(to, 0, HllEncoding.Dense);
    to.fill(0, HEADER_BYTES, DENSE_BYTES);
    let register = 0;
    for (let at = HEADER_BYTES; at < this.length; ) {
      const opcode = from[at]!;
      const run = runLength(from, at, this.length);
      if (isVal(opcode)) {
        if (register + run > REGISTERS) return false;
        for (let i = 0; i < run; i++) setDenseRegister(to, HEADER_BYTES, register + i, valOf(opcode));
      }
      register += run;
      at += isXzero(opcode) ? 2 : 1;
    }
    if (register !== REGISTERS) return false;
    this.#spare = from;
    this.bytes = to;
    this.length = DENSE_BYTES;
    return true;
  }

  #promote(index: number, value: number): number {
    if (!this.toDense()) return Raise.Corrupt;
    raiseDense(this.bytes, HEADER_BYTES, index, value);
    return Raise.Raised;
  }

  /** Finds the opcode that covers a register. @returns false if there is none */
  #locate(index: number): boolean {
    this.#previous = -1;
    this.#first = 0;
    for (let at = HEADER_BYTES; at < this.length; ) {
      const next = this.#first + runLength(this.bytes, at, this.length);
      if (index < next) {
        this.#at = at;
        return next <= REGISTERS;
      }
      this.#first = next;
      this.#previous = at;
      at += isXzero(this.bytes[at]!) ? 2 : 1;
    }
    return false;
  }

  /** Writes what replaces the located opcode to #sequence. @param run registers that it covers */
  #split(index: number, value: number, run: number): void {
    const opcode = this.bytes[this.#at]!;
    const before = index - this.#first;
    const after = run - before - 1;
    const to = this.#sequence;
    let at = 0;
    if (before > 0) at = writeRun(to, at, opcode, before);
    to[at++] = valOpcode(value, 1);
    if (after > 0) at = writeRun(to, at, opcode, after);
    this.#sequenceLength = at;
  }

  /** Puts #sequence in the place of the located opcode. @param oldLength bytes of that one */
  #replace(oldLength: number): void {
    const growth = this.#sequenceLength - oldLength;
    if (this.length + growth + GROWTH > this.bytes.length) {
      const grown = Buffer.alloc(this.bytes.length * 2);
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    const behind = this.#at + oldLength;
    if (growth !== 0 && behind < this.length) this.bytes.copyWithin(behind + growth, behind, this.length);
    for (let i = 0; i < this.#sequenceLength; i++) this.bytes[this.#at + i] = this.#sequence[i]!;
    this.length += growth;
  }

  /** Joins VALs of equal value around the change. */
  #join(): void {
    const bytes = this.bytes;
    let at = this.#previous >= 0 ? this.#previous : HEADER_BYTES;
    for (let scanned = 0; at < this.length && scanned < JOIN_OPCODES; scanned++) {
      const opcode = bytes[at]!;
      if (!isVal(opcode)) {
        at += isXzero(opcode) ? 2 : 1;
        continue;
      }
      const next = at + 1 < this.length ? bytes[at + 1]! : 0;
      const run = (opcode & 3) + (next & 3) + 2;
      if (isVal(next) && valOf(next) === valOf(opcode) && run <= VAL_RUN_MAX) {
        bytes[at + 1] = valOpcode(valOf(opcode), run);
        bytes.copyWithin(at, at + 1, this.length);
        this.length--;
        continue;
      }
      at++;
    }
  }
}

function valOpcode(value: number, run: number): number {
  return 0x80 | ((value - 1) << 2) | (run - 1);
}

/** Writes an opcode for a part of the run of another one. @returns the offset behind it */
function writeRun(to: Uint8Array, at: number, opcode: number, run: number): number {
  if (isVal(opcode)) to[at] = valOpcode(valOf(opcode), run);
  else if (run > ZERO_RUN_MAX) return writeXzero(to, at, run);
  else to[at] = run - 1;
  return at + 1;
}

function writeXzero(to: Uint8Array, at: number, run: number): number {
  to[at] = 0x40 | ((run - 1) >> 8);
  to[at + 1] = (run - 1) & 0xff;
  return at + 2;
}
