// SLOWLOG GET LEN RESET HELP. The log is the supervisor's (metrics/slow-log.ts).

import type { SlowLogEntry } from '../metrics/slow-log.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { argLong } from './arguments.ts';
import { askReports } from './ask-reports.ts';
import type { CommandContext } from './context.ts';
import { helpReply, subcommandSyntaxText } from './help.ts';
import { type FamilyHandlers, Place } from './table.ts';

const COUNT_DEFAULT = 10;

/** SLOWLOG GET [count] */
function slowlogGetCommand(cx: CommandContext): void {
  if (cx.argc > 3) {
    cx.error(subcommandSyntaxText('SLOWLOG', cx.argLatin1(1)));
    return;
  }
  const count = cx.argc === 3 ? argLong(cx, 2) : COUNT_DEFAULT;
  if (count === null || count < -1) {
    cx.error('ERR count should be greater than or equal to -1');
    return;
  }
  cx.defer(
    askReports(cx, 'slowlog-get', count).then((entries) => (reply) => {
      const log = entries as SlowLogEntry[];
      reply.arrayHeader(log.length);
      for (const entry of log) writeEntry(reply, entry);
    }),
  );
}

function writeEntry(reply: ReplyWriter, entry: SlowLogEntry): void {
  reply.arrayHeader(6);
  reply.integer(entry.id);
  reply.integer(entry.time);
  reply.integer(entry.usec);
  reply.arrayHeader(entry.args.length);
  for (const arg of entry.args) reply.bulkString(arg);
  reply.bulkString(entry.address);
  reply.bulkString(entry.name);
}

function slowlogLenCommand(cx: CommandContext): void {
  cx.defer(askReports(cx, 'slowlog-len').then((length) => (reply) => reply.integer(length as number)));
}

function slowlogResetCommand(cx: CommandContext): void {
  cx.defer(askReports(cx, 'slowlog-reset').then(() => (reply) => reply.ok()));
}

const HELP = [
  'GET [<count>]',
  '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
  '    Entries are made of:',
  '    id, timestamp, time in microseconds, arguments array, client IP and port,',
  '    client name',
  'LEN',
  '    Return the length of the slowlog.',
  'RESET',
  '    Reset the slowlog.',
];

export const slowlogCommands: FamilyHandlers = {
  'SLOWLOG|GET': { run: slowlogGetCommand, place: Place.Supervisor },
  'SLOWLOG|LEN': { run: slowlogLenCommand, place: Place.Supervisor },
  'SLOWLOG|RESET': { run: slowlogResetCommand, place: Place.Supervisor },
  'SLOWLOG|HELP': { run: (cx) => helpReply(cx, 'SLOWLOG', HELP), place: Place.InPlace },
};
