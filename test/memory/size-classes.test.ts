// Size classes: every size has the smallest class that holds it, and no class wastes more than it says.

import { describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../src/memory/layout.ts';
import {
  blockBytes,
  CLASS_BLOCKS,
  CLASS_BYTES,
  CLASS_BYTES_MAX,
  CLASS_COUNT,
  CLASS_SPAN_CHUNKS,
  classOf,
} from '../../src/memory/size-classes.ts';

describe('size classes', () => {
  it('rise, are whole granules and end at the largest', () => {
    for (let cls = 1; cls < CLASS_COUNT; cls++)
      expect(CLASS_BYTES[cls]!).toBeGreaterThan(CLASS_BYTES[cls - 1]!);
    expect(CLASS_BYTES.every((bytes) => bytes % 16 === 0)).toBe(true);
    expect(CLASS_BYTES[CLASS_COUNT - 1]).toBe(CLASS_BYTES_MAX);
  });

  it('are the smallest that hold a size', () => {
    for (let bytes = 0; bytes <= CLASS_BYTES_MAX; bytes++) {
      const cls = classOf(bytes);
      if (CLASS_BYTES[cls]! < bytes || (cls > 0 && CLASS_BYTES[cls - 1]! >= bytes))
        throw new Error(`size ${bytes}`);
    }
  });

  it('lose at most an eighth inside a block above 128 bytes, and an eleventh at the end of a span', () => {
    for (let cls = 9; cls < CLASS_COUNT; cls++) {
      const least = CLASS_BYTES[cls - 1]! + 1;
      expect((CLASS_BYTES[cls]! - least) / CLASS_BYTES[cls]!).toBeLessThanOrEqual(1 / 8);
    }
    for (let cls = 0; cls < CLASS_COUNT; cls++) {
      const span = CLASS_SPAN_CHUNKS[cls]! * CHUNK_BYTES;
      const unused = span - CLASS_BLOCKS[cls]! * CLASS_BYTES[cls]!;
      expect(unused).toBeGreaterThanOrEqual(0);
      expect(unused / span).toBeLessThanOrEqual(1 / 11);
      expect(CLASS_BLOCKS[cls]!).toBeGreaterThan(1);
    }
  });

  it('are followed by whole chunks', () => {
    expect(blockBytes(CLASS_BYTES_MAX)).toBe(CLASS_BYTES_MAX);
    expect(blockBytes(CLASS_BYTES_MAX + 1)).toBe(3 * CHUNK_BYTES);
    expect(blockBytes(3 * CHUNK_BYTES)).toBe(3 * CHUNK_BYTES);
  });
});
