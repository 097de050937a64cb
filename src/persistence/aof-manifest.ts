/**
 * The manifest of an append only directory: which files make up the log, and in what order (Redis 7's format).
 *
 *     file appendonly.aof.2.base.rdb seq 2 type b        the data set when the last rewrite began; at most one, first
 *     file appendonly.aof.1.incr.aof seq 1 type h        history: no longer needed, to be removed
 *     file appendonly.aof.4.incr.aof seq 4 type i        increments: commands since, in this order
 *     file appendonly.aof.5.incr.aof seq 5 type i
 *
 * Words are split and quoted as on a configuration line; keys that are not known are passed over, lines that begin with
 * `#` too. Names here have one character per byte.
 *
 * Differences from Redis: sequence numbers beyond 2^53 are refused.
 */

import { quote, splitArguments, trimLine } from '../config/tokenize.ts';

export const AofFileType = { Base: 'b', History: 'h', Increment: 'i' } as const;
export type AofFileType = (typeof AofFileType)[keyof typeof AofFileType];

export interface AofFileEntry {
  readonly name: string;
  readonly seq: number;
  readonly type: AofFileType;
}

/** Never changed: a change makes a new one, which takes the place of the old when it is on the disk. */
export interface AofManifest {
  readonly base: AofFileEntry | null;
  readonly increments: readonly AofFileEntry[];
  readonly history: readonly AofFileEntry[];
  /** The highest numbers used; 0 before the first. */
  readonly baseSeq: number;
  readonly incrementSeq: number;
}

export const EMPTY_MANIFEST: AofManifest = {
  base: null,
  increments: [],
  history: [],
  baseSeq: 0,
  incrementSeq: 0,
};

export interface ManifestError {
  /** As Redis words it. */
  readonly error: string;
  /** The line at fault and its number from 1; null where the fault is of no one line. */
  readonly line: string | null;
  readonly lineNumber: number;
}

const INVALID = 'Invalid AOF manifest file format';
/** Bytes of a line with its end: what Redis reads at once. */
const LINE_BYTES_MAX = 1024;
const COMMENT = '#';

/**
 * Reads a manifest.
 * @param text the file, one character per byte
 */
export function parseManifest(text: string): AofManifest | ManifestError {
  if (text === '') return { error: 'Found an empty AOF manifest', line: null, lineNumber: 0 };
  let base: AofFileEntry | null = null;
  const increments: AofFileEntry[] = [];
  const history: AofFileEntry[] = [];
  let incrementSeq = 0;
  let lineNumber = 0;
  for (let at = 0; at < text.length; ) {
    const raw = pieceAt(text, at);
    at += raw.length;
    lineNumber++;
    if (raw[0] === COMMENT) continue;
    // What stands behind a NUL is not seen by C's strchr.
    const end = raw.indexOf('\n');
    const nul = raw.indexOf('\0');
    if (end < 0 || (nul >= 0 && nul < end)) {
      return { error: 'The AOF manifest file contains too long line', line: null, lineNumber };
    }
    const line = trimLine(raw);
    const entry = line === '' ? INVALID : parseLine(line);
    if (typeof entry === 'string') return { error: entry, line, lineNumber };
    if (entry.type === AofFileType.Base) {
      if (base !== null) return { error: 'Found duplicate base file information', line, lineNumber };
      base = entry;
    } else if (entry.type === AofFileType.History) {
      history.push(entry);
    } else {
      if (entry.seq <= incrementSeq) {
        return { error: 'Found a non-monotonic sequence number', line, lineNumber };
      }
      increments.push(entry);
      incrementSeq = entry.seq;
    }
  }
  return { base, increments, history, baseSeq: base?.seq ?? 0, incrementSeq };
}

/** Up to the end of the line, or as much as Redis reads at once. */
function pieceAt(text: string, at: number): string {
  const end = text.indexOf('\n', at);
  const length = end < 0 ? text.length - at : end + 1 - at;
  return text.slice(at, at + Math.min(length, LINE_BYTES_MAX));
}

