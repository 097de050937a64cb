// The messages between an acceptor and a shard worker, over rings.
//
//   acceptor -> worker: run this input for that client       worker -> acceptor: what came of it
//     0  connection (number of the acceptor's)                 0  connection
//     1  database                                              1  database
//     2  flags: protocol | ReplyMode << 4 | no-touch << 8      2  flags (subscribed << 9: only to a worker; EXEC has run << 10: only back) | Track << 16
//     3  client id, low word   4  high word                    3  bytes of input done
//     5  bytes of name         6  bytes of address             4  status (HandOverStatus)
//     7  kind (HandOverKind)                                   5  commands run   6  id of the last command   7  bytes of request
//     8  id of the user
//     name, address, input                                     replies, request (ControlRequest as JSON)
//     with an EXEC to run, between address and input: bytes of what follows, watched keys, queued commands
//
// Both are words of 32 bits, little endian. They never leave the process.

import type { ControlRequest } from '../commands/server-api.ts';
import { Session } from '../commands/session.ts';
import { TRACK_BITS, Track } from '../commands/tracking-api.ts';
import { takeTransaction } from '../commands/transaction.ts';
import { Watches } from '../commands/watches.ts';

export const HAND_OVER_HEADER = 36;

export const HandOverStatus = {
  /** All that was complete has run. */
  Done: 0,
  /** The connection closes after the replies. */
  Close: 1,
  /** The next command belongs on the acceptor, or is for it to judge. */
  Return: 2,
  /** CLIENT PAUSE holds the next command back. */
  Paused: 3,
  /** The next command is for the worker that keeps waiting clients. */
  ToKeeper: 4,
  /** The last command waits: its reply comes in another message, with Served. */
  Blocked: 5,
  /** The reply of a command that has waited. */
  Served: 6,
  /** The supervisor is to answer the last command: the request is behind the replies. */
  Ask: 7,
  /** The last command was an EXEC that the acceptor has to complete: what it needs to know is behind the replies, as a request. */
  Gaps: 8,
} as const;

/** What a message to a worker is. */
export const HandOverKind = {
  /** Input to run. */
  Run: 0,
  /** The connection is closed: if it waits, its wait is over. Header only. */
  Leave: 1,
  /** As Run; the first command is EXEC, the transaction is in the message. */
  Exec: 2,
} as const;

const NO_TOUCH = 1 << 8;
const SUBSCRIBED = 1 << 9;
const EXECUTED = 1 << 10;
const REPLY_WAS_DUE = 1 << 11;
const TRACKING_SHIFT = 16;
const TRACKING_MASK = 2 ** TRACK_BITS - 1;
/** The length of a transaction. */
const LENGTH_BYTES = 4;

export function sessionFlags(session: Session): number {
  return (
    session.resp |
    (session.replyMode << 4) |
    (session.noTouch ? NO_TOUCH : 0) |
    (session.subscribed ? SUBSCRIBED : 0) |
    (session.executed ? EXECUTED : 0) |
    (session.tracking << TRACKING_SHIFT)
  );
}

export function applySessionFlags(session: Session, flags: number): void {
  session.resp = flags & 15;
  session.replyMode = (flags >> 4) & 15;
  session.noTouch = (flags & NO_TOUCH) !== 0;
  const { Caching } = Track;
  session.tracking = (session.tracking & ~Caching) | ((flags >> TRACKING_SHIFT) & Caching);
}

/** Flags of the reply to a client that has waited. @param replyWasDue see wasReplyDue() */
export function servedFlags(session: Session, replyWasDue: boolean): number {
  return sessionFlags(session) | (replyWasDue ? REPLY_WAS_DUE : 0);
}

/** Whether the acceptor was, or is yet to be, told of this reply by TrackingTarget.replyIsDue. */
export function wasReplyDue(flags: number): boolean {
  return (flags & REPLY_WAS_DUE) !== 0;
}

/** Whether flags from a worker say that an EXEC has run. */
export function hasExecuted(flags: number): boolean {
  return (flags & EXECUTED) !== 0;
}

/** @param input the rest of the client's input: [start, end) */
export function encodeHandOver(
  connection: number,
  session: Session,
  input: Buffer,
  start: number,
  end: number,
): Buffer {
  const name = Buffer.from(session.name, 'latin1');
  const address = Buffer.from(session.address, 'latin1');
  const { transaction, watches } = session;
  const queued =
    transaction === null
      ? 0
      : LENGTH_BYTES + (watches ?? NO_WATCHES).encodedLength + transaction.encodedLength;
  const inputAt = HAND_OVER_HEADER + name.length + address.length + queued;
  const message = Buffer.allocUnsafe(inputAt + end - start);
  message.writeInt32LE(connection, 0);
  message.writeInt32LE(session.db, 4);
  message.writeInt32LE(sessionFlags(session), 8);
  message.writeInt32LE(session.id | 0, 12);
  message.writeInt32LE(Math.floor(session.id / 4294967296), 16);
  message.writeInt32LE(name.length, 20);
  message.writeInt32LE(address.length, 24);
  message.writeInt32LE(transaction === null ? HandOverKind.Run : HandOverKind.Exec, 28);
  message.writeInt32LE(session.identity.id, 32);
  name.copy(message, HAND_OVER_HEADER);
  address.copy(message, HAND_OVER_HEADER + name.length);
  if (transaction !== null) {
    const at = message.writeInt32LE(queued - LENGTH_BYTES, inputAt - queued);
    transaction.encode(message, (watches ?? NO_WATCHES).encode(message, at));
  }
  input.copy(message, inputAt, start, end);
  return message;
}

