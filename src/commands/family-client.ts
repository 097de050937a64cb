// CLIENT, all of it but client-side caching (client-tracking.ts).
//
// What touches the caller's session runs on its acceptor; what concerns other clients asks all acceptors and answers
// later.

import { argLong, argOneOf, argText } from './arguments.ts';
import { BAD_CLIENT_NAME, isClientText } from './client-auth.ts';
import { type ClientFilter, readClientType } from './client-filter.ts';
import { clientKillCommand } from './client-kill.ts';
import { trackingCommands } from './client-tracking.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { ReplyMode } from './session.ts';
import { type FamilyHandlers, Place } from './table.ts';

interface Listed {
  readonly id: number;
  readonly line: string;
}

function clientIdCommand(cx: CommandContext): void {
  cx.reply.integer(cx.session.id);
}

function clientGetNameCommand(cx: CommandContext): void {
  if (cx.session.name === '') cx.reply.nullBulk();
  else cx.reply.bulkString(cx.session.name);
}

function clientSetNameCommand(cx: CommandContext): void {
  if (!isClientText(cx, 2)) {
    cx.error(BAD_CLIENT_NAME);
    return;
  }
  cx.session.name = cx.argLatin1(2);
  cx.reply.ok();
}

/** CLIENT SETINFO LIB-NAME|LIB-VER value */
function clientSetInfoCommand(cx: CommandContext): void {
  const which = argOneOf(cx, 2, ['LIB-NAME', 'LIB-VER']);
  if (which < 0) cx.error(`ERR Unrecognized option '${argText(cx, 2)}'`);
  else if (!isClientText(cx, 3)) {
    cx.error(`ERR ${argText(cx, 2)} cannot contain spaces, newlines or special characters.`);
  } else {
    if (which === 0) cx.session.libName = cx.argLatin1(3);
    else cx.session.libVersion = cx.argLatin1(3);
    cx.reply.ok();
  }
}

function clientInfoCommand(cx: CommandContext): void {
  // The line is made before this command is counted as the client's last one.
  cx.session.lastCommand = cx.command;
  const asked = cx.server.askAcceptors('client-list', { ids: [cx.session.id] } satisfies ClientFilter);
  cx.defer(
    asked.then((lists) => {
      const [self] = (lists as Listed[][]).flat();
      return (reply) => reply.verbatim(`${self!.line}\n`);
    }),
  );
}

/** CLIENT LIST [TYPE type | ID id [id ...]] */
function clientListCommand(cx: CommandContext): void {
  const filter = readListFilter(cx);
  if (filter === null) return;
  cx.session.lastCommand = cx.command;
  const { ids } = filter;
  cx.defer(
    cx.server.askAcceptors('client-list', filter).then((lists) => {
      const clients = (lists as Listed[][]).flat().sort((a, b) => a.id - b.id);
      const shown = ids === undefined ? clients : inOrderOf(ids, clients);
      const text = shown.map((client) => `${client.line}\n`).join('');
      return (reply) => reply.verbatim(text);
    }),
  );
}

