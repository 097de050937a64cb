// XINFO STREAM, GROUPS, CONSUMERS and HELP.

import { readNumber } from '../structures/stream-group.ts';
import { setGreatestId, setLeastId } from '../structures/stream-id.ts';
import { lagOf, UNKNOWN } from '../structures/stream-lag.ts';
import { radixNodes } from '../structures/stream-radix.ts';
import { PendingWord } from '../structures/stream-tree.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { noSuchGroup } from './stream-group-commands.ts';
import { findGroup } from './stream-read.ts';
import {
  ENTRY_WORK,
  longArgument,
  longOf,
  peekStream,
  readStream,
  replyEntries,
  replyEntry,
  replyId,
  replyWords,
  type StreamTools,
  streamTools,
} from './stream-tools.ts';
import { type FamilyHandlers, Place } from './table.ts';

const HELP = [
  'CONSUMERS <key> <groupname>',
  '    Show consumers of <groupname>.',
  'GROUPS <key>',
  '    Show the stream consumer groups.',
  'STREAM <key> [FULL [COUNT <count>]',
  '    Show information about the stream.',
];

/** Entries, and pending entries of each group and consumer, that FULL shows if nothing is said. */
const DEFAULT_COUNT = 10;
/** Work for a block's ID looked at. */
const KEY_WORK = 32;

/** Opens the stream of argument 2. @returns false after replying with an error */
function open(cx: CommandContext): boolean {
  const found = readStream(cx, 2);
  if (found === 0) cx.error(ErrorText.NoSuchKey);
  return found === 1;
}

// ---- XINFO STREAM ----

/** `XINFO STREAM key [FULL [COUNT count]]` */
function streamInfo(cx: CommandContext): void {
  const tools = streamTools(cx);
  if (!open(cx)) return;
  const full = cx.argc > 3;
  let count = DEFAULT_COUNT;
  if (full && !isFull(cx)) {
    cx.error(subcommandSyntaxText('XINFO', cx.argLatin1(1)));
    return;
  }
  if (cx.argc === 6) {
    count = longArgument(cx, 5);
    if (Number.isNaN(count)) return;
    if (count < 0) count = DEFAULT_COUNT;
  }
  cx.reply.mapHeader(full ? 9 : 10);
  replyFacts(cx, tools);
  if (full) replyFull(cx, tools, count);
  else replyEnds(cx, tools);
}

function isFull(cx: CommandContext): boolean {
  if (!cx.argIs(3, 'FULL')) return false;
  return cx.argc === 4 || (cx.argc === 6 && cx.argIs(4, 'COUNT'));
}

function replyFacts(cx: CommandContext, tools: StreamTools): void {
  const { reply } = cx;
  const { stream } = tools;
  const { words } = stream;
  reply.bulkString('length');
  reply.integer(stream.length);
  reply.bulkString('radix-tree-keys');
  reply.integer(stream.blocks.size);
  reply.bulkString('radix-tree-nodes');
  reply.integer(radixNodes(stream.blocks));
  reply.bulkString('last-generated-id');
  replyId(cx, words, stream.lastIdAt);
  reply.bulkString('max-deleted-entry-id');
  replyId(cx, words, stream.maxDeletedIdAt);
  reply.bulkString('entries-added');
  replyWords(cx, words[stream.entriesAddedAt]!, words[stream.entriesAddedAt + 1]!);
  reply.bulkString('recorded-first-entry-id');
  replyId(cx, words, stream.firstIdAt);
}

/** Number of groups, first and last entry. */
function replyEnds(cx: CommandContext, tools: StreamTools): void {
  const { reply } = cx;
  const { stream, cursor, from, to } = tools;
  reply.bulkString('groups');
  reply.integer(stream.groups.count);
  setLeastId(from, 0);
  setGreatestId(to, 0);
  for (const last of [false, true]) {
    reply.bulkString(last ? 'last-entry' : 'first-entry');
    cursor.start(stream, from, 0, to, 0, last);
    if (cursor.next()) replyEntry(cx, cursor.block);
    else reply.nullBulk();
  }
}

