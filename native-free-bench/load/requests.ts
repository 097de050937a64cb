/*
 * Requests as bytes made once, of which only the digits of the keys change.
 *
 * A batch is one pipeline: P requests back to back in one buffer, sent with one write. Which command stands at which
 * place is fixed when the batch is made; before it is sent, the decimal digits of each key are written over the old
 * ones:
 *
 *   *3\r\n$3\r\nSET\r\n$16\r\nkey:000000123456\r\n$32\r\nxxxx...\r\n*2\r\n$3\r\nGET\r\n$16\r\nkey:000000004711\r\n
 *                                 ^ keyOffsets[0]                                         ^ keyOffsets[1]
 *
 * The mix of commands is exact, not drawn: smooth weighted round-robin (as nginx balances) over all places of a
 * connection's batches, whose number is chosen so that the pattern closes.
 */

import type { KeySource } from './keys.ts';

/** In a command's arguments: replaced by a key; may stand more than once (MGET, MSET). */
export const KEY = '__key__';
/** In a command's arguments: replaced by a value of the configured size. */
export const VALUE = '__value__';

/** One command of the mix and how often it is sent, in proportion to the others. */
export interface MixEntry {
  command: string[];
  weight: number;
}

/** How keys and values look. */
export interface RequestShape {
  keyPrefix: string;
  /** Decimal digits after the prefix, with leading zeros. */
  keyDigits: number;
  /** Value sizes in bytes, uniform from min to max. */
  valueBytes: { min: number; max: number };
}

/** One pipeline of requests. */
export interface Batch {
  readonly bytes: Buffer;
  /** Where the digits of each key start. */
  readonly keyOffsets: Int32Array;
  readonly requests: number;
}

/** Requests a connection's batches hold in all, at least, before they repeat (their values do, not their keys). */
const BATCH_REQUESTS_MIN = 64;
/** A connection's batches take about this much at most, unless the mix or one batch needs more. */
const BATCH_BYTES_MAX = 1 << 20;

/** Writes a key number (below 2^31) as `digits` decimal digits, with leading zeros. */
export function patchKey(bytes: Uint8Array, offset: number, digits: number, key: number): void {
  let rest = key;
  for (let at = offset + digits - 1; at >= offset; at--) {
    const quotient = (rest / 10) | 0;
    bytes[at] = 48 + (rest - quotient * 10);
    rest = quotient;
  }
}

/** Puts fresh keys into a batch. */
export function fillBatch(batch: Batch, keys: KeySource, digits: number): void {
  const { bytes, keyOffsets } = batch;
  for (let i = 0; i < keyOffsets.length; i++) patchKey(bytes, keyOffsets[i]!, digits, keys.next());
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/** Picks mix entries in turn so that any stretch of them has each in proportion (smooth weighted round-robin). */
export function mixSequence(mix: readonly MixEntry[], length: number): number[] {
  const total = mix.reduce((sum, entry) => sum + entry.weight, 0);
  const credit = mix.map(() => 0);
  const sequence: number[] = [];
  for (let i = 0; i < length; i++) {
    let best = 0;
    for (let k = 0; k < mix.length; k++) {
      credit[k]! += mix[k]!.weight;
      if (credit[k]! > credit[best]!) best = k;
    }
    credit[best]! -= total;
    sequence.push(best);
  }
  return sequence;
}

/** How many batches a connection needs: enough to vary, a whole number of periods of the mix, not too many bytes. */
function batchCount(
  mix: readonly MixEntry[],
  pipeline: number,
  requestBytes: number,
  atLeast: number,
): number {
  const divisor = mix.reduce((all, entry) => gcd(all, entry.weight), 0);
  const total = mix.reduce((sum, entry) => sum + entry.weight, 0) / divisor;
  const period = total / gcd(total, pipeline);
  const fitting = Math.max(1, Math.floor(BATCH_BYTES_MAX / (requestBytes * pipeline)));
  const wanted = Math.max(atLeast, Math.min(Math.ceil(BATCH_REQUESTS_MIN / pipeline), fitting));
  return Math.ceil(wanted / period) * period;
}

const PRINTABLE = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-';

function randomValue(keys: KeySource, bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += PRINTABLE[Math.floor(keys.random() * 64)];
  return text;
}

/** A request under construction: text is latin1, one character a byte. */
interface Draft {
  text: string;
  keyOffsets: number[];
}

function appendRequest(
  draft: Draft,
  command: readonly string[],
  shape: RequestShape,
  source: KeySource,
): void {
  draft.text += `*${command.length}\r\n`;
  for (const argument of command) {
    if (argument === KEY) {
      draft.text += `$${shape.keyPrefix.length + shape.keyDigits}\r\n${shape.keyPrefix}`;
      draft.keyOffsets.push(draft.text.length);
      draft.text += `${'0'.repeat(shape.keyDigits)}\r\n`;
      continue;
    }
    const { min, max } = shape.valueBytes;
    const body =
      argument === VALUE
        ? randomValue(source, min + Math.floor(source.random() * (max - min + 1)))
        : Buffer.from(argument, 'utf8').toString('latin1');
    draft.text += `$${body.length}\r\n${body}\r\n`;
  }
}

/**
 * Makes a connection's batches.
 * @param mix commands and their weights (positive integers)
 * @param pipeline requests in each batch
 * @param shape keys (an ASCII prefix) and values
 * @param source random numbers for the values; no key is drawn from it
 * @param batchesMin at least so many batches (an open loop may have several under way)
 */
export function buildBatches(
  mix: readonly MixEntry[],
  pipeline: number,
  shape: RequestShape,
  source: KeySource,
  batchesMin = 1,
): Batch[] {
  const valueBytes = mix.some((entry) => entry.command.includes(VALUE)) ? shape.valueBytes.max : 0;
  const count = batchCount(mix, pipeline, valueBytes + 64, batchesMin);
  const sequence = mixSequence(mix, count * pipeline);
  const batches: Batch[] = [];
  for (let b = 0; b < count; b++) {
    const draft: Draft = { text: '', keyOffsets: [] };
    for (let r = 0; r < pipeline; r++) {
      appendRequest(draft, mix[sequence[b * pipeline + r]!]!.command, shape, source);
    }
    batches.push({
      bytes: Buffer.from(draft.text, 'latin1'),
      keyOffsets: Int32Array.from(draft.keyOffsets),
      requests: pipeline,
    });
  }
  return batches;
}