/** Clients as often and in the order that their ids were given, as Redis prints them. */
function inOrderOf(ids: readonly number[], clients: readonly Listed[]): Listed[] {
  const byId = new Map(clients.map((client) => [client.id, client]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

/** @returns null when an error was replied */
function readListFilter(cx: CommandContext): ClientFilter | null {
  if (cx.argc === 2) return {};
  if (cx.argc === 4 && cx.argIs(2, 'TYPE')) {
    const type = readClientType(argText(cx, 3));
    if (type !== null) return { type };
    cx.error(`ERR Unknown client type '${argText(cx, 3)}'`);
    return null;
  }
  if (cx.argc < 4 || !cx.argIs(2, 'ID')) {
    cx.syntaxError();
    return null;
  }
  const ids: number[] = [];
  for (let i = 3; i < cx.argc; i++) {
    const id = argLong(cx, i);
    if (id === null) {
      cx.error('ERR Invalid client ID');
      return null;
    }
    ids.push(id);
  }
  return { ids };
}

/** CLIENT REPLY ON|OFF|SKIP. OFF and SKIP have no reply. */
function clientReplyCommand(cx: CommandContext): void {
  const session = cx.session;
  switch (argOneOf(cx, 2, ['ON', 'OFF', 'SKIP'])) {
    case 0:
      session.replyMode = ReplyMode.On;
      cx.reply.ok();
      return;
    case 1:
      session.replyMode = ReplyMode.Off;
      return;
    case 2:
      if (session.replyMode !== ReplyMode.Off) session.replyMode = ReplyMode.SkipNext;
      return;
    default:
      cx.syntaxError();
  }
}

function clientNoEvictCommand(cx: CommandContext): void {
  const which = argOneOf(cx, 2, ['ON', 'OFF']);
  if (which < 0) {
    cx.syntaxError();
    return;
  }
  cx.session.noEvict = which === 0;
  cx.reply.ok();
}

function clientNoTouchCommand(cx: CommandContext): void {
  const which = argOneOf(cx, 2, ['ON', 'OFF']);
  if (which < 0) {
    cx.syntaxError();
    return;
  }
  cx.session.noTouch = which === 0;
  cx.reply.ok();
}

/** CLIENT PAUSE timeout [WRITE|ALL] */
function clientPauseCommand(cx: CommandContext): void {
  if (cx.argc > 4) {
    cx.error(subcommandSyntaxText('CLIENT', cx.argLatin1(1)));
    return;
  }
  const which = cx.argc === 4 ? argOneOf(cx, 3, ['WRITE', 'ALL']) : 1;
  const timeout = argLong(cx, 2);
  if (which < 0) cx.error('ERR CLIENT PAUSE mode must be WRITE or ALL');
  else if (timeout === null) cx.error('ERR timeout is not an integer or out of range');
  else if (timeout < 0) cx.error('ERR timeout is negative');
  else if (timeout > 2 ** 63 - 2048 - cx.now) cx.error('ERR timeout is out of range');
  else {
    const payload = { until: cx.now + timeout, all: which === 1 };
    cx.defer(cx.server.ask('client-pause', payload).then(() => (reply) => reply.ok()));
  }
}

function clientUnpauseCommand(cx: CommandContext): void {
  cx.defer(cx.server.ask('client-unpause').then(() => (reply) => reply.ok()));
}

/** CLIENT UNBLOCK id [TIMEOUT|ERROR] */
function clientUnblockCommand(cx: CommandContext): void {
  if (cx.argc > 4) {
    cx.error(subcommandSyntaxText('CLIENT', cx.argLatin1(1)));
    return;
  }
  const how = cx.argc === 4 ? argOneOf(cx, 3, ['TIMEOUT', 'ERROR']) : 0;
  if (how < 0) {
    cx.error('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
    return;
  }
  const id = argLong(cx, 2);
  if (id === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  cx.defer(
    cx.server
      .ask('client-unblock', { id, withError: how === 1 })
      .then((waited) => (reply) => reply.integer(waited === true ? 1 : 0)),
  );
}

const HELP = [
  'CACHING (YES|NO)',
  '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
  'GETREDIR',
  '    Return the client ID we are redirecting to when tracking is enabled.',
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are:',
  '    * ADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made from the specified address',
  '    * LADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made to specified local address',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Kill connections by type.',
  '    * USER <username>',
  '      Kill connections authenticated by <username>.',
  '    * SKIPME (YES|NO)',
  '      Skip killing current connection (default: yes).',
  '    * ID <client-id>',
  '      Kill connections by client id.',
  '    * MAXAGE <maxage>',
  '      Kill connections older than the specified age.',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  'UNPAUSE',
  '    Stop the current client pause, resuming traffic.',
  'PAUSE <timeout> [WRITE|ALL]',
  '    Suspend all, or just write, clients for <timeout> milliseconds.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'SETINFO <option> <value>',
  '    Set client meta attr. Options are:',
  '    * LIB-NAME: the client lib name.',
  '    * LIB-VER: the client lib version.',
  'UNBLOCK <clientid> [TIMEOUT|ERROR]',
  '    Unblock the specified blocked client.',
  'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
  '         [OPTIN] [OPTOUT] [NOLOOP]',
  '    Control server assisted client side caching.',
  'TRACKINGINFO',
  '    Report tracking status for the current connection.',
  'NO-EVICT (ON|OFF)',
  '    Protect current client connection from eviction.',
  'NO-TOUCH (ON|OFF)',
  '    Will not touch LRU/LFU stats when this mode is on.',
];

export const clientCommands: FamilyHandlers = {
  'CLIENT|ID': { run: clientIdCommand, place: Place.Connection },
  'CLIENT|GETNAME': { run: clientGetNameCommand, place: Place.Connection },
  'CLIENT|SETNAME': { run: clientSetNameCommand, place: Place.Connection },
  'CLIENT|SETINFO': { run: clientSetInfoCommand, place: Place.Connection },
  'CLIENT|INFO': { run: clientInfoCommand, place: Place.Connection },
  'CLIENT|LIST': { run: clientListCommand, place: Place.Connection },
  'CLIENT|KILL': { run: clientKillCommand, place: Place.Connection },
  'CLIENT|REPLY': { run: clientReplyCommand, place: Place.Connection },
  'CLIENT|NO-EVICT': { run: clientNoEvictCommand, place: Place.Connection },
  'CLIENT|NO-TOUCH': { run: clientNoTouchCommand, place: Place.Connection },
  'CLIENT|PAUSE': { run: clientPauseCommand, place: Place.Supervisor },
  'CLIENT|UNPAUSE': { run: clientUnpauseCommand, place: Place.Supervisor },
  'CLIENT|UNBLOCK': { run: clientUnblockCommand, place: Place.Connection },
  ...trackingCommands,
  'CLIENT|HELP': { run: (cx) => helpReply(cx, 'CLIENT', HELP), place: Place.InPlace },
};
