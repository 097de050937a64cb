// Checks a block of stream entries that came from outside: whatever passes can be walked both ways, changed and
// deleted from. As Redis's streamValidateListpackIntegrity; besides, counts and the order of IDs must be right.
// The format is in structures/stream-block.ts.

import type { Listpack } from '../structures/listpack.ts';
import { isListpack } from '../structures/listpack-check.ts';
import { EntryFlag } from '../structures/stream-block.ts';
import { compareIds, copyId, ID_WORDS } from '../structures/stream-id.ts';

const FLAGS_MAX = EntryFlag.Deleted | EntryFlag.SameFields;
/** Listpack entries of a stream entry besides fields and values: flags and both deltas. */
const PREFIX_PIECES = 3;
const BAD = -1;

const id = new Int32Array(ID_WORDS);

/** Walks over the entries of a listpack, which is whole, and never beyond its end. */
class Walk {
  readonly #lp: Listpack;
  #left = 0;
  #begun = false;

  constructor(lp: Listpack) {
    this.#lp = lp;
  }

  begin(): void {
    this.#left = this.#lp.count();
    this.#begun = false;
  }

  get isAtEnd(): boolean {
    return this.#left === 0;
  }

  /** Goes to the next entry. @returns whether it is there, and an integer */
  integer(): boolean {
    return this.skip(1) && this.#lp.isInteger;
  }

  /** @returns the next entry's number, BAD if it is none from 0 up, or not there */
  count(): number {
    return this.integer() && this.#lp.high >= 0 ? this.#lp.integer() : BAD;
  }

  /** Goes on by `count` entries, 1 or more. @returns whether they are there */
  skip(count: number): boolean {
    if (count > this.#left) return false;
    this.#left -= count;
    const lp = this.#lp;
    if (this.#begun) lp.at(lp.forward(lp.pos, count));
    else {
      lp.first();
      if (count > 1) lp.at(lp.forward(lp.pos, count - 1));
    }
    this.#begun = true;
    return true;
  }
}

/**
 * Checks the block in buf[off, off + len).
 * @param lp a cursor to use
 * @param master words of the block's master ID
 * @param before words of the last entry of the block before it; receives those of this block's
 * @param deep false: only header and end of the listpack are checked, and `before` is not what it says
 * @returns the number of valid entries, -1 if it is no block
 */
export function checkStreamBlock(
  buf: Buffer,
  off: number,
  len: number,
  lp: Listpack,
  master: Int32Array,
  before: Int32Array,
  deep: boolean,
): number {
  if (!isListpack(buf, off, len, deep) || compareIds(master, 0, before, 0) <= 0) return BAD;
  lp.open(buf, off);
  const walk = new Walk(lp);
  walk.begin();
  const valid = walk.count();
  if (!deep) {
    copyId(master, 0, before, 0);
    return valid;
  }
  const deleted = walk.count();
  const fields = walk.count();
  if (valid < 0 || deleted < 0 || fields < 0 || valid + deleted === 0) return BAD;
  if (fields > 0 && !walk.skip(fields)) return BAD;
  if (walk.count() !== 0) return BAD;
  let validSeen = 0;
  let deletedSeen = 0;
  while (!walk.isAtEnd) {
    const flags = checkEntry(walk, lp, master, fields);
    if (flags < 0) return BAD;
    if (compareIds(id, 0, before, 0) <= 0) return BAD;
    if (validSeen + deletedSeen === 0 && compareIds(id, 0, master, 0) < 0) return BAD;
    copyId(id, 0, before, 0);
    if ((flags & EntryFlag.Deleted) !== 0) deletedSeen++;
    else validSeen++;
  }
  return validSeen === valid && deletedSeen === deleted ? valid : BAD;
}

/** Checks an entry, whose ID is in `id` then. @returns its flags, -1 if it is none */
function checkEntry(walk: Walk, lp: Listpack, master: Int32Array, masterFields: number): number {
  if (!walk.integer()) return BAD;
  // Flags are changed in place: they must be an integer of one byte.
  const flags = lp.bytes[lp.base + lp.pos]!;
  if (flags > FLAGS_MAX || !walk.integer()) return BAD;
  addWords(master, 0, lp);
  if (!walk.integer()) return BAD;
  addWords(master, 2, lp);
  const same = (flags & EntryFlag.SameFields) !== 0;
  const fields = same ? masterFields : walk.count();
  if (fields < 0) return BAD;
  const data = same ? fields : fields * 2;
  if (data > 0 && !walk.skip(data)) return BAD;
  const pieces = PREFIX_PIECES + data + (same ? 0 : 1);
  return walk.count() === pieces ? flags : BAD;
}

/** Two words of `id`: those of the master ID plus the cursor's integer, modulo 2^64. */
function addWords(master: Int32Array, at: number, lp: Listpack): void {
  const low = (master[at + 1]! + lp.low) | 0;
  const carry = low >>> 0 < lp.low >>> 0 ? 1 : 0;
  id[at] = (master[at]! + lp.high + carry) | 0;
  id[at + 1] = low;
}