const NO_WATCHES = new Watches();

/** @param connection its number; HandOverKind.Leave */
export function encodeLeave(connection: number): Buffer {
  const message = Buffer.alloc(HAND_OVER_HEADER);
  message.writeInt32LE(connection, 0);
  message.writeInt32LE(HandOverKind.Leave, 28);
  return message;
}

/** @returns the HandOverKind of a message to a worker */
export function handOverKind(message: Buffer): number {
  return message.readInt32LE(28);
}

export interface HandOver {
  readonly connection: number;
  /** Id of the session's user, which decodeHandOver leaves to the caller to put in place. */
  readonly user: number;
  readonly session: Session;
  /** Where the input begins in the message. */
  readonly inputAt: number;
}

/** @param home number of the acceptor that it is from */
export function decodeHandOver(message: Buffer, home: number, now: number): HandOver {
  const nameLen = message.readInt32LE(20);
  const addressLen = message.readInt32LE(24);
  const nameAt = HAND_OVER_HEADER;
  const addressAt = nameAt + nameLen;
  const id = message.readInt32LE(16) * 4294967296 + message.readUInt32LE(12);
  const session = new Session(
    id,
    message.toString('latin1', addressAt, addressAt + addressLen),
    '',
    false,
    now,
  );
  session.home = home;
  session.name = message.toString('latin1', nameAt, addressAt);
  session.db = message.readInt32LE(4);
  applySessionFlags(session, message.readInt32LE(8));
  session.subscribed = (message.readInt32LE(8) & SUBSCRIBED) !== 0;
  session.tracking = (message.readInt32LE(8) >> TRACKING_SHIFT) & TRACKING_MASK;
  return {
    connection: message.readInt32LE(0),
    user: message.readInt32LE(32),
    session,
    inputAt: decodeTransaction(message, addressAt + addressLen, session),
  };
}

/** @returns where the input begins */
function decodeTransaction(message: Buffer, at: number, session: Session): number {
  if (handOverKind(message) !== HandOverKind.Exec) return at;
  session.transaction = takeTransaction();
  session.watches = new Watches();
  const end = at + LENGTH_BYTES + message.readInt32LE(at);
  session.transaction.decode(message, session.watches.decode(message, at + LENGTH_BYTES));
  return end;
}

export interface HandBack {
  readonly connection: number;
  readonly db: number;
  readonly flags: number;
  /** Bytes of input that are done with. */
  readonly consumed: number;
  readonly status: number;
  readonly commands: number;
  readonly lastCommand: number;
}

/**
 * @param reply bytes [0, replyLen) of replies
 * @param request with HandOverStatus.Ask
 */
export function encodeHandBack(
  back: HandBack,
  reply: Buffer,
  replyLen: number,
  request: ControlRequest | null = null,
): Buffer {
  const asked = request === null ? '' : JSON.stringify(request);
  const askedLen = Buffer.byteLength(asked);
  const message = Buffer.allocUnsafeSlow(HAND_OVER_HEADER + replyLen + askedLen);
  message.writeInt32LE(0, 32);
  const words = [
    back.connection,
    back.db,
    back.flags,
    back.consumed,
    back.status,
    back.commands,
    back.lastCommand,
    askedLen,
  ];
  for (let i = 0; i < words.length; i++) message.writeInt32LE(words[i]!, i * 4);
  reply.copy(message, HAND_OVER_HEADER, 0, replyLen);
  if (askedLen > 0) message.write(asked, HAND_OVER_HEADER + replyLen);
  return message;
}

/** Where the replies of a message end. */
export function repliesEnd(message: Buffer): number {
  return message.length - message.readInt32LE(28);
}

/** The request of a message with HandOverStatus.Ask. */
export function requestOf(message: Buffer): ControlRequest {
  return JSON.parse(message.toString('utf8', repliesEnd(message))) as ControlRequest;
}

export function decodeHandBack(message: Buffer): HandBack {
  return {
    connection: message.readInt32LE(0),
    db: message.readInt32LE(4),
    flags: message.readInt32LE(8),
    consumed: message.readInt32LE(12),
    status: message.readInt32LE(16),
    commands: message.readInt32LE(20),
    lastCommand: message.readInt32LE(24),
  };
}