/** Entries and groups. @param count of entries and pending entries each, 0 for all */
function replyFull(cx: CommandContext, tools: StreamTools, count: number): void {
  const { reply } = cx;
  const { stream, cursor, from, to } = tools;
  reply.bulkString('entries');
  setLeastId(from, 0);
  setGreatestId(to, 0);
  cursor.start(stream, from, 0, to, 0, false);
  replyEntries(cx, count, count === 0 ? stream.length : Math.min(count, stream.length));
  reply.bulkString('groups');
  reply.arrayHeader(stream.groups.count);
  for (let i = 0; i < stream.groups.count; i++) {
    stream.openGroup(i);
    replyFullGroup(cx, tools, count);
  }
}

function replyFullGroup(cx: CommandContext, tools: StreamTools, count: number): void {
  const { reply } = cx;
  const { stream, consumer } = tools;
  const { group } = stream;
  reply.mapHeader(7);
  reply.bulkString('name');
  reply.bulkBytes(group.nameBytes, group.nameOff, group.nameLen);
  replyProgress(cx, tools);
  reply.bulkString('pel-count');
  reply.integer(group.pending.size);
  reply.bulkString('pending');
  replyGroupPending(cx, tools, count);
  reply.bulkString('consumers');
  reply.arrayHeader(group.consumers.count);
  for (let i = 0; i < group.consumers.count; i++) {
    group.openConsumer(consumer, i);
    reply.mapHeader(5);
    reply.bulkString('name');
    reply.bulkBytes(consumer.nameBytes, consumer.nameOff, consumer.nameLen);
    reply.bulkString('seen-time');
    reply.integer(consumer.seenAt);
    reply.bulkString('active-time');
    reply.integer(consumer.activeAt);
    reply.bulkString('pel-count');
    reply.integer(consumer.pending.size);
    reply.bulkString('pending');
    replyConsumerPending(cx, tools, count);
  }
}

/** Last delivered ID, entries read, lag. */
function replyProgress(cx: CommandContext, tools: StreamTools): void {
  const { reply } = cx;
  const { group } = tools.stream;
  reply.bulkString('last-delivered-id');
  replyId(cx, group.words, group.lastIdAt);
  reply.bulkString('entries-read');
  if (group.entriesRead === UNKNOWN) reply.nullBulk();
  else replyWords(cx, group.words[group.entriesReadAt]!, group.words[group.entriesReadAt + 1]!);
  reply.bulkString('lag');
  const lag = lagOf(tools.stream, group);
  if (Number.isNaN(lag)) reply.nullBulk();
  else if (Number.isSafeInteger(lag)) reply.integer(lag);
  else reply.bigInteger(BigInt.asIntN(64, BigInt(lag)));
}

function replyGroupPending(cx: CommandContext, tools: StreamTools, count: number): void {
  const { reply } = cx;
  const { pending, consumers } = tools.stream.group;
  const expected = count === 0 ? pending.size : Math.min(count, pending.size);
  reply.arrayHeader(expected);
  let more = pending.seekFirst();
  for (let left = expected; more && left > 0; left--, more = pending.next()) {
    const { words, at } = pending;
    reply.arrayHeader(4);
    replyId(cx, words, at);
    consumers.loadName(words[at + PendingWord.Consumer]!);
    reply.bulkBytes(consumers.nameBytes, consumers.nameOff, consumers.nameLen);
    reply.integer(readNumber(words, at + PendingWord.TimeLow));
    replyWords(cx, words[at + PendingWord.CountLow]!, words[at + PendingWord.CountHigh]!);
  }
}

