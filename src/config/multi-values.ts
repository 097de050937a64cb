/**
 * Directives of several words, and those with a language of their own: their values, readers and texts.
 */

import type { Directive, MultiName } from './directives.ts';
import { formatDouble, parseDouble, parseInteger, parseMemory, readInteger } from './numbers.ts';
import { asciiLower, toUtf8 } from './tokenize.ts';
import type { FileState, ReadResult, Setting } from './values.ts';

/** Save a snapshot when `changes` were made and `seconds` have gone by. */
export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

/** A client goes when its replies wait in more than `hard` bytes, or in more than `soft` for `seconds`; 0 is off. */
export interface OutputBufferLimit {
  readonly hard: number;
  readonly soft: number;
  readonly seconds: number;
}

export interface OutputBufferLimits {
  readonly normal: OutputBufferLimit;
  readonly replica: OutputBufferLimit;
  readonly pubsub: OutputBufferLimit;
}

/** What each `multi` directive's value is. */
export interface MultiValues {
  readonly bind: readonly string[];
  readonly save: readonly SavePoint[];
  readonly 'client-output-buffer-limit': OutputBufferLimits;
  readonly 'oom-score-adj-values': readonly [master: number, replica: number, child: number];
  readonly replicaof: { readonly host: string; readonly port: number } | null;
  readonly 'latency-tracking-info-percentiles': readonly number[];
  /** Bits of `NotifyFlag`. */
  readonly 'notify-keyspace-events': number;
  /** Per connection; 0 is no limit. */
  readonly 'client-rate-limit': { readonly commandsPerSecond: number; readonly bytesPerSecond: number };
}

export type MultiValue = MultiValues[MultiName];

/** Bits of notify-keyspace-events, as Redis numbers them. */
export const NotifyFlag = {
  Keyspace: 1 << 0, // K
  Keyevent: 1 << 1, // E
  Generic: 1 << 2, // g
  String: 1 << 3, // $
  List: 1 << 4, // l
  Set: 1 << 5, // s
  Hash: 1 << 6, // h
  Zset: 1 << 7, // z
  Expired: 1 << 8, // x
  Evicted: 1 << 9, // e
  Stream: 1 << 10, // t
  KeyMiss: 1 << 11, // m
  Module: 1 << 13, // d
  New: 1 << 14, // n
} as const;

/** What 'A' stands for: "g$lshzxetd". */
export const NOTIFY_ALL =
  NotifyFlag.Generic |
  NotifyFlag.String |
  NotifyFlag.List |
  NotifyFlag.Set |
  NotifyFlag.Hash |
  NotifyFlag.Zset |
  NotifyFlag.Expired |
  NotifyFlag.Evicted |
  NotifyFlag.Stream |
  NotifyFlag.Module;

/**
 * Reads one of these directives.
 * @param current the value before: client-output-buffer-limit changes the classes it names, `save` in a file adds
 */
export function readMulti(
  directive: Directive,
  words: readonly string[],
  current: MultiValue,
  file: FileState | undefined,
): ReadResult {
  const name = directive.name as MultiName;
  switch (name) {
    case 'bind':
      return readBind(words);
    case 'save':
      return readSave(words, current as MultiValues['save'], file);
    case 'client-output-buffer-limit':
      return readOutputBufferLimits(words, current as OutputBufferLimits);
    case 'oom-score-adj-values':
      return readOomScoreAdjValues(words);
    case 'replicaof':
      return readReplicaOf(words);
    case 'latency-tracking-info-percentiles':
      return readPercentiles(words);
    case 'notify-keyspace-events':
      return readNotifyFlags(words);
    case 'client-rate-limit':
      return readRateLimit(words);
  }
}

/** The word lists that mean "none": no word, or one that is empty. */
function isEmpty(words: readonly string[]): boolean {
  return words.length === 0 || (words.length === 1 && words[0] === '');
}

const BIND_ADDRESSES_MAX = 16;

function readBind(words: readonly string[]): ReadResult {
  if (words.length > BIND_ADDRESSES_MAX) return 'Too many bind addresses specified.';
  const addresses = isEmpty(words) ? [] : words;
  return { value: addresses.map(toUtf8), text: addresses.join(' ') };
}

function readSave(
  words: readonly string[],
  current: readonly SavePoint[],
  file: FileState | undefined,
): ReadResult {
  const clear = words.length === 1 && words[0] === '';
  const numbers = clear ? [] : words;
  if (numbers.length % 2 !== 0) return 'Invalid save parameters';
  const points: SavePoint[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    const seconds = readInteger(numbers[i]!, 10);
    const changes = readInteger(numbers[i + 1]!, 10);
    if (!seconds.all || seconds.value < 1n || !changes.all || changes.value < 0n)
      return 'Invalid save parameters';
    points.push({ seconds: Number(seconds.value), changes: Number(BigInt.asIntN(32, changes.value)) });
  }
  const kept = file?.saveSeen && !clear ? current : [];
  if (file !== undefined) file.saveSeen = true;
  return saveSetting([...kept, ...points]);
}

function saveSetting(points: readonly SavePoint[]): Setting {
  return { value: points, text: points.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' ') };
}

const CLIENT_CLASSES: ReadonlyMap<string, keyof OutputBufferLimits> = new Map([
  ['normal', 'normal'],
  ['slave', 'replica'],
  ['replica', 'replica'],
  ['pubsub', 'pubsub'],
]);

