/*
 * The rows of `COMMAND` and `COMMAND INFO`:
 *
 *   [ name, arity, {flags}, first key, last key, step, {ACL categories}, {tips}, {key specifications}, {subcommands} ]
 *
 * {} is a set in RESP3. All of it comes from the facts; the prose notes of key specifications are not in them.
 */
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import type { BeginSearch, FindKeys, KeySpecFacts } from './facts/command-facts.ts';
import type { Command } from './table.ts';

/** Writes the row of a command; of its subcommands, those that can be called. */
export function writeCommandInfo(reply: ReplyWriter, command: Command): void {
  const facts = command.facts;
  reply.arrayHeader(10);
  reply.bulkString(command.name);
  reply.integer(command.arity);
  writeStatusSet(reply, facts.flags);
  reply.integer(command.firstKey);
  reply.integer(command.lastKey);
  reply.integer(command.step);
  writeStatusSet(reply, facts.acl_categories);
  reply.setHeader(facts.tips.length);
  for (const tip of facts.tips) reply.bulkString(tip);
  reply.setHeader(facts.key_specs.length);
  for (const spec of facts.key_specs) writeKeySpec(reply, spec);
  writeSubcommands(reply, command);
}

/** Writes a set of statuses: flags and categories are such. */
export function writeStatusSet(reply: ReplyWriter, words: readonly string[]): void {
  reply.setHeader(words.length);
  for (const word of words) reply.simpleString(word);
}

function writeSubcommands(reply: ReplyWriter, command: Command): void {
  const subcommands = command.subcommands;
  if (subcommands === null) {
    reply.setHeader(0);
    return;
  }
  reply.setHeader(subcommands.size);
  for (const sub of subcommands.values()) writeCommandInfo(reply, sub);
}

function writeKeySpec(reply: ReplyWriter, spec: KeySpecFacts): void {
  reply.mapHeader(3);
  reply.bulkString('flags');
  writeStatusSet(reply, spec.flags);
  reply.bulkString('begin_search');
  writeSearch(reply, spec.begin_search);
  reply.bulkString('find_keys');
  writeSearch(reply, spec.find_keys);
}

function writeSearch(reply: ReplyWriter, search: BeginSearch | FindKeys): void {
  reply.mapHeader(2);
  reply.bulkString('type');
  reply.bulkString(search.type);
  reply.bulkString('spec');
  const fields = Object.entries(search.spec);
  reply.mapHeader(fields.length);
  for (const [name, value] of fields) {
    reply.bulkString(name);
    if (typeof value === 'number') reply.integer(value);
    else reply.bulkString(value);
  }
}
