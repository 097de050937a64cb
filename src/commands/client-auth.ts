// Who a client is: authentication, and the names clients give themselves.

import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

export const DEFAULT_USER = 'default';

/**
 * Authenticates the session, or replies with an error.
 * @param user name, latin1
 * @param arg argument that holds the password
 * @returns whether it succeeded
 */
export function authenticate(cx: CommandContext, user: string, arg: number): boolean {
  const password = cx.input.subarray(cx.argOff[arg]!, cx.argOff[arg]! + cx.argLen[arg]!);
  const identity = cx.server.acl.authenticate(user, password);
  if (identity === null) {
    cx.server.acl.noteAuthFailure(cx, user);
    cx.error(ErrorText.WrongPass);
    return false;
  }
  cx.session.authenticated = true;
  cx.session.identity = identity;
  return true;
}

/** Whether an argument may be a client's name or its library's: printable ASCII without spaces. */
export function isClientText(cx: CommandContext, arg: number): boolean {
  const end = cx.argOff[arg]! + cx.argLen[arg]!;
  for (let i = cx.argOff[arg]!; i < end; i++) {
    if (cx.input[i]! < 0x21 || cx.input[i]! > 0x7e) return false;
  }
  return true;
}

export const BAD_CLIENT_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';
