// A user: whether it may log in, with which passwords, and what it may do (selectors). ACL SETUSER's rules change it.

import type { Identity, UserDescription } from '../commands/identity.ts';
import { asciiLower, quote } from '../config/tokenize.ts';
import { hashPassword, isPasswordHash, passwordMatches } from './password.ts';
import type { RuleCommands } from './rule-commands.ts';
import { RuleError } from './rule-errors.ts';
import { cString, mergeSelectors } from './rule-text.ts';
import { Selector, type SelectorData } from './selector.ts';

/** A user as data that any thread can be sent. */
export interface UserData {
  readonly id: number;
  readonly name: string;
  readonly enabled: boolean;
  readonly noPassword: boolean;
  readonly skipSanitize: boolean;
  readonly passwords: readonly string[];
  readonly selectors: readonly SelectorData[];
}

/** What a user's rules need to know of the server. */
export interface RuleContext {
  readonly commands: RuleCommands;
  /** acl-pubsub-default: whether new permissions hold for all channels. */
  readonly allChannels: boolean;
}

export class AclUser implements Identity {
  readonly name: string;
  readonly id: number;
  unlimited = false;
  enabled = false;
  noPassword = false;
  /** RESTORE may trust its payloads. They are checked all the same. */
  skipSanitize = false;
  /** SHA-256, hexadecimal. */
  passwords: string[] = [];
  /** The first is the user's own, those in parentheses follow. */
  selectors: Selector[];

  /** A user as it is created: off, without a password, allowed nothing. */
  constructor(id: number, name: string, context: RuleContext) {
    this.id = id;
    this.name = name;
    this.selectors = [new Selector(context.commands, context.allChannels)];
  }

  static restore(data: UserData, context: RuleContext): AclUser {
    const user = new AclUser(data.id, data.name, context);
    user.assign(data, context);
    return user;
  }

  /** Takes over all but name and id. */
  assign(data: Omit<UserData, 'id' | 'name'>, { commands }: RuleContext): void {
    this.enabled = data.enabled;
    this.noPassword = data.noPassword;
    this.skipSanitize = data.skipSanitize;
    this.passwords = [...data.passwords];
    this.selectors = data.selectors.map((selector) => Selector.restore(commands, selector));
    this.#judge();
  }

  data(): UserData {
    return {
      id: this.id,
      name: this.name,
      enabled: this.enabled,
      noPassword: this.noPassword,
      skipSanitize: this.skipSanitize,
      passwords: [...this.passwords],
      selectors: this.selectors.map((selector) => selector.data()),
    };
  }

  /** Whether somebody may log in as this user with this password. */
  accepts(password: Uint8Array): boolean {
    // Also where the answer is known: how long it takes must not tell whether there is such a user.
    const matches = passwordMatches(password, this.passwords);
    return this.enabled && (this.noPassword || matches);
  }

  /**
   * Applies rules, all or none.
   * @returns what ACL SETUSER says is wrong, null if nothing is
   */
  setAll(rules: readonly string[], context: RuleContext): string | null {
    const merging = mergeSelectors(rules);
    if ('open' in merging)
      return `Unmatched parenthesis in acl selector starting at '${cString(merging.open)}'.`;
    const draft = AclUser.restore(this.data(), context);
    for (const rule of merging.merged) {
      const error = draft.set(rule, context);
      if (error !== null) return `Error in ACL SETUSER modifier '${cString(rule)}': ${error}`;
    }
    this.assign(draft.data(), context);
    return null;
  }

  /** Applies one rule. @returns what is wrong with it, null if nothing */
  set(rule: string, context: RuleContext): RuleError | null {
    const error = this.#set(rule, context);
    this.#judge();
    return error;
  }

  #set(rule: string, context: RuleContext): RuleError | null {
    if (rule === '') return null;
    switch (asciiLower(cString(rule))) {
      case 'on':
        this.enabled = true;
        return null;
      case 'off':
        this.enabled = false;
        return null;
      case 'skip-sanitize-payload':
        this.skipSanitize = true;
        return null;
      case 'sanitize-payload':
        this.skipSanitize = false;
        return null;
      case 'nopass':
        this.noPassword = true;
        this.passwords = [];
        return null;
      case 'resetpass':
        this.noPassword = false;
        this.passwords = [];
        return null;
      case 'clearselectors':
        this.selectors.length = 1;
        return null;
      case 'reset':
        this.#reset(context);
        return null;
    }
    switch (rule[0]) {
      case '>':
        return this.#addPassword(hashOf(rule));
      case '#':
        return isPasswordHash(rule.slice(1)) ? this.#addPassword(rule.slice(1)) : RuleError.BadHash;
      case '<':
        return this.#removePassword(hashOf(rule));
      case '!':
        return isPasswordHash(rule.slice(1)) ? this.#removePassword(rule.slice(1)) : RuleError.BadHash;
    }
    if (!rule.startsWith('(') || !rule.endsWith(')')) return this.selectors[0]!.set(rule);
    const selector = Selector.parse(context.commands, context.allChannels, rule);
    if (typeof selector === 'string') return selector;
    this.selectors.push(selector);
    return null;
  }

  /** As it was created, but for its name. */
  #reset({ commands, allChannels }: RuleContext): void {
    this.enabled = false;
    this.noPassword = false;
    this.skipSanitize = false;
    this.passwords = [];
    this.selectors = [new Selector(commands, allChannels)];
  }

  #addPassword(hash: string): null {
    if (!this.passwords.includes(hash)) this.passwords.push(hash);
    this.noPassword = false;
    return null;
  }

  #removePassword(hash: string): RuleError | null {
    const index = this.passwords.indexOf(hash);
    if (index < 0) return RuleError.NoSuchPassword;
    this.passwords.splice(index, 1);
    return null;
  }

  #judge(): void {
    this.unlimited = this.selectors.some((selector) => selector.unlimited);
  }

  /** The words of ACL GETUSER's flags. */
  get flags(): string[] {
    const flags = [this.enabled ? 'on' : 'off'];
    if (this.noPassword) flags.push('nopass');
    flags.push(this.skipSanitize ? 'skip-sanitize-payload' : 'sanitize-payload');
    return flags;
  }

  describe(): UserDescription {
    return {
      flags: this.flags,
      passwords: this.passwords,
      selectors: this.selectors.map((selector) => ({
        commands: selector.describeCommands(),
        keys: selector.describeKeys(),
        channels: selector.describeChannels(),
      })),
    };
  }

  /** The line of ACL LIST and of the aclfile. */
  line(): string {
    return ['user', ...this.#words()].join(' ');
  }

  /** Name and rules as a configuration file takes them, where quotes are read. */
  configLine(): string {
    return this.#words()
      .map((word) => (/["']/.test(word) ? quote(word) : word))
      .join(' ');
  }

  #words(): string[] {
    const [own, ...others] = this.selectors;
    const passwords = this.passwords.map((hash) => `#${hash}`);
    const selectors = others.map((selector) => selector.describeInside());
    return [this.name, ...this.flags, ...passwords, ...own!.words(), ...selectors];
  }
}

/** Of a rule with a password in plain text. */
function hashOf(rule: string): string {
  return hashPassword(Buffer.from(rule.slice(1), 'latin1'));
}
