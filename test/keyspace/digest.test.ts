import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Digest } from '../../src/keyspace/digest.ts';

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest();
}

function exclusiveOr(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ b[i]!));
}

describe('Digest', () => {
  it('xors and mixes as defined, for inputs of every length around the block of SHA-1', () => {
    const digest = new Digest();
    let expected: Buffer = Buffer.alloc(20);
    for (let len = 0; len < 140; len++) {
      const bytes = Buffer.alloc(len + 3, len * 7);
      digest.mix(bytes, 2, len);
      expected = sha1(exclusiveOr(expected, sha1(bytes.subarray(2, 2 + len))));
      digest.xor(bytes, 1, len);
      expected = exclusiveOr(expected, sha1(bytes.subarray(1, 1 + len)));
      expect(digest.toHex()).toBe(expected.toString('hex'));
    }
  });

  it('mixes numbers as 32 bits, big endian', () => {
    const digest = new Digest();
    let expected: Buffer = Buffer.alloc(20);
    for (const number of [0, 1, 15, 0x7fffffff, 0x01020304]) {
      digest.mixNumber(number);
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(number);
      expected = sha1(exclusiveOr(expected, sha1(bytes)));
      expect(digest.toHex()).toBe(expected.toString('hex'));
    }
  });

  it('takes other digests in any order', () => {
    const parts = ['a', 'b', 'c'].map((text) => {
      const part = new Digest();
      part.mix(Buffer.from(text), 0, 1);
      return part;
    });
    const one = new Digest();
    const other = new Digest();
    for (const part of parts) one.xorDigest(part);
    for (const part of parts.reverse()) other.xorDigest(part);
    expect(one.toHex()).toBe(other.toHex());
    one.reset();
    expect(one.toHex()).toBe('0'.repeat(40));
  });
});
