// Who learns of what is deleted by no command: keys whose time has come or that are in the way of others, and fields whose
// time has come. The change stream does, since a log that is loaded must not bring them back.

import type { RecordView } from './record.ts';

/** Implemented by execution/deletion-log.ts. All of it is to be called with the shard's lock held. */
export interface DeletionTarget {
  /** Whether anybody wants to know now. */
  readonly wanted: boolean;
  /** A key is about to be deleted because its time has come. */
  keyExpired(rec: RecordView): void;
  /** A key is about to be deleted for want of memory. */
  keyEvicted(rec: RecordView): void;
  /** A field is about to be removed from the hash at `rec`; its name is `field` [off, off + len). */
  fieldExpired(rec: RecordView, field: Buffer, off: number, len: number): void;
}
