// SUBSCRIBE PSUBSCRIBE SSUBSCRIBE and their inverses, PUBLISH, SPUBLISH, PUBSUB. What carries messages: src/pubsub.
//
// Each channel subscribed to is answered by a message of its own: with RESP3 a push, which CLIENT REPLY does not hide.

import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { argText } from './arguments.ts';
import type { CommandContext } from './context.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { ChannelKind } from './pubsub-api.ts';
import { ReplyMode, type Session } from './session.ts';
import { type FamilyHandlers, Place } from './table.ts';

const TOO_MANY = 'ERR too many different channels or patterns are subscribed to';

/** By ChannelKind: what subscribing and its inverse are called. */
const SUBSCRIBED = ['subscribe', 'psubscribe', 'ssubscribe'] as const;
const UNSUBSCRIBED = ['unsubscribe', 'punsubscribe', 'sunsubscribe'] as const;

/** The number that tells of a change: channels and patterns are counted together. */
function subscriptionCount(session: Session, kind: ChannelKind): number {
  const { subscriptions } = session;
  if (subscriptions === null) return 0;
  const { names } = subscriptions;
  if (kind === ChannelKind.ShardChannel) return names[kind].size;
  return names[ChannelKind.Channel].size + names[ChannelKind.Pattern].size;
}

/** @param name latin1, null: there was nothing to unsubscribe from */
function tell(cx: CommandContext, what: string, kind: ChannelKind, name: string | null): void {
  const { reply, session } = cx;
  const mark = reply.length;
  reply.pushHeader(3);
  reply.bulkString(what);
  if (name === null) reply.nullBulk();
  else reply.bulkString(name);
  reply.integer(subscriptionCount(session, kind));
  if (session.replyMode === ReplyMode.On) return;
  cx.pushed.push(Buffer.from(reply.bytes.subarray(mark, reply.length)));
  reply.truncate(mark);
}

function subscribe(cx: CommandContext, kind: ChannelKind): void {
  for (let arg = 1; arg < cx.argc; arg++) {
    const name = cx.argLatin1(arg);
    if (!cx.pubsub.subscribe(cx.session, kind, name)) {
      cx.error(TOO_MANY);
      return;
    }
    tell(cx, SUBSCRIBED[kind], kind, name);
  }
}

function unsubscribe(cx: CommandContext, kind: ChannelKind): void {
  const names: readonly string[] =
    cx.argc > 1
      ? Array.from({ length: cx.argc - 1 }, (_, i) => cx.argLatin1(i + 1))
      : [...(cx.session.subscriptions?.names[kind] ?? [])];
  if (names.length === 0) tell(cx, UNSUBSCRIBED[kind], kind, null);
  for (const name of names) {
    cx.pubsub.unsubscribe(cx.session, kind, name);
    tell(cx, UNSUBSCRIBED[kind], kind, name);
  }
}

/** PUBLISH channel message, SPUBLISH channel message */
function publish(cx: CommandContext, kind: ChannelKind): void {
  const { argOff, argLen, input } = cx;
  cx.reply.integer(cx.pubsub.publish(kind, input, argOff[1]!, argLen[1]!, input, argOff[2]!, argLen[2]!));
}

/** The same channel may have subscribers on several acceptors. */
function writeNames(reply: ReplyWriter, names: readonly string[]): void {
  const different = new Set(names);
  reply.arrayHeader(different.size);
  for (const name of different) reply.bulkString(name);
}

/** PUBSUB CHANNELS [pattern], PUBSUB SHARDCHANNELS [pattern]: names over all acceptors. */
function channels(cx: CommandContext, kind: ChannelKind): void {
  if (cx.argc > 3) {
    cx.error(subcommandSyntaxText('PUBSUB', argText(cx, 1)));
    return;
  }
  const pattern = cx.argc === 3 ? cx.argLatin1(2) : null;
  if (cx.server.facts.acceptors === 1) writeNames(cx.reply, cx.pubsub.names(kind, pattern));
  else {
    const asked = cx.server.askAcceptors('pubsub-names', { kind, pattern });
    cx.defer(asked.then((lists) => (reply) => writeNames(reply, (lists as string[][]).flat())));
  }
}

/** PUBSUB NUMSUB [channel ...], PUBSUB SHARDNUMSUB [channel ...] */
function subscriberCounts(cx: CommandContext, kind: ChannelKind): void {
  const { reply } = cx;
  reply.arrayHeader((cx.argc - 2) * 2);
  for (let arg = 2; arg < cx.argc; arg++) {
    reply.bulkBytes(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    reply.integer(cx.pubsub.receivers(kind, cx.input, cx.argOff[arg]!, cx.argLen[arg]!));
  }
}

const HELP = [
  'CHANNELS [<pattern>]',
  "    Return the currently active channels matching a <pattern> (default: '*').",
  'NUMPAT',
  '    Return number of subscriptions to patterns.',
  'NUMSUB [<channel> ...]',
  '    Return the number of subscribers for the specified channels, excluding',
  '    pattern subscriptions(default: no channels).',
  'SHARDCHANNELS [<pattern>]',
  "    Return the currently active shard level channels matching a <pattern> (default: '*').",
  'SHARDNUMSUB [<shardchannel> ...]',
  '    Return the number of subscribers for the specified shard level channel(s)',
];

const { Channel, Pattern, ShardChannel } = ChannelKind;

export const pubsubCommands: FamilyHandlers = {
  SUBSCRIBE: { run: (cx) => subscribe(cx, Channel), place: Place.Connection },
  PSUBSCRIBE: { run: (cx) => subscribe(cx, Pattern), place: Place.Connection },
  SSUBSCRIBE: { run: (cx) => subscribe(cx, ShardChannel), place: Place.Connection },
  UNSUBSCRIBE: { run: (cx) => unsubscribe(cx, Channel), place: Place.Connection },
  PUNSUBSCRIBE: { run: (cx) => unsubscribe(cx, Pattern), place: Place.Connection },
  SUNSUBSCRIBE: { run: (cx) => unsubscribe(cx, ShardChannel), place: Place.Connection },
  PUBLISH: { run: (cx) => publish(cx, Channel), place: Place.InPlace },
  SPUBLISH: { run: (cx) => publish(cx, ShardChannel), place: Place.InPlace },
  'PUBSUB|CHANNELS': { run: (cx) => channels(cx, Channel), place: Place.Connection },
  'PUBSUB|SHARDCHANNELS': { run: (cx) => channels(cx, ShardChannel), place: Place.Connection },
  'PUBSUB|NUMSUB': { run: (cx) => subscriberCounts(cx, Channel), place: Place.InPlace },
  'PUBSUB|SHARDNUMSUB': { run: (cx) => subscriberCounts(cx, ShardChannel), place: Place.InPlace },
  'PUBSUB|NUMPAT': { run: (cx) => cx.reply.integer(cx.pubsub.distinct(Pattern)), place: Place.InPlace },
  'PUBSUB|HELP': { run: (cx) => helpReply(cx, 'PUBSUB', HELP), place: Place.InPlace },
};