function readOutputBufferLimits(
  words: readonly string[],
  current: OutputBufferLimits | undefined,
): ReadResult {
  const limits = { ...current } as Record<keyof OutputBufferLimits, OutputBufferLimit>;
  if (words.length % 4 !== 0) return 'Wrong number of arguments in buffer limit configuration.';
  for (let i = 0; i < words.length; i += 4) {
    const name = CLIENT_CLASSES.get(asciiLower(words[i]!));
    if (name === undefined) return 'Invalid client class specified in buffer limit configuration.';
    const hard = parseMemory(words[i + 1]!);
    const soft = parseMemory(words[i + 2]!);
    const read = readInteger(words[i + 3]!, 10);
    const seconds = Number(BigInt.asIntN(32, read.value));
    if (hard === null || soft === null || !read.all || seconds < 0) {
      return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.';
    }
    limits[name] = { hard: Number(hard), soft: Number(soft), seconds };
  }
  const texts = (['normal', 'replica', 'pubsub'] as const).map((name) => {
    const { hard, soft, seconds } = limits[name];
    // Redis prints the old name of replicas here.
    return `${name === 'replica' ? 'slave' : name} ${BigInt(hard)} ${BigInt(soft)} ${seconds}`;
  });
  return { value: limits, text: texts.join(' ') };
}

function readOomScoreAdjValues(words: readonly string[]): ReadResult {
  if (words.length !== 3) return 'wrong number of arguments';
  const scores: number[] = [];
  for (const word of words) {
    const { value, all } = readInteger(word, 10);
    if (!all || value < -2000n || value > 2000n) {
      return 'Invalid oom-score-adj-values, elements must be between -2000 and 2000.';
    }
    scores.push(Number(value));
  }
  return { value: scores as [number, number, number], text: scores.join(' ') };
}

function readReplicaOf(words: readonly string[]): ReadResult {
  if (words.length !== 2) return 'wrong number of arguments';
  const [host, portText] = words as [string, string];
  if (asciiLower(host) === 'no' && asciiLower(portText) === 'one') return { value: null, text: '' };
  const port = readInteger(portText, 10);
  if (!port.all || port.value < 0n || port.value > 65535n) return 'Invalid master port';
  return { value: { host: toUtf8(host), port: Number(port.value) }, text: `${host} ${port.value}` };
}

function readPercentiles(words: readonly string[]): ReadResult {
  const percentiles: number[] = [];
  for (const word of isEmpty(words) ? [] : words) {
    const value = parseDouble(word);
    if (value === null) return 'Invalid latency-tracking-info-percentiles parameters';
    if (value < 0 || value > 100) {
      return 'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]';
    }
    percentiles.push(value);
  }
  return { value: percentiles, text: percentiles.map(formatDouble).join(' ') };
}

const NOTIFY_LETTERS: readonly (readonly [string, number])[] = [
  ['g', NotifyFlag.Generic],
  ['$', NotifyFlag.String],
  ['l', NotifyFlag.List],
  ['s', NotifyFlag.Set],
  ['h', NotifyFlag.Hash],
  ['z', NotifyFlag.Zset],
  ['x', NotifyFlag.Expired],
  ['e', NotifyFlag.Evicted],
  ['t', NotifyFlag.Stream],
  ['d', NotifyFlag.Module],
  ['n', NotifyFlag.New],
];
const NOTIFY_LETTERS_LAST: readonly (readonly [string, number])[] = [
  ['K', NotifyFlag.Keyspace],
  ['E', NotifyFlag.Keyevent],
  ['m', NotifyFlag.KeyMiss],
];

function readNotifyFlags(words: readonly string[]): ReadResult {
  if (words.length !== 1) return 'wrong number of arguments';
  const known = new Map<string, number>([['A', NOTIFY_ALL], ...NOTIFY_LETTERS, ...NOTIFY_LETTERS_LAST]);
  let flags = 0;
  for (const letter of words[0]!) {
    const flag = known.get(letter);
    if (flag === undefined) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
    flags |= flag;
  }
  return { value: flags, text: notifyText(flags) };
}

function lettersOf(flags: number, letters: readonly (readonly [string, number])[]): string {
  return letters.map(([letter, flag]) => ((flags & flag) !== 0 ? letter : '')).join('');
}

/**
 * Redis's order. Where 'A' stands for the classes, it forgets an 'n', and with CONFIG REWRITE loses it; here it comes last,
 * since the text is what a file and other threads know the value by.
 */
function notifyText(flags: number): string {
  if ((flags & NOTIFY_ALL) !== NOTIFY_ALL)
    return lettersOf(flags, NOTIFY_LETTERS) + lettersOf(flags, NOTIFY_LETTERS_LAST);
  return `A${lettersOf(flags, NOTIFY_LETTERS_LAST)}${lettersOf(flags & NotifyFlag.New, NOTIFY_LETTERS)}`;
}

function readRateLimit(words: readonly string[]): ReadResult {
  if (words.length !== 2) return 'wrong number of arguments';
  const commands = parseInteger(words[0]!);
  const bytes = parseMemory(words[1]!);
  if (commands === null || commands < 0n || bytes === null) return 'Invalid client-rate-limit parameters';
  const value = { commandsPerSecond: Number(commands), bytesPerSecond: Number(bytes) };
  return { value, text: `${commands} ${bytes}` };
}
