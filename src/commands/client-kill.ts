// CLIENT KILL: reads the filters, asks every acceptor, and lets the caller close itself last.

import { argLong, argText } from './arguments.ts';
import { type ClientFilter, clientMatches, readClientType } from './client-filter.ts';
import type { CommandContext } from './context.ts';

interface KillOptions {
  filter: Mutable<ClientFilter>;
  skipMe: boolean;
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * CLIENT KILL ip:port
 * CLIENT KILL [ID id] [TYPE type] [USER name] [ADDR ip:port] [LADDR ip:port] [SKIPME YES|NO] [MAXAGE seconds]
 */
export function clientKillCommand(cx: CommandContext): void {
  const oldForm = cx.argc === 3;
  const options: KillOptions | null = oldForm
    ? { filter: { address: argText(cx, 2) }, skipMe: false }
    : readFilters(cx);
  if (options === null) return;
  const { session } = cx;
  const killsSelf = !options.skipMe && clientMatches(session, options.filter, cx.now);
  if (killsSelf) cx.closeAfterReply = true;
  const asked = cx.server.askAcceptors('client-kill', { filter: options.filter, except: session.id });
  cx.defer(
    asked.then((counts) => {
      const killed = (counts as number[]).reduce((sum, count) => sum + count, killsSelf ? 1 : 0);
      if (oldForm && killed === 0) throw new Error('ERR No such client');
      return (reply) => (oldForm ? reply.ok() : reply.integer(killed));
    }),
  );
}

/** @returns null when an error was replied */
function readFilters(cx: CommandContext): KillOptions | null {
  const options: KillOptions = { filter: {}, skipMe: true };
  for (let i = 2; i < cx.argc; i += 2) {
    const refused = i + 1 < cx.argc ? readFilter(cx, i, options) : 'ERR syntax error';
    if (refused !== null) {
      cx.error(refused);
      return null;
    }
  }
  return options;
}

/** Reads the filter at argument `i`; a later one of the same kind wins. @returns null, or the error */
function readFilter(cx: CommandContext, i: number, options: KillOptions): string | null {
  const { filter } = options;
  if (cx.argIs(i, 'ID')) {
    const id = argLong(cx, i + 1);
    if (id === null || id < 1) return 'ERR client-id should be greater than 0';
    filter.ids = [id];
  } else if (cx.argIs(i, 'MAXAGE')) {
    const age = argLong(cx, i + 1);
    if (age === null) return 'ERR maxage is not an integer or out of range';
    if (age <= 0) return 'ERR maxage should be greater than 0';
    filter.minAge = age;
  } else if (cx.argIs(i, 'TYPE')) {
    const type = readClientType(argText(cx, i + 1));
    if (type === null) return `ERR Unknown client type '${argText(cx, i + 1)}'`;
    filter.type = type;
  } else if (cx.argIs(i, 'ADDR')) filter.address = argText(cx, i + 1);
  else if (cx.argIs(i, 'LADDR')) filter.localAddress = argText(cx, i + 1);
  else if (cx.argIs(i, 'USER')) {
    filter.user = cx.argLatin1(i + 1);
    if (!cx.server.acl.has(filter.user)) return `ERR No such user '${argText(cx, i + 1)}'`;
  } else if (cx.argIs(i, 'SKIPME') && cx.argIs(i + 1, 'YES')) options.skipMe = true;
  else if (cx.argIs(i, 'SKIPME') && cx.argIs(i + 1, 'NO')) options.skipMe = false;
  else return 'ERR syntax error';
  return null;
}
