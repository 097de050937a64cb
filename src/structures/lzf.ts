// LZF: the fast, light compression of RDB files, DUMP and the inner nodes of lists.
//
//   000lllll                     l + 1 bytes follow as they are (1..32)
//   lllooooo oooooooo            copy l + 2 bytes (3..8) from o + 1 bytes back
//   111ooooo llllllll oooooooo   copy l + 9 bytes (9..264) from o + 1 bytes back (1..8192)
//
// Format and choices are liblzf's (M. Lehmann), so that the same bytes become the same compressed bytes as Redis's: a
// table of 2^16 places where three bytes were last seen, the first match taken, after a match two places noted.
// The table is kept from call to call and never cleared: places are counted on, and what is older than the input is
// no place. Compression needs one per thread, 256 KiB, made at its first use.

const TABLE_BITS = 16;
const TABLE_MASK = (1 << TABLE_BITS) - 1;
const LITERALS_MAX = 32;
const DISTANCE_MAX = 1 << 13;
const MATCH_MAX = (1 << 8) + (1 << 3);
const UNCHECKED = 16;
const CLOCK_MAX = 0x7fffffff;

let table: Int32Array | null = null;
/** Position of the next input's first byte as the table counts them. */
let clock = 1;

function hashOf(three: number): number {
  return ((three >> (24 - TABLE_BITS)) - three * 5) & TABLE_MASK;
}

/** Length of the match between two places, which begin with the same three bytes. */
function matchLength(source: Buffer, from: number, at: number, end: number): number {
  let most = Math.min(end - at - 2, MATCH_MAX);
  // liblzf compares 16 bytes without looking at its limit if that is above 16: it gets up to two bytes beyond it.
  if (most > UNCHECKED && most < UNCHECKED + 3) most = UNCHECKED + 3;
  let len = 3;
  while (len < most && source[from + len] === source[at + len]) len++;
  return len;
}

/**
 * Compresses source[off, off + len) into out[outOff, outOff + outMax).
 * @returns the number of bytes written, 0 if they would be more than `outMax`
 */
export function lzfCompress(
  source: Buffer,
  off: number,
  len: number,
  out: Buffer,
  outOff: number,
  outMax: number,
): number {
  if (len === 0 || outMax === 0) return 0;
  const places = startTable(len);
  // A place is kept as its distance from `off`, plus the clock.
  const base = clock - off;
  clock += len;
  const end = off + len;
  const outEnd = outOff + outMax;
  let at = off;
  let to = outOff + 1;
  let literals = 0;
  let three = len > 1 ? (source[at]! << 8) | source[at + 1]! : 0;
  while (at < end - 2) {
    three = ((three << 8) | source[at + 2]!) & 0xffffff;
    const slot = hashOf(three);
    const from = places[slot]! - base;
    places[slot] = at + base;
    if (
      from > off &&
      at - from <= DISTANCE_MAX &&
      source[from] === source[at] &&
      source[from + 1] === source[at + 1] &&
      source[from + 2] === source[at + 2]
    ) {
      const back = at - from - 1;
      const unused = literals === 0 ? 1 : 0;
      if (to - unused + 4 >= outEnd) return 0;
      // The byte in front of the literals says how many; without any it is not needed.
      if (unused === 0) out[to - literals - 1] = literals - 1;
      else to--;
      const matched = matchLength(source, from, at, end);
      const coded = matched - 2;
      if (coded < 7) out[to++] = (back >> 8) | (coded << 5);
      else {
        out[to++] = (back >> 8) | 0xe0;
        out[to++] = coded - 7;
      }
      out[to++] = back;
      to++;
      literals = 0;
      at += matched;
      if (at >= end - 2) break;
      at -= 2;
      three = (source[at]! << 16) | (source[at + 1]! << 8) | source[at + 2]!;
      places[hashOf(three)] = at + base;
      at++;
      three = ((three << 8) | source[at + 2]!) & 0xffffff;
      places[hashOf(three)] = at + base;
      at++;
      continue;
    }
    if (to >= outEnd) return 0;
    out[to++] = source[at++]!;
    if (++literals === LITERALS_MAX) {
      out[to - LITERALS_MAX - 1] = LITERALS_MAX - 1;
      literals = 0;
      to++;
    }
  }
  if (to + 3 > outEnd) return 0;
  while (at < end) {
    out[to++] = source[at++]!;
    if (++literals === LITERALS_MAX) {
      out[to - LITERALS_MAX - 1] = LITERALS_MAX - 1;
      literals = 0;
      to++;
    }
  }
  if (literals > 0) out[to - literals - 1] = literals - 1;
  else to--;
  return to - outOff;
}

function startTable(len: number): Int32Array {
  table ??= new Int32Array(TABLE_MASK + 1);
  if (clock > CLOCK_MAX - len) {
    table.fill(0);
    clock = 1;
  }
  return table;
}

/**
 * Takes apart what lzfCompress() wrote, or anything else: never reads or writes outside the ranges.
 * @param outMax room at out[outOff]
 * @returns the number of bytes written, 0 if the input is damaged or needs more room
 */
export function lzfDecompress(
  source: Buffer,
  off: number,
  len: number,
  out: Buffer,
  outOff: number,
  outMax: number,
): number {
  const end = off + len;
  const outEnd = outOff + outMax;
  let at = off;
  let to = outOff;
  while (at < end) {
    const control = source[at++]!;
    if (control < LITERALS_MAX) {
      const stop = to + control + 1;
      if (stop > outEnd || at + control + 1 > end) return 0;
      while (to < stop) out[to++] = source[at++]!;
      continue;
    }
    let count = control >> 5;
    if (count === 7) {
      if (at >= end) return 0;
      count += source[at++]!;
    }
    if (at >= end) return 0;
    let from = to - ((control & 31) << 8) - source[at++]! - 1;
    const stop = to + count + 2;
    if (from < outOff || stop > outEnd) return 0;
    while (to < stop) out[to++] = out[from++]!;
  }
  return to - outOff;
}
