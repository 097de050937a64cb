// Reads values that are streams, of all three versions:
//
//   length, so many blocks:  string (16 bytes: master ID, big endian), string (listpack, see structures/stream-block.ts)
//   lengths:  entries | last ID: ms, sequence
//             [2, 3]  first ID | greatest deleted ID | entries ever added
//   length, so many groups:  string (name), lengths: last delivered ID, [2, 3] entries read (2^64 - 1: unknown)
//     length, so many pending entries:  16 bytes of ID | 8 bytes: time of delivery in ms | length: deliveries
//     length, so many consumers:  string (name) | 8 bytes: seen, in ms | [3] 8 bytes: active, in ms (-1: never)
//       length, so many of the pending entries:  16 bytes of ID
//
// Blocks, entries, pending entries and the rest must be in the order of their IDs, as all that Redis writes are, and the
// number of entries must be right. The first ID is found anew.

import { Encoding, rootBytes, Type } from '../keyspace/record.ts';
import { STREAM_ROOT_WORDS } from '../structures/stream.ts';
import { compareIds, ID_WORDS } from '../structures/stream-id.ts';
import { estimateEntriesRead } from '../structures/stream-lag.ts';
import { PendingWord } from '../structures/stream-tree.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { RdbType } from './rdb-format.ts';
import type { RdbReader } from './rdb-reader.ts';
import { checkStreamBlock } from './stream-block-check.ts';

const ID_BYTES = 16;

/** Scratch IDs: of blocks, groups and pending entries; of the last entry before. */
const id = new Int32Array(ID_WORDS);
const before = new Int32Array(ID_WORDS);

/** @param type an RdbType of streams @returns a ReadResult */
export function readStream(cx: LoadContext, type: number): number {
  const { input, stream, rec } = cx;
  cx.make(rec, Type.Stream, Encoding.Stream, rootBytes(STREAM_ROOT_WORDS));
  stream.open(cx.shard.arena, rec.words, rec.rootWord);
  stream.clear();
  const entries = readBlocks(cx);
  if (entries < 0) return cx.bad();
  if (!readRoot(cx, type, entries)) return cx.bad();
  const groups = input.count(4);
  for (let i = 0; i < groups; i++) {
    if (!readGroup(cx, type)) return cx.bad();
  }
  return input.failed ? ReadResult.Bad : ReadResult.Loaded;
}

/** @returns the number of valid entries, -1 if something is wrong */
function readBlocks(cx: LoadContext): number {
  const { input, string, stream, value } = cx;
  const blocks = input.count(2);
  let entries = 0;
  before.fill(0);
  for (let i = 0; i < blocks; i++) {
    if (!input.string(string) || string.len !== ID_BYTES || !input.string(value)) return -1;
    cx.keyReader.open(string.buf, string.off, ID_BYTES);
    readRawId(cx.keyReader);
    cx.countSanitized();
    const valid = checkStreamBlock(value.buf, value.off, value.len, cx.listpack, id, before, cx.deep);
    if (valid < 0) return -1;
    entries += valid;
    stream.appendBlock(id, 0, value.buf, value.off);
    cx.pause?.breathe();
  }
  return input.failed ? -1 : entries;
}

/** Reads what is said of the stream as a whole. @param entries how many there really are */
function readRoot(cx: LoadContext, type: number, entries: number): boolean {
  const { input, stream } = cx;
  const { words } = stream;
  if (input.len() !== entries) return false;
  stream.addLength(entries);
  readId(input, words, stream.lastIdAt);
  // `before` is the last entry.
  if (compareIds(before, 0, words, stream.lastIdAt) > 0) return false;
  const { entriesAddedAt } = stream;
  if (type === RdbType.StreamListpacks) {
    words[entriesAddedAt] = words[stream.root]!;
    words[entriesAddedAt + 1] = words[stream.root + 1]!;
  } else {
    readId(input, words, stream.firstIdAt);
    readId(input, words, stream.maxDeletedIdAt);
    input.len();
    words[entriesAddedAt] = input.low;
    words[entriesAddedAt + 1] = input.high;
  }
  stream.renewFirstId();
  return !input.failed;
}

