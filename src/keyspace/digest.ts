// The digests of DEBUG DIGEST and DEBUG DIGEST-VALUE, by Redis's algorithm, so that two servers can be compared.
//
//   xor(d, x) = d ^ SHA1(x)          order does not matter
//   mix(d, x) = SHA1(d ^ SHA1(x))    order does
//
//   data set   0; for each database that is not empty, ascending: mix its number; for each of its keys: xor the digest
//              of the key: 0, mix the key, then as the value
//   value      0, mix the type (Redis's number); what it consists of; if it expires: xor "!!expire!!"
//   string     mix its bytes
//   set        xor each member                            (digest-set.ts; other types have files of their own, too)
//
// Numbers are 32 bits, big endian. Keys whose time has come count as long as they are there, as in Redis.
//
// A digest is five words. Short inputs are hashed here: a call to OpenSSL costs several times a block of SHA-1.
// node:crypto is loaded at the first long one: it costs a thread 1.1 MB, and few are ever asked for a digest.

import { digestHash } from './digest-hash.ts';
import { digestList } from './digest-list.ts';
import { digestSet } from './digest-set.ts';
import { digestStream } from './digest-stream.ts';
import { digestZSet } from './digest-zset.ts';
import type { Keyspace } from './keyspace.ts';
import { type RecordView, TYPE_NAMES, Type } from './record.ts';
import { KeyWalk } from './scan.ts';
import type { LockedShard } from './shard.ts';

const DIGEST_WORDS = 5;
/** Longest input of one block of SHA-1. */
const ONE_BLOCK_BYTES = 55;
const EXPIRE_MARK = Buffer.from('!!expire!!');
/** Keys gathered at once. */
const STEP_KEYS = 4096;

const block = new Int32Array(80);
/** What the last hash came to. */
const result = new Int32Array(DIGEST_WORDS);

export class Digest {
  readonly words = new Int32Array(DIGEST_WORDS);

  reset(): void {
    this.words.fill(0);
  }

  xor(bytes: Buffer, off: number, len: number): void {
    sha1(bytes, off, len);
    this.#xorResult();
  }

  mix(bytes: Buffer, off: number, len: number): void {
    sha1(bytes, off, len);
    this.#xorResult();
    this.#rehash();
  }

  /** Mixes a number of 32 bits. */
  mixNumber(value: number): void {
    block.fill(0, 0, 16);
    block[0] = value;
    block[1] = 0x80000000;
    block[15] = 32;
    sha1Block();
    this.#xorResult();
    this.#rehash();
  }

  xorDigest(other: Digest): void {
    sha1Words(other.words);
    this.#xorResult();
  }

  toHex(): string {
    let text = '';
    for (const word of this.words) text += (word >>> 0).toString(16).padStart(8, '0');
    return text;
  }

  #xorResult(): void {
    for (let i = 0; i < DIGEST_WORDS; i++) this.words[i]! ^= result[i]!;
  }

  #rehash(): void {
    sha1Words(this.words);
    this.words.set(result);
  }
}

/** Adds what a value of one type consists of. The record's shard is locked. */
export type ValueDigest = (digest: Digest, rec: RecordView, keyspace: Keyspace) => void;

/** By type. */
const VALUE_DIGESTS: readonly (ValueDigest | null)[] = valueDigests([
  [Type.String, digestString],
  [Type.List, digestList],
  [Type.Set, digestSet],
  [Type.Hash, digestHash],
  [Type.Stream, digestStream],
  [Type.ZSet, digestZSet],
]);

function valueDigests(list: readonly (readonly [number, ValueDigest])[]): (ValueDigest | null)[] {
  const byType = new Array<ValueDigest | null>(TYPE_NAMES.length).fill(null);
  for (const [type, digest] of list) byType[type] = digest;
  return byType;
}

function digestString(digest: Digest, rec: RecordView): void {
  digest.mix(rec.bytes, rec.valueOffset, rec.valueLength);
}

/** Adds type, value and expiry of a record. */
export function digestValue(digest: Digest, rec: RecordView, keyspace: Keyspace): void {
  const add = VALUE_DIGESTS[rec.type]!;
  if (add === null) throw new Error(`digest: type ${TYPE_NAMES[rec.type]} is not built`);
  digest.mixNumber(rec.type);
  add(digest, rec, keyspace);
  if (rec.expires) digest.xor(EXPIRE_MARK, 0, EXPIRE_MARK.length);
}

/**
 * The digest of all databases.
 * @param shards all of them, locked
 * @param rec a view to use
 */
export function digestDataset(keyspace: Keyspace, shards: readonly LockedShard[], rec: RecordView): Digest {
  const databases = keyspace.memory.databaseCount;
  const final = new Digest();
  const each = new Digest();
  for (let db = 0; db < databases; db++) {
    if (shards.every((shard) => shard.keys(db) === 0)) continue;
    final.mixNumber(db);
    const walk = new KeyWalk();
    while (!walk.done) {
      const shard = shards[walk.shard]!;
      walk.gather(shard, db, STEP_KEYS);
      for (let i = 0; i < walk.count; i++) {
        walk.meet(shard, db, i, rec);
        each.reset();
        each.mix(rec.bytes, rec.keyOffset, rec.keyLength);
        digestValue(each, rec, keyspace);
        final.xorDigest(each);
      }
    }
  }
  return final;
}

// ---- SHA-1 (FIPS 180-4) ----

function sha1(bytes: Buffer, off: number, len: number): void {
  if (len > ONE_BLOCK_BYTES) {
    const long = process
      .getBuiltinModule('node:crypto')
      .hash('sha1', bytes.subarray(off, off + len), 'buffer');
    for (let i = 0; i < DIGEST_WORDS; i++) result[i] = long.readInt32BE(i * 4);
    return;
  }
  block.fill(0, 0, 16);
  for (let i = 0; i < len; i++) block[i >> 2]! |= bytes[off + i]! << (24 - ((i & 3) << 3));
  block[len >> 2]! |= 0x80 << (24 - ((len & 3) << 3));
  block[15] = len * 8;
  sha1Block();
}

function sha1Words(words: Int32Array): void {
  block.fill(0, 0, 16);
  block.set(words);
  block[DIGEST_WORDS] = 0x80000000;
  block[15] = DIGEST_WORDS * 32;
  sha1Block();
}

/** Hashes the first 16 words of `block`, which hold a whole padded message, to `result`. */
function sha1Block(): void {
  const w = block;
  for (let i = 16; i < 80; i++) {
    const x = w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!;
    w[i] = (x << 1) | (x >>> 31);
  }
  let a = 0x67452301;
  let b = 0xefcdab89 | 0;
  let c = 0x98badcfe | 0;
  let d = 0x10325476;
  let e = 0xc3d2e1f0 | 0;
  for (let i = 0; i < 80; i++) {
    let f: number;
    if (i < 20) f = ((b & c) | (~b & d)) + 0x5a827999;
    else if (i < 40) f = (b ^ c ^ d) + 0x6ed9eba1;
    else if (i < 60) f = ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
    else f = (b ^ c ^ d) + 0xca62c1d6;
    const next = (((a << 5) | (a >>> 27)) + f + e + w[i]!) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  result[0] = (a + 0x67452301) | 0;
  result[1] = (b + 0xefcdab89) | 0;
  result[2] = (c + 0x98badcfe) | 0;
  result[3] = (d + 0x10325476) | 0;
  result[4] = (e + 0xc3d2e1f0) | 0;
}
