// What the commands on hashes share: the thread's views and limits, creating hashes, and meeting fields that may have
// expired.
//
// How much work a command on a hash is, is known once the hash is found: handlers hand over themselves (string-values.ts,
// handOverLong) before anything is changed, instead of an estimate that would look the key up twice.
//
// A field whose time has come is removed by the first command that looks for it, and its hash with the last one. Only
// while a long command of another thread has the key pinned it stays, unseen.

import { NotifyFlag } from '../config/multi-values.ts';
import { emptyHashBytes, HashLimits, HashView } from '../keyspace/hash-view.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { isPinned } from '../keyspace/pins.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { ShardCounter } from '../memory/layout.ts';
import type { CommandContext } from './context.ts';

/** Work for a field looked up in a hash table or met on a walk, in bytes touched: a few misses of the caches. */
export const FIELD_WORK = 192;
/** Fields between two calls of cx.breathe(). */
export const BREATH_FIELDS = 1024;
/** Room for the first fields of a new hash that is made at once, at most. */
const ROOM_BYTES_MAX = 1024;
/** What an entry of a listpack takes beside its bytes, about. */
const ENTRY_OVERHEAD = 3;

class HashTools {
  readonly keyspace: Keyspace;
  readonly limits = new HashLimits();
  readonly view: HashView;

  constructor(cx: CommandContext) {
    this.keyspace = cx.keyspace;
    this.limits.follow(cx.server.config);
    this.view = new HashView(cx.keyspace.memory, this.limits);
  }
}

const toolsOf = new WeakMap<Keyspace, HashTools>();
let last: HashTools | null = null;

/** The tools of the thread that the context belongs to. */
function hashTools(cx: CommandContext): HashTools {
  if (last !== null && last.keyspace === cx.keyspace) return last;
  let tools = toolsOf.get(cx.keyspace);
  if (tools === undefined) {
    tools = new HashTools(cx);
    toolsOf.set(cx.keyspace, tools);
  }
  last = tools;
  return tools;
}

/** The thread's view of a hash, for the time of one command. */
export function hashView(cx: CommandContext): HashView {
  return hashTools(cx).view;
}

/**
 * Looks up a hash for reading and opens the thread's view on it.
 * @returns 1 found, 0 not there, -1 replied with an error
 */
