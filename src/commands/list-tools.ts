// What the commands on lists share: the thread's views, pushing, what follows when elements are gone, replies of ranges.
//
// How much work a command on a list is, is known once the list is found: handlers hand over themselves (string-values.ts,
// handOverLong) before anything is changed, instead of an estimate that would look the key up twice.

import type { Keyspace } from '../keyspace/keyspace.ts';
import { emptyListBytes, ListLimits, ListView } from '../keyspace/list-view.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { OutOfMemoryError } from '../memory/chunk-pool.ts';
import type { ReplyWriter } from '../protocol/reply-writer.ts';
import { LISTPACK_EMPTY_BYTES, type Listpack } from '../structures/listpack.ts';
import { exceedsNode } from '../structures/quicklist-nodes.ts';
import type { CommandContext } from './context.ts';

/** Elements between two calls of cx.breathe(). */
const BREATH_ELEMENTS = 1024;
/** Work of passing a node, in bytes touched. */
const NODE_WORK = 64;
/** Room for the first elements of a new list that is made at once, at most. */
const ROOM_BYTES_MAX = 1024;
/** What an entry of a listpack takes beside its bytes, about. */
const ENTRY_OVERHEAD = 3;

class ListTools {
  readonly keyspace: Keyspace;
  readonly limits = new ListLimits();
  readonly view: ListView;
  /** For commands on two lists. */
  readonly other: ListView;

  constructor(cx: CommandContext) {
    this.keyspace = cx.keyspace;
    this.limits.follow(cx.server.config);
    this.view = new ListView(cx.keyspace.memory, this.limits);
    this.other = new ListView(cx.keyspace.memory, this.limits);
  }
}

const toolsOf = new WeakMap<Keyspace, ListTools>();
let last: ListTools | null = null;

/** The tools of the thread that the context belongs to. */
function listTools(cx: CommandContext): ListTools {
  if (last !== null && last.keyspace === cx.keyspace) return last;
  let tools = toolsOf.get(cx.keyspace);
  if (tools === undefined) {
    tools = new ListTools(cx);
    toolsOf.set(cx.keyspace, tools);
  }
  last = tools;
  return tools;
}

/** The thread's view of a list, for the time of one command. */
export function listView(cx: CommandContext): ListView {
  return listTools(cx).view;
}

/** A second one. */
export function otherListView(cx: CommandContext): ListView {
  return listTools(cx).other;
}

/**
 * Looks up a list for reading and opens a view on it.
 * @returns 1 found, 0 not there, -1 replied with an error
 */
