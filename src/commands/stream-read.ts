// The commands that read a stream's entries: XRANGE, XREVRANGE, XREAD and XREADGROUP.
//
// XREAD and XREADGROUP wait (blocking.ts) when they have nothing to give. They are then run again from the beginning
// whenever a key changes, and see `$` as the ID that it stood for. A wait of XREADGROUP also ends when its key or its
// group goes: the run finds none and says so.
//
// What XREADGROUP changes before it knows whether it will wait (the consumer is made, and seen) may be done twice.

import { NotifyFlag } from '../config/multi-values.ts';
import { Type } from '../keyspace/record.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import { addTo, writeNumber } from '../structures/stream-group.ts';
import {
  compareIds,
  copyId,
  decrementId,
  ID_WORDS,
  IdForm,
  incrementId,
  isGreatestId,
  Parsed,
  parseId,
  setGreatestId,
  setLeastId,
} from '../structures/stream-id.ts';
import { noteDelivered } from '../structures/stream-lag.ts';
import { PendingWord } from '../structures/stream-tree.ts';
import { parseTimeoutMs } from './blocking.ts';
import type { CommandContext } from './context.ts';
import { shownArgument } from './generic-arguments.ts';
import { tellClaim, tellConsumer, tellGroupId } from './stream-effects.ts';
import {
  beginHeader,
  ENTRY_WORK,
  endArgument,
  endHeader,
  FIND_WORK,
  idArgument,
  longArgument,
  openStream,
  PENDING_WORK,
  parseIdArgument,
  peekStream,
  rangeWork,
  readStream,
  replyEntries,
  replyEntry,
  replyId,
  type StreamTools,
  startArgument,
  streamTools,
} from './stream-tools.ts';
import { type FamilyHandlers, Place } from './table.ts';

// ---- XRANGE, XREVRANGE ----

/** `XRANGE key start end [COUNT n]`, `XREVRANGE key end start [COUNT n]` */
function range(cx: CommandContext, reverse: boolean): void {
  const { stream, cursor, from, to } = streamTools(cx);
  if (!startArgument(cx, reverse ? 3 : 2, from) || !endArgument(cx, reverse ? 2 : 3, to)) return;
  const count = countOption(cx);
  if (Number.isNaN(count)) return;
  const found = readStream(cx, 1);
  if (found === 0) cx.reply.emptyArray();
  if (found !== 1) return;
  if (count === 0) {
    cx.reply.nullArray();
    return;
  }
  cursor.start(stream, from, 0, to, 0, reverse);
  const most = count < 0 ? 0 : count;
  replyEntries(cx, most, most === 0 ? stream.length : Math.min(most, stream.length));
}

/** @returns -1 without a COUNT, NaN after an error */
function countOption(cx: CommandContext): number {
  let count = -1;
  for (let arg = 4; arg < cx.argc; arg += 2) {
    if (arg + 1 >= cx.argc || !cx.argIs(arg, 'COUNT')) {
      cx.syntaxError();
      return Number.NaN;
    }
    count = longArgument(cx, arg + 1);
    if (Number.isNaN(count)) return count;
    if (count < 0) count = 0;
  }
  return count;
}

function estimateRange(cx: CommandContext, reverse: boolean): number {
  if (!peekStream(cx, 1)) return 0;
  const { stream, from, to } = streamTools(cx);
  const count = cx.argc > 5 ? cx.argInteger(5) : 0;
  if (count > 0 && count * ENTRY_WORK * 2 <= FEW_WORK) return count * ENTRY_WORK * 2;
  if (!quietBound(cx, reverse ? 3 : 2, 0, from) || !quietBound(cx, reverse ? 2 : 3, -1, to)) return 0;
  return rangeWork(stream, from, 0, to, 0, count > 0 ? count : 0);
}

/** Reads one end of an interval, without replying; whether it is exclusive does not matter. */
function quietBound(cx: CommandContext, arg: number, missing: 0 | -1, id: Int32Array): boolean {
  const skip = cx.argLen[arg]! > 1 && cx.input[cx.argOff[arg]!] === 0x28 ? 1 : 0;
  const off = cx.argOff[arg]! + skip;
  return parseId(cx.input, off, cx.argLen[arg]! - skip, missing, IdForm.Range, id, 0) !== Parsed.Invalid;
}

