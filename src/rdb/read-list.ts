// Reads values that are lists: element by element, ziplists, quicklists of either kind.
//
// A list that fits one node becomes a listpack. The nodes of quicklists stay as they are, whatever the limits.

import { emptyListBytes } from '../keyspace/list-view.ts';
import { Encoding, Type } from '../keyspace/record.ts';
import { isListpack } from '../structures/listpack-check.ts';
import { exceedsNode } from '../structures/quicklist-nodes.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { QuicklistNode, RdbType } from './rdb-format.ts';

/** @param type an RdbType of lists @returns a ReadResult */
export function readList(cx: LoadContext, type: number): number {
  if (type === RdbType.List) return readElements(cx);
  if (type === RdbType.ListZiplist) return readZiplist(cx);
  return readNodes(cx, type);
}

/** Makes a list without elements, to be filled by way of `cx.list.quicklist`. */
function makeList(cx: LoadContext): void {
  cx.make(cx.list.rec, Type.List, Encoding.Quicklist, emptyListBytes(Encoding.Quicklist));
  cx.list.openNew(cx.shard);
}

function readElements(cx: LoadContext): number {
  const { input, string } = cx;
  const { quicklist } = cx.list;
  const count = input.count(1);
  if (input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  makeList(cx);
  for (let i = 0; i < count; i++) {
    if (!input.string(string)) return ReadResult.Bad;
    quicklist.pushTail(string.buf, string.off, string.len);
    cx.breathe(i);
  }
  cx.list.convertNew();
  return ReadResult.Loaded;
}

function readZiplist(cx: LoadContext): number {
  const { string, listpack } = cx;
  const { quicklist } = cx.list;
  if (!cx.input.string(string)) return ReadResult.Bad;
  if (!cx.ziplistToString()) return cx.bad();
  listpack.open(string.buf, string.off);
  const count = listpack.count();
  if (count === 0) return ReadResult.Empty;
  if (fitsNode(cx, string.len, count)) return makePackedList(cx);
  makeList(cx);
  for (let more = listpack.first(); more; more = listpack.next()) {
    listpack.text();
    quicklist.pushTail(listpack.buf, listpack.off, listpack.len);
  }
  return ReadResult.Loaded;
}

/** Nodes: of ziplists (ListQuicklist), or of listpacks and large elements. */
function readNodes(cx: LoadContext, type: number): number {
  const { input, string } = cx;
  const { quicklist } = cx.list;
  const count = input.count(1);
  if (input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  for (let i = 0; i < count; i++) {
    const container = type === RdbType.ListQuicklist2 ? input.len() : QuicklistNode.Packed;
    if (container !== QuicklistNode.Packed && container !== QuicklistNode.Plain) return cx.bad();
    if (!input.string(string)) return ReadResult.Bad;
    if (string.len === 0) return cx.bad();
    if (container === QuicklistNode.Plain) {
      if (cx.rec.ref === 0) makeList(cx);
      quicklist.appendPlain(string.buf, string.off, string.len);
      continue;
    }
    const entries = openNode(cx, type);
    if (entries < 0) return cx.bad();
    if (count === 1 && entries > 0 && fitsNode(cx, string.len, entries)) return makePackedList(cx);
    // Nodes without elements are left out, as Redis does.
    if (entries > 0) {
      if (cx.rec.ref === 0) makeList(cx);
      quicklist.appendListpack(string.buf, string.off, string.len, entries);
    }
    cx.breathe(i);
  }
  if (cx.rec.ref === 0) return ReadResult.Empty;
  cx.list.convertNew();
  return ReadResult.Loaded;
}

/** Makes sure that `cx.string` holds a listpack. @returns its entries, -1 if it does not */
function openNode(cx: LoadContext, type: number): number {
  const { string, listpack } = cx;
  if (type === RdbType.ListQuicklist) {
    if (!cx.ziplistToString()) return -1;
  } else {
    cx.countSanitized();
    if (!isListpack(string.buf, string.off, string.len, cx.deep)) return -1;
  }
  listpack.open(string.buf, string.off);
  return listpack.count();
}

function fitsNode(cx: LoadContext, bytes: number, count: number): boolean {
  return !exceedsNode(cx.limits.list.fill, bytes, count);
}

/** Makes the list of the listpack in `cx.string`. */
function makePackedList(cx: LoadContext): number {
  cx.makePacked(cx.rec, Type.List, Encoding.Listpack);
  return ReadResult.Loaded;
}
