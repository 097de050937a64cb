/**
 * Inline commands: a line of words, as typed by hand into a raw connection.
 *
 *     SET greeting "hello\x20world\n"\r\n
 *     └─┘ └──────┘ └ quoted: unescaped into the side buffer
 *
 * Words are split as `sdssplitargs` of Redis does: blanks between words are the C locale's white space, but within a
 * word without quotes only space, tab, CR and LF end it (so \v and \f belong to it); quotes may begin in the middle
 * of a word; a closing quote must be followed by white space or the end. Within "": \xHH, \n, \r, \t, \b, \a, and
 * any other escaped byte stands for itself. Within '': only \' is an escape.
 */

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;
const LOWER_X = 120;

/** What `splitInline` fills: the part of RequestParser it needs. */
export interface InlineTarget {
  input: Buffer;
  argc: number;
  argOff: Int32Array;
  argLen: Int32Array;
  growArgs(count: number): void;
}

/**
 * Splits a line into arguments.
 * @param target receives the arguments; `target.input` becomes `input`, or `side` when there are quotes
 * @param from first byte of the line
 * @param to behind its last byte, line end excluded
 * @param side at least `to - from` bytes to unescape into
 * @returns false when quotes are unbalanced
 */
export function splitInline(
  target: InlineTarget,
  input: Buffer,
  from: number,
  to: number,
  side: Buffer,
): boolean {
  target.argc = 0;
  target.input = input;
  for (let p = from; p < to; p++) {
    const c = input[p];
    if (c === DOUBLE_QUOTE || c === SINGLE_QUOTE) return splitQuoted(target, input, from, to, side);
  }
  splitPlain(target, input, from, to);
  return true;
}

function addArgument(target: InlineTarget, offset: number, length: number): void {
  if (target.argc === target.argOff.length) target.growArgs(target.argc + 1);
  target.argOff[target.argc] = offset;
  target.argLen[target.argc] = length;
  target.argc++;
}

/** isspace of the C locale. */
function isBlank(c: number): boolean {
  return c === SPACE || (c >= TAB && c <= CR);
}

/** What ends a word outside quotes: not all that is blank. */
function endsWord(c: number): boolean {
  return c === SPACE || c === LF || c === CR || c === TAB;
}

function splitPlain(target: InlineTarget, input: Buffer, from: number, to: number): void {
  let p = from;
  for (;;) {
    while (p < to && isBlank(input[p])) p++;
    if (p >= to) return;
    const word = p;
    while (p < to && !endsWord(input[p])) p++;
    addArgument(target, word, p - word);
  }
}

function splitQuoted(target: InlineTarget, input: Buffer, from: number, to: number, side: Buffer): boolean {
  target.input = side;
  let p = from;
  let out = 0;
  for (;;) {
    while (p < to && isBlank(input[p])) p++;
    if (p >= to) return true;
    const word = out;
    // A word: plain bytes, up to a blank or up to the end of its first quoted part.
    while (p < to && !endsWord(input[p])) {
      const c = input[p++];
      if (c !== DOUBLE_QUOTE && c !== SINGLE_QUOTE) {
        side[out++] = c;
        continue;
      }
      const written =
        c === DOUBLE_QUOTE
          ? unescapeDouble(input, p, to, side, out)
          : unescapeSingle(input, p, to, side, out);
      if (written < 0) return false;
      out = written;
      p = quoteEnd;
      if (p < to && !isBlank(input[p])) return false;
      break;
    }
    addArgument(target, word, out - word);
  }
}

/** Second result of the unescape functions: behind the closing quote. */
let quoteEnd = 0;

/** Unescapes from behind the opening `"`. Returns the new end of `side`'s content, -1 when no quote closes. */
function unescapeDouble(input: Buffer, p: number, to: number, side: Buffer, out: number): number {
  while (p < to) {
    const c = input[p];
    if (c === DOUBLE_QUOTE) {
      quoteEnd = p + 1;
      return out;
    }
    if (c !== BACKSLASH || p + 1 >= to) {
      side[out++] = c;
      p++;
      continue;
    }
    const high = p + 3 < to && input[p + 1] === LOWER_X ? hexDigit(input[p + 2]) : -1;
    const low = high >= 0 ? hexDigit(input[p + 3]) : -1;
    if (low >= 0) {
      side[out++] = high * 16 + low;
      p += 4;
    } else {
      side[out++] = escaped(input[p + 1]);
      p += 2;
    }
  }
  return -1;
}

/** The same from behind an opening `'`. */
function unescapeSingle(input: Buffer, p: number, to: number, side: Buffer, out: number): number {
  while (p < to) {
    const c = input[p];
    if (c === SINGLE_QUOTE) {
      quoteEnd = p + 1;
      return out;
    }
    if (c === BACKSLASH && p + 1 < to && input[p + 1] === SINGLE_QUOTE) p++;
    side[out++] = input[p++];
  }
  return -1;
}

function escaped(c: number): number {
  switch (c) {
    case 110: // n
      return LF;
    case 114: // r
      return CR;
    case 116: // t
      return TAB;
    case 98: // b
      return 8;
    case 97: // a
      return 7;
    default:
      return c;
  }
}

/** @returns 0 to 15, or -1 */
function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
