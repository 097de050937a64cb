/*
 * COMMAND and its subcommands: what the server tells clients about its commands, all from the table.
 *
 * Listed are the commands that can be called: those with handlers, less what `rename-command` disabled. A renamed
 * command is found by its new name but printed with its own, as Redis does.
 */
import { globMatch } from '../protocol/glob.ts';
import { writeCommandDocs } from './command-docs.ts';
import { writeCommandInfo, writeStatusSet } from './command-info.ts';
import type { CommandContext } from './context.ts';
import { helpReply } from './help.ts';
import { commandHasKeys, keysWithFlags } from './key-positions.ts';
import { KEY_FLAG_NAMES } from './key-specs.ts';
import { aclCategoryBit, type Command, CommandFlag, type FamilyHandlers, Place } from './table.ts';

/** COMMAND: a row for each command, in no particular order. */
function commandCommand(cx: CommandContext): void {
  const table = cx.server.table;
  cx.reply.arrayHeader(table.callableCount);
  for (const command of table.callableCommands()) writeCommandInfo(cx.reply, command);
}

function commandCountCommand(cx: CommandContext): void {
  cx.reply.integer(cx.server.table.callableCount);
}

/** COMMAND INFO [name ...]: a row for each name, null for an unknown one. */
function commandInfoCommand(cx: CommandContext): void {
  if (cx.argc === 2) {
    commandCommand(cx);
    return;
  }
  cx.reply.arrayHeader(cx.argc - 2);
  for (let i = 2; i < cx.argc; i++) {
    const command = cx.server.table.find(cx.argLatin1(i));
    if (command === null) cx.reply.nullBulk();
    else writeCommandInfo(cx.reply, command);
  }
}

/** COMMAND DOCS [name ...]: a map from names to documentation, without the unknown ones. */
function commandDocsCommand(cx: CommandContext): void {
  const found: Command[] = [];
  if (cx.argc === 2) found.push(...cx.server.table.callableCommands());
  for (let i = 2; i < cx.argc; i++) {
    const command = cx.server.table.find(cx.argLatin1(i));
    if (command !== null) found.push(command);
  }
  cx.reply.mapHeader(found.length);
  for (const command of found) writeCommandDocs(cx.reply, command);
}

/** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]: names, of subcommands too. */
function commandListCommand(cx: CommandContext): void {
  let keep: ((command: Command) => boolean) | null = () => true;
  if (cx.argc > 2) {
    if (cx.argc !== 5 || !cx.argIs(2, 'FILTERBY')) {
      cx.syntaxError();
      return;
    }
    keep = listFilter(cx);
    if (keep === null) {
      cx.syntaxError();
      return;
    }
  }
  const names: string[] = [];
  for (const command of cx.server.table.callableCommands()) {
    if (keep(command)) names.push(command.name);
    for (const sub of command.subcommands?.values() ?? []) if (keep(sub)) names.push(sub.name);
  }
  cx.reply.arrayHeader(names.length);
  for (const name of names) cx.reply.bulkString(name);
}

/** @returns what the words behind FILTERBY ask for, null for an unknown kind of filter */
function listFilter(cx: CommandContext): ((command: Command) => boolean) | null {
  if (cx.argIs(3, 'MODULE')) return () => false; // there are no modules
  if (cx.argIs(3, 'ACLCAT')) {
    const bit = aclCategoryBit(cx.argLatin1(4));
    return (command) => (command.categories & bit) !== 0;
  }
  if (cx.argIs(3, 'PATTERN')) {
    const { input, argOff, argLen } = cx;
    const off = argOff[4]!;
    const len = argLen[4]!;
    return (command) => {
      const name = Buffer.from(command.name, 'latin1');
      return globMatch(input, off, len, name, 0, name.length, true);
    };
  }
  return null;
}

function commandGetkeysCommand(cx: CommandContext): void {
  replyKeys(cx, false);
}

function commandGetkeysandflagsCommand(cx: CommandContext): void {
  replyKeys(cx, true);
}

