// The layout of records: headers of every shape, long keys, expiries of 64 bits.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Encoding,
  headerBytes,
  RecordView,
  Type,
  writeExpiry,
  writeHeader,
} from '../../src/keyspace/record.ts';
import { allocateSharedBuffers, SharedMemory } from '../../src/memory/shared-memory.ts';

const memory = new SharedMemory(allocateSharedBuffers(1, 2), 1);

/** A view on a block in the second region. */
function viewAt(granule: number): RecordView {
  const view = new RecordView(memory);
  view.point(((1 << 26) + granule) | 0);
  return view;
}

describe('a record', () => {
  it('holds what its header says', () => {
    const shape = fc.record({
      type: fc.constantFrom(...Object.values(Type)),
      encoding: fc.constantFrom(...Object.values(Encoding)),
      keyLen: fc.oneof(fc.nat(300), fc.constantFrom(0, 65534, 65535, 65536, 512 * 1024 * 1024)),
      valueLen: fc.oneof(fc.nat(300), fc.constantFrom(0, 512 * 1024 * 1024, 0xffffffff)),
      expireAt: fc.oneof(
        fc.constant(-1),
        fc.maxSafeNat(),
        fc.constantFrom(0, 1, 2 ** 31, 2 ** 32, 2 ** 32 - 1, 2 ** 53 - 1),
      ),
      access: fc.integer({ min: 0, max: 0xffffff }),
    });
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 1, max: 2 ** 20 }),
        ({ type, encoding, keyLen, valueLen, expireAt, access }, granule) => {
          const view = viewAt(granule);
          writeHeader(view, type, encoding, keyLen, valueLen, expireAt, access);
          expect(view.type).toBe(type);
          expect(view.encoding).toBe(encoding);
          expect(view.keyLength).toBe(keyLen);
          expect(view.valueLength).toBe(valueLen);
          expect(view.expires).toBe(expireAt >= 0);
          expect(view.expireAt).toBe(expireAt);
          expect(view.expireAtExact).toBe(BigInt(expireAt));
          expect(view.access).toBe(access);
          expect(view.at).toBe(granule * 16);
          expect(view.keyOffset).toBe(view.at + headerBytes(keyLen, expireAt >= 0));
          expect(view.valueOffset).toBe(view.keyOffset + keyLen);
          expect(view.totalBytes).toBe(headerBytes(keyLen, expireAt >= 0) + keyLen + valueLen);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('takes 12 bytes in front of the key, 8 more with an expiry, 4 more with a key of 65535 bytes or more', () => {
    expect(headerBytes(16, false)).toBe(12);
    expect(headerBytes(16, true)).toBe(20);
    expect(headerBytes(65534, false)).toBe(12);
    expect(headerBytes(65535, false)).toBe(16);
    expect(headerBytes(65536, true)).toBe(24);
  });

  it('keeps expiries beyond 2^53 to the last bit', () => {
    const view = viewAt(50);
    for (const at of [2n ** 53n + 1n, 2n ** 62n + 12345n, 2n ** 63n - 1n, 0xffffffffn, 1n << 32n]) {
      writeHeader(view, Type.String, Encoding.Raw, 3, 3, at, 0);
      expect(view.expireAtExact).toBe(at);
      expect(view.expireAt).toBe(Number(at));
      writeExpiry(view, 1700000000123);
      expect(view.expireAt).toBe(1700000000123);
      writeExpiry(view, at);
      expect(view.expireAtExact).toBe(at);
    }
  });

  it('changes one field without the others', () => {
    const view = viewAt(70);
    writeHeader(view, Type.Hash, Encoding.Listpack, 65535, 77, 1234567890123, 0xabcdef);
    view.setAccess(0x123456);
    view.setEncoding(Encoding.Hashtable);
    view.setValueLength(5_000_000);
    expect(view.type).toBe(Type.Hash);
    expect(view.encoding).toBe(Encoding.Hashtable);
    expect(view.access).toBe(0x123456);
    expect(view.keyLength).toBe(65535);
    expect(view.valueLength).toBe(5_000_000);
    expect(view.expireAt).toBe(1234567890123);
  });
});
