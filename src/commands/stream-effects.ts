// What commands on streams tell to the change stream, as Redis 7.4 does: what depends on the clock, on the shape of blocks
// or on who reads first is told as its outcome.
//
//   XADD * ...                 XADD with the ID that it got
//   ... MAXLEN|MINID ~ n       ... MAXLEN|MINID = what is left
//   an entry delivered,        XCLAIM key group consumer 0 id TIME ms RETRYCOUNT n FORCE JUSTID LASTID id
//   claimed, or found gone
//   how far a group has read   XGROUP SETID key group id ENTRIESREAD n
//   a new consumer             XGROUP CREATECONSUMER key group consumer, where no XCLAIM says it
//
// Redis does not tell consumers that got nothing, nor what XREADGROUP does to entries that it delivers again; here they are told, so
// that a log gives back all that was there. When a consumer was last seen is told nowhere.

import { setGreatestId } from '../structures/stream-id.ts';
import { PendingWord } from '../structures/stream-tree.ts';
import { References, TrimBy } from '../structures/stream-trim.ts';
import type { CommandContext } from './context.ts';
import type { AddOptions } from './stream-options.ts';
import type { StreamTools } from './stream-tools.ts';

const EQUALS = 0x3d;
const TILDE = 0x7e;

function tellId(cx: CommandContext, tools: StreamTools, id: Int32Array, i: number): void {
  const length = tools.formatId(id, i);
  cx.effects.bytes(tools.text, 0, length);
}

/** Tells an integer of 64 bits in two words. */
function tellWords(cx: CommandContext, low: number, high: number): void {
  cx.effects.integer((BigInt(high) << 32n) | BigInt(low >>> 0));
}

/**
 * Tells the owner, time and count of the pending entry at the cursor of the open group's tree, and the group's last ID.
 * @param keyArg argument of the key; the group's name follows in `groupArg`
 * @param idArg argument that is the ID, 0 if none is
 */
export function tellClaim(
  cx: CommandContext,
  tools: StreamTools,
  keyArg: number,
  groupArg: number,
  idArg: number,
): void {
  const { effects } = cx;
  const { group } = tools.stream;
  const { consumers, pending } = group;
  const { words, at } = pending;
  effects.begin(14);
  effects.text('XCLAIM');
  effects.arg(keyArg);
  effects.arg(groupArg);
  consumers.loadName(words[at + PendingWord.Consumer]!);
  effects.bytes(consumers.nameBytes, consumers.nameOff, consumers.nameLen);
  effects.text('0');
  if (idArg > 0) effects.arg(idArg);
  else tellId(cx, tools, words, at);
  effects.text('TIME');
  tellWords(cx, words[at + PendingWord.TimeLow]!, words[at + PendingWord.TimeLow + 1]!);
  effects.text('RETRYCOUNT');
  tellWords(cx, words[at + PendingWord.CountLow]!, words[at + PendingWord.CountHigh]!);
  effects.text('FORCE');
  effects.text('JUSTID');
  effects.text('LASTID');
  tellId(cx, tools, group.words, group.lastIdAt);
}

/** Tells how far the open group has read. */
export function tellGroupId(cx: CommandContext, tools: StreamTools, keyArg: number, groupArg: number): void {
  const { effects } = cx;
  const { words, lastIdAt, entriesReadAt } = tools.stream.group;
  effects.begin(7);
  effects.text('XGROUP');
  effects.text('SETID');
  effects.arg(keyArg);
  effects.arg(groupArg);
  tellId(cx, tools, words, lastIdAt);
  effects.text('ENTRIESREAD');
  tellWords(cx, words[entriesReadAt]!, words[entriesReadAt + 1]!);
}

/** Tells that a group has a new consumer. */
export function tellConsumer(cx: CommandContext, keyArg: number, groupArg: number, nameArg: number): void {
  const { effects } = cx;
  effects.begin(5);
  effects.text('XGROUP');
  effects.text('CREATECONSUMER');
  effects.arg(keyArg);
  effects.arg(groupArg);
  effects.arg(nameArg);
}

/**
 * Tells an XADD or XTRIM with the ID that the entry got, and with what the trim has left of the stream. LIMIT stays, as in Redis:
 * whoever obeys passes it over.
 * @param idArg argument of the ID, 0 for XTRIM; the ID is in the tools' `id`
 * @param failed whether the trim was not done to its end
 */
export function tellTrimmed(
  cx: CommandContext,
  tools: StreamTools,
  options: AddOptions,
  idArg: number,
  failed: boolean,
): void {
  const { effects, argc } = cx;
  const { spec } = tools;
  const outcome = spec.by !== TrimBy.Nothing && (spec.approximate || failed);
  const thresholdArg = outcome ? options.thresholdArg : 0;
  const signArg = outcome && isSign(cx, thresholdArg - 1) ? thresholdArg - 1 : 0;
  // The first of entries that stay because groups refer to them says nothing of those behind it.
  const byLength = spec.by === TrimBy.Length || failed || spec.references === References.Respect;
  const wordArg = outcome && byLength ? (signArg > 0 ? signArg - 1 : thresholdArg - 1) : 0;
  effects.begin(argc);
  for (let arg = 0; arg < argc; arg++) {
    if (arg === 0) effects.arg(0);
    else if (arg === idArg) tellId(cx, tools, tools.id, 0);
    else if (arg === signArg) effects.text('=');
    else if (arg === wordArg && spec.by === TrimBy.Id) effects.text('MAXLEN');
    else if (arg !== thresholdArg) effects.arg(arg);
    else if (byLength) effects.integer(tools.stream.length);
    else tellFirstId(cx, tools);
  }
}

function isSign(cx: CommandContext, arg: number): boolean {
  const byte = cx.input[cx.argOff[arg]!];
  return cx.argLen[arg] === 1 && (byte === EQUALS || byte === TILDE);
}

/** Tells the first ID of the open stream; of an empty one the greatest there is, as Redis does. */
function tellFirstId(cx: CommandContext, tools: StreamTools): void {
  const { stream, from } = tools;
  if (stream.length > 0) tellId(cx, tools, stream.words, stream.firstIdAt);
  else {
    setGreatestId(from, 0);
    tellId(cx, tools, from, 0);
  }
}
