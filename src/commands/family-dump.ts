// DUMP and RESTORE: a value as bytes that any Redis from 7.0 on understands, and back.
//
// RESTORE reads the value into a detached record first; only when that is whole does it take the key's place. Payloads
// are checked to the last byte whatever sanitize-dump-payload says: a value that is not whole could end the process.

import { NotifyFlag } from '../config/multi-values.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { Type } from '../keyspace/record.ts';
import { GlobalWord } from '../memory/layout.ts';
import { Stat } from '../metrics/stats.ts';
import { parseInteger64 } from '../protocol/numbers.ts';
import { EncodingLimits } from '../rdb/limits.ts';
import { LoadContext, ReadResult } from '../rdb/load-context.ts';
import { FOOTER_BYTES, isPayload, writeFooter } from '../rdb/payload.ts';
import { RdbWriter } from '../rdb/rdb-writer.ts';
import { readValue } from '../rdb/read-value.ts';
import { ValueWriter } from '../rdb/value-writer.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { tellDeleted } from './string-effects.ts';
import { type FamilyHandlers, Place } from './table.ts';

const INT64_MAX = 9223372036854775807n;
const FREQUENCY_MAX = 255n;
/** Below this, a time to live plus the present time is exact as a number. */
const SAFE_MS = 8_000_000_000_000_000;
/** Work of a byte of a payload, in bytes touched: it is read, checked, copied, and may be compressed. */
const PAYLOAD_WORK = 8;
/** Bytes in a block of a value, about, by what the blocks are: elements, or nodes that hold many of them. */
const ELEMENT_BYTES = 64;
const NODE_BYTES = 4096;

export const dumpCommands: FamilyHandlers = {
  DUMP: { run: dump, place: Place.Estimated, estimate: dumpWork },
  RESTORE: { run: restore, place: Place.Estimated, estimate: restoreWork },
  'RESTORE-ASKING': { run: restore, place: Place.Estimated, estimate: restoreWork },
};

/** What a thread reads and writes values with. */
class Codec {
  readonly keyspace: Keyspace;
  readonly writer = new RdbWriter();
  readonly values: ValueWriter;
  readonly load: LoadContext;

  constructor(cx: CommandContext) {
    const limits = new EncodingLimits(cx.server.config);
    this.keyspace = cx.keyspace;
    this.values = new ValueWriter(cx.keyspace.memory, limits);
    this.load = new LoadContext(cx.keyspace.memory, limits);
  }
}

const codecs = new WeakMap<Keyspace, Codec>();

function codecOf(cx: CommandContext): Codec {
  let codec = codecs.get(cx.keyspace);
  if (codec === undefined) {
    codec = new Codec(cx);
    codecs.set(cx.keyspace, codec);
  }
  return codec;
}

// ---- DUMP ----

function dumpWork(cx: CommandContext): number {
  const { rec } = cx;
  const shard = cx.shard(1);
  if (!shard.find(rec, cx.db, cx.slots[1]!, cx.hashes[1]!, cx.input, cx.argOff[1]!, cx.argLen[1]!)) return 0;
  const value = cx.keyspace.structures.rootedOf(rec.type, rec.encoding);
  if (value === null) return rec.valueLength;
  value.open(shard.arena, rec.words, rec.rootWord);
  const large = rec.type === Type.List || rec.type === Type.Stream;
  return value.blockCount * (large ? NODE_BYTES : ELEMENT_BYTES);
}

function dump(cx: CommandContext): void {
  if (!cx.lookupRead(1)) {
    cx.reply.nullBulk();
    return;
  }
  const payload = writePayload(cx, true);
  cx.reply.bulkBytes(payload.bytes, 0, payload.length);
}

/** The payload of DUMP for the record at cx.rec; good until the next one. */
export function dumpRecord(cx: CommandContext): RdbWriter {
  return writePayload(cx, false);
}

/** @param mayBreathe whether it is of a key of the command, and nothing is changed yet */
function writePayload(cx: CommandContext, mayBreathe: boolean): RdbWriter {
  const { writer, values } = codecOf(cx);
  const type = values.typeOf(cx.shardOf(cx.rec), cx.rec);
  writer.reset();
  writer.byte(type);
  writeValue(cx, type, mayBreathe);
  writeFooter(writer, values.versionOf(type));
  return writer;
}

/** Appends the value at cx.rec to the thread's writer. @param mayBreathe whether it is of a key of the command */
function writeValue(cx: CommandContext, type: number, mayBreathe: boolean): void {
  const { writer, values } = codecOf(cx);
  writer.compression = cx.server.config.getBool('rdbcompression');
  values.pause = mayBreathe ? cx : null;
  values.write(writer, cx.shardOf(cx.rec), cx.rec, type);
}

/** Bytes of the value at cx.rec in an RDB file, without type and key: what DEBUG OBJECT shows. */
export function serializedLength(cx: CommandContext): number {
  const { writer, values } = codecOf(cx);
  writer.reset();
  writeValue(cx, values.typeOf(cx.shardOf(cx.rec), cx.rec), false);
  return writer.length;
}

// ---- RESTORE ----

/** The options of one RESTORE. */
interface Options {
  replace: boolean;
  absolute: boolean;
  /** Seconds, -1: not given. */
  idle: bigint;
  /** -1: not given. */
  frequency: bigint;
}

function restoreWork(cx: CommandContext): number {
  return cx.argLen[3]! * PAYLOAD_WORK;
}

/** RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency] */
function restore(cx: CommandContext): void {
  const options = restoreOptions(cx);
  if (options === null) return;
  const found = cx.lookupWrite(1, cx.rec2);
  if (found && !options.replace) {
    cx.error(ErrorText.BusyKey);
    return;
  }
  const expireAt = expiryArgument(cx, options.absolute);
  if (expireAt === null) return;
  const checked = Atomics.load(cx.keyspace.memory.control, GlobalWord.SkipChecksums) === 0;
  if (!isPayload(cx.input, cx.argOff[3]!, cx.argLen[3]!, checked)) {
    cx.error(ErrorText.BadPayload);
    return;
  }
  const { load } = codecOf(cx);
  if (!readPayload(cx, load, expireAt, options)) {
    cx.error(ErrorText.BadDataFormat);
    return;
  }
  if (expireAt !== -1 && expireAt <= cx.now) {
    load.discard();
    if (found) deleteOld(cx);
  } else {
    attach(cx, load);
    // Also of a key that was there: it is deleted first.
    if (found) cx.notify(NotifyFlag.New, 'new', 1);
    cx.keyChanged(1);
    cx.notify(NotifyFlag.Generic, 'restore', 1);
    if (cx.effects.wanted && expireAt !== -1 && !options.absolute) tellRestored(cx, expireAt);
  }
  cx.reply.ok();
}

/** Deletes the key that is there, in whose place something came that has expired already. */
function deleteOld(cx: CommandContext): void {
  cx.lookupWrite(1, cx.rec2);
  cx.deleteRecord(cx.rec2);
  cx.keyChanged(1);
  cx.notify(NotifyFlag.Generic, 'del', 1);
  if (cx.effects.wanted) tellDeleted(cx, 1, false);
}

/** RESTORE with a moment instead of a time to live. */
function tellRestored(cx: CommandContext, expireAt: number | bigint): void {
  const { effects } = cx;
  effects.begin(cx.argc + 1);
  for (let arg = 0; arg < cx.argc; arg++) {
    if (arg === 2) effects.integer(expireAt);
    else effects.arg(arg);
  }
  effects.text('ABSTTL');
}

function attach(cx: CommandContext, load: LoadContext): void {
  try {
    cx.attach(1, load.rec);
  } catch (error) {
    load.discard();
    throw error;
  }
}

/** @returns whether load.rec holds the value now @throws OutOfMemoryError; nothing was changed */
function readPayload(
  cx: CommandContext,
  load: LoadContext,
  expireAt: number | bigint,
  options: Options,
): boolean {
  load.begin(
    cx.shard(1), cx.db, cx.slots[1]!, cx.hashes[1]!, cx.input, cx.argOff[1]!, cx.argLen[1]!,
    expireAt, accessWord(cx, options),
  ); // biome-ignore format: many short arguments
  load.pause = cx;
  load.input.open(cx.input, cx.argOff[3]!, cx.argLen[3]! - FOOTER_BYTES);
  const result = readValue(load, load.input.byte());
  cx.server.stats.add(Stat.DumpSanitizations, load.takeSanitized());
  return result === ReadResult.Loaded;
}

/** @returns null after an error */
function restoreOptions(cx: CommandContext): Options | null {
  const options: Options = { replace: false, absolute: false, idle: -1n, frequency: -1n };
  for (let arg = 4; arg < cx.argc; arg++) {
    const more = arg + 1 < cx.argc;
    if (cx.argIs(arg, 'REPLACE')) options.replace = true;
    else if (cx.argIs(arg, 'ABSTTL')) options.absolute = true;
    else if (cx.argIs(arg, 'IDLETIME') && more && options.frequency === -1n) {
      const idle = numberOption(cx, ++arg, INT64_MAX, ErrorText.BadIdleTime);
      if (idle === null) return null;
      options.idle = idle;
    } else if (cx.argIs(arg, 'FREQ') && more && options.idle === -1n) {
      const frequency = numberOption(cx, ++arg, FREQUENCY_MAX, ErrorText.BadFrequency);
      if (frequency === null) return null;
      options.frequency = frequency;
    } else {
      cx.syntaxError();
      return null;
    }
  }
  return options;
}

/** @param text the error for a number below 0 or above `max` @returns null after an error */
function numberOption(cx: CommandContext, arg: number, max: bigint, text: string): bigint | null {
  const value = parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
  if (value !== null && value >= 0n && value <= max) return value;
  cx.error(value === null ? ErrorText.NotInteger : text);
  return null;
}

/** The expiry that argument 2 says, in ms; -1: none. @returns null after an error */
function expiryArgument(cx: CommandContext, absolute: boolean): number | bigint | null {
  const ttl = cx.argInteger(2);
  if (ttl >= 0 && ttl < SAFE_MS) return ttl === 0 ? -1 : absolute ? ttl : ttl + cx.present;
  const exact = parseInteger64(cx.input, cx.argOff[2]!, cx.argLen[2]!);
  if (exact === null || exact < 0n) {
    cx.error(exact === null ? ErrorText.NotInteger : ErrorText.BadTtl);
    return null;
  }
  if (absolute) return exact;
  // Redis's sum overflows to a time long ago.
  const at = exact + BigInt(cx.present);
  return at > INT64_MAX ? 0 : at;
}

/** First access word of the restored key. */
function accessWord(cx: CommandContext, { idle, frequency }: Options): number {
  const { clock } = cx.keyspace;
  if (clock.lfu && frequency >= 0n) return clock.fromFrequency(Number(frequency));
  if (!clock.lfu && idle >= 0n) return clock.fromIdle(Number(BigInt.asIntN(32, idle)));
  return clock.initial();
}
