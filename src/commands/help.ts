/*
 * Texts about commands that don't exist, and the replies of the HELP subcommands, in Redis's forms.
 *
 * Bytes of the client's arguments go into these texts as latin1, so that they come back as they were sent; as C
 * strings in Redis, they end at a NUL. CR and LF become spaces in `ReplyWriter.error`.
 */
import type { CommandContext } from './context.ts';
import type { Command } from './table.ts';

/** Bytes of a command's name, and of all arguments together, that an error text shows. */
const SHOWN_BYTES_MAX = 128;

/**
 * Replies to `CONTAINER HELP`: a line about the form, the given lines, and two about HELP itself.
 * @param name of the container, any case
 * @param lines a subcommand with its arguments, then its description, each line of it indented by four spaces
 */
export function helpReply(cx: CommandContext, name: string, lines: readonly string[]): void {
  const reply = cx.reply;
  reply.arrayHeader(lines.length + 3);
  reply.simpleString(`${name.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`);
  for (const line of lines) reply.simpleString(line);
  reply.simpleString('HELP');
  reply.simpleString('    Prints this help.');
}

/**
 * The error for a subcommand that the table doesn't have.
 * @param typed the container's name as the client wrote it (it may have been renamed)
 * @param subcommand as the client wrote it
 */
export function unknownSubcommandText(typed: string, subcommand: string): string {
  return `ERR unknown subcommand '${cut(subcommand)}'. Try ${cString(typed).toUpperCase()} HELP.`;
}

/**
 * The error of a handler that parses subcommands by itself (DEBUG) or finds a wrong number of arguments there.
 * @param name of the command
 * @param subcommand as the client wrote it
 */
export function subcommandSyntaxText(name: string, subcommand: string): string {
  const shown = cut(subcommand);
  return `ERR unknown subcommand or wrong number of arguments for '${shown}'. Try ${name.toUpperCase()} HELP.`;
}

/**
 * The error for a request that no command answers.
 * @param args the words of the request, the command's name first, in latin1; no more than are shown are read
 */
export function unknownCommandText(args: Iterable<string>): string {
  let name: string | null = null;
  let shown = '';
  for (const arg of args) {
    if (name === null) {
      name = cut(arg);
      continue;
    }
    if (shown.length >= SHOWN_BYTES_MAX) break;
    shown += `'${cString(arg).slice(0, SHOWN_BYTES_MAX - shown.length)}' `;
  }
  return `ERR unknown command '${name ?? ''}', with args beginning with: ${shown}`;
}

/**
 * Writes the error for a request whose command, or whose subcommand, doesn't exist.
 * @param found what the table has for the first word: null, or a container
 */
export function replyUnknown(cx: CommandContext, found: Command | null): void {
  if (found !== null && cx.argc > 1) cx.error(unknownSubcommandText(cx.argLatin1(0), cx.argLatin1(1)));
  else cx.error(unknownCommandText(words(cx)));
}

function* words(cx: CommandContext): Generator<string> {
  for (let i = 0; i < cx.argc; i++) yield cx.argLatin1(i);
}

function cString(text: string): string {
  const nul = text.indexOf('\0');
  return nul < 0 ? text : text.slice(0, nul);
}

function cut(text: string): string {
  return cString(text).slice(0, SHOWN_BYTES_MAX);
}
