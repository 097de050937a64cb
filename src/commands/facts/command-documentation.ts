/*
 * What is known of each command for people: `documentation.json`, one command a line, of all versions up to 8.4.
 *
 * It is read when somebody asks for the first time (COMMAND DOCS), once per thread: three quarters of its 120 KB are
 * trees of arguments, which would cost each thread megabytes that most servers never use.
 */
import { createRequire } from 'node:module';

/** One node of a command's argument tree; what is absent is false or none. */
export interface ArgumentFacts {
  readonly name: string;
  readonly type: string;
  readonly token?: string;
  readonly optional?: boolean;
  readonly multiple?: boolean;
  readonly multiple_token?: boolean;
  readonly key_spec_index?: number;
  readonly since?: string;
  readonly deprecated_since?: string;
  /** Only where it is not the name. */
  readonly display_text?: string;
  readonly arguments?: readonly ArgumentFacts[];
}

/** The documentation of one command or subcommand; what is absent is none. */
export interface CommandDocumentation {
  readonly summary?: string;
  readonly since: string;
  readonly group: string;
  readonly complexity?: string;
  readonly doc_flags?: readonly string[];
  readonly deprecated_since?: string;
  readonly replaced_by?: { readonly commands: readonly string[]; readonly args?: readonly string[] };
  readonly arguments?: readonly ArgumentFacts[];
}

let all: Readonly<Record<string, CommandDocumentation>> | null = null;

/**
 * @param name a name of the facts: `GET`, `CONFIG|GET`
 * @throws Error for a command without documentation: every row of the facts has one
 */
export function commandDocumentation(name: string): CommandDocumentation {
  // A handler can't wait for an import(), so this is the one place that requires.
  all ??= createRequire(import.meta.url)('./documentation.json') as Readonly<
    Record<string, CommandDocumentation>
  >;
  const found = all[name];
  if (found === undefined) throw new Error(`no documentation of command ${name}`);
  return found;
}
