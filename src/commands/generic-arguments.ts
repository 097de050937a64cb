// Arguments that several generic commands take, read and refused as Redis does.

import { parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';

const INT_MIN = -(2 ** 31);
const INT_MAX = 2 ** 31 - 1;

/**
 * Reads an argument as C's int; on failure replies with the error.
 * @param text the error to give instead of Redis's general ones
 * @returns NaN after an error
 */
export function intArgument(cx: CommandContext, arg: number, text?: string): number {
  const value = cx.argInteger(arg);
  if (value >= INT_MIN && value <= INT_MAX) return value;
  cx.error(text ?? intError(cx, arg, value));
  return NaN;
}

function intError(cx: CommandContext, arg: number, value: number): string {
  const isInteger =
    !Number.isNaN(value) || parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!) !== null;
  return isInteger
    ? `ERR value is out of range, value must between ${INT_MIN} and ${INT_MAX}`
    : ErrorText.NotInteger;
}

/**
 * Reads the number of a database that exists; on failure replies with the error.
 * @returns NaN after an error
 */
export function databaseArgument(cx: CommandContext, arg: number): number {
  const db = intArgument(cx, arg);
  if (Number.isNaN(db) || (db >= 0 && db < cx.keyspace.memory.databaseCount)) return db;
  cx.error(ErrorText.DbIndex);
  return NaN;
}

/** In cluster mode there is one database. @returns true after the error @param text of the error, without its code */
export function refusedInCluster(cx: CommandContext, text: string): boolean {
  if (!cx.server.config.getBool('cluster-enabled')) return false;
  cx.error(`ERR ${text}`);
  return true;
}

/** An argument as text of an error message: a C string, so it ends at a NUL. */
export function shownArgument(cx: CommandContext, arg: number): string {
  const text = cx.argLatin1(arg);
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

/**
 * Writes the header of an array behind which its elements have been written already, by moving them.
 * @param mark length of the reply before the first element
 */
export function insertArrayHeader(cx: CommandContext, mark: number, count: number): void {
  const reply = cx.reply;
  const header = `*${count}\r\n`;
  reply.reserve(header.length);
  reply.bytes.copyWithin(mark + header.length, mark, reply.length);
  reply.bytes.write(header, mark, 'latin1');
  reply.length += header.length;
}
