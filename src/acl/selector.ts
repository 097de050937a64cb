// A selector: one set of permissions of a user, for commands, keys and channels. What a request needs, one selector
// must allow all of: those of a user are tried one after the other (permissions.ts).
//
//   commands   a byte per command id; the rules that led there are kept, in their order, for ACL LIST
//   first args commands that may run with one of these words behind their names only (`+select|0`)
//   keys       glob patterns, each for reading, writing or both
//   channels   glob patterns
//
// Rules are as Redis 7.4 has them: https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/

import { aclCategoryBit, type Command } from '../commands/table.ts';
import { asciiLower, quote, splitArguments } from '../config/tokenize.ts';
import type { RuleCommands } from './rule-commands.ts';
import { RuleError } from './rule-errors.ts';
import { cString, hasSpaces } from './rule-text.ts';

/** Bits of what may be done with a key. */
export const KeyAccess = { Read: 1, Write: 2, All: 3 } as const;

export interface KeyPattern {
  /** Bits of KeyAccess. */
  access: number;
  readonly text: string;
  readonly bytes: Buffer;
}

export interface ChannelPattern {
  readonly text: string;
  readonly bytes: Buffer;
}

/** A selector as data that any thread can be sent. */
export interface SelectorData {
  /** Whether rules begin with +@all, so that commands of later versions are allowed. */
  readonly future: boolean;
  readonly rules: readonly string[];
  readonly allKeys: boolean;
  readonly keys: readonly { readonly access: number; readonly text: string }[];
  readonly allChannels: boolean;
  readonly channels: readonly string[];
}

export class Selector {
  /** Every command, without a look at `allowed`. */
  allCommands = false;
  future = false;
  allKeys = false;
  allChannels: boolean;
  /** By id of the command: 1 allowed. */
  readonly allowed: Uint8Array;
  /** By id of the command: words, in lower case; null for none at all. */
  firstArgs: Map<number, string[]> | null = null;
  /** Without +@all or -@all in front: `+get`, `-@dangerous`, in the order in which they count. */
  rules: string[] = [];
  keys: KeyPattern[] = [];
  channels: ChannelPattern[] = [];
  readonly #commands: RuleCommands;

  /** May do nothing. @param allChannels but that: acl-pubsub-default */
  constructor(commands: RuleCommands, allChannels: boolean) {
    this.#commands = commands;
    this.allowed = new Uint8Array(commands.all.length);
    this.allChannels = allChannels;
  }

  /** Whether nothing is denied. */
  get unlimited(): boolean {
    return this.allCommands && this.allKeys && this.allChannels;
  }

  /**
   * The selector that rules in parentheses describe.
   * @param text with the parentheses
   * @returns what is wrong with it if anything is
   */
  static parse(commands: RuleCommands, allChannels: boolean, text: string): Selector | RuleError {
    const selector = new Selector(commands, allChannels);
    // Redis takes unbalanced quotes for no rules at all.
    for (const rule of splitArguments(text.slice(1, -1)) ?? []) {
      const error = selector.set(rule);
      if (error !== null) return error;
    }
    return selector;
  }

  static restore(commands: RuleCommands, data: SelectorData): Selector {
    const selector = new Selector(commands, data.allChannels);
    selector.#setAll(data.future);
    for (const rule of data.rules) {
      if (selector.set(rule) !== null) throw new Error(`rule '${rule}' was valid elsewhere`);
    }
    selector.allKeys = data.allKeys;
    selector.keys = data.keys.map(({ access, text }) => ({
      access,
      text,
      bytes: Buffer.from(text, 'latin1'),
    }));
    selector.channels = data.channels.map((text) => ({ text, bytes: Buffer.from(text, 'latin1') }));
    return selector;
  }

  data(): SelectorData {
    return {
      future: this.future,
      rules: [...this.rules],
      allKeys: this.allKeys,
      keys: this.keys.map(({ access, text }) => ({ access, text })),
      allChannels: this.allChannels,
      channels: this.channels.map(({ text }) => text),
    };
  }

  /** Applies one rule. @returns what is wrong with it, null if nothing; then nothing has changed */
  set(rule: string): RuleError | null {
    switch (asciiLower(cString(rule))) {
      case 'allkeys':
      case '~*':
        this.allKeys = true;
        this.keys = [];
        return null;
      case 'resetkeys':
        this.allKeys = false;
        this.keys = [];
        return null;
      case 'allchannels':
      case '&*':
        this.allChannels = true;
        this.channels = [];
        return null;
      case 'resetchannels':
        this.allChannels = false;
        this.channels = [];
        return null;
      case 'allcommands':
      case '+@all':
        this.#setAll(true);
        return null;
      case 'nocommands':
      case '-@all':
        this.#setAll(false);
        return null;
    }
    switch (rule[0]) {
      case '~':
        return this.#addKeyPattern(KeyAccess.All, rule.slice(1));
      case '%':
        return this.#addAccessPattern(rule);
      case '&':
        return this.#addChannel(rule.slice(1));
      case '+':
      case '-':
        return this.#changeCommands(rule[0] === '+', cString(rule.slice(1)));
      default:
        return RuleError.Syntax;
    }
  }

  // ---- what ACL GETUSER and ACL LIST print ----

  describeCommands(): string {
    return [this.future ? '+@all' : '-@all', ...this.rules].join(' ');
  }

  describeKeys(): string {
    return this.allKeys ? '~*' : this.#keyWords().join(' ');
  }

