// Reads values that are sets: strings one by one, intsets, listpacks.

import { Encoding, Type } from '../keyspace/record.ts';
import { emptySetBytes } from '../keyspace/set-view.ts';
import { isIntset } from '../structures/intset.ts';
import { type LoadContext, ReadResult } from './load-context.ts';
import { RdbType } from './rdb-format.ts';

/** @param type an RdbType of sets @returns a ReadResult */
export function readSet(cx: LoadContext, type: number): number {
  if (type === RdbType.Set) return readMembers(cx);
  if (!cx.input.string(cx.string)) return ReadResult.Bad;
  return type === RdbType.SetIntset ? readIntset(cx) : readListpack(cx);
}

function readMembers(cx: LoadContext): number {
  const { input, string, member, limits } = cx;
  const count = input.count(1);
  if (input.failed) return ReadResult.Bad;
  if (count === 0) return ReadResult.Empty;
  for (let i = 0; i < count; i++) {
    if (!input.string(string)) return ReadResult.Bad;
    member.setBytes(string.buf, string.off, string.len);
    if (i === 0) makeSet(cx, limits.set.encodingOf(member, count));
    if (!cx.set.add(member)) return cx.bad();
    cx.breathe(i);
  }
  return ReadResult.Loaded;
}

/** Makes a set without members, to be filled by way of `cx.set`. */
function makeSet(cx: LoadContext, encoding: number): void {
  cx.make(cx.set.rec, Type.Set, encoding, emptySetBytes(encoding));
  cx.set.openNew(cx.shard);
}

function readIntset(cx: LoadContext): number {
  const { buf, off, len } = cx.string;
  cx.countSanitized();
  if (!isIntset(buf, off, len, cx.deep)) return cx.bad();
  cx.makePacked(cx.set.rec, Type.Set, Encoding.Intset);
  cx.set.open(cx.shard);
  if (cx.set.size > cx.limits.set.intsetEntries) cx.set.toHashtable();
  return ReadResult.Loaded;
}

function readListpack(cx: LoadContext): number {
  const count = cx.openListpack(1);
  if (count < 0) return cx.bad();
  if (count === 0) return ReadResult.Empty;
  cx.makePacked(cx.set.rec, Type.Set, Encoding.Listpack);
  cx.set.open(cx.shard);
  if (count > cx.limits.set.listpackEntries) cx.set.toHashtable();
  return ReadResult.Loaded;
}
