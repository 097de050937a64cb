// The patterns of SORT's BY and GET: what to look up for an element.
//
//   #                      the element itself
//   weight_*               the string at the key that has the element in the place of the first star
//   object_*->name         the field `name` of the hash at that key
//   anything without star  nothing: null
//
// As in Redis, patterns are C strings where they are searched, so that stars and arrows behind a NUL are none.

import type { HashView } from '../keyspace/hash-view.ts';
import { RecordView, Type } from '../keyspace/record.ts';
import { copyBytes } from '../structures/bytes.ts';
import type { CommandContext } from './context.ts';
import { hashView } from './hash-tools.ts';

const HASH_SIGN = 0x23;
const STAR = 0x2a;
const DASH = 0x2d;
const GREATER = 0x3e;
/** A buffer for keys larger than this is let go after use. */
const KEEP_BYTES = 64 * 1024;

/** What a pattern yields. Those from Key on look keys up. */
export const PatternKind = { Nothing: 0, Element: 1, Key: 2, Field: 3 } as const;

export class SortPattern {
  kind: number = PatternKind.Nothing;
  /** The whole pattern in the command's input, the star's place in it, and where the arrow or the end is. */
  off = 0;
  len = 0;
  star = 0;
  keyEnd = 0;

  /** Takes argument `arg`. */
  compile(cx: CommandContext, arg: number): void {
    const { input } = cx;
    this.off = cx.argOff[arg]!;
    this.len = cx.argLen[arg]!;
    const end = this.off + this.len;
    let textEnd = this.off;
    while (textEnd < end && input[textEnd] !== 0) textEnd++;
    this.star = this.off;
    while (this.star < textEnd && input[this.star] !== STAR) this.star++;
    this.keyEnd = end;
    if (input[this.off] === HASH_SIGN && textEnd === this.off + 1) this.kind = PatternKind.Element;
    else if (this.star === textEnd) this.kind = PatternKind.Nothing;
    else {
      this.kind = PatternKind.Key;
      for (let at = this.star + 1; at + 2 < textEnd; at++) {
        if (input[at] !== DASH || input[at + 1] !== GREATER) continue;
        this.kind = PatternKind.Field;
        this.keyEnd = at;
        break;
      }
    }
  }

  get hasStar(): boolean {
    return this.kind >= PatternKind.Key;
  }
}

/** What lookups found, and the views they need. One per thread. */
export class SortLookup {
  /** The value found: buf[off, off + len), until the next look-up. */
  buf: Buffer;
  off = 0;
  len = 0;
  readonly #rec: RecordView;
  readonly #hash: HashView;
  #key: Buffer = Buffer.alloc(256);
  #keyLength = 0;

  constructor(cx: CommandContext) {
    this.#rec = new RecordView(cx.keyspace.memory);
    this.#hash = hashView(cx);
    this.buf = this.#key;
  }

  /** Looks up what a pattern says for an element. @returns whether there is something: it is in buf, off, len */
  find(cx: CommandContext, pattern: SortPattern, element: Buffer, off: number, len: number): boolean {
    if (pattern.kind === PatternKind.Element) {
      this.take(element, off, len);
      return true;
    }
    if (pattern.kind === PatternKind.Nothing) return false;
    const rec = this.#rec;
    if (!cx.lookupNamed(this.#keyFor(cx, pattern, element, off, len), 0, this.#keyLength, rec)) return false;
    if (pattern.kind === PatternKind.Field) return this.#findField(cx, pattern);
    if (rec.type !== Type.String) return false;
    this.take(rec.bytes, rec.valueOffset, rec.valueLength);
    return true;
  }

  /** Makes these bytes the value found. */
  take(buf: Buffer, off: number, len: number): void {
    this.buf = buf;
    this.off = off;
    this.len = len;
  }

  /** Forms the key: what is in front of the star, the element, what is behind it. */
  #keyFor(cx: CommandContext, pattern: SortPattern, element: Buffer, off: number, len: number): Buffer {
    const before = pattern.star - pattern.off;
    const after = pattern.keyEnd - pattern.star - 1;
    const length = before + len + after;
    let key = this.#key;
    if (length > key.length) {
      key = Buffer.allocUnsafeSlow(length);
      if (length <= KEEP_BYTES) this.#key = key;
    }
    copyBytes(cx.input, pattern.off, key, 0, before);
    copyBytes(element, off, key, before, len);
    copyBytes(cx.input, pattern.star + 1, key, before + len, after);
    this.#keyLength = length;
    return key;
  }

  /** A field that has expired is not there; it is left to others to remove it. */
  #findField(cx: CommandContext, pattern: SortPattern): boolean {
    const rec = this.#rec;
    const hash = this.#hash;
    if (rec.type !== Type.Hash) return false;
    hash.rec.point(rec.ref);
    hash.open(cx.shardOf(rec));
    const nameAt = pattern.keyEnd + 2;
    const found = hash.find(cx.input, nameAt, pattern.off + pattern.len - nameAt);
    if (!found || hash.isExpired(cx.now)) return false;
    this.take(hash.buf, hash.off, hash.len);
    return true;
  }
}
