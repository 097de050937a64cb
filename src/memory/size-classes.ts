// Size classes of blocks: multiples of 16 bytes up to 256, then eight steps to each doubling, up to 128 KiB.
// A span is a run of chunks cut into blocks of one class. Anything larger than a class takes a run of chunks.
//
// The step bounds the space lost inside a block to an eighth of it (a sixteenth on average); spans are long
// enough that at most an eleventh of a span is left over at its end.

import { CHUNK_BYTES } from './layout.ts';

const sizes: number[] = [];
for (let size = 16; size <= 256; size += 16) sizes.push(size);
for (let top = 256; top < 131072; top *= 2) {
  for (let step = 1; step <= 8; step++) sizes.push(top + (top / 8) * step);
}

export const CLASS_COUNT = sizes.length;
export const CLASS_BYTES_MAX = 131072;
/** Block size in bytes by class. */
export const CLASS_BYTES: Int32Array = Int32Array.from(sizes);
/** Chunks in a span by class. */
export const CLASS_SPAN_CHUNKS: Int32Array = Int32Array.from(sizes, (size) =>
  size <= 4096 ? 1 : size <= 32768 ? 4 : 16,
);
/** Blocks in a span by class. */
export const CLASS_BLOCKS: Int32Array = Int32Array.from(sizes, (size, i) =>
  Math.floor((CLASS_SPAN_CHUNKS[i]! * CHUNK_BYTES) / size),
);

const classOfGranules = new Uint8Array(CLASS_BYTES_MAX / 16 + 1);
for (let granules = 0, cls = 0; granules < classOfGranules.length; granules++) {
  if (granules * 16 > sizes[cls]!) cls++;
  classOfGranules[granules] = cls;
}

/** The smallest class that holds `bytes` (1..CLASS_BYTES_MAX). */
export function classOf(bytes: number): number {
  return classOfGranules[(bytes + 15) >> 4]!;
}

/** The bytes that a block of at least `bytes` really has: class size, or whole chunks. */
export function blockBytes(bytes: number): number {
  if (bytes <= CLASS_BYTES_MAX) return CLASS_BYTES[classOf(bytes)]!;
  return Math.ceil(bytes / CHUNK_BYTES) * CHUNK_BYTES;
}