export function readHash(cx: CommandContext, arg: number): number {
  const { view } = hashTools(cx);
  const found = cx.readTyped(arg, Type.Hash, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/** As readHash, for a writing command. */
export function writeHash(cx: CommandContext, arg: number): number {
  const { view } = hashTools(cx);
  const found = cx.writeTyped(arg, Type.Hash, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/**
 * Makes an empty hash for the fields and values that arguments `first` to the last are, under key `arg`, which is not
 * there. The caller adds the fields, and deletes the hash if that fails.
 */
export function createHash(cx: CommandContext, arg: number, first: number): HashView {
  const { limits, view } = hashTools(cx);
  let packed = (cx.argc - first) / 2 <= limits.entries;
  let room = 0;
  for (let i = first; i < cx.argc && packed; i++) {
    if (cx.argLen[i]! > limits.value) packed = false;
    room += cx.argLen[i]! + ENTRY_OVERHEAD;
  }
  const encoding = packed ? Encoding.Listpack : Encoding.Hashtable;
  const spare = packed ? Math.min(room, ROOM_BYTES_MAX) : 0;
  cx.createRecord(arg, Type.Hash, encoding, emptyHashBytes(encoding), -1, spare, view.rec);
  view.openNew(cx.shard(arg));
  return view;
}

/** Makes a hash that is there a hash table, if as many fields as arguments are from `first` on want it, as Redis does. */
export function makeFit(cx: CommandContext, first: number): void {
  const { limits, view } = hashTools(cx);
  if (view.encoding !== Encoding.Hashtable && (cx.argc - first) / 2 > limits.entries) view.toHashtable();
}

/**
 * Looks for a field; one that has expired is removed, and the hash with it if it was the last (see isGone).
 * @param field argument index of its name
 * @returns whether the view has met it, alive
 */
export function meetField(cx: CommandContext, arg: number, field: number): boolean {
  const { view } = hashTools(cx);
  if (!view.find(cx.input, cx.argOff[field]!, cx.argLen[field]!)) return false;
  if (!view.isExpired(cx.now)) return true;
  removeExpired(cx, arg, field, view);
  return false;
}

function removeExpired(cx: CommandContext, arg: number, field: number, view: HashView): void {
  if (isPinned(cx.keyspace.memory, view.rec.shard, view.rec.hash)) return;
  if (cx.effects.wanted) tellExpired(cx, arg, field);
  view.removeFound();
  view.shard.count(ShardCounter.ExpiredFields, 1);
  finish(cx, view);
  cx.keyChanged(arg, 0);
  cx.notifyRemoval(NotifyFlag.Hash, 'hexpired', arg, view.rec);
}

/** Tells, in front of the command's own effect, that a field is gone. @param field argument index of its name */
export function tellExpired(cx: CommandContext, arg: number, field: number): void {
  const { effects } = cx;
  effects.beginBefore(3);
  effects.text('HDEL');
  effects.arg(arg);
  effects.arg(field);
}

/** As tellExpired, of all fields that have expired and are still there. */
function tellAllExpired(cx: CommandContext, arg: number): void {
  const { effects, now } = cx;
  const { view } = hashTools(cx);
  const count = view.countExpired(now);
  if (count === 0) return;
  effects.beginBefore(2 + count);
  effects.text('HDEL');
  effects.arg(arg);
  view.begin();
  while (view.next()) if (view.isExpired(now)) effects.bytes(view.keyBuf, view.keyOff, view.keyLen);
}

/** Removes all fields that have expired, and the hash with the last one. */
export function removeAllExpired(cx: CommandContext, arg: number): void {
  const { view } = hashTools(cx);
  if (isPinned(cx.keyspace.memory, view.rec.shard, view.rec.hash)) return;
  if (cx.effects.wanted) tellAllExpired(cx, arg);
  let from = 0;
  let removed = 0;
  do {
    from = view.expireSome(cx.now, from, BREATH_FIELDS);
    removed += view.removed;
  } while (from !== 0);
  if (removed === 0) return;
  view.shard.count(ShardCounter.ExpiredFields, removed);
  finish(cx, view);
  cx.keyChanged(arg, 0);
  cx.notifyRemoval(NotifyFlag.Hash, 'hexpired', arg, view.rec);
}

/** After changes: deletes the hash if no field is left, else tells the index of changed expiries. @returns whether it is gone */
export function finish(cx: CommandContext, view: HashView): boolean {
  if (view.size === 0) {
    cx.deleteRecord(view.rec);
    return true;
  }
  view.settle();
  return false;
}

/** Whether the hash that the view was opened on was deleted since. */
export function isGone(view: HashView): boolean {
  return view.rec.ref === 0;
}

/** What it takes to look up or remove `count` fields, in bytes touched. */
export function fieldWork(view: HashView, count: number): number {
  // A listpack is gone through from its first entry on.
  return count * (view.encoding === Encoding.Hashtable ? FIELD_WORK : view.rec.valueLength);
}

/** What it takes to set `count` fields, in bytes touched: a listpack may have to become a hash table. */
export function growthWork(cx: CommandContext, count: number): number {
  const { limits, view } = hashTools(cx);
  const work = fieldWork(view, count);
  if (view.encoding === Encoding.Hashtable || view.size + count <= limits.entries) return work;
  return work + (view.size + count) * FIELD_WORK;
}

/** What it takes to go through a hash. */
export function walkWork(view: HashView): number {
  return view.encoding === Encoding.Hashtable ? view.size * FIELD_WORK : view.rec.valueLength * 4;
}

/** Writes the name of the field met. */
export function replyName(cx: CommandContext, view: HashView): void {
  cx.reply.bulkBytes(view.keyBuf, view.keyOff, view.keyLen);
}

/** Writes the value of the field met. */
export function replyValue(cx: CommandContext, view: HashView): void {
  cx.reply.bulkBytes(view.buf, view.off, view.len);
}
