// The commands on streams; here XADD, XTRIM, XSETID and XLEN.
//
// XADD is the hot one: no allocation, one look-up, the last block reached from the root. Semantics are those of Redis
// 7.4's t_stream.c; KEEPREF, DELREF and ACKED those of 8.2.
// XDEL and its kind: stream-delete.ts; reading: stream-read.ts; consumer groups: stream-group-commands.ts, stream-pending.ts; XINFO: stream-info.ts.

import { NotifyFlag } from '../config/multi-values.ts';
import { Type } from '../keyspace/record.ts';
import type { Stream } from '../structures/stream.ts';
import {
  compareIds,
  copyId,
  IdForm,
  incrementId,
  isGreatestId,
  isLeastId,
  isSequenceFull,
  setLeastId,
  setMs,
} from '../structures/stream-id.ts';
import { References, TrimBy, type TrimSpec, trimStream } from '../structures/stream-trim.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { streamDeleteCommands } from './stream-delete.ts';
import { tellTrimmed } from './stream-effects.ts';
import { streamGroupCommands } from './stream-group-commands.ts';
import { streamInfoCommands } from './stream-info.ts';
import { AddOptions, IdSource, isStar } from './stream-options.ts';
import { streamPendingCommands } from './stream-pending.ts';
import { streamReadCommands } from './stream-read.ts';
import {
  BLOCK_WORK,
  createStream,
  FIND_WORK,
  idArgument,
  longArgument,
  noteTime,
  PENDING_WORK,
  peekStream,
  readStream,
  type StreamTools,
  streamTools,
  writeStream,
} from './stream-tools.ts';
import { type FamilyHandlers, Place } from './table.ts';

const NOT_GREATER = 'ERR The ID specified in XADD is equal or smaller than the target stream top item';
const TOO_LARGE = 'ERR Elements are too large to be stored';
const EXHAUSTED = 'ERR The stream has exhausted the last possible ID, unable to add more items';
const LEAST = 'ERR The ID specified in XADD must be greater than 0-0';

const options = new AddOptions();

// ---- XADD ----

/** `XADD key [NOMKSTREAM] [KEEPREF | DELREF | ACKED] [MAXLEN | MINID [= | ~] threshold [LIMIT n]] * | id field value ...` */
function xadd(cx: CommandContext): void {
  const tools = streamTools(cx);
  if (isStar(cx, 2)) {
    options.idArg = 2;
    options.source = IdSource.Clock;
    options.noMakeStream = false;
    tools.spec.by = TrimBy.Nothing;
  } else if (!options.parse(cx, tools, true)) {
    cx.error(options.error);
    return;
  }
  const first = options.idArg + 1;
  const words = cx.argc - first;
  if (words < 2 || (words & 1) !== 0) {
    cx.error(wrongArity(cx.command.name));
    return;
  }
  if (options.isLeast(tools)) {
    cx.error(LEAST);
    return;
  }
  const found = cx.writeTyped(1, Type.Stream);
  if (found < 0) return;
  if (found === 0) {
    if (options.noMakeStream) {
      cx.reply.nullBulk();
      return;
    }
    addFirst(cx, tools, first);
    return;
  }
  const { rec } = cx;
  tools.stream.open(cx.shard(1).arena, rec.words, rec.rootWord);
  if (append(cx, tools, first)) finishAdd(cx, tools);
}

/** XADD to a key that is not there: the key goes again if that fails. */
function addFirst(cx: CommandContext, tools: StreamTools, first: number): void {
  createStream(cx, 1);
  let added = false;
  try {
    added = append(cx, tools, first);
  } finally {
    if (!added) cx.deleteRecord(cx.rec);
  }
  if (added) finishAdd(cx, tools);
}

/** Adds the entry. @returns false after replying with an error */
function append(cx: CommandContext, tools: StreamTools, first: number): boolean {
  const { stream, id } = tools;
  if (isGreatestId(stream.words, stream.lastIdAt)) {
    cx.error(EXHAUSTED);
    return false;
  }
  if (!nextId(cx, stream, id)) {
    cx.error(NOT_GREATER);
    return false;
  }
  const pairs = (cx.argc - first) >> 1;
  if (stream.append(id, 0, cx, first, pairs, tools.blockBytes, tools.blockEntries)) return true;
  cx.error(TOO_LARGE);
  return false;
}

