// Ziplists and zipmaps: what is in them is read, and whatever is wrong with them is noticed.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZiplistCursor } from '../../src/rdb/ziplist.ts';
import { ZipmapCursor } from '../../src/rdb/zipmap.ts';
import { type Entry, ziplist, zipmap } from './old-formats.ts';

/** The entries as text, null if the bytes are no ziplist. */
function readZiplist(bytes: Buffer): string[] | null {
  const framed = Buffer.concat([Buffer.from('>>>'), bytes, Buffer.from('<<<<<<<<<<<<')]);
  const cursor = new ZiplistCursor(framed);
  if (!cursor.open(framed, 3, bytes.length)) return null;
  const entries: string[] = [];
  while (cursor.next()) {
    if (cursor.isInteger) entries.push(String((BigInt(cursor.high) << 32n) | BigInt(cursor.low >>> 0)));
    else entries.push(framed.toString('latin1', cursor.off, cursor.off + cursor.len));
  }
  return cursor.bad ? null : entries;
}

function readZipmap(bytes: Buffer): string[][] | null {
  const framed = Buffer.concat([Buffer.from('>>>'), bytes, Buffer.from('<<<<<<<<<<<<')]);
  const cursor = new ZipmapCursor(framed);
  if (!cursor.open(framed, 3, bytes.length)) return null;
  const pairs: string[][] = [];
  while (cursor.next()) {
    pairs.push([
      framed.toString('latin1', cursor.fieldOff, cursor.fieldOff + cursor.fieldLen),
      framed.toString('latin1', cursor.valueOff, cursor.valueOff + cursor.valueLen),
    ]);
  }
  return cursor.bad ? null : pairs;
}

const asText = (entry: Entry): string => (Buffer.isBuffer(entry) ? entry.toString('latin1') : String(entry));

describe('ziplists', () => {
  it('hold integers of every width and strings of every length', () => {
    const edges = [0, 12, 13, -1, 127, -128, 128, -129, 32767, -32768, 32768, 8388607, -8388608, 8388608];
    const wide = [2147483647n, -2147483648n, 2147483648n, 9223372036854775807n, -9223372036854775808n];
    const strings = ['', 'a', 'b'.repeat(63), 'c'.repeat(64), 'd'.repeat(300), 'e'.repeat(16384), '12'];
    const entries: Entry[] = [...edges, ...wide, ...strings];
    expect(readZiplist(ziplist(entries))).toEqual(entries.map(asText));
    expect(readZiplist(ziplist(entries, true))).toEqual(entries.map(asText));
    expect(readZiplist(ziplist([]))).toEqual([]);
  });

  it('come back as they were', () => {
    const entry: fc.Arbitrary<Entry> = fc.oneof(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.integer({ min: -300, max: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 40 }), fc.boolean(), (entries, wide) => {
        expect(readZiplist(ziplist(entries, wide))).toEqual(entries.map(asText));
      }),
    );
  });

  it('are refused when a byte of their structure is wrong', () => {
    const good = ziplist(['abc', 5, 1000, 'x'.repeat(100)]);
    for (const at of [0, 4, 8, 10, 11, 15, 16, good.length - 1]) {
      const bad = Buffer.from(good);
      bad[at]! ^= 0x55;
      expect(readZiplist(bad), `byte ${at}`).toBeNull();
    }
    for (let length = 0; length < good.length; length++)
      expect(readZiplist(good.subarray(0, length))).toBeNull();
  });

  it('never lead beyond their bytes, whatever is in them', () => {
    const entries = fc.array(fc.oneof(fc.integer(), fc.string({ maxLength: 80 })), {
      minLength: 1,
      maxLength: 10,
    });
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(entries, damage, (list, changes) => {
        const bytes = ziplist(list);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const read = readZiplist(bytes);
        if (read !== null) for (const entry of read) expect(entry.length).toBeLessThan(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('zipmaps', () => {
  it('hold fields and values, with room between', () => {
    const pairs = [['a', '1'], ['b'.repeat(253), ''], ['c'.repeat(254), 'd'.repeat(1000)]] as const; // biome-ignore format: pairs
    for (const free of [0, 1, 4]) expect(readZipmap(zipmap(pairs, free))).toEqual(pairs);
    const many = Array.from({ length: 300 }, (_, i) => [`f${i}`, `v${i}`] as const);
    expect(readZipmap(zipmap(many))).toEqual(many);
  });

  it('are refused when empty, cut or miscounted', () => {
    expect(readZipmap(Buffer.from([0, 0xff]))).toBeNull();
    const good = zipmap([['field', 'value'], ['x', 'y']], 2); // biome-ignore format: pairs
    for (let length = 0; length < good.length; length++)
      expect(readZipmap(good.subarray(0, length))).toBeNull();
    expect(readZipmap(Buffer.concat([Buffer.from([3]), good.subarray(1)]))).toBeNull();
  });

  it('never lead beyond their bytes, whatever is in them', () => {
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(damage, fc.nat(5), (changes, free) => {
        const bytes = zipmap([['field', 'value'], ['f'.repeat(260), 'y']], free); // biome-ignore format: pairs
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        const read = readZipmap(bytes);
        if (read !== null)
          for (const [field, value] of read) expect(field!.length + value!.length).toBeLessThan(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });
});
