/**
 * Words of a configuration line: splitting (`sdssplitargs`), quoting (`sdscatrepr`) and trimming, as Redis does.
 *
 * All text here is bytes in a string, one character (0 to 255) per byte, so that any file reads and writes back
 * unchanged. `fromUtf8` and `toUtf8` cross over.
 *
 * Not to be confused with `protocol/inline.ts`, which splits the same language in place, without strings.
 */

/** Text as JavaScript has it, to one character per byte. */
export function fromUtf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** One character per byte, to text as JavaScript has it. Bytes that are not UTF-8 become U+FFFD. */
export function toUtf8(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The C locale's `isspace`. */
function isSpace(c: string | undefined): boolean {
  return c === ' ' || (c !== undefined && c >= '\t' && c <= '\r');
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };
const HEX_PAIR = /^[0-9a-fA-F]{2}$/;

/**
 * Splits a line into words; quotes may begin in the middle of a word, and a closing one must end it.
 * @returns the words, or null when quotes are unbalanced. A NUL ends the line, as it ends a C string.
 */
export function splitArguments(line: string): string[] | null {
  const end = line.indexOf('\0');
  const text = end < 0 ? line : line.slice(0, end);
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(text[at])) at++;
    if (at >= text.length) return words;
    const word = readWord(text, at);
    if (word === null) return null;
    words.push(word.value);
    at = word.next;
  }
}

/** One word from `at`, which is no blank. A state machine: outside quotes, inside "", inside ''. */
function readWord(text: string, at: number): { value: string; next: number } | null {
  let value = '';
  let quote = '';
  for (;;) {
    const c = text[at];
    if (c === undefined) return quote === '' ? { value, next: at } : null;
    if (quote === '') {
      if (c === ' ' || c === '\n' || c === '\r' || c === '\t') return { value, next: at };
      if (c === '"' || c === "'") quote = c;
      else value += c;
      at++;
    } else if (c === quote) {
      const after = text[at + 1];
      if (after !== undefined && !isSpace(after)) return null;
      return { value, next: at + 1 };
    } else if (quote === '"' && c === '\\' && at + 1 < text.length) {
      const hex = text[at + 1] === 'x' ? text.slice(at + 2, at + 4) : '';
      if (HEX_PAIR.test(hex)) {
        value += String.fromCharCode(Number.parseInt(hex, 16));
        at += 4;
      } else {
        const escaped = text[at + 1]!;
        value += ESCAPES[escaped] ?? escaped;
        at += 2;
      }
    } else if (quote === "'" && c === '\\' && text[at + 1] === "'") {
      value += "'";
      at += 2;
    } else {
      value += c;
      at++;
    }
  }
}

const QUOTED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
};

/** A word in double quotes, every byte that is not printable ASCII escaped; `splitArguments` gives it back. */
export function quote(word: string): string {
  let quoted = '"';
  for (const c of word) {
    const short = QUOTED[c];
    if (short !== undefined) quoted += short;
    else if (c >= ' ' && c <= '~') quoted += c;
    else quoted += `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  }
  return `${quoted}"`;
}

/** Without spaces, tabs, CR and LF at both ends. */
export function trimLine(line: string): string {
  let from = 0;
  let to = line.length;
  while (from < to && isTrimmed(line[from]!)) from++;
  while (to > from && isTrimmed(line[to - 1]!)) to--;
  return line.slice(from, to);
}

function isTrimmed(c: string): boolean {
  return c === ' ' || c === '\t' || c === '\r' || c === '\n';
}

/** Lower case of ASCII letters only: a string of bytes must not be lowered as Unicode is. */
export function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
