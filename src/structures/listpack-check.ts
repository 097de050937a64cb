// Checks listpacks that came from outside (RESTORE, RDB files), and our own in tests: whatever passes can be walked
// both ways without leaving its bytes. As Redis's lpValidateIntegrity.

import {
  backwardBytes,
  COUNT_UNKNOWN,
  encodedBytes,
  headerCount,
  LISTPACK_EMPTY_BYTES,
  LISTPACK_END,
  LISTPACK_HEADER_BYTES,
  listpackBytes,
} from './listpack.ts';

/** Longest encoding in front of the data, in bytes. */
const ENCODING_BYTES_MAX = 5;

/**
 * Whether `size` bytes at `base` are a listpack.
 * @param deep false: header and end only; true: every entry, and their number
 */
export function isListpack(bytes: Buffer, base: number, size: number, deep: boolean): boolean {
  if (size < LISTPACK_EMPTY_BYTES || base + size > bytes.length) return false;
  if (listpackBytes(bytes, base) !== size || bytes[base + size - 1] !== LISTPACK_END) return false;
  return !deep || checkEntries(bytes, base, size);
}

function checkEntries(bytes: Buffer, base: number, size: number): boolean {
  const end = base + size - 1;
  let count = 0;
  let at = base + LISTPACK_HEADER_BYTES;
  for (; at < end; count++) {
    const next = entryEnd(bytes, at, end);
    if (next < 0) return false;
    at = next;
  }
  const shown = headerCount(bytes, base);
  return at === end && (shown === COUNT_UNKNOWN || shown === count);
}

/** Where a good entry ends, at most at `end`; -1 for a bad one. */
function entryEnd(bytes: Buffer, at: number, end: number): number {
  const first = bytes[at]!;
  // A length of several bytes must be inside before it is read.
  const lengthBytes = first === 0xf0 ? ENCODING_BYTES_MAX : first >= 0xe0 && first < 0xf0 ? 2 : 1;
  if (at + lengthBytes > end) return -1;
  const encoded = encodedBytes(bytes, at);
  if (encoded <= 0 || encoded > end - at) return -1;
  const backward = backwardBytes(encoded);
  const next = at + encoded + backward;
  if (next > end || !hasBackward(bytes, next, encoded, backward)) return -1;
  return next;
}

/** Whether the backward length that ends at `at` is as it is written for this number of bytes. */
function hasBackward(bytes: Buffer, at: number, encoded: number, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const more = i < count - 1 ? 128 : 0;
    if (bytes[at - 1 - i] !== (((encoded >>> (7 * i)) & 127) | more)) return false;
  }
  return true;
}