/** Makes `id` the ID of the new entry. @returns false if that is not greater than the last one */
function nextId(cx: CommandContext, stream: Stream, id: Int32Array): boolean {
  const { words, lastIdAt } = stream;
  if (options.source === IdSource.Clock) {
    setMs(id, 0, noteTime(cx));
    if (compareIds(id, 0, words, lastIdAt) > 0) return true;
    // The clock stands still or was set back: the last ID goes on.
    copyId(words, lastIdAt, id, 0);
    return incrementId(id, 0);
  }
  if (options.source === IdSource.GivenMs && id[0] === words[lastIdAt] && id[1] === words[lastIdAt + 1]) {
    if (isSequenceFull(words, lastIdAt)) return false;
    copyId(words, lastIdAt, id, 0);
    incrementId(id, 0);
  }
  return compareIds(id, 0, words, lastIdAt) > 0;
}

function finishAdd(cx: CommandContext, tools: StreamTools): void {
  cx.reply.bulkBytes(tools.text, 0, tools.formatId(tools.id, 0));
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Stream, 'xadd', 1);
  const { spec, stream } = tools;
  const { length } = stream;
  let trimmed = spec.by === TrimBy.Nothing;
  try {
    if (!trimmed) trimStream(stream, spec);
    trimmed = true;
  } finally {
    if (stream.length < length) cx.notify(NotifyFlag.Stream, 'xtrim', 1);
    if (cx.effects.wanted) tellAdd(cx, tools, !trimmed);
  }
}

/** An XADD that says all, is told as it is. */
function tellAdd(cx: CommandContext, tools: StreamTools, failed: boolean): void {
  const { approximate, by } = tools.spec;
  if (options.source === IdSource.Given && !failed && !(approximate && by !== TrimBy.Nothing)) return;
  tellTrimmed(cx, tools, options, options.idArg, failed);
}

/** What is copied, and what a trim may take. */
function estimateAdd(cx: CommandContext): number {
  const end = cx.argc - 1;
  const bytes = cx.argOff[end]! + cx.argLen[end]! - cx.argOff[0]!;
  // Options that trim have at least five letters; IDs are rarely so short that this decides anything.
  if (cx.argLen[2]! < 5 || cx.input[cx.argOff[2]!]! < 0x41) return bytes;
  return bytes + estimateTrim(cx, true);
}

// ---- XTRIM ----

/** `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count] [KEEPREF | DELREF | ACKED]` */
function xtrim(cx: CommandContext): void {
  const tools = streamTools(cx);
  if (!options.parse(cx, tools, false)) {
    cx.error(options.error);
    return;
  }
  const found = writeStream(cx, 1);
  if (found < 0) return;
  if (found === 0) {
    cx.reply.integer(0);
    return;
  }
  const { stream, spec } = tools;
  const before = stream.length;
  let done = false;
  try {
    trimStream(stream, spec);
    done = true;
  } finally {
    // Out of memory half-way: what is gone, is gone, and counts.
    const deleted = before - stream.length;
    if (deleted > 0) {
      cx.keyChanged(1, deleted);
      cx.notify(NotifyFlag.Stream, 'xtrim', 1);
      if (cx.effects.wanted && (spec.approximate || !done)) tellTrimmed(cx, tools, options, 0, !done);
    }
  }
  cx.reply.integer(before - stream.length);
}

function estimateTrim(cx: CommandContext, adding: boolean): number {
  const tools = streamTools(cx);
  if (!options.parse(cx, tools, adding) || tools.spec.by === TrimBy.Nothing || !peekStream(cx, 1)) return 0;
  return trimWork(tools.stream, tools.spec);
}

