/*
 * Key specifications in the form in which requests are searched: numbers and bytes in place of the words of the facts.
 * One shape for all of them, so that the search (`key-positions.ts`) stays monomorphic.
 *
 * Source of the meaning: https://redis.io/docs/latest/develop/reference/key-specs/
 */
import type { CommandFacts, KeySpecFacts } from './facts/command-facts.ts';

/** Bits of the flags of a key, in the order in which `COMMAND GETKEYSANDFLAGS` prints their names. */
export const KeyFlag = {
  RO: 1 << 0,
  RW: 1 << 1,
  OW: 1 << 2,
  RM: 1 << 3,
  Access: 1 << 4,
  Update: 1 << 5,
  Insert: 1 << 6,
  Delete: 1 << 7,
  NotKey: 1 << 8,
  Incomplete: 1 << 9,
  VariableFlags: 1 << 10,
} as const;

/** The printed names, by bit number. */
export const KEY_FLAG_NAMES = [
  'RO',
  'RW',
  'OW',
  'RM',
  'access',
  'update',
  'insert',
  'delete',
  'not_key',
  'incomplete',
  'variable_flags',
] as const;

/** Where the search begins. */
export const Begin = { Index: 0, Keyword: 1, Unknown: 2 } as const;
/** How it goes on. */
export const Find = { Range: 0, Keynum: 1, Unknown: 2 } as const;

/** Commands whose keys no specification describes in full: each is parsed as the command parses its options. */
export const KeyParser = {
  /** The specifications are all there is. */
  None: 0,
  Sort: 1,
  SortRo: 2,
  Migrate: 3,
  GeoRadius: 4,
  Xread: 5,
  /** The flags of the one key depend on the options. */
  Set: 6,
  Bitfield: 7,
  Delex: 8,
  /** `numkeys key ...`, read as leniently as Redis's last resort does (`atoi`). */
  Keynum: 9,
} as const;
export type KeyParser = (typeof KeyParser)[keyof typeof KeyParser];

const PARSER_OF_COMMAND: ReadonlyMap<string, KeyParser> = new Map([
  ['SORT', KeyParser.Sort],
  ['SORT_RO', KeyParser.SortRo],
  ['MIGRATE', KeyParser.Migrate],
  ['GEORADIUS', KeyParser.GeoRadius],
  ['GEORADIUSBYMEMBER', KeyParser.GeoRadius],
  ['XREAD', KeyParser.Xread],
  ['XREADGROUP', KeyParser.Xread],
  ['SET', KeyParser.Set],
  ['BITFIELD', KeyParser.Bitfield],
  ['DELEX', KeyParser.Delex],
]);

/** One key specification. Fields that its kinds don't use are 0. */
export class KeySpec {
  /** Bits of `KeyFlag`. */
  readonly flags: number;
  readonly begin: number;
  /** Index: the argument. Keyword: where to look first, from the end if negative. */
  readonly start: number;
  /** In upper case; empty unless `begin` is a keyword. */
  readonly keyword: Uint8Array;
  readonly find: number;
  /** Range: the last key, from the first one, or from the end if negative. */
  readonly lastKey: number;
  /** Range: with `lastKey` -1, the keys are this part of what is left: 0 and 1 all, 2 a half. */
  readonly limit: number;
  /** Keynum: where the number of keys is, from the beginning. */
  readonly keynumIndex: number;
  /** Keynum: where the first key is, from the beginning. */
  readonly firstKey: number;
  readonly step: number;

  constructor(facts: KeySpecFacts) {
    const begin = facts.begin_search;
    const find = facts.find_keys;
    this.flags = keyFlagBits(facts.flags);
    this.begin =
      begin.type === 'index' ? Begin.Index : begin.type === 'keyword' ? Begin.Keyword : Begin.Unknown;
    this.start =
      begin.type === 'index' ? begin.spec.index : begin.type === 'keyword' ? begin.spec.startfrom : 0;
    this.keyword = Buffer.from(begin.type === 'keyword' ? begin.spec.keyword.toUpperCase() : '', 'latin1');
    this.find = find.type === 'range' ? Find.Range : find.type === 'keynum' ? Find.Keynum : Find.Unknown;
    this.lastKey = find.type === 'range' ? find.spec.lastkey : 0;
    this.limit = find.type === 'range' ? find.spec.limit : 0;
    this.keynumIndex = find.type === 'keynum' ? find.spec.keynumidx : 0;
    this.firstKey = find.type === 'keynum' ? find.spec.firstkey : 0;
    this.step = find.type === 'unknown' ? 1 : find.spec.keystep;
  }
}

/** @returns the specifications of a command, in order */
export function compileKeySpecs(facts: CommandFacts): readonly KeySpec[] {
  return facts.key_specs.map((spec) => new KeySpec(spec));
}

/** @returns which parser knows the keys of a command beyond its specifications */
export function keyParserOf(facts: CommandFacts): KeyParser {
  const named = PARSER_OF_COMMAND.get(facts.name);
  if (named !== undefined) return named;
  const keynum = facts.key_specs.some((spec) => spec.find_keys.type === 'keynum');
  return keynum ? KeyParser.Keynum : KeyParser.None;
}

function keyFlagBits(words: readonly string[]): number {
  let bits = 0;
  for (const word of words) {
    const index = (KEY_FLAG_NAMES as readonly string[]).indexOf(word);
    if (index < 0) throw new Error(`unknown key flag ${word}`);
    bits |= 1 << index;
  }
  return bits;
}
