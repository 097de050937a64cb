// CONFIG GET SET RESETSTAT REWRITE HELP. GET reads the thread's copy of the configuration; the others are the
// supervisor's work, which answers when every thread has the change.

import { NAMES } from '../config/directives.ts';
import { configGet } from '../config/get.ts';
import type { CommandContext } from './context.ts';
import { helpReply } from './help.ts';
import { type FamilyHandlers, Place } from './table.ts';

/** CONFIG GET pattern [pattern ...] */
function configGetCommand(cx: CommandContext): void {
  const pairs = configGet(cx.server.config, argumentsFrom(cx, 2));
  cx.reply.mapHeader(pairs.length);
  for (const [name, text] of pairs) {
    cx.reply.bulkString(name);
    cx.reply.bulkString(text);
  }
}

/** Every pattern is compared with every name. */
function estimateGet(cx: CommandContext): number {
  let bytes = 0;
  for (let i = 2; i < cx.argc; i++) bytes += (cx.argLen[i]! + 1) * NAMES.length;
  return bytes;
}

/** CONFIG SET name value [name value ...] */
function configSetCommand(cx: CommandContext): void {
  const payload = { pairs: argumentsFrom(cx, 2), localClient: isLocal(cx) };
  cx.defer(cx.server.ask('config-set', payload).then(() => (reply) => reply.ok()));
}

/** Whether the client sits on this host, which enable-protected-configs may ask for. */
function isLocal(cx: CommandContext): boolean {
  const { unix, address } = cx.session;
  return unix || address.startsWith('127.') || address.startsWith('[::1]');
}

/** Each thread clears what it counts; then the supervisor what belongs to none. */
function configResetStatCommand(cx: CommandContext): void {
  const { server } = cx;
  const done = server.askThreads('reset-stats').then(() => server.ask('reset-stats'));
  cx.defer(done.then(() => (reply) => reply.ok()));
}

function configRewriteCommand(cx: CommandContext): void {
  cx.defer(cx.server.ask('config-rewrite').then(() => (reply) => reply.ok()));
}

function argumentsFrom(cx: CommandContext, first: number): string[] {
  const words: string[] = [];
  for (let i = first; i < cx.argc; i++) words.push(cx.argLatin1(i));
  return words;
}

const HELP = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'REWRITE',
  '    Rewrite the configuration file.',
];

export const configCommands: FamilyHandlers = {
  'CONFIG|GET': { run: configGetCommand, place: Place.Estimated, estimate: estimateGet },
  'CONFIG|SET': { run: configSetCommand, place: Place.Supervisor },
  'CONFIG|RESETSTAT': { run: configResetStatCommand, place: Place.Supervisor },
  'CONFIG|REWRITE': { run: configRewriteCommand, place: Place.Supervisor },
  'CONFIG|HELP': { run: (cx) => helpReply(cx, 'CONFIG', HELP), place: Place.InPlace },
};
