/**
 * Numbers as Redis's configuration reads and prints them, quirks included: each function names its original.
 *
 * All arithmetic is in BigInt over 64 bits, since limits reach 2^64-1 and overflow must wrap where C's does.
 */

const MAX_I64 = (1n << 63n) - 1n;
const MIN_I64 = -(1n << 63n);
const MAX_U64 = (1n << 64n) - 1n;

const UNITS: ReadonlyMap<string, bigint> = new Map([
  ['', 1n],
  ['b', 1n],
  ['k', 1000n],
  ['kb', 1n << 10n],
  ['m', 1000_000n],
  ['mb', 1n << 20n],
  ['g', 1000_000_000n],
  ['gb', 1n << 30n],
]);
const MEMORY_DIGITS_MAX = 127;

/**
 * `memtoull`: digits and a unit (k 1000, kb 1024, m, mb, g, gb, b). No digits at all are 0; digits over 64 bits are
 * 2^64-1; the product wraps.
 * @returns bytes, 0 to 2^64-1, or null
 */
export function parseMemory(text: string): bigint | null {
  const match = /^([0-9]*)([a-z]*)$/i.exec(text);
  if (match === null || match[1]!.length > MEMORY_DIGITS_MAX) return null;
  const unit = UNITS.get(match[2]!.toLowerCase());
  if (unit === undefined) return null;
  const digits = BigInt(match[1]!);
  return BigInt.asUintN(64, (digits > MAX_U64 ? MAX_U64 : digits) * unit);
}

/** `string2ll`: a decimal number without sign `+`, leading zeros or blanks, within 64 bits; else null. */
export function parseInteger(text: string): bigint | null {
  if (!/^(?:0|-?[1-9][0-9]{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return value > MAX_I64 || value < MIN_I64 ? null : value;
}

/**
 * `strtoll`, base 8 or 10: blanks, a sign, digits; stops at what is no digit; saturates.
 * @returns the value, whether all of the text was read, and whether it overflowed
 */
export function readInteger(text: string, base: 8 | 10): { value: bigint; all: boolean; overflow: boolean } {
  const pattern = base === 8 ? /^[ \t-\r]*([+-]?)([0-7]+)/ : /^[ \t-\r]*([+-]?)([0-9]+)/;
  const match = pattern.exec(text);
  // Nothing read: C's end pointer stays at the start, so the empty text counts as read.
  if (match === null) return { value: 0n, all: text === '', overflow: false };
  const magnitude = BigInt((base === 8 ? '0o' : '') + match[2]!);
  const value = match[1] === '-' ? -magnitude : magnitude;
  const all = match[0].length === text.length;
  if (value > MAX_I64) return { value: MAX_I64, all, overflow: true };
  if (value < MIN_I64) return { value: MIN_I64, all, overflow: true };
  return { value, all, overflow: false };
}

/** `string2d`: a decimal number, all of the text, without blanks; else null. NaN is refused. */
export function parseDouble(text: string): number | null {
  if (/^[+-]?inf(?:inity)?$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^[+-]?0x[0-9a-f]+$/i.test(text)) return readHex(text);
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?$/i.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

function readHex(text: string): number {
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text.replace('+', ''));
}

/** `%f` without the zeros at its end. */
export function formatDouble(value: number): string {
  const sign = Object.is(value, -0) ? '-' : '';
  return sign + value.toFixed(6).replace(/\.?0+$/, '');
}

/** `rewriteConfigFormatMemory`: bytes with the largest unit that divides them. */
export function formatMemory(bytes: bigint): string {
  if (bytes !== 0n) {
    if (bytes % (1n << 30n) === 0n) return `${bytes >> 30n}gb`;
    if (bytes % (1n << 20n) === 0n) return `${bytes >> 20n}mb`;
    if (bytes % (1n << 10n) === 0n) return `${bytes >> 10n}kb`;
  }
  return String(bytes);
}
