// Who a client is: passwords, and the names clients give themselves.
//
// There is one user, `default`, whose password is `requirepass`; without one any password is right, as in Redis.
// Users with rules of their own are not known here.
//
// node:crypto is loaded at the first password: it costs a thread 1.1 MB.

import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

export const DEFAULT_USER = 'default';

/** Whether new clients must authenticate. */
export function passwordNeeded(cx: CommandContext): boolean {
  return cx.server.config.getString('requirepass') !== '';
}

/** @param user a name, latin1 */
export function userExists(user: string): boolean {
  return user === DEFAULT_USER;
}

/**
 * Authenticates the session, or replies with an error.
 * @param user name, latin1
 * @param arg argument that holds the password
 * @returns whether it succeeded
 */
export function authenticate(cx: CommandContext, user: string, arg: number): boolean {
  const password = cx.input.subarray(cx.argOff[arg]!, cx.argOff[arg]! + cx.argLen[arg]!);
  if (!userExists(user) || !passwordMatches(cx, password)) {
    cx.error(ErrorText.WrongPass);
    return false;
  }
  cx.session.authenticated = true;
  cx.session.user = user;
  return true;
}

/** Compares digests, so that the time it takes tells nothing about the password, not even its length. */
function passwordMatches(cx: CommandContext, password: Buffer): boolean {
  if (!passwordNeeded(cx)) return true;
  const { timingSafeEqual } = process.getBuiltinModule('node:crypto');
  return timingSafeEqual(digest(password), digest(cx.server.config.getBytes('requirepass')));
}

function digest(bytes: Buffer): Buffer {
  return process.getBuiltinModule('node:crypto').createHash('sha256').update(bytes).digest();
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
