// The digest of a stream, as Redis computes it: for each entry in order its ID as "ms.seq", then its fields and values,
// each mixed. Consumer groups are no part of it.

import { StreamCursor } from '../structures/stream-cursor.ts';
import { formatId, ID_TEXT_BYTES_MAX, ID_WORDS, setGreatestId } from '../structures/stream-id.ts';
import type { Digest } from './digest.ts';
import type { Keyspace } from './keyspace.ts';
import type { RecordView } from './record.ts';

const DOT = 46;

const text = Buffer.alloc(ID_TEXT_BYTES_MAX);
const least = new Int32Array(ID_WORDS);
const greatest = new Int32Array(ID_WORDS);
setGreatestId(greatest, 0);

/** Adds the entries of a stream. The record's shard is locked. */
export function digestStream(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  const { stream } = keyspace.structures;
  stream.open(keyspace.shards[rec.shard]!.arena, rec.words, rec.rootWord);
  const cursor = new StreamCursor(keyspace.memory);
  cursor.start(stream, least, 0, greatest, 0, false);
  while (cursor.next()) {
    const { block } = cursor;
    digest.mix(text, 0, formatId(block.id, 0, text, 0, DOT));
    if (block.fields > 0) block.beginPairs();
    for (let left = block.fields; left > 0; left--) {
      const field = block.field();
      digest.mix(field.buf, field.off, field.len);
      const value = block.value();
      digest.mix(value.buf, value.off, value.len);
      if (left > 1) block.nextPair();
    }
  }
}
