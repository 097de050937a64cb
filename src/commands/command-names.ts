/*
 * The names of all commands, for the supervisor: it runs none, so it loads no handlers (they would cost it 6 MB), but
 * it checks `rename-command` when it reads the configuration, and needs to know how many rows a command table has.
 */
import { serverCommandFacts } from './facts/command-facts.ts';

/** Rows of a command table, built or not: one more than the highest `Command.id`. */
export const COMMAND_COUNT = serverCommandFacts.length;

/** The names that `rename-command` may take and give. A command that is not built keeps its name to itself, too. */
export class CommandNames {
  readonly #names = new Set<string>();

  constructor() {
    for (const { name } of serverCommandFacts) if (!name.includes('|')) this.#names.add(name.toLowerCase());
  }

  /**
   * The `rename-command` directive; threads repeat it on their tables (`CommandTable.rename`).
   * @param from today's name
   * @param to the new name; empty disables the command
   * @returns null if done, else Redis's error text
   */
  rename(from: string, to: string): string | null {
    const names = this.#names;
    const fromName = from.toLowerCase();
    const toName = to.toLowerCase();
    if (!names.has(fromName)) return 'No such command in rename-command';
    if (toName !== fromName && names.has(toName)) return 'Target command name already exists';
    names.delete(fromName);
    if (toName !== '') names.add(toName);
    return null;
  }
}
