// Whether three bytes in a row occur twice in a short string. Without that LZF finds nothing to save, and most short
// strings are without: asking takes a quarter of the time of trying (32 random bytes: 45 ns, 190 ns).

/** Longer strings get more false answers than it is worth. */
export const REPEAT_BYTES_MAX = 64;

const PLACES_BITS = 12;
const ROUNDS = 0xffff;
/** Where a hash of three bytes was last met: in which string, counted on. Never cleared but when the count starts anew. */
const places = new Uint16Array(1 << PLACES_BITS);
let round = 0;

/** @returns false only if no three bytes occur twice @param len 2 or more */
export function mayRepeat(source: Buffer, off: number, len: number): boolean {
  if (++round > ROUNDS) {
    places.fill(0);
    round = 1;
  }
  const end = off + len;
  let three = (source[off]! << 8) | source[off + 1]!;
  for (let at = off + 2; at < end; at++) {
    three = ((three << 8) | source[at]!) & 0xffffff;
    const place = Math.imul(three, 0x9e3779b1) >>> (32 - PLACES_BITS);
    if (places[place] === round) return true;
    places[place] = round;
  }
  return false;
}
