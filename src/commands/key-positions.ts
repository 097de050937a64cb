/*
 * Which arguments of a request are keys. Two questions, because they have two right answers:
 *
 * - `keyPositions`: the keys that the command will touch, for locking, routing, WATCH and cluster slots. Where Redis's
 *   published specifications and a command's own parsing of its options disagree (`GEORADIUS ... STORE a STORE b`
 *   writes to b, the specification finds a; `XREADGROUP COUNT 1 GROUP STREAMS c STREAMS key >`), this follows the command, and
 *   may name more keys than are touched, never fewer. A request that its handler will refuse (a bad `numkeys`) may
 *   yield none.
 * - `keysWithFlags`: what `COMMAND GETKEYS` and `COMMAND GETKEYSANDFLAGS` print: Redis's specifications, then its
 *   fallbacks, with its quirks (measured on 7.0.15). ACL key permissions read these flags.
 *
 * Both write positions into arrays of the caller and allocate nothing. They return the number of keys found; where
 * that is more than the arrays hold, the rest is not written and the caller tries again with larger ones. What the
 * arrays hold behind that number has no meaning.
 *
 * Keys that only the data names (`SORT ... BY weight_* GET obj_*`) are nobody's arguments: such a command has a
 * specification of kind unknown (`hasUnknownKeys`), and a request that uses it so (`touchesUnknownKeys`) is run on a
 * shard worker with every shard locked.
 */
import { parseInteger } from '../protocol/numbers.ts';
import { Begin, Find, KeyFlag, KeyParser, type KeySpec } from './key-specs.ts';
import { type Command, KeyPlan } from './table.ts';

const word = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const W_GET = word('GET');
const W_BY = word('BY');
const W_LIMIT = word('LIMIT');
const W_STORE = word('STORE');
const W_STOREDIST = word('STOREDIST');
const W_KEYS = word('KEYS');
const W_AUTH = word('AUTH');
const W_AUTH2 = word('AUTH2');
const W_BLOCK = word('BLOCK');
const W_COUNT = word('COUNT');
const W_GROUP = word('GROUP');
const W_NOACK = word('NOACK');
const W_STREAMS = word('STREAMS');
const W_SET = word('SET');
const W_INCRBY = word('INCRBY');
const W_OVERFLOW = word('OVERFLOW');
const W_IFEQ = word('IFEQ');
const W_IFNE = word('IFNE');
const W_IFDEQ = word('IFDEQ');
const W_IFDNE = word('IFDNE');

const READ = KeyFlag.RO | KeyFlag.Access;
const STORED = KeyFlag.OW | KeyFlag.Update;

/** For callers that want no flags. */
const NO_FLAGS = new Int32Array(0);

/** The specifications don't describe this request. */
const INVALID = -1;

/**
 * The arguments that are keys, as the command will use them; hot path.
 * @param cmd the command (for a container: its subcommand)
 * @param argc number of arguments, the command's name included
 * @param argOff their beginnings in `input`
 * @param argLen their lengths in bytes
 * @param input bytes of the request
 * @param out receives indices of arguments, as many as it holds
 * @returns the number of keys
 */
export function keyPositions(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
): number {
  const plan = cmd.keyPlan;
  if (plan === KeyPlan.None) return 0;
  if (plan === KeyPlan.Single) {
    if (cmd.firstKey >= argc) return 0;
    out[0] = cmd.firstKey;
    return 1;
  }
  if (plan === KeyPlan.Range) return rangeKeys(cmd, argc, out);
  return specialKeys(cmd, argc, argOff, argLen, input, out);
}

function rangeKeys(cmd: Command, argc: number, out: Int32Array): number {
  const last = cmd.lastKey < 0 ? argc + cmd.lastKey : Math.min(cmd.lastKey, argc - 1);
  const step = cmd.step;
  let count = 0;
  for (let at = cmd.firstKey; at <= last; at += step) {
    if (count < out.length) out[count] = at;
    count++;
  }
  return count;
}

