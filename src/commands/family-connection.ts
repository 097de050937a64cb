// PING ECHO SELECT HELLO AUTH RESET QUIT. CLIENT is family-client.ts.

import { argLong, argText } from './arguments.ts';
import { authenticate, BAD_CLIENT_NAME, DEFAULT_USER, isClientText } from './client-auth.ts';
import { resetSession } from './client-session.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { type FamilyHandlers, Place } from './table.ts';

const INT_MAX = 2 ** 31 - 1;
const NOT_INT = 'ERR value is out of range, value must between -2147483648 and 2147483647';

/** PING [message] */
function pingCommand(cx: CommandContext): void {
  if (cx.argc > 2) cx.error(wrongArity('ping'));
  else if (cx.session.subscribed && cx.session.resp === 2) pongMessage(cx);
  else if (cx.argc === 2) cx.reply.bulkBytes(cx.input, cx.argOff[1]!, cx.argLen[1]!);
  else cx.reply.simpleString('PONG');
}

/** To a subscriber with RESP2, which can read messages only. */
function pongMessage(cx: CommandContext): void {
  cx.reply.arrayHeader(2);
  cx.reply.bulkString('pong');
  if (cx.argc === 2) cx.reply.bulkBytes(cx.input, cx.argOff[1]!, cx.argLen[1]!);
  else cx.reply.emptyBulk();
}

/** ECHO message */
function echoCommand(cx: CommandContext): void {
  cx.reply.bulkBytes(cx.input, cx.argOff[1]!, cx.argLen[1]!);
}

/** Work of a command that sends its second word back. */
function estimateMessage(cx: CommandContext): number {
  return cx.argc > 1 ? cx.argLen[1]! : 0;
}

/** SELECT index */
function selectCommand(cx: CommandContext): void {
  const db = cx.argInteger(1);
  if (!(Math.abs(db) <= INT_MAX)) cx.error(argLong(cx, 1) === null ? ErrorText.NotInteger : NOT_INT);
  else if (db !== 0 && cx.server.config.getBool('cluster-enabled')) {
    cx.error('ERR SELECT is not allowed in cluster mode');
  } else if (db < 0 || db >= cx.keyspace.memory.databaseCount) cx.error(ErrorText.DbIndex);
  else {
    cx.session.db = db;
    cx.db = db;
    cx.reply.ok();
  }
}

interface HelloRequest {
  /** 2 or 3; 0: stays as it is. */
  readonly version: number;
  /** Arguments that hold them, 0 for none. */
  readonly user: number;
  readonly name: number;
}

/** HELLO [protover [AUTH username password] [SETNAME clientname]] */
function helloCommand(cx: CommandContext): void {
  const request = readHello(cx);
  if (request === null) return;
  const session = cx.session;
  if (request.user > 0 && !authenticate(cx, cx.argLatin1(request.user), request.user + 1)) return;
  if (!session.authenticated) {
    cx.error(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
    return;
  }
  if (request.name > 0) session.name = cx.argLatin1(request.name);
  if (request.version > 0) {
    session.resp = request.version;
    cx.reply.resp = request.version;
  }
  writeHello(cx);
}

/** @returns null when an error was replied */
function readHello(cx: CommandContext): HelloRequest | null {
  let version = 0;
  let user = 0;
  let name = 0;
  if (cx.argc > 1) {
    const asked = argLong(cx, 1);
    if (asked === null) return refuse(cx, 'ERR Protocol version is not an integer or out of range');
    if (asked !== 2 && asked !== 3) return refuse(cx, ErrorText.NoProto);
    version = asked;
  }
  for (let i = 2; i < cx.argc; ) {
    if (cx.argIs(i, 'AUTH') && i + 2 < cx.argc) {
      user = i + 1;
      i += 3;
    } else if (cx.argIs(i, 'SETNAME') && i + 1 < cx.argc) {
      name = i + 1;
      if (!isClientText(cx, name)) return refuse(cx, BAD_CLIENT_NAME);
      i += 2;
    } else return refuse(cx, `ERR Syntax error in HELLO option '${argText(cx, i)}'`);
  }
  return { version, user, name };
}

function refuse(cx: CommandContext, text: string): null {
  cx.error(text);
  return null;
}

/** `server` is what clients know servers of this protocol by; INFO's server_name says what this one is. */
function writeHello(cx: CommandContext): void {
  const { reply, session, server } = cx;
  reply.mapHeader(7);
  reply.bulkString('server');
  reply.bulkString('redis');
  reply.bulkString('version');
  reply.bulkString(server.facts.redisVersion);
  reply.bulkString('proto');
  reply.integer(session.resp);
  reply.bulkString('id');
  reply.integer(session.id);
  reply.bulkString('mode');
  reply.bulkString(server.config.getBool('cluster-enabled') ? 'cluster' : 'standalone');
  reply.bulkString('role');
  reply.bulkString('master');
  reply.bulkString('modules');
  reply.emptyArray();
}

/** AUTH [username] password */
function authCommand(cx: CommandContext): void {
  if (cx.argc > 3) cx.syntaxError();
  else if (cx.argc === 3) {
    if (authenticate(cx, cx.argLatin1(1), 2)) cx.reply.ok();
  } else if (cx.server.acl.defaultNeedsNoPassword) {
    cx.error(
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    );
  } else if (authenticate(cx, DEFAULT_USER, 1)) cx.reply.ok();
}

function resetCommand(cx: CommandContext): void {
  resetSession(cx);
  cx.reply.simpleString('RESET');
}

function quitCommand(cx: CommandContext): void {
  cx.reply.ok();
  cx.closeAfterReply = true;
}

export const connectionCommands: FamilyHandlers = {
  PING: { run: pingCommand, place: Place.Estimated, estimate: estimateMessage },
  ECHO: { run: echoCommand, place: Place.Estimated, estimate: estimateMessage },
  SELECT: { run: selectCommand, place: Place.InPlace },
  HELLO: { run: helloCommand, place: Place.Connection },
  AUTH: { run: authCommand, place: Place.Connection },
  RESET: { run: resetCommand, place: Place.Connection },
  QUIT: { run: quitCommand, place: Place.Connection },
};
