// Runs random operations in process and on a real redis-server, and compares replies byte by byte; then, every so
// often, what both hold: keys, values, encodings, times to live.

import fc from 'fast-check';
import { ENCODING_NAMES, type Encoding, RecordView, TYPE_NAMES, Type } from '../../src/keyspace/record.ts';
import { formatCommand } from '../support/command-history.ts';
import { exact, ignored } from '../support/comparisons.ts';
import type { Generator, Operation } from '../support/generator-parts.ts';
import type { InProcess } from '../support/in-process.ts';
import type { Argument, RawClient } from '../support/raw-client.ts';
import { quoteBytes, type Reply, RespParser } from '../support/resp-parser.ts';

const BATCH = 50;
const EXPIRY_TOLERANCE_MS = 5000;

/** Operations of a generator, always the same for a seed. */
export function sampleOperations(generator: Generator, count: number, seed: number): Operation[] {
  return fc.sample(generator, { numRuns: count, seed }).flat();
}

/**
 * Runs the operations on both and throws at the first difference, with the commands on the way to it.
 * Both must be empty.
 */
export async function compareOperations(
  local: InProcess,
  redis: RawClient,
  operations: readonly Operation[],
): Promise<void> {
  const done: Operation[] = [];
  // Values are compared by their digests, which DEBUG gives.
  local.config.assign('enable-debug-command', 'yes');
  for (let from = 0, to = 0; from < operations.length; from = to) {
    to = Math.min(from + BATCH, operations.length);
    // What cleans up behind a command with a random effect belongs to it.
    while (operations[to]?.compare === ignored) to++;
    const batch = operations.slice(from, to);
    for (const { args } of batch) redis.send(...args);
    for (const operation of batch) {
      done.push(operation);
      const left = parse(local.run(...operation.args));
      const right = await redis.reply();
      if (!(operation.compare ?? exact)(left, right)) throw difference(done, left.raw, right.raw);
    }
    await compareData(local, redis, done);
  }
  local.checkInvariants();
}

function parse(bytes: Buffer): Reply {
  const parser = new RespParser();
  parser.push(bytes);
  const reply = parser.shift();
  if (reply === undefined || parser.rest().length > 0) throw new Error(`no reply: ${quoteBytes(bytes)}`);
  return reply;
}

function difference(done: readonly Operation[], left: Buffer, right: Buffer): Error {
  const last = done[done.length - 1]!.args;
  const keys = new Set(last.slice(1).map(String));
  const related = done.filter(({ args }) => args.slice(1).some((arg) => keys.has(String(arg)))).slice(-25);
  const lines = related.map(({ args }) => formatCommand(args));
  return new Error(
    `different replies to ${formatCommand(last)}\n  here:  ${quoteBytes(left)}\n  redis: ${quoteBytes(right)}\n` +
      `commands with the same words:\n${lines.join('\n')}`,
  );
}

/** Every key of database 0: value, encoding, expiry. */
async function compareData(local: InProcess, redis: RawClient, done: readonly Operation[]): Promise<void> {
  const keys = ((await redis.command('KEYS', '*')).items ?? []).map((item) => item.bytes!);
  const now = Date.now();
  for (const key of keys) {
    for (const args of [
      ['TYPE', key],
      ['OBJECT', 'ENCODING', key],
      ['PTTL', key],
    ] as Argument[][])
      redis.send(...args);
    const [type, encoding, ttl] = [await redis.reply(), await redis.reply(), await redis.reply()];
    const rec = find(local, key);
    const shown = `key ${quoteBytes(key)} after ${formatCommand(done[done.length - 1]!.args)}`;
    if (rec === null) throw new Error(`${shown}: not here`);
    if (String(type.bytes) !== TYPE_NAMES[rec.type])
      throw new Error(`${shown}: ${TYPE_NAMES[rec.type]} here, ${type.bytes} there`);
    // Redis 7.0 has no lists of one listpack.
    if (String(encoding.bytes) !== ENCODING_NAMES[rec.encoding] && rec.type !== Type.List)
      throw new Error(`${shown}: ${ENCODING_NAMES[rec.encoding]} here, ${encoding.bytes} there`);
    const left = rec.expires ? rec.expireAt - now : -1;
    const right = Number(ttl.bytes);
    if ((left === -1) !== (right === -1) || Math.abs(left - right) > EXPIRY_TOLERANCE_MS + right * 1e-12)
      throw new Error(`${shown}: ${left} ms to live here, ${right} there`);
    if (rec.type !== Type.String) {
      const digest = await redis.command('DEBUG', 'DIGEST-VALUE', key);
      const own = parse(local.run('DEBUG', 'DIGEST-VALUE', key));
      if (!own.raw.equals(digest.raw)) throw new Error(`${shown}: other elements`);
      continue;
    }
    const value = (await redis.command('GET', key)).bytes!;
    const mine = rec.bytes.subarray(rec.valueOffset, rec.valueOffset + rec.valueLength);
    if (!mine.equals(value))
      throw new Error(`${shown}: ${quoteBytes(mine)} here, ${quoteBytes(value)} there`);
  }
  let count = 0;
  for (const shard of local.keyspace.shards) count += shard.keys(0);
  const size = Number((await redis.command('DBSIZE')).bytes);
  if (count !== size)
    throw new Error(`${count} keys here, ${size} there, after ${formatCommand(done[done.length - 1]!.args)}`);
}

/** The record of a key of database 0 as it lies in memory, without touching it; null if it is not there. */
export function find(local: InProcess, key: Buffer | string): RecordView | null {
  const name = Buffer.isBuffer(key) ? key : Buffer.from(key);
  const { cx } = local;
  cx.input = name;
  cx.argOff[0] = 0;
  cx.argLen[0] = name.length;
  cx.hashArgument(0);
  const shard = cx.shard(0).acquire();
  const rec = new RecordView(local.keyspace.memory);
  const found = shard.find(rec, 0, cx.slots[0]!, cx.hashes[0]!, name, 0, name.length);
  shard.release();
  return found ? rec : null;
}

/** What OBJECT ENCODING says of a key; null if it is not there. */
export function encodingOf(local: InProcess, key: string): string | null {
  const rec = find(local, key);
  return rec === null ? null : ENCODING_NAMES[rec.encoding as (typeof Encoding)['Raw']]!;
}