/** COMMAND GETKEYS|GETKEYSANDFLAGS command [arg ...] */
function replyKeys(cx: CommandContext, withFlags: boolean): void {
  const argc = cx.argc - 2;
  const argOff = cx.argOff.subarray(2, cx.argc);
  const argLen = cx.argLen.subarray(2, cx.argc);
  const input = cx.input;
  const command = commandOfArguments(cx);
  if (command === null) {
    cx.error('ERR Invalid command specified');
    return;
  }
  if (!commandHasKeys(command)) {
    cx.error('ERR The command has no key arguments');
    return;
  }
  if (command.arity > 0 ? command.arity !== argc : argc < -command.arity) {
    cx.error('ERR Invalid number of arguments specified for command');
    return;
  }
  // Twice the arguments: an argument may be the key of two specifications.
  const positions = new Int32Array(argc * 2);
  const flags = new Int32Array(argc * 2);
  const count = keysWithFlags(command, argc, argOff, argLen, input, positions, flags);
  if (count > positions.length) throw new Error(`more keys than arguments in ${command.name}`);
  if (count === 0 && (command.flags & CommandFlag.NoMandatoryKeys) === 0) {
    cx.error('ERR Invalid arguments specified for command');
    return;
  }
  const reply = cx.reply;
  reply.arrayHeader(count);
  for (let i = 0; i < count; i++) {
    if (withFlags) reply.arrayHeader(2);
    const at = positions[i]!;
    reply.bulkBytes(input, argOff[at]!, argLen[at]!);
    if (withFlags) writeStatusSet(reply, keyFlagNames(flags[i]!));
  }
}

/** The command that the third and following words of this request would run. */
function commandOfArguments(cx: CommandContext): Command | null {
  const table = cx.server.table;
  const command = table.lookup(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (command === null || command.subcommands === null || cx.argc === 3) return command;
  return table.lookupSub(command, cx.input, cx.argOff[3]!, cx.argLen[3]!);
}

function keyFlagNames(flags: number): string[] {
  return KEY_FLAG_NAMES.filter((_name, bit) => (flags & (1 << bit)) !== 0);
}

/** Bytes of the rows and of the documentation of one command, about. */
const INFO_BYTES_EACH = 370;
const DOCS_BYTES_EACH = 730;

function estimateInfo(cx: CommandContext): number {
  return (cx.argc > 2 ? cx.argc - 2 : cx.server.table.callableCount) * INFO_BYTES_EACH;
}

function estimateDocs(cx: CommandContext): number {
  return (cx.argc > 2 ? cx.argc - 2 : cx.server.table.callableCount) * DOCS_BYTES_EACH;
}

const COMMAND_HELP = [
  '(no subcommand)',
  '    Return details about all Redis commands.',
  'COUNT',
  '    Return the total number of commands in this Redis server.',
  'LIST',
  '    Return a list of all commands in this Redis server.',
  'INFO [<command-name> ...]',
  '    Return details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'GETKEYS <full-command>',
  '    Return the keys from a full Redis command.',
  'GETKEYSANDFLAGS <full-command>',
  '    Return the keys and the access flags from a full Redis command.',
];

function commandHelpCommand(cx: CommandContext): void {
  helpReply(cx, 'COMMAND', COMMAND_HELP);
}

export const commandCommands: FamilyHandlers = {
  COMMAND: { run: commandCommand, place: Place.Estimated, estimate: estimateInfo },
  'COMMAND|COUNT': { run: commandCountCommand, place: Place.InPlace },
  'COMMAND|DOCS': { run: commandDocsCommand, place: Place.Estimated, estimate: estimateDocs },
  'COMMAND|GETKEYS': { run: commandGetkeysCommand, place: Place.InPlace },
  'COMMAND|GETKEYSANDFLAGS': { run: commandGetkeysandflagsCommand, place: Place.InPlace },
  'COMMAND|HELP': { run: commandHelpCommand, place: Place.InPlace },
  'COMMAND|INFO': { run: commandInfoCommand, place: Place.Estimated, estimate: estimateInfo },
  'COMMAND|LIST': { run: commandListCommand, place: Place.InPlace },
};
