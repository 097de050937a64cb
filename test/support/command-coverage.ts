// Which commands a random run has reached, and which there are.

import type { Argument, RawClient } from './raw-client.ts';
import { isError, type Reply } from './resp-parser.ts';

/** Commands whose subcommands count on their own. */
const CONTAINERS = new Set(['object', 'xgroup', 'xinfo', 'memory', 'command', 'config', 'debug']);

/** Counts, per command in lower case, how often it was answered with and without an error. */
export class Coverage {
  readonly successes = new Map<string, number>();
  readonly errors = new Map<string, number>();

  note(args: readonly Argument[], reply: Reply): void {
    const counts = isError(reply) ? this.errors : this.successes;
    const name = String(args[0]).toLowerCase();
    count(counts, name);
    if (CONTAINERS.has(name)) count(counts, `${name}|${String(args[1]).toLowerCase()}`);
  }

  /** Those of `names` that were never answered without an error. */
  missing(names: readonly string[]): string[] {
    return names.filter((name) => !this.successes.has(name)).sort();
  }

  /** How often each command was answered well, and how often with an error: for work on the generators. */
  toString(): string {
    const names = [...new Set([...this.successes.keys(), ...this.errors.keys()])].sort();
    return names
      .map((name) => `${name}: ${this.successes.get(name) ?? 0} ok, ${this.errors.get(name) ?? 0} errors`)
      .join('\n');
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** All commands that a server knows, in lower case. */
export async function commandNames(server: RawClient): Promise<Set<string>> {
  return new Set((await server.call('COMMAND', 'LIST')) as string[]);
}

/** The commands of these groups that a server knows, as `get` and `object|freq`. */
export async function commandsOfGroups(server: RawClient, groups: readonly string[]): Promise<string[]> {
  const docs = await server.command('COMMAND', 'DOCS');
  const names: string[] = [];
  for (const [name, doc] of pairs(docs)) {
    if (!groups.includes(fieldText(doc!, 'group'))) continue;
    const subcommands = field(doc!, 'subcommands');
    if (subcommands === undefined) names.push(name!.bytes!.toString());
    else for (const [subcommand] of pairs(subcommands)) names.push(subcommand!.bytes!.toString());
  }
  return names;
}

function pairs(node: { items: Reply['items'] }): NonNullable<Reply['items']>[] {
  const items = node.items ?? [];
  return Array.from({ length: items.length / 2 }, (_, i) => items.slice(2 * i, 2 * i + 2));
}

function field(node: { items: Reply['items'] }, name: string) {
  for (const [key, value] of pairs(node) as [Reply, Reply][]) {
    if (key.bytes!.toString() === name) return value;
  }
  return undefined;
}

function fieldText(node: { items: Reply['items'] }, name: string): string {
  return field(node, name)?.bytes?.toString() ?? '';
}
