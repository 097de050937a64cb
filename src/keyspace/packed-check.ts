// For the checker: whether the bytes of a packed collection (listpack, intset) are what their encoding says.

import { isIntset } from '../structures/intset.ts';
import { isListpack } from '../structures/listpack-check.ts';
import { ENCODING_NAMES, Encoding, type RecordView, TYPE_NAMES, Type } from './record.ts';

/** Listpack entries of one element, by type and encoding. */
function entriesPerElement(type: number, encoding: number): number {
  if (encoding === Encoding.ListpackEx) return 3;
  return type === Type.Hash || type === Type.ZSet ? 2 : 1;
}

/** Throws unless the value of the record is whole: form, number of entries, at least one of them. */
export function checkPacked(rec: RecordView): void {
  const { bytes, type, encoding, valueOffset, valueLength } = rec;
  const what = `${TYPE_NAMES[type]!} encoded as ${ENCODING_NAMES[encoding]!}`;
  if (encoding === Encoding.Intset) {
    if (type !== Type.Set || !isIntset(bytes, valueOffset, valueLength, true))
      throw new Error(`a broken ${what}`);
    if (bytes.readUInt32LE(valueOffset + 4) === 0) throw new Error(`a ${what} without elements`);
    return;
  }
  if (encoding !== Encoding.Listpack && encoding !== Encoding.ListpackEx) throw new Error(`a ${what}`);
  if (!isListpack(bytes, valueOffset, valueLength, true)) throw new Error(`a broken ${what}`);
  const entries = bytes.readUInt16LE(valueOffset + 4);
  if (entries === 0) throw new Error(`a ${what} without elements`);
  if (entries !== 0xffff && entries % entriesPerElement(type, encoding) !== 0)
    throw new Error(`a ${what} of ${entries} entries`);
}
