/*
 * The command table: one row for each command and subcommand, made once per thread from the facts (`facts/`) and the
 * handlers of the families (`index.ts` lists them). `COMMAND`, ACL rules, routing, key extraction, cluster
 * redirection and replication read these rows and nothing else.
 *
 * A command that has facts but no handler is in the table (`all`, `byName`), so that the facts can be checked and ids
 * never move, but no request finds it: `lookup` answers null, and the client hears "unknown command", which is how
 * clients detect what a server can do.
 *
 * What this does not do: check the arity, ACL or state of the server (the executor), and find the keys of a request
 * (`key-positions.ts`).
 */
import type { CommandContext } from './context.ts';
import type { CommandFacts } from './facts/command-facts.ts';
import { Begin, compileKeySpecs, type KeyParser, type KeySpec, keyParserOf } from './key-specs.ts';
import { NameIndex } from './name-index.ts';

/** Bits of `Command.flags`. In memory only, never on disk or wire. */
export const CommandFlag = {
  Write: 1 << 0,
  Readonly: 1 << 1,
  Denyoom: 1 << 2,
  Admin: 1 << 3,
  Pubsub: 1 << 4,
  Noscript: 1 << 5,
  Blocking: 1 << 6,
  Loading: 1 << 7,
  Stale: 1 << 8,
  SkipMonitor: 1 << 9,
  SkipSlowlog: 1 << 10,
  Asking: 1 << 11,
  Fast: 1 << 12,
  NoAuth: 1 << 13,
  MayReplicate: 1 << 14,
  NoMandatoryKeys: 1 << 15,
  Protected: 1 << 16,
  NoAsyncLoading: 1 << 17,
  NoMulti: 1 << 18,
  AllowBusy: 1 << 19,
  MovableKeys: 1 << 20,
  TouchesArbitraryKeys: 1 << 21,
  Sentinel: 1 << 22,
  OnlySentinel: 1 << 23,
  Experimental: 1 << 24,
} as const;

/** The word of the facts for each flag. */
const FLAG_OF_WORD: ReadonlyMap<string, number> = new Map([
  ['write', CommandFlag.Write],
  ['readonly', CommandFlag.Readonly],
  ['denyoom', CommandFlag.Denyoom],
  ['admin', CommandFlag.Admin],
  ['pubsub', CommandFlag.Pubsub],
  ['noscript', CommandFlag.Noscript],
  ['blocking', CommandFlag.Blocking],
  ['loading', CommandFlag.Loading],
  ['stale', CommandFlag.Stale],
  ['skip_monitor', CommandFlag.SkipMonitor],
  ['skip_slowlog', CommandFlag.SkipSlowlog],
  ['asking', CommandFlag.Asking],
  ['fast', CommandFlag.Fast],
  ['no_auth', CommandFlag.NoAuth],
  ['may_replicate', CommandFlag.MayReplicate],
  ['no_mandatory_keys', CommandFlag.NoMandatoryKeys],
  ['protected', CommandFlag.Protected],
  ['no_async_loading', CommandFlag.NoAsyncLoading],
  ['no_multi', CommandFlag.NoMulti],
  ['allow_busy', CommandFlag.AllowBusy],
  ['movablekeys', CommandFlag.MovableKeys],
  ['touches_arbitrary_keys', CommandFlag.TouchesArbitraryKeys],
  ['sentinel', CommandFlag.Sentinel],
  ['only_sentinel', CommandFlag.OnlySentinel],
  ['experimental', CommandFlag.Experimental],
]);

/** The ACL categories in Redis's order (`ACL CAT`); the bit of a category is 1 << its index. */
export const ACL_CATEGORIES = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const;

/**
 * @param name a category without its '@', in any case
 * @returns its bit in `Command.categories`, 0 for an unknown one
 */
export function aclCategoryBit(name: string): number {
  const index = (ACL_CATEGORIES as readonly string[]).indexOf(name.toLowerCase());
  return index < 0 ? 0 : 1 << index;
}

/** Where a command runs. */
export const Place = {
  /** On the acceptor: constant and always cheap. */
  InPlace: 0,
  /** On the acceptor while `estimate` stays under the limit, else on a shard worker. */
  Estimated: 1,
  /** Always on a shard worker: its work grows with the data set (KEYS). */
  Worker: 2,
  /** On the connection's own acceptor only: it reads or changes state that lives there. */
  Connection: 3,
  /** Carried out by the supervisor. */
  Supervisor: 4,
} as const;
export type Place = (typeof Place)[keyof typeof Place];

/** Work (bytes touched) up to which an acceptor runs a command in place: some 50 microseconds. */
export const IN_PLACE_WORK_MAX = 256 * 1024;

/** How the executor finds the keys of a request. */
export const KeyPlan = {
  /** No keys. */
  None: 0,
  /** One key, at `firstKey`. */
  Single: 1,
  /** Keys from `firstKey` to `lastKey` (negative: from the end), each `step`. */
  Range: 2,
  /** They depend on other arguments: `keyPositions()`. */
  Special: 3,
} as const;
export type KeyPlan = (typeof KeyPlan)[keyof typeof KeyPlan];

