// Arguments of the server's own commands, which are not on a hot path: numbers of 64 bits and texts for error replies.

import { isCanonicalInt64, parseInteger64 } from '../protocol/numbers.ts';
import type { CommandContext } from './context.ts';

/** Argument as C sees a string: latin1, up to the first NUL. */
export function argText(cx: CommandContext, arg: number): string {
  const text = cx.argLatin1(arg);
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

/**
 * Argument as an integer of 64 bits.
 * @returns null if it is none; a number is rounded beyond 2^53
 */
export function argLong(cx: CommandContext, arg: number): number | null {
  if (!isCanonicalInt64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!)) return null;
  return Number(parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!));
}

/** Which of `words` (upper case) an argument is, in any case; -1 for none of them. */
export function argOneOf(cx: CommandContext, arg: number, words: readonly string[]): number {
  return words.findIndex((word) => cx.argIs(arg, word));
}
