// Byte strings without objects: what goes in comes out, across pages and for strings larger than a page.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteStore } from '../../src/structures/byte-store.ts';

const MIB = 1024 * 1024;

function read(store: ByteStore, ref: number): Buffer {
  const at = store.offsetOf(ref);
  return store.bytesOf(ref).subarray(at, at + store.lengthOf(ref));
}

describe('ByteStore', () => {
  it('gives back what it was given', () => {
    const store = new ByteStore();
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 })), (strings) => {
        store.clear();
        const refs = strings.map((bytes) => store.add(Buffer.from(bytes), 0, bytes.length));
        expect(refs.every((ref) => ref > 0)).toBe(true);
        expect(refs.map((ref) => [...read(store, ref)])).toEqual(strings.map((bytes) => [...bytes]));
      }),
      { numRuns: 50 },
    );
  });

  it('compares as memcmp and as strcmp', () => {
    const store = new ByteStore();
    const bytes = fc.array(fc.constantFrom(0, 1, 200), { maxLength: 5 }).map((list) => Buffer.from(list));
    const cut = (text: Buffer): Buffer => Buffer.from(text.toString('latin1').split('\0')[0]!, 'latin1');
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        store.clear();
        const x = store.add(a, 0, a.length);
        const y = store.add(b, 0, b.length);
        expect(Math.sign(store.compare(x, y))).toBe(Buffer.compare(a, b));
        expect(Math.sign(store.compareText(x, y))).toBe(Buffer.compare(cut(a), cut(b)));
      }),
    );
  });

  it('holds strings of more than a page between short ones', () => {
    const store = new ByteStore();
    const long = Buffer.alloc(65 * MIB, 'x');
    long[long.length - 1] = 0x79;
    const half = Buffer.alloc(40 * MIB, 'h');
    const refs = [
      store.add(Buffer.from('first'), 0, 5),
      store.add(long, 0, long.length),
      store.add(Buffer.from('second'), 0, 6),
      store.add(half, 0, half.length),
      store.add(half, 0, half.length),
      store.add(Buffer.from('third'), 0, 5),
    ];
    expect(String(read(store, refs[0]!))).toBe('first');
    expect(read(store, refs[1]!).equals(long)).toBe(true);
    expect(String(read(store, refs[2]!))).toBe('second');
    expect(read(store, refs[4]!).equals(half)).toBe(true);
    expect(String(read(store, refs[5]!))).toBe('third');
    store.clear();
    expect(String(read(store, store.add(Buffer.from('again'), 0, 5)))).toBe('again');
  });
});