function specialKeys(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
): number {
  switch (cmd.keyParser) {
    case KeyParser.Sort:
      return sortKeys(argc, argOff, argLen, input, out, NO_FLAGS);
    case KeyParser.SortRo:
      return oneKey(1, READ, out, NO_FLAGS);
    case KeyParser.Migrate:
      return migrateKeys(argc, argOff, argLen, input, out, NO_FLAGS);
    case KeyParser.GeoRadius:
      return geoRadiusTouchedKeys(argc, argOff, argLen, input, out);
    case KeyParser.Xread:
      return xreadKeys(argc, argOff, argLen, input, out, NO_FLAGS);
    default: {
      const count = keysBySpecs(cmd, argc, argOff, argLen, input, out, NO_FLAGS);
      return count === INVALID ? 0 : count;
    }
  }
}

/**
 * The keys of a request and what it does with each, as Redis reports them.
 * @param outFlags receives bits of `KeyFlag` beside `out`; 0 where Redis's fallback knows none
 * @returns the number of keys; 0 also for arguments that make no sense
 */
export function keysWithFlags(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  switch (cmd.keyParser) {
    case KeyParser.Set:
      return oneKey(1, setFlags(argc, argOff, argLen, input), out, outFlags);
    case KeyParser.Bitfield:
      return oneKey(1, bitfieldFlags(argc, argOff, argLen, input), out, outFlags);
    case KeyParser.Delex:
      return oneKey(1, (argc > 2 ? KeyFlag.RW : KeyFlag.RM) | KeyFlag.Delete, out, outFlags);
  }
  const count = keysBySpecs(cmd, argc, argOff, argLen, input, out, outFlags);
  if (count !== INVALID) return count;
  switch (cmd.keyParser) {
    case KeyParser.Sort:
      return sortKeys(argc, argOff, argLen, input, out, outFlags);
    case KeyParser.SortRo:
      return oneKey(1, READ, out, outFlags);
    case KeyParser.Migrate:
      return migrateKeys(argc, argOff, argLen, input, out, outFlags);
    case KeyParser.Keynum:
      return lenientKeynumKeys(cmd, argc, argOff, argLen, input, out, outFlags);
    default:
      return 0;
  }
}

/** @returns whether the command has keys at all; channels are none */
export function commandHasKeys(cmd: Command): boolean {
  return cmd.keyPlan !== KeyPlan.None;
}

/** @returns whether the command may touch keys that are not among its arguments */
export function hasUnknownKeys(cmd: Command): boolean {
  return cmd.unknownKeys;
}

const STAR = 0x2a;

/** @returns whether a request of a command with unknown keys touches any: SORT does by patterns with a star */
export function touchesUnknownKeys(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
): boolean {
  if (cmd.keyParser !== KeyParser.Sort && cmd.keyParser !== KeyParser.SortRo) return cmd.unknownKeys;
  for (let at = 2; at + 1 < argc; at++) {
    if (!isWord(W_BY, at, argOff, argLen, input) && !isWord(W_GET, at, argOff, argLen, input)) continue;
    const off = argOff[at + 1]!;
    for (let i = off; i < off + argLen[at + 1]!; i++) if (input[i] === STAR) return true;
  }
  return false;
}

/**
 * Every key that the specifications find.
 * @returns their number, or INVALID as soon as one specification doesn't fit the request
 */
function keysBySpecs(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  const specs = cmd.keySpecs;
  let count = 0;
  for (let i = 0; i < specs.length; i++) {
    const spec = specs[i]!;
    if ((spec.flags & KeyFlag.NotKey) !== 0) continue;
    if (spec.begin === Begin.Unknown) return INVALID;
    let first = spec.start;
    if (spec.begin === Begin.Keyword) {
      first = afterKeyword(spec, argc, argOff, argLen, input);
      if (first === 0) continue; // an option that was not given
    }
    let last: number;
    if (spec.find === Find.Range) last = lastOfRange(spec, first, argc);
    else if (spec.find === Find.Keynum) {
      const at = first + spec.keynumIndex;
      if (at >= argc) return INVALID;
      const keys = parseInteger(input, argOff[at]!, argLen[at]!);
      if (!(keys >= 1)) return INVALID;
      first += spec.firstKey;
      last = first + (keys - 1) * spec.step;
    } else return INVALID;
    if (last >= argc || last < first || first >= argc) return INVALID;
    for (let at = first; at <= last; at += spec.step) {
      if (count < out.length) out[count] = at;
      if (count < outFlags.length) outFlags[count] = spec.flags;
      count++;
    }
    if ((spec.flags & KeyFlag.Incomplete) !== 0) return INVALID;
  }
  return count;
}