function readGroup(cx: LoadContext, type: number): boolean {
  const { input, string, stream } = cx;
  const { group } = stream;
  if (!input.string(string)) return false;
  readId(input, id, 0);
  let estimated = 0;
  if (type === RdbType.StreamListpacks) estimated = estimateEntriesRead(stream, id, 0);
  else input.len();
  const { low, high } = input;
  if (input.failed || !stream.createGroup(string.buf, string.off, string.len, id, 0, estimated)) return false;
  if (type !== RdbType.StreamListpacks) {
    group.words[group.entriesReadAt] = low;
    group.words[group.entriesReadAt + 1] = high;
  }
  return readPending(cx) && readConsumers(cx, type);
}

/** Reads a group's pending entries, which belong to no consumer until its own are read. */
function readPending(cx: LoadContext): boolean {
  const { input } = cx;
  const { pending } = cx.stream.group;
  const count = input.count(ID_BYTES + 9);
  for (let i = 0; i < count; i++) {
    readRawId(input);
    if (i > 0 && compareIds(id, 0, before, 0) <= 0) return false;
    before.set(id);
    const { entry } = pending;
    for (let k = 0; k < ID_WORDS; k++) entry[k] = id[k]!;
    entry[PendingWord.Consumer] = 0;
    input.words();
    entry[PendingWord.TimeLow] = input.low;
    entry[PendingWord.TimeHigh] = input.high;
    input.len();
    entry[PendingWord.CountLow] = input.low;
    entry[PendingWord.CountHigh] = input.high;
    if (input.failed) return false;
    pending.append();
    cx.breathe(i);
  }
  return !input.failed;
}

function readConsumers(cx: LoadContext, type: number): boolean {
  const { input, string, stream, consumer } = cx;
  const { group } = stream;
  const count = input.count(10);
  let owned = 0;
  for (let i = 0; i < count; i++) {
    if (!input.string(string)) return false;
    if (!group.needConsumer(consumer, string.buf, string.off, string.len, 0)) return false;
    const seen = input.integer64();
    consumer.seenAt = seen;
    consumer.activeAt = type === RdbType.StreamListpacks3 ? input.integer64() : seen;
    const own = readOwned(cx);
    if (own < 0) return false;
    owned += own;
  }
  return !input.failed && owned === group.pending.size;
}

/** Reads which of the group's pending entries are the consumer's. @returns how many, -1 if something is wrong */
function readOwned(cx: LoadContext): number {
  const { input, consumer } = cx;
  const { pending } = cx.stream.group;
  const count = input.count(ID_BYTES);
  for (let i = 0; i < count; i++) {
    readRawId(input);
    if (i > 0 && compareIds(id, 0, before, 0) <= 0) return -1;
    before.set(id);
    if (!pending.findId(id, 0)) return -1;
    if (pending.words[pending.at + PendingWord.Consumer] !== 0) return -1;
    for (let k = 0; k < ID_WORDS; k++) consumer.pending.entry[k] = id[k]!;
    consumer.pending.append();
    pending.words[pending.at + PendingWord.Consumer] = consumer.ref;
    cx.breathe(i);
  }
  return input.failed ? -1 : count;
}

/** Reads 16 bytes into `id`. */
function readRawId(input: RdbReader): void {
  input.wordsBigEndian();
  id[0] = input.high;
  id[1] = input.low;
  input.wordsBigEndian();
  id[2] = input.high;
  id[3] = input.low;
}

/** Reads an ID of two lengths. */
function readId(input: RdbReader, words: Int32Array, at: number): void {
  input.len();
  words[at] = input.high;
  words[at + 1] = input.low;
  input.len();
  words[at + 2] = input.high;
  words[at + 3] = input.low;
}
