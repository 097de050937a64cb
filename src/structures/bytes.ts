// Copying, moving and comparing byte ranges of buffers, short ones without a call into the engine.

/** Copies, moves and comparisons below this are faster as a loop over bytes. */
const LOOP_MAX = 48;

/** Copies bytes between ranges that must not overlap. */
export function copyBytes(from: Buffer, off: number, to: Buffer, at: number, len: number): void {
  if (len > LOOP_MAX) {
    from.copy(to, at, off, off + len);
    return;
  }
  for (let i = 0; i < len; i++) to[at + i] = from[off + i]!;
}

/** Moves bytes within a buffer; the ranges may overlap. */
export function moveBytes(bytes: Buffer, from: number, to: number, len: number): void {
  if (len > LOOP_MAX) bytes.copyWithin(to, from, from + len);
  else if (to > from) for (let i = len - 1; i >= 0; i--) bytes[to + i] = bytes[from + i]!;
  else for (let i = 0; i < len; i++) bytes[to + i] = bytes[from + i]!;
}

/** Whether two ranges hold the same bytes. */
export function sameBytes(a: Buffer, aOff: number, b: Buffer, bOff: number, len: number): boolean {
  if (len <= LOOP_MAX) {
    for (let i = 0; i < len; i++) if (a[aOff + i] !== b[bOff + i]) return false;
    return true;
  }
  // Most that differ do so at their ends.
  if (a[aOff] !== b[bOff] || a[aOff + len - 1] !== b[bOff + len - 1]) return false;
  return a.compare(b, bOff, bOff + len, aOff, aOff + len) === 0;
}

/** Order of two ranges as memcmp has it, the shorter first where one begins with the other. */
export function compareBytes(
  a: Buffer,
  aOff: number,
  aLen: number,
  b: Buffer,
  bOff: number,
  bLen: number,
): number {
  const len = aLen < bLen ? aLen : bLen;
  if (len > LOOP_MAX) {
    const order = a.compare(b, bOff, bOff + len, aOff, aOff + len);
    return order === 0 ? aLen - bLen : order;
  }
  for (let i = 0; i < len; i++) {
    const difference = a[aOff + i]! - b[bOff + i]!;
    if (difference !== 0) return difference;
  }
  return aLen - bLen;
}
