/**
 * Values: from the words of a line or of CONFIG SET to what the server works with, and to the text that CONFIG GET
 * prints. One `Setting` holds both; a reader for each type makes it or says in Redis's words why not.
 *
 * Directives of several words, or with a language of their own, are in `multi-values.ts`.
 */

import { resolve } from 'node:path';
import { accessSync, constants, realpathSync, statSync } from '../file-system.ts';
import type { Directive } from './directives.ts';
import { type MultiValue, readMulti } from './multi-values.ts';
import { parseInteger, parseMemory, readInteger } from './numbers.ts';
import { isProcTitleTemplate, type ProcTitleFacts } from './proc-title.ts';
import { strerror } from './system-error.ts';
import { asciiLower, toUtf8 } from './tokenize.ts';

/** The value of one directive. */
export interface Setting {
  /**
   * boolean; number (a percentage is negative: -5 is 5%; over 2^53 rounded); text as JavaScript has it (string, enum);
   * for `multi`, see `MultiValues`.
   */
  readonly value: boolean | number | string | MultiValue;
  /** What CONFIG GET prints, one character per byte; also what reads back to the same value. */
  readonly text: string;
}

/** What reading a value depends on beside its words. */
export interface ReadContext {
  /** Absolute path that a relative `dir` starts from, one character per byte. */
  readonly cwd: string;
  /** Lines of `save` in a file add up; undefined for CONFIG SET, where each replaces all. */
  readonly file: FileState | undefined;
  readonly procTitle: ProcTitleFacts;
}

/** What is remembered from line to line of a configuration that is being loaded. */
export interface FileState {
  /** The first `save` drops the defaults. */
  saveSeen: boolean;
}

/** The setting, or the reason that Redis gives for refusing it. */
export type ReadResult = Setting | string;

/**
 * Reads the words of a directive.
 * @param words without the directive's name, one character per byte
 * @param current the value before, which some directives change in part
 */
export function readSetting(
  directive: Directive,
  words: readonly string[],
  current: Setting,
  context: ReadContext,
): ReadResult {
  if (directive.type === 'multi') {
    return readMulti(directive, words.map(untilNul), current.value as MultiValue, context.file);
  }
  if (directive.type === 'enum') return readEnum(directive, words.map(untilNul));
  if (words.length !== 1) return 'wrong number of arguments';
  const word = words[0]!;
  if (directive.type === 'bool') return readBool(untilNul(word));
  if (directive.type === 'string')
    return readString(directive, directive.binary ? word : untilNul(word), context);
  return readNumber(directive, word);
}

/** A C string ends at its first NUL. */
function untilNul(word: string): string {
  const end = word.indexOf('\0');
  return end < 0 ? word : word.slice(0, end);
}

/**
 * The setting of a text that `Setting.text` held before, such as a default or a value from another thread. Never
 * touches files.
 * @throws on a text that was never printed: a bug
 */
export function settingOfText(directive: Directive, text: string, initial: Setting): Setting {
  if (directive.name === 'dir') return { value: toUtf8(text), text };
  if (directive.name === 'replicaof' && text === '') return { value: null, text };
  const words = directive.multiArg ? splitWords(text) : [text];
  const context = { cwd: '/', file: undefined, procTitle: ANY_TITLE };
  const result = readSetting(directive, words, initial, context);
  if (typeof result === 'string') throw new Error(`${directive.name} '${text}': ${result}`);
  return result;
}

const ANY_TITLE: ProcTitleFacts = { unixSocket: 'x', configFile: 'x', clusterEnabled: true };

/** `sdssplitlen` at every space: CONFIG SET's way to words. Nothing gives no word. */
export function splitWords(text: string): string[] {
  return text === '' ? [] : text.split(' ');
}

function readBool(word: string): ReadResult {
  const text = asciiLower(word);
  if (text !== 'yes' && text !== 'no') return "argument must be 'yes' or 'no'";
  return { value: text === 'yes', text };
}

/* Numbers */

function readNumber(directive: Directive, word: string): ReadResult {
  const parsed = parseNumber(directive, word);
  if (typeof parsed === 'string') return parsed;
  const refused = checkBounds(directive, parsed);
  if (refused !== null) return refused;
  const stored = directive.unsigned ? BigInt.asUintN(64, parsed) : parsed;
  if (directive.percent && stored < 0n) return { value: Number(stored), text: `${-stored}%` };
  return { value: Number(stored), text: directive.octal ? stored.toString(8) : String(stored) };
}

