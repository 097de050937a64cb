// Clients that have subscribed to channels which their user may not hear any more: they are closed, as Redis does.

import { CHANNEL_KINDS, ChannelKind, type Subscriptions } from '../commands/pubsub-api.ts';
import { allowsChannel } from './permissions.ts';
import type { ChannelPattern } from './selector.ts';
import type { AclUser, UserData } from './user.ts';

/**
 * The channels of a user that changes.
 * @returns null if all that was allowed still is; else what is allowed then
 */
export function channelsLeft(before: AclUser, after: UserData): readonly ChannelPattern[] | null {
  if (after.selectors.some(({ allChannels }) => allChannels)) return null;
  const left = after.selectors.flatMap(({ channels }) => channels);
  const isLeft = ({ text }: ChannelPattern): boolean => left.includes(text);
  if (before.selectors.every(({ allChannels, channels }) => !allChannels && channels.every(isLeft)))
    return null;
  return left.map((text) => ({ text, bytes: Buffer.from(text, 'latin1') }));
}

/** Whether somebody has subscribed to anything that patterns do not allow. */
export function hearsMore(subscriptions: Subscriptions, allowed: readonly ChannelPattern[]): boolean {
  for (let kind = 0; kind < CHANNEL_KINDS; kind++) {
    for (const name of subscriptions.names[kind as ChannelKind]) {
      const bytes = Buffer.from(name, 'latin1');
      if (!allowsChannel(allowed, bytes, 0, bytes.length, kind === ChannelKind.Pattern)) return true;
    }
  }
  return false;
}