export function readList(cx: CommandContext, arg: number, view: ListView): number {
  const found = cx.readTyped(arg, Type.List, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/** As readList, for a writing command. */
export function writeList(cx: CommandContext, arg: number, view: ListView): number {
  const found = cx.writeTyped(arg, Type.List, view.rec);
  if (found === 1) view.open(cx.shard(arg));
  return found;
}

/**
 * Makes an empty list under key `arg`, which is not there, in the encoding that so many elements want. The caller adds
 * them, and deletes the list if that fails.
 * @param bytes of all elements
 */
export function createList(
  cx: CommandContext,
  arg: number,
  view: ListView,
  bytes: number,
  count: number,
): void {
  const packed = !exceedsNode(listTools(cx).limits.fill, LISTPACK_EMPTY_BYTES + bytes, count);
  const encoding = packed ? Encoding.Listpack : Encoding.Quicklist;
  const spare = packed ? Math.min(bytes + count * ENTRY_OVERHEAD, ROOM_BYTES_MAX) : 0;
  cx.createRecord(arg, Type.List, encoding, emptyListBytes(encoding), -1, spare, view.rec);
  view.openNew(cx.shard(arg));
}

/**
 * Pushes the arguments from `first` on to the list of key `arg`, which is made if it was not found.
 * @throws OutOfMemoryError; no element was pushed, or what unpush() has told of
 */
export function pushArguments(
  cx: CommandContext,
  arg: number,
  view: ListView,
  found: boolean,
  first: number,
  atHead: boolean,
): void {
  const { argc, argLen, argOff, input } = cx;
  let bytes = 0;
  for (let i = first; i < argc; i++) bytes += argLen[i]!;
  if (found) view.convertToGrow(bytes, argc - first);
  else createList(cx, arg, view, bytes, argc - first);
  let pushed = 0;
  try {
    for (let i = first; i < argc; i++) {
      view.push(atHead, input, argOff[i]!, argLen[i]!);
      pushed++;
    }
  } catch (error) {
    if (error instanceof OutOfMemoryError) unpush(cx, arg, view, found, pushed, atHead);
    throw error;
  }
}

/** Takes back what was pushed. What cannot be taken back, for want of memory to decompress it in, is told. */
export function unpush(
  cx: CommandContext,
  arg: number,
  view: ListView,
  found: boolean,
  pushed: number,
  atHead: boolean,
): void {
  if (!found) {
    cx.deleteRecord(view.rec);
    return;
  }
  let left = pushed;
  try {
    for (; left > 0; left--) view.drop(atHead);
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    cx.keyChanged(arg, left);
  }
}

/** Takes one element away, from the head or the tail; the key goes with the last one. */
export function dropElement(cx: CommandContext, view: ListView, atHead: boolean): void {
  if (view.size === 1) {
    cx.deleteRecord(view.rec);
    return;
  }
  view.drop(atHead);
  view.convertShrunk();
}

/** Work of removing `count` elements from `index` on, most of which are not looked at, in bytes touched. */
export function removeWork(view: ListView, index: number, count: number): number {
  return walkWork(view, index) + 2 * NODE_WORK * view.nodes * (count / view.size);
}

/** Takes `count` elements away from `index` on; the key goes with the last one. */
export function dropRange(cx: CommandContext, view: ListView, index: number, count: number): void {
  if (count === view.size) {
    cx.deleteRecord(view.rec);
    return;
  }
  view.removeRange(index, count);
  view.convertShrunk();
}

/** Work of going to an element, from the end that is nearer, in bytes touched. */
export function walkWork(view: ListView, index: number): number {
  const { size } = view;
  return view.nodes * NODE_WORK * (Math.min(Math.max(index, 0), Math.max(size - index, 0)) / size);
}

/** Work of reading `count` elements from `index` on, in bytes touched. */
export function rangeWork(view: ListView, index: number, count: number): number {
  return (view.bytes / view.size) * count + walkWork(view, index);
}

/**
 * Writes `count` elements as bulk strings, from `index` on to the tail, or to the head.
 * Others may have the shard in between: nothing may be changed yet.
 */
export function replyElements(
  cx: CommandContext,
  view: ListView,
  index: number,
  count: number,
  forward: boolean,
): void {
  if (forward) replyForward(cx, view, index, count);
  else replyBackward(cx, view, index, count);
}

function replyForward(cx: CommandContext, view: ListView, index: number, count: number): void {
  let left = count;
  let breath = BREATH_ELEMENTS;
  let more = view.seek(index);
  while (left > 0 && more) {
    const lp = view.listpack;
    const before = left;
    if (lp !== null) left -= replyEntries(cx.reply, lp, left);
    else {
      view.text();
      cx.reply.bulkBytes(view.buf, view.off, view.len);
      left--;
    }
    breath -= before - left;
    if (breath <= 0) {
      cx.breathe();
      breath = BREATH_ELEMENTS;
    }
    more = view.nextListpack();
  }
}

/**
 * Writes the entries of a listpack from the cursor on, at most `most`. A loop of its own: short strings, which are most
 * elements of most lists, are copied without the cursor, which takes twice as long.
 * @returns how many
 */
function replyEntries(reply: ReplyWriter, lp: Listpack, most: number): number {
  const { bytes, base } = lp;
  const end = base + lp.end;
  let at = base + lp.pos;
  let left = most;
  while (left > 0 && at < end) {
    const first = bytes[at]!;
    if (first >= 0x80 && first < 0xc0) {
      const len = first & 63;
      reply.bulkBytes(bytes, at + 1, len);
      // One byte of encoding and one of backward length.
      at += len + 2;
    } else {
      lp.at(at - base);
      lp.text();
      reply.bulkBytes(lp.buf, lp.off, lp.len);
      at += lp.entrySize();
    }
    left--;
  }
  return most - left;
}

function replyBackward(cx: CommandContext, view: ListView, index: number, count: number): void {
  let more = view.seek(index);
  for (let left = count; left > 0 && more; left--) {
    view.text();
    cx.reply.bulkBytes(view.buf, view.off, view.len);
    if ((left & (BREATH_ELEMENTS - 1)) === 0) cx.breathe();
    more = view.prev();
  }
}
