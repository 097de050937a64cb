/*
 * The maps of `COMMAND DOCS`: what redis-cli and other tools show as help while a user types.
 *
 *   name => { summary, since, group, complexity?, doc_flags?, deprecated_since?, replaced_by?, arguments?, subcommands? }
 *
 * Left out: `history`, and the words around the terms of `complexity`; the facts don't have them.
 */
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { writeStatusSet } from './command-info.ts';
import {
  type ArgumentFacts,
  type CommandDocumentation,
  commandDocumentation,
} from './facts/command-documentation.ts';
import type { Command } from './table.ts';

/** Writes the name of a command and the map that documents it; of its subcommands, those that can be called. */
export function writeCommandDocs(reply: ReplyWriter, command: Command): void {
  const docs = commandDocumentation(command.facts.name);
  const subcommands = command.subcommands;
  const fields =
    2 +
    given(docs.summary) +
    given(docs.complexity) +
    given(docs.doc_flags) +
    given(docs.deprecated_since) +
    given(docs.replaced_by) +
    given(docs.arguments) +
    given(subcommands);
  reply.bulkString(command.name);
  reply.mapHeader(fields);
  writeText(reply, 'summary', docs.summary);
  writeText(reply, 'since', docs.since);
  writeText(reply, 'group', docs.group);
  writeText(reply, 'complexity', docs.complexity);
  if (docs.doc_flags !== undefined) {
    reply.bulkString('doc_flags');
    writeStatusSet(reply, docs.doc_flags);
  }
  writeText(reply, 'deprecated_since', docs.deprecated_since);
  writeText(reply, 'replaced_by', replacedByText(docs));
  if (docs.arguments !== undefined) writeArguments(reply, docs.arguments);
  if (subcommands === null) return;
  reply.bulkString('subcommands');
  reply.mapHeader(subcommands.size);
  for (const sub of subcommands.values()) writeCommandDocs(reply, sub);
}

/** @returns as in "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument", null if nothing replaces it */
export function replacedByText(docs: CommandDocumentation): string | null {
  const replacedBy = docs.replaced_by;
  if (replacedBy === undefined) return null;
  const commands = quotedList(replacedBy.commands.map((name) => name.replace('|', ' ')));
  const args = replacedBy.args ?? [];
  if (args.length === 0) return commands;
  return `${commands} with the ${quotedList(args)} argument${args.length > 1 ? 's' : ''}`;
}

function quotedList(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(' and ');
}

function writeArguments(reply: ReplyWriter, args: readonly ArgumentFacts[]): void {
  reply.bulkString('arguments');
  reply.arrayHeader(args.length);
  for (const arg of args) writeArgument(reply, arg);
}

function writeArgument(reply: ReplyWriter, arg: ArgumentFacts): void {
  const flags = argumentFlags(arg);
  const inner = arg.type === 'oneof' || arg.type === 'block';
  const fields =
    3 + // name, type, and either what it is displayed as or what is in it
    given(arg.key_spec_index) +
    given(arg.token) +
    given(arg.since) +
    given(arg.deprecated_since) +
    (flags.length > 0 ? 1 : 0);
  reply.mapHeader(fields);
  writeText(reply, 'name', arg.name);
  writeText(reply, 'type', arg.type);
  if (!inner) writeText(reply, 'display_text', arg.display_text ?? arg.name);
  if (arg.key_spec_index !== undefined) {
    reply.bulkString('key_spec_index');
    reply.integer(arg.key_spec_index);
  }
  writeText(reply, 'token', arg.token);
  writeText(reply, 'since', arg.since);
  writeText(reply, 'deprecated_since', arg.deprecated_since);
  if (flags.length > 0) {
    reply.bulkString('flags');
    writeStatusSet(reply, flags);
  }
  if (inner) writeArguments(reply, arg.arguments ?? []);
}

function argumentFlags(arg: ArgumentFacts): string[] {
  const flags: string[] = [];
  if (arg.optional) flags.push('optional');
  if (arg.multiple) flags.push('multiple');
  if (arg.multiple_token) flags.push('multiple_token');
  return flags;
}

/** 1 if a field of this value is printed. */
function given(value: unknown): number {
  return value === null || value === undefined ? 0 : 1;
}

function writeText(reply: ReplyWriter, name: string, value: string | null | undefined): void {
  if (value === null || value === undefined) return;
  reply.bulkString(name);
  reply.bulkString(value);
}
