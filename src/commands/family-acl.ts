// ACL CAT DELUSER DRYRUN GENPASS GETUSER HELP LIST LOAD LOG SAVE SETUSER USERS WHOAMI.
//
// What reads the users reads those of the thread; what changes them, the aclfile and the log are asked of the supervisor
// (server/access-control.ts), which tells all threads before it answers. All texts are one character per byte.

import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { argLong, argText } from './arguments.ts';
import { askReports } from './ask-reports.ts';
import { DEFAULT_USER } from './client-auth.ts';
import type { CommandContext } from './context.ts';
import { ErrorText, wrongArity } from './errors.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import type { AclLogEntry, SelectorDescription } from './identity.ts';
import { ACL_CATEGORIES, aclCategoryBit, type Command, type FamilyHandlers, Place } from './table.ts';

const LOG_COUNT_DEFAULT = 10;
const PASS_BITS_DEFAULT = 256;
const PASS_BITS_MAX = 4096;
const CATEGORY_SHOWN_MAX = 128;
const NO_FILE =
  'ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.';
const BAD_PASS_BITS = `ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to ${PASS_BITS_MAX}`;

/** A text of one character per byte. */
function bulk(reply: ReplyWriter, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  reply.bulkBytes(bytes, 0, bytes.length);
}

function bulkArray(reply: ReplyWriter, texts: readonly string[]): void {
  reply.arrayHeader(texts.length);
  for (const text of texts) bulk(reply, text);
}

/** Refuses more words than a subcommand with an option takes. */
function hasTooMany(cx: CommandContext, most: number): boolean {
  if (cx.argc <= most) return false;
  cx.error(subcommandSyntaxText('ACL', cx.argLatin1(1)));
  return true;
}

/** ACL CAT [category] */
function catCommand(cx: CommandContext): void {
  if (hasTooMany(cx, 3)) return;
  if (cx.argc === 2) {
    bulkArray(cx.reply, ACL_CATEGORIES);
    return;
  }
  const name = argText(cx, 2);
  const bit = aclCategoryBit(name);
  if (bit === 0) {
    cx.error(`ERR Unknown category '${name.slice(0, CATEGORY_SHOWN_MAX)}'`);
    return;
  }
  const inside = cx.server.table.all.filter((command) => command.built && (command.categories & bit) !== 0);
  bulkArray(
    cx.reply,
    inside.map((command) => command.name),
  );
}

/** ACL WHOAMI */
function whoAmICommand(cx: CommandContext): void {
  bulk(cx.reply, cx.session.identity.name);
}

/** ACL USERS */
function usersCommand(cx: CommandContext): void {
  bulkArray(cx.reply, cx.server.acl.names());
}

/** ACL LIST */
function listCommand(cx: CommandContext): void {
  bulkArray(cx.reply, cx.server.acl.lines());
}

/** ACL GETUSER username */
function getUserCommand(cx: CommandContext): void {
  const { reply } = cx;
  const user = cx.server.acl.describe(cx.argLatin1(2));
  if (user === null) {
    reply.nullBulk();
    return;
  }
  const [own, ...others] = user.selectors;
  reply.mapHeader(6);
  bulk(reply, 'flags');
  reply.setHeader(user.flags.length);
  for (const flag of user.flags) bulk(reply, flag);
  bulk(reply, 'passwords');
  bulkArray(reply, user.passwords);
  writeSelector(reply, own!);
  bulk(reply, 'selectors');
  reply.arrayHeader(others.length);
  for (const selector of others) {
    reply.mapHeader(3);
    writeSelector(reply, selector);
  }
}

/** Three fields of a map. */
function writeSelector(reply: ReplyWriter, { commands, keys, channels }: SelectorDescription): void {
  for (const text of ['commands', commands, 'keys', keys, 'channels', channels]) bulk(reply, text);
}

/** ACL GENPASS [bits] */
function genPassCommand(cx: CommandContext): void {
  if (hasTooMany(cx, 3)) return;
  const bits = cx.argc === 3 ? argLong(cx, 2) : PASS_BITS_DEFAULT;
  if (bits === null) cx.error(ErrorText.NotInteger);
  else if (bits <= 0 || bits > PASS_BITS_MAX) cx.error(BAD_PASS_BITS);
  else {
    const digits = Math.ceil(bits / 4);
    const { randomBytes } = process.getBuiltinModule('node:crypto');
    bulk(
      cx.reply,
      randomBytes(Math.ceil(digits / 2))
        .toString('hex')
        .slice(0, digits),
    );
  }
}

/** ACL DRYRUN username command [arg ...] */
function dryRunCommand(cx: CommandContext): void {
  const name = cx.argLatin1(2);
  if (!cx.server.acl.has(name)) {
    cx.error(`ERR User '${argText(cx, 2)}' not found`);
    return;
  }
  const command = commandAt(cx, 3);
  if (command === null) {
    cx.error(`ERR Command '${argText(cx, 3)}' not found`);
    return;
  }
  const argc = cx.argc - 3;
  if (command.arity > 0 ? argc !== command.arity : argc < -command.arity) {
    cx.error(wrongArity(command.name));
    return;
  }
  const refusal = cx.server.acl.dryRun(name, command, cx, 3);
  if (refusal === null) cx.reply.ok();
  else bulk(cx.reply, refusal);
}

/** The command that a request would reach whose name is argument `first`. A container without more words is itself. */
function commandAt(cx: CommandContext, first: number): Command | null {
  const { table } = cx.server;
  const found = table.lookup(cx.input, cx.argOff[first]!, cx.argLen[first]!);
  if (found === null || found.subcommandIndex === null || cx.argc === first + 1) return found;
  return table.lookupSub(found, cx.input, cx.argOff[first + 1]!, cx.argLen[first + 1]!);
}