/**
 * Looks for the keyword of a specification, forward from `start`, or backward from there if that counts from the end.
 * The last argument is not looked at, since no key could follow it.
 * @returns the index of the argument behind it, 0 if it is not there
 */
function afterKeyword(
  spec: KeySpec,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
): number {
  if (spec.start > 0) {
    for (let at = spec.start; at < argc - 1; at++) {
      if (isWord(spec.keyword, at, argOff, argLen, input)) return at + 1;
    }
    return 0;
  }
  for (let at = argc + spec.start; at > 1; at--) {
    if (isWord(spec.keyword, at, argOff, argLen, input)) return at + 1;
  }
  return 0;
}

function lastOfRange(spec: KeySpec, first: number, argc: number): number {
  if (spec.lastKey >= 0) return first + spec.lastKey;
  if (spec.limit === 0) return argc + spec.lastKey;
  return first + Math.trunc((argc - first) / spec.limit) + spec.lastKey;
}

function oneKey(at: number, flags: number, out: Int32Array, outFlags: Int32Array): number {
  put(0, at, flags, out, outFlags);
  return 1;
}

function put(index: number, at: number, flags: number, out: Int32Array, outFlags: Int32Array): void {
  if (index < out.length) out[index] = at;
  if (index < outFlags.length) outFlags[index] = flags;
}

/** `SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [STORE destination]`: the last STORE counts. */
function sortKeys(
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  put(0, 1, READ, out, outFlags);
  let count = 1;
  for (let at = 2; at < argc; at++) {
    if (isWord(W_LIMIT, at, argOff, argLen, input)) at += 2;
    else if (isWord(W_GET, at, argOff, argLen, input) || isWord(W_BY, at, argOff, argLen, input)) at += 1;
    else if (at + 1 < argc && isWord(W_STORE, at, argOff, argLen, input)) {
      put(1, at + 1, STORED, out, outFlags);
      count = 2;
    }
  }
  return count;
}

/** `MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH pw | AUTH2 user pw] [KEYS key ...]` */
function migrateKeys(
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  const flags = KeyFlag.RW | KeyFlag.Access | KeyFlag.Delete;
  for (let at = 6; at < argc; at++) {
    if (isWord(W_KEYS, at, argOff, argLen, input)) {
      if (argLen[3]! > 0) return 0; // both forms at once: a syntax error
      for (let key = at + 1; key < argc; key++) put(key - at - 1, key, flags, out, outFlags);
      return argc - at - 1;
    }
    if (isWord(W_AUTH, at, argOff, argLen, input)) at += 1;
    else if (isWord(W_AUTH2, at, argOff, argLen, input)) at += 2;
  }
  return oneKey(3, flags, out, outFlags);
}

/** The source and every STORE and STOREDIST: the command writes to the last of them, the others do no harm. */
function geoRadiusTouchedKeys(
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
): number {
  put(0, 1, READ, out, NO_FLAGS);
  let count = 1;
  for (let at = 5; at + 1 < argc; at++) {
    if (!isWord(W_STORE, at, argOff, argLen, input) && !isWord(W_STOREDIST, at, argOff, argLen, input)) {
      continue;
    }
    put(count, at + 1, STORED, out, NO_FLAGS);
    count++;
    at++;
  }
  return count;
}

/** `XREAD|XREADGROUP [GROUP group consumer] [COUNT n] [BLOCK ms] [NOACK] STREAMS key ... id ...` */
function xreadKeys(
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  for (let at = 1; at < argc; at++) {
    if (isWord(W_BLOCK, at, argOff, argLen, input) || isWord(W_COUNT, at, argOff, argLen, input)) at += 1;
    else if (isWord(W_GROUP, at, argOff, argLen, input)) at += 2;
    else if (isWord(W_STREAMS, at, argOff, argLen, input)) {
      const words = argc - at - 1;
      if (words === 0 || words % 2 !== 0) return 0;
      for (let i = 0; i < words / 2; i++) put(i, at + 1 + i, READ, out, outFlags);
      return words / 2;
    } else if (!isWord(W_NOACK, at, argOff, argLen, input)) return 0;
  }
  return 0;
}

