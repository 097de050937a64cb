// Writes a value as DUMP and RDB files have it: as Redis 7.0 writes it (version 10), so that every Redis from 7.0 on
// reads it. Only what 7.0 does not know, fields of hashes that expire, is written as the release does that brought it.
//
//   Sabre                                          RdbType
//   string                                         String
//   list      listpack, quicklist                  ListQuicklist2 (a listpack is the only node)
//   set       intset | listpack, hashtable         SetIntset | Set (Redis 7.0 knows no SetListpack)
//   zset      listpack | skiplist                  ZSetListpack | ZSet2, the greatest member first
//   hash      listpack | hashtable                 HashListpack | Hash
//             listpackex | hashtable, fields of    HashListpackEx | HashMetadata (version 12)
//             which expire
//   stream                                         StreamListpacks2 (when a consumer was last active is not kept)
//
// A listpackex of which no field expires any more is written as Hash, which Redis 7.0 knows.
//
// One per thread. Values are read where they lie; there is no object per element.

import { HashView } from '../keyspace/hash-view.ts';
import { Encoding, type RecordView, Type } from '../keyspace/record.ts';
import { SetView } from '../keyspace/set-view.ts';
import type { LockedShard } from '../keyspace/shard.ts';
import type { SharedMemory } from '../memory/shared-memory.ts';
import { ElementView } from '../structures/element.ts';
import { Member } from '../structures/member.ts';
import { Quicklist } from '../structures/quicklist.ts';
import { ListNode } from '../structures/quicklist-nodes.ts';
import { SortedSet } from '../structures/sorted-set.ts';
import { Stream } from '../structures/stream.ts';
import type { EncodingLimits } from './limits.ts';
import { breathe, type Pause } from './pause.ts';
import { QuicklistNode, RdbType, RdbVersion } from './rdb-format.ts';
import type { RdbWriter } from './rdb-writer.ts';
import { StreamWriter } from './write-stream.ts';

export class ValueWriter {
  pause: Pause | null = null;
  readonly #set: SetView;
  readonly #member = new Member();
  readonly #hash: HashView;
  readonly #zset: SortedSet;
  readonly #element: ElementView;
  readonly #list: Quicklist;
  readonly #stream: Stream;
  readonly #streamWriter: StreamWriter;

  constructor(memory: SharedMemory, limits: EncodingLimits) {
    this.#set = new SetView(memory, limits.set);
    this.#hash = new HashView(memory, limits.hash);
    this.#zset = new SortedSet(memory);
    this.#element = new ElementView(memory);
    this.#list = new Quicklist(memory);
    this.#stream = new Stream(memory);
    this.#streamWriter = new StreamWriter(memory);
  }

  /** The RdbType that a record's value is written as. @param shard the record's, locked */
  typeOf(shard: LockedShard, rec: RecordView): number {
    const { encoding } = rec;
    switch (rec.type) {
      case Type.String:
        return RdbType.String;
      case Type.List:
        return RdbType.ListQuicklist2;
      case Type.Set:
        return encoding === Encoding.Intset ? RdbType.SetIntset : RdbType.Set;
      case Type.ZSet:
        return encoding === Encoding.Listpack ? RdbType.ZSetListpack : RdbType.ZSet2;
      case Type.Hash:
        return this.#hashTypeOf(shard, rec);
      case Type.Stream:
        return RdbType.StreamListpacks2;
      default:
        throw new Error(`rdb: a value of type ${rec.type}`);
    }
  }

