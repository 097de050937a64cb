// PFADD, PFCOUNT, PFMERGE, PFDEBUG, PFSELFTEST over values in Redis's own format (structures/hyperloglog.ts).
//
// Dense values are read and changed in place. Sparse ones are read in place; when a register must be raised the value
// is taken to an image, changed there, and written back as a whole.
//
// PFCOUNT of one key stores the cardinality in the value: it is a write, though the command is marked as a read.

import { NotifyFlag } from '../config/multi-values.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { copyBytes } from '../keyspace/shard.ts';
import {
  cacheCardinality,
  cachedCardinality,
  countRegisters,
  countValue,
  DENSE_BYTES,
  denseRegister,
  describeSparse,
  encodingOf,
  HEADER_BYTES,
  HllEncoding,
  invalidateCardinality,
  isCardinalityValid,
  isHyperLogLog,
  mergeInto,
  REGISTERS,
  raiseDense,
  sparseRegister,
} from '../structures/hyperloglog.ts';
import { elementRegister, INDEX_BITS } from '../structures/hyperloglog-hash.ts';
import { HllImage, Raise } from '../structures/hyperloglog-image.ts';
import type { CommandContext } from './context.ts';
import { ErrorText } from './errors.ts';
import { shownArgument } from './generic-arguments.ts';
import { selfTest } from './hyperloglog-selftest.ts';
import { type FamilyHandlers, Place } from './table.ts';

const NOT_HLL = 'WRONGTYPE Key is not a valid HyperLogLog string value.';
const CORRUPT = 'INVALIDOBJ Corrupted HLL object detected';
const INDEX_MASK = (1 << INDEX_BITS) - 1;
/** Room left behind a sparse value that is likely to grow. */
const SPARSE_SPARE = 64;

export const hyperloglogCommands: FamilyHandlers = {
  PFADD: { run: pfadd, place: Place.Estimated, estimate: addWork },
  PFCOUNT: { run: pfcount, place: Place.Estimated, estimate: unionWork },
  PFMERGE: { run: pfmerge, place: Place.Estimated, estimate: mergeWork },
  PFDEBUG: { run: pfdebug, place: Place.InPlace },
  PFSELFTEST: { run: pfselftest, place: Place.Worker },
};

/** One per thread. */
const image = new HllImage();
const union = new Uint8Array(REGISTERS);

// ---- work ----

/** Bytes of the value at a key, 0 without one. */
function valueBytes(cx: CommandContext, arg: number): number {
  const rec = cx.rec;
  const slot = cx.slots[arg]!;
  const off = cx.argOff[arg]!;
  const found = cx.shard(arg).find(rec, cx.db, slot, cx.hashes[arg]!, cx.input, off, cx.argLen[arg]!);
  return found ? rec.valueLength : 0;
}

/** Each element is hashed, and for a sparse value looked for along its opcodes. */
function addWork(cx: CommandContext): number {
  const last = cx.argc - 1;
  if (last < 2) return 0;
  const elements = cx.argOff[last]! + cx.argLen[last]! - cx.argOff[2]!;
  // What is sparse, or will be for a while, is no longer than about hll-sparse-max-bytes.
  const length = valueBytes(cx, 1);
  return elements + (cx.argc - 2) * (length === DENSE_BYTES ? 32 : 32 + (length >> 1));
}

function unionWork(cx: CommandContext): number {
  let bytes = cx.argc > 2 ? REGISTERS * 2 : 0;
  for (let arg = 1; arg < cx.argc; arg++) bytes += valueBytes(cx, arg);
  return bytes;
}

/** Writing many registers of a sparse target costs a walk along its opcodes for each. */
function mergeWork(cx: CommandContext): number {
  const bytes = unionWork(cx);
  const sparse = bytes - REGISTERS * 2;
  return sparse > 0 && sparse < DENSE_BYTES ? bytes + (sparse * sparse) / 8 : bytes;
}

// ---- commands ----