  describeChannels(): string {
    return this.allChannels ? '&*' : this.channels.map(({ text }) => `&${text}`).join(' ');
  }

  /**
   * All rules in parentheses. A word that would not be read back as it is has quotes round it there; Redis, which writes it
   * without, reads another rule from its own file.
   */
  describeInside(): string {
    return `(${this.words()
      .map((word) => (/["']|\)$/.test(word) ? quote(word) : word))
      .join(' ')})`;
  }

  /** All rules, as ACL SETUSER takes them. */
  words(): string[] {
    return [
      ...(this.allKeys ? ['~*'] : this.#keyWords()),
      ...(this.allChannels ? ['&*'] : ['resetchannels', ...this.channels.map(({ text }) => `&${text}`)]),
      this.describeCommands(),
    ];
  }

  /** `%RW~*` beside other patterns is shown as such: behind `~*`, as Redis shows it, no other pattern could be read. */
  #keyWords(): string[] {
    return this.keys.map((pattern) => {
      const all = pattern.text === '*' && pattern.access === KeyAccess.All && this.keys.length > 1;
      return all ? '%RW~*' : patternText(pattern);
    });
  }

  // ---- keys and channels ----

  /** `%R~pattern`, `%W~pattern`, `%RW~pattern`; without a tilde the pattern is empty. */
  #addAccessPattern(rule: string): RuleError | null {
    if (this.allKeys) return RuleError.AfterAllKeys;
    let access = 0;
    let at = 1;
    for (; at < rule.length && rule[at] !== '~'; at++) {
      const letter = rule[at]!.toUpperCase();
      const bit = letter === 'R' ? KeyAccess.Read : letter === 'W' ? KeyAccess.Write : 0;
      if (bit === 0 || (access & bit) !== 0) return RuleError.Syntax;
      access |= bit;
    }
    return access === 0 ? RuleError.Syntax : this.#addKeyPattern(access, rule.slice(at + 1));
  }

  #addKeyPattern(access: number, text: string): RuleError | null {
    if (this.allKeys) return RuleError.AfterAllKeys;
    if (hasSpaces(text)) return RuleError.Syntax;
    const known = this.keys.find((pattern) => pattern.text === text);
    if (known !== undefined) known.access |= access;
    else this.keys.push({ access, text, bytes: Buffer.from(text, 'latin1') });
    return null;
  }

  #addChannel(text: string): RuleError | null {
    if (this.allChannels) return RuleError.AfterAllChannels;
    if (hasSpaces(text)) return RuleError.Syntax;
    if (!this.channels.some((pattern) => pattern.text === text))
      this.channels.push({ text, bytes: Buffer.from(text, 'latin1') });
    return null;
  }

  // ---- commands ----

  #setAll(allow: boolean): void {
    this.allowed.fill(allow ? 1 : 0);
    this.allCommands = allow;
    this.future = allow;
    this.rules = [];
    this.firstArgs = null;
  }

  /** @param name behind the sign: `get`, `config|get`, `select|0`, `@read` */
  #changeCommands(allow: boolean, name: string): RuleError | null {
    if (name.startsWith('@')) return this.#changeCategory(allow, name);
    const bar = name.lastIndexOf('|');
    const command = this.#commands.find(name);
    if (!allow || bar < 0) {
      if (command === null) return RuleError.Unknown;
      this.#change(command, allow);
      this.#addRule(allow, command.name);
      return null;
    }
    const container = this.#commands.find(name.slice(0, bar));
    if (container === null) return RuleError.Unknown;
    if (container.container !== null) return RuleError.FirstArgOfSubcommand;
    if (bar === name.length - 1) return RuleError.Syntax;
    if (this.#commands.subcommandsOf(container).length === 0)
      this.#addFirstArg(container, asciiLower(name.slice(bar + 1)));
    else if (command === null) return RuleError.Unknown;
    else this.#change(command, true);
    this.#addRule(true, asciiLower(name));
    return null;
  }

  #changeCategory(allow: boolean, name: string): RuleError | null {
    const bit = aclCategoryBit(name.slice(1));
    if (bit === 0) return RuleError.Unknown;
    for (const command of this.#commands.all)
      if ((command.categories & bit) !== 0) this.#change(command, allow);
    this.#addRule(allow, asciiLower(name));
    return null;
  }

  /** Allows or denies a command, with its subcommands. */
  #change(command: Command, allow: boolean): void {
    this.#changeOne(command, allow);
    for (const sub of this.#commands.subcommandsOf(command)) this.#changeOne(sub, allow);
    this.firstArgs?.delete(command.id);
  }

  #changeOne({ id }: Command, allow: boolean): void {
    this.allowed[id] = allow ? 1 : 0;
    if (!allow) this.allCommands = false;
  }

  #addFirstArg({ id }: Command, word: string): void {
    this.firstArgs ??= new Map();
    const words = this.firstArgs.get(id);
    if (words === undefined) this.firstArgs.set(id, [word]);
    else if (!words.includes(word)) words.push(word);
  }

  /** The newest rule on something replaces older ones on the same, or on its subcommands. */
  #addRule(allow: boolean, name: string): void {
    this.rules = this.rules.filter((rule) => {
      const old = rule.slice(1);
      return old !== name && !old.startsWith(`${name}|`);
    });
    this.rules.push(`${allow ? '+' : '-'}${name}`);
  }
}

function patternText({ access, text }: KeyPattern): string {
  const sign = access === KeyAccess.All ? '~' : access === KeyAccess.Read ? '%R~' : '%W~';
  return sign + text;
}