// ---- XREAD, XREADGROUP ----

/** Work up to this is done without looking closer. */
const FEW_WORK = 64 * 1024;
/** `BLOCK` was not given. */
const NO_BLOCK = -1;

const DOLLAR = 0x24;
const PLUS = 0x2b;
const GREATER = 0x3e;

/** The byte of an argument of one byte, else 0. */
function wordOf(cx: CommandContext, arg: number): number {
  return cx.argLen[arg] === 1 ? cx.input[cx.argOff[arg]!]! : 0;
}

/** The arguments of the XREAD or XREADGROUP that is running. */
class ReadRequest {
  group = false;
  /** Unix time in ms, 0: for ever; NO_BLOCK. */
  until = NO_BLOCK;
  /** Entries of each stream, 0 for all. */
  count = 0;
  noAck = false;
  /** Argument indices: of the first key, and the number of keys; of the group's name (the consumer's follows). */
  firstKey = 0;
  keys = 0;
  groupArg = 0;
  /** Argument index of the key that is being read. */
  keyArg = 0;
  /** Whether the consumer was made for it, and nothing was told that says so. */
  newConsumer = false;
  /** IDs, one for each key: what is to be read is greater. The greatest one is `>`. */
  ids = new Int32Array(8 * ID_WORDS);

  /** @returns false after replying with an error */
  parse(cx: CommandContext, group: boolean): boolean {
    this.group = group;
    this.until = NO_BLOCK;
    this.count = 0;
    this.noAck = false;
    this.firstKey = 0;
    this.groupArg = 0;
    for (let arg = 1; arg < cx.argc && this.firstKey === 0; arg++) {
      const more = cx.argc - arg - 1;
      if (more > 0 && cx.argIs(arg, 'BLOCK')) {
        this.until = parseTimeoutMs(cx, ++arg);
        if (Number.isNaN(this.until)) return false;
      } else if (more > 0 && cx.argIs(arg, 'COUNT')) {
        this.count = longArgument(cx, ++arg);
        if (Number.isNaN(this.count)) return false;
        if (this.count < 0) this.count = 0;
      } else if (more > 0 && cx.argIs(arg, 'STREAMS')) {
        if (!this.#streams(cx, arg + 1)) return false;
      } else if (more > 1 && cx.argIs(arg, 'GROUP')) {
        if (!this.#onlyGroup(cx, 'GROUP')) return false;
        this.groupArg = arg + 1;
        arg += 2;
      } else if (cx.argIs(arg, 'NOACK')) {
        if (!this.#onlyGroup(cx, 'NOACK')) return false;
        this.noAck = true;
      } else break;
    }
    if (this.firstKey === 0) {
      cx.syntaxError();
      return false;
    }
    if (!group || this.groupArg !== 0) return true;
    cx.error('ERR Missing GROUP option for XREADGROUP');
    return false;
  }

  #streams(cx: CommandContext, first: number): boolean {
    const words = cx.argc - first;
    if (words % 2 !== 0) {
      const wanted = this.group ? "an ID or '>'" : "an ID, '+', or '$'";
      cx.error(
        `ERR Unbalanced '${cx.command.name}' list of streams: for each stream key ${wanted} must be specified.`,
      );
      return false;
    }
    this.firstKey = first;
    this.keys = words / 2;
    if (this.ids.length < this.keys * ID_WORDS) this.ids = new Int32Array(this.keys * ID_WORDS * 2);
    return true;
  }

  #onlyGroup(cx: CommandContext, option: string): boolean {
    if (this.group) return true;
    cx.error(`ERR The ${option} option is only supported by XREADGROUP. You called XREAD instead.`);
    return false;
  }
}

const request = new ReadRequest();

/** `XREAD[GROUP] [GROUP group consumer] [COUNT n] [BLOCK ms] [NOACK] STREAMS key ... id ...` */
function read(cx: CommandContext, group: boolean): void {
  if (!request.parse(cx, group)) return;
  const { firstKey, keys, ids } = request;
  // Only what comes of it is told, entry by entry.
  if (group && cx.effects.wanted) cx.effects.none();
  for (let i = 0; i < keys; i++) if (!resolveId(cx, i, ids, i * ID_WORDS)) return;
  const mark = cx.reply.length;
  let served = 0;
  for (let i = 0; i < keys; i++) {
    // The keys were looked up, and are streams or not there.
    if (!cx.lookupWrite(firstKey + i)) {
      // Redis looks for it a second time, too.
      cx.notifyMiss(firstKey + i);
      continue;
    }
    openStream(cx, cx.rec);
    if (group ? !serveGroup(cx, i, mark, served) : !serve(cx, i, mark, served)) continue;
    served++;
  }
  if (served > 0) {
    endHeader(cx, mark, 1, cx.reply.resp === 3 ? `%${served}\r\n` : `*${served}\r\n`);
    return;
  }
  const { until } = request;
  if (until !== NO_BLOCK && cx.block(Type.Stream, until, firstKey, keys, group)) {
    for (let i = 0; i < keys; i++) keepDollar(cx, i);
    return;
  }
  cx.reply.nullArray();
}

/** Works out the ID after which the i-th stream is to be read. @returns false after replying with an error */
function resolveId(cx: CommandContext, i: number, ids: Int32Array, at: number): boolean {
  const key = request.firstKey + i;
  const arg = key + request.keys;
  const { stream } = streamTools(cx);
  const found = readStream(cx, key);
  if (found < 0) return false;
  if (request.group && (found === 0 || !findGroup(cx, request.groupArg))) {
    noGroup(cx, key, request.groupArg, ' in XREADGROUP with GROUP option');
    return false;
  }
  const word = wordOf(cx, arg);
  if (word === DOLLAR || word === PLUS) {
    if (request.group) {
      cx.error(meaningless(String.fromCharCode(word)));
      return false;
    }
    setLeastId(ids, at);
    if (found === 0) return true;
    if (word === DOLLAR) copyId(stream.words, stream.lastIdAt, ids, at);
    else if (stream.lastEntryId(ids, at)) decrementId(ids, at);
    else copyId(stream.words, stream.lastIdAt, ids, at);
    return true;
  }
  if (word === GREATER) {
    if (!request.group) {
      cx.error(
        'ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.',
      );
      return false;
    }
    setGreatestId(ids, at);
    return true;
  }
  return idArgument(cx, arg, IdForm.Strict, 0, ids, at);
}

function meaningless(word: string): string {
  return (
    `ERR The ${word} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer ` +
    `by specifying a proper ID, or use the > ID to get new messages. The ${word} ID would just return an empty result set.`
  );
}

/** Later runs see the ID that `$` stands for now. */
function keepDollar(cx: CommandContext, i: number): void {
  const arg = request.firstKey + request.keys + i;
  if (wordOf(cx, arg) !== DOLLAR) return;
  const tools = streamTools(cx);
  const length = tools.formatId(request.ids, i * ID_WORDS);
  cx.replaceArgument(arg, tools.text.toString('latin1', 0, length));
}

/** Writes what comes in front of a stream's entries; with the first one, room for the header of all. */
function beginStream(cx: CommandContext, i: number, mark: number, served: number): void {
  const { reply } = cx;
  if (served === 0 && beginHeader(cx, 1) !== mark) throw new Error('XREAD: something was replied before');
  if (reply.resp !== 3) reply.arrayHeader(2);
  const key = request.firstKey + i;
  reply.bulkBytes(cx.input, cx.argOff[key]!, cx.argLen[key]!);
}

/** XREAD's part of the reply for the open stream. @returns false if there is nothing new */
function serve(cx: CommandContext, i: number, mark: number, served: number): boolean {
  const { stream, cursor, from, to } = streamTools(cx);
  const after = i * ID_WORDS;
  if (stream.length === 0) return false;
  stream.lastEntryId(to, 0);
  if (compareIds(to, 0, request.ids, after) <= 0) return false;
  beginStream(cx, i, mark, served);
  copyId(request.ids, after, from, 0);
  incrementId(from, 0);
  cursor.start(stream, from, 0, to, 0, false);
  const { count } = request;
  replyEntries(cx, count, count === 0 ? stream.length : Math.min(count, stream.length));
  return true;
}

/** XREADGROUP's part of the reply for the open stream. @returns false if there is nothing new */
function serveGroup(cx: CommandContext, i: number, mark: number, served: number): boolean {
  const tools = streamTools(cx);
  const { stream, consumer } = tools;
  const { group } = stream;
  findGroup(cx, request.groupArg);
  const name = request.groupArg + 1;
  request.newConsumer = group.needConsumer(consumer, cx.input, cx.argOff[name]!, cx.argLen[name]!, cx.now);
  if (request.newConsumer) {
    cx.dirty++;
    cx.notify(NotifyFlag.Stream, 'xgroup-createconsumer', request.firstKey + i);
  }
  consumer.seenAt = cx.now;
  request.keyArg = request.firstKey + i;
  try {
    return readAsGroup(cx, tools, i, mark, served);
  } finally {
    tellNewConsumer(cx);
  }
}

/** Tells that the consumer was made, unless that is told already. */
function tellNewConsumer(cx: CommandContext): void {
  const { keyArg, groupArg } = request;
  if (cx.effects.wanted && request.newConsumer) tellConsumer(cx, keyArg, groupArg, groupArg + 1);
  request.newConsumer = false;
}

/** Tells the pending entry at the cursor of the group's tree, which is the consumer's. */
function tellEntry(cx: CommandContext, tools: StreamTools): void {
  tellClaim(cx, tools, request.keyArg, request.groupArg, 0);
  request.newConsumer = false;
}

function readAsGroup(
  cx: CommandContext,
  tools: StreamTools,
  i: number,
  mark: number,
  served: number,
): boolean {
  const { stream, from, to } = tools;
  const { group } = stream;
  const history = !isGreatestId(request.ids, i * ID_WORDS);
  if (history) copyId(request.ids, i * ID_WORDS, from, 0);
  else {
    if (stream.length === 0) return false;
    stream.lastEntryId(to, 0);
    if (compareIds(to, 0, group.words, group.lastIdAt) <= 0) return false;
    copyId(group.words, group.lastIdAt, from, 0);
  }
  beginStream(cx, i, mark, served);
  incrementId(from, 0);
  if (history) replyHistory(cx, tools);
  else deliverNew(cx, tools);
  cx.dirty++;
  return true;
}

/** Replies with entries from `from` to `to`, and makes them pending for the consumer. */
function deliverNew(cx: CommandContext, tools: StreamTools): void {
  const { stream, cursor, consumer, from, to } = tools;
  const { group } = stream;
  const { count, noAck } = request;
  cursor.start(stream, from, 0, to, 0, false);
  const expected = count === 0 ? 1 : Math.min(count, stream.length);
  const header = beginHeader(cx, expected);
  const { wanted } = cx.effects;
  if (noAck) tellNewConsumer(cx);
  let entries = 0;
  while ((count === 0 || entries < count) && cursor.next()) {
    const { block } = cursor;
    if (!noAck && !deliver(cx, tools, block.id, entries)) break;
    noteDelivered(stream, group, block.id, 0);
    if (wanted && !noAck && group.pending.findId(block.id, 0)) tellEntry(cx, tools);
    replyEntry(cx, block);
    entries++;
  }
  if (!noAck && entries > 0) consumer.activeAt = cx.now;
  if (wanted) tellGroupId(cx, tools, request.keyArg, request.groupArg);
  endHeader(cx, header, expected, `*${entries}\r\n`);
}

/**
 * Makes an entry pending. @param before how many were delivered already
 * @returns false if there is no memory for it, and some were delivered: these are the reply
 */
function deliver(cx: CommandContext, tools: StreamTools, id: Int32Array, before: number): boolean {
  try {
    tools.stream.group.deliver(tools.consumer, id, 0, cx.now, 1);
    return true;
  } catch (error) {
    if (error instanceof OutOfMemoryError && before > 0) return false;
    throw error;
  }
}

/** Replies with the consumer's pending entries from `from` on, and counts them as delivered once more. */
function replyHistory(cx: CommandContext, tools: StreamTools): void {
  const { stream, consumer, from } = tools;
  const { pending } = stream.group;
  const own = consumer.pending;
  const { count } = request;
  const expected = count === 0 ? own.size : Math.min(count, own.size);
  const header = beginHeader(cx, expected);
  let entries = 0;
  for (let more = own.seekId(from, 0); more && (count === 0 || entries < count); more = own.next()) {
    if (stream.findEntry(own.words, own.at)) {
      replyEntry(cx, stream.block);
      pending.findId(own.words, own.at);
      writeNumber(pending.words, pending.at + PendingWord.TimeLow, cx.now);
      addTo(pending.words, pending.at + PendingWord.CountLow, 1);
      if (cx.effects.wanted) tellEntry(cx, tools);
    } else {
      // Deleted meanwhile: its ID without fields.
      cx.reply.arrayHeader(2);
      replyId(cx, own.words, own.at);
      cx.reply.nullArray();
    }
    entries++;
  }
  endHeader(cx, header, expected, `*${entries}\r\n`);
}

/** Opens the group that an argument names, in the open stream. */
export function findGroup(cx: CommandContext, arg: number): boolean {
  return streamTools(cx).stream.findGroup(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
}

/** Replies that there is no such key or group. @param more of the text */
export function noGroup(cx: CommandContext, key: number, group: number, more = ''): void {
  const text = `No such key '${shownArgument(cx, key)}' or consumer group '${shownArgument(cx, group)}'`;
  cx.error(`NOGROUP ${text}${more}`);
}

/**
 * Where the options of the request are that an estimate needs: argument indices, 0 if they are not there. STREAMS is only
 * found where key-positions.ts finds it, too: other keys are not locked.
 */
const found = { streams: 0, count: 0, group: 0 };

function findOptions(cx: CommandContext): void {
  found.streams = 0;
  found.count = 0;
  found.group = 0;
  for (let arg = 1; arg < cx.argc && found.streams === 0; arg++) {
    if (cx.argIs(arg, 'STREAMS')) found.streams = arg;
    else if (cx.argIs(arg, 'GROUP')) {
      found.group = arg + 1;
      arg += 2;
    } else if (cx.argIs(arg, 'COUNT')) found.count = ++arg;
    else if (cx.argIs(arg, 'BLOCK')) arg++;
    else if (!cx.argIs(arg, 'NOACK')) return;
  }
}

function estimateRead(cx: CommandContext, group: boolean): number {
  findOptions(cx);
  const words = found.streams === 0 ? 0 : cx.argc - found.streams - 1;
  if (words % 2 !== 0) return 0;
  const count = found.count > 0 && found.count < cx.argc ? Math.max(0, cx.argInteger(found.count)) || 0 : 0;
  const perEntry = group ? 1 + PENDING_WORK / ENTRY_WORK : 1;
  // So few are not worth the searches.
  const most = (count * words * ENTRY_WORK * perEntry) / 2;
  if (count > 0 && most <= FEW_WORK) return most + FIND_WORK;
  const { stream, from, to } = streamTools(cx);
  let work = 0;
  for (let i = 0; i < words / 2; i++) {
    const key = found.streams + 1 + i;
    const arg = key + words / 2;
    if (!peekStream(cx, key)) continue;
    setGreatestId(to, 0);
    if (group && wordOf(cx, arg) === GREATER) {
      if (!findGroup(cx, found.group)) continue;
      copyId(stream.group.words, stream.group.lastIdAt, from, 0);
    } else if (parseIdArgument(cx, arg, IdForm.Strict, 0, from, 0) === Parsed.Invalid) continue;
    work += rangeWork(stream, from, 0, to, 0, count) * perEntry;
  }
  return work;
}

export const streamReadCommands: FamilyHandlers = {
  XRANGE: {
    run: (cx) => range(cx, false),
    place: Place.Estimated,
    estimate: (cx) => estimateRange(cx, false),
  },
  XREVRANGE: {
    run: (cx) => range(cx, true),
    place: Place.Estimated,
    estimate: (cx) => estimateRange(cx, true),
  },
  XREAD: { run: (cx) => read(cx, false), place: Place.Estimated, estimate: (cx) => estimateRead(cx, false) },
  XREADGROUP: {
    run: (cx) => read(cx, true),
    place: Place.Estimated,
    estimate: (cx) => estimateRead(cx, true),
  },
};
