/**
 * The directives: facts of `facts/directives.json`, looked up by name or alias.
 *
 * The file groups them by type, so that TypeScript knows from the keys which names each typed getter takes:
 *
 *     {"ignored": [names],                     accepted in a file, without anything behind them
 *      "bool": {"appendonly": {facts}, ...}, "int": ..., "memory": ..., "string": ..., "enum": ..., "multi": ...}
 *
 * Facts: `default` (as CONFIG GET prints it), `alias`, `cType`/`min`/`max` of numbers (text beyond 2^53), `values` and
 * `same` of enums, `mutable: false` for those set at the start only, `flags`, `nullable` (the empty string means
 * unset), `binary` (keeps what follows a NUL), `own` (Sabre's, not Redis's). Two say what docs/configuration.md lists:
 * `inert` (accepted without a meaning here, and why) and `waits` (of a part that is not there yet).
 */

import facts from './facts/directives.json' with { type: 'json' };

export type BoolName = keyof typeof facts.bool;
export type IntName = keyof typeof facts.int;
export type MemoryName = keyof typeof facts.memory;
export type StringName = keyof typeof facts.string;
export type EnumName = keyof typeof facts.enum;
export type MultiName = keyof typeof facts.multi;
export type DirectiveName = BoolName | IntName | MemoryName | StringName | EnumName | MultiName;

export type DirectiveType = 'bool' | 'int' | 'memory' | 'string' | 'enum' | 'multi';

export interface Directive {
  readonly name: DirectiveName;
  readonly type: DirectiveType;
  /** The second name, or undefined. Both are found, printed and set. */
  readonly alias: string | undefined;
  readonly default: string;
  /** Numbers only; both inclusive. */
  readonly min: bigint;
  readonly max: bigint;
  /** Compared as an unsigned number of 64 bits, as C compares the type. */
  readonly unsigned: boolean;
  /** Enums only: spellings in order, and which are read back as another. */
  readonly values: readonly string[];
  readonly same: Readonly<Record<string, string>>;
  readonly mutable: boolean;
  readonly multiArg: boolean;
  readonly percent: boolean;
  readonly octal: boolean;
  /** Its value is kept out of logs and MONITOR. */
  readonly sensitive: boolean;
  readonly protected: boolean;
  readonly denyLoading: boolean;
  /** Matched by its full name only, never by a pattern. */
  readonly hidden: boolean;
  readonly nullable: boolean;
  readonly binary: boolean;
  readonly own: boolean;
  readonly inert: string | undefined;
  readonly waits: string | undefined;
}

interface Facts {
  default: string;
  alias?: string;
  cType?: string;
  min?: number | string;
  max?: number | string;
  values?: string[];
  same?: Record<string, string>;
  mutable?: boolean;
  flags?: string[];
  nullable?: boolean;
  binary?: boolean;
  own?: boolean;
  inert?: string;
  waits?: string;
}

const UNSIGNED_TYPES = new Set(['ulonglong', 'uint', 'size_t']);

function makeDirective(name: DirectiveName, type: DirectiveType, entry: Facts): Directive {
  const flags = new Set(entry.flags);
  return {
    name,
    type,
    alias: entry.alias,
    default: entry.default,
    min: BigInt(entry.min ?? 0),
    max: BigInt(entry.max ?? 0),
    unsigned: UNSIGNED_TYPES.has(entry.cType ?? ''),
    values: entry.values ?? [],
    same: entry.same ?? {},
    mutable: entry.mutable ?? true,
    multiArg: flags.has('multi_arg'),
    percent: flags.has('percent'),
    octal: flags.has('octal'),
    sensitive: flags.has('sensitive'),
    protected: flags.has('protected'),
    denyLoading: flags.has('deny_loading'),
    hidden: flags.has('hidden'),
    nullable: entry.nullable ?? false,
    binary: entry.binary ?? false,
    own: entry.own ?? false,
    inert: entry.inert,
    waits: entry.waits,
  };
}

function makeAll(): Directive[] {
  const all: Directive[] = [];
  for (const type of ['bool', 'int', 'memory', 'string', 'enum', 'multi'] as const) {
    const group: Record<string, Facts> = facts[type];
    for (const name of Object.keys(group)) all.push(makeDirective(name as DirectiveName, type, group[name]!));
  }
  return all.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All directives, by name. */
export const DIRECTIVES: readonly Directive[] = makeAll();

/** Names that a file may hold with one argument, and that mean nothing any more. */
export const IGNORED_DIRECTIVES: ReadonlySet<string> = new Set(facts.ignored);

const BY_NAME = new Map<string, Directive>();
for (const directive of DIRECTIVES) {
  BY_NAME.set(directive.name, directive);
  if (directive.alias !== undefined) BY_NAME.set(directive.alias, directive);
}

/** Every name that CONFIG GET knows, aliases included, in order, with its directive. */
export const NAMES: readonly (readonly [string, Directive])[] = [...BY_NAME].sort((a, b) =>
  a[0] < b[0] ? -1 : 1,
);

/** The directive of a name or alias, in lower case; undefined for none. */
export function findDirective(name: string): Directive | undefined {
  return BY_NAME.get(name);
}
