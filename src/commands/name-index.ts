/*
 * Command names to commands, from the bytes of a request: case-insensitive, without making a string.
 *
 * Open addressing with linear probing. The hash is a sum of products of the name's length and of its first, middle
 * and last byte (letters folded), with factors chosen when the index is built so that nearly every name sits in its
 * first place. A candidate is compared byte by byte through a mask that is 0xdf at letters (folds 'a' to 'A') and
 * 0xff elsewhere, so no byte that is not the same letter or character can match:
 *
 *   slots  [ 0 | 17 | 0 | 4 | ... ]      1 + number of the entry, 0 for a free place
 *   names  [ S E T | G E T | ... ]       upper case, one after the other
 *   masks  [ d d d | d d d | ... ]       (0xdf)
 *
 * A request is looked up once, so this is on the path of every command: 10 to 15 ns on the 2-core test machine.
 */

/** Sets of factors tried when an index is built: about a millisecond for 260 names. */
const ATTEMPTS_MAX = 50;

const LETTER_MASK = 0xdf;
const OTHER_MASK = 0xff;

/** An immutable map from names to `T`. */
export class NameIndex<T> {
  private readonly slots: Int16Array;
  private readonly slotMask: number;
  /** Of the longest name: a longer word, of a megabyte perhaps, would take the hash out of small integers. */
  private readonly lengthMax: number;
  private readonly lengthFactor: number;
  private readonly firstFactor: number;
  private readonly middleFactor: number;
  private readonly lastFactor: number;
  private readonly offsets: Int32Array;
  private readonly lengths: Int32Array;
  private readonly names: Uint8Array;
  private readonly masks: Uint8Array;
  private readonly values: readonly T[];

  /**
   * @param entries names (ASCII or latin1, any case, no two equal but for case) and what they stand for
   */
  constructor(entries: readonly (readonly [string, T])[]) {
    const names = entries.map(([name]) => Buffer.from(upperCase(name), 'latin1'));
    const total = names.reduce((sum, name) => sum + name.length, 0);
    let places = 16;
    while (places < entries.length * 6) places *= 2;
    const factors = chooseFactors(names, places);
    this.slots = placeNames(names, places, factors).slots;
    this.slotMask = places - 1;
    this.lengthMax = names.reduce((max, name) => Math.max(max, name.length), 0);
    this.lengthFactor = factors[0]!;
    this.firstFactor = factors[1]!;
    this.middleFactor = factors[2]!;
    this.lastFactor = factors[3]!;
    this.offsets = new Int32Array(entries.length);
    this.lengths = new Int32Array(entries.length);
    this.names = new Uint8Array(total);
    this.masks = new Uint8Array(total);
    this.values = entries.map(([, value]) => value);
    let at = 0;
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      if (name.length === 0) throw new Error('an empty command name');
      this.offsets[i] = at;
      this.lengths[i] = name.length;
      for (const byte of name) {
        this.names[at] = byte;
        this.masks[at] = byte >= 0x41 && byte <= 0x5a ? LETTER_MASK : OTHER_MASK;
        at++;
      }
    }
  }

  /**
   * @param input bytes that hold the name
   * @param off where it begins
   * @param len its length in bytes
   * @returns what the name stands for, null for an unknown one
   */
  find(input: Uint8Array, off: number, len: number): T | null {
    if (len === 0 || len > this.lengthMax) return null;
    const hash =
      len * this.lengthFactor +
      (input[off]! | 0x20) * this.firstFactor +
      (input[off + (len >> 1)]! | 0x20) * this.middleFactor +
      (input[off + len - 1]! | 0x20) * this.lastFactor;
    const slotMask = this.slotMask;
    let place = hash & slotMask;
    for (;;) {
      const entry = this.slots[place]! - 1;
      if (entry < 0) return null;
      if (this.lengths[entry]! === len && this.matches(entry, input, off, len)) return this.values[entry]!;
      place = (place + 1) & slotMask;
    }
  }

  private matches(entry: number, input: Uint8Array, off: number, len: number): boolean {
    const names = this.names;
    const masks = this.masks;
    const from = this.offsets[entry]!;
    for (let i = 0; i < len; i++) {
      if ((input[off + i]! & masks[from + i]!) !== names[from + i]!) return false;
    }
    return true;
  }
}

/** ASCII only, as the lookup folds: `toUpperCase` would change latin1 letters and lengths. */
function upperCase(name: string): string {
  return name.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

/** The hash of `find`, for building; `name` is in upper case. */
function hashName(name: Uint8Array, factors: readonly number[]): number {
  const len = name.length;
  return (
    len * factors[0]! +
    (name[0]! | 0x20) * factors[1]! +
    (name[len >> 1]! | 0x20) * factors[2]! +
    (name[len - 1]! | 0x20) * factors[3]!
  );
}

/** Puts the names into `places` places; `displaced` is the sum of their distances from their first places. */
function placeNames(names: readonly Uint8Array[], places: number, factors: readonly number[]) {
  const slots = new Int16Array(places);
  let displaced = 0;
  for (let i = 0; i < names.length; i++) {
    let place = hashName(names[i]!, factors) & (places - 1);
    while (slots[place] !== 0) {
      place = (place + 1) & (places - 1);
      displaced++;
    }
    slots[place] = i + 1;
  }
  return { slots, displaced };
}

/** Tries factors from a fixed pseudo-random sequence; every thread ends with the same ones. */
function chooseFactors(names: readonly Uint8Array[], places: number): number[] {
  let state = 0x2545f491;
  const next = () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return ((state >>> 8) & 0x3fff) | 1; // products and their sum stay small integers
  };
  let best: number[] = [];
  let bestDisplaced = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < ATTEMPTS_MAX && bestDisplaced > 0; attempt++) {
    const factors = [next(), next(), next(), next()];
    const { displaced } = placeNames(names, places, factors);
    if (displaced >= bestDisplaced) continue;
    best = factors;
    bestDisplaced = displaced;
  }
  return best;
}
