/*
 * The facts on every command that running it needs (arity, flags, key specifications, ACL categories), as plain data.
 * Two files of one format, one command a line:
 *
 *   commands.json   the commands of Redis 7.4
 *   additions.json  commands that came later (8.0 to 8.4) and those of 7.4 that gained arguments since; a row here
 *                   replaces the one of the same name
 *
 * No behaviour is here: handlers are joined to these rows in `../table.ts`. What only people read (descriptions,
 * arguments) is in `command-documentation.ts`, and loaded when somebody asks.
 */
import additions from './additions.json' with { type: 'json' };
import commands from './commands.json' with { type: 'json' };

/** Where the search for the keys of a key specification begins. */
export type BeginSearch =
  | { readonly type: 'index'; readonly spec: { readonly index: number } }
  | { readonly type: 'keyword'; readonly spec: { readonly keyword: string; readonly startfrom: number } }
  | { readonly type: 'unknown'; readonly spec: Readonly<Record<string, never>> };

/** How the keys are found from there. */
export type FindKeys =
  | {
      readonly type: 'range';
      readonly spec: { readonly lastkey: number; readonly keystep: number; readonly limit: number };
    }
  | {
      readonly type: 'keynum';
      readonly spec: { readonly keynumidx: number; readonly firstkey: number; readonly keystep: number };
    }
  | { readonly type: 'unknown'; readonly spec: Readonly<Record<string, never>> };

/** One key specification; `flags` in the order in which `COMMAND INFO` prints them. */
export interface KeySpecFacts {
  readonly flags: readonly string[];
  readonly begin_search: BeginSearch;
  readonly find_keys: FindKeys;
}

/** One command or subcommand (`CONTAINER|SUBCOMMAND`), names in upper case. */
export interface CommandFacts {
  readonly name: string;
  readonly arity: number;
  /** As `COMMAND` prints them, in its order, `movablekeys` included. */
  readonly flags: readonly string[];
  /** Flags that are never printed. */
  readonly hidden_flags?: readonly string[];
  /** Explicit and implied ones, with their '@', in the order in which they are printed. */
  readonly acl_categories: readonly string[];
  /** Positions of the legacy scheme; 0 0 0 for none. */
  readonly first_key: number;
  readonly last_key: number;
  readonly step: number;
  readonly tips: readonly string[];
  readonly key_specs: readonly KeySpecFacts[];
  readonly subcommands?: readonly string[];
  /** The container can't run without a subcommand. */
  readonly needs_subcommand?: boolean;
}

/** @returns the rows of both files, one for each name, in the order of their names. */
function mergeFacts(): readonly CommandFacts[] {
  const byName = new Map<string, CommandFacts>();
  for (const row of commands.commands as unknown as CommandFacts[]) byName.set(row.name, row);
  for (const row of additions.commands as unknown as CommandFacts[]) byName.set(row.name, row);
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All facts, sorted by name, so that every thread gives the same command the same id. */
export const allCommandFacts: readonly CommandFacts[] = mergeFacts();

/** The facts of the commands that a server has, as opposed to Sentinel: a row each of the command table. */
export const serverCommandFacts: readonly CommandFacts[] = allCommandFacts.filter(
  (row) => !row.hidden_flags?.includes('only_sentinel'),
);
