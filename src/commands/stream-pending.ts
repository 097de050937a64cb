// What is pending in consumer groups: XPENDING, XCLAIM, XAUTOCLAIM.

import { NotifyFlag } from '../config/multi-values.ts';
import { Type } from '../keyspace/record.ts';
import type { StreamGroup } from '../structures/stream-group.ts';
import { addTo, readNumber, writeNumber } from '../structures/stream-group.ts';
import { compareIds, copyId, ID_WORDS, IdForm, Parsed, setLeastId } from '../structures/stream-id.ts';
import { type IdTree, PendingWord } from '../structures/stream-tree.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';
import { tellClaim, tellConsumer, tellGroupId } from './stream-effects.ts';
import { findGroup, noGroup } from './stream-read.ts';
import {
  beginHeader,
  endArgument,
  endHeader,
  FIND_WORK,
  idArgument,
  longArgument,
  longOf,
  noteTime,
  openStream,
  PENDING_WORK,
  parseIdArgument,
  peekStream,
  readStream,
  replyEntry,
  replyId,
  replyWords,
  type StreamTools,
  startArgument,
  streamTools,
} from './stream-tools.ts';
import { type FamilyHandlers, Place } from './table.ts';

// ---- XPENDING ----

/** `XPENDING key group [[IDLE ms] start end count [consumer]]` */
function pending(cx: CommandContext): void {
  if (cx.argc !== 3 && (cx.argc < 6 || cx.argc > 9)) {
    cx.syntaxError();
    return;
  }
  const tools = streamTools(cx);
  let idle = 0;
  let count = 0;
  let at = 3;
  if (cx.argc > 3) {
    if (cx.argIs(3, 'IDLE')) {
      idle = longArgument(cx, 4);
      if (Number.isNaN(idle)) return;
      if (cx.argc < 8) {
        cx.syntaxError();
        return;
      }
      at = 5;
    }
    count = longArgument(cx, at + 2);
    if (Number.isNaN(count)) return;
    if (!startArgument(cx, at, tools.from) || !endArgument(cx, at + 1, tools.to)) return;
  }
  const found = readStream(cx, 1);
  if (found < 0) return;
  if (found === 0 || !findGroup(cx, 2)) noGroup(cx, 1, 2);
  else if (cx.argc === 3) replySummary(cx, tools);
  else replyPending(cx, tools, idle, count, at + 3 < cx.argc ? at + 3 : 0);
}

/** Number, least and greatest ID, and how many each consumer has. */
function replySummary(cx: CommandContext, tools: StreamTools): void {
  const { reply } = cx;
  const { stream, consumer } = tools;
  const { group } = stream;
  const { size } = group.pending;
  reply.arrayHeader(4);
  reply.integer(size);
  if (size === 0) {
    reply.nullBulk();
    reply.nullBulk();
    reply.nullArray();
    return;
  }
  group.pending.seekFirst();
  replyId(cx, group.pending.words, group.pending.at);
  group.pending.seekLast();
  replyId(cx, group.pending.words, group.pending.at);
  const all = group.consumers.count;
  const header = beginHeader(cx, all);
  let shown = 0;
  for (let i = 0; i < all; i++) {
    group.openConsumer(consumer, i);
    if (consumer.pending.size === 0) continue;
    reply.arrayHeader(2);
    reply.bulkBytes(consumer.nameBytes, consumer.nameOff, consumer.nameLen);
    reply.bulkString(String(consumer.pending.size));
    shown++;
  }
  endHeader(cx, header, all, `*${shown}\r\n`);
}

/** Pending entries from `from` to `to`. @param idle least ms since their delivery @param name argument of a consumer, or 0 */
function replyPending(
  cx: CommandContext,
  tools: StreamTools,
  idle: number,
  count: number,
  name: number,
): void {
  const { stream, consumer, from, to } = tools;
  const { group } = stream;
  let tree: IdTree = group.pending;
  if (name > 0) {
    if (!group.findConsumer(consumer, cx.input, cx.argOff[name]!, cx.argLen[name]!)) {
      cx.reply.emptyArray();
      return;
    }
    tree = consumer.pending;
  }
  const expected = Math.min(Math.max(count, 0), tree.size);
  const header = beginHeader(cx, expected);
  let shown = 0;
  for (let more = tree.seekId(from, 0); more && shown < count; more = tree.next()) {
    if (compareIds(tree.words, tree.at, to, 0) > 0) break;
    if (name > 0) group.pending.findId(tree.words, tree.at);
    const since = cx.now - readNumber(group.pending.words, group.pending.at + PendingWord.TimeLow);
    if (idle !== 0 && since < idle) continue;
    replyPendingEntry(cx, tools, Math.max(0, since));
    shown++;
  }
  endHeader(cx, header, expected, `*${shown}\r\n`);
}

