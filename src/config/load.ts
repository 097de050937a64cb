/**
 * Loading a configuration: the file, then standard input, then the arguments, read as one text, line by line.
 *
 *     save 60 1000            a directive and its words
 *     include conf.d/*.conf   another text, in place, with line numbers of its own
 *     rename-command, user, loadmodule, module.setting: handed to whoever loads
 *
 * The first bad line ends it with a `ConfigError`. Relative paths in `include`, `dir` and `logfile` start from the
 * working directory, or from the `dir` of an earlier line, as in Redis, which changes its directory at once; here only
 * the path is followed, and the supervisor changes to `dir` when all is read.
 *
 * Left to the server: loading modules (none can be), the users' rules and the table of commands, through `LoadHooks`.
 */

import { resolve } from 'node:path';
import { closeSync, openSync, readFileSync, readSync } from '../file-system.ts';
import { ConfigError, ConfigErrorKind } from './config-error.ts';
import { type Directive, findDirective, IGNORED_DIRECTIVES } from './directives.ts';
import { expandGlob, isGlob } from './include-glob.ts';
import { clampHz } from './set.ts';
import { ConfigStore } from './store.ts';
import { strerror } from './system-error.ts';
import { asciiLower, fromUtf8, splitArguments, toUtf8, trimLine } from './tokenize.ts';
import { type FileState, readSetting } from './values.ts';

/** Where a configuration comes from. */
export interface ConfigSource {
  /** Absolute path, or null. */
  readonly configFile: string | null;
  readonly fromStdin: boolean;
  /** Lines made of the arguments, one character per byte; null for none at all. */
  readonly options: string | null;
  /** Absolute; process.cwd() by default. */
  readonly cwd?: string;
}

/** What the server checks line by line. Each answers null, or the reason why the start must end. */
export interface LoadHooks {
  /** `to` is '' to remove the command. Called in the file's order, so a renamed command is known by its new name. */
  renameCommand?(from: string, to: string): string | null;
  /** @param words name and rules, one character per byte */
  defineUser?(words: readonly string[]): string | null;
  /** A line of the log: '*' notice, '#' warning. */
  log?(level: '*' | '#', message: string): void;
}

export interface LoadedConfig {
  readonly store: ConfigStore;
  /** In order; checked by the hook where there is one. */
  readonly renames: readonly { readonly from: string; readonly to: string }[];
  readonly users: readonly (readonly string[])[];
  /** Path and arguments of each loadmodule line. */
  readonly modules: readonly (readonly string[])[];
  /** Settings of modules, by name with its dot. */
  readonly moduleSettings: ReadonlyMap<string, string>;
}

const INCLUDE_DEPTH_MAX = 64;

/**
 * Reads everything.
 * @throws ConfigError, and nothing else
 */
export function loadConfig(source: ConfigSource, hooks: LoadHooks = {}): LoadedConfig {
  const loader = new Loader(source, hooks);
  loader.load();
  return loader;
}

class Loader implements LoadedConfig {
  readonly store: ConfigStore;
  readonly renames: { from: string; to: string }[];
  readonly users: string[][];
  readonly modules: string[][];
  readonly moduleSettings: Map<string, string>;
  private readonly source: ConfigSource;
  private readonly hooks: LoadHooks;
  private readonly file: FileState;
  private includeDepth: number;

  constructor(source: ConfigSource, hooks: LoadHooks) {
    this.store = new ConfigStore(source.configFile, source.cwd ?? process.cwd());
    this.renames = [];
    this.users = [];
    this.modules = [];
    this.moduleSettings = new Map();
    this.source = source;
    this.hooks = hooks;
    this.file = { saveSeen: false };
    this.includeDepth = 0;
  }

  load(): void {
    let text = '';
    if (this.source.configFile !== null) text += readFile(fromUtf8(this.source.configFile));
    if (this.source.fromStdin) {
      this.hooks.log?.('*', 'Reading config from stdin');
      text += readStandardInput();
    }
    if (this.source.options !== null) text += `\n${this.source.options}`;
    this.readText(text);
  }

  private readText(text: string): void {
    const lines = text.split('\n');
    for (let i = 0; i < lines.length; i++) {
      const line = trimLine(lines[i]!);
      if (line === '' || line.startsWith('#')) continue;
      const refused = this.readLine(line);
      if (refused !== null) throw new ConfigError(ConfigErrorKind.Line, refused, { line: i + 1, text: line });
    }
    this.checkWhole();
  }

  /** Null, or why the line is bad. */
  private readLine(line: string): string | null {
    const words = splitArguments(line);
    if (words === null) return 'Unbalanced quotes in configuration line';
    if (words.length === 0) return null;
    const name = asciiLower(words[0]!);
    const rest = words.slice(1);
    const directive = findDirective(name);
    if (directive !== undefined) return this.setDirective(directive, rest);
    if (IGNORED_DIRECTIVES.has(name) && rest.length === 1) return null;
    return this.readFileOnly(name, rest);
  }