/** An entry, or what is wrong. */
function parseLine(line: string): AofFileEntry | string {
  const words = splitArguments(line);
  // At least: a later version may have more.
  if (words === null || words.length < 6 || words.length % 2 !== 0) return INVALID;
  let name = '';
  let seq = 0;
  let type = '';
  for (let i = 0; i < words.length; i += 2) {
    const key = words[i]!.toLowerCase();
    const value = untilNul(words[i + 1]!);
    if (key === 'file') {
      name = value;
      if (name.includes('/') || name.includes('\\')) return "File can't be a path, just a filename";
    } else if (key === 'seq') {
      seq = leadingInteger(value);
    } else if (key === 'type') {
      type = value.slice(0, 1);
    }
  }
  if (name === '' || seq === 0 || type === '' || !Number.isSafeInteger(seq)) return INVALID;
  if (type !== AofFileType.Base && type !== AofFileType.History && type !== AofFileType.Increment) {
    return 'Unknown AOF file type';
  }
  return { name, seq, type };
}

function untilNul(word: string): string {
  const end = word.indexOf('\0');
  return end < 0 ? word : word.slice(0, end);
}

/** C's atoll: 0 where no number begins. */
function leadingInteger(text: string): number {
  const match = /^[ \t-\r]*([+-]?\d+)/.exec(text);
  return match === null ? 0 : Number(match[1]);
}

/** What must stand in quotes: what Redis quotes, and the apostrophe, which its reader would take for a quote. */
const NEEDS_QUOTES = /[^!-~]|[\\"']/;

/** The text of a manifest, one character per byte; `parseManifest` gives it back. */
export function printManifest(manifest: AofManifest): string {
  const { base, history, increments } = manifest;
  let text = base === null ? '' : printEntry(base);
  for (const entry of history) text += printEntry(entry);
  for (const entry of increments) text += printEntry(entry);
  return text;
}

function printEntry({ name, seq, type }: AofFileEntry): string {
  return `file ${NEEDS_QUOTES.test(name) ? quote(name) : name} seq ${seq} type ${type}\n`;
}

/** `appendonly.aof.2.base.rdb`; the next in number becomes the base, the one before becomes history. */
export function withNewBase(manifest: AofManifest, filename: string, rdb: boolean): AofManifest {
  const seq = manifest.baseSeq + 1;
  const name = `${filename}.${seq}.base.${rdb ? 'rdb' : 'aof'}`;
  const history = [...manifest.history];
  if (manifest.base !== null) history.unshift({ ...manifest.base, type: AofFileType.History });
  return { ...manifest, base: { name, seq, type: AofFileType.Base }, baseSeq: seq, history };
}

/** `appendonly.aof.5.incr.aof` at the end. */
export function withNewIncrement(manifest: AofManifest, filename: string): AofManifest {
  const seq = manifest.incrementSeq + 1;
  const entry = { name: `${filename}.${seq}.incr.aof`, seq, type: AofFileType.Increment };
  return { ...manifest, increments: [...manifest.increments, entry], incrementSeq: seq };
}

/** All increments but the last `kept` become history. */
export function withIncrementsPast(manifest: AofManifest, kept: number): AofManifest {
  const past = manifest.increments.slice(0, Math.max(0, manifest.increments.length - kept));
  const history = past.map((entry) => ({ ...entry, type: AofFileType.History }));
  const increments = manifest.increments.slice(past.length);
  return { ...manifest, increments, history: [...history, ...manifest.history] };
}

/** With only these left of the history. */
export function withHistory(manifest: AofManifest, history: readonly AofFileEntry[]): AofManifest {
  return { ...manifest, history };
}

export function isEmptyManifest(manifest: AofManifest): boolean {
  return manifest.base === null && manifest.increments.length === 0;
}
