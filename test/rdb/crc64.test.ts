// The checksum of RDB files: its check value, all lengths and alignments against the bit-by-bit definition.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Crc64 } from '../../src/rdb/crc64.ts';

const POLY = 0xad93d23594c935a9n;
const reversed = (value: bigint): bigint =>
  BigInt(`0b${[...value.toString(2).padStart(64, '0')].reverse().join('')}`);

/** By the book: one bit after the other. */
function plainCrc(bytes: Buffer): bigint {
  const poly = reversed(POLY);
  let crc = 0n;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1n) === 1n ? (crc >> 1n) ^ poly : crc >> 1n;
  }
  return crc;
}

function fastCrc(bytes: Buffer, off: number, len: number): bigint {
  const crc = new Crc64();
  crc.update(bytes, off, len);
  const out = Buffer.alloc(8);
  crc.write(out, 0);
  expect(crc.matches(out, 0)).toBe(true);
  return out.readBigUInt64LE(0);
}

describe('CRC-64', () => {
  it('has the check value of its definition', () => {
    expect(fastCrc(Buffer.from('123456789'), 0, 9).toString(16)).toBe('e9c6d914c4b8d9ca');
    expect(fastCrc(Buffer.alloc(0), 0, 0)).toBe(0n);
  });

  it('is the same as computed bit by bit, at any place and length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(20), (data, skip) => {
        const bytes = Buffer.from(data);
        const off = Math.min(skip, bytes.length);
        expect(fastCrc(bytes, off, bytes.length - off)).toBe(plainCrc(bytes.subarray(off)));
      }),
    );
  });

  it('can be fed in pieces', () => {
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7919) & 0xff));
    const whole = new Crc64();
    whole.update(bytes, 0, bytes.length);
    const pieces = new Crc64();
    for (let at = 0, step = 0; at < bytes.length; at += step) {
      step = Math.min(1 + ((at * 31) % 23), bytes.length - at);
      pieces.update(bytes, at, step);
    }
    expect([pieces.low, pieces.high]).toEqual([whole.low, whole.high]);
  });
});
