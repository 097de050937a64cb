/**
 * Glob-style matching over bytes, as Redis's `stringmatchlen`: KEYS, SCAN MATCH, PSUBSCRIBE, CONFIG GET, ACL rules.
 *
 *     *      any bytes          [abc] [a-z]   one of        \x   x itself
 *     ?      any one byte       [^abc]        none of
 *
 * Quirks kept: bytes in ranges compare as C's signed char does on x86; a class without its ']' ends with the pattern;
 * a reversed range is turned round; `nocase` lowers ASCII letters only, and not behind a backslash in a class.
 *
 * Bounds: a `*` costs a call per nesting, refused beyond 1000; and once the part behind a `*` was found nowhere in the
 * rest of the string, an earlier `*` gives up too (a longer match of it only makes the rest shorter), so that
 * patterns such as a*a*a*a*b are not exponential.
 *
 * No allocation: ranges of two byte arrays. The flag of the second bound is a variable of the module, since matching
 * never yields.
 */

const NESTING_MAX = 1000;

const STAR = 42;
const MINUS = 45;
const QUESTION = 63;
const OPEN = 91;
const BACKSLASH = 92;
const CLOSE = 93;
const CARET = 94;

/** Set when the rest of a pattern behind a `*` matched nowhere. */
let skipLongerMatches = false;

/** Where in the pattern `matchClass` stopped: the last byte of the class. */
let classEnd = 0;

/**
 * Whether a whole string matches a pattern.
 * @param pattern bytes `pOff` to `pOff + pLen`
 * @param s bytes `sOff` to `sOff + sLen`
 * @param nocase ASCII letters match in any case
 */
export function globMatch(
  pattern: Uint8Array,
  pOff: number,
  pLen: number,
  s: Uint8Array,
  sOff: number,
  sLen: number,
  nocase: boolean,
): boolean {
  skipLongerMatches = false;
  return match(pattern, pOff, pOff + pLen, s, sOff, sOff + sLen, nocase, 0);
}

function lower(byte: number): number {
  return byte >= 65 && byte <= 90 ? byte + 32 : byte;
}

/** As C's signed char. */
function signed(byte: number): number {
  return (byte << 24) >> 24;
}

/** The matcher proper, over [p, pEnd) and [at, end). A state machine over the pattern, hence its length. */
function match(
  pattern: Uint8Array,
  p: number,
  pEnd: number,
  s: Uint8Array,
  at: number,
  end: number,
  nocase: boolean,
  nesting: number,
): boolean {
  if (nesting > NESTING_MAX) return false;
  while (p < pEnd && at < end) {
    const c = pattern[p]!;
    if (c === STAR) {
      while (p + 1 < pEnd && pattern[p + 1] === STAR) p++;
      if (p + 1 === pEnd) return true;
      for (; at < end; at++) {
        if (match(pattern, p + 1, pEnd, s, at, end, nocase, nesting + 1)) return true;
        if (skipLongerMatches) return false;
      }
      skipLongerMatches = true;
      return false;
    }
    if (c === OPEN) {
      if (!matchClass(pattern, p + 1, pEnd, s[at]!, nocase)) return false;
      p = classEnd;
    } else if (c !== QUESTION) {
      if (c === BACKSLASH && p + 1 < pEnd) p++;
      const wanted = pattern[p]!;
      if (wanted !== s[at] && !(nocase && lower(wanted) === lower(s[at]!))) return false;
    }
    at++;
    p++;
    if (at === end) {
      while (p < pEnd && pattern[p] === STAR) p++;
      break;
    }
  }
  return p === pEnd && at === end;
}

/**
 * Whether a byte is in the class that begins behind a '['. Leaves the position of the class's last byte, its ']' or
 * the pattern's last, in `classEnd`.
 */
function matchClass(pattern: Uint8Array, p: number, pEnd: number, byte: number, nocase: boolean): boolean {
  const negated = p < pEnd && pattern[p] === CARET;
  if (negated) p++;
  let found = false;
  for (; ; p++) {
    if (p >= pEnd) {
      classEnd = pEnd - 1;
      return found !== negated;
    }
    const c = pattern[p]!;
    if (c === BACKSLASH && p + 1 < pEnd) {
      p++;
      if (pattern[p] === byte) found = true;
    } else if (c === CLOSE) {
      classEnd = p;
      return found !== negated;
    } else if (p + 2 < pEnd && pattern[p + 1] === MINUS) {
      if (inRange(c, pattern[p + 2]!, byte, nocase)) found = true;
      p += 2;
    } else if (c === byte || (nocase && lower(c) === lower(byte))) {
      found = true;
    }
  }
}

/** Ends are put in order before their case is dropped, as Redis does it. */
function inRange(first: number, last: number, byte: number, nocase: boolean): boolean {
  let from = Math.min(signed(first), signed(last));
  let to = Math.max(signed(first), signed(last));
  let c = signed(byte);
  if (nocase) {
    from = lower(from);
    to = lower(to);
    c = lower(c);
  }
  return c >= from && c <= to;
}
