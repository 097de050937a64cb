// Memory of this thread outside the data set, for values on their way: buffers that a huge value has made large are let
// go afterwards, and one that cannot be had ends the command, not the process.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';

/** @throws OutOfMemoryError */
export function allocateBytes(bytes: number): Buffer {
  try {
    return Buffer.allocUnsafeSlow(bytes);
  } catch (error) {
    throw asOutOfMemory(error, bytes);
  }
}

/** Words, all 0. @throws OutOfMemoryError */
export function allocateWords(words: number): Int32Array {
  try {
    return new Int32Array(words);
  } catch (error) {
    throw asOutOfMemory(error, words * 4);
  }
}

/** What the engine throws when it has no memory is a RangeError. */
function asOutOfMemory(error: unknown, bytes: number): unknown {
  return error instanceof RangeError ? new OutOfMemoryError(`${bytes} bytes to work in`) : error;
}
