// The commands as ACL rules know them: by the names they were born with, whatever rename-command calls them, and those
// that are not built yet too, so that rules written for Redis load. An index into a command table, of any thread.

import { allCommandFacts } from '../commands/facts/command-facts.ts';
import { buildCommandTable, type Command, type CommandTable } from '../commands/table.ts';
import { asciiLower } from '../config/tokenize.ts';

export class RuleCommands {
  /** Every command and subcommand, by id. */
  readonly all: readonly Command[];
  readonly #byName: ReadonlyMap<string, Command>;
  /** By the id of the container. */
  readonly #subcommands = new Map<number, Command[]>();

  constructor(table: CommandTable) {
    this.all = table.all;
    this.#byName = new Map(table.all.map((command) => [command.name, command]));
    for (const command of table.all) {
      if (command.container === null) continue;
      const siblings = this.#subcommands.get(command.container.id);
      if (siblings === undefined) this.#subcommands.set(command.container.id, [command]);
      else siblings.push(command);
    }
  }

  /** For a thread that runs no commands, and has no table with their handlers. */
  static ofFacts(): RuleCommands {
    return new RuleCommands(buildCommandTable(allCommandFacts, []));
  }

  /** @param name `get` or `config|get`, in any case */
  find(name: string): Command | null {
    return this.#byName.get(asciiLower(name)) ?? null;
  }

  /** Those of a container; none of anything else. */
  subcommandsOf(command: Command): readonly Command[] {
    return this.#subcommands.get(command.id) ?? [];
  }
}
