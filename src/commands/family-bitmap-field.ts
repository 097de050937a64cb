// BITFIELD and BITFIELD_RO: any number of reads and writes of small integers in one string.
//
//   BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset amount] ...
//   type: i1 to i64, u1 to u63; offset: in bits, or #n for the n-th field of that type
//
// As Redis, everything is parsed before anything is done, and the string first grows to the farthest bit that is
// written, even if all the writes then fail.

import { NotifyFlag } from '../config/multi-values.ts';
import { Type } from '../keyspace/record.ts';
import { parseInteger, parseInteger64 } from '../protocol/numbers.ts';
import {
  asField,
  asSigned,
  intoRange,
  intoRange64,
  NUMBER_BITS_MAX,
  NUMBER_MAX,
  Overflow,
  readBits,
  readBits64,
  writeBits,
  writeBits64,
} from './bitmap-field.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { bitOffset, writableBits } from './family-bitmap.ts';
import { type FamilyHandlers, Place } from './table.ts';

const Operation = { Get: 0, Set: 1, IncrBy: 2 } as const;
const LOWER_I = 0x69;
const LOWER_U = 0x75;
const SIGNED_BITS_MAX = 64;
const UNSIGNED_BITS_MAX = 63;
/** Rough cost of one operation in bytes touched. */
const OPERATION_COST = 64;

const BAD_TYPE =
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';

/** The parsed operations: parallel arrays, which grow and are used again. */
const parsed = {
  count: 0,
  kinds: new Uint8Array(16),
  signed: new Uint8Array(16),
  bits: new Uint8Array(16),
  overflows: new Uint8Array(16),
  offsets: new Float64Array(16),
  /** Argument index of the value or amount. */
  values: new Int32Array(16),
  /** Highest bit that is written, -1 if none is. */
  highest: -1,
};

function makeRoom(): void {
  const size = parsed.kinds.length * 2;
  parsed.kinds = grown(new Uint8Array(size), parsed.kinds);
  parsed.signed = grown(new Uint8Array(size), parsed.signed);
  parsed.bits = grown(new Uint8Array(size), parsed.bits);
  parsed.overflows = grown(new Uint8Array(size), parsed.overflows);
  parsed.offsets = grown(new Float64Array(size), parsed.offsets);
  parsed.values = grown(new Int32Array(size), parsed.values);
}

function grown<T extends Uint8Array | Float64Array | Int32Array>(to: T, from: T): T {
  to.set(from);
  return to;
}

function bitfield(cx: CommandContext): void {
  if (!parse(cx)) return;
  if (parsed.highest < 0) {
    runReads(cx);
    return;
  }
  const sized = writableBits(cx, parsed.highest);
  if (sized < 0) return;
  cx.reply.arrayHeader(parsed.count);
  let changes = 0;
  for (let i = 0; i < parsed.count; i++) {
    if (parsed.kinds[i] === Operation.Get) replyField(cx, i, true);
    else if (write(cx, i, sized === 1)) changes++;
  }
  if (changes > 0) {
    cx.keyChanged(1, changes);
    cx.notify(NotifyFlag.String, 'setbit', 1);
  }
  // The string was made or has grown all the same, although nothing is counted. Redis does not tell that.
  else if (sized === 1 && cx.effects.wanted) cx.effects.verbatim();
}

function bitfieldRo(cx: CommandContext): void {
  if (!parse(cx)) return;
  if (parsed.highest >= 0) cx.error('ERR BITFIELD_RO only supports the GET subcommand');
  else runReads(cx);
}

function runReads(cx: CommandContext): void {
  const found = cx.lookupRead(1);
  if (found && cx.rec.type !== Type.String) {
    cx.error(ErrorText.WrongType);
    return;
  }
  cx.reply.arrayHeader(parsed.count);
  for (let i = 0; i < parsed.count; i++) replyField(cx, i, found);
}

// ---- parsing ----

/** @returns false after replying with an error */
function parse(cx: CommandContext): boolean {
  parsed.count = 0;
  parsed.highest = -1;
  let overflow: number = Overflow.Wrap;
  for (let arg = 2; arg < cx.argc; ) {
    const left = cx.argc - arg - 1;
    if (left >= 1 && cx.argIs(arg, 'OVERFLOW')) {
      overflow = overflowNamed(cx, arg + 1);
      if (overflow < 0) return false;
      arg += 2;
      continue;
    }
    const kind = kindNamed(cx, arg, left);
    if (kind < 0) {
      cx.syntaxError();
      return false;
    }
    if (!parseOne(cx, arg, kind, overflow)) return false;
    arg += kind === Operation.Get ? 3 : 4;
  }
  return true;
}

function overflowNamed(cx: CommandContext, arg: number): number {
  if (cx.argIs(arg, 'WRAP')) return Overflow.Wrap;
  if (cx.argIs(arg, 'SAT')) return Overflow.Saturate;
  if (cx.argIs(arg, 'FAIL')) return Overflow.Fail;
  cx.error('ERR Invalid OVERFLOW type specified');
  return -1;
}

