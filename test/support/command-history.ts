// What was sent to two servers, and from it the shortest part worth reading after a mismatch.
//
// The oracle itself says which arguments of a command are keys (COMMAND GETKEYS). Walking back from the failing command,
// a command belongs to the script when it names a key that matters; all its keys matter from there on (RENAME, COPY,
// BITOP). Commands that act on whole databases or on the connection are always kept.

import type { Argument, RawClient } from './raw-client.ts';
import { isError, quoteBytes } from './resp-parser.ts';

const WHOLE_STATE = new Set([
  'FLUSHALL',
  'FLUSHDB',
  'SELECT',
  'SWAPDB',
  'CONFIG',
  'HELLO',
  'RESET',
  'MULTI',
  'EXEC',
  'DISCARD',
  'DEBUG',
  'SCRIPT',
  'FUNCTION',
  'CLIENT',
  'ACL',
]);
const KEPT_ENTRIES = 5000;
const SHOWN_LINES = 200;
const SHOWN_BYTES = 2000;

type Entry = { connection: number; args: readonly Argument[] };

export class CommandHistory {
  #entries: Entry[] = [];
  #dropped = 0;

  add(connection: number, args: readonly Argument[]): void {
    this.#entries.push({ connection, args });
    if (this.#entries.length < KEPT_ENTRIES * 2) return;
    this.#dropped += this.#entries.length - KEPT_ENTRIES;
    this.#entries = this.#entries.slice(-KEPT_ENTRIES);
  }

  clear(): void {
    this.#entries = [];
    this.#dropped = 0;
  }

  /**
   * The commands that led to the one at `index` of the last entries, as lines for redis-cli.
   * @param oracle a fresh client, to ask for the keys of commands.
   * @param failing the command that went wrong, counted back from the newest (0 is the newest).
   */
  async script(oracle: RawClient, failing = 0): Promise<string> {
    const entries = this.#entries.slice(0, this.#entries.length - failing);
    const keys = await keysOf(oracle, entries);
    const kept = relevantEntries(entries, keys).slice(-SHOWN_LINES);
    const several = new Set(kept.map((entry) => entry.connection)).size > 1;
    const lines = kept.map((entry) => (several ? `[${entry.connection}] ` : '') + formatCommand(entry.args));
    const older = this.#dropped === 0 ? '' : `(${this.#dropped} older commands are not kept)\n`;
    return older + lines.join('\n');
  }
}

/** A command as a line for redis-cli. */
export function formatCommand(args: readonly Argument[]): string {
  return args.map(formatArgument).join(' ');
}

function formatArgument(argument: Argument): string {
  const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument));
  const text = bytes.toString('latin1');
  if (/^[\w:.*+,@/{}()-]+$/.test(text) && bytes.length <= SHOWN_BYTES) return text;
  if (bytes.length <= SHOWN_BYTES) return quoteBytes(bytes);
  return `${quoteBytes(bytes.subarray(0, 100))}...(${bytes.length} bytes)`;
}

/** For every entry the keys its command names, as latin1 texts. */
async function keysOf(oracle: RawClient, entries: readonly Entry[]): Promise<string[][]> {
  const asked = entries.map((entry) => ['COMMAND', 'GETKEYS', ...entry.args]);
  const replies = asked.length === 0 ? [] : await oracle.pipeline(asked);
  return replies.map((reply) =>
    isError(reply) ? [] : (reply.items ?? []).map((item) => item.bytes?.toString('latin1') ?? ''),
  );
}

function relevantEntries(entries: readonly Entry[], keys: readonly string[][]): Entry[] {
  const wanted = new Set(keys.at(-1));
  const kept: Entry[] = [];
  for (let i = entries.length - 1; i >= 0; i--) {
    const entry = entries[i]!;
    const touches = keys[i]!.some((key) => wanted.has(key));
    const isLast = i === entries.length - 1;
    if (!touches && !isLast && !isWholeState(entry) && wanted.size > 0) continue;
    if (touches) for (const key of keys[i]!) wanted.add(key);
    kept.unshift(entry);
  }
  return kept;
}

function isWholeState(entry: Entry): boolean {
  return WHOLE_STATE.has(String(entry.args[0] ?? '').toUpperCase());
}
