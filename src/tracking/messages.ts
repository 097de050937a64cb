// Messages about client-side caching in the post to acceptors (pubsub/post.ts), whose order they share with what is published.
// Little endian, from MESSAGE_AT on; ids of clients are 64-bit floating point numbers.
//
//   Changed    kind | 1: read by clients here, 2: has a prefix of theirs | who did it | whose commands ran | key
//   Remember   kind | 1: of a command that had waited | client | for each key: 1 if it is in the directory | length (32 bits) | key
//   Flushed    kind
//   Push       kind | to | on behalf of | acceptor of that one (32 bits) | its protocol | as Changed's keys: length (32 bits) | key;
//              without keys: everything
//   Broken     kind | client

import { MESSAGE_AT, messageBuffer } from '../pubsub/post.ts';

/** The first byte; ChannelKind has those below. */
export const MailKind = { Changed: 16, Remember: 17, Flushed: 18, Push: 19, Broken: 20 } as const;

/** Whom a changed key concerns on an acceptor. */
export const Concerns = { Readers: 1, Prefixes: 2 } as const;

const KEY_AT = MESSAGE_AT + 18;
const REMEMBERED_AT = MESSAGE_AT + 10;
const PUSHED_AT = MESSAGE_AT + 22;

export function encodeChanged(
  concerns: number,
  writer: number,
  current: number,
  key: Buffer,
  off: number,
  len: number,
): Buffer {
  const message = messageBuffer(18 + len);
  message[MESSAGE_AT] = MailKind.Changed;
  message[MESSAGE_AT + 1] = concerns;
  message.writeDoubleLE(writer, MESSAGE_AT + 2);
  message.writeDoubleLE(current, MESSAGE_AT + 10);
  key.copy(message, KEY_AT, off, off + len);
  return message;
}

export const changed = {
  concerns: (message: Buffer): number => message[MESSAGE_AT + 1]!,
  writer: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 2),
  current: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 10),
  /** latin1 */
  key: (message: Buffer): string => message.toString('latin1', KEY_AT),
};

/** @param added by key: whether it is in the directory */
export function encodeRemember(
  client: number,
  waited: boolean,
  keys: readonly Buffer[],
  added: readonly boolean[],
): Buffer {
  const message = messageBuffer(10 + keys.reduce((sum, key) => sum + 5 + key.length, 0));
  message[MESSAGE_AT] = MailKind.Remember;
  message[MESSAGE_AT + 1] = waited ? 1 : 0;
  message.writeDoubleLE(client, MESSAGE_AT + 2);
  let at = REMEMBERED_AT;
  for (let i = 0; i < keys.length; i++) {
    message[at] = added[i] ? 1 : 0;
    message.writeInt32LE(keys[i]!.length, at + 1);
    at += 5 + keys[i]!.copy(message, at + 5);
  }
  return message;
}

export const remembered = {
  waited: (message: Buffer): boolean => message[MESSAGE_AT + 1] === 1,
  client: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 2),
  /** @param visit gets each key in latin1, and whether it is in the directory */
  each(message: Buffer, visit: (key: string, added: boolean) => void): void {
    for (let at = REMEMBERED_AT; at < message.length; ) {
      const end = at + 5 + message.readInt32LE(at + 1);
      visit(message.toString('latin1', at + 5, end), message[at] === 1);
      at = end;
    }
  },
};

export function encodeFlushed(): Buffer {
  const message = messageBuffer(1);
  message[MESSAGE_AT] = MailKind.Flushed;
  return message;
}

/** @param keys null: everything */
export function encodePush(
  to: number,
  from: number,
  home: number,
  resp: number,
  keys: readonly Buffer[] | null,
): Buffer {
  const all = keys ?? [];
  const message = messageBuffer(22 + all.reduce((sum, key) => sum + 4 + key.length, 0));
  message[MESSAGE_AT] = MailKind.Push;
  message.writeDoubleLE(to, MESSAGE_AT + 1);
  message.writeDoubleLE(from, MESSAGE_AT + 9);
  message.writeInt32LE(home, MESSAGE_AT + 17);
  message[MESSAGE_AT + 21] = resp;
  let at = PUSHED_AT;
  for (const key of all) {
    at = message.writeInt32LE(key.length, at);
    at += key.copy(message, at);
  }
  return message;
}

export const pushed = {
  to: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 1),
  from: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 9),
  home: (message: Buffer): number => message.readInt32LE(MESSAGE_AT + 17),
  resp: (message: Buffer): number => message[MESSAGE_AT + 21]!,
  /** Null: everything. */
  keys(message: Buffer): Buffer[] | null {
    if (message.length === PUSHED_AT) return null;
    const keys: Buffer[] = [];
    for (let at = PUSHED_AT; at < message.length; ) {
      const end = at + 4 + message.readInt32LE(at);
      keys.push(message.subarray(at + 4, end));
      at = end;
    }
    return keys;
  },
};

export function encodeBroken(client: number): Buffer {
  const message = messageBuffer(9);
  message[MESSAGE_AT] = MailKind.Broken;
  message.writeDoubleLE(client, MESSAGE_AT + 1);
  return message;
}

export const broken = { client: (message: Buffer): number => message.readDoubleLE(MESSAGE_AT + 1) };
