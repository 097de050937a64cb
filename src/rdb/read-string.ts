// Reads values that are strings.

import { Encoding, Type } from '../keyspace/record.ts';
import { INTEGER_TEXT_BYTES_MAX, isCanonicalInt64 } from '../protocol/numbers.ts';
import { type LoadContext, ReadResult } from './load-context.ts';

/** Longest value of Redis's embstr encoding, in bytes. */
const EMBSTR_MAX = 44;

/** @returns a ReadResult */
export function readStringValue(cx: LoadContext): number {
  if (!cx.input.string(cx.string)) return ReadResult.Bad;
  const { buf, off, len } = cx.string;
  let encoding: number = len <= EMBSTR_MAX ? Encoding.Embstr : Encoding.Raw;
  if (len <= INTEGER_TEXT_BYTES_MAX && isCanonicalInt64(buf, off, len)) encoding = Encoding.Int;
  cx.makePacked(cx.rec, Type.String, encoding);
  return ReadResult.Loaded;
}