/** The entry at the cursor of the group's tree: ID, consumer, ms since its delivery, deliveries. */
function replyPendingEntry(cx: CommandContext, tools: StreamTools, since: number): void {
  const { reply } = cx;
  const { consumers } = tools.stream.group;
  const { words, at } = tools.stream.group.pending;
  reply.arrayHeader(4);
  replyId(cx, words, at);
  consumers.loadName(words[at + PendingWord.Consumer]!);
  reply.bulkBytes(consumers.nameBytes, consumers.nameOff, consumers.nameLen);
  reply.integer(since);
  replyWords(cx, words[at + PendingWord.CountLow]!, words[at + PendingWord.CountHigh]!);
}

function estimatePending(cx: CommandContext): number {
  if (!peekStream(cx, 1) || !findGroup(cx, 2)) return 0;
  const { group } = streamTools(cx).stream;
  if (cx.argc === 3) return group.consumers.count * PENDING_WORK;
  const { size } = group.pending;
  // Those that are not idle for long enough are looked at, too.
  if (cx.argIs(3, 'IDLE')) return size * PENDING_WORK;
  const count = cx.argc > 5 ? longOf(cx, 5) : 0;
  return Math.max(0, count < size ? count : size) * PENDING_WORK;
}

// ---- XCLAIM ----

/** Options of the XCLAIM that is running. */
class ClaimOptions {
  minIdle = 0;
  force = false;
  justId = false;
  /** Unix time in ms. */
  deliveredAt = 0;
  /** Whether RETRYCOUNT was given; the number is in the tools' `number`. */
  countGiven = false;
  /** Argument index behind the last ID. */
  end = 0;
  readonly lastId = new Int32Array(ID_WORDS);

