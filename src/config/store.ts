/**
 * The configuration in force: every directive's value, typed getters, and who must be told of a change.
 *
 * The supervisor holds the one that counts; each other thread holds a copy (`serialize`, `restore`) that it keeps up
 * to date with the changes that the first one's `onCommit` hands out (`applyChange`).
 *
 *     supervisor:  configSet ─▶ hooks: validate, apply ─▶ onCommit ──message──▶ thread: applyChange ─▶ watchers
 *
 * Reading is a map look-up. What is needed per command is better kept in a field, and renewed by `watch`.
 *
 * CONFIG SET, GET and REWRITE are `set.ts`, `get.ts` and `rewrite.ts`; reading files is `load.ts`.
 */

import {
  type BoolName,
  DIRECTIVES,
  type DirectiveName,
  type EnumName,
  findDirective,
  type IntName,
  type MemoryName,
  type MultiName,
  type StringName,
} from './directives.ts';
import type { MultiValues } from './multi-values.ts';
import { fromUtf8 } from './tokenize.ts';
import { type Setting, settingOfText } from './values.ts';

/** A change of one directive: its name and the text of its new value, one character per byte. */
export interface ConfigChange {
  readonly name: DirectiveName;
  readonly text: string;
}

/** A whole configuration as data that any thread can be sent. */
export interface SerializedConfig {
  readonly configFile: string | null;
  /** Texts of the directives that differ from their defaults. */
  readonly texts: Readonly<Record<string, string>>;
  /** Those that were given in a file, on standard input or as arguments. */
  readonly given: readonly DirectiveName[];
}

/**
 * What the server does about a directive that is set while it runs. Both answer null, or the reason for which the
 * whole CONFIG SET fails, as it stands behind the dash of Redis's error.
 */
export interface DirectiveHook {
  /** Refuses a value before anything is changed; the store still has the old one. */
  validate?(next: Setting): string | null;
  /** Makes the change real. The store has the new value. After a failure it is called again with the old one. */
  apply?(store: ConfigStore): string | null | Promise<string | null>;
}

export class ConfigStore {
  /** Absolute path of the file that CONFIG REWRITE writes, or null when started without one. */
  readonly configFile: string | null;
  private readonly settings: Map<string, Setting>;
  private readonly hooks: Map<string, DirectiveHook>;
  private readonly watchers: Map<string, ((store: ConfigStore) => void)[]>;
  private readonly commitListeners: ((changes: readonly ConfigChange[]) => void)[];
  private readonly given: Set<DirectiveName>;

  /**
   * All defaults.
   * @param cwd the working directory, which is the default of `dir`; as JavaScript has it
   */
  constructor(configFile: string | null, cwd: string) {
    this.configFile = configFile;
    this.settings = new Map(DEFAULTS);
    this.settings.set('dir', { value: cwd, text: fromUtf8(cwd) });
    this.hooks = new Map();
    this.watchers = new Map();
    this.commitListeners = [];
    this.given = new Set();
  }

  getBool(name: BoolName): boolean {
    return this.settings.get(name)!.value as boolean;
  }

  /** A number; beyond 2^53 rounded. */
  getInt(name: IntName): number {
    return this.settings.get(name)!.value as number;
  }

  /** Bytes; beyond 2^53 rounded. For maxmemory-clients, a negative number is a percentage of maxmemory. */
  getMemory(name: MemoryName): number {
    return this.settings.get(name)!.value as number;
  }

  /** Text as JavaScript has it; '' where nothing is set. */
  getString(name: StringName): string {
    return this.settings.get(name)!.value as string;
  }

  /** The same, as the bytes that were given: for passwords and paths, which need not be UTF-8. */
  getBytes(name: StringName): Buffer {
    return Buffer.from(this.settings.get(name)!.text, 'latin1');
  }

  /** The spelling; for shutdown-on-sigint and -sigterm, several with spaces between. */
  getEnum(name: EnumName): string {
    return this.settings.get(name)!.value as string;
  }

