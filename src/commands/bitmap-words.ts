// Counting, searching and combining bits over the bytes of values, 32 at a time.
//
// Values lie at any byte of their region, so the words of the region that they cover are only partly theirs at both
// ends: those are read as bytes. Combining copies blocks of each source to an aligned scratch area instead, which
// also makes it safe for the destination to be one of the sources: a block is written after all of it was read.
// Bit 0 of a value is the highest bit of its first byte. All positions are doubles: there are up to 2^33 bits.

const POPCOUNT = Uint8Array.from({ length: 256 }, (_, byte) => popcount(byte));
/** Words after which a partial sum is added up: it stays a 31-bit integer in compiled code. */
const SUM_WORDS = 1 << 24;

function popcount(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/**
 * Counts the bits that are set.
 * @param words the words of the same region as `bytes`
 * @param off offset of the first byte
 * @param len number of bytes
 */
export function countBits(bytes: Buffer, words: Int32Array, off: number, len: number): number {
  const end = off + len;
  let count = 0;
  while (off < end && (off & 3) !== 0) count += POPCOUNT[bytes[off++]!]!;
  const wordEnd = end >>> 2;
  for (let from = off >>> 2; from < wordEnd; from += SUM_WORDS) {
    count += countWords(words, from, Math.min(wordEnd, from + SUM_WORDS));
  }
  for (let at = Math.max(off, wordEnd * 4); at < end; at++) count += POPCOUNT[bytes[at]!]!;
  return count;
}

/**
 * Counts pairs of words: their sums of four bits are added before they are folded, which saves a third of the steps.
 */
function countWords(words: Int32Array, from: number, to: number): number {
  let count = 0;
  let at = from;
  for (; at + 1 < to; at += 2) {
    let a = words[at]!;
    let b = words[at + 1]!;
    a -= (a >>> 1) & 0x55555555;
    b -= (b >>> 1) & 0x55555555;
    a = (a & 0x33333333) + ((a >>> 2) & 0x33333333) + (b & 0x33333333) + ((b >>> 2) & 0x33333333);
    a = (a & 0x0f0f0f0f) + ((a >>> 4) & 0x0f0f0f0f);
    count += Math.imul(a, 0x01010101) >>> 24;
  }
  if (at < to) count += popcount(words[at]!);
  return count;
}

/**
 * Counts the bits set from bit `first` to bit `last` of a value, both included; first <= last.
 * @param off offset of the value
 */
export function countBitRange(
  bytes: Buffer,
  words: Int32Array,
  off: number,
  first: number,
  last: number,
): number {
  const firstByte = Math.floor(first / 8);
  const lastByte = Math.floor(last / 8);
  const before = bytes[off + firstByte]! & ~(0xff >>> (first % 8)) & 0xff;
  const behind = bytes[off + lastByte]! & (0x7f >>> (last % 8));
  const all = countBits(bytes, words, off + firstByte, lastByte - firstByte + 1);
  return all - POPCOUNT[before]! - POPCOUNT[behind]!;
}

/**
 * Finds the first bit that is `bit` from bit `first` to bit `last` of a value, both included; first <= last.
 * @param off offset of the value
 * @returns its position, -1 if there is none
 */
export function findBit(
  bytes: Buffer,
  words: Int32Array,
  off: number,
  first: number,
  last: number,
  bit: number,
): number {
  // Xored with this, what is sought are bits that are set.
  const flip = bit === 1 ? 0 : -1;
  const lastByte = off + Math.floor(last / 8);
  let at = off + Math.floor(first / 8);
  let mask = 0xff >>> (first % 8);
  while (at < lastByte) {
    const byte = (bytes[at]! ^ flip) & mask;
    if (byte !== 0) return (at - off) * 8 + Math.clz32(byte) - 24;
    mask = 0xff;
    at++;
    if ((at & 3) === 0) at = skipWords(words, at, lastByte, flip);
  }
  const byte = (bytes[lastByte]! ^ flip) & mask & ~(0x7f >>> (last % 8));
  return byte === 0 ? -1 : (lastByte - off) * 8 + Math.clz32(byte) - 24;
}

/** Skips words that have nothing but `flip` in them, from the aligned offset `at` on, not beyond `end`. */
function skipWords(words: Int32Array, at: number, end: number, flip: number): number {
  let word = at >>> 2;
  const to = end >>> 2;
  while (word < to && words[word] === flip) word++;
  return word * 4;
}

// ---- combining ----

export const BitOperation = { And: 0, Or: 1, Xor: 2, Not: 3, Diff: 4, Diff1: 5, AndOr: 6, One: 7 } as const;

/** Bytes combined at a time: three blocks fit a first-level cache. */
const BLOCK_BYTES = 8192;

function block(): { bytes: Buffer; words: Int32Array } {
  const memory = new ArrayBuffer(BLOCK_BYTES);
  return { bytes: Buffer.from(memory), words: new Int32Array(memory) };
}

/** The first source and then the result; what a further source holds; what is gathered of all but the first. */
const main = block();
const next = block();
const rest = block();

/** The values to be combined: byte ranges of regions. Reused; cleared after use so that no memory is kept alive. */
export class BitSources {
  readonly bytes: Buffer[] = [];
  readonly offs: number[] = [];
  readonly lens: number[] = [];
  /** Refs of the records, 0 for keys that are not there. */
  readonly refs: number[] = [];

  get count(): number {
    return this.lens.length;
  }

  add(bytes: Buffer, off: number, len: number, ref: number): void {
    this.bytes.push(bytes);
    this.offs.push(off);
    this.lens.push(len);
    this.refs.push(ref);
  }

  clear(): void {
    this.bytes.length = 0;
    this.offs.length = 0;
    this.lens.length = 0;
    this.refs.length = 0;
  }
}

/**
 * Combines values bit by bit; those that end early go on with zeros.
 * @param operation see BitOperation
 * @param sources at least one, at least two for Diff, Diff1 and AndOr
 * @param to where the result goes, `len` bytes at `off`; it may be one of the sources, whole
 */
export function combineBits(
  operation: number,
  sources: BitSources,
  to: Buffer,
  off: number,
  len: number,
): void {
  for (let from = 0; from < len; from += BLOCK_BYTES) {
    const size = Math.min(BLOCK_BYTES, len - from);
    const words = (size + 3) >>> 2;
    load(sources, 0, from, main.bytes, words * 4);
    if (operation <= BitOperation.Not) combineSimple(operation, sources, from, words);
    else if (operation === BitOperation.One) combineOne(sources, from, words);
    else combineWithRest(operation, sources, from, words);
    main.bytes.copy(to, off + from, 0, size);
  }
}

/** Copies a block of a source, with zeros behind its end. */
function load(sources: BitSources, index: number, from: number, into: Buffer, size: number): void {
  const there = Math.min(size, Math.max(0, sources.lens[index]! - from));
  if (there > 0) {
    const at = sources.offs[index]! + from;
    sources.bytes[index]!.copy(into, 0, at, at + there);
  }
  if (there < size) into.fill(0, there, size);
}

function combineSimple(operation: number, sources: BitSources, from: number, words: number): void {
  if (operation === BitOperation.Not) {
    for (let w = 0; w < words; w++) main.words[w] = ~main.words[w]!;
    return;
  }
  for (let index = 1; index < sources.count; index++) {
    load(sources, index, from, next.bytes, words * 4);
    if (operation === BitOperation.And) and(main.words, next.words, words);
    else if (operation === BitOperation.Or) or(main.words, next.words, words);
    else xor(main.words, next.words, words);
  }
}

/** Diff: in the first and no other. Diff1: in any other and not in the first. AndOr: in the first and any other. */
function combineWithRest(operation: number, sources: BitSources, from: number, words: number): void {
  load(sources, 1, from, rest.bytes, words * 4);
  for (let index = 2; index < sources.count; index++) {
    load(sources, index, from, next.bytes, words * 4);
    or(rest.words, next.words, words);
  }
  const first = main.words;
  const others = rest.words;
  if (operation === BitOperation.AndOr) and(first, others, words);
  else if (operation === BitOperation.Diff) for (let w = 0; w < words; w++) first[w]! &= ~others[w]!;
  else for (let w = 0; w < words; w++) first[w] = others[w]! & ~first[w]!;
}

/** One: in exactly one. `rest` gathers what was met twice. */
function combineOne(sources: BitSources, from: number, words: number): void {
  const once = main.words;
  const twice = rest.words;
  twice.fill(0, 0, words);
  for (let index = 1; index < sources.count; index++) {
    load(sources, index, from, next.bytes, words * 4);
    const met = next.words;
    for (let w = 0; w < words; w++) {
      twice[w]! |= once[w]! & met[w]!;
      once[w]! |= met[w]!;
    }
  }
  for (let w = 0; w < words; w++) once[w]! &= ~twice[w]!;
}

function and(a: Int32Array, b: Int32Array, words: number): void {
  for (let w = 0; w < words; w++) a[w]! &= b[w]!;
}

function or(a: Int32Array, b: Int32Array, words: number): void {
  for (let w = 0; w < words; w++) a[w]! |= b[w]!;
}

function xor(a: Int32Array, b: Int32Array, words: number): void {
  for (let w = 0; w < words; w++) a[w]! ^= b[w]!;
}