  #hashTypeOf(shard: LockedShard, rec: RecordView): number {
    if (rec.encoding === Encoding.Listpack) return RdbType.HashListpack;
    const view = this.#hash;
    shard.meet(view.rec, rec.db, rec.slot, rec.hash, rec.ref);
    view.open(shard);
    if (rec.encoding === Encoding.Hashtable)
      return view.table.expiring > 0 ? RdbType.HashMetadata : RdbType.Hash;
    // The first field to expire is in front.
    view.begin();
    return view.next() && view.expireAt >= 0 ? RdbType.HashListpackEx : RdbType.Hash;
  }

  /** The oldest RdbVersion that has a type. */
  versionOf(type: number): number {
    return type >= RdbType.HashMetadataPreGa ? RdbVersion.Redis74 : RdbVersion.Redis70;
  }

  /**
   * Writes a record's value, without its type in front.
   * @param shard the record's, locked; where `pause` is set, the key is pinned
   * @param type what typeOf() said
   */
  write(out: RdbWriter, shard: LockedShard, rec: RecordView, type: number): void {
    switch (type) {
      case RdbType.ListQuicklist2:
        this.#writeList(out, shard, rec);
        return;
      case RdbType.Set:
        this.#writeSet(out, shard, rec);
        return;
      case RdbType.ZSet2:
        this.#writeSortedSet(out, shard, rec);
        return;
      case RdbType.Hash:
      case RdbType.HashMetadata:
        this.#writeHash(out, shard, rec, type === RdbType.HashMetadata);
        return;
      case RdbType.HashListpackEx:
        // #hashTypeOf has met the first field to expire.
        out.integer64(this.#hash.expireAt);
        break;
      case RdbType.StreamListpacks2:
        this.#stream.open(shard.arena, rec.words, rec.rootWord);
        this.#streamWriter.write(out, this.#stream, this.pause);
        return;
      default:
    }
    out.string(rec.bytes, rec.valueOffset, rec.valueLength);
  }

  #writeList(out: RdbWriter, shard: LockedShard, rec: RecordView): void {
    if (rec.encoding === Encoding.Listpack) {
      out.len(1);
      out.len(QuicklistNode.Packed);
      out.string(rec.bytes, rec.valueOffset, rec.valueLength);
      return;
    }
    const list = this.#list;
    list.open(shard.arena, rec.words, rec.rootWord);
    out.len(list.nodeCount);
    for (let ref = list.head; ref !== 0; ref = list.node(ref, ListNode.Next)) {
      out.len(list.isPlain(ref) ? QuicklistNode.Plain : QuicklistNode.Packed);
      const size = list.node(ref, ListNode.Size);
      const bytes = list.dataBuffer(ref);
      if (list.isCompressed(ref))
        out.compressed(bytes, list.dataOffset(ref), list.node(ref, ListNode.Room), size);
      else out.string(bytes, list.base(ref), size);
      this.pause?.breathe();
    }
  }

  #writeSet(out: RdbWriter, shard: LockedShard, rec: RecordView): void {
    const view = this.#set;
    const member = this.#member;
    shard.meet(view.rec, rec.db, rec.slot, rec.hash, rec.ref);
    view.open(shard);
    out.len(view.size);
    view.begin();
    for (let i = 0; view.next(member); i++) {
      member.text();
      out.string(member.buf, member.off, member.len);
      breathe(this.pause, i);
    }
  }

  /** From the greatest to the least, as Redis, which loads them so the fastest. */
  #writeSortedSet(out: RdbWriter, shard: LockedShard, rec: RecordView): void {
    const { tree } = this.#zset;
    const element = this.#element;
    this.#zset.open(shard.arena, rec.words, rec.rootWord);
    out.len(tree.size);
    for (let i = 0, more = tree.seekLast(); more; more = tree.previous(), i++) {
      element.point(tree.ref);
      out.string(element.bytes, element.keyOffset, element.keyLength);
      out.float64(element.score);
      breathe(this.pause, i);
    }
  }

  /** Field by field. @param expires whether with expiries: relative to the first one, plus 1; 0 for none */
  #writeHash(out: RdbWriter, shard: LockedShard, rec: RecordView, expires: boolean): void {
    const view = this.#hash;
    shard.meet(view.rec, rec.db, rec.slot, rec.hash, rec.ref);
    view.open(shard);
    const first = expires ? this.#firstExpiry() : 0;
    if (expires) out.integer64(first);
    out.len(view.size);
    view.begin();
    for (let i = 0; view.next(); i++) {
      if (expires) out.len(view.expireAt < 0 ? 0 : view.expireAt - first + 1);
      out.string(view.keyBuf, view.keyOff, view.keyLen);
      out.string(view.buf, view.off, view.len);
      breathe(this.pause, i);
    }
  }

  /** When the first field of the open hash expires; some field does. */
  #firstExpiry(): number {
    const view = this.#hash;
    let first = Number.POSITIVE_INFINITY;
    view.begin();
    for (let i = 0; view.next(); i++) {
      if (view.expireAt >= 0 && view.expireAt < first) first = view.expireAt;
      breathe(this.pause, i);
    }
    return first;
  }
}