  getMulti<Name extends MultiName>(name: Name): MultiValues[Name] {
    return this.settings.get(name)!.value as MultiValues[Name];
  }

  /** Value and text of any directive. */
  getSetting(name: DirectiveName): Setting {
    return this.settings.get(name)!;
  }

  /** What CONFIG GET prints, one character per byte. */
  getText(name: DirectiveName): string {
    return this.settings.get(name)!.text;
  }

  /** Whether it was given in a file, on standard input or as an argument. */
  wasGiven(name: DirectiveName): boolean {
    return this.given.has(name);
  }

  /** Registers what the server does about a directive; a later hook of the same directive replaces it. */
  hook(name: DirectiveName, hook: DirectiveHook): void {
    this.hooks.set(name, hook);
  }

  hookOf(name: DirectiveName): DirectiveHook | undefined {
    return this.hooks.get(name);
  }

  /** Calls `listener` after each change of a directive is in force, in every thread that has the store or a copy. */
  watch(name: DirectiveName, listener: (store: ConfigStore) => void): void {
    const listeners = this.watchers.get(name);
    if (listeners === undefined) this.watchers.set(name, [listener]);
    else listeners.push(listener);
  }

  /** Calls `listener` with what each successful change holds, to pass on to the other threads. */
  onCommit(listener: (changes: readonly ConfigChange[]) => void): void {
    this.commitListeners.push(listener);
  }

  /** Puts a value in place, and nothing else: the loader's and CONFIG SET's tool. */
  replace(name: DirectiveName, setting: Setting): void {
    this.settings.set(name, setting);
  }

  markGiven(name: DirectiveName): void {
    this.given.add(name);
  }

  /** Announces values that are in place now: to the watchers of this thread, then to the listeners of commits. */
  commit(names: readonly DirectiveName[]): void {
    for (const name of names) this.notifyWatchers(name);
    const changes = names.map((name) => ({ name, text: this.getText(name) }));
    for (const listener of this.commitListeners) listener(changes);
  }

  /**
   * Sets a directive from inside the server, such as REPLICAOF changing `replicaof`: no hooks, but the other threads
   * are told.
   * @param text as CONFIG GET prints it
   * @throws on a text that the directive cannot have
   */
  assign(name: DirectiveName, text: string): void {
    this.replaceText(name, text);
    this.commit([name]);
  }

  /** Takes over a change that the supervisor's store made. */
  applyChange(change: ConfigChange): void {
    this.replaceText(change.name, change.text);
    this.notifyWatchers(change.name);
  }

  serialize(): SerializedConfig {
    const texts: Record<string, string> = {};
    for (const [name, setting] of this.settings) {
      if (name === 'dir' || setting.text !== DEFAULTS.get(name)!.text) texts[name] = setting.text;
    }
    return { configFile: this.configFile, texts, given: [...this.given] };
  }

  /** A copy for another thread. Hooks and listeners are not part of it. */
  static restore(data: SerializedConfig): ConfigStore {
    const store = new ConfigStore(data.configFile, '');
    for (const name of Object.keys(data.texts)) store.replaceText(name, data.texts[name]!);
    for (const name of data.given) store.given.add(name);
    return store;
  }

  private replaceText(name: string, text: string): void {
    const directive = findDirective(name);
    if (directive === undefined) throw new Error(`no directive '${name}'`);
    const setting = settingOfText(directive, text, DEFAULTS.get(directive.name)!);
    this.settings.set(directive.name, setting);
  }

  private notifyWatchers(name: DirectiveName): void {
    const listeners = this.watchers.get(name);
    if (listeners === undefined) return;
    for (const listener of listeners) listener(this);
  }
}

const NOTHING: Setting = { value: null, text: '' };

/** The defaults of all directives; that of `dir` is a stand-in. */
export const DEFAULTS: ReadonlyMap<string, Setting> = new Map(
  DIRECTIVES.map((directive) => [directive.name, settingOfText(directive, directive.default, NOTHING)]),
);