export type CommandHandler = (cx: CommandContext) => void;

/** Work before it is done, in bytes or elements touched; called with the shards of the request locked. */
export type WorkEstimate = (cx: CommandContext) => number;

/** How a family declares one command. */
export interface HandlerEntry {
  readonly run: CommandHandler;
  readonly place: Place;
  /** Needed by `Place.Estimated`, and only there. */
  readonly estimate?: WorkEstimate;
}

/** A family's commands by the names of the facts: `GET`, `CONFIG|GET`. */
export type FamilyHandlers = Readonly<Record<string, HandlerEntry>>;

/** One command or subcommand. Every field is assigned here, in one order, so that all rows have one shape. */
export class Command {
  /** Dense, the same in every thread of a process; counters are arrays by it. */
  readonly id: number;
  /** As `COMMAND` prints it: `set`, `config|get`. */
  readonly name: string;
  /** Words in all: exactly n, or at least -n. */
  readonly arity: number;
  /** Bits of `CommandFlag`. */
  readonly flags: number;
  /** Bits by `ACL_CATEGORIES`. */
  readonly categories: number;
  readonly firstKey: number;
  readonly lastKey: number;
  readonly step: number;
  readonly keyPlan: KeyPlan;
  /** For `key-positions.ts`. */
  readonly keySpecs: readonly KeySpec[];
  readonly keyParser: KeyParser;
  /** Whether it may touch keys that are not among its arguments: see `touchesUnknownKeys`. */
  readonly unknownKeys: boolean;
  readonly place: Place;
  readonly estimate: WorkEstimate | null;
  /** Null: not built, or a container that can't run by itself. */
  readonly handler: CommandHandler | null;
  readonly container: Command | null;
  /** By their own names in lower case (`get`), those with handlers only; null for anything but a container. */
  readonly subcommands: ReadonlyMap<string, Command> | null;
  /** For `lookupSub`; null exactly where `subcommands` is. */
  readonly subcommandIndex: NameIndex<Command> | null;
  readonly facts: CommandFacts;

  constructor(
    id: number,
    facts: CommandFacts,
    entry: HandlerEntry | null,
    container: Command | null,
    makeSubcommands: ((container: Command) => ReadonlyMap<string, Command>) | null,
  ) {
    this.id = id;
    this.name = facts.name.toLowerCase();
    this.arity = facts.arity;
    this.flags = flagBits(facts);
    this.categories = categoryBits(facts);
    this.firstKey = facts.first_key;
    this.lastKey = facts.last_key;
    this.step = facts.step;
    this.keyPlan = keyPlanOf(facts);
    this.keySpecs = compileKeySpecs(facts);
    this.keyParser = keyParserOf(facts);
    this.unknownKeys = this.keySpecs.some((spec) => spec.begin === Begin.Unknown);
    this.place = entry === null ? Place.Worker : entry.place;
    this.estimate = entry?.estimate ?? null;
    this.handler = entry === null ? null : entry.run;
    this.container = container;
    this.subcommands = makeSubcommands === null ? null : makeSubcommands(this);
    this.subcommandIndex = this.subcommands === null ? null : new NameIndex([...this.subcommands]);
    this.facts = facts;
  }

  /** Whether a request can reach it: it or one of its subcommands has a handler. */
  get built(): boolean {
    return this.handler !== null || (this.subcommands !== null && this.subcommands.size > 0);
  }
}

/** The table of one thread. Only `rename` changes it, before the first request. */
export class CommandTable {
  /** Every row, built or not, by id. */
  readonly all: readonly Command[];
  private readonly rows: ReadonlyMap<string, Command>;
  /** What a request may call, by its name of today in lower case. */
  private readonly callable: Map<string, Command>;
  private index: NameIndex<Command>;

  constructor(all: readonly Command[]) {
    this.all = all;
    this.rows = new Map(all.map((command) => [command.name, command]));
    this.callable = new Map();
    for (const command of all) {
      if (command.container === null && command.built) this.callable.set(command.name, command);
    }
    this.index = new NameIndex([...this.callable]);
  }

  /** @returns the row with this name (lower case, `config|get`), built or not and whatever it is called today */
  byName(name: string): Command | null {
    return this.rows.get(name) ?? null;
  }

  /** Top-level commands that a request can call, without those that `rename` has disabled. */
  callableCommands(): IterableIterator<Command> {
    return this.callable.values();
  }

  /** How many there are of them: `COMMAND COUNT`. */
  get callableCount(): number {
    return this.callable.size;
  }

  /**
   * The command for the first word of a request; hot path. No allocation.
   * @param input bytes of the request
   * @param off where the word begins
   * @param len its length in bytes
   * @returns null for an unknown command; a container is returned as itself (see `lookupSub`)
   */
  lookup(input: Uint8Array, off: number, len: number): Command | null {
    return this.index.find(input, off, len);
  }

  /**
   * The subcommand for the second word of a request.
   * @returns null for an unknown one, and for a command that is not a container
   */
  lookupSub(container: Command, input: Uint8Array, off: number, len: number): Command | null {
    const index = container.subcommandIndex;
    return index === null ? null : index.find(input, off, len);
  }

