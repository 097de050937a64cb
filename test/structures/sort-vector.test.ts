// The engine of SORT against the plainest model there is: an array of buffers and its stable sort.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Breather, SortVector, Tie } from '../../src/structures/sort-vector.ts';

const still: Breather = { breathe: () => undefined };

/** Few letters, NULs among them, and lengths around the six bytes of a key. */
const text = fc
  .array(fc.constantFrom(0, 1, 97, 98, 255), { maxLength: 9 })
  .map((bytes) => Buffer.from(bytes));

const cut = (bytes: Buffer): Buffer => {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
};

function fill(vector: SortVector, elements: readonly Buffer[]): void {
  vector.clear();
  vector.reserve(elements.length);
  for (const element of elements) vector.add(element, 0, element.length);
}

function contents(vector: SortVector): Buffer[] {
  const { store, refs, order, count } = vector;
  return Array.from({ length: count }, (_, place) => {
    const ref = refs[order[place]!]!;
    const at = store.offsetOf(ref);
    return store.bytesOf(ref).subarray(at, at + store.lengthOf(ref));
  });
}

describe('SortVector', () => {
  it.each([
    [Tie.Bytes, false],
    [Tie.Bytes, true],
    [Tie.Text, false],
    [Tie.Text, true],
  ] as const)('sorts texts as a stable sort does (tie %i, descending %s)', (tie, descending) => {
    const vector = new SortVector();
    fc.assert(
      fc.property(fc.array(text, { maxLength: 120 }), (elements) => {
        fill(vector, elements);
        vector.tie = tie;
        vector.descending = descending;
        vector.setTextKeys(still);
        vector.sort(still);
        const compare = (a: Buffer, b: Buffer): number =>
          tie === Tie.Bytes ? Buffer.compare(a, b) : Buffer.compare(cut(a), cut(b));
        const model = [...elements].sort((a, b) => (descending ? -compare(a, b) : compare(a, b)));
        expect(contents(vector)).toEqual(model);
      }),
    );
  });

  it('sorts by scores, elements of the same score by their bytes', () => {
    const vector = new SortVector();
    const score = fc.constantFrom(-Infinity, -1.5, -0, 0, 1e300, Infinity);
    fc.assert(
      fc.property(fc.array(fc.tuple(score, text), { maxLength: 200 }), fc.boolean(), (pairs, descending) => {
        fill(
          vector,
          pairs.map(([, element]) => element),
        );
        vector.tie = Tie.Bytes;
        vector.descending = descending;
        for (const [i, [key]] of pairs.entries()) vector.setKey(i, key);
        vector.sort(still);
        const model = [...pairs].sort(([a, x], [b, y]) => {
          const order = a === b ? Buffer.compare(x, y) : a < b ? -1 : 1;
          return descending ? -order : order;
        });
        expect(contents(vector)).toEqual(model.map(([, element]) => element));
      }),
    );
  });

  it('sorts by other strings; what has none comes first, and last in descending order', () => {
    const vector = new SortVector();
    const other = fc.option(text);
    fc.assert(
      fc.property(fc.array(fc.tuple(other, text), { maxLength: 100 }), fc.boolean(), (pairs, descending) => {
        fill(
          vector,
          pairs.map(([, element]) => element),
        );
        vector.tie = Tie.Bytes;
        vector.descending = descending;
        vector.useOthers();
        for (const [i, [by]] of pairs.entries()) {
          if (by === null) vector.setNone(i);
          else vector.setOther(i, by, 0, by.length);
        }
        vector.sort(still);
        const model = [...pairs].sort(([a], [b]) => {
          const order =
            a === null || b === null ? Number(a !== null) - Number(b !== null) : Buffer.compare(a, b);
          return descending ? -order : order;
        });
        expect(contents(vector)).toEqual(model.map(([, element]) => element));
      }),
    );
  });

  it('sorts a part: its places hold what they would hold after sorting all', () => {
    const vector = new SortVector();
    const places = fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 300 }));
    // A small depth: as after an order that makes quicksort degenerate.
    const depths = fc.constantFrom(0, 1, 2, 5, 20);
    const lists = fc.array(fc.integer({ min: 0, max: 150 }), { maxLength: 300 });
    fc.assert(
      fc.property(lists, places, depths, (keys, [a, b], depth) => {
        const first = Math.min(a, b, keys.length);
        const last = Math.min(Math.max(a, b), keys.length - 1);
        const elements = keys.map((key) => Buffer.from(String(key)));
        fill(vector, elements);
        vector.tie = Tie.Bytes;
        for (const [i, key] of keys.entries()) vector.setKey(i, key);
        vector.sortPart(first, last, still, depth);
        const sorted = [...keys].sort((x, y) => x - y).map(String);
        const found = contents(vector).map(String);
        expect(found.slice(first, last + 1)).toEqual(sorted.slice(first, last + 1));
        expect(found.sort()).toEqual(sorted.sort());
      }),
    );
  });

  it('breathes while it works, and uses its arrays again after a large run', () => {
    let breaths = 0;
    const vector = new SortVector();
    const count = 100_000;
    const element = Buffer.alloc(12);
    vector.reserve(count);
    for (let i = 0; i < count; i++) {
      element.writeUInt32BE((i * 2654435761) >>> 0, 4);
      vector.add(element, 0, 12);
    }
    vector.tie = Tie.Bytes;
    vector.setTextKeys(still);
    vector.sort({ breathe: () => breaths++ });
    expect(breaths).toBeGreaterThan(100);
    const sorted = contents(vector);
    for (let i = 1; i < count; i++) expect(Buffer.compare(sorted[i - 1]!, sorted[i]!)).toBe(-1);
    fill(vector, [Buffer.from('b'), Buffer.from('a')]);
    vector.setTextKeys(still);
    vector.sort(still);
    expect(contents(vector).map(String)).toEqual(['a', 'b']);
  });
});
