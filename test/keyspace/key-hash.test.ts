// Slot and index hash of keys: CRC16 against its check values, HalfSipHash against its reference's test vectors and a
// plain implementation, hash tags against the cases of Redis Cluster's specification.

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { crc16, hashKey, keySlot, seedKeyHash } from '../../src/keyspace/key-hash.ts';

const rotl = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

/** HalfSipHash-c-d with 32 bits of output, as its paper and reference say, word by word. */
function halfSipHash(c: number, d: number, k0: number, k1: number, message: Uint8Array): number {
  const v: [number, number, number, number] = [k0, k1, 0x6c796765 ^ k0, 0x74656462 ^ k1];
  const round = (): void => {
    v[0] = (v[0] + v[1]) | 0;
    v[1] = rotl(v[1], 5) ^ v[0];
    v[0] = rotl(v[0], 16);
    v[2] = (v[2] + v[3]) | 0;
    v[3] = rotl(v[3], 8) ^ v[2];
    v[0] = (v[0] + v[3]) | 0;
    v[3] = rotl(v[3], 7) ^ v[0];
    v[2] = (v[2] + v[1]) | 0;
    v[1] = rotl(v[1], 13) ^ v[2];
    v[2] = rotl(v[2], 16);
  };
  const absorb = (word: number): void => {
    v[3] ^= word;
    for (let i = 0; i < c; i++) round();
    v[0] ^= word;
  };
  const whole = message.length & ~3;
  const bytes = Buffer.from(message);
  for (let at = 0; at < whole; at += 4) absorb(bytes.readInt32LE(at));
  let last = (message.length & 0xff) << 24;
  for (let i = 0; i < (message.length & 3); i++) last |= message[whole + i]! << (8 * i);
  absorb(last);
  v[2] ^= 0xff;
  for (let i = 0; i < d; i++) round();
  return (v[1] ^ v[3]) >>> 0;
}

/** CRC16/XMODEM, bit by bit. */
function plainCrc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}

const slots = new Int32Array(4);
const hashes = new Int32Array(4);

function hashed(key: Uint8Array): { slot: number; hash: number } {
  const padded = Buffer.concat([Buffer.from('{'), key, Buffer.from('}x')]);
  hashKey(padded, 1, key.length, slots, hashes, 2);
  return { slot: slots[2]!, hash: hashes[2]! };
}

const text = (key: string): number => keySlot(Buffer.from(key), 0, Buffer.byteLength(key));

describe('the slot of a key', () => {
  it('is CRC16 (XMODEM): its check value', () => {
    expect(crc16(Buffer.from('123456789'), 0, 9)).toBe(0x31c3);
    expect(plainCrc16(Buffer.from('123456789'))).toBe(0x31c3);
  });

  it("is what Redis's CLUSTER KEYSLOT says", () => {
    expect(text('somekey')).toBe(11058);
    expect(text('foo')).toBe(12182);
    expect(text('')).toBe(0);
  });

  it('goes by the hash tag, if there is one that is not empty', () => {
    expect(text('{user1000}.following')).toBe(text('user1000'));
    expect(text('a{user1000}.followers')).toBe(text('user1000'));
    expect(text('foo{}{bar}')).toBe(plainCrc16(Buffer.from('foo{}{bar}')) & 16383);
    expect(text('foo{{bar}}zap')).toBe(text('{bar'));
    expect(text('foo{bar}{zap}')).toBe(text('bar'));
    expect(text('foo{bar')).toBe(plainCrc16(Buffer.from('foo{bar')) & 16383);
    expect(text('{}')).toBe(plainCrc16(Buffer.from('{}')) & 16383);
    expect(text('}{a}')).toBe(text('a'));
  });

  it('is the same in one pass with the hash, wherever braces are', () => {
    const byte = fc.oneof(
      fc.constantFrom(0x7b, 0x7d),
      fc.constantFrom(0x7a, 0x7c, 0xfb, 0x00, 0xff),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
        const key = Uint8Array.from(bytes);
        const open = bytes.indexOf(0x7b);
        const close = open < 0 ? -1 : bytes.indexOf(0x7d, open + 1);
        const tag = close > open + 1 ? key.subarray(open + 1, close) : key;
        expect(hashed(key).slot).toBe(plainCrc16(tag) & 16383);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the index hash of a key', () => {
  beforeEach(() => seedKeyHash([0, 0]));

  it("has a reference that gives HalfSipHash-2-4's published test vectors", () => {
    // vectors_hsip32 of https://github.com/veorq/SipHash (CC0): key 00..07, messages of 0, 1, 2 ... bytes 00, 01, 02 ...
    const vectors = [
      0x5b9f35a9, 0xb85a4727, 0x03a662fa, 0x04e7fe8a, 0x89466e2a, 0x69b6fac5, 0x23fc6358, 0xc563cf8b,
      0x8f84b8d0, 0x79e706f8, 0x3479b094, 0x50300808, 0x2f87f057, 0xff63e677, 0x7cf8ffd6, 0x972bfe74,
      0x84acb5d9, 0x5b6474c4, 0x9b8d5b46, 0x87e3ef7b, 0x45104de3, 0xb3623f61, 0xfe67f370,
    ];
    for (const [length, vector] of vectors.entries()) {
      const message = Uint8Array.from({ length }, (_, i) => i);
      expect(halfSipHash(2, 4, 0x03020100, 0x07060504, message)).toBe(vector);
    }
  });

  it('is HalfSipHash-1-3 without its lowest two bits, for every length and seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.integer(), fc.integer(), (key, k0, k1) => {
        seedKeyHash([k0 | 0, k1 | 0]);
        expect(hashed(key).hash >>> 0).toBe((halfSipHash(1, 3, k0 | 0, k1 | 0, key) & ~3) >>> 0);
      }),
      { numRuns: 1000 },
    );
    for (const length of [255, 256, 257, 65535, 65536, 100_001]) {
      const key = randomBytes(length);
      seedKeyHash([7, 9]);
      expect(hashed(key).hash >>> 0).toBe((halfSipHash(1, 3, 7, 9, key) & ~3) >>> 0);
      expect(hashed(key).slot).toBe(keySlot(key, 0, length));
    }
  });

  it('differs with the seed', () => {
    seedKeyHash([1, 2]);
    const one = hashed(Buffer.from('key')).hash;
    seedKeyHash([1, 3]);
    expect(hashed(Buffer.from('key')).hash).not.toBe(one);
  });
});
