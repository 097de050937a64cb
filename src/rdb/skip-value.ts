// Passes over values without reading them: all types of rdb-format.ts but those of modules.
//
// Only lengths are looked at, so what was passed over may still be no value. A count that promises more than there is
// left fails at once.

import { RdbType, ScoreByte } from './rdb-format.ts';
import type { RdbReader } from './rdb-reader.ts';

const ID_BYTES = 16;
const TIME_BYTES = 8;

/**
 * Passes over a value; `input.failed` says whether it was not there.
 * @param type the byte in front of it
 * @returns false if there is no such type
 */
export function skipValue(input: RdbReader, type: number): boolean {
  switch (type) {
    case RdbType.HashListpackEx:
      input.skip(TIME_BYTES);
      input.skipString();
      return true;
    case RdbType.String:
    case RdbType.HashZipmap:
    case RdbType.ListZiplist:
    case RdbType.SetIntset:
    case RdbType.ZSetZiplist:
    case RdbType.HashZiplist:
    case RdbType.HashListpack:
    case RdbType.ZSetListpack:
    case RdbType.SetListpack:
    case RdbType.HashListpackExPreGa:
      input.skipString();
      return true;
    case RdbType.List:
    case RdbType.Set:
    case RdbType.ListQuicklist:
      skipStrings(input, input.count(1));
      return true;
    case RdbType.Hash:
      skipStrings(input, input.count(2) * 2);
      return true;
    case RdbType.ZSet:
    case RdbType.ZSet2:
      skipScored(input, type === RdbType.ZSet2);
      return true;
    case RdbType.ListQuicklist2:
      skipNumbered(input, input.count(2), 1);
      return true;
    case RdbType.HashMetadata:
      input.skip(TIME_BYTES);
      skipNumbered(input, input.count(3), 2);
      return true;
    case RdbType.HashMetadataPreGa:
      skipNumbered(input, input.count(3), 2);
      return true;
    case RdbType.StreamListpacks:
    case RdbType.StreamListpacks2:
    case RdbType.StreamListpacks3:
      skipStream(input, type);
      return true;
    default:
      return false;
  }
}

function skipStrings(input: RdbReader, count: number): void {
  for (let i = 0; i < count && !input.failed; i++) input.skipString();
}

/** So many times a length and strings. */
function skipNumbered(input: RdbReader, count: number, strings: number): void {
  for (let i = 0; i < count && !input.failed; i++) {
    input.len();
    input.skipString();
    if (strings === 2) input.skipString();
  }
}

/** @param binary whether scores are so, else text */
function skipScored(input: RdbReader, binary: boolean): void {
  const count = input.count(binary ? 9 : 2);
  for (let i = 0; i < count && !input.failed; i++) {
    input.skipString();
    if (binary) {
      input.skip(8);
      continue;
    }
    const len = input.byte();
    if (len < ScoreByte.NaN) input.skip(len);
  }
}

/** See read-stream.ts. */
function skipStream(input: RdbReader, type: number): void {
  const first = type === RdbType.StreamListpacks;
  skipStrings(input, input.count(2) * 2);
  skipLengths(input, first ? 3 : 8);
  const groups = input.count(4);
  for (let i = 0; i < groups && !input.failed; i++) {
    input.skipString();
    skipLengths(input, first ? 2 : 3);
    const pending = input.count(ID_BYTES + TIME_BYTES + 1);
    for (let k = 0; k < pending && !input.failed; k++) {
      input.skip(ID_BYTES + TIME_BYTES);
      input.len();
    }
    const consumers = input.count(TIME_BYTES + 2);
    for (let k = 0; k < consumers && !input.failed; k++) {
      input.skipString();
      input.skip(type === RdbType.StreamListpacks3 ? TIME_BYTES * 2 : TIME_BYTES);
      input.skip(input.count(ID_BYTES) * ID_BYTES);
    }
  }
}

function skipLengths(input: RdbReader, count: number): void {
  for (let i = 0; i < count; i++) input.len();
}