/** ACL SETUSER username [rule ...] */
function setUserCommand(cx: CommandContext): void {
  const rules = Array.from({ length: cx.argc - 3 }, (_, i) => cx.argLatin1(i + 3));
  const asked = cx.server.ask('acl-setuser', { name: cx.argLatin1(2), rules, by: cx.session.id });
  cx.defer(asked.then(() => (reply) => reply.ok()));
}

/** ACL DELUSER username [username ...] */
function delUserCommand(cx: CommandContext): void {
  const names = Array.from({ length: cx.argc - 2 }, (_, i) => cx.argLatin1(i + 2));
  if (names.some((name) => name === DEFAULT_USER || name.startsWith(`${DEFAULT_USER}\0`))) {
    cx.error("ERR The 'default' user cannot be removed");
    return;
  }
  const asked = cx.server.ask('acl-deluser', { names, by: cx.session.id });
  cx.defer(asked.then((deleted) => (reply) => reply.integer(deleted as number)));
}

/** ACL LOAD, ACL SAVE */
function fileCommand(cx: CommandContext, method: string): void {
  if (cx.server.config.getString('aclfile') === '') {
    cx.error(NO_FILE);
    return;
  }
  cx.defer(cx.server.ask(method, { by: cx.session.id }).then(() => (reply) => reply.ok()));
}

/** ACL LOG [count | RESET] */
function logCommand(cx: CommandContext): void {
  if (hasTooMany(cx, 3)) return;
  if (cx.argc === 3 && cx.argIs(2, 'RESET')) {
    cx.defer(askReports(cx, 'acl-log-reset').then(() => (reply) => reply.ok()));
    return;
  }
  const count = cx.argc === 3 ? argLong(cx, 2) : LOG_COUNT_DEFAULT;
  if (count === null) {
    cx.error(ErrorText.NotInteger);
    return;
  }
  const { now } = cx;
  cx.defer(
    askReports(cx, 'acl-log', count).then((entries) => (reply) => {
      const log = entries as readonly AclLogEntry[];
      reply.arrayHeader(log.length);
      for (const entry of log) writeLogEntry(reply, entry, now);
    }),
  );
}

/** @param now unix time in ms */
function writeLogEntry(reply: ReplyWriter, entry: AclLogEntry, now: number): void {
  reply.mapHeader(10);
  bulk(reply, 'count');
  reply.integer(entry.count);
  for (const [field, text] of [
    ['reason', entry.reason],
    ['context', entry.context],
    ['object', entry.object],
    ['username', entry.user],
  ] as const) {
    bulk(reply, field);
    bulk(reply, text);
  }
  bulk(reply, 'age-seconds');
  // Another thread may have noted it with a clock that is a little ahead.
  reply.double(Math.max(0, now - entry.updated) / 1000);
  bulk(reply, 'client-info');
  bulk(reply, entry.client);
  bulk(reply, 'entry-id');
  reply.integer(entry.id);
  bulk(reply, 'timestamp-created');
  reply.integer(entry.created);
  bulk(reply, 'timestamp-last-updated');
  reply.integer(entry.updated);
}

const HELP = [
  'CAT [<category>]',
  '    List all commands that belong to <category>, or all command categories',
  '    when no category is specified.',
  'DELUSER <username> [<username> ...]',
  '    Delete a list of users.',
  'DRYRUN <username> <command> [<arg> ...]',
  '    Returns whether the user can execute the given command without executing the command.',
  'GETUSER <username>',
  "    Get the user's details.",
  'GENPASS [<bits>]',
  '    Generate a secure 256-bit user password. The optional `bits` argument can',
  '    be used to specify a different size.',
  'LIST',
  '    Show users details in config file format.',
  'LOAD',
  '    Reload users from the ACL file.',
  'LOG [<count> | RESET]',
  '    Show the ACL log entries.',
  'SAVE',
  '    Save the current config to the ACL file.',
  'SETUSER <username> <attribute> [<attribute> ...]',
  '    Create or modify a user with the specified attributes.',
  'USERS',
  '    List all the registered usernames.',
  'WHOAMI',
  '    Return the current connection username.',
];

export const aclCommands: FamilyHandlers = {
  'ACL|CAT': { run: catCommand, place: Place.InPlace },
  'ACL|DELUSER': { run: delUserCommand, place: Place.Supervisor },
  'ACL|DRYRUN': { run: dryRunCommand, place: Place.InPlace },
  'ACL|GENPASS': { run: genPassCommand, place: Place.InPlace },
  'ACL|GETUSER': { run: getUserCommand, place: Place.InPlace },
  'ACL|HELP': { run: (cx) => helpReply(cx, 'ACL', HELP), place: Place.InPlace },
  'ACL|LIST': { run: listCommand, place: Place.InPlace },
  'ACL|LOAD': { run: (cx) => fileCommand(cx, 'acl-load'), place: Place.Supervisor },
  'ACL|LOG': { run: logCommand, place: Place.Supervisor },
  'ACL|SAVE': { run: (cx) => fileCommand(cx, 'acl-save'), place: Place.Supervisor },
  'ACL|SETUSER': { run: setUserCommand, place: Place.Supervisor },
  'ACL|USERS': { run: usersCommand, place: Place.InPlace },
  'ACL|WHOAMI': { run: whoAmICommand, place: Place.InPlace },
};