/** Whether cx.rec holds a HyperLogLog; replies with the error otherwise. */
function checkValue(cx: CommandContext): boolean {
  const rec = cx.rec;
  if (rec.type !== Type.String) {
    cx.error(ErrorText.WrongType);
    return false;
  }
  if (isHyperLogLog(rec.bytes, rec.valueOffset, rec.valueLength)) return true;
  cx.error(NOT_HLL);
  return false;
}

function sparseMax(cx: CommandContext): number {
  return cx.server.config.getMemory('hll-sparse-max-bytes');
}

/** Writes the image as the value of key `arg`. @param found whether cx.rec is its record */
function storeImage(cx: CommandContext, arg: number, found: boolean): void {
  const rec = cx.rec;
  const spare = image.dense ? 0 : SPARSE_SPARE;
  if (found) {
    cx.shard(arg).resize(rec, image.length, spare);
    rec.setEncoding(Encoding.Raw);
  } else cx.createRecord(arg, Type.String, Encoding.Raw, image.length, -1, spare);
  copyBytes(image.bytes, 0, rec.bytes, rec.valueOffset, image.length);
}

function pfadd(cx: CommandContext): void {
  const rec = cx.rec;
  const found = cx.lookupWrite(1);
  if (!found) {
    image.clear();
    addToImage(cx, 2, false, 1);
    return;
  }
  if (!checkValue(cx)) return;
  const at = rec.valueOffset;
  if (encodingOf(rec.bytes, at) === HllEncoding.Dense) {
    rec.setEncoding(Encoding.Raw);
    addDense(cx);
    return;
  }
  for (let arg = 2; arg < cx.argc; arg++) {
    const register = elementRegister(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    const current = sparseRegister(rec.bytes, at, rec.valueLength, register & INDEX_MASK);
    if (current >= register >> INDEX_BITS) continue;
    image.load(rec.bytes, at, rec.valueLength);
    addToImage(cx, arg, true, 0);
    return;
  }
  rec.setEncoding(Encoding.Raw);
  cx.reply.integer(0);
}

/** @param from first element to add @param changes changes made already */
function addToImage(cx: CommandContext, from: number, found: boolean, changes: number): void {
  const limit = sparseMax(cx);
  for (let arg = from; arg < cx.argc; arg++) {
    const register = elementRegister(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    const raised = image.raise(register & INDEX_MASK, register >> INDEX_BITS, limit);
    if (raised === Raise.Corrupt) {
      cx.error(CORRUPT);
      return;
    }
    changes += raised;
  }
  invalidateCardinality(image.bytes, 0);
  storeImage(cx, 1, found);
  cx.keyChanged(1, changes);
  cx.notify(NotifyFlag.String, 'pfadd', 1);
  cx.reply.integer(1);
}

function addDense(cx: CommandContext): void {
  const rec = cx.rec;
  const at = rec.valueOffset;
  let changes = 0;
  for (let arg = 2; arg < cx.argc; arg++) {
    const register = elementRegister(cx.input, cx.argOff[arg]!, cx.argLen[arg]!);
    const value = register >> INDEX_BITS;
    if (raiseDense(rec.bytes, at + HEADER_BYTES, register & INDEX_MASK, value)) changes++;
  }
  if (changes > 0) {
    invalidateCardinality(rec.bytes, at);
    cx.keyChanged(1, changes);
    cx.notify(NotifyFlag.String, 'pfadd', 1);
  }
  cx.reply.integer(changes > 0 ? 1 : 0);
}

function pfcount(cx: CommandContext): void {
  if (cx.argc > 2) {
    if (gatherUnion(cx) !== null) cx.reply.integer(countRegisters(union));
    return;
  }
  if (!cx.lookupRead(1)) {
    cx.reply.integer(0);
    return;
  }
  if (!checkValue(cx)) return;
  const rec = cx.rec;
  const at = rec.valueOffset;
  if (isCardinalityValid(rec.bytes, at)) {
    rec.setEncoding(Encoding.Raw);
    replyCardinality(cx, cachedCardinality(rec.bytes, at));
    return;
  }
  const cardinality = countValue(rec.bytes, at, rec.valueLength);
  if (cardinality < 0) {
    cx.error(CORRUPT);
    return;
  }
  rec.setEncoding(Encoding.Raw);
  cacheCardinality(rec.bytes, at, cardinality);
  cx.keyChanged(1);
  cx.reply.integer(cardinality);
}

function replyCardinality(cx: CommandContext, cardinality: number | bigint): void {
  if (typeof cardinality === 'number') cx.reply.integer(cardinality);
  else cx.reply.bigInteger(cardinality);
}

/**
 * Gathers the maxima over all keys in `union`.
 * @returns whether one of the values is dense, null after an error
 */
function gatherUnion(cx: CommandContext): boolean | null {
  const rec = cx.rec;
  let dense = false;
  union.fill(0);
  for (let arg = 1; arg < cx.argc; arg++) {
    if (!cx.lookupRead(arg)) continue;
    if (!checkValue(cx)) return null;
    const at = rec.valueOffset;
    if (encodingOf(rec.bytes, at) === HllEncoding.Dense) dense = true;
    if (!mergeInto(union, rec.bytes, at, rec.valueLength)) {
      cx.error(CORRUPT);
      return null;
    }
  }
  return dense;
}

function pfmerge(cx: CommandContext): void {
  const dense = gatherUnion(cx);
  if (dense === null) return;
  const rec = cx.rec;
  const found = cx.lookupWrite(1);
  if (found) image.load(rec.bytes, rec.valueOffset, rec.valueLength);
  else image.clear();
  // The merge above has proved the opcodes sound, so none of the steps can fail on them.
  if (dense) image.toDense();
  const limit = sparseMax(cx);
  for (let i = 0; i < REGISTERS; i++) {
    if (union[i] !== 0 && image.raise(i, union[i]!, limit) === Raise.Corrupt) {
      cx.error(CORRUPT);
      return;
    }
  }
  invalidateCardinality(image.bytes, 0);
  storeImage(cx, 1, found);
  cx.keyChanged(1);
  // As Redis calls it: elements were added.
  cx.notify(NotifyFlag.String, 'pfadd', 1);
  cx.reply.ok();
}

function pfdebug(cx: CommandContext): void {
  if (!cx.lookupWrite(2)) {
    cx.error('ERR The specified key does not exist');
    return;
  }
  if (!checkValue(cx)) return;
  const rec = cx.rec;
  rec.setEncoding(Encoding.Raw);
  const sparse = encodingOf(rec.bytes, rec.valueOffset) === HllEncoding.Sparse;
  if (cx.argIs(1, 'GETREG')) replyRegisters(cx, sparse);
  else if (cx.argIs(1, 'DECODE')) {
    if (sparse) cx.reply.bulkString(describeSparse(rec.bytes, rec.valueOffset, rec.valueLength));
    else cx.error('ERR HLL encoding is not sparse');
  } else if (cx.argIs(1, 'ENCODING')) cx.reply.simpleString(sparse ? 'sparse' : 'dense');
  else if (cx.argIs(1, 'TODENSE')) {
    if (!sparse) cx.reply.integer(0);
    else if (makeDense(cx)) cx.reply.integer(1);
  } else cx.error(`ERR Unknown PFDEBUG subcommand '${shownArgument(cx, 1)}'`);
}

function replyRegisters(cx: CommandContext, sparse: boolean): void {
  if (sparse && !makeDense(cx)) return;
  const rec = cx.rec;
  cx.reply.arrayHeader(REGISTERS);
  const registers = rec.valueOffset + HEADER_BYTES;
  for (let i = 0; i < REGISTERS; i++) cx.reply.integer(denseRegister(rec.bytes, registers, i));
}

/** Turns the value at cx.rec into the dense form. @returns false after an error */
function makeDense(cx: CommandContext): boolean {
  const rec = cx.rec;
  image.load(rec.bytes, rec.valueOffset, rec.valueLength);
  if (!image.toDense()) {
    cx.error(CORRUPT);
    return false;
  }
  storeImage(cx, 2, true);
  // Written to the log, but no change of the key: who watches it does not hear of it.
  cx.dirty++;
  return true;
}

function pfselftest(cx: CommandContext): void {
  const failure = selfTest(sparseMax(cx));
  if (failure === null) cx.reply.ok();
  else cx.error(failure);
}