/** `numericParseString`: a signed number of 64 bits, or the error. */
function parseNumber(directive: Directive, word: string): bigint | string {
  if (directive.type === 'memory') {
    const bytes = parseMemory(untilNul(word));
    if (bytes !== null) return BigInt.asIntN(64, bytes);
    if (!directive.percent) return 'argument must be a memory value';
    const percent = word.endsWith('%') ? parseInteger(word.slice(0, -1)) : null;
    if (percent === null || percent < 0n) return 'argument must be a memory or percent value';
    return -percent;
  }
  if (directive.octal) {
    const { value, all, overflow } = readInteger(untilNul(word), 8);
    return all && !overflow ? value : "argument couldn't be parsed as an octal number";
  }
  return parseInteger(word) ?? "argument couldn't be parsed into an integer";
}

/** `numericBoundaryCheck`: null, or the error. */
function checkBounds(directive: Directive, value: bigint): string | null {
  const { min, max } = directive;
  if (directive.percent && value < 0n) {
    return value < min ? `percentage argument must be less or equal to ${-min}` : null;
  }
  const compared = directive.unsigned ? BigInt.asUintN(64, value) : value;
  if (compared >= min && compared <= max) return null;
  const radix = directive.octal ? 8 : 10;
  return `argument must be between ${min.toString(radix)} and ${max.toString(radix)} inclusive`;
}

/* Enums */

/**
 * One spelling, in any case; of shutdown-on-sigint and -sigterm several, printed in the table's order.
 */
function readEnum(directive: Directive, words: readonly string[]): ReadResult {
  const chosen = words.map((word) => directive.values.indexOf(asciiLower(word)));
  if (chosen.length === 0 || chosen.includes(-1) || (!directive.multiArg && chosen.length !== 1)) {
    return `argument(s) must be one of the following: ${directive.values.join(', ')}`;
  }
  if (!directive.multiArg) {
    const spelled = directive.values[chosen[0]!]!;
    const text = Object.hasOwn(directive.same, spelled) ? directive.same[spelled]! : spelled;
    return { value: text, text };
  }
  return readFlags(directive, chosen);
}

/** Values of a set of flags: the first is none of them, and 'save' and 'nosave' exclude each other. */
function readFlags(directive: Directive, chosen: readonly number[]): ReadResult {
  const names = directive.values.filter((_, index) => index !== 0 && chosen.includes(index));
  if (names.includes('save') && names.includes('nosave')) {
    return "shutdown options SAVE and NOSAVE can't be used simultaneously";
  }
  const text = names.length === 0 ? directive.values[0]! : names.join(' ');
  return { value: text, text };
}

/* Strings */

function readString(directive: Directive, word: string, context: ReadContext): ReadResult {
  if (directive.name === 'dir') return readDirectory(word, context.cwd);
  const refused = checkString(directive, word, context);
  return refused ?? { value: toUtf8(word), text: word };
}

const HOST_NAME_MAX = 256;

function checkString(directive: Directive, word: string, context: ReadContext): string | null {
  switch (directive.name) {
    case 'dbfilename':
      return isBaseName(word) ? null : "dbfilename can't be a path, just a filename";
    case 'appendfilename':
      if (word === '') return "appendfilename can't be empty";
      return isBaseName(word) ? null : "appendfilename can't be a path, just a filename";
    case 'appenddirname':
      if (word === '') return "appenddirname can't be empty";
      return isBaseName(word) ? null : "appenddirname can't be a path, just a dirname";
    case 'cluster-announce-hostname':
      if (word.length >= HOST_NAME_MAX) return `Hostnames must be less than ${HOST_NAME_MAX} characters`;
      if (/^[A-Za-z0-9.-]*$/.test(word)) return null;
      return 'Hostnames may only contain alphanumeric characters, hyphens or dots';
    case 'cluster-announce-human-nodename':
      return /[!#$%&()*+:;<>?@[\]^{|}~]/.test(word)
        ? 'Announced human node name contained invalid character'
        : null;
    case 'proc-title-template':
      return isProcTitleTemplate(word, context.procTitle)
        ? null
        : 'template format is invalid or contains unknown variables';
    default:
      return null;
  }
}

function isBaseName(path: string): boolean {
  return !path.includes('/') && !path.includes('\\');
}

/**
 * A directory to work in: what `chdir` would say, without doing it, since a whole process has one working directory
 * and only the supervisor may change it.
 */
function readDirectory(word: string, cwd: string): ReadResult {
  if (word === '') return strerror(Object.assign(new Error(), { code: 'ENOENT' }));
  const path = Buffer.from(resolve(cwd, word), 'latin1');
  try {
    if (!statSync(path).isDirectory()) return strerror(Object.assign(new Error(), { code: 'ENOTDIR' }));
    accessSync(path, constants.X_OK);
    const text = realpathSync(path, 'latin1');
    return { value: toUtf8(text), text };
  } catch (error) {
    return strerror(error);
  }
}
