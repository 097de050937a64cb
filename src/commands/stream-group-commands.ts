// XGROUP and its subcommands, XACK and XACKDEL (8.2).

import { NotifyFlag } from '../config/multi-values.ts';
import { copyId, IdForm, setLeastId } from '../structures/stream-id.ts';
import { UNKNOWN } from '../structures/stream-lag.ts';
import { References } from '../structures/stream-trim.ts';
import type { CommandContext } from './context.ts';
import { shownArgument } from './generic-arguments.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { areIds, deleteStreamEntry } from './stream-delete.ts';
import { DeleteOptions } from './stream-options.ts';
import { findGroup } from './stream-read.ts';
import {
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

const KEY_NEEDED =
  'ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.';

const HELP = [
  'CREATE <key> <groupname> <id|$> [option]',
  '    Create a new consumer group. Options are:',
  '    * MKSTREAM',
  '      Create the empty stream if it does not exist.',
  '    * ENTRIESREAD entries_read',
  "      Set the group's entries_read counter (internal use).",
  'CREATECONSUMER <key> <groupname> <consumer>',
  '    Create a new consumer in the specified group.',
  'DELCONSUMER <key> <groupname> <consumer>',
  '    Remove the specified consumer.',
  'DESTROY <key> <groupname>',
  '    Remove the specified group.',
  'SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]',
  '    Set the current group ID and entries_read counter.',
];

const deletion = new DeleteOptions();

// ---- XGROUP ----

/** Options of XGROUP CREATE and SETID; the number of ENTRIESREAD is in the tools' `number`. */
const groupOptions = { makeStream: false };

/** Reads the options behind argument 4. @param creating whether MKSTREAM is one @returns false after the error */
function parseGroupOptions(cx: CommandContext, tools: StreamTools, creating: boolean): boolean {
  groupOptions.makeStream = false;
  tools.number.setNumber(UNKNOWN);
  for (let arg = 5; arg < cx.argc; arg++) {
    if (creating && cx.argIs(arg, 'MKSTREAM')) groupOptions.makeStream = true;
    else if (cx.argIs(arg, 'ENTRIESREAD') && arg + 1 < cx.argc) {
      arg++;
      const count = longArgument(cx, arg);
      if (Number.isNaN(count)) return false;
      if (count < 0 && count !== UNKNOWN) {
        cx.error('ERR value for ENTRIESREAD must be positive or -1');
        return false;
      }
      tools.number.parse(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    } else {
      syntax(cx);
      return false;
    }
  }
  return true;
}

function syntax(cx: CommandContext): void {
  cx.error(subcommandSyntaxText('XGROUP', cx.argLatin1(1)));
}

/** `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD n]` */
function create(cx: CommandContext): void {
  const tools = streamTools(cx);
  if (!parseGroupOptions(cx, tools, true)) return;
  const found = writeStream(cx, 2);
  if (found < 0) return;
  if (found === 0 && !groupOptions.makeStream) {
    cx.error(KEY_NEEDED);
    return;
  }
  if (cx.argc > 8) {
    syntax(cx);
    return;
  }
  const { stream, id } = tools;
  if (!isDollar(cx, 4)) {
    if (!idArgument(cx, 4, IdForm.Strict, 0, id, 0)) return;
  } else if (found === 1) copyId(stream.words, stream.lastIdAt, id, 0);
  else setLeastId(id, 0);
  if (found === 0) createStream(cx, 2);
  let created = false;
  try {
    created = stream.createGroup(cx.input, cx.argOff[3]!, cx.argLen[3]!, id, 0, UNKNOWN);
  } finally {
    if (found === 0 && !created) cx.deleteRecord(cx.rec);
  }
  if (!created) {
    cx.error('BUSYGROUP Consumer Group name already exists');
    return;
  }
  setEntriesRead(tools);
  if (found === 0) cx.keyChanged(2);
  else cx.keyReady(2);
  cx.notify(NotifyFlag.Stream, 'xgroup-create', 2);
  cx.reply.ok();
}

/** Gives the open group the exact number of ENTRIESREAD. */
function setEntriesRead(tools: StreamTools): void {
  const { group } = tools.stream;
  group.words[group.entriesReadAt] = tools.number.low;
  group.words[group.entriesReadAt + 1] = tools.number.high;
}

function isDollar(cx: CommandContext, arg: number): boolean {
  return cx.argLen[arg] === 1 && cx.input[cx.argOff[arg]!] === 0x24;
}

/** Opens the stream of argument 2 and, if `group`, the group of argument 3. @returns false after replying with an error */
function openGroup(cx: CommandContext, group: boolean): boolean {
  const found = writeStream(cx, 2);
  if (found < 0) return false;
  if (found === 0) {
    cx.error(KEY_NEEDED);
    return false;
  }
  if (!group || findGroup(cx, 3)) return true;
  noSuchGroup(cx);
  return false;
}

/** Replies that the stream of argument 2 has no group of the name in argument 3. */
export function noSuchGroup(cx: CommandContext): void {
  const group = shownArgument(cx, 3);
  cx.error(`NOGROUP No such consumer group '${group}' for key name '${shownArgument(cx, 2)}'`);
}

/** `XGROUP SETID key group id|$ [ENTRIESREAD n]` */
function setId(cx: CommandContext): void {
  const tools = streamTools(cx);
  if (!parseGroupOptions(cx, tools, false) || !openGroup(cx, true)) return;
  if (cx.argc > 7) {
    syntax(cx);
    return;
  }
  const { stream, id } = tools;
  if (isDollar(cx, 4)) copyId(stream.words, stream.lastIdAt, id, 0);
  else if (!idArgument(cx, 4, IdForm.Range, 0, id, 0)) return;
  copyId(id, 0, stream.group.words, stream.group.lastIdAt);
  setEntriesRead(tools);
  cx.dirty++;
  cx.notify(NotifyFlag.Stream, 'xgroup-setid', 2);
  cx.reply.ok();
}

/** `XGROUP DESTROY key group`. Who waits for the group is told by the change of the key. */
function destroy(cx: CommandContext): void {
  if (!openGroup(cx, false)) return;
  const destroyed = streamTools(cx).stream.destroyGroup(cx.input, cx.argOff[3]!, cx.argLen[3]!);
  if (destroyed) {
    cx.keyReady(2);
    cx.notify(NotifyFlag.Stream, 'xgroup-destroy', 2);
  }
  cx.reply.integer(destroyed ? 1 : 0);
}

/** `XGROUP CREATECONSUMER key group consumer` */
function createConsumer(cx: CommandContext): void {
  if (!openGroup(cx, true)) return;
  const { stream, consumer } = streamTools(cx);
  const created = stream.group.needConsumer(consumer, cx.input, cx.argOff[4]!, cx.argLen[4]!, noteTime(cx));
  if (created) {
    cx.dirty++;
    cx.notify(NotifyFlag.Stream, 'xgroup-createconsumer', 2);
  }
  cx.reply.integer(created ? 1 : 0);
}

/** `XGROUP DELCONSUMER key group consumer` */
function deleteConsumer(cx: CommandContext): void {
  if (!openGroup(cx, true)) return;
  const { stream, consumer } = streamTools(cx);
  const { group } = stream;
  if (!group.findConsumer(consumer, cx.input, cx.argOff[4]!, cx.argLen[4]!)) {
    cx.reply.integer(0);
    return;
  }
  cx.reply.integer(group.deleteConsumer(cx.input, cx.argOff[4]!, cx.argLen[4]!));
  cx.dirty++;
  cx.notify(NotifyFlag.Stream, 'xgroup-delconsumer', 2);
}

/** What a group owns, which is freed at once. */
function estimateDestroy(cx: CommandContext): number {
  if (!peekStream(cx, 2) || !findGroup(cx, 3)) return 0;
  return streamTools(cx).stream.group.bytes(64);
}

/** What a consumer has pending is looked for one by one. */
function estimateDeleteConsumer(cx: CommandContext): number {
  if (!peekStream(cx, 2) || !findGroup(cx, 3)) return 0;
  const { stream, consumer } = streamTools(cx);
  if (!stream.group.findConsumer(consumer, cx.input, cx.argOff[4]!, cx.argLen[4]!)) return 0;
  return consumer.pending.size * PENDING_WORK;
}

// ---- XACK, XACKDEL ----

/** `XACK key group id [id ...]` */
function ack(cx: CommandContext): void {
  const { stream, id } = streamTools(cx);
  // As if to read, as in Redis: it counts as a hit or a miss.
  const found = readStream(cx, 1);
  if (found < 0) return;
  if (found === 0 || !findGroup(cx, 2)) {
    cx.reply.integer(0);
    return;
  }
  if (!areIds(cx, 3, cx.argc - 3)) return;
  let acknowledged = 0;
  for (let arg = 3; arg < cx.argc; arg++) {
    idArgument(cx, arg, IdForm.Strict, 0, id, 0);
    if (stream.group.acknowledge(id, 0)) acknowledged++;
  }
  cx.dirty += acknowledged;
  cx.reply.integer(acknowledged);
}

/** `XACKDEL key group [KEEPREF | DELREF | ACKED] IDS numids id [id ...]` */
function ackDelete(cx: CommandContext): void {
  const { stream, id } = streamTools(cx);
  if (!deletion.parse(cx, 3)) return;
  const { first, count, references } = deletion;
  const found = writeStream(cx, 1);
  if (found < 0 || !areIds(cx, first, count)) return;
  const hasGroup = found === 1 && findGroup(cx, 2);
  cx.reply.arrayHeader(count);
  let acknowledged = 0;
  let deleted = 0;
  for (let arg = first; arg < first + count; arg++) {
    idArgument(cx, arg, IdForm.Strict, 0, id, 0);
    if (!hasGroup || !stream.group.acknowledge(id, 0)) {
      cx.reply.integer(-1);
      continue;
    }
    acknowledged++;
    if (references === References.Respect && stream.isReferenced(id, 0)) {
      cx.reply.integer(2);
      continue;
    }
    if (references === References.Drop) stream.dropReferences(id, 0);
    if (deleteStreamEntry(stream, id)) deleted++;
    cx.reply.integer(1);
  }
  if (deleted > 0) {
    cx.keyChanged(1, acknowledged);
    cx.notify(NotifyFlag.Stream, 'xdel', 1);
  } else cx.dirty += acknowledged;
}

export const streamGroupCommands: FamilyHandlers = {
  'XGROUP|CREATE': { run: create, place: Place.InPlace },
  'XGROUP|CREATECONSUMER': { run: createConsumer, place: Place.InPlace },
  'XGROUP|DELCONSUMER': {
    run: deleteConsumer,
    place: Place.Estimated,
    estimate: estimateDeleteConsumer,
  },
  'XGROUP|DESTROY': { run: destroy, place: Place.Estimated, estimate: estimateDestroy },
  'XGROUP|HELP': { run: (cx) => helpReply(cx, 'XGROUP', HELP), place: Place.InPlace },
  'XGROUP|SETID': { run: setId, place: Place.InPlace },
  XACK: { run: ack, place: Place.Estimated, estimate: (cx) => cx.argc * PENDING_WORK },
  XACKDEL: { run: ackDelete, place: Place.Estimated, estimate: (cx) => cx.argc * FIND_WORK },
};
