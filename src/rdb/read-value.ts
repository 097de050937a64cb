// Reads a value from what DUMP or an RDB file has of it: every type and encoding of versions 3 to 12 (rdb-format.ts).
//
// The bytes need not be trusted: every length, structure and count is checked as Redis does with sanitize-dump-payload
// on, and more where Sabre's structures need it (the order of a sorted set, the IDs of a stream), so that what is loaded
// is always whole. Values that are packed in the file and too large for that by the limits are converted.
//
// Not read: values of modules, as there are none.

import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { RdbType } from './rdb-format.ts';
import { readHash } from './read-hash.ts';
import { readList } from './read-list.ts';
import { readSet } from './read-set.ts';
import { readStream } from './read-stream.ts';
import { readStringValue } from './read-string.ts';
import { readSortedSet } from './read-zset.ts';

/**
 * Reads a value at cx.input into a detached record for the key that cx.begin() named.
 * @param type the byte in front of the value (in a file: of the key)
 * @returns a ReadResult; `cx.rec` is the record when it is Loaded, else there is none
 * @throws OutOfMemoryError; there is no record then
 */
export function readValue(cx: LoadContext, type: number): number {
  let result: number = ReadResult.Bad;
  try {
    result = readTyped(cx, type);
    // A count may promise more than there is after the last element was read.
    if (cx.input.failed) result = ReadResult.Bad;
  } catch (error) {
    if (error instanceof OutOfMemoryError) cx.discard();
    throw error;
  }
  if (result !== ReadResult.Loaded) cx.discard();
  return result;
}

function readTyped(cx: LoadContext, type: number): number {
  switch (type) {
    case RdbType.String:
      return readStringValue(cx);
    case RdbType.Set:
    case RdbType.SetIntset:
    case RdbType.SetListpack:
      return readSet(cx, type);
    case RdbType.List:
    case RdbType.ListZiplist:
    case RdbType.ListQuicklist:
    case RdbType.ListQuicklist2:
      return readList(cx, type);
    case RdbType.ZSet:
    case RdbType.ZSet2:
    case RdbType.ZSetZiplist:
    case RdbType.ZSetListpack:
      return readSortedSet(cx, type);
    case RdbType.Hash:
    case RdbType.HashZipmap:
    case RdbType.HashZiplist:
    case RdbType.HashListpack:
    case RdbType.HashMetadataPreGa:
    case RdbType.HashListpackExPreGa:
    case RdbType.HashMetadata:
    case RdbType.HashListpackEx:
      return readHash(cx, type);
    case RdbType.StreamListpacks:
    case RdbType.StreamListpacks2:
    case RdbType.StreamListpacks3:
      return readStream(cx, type);
    default:
      return cx.bad();
  }
}
