// Finds keys that occur twice in a listpack from outside: members, fields. A table of hashes and positions, no object
// per entry. Equal is what has the same text: the integer 12 and the string "12" are one key.

import { keyedHash } from '../structures/keyed-hash.ts';
import { Listpack } from '../structures/listpack.ts';
import { allocateWords } from './scratch.ts';

const FIRST_PLACES = 1024;
/** A table larger than this is not kept. */
const KEEP_PLACES = 65536;
const ENTRY_WORDS = 2;

export class DuplicateFinder {
  /** Open addressing: hash, position (0: empty). */
  #table: Int32Array = new Int32Array(FIRST_PLACES * ENTRY_WORDS);
  #places = FIRST_PLACES;
  readonly #other: Listpack;

  /** @param some any buffer of the memory, to begin with */
  constructor(some: Buffer) {
    this.#other = new Listpack(some);
  }

  /** Forgets all keys. @param keys how many will be added at most @throws OutOfMemoryError */
  begin(keys: number): void {
    let places = FIRST_PLACES;
    while (places < keys * 2) places *= 2;
    if (
      places * ENTRY_WORDS > this.#table.length ||
      (this.#table.length > KEEP_PLACES && places <= KEEP_PLACES)
    )
      this.#table = allocateWords(places * ENTRY_WORDS);
    else this.#table.fill(0, 0, places * ENTRY_WORDS);
    this.#places = places;
  }

  /** Adds the cursor's entry. The listpack must stay where it is, or as it is up to there. @returns false if it was there */
  add(lp: Listpack): boolean {
    lp.text();
    const hash = keyedHash(lp.buf, lp.off, lp.len);
    const table = this.#table;
    const mask = this.#places - 1;
    let place = (hash >>> 1) & mask;
    for (; table[place * ENTRY_WORDS + 1] !== 0; place = (place + 1) & mask) {
      if (table[place * ENTRY_WORDS] !== hash) continue;
      const other = this.#other;
      other.open(lp.bytes, lp.base);
      other.at(table[place * ENTRY_WORDS + 1]!);
      if (other.equals(lp.buf, lp.off, lp.len)) return false;
    }
    table[place * ENTRY_WORDS] = hash;
    table[place * ENTRY_WORDS + 1] = lp.pos;
    return true;
  }
}
