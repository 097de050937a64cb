// When the first field of a hash expires, read from its record: what the index keeps as a bound (slot-index.ts).

import { Listpack } from '../structures/listpack.ts';
import { NO_EXPIRY } from '../structures/segment.ts';
import { TableRoot } from '../structures/table-segments.ts';
import { Encoding, type RecordView, Type } from './record.ts';

const lp = new Listpack(Buffer.alloc(0));

/**
 * A lower bound of the expiries of a hash's fields.
 * @param rec any record
 * @returns s of unix time; NO_EXPIRY if no field expires, or the value is no hash
 */
export function fieldsBound(rec: RecordView): number {
  if (rec.type !== Type.Hash) return NO_EXPIRY;
  if (rec.encoding === Encoding.Hashtable) return rec.words[rec.rootWord + TableRoot.NextExpiry]!;
  if (rec.encoding !== Encoding.ListpackEx) return NO_EXPIRY;
  // Triplets of field, value and expiry, the first to expire in front; 0: it does not expire, nor do those behind it.
  lp.open(rec.bytes, rec.valueOffset);
  if (!lp.seek(2)) return NO_EXPIRY;
  const expireAt = lp.integer();
  return expireAt === 0 ? NO_EXPIRY : Math.floor(expireAt / 1000);
}