/** Work for trimming the open stream. */
function trimWork(stream: Stream, spec: TrimSpec): number {
  const { blocks, length } = stream;
  if (blocks.size === 0) return 0;
  const perBlock = Math.max(1, length / blocks.size);
  let entries: number;
  if (spec.by === TrimBy.Length) entries = Math.max(0, length - spec.length);
  else entries = blocks.seekIdBack(spec.id, 0) ? (blocks.rank() + 1) * perBlock : 0;
  if (spec.limit > 0) entries = Math.min(entries, spec.limit);
  // What is referred to stays and is looked at all the same.
  if (spec.references !== References.Keep) return entries * stream.groups.count * PENDING_WORK;
  return (entries / perBlock) * BLOCK_WORK + FIND_WORK;
}

// ---- XLEN, XSETID ----

function xlen(cx: CommandContext): void {
  const found = readStream(cx, 1);
  if (found >= 0) cx.reply.integer(found === 1 ? streamTools(cx).stream.length : 0);
}

/** `XSETID key last-id [ENTRIESADDED n] [MAXDELETEDID id]` */
function xsetid(cx: CommandContext): void {
  const tools = streamTools(cx);
  const { id, from: maxDeleted, number } = tools;
  setLeastId(maxDeleted, 0);
  if (!idArgument(cx, 2, IdForm.Strict, 0, id, 0)) return;
  let entriesAdded = -1;
  for (let arg = 3; arg < cx.argc; arg += 2) {
    if (arg + 1 < cx.argc && cx.argIs(arg, 'ENTRIESADDED')) {
      entriesAdded = longArgument(cx, arg + 1);
      if (Number.isNaN(entriesAdded)) return;
      if (entriesAdded < 0) {
        cx.error('ERR entries_added must be positive');
        return;
      }
      number.parse(cx.input, cx.argOff[arg + 1]!, cx.argLen[arg + 1]!);
    } else if (arg + 1 < cx.argc && cx.argIs(arg, 'MAXDELETEDID')) {
      if (!idArgument(cx, arg + 1, IdForm.Strict, 0, maxDeleted, 0)) return;
      if (compareIds(id, 0, maxDeleted, 0) < 0) {
        cx.error('ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id');
        return;
      }
    } else {
      cx.syntaxError();
      return;
    }
  }
  const found = writeStream(cx, 1);
  if (found === 0) cx.error(ErrorText.NoSuchKey);
  if (found === 1) setIds(cx, tools, entriesAdded);
}

function setIds(cx: CommandContext, tools: StreamTools, entriesAdded: number): void {
  const { stream, id, from: maxDeleted, to: lastEntry, number } = tools;
  const { words, lastIdAt, maxDeletedIdAt, entriesAddedAt } = stream;
  if (compareIds(id, 0, words, maxDeletedIdAt) < 0) {
    cx.error('ERR The ID specified in XSETID is smaller than current max_deleted_entry_id');
    return;
  }
  if (stream.length > 0) {
    stream.lastEntryId(lastEntry, 0);
    if (compareIds(id, 0, lastEntry, 0) < 0) {
      cx.error('ERR The ID specified in XSETID is smaller than the target stream top item');
      return;
    }
    if (entriesAdded !== -1 && stream.length > entriesAdded) {
      cx.error('ERR The entries_added specified in XSETID is smaller than the target stream length');
      return;
    }
  }
  copyId(id, 0, words, lastIdAt);
  if (entriesAdded !== -1) {
    words[entriesAddedAt] = number.low;
    words[entriesAddedAt + 1] = number.high;
  }
  if (!isLeastId(maxDeleted, 0)) copyId(maxDeleted, 0, words, maxDeletedIdAt);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Stream, 'xsetid', 1);
  cx.reply.ok();
}

export const streamCommands: FamilyHandlers = {
  XADD: { run: xadd, place: Place.Estimated, estimate: estimateAdd },
  XTRIM: { run: xtrim, place: Place.Estimated, estimate: (cx) => estimateTrim(cx, false) },
  XLEN: { run: xlen, place: Place.InPlace },
  XSETID: { run: xsetid, place: Place.InPlace },
  ...streamDeleteCommands,
  ...streamReadCommands,
  ...streamGroupCommands,
  ...streamPendingCommands,
  ...streamInfoCommands,
};