  /**
   * @param name a name as users write it in `COMMAND INFO` or an ACL rule: `GET`, `config|get`, any case
   * @returns the command that a request of this name reaches, null if none
   */
  find(name: string): Command | null {
    const bar = name.indexOf('|');
    if (bar < 0) return this.callable.get(name.toLowerCase()) ?? null;
    const container = this.callable.get(name.slice(0, bar).toLowerCase());
    return container?.subcommands?.get(name.slice(bar + 1).toLowerCase()) ?? null;
  }

  /**
   * The `rename-command` directive: later requests reach the command only by its new name, or not at all.
   * @param from today's name
   * @param to the new name; empty disables the command
   * @returns null if done, else Redis's error text
   */
  rename(from: string, to: string): string | null {
    const fromName = from.toLowerCase();
    const command = this.callable.get(fromName);
    if (command === undefined) {
      // A known command without a handler can't be called anyway, so a configuration that renames it still loads.
      const known = this.rows.get(fromName);
      const unbuilt = known !== undefined && known.container === null && !known.built;
      return unbuilt ? null : 'No such command in rename-command';
    }
    const toName = to.toLowerCase();
    if (toName !== '' && toName !== fromName && this.callable.has(toName)) {
      return 'Target command name already exists';
    }
    this.callable.delete(fromName);
    if (toName !== '') this.callable.set(toName, command);
    this.index = new NameIndex([...this.callable]);
    return null;
  }
}

/**
 * Joins facts and handlers. Pure; throws for a mistake in a family (a name without facts, a command declared twice,
 * an estimate missing or without use).
 * @param facts rows sorted by name; those that only Sentinel has are left out
 * @param families handlers by name
 */
export function buildCommandTable(
  facts: readonly CommandFacts[],
  families: readonly FamilyHandlers[],
): CommandTable {
  const entries = gatherEntries(facts, families);
  const rows = facts.filter((row) => !row.hidden_flags?.includes('only_sentinel'));
  const ids = new Map(rows.map((row, id) => [row.name, id]));
  const all: Command[] = new Array(rows.length);
  const make = (row: CommandFacts, container: Command | null): Command => {
    const makeSubcommands = row.subcommands === undefined ? null : subcommandMaker(row);
    const command = new Command(
      ids.get(row.name)!,
      row,
      entries.get(row.name) ?? null,
      container,
      makeSubcommands,
    );
    all[command.id] = command;
    return command;
  };
  const rowOf = new Map(rows.map((row) => [row.name, row]));
  const subcommandMaker = (row: CommandFacts) => (container: Command) => {
    const made = row.subcommands!.map((name) => {
      return [name.slice(row.name.length + 1).toLowerCase(), make(rowOf.get(name)!, container)] as const;
    });
    return new Map(made.filter(([, sub]) => sub.handler !== null));
  };
  for (const row of rows) if (!row.name.includes('|')) make(row, null);
  return new CommandTable(all);
}

function gatherEntries(
  facts: readonly CommandFacts[],
  families: readonly FamilyHandlers[],
): Map<string, HandlerEntry> {
  const known = new Map(facts.map((row) => [row.name, row]));
  const entries = new Map<string, HandlerEntry>();
  for (const family of families) {
    for (const [name, entry] of Object.entries(family)) {
      const row = known.get(name);
      if (row === undefined) throw new Error(`no facts for command ${name}`);
      if (row.needs_subcommand) throw new Error(`container ${name} can't have a handler`);
      if (entries.has(name)) throw new Error(`command ${name} is declared twice`);
      if ((entry.place === Place.Estimated) !== (entry.estimate !== undefined)) {
        throw new Error(`command ${name}: an estimate goes with Place.Estimated and nothing else`);
      }
      entries.set(name, entry);
    }
  }
  return entries;
}

function flagBits(facts: CommandFacts): number {
  let bits = 0;
  for (const word of [...facts.flags, ...(facts.hidden_flags ?? [])]) {
    const bit = FLAG_OF_WORD.get(word);
    if (bit === undefined) throw new Error(`command ${facts.name}: unknown flag ${word}`);
    bits |= bit;
  }
  return bits;
}

function categoryBits(facts: CommandFacts): number {
  let bits = 0;
  for (const category of facts.acl_categories) {
    const bit = aclCategoryBit(category.slice(1));
    if (bit === 0) throw new Error(`command ${facts.name}: unknown category ${category}`);
    bits |= bit;
  }
  return bits;
}

/**
 * The legacy positions cover all keys of a command unless it is marked `movablekeys`; positions that are channels
 * (`SPUBLISH`) are not keys.
 */
function keyPlanOf(facts: CommandFacts): KeyPlan {
  if (!facts.key_specs.some((spec) => !spec.flags.includes('not_key'))) return KeyPlan.None;
  if (facts.flags.includes('movablekeys')) return KeyPlan.Special;
  return facts.first_key === facts.last_key ? KeyPlan.Single : KeyPlan.Range;
}