  /** @returns false after replying with an error */
  parse(cx: CommandContext, tools: StreamTools): boolean {
    this.force = false;
    this.justId = false;
    this.countGiven = false;
    setLeastId(this.lastId, 0);
    this.minIdle = Math.max(0, longArgument(cx, 4, 'ERR Invalid min-idle-time argument for XCLAIM'));
    if (Number.isNaN(this.minIdle)) return false;
    let arg = 5;
    while (arg < cx.argc && parseIdArgument(cx, arg, IdForm.Strict, 0, tools.id, 0) !== Parsed.Invalid) arg++;
    this.end = arg;
    let time = -1;
    for (; arg < cx.argc; arg++) {
      const more = arg + 1 < cx.argc;
      if (cx.argIs(arg, 'FORCE')) this.force = true;
      else if (cx.argIs(arg, 'JUSTID')) this.justId = true;
      else if (more && cx.argIs(arg, 'IDLE')) {
        time = noteTime(cx) - longArgument(cx, ++arg, 'ERR Invalid IDLE option argument for XCLAIM');
        if (Number.isNaN(time)) return false;
      } else if (more && cx.argIs(arg, 'TIME')) {
        time = longArgument(cx, ++arg, 'ERR Invalid TIME option argument for XCLAIM');
        if (Number.isNaN(time)) return false;
      } else if (more && cx.argIs(arg, 'RETRYCOUNT')) {
        const count = longArgument(cx, ++arg, 'ERR Invalid RETRYCOUNT option argument for XCLAIM');
        if (Number.isNaN(count)) return false;
        this.countGiven = count >= 0;
        tools.number.parse(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
      } else if (more && cx.argIs(arg, 'LASTID')) {
        if (!idArgument(cx, ++arg, IdForm.Strict, 0, this.lastId, 0)) return false;
      } else {
        cx.error(`ERR Unrecognized XCLAIM option '${shownArgument(cx, arg)}'`);
        return false;
      }
    }
    // A time that makes no sense is now: clients reckon with clocks of their own.
    const now = noteTime(cx);
    this.deliveredAt = time < 0 || (time > now && !cx.replaying) ? now : time;
    return true;
  }
}

const claimOptions = new ClaimOptions();

/** `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]` */
function claim(cx: CommandContext): void {
  const tools = streamTools(cx);
  const { stream, id } = tools;
  // As if to read, as in Redis: it counts as a hit or a miss.
  const found = readStream(cx, 1);
  if (found < 0) return;
  if (found === 0 || !findGroup(cx, 2)) {
    noGroup(cx, 1, 2);
    return;
  }
  const options = claimOptions;
  if (!options.parse(cx, tools)) return;
  const { group } = stream;
  untold.clear();
  try {
    if (compareIds(options.lastId, 0, group.words, group.lastIdAt) > 0) {
      copyId(options.lastId, 0, group.words, group.lastIdAt);
      cx.dirty++;
      untold.lastId = true;
    }
    needConsumer(cx, tools);
    const expected = options.end - 5;
    const header = beginHeader(cx, expected);
    let claimed = 0;
    for (let arg = 5; arg < options.end; arg++) {
      idArgument(cx, arg, IdForm.Strict, 0, id, 0);
      if (claimOne(cx, tools, arg)) claimed++;
    }
    endHeader(cx, header, expected, `*${claimed}\r\n`);
  } finally {
    if (cx.effects.wanted) tellRest(cx, tools);
  }
}

/** What the claim that is running has changed, and what it tells of each entry would not say. */
const untold = {
  consumer: false,
  lastId: false,
  clear(): void {
    this.consumer = false;
    this.lastId = false;
  },
};

/** Tells it. The command itself is not told. */
function tellRest(cx: CommandContext, tools: StreamTools): void {
  cx.effects.none();
  if (untold.consumer) tellConsumer(cx, 1, 2, 3);
  if (untold.lastId) tellGroupId(cx, tools, 1, 2);
}

/** Opens the consumer that argument 3 names, of the open group, and notes that it was seen. */
function needConsumer(cx: CommandContext, tools: StreamTools): void {
  const { stream, consumer } = tools;
  if (stream.group.needConsumer(consumer, cx.input, cx.argOff[3]!, cx.argLen[3]!, noteTime(cx))) {
    cx.dirty++;
    cx.notify(NotifyFlag.Stream, 'xgroup-createconsumer', 1);
    untold.consumer = true;
  }
  consumer.seenAt = noteTime(cx);
}

/** Tells the pending entry at the cursor. @param gone whether it is about to go, and is not the running command's consumer's */
function tellEntry(cx: CommandContext, tools: StreamTools, idArg: number, gone: boolean): void {
  if (!cx.effects.wanted) return;
  tellClaim(cx, tools, 1, 2, idArg);
  untold.lastId = false;
  if (!gone) untold.consumer = false;
}

/** Takes the entry `id`, which is in the stream no more, out of what is pending. @returns whether it was there */
function dropGone(cx: CommandContext, tools: StreamTools, idArg: number): boolean {
  const { id, stream } = tools;
  const { group } = stream;
  if (!group.pending.findId(id, 0)) return false;
  tellEntry(cx, tools, idArg, true);
  group.acknowledge(id, 0);
  cx.dirty++;
  return true;
}

/** Claims the entry `id`, which argument `arg` is, and replies with it. @returns whether it could be claimed */
function claimOne(cx: CommandContext, tools: StreamTools, arg: number): boolean {
  const { stream, consumer, id, number } = tools;
  const { group } = stream;
  const { minIdle, force, justId, deliveredAt, countGiven } = claimOptions;
  if (!stream.findEntry(id, 0)) {
    // It is in the stream no more: nobody can have it pending.
    dropGone(cx, tools, arg);
    return false;
  }
  const { pending } = group;
  if (pending.findId(id, 0)) {
    if (minIdle > 0 && idleOf(cx, group) < minIdle) return false;
    group.giveTo(consumer, id, 0);
    pending.findId(id, 0);
  } else {
    if (!force) return false;
    group.deliver(consumer, id, 0, deliveredAt, 1);
    pending.findId(id, 0);
  }
  const { words, at } = pending;
  writeNumber(words, at + PendingWord.TimeLow, deliveredAt);
  if (countGiven) {
    words[at + PendingWord.CountLow] = number.low;
    words[at + PendingWord.CountHigh] = number.high;
  } else if (!justId) addTo(words, at + PendingWord.CountLow, 1);
  tellEntry(cx, tools, arg, false);
  if (justId) replyId(cx, id, 0);
  else replyEntry(cx, stream.block);
  consumer.activeAt = noteTime(cx);
  cx.dirty++;
  return true;
}

/** Milliseconds since the delivery of the entry at the cursor of a group's tree. */
function idleOf(cx: CommandContext, group: StreamGroup): number {
  return cx.now - readNumber(group.pending.words, group.pending.at + PendingWord.TimeLow);
}

// ---- XAUTOCLAIM ----

/** Entries looked at for each one to be claimed, at most. */
const ATTEMPTS = 10;
const DEFAULT_COUNT = 100;
/** As Redis: numbers of attempts and bytes of IDs must stay in 64 bits. */
const COUNT_MAX = 2n ** 63n / 16n - 1n;
/** Above this Redis does not get the memory for the IDs of entries that are gone, on any machine. */
const COUNT_IN_MEMORY_MAX = 2 ** 40;

/** `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]` */
function autoclaim(cx: CommandContext): void {
  const tools = streamTools(cx);
  // Looked up before the arguments are read, as in Redis, and as if to read: it counts as a hit or a miss.
  const found = cx.lookupRead(1);
  const minIdle = longArgument(cx, 4, 'ERR Invalid min-idle-time argument for XAUTOCLAIM');
  if (Number.isNaN(minIdle) || !startArgument(cx, 5, tools.from)) return;
  let count = DEFAULT_COUNT;
  let justId = false;
  for (let arg = 6; arg < cx.argc; arg++) {
    if (cx.argIs(arg, 'JUSTID')) justId = true;
    else if (cx.argIs(arg, 'COUNT') && arg + 1 < cx.argc) {
      count = longOf(cx, ++arg);
      if (!(count >= 1 && count <= Number(COUNT_MAX))) {
        cx.error('ERR COUNT must be > 0');
        return;
      }
    } else {
      cx.syntaxError();
      return;
    }
  }
  if (found) {
    if (cx.rec.type !== Type.Stream) {
      cx.error(ErrorText.WrongType);
      return;
    }
    openStream(cx, cx.rec);
  }
  if (!found || !findGroup(cx, 2)) {
    noGroup(cx, 1, 2);
    return;
  }
  if (count > COUNT_IN_MEMORY_MAX) {
    cx.error('ERR Insufficient memory, failed allocating transient memory, COUNT too high.');
    return;
  }
  untold.clear();
  try {
    needConsumer(cx, tools);
    claimIdle(cx, tools, Math.max(0, minIdle), count, justId);
  } finally {
    if (cx.effects.wanted) tellRest(cx, tools);
  }
}

/** Claims entries from `from` on that have been idle for so long, and replies. */
function claimIdle(
  cx: CommandContext,
  tools: StreamTools,
  minIdle: number,
  count: number,
  justId: boolean,
): void {
  const { stream, from: next, id } = tools;
  const { group } = stream;
  const { pending } = group;
  const mark = beginHeader(cx, 1);
  const gone: number[] = [];
  let claimed = 0;
  let left = count;
  let attempts = count * ATTEMPTS;
  let more = pending.seekId(next, 0);
  while (more && attempts > 0 && left > 0) {
    attempts--;
    copyId(pending.words, pending.at, id, 0);
    if (!stream.findEntry(id, 0)) {
      dropGone(cx, tools, 0);
      gone.push(id[0]!, id[1]!, id[2]!, id[3]!);
      left--;
      more = pending.seekId(id, 0);
      continue;
    }
    if (minIdle === 0 || idleOf(cx, group) >= minIdle) {
      claimAt(cx, tools, justId);
      claimed++;
      left--;
    }
    more = pending.next();
  }
  if (more) copyId(pending.words, pending.at, next, 0);
  else setLeastId(next, 0);
  endHeader(cx, mark, 1, `*3\r\n${bulkOfId(tools, next)}*${claimed}\r\n`);
  replyGone(cx, gone);
}

/** Claims the entry `id`, at which the group's cursor is, and replies with it. The cursor stays. */
function claimAt(cx: CommandContext, tools: StreamTools, justId: boolean): void {
  const { stream, consumer, id } = tools;
  const { group } = stream;
  group.giveTo(consumer, id, 0);
  group.pending.findId(id, 0);
  const { words, at } = group.pending;
  writeNumber(words, at + PendingWord.TimeLow, cx.now);
  if (!justId) addTo(words, at + PendingWord.CountLow, 1);
  tellEntry(cx, tools, 0, false);
  if (justId) replyId(cx, id, 0);
  else replyEntry(cx, stream.block);
  consumer.activeAt = noteTime(cx);
  cx.dirty++;
}

function bulkOfId(tools: StreamTools, id: Int32Array): string {
  const length = tools.formatId(id, 0);
  return `$${length}\r\n${tools.text.toString('latin1', 0, length)}\r\n`;
}

/** IDs that were pending and are in the stream no more. */
function replyGone(cx: CommandContext, gone: number[]): void {
  const ids = Int32Array.from(gone);
  cx.reply.arrayHeader(ids.length / ID_WORDS);
  for (let i = 0; i < ids.length; i += ID_WORDS) replyId(cx, ids, i);
}

function estimateAutoclaim(cx: CommandContext): number {
  if (!peekStream(cx, 1) || !findGroup(cx, 2)) return 0;
  let count = DEFAULT_COUNT;
  for (let arg = 6; arg + 1 < cx.argc; arg++) if (cx.argIs(arg, 'COUNT')) count = longOf(cx, arg + 1);
  const { size } = streamTools(cx).stream.group.pending;
  return count >= 0 ? Math.min(size, count * ATTEMPTS) * FIND_WORK : 0;
}

export const streamPendingCommands: FamilyHandlers = {
  XPENDING: { run: pending, place: Place.Estimated, estimate: estimatePending },
  XCLAIM: { run: claim, place: Place.Estimated, estimate: (cx) => cx.argc * FIND_WORK },
  XAUTOCLAIM: { run: autoclaim, place: Place.Estimated, estimate: estimateAutoclaim },
};