function kindNamed(cx: CommandContext, arg: number, left: number): number {
  if (left >= 2 && cx.argIs(arg, 'GET')) return Operation.Get;
  if (left >= 3 && cx.argIs(arg, 'SET')) return Operation.Set;
  return left >= 3 && cx.argIs(arg, 'INCRBY') ? Operation.IncrBy : -1;
}

/** Parses type, offset and value of the operation whose name is argument `arg`. */
function parseOne(cx: CommandContext, arg: number, kind: number, overflow: number): boolean {
  const off = cx.argOff[arg + 1]!;
  const len = cx.argLen[arg + 1]!;
  const signed = len > 0 && cx.input[off] === LOWER_I;
  const named = signed || (len > 0 && cx.input[off] === LOWER_U);
  const bits = named ? parseInteger(cx.input, off + 1, len - 1) : NaN;
  if (!(bits >= 1 && bits <= (signed ? SIGNED_BITS_MAX : UNSIGNED_BITS_MAX))) {
    cx.error(BAD_TYPE);
    return false;
  }
  const at = bitOffset(cx, arg + 2, bits);
  if (at < 0) return false;
  if (kind !== Operation.Get) {
    parsed.highest = Math.max(parsed.highest, at + bits - 1);
    if (Number.isNaN(cx.argInteger(arg + 3)) && operand64(cx, arg + 3) === null) {
      cx.error(ErrorText.NotInteger);
      return false;
    }
  }
  const i = parsed.count++;
  if (i === parsed.kinds.length) makeRoom();
  parsed.kinds[i] = kind;
  parsed.signed[i] = signed ? 1 : 0;
  parsed.bits[i] = bits;
  parsed.overflows[i] = overflow;
  parsed.offsets[i] = at;
  parsed.values[i] = arg + 3;
  return true;
}

function operand64(cx: CommandContext, arg: number): bigint | null {
  return parseInteger64(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
}

// ---- operations ----

function replyField(cx: CommandContext, i: number, found: boolean): void {
  const { rec } = cx;
  const bits = parsed.bits[i]!;
  const at = parsed.offsets[i]!;
  const off = found ? rec.valueOffset : 0;
  const len = found ? rec.valueLength : 0;
  if (bits <= NUMBER_BITS_MAX) {
    const field = readBits(rec.bytes, off, len, at, bits);
    cx.reply.integer(parsed.signed[i] === 1 ? asSigned(field, bits) : field);
    return;
  }
  const field = readBits64(rec.bytes, off, len, at, bits);
  cx.reply.bigInteger(parsed.signed[i] === 1 ? BigInt.asIntN(bits, field) : field);
}

/**
 * Carries out SET or INCRBY and replies with the old or the new value, or null where it must fail.
 * @param sized whether the string has grown for this command
 * @returns whether that counts as a change
 */
function write(cx: CommandContext, i: number, sized: boolean): boolean {
  const operand = cx.argInteger(parsed.values[i]!);
  // NaN goes the other way.
  if (!(parsed.bits[i]! <= NUMBER_BITS_MAX && Math.abs(operand) <= NUMBER_MAX)) return write64(cx, i, sized);
  const { rec } = cx;
  const bits = parsed.bits[i]!;
  const at = parsed.offsets[i]!;
  const signed = parsed.signed[i] === 1;
  const isSet = parsed.kinds[i] === Operation.Set;
  const field = readBits(rec.bytes, rec.valueOffset, rec.valueLength, at, bits);
  const old = signed ? asSigned(field, bits) : field;
  const value = intoRange(isSet ? operand : old + operand, bits, signed, parsed.overflows[i]!, isSet);
  if (Number.isNaN(value)) {
    cx.reply.nullBulk();
    return false;
  }
  cx.reply.integer(isSet ? old : value);
  writeBits(rec.bytes, rec.valueOffset, at, bits, asField(value, bits));
  return sized || old !== value;
}

function write64(cx: CommandContext, i: number, sized: boolean): boolean {
  const { rec } = cx;
  const bits = parsed.bits[i]!;
  const at = parsed.offsets[i]!;
  const signed = parsed.signed[i] === 1;
  const isSet = parsed.kinds[i] === Operation.Set;
  const operand = operand64(cx, parsed.values[i]!)!;
  const field = readBits64(rec.bytes, rec.valueOffset, rec.valueLength, at, bits);
  const old = signed ? BigInt.asIntN(bits, field) : field;
  const value = intoRange64(isSet ? operand : old + operand, bits, signed, parsed.overflows[i]!, isSet);
  if (value === null) {
    cx.reply.nullBulk();
    return false;
  }
  cx.reply.bigInteger(isSet ? old : value);
  writeBits64(rec.bytes, rec.valueOffset, at, bits, BigInt.asUintN(bits, value));
  return sized || old !== value;
}

function estimateOperations(cx: CommandContext): number {
  return cx.argc * OPERATION_COST;
}

export const bitmapFieldCommands: FamilyHandlers = {
  BITFIELD: { run: bitfield, place: Place.Estimated, estimate: estimateOperations },
  BITFIELD_RO: { run: bitfieldRo, place: Place.Estimated, estimate: estimateOperations },
};