function replyConsumerPending(cx: CommandContext, tools: StreamTools, count: number): void {
  const { reply } = cx;
  const { pending } = tools.stream.group;
  const own = tools.consumer.pending;
  const expected = count === 0 ? own.size : Math.min(count, own.size);
  reply.arrayHeader(expected);
  let more = own.seekFirst();
  for (let left = expected; more && left > 0; left--, more = own.next()) {
    pending.findId(own.words, own.at);
    const { words, at } = pending;
    reply.arrayHeader(3);
    replyId(cx, words, at);
    reply.integer(readNumber(words, at + PendingWord.TimeLow));
    replyWords(cx, words[at + PendingWord.CountLow]!, words[at + PendingWord.CountHigh]!);
  }
}

function estimateStream(cx: CommandContext): number {
  if (!peekStream(cx, 2)) return 0;
  const { stream } = streamTools(cx);
  const work = stream.blocks.size * KEY_WORK;
  if (cx.argc < 4) return work;
  const count = cx.argc === 6 ? longOf(cx, 5) : DEFAULT_COUNT;
  if (count === 0) return work + stream.length * ENTRY_WORK + stream.bytes(0) * 8;
  // Each group and each consumer shows as many.
  return work + Math.max(DEFAULT_COUNT, count || 0) * ENTRY_WORK * (1 + stream.groups.count * 2);
}

// ---- XINFO GROUPS, CONSUMERS ----

/** `XINFO GROUPS key` */
function groupsInfo(cx: CommandContext): void {
  if (!open(cx)) return;
  const tools = streamTools(cx);
  const { reply } = cx;
  const { stream } = tools;
  reply.arrayHeader(stream.groups.count);
  for (let i = 0; i < stream.groups.count; i++) {
    stream.openGroup(i);
    const { group } = stream;
    reply.mapHeader(6);
    reply.bulkString('name');
    reply.bulkBytes(group.nameBytes, group.nameOff, group.nameLen);
    reply.bulkString('consumers');
    reply.integer(group.consumers.count);
    reply.bulkString('pending');
    reply.integer(group.pending.size);
    replyProgress(cx, tools);
  }
}

/** `XINFO CONSUMERS key group` */
function consumersInfo(cx: CommandContext): void {
  if (!open(cx)) return;
  if (!findGroup(cx, 3)) {
    noSuchGroup(cx);
    return;
  }
  const { reply } = cx;
  const { stream, consumer } = streamTools(cx);
  const { group } = stream;
  reply.arrayHeader(group.consumers.count);
  for (let i = 0; i < group.consumers.count; i++) {
    group.openConsumer(consumer, i);
    reply.mapHeader(4);
    reply.bulkString('name');
    reply.bulkBytes(consumer.nameBytes, consumer.nameOff, consumer.nameLen);
    reply.bulkString('pending');
    reply.integer(consumer.pending.size);
    reply.bulkString('idle');
    reply.integer(Math.max(0, cx.now - consumer.seenAt));
    reply.bulkString('inactive');
    const { activeAt } = consumer;
    reply.integer(activeAt === -1 ? -1 : Math.max(0, cx.now - activeAt));
  }
}

function estimateGroups(cx: CommandContext): number {
  return peekStream(cx, 2) ? streamTools(cx).stream.groups.count * ENTRY_WORK : 0;
}

function estimateConsumers(cx: CommandContext): number {
  if (!peekStream(cx, 2) || !findGroup(cx, 3)) return 0;
  return streamTools(cx).stream.group.consumers.count * ENTRY_WORK;
}

export const streamInfoCommands: FamilyHandlers = {
  'XINFO|CONSUMERS': { run: consumersInfo, place: Place.Estimated, estimate: estimateConsumers },
  'XINFO|GROUPS': { run: groupsInfo, place: Place.Estimated, estimate: estimateGroups },
  'XINFO|HELP': { run: (cx) => helpReply(cx, 'XINFO', HELP), place: Place.InPlace },
  'XINFO|STREAM': { run: streamInfo, place: Place.Estimated, estimate: estimateStream },
};
