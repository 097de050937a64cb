// The longest common subsequence of two byte strings, bit-parallel.
//
// Let L(i, j) be the length for the first i bytes of a and the first j bytes of b. Along a row i, L grows by 0 or 1
// from each j to the next; a row is kept as these differences, one bit each: bit j - 1 is 0 where L(i, j) is larger
// than L(i, j - 1). The next row follows from one addition over the whole row as if it were one long number:
//
//     V(0) = all ones      U = V(i-1) & M[a(i)]      V(i) = (V(i-1) + U) | (V(i-1) & ~M[a(i)])
//
// where M[c] has a 1 for each place in b that holds c (Hyyro 2004, "Bit-parallel LCS-length computation revisited").
// Redis fills a table of 32-bit lengths cell by cell. This takes a 32nd of its steps and of its memory, and the walk
// back, which must choose as Redis does, needs no more than the bits: where a(i) and b(j) differ, L(i-1, j) >
// L(i, j-1) exactly if L(i, j) > L(i, j-1).

const BYTE_VALUES = 256;

/** The rows 0..a of bits, and how to read them. */
export class LcsTable {
  readonly #aLen: number;
  readonly #bLen: number;
  readonly #rowWords: number;
  /** With `keepRows`, all rows; else the last one. */
  readonly #rows: Int32Array;

  /**
   * @param keepRows whether rises() is going to be asked; without, memory is one row
   */
  constructor(
    a: Buffer,
    aOff: number,
    aLen: number,
    b: Buffer,
    bOff: number,
    bLen: number,
    keepRows: boolean,
  ) {
    this.#aLen = aLen;
    this.#bLen = bLen;
    this.#rowWords = (bLen + 31) >>> 5;
    this.#rows = new Int32Array(this.#rowWords * (keepRows ? aLen + 1 : 1)).fill(-1, 0, this.#rowWords);
    const masks = new MaskTable(b, bOff, bLen, this.#rowWords);
    for (let i = 0; i < aLen; i++) {
      const mask = masks.of(a[aOff + i]!);
      const from = keepRows ? i * this.#rowWords : 0;
      nextRow(this.#rows, from, keepRows ? from + this.#rowWords : 0, mask, this.#rowWords);
    }
  }

  /** Length of the longest common subsequence. */
  get length(): number {
    const last = this.#rows.length - this.#rowWords;
    let ones = 0;
    for (let w = 0; w < this.#rowWords; w++) ones += popcount(~this.#rows[last + w]!);
    return ones - this.#surplus(last);
  }

  /** Whether L(i, j) > L(i, j - 1). @param i 1..a @param j 1..b */
  rises(i: number, j: number): boolean {
    if (i > this.#aLen) throw new RangeError('LCS: no such row');
    const bit = j - 1;
    return (this.#rows[i * this.#rowWords + (bit >>> 5)]! & (1 << (bit & 31))) === 0;
  }

  /** Zeros of the last word that stand for no byte of b. */
  #surplus(row: number): number {
    const used = this.#bLen & 31;
    if (used === 0) return 0;
    return popcount(~this.#rows[row + this.#rowWords - 1]! & (-1 << used));
  }
}

/** For each byte value that is asked for, where b holds it. Made on demand: at most as many as a has bytes. */
class MaskTable {
  readonly #masks: (Int32Array | null)[] = new Array(BYTE_VALUES).fill(null);
  readonly #b: Buffer;
  readonly #off: number;
  readonly #len: number;
  readonly #words: number;

  constructor(b: Buffer, off: number, len: number, words: number) {
    this.#b = b;
    this.#off = off;
    this.#len = len;
    this.#words = words;
  }

  of(byte: number): Int32Array {
    const mask = this.#masks[byte];
    return mask ?? this.#make(byte);
  }

  #make(byte: number): Int32Array {
    const mask = new Int32Array(this.#words);
    const b = this.#b;
    for (let j = 0; j < this.#len; j++) {
      if (b[this.#off + j] === byte) mask[j >>> 5]! |= 1 << (j & 31);
    }
    this.#masks[byte] = mask;
    return mask;
  }
}

/** Computes the row at `to` from that at `from`; they may be the same. */
function nextRow(rows: Int32Array, from: number, to: number, mask: Int32Array, words: number): void {
  let carry = 0;
  for (let w = 0; w < words; w++) {
    const v = rows[from + w]!;
    const m = mask[w]!;
    const u = v & m;
    const sum = (v + u + carry) | 0;
    // u is part of v: a carry leaves where both have the top bit, or v has it and the sum has lost it.
    carry = (u | (v & ~sum)) >>> 31;
    rows[to + w] = sum | (v & ~m);
  }
}

function popcount(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