/** SET overwrites blindly, unless an option makes it look at the old value. */
function setFlags(argc: number, argOff: Int32Array, argLen: Int32Array, input: Uint8Array): number {
  let flags: number = STORED;
  for (let at = 3; at < argc; at++) {
    if (isWord(W_GET, at, argOff, argLen, input)) flags |= KeyFlag.RW | KeyFlag.Access;
    else if (
      isWord(W_IFEQ, at, argOff, argLen, input) ||
      isWord(W_IFNE, at, argOff, argLen, input) ||
      isWord(W_IFDEQ, at, argOff, argLen, input) ||
      isWord(W_IFDNE, at, argOff, argLen, input)
    ) {
      flags |= KeyFlag.RW;
    }
  }
  return (flags & KeyFlag.RW) === 0 ? flags : flags & ~KeyFlag.OW;
}

/** BITFIELD reads only if every operation is a GET; a syntax error counts as a write. */
function bitfieldFlags(argc: number, argOff: Int32Array, argLen: Int32Array, input: Uint8Array): number {
  const written = KeyFlag.RW | KeyFlag.Access | KeyFlag.Update;
  for (let at = 2; at < argc; at++) {
    const left = argc - at - 1;
    if (left >= 2 && isWord(W_GET, at, argOff, argLen, input)) at += 2;
    else if (left >= 1 && isWord(W_OVERFLOW, at, argOff, argLen, input)) at += 1;
    else if (left >= 3 && isWord(W_SET, at, argOff, argLen, input)) return written;
    else if (left >= 3 && isWord(W_INCRBY, at, argOff, argLen, input)) return written;
    else return written;
  }
  return READ;
}

/**
 * Redis's last resort for `numkeys key ...`: a number as `atoi` reads it, keys without flags, the destination last.
 */
function lenientKeynumKeys(
  cmd: Command,
  argc: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
  out: Int32Array,
  outFlags: Int32Array,
): number {
  const specs = cmd.keySpecs;
  const spec = specs[specs.length - 1]!;
  const numAt = spec.start + spec.keynumIndex;
  const first = spec.start + spec.firstKey;
  if (numAt >= argc) return 0;
  const keys = atoi(input, argOff[numAt]!, argLen[numAt]!);
  if (keys < 1 || keys > Math.trunc((argc - first) / spec.step)) return 0;
  for (let i = 0; i < keys; i++) put(i, first + i * spec.step, 0, out, outFlags);
  if (specs.length === 1) return keys;
  put(keys, specs[0]!.start, 0, out, outFlags);
  return keys + 1;
}

const INT64_MAX = (1n << 63n) - 1n;

/** C's `atoi` of glibc: blanks, a sign, digits, whatever follows; clamped to 64 bits, then cut to 32. */
function atoi(input: Uint8Array, off: number, len: number): number {
  const text = Buffer.from(input.buffer, input.byteOffset + off, len).toString('latin1');
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)/.exec(text);
  if (match === null) return 0;
  const negative = match[1] === '-';
  const size = BigInt(match[2]!);
  const limit = negative ? INT64_MAX + 1n : INT64_MAX;
  const clamped = size > limit ? limit : size;
  return Number(BigInt.asIntN(32, negative ? -clamped : clamped));
}

/** Whether argument `at` is the word, which is in upper case, in any case. */
function isWord(
  upper: Uint8Array,
  at: number,
  argOff: Int32Array,
  argLen: Int32Array,
  input: Uint8Array,
): boolean {
  const len = upper.length;
  if (argLen[at] !== len) return false;
  const off = argOff[at]!;
  for (let i = 0; i < len; i++) {
    const byte = input[off + i]!;
    const folded = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
    if (folded !== upper[i]) return false;
  }
  return true;
}