  private setDirective(directive: Directive, words: readonly string[]): string | null {
    if (!directive.multiArg && words.length !== 1) return 'wrong number of arguments';
    // One word that holds spaces stands for several: --save "3600 1".
    const oneOfMany = directive.multiArg && words.length === 1 && words[0] !== '';
    const read = readSetting(
      directive,
      oneOfMany ? (splitArguments(words[0]!) ?? []) : words,
      this.store.getSetting(directive.name),
      {
        cwd: this.store.getText('dir'),
        file: this.file,
        procTitle: {
          unixSocket: this.store.getText('unixsocket'),
          configFile: fromUtf8(this.store.configFile ?? ''),
          clusterEnabled: this.store.getBool('cluster-enabled'),
        },
      },
    );
    if (typeof read === 'string') return read;
    this.store.replace(directive.name, read);
    this.store.markGiven(directive.name);
    return null;
  }

  /** Lines that are no directives of CONFIG SET. */
  private readFileOnly(name: string, words: string[]): string | null {
    if (name === 'include' && words.length === 1) return this.include(words[0]!);
    if (name === 'rename-command' && words.length === 2) {
      const [from, to] = words as [string, string];
      this.renames.push({ from, to });
      return this.hooks.renameCommand?.(from, to) ?? null;
    }
    if (name === 'user' && words.length >= 1) {
      this.users.push(words);
      return this.hooks.defineUser?.(words) ?? null;
    }
    if (name === 'loadmodule' && words.length >= 1) {
      this.modules.push(words);
      return null;
    }
    if (name.includes('.')) {
      if (words.length === 0) return 'Module config specified without value';
      this.moduleSettings.set(name, words.join(' '));
      return null;
    }
    if (name === 'sentinel' && words.length > 0) return 'sentinel directive while not in sentinel mode';
    return 'Bad directive or wrong number of arguments';
  }

  /** Redis follows an include of itself until it crashes; here it is a bad line. */
  private include(path: string): string | null {
    if (this.includeDepth === INCLUDE_DEPTH_MAX)
      return `include nested deeper than ${INCLUDE_DEPTH_MAX} files`;
    const absolute = resolve(this.store.getText('dir'), path);
    let text = '';
    if (isGlob(path)) for (const file of expandGlob(absolute)) text += readFile(file);
    else text = readFile(absolute, path);
    this.includeDepth++;
    this.readText(text);
    this.includeDepth--;
    return null;
  }

  /** What must hold at the end of every text, included ones too. */
  private checkWhole(): void {
    const { store } = this;
    const logFile = store.getText('logfile');
    if (logFile !== '') checkLogFile(resolve(this.source.cwd ?? process.cwd(), logFile));
    const cluster = store.getBool('cluster-enabled');
    if (cluster && store.getMulti('replicaof') !== null) {
      throw new ConfigError(ConfigErrorKind.Line, 'replicaof directive not allowed in cluster mode');
    }
    const databases = store.getInt('databases');
    if (cluster && databases > 1) {
      this.hooks.log?.(
        '#',
        `WARNING: Changing databases number from ${databases} to 1 since we are in cluster mode`,
      );
      store.replace('databases', { value: 1, text: '1' });
    }
    store.replace('hz', clampHz(store.getSetting('hz')));
  }
}

/** Opens the log file once, since later nothing can be done about it. It is created, as Redis does. */
function checkLogFile(path: string): void {
  try {
    closeSync(openSync(Buffer.from(path, 'latin1'), 'a', 0o666));
  } catch (error) {
    throw new ConfigError(ConfigErrorKind.Line, `Can't open the log file: ${strerror(error)}`);
  }
}

/** @param shown the path as the error names it */
function readFile(path: string, shown = path): string {
  try {
    return asText(readFileSync(Buffer.from(path, 'latin1')));
  } catch (error) {
    const message = `Fatal error, can't open config file '${toUtf8(shown)}': ${strerror(error)}`;
    throw new ConfigError(ConfigErrorKind.File, message);
  }
}

const WAIT_MS = 10;

/** All of standard input, also where it is a terminal or pipe that does not block. */
function readStandardInput(): string {
  const pieces: Buffer[] = [];
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (;;) {
    const piece = Buffer.alloc(64 * 1024);
    try {
      const length = readSync(0, piece);
      if (length === 0) break;
      pieces.push(piece.subarray(0, length));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EOF') break;
      if (code !== 'EAGAIN') {
        throw new ConfigError(
          ConfigErrorKind.File,
          `Fatal error, can't read standard input: ${strerror(error)}`,
        );
      }
      Atomics.wait(pause, 0, 0, WAIT_MS);
    }
  }
  return asText(Buffer.concat(pieces));
}

const CHUNK_BYTES = 1024;

/**
 * Bytes as Redis reads them: by `fgets` into 1024 bytes, of which `sdscat` keeps what stands before a NUL. So a NUL
 * swallows the rest of its line, line end included.
 */
function asText(bytes: Buffer): string {
  if (!bytes.includes(0)) return bytes.toString('latin1');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const lineEnd = bytes.indexOf(10, at);
    const end = Math.min(lineEnd < 0 ? bytes.length : lineEnd + 1, at + CHUNK_BYTES);
    const nul = bytes.indexOf(0, at);
    text += bytes.toString('latin1', at, nul >= 0 && nul < end ? nul : end);
    at = end;
  }
  return text;
}
